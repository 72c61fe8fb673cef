"""What moves with the checkpoint in plots: bars, their names, a chosen column, a line through points, a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QTransform

from app import theme
from app.views.live_plot import Lifted
from app.views.painting import (
    draw_boxes,
    draw_pixel_boxes,
    draw_polyline,
    font,
    in_colours,
    is_on_screen,
    pen,
    text_width,
)

_FAR = 1e6  # pixels


class Bars(Lifted):
    """Bars in colours of their own, painted directly, those of one colour in one call."""

    def __init__(self) -> None:
        super().__init__()
        self._boxes = np.zeros((0, 4))  # x, y, width, height, those of one colour together
        self._coloured: Sequence[QColor] = ()
        self._order = np.zeros(0, np.int64)  # of the bars, so that those of one colour stand together
        self._sets: list[tuple[QColor, slice]] = []  # each colour, and where its bars are
        self._area = QRectF()
        self.x, self.height = np.zeros(0), np.zeros(0)

    def show_bars(
        self, x: ArrayLike, height: ArrayLike, width: float, colours: Sequence[QColor], base: float = 0.0
    ) -> None:
        """x : (n,) middles    height : (n,), where they end    base : where they begin

        colours : n; the same sequence again costs least
        """
        self.x, self.height = np.asarray(x, np.float64), np.asarray(height, np.float64)
        if colours is not self._coloured or len(colours) != len(self._order):
            self._coloured = colours
            self._order, self._sets = _by_colour(colours)
        boxes = np.empty((len(self.x), 4))
        boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3] = self.x - width / 2, base, width, self.height - base
        self._boxes = boxes[self._order]
        if self._plot is None:
            self._measure(width, base)
        self.update()

    def _measure(self, width: float, base: float) -> None:
        """What the scene must know of it."""
        area = QRectF()
        if len(self.x):
            low, high = min(base, float(self.height.min())), max(base, float(self.height.max()))
            area = QRectF(float(self.x.min()) - width / 2, low, float(np.ptp(self.x)) + width, high - low)
        if area != self._area:
            self.prepareGeometryChange()
            self._area = area

    @property
    def colours(self) -> list[QColor]:
        """Of the bars, each once."""
        return [colour for colour, _ in self._sets]

    def paint_over(self, painter: QPainter, to_pixels: QTransform) -> None:
        if not is_on_screen(painter):
            super().paint_over(painter, to_pixels)
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(Qt.PenStyle.NoPen)
        boxes = _in_pixels(self._boxes, to_pixels)
        for colour, where in self._sets:
            painter.setBrush(colour)
            draw_pixel_boxes(painter, boxes[where])

    def paint(self, painter: QPainter, *_: Any) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(Qt.PenStyle.NoPen)
        for colour, where in self._sets:
            painter.setBrush(colour)
            draw_boxes(painter, self._boxes[where])

    def boundingRect(self) -> QRectF:
        return self._area


def _in_pixels(boxes: NDArray[np.float64], to_pixels: QTransform) -> NDArray[np.int32]:
    """From x, y, width, height of the axes to left, top, right, bottom in pixels; nothing of what is not finite.

    (n, 4) -> (n, 4)
    """
    scale, shift = (to_pixels.m11(), to_pixels.m22()), (to_pixels.dx(), to_pixels.dy())
    ends = np.empty((len(boxes), 2, 2))  # which end; x, y
    ends[:, 0] = boxes[:, :2] * scale + shift
    ends[:, 1] = ends[:, 0] + boxes[:, 2:] * scale
    ends[~np.isfinite(ends).all(axis=(1, 2))] = 0
    whole = np.rint(np.clip(ends, -_FAR, _FAR)).astype(np.int32)
    made = np.empty((len(boxes), 4), np.int32)
    np.minimum(whole[:, 0], whole[:, 1], out=made[:, :2])
    np.maximum(whole[:, 0], whole[:, 1], out=made[:, 2:])
    made[:, 2:] -= 1  # Qt's right and bottom are the last pixels
    return made


def _by_colour(colours: Sequence[QColor]) -> tuple[NDArray[np.int64], list[tuple[QColor, slice]]]:
    """The bars' places, those of one colour together; each colour and where it stands among them."""
    found: dict[int, list[int]] = {}
    for i, colour in enumerate(colours):
        found.setdefault(colour.rgba(), []).append(i)
    order = [i for members in found.values() for i in members]
    ends = np.cumsum([0, *map(len, found.values())]).tolist()
    sets = [(colours[m[0]], slice(a, b)) for m, a, b in zip(found.values(), ends, ends[1:], strict=False)]
    return np.array(order, np.int64), sets


