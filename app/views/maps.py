"""A matrix as a picture: axes, a colour bar, a cross on what is selected, values under the pointer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from app import theme
from app.numbers import number as number
from app.views.lifted import Cells
from app.views.live_plot import Lifted
from app.views.plots import dress, on_leave, pen, plot_widget, relabel
from app.views.pointer import KeyPointer
from app.views.still import on_panel, stand_on_panel

SEQUENTIAL, HOT, SIGNED = "viridis", "magma", "signed"


def table_of(name: str) -> NDArray[np.uint8]:
    """A colour table by its name: a sequential one, or `SIGNED`, whose middle is zero.  (256, 3)"""
    return theme.diverging_table() if name == SIGNED else theme.colour_table(name)


class HeatMap(QWidget):
    """A matrix, row 0 on top as in the paper; a cell is a square.

    hovered : (row, column) or None      clicked : row, column
    """

    hovered = Signal(object)
    clicked = Signal(int, int)
    LEFT, BOTTOM, BAR, TOP = 46, 38, 56, 9

    def __init__(
        self, left: str = "a", bottom: str = "b", colours: str = SEQUENTIAL, unit: str = "", bar: bool = True
    ) -> None:
        """unit : what the colour bar counts, beside it"""
        super().__init__()
        self._colours, self._has_bar = colours, bar
        self._values: NDArray[Any] = np.zeros((0, 0))
        self.plot = plot_widget(left, bottom)
        self.plot.setParent(self)
        self.plot.setMouseEnabled(x=False, y=False)
        item = self.plot.getPlotItem()
        item.getAxis("left").setWidth(self.LEFT)
        item.getAxis("bottom").setHeight(self.BOTTOM)
        item.layout.setContentsMargins(0, self.TOP, 2, 0)  # room for the upper half of the first number
        item.getViewBox().invertY(True)
        self.image, self._cross = Cells(), Cross(self.plot.getViewBox())
        for lifted in (self.image, self._cross):
            self.plot.lift(lifted)
        self.bar = ColourBar(unit)
        self.bar.setParent(self)
        self.bar.setVisible(bar)
        self.plot.scene().sigMouseMoved.connect(self._moved)
        self.plot.scene().sigMouseClicked.connect(self._pressed)
        on_leave(self.plot, lambda: self.hovered.emit(None))
        self.pointer = KeyPointer(self.plot, rows=True)
        self.setMinimumSize(150, 110)
        self.restyle()

    def setAccessibleName(self, name: str) -> None:
        """Of what takes the keyboard, too."""
        super().setAccessibleName(name)
        self.plot.setAccessibleName(name)

    def show_values(self, values: NDArray[Any], low: float, high: float) -> None:
        """values : (n, m); low and high : painted with the first and the last colour"""
        scale = 255.0 / (high - low) if high > low else 0.0
        scaled = (np.asarray(values, np.float32) - np.float32(low)) * np.float32(scale)
        np.nan_to_num(scaled, copy=False)
        self._put(np.clip(scaled, 0, 255).astype(np.uint8), table_of(self._colours))
        self.bar.show_range(low, high, table_of(self._colours))

    def show_classes(self, classes: NDArray[np.integer[Any]], colours: Sequence[str]) -> None:
        """classes : (n, m), each an index into colours"""
        table = np.zeros((256, 3), np.uint8)
        for i, colour in enumerate(colours):
            rgb = QColor(colour)
            table[i] = rgb.red(), rgb.green(), rgb.blue()
        self._put(classes.astype(np.uint8), table)

    def _put(self, block: NDArray[np.uint8], table: NDArray[np.uint8]) -> None:
        same = block.shape == self._values.shape
        self._values = block
        self.image.show_cells(block, table)
        if not same:
            rows, columns = block.shape
            self.plot.setRange(QRectF(-0.5, -0.5, columns, rows), padding=0)
            self._place()

    def lay_over(self, item: Lifted) -> None:
        """Over the matrix, under the cross."""
        self.plot.lift(item, before=self._cross)

    def set_colours(self, colours: str) -> None:
        """Another table for the next values."""
        self._colours = colours

    def show_bar(self, shown: bool) -> None:
        """Whether the colour bar stands beside it."""
        if shown != self._has_bar:
            self._has_bar = shown
            self.bar.setVisible(shown)
            self._place()

    def mark(self, cell: tuple[int, int] | None) -> None:
        """A cross through a cell (row, column)."""
        self._cross.show_cell(cell)

    @property
    def marked(self) -> tuple[int, int] | None:
        """The cell with the cross."""
        return self._cross.cell

    def name_axes(self, left: str, bottom: str) -> None:
        relabel(self.plot, "left", left)
        relabel(self.plot, "bottom", bottom)

    def cell_at(self, at: Any) -> tuple[int, int] | None:
        """The cell at a place of the plot's scene."""
        box = self.plot.getViewBox()
        if not box.sceneBoundingRect().contains(at):
            return None
        point = box.mapSceneToView(at)
        row, column = round(point.y()), round(point.x())
        rows, columns = self._values.shape
        return (row, column) if 0 <= row < rows and 0 <= column < columns else None

    def restyle(self) -> None:
        dress(self.plot)
        self._cross.update()
        self.bar.update()

    def _moved(self, at: Any) -> None:
        self.hovered.emit(self.cell_at(at))

    def _pressed(self, event: Any) -> None:
        cell = self.cell_at(event.scenePos())
        if cell is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(*cell)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._place()

    def _place(self) -> None:
        """The data area as large as fits, in the middle; the bar beside it, as tall."""
        rows, columns = self._values.shape if self._values.size else (1, 1)
        bar = self.BAR if self._has_bar else 8
        width, height = self.width() - self.LEFT - bar, self.height() - self.BOTTOM - self.TOP
        cell = max(1e-6, min(width / columns, height / rows))
        width, height = int(cell * columns), int(cell * rows)
        x = max(0, (self.width() - width - self.LEFT - bar) // 2)
        self.plot.setGeometry(x, 0, width + self.LEFT + 2, height + self.BOTTOM + self.TOP)
        self.bar.setGeometry(x + width + self.LEFT + 8, self.TOP - 4, self.BAR - 8, height + 8)


class Cross(Lifted):
    """A line along a row and one along a column, with a halo, over the whole view."""

    def __init__(self, box: Any) -> None:
        super().__init__()
        self._box = box
        self.cell: tuple[int, int] | None = None  # row, column

    def show_cell(self, cell: tuple[int, int] | None) -> None:
        if cell != self.cell:
            self.cell = cell
            self.update()

    def paint(self, painter: QPainter, *_: Any) -> None:
        if self.cell is None:
            return
        look, view, (row, column) = theme.current(), self._box.viewRect(), self.cell
        lines = [QLineF(view.left(), row, view.right(), row), QLineF(column, view.top(), column, view.bottom())]
        around = QColor(look.window)
        around.setAlpha(170)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for colour, width in ((around, 3), (QColor(look.text), 1)):
            painter.setPen(pen(colour, width))
            painter.drawLines(lines)


class ColourBar(QWidget):
    """A colour table with the values of its ends, upright."""

    WIDTH = 10

    def __init__(self, unit: str = "") -> None:
        super().__init__()
        self._unit = unit
        self._range = (0.0, 1.0)
        self._table = theme.colour_table()
        stand_on_panel(self)

    def show_range(self, low: float, high: float, table: NDArray[np.uint8]) -> None:
        if (low, high) != self._range or table is not self._table:
            self._range, self._table = (low, high), table
            self.update()

    def set_unit(self, unit: str) -> None:
        self._unit = unit
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(48, 100)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = on_panel(self, event)
        look = theme.current()
        area = QRect(0, 4, self.WIDTH, max(1, self.height() - 8))
        column = np.ascontiguousarray(self._table[::-1]).reshape(256, 1, 3)
        block = np.zeros((256, 4), np.uint8)  # lines of an image are padded to four bytes
        block[:, :3] = column[:, 0]
        painter.drawImage(area, QImage(block.data, 1, 256, 4, QImage.Format.Format_RGB888))
        painter.setPen(QColor(look.border))
        painter.drawRect(area.adjusted(0, 0, -1, -1))
        painter.setPen(QColor(look.muted))
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        left = self.WIDTH + 4
        low, high = self._range
        painter.drawText(left, area.top() + 8, number(high))
        painter.drawText(left, area.bottom() + 2, number(low))
        if low < 0 < high and area.height() > 60:
            painter.drawText(left, round(area.top() + area.height() * high / (high - low)) + 4, "0")
        if self._unit and area.height() > 90:
            painter.save()
            painter.translate(left + 8, area.center().y())
            painter.rotate(-90)
            width = painter.fontMetrics().horizontalAdvance(self._unit)
            if width < area.height() - 40 and not (low < 0 < high):
                painter.drawText(-width // 2, 0, self._unit)
            painter.restore()
