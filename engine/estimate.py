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


def estimate(config: Config) -> Estimate:
    """Time a few epochs of this very configuration. Raises `TrainingError`."""
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
    per_test = time.perf_counter() - begin
    parameters = sum(math.prod(shape) for shape in shapes(config).values())
    kept = scheduled_checkpoints(config)
    states = 3 + config.epochs // 1000  # two slots, and those kept for good
    tests = config.epochs // min(config.test_every, config.transition_every or config.test_every)
    seconds = per_epoch * config.epochs + per_test * (tests + 2 * kept) + _COMMIT_SECONDS * kept
    return Estimate(seconds, 4 * parameters * (kept + 2 * states) + 24 * config.epochs)


def scheduled_checkpoints(config: Config) -> int:
    """Checkpoints of the plain and the dense schedule."""
    epochs = set(range(0, config.epochs + 1, config.checkpoint_every)) | {config.epochs}
    if config.dense_every:
        epochs |= set(range(0, min(config.dense_until, config.epochs + 1), config.dense_every))
    return len(epochs)
