"""A model grown together from two checkpoints: which parameters carry the solution."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.compute import Answer, Compute, Query
from app.export import Table, matrix_table
from app.numbers import epoch_text
from app.session import Selection, Session
from app.theme import SPACE
from app.views.answer_colours import class_colours
from app.views.base import View
from app.views.controls import label, toggle
from app.views.help import Help
from app.views.legend import value_text
from app.views.maps import HeatMap
from app.views.pair_classes import kinds
from app.views.sentence import Sentence
from app.views.still import QuietLabel
from app.views.swap_chart import INTO_X, INTO_Y, Ends, SwapChart, colour_of
from engine.analysis.graft import NORMS, Grafting, grafted, grafting, groups
from engine.analysis.solutions import ClassScores
from engine.config import Config
from engine.runfile import Run

ALL, TABLE, MAP, PARTS = "all", "graft", "answers", "parts"
_WHAT = {
    ALL: "As much as there is room for",
    TABLE: "What is grafted, and losses and accuracies",
    MAP: "Which pairs the graft answers rightly",
    PARTS: "Every single part in the other model",
}
_ROWS, _SETS = {"x": "X", "y": "Y", "graft": "graft"}, {"train": "train", "test": "test", "every": "all"}
_CALM_MS = 500  # before single parts are tried
_NO_PAIR = 255
_NARROW, _TWO, _THREE, _FOUR = 440, 580, 760, 1040  # pixels of width
_LOW, _TALL = 470, 440  # pixels of height


class GraftView(View):
    """Ticks for parameters that come from X, the rest from Y, the checkpoint on show; X has a slider of its own."""

    name = "graft"
    title = "Graft"
    about = (
        "Chosen parameters from checkpoint X, the rest from Y, the checkpoint on show: losses, accuracies and answers "
        "of the model that grows together from them, and of every single part in the other model."
    )
    help = Help(
        see="The pressed parameters are taken from checkpoint X, all others from Y, the checkpoint on show. The table "
        "has losses (nats) and accuracies of X, Y and the graft; the map which pairs the graft answers rightly, in "
        "the colours of <i>Answers</i>. The chart tries every part by itself, X’s part in Y and Y’s part in X; "
        "the dashed lines are X and Y as they are. Click a row to take that part, a group’s name to take all of it.",
        look_for="X’s part in Y near Y: that part of the solution was there already at X. Near X: Y needs its own. Y’s "
        "part in X near Y would be a part that brings the solution along by itself. On the paper’s mainline, X at 1400 "
        "and Y at 40 000, none does. Biases and W<sub>Q</sub> can be exchanged unnoticed; with the memorising model’s "
        "W<sub>V</sub> 92 % of the test pairs stay right, with its W<sub>U</sub> 50 %, with its W<sub>in</sub> 19 %, "
        "with its W<sub>E</sub> 5 %: all parts speak one language from memorisation on, but the embedding’s words "
        "change most.",
        wrong="A graft that is better than both: look at the split, one of them overfits. Two runs cannot be grafted, "
        "since each has coordinates of its own. The parts do not add up: what two do together is not what each does.",
        formula="θ = θ<sub>X</sub> for the chosen parameters, θ<sub>Y</sub> for the others; one forward pass over all "
        "pairs. Losses over p logits; the chart’s are over the test pairs (all pairs where there are none).",
        paper="Not in it.",
    )

    def __init__(self, session: Session, compute: Compute) -> None:
        self._run: Run | None = None
        self._x: int | None = None  # epoch; None: the first checkpoint that knows its training pairs
        self._tried: dict[tuple[str, str], ClassScores] = {}
        self._tried_of: tuple[int, int] | None = None  # epochs of X and Y
        self._asked_part: tuple[Query, str, str] | None = None
        super().__init__(session, compute)
        self._calm = self._timer(self._try_next, _CALM_MS)
        self._soon = self._timer(self._try_next, 0)

    def options(self) -> list[QWidget]:
        self._show_what = QComboBox()
        self._show_what.setObjectName("graft.show")
        self._show_what.setAccessibleName("Graft, answers, parts or all of it")
        self._show_what.setToolTip("\n".join(f"{name}: {tip}" for name, tip in _WHAT.items()))
        self._show_what.addItems(list(_WHAT))
        self._show_what.currentIndexChanged.connect(self._option_changed)
        return [self._show_what]

    # -- items ---------------------------------------------------------------------------------------------

    def build(self) -> QWidget:
        self._sentence = Sentence()
        self._sentence.setObjectName("graft.sentence")
        self._map = HeatMap("a", "b", bar=False)
        self._map.setAccessibleName("Which pairs the graft answers rightly")
        self._map.setToolTip(
            "Right answers by class, training pairs nearest to the panel, and wrong ones; as in Answers"
        )
        self._map.hovered.connect(self._hovered)
        self._map.clicked.connect(self._clicked)
        self._chart = SwapChart()
        self._chart.hovered.connect(self._hovered_part)
        self._chart.clicked.connect(self._take_part)
        self._desk, self._parts = self._make_desk(), QWidget()
        column = QVBoxLayout(self._parts)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._legend = label("", "muted")
        column.addWidget(self._legend)
        column.addWidget(self._chart, 1)
        self._upper = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._upper.setContentsMargins(0, 0, 0, 0)
        self._upper.setSpacing(2 * SPACE)
        self._upper.addWidget(self._desk, 0)
        self._upper.addWidget(self._map, 1)
        self._all = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._all.setContentsMargins(0, 0, 0, 0)
        self._all.setSpacing(2 * SPACE)
        self._all.addLayout(self._upper, 3)
        self._all.addWidget(self._parts, 2)
        content = QWidget()
        content.setMinimumSize(220, 140)  # less than its parts want: they go when there is no room
        outer = QVBoxLayout(content)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(4)
        outer.addWidget(self._sentence)
        outer.addLayout(self._all, 1)
        self.restyle()
        return content

    def _make_desk(self) -> QWidget:
        desk = QWidget()
        column = QVBoxLayout(desk)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addLayout(self._make_x())
        column.addLayout(self._make_ticks())
        column.addLayout(self._make_table())
        column.addStretch(1)
        return desk

    def _make_x(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setObjectName("graft.x")
        self._slider.setAccessibleName("Checkpoint X, which gives the chosen parameters")
        self._slider.valueChanged.connect(self._choose_x)
        self._x_words = QuietLabel()
        self._x_words.setMinimumWidth(104)
        take = QPushButton("on show")
        take.setObjectName("graft.take")
        take.setToolTip("Take the checkpoint on show as X")
        take.setAccessibleName("Take the checkpoint on show as X")
        take.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        take.setStyleSheet("padding: 2px 8px;")
        take.clicked.connect(lambda: self._choose_x(self.session.selection.step))
        for widget, stretch in ((self._x_words, 0), (self._slider, 1), (take, 0)):
            row.addWidget(widget, stretch)
        return row

    def _make_ticks(self) -> QGridLayout:
        """A row a group; its name takes or leaves all of it."""
        grid = QGridLayout()
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(2)
        self._ticks: dict[str, QToolButton] = {}
        self._group_buttons: dict[str, QToolButton] = {}
        for i, (group, names) in enumerate(groups(Config(layer_norm=True)).items()):
            button = QToolButton()
            button.setText(group)
            button.setObjectName(f"graft.group.{group}")
            button.setAccessibleName(f"Take or leave the whole {group}")
            button.setToolTip(f"Take or leave the whole {group}")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(partial(self._take_group, group))
            grid.addWidget(button, i, 0, Qt.AlignmentFlag.AlignLeft)
            self._group_buttons[group] = button
            for j, name in enumerate((NORMS,) if group == NORMS else names):
                tick = toggle("all" if name == NORMS else name, f"graft.{name}", f"{name} of X", name == "W_E")
                tick.toggled.connect(self._ticked)
                self._ticks[name] = tick
                grid.addWidget(tick, i, j + 1)
        grid.setColumnStretch(5, 1)
        return grid

    def _make_table(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE)
        grid.setVerticalSpacing(1)
        self._cells: dict[tuple[str, str], QLabel] = {}
        self._heads: dict[str, QLabel] = {}
        self._set_heads: dict[str, QLabel] = {}
        for j, (name, text) in enumerate(_SETS.items(), 1):
            head = label(text, "muted")
            head.setAlignment(Qt.AlignmentFlag.AlignRight)
            self._set_heads[name] = head
            grid.addWidget(head, 0, j)
        for i, (row, text) in enumerate(_ROWS.items(), 1):
            self._heads[row] = QuietLabel(text)
            self._heads[row].setProperty("role", "muted")
            self._heads[row].setMinimumWidth(70)
            grid.addWidget(self._heads[row], i, 0)
            for j, name in enumerate(_SETS, 1):
                cell = QuietLabel()
                cell.setProperty("role", "title" if row == "graft" else "")
                cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                cell.setAccessibleName(f"Loss and accuracy of {text}, {_SETS[name]} pairs")
                cell.setObjectName(f"graft.{row}.{name}")
                cell.setMinimumWidth(116)
                grid.addWidget(cell, i, j)
                self._cells[row, name] = cell
        grid.setColumnStretch(0, 1)
        return grid

    # -- what is asked -------------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that are taken from X."""
        if self._content is None:
            return ()
        config = Config() if self._run is None else self._run.config
        known = groups(config)
        taken = [name for name, tick in self._ticks.items() if tick.isChecked() and name != NORMS]
        return (*taken, *(known.get(NORMS, ()) if self._ticks[NORMS].isChecked() else ()))

    def _step_x(self, selection: Selection) -> int | None:
        if self._x is None or selection.run is None:
            return None
        return min(int(selection.run.epochs.searchsorted(self._x)), selection.n_checkpoints - 1)

    def _asked_with(self, selection: Selection) -> tuple[Any, ...]:
        x = self._step_x(selection)
        return selection.run, x, selection.step, self.names, selection.n_checkpoints if x is None else 0

    def query(self, selection: Selection) -> Query | None:
        return Query(grafting, self._asked_with(selection))

    def exact(self, selection: Selection) -> Query | None:
        return None if selection.run is None else Query(grafting, (*self._asked_with(selection), True))

    def refresh(self, selection: Selection) -> None:
        """As every view; another run begins with its own X."""
        if selection.run is not self._run:
            self._run, self._x, self._tried, self._tried_of = selection.run, None, {}, None
        super().refresh(selection)

    def _receive(self, query: Query, answer: Answer) -> None:
        super()._receive(query, answer)
        if self._asked_part is not None and query == self._asked_part[0]:
            _, part, way = self._asked_part
            self._asked_part = None
            if answer.error is None and (answer.value.x, answer.value.y) == self._ends_of(way):
                self._tried[part, way] = answer.value.scores
                self._show_tried()
            self._soon.start()

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, answer: Grafting, selection: Selection) -> None:
        assert selection.run is not None
        config, graft = selection.run.config, answer.graft
        self._x = graft.x if self._x is None else self._x
        self._show_x(selection)
        self._group_buttons[NORMS].setVisible(config.layer_norm)
        self._ticks[NORMS].setVisible(config.layer_norm)
        kind = kinds(config)
        block = np.where(graft.right, np.maximum(kind, 0), 4).astype(np.uint8)
        block[kind < 0] = _NO_PAIR
        self._map.show_classes(block, class_colours())
        self._map.mark(selection.pair)
        self._tell(answer)
        if self._tried_of != (graft.x, graft.y):
            self._tried, self._tried_of = {}, (graft.x, graft.y)
        self._show_tried()
        self._calm.start()

    def _show_x(self, selection: Selection) -> None:
        assert self._x is not None
        blocked = QSignalBlocker(self._slider)
        self._slider.setMaximum(selection.n_checkpoints - 1)
        self._slider.setValue(self._step_x(selection) or 0)
        blocked.unblock()
        self._x_words.setText(f"X: epoch {epoch_text(self._x)}")

    def write(self, numbers: Grafting, selection: Selection) -> None:
        answer: Grafting | None = self.answer
        if answer is not None and (numbers.graft.x, numbers.graft.y, numbers.graft.names) == _told_of(answer):
            self._tell(numbers)

    def _tell(self, answer: Grafting) -> None:
        """The table and the sentence."""
        graft = answer.graft
        for row, scores in (("x", answer.x), ("y", answer.y), ("graft", graft.scores)):
            for name in _SETS:
                self._cells[row, name].setText(cell_text(scores, name))
        self._heads["x"].setText(f"X, {epoch_text(graft.x)}")
        self._heads["y"].setText(f"Y, {epoch_text(graft.y)}")
        self.set_subtitle(f"Y: epoch {epoch_text(graft.y)}, on show")
        self._sentence.say(sentence(answer), sentence(answer, short=True))

    def _show_tried(self) -> None:
        answer: Grafting | None = self.answer
        if answer is None or self._run is None:
            return
        rows, of = chart_rows(self._run.config), _judged(answer.y)
        chosen = next((part for part, names in rows.items() if set(names) == set(answer.graft.names)), "")
        what = "test loss" if of == "test" else "loss, all pairs"
        self._chart.show_parts(list(rows), groups(self._run.config), chosen, f"{what} (nats)")
        found = {key: _loss(scores, of) for key, scores in self._tried.items()}
        ends = Ends(_loss(answer.x, of), _loss(answer.y, of))
        self._chart.show_values({key: value for key, value in found.items() if value is not None}, ends)

    def restyle(self) -> None:
        self._map.restyle()
        self._chart.update()
        blue, orange = (colour_of(way).name() for way in (INTO_Y, INTO_X))
        self._legend.setText(f"<span style='color:{blue}'>●</span> X’s part in Y &nbsp; "
                             f"<span style='color:{orange}'>●</span> Y’s part in X")  # fmt: skip

    # -- single parts --------------------------------------------------------------------------------------

    def _ends_of(self, way: str) -> tuple[int, int] | None:
        """Epochs of giver and taker."""
        return None if self._tried_of is None else self._tried_of if way == INTO_Y else self._tried_of[::-1]

    def _try_next(self) -> None:
        """The next part that was not tried, one after the other, while nobody waits."""
        now = self.session.selection
        if self.waiting or self._run is None or not self.on_show or not self._parts.isVisible() or self._asked_part:
            return
        x = self._step_x(now)
        if x is None or self._tried_of != (self._x, now.epoch) or x == now.step:
            return
        for part, names in chart_rows(self._run.config).items():
            for way, (giver, taker) in ((INTO_Y, (x, now.step)), (INTO_X, (now.step, x))):
                if (part, way) not in self._tried:
                    query = Query(grafted, (self._run, giver, taker, names))
                    self._asked_part = query, part, way  # before asking: a cached answer arrives inside the call
                    self.compute.ask((self, "part"), query, urgent=False)
                    return

    # -- what a person does --------------------------------------------------------------------------------

    def _choose_x(self, step: int) -> None:
        run = self.session.selection.run
        if run is not None:
            self._x = int(run.epochs[step])
            self.redraw()

    def _ticked(self) -> None:
        self.redraw()

    def _take(self, names: set[str]) -> None:
        """Exactly these."""
        blocked = [QSignalBlocker(tick) for tick in self._ticks.values()]
        for name, tick in self._ticks.items():
            tick.setChecked(name in names)
        for blocker in blocked:
            blocker.unblock()
        self.redraw()

    def _take_group(self, group: str) -> None:
        own = {NORMS} if group == NORMS else set(groups(Config())[group])
        now = {name for name, tick in self._ticks.items() if tick.isChecked()}
        self._take(now - own if own <= now else now | own)

    def _take_part(self, part: str) -> None:
        self._take({part} if part in self._ticks else set(groups(Config())[part]))

    def _hovered(self, cell: tuple[int, int] | None) -> None:
        answer: Grafting | None = self.answer
        if cell is None or answer is None or np.isnan(answer.graft.loss[cell]):
            self.read_out("")
            return
        right = "right" if answer.graft.right[cell] else "wrong"
        self.read_out(f"a = {cell[0]}, b = {cell[1]} · {right} · loss {value_text(float(answer.graft.loss[cell]))}")

    def _clicked(self, row: int, column: int) -> None:
        pair = (row, column)
        self.session.select(pair=None if pair == self.session.selection.pair else pair)

    def _hovered_part(self, part: str | None) -> None:
        said = []
        for way, text in ((INTO_Y, "X’s {0} in Y"), (INTO_X, "Y’s {0} in X")):
            scores = self._tried.get((part, way)) if part is not None else None
            if part is not None and scores is not None:
                said.append(f"{text.format(part)}: {cell_text(scores, _judged(scores))}")
        self.read_out(" · ".join(said))

    # -- room ----------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        """The chart beside the rest, or beneath it; the map beneath the desk, or beside it."""
        what, width, height = self._show_what.currentText(), self.width(), self.height()
        across, down = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        beside = width >= _THREE
        for box, direction in (
            (self._all, across if beside else down), (self._upper, down if beside and height >= _TALL else across),
        ):  # fmt: skip
            if box.direction() != direction:
                box.setDirection(direction)
        for i, stretch in enumerate((3, 2) if beside else (2, 3)):
            self._all.setStretch(i, stretch)
        room = width >= _TWO if not beside else height >= _TALL or width >= _FOUR
        self._desk.setVisible(what in (ALL, TABLE))
        self._map.setVisible(what == MAP or (what == ALL and room))
        self._parts.setVisible(what == PARTS or (what == ALL and (beside or height >= _LOW)))
        for (_, name), cell in self._cells.items():
            cell.setVisible(name != "every" or width >= _NARROW)
        self._set_heads["every"].setVisible(width >= _NARROW)
        self._calm.start()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._option_changed()

    def _option_changed(self) -> None:
        if self._content is not None:
            self._arrange()

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: Grafting, selection: Selection) -> list[Table]:
        rows: dict[str, list[Any]] = {"model": list(_ROWS.values())}
        for name, text in _SETS.items():
            scores = [getattr(s, name) for s in (answer.x, answer.y, answer.graft.scores)]
            rows[f"loss, {text} pairs (nats)"] = [None if s is None else s.loss for s in scores]
            rows[f"accuracy, {text} pairs"] = [None if s is None else s.accuracy for s in scores]
        made = [Table("scores", rows), matrix_table("answers", "a", "b", answer.graft.right.astype(int), "right")]
        if self._tried:
            tried = list(self._tried.items())
            columns: dict[str, list[Any]] = {
                "part": [part for (part, _), _ in tried],
                "direction": [way for (_, way), _ in tried],
                "loss (nats)": [_loss(s, _judged(s)) for _, s in tried],
            }
            made.append(Table("parts", columns))
        return made

    def describe(self, answer: Grafting, selection: Selection) -> str:
        graft = answer.graft
        names = ", ".join(graft.names) or "nothing"
        return (
            f"A model with {names} of epoch {epoch_text(graft.x)} and all else of epoch {epoch_text(graft.y)}: which "
            f"pairs it answers rightly, and its losses beside those of both. {sentence(answer)}. Every single part is "
            "tried in the other model, both ways."
        )


