"""The wave in every neuron of a layer: best frequency, share of variance and phase, from sums over lines of pairs.

With A, B, S, D the Fourier coefficients Σ N e^(−iwx) of a neuron's sums over the pairs that share x = i, j, i + j and
i − j, the energy of its 8 components at frequency k (science 2.5) is 2/n² · (|A|² + |B|² + |S|² + |D|²), and its phase
is arg S (arg D for differences). At k = n / 2, where S = D, it is (A² + B² + S²) / n².
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.passes import in_rows, line_sums
from engine.config import Config
from engine.fourier import fourier_basis
from engine.kernels import PACK, PAD, multiply
from engine.replay import hidden
from engine.runfile import Run

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Waves:
    """(d,) each.

    frequency : best frequency k, 0 for a dead neuron     fve : its share of the centred variance; 0 for a dead neuron
    phase : φ = arg Σ N e^(−iw(i ± j)) at that frequency, radians; the wave is cos(w(i ± j) + φ); NaN for a dead neuron
    """

    frequency: Ints
    fve: Floats
    phase: Floats


def basis_or_residues(config: Config) -> tuple[Characters, str]:
    """The task's basis; where it has none, the residues as they stand, and why."""
    try:
        return characters(config), ""
    except NoBasis as error:
        p = config.p
        return Characters(p, p, 1, np.arange(p), None, np.arange(p * p)), str(error)


@dataclass(frozen=True, eq=False)
class LineSums:
    """Sums of functions of (i, j) over the pairs of the cycle that share i, j, i + j or i − j, less each one's `first`.

    sums : (4, n, d), by i, by j, by i + j, by i − j      squares : (d,), over all pairs, less `first`
    first : (d,), the functions at the first pair of the cycle
    """

    sums: NDArray[np.floating]
    squares: Floats
    first: Floats

    @property
    def mean(self) -> Floats:
        """Over all pairs of the cycle.  (d,)"""
        n = self.sums.shape[1]
        return np.asarray(self.first + self.sums[0].sum(axis=0, dtype=np.float64) / n**2)


def frequency_norms(values: NDArray[np.floating], basis: Characters) -> Floats:
    """Norm of each frequency in functions of (a, b): of their 8 components there, all functions together.

    values : (p², d)     ->     (n // 2,)
    """
    return _norms(sums_over_lines(values, basis))


@dataclass(frozen=True, eq=False)
class Spectra:
    """Functions of (a, b) at every frequency of the cycle.

    waves : the best one of each function
    along : (n // 2, d) Σ N e^(−iw(i ± j)), the wave of the answer     norms : (n // 2,) as of `frequency_norms`
    """

    waves: Waves
    along: NDArray[np.complex128]
    norms: Floats


def spectra(values: NDArray[np.floating], basis: Characters) -> Spectra:
    """The waves of given functions of (a, b), and their sizes at every frequency.  values : (p², d)"""
    found = sums_over_lines(values, basis)
    return Spectra(_best(found, basis.sign), coefficients(found.sums[2 if basis.sign > 0 else 3]), _norms(found))


def _norms(found: LineSums) -> Floats:
    n = found.sums.shape[1]
    return np.sqrt(_energies(_transformed(found.sums)).sum(axis=1)) if n > 1 else np.zeros(0)


def coefficients(along: NDArray[np.floating]) -> NDArray[np.complex128]:
    """Σ_x f(x) e^(−iwx) at every frequency.  along : (n, d)  ->  (n // 2, d)"""
    found: NDArray[np.complex128] = np.fft.rfft(np.asarray(along, np.float64), axis=0)[1:]
    return found


def sums_over_lines(values: NDArray[np.floating], basis: Characters) -> LineSums:
    """values : (p², d)"""
    n, d = basis.n, values.shape[1]
    sums = np.empty((4, n, d), values.dtype)
    squares = np.empty(d)
    line_sums(*in_rows(values), d, basis.p, basis.elements, sums[0], sums[1], sums[2], sums[3], squares)
    return LineSums(sums, squares, values[basis.rows[0]].astype(np.float64))


