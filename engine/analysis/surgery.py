"""The logits of a model of which parts are taken away (`engine.analysis.ablation`, steps 1 to 8).

The model of one layer without layer norm goes the short way: heads and the skip around attention are a change of its
weights (W_O, b_in, b_out); everything between the neurons and the logits is one product of the activations with a
matrix, and what four lines add. Any other model goes the long way, `engine.analysis.surgery_general`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis import surgery_general
from engine.analysis.ablation import ATTENTION, BLOCK, CARRIERS, MLP, Ablation, Frequencies
from engine.analysis.characters import Characters, characters
from engine.analysis.lines import LINES, add_lines, chosen_lines, once, rows_of, wave_tables
from engine.analysis.measures import pair_sets
from engine.analysis.neuron_map import NeuronMap, with_neurons, with_waves, written
from engine.analysis.waves import Waves, layer_sums, layer_waves, sums_over_lines
from engine.replay import Hidden, activations, hidden, hidden_of, stream_columns
from engine.runfile import Run

Floats = NDArray[np.float64]
Values = NDArray[np.floating]


def cut_logits(run: Run, step: int, keys: tuple[int, ...], cuts: Ablation, exact: bool = False) -> Values:
    """The logits of all pairs without what is taken away before the two solutions. Read-only; the last few are kept.

    keys : whose directions of W_L a projection is on      exact : float64, for printed numbers; else float32
    -> (p², p), lexicographic pairs. Raises `NoBasis` where frequencies are asked of a task that has none.
    """
    if not cuts.is_cut:
        return activations(run, step, exact).logits
    return _cut(run, step, keys if cuts.projection else (), cuts.cuts, exact)


def compute(run: Run, step: int, keys: tuple[int, ...], cuts: Ablation, exact: bool) -> Values:
    """The same, not kept."""
    found = _inside(run, step, keys, cuts, exact) if cuts.is_cut_inside else activations(run, step, exact).logits
    if not cuts.logit_frequencies.is_whole:
        found = of_frequencies(found, characters(run.config), cuts.logit_frequencies)
    return found


@lru_cache(maxsize=4)
def _cut(run: Run, step: int, keys: tuple[int, ...], cuts: Ablation, exact: bool) -> Values:
    found = compute(run, step, keys, cuts, exact)
    found.flags.writeable = False
    return found


def of_frequencies(logits: Values, basis: Characters, part: Frequencies) -> Values:
    """Step 8: the logits without some frequencies, or of these alone, in a new array.  logits : (p², p)"""
    sums, found = sums_over_lines(logits, basis), logits.copy()
    factors = np.zeros((LINES, basis.n, logits.shape[1]))
    for line in chosen_lines(basis, part.what == BLOCK):
        factors[line, rows_of(basis.n, part.of)] = 1.0 if part.keep else -1.0
    once(factors, basis)
    tables = wave_tables(sums, factors)
    if part.keep and part.mean:
        tables[0] += sums.mean
    add_lines(found, tables, basis, factor=0.0 if part.keep else 1.0)
    return found


# -- inside the model ------------------------------------------------------------------------------------------


def _inside(run: Run, step: int, keys: tuple[int, ...], cuts: Ablation, exact: bool) -> Values:
    """Steps 1 to 7, in a new array."""
    waves = layer_waves(run, step, -1, exact) if needs_waves(cuts) else None
    basis = characters(run.config) if needs_basis(cuts) else None
    found = _hidden(run, step, cuts, exact)
    if found is None or found.rows is None:
        return surgery_general.logits(run.config, run.weights(step), cuts, keys, basis, waves, exact)
    rows, w = found.rows, _doubles(run, step, "W_out", "W_U")
    w_out, w_u = w["W_out"][0], w["W_U"][:, : run.config.p]
    if cuts.projection and basis is not None:
        w_out = written(w_out, w_u, basis, keys, cuts.projection)
    into = w_out @ w_u
    stream, constant = _stream(run, step, cuts, exact, w_u)

    def through(made: NeuronMap, of: Values) -> Values:
        """What is one product of some rows and the same for all of them."""
        folded = np.zeros((rows.shape[1], run.config.p))
        folded[: run.config.d_mlp], folded[stream_columns(run.config)] = made.alpha[:, None] * into, stream
        logits: Values = of @ folded.astype(of.dtype)
        logits += (made.delta @ into + constant).astype(of.dtype)
        return logits

    return _mapped(run, step, cuts, exact, found, (basis, waves), into, through)


def _mapped(
    run: Run, step: int, cuts: Ablation, exact: bool, found: Hidden, known: tuple[Characters | None, Waves | None],
    into: Floats, through: Callable[[NeuronMap, Values], Values],
) -> Values:  # fmt: skip
    """The activations mapped and written.  into : (d_mlp, p)    through : what needs no sums over pairs"""
    assert found.rows is not None
    basis, waves = known
    plain = NeuronMap.identity(run.config.d_mlp)
    mean = neuron_means(run, step, 0, exact) if needs_means(cuts) else 0.0
    with_neurons(plain, cuts, 0, mean)
    if basis is None:
        return through(plain, found.rows)
    made = plain.copy()
    with_waves(made, cuts, basis, waves, mean)
    logits = through(made, found.rows)
    if made.turns:
        post = found.mlp_post[0]
        sums = sums_over_lines(post, basis) if _changes_weights(cuts) else layer_sums(run, step, -1, exact)
        tables = made.tables(sums, into)
        add_lines(logits, tables, basis)
    if cuts.is_spectral and basis.generator is not None:
        off = np.setdiff1d(np.arange(len(logits)), basis.rows)
        logits[off] = through(plain, found.rows[off])
    return logits


def needs_basis(cuts: Ablation) -> bool:
    return bool(cuts.projection or cuts.polynomials) or not cuts.neuron_frequencies.is_whole


def needs_waves(cuts: Ablation) -> bool:
    """Whether it matters which frequency a neuron has."""
    part = cuts.neuron_frequencies
    return bool(cuts.polynomials) or (not part.is_whole and part.what == CARRIERS)


def needs_means(cuts: Ablation) -> bool:
    """Whether neurons stand at their means."""
    part = cuts.neuron_frequencies
    of_carriers = not part.is_whole and part.what == CARRIERS and part.mean
    return of_carriers or (not cuts.neurons.is_whole and cuts.neurons.mean)


def _doubles(run: Run, step: int, *names: str) -> dict[str, Floats]:
    return {name: run.weight(name, step).astype(np.float64) for name in names}


# -- upstream of the neurons, and around them ------------------------------------------------------------------


def _changes_weights(cuts: Ablation) -> bool:
    return not cuts.heads.is_whole or ATTENTION in cuts.skips.taken(0, 2)


def _hidden(run: Run, step: int, cuts: Ablation, exact: bool) -> Hidden | None:
    """What the model computes before the logits, without the heads and the skip around attention (steps 1 and 2)."""
    if not _changes_weights(cuts):
        known = hidden(run, step, exact)
        return Hidden(known.mlp_post, known.pattern, known.rows)
    weights = dict(run.weights(step))
    added = np.zeros(run.config.d_model)  # to the residual stream after attention
    heads = cuts.heads.taken(0, run.config.n_heads)
    weights["W_O"] = weights["W_O"].copy()
    weights["W_O"][0, heads] = 0
    if cuts.heads.mean:
        added += head_means(run, step, exact)[heads].sum(axis=0)
    if ATTENTION in cuts.skips.taken(0, 2) and not cuts.skips.mean:
        added -= _start(run, step)
    w = _doubles(run, step, "W_in", "b_in", "b_out")
    weights["b_in"], weights["b_out"] = w["b_in"] + added @ w["W_in"][0], w["b_out"] + added
    return hidden_of(run.config, weights, exact)


def _start(run: Run, step: int) -> Floats:
    """What `=` starts from: the skip around attention, the same for all pairs.  (d_model,)"""
    w = _doubles(run, step, "W_E", "W_pos")
    return np.asarray(w["W_E"][run.config.p] + w["W_pos"][2])


def _stream(run: Run, step: int, cuts: Ablation, exact: bool, w_u: Floats) -> tuple[Floats, Floats]:
    """Step 7: what the stream beside the MLP is multiplied with, (d_model, p), and what stands for it, (p,)."""
    if MLP not in cuts.skips.taken(0, 2):
        return w_u, np.zeros(run.config.p)
    stands = _doubles(run, step, "b_out")["b_out"][0]  # the MLP's own, which comes with the stream
    if cuts.skips.mean:
        stands = stands + _start(run, step) + head_means(run, step, exact).sum(axis=0)
    return np.zeros_like(w_u), stands @ w_u


@lru_cache(maxsize=16)
def neuron_means(run: Run, step: int, layer: int, exact: bool = True) -> Floats:
    """Mean activations over the task's pairs, in the whole model.  (d_mlp,)"""
    post = hidden(run, step, exact).mlp_post[layer]
    exist = pair_sets(run.config).exist
    found = (
        post.mean(axis=0, dtype=np.float64) if len(exist) == len(post) else post[exist].mean(axis=0, dtype=np.float64)
    )
    return np.asarray(found)


@lru_cache(maxsize=16)
def head_means(run: Run, step: int, exact: bool = True) -> Floats:
    """Mean outputs of a one-layer model's heads at `=` over the task's pairs, uncut.  (n_heads, d_model)"""
    p, exist = run.config.p, pair_sets(run.config).exist
    pattern = hidden(run, step, exact).pattern[0]
    w = _doubles(run, step, "W_E", "W_pos", "W_V", "W_O")
    a, b = np.divmod(exist, p)
    seen = np.zeros((pattern.shape[1], 2 * p + 1))  # mean attention to every token at its position
    for h, row in enumerate(seen):
        np.add.at(row, a, pattern[exist, h, 0])
        np.add.at(row, p + b, pattern[exist, h, 1])
        row[-1] = pattern[exist, h, 2].sum(dtype=np.float64)
    tokens = np.concatenate([w["W_E"][:p] + w["W_pos"][0], w["W_E"][:p] + w["W_pos"][1], _start(run, step)[None]])
    mean = seen @ tokens / len(exist)
    return np.asarray(np.einsum("hd,hde,hec->hc", mean, w["W_V"][0], w["W_O"][0], optimize=True))
