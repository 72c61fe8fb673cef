"""A fader: a factor from 0 to 1.5, by hand or by keys."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractSlider, QSlider

from app import theme

TOP = 1.5  # of a fader
_TICKS = 100  # of a fader, to 1
_SNAP = 2  # ticks on either side of 1 that count as 1 under the pointer


class Fader(QSlider):
    """A factor from 0 to 1.5 with a notch at 1; a double click brings it back there.

    moved : by hand only
    """

    moved = Signal(float)
    _MARGIN, _KNOB = 9, 7

    def __init__(self, name: str) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._name = name
        self.setRange(0, round(TOP * _TICKS))
        self.setSingleStep(1)
        self.setPageStep(10)
        self.setValue(_TICKS)
        self.setObjectName(f"solutions.{name}")
        self.setAccessibleName(f"Factor of what is {name}, in hundredths")
        self.setToolTip("Drag, or use the arrow keys; a double click brings back 1")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumWidth(90)
        self.actionTriggered.connect(self._acted)

    def sizeHint(self) -> QSize:
        return QSize(180, 26)

    def minimumSizeHint(self) -> QSize:
        return QSize(90, 26)

    def show_value(self, value: float) -> None:
        """Put it there without a word; not under a finger."""
        if not self.isSliderDown():
            blocked = QSignalBlocker(self)
            self.setValue(round(value * _TICKS))
            blocked.unblock()
            self.update()

    def place_of(self, ticks: float) -> float:
        """x of a value."""
        return self._MARGIN + (self.width() - 2 * self._MARGIN) * ticks / self.maximum()

    def _acted(self, action: int) -> None:
        if action != QAbstractSlider.SliderAction.SliderMove.value:
            self.moved.emit(self.sliderPosition() / _TICKS)

    def _go(self, x: float) -> None:
        ticks = round((x - self._MARGIN) / max(1, self.width() - 2 * self._MARGIN) * self.maximum())
        ticks = _TICKS if abs(ticks - _TICKS) <= _SNAP else max(0, min(ticks, self.maximum()))
        if ticks != self.value():
            self.setValue(ticks)
            self.moved.emit(ticks / _TICKS)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self._go(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            self._go(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.setSliderDown(False)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.setSliderDown(False)
        self.setValue(_TICKS)
        self.moved.emit(1.0)

    def event(self, event: QEvent) -> bool:
        """Its keys are its own while it has the focus, before the window's shortcuts."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in _KEYS:
            event.accept()
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter = theme.current(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, at, one = self.height() / 2, self.place_of(self.sliderPosition()), self.place_of(_TICKS)
        colour = QColor(getattr(look, self._name))
        painter.setPen(QPen(QColor(look.faint), 1))
        painter.drawLine(QPointF(one, middle - 8), QPointF(one, middle + 8))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(look.border))
        painter.drawRoundedRect(QRectF(self._MARGIN, middle - 2, self.width() - 2 * self._MARGIN, 4), 2, 2)
        painter.setBrush(colour)
        painter.drawRoundedRect(QRectF(self._MARGIN, middle - 2, at - self._MARGIN, 4), 2, 2)
        painter.setPen(QPen(QColor(look.accent if self.hasFocus() else look.panel), 2))
        painter.drawEllipse(QPointF(at, middle), self._KNOB, self._KNOB)


_KEYS = {
    Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End,
    Qt.Key.Key_PageUp, Qt.Key.Key_PageDown,
}  # fmt: skip
