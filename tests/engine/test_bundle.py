"""A small copy for shipping is a run of its own, and says that it is rounded."""

from pathlib import Path

import numpy as np
import pytest

from engine import recording
from engine.analysis.progress_curves import loss_and_progress
from engine.bundle import write_bundle
from engine.config import Config
from engine.runfile import Run, RunError
from engine.traces import Traces, measure_all

SMALL = Config(p=7, d_model=8, n_heads=2, d_mlp=8, epochs=40, checkpoint_every=10, dense_every=0, train_fraction=0.5)


def test_that_a_bundle_is_a_sound_run_with_rounded_weights(tmp_path: Path) -> None:
    for _ in recording.start(SMALL, tmp_path / "run.h5").events():
        pass
    run = Run.open(tmp_path / "run.h5")
    write_bundle(run, tmp_path / "small.h5", [0, 2, 4])
    small = Run.open(tmp_path / "small.h5")
    assert small != run
    assert small.reduced_precision
    assert not run.reduced_precision
    assert small.epochs.tolist() == [0, 20, 40]
    assert small.checksum_errors() == []
    assert small.optimizer() is None
    assert small.train_curve() is None
    assert small.test_curve() is None
    assert small.kept_optimizers() == []
    for step, original in enumerate((0, 2, 4)):
        for name, value in small.weights(step).items():
            assert value.dtype == np.float32
            assert np.array_equal(value, run.weight(name, original).astype(np.float16).astype(np.float32))
        for name in ("train_loss", "test_accuracy"):
            theirs, ours = run.scalars(name), small.scalars(name)
            assert theirs is not None
            assert ours is not None
            assert ours[step] == theirs[original]
    with pytest.raises(RunError, match="optimiser state"):
        recording.resume(tmp_path / "small.h5", epochs=60)
    with pytest.raises(RunError, match="exists"):
        write_bundle(run, tmp_path / "small.h5", [0])


def test_that_a_fork_of_a_bundle_starts_with_a_fresh_optimiser(tmp_path: Path) -> None:
    for _ in recording.start(SMALL, tmp_path / "run.h5").events():
        pass
    write_bundle(Run.open(tmp_path / "run.h5"), tmp_path / "small.h5", [0, 4])
    fork = recording.fork(Run.open(tmp_path / "small.h5"), tmp_path / "fork.h5", 40, {"epochs": 60, "lr": 1e-2})
    for _ in fork.events():
        pass
    assert Run.open(tmp_path / "fork.h5").epochs.tolist() == [40, 50, 60]


def test_that_a_bundle_ships_the_curves_of_all_checkpoints(tmp_path: Path) -> None:
    for _ in recording.start(SMALL, tmp_path / "run.h5").events():
        pass
    run = Run.open(tmp_path / "run.h5")
    own = Traces(run)
    list(measure_all(own, (1, 2)))
    write_bundle(run, tmp_path / "small.h5", [0, 4], own)
    small = Traces(Run.open(tmp_path / "small.h5"))
    assert not small.kept
    assert small.missing((1,)) == []
    assert small.epochs.tolist() == run.epochs.tolist()
    for name in own.names():
        ours, theirs = own.column(name), small.column(name)
        if name == "table":
            assert theirs is None
            continue
        assert ours is not None
        assert theirs is not None
        assert theirs == pytest.approx(ours, rel=1e-6)
    other = small.restricted((3,))
    exact = own.restricted((3,))
    assert other is not None
    assert exact is not None
    assert other.epochs.tolist() == [0, 40]
    assert other.loss["every"] == pytest.approx(exact.loss["every"][[0, 4]], rel=1e-5)
    assert not (tmp_path / "small.traces.h5").exists()


def test_that_a_bundles_loss_curves_have_all_checkpoints(tmp_path: Path) -> None:
    for _ in recording.start(SMALL, tmp_path / "run.h5").events():
        pass
    run = Run.open(tmp_path / "run.h5")
    own = Traces(run)
    list(measure_all(own))
    write_bundle(run, tmp_path / "small.h5", [0, 2, 4], own)
    small = Run.open(tmp_path / "small.h5")
    found = loss_and_progress(small, 2, Traces(small), None, 0).loss
    assert found.test_loss is not None
    assert found.test_loss.epochs.tolist() == [0, 10, 20]
    exact = run.scalars("test_loss")
    assert exact is not None
    assert found.test_loss.values == pytest.approx(exact[:3], rel=1e-5)
