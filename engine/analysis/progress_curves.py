"""Progress measures over training, as curves, and the phases of the run (paper, sec. 5)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import NoBasis, characters
from engine.analysis.curves import Curve, LossCurves, loss_curves
from engine.analysis.measures import candidates_at, key_frequencies
from engine.analysis.phases import Phases, Thresholds, phases
from engine.analysis.published import Published, published
from engine.analysis.series import Series, known_until, series
from engine.runfile import Run
from engine.traces import Traces

ENOUGH = 20  # checkpoints whose accuracies are known, for phases


@dataclass(frozen=True)
class Pinned:
    """The frequencies that restricted and excluded loss are taken for, and the epoch that names them.

    final : key frequencies of a finished run, or a set chosen by hand; else candidates, which may change
    by_hand : chosen by a person; `epoch` then says nothing about the set
    """

    keys: tuple[int, ...]
    epoch: int
    final: bool
    by_hand: bool = False


@dataclass(frozen=True)
class ProgressCurves:
    """Curves over the epochs known so far, in nats over p logits; each None where there is nothing to draw.

    Known is what is measured; before that, of a run in training, restricted and excluded_all are sketched here and
    there from a float32 forward pass, and phases go by the accuracies that training recorded.
    no_basis : why the task has none; empty where it has
    restricted : of the pinned frequencies, all pairs   excluded : without them, training pairs
    excluded_all : without every frequency, training pairs   ratio : test loss / restricted loss
    phases : None until `ENOUGH` checkpoints are known   last : the last epoch known
    seen, unseen : test pairs whose mirror (b, a) was trained, or was not; symmetric operations only
    each : without one pinned frequency, training pairs (paper, fig. 15)
    accuracy : of the same pairs and logits, by the names of the curves; shares of 1
    """

    pinned: Pinned | None
    no_basis: str
    restricted: Curve | None
    excluded: Curve | None
    excluded_all: Curve | None
    ratio: Curve | None
    phases: Phases | None
    last: float
    seen: Curve | None = None
    unseen: Curve | None = None
    each: dict[int, Curve] = field(default_factory=dict)
    accuracy: dict[str, Curve] = field(default_factory=dict)


@dataclass(frozen=True)
class LossAndProgress:
    """What the loss view shows; no progress until the traces are open.

    published : the paper's mainline, for a run of its task
    """

    loss: LossCurves
    progress: ProgressCurves | None
    published: Published | None = None


def pinned_keys(run: Run, n: int, chosen: tuple[int, ...] | None = None) -> Pinned:
    """Key frequencies of the last of n checkpoints of a finished run; candidates at the last one of any other.

    chosen : a set in their place
    """
    epoch = int(run.epochs[n - 1])
    if chosen:
        return Pinned(tuple(sorted(chosen)), epoch, True, by_hand=True)
    if run.status().state == "finished":
        return Pinned(key_frequencies(run, n - 1), epoch, True)
    try:
        return Pinned(candidates_at(run, n - 1), epoch, False)
    except NoBasis:
        return Pinned((), epoch, False)


def progress_curves(
    run: Run, traces: Traces, pinned: Pinned | None, n: int, thresholds: Thresholds | None = None
) -> ProgressCurves:
    """Everything that is known up to the n-th checkpoint.  thresholds : of the phases"""
    last = int(run.epochs[n - 1])
    keys = () if pinned is None else pinned.keys
    columns, without = traces.restricted(keys, sketched=True), traces.excluded(keys)
    losses: dict[str, Curve | None] = {"ratio": None}
    accuracies: dict[str, Curve | None] = {}
    test = series(run, n, traces, "test_loss")
    if columns is not None and test is not None:
        quotient = test.at(columns.epochs) / np.maximum(columns.loss["every"], 1e-300)
        losses["ratio"] = _curve(columns.epochs, quotient, last)
    for name, column in (("seen", "seen"), ("unseen", "unseen"), ("excluded_all", "excluded_all_train")):
        losses[name] = _known_curve(run, n, traces, f"{column}_loss")
        accuracies[name] = _known_curve(run, n, traces, f"{column}_accuracy")
    for name, found, part in (("restricted", columns, "every"), ("excluded", without, "keys")):
        losses[name] = None if found is None else _curve(found.epochs, found.loss[part], last)
        accuracies[name] = None if found is None else _curve(found.epochs, found.accuracy[part], last)
    each = {} if without is None else {k: _curve(without.epochs, without.loss[str(k)], last) for k in keys}
    return ProgressCurves(
        pinned=pinned,
        no_basis=_why_no_basis(run),
        phases=trace_phases(run, traces, n, thresholds),
        last=known_until(run, n, traces),
        each={k: curve for k, curve in each.items() if curve is not None},
        accuracy={name: curve for name, curve in accuracies.items() if curve is not None},
        **losses,
    )


_SHIPPED = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def loss_and_progress(
    run: Run,
    n: int,
    traces: Traces | None,
    pinned: Pinned | None,
    revision: int,
    thresholds: Thresholds | None = None,
) -> LossAndProgress:
    """The losses up to n checkpoints, and what is measured of them.  revision : of the traces, which grow"""
    progress = None if traces is None else progress_curves(run, traces, pinned, n, thresholds)
    curves = loss_curves(run, n)
    if traces is not None and run.reduced_precision and len(traces.epochs) > n:  # shipped of all checkpoints
        last = int(run.epochs[n - 1])
        columns = {name: traces.column(name) for name in _SHIPPED}
        finer = {name: _curve(traces.epochs, x, last) for name, x in columns.items() if x is not None}
        curves = replace(curves, **finer)
    return LossAndProgress(curves, progress, published(run, thresholds))


def _why_no_basis(run: Run) -> str:
    try:
        characters(run.config)
    except NoBasis as error:
        return str(error)
    return ""


def _curve(epochs: NDArray[np.int64], values: NDArray[np.float64], last: int) -> Curve | None:
    """The finite values up to an epoch, or None."""
    there = (epochs <= last) & np.isfinite(values)
    return Curve(epochs[there].astype(np.float64), values[there]) if there.any() else None


def _known_curve(run: Run, n: int, traces: Traces, name: str) -> Curve | None:
    found = series(run, n, traces, name)
    return None if found is None else _curve(found.epochs, found.values, int(run.epochs[n - 1]))


def trace_phases(run: Run, traces: Traces, n: int, thresholds: Thresholds | None = None) -> Phases | None:
    """The phases by what is known up to the n-th checkpoint; None where accuracies are not, or of too few.

    Measured figures count where they are there. Before, accuracies and test losses are those that training recorded,
    Σw² is looked up, and excluded loss is what was sketched: the end of memorisation may be open for want of it.
    """
    train, test = (series(run, n, traces, f"{name}_accuracy") for name in ("train", "test"))
    if train is None or test is None:
        return None
    epochs = np.intersect1d(train.epochs, test.epochs)
    if len(epochs) < ENOUGH:
        return None
    decay = run.config.lr * run.config.weight_decay
    squared = series(run, n, traces, "squared_weights") if decay > 0 else None
    if squared is not None and squared.values.ndim > 1:
        squared = Series(squared.epochs, squared.values.sum(axis=1))
    excluded, loss = (series(run, n, traces, name) for name in ("excluded_all_train_loss", "test_loss"))
    unknown = np.full(len(epochs), np.nan)
    return phases(
        epochs,
        train.at(epochs),
        test.at(epochs),
        unknown if excluded is None else excluded.at(epochs),
        unknown if squared is None else squared.at(epochs),
        decay,
        unknown if loss is None else loss.at(epochs),
        thresholds,
        going_on=traces.provisional,
    )
