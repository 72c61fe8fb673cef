"""How much of W_E, W_U and W_L lies at each frequency (paper, fig. 3)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis import measures
from engine.analysis.characters import NoBasis, characters
from engine.analysis.neurons import neuron_frequencies
from engine.fourier import components, frequencies, norm_by_component, product
from engine.runfile import Run, RunError

Floats = NDArray[np.float64]
MATRICES = ("W_E", "W_U", "W_L")
_SAMPLE = 21  # checkpoints that an axis is fitted to


@dataclass(frozen=True)
class Spectrum:
    """Norms of the Fourier components of a matrix along the residues, in the order that fits the task.

    which : W_E, W_U, or W_L, the neuron-logit map of the last layer (without a final norm's centring and scale)
    cos, sin : (n // 2,) norm of each component, entry k-1 is frequency k; sin is 0 at k = n / 2. n is the length of
        the task's cycle: p, or the number of units modulo p
    keys : the run's key frequencies, ascending; empty while there are none
    generator : of the units, whose powers k counts along (a · b, a / b); None: along the residues as they stand
    no_basis : why the task has no Fourier basis (then it is the residues as they stand), or None
    limit : the largest norm at some twenty checkpoints of the run, for an axis that stands still; 0 if not asked for
    """

    which: str
    cos: Floats
    sin: Floats
    keys: tuple[int, ...]
    generator: int | None
    no_basis: str | None
    limit: float = 0.0

    @property
    def norm(self) -> Floats:
        """Cosine and sine together.  (n // 2,)"""
        return np.hypot(self.cos, self.sin)


def spectrum(run: Run, step: int, key_step: int, which: str, among: int = 0) -> Spectrum:
    """Norms of the Fourier components of W_E, W_U or W_L over the residues, float64; keys as of `key_step`.

    among : the number of checkpoints that `limit` is taken from; 0: none
    """
    p = run.config.p
    generator = no_basis = None
    elements = np.arange(p)
    try:
        basis = characters(run.config)
        elements, generator = basis.elements, basis.generator
    except NoBasis as error:
        no_basis = str(error)
    n = len(elements)
    norms = norm_by_component(by_residue(run, step, which)[elements])
    pairs = [norms[components(n, k)] for k in frequencies(n)]
    return Spectrum(
        which=which,
        cos=np.array([pair[0] for pair in pairs]),
        sin=np.array([pair[1] if len(pair) > 1 else 0.0 for pair in pairs]),
        keys=key_frequencies(run, key_step),
        generator=generator,
        no_basis=no_basis,
        limit=_largest(run, among, which) if among else 0.0,
    )


@lru_cache(maxsize=64)
def _largest(run: Run, n: int, which: str) -> float:
    """The largest norm of a cosine and sine together, at some of the first n checkpoints."""
    steps = np.unique(np.linspace(0, n - 1, _SAMPLE).astype(int))
    largest = 0.0
    for step in steps:
        with contextlib.suppress(RunError):  # a damaged checkpoint says so where it is shown
            largest = max(largest, float(spectrum(run, int(step), n - 1, which).norm.max(initial=0.0)))
    return largest


def embedding_spectrum(run: Run, step: int, key_step: int) -> Spectrum:
    """The spectrum of W_E over the residues' tokens (paper, fig. 3 top)."""
    return spectrum(run, step, key_step, "W_E")


def by_residue(run: Run, step: int, which: str) -> Floats:
    """W_E, W_U or W_L, one row a residue.  (p, …)"""
    p = run.config.p
    if which == "W_E":
        return run.weight("W_E", step)[:p].astype(np.float64)
    if which not in MATRICES:
        raise ValueError(f"{which}: must be one of {', '.join(MATRICES)}.")
    w_u: Floats = run.weight("W_U", step)[:, :p].T.astype(np.float64)
    if which == "W_U":
        return w_u
    return product(w_u, run.weight("W_out", step)[-1].T.astype(np.float64))  # (p, d_mlp)


def key_frequencies(run: Run, step: int) -> tuple[int, ...]:
    """Frequencies that at least one neuron of the last layer carries with FVE ≥ 0.85, ascending (paper, sec. 4.3).

    In the task's own basis; of the residues as they stand where the task has none.
    """
    try:
        characters(run.config)
    except NoBasis:
        return _plain_key_frequencies(run, step)
    return measures.key_frequencies(run, step)


@lru_cache(maxsize=256)
def _plain_key_frequencies(run: Run, step: int) -> tuple[int, ...]:
    return tuple(neuron_frequencies(run, step).key_frequencies())
