"""A fixed number of cores, each working on its own: no parallel regions, no spinning at barriers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")
_chosen: int | None = None


@cache
def physical_cores() -> int:
    """Cores this process may use, hyper-threads counted once."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line.split(":")[1].strip() for line in file if line.startswith(("physical id", "core id"))]
        cores = len(set(zip(lines[::2], lines[1::2], strict=True)))
    except (OSError, IndexError, ValueError):
        cores = 0
    return max(1, min(usable, cores or usable))


def analysis_cores() -> int:
    """Cores an analysis of exact numbers may use: those chosen, else OMP_NUM_THREADS, as torch, else all."""
    named = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]  # one for each level of nesting
    return _chosen or (int(named) if named.isdecimal() and int(named) else physical_cores())


def choose_analysis_cores(count: int) -> None:
    """From now on, whatever OMP_NUM_THREADS says: where no window wants a core for itself."""
    global _chosen
    _chosen = count


class Lanes:
    """Runs tasks side by side: the calling thread is the first lane. What the tasks call must not use more cores."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._others = ThreadPoolExecutor(count - 1, "lane") if count > 1 else None

    def run(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """The tasks' results, in their order. Raises what a task raises, once all have ended."""
        if self._others is None:
            return [task() for task in tasks]
        pending = [self._others.submit(task) for task in tasks[1:]]
        try:
            first = tasks[0]()
        finally:
            errors = [future.exception() for future in pending]
        for error in errors:
            if error is not None:
                raise error
        return [first, *(future.result() for future in pending)]
