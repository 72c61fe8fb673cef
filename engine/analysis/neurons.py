"""Each neuron's frequency and how much of it that frequency explains (paper, sec. 4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from engine.fourier import components, fourier_basis, frequencies
from engine.lanes import Lanes, analysis_cores
from engine.replay import hidden
from engine.runfile import Run

Floats = NDArray[np.float64]
_BLOCK = 64  # neurons transformed at a time
THRESHOLD = 0.85  # of the centred variance: below it a neuron belongs to no frequency


@dataclass(frozen=True)
class NeuronFrequencies:
    """frequency : (n,) best frequency, 0 for a dead neuron
    fve : (n,) its fraction of variance explained; 0 for a dead neuron
    by_frequency : (n, p // 2) fraction explained by every frequency, entry k-1 is frequency k
    """

    frequency: NDArray[np.int64]
    fve: Floats
    by_frequency: Floats

    def key_frequencies(self, threshold: float = THRESHOLD) -> dict[int, int]:
        """Key frequencies, ascending, and how many neurons carry each."""
        return carried(self.frequency, self.fve, threshold)


def carried(frequency: NDArray[np.int64], fve: Floats, threshold: float = THRESHOLD) -> dict[int, int]:
    """Key frequencies, ascending, and how many neurons carry each.  frequency, fve : (n,)"""
    found, counts = np.unique(frequency[fve >= threshold], return_counts=True)
    return {int(k): int(n) for k, n in zip(found, counts, strict=True) if k > 0}


def frequency_powers(values: NDArray[np.floating], p: int) -> tuple[Floats, Floats, Floats]:
    """Energy of the centred functions of (a, b) in the linear and quadratic terms of each frequency.

    values : (p², n)
    ->     (n, p // 2) energy in cos/sin k of a, of b, and their four products; (n,) total centred energy; (n,) mean
    """
    n = values.shape[1]
    energy, total, mean = np.zeros((n, p // 2)), np.zeros(n), np.zeros(n)
    starts = np.array_split(np.arange(0, n, _BLOCK), min(analysis_cores(), -(-n // _BLOCK)))
    Lanes(len(starts)).run([partial(_powers, values, p, part.tolist(), energy, total, mean) for part in starts])
    return energy, total, mean


def _powers(
    values: NDArray[np.floating], p: int, starts: list[int], energy: Floats, total: Floats, mean: Floats
) -> None:
    """Fill the blocks of the results that begin at `starts`, through the same memory: fresh memory is slow."""
    n = values.shape[1]
    basis = fourier_basis(p).astype(values.dtype)
    block = np.empty((p, p, min(n, _BLOCK)), values.dtype)
    by_b = np.empty_like(block)
    for start in starts:
        part = slice(start, min(start + _BLOCK, n))
        width = part.stop - start
        centred, by = block, by_b
        if width < block.shape[2]:
            centred, by = np.empty((p, p, width), values.dtype), np.empty((p, p, width), values.dtype)
        columns = values[:, part]
        average = columns.mean(axis=0)
        mean[part] = average
        np.subtract(columns.reshape(p, p, width), average, out=centred)
        np.matmul(basis, centred, out=by)  # (a, component of b, n)
        total[part] = np.einsum("abn,abn->n", centred, centred, dtype=np.float64)
        in_a = basis @ by[:, 0]  # (component of a, n), constant in b
        in_b = (basis[0] @ by.reshape(p, -1)).reshape(p, width)  # (component of b, n), constant in a
        linear = in_a**2 + in_b**2
        for k in frequencies(p):
            rows = components(p, k)
            products = basis[rows] @ by[:, rows].reshape(p, -1)  # (its components of a, its of b and n)
            energy[part, k - 1] = linear[rows].sum(0) + np.square(products).reshape(-1, width).sum(0)


def neuron_frequencies(run: Run, step: int, layer: int = -1, exact: bool = True) -> NeuronFrequencies:
    """Frequency and fraction of variance explained of every neuron of a layer (science: the 8-component block)."""
    return from_values(hidden(run, step, exact).mlp_post[layer], run.config.p)


def from_values(values: NDArray[np.floating], p: int) -> NeuronFrequencies:
    """The same for given functions of (a, b).  values : (p², n)"""
    energy, total, mean = frequency_powers(values, p)
    if energy.shape[1] == 0:  # p < 2 has no frequency
        zero = np.zeros(len(total))
        return NeuronFrequencies(zero.astype(np.int64), zero, energy)
    alive = total > 1e-12 * np.maximum(total + mean**2 * len(values), 1e-300)  # beyond the rounding of a constant
    share = np.divide(energy, total[:, None], out=np.zeros_like(energy), where=alive[:, None])
    best = (share >= (1 - 1e-9) * share.max(axis=1, keepdims=True)).argmax(axis=1)  # of equals the lowest
    return NeuronFrequencies(np.where(alive, best + 1, 0), share[np.arange(len(best)), best], share)
