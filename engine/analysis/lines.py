"""Functions of pairs that are sums of functions of i, of j, of i + j and of i − j, and what of a function is one.

Every component of frequency k (science 2.5) is such a sum: cosine and sine of w·i, of w·j, and their four products,
which span the same functions as cosine and sine of w(i + j) and w(i − j). So taking frequencies away from n² rows of
numbers is four tables of n rows, whatever the frequencies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import Characters
from engine.analysis.waves import LineSums
from engine.fourier import components, fourier_basis
from engine.kernels import compiled

Floats = NDArray[np.float64]
Values = NDArray[np.floating]
Ints = NDArray[np.int64]
LINES = 4  # i, j, i + j, i − j


def rows_of(n: int, of: tuple[int, ...]) -> list[int]:
    """Rows of the Fourier basis that carry frequencies, those that there are."""
    return [row for k in of if 1 <= k <= n // 2 for row in range(*components(n, k).indices(n))]


def chosen_lines(basis: Characters, whole: bool) -> list[int]:
    """The lines whose waves count: all four (the eight components), or that of the answer alone."""
    return list(range(LINES)) if whole else [2 if basis.sign > 0 else 3]


def once(factors: Floats, basis: Characters) -> None:
    """For even n the alternating component of i + j is that of i − j: the answer's line has it.  factors : (4, n, …)"""
    if basis.n % 2 == 0:
        factors[3 if basis.sign > 0 else 2, -1] = 0


def wave_tables(found: LineSums, factors: NDArray[Any], onto: Floats | None = None) -> Floats:
    """Parts of functions as four tables, what each line adds.

    factors : (4, n, d), of each component of each line; the constant's must be 0. For even n the alternating component
        of i + j is that of i − j: only one of the two may have a factor
    onto : (d, m), what the functions are written into; None: d is m      -> (4, n, m)
    """
    _, n, d = found.sums.shape
    basis = fourier_basis(n)
    tables = np.zeros((LINES, n, d if onto is None else onto.shape[1]))
    for line in range(LINES):
        rows = np.flatnonzero(factors[line].any(axis=1))
        if not len(rows):
            continue
        parts = factors[line, rows] * (basis[rows] @ found.sums[line].astype(np.float64)) / n
        tables[line] = basis[rows].T @ (parts if onto is None else parts @ onto)
    return tables


def add_lines(values: Values, tables: Floats, basis: Characters, factor: float = 1.0) -> None:
    """values = factor · values + what the lines add, on the cycle; off it none.  values : (p², m), C order."""
    four = [np.ascontiguousarray(table, values.dtype) for table in tables]
    m = values.shape[1]
    _add_lines(values.reshape(-1), m, basis.p, basis.elements, values.dtype.type(factor), *four)


@compiled({"reassoc", "nsz", "contract", "arcp"})
def _add_lines(
    values: Values, m: int, p: int, elements: Ints, factor: Any,
    of_i: Values, of_j: Values, plus: Values, minus: Values,
) -> None:  # fmt: skip
    """values = factor · values + of_i + of_j + plus + minus at the pairs (elements[i], elements[j]).

    values : flat, rows of m
    """
    n, width = len(elements), np.uint64(m)
    for i in range(n):
        first = of_i[i]
        for j in range(n):
            start = np.uint64(elements[i] * p + elements[j]) * width
            second, third, fourth = of_j[j], plus[(i + j) % n], minus[(i - j) % n]
            for c in range(width):
                x = first[c] + second[c] + third[c] + fourth[c]
                values[start + c] = factor * values[start + c] + x
