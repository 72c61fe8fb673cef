"""Neuron frequencies on planted neurons, against a slow version, and on the authors' model."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.analysis.neurons import from_values
from engine.analysis.progress import cross_entropy, sum_part
from engine.config import preset
from engine.fourier import fourier_basis, frequencies
from engine.models.transformer import forward
from engine.tasks import examples


@pytest.mark.parametrize("p", [3, 7, 12, 113])
def test_that_a_planted_neuron_has_its_frequency(p: int) -> None:
    a, b = np.divmod(np.arange(p * p), p)
    for k in (1, p // 2):
        w = 2 * np.pi * k / p
        wave = 3 + np.cos(w * a) + np.cos(w * b) + np.cos(w * a) * np.cos(w * b)
        found = from_values(np.stack([wave, wave * -2], axis=1), p)
        assert found.frequency.tolist() == [k, k]
        assert found.fve == pytest.approx([1, 1], abs=1e-12)
        assert found.key_frequencies() == {k: 2}


def test_that_a_dead_neuron_has_no_frequency() -> None:
    values = np.zeros((49, 3))
    values[:, 1] = 5.0
    values[3, 2] = 1.0
    found = from_values(values, 7)
    assert found.frequency.tolist()[:2] == [0, 0]
    assert found.fve.tolist()[:2] == [0, 0]
    assert found.frequency[2] > 0
    assert 0 not in found.key_frequencies(threshold=0.0)


@pytest.mark.parametrize("p", [5, 6])
def test_that_shares_equal_the_slow_obvious_ones(p: int) -> None:
    values = np.random.default_rng(1).normal(size=(p * p, 4))
    found = from_values(values, p)
    basis = fourier_basis(p)
    for n in range(4):
        centred = (values[:, n] - values[:, n].mean()).reshape(p, p)
        full = basis @ centred @ basis.T
        for k in frequencies(p):
            rows = [2 * k - 1] if 2 * k == p else [2 * k - 1, 2 * k]
            block = [(i, 0) for i in rows] + [(0, j) for j in rows] + [(i, j) for i in rows for j in rows]
            share = sum(full[i, j] ** 2 for i, j in block) / (centred**2).sum()
            assert found.by_frequency[n, k - 1] == pytest.approx(share, rel=1e-12)


def test_that_the_authors_model_has_the_published_numbers(golden: Path) -> None:
    expected = json.loads((golden / "expected_low_precision.json").read_text())
    state = torch.load(golden / "low_precision_mod_addition.pth", weights_only=True, map_location="cpu")["model"]
    c = preset("paper", data_seed=1)
    block = "blocks.0."
    w = {"W_E": state["embed.W_E"].T, "W_pos": state["pos_embed.W_pos"], "W_U": state["unembed.W_U"]}
    w |= {f"W_{n}": state[f"{block}attn.W_{n}"].transpose(1, 2)[None] for n in "QKV"}
    w |= {"W_O": state[block + "attn.W_O"].T.reshape(1, 4, 32, 128)}
    w |= {f"W_{n}": state[f"{block}mlp.W_{n}"].T[None] for n in ("in", "out")}
    w |= {f"b_{n}": state[f"{block}mlp.b_{n}"][None] for n in ("in", "out")}
    kept: dict[str, list[torch.Tensor]] = {}
    pairs = torch.cartesian_prod(torch.arange(113), torch.arange(113))
    logits = forward({n: t.double() for n, t in w.items()}, pairs, c, kept)[:, :113].numpy()
    neurons = from_values(kept["mlp_post"][0].numpy(), 113)
    assert {str(k): n for k, n in neurons.key_frequencies().items()} == expected["key_frequencies"]
    assert neurons.frequency[:8].tolist() == expected["neuron_freq_first8"]
    assert neurons.fve[:8] == pytest.approx(expected["neuron_fve_first8"], rel=1e-9)
    assert neurons.fve.mean() == pytest.approx(expected["fve_mean"], rel=1e-9)
    train, test = examples("add", 113, 0.3, 1)
    part, everything = sum_part(logits, 113, neurons.key_frequencies()), sum_part(logits, 113, frequencies(113))
    for name, got in {
        "loss_train": cross_entropy(logits, train, 113),
        "loss_test": cross_entropy(logits, test, 113),
        "restricted_loss_test": cross_entropy(part + logits.mean(axis=0), test, 113),
        "excluded_loss_key_train": cross_entropy(logits - part, train, 113),
        "excluded_loss_all_frequencies_train": cross_entropy(logits - everything, train, 113),
    }.items():
        assert got == pytest.approx(expected[name], rel=1e-7), name
