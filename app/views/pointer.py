"""Values of a plot without a mouse: arrow keys move a pointer from cell to cell, Enter clicks there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QObject, QPointF, Qt
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QKeyEvent

_AWAY = QPointF(-1e6, -1e6)  # of a scene: where no plot is
_LEAP = 10  # cells, with Shift
_KEYS = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1),
    Qt.Key.Key_Home: (-math.inf, 0), Qt.Key.Key_End: (math.inf, 0),
}  # fmt: skip
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
HOW = "Arrow keys read values, with Shift ten further; Enter selects"


class KeepsKeys(QObject):
    """Lets a widget that has the keyboard have keys that are shortcuts of the window, too."""

    def __init__(self, widget: QObject, keys: Sequence[Qt.Key]) -> None:
        super().__init__(widget)
        self._keys = tuple(keys)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        its_own = isinstance(event, QKeyEvent) and event.key() in self._keys
        if its_own and event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return False


class _Click:
    """As pyqtgraph tells a click."""

    def __init__(self, at: QPointF) -> None:
        self._at = at

    def scenePos(self) -> QPointF:
        return self._at

    def button(self) -> Qt.MouseButton:
        return Qt.MouseButton.LeftButton

    def double(self) -> bool:
        return False


class KeyPointer(QObject):
    """For a plot whose cells stand at whole numbers, left to right and, if `rows`, bottom to top too.

    said : what is read at the pointer now, for screen readers
    """

    def __init__(self, plot: Any, said: Callable[[], str] = lambda: "", rows: bool = False) -> None:
        super().__init__(plot)
        self._plot, self.said, self._rows = plot, said, rows
        self.cell: tuple[int, int] | None = None  # x, y
        plot.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        plot.setAccessibleDescription(HOW)
        plot.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.FocusOut and self.cell is not None:
            self._plot.scene().sigMouseMoved.emit(_AWAY)
        if not isinstance(event, QKeyEvent) or event.key() not in (*_KEYS, *_ENTER):
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()  # before the window's own keys
            return True
        if event.type() != QEvent.Type.KeyPress:
            return False
        if event.key() in _ENTER:
            if self.cell is not None:
                self._plot.scene().sigMouseClicked.emit(_Click(self._place()))
        else:
            self._move(*_KEYS[Qt.Key(event.key())], bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        return True

    def _move(self, right: float, up: float, leap: bool) -> None:
        (left, end), (low, high) = self._plot.getViewBox().viewRange()
        first, last = math.ceil(left), math.floor(end)
        bottom, top = math.ceil(low), math.floor(high)
        by = _LEAP if leap else 1
        if self._plot.getViewBox().yInverted():
            up = -up
        if self.cell is None:
            self.cell = first, bottom if up >= 0 else top
        else:
            x = min(max(self.cell[0] + right * by, first), last)
            y = min(max(self.cell[1] + up * by, bottom), top) if self._rows else self.cell[1]
            self.cell = int(x), int(y)
        self._plot.scene().sigMouseMoved.emit(self._place())
        if self.said():
            said = QAccessibleAnnouncementEvent(self._plot, self.said())
            QAccessible.updateAccessibility(said)

    def _place(self) -> QPointF:
        """In the plot's scene; of a plot of columns, half way up."""
        box = self._plot.getViewBox()
        x, y = self.cell or (0, 0)
        middle = float(sum(box.viewRange()[1])) / 2
        place: QPointF = box.mapViewToScene(QPointF(x, y if self._rows else middle))
        return place
