"""Clouds of points that can be clicked, and how often each place was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app import theme
from app.views.lifted import Bars
from app.views.over_time import DASHED
from app.views.plots import dress, on_leave, pen, plot_widget, relabel, set_range
from app.views.sentence import Sentence

Floats = NDArray[np.float64]
_NEAR = 9  # pixels from a point that count as on it
_SIDES = ((1, 0), (-1, 0), (0, -1), (0, 1), (0.8, -0.8), (-0.8, -0.8), (0.8, 0.8), (-0.8, 0.8))  # of its name


class Panel(QWidget):
    """A plot beneath a line of words."""

    def __init__(self, left: str, bottom: str) -> None:
        super().__init__()
        self.plot = plot_widget(left, bottom)
        self.plot.setMouseEnabled(x=False, y=False)
        item = self.plot.getPlotItem()
        item.getAxis("left").setWidth(44)
        item.layout.setContentsMargins(0, 6, 10, 0)
        self.words = Sentence()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.words)
        column.addWidget(self.plot, 1)

    def name_axes(self, left: str, bottom: str) -> None:
        relabel(self.plot, "left", left)
        relabel(self.plot, "bottom", bottom)

    def show_range(self, area: QRectF) -> None:
        """What the axes cover."""
        set_range(self.plot, (area.left(), area.right()), (area.top(), area.bottom()))

    def restyle(self) -> None:
        dress(self.plot)


class Dots(pg.GraphicsObject):  # type: ignore[misc]
    """Discs of their own colours and sizes in pixels; painted by groups, a tenth of what `ScatterPlotItem` costs."""

    def __init__(self) -> None:
        super().__init__()
        self.colours: list[QColor] = []
        self._groups: list[tuple[QColor, float, QPolygonF]] = []
        self._area = QRectF()

    def show_dots(self, x: Floats, y: Floats, colours: Sequence[QColor], sizes: Sequence[float]) -> None:
        """x, y : (n,)    colours, sizes : n; what comes later lies on top"""
        self.colours = list(colours)
        groups: dict[tuple[int, float], list[QPointF]] = {}
        for at_x, at_y, colour, size in zip(x.tolist(), y.tolist(), colours, sizes, strict=True):
            groups.setdefault((colour.rgba(), size), []).append(QPointF(at_x, at_y))
        self._groups = [(QColor.fromRgba(rgba), size, QPolygonF(at)) for (rgba, size), at in groups.items()]
        wide, tall = (float(np.ptp(v)) if len(v) else 0.0 for v in (x, y))
        area = QRectF()
        if len(x):
            area = QRectF(float(x.min()) - 0.2 * wide, float(y.min()) - 0.2 * tall, 1.4 * wide, 1.4 * tall)
        if area != self._area:
            self.prepareGeometryChange()
            self._area = area
        self.update()

    def paint(self, painter: QPainter, *_: Any) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        to_pixels = painter.transform()
        painter.resetTransform()  # a wide point is round only where both axes have one scale
        edge = QColor(theme.current().panel)
        for colour, size, at in self._groups:
            points = to_pixels.map(at)
            edge.setAlpha(colour.alpha())
            for painted, width in ((edge, size + 1.2), (colour, size)):
                painter.setPen(QPen(painted, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
                painter.drawPoints(points)

    def boundingRect(self) -> QRectF:
        return self._area


class Cloud(Panel):
    """Points.

    hovered : the index of the nearest one, or None      clicked : its index
    """

    hovered = Signal(object)
    clicked = Signal(int)

    def __init__(self, left: str, bottom: str, names: int = 0) -> None:
        """names : points that may have a name beside them"""
        super().__init__(left, bottom)
        self.across, self.up = np.zeros(0), np.zeros(0)
        self.dots, self.rings = Dots(), pg.ScatterPlotItem(pxMode=True, size=14)
        self.plot.addItem(self.dots)
        self.plot.addItem(self.rings)
        self._names = [pg.TextItem() for _ in range(names)]
        self._named: list[int] = []
        self.plot.getViewBox().sigResized.connect(lambda *_: self._place_names())
        for name in self._names:
            name.setVisible(False)
            self.plot.addItem(name, ignoreBounds=True)
        self.plot.scene().sigMouseMoved.connect(lambda at: self.hovered.emit(self.nearest(at)))
        self.plot.scene().sigMouseClicked.connect(self._pressed)
        on_leave(self.plot, lambda: self.hovered.emit(None))
        self.restyle()

    def show_points(self, x: Floats, y: Floats, colours: Sequence[QColor], sizes: Sequence[float]) -> None:
        """x, y : (n,)    colours, sizes : n"""
        self.across, self.up = x, y
        self.dots.show_dots(x, y, colours, sizes)

    def ring(self, indices: Sequence[int]) -> None:
        """Points with a ring around them."""
        there = [i for i in indices if i < len(self.across)]
        self.rings.setData(x=self.across[there], y=self.up[there])

    def name(self, names: dict[int, tuple[str, QColor]]) -> None:
        """Texts beside points, by their indices."""
        self._named = list(names)[: len(self._names)]
        for item, (text, colour) in zip(self._names, names.values(), strict=False):
            item.setText(text, colour)
        for j, item in enumerate(self._names):
            item.setVisible(j < len(self._named))
        self._place_names()

    def _place_names(self) -> None:
        """Each on the side where it hides least of other names and named points, inside the plot."""
        box = self.plot.getViewBox()
        wide, tall = box.viewPixelSize()
        (left, right), (bottom, top) = box.viewRange()
        room = QRectF(QPointF(left / wide, -top / tall), QPointF(right / wide, -bottom / tall))  # pixels
        at = [QPointF(self.across[i] / wide, -self.up[i] / tall) for i in self._named]
        taken = [QRectF(p.x() - 6, p.y() - 6, 12, 12) for p in at]
        for item, i, point in zip(self._names, self._named, at, strict=False):
            size = item.boundingRect().size()
            x, y = size.width() / 2 + 6, size.height() / 2 + 3
            sides = [point + QPointF(i * x, j * y) for i, j in _SIDES]
            areas = [QRectF(p.x() - size.width() / 2, p.y() - 7, size.width(), 14) for p in sides]
            hidden = [sum(area.intersects(t) for t in taken) + 9 * (not room.contains(area)) for area in areas]
            free = int(np.argmin(hidden))
            taken.append(areas[free])
            middle = sides[free] - point
            item.setAnchor((0.5 - middle.x() / size.width(), 0.5 - middle.y() / size.height()))
            item.setPos(float(self.across[i]), float(self.up[i]))

    def nearest(self, at: Any) -> int | None:
        """The point at a place of the plot's scene."""
        box = self.plot.getViewBox()
        if not len(self.across) or not box.sceneBoundingRect().contains(at):
            return None
        point, (wide, tall) = box.mapSceneToView(at), box.viewPixelSize()
        away = np.hypot((self.across - point.x()) / wide, (self.up - point.y()) / tall)
        i = int(np.nanargmin(away))
        return i if away[i] <= _NEAR else None

    def scene_place(self, i: int) -> QPointF:
        """Where a point stands in the plot's scene."""
        found: QPointF = self.plot.getViewBox().mapViewToScene(QPointF(float(self.across[i]), float(self.up[i])))
        return found

    def _pressed(self, event: Any) -> None:
        i = self.nearest(event.scenePos())
        if i is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(i)

    def restyle(self) -> None:
        super().restyle()
        self.rings.setPen(pen(theme.current().text, 1.8))
        self.rings.setBrush(None)


