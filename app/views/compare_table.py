"""The table of two runs: names, and a value under each."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app import theme
from app.views.compare_words import NONE, UNKNOWN, Row
from app.views.painting import font, text_width
from app.views.still import on_panel, stand_on_panel

_ROW, _HEAD, _PIXELS = 18, 26, 12
_NAMES, _VALUE = 116, 88  # pixels: of the names' column, of a run's column at least
_LEFT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
_RIGHT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight


class CompareTable(QWidget):
    """Paints itself: it changes with every frame."""

    WIDTH = _NAMES + 2 * _VALUE

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] = []
        self._runs = ("", "")
        self.setObjectName("compare.table")
        self.setAccessibleName("The two runs compared")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        stand_on_panel(self)

    def show_rows(self, runs: tuple[str, str], rows: Sequence[Row]) -> None:
        """runs : names of this run and of the reference"""
        if runs == self._runs and list(rows) == self._rows:
            return
        taller = len(rows) != len(self._rows)
        self._runs, self._rows = runs, list(rows)
        self.setAccessibleDescription("; ".join(f"{r.name}: {', '.join(r.values)}" for r in rows if not r.is_head))
        if taller:
            self.updateGeometry()
        self.update()

    @property
    def rows(self) -> list[Row]:
        """What is on show."""
        return list(self._rows)

    def sizeHint(self) -> QSize:
        return QSize(self.WIDTH, _HEAD + sum(_height(row) for row in self._rows))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def place_of(self, name: str) -> QRect:
        """Where a row is."""
        y = _HEAD
        for row in self._rows:
            if row.name == name:
                return QRect(0, y, self.width(), _height(row))
            y += _height(row)
        return QRect()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            row = next((r for r in self._rows if r.tip and self.place_of(r.name).contains(event.pos())), None)
            QToolTip.showText(event.globalPos(), "" if row is None else row.tip, self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter = theme.current(), on_panel(self, event)
        columns = self._columns()
        self._paint_runs(painter, columns)
        y = float(_HEAD)
        for row in self._rows:
            height = _height(row)
            if row.is_head:
                painter.setPen(QPen(QColor(look.border), 1))
                painter.drawLine(0, round(y) + 6, self.width(), round(y) + 6)
                self._text(painter, QRectF(0, y + 6, self.width(), height - 6), row.name, look.muted, True, _LEFT)
            else:
                self._text(painter, QRectF(0, y, columns[0], height), row.name, look.muted, False, _LEFT)
                for text, x in zip(row.values, columns, strict=False):
                    ink = look.muted if row.rough or text in (UNKNOWN, NONE) else look.text
                    self._text(painter, QRectF(x, y, columns[2], height), text, ink, False, _RIGHT)
            y += height

    def _columns(self) -> tuple[float, float, float]:
        """Where the two runs' columns begin, and their width."""
        width = (self.width() - _NAMES) / 2
        return float(_NAMES), _NAMES + width, width

    def _paint_runs(self, painter: QPainter, columns: tuple[float, float, float]) -> None:
        """The names of the runs over their columns; the reference's in its dashed frame."""
        look = theme.current()
        for i, name in enumerate(self._runs):
            bold, room = font(_PIXELS, True), columns[2] - 18
            text = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, round(room))
            box = QRectF(columns[i], 0, columns[2], _HEAD - 5)
            if i:
                wide = min(text_width(text, _PIXELS, True), room) + 12
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                painter.setPen(QPen(QColor(look.muted), 1, Qt.PenStyle.DashLine))
                painter.drawRoundedRect(QRectF(box.right() - wide, 1.5, wide - 0.5, _HEAD - 8), 5, 5)
                painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
                box.adjust(0, 0, -6, 0)
            painter.setFont(bold)
            painter.setPen(QColor(look.text))
            painter.drawText(box, _RIGHT, text)

    def _text(self, painter: QPainter, box: QRectF, text: str, ink: str, bold: bool, where: Qt.AlignmentFlag) -> None:
        painter.setFont(font(_PIXELS, bold))
        painter.setPen(QColor(ink))
        painter.drawText(box, where, text)


def _height(row: Row) -> int:
    return _HEAD if row.is_head else _ROW
