"""Where `=` looks: scores by token, patterns, and the one cosine a head (paper, app. C.1, fig. 8, table 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import characters
from engine.fourier import components, fourier_basis, frequencies
from engine.later import torch
from engine.models.transformer import forward
from engine.replay import activations
from engine.runfile import Run
from engine.tasks import TASKS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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


def attention_scores(run: Run, step: int, layer: int = 0) -> AttentionScores:
    """Scores from `=` to a, b and `=` as functions of the token, float64. For any operation."""
    with torch.inference_mode():
        return _scores(run, step, range(run.config.n_layers)[layer])


def _scores(run: Run, step: int, layer: int) -> AttentionScores:
    c = run.config
    w = {name: torch.from_numpy(array).double() for name, array in run.weights(step).items()}
    token = torch.arange(c.p)
    kept: dict[str, list[torch.Tensor]] = {}
    if layer == 0:
        forward(w, torch.stack([token, token], dim=1), c, kept)
        each = kept["scores"][0].numpy()  # (p, n_heads, 3)
        return AttentionScores(each[..., 0].T.copy(), each[..., 1].T.copy(), each[0, :, 2].copy(), True)
    forward(w, torch.cartesian_prod(token, token), c, kept)
    grid = kept["scores"][layer].numpy().reshape(c.p, c.p, c.n_heads, 3)
    return AttentionScores(
        grid[..., 0].mean(axis=1).T.copy(), grid[..., 1].mean(axis=0).T.copy(), grid[..., 2].mean(axis=(0, 1)), False
    )


@dataclass(frozen=True, eq=False)
class AttentionPattern:
    """pattern : (n_heads, p, p, 3), row a, column b: attention from `=` to a, b, `=`; sums to 1 over the last axis
    mean : (n_heads, 3) over the operation's pairs
    """

    pattern: Floats
    mean: Floats


def attention_pattern(run: Run, step: int, layer: int = 0) -> AttentionPattern:
    """What each head of a layer looks at from `=`, float64. For any operation."""
    p = run.config.p
    pattern = activations(run, step).pattern[layer].astype(np.float64, copy=False)  # (p², n_heads, 3)
    pairs = TASKS[run.config.operation].inputs(p) @ np.array([p, 1])
    grid = pattern.reshape(p, p, -1, 3).transpose(2, 0, 1, 3)
    return AttentionPattern(np.ascontiguousarray(grid), pattern[pairs].mean(axis=0))


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
    x = characters(run.config)
    w = {name: run.weight(name, step).astype(np.float64) for name in ("W_E", "W_pos", "W_K", "W_Q")}
    start = w["W_E"][run.config.p] + w["W_pos"][2]  # of `=`
    query = np.einsum("d,hde->he", start, w["W_Q"][0])
    toward = np.einsum("hde,he->hd", w["W_K"][0], query)
    coefficient = toward @ (fourier_basis(x.n) @ w["W_E"][x.elements]).T
    pattern = x.grid(activations(run, step).pattern[0].astype(np.float64, copy=False))  # (n, n, n_heads, 3)
    fit = fit_patterns(pattern[..., 0].transpose(2, 0, 1), pattern[..., 1].transpose(2, 0, 1))
    return AttentionFourier(coefficient, shares(coefficient), *fit)


def shares(coefficient: Floats) -> Floats:
    """Share of every frequency in the non-constant power; 0 of nothing.  (m, n) -> (m, n // 2)"""
    n = coefficient.shape[1]
    power = coefficient**2
    found = np.array([power[:, components(n, k)].sum(axis=1) for k in frequencies(n)]).reshape(-1, len(power)).T
    total = found.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(found, total, out=np.zeros_like(found), where=total > 0))


def fit_patterns(to_a: Floats, to_b: Floats) -> tuple[Ints, Floats, Floats, Floats, Floats]:
    """0.5 ± C (cos(w_k i + phase) − cos(w_k j + phase)) by least squares, for every frequency, the best one chosen.

    to_a, to_b : (m, n, n), row i, column j
    -> frequency, amplitude, phase, share explained, each (m,); share explained by every frequency (m, n // 2)
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
        return np.zeros(m, np.int64), np.zeros(m), np.zeros(m), np.zeros(m), share
    chosen = np.arange(m), share.argmax(axis=1)
    phase = np.arctan2(-sine[chosen], cosine[chosen])
    return chosen[1] + 1, np.hypot(cosine[chosen], sine[chosen]), phase, share[chosen], share
