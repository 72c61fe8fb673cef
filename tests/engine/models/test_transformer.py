"""The model against a slow, obvious version of it, and its initialisation against the authors'."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.config import Config, preset
from engine.models.transformer import forward, initial_weights, shapes


def obvious(w: dict[str, Tensor], pairs: Tensor, c: Config) -> Tensor:
    """Every position, every layer, one head at a time."""
    tokens = torch.cat([pairs, torch.full((len(pairs), 1), c.p)], dim=1)
    x = w["W_E"][tokens] + w["W_pos"]

    def norm(name: str, layer: int | None, x: Tensor) -> Tensor:
        if not c.layer_norm:
            return x
        scale, shift = (w[f"{name}_{s}"] if layer is None else w[f"{name}_{s}"][layer] for s in "wb")
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * scale + shift

    for layer in range(c.n_layers):
        out = torch.zeros_like(x)
        normed = norm("ln1", layer, x)
        for h in range(c.n_heads):
            q, k, v = (normed @ w[f"W_{n}"][layer, h] for n in "QKV")
            scores = q @ k.transpose(1, 2)
            scores = scores.tril() - 1e10 * (1 - torch.ones(3, 3, dtype=scores.dtype).tril())
            out += (scores / math.sqrt(c.head_size)).softmax(-1) @ v @ w["W_O"][layer, h]
        x = x + out
        pre = norm("ln2", layer, x) @ w["W_in"][layer] + w["b_in"][layer]
        post = pre.clamp(min=0) if c.activation == "relu" else pre * 0.5 * (1 + torch.erf(pre / math.sqrt(2)))
        x = x + post @ w["W_out"][layer] + w["b_out"][layer]
    return (norm("ln_final", None, x) @ w["W_U"])[:, -1]


def double_weights(c: Config) -> dict[str, Tensor]:
    """Initial weights in float64, with biases and norms that are not trivial."""
    draw = torch.Generator().manual_seed(5)
    w = {name: tensor.double() for name, tensor in initial_weights(c).items()}
    for name in w:
        if name.startswith(("b_", "ln")):
            w[name] = w[name] + 0.3 * torch.randn(w[name].shape, generator=draw, dtype=torch.float64)
    return w


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_that_forward_is_the_obvious_transformer(n_layers: int, layer_norm: bool, activation: str) -> None:
    c = Config(
        p=7, d_model=12, n_heads=3, d_head=5, d_mlp=10, n_layers=n_layers, layer_norm=layer_norm, activation=activation
    )
    w = double_weights(c)
    pairs = torch.cartesian_prod(torch.arange(7), torch.arange(7))
    kept: dict[str, list[Tensor]] = {}
    torch.testing.assert_close(forward(w, pairs, c, kept), obvious(w, pairs, c), rtol=1e-12, atol=1e-12)
    assert [len(kept[name]) for name in ("scores", "pattern", "mlp_pre", "mlp_post")] == [n_layers] * 4
    for pattern, post in zip(kept["pattern"], kept["mlp_post"], strict=True):
        assert pattern.shape == (49, 3, 3)
        torch.testing.assert_close(pattern.sum(-1), torch.ones(49, 3, dtype=torch.float64))
        assert post.shape == (49, 10)


def test_that_the_paper_model_has_its_parameters() -> None:
    assert sum(math.prod(shape) for shape in shapes(preset("paper")).values()) == 226_816


def test_that_the_initialisation_is_the_papers_own(golden: Path) -> None:
    data = np.load(golden / "golden_mainline_300.npz")
    w = initial_weights(preset("paper"))
    block = "init.blocks.0."
    theirs = {
        "W_E": data["init.embed.W_E"].T,
        "W_pos": data["init.pos_embed.W_pos"],
        "W_Q": data[block + "attn.W_Q"].transpose(0, 2, 1)[None],
        "W_K": data[block + "attn.W_K"].transpose(0, 2, 1)[None],
        "W_V": data[block + "attn.W_V"].transpose(0, 2, 1)[None],
        "W_O": data[block + "attn.W_O"].T.reshape(1, 4, 32, 128),
        "W_in": data[block + "mlp.W_in"].T[None],
        "b_in": data[block + "mlp.b_in"][None],
        "W_out": data[block + "mlp.W_out"].T[None],
        "b_out": data[block + "mlp.b_out"][None],
        "W_U": data["init.unembed.W_U"],
    }
    for name, shape in shapes(preset("paper")).items():
        assert theirs[name].shape == shape
        assert np.array_equal(w[name].numpy(), theirs[name]), name


def test_that_initial_sizes_are_as_published() -> None:
    squares = {name: float(w.double().square().sum()) for name, w in initial_weights(preset("paper")).items()}
    assert sum(squares.values()) == pytest.approx(1783, abs=1)
    expected = {"W_E": 114, "W_pos": 3, "W_Q": 128, "W_O": 128, "W_in": 512, "W_out": 512, "W_U": 128}
    for name, value in expected.items():
        assert squares[name] == pytest.approx(value, rel=0.1), name
    assert squares["b_in"] == squares["b_out"] == 0


def test_that_seeds_differ_and_repeat() -> None:
    first, again, other = (initial_weights(Config(p=5, d_model=8, n_heads=2, model_seed=s)) for s in (1, 1, 2))
    assert torch.equal(first["W_E"], again["W_E"])
    assert not torch.equal(first["W_E"], other["W_E"])
