"""A neuron's life over training as a strip: thumbnails, and a band of its best frequencies."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF, qRgb
from PySide6.QtWidgets import QSizePolicy, QWidget

from app import theme
from app.numbers import epoch_text
from app.views.life import Life
from app.views.painting import font
from app.views.still import Still, on_panel, stand_on_panel
from engine.analysis.neurons import THRESHOLD

Ints = NDArray[np.int64]
THUMBNAILS = 12  # at most
_LABEL, _BAND, _SMALL = 15, 26, 26 + 16  # pixels: a line of text, the band, the strip without thumbnails


class LifeStrip(QWidget):
    """Checkpoints at equal distances: thumbnails with their epochs, and a band as high as FVE in the best frequency's
    colour, up to the last checkpoint. Triangles mark where the neuron settled and committed. A click goes there."""

    wanted = Signal(int)  # step
    hovered = Signal(object)  # step or None

    def __init__(self) -> None:
        super().__init__()
        self._life: Life | None = None
        self._epochs: Ints = np.zeros(0, np.int64)
        self._step = 0
        self._steps: tuple[int, ...] = ()
        self._colour: Callable[[int], QColor] = lambda k: QColor()
        self._painted: tuple[tuple[Any, ...], QPixmap] | None = None
        self._still, self._edition = Still(), 0
        self._known: tuple[Any, ...] = ()  # what is painted there
        self._labelled: dict[int, QPointF] = {}  # where thumbnails are named
        self._pixels: dict[int, tuple[NDArray[np.uint8], QImage]] = {}
        self.setMouseTracking(True)
        stand_on_panel(self)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Its life over training")

    def minimumSizeHint(self) -> QSize:
        return QSize(120, _SMALL)

    @property
    def thumbnail_side(self) -> int:
        """0 where there is no room for any."""
        side = self.height() - _SMALL - _LABEL - 3
        return min(72, side) if side >= 32 else 0

    @property
    def room(self) -> int:
        """How many thumbnails fit beside each other."""
        side = self.thumbnail_side
        return min(THUMBNAILS, max(2, self.width() // (side + 8))) if side else 0

    def show_life(
        self, life: Life, epochs: Ints, step: int, steps: tuple[int, ...], colour: Callable[[int], QColor]
    ) -> None:
        """epochs : of all checkpoints    step : on show    steps : of the thumbnails    colour : of a frequency"""
        self._life, self._epochs, self._step, self._steps, self._colour = life, epochs, step, steps, colour
        self.update()

    # -- geometry ------------------------------------------------------------------------------------------

    def _ends(self) -> tuple[float, float]:
        margin = max(6, self.thumbnail_side / 2 + 2)
        return margin, self.width() - margin

    def place_of(self, step: float) -> float:
        """x of a checkpoint."""
        left, right = self._ends()
        n = len(self._epochs)
        return left + (right - left) * (step / (n - 1) if n > 1 else 0.5)

    def step_at(self, x: float) -> int:
        left, right = self._ends()
        n = len(self._epochs)
        return round(min(max((x - left) / max(1.0, right - left), 0), 1) * (n - 1))

    def _thumbnail(self, step: int) -> QRect:
        """At equal distances, which moves one by half a checkpoint at most; of a growing run where it stands."""
        side, last = self.thumbnail_side, len(self._epochs) - 1
        even = self._steps[-1] == last and last > 0
        place = self._steps.index(step) / (len(self._steps) - 1) * last if even else step
        return QRect(round(self.place_of(place) - side / 2), 1, side, side)

    def _band(self) -> QRectF:
        left, right = self._ends()
        return QRectF(left, self.height() - _SMALL, right - left, _BAND)

    # -- painting ------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = on_panel(self, event)
        if self._life is None or not len(self._epochs):
            return
        self._still.paint(painter, self.size(), self._key(), self._paint_still)
        painter.setFont(font(11))
        if self.thumbnail_side and self._step in self._steps:
            self._paint_thumbnail_here(painter)
        x = self.place_of(self._step)
        painter.setPen(QPen(QColor(theme.current().accent), 1.5))
        band = self._band()
        painter.drawLine(QPointF(x, band.top() - 2), QPointF(x, band.bottom() + 2))

    def _key(self) -> Hashable:
        """What the strip depends on, beside the checkpoint on show."""
        life = self._life
        assert life is not None
        known = life.fve, life.frequency, *(life.thumbnails.get(step) for step in self._steps)
        if len(known) != len(self._known) or any(a is not b for a, b in zip(known, self._known, strict=True)):
            self._known, self._edition = known, self._edition + 1
        colours = tuple(self._colour(k).rgba() for k in sorted(set(life.frequency.tolist())))
        marks = life.settled, life.settled_known, life.committed, life.committed_known, life.trouble
        ends = (int(self._epochs[0]), int(self._epochs[-1]), len(self._epochs))
        return self._edition, theme.current().name, colours, marks, ends, self._steps

    def _paint_still(self, painter: QPainter) -> None:
        painter.setFont(font(11))
        if self.thumbnail_side:
            self._paint_thumbnails(painter)
        self._paint_band(painter)
        self._paint_marks(painter)

    def _paint_thumbnail_here(self, painter: QPainter) -> None:
        """A frame around the checkpoint on show, if it is one of them."""
        place, look = self._thumbnail(self._step), theme.current()
        painter.setPen(QPen(QColor(look.accent), 2))
        painter.drawRect(place.adjusted(-1, -1, 0, 0))
        at = self._labelled.get(self._step)
        if at is not None:
            painter.setPen(QColor(look.text))
            painter.drawText(at, epoch_text(self._epochs[self._step]))

    def _paint_thumbnails(self, painter: QPainter) -> None:
        look, life, end = theme.current(), self._life, -1e9
        self._labelled = {}
        assert life is not None
        for step in self._steps:
            place = self._thumbnail(step)
            tile = life.thumbnails.get(step)
            if tile is None:
                painter.fillRect(place, QColor(look.raised))
            else:
                painter.drawImage(place, self._image(step, tile))
            text = epoch_text(self._epochs[step])
            width = painter.fontMetrics().horizontalAdvance(text)
            x = min(max(place.center().x() - width / 2, 0), self.width() - width)
            if x > end + 6:
                self._labelled[step] = QPointF(x, place.bottom() + 13)
                painter.setPen(QColor(look.muted))
                painter.drawText(self._labelled[step], text)
                end = x + width

    def _image(self, step: int, tile: NDArray[np.uint8]) -> QImage:
        held = self._pixels.get(step)
        if held is None or held[0] is not tile:
            side = tile.shape[1]
            lines = np.zeros((len(tile), -(-side // 4) * 4), np.uint8)  # lines of an image end on four bytes
            lines[:, :side] = tile
            image = QImage(lines.data, side, len(tile), lines.shape[1], QImage.Format.Format_Indexed8)
            image.setColorTable([qRgb(*row) for row in theme.colour_table().tolist()])
            self._pixels = {s: kept for s, kept in self._pixels.items() if s in self._steps}
            held = self._pixels[step] = tile, image.convertToFormat(QImage.Format.Format_RGB32)
        return held[1]

    def _paint_band(self, painter: QPainter) -> None:
        look, life, band = theme.current(), self._life, self._band()
        assert life is not None
        painter.setPen(QPen(QColor(look.border), 1))
        painter.drawLine(band.bottomLeft(), band.bottomRight())
        if life.trouble:
            painter.setPen(QColor(look.muted))
            text = painter.fontMetrics().elidedText(life.trouble, Qt.TextElideMode.ElideRight, int(band.width()))
            painter.drawText(band, Qt.AlignmentFlag.AlignCenter, text)
            return
        painter.drawPixmap(band.topLeft(), self._bars(life, band))
        line = QPen(QColor(look.text), 1)
        line.setDashPattern([3, 3])
        painter.setPen(line)
        y = band.bottom() - THRESHOLD * band.height()
        painter.drawLine(QPointF(band.left(), y), QPointF(band.right(), y))

    def _bars(self, life: Life, band: QRectF) -> QPixmap:
        """The band's bars, painted once for what is known."""
        ratio = self.devicePixelRatioF()
        colours = {k: self._colour(k) for k in set(life.frequency.tolist())}
        key = (life.fve, band, ratio, colours, len(self._epochs))
        if self._painted is None or self._painted[0][0] is not life.fve or self._painted[0][1:] != key[1:]:
            sheet = QPixmap((band.size() * ratio).toSize() + QSize(1, 1))
            sheet.setDevicePixelRatio(ratio)
            sheet.fill(Qt.GlobalColor.transparent)
            painter = QPainter(sheet)
            painter.translate(-band.topLeft())
            each = zip(self._edges(life.epochs), life.frequency.tolist(), life.fve.tolist(), strict=True)
            for (begin, end), k, fve in each:
                high = band.height() * fve
                painter.fillRect(QRectF(begin, band.bottom() - high, end - begin, high), colours[k])
            painter.end()
            self._painted = key, sheet
        return self._painted[1]

    def _edges(self, epochs: Ints) -> list[tuple[float, float]]:
        """From where to where each known epoch is drawn: half way to its neighbours, at most half a checkpoint."""
        n = len(self._epochs)
        left, right = self._ends()
        places = np.interp(epochs, self._epochs, np.arange(n)) if n > 1 else np.full(len(epochs), 0.0)
        if not len(places):
            return []
        half = np.minimum(np.diff(places), 1.0) / 2
        low, high = np.concatenate([[0.5], half]), np.concatenate([half, [0.5]])
        wide = (right - left) / max(1, n - 1)
        begin, end = left + (places - low) * wide, left + (places + high) * wide
        return list(zip(np.maximum(begin, left).tolist(), np.minimum(end, right).tolist(), strict=True))

    def _paint_marks(self, painter: QPainter) -> None:
        """A triangle below the band, and its name beside it where it fits."""
        life, look, band = self._life, theme.current(), self._band()
        assert life is not None
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        marks = [("settled", life.settled, life.settled_known), ("committed", life.committed, life.committed_known)]
        shown = [(name, epoch) for name, epoch, known in marks if epoch is not None and known]
        shown.sort(key=lambda mark: mark[1])
        order = np.arange(len(self._epochs))
        places = [self.place_of(float(np.interp(epoch, self._epochs, order))) for _, epoch in shown]
        y, end = band.bottom() + 3, -1e9
        for (name, epoch), x in zip(shown, places, strict=True):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(look.text))
            painter.drawPolygon(QPolygonF([QPointF(x, y), QPointF(x - 4, y + 7), QPointF(x + 4, y + 7)]))
            text = f"{name} {epoch_text(epoch)}"
            width = painter.fontMetrics().horizontalAdvance(text)
            after = min([self.width() + 4, *(other for other in places if other > x)]) - 4
            start = x + 7 if x + 7 + width <= after else x - 7 - width
            if start > end + 8:
                painter.setPen(QColor(look.muted))
                painter.drawText(QPointF(start, y + 10), text)
                end = start + width
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    # -- events --------------------------------------------------------------------------------------------

    def _step_under(self, at: QPointF) -> int | None:
        """A thumbnail's step, or the checkpoint nearest on the band."""
        if not len(self._epochs):
            return None
        inside = next((step for step in self._steps if self._thumbnail(step).contains(at.toPoint())), None)
        if inside is not None and self.thumbnail_side:
            return inside
        return self.step_at(at.x()) if at.y() >= self._band().top() - 2 else None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        step = self._step_under(event.position())
        if step is not None and event.button() == Qt.MouseButton.LeftButton:
            self.wanted.emit(step)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        step = self._step_under(event.position())
        on_band = event.position().y() >= self._band().top() - 2
        if event.buttons() & Qt.MouseButton.LeftButton and on_band and step is not None:
            self.wanted.emit(step)
        self.setCursor(Qt.CursorShape.ArrowCursor if step is None else Qt.CursorShape.PointingHandCursor)
        self.hovered.emit(step)

    def leaveEvent(self, event: object) -> None:
        self.hovered.emit(None)
