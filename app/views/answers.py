"""Every pair of the task by itself: what the model answers, how surely, and since when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QComboBox, QWidget

from app import theme
from app.ablation_words import ablation_texts
from app.compute import Answer, Compute, Query
from app.export import Table
from app.session import Selection, Session
from app.theme import SPACE
from app.tracing import Tracing
from app.views.base import Help, TracedView, toggle
from app.views.legend import value_text
from app.views.maps import HOT, SEQUENTIAL, SIGNED, HeatMap, table_of
from app.views.plots import epoch_text
from engine.analysis.ablation import WHOLE
from engine.analysis.characters import NoBasis, characters
from engine.analysis.pairs import Score, pair_masks
from engine.analysis.solutions import (
    AnswerMap,
    ClassScores,
    Graduation,
    History,
    answer_history,
    answer_map,
    cycle_mask,
    graduation_map,
)
from engine.analysis.wall import unwrapping
from engine.config import Config
from engine.tasks import TASKS

Ints = NDArray[np.int64]
RIGHT, CONFIDENCE, PROBABILITY, LOSS, MARGIN, GRADUATION = (
    "right or wrong", "confidence", "p(right answer)", "loss", "margin", "graduation",
)  # fmt: skip
TIPS = {
    RIGHT: "Whether the largest logit is that of the right answer",
    CONFIDENCE: "Softmax probability of the answer given, right or wrong",
    PROBABILITY: "Softmax probability of the right answer",
    LOSS: "−ln of the probability of the right answer, in nats; colours by its logarithm",
    MARGIN: "Right logit less the best wrong one: positive where the answer is right",
    GRADUATION: "The epoch from which on the pair stays right; over all of training, whatever checkpoint is on show",
}
COLOURS = {CONFIDENCE: SEQUENTIAL, PROBABILITY: SEQUENTIAL, LOSS: HOT, MARGIN: SIGNED, GRADUATION: SEQUENTIAL}
LOSSES = (1e-8, 1e2)  # nats, ends of the colours
KINDS = ("train", "seen", "unseen", "test")  # what has an entry in the legend; `test` is the two before it together
NAMES = {"train": "train", "seen": "mirror seen", "unseen": "mirror unseen", "test": "test"}
LONG = {
    "train": "training pair", "seen": "test pair, mirror trained", "unseen": "test pair, mirror not trained",
    "test": "test pair",
}  # fmt: skip
_TOP = 249  # colour table's last place of a value; above it stand
_HIDDEN, _OFF, _NEVER, _NONE = 252, 253, 254, 255
STALE_MS = 150  # so long may numbers stay while the mix of the two solutions moves
_SMALLEST = 3.0  # pixels of a cell on which a mark can be seen


@lru_cache(maxsize=8)
def kinds(config: Config) -> NDArray[np.int8]:
    """Of every pair the place of its class in `KINDS`, −1 where the task has no such pair.  (p, p)"""
    masks = pair_masks(config)
    found = np.full(masks.exists.shape, -1, np.int8)
    found[masks.train] = 0
    found[masks.test] = 3
    if masks.mirror_seen is not None:
        found[masks.test] = 2
        found[masks.mirror_seen] = 1
    found.flags.writeable = False
    return found


@lru_cache(maxsize=8)
def labels(config: Config) -> Ints:
    """The right answer to every pair, −1 where there is none.  (p, p)"""
    return pair_masks(config).label


@lru_cache(maxsize=32)
def unwrapped(config: Config, k: int) -> Ints:
    """Residues along an axis on which frequency k is one wave; those off the task's cycle come first.  (p,)"""
    p = config.p
    try:
        basis = characters(config)
    except NoBasis:
        return unwrapping(p, k)
    on = basis.elements[unwrapping(basis.n, k)]
    return np.concatenate([np.setdiff1d(np.arange(p), on), on])


def asked(tracing: Tracing, selection: Selection) -> tuple[Any, ...]:
    """Run, step, keys and ablation that `answer_map` is asked with; what is whole does not depend on keys."""
    pinned = tracing.pinned if tracing.run is selection.run else None
    if selection.ablation.is_whole:
        return selection.run, selection.step, (), WHOLE
    return selection.run, selection.step, () if pinned is None else pinned.keys, selection.ablation


