"""The clock of one pair: planted clocks, the definitions, and what has no clock."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.analysis.characters import characters
from engine.analysis.clock import clock, coefficients, cosine_sum, example_pair, scales, spoken
from engine.analysis.logits import cosine_fit
from engine.analysis.measures import pair_sets
from engine.analysis.progress_curves import Pinned
from engine.config import Config
from engine.fourier import frequencies
from engine.replay import activations
from engine.runfile import Run

TINY = Config(p=11, train_fraction=0.5, d_model=12, n_heads=2, d_mlp=8)


def unit(k: int, place: int, n: int) -> list[float]:
    return [np.cos(2 * np.pi * k * place / n), np.sin(2 * np.pi * k * place / n)]


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide"])
def test_that_a_planted_clock_stands_at_the_tips_of_its_hands(clock_run: Callable[..., Run], operation: str) -> None:
    run = clock_run(operation, 23, {3: 1.0, 7: 2.0})
    x = characters(run.config)
    for a, b in ((5, 9), (20, 11), (1, 2)):
        found = clock(run, 0, 0, 1, (a, b), (3, 7), None, True)
        dial = found.dial
        assert dial is not None
        assert (x.elements[dial.i], x.elements[dial.j]) == (a, b)
        assert x.elements[dial.s] == found.answer
        assert found.keys == (3, 7)
        for k in found.keys:
            ideal = [unit(k, dial.i, x.n), unit(k, dial.j, x.n)]
            assert np.allclose(dial.tokens[k - 1], ideal)
            if operation in ("add", "multiply"):  # the planted neurons read sums, a few harmonics with them
                wave = complex(*dial.spoken[k - 1]) / complex(*unit(k, dial.s, x.n))
                assert abs(np.angle(wave)) < 0.15
                assert found.said == found.answer


def test_that_the_coefficients_are_those_of_the_fit(random_run: Callable[..., Run]) -> None:
    for operation in ("add", "multiply"):
        run = random_run(replace(TINY, operation=operation))
        exact = cosine_fit(run, 0, ()).coefficient
        assert np.allclose(coefficients(run, 0), exact)
        assert np.allclose(coefficients(run, 0, False), exact, atol=1e-4)
        dial = clock(run, 0, 0, 1, (2, 3), (1,), None, True).dial
        assert dial is not None
        assert np.array_equal(dial.coefficient, coefficients(run, 0))


def test_that_the_sum_and_its_share_are_their_definitions(random_run: Callable[..., Run]) -> None:
    run = random_run(TINY)
    keys, (a, b) = (2, 3, 5), (4, 9)
    dial = clock(run, 0, 0, 1, (a, b), keys, None, True).dial
    assert dial is not None
    logits = activations(run, 0).logits[a * 11 + b].astype(np.float64)
    centred = logits - logits.mean()
    fit = np.zeros(11)
    for c in range(11):
        for k in keys:
            fit[c] += dial.coefficient[k - 1] * np.cos(2 * np.pi * k * (a + b - c) / 11)
    assert np.allclose(dial.logits, centred)
    assert np.allclose(dial.total(keys), fit)
    assert np.allclose(sum(dial.coefficient[k - 1] * dial.cosines(k) for k in keys), fit)
    assert dial.explained == pytest.approx(1 - np.square(centred - fit).sum() / np.square(centred).sum())


@pytest.mark.parametrize("n", [11, 12])
def test_that_what_is_spoken_is_the_wave_in_the_logits(n: int) -> None:
    alpha, s = 1.0 + np.arange(n // 2), 7
    logits = cosine_sum(alpha, tuple(frequencies(n)), n, s)
    ideal = np.array([unit(k, s, n) for k in frequencies(n)])
    assert np.allclose(spoken(logits, alpha), ideal)
    assert np.allclose(spoken(3 * logits, alpha), 3 * ideal)


def test_that_frequencies_next_to_silent_have_no_direction() -> None:
    found = spoken(np.arange(11.0), np.array([10.0, 0.4, -3.0, 0.0, 6.0]))
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True, True, False]
    assert np.isnan(spoken(np.arange(11.0), np.zeros(5))).all()


def test_that_axes_belong_to_the_checkpoint_that_fixes_them(clock_run: Callable[..., Run]) -> None:
    run = clock_run("add", 23, {3: 1.0, 7: 2.0})
    found, dial = scales(run, 0), clock(run, 0, 0, 1, (5, 9), (3,)).dial
    assert dial is not None
    assert dial.coefficient_limit == found.coefficient[2]
    logits = activations(run, 0, False).logits
    assert dial.logit_limit == pytest.approx(np.abs(logits - logits.mean(axis=1, keepdims=True)).max())


def test_that_the_example_is_an_unseen_pair_of_two_residues() -> None:
    for operation in ("add", "multiply", "divide", "x2xyy2"):
        config = replace(TINY, operation=operation)
        a, b = example_pair(config)
        sets = pair_sets(config)
        assert a * 11 + b in sets.test
        assert a != b
        assert 0 not in (a, b)
    composite = replace(TINY, operation="multiply", p=9)
    assert set(example_pair(composite)) <= set(characters(composite).elements.tolist())
    everything = replace(TINY, train_fraction=1.0)
    a, b = example_pair(everything)
    assert a != b
    assert example_pair(Config()) == (50, 67)  # the mainline's first test pair: it passes the modulus


def test_that_an_example_says_that_it_is_one(random_run: Callable[..., Run]) -> None:
    run = random_run(TINY)
    found, known = clock(run, 0, 0, 1, None, (2,)), Pinned((3,), 0, False)
    assert found.example
    assert found.pair == example_pair(TINY)
    assert not clock(run, 0, 0, 1, (1, 2), (2,)).example
    assert clock(run, 0, 0, 1, (1, 2), None, known).pinned is known


def test_that_the_split_and_the_models_answer_are_told(random_run: Callable[..., Run]) -> None:
    run, sets = random_run(TINY), pair_sets(TINY)
    logits = activations(run, 0).logits
    for row in range(0, 121, 7):
        found = clock(run, 0, 0, 1, (row // 11, row % 11), (2,), None, True)
        assert found.trained == (row in sets.train)
        assert found.said == logits[row].argmax()
        assert found.answer == sets.labels[row]
        p = np.exp(logits[row] - logits[row].max())
        assert found.probability == pytest.approx(p[found.answer] / p.sum())


@pytest.mark.parametrize(
    ("changes", "pair", "why"),
    [
        ({"operation": "multiply"}, (0, 3), "zero has no logarithm"),
        ({"operation": "divide"}, (0, 3), "zero has no logarithm"),
        ({"operation": "divide"}, (3, 0), "3 / 0 has no answer"),
        ({"operation": "multiply", "p": 9}, (2, 6), "6 is no unit modulo 9"),
        ({"operation": "multiply", "p": 8}, (3, 5), "no Fourier basis"),
        ({"operation": "x2xyy2"}, (3, 5), "no Fourier basis"),
    ],
)
def test_that_pairs_without_a_clock_say_why(
    random_run: Callable[..., Run], changes: dict[str, object], pair: tuple[int, int], why: str
) -> None:
    found = clock(random_run(replace(TINY, **changes)), 0, 0, 1, pair, (1,))
    assert found.dial is None
    assert why in found.no_clock
    assert found.keys == ()


@pytest.mark.parametrize("changes", [{"p": 12}, {"n_layers": 2, "layer_norm": True}, {"operation": "multiply", "p": 3}])
def test_that_unusual_models_have_numbers(random_run: Callable[..., Run], changes: dict[str, object]) -> None:
    run = random_run(replace(TINY, **changes))
    dial = clock(run, 0, 0, 1, (1, 2), tuple(range(1, run.config.p // 2 + 1))).dial
    assert dial is not None
    for values in (dial.tokens, dial.logits, dial.coefficient, dial.total((1,)), dial.explained):
        assert np.all(np.isfinite(values))
