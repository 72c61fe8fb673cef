"""What can be said of a checkpoint without naming key frequencies, and what follows for any set of them.

One pass over the logits of all pairs gives the losses, margins and symmetry of the model, and the table S[s, c], the
mean logit c of the pairs whose answer is residue s. Restricted losses of any set of frequencies follow from S alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.neurons import NeuronFrequencies, carried, from_values
from engine.analysis.waves import Waves, layer_waves, waves
from engine.analysis.weight_measures import of_weights
from engine.config import Config
from engine.fourier import components, fourier_basis, frequencies
from engine.replay import Activations, activations
from engine.runfile import Run
from engine.tasks import examples

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_ROWS = 512
SYMMETRIC = ("add", "multiply", "x2xyy2")  # the answer to (b, a) is that to (a, b)


@dataclass(frozen=True, eq=False)
class PairSets:
    """Which of the p² lexicographic pairs are what.

    labels : (p²,) answers, −1 where the task has no such pair    exist : (n,) rows of all pairs of the task
    train, test : rows   seen, unseen : test rows whose mirror (b, a) was trained, or was not; None if not symmetric
    """

    labels: Ints
    exist: Ints
    train: Ints
    test: Ints
    seen: Ints | None
    unseen: Ints | None


def pair_sets(config: Config) -> PairSets:
    """The run's split as rows of the p² lexicographic pairs."""
    return _pair_sets(config.operation, config.p, config.train_fraction, config.data_seed)


@lru_cache(maxsize=8)
def _pair_sets(operation: str, p: int, fraction: float, seed: int) -> PairSets:
    train, test = examples(operation, p, fraction, seed)
    rows = [x.pairs[:, 0] * p + x.pairs[:, 1] for x in (train, test)]
    labels = np.full(p * p, -1)
    labels[rows[0]], labels[rows[1]] = train.labels, test.labels
    seen = unseen = None
    if operation in SYMMETRIC:
        trained = np.zeros(p * p, bool)
        trained[rows[0]] = True
        mirrored = trained[test.pairs[:, 1] * p + test.pairs[:, 0]]
        seen, unseen = rows[1][mirrored], rows[1][~mirrored]
    return PairSets(labels, np.flatnonzero(labels >= 0), rows[0], rows[1], seen, unseen)


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy (nats, over p logits) and accuracy on some pairs."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Measures:
    """What a checkpoint is like, without key frequencies. Floats are float64; None where a set or a basis is missing.

    train, test, every : on the training, the test, and all pairs   seen, unseen : `PairSets`
    margin : (3,) smallest, mean, largest of the right logit less the best wrong one, over all pairs
    commutativity : ‖L − Lᵀ‖ / ‖L − mean over pairs‖, symmetric operations only
    squared_weights : Σw² by parameter
    embedding_norms, unembedding_norms, neuron_logit_norms : (n,) norms of the Fourier components (const, cos 1,
        sin 1, …) of W_E, W_U and W_L along the residues (paper, fig. 3)
    gini_embedding, gini_neuron_logit : Gini coefficient of those norms (paper, sec. 5.1)
    ipr_embedding, ipr_neuron_logit : inverse participation ratio Σ q², q the share of each frequency in their power
    neurons : frequencies of the last layer's neurons, in the task's own basis
    power : mean square of the centred logits over pairs and outputs
    excluded_all_train : without every frequency of the answer, on the training pairs (the published curve)
    table : (n, p) S[s, c], mean logit c over the pairs whose answer stands at s in the characters' order
    table_test : (n, p) the same over the test pairs; NaN where s has none
    attention : (n_layers, n_heads, 3) mean attention from `=` to a, b, `=`
    right : (p²,) whether each pair is answered rightly
    """

    train: Score
    test: Score | None
    every: Score
    seen: Score | None
    unseen: Score | None
    margin: Floats
    commutativity: float | None
    squared_weights: dict[str, float]
    embedding_norms: Floats | None
    unembedding_norms: Floats | None
    neuron_logit_norms: Floats | None
    gini_embedding: float | None
    gini_neuron_logit: float | None
    ipr_embedding: float | None
    ipr_neuron_logit: float | None
    neurons: Waves | None
    power: float
    excluded_all_train: Score | None
    table: Floats | None
    table_test: Floats | None
    attention: Floats
    right: NDArray[np.bool_]


