"""The logits of any model of which parts are taken away, the long way: a forward pass with every step written out.

For models that `engine.analysis.surgery` has no short way for, and the plain version that it is compared with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.analysis.ablation import ATTENTION, BLOCK, CARRIERS, CLEAR, MLP, NULL, Ablation
from engine.analysis.characters import Characters
from engine.analysis.measures import pair_sets
from engine.analysis.neuron_map import carriers, directions
from engine.analysis.neurons import THRESHOLD
from engine.analysis.waves import Waves
from engine.config import Config
from engine.fourier import components, fourier_basis, frequencies
from engine.later import torch
from engine.models.transformer import N_CTX, Weights, _norm
from engine.runfile import Arrays

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
_ROWS = 2048


@dataclass
class Means:
    """Sums over the task's pairs in the whole model, then means; by layer.

    heads : (n_heads, position, d_model)     skips : by `ATTENTION` or `MLP`, (position, d_model)
    neurons : (position, d_mlp)     In the last layer the only position is `=`.
    """

    heads: list[Tensor] = field(default_factory=list)
    skips: list[dict[int, Tensor]] = field(default_factory=list)
    neurons: list[Tensor] = field(default_factory=list)


def logits(
    config: Config, weights: Arrays, cuts: Ablation, keys: tuple[int, ...], basis: Characters | None,
    waves: Waves | None, exact: bool,
) -> NDArray[np.floating]:  # fmt: skip
    """Steps 1 to 7 of `engine.analysis.ablation`.  -> (p², p)

    keys : whose directions of W_L a projection is on     waves : of the last layer in the whole model, where needed
    """
    with torch.inference_mode():
        return _logits(config, weights, cuts, keys, basis, waves, exact)


def _logits(
    config: Config, weights: Arrays, cuts: Ablation, keys: tuple[int, ...], basis: Characters | None,
    waves: Waves | None, exact: bool,
) -> NDArray[np.floating]:  # fmt: skip
    dtype = torch.float64 if exact else torch.float32
    w = {name: torch.from_numpy(np.asarray(array)).to(dtype) for name, array in weights.items()}
    pairs = torch.cartesian_prod(torch.arange(config.p), torch.arange(config.p))
    exist = torch.zeros(len(pairs), dtype=torch.bool)
    exist[pair_sets(config).exist] = True
    means = _means(config, w, pairs[exist])
    parts = [_until_neurons(config, w, rows, cuts, means) for rows in torch.split(pairs, _ROWS)]
    stream, post = (torch.cat([part[i] for part in parts]) for i in (0, 1))
    last = means.neurons[-1][-1].double().numpy()
    if basis is not None:
        made = np.array(post.double().numpy())
        made[basis.rows] = _of_waves(made[basis.rows], cuts, basis, waves, last)
        w_l = (w["W_out"][-1] @ w["W_U"][:, : config.p]).double().numpy()
        post = torch.from_numpy(_projected(made, w_l, cuts, basis, keys, waves, last)).to(dtype)
    out = post @ w["W_out"][-1] + w["b_out"][-1]
    resid = _beside(stream, cuts, config.n_layers - 1, MLP, means.skips[-1][MLP][-1]) + out
    found: NDArray[np.floating] = (_norm(w, "ln_final", None, resid, config) @ w["W_U"])[:, : config.p].numpy()
    return np.ascontiguousarray(found)


def _beside(stream: Tensor, cuts: Ablation, layer: int, around: int, mean: Tensor) -> Tensor:
    """The residual stream that goes around attention or the MLP."""
    if around not in cuts.skips.taken(layer, 2):
        return stream
    return (mean if cuts.skips.mean else torch.zeros_like(mean)).expand_as(stream)


def _means(config: Config, w: Weights, pairs: Tensor) -> Means:
    total = Means()
    for rows in torch.split(pairs, _ROWS):
        _until_neurons(config, w, rows, Ablation(), None, total)
    n = len(pairs)
    total.heads = [x / n for x in total.heads]
    total.neurons = [x / n for x in total.neurons]
    total.skips = [{which: x / n for which, x in both.items()} for both in total.skips]
    return total


def _until_neurons(
    config: Config, w: Weights, pairs: Tensor, cuts: Ablation, means: Means | None, total: Means | None = None
) -> tuple[Tensor, Tensor]:
    """Residual stream after the last attention, and activations of the last layer, at `=`.  -> (n, d_model), (n, d_mlp)

    total : receives sums over the pairs
    """
    n = len(pairs)
    tokens = torch.cat([pairs, torch.full_like(pairs[:, :1], config.p)], dim=1)
    x = w["W_E"][tokens] + w["W_pos"]  # (n, position, d_model)
    for layer in range(config.n_layers):
        last = layer == config.n_layers - 1
        heads = _heads(config, w, x, layer)
        x = x[:, N_CTX - 1 if last else 0 :]
        if total is not None:
            _add(total, layer, heads, x, ATTENTION)
        else:
            assert means is not None
            taken = cuts.heads.taken(layer, config.n_heads)
            heads[:, taken] = means.heads[layer][taken] if cuts.heads.mean else 0.0
            x = _beside(x, cuts, layer, ATTENTION, means.skips[layer][ATTENTION])
        x = x + heads.sum(1)
        pre = _norm(w, "ln2", layer, x, config) @ w["W_in"][layer] + w["b_in"][layer]
        post = torch.relu(pre) if config.activation == "relu" else torch.nn.functional.gelu(pre)
        if total is not None:
            _add(total, layer, post, x, MLP)
        else:
            assert means is not None
            off = cuts.neurons.taken(layer, config.d_mlp)
            post[..., off] = means.neurons[layer][..., off] if cuts.neurons.mean else 0.0
        if last:
            break
        beside = x if means is None else _beside(x, cuts, layer, MLP, means.skips[layer][MLP])
        x = beside + post @ w["W_out"][layer] + w["b_out"][layer]
    return x.reshape(n, -1), post.reshape(n, -1)


def _add(total: Means, layer: int, part: Tensor, stream: Tensor, around: int) -> None:
    """part : outputs of heads (around attention) or activations (around the MLP)"""
    parts = total.heads if around == ATTENTION else total.neurons
    if len(parts) <= layer:
        parts.append(torch.zeros_like(part[0]))
    if len(total.skips) <= layer:
        total.skips.append({which: torch.zeros_like(stream[0]) for which in (ATTENTION, MLP)})
    parts[layer] += part.sum(0)
    total.skips[layer][around] += stream.sum(0)


def _heads(config: Config, w: Weights, x: Tensor, layer: int) -> Tensor:
    """Outputs of a layer's heads.  x : (n, 3, d_model)   ->   (n, n_heads, position, d_model)"""
    first = N_CTX - 1 if layer == config.n_layers - 1 else 0
    normed = _norm(w, "ln1", layer, x, config)
    q, k, v = (torch.einsum("npd,hde->nhpe", normed, w[name][layer]) for name in ("W_Q", "W_K", "W_V"))
    scores = q[:, :, first:] @ k.transpose(-1, -2) / math.sqrt(config.head_size)
    causal = torch.ones(N_CTX, N_CTX, dtype=torch.bool).tril()[first:]
    pattern = scores.masked_fill(~causal, -math.inf).softmax(-1)
    return torch.einsum("nhpe,hed->nhpd", pattern @ v, w["W_O"][layer])


