"""A fixed number of cores, each working on its own: no parallel regions, no spinning at barriers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


class Lanes:
    """Runs tasks side by side, one torch thread each: the calling thread is the first lane."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._others = ThreadPoolExecutor(count - 1, "lane", torch.set_num_threads, (1,)) if count > 1 else None

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
