"""The window: docks made from VIEWS, in named layouts. It never asks which view it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QChildEvent, QEvent, QObject, QSettings, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QMainWindow,
    QMenu,
    QMessageBox,
    QTabBar,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import docks, theme
from app.bookmarks_panel import BookmarksPanel
from app.branching import Branching, family_of
from app.commands import Command
from app.comparing import Comparing
from app.compute import Compute, Query
from app.densifying import BUSY, Densifying, DensifyingStatus
from app.hints import Hints, first_hints
from app.layouts import LAYOUTS, PANEL, PANEL_WIDEST, VERSION, arrange, forget, keep, named, take_up
from app.menus import Menus
from app.opening import Opening
from app.palette import CommandPalette
from app.places import interpret_selection
from app.session import BRUSHES, Selection, Session
from app.shortcuts import Gesture, ShortcutSheet
from app.telling import Telling
from app.theme import RESOURCES, SPACE
from app.timeline import Timeline
from app.tracing import Tracing, TracingStatus
from app.training_panel import TrainingPanel
from app.views import VIEWS
from app.views.base import Header, View
from engine import replay
from engine.runfile import Run

if TYPE_CHECKING:
    from app.export_dialog import Exporting

DEMONSTRATION = RESOURCES / "demonstration.h5"
RECENT = 8
REDUCED = "A bundled run: its weights are rounded to float16, which moves recomputed losses by about 0.1 %."
FIRST_LAYOUT = "Teach"
_PAUSE_MS = 30  # without a new selection, before what may be wanted next is computed
_KEPT = ("thresholds", "pinned_keys", "layout_epoch")  # not cleared with the brushes: they are rules
GESTURES = (
    Gesture("Go to a checkpoint", "Click + a curve or the slider"),
    Gesture("Select a frequency, a neuron, a pair", "Click + a bar, a tile, a cell"),
    Gesture("Select more neurons", "Ctrl + Click"),
    Gesture("Zoom a curve's epochs", "Wheel"),
    Gesture("See all of a curve again", "Double click"),
    Gesture("Copy or export a view", "Right click"),
    Gesture("Move a view, or tab it onto another", "Drag + its title"),
    Gesture("Put a run beside the one on show", "Ctrl + drop its file"),
)
ABOUT = "Grokscope: a microscope for grokking.<br>Train, scrub, reverse-engineer."
DEMONSTRATION_EPOCH, DEMONSTRATION_NEURON = 9300, 3  # in the middle of the transition, one that makes it


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
        self.panel.picture_awaited = lambda: bool(self._opening) or self.waiting
        self.layout_name = ""
        self._previous: Run | None = None
        self._previous_epoch: int | None = None
        self._last_step, self._direction = 0, 1  # of a drag
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._look_ahead)
        self._arranging = False  # docks are put in place, not by hand
        self._opening: list[Opening] = []
        self.setWindowTitle("Grokscope")
        self.setAcceptDrops(True)
        self.setContentsMargins(SPACE, 0, SPACE, 0)
        option = QMainWindow.DockOption
        self.setDockOptions(option.AllowNestedDocks | option.AllowTabbedDocks | option.AnimatedDocks)
        self._make_docks()
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
        self.panel.started.connect(self._show_new_run)
        self.panel.said.connect(self.say)
        self.bookmarks.said.connect(self.say)
        self.bookmarks.changed.connect(lambda: self.timeline.slider.show_marks(self.bookmarks.epochs()))
        self.panel.back.connect(self.show_previous)
        self._connect_branching()
        for part in (self.session, self.compute, self.telling, self.densifying):
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
        self.say(f"Opening {Path(path).name} …")
        if self.session.selection.run is None:
            self.session.select(trouble=f"Opening {Path(path).name} …")
        opening = Opening(Path(path), self)
        self._opening.append(opening)
        opening.finished.connect(partial(self._finish_opening, opening, epoch, stay))
        opening.start()

    def _finish_opening(self, opening: Opening, epoch: int | None, stay: bool) -> None:
        self._opening.remove(opening)
        opening.wait()
        if opening.run_found is None:
            self.say(opening.why, error=True)
            self.session.select(trouble=opening.why)
            self.opened.emit(None)
            return
        live = self.family.live()
        run = live if live is not None and live == opening.run_found else opening.run_found
        self._remember(run.path)
        if stay:
            self.stay(run)
            self.branching.tell(run)
        else:
            self.show_run(run, epoch)
        if opening.run_found.path == DEMONSTRATION:
            self.session.suggest(neurons=((0, DEMONSTRATION_NEURON),))
        self.telling.look_for(opening.run_found)
        self.opened.emit(opening.run_found)

    def show_run(self, run: Run, epoch: int | None = None) -> None:
        self._leave_for(run)
        self.session.show_run(run, epoch)
        self.timeline.slider.setFocus()

    def stay(self, run: Run) -> None:
        """Show a relative of the run on show from where one is."""
        self._leave_for(run)
        self.session.stay(run)

    def _leave_for(self, run: Run) -> None:
        selection = self.session.selection
        if selection.run is not None and selection.run.id != run.id:
            self._previous = selection.run
            self.branching.keep(selection.run)
            self._previous_epoch = selection.epoch if selection.n_checkpoints else None
        self.say(REDUCED if run.reduced_precision else "")
        self._back.setEnabled(self._previous is not None)
        self.panel.previous.setEnabled(self._previous is not None)

    def take_denser(self, run: Run) -> None:
        """The same run with more checkpoints, in place of what is on show or was before."""
        before, now = self._previous, self.session.selection.run
        if before is not None and (before.id, before.path) == (run.id, run.path):
            self._previous = run
        if now is not None and (now.id, now.path) == (run.id, run.path):
            self.session.stay(run)

    def show_previous(self) -> None:
        """The run that was on show before, one click away."""
        run = self._previous
        if run is not None:
            self.show_run(run, self._previous_epoch)
            self.telling.look_for(run)

    def open_demonstration(self) -> None:
        """The bundled run, at a checkpoint that tells something: the middle of the transition."""
        if DEMONSTRATION.exists():
            self.open(DEMONSTRATION, epoch=DEMONSTRATION_EPOCH)

    def compare_with(self, which: Run | str | Path) -> None:
        """Put a run, or the run of a file, beside the one on show, under the same slider."""
        self.comparing.open(which)

    def compare_with_demonstration(self) -> None:
        if DEMONSTRATION.exists():
            self.compare_with(DEMONSTRATION)

    def _show_new_run(self, run: Run) -> None:
        """A training has begun; a fork of the run on show is looked at from where one is."""
        self._remember(run.path)
        self.timeline.play(False)
        now = self.session.selection.run
        if now is not None and run.origin.parent == now.id:
            self.stay(run)
        else:
            self.show_run(run)
        self.session.select(following=True)

    def _remember(self, path: Path) -> None:
        known = [str(path), *(name for name in self.recent() if name != str(path))]
        self.settings.setValue("recent", known[:RECENT])
        self._fill_recent()

    def recent(self) -> list[str]:
        value: Any = self.settings.value("recent", [])
        return [value] if isinstance(value, str) else [str(name) for name in (value or [])]

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
        self.compute.look_ahead(())
        self._direction = 1 if selection.step >= self._last_step else -1
        self._last_step = selection.step
        self._pause.start()

    def _look_ahead(self) -> None:
        """Compute what a finger on the slider will want next, in the direction it moves; but not while it moves:
        the picture of what is known already would have to share the processor with it."""
        if self.waiting:
            self._pause.start()
            return
        selection, direction = self.session.selection, self._direction
        queries: list[Query] = []
        for distance in (1, 2, 3):
            step = selection.step + direction * distance
            if 0 <= step < selection.n_checkpoints:
                there = replace(selection, step=step)
                wanted = [view.query(there) for view in self.views if view.on_show]
                queries += [query for query in wanted if query is not None]
                queries += self.comparing.queries(there)
        self.compute.look_ahead(queries)

    # -- docks ---------------------------------------------------------------------------------------------

    def _make_docks(self) -> None:
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self.docks: dict[str, QDockWidget] = {}
        for view in self.views:
            self.docks[view.name] = docks.make_dock(self, view.title, view.name, view, view.header)
            view.wanted.connect(self._wanted)
            self.docks[view.name].visibilityChanged.connect(view.come_to_front)
            self.docks[view.name].visibilityChanged.connect(_Unseen(view).look)
        for name, panel in ((PANEL, self.panel), ("bookmarks", self.bookmarks)):
            header: Header = panel.header
            self.docks[name] = docks.make_dock(self, header.title.text(), name, panel, header)
            header.wanted.connect(partial(docks.do, self.docks[name]))
        self._moved = QTimer(self)
        self._moved.setSingleShot(True)
        self._moved.timeout.connect(self._fit_panel)
        for dock in self.docks.values():
            dock.topLevelChanged.connect(partial(self._docked, dock))
            for moved in (dock.topLevelChanged, dock.dockLocationChanged, dock.visibilityChanged):
                moved.connect(lambda _: self._moved.start(0))
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
        self._keep_layout()
        self.layout_name = name
        self.settings.setValue("layout/name", name)
        with self._rearranging():
            found = take_up(self, self.docks, self.settings, name)
        if not found:
            self.reset_layout()
        self.timeline.slider.setFocus()  # or Qt gives the keyboard to the next field of the view that was closed

    def reset_layout(self) -> None:
        """The layout on show as it was at first."""
        layout = named(self.layout_name) or LAYOUTS[0]
        forget(self.settings, layout.name)
        with self._rearranging():
            arrange(self, self.docks, layout)

    @contextmanager
    def _rearranging(self) -> Iterator[None]:
        """All docks are put in other places. Qt makes new bars for their tabs and leaves the old ones on screen."""
        old, self._arranging = docks.tab_bars(self), True
        try:
            yield
        finally:
            self._arranging = False
            for bar in old:
                bar.hide()

    def _fit_panel(self) -> None:
        docks.keep_narrow(self, self.docks[PANEL], self.docks.values(), PANEL_WIDEST)

    def _keep_layout(self) -> None:
        if self.layout_name:
            keep(self, self.docks, self.settings, self.layout_name)

    def _docked(self, dock: QDockWidget, floating: bool) -> None:
        """A dock that comes back by hand comes to the front of the tabs there; one that floats is in front of all."""
        if not floating and not self._arranging:
            dock.raise_()
        elif floating:
            dock.visibilityChanged.emit(True)  # Qt says nothing of one that was behind a tab

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
        file, views = self.menus.menus["File"], self.menus.menus["View"]
        self._recent = QMenu("Open &recent", self)
        file.insertMenu(self.menus.actions["back"], self._recent)
        self._back = self.menus.actions["back"]
        self._back.setEnabled(False)
        for dock in self.docks.values():
            views.addAction(dock.toggleViewAction())
            dock.toggleViewAction().triggered.connect(lambda shown, d=dock: d.raise_() if shown else None)
        self.docks[PANEL].toggleViewAction().setShortcut(QKeySequence("Ctrl+T"))
        self.docks["bookmarks"].toggleViewAction().setShortcut(QKeySequence("Ctrl+B"))
        self.session.history_changed.connect(self._tell_history)
        self._tell_history()
        self._fill_recent()
        self.comparing.take_menu()
        self._make_corner()

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
        stops = docks.tab_stops([*parts, self.timeline, self.hints.bubble, self.statusBar(), self._corner_box])
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

    def _make_corner(self) -> None:
        """Two buttons at the right end of the menu bar: the training panel, the theme."""
        self._corner_box = corner = QWidget()
        row = QHBoxLayout(corner)
        row.setContentsMargins(0, 2, SPACE, 2)
        row.setSpacing(4)
        self._corner: dict[str, QToolButton] = {}
        toggle_panel = self.docks[PANEL].toggleViewAction().trigger
        for name, tip, action in (
            ("search", "Find a command (Ctrl+K)", self.open_palette),
            ("panel-left", "Hide or show the training panel (Ctrl+T)", toggle_panel),
            ("sun", "Dark or light (Ctrl+L)", self.switch_theme),
        ):
            button = QToolButton()
            button.setObjectName(f"window.{name}")
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(action)
            self._corner[name] = button
            row.addWidget(button)
        self.menuBar().setCornerWidget(corner)
        self._paint_corner()

    def _paint_corner(self) -> None:
        for name, button in self._corner.items():
            shown = "moon" if name == "sun" and theme.current().name == "light" else name
            button.setIcon(theme.icon(shown))

    def _fill_recent(self) -> None:
        self._recent.clear()
        for name in self.recent():
            action = self._recent.addAction(name)
            action.triggered.connect(lambda _checked=False, n=name: self.open(n))
        self._recent.setEnabled(bool(self.recent()))

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
        self._paint_corner()
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
        for opening in self._opening:
            opening.wait()
        self.comparing.wait()
        self.settings.setValue(f"geometry/{VERSION}", self.saveGeometry())
        self._keep_layout()
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


class _Unseen(QObject):
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
