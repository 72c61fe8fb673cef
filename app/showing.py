"""The run on show: opening a file in a thread, showing it, and coming back to the one before."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.opening import Opening
from app.recent import RecentMenu
from app.theme import RESOURCES
from engine.runfile import Run

if TYPE_CHECKING:
    from app.main_window import MainWindow

DEMONSTRATION = RESOURCES / "demonstration.h5"
REDUCED = "A bundled run: its weights are rounded to float16, which moves recomputed losses by about 0.1 %."
DEMONSTRATION_EPOCH, DEMONSTRATION_NEURON = 9300, 3  # in the middle of the transition, one that makes it


class Showing:
    """What the window does to show a run.  recent : the menu of files opened last"""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._previous: Run | None = None
        self._previous_epoch: int | None = None
        self._opening: list[Opening] = []
        self.recent = RecentMenu(window.settings, window)
        self.recent.chosen.connect(window.open)

    def take_menu(self) -> None:
        """The menu is there: add the files opened last."""
        menus = self._window.menus
        menus.menus["File"].insertMenu(menus.actions["back"], self.recent)
        menus.actions["back"].setEnabled(False)

    @property
    def is_opening(self) -> bool:
        """Whether a file is looked through now."""
        return bool(self._opening)

    def wait(self) -> None:
        """Until no file is looked through any more."""
        for opening in self._opening:
            opening.wait()

    def open(self, path: str | Path, epoch: int | None = None, stay: bool = False) -> None:
        """As `MainWindow.open`."""
        window = self._window
        window.say(f"Opening {Path(path).name} …")
        if window.session.selection.run is None:
            window.session.select(trouble=f"Opening {Path(path).name} …")
        opening = Opening(Path(path), window)
        self._opening.append(opening)
        opening.finished.connect(partial(self._finish_opening, opening, epoch, stay))
        opening.start()

    def _finish_opening(self, opening: Opening, epoch: int | None, stay: bool) -> None:
        self._opening.remove(opening)
        opening.wait()
        if opening.run_found is None:
            self._window.say(opening.why, error=True)
            self._window.session.select(trouble=opening.why)
            self._window.opened.emit(None)
            return
        live = self._window.family.live()
        run = live if live is not None and live == opening.run_found else opening.run_found
        self.recent.remember(run.path)
        if stay:
            self.stay(run)
            self._window.branching.tell(run)
        else:
            self.show_run(run, epoch)
        if opening.run_found.path == DEMONSTRATION:
            self._window.session.suggest(neurons=((0, DEMONSTRATION_NEURON),))
        self._window.telling.look_for(opening.run_found)
        self._window.opened.emit(opening.run_found)

    def show_run(self, run: Run, epoch: int | None = None) -> None:
        """As `MainWindow.show_run`."""
        self._leave_for(run)
        self._window.session.show_run(run, epoch)
        self._window.timeline.slider.setFocus()

    def stay(self, run: Run) -> None:
        """Show a relative of the run on show from where one is."""
        self._leave_for(run)
        self._window.session.stay(run)

    def _leave_for(self, run: Run) -> None:
        selection = self._window.session.selection
        if selection.run is not None and selection.run.id != run.id:
            self._previous = selection.run
            self._window.branching.keep(selection.run)
            self._previous_epoch = selection.epoch if selection.n_checkpoints else None
        self._window.say(REDUCED if run.reduced_precision else "")
        self._window.menus.actions["back"].setEnabled(self._previous is not None)
        self._window.panel.previous.setEnabled(self._previous is not None)

    def take_denser(self, run: Run) -> None:
        """The same run with more checkpoints, in place of what is on show or was before."""
        before, now = self._previous, self._window.session.selection.run
        if before is not None and (before.id, before.path) == (run.id, run.path):
            self._previous = run
        if now is not None and (now.id, now.path) == (run.id, run.path):
            self._window.session.stay(run)

    def show_previous(self) -> None:
        """The run that was on show before, one click away."""
        run = self._previous
        if run is not None:
            self.show_run(run, self._previous_epoch)
            self._window.telling.look_for(run)

    def open_demonstration(self) -> None:
        """The bundled run, at a checkpoint that tells something: the middle of the transition."""
        if DEMONSTRATION.exists():
            self.open(DEMONSTRATION, epoch=DEMONSTRATION_EPOCH)

    def show_new(self, run: Run) -> None:
        """A training has begun; a fork of the run on show is looked at from where one is."""
        self.recent.remember(run.path)
        self._window.timeline.play(False)
        now = self._window.session.selection.run
        if now is not None and run.origin.parent == now.id:
            self.stay(run)
        else:
            self.show_run(run)
        self._window.session.select(following=True)
