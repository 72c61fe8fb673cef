"""The logits' parts on planted cosines, against slow versions, and on the authors' model."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.analysis import logits as module
from engine.analysis.characters import NoBasis, characters
from engine.analysis.logits import (
    ablations_of,
    by_sum,
    candidate_frequencies,
    cosine_fit,
    cosines_of,
    logit_spectrum,
    loss_without_each,
    losses_without,
    power_of,
    power_split,
    restricted_logits,
    restricted_loss_from_table,
    split_masks,
    sum_table,
)
from engine.analysis.progress import cross_entropy, sum_part
from engine.config import Config
from engine.fourier import fourier_basis, frequencies
from engine.replay import activations
from engine.runfile import Run
from engine.tasks import Examples, examples

SMALL = [("add", 5), ("add", 6), ("add", 7), ("add", 3), ("add", 2), ("subtract", 5), ("subtract", 6),
         ("multiply", 7), ("multiply", 9), ("divide", 7)]  # fmt: skip
RandomRun = Callable[..., Run]
ClockRun = Callable[[str, int, dict[int, float]], Run]


def small(operation: str, p: int) -> Config:
    return Config(operation=operation, p=p, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=10)


@pytest.fixture(params=SMALL, ids=lambda s: f"{s[0]}-{s[1]}")
def run(request: pytest.FixtureRequest, random_run: RandomRun) -> Run:
    return random_run(small(*request.param))


def slow_cycle(run: Run) -> tuple[list[int], int]:
    """(elements, sign) by counting."""
    p, operation = run.config.p, run.config.operation
    if operation in ("add", "subtract"):
        return list(range(p)), 1 if operation == "add" else -1
    generator = {7: 3, 9: 2}[p]
    elements = [1]
    while (following := elements[-1] * generator % p) != 1:
        elements.append(following)
    return elements, 1 if operation == "multiply" else -1


def slow_grid(run: Run) -> tuple[np.ndarray, list[int], int]:
    """The logits of pairs of the cycle.  (n, n, p)"""
    elements, sign = slow_cycle(run)
    flat, p = activations(run, 0).logits, run.config.p
    return np.array([[flat[a * p + b] for b in elements] for a in elements]), elements, sign


def slow_loss(logits: np.ndarray, answer: int) -> float:
    top = max(logits)
    return math.log(sum(math.exp(x - top) for x in logits)) + top - logits[answer]


def slow_part(grid: np.ndarray, sign: int, k: int) -> np.ndarray:
    """P_k L by explicit unit directions over all pairs."""
    n = len(grid)
    part = np.zeros_like(grid)
    for wave in (np.cos, np.sin):
        d = np.array([[wave(2 * np.pi * k * (i + sign * j) / n) for j in range(n)] for i in range(n)])
        if np.linalg.norm(d) > 1e-9:
            d /= np.linalg.norm(d)
            for c in range(grid.shape[2]):
                part[:, :, c] += d * (d * grid[:, :, c]).sum()
    return part


def slow_sets(run: Run) -> dict[str, set[tuple[int, int]]]:
    c = run.config
    train, test = examples(c.operation, c.p, c.train_fraction, c.data_seed)
    found = {name: {(int(a), int(b)) for a, b in chosen.pairs} for name, chosen in (("train", train), ("test", test))}
    return found | {"all_pairs": {(a, b) for a in range(c.p) for b in range(c.p)}}


def slow_losses(run: Run, grid: np.ndarray) -> dict[str, float | None]:
    elements, sign = slow_cycle(run)
    n, found = len(elements), {}
    for name, pairs in slow_sets(run).items():
        losses = [
            slow_loss(grid[i, j], elements[(i + sign * j) % n])
            for i in range(n)
            for j in range(n)
            if (elements[i], elements[j]) in pairs
        ]
        found[name] = float(np.mean(losses)) if losses else None
    return found


def close(value: float | None) -> object:
    return None if value is None else pytest.approx(value, rel=1e-11, abs=1e-14)


def test_that_cosine_coefficients_equal_those_of_explicit_cubes(run: Run) -> None:
    grid, elements, sign = slow_grid(run)
    n, cube = len(elements), grid[:, :, elements]
    found = cosine_fit(run, 0, [1])
    tested = slow_sets(run)["test"]
    i, j, c = np.indices((n, n, n))
    held_out = np.array([[(a, b) in tested for b in elements] for a in elements])
    centred = cube - cube.mean()
    for k in frequencies(n):
        wave = np.cos(2 * np.pi * k * (i + sign * j - c) / n)
        unit = wave / np.linalg.norm(wave)
        v = (unit * cube).sum()
        assert found.projection[k - 1] == pytest.approx(v, abs=1e-11)
        assert found.coefficient[k - 1] == pytest.approx(v / np.linalg.norm(wave), abs=1e-11)
        assert found.similarity[k - 1] == pytest.approx(v / np.linalg.norm(cube), abs=1e-12)
        assert found.explained[k - 1] == pytest.approx((unit * centred).sum() ** 2 / (centred**2).sum(), abs=1e-12)
        if held_out.any():
            alpha = (wave * cube)[held_out].sum() / (wave**2)[held_out].sum()
            assert found.test_coefficient is not None
            assert found.test_coefficient[k - 1] == pytest.approx(alpha, abs=1e-11)


def test_that_coefficients_are_the_least_squares_ones(run: Run) -> None:
    grid, elements, sign = slow_grid(run)
    n, cube = len(elements), grid[:, :, elements]
    keys = list(frequencies(n))
    found = cosine_fit(run, 0, keys)
    i, j, c = np.indices((n, n, n))
    waves = [np.cos(2 * np.pi * k * (i + sign * j - c) / n).ravel() for k in keys]
    design = np.stack([np.ones(n**3), *waves], axis=1)
    solved, *_ = np.linalg.lstsq(design, cube.ravel(), rcond=None)
    assert found.coefficient == pytest.approx(solved[1:], abs=1e-10)
    left = ((design @ solved - cube.ravel()) ** 2).sum() / ((cube - cube.mean()) ** 2).sum()
    assert found.explained_by_keys == pytest.approx(1 - left, abs=1e-10)
    approximation = (design[:, 1:] @ solved[1:]).reshape(n, n, n)
    losses = [slow_loss(approximation[i, j], (i + sign * j) % n) for i in range(n) for j in range(n)]
    assert [found.loss] * n * n == pytest.approx(losses, rel=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("n", [2, 3, 7, 12, 113])
def test_that_planted_cosines_are_found_and_nothing_else(n: int, sign: int) -> None:
    i, j = np.indices((n, n))
    sums = (i + sign * j) % n
    planted = {1: 2.0, n // 2: 1.5} if n > 3 else {n // 2: 1.5}
    turn = (sums[..., None] - np.arange(n)) % n
    logits = 5 + sum(alpha * np.cos(2 * np.pi * (k * turn % n) / n) for k, alpha in planted.items())
    test = np.zeros((n, n), dtype=bool)
    test[0, :2] = test[1, 1] = True
    found = cosines_of(logits, sums, list(planted), test)
    expected = np.zeros(n // 2)
    for k, alpha in planted.items():
        expected[k - 1] = alpha
    assert found.coefficient == pytest.approx(expected, abs=1e-12)
    assert found.test_coefficient == pytest.approx(expected, abs=1e-12)
    assert found.candidates == tuple(sorted(planted))
    assert found.explained_by_keys == pytest.approx(1, abs=1e-12)
    row = logits[0, 0] - logits[0, 0, 0]
    assert found.loss == pytest.approx(math.log(np.exp(row).sum()), rel=1e-9)
    power = power_of(logits, sums, list(planted))
    assert power.of_keys == pytest.approx(sum(a * a / (1 if 2 * k == n else 2) for k, a in planted.items()))
    assert power.of_rest == pytest.approx(0, abs=1e-12)
    ablated = ablations_of(logits, sums, np.arange(n), list(planted), ~test, test)
    assert ablated.without_keys.test == pytest.approx(math.log(n))
    assert ablated.only_keys.train == pytest.approx(ablated.full.train, rel=1e-9)
    for k in frequencies(n):
        unchanged = ablated.all_pairs[k - 1] == pytest.approx(ablated.full.all_pairs, rel=1e-9)
        assert unchanged == (k not in planted)


@pytest.mark.parametrize("keys", [(), (1,), (1, 2), (3,)])
def test_that_restricted_loss_from_the_table_is_the_long_one(run: Run, keys: tuple[int, ...]) -> None:
    grid, elements, sign = slow_grid(run)
    n = len(elements)
    keys = tuple(k for k in keys if k <= n // 2)
    x = characters(run.config)
    table = sum_table(grid, x.sums)
    for s in range(n):
        pairs = [(i, j) for i in range(n) for j in range(n) if (i + sign * j) % n == s]
        assert table[s] == pytest.approx(np.mean([grid[pair] for pair in pairs], axis=0), abs=1e-12)
    long = grid.mean(axis=(0, 1)) + sum((slow_part(grid, sign, k) for k in keys), np.zeros_like(grid))
    assert restricted_logits(table, keys)[x.sums] == pytest.approx(long, abs=1e-11)
    expected = slow_losses(run, long)
    train, test = split_masks(run.config)
    for name, mask in {"all_pairs": np.ones((n, n)), "train": train, "test": test}.items():
        found = restricted_loss_from_table(table, keys, by_sum(mask, x.sums).sum(axis=0), x.elements)
        assert (found.loss if found else None) == close(expected[name]), name
        if found and keys:  # without keys all pairs tie but for rounding
            right = long.argmax(axis=2) == x.elements[x.sums]
            assert found.accuracy == pytest.approx((right * mask).sum() / mask.sum())


@pytest.mark.parametrize(("operation", "p"), [("add", 11), ("add", 12), ("subtract", 11)])
def test_that_the_table_agrees_with_the_progress_measures(operation: str, p: int, random_run: RandomRun) -> None:
    run = random_run(small(operation, p))
    c, x = run.config, characters(run.config)
    logits = activations(run, 0).logits
    keys = (2, p // 2)
    restricted = sum_part(logits, p, keys, x.sign) + logits.mean(axis=0)
    train, test = examples(operation, p, c.train_fraction, c.data_seed)
    table = sum_table(x.grid(logits), x.sums)
    for chosen, mask in zip((train, test), split_masks(c), strict=True):
        found = restricted_loss_from_table(table, keys, by_sum(mask, x.sums).sum(axis=0))
        assert found is not None
        assert found.loss == pytest.approx(cross_entropy(restricted, chosen, p), rel=1e-12)


def test_that_losses_without_each_frequency_are_the_long_ones(run: Run) -> None:
    grid, elements, sign = slow_grid(run)
    n = len(elements)
    keys = (n // 2,)
    found = loss_without_each(run, 0, keys)
    for k in frequencies(n):
        expected = slow_losses(run, grid - slow_part(grid, sign, k))
        for name, value in expected.items():
            got = getattr(found, name)
            assert (None if got is None else got[k - 1]) == close(value), (k, name)
    part = slow_part(grid, sign, n // 2)
    everything = sum(slow_part(grid, sign, k) for k in frequencies(n))
    for name, changed in {
        "full": grid,
        "without_keys": grid - part,
        "without_all": grid - everything,
        "only_keys": part + grid.mean(axis=(0, 1)),
    }.items():
        for which, value in slow_losses(run, changed).items():
            assert getattr(getattr(found, name), which) == close(value), (name, which)


def test_that_the_spectrum_and_the_power_are_the_long_ones(run: Run) -> None:
    grid, elements, sign = slow_grid(run)
    n = len(elements)
    basis = fourier_basis(n)
    full = np.einsum("xi,yj,ijc->xyc", basis, basis, grid)
    found = logit_spectrum(run, 0)
    assert found.norm == pytest.approx(np.sqrt((full**2).sum(axis=2)), abs=1e-10)
    assert (found.by_frequency**2).sum() == pytest.approx((grid**2).sum())
    part = sum((slow_part(grid, sign, k) for k in (1, n // 2)), np.zeros_like(grid)) / (2 if n // 2 == 1 else 1)
    power = power_split(run, 0, sorted({1, n // 2}))
    assert power.of_keys == pytest.approx((part**2).mean(), abs=1e-11)
    assert power.of_rest == pytest.approx(((grid - grid.mean(axis=(0, 1)) - part) ** 2).mean(), abs=1e-11)


@pytest.mark.parametrize(
    ("operation", "p", "amplitudes"),
    [("add", 13, {2: 3.0}), ("add", 12, {5: 2.0}), ("add", 31, {3: 1.0, 15: 3.0}), ("multiply", 13, {5: 2.0}),
     ("multiply", 23, {1: 2.0, 10: 2.0})],
)  # fmt: skip
def test_that_a_clock_tells_its_frequencies(
    operation: str, p: int, amplitudes: dict[int, float], clock_run: ClockRun
) -> None:
    run = clock_run(operation, p, amplitudes)
    keys = tuple(amplitudes)
    fit = cosine_fit(run, 0, keys)
    assert fit.candidates == tuple(sorted(keys))
    assert fit.explained_by_keys > 0.75  # the rest: the factor |cos(w (i − j) / 2)| and the harmonics of ReLU
    assert {int(k) + 1 for k in fit.explained.argsort()[::-1][: len(keys)]} == set(keys)
    power = power_split(run, 0, keys)
    assert power.of_keys > 3 * power.of_rest
    ablated = loss_without_each(run, 0, keys)
    assert {int(k) + 1 for k in ablated.all_pairs.argsort()[::-1][: len(keys)]} == set(keys)
    assert ablated.only_keys.all_pairs < ablated.full.all_pairs < ablated.without_keys.all_pairs
    norm = logit_spectrum(run, 0).by_frequency
    largest = np.unravel_index(norm[1:, 1:].argmax(), norm[1:, 1:].shape)
    strongest = max(amplitudes, key=lambda k: fit.coefficient[k - 1])
    assert (largest[0] + 1, largest[1] + 1) == (strongest, strongest)


def test_that_huge_logits_neither_overflow_nor_vanish() -> None:
    n = 5
    i, j = np.indices((n, n))
    sums = (i + j) % n
    logits = np.random.default_rng(0).normal(size=(n, n, n)) * 1e4
    tables = np.random.default_rng(1).normal(size=(3, n, n)) * 1e4
    found = losses_without(logits, sums, np.arange(n), tables)
    for m in range(3):
        for a in range(n):
            for b in range(n):
                s = (a + b) % n
                rest = logits[a, b] - tables[m, s]
                expected = np.logaddexp.reduce(rest) - rest[s]
                assert found[m, a, s] == pytest.approx(expected, rel=1e-12, abs=1e-9)


def test_that_tiny_losses_keep_their_digits() -> None:
    n = 7
    i, j = np.indices((n, n))
    sums = (i + j) % n
    logits = 40.0 * (sums[..., None] == np.arange(n))
    found = losses_without(logits, sums, np.arange(n), np.zeros((1, n, n)))
    assert found == pytest.approx(np.full((1, n, n), math.log1p(6 * math.exp(-40))), rel=1e-13)


def test_that_without_a_positive_coefficient_there_is_no_candidate() -> None:
    assert candidate_frequencies(np.array([-1.0, 0.0])) == ()
    assert candidate_frequencies(np.zeros(0)) == ()
    assert candidate_frequencies(np.array([1.0, 0.09, 0.1, -5])) == (1, 3)


def test_that_logits_that_say_nothing_are_explained_by_nothing() -> None:
    i, j = np.indices((5, 5))
    found = cosines_of(np.full((5, 5, 5), 3.0), (i + j) % 5, (1,), np.zeros((5, 5), dtype=bool))
    assert found.explained_by_keys == 0
    assert found.loss == pytest.approx(math.log(5))
    assert found.test_coefficient is None
    assert found.candidates == ()


def test_that_a_run_without_test_pairs_has_no_test_numbers(random_run: RandomRun) -> None:
    run = random_run(Config(p=5, train_fraction=1, d_model=8, n_heads=2, d_mlp=10))
    assert cosine_fit(run, 0, ()).test_coefficient is None
    found = loss_without_each(run, 0, ())
    assert found.test is None
    assert found.full.test is None
    assert found.train == pytest.approx(found.all_pairs)


@pytest.mark.parametrize("function", ["logit_spectrum", "cosine_fit", "power_split", "loss_without_each"])
@pytest.mark.parametrize(("operation", "p"), [("random", 5), ("multiply", 8)])
def test_that_a_task_without_a_basis_is_refused(function: str, operation: str, p: int, random_run: RandomRun) -> None:
    run = random_run(small(operation, p))
    with pytest.raises(NoBasis):
        getattr(module, function)(run, 0, *([(1,)] if function != "logit_spectrum" else []))


def test_that_the_authors_model_has_the_published_ablations(golden: Path, authors_run: Run) -> None:
    expected = json.loads((golden / "expected_low_precision.json").read_text())
    keys = (6, 23, 39)
    found = loss_without_each(authors_run, 0, keys)
    assert found.train is not None
    for k, loss in expected["excluded_per_frequency_train"].items():
        assert found.train[int(k) - 1] == pytest.approx(loss, rel=1e-6)
    for got, name in (
        (found.full.train, "loss_train"),
        (found.full.test, "loss_test"),
        (found.full.all_pairs, "loss_all"),
        (found.only_keys.all_pairs, "restricted_loss_all"),
        (found.only_keys.test, "restricted_loss_test"),
        (found.without_keys.train, "excluded_loss_key_train"),
        (found.without_all.train, "excluded_loss_all_frequencies_train"),
    ):
        assert got == pytest.approx(expected[name], rel=1e-6), name
    x = characters(authors_run.config)
    logits = activations(authors_run, 0).logits
    weights = np.full(x.n, x.n)
    score = restricted_loss_from_table(sum_table(x.grid(logits), x.sums), keys, weights)
    everything = Examples(np.stack(np.divmod(np.arange(x.n**2), x.n), axis=1), x.sums.reshape(-1))
    long = cross_entropy(sum_part(logits, x.n, keys) + logits.mean(axis=0), everything, x.n)
    assert score is not None
    assert score.loss == pytest.approx(long, rel=1e-12)
    assert score.accuracy == pytest.approx(expected["restricted_accuracy_all"], rel=1e-6)
    assert logit_spectrum(authors_run, 0).norm[0, 0] == pytest.approx(84428.8, rel=1e-6)
