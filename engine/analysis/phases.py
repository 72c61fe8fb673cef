"""The three phases of grokking by a stated rule with visible thresholds (paper, sec. 5.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HOLDS = 5  # checkpoints
ENOUGH_EXCLUDED = 2 * HOLDS  # with excluded loss, where not all have it, for the end of memorisation
WITHIN = 0.5  # of the later of its neighbours, that an end which is known roughly lies between


@dataclass(frozen=True)
class Thresholds:
    """memorised : train accuracy of t_mem; circuit, generalised : test accuracy that ends circuit formation, of t_gen
    settled : fall of ln Σw² per unit of Σ lr·wd below which cleanup is over
    final_factor : with no weight decay, cleanup is over when the test loss is within this factor of its last value
    """

    memorised: float = 0.99
    circuit: float = 0.5
    generalised: float = 0.95
    settled: float = 0.03
    final_factor: float = 3.0


@dataclass(frozen=True)
class Phases:
    """Epochs at which something ended or first held; None: it has not (yet).

    A phase that has not ended is open to the right.
    excluded_until : the last epoch at which excluded loss is known, beyond which nothing is said of memorisation; −1:
        it is known at too few checkpoints; inf: as far as all else
    rough : `memorisation_end` is the lowest of some checkpoints, near to each other; others are not measured yet
    going_on : the run is not at its end
    """

    memorisation_end: int | None
    circuit_end: int | None
    cleanup_end: int | None
    t_mem: int | None
    t_gen: int | None
    excluded_until: float = float("inf")
    rough: bool = False
    going_on: bool = False

    @property
    def outcome(self) -> str:
        """`not grokked` (of a run that goes on, `… yet`), `generalised at once` (t_gen < 2 t_mem) or `grokked`."""
        if self.t_gen is None:
            return "not grokked yet" if self.going_on else "not grokked"
        return "generalised at once" if self.t_mem is None or self.t_gen < 2 * self.t_mem else "grokked"


def phases(
    epochs: NDArray[np.int64],
    train_accuracy: Floats,
    test_accuracy: Floats,
    excluded_all: Floats,
    squared_weights: Floats,
    decay_per_epoch: float,
    test_loss: Floats,
    thresholds: Thresholds | None = None,
    going_on: bool = False,
) -> Phases:
    """Phases of a run from its measures, one entry a checkpoint; NaN in the last four where one is not known.

    excluded_all : excluded loss with all frequencies, train
    squared_weights : Σw²      decay_per_epoch : lr · weight_decay      going_on : more checkpoints are to come
    """
    t = thresholds or Thresholds()
    t_mem = first_held(epochs, train_accuracy >= t.memorised)
    t_gen = first_held(epochs, test_accuracy >= t.generalised)
    circuit = first_held(epochs, test_accuracy >= t.circuit)
    known = np.isfinite(excluded_all)
    memorisation = _memorisation_end(epochs[known], excluded_all[known], t_mem, t_gen)
    rough = memorisation is not None and not known[epochs < (np.inf if t_gen is None else t_gen)].all()
    judged = bool(known.all()) or int(known.sum()) >= ENOUGH_EXCLUDED
    if not judged or (rough and not _is_within(epochs[known], memorisation)):
        memorisation, judged, rough = None, False, False
    cleanup = None
    if circuit is not None and t_gen is not None:
        over = _flat(epochs, squared_weights, decay_per_epoch, t.settled)
        if decay_per_epoch <= 0:
            over = _near_the_last(epochs, test_loss, t.final_factor, going_on)
        cleanup = first_held(over[0], over[1] & (over[0] >= max(circuit, t_gen)))
    return Phases(
        memorisation_end=memorisation,
        circuit_end=circuit,
        cleanup_end=cleanup,
        t_mem=t_mem,
        t_gen=t_gen,
        excluded_until=_until(epochs, known) if judged else -1.0,
        rough=rough,
        going_on=going_on,
    )


def first_held(epochs: NDArray[np.int64], condition: NDArray[np.bool_]) -> int | None:
    """First epoch from which the condition holds for `HOLDS` checkpoints."""
    if len(condition) < HOLDS:
        return None
    runs = np.lib.stride_tricks.sliding_window_view(condition, HOLDS).all(axis=1)
    return int(epochs[runs.argmax()]) if runs.any() else None


def _memorisation_end(epochs: NDArray[np.int64], excluded: Floats, t_mem: int | None, t_gen: int | None) -> int | None:
    """Epoch of the minimum of excluded loss before t_gen; open while it is still falling or nothing is memorised."""
    if t_mem is None:
        return None
    before = np.flatnonzero(epochs < t_gen) if t_gen is not None else np.arange(len(epochs))
    if not len(before):
        return None
    lowest = int(before[excluded[before].argmin()])
    risen = lowest + HOLDS < len(epochs)
    return int(epochs[lowest]) if risen else None


def _is_within(epochs: NDArray[np.int64], end: int | None) -> bool:
    """Whether the neighbours of an epoch are near enough to tell where it is."""
    i = int(np.searchsorted(epochs, end if end is not None else 0))
    left, right = epochs[max(i - 1, 0)], epochs[min(i + 1, len(epochs) - 1)]
    return bool(right - left <= WITHIN * right)


def _until(epochs: NDArray[np.int64], known: NDArray[np.bool_]) -> float:
    """The last epoch at which something is known; inf where that is the last of all."""
    return float("inf") if not len(known) or known[-1] else float(epochs[known][-1])


_When = tuple[NDArray[np.int64], NDArray[np.bool_]]  # at which epochs something holds, of those where it is known


def _flat(epochs: NDArray[np.int64], squared: Floats, decay: float, settled: float) -> _When:
    """Where ln Σw² falls by less than `settled` per unit of Σ lr·wd, over one such unit ahead of each checkpoint.

    Not where less than one unit lies ahead: the end is not known yet.
    """
    known = np.isfinite(squared)
    e, squared = epochs[known], squared[known]
    if not len(e):
        return e, known[known]
    time = e * decay
    ahead = np.searchsorted(time, time + 1.0)
    j = np.minimum(ahead, len(e) - 1)
    fall = (np.log(squared) - np.log(squared[j])) / np.maximum(time[j] - time, 1e-300)
    return e, (ahead < len(e)) & (fall < settled)


def _near_the_last(epochs: NDArray[np.int64], test_loss: Floats, factor: float, going_on: bool) -> _When:
    """Where the test loss is within a factor of its last value; nowhere while that is still to come."""
    known = np.isfinite(test_loss)
    e, loss = epochs[known], test_loss[known]
    return e, np.zeros(len(e), bool) if going_on or not len(e) else loss <= factor * loss[-1]