# -- the last layer's activations ------------------------------------------------------------------------------


def _of_waves(post: Floats, cuts: Ablation, basis: Characters, waves: Waves | None, mean: Floats) -> Floats:
    """Steps 4 and 5, but for whole carriers, on the pairs of the cycle.  post : (n², d), row i · n + j"""
    n, part = basis.n, cuts.neuron_frequencies
    if cuts.polynomials:
        assert waves is not None
        clear = (waves.fve >= THRESHOLD if cuts.polynomials == CLEAR else waves.fve > 0) & (waves.frequency > 0)
        for k in frequencies(n):
            mine = clear & (waves.frequency == k)
            post[:, mine] = _components(post[:, mine], (k,), n) + post[:, mine].mean(axis=0)
    if part.is_whole or part.what == CARRIERS:
        return post
    of = tuple(k for k in part.of if k <= n // 2)
    found = _components(post, of, n) if part.what == BLOCK else _waves_of_answer(post, of, basis)
    return found + part.mean * post.mean(axis=0) if part.keep else post - found


def _components(post: Floats, of: tuple[int, ...], n: int) -> Floats:
    """The part with the eight components of each frequency.  (n², d) -> (n², d)"""
    basis = fourier_basis(n)
    kept = np.zeros((n, n, 1))
    for k in of:
        rows = components(n, k)
        kept[rows, 0] = kept[0, rows] = kept[rows, rows] = 1
    twice = np.einsum("fi,gj,ijd->fgd", basis, basis, post.reshape(n, n, -1), optimize=True)
    return np.asarray(np.einsum("fi,gj,fgd->ijd", basis, basis, kept * twice, optimize=True).reshape(post.shape))


def _waves_of_answer(post: Floats, of: tuple[int, ...], basis: Characters) -> Floats:
    """The part with cosine and sine of w_k(i ± j).  (n², d) -> (n², d)"""
    found = np.zeros_like(post)
    for k in of:
        waves = fourier_basis(basis.n)[components(basis.n, k)][:, basis.sums.reshape(-1)] / np.sqrt(basis.n)
        found += waves.T @ (waves @ post)
    return found


def _projected(
    post: Floats, w_l: Floats, cuts: Ablation, basis: Characters, keys: tuple[int, ...], waves: Waves | None,
    mean: Floats,
) -> Floats:  # fmt: skip
    """Whole carriers of step 5, and step 6, on all pairs.  post : (p², d)     w_l : (d, p)"""
    part = cuts.neuron_frequencies
    if not part.is_whole and part.what == CARRIERS:
        assert waves is not None
        off = carriers(part.of, waves) != part.keep
        post[:, off] = mean[off] if part.mean else 0.0
    if not cuts.projection:
        return post
    span = directions(w_l, basis, keys)
    onto = post @ span.T @ span
    return post - onto if cuts.projection == NULL else onto
