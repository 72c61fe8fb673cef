"""A widget of many small square pictures in groups under headers, painted from one block of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, qRgb
from PySide6.QtWidgets import QSizePolicy, QWidget

from app import theme

GAP = 2  # pixels between tiles
SIZES = (64, 56, 48, 40, 36, 32, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10)  # of a tile, the largest that fits is taken
HEADER = 20
_ATLAS_COLUMNS = 32
_ARROWS: dict[int, tuple[int, int]] = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1),
}  # fmt: skip


@dataclass(frozen=True)
class TileGroup:
    """Tiles under one header, by their index."""

    title: str
    colour: QColor
    tiles: tuple[int, ...]
    lit: bool = False


class TileWall(QWidget):
    """Shows tiles; says which is clicked and which is under the pointer."""

    clicked = Signal(int)
    hovered = Signal(object)  # index or None

    def __init__(self) -> None:
        super().__init__()
        self._groups: tuple[TileGroup, ...] = ()
        self._tiles: NDArray[np.uint8] = np.zeros((0, 1, 1), np.uint8)
        self._selected: tuple[int, ...] = ()
        self._places: dict[int, QRect] = {}
        self._headers: list[tuple[QRect, TileGroup]] = []
        self._table: list[int] = []
        self._limit = ""
        self._atlas = QImage()
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def minimumSizeHint(self) -> QSize:
        return QSize(160, 120)

    def tile_size(self, counts: Sequence[int]) -> int:
        """The largest tile, in logical pixels, with which groups of these sizes fit the widget."""
        for size in SIZES:
            if self._height_for(counts, size) <= self.height():
                return size
        return SIZES[-1]

    def show_tiles(
        self, groups: Sequence[TileGroup], tiles: NDArray[np.uint8], selected: Sequence[int], limit: str
    ) -> None:
        """groups : who stands where      tiles : (n, side, side) uint8      selected : indices to frame

        limit : the value of 255, for the colour bar
        """
        self._limit = limit
        self._groups, self._tiles, self._selected = tuple(groups), tiles, tuple(selected)
        self._table = [qRgb(*(int(v) for v in row)) for row in theme.colour_table()]
        self._atlas = self._one_image(tiles)
        self._arrange()
        self.update()

    def _one_image(self, tiles: NDArray[np.uint8]) -> QImage:
        """All tiles in one picture with one colour table: a table for each tile costs more than painting it."""
        n, side = len(tiles), tiles.shape[1]
        rows = -(-n // _ATLAS_COLUMNS)
        width = -(-_ATLAS_COLUMNS * side // 4) * 4  # lines of an image are padded to four bytes
        block = np.zeros((rows * _ATLAS_COLUMNS, side, side), np.uint8)
        block[:n] = tiles
        self._bytes = np.zeros((rows * side, width), np.uint8)  # must outlive the image, which does not copy it
        grid = block.reshape(rows, _ATLAS_COLUMNS, side, side).swapaxes(1, 2)
        self._bytes[:, : _ATLAS_COLUMNS * side] = grid.reshape(rows * side, _ATLAS_COLUMNS * side)
        image = QImage(self._bytes.data, width, rows * side, width, QImage.Format.Format_Indexed8)
        image.setColorTable(self._table)
        return image

    def place_of(self, index: int) -> QPoint:
        """Centre of a tile in the widget's coordinates."""
        return self._places[index].center()

    def index_at(self, at: QPoint) -> int | None:
        return next((i for i, place in self._places.items() if place.contains(at)), None)

    # -- geometry ------------------------------------------------------------------------------------------

    def _columns(self, size: int) -> int:
        return max(1, (self.width() + GAP) // (size + GAP))

    def _height_for(self, counts: Sequence[int], size: int) -> int:
        rows = [-(-n // self._columns(size)) for n in counts]
        return sum(HEADER + r * (size + GAP) + GAP for r in rows)

    def _arrange(self) -> None:
        """Where every header and tile goes."""
        self._places, self._headers = {}, []
        size = self.tile_size([len(group.tiles) for group in self._groups])
        columns, y = self._columns(size), 0
        for group in self._groups:
            self._headers.append((QRect(0, y, self.width(), HEADER), group))
            y += HEADER
            for i, index in enumerate(group.tiles):
                row, column = divmod(i, columns)
                self._places[index] = QRect(column * (size + GAP), y + row * (size + GAP), size, size)
            y += -(-len(group.tiles) // columns) * (size + GAP) + GAP

    # -- painting ------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        look = theme.current()
        metrics = QFontMetrics(self.font())
        for place, group in self._headers:
            painter.fillRect(QRect(place.x(), place.y() + 5, 10, 10), group.colour)
            painter.setPen(QColor(look.text if group.lit else look.muted))
            text = metrics.elidedText(group.title, Qt.TextElideMode.ElideRight, place.width() - 20)
            painter.drawText(place.adjusted(16, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)
            if group.lit:
                painter.setPen(QPen(group.colour, 2))
                painter.drawLine(
                    place.x(), place.bottom(), place.x() + 16 + metrics.horizontalAdvance(text), place.bottom()
                )
        side = self._tiles.shape[1]
        for index, place in self._places.items():
            if index < len(self._tiles):
                row, column = divmod(index, _ATLAS_COLUMNS)
                painter.drawImage(place, self._atlas, QRect(column * side, row * side, side, side))
        self._frame_selected(painter)
        if self._headers:
            self._paint_colour_bar(painter, metrics)

    def _paint_colour_bar(self, painter: QPainter, metrics: QFontMetrics) -> None:
        """At the right end of the first header: 0, the colours, the limit."""
        painter.setPen(QColor(theme.current().muted))
        width = metrics.horizontalAdvance(self._limit)
        x = self.width() - width - 2
        painter.drawText(x, 15, self._limit)
        bar = QRect(x - 70, 6, 64, 9)
        row = np.arange(256, dtype=np.uint8)[None].copy()
        image = QImage(row.data, 256, 1, 256, QImage.Format.Format_Indexed8)
        image.setColorTable(self._table)
        painter.drawImage(bar, image)
        painter.drawText(bar.x() - metrics.horizontalAdvance("0") - 6, 15, "0")

    def _frame_selected(self, painter: QPainter) -> None:
        look = theme.current()
        for i, index in enumerate(self._selected):
            if index in self._places:
                place = self._places[index]
                painter.setPen(QPen(QColor(look.window), 4))
                painter.drawRect(place.adjusted(-1, -1, 1, 1))
                painter.setPen(QPen(QColor(look.text if i == 0 else look.muted), 2))
                painter.drawRect(place.adjusted(-1, -1, 1, 1))

    # -- events --------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.index_at(event.position().toPoint())
        if index is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(index)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self.hovered.emit(self.index_at(event.position().toPoint()))

    def leaveEvent(self, event: object) -> None:
        self.hovered.emit(None)

    def event(self, event: QEvent) -> bool:
        """The arrow keys are the wall's own while it has the focus, before the window's shortcuts."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in _ARROWS:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrow keys walk from tile to tile."""
        move = _ARROWS.get(event.key())
        if move is None or not self._places:
            super().keyPressEvent(event)
            return
        if not self._selected or self._selected[0] not in self._places:
            self.clicked.emit(next(iter(self._places)))
            return
        place = self._places[self._selected[0]]
        step = place.width() + GAP
        for distance in range(1, 4):  # over a header
            at = place.center() + QPoint(move[0] * step, move[1] * (step if distance == 1 else step + 12 * distance))
            if (index := self.index_at(at)) is not None:
                self.clicked.emit(index)
                return
