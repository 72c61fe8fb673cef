"""Measuring the checkpoints of the run on show, one at a time, whenever nobody waits for the analysis thread.

While the run itself is trained it is not measured: that takes a forward pass in float64 for each checkpoint. Its
weights are looked at as they come, and now and then the newest checkpoint is sketched (`engine.glance`).
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

from app.compute import Answer, Compute, Query
from app.glancing import Glancing, sketch, weigh
from app.numbers import epoch_text
from app.session import Selection, Session
from engine.analysis.progress_curves import Pinned, pinned_keys
from engine.runfile import Run
from engine.traces import Traces, extras_of

_QUIET_MS = 400  # after the last selection: the person and what may be wanted next go first
_NEXT_MS = 10  # between two checkpoints
_TELL_MS = 500  # at least, between two `grew`
_HELD_MS = 500  # between two looks whether a training still goes on
_SERIALS = itertools.count()


Job = tuple[int, tuple[str, ...]]
"""A checkpoint to be measured, and the extras: as much as may hold up a finger."""


@dataclass(frozen=True)
class Plan:
    """What to measure: the frequencies, and what is still missing, in its order."""

    pinned: Pinned
    jobs: tuple[Job, ...]


def open_traces(run: Run, serial: int) -> Traces:
    """The traces of a run.  serial : so that no closed ones are taken from a cache"""
    return Traces(run)


def plan(
    run: Run, traces: Traces, n: int, chosen: tuple[int, ...] | None, wanted: tuple[str, ...], serial: int
) -> Plan:
    """What is missing of the first n checkpoints. Excluded loss is measured for final key frequencies only.

    wanted : extras, by the start of their names
    """
    pinned = pinned_keys(run, n, chosen)
    keys, extras = pinned.keys if pinned.final else None, extras_of(run.config, wanted, pinned.keys)
    own = [name for name in extras if "/" in name]  # passes of their own
    shared = tuple(name for name in extras if name not in own)
    parts = [(shared, set(traces.missing(keys, shared)))]
    parts += [((name,), set(traces.missing(keys, (name,)))) for name in own]
    steps = [step for step in traces.missing(keys, extras) if step < n]
    return Plan(pinned, tuple((step, names) for step in steps for names, lacking in parts if step in lacking))


def trace_step(traces: Traces, step: int, keys: tuple[int, ...], extras: tuple[str, ...]) -> int:
    """Measure one checkpoint, and the excluded loss of some frequencies and the extras there."""
    traces.add(step, keys, extras)
    return step


def flush_traces(traces: Traces, serial: int) -> None:
    traces.flush()


def close_traces(traces: Traces, serial: int) -> None:
    """Write what is known; all of this happens in the analysis thread, so nothing is cut short."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # the last: it was closed, and nobody was told
        traces.flush()
    traces.close()


