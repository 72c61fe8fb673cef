"""One neuron against slow, obvious versions: planted, and of small trained runs of every kind of model and task."""

import cmath
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine import recording
from engine.analysis import neuron
from engine.analysis.characters import NoBasis, characters
from engine.analysis.neuron import (
    neuron_activation,
    neuron_biography,
    neuron_logit_map,
    neuron_report,
    neuron_votes,
    neuron_wave,
    votes_at,
)
from engine.analysis.neurons import from_values
from engine.config import Config
from engine.models.transformer import forward
from engine.replay import activations, hidden
from engine.runfile import Run

KINDS: dict[str, dict[str, Any]] = {
    "add5": {"p": 5},
    "add6": {"p": 6},
    "gelu": {"p": 7, "activation": "gelu", "n_heads": 4, "d_head": 3},
    "subtract6": {"p": 6, "operation": "subtract"},
    "subtract7": {"p": 7, "operation": "subtract"},
    "multiply7": {"p": 7, "operation": "multiply"},
    "multiply9": {"p": 9, "operation": "multiply"},
    "divide7": {"p": 7, "operation": "divide"},
    "two layers": {"p": 5, "n_layers": 2},
    "layer norm": {"p": 5, "layer_norm": True},
    "two layers, multiply": {"p": 7, "n_layers": 2, "operation": "multiply"},
}
CYCLES = {"multiply7": [1, 3, 2, 6, 4, 5], "divide7": [1, 3, 2, 6, 4, 5], "multiply9": [1, 2, 4, 8, 7, 5]}
CYCLES["two layers, multiply"] = CYCLES["multiply7"]
Made = Callable[[str], Run]


