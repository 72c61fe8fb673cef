"""One forward pass a checkpoint, remembered within a bound of bytes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine import recording, replay
from engine.config import Config
from engine.models.transformer import forward
from engine.runfile import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    config = Config(p=7, d_model=8, n_heads=2, d_mlp=12, epochs=40, checkpoint_every=10, dense_every=0, device="cpu")
    for _ in recording.start(config, tmp_path / "run.h5").events():
        pass
    return Run.open(tmp_path / "run.h5", probe=False)


def test_that_a_pass_is_made_once_and_forgotten_on_demand(run: Run) -> None:
    first = replay.activations(run, 2)
    assert first.logits.shape == (49, 7)
    assert first.mlp_post.shape == (1, 49, 12)
    assert first.pattern.shape == (1, 49, 2, 3)
    assert replay.activations(run, 2) is first
    assert replay.activations(run, 2, exact=False).logits.dtype == np.float32
    replay.forget(run)
    assert replay.activations(run, 2) is not first


def test_that_the_memory_is_bounded_in_bytes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    size = replay._size(replay.activations(run, 0))
    replay.forget(run)
    monkeypatch.setattr(replay, "_cache", type(replay._cache)())
    monkeypatch.setattr(replay, "CACHE_BYTES", 2 * size)
    found = [replay.activations(run, step) for step in range(4)]
    assert replay.activations(run, 3) is found[3]
    assert replay.activations(run, 2) is found[2]
    assert replay.activations(run, 0) is not found[0]
    monkeypatch.setattr(replay, "CACHE_BYTES", 1)
    newest = replay.activations(run, 1)
    assert replay.activations(run, 1) is newest


@pytest.mark.parametrize("layers", [1, 2])
def test_that_drawing_needs_no_logits_and_adds_up_to_the_whole_pass(tmp_path: Path, layers: int) -> None:
    config = Config(
        p=7, d_model=8, n_heads=2, d_mlp=12, n_layers=layers, epochs=10, checkpoint_every=10, dense_every=0,
        device="cpu",
    )  # fmt: skip
    for _ in recording.start(config, tmp_path / "run.h5").events():
        pass
    run = Run.open(tmp_path / "run.h5", probe=False)
    hidden, exact = replay.drawn(run, 1), replay.activations(run, 1)
    assert hidden.mlp_post.shape == (layers, 49, 12)
    np.testing.assert_allclose(hidden.mlp_post, exact.mlp_post, atol=1e-5)
    np.testing.assert_allclose(hidden.pattern, exact.pattern, atol=1e-6)
    whole = replay.activations(run, 1, exact=False)
    np.testing.assert_allclose(whole.logits, exact.logits, atol=1e-5)
    assert whole.logits.dtype == whole.mlp_post.dtype == np.float32
    replay.forget(run)
    assert not [key for key in replay._hidden if key[0] == run]


@pytest.mark.parametrize("changes", [{}, {"activation": "gelu"}, {"layer_norm": True}], ids=str)
def test_that_attention_can_be_given(changes: dict[str, object], tmp_path: Path) -> None:
    config = Config(
        **{"p": 7, "d_model": 8, "n_heads": 2, "d_mlp": 12, "epochs": 20, "checkpoint_every": 10, "dense_every": 0,
           "device": "cpu"} | changes
    )  # fmt: skip
    for _ in recording.start(config, tmp_path / "run.h5").events():
        pass
    run = Run.open(tmp_path / "run.h5", probe=False)
    own = replay.activations(run, 2)
    assert replay.attending(run, 2, own.pattern[0]) == pytest.approx(own.logits, abs=1e-10)
    other = np.random.default_rng(0).dirichlet((1, 1, 1), size=(49, 2))
    w = {name: torch.from_numpy(array).double() for name, array in run.weights(2).items()}
    pairs = torch.cartesian_prod(torch.arange(7), torch.arange(7))
    truth = forward(w, pairs, config, pattern=torch.from_numpy(other))[:, :7].numpy()
    assert replay.attending(run, 2, other) == pytest.approx(truth, abs=1e-10)
    replay.forget(run)
    assert replay.activations(run, 2).logits == pytest.approx(own.logits, abs=1e-12)  # nothing of it is left behind
