"""The desk of the two solutions: faders, fields and corners of the mix, its numbers, the map of the test loss."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QLineEdit, QToolButton, QWidget

from app.numbers import percent
from app.theme import SPACE
from app.views.controls import label, toggle
from app.views.legend import value_text
from app.views.solutions_fader import Fader
from app.views.solutions_landscape import Landscape
from app.views.solutions_words import CORNERS, SETS, factors_of, number
from engine.analysis.ablation import Ablation
from engine.analysis.pairs import Score
from engine.analysis.solutions import ClassScores

_NARROW = 560  # pixels: width of the view


class SolutionsDesk(QWidget):
    """Faders and corners on the left, the numbers, the map.

    moved : factors by name, by hand on a fader or in the map      typed : name, value (NaN where it is no number)
    chosen : a corner's `Ablation`
    """

    moved = Signal(object)
    typed = Signal(str, float)
    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * SPACE)
        row.addLayout(self._make_faders(), 1)
        row.addLayout(self._make_table())
        self.landscape = Landscape()
        self.landscape.picked.connect(lambda g, m: self.moved.emit({"generalising": g, "memorising": m}))
        row.addWidget(self.landscape)

    def _make_faders(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(SPACE)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        self.faders: dict[str, Fader] = {}
        self.fields: dict[str, QLineEdit] = {}
        for i, (name, text) in enumerate((("generalising", "g · P<sub>K</sub>L"), ("memorising", "m · rest"))):
            shown = label(text, "")
            shown.setToolTip(f"Factor of what is {name}; double click on the fader: 1")
            fader, field = Fader(name), QLineEdit()
            field.setObjectName(f"solutions.{name}.field")
            field.setAccessibleName(f"Factor of what is {name}")
            field.setToolTip("Any number from 0 to 1.5; Enter applies it")
            field.setFixedWidth(60)
            field.setAlignment(Qt.AlignmentFlag.AlignRight)
            field.editingFinished.connect(lambda n=name: self._typed(n))
            fader.moved.connect(lambda value, n=name: self.moved.emit({n: value}))
            for column, widget in enumerate((shown, fader, field)):
                grid.addWidget(widget, i, column)
            self.faders[name], self.fields[name] = fader, field
        corners = QHBoxLayout()
        corners.setSpacing(SPACE // 2)
        self.corners: dict[str, QToolButton] = {}
        for name, (corner, tip) in CORNERS.items():
            button = toggle(name, f"solutions.{name}", f"{tip}: (g, m) = {_pair(corner)}")
            button.clicked.connect(lambda _=False, c=corner: self.chosen.emit(c))
            corners.addWidget(button)
            self.corners[name] = button
        corners.addStretch(1)
        grid.addLayout(corners, 2, 0, 1, 3)
        return grid

    def _make_table(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(SPACE)
        grid.setVerticalSpacing(2)
        self.cells: dict[tuple[str, str], QLabel] = {}
        self.heads: dict[str, QLabel] = {}
        for column, text in ((1, "loss (nats)"), (2, "right")):
            grid.addWidget(_right(label(text, "muted")), 0, column)
        for row, (name, text) in enumerate(SETS.items(), 1):
            self.heads[name] = label(text, "muted")
            grid.addWidget(self.heads[name], row, 0)
            for column, of in ((1, "loss"), (2, "right")):
                cell = _right(label("", ""))
                cell.setObjectName(f"solutions.{name}.{of}")
                cell.setAccessibleName(f"{of} of the mix, {text} pairs")
                cell.setFixedWidth(68)
                grid.addWidget(cell, row, column)
                self.cells[name, of] = cell
        grid.setRowStretch(4, 1)
        return grid

    def _typed(self, name: str) -> None:
        """A number by hand."""
        try:
            value = float(self.fields[name].text().replace(",", ".").replace("−", "-"))
        except ValueError:
            value = float("nan")
        self.typed.emit(name, value)

    def show_ablation(self, ablation: Ablation) -> None:
        """Faders, fields, corners and the point in the map."""
        for name, fader in self.faders.items():
            value = float(getattr(ablation, name))
            fader.show_value(value)
            if not self.fields[name].hasFocus() or not self.fields[name].isModified():
                self.fields[name].setText(number(value))
        for name, (corner, _) in CORNERS.items():
            self.corners[name].setChecked(factors_of(corner) == factors_of(ablation))
        self.landscape.point_at(ablation)

    def show_scores(self, scores: ClassScores | None, on_cycle: bool) -> None:
        """scores : None where they are not known yet    on_cycle : pairs off the task's cycle are not counted"""
        self.heads["every"].setText("units" if on_cycle else "all")
        self.heads["every"].setToolTip("Pairs off the task's cycle have no part in a mix" if on_cycle else "All pairs")
        for name in SETS:
            score: Score | None = None if scores is None else getattr(scores, name)
            loss, right = "…", "…"
            if scores is not None:
                loss = "—" if score is None or score.loss is None else value_text(score.loss)
                right = percent(score)
            for of, text in (("loss", loss), ("right", right)):
                cell = self.cells[name, of]
                if cell.text() != text:
                    cell.setText(text)
                    cell.setAccessibleDescription(text)

    def arrange(self, width: int) -> None:
        """Short words where there is no room.  width : pixels, of the view's content"""
        for name, button in self.corners.items():
            corner = CORNERS[name][0]
            button.setText(f"{name} {_pair(corner)}" if width >= _NARROW else name)

    def restyle(self) -> None:
        for fader in self.faders.values():
            fader.update()
        self.landscape.update()


def _pair(ablation: Ablation) -> str:
    return f"({ablation.generalising:g}, {ablation.memorising:g})"


def _right(made: QLabel) -> QLabel:
    made.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    made.setStyleSheet("font-size: 12px;")
    return made
