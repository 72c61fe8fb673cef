"""Two phases as hands on a circle, and the angle between them."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app import theme
from app.views.neuron_facts import NOT_KNOWN, degrees
from app.views.painting import font
from app.views.still import Still, on_panel, stand_on_panel

_LABELS = 30  # pixels below the circle


class Dial(QWidget):
    """φ as a thin hand with a dot, ψ as a shorter one with an arrow, D as the arc between; 0° right, 90° up."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: float | None = None
        self.writes: float | None = None
        self.misalignment: float | None = None
        self._colour = QColor()
        self._still = Still()
        stand_on_panel(self)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def minimumSizeHint(self) -> QSize:
        return QSize(90, 100)

    def show_phases(
        self, reads: float | None, writes: float | None, misalignment: float | None, colour: QColor
    ) -> None:
        """Degrees; None: it has none, or it says nothing.  colour : of its frequency"""
        told = (reads, writes, misalignment, colour)
        if told == (self.reads, self.writes, self.misalignment, self._colour):
            return
        self.reads, self.writes, self.misalignment, self._colour = told
        texts = (degrees(reads), degrees(writes), degrees(misalignment, 1))
        self.setAccessibleName("Phases: reads {}, writes {}, misalignment {}".format(*texts))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, look = on_panel(self, event), theme.current()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(11))
        beside = self.width() > 1.5 * self.height()
        side = max(10, min(self.width() - 66, self.height() - 34 - (0 if beside else _LABELS)))
        middle = QPointF(self.width() / 2 - (55 if beside else 0), 17 + side / 2)
        radius = side / 2
        key = theme.current().name, middle.x(), middle.y(), radius
        self._still.paint(painter, self.size(), key, lambda still: self._paint_circle(still, middle, radius))
        if self.reads is None:
            painter.setPen(QColor(look.muted))
            painter.drawText(QRectF(0, middle.y() - 10, self.width(), 20), Qt.AlignmentFlag.AlignCenter, NOT_KNOWN)
        else:
            self._paint_hands(painter, middle, radius)
        if beside:
            self._paint_values_beside(painter, QPointF(middle.x() + radius + 44, middle.y()))
        else:
            self._paint_values(painter, middle.y() + radius + 16)

    def _paint_circle(self, painter: QPainter, middle: QPointF, radius: float) -> None:
        look = theme.current()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(11))
        painter.setPen(QPen(QColor(look.border), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(middle, radius, radius)
        painter.setPen(QPen(QColor(look.faint), 1))
        for angle in range(0, 360, 30):
            inner = radius - (5 if angle % 90 == 0 else 3)
            painter.drawLine(_at(middle, inner, angle), _at(middle, radius, angle))
        painter.setPen(QColor(look.muted))
        for angle, text in ((0, "0°"), (90, "90°"), (180, "180°"), (270, "−90°")):
            at = _at(middle, radius + (9 if angle % 180 else 13), angle)
            painter.drawText(QRectF(at.x() - 20, at.y() - 8, 40, 16), Qt.AlignmentFlag.AlignCenter, text)

    def _paint_hands(self, painter: QPainter, middle: QPointF, radius: float) -> None:
        look = theme.current()
        assert self.reads is not None
        if self.writes is not None and self.misalignment is not None:
            around = radius * 0.62
            wash = QColor(look.accent)
            wash.setAlpha(70)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(wash)
            box = QRectF(middle.x() - around, middle.y() - around, 2 * around, 2 * around)
            painter.drawPie(box, round(16 * self.reads), round(16 * self.misalignment))
            painter.setPen(QPen(QColor(look.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawArc(box, round(16 * self.reads), round(16 * self.misalignment))
        tip = _at(middle, radius * 0.92, self.reads)
        painter.setPen(QPen(self._colour, 2))
        painter.drawLine(middle, tip)
        painter.setBrush(self._colour)
        painter.drawEllipse(tip, 3.5, 3.5)
        if self.writes is not None:
            painter.setPen(QPen(QColor(look.text), 2))
            painter.drawLine(middle, _at(middle, radius * 0.66, self.writes))
            painter.setBrush(QColor(look.text))
            head = [_at(middle, radius * 0.78, self.writes)]
            foot = _at(middle, radius * 0.62, self.writes)
            head += [_at(foot, radius * 0.07, self.writes + side) for side in (90, -90)]
            painter.drawPolygon(QPolygonF(head))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(look.text))
        painter.drawEllipse(middle, 2.5, 2.5)

    def _values(self) -> list[tuple[str, QColor]]:
        """φ with its dot, ψ with its arrow, D."""
        look = theme.current()
        known = [self._colour, QColor(look.text), QColor(look.text)]
        colours = known if self.reads is not None else [QColor(look.muted)] * 3
        texts = (f"● φ {degrees(self.reads)}", f"▲ ψ {degrees(self.writes)}", f"D {degrees(self.misalignment, 1)}")
        return list(zip(texts, colours, strict=True))

    def _paint_values(self, painter: QPainter, top: float) -> None:
        """In a line, or in two."""
        values, gap = self._values(), 10
        widths = [painter.fontMetrics().horizontalAdvance(text) for text, _ in values]
        lines = [[0, 1, 2]] if sum(widths) + 2 * gap <= self.width() else [[0, 1], [2]]
        for row, line in enumerate(lines):
            x = (self.width() - sum(widths[i] for i in line) - gap * (len(line) - 1)) / 2
            for i in line:
                painter.setPen(values[i][1])
                painter.drawText(QPointF(x, top + 12 + 14 * row), values[i][0])
                x += widths[i] + gap

    def _paint_values_beside(self, painter: QPainter, at: QPointF) -> None:
        for row, (text, colour) in enumerate(self._values()):
            painter.setPen(colour)
            painter.drawText(QPointF(at.x(), at.y() + 4 + 18 * (row - 1)), text)


def _at(middle: QPointF, radius: float, angle: float) -> QPointF:
    """degrees, counter-clockwise from the right"""
    turn = math.radians(angle)
    return QPointF(middle.x() + radius * math.cos(turn), middle.y() - radius * math.sin(turn))