def train(path: Path, **settings: Any) -> Run:
    small: dict[str, Any] = {
        "train_fraction": 0.7, "d_model": 8, "n_heads": 2, "d_mlp": 6, "lr": 1e-2, "epochs": 40,
        "checkpoint_every": 20, "dense_every": 0, "transition_every": 0, "device": "cpu",
    }  # fmt: skip
    for _ in recording.start(Config(**{**small, **settings}), path).events():
        pass
    return Run.open(path, probe=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Runs by the name of their kind, each trained once."""
    runs: dict[str, Run] = {}
    folder = tmp_path_factory.mktemp("neuron")

    def get(kind: str) -> Run:
        if kind not in runs:
            runs[kind] = train(folder / f"{kind}.h5", **KINDS[kind])
        return runs[kind]

    return get


def passed_forward(run: Run, step: int) -> list[np.ndarray]:
    """Activations of every layer by the model's own forward pass.  (p², d_mlp) each"""
    p = run.config.p
    kept: dict[str, list[torch.Tensor]] = {}
    w = {name: torch.from_numpy(array).double() for name, array in run.weights(step).items()}
    forward(w, torch.cartesian_prod(torch.arange(p), torch.arange(p)), run.config, kept)
    return [layer.numpy() for layer in kept["mlp_post"]]


def cycle(kind: str, run: Run) -> tuple[list[int], int]:
    """Residues in the order in which the task is a sum, and the sign, written down by hand."""
    sign = -1 if run.config.operation in ("subtract", "divide") else 1
    return CYCLES.get(kind, list(range(run.config.p))), sign


def design(n: int, k: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Columns of the degree-2 polynomial of frequency k over (i, j), and where each stands among 1, cos, sin."""
    i, j = np.divmod(np.arange(n * n), n)
    w = 2 * np.pi * k / n
    of_i, of_j = ([np.ones(n * n), np.cos(w * x), np.sin(w * x)] for x in (i, j))
    terms = [(u, v) for u in range(3) for v in range(3) if 2 * k != n or 2 not in (u, v)]
    return np.stack([of_i[u] * of_j[v] for u, v in terms], axis=1), terms


# -- its activation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_that_the_activation_equals_the_forward_pass(made: Made, kind: str) -> None:
    run = made(kind)
    for step in range(run.n_checkpoints):
        for layer, expected in enumerate(passed_forward(run, step)):
            for n in range(run.config.d_mlp):
                got = neuron_activation(run, step, layer, n)
                assert got.shape == (run.config.p, run.config.p)
                assert np.abs(got.reshape(-1) - expected[:, n]).max() <= 1e-12 * np.abs(expected[:, n]).max()


def test_that_only_the_neurons_column_is_used_where_it_can_be(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a full pass")

    monkeypatch.setattr(neuron, "hidden", refuse)
    neuron_report(made("add5"), 1, 0, 2)
    neuron_biography(made("add5"), 0, 2)
    with pytest.raises(AssertionError, match="full pass"):
        neuron_activation(made("two layers"), 1, 0, 2)


def test_that_scores_too_far_apart_for_tables_still_give_the_activation(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made("add6")
    expected = neuron_activation(run, 2, 0, 3)
    monkeypatch.setattr(neuron, "_SPREAD", 0.0)
    assert neuron._sources(run, 2) is None
    neuron._recent_sources.cache_clear()
    assert neuron_activation(run, 2, 0, 3) == pytest.approx(expected, rel=1e-12, abs=1e-14)
    neuron._recent_sources.cache_clear()


def test_that_a_neuron_or_layer_that_is_not_there_is_refused(made: Made) -> None:
    for layer, index in ((1, 0), (0, 6)):
        with pytest.raises(IndexError):
            neuron_activation(made("add5"), 0, layer, index)
        with pytest.raises(IndexError):
            neuron_report(made("add5"), 0, layer, index)
        with pytest.raises(IndexError):
            neuron_biography(made("add5"), layer, index)


# -- planted neurons --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["add", "subtract"])
@pytest.mark.parametrize("p", [2, 3, 7, 12, 113])
def test_that_a_planted_neuron_is_found(p: int, operation: str) -> None:
    basis = characters(Config(p=p, operation=operation, train_fraction=1.0))
    a, b = np.divmod(np.arange(p * p), p)
    for k in {1, p // 2}:
        w, fa, fb, psi = 2 * np.pi * k / p, 0.4, -1.1, 0.9
        values = 3 + 2 * (np.cos(w * a + fa) + np.cos(w * b + fb)) + 1.5 * np.cos(w * a + fa) * np.cos(w * b + fb)
        writes = 0.7 * np.cos(w * np.arange(p) + psi)
        found = neuron_wave(basis, values.reshape(p, p), writes)
        assert (found.frequency, found.n, found.generator) == (k, p, None)
        assert (found.fve, found.r_squared) == pytest.approx((1, 1), abs=1e-12)
        assert found.max_residual < 1e-12
        assert found.by_frequency[k - 1] == pytest.approx(1)
        assert found.fitted == pytest.approx(values.reshape(p, p), abs=1e-12)
        ca, sa, cb, sb = math.cos(fa), -math.sin(fa), math.cos(fb), -math.sin(fb)
        if 2 * k == p:
            sa = sb = 0.0
        of_a, of_b = np.array([0, ca, sa]), np.array([0, cb, sb])
        expected = 1.5 * np.outer(of_a, of_b)
        expected[:, 0] += 2 * of_a
        expected[0] += 2 * of_b
        expected[0, 0] = 3
        assert found.coefficients == pytest.approx(expected, abs=1e-12)
        assert found.phase is not None
        assert found.output_phase is not None
        if 2 * k == p:
            assert (found.phase, found.output_phase, found.misalignment) == pytest.approx((0, 0, 0), abs=1e-9)
            assert found.vote == pytest.approx(1.5 * ca * cb * 0.7 * math.cos(psi))
        else:
            phi = fa + fb if operation == "add" else fa - fb
            assert found.phase == pytest.approx(math.degrees(phi))
            assert found.output_phase == pytest.approx(math.degrees(psi))
            assert found.misalignment == pytest.approx(math.degrees(psi - phi))
            assert found.vote == pytest.approx(1.5 / 2 * 0.7 / 2 * math.cos(psi - phi))
        if math.gcd(k, p) == 1 and p > 2:
            wave = np.cos(w * np.arange(p) + math.radians(found.phase))
            assert found.peak is not None
            assert wave[found.peak] == pytest.approx(wave.max())
            assert found.output_peak is not None
            assert writes[found.output_peak] == pytest.approx(writes.max())
        else:
            assert found.peak is None or p == 2


def test_that_angles_lie_above_minus_180_and_up_to_180() -> None:
    assert neuron._wrapped(np.array([-180.0, 180, 190, -190, 0, 540])).tolist() == [180, 180, -170, 170, 0, 180]
    basis = characters(Config(p=7))
    a, b = np.divmod(np.arange(49), 7)
    w = 2 * np.pi / 7
    values = np.cos(w * (a + b) + math.radians(170)).reshape(7, 7)
    found = neuron_wave(basis, values, np.cos(w * np.arange(7) + math.radians(-160)))
    assert found.misalignment == pytest.approx(30)


@pytest.mark.parametrize("level", [0.0, 5.0, 1 / 3])
def test_that_a_dead_neuron_has_no_frequency_phase_or_vote(level: float) -> None:
    found = neuron_wave(characters(Config(p=7)), np.full((7, 7), level), np.arange(7.0))
    assert (found.frequency, found.fve, found.r_squared, found.vote) == (0, 0, 0, 0)
    assert found.by_frequency.tolist() == [0, 0, 0]
    for nothing in (found.phase, found.output_phase, found.misalignment, found.peak, found.output_peak):
        assert nothing is None
    assert found.fitted == pytest.approx(np.full((7, 7), level))
    assert found.max_residual == pytest.approx(0, abs=1e-12)
    assert found.coefficients == pytest.approx(np.diag([level, 0, 0]))


def test_that_of_equal_frequencies_the_lowest_is_best() -> None:
    a, b = np.divmod(np.arange(121), 11)
    values = sum(np.cos(2 * np.pi * k * (a + b) / 11 + k) for k in (5, 2, 3))
    found = neuron_wave(characters(Config(p=11)), values.reshape(11, 11), None)
    assert found.frequency == 2 == from_values(values[:, None], 11).frequency[0]


# -- the report against the slow version ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_that_a_report_equals_the_slow_obvious_one(made: Made, kind: str) -> None:
    run, (elements, sign) = made(kind), cycle(kind, made(kind))
    c, n = run.config, len(elements)
    step = run.n_checkpoints - 1
    for layer, index in [(layer, index) for layer in range(c.n_layers) for index in range(c.d_mlp)]:
        values = passed_forward(run, step)[layer][:, index].reshape(c.p, c.p)
        grid = values[np.ix_(elements, elements)]
        report = neuron_report(run, step, layer, index)
        wave = report.wave
        assert wave is not None
        assert report.no_basis is None
        assert report.activation == pytest.approx(values, rel=1e-12, abs=1e-14)
        w_u = run.weight("W_U", step)[:, : c.p].astype(float)
        if c.layer_norm:
            w_u = (np.eye(c.d_model) - 1 / c.d_model) @ np.diag(run.weight("ln_final_w", step)) @ w_u
        writes = w_u.T @ run.weight("W_out", step)[layer][index].astype(float)
        assert report.writes == pytest.approx(writes, rel=1e-9, abs=1e-12)
        variance = ((grid - grid.mean()) ** 2).sum()
        if variance < 1e-20:
            assert wave.frequency == 0
            continue
        shares = []
        for k in range(1, n // 2 + 1):
            columns, _ = design(n, k)
            fit = columns @ np.linalg.lstsq(columns, grid.reshape(-1), rcond=None)[0]
            shares.append(((fit - grid.mean()) ** 2).sum() / variance)
        assert wave.by_frequency == pytest.approx(shares, abs=1e-10)
        assert (wave.n, wave.frequency, wave.fve) == (n, 1 + int(np.argmax(shares)), pytest.approx(max(shares)))
        assert wave.r_squared == pytest.approx(wave.fve, abs=1e-10)
        k = wave.frequency
        columns, terms = design(n, k)
        solved = np.linalg.lstsq(columns, grid.reshape(-1), rcond=None)[0]
        assert [wave.coefficients[term] for term in terms] == pytest.approx(solved, abs=1e-10)
        inside = wave.fitted[np.ix_(elements, elements)]
        assert inside.reshape(-1) == pytest.approx(columns @ solved, abs=1e-10)
        assert np.isnan(wave.fitted).sum() == c.p**2 - n**2
        assert wave.max_residual == pytest.approx(np.abs(inside - grid).max(), abs=1e-10)
        read = sum(grid[i, j] * cmath.exp(-2j * math.pi * k * (i + sign * j) / n) for i in range(n) for j in range(n))
        assert wave.phase is not None
        assert cmath.rect(abs(read), math.radians(wave.phase)) == pytest.approx(read, abs=1e-9)
        if layer < c.n_layers - 1:
            assert (wave.output_phase, wave.misalignment, wave.vote, wave.output_peak) == (None, None, None, None)
            assert report.no_vote is not None
            assert report.no_vote.startswith("direct path only")
            continue
        written = sum(writes[elements[s]] * cmath.exp(-2j * math.pi * k * s / n) for s in range(n))
        assert wave.output_phase is not None
        assert wave.misalignment is not None
        assert cmath.rect(abs(written), math.radians(wave.output_phase)) == pytest.approx(written, abs=1e-9)
        off = math.radians(wave.misalignment)
        assert cmath.exp(1j * off) == pytest.approx(cmath.exp(1j * (cmath.phase(written) - cmath.phase(read))))
        scale = (1 if 2 * k == n else 2) / n**3
        if c.layer_norm:
            assert wave.vote is None
            assert report.no_vote is not None
        else:
            assert wave.vote == pytest.approx(scale * abs(read) * abs(written) * math.cos(off), abs=1e-12)
            assert report.no_vote is None


@pytest.mark.parametrize(("operation", "p"), [("x2xyy2", 5), ("random", 5), ("multiply", 8)])
def test_that_a_task_without_a_basis_says_so(tmp_path: Path, operation: str, p: int) -> None:
    run = train(tmp_path / "run.h5", operation=operation, p=p, epochs=0)
    report = neuron_report(run, 0, 0, 1)
    assert report.wave is None
    assert report.no_basis is not None
    assert "no Fourier basis" in report.no_basis
    assert report.activation.shape == (p, p)
    assert report.writes.shape == (p,)
    for ask in (
        lambda: neuron_votes(run, 0), lambda: votes_at(run, 0, 1), lambda: neuron_biography(run, 0, 1)
    ):  # fmt: skip
        with pytest.raises(NoBasis):
            ask()


# -- all neurons ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "layer norm"])
def test_that_votes_add_up_to_the_mlps_part_of_each_coefficient(made: Made, kind: str) -> None:
    run, (elements, sign) = made(kind), cycle(kind, made(kind))
    c, n = run.config, len(elements)
    for step in range(run.n_checkpoints):
        weights = run.weights(step)
        logits = passed_forward(run, step)[-1] @ weights["W_out"][-1].astype(float) + weights["b_out"][-1]
        logits = (logits @ weights["W_U"][:, : c.p].astype(float)).reshape(c.p, c.p, c.p)
        cube = logits[np.ix_(elements, elements, elements)]
        i, j, s = np.indices((n, n, n))
        for k in range(1, n // 2 + 1):
            wave = np.cos(2 * np.pi * k * (i + sign * j - s) / n)
            expected = (cube * wave).sum() / (wave**2).sum()
            found = votes_at(run, step, k)
            assert found.vote.sum() == pytest.approx(expected, rel=1e-9, abs=1e-12)
            assert (found.frequency == k).all()


@pytest.mark.parametrize("kind", KINDS)
def test_that_all_votes_at_once_equal_one_report_each(made: Made, kind: str) -> None:
    run = made(kind)
    layer = run.config.n_layers - 1
    step = run.n_checkpoints - 1
    found = neuron_votes(run, step)
    table = neuron_logit_map(run, step)
    for index in range(run.config.d_mlp):
        report = neuron_report(run, step, layer, index)
        assert table[:, index] == pytest.approx(report.writes, rel=1e-9, abs=1e-12)
        wave = report.wave
        assert wave is not None
        assert found.frequency[index] == wave.frequency
        if not wave.frequency:
            assert np.isnan(found.phase[index])
            continue
        for got, expected in (
            (found.phase, wave.phase), (found.output_phase, wave.output_phase), (found.misalignment, wave.misalignment)
        ):  # fmt: skip
            assert expected is not None
            assert neuron._wrapped(np.asarray(got[index] - expected + 1)) == pytest.approx(1, abs=1e-6)
        if wave.vote is None:
            assert np.isnan(found.vote[index])
        else:
            assert found.vote[index] == pytest.approx(wave.vote, rel=1e-9, abs=1e-12)
            at = votes_at(run, step, wave.frequency)
            assert at.vote[index] == pytest.approx(wave.vote, rel=1e-9, abs=1e-12)


def test_that_a_dead_neuron_votes_for_nothing(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made("add5")
    post = activations(run, 2).mlp_post.copy()
    post[:, :, 4] = 0
    post[:, :, 5] = 7
    monkeypatch.setattr(neuron, "hidden", lambda *_: replace(hidden(run, 2), mlp_post=post))
    for found in (neuron_votes(run, 2), votes_at(run, 2, 1)):
        assert found.vote[4:] == pytest.approx([0, 0], abs=1e-12)
        for angles in (found.phase, found.output_phase, found.misalignment):
            assert np.isnan(angles[4:]).all()
    assert neuron_votes(run, 2).frequency[4:].tolist() == [0, 0]


def test_that_a_frequency_that_is_not_there_is_refused(made: Made) -> None:
    for k in (0, 3, -1):
        with pytest.raises(ValueError, match="1 to 2"):
            votes_at(made("add5"), 0, k)


# -- its life ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["add6", "divide7", "gelu", "two layers", "layer norm"])
def test_that_a_biography_is_a_report_at_each_checkpoint(made: Made, kind: str) -> None:
    run = made(kind)
    for index in range(run.config.d_mlp):
        life = neuron_biography(run, 0, index)
        assert life.epochs.tolist() == run.epochs.tolist() == [0, 20, 40]
        for step in range(run.n_checkpoints):
            wave = neuron_report(run, step, 0, index).wave
            assert wave is not None
            assert (life.frequency[step], life.fve[step]) == (wave.frequency, wave.fve)
            assert np.isnan(life.phase[step]) if wave.phase is None else life.phase[step] == wave.phase
    some = neuron_biography(run, 0, 1, steps=[0, 2])
    assert some.epochs.tolist() == [0, 40]


def planted_life(made: Made, patch: pytest.MonkeyPatch, heights: list[tuple[float, float]]) -> Any:
    """A neuron that is height 1 of frequency 1 and height 2 of frequency 2 at each of some checkpoints."""
    a, b = np.divmod(np.arange(25), 5)
    w = 2 * np.pi / 5
    values = [one * np.cos(w * (a + b)) + two * np.cos(2 * w * (a + b) - 1) for one, two in heights]
    patch.setattr(neuron, "_sources", lambda *_: None)
    patch.setattr(neuron, "_activation", lambda _run, step, *_: values[step].reshape(5, 5))
    return neuron_biography(made("add5"), 0, 0)


def test_that_a_neuron_settles_and_commits_where_it_changes_for_the_last_time(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = planted_life(made, monkeypatch, [(2, 1), (1, 2), (0.1, 1)])
    assert life.frequency.tolist() == [1, 2, 2]
    assert life.phase == pytest.approx([0, -math.degrees(1), -math.degrees(1)])
    assert life.fve == pytest.approx([0.8, 0.8, 1 / 1.01])
    assert (life.settled, life.committed) == (20, 40)


def test_that_a_neuron_can_stay_uncommitted_or_die(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    restless = planted_life(made, monkeypatch, [(0, 1), (0, 1), (2, 1)])
    assert (restless.settled, restless.committed) == (40, None)
    dying = planted_life(made, monkeypatch, [(0, 1), (0, 1), (0, 0)])
    assert dying.frequency.tolist() == [2, 2, 0]
    assert np.isnan(dying.phase[2])
    assert (dying.settled, dying.committed) == (None, None)
    sure = planted_life(made, monkeypatch, [(0, 1), (0, 1), (0, 1)])
    assert (sure.settled, sure.committed) == (0, 0)


def test_that_a_life_of_no_checkpoints_is_empty(made: Made) -> None:
    life = neuron_biography(made("add5"), 0, 0, steps=[])
    assert len(life.epochs) == len(life.fve) == 0
    assert (life.settled, life.committed) == (None, None)
