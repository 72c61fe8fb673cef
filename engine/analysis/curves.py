"""Losses and accuracies over training, thinned for drawing without losing an extreme."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.runfile import Run

Floats = NDArray[np.float64]
DRAWN = 1200  # points of a curve at most


@dataclass(frozen=True)
class Curve:
    """epochs, values : (n,)"""

    epochs: Floats
    values: Floats


@dataclass(frozen=True)
class LossCurves:
    """Each None where the file has none.

    train_loss, test_loss, train_accuracy, test_accuracy : at the checkpoints, over p logits
    train_loss_all, test_loss_all : before every step and at the test epochs, over p + 1 logits, thinned
    """

    train_loss: Curve | None
    test_loss: Curve | None
    train_accuracy: Curve | None
    test_accuracy: Curve | None
    train_loss_all: Curve | None
    test_loss_all: Curve | None


def loss_curves(run: Run, n_checkpoints: int) -> LossCurves:
    """Every curve up to the given number of checkpoints."""
    epochs = run.epochs[:n_checkpoints].astype(np.float64)

    def scalar(name: str) -> Curve | None:
        values = run.scalars(name)
        return None if values is None else Curve(epochs, values[:n_checkpoints])

    every, tests = run.train_curve(), run.test_curve()
    last = epochs[-1] if len(epochs) else 0.0
    train = test = None
    if every is not None and len(every):
        upto = int(last) - run.origin.epoch
        train = thinned(run.origin.epoch + np.arange(upto, dtype=np.float64), every[:upto])
    if tests is not None and len(tests[0]):
        before = tests[0] < last
        test = thinned(tests[0][before].astype(np.float64), tests[1][before])
    return LossCurves(
        scalar("train_loss"), scalar("test_loss"), scalar("train_accuracy"), scalar("test_accuracy"), train, test
    )


def thinned(x: Floats, y: Floats) -> Curve:
    """At most `DRAWN` points: the smallest and the largest of every bin, in their order."""
    if len(x) <= DRAWN:
        return Curve(x, y)
    edges = np.linspace(0, len(x), DRAWN // 2 + 1).astype(int)
    low = np.array([a + y[a:b].argmin() for a, b in itertools.pairwise(edges)])
    high = np.array([a + y[a:b].argmax() for a, b in itertools.pairwise(edges)])
    rows = np.unique(np.concatenate([low, high, [0, len(x) - 1]]))
    return Curve(x[rows], y[rows])
