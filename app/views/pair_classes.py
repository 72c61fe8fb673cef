"""The pairs of a task: their classes and right answers, and their order on which a frequency is one wave."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import NoBasis, characters
from engine.analysis.pairs import pair_masks
from engine.analysis.wall import unwrapping
from engine.config import Config

Ints = NDArray[np.int64]
KINDS = ("train", "seen", "unseen", "test")  # what has an entry in the legend; `test` is the two before it together
NAMES = {"train": "train", "seen": "mirror seen", "unseen": "mirror unseen", "test": "test"}
LONG = {
    "train": "training pair", "seen": "test pair, mirror trained", "unseen": "test pair, mirror not trained",
    "test": "test pair",
}  # fmt: skip


@lru_cache(maxsize=8)
def kinds(config: Config) -> NDArray[np.int8]:
    """Of every pair the place of its class in `KINDS`, −1 where the task has no such pair.  (p, p)"""
    masks = pair_masks(config)
    found = np.full(masks.exists.shape, -1, np.int8)
    found[masks.train] = 0
    found[masks.test] = 3
    if masks.mirror_seen is not None:
        found[masks.test] = 2
        found[masks.mirror_seen] = 1
    found.flags.writeable = False
    return found


@lru_cache(maxsize=8)
def labels(config: Config) -> Ints:
    """The right answer to every pair, −1 where there is none.  (p, p)"""
    return pair_masks(config).label


@lru_cache(maxsize=32)
def unwrapped(config: Config, k: int) -> Ints:
    """Residues along an axis on which frequency k is one wave; those off the task's cycle come first.  (p,)"""
    p = config.p
    try:
        basis = characters(config)
    except NoBasis:
        return unwrapping(p, k)
    on = basis.elements[unwrapping(basis.n, k)]
    return np.concatenate([np.setdiff1d(np.arange(p), on), on])


def has_basis(config: Config) -> bool:
    """Whether there is an order of residues in which the task is a sum."""
    try:
        characters(config)
    except NoBasis:
        return False
    return True


def cycle(config: Config) -> tuple[int, int | None]:
    """Length of the task's cycle and the generator of the units, if it is theirs."""
    try:
        basis = characters(config)
    except NoBasis:
        return config.p, None
    return basis.n, basis.generator
