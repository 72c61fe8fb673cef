"""The neuron-logit map: what the last layer's neurons write into the logits (paper, sec. 4.2, fig. 3 bottom, table 1).

Weights of the last layer only: a neuron of an earlier one reaches the logits through later layers too. With layer norm
this is the map without the final norm's centring and scale.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import characters
from engine.fourier import components, fourier_basis, norm_by_frequency, spectrum
from engine.replay import hidden
from engine.runfile import Run

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class NeuronLogitMap:
    """W_L and its Fourier components along the outputs.

    W_L : (n, d_mlp), logit of the cycle's output c per unit of each neuron
    norm : (n,) norm over the neurons of each row of F W_L (const, cos 1, sin 1, …)
    norm_by_frequency : (n // 2,) cosine and sine together, entry k-1 is frequency k
    keys : the frequencies kept in the approximation of rank 2|keys|, Σ cos(w_k c) u_k + sin(w_k c) v_k
    residual : ‖W_L − approximation‖ / ‖W_L‖ (Frobenius), the constant row counted as left out. The paper's
        0.55 % is met by the square of this: 0.52 % of the mainline's squares are left, 7.2 % of its norm
    residual_without_constant : the same of W_L less its mean over the outputs, which softmax does not see
    component : (m,) rows of F W_L that are kept: 2k-1 is the cosine of k, 2k its sine; k = n / 2 has no sine
    direction : (m, d_mlp) those rows: u_k and v_k in the orthonormal basis, so ×√(2/n) for a plain cosine
    explained : (m,) share of the variance of direction · MLP over all pairs that the one wave cos (sin) of
        w_k(i ± j) explains; 0 where there is no variance (table 1)
    """

    W_L: Floats
    norm: Floats
    norm_by_frequency: Floats
    keys: tuple[int, ...]
    residual: float
    residual_without_constant: float
    component: Ints
    direction: Floats
    explained: Floats


def neuron_logit_map(run: Run, step: int, keys: Collection[int]) -> NeuronLogitMap:
    """W_L = (W_out W_U)^T of the last layer on the task's cycle, float64. Raises `NoBasis`."""
    x, p = characters(run.config), run.config.p
    w_out = run.weight("W_out", step)[-1].astype(np.float64)  # (d_mlp, d_model)
    w_u = run.weight("W_U", step)[:, :p].astype(np.float64)
    w_l = np.ascontiguousarray(x.outputs(w_out @ w_u).T)
    mlp = hidden(run, step).mlp_post[-1]
    found = kept_components(x.n, keys)
    direction = spectrum(w_l)[found]
    norm = np.linalg.norm(spectrum(w_l), axis=1)
    return NeuronLogitMap(
        W_L=w_l,
        norm=norm,
        norm_by_frequency=norm_by_frequency(w_l),
        keys=tuple(keys),
        residual=residual_share(norm, found),
        residual_without_constant=residual_share(norm[1:], found - 1),
        component=found,
        direction=direction,
        explained=share_of_one_wave(x.grid(mlp @ direction.T), x.sums, found),
    )


def kept_components(n: int, keys: Collection[int]) -> Ints:
    """Rows of the basis of n that carry the given frequencies, cosine before sine.  -> (m,)"""
    rows = [row for k in keys for row in range(*components(n, k).indices(n))]
    return np.array(rows, dtype=np.int64)


def residual_share(norm: Floats, kept: Ints) -> float:
    """√(Σ squares not kept / Σ squares), 0 of nothing.  norm : (n,), of the components"""
    left = norm.copy()
    left[kept] = 0
    total = float(np.linalg.norm(norm))
    return float(np.linalg.norm(left)) / total if total > 0 else 0.0


def share_of_one_wave(values: Floats, sums: Ints, component: Ints) -> Floats:
    """(x · d)² / ‖x‖² of centred functions of (i, j), d the unit vector of one component as a function of i ± j.

    values : (n, n, m)    sums : (n, n)    component : (m,), one a function   ->   (m,)
    """
    n = len(sums)
    centred = values - values.mean(axis=(0, 1))
    waves = fourier_basis(n)[component][:, sums] / np.sqrt(n)  # (m, n, n)
    square = np.square(np.einsum("ijm,mij->m", centred, waves))
    total = np.square(centred).sum(axis=(0, 1))
    scale = np.square(values).sum(axis=(0, 1))
    return np.asarray(np.divide(square, total, out=np.zeros(len(component)), where=total > 1e-24 * scale))
