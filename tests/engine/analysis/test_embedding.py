"""Spectra of W_E, W_U and W_L against runs built by hand and the definitions."""

from collections.abc import Callable

import numpy as np
import pytest

from engine.analysis.embedding import MATRICES, embedding_spectrum, key_frequencies, spectrum
from engine.analysis.measures import measures
from engine.config import Config
from engine.fourier import components, frequencies
from engine.runfile import Run

TINY = Config(p=11, train_fraction=0.5, d_model=12, n_heads=2, d_mlp=8)


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide"])
def test_that_norms_are_those_of_the_measures(random_run: Callable[..., Run], operation: str) -> None:
    run = random_run(Config(**{**vars(TINY), "operation": operation}))
    truth = measures(run, 0)
    named = {"W_E": truth.embedding_norms, "W_U": truth.unembedding_norms, "W_L": truth.neuron_logit_norms}
    for which in MATRICES:
        found, norms = spectrum(run, 0, 0, which), named[which]
        assert norms is not None
        n = len(norms)
        assert found.which == which
        assert np.allclose(found.norm, [np.linalg.norm(norms[components(n, k)]) for k in frequencies(n)])
        assert (found.generator is None) == (operation in ("add", "subtract"))
        if n % 2 == 0:
            assert found.sin[-1] == 0


@pytest.mark.parametrize("operation", ["add", "multiply"])
def test_that_a_clock_stands_at_its_frequencies(clock_run: Callable[..., Run], operation: str) -> None:
    run = clock_run(operation, 23, {3: 1.0, 7: 2.0})
    for which in MATRICES:
        found = spectrum(run, 0, 0, which)
        assert {int(k) + 1 for k in np.flatnonzero(found.norm > 1e-9)} == {3, 7}
        assert found.keys == key_frequencies(run, 0) == (3, 7)


def test_that_a_task_without_a_basis_has_frequencies_of_the_residues_as_they_stand(
    random_run: Callable[..., Run],
) -> None:
    run = random_run(Config(**{**vars(TINY), "operation": "x2xyy2"}))
    found = spectrum(run, 0, 0, "W_E")
    assert found.no_basis is not None
    assert found.generator is None
    w_e = run.weight("W_E", 0)[:11].astype(np.float64)
    assert np.allclose(found.norm, np.linalg.norm(np.fft.fft(w_e, axis=0)[1:6], axis=1) * np.sqrt(2 / 11))
    assert np.array_equal(embedding_spectrum(run, 0, 0).cos, found.cos)


def test_that_an_unknown_matrix_is_refused(random_run: Callable[..., Run]) -> None:
    with pytest.raises(ValueError, match="must be one of W_E, W_U, W_L"):
        spectrum(random_run(TINY), 0, 0, "W_Q")
