"""Where `=` looks: scores by token, patterns, and the one cosine a head (paper, app. C.1, fig. 8, table 2).

In the first layer the query of `=` is the same for every pair, and a key belongs to its token: scores are one number a
token, and the pattern over all p² pairs is a softmax of three of them. That is a few milliseconds in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import Characters, characters
from engine.config import Config
from engine.fourier import components, fourier_basis, frequencies
from engine.later import torch
from engine.models.transformer import forward
from engine.replay import hidden
from engine.runfile import Run
from engine.tasks import TASKS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_EPSILON = 1e-5  # of layer norm, as torch has it
_WIDE = 300.0  # between scores of one head, from where each pair needs its own largest


@dataclass(frozen=True, eq=False)
class AttentionScores:
    """Scores (before the softmax, divided by √d_head) of a layer's heads from `=`. Tokens in natural order.

    to_a, to_b : (n_heads, p), of the token there      to_equals : (n_heads,)
    exact : in the first layer a score depends on its own token alone; in a later one on both operands, and these are
        means over the other operand (of to_equals: over both), over all p² pairs
    """

    to_a: Floats
    to_b: Floats
    to_equals: Floats
    exact: bool


def attention_scores(run: Run, step: int, layer: int = 0, exact: bool = True) -> AttentionScores:
    """Scores from `=` to a, b and `=` as functions of the token. For any operation.

    exact : float64; else, in a later layer, float32 for drawing
    """
    layer = range(run.config.n_layers)[layer]
    if layer == 0:
        return FirstLayer.of(run, step).scores()
    return _mean_scores(run, step, layer, exact)


@dataclass(frozen=True, eq=False)
class FirstLayer:
    """The first layer's weights at a checkpoint, float64, as far as `=` asks with them.

    embedding : (d_vocab, d_model)   positions : (3, d_model)   w_q, w_k : (n_heads, d_model, d_head)
    norm : scale and shift of its layer norm, (2, d_model), or None
    """

    config: Config
    embedding: Floats
    positions: Floats
    w_q: Floats
    w_k: Floats
    norm: Floats | None

    @classmethod
    def of(cls, run: Run, step: int) -> FirstLayer:
        def get(name: str) -> Floats:
            return run.weight(name, step).astype(np.float64)

        norm = np.stack([get("ln1_w")[0], get("ln1_b")[0]]) if run.config.layer_norm else None
        return cls(run.config, get("W_E"), get("W_pos"), get("W_Q")[0], get("W_K")[0], norm)

    @property
    def start(self) -> Floats:
        """What `=` starts from.  (d_model,)"""
        return np.asarray(self.embedding[self.config.p] + self.positions[2])

    def toward(self, start: Floats) -> Floats:
        """What each head looks for in a token: W_K W_Qᵀ x.  (d_model,) -> (n_heads, d_model)"""
        query = start @ self.w_q  # (n_heads, d_head)
        return np.asarray(np.matmul(self.w_k, query[:, :, None])[..., 0])

    def normed(self, x: Floats) -> Floats:
        """What the heads read of the residual stream.  (…, d_model)"""
        if self.norm is None:
            return x
        away = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt(np.square(away).mean(axis=-1, keepdims=True) + _EPSILON)
        return np.asarray(away / spread * self.norm[0] + self.norm[1])

    def scores(self) -> AttentionScores:
        """Scores of every token at a and at b."""
        c, start = self.config, self.normed(self.start)
        toward = self.toward(start) / math.sqrt(c.head_size)
        at_a, at_b = (self.normed(self.embedding[: c.p] + self.positions[i]) for i in (0, 1))
        return AttentionScores(toward @ at_a.T, toward @ at_b.T, toward @ start, True)

    def coefficients(self, x: Characters) -> Floats:
        """C_j on the cycle x, without layer norm (paper, fig. 8).  -> (n_heads, n), const, cos 1, sin 1, …"""
        return np.asarray(self.toward(self.start) @ self.embedding[x.elements].T @ fourier_basis(x.n).T)


def _mean_scores(run: Run, step: int, layer: int, exact: bool) -> AttentionScores:
    """Of a later layer: one forward pass over all pairs."""
    c = run.config
    kept: dict[str, list[torch.Tensor]] = {}
    with torch.inference_mode():
        dtype = torch.float64 if exact else torch.float32
        w = {name: torch.from_numpy(array).to(dtype) for name, array in run.weights(step).items()}
        token = torch.arange(c.p)
        forward(w, torch.cartesian_prod(token, token), c, kept)
    grid = kept["scores"][layer].double().numpy().reshape(c.p, c.p, c.n_heads, 3)
    return AttentionScores(
        grid[..., 0].mean(axis=1).T.copy(), grid[..., 1].mean(axis=0).T.copy(), grid[..., 2].mean(axis=(0, 1)), False
    )


def pattern_of(scores: AttentionScores, heads: slice = slice(None)) -> Floats:
    """The softmax of exact scores over all pairs.  -> (heads, p, p, 3), row a, column b: to a, b, `=`"""
    to_a, to_b, to_equals = (x[heads] for x in (scores.to_a, scores.to_b, scores.to_equals))
    to_equals, p = to_equals[:, None], to_a.shape[1]
    top = np.maximum(np.maximum(to_a, to_b).max(axis=1, keepdims=True), to_equals)
    low = np.minimum(np.minimum(to_a, to_b).min(axis=1, keepdims=True), to_equals)
    each = [to_a[:, :, None], to_b[:, None, :], to_equals[:, :, None]]
    odds = np.empty((3, len(to_a), p, p))
    if (top - low).max(initial=0.0) < _WIDE:  # one exponential a token
        for of_one, part in zip(odds, each, strict=True):
            of_one[:] = np.exp(part - top[:, :, None])
    else:
        for of_one, part in zip(odds, each, strict=True):
            of_one[:] = part
        np.exp(odds - odds.max(axis=0), out=odds)
    odds /= odds.sum(axis=0)
    return np.moveaxis(odds, 0, -1)


@dataclass(frozen=True, eq=False)
class AttentionPattern:
    """pattern : (n_heads, p, p, 3), row a, column b: attention from `=` to a, b, `=`; sums to 1 over the last axis
    mean : (n_heads, 3) over the operation's pairs
    """

    pattern: Floats
    mean: Floats


def attention_pattern(run: Run, step: int, layer: int = 0, exact: bool = True) -> AttentionPattern:
    """What each head of a layer looks at from `=`, float64. For any operation.

    exact : else, in a later layer, from a float32 forward pass, for drawing
    """
    p, layer = run.config.p, range(run.config.n_layers)[layer]
    if layer == 0:
        grid = pattern_of(FirstLayer.of(run, step).scores())
    else:
        pattern = hidden(run, step, exact).pattern[layer].astype(np.float64, copy=False)  # (p², n_heads, 3)
        grid = np.moveaxis(np.ascontiguousarray(pattern.reshape(p, p, -1, 3).transpose(3, 2, 0, 1)), 0, -1)
    return AttentionPattern(grid, mean_pattern(grid, run.config))


def mean_pattern(pattern: NDArray[Any], config: Config) -> Floats:
    """Over the operation's pairs.  (n_heads, p, p, 3) -> (n_heads, 3)"""
    a, b = TASKS[config.operation].inputs(config.p).T
    every = len(a) == config.p**2
    return np.asarray(pattern.mean(axis=(1, 2)) if every else pattern[:, a, b].mean(axis=1))


