"""One forward pass over all inputs, shared by every analysis of that checkpoint."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.lanes import analysis_cores
from engine.later import torch
from engine.models.transformer import forward, shapes
from engine.runfile import Arrays, Run

CACHE_BYTES = 96 * 2**20  # of whole passes, and as many of `Hidden`; the newest is kept whatever its size
_ROWS = 8192
_DRAWING_LANES = os.cpu_count() or 1  # a finger waits for it: the window has nothing else to do


@dataclass(frozen=True)
class Activations:
    """What the `=` position computes on all p² inputs, in lexicographic order (row a·p + b).

    logits   : (p², p), the `=` class dropped
    mlp_post : (n_layers, p², d_mlp)
    pattern  : (n_layers, p², n_heads, 3), attention from `=` to a, b, =
    rows     : as in `Hidden`, where it was made on the way
    """

    logits: NDArray[np.floating]
    mlp_post: NDArray[np.floating]
    pattern: NDArray[np.floating]
    rows: NDArray[np.floating] | None = None


@dataclass(frozen=True)
class Hidden:
    """What is known before the last matrix products.

    mlp_post, pattern : as in `Activations`
    rows : (p², width), what the logits follow from: the activations, padded to the columns of `stream_columns`, and
        there the residual stream after attention, b_out included; None where the model has no structured pass
    """

    mlp_post: NDArray[np.floating]
    pattern: NDArray[np.floating]
    rows: NDArray[np.floating] | None


_cache: OrderedDict[tuple[Run, int, bool], Activations] = OrderedDict()
_hidden: OrderedDict[tuple[Run, int, bool], Hidden] = OrderedDict()
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
    found = _finish(run, step, exact, hidden(run, step, exact))
    _keep(_cache, key, found)
    with _lock:
        _hidden.pop(key, None)  # a part of what is kept now
    return found


def hidden(run: Run, step: int, exact: bool = True) -> Hidden:
    """The MLP's activations and the attention, without the logits, which cost most.  exact : as in `activations`"""
    key = (run, int(run.epochs[step]), exact)
    with _lock:
        if key in _hidden:
            _hidden.move_to_end(key)
            return _hidden[key]
        known = _cache.get(key)
    if known is not None:
        return Hidden(known.mlp_post, known.pattern, known.rows)
    found = hidden_of(run.config, run.weights(step), exact)
    if found is None:
        whole = _general(run.config, run.weights(step), exact)
        _keep(_cache, key, whole)
        return Hidden(whole.mlp_post, whole.pattern, None)
    _keep(_hidden, key, found)
    return found


def drawn(run: Run, step: int) -> Hidden:
    """The same for drawing, float32."""
    return hidden(run, step, exact=False)


def _finish(run: Run, step: int, exact: bool, found: Hidden) -> Activations:
    """The logits too."""
    if found.rows is None:  # they came with it
        with _lock:
            known = _cache.get((run, int(run.epochs[step]), exact))
        return known or _general(run.config, run.weights(step), exact)
    with _forward_lock:
        structured = _structured(run.config, exact, _lanes(exact))
        assert structured is not None
        return Activations(structured.logits(run.weights(step), found.rows), found.mlp_post, found.pattern, found.rows)


def _keep(cache: OrderedDict[Any, Any], key: Any, found: Any) -> None:
    """The oldest go where the bytes of all are too many."""
    with _lock:
        cache[key] = found
        while len(_cache) > 1 and sum(_size(kept) for kept in _cache.values()) > CACHE_BYTES:
            _cache.popitem(last=False)
        while len(_hidden) > 1 and sum(_size(kept) for kept in _hidden.values()) > CACHE_BYTES:
            _hidden.popitem(last=False)


def _size(found: Activations | Hidden) -> int:
    """Bytes held: an array that is a part of another holds all of it."""
    whole = found.mlp_post if found.mlp_post.base is None else found.mlp_post.base
    logits = found.logits.nbytes if isinstance(found, Activations) else 0
    return logits + found.pattern.nbytes + whole.nbytes


def forget(run: Run) -> None:
    """Drop everything known of a run."""
    with _lock:
        for key in [key for key in _cache if key[0] == run]:
            del _cache[key]
        for there in [there for there in _hidden if there[0] == run]:
            del _hidden[there]


def forget_checkpoint(run: Run, step: int) -> None:
    """Drop what is known of one checkpoint: of those that are passed by once, on the way over all."""
    epoch = int(run.epochs[step])
    with _lock:
        for exact in (False, True):
            _cache.pop((run, epoch, exact), None)
            _hidden.pop((run, epoch, exact), None)


