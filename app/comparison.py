"""The run beside the one on show: how it is related to it, and which of its epochs stands beside which."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Signal

from app.compute import Answer, Compute, Query
from app.session import Selection, Session
from app.tracing import Tracing
from app.twin import TwinSession
from engine import replay
from engine.analysis.alignment import Alignment, Moments, Place, TimeMap, moments, place, time_map, why_not_of
from engine.analysis.kinship import Kinship, kinship
from engine.runfile import Run

_UNKNOWN = "not known yet"


class Comparison(QObject):
    """Follows the session's reference. While there is none it does nothing.

    kinship : of the reference to the run on show; None without a reference
    """

    changed = Signal()  # another reference, or what the alignment needs is known

    def __init__(self, session: Session, compute: Compute) -> None:
        """Belongs to the session: `Comparison.of` finds it."""
        super().__init__(session)
        self.session, self._compute = session, compute
        self.kinship: Kinship | None = None
        self._twin: TwinSession | None = None
        self._pair: tuple[Run | None, Run | None] = (None, None)
        self._asked: list[Query | None] = [None, None]  # moments, of the run on show and of the reference
        self._known: list[tuple[Run, Moments] | None] = [None, None]
        compute.answered.connect(self._answered)
        session.changed.connect(self._selected)
        self._selected(session.selection)

    @classmethod
    def of(cls, session: Session, compute: Compute) -> Comparison:
        """The one of this session."""
        for child in session.children():
            if isinstance(child, cls):
                return child
        return cls(session, compute)

    @property
    def twin(self) -> TwinSession:
        """The reference as a session; made when it is first wanted."""
        if self._twin is None:
            self._twin = TwinSession(self)
            mine, theirs = (Tracing.of(session, self._compute) for session in (self.session, self._twin))
            theirs.held = lambda: mine.held() or bool(mine.left)  # the run on show is measured first
            self._twin.follow()
        return self._twin

    @property
    def tracing(self) -> Tracing:
        """Of the reference."""
        return Tracing.of(self.twin, self._compute)

    @property
    def said(self) -> str:
        """How the reference is related to the run on show, and what is set otherwise."""
        kin = self.kinship
        if kin is None:
            return ""
        changes = ", ".join(f"{d.name} {d.here} → {d.there}" for d in kin.differences)
        return f"{kin.said}; {changes}" if changes else kin.said

    def close(self) -> None:
        """Write and let go. Only when the analysis thread has ended."""
        if self._twin is not None:
            for child in self._twin.children():
                close: Any = getattr(child, "close", None)
                if close is not None:
                    close()
        if self._pair[1] is not None:
            replay.forget(self._pair[1])

    # -- time ----------------------------------------------------------------------------------------------

    def moments(self, selection: Selection) -> tuple[Moments | None, Moments | None]:
        """Of the run on show and of the reference; None where they are not known yet."""
        runs = selection.run, selection.reference
        found = zip(self._known, runs, strict=True)
        mine, theirs = (known[1] if known is not None and known[0] == run else None for known, run in found)
        return mine, theirs

    def why_not(self, alignment: Alignment, selection: Selection) -> str:
        """Why the two runs cannot be aligned so; empty: they can."""
        mine, theirs = self.moments(selection)
        if alignment is Alignment.EPOCH:
            return ""
        return _UNKNOWN if mine is None or theirs is None else why_not_of(alignment, mine, theirs)

    def alignment(self, selection: Selection) -> Alignment:
        """The one in force: by epoch where that which was chosen is not possible."""
        return Alignment.EPOCH if self.why_not(selection.alignment, selection) else selection.alignment

    def time_map(self, selection: Selection) -> TimeMap | None:
        """Epochs of the run on show as epochs of the reference; None while what it needs is not known."""
        if selection.reference is None or self.why_not(selection.alignment, selection) == _UNKNOWN:
            return None
        mine, theirs = self.moments(selection)
        anchors = [None if m is None else m.anchor for m in (mine, theirs)]
        return time_map(self.alignment(selection), *anchors)

    def placed(self, selection: Selection) -> Place | None:
        """The checkpoint of the reference beside a checkpoint of the run on show; None where there is none (yet)."""
        reference = selection.reference
        if reference is None or selection.run is None or not selection.n_checkpoints:
            return None
        there = self.there(selection, selection.epoch)
        return None if there is None else place(reference.epochs[: selection.n_reference], there)

    def there(self, selection: Selection, epoch: float) -> float | None:
        """An epoch of the run on show as one of the reference."""
        found = self.time_map(selection)
        return None if found is None else float(found.there(epoch))

    def back(self, selection: Selection, epoch: float) -> float | None:
        """An epoch of the reference as one of the run on show."""
        found = self.time_map(selection)
        return None if found is None else float(found.back(epoch))

    # -- following -----------------------------------------------------------------------------------------

    def _selected(self, selection: Selection) -> None:
        pair, before = (selection.run, selection.reference), self._pair
        self._pair = pair
        another = any(now is not then for now, then in zip(pair, before, strict=True)) and (before[1] or pair[1])
        if another:
            self._take(*pair, left=before[1])
        if selection.reference is not None:
            self._ask(selection)
        if self._twin is not None and (selection.reference is not None or another):
            self._twin.follow()
        if another:
            self.changed.emit()

    def _take(self, run: Run | None, reference: Run | None, left: Run | None) -> None:
        """Another pair of runs.  left : the reference before"""
        self.kinship = None if run is None or reference is None else kinship(run, reference)
        if left is not None and left not in (run, reference):
            replay.forget(left)
        if left is None:  # whoever looks at the run on show is told first
            self.session.changed.disconnect(self._selected)
            self.session.changed.connect(self._selected)

    def _ask(self, selection: Selection) -> None:
        """When both runs memorised and generalised."""
        sides = (selection.run, selection.n_checkpoints), (selection.reference, selection.n_reference)
        for i, (run, n) in enumerate(sides):
            query = Query(moments, (run, n, selection.thresholds)) if run is not None and n else None
            before, self._asked[i] = self._asked[i], query  # before asking: a cached answer arrives inside the call
            if query is not None and query != before:
                self._compute.ask((self, i), query)

    def _answered(self, query: Query, answer: Answer) -> None:
        if query.analysis is not moments or answer.error is not None:
            return
        before = list(self._known)
        for i, (asked, run) in enumerate(zip(self._asked, self._pair, strict=True)):
            if query == asked and run is not None:
                self._known[i] = run, answer.value
        if any(now is not then and now != then for now, then in zip(self._known, before, strict=True)):
            if self._twin is not None:
                self._twin.follow()
            self.changed.emit()
