"""The training panel: the form of the next run, and the run that is being trained."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSettings, QStandardPaths, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.compute import Answer, Compute, Query
from app.config_form import ConfigForm, duration, size, value_text
from app.session import Selection, Session
from app.theme import SPACE
from app.training_thread import Ended, Make, Preparation, TrainingThread
from app.views.controls import label
from app.views.header import Header
from app.views.plots import epoch_text
from app.views.pointer import KeepsKeys
from engine import recording
from engine.config import PRESETS, Config, hint, preset
from engine.estimate import Estimate, estimate
from engine.runfile import Run
from engine.training import Checkpoint, Progress

_REST = 1.0  # seconds in which nobody goes to another checkpoint
_GROWTH_MS = 400  # at least, between two updates of the views: the event loop stays free
_GROWTH_MS_MOST = 8000
_GROWTH_SHARE = 0.04  # of a core's time that updating the views of a run in training may take
_TOLD_SECONDS = 0.2  # between two updates of the panel's numbers
_RATE_SECONDS = 5.0  # over which epochs a second are averaged


_ABOUT = "Train the next run, and see what the run on show was trained with"
_HELP = (
    "<b>Training</b><br>“Next run” is the form of the run to come; what is wrong in it is marked where it stands, and "
    "what the run will cost is measured. Start trains it in the background, into the file named below. Pause stands "
    "still within a blink; Stop ends the run and keeps every checkpoint. “Shown run” tells the settings of the run "
    "that the views show."
)


class TrainingPanel(QFrame):
    """Start, pause, stop; the form describes the next run, never the one on show.

    `header` is the title bar of its dock.
    """

    started = Signal(object)  # Run
    said = Signal(str)  # for the status bar
    back = Signal()  # to the run that was on show before
    ended = Signal()  # a training, however it did

    def __init__(self, session: Session, compute: Compute, settings: QSettings) -> None:
        super().__init__()
        self.session, self.compute, self._settings = session, compute, settings
        self.setObjectName("panel")
        self.header = Header("Training", _ABOUT, [], self._menu)
        self.header.set_help(_HELP)
        self.thread_in_training: TrainingThread | None = None
        self._config: Config | None = None
        self._suggested = ""
        self._held = ""  # why nothing may be trained now
        self._recent: deque[tuple[float, int]] = deque()
        self.picture_awaited: Callable[[], bool] = lambda: False
        self._preparation = Preparation(self)
        self._preparation.finished.connect(self._prepared)
        self._estimating: Query | None = None
        self._ask_estimate = QTimer(self)
        self._ask_estimate.setSingleShot(True)
        self._ask_estimate.setInterval(500)
        self._ask_estimate.timeout.connect(self._estimate)
        self._tell_growth = QTimer(self)  # a fast run commits more often than the views can follow
        self._tell_growth.setSingleShot(True)
        self._tell_growth.setInterval(_GROWTH_MS)
        self._tell_growth.timeout.connect(self._grow)
        self._shown_of: tuple[Run, Path, Config] | None = None  # what the tab of the run on show tells
        self._told = 0.0  # when the panel last told the progress
        self._spent = 0.0  # seconds of processor time of the window and its analyses, at the last news
        compute.answered.connect(self._estimated)
        self._lay_out()
        session.changed.connect(self._show_shown)
        self.use_preset(str(settings.value("training/preset", "quick")))

    # -- the next run --------------------------------------------------------------------------------------

    def use_preset(self, name: str) -> None:
        """Fill the form from a preset."""
        name = name if name in PRESETS else "quick"
        self._preset.setCurrentText(name)
        self._form.fill(preset(name))
        self._suggest_file()

    def _edited(self) -> None:
        """Say what is wrong, and what is known of such settings."""
        self._config = self._form.config
        self._wrong.setText(next(iter(self._form.wrong.values()), ""))
        self._wrong.setVisible(bool(self._form.wrong))
        advice = hint(self._config) if self._config is not None else None
        self._hint.setText(advice or "")
        self._hint.setVisible(bool(advice))
        self._start.setEnabled(self._config is not None and not self._is_training() and not self._held)
        self._cost.setText("")
        self._ask_estimate.start()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._ask_estimate.start()

    def _estimate(self) -> None:
        """What the next run will cost: measured only for who can see it, and never before a picture.

        What it needs is imported while nobody drags: that takes seconds in which the window would stutter.
        """
        if self._config is None or self._is_training() or not self.isVisible():
            return
        moving = self.session.seconds_at_rest < _REST or QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton
        if self.picture_awaited() or (moving and not self._preparation.isFinished()):
            self._ask_estimate.start()
            return
        self._cost.setText("measuring …")
        if not self._preparation.isFinished():
            self._preparation.start()
            return
        self._estimating = Query(estimate, (self._config,))
        self.compute.ask(self, self._estimating, urgent=False)

    @property
    def estimating(self) -> bool:
        """Whether the cost of the next run is still to be told, apart from what is being computed."""
        return self.isVisible() and (self._ask_estimate.isActive() or self._preparation.isRunning())

    def _prepared(self) -> None:
        """Training can begin at once: say on what, and measure."""
        self._form.name_devices(self._preparation.devices)
        self._estimate()

    def _estimated(self, query: Query, answer: Answer) -> None:
        if query != self._estimating:
            return
        if answer.error is not None:
            self._cost.setText(str(answer.error))
            return
        cost: Estimate = answer.value
        more = "+" if self._config is not None and self._config.transition_every else ""
        self._cost.setText(f"about {duration(cost.seconds)} on this machine, {size(cost.bytes)}{more} on disk")

    @property
    def folder(self) -> Path:
        """Where trainings go, unless another name is typed."""
        documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        return Path(str(self._settings.value("training/folder") or Path(documents) / "Grokscope"))

    def _suggest_file(self) -> None:
        folder = self.folder
        stem, n = self._preset.currentText(), 1
        while (folder / f"{stem}-{n}.h5").exists():
            n += 1
        if self._file.text() in ("", self._suggested):  # never over a name that somebody typed
            self._suggested = str(folder / f"{stem}-{n}.h5")
            self._file.setText(self._suggested)

    def _browse(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Run file of the next run", self._file.text(), "Run files (*.h5)")
        if name:
            self._file.setText(name if name.endswith(".h5") else name + ".h5")

    # -- training ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Train what the form says."""
        if self._config is None or self._is_training():
            return
        if self._held:
            self.said.emit(self._held)
            return
        config, path = self._config, Path(self._file.text()).expanduser()
        if not self._make_folder(path):
            return
        self._settings.setValue("training/folder", str(path.parent))
        self._settings.setValue("training/preset", self._preset.currentText())
        self.train(lambda say, told: recording.start(config, path), config, 0)

    def fork(self, parent: Run, epoch: int, path: Path, overrides: Mapping[str, Any], optimizer: str) -> bool:
        """Train a fork of a run from one of its checkpoints.  -> whether it was begun

        Raises `ConfigError` for what a fork cannot change.
        """
        config = recording.forked(parent.config, epoch, overrides)
        if self._is_training() or self._held or not self._make_folder(path):
            return False
        self.train(
            lambda say, told: recording.fork(parent, path, epoch, overrides, optimizer, say, told), config, epoch
        )
        return True

    def hold(self, why: str) -> None:
        """Train nothing from now on, and say why; empty: training is free again."""
        self._held = why
        self._show_buttons()

    def _make_folder(self, path: Path) -> bool:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._fail(f"{path.parent} cannot be made: {error.strerror}. Choose another folder.")
            return False
        return True

    def train(self, make: Make, config: Config, first_epoch: int) -> None:
        """Run a recording in the training thread."""
        thread = TrainingThread(make, self)
        self.thread_in_training = thread
        self._total, self._recent = config.epochs, deque([(time.perf_counter(), first_epoch)])
        self._spent = self.compute.seconds + time.thread_time()
        self._bar.setRange(first_epoch, max(first_epoch + 1, config.epochs))
        self._bar.setValue(first_epoch)
        self._state.setText("starting …")
        self._numbers.setText("")
        thread.began.connect(self.started)
        thread.said.connect(self.said)
        thread.replayed.connect(self._replayed)
        thread.progressed.connect(self._progressed)
        thread.committed.connect(self._committed)
        thread.waiting.connect(self._waiting)
        thread.ended.connect(self._ended)
        thread.start()
        self._show_buttons()

    def pause_or_resume(self) -> None:
        thread = self.thread_in_training
        if thread is None:
            return
        if thread.paused:
            self._recent.clear()
            thread.resume()
        else:
            thread.pause()
            self._say_paused()
        self._show_buttons()

    def stop(self) -> None:
        """Stop at once; everything committed is kept."""
        if self.thread_in_training is not None:
            self._state.setText("stopping …")
            self.thread_in_training.stop()

    def stop_and_wait(self) -> None:
        """Stop and return when the file is closed (at most a few epochs later)."""
        self._preparation.wait()
        if self.thread_in_training is not None:
            self.thread_in_training.stop()
            self.thread_in_training.wait()
            self._ended(self.thread_in_training, Ended("stopped"))

    def _is_training(self) -> bool:
        return self.thread_in_training is not None

    is_training = property(_is_training)

    def _replayed(self, epoch: int, wanted: int) -> None:
        """On the way to a fork that goes on with its parent's optimiser state."""
        if self.sender() is self.thread_in_training:
            self._state.setText(
                f"replaying to recover the optimiser's state: {epoch_text(epoch)} of {epoch_text(wanted)}"
            )

    def _progressed(self, progress: Progress) -> None:
        if self.sender() is not self.thread_in_training:
            return  # late news of a run that was stopped
        now = time.perf_counter()
        if now - self._told < _TOLD_SECONDS:
            return
        self._told = now
        self._recent.append((now, progress.epoch))
        while len(self._recent) > 2 and now - self._recent[0][0] > _RATE_SECONDS:
            self._recent.popleft()
        (t0, e0), (t1, e1) = self._recent[0], self._recent[-1]
        rate = (e1 - e0) / (t1 - t0) if t1 > t0 else 0.0
        self._bar.setValue(progress.epoch)
        left = f" · {duration((self._total - progress.epoch) / rate)} left" if rate else ""
        self._state.setText(
            f"{epoch_text(progress.epoch)} of {epoch_text(self._total)} epochs\n{epoch_text(rate)} / s{left}"
        )
        self._say_paused()
        self._tell_losses(progress.train_loss, progress.test_loss, progress.test_accuracy)

    _train_accuracy = ""

    def _tell_losses(self, train: float, test: float | None, accuracy: float | None) -> None:
        """Losses over p + 1 logits, as they are trained."""
        right = "" if accuracy is None else f" · {100 * accuracy:.1f} % right"
        tested = "" if test is None else f"\ntest {test:.3g}"
        self._numbers.setText(f"train {train:.3g}{self._train_accuracy}{tested}{right}")

    def _committed(self, checkpoint: Checkpoint) -> None:
        self._train_accuracy = f" · {100 * checkpoint.train.accuracy:.1f} % right"
        test = checkpoint.test
        self._tell_losses(
            checkpoint.train.loss_all_logits,
            None if test is None else test.loss_all_logits,
            None if test is None else test.accuracy,
        )
        self._bar.setValue(max(self._bar.value(), checkpoint.epoch))
        self._say_paused()
        if not self._tell_growth.isActive():
            self._tell_growth.start(self._pause_between_updates())

    def _say_paused(self) -> None:
        """Where training stands still; the last event may come a moment after the click."""
        thread = self.thread_in_training
        if thread is not None and thread.paused:
            self._state.setText(f"paused at epoch {epoch_text(self._bar.value())}")

    def _pause_between_updates(self) -> int:
        """Milliseconds to wait with news of the run, by what the last news cost: training comes first."""
        now = self.compute.seconds + time.thread_time()
        cost, self._spent = now - self._spent, now
        return min(_GROWTH_MS_MOST, max(_GROWTH_MS, round(1000 * cost / _GROWTH_SHARE)))

    def _grow(self) -> None:
        thread = self.thread_in_training
        if thread is not None and thread.run_in_training is not None:
            self.session.grow(thread.run_in_training, thread.run_in_training.n_checkpoints)

    def _waiting(self, why: str) -> None:
        if why:
            self._state.setText(f"{why}: paused until there is space. Nothing is lost.")

    def _ended(self, thread: TrainingThread, ended: Ended) -> None:
        if thread is not self.thread_in_training:
            return  # its end is known already
        self.thread_in_training = None
        thread.wait()
        thread.deleteLater()
        if thread.run_in_training is not None:
            self.session.grow(thread.run_in_training, thread.run_in_training.refresh())
        if ended.state == "failed":
            self._fail(ended.message)
        else:
            at = epoch_text(self._total if ended.state == "finished" else self._bar.value())
            self._state.setText(f"{ended.state} at epoch {at}")
            self.said.emit(f"Training {ended.state}.")
        if ended.state == "finished":
            self._bar.setValue(self._total)
        self._suggest_file()
        self._show_buttons()
        self._edited()
        self.ended.emit()

    def _fail(self, message: str) -> None:
        self._state.setText(message)
        self._state.setVisible(True)
        self.said.emit(message)

    def _show_buttons(self) -> None:
        thread = self.thread_in_training
        self._start.setEnabled(thread is None and self._config is not None and not self._held)
        self._start.setToolTip(self._held or "Train the next run")
        self._pause.setEnabled(thread is not None)
        self._stop.setEnabled(thread is not None)
        self._pause.setText("Resume" if thread is not None and thread.paused else "Pause")
        for item in (self._bar, self._state, self._numbers):
            item.setVisible(thread is not None or bool(self._state.text()))

    # -- the run on show -----------------------------------------------------------------------------------

    def _show_shown(self, selection: Selection) -> None:
        run = selection.run
        of = None if run is None else (run, run.path, run.config)
        if of == self._shown_of:  # a step along the run says nothing new
            return
        self._shown_of = of
        self._shown_name.setText(run.path.name if run is not None else "No run on show.")
        rows = {}
        if run is not None:
            rows = {f.name: value_text(getattr(run.config, f.name)) for f in fields(Config)}
        for name, value in self._shown.items():
            value.setText(rows.get(name, "—"))

    # -- parts ---------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.setMinimumWidth(268)
        self._tabs = QTabWidget()
        self._tabs.setObjectName("training.tabs")
        self._tabs.setAccessibleName("Next run or shown run")
        self._tabs.tabBar().setAccessibleName("Next run or shown run")
        KeepsKeys(self._tabs.tabBar(), (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End))
        self._tabs.addTab(self._next_tab(), "Next run")
        self._tabs.addTab(self._shown_tab(), "Shown run")
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE + 4, 0, SPACE + 4, SPACE + 4)
        column.setSpacing(SPACE)
        column.addWidget(self._tabs, 1)
        column.addLayout(self._controls())

    def _next_tab(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, SPACE, 0, 0)
        self._preset = QComboBox()
        self._preset.setObjectName("training.preset")
        self._preset.setAccessibleName("Preset")
        self._preset.addItems(list(PRESETS))
        self._preset.setToolTip("quick groks in seconds; paper is the paper's mainline, 40 000 epochs")
        self._preset.textActivated.connect(self.use_preset)
        column.addWidget(self._preset)
        self._form = form = ConfigForm("training", [[f.name for f in fields(Config)]])
        form.edited.connect(self._edited)
        form.setContentsMargins(0, 0, SPACE, 0)
        column.addWidget(_scrolled(form, "Settings of the next run"), 1)
        self._wrong, self._hint, self._cost = (label("", role) for role in ("error", "hint", "muted"))
        for item in (self._wrong, self._hint, self._cost):
            item.setWordWrap(True)
            column.addWidget(item)
        self._wrong.setObjectName("training.wrong")
        self._hint.setObjectName("training.hint")
        self._cost.setObjectName("training.cost")
        column.addLayout(self._file_row())
        return page

    def _file_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        self._file = QLineEdit()
        self._file.setObjectName("training.file")
        self._file.setAccessibleName("File of the next run")
        self._file.setToolTip("Where the next run is written")
        browse = QToolButton()
        browse.setObjectName("training.browse")
        browse.setIcon(theme.icon("folder-open"))
        browse.setToolTip("Choose where the next run is written")
        browse.setAccessibleName("Choose where the next run is written")
        browse.clicked.connect(self._browse)
        self._browse_button = browse
        row.addWidget(self._file, 1)
        row.addWidget(browse)
        return row

    def _shown_tab(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, SPACE, SPACE, 0)
        self._shown_name = label("No run on show.", "title")
        self._shown_name.setWordWrap(True)
        column.addWidget(self._shown_name)
        self.previous = QPushButton("Previous run")
        self.previous.setObjectName("training.previous")
        self.previous.setAccessibleName("Show the previous run")
        self.previous.setToolTip("Show the run that was on show before (Ctrl+P)")
        self.previous.setEnabled(False)
        self.previous.clicked.connect(self.back)
        column.addWidget(self.previous)
        form = QFormLayout()
        form.setVerticalSpacing(2)
        self._shown: dict[str, QLabel] = {}
        for f in fields(Config):
            value = label("—", "value")
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._shown[f.name] = value
            form.addRow(label(f.name.replace("_", " "), "muted"), value)
        column.addLayout(form)
        column.addStretch(1)
        return _scrolled(page, "Settings of the run on show")

    def _controls(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(SPACE)
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACE)
        self._start, self._pause, self._stop = QPushButton("Start"), QPushButton("Pause"), QPushButton("Stop")
        self._start.setProperty("role", "primary")
        for button, name, tip, action in (
            (self._start, "start", "Train the next run", self.start),
            (self._pause, "pause", "Pause or go on", self.pause_or_resume),
            (self._stop, "stop", "Stop and keep every checkpoint", self.stop),
        ):
            button.setObjectName(f"training.{name}")
            button.setAccessibleName(tip)
            button.setToolTip(tip)
            button.clicked.connect(action)
            buttons.addWidget(button, 2 if name == "start" else 1)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setObjectName("training.progress")
        self._bar.setAccessibleName("Progress of the training")
        self._state, self._numbers = label("", "muted"), label("", "value")
        self._state.setObjectName("training.state")
        self._numbers.setObjectName("training.numbers")
        self._numbers.setObjectName("training.numbers")
        for item in (self._state, self._numbers):
            item.setWordWrap(True)
        for shown in (self._bar, self._state, self._numbers):
            column.addWidget(shown)
        column.addLayout(buttons)  # last, so that they stay where they are when the progress appears
        for part in (self._bar, self._state, self._numbers):
            part.setVisible(False)
        self._pause.setEnabled(False)
        self._stop.setEnabled(False)
        return column

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for button, action in ((self._start, self.start), (self._pause, self.pause_or_resume), (self._stop, self.stop)):
            menu.addAction(button.text(), action).setEnabled(button.isEnabled())
        self.header.add_to(menu)
        return menu

    def restyle(self) -> None:
        self.header.restyle()
        self._browse_button.setIcon(theme.icon("folder-open"))


def _scrolled(content: QWidget, name: str) -> QScrollArea:
    """As high as there is room: so the panel fits behind a tab of any other dock."""
    area = QScrollArea()
    area.setWidget(content)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # it follows the keyboard through its fields
    area.setAccessibleName(name)
    return area
