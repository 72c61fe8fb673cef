"""In which order of the residues an operation is a sum: the Fourier basis that fits the task.

a + b and a − b are sums modulo p as they stand. a · b and a / b are sums of exponents: a unit is a power of a
generator g of the unit group, and log(a · b) = log a + log b modulo n, the number of units. Frequencies of
multiplicative characters depend on g (the smallest generator), so it is told. Where the unit group is not cyclic, or
the operation is no group operation, there is no such order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.tasks import TASKS

Ints = NDArray[np.int64]


class NoBasis(ValueError):
    """The task has no Fourier basis; a sentence that says why."""


@dataclass(frozen=True, eq=False)
class Characters:
    """The residues in an order in which the answer to (elements[i], elements[j]) is elements[(i ± j) % n].

    n : length of the cycle: p, or the number of units     sign : +1 or −1, of j
    elements : (n,) residues      generator : g of the unit group; None for sums and differences
    rows : (n²,) rows of the p² lexicographic pairs, in the order (i, j)
    """

    p: int
    n: int
    sign: int
    elements: Ints
    generator: int | None
    rows: Ints

    def grid(self, values: NDArray[Any]) -> NDArray[Any]:
        """What belongs to all p² pairs, on the cycle.  (p², …) -> (n, n, …), row i, column j"""
        return values[self.rows].reshape(self.n, self.n, *values.shape[1:])

    def outputs(self, logits: NDArray[Any]) -> NDArray[Any]:
        """The logits of the cycle's residues in their order.  (…, p or more) -> (…, n)"""
        return logits[..., self.elements]

    @property
    def sums(self) -> Ints:
        """(n, n), i ± j modulo n: the place of the answer."""
        i, j = np.divmod(np.arange(self.n * self.n), self.n)
        found: Ints = ((i + self.sign * j) % self.n).reshape(self.n, self.n)
        return found


@lru_cache(maxsize=16)
def _characters(operation: str, p: int) -> Characters:
    kind = TASKS[operation].basis
    if kind is None:
        raise NoBasis(f"{operation} is no group operation: there is no Fourier basis in which its answer is a sum.")
    sign = -1 if kind in ("difference", "quotient") else 1
    generator = None
    elements = np.arange(p)
    if kind in ("product", "quotient"):
        generator = smallest_generator(p)
        if generator is None:
            raise NoBasis(f"The units modulo {p} are not the powers of one of them: there is no Fourier basis.")
        elements = np.array([pow(generator, i, p) for i in range(count_units(p))])
    rows = (elements[:, None] * p + elements[None, :]).reshape(-1)
    return Characters(p, len(elements), sign, elements, generator, rows)


def characters(config: Config) -> Characters:
    """The order of residues that fits the run's task. Raises `NoBasis`."""
    return _characters(config.operation, config.p)


def count_units(p: int) -> int:
    return sum(gcd(x, p) == 1 for x in range(1, p)) if p > 1 else 0


def smallest_generator(p: int) -> int | None:
    """The smallest generator of the unit group modulo p; None where it is not cyclic."""
    n = count_units(p)
    for g in range(1, p):
        if gcd(g, p) > 1:
            continue
        power, order = g % p, 1
        while power != 1 % p:
            power, order = power * g % p, order + 1
        if order == n:
            return g
    return None
