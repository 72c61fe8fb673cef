"""The run files that were opened last."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSettings, Signal
from PySide6.QtWidgets import QMenu, QWidget

_MOST = 8


class RecentMenu(QMenu):
    """A menu of them, newest first, kept in the settings.  chosen : a path"""

    chosen = Signal(str)

    def __init__(self, settings: QSettings, parent: QWidget) -> None:
        super().__init__("Open &recent", parent)
        self._settings = settings
        self._fill()

    @property
    def names(self) -> list[str]:
        """Paths, newest first."""
        value: Any = self._settings.value("recent", [])
        return [value] if isinstance(value, str) else [str(name) for name in (value or [])]

    def remember(self, path: object) -> None:
        known = [str(path), *(name for name in self.names if name != str(path))]
        self._settings.setValue("recent", known[:_MOST])
        self._fill()

    def _fill(self) -> None:
        self.clear()
        for name in self.names:
            action = self.addAction(name)
            action.triggered.connect(lambda _checked=False, n=name: self.chosen.emit(n))
        self.setEnabled(bool(self.names))
