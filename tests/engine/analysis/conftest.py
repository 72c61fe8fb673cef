"""Runs held in memory: given weights, random ones, a clock built by hand, and the authors' model."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.analysis.characters import characters
from engine.config import Config, preset
from engine.models.transformer import initial_weights, shapes
from engine.runfile import Run

Arrays = dict[str, NDArray[Any]]


class HeldRun(Run):
    """One checkpoint, at epoch 0, without a file."""

    def __init__(self, config: Config, weights: Arrays) -> None:
        self.config = config
        self.id = str(uuid.uuid4())
        self._epochs = np.zeros(1, dtype=np.int64)
        self._held, self._own = weights, True
        assert {name: w.shape for name, w in weights.items()} == shapes(config)

    def weights(self, step: int) -> Arrays:
        return self._held

    def weight(self, name: str, step: int) -> NDArray[Any]:
        return self._held[name]


@pytest.fixture(scope="session")
def held_run() -> Callable[[Config, Arrays], Run]:
    return HeldRun


@pytest.fixture(scope="session")
def random_run() -> Callable[..., Run]:
    """A run of random weights, large enough that attention and ReLU do something."""

    def make(config: Config, seed: int = 0) -> Run:
        draw = np.random.default_rng(seed)
        weights = {n: w.double().numpy() + 0.3 * draw.normal(size=w.shape) for n, w in initial_weights(config).items()}
        return HeldRun(config, weights)

    return make


@pytest.fixture(scope="session")
def clock_run() -> Callable[..., Run]:
    """The paper's algorithm by hand (sec. 4.2): W_E circles, even attention, neurons ReLU(cos(wi + φ) + cos(wj + φ)),
    which write cos(wc + 2φ); φ evenly spaced, 8 neurons a frequency."""

    def make(operation: str, p: int, amplitudes: dict[int, float]) -> Run:
        each, width = 8, 4 * len(amplitudes)
        config = Config(
            operation=operation, p=p, train_fraction=0.5, d_model=width, n_heads=1, d_mlp=each * len(amplitudes)
        )
        x = characters(config)
        weights = {name: np.zeros(shape) for name, shape in shapes(config).items()}
        weights["W_V"][0, 0] = weights["W_O"][0, 0] = np.eye(width)
        phi = 2 * np.pi * np.arange(each) / each
        for m, (k, amplitude) in enumerate(amplitudes.items()):
            angle = 2 * np.pi * k * np.arange(x.n) / x.n
            neurons = slice(each * m, each * (m + 1))
            weights["W_E"][x.elements, 4 * m] = np.cos(angle)
            weights["W_E"][x.elements, 4 * m + 1] = np.sin(angle)
            weights["W_in"][0, 4 * m : 4 * m + 2, neurons] = 3 * np.stack([np.cos(phi), -np.sin(phi)])
            weights["W_out"][0, neurons, 4 * m + 2 : 4 * m + 4] = np.stack([np.cos(2 * phi), -np.sin(2 * phi)], axis=1)
            weights["W_U"][4 * m + 2, x.elements] = amplitude * np.cos(angle)
            weights["W_U"][4 * m + 3, x.elements] = amplitude * np.sin(angle)
        return HeldRun(config, weights)

    return make


@pytest.fixture
def authors_run(golden: Path) -> Run:
    """The authors' low-precision model, in our orientation."""
    state = torch.load(golden / "low_precision_mod_addition.pth", weights_only=True, map_location="cpu")["model"]
    block = "blocks.0."
    w = {"W_E": state["embed.W_E"].T, "W_pos": state["pos_embed.W_pos"], "W_U": state["unembed.W_U"]}
    w |= {f"W_{n}": state[f"{block}attn.W_{n}"].transpose(1, 2)[None] for n in "QKV"}
    w |= {"W_O": state[block + "attn.W_O"].T.reshape(1, 4, 32, 128)}
    w |= {f"W_{n}": state[f"{block}mlp.W_{n}"].T[None] for n in ("in", "out")}
    w |= {f"b_{n}": state[f"{block}mlp.b_{n}"][None] for n in ("in", "out")}
    return HeldRun(
        preset("paper", data_seed=1), {name: tensor.float().contiguous().numpy() for name, tensor in w.items()}
    )
