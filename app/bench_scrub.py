"""How fast the window follows a finger: from setting the step to the last visible view painted."""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEvent, QEventLoop, QObject, QSettings, QTimer
from PySide6.QtWidgets import QApplication

from app.bench import wait
from app.bench_start import start_ms
from app.main_window import MainWindow
from app.showing import DEMONSTRATION
from engine import recording
from engine.config import preset

LAYOUTS = ("Watch training", "Reverse-engineer")
_SIZE = (1600, 1000)
_FIRST_VISITS, _SEEN_ROUNDS, _SWEEP = 24, 3, 24
_FRAME = 0.016  # seconds between two moves of a finger
_LONGEST = 90.0  # seconds that a training may take to have enough checkpoints
_NEWS_MS = 10  # between two looks whether there was news
_PATIENCE = 20.0  # seconds for one picture


@dataclass(frozen=True)
class Scrub:
    """Milliseconds from setting the step to the last visible view painted; p95 over all layouts and runs.

    platform : where Qt painted: offscreen, xcb …
    seen_* : checkpoints visited before    first_* : jumps from rest to checkpoints never visited
    training_* : the same while the paper's run is trained     start_ms : from starting the program to its first
    picture, warm     open_ms : opening the largest run to its first picture     peak_rss_mb : after scrubbing it end
    to end twice    loop_ms : a million additions in Python, the fastest of several: how fast this machine is just now
    """

    platform: str
    seen_p50_ms: float
    seen_p95_ms: float
    first_p50_ms: float
    first_p95_ms: float
    training_seen_p95_ms: float
    training_first_p95_ms: float
    start_ms: float
    open_ms: float
    peak_rss_mb: float
    loop_ms: float
    by_layout: dict[str, dict[str, float]]


class _Paints(QObject):
    """Counts what is painted anywhere in the program."""

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self.count = 0
        app.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.count += event.type() == QEvent.Type.Paint
        return False

    def stop(self) -> None:
        _app().removeEventFilter(self)
        self.deleteLater()


def _app() -> QApplication:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    return app


def scrub(runs: Iterable[Path] = (), seconds_of_training: float = 6.0) -> Scrub:
    """Measure the bundled run and others in the layouts named above."""
    by_layout: dict[str, dict[str, float]] = {}
    seen: list[float] = []
    first: list[float] = []
    open_ms = 0.0
    paths = [DEMONSTRATION, *runs]
    with tempfile.TemporaryDirectory() as folder:
        window = _window(Path(folder))
        for path in paths:
            begin = time.perf_counter()
            _open(window, path)
            open_ms = 1000 * (time.perf_counter() - begin)
            _settle(window)
            for layout in LAYOUTS:
                window.use_layout(layout)
                window.session.select(neurons=((0, 3),), pair=(3, 5))
                _settle(window)
                wait(1.0)
                new, again = _visits(window)
                by_layout[f"{path.stem}, {layout}"] = _summary(new, again)
                first += new
                seen += again
        for _ in range(2):
            for step in range(window.session.selection.n_checkpoints):  # as a finger drags: nobody waits
                window.session.select(step=step, following=False)
                wait(_FRAME)
        peak = _peak_mb()
        window.close()
        window = _window(Path(folder))
        _open(window, DEMONSTRATION)
        _settle(window)
        training = _while_training(window, Path(folder) / "paper.h5", seconds_of_training)
        window.close()
    return Scrub(
        platform=QApplication.platformName(),
        seen_p50_ms=float(np.median(seen)),
        seen_p95_ms=float(np.percentile(seen, 95)),
        first_p50_ms=float(np.median(first)),
        first_p95_ms=float(np.percentile(first, 95)),
        training_seen_p95_ms=float(np.percentile(training[1], 95)),
        training_first_p95_ms=float(np.percentile(training[0], 95)),
        start_ms=start_ms(),
        open_ms=open_ms,
        peak_rss_mb=peak,
        loop_ms=_loop_ms(),
        by_layout=by_layout,
    )


def _window(folder: Path) -> MainWindow:
    settings = QSettings(str(folder / "bench.ini"), QSettings.Format.IniFormat)
    settings.setValue("training/folder", str(folder))
    settings.setValue("layout/name", LAYOUTS[0])
    window = MainWindow(settings)
    window.resize(*_SIZE)
    window.show()
    window.reset_layout()
    return window


