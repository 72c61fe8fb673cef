"""Weights over training: sums by hand, gathering of the small ones, the mainline's numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.analysis.measures import measures
from engine.analysis.weights import BIASES, NORMS, weight_curves
from engine.config import Config
from engine.recording import start
from engine.runfile import Run
from engine.traces import Traces, measure_all

CONFIG = Config(p=11, train_fraction=0.5, d_model=16, n_heads=2, d_mlp=24, epochs=20, checkpoint_every=4, dense_every=0)
DEMONSTRATION = Path(__file__).resolve().parents[3] / "resources" / "demonstration.h5"


def measured(path: Path, **changes: object) -> tuple[Run, Traces]:
    for _ in start(replace(CONFIG, **changes), path).events():
        pass
    run = Run.open(path, probe=False)
    traces = Traces(run)
    list(measure_all(traces))
    return run, traces


def test_that_curves_are_the_sums_of_squares_of_the_stored_weights(tmp_path: Path) -> None:
    run, traces = measured(tmp_path / "run.h5")
    found = weight_curves(run, run.n_checkpoints, traces, None, 0)
    assert list(found.squared)[-1] == BIASES
    assert NORMS not in found.squared
    for step in range(run.n_checkpoints):
        squares = {name: float(np.square(w.astype(np.float64)).sum()) for name, w in run.weights(step).items()}
        assert found.squared["W_in"][step] == pytest.approx(squares["W_in"], rel=1e-12)
        assert found.squared[BIASES][step] == pytest.approx(squares["b_in"] + squares["b_out"], rel=1e-12)
        assert found.total[step] == pytest.approx(sum(squares.values()), rel=1e-12)
        m = measures(run, step)
        assert (found.gini["W_E"][step], found.gini["W_L"][step]) == (m.gini_embedding, m.gini_neuron_logit)
        assert (found.ipr["W_E"][step], found.ipr["W_L"][step]) == (m.ipr_embedding, m.ipr_neuron_logit)


def test_that_layer_norms_are_gathered_and_the_parts_make_the_total(tmp_path: Path) -> None:
    run, traces = measured(tmp_path / "norms.h5", layer_norm=True, n_layers=2, epochs=4)
    found = weight_curves(run, run.n_checkpoints, traces, None, 0)
    assert list(found.squared)[-2:] == [NORMS, BIASES]
    scales = 16 * (2 * 2 + 1)  # of ones, at first
    assert found.squared[NORMS][0] == pytest.approx(scales)
    assert np.allclose(sum(found.squared.values()), found.total, rtol=1e-12)


def test_that_a_task_without_a_basis_has_sums_and_says_why_no_gini(tmp_path: Path) -> None:
    run, traces = measured(tmp_path / "none.h5", operation="x2xyy2", epochs=4)
    found = weight_curves(run, run.n_checkpoints, traces, None, 0)
    assert len(found.total) == run.n_checkpoints
    assert found.gini == found.ipr == {}
    assert "no group operation" in found.no_basis


def test_that_nothing_measured_is_no_curve_and_only_the_past_is_shown(tmp_path: Path) -> None:
    run, traces = measured(tmp_path / "run.h5")
    assert not len(weight_curves(run, 1, None, None, 0).epochs)
    assert weight_curves(run, 2, traces, None, 0).epochs.tolist() == run.epochs[:2].tolist()


def test_that_the_mainline_has_the_published_weights() -> None:
    run = Run.open(DEMONSTRATION, probe=False)
    traces = Traces(run)
    try:
        found = weight_curves(run, run.n_checkpoints, traces, None, 0)
    finally:
        traces.close()

    def at(epoch: int, name: str) -> float:
        values = found.total if name == "total" else found.squared[name]
        return float(values[np.searchsorted(found.epochs, epoch)])

    for name, value in (("W_E", 115.5), ("W_Q", 127.7), ("W_in", 512.2), ("W_out", 513.3), ("W_U", 129.0)):
        assert at(0, name) == pytest.approx(value, rel=2e-3)
    assert at(0, "total") == pytest.approx(1783, abs=1)
    for epoch, total in ((1400, 3365), (5000, 2615), (14_000, 1009), (40_000, 956)):
        assert at(epoch, "total") == pytest.approx(total, rel=0.03)
    for name, value in (("W_E", 164.4), ("W_V", 148.1), ("W_O", 148.0), ("W_in", 155.0), ("W_out", 155.6)):
        assert at(40_000, name) == pytest.approx(value, rel=0.02)
    assert at(40_000, BIASES) == pytest.approx(0.17, rel=0.1)
