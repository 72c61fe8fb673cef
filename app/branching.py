"""What if from here: forking, densifying and going to relatives, as the window does them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QDialog, QMenu

from app.densify_dialog import DensifyDialog
from app.densifying import BUSY
from app.family import Family, describe
from app.fork_dialog import ForkDialog
from app.numbers import epoch_text
from engine.lineage import Header
from engine.runfile import Run, RunError

if TYPE_CHECKING:
    from app.main_window import MainWindow

TRAINING = "A run is being trained: stop it first, or wait for its end."
_OPEN_RUNS = 6  # relatives that stay open, so that coming back to them takes no time


class Branching:
    """The slider's menu, its dialogs, and the way from one relative to another."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self.dialog: QDialog | None = None  # the last one that was opened
        self._open: dict[str, Run] = {}  # by run id, the last one at the end

    def why_not_now(self) -> str:
        """Why nothing can be trained at this moment; empty: it can."""
        if self._window.panel.is_training:
            return TRAINING
        return BUSY if self._window.densifying.active else ""

    # -- from here -----------------------------------------------------------------------------------------

    def fork(self, epoch: int | None = None) -> None:
        """Ask how a fork is to be different; epoch : None: that on show"""
        there = self._there(epoch)
        if there is not None:
            self._show(ForkDialog(self._window, *there))

    def densify(self, epoch: int | None = None) -> None:
        """Ask which stretch is to have more checkpoints; epoch : around which; None: that on show"""
        there = self._there(epoch)
        if there is not None:
            self._show(DensifyDialog(self._window, *there))

    def menu(self, epoch: int | None = None) -> QMenu:
        """What can be done at a checkpoint; None: at the one on show."""
        there = self._there(epoch)
        menu = QMenu(self._window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if there is None:
            return menu
        at = epoch_text(there[1])
        menu.addAction(f"Go to epoch {at}", lambda: self._window.session.scrub_to_epoch(there[1]))
        menu.addAction(f"Fork at epoch {at} …", lambda: self.fork(there[1]))
        menu.addAction(f"Densify around epoch {at} …", lambda: self.densify(there[1]))
        tree = self._window.timeline.tree
        if tree.family.members:
            menu.addSeparator()
            menu.addMenu(tree.menu(menu))
        return menu

    def open_menu(self, at: QPoint) -> None:
        """Of the checkpoint under the pointer.  at : in the slider"""
        slider, selection = self._window.timeline.slider, self._window.session.selection
        if selection.run is not None and selection.n_checkpoints:
            epoch = int(selection.run.epochs[slider.step_at(at.x())])
            self.menu(epoch).popup(slider.mapToGlobal(at))

    def open_button_menu(self) -> None:
        """Of the checkpoint on show."""
        button = self._window.timeline.branch
        self.menu().popup(button.mapToGlobal(button.rect().topLeft()))

    def _there(self, epoch: int | None) -> tuple[Run, int] | None:
        """The run on show and an epoch where it has a checkpoint."""
        selection = self._window.session.selection
        if selection.run is None or not selection.n_checkpoints:
            self._window.say("Open a run first: there is nothing to start from yet.")
            return None
        return selection.run, selection.epoch if epoch is None else epoch

    def _show(self, dialog: QDialog) -> None:
        self._window.timeline.play(False)
        self.dialog = dialog
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    # -- relatives -----------------------------------------------------------------------------------------

    def go_to(self, header: Header) -> None:
        """Show a relative, from where one is."""
        window, now = self._window, self._window.session.selection.run
        if now is None or now.id == header.id:
            return
        live = window.family.live()
        known = live if live is not None and live.id == header.id else self._open.get(header.id)
        if known is not None:
            try:
                known.refresh()
                window.showing.stay(known)
            except RunError:
                del self._open[header.id]
            else:
                self.tell(known)
                return
        window.open(header.path, stay=True)

    def tell(self, run: Run) -> None:
        """In what the run on show is different from its parent."""
        family = self._window.family
        place = family.place_of(run.id)
        if place is not None:
            member = family.members[place]
            above = None if member.parent is None else family.members[member.parent]
            self._window.say(f"{run.path.name}: {describe(member, above)}.")

    def take_denser(self, run: Run) -> None:
        """A run has more checkpoints: show them, if it is on show, and where one comes back to it."""
        if run.id in self._open:
            self._open[run.id] = run
        self._window.showing.take_denser(run)

    def keep(self, run: Run) -> None:
        """Leave a run open that one may come back to."""
        self._open.pop(run.id, None)
        self._open[run.id] = run
        while len(self._open) > _OPEN_RUNS:
            del self._open[next(iter(self._open))]


def family_of(window: MainWindow) -> Family:
    """The window's family, told where relatives may be and what is being trained."""
    family = Family.of(window.session)
    family.elsewhere = window.recent

    def live() -> Run | None:
        thread = window.panel.thread_in_training
        return None if thread is None else thread.run_in_training

    family.live = live
    return family
