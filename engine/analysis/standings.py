"""Who leads the race of the frequencies in each matrix and in the neurons, and what the start told of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from engine.analysis.embedding import MATRICES
from engine.analysis.lottery import Tickets, tickets
from engine.analysis.phases import Thresholds
from engine.analysis.progress_curves import Pinned
from engine.analysis.race import NEURONS, Race, race
from engine.runfile import Run
from engine.traces import Traces

WHERE = (*MATRICES, NEURONS)


@dataclass(frozen=True, eq=False)
class Lottery:
    """races : `WHERE` -> who leads over training     tickets : held at one checkpoint, and what became of them"""

    races: dict[str, Race]
    tickets: Tickets

    @property
    def keys(self) -> tuple[int, ...]:
        """The pinned frequencies of the cycle."""
        return self.races[NEURONS].keys


def lottery(
    run: Run,
    n: int,
    traces: Traces | None,
    pinned: Pinned | None,
    revision: int,
    at: int,
    thresholds: Thresholds | None = None,
) -> Lottery:
    """The races up to the n-th checkpoint, and the tickets held at step `at`.  revision : of the traces, which grow"""
    return Lottery(races(run, n, traces, pinned, revision, thresholds), tickets(run, at, n - 1))


@lru_cache(maxsize=2)
def races(
    run: Run, n: int, traces: Traces | None, pinned: Pinned | None, revision: int, thresholds: Thresholds | None
) -> dict[str, Race]:
    """The race everywhere; the same object while nothing is new."""
    return {which: race(run, n, traces, pinned, revision, which, thresholds) for which in WHERE}
