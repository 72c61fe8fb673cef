"""The structured step's inner loops, compiled for this machine at first use (Numba) and kept on disk.

They release the interpreter, run on one core and work on flat C-ordered arrays of float32 or float64 alike.
A *term* is one of the weighted table rows that add up to an example's pre-activations; an example has `n_terms`
of them, a multiple of four, the unused ones with weight 0. Everything compiled stands in this one file, for what is
kept on disk is renewed when the file it stands in changes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from llvmlite import binding, ir
from numba import config, njit, types
from numba.core import cgutils
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys
from numba.extending import intrinsic
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Floats = NDArray[Any]
Indices = NDArray[np.uint32]

_REORDER = {"reassoc", "nsz", "contract", "arcp"}  # sums in vector lanes; never "no NaN": a NaN must reach the loss
_U = np.uint64  # unsigned indices spare a wrap-around test in each inner loop
_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer, kept in the low bits


def _features() -> set[str]:
    """What the processor compiled for can do: `avx2`, `avx512f`, `fma`, ..."""
    named = config.CPU_FEATURES  # type: ignore[attr-defined]
    if named is not None:
        return {name[1:] for name in named.split(",") if name.startswith("+")}
    return {name for name, there in binding.get_host_cpu_features().items() if there}


_NAME = config.CPU_NAME or binding.get_host_cpu_name()  # type: ignore[attr-defined]
COMPILER = f"Numba {numba.__version__} for {_NAME}"
_HAS = _features()
_X86 = binding.get_default_triple().startswith(("x86", "i386", "i686"))
_VECTOR_BITS = 512 if "avx512f" in _HAS else 256 if "avx2" in _HAS else 128
_TILE_ROWS = 6 if _X86 and "avx512f" not in _HAS else 8  # with two vectors a row it fits 16 or 32 registers
_TILE_VECTORS = 2
_FUSED = not _X86 or "fma" in _HAS
_PANEL_BITS = _TILE_VECTORS * _VECTOR_BITS
_DEPTH = 256  # of a panel: with 2 x 512 bits a row, 32 KiB
PAD = 32  # results of `multiply` have rows of a multiple of this: the widest panel, in float32
PACK = _DEPTH * PAD  # elements of the scratch it needs
# Arguments with a NumPy type: for each literal 0, 1 or True the compiler would make another copy of the function.
_0, _1, _PAD = cast(int, np.int64(0)), cast(int, np.int64(1)), cast(int, np.int64(PAD))
_SET, _ADD = cast(bool, np.bool_(False)), cast(bool, np.bool_(True))
_NO_LOGIT = -1e30  # what the padding of logits holds, so that softmax does not see it


class _Kept(FunctionCache):
    """What is kept on disk of a function, read as it is.

    Numba's own first loads everything that it compiles with, which takes longer than all kernels together. Where
    nothing is kept the compiler does so by itself.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)  # memory for arrays made inside
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]


def compiled(fastmath: set[str] | None = None) -> Callable[[F], F]:
    """Compile at the first call for each type of arguments; kept on disk where there is a place for it."""

    def decorate(function: F) -> F:
        made: Any = njit(nogil=True, error_model="numpy", fastmath=fastmath or False)(function)
        with contextlib.suppress(RuntimeError):  # nowhere to keep it
            made._cache = _Kept(function)  # type: ignore[no-untyped-call]
        return cast(F, made)

    return decorate


# -- matrix product ------------------------------------------------------------------------------------------


