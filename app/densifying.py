"""Replaying a stretch of a run for more checkpoints: the thread, and what the status bar tells of it."""

from __future__ import annotations

import threading
import time

from PySide6.QtCore import QObject, QThread, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QToolButton, QWidget

from app.config_form import duration
from app.numbers import epoch_text
from app.training_thread import step_aside
from engine.densify import Plan, Replayed, densify
from engine.runfile import Run

BUSY = "Checkpoints are being replayed; wait for their end, or cancel that first."


class _Thread(QThread):
    """Runs one densification to its end, to `stop`, or to its failure; then opens the run again."""

    replayed = Signal(object)  # Replayed
    said = Signal(str)

    def __init__(self, run: Run, plan: Plan, parent: QObject) -> None:
        super().__init__(parent)
        self._run, self._plan = run, plan
        self._stop = threading.Event()
        self.denser: Run | None = None  # the run with its new checkpoints
        self.kept = 0
        self.trouble = ""

    def stop(self) -> None:
        """Leave the loop at the next event, within a blink; what is proven is kept."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def run(self) -> None:
        step_aside()
        before = self._run.dense_id
        try:
            self._replay()
        except Exception as error:  # the file is as it was, or has what was proven
            self.trouble = str(error) or type(error).__name__
        try:
            denser = Run.open(self._run.path)
        except Exception as error:
            self.trouble = self.trouble or str(error)
            return
        if denser.dense_id != before:
            self.denser, self.kept = denser, denser.n_checkpoints - self._run.n_checkpoints

    def _replay(self) -> None:
        events = densify(self._run, self._plan, self.said.emit)
        try:
            for event in events:
                self.replayed.emit(event)
                if self.stopped:
                    return
        finally:
            events.close()


class Densifying(QObject):
    """At most one densification at a time. Everything is told by signals, in the window's thread."""

    changed = Signal()  # it began, it ended
    progressed = Signal(object)  # Replayed
    said = Signal(str)
    denser = Signal(object)  # Run: the same, with more checkpoints

    def __init__(self) -> None:
        super().__init__()
        self._thread: _Thread | None = None
        self.run: Run | None = None  # what is being replayed
        self.plan: Plan | None = None

    @property
    def active(self) -> bool:
        return self._thread is not None

    def start(self, run: Run, plan: Plan) -> None:
        """Replay, if nothing is being replayed."""
        if self._thread is not None:
            return
        self.run, self.plan = run, plan
        self._thread = thread = _Thread(run, plan, self)
        thread.replayed.connect(self.progressed)
        thread.said.connect(self.said)
        thread.finished.connect(lambda: self._ended(thread))
        thread.start()
        self.changed.emit()

    def cancel(self) -> None:
        """Keep what is proven and leave the rest."""
        if self._thread is not None:
            self._thread.stop()

    def cancel_and_wait(self) -> None:
        """The same, and return when the file is in its place."""
        if self._thread is not None:
            self._thread.stop()
            self._thread.wait()
            self._ended(self._thread)

    def _ended(self, thread: _Thread) -> None:
        run = self.run
        if thread is not self._thread or run is None:
            return  # its end is known already
        self._thread = self.run = None
        thread.wait()
        thread.deleteLater()
        self.changed.emit()
        if thread.denser is not None:
            self.denser.emit(thread.denser)
        self.said.emit(thread.trouble or _summary(run, thread))


def _summary(run: Run, thread: _Thread) -> str:
    n = epoch_text(thread.kept)
    if thread.stopped:
        return f"Cancelled: {n} new checkpoints of {run.path.name} are proven and kept."
    return f"{n} new checkpoints of {run.path.name}: every stored one on the way was reproduced bit for bit."


class DensifyingStatus(QWidget):
    """How far it is, with a button to cancel; gone when nothing is replayed."""

    def __init__(self, densifying: Densifying) -> None:
        super().__init__()
        self._densifying = densifying
        self._first: tuple[float, int] | None = None  # the time of the first news, and its epoch
        self._text = QLabel("")
        self._text.setProperty("role", "muted")
        self._text.setObjectName("densifying.text")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(96)
        self._bar.setObjectName("densifying.progress")
        self._bar.setAccessibleName("Progress of the replay")
        self._cancel = QToolButton()
        self._cancel.setText("Cancel")
        self._cancel.setObjectName("densifying.cancel")
        self._cancel.setToolTip("Stop replaying; the checkpoints that are proven so far are kept")
        self._cancel.setAccessibleName("Stop replaying, keep what is proven")
        self._cancel.clicked.connect(densifying.cancel)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for part in (self._text, self._bar, self._cancel):
            row.addWidget(part)
        densifying.changed.connect(self._show)
        densifying.progressed.connect(self._tell)
        self._show()

    def _show(self) -> None:
        plan = self._densifying.plan
        self.setVisible(self._densifying.active)
        if plan is not None and self._densifying.active:
            self._first = None
            self._bar.setRange(plan.begin, max(plan.end, plan.begin + 1))
            self._bar.setValue(plan.begin)
            self._text.setText(f"replaying from epoch {epoch_text(plan.begin)} …")

    def _tell(self, event: Replayed) -> None:
        plan = self._densifying.plan
        if plan is None or not self._densifying.active:
            return
        self._bar.setValue(event.epoch)
        now = time.perf_counter()
        began, first = self._first = self._first or (now, event.epoch)
        done, spent = event.epoch - first, now - began
        left = f" · {duration(spent * (plan.end - event.epoch) / done)} left" if done and spent > 2 else ""
        self._text.setText(f"replaying: epoch {epoch_text(event.epoch)} of {epoch_text(plan.end)}{left}")
