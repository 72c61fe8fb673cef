"""What the spectrum says, for every kind of task."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QComboBox

from app.main_window import MainWindow
from app.views.spectrum import TITLES, SpectrumView
from engine import recording
from engine.analysis.embedding import MATRICES, spectrum
from engine.runfile import Run
from tests.app.conftest import SMALL

Settle = Callable[[MainWindow], None]
CHARACTERS = {"operation": "multiply", "epochs": 20, "checkpoint_every": 10, "dense_every": 0}


def trained(path: Path, **changes: object) -> Run:
    for _ in recording.start(replace(SMALL, **changes), path).events():
        pass
    return Run.open(path, probe=False)


def spectrum_of(window: MainWindow) -> SpectrumView:
    return next(v for v in window.views if isinstance(v, SpectrumView))


def show(window: MainWindow, settle: Settle, run: Run, neuron: tuple[int, int], step: int | None = None) -> None:
    window.show_run(run)
    window.session.select(neurons=(neuron,))
    if step is not None:
        window.session.scrub(step)
    settle(window)


@pytest.mark.parametrize("which", MATRICES)
def test_that_the_spectrum_shows_what_is_chosen(window: MainWindow, settle: Settle, run: Run, which: str) -> None:
    show(window, settle, run, (0, 3), step=4)
    choice, drawn = window.findChild(QComboBox, "spectrum.which"), spectrum_of(window)
    assert choice is not None
    choice.setCurrentText(which)
    settle(window)
    truth = spectrum(run, 4, run.n_checkpoints - 1, which)
    assert np.array_equal(drawn._cos.height, truth.cos)
    assert drawn._title.text() == TITLES[which]
    assert drawn._plot.getPlotItem().getAxis("left").labelText == f"norm in {which}"


def test_that_the_axis_is_held_while_scrubbing_and_fits_another_matrix(
    window: MainWindow, settle: Settle, run: Run
) -> None:
    show(window, settle, run, (0, 3))
    drawn = spectrum_of(window)
    tops = []
    for step in range(run.n_checkpoints):
        window.session.scrub(step)
        settle(window)
        tops.append(drawn._plot.getViewBox().viewRange()[1][1])
    assert len(set(tops)) == 1  # the axis of the run, from the first checkpoint on
    drawn._which.setCurrentText("W_L")
    settle(window)
    last = run.n_checkpoints - 1
    truth = [spectrum(run, step, last, "W_L") for step in range(run.n_checkpoints)]
    highest = max(0.8 * max(t.norm.max() for t in truth), truth[last].cos.max(), truth[last].sin.max())
    assert drawn._plot.getViewBox().viewRange()[1][1] == pytest.approx(1.15 * highest)


def test_that_products_have_a_spectrum_in_characters_of_the_units(
    window: MainWindow, settle: Settle, tmp_path: Path
) -> None:
    run = trained(tmp_path / "times.h5", **CHARACTERS)
    show(window, settle, run, (0, 3))
    drawn = spectrum_of(window)
    assert drawn._plot.getPlotItem().getAxis("bottom").labelText == "character k of the units, generator 2"
    assert len(drawn._cos.height) == 5  # ten units


def test_that_a_task_without_a_basis_says_so(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    run = trained(tmp_path / "none.h5", **(CHARACTERS | {"operation": "x2xyy2"}))
    show(window, settle, run, (0, 3))
    assert "no group operation" in spectrum_of(window)._title.toolTip()
    assert len(spectrum_of(window)._cos.height) == 5
