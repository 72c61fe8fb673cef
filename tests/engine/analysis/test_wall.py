"""Unwrapped thumbnails, phases and the neuron's page on planted waves, and on a trained run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import recording
from engine.analysis.characters import characters
from engine.analysis.curves import DRAWN, loss_curves, thinned
from engine.analysis.embedding import embedding_spectrum
from engine.analysis.measures import character_frequencies
from engine.analysis.neuron import neuron_biography
from engine.analysis.neurons import neuron_frequencies
from engine.analysis.wall import (
    area_pool,
    by_frequencies,
    committed_epochs,
    exact_waves,
    neuron_detail,
    neuron_wall,
    neuron_wall_and_lives,
    sum_phases,
    unwrapping,
    wall_layout,
    wave_peak,
)
from engine.analysis.waves import layer_waves
from engine.config import Config
from engine.fourier import components, spectrum_2d
from engine.replay import activations
from engine.runfile import Run
from engine.traces import Traces


@pytest.fixture(scope="module", params=["add", "subtract", "random"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("wall") / "run.h5"
    config = Config(
        operation=request.param, p=11, train_fraction=0.6, d_model=16, n_heads=2, d_mlp=20, lr=1e-2, epochs=150,
        checkpoint_every=50, dense_every=0, transition_every=0, device="cpu",
    )  # fmt: skip
    for _ in recording.start(config, path).events():
        pass
    return Run.open(path, probe=False)


@pytest.mark.parametrize("p", [7, 12, 59])
def test_that_unwrapping_turns_every_frequency_into_the_first(p: int) -> None:
    a = np.arange(p)
    for k in range(1, p // 2 + 1):
        order = unwrapping(p, k)
        assert sorted(order) == list(range(p))
        assert (np.diff(k * order % p) >= 0).all()
        if np.gcd(k, p) == 1:
            assert np.cos(2 * np.pi * k * order / p) == pytest.approx(np.cos(2 * np.pi * a / p), abs=1e-9)


@pytest.mark.parametrize(("p", "size"), [(113, 20), (59, 59), (11, 40)])
def test_that_pooling_averages_by_area(p: int, size: int) -> None:
    pool = area_pool(p, size)
    assert pool.shape == (size, p)
    assert pool.sum(axis=1) == pytest.approx(np.ones(size), rel=1e-6)
    assert pool.sum(axis=0) == pytest.approx(np.full(p, size / p), rel=1e-4)


@pytest.mark.parametrize("difference", [False, True])
def test_that_a_planted_phase_is_found(difference: bool) -> None:
    p = 13
    a, b = np.divmod(np.arange(p * p), p)
    s = a - b if difference else a + b
    phases = np.array([-2.0, 0.3, 3.0])
    k = np.array([1, 3, 6])
    values = 1 + np.cos(2 * np.pi * k * s[:, None] / p - phases)
    # arg Σ N e^(−iws) of cos(ws − φ) is −φ: the wave's own phase
    assert sum_phases(values, k, p, difference) == pytest.approx(-phases)
    assert np.isnan(sum_phases(values, np.zeros(3, np.int64), p)).all()


@pytest.mark.parametrize(("k", "p"), [(1, 13), (5, 13), (52, 113), (5, 12)])
def test_that_the_peak_of_a_wave_is_where_it_is_highest(k: int, p: int) -> None:
    s = np.arange(p)
    for phase in (-3.0, -1.0, 0.0, 0.4, 2.9):
        wave = np.cos(2 * np.pi * k * s / p + phase)
        peak = wave_peak(phase, k, p)
        assert peak is not None
        assert wave[peak] == pytest.approx(wave.max())
    assert wave_peak(0.0, 6, 12) is None


def test_that_a_wall_holds_every_neuron_once_in_sorted_groups(run: Run) -> None:
    last = run.n_checkpoints - 1
    wall = neuron_wall(run, 1, last, 9, True)
    layout = wall_layout(run, last)
    assert sorted(layout.order) == list(range(20))
    assert wall.tiles.shape == (20, 9, 9)
    assert neuron_wall(run, 1, last, 40, True).tiles.shape == (20, 11, 11)  # no more pixels than residues
    found = neuron_frequencies(run, last)
    assert layout.frequency.tolist() == found.frequency.tolist()
    assert layout.fve == pytest.approx(found.fve, abs=1e-12)
    if run.config.operation == "random":
        assert [group.frequency for group in layout.groups] == [0]
        assert layout.no_basis
        assert layout.keys == ()
        return
    for group in layout.groups:
        for n in group.neurons:
            assert (found.fve[n] >= 0.85) == (group.frequency > 0)
            assert group.frequency in (0, found.frequency[n])
        if group.frequency:
            phases = layout.phase[list(group.neurons)]
            assert (np.diff(phases) >= 0).all()
    assert layout.keys == tuple(found.key_frequencies())
    assert neuron_wall(run, 0, last, 9, True).layout is wall.layout


@pytest.mark.parametrize("unwrapped", [True, False])
def test_that_a_tile_is_the_heat_map_at_its_own_size(run: Run, unwrapped: bool) -> None:
    last, p = run.n_checkpoints - 1, 11
    wall = neuron_wall(run, last, last, p, unwrapped)
    for n in (0, 7):
        detail = neuron_detail(run, last, last, 0, n)
        natural = not unwrapped or wall.layout.no_basis
        order = unwrapping(p, 0 if natural else detail.settled_frequency)
        expected = np.clip(detail.activation[np.ix_(order, order)] * 255 / wall.layout.limit, 0, 255)
        assert np.abs(wall.tiles[n].astype(float) - expected).max() <= 1.0


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide"])
def test_that_thumbnails_are_averages_over_pixels(operation: str, random_run: Callable[..., Run]) -> None:
    config = Config(operation=operation, p=13, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=10)
    run = random_run(config)
    basis, values = characters(config), activations(run, 0).mlp_post[0].reshape(13, 13, 10)
    wall = neuron_wall(run, 0, 0, 5, True)
    assert wall.layout.n == basis.n
    assert len(np.unique(wall.layout.frequency)) > 1  # more than one order of the residues
    for n in range(10):
        order = basis.elements[unwrapping(basis.n, int(wall.layout.frequency[n]))]
        pool = area_pool(basis.n, 5).astype(float)
        expected = pool @ values[:, :, n][np.ix_(order, order)] @ pool.T * 255 / wall.layout.limit
        assert np.abs(wall.tiles[n] - np.clip(expected, 0, 255)).max() <= 1.01


@pytest.mark.parametrize("operation", ["multiply", "divide"])
def test_that_products_stand_by_their_characters(operation: str, clock_run: Callable[..., Run]) -> None:
    run = clock_run(operation, 11, {2: 1.0, 3: 0.7})
    layout = wall_layout(run, 0)
    assert layout.generator == 2
    assert layout.n == 10
    found = character_frequencies(run.config, activations(run, 0).mlp_post[0])
    assert layout.frequency.tolist() == found.frequency.tolist() == [2] * 8 + [3] * 8
    assert layout.fve == pytest.approx(found.fve, abs=1e-12)
    # a smooth bump: neighbours along an unwrapped axis differ less than along the natural one
    smooth, natural = (neuron_wall(run, 0, 0, 11, way).tiles.astype(float) for way in (True, False))
    assert smooth.shape == (16, 10, 10)
    assert natural.shape == (16, 11, 11)
    at_three = slice(8, 16)
    assert np.abs(np.diff(smooth[at_three], axis=2)).mean() < np.abs(np.diff(natural[at_three], axis=2)).mean()


def test_that_layers_are_walls_of_their_own(tmp_path: Path) -> None:
    config = Config(
        p=7, n_layers=2, d_model=8, n_heads=2, d_mlp=6, train_fraction=0.5, epochs=20, checkpoint_every=20,
        dense_every=0, transition_every=0, device="cpu",
    )  # fmt: skip
    for _ in recording.start(config, tmp_path / "run.h5").events():
        pass
    run = Run.open(tmp_path / "run.h5", probe=False)
    values = activations(run, 1).mlp_post
    for layer in (0, 1):
        wall = neuron_wall(run, 1, 1, 7, False, layer)
        expected = np.clip(values[layer].T.reshape(6, 7, 7) * 255 / wall.layout.limit, 0, 255)
        assert np.abs(wall.tiles - expected).max() <= 1.01
        assert wall.layout.keys == wall_layout(run, 1).keys
    assert wall_layout(run, 1, -1) is wall_layout(run, 1, 1)


def test_that_exact_waves_are_those_of_the_traces_or_computed(run: Run, tmp_path: Path) -> None:
    last = run.n_checkpoints - 1
    computed = exact_waves(run, last, 0, None)
    truth = neuron_frequencies(run, last)
    assert computed.frequency.tolist() == truth.frequency.tolist()
    assert computed.fve == pytest.approx(truth.fve, abs=1e-12)
    traces = Traces(run, tmp_path / "traces.h5")
    assert exact_waves(run, last, 0, traces).fve is layer_waves(run, last, 0).fve  # nothing is measured yet
    traces.add(last)
    measured = exact_waves(run, last, 0, traces)
    assert measured.fve == pytest.approx(truth.fve, abs=1e-9)
    assert measured.frequency.tolist() == truth.frequency.tolist()
    traces.close()


def test_that_committed_is_since_when_fve_stays(run: Run, tmp_path: Path) -> None:
    traces = Traces(run, tmp_path / "traces.h5")
    last = int(run.epochs[run.n_checkpoints - 1])
    assert committed_epochs(traces, last, 0) is None
    for step in range(run.n_checkpoints):
        traces.add(step)
    found = committed_epochs(traces, last, 1)
    if run.config.operation == "random":
        assert found is None
    else:
        assert found is not None
        lives = [neuron_biography(run, 0, n).committed for n in range(20)]
        assert found.tolist() == [-1 if epoch is None else epoch for epoch in lives]
        wall = neuron_wall_and_lives(run, 0, 1, 5, True, 0, run.n_checkpoints, traces, 1)
        assert wall.committed is found
    traces.close()


def test_that_a_neurons_page_agrees_with_the_table_of_all(run: Run) -> None:
    for step in (0, run.n_checkpoints - 1):
        found = neuron_frequencies(run, step)
        for n in range(20):
            detail = neuron_detail(run, step, run.n_checkpoints - 1, 0, n)
            assert detail.frequency == found.frequency[n]
            assert detail.fve == pytest.approx(found.fve[n], rel=1e-9)
            assert detail.by_frequency == pytest.approx(found.by_frequency[n], rel=1e-9)


def test_that_committed_epochs_are_those_of_the_planted_lives() -> None:
    class Planted:
        epochs = np.array([0, 10, 20, 30])

        def column(self, name: str) -> np.ndarray:
            assert name == "neuron_fve"
            return np.array([[0.9, 0.1, 0.9, 0.9], [0.9, 0.2, 0.8, 0.9], [0.9, 0.3, 0.9, 0.9], [0.9, 0.9, 0.85, 0.1]])

    traces: Any = Planted()
    assert committed_epochs(traces, 30, 0).tolist() == [0, 30, 20, -1]
    assert committed_epochs(traces, 25, 0).tolist() == [0, -1, 20, 0]


@pytest.mark.parametrize("p", [5, 6])
def test_that_norms_by_frequency_keep_the_power(p: int) -> None:
    f = spectrum_2d(np.random.default_rng(0).normal(size=(p, p)))
    norms = by_frequencies(f)
    assert norms.shape == (p // 2 + 1, p // 2 + 1)
    assert (norms**2).sum() == pytest.approx((f**2).sum())
    assert norms[1, 2] ** 2 == pytest.approx((f[components(p, 1), components(p, 2)] ** 2).sum())


def test_that_the_embedding_spectrum_has_its_norms_and_the_keys(run: Run) -> None:
    last = run.n_checkpoints - 1
    found = embedding_spectrum(run, 0, last)
    w = run.weight("W_E", 0)[:11].astype(float)
    w -= w.mean(axis=0)
    assert (found.norm**2).sum() == pytest.approx((w**2).sum())
    assert found.keys == tuple(neuron_frequencies(run, last).key_frequencies())


def test_that_curves_end_at_the_checkpoint_asked_for(run: Run) -> None:
    found = loss_curves(run, 2)
    assert found.train_loss is not None
    assert found.train_loss.epochs.tolist() == [0, 50]
    assert found.train_loss_all is not None
    assert found.train_loss_all.epochs[-1] == 49
    assert found.test_loss_all is not None
    assert found.test_loss_all.epochs.tolist() == [0, 10, 20, 30, 40]


def test_that_thinning_keeps_ends_and_extremes() -> None:
    y = np.random.default_rng(0).normal(size=40_000)
    y[12_345], y[23_456] = 99, -99
    curve = thinned(np.arange(40_000.0), y)
    assert len(curve.epochs) <= DRAWN + 2
    assert {99, -99, y[0], y[-1]} <= set(curve.values)


def test_that_one_file_tells_of_a_run_without_neurons_that_carry(tmp_path: Path) -> None:
    config = Config(p=11, d_model=8, n_heads=2, d_mlp=6, epochs=0, train_fraction=0.5, device="cpu")
    for _ in recording.start(config, tmp_path / "run.h5").events():
        pass
    run = Run.open(tmp_path / "run.h5", probe=False)
    assert embedding_spectrum(run, 0, 0).keys == ()
    assert [group.frequency for group in wall_layout(run, 0).groups] == [0]
