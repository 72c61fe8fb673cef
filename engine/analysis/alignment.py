"""Two runs under one slider: which epoch of one belongs to which of the other (science 2.13, comparing runs)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.analysis.phases import Thresholds, first_held
from engine.runfile import Run
from engine.traces import Traces

FAR = 0.02  # of a run's epochs: the nearest checkpoint is called far when it is further away than this
_SAME = 0.5  # epochs: less than this beyond an end is still at the end


class Alignment(Enum):
    """What two runs have in common: the epoch, the epochs since t_gen, or the epoch as a multiple of t_gen."""

    EPOCH = "epoch"
    FROM_GROKKING = "t − t_gen"
    RELATIVE = "t / t_gen"


@dataclass(frozen=True)
class Moments:
    """Epochs from which train accuracy (t_mem) and test accuracy (t_gen) hold their thresholds; None: not (yet).

    since : the first epoch that is recorded; of a fork, where it begins: what holds there may have held before
    """

    t_mem: int | None
    t_gen: int | None
    since: int = 0

    def is_before(self, epoch: int | None) -> bool:
        """Whether a moment lies at the very beginning of what is recorded, or before it."""
        return epoch is not None and 0 < self.since >= epoch

    @property
    def anchor(self) -> int | None:
        """t_gen, where it is known when that was."""
        return None if self.is_before(self.t_gen) else self.t_gen


def moments(run: Run, n: int, thresholds: Thresholds | None = None) -> Moments:
    """By the accuracies that training recorded at the first n checkpoints; no forward pass is needed.

    A bundled run ships those of all its checkpoints, also of the ones whose weights it leaves out.
    """
    t = thresholds or Thresholds()
    epochs, train, test = _accuracies(run, n)
    t_mem = None if train is None else first_held(epochs, train >= t.memorised)
    t_gen = None if test is None else first_held(epochs, test >= t.generalised)
    return Moments(t_mem, t_gen, int(epochs[0]) if len(epochs) else 0)


@lru_cache(maxsize=8)
def _accuracies(run: Run, n: int) -> tuple[NDArray[np.int64], NDArray[Any] | None, NDArray[Any] | None]:
    """Epochs, train and test accuracy there.  (m,) each"""
    if run.reduced_precision:
        traces = Traces(run)
        epochs, train, test = traces.epochs, traces.column("train_accuracy"), traces.column("test_accuracy")
        traces.close()
        if len(epochs) > n:
            seen = epochs <= run.epochs[n - 1]
            return epochs[seen], None if train is None else train[seen], None if test is None else test[seen]
    train, test = run.scalars("train_accuracy"), run.scalars("test_accuracy")
    return run.epochs[:n], None if train is None else train[:n], None if test is None else test[:n]


def why_not_of(alignment: Alignment, here: Moments, there: Moments) -> str:
    """Why the runs cannot be aligned so; empty: they can."""
    late = [m.is_before(m.t_gen) for m in (here, there)]
    if alignment is Alignment.EPOCH or not any(late):
        return why_not(alignment, here.t_gen, there.t_gen)
    who = "both runs begin" if all(late) else f"{'this run' if late[0] else 'the reference'} begins"
    return f"{who} after t_gen"


def why_not(alignment: Alignment, t_gen: int | None, t_gen_there: int | None) -> str:
    """The same by the epochs of t_gen, of the one and of the other."""
    if alignment is Alignment.EPOCH:
        return ""
    missing = [t_gen is None, t_gen_there is None]
    if any(missing):
        who = "neither run has" if all(missing) else f"{'this run' if missing[0] else 'the reference'} has not"
        return f"{who} reached t_gen"
    if alignment is Alignment.RELATIVE and not (t_gen and t_gen_there):
        return "t_gen is epoch 0: there is nothing to divide by"
    return ""


@dataclass(frozen=True)
class TimeMap:
    """Epochs of a run as those of the other: scale · epoch + shift."""

    scale: float = 1.0
    shift: float = 0.0

    def there(self, epoch: Any) -> Any:
        """Of an epoch, or an array of them, of the one: where it lies in the other."""
        return self.scale * epoch + self.shift

    def back(self, epoch: Any) -> Any:
        """The other way."""
        return (epoch - self.shift) / self.scale


def time_map(alignment: Alignment, t_gen: int | None, t_gen_there: int | None) -> TimeMap | None:
    """Epochs of the one as epochs of the other; None where `why_not` says why."""
    if why_not(alignment, t_gen, t_gen_there):
        return None
    if alignment is Alignment.EPOCH or t_gen is None or t_gen_there is None:
        return TimeMap()
    if alignment is Alignment.FROM_GROKKING:
        return TimeMap(shift=float(t_gen_there - t_gen))
    return TimeMap(scale=t_gen_there / t_gen)


@dataclass(frozen=True)
class Place:
    """A checkpoint, by its index and its epoch, for an epoch that was wanted.

    where : `at`, `near`, `far` (more than `FAR` of the run away); `before` its first or `after` its last checkpoint
    """

    step: int
    epoch: int
    wanted: float
    where: str

    @property
    def is_beyond(self) -> bool:
        """Whether the run has nothing there: the checkpoint is its first or its last."""
        return self.where in ("before", "after")


def place(epochs: NDArray[np.int64], wanted: float) -> Place | None:
    """The checkpoint nearest to an epoch; None where there is none.  epochs : (n,), ascending"""
    if not len(epochs):
        return None
    i = int(np.abs(epochs - wanted).argmin())
    first, last, there = int(epochs[0]), int(epochs[-1]), int(epochs[i])
    if wanted < first - _SAME:
        where = "before"
    elif wanted > last + _SAME:
        where = "after"
    elif abs(there - wanted) <= _SAME:
        where = "at"
    else:
        where = "far" if abs(there - wanted) > FAR * (last - first) else "near"
    return Place(i, there, float(wanted), where)
