"""How two runs are related, and so which of their differences mean something (science 2.13, comparing runs)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from engine.config import Config
from engine.runfile import Run

_TASK = ("operation", "p")
_DATA = (*_TASK, "train_fraction", "data_seed")
_START = ("p", "model_seed", "d_model", "n_heads", "d_head", "d_mlp", "n_layers", "layer_norm")  # decide the weights


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same, in words.  name : `weight decay`    here, there : its values"""

    name: str
    here: str
    there: str


@dataclass(frozen=True)
class Kinship:
    """What two runs share, by what their files say of themselves.

    said : how the other is related to the one: `a fork of it at epoch 5000`
    forked : one is a fork of the other, or both are forks of one run
    same_start : they begin with the same weights, or are forked; where that is not known: not
    same_data, same_task : split and task; operation and p
    parted : the epoch until which they are one run; None where they never were
    differences : the settings that differ, those of the schedule (which move no weight) apart
    """

    said: str
    forked: bool
    same_start: bool
    same_data: bool
    same_task: bool
    parted: int | None
    differences: tuple[Difference, ...]
    of_schedule: tuple[Difference, ...]

    @property
    def why_no_spectra(self) -> str:
        """Why a difference of spectra means nothing; empty: it does."""
        if self.forked or (self.same_start and self.same_data):
            return ""
        if not self.same_task:
            return "These are different tasks: frequency k of one is not frequency k of the other."
        kind = "start" if not self.same_start else "data"
        return (
            f"Two runs of another {kind} choose their frequencies by chance: renaming every residue a to u·a turns k "
            "into u·k and changes nothing else. So their spectra are compared by rank, not frequency by frequency."
        )

    @property
    def why_no_distance(self) -> str:
        """Why a distance between their weights means nothing; empty: it does."""
        if self.same_start:
            return ""
        return "They do not begin with the same weights: which neuron does what is arbitrary, and so is a distance."


def kinship(run: Run, other: Run) -> Kinship:
    """What `other` shares with `run`. Reads no weights."""
    mine, theirs = run.config, other.config
    parted = _parted(run, other)
    same = {name: getattr(mine, name) == getattr(theirs, name) for name in {*_DATA, *_START}}
    drawn_alike = _is_drawn(run) and _is_drawn(other) and all(same[name] for name in _START)
    forked = parted is not None
    return Kinship(
        said=_said(run, other, drawn_alike, parted),
        forked=forked,
        same_start=forked or drawn_alike,
        same_data=all(same[name] for name in _DATA),
        same_task=all(same[name] for name in _TASK),
        parted=parted,
        differences=differences(mine, theirs, schedule=False),
        of_schedule=differences(mine, theirs, schedule=True),
    )


def differences(config: Config, other: Config, schedule: bool) -> tuple[Difference, ...]:
    """The settings that differ, in `Config`'s order.  schedule : of that group, or all others"""
    names = [f.name for f in fields(Config) if (f.metadata["group"] == "schedule") == schedule]
    both = [(name, getattr(config, name), getattr(other, name)) for name in names]
    return tuple(Difference(name.replace("_", " "), _text(x), _text(y)) for name, x, y in both if x != y)


def _parted(run: Run, other: Run) -> int | None:
    """The epoch at which a fork left the other, or at which the first of two forks of one run left it."""
    if other.origin.parent == run.id:
        return other.origin.epoch
    if run.origin.parent == other.id:
        return run.origin.epoch
    if run.origin.parent is not None and run.origin.parent == other.origin.parent:
        return min(run.origin.epoch, other.origin.epoch)
    return None


def _said(run: Run, other: Run, drawn_alike: bool, parted: int | None) -> str:
    if other.origin.parent == run.id:
        return f"a fork of it at epoch {parted}"
    if run.origin.parent == other.id:
        return f"what it was forked from at epoch {parted}"
    if parted is not None:
        return f"a fork of the same run; they part at epoch {parted}"
    mine, theirs = run.config, other.config
    if any(getattr(mine, name) != getattr(theirs, name) for name in _TASK):
        return "another task"
    same_data = all(getattr(mine, name) == getattr(theirs, name) for name in _DATA)
    data = "the same data" if same_data else "other data"
    if drawn_alike:
        return f"the same initial weights, {data}"
    if not (_is_drawn(run) and _is_drawn(other)):
        return f"not known to have begun alike, {data}"
    other_seed = all(getattr(mine, name) == getattr(theirs, name) for name in _START if name != "model_seed")
    return f"{'another model seed' if other_seed else 'another model'}, {data}"


def _is_drawn(run: Run) -> bool:
    """Whether its first weights are those that its model seed draws."""
    return run.origin.parent is None and run.origin.optimizer != "unknown"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
