"""The lives of a layer's heads as a strip: a band a head, as high as its share, in its frequency's colour."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app import theme
from app.numbers import epoch_text
from app.views.painting import draw_boxes, font, text_width
from app.views.still import Still, on_panel, stand_on_panel
from engine.analysis.heads import HeadLives

Ints = NDArray[np.int64]
GAP, LABEL, LEFT = 3, 15, 16  # pixels
_TYPE = 11
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
        self._still, self._edition = Still(), 0
        self._painted: HeadLives | None = None  # of this edition
        self.setMouseTracking(True)
        stand_on_panel(self)
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
        painter, look = on_panel(self, event), theme.current()
        if self._lives is None or not len(self._epochs):
            return
        painter.setFont(font(_TYPE))
        if self._trouble:
            painter.setPen(QColor(look.muted))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._trouble)
            return
        self._still.paint(painter, self.size(), self._key(self._lives), self._paint_still)
        top, bottom = self.band_of(self.heads[0]).top(), self.band_of(self.heads[-1]).bottom()
        x = self.place_of(self._step)
        painter.setPen(QPen(QColor(look.accent), 1.5))
        painter.drawLine(QPointF(x, top), QPointF(x, bottom + 2))
        self._paint_epochs(painter, x, bottom)

    def _key(self, lives: HeadLives) -> Hashable:
        """What stands still while the checkpoint changes."""
        if lives is not self._painted:
            self._painted, self._edition = lives, self._edition + 1
        colours = tuple(self._colour(k).rgba() for k in np.unique(lives.frequency).tolist())
        return self._edition, theme.current().name, colours, len(self._epochs), self.heads, self._shown

    def _paint_still(self, painter: QPainter) -> None:
        """Every band, and its label."""
        look, lives = theme.current(), self._lives
        assert lives is not None
        for head in self.heads:
            self._paint_band(painter, lives, head)
            band, shown = self.band_of(head), head == self._shown
            painter.setFont(font(_TYPE, shown))
            painter.setPen(QColor(look.text if shown else look.muted))
            area = QRectF(0, band.top(), LEFT - 4, band.height())
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, str(head))

    def _paint_epochs(self, painter: QPainter, x: float, bottom: float) -> None:
        """The first and the last epoch, and the one on show where it has room between them."""
        look, y = theme.current(), bottom + 12
        ends = [epoch_text(self._epochs[0]), epoch_text(self._epochs[-1])]
        left, right = self._ends()
        first, last = text_width(ends[0], _TYPE), right - text_width(ends[1], _TYPE)
        here = epoch_text(self._epochs[min(self._step, len(self._epochs) - 1)])
        wide = text_width(here, _TYPE)
        at = min(max(x - wide / 2, left), right - wide)
        painter.setPen(QColor(look.text))
        painter.drawText(QPointF(at, y), here)
        painter.setPen(QColor(look.muted))
        if left + first + 8 < at:
            painter.drawText(QPointF(left, y), ends[0])
        if at + wide + 8 < last:
            painter.drawText(QPointF(last, y), ends[1])

    def _paint_band(self, painter: QPainter, lives: HeadLives, head: int) -> None:
        look, band = theme.current(), self.band_of(head)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.fillRect(band, QColor(look.raised))
        if not len(lives.epochs):
            return
        begin, end = self._edges(lives.epochs)
        high = band.height() * lives.share[:, head]
        boxes = np.stack([begin, band.bottom() - high, end - begin, high], axis=1)
        painter.setPen(Qt.PenStyle.NoPen)
        for k in np.unique(lives.frequency[:, head]).tolist():
            painter.setBrush(self._colour(k))
            draw_boxes(painter, boxes[lives.frequency[:, head] == k])
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(look.text), 1.0))
        explained = band.bottom() - np.clip(lives.explained[:, head], 0, 1) * (band.height() - 1)
        points = [QPointF(x, y) for x, y in zip(((begin + end) / 2).tolist(), explained.tolist(), strict=True)]
        for part in _pieces(self._places(lives.epochs)):
            painter.drawPolyline(QPolygonF(points[part]))

    def _places(self, epochs: Ints) -> NDArray[np.float64]:
        """Steps of known epochs."""
        n = len(self._epochs)
        return np.interp(epochs, self._epochs, np.arange(n)) if n > 1 else np.zeros(len(epochs))

    def _edges(self, epochs: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """From where to where each known checkpoint is drawn: half a checkpoint to either side."""
        left, right = self._ends()
        n = len(self._epochs)
        if n < 2:
            return np.full(len(epochs), left), np.full(len(epochs), right)
        middle = left + (right - left) * self._places(epochs) / (n - 1)
        half = (right - left) / (n - 1) / 2
        return np.maximum(middle - half, left), np.minimum(middle + half, right)

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
