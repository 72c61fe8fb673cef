"""The race of the frequencies: how large each one is over training, and from when on the later keys lead.

Which frequencies win is decided long before the model generalises (science 2.13), but not all at once: every key has
an epoch of its own from which it is never again beaten by a frequency that loses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import NoBasis, characters
from engine.analysis.embedding import MATRICES
from engine.analysis.phases import Phases, Thresholds
from engine.analysis.progress_curves import Pinned, trace_phases
from engine.analysis.series import series
from engine.fourier import components, frequencies
from engine.runfile import Run
from engine.traces import Traces

Floats = NDArray[np.float64]
_COLUMNS = dict(zip(MATRICES, ("embedding_norms", "unembedding_norms", "neuron_logit_norms"), strict=True))
NEURONS = "neurons"  # the activations of the last layer's; an extra of the traces


@dataclass(frozen=True, eq=False)
class Race:
    """Norms of the frequencies of W_E, W_U, W_L or the neurons' activations over the epochs looked at so far.

    epochs : (m,), ascending; empty until something is looked at
    norm : (m, n // 2), cosine and sine together, entry k-1 is frequency k. n is the length of the task's cycle
    rank : (m, n // 2), 1 the largest; of equals the lowest frequency comes first
    pinned : whose keys; None until they are known
    keys : those of them that are frequencies of the cycle, ascending
    since : one a key: the first epoch from which it is among the len(keys) largest for good, that is to the last
        epoch looked at; None: at that epoch it is not
    phases : None until enough is known
    generator : of the units, whose powers k counts along (a · b, a / b)      no_basis : why there are no norms, or ""
    """

    which: str
    epochs: NDArray[np.int64]
    norm: Floats
    rank: NDArray[np.int16]
    pinned: Pinned | None
    keys: tuple[int, ...]
    since: tuple[int | None, ...]
    phases: Phases | None
    generator: int | None
    no_basis: str

    @property
    def lead(self) -> int | None:
        """The first epoch from which the keys hold the len(keys) largest norms for good; None: they do not, or none."""
        known = [epoch for epoch in self.since if epoch is not None]
        return max(known) if known and len(known) == len(self.since) else None

    @property
    def first_lead(self) -> int | None:
        """The first epoch at which the keys hold the len(keys) largest norms; None: at none, or there are none."""
        if not self.keys:
            return None
        leading = (self.rank[:, np.array(self.keys) - 1] <= len(self.keys)).all(axis=1)
        return int(self.epochs[leading.argmax()]) if leading.any() else None

    def leaders(self, count: int) -> NDArray[np.int64]:
        """The frequencies at the first places.  -> (count or fewer, m), the largest first"""
        found: NDArray[np.int64] = np.argsort(self.rank, axis=1, kind="stable")[:, :count].T + 1
        return found


def race(
    run: Run,
    n: int,
    traces: Traces | None,
    pinned: Pinned | None,
    revision: int,
    which: str,
    thresholds: Thresholds | None = None,
) -> Race:
    """The race in W_E, W_U, W_L or `NEURONS` up to the n-th checkpoint.

    revision : of the traces, which grow
    """
    generator, no_basis, size = None, "", 0
    try:
        basis = characters(run.config)
        generator, size = basis.generator, basis.n
    except NoBasis as error:
        no_basis = str(error)
    epochs, norm = np.zeros(0, np.int64), np.zeros((0, size // 2))
    if traces is not None and not no_basis and which == NEURONS:
        there, columns = traces.extra(NEURONS)
        if len(there):
            seen = there <= int(run.epochs[n - 1])
            epochs, norm = there[seen], columns["norm"][seen]
    elif traces is not None and not no_basis:
        held = series(run, n, traces, _COLUMNS[which])
        if held is not None:
            epochs, norm = held.epochs, norms_of(held.values)
    rank = ranks(norm)
    keys = () if pinned is None else tuple(k for k in pinned.keys if k <= norm.shape[1])
    return Race(
        which=which,
        epochs=epochs,
        norm=norm,
        rank=rank,
        pinned=pinned,
        keys=keys,
        since=since_when(epochs, rank, keys),
        phases=None if traces is None else trace_phases(run, traces, n, thresholds),
        generator=generator,
        no_basis=no_basis,
    )


def norms_of(by_component: NDArray[np.floating]) -> Floats:
    """Cosine and sine together.  (m, n), const, cos 1, sin 1, … -> (m, n // 2)"""
    squares = np.square(np.asarray(by_component, np.float64))
    n = squares.shape[1]
    starts = [components(n, k).start for k in frequencies(n)]
    if not starts:
        return np.zeros((len(squares), 0))
    return np.sqrt(np.add.reduceat(squares, starts, axis=1))


def ranks(norm: Floats) -> NDArray[np.int16]:
    """The place of every frequency by its norm at each epoch, 1 the largest.  (m, f) -> (m, f)"""
    order = np.argsort(-norm, axis=1, kind="stable")
    found = np.empty(norm.shape, np.int16)
    np.put_along_axis(found, order, np.arange(1, norm.shape[1] + 1, dtype=np.int16)[None, :], axis=1)
    return found


def since_when(epochs: NDArray[np.int64], rank: NDArray[np.integer], keys: tuple[int, ...]) -> tuple[int | None, ...]:
    """The first epoch from which each key stays among the len(keys) first; None where it does not end there."""
    found: list[int | None] = []
    for k in keys:
        behind = np.flatnonzero(rank[:, k - 1] > len(keys))
        first = int(behind[-1]) + 1 if len(behind) else 0
        found.append(int(epochs[first]) if first < len(epochs) else None)
    return tuple(found)


def edges(epochs: NDArray[np.int64]) -> Floats:
    """The stretch of the axis that belongs to each checkpoint: from midpoint to midpoint.  (m,) -> (m + 1,)

    The first begins and the last ends at its own epoch; a single one gets one epoch.
    """
    e = epochs.astype(np.float64)
    if len(e) < 2:
        return np.concatenate([e - 0.5, e + 0.5]) if len(e) else np.zeros(0)
    return np.concatenate([e[:1], (e[1:] + e[:-1]) / 2, e[-1:]])
