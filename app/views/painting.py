"""Many marks at once, and texts, for views that paint themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, TypeVar, cast

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPaintEngine, QPainter, QPen, QPixmap
from shiboken6 import wrapInstance

from app import theme
from app.screen import pixel_ratio

Floats = NDArray[np.float64]
Kind = TypeVar("Kind")
DrawAt = Callable[[QPainter, QPointF], None]
_STEP = 0.05  # pixels, of a disc's radius


@dataclass(frozen=True)
class Stamps:
    """Kinds of marks.  key : what they depend on     reach : pixels from the middle to the edges, across and down"""

    key: Hashable
    reach: tuple[float, float]
    draws: tuple[DrawAt, ...] = field(compare=False)


@cache
def font(pixels: int, bold: bool = False) -> QFont:
    """The program's typeface in a size of its own."""
    made = QFont(theme.FONT)
    made.setPixelSize(pixels)
    made.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    return made


@lru_cache(maxsize=4096)
def text_width(text: str, pixels: int, bold: bool = False) -> float:
    """Pixels a text takes."""
    return QFontMetricsF(font(pixels, bold)).horizontalAdvance(text)


def pen(colour: str | QColor, width: float = 1.0) -> QPen:
    """width : in pixels of the layout, also where the screen has more of its own"""
    made: QPen = pg.mkPen(colour, width=width * pixel_ratio())
    return made


def backed_text(painter: QPainter, box: QRectF, text: str, colour: QColor) -> None:
    """Text that reads on anything: the panel stands behind it."""
    behind = QColor(theme.current().panel)
    behind.setAlphaF(0.82)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(behind)
    painter.drawRoundedRect(box, 3, 3)
    painter.setPen(colour)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def draw_lines(painter: QPainter, ends: Floats) -> None:
    """With the painter's pen.  (n, 4) x1, y1, x2, y2"""
    if len(ends):
        kept = np.ascontiguousarray(ends, np.float64)
        painter.drawLines(_first(kept, QLineF), len(kept))


def draw_polyline(painter: QPainter, points: Floats) -> None:
    """With the painter's pen.  (n, 2) x, y"""
    if len(points):
        painter.drawPolyline(pg.functions.arrayToQPolygonF(points[:, 0], points[:, 1]))


def draw_pixel_boxes(painter: QPainter, boxes: NDArray[np.int32]) -> None:
    """With the painter's brush and no pen, aligned to pixels: a third of the time.  (n, 4) left, top, right, bottom"""
    if len(boxes):
        painter.drawRects(_first(boxes, QRect), len(boxes))


def draw_boxes(painter: QPainter, boxes: Floats) -> None:
    """With the painter's pen and brush.  (n, 4) x, y, width, height"""
    if len(boxes):
        kept = np.ascontiguousarray(boxes, np.float64)
        painter.drawRects(_first(kept, QRectF), len(kept))


def draw_discs(
    painter: QPainter, spots: Floats, radius: float, colours: tuple[int, ...], which: NDArray[np.integer[Any]]
) -> None:
    """Discs without an outline, the last on top.

    spots : (n, 2) pixels     colours : as `QColor.rgba` numbers     which : (n,) indices into colours
    """
    if not len(spots):
        return
    engine = painter.paintEngine()
    if engine is None or engine.type() != QPaintEngine.Type.Raster:  # a page keeps them as shapes
        painter.setPen(Qt.PenStyle.NoPen)
        for (x, y), colour in zip(spots.tolist(), which.tolist(), strict=True):
            painter.setBrush(QColor.fromRgba(colours[colour]))
            painter.drawEllipse(QPointF(x, y), radius, radius)
        return
    fine = max(1.0, math.ceil(4 * painter.deviceTransform().m11()) / 4)
    sheet, side = _discs(colours, round(radius / _STEP) * _STEP, fine)
    fragments = np.zeros((len(spots), 10))  # x, y, left, top, width, height, scales, rotation, opacity
    fragments[:, :2] = spots
    fragments[:, 2] = side * which
    fragments[:, 4:6] = side
    fragments[:, 6:8] = 1 / fine
    fragments[:, 9] = 1
    _draw_fragments(painter, fragments, sheet)


