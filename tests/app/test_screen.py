"""On a screen of twice the pixels everything is as large and as heavy as on any other, and sharper."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRAW = """
import json, re, sys
import numpy as np
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
app = QApplication(sys.argv)
from app import svg, theme
from app.export import picture
from app.screen import pixel_ratio
from app.views.legend import LegendEntry
from app.views.plots import pen, plot_widget
theme.apply(app, theme.DARK)
plot = plot_widget("y", "x")
plot.resize(200, 120)
plot.plot([0, 1], [0, 0], pen=pen("#ff0000", 3))
plot.setYRange(-1, 1)
plot.show()
entry = LegendEntry("entry")
entry.name_it("curve", "tip", pen("#ff0000", 2))
entry.resize(entry.sizeHint())
entry.show()
for _ in range(20):
    app.processEvents()

def weight(image, x):
    column = [image.pixelColor(int(x * image.width()), y) for y in range(image.height())]
    return sum(max(0, c.red() - max(c.green(), c.blue())) for c in column) / 255

grabbed = plot.grab().toImage()
icon = theme.icon("play").pixmap(18, 18)
print(json.dumps({
    "ratio": pixel_ratio(), "width": grabbed.width(), "curve": weight(grabbed, 0.6),
    "sample": weight(entry.grab().toImage(), 0.04),
    "enlarged": weight(picture(plot, 4.0), 0.6),
    "svg": re.findall(r'stroke="#ff0000" stroke-width="([^"]+)"', svg.svg(plot, QColor("#1a1d23"), "t", "d").decode()),
    "icon": icon.width(),
}))
"""


def drawn(factor: int) -> dict[str, Any]:
    environment = os.environ | {"QT_SCALE_FACTOR": str(factor), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_that_lines_are_as_heavy_on_a_fine_screen_and_in_files_from_there() -> None:
    coarse, fine = drawn(1), drawn(2)
    assert (coarse["ratio"], fine["ratio"]) == (1, 2)
    assert fine["width"] == 2 * coarse["width"]
    assert coarse["curve"] == pytest.approx(3, abs=0.5)
    assert fine["curve"] == pytest.approx(6, abs=0.5)
    assert fine["sample"] == pytest.approx(2 * coarse["sample"], rel=0.2)
    assert fine["enlarged"] == pytest.approx(coarse["enlarged"], abs=0.5)
    assert fine["svg"] == coarse["svg"] == ["3"]
    assert fine["icon"] == 2 * coarse["icon"]
