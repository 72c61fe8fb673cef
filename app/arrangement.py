"""Where the docks stand: named layouts as they were left, tabs that come to the front, a training panel kept narrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from PySide6.QtCore import QEvent, QObject, QSettings, QSize, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QApplication, QDockWidget, QMainWindow

from app import docks
from app.layouts import LAYOUTS, PANEL, PANEL_WIDEST, arrange, forget, keep, named, take_up
from app.views.base import View


class Arrangement(QObject):
    """The places of a window's docks.  layout_name : the one on show, "" before the first"""

    def __init__(self, window: QMainWindow, held: Mapping[str, QDockWidget], settings: QSettings) -> None:
        """held : every dock by name"""
        super().__init__(window)
        self._window, self._docks, self._settings = window, held, settings
        self.layout_name = ""
        self._arranging = False  # docks are put in place, not by hand
        self._moved = QTimer(self)
        self._moved.setSingleShot(True)
        self._moved.timeout.connect(self._fit_panel)
        for dock in held.values():
            dock.topLevelChanged.connect(partial(self._docked, dock))
            for moved in (dock.topLevelChanged, dock.dockLocationChanged, dock.visibilityChanged):
                moved.connect(lambda _: self._moved.start(0))

    def use(self, name: str) -> None:
        """Change to a named layout, as it was left."""
        self.keep()
        self.layout_name = name
        self._settings.setValue("layout/name", name)
        with self._rearranging():
            found = take_up(self._window, self._docks, self._settings, name)
        if not found:
            self.reset()

    def reset(self) -> None:
        """The layout on show as it was at first."""
        layout = named(self.layout_name) or LAYOUTS[0]
        forget(self._settings, layout.name)
        with self._rearranging():
            arrange(self._window, self._docks, layout)

    def keep(self) -> None:
        """Remember the layout on show as it is."""
        if self.layout_name:
            keep(self._window, self._docks, self._settings, self.layout_name)

    @contextmanager
    def _rearranging(self) -> Iterator[None]:
        """All docks are put in other places. Qt makes new bars for their tabs and leaves the old ones on screen."""
        old, self._arranging = docks.tab_bars(self._window), True
        try:
            yield
        finally:
            self._arranging = False
            for bar in old:
                bar.hide()

    def _fit_panel(self) -> None:
        docks.keep_narrow(self._window, self._docks[PANEL], self._docks.values(), PANEL_WIDEST)

    def _docked(self, dock: QDockWidget, floating: bool) -> None:
        """A dock that comes back by hand comes to the front of the tabs there; one that floats is in front of all."""
        if not floating and not self._arranging:
            dock.raise_()
        elif floating:
            dock.visibilityChanged.emit(True)  # Qt says nothing of one that was behind a tab


class Unseen(QObject):
    """Keeps its sizes from a view that nobody has seen yet: Qt lays out what is behind a tab too, and a view with a
    size is built.
    """

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._view = view
        view.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        return event.type() == QEvent.Type.Resize

    def look(self, in_front: bool) -> None:
        """Its dock has come to the front, or gone from there."""
        if in_front:
            self._view.removeEventFilter(self)
            QApplication.sendEvent(self._view, QResizeEvent(self._view.size(), QSize()))
            self.deleteLater()