def measures(run: Run, step: int) -> Measures:
    """Everything of a checkpoint that needs no key frequencies, float64 (paper, sec. 5.1)."""
    return of_activations(run.config, activations(run, step), run.weights(step))


def of_activations(config: Config, kept: Activations, weights: dict[str, NDArray[np.generic]]) -> Measures:
    """The same for given activations on all pairs and weights of the same model."""
    p, sets = config.p, pair_sets(config)
    logits = np.asarray(kept.logits, np.float64)
    loss, right, margin = per_pair(logits, sets.labels)
    whole = len(sets.exist) == p * p
    mean = logits.mean(axis=0) if whole else logits[sets.exist].mean(axis=0)
    try:
        basis: Characters | None = characters(config)
    except NoBasis:
        basis = None
    neurons = table = table_test = excluded = None
    if basis is not None:
        neurons = waves(kept.mlp_post[-1], basis)
        table = sum_table(logits, basis)
        table_test = sum_table_of(logits, sets.test, basis)
        excluded = excluded_all(config, logits, table, mean)
    return Measures(
        train=_mean_score(loss, right, sets.train),
        test=_mean_score(loss, right, sets.test) if len(sets.test) else None,
        every=_mean_score(loss, right, sets.exist),
        seen=_mean_score(loss, right, sets.seen) if sets.seen is not None and len(sets.seen) else None,
        unseen=_mean_score(loss, right, sets.unseen) if sets.unseen is not None and len(sets.unseen) else None,
        margin=np.array([f(margin[sets.exist]) for f in (np.min, np.mean, np.max)]),
        commutativity=commutativity(logits, p) if config.operation in SYMMETRIC else None,
        neurons=neurons,
        power=_squares(logits, mean, None if whole else sets.exist) / (len(sets.exist) * p),
        excluded_all_train=excluded,
        table=table,
        table_test=table_test,
        attention=(kept.pattern if whole else kept.pattern[:, sets.exist]).mean(axis=1, dtype=np.float64),
        right=right,
        **vars(of_weights(config, weights)),
    )


def excluded_all(config: Config, logits: NDArray[np.floating], table: Floats, mean: NDArray[np.floating]) -> Score:
    """Scores on the training pairs of the logits without every frequency of the answer (the published curve).

    logits : (p², p)   table : S   mean : (p,), of the logits over all pairs
    """
    sets = pair_sets(config)
    rows, s = _on_cycle(sets.train, characters(config))
    return _score(logits[rows] - table[s] + mean, sets.labels[rows])


def per_pair(logits: Floats, labels: Ints) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Cross-entropy, whether right, and margin of every pair; NaN, False, NaN where there is none.

    logits : (n, p)   labels : (n,), −1 for none   margin : the right logit less the best wrong one
    """
    n, outputs = logits.shape
    loss, right, margin = np.full(n, np.nan), np.zeros(n, bool), np.full(n, np.nan)
    scratch = np.empty((min(n, _ROWS), outputs))
    for start in range(0, n, _ROWS):  # blocks that stay in cache
        own, answers = logits[start : start + _ROWS], labels[start : start + _ROWS]
        rows = np.arange(len(own))
        known = np.where(answers >= 0, answers, 0)
        chosen, block = own[rows, known], scratch[: len(own)]
        np.copyto(block, own)
        block[rows, known] = -np.inf
        wrong = block.max(axis=1)
        block -= wrong[:, None]
        np.exp(block, out=block)
        part, missing = slice(start, start + len(own)), answers < 0
        apart = np.logaddexp(0, wrong - chosen + np.log(block.sum(axis=1)))  # keeps the digits of a small loss
        loss[part] = np.where(missing, np.nan, apart)
        right[part] = (own.argmax(axis=1) == answers) & ~missing
        margin[part] = np.where(missing, np.nan, chosen - wrong)
    return loss, right, margin


def sum_table(logits: Floats, basis: Characters) -> Floats:
    """S[s, c]: mean over the n pairs with i ± j = s.  logits (p², outputs) -> (n, outputs)"""
    n = basis.n
    total = np.zeros((n, logits.shape[1]))
    grid = logits.reshape(n, n, -1) if basis.generator is None else None
    for i in range(n):
        row = logits[basis.rows[i * n : (i + 1) * n]] if grid is None else grid[i]
        row, begin = (row, i) if basis.sign > 0 else (row[::-1], (i + 1) % n)
        total[begin:] += row[: n - begin]  # where the pairs' answers begin; then those that are past n
        total[:begin] += row[n - begin :]
    table: Floats = total / n
    return table


def _on_cycle(rows: Ints, basis: Characters) -> tuple[Ints, Ints]:
    """Those of the rows that lie on the cycle, and the place s of their answer."""
    place = np.full(basis.p * basis.p, -1)
    place[basis.rows] = basis.sums.reshape(-1)
    kept = rows[place[rows] >= 0]
    return kept, place[kept]


def sum_table_of(logits: NDArray[np.floating], rows: Ints, basis: Characters) -> Floats:
    """S[s, c] over some of the pairs; NaN where s has none.  logits (p², outputs) -> (n, outputs)"""
    rows, s = _on_cycle(rows, basis)
    order = np.argsort(s, kind="stable")
    counts = np.bincount(s, minlength=basis.n)
    found = np.full((basis.n, logits.shape[1]), np.nan)
    if len(rows):
        there = counts > 0
        starts = np.concatenate([[0], np.cumsum(counts[there])[:-1]])
        found[there] = np.add.reduceat(logits[rows[order]], starts, axis=0) / counts[there, None]
    return found


def restricted_table(table: Floats, keys: Collection[int]) -> Floats:
    """Σ_k P_k L + mean as a function of s, from S: its columns on the keys' cosines and sines (science 2.8).  (n, p)"""
    found: Floats = key_part(table, keys) + table.mean(axis=0)
    return found


