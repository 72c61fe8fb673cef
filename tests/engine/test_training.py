"""The generator, and the proof that it is the paper's training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine import training
from engine.config import Config, preset
from engine.models.transformer import forward, initial_weights
from engine.step import cross_entropy
from engine.tasks import examples
from engine.training import Checkpoint, Progress, Start, Trainer, TrainingError, train

SMALL = Config(
    p=7, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=16, lr=1e-2, epochs=40, checkpoint_every=10,
    dense_every=2, dense_until=6, transition_every=0, test_every=5, device="cpu",
)  # fmt: skip
PATHS = [SMALL, replace(SMALL, n_layers=2), replace(SMALL, layer_norm=True, activation="gelu")]


def checkpoints(config: Config, start: Start | None = None) -> list[Checkpoint]:
    return [event for event in train(config, start) if isinstance(event, Checkpoint)]


def test_that_checkpoints_follow_the_schedule_and_curves_have_no_gap() -> None:
    found = checkpoints(SMALL)
    assert [c.epoch for c in found] == [0, 2, 4, 10, 20, 30, 40]
    assert len(np.concatenate([c.train_losses for c in found])) == 40
    assert np.concatenate([c.test_epochs for c in found]).tolist() == list(range(0, 40, 5))
    assert found[0].train_losses.size == 0


def test_that_the_transition_is_kept_densely() -> None:
    config = replace(SMALL, epochs=60, checkpoint_every=60, dense_every=0, transition_every=3)
    found = checkpoints(config)
    between = [c for c in found if c.test is not None and 0.1 <= c.test.accuracy <= 0.99]
    assert {c.epoch for c in between} >= {c.epoch for c in found if c.epoch % 3 == 0} - {0, 60}
    assert len(between) > 3


def test_that_the_first_step_of_the_warm_up_moves_nothing() -> None:
    config = replace(SMALL, epochs=3, dense_every=1, dense_until=4, warmup=2)
    found = checkpoints(config)
    assert all(np.array_equal(found[0].weights[n], found[1].weights[n]) for n in found[0].weights)
    assert not np.array_equal(found[1].weights["W_E"], found[2].weights["W_E"])
    losses = np.concatenate([c.train_losses for c in found])
    assert losses[0] == losses[1]
    trainer = Trainer(config)
    rates = [trainer.rate() for _ in range(4) if trainer.advance() is not None]
    assert rates == pytest.approx([0.5e-2, 1e-2, 1e-2, 1e-2])


@pytest.mark.parametrize("config", PATHS, ids=lambda c: f"{c.n_layers}-{c.activation}")
def test_that_resuming_repeats_the_run_bit_for_bit(config: Config) -> None:
    whole = checkpoints(config)
    middle = whole[4]
    start = Start(middle.epoch, middle.weights, middle.optimizer, announced=True)
    rest = checkpoints(config, start)
    assert [c.epoch for c in rest] == [c.epoch for c in whole[5:]]
    for ours, theirs in zip(rest, whole[5:], strict=True):
        assert ours.train == theirs.train
        assert ours.test == theirs.test
        assert np.array_equal(ours.train_losses, theirs.train_losses)
        for name in theirs.weights:
            assert np.array_equal(ours.weights[name], theirs.weights[name])
        for name in theirs.optimizer:
            assert np.array_equal(ours.optimizer[name], theirs.optimizer[name])


def test_that_progress_comes_after_the_first_step_past_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "YIELD_SECONDS", 0.0)
    progress = [event for event in train(SMALL) if isinstance(event, Progress)]
    assert [p.epoch for p in progress] == list(range(1, 41))
    assert progress[-1].test_loss is not None
    monkeypatch.setattr(training, "YIELD_SECONDS", 1e9)
    assert not [event for event in train(SMALL) if isinstance(event, Progress)]


@pytest.mark.parametrize("config", PATHS, ids=lambda c: f"{c.n_layers}-{c.activation}")
def test_that_float64_training_is_a_plain_float64_models(config: Config) -> None:
    trainer = Trainer(config, dtype=torch.float64)
    losses = [float(trainer.advance()) for _ in range(30)]
    assert losses == pytest.approx(plain_losses(config, 30), rel=1e-9)


def plain_losses(config: Config, epochs: int) -> list[float]:
    """The same run as anyone would write it: autograd, AdamW, LambdaLR, in float64."""
    w = {n: torch.nn.Parameter(t.double()) for n, t in initial_weights(config).items()}
    optimizer = torch.optim.AdamW(
        w.values(), lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, foreach=False
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(step / config.warmup, 1))
    data = examples(config.operation, config.p, config.train_fraction, config.data_seed)[0]
    pairs, labels = torch.from_numpy(data.pairs), torch.from_numpy(data.labels)
    losses = []
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = cross_entropy(forward(dict(w), pairs, config), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(float(loss.detach()))
        optimizer.step()
        schedule.step()
    return losses


def test_that_it_follows_the_authors_own_training(golden: Path) -> None:
    theirs = np.load(golden / "golden_mainline_300.npz")["train_loss"]
    trainer = Trainer(replace(preset("paper"), device="cpu"))
    ours = np.array([float(trainer.advance()) for _ in range(100)])
    off = np.abs(ours / theirs[:100] - 1)
    assert off[:51].max() <= 2e-4
    assert off.max() <= 1e-2


def test_that_the_papers_float64_step_is_a_plain_models() -> None:
    config = replace(preset("paper"), device="cpu")
    trainer = Trainer(config, dtype=torch.float64)
    ours = [float(trainer.advance()) for _ in range(30)]
    assert ours == pytest.approx(plain_losses(config, 30), rel=1e-9)


def test_that_a_loss_that_explodes_ends_the_run_in_words() -> None:
    config = replace(SMALL, lr=1e30, weight_decay=0, epochs=200, checkpoint_every=200, dense_every=0, warmup=0)
    with pytest.raises(TrainingError, match="no longer finite at epoch"):
        checkpoints(config)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_that_a_missing_device_is_said() -> None:
    with pytest.raises(TrainingError, match="no CUDA device"):
        Trainer(replace(SMALL, device="cuda"))
    assert Trainer(replace(SMALL, device="auto")).environment()["device"] == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_that_cuda_trains_and_repeats_itself() -> None:
    config = replace(SMALL, device="cuda")
    first, again = checkpoints(config), checkpoints(config)
    assert np.array_equal(first[-1].weights["W_E"], again[-1].weights["W_E"])


def test_that_what_does_not_fit_in_memory_is_refused() -> None:
    with pytest.raises(TrainingError, match="GiB"):
        Trainer(replace(SMALL, p=100_003, device="cpu"))


def test_that_a_whole_training_set_leaves_no_test_loss() -> None:
    found = checkpoints(replace(SMALL, train_fraction=1.0))
    assert all(c.test is None and c.test_losses.size == 0 for c in found)
