"""The gradient of single logits by the embeddings that `=` reads, many examples at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.later import torch
from engine.models.transformer import Weights, embedded, forward_embedded
from engine.runfile import Arrays

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_TOGETHER = 512  # examples


def embedding_gradients(config: Config, weights: Arrays, triples: Ints) -> tuple[Floats, Floats]:
    """∂Q_abc/∂E_a and ∂Q_abc/∂E_b, Q_abc the logit c of (a, b), the embeddings at both positions two inputs.

    triples : (n, 3) residues a, b, c     ->     (n, d_model) each, float64
    """
    w = {name: torch.from_numpy(np.asarray(value, np.float64)) for name, value in weights.items()}
    chosen = torch.from_numpy(np.array(triples))
    in_closed_form = config.n_layers == 1 and not config.layer_norm
    with torch.inference_mode(in_closed_form):
        of_some = _of_one_layer if in_closed_form else by_autograd
        parts = [of_some(config, w, part) for part in torch.split(chosen, _TOGETHER)]
    of_a, of_b = (torch.cat(side).numpy() for side in zip(*parts, strict=True))
    return of_a, of_b


def by_autograd(config: Config, w: Weights, triples: Tensor) -> tuple[Tensor, Tensor]:
    """Of any model: the sum of the chosen logits backward, since no example sees another."""
    x = embedded(w, triples[:, :2], config).requires_grad_(True)
    chosen = forward_embedded(w, x, config).gather(1, triples[:, 2:])
    (gradient,) = torch.autograd.grad(chosen.sum(), x)
    return gradient[:, 0], gradient[:, 1]


def _of_one_layer(config: Config, w: Weights, triples: Tensor) -> tuple[Tensor, Tensor]:
    """In closed form: keys, values and scores belong to tokens, and the query to nobody but `=`."""
    p, n = config.p, len(triples)
    a, b, c = triples.T
    tokens = torch.cat([w["W_E"][:p] + w["W_pos"][0], w["W_E"][:p] + w["W_pos"][1], w["W_E"][p:] + w["W_pos"][2]])
    query = torch.einsum("d,hde->he", tokens[-1], w["W_Q"][0])
    toward = torch.einsum("hde,he->hd", w["W_K"][0], query) / math.sqrt(config.head_size)
    rows = torch.stack([a, b + p, torch.full_like(a, 2 * p)], dim=1)  # (n, key)
    pattern = (tokens @ toward.T)[rows].softmax(dim=1)  # (n, key, head)
    values = torch.einsum("td,hde->the", tokens, w["W_V"][0])[rows]  # (n, key, head, d_head)
    z = (pattern[..., None] * values).sum(1)  # (n, head, d_head)
    w_o = w["W_O"][0].reshape(-1, config.d_model)
    resid = tokens[-1] + z.reshape(n, -1) @ w_o
    pre = resid @ w["W_in"][0] + w["b_in"][0]
    of_resid = w["W_U"].T[c]  # (n, d_model), of the logit by the residual stream after attention
    of_resid = of_resid + (of_resid @ w["W_out"][0].T * _slope(config.activation, pre)) @ w["W_in"][0].T
    of_z = (of_resid @ w_o.T).reshape(z.shape)
    w_v = w["W_V"][0].transpose(1, 2).reshape(-1, config.d_model)  # (head · d_head, d_model)

    def of_key(key: int) -> Tensor:
        """Through its value, and through its score: more of it is less of the others."""
        share = pattern[:, key]  # (n, head)
        by_score = share * ((values[:, key] - z) * of_z).sum(-1)
        return (share[..., None] * of_z).reshape(n, -1) @ w_v + by_score @ toward

    return of_key(0), of_key(1)


def _slope(activation: str, pre: Tensor) -> Tensor:
    """Derivative of the activation."""
    if activation == "relu":
        return (pre > 0).to(pre.dtype)
    density: Any = torch.exp(-0.5 * pre * pre) / math.sqrt(2 * math.pi)
    found: Tensor = 0.5 * (1 + torch.erf(pre / math.sqrt(2))) + pre * density
    return found
