"""A neuron's life over training, looked up in parts while nobody waits for anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from app.compute import Answer, Compute, Query
from app.session import NeuronId
from engine.analysis.characters import NoBasis, characters
from engine.analysis.neuron import life_of
from engine.analysis.neuron_page import neuron_life, neuron_thumbnails, traced_life
from engine.runfile import Run
from engine.traces import Traces

_PART = 2  # checkpoints looked up at a time: some milliseconds each


class Life(QObject):
    """Best frequency and FVE of a neuron at every checkpoint, and thumbnails, while nobody waits for anything.

    What the traces hold comes first, then the rest from the last checkpoint back.
    epochs, frequency, fve : what is known so far, ascending      settled, committed : as in `NeuronBiography`
    settled_known, committed_known : whether nothing that is still missing could change them
    awaits_traces : whether they are to come: those of a bundled run know of checkpoints that were not shipped
    thumbnails : step -> (size, size) uint8      trouble : why there is no frequency
    """

    changed = Signal()

    def __init__(self, compute: Compute, parent: QObject) -> None:
        super().__init__(parent)
        self.compute = compute
        self._who: tuple[Run, int, int] | None = None
        self._n: int
        self._running = False
        self._queries: dict[str, Query]  # on their way, by what they are for
        self._missing: list[int]  # steps, ascending
        self._found: dict[int, tuple[int, float]]  # k and FVE by epoch
        self._traces: Traces | None  # to be looked into
        self._seen: Traces | None  # looked into
        self._look: tuple[int, int]  # layout step and pixels of the thumbnails
        self._wanted: tuple[int, ...]
        self.thumbnails: dict[int, NDArray[np.uint8]]
        self.settled: int | None
        self.committed: int | None
        self._begin()
        compute.answered.connect(self._receive)

    @property
    def known(self) -> bool:
        """Whether settled and committed are what they will be."""
        return bool(self.trouble) or (self.settled_known and self.committed_known)

    @property
    def settled_known(self) -> bool:
        return self._settled_known and not self.awaits_traces

    @property
    def committed_known(self) -> bool:
        return self._committed_known and not self.awaits_traces

    @property
    def untraced(self) -> bool:
        """Whether no traces have told of it."""
        return self._seen is None or self._traces is not None

    @property
    def complete(self) -> bool:
        return bool(self.trouble) or not self._missing

    def look_at(self, run: Run, n_checkpoints: int, neuron: NeuronId, traces: Traces | None) -> None:
        """Begin with another neuron; go on with the same one where there is more to know."""
        who = (run, *neuron)
        same = self._who is not None and who == self._who and self._who[0] is run
        fresh = None if run.grows or traces is self._seen else traces
        if same and n_checkpoints == self._n and fresh is None:
            return
        if not same:
            self._begin()
            self._who = who
            try:
                characters(run.config)
            except NoBasis as error:
                self.trouble = str(error)
        before, self._n = self._n, n_checkpoints
        self._missing += range(before, n_checkpoints)
        if fresh is not None:
            self._traces = self._seen = fresh
        self._judge()
        self._go_on()

    def show_thumbnails(self, steps: tuple[int, ...], layout_step: int, pixels: int) -> None:
        """Which thumbnails are wanted, in whose axes and colours, how large."""
        look = (layout_step, pixels)
        if look != self._look:
            self._look, self.thumbnails = look, {}
        self._wanted = steps
        self._go_on()

    def _begin(self) -> None:
        self._n = 0
        self._queries, self._missing, self._found = {}, [], {}
        self._traces = self._seen = None
        self._look, self._wanted, self.thumbnails = (-1, 0), (), {}
        self.trouble = ""
        self.epochs, self.frequency, self.fve = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        self.settled = self.committed = None
        self._settled_known = self._committed_known = self.awaits_traces = False

    # -- asking --------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Ask for the next parts; inside an answer from the cache, the one who asked goes on."""
        if self._running:
            return
        self._running = True
        again = True
        while again and self._who is not None:
            again = False
            for name, part in (("life", self._next_part), ("look", self._next_thumbnails)):
                if name not in self._queries and (query := part()) is not None:
                    self._queries[name] = query
                    self.compute.ask((self, name), query, urgent=False)
                    again = again or name not in self._queries  # it was known already
        self._running = False

    def _next_part(self) -> Query | None:
        assert self._who is not None
        run, layer, index = self._who
        if self.trouble:
            return None
        if self._traces is not None:
            return Query(traced_life, (run, self._traces, self._n, layer, index))
        if not self._missing:
            return None
        quick = run.config.n_layers == 1 and not run.config.layer_norm
        stop = start = self._missing[-1] + 1
        for step in reversed(self._missing[-(_PART if quick else 1) :]):
            if step != start - 1:
                break
            start = step
        return Query(neuron_life, (run, layer, index, start, stop))

    def _next_thumbnails(self) -> Query | None:
        assert self._who is not None
        missing = [step for step in self._wanted if step not in self.thumbnails]
        if not missing:
            return None
        run, layer, index = self._who
        layout_step, pixels = self._look
        return Query(neuron_thumbnails, (run, layer, index, tuple(missing[:_PART]), layout_step, pixels))

    def _receive(self, query: Query, answer: Answer) -> None:
        if query == self._queries.get("life"):
            del self._queries["life"]
            self._take_life(query, answer)
        elif query == self._queries.get("look"):
            del self._queries["look"]
            steps: tuple[int, ...] = query.args[3]  # type: ignore[assignment]
            none = np.zeros((len(steps), 1, 1), np.uint8)
            tiles = none if answer.error is not None else answer.value
            if (query.args[4], query.args[5]) == self._look:
                self.thumbnails |= dict(zip(steps, tiles, strict=True))
        else:
            return
        self.changed.emit()
        self._go_on()

    def _take_life(self, query: Query, answer: Answer) -> None:
        traced = query.analysis is traced_life
        if traced:
            self._traces, self.awaits_traces = None, False
        elif answer.error is not None:
            self.trouble = str(answer.error)
        if answer.value is not None:
            part = answer.value
            at = zip(part.frequency.tolist(), part.fve.tolist(), strict=True)
            self._found |= dict(zip(part.epochs.tolist(), at, strict=True))
        assert self._who is not None
        epochs = self._who[0].epochs
        self._missing = [step for step in self._missing if int(epochs[step]) not in self._found]
        self._judge()

    def _judge(self) -> None:
        """What is known, in order, and what follows."""
        if self._who is None or not self._n:
            return
        order = sorted(self._found)
        self.epochs = np.array(order, np.int64)
        self.frequency = np.array([self._found[e][0] for e in order], np.int64)
        self.fve = np.array([self._found[e][1] for e in order])
        epochs = self._who[0].epochs[: self._n]
        if self._missing and self._missing[-1] == self._n - 1:  # the newest: what was known holds until it is
            return
        since = int(epochs[self._missing[-1] + 1]) if self._missing else int(min(epochs[0], self.epochs[0]))
        tail = self.epochs >= since
        life = life_of(self.epochs[tail], self.frequency[tail], self.fve[tail], np.zeros(int(tail.sum())))
        self.settled, self.committed = life.settled, life.committed
        self._settled_known = not self._missing or self.settled != since
        self._committed_known = not self._missing or self.committed != since


def thumbnail_steps(n: int, room: int, growing: bool) -> tuple[int, ...]:
    """At most `room` checkpoints, evenly over all n; of a growing run at round steps, so that few change with it."""
    if n <= room:
        return tuple(range(n))
    if not growing:
        return tuple(np.unique(np.round(np.linspace(0, n - 1, room)).astype(int)).tolist())
    stride = next(m * 10**i for i in range(9) for m in (1, 2, 5) if (n - 1) // (m * 10**i) < room)
    return tuple(range(0, n, stride))
