"""What the window's dialogs share: a form with an error line and two buttons, and the fields of forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QButtonGroup,
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.theme import SPACE
from app.views.controls import label, toggle

if TYPE_CHECKING:
    from app.main_window import MainWindow

WIDTH = 440
ROW = 28  # height of a line of a form


class FormDialog(QDialog):
    """A form with an error line, and two buttons beneath it."""

    def __init__(self, window: MainWindow, title: str, action: str) -> None:
        super().__init__(window)
        self._window = window
        self.setWindowTitle(title)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        self.column.setSpacing(SPACE + 4)
        self.form = QFormLayout()
        self.form.setHorizontalSpacing(2 * SPACE)
        self.form.setVerticalSpacing(SPACE)
        self.form.setLabelAlignment(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.FieldsStayAtSizeHint)
        self.wrong = label("", "error")
        self.wrong.setWordWrap(True)
        self.wrong.setVisible(False)
        self.cancel, self.go = QPushButton("Cancel"), QPushButton(action)
        self.go.setProperty("role", "primary")
        self.go.setDefault(True)
        self.cancel.clicked.connect(self.reject)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(SPACE)
        self.buttons.addStretch(1)
        self.buttons.addWidget(self.cancel)
        self.buttons.addWidget(self.go)
        self.setMinimumWidth(WIDTH)

    def complain(self, text: str) -> None:
        """Say what is wrong; empty: nothing is."""
        self.wrong.setText(text)
        self.wrong.setVisible(bool(text))

    def fit(self) -> None:
        """As high as what it says needs now; it never shrinks under the pointer."""
        needed = self.column.totalHeightForWidth(self.width())
        if needed > self.height():
            self.resize(self.width(), needed)

    def row(self, name: str, field: QWidget | QHBoxLayout) -> QLabel:
        """One more line of the form."""
        text = label(name, "muted")
        text.setMinimumWidth(88)
        text.setMinimumHeight(ROW)
        self.form.addRow(text, field)
        return text


def segments(names: dict[str, str], of: str) -> tuple[QHBoxLayout, QButtonGroup]:
    """Buttons of which one is pressed.  names : text -> tip"""
    row, group = QHBoxLayout(), QButtonGroup()
    row.setSpacing(4)
    for i, (text, tip) in enumerate(names.items()):
        button = toggle(text.replace("&", "&&"), f"{of}.{text.lower()}", tip, checked=i == 0)
        button.setMinimumHeight(ROW)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # the ring goes where the choice is
        group.addButton(button, i)
        row.addWidget(button)
    row.addStretch(1)
    return row, group


def choice(name: str, tip: str, items: Mapping[str, object]) -> QComboBox:
    """One of several.  items : text -> what it stands for"""
    box = QComboBox()
    box.setObjectName(name)
    box.setAccessibleName(tip)
    box.setToolTip(tip)
    box.setMinimumWidth(170)
    for text, value in items.items():
        box.addItem(text, value)
    return box


def number_box(name: str, tip: str, least: int, most: int, value: int) -> QSpinBox:
    """A whole number, typed."""
    box = QSpinBox()
    box.setObjectName(name)
    box.setAccessibleName(tip)
    box.setToolTip(tip)
    box.setRange(least, most)
    box.setValue(value)
    box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
    box.setFixedWidth(88)
    return box


def line(*parts: QWidget) -> QHBoxLayout:
    """Fields beside each other."""
    row = QHBoxLayout()
    row.setSpacing(SPACE)
    for part in parts:
        row.addWidget(part)
    row.addStretch(1)
    return row
