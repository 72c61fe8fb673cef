"""One forward pass a checkpoint, remembered within a bound of bytes."""

from pathlib import Path

import numpy as np
import pytest

from engine import recording, replay
from engine.config import Config
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
