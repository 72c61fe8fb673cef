"""The exact, structured step of the one-layer model without layer norm: the same function, fewer operations.

Only `=` is read, so there is one query; scores, keys and values belong to tokens, not to examples; and
W_O W_in, W_O W_U and W_out W_U are multiplied before they meet the examples. What is left per example is
one weighted sum of value rows and three matrix products (and their gradients), written out by hand.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from engine.config import Config

Weights = dict[str, Tensor]
PAD = 16  # the vocabulary side of a product is padded to a multiple of this


class FastStep:
    """Loss and gradient of the training examples; the same as autograd through `forward` but for rounding."""

    path = "structured"

    @staticmethod
    def fits(config: Config, flat: Tensor) -> bool:
        plain = config.n_layers == 1 and not config.layer_norm and config.activation == "relu"
        return plain and flat.device.type == "cpu"

    def __init__(self, config: Config, weights: Weights, gradients: Weights, pairs: Tensor, labels: Tensor):
        """weights, gradients : by name, as `shapes(config)`   pairs : (n, 2)   labels : (n,)"""
        self._p, self._heads, self._d_head = config.p, config.n_heads, config.head_size
        self._w, self._g = weights, gradients
        self._a, self._b = pairs.T.contiguous()
        self._labels = labels
        vocab = config.d_vocab + -config.d_vocab % PAD
        dtype = weights["W_E"].dtype
        self._unembed = torch.zeros(config.d_model, vocab, dtype=dtype)  # W_U, padded with zero columns
        self._d_logits = torch.zeros(len(labels), vocab, dtype=dtype)
        self._minus_one = torch.full((len(labels), 1), -1.0, dtype=torch.float64)

    def logits(self, pairs: Tensor) -> Tensor:
        """Logits at the last position.  (n, 2) -> (n, d_vocab padded with zeros)"""
        tokens = self._tokens()
        a, b = pairs.T
        return self._read(tokens, self._attend(tokens, a, b)[0])[1]

    def __call__(self) -> Tensor:
        tokens = self._tokens()
        z, pattern = self._attend(tokens, self._a, self._b)
        post, logits = self._read(tokens, z)
        loss = self._loss(logits)
        d_z = self._read_backward(tokens, z, post)
        self._attend_backward(tokens, pattern, d_z)
        return loss

    # -- forward -------------------------------------------------------------------------------------------

    def _tokens(self) -> Weights:
        """Everything that depends on the weights alone."""
        w, p, d_model = self._w, self._p, self._unembed.shape[0]
        self._unembed[:, : p + 1] = w["W_U"]
        equals = w["W_E"][p] + w["W_pos"][2]
        rows = torch.cat([w["W_E"][:p] + w["W_pos"][0], w["W_E"][:p] + w["W_pos"][1], equals[None]])
        query = torch.matmul(equals, w["W_Q"][0])  # (n_heads, d_head)
        toward = torch.matmul(w["W_K"][0], query[..., None])[..., 0] / math.sqrt(self._d_head)  # (n_heads, d_model)
        w_v = w["W_V"][0].transpose(0, 1).reshape(d_model, -1)  # (d_model, n_heads d_head)
        w_o = w["W_O"][0].reshape(-1, d_model)  # (n_heads d_head, d_model)
        return {
            "equals": equals,
            "rows": rows,  # (2p + 1, d_model): a at position 0, b at position 1, =
            "query": query,
            "toward": toward,
            "scores": rows @ toward.T,  # (2p + 1, n_heads)
            "w_v": w_v,
            "values": rows @ w_v,  # (2p + 1, n_heads d_head)
            "w_o": w_o,
            "o_in": w_o @ w["W_in"][0],  # (n_heads d_head, d_mlp)
            "o_u": w_o @ self._unembed,  # (n_heads d_head, vocab)
            "out_u": w["W_out"][0] @ self._unembed,  # (d_mlp, vocab)
            "b_in": equals @ w["W_in"][0] + w["b_in"][0],
            "b_u": (equals + w["b_out"][0]) @ self._unembed,
        }

    def _attend(self, t: Weights, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """-> z (n, n_heads d_head), pattern (n, 3 keys, n_heads)"""
        scores, values, p = t["scores"], t["values"], self._p
        s = torch.stack([scores[a], scores[p + b], scores[2 * p].expand(len(a), -1)], dim=1)
        pattern = s.softmax(1)
        shape = (len(a), self._heads, self._d_head)
        z = values[a].view(shape) * pattern[:, 0, :, None]
        z.addcmul_(values[p + b].view(shape), pattern[:, 1, :, None])
        z.addcmul_(values[2 * p].view(shape[1:]), pattern[:, 2, :, None])
        return z.view(len(a), -1), pattern

    def _read(self, t: Weights, z: Tensor) -> tuple[Tensor, Tensor]:
        """-> mlp_post (n, d_mlp), logits (n, vocab)"""
        post = product(z, t["o_in"].T, t["b_in"], relu=True)
        direct = product(z, t["o_u"].T, t["b_u"])
        return post, product(post, t["out_u"].T, plus=direct)

    def _loss(self, logits: Tensor) -> Tensor:
        """Float64 cross-entropy over p + 1 logits; leaves its gradient in `_d_logits`."""
        v, labels = self._p + 1, self._labels[:, None]
        shifted = (logits[:, :v] - logits[:, :v].amax(1, keepdim=True)).double()
        correct = shifted.gather(1, labels)
        exps = shifted.exp_()
        total = exps.sum(1, keepdim=True)
        loss = (total.log() - correct).mean()
        exps.div_(total).scatter_add_(1, labels, self._minus_one)
        torch.mul(exps, 1.0 / len(labels), out=exps)
        self._d_logits[:, :v] = exps
        return loss

    # -- backward ------------------------------------------------------------------------------------------

    def _read_backward(self, t: Weights, z: Tensor, post: Tensor) -> Tensor:
        """Gradients of MLP and unembedding.  -> d z (n, n_heads d_head)"""
        w, g, v = self._w, self._g, self._p + 1
        d_logits = self._d_logits
        d_pre = torch.ops.aten.threshold_backward(product(d_logits, t["out_u"]), post, 0)
        d_z = product(d_logits, t["o_u"], plus=product(d_pre, t["o_in"]))
        d_out_u = product(d_logits.T, post.T)[:v]  # (d_vocab, d_mlp)
        d_o_u = product(d_logits.T, z.T)[:v]  # (d_vocab, n_heads d_head)
        d_o_in = product(z.T, d_pre.T)  # (n_heads d_head, d_mlp)
        d_b_in, d_b_u = d_pre.sum(0), d_logits[:, :v].sum(0)
        w_in, w_u, w_out, b_out = w["W_in"][0], w["W_U"], w["W_out"][0], w["b_out"][0]
        torch.mm(d_out_u.T, w_u.T, out=g["W_out"][0])
        torch.mm(w_out.T, d_out_u.T, out=g["W_U"])
        g["W_U"].addmm_(t["w_o"].T, d_o_u.T).addr_(t["equals"] + b_out, d_b_u)
        torch.mm(t["w_o"].T, d_o_in, out=g["W_in"][0])
        g["W_in"][0].addr_(t["equals"], d_b_in)
        torch.mm(d_o_in, w_in.T, out=g["W_O"][0].view_as(t["w_o"]))
        g["W_O"][0].view_as(t["w_o"]).addmm_(d_o_u.T, w_u.T)
        g["b_in"][0].copy_(d_b_in)
        torch.mv(w_u, d_b_u, out=g["b_out"][0])
        self._d_equals = w_in @ d_b_in + g["b_out"][0]
        return d_z

    def _attend_backward(self, t: Weights, pattern: Tensor, d_z: Tensor) -> None:
        """Gradients of attention and embeddings, given d z."""
        w, g, p = self._w, self._g, self._p
        a, b, values = self._a, self._b, t["values"]
        shape = (len(a), self._heads, self._d_head)
        d_z = d_z.view(shape)
        d_values = torch.zeros_like(values)
        d_values.index_add_(0, a, (d_z * pattern[:, 0, :, None]).flatten(1))
        d_values.index_add_(0, p + b, (d_z * pattern[:, 1, :, None]).flatten(1))
        d_values[2 * p] = (d_z * pattern[:, 2, :, None]).sum(0).flatten()
        d_pattern = torch.stack(
            [
                (d_z * values[a].view(shape)).sum(-1),
                (d_z * values[p + b].view(shape)).sum(-1),
                (d_z * values[2 * p].view(shape[1:])).sum(-1),
            ],
            dim=1,
        )
        d_s = pattern * (d_pattern - (pattern * d_pattern).sum(1, keepdim=True))
        d_scores = torch.zeros_like(t["scores"])
        d_scores.index_add_(0, a, d_s[:, 0]).index_add_(0, p + b, d_s[:, 1])
        d_scores[2 * p] = d_s[:, 2].sum(0)
        d_toward = d_scores.T @ t["rows"] / math.sqrt(self._d_head)  # (n_heads, d_model)
        d_query = torch.matmul(d_toward[:, None], w["W_K"][0])[:, 0]  # (n_heads, d_head)
        torch.mul(d_toward[..., None], t["query"][:, None], out=g["W_K"][0])
        torch.mul(t["equals"][:, None], d_query[:, None], out=g["W_Q"][0])
        d_w_v = t["rows"].T @ d_values  # (d_model, n_heads d_head)
        g["W_V"][0].copy_(d_w_v.view(-1, self._heads, self._d_head).transpose(0, 1))
        d_rows = d_values @ t["w_v"].T + d_scores @ t["toward"]
        d_rows[2 * p] += self._d_equals + torch.matmul(w["W_Q"][0], d_query[..., None]).sum((0, 2))
        torch.add(d_rows[:p], d_rows[p : 2 * p], out=g["W_E"][:p])
        g["W_E"][p].copy_(d_rows[2 * p])
        g["W_pos"][0].copy_(d_rows[:p].sum(0))
        g["W_pos"][1].copy_(d_rows[p : 2 * p].sum(0))
        g["W_pos"][2].copy_(d_rows[2 * p])


def product(x: Tensor, w: Tensor, bias: Tensor | None = None, plus: Tensor | None = None, relu: bool = False) -> Tensor:
    """`x @ w.T (+ bias) (+ plus)`, then ReLU if asked.  x (n, in), w (out, in) -> (n, out)

    Through oneDNN where its float32 product is exact: it is twice as fast as MKL's on some processors.
    """
    if x.dtype == torch.float32 and onednn_is_exact():
        ops = torch.ops.mkldnn
        if plus is not None:
            summed: Tensor = ops._linear_pointwise.binary(x, plus, w, bias, "add")
            return summed
        result: Tensor = ops._linear_pointwise(x, w, bias, "relu" if relu else "none", [], "")
        return result
    y = torch.mm(x, w.T) if plus is None else torch.addmm(plus, x, w.T)
    if bias is not None:
        y += bias
    return y.relu_() if relu else y


@cache
def onednn_is_exact() -> bool:
    """Whether oneDNN is there and multiplies float32 as float32 on this machine (never silently in bfloat16)."""
    draw = torch.Generator().manual_seed(0)
    x, w = torch.randn(64, 512, generator=draw), torch.randn(128, 512, generator=draw)
    exact = x.double() @ w.double().T
    try:
        ours = torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], "")
    except (RuntimeError, AttributeError):
        return False
    return bool((ours - exact).norm() <= 1e-6 * exact.norm())