def _energies(turned: NDArray[np.floating]) -> Floats:
    """Energy of the 8 components at every frequency.  (4, n − 1, d), `_transformed` sums  ->  (n // 2, d)"""
    n = turned.shape[1] + 1
    power = np.square(turned[:2]).sum(axis=0) + np.square(turned[2:]).sum(axis=0)
    if n % 2 == 0:
        power[-1] -= np.square(turned[3, -1])  # i + j and i − j share the alternating function
    found: Floats = np.add.reduceat(power, np.arange(0, n - 1, 2), axis=0).astype(np.float64) / n
    return found


@lru_cache(maxsize=16)
def layer_sums(run: Run, step: int, layer: int = -1, exact: bool = True) -> LineSums:
    """Of a layer's neurons. Without a basis: in the residues as they stand.

    exact : float64; else float32, for drawing
    """
    values = hidden(run, step, exact)
    return sums_over_lines(values.mlp_post[layer], basis_or_residues(run.config)[0])


@lru_cache(maxsize=64)
def layer_waves(run: Run, step: int, layer: int = -1, exact: bool = True) -> Waves:
    """The waves of a layer's neurons, as `layer_sums`."""
    return _best(layer_sums(run, step, layer, exact), basis_or_residues(run.config)[0].sign)


def waves(values: NDArray[np.floating], basis: Characters) -> Waves:
    """The waves of given functions of (a, b).  values : (p², d)"""
    return _best(sums_over_lines(values, basis), basis.sign)


def _best(found: LineSums, sign: int) -> Waves:
    sums, first = found.sums, found.first
    _, n, d = sums.shape
    pairs = n * n
    apart = sums[0].sum(axis=0, dtype=np.float64) / pairs  # mean less first
    total = np.maximum(found.squares - pairs * apart**2, 0.0)
    if n < 2:
        return Waves(np.zeros(d, np.int64), np.zeros(d), np.full(d, np.nan))
    turned = _transformed(sums)  # (4, n - 1, d), cos 1, sin 1, cos 2, …
    energy = _energies(turned)  # (n // 2, d)
    # beyond the rounding of a constant; values that do not differ at all leave no squares
    alive = total > 1e-12 * np.maximum(total + pairs * (first + apart) ** 2, 1e-300)
    share = np.divide(energy, total, out=np.zeros_like(energy), where=alive)
    best = (share >= (1 - 1e-9) * share.max(axis=0)).argmax(axis=0)  # of equals the lowest
    each = np.arange(d)
    along = turned[2 if sign > 0 else 3].astype(np.float64)
    cosine, sine = (
        along[2 * best, each],
        np.where(2 * best + 1 < n - 1, along[np.minimum(2 * best + 1, n - 2), each], 0),
    )
    phase = np.where(alive, np.arctan2(-sine, cosine), np.nan)
    return Waves(np.where(alive, best + 1, 0), np.where(alive, share[best, each], 0.0), phase)


def _transformed(sums: NDArray[np.floating]) -> NDArray[np.floating]:
    """Fourier coefficients along axis 1 but for the constant's, on this core: a library waits for cores that are busy.

    (4, n, d) -> (4, n - 1, d)
    """
    four, n, d = sums.shape
    padded = -(-d // PAD) * PAD
    basis = fourier_basis(n)[1:].astype(sums.dtype).reshape(-1)
    out = np.empty((four, n - 1, padded), sums.dtype)
    pack = np.empty(PACK, sums.dtype)
    for part, into in zip(sums, out, strict=True):
        multiply(n - 1, d, n, basis, 0, n, 1, part.reshape(-1), 0, d, 1, into.reshape(-1), 0, padded, False, pack)
    return out[:, :, :d]
