"""A neuron to begin with: of a run that was opened and in which nobody chose one."""

from __future__ import annotations

from PySide6.QtCore import QObject

from app.compute import Answer, Compute, Query
from app.session import Selection, Session
from engine.analysis.wall import clearest_neuron
from engine.runfile import Run


class Telling(QObject):
    """Suggests the clearest neuron of the last checkpoint, when whoever waits has been answered."""

    def __init__(self, session: Session, compute: Compute) -> None:
        super().__init__()
        self._session, self._compute = session, compute
        self._asked: Query | None = None
        self._run: Run | None = None  # of which a neuron is asked for
        session.changed.connect(self._selected)
        compute.answered.connect(self._answered)

    def look_for(self, run: Run) -> None:
        """Begin; a neuron that is chosen in the meantime, also if it is let go again, ends it."""
        selection = self._session.selection
        if selection.run is run and selection.n_checkpoints and not selection.neurons:
            self._run = run
            self._asked = Query(clearest_neuron, (run, selection.n_checkpoints - 1))  # before a cached answer comes
            self._compute.ask(self, self._asked, urgent=False)

    def _selected(self, selection: Selection) -> None:
        if self._asked is not None and (selection.neurons or selection.run is not self._run):
            self._asked = self._run = None

    def _answered(self, query: Query, answer: Answer) -> None:
        run = self._run
        if query != self._asked or run is None:
            return
        self._asked = self._run = None
        if answer.error is None and answer.value is not None:
            self._session.suggest(neurons=((run.config.n_layers - 1, answer.value),))
