"""Each neuron's frequency and how much of it that frequency explains (paper, sec. 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.fourier import components, fourier_basis, frequencies
from engine.replay import activations
from engine.runfile import Run

Floats = NDArray[np.float64]
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
        found, counts = np.unique(self.frequency[self.fve >= threshold], return_counts=True)
        return {int(k): int(n) for k, n in zip(found, counts, strict=True) if k > 0}


def frequency_powers(values: NDArray[np.floating], p: int) -> tuple[Floats, Floats]:
    """Energy of the centred functions of (a, b) in the linear and quadratic terms of each frequency.

    values : (p², n)
    ->     (n, p // 2) energy in cos/sin k of a, of b, and their four products; (n,) total centred energy
    """
    n = values.shape[1]
    basis = fourier_basis(p).astype(values.dtype)
    by_b = np.matmul(basis, values.reshape(p, p, n))  # (a, component of b, n)
    full = (basis @ by_b.reshape(p, p * n)).reshape(p, p, n)  # (component of a, component of b, n)
    np.square(full, out=full)
    full[0, 0] = 0
    energy = np.zeros((n, p // 2))
    for k in frequencies(p):
        rows = components(p, k)
        energy[:, k - 1] = full[rows, 0].sum(0) + full[0, rows].sum(0) + full[rows, rows].sum((0, 1))
    return energy, full.sum((0, 1), dtype=np.float64)


def neuron_frequencies(run: Run, step: int, layer: int = -1, exact: bool = True) -> NeuronFrequencies:
    """Frequency and fraction of variance explained of every neuron of a layer (science: the 8-component block)."""
    return from_values(activations(run, step, exact).mlp_post[layer], run.config.p)


def from_values(values: NDArray[np.floating], p: int) -> NeuronFrequencies:
    """The same for given functions of (a, b).  values : (p², n)"""
    energy, total = frequency_powers(values, p)
    if energy.shape[1] == 0:  # p < 2 has no frequency
        zero = np.zeros(len(total))
        return NeuronFrequencies(zero.astype(np.int64), zero, energy)
    scale = np.abs(values).max(axis=0).astype(np.float64) ** 2 * len(values)
    alive = total > 1e-12 * np.maximum(scale, 1e-300)
    share = np.divide(energy, total[:, None], out=np.zeros_like(energy), where=alive[:, None])
    best = share.argmax(axis=1)
    return NeuronFrequencies(np.where(alive, best + 1, 0), share[np.arange(len(best)), best], share)
