"""The paper's ablations of its mainline (sec. 4.4, app. A.1), each as an `Ablation`, with the loss it reports."""

from __future__ import annotations

from dataclasses import dataclass

from engine.analysis.ablation import (
    ATTENTION,
    BLOCK,
    CARRIERS,
    CLEAR,
    MLP,
    NULL,
    ONTO,
    SUM,
    WHOLE,
    Ablation,
    Frequencies,
    Units,
)
from engine.analysis.solutions import answer_map
from engine.config import Config
from engine.runfile import Run

WITHOUT_ONE = {14: 2.0e-4, 35: 4.6e-4, 41: 1.9e-3, 42: 5.2e-3, 52: 2.4e-2}  # the carriers of k at their mean


@dataclass(frozen=True)
class Published:
    """An ablation, and the paper's loss over all pairs of its own mainline (nats); None: it has none."""

    name: str
    ablation: Ablation
    loss: float | None


def published_ablations(config: Config, keys: tuple[int, ...]) -> tuple[Published, ...]:
    """Those that a model has, in the paper's order.  keys : K"""
    last = config.n_layers - 1
    heads = Units(tuple((la, h) for la in range(config.n_layers) for h in range(config.n_heads)))
    around_mlp, around_attention = ((last, MLP),), ((last, ATTENTION),)
    rows = [
        Published("the whole model", WHOLE, 2.412e-7),
        Published("neurons with FVE ≥ 0.85 by their polynomials", Ablation(polynomials=CLEAR), 2.48e-7),
        Published("neurons: only the keys' waves of a + b", _at_neurons(keys, True, SUM), 5.54e-8),
        Published("logits: only the keys' waves of a + b", _at_logits(keys, True, SUM), 5.547e-8),
        Published("logits: only the keys' eight components", _at_logits(keys, True, BLOCK), 7.24e-8),
        Published("neurons on the directions of W_L", Ablation(projection=ONTO), 1.19e-7),
        Published("neurons on their null space", Ablation(projection=NULL), 5.27),
        *(Published(f"the neurons of k = {k} at their mean", _at_neurons((k,), False, CARRIERS), WITHOUT_ONE.get(k))
          for k in keys),
        Published("no skip around the MLP: 0", Ablation(skips=Units(around_mlp)), 9.12e-7),
        Published("no skip around the MLP: its mean", Ablation(skips=Units(around_mlp, mean=True)), 7.25e-7),
        Published("no heads: 0", Ablation(heads=heads), 24.3),
        Published("no skip around attention: 0", Ablation(skips=Units(around_attention)), 19.1),
    ]  # fmt: skip
    return tuple(rows if keys else [row for row in rows if not _needs_keys(row.ablation)])


def _at_neurons(of: tuple[int, ...], keep: bool, what: str) -> Ablation:
    return Ablation(neuron_frequencies=Frequencies(of, keep, True, what))


def _at_logits(of: tuple[int, ...], keep: bool, what: str) -> Ablation:
    return Ablation(logit_frequencies=Frequencies(of, keep, True, what))


def _needs_keys(ablation: Ablation) -> bool:
    return bool(ablation.projection) or (ablation.is_whole and ablation != WHOLE)


def measured_ablations(run: Run, step: int, keys: tuple[int, ...]) -> list[tuple[Published, float | None]]:
    """Our loss beside each, over all pairs, float64."""
    found = []
    for row in published_ablations(run.config, keys):
        score = answer_map(run, step, keys, row.ablation, exact=True).scores.every
        found.append((row, None if score is None else score.loss))
    return found
