"""What the weights alone tell of a checkpoint: their sizes, and how the frequencies share them (paper, sec. 5.1)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import NoBasis, characters
from engine.config import Config
from engine.fourier import components, fourier_basis, frequencies, product

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WeightMeasures:
    """No forward pass is needed for these; fields as in `engine.analysis.measures.Measures`, None without a basis."""

    squared_weights: dict[str, float]
    embedding_norms: Floats | None
    unembedding_norms: Floats | None
    neuron_logit_norms: Floats | None
    gini_embedding: float | None
    gini_neuron_logit: float | None
    ipr_embedding: float | None
    ipr_neuron_logit: float | None


def of_weights(config: Config, weights: Mapping[str, NDArray[np.generic]]) -> WeightMeasures:
    """Sizes and spectra of the weights, float64 (paper, sec. 5.1, fig. 3).  weights : as `shapes(config)`"""
    p = config.p
    w = {name: np.asarray(value, np.float64) for name, value in weights.items()}
    norms: list[Floats | None] = [None, None, None]
    with contextlib.suppress(NoBasis):
        elements = characters(config).elements
        basis = fourier_basis(len(elements))
        read_out = product(basis, w["W_U"].T[:p][elements])  # (n, d_model)
        parts = product(basis, w["W_E"][:p][elements]), read_out, product(read_out, w["W_out"][-1].T)
        norms = [np.linalg.norm(x, axis=1) for x in parts]
    shares = [None if x is None else _frequency_shares(x) for x in norms]
    return WeightMeasures(
        squared_weights={name: float(np.square(value).sum()) for name, value in w.items()},
        embedding_norms=norms[0],
        unembedding_norms=norms[1],
        neuron_logit_norms=norms[2],
        gini_embedding=None if norms[0] is None else gini(norms[0]),
        gini_neuron_logit=None if norms[2] is None else gini(norms[2]),
        ipr_embedding=None if shares[0] is None else float(np.square(shares[0]).sum()),
        ipr_neuron_logit=None if shares[2] is None else float(np.square(shares[2]).sum()),
    )


def gini(x: Floats) -> float:
    """Gini coefficient of non-negative numbers (Hurley & Rickard 2009): 0 all equal, towards 1 a single one."""
    ordered = np.sort(np.asarray(x, np.float64))
    n, total = len(ordered), ordered.sum()
    if total <= 0:
        return 0.0
    return float(2 * (np.arange(1, n + 1) @ ordered) / (n * total) - (n + 1) / n)


def _frequency_shares(norms: Floats) -> Floats:
    n = len(norms)
    powers = np.array([np.square(norms[components(n, k)]).sum() for k in frequencies(n)])
    total = powers.sum()
    return powers / total if total > 0 else powers