class Places(Panel):
    """How many have each place, some of them in a colour, and what an even draw would give.

    hovered : a place, or None
    """

    hovered = Signal(object)

    def __init__(self, left: str, bottom: str) -> None:
        super().__init__(left, bottom)
        self.all, self.some = Bars(), Bars()
        self.even = pg.InfiniteLine(angle=0, movable=False)
        for item in (self.all, self.some, self.even):
            self.plot.addItem(item)
        self.counts = np.zeros(0, np.int64)
        self.plot.scene().sigMouseMoved.connect(self._moved)
        on_leave(self.plot, lambda: self.hovered.emit(None))
        self.restyle()

    def show_places(self, places: NDArray[np.int64], of_some: NDArray[np.int64], f: int, colour: QColor | None) -> None:
        """places : of all, 1 … f    of_some : those that have a colour of their own"""
        look, x = theme.current(), np.arange(1, f + 1)
        self.counts = np.bincount(places, minlength=f + 1)[1:]
        dim = QColor(look.muted)
        if colour is not None:
            dim.setAlpha(90)
        self.all.show_bars(x, self.counts, 0.86, [dim] * f)
        some = np.bincount(of_some, minlength=f + 1)[1:]
        self.some.show_bars(x, some if colour is not None else np.zeros(f), 0.86, [colour or dim] * f)
        self.even.setValue(len(places) / f if f else 0)
        top = 1.08 * max(float(self.counts.max(initial=1)), 2 * len(places) / max(f, 1))
        self.show_range(QRectF(0.3, 0, f + 0.4, top))

    def _moved(self, at: Any) -> None:
        box = self.plot.getViewBox()
        place = round(box.mapSceneToView(at).x()) if box.sceneBoundingRect().contains(at) else 0
        self.hovered.emit(place if 1 <= place <= len(self.counts) else None)

    def restyle(self) -> None:
        super().restyle()
        line = pen(theme.current().accent, 1.2)
        line.setStyle(DASHED)
        self.even.setPen(line)
