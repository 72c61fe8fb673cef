"""The exact, structured step of the one-layer model without layer norm: the same function, fewer operations.

Only `=` is read, so there is one query; scores, keys and values belong to tokens, not to examples. What attention to
a token, rather than to `=`, adds to the MLP's input and to the residual stream is a row of a table, one for each head
and each token at position 0 or 1; an example's MLP input is a weighted sum of 2 n_heads such rows. What is left per
example are that sum, W_out and W_U, and their gradients, written out by hand in `kernels`.

The examples, sorted by (a, b), are shared out among lanes (one core each), which work through them in blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import kernels, recycled
from engine.config import Config
from engine.kernels import PACK, PAD, Examples, Groups, Lane, Model, Shared, Sizes
from engine.lanes import Lanes

Arrays = dict[str, NDArray[Any]]
Ints = NDArray[np.int64]
BLOCK = 384  # examples a lane takes at a time: what one pass writes is still in cache for the next
LINE = 64  # bytes of a cache line
WORTH = 20_000_000  # multiply-adds that make another lane worth its hand-over


class Structured:
    """Loss, gradient and forward pass of some examples; the same as the plain model's but for rounding."""

    def __init__(
        self, config: Config, weights: Arrays, gradients: Arrays, pairs: Ints, labels: Ints, threads: int = 1
    ) -> None:
        """weights, gradients : by name, as `shapes(config)`, C-ordered; read and written where they are

        pairs : (n, 2)   labels : (n,)   threads : lanes at most
        """
        self._sizes = s = _sizes(config, len(labels))
        self._dtype = weights["W_E"].dtype
        self._weights, self._gradients = _flat(weights), _flat(gradients)
        lanes = max(1, min(threads, s.n_train * s.width * s.vocab // WORTH))
        self._lanes = Lanes(lanes)
        self._block = max(PAD, min(BLOCK, -(-s.n_train // lanes)))
        self._pairs, self._examples = pairs, self._shares(pairs, labels)
        self._assessed: tuple[Ints, list[Examples]] | None = None  # the other examples last assessed: the test set
        self._shared = _shared(s, self._dtype, lanes)
        self._own = own = [_lane(s, self._dtype, self._block) for _ in range(lanes)]
        read, write = (s, self._weights, self._shared), (s, self._weights, self._gradients, self._shared)
        self._tabulate = [partial(kernels.prepare, i, lanes, *read, own[i]) for i in range(lanes)]
        self._work = [partial(kernels.work, i, *read, own[i], self._examples[i]) for i in range(lanes)]
        self._collect = [partial(kernels.collect, i, lanes, *write, own[i]) for i in range(lanes)]
        self._finish = partial(kernels.finish, lanes, *write, own[0])

    def scores(self, pairs: Ints, labels: Ints) -> NDArray[np.float64]:
        """Each lane's sums over its examples: cross-entropy over p logits, right answers, cross-entropy over p + 1.

        pairs, labels : the same memory holds the same examples as in the call before     -> (lanes, 3)
        """
        self._prepare()
        lanes = zip(self._own, self._shares_of(pairs, labels), strict=True)
        tasks = [partial(kernels.assess, self._sizes, self._weights, self._shared, own, x) for own, x in lanes]
        return np.array(self._lanes.run(tasks))

    def _shares_of(self, pairs: Ints, labels: Ints) -> list[Examples]:
        """Those of the training examples, or of the last others that were assessed, are known."""
        if _is_same(pairs, self._pairs):
            return self._examples
        if self._assessed is None or not _is_same(pairs, self._assessed[0]):
            self._assessed = (pairs, self._shares(pairs, labels))
        return self._assessed[1]

    def forward(
        self, into: tuple[NDArray[Any], NDArray[Any], NDArray[Any]] | None = None
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The pairs given at the start, sorted by (a, b), under the present weights.

        into : arrays of an earlier call to be overwritten: fresh memory costs more than the arithmetic
        -> logits (n, d_vocab), activations after ReLU (n, d_mlp), attention from `=` (n, n_heads, 3)
        """
        s, n = self._sizes, self._sizes.n_train
        if into is None:
            logits, post = np.empty((n, s.vocab), self._dtype), np.empty((n, s.d_mlp), self._dtype)
            pattern = np.empty((n, s.heads, 3), self._dtype)
        else:
            logits, post, pattern = into
        self._prepare()
        starts = np.cumsum([0, *(len(x.a) for x in self._examples)])

        def read(lane: int) -> None:
            own, x, start = self._own[lane], self._examples[lane], starts[lane]
            out = own.out.reshape(-1, s.width)
            for low, high in zip(x.blocks[:-1], x.blocks[1:], strict=True):
                kernels.read(s, self._weights, self._shared, own, x, int(low), int(high))
                rows = slice(start + low, start + high)
                post[rows] = out[: high - low, : s.d_mlp]
                logits[rows] = own.logits.reshape(-1, s.vocab_row)[: high - low, : s.vocab]
            rows = slice(start, start + len(x.a))
            pattern[rows, :, 0], pattern[rows, :, 1] = x.weights[:, : s.heads], x.weights[:, s.heads : 2 * s.heads]
            pattern[rows, :, 2] = x.rest

        self._lanes.run([partial(read, lane) for lane in range(self._lanes.count)])
        return logits, post, pattern

    def hidden(self, given: NDArray[Any] | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
        """The part of `forward` that needs no matrix product, under the present weights.

        given : (n, n_heads, 3) attention from `=` in place of the model's own; sums to 1 over the last axis
        -> (n, width): activations in the first d_mlp columns, what `logits_of` needs beyond them in the last
           (n, n_heads, 3), attention from `=`
        """
        s, n = self._sizes, self._sizes.n_train
        found, pattern = recycled.empty((n, s.width), self._dtype), np.empty((n, s.heads, 3), self._dtype)
        flat = found.reshape(-1)
        self._prepare()
        starts = np.cumsum([0, *(len(x.a) for x in self._examples)])

        def read(lane: int) -> None:
            own, x, start, shared = self._own[lane], self._examples[lane], starts[lane], self._shared
            rows = slice(start, start + len(x.a))
            if given is not None:
                x.weights[:, : s.heads], x.weights[:, s.heads : 2 * s.heads] = given[rows, :, 0], given[rows, :, 1]
                x.rest[:] = given[rows, :, 2]
            if given is None:  # in one call: between two calls another thread may hold the interpreter for long
                kernels.read_all_hidden(s, shared, own, x, int(start), flat)
            else:
                for low, high in zip(x.blocks[:-1], x.blocks[1:], strict=True):
                    block, span = flat[(start + low) * s.width : (start + high) * s.width], (int(low), int(high))
                    kernels.gather(
                        shared.table, s.width, x.rows, x.weights, *span, shared.constant, shared.remainder, block,
                        s.mlp_row,
                    )  # fmt: skip
            pattern[rows, :, 0], pattern[rows, :, 1] = x.weights[:, : s.heads], x.weights[:, s.heads : 2 * s.heads]
            pattern[rows, :, 2] = x.rest

        self._lanes.run([partial(read, lane) for lane in range(self._lanes.count)])
        return found, pattern

    def logits_of(self, hidden: NDArray[Any]) -> NDArray[Any]:
        """The logits of the residues that follow from `hidden` under the same weights.  (n, width) -> (n, p)"""
        s, n = self._sizes, len(hidden)
        logits = recycled.empty((n, s.p), self._dtype)
        lanes, size = self._lanes.count, self._block

        flat, into = np.ascontiguousarray(hidden).reshape(-1), logits.reshape(-1)

        def read(lane: int) -> None:
            kernels.unembed_all(
                s, self._weights, self._own[lane], flat, lane * size, lanes * size, size, into
            )  # fmt: skip

        self._lanes.run([partial(read, lane) for lane in range(lanes)])
        return logits

    def loss(self) -> float:
        """Mean cross-entropy over p + 1 logits under the present weights; fills the gradients."""
        self._prepare()
        losses: list[float] = self._lanes.run(self._work)
        self._lanes.run(self._collect)
        self._finish()
        return sum(losses) / self._sizes.n_train

    def passes(self) -> dict[str, Callable[[], object]]:
        """The parts of a step, to be timed one by one once a whole step has been taken."""
        return {
            "tables": self._prepare,
            "examples": partial(self._lanes.run, self._work),
            "from tables to weights": partial(self._lanes.run, self._collect),
            "end, on one core": self._finish,
        }

    def _prepare(self) -> None:
        self._lanes.run(self._tabulate)

    def _shares(self, pairs: Ints, labels: Ints) -> list[Examples]:
        """Examples sorted by (a, b), shared out among the lanes."""
        order = np.lexsort(pairs.T[::-1])
        parts = np.array_split(order, self._lanes.count)
        return [self._share(pairs[part], labels[part]) for part in parts]

    def _share(self, pairs: Ints, labels: Ints) -> Examples:
        """Examples with all that depends on which they are, not on the weights."""
        s, n = self._sizes, len(pairs)
        tokens, n_terms = 2 * s.p, 2 * s.heads + -2 * s.heads % 4
        blocks = np.append(np.arange(0, n, self._block), n)
        positions = (pairs[:, 0], s.p + pairs[:, 1])
        rows = zeros((n, n_terms), np.uint32)
        for i, token in enumerate(positions):
            rows[:, i * s.heads : (i + 1) * s.heads] = token[:, None] + tokens * np.arange(s.heads)
        weights = zeros((n, n_terms), self._dtype)
        a, b, right = (np.ascontiguousarray(x, np.uint32) for x in (*pairs.T, labels))
        groups = [_groups(token, blocks) for token in positions]
        rest = zeros((n, s.heads), self._dtype)
        return Examples(a, b, right, rows, weights, rest, np.zeros_like(weights), blocks, *groups)


def zeros(shape: int | tuple[int, ...], dtype: Any = np.float64) -> NDArray[Any]:
    """Zeros that begin on a cache line: a vector that crosses two lines takes two loads."""
    count, size = math.prod(np.atleast_1d(shape)), np.dtype(dtype).itemsize
    memory = np.zeros(count * size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    found: NDArray[Any] = memory[start : start + count * size].view(dtype).reshape(shape)
    return found


def _is_same(x: Ints, y: Ints) -> bool:
    """Whether both are the same piece of memory."""
    return x is y or (x.ctypes.data, x.shape, x.strides) == (y.ctypes.data, y.shape, y.strides)


def _groups(token: Ints, blocks: Ints) -> Groups:
    """Examples by token, block after block."""
    block = np.repeat(np.arange(len(blocks) - 1), np.diff(blocks))
    order = np.lexsort((token, block))
    first = np.ones(len(token), bool)
    first[1:] = (np.diff(block[order]) != 0) | (np.diff(token[order]) != 0)
    starts = np.flatnonzero(first)
    of_block = np.searchsorted(starts, blocks)
    tokens, ends, places = (x.astype(np.uint32) for x in (token[order][starts], np.append(starts, len(token)), order))
    return Groups(tokens, ends, places, of_block)


def _sizes(c: Config, n_train: int) -> Sizes:
    head_row, model_row, mlp_row, vocab_row = (x + -x % PAD for x in (c.head_size, c.d_model, c.d_mlp, c.d_vocab))
    return Sizes(
        c.p, c.n_heads, c.head_size, c.d_model, c.d_mlp, c.d_vocab,
        head_row, model_row, mlp_row, vocab_row, mlp_row + model_row, n_train,
    )  # fmt: skip


def _flat(weights: Arrays) -> Model:
    assert all(weights[name].flags.c_contiguous for name in Model._fields)  # flat views of them, not copies
    return Model(*(weights[name].reshape(-1) for name in Model._fields))


def _shared(s: Sizes, dtype: np.dtype[np.floating], lanes: int) -> Shared:
    values, tokens = s.heads * s.d_head, 2 * s.p + 1
    lengths = {
        "w_in": s.d_model * s.mlp_row, "w_out_t": s.model_row * s.mlp_row, "value_into": values * s.width,
        "table": s.heads * (tokens - 1) * s.width, "constant": s.width, "remainder": s.width,
        "d_value_into": values * s.width,
    }  # fmt: skip
    parts = {
        "d_table": s.heads * (tokens - 1) * s.width,
        "d_w_out": s.d_mlp * s.model_row, "d_w_u": s.d_model * s.vocab_row,
        "d_values": s.heads * tokens * s.head_row, "d_w_o": max(values * s.model_row, s.d_model * s.head_row),
    }  # fmt: skip
    return Shared(
        **{name: zeros(length, dtype) for name, length in lengths.items()},
        **{name: zeros((lanes, length), dtype) for name, length in parts.items()},
        w_in64=zeros(s.d_model * s.mlp_row),
        fold=zeros(values * s.mlp_row),
        d_scores=zeros((lanes, tokens, s.heads)),
        d_constant=zeros((lanes, s.width)),
    )


def _lane(s: Sizes, dtype: np.dtype[np.floating], block: int) -> Lane:
    values, tokens = s.heads * s.d_head, 2 * s.p + 1
    lengths = {
        "rows": tokens * s.d_model, "values": s.heads * tokens * s.head_row, "pack": PACK,
        "out": block * s.width, "d_out": max(block * s.width, tokens * s.model_row, s.d_model * s.mlp_row),
        "logits": block * s.vocab_row,
    }  # fmt: skip
    exact = {
        "query": values, "toward": s.heads * s.d_model, "stream": s.d_model, "w_o": values * s.d_model,
        "pack64": PACK, "soft": s.vocab_row,
        "scratch": tokens * s.model_row, "sums": max(s.width, s.d_model + s.d_head),
    }  # fmt: skip
    rounded = zeros(s.vocab_row)
    return Lane(
        **{name: zeros(length, dtype) for name, length in lengths.items()},
        **{name: zeros(length) for name, length in exact.items()},
        **{name: zeros((tokens, s.heads)) for name in ("scores", "exps")},
        soft_rounded=rounded,
        soft_bits=rounded.view(np.int64),
    )


def fits(config: Config, dtype: np.dtype[np.floating]) -> bool:
    """Whether this is the same function as the model, and exact on this machine."""
    same = config.n_layers == 1 and not config.layer_norm and config.activation == "relu"
    return same and product_is_exact(dtype)


@cache
def product_is_exact(dtype: np.dtype[np.floating]) -> bool:
    """Whether the compiled product multiplies on this machine as precisely as its type allows."""
    draw = np.random.default_rng(0)
    rows, columns, depth = 13, 70, 300
    x, y = (draw.standard_normal(shape).astype(dtype) for shape in ((rows, depth), (depth, columns)))
    out, row = zeros(rows * 96, x.dtype), 96
    kernels.multiply(
        rows, columns, depth, x.reshape(-1), 0, depth, 1, y.reshape(-1), 0, columns, 1,
        out, 0, row, False, zeros(PACK, x.dtype),
    )  # fmt: skip
    exact = x.astype(np.longdouble) @ y.astype(np.longdouble)
    error, size = (
        float(np.linalg.norm(x.astype(np.float64))) for x in (out.reshape(rows, row)[:, :columns] - exact, exact)
    )
    return bool(error / size <= 8 * np.finfo(x.dtype).eps)
