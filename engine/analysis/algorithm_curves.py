"""Clock or pizza over training, and the map of right logits at the checkpoint on show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.algorithm import Undefined, correct_logits, pair_at, pure, undefined
from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.phases import Phases, Thresholds
from engine.analysis.progress_curves import Pinned, trace_phases
from engine.replay import activations
from engine.runfile import Run
from engine.traces import Traces

Floats = NDArray[np.float64]
PIZZA, CLOCK = "pizza", "clock"


@dataclass(frozen=True)
class Reference:
    """Published values of one measure, of models that are one algorithm.

    of : pizza, clock, or what lies between     low, high : equal for a single value     source : a sentence
    """

    of: str
    low: float
    high: float
    source: str


_MODEL_A = "Model A, attention rate 0"
_MEAN = "mean of the released one-layer runs with attention rate"
SYMMETRICITY = (
    Reference(PIZZA, 0.982, 0.9937, f"{_MEAN} below .1: .982; {_MODEL_A}: .9937"),
    Reference("rate .5–.7", 0.85, 0.85, f"{_MEAN} .5 to .7: .85"),
    Reference("rate .7–.9", 0.63, 0.63, f"{_MEAN} .7 to .9: .63"),
    Reference(CLOCK, 0.33, 0.455, f"{_MEAN} above .9: .455; Model B, attention rate 1: about .33 (second-hand)"),
)
IRRELEVANCE = (
    Reference(PIZZA, 0.1717, 0.342, f"{_MODEL_A}: .172; {_MEAN} below .5: .335 to .342"),
    Reference("rate .5–.7", 0.50, 0.50, f"{_MEAN} .5 to .7: .50"),
    Reference("rate .7–.9", 0.70, 0.70, f"{_MEAN} .7 to .9: .70"),
    Reference(CLOCK, 0.82, 0.82, f"{_MEAN} above .9: .82"),
)
SOURCE = "Zhong et al. 2023 (arXiv 2306.17844): their models A and B and run tables, p = 59, read at b, without ="


@dataclass(frozen=True, eq=False)
class CircleCurve:
    """What clock and pizza explain of the logits of one circle.  epochs, clock, pizza : (m,)"""

    epochs: NDArray[np.int64]
    clock: Floats
    pizza: Floats

    @property
    def balance(self) -> Floats:
        """Pizza less clock: above zero a pizza.  (m,)"""
        return self.pizza - self.clock


@dataclass(frozen=True, eq=False)
class AlgorithmCurves:
    """Over the epochs measured so far; NaN where nothing varies.

    epochs : (m,), ascending      symmetricity, error, published, irrelevance, circularity : (m,), see `Algorithm`
    circles : by key frequency    pure : what a pure clock or pizza leaves to the other formula
    pinned, phases : None until they are known      undefined : reasons
    last : the last epoch that is measured at all
    """

    epochs: NDArray[np.int64]
    symmetricity: Floats
    error: Floats
    published: Floats
    irrelevance: Floats
    circularity: Floats
    circles: dict[int, CircleCurve]
    pure: float
    pinned: Pinned | None
    phases: Phases | None
    undefined: Undefined
    last: float

    @property
    def keys(self) -> tuple[int, ...]:
        """The pinned frequencies."""
        return () if self.pinned is None else self.pinned.keys

    def at(self, epoch: int) -> int | None:
        """The place of an epoch, where it is measured."""
        i = int(np.searchsorted(self.epochs, epoch))
        return i if i < len(self.epochs) and self.epochs[i] == epoch else None

    def circle_at(self, k: int, epoch: int) -> tuple[float, float] | None:
        """Clock and pizza of a frequency at an epoch, where it is measured."""
        found = self.circles.get(k)
        if found is None:
            return None
        i = int(np.searchsorted(found.epochs, epoch))
        there = i < len(found.epochs) and found.epochs[i] == epoch and np.isfinite(found.clock[i])
        return (float(found.clock[i]), float(found.pizza[i])) if there else None


@dataclass(frozen=True, eq=False)
class AlgorithmPicture:
    """What the view shows of a checkpoint.

    curves : None until the traces are open      table : L[s, d] of `correct_logits`, (n, n); None where undefined
    cycle : None where the task has none
    """

    curves: AlgorithmCurves | None
    table: NDArray[np.floating] | None
    cycle: Characters | None

    def pair_at(self, s: int, d: int) -> tuple[int, int]:
        """The pair of an entry of the table. Only where there is one."""
        assert self.cycle is not None
        return pair_at(self.cycle, s, d)

    def entry_of(self, pair: tuple[int, int]) -> tuple[int, int] | None:
        """Where a pair stands in the table."""
        if self.table is None or self.cycle is None:
            return None
        places = np.flatnonzero(np.isin(self.cycle.elements, pair))
        found = {int(self.cycle.elements[i]): int(i) for i in places}
        if not {*pair} <= {*found}:
            return None
        (i, j), n, sign = (found[x] for x in pair), self.cycle.n, self.cycle.sign
        return (i + sign * j) % n, (i - sign * j) % n


def algorithm_picture(
    run: Run,
    n: int,
    traces: Traces | None,
    pinned: Pinned | None,
    revision: int,
    step: int,
    thresholds: Thresholds | None = None,
) -> AlgorithmPicture:
    """Curves up to the n-th checkpoint and the map of one; float32 for drawing.  revision : of the traces"""
    curves = None if traces is None else algorithm_curves(run, n, traces, pinned, revision, thresholds)
    try:
        x = characters(run.config)
    except NoBasis:
        return AlgorithmPicture(curves, None, None)
    odd = not undefined(run.config).irrelevance
    table = correct_logits(activations(run, step, exact=False).logits, x) if odd else None
    return AlgorithmPicture(curves, table, x)


@lru_cache(maxsize=2)
def algorithm_curves(
    run: Run,
    n: int,
    traces: Traces,
    pinned: Pinned | None,
    revision: int,
    thresholds: Thresholds | None = None,
) -> AlgorithmCurves:
    """The measures up to the n-th checkpoint, from the traces; the same object while nothing is new."""
    last, not_for = int(run.epochs[n - 1]), undefined(run.config)
    epochs, columns = traces.extra("algorithm")
    seen = epochs <= last
    nothing = np.zeros(0)
    found = {name: columns[name][seen] if name in columns else nothing for name in _COLUMNS}
    circles, bound = {}, 0.0
    for k in () if pinned is None or not_for.circularity else pinned.keys:
        at, both = traces.extra(f"circle/{k}")
        if len(at):
            circles[k] = CircleCurve(at[at <= last], both["clock"][at <= last], both["pizza"][at <= last])
            bound = pure(characters(run.config).n, k)
    measured = traces.epochs
    return AlgorithmCurves(
        epochs=epochs[seen],
        circles=circles,
        pure=bound,
        pinned=pinned,
        phases=trace_phases(run, traces, n, thresholds),
        undefined=not_for,
        last=float(max((measured[measured <= last].max(initial=0), epochs[seen].max(initial=0)))),
        **found,
    )


_COLUMNS = ("symmetricity", "error", "published", "irrelevance", "circularity")
