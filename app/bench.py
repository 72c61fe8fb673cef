"""Measurements of the window itself: how late the event loop is while a run is being trained and followed."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEventLoop, QSettings, Qt, QTimer

from app.main_window import MainWindow
from engine.config import Config, preset

_PERIOD = 0.010  # seconds between two ticks of the timer whose lateness is measured
_SECONDS = 8.0


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
        window.open_demonstration()
        _wait(1.5)
        found = {"idle": _ticks(idle_seconds)}
        for name, config in (
            ("training_quick", preset("quick", epochs=1_000_000)),
            ("training_paper", preset("paper")),
        ):
            found[name] = _while_training(window, config, Path(folder) / f"{name}.h5", training_seconds)
        window.close()
    return found


def _while_training(window: MainWindow, config: Config, path: Path, seconds: float) -> Lateness:
    from engine import recording

    window.panel.train(lambda: recording.start(config, path), config, 0)
    _wait(1.5)
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


def _wait(seconds: float) -> None:
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()
