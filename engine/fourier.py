"""Fourier analysis on the residues modulo p: arrays in, arrays out (paper, sec. 3 and 4).

The basis is orthonormal: row 0 constant, rows 2k-1 and 2k the cosine and sine of frequency k; for even p the
last row is the alternating one, which has no sine.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_ALONE = 2**18  # multiplications up to which OpenBLAS uses one thread
_ROWS = 64


def frequencies(p: int) -> range:
    """The non-zero frequencies, 1 … p // 2."""
    return range(1, p // 2 + 1)


@lru_cache(maxsize=8)
def fourier_basis(p: int) -> Floats:
    """(p, p), orthonormal rows: const, cos 1, sin 1, cos 2, …  Read-only."""
    x = np.arange(p)
    rows = [np.ones(p)]
    for k in frequencies(p):
        angle = 2 * np.pi * (k * x % p) / p  # reduced first: exact for any k
        rows += [np.cos(angle)] if 2 * k == p else [np.cos(angle), np.sin(angle)]
    basis = np.stack(rows)
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    basis.flags.writeable = False
    return basis


def components(p: int, k: int) -> slice:
    """Rows of the basis that carry frequency k: cosine and sine, or the cosine alone where k = p / 2."""
    return slice(2 * k - 1, min(2 * k + 1, p))


def spectrum(f: Floats) -> Floats:
    """Coefficients along axis 0.  (p, …) -> (p, …)"""
    coefficients: Floats = np.tensordot(fourier_basis(len(f)), f, axes=1)
    return coefficients


def norm_by_component(f: Floats) -> Floats:
    """Norm of each Fourier component of the rows of `f` (paper, fig. 3).  (p, d) -> (p,)"""
    norms: Floats = np.linalg.norm(product(fourier_basis(len(f)), f), axis=1)
    return norms


def product(a: Floats, b: Floats) -> Floats:
    """a @ b in blocks so small that BLAS stays in the calling thread: its others would take their time from a training.

    (m, k), (k, n) -> (m, n)
    """
    found = np.empty((len(a), b.shape[1]))
    wide = max(2, _ALONE // (_ROWS * a.shape[1]))
    for i in range(0, len(a), _ROWS):
        for j in range(0, b.shape[1], wide):
            found[i : i + _ROWS, j : j + wide] = a[i : i + _ROWS] @ b[:, j : j + wide]
    return found


def norm_by_frequency(f: Floats) -> Floats:
    """Norm of cosine and sine together.  (p, d) -> (p // 2,), entry k-1 is frequency k"""
    squares = norm_by_component(f) ** 2
    p = len(f)
    return np.sqrt([squares[components(p, k)].sum() for k in frequencies(p)])


def spectrum_2d(f: Floats) -> Floats:
    """Coefficients along both operands.  (p, p, …) -> (p, p, …)"""
    basis = fourier_basis(len(f))
    if f.ndim == 2:  # one function: not worth BLAS's other threads
        return product(product(basis, f), basis.T)
    once = np.tensordot(basis, f, axes=(1, 0))  # (fa, b, …)
    return np.moveaxis(np.tensordot(basis, once, axes=(1, 1)), 0, 1)


def sum_directions(p: int, k: int, sign: int = 1) -> Floats:
    """Unit directions cos and sin of w_k (a + sign·b) over all pairs (paper, sec. 4.1).

    -> (2, p²), rows in lexicographic pairs; (1, p²) where k = p / 2
    """
    a, b = np.divmod(np.arange(p * p), p)
    directions: Floats = fourier_basis(p)[components(p, k)][:, (a + sign * b) % p] / np.sqrt(p)
    return directions
