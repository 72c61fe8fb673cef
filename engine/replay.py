"""One forward pass over all inputs, shared by every analysis of that checkpoint."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.config import Config
from engine.models.transformer import forward, shapes
from engine.runfile import Arrays, Run
from engine.step import Batch, Parameters, structured_step
from engine.tasks import Examples

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


class Forward:
    """The structured forward pass over all pairs, its buffers kept from checkpoint to checkpoint."""

    def __init__(self, config: Config, dtype: torch.dtype, threads: int) -> None:
        """Raises `LookupError` where the structured path does not fit the model."""
        p = config.p
        cpu = torch.device("cpu")
        zeros = {name: torch.zeros(shape) for name, shape in shapes(config).items()}
        pairs = Examples(np.stack(np.divmod(np.arange(p * p), p), axis=1), np.zeros(p * p, dtype=np.int64))
        self._parameters = Parameters(config, zeros, cpu, dtype)
        step = structured_step(config, self._parameters, Batch(pairs, cpu), threads)
        if step is None:
            raise LookupError
        self._step, self._p = step, p
        self._buffers: Any = None

    def __call__(self, weights: Arrays, reuse: bool = False) -> Activations:
        """reuse : in arrays that the next such call overwrites"""
        for name, w in self._parameters.weights.items():
            w.copy_(torch.from_numpy(weights[name]))
        if reuse:
            self._buffers = logits, post, pattern = self._step.forward(self._buffers)
            return Activations(logits[:, : self._p], post[None], pattern[None])
        logits, post, pattern = self._step.forward()
        return Activations(np.ascontiguousarray(logits[:, : self._p]), post[None], pattern[None])


_forward: OrderedDict[tuple[Config, torch.dtype, int], Forward | None] = OrderedDict()
_forward_lock = threading.Lock()


@torch.inference_mode()
def _compute(run: Run, step: int, dtype: torch.dtype) -> Activations:
    model = replace(run.config, data_seed=0, model_seed=0)
    key = (model, dtype, torch.get_num_threads())
    with _forward_lock:
        if key not in _forward:
            try:
                _forward[key] = Forward(model, dtype, key[2])
            except LookupError:
                _forward[key] = None
            while len(_forward) > 2:
                _forward.popitem(last=False)
        structured = _forward[key]
        if structured is not None:
            return structured(run.weights(step))
    return _general(run, step, dtype)


def _general(run: Run, step: int, dtype: torch.dtype) -> Activations:
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
