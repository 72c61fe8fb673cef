"""Training on its way into a run file: start, resume, fork. The command line and the window both use this."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from engine.config import Config, ConfigError
from engine.repetition import Say, compare, difference, kept_before, repeat, stretch_after
from engine.runfile import Arrays, Origin, Run, RunError, Status
from engine.runwriter import NoSpace, RunWriter
from engine.training import YIELD_SECONDS, Checkpoint, Progress, Start, Trainer, events

SCHEDULE = frozenset({
    "epochs", "checkpoint_every", "dense_every", "dense_until", "transition_every", "test_every", "device",
})  # fmt: skip
"""Settings that do not change the weights; all others do."""

FIXED_IN_A_FORK = (
    "operation", "p", "model_seed", "d_model", "n_heads", "d_head", "d_mlp", "n_layers", "activation", "layer_norm",
)  # fmt: skip

Told = Callable[[int, int], None]
"""Called now and then while an optimiser's state is replayed, with the epoch reached and the one wanted.
Raise in it to give up."""


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
    compare(run.segments[-1], trainer.environment(), say)
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
    told: Told = lambda epoch, wanted: None,
) -> Recording:
    """A new run that begins with the weights of `parent` at `epoch` (None: its last), and keeps its epoch numbers.

    optimizer : `kept` goes on with the parent's optimiser state and warm-up, replayed where it was not kept;
        `fresh` begins anew and repeats the warm-up. None: kept if no setting that moves weights changes, else fresh.
    overrides : settings that change. Another `train_fraction` takes more or fewer pairs of the same shuffle: the
        training pairs become a superset or a subset of the parent's.
    Raises `RunError`, `ConfigError`, `TrainingError`.
    """
    if not parent.n_checkpoints:
        raise RunError(f"{parent.path} has no checkpoint to start from.")
    step = parent.n_checkpoints - 1 if epoch is None else parent.step_at(epoch)
    epoch = int(parent.epochs[step])
    config = forked(parent.config, epoch, overrides or {})
    mode = optimizer or ("kept" if moves_nothing(config, parent.config) else "fresh")
    if mode == "kept":
        state, threads = _state_at(parent, step, say, told)
        warmup_from = parent.origin.warmup_from
    else:
        state, threads, warmup_from = None, None, epoch
    trainer = Trainer(config, Start(epoch, parent.weights(step), state, warmup_from), threads)
    if mode == "kept":
        compare(stretch_after(parent, max(epoch - 1, 0)), trainer.environment(), say)
    origin = Origin(epoch, parent.id, warmup_from, mode)
    return Recording(trainer, RunWriter.create(path, config, origin, trainer.environment()), epoch)


def forked(parent: Config, epoch: int, overrides: Mapping[str, Any]) -> Config:
    """The settings of a fork at an epoch. Raises `ConfigError` for what a fork cannot change."""
    config = _changed(parent, overrides)
    fixed = (*FIXED_IN_A_FORK, *(("data_seed",) if parent.operation == "random" else ()))  # it makes the table
    for name in fixed:
        if getattr(config, name) != getattr(parent, name):
            raise ConfigError(f"{name} = {getattr(config, name)}: a fork keeps its parent's model and task.")
    if config.epochs <= epoch:
        raise ConfigError(f"epochs = {config.epochs}: must be above {epoch}, where the fork begins; give --epochs.")
    return config


def moves_nothing(config: Config, parent: Config) -> bool:
    """Whether two settings lead to the same weights."""
    return all(value == getattr(parent, name) for name, value in asdict(config).items() if name not in SCHEDULE)


def replay_begin(run: Run, epoch: int) -> int | None:
    """Where a replay starts that recovers the optimiser's state at a checkpoint: there, if it is held; None: nowhere.

    Raises `RunError` for an epoch without a checkpoint.
    """
    if run.step_at(epoch) == run.n_checkpoints - 1 and run.kept_optimizers():
        return epoch
    step = kept_before(run, epoch)
    return None if step is None else int(run.epochs[step])


def _state_at(run: Run, step: int, say: Say, told: Told) -> tuple[Arrays, int]:
    """The optimiser's state at a checkpoint, kept or replayed, and the threads it was computed with."""
    epoch = int(run.epochs[step])
    threads = int(stretch_after(run, max(epoch - 1, 0))["threads"])
    last = run.optimizer() if step == run.n_checkpoints - 1 else None
    if last is not None:
        return last, threads
    kept = kept_before(run, epoch)
    if kept is None:
        raise RunError(f"{run.path} holds no optimiser state to go on from; fork with --optimizer fresh.")
    if kept == step:
        return run.kept_optimizer(kept), threads
    say(f"Replaying epochs {run.epochs[kept]} to {epoch} to recover the optimiser's state …")
    last_told = time.perf_counter()
    for trainer in repeat(run, epoch, say):
        if trainer.epoch == epoch:
            break
        if time.perf_counter() - last_told >= YIELD_SECONDS:
            told(trainer.epoch, epoch)
            last_told = time.perf_counter()
    if difference(run, step, trainer):
        say("Not bit-exact: the replay did not reproduce the stored weights on this machine.")
    return trainer.optimizer_state(), threads


def _changed(config: Config, changes: Mapping[str, Any]) -> Config:
    return replace(config, **changes)
