"""A neuron's life over training: looked up in parts, and drawn as a strip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF, qRgb
from PySide6.QtWidgets import QSizePolicy, QWidget

from app import theme
from app.compute import Answer, Compute, Query
from app.numbers import epoch_text
from app.session import NeuronId
from engine.analysis.characters import NoBasis, characters
from engine.analysis.neuron import life_of
from engine.analysis.neuron_page import neuron_life, neuron_thumbnails, traced_life
from engine.analysis.neurons import THRESHOLD
from engine.runfile import Run
from engine.traces import Traces

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_PART = 2  # checkpoints looked up at a time: some milliseconds each
THUMBNAILS = 12  # at most
_LABEL, _BAND, _SMALL = 15, 26, 26 + 16  # pixels: a line of text, the band, the strip without thumbnails


class Life(QObject):
    """Best frequency and FVE of a neuron at every checkpoint, and thumbnails, while nobody waits for anything.

    What the traces hold comes first, then the rest from the last checkpoint back.
    epochs, frequency, fve : what is known so far, ascending      settled, committed : as in `NeuronBiography`
    settled_known, committed_known : whether nothing that is still missing could change them
    awaits_traces : whether they are to come: those of a bundled run know of checkpoints that were not shipped
    thumbnails : step -> (size, size) uint8      trouble : why there is no frequency
    """

    changed = Signal()

    def __init__(self, compute: Compute, parent: QObject) -> None:
        super().__init__(parent)
        self.compute = compute
        self._who: tuple[Run, int, int] | None = None
        self._n: int
        self._running = False
        self._queries: dict[str, Query]  # on their way, by what they are for
        self._missing: list[int]  # steps, ascending
        self._found: dict[int, tuple[int, float]]  # k and FVE by epoch
        self._traces: Traces | None  # to be looked into
        self._seen: Traces | None  # looked into
        self._look: tuple[int, int]  # layout step and pixels of the thumbnails
        self._wanted: tuple[int, ...]
        self.thumbnails: dict[int, NDArray[np.uint8]]
        self.settled: int | None
        self.committed: int | None
        self._begin()
        compute.answered.connect(self._receive)

    @property
    def known(self) -> bool:
        """Whether settled and committed are what they will be."""
        return bool(self.trouble) or (self.settled_known and self.committed_known)

    @property
    def settled_known(self) -> bool:
        return self._settled_known and not self.awaits_traces

    @property
    def committed_known(self) -> bool:
        return self._committed_known and not self.awaits_traces

    @property
    def untraced(self) -> bool:
        """Whether no traces have told of it."""
        return self._seen is None or self._traces is not None

    @property
    def complete(self) -> bool:
        return bool(self.trouble) or not self._missing

    def look_at(self, run: Run, n_checkpoints: int, neuron: NeuronId, traces: Traces | None) -> None:
        """Begin with another neuron; go on with the same one where there is more to know."""
        who = (run, *neuron)
        same = self._who is not None and who == self._who and self._who[0] is run
        fresh = None if run.grows or traces is self._seen else traces
        if same and n_checkpoints == self._n and fresh is None:
            return
        if not same:
            self._begin()
            self._who = who
            try:
                characters(run.config)
            except NoBasis as error:
                self.trouble = str(error)
        before, self._n = self._n, n_checkpoints
        self._missing += range(before, n_checkpoints)
        if fresh is not None:
            self._traces = self._seen = fresh
        self._judge()
        self._go_on()

    def show_thumbnails(self, steps: tuple[int, ...], layout_step: int, pixels: int) -> None:
        """Which thumbnails are wanted, in whose axes and colours, how large."""
        look = (layout_step, pixels)
        if look != self._look:
            self._look, self.thumbnails = look, {}
        self._wanted = steps
        self._go_on()

    def _begin(self) -> None:
        self._n = 0
        self._queries, self._missing, self._found = {}, [], {}
        self._traces = self._seen = None
        self._look, self._wanted, self.thumbnails = (-1, 0), (), {}
        self.trouble = ""
        self.epochs, self.frequency, self.fve = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        self.settled = self.committed = None
        self._settled_known = self._committed_known = self.awaits_traces = False

    # -- asking --------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Ask for the next parts; inside an answer from the cache, the one who asked goes on."""
        if self._running:
            return
        self._running = True
        again = True
        while again and self._who is not None:
            again = False
            for name, part in (("life", self._next_part), ("look", self._next_thumbnails)):
                if name not in self._queries and (query := part()) is not None:
                    self._queries[name] = query
                    self.compute.ask((self, name), query, urgent=False)
                    again = again or name not in self._queries  # it was known already
        self._running = False

    def _next_part(self) -> Query | None:
        assert self._who is not None
        run, layer, index = self._who
        if self.trouble:
            return None
        if self._traces is not None:
            return Query(traced_life, (run, self._traces, self._n, layer, index))
        if not self._missing:
            return None
        quick = run.config.n_layers == 1 and not run.config.layer_norm
        stop = start = self._missing[-1] + 1
        for step in reversed(self._missing[-(_PART if quick else 1) :]):
            if step != start - 1:
                break
            start = step
        return Query(neuron_life, (run, layer, index, start, stop))

    def _next_thumbnails(self) -> Query | None:
        assert self._who is not None
        missing = [step for step in self._wanted if step not in self.thumbnails]
        if not missing:
            return None
        run, layer, index = self._who
        layout_step, pixels = self._look
        return Query(neuron_thumbnails, (run, layer, index, tuple(missing[:_PART]), layout_step, pixels))

    def _receive(self, query: Query, answer: Answer) -> None:
        if query == self._queries.get("life"):
            del self._queries["life"]
            self._take_life(query, answer)
        elif query == self._queries.get("look"):
            del self._queries["look"]
            steps: tuple[int, ...] = query.args[3]  # type: ignore[assignment]
            none = np.zeros((len(steps), 1, 1), np.uint8)
            tiles = none if answer.error is not None else answer.value
            if (query.args[4], query.args[5]) == self._look:
                self.thumbnails |= dict(zip(steps, tiles, strict=True))
        else:
            return
        self.changed.emit()
        self._go_on()

    def _take_life(self, query: Query, answer: Answer) -> None:
        traced = query.analysis is traced_life
        if traced:
            self._traces, self.awaits_traces = None, False
        elif answer.error is not None:
            self.trouble = str(answer.error)
        if answer.value is not None:
            part = answer.value
            at = zip(part.frequency.tolist(), part.fve.tolist(), strict=True)
            self._found |= dict(zip(part.epochs.tolist(), at, strict=True))
        assert self._who is not None
        epochs = self._who[0].epochs
        self._missing = [step for step in self._missing if int(epochs[step]) not in self._found]
        self._judge()

    def _judge(self) -> None:
        """What is known, in order, and what follows."""
        if self._who is None or not self._n:
            return
        order = sorted(self._found)
        self.epochs = np.array(order, np.int64)
        self.frequency = np.array([self._found[e][0] for e in order], np.int64)
        self.fve = np.array([self._found[e][1] for e in order])
        epochs = self._who[0].epochs[: self._n]
        if self._missing and self._missing[-1] == self._n - 1:  # the newest: what was known holds until it is
            return
        since = int(epochs[self._missing[-1] + 1]) if self._missing else int(min(epochs[0], self.epochs[0]))
        tail = self.epochs >= since
        life = life_of(self.epochs[tail], self.frequency[tail], self.fve[tail], np.zeros(int(tail.sum())))
        self.settled, self.committed = life.settled, life.committed
        self._settled_known = not self._missing or self.settled != since
        self._committed_known = not self._missing or self.committed != since


