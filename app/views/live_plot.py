"""Plots of which little changes from frame to frame: the rest is kept as pixels, what moves is painted over it.

A scene of items costs a millisecond a frame however little of it changes, and is painted in a turn of its own. What
moves with the checkpoint is lifted out of it: it is painted directly, together with everything else.
"""

from __future__ import annotations

import math
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QLineF, QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPixmap, QRegion, QResizeEvent, QTransform
from PySide6.QtWidgets import QGraphicsItem, QWidget
from shiboken6 import getCppPointer

_CALM = 2  # paintings in which the scene does not change, before its pixels are kept


class LivePlot(pg.PlotWidget):  # type: ignore[misc]
    """A plot with items that are lifted out of its scene: `lift` one, and it calls `moved` when it changes.

    Everywhere else than in its window (figures, movies) the scene is painted itself, and the lifted items after it.
    """

    def __init__(self, **options: Any) -> None:
        self._lifted: list[Lifted] = []
        self._pixels: QPixmap | None = None
        self._calm = 0
        self._bare = False  # the scene is being painted without them
        self._placed: tuple[QRect, QTransform] | None = None  # within the axes; from their numbers to pixels
        self._is_built = False
        super().__init__(**options)
        self._is_built = True
        self.scene().changed.connect(self._scene_changed)
        box = self.getViewBox()
        for signal in (box.sigRangeChanged, box.sigTransformChanged, box.sigResized):
            signal.connect(self._place_changed)

    def lift(self, item: Lifted, before: Lifted | None = None) -> None:
        """Add an item that is painted over all others, within the axes: on top, or under `before`."""
        item.lift_from(self)
        self.addItem(item, ignoreBounds=True)
        self._lifted.insert(len(self._lifted) if before is None else self._lifted.index(before), item)

    def moved(self, area: QRect | None = None) -> None:
        """A lifted item changed.  area : where, in the widget's pixels; None: anywhere within the axes"""
        viewport = self.viewport()
        if not viewport.isVisible():
            return
        if self._pixels is None and self._calm >= _CALM:
            self._keep()
        viewport.update(self.placed()[0] if area is None else area)

    def placed(self) -> tuple[QRect, QTransform]:
        """What is within the axes, in the widget's pixels; the way from their numbers to those."""
        if self._placed is None:
            box, to_widget = self.getViewBox(), self.viewportTransform()
            box.updateMatrix()
            area = to_widget.mapRect(box.sceneBoundingRect()).toRect()
            self._placed = area, box.childGroup.sceneTransform() * to_widget
        return self._placed

    def _place_changed(self) -> None:
        self._placed = None

    def paintEvent(self, event: QPaintEvent) -> None:
        pixels = self._pixels
        if pixels is not None and pixels.devicePixelRatio() != self.devicePixelRatioF():  # on another screen now
            self._scene_changed()
            pixels = None
        if self._bare or pixels is None:
            super().paintEvent(event)
            if not self._bare:
                self._calm += 1
                self._paint_lifted(QPainter(self.viewport()))
            return
        painter = QPainter(self.viewport())
        if not self._in_window(painter):
            painter.end()
            super().paintEvent(event)
            painter = QPainter(self.viewport())
        else:
            ratio = pixels.devicePixelRatio()
            for rect in event.region():  # type: ignore[attr-defined]  # Qt's own stubs leave it out
                source = QRectF(rect.x() * ratio, rect.y() * ratio, rect.width() * ratio, rect.height() * ratio)
                painter.drawPixmap(QRectF(rect), pixels, source)
        self._paint_lifted(painter)

    def _paint_lifted(self, painter: QPainter) -> None:
        shown = [item for item in self._lifted if item.isVisible()]
        if shown:
            area, to_pixels = self.placed()
            painter.setClipRect(area)
            for item in shown:
                painter.save()
                item.paint_over(painter, to_pixels)
                painter.restore()
        painter.end()

    def _in_window(self, painter: QPainter) -> bool:
        """Whether it paints in the window's own store, and not in a figure."""
        store, engine = self.window().backingStore(), painter.paintEngine()
        device = None if engine is None else engine.paintDevice()
        if store is None or device is None:
            return False
        return bool(getCppPointer(device)[0] == getCppPointer(store.paintDevice())[0])

    def _keep(self) -> None:
        """Paint the scene into pixels; not where a widget may begin within a pixel of the screen."""
        ratio = self.devicePixelRatioF()
        if self._bare or ratio != round(ratio) or self.viewport().size().isEmpty():
            return
        pixels = QPixmap(self.viewport().size() * ratio)
        pixels.setDevicePixelRatio(ratio)
        self._bare = True
        try:
            QWidget.render(self.viewport(), pixels, QPoint(0, 0), QRegion(), QWidget.RenderFlag(0))
        finally:
            self._bare = False
        self._pixels = pixels

    def _scene_changed(self) -> None:
        self._pixels, self._calm, self._placed = None, 0, None

    def setBackground(self, background: Any) -> None:
        self._scene_changed()
        super().setBackground(background)

    def setTransform(self, *to: Any) -> None:
        self._place_changed()
        super().setTransform(*to)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        self._scene_changed()
        self._place_changed()
        super().resizeEvent(event)
        plot = self.getPlotItem() if self._is_built else None
        if plot is not None:  # what is as small as it can be is not told of it
            for side in ("left", "bottom"):
                plot.getAxis(side).resizeEvent()


