"""The buttons at the right end of the menu bar."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from app import theme
from app.theme import SPACE


class Corner(QWidget):
    """The palette, the training panel, the theme."""

    def __init__(
        self, find: Callable[[], object], toggle_panel: Callable[[], object], switch_theme: Callable[[], object]
    ) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 2, SPACE, 2)
        row.setSpacing(4)
        self._buttons: dict[str, QToolButton] = {}
        for name, tip, action in (
            ("search", "Find a command (Ctrl+K)", find),
            ("panel-left", "Hide or show the training panel (Ctrl+T)", toggle_panel),
            ("sun", "Dark or light (Ctrl+L)", switch_theme),
        ):
            button = QToolButton()
            button.setObjectName(f"window.{name}")
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(action)
            self._buttons[name] = button
            row.addWidget(button)
        self.restyle()

    def restyle(self) -> None:
        for name, button in self._buttons.items():
            shown = "moon" if name == "sun" and theme.current().name == "light" else name
            button.setIcon(theme.icon(shown))
