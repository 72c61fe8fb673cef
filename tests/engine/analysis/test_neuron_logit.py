"""The neuron-logit map of a clock, against slow versions, and of the authors' model."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.analysis.characters import NoBasis
from engine.analysis.neuron_logit import kept_components, neuron_logit_map, residual_share, share_of_one_wave
from engine.config import Config
from engine.replay import activations
from engine.runfile import Run

RandomRun = Callable[..., Run]
ClockRun = Callable[[str, int, dict[int, float]], Run]


@pytest.mark.parametrize(
    ("operation", "p", "elements", "sign"),
    [("add", 5, range(5), 1), ("add", 6, range(6), 1), ("add", 7, range(7), 1), ("add", 3, range(3), 1),
     ("subtract", 5, range(5), -1), ("subtract", 6, range(6), -1),
     ("multiply", 7, [1, 3, 2, 6, 4, 5], 1), ("divide", 7, [1, 3, 2, 6, 4, 5], -1)],
)  # fmt: skip
@pytest.mark.parametrize("n_layers", [1, 2])
def test_that_the_map_is_the_slow_one(
    operation: str, p: int, elements: list[int], sign: int, n_layers: int, random_run: RandomRun
) -> None:
    config = Config(operation=operation, p=p, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=10, n_layers=n_layers)
    run = random_run(config)
    n, w = len(elements), run.weights(0)
    keys = sorted({1, n // 2})
    found = neuron_logit_map(run, 0, keys)
    for row, c in enumerate(elements):
        for neuron in range(10):
            direct = sum(w["W_out"][-1, neuron, d] * w["W_U"][d, c] for d in range(8))
            assert found.W_L[row, neuron] == pytest.approx(direct, abs=1e-12)
    mlp = activations(run, 0).mlp_post[-1]
    approximation = np.zeros_like(found.W_L)
    m = 0
    for k in keys:
        for wave in (np.cos, np.sin):
            unit = np.array([wave(2 * np.pi * k * c / n) for c in range(n)])
            if np.linalg.norm(unit) < 1e-9:
                continue
            unit /= np.linalg.norm(unit)
            u = unit @ found.W_L
            approximation += np.outer(unit, u)
            assert found.component[m] == 2 * k - (wave is np.cos)
            assert found.direction[m] == pytest.approx(u, abs=1e-11)
            assert found.norm[found.component[m]] == pytest.approx(np.linalg.norm(u))
            x = np.array([[mlp[a * p + b] @ u for b in elements] for a in elements])
            d = np.array([[wave(2 * np.pi * k * (i + sign * j) / n) for j in range(n)] for i in range(n)])
            x, d = x - x.mean(), d / np.linalg.norm(d)
            assert found.explained[m] == pytest.approx((x * d).sum() ** 2 / (x**2).sum(), abs=1e-11)
            m += 1
    assert m == len(found.component)
    left = np.linalg.norm(found.W_L - approximation)
    assert found.residual == pytest.approx(left / np.linalg.norm(found.W_L))
    centred = found.W_L - found.W_L.mean(axis=0)
    left = np.linalg.norm(centred - approximation)
    assert found.residual_without_constant == pytest.approx(left / np.linalg.norm(centred), abs=1e-9)
    assert (found.norm_by_frequency**2).sum() == pytest.approx((centred**2).sum())


@pytest.mark.parametrize(
    ("operation", "p", "amplitudes"),
    [("add", 13, {2: 3.0}), ("add", 12, {5: 2.0}), ("add", 31, {3: 1.0, 15: 3.0}), ("multiply", 23, {1: 2.0, 10: 2.0})],
)
def test_that_a_clock_writes_its_frequencies_only(
    operation: str, p: int, amplitudes: dict[int, float], clock_run: ClockRun
) -> None:
    run = clock_run(operation, p, amplitudes)
    found = neuron_logit_map(run, 0, tuple(amplitudes))
    others = np.delete(found.norm_by_frequency, [k - 1 for k in amplitudes])
    assert found.norm_by_frequency[[k - 1 for k in amplitudes]].min() > 1
    assert others.max() < 1e-12
    assert found.residual < 1e-12
    assert found.residual_without_constant < 1e-12
    assert found.explained.min() > 0.75
    assert neuron_logit_map(run, 0, ()).residual == pytest.approx(1)


def test_that_the_constant_row_counts_only_where_it_says() -> None:
    norm = np.array([3.0, 4.0, 0.0])
    assert residual_share(norm, np.array([1, 2])) == pytest.approx(0.6)
    assert residual_share(norm[1:], np.array([0, 1])) == 0
    assert residual_share(np.zeros(3), np.array([1])) == 0


def test_that_the_last_frequency_of_an_even_cycle_has_one_row() -> None:
    assert kept_components(6, (3, 1)).tolist() == [5, 1, 2]
    assert kept_components(7, (3,)).tolist() == [5, 6]
    assert kept_components(7, ()).tolist() == []


def test_that_a_constant_has_no_wave() -> None:
    i, j = np.indices((5, 5))
    assert share_of_one_wave(np.full((5, 5, 1), 7.1), (i + j) % 5, np.array([1])).tolist() == [0]


def test_that_a_task_without_a_basis_is_refused(random_run: RandomRun) -> None:
    run = random_run(Config(operation="x2xyy2", p=5, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=10))
    with pytest.raises(NoBasis):
        neuron_logit_map(run, 0, (1,))


def test_that_the_authors_map_has_the_published_norms(golden: Path, authors_run: Run) -> None:
    expected = json.loads((golden / "expected_low_precision.json").read_text())["W_L_norm_top"]
    found = neuron_logit_map(authors_run, 0, (6, 23, 39))
    assert {int(row) for row in expected} == {int(row) for row in found.norm.argsort()[::-1][: len(expected)]}
    for row, norm in expected.items():
        assert found.norm[int(row)] == pytest.approx(norm, rel=1e-6)
