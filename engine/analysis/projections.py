"""What the neuron–logit map reads from the MLP: one wave of i ± j for each of its components (paper, table 1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import characters
from engine.analysis.neuron_logit import neuron_logit_map
from engine.fourier import components, spectrum_2d
from engine.replay import hidden
from engine.runfile import Run

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Projections:
    """u_k · MLP and v_k · MLP over the pairs (i, j) of the task's cycle; (m,) each, cosine before sine.

    frequency     sine : whether it is v_k, the sine of k
    first, second : coefficients of two products of un-normalised waves: of u_k those of cos i cos j and sin i sin j, of
        v_k those of sin i cos j and cos i sin j; the second and both sines are 0 at k = n / 2
    wave : coefficient of cos w_k(i ± j), or of sin w_k(i ± j)
    explained : share of the variance over all pairs that this one wave explains; 0 where there is no variance
    n : length of the cycle     sign : of j in i ± j
    """

    frequency: NDArray[np.int64]
    sine: NDArray[np.bool_]
    first: Floats
    second: Floats
    wave: Floats
    explained: Floats
    n: int
    sign: int


def projections(run: Run, step: int, keys: Collection[int]) -> Projections:
    """The components of W_L at the keys, dotted with the last layer's activations, float64. Raises `NoBasis`.

    u_k and v_k are rows of F W_L in the orthonormal basis, the scale of the paper's table.
    """
    x, found = characters(run.config), neuron_logit_map(run, step, keys)
    values = x.grid(hidden(run, step).mlp_post[-1] @ found.direction.T)  # (n, n, m)
    return of_values(values, found.component, found.explained, x.sign)


def of_values(values: Floats, component: NDArray[np.int64], explained: Floats, sign: int) -> Projections:
    """The same for given functions.  values : (n, n, m)    component : (m,) row of the basis of each"""
    n = len(values)
    full = spectrum_2d(values)
    frequency, sine = (component + 1) // 2, component % 2 == 0
    first, second = np.zeros((2, len(component)))
    for i, k in enumerate(frequency.tolist()):
        rows = components(n, k)
        block = full[rows, rows, i]
        if len(block) == 1:  # k = n / 2: the alternating wave
            first[i] = block[0, 0] / n
        elif sine[i]:
            first[i], second[i] = block[1, 0] * 2 / n, block[0, 1] * 2 / n
        else:
            first[i], second[i] = block[0, 0] * 2 / n, block[1, 1] * 2 / n
    both = np.where(sine, first + sign * second, first - sign * second) / 2
    wave = np.where(2 * frequency == n, first, both)
    return Projections(frequency, sine, first, second, wave, explained, n, sign)
