"""How long the program takes from its start to the first picture of the bundled run.

Imports nothing but the standard library, so that the program under measure imports what it needs by itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.main_window import MainWindow

# The program as `python main.py` runs it, but that its event loop ends with the first picture.
_CHILD = """
import sys
sys.argv = ["main.py"]
import main
from app import bench_start, cli
cli.until_closed = bench_start.until_painted
main.main()
"""


def start_ms(rounds: int = 3) -> float:
    """From starting the program, whose settings are empty, to its first picture; the best of some rounds: warm.

    Warm also means that Python has kept its bytecode, so it is told to, whatever the environment says.
    """
    best = float("inf")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as settings:
        for _ in range(rounds):
            begin = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", _CHILD],
                check=True, cwd=Path(__file__).resolve().parents[1], env={**kept, "XDG_CONFIG_HOME": settings},
            )  # fmt: skip
            best = min(best, time.perf_counter() - begin)
    return 1000 * best


def until_painted(window: MainWindow) -> int:
    """In place of the event loop: end the program with its first picture, at once, so that closing is not measured."""
    os._exit(0 if wait_for_picture(window) else 1)


def wait_for_picture(window: MainWindow) -> bool:
    """Run the event loop until a run is on show and painted.  -> whether there is one"""
    from PySide6.QtCore import QEventLoop
    from PySide6.QtWidgets import QApplication

    loop = QEventLoop()
    shown: list[object] = []

    def look(*_: object) -> None:
        if shown and not window.waiting:
            loop.quit()

    def opened(run: object) -> None:
        shown.append(run)
        look()

    window.opened.connect(opened)
    window.compute.answered.connect(look)  # after the views, which are told before
    loop.exec()
    QApplication.processEvents()  # what was drawn is painted
    return shown[0] is not None
