"""The first layer's heads over training, looked up in parts while nobody waits for anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from app.compute import Answer, Compute, Query
from engine.analysis.characters import NoBasis, characters
from engine.analysis.heads import HeadLives, head_lives
from engine.runfile import Run

_PART = 4  # checkpoints looked up at a time: some 5 ms each


class Lives(QObject):
    """Frequency and share of every head at every checkpoint, from the last one back.

    known : what is known so far, ascending; epochs (m,), the rest (m, n_heads)    trouble : why there is nothing
    """

    changed = Signal()

    def __init__(self, compute: Compute, parent: QObject) -> None:
        super().__init__(parent)
        self.compute = compute
        self.trouble = ""
        self._run: Run | None = None
        self._n = 0
        self._query: Query | None = None
        self._missing: list[int] = []  # steps, ascending
        self._found: dict[int, tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]] = {}
        self._asking = False
        self.known = _nothing()
        compute.answered.connect(self._receive)

    @property
    def complete(self) -> bool:
        return bool(self.trouble) or not self._missing

    def look_at(self, run: Run, n_checkpoints: int) -> None:
        """Begin with another run; go on with the same one where it has more checkpoints."""
        if run is not self._run or n_checkpoints < self._n:
            self._run, self._n, self._query, self._missing, self._found = run, 0, None, [], {}
            self.known, self.trouble = _nothing(), ""
            try:
                characters(run.config)
            except NoBasis as error:
                self.trouble = str(error)
        if n_checkpoints > self._n:
            self._missing += range(self._n, n_checkpoints)
            self._n = n_checkpoints
        self._go_on()

    def _go_on(self) -> None:
        """Ask for the next part; inside an answer from the cache, the one who asked goes on."""
        if self._asking:
            return
        self._asking = True
        while self._query is None and self._missing and not self.trouble:
            assert self._run is not None
            stop = start = self._missing[-1] + 1
            for step in reversed(self._missing[-_PART:]):
                if step != start - 1:
                    break
                start = step
            self._query = Query(head_lives, (self._run, start, stop))
            self.compute.ask(self, self._query, urgent=False)
        self._asking = False

    def _receive(self, query: Query, answer: Answer) -> None:
        if query != self._query:
            return
        self._query = None
        _, start, stop = query.args
        self._missing = [step for step in self._missing if not start <= step < stop]  # type: ignore[operator]
        if answer.error is not None:
            self.trouble = str(answer.error)
        else:
            part: HeadLives = answer.value
            each = zip(part.frequency, part.share, part.explained, strict=True)
            self._found |= dict(zip(part.epochs.tolist(), each, strict=True))
            self.known = self._in_order()
        self.changed.emit()
        self._go_on()

    def _in_order(self) -> HeadLives:
        epochs = sorted(self._found)
        columns = zip(*(self._found[epoch] for epoch in epochs), strict=True)
        frequency, share, explained = (np.array(column) for column in columns)
        return HeadLives(np.array(epochs, np.int64), frequency, share, explained)


def _nothing() -> HeadLives:
    return HeadLives(np.zeros(0, np.int64), np.zeros((0, 0), np.int64), np.zeros((0, 0)), np.zeros((0, 0)))