@dataclass(frozen=True, eq=False)
class AttentionFourier:
    """The first layer's heads on the task's cycle.

    coefficient : (n_heads, n), C_j: F W_E W_K W_Q^T x of the cycle's tokens (const, cos 1, sin 1, …), x what `=` starts
        from; not divided by √d_head (paper, fig. 8)
    share : (n_heads, n // 2) of the non-constant power of `coefficient`, by frequency. On the mainline .9908 and .9799
        for 35 and 42, about the 99.03 % and 98.49 % of table 2; the pattern itself saturates: .965 and .958
    frequency : (n_heads,) of the one cosine that fits the pattern best     amplitude : (n_heads,), C ≥ 0
    phase : (n_heads,) radians, w_k θ: to a 0.5 + C (cos(w_k i + phase) − cos(w_k j + phase)), to b 0.5 − the same
    explained : (n_heads,) share of the variance of the attention to a and to b over all pairs, each about its own mean,
        that these two explain; below 0 where they are worse than the means
    by_frequency : (n_heads, n // 2) the same for every frequency's best cosine
    """

    coefficient: Floats
    share: Floats
    frequency: Ints
    amplitude: Floats
    phase: Floats
    explained: Floats
    by_frequency: Floats


def attention_fourier(run: Run, step: int) -> AttentionFourier:
    """Scores and pattern of the first layer in the task's Fourier basis, float64. Raises `NoBasis`.

    Layer norm, if any, is left out of `coefficient`; the fit is to the true pattern.
    """
    x, first = characters(run.config), FirstLayer.of(run, step)
    coefficient = first.coefficients(x)
    fit = fit_patterns(*on_cycle(pattern_of(first.scores()), x))
    return AttentionFourier(coefficient, shares(coefficient), *fit)


