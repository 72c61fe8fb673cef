"""The estimate counts what the schedule will keep."""

from dataclasses import replace
from pathlib import Path

from engine import recording
from engine.config import Config
from engine.estimate import estimate, scheduled_checkpoints
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
