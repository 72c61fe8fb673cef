"""The sheet of keys and mouse gestures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QDialog, QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.commands import Command, key_caps
from app.theme import SPACE
from app.views.controls import label

_WIDTH, _ONE_COLUMN, _GAP = 700, 560, 40  # pixels


@dataclass(frozen=True)
class Gesture:
    """What the mouse does.  how : as in `Ctrl + click`; parts between + are drawn as keys"""

    text: str
    how: str
    group: str = "Mouse"


GESTURES = (
    Gesture("Go to a checkpoint", "Click + a curve or the slider"),
    Gesture("Select a frequency, a neuron, a pair", "Click + a bar, a tile, a cell"),
    Gesture("Select more neurons", "Ctrl + Click"),
    Gesture("Zoom a curve's epochs", "Wheel"),
    Gesture("See all of a curve again", "Double click"),
    Gesture("Copy or export a view", "Right click"),
    Gesture("Move a view, or tab it onto another", "Drag + its title"),
    Gesture("Put a run beside the one on show", "Ctrl + drop its file"),
)


@dataclass(frozen=True)
class _Line:
    text: str
    caps: tuple[str, ...]
    group: str


class ShortcutSheet(QDialog):
    """Every command that has keys, and the gestures, by group, in two columns where there is room."""

    def __init__(
        self, commands: Sequence[Command], parent: QWidget | None = None, gestures: Sequence[Gesture] = ()
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys and gestures")
        self.setObjectName("shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        lines = [_Line(c.text.rstrip(" …"), tuple(key_caps(c.keys)), c.group) for c in commands if c.keys]
        lines += [_Line(g.text, tuple(part.strip() for part in g.how.split("+")), g.group) for g in gestures]
        order = list(dict.fromkeys(line.group for line in lines))
        lines.sort(key=lambda line: order.index(line.group))
        self._groups = [_group(name, list(group)) for name, group in groupby(lines, key=lambda line: line.group)]
        self._n_columns = 0
        self._lay_out()
        room = parent.window().size() if parent is not None else QSize(1000, 800)
        width = max(320, min(_WIDTH, room.width() - 6 * SPACE))
        self._flow(width)
        for part in self._sheet.findChildren(QLabel):
            part.ensurePolished()
        layout = self._sheet.layout()
        assert layout is not None
        self.resize(width, max(240, min(layout.totalHeightForWidth(width), room.height() - 10 * SPACE)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """F1 opens it, and closes it."""
        if event.key() == Qt.Key.Key_F1:
            self.accept()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._flow(self.width())

    def _flow(self, width: int) -> None:
        """Groups into columns of about the same height, in their order."""
        n = 1 if width < _ONE_COLUMN else 2
        if n == self._n_columns:
            return
        self._n_columns = n
        heights = [group.sizeHint().height() for group in self._groups]
        self._columns[1].setVisible(n == 2)
        for group in self._groups:
            group.setParent(None)  # out of its column, before any is put into one
        for i, group in enumerate(self._groups):
            middle = sum(heights[:i]) + heights[i] / 2
            column = self._columns[int(n == 2 and middle > sum(heights) / 2)]
            layout = column.layout()
            assert isinstance(layout, QVBoxLayout)
            layout.insertWidget(layout.count() - 1, group)

    def _lay_out(self) -> None:
        self._sheet = QWidget()
        row = QHBoxLayout(self._sheet)
        row.setContentsMargins(3 * SPACE, 2 * SPACE, 3 * SPACE, 2 * SPACE)
        row.setSpacing(_GAP)
        self._columns = [QWidget(), QWidget()]
        for part in self._columns:
            inner = QVBoxLayout(part)
            inner.setContentsMargins(0, 0, 0, 0)
            inner.setSpacing(2 * SPACE)
            inner.addStretch(1)
            row.addWidget(part, 1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self._sheet)
        area.setAccessibleName("Keys and gestures")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(area)


def _group(name: str, lines: list[_Line]) -> QWidget:
    """A group under its name: what is done at the left, the keys at the right."""
    made = QWidget()
    column = QVBoxLayout(made)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(6)
    if name:
        column.addWidget(label(name, "group"))
    for line in lines:
        row = QHBoxLayout()
        row.setSpacing(4)
        text = QLabel(line.text)
        text.setWordWrap(True)
        text.setAccessibleName(f"{line.text}: {' '.join(line.caps)}")
        row.addWidget(text, 1)
        for cap in line.caps:
            key = label(cap, "key")
            key.setAlignment(Qt.AlignmentFlag.AlignCenter)
            key.setMinimumWidth(22)
            row.addWidget(key, 0, Qt.AlignmentFlag.AlignVCenter)
        column.addLayout(row)
    return made
