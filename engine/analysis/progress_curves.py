"""Progress measures over training, as curves, and the phases of the run (paper, sec. 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import NoBasis, characters
from engine.analysis.curves import Curve, LossCurves, loss_curves
from engine.analysis.measures import candidates, key_frequencies, measures
from engine.analysis.phases import Phases, phases
from engine.runfile import Run
from engine.traces import Traces

ENOUGH = 20  # checkpoints measured, for phases


@dataclass(frozen=True)
class Pinned:
    """The frequencies that restricted and excluded loss are taken for, and the epoch that names them.

    final : key frequencies of a finished run; else candidates, which may change
    """

    keys: tuple[int, ...]
    epoch: int
    final: bool


@dataclass(frozen=True)
class ProgressCurves:
    """Curves over the epochs measured so far, in nats over p logits; each None where there is nothing to draw.

    no_basis : why the task has none; empty where it has
    restricted : of the pinned frequencies, all pairs   excluded : without them, training pairs
    excluded_all : without every frequency, training pairs   ratio : test loss / restricted loss
    phases : None until `ENOUGH` checkpoints are measured   last : the last epoch measured
    """

    pinned: Pinned | None
    no_basis: str
    restricted: Curve | None
    excluded: Curve | None
    excluded_all: Curve | None
    ratio: Curve | None
    phases: Phases | None
    last: float


@dataclass(frozen=True)
class LossAndProgress:
    """What the loss view shows; no progress until the traces are open."""

    loss: LossCurves
    progress: ProgressCurves | None


def pinned_keys(run: Run, n: int) -> Pinned:
    """Key frequencies of the last of n checkpoints of a finished run; candidates at the last one of any other."""
    epoch = int(run.epochs[n - 1])
    if run.status().state == "finished":
        return Pinned(key_frequencies(run, n - 1), epoch, True)
    try:
        basis = characters(run.config)
    except NoBasis:
        return Pinned((), epoch, False)
    table = measures(run, n - 1).table_test
    return Pinned(() if table is None else candidates(table, basis), epoch, False)


def progress_curves(run: Run, traces: Traces, pinned: Pinned | None, n: int) -> ProgressCurves:
    """Everything that the traces hold up to the n-th checkpoint."""
    last = int(run.epochs[n - 1])
    epochs = traces.epochs
    seen = epochs <= last
    keys = () if pinned is None else pinned.keys
    columns, without = traces.restricted(keys), traces.excluded(keys)
    restricted = None if columns is None else _curve(columns.epochs, columns.loss["every"], last)
    test = traces.column("test_loss")
    ratio = None
    if columns is not None and test is not None and np.array_equal(columns.epochs, epochs):
        ratio = _curve(epochs, test / np.maximum(columns.loss["every"], 1e-300), last)
    excluded_all = traces.column("excluded_all_train_loss")
    return ProgressCurves(
        pinned=pinned,
        no_basis=_why_no_basis(run),
        restricted=restricted,
        excluded=None if without is None else _curve(without.epochs, without.loss["keys"], last),
        excluded_all=None if excluded_all is None else _curve(epochs, excluded_all, last),
        ratio=ratio,
        phases=_phases(run, traces, epochs, seen) if seen.sum() >= ENOUGH else None,
        last=float(epochs[seen][-1]) if seen.any() else 0.0,
    )


_SHIPPED = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def loss_and_progress(run: Run, n: int, traces: Traces | None, pinned: Pinned | None, revision: int) -> LossAndProgress:
    """The losses up to n checkpoints, and what is measured of them.  revision : of the traces, which grow"""
    progress = None if traces is None else progress_curves(run, traces, pinned, n)
    curves = loss_curves(run, n)
    if traces is not None and run.reduced_precision and len(traces.epochs) > n:  # shipped of all checkpoints
        last = int(run.epochs[n - 1])
        columns = {name: traces.column(name) for name in _SHIPPED}
        finer = {name: _curve(traces.epochs, x, last) for name, x in columns.items() if x is not None}
        curves = replace(curves, **finer)
    return LossAndProgress(curves, progress)


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


def _phases(run: Run, traces: Traces, epochs: NDArray[np.int64], seen: NDArray[np.bool_]) -> Phases | None:
    wanted = ("train_accuracy", "test_accuracy", "excluded_all_train_loss", "squared_weights", "test_loss")
    found = {name: traces.column(name) for name in wanted}
    columns = {name: values[seen] for name, values in found.items() if values is not None}
    if len(columns) < len(wanted):
        return None
    squared = columns["squared_weights"]
    return phases(
        epochs[seen],
        columns["train_accuracy"],
        columns["test_accuracy"],
        columns["excluded_all_train_loss"],
        squared.sum(axis=1) if squared.ndim > 1 else squared,
        run.config.lr * run.config.weight_decay,
        columns["test_loss"],
    )
