"""How the clock is painted: the faces, the cosines of every output, their sum."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from app import theme
from app.views.painting import backed_text, draw_boxes, draw_discs, draw_lines, font, text_width
from app.views.still import Still
from engine.analysis.clock import Clock, Dial

Floats = NDArray[np.float64]
EMBED, ROTATE, READ, SUM = 1, 2, 3, 4  # stages
PENDING = "…"
HEAD = 18.0  # pixels over a face, over the rows and over the sum
_AXIS = 16.0  # under the sum
_GAP = 6.0
_WORDS = 9.0  # pixels of a row from which it carries words
_ROOMY = 96.0  # pixels of a face from which it carries names
HAND = 0.8  # of the rim's radius: one on the circle of W_E
_APART = 26  # pixels between two numbers at the rim
_TICK = 1.17  # how far the longest tick of an output reaches, in radii of the rim
CENTRE, _LEFT, _RIGHT = Qt.AlignmentFlag.AlignCenter, Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
_MIDDLE = Qt.AlignmentFlag.AlignVCenter
_SOLID, _DASHED, _DOTTED = Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine


@dataclass(frozen=True, eq=False)
class Picture:
    """What the canvas paints.

    exact : the same in float64, for printed numbers; None until it is known     shown : the frequencies with a face
    stage : 1 to 4; 0: all at once
    """

    clock: Clock
    exact: Clock | None
    shown: tuple[int, ...]
    selected: int | None
    symbol: str
    stage: int


@dataclass(frozen=True)
class Hit:
    """What is under the pointer.

    k : the clock or row, None: the sum     c : index of the output     hand : of what it would take hold, 0 a, 1 b
    """

    k: int | None
    c: int | None = None
    hand: int | None = None


@dataclass(frozen=True)
class Regions:
    """Where things are: a rectangle a face, a row and the sum; all rows and the sum share their columns.

    key : the line that explains the hands, empty where there is no room     left, right : beside rows and sum
    """

    faces: list[QRectF]
    rows: list[QRectF]
    total: QRectF
    key: QRectF
    legends: bool
    left: float
    right: float


def regions(width: float, height: float, m: int) -> Regions:
    """Faces in the one, two or three lines that make them largest, rows beneath, the sum at the foot."""
    legends = height >= 250
    key = HEAD if height >= 330 and m else 0.0
    left, right = (52.0, 56.0) if width >= 560 else (38.0, 42.0)
    head = HEAD if legends else 0.0
    room = height - key - 2 * head - _AXIS - 2 * _GAP

    def side_in(lines: int) -> float:
        high = (0.5 if legends else 0.42) * (room - lines * HEAD) / lines
        return max(8.0, min(high, width / math.ceil(m / lines) - 4, 280.0))

    lines = max((1, 2, 3), key=lambda lines: side_in(lines) / (1 + 0.1 * lines)) if m else 1
    columns, side = (math.ceil(m / lines), side_in(lines)) if m else (1, 0.0)
    free = max(60.0, room - lines * HEAD * bool(m))
    row = min(30.0, max(_WORDS, 0.5 * (free - lines * side) / m), 0.3 * free / m) if m else 0.0
    faces = []
    for index in range(m):
        line, column = divmod(index, columns)
        cell = width / min(columns, m - line * columns)
        x = (column + 0.5) * cell - side / 2
        faces.append(QRectF(x, key + line * (side + HEAD) + HEAD, side, side))
    y = key + (lines * (side + HEAD) + _GAP + head if m else 0.0)
    rows = [QRectF(left, y + index * row, width - left - right, row) for index in range(m)]
    y += m * row + _GAP + head
    total = QRectF(left, y, width - left - right, max(24.0, height - y - _AXIS))
    return Regions(faces, rows, total, QRectF(0, 0, width, key), legends, left, right)


def toward(centre: QPointF, turn: float, length: float) -> QPointF:
    """A way out from the centre; turns go from the top, as a clock's hands do."""
    angle = 2 * math.pi * turn
    return QPointF(centre.x() + length * math.sin(angle), centre.y() - length * math.cos(angle))


def rim_radius(face: QRectF) -> float:
    """Of the rim: outside it stand the ticks of the outputs and the number of the answer."""
    side = face.width()
    return (side / 2 - (12 if side >= _ROOMY else 2)) / _TICK


