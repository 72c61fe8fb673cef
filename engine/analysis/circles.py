"""The circles on which W_E puts the residues: one plane a frequency, fixed for all of training (science 2.13)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.progress_curves import Pinned, pinned_keys
from engine.fourier import components, fourier_basis, frequencies
from engine.runfile import Run

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ROOM = 1.3  # the largest circle at the plane's checkpoint fills 1 / ROOM of the scale: in between there is more noise


@dataclass(frozen=True, eq=False)
class Circles:
    """W_E's rows in the plane of each frequency; entry k-1 is frequency k.

    pinned : the key frequencies, and the epoch that names them     no_basis : why there are no circles, else empty
    elements : (n,) residues in the order of the cycle     sign, generator : as in `Characters`
    plane_epoch : of the checkpoint that gives the planes and the scale     own : whether each checkpoint has its own
    points : (n // 2, n, 2), of elements[i]: along the plane's cosine and sine; the second is 0 where k = n / 2
    zero : (n // 2, 2), the token 0 where it has no place on the cycle; else None
    share : (n // 2,) of the variance of those points over the cycle, how much lies at frequency k
    random_share : what random weights give in their own planes
    ring : (n // 2,) root mean square radius at frequency k at the plane's checkpoint, k-th component alone
    scale : radius that every panel shows, for all frequencies and checkpoints
    """

    pinned: Pinned
    no_basis: str
    elements: Ints
    sign: int
    generator: int | None
    plane_epoch: int
    own: bool
    points: Floats
    zero: Floats | None
    share: Floats
    random_share: float
    ring: Floats
    scale: float

    @property
    def n(self) -> int:
        """Length of the cycle."""
        return len(self.elements)

    @property
    def keys(self) -> tuple[int, ...]:
        """The pinned frequencies that the cycle has."""
        return tuple(k for k in self.pinned.keys if k <= self.n // 2)

    def places(self, k: int) -> Ints:
        """k · i mod n of elements[i]: the tick on the circle where it belongs.  (n,)"""
        found: Ints = k * np.arange(self.n) % self.n
        return found

    def place_of(self, residue: int) -> int | None:
        """Where a residue stands on the cycle; None: apart from it."""
        if self.generator is None:
            return residue if residue < self.n else None
        there = np.flatnonzero(self.elements == residue)
        return int(there[0]) if len(there) else None

    def distinct(self, k: int) -> int:
        """How many different places there are: n / gcd(k, n)."""
        return self.n // gcd(k, self.n)


def embedding_circles(
    run: Run,
    step: int,
    plane_step: int,
    n: int,
    chosen: tuple[int, ...] | None = None,
    known: Pinned | None = None,
    own: bool = False,
) -> Circles:
    """The circles at a checkpoint, float64.

    plane_step : the checkpoint that gives planes, ring and scale     n, chosen, known : as in `pinned_set`
    own : project on the planes of `step` itself; even random weights look like half a circle there
    """
    pinned = pinned_set(run, n, chosen, known)
    epoch = int(run.epochs[plane_step])
    try:
        x = characters(run.config)
    except NoBasis as error:
        none = np.zeros(0)
        return Circles(
            pinned=pinned,
            no_basis=str(error),
            elements=np.zeros(0, np.int64),
            sign=1,
            generator=None,
            plane_epoch=epoch,
            own=own,
            points=np.zeros((0, 0, 2)),
            zero=None,
            share=none,
            random_share=0.0,
            ring=none,
            scale=1.0,
        )
    w_e = run.weight("W_E", step).astype(np.float64)
    basis, ring = _planes(run, plane_step)
    if own:
        basis = planes(w_e[x.elements])
    points = projected(w_e[x.elements], basis)
    keys = [k for k in pinned.keys if k <= x.n // 2]
    largest = float((ring[[k - 1 for k in keys]] if keys else ring).max(initial=0.0))
    return Circles(
        pinned=pinned,
        no_basis="",
        elements=x.elements,
        sign=x.sign,
        generator=x.generator,
        plane_epoch=epoch,
        own=own,
        points=points,
        zero=None if x.generator is None else projected(w_e[:1], basis)[:, 0],
        share=shares(points),
        random_share=random_share(x, w_e.shape[1]),
        ring=ring,
        scale=ROOM * largest or 1.0,
    )


@lru_cache(maxsize=64)
def _planes(run: Run, step: int) -> tuple[Floats, Floats]:
    """Planes and root mean square radii of the k-th components."""
    rows = run.weight("W_E", step).astype(np.float64)[characters(run.config).elements]
    basis = planes(rows)
    waves = _waves(rows)
    return basis, np.sqrt(np.square(waves).sum(axis=(1, 2)) / max(1, len(rows)))


def planes(rows: Floats) -> Floats:
    """The orthonormal pair nearest to (rowsᵀ cos_k, rowsᵀ sin_k), for each k (its polar factor).

    rows : (n, d), along the cycle     ->     (n // 2, d, 2); where k = n / 2 only the cosine, the second column 0
    """
    n, waves = len(rows), _waves(rows)
    if not len(waves):
        return waves
    u, _, vt = np.linalg.svd(waves, full_matrices=False)
    found: Floats = u @ vt
    if n % 2 == 0:
        found[-1] = waves[-1] / max(float(np.linalg.norm(waves[-1])), 1e-300)
    return found


def _waves(rows: Floats) -> Floats:
    """rowsᵀ cos_k and rowsᵀ sin_k, unit waves.  (n, d) -> (n // 2, d, 2)"""
    n, d = rows.shape
    found = np.zeros((n // 2, d, 2))
    coefficients = fourier_basis(n) @ rows
    for k in frequencies(n):
        part = coefficients[components(n, k)]
        found[k - 1, :, : len(part)] = part.T
    return found


def projected(rows: Floats, basis: Floats) -> Floats:
    """Coordinates in every plane.  rows (m, d), basis (n // 2, d, 2) -> (n // 2, m, 2)"""
    found: Floats = np.asarray(rows @ basis)
    return found


def shares(points: Floats) -> Floats:
    """How much of the variance of the points of plane k lies at frequency k.  (n // 2, n, 2) -> (n // 2,)"""
    n = points.shape[1]
    found = np.zeros(len(points))
    centred = points - points.mean(axis=1, keepdims=True) if n else points
    for k in frequencies(n):
        whole = float(np.square(centred[k - 1]).sum())
        own = float(np.square(fourier_basis(n)[components(n, k)] @ points[k - 1]).sum())
        found[k - 1] = own / whole if whole > 0 else 0.0
    return found


def random_share(x: Characters, d_model: int) -> float:
    """The share that independent Gaussian rows give in their own planes, about: all d directions of two waves against
    the plane's part of the other n − 3."""
    return d_model / (d_model + max(0, x.n - 3))


def pinned_set(run: Run, n: int, chosen: tuple[int, ...] | None, known: Pinned | None = None) -> Pinned:
    """`pinned_keys`, remembered: of a run that is not finished it takes all logits of its last checkpoint.

    known : the run's own set, where somebody has it already
    """
    if chosen:
        return pinned_keys(run, n, chosen)
    return known or _pinned(run, n, run.status().state)


@lru_cache(maxsize=64)
def _pinned(run: Run, n: int, state: str) -> Pinned:
    return pinned_keys(run, n)
