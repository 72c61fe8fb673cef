"""What the window does with a second run: opening it beside the first, aligning, exchanging and closing it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QMenu

from app.beside import Beside
from app.comparison import Comparison
from app.compute import Query
from app.family import describe
from app.opening import Opening
from app.reference_strip import ReferenceStrip
from app.session import Selection
from engine.analysis.alignment import Alignment
from engine.runfile import Run

if TYPE_CHECKING:
    from app.main_window import MainWindow

NEED_A_REFERENCE = ("beside", "exchange", "uncompare", *(f"align.{alignment.name}" for alignment in Alignment))
"""Names of the commands that do nothing without one."""


class Comparing(QObject):
    """strip : stands over the timeline    beside : which views stand beside the reference's"""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.comparison = Comparison.of(window.session, window.compute)
        self.beside = Beside(window)
        self.strip = ReferenceStrip(self.comparison)
        self.strip.exchanged.connect(self.exchange)
        self.strip.closed.connect(self.close_reference)
        self.strip.compared.connect(self.show_comparison)
        self.strip.besides.connect(self.beside.toggle_all)
        self._opening: list[Opening] = []
        self._recent: QMenu | None = None

    def take_menu(self) -> None:
        """The menu is there: add relatives and the runs of late, and let its commands follow."""
        menus = self._window.menus
        self._recent = QMenu("Compare with a &relative or recent run", self._window)
        menus.menus["Compare"].insertMenu(menus.actions["compare demonstration"], self._recent)
        self._recent.aboutToShow.connect(self._fill_recent)
        self.comparison.changed.connect(self._tell_menu)
        self._tell_menu()

    # -- the second run ------------------------------------------------------------------------------------

    def open(self, which: Run | str | Path) -> None:
        """Put a run, or the run of a file, beside the one on show; without one, show it. What is wrong is said."""
        window = self._window
        if isinstance(which, Run):
            self._take(which)
        elif window.session.selection.run is None:
            window.open(which)
        else:
            window.say(f"Opening {Path(which).name} beside the run on show …")
            opening = Opening(Path(which), self)
            self._opening.append(opening)
            opening.finished.connect(partial(self._opened, opening))
            opening.start()

    def _opened(self, opening: Opening) -> None:
        self._opening.remove(opening)
        opening.wait()
        if opening.run_found is None:
            self._window.say(opening.why, error=True)
        else:
            live = self._window.family.live()  # what is being trained is read through its writer
            self._take(live if live is not None and live == opening.run_found else opening.run_found)

    def _take(self, run: Run) -> None:
        session = self._window.session
        if session.selection.run is None:
            self._window.show_run(run)
        elif session.selection.run == run:
            self._window.say(f"{run.path.name} is the run on show: choose another to compare it with.", error=True)
        else:
            session.compare(run)
            self._window.say(f"Beside it: {run.path.name} ({self.comparison.said}).")

    def ask_for_file(self) -> None:
        window = self._window
        folder = str(window.settings.value("training/folder", ""))
        name, _ = QFileDialog.getOpenFileName(window, "Compare with a run", folder, "Run files (*.h5);;All files (*)")
        if name:
            self.open(name)

    def exchange(self) -> None:
        """Each run in the other's place, at the checkpoints that are on show."""
        if self.comparison.kinship is not None:
            self._window.timeline.play(False)
            self._window.session.exchange(self.comparison.twin.selection)

    def close_reference(self) -> None:
        self._window.session.compare(None)

    def align(self, alignment: Alignment) -> None:
        """What is not possible is said, not done."""
        session = self._window.session
        why = self.comparison.why_not(alignment, session.selection)
        if why:
            self._window.say(f"The runs cannot be aligned by {alignment.value}: {why}.", error=True)
        else:
            session.select(alignment=alignment)

    def show_comparison(self) -> None:
        """The view that says what differs."""
        dock = self._window.docks["compare"]
        dock.show()
        dock.raise_()

    # -- what the window asks ------------------------------------------------------------------------------

    def queries(self, there: Selection) -> list[Query]:
        """What the views of the reference would want beside a selection of the run on show."""
        place = self.comparison.placed(there)
        if place is None:
            return []
        shown = [view for view in self.beside.views if view.on_show]
        asked = (view.query(replace(view.session.selection, step=place.step)) for view in shown)
        return [query for query in asked if query is not None]

    def restyle(self) -> None:
        self.strip.restyle()
        self.beside.restyle()

    def wait(self) -> None:
        """Until no file is being opened."""
        for opening in self._opening:
            opening.wait()

    # -- the menu ------------------------------------------------------------------------------------------

    def _fill_recent(self) -> None:
        assert self._recent is not None
        run, family = self._window.session.selection.run, self._window.family
        self._recent.clear()
        for i, member in enumerate(family.members):
            if i != family.shown:
                above = None if member.parent is None else family.members[member.parent]
                text = f"{member.header.path.stem}: {describe(member, above)}"
                self._recent.addAction(text, partial(self.open, member.header.path))
        self._recent.addSeparator()
        for name in self._window.recent():
            action = self._recent.addAction(name, partial(self.open, name))
            action.setEnabled(run is None or Path(name) != run.path)

    def _tell_menu(self) -> None:
        there, selection = self.comparison.kinship is not None, self._window.session.selection
        for name in NEED_A_REFERENCE:
            self._window.menus.actions[name].setEnabled(there)
        for alignment in Alignment:
            possible = there and not self.comparison.why_not(alignment, selection)
            self._window.menus.actions[f"align.{alignment.name}"].setEnabled(possible)
