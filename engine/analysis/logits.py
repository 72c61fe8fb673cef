"""What the logits are made of: their spectrum, the cosines of a ± b − c, the table of sums (paper, sec. 4.1, 4.2, 5.1).

Everything is told on the task's cycle (`engine.analysis.characters`): n residues, pairs (i, j) of them, answer
s = i ± j modulo n. Where the cycle leaves residues out (a · b, a / b) only pairs of its residues count, also in every
loss; the outputs stay all p, except where a cosine of c needs c on the cycle. Frequency n / 2 has no sine: its P_k has
rank one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import Characters, characters
from engine.analysis.wall import by_frequencies
from engine.config import Config
from engine.fourier import components, fourier_basis, frequencies, spectrum_2d
from engine.replay import activations
from engine.runfile import Run
from engine.tasks import TASKS, split

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
CANDIDATE = 0.1  # of the largest coefficient over test pairs
_SAFE = 300.0  # the product of two such exponentials is finite, and what underflows beside it is nothing


# -- arrays in, arrays out -------------------------------------------------------------------------------------


def by_sum(values: NDArray[Any], sums: Ints) -> NDArray[Any]:
    """The pairs of one answer in one column.  (n, n, …) row i, column j -> (n, n, …) row i, column s = i ± j"""
    return values[np.arange(len(sums))[:, None], np.argsort(sums, axis=1)]


def sum_table(logits: Floats, sums: Ints, weights: NDArray[Any] | None = None) -> Floats:
    """S[s, c]: the mean of the logits over the n pairs with i ± j = s (paper, sec. 4.1: P_k L depends on s alone).

    logits : (n, n, outputs)    sums : (n, n)
    weights : (n, n) of the pairs, if not all alike; a row s without weight is 0
    ->       (n, outputs)
    """
    sorted_logits = by_sum(logits, sums)
    if weights is None:
        return np.asarray(sorted_logits.mean(axis=0))
    sorted_weights = by_sum(weights, sums).astype(np.float64)
    total = np.maximum(sorted_weights.sum(axis=0), 1e-300)
    return np.asarray(np.einsum("is,isc->sc", sorted_weights / total, sorted_logits))


def frequency_tables(table: Floats) -> Floats:
    """P_k L for every frequency, as a function of s: (P_k L)[s, c] = Σ b(s) <b, S[:, c]>, b the unit cos and sin.

    table : (n, outputs), S   ->   (n // 2, n, outputs), entry k-1 is frequency k
    """
    n = len(table)
    return np.stack([_part(table, (k,)) for k in frequencies(n)]) if n > 1 else np.zeros((0, *table.shape))


def restricted_logits(table: Floats, keys: Collection[int]) -> Floats:
    """Σ_k P_k L + mean over all pairs, as a function of s (paper, sec. 5.1).  table, S : (n, outputs) -> the same"""
    return np.asarray(_part(table, keys) + table.mean(axis=0))


def _part(table: Floats, keys: Collection[int]) -> Floats:
    n = len(table)
    part = np.zeros(table.shape)
    for k in keys:
        rows = fourier_basis(n)[components(n, k)]
        part += rows.T @ (rows @ table)
    return part


@dataclass(frozen=True)
class Score:
    """loss : mean cross-entropy over all outputs    accuracy : share of right answers; of equals the first counts"""

    loss: float
    accuracy: float


def restricted_loss_from_table(
    table: Floats, keys: Collection[int], weights: NDArray[Any], answers: Ints | None = None
) -> Score | None:
    """Restricted loss of the pairs of a split, from S alone: exact, because these logits depend on s only.

    table : (n, outputs)    weights : (n,) how many pairs of the split have each s
    answers : (n,) the right output of each s; None: s itself
    ->      None where the split is empty
    """
    total = float(weights.sum())
    if total == 0:
        return None
    answers = np.arange(len(table)) if answers is None else answers
    logits = restricted_logits(table, keys)
    losses = _cross_entropies(logits, answers)
    right = logits.argmax(axis=1) == answers
    return Score(float(losses @ weights / total), float(right @ weights / total))


def _cross_entropies(logits: Floats, answers: Ints) -> Floats:
    """ln(1 + Σ_wrong e^(L_c − L_answer)), exact for tiny losses.  logits : (n, outputs) -> (n,)"""
    rows = np.arange(len(logits))
    over = logits - logits[rows, answers][:, None]
    over[rows, answers] = -np.inf
    return np.asarray(np.logaddexp(0.0, np.logaddexp.reduce(over, axis=1)))


def losses_without(logits: Floats, sums: Ints, answers: Ints, tables: Floats) -> Floats:
    """Cross-entropy of every pair for L − T, for many T that depend on i ± j alone.

    e^(L − T) = e^L · e^(−T), and Σ over the outputs is one matrix product a sum s: no p³ logits a frequency.
    logits : (n, n, outputs), row i, column j    answers : (n,) the right output of each s
    tables : (m, n, outputs)   ->   (m, n, n), row i, column s (`by_sum`)
    """
    s = np.arange(len(sums))
    over = by_sum(logits, sums)
    over = over - over[:, s, answers][..., None]  # (i, s, c): what every output has more than the right one
    minus = tables[:, s, answers][..., None] - tables  # (m, s, c)
    over[:, s, answers] = -np.inf  # the wrong ones remain
    if max(over.max(initial=0), minus.max(initial=0)) > _SAFE:  # slow, but nothing overflows
        return np.stack([np.logaddexp(0.0, np.logaddexp.reduce(over + more, axis=2)) for more in minus])
    wrong = np.exp(over).transpose(1, 0, 2) @ np.exp(minus).transpose(1, 2, 0)  # (s, i, m)
    return np.asarray(np.log1p(wrong).transpose(2, 1, 0))


def cosine_kernel(table: Floats, weights: NDArray[Any] | None = None) -> Floats:
    """g(t): the mean logit of the output s − t.  table : (n, n), S on the cycle; weights : (n,) of s  ->  (n,)"""
    n = len(table)
    s = np.arange(n)
    weights = np.ones(n) if weights is None else weights
    turned: Floats = table[s, (s - s[:, None]) % n]  # (t, s)
    return np.asarray(turned @ weights / max(float(weights.sum()), 1e-300))


def cosine_coefficients(kernel: Floats) -> Floats:
    """α_k of g(t) ≈ Σ α_k cos w_k t: twice the mean of g cos, once at k = n / 2.  (n,) -> (n // 2,)"""
    cosines = _cosines(len(kernel))
    return np.asarray(cosines[:, 0] * (cosines @ kernel))


def _cosines(n: int) -> Floats:
    """The unit cosines, whose entry 0 is 1 / ‖cos w_k t‖.  -> (n // 2, n)"""
    return fourier_basis(n)[[components(n, k).start for k in frequencies(n)]]


def loss_of_cosines(coefficients: Floats, keys: Collection[int], n: int) -> float:
    """Cross-entropy over n outputs of the logits Σ_{k in keys} α_k cos w_k(s − c): the same for every pair.

    coefficients : (n // 2,), α
    """
    t = np.arange(n)
    logits = sum((coefficients[k - 1] * np.cos(2 * np.pi * (k * t % n) / n) for k in keys), np.zeros(n))
    return float(_cross_entropies(logits[None], np.zeros(1, np.int64))[0])


# -- of a run --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def split_masks(config: Config) -> tuple[Bools, Bools]:
    """Which pairs of the cycle are trained on, which tested.  (n, n) each, row i, column j"""
    task, p, x = TASKS[config.operation], config.p, characters(config)
    rows = split(task, p, config.train_fraction, config.data_seed)
    pairs = task.inputs(p) @ np.array([p, 1])
    masks = []
    for chosen in (rows.train, rows.test):
        of_all = np.zeros(p * p, dtype=bool)
        of_all[pairs[chosen]] = True
        mask = x.grid(of_all)
        mask.flags.writeable = False
        masks.append(mask)
    return masks[0], masks[1]


def _logits(run: Run, step: int) -> tuple[Characters, Floats]:
    """The task's cycle, and the logits of its pairs.  (n, n, p)"""
    x = characters(run.config)
    return x, x.grid(activations(run, step).logits.astype(np.float64, copy=False))


@dataclass(frozen=True, eq=False)
class LogitSpectrum:
    """Norms over the p outputs of the 2-D Fourier coefficients of the logits (paper, fig. 4c).

    norm : (n, n), row: component of i, column: component of j (const, cos 1, sin 1, …)
    by_frequency : (n // 2 + 1, n // 2 + 1), cosines and sines together; entry 0 is the constant
    """

    norm: Floats
    by_frequency: Floats


def logit_spectrum(run: Run, step: int) -> LogitSpectrum:
    """‖F L F^T‖ over the outputs, float64. Raises `NoBasis`."""
    _, logits = _logits(run, step)
    norm = np.linalg.norm(spectrum_2d(logits), axis=2)
    return LogitSpectrum(norm, by_frequencies(norm))


@dataclass(frozen=True, eq=False)
class CosineFit:
    """The logits as Σ α_k cos w_k(i ± j − c), over all n² pairs and the n outputs c of the cycle (paper, sec. 4.2).

    All cosines are orthogonal to each other and to whatever depends on the pair alone or on c alone, so these are the
    least-squares coefficients whether fitted one by one or jointly.

    coefficient : (n // 2,), α_k of the un-normalised cosine     projection : (n // 2,), v_k = <unit cosine, L>
    similarity : (n // 2,), v_k / ‖L‖, of the logits as they are
    explained : (n // 2,) share of the variance of the n³ logits about their one common mean
    keys : those of `loss`          explained_by_keys : their shares together
    loss : cross-entropy over n outputs of the keys' cosines alone. The same for every pair, so for train and test too
    test_coefficient : (n // 2,), α_k fitted to the test pairs only; None where there are none
    candidates : frequencies with a test coefficient of at least 10 % of the largest; empty where none is positive
    """

    coefficient: Floats
    projection: Floats
    similarity: Floats
    explained: Floats
    keys: tuple[int, ...]
    explained_by_keys: float
    loss: float
    test_coefficient: Floats | None
    candidates: tuple[int, ...]


def cosine_fit(run: Run, step: int, keys: Collection[int]) -> CosineFit:
    """Coefficients of the cosines in the logits and what they explain. Raises `NoBasis`."""
    x, all_outputs = _logits(run, step)
    return cosines_of(x.outputs(all_outputs), x.sums, keys, split_masks(run.config)[1])


def cosines_of(logits: Floats, sums: Ints, keys: Collection[int], test: Bools) -> CosineFit:
    """The same for given logits.  logits : (n, n, n), i, j, c    test : (n, n)"""
    n = len(sums)
    alpha = cosine_coefficients(cosine_kernel(sum_table(logits, sums)))
    projection = alpha * n / _cosines(n)[:, 0]
    norm, variance = float(np.linalg.norm(logits)), float(np.sum(np.square(logits - logits.mean())))
    explained = projection**2 / variance if variance > 1e-24 * norm**2 else np.zeros(n // 2)
    test_alpha: Floats | None = None
    candidates: tuple[int, ...] = ()
    if test.any():
        counts = by_sum(test, sums).sum(axis=0)
        test_alpha = cosine_coefficients(cosine_kernel(sum_table(logits, sums, test), counts))
        candidates = candidate_frequencies(test_alpha)
    keys = tuple(keys)
    return CosineFit(
        coefficient=alpha,
        projection=projection,
        similarity=projection / norm if norm > 0 else np.zeros(n // 2),
        explained=explained,
        keys=keys,
        explained_by_keys=float(sum(explained[k - 1] for k in keys)),
        loss=loss_of_cosines(alpha, keys, n),
        test_coefficient=test_alpha,
        candidates=candidates,
    )


def candidate_frequencies(coefficient: Floats) -> tuple[int, ...]:
    """Frequencies with at least 10 % of the largest coefficient, ascending; none where none is positive."""
    largest = coefficient.max(initial=0.0)
    if largest <= 0:
        return ()
    return tuple(int(k) + 1 for k in np.flatnonzero(coefficient >= CANDIDATE * largest))


@dataclass(frozen=True)
class PowerSplit:
    """Mean square, over all pairs and all p outputs, of two orthogonal parts of the logits.

    L = mean over the pairs + P_K L + rest; the mean, of each output, has no part in either.
    """

    keys: tuple[int, ...]
    of_keys: float
    of_rest: float


def power_split(run: Run, step: int, keys: Collection[int]) -> PowerSplit:
    """How much of the logits is the keys' part, and how much neither that nor the mean. Raises `NoBasis`."""
    x, logits = _logits(run, step)
    return power_of(logits, x.sums, keys)


def power_of(logits: Floats, sums: Ints, keys: Collection[int]) -> PowerSplit:
    """The same for given logits.  logits : (n, n, outputs)"""
    of_keys = float(np.mean(_part(sum_table(logits, sums), keys) ** 2))
    total = float(np.mean(np.square(logits - logits.mean(axis=(0, 1)))))
    return PowerSplit(tuple(keys), of_keys, max(total - of_keys, 0.0))


@dataclass(frozen=True)
class Losses:
    """Mean cross-entropy over p logits; None where a split has no pair of the cycle."""

    all_pairs: float
    train: float | None
    test: float | None


@dataclass(frozen=True, eq=False)
class LossWithoutEach:
    """Losses over p logits when parts of the logits that turn with a ± b are taken away (paper, fig. 6).

    all_pairs, train, test : (n // 2,), of L − P_k L, entry k-1 is frequency k; None where the split is empty
    full : of L       without_keys : of L − P_K L       without_all : of L − Σ P_k L over all frequencies
    only_keys : of P_K L + the mean (restricted loss)   keys : K
    """

    all_pairs: Floats
    train: Floats | None
    test: Floats | None
    keys: tuple[int, ...]
    full: Losses
    without_keys: Losses
    without_all: Losses
    only_keys: Losses


def loss_without_each(run: Run, step: int, keys: Collection[int]) -> LossWithoutEach:
    """The loss without every single frequency, without the keys, and with the keys only. Raises `NoBasis`."""
    x, logits = _logits(run, step)
    return ablations_of(logits, x.sums, x.elements, keys, *split_masks(run.config))


def ablations_of(
    logits: Floats, sums: Ints, answers: Ints, keys: Collection[int], train: Bools, test: Bools
) -> LossWithoutEach:
    """The same for given logits.

    logits : (n, n, outputs), i, j, c    answers : (n,) the right output of each s    train, test : (n, n), of i, j
    """
    table = sum_table(logits, sums)
    each = frequency_tables(table)
    more = np.stack([np.zeros(table.shape), _part(table, keys), each.sum(axis=0)])
    losses = losses_without(logits, sums, answers, np.concatenate([each, more]))
    kept = _cross_entropies(restricted_logits(table, keys), answers)
    losses = np.concatenate([losses, np.broadcast_to(kept, (1, *losses.shape[1:]))])

    def mean(mask: Bools) -> Floats | None:
        chosen = by_sum(mask, sums)
        return losses[:, chosen].mean(axis=1) if chosen.any() else None

    every, trained, tested = losses.mean(axis=(1, 2)), mean(train), mean(test)

    def row(i: int) -> Losses:
        return Losses(
            float(every[i]),
            None if trained is None else float(trained[i]),
            None if tested is None else float(tested[i]),
        )

    n = len(each)
    return LossWithoutEach(
        all_pairs=every[:n],
        train=None if trained is None else trained[:n],
        test=None if tested is None else tested[:n],
        keys=tuple(keys),
        full=row(n),
        without_keys=row(n + 1),
        without_all=row(n + 2),
        only_keys=row(n + 3),
    )
