"""The window: docks made from VIEWS, in named layouts. It never asks which view it holds."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QChildEvent, QEvent, QSettings, Qt, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QFileDialog,
    QInputDialog,
    QLabel,
    QMainWindow,
    QMessageBox,
    QTabBar,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app import docks, theme
from app.arrangement import Arrangement, Unseen
from app.bookmarks_panel import BookmarksPanel
from app.branching import Branching, family_of
from app.commands import Command
from app.comparing import Comparing
from app.compute import Compute, Query
from app.corner import Corner
from app.densifying import BUSY, Densifying, DensifyingStatus
from app.hints import Hints, first_hints
from app.layouts import PANEL, VERSION, named
from app.look_ahead import LookAhead
from app.menus import Menus
from app.palette import CommandPalette
from app.places import interpret_selection
from app.session import BRUSHES, Selection, Session
from app.shortcuts import GESTURES, ShortcutSheet
from app.showing import DEMONSTRATION, Showing
from app.telling import Telling
from app.theme import SPACE
from app.timeline import Timeline
from app.tracing import Tracing, TracingStatus
from app.training_panel import TrainingPanel
from app.views import VIEWS
from app.views.base import View
from app.views.header import Header
from engine import replay
from engine.runfile import Run

if TYPE_CHECKING:
    from app.export_dialog import Exporting

FIRST_LAYOUT = "Teach"
_KEPT = ("thresholds", "pinned_keys", "layout_epoch")  # not cleared with the brushes: they are rules
ABOUT = "Grokscope: a microscope for grokking.<br>Train, scrub, reverse-engineer."


class MainWindow(QMainWindow):
    """`open` shows a run file; `session` is what is looked at."""

    opened = Signal(object)  # Run, or None where it failed

    def __init__(self, settings: QSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or QSettings("Grokscope", "Grokscope")
        self.session, self.compute = Session(), Compute()
        self.tracing = Tracing.of(self.session, self.compute)
        self.telling = Telling(self.session, self.compute)
        self.views: list[View] = [make(self.session, self.compute) for make in VIEWS]
        self.timeline = Timeline(self.session, self.compute, lambda: self.waiting)
        self.panel = TrainingPanel(self.session, self.compute, self.settings)
        self.bookmarks = BookmarksPanel(self.session)
        self.densifying, self.branching, self.family = Densifying(), Branching(self), family_of(self)
        self.palette_window = CommandPalette(self, self.settings)
        self.tracing.held = self._is_training
        self.panel.picture_awaited = lambda: self.showing.is_opening or self.waiting
        self.showing = Showing(self)
        self.looking_ahead = LookAhead(self.session, self.compute, lambda: self.waiting, self._queries)
        self.setWindowTitle("Grokscope")
        self.setAcceptDrops(True)
        self.setContentsMargins(SPACE, 0, SPACE, 0)
        option = QMainWindow.DockOption
        self.setDockOptions(option.AllowNestedDocks | option.AllowTabbedDocks | option.AnimatedDocks)
        self._make_docks()
        self._make_bar()
        self.comparing = Comparing(self)
        self._bottom.insertWidget(0, self.comparing.strip)
        self._make_menus()
        self._status = QLabel("")
        self._status.setObjectName("window.status")
        self._status.setProperty("role", "muted")
        self.statusBar().addWidget(self._status, 1)
        self.statusBar().addPermanentWidget(DensifyingStatus(self.densifying))
        self.statusBar().addPermanentWidget(TracingStatus(self.tracing))
        self.statusBar().setSizeGripEnabled(False)
        self.session.changed.connect(self._selected)
        self.panel.started.connect(self.showing.show_new)
        self.panel.said.connect(self.say)
        self.bookmarks.said.connect(self.say)
        self.bookmarks.changed.connect(lambda: self.timeline.slider.show_marks(self.bookmarks.epochs()))
        self.panel.back.connect(self.showing.show_previous)
        self._connect_branching()
        for part in (self.session, self.compute, self.telling, self.looking_ahead, self.densifying):
            part.setParent(self)  # gone with it: what a lambda holds is freed with the sender of its signal
        self.hints = Hints(self, self.settings, first_hints(self))
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._mark_active)
        self._restore()

    @cached_property
    def exporting(self) -> Exporting:
        """What is taken out of the window; made when something is."""
        from app.export_dialog import Exporting

        return Exporting(self)

    def _connect_branching(self) -> None:
        timeline, densifying = self.timeline, self.densifying
        timeline.slider.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        timeline.slider.customContextMenuRequested.connect(self.branching.open_menu)
        timeline.branch.clicked.connect(self.branching.open_button_menu)
        timeline.tree.wanted.connect(self.branching.go_to)
        densifying.changed.connect(lambda: self.panel.hold(BUSY if densifying.active else ""))
        densifying.said.connect(self.say)
        densifying.denser.connect(self.branching.take_denser)
        for news in (self.panel.started, self.panel.ended):
            news.connect(lambda *_: self.family.refresh())

    # -- runs ----------------------------------------------------------------------------------------------

    def open(self, path: str | Path, epoch: int | None = None, stay: bool = False) -> None:
        """Show a run file, at its last checkpoint or at `epoch`; what is wrong with it is said in the status bar.

        The file is looked through in a thread; `opened` tells when it is on show.
        stay : it is a relative of the run on show: keep to the epoch and the brushes
        """
        self.showing.open(path, epoch, stay)

    def show_run(self, run: Run, epoch: int | None = None) -> None:
        """Show a run that is open, at its last checkpoint or at `epoch`."""
        self.showing.show_run(run, epoch)

    def compare_with(self, which: Run | str | Path) -> None:
        """Put a run, or the run of a file, beside the one on show, under the same slider."""
        self.comparing.open(which)

    def compare_with_demonstration(self) -> None:
        if DEMONSTRATION.exists():
            self.compare_with(DEMONSTRATION)

    def recent(self) -> list[str]:
        """Paths of the run files opened last, newest first."""
        return self.showing.recent.names

    def say(self, text: str, error: bool = False) -> None:
        """One sentence in the status bar."""
        self._status.setProperty("role", "error" if error else "muted")
        self._status.style().unpolish(self._status)
        self._status.style().polish(self._status)
        self._status.setText(text)
        self._status.setToolTip(text)

    # -- what moves together -------------------------------------------------------------------------------

    @property
    def shown_views(self) -> list[View]:
        """Every view that can be seen, those of the reference last."""
        return [view for view in (*self.views, *self.comparing.beside.views) if view.on_show]

    @property
    def waiting(self) -> bool:
        """Whether a visible view does not show the selection yet."""
        return any(view.waiting for view in self.shown_views)

    def _selected(self, selection: Selection) -> None:
        run = selection.run
        self.setWindowTitle("Grokscope" if run is None else f"{run.path.name} — Grokscope")
        if run is None or not selection.n_checkpoints:
            return
        self.looking_ahead.follow(selection)

    def _queries(self, there: Selection) -> list[Query]:
        """What the views in sight need to show a selection."""
        wanted = [view.query(there) for view in self.views if view.on_show]
        return [query for query in wanted if query is not None] + self.comparing.queries(there)

    # -- docks ---------------------------------------------------------------------------------------------

    def _make_docks(self) -> None:
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self.docks: dict[str, QDockWidget] = {}
        for view in self.views:
            self.docks[view.name] = docks.make_dock(self, view.title, view.name, view, view.header)
            view.wanted.connect(self._wanted)
            self.docks[view.name].visibilityChanged.connect(view.come_to_front)
            self.docks[view.name].visibilityChanged.connect(Unseen(view).look)
        for name, panel in ((PANEL, self.panel), ("bookmarks", self.bookmarks)):
            header: Header = panel.header
            self.docks[name] = docks.make_dock(self, header.title.text(), name, panel, header)
            header.wanted.connect(partial(docks.do, self.docks[name]))
        self.arrangement = Arrangement(self, self.docks, self.settings)

    def _make_bar(self) -> None:
        """The timeline beneath the docks."""
        bottom = QWidget()
        self._bottom = column = QVBoxLayout(bottom)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.timeline)
        bar = self.addToolBar("Timeline")
        bar.setObjectName("bar.timeline")
        bar.setMovable(False)
        bar.setFloatable(False)
        bar.toggleViewAction().setEnabled(False)
        bar.addWidget(bottom)
        self.addToolBar(Qt.ToolBarArea.BottomToolBarArea, bar)
        bar.setStyleSheet("QToolBar { border: none; padding: 0; margin: 0; spacing: 0; background: transparent; }")

    def childEvent(self, event: QChildEvent) -> None:
        """Qt makes bars of tabs as docks come to stand behind each other."""
        super().childEvent(event)
        child = event.child()
        if event.type() == QEvent.Type.ChildPolished and isinstance(child, QTabBar):
            docks.name_tab_bar(child)

    def use_layout(self, name: str) -> None:
        """Change to a named layout, as it was left."""
        self.arrangement.use(name)
        self.timeline.slider.setFocus()  # or Qt gives the keyboard to the next field of the view that was closed

    def reset_layout(self) -> None:
        """The layout on show as it was at first."""
        self.arrangement.reset()

    def _wanted(self, view: View, what: str) -> None:
        """What a view's menu was asked for."""
        if what in ("float", "close"):
            docks.do(self.docks[view.name], what)
        elif what == "beside":
            self.comparing.beside.toggle(view)
        elif not view.answers_for(what):
            self.exporting.do(view, what)

    # -- menus ---------------------------------------------------------------------------------------------

    def _make_menus(self) -> None:
        self.menus = Menus(self)
        views = self.menus.menus["View"]
        self.showing.take_menu()
        for dock in self.docks.values():
            views.addAction(dock.toggleViewAction())
            dock.toggleViewAction().triggered.connect(lambda shown, d=dock: d.raise_() if shown else None)
        self.docks[PANEL].toggleViewAction().setShortcut(QKeySequence("Ctrl+T"))
        self.docks["bookmarks"].toggleViewAction().setShortcut(QKeySequence("Ctrl+B"))
        self.session.history_changed.connect(self._tell_history)
        self._tell_history()
        self.comparing.take_menu()
        self._corner = Corner(self.open_palette, self.docks[PANEL].toggleViewAction().trigger, self.switch_theme)
        self.menuBar().setCornerWidget(self._corner)

    def _tell_history(self) -> None:
        self.menus.actions["undo"].setEnabled(self.session.can_undo)
        self.menus.actions["redo"].setEnabled(self.session.can_redo)

    def commands(self) -> list[Command]:
        """Everything the window can do, for the palette and the sheet of keys."""
        made = []
        for group, action in self.menus.listed:
            text = action.text().replace("&&", "\0").replace("&", "").replace("\0", "&")
            keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            made.append(Command(text, action.trigger, keys, group, action.isEnabled()))
        return [
            *made,
            *docks.commands(self.docks.values()),
            *(command for view in self.views for command in view.commands()),
        ]

    def go_on(self, by: int) -> None:
        """The keyboard to the next view, or the one before."""
        docks.go_on(self.docks.values(), self.timeline.slider, QApplication.focusWidget(), by)

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab goes through what is seen from left to right, whenever it was made."""
        shown = [dock for dock in docks.in_order(self.docks.values()) if not dock.isFloating()]
        parts = [part for dock in shown for part in (dock.titleBarWidget(), dock.widget())]
        stops = docks.tab_stops([*parts, self.timeline, self.hints.bubble, self.statusBar(), self._corner])
        here = QApplication.focusWidget()
        if here not in stops:
            return super().focusNextPrevChild(forward)
        why = Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason
        stops[(stops.index(here) + (1 if forward else -1)) % len(stops)].setFocus(why)
        return True

    def change_tab(self, by: int) -> None:
        """The next tab, or the one before, where the keyboard is."""
        docks.change_tab(self, self.docks.values(), QApplication.focusWidget(), by)

    def _mark_active(self, _old: QWidget | None, focus: QWidget | None) -> None:
        """A line over the dock that has the keyboard."""
        if focus is None:
            return  # in another program, for a while
        here = docks.holder(self.docks.values(), focus)
        for dock in self.docks.values():
            header = dock.titleBarWidget()
            assert isinstance(header, Header)
            header.mark_active(dock is here)

    def open_palette(self) -> None:
        self.palette_window.open(self.commands(), lambda text: interpret_selection(self.session, text))

    def show_shortcuts(self) -> None:
        ShortcutSheet(self.commands(), self, GESTURES).open()

    def show_hints(self) -> None:
        self.hints.start(again=True)

    def show_about(self) -> None:
        QMessageBox.about(self, "Grokscope", ABOUT)

    def clear_brushes(self) -> None:
        blank = Selection()
        self.session.select(**{name: getattr(blank, name) for name in BRUSHES if name not in _KEPT})

    def bookmark(self) -> None:
        """Keep what is looked at."""
        self.docks["bookmarks"].show()
        self.docks["bookmarks"].raise_()
        self.bookmarks.add()

    def pin_keys(self) -> None:
        """Ask for a set of frequencies; every measure that needs keys takes it from then on."""
        run, pinned = self.session.selection.run, self.tracing.pinned
        if run is None:
            return
        known = " ".join(map(str, pinned.keys)) if pinned is not None else ""
        text, done = QInputDialog.getText(
            self, "Key frequencies", f"Frequencies from 1 to {run.config.p // 2}, for every measure that needs keys:",
            text=known,
        )  # fmt: skip
        if not done:
            return
        words = text.replace(",", " ").split()
        if not words or not all(word.isdigit() and 1 <= int(word) <= run.config.p // 2 for word in words):
            self.say(f"Key frequencies are numbers from 1 to {run.config.p // 2}, as in: 14 35 41.", error=True)
            return
        self.session.select(pinned_keys=tuple(sorted({int(word) for word in words})))

    def ask_for_file(self) -> None:
        folder = str(self.settings.value("training/folder", ""))
        name, _ = QFileDialog.getOpenFileName(self, "Open a run", folder, "Run files (*.h5);;All files (*)")
        if name:
            self.open(name)

    def save_picture(self) -> None:
        """A picture of the window, as PNG, SVG or PDF."""
        self.exporting.figure(None)

    def movie(self, view: View | None) -> None:
        """A movie of a view, or of the window."""
        self.exporting.movie(view)

    def switch_theme(self) -> None:
        self.use_theme("light" if theme.current().name == "dark" else "dark")

    def use_theme(self, name: str) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, theme.THEMES[name])
        self.settings.setValue("theme", name)
        self.timeline.restyle()
        self.panel.restyle()
        self.bookmarks.restyle()
        self._corner.restyle()
        self.comparing.restyle()
        for view in self.views:
            view.change_theme()

    # -- coming and going ----------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        beside = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        for url in event.mimeData().urls()[:1]:
            (self.compare_with if beside else self.open)(url.toLocalFile())

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask while a run is being trained; then stop at once. Everything committed is kept."""
        if self.panel.is_training and not self._may_stop():
            event.ignore()
            return
        self.densifying.cancel_and_wait()
        self.panel.stop_and_wait()
        self.timeline.play(False)
        self.family.close()
        self.showing.wait()
        self.comparing.wait()
        self.settings.setValue(f"geometry/{VERSION}", self.saveGeometry())
        self.arrangement.keep()
        self.compute.close()
        self.tracing.close()
        self.comparing.comparison.close()
        if self.session.selection.run is not None:
            replay.forget(self.session.selection.run)
        event.accept()

    def quit_now(self) -> None:
        """Ctrl-C in the terminal: stop the training, keep what is committed, and go without asking."""
        self.panel.stop_and_wait()
        self.close()

    def _is_training(self) -> bool:
        """Whether something is trained now, which goes first."""
        thread = self.panel.thread_in_training
        return self.densifying.active or (thread is not None and not thread.paused)

    def _may_stop(self) -> bool:
        question = QMessageBox.question(
            self, "Grokscope", "A run is being trained. Stop it and quit?\nEvery checkpoint so far is kept."
        )
        return question == QMessageBox.StandardButton.Yes

    def _restore(self) -> None:
        self.resize(1440, 900)
        geometry = self.settings.value(f"geometry/{VERSION}")
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)
        name = str(self.settings.value("layout/name", FIRST_LAYOUT))
        self.use_layout(name if named(name) else FIRST_LAYOUT)
