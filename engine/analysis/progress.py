"""Progress measures: restricted and excluded loss (paper, sec. 5.1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.fourier import frequencies, sum_directions
from engine.replay import activations
from engine.runfile import Run
from engine.tasks import TASKS, Examples, examples

Floats = NDArray[np.float64]


def sum_part(logits: NDArray[np.floating], p: int, keys: Collection[int], sign: int = 1) -> Floats:
    """Σ_k P_k L: the part of the logits that turns with w_k (a ± b) (paper, sec. 4.1).  (p², p) -> (p², p)"""
    part = np.zeros(logits.shape)
    for k in keys:
        directions = sum_directions(p, k, sign)
        part += directions.T @ (directions @ logits)
    return part


def cross_entropy(logits: Floats, chosen: Examples, p: int) -> float | None:
    """Mean cross-entropy over p logits on some pairs; None where there are none.  logits : (p², p)"""
    if not len(chosen):
        return None
    rows = logits[chosen.pairs[:, 0] * p + chosen.pairs[:, 1]]
    rows = rows - rows.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(rows).sum(1)) - rows[np.arange(len(rows)), chosen.labels]))


@dataclass(frozen=True)
class ProgressMeasures:
    """Losses over p logits in float64; None where a split is empty.

    keys : the key frequencies they were computed with
    restricted_* : only the keys' part of the logits and their mean
    excluded_key_train, excluded_all_train : without the keys' part; without all frequencies' (the published curve)
    """

    keys: tuple[int, ...]
    train_loss: float | None
    test_loss: float | None
    restricted_all: float | None
    restricted_train: float | None
    restricted_test: float | None
    excluded_key_train: float | None
    excluded_all_train: float | None
    sum_of_squared_weights: float


def progress_measures(run: Run, step: int, keys: Collection[int]) -> ProgressMeasures:
    """The paper's progress measures at a checkpoint for a given set of key frequencies."""
    c = run.config
    sign = -1 if TASKS[c.operation].basis == "difference" else 1
    logits = activations(run, step).logits.astype(np.float64)
    train, test = examples(c.operation, c.p, c.train_fraction, c.data_seed)
    both = Examples(np.concatenate([train.pairs, test.pairs]), np.concatenate([train.labels, test.labels]))
    part = sum_part(logits, c.p, keys, sign)
    restricted = part + logits.mean(axis=0)
    without_all = logits - sum_part(logits, c.p, frequencies(c.p), sign)
    return ProgressMeasures(
        keys=tuple(keys),
        train_loss=cross_entropy(logits, train, c.p),
        test_loss=cross_entropy(logits, test, c.p),
        restricted_all=cross_entropy(restricted, both, c.p),
        restricted_train=cross_entropy(restricted, train, c.p),
        restricted_test=cross_entropy(restricted, test, c.p),
        excluded_key_train=cross_entropy(logits - part, train, c.p),
        excluded_all_train=cross_entropy(without_all, train, c.p),
        sum_of_squared_weights=float(sum(np.square(w, dtype=np.float64).sum() for w in run.weights(step).values())),
    )
