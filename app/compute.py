"""Questions and the one thread that answers them."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Qt, Signal

CACHE_BYTES = 192 * 2**20


@dataclass(frozen=True)
class Query:
    """A pure function and what it is asked: cache key, de-duplication and staleness check at once."""

    analysis: Callable[..., Any]
    args: tuple[Hashable, ...]
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.analysis, self.args)))

    def __hash__(self) -> int:
        """Taken once: a query is looked up many times."""
        return self._hash


@dataclass(frozen=True)
class Answer:
    """A value, or the exception that was raised instead."""

    value: Any = None
    error: Exception | None = None


class Compute(QObject):
    """Answers one question at a time.

    What is asked at one moment is answered together, before anything newer: while a finger moves all views show the
    same checkpoint. Then what can wait (exact numbers, traces), then what may be wanted next.
    """

    answered = Signal(object, object)  # Query, Answer
    _done = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self._cache: OrderedDict[Query, tuple[Answer, int]] = OrderedDict()
        self._bytes = 0
        self._wanted: OrderedDict[Hashable, Query] = OrderedDict()
        self._patient: OrderedDict[Hashable, Query] = OrderedDict()
        self._last: set[Hashable] = set()  # who goes after the others
        self._together: deque[Query] = deque()  # asked at one moment, still to be answered
        self._answering: dict[Hashable, Query] = {}  # taken by the thread, not yet delivered
        self._ahead: list[Query] = []
        self._news = threading.Condition()
        self._closing = self._working = False
        self.seconds = 0.0  # of processor time spent on answers so far
        self._done.connect(self._finish, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._work, name="analysis", daemon=True)
        self._thread.start()

    def ask(self, asker: Hashable, query: Query, urgent: bool = True, last: bool = False) -> None:
        """Answer now from the cache, else later; a new question of the same asker replaces its old one.

        last : after the others of the same moment
        """
        known = self.recall(asker, query, urgent)
        if known is not None:
            self.answered.emit(query, known)
            return
        waiting = self._wanted if urgent else self._patient
        with self._news:
            if query in self._answering.values():
                waiting.pop(asker, None)
                self._answering[asker] = query
                return
            waiting[asker] = query
            (self._last.add if last else self._last.discard)(asker)
            self._news.notify()

    def recall(self, asker: Hashable, query: Query, urgent: bool = True) -> Answer | None:
        """What is known already; nobody else is told, and what the asker asked before is wanted no more."""
        if query not in self._cache:
            return None
        self._cache.move_to_end(query)
        with self._news:
            (self._wanted if urgent else self._patient).pop(asker, None)
        return self._cache[query][0]

    def look_ahead(self, queries: Iterable[Query]) -> None:
        """What to compute when nothing is asked; replaces what was wished before."""
        with self._news:
            self._ahead = [query for query in queries if query not in self._cache]
            self._news.notify()

    @property
    def busy(self) -> bool:
        """Whether someone is waiting for an answer."""
        return bool(self._wanted or self._patient or self._answering)

    @property
    def idle(self) -> bool:
        """Whether nothing is computed, not even ahead."""
        return not (self.busy or self._ahead or self._working)

    def knows(self, query: Query) -> bool:
        return query in self._cache

    def close(self) -> None:
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join(timeout=10)

    # -- the analysis thread -------------------------------------------------------------------------------

    def _work(self) -> None:
        while (query := self._next()) is not None:
            self._working = True
            begin = time.thread_time()
            try:
                answer = Answer(query.analysis(*query.args))
            except Exception as error:  # shown in the view that asked
                answer = Answer(error=error)
            self.seconds += time.thread_time() - begin
            self._working = False
            if not self._closing:
                self._done.emit(query, answer)

    def _next(self) -> Query | None:
        with self._news:
            self._news.wait_for(lambda: self._closing or self._together or self._wanted or self._patient or self._ahead)
            if self._closing:
                return None
            if not self._together and self._wanted:
                asked = sorted(self._wanted.items(), key=lambda one: one[0] in self._last)
                self._together.extend(dict.fromkeys(query for _, query in asked))
                self._answering.update(self._wanted)
                self._wanted.clear()
            if self._together:
                return self._together.popleft()
            if self._patient:
                query = next(iter(self._patient.values()))
                for asker in [asker for asker, wanted in self._patient.items() if wanted == query]:
                    self._answering[asker] = self._patient.pop(asker)
                return query
            return self._ahead.pop(0)

    # -- the GUI thread ------------------------------------------------------------------------------------

    def _finish(self, query: Query, answer: Answer) -> None:
        with self._news:
            for asker in [asker for asker, taken in self._answering.items() if taken == query]:
                del self._answering[asker]
        if answer.error is None and query not in self._cache:
            size = memory_of(answer.value)
            self._cache[query] = answer, size
            self._bytes += size
            while self._bytes > CACHE_BYTES and len(self._cache) > 1:
                self._bytes -= self._cache.popitem(last=False)[1][1]
        self.answered.emit(query, answer)


def memory_of(value: Any) -> int:
    """Bytes of the arrays in an answer, and a little for the rest."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if is_dataclass(value):
        return 64 + sum(memory_of(getattr(value, f.name)) for f in fields(value))
    return 64
