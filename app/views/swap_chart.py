"""What each part of a model does on its own in another one: two dots a part, on a logarithmic axis of loss."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app import theme
from app.views.over_time import DASHED
from app.views.plots import pen

_LEAST, _MOST, _LABEL, _TOP, _BOTTOM = 6, 26, 84, 20, 34  # pixels
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
INTO_Y, INTO_X = "into Y", "into X"


@dataclass(frozen=True)
class Ends:
    """Loss of the two models as they are; None where it is not known."""

    x: float | None = None
    y: float | None = None


class SwapChart(QWidget):
    """A row a part; blue: X's part in Y, orange: Y's part in X; dashed: X and Y as they are.

    hovered : a part, or None      clicked : a part
    """

    hovered = Signal(object)
    clicked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.parts: tuple[str, ...] = ()
        self._heads: frozenset[str] = frozenset()
        self._values: dict[tuple[str, str], float] = {}
        self._ends = Ends()
        self._chosen = ""
        self._over: str | None = None
        self._unit = "loss"
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Loss of every single part in the other model")

    def show_parts(self, parts: Sequence[str], heads: Iterable[str], chosen: str, unit: str) -> None:
        """heads : parts that are several parameters     chosen : the one in the graft, or empty"""
        new = tuple(parts), frozenset(heads), chosen, unit
        if new != (self.parts, self._heads, self._chosen, self._unit):
            self.parts, self._heads, self._chosen, self._unit = new
            self.update()

    def show_values(self, values: dict[tuple[str, str], float], ends: Ends) -> None:
        """values : (part, direction) -> loss, those that are known"""
        if (values, ends) != (self._values, self._ends):
            self._values, self._ends = dict(values), ends
            told = ", ".join(f"{part} {way} {value:.3g}" for (part, way), value in values.items())
            self.setAccessibleDescription(told)
            self.update()

    # -- places --------------------------------------------------------------------------------------------

    def _row(self) -> float:
        return min(_MOST, max(_LEAST, (self.height() - _TOP - _BOTTOM) / max(1, len(self.parts))))

    def _area(self) -> QRectF:
        return QRectF(_LABEL, _TOP, max(10, self.width() - _LABEL - 14), self._row() * len(self.parts))

    def _span(self) -> tuple[float, float]:
        """Logarithms at the ends of the axis."""
        known = [v for v in (*self._values.values(), self._ends.x, self._ends.y) if v is not None and v > 0]
        low, high = (math.log10(f(known)) for f in (min, max)) if known else (-1.0, 1.0)
        room = 0.06 * max(high - low, 0.5)
        return low - room, high + room

    def x_of(self, loss: float) -> float:
        """Where a loss stands."""
        (low, high), area = self._span(), self._area()
        return area.left() + area.width() * (math.log10(max(loss, 1e-300)) - low) / (high - low)

    def y_of(self, part: str) -> float:
        """The middle of a part's row."""
        return _TOP + self._row() * (self.parts.index(part) + 0.5)

    def part_at(self, at: QPointF) -> str | None:
        """The part in whose row a place lies."""
        i = int((at.y() - _TOP) // self._row())
        return self.parts[i] if 0 <= i < len(self.parts) and at.y() >= _TOP else None

    # -- painting ------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        return QSize(320, _TOP + _BOTTOM + 18 * max(1, len(self.parts)))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(self.font())
        font.setPixelSize(round(min(12, max(8, self._row() - 2))))
        painter.setFont(font)
        self._paint_rows(painter)
        self._paint_axis(painter)
        self._paint_ends(painter)
        self._paint_dots(painter)

    def _paint_rows(self, painter: QPainter) -> None:
        look, row = theme.current(), self._row()
        for part in self.parts:
            top = self.y_of(part) - row / 2
            if part in (self._chosen, self._over):
                painter.fillRect(QRectF(0, top, self.width(), row), QColor(look.raised))
            painter.setPen(QColor(look.text if part in self._heads or part == self._chosen else look.muted))
            indent = 0 if part in self._heads else 12
            place = QRectF(indent, top, _LABEL - indent - 6, row)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, part)

    def _paint_axis(self, painter: QPainter) -> None:
        look, area, (low, high) = theme.current(), self._area(), self._span()
        painter.setPen(pen(look.border, 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        step = max(1, math.ceil((high - low) * 46 / area.width()))
        for power in range(math.ceil(low), math.floor(high) + 1):
            if power % step == 0:
                x = self.x_of(10.0**power)
                painter.setPen(pen(look.border, 1))
                painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom() + 3))
                painter.setPen(QColor(look.muted))
                text = "1" if power == 0 else "10" if power == 1 else "10" + str(power).translate(_SUPERSCRIPT)
                painter.drawText(QRectF(x - 24, area.bottom() + 3, 48, 15), Qt.AlignmentFlag.AlignCenter, text)
        painter.drawText(
            QRectF(area.left(), area.bottom() + 17, area.width(), 16), Qt.AlignmentFlag.AlignCenter, self._unit
        )

    def _paint_ends(self, painter: QPainter) -> None:
        look, area = theme.current(), self._area()
        for name, loss in (("X", self._ends.x), ("Y", self._ends.y)):
            if loss is None:
                continue
            x = self.x_of(loss)
            drawn = pen(look.muted, 1.2)
            drawn.setStyle(DASHED)
            painter.setPen(drawn)
            painter.drawLine(QPointF(x, _TOP - 2), QPointF(x, area.bottom()))
            painter.setPen(QColor(look.text))
            painter.drawText(QRectF(x - 20, 2, 40, _TOP - 4), Qt.AlignmentFlag.AlignCenter, name)

    def _paint_dots(self, painter: QPainter) -> None:
        size = min(5.0, self._row() / 3)
        for part in self.parts:
            y = self.y_of(part)
            there = [self.x_of(self._values[part, way]) for way in (INTO_Y, INTO_X) if (part, way) in self._values]
            if len(there) == 2:
                painter.setPen(pen(theme.current().border, 2))
                painter.drawLine(QPointF(there[0], y), QPointF(there[1], y))
            for way in (INTO_Y, INTO_X):
                if (part, way) in self._values:
                    painter.setPen(pen(theme.current().panel, 1))
                    painter.setBrush(colour_of(way))
                    painter.drawEllipse(QPointF(self.x_of(self._values[part, way]), y), size, size)

    # -- pointer -------------------------------------------------------------------------------------------

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._point_at(self.part_at(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        self._point_at(None)

    def _point_at(self, part: str | None) -> None:
        if part != self._over:
            self._over = part
            self.update()
            self.hovered.emit(part)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        part = self.part_at(event.position())
        if part is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(part)


def colour_of(way: str) -> QColor:
    """Of X's part in Y, and of Y's part in X."""
    look = theme.current()
    return QColor(look.negative if way == INTO_Y else look.positive)
