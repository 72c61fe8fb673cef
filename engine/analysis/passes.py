"""Single passes over the activations of all neurons, compiled like `engine.kernels`: thumbnails, and sums over lines.

What a neuron's best frequency depends on are its sums over the pairs that share i, j, i + j or i − j: cosine and sine
of w·i, of w·j and their four products span the same functions as cosine and sine of w·i, w·j, w(i + j) and w(i − j).
Four additions a pair take the place of a 2-D transform.

Values are float32 or float64 alike, in `rows`: one a pair, one column a neuron. The functions release the interpreter
and call nothing compiled elsewhere, so that what is kept on disk is renewed with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels import compiled

Floats = NDArray[Any]
Ints = NDArray[np.int64]
_U = np.uint64  # unsigned indices spare a wrap-around test
_SUMS = {"reassoc", "nsz", "contract", "arcp"}  # in vector lanes; NaN stays NaN


def in_rows(values: Floats) -> tuple[Floats, int]:
    """The same memory as a line of numbers, and how many lead from a row to the next: a slice of columns stays one.

    values : (n, d) -> (at least (n − 1) · stride + d,), stride
    """
    size = values.itemsize
    if values.strides[1] != size or values.strides[0] % size or values.strides[0] < size * values.shape[1]:
        values = np.ascontiguousarray(values)
    stride = values.strides[0] // size
    length = max(0, len(values) - 1) * stride + values.shape[1]
    return np.lib.stride_tricks.as_strided(values, (length,), (size,)), stride


@compiled(_SUMS)
def line_sums(
    values: Floats, stride: int, d: int, p: int, elements: Ints,
    of_i: Floats, of_j: Floats, plus: Floats, minus: Floats, squares: NDArray[np.float64],
) -> None:  # fmt: skip
    """Sums over the pairs (elements[i], elements[j]) of each column, less its value at the first of them.

    values, stride : of `in_rows`
    of_i, of_j, plus, minus : (n, d) out, by i, j, i + j and i − j modulo n      squares : (d,) out, of all pairs
    """
    n, width = len(elements), d
    start = (elements[0] * p + elements[0]) * stride
    shift = values[start : start + d]
    x, line = np.empty(width, values.dtype), np.empty(width, values.dtype)
    squares[:] = 0
    of_i[:] = 0
    of_j[:] = 0
    plus[:] = 0
    minus[:] = 0
    for i in range(n):
        line[:] = 0
        a = elements[i] * p
        for j in range(n):
            start = (a + elements[j]) * stride
            row = values[start : start + d]
            to_i, to_j, to_s, to_d = of_i[i], of_j[j], plus[(i + j) % n], minus[(i - j) % n]
            for c in range(width):
                x[c] = row[c] - shift[c]
            for c in range(width):
                to_i[c] += x[c]
            for c in range(width):
                to_j[c] += x[c]
            for c in range(width):
                to_s[c] += x[c]
            for c in range(width):
                to_d[c] += x[c]
            for c in range(width):
                line[c] += x[c] * x[c]
        for c in range(width):
            squares[c] += line[c]


@compiled(_SUMS)
def thumbnails(
    values: Floats, stride: int, p: int, starts: Ints, columns: Ints, places: Ints, edges: Ints, pixels: Ints,
    weights: Floats, scale: float, out: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Averages over pixels, times `scale`, cut to 0 … 255, each group of columns in its own order of the residues.

    values, stride : of `in_rows`
    columns : neurons, group after group      starts : where groups begin, and their end; (n_groups + 1,)
    places : (n_groups, p) where each residue stands, −1 where it is left out
    edges, pixels, weights : place t counts with weights[e] in pixels[e], edges[t] ≤ e < edges[t + 1]
    out : (d, size, size), row a, column b
    """
    size, total = out.shape[1], len(columns)
    sums = np.zeros((size, size, total), values.dtype)
    row, x = np.empty((size, total), values.dtype), np.empty(total, values.dtype)
    for a in range(p):
        for g in range(len(starts) - 1):
            first, last = starts[g], starts[g + 1]
            width, i = last - first, places[g, a]
            if i < 0:
                continue
            mine, read = columns[first:last], x[:width]
            for y in range(size):
                row[y, :width] = 0
            for b in range(p):
                j = places[g, b]
                if j < 0:
                    continue
                start = _U((a * p + b) * stride)
                for c in range(_U(width)):
                    read[c] = values[start + _U(mine[c])]
                for e in range(edges[j], edges[j + 1]):
                    into, w = row[pixels[e], :width], weights[e]
                    for c in range(width):
                        into[c] += w * read[c]
            for e in range(edges[i], edges[i + 1]):
                w = weights[e]
                for y in range(size):
                    into, line = sums[pixels[e], y, first:last], row[y, :width]
                    for c in range(width):
                        into[c] += w * line[c]
    for y in range(size):
        for z in range(size):
            for c in range(total):
                out[columns[c], y, z] = np.uint8(min(max(sums[y, z, c] * scale, 0), 255))
