"""The drawn logits equal the slow obvious transform; the printed numbers those of the analyses they stand for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.analysis.ablation import Ablation
from engine.analysis.logit_picture import cosine_curves, largest, logit_numbers, logit_picture, spectrum_norms
from engine.analysis.logits import cosine_fit, logit_spectrum
from engine.config import Config
from engine.fourier import spectrum_2d
from engine.recording import start
from engine.runfile import Run
from engine.traces import Traces

CONFIG = Config(p=11, train_fraction=0.5, d_model=16, n_heads=2, d_mlp=24)


@pytest.mark.parametrize(("n", "outputs"), [(1, 1), (2, 3), (3, 3), (10, 11), (11, 11), (12, 12), (7, 300)])
def test_that_folding_gives_the_plain_transform(n: int, outputs: int) -> None:
    values = np.random.default_rng(n).normal(size=(n, n, outputs))
    assert np.allclose(spectrum_norms(values), np.linalg.norm(spectrum_2d(values), axis=2), rtol=1e-12, atol=1e-13)
    single = spectrum_norms(values.astype(np.float32))
    assert single.dtype == np.float32
    assert np.allclose(single, spectrum_norms(values), rtol=1e-4, atol=1e-5)


def test_that_the_norms_keep_the_power() -> None:
    values = np.random.default_rng(0).normal(size=(11, 11, 11))
    assert np.square(spectrum_norms(values)).sum() == pytest.approx(np.square(values).sum())


def test_that_the_constant_is_no_limit_of_the_colours() -> None:
    assert largest(np.array([[100.0, 2], [3, 1]])) == 3
    assert largest(np.zeros((3, 3))) == 1


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide"])
def test_that_the_picture_and_the_numbers_are_those_of_the_analyses(
    random_run: Callable[..., Run], operation: str
) -> None:
    run = random_run(replace(CONFIG, operation=operation), seed=3)
    truth, fit = logit_spectrum(run, 0), cosine_fit(run, 0, (1, 3))
    drawn, numbers = logit_picture(run, 0, 0), logit_numbers(run, 0, (1, 3))
    assert np.allclose(drawn.norm, truth.norm, rtol=1e-3, atol=1e-4)
    assert np.allclose(drawn.by_frequency, truth.by_frequency, rtol=1e-3, atol=1e-4)
    assert np.allclose(drawn.coefficient, fit.coefficient, atol=1e-5)
    assert drawn.top == pytest.approx(largest(truth.norm), rel=1e-4)
    assert drawn.top_by_frequency == pytest.approx(largest(truth.by_frequency), rel=1e-4)
    assert numbers.spectrum is not None
    assert numbers.fit is not None
    assert np.allclose(numbers.spectrum.norm, truth.norm, rtol=1e-12)
    assert numbers.fit.coefficient == pytest.approx(fit.coefficient)
    assert numbers.fit.loss == fit.loss
    assert numbers.fit.explained_by_keys == pytest.approx(fit.explained_by_keys)


def test_that_a_clock_is_its_own_cosines(clock_run: Callable[..., Run]) -> None:
    run = clock_run("add", 13, {2: 1.0, 5: 0.5})
    drawn = logit_picture(run, 0, 0)
    assert set(np.argsort(-drawn.coefficient)[:2] + 1) == {2, 5}
    diagonal = np.diag(drawn.by_frequency)[1:]
    assert set(np.argsort(-diagonal)[:2] + 1) == {2, 5}


def test_that_the_faders_reach_the_picture_and_the_numbers(random_run: Callable[..., Run]) -> None:
    run = random_run(CONFIG, seed=4)
    whole, keys = logit_picture(run, 0, 0), (2,)
    for g, m in ((0.5, 1.0), (1.0, 0.0), (0.0, 1.0)):
        drawn = logit_picture(run, 0, 0, keys, Ablation(g, m))
        scale = np.where(np.arange(1, 6) == 2, g, m)
        assert np.allclose(drawn.coefficient, scale * whole.coefficient, atol=1e-5)
        assert (drawn.top, drawn.top_by_frequency) == (whole.top, whole.top_by_frequency)
        numbers = logit_numbers(run, 0, keys, Ablation(g, m))
        assert numbers.fit is not None
        assert np.allclose(numbers.fit.coefficient, drawn.coefficient, atol=1e-5)
    assert logit_numbers(run, 0, (), Ablation(0.5, 0.5)).loss == logit_numbers(run, 0, ()).loss  # no key: whole


def test_that_the_loss_of_all_the_logits_is_the_model_loss(random_run: Callable[..., Run]) -> None:
    from engine.analysis.measures import measures

    run = random_run(CONFIG, seed=5)
    assert logit_numbers(run, 0, ()).loss == pytest.approx(measures(run, 0).every.loss, rel=1e-12)


def test_that_a_task_without_a_basis_says_so(random_run: Callable[..., Run]) -> None:
    run = random_run(replace(CONFIG, operation="x2xyy2"))
    assert "no group operation" in logit_picture(run, 0, 0).no_basis
    numbers = logit_numbers(run, 0, ())
    assert (numbers.spectrum, numbers.fit, numbers.loss) == (None, None, None)


def test_that_even_moduli_and_more_layers_are_drawn(random_run: Callable[..., Run]) -> None:
    run = random_run(replace(CONFIG, p=12, n_layers=2, layer_norm=True), seed=6)
    truth, fit = logit_spectrum(run, 0), cosine_fit(run, 0, (6,))
    drawn = logit_picture(run, 0, 0)
    assert np.allclose(drawn.norm, truth.norm, rtol=1e-3, atol=1e-4)
    assert np.allclose(drawn.coefficient, fit.coefficient, atol=1e-5)


@pytest.mark.parametrize(("operation", "p"), [("add", 11), ("add", 12), ("subtract", 11), ("multiply", 11)])
def test_that_the_curves_are_the_coefficients_of_each_checkpoint_and_grow(
    tmp_path: Path, operation: str, p: int
) -> None:
    config = replace(CONFIG, operation=operation, p=p, epochs=20, checkpoint_every=4, dense_every=0)
    for _ in start(config, tmp_path / "run.h5").events():
        pass
    run = Run.open(tmp_path / "run.h5", probe=False)
    traces, last = Traces(run), run.n_checkpoints
    assert not len(cosine_curves(run, last, traces, None, 0).epochs)
    for revision, step in enumerate((last - 1, 0, 2), 1):  # coarse to fine, as they are measured
        traces.add(step)
        found = cosine_curves(run, last, traces, None, revision)
        assert len(found.epochs) == revision
        assert found.epochs.tolist() == sorted(found.epochs.tolist())
    for epoch, coefficient in zip(found.epochs.tolist(), found.coefficient, strict=True):
        assert coefficient == pytest.approx(cosine_fit(run, run.step_at(epoch), ()).coefficient, abs=1e-12)
    assert cosine_curves(run, 3, traces, None, 9).epochs.tolist() == run.epochs[[0, 2]].tolist()
    assert not len(cosine_curves(run, last, None, None, 0).epochs)