def on_cycle(pattern: NDArray[Any], x: Characters) -> tuple[Floats, Floats]:
    """Attention to a and to b on the task's cycle.  (n_heads, p, p, 3) -> two of (n_heads, n, n), row i, column j"""
    order = x.elements
    if x.generator is not None:
        pattern = pattern[:, order][:, :, order]
    return np.ascontiguousarray(pattern[..., 0]), np.ascontiguousarray(pattern[..., 1])


def value_shares(run: Run, step: int, x: Characters) -> Floats:
    """What the first layer's heads write, by frequency: of the power of W_E W_V W_O over the cycle's tokens, without
    the constant and without layer norm (paper, app. C.1.2).  -> (n_heads, n // 2); 0 of nothing
    """
    w_v, w_o = (run.weight(name, step)[0].astype(np.float64) for name in ("W_V", "W_O"))
    values = run.weight("W_E", step).astype(np.float64)[x.elements] @ w_v  # (n_heads, n, d_head)
    waves = np.fft.rfft(values, axis=1)[:, 1:]  # (n_heads, n // 2, d_head)
    power = np.einsum("hke,hke->hk", waves @ (w_o @ w_o.transpose(0, 2, 1)), waves.conj()).real
    if x.n % 2 == 0:
        power[:, -1] /= 2  # a cosine without a sine
    return _shares_of(np.maximum(power, 0))


def shares(coefficient: Floats) -> Floats:
    """Share of every frequency in the non-constant power; 0 of nothing.  (m, n) -> (m, n // 2)"""
    n = coefficient.shape[1]
    starts = [components(n, k).start for k in frequencies(n)]
    power = coefficient**2
    return _shares_of(np.add.reduceat(power, starts, axis=1) if starts else power[:, :0])


def _shares_of(power: Floats) -> Floats:
    total = power.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(power, total, out=np.zeros_like(power), where=total > 0))


class PatternFit(NamedTuple):
    """0.5 ± C (cos(w_k i + phase) − cos(w_k j + phase)), fitted to m patterns.

    frequency : (m,); 0: there is none    amplitude : (m,), C ≥ 0    phase : (m,) radians, w_k θ
    explained : (m,) share of the variance of both patterns, each about its own mean; below 0: worse than the means
    by_frequency : (m, n // 2) the same for the best cosine of every frequency
    """

    frequency: Ints
    amplitude: Floats
    phase: Floats
    explained: Floats
    by_frequency: Floats


def fit_patterns(to_a: Floats, to_b: Floats) -> PatternFit:
    """The best such cosine of every frequency by least squares, the best one chosen (paper, app. C.1.3).

    to_a, to_b : (m, n, n), row i, column j
    """
    m, n = to_a.shape[:2]
    basis = fourier_basis(n)
    half = (to_a - to_b) / 2
    in_i, in_j = half.sum(axis=2) @ basis.T, half.sum(axis=1) @ basis.T  # (m, n) against the waves of i and of j
    waves = (in_i - in_j) / (2 * n)  # coefficients of basis(i) − basis(j), whose square norm is 2n
    off = np.square(to_a - 0.5).sum(axis=(1, 2)) + np.square(to_b - 0.5).sum(axis=(1, 2))
    variance = sum(np.square(x - x.mean(axis=(1, 2), keepdims=True)).sum(axis=(1, 2)) for x in (to_a, to_b))
    varies = variance > 1e-24 * n * n
    share, cosine, sine = np.zeros((3, m, n // 2))
    for k in frequencies(n):
        rows = components(n, k)
        left = off - 4 * n * np.square(waves[:, rows]).sum(axis=1)  # squares, of both patterns together
        share[varies, k - 1] = 1 - left[varies] / variance[varies]
        plain = waves[:, rows] * basis[rows.start, 0]  # of the un-normalised cosine and sine
        cosine[:, k - 1] = plain[:, 0]
        if plain.shape[1] == 2:
            sine[:, k - 1] = plain[:, 1]
    if not share.shape[1]:
        return PatternFit(np.zeros(m, np.int64), np.zeros(m), np.zeros(m), np.zeros(m), share)
    chosen = np.arange(m), share.argmax(axis=1)
    phase = np.arctan2(-sine[chosen], cosine[chosen])
    return PatternFit(chosen[1] + 1, np.hypot(cosine[chosen], sine[chosen]), phase, share[chosen], share)


def cosine_pattern(fit: PatternFit, head: int, n: int) -> Floats:
    """A head's fit: its attention to a; to b it is 1 − that, to `=` nothing.  -> (n, n), row i, column j

    0.5 where it has no frequency
    """
    wave = fit.amplitude[head] * np.cos(2 * np.pi * (int(fit.frequency[head]) * np.arange(n) % n) / n + fit.phase[head])
    return np.asarray(0.5 + wave[:, None] - wave[None, :])
