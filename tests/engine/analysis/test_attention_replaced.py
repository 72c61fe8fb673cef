"""Patterns made simpler: by hand, pair by pair, and on the authors' model."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.analysis.attention import attention_fourier, attention_pattern, attention_scores
from engine.analysis.attention_replaced import COSINE, HOWS, LINE, OWN, replaced, replaced_patterns, slopes
from engine.analysis.characters import NoBasis, characters
from engine.analysis.measures import measures
from engine.config import Config
from engine.runfile import Run
from engine.tasks import TASKS

RandomRun = Callable[..., Run]
ClockRun = Callable[[str, int, dict[int, float]], Run]
CASES = [("add", 7), ("add", 6), ("subtract", 6), ("multiply", 7), ("divide", 7), ("x2xyy2", 5)]


def small(operation: str = "add", p: int = 7, **changes: object) -> Config:
    return Config(
        **{"operation": operation, "p": p, "train_fraction": 0.5, "d_model": 8, "n_heads": 2, "d_mlp": 6} | changes
    )


def slow_loss(run: Run, pattern: NDArray[np.float64]) -> float:
    """One pair at a time, head by head, as the paper writes it."""
    c, w = run.config, run.weights(0)
    task = TASKS[c.operation]
    losses = []
    for (a, b), label in zip(task.inputs(c.p).tolist(), task.labels(c.p, c.data_seed).tolist(), strict=True):
        stream = [w["W_E"][a] + w["W_pos"][0], w["W_E"][b] + w["W_pos"][1], w["W_E"][c.p] + w["W_pos"][2]]
        x = stream[2].copy()
        for h in range(c.n_heads):
            seen = sum(pattern[h, a, b, i] * stream[i] for i in range(3))
            x += seen @ w["W_V"][0, h] @ w["W_O"][0, h]
        x = x + np.maximum(x @ w["W_in"][0] + w["b_in"][0], 0) @ w["W_out"][0] + w["b_out"][0]
        logits = (x @ w["W_U"])[: c.p]
        losses.append(np.log(np.exp(logits - logits[label]).sum()))
    return float(np.mean(losses))


@pytest.mark.parametrize(("operation", "p"), CASES)
def test_that_a_replaced_pattern_gives_the_slow_loss(operation: str, p: int, random_run: RandomRun) -> None:
    run = random_run(small(operation, p))
    hows = [how for how in HOWS if how != COSINE or operation != "x2xyy2"]
    losses = {}
    for how in hows:
        pattern = replaced_patterns(run, 0, how)
        losses[how] = replaced(run, 0, how).loss
        assert losses[how] == pytest.approx(slow_loss(run, pattern), rel=1e-10)
    assert len({round(loss, 6) for loss in losses.values()}) == len(hows)
    truth = measures(run, 0).every
    assert (losses[OWN], replaced(run, 0, OWN).accuracy) == pytest.approx((truth.loss, truth.accuracy), rel=1e-10)


@pytest.mark.parametrize(("operation", "p"), CASES)
def test_that_the_line_is_the_best_one_through_a_half(operation: str, p: int, random_run: RandomRun) -> None:
    run = random_run(small(operation, p))
    own, scores = attention_pattern(run, 0).pattern, attention_scores(run, 0)
    found = replaced_patterns(run, 0, LINE)
    for h in range(2):
        apart = (scores.to_a[h][:, None] - scores.to_b[h][None, :]).ravel()
        design = np.concatenate([apart, -apart])[:, None]
        wanted = np.concatenate([own[h, ..., 0].ravel(), own[h, ..., 1].ravel()]) - 0.5
        beta = float(np.linalg.lstsq(design, wanted, rcond=None)[0][0])
        assert slopes(scores, own)[h] == pytest.approx(beta, rel=1e-9)
        assert found[h, 2, 1].tolist() == pytest.approx(
            [0.5 + beta * apart[2 * p + 1], 0.5 - beta * apart[2 * p + 1], 0]
        )
    assert found.sum(axis=3) == pytest.approx(np.ones((2, p, p)))


@pytest.mark.parametrize(("operation", "p"), [("add", 7), ("multiply", 7)])
def test_that_the_cosine_is_the_fit_and_leaves_what_is_off_the_cycle(
    operation: str, p: int, random_run: RandomRun
) -> None:
    run = random_run(small(operation, p))
    fit, own, found = attention_fourier(run, 0), attention_pattern(run, 0).pattern, replaced_patterns(run, 0, COSINE)
    x = characters(run.config)
    for h in range(2):
        for i, a in enumerate(x.elements.tolist()):
            for j, b in enumerate(x.elements.tolist()):
                angle = [2 * np.pi * fit.frequency[h] * at / x.n + fit.phase[h] for at in (i, j)]
                to_a = 0.5 + fit.amplitude[h] * (np.cos(angle[0]) - np.cos(angle[1]))
                assert found[h, a, b].tolist() == pytest.approx([to_a, 1 - to_a, 0], abs=1e-12)
    off = [t for t in range(p) if t not in x.elements]
    assert np.array_equal(found[:, off], own[:, off])
    assert np.array_equal(found[:, :, off], own[:, :, off])


def test_that_even_attention_becomes_two_halves(clock_run: ClockRun) -> None:
    run = clock_run("add", 7, {2: 1.0})
    for how in (LINE, COSINE):
        assert replaced_patterns(run, 0, how)[0, 3, 5].tolist() == [0.5, 0.5, 0]
    assert replaced(run, 0, OWN).accuracy == replaced(run, 0, LINE).accuracy == 1


def test_that_what_cannot_be_replaced_says_why(random_run: RandomRun) -> None:
    with pytest.raises(NoBasis):
        replaced_patterns(random_run(small("random", 5)), 0, COSINE)
    with pytest.raises(ValueError, match="one layer only"):
        replaced(random_run(small(p=5, n_layers=2)), 0, LINE)
    with pytest.raises(ValueError, match="must be one of"):
        replaced_patterns(random_run(small(p=5)), 0, "spline")


def test_that_the_authors_model_is_the_published_one_and_no_line(authors_run: Run) -> None:
    """Its heads attend in near steps, which a line is not."""
    own, line = replaced(authors_run, 0, OWN), replaced(authors_run, 0, LINE)
    assert own.loss == pytest.approx(2.888053e-03, rel=1e-5)
    assert own.accuracy == pytest.approx(0.999452, abs=1e-6)
    assert line.loss > own.loss
    assert line.accuracy < own.accuracy
