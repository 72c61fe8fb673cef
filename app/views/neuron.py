"""One neuron, large: what it computes, what it writes, and its life."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QAction, QColor, QGuiApplication
from PySide6.QtWidgets import QWidget

from app import theme
from app.compute import Query
from app.export import Table, matrix_table
from app.numbers import number
from app.session import Selection
from app.views.base import TracedView
from app.views.controls import toggle
from app.views.help import Help
from app.views.life import Life, thumbnail_steps
from app.views.neuron_facts import FACTS, card, facts, has_phase, life_text, name_of, sentence
from app.views.neuron_page import SIDE, WIDE_SIDE, Page
from app.views.plots import epoch_text, on_leave, pen, set_range
from app.views.still import tip
from engine.analysis.measures import pair_sets
from engine.analysis.neuron_page import NeuronPicture, neuron_picture
from engine.analysis.wall import unwrapping

Ints = NDArray[np.int64]


class NeuronView(TracedView):
    """Map over (a, b) and its fit, facts, variance by frequency, logits written, phases and life of a neuron."""

    name = "neuron"
    title = "Neuron"
    about = (
        "Activation of one neuron for every pair beside the degree-2 polynomial of its frequency, what it reads and "
        "writes, and its life over training (paper, sec. 4.3 and 4.4)."
    )
    help = Help(
        see="The selected neuron's activation for every pair (a down, b across, axes unwrapped by its frequency as on "
        "the wall) beside the <i>degree-2 polynomial</i> fitted to it; the share of its variance at every frequency; "
        "what one unit of it adds to each logit; the phases of both waves on a dial; and below, its life: the map at "
        "some checkpoints, and a band as high as FVE in the best frequency's colour.",
        look_for="A settled neuron is explained by one frequency (FVE ≥ 0.85) and its fit looks like the truth. It "
        "reads cos(w(a + b) + φ) and writes cos(wc + ψ) with the same phase: the hands lie on each other, D is a "
        "degree or two. Its vote is then positive: it raises the logit of the right answer.",
        wrong="A phase means nothing where the frequency explains less than half (—). <i>Settled</i> and "
        "<i>committed</i> are judged at the checkpoints there are; of a run in training they hold “so far”. Votes are "
        "by the direct path W<sub>out</sub>W<sub>U</sub> of the last layer only.",
        formula="φ = arg Σ<sub>a,b</sub> N(a, b) e<sup>−iw(a+b)</sup>, ψ = arg Σ<sub>c</sub> W<sub>L</sub>[c, n] "
        "e<sup>−iwc</sup>, D = ψ − φ, vote = (2/p³)|N̂||Ŵ| cos D; fit: the constant and the eight products of 1, cos, "
        "sin of wa and wb. Settled: from there the best frequency never changes; committed: FVE stays ≥ 0.85.",
        paper="Figure 4b (maps), sections 4.3 (frequency, FVE) and 4.4 (degree-2 polynomials)",
    )

    def options(self) -> list[QWidget]:
        self._natural = toggle("natural order", "neuron.natural", "Axes in natural order instead of k·a mod p")
        self._hold = toggle(
            "hold colours", "neuron.hold",
            "Hold the colour limits of the checkpoint that orders the wall; otherwise each checkpoint has its own",
            checked=True,
        )  # fmt: skip
        for button in (self._natural, self._hold):
            button.toggled.connect(self.redraw)
        return [self._natural, self._hold]

    def build(self) -> QWidget:
        self._page = page = Page()
        self._headline = page.headline
        self._held: tuple[Any, float] = (None, 0.0)  # whose axis of the logits, and its end
        self._coloured: tuple[Any, list[QColor]] = (None, [])
        self._life = Life(self.compute, self)
        self._life.changed.connect(self._tell_life)
        self.tracing.progressed.connect(self._tell_life)
        self._answer_line = pg.InfiniteLine(angle=90, movable=False)
        page.written.addItem(self._answer_line, ignoreBounds=True)
        for shown in (page.map, page.fit_map):
            shown.hovered.connect(self._map_hovered)
            shown.clicked.connect(self._pair_clicked)
        page.spectrum.hovered.connect(self._spectrum_hovered)
        for widget, hovered in ((page.shares, self._shares_hovered), (page.written, self._written_hovered)):
            widget.scene().sigMouseMoved.connect(partial(self._over, widget, hovered))
            on_leave(widget, lambda: self.read_out(""))
        page.shares.scene().sigMouseClicked.connect(self._share_clicked)
        page.strip.wanted.connect(self.session.scrub)
        page.strip.hovered.connect(self._life_hovered)
        page.walked.connect(self.walk)
        page.arranged.connect(self.redraw)
        page.number.valueChanged.connect(self._go_to)
        self._copy = QAction("Copy neuron card", self)
        self._copy.setShortcut("Ctrl+Shift+C")
        self._copy.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._copy.triggered.connect(self.copy_card)
        self.addAction(self._copy)
        self.restyle()
        return page

    # -- query and draw ------------------------------------------------------------------------------------

    def query(self, selection: Selection) -> Query | None:
        if not selection.neurons:
            return None
        layer, index = selection.neurons[0]
        return Query(neuron_picture, (selection.run, selection.step, selection.layout_step, layer, index))

    def draw(self, answer: NeuronPicture, selection: Selection) -> None:
        neuron, wave, page = selection.neurons[0], answer.wave, self._page
        assert selection.run is not None
        self._title.setText(name_of(neuron, selection))
        self._show_number(selection.run.config.d_mlp - 1, neuron[1])
        self._headline.setText(f"k = {wave.frequency}" if wave.frequency else "dead")
        self._headline.set_ink(self._colour(wave.frequency, answer))
        brightest = float(answer.report.activation.max())
        limit = answer.limit if self._hold.isChecked() else brightest or 1.0
        over = f" · brightest {brightest:.2g}, clipped" if brightest > 1.5 * limit else ""
        page.sentence.setText(sentence(answer, selection) + over)
        tip(page.sentence, answer.report.no_basis or page.sentence.text())
        for key, text in facts(answer, selection).items():
            page.values[key].setText(text)
        tip(page.values["vote"], answer.report.no_vote or FACTS["vote"][1])
        side = SIDE if selection.run.config.n_layers == 1 else WIDE_SIDE
        if side != page.side_width:
            page.side_width = side
            page.arrange()
        self._draw_maps(answer, limit, selection)
        self._draw_panels(answer, selection)
        self._draw_life(selection)

    def _show_number(self, last: int, index: int) -> None:
        number = self._page.number
        if (number.maximum(), number.value()) != (last, index):
            blocked = QSignalBlocker(number)
            number.setRange(0, last)
            number.setValue(index)
            blocked.unblock()

    def _draw_maps(self, answer: NeuronPicture, limit: float, selection: Selection) -> None:
        page, order = self._page, self._order(answer)
        square, axis = np.ix_(order, order), self._axis(answer)
        for shown, values in ((page.map, answer.report.activation), (page.fit_map, answer.wave.fitted)):
            if shown.isVisibleTo(self._page):
                shown.show_values(values[square], 0, limit)
                shown.name_axes(axis.format("a"), axis.format("b"))
                shown.mark(self._cell(order, selection.pair))
        page.name_map(number(limit), self._foreign_axes(answer))
        text = "degree-2 fit" if not answer.wave.frequency else f"degree-2 fit, R² {answer.wave.r_squared:.3f}"
        page.fit_caption.setText(text)

    def _draw_panels(self, answer: NeuronPicture, selection: Selection) -> None:
        page, wave, order = self._page, answer.wave, self._order(answer)
        n = len(wave.by_frequency)
        ks = np.arange(1, n + 1)
        colours = self._colours(n, answer, selection.frequency)
        page.bars.show_bars(ks, wave.by_frequency, 0.8, colours)
        set_range(page.shares, (0.2, n + 0.8), (0.0, 1.06))
        page.name_axes("frequency k" if wave.generator is None else "character k", self._axis(answer).format("c"))
        writes = answer.report.writes[order]
        line = pen(self._colour(wave.frequency, answer))  # a wider one costs five times as much
        page.curve.show_points(np.arange(len(order)), writes, line)
        top = self._reach(max(answer.writes_limit, float(np.abs(writes).max()), 1e-9), selection)
        set_range(page.written, (-0.5, len(order) - 0.5), (-top, top))
        self._mark_answer(order, selection)
        top_norm = answer.spectrum_limit if self._hold.isChecked() else float(answer.spectrum.max()) or 1.0
        if page.spectrum.isVisibleTo(page):
            page.spectrum.show_values(answer.spectrum, 0, top_norm)
        told = (wave.phase, wave.output_phase, wave.misalignment) if has_phase(answer) else (None, None, None)
        page.dial.show_phases(*told, self._colour(wave.frequency, answer))

    def _reach(self, needed: float, selection: Selection) -> float:
        """End of the axis of the logits: it grows when it must, and shrinks for another neuron only, or if not held."""
        whose = selection.run, selection.neurons[0]
        held = self._held[1] if self._hold.isChecked() and self._held[0] == whose else 0.0
        self._held = whose, max(held, 1.3 * needed)
        return self._held[1]

    def _mark_answer(self, order: Ints, selection: Selection) -> None:
        """Where the selected pair's answer stands among the logits."""
        place = None
        if selection.pair is not None and selection.run is not None:
            config = selection.run.config
            answer = int(pair_sets(config).labels[selection.pair[0] * config.p + selection.pair[1]])
            found = np.flatnonzero(order == answer)
            place = int(found[0]) if len(found) else None
        self._answer_line.setVisible(place is not None)
        if place is not None:
            self._answer_line.setValue(place)

    def _draw_life(self, selection: Selection) -> None:
        run, page = selection.run, self._page
        assert run is not None
        n, strip = selection.n_checkpoints, self._page.strip
        t = self.tracing
        self._life.look_at(run, n, selection.neurons[0], t.traces if t.run is run else None)
        steps = thumbnail_steps(n, strip.room, run.grows) if strip.room and strip.isVisibleTo(page) else ()
        pixels = round(strip.thumbnail_side * max(1.0, self.devicePixelRatioF()))
        self._life.show_thumbnails(steps, selection.layout_step, pixels)
        self._tell_life()

    def _tell_life(self) -> None:
        """The facts and the strip, as far as they are known."""
        selection, life = self.session.selection, self._life
        run, answer = selection.run, self.answer
        if run is None or answer is None or not selection.n_checkpoints or not selection.neurons:
            return
        life.awaits_traces = run.reduced_precision and life.untraced and not self.tracing.trouble
        for key, text in self._life_texts(selection).items():
            value, what = self._page.values[key], FACTS[key][1]
            value.setText(text)
            tip(value, f"{what}. {life.trouble}" if life.trouble else what)
        strip = self._page.strip
        steps = thumbnail_steps(selection.n_checkpoints, strip.room, run.grows) if strip.room else ()
        epochs = run.epochs[: selection.n_checkpoints]
        strip.show_life(life, epochs, selection.step, steps, lambda k: self._colour(k, answer))

    def _life_texts(self, selection: Selection) -> dict[str, str]:
        life, grows = self._life, selection.run is not None and selection.run.grows
        return {
            "settled": life_text(life.settled, life.settled_known, life.trouble, grows),
            "committed": life_text(life.committed, life.committed_known, life.trouble, grows),
        }

    def _order(self, answer: NeuronPicture) -> Ints:
        """Residues from left to right: all of them in natural order, those of the cycle unwrapped."""
        if self._is_natural(answer):
            return np.arange(len(answer.report.activation))
        ordered: Ints = answer.elements[unwrapping(answer.wave.n, answer.settled_frequency)]
        return ordered

    def _is_natural(self, answer: NeuronPicture) -> bool:
        return self._natural.isChecked() or answer.report.no_basis is not None

    def _axis(self, answer: NeuronPicture) -> str:
        if self._is_natural(answer):
            return "{}"
        log = "" if answer.wave.generator is None else "log "
        if not answer.settled_frequency:
            return f"{log}{{}}"
        return f"{answer.settled_frequency}·{log}{{}} mod {answer.wave.n}"

    def _foreign_axes(self, answer: NeuronPicture) -> str:
        """Where the axes are unwrapped for another frequency than it has here, for which; else nothing."""
        there = answer.settled_frequency
        return (
            f"axes for k = {there}" if there not in (0, answer.wave.frequency) and not self._is_natural(answer) else ""
        )

    @staticmethod
    def _cell(order: Ints, pair: tuple[int, int] | None) -> tuple[int, int] | None:
        """Row and column of a pair; None where it is left out."""
        if pair is None:
            return None
        row, column = (np.flatnonzero(order == x) for x in pair)
        return (int(row[0]), int(column[0])) if len(row) and len(column) else None

    def restyle(self) -> None:
        self._page.restyle()
        self._answer_line.setPen(pen(theme.current().text, 1))

    def _why_empty(self, selection: Selection) -> str:
        if selection.run is not None and selection.n_checkpoints and not selection.neurons:
            self._title.setText(self.title)
            return "Click a neuron on the wall."
        return super()._why_empty(selection)

    def _colour(self, k: int, answer: NeuronPicture, selected: int | None = None) -> QColor:
        if k == selected and k not in answer.keys:
            return QColor(theme.current().accent)
        return theme.frequency_colour(k, answer.keys)

    def _colours(self, n: int, answer: NeuronPicture, selected: int | None) -> list[QColor]:
        """Of the frequencies 1 … n; kept while nothing that decides them changes."""
        key = (n, answer.keys, selected, theme.current().name)
        if self._coloured[0] != key:
            self._coloured = key, [self._colour(k, answer, selected) for k in range(1, n + 1)]
        return self._coloured[1]

    # -- going elsewhere -----------------------------------------------------------------------------------

    def walk(self, by: int) -> None:
        """To the neighbour on the wall; of several selected, to the next of them."""
        selection, answer = self.session.selection, self.answer
        if not selection.neurons or answer is None:
            return
        chosen = selection.neurons
        if len(chosen) > 1:
            by %= len(chosen)
            self.session.select(neurons=(*chosen[by:], *chosen[:by]))
        else:
            self.session.select(neurons=((chosen[0][0], answer.before if by < 0 else answer.after),))

    def _go_to(self, index: int) -> None:
        selection = self.session.selection
        if selection.neurons:
            self.session.select(neurons=((selection.neurons[0][0], index),))

    def _pair_clicked(self, row: int, column: int) -> None:
        order = self._order(self.answer)
        pair = (int(order[row]), int(order[column]))
        self.session.select(pair=None if pair == self.session.selection.pair else pair)

    def _share_clicked(self, event: Any) -> None:
        box = self._page.shares.getViewBox()
        if event.button() == Qt.MouseButton.LeftButton and box.sceneBoundingRect().contains(event.scenePos()):
            k = round(box.mapSceneToView(event.scenePos()).x())
            self.session.select(frequency=None if k == self.session.selection.frequency else k)

    # -- values under the pointer --------------------------------------------------------------------------

    def _map_hovered(self, cell: tuple[int, int] | None) -> None:
        answer: NeuronPicture | None = self.answer
        if cell is None or answer is None:
            self.read_out("")
            return
        order = self._order(answer)
        a, b = int(order[cell[0]]), int(order[cell[1]])
        active, fitted = answer.report.activation[a, b], answer.wave.fitted[a, b]
        self.read_out(f"a = {a}, b = {b} · {active:.4g}" + (f" · fit {fitted:.4g}" if fitted == fitted else ""))

    def _spectrum_hovered(self, cell: tuple[int, int] | None) -> None:
        answer: NeuronPicture | None = self.answer
        if cell is None or answer is None:
            self.read_out("")
        else:
            self.read_out(f"frequency {cell[0]} of a, {cell[1]} of b · norm {answer.spectrum[cell]:.3g}")

    def _over(self, widget: Any, tell: Any, at: Any) -> None:
        """Pass on where the pointer is in a plot."""
        box = widget.getViewBox()
        inside = self.answer is not None and box.sceneBoundingRect().contains(at)
        self.read_out(tell(round(box.mapSceneToView(at).x()), self.answer) if inside else "")

    def _shares_hovered(self, k: int, answer: NeuronPicture) -> str:
        shares = answer.wave.by_frequency
        return f"k = {k} · {100 * shares[k - 1]:.2f} % of variance" if 1 <= k <= len(shares) else ""

    def _written_hovered(self, place: int, answer: NeuronPicture) -> str:
        order = self._order(answer)
        if not 0 <= place < len(order):
            return ""
        return f"c = {order[place]} · {answer.report.writes[order[place]]:.3g} to the logit, a unit of activation"

    def _life_hovered(self, step: int | None) -> None:
        run, life = self.session.selection.run, self._life
        if step is None or run is None:
            self.read_out("")
            return
        epoch = int(run.epochs[step])
        at = np.flatnonzero(life.epochs == epoch)
        known = ""
        if len(at):
            k, fve = int(life.frequency[at[0]]), float(life.fve[at[0]])
            known = f" · k = {k}, {100 * fve:.1f} % of variance" if k else " · dead"
        elif not life.trouble:
            known = " · …"
        self.read_out(f"epoch {epoch_text(epoch)}{known}")

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def actions_of_its_own(self) -> list[QAction]:
        self._copy.setEnabled(self.answer is not None)
        return [self._copy]

    def copy_card(self) -> None:
        """The neuron as a Markdown table, to the clipboard."""
        selection, answer = self.session.selection, self.answer
        if answer is not None and selection.neurons and not self.waiting:
            QGuiApplication.clipboard().setText(card(answer, selection, **self._life_texts(selection)))
            self.read_out("card copied")

    def tables(self, answer: NeuronPicture, selection: Selection) -> list[Table]:
        values = answer.report.activation
        both = dict(matrix_table("activation", "a", "b", values, "activation").columns)
        both["degree-2 fit (NaN: not on the cycle)"] = answer.wave.fitted.reshape(-1)
        life = self._life
        return [
            Table("activation", both),
            Table("variance", {
                "k": np.arange(1, len(answer.wave.by_frequency) + 1),
                "share of the centred variance": answer.wave.by_frequency,
            }),
            Table("logits", {"c": np.arange(len(answer.report.writes)), "logit per unit": answer.report.writes}),
            Table("life", {"epoch": life.epochs, "best frequency k": life.frequency, "FVE": life.fve}),
        ]  # fmt: skip

    def describe(self, answer: NeuronPicture, selection: Selection) -> str:
        wave = answer.wave
        axes = self._axis(answer).format("a")
        text = (
            f"{name_of(selection.neurons[0], selection)}: activation after the nonlinearity over all pairs (a down, b "
            f"across; axes {axes}), and the degree-2 polynomial in cos and sin of wa and wb fitted to it. "
        )
        if wave.frequency:
            text += (
                f"Its best frequency k = {wave.frequency} explains {100 * wave.fve:.2f} % of its centred variance in "
                "eight linear and quadratic terms (sec. 4.3)."
            )
        said = facts(answer, selection)
        if has_phase(answer):
            text += f" It reads φ = {said['phase']} and writes ψ = {said['output_phase']} (D = {said['misalignment']})."
        return text
