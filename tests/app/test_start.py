"""From the start of the program to its first picture: what is not needed for it comes later."""

import os
import subprocess
import sys
from pathlib import Path

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication, QComboBox, QLabel
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow

ROOT = Path(__file__).resolve().parents[2]
LATER = {
    "torch", "sympy", "matplotlib", "PIL", "scipy", "tqdm", "ssl", "urllib.request", "numba.np.linalg",
    "engine.bench", "engine.imports", "engine.bundle", "engine.cli", "app.export_dialog", "app.movie",
}  # fmt: skip
PICTURE = """
import os, sys
sys.argv = ["main.py"]
import main
from app import bench_start, cli

def told(window):
    assert bench_start.wait_for_picture(window)
    shown = [view for view in window.views if view.on_show]
    assert shown and all(view.answer is not None and view.failure is None for view in shown)
    print(*sys.modules, flush=True)
    os._exit(0)

cli.until_closed = told
main.main()
"""


def said_by(code: str, folder: Path) -> list[str]:
    """The words that a program prints, run as a person would without any settings."""
    there = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=there, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_that_the_first_picture_imports_nothing_it_does_not_need(tmp_path: Path) -> None:
    imported = set(said_by(PICTURE, tmp_path))
    assert {"app.main_window", "numba", "h5py"} <= imported
    assert sorted(LATER & imported) == []


def test_that_torch_is_imported_when_it_is_first_used(tmp_path: Path) -> None:
    code = (
        "import sys; from engine import training, recording, estimate, fast_step; from engine.later import torch; "
        "print('torch' in sys.modules); print(torch.zeros(2).sum().item(), 'torch' in sys.modules)"
    )
    assert said_by(code, tmp_path) == ["False", "0.0", "True"]
    beside = "from engine import later, training; later.import_beside(); print(training.device_names()['cpu'])"
    assert said_by(beside, tmp_path) == ["CPU"]


def test_that_pyqtgraph_finds_in_its_mirror_what_qt_has(tmp_path: Path) -> None:
    code = """
from app.qt_mirror import import_pyqtgraph
import_pyqtgraph()
import pyqtgraph as pg
from PySide6 import QtCore, QtGui, QtWidgets
assert pg.QtCore.QRectF is QtCore.QRectF and pg.QtGui.QPainter is QtGui.QPainter
assert pg.QtWidgets.QWidget is QtWidgets.QWidget and "QWidget" in dir(QtWidgets)
assert not hasattr(pg.QtCore, "QNothing")
mirror = pg.QtWidgets
print("QCalendarWidget" in vars(mirror), mirror.QCalendarWidget.__name__, "QCalendarWidget" in vars(mirror))
"""
    assert said_by(code, tmp_path) == ["False", "QCalendarWidget", "True"]


def test_that_a_view_behind_a_tab_is_built_when_it_comes_to_the_front(
    window: MainWindow, qtbot: QtBot, qapp: QApplication
) -> None:
    views = {view.name: view for view in window.views}
    window.use_layout("Reverse-engineer")
    qapp.processEvents()
    assert views["circles"].on_show
    assert views["logits"].on_show
    assert views["solutions"]._content is None
    assert views["clock"]._content is None
    window.docks["solutions"].raise_()
    qtbot.waitUntil(lambda: views["solutions"].on_show)
    solutions = views["solutions"]._content
    assert solutions is not None
    qtbot.waitUntil(lambda: solutions.width() > 0.9 * views["solutions"].width())
    assert not views["logits"].on_show


def test_that_nothing_is_measured_for_a_panel_that_nobody_sees(qtbot: QtBot, settings: QSettings) -> None:
    settings.setValue("layout/name", "Teach")
    window = MainWindow(settings)
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    panel = window.panel
    assert not panel.isVisible()
    panel._estimate()
    assert panel._cost.text() == ""
    assert not panel._preparation.isRunning()
    window.docks["training"].show()
    qtbot.waitUntil(lambda: "on disk" in panel._cost.text(), timeout=60_000)


def test_that_a_picture_goes_before_the_estimate(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.panel
    cost = panel.findChild(QLabel, "training.cost")
    assert isinstance(cost, QLabel)
    awaited = True
    panel.picture_awaited = lambda: awaited
    panel.use_preset("quick")
    panel._estimate()
    assert cost.text() == ""
    assert panel.estimating  # it is asked again
    awaited = False
    qtbot.waitUntil(lambda: "on disk" in cost.text(), timeout=60_000)
    assert not panel.estimating


def test_that_the_devices_are_told_once_they_are_known(window: MainWindow, qtbot: QtBot) -> None:
    device = window.panel.findChild(QComboBox, "training.device")
    assert isinstance(device, QComboBox)
    qtbot.waitUntil(lambda: window.panel._preparation.isFinished() and device.itemText(0) != "auto", timeout=60_000)
    assert [device.itemData(i) for i in range(3)] == ["auto", "cpu", "cuda"]
    assert device.itemText(0) in ("auto (CPU)", "auto (CUDA)")
    assert device.itemText(1) == "CPU"
