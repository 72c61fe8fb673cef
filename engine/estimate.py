"""What a run will cost, measured on this machine rather than guessed."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from engine.config import Config
from engine.models.transformer import shapes
from engine.step import evaluate
from engine.training import Trainer

_SECONDS = 0.4  # of measuring at most
_COMMIT_SECONDS = 0.01  # with its two syncs, on an ordinary disk


@dataclass(frozen=True)
class Estimate:
    """seconds : of training      bytes : of the run file, without the checkpoints of the transition"""

    seconds: float
    bytes: int


def estimate(config: Config, begin: int = 0, replayed: int = 0) -> Estimate:
    """Time a few epochs of this very configuration. Raises `TrainingError`.

    begin : the epoch it starts from      replayed : epochs that are trained again before, to recover a state
    """
    epochs, kept = config.epochs - begin, scheduled_checkpoints(config, begin)
    per_epoch, per_test = _costs(config)
    parameters = sum(math.prod(shape) for shape in shapes(config).values())
    states = 3 + epochs // 1000  # two slots, and those kept for good
    tests = epochs // min(config.test_every, config.transition_every or config.test_every)
    seconds = per_epoch * (epochs + replayed) + per_test * (tests + 2 * kept) + _COMMIT_SECONDS * kept
    return Estimate(seconds, 4 * parameters * (kept + 2 * states) + 24 * epochs)


def estimate_replay(config: Config, epochs: int, checkpoints: int) -> float:
    """Seconds to train so many epochs again and keep so many checkpoints on the way. Raises `TrainingError`."""
    per_epoch, per_test = _costs(config)
    return per_epoch * epochs + (2 * per_test + _COMMIT_SECONDS) * checkpoints


def _costs(config: Config) -> tuple[float, float]:
    """Seconds of an epoch and of an evaluation on the test pairs, measured."""
    trainer = Trainer(replace(config, warmup=max(config.warmup, 1)))
    trainer.advance()
    begin, n = time.perf_counter(), 0
    while time.perf_counter() - begin < _SECONDS and n < 50:
        trainer.advance()
        n += 1
    per_epoch = (time.perf_counter() - begin) / n
    evaluate(trainer.step, trainer.test_batch)  # the first call also warms up
    begin = time.perf_counter()
    evaluate(trainer.step, trainer.test_batch)
    return per_epoch, time.perf_counter() - begin


def scheduled_checkpoints(config: Config, begin: int = 0) -> int:
    """Checkpoints of the plain and the dense schedule, from an epoch on."""
    epochs = set(range(0, config.epochs + 1, config.checkpoint_every)) | {config.epochs, begin}
    if config.dense_every:
        epochs |= set(range(0, min(config.dense_until, config.epochs + 1), config.dense_every))
    return sum(epoch >= begin for epoch in epochs)
