"""A layer's heads as columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from app.export import Table
from app.views.attention_words import SEEN
from app.views.logits_words import component_name
from engine.analysis.attention_replaced import Replaced
from engine.analysis.heads import HeadLives, HeadPicture


def heads_table(x: HeadPicture) -> Table:
    """A row a head."""
    heads = np.arange(x.n_heads)
    found: dict[str, Any] = {"layer": np.full(x.n_heads, x.layer), "head": heads}
    at = np.maximum(x.frequency - 1, 0)
    if x.fit is not None:
        found["k"] = x.frequency
    for name, shares in (("C_j", x.share), ("W_E W_V W_O", x.values)):
        if shares is not None and shares.shape[1]:
            found[f"share of {name} at k"] = shares[heads, at]
    if x.fit is not None:
        found |= {
            "k of the fit": x.fit.frequency,
            "share of the pattern fitted": x.fit.explained,
            "C": x.fit.amplitude,
            "phase w theta (degrees)": np.degrees(x.fit.phase),
        }
    found |= {f"mean attention to {name}": x.mean[:, i] for i, name in enumerate(SEEN)}
    found |= {f"correlation with head {h}": x.apart[:, h] for h in heads.tolist()}
    return Table("heads", found)


def pattern_table(x: HeadPicture, head: int) -> Table:
    """A row a pair."""
    a, b = np.divmod(np.arange(x.config.p**2), x.config.p)
    found: dict[str, Any] = {"a": a, "b": b}
    found |= {f"attention to {name}": x.pattern(head, i).reshape(-1) for i, name in enumerate(SEEN)}
    fitted = x.fitted_pattern(head, 0)
    if fitted is not None:
        found["fit to a (NaN: not on the cycle)"] = fitted.reshape(-1)
    return Table(f"pattern-of-head-{head}", found)


def coefficients_table(x: HeadPicture) -> list[Table]:
    """A row a Fourier component; none in a later layer."""
    if x.coefficient is None:
        return []
    names = [component_name(i) for i in range(x.coefficient.shape[1])]
    return [Table("coefficients", {"component": names, **{f"C_j of head {h}": c for h, c in enumerate(x.coefficient)}})]


def lives_table(lives: HeadLives) -> list[Table]:
    """A row a checkpoint."""
    if not len(lives.epochs):
        return []
    columns: dict[str, Any] = {"epoch (steps)": lives.epochs}
    for h in range(lives.frequency.shape[1]):
        columns |= {
            f"k of head {h}": lives.frequency[:, h],
            f"share of C_j of head {h}": lives.share[:, h],
            f"share of the pattern fitted of head {h}": lives.explained[:, h],
        }
    return [Table("lives", columns)]


def losses_table(known: Mapping[str, Replaced]) -> list[Table]:
    """A row a kind of pattern."""
    if not known:
        return []
    loss, accuracy = [x.loss for x in known.values()], [x.accuracy for x in known.values()]
    return [Table("losses", {"patterns": list(known), "loss, all pairs (nats)": loss, "accuracy": accuracy})]