class Forward:
    """The structured forward pass over all pairs, its buffers kept from checkpoint to checkpoint."""

    def __init__(self, config: Config, exact: bool, threads: int) -> None:
        """exact : float64, else float32.  Raises `LookupError` where the structured path does not fit the model."""
        from engine.structured import Structured, fits, zeros  # compiled: not before it is needed

        p = config.p
        dtype: np.dtype[np.floating] = np.dtype(np.float64 if exact else np.float32)
        if not fits(config, dtype):
            raise LookupError
        pairs = np.stack(np.divmod(np.arange(p * p), p), axis=1)
        self._weights, gradients = ({name: zeros(shape, dtype) for name, shape in shapes(config).items()} for _ in "wg")
        self._step = Structured(config, self._weights, gradients, pairs, np.zeros(p * p, dtype=np.int64), threads)
        self._p, self._d_mlp = p, config.d_mlp
        self._buffers: Any = None

    def _load(self, weights: Arrays) -> None:
        for name, w in self._weights.items():
            w[...] = weights[name]

    def hidden(self, weights: Arrays) -> Hidden:
        """Without the logits."""
        self._load(weights)
        rows, pattern = self._step.hidden()
        return Hidden(rows[None, :, : self._d_mlp], pattern[None], rows)

    def logits(self, weights: Arrays, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """The logits that follow from `Hidden.rows` of the same weights.  (p², p)"""
        self._load(weights)
        return self._step.logits_of(rows)

    def attending(self, weights: Arrays, pattern: NDArray[np.floating]) -> NDArray[np.floating]:
        """The logits with attention from `=` given.  pattern : (p², n_heads, 3), sums to 1   ->   (p², p)"""
        self._load(weights)
        return self._step.logits_of(self._step.hidden(pattern)[0])

    def __call__(self, weights: Arrays) -> Activations:
        """Everything, in arrays that the next call overwrites."""
        self._load(weights)
        self._buffers = logits, post, pattern = self._step.forward(self._buffers)
        return Activations(logits[:, : self._p], post[None], pattern[None])


def attending(run: Run, step: int, pattern: NDArray[np.float64]) -> NDArray[np.floating]:
    """The logits of a model of one layer on all p² pairs, float64, with attention from `=` given.

    pattern : (p², n_heads, 3), to a, b, =; sums to 1 over the last axis   ->   (p², p)
    """
    c = run.config
    with _forward_lock:
        structured = _structured(c, True, analysis_cores())
        if structured is not None:
            return structured.attending(run.weights(step), pattern)
    with torch.inference_mode():
        w = {name: torch.from_numpy(array).double() for name, array in run.weights(step).items()}
        pairs = torch.cartesian_prod(torch.arange(c.p), torch.arange(c.p))
        logits: NDArray[np.floating] = forward(w, pairs, c, pattern=torch.from_numpy(pattern))[:, : c.p].numpy()
    return logits


_forward: OrderedDict[tuple[Config, bool, int], Forward | None] = OrderedDict()
_forward_lock = threading.Lock()


def _structured(config: Config, exact: bool, threads: int) -> Forward | None:
    """The pass of a model's shape; None where it has none. Hold `_forward_lock`."""
    key = (replace(config, data_seed=0, model_seed=0), exact, threads)
    if key not in _forward:
        try:
            _forward[key] = Forward(*key)
        except LookupError:
            _forward[key] = None
        while len(_forward) > 3:
            _forward.popitem(last=False)
    return _forward[key]


def _lanes(exact: bool) -> int:
    return analysis_cores() if exact else _DRAWING_LANES


def of_weights(config: Config, weights: Arrays, exact: bool = True) -> Activations:
    """The activations under weights that are no checkpoint's; nothing is kept.  exact : as in `activations`"""
    with _forward_lock:
        structured = _structured(config, exact, _lanes(exact))
        if structured is not None:
            found = structured.hidden(weights)
            assert found.rows is not None
            return Activations(structured.logits(weights, found.rows), found.mlp_post, found.pattern, found.rows)
    return _general(config, weights, exact)


def hidden_of(config: Config, weights: Arrays, exact: bool) -> Hidden | None:
    """What other weights of a model's shape compute before the logits; None where it has no structured pass."""
    with _forward_lock:
        structured = _structured(config, exact, _lanes(exact))
        return None if structured is None else structured.hidden(weights)


def stream_columns(config: Config) -> slice:
    """Where the residual stream stands in `Hidden.rows`."""
    from engine.kernels import PAD  # what compiles them is imported where it is needed

    start = config.d_mlp + -config.d_mlp % PAD
    return slice(start, start + config.d_model)


def _general(config: Config, weights: Arrays, exact: bool) -> Activations:
    """Of any model, by the plain forward pass."""
    p = config.p
    parts: dict[str, list[torch.Tensor]] = {"logits": [], "mlp_post": [], "pattern": []}
    with torch.inference_mode():
        dtype = torch.float64 if exact else torch.float32
        w = {name: torch.from_numpy(array).to(dtype) for name, array in weights.items()}
        pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
        for rows in torch.split(pairs, _ROWS):
            kept: dict[str, list[torch.Tensor]] = {}
            parts["logits"].append(forward(w, rows, config, kept)[:, :p])
            for name in ("mlp_post", "pattern"):
                parts[name].append(torch.stack(kept[name]))
        return Activations(
            logits=torch.cat(parts["logits"]).numpy(),
            mlp_post=torch.cat(parts["mlp_post"], dim=1).numpy(),
            pattern=torch.cat(parts["pattern"], dim=1).numpy(),
        )
