"""The algorithm on one pair: angles that add, and cosines that agree at one output only (paper, sec. 4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.circles import embedding_circles, pinned_set
from engine.analysis.logits import cosine_coefficients, cosine_kernel, sum_table
from engine.analysis.measures import pair_sets
from engine.analysis.progress_curves import Pinned
from engine.config import Config
from engine.replay import activations
from engine.runfile import Run

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_CLEAR = 0.05  # of the largest α: what speaks softer has no direction worth showing


@dataclass(frozen=True, eq=False)
class Dial:
    """What moves on the clocks of one pair; entry k-1 is frequency k.

    i, j, s : places of a, b and of the answer on the cycle of n, s = i ± j
    elements : (n,) residues in the order of the cycle     sign, generator : as in `Characters`
    tokens : (n // 2, 2, 2), W_E's rows of a and b in the plane of k, in units of that circle's radius at the checkpoint
        that fixes the planes: (along cosine, along sine); ideal are (cos w_k i, sin w_k i)
    spoken : (n // 2, 2), the wave k in the logits of this pair over the outputs, in units of α_k there: ideal is
        (cos w_k s, sin w_k s); NaN where that α_k is next to nothing
    logits : (n,) of the cycle's outputs, less their mean
    coefficient : (n // 2,) α_k over all pairs of the cycle, as in `CosineFit`
    explained : of the variance of these logits over the outputs, the share of Σ_keys α_k cos w_k(s − c); below 0 where
        the sum is further from them than a constant
    coefficient_limit, logit_limit : the largest |α_k| and |logit| at the checkpoint that fixes axes
    """

    i: int
    j: int
    s: int
    elements: Ints
    sign: int
    generator: int | None
    tokens: Floats
    spoken: Floats
    logits: Floats
    coefficient: Floats
    explained: float
    coefficient_limit: float
    logit_limit: float

    @property
    def n(self) -> int:
        """Length of the cycle."""
        return len(self.elements)

    def cosines(self, k: int) -> Floats:
        """cos w_k(s − c) of the outputs in their order.  (n,)"""
        found: Floats = np.cos(2 * np.pi * (k * (self.s - np.arange(self.n)) % self.n) / self.n)
        return found

    def total(self, keys: tuple[int, ...]) -> Floats:
        """Σ α_k cos w_k(s − c) of the outputs.  (n,)"""
        return cosine_sum(self.coefficient, keys, self.n, self.s)


@dataclass(frozen=True, eq=False)
class Clock:
    """One pair at one checkpoint.

    pinned : the key frequencies, and the epoch that names them     plane_epoch : of what fixes planes and axes
    pair : (a, b)     example : whether it was chosen here
    answer : the right one; None where the task has no such pair     trained : whether the model is trained on it
    said : the model's answer over all p outputs     probability : the model's, of the right answer; 0 without one
    no_clock : why there are no hands, a sentence; else empty     dial : None then
    """

    pinned: Pinned
    plane_epoch: int
    pair: tuple[int, int]
    example: bool
    answer: int | None
    trained: bool
    said: int
    probability: float
    no_clock: str
    dial: Dial | None

    @property
    def keys(self) -> tuple[int, ...]:
        """The pinned frequencies that the cycle has."""
        return () if self.dial is None else tuple(k for k in self.pinned.keys if k <= self.dial.n // 2)


def clock(
    run: Run,
    step: int,
    plane_step: int,
    n: int,
    pair: tuple[int, int] | None = None,
    chosen: tuple[int, ...] | None = None,
    known: Pinned | None = None,
    exact: bool = False,
) -> Clock:
    """The clocks of a pair; None: of an example.

    plane_step : the checkpoint that fixes planes and axes     n, chosen, known : as in `pinned_set`
    exact : float64, for printed numbers; else float32 logits, for drawing
    """
    config = run.config
    pinned = pinned_set(run, n, chosen, known)
    a, b = pair or example_pair(config)
    sets = pair_sets(config)
    row = a * config.p + b
    label = int(sets.labels[row])
    logits = activations(run, step, exact).logits[row].astype(np.float64)
    dial, why = None, ""
    try:
        x = characters(config)
        why = _no_clock(x, a, b, label)
        if not why:
            dial = _dial(run, step, plane_step, n, (a, b), x, pinned, exact)
    except NoBasis as error:
        why = str(error)
    return Clock(
        pinned=pinned,
        plane_epoch=int(run.epochs[plane_step]),
        pair=(a, b),
        example=pair is None,
        answer=None if label < 0 else label,
        trained=bool((sets.train == row).any()),
        said=int(logits.argmax()),
        probability=0.0 if label < 0 else float(np.exp(logits[label] - np.logaddexp.reduce(logits))),
        no_clock=why,
        dial=dial,
    )


def _no_clock(x: Characters, a: int, b: int, label: int) -> str:
    if label < 0:
        return f"{a} / {b} has no answer."
    for residue in (a, b):
        if x.generator is not None and residue == 0:
            return "No clock: zero has no logarithm."
        if residue not in x.elements:
            return f"No clock: {residue} is no unit modulo {x.p}, so it has no logarithm."
    return ""


def _dial(
    run: Run, step: int, plane_step: int, n: int, pair: tuple[int, int], x: Characters, pinned: Pinned, exact: bool
) -> Dial:
    i, j = (int(np.flatnonzero(x.elements == residue)[0]) for residue in pair)
    s = (i + x.sign * j) % x.n
    circles = embedding_circles(run, step, plane_step, n, None, pinned)
    logits = x.outputs(activations(run, step, exact).logits[pair[0] * x.p + pair[1]]).astype(np.float64)
    logits -= logits.mean()
    alpha, scale = coefficients(run, step, exact), scales(run, plane_step)
    keys = tuple(k for k in pinned.keys if k <= x.n // 2)
    drawn = scale.coefficient[[k - 1 for k in keys]] if keys else scale.coefficient
    return Dial(
        i=i,
        j=j,
        s=s,
        elements=x.elements,
        sign=x.sign,
        generator=x.generator,
        tokens=circles.points[:, [i, j]] / np.maximum(circles.ring, 1e-12)[:, None, None],
        spoken=spoken(logits, scale.coefficient),
        logits=logits,
        coefficient=alpha,
        explained=_explained(logits, cosine_sum(alpha, keys, x.n, s)),
        coefficient_limit=max(float(np.abs(drawn).max(initial=0.0)), 1e-12),
        logit_limit=max(scale.logit, 1e-12),
    )


def cosine_sum(coefficient: Floats, keys: tuple[int, ...], n: int, s: int) -> Floats:
    """Σ α_k cos w_k(s − c) over the outputs c.  coefficient : (n // 2,) -> (n,)"""
    turns = np.arange(n) - s
    return sum((coefficient[k - 1] * np.cos(2 * np.pi * (k * turns % n) / n) for k in keys), np.zeros(n))


def spoken(logits: Floats, coefficient: Floats) -> Floats:
    """The wave k in logits over the outputs, by its α_k.  (n,), (n // 2,) -> (n // 2, 2); NaN below `_CLEAR` of the
    largest α"""
    n, top = len(logits), float(coefficient.max(initial=0.0))
    waves = np.fft.fft(logits)[1 : n // 2 + 1].conj() * 2 / n
    if n % 2 == 0:
        waves[-1] /= 2
    clear = (coefficient >= _CLEAR * top) & (coefficient > 0)
    scaled = waves / np.where(clear, coefficient, 1.0)
    return np.where(clear[:, None], np.stack([scaled.real, scaled.imag], axis=1), np.nan)


def _explained(logits: Floats, fit: Floats) -> float:
    whole = float(np.square(logits).sum())
    return 1 - float(np.square(logits - fit).sum()) / whole if whole > 0 else 0.0


@lru_cache(maxsize=4096)
def coefficients(run: Run, step: int, exact: bool = True) -> Floats:
    """α_k of every frequency over all pairs of the cycle, as in `CosineFit`.  (n // 2,). Raises `NoBasis`.

    exact : from float64 logits; else from float32, for drawing
    """
    x = characters(run.config)
    logits: Any = activations(run, step, exact).logits
    grid = logits.reshape(x.n, x.n, -1) if x.generator is None else x.outputs(x.grid(logits))
    return cosine_coefficients(cosine_kernel(sum_table(grid, x.sums)))


@dataclass(frozen=True, eq=False)
class Scales:
    """What fixes the axes.  coefficient : (n // 2,), α_k     logit : the largest |logit| about each pair's mean"""

    coefficient: Floats
    logit: float


@lru_cache(maxsize=64)
def scales(run: Run, step: int) -> Scales:
    """Of the checkpoint that fixes axes, from float32 logits over the cycle's outputs. Raises `NoBasis`."""
    x = characters(run.config)
    logits = x.outputs(activations(run, step, False).logits[x.rows])
    centred = np.abs(logits - logits.mean(axis=1, keepdims=True))
    return Scales(coefficients(run, step, False), float(centred.max(initial=0.0)))


@lru_cache(maxsize=16)
def example_pair(config: Config) -> tuple[int, int]:
    """The first test pair, in the order of the split, whose residues differ, are not 0 and have logarithms where
    those are needed; of a run without such a pair the first trained one."""
    sets, p = pair_sets(config), config.p
    try:
        fit = set(characters(config).elements.tolist()) - {0}
    except NoBasis:
        fit = set(range(1, p))
    rows = np.concatenate([sets.test, sets.train]).tolist()
    pairs = [divmod(row, p) for row in rows]
    return next(((a, b) for a, b in pairs if a != b and {a, b} <= fit), pairs[0])
