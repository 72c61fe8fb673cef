"""The transformer of the paper (sec. 3): parameters by their field names, and the forward pass.

Orientation is TransformerLens's (`x @ W_in`); parameters of a layer always have a leading layer axis.
Only the last position (`=`) is read, so the last layer computes nothing else.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from engine.config import Config
from engine.later import torch

if TYPE_CHECKING:
    from torch import Tensor

Weights: TypeAlias = "dict[str, Tensor]"
N_CTX = 3  # a, b, =


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter, in the order in which files and optimiser list them."""
    c, layers, d_head = config, config.n_layers, config.head_size
    sizes: dict[str, tuple[int, ...]] = {
        "W_E": (c.d_vocab, c.d_model),
        "W_pos": (N_CTX, c.d_model),
        "W_Q": (layers, c.n_heads, c.d_model, d_head),
        "W_K": (layers, c.n_heads, c.d_model, d_head),
        "W_V": (layers, c.n_heads, c.d_model, d_head),
        "W_O": (layers, c.n_heads, d_head, c.d_model),
        "W_in": (layers, c.d_model, c.d_mlp),
        "b_in": (layers, c.d_mlp),
        "W_out": (layers, c.d_mlp, c.d_model),
        "b_out": (layers, c.d_model),
        "W_U": (c.d_model, c.d_vocab),
    }
    if config.layer_norm:
        for name in ("ln1", "ln2"):
            sizes |= {f"{name}_w": (layers, c.d_model), f"{name}_b": (layers, c.d_model)}
        sizes |= {"ln_final_w": (c.d_model,), "ln_final_b": (c.d_model,)}
    return sizes


def initial_weights(config: Config) -> Weights:
    """The authors' initialisation, drawn on the CPU in their order and orientation (float32).

    Normal with standard deviation 1/sqrt(d_model), W_U 1/sqrt(d_vocab); biases zero; layer norms identity.
    With `model_seed` 0 this is the paper's own mainline.
    """
    c, d_head = config, config.head_size
    draw = torch.Generator().manual_seed(c.model_seed)

    def normal(*shape: int, fan: int) -> Tensor:
        return torch.randn(*shape, generator=draw) / math.sqrt(fan)

    w = {name: torch.zeros(shape) for name, shape in shapes(c).items()}
    w["W_E"] = normal(c.d_model, c.d_vocab, fan=c.d_model).T
    w["W_pos"] = normal(N_CTX, c.d_model, fan=c.d_model)
    for layer in range(c.n_layers):
        for name in ("W_K", "W_Q", "W_V"):  # theirs: (n_heads, d_head, d_model)
            w[name][layer] = normal(c.n_heads, d_head, c.d_model, fan=c.d_model).transpose(1, 2)
        w_o = normal(c.d_model, c.n_heads * d_head, fan=c.d_model)  # theirs: heads concatenated
        w["W_O"][layer] = w_o.T.reshape(c.n_heads, d_head, c.d_model)
        w["W_in"][layer] = normal(c.d_mlp, c.d_model, fan=c.d_model).T
        w["W_out"][layer] = normal(c.d_model, c.d_mlp, fan=c.d_model).T
    w["W_U"] = normal(c.d_model, c.d_vocab, fan=c.d_vocab)
    for name in w:
        if name.startswith("ln") and name.endswith("_w"):
            w[name] = torch.ones_like(w[name])
    return {name: tensor.contiguous() for name, tensor in w.items()}


def forward(
    w: Weights,
    pairs: Tensor,
    config: Config,
    kept: dict[str, list[Tensor]] | None = None,
    pattern: Tensor | None = None,
) -> Tensor:
    """Logits at the last position.

    pairs   : (n, 2) tokens a, b
    kept    : if given, receives per layer what the `=` position computes:
              `scores`, `pattern` (n, n_heads, 3), `mlp_pre`, `mlp_post` (n, d_mlp)
    pattern : (n, n_heads, 3) attention from `=` in place of the model's own; of a single layer only
    ->        (n, d_vocab)
    """
    if config.n_layers == 1:
        resid = _only_layer(w, pairs, config, kept, pattern)
    elif pattern is None:
        resid = _layers(w, embedded(w, pairs, config), config, kept)
    else:
        raise ValueError("A pattern can be given to a model of one layer only.")
    return _norm(w, "ln_final", None, resid, config) @ w["W_U"]


def embedded(w: Weights, pairs: Tensor, config: Config) -> Tensor:
    """The rows of W_E of a, b, `=`, positions not added yet.  (n, 2) -> (n, position, d_model)"""
    tokens = torch.cat([pairs, torch.full_like(pairs[:, :1], config.p)], dim=1)
    return _lookup(w["W_E"], tokens.reshape(-1)).reshape(len(pairs), N_CTX, -1)


