"""The reference as a session of its own: it follows the main one, and what is selected in it goes back there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.session import BRUSHES, Selection, Session
from engine.analysis.ablation import Ablation
from engine.analysis.alignment import place
from engine.analysis.kinship import Kinship
from engine.runfile import Run

if TYPE_CHECKING:
    from app.comparison import Comparison

_EVERYWHERE = frozenset({"pair", "thresholds", "ablation", "layout_epoch"})


def shared(kin: Kinship) -> frozenset[str]:
    """The brushes that mean the same in both runs (science 2.13, comparing runs).

    A frequency does for the same p and operation: it is a number that a person chose. Neurons, heads and key
    frequencies chosen by hand do for forks and the same initial weights only: else which is which is arbitrary. A pair
    (a, b) does wherever it exists.
    """
    if kin.same_start:
        return frozenset(BRUSHES) - (frozenset() if kin.same_task else {"frequency", "pinned_keys"})
    return _EVERYWHERE | ({"frequency"} if kin.same_task else frozenset())


class TwinSession(Session):
    """Shows the reference at the checkpoint that belongs beside the one on show.

    Brushes that mean the same in both runs are those of the main session; the others are this one's own, and so is a
    pair that only the reference has, until another is chosen.
    """

    is_beside = True

    def __init__(self, comparison: Comparison) -> None:
        super().__init__()
        self.setParent(comparison)
        self._comparison = comparison
        self._own: dict[str, Any] = {}
        self._followed = Selection()  # of the main session, last

    @property
    def main(self) -> Session:
        """What it follows."""
        return self._comparison.session

    def follow(self) -> None:
        """Show what belongs beside the main selection; nothing where there is no reference."""
        main, before = self.main.selection, self._followed
        kin, reference = self._comparison.kinship, main.reference
        if reference is None or kin is None:
            self._own, self._followed = {}, main
            self._show(Selection())
            return
        if reference is not before.reference or main.run is not before.run:
            self._own = {}
        place = self._comparison.placed(main)
        if place is None and main.n_reference and reference is self.selection.run:
            return  # what the alignment needs is on its way
        common = shared(kin)
        for name in common:
            if getattr(main, name) != getattr(before, name):
                self._own.pop(name, None)  # who chose last is right
        self._followed = main
        given = {name: self._own.get(name, self._from_main(name, main, kin)) for name in common}
        own = {name: value for name, value in self._own.items() if name not in common}
        step, n = (0, 0) if place is None else (place.step, main.n_reference)
        there = Selection(run=reference, n_checkpoints=n, n_laid_out=n, step=step, following=main.following)
        self._show(replace(there, **given, **own))

    def _show(self, new: Selection) -> None:
        new = new.clamped()
        if new != self.selection or new.run is not self.selection.run:
            self._become(new)

    def _from_main(self, name: str, main: Selection, kin: Kinship) -> Any:
        value = getattr(main, name)
        if name == "layout_epoch" and value is not None and main.reference is not None:
            return _nearest(main.reference, main.n_reference, self._comparison.there(main, value))
        if name == "ablation" and not kin.same_start:  # what is cut out by name is arbitrary, faders are not
            return Ablation(generalising=value.generalising, memorising=value.memorising)
        return value

    # -- what is selected here -----------------------------------------------------------------------------

    def select(self, **fields: Any) -> None:
        """Tell the main session, in its terms; what means nothing there is kept here."""
        now, main, kin = self.selection, self.main.selection, self._comparison.kinship
        if now.run is None or main.run is None or kin is None:
            return
        wanted = replace(now, **{name: value for name, value in fields.items() if name in _WANTED}).clamped()
        back: dict[str, Any] = {}
        if wanted.step != now.step:
            back |= self._main_step(float(now.run.epochs[wanted.step]))
        elif wanted.following != now.following:
            back["following"] = wanted.following
        common = shared(kin)
        for name in BRUSHES:
            value = getattr(wanted, name)
            if value == getattr(now, name):
                continue
            if name in common and self._exists_in_main(name, value, main.run):
                self._own.pop(name, None)
                back[name] = self._to_main(name, value, main, kin)
            else:
                self._own[name] = value
        self.main.select(**back)
        self.follow()  # where nothing of it was the main session's

    def scrub_to_epoch(self, epoch: float) -> None:
        there = self._comparison.back(self.main.selection, epoch)
        if there is not None:
            self.main.scrub_to_epoch(there)

    def _main_step(self, epoch: float) -> dict[str, Any]:
        """The main run's checkpoint beside an epoch of this one."""
        main = self.main.selection
        there, n = self._comparison.back(main, epoch), main.n_checkpoints
        found = None if there is None or main.run is None else place(main.run.epochs[:n], there)
        return {} if found is None else {"step": found.step, "following": main.following and found.step >= n - 1}

    def _exists_in_main(self, name: str, value: Any, run: Run) -> bool:
        return name != "pair" or value is None or all(x < run.config.p for x in value)

    def _to_main(self, name: str, value: Any, main: Selection, kin: Kinship) -> Any:
        if name == "layout_epoch" and value is not None and main.run is not None:
            return _nearest(main.run, main.n_checkpoints, self._comparison.back(main, value))
        if name == "ablation" and not kin.same_start:
            return replace(main.ablation, generalising=value.generalising, memorising=value.memorising)
        return value

    # -- what is the main session's alone ------------------------------------------------------------------

    def grow(self, run: Run, n_checkpoints: int) -> None:
        """It is told by following."""

    @property
    def can_undo(self) -> bool:
        return self.main.can_undo

    @property
    def can_redo(self) -> bool:
        return self.main.can_redo

    def undo(self) -> None:
        self.main.undo()

    def redo(self) -> None:
        self.main.redo()


def _nearest(run: Run, n: int, epoch: float | None) -> int | None:
    """The epoch of the nearest of the first n checkpoints."""
    found = None if epoch is None else place(run.epochs[:n], epoch)
    return None if found is None else found.epoch


_WANTED = frozenset({*BRUSHES, "step", "following"})
