"""A widget of many small square pictures in groups under headers, painted from one block of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    qRgb,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from app import theme
from app.views.painting import font, in_colours
from app.views.still import Still, on_panel, stand_on_panel

GAP = 2  # pixels between tiles
SIZES = (256, 208, 168, 136, 113, 96, 80, 72, 64, 60, 56, 52, 48, 44, *range(40, 10, -1))  # of a tile
HEADER = 21
_BACKGROUND = 255  # of a sheet's colours, the last is what lies between tiles
_BAR = 112  # pixels of the colour bar and its numbers
_ARROWS: dict[int, tuple[int, int]] = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1),
}  # fmt: skip
_ZOOM: dict[int, int] = {Qt.Key.Key_Plus: 1, Qt.Key.Key_Equal: 1, Qt.Key.Key_Minus: -1, Qt.Key.Key_0: 0}
_SHIFT, _CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


@dataclass(frozen=True)
class TileGroup:
    """Tiles under one header, by their index."""

    title: str
    colour: QColor
    tiles: tuple[int, ...]
    lit: bool = False


def columns_of(width: int, size: int) -> int:
    return max(1, (width + GAP) // (size + GAP))


def height_of(counts: Iterable[int], width: int, size: int) -> int:
    """Of groups of so many tiles."""
    columns = columns_of(width, size)
    return sum(HEADER + -(-n // columns) * (size + GAP) + GAP for n in counts)


class TileWall(QWidget):
    """Shows tiles; says what is clicked, chosen and under the pointer. Selecting is the host's."""

    clicked = Signal(int)  # one tile alone
    chosen = Signal(object)  # several tiles, the first is the one on show
    group_clicked = Signal(int)  # place of the group
    hovered = Signal(object)  # index or None
    zoomed = Signal(int)  # +1, −1, 0: as large as fits
    reached = Signal(object)  # the place of a tile come to by key

    def __init__(self) -> None:
        super().__init__()
        self._groups: tuple[TileGroup, ...] = ()
        self._tiles: NDArray[np.uint8] = np.zeros((0, 1, 1), np.uint8)
        self._selected: tuple[int, ...] = ()
        self._limit = ""
        self._size = SIZES[-1]
        self._where: tuple[object, ...] = ()  # what the places follow from
        self._places: dict[int, QRect] = {}
        self._headers: list[QRect] = []
        self._sheets: list[_Sheet] = []
        self._stills: list[Still] = []  # of the headers
        self._table: list[int] = []
        self._anchor: int | None = None  # where a range begins
        self._under: int | None = None
        self._pressed: QPoint | None = None
        self._band: QRect | None = None
        self.setMouseTracking(True)
        stand_on_panel(self)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.restyle()

    def minimumSizeHint(self) -> QSize:
        return QSize(160, 120)

    def show_tiles(
        self, groups: Sequence[TileGroup], tiles: NDArray[np.uint8], selected: Sequence[int], limit: str, size: int
    ) -> None:
        """groups : who stands where      tiles : (n, side, side) uint8      selected : indices to frame

        limit : the value of 255, for the colour bar      size : of a tile
        """
        told = tuple(groups)
        where = size, self.width(), tuple(group.tiles for group in told)
        moved, other = where != self._where, tiles is not self._tiles
        self._limit, self._selected = limit, tuple(selected)
        self._groups, self._tiles, self._size = told, tiles, size
        if moved:
            self._arrange()
        if moved or other:
            self._paste()
        self.update()

    def restyle(self) -> None:
        """Take the theme's colours."""
        rgb = [qRgb(*row) for row in theme.colour_table().tolist()]
        self._table = [*rgb[:_BACKGROUND], QColor(theme.current().panel).rgb()]
        for sheet in self._sheets:
            sheet.image.setColorTable(self._table)
        self.update()

    def place_of(self, index: int) -> QPoint:
        """Centre of a tile in the widget's coordinates."""
        return self._places[index].center()

    def header_of(self, group: int) -> QRect:
        return self._headers[group]

    def index_at(self, at: QPoint) -> int | None:
        return next((i for i, place in self._places.items() if place.contains(at)), None)

    @property
    def _bar_room(self) -> int:
        """Pixels for the colour bar, in the first header."""
        return _BAR + 70 if self.width() > 460 else _BAR if self.width() > 2 * _BAR else 0

    def _group_at(self, at: QPoint) -> int | None:
        return next((i for i, place in enumerate(self._headers) if place.contains(at)), None)

    @property
    def shown(self) -> tuple[int, ...]:
        """Indices as they stand."""
        return tuple(self._places)

    # -- geometry ------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        """Where every header and tile goes; sheets are made anew for it."""
        self._sheets = []
        self._where = self._size, self.width(), tuple(group.tiles for group in self._groups)
        self._places, self._headers = {}, []
        size, y, step = self._size, 0, self._size + GAP
        columns = columns_of(self.width(), size)
        for group in self._groups:
            self._headers.append(QRect(0, y, self.width(), HEADER))
            y += HEADER
            for i, index in enumerate(group.tiles):
                row, column = divmod(i, columns)
                self._places[index] = QRect(column * step, y + row * step, size, size)
            y += -(-len(group.tiles) // columns) * step + GAP
        self._under = None

    def _paste(self) -> None:
        """The sheets to paint from, filled with the tiles; made anew where they are of another size."""
        ratio, side = max(1.0, self.devicePixelRatioF()), self._tiles.shape[1]
        if not self._sheets or (self._sheets[0].ratio, self._sheets[0].side) != (ratio, side):
            self._sheets = [self._sheet(group.tiles, ratio) for group in self._groups if group.tiles]
        for sheet in self._sheets:
            sheet.fill(self._tiles)

    def _sheet(self, indices: tuple[int, ...], ratio: float) -> _Sheet:
        """A group's tiles in one picture: to paint it costs a tenth of painting them one by one."""
        side, gap = self._tiles.shape[1], round(GAP * ratio)
        columns = min(columns_of(self.width(), self._size), len(indices))
        step, rows, width = side + gap, -(-len(indices) // columns), columns * (side + gap)
        block = np.full((rows * columns, step, step), _BACKGROUND, np.uint8)
        lines = np.full((rows * step, -(-width // 4) * 4), _BACKGROUND, np.uint8)  # lines end on four bytes
        image = QImage(lines.data, width, len(lines), lines.shape[1], QImage.Format.Format_Indexed8)
        image.setColorTable(self._table)
        sharp = ratio == round(ratio) and side == self._size * ratio
        if sharp:
            image.setDevicePixelRatio(ratio)
        places = [self._places[index] for index in indices]
        return _Sheet(image, lines, block, np.array(indices), places, columns, side, step, ratio, sharp)

    # -- painting ------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = on_panel(self, event)
        seen = event.rect()
        for sheet in self._sheets:
            sheet.paint(painter, seen)
        self._paint_headers(painter)
        if not self._groups:
            painter.setPen(QColor(theme.current().muted))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "Nothing matches.")
        self._frame(painter)
        if self._band is not None:
            wash = QColor(theme.current().accent)
            painter.setPen(QPen(wash, 1))
            wash.setAlpha(50)
            painter.setBrush(wash)
            painter.drawRect(self._band)

    def _paint_headers(self, painter: QPainter) -> None:
        while len(self._stills) < len(self._headers):
            self._stills.append(Still())
        for i, (place, group, still) in enumerate(zip(self._headers, self._groups, self._stills, strict=False)):
            key = theme.current().name, group.title, group.colour.rgba(), group.lit, i == 0 and self._limit
            painter.translate(place.topLeft())
            still.paint(painter, place.size(), key, partial(self._paint_header, i))
            painter.translate(-place.topLeft())

    def _paint_header(self, i: int, painter: QPainter) -> None:
        look, group, width = theme.current(), self._groups[i], self._headers[i].width()
        painter.setFont(font(12))
        metrics = painter.fontMetrics()
        painter.fillRect(QRect(0, 7, 9, 9), group.colour)
        painter.setPen(QColor(look.text if group.lit else look.muted))
        room = width - 18 - (self._bar_room if i == 0 else 0)
        text = metrics.elidedText(group.title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(QRect(16, 0, width, HEADER), Qt.AlignmentFlag.AlignVCenter, text)
        if group.lit:
            painter.setPen(QPen(group.colour, 2))
            painter.drawLine(16, HEADER - 2, 16 + metrics.horizontalAdvance(text), HEADER - 2)
        if i == 0 and self._bar_room:
            self._paint_colour_bar(painter, metrics)

    def _paint_colour_bar(self, painter: QPainter, metrics: QFontMetrics) -> None:
        """At the right end of the first header: what is painted, 0, the colours, the limit."""
        painter.setPen(QColor(theme.current().muted))
        width = metrics.horizontalAdvance(self._limit)
        x, line = self.width() - width - 2, QRect(0, 0, self.width(), HEADER)
        painter.drawText(QRect(x, line.y(), width + 2, HEADER), Qt.AlignmentFlag.AlignVCenter, self._limit)
        bar = QRect(x - 66, line.y() + 7, 60, 9)
        row = np.arange(256, dtype=np.uint8)[None].copy()
        image = QImage(row.data, _BACKGROUND, 1, 256, QImage.Format.Format_Indexed8)
        image.setColorTable(self._table)
        painter.drawImage(bar, image)
        zero = metrics.horizontalAdvance("0")
        painter.drawText(QRect(bar.x() - zero - 6, line.y(), zero + 2, HEADER), Qt.AlignmentFlag.AlignVCenter, "0")
        if self._bar_room > _BAR:
            name = QRect(0, line.y(), bar.x() - zero - 14, HEADER)
            painter.drawText(name, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, "activation")

    def _frame(self, painter: QPainter) -> None:
        """The first of the selected in full, the others thin, the one under the pointer thinner."""
        look = theme.current()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        frames = [(index, 1.5) for index in self._selected[1:]]
        if self._under is not None:
            frames.append((self._under, 1.0))
        frames += [(index, 3.0) for index in self._selected[:1]]
        for index, width in frames:
            if index in self._places:
                place = self._places[index]
                painter.setPen(QPen(QColor(look.window), width + 2))
                painter.drawRect(place.adjusted(-1, -1, 0, 0))
                painter.setPen(QPen(QColor(look.text), width))
                painter.drawRect(place.adjusted(-1, -1, 0, 0))

    # -- events --------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        if event.size().width() != event.oldSize().width():
            self._arrange()
            self._paste()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        at = event.position().toPoint()
        self._pressed = at
        index, group = self.index_at(at), self._group_at(at)
        if index is not None:
            self._pick(index, event.modifiers())
        elif group is not None:
            self.group_clicked.emit(group)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The second press of two is no click of its own."""

    def _pick(self, index: int, keys: Qt.KeyboardModifier) -> None:
        if keys & _SHIFT:
            self._reach(index)
            return
        self._anchor = index
        if not keys & _CTRL:
            self.clicked.emit(index)
        elif index in self._selected:
            self.chosen.emit(tuple(i for i in self._selected if i != index))
        else:
            self.chosen.emit((*self._selected, index))

    def _reach(self, index: int) -> None:
        """Everything from the anchor to a tile, beside what is selected."""
        order = self.shown
        anchor = self._anchor if self._anchor in self._places else self._selected[0] if self._selected else index
        if anchor not in self._places:
            anchor = index
        first, last = sorted((order.index(anchor), order.index(index)))
        between = order[first : last + 1]
        if order.index(anchor) != first:
            between = between[::-1]
        self._anchor = anchor
        self._choose(between, add=True)

    def _choose(self, indices: Iterable[int], add: bool) -> None:
        """In the order given, once each."""
        self.chosen.emit(tuple(dict.fromkeys([*(self._selected if add else ()), *indices])))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position().toPoint()
        if self._pressed is not None and event.buttons() & Qt.MouseButton.LeftButton:
            far = (at - self._pressed).manhattanLength() >= max(8, QApplication.startDragDistance())
            if far or self._band is not None:
                self._band = QRect(self._pressed, at).normalized()
                self.update()
                return
        index = self.index_at(at)
        on_header = index is None and self._group_at(at) is not None
        self.setCursor(Qt.CursorShape.PointingHandCursor if on_header else Qt.CursorShape.ArrowCursor)
        if index != self._under:
            for one in (index, self._under):
                if one in self._places:
                    self.update(self._places[one].adjusted(-4, -4, 4, 4))
            self._under = index
        self.hovered.emit(index)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        band, self._band, self._pressed = self._band, None, None
        if band is not None:
            caught = [index for index, place in self._places.items() if place.intersects(band)]
            self._choose(caught, add=bool(event.modifiers() & (_CTRL | _SHIFT)))
            self.update()

    def leaveEvent(self, event: object) -> None:
        self._under = None
        self.update()
        self.hovered.emit(None)

    def event(self, event: QEvent) -> bool:
        """The wall's keys are its own while it has the focus, before the window's shortcuts."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._is_own(event):
            event.accept()
            return True
        return super().event(event)

    @staticmethod
    def _is_own(event: QKeyEvent) -> bool:
        if event.modifiers() & _CTRL:
            return event.key() == Qt.Key.Key_A
        return event.key() in _ARROWS or event.key() in _ZOOM

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows walk, with Shift they extend; + − 0 zoom; Ctrl+A takes the group."""
        key = event.key()
        if key == Qt.Key.Key_A and event.modifiers() & _CTRL:
            self._choose_group()
        elif key in _ZOOM and not event.modifiers() & _CTRL:
            self.zoomed.emit(_ZOOM[key])
        elif key in _ARROWS and self._places:
            self._walk(_ARROWS[key], bool(event.modifiers() & _SHIFT))
        else:
            super().keyPressEvent(event)

    def _choose_group(self) -> None:
        """The whole group of the neuron on show; without one, everything."""
        first = self._selected[0] if self._selected else None
        tiles = next((group.tiles for group in self._groups if first in group.tiles), self.shown)
        self._choose(tiles, add=first in tiles)

    def _walk(self, move: tuple[int, int], extend: bool) -> None:
        here = self._selected[-1 if extend else 0] if self._selected else None
        there = next(iter(self._places)) if here not in self._places else self._neighbour(here, move)
        if there is None:
            return
        if extend:
            self._choose((there,), add=True)
        else:
            self._anchor = there
            self.clicked.emit(there)
        self.reached.emit(self._places[there])

    def _neighbour(self, index: int | None, move: tuple[int, int]) -> int | None:
        """The next tile that way; over a header the nearest in the next row."""
        assert index is not None
        order = self.shown
        if move[1] == 0:
            at = order.index(index) + move[0]
            return order[at] if 0 <= at < len(order) else None
        place = self._places[index]
        beyond = [(i, other) for i, other in self._places.items() if (other.y() - place.y()) * move[1] > 0]
        if not beyond:
            return None
        row = min((other.y() for _, other in beyond), key=lambda y: abs(y - place.y()))
        return min((x for x in beyond if x[1].y() == row), key=lambda x: abs(x[1].x() - place.x()))[0]


@dataclass(frozen=True)
class _Sheet:
    """A group's tiles in one picture.

    lines : its bytes, which must outlive it      block : (n + those that fill the last row, step, step), tile by tile
    indices : (n,) of its tiles     side, step : of a tile in it, and from tile to tile
    ratio : pixels of the screen for one of the layout     sharp : a pixel of it is a pixel of the screen
    """

    image: QImage
    lines: NDArray[np.uint8]
    block: NDArray[np.uint8]
    indices: NDArray[np.int64]
    places: list[QRect]
    columns: int
    side: int
    step: int
    ratio: float
    sharp: bool

    def fill(self, tiles: NDArray[np.uint8]) -> None:
        """tiles : (all of them, side, side)"""
        step, columns, side = self.step, self.columns, self.side
        np.minimum(tiles[self.indices], _BACKGROUND - 1, out=self.block[: len(self.indices), :side, :side])
        grid = self.block.reshape(-1, columns, step, step).swapaxes(1, 2)
        self.lines[:, : columns * step].reshape(-1, step, columns, step)[...] = grid

    def paint(self, painter: QPainter, seen: QRect) -> None:
        if self.sharp:
            painter.drawImage(self.places[0].topLeft(), in_colours(self.image))
            return
        for i, place in enumerate(self.places):
            if place.intersects(seen):
                row, column = divmod(i, self.columns)
                source = QRect(column * self.step, row * self.step, self.side, self.side)
                painter.drawImage(place, self.image, source)
