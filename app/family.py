"""The relatives of the run on show: its parent, its forks and theirs, wherever their files are known to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

from PySide6.QtCore import QObject, QThread, QTimer, Signal

from app.numbers import epoch_text
from app.session import Selection, Session
from engine.lineage import Headers, Member, family
from engine.runfile import Run, RunError

_LIVE_MS = 15_000  # between two looks at the files while a relative is trained
_GROW_MS = 1000  # between two looks at how far it is


class Family(QObject):
    """Looks for related runs in a thread whenever another run is on show. Empty where it is alone.

    elsewhere : names of files outside the run's folder that may be relatives
    live : the run that is being trained by this window, or None
    """

    changed = Signal()  # the members, or how far one of them is

    def __init__(self, session: Session) -> None:
        """Belongs to the session: `Family.of` finds it."""
        super().__init__(session)
        self._session = session
        self.elsewhere: Callable[[], Iterable[str]] = lambda: ()
        self.live: Callable[[], Run | None] = lambda: None
        self.members: tuple[Member, ...] = ()
        self._headers = Headers()
        self._look: _Look | None = None
        self._again = False
        self._of = ""  # id of the run on show
        self._timer = QTimer(self)
        self._timer.setInterval(_GROW_MS)
        self._timer.timeout.connect(self._follow)
        self._waited = 0
        session.changed.connect(self._selected)
        self._selected(session.selection)

    @classmethod
    def of(cls, session: Session) -> Family:
        """The one of this session."""
        for child in session.children():
            if isinstance(child, cls):
                return child
        return cls(session)

    @property
    def shown(self) -> int | None:
        """Place of the run on show among the members."""
        return self.place_of(self._of)

    @property
    def looking(self) -> bool:
        """Whether the members may still be others than those of the run on show."""
        return self._look is not None

    def place_of(self, run_id: str) -> int | None:
        return next((i for i, member in enumerate(self.members) if member.header.id == run_id), None)

    def last_epoch(self, member: Member) -> int:
        """How far a member is now, also while it is trained or shown growing."""
        for run in (self.live(), self._session.selection.run):
            if run is not None and run.id == member.header.id and run.n_checkpoints:
                return int(run.epochs[-1])
        return member.header.last

    def refresh(self) -> None:
        """Look again: a run was begun, or has ended."""
        run = self._session.selection.run
        if run is None:
            return
        if self._look is not None:
            self._again = True
            return
        live = self.live()
        runs = [run, *([live] if live is not None and live.id != run.id else [])]
        self._look = look = _Look(runs, [Path(name) for name in self.elsewhere()], self._headers)
        look.finished.connect(self._found)
        look.begin()

    def close(self) -> None:
        """End the thread, if there is one."""
        self._timer.stop()
        self._again = False
        self._headers.cancel()
        if self._look is not None:
            self._look.wait()

    # -- what happens --------------------------------------------------------------------------------------

    def _selected(self, selection: Selection) -> None:
        run_id = "" if selection.run is None else selection.run.id
        if run_id == self._of:
            return
        self._of = run_id
        if self.shown is None:  # a stranger: nobody is related to it until they are found
            self._take(())
        else:
            self.changed.emit()
        self.refresh()

    def _found(self) -> None:
        look, self._look = self._look, None
        assert look is not None
        look.wait()
        run = self._session.selection.run
        if run is not None and look.runs[0].id == run.id:
            self._take(look.members if len(look.members) > 1 else ())
        elif run is not None:
            self._again = True
        if self._again:
            self._again = False
            self.refresh()

    def _take(self, members: tuple[Member, ...]) -> None:
        live = self.live()
        grows = live is not None and any(member.header.id == live.id for member in members)
        if grows and not self._timer.isActive():
            self._timer.start()
        elif not grows:
            self._timer.stop()
        if members or self.members:
            self.members = members
            self.changed.emit()

    def _follow(self) -> None:
        """A relative is being trained: its lane grows, and now and then its curves."""
        self._waited += _GROW_MS
        if self.live() is None or self._waited >= _LIVE_MS:
            self._waited = 0
            self.refresh()
        self.changed.emit()


class _Look(QThread):
    """Reads headers away from the window.  runs : the one on show, and others that are open"""

    _begun: ClassVar[set[_Look]] = set()  # a thread outlives who began it: Qt ends the program when it deletes one

    def __init__(self, runs: list[Run], elsewhere: list[Path], headers: Headers) -> None:
        super().__init__()
        self.runs, self._elsewhere, self._headers = runs, elsewhere, headers
        self.members: tuple[Member, ...] = ()

    def begin(self) -> None:
        self._begun.difference_update([look for look in self._begun if look.isFinished()])
        self._begun.add(self)
        self.start()

    def run(self) -> None:
        try:
            self.members = family(self._headers.look_around(self.runs, self._elsewhere), self.runs[0].id)
        except (OSError, RunError):  # the folder or the run is gone: then nobody is known
            self.members = ()


def describe(member: Member, parent: Member | None) -> str:
    """What a relative is, in a line: weight decay 1 → 0, from epoch 5 000, optimiser fresh."""
    origin = member.header.origin
    if parent is None:
        if origin.parent is None:
            return "the beginning of this family"
        return f"forked at epoch {epoch_text(origin.epoch)}; its parent was not found"
    changes = member.changes or ("nothing changed",)
    return ", ".join([*changes, f"from epoch {epoch_text(origin.epoch)}", f"optimiser {origin.optimizer}"])
