"""A measure over training: measured where it is, else as far as the run tells it at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.glance import WEIGHED
from engine.runfile import Run
from engine.traces import Traces

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Series:
    """epochs : (m,), ascending     values : (m, …)"""

    epochs: Ints
    values: NDArray[Any]

    def at(self, epochs: Ints) -> NDArray[np.float64]:
        """The values at some epochs, NaN where there is none; of numbers, one an epoch.  (k,) -> (k,)"""
        found = np.full(len(epochs), np.nan)
        place = np.searchsorted(self.epochs, epochs)
        there = place < len(self.epochs)
        there[there] = self.epochs[place[there]] == epochs[there]
        found[there] = self.values[place[there]]
        return found


def series(run: Run, n: int, traces: Traces, name: str) -> Series | None:
    """A column of the traces up to the n-th checkpoint, and what `Traces.glance` knows of those not measured.

    Losses and accuracies: as training recorded them (float32). Of the weights alone: looked up here, a few
    checkpoints at once (`Traces.weigh`). Excluded loss: where sketched (float32). None where nothing is known
    """
    if name in WEIGHED:
        traces.weigh(n)
    values, known = traces.column(name), traces.glance.column(name, n)
    measured = None
    if values is not None:
        seen = traces.epochs <= int(run.epochs[n - 1])
        measured = Series(traces.epochs[seen], values[seen])
    glanced = None if known is None else Series(*known)
    return joined(measured, glanced)


def joined(first: Series | None, second: Series | None) -> Series | None:
    """Both by epoch; where both have one, the first's."""
    if first is None or second is None:
        return first or second
    new = ~np.isin(second.epochs, first.epochs)
    if not new.any():
        return first
    epochs = np.concatenate([first.epochs, second.epochs[new]])
    order = np.argsort(epochs)
    return Series(epochs[order], np.concatenate([first.values, second.values[new]])[order])


def known_until(run: Run, n: int, traces: Traces) -> float:
    """The last epoch up to the n-th checkpoint of which anything but the weights is known; 0 where none is."""
    accuracy = series(run, n, traces, "train_accuracy")
    return 0.0 if accuracy is None or not len(accuracy.epochs) else float(accuracy.epochs[-1])