class Tracing(QObject):
    """Keeps the traces of the run on show and completes them.

    traces, pinned, revision : what a view asks its curves with; None until known
    held : whether a training goes on, which goes first
    sketches : whether checkpoints of a run in training are sketched
    """

    grew = Signal()  # the traces, or the frequencies, are others now
    sketched = Signal()  # a checkpoint of a run in training was: who does not need it at once waits for the next news
    progressed = Signal()  # there is something new to tell

    def __init__(self, session: Session, compute: Compute) -> None:
        """Belongs to the session: `Tracing.of` finds it."""
        super().__init__(session)
        self._session, self._compute = session, compute
        self.held: Callable[[], bool] = lambda: False
        self.run: Run | None = None
        self.traces: Traces | None = None
        self.pinned: Pinned | None = None
        self.revision = 0
        self.paused = False
        self.sketches = True
        self.trouble = ""  # why nothing is measured
        self.failed = 0  # checkpoints that could not be measured
        self.total = 0
        self._jobs: list[Job] = []
        self._wanted: tuple[str, ...] = ()  # extras
        self._planned: tuple[Any, ...] | None = None  # checkpoints, growing, keys chosen, extras wanted
        self._glancing = Glancing()
        self._asked: Query | None = None
        self._unsaved = False
        self._open: list[Traces] = []
        self._openings: set[Query] = set()  # asked for and not answered; another session's are not ours
        self._serial = _SERIALS
        self._next = self._timer(self._go_on)
        self._tell = self._timer(self._grow)
        session.changed.connect(self._selected)
        compute.answered.connect(self._answered)
        self._selected(session.selection)

    @classmethod
    def of(cls, session: Session, compute: Compute) -> Tracing:
        """The one of this session."""
        for child in session.children():
            if isinstance(child, cls):
                return child
        return cls(session, compute)

    @property
    def left(self) -> int:
        """Checkpoints that are still to be measured."""
        return len({step for step, _ in self._jobs})

    @property
    def is_done(self) -> bool:
        """Whether everything is measured, or cannot be, and the views have been told."""
        known = self.pinned is not None and not self._jobs
        return bool(self.trouble) or (known and not self._tell.isActive())

    def want(self, *extras: str) -> None:
        """Measure these extras of the run on show too: a view that shows them asks whenever it is refreshed."""
        more = tuple(sorted({*self._wanted, *extras}))
        if more != self._wanted:
            self._wanted = more
            self._next.start(_QUIET_MS)

    def pause(self, paused: bool) -> None:
        """Stop after the checkpoint in hand, or go on."""
        self.paused = paused
        self.progressed.emit()
        self._next.start(_NEXT_MS)

    def close(self) -> None:
        """Write and let go of everything. Only when the analysis thread has ended."""
        self._next.stop()
        self._tell.stop()
        self.run = self.traces = None
        for traces in self._open:
            close_traces(traces, 0)
        self._open.clear()

    # -- what happens next ---------------------------------------------------------------------------------

    def _selected(self, selection: Selection) -> None:
        if selection.run is not self.run:
            self._leave()
            self.run = selection.run
            self.progressed.emit()
        if self.run is None or not selection.n_checkpoints:
            return
        if self._is_in_training:  # the news of checkpoints may come too often to wait for quiet
            self._next.start(_NEXT_MS)
            return
        again = self._planned is not None and self._planned[2] != selection.pinned_keys
        self._next.start(0 if again or self.traces is None or self._planned is None else _QUIET_MS)

    def _leave(self) -> None:
        """Forget the run; its traces are closed by the thread that wrote them."""
        for traces in self._open:
            query = Query(close_traces, (traces, next(self._serial)))
            self._compute.ask(query, query)
        self.traces = self.pinned = self._planned = self._asked = None
        self.trouble, self.failed, self.total, self._jobs, self._unsaved = "", 0, 0, [], False
        self._wanted = ()
        self._glancing = Glancing()
        self._tell.stop()

    @property
    def _is_in_training(self) -> bool:
        """Whether the run on show is being trained."""
        return self.run is not None and self.run.grows and self.held()

    def _go_on(self) -> None:
        """Ask for the next thing, if it is time."""
        run, n = self.run, self._session.selection.n_checkpoints
        if run is None or not n or self._asked is not None or self.trouble:
            return
        chosen = self._session.selection.pinned_keys
        held, now = self.held(), (n, run.grows, chosen, self._wanted)
        if self.traces is None:
            opening = Query(open_traces, (run, next(self._serial)))
            self._openings.add(opening)
            self._ask(opening)
        elif self._is_in_training:
            self._glance(run, self.traces, n, chosen)
        elif self._planned != now and not (held and self._planned is not None):
            self._planned = now
            self._ask(Query(plan, (run, self.traces, n, chosen, self._wanted, next(self._serial))))
        elif not self.paused and (weights := self._glancing.next_weights(self.traces, n, n)) is not None:
            self._ask(weights)
        elif held:
            self._next.start(_HELD_MS)
        elif self._jobs and not self.paused and self.pinned is not None:
            if self._compute.busy:
                self._next.start(_NEXT_MS)
            else:
                keys = self.pinned.keys if self.pinned.final else ()
                shown = self._session.selection.step  # what is looked at goes first
                step, extras = next((job for job in self._jobs if job[0] == shown), self._jobs[0])
                self._ask(Query(trace_step, (self.traces, step, keys, extras)))
        elif self._unsaved:
            self._unsaved = False
            self._ask(Query(flush_traces, (self.traces, next(self._serial))))

    def _glance(self, run: Run, traces: Traces, n: int, chosen: tuple[int, ...] | None) -> None:
        """What can be known of a run while it is trained; of checkpoints whose news has not been told, too."""
        self._pin(pinned_keys(run, n, chosen) if chosen else self._glancing.candidates)
        if self._compute.busy:
            self._next.start(_NEXT_MS)
            return
        at_rest = self._session.seconds_at_rest > _QUIET_MS / 1000
        query = self._glancing.next_weights(traces, run.n_checkpoints, n)
        if query is None and self.sketches and not self.paused and at_rest:
            query = self._glancing.next_sketch(traces, n)
        if query is None:
            self._next.start(_HELD_MS)
        else:
            self._ask(query)

    def _pin(self, pinned: Pinned | None) -> None:
        """Take these frequencies, where they are others."""
        now = self.pinned
        if (pinned and (pinned.keys, pinned.by_hand)) != (now and (now.keys, now.by_hand)):
            self.pinned = pinned
            self._grow()

    def _ask(self, query: Query) -> None:
        self._asked = query  # before asking: a cached answer arrives inside the call
        self._compute.ask(self, query, urgent=False)

    def _answered(self, query: Query, answer: Answer) -> None:
        opened = query in self._openings and answer.value is not None
        self._openings.discard(query)
        if opened:
            self._open.append(answer.value)
        if query.analysis is close_traces and query.args[0] in self._open:
            self._open.remove(query.args[0])
        if query is not self._asked:
            if opened:  # of a run that is no longer on show
                late = Query(close_traces, (answer.value, next(self._serial)))
                self._compute.ask(late, late)
            return
        self._asked = None
        if query.analysis is trace_step:
            self._jobs.remove((query.args[1], query.args[3]))  # type: ignore[arg-type]
            self._unsaved = True
            self.failed += answer.error is not None
            if not self._tell.isActive():
                self._tell.start(_TELL_MS)
        elif query.analysis is weigh:
            if self._glancing.take_weights(answer) and not self._tell.isActive():
                self._tell.start(_TELL_MS)
        elif query.analysis is sketch:
            if self._glancing.take_sketch(answer):
                self._tell_sketch()
        elif answer.error is not None:
            self.trouble = str(answer.error)
        elif query.analysis is open_traces:
            self.traces = answer.value
            if self._is_in_training:  # there will be no plan
                self._grow()
        elif query.analysis is plan:
            self.pinned, self._jobs = answer.value.pinned, list(answer.value.jobs)
            self._glancing.candidates = None if self.pinned.final else self.pinned
            self.total = self._planned[0] if self._planned else 0
            self._grow()
        self.progressed.emit()
        measuring = query.analysis in (plan, trace_step) and self._jobs
        self._next.start((_NEXT_MS if query.analysis is trace_step else _QUIET_MS) if measuring else 0)

    def _tell_sketch(self) -> None:
        if self._session.selection.pinned_keys is None:
            self.pinned = self._glancing.candidates
        self.revision += 1
        self.sketched.emit()

    def _grow(self) -> None:
        self.revision += 1
        self.grew.emit()

    def _timer(self, action: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.timeout.connect(action)
        return timer


class TracingStatus(QWidget):
    """How far measuring is, with a pause; gone when there is nothing left."""

    def __init__(self, tracing: Tracing) -> None:
        super().__init__()
        self._tracing = tracing
        self._text = QLabel("")
        self._text.setProperty("role", "muted")
        self._text.setObjectName("tracing.text")
        self._pause = QToolButton()
        self._pause.setObjectName("tracing.pause")
        self._pause.setText("Pause")
        self._pause.setToolTip("Pause or go on measuring the checkpoints of the run on show")
        self._pause.setAccessibleName("Pause or go on measuring")
        self._pause.setStyleSheet("padding: 0 6px;")
        self._pause.clicked.connect(lambda: tracing.pause(not tracing.paused))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self._text)
        row.addWidget(self._pause)
        tracing.progressed.connect(self._show)
        self._show()

    def _show(self) -> None:
        tracing = self._tracing
        done = f"{epoch_text(tracing.total - tracing.left)} of {epoch_text(tracing.total)} checkpoints"
        self._text.setText(f"measuring paused at {done}" if tracing.paused else f"measuring {done}")
        self._pause.setText("Go on" if tracing.paused else "Pause")
        if tracing.trouble or (tracing.failed and not tracing.left):
            n = tracing.failed
            self._text.setText(f"not measured: {n} checkpoint{'s' * (n > 1)}" if n else "not measured")
            self._text.setToolTip(tracing.trouble or "These checkpoints could not be read.")
        self._pause.setVisible(bool(tracing.left))
        self.setVisible(bool(tracing.left or tracing.trouble or tracing.failed))