class Lifted(pg.GraphicsObject):  # type: ignore[misc]
    """Something that is painted over a plot; in a plain scene it is an item like others."""

    _plot: LivePlot | None = None

    def lift_from(self, plot: LivePlot) -> None:
        """From now on the scene does not paint it."""
        self._plot = plot
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemHasNoContents)
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemSendsGeometryChanges, False)

    def paint_over(self, painter: QPainter, to_pixels: QTransform) -> None:
        """to_pixels : from the axes' numbers to what the painter counts"""
        painter.setTransform(to_pixels, True)
        self.paint(painter)

    def paint(self, painter: QPainter, *_: Any) -> None:
        raise NotImplementedError

    def update(self, *area: Any) -> None:
        if self._plot is None:
            super().update(*area)
        else:
            self._plot.moved()

    def setVisible(self, visible: bool) -> None:
        if visible != self.isVisible():
            super().setVisible(visible)
            self.update()

    def boundingRect(self) -> QRectF:
        return QRectF()


class EpochLine(Lifted):
    """A vertical line that can be dragged. It knows its place itself: to move in a scene would paint the scene.

    sigDragged : a person moved it; the line
    """

    sigDragged = Signal(object)
    _REACH = 5.0  # pixels: how near the pointer must come

    def __init__(self) -> None:
        super().__init__()
        self._x = self._grip = 0.0
        self._hovered = False
        self._pens = QPen(), QPen()  # at rest, under the pointer
        self.setAcceptHoverEvents(True)

    def value(self) -> float:
        """Where it is, in the axis' numbers."""
        return self._x

    def setValue(self, x: float) -> None:
        """Move it."""
        if x != self._x:
            self.update()
            self._x = float(x)
            self.update()

    def set_pens(self, at_rest: QPen, hovered: QPen) -> None:
        """How it is drawn."""
        self._pens = at_rest, hovered
        self.update()

    def _pixel(self, to_pixels: QTransform) -> float:
        return to_pixels.map(QPointF(self._x, 0)).x()

    def boundingRect(self) -> QRectF:
        """What the pointer meets."""
        box = self.getViewBox()
        if box is None:
            return QRectF()
        view = box.viewRect()
        reach = self._REACH * view.width() / max(1.0, box.width())
        return QRectF(self._x - reach, view.top(), 2 * reach, view.height())

    def update(self, *area: Any) -> None:
        if self._plot is None:
            return
        frame, to_pixels = self._plot.placed()
        x, reach = round(self._pixel(to_pixels)), math.ceil(self._pens[1].widthF() / 2) + 2
        if frame.left() - reach < x < frame.right() + reach:
            self._plot.moved(QRect(x - reach, frame.top(), 2 * reach + 1, frame.height()))

    def paint_over(self, painter: QPainter, to_pixels: QTransform) -> None:
        assert self._plot is not None
        frame, x = self._plot.placed()[0], self._pixel(to_pixels)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._pens[self._hovered])
        painter.drawLine(QLineF(x, frame.top(), x, frame.bottom() + 1))

    def mouseDragEvent(self, event: Any) -> None:
        """pyqtgraph's: a person drags it."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        event.accept()
        if event.isStart():
            self._grip = self._x - event.buttonDownPos().x()
        self.setValue(event.pos().x() + self._grip)
        self.sigDragged.emit(self)

    def hoverEvent(self, event: Any) -> None:
        """pyqtgraph's: the pointer is over it, or leaves."""
        over = not event.isExit() and event.acceptDrags(Qt.MouseButton.LeftButton)
        if over != self._hovered:
            self._hovered = over
            self.update()
