"""How many neurons a single frequency explains how well: a histogram of FVE, upright beside the wall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app import theme
from app.views.still import Still, on_panel, stand_on_panel
from engine.analysis.neurons import THRESHOLD

BINS = 20  # as the paper's figure 5a
WIDTH = 132
_LEFT, _TOP, _BOTTOM, _RIGHT = 26, 22, 30, 6
_TICKS = (1, 10, 50, 100, 200, 500, 1000, 2000, 5000)


def binned(fve: NDArray[np.float64], frequency: NDArray[np.int64], keys: Sequence[int]) -> NDArray[np.int64]:
    """Neurons by bin and by key frequency, the last column the others.  (BINS, len(keys) + 1)"""
    bins = np.clip((np.asarray(fve) * BINS + 1e-9).astype(np.int64), 0, BINS - 1)
    column = np.full(len(bins), len(keys))
    for i, k in enumerate(keys):
        column[frequency == k] = i
    counts = np.zeros((BINS, len(keys) + 1), np.int64)
    np.add.at(counts, (bins, column), 1)
    return counts


def edges(i: int) -> tuple[float, float]:
    """FVE from and to of a bin."""
    return i / BINS, (i + 1) / BINS


class FveHistogram(QWidget):
    """FVE upward, neurons to the right on a square-root scale from 0 to all of them, which never changes.

    Of each bar a part for every key frequency that is the best one, in its colour.
    """

    clicked = Signal(int)  # bin
    hovered = Signal(object)  # bin or None

    def __init__(self) -> None:
        super().__init__()
        self.counts: NDArray[np.int64] = np.zeros((BINS, 1), np.int64)
        self._colours: list[QColor] = []
        self._total = 1
        self._axes = Still()
        self._chosen: int | None = None
        self._under: int | None = None
        self.setMouseTracking(True)
        stand_on_panel(self)
        self.setFixedWidth(WIDTH)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Histogram of FVE")
        self.setAccessibleDescription("Neurons by the share of variance that their best frequency explains")

    def minimumSizeHint(self) -> QSize:
        return QSize(WIDTH, 120)

    def show_counts(self, counts: NDArray[np.int64], colours: Sequence[QColor], chosen: int | None) -> None:
        """counts : (BINS, n)      colours : n      chosen : the bin that filters the wall"""
        self.counts, self._colours, self._chosen = counts, list(colours), chosen
        self._total = max(1, int(counts.sum()))
        self.update()

    def bin_at(self, y: float) -> int | None:
        area = self._area()
        i = int((area.bottom() - y) / area.height() * BINS)
        return i if area.top() <= y < area.bottom() and 0 <= i < BINS else None

    def place_of(self, i: int) -> QPointF:
        """Middle of a bin's row."""
        area = self._area()
        return QPointF(area.center().x(), area.bottom() - (i + 0.5) / BINS * area.height())

    def _area(self) -> QRectF:
        height = max(1, self.height() - _TOP - _BOTTOM)
        return QRectF(_LEFT, _TOP, max(1, self.width() - _LEFT - _RIGHT), height)

    def _reach(self, n: float) -> float:
        """How far a bar of n neurons goes."""
        return float(self._area().width() * np.sqrt(n / self._total))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, look, area = on_panel(self, event), theme.current(), self._area()
        font = QFont(self.font())
        font.setPixelSize(11)
        step = area.height() / BINS
        for marked, alpha in ((self._under, 26), (self._chosen, 56)):
            if marked is not None:
                wash = QColor(look.accent)
                wash.setAlpha(alpha)
                painter.fillRect(QRectF(area.left(), area.bottom() - (marked + 1) * step, area.width(), step), wash)
        self._paint_bars(painter, area, step)
        key = look.name, self._total, font.family()
        self._axes.paint(painter, self.size(), key, partial(self._paint_axes, font, area))

    def _paint_bars(self, painter: QPainter, area: QRectF, step: float) -> None:
        left, last = area.left() + 1, area.bottom()
        for i, row in enumerate(self.counts.tolist()):
            n = sum(row)
            if not n:
                continue
            top, bottom = round(last - (i + 1) * step) + 1, round(last - i * step)
            x, whole = left, max(1.0, area.width() * math.sqrt(n / self._total))
            for part, colour in zip(row, self._colours, strict=True):
                if part:
                    width = whole * part / n
                    painter.fillRect(QRectF(x, top, width, max(1, bottom - top)), colour)
                    x += width

    def _paint_axes(self, font: QFont, area: QRectF, painter: QPainter) -> None:
        painter.setFont(font)
        look, metrics = theme.current(), painter.fontMetrics()
        painter.setPen(QPen(QColor(look.border), 1))
        painter.drawLine(area.topLeft(), area.bottomLeft())
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        y = area.bottom() - THRESHOLD * area.height()
        line = QPen(QColor(look.text), 1)
        line.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(line)
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.setPen(QColor(look.text))
        middle = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(0, y - 8, _LEFT - 4, 16), middle, ".85")
        painter.setPen(QColor(look.muted))
        for tick in (0.0, 0.25, 0.5, 1.0):
            at = area.bottom() - tick * area.height()
            text = f"{tick:g}".removeprefix("0") or "0"
            painter.drawText(QRectF(0, at - 8, _LEFT - 4, 16), middle, text)
        self._paint_counts(painter, area)
        painter.drawText(QRectF(0, 0, self.width(), 16), Qt.AlignmentFlag.AlignLeft, "FVE")
        name = metrics.elidedText("neurons (√ scale)", Qt.TextElideMode.ElideRight, int(area.width()))
        painter.drawText(QRectF(area.left(), area.bottom() + 15, area.width(), 15), Qt.AlignmentFlag.AlignHCenter, name)

    def _paint_counts(self, painter: QPainter, area: QRectF) -> None:
        metrics, end = painter.fontMetrics(), -1e9
        for tick in (*(t for t in _TICKS if t < 0.7 * self._total), self._total):
            text = str(tick)
            width = metrics.horizontalAdvance(text)
            x = min(area.left() + self._reach(tick) - width / 2, self.width() - width)
            if x > end + 5:
                painter.drawText(QPointF(x, area.bottom() + 13), text)
                end = x + width

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._point(self.bin_at(event.position().y()))

    def leaveEvent(self, event: object) -> None:
        self._point(None)

    def _point(self, at: int | None) -> None:
        if at != self._under:
            self._under = at
            self.update()
        self.hovered.emit(at)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        at = self.bin_at(event.position().y())
        if at is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(at)
