"""A layer's heads as they are drawn: patterns, scores, their cosines, and their lives over training.

The first layer follows from the weights alone, float64, in a few milliseconds a checkpoint; a later one needs the
forward pass (paper, app. C.1.2 and C.1.3, fig. 4a, fig. 8, table 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.attention import (
    AttentionScores,
    FirstLayer,
    PatternFit,
    attention_pattern,
    attention_scores,
    cosine_pattern,
    fit_patterns,
    mean_pattern,
    on_cycle,
    pattern_of,
    shares,
    value_shares,
)
from engine.analysis.characters import Characters, NoBasis, characters
from engine.config import Config
from engine.fourier import components, fourier_basis
from engine.runfile import Run

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TARGETS = ("a", "b", "=")
LATER_LAYER = "In a later layer a score depends on both operands: there is no C_j of one token."
_SAMPLES = 21  # checkpoints that an axis over the whole run is taken from


@dataclass(frozen=True, eq=False)
class HeadPicture:
    """A layer's heads at a checkpoint. Without a basis everything that needs a frequency is None.

    mean : (n_heads, 3) attention from `=` to a, b, `=` over the operation's pairs
    apart : (n_heads, n_heads) correlation over all pairs of the heads' attention to a; −1: what they see adds up
    scores : of the layer; None: not asked for in a later layer
    given : (n_heads, p, p, 3) patterns of a later layer; those of the first follow from its scores
    fit : of the patterns, over the task's cycle
    coefficient, share : C_j and the share of its power by frequency (`AttentionFourier`), first layer only
    values : (n_heads, n // 2) what the heads write, by frequency (`value_shares`), first layer only
    settled : (n_heads,) frequency at the layout's checkpoint, 0 none: it unwraps the axes
    equals_limit : largest attention to `=` at the layout's checkpoint
    score_limit, coefficient_limit : largest of any head at some checkpoints of the run
    """

    config: Config
    layer: int
    mean: Floats
    apart: Floats
    scores: AttentionScores | None
    given: NDArray[np.floating] | None
    fit: PatternFit | None
    coefficient: Floats | None
    share: Floats | None
    values: Floats | None
    settled: Ints
    equals_limit: float
    score_limit: float
    coefficient_limit: float
    no_basis: str

    @property
    def basis(self) -> Characters | None:
        """The order of residues that fits the task."""
        return None if self.no_basis else characters(self.config)

    @property
    def n_heads(self) -> int:
        return len(self.mean)

    @property
    def frequency(self) -> Ints:
        """Each head's: the largest share of C_j; in a later layer that of the pattern's fit. 0: none.  (n_heads,)"""
        return head_frequencies(self.share, self.fit, self.n_heads)

    def pattern(self, head: int, target: int) -> Floats:
        """Attention to a, b or `=` for every pair.  -> (p, p), row a, column b"""
        if self.given is not None:
            return np.asarray(self.given[head, ..., target], np.float64)
        assert self.scores is not None
        return np.asarray(pattern_of(self.scores, slice(head, head + 1))[0, ..., target])

    def score(self, head: int, target: int) -> Floats:
        """Score of the token there, for every pair: in a later layer its mean over the other operand.  -> (p, p)"""
        assert self.scores is not None
        p = self.config.p
        of_one = (self.scores.to_a[head][:, None], self.scores.to_b[head][None, :], self.scores.to_equals[head])[target]
        return np.array(np.broadcast_to(of_one, (p, p)))

    def fitted_pattern(self, head: int, target: int) -> Floats | None:
        """What the fit says in place of `pattern`; NaN off the cycle.  -> (p, p)"""
        if self.fit is None or self.basis is None:
            return None
        found, x = np.full((self.config.p,) * 2, np.nan), self.basis
        to_a = cosine_pattern(self.fit, head, x.n)
        found[np.ix_(x.elements, x.elements)] = (to_a, 1 - to_a, np.zeros_like(to_a))[target]
        return found

    def fitted_score(self, head: int, target: int) -> Floats | None:
        """The mean and the cosine of the head's frequency in place of `score`; NaN off the cycle.  -> (p, p)"""
        if self.basis is None or self.share is None or self.scores is None:
            return None
        x, k = self.basis, int(self.frequency[head])
        found = np.full((self.config.p,) * 2, np.nan)
        there = np.ix_(x.elements, x.elements)
        if target == 2:
            found[there] = self.scores.to_equals[head]
            return found
        values = (self.scores.to_a, self.scores.to_b)[target][head][x.elements]
        rows = fourier_basis(x.n)[components(x.n, k)] if k else np.zeros((0, x.n))
        wave = values.mean() + rows.T @ (rows @ values)
        found[there] = wave[:, None] if target == 0 else wave[None, :]
        return found


def head_picture(
    run: Run, step: int, layout_step: int, layer: int, scores: bool = False, exact: bool = False
) -> HeadPicture:
    """What is drawn of a layer's heads at a checkpoint.

    layout_step : the checkpoint whose frequencies unwrap the axes and which limits the colours
    scores : whether a later layer's are wanted too     exact : whether its forward pass is float64
    """
    layer = range(run.config.n_layers)[layer]
    x, no_basis = _basis(run.config)
    picture = _first_layer(run, step, x) if layer == 0 else _later_layer(run, step, layer, scores, exact, x)
    settled, equals_limit = _layout(run, layout_step, layer)
    score_limit, coefficient_limit = _largest(run, layout_step, layer, scores)
    return HeadPicture(
        config=run.config,
        layer=layer,
        settled=settled,
        equals_limit=equals_limit,
        score_limit=score_limit,
        coefficient_limit=coefficient_limit,
        no_basis=no_basis,
        **picture,  # type: ignore[arg-type]
    )


def head_frequencies(share: Floats | None, fit: PatternFit | None, n_heads: int) -> Ints:
    """The largest share of C_j; without shares that of a fit that explains something. 0: none.  -> (n_heads,)"""
    if share is not None and share.shape[1]:
        return np.where(share.max(axis=1) > 0, share.argmax(axis=1) + 1, 0)
    if share is None and fit is not None:
        return np.where(fit.explained > 0, fit.frequency, 0)
    return np.zeros(n_heads, np.int64)


def _basis(config: Config) -> tuple[Characters | None, str]:
    try:
        return characters(config), ""
    except NoBasis as error:
        return None, str(error)


def _first_layer(run: Run, step: int, x: Characters | None) -> dict[str, object]:
    """The fields of a picture that belong to its checkpoint."""
    first = FirstLayer.of(run, step)
    scores = first.scores()
    pattern = pattern_of(scores)
    coefficient = None if x is None else first.coefficients(x)
    return {
        "mean": mean_pattern(pattern, run.config),
        "apart": correlations(pattern[..., 0]),
        "scores": scores,
        "given": None,
        "fit": None if x is None else fit_patterns(*on_cycle(pattern, x)),
        "coefficient": coefficient,
        "share": None if coefficient is None else shares(coefficient),
        "values": None if x is None else value_shares(run, step, x),
    }


def _later_layer(run: Run, step: int, layer: int, scores: bool, exact: bool, x: Characters | None) -> dict[str, object]:
    found = attention_pattern(run, step, layer, exact)
    return {
        "mean": found.mean,
        "apart": correlations(found.pattern[..., 0]),
        "scores": attention_scores(run, step, layer, exact) if scores else None,
        "given": found.pattern if exact else found.pattern.astype(np.float32),
        "fit": None if x is None else fit_patterns(*on_cycle(found.pattern, x)),
        "coefficient": None,
        "share": None,
        "values": None,
    }


def correlations(to_a: Floats) -> Floats:
    """Of the heads' attention to a over all pairs; 0 where one does not vary.  (n_heads, p, p) -> (n_heads, n_heads)"""
    flat = to_a.reshape(len(to_a), -1)
    away = flat - flat.mean(axis=1, keepdims=True)
    size = np.sqrt(np.square(away).sum(axis=1))
    unit = np.divide(away, size[:, None], out=np.zeros_like(away), where=size[:, None] > 1e-12 * len(away[0]))
    return np.asarray(unit @ unit.T)


@lru_cache(maxsize=32)
def _layout(run: Run, layout_step: int, layer: int) -> tuple[Ints, float]:
    """Frequencies that unwrap the axes, and the largest attention to `=`."""
    x = _basis(run.config)[0]
    pattern = attention_pattern(run, layout_step, layer, exact=False).pattern
    fit = None if x is None else fit_patterns(*on_cycle(pattern, x))
    share = None
    if layer == 0 and x is not None:
        share = shares(FirstLayer.of(run, layout_step).coefficients(x))
    return head_frequencies(share, fit, run.config.n_heads), float(pattern[..., 2].max()) or 1.0


@lru_cache(maxsize=64)
def _largest(run: Run, layout_step: int, layer: int, scores: bool) -> tuple[float, float]:
    """The largest |score| and the largest |C_j| but for its constant, at some checkpoints up to one.

    Of a run in training and of a later layer, there alone.
    """
    x = _basis(run.config)[0]
    some = np.linspace(0, layout_step, _SAMPLES).astype(int).tolist()
    score = coefficient = 0.0
    for step in sorted({layout_step} if run.grows or layer else set(some)):
        if layer == 0 or scores:
            found = attention_scores(run, step, layer, exact=False)
            score = max(score, *(float(np.abs(part).max()) for part in (found.to_a, found.to_b)))
        if layer == 0 and x is not None and x.n > 1:
            coefficient = max(coefficient, float(np.abs(FirstLayer.of(run, step).coefficients(x)[:, 1:]).max()))
    return score or 1.0, coefficient or 1.0


# -- their lives ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class HeadLives:
    """The first layer's heads over some checkpoints, from the weights alone.

    epochs : (m,)    frequency : (m, n_heads), of the largest share of C_j; 0 none    share : (m, n_heads), that share
    explained : (m, n_heads) of the variance of the pattern, by its own best cosine; below 0: worse than the mean
    """

    epochs: Ints
    frequency: Ints
    share: Floats
    explained: Floats


def head_lives(run: Run, start: int, stop: int) -> HeadLives:
    """The heads at the checkpoints start … stop − 1, float64, some 3 ms each. Raises `NoBasis`."""
    x, heads = characters(run.config), run.config.n_heads
    m = stop - start
    frequency, share, explained = np.zeros((m, heads), np.int64), np.zeros((m, heads)), np.zeros((m, heads))
    for at, step in enumerate(range(start, stop)):
        first = FirstLayer.of(run, step)
        by_frequency = shares(first.coefficients(x))
        frequency[at] = head_frequencies(by_frequency, None, heads)
        share[at] = by_frequency.max(axis=1, initial=0.0)
        explained[at] = fit_patterns(*on_cycle(pattern_of(first.scores()), x)).explained
    return HeadLives(run.epochs[start:stop].astype(np.int64), frequency, share, explained)
