"""What seldom changes, kept as pixels, and labels that change without moving anything."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPaintEngine, QPainter, QPaintEvent, QPalette, QPixmap
from PySide6.QtWidgets import QLabel, QWidget

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
    painter = QPainter(widget)
    painter.fillRect(event.rect(), QColor(theme.current().panel))
    return painter


class QuietLabel(QLabel):
    """A label whose text changes with every frame: it ends in … where there is no room, and nothing moves around it."""

    def __init__(self, text: str = "") -> None:
        super().__init__(" ")  # as tall as a line
        self._said = ""
        self._ink: QColor | None = None
        stand_on_panel(self)
        self.setText(text)

    def setText(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self.setAccessibleDescription(text)
            self.update()

    def text(self) -> str:
        return self._said

    def fitting(self) -> str:
        """What is painted where there is room."""
        return self._said

    def set_ink(self, ink: QColor) -> None:
        """A colour of its own, in place of its role's."""
        if ink != self._ink:
            self._ink = ink
            self.update()

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
