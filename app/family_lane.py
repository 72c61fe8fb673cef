"""One run of a family under the slider: a line over its epochs, its name, and what is different about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QFocusEvent,
    QFont,
    QKeyEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QAbstractButton

from app import theme
from app.family import describe
from app.numbers import epoch_text
from engine.lineage import Member

if TYPE_CHECKING:
    from app.family_tree import FamilyTree

ROW, DOT, BEND = 16, 4.0, 8.0  # pixels: height of a lane, radius of a mark, of the bend where a fork leaves
MIDDLE = ROW / 2


class Lane(QAbstractButton):
    """One run: a line over its epochs, its name, and what is different about it."""

    def __init__(self, tree: FamilyTree, member: Member, above: Member | None) -> None:
        super().__init__(tree)
        self._tree, self.member = tree, member
        self._said = describe(member, above)
        self._epoch: int | None = None
        self.shown = self._hovered = False
        self.named = (0.0, 0.0)  # x from where to where its name was drawn
        self.bent = False  # whether a line from its parent leads to it
        header = member.header
        self._name = header.path.stem
        self._short = "" if above is None else f" · {', '.join(member.changes) or 'unchanged'}"
        self._short += " · fresh" * (above is not None and header.origin.optimizer == "fresh")
        self.setObjectName(f"family.{header.path.stem}")
        self.setAccessibleName(f"{self._name}: {self._said}")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFixedHeight(ROW)
        self.clicked.connect(lambda: tree.wanted.emit(header))

    def sizeHint(self) -> QSize:
        return QSize(120, ROW)

    @property
    def last(self) -> int:
        return self._tree.family.last_epoch(self.member)

    @property
    def begin(self) -> float:
        """x where it begins, or where it comes into view."""
        return self._tree.x_of(self.member.header.first)

    @property
    def end(self) -> float:
        return self._tree.x_of(self.last)

    @property
    def colour(self) -> QColor:
        look = theme.current()
        return QColor(look.accent if self.shown else look.muted if self._hovered else look.faint)

    @property
    def goes_to(self) -> int | None:
        """The epoch, or nearly, that a click leads to."""
        return None if self._epoch is None else min(max(self._epoch, self.member.header.first), self.last)

    def show_epoch(self, epoch: int | None, shown: bool) -> None:
        """Where one is, in any run; shown : in this one"""
        if shown != self.shown:
            self.shown = shown
            self.setAccessibleDescription("on show" if shown else "")
            self._tree.repaint_all()
        moved, self._epoch = epoch != self._epoch, epoch
        if moved and not self.shown and (self._hovered or self.hasFocus()):
            self._tree.repaint_all()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The tree paints all lanes at once, and keeps the picture."""

    def draw(self, painter: QPainter) -> None:
        """The lane, on the tree's picture."""
        look, begin, end = theme.current(), self.begin, max(self.end, self.begin + 2)
        painter.setPen(QPen(self.colour, 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        start = min(begin + BEND, end) if self.bent else begin
        painter.drawLine(QPointF(start, MIDDLE), QPointF(end, MIDDLE))
        self._paint_ends(painter, begin, end)
        there = self.goes_to
        if there is not None and not self.shown and (self._hovered or self.hasFocus()):
            painter.setPen(QPen(QColor(look.muted), 1.5))
            painter.setBrush(QColor(look.panel))
            painter.drawEllipse(QPointF(self._tree.x_of(there), MIDDLE), DOT, DOT)
        self._paint_text(painter, start, end)
        if self.hasFocus():
            painter.setPen(QColor(look.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)

    def _paint_ends(self, painter: QPainter, begin: float, end: float) -> None:
        """Arrows where it goes on outside the slider's range, and a stop where it ends."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.colour)
        low, high = self._tree.ends
        if self.last > high:
            _arrow(painter, end + 5, 1)
        else:
            painter.drawRoundedRect(QRectF(end - 1, MIDDLE - 4, 2, 8), 1, 1)
        if self.member.header.first < low:
            _arrow(painter, begin - 5, -1)

    def _paint_text(self, painter: QPainter, begin: float, end: float) -> None:
        """On the line where it is long enough, else right or left of it."""
        look = theme.current()
        bold = QFont(self.font())
        bold.setPixelSize(11)
        bold.setWeight(QFont.Weight.DemiBold if self.shown else QFont.Weight.Medium)
        plain = QFont(bold)
        plain.setWeight(QFont.Weight.Normal)
        painter.setFont(plain)
        rest = painter.fontMetrics().horizontalAdvance(self._short)
        painter.setFont(bold)
        name = painter.fontMetrics().horizontalAdvance(self._name)
        width = name + rest
        on_line = min(begin + 10, max(4.0, self.width() - width - 8))
        beside = (x for x in (end + 14, begin - 18 - width) if x >= 4 and x + width <= self.width() - 4)
        x = on_line if width + 28 <= end - begin else next(beside, on_line)
        self.named = x - 4, x + width + 4
        painter.fillRect(QRectF(x - 4, 0, width + 8, ROW), QColor(look.panel))
        for text, font, colour, at, room in (
            (self._name, bold, look.text if self.shown else look.muted, x, name),
            (self._short, plain, look.muted, x + name, rest),
        ):
            painter.setFont(font)
            painter.setPen(QColor(colour))
            painter.drawText(QRectF(at, 0, room + 2, ROW), Qt.AlignmentFlag.AlignVCenter, text)

    # -- pointer and keyboard ------------------------------------------------------------------------------

    def enterEvent(self, event: QEnterEvent) -> None:
        self._hover(True)
        self.setToolTip(self._told())

    def leaveEvent(self, event: QEvent) -> None:
        self._hover(False)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._tree.repaint_all()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._tree.repaint_all()

    def _hover(self, on: bool) -> None:
        self._hovered = on
        self._tree.repaint_all()

    def _told(self) -> str:
        header = self.member.header
        span = f"epochs {epoch_text(header.first)} to {epoch_text(self.last)}, {header.state}"
        click = "on show" if self.shown or self.goes_to is None else f"click: near epoch {epoch_text(self.goes_to)}"
        return f"{header.path.name}: {self._said}\n{span}\n{click}"

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)


def bent_line(x: float, top: float, bottom: float) -> QPainterPath:
    """Down from a parent's line, and round the corner into a fork's."""
    path = QPainterPath(QPointF(x, top))
    path.lineTo(x, bottom - BEND)
    path.quadTo(x, bottom, x + BEND, bottom)
    return path


def _arrow(painter: QPainter, x: float, way: int) -> None:
    tip, back = x + 3 * way, x - 2 * way
    painter.drawPolygon(QPolygonF([QPointF(tip, MIDDLE), QPointF(back, MIDDLE - 4), QPointF(back, MIDDLE + 4)]))
