"""Every pair by itself: what the model answers, how surely, and whether it saw the pair or its mirror (science 2.13).

Over p logits, float64. Arrays are (p, p), row a, column b. Pairs that the task does not have (b = 0 of a / b) are
NaN, −1 or False.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.measures import SYMMETRIC, pair_sets, per_pair
from engine.config import Config
from engine.replay import activations
from engine.runfile import Run

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PairMasks:
    """(p, p) each. Independent of the checkpoint.

    exists : pairs that the task has     label : the correct residue, −1 where there is none
    train, test : the split
    mirror_seen : test pairs (a, b) whose mirror (b, a) was trained; None where the operation is not symmetric
    """

    exists: Flags
    label: Ints
    train: Flags
    test: Flags
    mirror_seen: Flags | None


@dataclass(frozen=True, eq=False)
class PairAnswers:
    """(p, p) each.

    answer : residue with the largest logit     right : it is the correct one
    probability : softmax probability of the correct answer     confidence : of the given answer
    loss : −ln of `probability`, nats     margin : correct logit − best wrong logit
    """

    masks: PairMasks
    answer: Ints
    right: Flags
    probability: Floats
    confidence: Floats
    loss: Floats
    margin: Floats


def pair_masks(config: Config) -> PairMasks:
    """Which pairs there are, their answers, and the split."""
    sets, p = pair_sets(config), config.p

    def flags(rows: Ints | None) -> Flags:
        found = np.zeros(p * p, dtype=bool)
        found[rows] = True
        return found.reshape(p, p)

    seen = None if sets.seen is None else flags(sets.seen)
    return PairMasks(flags(sets.exist), sets.labels.reshape(p, p), flags(sets.train), flags(sets.test), seen)


def pair_answers(run: Run, step: int) -> PairAnswers:
    """What the model answers to every pair at a checkpoint."""
    return answers(activations(run, step).logits.astype(np.float64, copy=False), pair_masks(run.config))


def answers(logits: Floats, masks: PairMasks) -> PairAnswers:
    """The same for given logits.  logits : (p², p)"""
    p = len(masks.exists)
    rows, given = np.arange(p * p), logits.argmax(axis=1)
    loss, right, margin = per_pair(logits, masks.label.reshape(-1))
    correct = logits[rows, np.maximum(masks.label.reshape(-1), 0)]

    def where(values: Floats) -> Floats:
        return np.where(masks.exists, values.reshape(p, p), np.nan)

    answer = np.where(masks.exists, given.reshape(p, p), -1).astype(np.int64)
    return PairAnswers(
        masks=masks,
        answer=answer,
        right=right.reshape(p, p),
        probability=where(np.exp(-loss)),
        confidence=where(np.exp(logits[rows, given] - correct - loss)),
        loss=where(loss),
        margin=where(margin),
    )


@dataclass(frozen=True)
class Score:
    """Mean loss (nats) and accuracy (0 … 1) over some pairs; None where there are none."""

    count: int
    loss: float | None
    accuracy: float | None


@dataclass(frozen=True)
class MirrorScores:
    """Test pairs (a, b) whose mirror (b, a) was trained, and the other test pairs."""

    seen: Score
    unseen: Score


def mirror_scores(run: Run, step: int) -> MirrorScores | None:
    """Scores on mirror-seen and mirror-unseen test pairs (science 2.13); None: the operation is not symmetric."""
    return None if run.config.operation not in SYMMETRIC else by_mirror(pair_answers(run, step))


def by_mirror(found: PairAnswers) -> MirrorScores | None:
    """The same for given answers."""
    seen = found.masks.mirror_seen
    if seen is None:
        return None
    return MirrorScores(score(found, seen), score(found, found.masks.test & ~seen))


def score(found: PairAnswers, chosen: Flags) -> Score:
    """Mean loss and accuracy over the chosen pairs.  chosen : (p, p)"""
    count = int(chosen.sum())
    if not count:
        return Score(0, None, None)
    return Score(count, float(found.loss[chosen].mean()), float(found.right[chosen].mean()))


def graduation(right_by_checkpoint: Flags, epochs: Ints) -> Ints:
    """The epoch from which each pair stays right to the last checkpoint; −1 if it is not right there.

    right_by_checkpoint : (n_checkpoints, n_pairs)     epochs : (n_checkpoints,)     -> (n_pairs,)
    """
    stays = np.logical_and.accumulate(right_by_checkpoint[::-1], axis=0)
    n = stays.sum(axis=0)  # checkpoints at the end that are all right
    padded = np.append(epochs, -1)
    found: Ints = padded[len(epochs) - n].astype(np.int64)
    return found
