"""What is looked at: one frozen value, one signal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from PySide6.QtCore import QObject, Signal

from engine.analysis.ablation import WHOLE, Ablation
from engine.analysis.alignment import Alignment
from engine.analysis.phases import Thresholds
from engine.runfile import Run

NeuronId = tuple[int, int]  # (layer, index)
HeadId = tuple[int, int]  # (layer, index)
BRUSHES = ("frequency", "neurons", "head", "pair", "pinned_keys", "ablation", "thresholds", "layout_epoch")
"""What a person chose to look at, apart from the epoch: undone, redone and bookmarked."""
THE_RULE = Thresholds()
_DRAGGED = frozenset({"step", "ablation", "thresholds"})  # what a finger changes many times in one gesture
_TICKED = "cuts"  # of the ablation: every tick is a gesture of its own
_ONE_GESTURE = 1.0  # seconds between two such changes at most
_REMEMBERED = 200


@dataclass(frozen=True)
class Selection:
    """step : index of the checkpoint on show; the epoch is its label
    following : keep to the newest checkpoint while the run grows
    frequency, neurons, head, pair : brushes; the first neuron is the one on show; pair is (a, b)
    pinned_keys : key frequencies chosen by hand; None: the run's own (science 2.13)
    ablation : what is taken away from, or turned down in, the model on show
    thresholds : the rule of the phases
    layout_epoch : the checkpoint that fixes order, axes and colour limits; None: the last one
    n_laid_out : so many checkpoints count for that: axes and colours stay while a finger goes through a growing run
    reference : a second run under the same slider, of which `n_reference` checkpoints are known
    alignment : which of its epochs stands beside which, where both runs have what that needs
    trouble : why the run asked for is not on show; told where there is no other run
    """

    run: Run | None = None
    n_checkpoints: int = 0
    step: int = 0
    following: bool = True
    frequency: int | None = None
    neurons: tuple[NeuronId, ...] = ()
    head: HeadId | None = None
    pair: tuple[int, int] | None = None
    pinned_keys: tuple[int, ...] | None = None
    ablation: Ablation = WHOLE
    thresholds: Thresholds = THE_RULE
    layout_epoch: int | None = None
    n_laid_out: int = 0
    reference: Run | None = None
    n_reference: int = 0
    alignment: Alignment = Alignment.EPOCH
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
            return (self.n_laid_out or self.n_checkpoints) - 1
        epochs = self.run.epochs[: self.n_checkpoints]
        return min(int(epochs.searchsorted(self.layout_epoch)), self.n_checkpoints - 1)

    def brushes(self) -> dict[str, Any]:
        """The brushes by their names."""
        return {name: getattr(self, name) for name in BRUSHES}

    def clamped(self) -> Selection:
        """The nearest selection that its run can show."""
        return _clamped(self)


@dataclass(frozen=True)
class _Moment:
    """Where one was: the epoch and the brushes."""

    epoch: int
    brushes: tuple[Any, ...]


class Session(QObject):
    """The one home of the selection. Everything that changes it comes through `select`."""

    changed = Signal(object)  # the new Selection
    history_changed = Signal()
    is_beside: ClassVar[bool] = False  # whether it shows what stands beside another: that goes first

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.selection = Selection()
        self._clock = clock
        self._past: list[_Moment] = []
        self._future: list[_Moment] = []
        self._last: tuple[float, frozenset[str]] = (float("-inf"), frozenset())
        self._moved = float("-inf")  # when a person went to another checkpoint

    @property
    def seconds_at_rest(self) -> float:
        """Since a person last went to another checkpoint."""
        return self._clock() - self._moved

    def select(self, **fields: Any) -> None:
        """Replace fields, clamp, compare, and tell once if anything is different."""
        new = _clamped(replace(self.selection, **fields))
        if new != self.selection or any(a is not b for a, b in zip(_runs(new), _runs(self.selection), strict=True)):
            self._remember(self.selection, new)
            self._become(new)

    def suggest(self, **brushes: Any) -> None:
        """Select what nobody chose, as if it had been there from the start: undo knows of no time before it.

        What somebody chose stays.
        """
        blank = Selection()
        free = {name: value for name, value in brushes.items() if getattr(self.selection, name) == getattr(blank, name)}
        places = {BRUSHES.index(name): (getattr(blank, name), value) for name, value in free.items()}
        self._past = [_suggested(moment, places) for moment in self._past]
        self._future = [_suggested(moment, places) for moment in self._future]
        new = _clamped(replace(self.selection, **free))
        if new != self.selection:
            self._become(new)

    def _become(self, new: Selection) -> None:
        if new.step != self.selection.step and not new.following:
            self._moved = self._clock()
        self.selection = new = _laid_out(self.selection, _paired(self.selection, new))
        self.changed.emit(new)

    def show_run(self, run: Run, epoch: int | None = None) -> None:
        """Look at a run from its last checkpoint, or from the one at or before `epoch`."""
        n = run.refresh()
        step = n - 1 if epoch is None else max(0, int(run.epochs[:n].searchsorted(epoch, side="right")) - 1)
        self.select(
            run=run, n_checkpoints=n, step=step, following=epoch is None, trouble="",
            **{name: getattr(Selection(), name) for name in BRUSHES},
        )  # fmt: skip

    def stay(self, run: Run) -> None:
        """Look at a relative of the run on show, or at the same one with other checkpoints, from where one is.

        The brushes are kept, and the epoch: the nearest that the run has. Of the same run what can be undone is too.
        """
        now, n = self.selection, run.refresh()
        step = int(abs(run.epochs[:n] - now.epoch).argmin()) if n and now.n_checkpoints else 0
        following = now.following and step >= n - 1
        new = _clamped(replace(now, run=run, n_checkpoints=n, step=step, following=following, trouble=""))
        if now.run is None or now.run.id != run.id:
            self._remember(now, new)
        self._become(new)

    def scrub(self, step: int) -> None:
        """Go to a checkpoint by hand: that stops following, unless it is the newest."""
        n = self.selection.n_checkpoints
        self.select(step=step, following=self.selection.following and step >= n - 1)

    def scrub_to_epoch(self, epoch: float) -> None:
        """Go to the checkpoint nearest to an epoch."""
        run, n = self.selection.run, self.selection.n_checkpoints
        if run is not None and n:
            self.scrub(int(abs(run.epochs[:n] - epoch).argmin()))

    def grow(self, run: Run, n_checkpoints: int) -> None:
        """The news that a run has more checkpoints."""
        now = self.selection
        if now.run == run and n_checkpoints > now.n_checkpoints:
            step = n_checkpoints - 1 if now.following else now.step
            n_laid_out = now.n_laid_out if self.seconds_at_rest <= _ONE_GESTURE else n_checkpoints
            self._become(_clamped(replace(now, n_checkpoints=n_checkpoints, step=step, n_laid_out=n_laid_out)))
        elif now.reference == run and n_checkpoints > now.n_reference:
            self._become(replace(now, n_reference=n_checkpoints))

    # -- a second run --------------------------------------------------------------------------------------

    def compare(self, reference: Run | None) -> None:
        """Put a run beside the one on show, or none. It stays beside whatever is shown next."""
        self.select(reference=reference, n_reference=0 if reference is None else reference.refresh())

    def exchange(self, twin: Selection) -> None:
        """Show the reference, as `twin` shows it, and put the run on show in its place."""
        now = self.selection
        paired = replace(twin, reference=now.run, n_reference=now.n_checkpoints, alignment=now.alignment)
        new = _clamped(replace(paired, following=now.following and twin.step >= twin.n_checkpoints - 1))
        self._remember(now, new)
        self._become(new)

    # -- undo ----------------------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    def undo(self) -> None:
        """The brushes and the epoch as they were before the last gesture; never facts that grow."""
        self._travel(self._past, self._future)

    def redo(self) -> None:
        self._travel(self._future, self._past)

    def _travel(self, source: list[_Moment], target: list[_Moment]) -> None:
        if not source or self.selection.run is None:
            return
        target.append(_moment(self.selection))
        moment = source.pop()
        run, n = self.selection.run, self.selection.n_checkpoints
        step = min(int(run.epochs[:n].searchsorted(moment.epoch)), n - 1)
        following = self.selection.following and step >= n - 1
        self._last = (float("-inf"), frozenset())
        brushes = dict(zip(BRUSHES, moment.brushes, strict=True))
        self._become(_clamped(replace(self.selection, step=step, following=following, **brushes)))
        self.history_changed.emit()

    def _remember(self, old: Selection, new: Selection) -> None:
        """Keep where one was; a drag or a playback is one gesture."""
        if old.run is not new.run or not old.n_checkpoints:
            self._past, self._future = [], []
            self._last = (float("-inf"), frozenset())
            self.history_changed.emit()
            return
        kinds = frozenset(name for name in (*BRUSHES, "step") if getattr(old, name) != getattr(new, name))
        if not kinds:
            return
        if "ablation" in kinds and old.ablation.cuts != new.ablation.cuts:
            kinds |= {_TICKED}
        now = self._clock()
        goes_on = kinds == self._last[1] and kinds <= _DRAGGED and now - self._last[0] <= _ONE_GESTURE
        if not goes_on:
            self._past = [*self._past[-_REMEMBERED:], _moment(old)]
        self._last = (now, kinds)
        self._future = []
        self.history_changed.emit()


def _suggested(moment: _Moment, places: dict[int, tuple[Any, Any]]) -> _Moment:
    """A moment with suggestions where nothing was chosen.  places : of brushes -> (nothing chosen, suggestion)"""
    brushes = [places[i][1] if i in places and places[i][0] == b else b for i, b in enumerate(moment.brushes)]
    return replace(moment, brushes=tuple(brushes))


def _runs(s: Selection) -> tuple[Run | None, Run | None]:
    return s.run, s.reference


def _paired(old: Selection, new: Selection) -> Selection:
    """A run is no reference to itself: who goes to the reference finds the run that was left in its place."""
    if new.reference is None or new.reference != new.run:
        return new
    if old.run is None or old.run == new.run:
        return replace(new, reference=None, n_reference=0)
    return replace(new, reference=old.run, n_reference=old.n_checkpoints)


def _moment(s: Selection) -> _Moment:
    return _Moment(s.epoch, tuple(s.brushes().values()))


def _laid_out(old: Selection, new: Selection) -> Selection:
    """Of a run that grows and is not followed the layout is as it was; `Session.grow` renews it at rest."""
    keeps = new.run is not None and new.run is old.run and new.run.grows and not new.following
    return new if keeps else replace(new, n_laid_out=new.n_checkpoints)


def _clamped(s: Selection) -> Selection:
    """The nearest selection that its run can show."""
    if s.run is None:
        return Selection(trouble=s.trouble)
    config = s.run.config
    step = max(0, min(s.step, s.n_checkpoints - 1))
    frequency = s.frequency if s.frequency is not None and 1 <= s.frequency <= config.p // 2 else None
    neurons = tuple((la, i) for la, i in s.neurons if 0 <= la < config.n_layers and 0 <= i < config.d_mlp)
    head = s.head
    if head is not None and not (0 <= head[0] < config.n_layers and 0 <= head[1] < config.n_heads):
        head = None
    pair = s.pair if s.pair is not None and all(0 <= x < config.p for x in s.pair) else None
    keys = s.pinned_keys
    if keys is not None:
        keys = tuple(sorted({k for k in keys if 1 <= k <= config.p // 2})) or None
    ablation = s.ablation.within(config)
    return replace(
        s, step=step, frequency=frequency, neurons=neurons, head=head, pair=pair, pinned_keys=keys, ablation=ablation
    )