class ChosenColumn(Lifted):
    """The selected frequency's place: a wash over the whole height. Lifted before the bars, which stand on it."""

    def __init__(self) -> None:
        super().__init__()
        self.k: int | None = None
        self.setVisible(False)

    def show_column(self, k: int | None) -> None:
        """k : from half a unit before to half a unit after; None: there is none"""
        if k != self.k:
            self.k = k
            self.setVisible(k is not None)
            self.update()

    def paint_over(self, painter: QPainter, to_pixels: QTransform) -> None:
        assert self._plot is not None
        assert self.k is not None
        frame, edge = self._plot.placed()[0], QColor(theme.current().accent)
        left, right = (to_pixels.map(QPointF(self.k + half, 0)).x() for half in (-0.5, 0.5))
        wash = QColor(edge)
        wash.setAlpha(50)
        painter.fillRect(QRectF(left, frame.top(), right - left, frame.height()), wash)
        painter.setPen(pen(edge))
        painter.drawLines([QLineF(x, frame.top(), x, frame.bottom() + 1) for x in (left, right)])


@dataclass(frozen=True)
class BarName:
    """x, y : of the axes, where its lower edge stands    lean : of its width, how far its middle is left of x"""

    x: float
    y: float
    text: str
    colour: QColor
    lean: float = 0.0


class BarNames(Lifted):
    """Numbers over bars."""

    _PIXELS, _GAP = 12, 4  # of the letters; between them and what they name

    def __init__(self) -> None:
        super().__init__()
        self.names: tuple[BarName, ...] = ()

    def show_names(self, names: Sequence[BarName]) -> None:
        self.names = tuple(names)
        self.update()

    def paint_over(self, painter: QPainter, to_pixels: QTransform) -> None:
        painter.setFont(font(self._PIXELS))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for name in self.names:
            at = to_pixels.map(QPointF(name.x, name.y))
            width = text_width(name.text, self._PIXELS)
            painter.setPen(name.colour)
            painter.drawText(QPointF(at.x() - width * (0.5 + name.lean), at.y() - self._GAP), name.text)


class Trace(Lifted):
    """A line through points."""

    def __init__(self) -> None:
        super().__init__()
        self._points = np.zeros((0, 2))
        self._pen = QPen()

    def show_points(self, x: ArrayLike, y: ArrayLike, line: QPen) -> None:
        """x, y : (n,)"""
        self._points = np.stack([np.asarray(x, np.float64), np.asarray(y, np.float64)], axis=1)
        self._pen = line
        self.update()

    @property
    def points(self) -> NDArray[np.float64]:
        """(n, 2) x and y"""
        return self._points

    def paint(self, painter: QPainter, *_: Any) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._pen)
        draw_polyline(painter, self._points)


class Cells(Lifted):
    """A matrix of colours, row 0 where y is 0.  fine : entries across a unit of the axes; whole numbers are middles"""

    def __init__(self, fine: int = 1) -> None:
        super().__init__()
        self._fine = fine
        self._block, self._table = np.zeros((0, 0), np.uint8), np.zeros((256, 3), np.uint8)
        self._shown = QImage()

    def show_cells(self, block: NDArray[np.uint8], table: NDArray[np.uint8]) -> None:
        """block : (n, m)     table : (256, 3) colours, or (256, 4) where some let through what is beneath"""
        n, m = block.shape
        self._block, self._table = block, table
        lines = np.zeros((n, -(-m // 4) * 4), np.uint8)  # lines of an image end on four bytes
        lines[:, :m] = block
        indexed = QImage(lines.data, m, n, lines.shape[1], QImage.Format.Format_Indexed8)
        indexed.setColorTable(_colours(table))
        self._shown = in_colours(indexed, opaque=table.shape[1] == 3)
        self.update()

    @property
    def table(self) -> NDArray[np.uint8]:
        """The colours of the rows."""
        return self._table

    @property
    def image(self) -> NDArray[np.uint8]:
        """(n, m) rows of the table"""
        return self._block

    def paint(self, painter: QPainter, *_: Any) -> None:
        if self._block.size:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            n, m = self._block.shape
            painter.drawImage(QRectF(-0.5, -0.5, m / self._fine, n / self._fine), self._shown)


_tables: dict[bytes, list[int]] = {}


def _colours(table: NDArray[np.uint8]) -> list[int]:
    """As Qt wants them; kept, there are few."""
    key = table.tobytes()
    if key not in _tables:
        rgb = table.astype(np.uint32)
        opaque = np.uint32(255) if table.shape[1] == 3 else rgb[:, 3]
        _tables[key] = (opaque << 24 | rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2]).tolist()
    return _tables[key]
