"""Checkpoints in between: a stretch of a run trained again, exactly, with checkpoints at every n epochs.

What was replayed counts as the run's once a stored checkpoint after it has been reproduced bit for bit, together with
its optimiser state where that was kept; before that it is not the run's, and where the replay comes out differently
it never is.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from dataclasses import dataclass

from engine.config import ConfigError
from engine.densewriter import DenseWriter, row_bytes
from engine.repetition import Say, difference, kept_before, repeat
from engine.runfile import Run, RunError
from engine.step import evaluate
from engine.training import YIELD_SECONDS, checkpoint


@dataclass(frozen=True)
class Plan:
    """What is to be done, in epochs.

    wanted : the new checkpoints, ascending; those that there are already are not among them
    begin : where an optimiser state was kept, and training starts again
    end : the stored checkpoint that proves the last of them
    """

    wanted: tuple[int, ...]
    begin: int
    end: int
    bytes: int  # on disk


@dataclass(frozen=True)
class Replayed:
    """How far a densification is.  kept : new checkpoints that are proven"""

    epoch: int
    kept: int


def why_not(run: Run) -> str:
    """Why no epoch of a run can be trained again, in a sentence; empty: they can."""
    if not run.n_checkpoints:
        return f"{run.path.name} has no checkpoint yet."
    if run.kept_optimizers():
        return ""
    what = "A bundled run" if run.reduced_precision else "A run that others trained, or a bundled one,"
    return f"{what} holds no optimiser state: its epochs cannot be trained again exactly."


def plan(run: Run, start: int, stop: int, every: int) -> Plan:
    """Checkpoints at the multiples of `every` from `start` to `stop`. Raises `ConfigError`, `RunError`."""
    if no := why_not(run):
        raise RunError(no)
    first, last = int(run.epochs[0]), int(run.epochs[-1])
    if every < 1:
        raise ConfigError(f"every = {every}: must be a whole number, at least 1.")
    if not first <= start < stop <= last:
        raise ConfigError(f"{start} to {stop}: must be a stretch between epochs {first} and {last} of the run.")
    multiples, there = range(-(-start // every) * every, stop + 1, every), set(run.epochs.tolist())
    if not multiples:
        raise ConfigError(f"every = {every}: no multiple of it lies between {start} and {stop}.")
    wanted = tuple(epoch for epoch in multiples if epoch not in there)
    if not wanted:
        return Plan((), start, start, 0)
    step = kept_before(run, wanted[0])
    if step is None:
        raise RunError(f"{run.path}: no optimiser state is kept at or before epoch {wanted[0]}.")
    end = int(run.epochs[run.epochs.searchsorted(wanted[-1])])
    return Plan(wanted, int(run.epochs[step]), end, len(wanted) * row_bytes(run))


def densify(run: Run, wanted: Plan, say: Say) -> Generator[Replayed, None, None]:
    """Train the stretch again and put the new checkpoints beside the run; open the run again to see them.

    Yields after the first step that ends 50 ms or more after the last yield. Leaving the loop keeps what is proven.
    Raises `RunError` where a stored checkpoint is not reproduced bit for bit: what was proven before it is kept,
    the rest is dropped. Raises `TrainingError`.
    """
    if not wanted.wanted:
        return
    at = set(wanted.wanted)
    with contextlib.closing(DenseWriter(run, len(at))) as writer:
        at -= writer.epochs
        told = time.perf_counter()
        for trainer in repeat(run, wanted.begin, say):
            epoch = trainer.epoch
            if epoch in at:
                writer.append(checkpoint(trainer, evaluate(trainer.step, trainer.test_batch)))
            elif (step := int(run.epochs.searchsorted(epoch))) < run.n_checkpoints and run.epochs[step] == epoch:
                if what := difference(run, step, trainer):
                    raise RunError(_told_apart(epoch, what, writer.n_kept))
                writer.prove()
            if epoch >= wanted.end:
                break
            if time.perf_counter() - told >= YIELD_SECONDS:
                yield Replayed(epoch, writer.n_kept)
                told = time.perf_counter()
        kept = writer.n_kept
    yield Replayed(wanted.end, kept)


def _told_apart(epoch: int, what: str, kept: int) -> str:
    before = f"The {kept} new checkpoints before it are kept." if kept else "No checkpoint was added."
    return f"Not bit-exact: the replay did not reproduce the {what} stored at epoch {epoch} on this machine. {before}"
