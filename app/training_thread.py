"""The training thread: the engine's generator, driven from the window; and what prepares it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, QThread, Signal

from engine.later import import_beside
from engine.recording import Recording, Told
from engine.repetition import Say
from engine.runfile import Run
from engine.runwriter import NoSpace
from engine.training import Checkpoint, Progress, device_names

_WAIT_FOR_SPACE = 1.0  # seconds between attempts
Make = Callable[[Say, Told], Recording]


@dataclass(frozen=True)
class Ended:
    """How a training ended.  state : finished, stopped or failed"""

    state: str
    message: str = ""


class _Stopped(Exception):
    """Before there was anything to stop."""


class TrainingThread(QThread):
    """Runs one recording to its end, to `stop`, or to its failure. Nothing is ever ended by force."""

    began = Signal(object)  # Run
    progressed = Signal(object)  # Progress
    committed = Signal(object)  # Checkpoint
    waiting = Signal(str)  # for disk space; empty: no longer
    said = Signal(str)  # a sentence for the person
    replayed = Signal(int, int)  # on the way to an optimiser's state: the epoch reached, the epoch wanted
    ended = Signal(object, object)  # this thread, Ended

    def __init__(self, make: Make, parent: QObject | None = None) -> None:
        """make : starts, resumes or forks; called in the thread; its errors are told by `ended`"""
        super().__init__(parent)
        self._make = make
        self._go = threading.Event()
        self._go.set()
        self._stop = threading.Event()
        self.run_in_training: Run | None = None

    def pause(self) -> None:
        self._go.clear()

    def resume(self) -> None:
        self._go.set()

    @property
    def paused(self) -> bool:
        return not self._go.is_set()

    def stop(self) -> None:
        """Leave the loop at the next event; what is committed is kept."""
        self._stop.set()
        self._go.set()

    def run(self) -> None:
        try:
            import_beside()  # before it gives way: on a busy machine it would hold the interpreter for a minute
            step_aside()
            recording = self._make(self.said.emit, self._go_on_to)
        except _Stopped:
            self.ended.emit(self, Ended("stopped"))
            return
        except Exception as error:
            self.ended.emit(self, Ended("failed", str(error)))
            return
        self.run_in_training = recording.run
        self.began.emit(recording.run)
        events = recording.events()
        try:
            for event in events:
                self._tell(event)
                self._go.wait()
                if self._stop.is_set():
                    break
            else:
                self.ended.emit(self, Ended("finished"))
                return
        except Exception as error:
            self.ended.emit(self, Ended("failed", str(error)))
            return
        finally:
            events.close()
        self.ended.emit(self, Ended("stopped"))

    def _go_on_to(self, epoch: int, wanted: int) -> None:
        """On the way to an optimiser's state."""
        self._go.wait()
        if self._stop.is_set():
            raise _Stopped
        self.replayed.emit(epoch, wanted)

    def _tell(self, event: Progress | Checkpoint | NoSpace) -> None:
        if isinstance(event, NoSpace):
            self.waiting.emit(str(event))
            self._stop.wait(_WAIT_FOR_SPACE)
            return
        if isinstance(event, Checkpoint):
            self.waiting.emit("")
            self.committed.emit(event)
        else:
            self.progressed.emit(event)


class Preparation(QThread):
    """Imports what training needs, away from the window and its analyses; `devices`: what each choice means here."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.devices: dict[str, str] = {}

    def run(self) -> None:
        import_beside()
        self.devices = device_names()


def step_aside() -> None:
    """The window goes first: lower this thread's own priority, where the system can."""
    if hasattr(os, "setpriority"):
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        except OSError:
            return
