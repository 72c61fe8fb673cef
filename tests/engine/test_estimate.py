"""The estimate counts what the schedule will keep."""

from dataclasses import replace
from pathlib import Path

from engine import recording
from engine.config import Config
from engine.estimate import estimate, estimate_replay, scheduled_checkpoints
from engine.runfile import Run

SMALL = Config(
    p=7, d_model=16, n_heads=2, d_mlp=32, epochs=2300, checkpoint_every=100, dense_every=7, dense_until=150,
    transition_every=0, train_fraction=0.5,
)  # fmt: skip


def test_that_checkpoints_and_bytes_are_what_the_run_keeps(tmp_path: Path) -> None:
    for _ in recording.start(SMALL, tmp_path / "run.h5").events():
        pass
    assert scheduled_checkpoints(SMALL) == Run.open(tmp_path / "run.h5").n_checkpoints
    found = estimate(SMALL)
    assert 0.5 < found.bytes / (tmp_path / "run.h5").stat().st_size < 1.5
    assert found.seconds > 0


def test_that_a_run_of_no_epochs_keeps_one_checkpoint() -> None:
    assert scheduled_checkpoints(replace(SMALL, epochs=0)) == 1


def test_that_a_fork_is_estimated_from_where_it_begins(tmp_path: Path) -> None:
    parent, path = replace(SMALL, epochs=130), tmp_path / "parent.h5"
    for _ in recording.start(parent, path).events():
        pass
    fork = recording.fork(Run.open(path), tmp_path / "fork.h5", 119, {"epochs": 330}, say=lambda text: None)
    for _ in fork.events():
        pass
    assert scheduled_checkpoints(replace(SMALL, epochs=330), 119) == fork.run.n_checkpoints
    assert estimate(replace(SMALL, epochs=330), 119).bytes < estimate(replace(SMALL, epochs=330)).bytes


def test_that_replaying_more_takes_longer() -> None:
    assert estimate_replay(SMALL, 100_000, 0) > estimate_replay(SMALL, 100, 0) > 0
