"""Attention on planted patterns and heads, against slow versions, and of the authors' model."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.analysis.attention import (
    AttentionScores,
    attention_fourier,
    attention_pattern,
    attention_scores,
    cosine_pattern,
    fit_patterns,
    pattern_of,
    shares,
    value_shares,
)
from engine.analysis.characters import NoBasis, characters
from engine.config import Config
from engine.fourier import norm_by_frequency, spectrum
from engine.models.transformer import shapes
from engine.replay import activations
from engine.runfile import Run
from engine.tasks import TASKS

RandomRun = Callable[..., Run]
ClockRun = Callable[[str, int, dict[int, float]], Run]
HeldRun = Callable[[Config, dict[str, NDArray[np.float64]]], Run]
CASES = [("add", 5), ("add", 6), ("add", 7), ("add", 3), ("subtract", 6), ("multiply", 7), ("divide", 7)]


def small(operation: str = "add", p: int = 5, **changes: object) -> Config:
    return Config(
        **{"operation": operation, "p": p, "train_fraction": 0.5, "d_model": 8, "n_heads": 2, "d_mlp": 6} | changes
    )


@pytest.mark.parametrize(("operation", "p"), CASES)
def test_that_scores_are_the_slow_ones(operation: str, p: int, random_run: RandomRun) -> None:
    run = random_run(small(operation, p))
    found, w = attention_scores(run, 0), run.weights(0)
    assert found.exact
    for h in range(2):
        query = (w["W_E"][p] + w["W_pos"][2]) @ w["W_Q"][0, h]

        def score(token: int, position: int, h: int = h, query: NDArray[np.float64] = query) -> float:
            return float((w["W_E"][token] + w["W_pos"][position]) @ w["W_K"][0, h] @ query / math.sqrt(4))

        assert found.to_a[h] == pytest.approx([score(t, 0) for t in range(p)], abs=1e-12)
        assert found.to_b[h] == pytest.approx([score(t, 1) for t in range(p)], abs=1e-12)
        assert found.to_equals[h] == pytest.approx(score(p, 2), abs=1e-12)


@pytest.mark.parametrize("changes", [{}, {"n_layers": 2}, {"layer_norm": True}], ids=str)
def test_that_the_first_layers_scores_make_its_pattern(changes: dict[str, object], random_run: RandomRun) -> None:
    run = random_run(small(p=6, **changes))
    scores, found = attention_scores(run, 0), attention_pattern(run, 0)
    forwarded = activations(run, 0).pattern[0].reshape(6, 6, 2, 3)  # what the model itself computes
    for a in range(6):
        for b in range(6):
            odds = np.exp(np.stack([scores.to_a[:, a], scores.to_b[:, b], scores.to_equals], axis=1))
            assert found.pattern[:, a, b] == pytest.approx(odds / odds.sum(axis=1, keepdims=True), rel=1e-9)
            assert found.pattern[:, a, b] == pytest.approx(forwarded[a, b], rel=1e-9)


def test_that_scores_far_apart_still_make_a_pattern() -> None:
    scores = AttentionScores(np.array([[0.0, 900.0]]), np.array([[899.0, -900.0]]), np.array([-2000.0]), True)
    found = pattern_of(scores)[0]
    assert found[0, 0].tolist() == pytest.approx([0, 1, 0])
    assert found[0, 1].tolist() == pytest.approx([1, 0, 0])  # 0 against −900: no common largest score may eat it
    assert found[1, 0].tolist() == pytest.approx([np.e / (1 + np.e), 1 / (1 + np.e), 0])
    assert pattern_of(scores, slice(0, 1)).shape == (1, 2, 2, 3)


def test_that_a_later_layers_pattern_can_be_drawn_in_float32(random_run: RandomRun) -> None:
    run = random_run(small(p=6, n_layers=2))
    exact, drawn = (attention_pattern(run, 0, 1, exact).pattern for exact in (True, False))
    assert drawn == pytest.approx(exact, abs=1e-5)
    assert attention_scores(run, 0, 1, False).to_a == pytest.approx(attention_scores(run, 0, 1).to_a, abs=1e-4)


def test_that_a_later_layers_scores_are_means_and_say_so(random_run: RandomRun) -> None:
    run = random_run(small(p=6, n_layers=2))
    scores, pattern = attention_scores(run, 0, -1), attention_pattern(run, 0, 1).pattern
    assert not scores.exact
    # the difference of two scores is the difference of the logarithms of the pattern
    difference = np.log(pattern[..., 0]) - np.log(pattern[..., 2])
    assert scores.to_a - scores.to_a.mean(1, keepdims=True) != pytest.approx(np.zeros((2, 6)), abs=1e-6)
    assert (scores.to_a.mean(axis=1) - scores.to_equals) == pytest.approx(difference.mean(axis=(1, 2)), abs=1e-9)


@pytest.mark.parametrize(("operation", "p"), CASES)
def test_that_the_mean_is_over_the_operations_pairs(operation: str, p: int, random_run: RandomRun) -> None:
    run = random_run(small(operation, p))
    found = attention_pattern(run, 0)
    assert found.pattern.shape == (2, p, p, 3)
    assert found.pattern.sum(axis=3) == pytest.approx(np.ones((2, p, p)))
    pairs = [(int(a), int(b)) for a, b in TASKS[operation].inputs(p)]
    assert found.mean == pytest.approx(np.mean([found.pattern[:, a, b] for a, b in pairs], axis=0))
    assert found.pattern[1, 2, 1] == pytest.approx(activations(run, 0).pattern[0][2 * p + 1, 1])


@pytest.mark.parametrize(("operation", "p"), CASES)
def test_that_the_coefficients_are_those_of_the_formula(operation: str, p: int, random_run: RandomRun) -> None:
    run = random_run(small(operation, p))
    w, elements = run.weights(0), characters(run.config).elements
    n = len(elements)
    found = attention_fourier(run, 0)
    start = w["W_E"][p] + w["W_pos"][2]
    for h in range(2):
        c = np.array([w["W_E"][t] @ w["W_K"][0, h] @ (w["W_Q"][0, h].T @ start) for t in elements])
        assert found.coefficient[h, 0] == pytest.approx(c.sum() / math.sqrt(n), abs=1e-11)
        power = (c - c.mean()) @ (c - c.mean())
        for k in range(1, n // 2 + 1):
            transform = sum(c[i] * np.exp(-2j * np.pi * k * i / n) for i in range(n))
            share = abs(transform) ** 2 / n * (1 if 2 * k == n else 2) / power
            assert found.share[h, k - 1] == pytest.approx(share, abs=1e-11)
    assert found.share.sum(axis=1) == pytest.approx([1, 1])


@pytest.mark.parametrize(("operation", "p"), CASES)
def test_that_what_heads_write_is_shared_out_by_frequency(operation: str, p: int, random_run: RandomRun) -> None:
    run = random_run(small(operation, p))
    w, x = run.weights(0), characters(run.config)
    found = value_shares(run, 0, x)
    for h in range(2):
        power = norm_by_frequency(w["W_E"][x.elements] @ w["W_V"][0, h] @ w["W_O"][0, h]) ** 2
        assert found[h] == pytest.approx(power / power.sum(), abs=1e-12)


def slow_share(to_a: NDArray[np.float64], to_b: NDArray[np.float64], k: int) -> float:
    """By least squares on explicit columns."""
    n = len(to_a)
    i, j = np.indices((n, n))
    w = 2 * np.pi * k / n
    columns = [np.cos(w * i) - np.cos(w * j), np.sin(w * i) - np.sin(w * j)]
    design = np.stack([np.concatenate([c.ravel(), -c.ravel()]) for c in columns], axis=1)
    target = np.concatenate([to_a.ravel(), to_b.ravel()]) - 0.5
    solved, *_ = np.linalg.lstsq(design, target, rcond=None)
    variance = ((to_a - to_a.mean()) ** 2).sum() + ((to_b - to_b.mean()) ** 2).sum()
    return float(1 - ((target - design @ solved) ** 2).sum() / variance)


@pytest.mark.parametrize(("operation", "p"), CASES)
def test_that_the_fit_is_the_least_squares_one(operation: str, p: int, random_run: RandomRun) -> None:
    run = random_run(small(operation, p))
    found, elements = attention_fourier(run, 0), characters(run.config).elements
    pattern = attention_pattern(run, 0).pattern[:, elements][:, :, elements]
    for h in range(2):
        slow = [slow_share(pattern[h, ..., 0], pattern[h, ..., 1], k) for k in range(1, len(elements) // 2 + 1)]
        assert found.by_frequency[h] == pytest.approx(slow, abs=1e-9)
        assert found.explained[h] == pytest.approx(max(slow), abs=1e-9)
        assert slow[found.frequency[h] - 1] == pytest.approx(max(slow))


@pytest.mark.parametrize("n", [2, 3, 6, 7, 113])
def test_that_a_planted_pattern_is_found(n: int) -> None:
    i, j = np.indices((n, n))
    for k in {1, n // 2}:
        phase = 0.0 if 2 * k == n else -2.5
        wave = 0.2 * (np.cos(2 * np.pi * k * i / n + phase) - np.cos(2 * np.pi * k * j / n + phase))
        fit = fit_patterns((0.5 + wave)[None], (0.5 - wave)[None])
        frequency, amplitude, angle, explained, by_frequency = fit
        assert cosine_pattern(fit, 0, n) == pytest.approx(0.5 + wave, abs=1e-12)
        assert frequency.tolist() == [k]
        assert amplitude == pytest.approx([0.2])
        assert angle == pytest.approx([phase], abs=1e-9)
        assert explained == pytest.approx([1])
        assert by_frequency.shape == (1, n // 2)


def test_that_even_attention_is_explained_by_nothing(clock_run: ClockRun) -> None:
    run = clock_run("add", 7, {2: 1.0})
    assert attention_pattern(run, 0).mean == pytest.approx(np.full((1, 3), 1 / 3))
    found = attention_fourier(run, 0)
    assert found.explained.tolist() == [0]
    assert found.share.tolist() == [[0, 0, 0]]


def test_that_no_cycle_has_no_frequency() -> None:
    frequency, _, _, explained, by_frequency = fit_patterns(np.full((2, 1, 1), 0.4), np.full((2, 1, 1), 0.6))
    assert frequency.tolist() == [0, 0]
    assert explained.tolist() == [0, 0]
    assert by_frequency.shape == (2, 0)
    assert shares(np.ones((2, 1))).shape == (2, 0)


@pytest.mark.parametrize(("operation", "p", "k"), [("add", 23, 4), ("add", 12, 6), ("multiply", 23, 3)])
def test_that_a_planted_head_has_its_frequency(operation: str, p: int, k: int, held_run: HeldRun) -> None:
    config = Config(operation=operation, p=p, train_fraction=0.5, d_model=3, n_heads=1, d_mlp=1)
    elements = characters(config).elements
    n = len(elements)
    w = {name: np.zeros(shape) for name, shape in shapes(config).items()}
    angle = 2 * np.pi * k * np.arange(n) / n
    w["W_E"][elements, 0] = np.cos(angle + (0 if 2 * k == n else 0.7))
    w["W_pos"][2] = [-30.0, 0.0, 1.0]  # `=` asks along its last axis for the first, and looks away from itself
    w["W_Q"][0, 0, 2, 0] = w["W_K"][0, 0, 0, 0] = 1.0
    run = held_run(config, w)
    found = attention_fourier(run, 0)
    assert found.frequency.tolist() == [k]
    assert found.share[0, k - 1] == pytest.approx(1)
    assert found.explained[0] > 0.98
    assert found.phase[0] == pytest.approx(0 if 2 * k == n else 0.7, abs=1e-6)
    scores = attention_scores(run, 0).to_a[:, elements]  # W_pos says nothing of a here
    assert found.coefficient[0] == pytest.approx(math.sqrt(3) * spectrum(scores[0]), abs=1e-9)


def test_that_only_the_fourier_part_needs_a_basis(random_run: RandomRun) -> None:
    run = random_run(small("random"))
    assert attention_pattern(run, 0).mean.sum(axis=1) == pytest.approx([1, 1])
    assert attention_scores(run, 0).to_a.shape == (2, 5)
    with pytest.raises(NoBasis):
        attention_fourier(run, 0)


def test_that_the_authors_heads_look_where_published(golden: Path, authors_run: Run) -> None:
    expected = json.loads((golden / "expected_low_precision.json").read_text())["attention_mean"]
    found = attention_pattern(authors_run, 0)
    for head, mean in enumerate(expected):
        assert found.mean[head] == pytest.approx(mean, rel=1e-6)
    fourier = attention_fourier(authors_run, 0)
    assert (fourier.share.argmax(axis=1) + 1).tolist() == [23, 23, 6, 6]
    assert fourier.share.max(axis=1) == pytest.approx([0.9908, 0.9915, 0.9647, 0.9672], abs=5e-5)
