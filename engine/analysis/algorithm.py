"""Clock or pizza: which of two algorithms a checkpoint computes (Zhong et al. 2023, arXiv 2306.17844).

A clock multiplies: it turns the angle of a by that of b, and every pair is answered as clearly. A pizza adds: it
averages the embeddings of a and b, so both enter alike, and how clear the answer is depends on their distance a − b.
Two numbers tell them apart: gradient symmetricity (high for a pizza) and distance irrelevance (low for a pizza).
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import Characters, NoBasis, characters
from engine.config import Config
from engine.fourier import components, fourier_basis
from engine.replay import Activations, activations, of_weights
from engine.runfile import Arrays, Run
from engine.tasks import TASKS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PUBLISHED_TRIPLES, SEED = 100, 42  # as the authors' code
TRIPLES = 1000  # the first hundred are the published ones
FIRST_PCS = 4


@dataclass(frozen=True)
class Undefined:
    """Why a measure is no measure of this task; empty where it is one."""

    symmetricity: str
    irrelevance: str
    circularity: str


@dataclass(frozen=True)
class Algorithm:
    """The measures of a checkpoint, float64; None where they are undefined, or nothing varies.

    symmetricity, error : mean cosine over `TRIPLES` triples, and its standard error
    published : over the first `PUBLISHED_TRIPLES` of them, as the authors' code
    irrelevance : q of `distance_irrelevance`     circularity : of the embedding's first four principal components
    """

    symmetricity: float | None
    error: float | None
    published: float | None
    irrelevance: float | None
    circularity: float | None


def undefined(config: Config) -> Undefined:
    """What is undefined for a task (science 2.13)."""
    try:
        x = characters(config)
    except NoBasis as error:
        return Undefined(str(error), str(error), str(error))
    symbol = TASKS[config.operation].symbol
    unlike = f"In {symbol} the operands do not enter alike: equal gradients would tell nothing." if x.sign < 0 else ""
    even = ""
    if x.n % 2 == 0:
        what = "The modulus" if x.generator is None else "The number of units"
        even = f"{what}, {x.n}, is even: sum and difference do not tell the pair, so there is no distance irrelevance."
    return Undefined(unlike, even, "")


def algorithm(run: Run, step: int) -> Algorithm:
    """The measures at a checkpoint."""
    return of_activations(run.config, activations(run, step), run.weights(step))


def of_activations(config: Config, kept: Activations, weights: Arrays) -> Algorithm:
    """The measures of a model whose activations are known."""
    not_for = undefined(config)
    symmetricity = error = published = irrelevance = circular = None
    if not not_for.symmetricity:
        cosines = gradient_cosines(config, weights, random_triples(config))
        symmetricity, error = _mean_and_error(cosines)
        published, _ = _mean_and_error(cosines[:PUBLISHED_TRIPLES])
    if not not_for.irrelevance:
        irrelevance = distance_irrelevance(correct_logits(kept.logits, characters(config)))
    if not not_for.circularity:
        circular = circularity(np.asarray(weights["W_E"], np.float64)[characters(config).elements])
    return Algorithm(symmetricity, error, published, irrelevance, circular)


# -- gradient symmetricity --------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _triples(operation: str, p: int, count: int) -> Ints:
    x = characters(Config(operation=operation, p=p))
    drawn = random.Random(SEED).sample(range(x.n**3), min(count, x.n**3))
    places = np.array(np.unravel_index(np.array(drawn, np.int64), (x.n,) * 3)).T
    found: Ints = x.elements[places]
    found.flags.writeable = False
    return found


def random_triples(config: Config, count: int = TRIPLES) -> Ints:
    """(a, b, c) drawn without repetition with seed 42, units only where the task has a cycle of units.  (count, 3)"""
    return _triples(config.operation, config.p, count)


def gradient_cosines(config: Config, weights: Arrays, triples: Ints) -> Floats:
    """Cosine of ∂Q_abc/∂E_a and ∂Q_abc/∂E_b, Q_abc the logit c of the pair (a, b).

    The embeddings at the two positions count as two inputs, also where a = b.
    -> (n,), NaN where a gradient is zero
    """
    from engine.analysis.gradients import embedding_gradients  # torch: not before it is needed

    of_a, of_b = embedding_gradients(config, weights, triples)
    lengths = np.linalg.norm(of_a, axis=1) * np.linalg.norm(of_b, axis=1)
    dots = np.einsum("nd,nd->n", of_a, of_b)
    found: Floats = np.divide(dots, lengths, out=np.full(len(dots), np.nan), where=lengths > 0)
    return found


def _mean_and_error(cosines: Floats) -> tuple[float | None, float | None]:
    there = cosines[np.isfinite(cosines)]
    if not len(there):
        return None, None
    return float(there.mean()), float(there.std(ddof=1) / np.sqrt(len(there))) if len(there) > 1 else None


# -- distance irrelevance ---------------------------------------------------------------------------------------


def correct_logits(logits: NDArray[np.floating], x: Characters) -> Floats:
    """L[s, d], the logit of the right answer of every pair, s = i ± j its answer and d = i ∓ j, modulo an odd n.

    logits : (p², p)     ->     (n, n)
    """
    place = np.arange(x.n)
    i, j = place[:, None], place[None, :]
    right = logits[x.rows, x.elements[x.sums.reshape(-1)]].reshape(x.n, x.n)
    found = np.empty((x.n, x.n))
    found[(i + x.sign * j) % x.n, (i - x.sign * j) % x.n] = right
    return found


def pair_at(x: Characters, s: int, d: int) -> tuple[int, int]:
    """The residues (a, b) whose right logit stands at L[s, d]."""
    half = (x.n + 1) // 2  # of 1, modulo an odd n
    i, j = (s + d) * half % x.n, (s - d) * half * x.sign % x.n
    return int(x.elements[i]), int(x.elements[j])


def distance_irrelevance(table: Floats) -> float | None:
    """q = mean over d of the spread over s of L[s, d], by the spread of all of L; None where nothing varies.

    0: only the distance d counts, as in a pizza. 1: it does not count at all.
    """
    whole = float(table.std())
    if whole <= 1e-12 * max(float(np.abs(table).max(initial=0.0)), 1e-300):
        return None
    return float(table.std(axis=0).mean() / whole)


# -- circularity ------------------------------------------------------------------------------------------------


def circularity(rows: Floats) -> float | None:
    """Mean over the first four principal components z of min(1, max_k 2/(n Σz²) |Σ_j z_j e^(2πijk/n)|²).

    rows : (n, d), along the cycle     ->     1 where each component is one wave; None where nothing varies
    """
    n = len(rows)
    centred = rows - rows.mean(axis=0)
    size, u = np.linalg.eigh(centred @ centred.T)  # ascending
    first = u[:, -FIRST_PCS:][:, size[-FIRST_PCS:] > 1e-12 * max(float(size[-1]), 1e-300)]  # columns of length 1
    if not first.shape[1] or n < 2:
        return None
    power = 2 / n * np.square(np.abs(np.fft.rfft(first, axis=0)[1:]))
    return float(np.minimum(1, power.max(axis=0)).mean())


# -- one circle at a time ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Circle:
    """How much of the logits each algorithm's formula explains where W_E is reduced to the circle of frequency k.

    clock, pizza : 2ρ − 1, ρ the correlation over all (a, b, c) of the logits, each output's mean over pairs taken
        away, with the formula of `formulas`; the share of variance explained where both have variance 1 (the authors'
        score, who leave the means in: they have neither `=` nor, there, much bias). None where nothing varies
    """

    k: int
    clock: float | None
    pizza: float | None


def circles(run: Run, step: int, keys: Collection[int], exact: bool = True) -> list[Circle]:
    """Clock and pizza on the circle of each key. Raises `NoBasis`.  exact : as in `replay.activations`"""
    config, weights = run.config, run.weights(step)
    return [circle(config, weights, k, exact) for k in sorted(keys) if k <= characters(config).n // 2]


def circle(config: Config, weights: Arrays, k: int, exact: bool = True) -> Circle:
    """Clock and pizza on one circle. Raises `NoBasis`."""
    x = characters(config)
    logits = of_weights(config, {**weights, "W_E": one_circle(weights["W_E"], x, k)}, exact).logits
    return Circle(k, *explained(x.outputs(logits[x.rows]), x, k))


def one_circle(w_e: NDArray[np.floating], x: Characters, k: int) -> NDArray[np.floating]:
    """W_E with the residues of the cycle at their mean and frequency k alone.  (d_vocab, d_model)"""
    rows = np.asarray(w_e, np.float64)[x.elements]
    wave = fourier_basis(x.n)[components(x.n, k)]
    found = w_e.copy()
    found[x.elements] = rows.mean(axis=0) + wave.T @ (wave @ rows)
    return found


@dataclass(frozen=True, eq=False)
class _Formula:
    """f(i, j, c) = u(i ∓ j) · v(i ± j − c).  u, v : (n,)"""

    u: Floats
    v: Floats

    @property
    def spread(self) -> float:
        """Σ (f − mean)² over all (i, j, c)."""
        n = len(self.u)
        squares = n * float(np.square(self.u).sum() * np.square(self.v).sum())
        return squares - n**3 * float(self.u.mean() * self.v.mean()) ** 2


def _formulas(n: int, k: int) -> tuple[_Formula, _Formula]:
    """cos w(i ± j − c), the clock, and 2|cos w(i ∓ j)/2| · (|cos w(i ± j − c)/2| − |sin w(i ± j − c)/2|), the pizza."""
    half = np.pi * (k * np.arange(n) % (2 * n)) / n
    clock = _Formula(np.ones(n), np.cos(2 * half))
    return clock, _Formula(2 * np.abs(np.cos(half)), np.abs(np.cos(half)) - np.abs(np.sin(half)))


def explained(grid: NDArray[np.floating], x: Characters, k: int) -> tuple[float | None, float | None]:
    """2ρ − 1 for clock and pizza.  grid : (n², n), logits on the cycle, rows as in `Characters.rows`"""
    n = x.n
    centred = grid - grid.mean(axis=0)
    squares = float(np.einsum("ij,ij->", centred, centred, dtype=np.float64))
    by_pair = centred.reshape(n, n, n)
    place = np.arange(n)
    apart = (place[:, None] - x.sign * place) % n  # (i, j)
    found = []
    for formula in _formulas(n, k):
        by_answer = np.zeros((n, n))  # Σ u · L over the pairs with one answer: (s, c)
        weight = formula.u[apart].astype(grid.dtype)[:, :, None]
        for i in range(n):
            by_answer[x.sums[i]] += by_pair[i] * weight[i]  # of an i, every answer once
        product = float((by_answer * formula.v[(place[:, None] - place) % n]).sum())
        size = float(np.sqrt(squares * formula.spread))
        there = squares > 1e-12 * max(float(np.abs(grid).max()) ** 2, 1e-300) * grid.size and formula.spread > 1e-9
        found.append(2 * product / size - 1 if there else None)
    return found[0], found[1]


@lru_cache(maxsize=64)
def pure(n: int, k: int) -> float:
    """What each formula explains of the other: a pure clock has 1 and this, a pure pizza this and 1."""
    clock, pizza = _formulas(n, k)
    dot = n * float(pizza.u.sum() * (clock.v * pizza.v).sum())
    size = float(np.sqrt(clock.spread * pizza.spread))
    return 2 * (dot - n**3 * float(pizza.u.mean() * pizza.v.mean() * clock.v.mean())) / size - 1 if size > 0 else 0.0
