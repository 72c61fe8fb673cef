"""Menus, shortcuts and palette entries: one list of what the window can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QAbstractButton, QApplication, QMenu

from app.layouts import LAYOUTS
from engine.analysis.alignment import Alignment

if TYPE_CHECKING:
    from app.main_window import MainWindow


@dataclass(frozen=True)
class Entry:
    """A line of a menu.  name : to find it again; run : None makes a separator"""

    menu: str
    text: str = ""
    keys: str = ""
    run: Callable[[], object] | None = None
    name: str = ""


def entries(w: MainWindow) -> list[Entry]:
    """Everything in its order."""
    line, session, panel = w.timeline, w.session, w.panel
    return [
        Entry("&File", "&Open run …", "Ctrl+O", w.ask_for_file),
        Entry("&File", "Open the &demonstration", "", w.showing.open_demonstration),
        Entry("&File", "&Previous run", "Ctrl+P", w.showing.show_previous, "back"),
        Entry("&File"),
        Entry("&File", "Save a &picture of the window …", "Ctrl+Shift+S", w.save_picture),
        Entry("&File", "&Movie of the window …", "Ctrl+Shift+M", lambda: w.movie(None)),
        Entry("&File"),
        Entry("&File", "&Quit", "Ctrl+Q", w.close),
        Entry("&Edit", "&Undo", "Ctrl+Z", session.undo, "undo"),
        Entry("&Edit", "&Redo", "Ctrl+Shift+Z", session.redo, "redo"),
        Entry("&Edit"),
        Entry("&Edit", "&Bookmark this", "Ctrl+D", w.bookmark),
        Entry("&Edit", "Pin these &key frequencies …", "", w.pin_keys),
        Entry("&Edit", "The run's &own key frequencies", "", lambda: session.select(pinned_keys=None)),
        Entry("&Edit", "&Clear the brushes", "Esc", w.clear_brushes),
        Entry("&Edit"),
        Entry("&Edit", "&Find a command …", "Ctrl+K", w.open_palette),
        Entry("&Playback", "Play or pause", "Space", lambda: _play_or_press(w)),
        Entry("&Playback", "One checkpoint forward", "Right", lambda: line.step_by(1)),
        Entry("&Playback", "One checkpoint back", "Left", lambda: line.step_by(-1)),
        Entry("&Playback", "Forward by a twentieth", "PgDown", lambda: line.step_by(line.slider.pageStep())),
        Entry("&Playback", "Back by a twentieth", "PgUp", lambda: line.step_by(-line.slider.pageStep())),
        Entry("&Playback", "First checkpoint", "Home", line.go_first),
        Entry("&Playback", "Last checkpoint", "End", line.go_last),
        Entry("&Playback", "Follow the newest checkpoint", "F", lambda: session.select(
            following=True, step=session.selection.n_checkpoints - 1)),
        Entry("&Training", "&Start", "Ctrl+Return", panel.start),
        Entry("&Training", "&Pause or go on", "Ctrl+.", panel.pause_or_resume),
        Entry("&Training", "S&top", "", panel.stop),
        Entry("&Training"),
        Entry("&Training", "&Fork here …", "Ctrl+Shift+F", w.branching.fork),
        Entry("&Training", "&Densify …", "Ctrl+Shift+D", w.branching.densify),
        Entry("&Training", "Cancel the &replay", "", w.densifying.cancel),
        Entry("&Training", "The relative &above", "Alt+Up", lambda: line.tree.step_by(-1)),
        Entry("&Training", "The relative &below", "Alt+Down", lambda: line.tree.step_by(1)),
        *_comparing(w),
        Entry("&View", "&Next view", "F6", lambda: w.go_on(1)),
        Entry("&View", "&View before", "Shift+F6", lambda: w.go_on(-1)),
        Entry("&View", "Next &tab", "Ctrl+PgDown", lambda: w.change_tab(1)),
        Entry("&View", "Tab &before", "Ctrl+PgUp", lambda: w.change_tab(-1)),
        Entry("&View"),
        *(Entry("&Layout", layout.name, str(i), partial(w.use_layout, layout.name), f"layout.{layout.name}")
          for i, layout in enumerate(LAYOUTS, 1)),
        Entry("&Layout"),
        Entry("&Layout", "As it was at first", "0", w.reset_layout),
        Entry("&Layout", "Dark or light", "Ctrl+L", w.switch_theme),
        Entry("&Help", "&Keys and gestures", "F1", w.show_shortcuts),
        Entry("&Help", "Show the &hints again", "", w.show_hints),
        Entry("&Help", "&About Grokscope", "", w.show_about),
    ]  # fmt: skip


def _comparing(w: MainWindow) -> list[Entry]:
    """A second run beside the one on show."""
    do = w.comparing
    return [
        Entry("&Compare", "&Compare with a run …", "Ctrl+Shift+O", do.ask_for_file),
        Entry("&Compare", "Compare with the &demonstration", "", w.compare_with_demonstration, "compare demonstration"),
        Entry("&Compare"),
        Entry("&Compare", "All views &beside the reference's, or none", "Ctrl+Shift+B", do.beside.toggle_all, "beside"),
        Entry("&Compare", "&What differs", "", do.show_comparison),
        Entry("&Compare"),
        Entry("&Compare", "Align by &epoch", "", lambda: do.align(Alignment.EPOCH), "align.EPOCH"),
        Entry("&Compare", "Align at t_&gen", "", lambda: do.align(Alignment.FROM_GROKKING), "align.FROM_GROKKING"),
        Entry("&Compare", "Align by t / t_ge&n", "", lambda: do.align(Alignment.RELATIVE), "align.RELATIVE"),
        Entry("&Compare"),
        Entry("&Compare", "E&xchange the two runs", "Ctrl+Shift+X", do.exchange, "exchange"),
        Entry("&Compare", "Close the &reference", "", do.close_reference, "uncompare"),
    ]  # fmt: skip


class Menus:
    """The menu bar, made from `entries`.

    actions : name or text -> action      menus : title without its & -> menu
    """

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self.actions: dict[str, QAction] = {}
        self.menus: dict[str, QMenu] = {}
        self._listed: list[tuple[str, QAction]] = []
        for entry in entries(window):
            title = entry.menu.replace("&", "")
            if title not in self.menus:
                self.menus[title] = window.menuBar().addMenu(entry.menu)
            menu = self.menus[title]
            if entry.run is None:
                menu.addSeparator()
                continue
            action = self._action(entry)
            menu.addAction(action)
            self.actions[entry.name or entry.text.replace("&", "")] = action
            self._listed.append((title, action))

    @property
    def listed(self) -> list[tuple[str, QAction]]:
        """Everything, with the name of its menu."""
        return list(self._listed)

    def _action(self, entry: Entry) -> QAction:
        made = QAction(entry.text, self._window)
        if entry.keys:
            made.setShortcut(QKeySequence(entry.keys))
        assert entry.run is not None
        run = entry.run
        made.triggered.connect(lambda _checked=False: run())
        return made


def _play_or_press(w: MainWindow) -> None:
    """Space presses the button that has the keyboard; anywhere else it plays."""
    focus = QApplication.focusWidget()
    if isinstance(focus, QAbstractButton):
        focus.click()
    else:
        w.timeline.play(not w.timeline.playing)
