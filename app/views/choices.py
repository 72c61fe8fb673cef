"""What can be shown instead, where not everything fits."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QToolButton, QWidget

from app.views.controls import toggle


class Choices(QWidget):
    """`fit` shows the fit in place of what it fits; of `panels` one is shown at a time.  changed : by any of them"""

    changed = Signal()

    def __init__(self, name: str, panels: Mapping[str, tuple[str, str]], first: str, fit_tip: str) -> None:
        """name : of the view    panels : their texts and what they show, by name    first : the one shown at first"""
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        self.fit = toggle("show fit", f"{name}.fit", fit_tip)
        row.addWidget(self.fit)
        row.addStretch(1)
        group = QButtonGroup(self)
        self.panels: dict[str, QToolButton] = {}
        for key, (text, tip) in panels.items():
            button = toggle(text, f"{name}.{key}", tip, checked=key == first)
            group.addButton(button)
            self.panels[key] = button
            row.addWidget(button)
        for button in (self.fit, *self.panels.values()):
            button.setStyleSheet("font-size: 12px; padding: 1px 6px;")
            button.toggled.connect(self.changed)
