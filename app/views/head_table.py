"""A layer's heads as a table: frequency, share, fit, what is attended to on average (paper, table 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app import theme
from app.views.painting import font, text_width
from app.views.still import on_panel, stand_on_panel

ROW, HEAD = 19, 18  # pixels
_TYPE = 12
_FREQUENCY = "k"


@dataclass(frozen=True)
class Column:
    """name : over it    tip : what it counts    room : its widest text    rank : the highest goes first where it is
    narrow
    """

    key: str
    name: str
    tip: str
    room: str
    rank: int = 0


COLUMNS = (
    Column("head", "head", "Number of the head. Click to look at it", "head"),
    Column(_FREQUENCY, "k", "Frequency with the largest share of its scores Cⱼ (paper, table 2). Click to select it; "
           "in a later layer that of the pattern’s fit", "888"),
    Column("share", "Cⱼ", "Share of the power of Cⱼ at k: how much of the scores one frequency makes", "99.99 %"),
    Column("fit", "fit", "Share of the pattern’s variance that 0.5 ± C (cos w(a + θ) − cos w(b + θ)) explains; "
           "— where it is worse than the mean", "99.9 %"),
    Column("amplitude", "C", "Amplitude C of that fit", "0.888", 2),
    Column("phase", "wθ", "Phase of that fit", "−188°", 3),
    Column("writes", "OV", "Share of k in the power of W_E W_V W_O: near 1, the head writes one frequency; "
           "else it passes W_E on", "99 %", 4),
    Column("a", "→ a", "Mean attention to a over all pairs", "0.888", 1),
    Column("b", "→ b", "Mean attention to b over all pairs", "0.888", 1),
    Column("=", "→ =", "Mean attention of = to itself over all pairs", "99.99 %", 1),
)  # fmt: skip


@dataclass(frozen=True)
class HeadRow:
    """texts : by the columns' keys    k : 0 none    tip : more of the head, under the pointer"""

    texts: dict[str, str]
    k: int
    colour: QColor
    tip: str = ""


class HeadTable(QWidget):
    """Painted by hand: it changes with every checkpoint. Where rows have no room those about the one shown stay."""

    head_clicked = Signal(int)
    frequency_clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[HeadRow, ...] = ()
        self._shown = 0
        self.setMouseTracking(True)
        stand_on_panel(self)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Table of heads")

    def show_rows(self, rows: Sequence[HeadRow], shown: int) -> None:
        """shown : index of the head that the view is of"""
        told = tuple(rows)
        if (told, shown) != (self._rows, self._shown):
            self._rows, self._shown = told, shown
            lines = (", ".join(f"{c.name} {row.texts[c.key]}" for c in COLUMNS if row.texts.get(c.key)) for row in told)
            self.setAccessibleDescription("; ".join(lines))
            self.update()

    @staticmethod
    def needed(n: int) -> int:
        """Pixels of height for n heads."""
        return HEAD + n * ROW + 2

    def minimumSizeHint(self) -> QSize:
        return QSize(160, HEAD + ROW)

    # -- geometry ------------------------------------------------------------------------------------------

    def columns(self) -> list[tuple[Column, int, int]]:
        """Those that have room: column, left, width."""
        filled = [c for c in COLUMNS if any(row.texts.get(c.key) for row in self._rows)]
        wide = {c.key: round(max(text_width(c.room, _TYPE, True), text_width(c.name, _TYPE, True))) for c in filled}
        while len(filled) > 2 and sum(wide[c.key] + 8 for c in filled) > self.width():
            last = max(filled, key=lambda c: c.rank)
            if not last.rank:
                break
            filled = [c for c in filled if c.rank < last.rank]
        spare = self.width() - sum(wide[c.key] for c in filled)
        gap = max(6, min(26, spare // max(1, len(filled))))
        found, x = [], 0
        for column in filled:
            found.append((column, x, wide[column.key] + gap))
            x += wide[column.key] + gap
        return found

    def _first(self) -> int:
        """The row on top."""
        fit = max(1, (self.height() - HEAD) // ROW)
        return max(0, min(self._shown - fit // 2, len(self._rows) - fit))

    def row_place(self, head: int) -> QRect:
        """The line of a head; beyond the widget where it has no room."""
        return QRect(0, HEAD + (head - self._first()) * ROW, self.width(), ROW)

    def cell_place(self, head: int, key: str) -> QRect:
        """A value's place."""
        line = self.row_place(head)
        return next((QRect(x, line.y(), wide, ROW) for c, x, wide in self.columns() if c.key == key), QRect())

    def head_at(self, at: QPointF) -> int | None:
        first = self._first()
        heads = range(first, len(self._rows))
        return next((h for h in heads if self.row_place(h).contains(at.toPoint())), None)

    # -- painting ------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, look = on_panel(self, event), theme.current()
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        columns = self.columns()
        painter.setFont(font(_TYPE))
        painter.setPen(QColor(look.muted))
        for column, x, wide in columns:
            painter.drawText(QRect(x, 0, wide - 6, HEAD), flags, column.name)
        painter.setPen(QColor(look.border))
        right = columns[-1][1] + columns[-1][2] if columns else 0
        painter.drawLine(0, HEAD - 1, right, HEAD - 1)
        for head in range(self._first(), len(self._rows)):
            row, line = self._rows[head], self.row_place(head)
            shown = head == self._shown
            if shown:
                painter.fillRect(QRect(0, line.y(), right, ROW), QColor(look.raised))
                painter.fillRect(QRect(0, line.y(), 2, ROW), QColor(look.accent))
            for column, x, wide in columns:
                of_k = column.key == _FREQUENCY and row.k > 0
                painter.setFont(font(_TYPE, of_k or (shown and column.key == "head")))
                painter.setPen(row.colour if of_k else QColor(look.text))
                painter.drawText(QRect(x, line.y(), wide - 6, ROW), flags, row.texts.get(column.key, ""))

    # -- events --------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        head = self.head_at(event.position())
        if head is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if self._rows[head].k and self.cell_place(head, _FREQUENCY).contains(event.position().toPoint()):
            self.frequency_clicked.emit(self._rows[head].k)
        else:
            self.head_clicked.emit(head)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        over = self.head_at(event.position()) is not None
        self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)

    def tip_at(self, at: QPointF) -> str:
        """What a column counts, and more of the head."""
        column = next((c for c, x, wide in self.columns() if x <= at.x() < x + wide), None)
        head = self.head_at(at)
        lines = [column.tip if column is not None else "", "" if head is None else self._rows[head].tip]
        return "\n".join(line for line in lines if line)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.tip_at(QPointF(event.pos())), self)
            return True
        return super().event(event)
