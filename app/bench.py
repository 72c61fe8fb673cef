"""Measurements of the window: how late its event loop is while a run is trained, and what it costs the training."""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEventLoop, QSettings, Qt, QTimer

from app.main_window import MainWindow
from app.training_thread import TrainingThread
from engine import recording
from engine.config import Config, preset

_PERIOD = 0.010  # seconds between two ticks of the timer whose lateness is measured
_SECONDS = 8.0
_FRAME_MS = 16  # between two moves of a dragged slider


@dataclass(frozen=True)
class Lateness:
    """How many milliseconds after its time a 10-ms timer fired."""

    p50_ms: float
    p95_ms: float
    max_ms: float
    ticks: int


def lateness(idle_seconds: float = 3.0, training_seconds: float = _SECONDS) -> dict[str, Lateness]:
    """Event-loop lateness of the real window: idle on a run, then while a run is trained and followed."""
    with tempfile.TemporaryDirectory() as folder:
        settings = QSettings(str(Path(folder) / "bench.ini"), QSettings.Format.IniFormat)
        settings.setValue("training/folder", folder)
        window = MainWindow(settings)
        window.resize(1600, 1000)
        window.show()
        window.showing.open_demonstration()
        wait(1.5)
        found = {"idle": _ticks(idle_seconds)}
        for name, config in (
            ("training_quick", preset("quick", epochs=1_000_000)),
            ("training_paper", preset("paper")),
        ):
            found[name] = _while_training(window, config, Path(folder) / f"{name}.h5", training_seconds)
        window.close()
    return found


def _while_training(window: MainWindow, config: Config, path: Path, seconds: float) -> Lateness:
    window.panel.train(lambda say, told: recording.start(config, path), config, 0)
    wait(1.5)
    window.session.select(following=True, neurons=((0, 3),))
    measured = _ticks(seconds)
    window.panel.stop_and_wait()
    return measured


def _ticks(seconds: float) -> Lateness:
    """A precise timer that is due every 10 ms, and how late each tick is."""
    late: list[float] = []
    due = time.perf_counter() + _PERIOD
    timer, loop = QTimer(), QEventLoop()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setSingleShot(True)

    def tick() -> None:
        nonlocal due
        now = time.perf_counter()
        late.append(max(0.0, now - due))
        due = now + _PERIOD
        timer.start(round(_PERIOD * 1000))

    timer.timeout.connect(tick)
    timer.start(round(_PERIOD * 1000))
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()
    timer.stop()
    ms = 1000 * np.array(late)
    return Lateness(float(np.median(ms)), float(np.percentile(ms, 95)), float(ms.max()), len(ms))


@dataclass(frozen=True)
class Following:
    """Epochs a second of the paper's training with no window, and relative to that.

    cost_following : share of the speed lost to an open window that follows
    cost_dragging  : the same while a slider is dragged without pause
    """

    epochs_per_second: float
    cost_following: float
    cost_dragging: float


def following(rounds: int = 3, seconds: float = 8.0) -> Following:
    """Train the same epochs without a window, followed by one, and under a dragged slider, in turns."""
    found: dict[str, list[float]] = {"alone": [], "following": [], "dragging": []}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(rounds):
            for name, rates in found.items():
                path = Path(folder) / f"{name}{i}.h5"
                rates.append(_rate(path, seconds, name))
                path.unlink()
    rate, follow, drag = (statistics.median(rates) for rates in found.values())
    return Following(rate, 1 - follow / rate, 1 - drag / rate)


def _rate(path: Path, seconds: float, how: str) -> float:
    """Epochs a second over `seconds`, after a second of warming up. how : alone, following or dragging"""
    window: MainWindow | None = None
    config = preset("paper")
    if how == "alone":
        thread = TrainingThread(lambda say, told: recording.start(config, path))
        thread.start()
    else:
        settings = QSettings(str(path.with_suffix(".ini")), QSettings.Format.IniFormat)
        settings.setValue("training/folder", str(path.parent))
        window = MainWindow(settings)
        window.resize(1600, 1000)
        window.show()
        window.panel.train(lambda say, told: recording.start(config, path), config, 0)
        assert window.panel.thread_in_training is not None
        thread = window.panel.thread_in_training
    epoch = [0]
    thread.progressed.connect(lambda progress: epoch.__setitem__(0, progress.epoch))
    wait(2.0)
    drag = QTimer()
    if window is not None:
        session = window.session
        session.select(following=how == "following", neurons=((0, 3),))
        drag.timeout.connect(
            lambda: session.select(step=(session.selection.step + 1) % session.selection.n_checkpoints)
        )
        if how == "dragging":
            drag.start(_FRAME_MS)
    first, begin = epoch[0], time.perf_counter()
    wait(seconds)
    rate = (epoch[0] - first) / (time.perf_counter() - begin)
    drag.stop()
    if window is None:
        thread.stop()
        thread.wait()
    else:
        window.panel.stop_and_wait()
        window.close()
    return rate


def wait(seconds: float) -> None:
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()
