"""How the embedding circles are painted, and what is met on them."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from app import theme
from app.theme import SPACE
from app.views.names import NAME_HEIGHT, Box, place_name
from app.views.painting import Stamps, backed_text, draw_discs, draw_lines, draw_stamps, font, text_width
from app.views.still import Still, on_panel, stand_on_panel
from engine.analysis.circles import ROOM, Circles

Points = NDArray[np.float64]
_TITLE = 22  # pixels above a circle
_EDGE = 5  # pixels between a panel's frame and the outermost points
_NARROW = 220  # pixels of a panel below which names stand without their tokens
_REACH = 10.0  # pixels from which a point is met
_NICE = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


@dataclass(frozen=True)
class Mark:
    """A token that is shown on every circle, and what it is called."""

    token: int
    name: str

    @property
    def text(self) -> str:
        return f"{self.name} = {self.token}"


@dataclass(frozen=True, eq=False)
class Picture:
    """What the canvas paints."""

    circles: Circles
    shown: tuple[int, ...]
    selected: int | None
    marks: tuple[Mark, ...]
    by_value: bool
    lines: bool


@dataclass(frozen=True)
class Hit:
    """What is under the pointer: a token on the circle of k; None: its title."""

    k: int
    token: int | None


class CirclesCanvas(QWidget):
    """All circles, painted at once.

    hovered : `Hit` or None     token_clicked : token, whether it is meant as b     stepped : to the next frequency
    """

    hovered = Signal(object)
    token_clicked = Signal(int, bool)
    frequency_clicked = Signal(int)
    stepped = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("circles.canvas")
        self.setAccessibleName("Embedding circles; left and right select a key frequency")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self._picture: Picture | None = None
        self._hit: Hit | None = None
        self._frames = Still()
        self._laid_out: tuple[Hashable, list[tuple[int, QRectF]]] = (None, [])
        self._coloured: tuple[Hashable, NDArray[np.int64]] = (None, np.zeros(0, np.int64))
        stand_on_panel(self)

    def show_picture(self, picture: Picture) -> None:
        self._picture = picture
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(420, 360)

    def minimumSizeHint(self) -> QSize:
        return QSize(140, 120)

    # -- where things are ----------------------------------------------------------------------------------

    def cells(self) -> list[tuple[int, QRectF]]:
        """A rectangle a panel, its title in the upper `_TITLE` pixels: the grid whose circles are largest."""
        if self._picture is None:
            return []
        key = self._picture.shown, self.width(), self.height()
        if key != self._laid_out[0]:
            self._laid_out = key, self._lay_out(*key)
        return self._laid_out[1]

    def _lay_out(self, shown: tuple[int, ...], width: int, height: int) -> list[tuple[int, QRectF]]:
        m = len(shown)

        def side(columns: int) -> float:
            return min(width / columns, height / math.ceil(m / columns) - _TITLE)

        columns = max(range(1, m + 1), key=side)
        rows = math.ceil(m / columns)
        cell_width, cell_height = width / columns, height / rows
        made = []
        for index, k in enumerate(shown):
            row, column = divmod(index, columns)
            missing = columns * rows - m if row == rows - 1 else 0  # the last row stands in the middle
            x = (column + missing / 2) * cell_width
            made.append((k, QRectF(x, row * cell_height, cell_width, cell_height).adjusted(3, 3, -3, -3)))
        return made

    def place(self, cell: QRectF) -> tuple[QPointF, float]:
        """Centre of a cell's circle, and pixels a unit of radius."""
        assert self._picture is not None
        area = cell.adjusted(0, _TITLE, 0, 0)
        side = min(area.width(), area.height()) - 6
        return area.center(), max(8.0, side / 2) / self._picture.circles.scale

    def spots(self, k: int, cell: QRectF) -> Points:
        """Pixels of every residue's point, kept inside the cell.  (n, 2)"""
        assert self._picture is not None
        return self._on_screen(self._picture.circles.points[k - 1], cell)

    def _on_screen(self, points: Points, cell: QRectF) -> Points:
        centre, unit = self.place(cell)
        x = np.clip(centre.x() + unit * points[:, 1], cell.left() + _EDGE, cell.right() - _EDGE)
        y = np.clip(centre.y() - unit * points[:, 0], cell.top() + _TITLE, cell.bottom() - _EDGE)
        return np.stack([x, y], axis=1)

    def hit(self, at: QPointF) -> Hit | None:
        """What is at a place."""
        for k, cell in self.cells():
            if not cell.contains(at):
                continue
            if at.y() < cell.top() + _TITLE:
                return Hit(k, None)
            assert self._picture is not None
            spots = self.spots(k, cell)
            distance = np.hypot(spots[:, 0] - at.x(), spots[:, 1] - at.y())
            nearest = int(distance.argmin())
            zero = self._picture.circles.zero
            if zero is not None:
                spot = self._on_screen(zero[k - 1][None], cell)[0]
                if math.hypot(spot[0] - at.x(), spot[1] - at.y()) < min(_REACH, float(distance[nearest])):
                    return Hit(k, 0)
            return Hit(k, int(self._picture.circles.elements[nearest])) if distance[nearest] < _REACH else None
        return None

    # -- the pointer and the keys --------------------------------------------------------------------------

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._point_at(self.hit(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        self._point_at(None)

    def _point_at(self, hit: Hit | None) -> None:
        if hit != self._hit:
            self._hit = hit
            self.setCursor(Qt.CursorShape.ArrowCursor if hit is None else Qt.CursorShape.PointingHandCursor)
            self.hovered.emit(hit)
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        hit = self.hit(event.position())
        if event.button() != Qt.MouseButton.LeftButton or hit is None:
            super().mousePressEvent(event)
        elif hit.token is None:
            self.frequency_clicked.emit(hit.k)
        else:
            self.token_clicked.emit(hit.token, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Escape: 0}
        if event.key() in steps:
            self.stepped.emit(steps[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    # -- the picture ---------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = on_panel(self, event)
        if self._picture is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        cells = self.cells()
        self._frames.paint(painter, self.size(), self._frames_key(), partial(self._paint_frames, cells))
        if cells:
            self._paint_model(painter, cells)
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.current().accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)

    def _frames_key(self) -> Hashable:
        """What the frames depend on: not on the checkpoint."""
        picture = self._picture
        assert picture is not None
        c = picture.circles
        rings = tuple(float(c.ring[k - 1]) for k in picture.shown)
        hit = self._hit.k if self._hit is not None and self._hit.token is None else None
        return theme.current().name, picture.shown, picture.selected, c.pinned, c.keys, c.n, rings, c.scale, hit

    def _paint_frames(self, cells: list[tuple[int, QRectF]], painter: QPainter) -> None:
        """What stands still while one scrubs: frames, names, axes, rings, the scale."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for k, cell in cells:
            self._paint_frame(painter, k, cell)
        if cells:
            self._paint_scale(painter, cells[0][1])

    def _paint_frame(self, painter: QPainter, k: int, cell: QRectF) -> None:
        picture = self._picture
        assert picture is not None
        look = theme.current()
        self._paint_name(painter, k, cell)
        centre, unit = self.place(cell)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        radius = float(picture.circles.ring[k - 1]) * unit
        painter.setPen(QPen(QColor(look.border), 1))
        for dx, dy in ((1, 0), (0, 1)):
            reach = 1.12 * radius
            painter.drawLine(centre - QPointF(dx, dy) * reach, centre + QPointF(dx, dy) * reach)
        ring = QPen(QColor(look.faint), 1, Qt.PenStyle.CustomDashLine)
        ring.setDashPattern([2, 4])
        painter.setPen(ring)
        if 2 * k != picture.circles.n:
            painter.drawEllipse(centre, radius, radius)

    def _paint_model(self, painter: QPainter, cells: list[tuple[int, QRectF]]) -> None:
        """What the checkpoint changes, of all panels together."""
        picture = self._picture
        assert picture is not None
        painter.setFont(font(12))
        painter.setPen(QColor(theme.current().muted))
        for k, cell in cells:
            self._paint_share(painter, k, cell)
        low, high, centre, unit = self._frames_of(cells)
        points = picture.circles.points[[k - 1 for k, _ in cells]]  # (m, n, 2)
        spots = np.clip(centre + unit * (points[:, :, ::-1] * (1, -1)), low, high)
        size = self._dot_size(unit)
        if picture.lines:
            for (k, _), own in zip(cells, spots, strict=True):
                self._paint_lines(painter, k, own)
        for index, mark in enumerate(picture.marks):
            i = picture.circles.place_of(mark.token)
            if i is not None:
                painter.setPen(_hand_pen(index))
                draw_lines(painter, np.concatenate([centre[:, 0], spots[:, i]], axis=1))
        out = np.asarray(((spots <= low) | (spots >= high)).any(axis=2))
        self._paint_points(painter, cells, spots, out, size)
        self._paint_marks(painter, [cell for _, cell in cells], centre[:, 0], spots, size)

    def _frames_of(self, cells: list[tuple[int, QRectF]]) -> tuple[Points, Points, Points, float]:
        """Smallest and largest pixel of the points, the centre, each (m, 1, 2); pixels a unit of radius."""
        room = [cell.adjusted(_EDGE, _TITLE, -_EDGE, -_EDGE) for _, cell in cells]
        placed = [self.place(cell) for _, cell in cells]
        low = np.array([[[r.left(), r.top()]] for r in room])
        high = np.array([[[r.right(), r.bottom()]] for r in room])
        return low, high, np.array([[[c.x(), c.y()]] for c, _ in placed]), placed[0][1]

    def _paint_points(
        self, painter: QPainter, cells: list[tuple[int, QRectF]], spots: Points, out: NDArray[np.bool_], size: float
    ) -> None:
        """A disc a residue; hollow at the edge, where it lies farther out than the scale shows."""
        picture = self._picture
        assert picture is not None
        wheel, turned = _wheel(theme.current().name), self._hues()
        if not out.any():
            draw_discs(painter, spots.reshape(-1, 2), size, wheel, turned.reshape(-1))
        else:
            draw_discs(painter, spots[~out], size, wheel, turned[~out])
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for (x, y), hue in zip(spots[out].tolist(), turned[out].tolist(), strict=True):
                painter.setPen(QPen(QColor.fromRgba(wheel[hue]), 1.2))
                painter.drawEllipse(QPointF(x, y), size - 0.6, size - 0.6)
        if picture.circles.zero is not None:
            painter.setPen(QPen(QColor(theme.current().muted), 1.5))
            for k, cell in cells:
                x0, y0 = self._on_screen(picture.circles.zero[k - 1][None], cell)[0]
                painter.drawRect(QRectF(x0 - size - 1, y0 - size - 1, 2 * size + 2, 2 * size + 2))

    def _dot_size(self, unit: float) -> float:
        """Points that nearly touch on a ring."""
        assert self._picture is not None
        circles = self._picture.circles
        radius = unit * circles.scale / ROOM
        return min(4.5, max(1.6, radius / 28, 0.3 * math.pi * radius / circles.n))

    def _hues(self) -> NDArray[np.int64]:
        """A row of the wheel for each residue on each circle, by its place there or by its value.  (m, n)"""
        picture = self._picture
        assert picture is not None
        circles = picture.circles
        key = picture.shown, picture.by_value, circles.elements.tobytes()
        if key != self._coloured[0]:
            turned = [circles.elements if picture.by_value else circles.places(k) for k in picture.shown]
            among = int(circles.elements.max()) + 1 if picture.by_value else circles.n
            self._coloured = key, np.array(turned) * 256 // among
        return self._coloured[1]

    def _paint_name(self, painter: QPainter, k: int, cell: QRectF) -> None:
        """The panel's frame and its frequency."""
        picture = self._picture
        assert picture is not None
        look, circles = theme.current(), picture.circles
        selected = k == picture.selected
        frame = QPen(QColor(look.accent if selected else look.border), 1.5 if selected else 1)
        if not circles.pinned.final or k not in circles.keys:
            frame.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(frame)
        painter.setBrush(QColor(look.raised) if self._hit == Hit(k, None) else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(cell.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.setPen(self._title_colour(k))
        painter.setFont(font(13, bold=True))
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(_title_line(cell), flags, f"k = {k}")

    def _paint_share(self, painter: QPainter, k: int, cell: QRectF) -> None:
        """How much of the points' variance lies in the plane, in as many words as fit."""
        assert self._picture is not None
        circles, line = self._picture.circles, _title_line(cell)
        room = line.width() - text_width(f"k = {k}", 13, bold=True) - SPACE
        kind = "" if k in circles.keys and circles.pinned.final else ("candidate" if k in circles.keys else "no key")
        places = places_text(circles, k).removeprefix(" · ").replace(f" for {circles.n} residues", "")
        random = f"random ≈ {circles.random_share:.2f}" if circles.own else ""
        text, width = _fitting(share_text(circles.share[k - 1]), kind, places, random, room)
        painter.drawText(QPointF(line.right() - width, line.bottom() - 6), text)

    def _title_colour(self, k: int) -> QColor:
        assert self._picture is not None
        circles = self._picture.circles
        return QColor(theme.current().accent) if k not in circles.keys else theme.frequency_colour(k, circles.keys)

    def _paint_scale(self, painter: QPainter, cell: QRectF) -> None:
        """A bar of a round length, as on a map: what a radius is worth."""
        assert self._picture is not None
        look = theme.current()
        _, unit = self.place(cell)
        length = next((x for x in _NICE if x * unit < 0.3 * cell.width()), _NICE[-1])
        left, y = cell.left() + 6, cell.bottom() - 6
        painter.setPen(QPen(QColor(look.muted), 1))
        painter.drawLine(QPointF(left, y), QPointF(left + length * unit, y))
        for x in (left, left + length * unit):
            painter.drawLine(QPointF(x, y - 3), QPointF(x, y))
        painter.setFont(font(11))
        painter.drawText(QPointF(left, y - 5), f"{length:g}")

    def _paint_lines(self, painter: QPainter, k: int, spots: Points) -> None:
        """From each place to the next: steps of k⁻¹ where k has one."""
        picture = self._picture
        assert picture is not None
        order = np.lexsort((np.arange(picture.circles.n), picture.circles.places(k)))
        colour = self._title_colour(k)
        colour.setAlphaF(0.45)
        painter.setPen(QPen(colour, 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in spots[order].tolist()]))

    def _paint_marks(self, painter: QPainter, cells: list[QRectF], centres: Points, spots: Points, size: float) -> None:
        """The selected tokens, named, and the one under the pointer: the same on every circle."""
        picture = self._picture
        assert picture is not None
        look, circles = theme.current(), picture.circles
        marks = [
            (index, i) for index, mark in enumerate(picture.marks) if (i := circles.place_of(mark.token)) is not None
        ]
        texts = tuple(mark.name if cells[0].width() < _NARROW else mark.text for mark in picture.marks)
        widths = [text_width(text, 12, bold=True) + 4 for text in texts]
        at, which, boxes, named = [], [], [], []
        for cell, centre, own in zip(cells, centres.tolist(), spots, strict=True):
            area = (cell.left() + 2, cell.top() + _TITLE, cell.right() - 2, cell.bottom() - 2)
            taken: list[Box] = []
            for index, i in marks:
                x, y = own[i].tolist()
                taken.append(place_name((x, y), centre, size + 14, widths[index], area, taken))
                at.append((x, y))
                which.append(index)
            boxes += taken
            named += [index for index, _ in marks]
        rings = tuple(partial(_draw_ring, index, size) for index in range(len(texts)))
        draw_stamps(painter, np.array(at), which, Stamps(("ring", look.name, size), (size + 6, size + 6), rings))
        middles = np.array([(left + width / 2, top + NAME_HEIGHT / 2) for left, top, width in boxes])
        names = tuple(partial(_draw_name, text, width) for text, width in zip(texts, widths, strict=True))
        reach = max(widths, default=0) / 2, NAME_HEIGHT / 2
        draw_stamps(painter, np.round(middles), named, Stamps((look.name, texts), reach, names))
        if self._hit is not None and self._hit.token is not None:
            i = circles.place_of(self._hit.token)
            if i is not None:
                painter.setPen(QPen(QColor(look.text), 1.5))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                for x, y in spots[:, i].tolist():
                    painter.drawEllipse(QPointF(x, y), size + 3, size + 3)


def _draw_name(text: str, width: float, painter: QPainter, at: QPointF) -> None:
    painter.setFont(font(12, bold=True))
    box = QRectF(at.x() - width / 2, at.y() - NAME_HEIGHT / 2, width, NAME_HEIGHT)
    backed_text(painter, box, text, QColor(theme.current().text))


def _draw_ring(index: int, size: float, painter: QPainter, at: QPointF) -> None:
    """Around a selected token, apart from the points it lies among."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(theme.current().panel), 4))
    painter.drawEllipse(at, size + 3.5, size + 3.5)
    painter.setPen(_hand_pen(index))
    painter.drawEllipse(at, size + 3, size + 3)


@lru_cache(maxsize=4096)
def _fitting(share: str, kind: str, places: str, random: str, room: float) -> tuple[str, float]:
    """As many of the words as fit, and the pixels they take."""
    named, parts = f"share {share}", [part for part in (kind, places) if part]
    last = [random] if random else []
    for words in ([*parts, named, *last], [named, *last], [*parts, share], [named], [share]):
        text = " · ".join(words)
        if text_width(text, 12) <= room:
            return text, text_width(text, 12)
    return "", 0.0


def _title_line(cell: QRectF) -> QRectF:
    return QRectF(cell.left() + 8, cell.top() + 2, cell.width() - 16, _TITLE - 2)


def share_text(share: float) -> str:
    """Three digits: a clean circle is 0.995, not 1."""
    return f"{share:.3f}"


def places_text(answer: Circles, k: int) -> str:
    """What is special about a frequency that does not visit every place."""
    if 2 * k == answer.n:
        return " · no sine: a line"
    places = answer.distinct(k)
    return "" if places == answer.n else f" · {places} places for {answer.n} residues"


def _hand_pen(index: int) -> QPen:
    """a solid, b dashed, the answer thick: told apart without colour."""
    look = theme.current()
    if index == 2:
        return QPen(QColor(look.text), 2.2)
    made = QPen(QColor(look.text), 1.4)
    if index == 1:
        made.setStyle(Qt.PenStyle.DashLine)
    return made


_wheels: dict[str, tuple[int, ...]] = {}


def _wheel(name: str) -> tuple[int, ...]:
    """The wheel's colours, made once a theme."""
    if name not in _wheels:
        _wheels[name] = tuple(QColor(*row).rgba() for row in theme.wheel_table().tolist())
    return _wheels[name]