def chart_rows(config: Config) -> dict[str, tuple[str, ...]]:
    """The chart's rows: every group, its parameters beneath it where it has several."""
    rows: dict[str, tuple[str, ...]] = {}
    for group, names in groups(config).items():
        rows[group] = names
        if group != NORMS and len(names) > 1:
            rows |= {name: (name,) for name in names}
    return rows


def cell_text(scores: ClassScores, name: str) -> str:
    """Loss and accuracy of a class of pairs."""
    score = getattr(scores, name)
    if score is None or score.loss is None or score.accuracy is None:
        return "–"
    return f"{value_text(score.loss)} · {100 * score.accuracy:.1f} %"


def sentence(answer: Grafting, short: bool = False) -> str:
    """What the graft is, and what became of the answers."""
    graft, of = answer.graft, _judged(answer.y)
    taken = ", ".join(graft.names)
    name = f"{taken or 'Nothing'} of {epoch_text(graft.x)} in {epoch_text(graft.y)}"
    found = f"{'test' if of == 'test' else 'all'} {cell_text(graft.scores, of)}"
    if short:
        return f"{found} · {name}"
    return f"{name}: {found} (X {cell_text(answer.x, of)}; Y {cell_text(answer.y, of)})"


def _judged(scores: ClassScores) -> str:
    """By which pairs a model is judged."""
    return "test" if scores.test is not None and scores.test.loss is not None else "every"


def _loss(scores: ClassScores, name: str) -> float | None:
    score = getattr(scores, name)
    return None if score is None else score.loss


def _told_of(answer: Grafting) -> tuple[int, int, tuple[str, ...]]:
    return answer.graft.x, answer.graft.y, answer.graft.names
