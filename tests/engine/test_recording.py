"""A run that was stopped, forked or refused by the disk ends as one that was not."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import disk, recording, runwriter
from engine.config import Config, ConfigError
from engine.runfile import Run, RunError
from engine.runwriter import NoSpace, RunWriter
from engine.tasks import examples
from engine.training import Checkpoint, TrainingError

CONFIG = Config(
    p=7, d_model=8, n_heads=2, d_mlp=16, epochs=30, train_fraction=0.5, checkpoint_every=5, dense_every=0,
    dense_until=0, transition_every=0, test_every=5, device="cpu",
)  # fmt: skip
QUIET: Callable[[str], None] = lambda text: None  # noqa: E731


@pytest.fixture(autouse=True)
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runfile.probe_file", lambda path: None)


@pytest.fixture
def whole(tmp_path: Path) -> Run:
    """The uninterrupted run."""
    finish(recording.start(CONFIG, tmp_path / "whole.h5"))
    return Run.open(tmp_path / "whole.h5")


def finish(new: recording.Recording) -> Run:
    for event in new.events():
        assert not isinstance(event, NoSpace)
    return new.run


def stop_at(new: recording.Recording, epoch: int) -> None:
    events = new.events()
    for event in events:
        if isinstance(event, Checkpoint) and event.epoch == epoch:
            events.close()
            return


def same(one: Run, other: Run, begin: int = 0, last: int | None = None) -> None:
    """Both hold the same numbers from epoch `begin` to `last`."""
    assert one.checksum_errors() == other.checksum_errors() == []
    epochs = [e for e in one.epochs.tolist() if begin <= e and (last is None or e <= last)]
    assert epochs == [e for e in other.epochs.tolist() if begin <= e and (last is None or e <= last)]
    assert epochs
    for epoch in epochs:
        i, j = one.step_at(epoch), other.step_at(epoch)
        a, b = one.weights(i), other.weights(j)
        assert all(np.array_equal(a[name], b[name]) for name in a), epoch
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            assert one.scalars(name)[i] == other.scalars(name)[j], (epoch, name)
    curves = [run.train_curve()[begin - run.origin.epoch : epochs[-1] - run.origin.epoch] for run in (one, other)]
    assert len(curves[0]) == epochs[-1] - begin
    assert np.array_equal(*curves)
    tests = []
    for run in (one, other):
        at, losses = run.test_curve()
        tests.append([(e, x) for e, x in zip(at.tolist(), losses.tolist(), strict=True) if begin <= e < epochs[-1]])
    assert tests[0] == tests[1] != []
    if last is None:
        a, b = one.optimizer(), other.optimizer()
        assert all(np.array_equal(a[name], b[name]) for name in a)


# -- resume ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [0, 5, 20, 25])
def test_that_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, whole: Run, epoch: int) -> None:
    path = tmp_path / "run.h5"
    stop_at(recording.start(CONFIG, path), epoch)
    assert Run.open(path).status().state == "interrupted"
    before = Run.open(path).id
    run = finish(recording.resume(path, say=QUIET))
    assert run.id == before
    assert run.status().state == "finished"
    assert [s["from_epoch"] for s in run.segments] == [0, epoch]
    same(run, whole)


def test_that_a_run_can_be_stopped_and_resumed_again_and_again(tmp_path: Path, whole: Run) -> None:
    path = tmp_path / "run.h5"
    stop_at(recording.start(CONFIG, path), 0)
    for epoch in (5, 10, 15):
        stop_at(recording.resume(path, say=QUIET), epoch)
    same(finish(recording.resume(path, say=QUIET)), whole)


def test_that_a_finished_run_goes_on_to_a_later_epoch(tmp_path: Path, whole: Run) -> None:
    path = tmp_path / "run.h5"
    finish(recording.start(replace(CONFIG, epochs=15), path))
    with pytest.raises(RunError, match="has reached epoch 15 already"):
        recording.resume(path, say=QUIET)
    run = finish(recording.resume(path, epochs=30, say=QUIET))
    assert Run.open(path).config == CONFIG
    same(run, whole)


def test_that_a_run_killed_before_its_first_checkpoint_starts_over(tmp_path: Path, whole: Run) -> None:
    path = tmp_path / "run.h5"
    recording.start(CONFIG, path).close(recording.Status("interrupted"))
    assert Run.open(path).n_checkpoints == 0
    same(finish(recording.resume(path, say=QUIET)), whole)


def test_that_a_run_that_is_being_trained_cannot_be_resumed(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    new = recording.start(CONFIG, path)
    events = new.events()
    next(events)
    assert Run.open(path).status().state == "running"
    with pytest.raises(RunError, match="is being written"):
        recording.resume(path, say=QUIET)
    events.close()
    assert new.run.epochs.tolist() == [0]


def test_that_a_run_that_went_on_meanwhile_is_not_written_over(
    tmp_path: Path, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process finishes the run between the reading of its state and the taking of its lock."""
    path = tmp_path / "run.h5"
    stop_at(recording.start(CONFIG, path), 10)
    take = RunWriter.resume

    def late(*arguments: object) -> RunWriter:
        monkeypatch.setattr(RunWriter, "resume", take)
        finish(recording.resume(path, say=QUIET))
        return take(*arguments)

    monkeypatch.setattr(RunWriter, "resume", late)
    with pytest.raises(RunError, match="try again"):
        recording.resume(path, say=QUIET)
    same(Run.open(path), whole)


