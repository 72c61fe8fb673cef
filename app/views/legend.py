"""A legend: a line's sample, its name and its value at the cursor, in rows that wrap."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QLayout, QLayoutItem

from app import theme
from app.screen import pixel_ratio
from app.views.painting import font, text_width
from app.views.still import on_panel, paint_soon, stand_on_panel

SMALL = "font-size: 12px;"
VALUE_ROOM = "0.00888"  # the widest value of `value_text`


def value_text(value: float) -> str:
    """Three digits, as short as they can be read back: 0.00163, 2.18e-7; two where the exponent has two: 2.2e-12."""
    small = 0 < abs(value) < 1e-3
    mantissa, e, exponent = (f"{value:.{1 if abs(value) < 1e-9 else 2}e}" if small else f"{value:.3g}").partition("e")
    return f"{mantissa}e{int(exponent)}" if e else mantissa


def share(accuracy: float) -> str:
    """An accuracy after a loss; thin spaces."""
    return f"\u2009·\u2009{100 * accuracy:.1f}\u2009%"


class LegendEntry(QAbstractButton):
    """A line's sample, its name and its value; a click hides or shows the curve.

    Its width is that of the widest value: the legend stands still while values change.
    """

    HEIGHT = 18
    _SAMPLE, _APART = 12, 5

    def __init__(self, name: str, room: str = VALUE_ROOM, room_after: str = "") -> None:
        """name : of the object    room, room_after : the widest value, and what may follow it"""
        super().__init__()
        self._pen, self._value, self._after = QPen(), "", ""
        self._room = room, room_after
        stand_on_panel(self)
        self.setCheckable(True)
        self.setChecked(True)
        self.setObjectName(name)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    @property
    def said(self) -> str:
        """The value on show and what follows it."""
        return self._value + self._after

    def reserve(self, room: str, room_after: str = "") -> None:
        """The widest value from now on, and what may follow it."""
        if (room, room_after) != self._room:
            self._room = room, room_after
            self.updateGeometry()

    def name_it(self, text: str, tip: str, line: QPen) -> None:
        """text : the name    line : how the curve is drawn"""
        if text != self.text():
            self.setText(text)
            self.setAccessibleName(text)
            self.updateGeometry()
        if tip != self.toolTip():
            self.setToolTip(tip)
        if line != self._pen:
            self._pen = line
            self.update()

    def say(self, value: str, after: str = "") -> None:
        """value : in bold    after : what follows it"""
        if (value, after) != (self._value, self._after):
            self._value, self._after = value, after
            self.setAccessibleDescription(f"{value}{after}")
            paint_soon(self)

    def width_with(self, text: str) -> int:
        """Its width if this were its name."""
        value, after = self._room
        words = text_width(f"{text} ", 12) + text_width(after, 12) + text_width(value, 12, bold=True)
        return self._SAMPLE + self._APART + math.ceil(words)

    def sizeHint(self) -> QSize:
        return QSize(self.width_with(self.text()), self.HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter = theme.current(), on_panel(self, event)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus():
            painter.setPen(QColor(look.accent))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        on, middle = self.isChecked(), self.height() / 2
        sample = QPen(self._pen)
        ratio = pixel_ratio()
        sample.setWidthF((2.5 if self._pen.widthF() >= 2 * ratio else 1.6) * ratio)
        if not on:
            sample.setColor(QColor(look.faint))
        painter.setPen(sample)
        painter.drawLine(QPointF(0.5, middle), QPointF(self._SAMPLE - 0.5, middle))
        x, metrics = float(self._SAMPLE + self._APART), QFontMetrics(font(12))
        base = (self.height() + metrics.ascent() - metrics.descent()) / 2
        for text, bold, colour in (
            (f"{self.text()} ", False, look.muted), (self._value, True, look.text), (self._after, False, look.muted),
        ):  # fmt: skip
            if text:
                painter.setFont(font(12, bold))
                painter.setPen(QColor(colour if on else look.faint))
                painter.drawText(QPointF(x, base), text)
                x += text_width(text, 12, bold)


class Flow(QLayout):
    """Left to right, and on to the next line where there is no room."""

    GAP = 8

    def __init__(self) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._place(QRect(0, 0, width, 0), False)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._place(rect, True)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        shown = [item.sizeHint() for item in self._items if not item.isEmpty()]
        return QSize(max((s.width() for s in shown), default=0), max((s.height() for s in shown), default=0))

    def _place(self, rect: QRect, move: bool) -> int:
        """-> height"""
        x, y, line = rect.x(), rect.y(), 0
        for item in self._items:
            if item.isEmpty():
                continue
            size = item.sizeHint()
            if line and x + size.width() > rect.right() + 1:
                x, y, line = rect.x(), y + line, 0
            if move:
                item.setGeometry(QRect(x, y, size.width(), size.height()))
            x, line = x + size.width() + self.GAP, max(line, size.height())
        return y + line - rect.y()