class AnswersView(TracedView):
    """The p × p map of answers; a click selects a pair everywhere."""

    name = "answers"
    title = "Answers"
    about = (
        "What the model answers to every pair (a, b), a down and b across, with the training pairs and the test pairs "
        "whose mirror (b, a) was trained told apart. Click a cell to select the pair everywhere."
    )
    help = Help(
        see=(
            "One cell for each pair of the task, a down, b across: whether it is answered rightly, with what "
            "confidence, probability, loss or margin, or from which epoch on it stays right (graduation). "
            "The legend counts training pairs, test pairs whose mirror (b, a) was trained, and the other test pairs; "
            "click an entry to hide its cells. Marks: a dot for a training pair, a stroke for a mirror-seen test pair."
        ),
        look_for=(
            "On the mainline at epoch 1400 every training pair is right and 7.4 % of the test pairs: 24.7 % of those "
            "whose mirror was trained, 0.03 % of the rest (chance is 0.9 %). So what looks like first generalisation "
            "is a memory that has learnt a + b = b + a. In the graduation map half of the mirror-seen pairs have come "
            "by epoch 7500, half of the others by 9600, and most of these within 600 epochs."
        ),
        wrong=(
            "After grokking, test pairs that stay wrong in stripes along a, b or a + b point to a residue or an answer "
            "that the circuit does not reach; scattered ones to a circuit that is not finished. Training pairs that "
            "are wrong late in a run mean an unstable optimiser (a slingshot)."
        ),
        formula=(
            "Over p logits: answer = argmax<sub>c</sub> L(a, b, c); p = softmax(L)<sub>right</sub>; loss = −ln p; "
            "margin = L<sub>right</sub> − max<sub>c wrong</sub> L<sub>c</sub>. Graduation: the first measured "
            "checkpoint's epoch from which on the pair is right at every later one. L are the logits of the model as "
            "it is ablated, in <i>Surgery</i> or by the faders of <i>Two solutions</i>. Colours of the loss run from "
            "10<sup>−8</sup> to 10<sup>2</sup> nats by its logarithm."
        ),
        paper="Beyond the paper, which shows the means only (fig. 2 and 7); mirror pairs are not split there.",
    )

    def __init__(self, session: Session, compute: Compute) -> None:
        self._history: History | None = None
        self._history_query: Query | None = None
        self._numbers: tuple[Query, AnswerMap] | None = None  # float64, and of what question
        self._cell: tuple[int, int] | None = None  # under the pointer
        self._order: Ints = np.zeros(0, np.int64)
        self._last: tuple[Any, ...] = ()  # what was painted
        self._told: AnswerMap | Graduation | None = None  # what the legend is of
        super().__init__(session, compute)
        self._stale = self._timer(lambda: self._tell(self.answer, self.session.selection, stale=True), STALE_MS)

    def options(self) -> list[QWidget]:
        self._what = QComboBox()
        self._what.setObjectName("answers.what")
        self._what.setAccessibleName("What of the answers")
        self._what.setToolTip("\n".join(f"{name}: {tip}" for name, tip in TIPS.items()))
        for i, (name, tip) in enumerate(TIPS.items()):
            self._what.addItem(name)
            self._what.setItemData(i, tip, Qt.ItemDataRole.ToolTipRole)
        self._marks = toggle(
            "marks", "answers.marks", "Mark training pairs with a dot and mirror-seen test pairs with a stroke"
        )
        self._unwrap = toggle(
            "unwrap", "answers.unwrap",
            "Order both axes by k·a mod p, k the selected frequency, on which it is one wave; else natural order",
        )  # fmt: skip
        self._what.currentIndexChanged.connect(self.redraw)
        for button in (self._marks, self._unwrap):
            button.toggled.connect(self.redraw)
        return [self._what, self._marks, self._unwrap]

    def build(self) -> QWidget:
        self._map = HeatMap("a", "b")
        self._map.setAccessibleName("Answers to every pair")
        self._map.pointer.said = lambda: self.value
        self._overlay = pg.ImageItem(autoDownsample=False)
        self._overlay.setZValue(5)
        self._map.plot.addItem(self._overlay, ignoreBounds=True)
        self._map.hovered.connect(self._hovered)
        self._map.clicked.connect(self._clicked)
        self._legend = {name: ClassEntry(name) for name in KINDS}
        for entry in self._legend.values():
            entry.toggled.connect(self.redraw)
        content = _MapAndLegend(self._map, list(self._legend.values()), self._resized)
        self.restyle()
        return content

    # -- what is asked -------------------------------------------------------------------------------------

    @property
    def what(self) -> str:
        return self._what.currentText()

    def query(self, selection: Selection) -> Query | None:
        if self.what == GRADUATION:
            return self.traced(graduation_map, selection)
        limits = (False, selection.layout_step) if self.what == MARGIN else (False,)
        return Query(answer_map, (*asked(self.tracing, selection), *limits))

    def exact(self, selection: Selection) -> Query | None:
        if self.what == GRADUATION:
            return None
        return Query(answer_map, (*asked(self.tracing, selection), True))

    def refresh(self, selection: Selection) -> None:
        """As every view; and the scores that the traces hold, which are there while a finger moves."""
        super().refresh(selection)
        if not self.isVisible() or selection.run is None or not selection.n_checkpoints:
            return
        query = self.traced(answer_history, selection)
        if query != self._history_query:
            self._history_query = query
            self.compute.ask((self, "history"), query, urgent=False)

    def _receive(self, query: Query, answer: Answer) -> None:
        if query == self._history_query and answer.error is None:
            self._history = answer.value
            if self.answer is not None:
                self._tell(self.answer, self.session.selection)
        super()._receive(query, answer)

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, answer: AnswerMap | Graduation | None, selection: Selection) -> None:
        if answer is None:
            self._say("No checkpoint has been measured yet:\ngraduation follows as they are.")
            return
        assert selection.run is not None
        config = selection.run.config
        order, axes = self._axes(selection)
        shown = tuple(entry.isChecked() for entry in self._legend.values())
        state = (answer, order.tobytes(), shown, self._marks.isChecked(), theme.current().name, self.what)
        if not self._last or self._last[0] is not answer or self._last[1:] != state[1:]:
            self._last, self._order = state, order
            self._paint(answer, config)
            self._map.name_axes(*axes)
        place = np.argsort(order)
        self._map.mark(
            None if selection.pair is None else (int(place[selection.pair[0]]), int(place[selection.pair[1]]))
        )
        self._tell(answer, selection)
        self.set_subtitle(self._sentence(answer, selection))
        if self._cell is not None:
            self._hovered(self._cell)

    def write(self, numbers: AnswerMap, selection: Selection) -> None:
        if self._exact is not None:
            self._numbers = (self._exact, numbers)
            if self.answer is not None:
                self._tell(self.answer, selection)
            if self._cell is not None:
                self._hovered(self._cell)

    def restyle(self) -> None:
        self._map.restyle()
        for entry in self._legend.values():
            entry.update()

    def _axes(self, selection: Selection) -> tuple[Ints, tuple[str, str]]:
        """Residues along both axes, and the axes' names."""
        assert selection.run is not None
        config, k = selection.run.config, selection.frequency
        if not self._unwrap.isChecked() or k is None:
            return np.arange(config.p), ("a", "b")
        n, g = _cycle(config)
        by = "{0}·{1} mod {2}" if g is None else "{0}·log {1} mod {2}, residues without one first"
        return unwrapped(config, k), (by.format(k, "a", n), by.format(k, "b", n))

    def _paint(self, answer: AnswerMap | Graduation, config: Config) -> None:
        """Cells and marks."""
        kind, at = kinds(config), np.ix_(self._order, self._order)
        if isinstance(answer, Graduation):
            block = _scaled(answer.epoch, 0, max(answer.latest, 1))
            block[answer.epoch < 0] = _NEVER
            self._map.bar.show_range(0, max(answer.latest, 1), table_of(COLOURS[GRADUATION]))
            self._map.bar.set_unit("epoch")
        elif self.what == RIGHT:
            block = np.where(answer.right, np.maximum(kind, 0), 4).astype(np.uint8)
        else:
            block = self._values(answer)
        for i, entry in enumerate(self._legend.values()):
            if not entry.isChecked() and entry.hideable:
                block[kind == i] = _HIDDEN
        off = cycle_mask(config) if isinstance(answer, AnswerMap) and answer.ablation.is_spectral else None
        if off is not None:
            block[~off] = _OFF
        block[kind < 0] = _NONE
        block = block[at]
        colours = class_colours() if self.what == RIGHT else value_colours(COLOURS[self.what])
        self._map.bar.setVisible(self.what != RIGHT)
        self._map.show_classes(block, colours)
        self._paint_marks(block, kind[at], colours)

    def _values(self, answer: AnswerMap) -> NDArray[np.uint8]:
        """The cells' places in the colour table, and the bar beside them."""
        what, unit = self.what, {LOSS: "nats, logarithmic", MARGIN: "logits"}.get(self.what, "probability")
        if what == LOSS:
            low, high = LOSSES
            block = _scaled(np.log10(np.maximum(answer.loss, low)), np.log10(low), np.log10(high))
        else:
            low, high = (-answer.margin_limit, answer.margin_limit) if what == MARGIN else (0.0, 1.0)
            values = {CONFIDENCE: answer.confidence, PROBABILITY: answer.probability, MARGIN: answer.margin}[what]
            block = _scaled(values, low, high)
        self._map.bar.set_unit(unit)
        self._map.bar.show_range(low, high, table_of(COLOURS[what]))
        return block

    def _paint_marks(self, block: NDArray[np.uint8], kind: NDArray[np.int8], colours: Sequence[str]) -> None:
        """A dot in the cells of training pairs, a stroke in those of mirror-seen test pairs."""
        if not self._marks.isChecked():
            self._overlay.setVisible(False)
            return
        light = np.array([_lightness(colour) > 0.5 for colour in colours])[block]
        ink = np.where(light, 1, 2).astype(np.uint8)
        ink[block == _HIDDEN] = 0
        p = len(block)
        marks = np.zeros((p, 3, p, 3), np.uint8)
        dotted, stroked = ink * (kind == 0), ink * (kind == 1)
        marks[:, 1, :, 1] = dotted + stroked
        marks[:, 0, :, 2] = marks[:, 2, :, 0] = stroked
        table = np.zeros((256, 4), np.uint8)
        for i, colour in enumerate(inks(), 1):
            table[i] = _rgba(colour, 200)
        self._overlay.setImage(marks.reshape(3 * p, 3 * p), autoLevels=False, levels=(0, 255), lut=table)
        self._overlay.setRect(QRectF(-0.5, -0.5, p, p))
        self._resized()

    def _resized(self) -> None:
        """Marks only where a cell is large enough for them."""
        p = len(self._order)
        there = self._marks.isChecked() and bool(p)
        self._overlay.setVisible(there and self._cell_pixels() >= _SMALLEST)
        if self.answer is not None and there:
            self.set_subtitle(self._sentence(self.answer, self.session.selection))

    def _cell_pixels(self) -> float:
        return float(self._map.plot.getViewBox().sceneBoundingRect().width()) / max(1, len(self._order))

    # -- words ---------------------------------------------------------------------------------------------

    def _sentence(self, answer: AnswerMap | Graduation, selection: Selection) -> str:
        more = []
        if self._marks.isChecked() and self._cell_pixels() < _SMALLEST:
            more.append("marks need a larger map")
        if self._unwrap.isChecked() and selection.frequency is None:
            more.append("select a frequency to unwrap")
        if isinstance(answer, Graduation):
            return " · ".join([_graduated(answer), *more])
        if answer.ablation.is_whole:
            why = "nothing of the ablation applies" if selection.ablation.is_cut else "no two solutions to turn down"
            asked = "" if selection.ablation.is_whole else f": {why}"
            return " · ".join([f"whole model{asked}", *more])
        assert selection.run is not None
        said = ablation_texts(answer.ablation, selection.run.config.n_layers)
        if not (answer.ablation.is_mixed or answer.ablation.projection):
            return " · ".join([*said, *more])
        pinned = self.tracing.pinned
        kind = "keys" if pinned is None or pinned.final else "candidates"
        of = f"{kind} {' '.join(map(str, answer.keys))}"
        when = f" of epoch {epoch_text(pinned.epoch)}" if pinned is not None and not pinned.by_hand else " by hand"
        return " · ".join([*said, of + when, *more])

    def _scores(self, answer: AnswerMap, selection: Selection) -> ClassScores | None:
        """Scores in float64 of what is on show, if they are known."""
        if self._numbers is not None and self._numbers[0] == self.exact(selection):
            return self._numbers[1].scores
        of = None if self._history_query is None else self._history_query.args[0]
        known = answer.ablation.is_whole and self._history is not None and of is selection.run
        return self._history.at(selection.epoch) if known and self._history is not None else None

    def _tell(self, answer: AnswerMap | Graduation | None, selection: Selection, stale: bool = False) -> None:
        """The legend's numbers; while the mix moves those before stay until they are stale."""
        if selection.run is None or answer is None or (isinstance(answer, Graduation) and answer is self._told):
            return
        kind = kinds(selection.run.config)
        symmetric = bool((kind == 1).any() or (kind == 2).any())
        spectral = isinstance(answer, AnswerMap) and answer.ablation.is_spectral
        on = cycle_mask(selection.run.config) if spectral else None
        scores = None if isinstance(answer, Graduation) else self._scores(answer, selection)
        if scores is None and not stale and isinstance(answer, AnswerMap) and self._has_moved(selection):
            if not self._stale.isActive():
                self._stale.start()
            return
        self._stale.stop()
        self._told = answer
        for i, (name, entry) in enumerate(self._legend.items()):
            whose = kind >= 1 if name == "test" else kind == i
            count = int((whose if on is None else whose & on).sum())
            there = count > 0 or name in ("train", "test")
            entry.colour_it(self.what == RIGHT)
            entry.name_it(NAMES[name], LONG[name], hideable=name != "test" or not symmetric, there=there)
            if isinstance(answer, Graduation):
                entry.say_graduated(answer.epoch[whose & (answer.epoch >= 0)], count)
            else:
                entry.say_score(None if scores is None else getattr(scores, name), count)
        self._content_arranged()

    def _has_moved(self, selection: Selection) -> bool:
        """Whether the numbers at hand are of this checkpoint, but of another mix."""
        now, last = self.exact(selection), None if self._numbers is None else self._numbers[0]
        return now is not None and last is not None and now != last and now.args[:2] == last.args[:2]

    def _content_arranged(self) -> None:
        content = self.content
        if isinstance(content, _MapAndLegend):
            content.arrange()

    def _hovered(self, cell: tuple[int, int] | None) -> None:
        self._cell, selection = cell, self.session.selection
        if cell is None or self.answer is None or selection.run is None or max(cell) >= len(self._order):
            self.read_out("")
            return
        a, b = int(self._order[cell[0]]), int(self._order[cell[1]])
        self.read_out(self._words(a, b, selection))

    def _words(self, a: int, b: int, selection: Selection) -> str:
        """What is known of one pair."""
        assert selection.run is not None
        config = selection.run.config
        kind, right = int(kinds(config)[a, b]), int(labels(config)[a, b])
        where = f"a = {a}, b = {b}"
        if kind < 0:
            return f"{where}: no such pair"
        name, answer = LONG[KINDS[kind]], self.answer
        if isinstance(answer, Graduation):
            epoch = int(answer.epoch[a, b])
            since = f"right from epoch {epoch_text(epoch)} on" if epoch >= 0 else f"wrong at {epoch_text(answer.last)}"
            return f"{where} → {right} ({name}), {since}"
        given, is_right = int(answer.answer[a, b]), bool(answer.right[a, b])
        on = cycle_mask(config)
        untouched = answer.ablation.is_spectral and on is not None and not on[a, b]
        apart = ", off the cycle: not counted" if untouched else ""
        verdict = "right" if is_right else f"wrong, {right} is right"
        said = f"{where} → {given} ({verdict}, {name}{apart})"
        if self._numbers is None or self._numbers[0] != self.exact(selection):
            return f"{said}, p(right) = …"
        exact = self._numbers[1]
        more = f", margin {exact.margin[a, b]:+.3g}".replace("-", "−") if self.what == MARGIN else ""
        if self.what == CONFIDENCE:
            more = f", confidence {exact.confidence[a, b]:.3g}"
        return (
            f"{said}, p(right) = {exact.probability[a, b]:.3g}, loss {value_text(float(exact.loss[a, b]))} nats{more}"
        )

    def _clicked(self, row: int, column: int) -> None:
        pair = int(self._order[row]), int(self._order[column])
        self.session.select(pair=None if pair == self.session.selection.pair else pair)

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: AnswerMap | Graduation, selection: Selection) -> list[Table]:
        assert selection.run is not None
        config = selection.run.config
        kind = kinds(config)
        a, b = np.nonzero(kind >= 0)
        columns: dict[str, Any] = {
            "a": a, "b": b, "right answer": labels(config)[a, b],
            "class": [LONG[KINDS[i]] for i in kind[a, b]],
        }  # fmt: skip
        if isinstance(answer, Graduation):
            return [Table("graduation", columns | {"graduated at epoch (−1: not)": answer.epoch[a, b]})]
        exact = self._numbers is not None and self._numbers[0] == self.exact(selection)
        found = self._numbers[1] if exact and self._numbers is not None else answer
        return [
            Table(
                "answers",
                columns
                | {
                    "answer": found.answer[a, b],
                    "right": found.right[a, b].astype(int),
                    "p(right answer)": found.probability[a, b],
                    "confidence": found.confidence[a, b],
                    "loss (nats)": found.loss[a, b],
                    "margin (logits)": found.margin[a, b],
                },
            )
        ]

    def describe(self, answer: AnswerMap | Graduation, selection: Selection) -> str:
        assert selection.run is not None
        config, axes = selection.run.config, self._axes(selection)[1]
        task = TASKS[config.operation].symbol
        order = "" if axes[0] == "a" else f" Axes in the order of {axes[0]} and {axes[1]}."
        if isinstance(answer, Graduation):
            what = f"Epoch from which on each pair stays right, {_graduated(answer)}."
        else:
            what = f"{self.what.capitalize()} of every pair at epoch {epoch_text(selection.epoch)}: {TIPS[self.what]}."
            what += f" {self._sentence(answer, selection).capitalize()}."
        text = f"{what} Task {task} mod {config.p}, a down, b across, over {config.p} logits.{order}"
        scores = self._scores(answer, selection) if isinstance(answer, AnswerMap) else None
        if scores is not None:
            parts = {NAMES[name]: getattr(scores, name) for name in KINDS}
            said = [f"{name} {percent(x)} of {x.count}" for name, x in parts.items() if x is not None and x.count]
            text += f" Answered rightly: {', '.join(said)} pairs."
        return text


