"""The lives of a layer's heads as a strip: a band a head, as high as its share, in its frequency's colour."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app import theme
from app.numbers import epoch_text
from engine.analysis.heads import HeadLives

Ints = NDArray[np.int64]
GAP, LABEL, LEFT = 3, 15, 16  # pixels
_ALONE = 28  # of the band where there is only one


class HeadStrip(QWidget):
    """Checkpoints at equal distances, up to the last one. Bars: share of C_j at the head's best frequency, in its
    colour; line: how much of the pattern its fit explains. A click goes to the checkpoint, one on a label to the head.
    """

    wanted = Signal(int)  # step
    head_clicked = Signal(int)
    hovered = Signal(object)  # (head, step) or None

    def __init__(self) -> None:
        super().__init__()
        self._lives: HeadLives | None = None
        self._trouble = ""
        self._epochs: Ints = np.zeros(0, np.int64)
        self._heads = 0
        self._step = self._shown = 0
        self._colour: Callable[[int], QColor] = lambda k: QColor()
        self._painted: tuple[tuple[Any, ...], QPixmap] | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Share of every head's frequency over training")

    def minimumSizeHint(self) -> QSize:
        return QSize(120, _ALONE + LABEL)

    @staticmethod
    def needed(n: int) -> int:
        """Pixels of height for all of n heads."""
        return n * (HeadStrip.LOW + GAP) + LABEL

    ALONE = _ALONE + LABEL  # pixels of height of one head
    LOW, TALL = 22, 44  # of a band among several, at least and at most

    def show_lives(
        self, lives: HeadLives, trouble: str, epochs: Ints, heads: int, shown: int, step: int,
        colour: Callable[[int], QColor],
    ) -> None:  # fmt: skip
        """trouble : why there are none    epochs : of all checkpoints    shown : the head that the view is of"""
        self._lives, self._trouble, self._epochs, self._heads = lives, trouble, epochs, heads
        self._shown, self._step, self._colour = shown, step, colour
        self.update()

    # -- geometry ------------------------------------------------------------------------------------------

    @property
    def heads(self) -> tuple[int, ...]:
        """Those that have a band: all, or the one that the view is of."""
        return tuple(range(self._heads)) if self.height() >= self.needed(self._heads) else (self._shown,)

    def band_of(self, head: int) -> QRectF:
        """Where a head's bars stand."""
        heads = self.heads
        high = (self.height() - LABEL) / len(heads) - GAP
        left, right = self._ends()
        return QRectF(left, heads.index(head) * (high + GAP), right - left, high)

    def _ends(self) -> tuple[float, float]:
        return float(LEFT), self.width() - 4.0

    def place_of(self, step: float) -> float:
        """x of a checkpoint."""
        left, right = self._ends()
        n = len(self._epochs)
        return left + (right - left) * (step / (n - 1) if n > 1 else 0.5)

    def step_at(self, x: float) -> int:
        left, right = self._ends()
        return round(min(max((x - left) / max(1.0, right - left), 0), 1) * (len(self._epochs) - 1))

    def _head_at(self, at: QPointF) -> int | None:
        return next((h for h in self.heads if self.band_of(h).top() <= at.y() <= self.band_of(h).bottom() + GAP), None)

    # -- painting ------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._lives is None or not len(self._epochs):
            return
        painter, look = QPainter(self), theme.current()
        font = QFont(self.font())
        font.setPixelSize(11)
        painter.setFont(font)
        if self._trouble:
            painter.setPen(QColor(look.muted))
            painter.drawText(
                self.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._trouble
            )  # fmt: skip
            return
        painter.drawPixmap(0, 0, self._picture(self._lives))
        top, bottom = self.band_of(self.heads[0]).top(), self.band_of(self.heads[-1]).bottom()
        x = self.place_of(self._step)
        painter.setPen(QPen(QColor(look.accent), 1.5))
        painter.drawLine(QPointF(x, top), QPointF(x, bottom + 2))
        self._paint_labels(painter, font)
        self._paint_epochs(painter, x, bottom)

    def _paint_labels(self, painter: QPainter, font: QFont) -> None:
        look = theme.current()
        for head in self.heads:
            band, shown = self.band_of(head), head == self._shown
            font.setWeight(QFont.Weight.DemiBold if shown else QFont.Weight.Normal)
            painter.setFont(font)
            painter.setPen(QColor(look.text if shown else look.muted))
            area = QRectF(0, band.top(), LEFT - 4, band.height())
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, str(head))
        font.setWeight(QFont.Weight.Normal)
        painter.setFont(font)

    def _paint_epochs(self, painter: QPainter, x: float, bottom: float) -> None:
        """The first and the last epoch, and the one on show where it has room between them."""
        look, metrics, y = theme.current(), painter.fontMetrics(), bottom + 12
        ends = [epoch_text(self._epochs[0]), epoch_text(self._epochs[-1])]
        left, right = self._ends()
        first = metrics.horizontalAdvance(ends[0])
        last = right - metrics.horizontalAdvance(ends[1])
        here = epoch_text(self._epochs[min(self._step, len(self._epochs) - 1)])
        wide = metrics.horizontalAdvance(here)
        at = min(max(x - wide / 2, left), right - wide)
        painter.setPen(QColor(look.text))
        painter.drawText(QPointF(at, y), here)
        painter.setPen(QColor(look.muted))
        if left + first + 8 < at:
            painter.drawText(QPointF(left, y), ends[0])
        if at + wide + 8 < last:
            painter.drawText(QPointF(last, y), ends[1])

    def _picture(self, lives: HeadLives) -> QPixmap:
        """Bars and lines, painted once for what is known."""
        ratio = self.devicePixelRatioF()
        colours = {k: self._colour(k).rgb() for k in np.unique(lives.frequency).tolist()}
        key = (lives.share, self.size(), ratio, colours, len(self._epochs), self.heads, theme.current().name)
        if self._painted is not None and self._painted[0][0] is lives.share and self._painted[0][1:] == key[1:]:
            return self._painted[1]
        sheet = QPixmap((self.size() * ratio).expandedTo(QSize(1, 1)))
        sheet.setDevicePixelRatio(ratio)
        sheet.fill(Qt.GlobalColor.transparent)
        painter = QPainter(sheet)
        for head in self.heads:
            self._paint_band(painter, lives, head)
        painter.end()
        self._painted = key, sheet
        return sheet

    def _paint_band(self, painter: QPainter, lives: HeadLives, head: int) -> None:
        look, band = theme.current(), self.band_of(head)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.fillRect(band, QColor(look.raised))
        if not len(lives.epochs):
            return
        edges = self._edges(lives.epochs)
        each = zip(edges, lives.frequency[:, head].tolist(), lives.share[:, head].tolist(), strict=True)
        for (begin, end), k, share in each:
            high = band.height() * share
            painter.fillRect(QRectF(begin, band.bottom() - high, end - begin, high), self._colour(k))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(look.text), 1.0))
        for part in _pieces(self._places(lives.epochs)):
            explained = np.clip(lives.explained[part, head], 0, 1)
            x = np.array([(begin + end) / 2 for begin, end in edges[part]])
            points = zip(x.tolist(), (band.bottom() - explained * (band.height() - 1)).tolist(), strict=True)
            painter.drawPolyline(QPolygonF([QPointF(*point) for point in points]))

    def _places(self, epochs: Ints) -> NDArray[np.float64]:
        """Steps of known epochs."""
        n = len(self._epochs)
        return np.interp(epochs, self._epochs, np.arange(n)) if n > 1 else np.zeros(len(epochs))

    def _edges(self, epochs: Ints) -> list[tuple[float, float]]:
        """From where to where each known checkpoint is drawn: half a checkpoint to either side."""
        left, right = self._ends()
        n = len(self._epochs)
        if n < 2:
            return [(left, right)] * len(epochs)
        middle = left + (right - left) * self._places(epochs) / (n - 1)
        half = (right - left) / (n - 1) / 2
        begin, end = np.maximum(middle - half, left), np.minimum(middle + half, right)
        return list(zip(begin.tolist(), end.tolist(), strict=True))

    # -- events --------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or not len(self._epochs) or self._trouble:
            return
        head = self._head_at(event.position())
        if head is not None and event.position().x() < LEFT - 2:
            self.head_clicked.emit(head)
        else:
            self.wanted.emit(self.step_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not len(self._epochs) or self._trouble:
            return
        head, step = self._head_at(event.position()), self.step_at(event.position().x())
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.wanted.emit(step)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.hovered.emit(None if head is None else (head, step))

    def leaveEvent(self, event: object) -> None:
        self.hovered.emit(None)


def _pieces(places: NDArray[np.float64]) -> list[slice]:
    """Stretches of neighbours: a line joins no checkpoints between which one is not known."""
    breaks = [0, *(np.flatnonzero(np.diff(places) > 1.001) + 1).tolist(), len(places)]
    return [slice(low, high) for low, high in itertools.pairwise(breaks)]
