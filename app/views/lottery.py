"""The lottery of the frequencies: who leads over training, and whether the start told who would win."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QRectF
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from app import theme
from app.compute import Query
from app.export import Table
from app.numbers import epoch_text
from app.session import Selection
from app.theme import SPACE
from app.views.base import TracedView
from app.views.controls import toggle
from app.views.help import Help
from app.views.leaders_strip import LeadersStrip
from app.views.lottery_words import leaders_words, rank_words, spread_words, worth_words
from app.views.sentence import Sentence, keys_text
from app.views.ticket_plots import Cloud, Panel, Places
from engine.analysis.lottery import SCORES, SIZES, places_of, worth
from engine.analysis.race import NEURONS
from engine.analysis.standings import Lottery, lottery

ALL, LEADERS, FREQUENCIES, TICKETS, PLACES = "all", "leaders", "frequencies", "neurons", "places"
_WHAT = {
    ALL: "As much as there is room for",
    LEADERS: "Who holds the first places over training",
    FREQUENCIES: "Every frequency: its size at the start and at the end",
    TICKETS: "Every neuron: how its final frequency stood at the start",
    PLACES: "How often each place at the start led to the end",
}
_SIZES = {
    "W_E": "Norm in the embedding", "W_U": "Norm in the unembedding", "W_L": "Norm in the neuron–logit map",
    "neurons": "Norm in the neurons' activations", "votes": "Sum of the neurons' votes: their part of the logits' wave",
}  # fmt: skip
_SCORES = {
    "magnitude": "|N̂|: the wave that the neuron reads",
    "alignment": "cos D: whether it writes what it reads",
    "ticket": "|N̂| cos D: what the lottery of a small network pays for",
    "vote": "|N̂||Ŵ| cos D: its part of the logits' wave",
}
_BELOW, _TWO, _THREE = 300, 520, 800  # pixels of height and width
_NAMED = 12  # keys with their names in the cloud of frequencies


class LotteryView(TracedView):
    """A strip of leaders, clouds of frequencies and neurons, and the places that won; clicks brush both kinds."""

    name = "lottery"
    title = "Lottery"
    about = (
        "Which frequencies hold the first places in W_E, W_U, W_L and the neurons over training; and whether sizes and "
        "phases at the start tell which frequencies, and which frequency of each neuron, win. Click a point to select "
        "it, the strip to go there."
    )
    help = Help(
        see="Above, the frequencies at the first places of each matrix and of the neurons' activations at every "
        "checkpoint, the largest on top, keys in their colours; the open triangle is where the keys hold these places "
        "for the first time, the filled one from where they keep them. Below: every frequency by its size at the start "
        "and at the end; every neuron that carries a frequency at the end, by the place that frequency had among all "
        "by the magnitude it read at the start, and by how far its phases were apart; and how many neurons drew each "
        "place by a score. With “on show” the checkpoint on show takes the place of the start.",
        look_for="If the start were a lottery whose tickets are drawn at initialisation, neurons would crowd at the "
        "lower right and at the first places. On the paper’s mainline they do not: 15 % have their final frequency in "
        "the first tenth by |N̂| cos D (an even draw gives 10.7 %, shuffled tickets 13.3 %). The embedding tells "
        "more: the five keys stand at place 10.4 of 56 on average in W<sub>E</sub> (chance 28.5 ± 7.0), though none "
        "in the lead. At epoch 100 the share is 44 %, at 1400 59 %: the draw takes place while the model memorises.",
        wrong="A conclusion from one run: five keys are five draws. Shuffled tickets above an even draw mean that some "
        "frequencies are large in all neurons, which is the embedding’s doing and no neuron’s luck. Neurons are not "
        "independent of each other, so no error is given. While a run goes on the outcome is that so far.",
        formula="N̂<sub>k</sub> = Σ N e<sup>−iw(a + b)</sup> of the activation, Ŵ<sub>k</sub> = Σ<sub>c</sub> "
        "W<sub>L</sub>[c] e<sup>−iwc</sup>, D = arg Ŵ − arg N̂. Even draw: the places counted over all places. "
        "Shuffled: each neuron’s final frequency looked up in the tickets of every other. ρ: Spearman’s rank "
        "correlation over all frequencies, within ± 1.96/√(n − 1) in 95 of 100 draws.",
        paper="Not in it. He, Wang, Chen and Yang 2026 (arXiv 2602.16849) for a two-layer network from small weights, "
        "where ψ = 2φ; the question for this model is open there.",
    )

    def options(self) -> list[QWidget]:
        self._show_what = _choice("lottery.show", "What of it", _WHAT)
        self._size = _choice("lottery.size", "Size of a frequency", _SIZES)
        self._score = _choice("lottery.score", "What the places are by", _SCORES)
        self._score.setCurrentText("ticket")
        self._on_show = toggle("on show", "lottery.on_show", "The checkpoint on show in place of the start")
        self._log_x = toggle("log x", "lottery.log_x", "Epochs on a logarithmic axis: the race is early", True)
        self._show_what.currentIndexChanged.connect(self._option_changed)
        for box in (self._size, self._score):
            box.currentIndexChanged.connect(lambda _: self.redraw())
        self._on_show.toggled.connect(self.redraw)
        self._log_x.toggled.connect(self._rescale)
        return [self._show_what, self._size, self._score, self._on_show, self._log_x]

    def build(self) -> QWidget:
        self._drawn: tuple[Any, ...] = ()
        self._sentence = Sentence()
        self._sentence.setObjectName("lottery.sentence")
        self._strip = LeadersStrip(self.session)
        self._strip.set_scales(log_x=self._log_x.isChecked())
        self._strip.clicked = self._click_strip
        self._strip.pointed = self._point_at_strip
        self._frequencies = Cloud("at the end", "at the start", names=_NAMED)
        self._neurons = Cloud("|D|", "place by magnitude")
        self._places = Places("neurons", "place")
        self._frequencies.hovered.connect(self._hover_frequency)
        self._frequencies.clicked.connect(self._click_frequency)
        self._neurons.hovered.connect(self._hover_neuron)
        self._neurons.clicked.connect(self._click_neuron)
        self._places.hovered.connect(self._hover_place)
        self._panels: dict[str, Panel] = {
            FREQUENCIES: self._frequencies, TICKETS: self._neurons, PLACES: self._places,
        }  # fmt: skip
        for what, panel in self._panels.items():
            panel.words.setObjectName(f"lottery.{what}")
        self._neurons.show_range(QRectF(-0.02, -4, 1.04, 188))
        self._neurons.plot.getPlotItem().getAxis("left").setTicks([[(d, f"{d}°") for d in (0, 45, 90, 135, 180)]])
        self._lower = QWidget()
        row = QHBoxLayout(self._lower)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE)
        for panel in self._panels.values():
            row.addWidget(panel, 1)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self._sentence)
        column.addWidget(self._strip.widget, 4)
        column.addWidget(self._lower, 5)
        self.restyle()
        return content

    # -- what is asked -------------------------------------------------------------------------------------

    def _at(self, selection: Selection) -> int:
        """The step whose tickets are looked at."""
        return selection.step if self._on_show.isChecked() else 0

    def query(self, selection: Selection) -> Query | None:
        return self.traced(lottery, selection, self._at(selection), selection.thresholds)

    def refresh(self, selection: Selection) -> None:
        """As every view; asks for what only it shows, and moves the cursor even while points are awaited."""
        if self.on_show and selection.run is not None:
            self.tracing.want(NEURONS)
        super().refresh(selection)
        if self.waiting and self._shown is not None and selection.run is not None and selection.n_checkpoints:
            self._strip.show_epoch(selection.epoch)

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, answer: Lottery, selection: Selection) -> None:
        if answer.tickets.no_basis:
            self.set_subtitle("")
            self._say(f"No frequencies to draw: {answer.tickets.no_basis}")
            self._drawn = ()
            return
        brushes = (selection.frequency, selection.neurons, self._size.currentText(), self._score.currentText())
        before, self._drawn = self._drawn, (answer.races, answer.tickets, brushes)
        if not before or before[0] is not answer.races:
            self._draw_leaders(answer)
        if not before or before[1:] != self._drawn[1:]:
            self._draw_frequencies(answer, selection)
            self._draw_neurons(answer, selection)
            self._draw_places(answer, selection)
        self._strip.show_epoch(selection.epoch)
        self._sentence.say(
            leaders_words(answer.races, selection.epoch), leaders_words(answer.races, selection.epoch, short=True)
        )

    def _draw_leaders(self, answer: Lottery) -> None:
        every = [race.epochs[-1] for race in answer.races.values() if len(race.epochs)]
        self._strip.show_races(answer.races, self._keys(answer), float(max(every, default=1)))
        race = answer.races["W_E"]
        self.set_subtitle(keys_text(race.pinned, race.keys))

    @staticmethod
    def _keys(answer: Lottery) -> tuple[int, ...]:
        """Who has a colour: the pinned keys, or what is carried so far."""
        return answer.keys or answer.tickets.keys

    def _draw_frequencies(self, answer: Lottery, selection: Selection) -> None:
        drawn, which, keys = answer.tickets, self._size.currentText(), self._keys(answer)
        start, end = drawn.sizes[which]
        numbers = range(1, len(start) + 1)
        order = [k for k in numbers if k not in keys] + [k for k in numbers if k in keys]  # keys on top
        self._order = np.array(order, np.int64)
        colours = [theme.frequency_colour(k, keys) for k in order]
        x, y = start[self._order - 1], end[self._order - 1]
        self._frequencies.show_points(x, y, colours, [10.0 if k in keys else 6.0 for k in order])
        self._frequencies.show_range(_around(x, y))
        self._frequencies.name({
            order.index(k): (str(k), theme.frequency_colour(k, keys)) for k in keys[:_NAMED] if k in order
        })  # fmt: skip
        self._frequencies.ring([order.index(selection.frequency)] if selection.frequency in order else [])
        what = "votes" if which == "votes" else f"norm in {which}"
        self._frequencies.name_axes(f"at epoch {epoch_text(drawn.last)}", f"{what}, epoch {epoch_text(drawn.first)}")

    def _draw_neurons(self, answer: Lottery, selection: Selection) -> None:
        drawn, keys, chosen = answer.tickets, self._keys(answer), selection.frequency
        self._carriers = drawn.carriers
        own = drawn.frequency[self._carriers]
        row = np.arange(len(own))
        f = drawn.magnitude.shape[1]
        place = places_of(drawn.magnitude[self._carriers])[row, own - 1] if len(own) else own
        apart = np.degrees(np.abs(drawn.misalignment[self._carriers][row, own - 1])) if len(own) else np.zeros(0)
        of = {}
        for k in set(own.tolist()):
            of[k] = theme.frequency_colour(k, keys)
            of[k].setAlpha(200 if chosen in (None, k) or chosen not in own else 40)
        colours = [of[k] for k in own.tolist()]
        self._neurons.show_points((f - place + 0.5) / max(f, 1), apart, colours, [6.0] * len(own))
        layer = 0 if selection.run is None else selection.run.config.n_layers - 1
        rings = [i for la, i in selection.neurons if la == layer]
        self._neurons.ring([int(i) for i in np.flatnonzero(np.isin(self._carriers, rings))])
        self._neurons.name_axes(
            f"|D|, epoch {epoch_text(drawn.first)}", "place of its final frequency by |N̂|: last … first"
        )
        bottom = self._neurons.plot.getPlotItem().getAxis("bottom")
        bottom.setTicks([[(0.5 / max(f, 1), str(f)), (0.5, str((f + 1) // 2)), (1 - 0.5 / max(f, 1), "1")]])

    def _draw_places(self, answer: Lottery, selection: Selection) -> None:
        """The places by the chosen score, and what all of it tells."""
        numbers = answer.tickets
        score, chosen, keys = self._score.currentText(), selection.frequency, self._keys(answer)
        verdict = worth(numbers, score)
        own = numbers.frequency[numbers.carriers]
        places = np.zeros(0, np.int64) if verdict is None else verdict.place
        colour = theme.frequency_colour(chosen, keys) if chosen is not None and chosen in own else None
        self._places.show_places(places, places[own == chosen], numbers.magnitude.shape[1], colour)
        self._places.name_axes("neurons", f"place of their final frequency by {score}")
        which = self._size.currentText()
        self._frequencies.words.say(*rank_words(which, numbers, keys))
        self._neurons.words.say(*spread_words(numbers))
        self._places.words.say(*worth_words(verdict))

    def restyle(self) -> None:
        self._strip.restyle()
        for panel in self._panels.values():
            panel.restyle()
        self._drawn = ()

    # -- room ----------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        what, width, height = self._show_what.currentText(), self.width(), self.height()
        room = 3 if width >= _THREE else 2 if width >= _TWO else 1
        seen = {ALL: (FREQUENCIES, PLACES, TICKETS)[:room]}.get(what, (what,))
        for name, panel in self._panels.items():
            panel.setVisible(name in seen)
        self._strip.widget.setVisible(what in (ALL, LEADERS))
        self._lower.setVisible(what != LEADERS and (what != ALL or height >= _BELOW))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._option_changed()

    def _option_changed(self) -> None:
        if self._content is not None:
            self._arrange()

    def _rescale(self) -> None:
        if self._content is not None:
            self._strip.set_scales(log_x=self._log_x.isChecked())

    # -- pointer -------------------------------------------------------------------------------------------

    def _point_at_strip(self, at: tuple[float, float] | None) -> None:
        answer: Lottery | None = self.answer
        there = None if at is None or answer is None else self._strip.at(*at)
        if there is None or answer is None:
            self.read_out("")
            return
        which, column, place, k = there
        race = answer.races[which]
        size = f"norm {race.norm[column, k - 1]:.3g}"
        self.read_out(f"epoch {epoch_text(race.epochs[column])} · {which} · place {place}: k = {k} · {size}")

    def _click_strip(self, epoch: float, y: float) -> None:
        """Select the frequency and go there, in one."""
        now, there = self.session.selection, self._strip.at(epoch, y)
        if now.run is None or not now.n_checkpoints:
            return
        step = int(np.abs(now.run.epochs[: now.n_checkpoints] - epoch).argmin())
        following = now.following and step >= now.n_checkpoints - 1
        k = now.frequency if there is None else there[3]
        self.session.select(step=step, following=following, frequency=k)

    def _hover_frequency(self, i: int | None) -> None:
        answer: Lottery | None = self.answer
        if i is None or answer is None:
            self.read_out("")
            return
        k, which = int(self._order[i]), self._size.currentText()
        start, end = (float(x[k - 1]) for x in answer.tickets.sizes[which])
        place = int((answer.tickets.sizes[which][0] > start).sum()) + 1
        first, last = epoch_text(answer.tickets.first), epoch_text(answer.tickets.last)
        self.read_out(f"k = {k} · {which} {start:.3g} at epoch {first}, place {place} · {end:.3g} at epoch {last}")

    def _click_frequency(self, i: int) -> None:
        k = int(self._order[i])
        self.session.select(frequency=None if k == self.session.selection.frequency else k)

    def _hover_neuron(self, i: int | None) -> None:
        answer: Lottery | None = self.answer
        if i is None or answer is None:
            self.read_out("")
            return
        drawn, n = answer.tickets, int(self._carriers[i])
        k = int(drawn.frequency[n])
        place = int(places_of(drawn.magnitude[[n]])[0, k - 1])
        apart = np.degrees(drawn.misalignment[n, k - 1])
        self.read_out(
            f"neuron {n} · k = {k} (FVE {drawn.fve[n]:.2f}) · place {place} of {drawn.magnitude.shape[1]} by |N̂| · "
            f"D = {apart:.0f}°".replace("-", "−")
        )

    def _click_neuron(self, i: int) -> None:
        now = self.session.selection
        if now.run is not None:
            one = (now.run.config.n_layers - 1, int(self._carriers[i]))
            self.session.select(neurons=() if now.neurons == (one,) else (one,))

    def _hover_place(self, place: int | None) -> None:
        if place is None:
            self.read_out("")
            return
        count, even = int(self._places.counts[place - 1]), self._places.even.value()
        self.read_out(f"place {place} by {self._score.currentText()} · {count} neurons · an even draw gives {even:.1f}")

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: Lottery, selection: Selection) -> list[Table]:
        drawn = answer.tickets
        if drawn.no_basis:
            return []
        f = drawn.magnitude.shape[1]
        sizes: dict[str, Any] = {"frequency k": np.arange(1, f + 1)}
        for which in SIZES:
            sizes |= {f"{which} at the start": drawn.sizes[which][0], f"{which} at the end": drawn.sizes[which][1]}
        own, row = drawn.frequency[drawn.carriers], np.arange(len(drawn.carriers))
        held: dict[str, Any] = {"neuron": drawn.carriers, "final frequency k": own, "FVE": drawn.fve[drawn.carriers]}
        if len(own):
            held["misalignment D (degrees)"] = np.degrees(drawn.misalignment[drawn.carriers][row, own - 1])
            for score in SCORES:
                held[f"place by {score}"] = places_of(drawn.score(score)[drawn.carriers])[row, own - 1]
        made = [Table("frequencies", sizes), Table("neurons", held)]
        for which, race in answer.races.items():
            orders = race.leaders(len(self._keys(answer)) or 5)
            places = {f"place {i}": order for i, order in enumerate(orders, 1)}
            if len(race.epochs):
                made.append(Table(f"leaders {which}", {"epoch (steps)": race.epochs, **places}))
        return made

    def describe(self, answer: Lottery, selection: Selection) -> str:
        drawn, race = answer.tickets, answer.races["W_E"]
        said = [
            "Frequencies at the first places of W_E, W_U, W_L and the neurons' activations over training; sizes of all "
            f"frequencies and tickets of all neurons at epoch {epoch_text(drawn.first)} against the outcome at epoch "
            f"{epoch_text(drawn.last)}.",
            f"{keys_text(race.pinned, race.keys)}.",
        ]
        if not drawn.no_basis:
            said.append(f"{rank_words(self._size.currentText(), drawn, self._keys(answer))[0]}.")
            said.append(f"By {self._score.currentText()}: {worth_words(worth(drawn, self._score.currentText()))[0]}.")
        return " ".join(said)


def _around(x: np.ndarray, y: np.ndarray) -> QRectF:
    """All points with a little room, more to the right for their names."""
    if not len(x):
        return QRectF(0, 0, 1, 1)
    wide, tall = max(float(np.ptp(x)), 1e-9), max(float(np.ptp(y)), 1e-9)
    return QRectF(float(x.min()) - 0.05 * wide, float(y.min()) - 0.07 * tall, 1.17 * wide, 1.14 * tall)


def _choice(name: str, what: str, tips: dict[str, str]) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    box.setAccessibleName(what)
    box.setToolTip("\n".join(f"{text}: {tip}" for text, tip in tips.items()))
    box.addItems(list(tips))
    return box
