"""What seldom changes, kept as pixels, and labels that change without moving anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from functools import cache
from weakref import WeakSet

from PySide6.QtCore import QObject, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QPaintEngine, QPainter, QPaintEvent, QPalette, QPixmap
from PySide6.QtWidgets import QLabel, QWidget
from shiboken6 import isValid

from app import theme

Draw = Callable[[QPainter], None]


class Still:
    """The part of a picture that is the same from frame to frame: drawn once, then copied.

    Where a painter does not make pixels (a figure as SVG or PDF), or makes more of them than the screen, it is drawn.
    """

    def __init__(self) -> None:
        self._key: Hashable = None
        self._pixels: QPixmap | None = None

    def paint(self, painter: QPainter, size: QSize, key: Hashable, draw: Draw) -> None:
        """key : what the drawing depends on, beside its size in the painter's units"""
        scale = painter.deviceTransform().m11()
        engine, shifted = painter.paintEngine(), painter.deviceTransform().m22() != scale
        if engine is None or engine.type() != QPaintEngine.Type.Raster or shifted:
            painter.save()
            draw(painter)
            painter.restore()
            return
        whole = (key, size.width(), size.height(), scale)
        if self._pixels is None or whole != self._key:
            self._key, self._pixels = whole, _drawn(size, scale, draw)
        painter.drawPixmap(QRectF(0, 0, size.width(), size.height()).topLeft(), self._pixels)


def _drawn(size: QSize, scale: float, draw: Draw) -> QPixmap:
    pixels = QPixmap((size.toSizeF() * scale).toSize().expandedTo(QSize(1, 1)))
    pixels.setDevicePixelRatio(scale)
    pixels.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixels)
    draw(painter)
    painter.end()
    return pixels


def stand_on_panel(widget: QWidget) -> None:
    """The widget paints the panel behind itself (`on_panel`): nothing beneath it is painted with every frame."""
    widget.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)


def on_panel(widget: QWidget, event: QPaintEvent) -> QPainter:
    """A painter of the widget, on the panel."""
    if not widget.testAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent):  # a style sheet's rule takes it away
        stand_on_panel(widget)
    painter = QPainter(widget)
    painter.fillRect(event.rect(), QColor(theme.current().panel))
    return painter


class _Followers(QObject):
    """Words that change with every frame: painted at once after a rest, then ten times a second, as one can read them.

    To paint a few words costs as much as a picture, and there are dozens of them.
    """

    _PACE_MS, _TOGETHER = 100, 0.03  # between two paintings; seconds in which what changes first is painted at once

    def __init__(self) -> None:
        super().__init__()
        self._behind: WeakSet[QWidget] = WeakSet()
        self._until = 0.0
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(self._PACE_MS)
        self._pause.timeout.connect(self._catch_up)

    def paint(self, widget: QWidget) -> None:
        now = time.monotonic()
        if not self._pause.isActive():
            self._until = now + self._TOGETHER
            self._pause.start()
        if now < self._until:
            widget.update()
        else:
            self._behind.add(widget)

    def _catch_up(self) -> None:
        if self._behind:
            self._pause.start()
        for widget in self._behind:
            if isValid(widget):  # Qt may have deleted it
                widget.update()
        self._behind.clear()


@cache
def _followers() -> _Followers:
    return _Followers()


def paint_soon(widget: QWidget) -> None:
    """Its words are others: paint them within a tenth of a second."""
    _followers().paint(widget)


class QuietLabel(QLabel):
    """A label whose text changes with every frame: it ends in … where there is no room, and nothing moves around it."""

    def __init__(self, text: str = "", prompt: bool = False) -> None:
        """prompt : its text is painted with the next frame, not soon (`paint_soon`)"""
        super().__init__(" ")  # as tall as a line
        self._said, self._prompt = "", prompt
        self._ink: QColor | None = None
        stand_on_panel(self)
        self.setText(text)

    def setText(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self.setAccessibleDescription(text)
            self._paint()

    def _paint(self) -> None:
        if self._prompt:
            self.update()
        else:
            paint_soon(self)

    def text(self) -> str:
        return self._said

    def fitting(self) -> str:
        """What is painted where there is room."""
        return self._said

    def set_ink(self, ink: QColor) -> None:
        """A colour of its own, in place of its role's."""
        if ink != self._ink:
            self._ink = ink
            self._paint()

    def minimumSizeHint(self) -> QSize:
        return QSize(24, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, metrics = on_panel(self, event), self.fontMetrics()
        text = metrics.elidedText(self.fitting(), Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(self._ink or self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawText(self.rect(), self.alignment(), text)


def tip(widget: QWidget, text: str) -> None:
    """What is told under the pointer, where it changes: Qt tells everybody of it even where it does not."""
    if text != widget.toolTip():
        widget.setToolTip(text)
