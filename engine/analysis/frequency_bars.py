"""The loss without every single frequency, for all classes of pairs at once (paper, fig. 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.ablation import CARRIERS, Ablation, Frequencies
from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.logits import by_sum, losses_without, restricted_logits, sum_table
from engine.analysis.measures import key_part, pair_sets, per_pair
from engine.analysis.pairs import pair_masks
from engine.analysis.solutions import CLASSES, class_scores, cycle_mask, read, whole_blocks
from engine.analysis.surgery import compute
from engine.analysis.wall import carriers
from engine.analysis.waves import layer_waves
from engine.config import Config
from engine.fourier import frequencies
from engine.replay import activations
from engine.runfile import Run

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FrequencyBars:
    """Losses of `CLASSES`, in that order, nats; NaN of a class without pairs. Only pairs of the task's cycle count.

    loss : (n // 2, 5), of L − P_k L, entry k-1 is frequency k     whole : (5,), of L
    without_keys, only_keys : (5,), of L − P_K L, and of P_K L + mean     keys : K
    carried : how many neurons carry each frequency that is carried, with FVE ≥ 0.85
    no_basis : why there is none of all this, or ""
    """

    loss: Floats
    whole: Floats
    without_keys: Floats
    only_keys: Floats
    keys: tuple[int, ...]
    carried: dict[int, int]
    no_basis: str = ""


def frequency_bars(run: Run, step: int, keys: tuple[int, ...], exact: bool = False) -> FrequencyBars:
    """Of the whole model.  exact : from float64 logits; else from float32, good to four digits, for drawing"""
    try:
        x = characters(run.config)
    except NoBasis as error:
        nothing = np.zeros(len(CLASSES))
        return FrequencyBars(np.zeros((0, len(CLASSES))), nothing, nothing, nothing, (), {}, str(error))
    grid = x.grid(activations(run, step, exact).logits).astype(np.float64, copy=False)
    table = sum_table(grid, x.sums)
    each = np.stack([np.zeros_like(table), key_part(table, keys), *(key_part(table, (k,)) for k in frequencies(x.n))])
    losses = losses_less(run.config, x, grid, each)
    carried = {k: len(found) for k, found in carriers(layer_waves(run, step, -1, exact)).items()}
    only = losses_of(run.config, x, restricted_logits(table, keys)[None])[0]
    return FrequencyBars(losses[2:], losses[0], losses[1], only, keys, carried)


def losses_less(config: Config, x: Characters, grid: Floats, tables: Floats) -> Floats:
    """Losses of `CLASSES` of the logits less tables that depend on the answer.

    grid : (n, n, p)    tables : (m, n, p)   ->   (m, 5)
    """
    return _means(losses_without(grid, x.sums, x.elements, tables), _masks(config, x))


def losses_of(config: Config, x: Characters, tables: Floats) -> Floats:
    """Losses of `CLASSES` of logits that depend on the answer alone.  tables : (m, n, p)   ->   (m, 5)"""
    losses = np.stack([per_pair(table, x.elements)[0] for table in tables])  # (m, s)
    return _means(np.broadcast_to(losses[:, None], (len(tables), x.n, x.n)), _masks(config, x))


def class_losses(run: Run, step: int, cuts: Ablation, on_cycle: bool, exact: bool = False) -> Floats:
    """Losses of `CLASSES` of a cut model, NaN of a class without pairs.  on_cycle : only its pairs count   ->   (5,)"""
    logits = compute(run, step, (), cuts, exact) if cuts.is_cut else activations(run, step, exact).logits
    found = read(whole_blocks(logits), pair_masks(run.config))
    scores = class_scores(found, cycle_mask(run.config) if on_cycle else None)
    each = [getattr(scores, name) for name in CLASSES]
    return np.array([np.nan if score is None or score.loss is None else score.loss for score in each])


def carriers_at_mean(run: Run, step: int, k: int) -> Floats:
    """Losses of `CLASSES` where the neurons that carry a frequency stand at their mean, float32 passes.  -> (5,)"""
    return class_losses(run, step, Ablation(neuron_frequencies=Frequencies((k,), what=CARRIERS)), on_cycle=True)


def _masks(config: Config, x: Characters) -> list[NDArray[np.bool_]]:
    """Of each class the pairs of the cycle, (n, n): row i, column s."""
    sets = pair_sets(config)
    found = []
    for rows in (sets.train, sets.test, sets.seen, sets.unseen, sets.exist):
        flags = np.zeros(config.p**2, bool)
        if rows is not None:
            flags[rows] = True
        found.append(by_sum(x.grid(flags), x.sums))
    return found


def _means(losses: Floats, masks: Sequence[NDArray[np.bool_]]) -> Floats:
    """Means over each mask, NaN of none.  losses : (m, n, n)   ->   (m, 5)"""
    counts = np.array([mask.sum() for mask in masks], np.float64)
    shares = np.stack([mask.reshape(-1) for mask in masks], axis=1) / np.where(counts > 0, counts, np.nan)
    return np.asarray(losses.reshape(len(losses), -1) @ shares)
