"""The three phases of grokking by a stated rule with visible thresholds (paper, sec. 5.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HOLDS = 5  # checkpoints


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
    """

    memorisation_end: int | None
    circuit_end: int | None
    cleanup_end: int | None
    t_mem: int | None
    t_gen: int | None

    @property
    def outcome(self) -> str:
        """`not grokked`, `generalised at once` (t_gen < 2 t_mem) or `grokked`."""
        if self.t_gen is None:
            return "not grokked"
        return "generalised at once" if self.t_mem is not None and self.t_gen < 2 * self.t_mem else "grokked"


def phases(
    epochs: NDArray[np.int64],
    train_accuracy: Floats,
    test_accuracy: Floats,
    excluded_all: Floats,
    squared_weights: Floats,
    decay_per_epoch: float,
    test_loss: Floats,
    thresholds: Thresholds | None = None,
) -> Phases:
    """Phases of a run from its traces, one entry a checkpoint.

    excluded_all : excluded loss with all frequencies, train
    squared_weights : Σw²      decay_per_epoch : lr · weight_decay
    """
    t = thresholds or Thresholds()
    t_mem = _first_held(epochs, train_accuracy >= t.memorised)
    t_gen = _first_held(epochs, test_accuracy >= t.generalised)
    circuit = _first_held(epochs, test_accuracy >= t.circuit)
    memorisation = _memorisation_end(epochs, excluded_all, t_mem, t_gen)
    cleanup = None
    if circuit is not None:
        after = epochs >= max(circuit, t_gen if t_gen is not None else epochs[-1] + 1)
        if decay_per_epoch > 0:
            cleanup = _first_held(epochs, after & _is_flat(epochs, squared_weights, decay_per_epoch, t.settled))
        else:
            cleanup = _first_held(epochs, after & (test_loss <= t.final_factor * test_loss[-1]))
    return Phases(memorisation, circuit, cleanup, t_mem, t_gen)


def _first_held(epochs: NDArray[np.int64], condition: NDArray[np.bool_]) -> int | None:
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


def _is_flat(epochs: NDArray[np.int64], squared: Floats, decay: float, settled: float) -> NDArray[np.bool_]:
    """Whether ln Σw² falls by less than `settled` per unit of Σ lr·wd, over one such unit ahead of each checkpoint.

    False where less than one unit lies ahead: the end is not known yet.
    """
    time = epochs * decay
    ahead = np.searchsorted(time, time + 1.0)
    known = ahead < len(epochs)
    j = np.minimum(ahead, len(epochs) - 1)
    fall = (np.log(squared) - np.log(squared[j])) / np.maximum(time[j] - time, 1e-300)
    return known & (fall < settled)