def key_part(table: Floats, keys: Collection[int]) -> Floats:
    """Σ_k P_k L as a function of s (paper, sec. 4.1).  (n, p)"""
    n = len(table)
    basis = fourier_basis(n)
    rows = [r for k in keys for r in range(*components(n, k).indices(n))]
    part: Floats = basis[rows].T @ (basis[rows] @ table)
    return part


def key_power(table: Floats, keys: Collection[int]) -> float:
    """Mean square of P_K L over pairs and outputs."""
    return float(np.square(key_part(table, keys)).mean())


@dataclass(frozen=True)
class Restricted:
    """Restricted loss of a set of frequencies: the keys' part of the logits and the mean (paper, sec. 5.1)."""

    every: Score
    train: Score
    test: Score | None


def restricted(config: Config, table: Floats, keys: Collection[int]) -> Restricted:
    """Restricted scores from S alone; on the cycle's pairs (all pairs for sums and differences).

    Equals the cross-entropy of the projected logits of all pairs: they depend on s only.
    """
    loss, right, _ = per_pair(restricted_table(table, keys), characters(config).elements)
    every, train, test = (
        Score(float(loss @ counts / counts.sum()), float(right @ counts / counts.sum())) if counts.any() else None
        for counts in _pairs_by_sum(config)
    )
    none = Score(np.nan, np.nan)
    return Restricted(every or none, train or none, test)


@lru_cache(maxsize=8)
def _pairs_by_sum(config: Config) -> tuple[Ints, Ints, Ints]:
    """How many of all, the training and the test pairs have each answer s.  (n,) each"""
    basis, sets = characters(config), pair_sets(config)
    every, train, test = (
        np.bincount(_on_cycle(rows, basis)[1], minlength=basis.n) for rows in (sets.exist, sets.train, sets.test)
    )
    return every, train, test


@dataclass(frozen=True)
class Excluded:
    """Excluded loss on the training pairs: the logits without P_K L (paper, sec. 5.1).

    keys : without all of them together   each : {k: without k alone}
    """

    keys: Score
    each: dict[int, Score]


def excluded(config: Config, logits: Floats, table: Floats, keys: Collection[int]) -> Excluded:
    """Excluded scores of a set and of each of its frequencies; needs the logits.  logits (p², p), table S"""
    basis, sets = characters(config), pair_sets(config)
    rows, s = _on_cycle(sets.train, basis)
    own, labels = logits[rows], sets.labels[rows]

    def without(some: Collection[int]) -> Score:
        return _score(own - key_part(table, some)[s], labels)

    return Excluded(without(keys), {k: without((k,)) for k in keys})