def forward_embedded(w: Weights, x: Tensor, config: Config) -> Tensor:
    """`forward` from what `embedded` gives, as if each position had an embedding of its own.  -> (n, d_vocab)"""
    return _norm(w, "ln_final", None, _layers(w, x, config, None), config) @ w["W_U"]


def _layers(w: Weights, x: Tensor, config: Config, kept: dict[str, list[Tensor]] | None) -> Tensor:
    """The last position's residual stream after all layers.  x : (n, position, d_model), embedded -> (n, d_model)"""
    x = x + w["W_pos"]
    causal = torch.ones(N_CTX, N_CTX, dtype=torch.bool, device=x.device).tril()
    for layer in range(config.n_layers):
        last = layer == config.n_layers - 1
        first = N_CTX - 1 if last else 0  # the last layer asks only from `=`
        normed = _norm(w, "ln1", layer, x, config)
        q = torch.einsum("nqd,hde->nhqe", normed[:, first:], w["W_Q"][layer])
        k = torch.einsum("nkd,hde->nhke", normed, w["W_K"][layer])
        v = torch.einsum("nkd,hde->nhke", normed, w["W_V"][layer])
        scores = q @ k.transpose(-1, -2) / math.sqrt(config.head_size)  # (n, head, query, key)
        pattern = scores.masked_fill(~causal[first:], -math.inf).softmax(-1)
        x = x[:, first:] + torch.einsum("nhqe,hed->nqd", pattern @ v, w["W_O"][layer])
        x = x + _mlp(w, layer, x, config, kept)
        if kept is not None:
            kept.setdefault("scores", []).append(scores[:, :, -1])
            kept.setdefault("pattern", []).append(pattern[:, :, -1])
    return x[:, -1]


def _only_layer(
    w: Weights, pairs: Tensor, config: Config, kept: dict[str, list[Tensor]] | None, given: Tensor | None
) -> Tensor:
    """The same for one layer: the query is the same for every input, keys and values are per token.

    -> (n, d_model)
    """
    n, p, heads = len(pairs), config.p, config.n_heads
    equals = w["W_E"][p] + w["W_pos"][2]  # (d_model,)
    tokens = w["W_E"][:p] + w["W_pos"][:2, None]  # (position, p, d_model)
    query_in = _norm(w, "ln1", 0, equals, config)
    keys_in = torch.cat([_norm(w, "ln1", 0, tokens, config).reshape(2 * p, -1), query_in[None]])
    q = torch.einsum("d,hde->he", query_in, w["W_Q"][0])
    toward = torch.einsum("hde,he->dh", w["W_K"][0], q) / math.sqrt(config.head_size)
    token_scores = keys_in @ toward  # (2p + 1, head)
    rows = torch.stack([pairs[:, 0], pairs[:, 1] + p, torch.full_like(pairs[:, 0], 2 * p)], dim=1)
    scores = _lookup(token_scores, rows.reshape(-1)).reshape(n, N_CTX, heads).transpose(1, 2)
    pattern = scores.softmax(-1) if given is None else given  # (n, head, key)
    values = torch.einsum("td,hde->the", keys_in, w["W_V"][0]).reshape(2 * p + 1, -1)
    seen = _lookup(values, rows.reshape(-1)).reshape(n, N_CTX, heads, -1)  # (n, key, head, d_head)
    z = (pattern.transpose(1, 2)[..., None] * seen).sum(1)  # (n, head, d_head)
    x = equals + z.reshape(n, -1) @ w["W_O"][0].reshape(-1, config.d_model)
    if kept is not None:
        kept.setdefault("scores", []).append(scores)
        kept.setdefault("pattern", []).append(pattern)
    return x + _mlp(w, 0, x, config, kept)


def _mlp(w: Weights, layer: int, x: Tensor, config: Config, kept: dict[str, list[Tensor]] | None = None) -> Tensor:
    pre = _norm(w, "ln2", layer, x, config) @ w["W_in"][layer] + w["b_in"][layer]
    post = torch.relu(pre) if config.activation == "relu" else torch.nn.functional.gelu(pre)
    if kept is not None:
        for name, value in (("mlp_pre", pre), ("mlp_post", post)):
            kept.setdefault(name, []).append(value[:, -1] if value.dim() == 3 else value)
    return post @ w["W_out"][layer] + w["b_out"][layer]


def _norm(w: Weights, name: str, layer: int | None, x: Tensor, config: Config) -> Tensor:
    if not config.layer_norm:
        return x
    scale, shift = w[f"{name}_w"], w[f"{name}_b"]
    if layer is not None:
        scale, shift = scale[layer], shift[layer]
    return torch.nn.functional.layer_norm(x, (config.d_model,), scale, shift)


def _lookup(table: Tensor, rows: Tensor) -> Tensor:
    """`table[rows]` with a backward that adds in a fixed order, so that a run can be repeated bit for bit."""
    if table.is_cuda:
        return torch.nn.functional.one_hot(rows, len(table)).to(table.dtype) @ table
    return table.index_select(0, rows)
