"""What a finger on the slider will want next, computed while nobody waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, QTimer

from app.compute import Compute, Query
from app.session import Selection, Session

_PAUSE_MS = 30  # without a new selection, before what may be wanted next is computed


class LookAhead(QObject):
    """Asks for the checkpoints that come next, in the direction of the drag."""

    def __init__(
        self, session: Session, compute: Compute, is_waiting: Callable[[], bool],
        wanted: Callable[[Selection], list[Query]],
    ) -> None:  # fmt: skip
        """is_waiting : whether a view does not show the selection yet    wanted : what a selection needs"""
        super().__init__()
        self._session, self._compute = session, compute
        self._is_waiting, self._wanted = is_waiting, wanted
        self._last_step, self._direction = 0, 1  # of a drag
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._look)

    def follow(self, selection: Selection) -> None:
        """A checkpoint is selected: drop what was looked ahead for, and begin again after a pause."""
        self._compute.look_ahead(())
        self._direction = 1 if selection.step >= self._last_step else -1
        self._last_step = selection.step
        self._pause.start()

    def _look(self) -> None:
        """Compute what a finger on the slider will want next, in the direction it moves; but not while it moves:
        the picture of what is known already would have to share the processor with it."""
        if self._is_waiting():
            self._pause.start()
            return
        selection = self._session.selection
        queries: list[Query] = []
        for step in self._steps(selection):
            queries += self._wanted(replace(selection, step=step))
        self._compute.look_ahead(queries)

    def _steps(self, selection: Selection) -> list[int]:
        """The next checkpoints in the direction of the drag; at an end of the run those that a finger can go to."""
        for direction in (self._direction, -self._direction):
            steps = [selection.step + direction * distance for distance in (1, 2, 3)]
            there = [step for step in steps if 0 <= step < selection.n_checkpoints]
            if there:
                return there
        return []