@lru_cache(maxsize=32)
def _discs(colours: tuple[int, ...], radius: float, fine: float) -> tuple[QPixmap, int]:
    """One disc of each colour, side by side, and the pixels from one to the next."""
    side = 2 * math.ceil(radius * fine + 1.5)
    sheet = QPixmap(side * len(colours), side)
    sheet.fill(Qt.GlobalColor.transparent)
    painter = QPainter(sheet)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    for place, colour in enumerate(colours):
        painter.setBrush(QColor.fromRgba(colour))
        painter.drawEllipse(QPointF(side * (place + 0.5), side / 2), radius * fine, radius * fine)
    painter.end()
    return sheet, side


def draw_stamps(painter: QPainter, spots: Floats, which: Sequence[int], stamps: Stamps) -> None:
    """Marks or names that come back again and again, each around its spot, the last on top.

    spots : (n, 2) pixels     which : n places in `stamps.draws`
    """
    if not len(spots):
        return
    engine = painter.paintEngine()
    if engine is None or engine.type() != QPaintEngine.Type.Raster:  # a page keeps them as shapes
        for (x, y), kind in zip(spots.tolist(), which, strict=True):
            stamps.draws[kind](painter, QPointF(x, y))
        return
    fine = max(1.0, math.ceil(4 * painter.deviceTransform().m11()) / 4)
    sheet, width, height = _sheet(stamps, fine)
    fragments = np.zeros((len(spots), 10))
    fragments[:, :2] = spots
    fragments[:, 2] = width * np.asarray(which)
    fragments[:, 4:6] = width, height
    fragments[:, 6:8] = 1 / fine
    fragments[:, 9] = 1
    _draw_fragments(painter, fragments, sheet)


def _draw_fragments(painter: QPainter, fragments: Floats, sheet: QPixmap) -> None:
    """fragments : (n, 10) x, y, left, top, width, height, two scales, rotation, opacity"""
    smooth = QPainter.RenderHint.SmoothPixmapTransform
    painter.setRenderHint(smooth, True)
    painter.drawPixmapFragments(_first(fragments, QPainter.PixmapFragment), len(fragments), sheet)
    painter.setRenderHint(smooth, False)


@lru_cache(maxsize=32)
def _sheet(stamps: Stamps, fine: float) -> tuple[QPixmap, int, int]:
    """One stamp of each kind, side by side, and the pixels of one."""
    width, height = (2 * math.ceil(reach * fine + 1) for reach in stamps.reach)
    sheet = QPixmap(width * len(stamps.draws), height)
    sheet.fill(Qt.GlobalColor.transparent)
    painter = QPainter(sheet)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for place, draw in enumerate(stamps.draws):
        painter.resetTransform()
        painter.translate(width * (place + 0.5), height / 2)
        painter.scale(fine, fine)
        draw(painter, QPointF(0, 0))
    painter.end()
    return sheet, width, height


def _first(rows: NDArray[Any], kind: type[Kind]) -> Kind:
    """The first of an array's rows as Qt's own kind, which Qt reads on from: no object a mark."""
    return cast("Kind", wrapInstance(_address(rows), kind))


def _address(rows: Any) -> int:
    """Of an array's first byte; `ctypes.data` takes twice as long."""
    return int(rows.__array_interface__["data"][0])


def is_on_screen(painter: QPainter) -> bool:
    """Whether it makes pixels as large as the layout's: neither a page nor a picture larger than the screen's."""
    engine = painter.paintEngine()
    return engine is not None and engine.type() == QPaintEngine.Type.Raster and painter.deviceTransform().m11() == 1


def in_colours(image: QImage, opaque: bool = True) -> QImage:
    """An indexed image in the colours of its table, which Qt paints ten times as fast."""
    made = image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
    if opaque:
        made.reinterpretAsFormat(QImage.Format.Format_RGB32)
    return made


def paler(colour: QColor) -> QColor:
    """The colour of a second bar: mixed with the panel's, as if translucent, which takes twenty times as long."""
    share, panel = 0.55, QColor(theme.current().panel)
    parts = ((colour.redF(), panel.redF()), (colour.greenF(), panel.greenF()), (colour.blueF(), panel.blueF()))
    return QColor.fromRgbF(*(share * own + (1 - share) * behind for own, behind in parts))
