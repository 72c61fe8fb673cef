"""What the Surgery view says and writes: its help, values under the pointer, tables for export."""

from __future__ import annotations

import numpy as np

from app.export import Table
from app.views.help import Help
from app.views.legend import value_text
from app.views.surgery_scores import PAIRS
from app.views.surgery_time import CURVES, values_of
from engine.analysis.frequency_bars import FrequencyBars
from engine.analysis.load_bearing import SetCurves
from engine.analysis.solutions import CLASSES, ClassScores

HELP = Help(
    see="Rows from top to bottom in the order of the forward pass, which is the order in which things are taken "
    "away; each says at which level, and whether what is taken away is 0 or stands at its mean. The table has the "
    "losses and accuracies of what is left beside those of the whole model. Bars: the loss of the whole model "
    "without each single frequency, from its own loss up; dashed, without all keys and with the keys alone. Below, "
    "the ticked set over training: the loss without it and with it alone, between the bands of random sets of the "
    "same size. Click a bar to select its frequency, with Ctrl to tick it at the logits.",
    look_for="On the mainline at epoch 40 000 each key frequency matters: without one of them the loss over all "
    "pairs rises from 2e-7 to between 9e-4 and 0.1; no other frequency does anything. The keys alone do better "
    "than the whole model (5e-8). Heads are needed (25 without them), the skip around the MLP is not (8e-7). "
    "Neurons by their polynomials lose nothing.",
    wrong="A frequency that is no key and matters: the key set misses a part of the circuit. A set that is "
    "load-bearing but never doubles the loss: it is not any set, but little depends on it. A mean and a 0 that "
    "give very different losses: what is taken away also serves as a bias.",
    formula="At logits: L − P<sub>k</sub>L, P<sub>k</sub> the projection on cos and sin of w<sub>k</sub>(a + b), "
    "or without the eight components of k. At neurons: the neurons that carry k (FVE ≥ 0.85) at their mean, or "
    "the components out of every neuron. Means are over the task's pairs in the whole model of the checkpoint on "
    "show. Load-bearing: for five checkpoints the loss without the set is above 95 % of those without one of 20 "
    "random sets. Losses over p logits, in nats; ≈ is float32, exact numbers follow.",
    paper="Sec. 4.4, fig. 6 and app. A.1, whose ablations are in the menu <i>paper</i>. Over training: not in the "
    "paper.",
)


def without_text(bars: FrequencyBars, k: int, column: int, pairs: str) -> str:
    """A bar at the logits.  column : of `CLASSES`"""
    loss, whole = float(bars.loss[k - 1, column]), float(bars.whole[column])
    times = value_text(loss / whole) if whole > 0 else "—"
    return f"without k = {k}: loss {value_text(loss)} nats, {times} times the whole model's ({pairs})"


def carriers_text(count: int, k: int, loss: float | None, pairs: str) -> str:
    """A bar at the neurons.  count : how many carry k    loss : None where it is not known yet"""
    if not count:
        return f"k = {k}: no neuron carries it"
    known = "…" if loss is None else f"loss {value_text(loss)} nats"
    return f"k = {k}: its {count} neurons at their mean: {known} ({pairs})"


def losses_table(scores: ClassScores, whole: ClassScores | None) -> Table:
    """What is left of the model and the whole one, by class of pairs."""
    there = [name for name in PAIRS if getattr(scores, name) is not None]
    mine = [getattr(scores, name) for name in there]
    theirs = [None if whole is None else getattr(whole, name) for name in there]
    return Table("losses", {
        "pairs": [PAIRS[name] for name in there], "count": [x.count for x in mine],
        "loss (nats)": [x.loss for x in mine], "accuracy": [x.accuracy for x in mine],
        "loss of the whole model (nats)": ["" if x is None else x.loss for x in theirs],
        "accuracy of the whole model": ["" if x is None else x.accuracy for x in theirs],
    })  # fmt: skip


def bars_table(bars: FrequencyBars) -> Table:
    """The loss without each frequency, for every class of pairs."""
    each = {f"loss without k, {PAIRS[name]} (nats)": bars.loss[:, i] for i, name in enumerate(CLASSES)}
    return Table("frequencies", {"k": np.arange(1, len(bars.loss) + 1), **each})


def curves_table(found: SetCurves) -> Table:
    """The set over training, with its bands."""
    bands = {
        f"{CURVES[f'random_{name}'][0]}, {percent} % (nats)": getattr(found, f"band_{name}")[row]
        for name in ("without", "only") for percent, row in ((5, 0), (95, 2))
    }  # fmt: skip
    curves = {f"{CURVES[name][0]} (nats)": values for name, values in values_of(found).items()}
    return Table("over training", {"epoch (steps)": found.epochs, **curves, **bands})
