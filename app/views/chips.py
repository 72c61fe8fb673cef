"""Small tick boxes with a name, in rows that wrap, and a field for lists of numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QLineEdit, QWidget

from app import theme
from app.ablation_words import numbers
from app.views.legend import SMALL, Flow

_MOST = 4096  # numbers in a list


@dataclass(frozen=True)
class ChipItem:
    """key : to tell it by    text : on it    tip : what a click does    colour : of its mark; None: it has none"""

    key: Hashable
    text: str
    tip: str
    colour: str | None = None


class Chip(QAbstractButton):
    """Ticked or not; the mark beneath the text has the colour of what it stands for."""

    HEIGHT, _PAD = 22, 7

    def __init__(self) -> None:
        super().__init__()
        self._colour: str | None = None
        self.setCheckable(True)
        self.setStyleSheet(SMALL)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_item(self, item: ChipItem, ticked: bool) -> None:
        if item.text != self.text():
            self.setText(item.text)
            self.updateGeometry()
        if item.tip != self.toolTip():
            self.setToolTip(item.tip)
            self.setAccessibleName(item.tip)
        if item.colour != self._colour:
            self._colour = item.colour
            self.update()
        if ticked != self.isChecked():
            self.setChecked(ticked)

    def nextCheckState(self) -> None:
        """What is ticked is told from outside."""

    def sizeHint(self) -> QSize:
        return QSize(QFontMetrics(self.font()).horizontalAdvance(self.text()) + 2 * self._PAD, self.HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter = theme.current(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        on = self.isChecked()
        painter.setBrush(QColor(look.accent if on else look.raised))
        edge = look.text if self.hasFocus() else look.accent if on or self.underMouse() else look.border
        painter.setPen(QColor(edge))
        painter.drawRoundedRect(area, 5, 5)
        painter.setPen(QColor(look.on_accent if on else look.text if self.isEnabled() else look.faint))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.text())
        if self._colour is not None:
            mark = QRectF(area.left() + 5, area.bottom() - 3.5, area.width() - 10, 2)
            painter.fillRect(mark, QColor(look.on_accent if on else self._colour))


class ChipRow(QWidget):
    """Chips in rows that wrap.

    clicked : the key of the one that was clicked
    """

    clicked = Signal(object)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._chips: list[Chip] = []
        self._items: tuple[ChipItem, ...] = ()
        self._flow = Flow()
        self._flow.GAP = 4
        self.setLayout(self._flow)
        self.setObjectName(name)

    def show_items(self, items: Sequence[ChipItem], ticked: Callable[[Hashable], bool]) -> None:
        """The chips there are, and which are ticked; nothing is made that there is already."""
        while len(self._chips) < len(items):
            chip = Chip()
            place = len(self._chips)
            chip.clicked.connect(lambda _=False, i=place: self.clicked.emit(self._items[i].key))
            self._flow.addWidget(chip)
            self._chips.append(chip)
        self._items = tuple(items)
        for i, chip in enumerate(self._chips):
            there = i < len(items)
            if there:
                chip.show_item(items[i], ticked(items[i].key))
                chip.setObjectName(f"{self._name}.{items[i].key}")
            if chip.isHidden() == there:
                chip.setVisible(there)

    def chip(self, key: Hashable) -> Chip:
        """The chip of a key."""
        return self._chips[[item.key for item in self._items].index(key)]

    @property
    def length(self) -> int:
        """Characters on all chips and one for each."""
        return sum(len(item.text) + 1 for item in self._items)

    @property
    def ticked(self) -> list[Hashable]:
        return [item.key for item, chip in zip(self._items, self._chips, strict=False) if chip.isChecked()]


class NumberField(QLineEdit):
    """A list of numbers such as "3 17 40–52"; what is none is marked and put back when it is left.

    entered : the numbers, ascending
    """

    entered = Signal(object)

    def __init__(self, name: str, tip: str, hint: str) -> None:
        super().__init__()
        self._most = 0
        self._least = 0
        self._shown: tuple[int, ...] = ()
        self.setObjectName(name)
        self.setAccessibleName(tip)
        self.setToolTip(tip)
        self.setPlaceholderText(hint)
        self.setMinimumWidth(64)
        self.editingFinished.connect(self._finished)
        self.textEdited.connect(self._check)

    def show_numbers(self, of: Sequence[int], least: int, most: int) -> None:
        """Not under a hand that types.  least, most : of what may be entered"""
        self._least, self._most = least, most
        if self.isModified() and self.hasFocus():
            return
        if tuple(of) != self._shown or self.isModified():
            self._shown = tuple(of)
            self.setText(numbers(of))
            self.setCursorPosition(0)
            self._mark(False)

    def _check(self, text: str) -> None:
        self._mark(parsed(text, self._least, self._most) is None)

    def _finished(self) -> None:
        if not self.isModified():
            return
        found = parsed(self.text(), self._least, self._most)
        self.setModified(False)
        changed = found is not None and found != self._shown
        self._shown = self._shown if found is None else found
        self.setText(numbers(self._shown))
        self._mark(False)
        if changed:
            self.entered.emit(found)

    def _mark(self, wrong: bool) -> None:
        if bool(self.property("wrong")) != wrong:
            self.setProperty("wrong", wrong)
            self.style().unpolish(self)
            self.style().polish(self)


def parsed(text: str, least: int, most: int) -> tuple[int, ...] | None:
    """Numbers and ranges, separated by anything; None where it says something else, or a number that there is not."""
    text = text.replace("–", "-").replace("−", "-").replace("…", "-")
    if not re.fullmatch(r"[\s,;]*(?:\d{1,6}(?:\s*-\s*\d{1,6})?(?:[\s,;]+|$))*", text):
        return None
    found: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:\s*-\s*(\d+))?", text):
        low, high = int(first), int(last or first)
        if low < least or high > most or high < low or high - low > _MOST:
            return None
        found.update(range(low, high + 1))
    return tuple(sorted(found))
