"""Epochs of a run trained once more, to be where it was: for a fork that goes on, for checkpoints in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from engine.config import Config
from engine.runfile import Run, RunError
from engine.training import Arrays, Start, Trainer, TrainingError

Say = Callable[[str], None]


def kept_before(run: Run, epoch: int) -> int | None:
    """The last checkpoint at or before an epoch whose optimiser state is kept, as a step; None: there is none."""
    steps = [step for step in run.kept_optimizers() if run.epochs[step] <= epoch]
    return steps[-1] if steps else None


def repeat(run: Run, epoch: int, say: Say) -> Iterator[Trainer]:
    """The run again, from the last optimiser state that was kept at or before `epoch`.

    Yields the trainer there, and after every step, for ever. Bit for bit the run where machine and versions are
    its own; `say` tells where they are not. Raises `RunError` where no state was kept, `TrainingError`.
    """
    step = kept_before(run, epoch)
    if step is None:
        raise RunError(f"{run.path} holds no optimiser state: its epochs cannot be trained again.")
    at, weights, state = int(run.epochs[step]), run.weights(step), run.kept_optimizer(step)
    while True:
        stretch = stretch_after(run, at)
        trainer = _trainer(run, stretch, Start(at, weights, state, run.origin.warmup_from))
        compare(stretch, trainer.environment(), say)
        yield trainer
        while stretch_after(run, trainer.epoch) is stretch:
            trainer.advance()
            yield trainer
        at, weights, state = trainer.epoch, trainer.weights(), trainer.optimizer_state()


def stretch_after(run: Run, epoch: int) -> dict[str, Any]:
    """The stretch of training, with its environment, that took the step from `epoch`."""
    return [s for s in run.segments if s["from_epoch"] <= epoch or s is run.segments[0]][-1]


def compare(stored: Mapping[str, Any], here: Mapping[str, Any], say: Say) -> None:
    """Say what is not as it was."""
    different = [f"{key} {stored.get(key)} → {value}" for key, value in here.items() if stored.get(key) != value]
    if different:
        say(f"Not bit-exact with what came before: {', '.join(different)}.")


def difference(run: Run, step: int, trainer: Trainer) -> str:
    """What of a stored checkpoint the trainer does not reproduce bit for bit, in a word; empty: nothing."""
    if not _equal(trainer.weights(), run.weights(step)):
        return "weights"
    if step in run.kept_optimizers() and not _equal(trainer.optimizer_state(), run.kept_optimizer(step)):
        return "optimiser state"
    return ""


def _equal(found: Arrays, stored: Arrays) -> bool:
    return all(np.array_equal(found[name], value) for name, value in stored.items())


def _trainer(run: Run, stretch: Mapping[str, Any], start: Start) -> Trainer:
    """As that stretch was trained: on its device, where that is to be had, with its number of threads."""
    threads = int(stretch["threads"])
    try:
        return Trainer(_on_device(run.config, str(stretch["device"])), start, threads)
    except TrainingError:
        return Trainer(run.config, start, threads)


def _on_device(config: Config, device: str) -> Config:
    return replace(config, device=device) if device in ("cpu", "cuda") else config
