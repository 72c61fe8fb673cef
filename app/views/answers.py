"""Every pair of the task by itself: what the model answers, how surely, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QWidget

from app import theme
from app.compute import Answer, Compute, Query
from app.export import Table
from app.session import Selection, Session
from app.views.ablated import STALE_MS, asked
from app.views.answer_colours import (
    HIDDEN,
    LOSSES,
    NEVER,
    NONE,
    OFF,
    class_colours,
    inks,
    lightness,
    rgba,
    scaled,
    value_colours,
)
from app.views.answers_legend import ClassEntry, MapAndLegend
from app.views.answers_words import (
    CONFIDENCE,
    GRADUATION,
    HELP,
    LOSS,
    MARGIN,
    PROBABILITY,
    RIGHT,
    TIPS,
    answers_table,
    described,
    pair_text,
    sentence,
)
from app.views.base import TracedView
from app.views.controls import toggle
from app.views.lifted import Cells
from app.views.maps import HOT, SEQUENTIAL, SIGNED, HeatMap, table_of
from app.views.pair_classes import KINDS, LONG, NAMES, Ints, cycle, kinds, unwrapped
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
from engine.config import Config

COLOURS = {CONFIDENCE: SEQUENTIAL, PROBABILITY: SEQUENTIAL, LOSS: HOT, MARGIN: SIGNED, GRADUATION: SEQUENTIAL}
_SMALLEST = 3.0  # pixels of a cell on which a mark can be seen


class AnswersView(TracedView):
    """The p × p map of answers; a click selects a pair everywhere."""

    name = "answers"
    title = "Answers"
    about = (
        "What the model answers to every pair (a, b), a down and b across, with the training pairs and the test pairs "
        "whose mirror (b, a) was trained told apart. Click a cell to select the pair everywhere."
    )
    help = HELP

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
        self._overlay = Cells(3)
        self._map.lay_over(self._overlay)
        self._map.hovered.connect(self._hovered)
        self._map.clicked.connect(self._clicked)
        self._legend = {name: ClassEntry(name) for name in KINDS}
        for entry in self._legend.values():
            entry.toggled.connect(self.redraw)
        content = MapAndLegend(self._map, list(self._legend.values()), self._resized)
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
        n, g = cycle(config)
        by = "{0}·{1} mod {2}" if g is None else "{0}·log {1} mod {2}, residues without one first"
        return unwrapped(config, k), (by.format(k, "a", n), by.format(k, "b", n))

    def _paint(self, answer: AnswerMap | Graduation, config: Config) -> None:
        """Cells and marks."""
        kind, at = kinds(config), np.ix_(self._order, self._order)
        if isinstance(answer, Graduation):
            block = scaled(answer.epoch, 0, max(answer.latest, 1))
            block[answer.epoch < 0] = NEVER
            self._map.bar.show_range(0, max(answer.latest, 1), table_of(COLOURS[GRADUATION]))
            self._map.bar.set_unit("epoch")
        elif self.what == RIGHT:
            block = np.where(answer.right, np.maximum(kind, 0), 4).astype(np.uint8)
        else:
            block = self._values(answer)
        for i, entry in enumerate(self._legend.values()):
            if not entry.isChecked() and entry.hideable:
                block[kind == i] = HIDDEN
        off = cycle_mask(config) if isinstance(answer, AnswerMap) and answer.ablation.is_spectral else None
        if off is not None:
            block[~off] = OFF
        block[kind < 0] = NONE
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
            block = scaled(np.log10(np.maximum(answer.loss, low)), np.log10(low), np.log10(high))
        else:
            low, high = (-answer.margin_limit, answer.margin_limit) if what == MARGIN else (0.0, 1.0)
            values = {CONFIDENCE: answer.confidence, PROBABILITY: answer.probability, MARGIN: answer.margin}[what]
            block = scaled(values, low, high)
        self._map.bar.set_unit(unit)
        self._map.bar.show_range(low, high, table_of(COLOURS[what]))
        return block

    def _paint_marks(self, block: NDArray[np.uint8], kind: NDArray[np.int8], colours: Sequence[str]) -> None:
        """A dot in the cells of training pairs, a stroke in those of mirror-seen test pairs."""
        if not self._marks.isChecked():
            self._overlay.setVisible(False)
            return
        light = np.array([lightness(colour) > 0.5 for colour in colours])[block]
        ink = np.where(light, 1, 2).astype(np.uint8)
        ink[block == HIDDEN] = 0
        p = len(block)
        marks = np.zeros((p, 3, p, 3), np.uint8)
        dotted, stroked = ink * (kind == 0), ink * (kind == 1)
        marks[:, 1, :, 1] = dotted + stroked
        marks[:, 0, :, 2] = marks[:, 2, :, 0] = stroked
        table = np.zeros((256, 4), np.uint8)
        for i, colour in enumerate(inks(), 1):
            table[i] = rgba(colour, 200)
        self._overlay.show_cells(marks.reshape(3 * p, 3 * p), table)
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
        return sentence(answer, selection, self.tracing.pinned, more)

    def _exact_map(self, selection: Selection) -> AnswerMap | None:
        """The answers in float64, if they are known."""
        known = self._numbers is not None and self._numbers[0] == self.exact(selection)
        return self._numbers[1] if known and self._numbers is not None else None

    def _scores(self, answer: AnswerMap, selection: Selection) -> ClassScores | None:
        """Scores in float64 of what is on show, if they are known."""
        exact = self._exact_map(selection)
        if exact is not None:
            return exact.scores
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
        if isinstance(content, MapAndLegend):
            content.arrange()

    def _hovered(self, cell: tuple[int, int] | None) -> None:
        self._cell, selection = cell, self.session.selection
        if cell is None or self.answer is None or selection.run is None or max(cell) >= len(self._order):
            self.read_out("")
            return
        a, b = int(self._order[cell[0]]), int(self._order[cell[1]])
        self.read_out(pair_text(a, b, self.what, self.answer, self._exact_map(selection), selection.run.config))

    def _clicked(self, row: int, column: int) -> None:
        pair = int(self._order[row]), int(self._order[column])
        self.session.select(pair=None if pair == self.session.selection.pair else pair)

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: AnswerMap | Graduation, selection: Selection) -> list[Table]:
        assert selection.run is not None
        found = answer if isinstance(answer, Graduation) else self._exact_map(selection) or answer
        return [answers_table(found, selection.run.config)]

    def describe(self, answer: AnswerMap | Graduation, selection: Selection) -> str:
        scores = self._scores(answer, selection) if isinstance(answer, AnswerMap) else None
        said = self._sentence(answer, selection)
        return described(answer, selection, self.what, self._axes(selection)[1], said, scores)
