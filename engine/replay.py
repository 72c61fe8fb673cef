"""One forward pass over all inputs, shared by every analysis of that checkpoint."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engine.models.transformer import forward
from engine.runfile import Run

CACHE_BYTES = 512 * 2**20  # the newest is kept whatever its size
_ROWS = 8192


@dataclass(frozen=True)
class Activations:
    """What the `=` position computes on all p² inputs, in lexicographic order (row a·p + b).

    logits   : (p², p), the `=` class dropped
    mlp_post : (n_layers, p², d_mlp)
    pattern  : (n_layers, p², n_heads, 3), attention from `=` to a, b, =
    """

    logits: NDArray[np.floating]
    mlp_post: NDArray[np.floating]
    pattern: NDArray[np.floating]


_cache: OrderedDict[tuple[Run, int, bool], Activations] = OrderedDict()
_lock = threading.Lock()


def activations(run: Run, step: int, exact: bool = True) -> Activations:
    """The activations at a checkpoint.

    exact : float64, for every printed number; else float32, for drawing
    """
    key = (run, int(run.epochs[step]), exact)
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    found = _compute(run, step, torch.float64 if exact else torch.float32)
    with _lock:
        _cache[key] = found
        while len(_cache) > 1 and sum(_size(kept) for kept in _cache.values()) > CACHE_BYTES:
            _cache.popitem(last=False)
    return found


def _size(found: Activations) -> int:
    return found.logits.nbytes + found.mlp_post.nbytes + found.pattern.nbytes


def forget(run: Run) -> None:
    """Drop everything known of a run."""
    with _lock:
        for key in [key for key in _cache if key[0] == run]:
            del _cache[key]


@torch.inference_mode()
def _compute(run: Run, step: int, dtype: torch.dtype) -> Activations:
    p = run.config.p
    w = {name: torch.from_numpy(array).to(dtype) for name, array in run.weights(step).items()}
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    parts: dict[str, list[torch.Tensor]] = {"logits": [], "mlp_post": [], "pattern": []}
    for rows in torch.split(pairs, _ROWS):
        kept: dict[str, list[torch.Tensor]] = {}
        parts["logits"].append(forward(w, rows, run.config, kept)[:, :p])
        for name in ("mlp_post", "pattern"):
            parts[name].append(torch.stack(kept[name]))
    return Activations(
        logits=torch.cat(parts["logits"]).numpy(),
        mlp_post=torch.cat(parts["mlp_post"], dim=1).numpy(),
        pattern=torch.cat(parts["pattern"], dim=1).numpy(),
    )
