"""The clock under the pointer: what is met, dragged and clicked."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from app import theme
from app.views.clock_painting import CENTRE, HAND, HEAD, Hit, Painting, Picture, Regions, regions, rim_radius, toward
from app.views.painting import font
from app.views.still import Still, on_panel, stand_on_panel

_GRIP = 12.0  # pixels around a tip that take hold of a hand


class ClockCanvas(QWidget):
    """The clocks, the rows and the sum, painted at once.

    hovered : `Hit` or None     dragged : hand (0 a, 1 b), clock k, fraction of the full turn     stepped : stages
    """

    hovered = Signal(object)
    frequency_clicked = Signal(int)
    dragged = Signal(int, int, float)
    stepped = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("clock.canvas")
        self.setAccessibleName("The clock; left and right go through its stages")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        stand_on_panel(self)
        self._still = Still()
        self._picture: Picture | None = None
        self._hit: Hit | None = None
        self._held: Hit | None = None

    def show_picture(self, picture: Picture) -> None:
        self._picture = picture
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(560, 380)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, 120)

    # -- where things are ----------------------------------------------------------------------------------

    def places(self) -> Regions:
        m = 0 if self._picture is None else len(self._picture.shown)
        return regions(float(self.width()), float(self.height()), m)

    def tip(self, k: int, hand: int) -> QPointF:
        """Where the hand of a (0) or b (1) ends on the clock of k."""
        picture = self._picture
        if picture is None or picture.clock.dial is None:
            return QPointF()
        dial, face = picture.clock.dial, self.places().faces[picture.shown.index(k)]
        turn = k * (dial.j if hand else dial.i) % dial.n / dial.n
        return toward(face.center(), turn, HAND * rim_radius(face))

    def hit(self, at: QPointF) -> Hit | None:
        """What is at a place."""
        picture = self._picture
        if picture is None or picture.clock.dial is None:
            return None
        there, n = self.places(), picture.clock.dial.n
        for k, face, row in zip(picture.shown, there.faces, there.rows, strict=True):
            if face.adjusted(0, -HEAD, 0, 0).contains(at):
                away = [QLineF(self.tip(k, hand), at).length() for hand in (0, 1)]
                return Hit(k, hand=int(np.argmin(away)) if min(away) < _GRIP else None)
            if row.adjusted(-there.left, 0, there.right, 0).contains(at):
                return Hit(k, _output_at(at.x(), row, n))
        return Hit(None, _output_at(at.x(), there.total, n)) if there.total.contains(at) else None

    # -- the pointer and the keys --------------------------------------------------------------------------

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held is not None:
            self._drag(self._held, event.position())
            return
        hit = self.hit(event.position())
        if hit != self._hit:
            self._hit = hit
            self.setCursor(_cursor(hit))
            self.hovered.emit(hit)
            self.update()

    def _drag(self, held: Hit, at: QPointF) -> None:
        picture = self._picture
        if picture is None or held.k not in picture.shown or held.hand is None:
            return
        centre = self.places().faces[picture.shown.index(held.k)].center()
        turn = math.atan2(at.x() - centre.x(), centre.y() - at.y()) / (2 * math.pi) % 1
        self.dragged.emit(held.hand, held.k, turn)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        hit = self.hit(event.position())
        if event.button() != Qt.MouseButton.LeftButton or hit is None or hit.k is None:
            super().mousePressEvent(event)
        elif hit.hand is not None:
            self._held = hit
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        else:
            self.frequency_clicked.emit(hit.k)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._held is not None:
            self._held = None
            self.setCursor(_cursor(self.hit(event.position())))

    def leaveEvent(self, event: QEvent) -> None:
        self._hit = None
        self.hovered.emit(None)
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Escape: 0}
        if event.key() in steps:
            self.stepped.emit(steps[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        picture = self._picture
        painter = on_panel(self, event)
        if picture is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if picture.clock.dial is None:
            painter.setPen(QColor(theme.current().muted))
            painter.setFont(font(13))
            painter.drawText(QRectF(self.rect()), CENTRE | Qt.TextFlag.TextWordWrap, picture.clock.no_clock)
        else:
            Painting(painter, picture, picture.clock.dial, self.places(), self._hit).paint(self._still, self.size())
        if self.hasFocus():
            painter.setOpacity(1)
            painter.setPen(QPen(QColor(theme.current().accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)


def _cursor(hit: Hit | None) -> Qt.CursorShape:
    if hit is None or hit.k is None:
        return Qt.CursorShape.ArrowCursor
    return Qt.CursorShape.PointingHandCursor if hit.hand is None else Qt.CursorShape.OpenHandCursor


def _output_at(x: float, area: QRectF, n: int) -> int | None:
    c = math.floor((x - area.left()) / area.width() * n)
    return c if 0 <= c < n else None
