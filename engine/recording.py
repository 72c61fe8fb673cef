"""Training on its way into a run file: start, resume, fork. The command line and the window both use this."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import Config, ConfigError
from engine.runfile import Arrays, Origin, Run, RunError, Status
from engine.runwriter import NoSpace, RunWriter
from engine.training import Checkpoint, Progress, Start, Trainer, events

SCHEDULE = frozenset({
    "epochs", "checkpoint_every", "dense_every", "dense_until", "transition_every", "test_every", "device",
})  # fmt: skip
"""Settings that do not change the weights; all others do."""

FIXED_IN_A_FORK = (
    "operation", "p", "model_seed", "d_model", "n_heads", "d_head", "d_mlp", "n_layers", "activation", "layer_norm",
)  # fmt: skip

Say = Callable[[str], None]


class Recording:
    """A run being trained into its file. Iterate `events` to the end, or `close`."""

    def __init__(self, trainer: Trainer, writer: RunWriter, start_epoch: int) -> None:
        self.trainer, self.writer, self.start_epoch = trainer, writer, start_epoch

    @property
    def run(self) -> Run:
        """What is committed so far, readable while training goes on."""
        return self.writer.run

    def events(self) -> Generator[Progress | Checkpoint | NoSpace, None, None]:
        """The trainer's events; a `Checkpoint` is committed before it is yielded.

        `NoSpace` means that the disk refused a checkpoint: the next `next` tries again. Leaving the loop stops
        the run, closes the file and keeps what is committed. Raises `TrainingError`.
        """
        status = Status("interrupted", "stopped before its last epoch")
        try:
            for event in events(self.trainer):
                if isinstance(event, Checkpoint):
                    yield from self._commit(event)
                yield event
            status = Status("finished")
        except Exception as error:
            status = Status("failed", str(error) or type(error).__name__)
            raise
        finally:
            self.close(status)

    def _commit(self, checkpoint: Checkpoint) -> Iterator[NoSpace]:
        while True:
            try:
                return self.writer.append(checkpoint)
            except NoSpace as full:
                yield full

    def close(self, status: Status) -> None:
        self.writer.close(status)


def start(config: Config, path: str | Path) -> Recording:
    """A new run. Raises `RunError`, `TrainingError`."""
    trainer = Trainer(config)
    return Recording(trainer, RunWriter.create(path, config, Origin(), trainer.environment()), 0)


def resume(path: str | Path, epochs: int | None = None, device: str | None = None, say: Say = print) -> Recording:
    """Go on with a run in place, up to epoch `epochs` (absolute; None: as planned).

    Bit for bit the uninterrupted run where machine and versions are the same; `say` tells where not.
    Raises `RunError`, `ConfigError`, `TrainingError`.
    """
    run = Run.open(path)
    if run.status().state == "running":
        raise RunError(f"{path} is being written by another process; stop that training first.")
    changes = {"epochs": epochs, "device": device}
    config = _changed(run.config, {key: value for key, value in changes.items() if value is not None})
    begin = None
    if run.n_checkpoints:
        last = int(run.epochs[-1])
        if config.epochs <= last:
            raise RunError(f"{path} has reached epoch {last} already; give a later last epoch with --epochs.")
        optimizer = run.optimizer()
        if optimizer is None:
            raise RunError(f"{path} holds no optimiser state; start a new run from its weights with --init.")
        begin = Start(last, run.weights(-1), optimizer, run.origin.warmup_from, announced=True)
    elif run.origin.parent is not None:
        raise RunError(f"{path} was stopped before its first checkpoint; fork its parent again.")
    trainer = Trainer(config, begin, threads=int(run.segments[-1]["threads"]))
    _compare(run.segments[-1], trainer.environment(), say)
    run.close()
    writer = RunWriter.resume(path, config, trainer.environment())
    if writer.run != run or writer.run.n_checkpoints != run.n_checkpoints:
        writer.close(Status("interrupted", "stopped before its last epoch"))
        raise RunError(f"{path} was written by another process just now; try again.")
    return Recording(trainer, writer, trainer.epoch)


def fork(
    parent: Run,
    path: str | Path,
    epoch: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    optimizer: str | None = None,
    say: Say = print,
) -> Recording:
    """A new run that begins with the weights of `parent` at `epoch` (None: its last), and keeps its epoch numbers.

    optimizer : `kept` goes on with the parent's optimiser state and warm-up, replayed where it was not kept;
        `fresh` begins anew and repeats the warm-up. None: kept if no setting that moves weights changes, else fresh.
    Raises `RunError`, `ConfigError`, `TrainingError`.
    """
    if not parent.n_checkpoints:
        raise RunError(f"{parent.path} has no checkpoint to start from.")
    step = parent.n_checkpoints - 1 if epoch is None else parent.step_at(epoch)
    epoch = int(parent.epochs[step])
    config = _changed(parent.config, overrides or {})
    for name in FIXED_IN_A_FORK:
        if getattr(config, name) != getattr(parent.config, name):
            raise ConfigError(f"{name} = {getattr(config, name)}: a fork keeps its parent's model and task.")
    if config.epochs <= epoch:
        raise ConfigError(f"epochs = {config.epochs}: must be above {epoch}, where the fork begins; give --epochs.")
    unchanged = all(
        value == getattr(parent.config, name) for name, value in asdict(config).items() if name not in SCHEDULE
    )
    mode = optimizer or ("kept" if unchanged else "fresh")
    if mode == "kept":
        state, threads = _state_at(parent, step, say)
        warmup_from = parent.origin.warmup_from
    else:
        state, threads, warmup_from = None, None, epoch
    trainer = Trainer(config, Start(epoch, parent.weights(step), state, warmup_from), threads)
    if mode == "kept":
        _compare(_segment_at(parent, epoch), trainer.environment(), say)
    origin = Origin(epoch, parent.id, warmup_from, mode)
    return Recording(trainer, RunWriter.create(path, config, origin, trainer.environment()), epoch)


def _state_at(run: Run, step: int, say: Say) -> tuple[Arrays, int]:
    """The optimiser's state at a checkpoint, kept or replayed, and the threads it was computed with."""
    epoch = int(run.epochs[step])
    threads = int(_segment_at(run, epoch)["threads"])
    last = run.optimizer() if step == run.n_checkpoints - 1 else None
    if last is not None:
        return last, threads
    kept = [i for i in run.kept_optimizers() if i <= step]
    if not kept:
        raise RunError(f"{run.path} holds no optimiser state to go on from; fork with --optimizer fresh.")
    state = run.kept_optimizer(kept[-1])
    begin = int(run.epochs[kept[-1]])
    if begin == epoch:
        return state, threads
    say(f"Replaying epochs {begin} to {epoch} to recover the optimiser's state …")
    trainer = Trainer(run.config, Start(begin, run.weights(kept[-1]), state, run.origin.warmup_from), threads)
    while trainer.epoch < epoch:
        trainer.advance()
    replayed, stored = trainer.weights(), run.weights(step)
    if any(not np.array_equal(replayed[name], stored[name]) for name in stored):
        say("Not bit-exact: the replay did not reproduce the stored weights on this machine.")
    return trainer.optimizer_state(), threads


def _segment_at(run: Run, epoch: int) -> dict[str, Any]:
    """The stretch of training, with its environment, that reached `epoch`."""
    return [s for s in run.segments if s["from_epoch"] < max(epoch, 1) or s is run.segments[0]][-1]


def _compare(stored: Mapping[str, Any], here: Mapping[str, Any], say: Say) -> None:
    different = [f"{key} {stored.get(key)} → {value}" for key, value in here.items() if stored.get(key) != value]
    if different:
        say(f"Not bit-exact with what came before: {', '.join(different)}.")


def _changed(config: Config, changes: Mapping[str, Any]) -> Config:
    return replace(config, **changes)
