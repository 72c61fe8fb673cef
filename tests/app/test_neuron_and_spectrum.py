"""What the neuron pane and the spectrum say, for every kind of task."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QComboBox, QLabel

from app.main_window import MainWindow
from app.views.neuron import FACTS, NeuronView, neuron_picture
from app.views.spectrum import TITLES, SpectrumView
from engine import recording
from engine.analysis.embedding import MATRICES, spectrum
from engine.analysis.neuron import neuron_biography, neuron_report
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


def pane_of(window: MainWindow) -> NeuronView:
    return next(v for v in window.views if isinstance(v, NeuronView))


def said(window: MainWindow) -> dict[str, str]:
    found = {key: window.findChild(QLabel, f"neuron.{key}") for key in FACTS}
    return {key: value.text() for key, value in found.items() if value is not None}


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
    assert np.array_equal(drawn._cos.opts["height"], truth.cos)
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
    assert tops == sorted(tops)
    drawn._which.setCurrentText("W_L")
    settle(window)
    truth = spectrum(run, run.n_checkpoints - 1, run.n_checkpoints - 1, "W_L")
    highest = max(truth.cos.max(), truth.sin.max())
    assert drawn._plot.getViewBox().viewRange()[1][1] == pytest.approx(1.15 * highest)


def test_that_the_neuron_pane_says_what_the_engine_says(window: MainWindow, settle: Settle, run: Run) -> None:
    last = run.n_checkpoints - 1
    for index in range(6):
        show(window, settle, run, (0, index))
        wave, life, text = neuron_report(run, last, 0, index).wave, neuron_biography(run, 0, index), said(window)
        assert wave is not None
        clear = wave.fve >= 0.5
        assert text["peak"] == (f"a + b = {wave.peak}" if clear else "—")
        assert text["output_peak"] == (f"c = {wave.output_peak}" if clear else "—")
        assert text["phase"].endswith("°") == text["misalignment"].endswith("°") == clear
        assert text["fit"] == (f"{wave.r_squared:.3f}" if wave.frequency else "—")
        assert text["settled"] == ("—" if life.settled is None else str(life.settled))
        assert text["committed"] == ("—" if life.committed is None else str(life.committed))


def test_that_a_life_is_put_together_from_parts_for_every_neuron(window: MainWindow, settle: Settle, run: Run) -> None:
    window.show_run(run)
    for index in range(run.config.d_mlp):
        window.session.select(neurons=((0, index),))
        settle(window)
        life, truth = pane_of(window)._life, neuron_biography(run, 0, index)
        assert life.known
        assert (life.settled, life.committed) == (truth.settled, truth.committed), index


def test_that_the_pane_does_not_wait_for_the_life(window: MainWindow, settle: Settle, run: Run) -> None:
    show(window, settle, run, (0, 3))
    pane = pane_of(window)
    pane._life._who = None
    pane._life._begin(1)
    pane._tell_life()
    assert said(window)["settled"] == said(window)["committed"] == "…"
    assert not pane.waiting


def test_that_fit_and_logits_change_what_is_shown(window: MainWindow, settle: Settle, run: Run) -> None:
    show(window, settle, run, (0, 3))
    pane, last = pane_of(window), run.n_checkpoints - 1
    truth = neuron_picture(run, last, last, 0, 3)
    order = pane._order(truth)
    pane._fit.click()
    assert np.allclose(pane._image.image, truth.wave.fitted[np.ix_(order, order)], atol=1e-6)
    pane._fit.click()
    assert np.allclose(pane._image.image, truth.report.activation[np.ix_(order, order)], atol=1e-6)
    pane._logits.click()
    assert pane._written.isVisible()
    assert not pane._shares.isVisible()
    assert np.array_equal(pane._curve.getData()[1], truth.report.writes[order])


def test_that_differences_peak_at_a_difference(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    run = trained(tmp_path / "minus.h5", operation="subtract")
    last = run.n_checkpoints - 1
    clear = max(range(run.config.d_mlp), key=lambda i: neuron_picture(run, last, last, 0, i).wave.fve)
    show(window, settle, run, (0, clear))
    assert said(window)["peak"] == f"a − b = {neuron_picture(run, last, last, 0, clear).wave.peak}"


def test_that_products_are_shown_in_characters_of_the_units(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    run = trained(tmp_path / "times.h5", **CHARACTERS)
    last = run.n_checkpoints - 1
    alive = max(range(run.config.d_mlp), key=lambda i: neuron_picture(run, last, last, 0, i).limit)
    show(window, settle, run, (0, alive))
    drawn, pane = spectrum_of(window), pane_of(window)
    assert drawn._plot.getPlotItem().getAxis("bottom").labelText == "character k of the units, generator 2"
    assert len(drawn._cos.opts["height"]) == 5  # ten units
    assert "generator 2" in pane._sentence.text()
    for natural, side in ((False, 10), (True, 11)):
        pane._natural.setChecked(natural)
        pane._fit.setChecked(natural)
        assert pane._image.image.shape == (side, side)
        assert pane._stack.currentIndex() == 0
    wave = neuron_report(run, last, 0, alive).wave
    assert wave is not None
    assert said(window)["peak"] in (f"a · b = {wave.peak}", "several", "—")


def test_that_a_task_without_a_basis_says_so(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    run = trained(tmp_path / "none.h5", **(CHARACTERS | {"operation": "x2xyy2"}))
    show(window, settle, run, (0, 3))
    assert "no group operation" in spectrum_of(window)._title.toolTip()
    assert len(spectrum_of(window)._cos.opts["height"]) == 5
    assert "no Fourier basis" in pane_of(window)._sentence.text()
    text = said(window)
    assert text["fit"] != "—"
    assert {text[key] for key in FACTS if key != "fit"} == {"—"}
    assert "no group operation" in pane_of(window)._values["settled"].toolTip()


def test_that_an_earlier_layer_has_its_direct_path_only(window: MainWindow, settle: Settle, tmp_path: Path) -> None:
    run = trained(tmp_path / "deep.h5", **(CHARACTERS | {"operation": "add", "n_layers": 2}))
    show(window, settle, run, (0, 3))
    assert {said(window)[key] for key in ("output_phase", "misalignment", "vote")} == {"direct path only"}
    assert "later layers" in pane_of(window)._values["vote"].toolTip()
    show(window, settle, run, (1, 3))
    assert said(window)["vote"] != "direct path only"


def test_that_a_dead_neuron_is_dead(window: MainWindow, settle: Settle, run_path: Path, tmp_path: Path) -> None:
    import h5py

    copy = tmp_path / "dead.h5"
    copy.write_bytes(run_path.read_bytes())
    with h5py.File(copy, "r+") as file:
        file["weights/W_in"][:, 0, :, 3] = 0
        file["weights/b_in"][:, 0, 3] = 0
        file.attrs["run_id"] = "dead"
    show(window, settle, Run.open(copy, probe=False), (0, 3))
    assert pane_of(window)._headline.text() == "dead"
    assert set(said(window).values()) == {"—"}
