"""Measuring a set of parts over training, a piece at a time, when a person asks for it and whenever nobody waits."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from app.compute import Answer, Compute, Query
from app.session import Selection, Session
from app.tracing import Tracing
from engine.analysis.load_bearing import SetTraces
from engine.analysis.set_questions import SetQuestion
from engine.traces import Traces

_NEXT_MS = 10  # between two pieces
_TELL_MS = 500  # at least, between two `grew`
_HELD_MS = 500  # between two looks whether a training still goes on


def missing_steps(work: SetTraces, n: int, serial: int) -> tuple[int, ...]:
    """Checkpoints below n that are not measured, coarse to fine."""
    return tuple(work.missing(n))


def advance(work: SetTraces, step: int, shown: int, serial: int) -> bool:
    """A piece of a checkpoint; what it needed is dropped with the last one, unless it is on show.  -> whether done"""
    done = work.advance(step)
    if done and step != shown:
        work.drop(step)
    return done


def flush(traces: Traces, serial: int) -> None:
    traces.flush()


class SetTracing(QObject):
    """Measures one question on the run on show; what is done stays, and it goes on from there.

    question : what is measured, or was last     left, total : checkpoints     trouble : why it ended
    revision : of what is measured, which grows
    """

    grew = Signal()  # there is more to draw
    progressed = Signal()  # there is something new to tell

    def __init__(self, session: Session, compute: Compute, tracing: Tracing) -> None:
        super().__init__(tracing)
        self._session, self._compute, self._tracing = session, compute, tracing
        self.question: SetQuestion | None = None
        self.trouble = ""
        self.total = self.revision = 0
        self._work: SetTraces | None = None
        self._steps: list[int] | None = None  # None: not known yet
        self._asked: Query | None = None
        self._serial = itertools.count()
        self._next = self._timer(self._go_on)
        self._tell = self._timer(self._grow)
        session.changed.connect(self._selected)
        compute.answered.connect(self._answered)

    @property
    def running(self) -> bool:
        return self._work is not None

    @property
    def left(self) -> int:
        """Checkpoints that are still to be measured."""
        return len(self._steps or ())

    def start(self, question: SetQuestion) -> None:
        """Measure what is missing; of another question what is done stays."""
        traces = self._tracing.traces
        if traces is None or (self.running and question == self.question):
            return
        self._end()
        self.question, self.trouble, self.total = question, "", self._session.selection.n_checkpoints
        self._work, self._steps = SetTraces(traces, question), None
        self._next.start(0)
        self.progressed.emit()

    def stop(self) -> None:
        """After the piece in hand."""
        if self.running:
            self._end()
            self.progressed.emit()

    def _end(self) -> None:
        if self._work is not None:
            query = Query(flush, (self._work.traces, next(self._serial)))
            self._compute.ask(query, query, urgent=False)
        self._work = self._steps = self._asked = None
        self._next.stop()

    def _selected(self, selection: Selection) -> None:
        if self.running and self._work is not None and selection.run is not self._work.traces.run:
            self.stop()

    def _go_on(self) -> None:
        """Ask for the next piece, if it is time."""
        work = self._work
        if work is None or self._asked is not None:
            return
        if self._tracing.traces is not work.traces:
            self.stop()
        elif self._compute.busy:
            self._next.start(_NEXT_MS)
        elif self._tracing.held():
            self._next.start(_HELD_MS)
        elif self._steps is None:
            self._ask(Query(missing_steps, (work, self.total, next(self._serial))))
        elif self._steps:
            shown = self._session.selection.step
            self._ask(Query(advance, (work, self._steps[0], shown, next(self._serial))))
        else:
            self.stop()

    def _ask(self, query: Query) -> None:
        self._asked = query  # before asking: a cached answer arrives inside the call
        self._compute.ask(self, query, urgent=False)

    def _answered(self, query: Query, answer: Answer) -> None:
        if query is not self._asked:
            return
        self._asked = None
        if answer.error is not None:
            self.trouble = str(answer.error)
            self.stop()
            return
        if query.analysis is missing_steps:
            self._steps = list(answer.value)
            self._grow()
        elif answer.value:
            assert self._steps is not None
            self._steps.pop(0)
            if not self._tell.isActive():
                self._tell.start(0 if not self._steps else _TELL_MS)
        self.progressed.emit()
        self._next.start(_NEXT_MS)

    def _grow(self) -> None:
        self.revision += 1
        self.grew.emit()

    def _timer(self, action: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.timeout.connect(action)
        return timer
