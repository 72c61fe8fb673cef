"""The operations a model can learn, and the split of their pairs into train and test."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class UnknownTask(ValueError):
    """No operation of that name."""


@dataclass(frozen=True)
class Task:
    """One operation: its pairs in lexicographic order, and the answer to each.

    basis : the characters in which the answer is a rotation: of the sum, of the difference,
            of the product of units; None where there is no group behind the operation.
    """

    name: str
    symbol: str
    answer: Callable[[Ints, Ints, int, int], Ints]  # (a, b, p, data_seed) -> residues
    basis: str | None
    needs_prime: bool = False
    nonzero_b: bool = False

    def n_pairs(self, p: int) -> int:
        return p * (p - 1) if self.nonzero_b else p * p

    def inputs(self, p: int) -> Ints:
        """All pairs (a, b).  -> (n_pairs, 2), lexicographic"""
        a, b = np.divmod(np.arange(p * p), p)
        pairs = np.stack([a, b], axis=1)
        return pairs[b > 0] if self.nonzero_b else pairs

    def labels(self, p: int, data_seed: int) -> Ints:
        """The answer to each pair of `inputs`.  -> (n_pairs,) residues"""
        a, b = self.inputs(p).T
        return self.answer(a, b, p, data_seed)


def _divide(a: Ints, b: Ints, p: int, _seed: int) -> Ints:
    inverse: Ints = np.array([0, *(pow(x, -1, p) for x in range(1, p))])
    quotient: Ints = a * inverse[b] % p
    return quotient


def _random_table(a: Ints, b: Ints, p: int, seed: int) -> Ints:
    draw = random.Random(f"table {seed}")  # a text seed: independent of the split's stream
    table = np.array([draw.randrange(p) for _ in range(p * p)])
    answers: Ints = table[a * p + b]
    return answers


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("add", "a + b", lambda a, b, p, _: (a + b) % p, basis="sum"),
        Task("subtract", "a − b", lambda a, b, p, _: (a - b) % p, basis="difference"),
        Task("multiply", "a · b", lambda a, b, p, _: a * b % p, basis="product"),
        Task("divide", "a / b", _divide, basis="quotient", needs_prime=True, nonzero_b=True),
        Task("x2xyy2", "a² + ab + b²", lambda a, b, p, _: (a * a + a * b + b * b) % p, basis=None),
        Task("random", "random table", _random_table, basis=None),
    )
}

_SPELLINGS = {
    "a+b": "add", "+": "add", "a-b": "subtract", "-": "subtract", "a*b": "multiply", "*": "multiply",
    "a/b": "divide", "/": "divide", "a^2+ab+b^2": "x2xyy2", "a2+ab+b2": "x2xyy2", "rand": "random",
}  # fmt: skip


def task_named(text: str) -> Task:
    """The task of that name, also by its formula (`a+b`). Raises `UnknownTask`."""
    plain = text.lower().replace(" ", "").replace("−", "-").replace("·", "*").replace("²", "2")
    name = _SPELLINGS.get(plain, plain)
    if name not in TASKS:
        raise UnknownTask(f"must be one of {', '.join(TASKS)}.")
    return TASKS[name]


@dataclass(frozen=True)
class Split:
    """Rows of `Task.inputs` in the authors' order: training first.

    train : (n_train,)   test : (n_test,), may be empty
    """

    train: Ints
    test: Ints


def split(task: Task, p: int, fraction: float, seed: int) -> Split:
    """The authors' split, bit for bit: Python's `random`, seeded, shuffles the pairs (paper, sec. 3)."""
    order = list(range(task.n_pairs(p)))
    random.Random(seed).shuffle(order)
    n_train = int(fraction * len(order))
    return Split(np.array(order[:n_train], dtype=np.int64), np.array(order[n_train:], dtype=np.int64))


@dataclass(frozen=True)
class Examples:
    """Pairs with their answers.  pairs : (n, 2)   labels : (n,)"""

    pairs: Ints
    labels: Ints

    def __len__(self) -> int:
        return len(self.labels)


def examples(operation: str, p: int, fraction: float, seed: int) -> tuple[Examples, Examples]:
    """(training examples, test examples) of a run."""
    task = TASKS[operation]
    pairs, labels = task.inputs(p), task.labels(p, seed)
    rows = split(task, p, fraction, seed)
    return Examples(pairs[rows.train], labels[rows.train]), Examples(pairs[rows.test], labels[rows.test])