def _faded(colour: QColor | str, share: float) -> QColor:
    """A colour mixed into the panel: what transparency would look like, at less cost."""
    return _mixed(QColor(colour).rgba(), QColor(theme.current().panel).rgba(), share)


@lru_cache(maxsize=256)
def _mixed(front: int, back: int, share: float) -> QColor:
    over, under = QColor.fromRgba(front), QColor.fromRgba(back)
    pairs = ((over.red(), under.red()), (over.green(), under.green()), (over.blue(), under.blue()))
    return QColor(*(round(share * f + (1 - share) * b) for f, b in pairs))


def _nice(value: float) -> float:
    """1, 2 or 5 times a power of ten, at most the value."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next((x for x in (5 * power, 2 * power) if x <= value * (1 + 1e-9)), power)


@dataclass(frozen=True, eq=False)
class Painting:
    """One painting of a picture."""

    painter: QPainter
    picture: Picture
    dial: Dial
    there: Regions
    hit: Hit | None

    def paint(self, still: Still, size: QSize) -> None:
        """still : keeps what is the same at all checkpoints"""
        there, shown = self.there, self.picture.shown
        still.paint(
            self.painter, size, self._still_key(), lambda painter: replace(self, painter=painter)._paint_still()
        )
        for k, face in zip(shown, there.faces, strict=True):
            self._own(k, face.center(), rim_radius(face), face.width() >= _ROOMY)
        for k, row in zip(shown, there.rows, strict=True):
            self._row(k, row)
        self._total(there.total)
        if there.legends:
            self._explained()

    def _still_key(self) -> Hashable:
        """What the part that stands still depends on: the pair, not the checkpoint."""
        p, d = self.picture, self.dial
        keys = p.clock.keys, p.clock.pinned.final, p.shown, p.selected, p.symbol, p.stage
        where = d.i, d.j, d.s, d.n, d.sign, d.generator, d.logit_limit, tuple(self._named)
        return theme.current().name, keys, where, None if self.hit is None else self.hit.k

    def _paint_still(self) -> None:
        """Faces, hands, words, axes, the cosines themselves."""
        there, shown = self.there, self.picture.shown
        self.painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for k, face in zip(shown, there.faces, strict=True):
            self._face(k, face)
        if there.key.height():
            self._key(there.key)
        if there.legends:
            self._legends()
        self._columns()
        for k, row in zip(shown, there.rows, strict=True):
            self._cosines(k, row)
        self._stage(SUM)
        self._axes(there.total, *self._scale(there.total))

    def _stage(self, stage: int) -> None:
        """What follows is part of a stage: what is not its turn stands back."""
        now = self.picture.stage
        self.painter.setOpacity(1.0 if now in (0, stage) else 0.45 if stage < now else 0.1)

    def _colour(self, k: int) -> QColor:
        keys = self.picture.clock.keys
        return theme.frequency_colour(k, keys) if k in keys else QColor(theme.current().accent)

    @cached_property
    def _named(self) -> list[tuple[int, int, str]]:
        """The outputs that stand out, with place and colour: what the model says where it is wrong, and the answer."""
        clock, look = self.picture.clock, theme.current()
        found = [(clock.said, look.answer_wrong)] if clock.said != clock.answer else []
        if clock.answer is not None:
            found.append((clock.answer, look.answer_right))
        places = {int(residue): place for place, residue in enumerate(self.dial.elements)}
        return [(residue, places[residue], colour) for residue, colour in found if residue in places]

    def _text(
        self, box: QRectF, flags: Qt.AlignmentFlag, text: str, colour: QColor | str, size: int, bold: bool
    ) -> None:
        self.painter.setFont(font(size, bold))
        self.painter.setPen(QColor(colour))
        self.painter.drawText(box, flags | _MIDDLE, text)

    def _number_at(self, at: QPointF, text: str) -> None:
        self.painter.setFont(font(11, bold=True))
        box = QRectF(0, 0, text_width(text, 11, bold=True) + 4, 13)
        box.moveCenter(at)
        backed_text(self.painter, box, text, QColor(theme.current().text))

    # -- a clock -------------------------------------------------------------------------------------------

    def _face(self, k: int, face: QRectF) -> None:
        self._face_title(k, face)
        radius, centre, roomy = rim_radius(face), face.center(), face.width() >= _ROOMY
        self._rim(k, centre, radius)
        self._wedges(k, centre, radius)
        self._hands(k, centre, radius, roomy)
        if roomy:
            self._name_hands(k, centre, radius)
            self._stage(READ)
            at = [
                toward(centre, k * place % self.dial.n / self.dial.n, _TICK * radius + 7) for _, place, _ in self._named
            ]
            for (residue, _, _), here in zip(self._named, at, strict=True):  # the answer last: it stays readable
                if here is at[-1] or (here - at[-1]).manhattanLength() > _APART:
                    self._number_at(here, str(residue))

    def _face_title(self, k: int, face: QRectF) -> None:
        painter, look, picture = self.painter, theme.current(), self.picture
        painter.setOpacity(1)
        kind = " · no key" if k not in picture.clock.keys else "" if picture.clock.pinned.final else " ?"
        text = f"k = {k}{kind}"
        wide = text_width(text, 13, bold=True) + 14
        box = QRectF(face.center().x() - wide / 2, face.top() - HEAD, wide, HEAD)
        chosen = k == picture.selected
        if chosen or (self.hit is not None and self.hit.k == k):
            painter.setPen(QPen(QColor(look.accent if chosen else look.border), 1.2))
            painter.setBrush(QColor(look.raised))
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        self._text(box, CENTRE, text, self._colour(k), 13, True)

    def _rim(self, k: int, centre: QPointF, radius: float) -> None:
        """A tick an output, the longer the nearer to the hand of the answer."""
        painter, look, dial = self.painter, theme.current(), self.dial
        self._stage(EMBED)
        painter.setPen(QPen(QColor(look.border), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(centre, radius, radius)
        painter.setPen(QPen(QColor(look.muted), 1.4))
        painter.drawLine(toward(centre, 0, radius), toward(centre, 0, radius - 5))
        self._stage(READ)
        inner, cosines = 1.03 * radius, dial.cosines(k)
        turns = k * np.arange(dial.n) % dial.n / dial.n
        outer = inner + (_TICK * radius - inner) * (0.12 + 0.88 * (1 + cosines) / 2)
        ways = np.stack([np.sin(2 * np.pi * turns), -np.cos(2 * np.pi * turns)], axis=1)
        centred = np.array([centre.x(), centre.y()])
        ends = np.concatenate([centred + inner * ways, centred + outer[:, None] * ways], axis=1)
        width = max(0.8, min(2.5, 3.6 * radius / dial.n))
        for low, high, strength in ((-2.0, 0.0, 0.35), (0.0, 0.8, 0.65), (0.8, 2.0, 1.0)):
            painter.setPen(QPen(_faded(self._colour(k), strength), width))
            draw_lines(painter, ends[(cosines > low) & (cosines <= high)])
        for _, place, colour in self._named:
            painter.setPen(QPen(QColor(colour), 3))
            turn = float(turns[place])
            painter.drawLine(toward(centre, turn, inner), toward(centre, turn, _TICK * radius))

    def _wedges(self, k: int, centre: QPointF, radius: float) -> None:
        """The turn to a, and from there the turn by b."""
        painter, look, dial = self.painter, theme.current(), self.dial
        first, second = (k * place % dial.n / dial.n for place in (dial.i, dial.j))
        parts = (
            (EMBED, 0.0, first, 0.3, QColor(look.text), 0.12),
            (ROTATE, first, dial.sign * second, 0.46, self._colour(k), 0.28),
        )
        for stage, start, span, size, colour, alpha in parts:
            self._stage(stage)
            reach = size * radius
            box = QRectF(centre.x() - reach, centre.y() - reach, 2 * reach, 2 * reach)
            begin, length = round(16 * (90 - 360 * start)), round(-16 * 360 * span)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(_faded(colour, alpha))
            painter.drawPie(box, begin, length)
            painter.setPen(QPen(colour, 1.4))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawArc(box, begin, length)
            if abs(span) * 2 * math.pi * reach > 8:
                self._arrow(centre, reach, start + span, math.copysign(1, span), colour)

    def _arrow(self, centre: QPointF, reach: float, turn: float, way: float, colour: QColor) -> None:
        """The head at the end of an arc."""
        before = turn - way * 6 / (2 * math.pi * reach)
        corners = [
            toward(centre, turn, reach),
            toward(centre, before, reach + 3.2),
            toward(centre, before, reach - 3.2),
        ]
        self.painter.setPen(Qt.PenStyle.NoPen)
        self.painter.setBrush(colour)
        self.painter.drawPolygon(QPolygonF(corners))

    def _hands(self, k: int, centre: QPointF, radius: float, roomy: bool) -> None:
        painter, look, dial = self.painter, theme.current(), self.dial
        length = HAND * radius
        a, b, answer = (k * place % dial.n / dial.n for place in (dial.i, dial.j, dial.s))
        self._stage(ROTATE)
        painter.setPen(QPen(self._colour(k), 1.4))
        painter.drawLine(toward(centre, answer, length), toward(centre, answer, radius))
        painter.setPen(QPen(self._colour(k), 3.4 if roomy else 2.4, _SOLID, Qt.PenCapStyle.RoundCap))
        painter.drawLine(centre, toward(centre, answer, length))
        self._stage(EMBED)
        for turn, style in ((a, _SOLID), (b, _DASHED)):
            painter.setPen(QPen(QColor(look.text), 1.6, style))
            painter.drawLine(centre, toward(centre, turn, length))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(look.text))
        painter.drawEllipse(centre, 2.5, 2.5)

    def _name_hands(self, k: int, centre: QPointF, radius: float) -> None:
        """a and b, each on the side of its hand that is turned away from the other."""
        turns = [k * place % self.dial.n / self.dial.n for place in (self.dial.i, self.dial.j)]
        behind, reach = -1 if (turns[1] - turns[0]) % 1 < 0.5 else 1, 0.66 * radius
        self._stage(EMBED)
        for name, turn, side in zip("ab", turns, (behind, -behind), strict=True):
            self._number_at(toward(centre, turn + side * 10 / (2 * math.pi * reach), reach), name)

    def _own(self, k: int, centre: QPointF, radius: float, roomy: bool) -> None:
        """What the model has where the tips of the hands are: rings for its tokens, a disc for its logits."""
        painter, look, dial = self.painter, theme.current(), self.dial
        up, right = dial.spoken[k - 1].tolist()
        if up == up:
            self._stage(ROTATE)
            painter.setPen(QPen(QColor(look.panel), 1.5))
            painter.setBrush(self._colour(k))
            painter.drawEllipse(_spot(centre, HAND * radius, up, right), 5.4, 5.4)
        self._stage(EMBED)
        size = 4.4 if roomy else 3.2
        for (up, right), style in zip(dial.tokens[k - 1].tolist(), (_SOLID, _DOTTED), strict=True):
            painter.setPen(QPen(QColor(look.text), 1.8, style))
            painter.setBrush(QColor(look.panel))
            painter.drawEllipse(_spot(centre, HAND * radius, up, right), size, size)

    # -- words ---------------------------------------------------------------------------------------------

    def _key(self, line: QRectF) -> None:
        """What the hands and points are, each with its sample."""
        painter, look = self.painter, theme.current()
        painter.setOpacity(1)
        grey = QColor(look.muted)
        size = 12 if line.width() >= 560 else 11
        samples = [
            ("a", QPen(QColor(look.text), 1.6), ""),
            ("b", QPen(QColor(look.text), 1.6, _DASHED), ""),
            (self.picture.symbol, QPen(grey, 3.4, _SOLID, Qt.PenCapStyle.RoundCap), ""),
            ("its W_E" if size == 11 else "the model’s W_E", QPen(QColor(look.text), 1.8), "ring"),
            ("its logits" if size == 11 else "the model’s logits", QPen(Qt.PenStyle.NoPen), "disc"),
        ]
        wide = sum(30 + text_width(text, size) + (12 if size == 11 else 18) for text, _, _ in samples)
        x, y = line.left() + max(0.0, (line.width() - wide) / 2), line.center().y() - 1
        for text, pen, mark in samples:
            painter.setPen(pen)
            painter.setBrush(grey if mark == "disc" else Qt.BrushStyle.NoBrush)
            if mark:
                x += 10
                painter.drawEllipse(QPointF(x + 5, y), 4.6, 4.6)
                x += 16
            else:
                painter.drawLine(QPointF(x, y), QPointF(x + 22, y))
                x += 28
            self._text(QRectF(x, line.top() - 1, 200, line.height()), _LEFT, text, grey, size, False)
            x += text_width(text, size) + (12 if size == 11 else 18)

    def _legends(self) -> None:
        """What the rows and the sum show, over each."""
        look, there = theme.current(), self.there
        wide = there.total.width() + there.right - 2
        inside = "s − c" if self.dial.generator is not None else f"{self.picture.symbol} − c"
        cosine = f"cos 2πk({inside})/{self.dial.n}"
        if there.rows:
            self._stage(READ)
            line = QRectF(there.left, there.rows[0].top() - HEAD, wide, HEAD)
            texts = (f"{cosine} of every output c: faint; times the model’s α: solid", f"{cosine}; times α: solid")
            said = next((text for text in texts if text_width(text, 12) < wide - 40), texts[-1])
            self._text(line, _LEFT, said, look.muted, 12, False)
            self._text(line, _RIGHT, "α", look.muted, 12, False)
        self._stage(SUM)
        line = QRectF(there.left, there.total.top() - HEAD, wide, HEAD)
        own = "the model’s logits for this pair, less their mean"
        texts = (f"their sum: bars; {own}: points", "sum: bars, model: points")
        if not self.picture.clock.keys:
            texts = (own, "the model’s logits")
        room = wide - text_width("explained: 100.0 %", 12, bold=True) - 12
        said = next((text for text in texts if text_width(text, 12) < room), texts[-1])
        self._text(line, _LEFT, said, look.muted, 12, False)

    def _explained(self) -> None:
        """How much of the logits the sum is, over it."""
        there, exact = self.there, self.picture.exact
        if self.picture.clock.keys:
            known = None if exact is None else exact.dial
            share = f"explained: {PENDING if known is None else percent(known.explained)}"
            wide = there.total.width() + there.right - 2
            line = QRectF(there.left, there.total.top() - HEAD, wide, HEAD)
            self._stage(SUM)
            self._text(line, _RIGHT, share, theme.current().text, 12, True)

    # -- the outputs ---------------------------------------------------------------------------------------

    def _columns(self) -> None:
        """The answer, and what the model says in its place, through all rows."""
        painter, there = self.painter, self.there
        step = there.total.width() / self.dial.n
        wide = max(step, 4.0)
        spans = [(SUM, there.total.top(), there.total.bottom())]
        if there.rows:
            spans.append((READ, there.rows[0].top(), there.rows[-1].bottom()))
        for _, place, colour in self._named:
            x = there.total.left() + (place + 0.5) * step - wide / 2
            for stage, top, bottom in spans:
                self._stage(stage)
                painter.fillRect(QRectF(x, top, wide, bottom - top), _faded(colour, 0.4))

    def _cosines(self, k: int, row: QRectF) -> None:
        """cos w_k(s − c) of every output, and which k it is."""
        painter, look, there = self.painter, theme.current(), self.there
        self._stage(READ)
        if k == self.picture.selected or (self.hit is not None and self.hit.k == k):
            wash = QRectF(0, row.top(), there.left + row.width() + there.right, row.height())
            painter.fillRect(wash, _faded(look.muted, 0.14))
        reach = row.height() / 2 - 0.5
        self._bars(row, row.center().y(), reach * self.dial.cosines(k), _faded(self._colour(k), 0.27))
        if row.height() >= _WORDS:
            box = QRectF(0, row.top(), there.left - 6, row.height())
            self._text(box, _RIGHT, str(k), self._colour(k), _row_size(row), True)

    def _row(self, k: int, row: QRectF) -> None:
        """The same times the model's α."""
        dial, there, reach = self.dial, self.there, row.height() / 2 - 0.5
        self._stage(READ)
        weight = max(-1.0, min(1.0, float(dial.coefficient[k - 1]) / (1.25 * dial.coefficient_limit)))
        self._bars(row, row.center().y(), reach * weight * dial.cosines(k), self._colour(k))
        if row.height() >= _WORDS:
            known = None if self.picture.exact is None else self.picture.exact.dial
            said = PENDING if known is None else signed(known.coefficient[k - 1])
            box = QRectF(row.right(), row.top(), there.right - 2, row.height())
            self._text(box, _RIGHT, said, theme.current().muted, _row_size(row), False)

    def _bars(self, area: QRectF, middle: float, heights: Floats, colour: QColor) -> None:
        """A bar an output, up or down from a line."""
        step = area.width() / self.dial.n
        wide = max(1.0, 0.74 * step)
        left = area.left() + (step - wide) / 2
        x = left + step * np.arange(self.dial.n)
        boxes = np.stack([x, middle - np.maximum(heights, 0), np.full(self.dial.n, wide), np.abs(heights)], axis=1)
        self.painter.setPen(Qt.PenStyle.NoPen)
        self.painter.setBrush(colour)
        draw_boxes(self.painter, boxes[np.abs(heights) > 0.05])

    def _total(self, area: QRectF) -> None:
        """The sum of the weighted cosines, and the model's logits on the same axis."""
        painter, look, dial, clock = self.painter, theme.current(), self.dial, self.picture.clock
        self._stage(SUM)
        middle, unit, limit = self._scale(area)
        if clock.keys:
            total = np.clip(dial.total(clock.keys), -limit, limit)
            self._bars(area, middle, unit * total, _faded(look.generalising, 0.75))
        step = area.width() / dial.n
        size = min(2.6, max(1.6, 0.3 * step))
        y = middle - unit * np.clip(dial.logits, -limit, limit)
        spots = np.stack([area.left() + (np.arange(dial.n) + 0.5) * step, y], axis=1)
        draw_discs(painter, spots, size, (QColor(look.text).rgba(),), np.zeros(dial.n, np.int64))
        if self.hit is not None and self.hit.c is not None:
            x = area.left() + (self.hit.c + 0.5) * step
            top = self.there.rows[0].top() if self.there.rows else area.top()
            painter.setPen(QPen(QColor(look.muted), 1))
            painter.drawLine(QPointF(x, top), QPointF(x, area.bottom()))

    def _scale(self, area: QRectF) -> tuple[float, float, float]:
        """Pixel of zero, pixels a unit of the logits, and the largest that fits."""
        limit = 1.12 * self.dial.logit_limit
        return area.center().y(), area.height() / 2 / limit, limit

    def _axes(self, area: QRectF, middle: float, unit: float, limit: float) -> None:
        painter, look, dial = self.painter, theme.current(), self.dial
        painter.setPen(QPen(QColor(look.border), 1))
        painter.drawLine(QPointF(area.left(), middle), QPointF(area.right(), middle))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        step = _nice(limit / 1.1)
        for value in (-step, 0.0, step) if step * unit > 10 else (0.0,):
            box = QRectF(0, middle - value * unit - 7, self.there.left - 6, 14)
            self._text(box, _RIGHT, f"{value:g}".replace("-", "−"), look.muted, 11, False)
        name = "output c" if dial.generator is None else f"output c, by log to base {dial.generator}"
        below = QRectF(area.left(), area.bottom() + 1, area.width(), _AXIS - 1)
        self._text(below, _RIGHT, name, look.muted, 11, False)
        room = area.right() - text_width(name, 11) - 8
        column = area.width() / dial.n
        for c in range(0, dial.n, max(1, int(_nice(60 / column)))):
            box = QRectF(area.left() + (c + 0.5) * column - 18, below.top(), 36, below.height())
            if box.right() < room:
                self._text(box, CENTRE, str(dial.elements[c]), look.muted, 11, False)


def _row_size(row: QRectF) -> int:
    """Of a row's words."""
    return 12 if row.height() >= 13 else 10


def _spot(centre: QPointF, unit: float, up: float, right: float) -> QPointF:
    """A point of a face, kept on it."""
    size = max(1.0, math.hypot(up, right) / 1.3)
    return QPointF(centre.x() + unit * right / size, centre.y() - unit * up / size)


def percent(share: float) -> str:
    """Nothing where a constant would explain more."""
    return f"{100 * share:.1f} %" if share > 0 else "nothing"


def signed(value: float, digits: int = 2) -> str:
    """A true minus; no −0."""
    return f"{round(float(value), digits) + 0.0:.{digits}f}".replace("-", "−")
