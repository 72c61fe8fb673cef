"""What a run tells of its checkpoints before they are measured: at a glance, in memory only.

Three kinds, by what they cost. *Recorded*: losses and accuracies, which training takes with its own float32 forward
pass. *Weighed*: what follows from the weights alone, float64, a few milliseconds a checkpoint. *Sketched*: what needs a
forward pass, float32, of a few checkpoints only. `Traces` hold the measures that replace all of them.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import characters
from engine.analysis.measures import (
    Restricted,
    Score,
    candidates,
    cosine_coefficients,
    excluded_all,
    key_power,
    pair_sets,
    restricted,
    sum_table,
    sum_table_of,
)
from engine.analysis.weight_measures import WeightMeasures, of_weights
from engine.replay import activations
from engine.runfile import SCALARS, Run, RunError

Array = NDArray[Any]
WEIGHED = tuple(field.name for field in fields(WeightMeasures))  # columns
AT_ONCE = 0.012  # seconds of weighing at most, in one go
SKETCH_BYTES = 32 * 2**20  # where they are more, every second one goes
_SETS = 8  # of frequencies whose restricted scores are kept


@dataclass(frozen=True, eq=False)
class Sketch:
    """A checkpoint's measures from a float32 forward pass.

    excluded_all : without every frequency, on the training pairs    table : (n, p), S, float32
    candidates : frequencies that stand out over the test pairs      alpha : (n // 2,), α_k over all pairs
    """

    excluded_all: Score
    table: NDArray[np.float32]
    candidates: tuple[int, ...]
    alpha: NDArray[np.float64]


def weight_row(found: WeightMeasures) -> dict[str, Array]:
    """What the weights tell as arrays by the names of the traces' columns; what is missing is left out."""
    row = {name: np.asarray(x, np.float64) for name, x in vars(found).items() if isinstance(x, float | np.ndarray)}
    return row | {"squared_weights": np.array(list(found.squared_weights.values()))}


class Glance:
    """Any thread may read; one adds (`weigh`, `sketch`)."""

    def __init__(self, run: Run) -> None:
        self.run, self._lock = run, threading.RLock()
        self._rows: dict[int, dict[str, Array]] = {}  # weighed, by epoch
        self._sketches: dict[int, Sketch] = {}  # by epoch
        self._restricted: OrderedDict[tuple[int, ...], dict[int, tuple[Restricted, float]]] = OrderedDict()

    # -- looking ------------------------------------------------------------------------------------------------

    def weigh(self, n: int, known: Collection[int] = (), seconds: float = AT_ONCE) -> int:
        """Look at the weights of the first n checkpoints for so long, at one at least.  -> how many are left

        The newest comes first, then the others from coarse to fine. known : epochs that need it no more
        """
        end = time.perf_counter() + seconds
        missing = sorted(self._missing(n, known), key=lambda step: (step != n - 1, coarseness(step)))
        while missing:
            step = missing.pop(0)
            try:
                row = weight_row(of_weights(self.run.config, self.run.weights(step)))
            except RunError:  # said where that checkpoint is shown
                row = {}
            with self._lock:
                self._rows[int(self.run.epochs[step])] = row
            if time.perf_counter() >= end:
                break
        return len(missing)

    def unweighed(self, n: int, known: Collection[int] = ()) -> int:
        """How many of the first n checkpoints are left to be weighed."""
        return len(self._missing(n, known))

    def _missing(self, n: int, known: Collection[int]) -> list[int]:
        with self._lock:
            done = self._rows.keys() | set(known)
        return [step for step, epoch in enumerate(self.run.epochs[:n].tolist()) if epoch not in done]

    def sketch(self, step: int) -> Sketch:
        """A float32 forward pass of a checkpoint. Raises `NoBasis`."""
        config, epoch = self.run.config, int(self.run.epochs[step])
        with self._lock:
            if epoch in self._sketches:
                return self._sketches[epoch]
        basis = characters(config)
        logits = activations(self.run, step, exact=False).logits
        table = sum_table(logits, basis)  # type: ignore[arg-type]
        sets = pair_sets(config)
        mean = logits.mean(axis=0) if len(sets.exist) == config.p**2 else logits[sets.exist].mean(axis=0)
        found = Sketch(
            excluded_all=excluded_all(config, logits, table, mean),
            table=table.astype(np.float32),
            candidates=candidates(sum_table_of(logits, sets.test, basis), basis),
            alpha=cosine_coefficients(table, basis),
        )
        with self._lock:
            self._sketches[epoch] = found
            if sum(x.table.nbytes for x in self._sketches.values()) > SKETCH_BYTES:
                kept = sorted(self._sketches)[::-2]
                self._sketches = {e: self._sketches[e] for e in sorted(kept)}
                self._restricted.clear()
        return found

    # -- what is known ------------------------------------------------------------------------------------------

    def column(self, name: str, n: int) -> tuple[NDArray[np.int64], Array] | None:
        """Epochs, ascending, and a measure at them by its name in the traces; None where nothing is known of it.

        n : of the first so many checkpoints      ->  (m,), (m, …)
        """
        if name in SCALARS:
            recorded = self.run.scalars(name)
            return None if recorded is None else (self.run.epochs[:n], recorded[:n])
        with self._lock:
            if name in ("excluded_all_train_loss", "excluded_all_train_accuracy"):
                what = name.rsplit("_", 1)[1]
                found = {epoch: getattr(x.excluded_all, what) for epoch, x in self._sketches.items()}
            else:
                found = {epoch: row[name] for epoch, row in self._rows.items() if name in row}
        last = int(self.run.epochs[n - 1])
        epochs = sorted(epoch for epoch in found if epoch <= last)
        return (np.array(epochs, np.int64), np.array([found[epoch] for epoch in epochs])) if epochs else None

    def restricted(self, keys: Collection[int]) -> dict[int, tuple[Restricted, float]]:
        """Restricted scores of a set of frequencies, and the power of P_K L, by epoch sketched."""
        name = tuple(sorted(keys))
        with self._lock:
            known = self._restricted.setdefault(name, {})
            self._restricted.move_to_end(name)
            while len(self._restricted) > _SETS:
                self._restricted.popitem(last=False)
            for epoch in self._sketches.keys() - known.keys() if name else ():
                table = self._sketches[epoch].table.astype(np.float64)
                known[epoch] = restricted(self.run.config, table, name), key_power(table, name)
            return dict(known)

    def coefficients(self) -> dict[int, NDArray[np.float64]]:
        """α_k by epoch sketched."""
        with self._lock:
            return {epoch: x.alpha for epoch, x in self._sketches.items()}


def coarseness(step: int) -> tuple[int, int]:
    """Order in which every prefix covers the whole run evenly: first the ends, then by ever finer halves."""
    return (-(step & -step) if step else -(1 << 62), step)
