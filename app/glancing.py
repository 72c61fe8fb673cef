"""Which glance at a run is due (`engine.glance`): its weights as they come, and now and then a sketch."""

from __future__ import annotations

import contextlib
import itertools
import time
from dataclasses import dataclass

from app.compute import Answer, Query
from engine.analysis.characters import NoBasis
from engine.analysis.progress_curves import Pinned
from engine.traces import Traces

SKETCH_SHARE = 0.01  # of a core's time that sketches of a run in training may take


@dataclass(frozen=True)
class Weighed:
    """left : checkpoints whose weights are still to be looked at     news : some that are on show were

    known : of a finished run, how many on show are known from their weights alone: views look at some themselves
    """

    left: int
    news: bool
    known: int


def weigh(traces: Traces, n: int, shown: int, serial: int) -> Weighed:
    """Look at the weights of some of the first n checkpoints.  shown : how many of them the views know of"""
    before = traces.unweighed(shown)
    left = traces.weigh(n)
    after = traces.unweighed(shown)
    measured = len(set(traces.epochs.tolist()) & set(traces.run.epochs[:shown].tolist()))
    return Weighed(left, after < before, 0 if traces.run.grows else shown - measured - after)


@dataclass(frozen=True)
class Sketched:
    """Candidates at a checkpoint of a run in training, and the seconds of processor time it took to know them."""

    candidates: Pinned
    seconds: float


def sketch(traces: Traces, step: int) -> Sketched:
    """Sketch a checkpoint; no candidates where the task has no basis."""
    begin = time.thread_time()
    keys: tuple[int, ...] = ()
    with contextlib.suppress(NoBasis):
        keys = traces.glance.sketch(step).candidates
    return Sketched(Pinned(keys, int(traces.run.epochs[step]), False), time.thread_time() - begin)


class Glancing:
    """The questions about one run, in their order, and what came of them.

    candidates : of the last sketch, or of a plan; None: not known
    """

    def __init__(self) -> None:
        self.candidates: Pinned | None = None
        self._told = 0  # so many were known from their weights when the views were told last
        self._weighed = self._weighing = 0  # so many checkpoints need no look at their weights; will need none
        self._sketched, self._free_at = 0, 0.0  # after how many checkpoints, and when there may be another
        self._serial = itertools.count()

    def next_weights(self, traces: Traces, n: int, shown: int) -> Query | None:
        """What to ask of the first n checkpoints; None: nothing is left.  shown : as `weigh`"""
        if self._weighed >= n:
            return None
        self._weighing = n
        return Query(weigh, (traces, n, shown, next(self._serial)))

    def take_weights(self, answer: Answer) -> bool:
        """-> whether there is news for the views"""
        found: Weighed | None = answer.value
        self._weighed = 0 if found is not None and found.left else self._weighing
        if found is None or not (found.news or found.known > self._told):
            return False
        self._told = found.known
        return True

    def next_sketch(self, traces: Traces, n: int) -> Query | None:
        """The newest of n checkpoints, where it is not sketched and the last one is paid for."""
        if self._sketched == n or time.monotonic() < self._free_at:
            return None
        self._sketched = n
        return Query(sketch, (traces, n - 1))

    def take_sketch(self, answer: Answer) -> bool:
        """-> whether it was made: one that cannot be says so where its checkpoint is shown"""
        found: Sketched | None = answer.value
        if found is not None:
            self._free_at = time.monotonic() + found.seconds / SKETCH_SHARE
            self.candidates = found.candidates
        return found is not None
