"""Losses and accuracies of what is left of the model, beside those of the whole one."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from app.numbers import percent
from app.theme import SPACE
from app.views.controls import label
from app.views.legend import SMALL, value_text
from app.views.still import QuietLabel
from engine.analysis.pairs import Score
from engine.analysis.solutions import ClassScores, class_counts
from engine.config import Config

PAIRS = {"train": "train", "test": "test", "every": "all", "seen": "mirror seen", "unseen": "mirror unseen"}
_TIPS = {
    "train": "Training pairs", "test": "Test pairs", "every": "All pairs of the task",
    "seen": "Test pairs (a, b) whose mirror (b, a) was trained", "unseen": "The other test pairs",
}  # fmt: skip
_COLUMNS = {"loss": "loss", "right": "right", "whole_loss": "loss", "whole_right": "right"}


class ScoreTable(QWidget):
    """A row for each class of pairs."""

    def __init__(self) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(SPACE)
        grid.setVerticalSpacing(1)
        self._heads = {name: _small(text, "muted") for name, text in PAIRS.items()}
        self._over = [_small("what is left", "muted"), _small("whole model", "muted")]
        for column, head in ((1, self._over[0]), (3, self._over[1])):
            grid.addWidget(head, 0, column, 1, 2, Qt.AlignmentFlag.AlignRight)
        self._cells: dict[tuple[str, str], QuietLabel] = {}
        for row, (name, head) in enumerate(self._heads.items(), 1):
            head.setToolTip(_TIPS[name])
            grid.addWidget(head, row, 0)
            for column, of in enumerate(_COLUMNS, 1):
                cell = QuietLabel()
                cell.setProperty("role", "muted" if of.startswith("whole") else "")
                cell.setStyleSheet(SMALL)
                cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                cell.setObjectName(f"surgery.{name}.{of}")
                model = "the whole model" if of.startswith("whole") else "what is left of the model"
                cell.setAccessibleName(f"{_COLUMNS[of]} of {model}, {_TIPS[name].lower()}")
                cell.setFixedWidth(66 if of.endswith("loss") else 58)
                grid.addWidget(cell, row, column)
                self._cells[name, of] = cell
        self._whole = True

    def show_whole(self, shown: bool) -> None:
        """Whether the whole model's numbers stand beside."""
        if shown == self._whole:
            return
        self._whole = shown
        self._over[1].setVisible(shown)
        for (_, of), cell in self._cells.items():
            if of.startswith("whole"):
                cell.setVisible(shown)

    def show_scores(
        self, scores: ClassScores | None, exact: bool, whole: ClassScores | None, on_cycle: bool, config: Config
    ) -> None:
        """exact : else from float32    on_cycle : pairs off the task's cycle are not counted"""
        there = class_counts(config)
        for name, head in self._heads.items():
            visible = bool(there.get(name))
            if head.isHidden() == visible:
                head.setVisible(visible)
            for of, text in self._texts(name, scores, exact, whole).items():
                cell = self._cells[name, of]
                cell.setText(text)
                shown = visible and (self._whole or not of.startswith("whole"))
                if cell.isHidden() == shown:
                    cell.setVisible(shown)
        text = "all" if not on_cycle or config.operation not in ("multiply", "divide") else "units"
        if self._heads["every"].text() != text:
            self._heads["every"].setText(text)

    @staticmethod
    def _texts(name: str, scores: ClassScores | None, exact: bool, whole: ClassScores | None) -> dict[str, str]:
        found = {}
        for prefix, known, sure in (("", scores, exact), ("whole_", whole, True)):
            score: Score | None = None if known is None else getattr(known, name)
            about = "" if sure else "≈ "
            loss = "…" if known is None else "—" if score is None or score.loss is None else value_text(score.loss)
            right = "…" if known is None else percent(score)
            found[f"{prefix}loss"] = loss if loss in ("…", "—") else about + loss
            found[f"{prefix}right"] = right
        return found


def _small(text: str, role: str) -> QLabel:
    made = label(text, role)
    made.setStyleSheet(SMALL)
    return made