def has_basis(config: Config) -> bool:
    """Whether there is an order of residues in which the task is a sum."""
    try:
        characters(config)
    except NoBasis:
        return False
    return True


def _cycle(config: Config) -> tuple[int, int | None]:
    """Length of the task's cycle and the generator of the units, if it is theirs."""
    try:
        basis = characters(config)
    except NoBasis:
        return config.p, None
    return basis.n, basis.generator


def _scaled(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values as places 0 … `_TOP` of the colour table."""
    with np.errstate(invalid="ignore"):
        places = (np.asarray(values, np.float64) - low) * (_TOP / max(high - low, 1e-300))
        return np.asarray(np.nan_to_num(np.clip(places, 0, _TOP)).astype(np.uint8))


def _graduated(answer: Graduation) -> str:
    so_far = f"up to epoch {epoch_text(answer.last)}"
    if answer.measured < answer.of:
        return f"{so_far}, provisional: by {answer.measured} of {answer.of} checkpoints"
    return f"{so_far}, provisional: the run goes on" if answer.provisional else f"{so_far}, by all checkpoints"


def percent(score: Score | None) -> str:
    """An accuracy; never 0 or 100 unless it is."""
    if score is None or score.accuracy is None:
        return "—"
    share = 100 * score.accuracy
    if 0 < share < 0.01 or 99.99 < share < 100:
        return "< 0.01 %" if share < 50 else "> 99.99 %"
    return f"{share:.{0 if share in (0, 100) else 1 if 10 <= share <= 99.9 else 2}f} %"


def _mixed(one: str, other: str) -> str:
    """Half way between two colours."""
    first, second = QColor(one), QColor(other)
    return QColor(
        (first.red() + second.red()) // 2, (first.green() + second.green()) // 2, (first.blue() + second.blue()) // 2
    ).name()


def _rgba(colour: str, alpha: int) -> tuple[int, int, int, int]:
    made = QColor(colour)
    return made.red(), made.green(), made.blue(), alpha


def _lightness(colour: str) -> float:
    return float(QColor(colour).lightnessF())


def inks() -> tuple[str, str]:
    """What can be seen on light and on dark."""
    look = theme.current()
    first, second = sorted((look.window, look.text), key=_lightness)
    return first, second


def right_colours() -> tuple[str, ...]:
    """Of a right answer, by `KINDS`: the less of it was trained, the stronger."""
    look = theme.current()
    return look.answer_seen, _mixed(look.answer_seen, look.answer_right), look.answer_right, look.answer_right


def class_colours() -> list[str]:
    """Right answers by class, then wrong ones, then what is no answer."""
    look = theme.current()
    return [*right_colours(), look.answer_wrong, *[look.panel] * 247, *_neutral()]


@lru_cache(maxsize=8)
def _table_names(name: str, look: str) -> list[str]:
    table = table_of(name)
    return [QColor(*(int(v) for v in table[round(i * 255 / _TOP)])).name() for i in range(_TOP + 1)]


def value_colours(name: str) -> list[str]:
    """A colour table's entries up to `_TOP`, then what is no value."""
    look = theme.current()
    return [*_table_names(name, look.name), *[look.panel] * 2, *_neutral()]


def _neutral() -> list[str]:
    look = theme.current()
    return [look.panel, look.border, look.other_frequency, look.panel]


class ClassEntry(QAbstractButton):
    """A class of pairs in the legend: its colours and mark, its name, how many are right; a click hides its cells."""

    _SWATCH, _LINE = 10, 18

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.hideable, self.there = kind, True, True
        self.tall = False  # one line for the name, one for the count, one for the loss
        self._coloured = True
        self._value, self._after, self._below = "", "", ""
        self.setCheckable(True)
        self.setChecked(True)
        self.setStyleSheet("font-size: 12px;")
        self.setObjectName(f"answers.legend.{kind}")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def name_it(self, text: str, long: str, hideable: bool, there: bool) -> None:
        if (text, hideable, there) != (self.text(), self.hideable, self.there) or not self.toolTip():
            self.hideable, self.there = hideable, there
            self.setText(text)
            self.setAccessibleName(f"{long}s")
            self.setToolTip(f"{long.capitalize()}s" + (". Click to hide or show their cells" if hideable else ""))
            self.setCursor(Qt.CursorShape.PointingHandCursor if hideable else Qt.CursorShape.ArrowCursor)
            self.setFocusPolicy(Qt.FocusPolicy.TabFocus if hideable else Qt.FocusPolicy.NoFocus)
            self.update()

    def colour_it(self, coloured: bool) -> None:
        """Whether its cells have its own colours."""
        if coloured != self._coloured:
            self._coloured = coloured
            self.update()

    def nextCheckState(self) -> None:
        if self.hideable:
            super().nextCheckState()

    def say_score(self, score: Score | None, count: int) -> None:
        if not count:
            self._say("none", "", "")
        elif score is None:
            self._say("…", f" of {epoch_text(count)}", "loss …")
        else:
            loss = "" if score.loss is None else f"loss {value_text(score.loss)} nats"
            self._say(percent(score), f" of {epoch_text(score.count)}", loss)

    def say_graduated(self, epochs: Ints, count: int) -> None:
        """epochs : at which those who have graduated did"""
        share = f"{epoch_text(len(epochs))} of {epoch_text(count)}"
        if not len(epochs):
            self._say("none" if not count else "0", f" of {epoch_text(count)}" if count else "", "")
        else:
            self._say(share, "", f"median epoch {epoch_text(float(np.median(epochs)))}")

    def _say(self, value: str, after: str, below: str) -> None:
        if (value, after, below) != (self._value, self._after, self._below):
            self._value, self._after, self._below = value, after, below
            self.setAccessibleDescription(f"{value}{after}, {below}")
            self.update()

    @property
    def said(self) -> tuple[str, str]:
        """The first line's numbers, and the second line."""
        return f"{self._value}{self._after}", self._below

    def sizeHint(self) -> QSize:
        return QSize(_MapAndLegend.COLUMN, self.height_of(self.tall))

    @classmethod
    def height_of(cls, tall: bool) -> int:
        return 3 * cls._LINE if tall else cls._LINE + 1

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter = theme.current(), QPainter(self)
        if self.hasFocus():
            painter.setPen(QColor(look.accent))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        on = self.isChecked() or not self.hideable
        self._paint_swatches(painter, on)
        plain, bold = self.font(), QFont(self.font())
        bold.setWeight(QFont.Weight.DemiBold)
        left, y = 2 * self._SWATCH + 7, 0
        x = left
        for text, font, colour, new_line in (
            (f"{self.text()} ", plain, look.muted, False), (self._value, bold, look.text, True),
            (self._after, plain, look.muted, False), (self._below, plain, look.muted, True),
        ):  # fmt: skip
            if new_line and self.tall:
                x, y = left, y + self._LINE
            if text is self._below and not self.tall:
                continue
            painter.setFont(font)
            painter.setPen(QColor(colour if on else look.faint))
            area = QRect(x, y, max(0, self.width() - x), self._LINE)
            shown = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideRight, area.width())
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, shown)
            x += QFontMetrics(font).horizontalAdvance(text)

    def _paint_swatches(self, painter: QPainter, on: bool) -> None:
        """Right and wrong with the class's mark, or the mark alone; none for a class that is the sum of two others."""
        if not self.hideable:
            return
        look, side = theme.current(), self._SWATCH
        colours = (right_colours()[KINDS.index(self.kind)], look.answer_wrong) if self._coloured else (look.raised,)
        for i, colour in enumerate(colours):
            area = QRect(1 + i * (side + 1), (self._LINE - side) // 2, side, side)
            if not self._coloured:
                area.moveLeft(1 + side // 2)
            painter.fillRect(area, QColor(colour if on else look.raised))
            if not on or not self._coloured:
                painter.setPen(QColor(look.border))
                painter.drawRect(area.adjusted(0, 0, -1, -1))
            ink = QColor(inks()[_lightness(colour) <= 0.5] if on else look.faint)
            if self.kind == "train":
                painter.fillRect(QRect(area.center().x() - 1, area.center().y() - 1, 3, 3), ink)
            elif self.kind == "seen":
                painter.setPen(ink)
                painter.drawLine(area.bottomLeft(), area.topRight())


class _MapAndLegend(QWidget):
    """The map as large as it gets, with the legend beside it or beneath it."""

    COLUMN = 158  # of the legend beside the map
    LEFT = 176  # of its left half beneath the map: train and test, whose names are short

    def __init__(self, heat_map: HeatMap, entries: list[ClassEntry], resized: Callable[[], None]) -> None:
        super().__init__()
        self._map, self._entries, self._resized = heat_map, entries, resized
        self._arranged: tuple[Any, ...] = ()
        for widget in (heat_map, *entries):
            widget.setParent(self)
        self.setMinimumSize(220, 180)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.arrange()
        self._resized()

    def arrange(self) -> None:
        """Places, if anything changed."""
        shown = [entry for entry in self._entries if entry.there]
        state = (self.size().toTuple(), len(shown), tuple(entry.kind for entry in shown))
        if state == self._arranged:
            return
        self._arranged = state
        width, height, m = self.width(), self.height(), self._map
        across, down = m.LEFT + m.BAR, m.BOTTOM + m.TOP
        rows = -(-len(shown) // 2)
        beneath = rows * ClassEntry.height_of(False) + 2
        beside = min(width - self.COLUMN - across, height - down)
        beneath_it = min(width - across, height - down - beneath)
        for entry in self._entries:
            entry.setVisible(entry.there)
        if beside >= beneath_it:
            m.setGeometry(0, 0, width - self.COLUMN, height)
            self._stack(shown, width - self.COLUMN, m.TOP, self.COLUMN)
            return
        top = max(0, beneath_it) + down
        m.setGeometry(0, 0, width, top)
        if height - top >= len(shown) * self._each() + SPACE:
            self._stack(shown, m.LEFT, top + SPACE, width - m.LEFT)
            return
        left = [entry for entry in shown if entry.kind in ("train", "test")]
        columns = (left, [entry for entry in shown if entry not in left]) if len(shown) > 2 else (shown[:1], shown[1:])
        first, each = min(self.LEFT, width // 2), ClassEntry.height_of(False)
        for x, side, entries in ((0, first - 4, columns[0]), (first, width - first, columns[1])):
            for row, entry in enumerate(entries):
                entry.tall = False
                entry.setGeometry(x, top + 2 + row * each, side, each)

    @staticmethod
    def _each() -> int:
        return ClassEntry.height_of(True) + SPACE // 2

    def _stack(self, entries: list[ClassEntry], x: int, y: int, width: int) -> None:
        """One above the other, with all they have to say."""
        for i, entry in enumerate(entries):
            entry.tall = True
            entry.setGeometry(x, y + i * self._each(), width, self._each())
