"""A layer's heads as small pictures beside each other, each under its name, frequency and share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    qRgb,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app import theme
from app.views.painting import font, text_width
from app.views.still import on_panel, stand_on_panel

GAP, CAPTION = 10, 17  # pixels
_TYPE = 12
_LEAST = 36  # pixels of a tile's side
_NEARLY = 0.88
_ARROWS: dict[int, tuple[int, int]] = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Tile:
    """values : (n, n) uint8, row 0 on top    k : the head's frequency, 0 none    said : after it, where there is room
    cell : (row, column) of the selected pair, or None
    """

    values: NDArray[np.uint8]
    k: int
    colour: QColor
    said: str
    cell: tuple[int, int] | None


class HeadTiles(QWidget):
    """Says what is clicked and under the pointer; selecting is the host's. Arrows walk from head to head."""

    head_clicked = Signal(int)
    frequency_clicked = Signal(int)
    hovered = Signal(object)  # (head, row, column) or None

    def __init__(self) -> None:
        super().__init__()
        self._tiles: tuple[Tile, ...] = ()
        self._shown = 0
        self._table: NDArray[np.uint8] = theme.colour_table()
        self._colours: list[int] = []  # the same for an image
        self._pixmaps: dict[int, tuple[tuple[object, ...], QPixmap]] = {}
        self.setMouseTracking(True)
        stand_on_panel(self)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Heads of the layer")

    def minimumSizeHint(self) -> QSize:
        return QSize(80, 60)

    def show_tiles(self, tiles: Sequence[Tile], shown: int, table: NDArray[np.uint8]) -> None:
        """shown : index of the head that the view is of    table : (256, 3) colours"""
        if table is not self._table or not self._colours:
            self._table, self._colours = table, [qRgb(*row) for row in table.tolist()]
        self._tiles, self._shown = tuple(tiles), shown
        said = (f"head {i}" + (f", k {tile.k}, {tile.said}" if tile.k else "") for i, tile in enumerate(tiles))
        self.setAccessibleDescription("; ".join(said))
        self.update()

    # -- geometry ------------------------------------------------------------------------------------------

    @property
    def side(self) -> int:
        """Of a tile, pixels."""
        return self.grid(self.size(), len(self._tiles))[1]

    @staticmethod
    def grid(room: QSize, n: int) -> tuple[int, int]:
        """Columns, and the side with which n tiles fit: the largest, or nearly so in fewer columns."""

        n = max(1, n)

        def side(columns: int) -> int:
            rows = -(-n // columns)
            wide = (room.width() + GAP) // columns - GAP
            return min(wide, (room.height() + GAP - 4) // rows - GAP - CAPTION)

        most = max(side(columns) for columns in range(1, n + 1))
        columns = next(columns for columns in range(1, n + 1) if side(columns) >= _NEARLY * most)
        return columns, max(_LEAST, side(columns))

    @staticmethod
    def needed(n: int, columns: int, side: int) -> QSize:
        """The room of n tiles of a side."""
        rows = -(-n // columns)
        return QSize(columns * (side + GAP) - GAP, rows * (side + GAP + CAPTION) - GAP + 4)

    def place_of(self, head: int) -> QRect:
        """The picture of a head."""
        columns, side = self.grid(self.size(), len(self._tiles))
        row, column = divmod(head, columns)
        spare = max(0, self.width() - self.needed(len(self._tiles), columns, side).width()) // 2
        return QRect(spare + column * (side + GAP), CAPTION + row * (side + GAP + CAPTION), side, side)

    def frequency_place(self, head: int) -> QRect:
        """Where its k stands; empty where it has none."""
        place, tile = self.place_of(head), self._tiles[head]
        if not tile.k:
            return QRect()
        x = round(text_width(self._name(head) + "  ", _TYPE, True))
        return QRect(place.x() + x, place.y() - CAPTION, round(text_width(f"k {tile.k}", _TYPE, True)) + 4, CAPTION)

    def _name(self, head: int) -> str:
        return f"head {head}" if self.side >= 96 else str(head)

    def head_at(self, at: QPointF) -> int | None:
        """Under a point, its caption included."""
        heads = range(len(self._tiles))
        return next((h for h in heads if self.place_of(h).adjusted(0, -CAPTION, 0, 0).contains(at.toPoint())), None)

    def _cell_at(self, at: QPointF) -> tuple[int, int, int] | None:
        head = self.head_at(at)
        if head is None:
            return None
        place, (rows, columns) = self.place_of(head), self._tiles[head].values.shape
        row = int((at.y() - place.y()) / place.height() * rows)
        column = int((at.x() - place.x()) / place.width() * columns)
        return (head, row, column) if 0 <= row < rows and 0 <= column < columns and at.y() >= place.y() else None

    # -- painting ------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = on_panel(self, event)
        for head, tile in enumerate(self._tiles):
            place = self.place_of(head)
            painter.drawPixmap(place.topLeft(), self._picture(head, tile, place.width()))
            self._paint_cell(painter, tile, place)
            self._paint_caption(painter, head, tile, place)
            if head == self._shown:
                look = theme.current()
                painter.setPen(QPen(QColor(look.accent if self.hasFocus() else look.text), 2))
                painter.drawRect(place.adjusted(-2, -2, 1, 1))

    def _picture(self, head: int, tile: Tile, side: int) -> QPixmap:
        """The tile as it is painted, averaged over the cells that a pixel covers; kept while it is the same."""
        ratio = self.devicePixelRatioF()
        key = (tile.values, side, ratio, self._table)
        held = self._pixmaps.get(head)
        if held is not None and held[0][0] is tile.values and held[0][3] is self._table and held[0][1:3] == key[1:3]:
            return held[1]
        rows, columns = tile.values.shape
        lines = np.zeros((rows, -(-columns // 4) * 4), np.uint8)  # lines of an image end on four bytes
        lines[:, :columns] = tile.values
        image = QImage(lines.data, columns, rows, lines.shape[1], QImage.Format.Format_Indexed8)
        image.setColorTable(self._colours)
        pixels = round(side * ratio)
        smooth = pixels < columns
        made = image.convertToFormat(QImage.Format.Format_RGB32).scaled(
            pixels, pixels, Qt.AspectRatioMode.IgnoreAspectRatio,
            Qt.TransformationMode.SmoothTransformation if smooth else Qt.TransformationMode.FastTransformation,
        )  # fmt: skip
        pixmap = QPixmap.fromImage(made)
        pixmap.setDevicePixelRatio(ratio)
        self._pixmaps[head] = key, pixmap
        return pixmap

    @staticmethod
    def _paint_cell(painter: QPainter, tile: Tile, place: QRect) -> None:
        """A ring on the selected pair."""
        if tile.cell is None:
            return
        look, (rows, columns) = theme.current(), tile.values.shape
        middle = QPointF(
            place.x() + (tile.cell[1] + 0.5) / columns * place.width(),
            place.y() + (tile.cell[0] + 0.5) / rows * place.height(),
        )
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width in ((look.window, 3.0), (look.text, 1.5)):
            painter.setPen(QPen(QColor(colour), width))
            painter.drawEllipse(middle, 4, 4)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_caption(self, painter: QPainter, head: int, tile: Tile, place: QRect) -> None:
        look = theme.current()
        line = QRect(place.x(), place.y() - CAPTION, place.width() + GAP - 7, CAPTION - 2)
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.setFont(font(_TYPE, head == self._shown))
        painter.setPen(QColor(look.text if head == self._shown else look.muted))
        painter.drawText(line, flags, self._name(head))
        if not tile.k:
            return
        painter.setFont(font(_TYPE, True))
        painter.setPen(tile.colour)
        at = self.frequency_place(head)
        painter.drawText(at.adjusted(0, 0, 0, -2), flags, f"k {tile.k}")
        painter.setFont(font(_TYPE))
        painter.setPen(QColor(look.muted))
        rest = QRect(at.right() + 5, line.y(), line.right() - at.right() - 5, line.height())
        if text_width(tile.said, _TYPE) <= rest.width():
            painter.drawText(rest, flags, tile.said)

    # -- events --------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        head = self.head_at(event.position())
        if head is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if self.frequency_place(head).contains(event.position().toPoint()):
            self.frequency_clicked.emit(self._tiles[head].k)
        else:
            self.head_clicked.emit(head)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        over = self.head_at(event.position()) is not None
        self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)
        self.hovered.emit(self._cell_at(event.position()))

    def leaveEvent(self, event: object) -> None:
        self.hovered.emit(None)

    def event(self, event: QEvent) -> bool:
        """The arrows are its own while it has the focus, before the window's shortcuts."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in _ARROWS:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        move = _ARROWS.get(event.key())
        if move is None or not self._tiles:
            super().keyPressEvent(event)
            return
        there = self._shown + move[0] + move[1] * self.grid(self.size(), len(self._tiles))[0]
        if 0 <= there < len(self._tiles):
            self.head_clicked.emit(there)

    def focusInEvent(self, event: object) -> None:
        self.update()

    def focusOutEvent(self, event: object) -> None:
        self.update()
