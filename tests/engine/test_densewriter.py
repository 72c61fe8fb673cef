"""Whatever call to the disk fails, or is the last one: the run and the replayed checkpoints of before are there."""

import contextlib
import errno
import os
import shutil
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine import disk, recording
from engine.config import Config
from engine.densefile import dense_path
from engine.densewriter import DenseWriter
from engine.repetition import repeat
from engine.runfile import Run, RunError
from engine.step import evaluate
from engine.training import Checkpoint, checkpoint

CONFIG = Config(
    p=5, d_model=4, n_heads=2, d_mlp=4, epochs=30, train_fraction=0.5, checkpoint_every=10, dense_every=0,
    dense_until=0, transition_every=0, test_every=5, device="cpu",
)  # fmt: skip
CALLS = ("write", "resize", "flush", "fsync", "replace")
BEFORE, NEW = [2, 4], [11, 12, 13]


@pytest.fixture(autouse=True)
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runfile.probe_file", lambda path: None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for _ in recording.start(CONFIG, tmp_path / "run.h5").events():
        pass
    return tmp_path / "run.h5"


@pytest.fixture
def replayed(path: Path) -> dict[int, Checkpoint]:
    """What is to be written, by epoch."""
    run, made = Run.open(path), {}
    for trainer in repeat(run, 0, print):
        made[trainer.epoch] = checkpoint(trainer, evaluate(trainer.step, trainer.test_batch))
        if trainer.epoch == 20:
            run.close()
            return made
    raise AssertionError


def write(path: Path, rows: list[Checkpoint]) -> None:
    run = Run.open(path)
    writer = DenseWriter(run, len(rows))
    with contextlib.closing(writer):
        for row in rows:
            writer.append(row)
        writer.prove()
    run.close()


class Tampered:
    """Stands before every call to the disk; `before(i)` is called before the i-th, from 0."""

    def __init__(self, patch: pytest.MonkeyPatch, before: Callable[[int], None] = lambda i: None) -> None:
        self.calls: list[str] = []
        for name in CALLS:
            patch.setattr(disk, name, self._around(name, getattr(disk, name), before))

    def _around(self, name: str, call: Callable[..., object], before: Callable[[int], None]) -> Callable[..., object]:
        def around(*arguments: object) -> object:
            self.calls.append(name)
            before(len(self.calls) - 1)
            return call(*arguments)

        return around


@pytest.fixture
def points(request: pytest.FixtureRequest, path: Path, replayed: dict[int, Checkpoint]) -> list[int]:
    """Which calls to tamper with: all with --torture, else every so many and all around a sync or a rename.

    The file of before is there when it is done.
    """
    write(path, [replayed[e] for e in BEFORE])
    before = dense_path(path).read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        counted = Tampered(patch)
        write(path, [replayed[e] for e in NEW])
    dense_path(path).write_bytes(before)
    stride = 1 if request.config.getoption("--torture") else 15
    rare = {i + d for i, name in enumerate(counted.calls) if name not in ("write", "resize") for d in (-1, 0, 1)}
    chosen = [i for i in range(len(counted.calls)) if i % stride == 0 or i in rare]
    assert len(chosen) > 8
    return chosen


def what_is_left(path: Path, replayed: dict[int, Checkpoint]) -> list[int]:
    """Epochs of the replayed checkpoints, which are whole.  -> those"""
    run = Run.open(path)
    assert run.checksum_errors() == []
    assert run.dense_trouble == ""
    assert run.n_committed == 4
    for epoch in run.dense_epochs.tolist():
        found = run.weights(run.step_at(epoch))
        assert all(np.array_equal(found[name], value) for name, value in replayed[epoch].weights.items())
    run.close()
    return run.dense_epochs.tolist()


def test_that_what_was_not_proven_is_dropped(path: Path, replayed: dict[int, Checkpoint]) -> None:
    run = Run.open(path)
    writer = DenseWriter(run, 5)
    for epoch in (11, 12):
        writer.append(replayed[epoch])
    writer.prove()
    writer.append(replayed[13])
    assert writer.n_kept == 2
    writer.close()
    assert what_is_left(path, replayed) == [11, 12]
    assert sorted(file.name for file in path.parent.iterdir()) == ["run.dense.h5", "run.h5"]


def test_that_nothing_new_leaves_the_file_of_before_untouched(path: Path, replayed: dict[int, Checkpoint]) -> None:
    write(path, [replayed[e] for e in BEFORE])
    before = dense_path(path).read_bytes()
    run = Run.open(path)
    writer = DenseWriter(run, 1)
    writer.append(replayed[11])
    writer.close()
    assert dense_path(path).read_bytes() == before


def test_that_no_replay_is_begun_on_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(RunError, match="free space"):
        DenseWriter(Run.open(path), 3)
    assert [file.name for file in path.parent.iterdir()] == ["run.h5"]


def test_that_any_failing_call_leaves_what_was_there(
    path: Path, replayed: dict[int, Checkpoint], points: list[int]
) -> None:
    before = dense_path(path).read_bytes()
    for n in points:
        dense_path(path).write_bytes(before)

        def fail(i: int, n: int = n) -> None:
            if i == n:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        said = ""
        with pytest.MonkeyPatch.context() as patch:
            Tampered(patch, fail)
            try:
                write(path, [replayed[e] for e in NEW])
            except RunError as error:
                said = str(error)
        assert what_is_left(path, replayed) == (BEFORE if said else [*BEFORE, *NEW]), n
        assert "no space left" in said or not said
        assert [file.name for file in path.parent.iterdir() if file.name.startswith(".")] == []
        if said:
            write(path, [replayed[e] for e in NEW])
        assert what_is_left(path, replayed) == [*BEFORE, *NEW]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_that_a_writer_killed_at_any_call_loses_nothing(
    path: Path, replayed: dict[int, Checkpoint], points: list[int]
) -> None:
    before, left = dense_path(path).read_bytes(), []
    for n in points:
        dense_path(path).write_bytes(before)

        def kill(i: int, n: int = n) -> None:
            if i == n:
                os.kill(os.getpid(), signal.SIGKILL)

        def work(kill: Callable[[int], None] = kill) -> None:
            with pytest.MonkeyPatch.context() as patch:
                Tampered(patch, kill)
                write(path, [replayed[e] for e in NEW])

        assert in_a_child(work) == signal.SIGKILL
        left.append(what_is_left(path, replayed))
        write(path, [replayed[e] for e in NEW if e not in left[-1]])
        assert what_is_left(path, replayed) == [*BEFORE, *NEW]
    assert {tuple(epochs) for epochs in left} == {tuple(BEFORE), (*BEFORE, *NEW)}


def in_a_child(work: Callable[[], None]) -> int:
    """Run it in a fork, which computes nothing with torch.  -> the signal that ended it, or 0"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork beside torch's idle threads
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    ended = os.waitpid(pid, 0)[1]
    assert not os.WIFEXITED(ended) or os.WEXITSTATUS(ended) == 0
    return os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else 0