def thumbnail_steps(n: int, room: int, growing: bool) -> tuple[int, ...]:
    """At most `room` checkpoints, evenly over all n; of a growing run at round steps, so that few change with it."""
    if n <= room:
        return tuple(range(n))
    if not growing:
        return tuple(np.unique(np.round(np.linspace(0, n - 1, room)).astype(int)).tolist())
    stride = next(m * 10**i for i in range(9) for m in (1, 2, 5) if (n - 1) // (m * 10**i) < room)
    return tuple(range(0, n, stride))


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
        self._pixels: dict[int, tuple[NDArray[np.uint8], QImage]] = {}
        self.setMouseTracking(True)
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
        if self._life is None or not len(self._epochs):
            return
        painter = QPainter(self)
        font = QFont(self.font())
        font.setPixelSize(11)
        painter.setFont(font)
        if self.thumbnail_side:
            self._paint_thumbnails(painter)
        self._paint_band(painter)
        self._paint_marks(painter)
        x = self.place_of(self._step)
        painter.setPen(QPen(QColor(theme.current().accent), 1.5))
        band = self._band()
        painter.drawLine(QPointF(x, band.top() - 2), QPointF(x, band.bottom() + 2))

    def _paint_thumbnails(self, painter: QPainter) -> None:
        look, life, end = theme.current(), self._life, -1e9
        assert life is not None
        for step in self._steps:
            place = self._thumbnail(step)
            tile = life.thumbnails.get(step)
            if tile is None:
                painter.fillRect(place, QColor(look.raised))
            else:
                painter.drawImage(place, self._image(step, tile))
            here = step == self._step
            if here:
                painter.setPen(QPen(QColor(look.accent), 2))
                painter.drawRect(place.adjusted(-1, -1, 0, 0))
            text = epoch_text(self._epochs[step])
            width = painter.fontMetrics().horizontalAdvance(text)
            x = min(max(place.center().x() - width / 2, 0), self.width() - width)
            if x > end + 6:
                painter.setPen(QColor(look.text if here else look.muted))
                painter.drawText(QPointF(x, place.bottom() + 13), text)
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
        end = -1e9
        marks = [("settled", life.settled, life.settled_known), ("committed", life.committed, life.committed_known)]
        for name, epoch, known in sorted((m for m in marks if m[1] is not None and m[2]), key=lambda m: m[1] or 0):
            assert epoch is not None
            assert known
            x = self.place_of(float(np.interp(epoch, self._epochs, np.arange(len(self._epochs)))))
            y = band.bottom() + 3
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(look.text))
            painter.drawPolygon(QPolygonF([QPointF(x, y), QPointF(x - 4, y + 7), QPointF(x + 4, y + 7)]))
            text = f"{name} {epoch_text(epoch)}"
            width = painter.fontMetrics().horizontalAdvance(text)
            start = x + 7 if x + 7 + width <= self.width() else x - 7 - width
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