def _tile(rows: int) -> Any:
    """A block of the product kept in vector registers: c[:rows] (+)= a[:rows] @ panel, two vectors wide.

    Arguments: a, its first element, row and column stride; panel (depth, two vectors); c, its first element and row
    stride; depth; whether to add. LLVM's own vectorisation does not keep such a block in registers, hence by hand.
    """

    @intrinsic
    def tile(_: Any, a: Any, a0: Any, row: Any, column: Any, panel: Any, c: Any, c0: Any, c_row: Any, k: Any, add: Any):  # type: ignore[no-untyped-def]
        u = types.uint64
        signature = types.void(a, u, u, u, panel, c, u, u, u, types.boolean)

        def generate(context: Any, build: Any, sig: Any, args: Any) -> Any:
            size = sig.args[0].dtype.bitwidth
            scalar = ir.FloatType() if size == 32 else ir.DoubleType()
            lanes = _VECTOR_BITS // size
            vector = ir.VectorType(scalar, lanes)
            i32, i64 = ir.IntType(32), ir.IntType(64)
            zero, nothing = ir.Constant(vector, None), ir.Constant(vector, ir.Undefined)
            everywhere = ir.Constant(ir.VectorType(i32, lanes), None)
            fma = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
                build.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{lanes}f{size}"
            )

            def pointer(argument: int) -> Any:
                return context.make_array(sig.args[argument])(context, build, args[argument]).data

            def vectors(base: Any, offset: Any) -> list[Any]:
                at = [build.add(offset, i64(v * lanes)) for v in range(_TILE_VECTORS)]
                return [build.bitcast(build.gep(base, [x]), vector.as_pointer()) for x in at]

            def multiply_add(x: Any, y: Any, z: Any) -> Any:
                return build.call(fma, [x, y, z]) if _FUSED else build.fadd(build.fmul(x, y), z)

            starts = [build.gep(pointer(0), [build.add(args[1], build.mul(args[2], i64(r)))]) for r in range(rows)]
            panel_at, c_at = pointer(4), build.gep(pointer(5), [args[6]])
            before, loop, after = build.block, build.append_basic_block("depth"), build.append_basic_block("store")
            build.branch(loop)
            build.position_at_end(loop)
            index = build.phi(i64)
            sums = [[build.phi(vector) for _ in range(_TILE_VECTORS)] for _ in range(rows)]
            loads = [
                build.load(p, align=size // 8) for p in vectors(panel_at, build.mul(index, i64(lanes * _TILE_VECTORS)))
            ]
            offset = build.mul(index, args[3])
            grown = []
            for r in range(rows):
                one = build.load(build.gep(starts[r], [offset]))
                spread = build.shuffle_vector(build.insert_element(nothing, one, i32(0)), nothing, everywhere)
                grown.append([multiply_add(spread, x, s) for x, s in zip(loads, sums[r], strict=True)])
            following = build.add(index, i64(1))
            index.add_incoming(i64(0), before)
            index.add_incoming(following, loop)
            for old, new in zip(sums, grown, strict=True):
                for s, n in zip(old, new, strict=True):
                    s.add_incoming(zero, before)
                    s.add_incoming(n, loop)
            build.cbranch(build.icmp_unsigned("<", following, args[8]), loop, after)
            build.position_at_end(after)
            for r in range(rows):
                for p, n in zip(vectors(c_at, build.mul(args[7], i64(r))), grown[r], strict=True):
                    had = build.select(args[9], build.load(p, align=size // 8), zero)
                    build.store(build.fadd(had, n), p, align=size // 8)
            return context.get_dummy_value()

        return signature, generate

    return tile


_TILE = _tile(_TILE_ROWS)
_ROW = _tile(1)


@compiled()
def multiply(
    rows: int, columns: int, depth: int,
    a: Floats, a0: int, a_row: int, a_column: int,
    b: Floats, b0: int, b_row: int, b_column: int,
    c: Floats, c0: int, c_row: int, add: bool, pack: Floats,
) -> None:  # fmt: skip
    """c (+)= a @ b for flat arrays: element (i, j) of a stands at a0 + i a_row + j a_column; the same for b and c.

    a (rows, depth), b (depth, columns), c (rows, columns up to a multiple of PAD: what lies beyond is overwritten)
    pack : scratch of PACK elements
    """
    width = _U(_PANEL_BITS // (8 * c.itemsize))
    m, n, d, start, stride = _U(rows), _U(columns), _U(depth), _U(b0), _U(b_row)
    for k0 in range(_U(0), d, _U(_DEPTH)):
        deep = min(_U(_DEPTH), d - k0)
        more = add or k0 > _U(0)
        for j0 in range(_U(0), n, width):
            wide = min(width, n - j0)
            for k in range(deep):
                at = start + (k0 + k) * stride
                if b_column == 1 and wide == width:
                    for j in range(width):
                        pack[k * width + j] = b[at + j0 + j]
                else:
                    for j in range(wide):
                        pack[k * width + j] = b[at + (j0 + j) * _U(b_column)]
                    for j in range(wide, width):
                        pack[k * width + j] = 0
            i = _U(0)
            first = _U(a0) + k0 * _U(a_column)
            while i + _U(_TILE_ROWS) <= m:
                _TILE(
                    a, first + i * _U(a_row), _U(a_row), _U(a_column), pack,
                    c, _U(c0) + i * _U(c_row) + j0, _U(c_row), deep, more,
                )  # fmt: skip
                i += _U(_TILE_ROWS)
            while i < m:
                _ROW(
                    a, first + i * _U(a_row), _U(a_row), _U(a_column), pack,
                    c, _U(c0) + i * _U(c_row) + j0, _U(c_row), deep, more,
                )  # fmt: skip
                i += _U(1)


# -- 2-D spectrum --------------------------------------------------------------------------------------------


@compiled(_REORDER)
def spectrum_squares(
    values: Floats, n: int, outputs: int, first: int, step: int, cosines: Floats, sines: Floats, once: Floats,
    total: NDArray[np.float64],
) -> None:  # fmt: skip
    """Add the squares of the 2-D Fourier coefficients, of one panel's width of outputs at a time: what is in cache.

    values : (n, n, outputs) flat     first, step : of the blocks of outputs, which are left to other lanes
    cosines, sines : waves on 0 … n // 2 and on 1 … ⌈n / 2⌉ − 1, square, flat
    once : scratch, n² rows of PAD    total : (n, n) flat, cosines before sines; row: of the first axis
    """
    width = _PANEL_BITS // (8 * values.itemsize)
    m, q = n // 2 + 1, (n - 1) // 2
    even, odd = np.empty(m * width, values.dtype), np.empty(m * width, values.dtype)
    twice = np.empty(n * width, values.dtype)
    for start in range(first * width, outputs, step * width):
        wide = min(width, outputs - start)
        for i in range(n):
            _fold(values, i * n * outputs + start, outputs, wide, n, width, even, odd)
            _times_panel(m, cosines, even, once, i * width, n * width)
            _times_panel(q, sines, odd, once, (m * n + i) * width, n * width)
        for u in range(n):
            _fold(once, u * n * width, width, width, n, width, even, odd)
            _times_panel(m, cosines, even, twice, _0, width)
            _times_panel(q, sines, odd, twice, m * width, width)
            for v in range(n):
                x = np.float64(0)
                for c in range(width):
                    x += np.float64(twice[v * width + c]) * np.float64(twice[v * width + c])
                total[v * n + u] += x


@compiled()
def _fold(x: Floats, start: int, row: int, wide: int, n: int, width: int, even: Floats, odd: Floats) -> None:
    """Even and odd part along n rows of x, `wide` of each, as panels; what a panel has beyond is 0."""
    pairs = (n - 1) // 2
    even[: (n // 2 + 1) * width] = 0
    odd[: pairs * width] = 0
    for c in range(_U(wide)):
        even[c] = x[_U(start) + c]
    for t in range(_U(1), _U(pairs + 1)):
        left, right = _U(start) + t * _U(row), _U(start) + (_U(n) - t) * _U(row)
        to, beside = t * _U(width), (t - _U(1)) * _U(width)
        for c in range(_U(wide)):
            even[to + c] = x[left + c] + x[right + c]
            odd[beside + c] = x[left + c] - x[right + c]
    if n % 2 == 0:
        for c in range(_U(wide)):
            even[_U(n // 2 * width) + c] = x[_U(start + n // 2 * row) + c]


@compiled()
def _times_panel(size: int, a: Floats, panel: Floats, c: Floats, c0: int, c_row: int) -> None:
    """Rows of c from c0 on, c_row apart, one panel wide: a @ panel.  a (size, size), panel (size, width): flat"""
    rows, i = _U(size), _U(0)
    while i + _U(_TILE_ROWS) <= rows:
        _TILE(a, i * rows, rows, _U(1), panel, c, _U(c0) + i * _U(c_row), _U(c_row), rows, _SET)
        i += _U(_TILE_ROWS)
    while i < rows:
        _ROW(a, i * rows, rows, _U(1), panel, c, _U(c0) + i * _U(c_row), _U(c_row), rows, _SET)
        i += _U(1)


# -- attention -----------------------------------------------------------------------------------------------


@compiled()
def attend(
    scores: Floats, exps: Floats, a: Indices, b: Indices, low: int, high: int, weights: Floats, rest: Floats
) -> None:
    """Attention of `=` over its three tokens (softmax over a, b, =) for examples low to high, as weights of the terms.

    scores, exps : (2p + 1, n_heads) float64, exps = exp(scores - the head's largest)   a, b : (n,)
    weights : (n, n_terms), filled: heads' attention to a, then to b   rest : (n, n_heads), that to `=`
    """
    heads, last = exps.shape[1], exps.shape[0] - 1
    p = last // 2
    for i in range(low, high):
        for h in range(heads):
            x, y, z = exps[a[i], h], exps[p + b[i], h], exps[last, h]
            total = x + y + z
            if total < 1e-280:  # this pair's scores are so far below the head's largest that exps underflow
                x, y, z = scores[a[i], h], scores[p + b[i], h], scores[last, h]
                largest = max(x, y, z)
                x, y, z = np.exp(x - largest), np.exp(y - largest), np.exp(z - largest)
                total = x + y + z
            weights[i, h] = x / total
            weights[i, heads + h] = y / total
            rest[i, h] = z / total


@compiled()
def attend_backward(
    weights: Floats, rest: Floats, d_weights: Floats, a: Indices, b: Indices, low: int, high: int, d_scores: Floats
) -> None:
    """Add the gradient of the scores.  weights, rest as in `attend`, d_weights (n, n_terms): gradients at equal `rest`

    d_scores : (2p + 1, n_heads)
    """
    heads, last = d_scores.shape[1], d_scores.shape[0] - 1
    p = last // 2
    for i in range(low, high):
        for h in range(heads):
            x, y, dx, dy = weights[i, h], weights[i, heads + h], d_weights[i, h], d_weights[i, heads + h]
            mean = x * dx + y * dy
            d_scores[a[i], h] += x * (dx - mean)
            d_scores[p + b[i], h] += y * (dy - mean)
            d_scores[last, h] -= rest[i, h] * mean


# -- sums of table rows --------------------------------------------------------------------------------------


@compiled(_REORDER)
def gather(
    table: Floats, width: int, rows: Indices, weights: Floats, low: int, high: int,
    constant: Floats, remainder: Floats, out: Floats, positive: int,
) -> None:  # fmt: skip
    """out[i - low] = constant + sum over terms k of weights[i, k] * table[rows[i, k]]; ReLU on the first columns.

    table, out : flat, rows of `width`   rows, weights : (n, n_terms)
    constant, remainder : (width,) the constant, and what its rounding left: it meets every example, so that its
        error would not average out
    positive : the number of columns that go through ReLU
    """
    terms, columns = _U(rows.shape[1]), _U(width)
    flat_rows, flat_weights = rows.reshape(-1), weights.reshape(-1)
    zero = out.dtype.type(0)
    for i in range(_U(low), _U(high)):
        o = (i - _U(low)) * columns
        first = i * terms
        for k in range(first, first + terms, _U(4)):
            w0, w1, w2, w3 = flat_weights[k], flat_weights[k + _U(1)], flat_weights[k + _U(2)], flat_weights[k + _U(3)]
            r0, r1 = _U(flat_rows[k]) * columns, _U(flat_rows[k + _U(1)]) * columns
            r2, r3 = _U(flat_rows[k + _U(2)]) * columns, _U(flat_rows[k + _U(3)]) * columns
            if k == first:
                for c in range(columns):
                    x = w0 * table[r0 + c] + w1 * table[r1 + c] + w2 * table[r2 + c] + w3 * table[r3 + c]
                    out[o + c] = remainder[c] + x
            else:
                for c in range(columns):
                    x = w0 * table[r0 + c] + w1 * table[r1 + c] + w2 * table[r2 + c] + w3 * table[r3 + c]
                    out[o + c] += x
        for c in range(_U(positive)):
            x = constant[c] + out[o + c]
            out[o + c] = zero if x < 0 else x
        for c in range(_U(positive), columns):
            out[o + c] += constant[c]


@compiled(_REORDER)
def mask(d: Floats, active: Floats, rows: int, width: int, columns: int) -> None:
    """Zero the first columns of d where active is not positive: the gradient of ReLU.  Both flat, rows of `width`."""
    zero = d.dtype.type(0)
    for i in range(_U(rows)):
        o = i * _U(width)
        for c in range(_U(columns)):
            d[o + c] = d[o + c] if active[o + c] > 0 else zero


@compiled(_REORDER)
def gather_weights_backward(
    table: Floats, width: int, rows: Indices, low: int, high: int, d_out: Floats, d_weights: Floats
) -> None:
    """d_weights[i, k] = d_out[i - low] . table[rows[i, k]]; shapes as in `gather`."""
    terms, columns = _U(rows.shape[1]), _U(width)
    flat_rows, flat_d = rows.reshape(-1), d_weights.reshape(-1)
    for i in range(_U(low), _U(high)):
        o = (i - _U(low)) * columns
        for k in range(i * terms, i * terms + terms, _U(4)):
            r0, r1 = _U(flat_rows[k]) * columns, _U(flat_rows[k + _U(1)]) * columns
            r2, r3 = _U(flat_rows[k + _U(2)]) * columns, _U(flat_rows[k + _U(3)]) * columns
            s0 = d_out[o] * 0
            s1, s2, s3 = s0, s0, s0
            for c in range(columns):
                x = d_out[o + c]
                s0 += x * table[r0 + c]
                s1 += x * table[r1 + c]
                s2 += x * table[r2 + c]
                s3 += x * table[r3 + c]
            flat_d[k], flat_d[k + _U(1)], flat_d[k + _U(2)], flat_d[k + _U(3)] = s0, s1, s2, s3


@compiled(_REORDER)
def gather_table_backward(
    d_table: Floats, heads: int, tokens: int, width: int,
    group_token: Indices, group_start: Indices, order: Indices, first_group: int, end_group: int,
    weights: Floats, first_term: int, low: int, d_out: Floats,
) -> None:  # fmt: skip
    """d_table[h, token] += sum over the token's examples i of weights[i, first_term + h] * d_out[i - low].

    d_table : flat (n_heads, tokens, width)   d_out : flat, rows of `width`
    group_token : (groups,)   order : examples by group; group g's are order[group_start[g]:group_start[g + 1]]
    """
    columns, terms, base = _U(width), _U(weights.shape[1]), _U(low)
    flat_weights = weights.reshape(-1)
    none = flat_weights[0] * 0
    for g in range(_U(first_group), _U(end_group)):
        end = _U(group_start[g + _U(1)])
        for s in range(_U(group_start[g]), end, _U(4)):
            i0 = _U(order[s])
            i1 = _U(order[s + _U(1)]) if s + _U(1) < end else i0
            i2 = _U(order[s + _U(2)]) if s + _U(2) < end else i0
            i3 = _U(order[s + _U(3)]) if s + _U(3) < end else i0
            o0, o1 = (i0 - base) * columns, (i1 - base) * columns
            o2, o3 = (i2 - base) * columns, (i3 - base) * columns
            for h in range(_U(heads)):
                t = (h * _U(tokens) + _U(group_token[g])) * columns
                k = _U(first_term) + h
                w0 = flat_weights[i0 * terms + k]
                w1 = flat_weights[i1 * terms + k] if s + _U(1) < end else none
                w2 = flat_weights[i2 * terms + k] if s + _U(2) < end else none
                w3 = flat_weights[i3 * terms + k] if s + _U(3) < end else none
                for c in range(columns):
                    d_table[t + c] += w0 * d_out[o0 + c] + w1 * d_out[o1 + c] + w2 * d_out[o2 + c] + w3 * d_out[o3 + c]


# -- loss ----------------------------------------------------------------------------------------------------


@compiled({"nnan", "nsz"})
def _largest(x: Floats, start: int, n: int) -> Any:
    largest = x[start]
    for j in range(_U(start), _U(start + n)):
        largest = x[j] if x[j] > largest else largest
    return largest


@compiled({"contract"})
def _exp(x: Floats, start: int, n: int, largest: float, rounded: Floats, bits: Floats, out: Floats) -> None:
    """out = exp(x - largest) in float64, to 4e-16: 2**k times a polynomial (|r| <= 0.35). NaN stays NaN.

    rounded, bits : (n,) float64 scratch and the same memory seen as int64
    """
    for j in range(_U(n)):
        exact = np.float64(x[_U(start) + j]) - largest
        y = -700.0 if exact < -700.0 else exact
        shifted = y * _LOG2_E + _ROUND
        rounded[j] = shifted
        k = shifted - _ROUND
        r = (y - k * _LN2_HIGH) - k * _LN2_LOW
        q = 1.0 / 479001600.0
        q = q * r + 1.0 / 39916800.0
        q = q * r + 1.0 / 3628800.0
        q = q * r + 1.0 / 362880.0
        q = q * r + 1.0 / 40320.0
        q = q * r + 1.0 / 5040.0
        q = q * r + 1.0 / 720.0
        q = q * r + 1.0 / 120.0
        q = q * r + 1.0 / 24.0
        q = q * r + 1.0 / 6.0
        q = q * r + 0.5
        q = q * r + 1.0
        out[j] = q * r + 1.0
    for j in range(_U(n)):
        bits[j] = (bits[j] + 1023) << 52
    for j in range(_U(n)):
        out[j] *= rounded[j]


@compiled(_REORDER)
def _sum(x: Floats, n: int) -> float:
    total = 0.0
    for j in range(_U(n)):
        total += x[j]
    return total


@compiled()
def cross_entropy(
    logits: Floats, v: int, columns: int, labels: Indices, low: int, high: int, scale: float,
    exps: Floats, rounded: Floats, bits: Floats,
) -> float:  # fmt: skip
    """Sum of the float64 cross-entropies over v logits; replaces the logits by scale * its gradient.

    logits : flat, rows of `columns`, row i - low for example i   labels : (n,)
    exps, rounded : (columns,) float64 scratch   bits : rounded seen as int64
    """
    loss = 0.0
    for i in range(low, high):
        start, label = (i - low) * columns, labels[i]
        largest = np.float64(_largest(logits, start, v))
        for j in range(start + v, start + columns):  # whole vectors are faster than a remainder: exp(-700) is nothing
            logits[j] = _NO_LOGIT
        _exp(logits, start, columns, largest, rounded, bits, exps)
        total = _sum(exps, columns)
        loss += np.log(total) - (np.float64(logits[start + label]) - largest)
        exps[label] -= total
        factor = scale / total
        for j in range(_U(columns)):
            logits[_U(start) + j] = exps[j] * factor
    return loss


# -- the step: three passes in which lanes (one core each) work side by side, and an end ----------------------


class Sizes(NamedTuple):
    """`*_row` and `width` are padded to multiples of PAD; width = mlp_row + model_row."""

    p: int
    heads: int
    d_head: int
    d_model: int
    d_mlp: int
    vocab: int
    head_row: int
    model_row: int
    mlp_row: int
    vocab_row: int
    width: int
    n_train: int


class Model(NamedTuple):
    """Weights or gradients, flat, as `shapes(config)` orders their axes."""

    W_E: Floats
    W_pos: Floats
    W_Q: Floats
    W_K: Floats
    W_V: Floats
    W_O: Floats
    W_in: Floats
    b_in: Floats
    W_out: Floats
    b_out: Floats
    W_U: Floats


class Shared(NamedTuple):
    """What depends on the weights alone and all lanes read, and each lane's part of the gradient.

    w_in, w_in64 : (d_model, mlp_row), padded   w_out_t : (model_row, mlp_row), W_out transposed
    fold       : (n_heads d_head, mlp_row) float64, W_O W_in
    value_into : (n_heads d_head, width) W_O W_in beside W_O: what a value adds to the MLP's input and to the residual
                 stream after attention; width = mlp_row + model_row
    table      : (n_heads, 2p, width) what attention to a token at position 0 or 1, rather than to `=`, adds to both
    constant   : (width,) the same of the residual stream of `=`, were all attention on `=` itself, and of the biases
    remainder  : (width,) what rounding the constant left
    d_value_into : its gradient
    d_constant, d_table, d_w_out, d_w_u, d_values, d_w_o, d_scores : (lanes, ...) each lane's part of a gradient
    """

    w_in: Floats
    w_in64: Floats
    fold: Floats
    w_out_t: Floats
    value_into: Floats
    table: Floats
    constant: Floats
    remainder: Floats
    d_value_into: Floats
    d_table: Floats
    d_w_out: Floats
    d_w_u: Floats
    d_values: Floats
    d_w_o: Floats
    d_scores: Floats
    d_constant: Floats


class Lane(NamedTuple):
    """A lane's own copy of what is cheap to repeat, and its buffers for a block of examples.

    rows (2p + 1, d_model): a at position 0, b at position 1, =
    values (n_heads, 2p + 1, head_row): of `=`, and for the others their difference to that
    stream (d_model,): of `=` after attention, were it all on `=` itself
    w_o (n_heads d_head, d_model) float64   scores, exps (2p + 1, n_heads) float64
    logits (block, vocab_row), then their gradient
    out, d_out (block, width): MLP activations beside the residual stream
    """

    rows: Floats
    values: Floats
    query: Floats
    toward: Floats
    scores: Floats
    exps: Floats
    stream: Floats
    w_o: Floats
    pack: Floats
    pack64: Floats
    out: Floats
    d_out: Floats
    logits: Floats
    soft: Floats
    soft_rounded: Floats
    soft_bits: Floats
    scratch: Floats
    sums: Floats


class Groups(NamedTuple):
    """Examples of a lane by their token at one position, block after block; `gather_table_backward` explains."""

    token: Indices
    start: Indices
    order: Indices
    of_block: NDArray[np.int64]  # (blocks + 1,): block k's groups are of_block[k] to of_block[k + 1]


class Examples(NamedTuple):
    """A lane's examples.

    a, b, labels (n,)   rows, weights, d_weights (n, n_terms)   rest (n, n_heads)   blocks (k + 1,): their bounds
    """

    a: Indices
    b: Indices
    labels: Indices
    rows: Indices
    weights: Floats
    rest: Floats
    d_weights: Floats
    blocks: NDArray[np.int64]
    by_a: Groups
    by_b: Groups


@compiled()
def _part(whole: int, unit: int, lane: int, lanes: int) -> tuple[int, int]:
    """A lane's share of `whole`, cut at multiples of `unit`."""
    units = (whole + unit - 1) // unit
    return min(whole, units * lane // lanes * unit), min(whole, units * (lane + 1) // lanes * unit)


@compiled(_REORDER)
def prepare(lane: int, lanes: int, s: Sizes, w: Model, shared: Shared, own: Lane) -> None:
    """First pass: everything that depends on the weights alone."""
    tokens, equals = 2 * s.p + 1, 2 * s.p * s.d_model
    for t in range(tokens):
        position = 0 if t < s.p else 1 if t < 2 * s.p else 2
        e = (t - position * s.p) if t < 2 * s.p else s.p
        for d in range(s.d_model):
            own.rows[t * s.d_model + d] = w.W_E[e * s.d_model + d] + w.W_pos[position * s.d_model + d]
    for h in range(s.heads):
        multiply(
            tokens, s.d_head, s.d_model, own.rows, _0, s.d_model, _1, w.W_V, h * s.d_model * s.d_head, s.d_head, _1,
            own.values, h * tokens * s.head_row, s.head_row, _SET, own.pack,
        )  # fmt: skip
    for d in range(s.d_model):
        own.stream[d] = own.rows[equals + d]
    for h in range(s.heads):
        last = (h * tokens + tokens - 1) * s.head_row
        for t in range(tokens - 1):
            for k in range(s.d_head):
                own.values[(h * tokens + t) * s.head_row + k] -= own.values[last + k]
        for k in range(s.d_head):
            x = np.float64(own.values[last + k])
            for d in range(s.d_model):
                own.stream[d] += x * w.W_O[(h * s.d_head + k) * s.d_model + d]
    _score(s, w, own)

    start, end = _part(s.width, _PAD, lane, lanes)
    middle = max(start, min(end, s.mlp_row))  # columns of the MLP's input, then of the residual stream
    sums = own.sums
    sums[start:end] = 0
    for d in range(s.d_model):
        x = own.stream[d]
        for c in range(start, min(end, s.d_mlp)):
            y = w.W_in[d * s.d_mlp + c]
            shared.w_in[d * s.mlp_row + c] = y
            shared.w_in64[d * s.mlp_row + c] = y
            sums[c] += x * y
    for c in range(start, min(end, s.d_mlp)):
        x = sums[c] + w.b_in[c]
        shared.constant[c] = x
        shared.remainder[c] = x - np.float64(shared.constant[c])
        for d in range(s.d_model):
            shared.w_out_t[d * s.mlp_row + c] = w.W_out[c * s.d_model + d]
    for d in range(max(start, s.mlp_row) - s.mlp_row, min(end - s.mlp_row, s.d_model)):
        x = own.stream[d] + w.b_out[d]
        shared.constant[s.mlp_row + d] = x
        shared.remainder[s.mlp_row + d] = x - np.float64(shared.constant[s.mlp_row + d])
        for i in range(s.heads * s.d_head):
            shared.value_into[i * s.width + s.mlp_row + d] = w.W_O[i * s.d_model + d]
    values = s.heads * s.d_head  # W_O W_in in float64: its error would be the same for every example
    for i in range(values * s.d_model):
        own.w_o[i] = w.W_O[i]
    multiply(
        values, middle - start, s.d_model, own.w_o, _0, s.d_model, _1, shared.w_in64, start, s.mlp_row, _1,
        shared.fold, start, s.mlp_row, _SET, own.pack64,
    )  # fmt: skip
    for i in range(values):
        for c in range(start, middle):
            shared.value_into[i * s.width + c] = shared.fold[i * s.mlp_row + c]
    for h in range(s.heads):
        multiply(
            tokens - 1, end - start, s.d_head, own.values, h * tokens * s.head_row, s.head_row, _1,
            shared.value_into, h * s.d_head * s.width + start, s.width, _1,
            shared.table, h * (tokens - 1) * s.width + start, s.width, _SET, own.pack,
        )  # fmt: skip


@compiled(_REORDER)
def _score(s: Sizes, w: Model, own: Lane) -> None:
    """The one query, and every token's score under it."""
    tokens, equals = 2 * s.p + 1, 2 * s.p * s.d_model
    for h in range(s.heads):
        own.query[h * s.d_head : (h + 1) * s.d_head] = 0
        for d in range(s.d_model):
            x = np.float64(own.rows[equals + d])
            for k in range(s.d_head):
                own.query[h * s.d_head + k] += x * w.W_Q[(h * s.d_model + d) * s.d_head + k]
        for d in range(s.d_model):
            total = 0.0
            for k in range(s.d_head):
                total += own.query[h * s.d_head + k] * np.float64(w.W_K[(h * s.d_model + d) * s.d_head + k])
            own.toward[h * s.d_model + d] = total / np.sqrt(s.d_head)
        largest = -np.inf
        for t in range(tokens):
            total = 0.0
            for d in range(s.d_model):
                total += np.float64(own.rows[t * s.d_model + d]) * own.toward[h * s.d_model + d]
            own.scores[t, h] = total
            largest = max(largest, total)
        for t in range(tokens):
            own.exps[t, h] = np.exp(own.scores[t, h] - largest)


@compiled(_REORDER)
def _add_rows(x: Floats, rows: int, width: int, total: Floats) -> None:
    """total += the sum over the rows of x.  x : flat, rows of `width`   total : (width,) float64"""
    for i in range(_U(rows)):
        o = i * _U(width)
        for c in range(_U(width)):
            total[c] += x[o + c]


@compiled()
def read(s: Sizes, w: Model, shared: Shared, own: Lane, x: Examples, low: int, high: int) -> None:
    """Forward pass of examples low to high: `own.out`, MLP activations beside the residual stream, and `own.logits`."""
    read_hidden(s, shared, own, x, low, high, own.out)
    unembed(s, w, own, high - low, own.out, _0, s.mlp_row, s.width)


@compiled()
def read_hidden(s: Sizes, shared: Shared, own: Lane, x: Examples, low: int, high: int, out: Floats) -> None:
    """What reaches W_out and W_U: activations, and beside them the residual stream before the MLP, in rows of `out`."""
    attend(own.scores, own.exps, x.a, x.b, low, high, x.weights, x.rest)
    gather(shared.table, s.width, x.rows, x.weights, low, high, shared.constant, shared.remainder, out, s.mlp_row)


@compiled()
def read_all_hidden(s: Sizes, shared: Shared, own: Lane, x: Examples, start: int, out: Floats) -> None:
    """`read_hidden` of all the lane's examples, in the rows of `out` from `start` on."""
    for block in range(len(x.blocks) - 1):
        low, high = x.blocks[block], x.blocks[block + 1]
        read_hidden(s, shared, own, x, low, high, out[(start + low) * s.width : (start + high) * s.width])


@compiled()
def unembed_all(s: Sizes, w: Model, own: Lane, hidden: Floats, first: int, step: int, block: int, out: Floats) -> None:
    """Logits of the residues, (rows, p), from rows of `read_hidden`: of a block from `first`, `first + step`, …"""
    rows = len(hidden) // s.width
    for low in range(first, rows, step):
        n = min(block, rows - low)
        for i in range(n):
            for d in range(s.d_model):
                own.out[i * s.model_row + d] = hidden[(low + i) * s.width + s.mlp_row + d]
        unembed(s, w, own, n, hidden, low * s.width, _0, s.model_row)
        for i in range(n):
            for c in range(s.p):
                out[(low + i) * s.p + c] = own.logits[i * s.vocab_row + c]


@compiled()
def unembed(s: Sizes, w: Model, own: Lane, n: int, active: Floats, start: int, stream: int, row: int) -> None:
    """The MLP's output added to the residual stream in n rows of `own.out`, and their `own.logits`.

    active, start : activations, in rows of `width` from there on    stream, row : where its rows begin, `row` apart
    """
    multiply(
        n, s.d_model, s.d_mlp, active, start, s.width, _1, w.W_out, _0, s.d_model, _1,
        own.out, stream, row, _ADD, own.pack,
    )  # fmt: skip
    multiply(
        n, s.vocab, s.d_model, own.out, stream, row, _1, w.W_U, _0, s.vocab, _1,
        own.logits, _0, s.vocab_row, _SET, own.pack,
    )  # fmt: skip


@compiled()
def assess(s: Sizes, w: Model, shared: Shared, own: Lane, x: Examples) -> tuple[float, float, float]:
    """Forward only. -> sums over the lane's examples: cross-entropy over p logits, right answers, over p + 1 logits"""
    loss, right, loss_all = 0.0, 0.0, 0.0
    for block in range(len(x.blocks) - 1):
        low, high = x.blocks[block], x.blocks[block + 1]
        read(s, w, shared, own, x, low, high)
        for i in range(low, high):
            start, label = (i - low) * s.vocab_row, x.labels[i]
            largest = np.float64(_largest(own.logits, start, s.vocab))
            _exp(own.logits, start, s.vocab, largest, own.soft_rounded, own.soft_bits, own.soft)
            residues = _sum(own.soft, s.p)
            chosen = own.logits[start + label]
            correct = np.float64(chosen) - largest
            loss += np.log(residues) - correct
            loss_all += np.log(residues + own.soft[s.p]) - correct
            if chosen == _largest(own.logits, start, s.p):
                first = True  # of equal answers the first counts, as in argmax
                for j in range(label):
                    first = first and own.logits[start + j] != chosen
                right += first
    return loss, right, loss_all


@compiled()
def work(lane: int, s: Sizes, w: Model, shared: Shared, own: Lane, x: Examples) -> float:
    """Second pass: forward and backward over the lane's examples. -> their summed loss"""
    d_table, d_constant, d_scores = shared.d_table[lane], shared.d_constant[lane], shared.d_scores[lane]
    d_w_out, d_w_u = shared.d_w_out[lane], shared.d_w_u[lane]
    d_table[:] = 0
    d_constant[:] = 0
    d_scores[:] = 0
    d_w_out[:] = 0
    d_w_u[:] = 0
    loss = 0.0
    for block in range(len(x.blocks) - 1):
        low, high = x.blocks[block], x.blocks[block + 1]
        rows = high - low
        read(s, w, shared, own, x, low, high)
        loss += cross_entropy(
            own.logits, s.vocab, s.vocab_row, x.labels, low, high, 1.0 / s.n_train,
            own.soft, own.soft_rounded, own.soft_bits,
        )  # fmt: skip
        d_logits = own.logits
        multiply(
            s.d_model, s.vocab_row, rows, own.out, s.mlp_row, _1, s.width, d_logits, _0, s.vocab_row, _1,
            d_w_u, _0, s.vocab_row, _ADD, own.pack,
        )  # fmt: skip
        multiply(
            rows, s.d_model, s.vocab, d_logits, _0, s.vocab_row, _1, w.W_U, _0, _1, s.vocab,
            own.d_out, s.mlp_row, s.width, _SET, own.pack,
        )  # fmt: skip
        multiply(
            s.d_mlp, s.d_model, rows, own.out, _0, _1, s.width, own.d_out, s.mlp_row, s.width, _1,
            d_w_out, _0, s.model_row, _ADD, own.pack,
        )  # fmt: skip
        multiply(
            rows, s.mlp_row, s.d_model, own.d_out, s.mlp_row, s.width, _1, shared.w_out_t, _0, s.mlp_row, _1,
            own.d_out, _0, s.width, _SET, own.pack,
        )  # fmt: skip
        mask(own.d_out, own.out, rows, s.width, s.mlp_row)
        gather_weights_backward(shared.table, s.width, x.rows, low, high, own.d_out, x.d_weights)
        for position in range(2):
            groups = x.by_a if position == 0 else x.by_b
            gather_table_backward(
                d_table, s.heads, 2 * s.p, s.width, groups.token, groups.start, groups.order,
                groups.of_block[block], groups.of_block[block + 1], x.weights, position * s.heads, low, own.d_out,
            )  # fmt: skip
        _add_rows(own.d_out, rows, s.width, d_constant)
        attend_backward(x.weights, x.rest, x.d_weights, x.a, x.b, low, high, d_scores)
    return loss


@compiled(_REORDER)
def collect(lane: int, lanes: int, s: Sizes, w: Model, g: Model, shared: Shared, own: Lane) -> None:
    """Third pass: sum the lanes' parts, and from the table's gradient to the weights'; each lane has its columns."""
    tokens, values = 2 * s.p + 1, s.heads * s.d_head
    d_table, d_constant = shared.d_table[0], shared.d_constant[0]
    d_values, d_w_o = shared.d_values[lane], shared.d_w_o[lane]
    d_values[:] = 0  # a lane may have no column at all
    d_w_o[:] = 0
    start, end = _part(s.width, _PAD, lane, lanes)
    middle = max(start, min(end, s.mlp_row))
    for other in range(1, lanes):
        for c in range(start, end):
            d_constant[c] += shared.d_constant[other, c]
        part = shared.d_table[other]
        for row in range(s.heads * (tokens - 1)):
            for c in range(row * s.width + start, row * s.width + end):
                d_table[c] += part[c]
    for h in range(s.heads):
        at_values, at_into = h * tokens * s.head_row, h * s.d_head * s.width + start
        at_table = h * (tokens - 1) * s.width + start
        multiply(
            s.d_head, end - start, tokens - 1, own.values, at_values, _1, s.head_row, d_table, at_table, s.width, _1,
            shared.d_value_into, at_into, s.width, _SET, own.pack,
        )  # fmt: skip
        multiply(
            tokens - 1, s.d_head, end - start, d_table, at_table, s.width, _1, shared.value_into, at_into, _1, s.width,
            d_values, at_values, s.head_row, _SET, own.pack,
        )  # fmt: skip
    d_w_in = own.d_out  # (d_model, mlp_row)
    multiply(
        s.d_model, middle - start, values, w.W_O, _0, _1, s.d_model, shared.d_value_into, start, s.width, _1,
        d_w_in, start, s.mlp_row, _SET, own.pack,
    )  # fmt: skip
    for d in range(s.d_model):
        x = own.stream[d]
        for c in range(start, min(end, s.d_mlp)):
            g.W_in[d * s.d_mlp + c] = d_w_in[d * s.mlp_row + c] + x * d_constant[c]
    for c in range(start, min(end, s.d_mlp)):
        g.b_in[c] = d_constant[c]
    multiply(
        values, s.d_model, middle - start, shared.d_value_into, start, s.width, _1, shared.w_in, start, _1, s.mlp_row,
        d_w_o, _0, s.model_row, _SET, own.pack,
    )  # fmt: skip
    for i in range(values):
        for c in range(max(start, s.mlp_row), min(end, s.mlp_row + s.d_model)):
            d_w_o[i * s.model_row + c - s.mlp_row] += shared.d_value_into[i * s.width + c]
    _sum_rows(lane, lanes, s.d_mlp, shared.d_w_out, s.model_row, g.W_out, s.d_model)
    _sum_rows(lane, lanes, s.d_model, shared.d_w_u, s.vocab_row, g.W_U, s.vocab)


@compiled()
def _sum_rows(lane: int, lanes: int, rows: int, parts: Floats, row: int, out: Floats, columns: int) -> None:
    """out = the sum of the lanes' parts, for the lane's share of the rows.  parts : (lanes, rows * row)"""
    for i in range(rows * lane // lanes, rows * (lane + 1) // lanes):
        for c in range(columns):
            out[i * columns + c] = parts[0, i * row + c]
        for other in range(1, lanes):
            for c in range(columns):
                out[i * columns + c] += parts[other, i * row + c]


@compiled(_REORDER)
def finish(lanes: int, s: Sizes, w: Model, g: Model, shared: Shared, own: Lane) -> None:
    """The end, on one core: what sums over lanes, and attention's own weights."""
    tokens, model = 2 * s.p + 1, s.d_model
    d_values, d_w_o, d_scores = shared.d_values[0], shared.d_w_o[0], shared.d_scores[0]
    for other in range(1, lanes):
        d_values += shared.d_values[other]
        d_w_o += shared.d_w_o[other]
        d_scores += shared.d_scores[other]
    d_constant, d_stream = shared.d_constant[0], own.sums[:model]
    d_value = own.sums[model : model + s.d_head]
    for d in range(model):
        total = d_constant[s.mlp_row + d]
        g.b_out[d] = total
        for c in range(s.d_mlp):
            total += w.W_in[d * s.d_mlp + c] * d_constant[c]
        d_stream[d] = total
        g.W_pos[2 * model + d] = total  # what reaches the residual stream of `=` directly
    for h in range(s.heads):
        last = (h * tokens + tokens - 1) * s.head_row
        for k in range(s.d_head):
            x, at, total = own.values[last + k], (h * s.d_head + k) * model, 0.0
            for d in range(model):
                g.W_O[at + d] = d_w_o[(h * s.d_head + k) * s.model_row + d] + x * d_stream[d]
                total += w.W_O[at + d] * d_stream[d]
            d_value[k] = total
        for t in range(tokens - 1):
            for k in range(s.d_head):
                d_value[k] -= d_values[(h * tokens + t) * s.head_row + k]
        for k in range(s.d_head):
            d_values[last + k] = d_value[k]

    d_rows = own.scratch
    d_rows[: tokens * s.model_row] = 0
    for h in range(s.heads):
        at_values = h * tokens * s.head_row
        multiply(
            model, s.d_head, tokens, own.rows, _0, _1, model, d_values, at_values, s.head_row, _1,
            d_w_o, _0, s.head_row, _SET, own.pack,
        )  # fmt: skip
        for d in range(model):
            for k in range(s.d_head):
                g.W_V[(h * model + d) * s.d_head + k] = d_w_o[d * s.head_row + k]
        multiply(
            tokens, model, s.d_head, d_values, at_values, s.head_row, _1, w.W_V, h * model * s.d_head, _1, s.d_head,
            own.d_out, _0, s.model_row, _SET, own.pack,
        )  # fmt: skip
        for i in range(tokens * s.model_row):
            d_rows[i] += own.d_out[i]
        _score_backward(h, s, w, g, d_scores, own, d_rows)
    sums = own.sums
    for position in range(2):
        sums[:model] = 0
        for a in range(s.p):
            at = (position * s.p + a) * s.model_row
            for d in range(model):
                sums[d] += d_rows[at + d]
        for d in range(model):
            g.W_pos[position * model + d] = sums[d]
    for a in range(s.p):
        zero, one = a * s.model_row, (s.p + a) * s.model_row
        for d in range(model):
            g.W_E[a * model + d] = d_rows[zero + d] + d_rows[one + d]
    for d in range(model):
        g.W_pos[2 * model + d] += d_rows[2 * s.p * s.model_row + d]
        g.W_E[s.p * model + d] = g.W_pos[2 * model + d]


@compiled(_REORDER)
def _score_backward(h: int, s: Sizes, w: Model, g: Model, d_scores: Floats, own: Lane, d_rows: Floats) -> None:
    """Gradients of one head's W_Q and W_K; adds the head's part of d_rows (2p + 1, model_row)."""
    tokens, model, equals = 2 * s.p + 1, s.d_model, 2 * s.p
    d_toward, d_query = own.sums[:model], own.sums[model : model + s.d_head]
    d_toward[:] = 0
    d_query[:] = 0
    for t in range(tokens):
        d_score, row = d_scores[t, h], t * s.model_row
        for d in range(model):
            d_toward[d] += d_score * own.rows[t * model + d]
            d_rows[row + d] += d_score * own.toward[h * model + d]
    for d in range(model):
        x, at = d_toward[d] / np.sqrt(s.d_head), (h * model + d) * s.d_head
        for k in range(s.d_head):
            g.W_K[at + k] = x * own.query[h * s.d_head + k]
            d_query[k] += x * w.W_K[at + k]
    for d in range(model):
        x, at, total = np.float64(own.rows[equals * model + d]), (h * model + d) * s.d_head, 0.0
        for k in range(s.d_head):
            g.W_Q[at + k] = x * d_query[k]
            total += w.W_Q[at + k] * d_query[k]
        d_rows[equals * s.model_row + d] += total
