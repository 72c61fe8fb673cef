"""Plots whose scene is kept as pixels show what a whole painting would show."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pyqtgraph as pg
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtWidgets import QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.views.lifted import BarName, BarNames, Bars, Cells, Trace
from app.views.live_plot import EpochLine, LivePlot
from app.views.plots import pen, plot_widget
from app.views.still import QuietLabel

COLOURS = [QColor("#cc4411"), QColor("#1144cc"), QColor("#888888")]


class Plot:
    """A plot with one of everything, in a window of its own."""

    def __init__(self, qtbot: QtBot) -> None:
        self.window = QWidget()
        column = QVBoxLayout(self.window)
        self.plot = plot_widget("y", "x")
        assert isinstance(self.plot, LivePlot)
        column.addWidget(self.plot)
        self.plot.plot([0, 5, 10], [1, 4, 2], pen=pen("#333333", 2))
        self.plot.setXRange(-1, 11, padding=0)
        self.plot.setYRange(-1, 5, padding=0)
        self.bars, self.cells, self.trace, self.names, self.line = Bars(), Cells(), Trace(), BarNames(), EpochLine()
        for item in (self.cells, self.bars, self.trace, self.names, self.line):
            self.plot.lift(item)
        self.line.set_pens(pen("#228833", 1.5), pen("#228833", 3))
        qtbot.addWidget(self.window)
        self.window.resize(320, 240)
        self.window.show()
        qtbot.waitExposed(self.window)
        self.move(0)

    def move(self, i: int) -> None:
        """As a checkpoint does; then everything is painted."""
        heights = 1 + np.sin(np.arange(3) + i)
        self.bars.show_bars(np.arange(3), heights, 0.8, COLOURS)
        self.names.show_names([BarName(k, float(heights[k]), str(k), COLOURS[k]) for k in range(3)])
        self.trace.show_points(np.arange(5) + 4, 2 + np.cos(np.arange(5) + i), pen("#aa3377"))
        self.cells.show_cells(
            np.full((2, 2), i % 5, np.uint8), np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1) * 40
        )
        self.line.setValue(i % 10)
        self.paint()

    def paint(self) -> None:
        for _ in range(3):
            QGuiApplication.processEvents()

    def on_screen(self) -> NDArray[np.uint8]:
        handle = self.window.windowHandle()
        return pixels(handle.screen().grabWindow(handle.winId()).toImage())

    def anew(self) -> NDArray[np.uint8]:
        """Painted into a picture, scene and all."""
        return pixels(self.window.grab().toImage())


def pixels(image: QImage) -> NDArray[np.uint8]:
    made = image.convertToFormat(QImage.Format.Format_RGB32)
    lines = np.frombuffer(made.constBits(), np.uint8).reshape(made.height(), made.bytesPerLine())
    return lines[:, : 4 * made.width()].reshape(made.height(), made.width(), 4)[..., :3].copy()


@pytest.fixture
def shown(qtbot: QtBot) -> Iterator[Plot]:
    if QGuiApplication.platformName() != "offscreen":
        pytest.skip("what is on a real screen cannot be read everywhere")
    yield Plot(qtbot)
    gc.collect()


def scenes_painted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    painted: list[object] = []
    whole = pg.GraphicsView.paintEvent

    def counted(self: pg.GraphicsView, event: object) -> None:
        painted.append(self)
        whole(self, event)

    monkeypatch.setattr(pg.GraphicsView, "paintEvent", counted)
    return painted


def test_that_the_scene_is_painted_no_more_once_it_is_calm(shown: Plot, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        shown.move(i)
    painted = scenes_painted(monkeypatch)
    before = shown.on_screen()
    for i in range(3, 9):
        shown.move(i)
        assert np.array_equal(shown.on_screen(), shown.anew())
    assert not np.array_equal(shown.on_screen(), before)
    assert len(painted) == 6  # those of `anew`


@pytest.mark.parametrize("change", ["range", "size", "curve", "background"])
def test_that_what_changes_in_the_scene_is_painted(shown: Plot, change: str) -> None:
    for i in range(4):
        shown.move(i)
    before = shown.on_screen()
    if change == "range":
        shown.plot.setYRange(0, 7, padding=0)
    elif change == "size":
        shown.window.resize(300, 260)
    elif change == "curve":
        shown.plot.plot([0, 10], [0, 3], pen=pen("#0000ff", 2))
    else:
        shown.plot.setBackground("#224466")
    shown.paint()
    assert shown.on_screen().shape != before.shape or not np.array_equal(shown.on_screen(), before)
    for i in range(4, 7):
        assert np.array_equal(shown.on_screen(), shown.anew())
        shown.move(i)


def test_that_a_picture_holds_what_has_just_changed(shown: Plot) -> None:
    """A figure is made without waiting for anything to be painted on the screen."""
    for i in range(4):
        shown.move(i)
    before = shown.anew()
    shown.plot.plot([0, 10], [3, 0], pen=pen("#0000ff", 2))
    assert not np.array_equal(shown.anew(), before)


def test_that_the_line_is_dragged(shown: Plot, qtbot: QtBot) -> None:
    shown.line.setValue(4)
    told: list[float] = []
    shown.line.sigDragged.connect(lambda line: told.append(line.value()))
    shown.paint()

    def at(x: float) -> QPoint:
        place: QPoint = shown.plot.mapFromScene(shown.plot.getViewBox().mapViewToScene(pg.Point(x, 2)))
        return place

    view, left = shown.plot.viewport(), Qt.MouseButton.LeftButton
    qtbot.mouseMove(view, at(4))
    qtbot.mousePress(view, left, pos=at(4))
    for x in (5, 6, 8):
        qtbot.mouseMove(view, at(x))
        qtbot.wait(40)  # pyqtgraph takes moves that follow each other closely as one
    qtbot.mouseRelease(view, left, pos=at(8))
    assert told
    assert shown.line.value() == pytest.approx(8, abs=0.1)


def test_that_words_follow_within_a_tenth_of_a_second(qtbot: QtBot) -> None:
    label, painted = QuietLabel("0"), []
    qtbot.addWidget(label)
    label.show()
    qtbot.waitExposed(label)
    qtbot.wait(250)
    paint = label.fitting
    label.fitting = lambda: painted.append(label.text()) or paint()  # type: ignore[method-assign,func-returns-value]
    label.setText("1")
    qtbot.waitUntil(lambda: painted[-1:] == ["1"], timeout=60)  # at once after a rest
    for i in range(2, 40):
        label.setText(str(i))
        qtbot.wait(8)
    assert label.text() == "39"
    assert 2 < len(painted) < 20
    qtbot.waitUntil(lambda: painted[-1] == "39", timeout=300)


def test_that_a_scene_that_changes_with_every_frame_is_painted_once_a_frame(
    shown: Plot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while a run is trained: to keep its pixels would be in vain."""
    (curve,) = shown.plot.getPlotItem().listDataItems()
    painted = scenes_painted(monkeypatch)
    for i in range(10):
        curve.setData([0, 5, 10], [1, i % 4, 2])
        shown.move(i)
    assert len(painted) <= 20  # once for the scene, once for what is lifted
    for i in range(10, 16):
        shown.move(i)
    before = len(painted)
    for i in range(16, 22):
        shown.move(i)
    assert len(painted) == before


def test_that_what_is_not_finite_is_no_bar(shown: Plot) -> None:
    for i in range(4):
        shown.move(i)
    shown.names.show_names([])
    for heights in ([1.0, np.nan, 0.5], [1.0, np.inf, 0.5]):
        shown.bars.show_bars(np.arange(3), heights, 0.8, COLOURS)
        shown.paint()
        found = shown.on_screen()
        shown.bars.show_bars(np.arange(3), [1.0, 0.0, 0.5], 0.8, COLOURS)
        shown.paint()
        assert np.array_equal(found, shown.on_screen())


def test_that_another_screen_gets_pixels_of_its_own(shown: Plot, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(4):
        shown.move(i)
    kept = shown.plot._pixels
    assert kept is not None
    kept.setDevicePixelRatio(2.0)  # as if made on the screen before
    shown.plot.viewport().update()
    shown.paint()
    for i in range(4, 8):
        shown.move(i)
    assert shown.plot._pixels is not None
    assert shown.plot._pixels.devicePixelRatio() == 1.0
    assert np.array_equal(shown.on_screen(), shown.anew())
