"""What is looked at: one frozen value, one signal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from engine.runfile import Run

NeuronId = tuple[int, int]  # (layer, index)


@dataclass(frozen=True)
class Selection:
    """step : index of the checkpoint on show; the epoch is its label
    following : keep to the newest checkpoint while the run grows
    frequency, neurons : brushes; the first neuron is the one on show
    layout_epoch : the checkpoint that fixes order, axes and colour limits; None: the last one
    trouble : why the run asked for is not on show; told where there is no other run
    """

    run: Run | None = None
    n_checkpoints: int = 0
    step: int = 0
    following: bool = True
    frequency: int | None = None
    neurons: tuple[NeuronId, ...] = ()
    layout_epoch: int | None = None
    trouble: str = ""

    @property
    def epoch(self) -> int:
        """Epoch of the checkpoint on show. Only where there is one."""
        assert self.run is not None
        return int(self.run.epochs[self.step])

    @property
    def layout_step(self) -> int:
        """Index of the checkpoint that fixes order, axes and colour limits."""
        if self.layout_epoch is None or self.run is None:
            return self.n_checkpoints - 1
        epochs = self.run.epochs[: self.n_checkpoints]
        return min(int(epochs.searchsorted(self.layout_epoch)), self.n_checkpoints - 1)


class Session(QObject):
    """The one home of the selection. Everything that changes it comes through `select`."""

    changed = Signal(object)  # the new Selection

    def __init__(self) -> None:
        super().__init__()
        self.selection = Selection()

    def select(self, **fields: Any) -> None:
        """Replace fields, clamp, compare, and tell once if anything is different."""
        new = _clamped(replace(self.selection, **fields))
        if new != self.selection or new.run is not self.selection.run:
            self.selection = new
            self.changed.emit(new)

    def show_run(self, run: Run, epoch: int | None = None) -> None:
        """Look at a run from its last checkpoint, or from the one at or before `epoch`."""
        n = run.refresh()
        step = n - 1 if epoch is None else max(0, int(run.epochs[:n].searchsorted(epoch, side="right")) - 1)
        self.select(
            run=run, n_checkpoints=n, step=step, following=epoch is None, frequency=None, neurons=(),
            layout_epoch=None, trouble="",
        )  # fmt: skip

    def scrub(self, step: int) -> None:
        """Go to a checkpoint by hand: that stops following, unless it is the newest."""
        n = self.selection.n_checkpoints
        self.select(step=step, following=self.selection.following and step >= n - 1)

    def grow(self, run: Run, n_checkpoints: int) -> None:
        """The news that a run has more checkpoints."""
        now = self.selection
        if now.run == run and n_checkpoints > now.n_checkpoints:
            step = n_checkpoints - 1 if now.following else now.step
            self.select(n_checkpoints=n_checkpoints, step=step)


def _clamped(s: Selection) -> Selection:
    """The nearest selection that its run can show."""
    if s.run is None:
        return Selection(trouble=s.trouble)
    config = s.run.config
    step = max(0, min(s.step, s.n_checkpoints - 1))
    frequency = s.frequency if s.frequency is not None and 1 <= s.frequency <= config.p // 2 else None
    neurons = tuple((la, i) for la, i in s.neurons if 0 <= la < config.n_layers and 0 <= i < config.d_mlp)
    return replace(s, step=step, frequency=frequency, neurons=neurons)
