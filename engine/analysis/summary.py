"""One checkpoint in numbers, for the command line and for notebooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np

from engine.analysis.characters import NoBasis, characters
from engine.analysis.measures import (
    Score,
    candidates,
    cosine_coefficients,
    excluded,
    key_power,
    of_activations,
    pair_sets,
    restricted,
)
from engine.analysis.neurons import THRESHOLD, carried
from engine.replay import activations
from engine.runfile import Run

_TOP = 12


def summary(run: Run, step: int, keys: Collection[int] | None = None) -> dict[str, Any]:
    """Every progress measure at a checkpoint, float64, over p logits (names and definitions: docs/analyses.md).

    keys : the set for restricted and excluded losses, such as the pinned keys of the run's last checkpoint;
        None: the checkpoint's own key frequencies
    Entries that a task or a split does not have are None.
    """
    config, kept = run.config, activations(run, step)
    m = of_activations(config, kept, run.weights(step))
    sets = pair_sets(config)
    found: dict[str, Any] = {
        "epoch": int(run.epochs[step]),
        "n_train": len(sets.train),
        "n_test": len(sets.test),
        "loss_train": m.train.loss,
        "loss_test": _loss(m.test),
        "loss_all": m.every.loss,
        "accuracy_train": m.train.accuracy,
        "accuracy_test": _accuracy(m.test),
        "accuracy_all": m.every.accuracy,
        "mirror_seen": _score(m.seen, sets.seen),
        "mirror_unseen": _score(m.unseen, sets.unseen),
        "logit_margin": dict(zip(("min", "mean", "max"), m.margin.tolist(), strict=True)),
        "commutativity": m.commutativity,
        "sum_of_squared_weights": sum(m.squared_weights.values()),
        "squared_weights": m.squared_weights,
        "power_of_centred_logits": m.power,
        "attention_mean": m.attention[0].tolist() if config.n_layers == 1 else m.attention.tolist(),
    }
    try:
        basis = characters(config)
    except NoBasis as why:
        return found | {"no_basis": str(why)}
    assert m.neurons is not None
    assert m.table is not None
    assert m.table_test is not None
    carried_by = carried(m.neurons.frequency, m.neurons.fve)
    chosen = sorted(carried_by) if keys is None else sorted(keys)
    raw = Counter(m.neurons.frequency[m.neurons.frequency > 0].tolist())
    found |= {
        "cycle": basis.n,
        "generator": basis.generator,
        "key_frequencies": {str(k): n for k, n in carried_by.items()},
        "raw_argmax_frequencies": {str(k): raw[k] for k in sorted(raw)},
        "candidate_frequencies": list(candidates(m.table_test, basis)),
        "neurons_at_least_085": int((m.neurons.fve >= THRESHOLD).sum()),
        "fve_mean": float(m.neurons.fve.mean()),
        "neuron_freq_first8": m.neurons.frequency[:8].tolist(),
        "neuron_fve_first8": m.neurons.fve[:8].tolist(),
        "keys_used": chosen,
        "excluded_loss_all_frequencies_train": _loss(m.excluded_all_train),
        "excluded_accuracy_all_frequencies_train": _accuracy(m.excluded_all_train),
        "gini_W_E": m.gini_embedding,
        "gini_W_L": m.gini_neuron_logit,
        "ipr_W_E": m.ipr_embedding,
        "ipr_W_L": m.ipr_neuron_logit,
        "cosine_coefficients": cosine_coefficients(m.table, basis).tolist(),
    }
    for name, norms in (
        ("W_E", m.embedding_norms), ("W_U", m.unembedding_norms), ("W_L", m.neuron_logit_norms),
    ):  # fmt: skip
        assert norms is not None
        top = np.argsort(-norms, kind="stable")[:_TOP]
        found[f"{name}_norm_top"] = {str(int(i)): float(norms[i]) for i in top}
    names = ("restricted_loss_all", "restricted_loss_train", "restricted_loss_test", "restricted_accuracy_all")
    found |= dict.fromkeys((*names, "excluded_loss_key_train", "excluded_accuracy_key_train"))
    found |= {"excluded_per_frequency_train": {}, "test_over_restricted": None, "power_of_keys": None}
    if chosen:
        r = restricted(config, m.table, chosen)
        x = excluded(config, np.asarray(kept.logits, np.float64), m.table, chosen)
        found |= {
            "restricted_loss_all": r.every.loss,
            "restricted_loss_train": r.train.loss,
            "restricted_loss_test": _loss(r.test),
            "restricted_accuracy_all": r.every.accuracy,
            "excluded_loss_key_train": x.keys.loss,
            "excluded_accuracy_key_train": x.keys.accuracy,
            "excluded_per_frequency_train": {str(k): score.loss for k, score in x.each.items()},
            "test_over_restricted": m.test.loss / r.every.loss if m.test else None,
            "power_of_keys": key_power(m.table, chosen),
        }
    return found


def _loss(score: Score | None) -> float | None:
    return None if score is None else score.loss


def _accuracy(score: Score | None) -> float | None:
    return None if score is None else score.accuracy


def _score(score: Score | None, rows: Any) -> dict[str, Any] | None:
    return None if score is None else {"pairs": len(rows), "loss": score.loss, "accuracy": score.accuracy}
