"""Two runs, each at a checkpoint: what can be compared between any two, and what only between relatives.

Which frequencies a seed chose is arbitrary (a → u·a turns k into u·k), so norms are compared by rank; a difference
frequency by frequency is taken only where `Kinship.why_no_spectra` is empty, a distance of weights only where
`Kinship.why_no_distance` is (science 2.13, comparing runs).
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import NoBasis, characters
from engine.analysis.embedding import MATRICES, by_residue
from engine.analysis.kinship import Kinship, kinship
from engine.analysis.measures import pair_sets, per_pair
from engine.analysis.neurons import THRESHOLD
from engine.analysis.phases import Phases, Thresholds
from engine.analysis.progress_curves import Pinned, trace_phases
from engine.analysis.waves import layer_waves
from engine.analysis.weight_measures import gini
from engine.fourier import components, frequencies, norm_by_component
from engine.models.transformer import shapes
from engine.replay import activations
from engine.runfile import Run
from engine.traces import Traces

Floats = NDArray[np.float64]
RECORDED = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


@dataclass(frozen=True, eq=False)
class Side:
    """A run at a checkpoint, by its weights and by what training recorded there.

    recorded : `RECORDED` -> over p logits, as training took them (float32), in nats; what there is of it
    squared : Σw² over all parameters
    norms : W_E, W_U, W_L -> (n // 2,) norm at each frequency, cosine and sine together; entry k-1 is frequency k
    gini : of the norms of their n Fourier components (paper, sec. 5.1)
    keys : the key frequencies or candidates that the run's measures are taken for; None: not known yet
    phases : None until enough is measured
    """

    epoch: int
    recorded: dict[str, float]
    squared: float
    norms: dict[str, Floats]
    gini: dict[str, float]
    keys: Pinned | None
    phases: Phases | None

    def ranked(self, which: str) -> Floats:
        """The norms from the largest to the smallest.  (n // 2,)"""
        return np.sort(self.norms[which])[::-1]


@dataclass(frozen=True, eq=False)
class Compared:
    """Two runs at a checkpoint each.

    distances : parameter -> ‖A − B‖ / √((‖A‖² + ‖B‖²) / 2), 0 the same, √2 nothing in common at equal size; None
        where it means nothing
    """

    kinship: Kinship
    here: Side
    there: Side
    distances: dict[str, float] | None

    def difference(self, which: str) -> Floats | None:
        """Norm at each frequency, the other's less this run's; None where that means nothing.  (n // 2,)"""
        return None if self.kinship.why_no_spectra else self.there.norms[which] - self.here.norms[which]


Known = tuple[Run, int, Traces | None, Pinned | None, int]
"""A run, how many checkpoints it has, its traces and the frequencies they are taken for, and their revision."""


def compare(here: Known, step: int, there: Known, step_there: int, thresholds: Thresholds | None = None) -> Compared:
    """Both runs, `here` at `step` and `there` at `step_there`; float64 from the weights, without a forward pass."""
    related = kinship(here[0], there[0])
    return Compared(
        kinship=related,
        here=_side(here, step, thresholds),
        there=_side(there, step_there, thresholds),
        distances=None if related.why_no_distance else distances(here[0], step, there[0], step_there),
    )


def _side(known: Known, step: int, thresholds: Thresholds | None) -> Side:
    run, n, traces, pinned, revision = known
    values = {name: run.scalars(name) for name in RECORDED}
    parts = {which: component_norms(run, step, which) for which in MATRICES}
    return Side(
        epoch=int(run.epochs[step]),
        recorded={name: float(x[step]) for name, x in values.items() if x is not None and np.isfinite(x[step])},
        squared=sum(float(np.square(w, dtype=np.float64).sum()) for w in run.weights(step).values()),
        norms={which: by_frequency(x) for which, x in parts.items()},
        gini={which: gini(x) for which, x in parts.items()},
        keys=pinned,
        phases=None if traces is None else _phases(run, traces, n, thresholds, revision),
    )


def component_norms(run: Run, step: int, which: str) -> Floats:
    """Norms of the Fourier components (const, cos 1, sin 1, …) of W_E, W_U or W_L over the residues, float64.

    In the order that fits the task; as they stand where it has no basis.  (n,)
    """
    elements = np.arange(run.config.p)
    with contextlib.suppress(NoBasis):
        elements = characters(run.config).elements
    return norm_by_component(by_residue(run, step, which)[elements])


def by_frequency(x: Floats) -> Floats:
    """Cosine and sine together.  x : (n,) norms by component -> (n // 2,), entry k-1 is frequency k"""
    n = len(x)
    return np.array([np.sqrt(np.square(x[components(n, k)]).sum()) for k in frequencies(n)])


@lru_cache(maxsize=8)
def _phases(run: Run, traces: Traces, n: int, thresholds: Thresholds | None, revision: int) -> Phases | None:
    """Kept from checkpoint to checkpoint.  revision : of the traces, which grow"""
    return trace_phases(run, traces, n, thresholds)


def distances(run: Run, step: int, other: Run, step_there: int) -> dict[str, float]:
    """How far apart two models of one shape are, parameter by parameter (`Compared.distances`); 0 for two of zeros."""
    found = {}
    for name in shapes(run.config):
        a, b = (np.asarray(r.weight(name, s), np.float64) for r, s in ((run, step), (other, step_there)))
        size = (np.square(a).sum() + np.square(b).sum()) / 2
        found[name] = float(np.sqrt(np.square(a - b).sum() / size)) if size > 0 else 0.0
    return found


@dataclass(frozen=True)
class Exact:
    """A checkpoint in printed numbers, float64 by a forward pass over all pairs, over p logits.

    train_loss, test_loss : in nats     margin : smallest and mean of the right logit less the best wrong one
    n_keys : frequencies that some neuron carries with FVE ≥ 0.85 at this very checkpoint; None without a basis
    """

    train_loss: float
    test_loss: float | None
    train_accuracy: float
    test_accuracy: float | None
    margin: tuple[float, float]
    n_keys: int | None


@lru_cache(maxsize=64)
def exact(run: Run, step: int) -> Exact:
    """The numbers of one run."""
    sets = pair_sets(run.config)
    loss, right, margin = per_pair(np.asarray(activations(run, step).logits, np.float64), sets.labels)
    there = bool(len(sets.test))
    return Exact(
        train_loss=float(loss[sets.train].mean()),
        test_loss=float(loss[sets.test].mean()) if there else None,
        train_accuracy=float(right[sets.train].mean()),
        test_accuracy=float(right[sets.test].mean()) if there else None,
        margin=(float(margin[sets.exist].min()), float(margin[sets.exist].mean())),
        n_keys=_n_keys(run, step),
    )


def _n_keys(run: Run, step: int) -> int | None:
    try:
        characters(run.config)
    except NoBasis:
        return None
    found = layer_waves(run, step)
    return len(np.unique(found.frequency[(found.fve >= THRESHOLD) & (found.frequency > 0)]))


def exact_pair(run: Run, step: int, other: Run, step_there: int) -> tuple[Exact, Exact]:
    """The numbers of both."""
    return exact(run, step), exact(other, step_there)


def loss_unit(p: int, p_there: int) -> float:
    """What a loss of a run of modulus p is divided by beside one of `p_there`: ln p across p, else 1 (science 2.13)."""
    return 1.0 if p == p_there else math.log(p)
