"""The window: docks made from VIEWS, menus and shortcuts as data. It never asks which view it holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QByteArray, QObject, QSettings, Qt, QThread, Signal
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDockWidget,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMessageBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.compute import Compute, Query
from app.session import Selection, Session
from app.theme import RESOURCES, SPACE
from app.timeline import Timeline
from app.tracing import Tracing, TracingStatus
from app.training_panel import TrainingPanel
from app.views import VIEWS
from app.views.base import View
from engine.replay import forget
from engine.runfile import Run, RunError

DEMONSTRATION = RESOURCES / "demonstration.h5"
RECENT = 8
REDUCED = "A bundled run: its weights are rounded to float16, which moves recomputed losses by about 0.1 %."
_LAYOUT_VERSION = 1
DEMONSTRATION_EPOCH = 9300  # in the middle of the transition


class MainWindow(QMainWindow):
    """`open` shows a run file; `session` is what is looked at."""

    opened = Signal(object)  # Run, or None where it failed

    def __init__(self, settings: QSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or QSettings("Grokscope", "Grokscope")
        self.session, self.compute = Session(), Compute()
        self.tracing = Tracing.of(self.session, self.compute)
        self.views: list[View] = [make(self.session, self.compute) for make in VIEWS]
        self.timeline = Timeline(self.session, lambda: self.waiting)
        self.panel = TrainingPanel(self.session, self.compute, self.settings)
        self.tracing.held = self._is_training
        self._previous: Run | None = None
        self._last_step = 0  # to tell the direction of a drag
        self._opening: list[_Opening] = []
        self.setWindowTitle("Grokscope")
        self.setAcceptDrops(True)
        self.setContentsMargins(SPACE, 0, SPACE, 0)
        self.setDockOptions(QMainWindow.DockOption.AllowNestedDocks | QMainWindow.DockOption.AnimatedDocks)
        self._make_docks()
        self._make_menus()
        self._status = QLabel("")
        self._status.setObjectName("window.status")
        self._status.setProperty("role", "muted")
        self.statusBar().addWidget(self._status, 1)
        self.statusBar().addPermanentWidget(TracingStatus(self.tracing))
        self.statusBar().setSizeGripEnabled(False)
        self.session.changed.connect(self._selected)
        self.panel.started.connect(self._show_new_run)
        self.panel.said.connect(self.say)
        self.panel.back.connect(self.show_previous)
        self._restore()

    # -- runs ----------------------------------------------------------------------------------------------

    def open(self, path: str | Path, epoch: int | None = None) -> None:
        """Show a run file, at its last checkpoint or at `epoch`; what is wrong with it is said in the status bar.

        The file is looked through in a thread; `opened` tells when it is on show.
        """
        self.say(f"Opening {Path(path).name} …")
        opening = _Opening(Path(path), epoch, self)
        self._opening.append(opening)
        opening.finished.connect(lambda: self._finish_opening(opening))
        opening.start()

    def _finish_opening(self, opening: _Opening) -> None:
        self._opening.remove(opening)
        opening.wait()
        if opening.run_found is None:
            self.say(opening.why, error=True)
            self.session.select(trouble=opening.why)
            self.opened.emit(None)
            return
        self._remember(opening.run_found.path)
        self.show_run(opening.run_found, opening.epoch)
        self.opened.emit(opening.run_found)

    def show_run(self, run: Run, epoch: int | None = None) -> None:
        now = self.session.selection.run
        if now is not None and now != run:
            self._previous = now
        self.say(REDUCED if run.reduced_precision else "")
        self.session.show_run(run, epoch)
        self._back.setEnabled(self._previous is not None)
        self.panel.previous.setEnabled(self._previous is not None)
        self.timeline.slider.setFocus()

    def show_previous(self) -> None:
        """The run that was on show before, one click away."""
        if self._previous is not None:
            self.show_run(self._previous)

    def open_demonstration(self) -> None:
        """The bundled run, at a checkpoint that tells something: the middle of the transition."""
        if DEMONSTRATION.exists():
            self.open(DEMONSTRATION, epoch=DEMONSTRATION_EPOCH)

    def _show_new_run(self, run: Run) -> None:
        self._remember(run.path)
        self.timeline.play(False)
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
    def waiting(self) -> bool:
        """Whether a visible view does not show the selection yet."""
        return any(view.waiting for view in self.views if view.isVisible())

    def _selected(self, selection: Selection) -> None:
        run = selection.run
        self.setWindowTitle("Grokscope" if run is None else f"{run.path.name} — Grokscope")
        if run is None or not selection.n_checkpoints:
            return
        self._look_ahead(selection)

    def _look_ahead(self, selection: Selection) -> None:
        """Compute what a finger on the slider will want next, in the direction it moves."""
        direction = 1 if selection.step >= self._last_step else -1
        self._last_step = selection.step
        queries: list[Query] = []
        for distance in (1, 2, 3):
            step = selection.step + direction * distance
            if 0 <= step < selection.n_checkpoints:
                there = replace(selection, step=step)
                wanted = [view.query(there) for view in self.views if view.isVisible()]
                queries += [query for query in wanted if query is not None]
        self.compute.look_ahead(queries)

    # -- docks ---------------------------------------------------------------------------------------------

    def _make_docks(self) -> None:
        self.docks: dict[str, QDockWidget] = {}
        for view in self.views:
            self.docks[view.name] = self._dock(view.title, f"dock.{view.name}", view)
        self.docks["training"] = self._dock("Training", "dock.training", self.panel)
        bottom = QWidget()
        column = QVBoxLayout(bottom)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.timeline)
        bar = self.addToolBar("Timeline")
        bar.setObjectName("bar.timeline")
        bar.setMovable(False)
        bar.setFloatable(False)
        bar.toggleViewAction().setEnabled(False)
        bar.addWidget(bottom)
        self.addToolBar(Qt.ToolBarArea.BottomToolBarArea, bar)
        bar.setStyleSheet("QToolBar { border: none; padding: 0; margin: 0; spacing: 0; background: transparent; }")
        self.arrange()

    def _dock(self, title: str, name: str, widget: QWidget) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        dock.setWidget(widget)
        empty = QWidget()
        empty.setFixedHeight(0)
        dock.setTitleBarWidget(empty)
        return dock

    def arrange(self) -> None:
        """The first layout: training on the left, curves above, neurons below."""
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        views = [self.docks[view.name] for view in self.views]
        self.addDockWidget(left, self.docks["training"])
        for dock in [*views, self.docks["training"]]:
            dock.setVisible(True)
        columns = -(-len(views) // 2)
        top, below = views[:columns], views[columns:]
        self.addDockWidget(right, top[0])
        for before, dock in itertools.pairwise(top):
            self.splitDockWidget(before, dock, Qt.Orientation.Horizontal)
        for above, dock in zip(top, below, strict=False):
            self.splitDockWidget(above, dock, Qt.Orientation.Vertical)
        self.resizeDocks([self.docks["training"]], [264], Qt.Orientation.Horizontal)
        self.resizeDocks(top, [620, 520][: len(top)], Qt.Orientation.Horizontal)
        for above, dock in zip(top, below, strict=False):
            self.resizeDocks([above, dock], [450, 490], Qt.Orientation.Vertical)

    # -- menus ---------------------------------------------------------------------------------------------

    def _make_menus(self) -> None:
        menu = self.menuBar()
        file = menu.addMenu("&File")
        self._add(file, "&Open run …", "Ctrl+O", self._ask_for_file)
        self._recent = file.addMenu("Open &recent")
        self._add(file, "Open the &demonstration", "", self.open_demonstration)
        self._back = self._add(file, "&Previous run", "Ctrl+P", self.show_previous)
        self._back.setEnabled(False)
        file.addSeparator()
        self._add(file, "Save a &picture of the window …", "Ctrl+Shift+S", self._save_picture)
        file.addSeparator()
        self._add(file, "&Quit", "Ctrl+Q", self.close)
        playback = menu.addMenu("&Playback")
        line = self.timeline
        self._add(playback, "Play or pause", "Space", self._play_or_press)
        self._add(playback, "One checkpoint forward", "Right", lambda: line.step_by(1))
        self._add(playback, "One checkpoint back", "Left", lambda: line.step_by(-1))
        self._add(playback, "Forward by a twentieth", "PgDown", lambda: line.step_by(line.slider.pageStep()))
        self._add(playback, "Back by a twentieth", "PgUp", lambda: line.step_by(-line.slider.pageStep()))
        self._add(playback, "First checkpoint", "Home", line.go_first)
        self._add(playback, "Last checkpoint", "End", line.go_last)
        self._add(playback, "Follow the newest checkpoint", "F", lambda: self.session.select(
            following=True, step=self.session.selection.n_checkpoints - 1))  # fmt: skip
        training = menu.addMenu("&Training")
        self._add(training, "&Start", "Ctrl+Return", self.panel.start)
        self._add(training, "&Pause or go on", "Ctrl+.", self.panel.pause_or_resume)
        self._add(training, "S&top", "", self.panel.stop)
        view = menu.addMenu("&View")
        for dock in self.docks.values():
            view.addAction(dock.toggleViewAction())
        self.docks["training"].toggleViewAction().setShortcut(QKeySequence("Ctrl+T"))
        view.addSeparator()
        self._add(view, "&Default layout", "", self.arrange)
        self._add(view, "Dark or light", "Ctrl+L", self.switch_theme)
        self._add(view, "Clear the brushes", "Esc", lambda: self.session.select(frequency=None, neurons=()))
        self._fill_recent()
        self._make_corner()

    def _play_or_press(self) -> None:
        """Space presses the button that has the keyboard; anywhere else it plays."""
        focus = QApplication.focusWidget()
        if isinstance(focus, QAbstractButton):
            focus.click()
        else:
            self.timeline.play(not self.timeline.playing)

    def _make_corner(self) -> None:
        """Two buttons at the right end of the menu bar: the training panel, the theme."""
        self._corner_box = corner = QWidget()
        row = QHBoxLayout(corner)
        row.setContentsMargins(0, 2, SPACE, 2)
        row.setSpacing(4)
        self._corner: dict[str, QToolButton] = {}
        toggle_panel = self.docks["training"].toggleViewAction().trigger
        for name, tip, action in (
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

    def _add(self, menu: QObject, text: str, keys: str, action: Callable[[], object]) -> QAction:
        made = QAction(text, self)
        if keys:
            made.setShortcut(QKeySequence(keys))
        made.triggered.connect(lambda _checked=False: action())
        menu.addAction(made)  # type: ignore[attr-defined]
        return made

    def _fill_recent(self) -> None:
        self._recent.clear()
        for name in self.recent():
            action = self._recent.addAction(name)
            action.triggered.connect(lambda _checked=False, n=name: self.open(n))
        self._recent.setEnabled(bool(self.recent()))

    def _ask_for_file(self) -> None:
        folder = str(self.settings.value("training/folder", ""))
        name, _ = QFileDialog.getOpenFileName(self, "Open a run", folder, "Run files (*.h5);;All files (*)")
        if name:
            self.open(name)

    def _save_picture(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save a picture of the window", "grokscope.png", "PNG (*.png)")
        if name and not self.grab().save(name):
            self.say(f"{name} could not be written; choose another folder.", error=True)

    def switch_theme(self) -> None:
        self.use_theme("light" if theme.current().name == "dark" else "dark")

    def use_theme(self, name: str) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, theme.THEMES[name])
        self.settings.setValue("theme", name)
        self.timeline.restyle()
        self.panel.restyle()
        self._paint_corner()
        for view in self.views:
            view.restyle()
            view.redraw()

    # -- coming and going ----------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        for url in event.mimeData().urls()[:1]:
            self.open(url.toLocalFile())

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask while a run is being trained; then stop at once. Everything committed is kept."""
        if self.panel.is_training and not self._may_stop():
            event.ignore()
            return
        self.panel.stop_and_wait()
        self.timeline.play(False)
        for opening in self._opening:
            opening.wait()
        self.settings.setValue(f"geometry/{_LAYOUT_VERSION}", self.saveGeometry())
        self.settings.setValue(f"layout/{_LAYOUT_VERSION}", self.saveState(_LAYOUT_VERSION))
        self.compute.close()
        self.tracing.close()
        if self.session.selection.run is not None:
            forget(self.session.selection.run)
        event.accept()

    def quit_now(self) -> None:
        """Ctrl-C in the terminal: stop the training, keep what is committed, and go without asking."""
        self.panel.stop_and_wait()
        self.close()

    def _is_training(self) -> bool:
        thread = self.panel.thread_in_training
        return thread is not None and not thread.paused

    def _may_stop(self) -> bool:
        question = QMessageBox.question(
            self, "Grokscope", "A run is being trained. Stop it and quit?\nEvery checkpoint so far is kept."
        )
        return question == QMessageBox.StandardButton.Yes

    def _restore(self) -> None:
        self.resize(1440, 900)
        for key, restore in (("geometry", self.restoreGeometry), ("layout", self._restore_layout)):
            value = self.settings.value(f"{key}/{_LAYOUT_VERSION}")
            if isinstance(value, QByteArray):
                restore(value)

    def _restore_layout(self, state: QByteArray) -> None:
        self.restoreState(state, _LAYOUT_VERSION)


class _Opening(QThread):
    """Looks a file through and opens it, away from the window."""

    def __init__(self, path: Path, epoch: int | None, parent: QObject) -> None:
        super().__init__(parent)
        self._path, self.epoch = path, epoch
        self.run_found: Run | None = None
        self.why = ""

    def run(self) -> None:
        try:
            self.run_found = Run.open(self._path)
        except RunError as error:
            self.why = str(error)
        except Exception as error:  # a file we did not foresee must not take the window down
            self.why = f"{self._path} cannot be opened ({type(error).__name__}: {error})."