def test_that_another_environment_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.h5"
    stop_at(recording.start(CONFIG, path), 10)
    monkeypatch.setattr("engine.training.torch.__version__", "9.9")
    said: list[str] = []
    recording.resume(path, say=said.append).close(recording.Status("interrupted"))
    assert len(said) == 1
    assert "Not bit-exact" in said[0]
    assert "→ 9.9" in said[0]


def test_that_a_run_without_its_optimisers_state_is_not_resumed(tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "run.h5"
    stop_at(recording.start(CONFIG, path), 10)
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        del file["optimizer"]
    with pytest.raises(RunError, match="no optimiser state"):
        recording.resume(path, say=QUIET)


def test_that_a_failed_run_says_why_and_keeps_its_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.h5"
    new = recording.start(CONFIG, path)
    advance = new.trainer.advance

    def fail() -> object:
        if new.trainer.epoch == 12:
            raise TrainingError("the loss is no longer finite at epoch 12.")
        return advance()

    monkeypatch.setattr(new.trainer, "advance", fail)
    with pytest.raises(TrainingError):
        finish(new)
    run = Run.open(path)
    assert run.status() == recording.Status("failed", "the loss is no longer finite at epoch 12.")
    assert run.epochs.tolist() == [0, 5, 10]
    assert run.checksum_errors() == []


def test_that_a_run_without_a_test_set_has_none_instead_of_nan(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    config = replace(CONFIG, train_fraction=1.0)
    stop_at(recording.start(config, path), 10)
    run = finish(recording.resume(path, say=QUIET))
    assert run.scalars("test_loss") is None
    assert run.scalars("test_accuracy") is None
    assert run.test_curve() is None
    assert np.isfinite(run.scalars("train_loss")).all()
    assert run.checksum_errors() == []


# -- fork -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [0, 10, 15, 20, 25, 30], ids=str)
def test_that_an_unchanged_fork_is_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """States are kept at 0, 10 and 20; 15 and 25 are replayed, 30 is the last."""
    monkeypatch.setattr(runwriter, "KEEP_EVERY", 10)
    finish(recording.start(replace(CONFIG, epochs=40), tmp_path / "long.h5"))
    finish(recording.start(CONFIG, tmp_path / "parent.h5"))
    parent = Run.open(tmp_path / "parent.h5")
    assert [int(parent.epochs[i]) for i in parent.kept_optimizers()] == [0, 10, 20, 30]
    said: list[str] = []
    run = finish(recording.fork(parent, tmp_path / "fork.h5", epoch, {"epochs": 40}, say=said.append))
    assert len(said) == (1 if epoch in (15, 25) else 0)
    assert run.origin == recording.Origin(epoch, parent.id, 0, "kept")
    assert run.id != parent.id
    same(run, Run.open(tmp_path / "long.h5"), epoch)


def test_that_a_fork_of_a_fork_in_its_warm_up_is_the_parent(tmp_path: Path, whole: Run) -> None:
    first = finish(recording.fork(whole, tmp_path / "first.h5", 5, say=QUIET))
    same(finish(recording.fork(first, tmp_path / "second.h5", 10, say=QUIET)), whole, 10)


def test_that_a_stopped_fork_resumes_to_the_same_end(tmp_path: Path, whole: Run) -> None:
    stop_at(recording.fork(whole, tmp_path / "fork.h5", 10, {"weight_decay": 0.0}, say=QUIET), 20)
    finish(recording.fork(whole, tmp_path / "other.h5", 10, {"weight_decay": 0.0}, say=QUIET))
    run = finish(recording.resume(tmp_path / "fork.h5", say=QUIET))
    assert run.origin.parent == whole.id
    same(run, Run.open(tmp_path / "other.h5"), 10)


def test_that_a_changed_fork_begins_with_those_weights_and_warms_up_again(tmp_path: Path, whole: Run) -> None:
    new = recording.fork(whole, tmp_path / "fork.h5", 15, {"weight_decay": 0.5}, say=QUIET)
    assert new.trainer.rate() == 0
    run = finish(new)
    assert run.origin == recording.Origin(15, whole.id, 15, "fresh")
    assert run.config.weight_decay == 0.5
    assert run.epochs.tolist() == [15, 20, 25, 30]
    begin, there = run.weights(0), whole.weights(whole.step_at(15))
    assert all(np.array_equal(begin[name], there[name]) for name in there)
    assert any(not np.array_equal(run.weights(1)[name], whole.weights(4)[name]) for name in there)


def test_that_a_fork_of_a_growing_run_never_takes_a_later_state(tmp_path: Path, whole: Run) -> None:
    """The optimiser's place for epoch 10 holds that of epoch 20 by then: it is replayed instead."""
    path = tmp_path / "run.h5"
    events = recording.start(CONFIG, path).events()
    _to(events, 10)
    parent = Run.open(path)
    assert parent.optimizer() is not None
    _to(events, 20)
    assert parent.n_checkpoints == 3
    assert parent.optimizer() is None
    said: list[str] = []
    fork = finish(recording.fork(parent, tmp_path / "fork.h5", 10, say=said.append))
    assert said == ["Replaying epochs 0 to 10 to recover the optimiser's state …"]
    same(fork, whole, 10)
    events.close()


def _to(events: Iterator[object], epoch: int) -> None:
    for event in events:
        if isinstance(event, Checkpoint) and event.epoch == epoch:
            return


@pytest.mark.parametrize(
    ("changes", "epoch", "error", "message"),
    [
        ({"d_model": 16}, 15, ConfigError, "keeps its parent's model"),
        ({"d_mlp": 8}, 15, ConfigError, "keeps its parent's model"),
        ({"p": 11}, 15, ConfigError, "keeps its parent's model"),
        ({"operation": "subtract"}, 15, ConfigError, "keeps its parent's model"),
        ({"epochs": 15}, 15, ConfigError, "must be above 15"),
        ({}, 30, ConfigError, "must be above 30"),
        ({}, 16, RunError, "no checkpoint at epoch 16; the nearest: 15, 20"),
    ],
)
def test_that_an_impossible_fork_is_one_sentence(
    tmp_path: Path, whole: Run, changes: dict[str, object], epoch: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        recording.fork(whole, tmp_path / "fork.h5", epoch, changes, say=QUIET)
    assert not (tmp_path / "fork.h5").exists()


def test_that_a_fork_of_a_random_table_keeps_its_table() -> None:
    """There the seed of the data makes the task itself."""
    with pytest.raises(ConfigError, match="keeps its parent's model and task"):
        recording.forked(replace(CONFIG, operation="random"), 5, {"data_seed": 1})
    assert recording.forked(CONFIG, 5, {"data_seed": 1}).data_seed == 1


def test_that_a_fork_with_more_pairs_trains_on_its_parents_and_more(tmp_path: Path, whole: Run) -> None:
    """The authors' shuffle with another fraction: a superset, or a subset."""
    trained = {tuple(pair) for pair in examples("add", 7, 0.5, 0)[0].pairs.tolist()}
    for fraction in (0.8, 0.3):
        new = recording.fork(whole, tmp_path / f"{fraction}.h5", 15, {"train_fraction": fraction}, say=QUIET)
        pairs = {tuple(pair) for pair in new.trainer.train_batch.pairs[:, :2].tolist()}
        assert len(pairs) == int(fraction * 49)
        assert pairs > trained if fraction > 0.5 else pairs < trained
        new.close(recording.Status("interrupted"))


def test_that_a_replay_for_a_fork_is_told_and_can_be_given_up(
    tmp_path: Path, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "YIELD_SECONDS", 0)
    told: list[tuple[int, int]] = []

    def give_up(epoch: int, wanted: int) -> None:
        told.append((epoch, wanted))
        if epoch == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        recording.fork(whole, tmp_path / "fork.h5", 15, say=QUIET, told=give_up)
    assert told == [(0, 15), (1, 15), (2, 15), (3, 15)]
    assert not (tmp_path / "fork.h5").exists()


# -- the disk refuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
def test_that_training_pauses_while_the_disk_refuses_and_then_goes_on(tmp_path: Path, whole: Run, number: int) -> None:
    path = tmp_path / "run.h5"
    new = recording.start(CONFIG, path)
    flush, calls, refused = disk.flush, 0, 0

    def fail(file: object) -> None:
        nonlocal calls
        calls += 1
        if calls % 5 in (0, 1, 2):
            raise OSError(number, os.strerror(number))
        flush(file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "flush", fail)
        for event in new.events():
            if isinstance(event, NoSpace):
                refused += 1
                assert new.run.checksum_errors() == []
    assert refused > 3
    run = Run.open(path)
    assert run.checksum_errors() == []
    same(run, whole)


def test_that_a_run_stopped_while_the_disk_is_full_keeps_what_is_committed(tmp_path: Path, whole: Run) -> None:
    path = tmp_path / "run.h5"
    new = recording.start(CONFIG, path)

    def fail(data: object, rows: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    events = new.events()
    _to(events, 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "resize", fail)
        assert any(isinstance(event, NoSpace) for event in (next(events) for _ in range(50)))
        events.close()
    run = Run.open(path)
    assert run.status().state == "interrupted"
    assert run.epochs.tolist() == [0, 5, 10]
    same(finish(recording.resume(path, say=QUIET)), whole)


# -- a real process -------------------------------------------------------------------------------------------

CHILD = """
import os, signal, sys
from engine import recording
from engine.config import Config
from engine.training import Checkpoint
new = recording.start(Config.from_json(sys.argv[2]), sys.argv[1])
for event in new.events():
    if isinstance(event, Checkpoint):
        print(event.epoch, flush=True)
        sys.stdin.readline()
"""


def test_that_another_process_reads_while_one_trains_and_resumes_when_it_is_killed(tmp_path: Path, whole: Run) -> None:
    path = tmp_path / "run.h5"
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", CHILD, str(path), CONFIG.to_json()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        run = None
        for epoch in (0, 5, 10, 15):
            assert child.stdout.readline() == f"{epoch}\n"
            run = run or Run.open(path)
            assert run.refresh() == epoch // 5 + 1
            assert run.status().state == "running"
            same(run, whole, last=epoch) if epoch else None
            if epoch < 15:
                child.stdin.write("\n")
                child.stdin.flush()
        with pytest.raises(RunError, match="is being written"):
            recording.resume(path, say=QUIET)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert run is not None
    assert run.status().state == "interrupted"
    resumed = finish(recording.resume(path, say=QUIET))
    assert run.refresh() == resumed.n_checkpoints == 7  # the reader has followed
    assert run.status().state == "finished"
    assert run == resumed
    same(run, whole)
