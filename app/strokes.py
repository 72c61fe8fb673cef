"""What a widget paints, taken up stroke by stroke: the way to SVG, PDF and pictures larger than the screen's.

Qt's own SVG writer repeats a whole image for every part that is drawn of it, its PDF writer turns heat maps into
JPEG, a larger picture has thinner lines, and everywhere curves that a scene has cached are bitmaps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import (
    QLineF,
    QPoint,
    QPointF,
    QRect,
    QRectF,
    Qt,
)
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QImage,
    QPaintDevice,
    QPaintEngine,
    QPaintEngineState,
    QPainter,
    QPainterPath,
    QPen,
    QPixmap,
    QRegion,
    QTextItem,
    QTransform,
)
from PySide6.QtWidgets import QGraphicsView, QWidget

from app.screen import pixel_ratio

_FINE = 3  # pixels an image gets for each pixel of the screen at least, so that viewers that smooth keep its cells
_MOST = 4096  # pixels along a side of an enlarged image
_Dirty = QPaintEngine.DirtyFlag


@contextmanager
def drawn_anew(widget: QWidget) -> Iterator[None]:
    """While this lasts, plots in the widget paint their items instead of bitmaps kept of them."""
    views = [view for view in (widget, *widget.findChildren(QGraphicsView)) if isinstance(view, QGraphicsView)]
    items = [item for view in views if view.scene() is not None for item in view.scene().items()]
    backgrounds = [(view, view.cacheMode()) for view in views]
    kept = [(item, item.cacheMode()) for item in items if item.cacheMode() != item.CacheMode.NoCache]
    exported = [item for item in items if isinstance(item, pg.ScatterPlotItem | pg.PlotCurveItem)]
    for view in views:
        view.setCacheMode(QGraphicsView.CacheModeFlag.CacheNone)
    for item, _ in kept:
        item.setCacheMode(item.CacheMode.NoCache)
    for item in exported:
        item.setExportMode(True, {"antialias": True, "resolutionScale": 1.0})
    try:
        yield
    finally:
        for item in exported:
            item.setExportMode(False)
        for item, mode in kept:
            item.setCacheMode(mode)
        for view, background in backgrounds:
            view.setCacheMode(background)


# -- what is painted ---------------------------------------------------------------------------------------


def paint(widget: QWidget, engine: Engine, background: QColor) -> None:
    """Paint the widget and what is in it with an engine. Raises what the engine raised."""
    page = _Page(widget, engine)
    painter = QPainter(page)
    try:
        around = QRectF(widget.rect()).adjusted(0, 0, 2, 2)  # a page may be a fraction of a point larger
        engine.frame = around
        painter.fillRect(around, background)
        with drawn_anew(widget):
            _paint_tree(widget, widget, painter, engine, widget.rect())
    finally:
        painter.end()
    if engine.failure is not None:
        raise engine.failure


def _paint_tree(widget: QWidget, root: QWidget, painter: QPainter, engine: Engine, frame: QRect) -> None:
    """One widget after the other, each within its parents: the clip between widgets does not reach an engine."""
    offset = widget.mapTo(root, QPoint(0, 0)) if widget is not root else QPoint(0, 0)
    visible = frame.intersected(QRect(offset, widget.size()))
    if visible.isEmpty():
        return
    engine.frame = QRectF(visible)
    flag = QWidget.RenderFlag.DrawWindowBackground if widget.isWindow() else QWidget.RenderFlag(0)
    QWidget.render(widget, painter, offset, QRegion(), flag)
    for child in widget.children():
        if isinstance(child, QWidget) and not child.isWindow() and child.isVisibleTo(widget):
            _paint_tree(child, root, painter, engine, visible)


def _of_the_layout(pen: QPen) -> QPen:
    """A pen of plots is as wide as so many pixels of the screen; on a page it is as wide as those look."""
    made = QPen(pen)
    if pen.isCosmetic() and pen.widthF() > 0:
        made.setWidthF(pen.widthF() / pixel_ratio())
    return made


class _Page(QPaintDevice):
    """As large as the widget, in its pixels."""

    def __init__(self, widget: QWidget, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        dpi, size, m = widget.logicalDpiX(), widget.size(), QPaintDevice.PaintDeviceMetric
        self._metrics = {
            m.PdmWidth: size.width(), m.PdmHeight: size.height(), m.PdmNumColors: 2**24, m.PdmDepth: 32,
            m.PdmWidthMM: round(size.width() * 25.4 / dpi), m.PdmHeightMM: round(size.height() * 25.4 / dpi),
            m.PdmDpiX: dpi, m.PdmDpiY: dpi, m.PdmPhysicalDpiX: dpi, m.PdmPhysicalDpiY: dpi,
            m.PdmDevicePixelRatio: 1, m.PdmDevicePixelRatioScaled: 0x10000,
        }  # fmt: skip

    def paintEngine(self) -> QPaintEngine:
        return self._engine

    def metric(self, metric: QPaintDevice.PaintDeviceMetric) -> int:
        return self._metrics.get(metric, 0)


def _kept(method: Callable[..., None]) -> Callable[..., None]:
    """An exception cannot pass through Qt: keep the first one."""

    @wraps(method)
    def safe(self: Engine, *arguments: Any) -> None:
        try:
            method(self, *arguments)
        except Exception as error:
            self.failure = self.failure or error

    return safe


class Engine(QPaintEngine):
    """Makes paths, texts and images of all that is painted; subclasses write them down.

    frame : what is visible of the widget that is being painted, on the page
    """

    def __init__(self) -> None:
        super().__init__(QPaintEngine.PaintEngineFeature.AllFeatures)
        self.failure: Exception | None = None
        self.frame = QRectF()
        self.transform = QTransform()
        self.pen, self.brush = QPen(), QBrush()
        self.opacity = 1.0
        self.smooth = self.antialiased = False
        self._clip: QPainterPath | None = None  # on the page

    def put_path(self, path: QPainterPath, pen: QPen, brush: QBrush) -> None:
        raise NotImplementedError

    def put_text(self, at: QPointF, text: str, font: QFont, width: float) -> None:
        raise NotImplementedError

    def put_image(self, place: QRectF, image: QImage) -> None:
        raise NotImplementedError

    @property
    def clip(self) -> QPainterPath:
        """What may be painted on, on the page."""
        frame = QPainterPath()
        frame.addRect(self.frame)
        return frame if self._clip is None else frame.intersected(self._clip)

    # -- what Qt calls -------------------------------------------------------------------------------------

    def begin(self, device: QPaintDevice) -> bool:
        return True

    def end(self) -> bool:
        return True

    def type(self) -> QPaintEngine.Type:
        return QPaintEngine.Type.User

    @_kept
    def updateState(self, state: QPaintEngineState) -> None:
        flags = state.state()
        if flags & _Dirty.DirtyTransform:
            self.transform = QTransform(state.transform())
        if flags & _Dirty.DirtyPen:
            self.pen = _of_the_layout(state.pen())
        if flags & _Dirty.DirtyBrush:
            self.brush = QBrush(state.brush())
        if flags & _Dirty.DirtyOpacity:
            self.opacity = state.opacity()
        if flags & _Dirty.DirtyHints:
            hints = state.renderHints()
            self.smooth = bool(hints & QPainter.RenderHint.SmoothPixmapTransform)
            self.antialiased = bool(hints & QPainter.RenderHint.Antialiasing)
        if flags & _Dirty.DirtyClipPath:
            self._narrow(state.clipOperation(), state.clipPath())
        if flags & _Dirty.DirtyClipRegion:
            path = QPainterPath()
            path.addRegion(state.clipRegion())
            self._narrow(state.clipOperation(), path.simplified())
        if flags & _Dirty.DirtyClipEnabled and not state.isClipEnabled():
            self._clip = None

    def _narrow(self, how: Qt.ClipOperation, path: QPainterPath) -> None:
        """Take a new clip, given in the painter's coordinates."""
        there = self.transform.map(path)
        if how == Qt.ClipOperation.NoClip:
            self._clip = None
        elif how == Qt.ClipOperation.IntersectClip and self._clip is not None:
            self._clip = self._clip.intersected(there)
        else:
            self._clip = there

    @_kept
    def drawPath(self, path: QPainterPath) -> None:
        self.put_path(path, self.pen, self.brush)

    @_kept
    def drawPolygon(self, points: Sequence[QPointF], mode: QPaintEngine.PolygonDrawMode) -> None:
        path = _polyline(points)
        is_open = mode == QPaintEngine.PolygonDrawMode.PolylineMode
        if not is_open:
            path.closeSubpath()
        if mode == QPaintEngine.PolygonDrawMode.WindingMode:
            path.setFillRule(Qt.FillRule.WindingFill)
        self.put_path(path, self.pen, QBrush() if is_open else self.brush)

    @_kept
    def drawLines(self, lines: Sequence[QLineF]) -> None:
        """Lines that go on where the one before ends become one."""
        path = QPainterPath()
        for line in map(QLineF, lines):
            if not path.elementCount() or path.currentPosition() != line.p1():
                path.moveTo(line.p1())
            path.lineTo(line.p2())
        self.put_path(path, self.pen, QBrush())

    @_kept
    def drawPoints(self, points: Sequence[QPointF]) -> None:
        """Lines without a length, which a round pen shows as dots."""
        path, dot = QPainterPath(), QPen(self.pen)
        dot.setCapStyle(Qt.PenCapStyle.RoundCap)
        for point in map(QPointF, points):
            path.moveTo(point)
            path.lineTo(point + QPointF(1e-3, 0))
        self.put_path(path, dot, QBrush())

    @_kept
    def drawRects(self, rects: Sequence[QRectF]) -> None:
        path = QPainterPath()
        for rect in map(QRectF, rects):
            path.addRect(rect)
        self.put_path(path, self.pen, self.brush)

    @_kept
    def drawEllipse(self, rect: QRectF) -> None:
        path = QPainterPath()
        path.addEllipse(QRectF(rect))
        self.put_path(path, self.pen, self.brush)

    @_kept
    def drawTextItem(self, at: QPointF, item: QTextItem) -> None:
        if item.text().strip():
            self.put_text(at, item.text(), item.font(), item.width())

    @_kept
    def drawPixmap(self, place: QRectF, pixmap: QPixmap, part: QRectF) -> None:
        self._image(place, pixmap.toImage(), part)

    @_kept
    def drawImage(self, place: QRectF, image: QImage, part: QRectF, flags: Any = None) -> None:
        self._image(place, image, part)

    def _image(self, place: QRectF, image: QImage, part: QRectF) -> None:
        taken = part.toRect()
        cut = image if taken == image.rect() else image.copy(taken)
        if not cut.isNull() and not place.isEmpty():
            self.put_image(place, cut if self.smooth else self._enlarged(place, cut))

    def _enlarged(self, place: QRectF, image: QImage) -> QImage:
        """Each cell repeated, so that it stays a sharp square in viewers that smooth images."""
        shown = self.transform.mapRect(place)
        times = max(
            1, math.ceil(_FINE * shown.width() / image.width()), math.ceil(_FINE * shown.height() / image.height())
        )
        times = max(1, min(times, _MOST // max(image.width(), image.height())))
        return image if times == 1 else image.scaled(image.width() * times, image.height() * times)


def _polyline(points: Sequence[QPointF]) -> QPainterPath:
    path = QPainterPath(QPointF(points[0]))
    for point in points[1:]:
        path.lineTo(QPointF(point))
    return path
