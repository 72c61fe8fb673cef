"""A small trained run, and a window that remembers nothing."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import theme
from app.main_window import MainWindow
from engine import recording
from engine.config import Config
from engine.runfile import Run

SMALL = Config(
    p=11, train_fraction=0.6, d_model=16, n_heads=2, d_mlp=24, lr=1e-2, weight_decay=1.0, epochs=200,
    checkpoint_every=20, dense_every=5, dense_until=40, transition_every=0, test_every=10, device="cpu",
)  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def garbage_is_ours() -> Iterator[None]:
    """As in the program: what Qt owns is never freed by the analysis thread."""
    gc.disable()
    gc.collect()
    gc.freeze()
    yield
    gc.enable()


_since_collected = 0


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Every few tests, in this thread; a full collection takes a tenth of a second."""
    global _since_collected
    yield
    _since_collected += 1
    if _since_collected >= 16:
        gc.collect()
        _since_collected = 0


@pytest.fixture(scope="session")
def run_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of eleven residues, trained for real."""
    path = tmp_path_factory.mktemp("runs") / "small.h5"
    for _ in recording.start(SMALL, path).events():
        pass
    return path


@pytest.fixture(scope="session")
def fork_path(run_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of that run from the middle on, without weight decay."""
    path = tmp_path_factory.mktemp("forks") / "fork.h5"
    for _ in recording.fork(Run.open(run_path, probe=False), path, 100, {"weight_decay": 0.0}).events():
        pass
    return path


@pytest.fixture(scope="session")
def seven_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of seven residues."""
    path = tmp_path_factory.mktemp("others") / "seven.h5"
    for _ in recording.start(replace(SMALL, p=7, epochs=100), path).events():
        pass
    return path


@pytest.fixture
def run(run_path: Path) -> Run:
    return Run.open(run_path, probe=False)


@pytest.fixture
def settings(tmp_path: Path) -> QSettings:
    made = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    made.setValue("training/folder", str(tmp_path))
    made.setValue("layout/name", "Watch training")
    return made


@pytest.fixture
def window(qtbot: QtBot, qapp: QApplication, settings: QSettings) -> Iterator[MainWindow]:
    theme.apply(qapp, theme.DARK)
    made = MainWindow(settings)
    qtbot.addWidget(made)
    made.resize(1400, 900)
    with qtbot.waitExposed(made):
        made.show()
    yield made
    made.panel.stop_and_wait()
    made.close()


@pytest.fixture
def settle(qtbot: QtBot) -> Callable[[MainWindow], None]:
    """Wait until every visible view shows the selection."""

    def wait(window: MainWindow) -> None:
        qtbot.waitUntil(lambda: not window.waiting and not window.compute.busy, timeout=20_000)

    return wait