def cosine_coefficients(table: Floats, basis: Characters) -> Floats:
    """α_k of the un-normalised cos w_k(a ± b − c) in the logits (science 2.10), over the table's pairs.

    table : S, (n, p); rows of NaN count as absent -> (n // 2,)
    """
    n = basis.n
    own = basis.outputs(table)
    there = ~np.isnan(own[:, 0])
    lag = (np.arange(n)[:, None] - np.arange(n)[None, :]) % n  # s − c
    profile = np.bincount(lag[there].reshape(-1), weights=own[there].reshape(-1), minlength=n) / max(1, there.sum())
    found: Floats = _cosines(n) @ profile
    found *= np.array([1.0 if 2 * k == n else 2.0 for k in frequencies(n)]) / n
    return found


@lru_cache(maxsize=8)
def _cosines(n: int) -> Floats:
    """cos w_k x, row k − 1.  (n // 2, n)"""
    return np.array([np.cos(2 * np.pi * k * np.arange(n) / n) for k in frequencies(n)]).reshape(-1, n)


def candidates(table_test: Floats, basis: Characters, share: float = 0.1) -> tuple[int, ...]:
    """Frequencies whose α_k over the test pairs is at least a tenth of the largest (science 2.13)."""
    alpha = cosine_coefficients(table_test, basis)
    if not len(alpha) or not alpha.max() > 0:
        return ()
    return tuple(int(k) + 1 for k in np.flatnonzero(alpha >= share * alpha.max()))


def candidates_at(run: Run, step: int) -> tuple[int, ...]:
    """The same at a checkpoint. From float64 logits; of a run that is being trained from float32. Raises `NoBasis`."""
    basis, sets = characters(run.config), pair_sets(run.config)
    logits = activations(run, step, not run.grows).logits
    return candidates(sum_table_of(logits, sets.test, basis), basis)


def character_frequencies(config: Config, values: NDArray[np.floating]) -> NeuronFrequencies:
    """Frequencies of neurons in the task's own basis.  values : (p², n). Raises `NoBasis`."""
    basis = characters(config)
    if basis.generator is None:
        return from_values(values, basis.p)
    return from_values(np.ascontiguousarray(values[basis.rows]), basis.n)


def commutativity(logits: Floats, p: int) -> float:
    """‖L − Lᵀ‖ / ‖L − mean over pairs‖ (science 2.13).  logits (p², outputs)"""
    grid = logits.reshape(p, p, -1)
    apart = sum(float(np.square(grid[i] - grid[:, i]).sum()) for i in range(p))
    whole = _squares(logits, logits.mean(axis=0), None)
    return float(np.sqrt(apart / whole)) if whole > 0 else 0.0


def _squares(logits: Floats, mean: Floats, rows: Ints | None) -> float:
    """Σ (L − mean)² over some rows, or all."""
    n = len(logits) if rows is None else len(rows)
    total = 0.0
    for start in range(0, n, _ROWS):
        own = logits[start : start + _ROWS] if rows is None else logits[rows[start : start + _ROWS]]
        apart = own - mean
        total += float(np.einsum("ij,ij->", apart, apart))
    return total


def _score(logits: Floats, labels: Ints) -> Score:
    loss, right, _ = per_pair(logits, labels)
    return Score(float(loss.mean()), float(right.mean()))


def _mean_score(loss: Floats, right: NDArray[np.bool_], rows: Ints) -> Score:
    return Score(float(loss[rows].mean()), float(right[rows].mean()))


def key_frequencies(run: Run, step: int) -> tuple[int, ...]:
    """Frequencies that at least one neuron of the last layer carries with FVE ≥ 0.85, in the task's own basis.

    Ascending; empty where there are none yet, or no basis (paper, sec. 4.3). From float64 activations; from float32 of
    a run that is being trained, for the next checkpoint replaces them soon.
    """
    return _key_frequencies(run, step, not run.grows)


@lru_cache(maxsize=256)
def _key_frequencies(run: Run, step: int, exact: bool) -> tuple[int, ...]:
    try:
        characters(run.config)
    except NoBasis:
        return ()
    found = layer_waves(run, step, exact=exact)  # as the wall of neurons takes them
    return tuple(carried(found.frequency, found.fve))
