"""The legend of the answers, an entry for each class of pairs, and its place beside the map or beneath it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QWidget

from app import theme
from app.numbers import epoch_text, percent
from app.theme import SPACE
from app.views.answer_colours import inks, lightness, right_colours
from app.views.legend import value_text
from app.views.maps import HeatMap
from app.views.pair_classes import KINDS, Ints
from engine.analysis.pairs import Score


class ClassEntry(QAbstractButton):
    """A class of pairs in the legend: its colours and mark, its name, how many are right; a click hides its cells."""

    _SWATCH, _LINE = 10, 18

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.hideable, self.there = kind, True, True
        self.tall = False  # one line for the name, one for the count, one for the loss
        self._coloured = True
        self._value, self._after, self._below = "", "", ""
        self.setCheckable(True)
        self.setChecked(True)
        self.setStyleSheet("font-size: 12px;")
        self.setObjectName(f"answers.legend.{kind}")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def name_it(self, text: str, long: str, hideable: bool, there: bool) -> None:
        if (text, hideable, there) != (self.text(), self.hideable, self.there) or not self.toolTip():
            self.hideable, self.there = hideable, there
            self.setText(text)
            self.setAccessibleName(f"{long}s")
            self.setToolTip(f"{long.capitalize()}s" + (". Click to hide or show their cells" if hideable else ""))
            self.setCursor(Qt.CursorShape.PointingHandCursor if hideable else Qt.CursorShape.ArrowCursor)
            self.setFocusPolicy(Qt.FocusPolicy.TabFocus if hideable else Qt.FocusPolicy.NoFocus)
            self.update()

    def colour_it(self, coloured: bool) -> None:
        """Whether its cells have its own colours."""
        if coloured != self._coloured:
            self._coloured = coloured
            self.update()

    def nextCheckState(self) -> None:
        if self.hideable:
            super().nextCheckState()

    def say_score(self, score: Score | None, count: int) -> None:
        if not count:
            self._say("none", "", "")
        elif score is None:
            self._say("…", f" of {epoch_text(count)}", "loss …")
        else:
            loss = "" if score.loss is None else f"loss {value_text(score.loss)} nats"
            self._say(percent(score), f" of {epoch_text(score.count)}", loss)

    def say_graduated(self, epochs: Ints, count: int) -> None:
        """epochs : at which those who have graduated did"""
        share = f"{epoch_text(len(epochs))} of {epoch_text(count)}"
        if not len(epochs):
            self._say("none" if not count else "0", f" of {epoch_text(count)}" if count else "", "")
        else:
            self._say(share, "", f"median epoch {epoch_text(float(np.median(epochs)))}")

    def _say(self, value: str, after: str, below: str) -> None:
        if (value, after, below) != (self._value, self._after, self._below):
            self._value, self._after, self._below = value, after, below
            self.setAccessibleDescription(f"{value}{after}, {below}")
            self.update()

    @property
    def said(self) -> tuple[str, str]:
        """The first line's numbers, and the second line."""
        return f"{self._value}{self._after}", self._below

    def sizeHint(self) -> QSize:
        return QSize(MapAndLegend.COLUMN, self.height_of(self.tall))

    @classmethod
    def height_of(cls, tall: bool) -> int:
        return 3 * cls._LINE if tall else cls._LINE + 1

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter = theme.current(), QPainter(self)
        if self.hasFocus():
            painter.setPen(QColor(look.accent))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        on = self.isChecked() or not self.hideable
        self._paint_swatches(painter, on)
        plain, bold = self.font(), QFont(self.font())
        bold.setWeight(QFont.Weight.DemiBold)
        left, y = 2 * self._SWATCH + 7, 0
        x = left
        for text, font, colour, new_line in (
            (f"{self.text()} ", plain, look.muted, False), (self._value, bold, look.text, True),
            (self._after, plain, look.muted, False), (self._below, plain, look.muted, True),
        ):  # fmt: skip
            if new_line and self.tall:
                x, y = left, y + self._LINE
            if text is self._below and not self.tall:
                continue
            painter.setFont(font)
            painter.setPen(QColor(colour if on else look.faint))
            area = QRect(x, y, max(0, self.width() - x), self._LINE)
            shown = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideRight, area.width())
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter, shown)
            x += QFontMetrics(font).horizontalAdvance(text)

    def _paint_swatches(self, painter: QPainter, on: bool) -> None:
        """Right and wrong with the class's mark, or the mark alone; none for a class that is the sum of two others."""
        if not self.hideable:
            return
        look, side = theme.current(), self._SWATCH
        colours = (right_colours()[KINDS.index(self.kind)], look.answer_wrong) if self._coloured else (look.raised,)
        for i, colour in enumerate(colours):
            area = QRect(1 + i * (side + 1), (self._LINE - side) // 2, side, side)
            if not self._coloured:
                area.moveLeft(1 + side // 2)
            painter.fillRect(area, QColor(colour if on else look.raised))
            if not on or not self._coloured:
                painter.setPen(QColor(look.border))
                painter.drawRect(area.adjusted(0, 0, -1, -1))
            ink = QColor(inks()[lightness(colour) <= 0.5] if on else look.faint)
            if self.kind == "train":
                painter.fillRect(QRect(area.center().x() - 1, area.center().y() - 1, 3, 3), ink)
            elif self.kind == "seen":
                painter.setPen(ink)
                painter.drawLine(area.bottomLeft(), area.topRight())


class MapAndLegend(QWidget):
    """The map as large as it gets, with the legend beside it or beneath it."""

    COLUMN = 158  # of the legend beside the map
    LEFT = 176  # of its left half beneath the map: train and test, whose names are short

    def __init__(self, heat_map: HeatMap, entries: list[ClassEntry], resized: Callable[[], None]) -> None:
        super().__init__()
        self._map, self._entries, self._resized = heat_map, entries, resized
        self._arranged: tuple[Any, ...] = ()
        for widget in (heat_map, *entries):
            widget.setParent(self)
        self.setMinimumSize(220, 180)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.arrange()
        self._resized()

    def arrange(self) -> None:
        """Places, if anything changed."""
        shown = [entry for entry in self._entries if entry.there]
        state = (self.size().toTuple(), len(shown), tuple(entry.kind for entry in shown))
        if state == self._arranged:
            return
        self._arranged = state
        width, height, m = self.width(), self.height(), self._map
        across, down = m.LEFT + m.BAR, m.BOTTOM + m.TOP
        rows = -(-len(shown) // 2)
        beneath = rows * ClassEntry.height_of(False) + 2
        beside = min(width - self.COLUMN - across, height - down)
        beneath_it = min(width - across, height - down - beneath)
        for entry in self._entries:
            entry.setVisible(entry.there)
        if beside >= beneath_it:
            m.setGeometry(0, 0, width - self.COLUMN, height)
            self._stack(shown, width - self.COLUMN, m.TOP, self.COLUMN)
            return
        top = max(0, beneath_it) + down
        m.setGeometry(0, 0, width, top)
        if height - top >= len(shown) * self._each() + SPACE:
            self._stack(shown, m.LEFT, top + SPACE, width - m.LEFT)
            return
        left = [entry for entry in shown if entry.kind in ("train", "test")]
        columns = (left, [entry for entry in shown if entry not in left]) if len(shown) > 2 else (shown[:1], shown[1:])
        first, each = min(self.LEFT, width // 2), ClassEntry.height_of(False)
        for x, side, entries in ((0, first - 4, columns[0]), (first, width - first, columns[1])):
            for row, entry in enumerate(entries):
                entry.tall = False
                entry.setGeometry(x, top + 2 + row * each, side, each)

    @staticmethod
    def _each() -> int:
        return ClassEntry.height_of(True) + SPACE // 2

    def _stack(self, entries: list[ClassEntry], x: int, y: int, width: int) -> None:
        """One above the other, with all they have to say."""
        for i, entry in enumerate(entries):
            entry.tall = True
            entry.setGeometry(x, y + i * self._each(), width, self._each())
