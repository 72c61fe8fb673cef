"""What a figure of the paper is asked with and answers, and the words that several figures share.

Figures and sections are those of "Progress measures for grokking via mechanistic interpretability" (ICLR 2023). A
figure's numbers, caption and tables, recomputed on a run, stand beside its drawing, in a module for each subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from app.export import Table
from app.numbers import epoch_text
from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.neurons import THRESHOLD
from engine.analysis.phases import Thresholds
from engine.analysis.progress_curves import Pinned, pinned_keys
from engine.runfile import Run
from engine.tasks import TASKS
from engine.traces import Traces


@dataclass(frozen=True)
class Ask:
    """What a figure is of.

    step : the checkpoint     n : checkpoints that count     pinned : key frequencies, and the epoch they are taken at
    traces, revision : measures over training; None: not known yet    thresholds : of the phases
    neuron : (layer, index); None: the clearest one of the last layer     head : of the first layer
    frequency : whose neurons (fig. 5b) or rotation (fig. 1); None, or not among the keys: the first key
    pair : (a, b) of fig. 1; None: one that shows well
    """

    run: Run
    step: int
    n: int
    pinned: Pinned
    traces: Traces | None = None
    revision: int = 0
    thresholds: Thresholds | None = None
    neuron: tuple[int, int] | None = None
    head: int = 0
    frequency: int | None = None
    pair: tuple[int, int] | None = None

    @property
    def keys(self) -> tuple[int, ...]:
        return self.pinned.keys

    @property
    def key(self) -> int | None:
        """The frequency that a figure of one frequency is of."""
        return self.frequency if self.frequency in self.keys else next(iter(self.keys), None)

    @property
    def epoch(self) -> int:
        return int(self.run.epochs[self.step])


@dataclass(frozen=True, eq=False)
class Content:
    """data : what the panels draw     caption : its sentences, without definitions of keys and run
    tables : the numbers     of_step : whether it is of one checkpoint, not of all training
    of_keys : whether key frequencies have a part in it
    """

    data: Any
    caption: str
    tables: tuple[Table, ...]
    of_step: bool = True
    of_keys: bool = True


@lru_cache(maxsize=8)
def pinned(run: Run, n: int, chosen: tuple[int, ...] | None, finished: bool) -> Pinned:
    """`pinned_keys`, remembered.  finished : the run's state, on which they depend"""
    return pinned_keys(run, n, chosen)


def basis_of(run: Run) -> Characters | str:
    """The order of residues that fits the task, or why there is none."""
    try:
        return characters(run.config)
    except NoBasis as error:
        return str(error)


def listed(keys: Sequence[int]) -> str:
    return ", ".join(str(k) for k in keys)


def keys_said(ask: Ask) -> str:
    """Which frequencies, why, and the epoch they were taken at (science 2.13)."""
    p, basis = ask.pinned, basis_of(ask.run)
    if isinstance(basis, str):
        return f"{basis} So there are no key frequencies."
    at = f"at epoch {epoch_text(p.epoch)}"
    if p.by_hand:
        said = f"Key frequencies {listed(p.keys)}: chosen by hand."
    elif not p.keys:
        rule = f"no neuron reaches FVE {THRESHOLD}" if p.final else "no coefficient over the test pairs stands out"
        said = f"No key frequency yet: {rule} {at}."
    elif p.final:
        said = f"Key frequencies {listed(p.keys)}: each is carried by at least one neuron with FVE ≥ {THRESHOLD} {at}."
    else:
        said = (
            f"The run is not finished: {listed(p.keys)} are candidates, whose coefficient of "
            f"cos w_k({read_off_said(ask)}) over the test pairs is at least a tenth of the largest {at}."
        )
    if basis.generator is not None:
        said += f" Frequencies count along the powers of {basis.generator}; pairs with a zero are left out."
    return said


def run_said(ask: Ask, of_step: bool) -> str:
    """The run, its split and the checkpoint."""
    c = ask.run.config
    first, last = int(ask.run.epochs[0]), int(ask.run.epochs[ask.n - 1])
    when = f"epoch {epoch_text(ask.epoch)}" if of_step else f"epochs {epoch_text(first)} to {epoch_text(last)}"
    rounded = ", weights kept in float16" if ask.run.reduced_precision else ""
    return (
        f"Run “{ask.run.path.stem}”: {TASKS[c.operation].symbol} modulo {c.p}, trained on {epoch_text(c.n_train)} of "
        f"{epoch_text(c.n_pairs)} pairs, tested on the other {epoch_text(c.n_test)} (data seed {c.data_seed}, model "
        f"seed {c.model_seed}); {when}{rounded}."
    )


def sum_said(ask: Ask) -> str:
    """a + b as the cosines have it."""
    kind = TASKS[ask.run.config.operation].basis
    a, b = ("log a", "log b") if kind in ("product", "quotient") else ("a", "b")
    return f"{a} {'−' if kind in ('difference', 'quotient') else '+'} {b}"


def read_off_said(ask: Ask) -> str:
    """a + b − c as the cosines have it."""
    kind = TASKS[ask.run.config.operation].basis
    return f"{sum_said(ask)} − {'log c' if kind in ('product', 'quotient') else 'c'}"


def component_names(n: int) -> list[str]:
    """const, cos 1, sin 1, …  -> n names"""
    return ["const", *(f"{'cos' if row % 2 else 'sin'} {(row + 1) // 2}" for row in range(1, n))]