def _open(window: MainWindow, path: Path) -> None:
    """Until every visible view has painted something of the run."""
    loop = QEventLoop()
    window.opened.connect(loop.quit)
    window.open(path)
    loop.exec()
    window.opened.disconnect(loop.quit)
    _until(window, lambda: not window.waiting)
    QApplication.processEvents()


def _visits(window: MainWindow) -> tuple[list[float], list[float]]:
    """Jumps to checkpoints that were never visited; then a sweep over seen ones, there and back."""
    n = window.session.selection.n_checkpoints
    steps = [step for step in range(n) if step != window.session.selection.step]
    random.Random(0).shuffle(steps)
    new = []
    for step in steps[:_FIRST_VISITS]:
        wait_for_quiet(window)
        new.append(_visit(window, step))
    sweep = sorted(steps[:_FIRST_VISITS])[:_SWEEP]
    for step in sweep:
        _visit(window, step)
    _settle(window)
    wait(0.5)
    again: list[float] = []
    for i in range(_SEEN_ROUNDS):
        again += [_visit(window, step) for step in (sweep[-2::-1] if i % 2 == 0 else sweep[1:])]
    return new, again or new


def _visit(window: MainWindow, step: int) -> float:
    """Go to a checkpoint.  -> ms until the last visible view shows it, painted"""
    app = _app()
    paints = _Paints(app)
    begin = time.perf_counter()
    window.session.select(step=step, following=False)
    if not _until(window, lambda: not window.waiting):
        raise TimeoutError(f"Checkpoint {step} was not painted within {_PATIENCE:.0f} s.")
    end, painted = time.perf_counter(), -1
    while paints.count != painted:  # what was drawn last is still to be painted
        painted = paints.count
        app.processEvents()
        end = time.perf_counter() if paints.count != painted else end
    paints.stop()
    return 1000 * (end - begin)


def wait_for_quiet(window: MainWindow) -> None:
    """Until nothing is computed ahead either: a jump begins from rest."""
    wait(0.05)
    app = _app()
    while window.compute.idle is False:
        app.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)


def _while_training(window: MainWindow, path: Path, seconds: float) -> tuple[list[float], list[float]]:
    config = preset("paper")
    window.use_layout(LAYOUTS[0])
    window.panel.train(lambda say, told: recording.start(config, path), config, 0)
    end = time.perf_counter() + _LONGEST
    while not _has_grown(window, path) and time.perf_counter() < end:
        wait(seconds)
    if not _has_grown(window, path):
        raise RuntimeError(f"There are not {_FIRST_VISITS} checkpoints after {_LONGEST:g} s of training.")
    window.session.select(following=False, neurons=((0, 3),))
    new, again = _visits(window)
    window.panel.stop_and_wait()
    return new, again


def _has_grown(window: MainWindow, path: Path) -> bool:
    """Whether the run in training is on show, with enough checkpoints to visit."""
    run = window.session.selection.run
    return run is not None and run.path == path and window.session.selection.n_checkpoints >= _FIRST_VISITS


def _settle(window: MainWindow) -> None:
    """Until nobody waits, and what a training will need is imported: that happens once, while nobody drags."""
    _until(window, lambda: not (window.waiting or window.compute.busy or window.panel.estimating))
    QApplication.processEvents()


def _until(window: MainWindow, there: Callable[[], bool]) -> bool:
    """Run the event loop until it is so, asleep in between as the program is.  -> whether it is so

    An answer makes it so, or news of the run on show: then a view draws what is known already, and nobody is told.
    """
    loop, patience = QEventLoop(), QTimer()
    patience.setSingleShot(True)
    patience.timeout.connect(loop.quit)
    patience.start(round(1000 * _PATIENCE))

    def look(*_: object) -> None:
        if there():
            loop.quit()

    news = QTimer()
    news.timeout.connect(look)
    news.start(_NEWS_MS)
    window.compute.answered.connect(look)
    if not there():
        loop.exec()
    window.compute.answered.disconnect(look)
    return there()


def _summary(first: list[float], seen: list[float]) -> dict[str, float]:
    return {
        "seen_p50_ms": float(np.median(seen)), "seen_p95_ms": float(np.percentile(seen, 95)),
        "first_p50_ms": float(np.median(first)), "first_p95_ms": float(np.percentile(first, 95)),
    }  # fmt: skip


def _loop_ms() -> float:
    times = []
    for _ in range(7):
        begin, total = time.perf_counter(), 0
        for i in range(1_000_000):
            total += i
        times.append(1000 * (time.perf_counter() - begin))
    return min(times)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
