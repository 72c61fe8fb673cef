"""What is committed is never lost, whatever call on the way to the disk fails or is the last one."""

import contextlib
import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from engine import disk
from engine.config import Config
from engine.lock import lock_path
from engine.models.transformer import shapes
from engine.runfile import Origin, Run, RunError, Status
from engine.runwriter import NoSpace, RunWriter
from engine.step import Evaluation
from engine.training import Checkpoint

CONFIG = Config(p=5, d_model=4, n_heads=2, d_mlp=4, train_fraction=0.5, test_every=5, epochs=5000)
CALLS = ("write", "resize", "flush", "fsync", "replace", "open_for_writing")
EPOCHS = (0, 500, 1000)  # the first and the last keep their optimiser's state
HERE = {"torch": "2", "device": "cpu", "threads": 1}
DONE = Status("finished")


def checkpoint(epoch: int, previous: int, config: Config = CONFIG) -> Checkpoint:
    """Random numbers, the same ones for the same epoch."""
    draw = np.random.default_rng(epoch)
    arrays = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes(config).items()}
    moments = {
        f"{m}/{name}": value * k for k, m in ((2, "exp_avg"), (3, "exp_avg_sq")) for name, value in arrays.items()
    }
    tests = np.array(
        [e for e in range(previous, epoch) if e % config.test_every == 0 and config.n_test], dtype=np.int64
    )
    return Checkpoint(
        epoch=epoch,
        weights=dict(arrays),
        optimizer={**moments, "step": np.array(float(epoch))},
        train=Evaluation(*draw.uniform(size=3).tolist()),
        test=Evaluation(*draw.uniform(size=3).tolist()) if config.n_test else None,
        train_losses=draw.uniform(size=epoch - previous),
        test_epochs=tests,
        test_losses=draw.uniform(size=len(tests)),
    )


def checkpoints(epochs: tuple[int, ...] = EPOCHS, config: Config = CONFIG) -> list[Checkpoint]:
    return [checkpoint(e, before, config) for before, e in zip((epochs[0], *epochs), epochs, strict=False)]


def contents(run: Run) -> dict[str, bytes]:
    """Every committed number."""
    assert run.checksum_errors() == []
    found = {f"{i} {name}": value for i in range(run.n_checkpoints) for name, value in run.weights(i).items()}
    for i in run.kept_optimizers():
        found |= {f"kept {i} {name}": value for name, value in run.kept_optimizer(i).items()}
    found |= {f"last {name}": value for name, value in (run.optimizer() or {}).items()}
    found |= {name: run.scalars(name) for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")}
    test = run.test_curve()
    assert test is not None
    found |= {"epochs": run.epochs, "train_curve": run.train_curve(), "test_epochs": test[0], "test_curve": test[1]}
    return {name: value.tobytes() for name, value in found.items()}


def write(path: Path, rows: list[Checkpoint]) -> None:
    writer = RunWriter.create(path, CONFIG, Origin(), HERE)
    for row in rows:
        writer.append(row)
    writer.close(DONE)


def append_all(writer: RunWriter, rows: list[Checkpoint]) -> None:
    for row in rows:
        writer.append(row)


def append_until_done(writer: RunWriter, row: Checkpoint, tries: int = 10) -> int:
    """-> how often the disk refused it"""
    for refused in range(tries):
        try:
            writer.append(row)
        except NoSpace:
            assert writer.run.checksum_errors() == []
        else:
            return refused
    raise AssertionError("it is never written")


@pytest.fixture
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of openings: not a child process for each."""
    monkeypatch.setattr("engine.runfile.probe_file", lambda path: None)


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, bytes]:
    write(tmp_path / "expected.h5", checkpoints())
    return contents(Run.open(tmp_path / "expected.h5", probe=False))


class Tampered:
    """Stands before every call to the disk. `before(i)` and `after(i)` are called around the i-th, from 0."""

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        before: Callable[[int], None] = lambda i: None,
        after: Callable[[int], None] = lambda i: None,
    ) -> None:
        self.calls: list[str] = []
        for name in CALLS:
            patch.setattr(disk, name, self._around(name, getattr(disk, name), before, after))

    def _around(
        self, name: str, call: Callable[..., object], before: Callable[[int], None], after: Callable[[int], None]
    ) -> Callable[..., object]:
        def around(*arguments: object) -> object:
            i = len(self.calls)
            self.calls.append(name)
            before(i)
            result = call(*arguments)
            after(i)
            return result

        return around


def calls_of(work: Callable[[], None]) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        counted = Tampered(patch)
        work()
        return counted.calls


@pytest.fixture
def points(request: pytest.FixtureRequest) -> Callable[[list[str], int], list[int]]:
    """Which calls to tamper with: all with --torture, else every so many and each flush, sync, rename and the next."""

    def chosen(calls: list[str], stride: int) -> list[int]:
        stride = 1 if request.config.getoption("--torture") else stride
        rare = {i + d for i, name in enumerate(calls) if name not in ("write", "resize") for d in (0, 1)}
        return [i for i in range(len(calls)) if i % stride == 0 or i in rare]

    return chosen


Points = Callable[[list[str], int], list[int]]


# -- what goes in comes out ----------------------------------------------------------------------------------


def test_that_what_is_read_is_what_was_appended_while_writing_and_after(tmp_path: Path) -> None:
    rows = checkpoints()
    writer = RunWriter.create(tmp_path / "run.h5", CONFIG, Origin(), HERE)
    for i, row in enumerate(rows):
        writer.append(row)
        assert writer.run.n_checkpoints == i + 1
        _check(writer.run, rows[: i + 1])
    writer.close(DONE)
    _check(writer.run, rows)
    _check(Run.open(tmp_path / "run.h5"), rows)


def _check(run: Run, rows: list[Checkpoint]) -> None:
    assert run.epochs.tolist() == [row.epoch for row in rows]
    for i, row in enumerate(rows):
        read = run.weights(i)
        assert all(np.array_equal(read[name], row.weights[name]) for name in shapes(CONFIG))
    for name, value in (("train_loss", "loss"), ("train_accuracy", "accuracy")):
        assert run.scalars(name).tolist() == [getattr(row.train, value) for row in rows]
        assert run.scalars(name.replace("train", "test")).tolist() == [getattr(row.test, value) for row in rows]
    assert run.train_curve().tolist() == np.concatenate([row.train_losses for row in rows]).tolist()
    epochs, losses = run.test_curve()
    assert epochs.tolist() == np.concatenate([row.test_epochs for row in rows]).tolist()
    assert losses.tolist() == np.concatenate([row.test_losses for row in rows]).tolist()
    state = run.optimizer()
    assert all(np.array_equal(state[name], rows[-1].optimizer[name]) for name in rows[-1].optimizer)
    assert run.checksum_errors() == []


def test_that_the_optimisers_state_is_kept_every_thousand_epochs(tmp_path: Path) -> None:
    rows = checkpoints((0, 500, 1000, 1500, 1999, 2001, 2500, 5000))
    write(tmp_path / "run.h5", rows)
    run = Run.open(tmp_path / "run.h5")
    assert run.kept_optimizers() == [0, 2, 5, 7]
    for i in run.kept_optimizers():
        state = run.kept_optimizer(i)
        assert all(np.array_equal(state[name], rows[i].optimizer[name]) for name in rows[i].optimizer)


def test_that_a_file_is_laid_out_in_pages(tmp_path: Path) -> None:
    """A kill can cut a write between two pages of the disk cache, and HDF5 hangs on half a piece of metadata."""
    write(tmp_path / "run.h5", checkpoints())
    with h5py.File(tmp_path / "run.h5", "r") as file:
        strategy, _, _ = file.id.get_create_plist().get_file_space_strategy()
        assert strategy == h5py.h5f.FSPACE_STRATEGY_PAGE
        assert file.id.get_create_plist().get_file_space_page_size() == 4096


def test_that_curves_longer_than_a_chunk_come_back(tmp_path: Path) -> None:
    rows = checkpoints((0, 4095, 4096, 4097, 9000))
    write(tmp_path / "run.h5", rows)
    _check(Run.open(tmp_path / "run.h5"), rows)


def test_that_a_checkpoint_that_does_not_follow_is_refused(tmp_path: Path) -> None:
    first, second, third = checkpoints()
    writer = RunWriter.create(tmp_path / "run.h5", CONFIG, Origin(), HERE)
    writer.append(first)
    with pytest.raises(ValueError, match="does not follow"):
        writer.append(third)
    writer.append(second)
    with pytest.raises(ValueError, match="does not follow"):
        writer.append(first)
    writer.close(DONE)
    assert Run.open(tmp_path / "run.h5").epochs.tolist() == [0, 500]


def test_that_a_folder_holds_only_the_run_once_it_is_closed(tmp_path: Path) -> None:
    write(tmp_path / "run.h5", checkpoints())
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]


@pytest.mark.parametrize("message", ["", "short", "x" * 5000, 'é→\n"\\\0' * 300, "𝔾" * 300, "\ud800" * 300])
def test_that_any_last_words_fit_into_the_status(tmp_path: Path, message: str) -> None:
    writer = RunWriter.create(tmp_path / "run.h5", CONFIG, Origin(), HERE)
    writer.close(Status("failed", message))
    status = Run.open(tmp_path / "run.h5", probe=False).status()
    assert status.state == "failed"
    assert message.startswith(status.message)
    assert bool(status.message) == bool(message)


def test_that_closing_twice_does_not_write_without_the_lock(tmp_path: Path) -> None:
    writer = RunWriter.create(tmp_path / "run.h5", CONFIG, Origin(), HERE)
    writer.close(DONE)
    writer.close(Status("failed", "too late"))
    assert writer.run.status() == DONE


# -- who may write --------------------------------------------------------------------------------------------


def test_that_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    path.write_text("mine")
    with pytest.raises(RunError, match="exists already"):
        RunWriter.create(path, CONFIG, Origin(), HERE)
    assert path.read_text() == "mine"
    assert not lock_path(path).exists()


def test_that_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    writer = RunWriter.create(path, CONFIG, Origin(), HERE)
    with pytest.raises(RunError, match="is being written by another process"):
        RunWriter.resume(path, CONFIG, HERE)
    writer.append(checkpoints()[0])
    writer.close(DONE)
    assert Run.open(path).n_checkpoints == 1


def test_that_a_link_to_a_run_is_the_same_run(tmp_path: Path, no_probe: None) -> None:
    path, link = tmp_path / "run.h5", tmp_path / "folder" / "link.h5"
    link.parent.mkdir()
    link.symlink_to(path)
    writer = RunWriter.create(path, CONFIG, Origin(), HERE)
    assert Run.open(link).status().state == "running"
    with pytest.raises(RunError, match="is being written by another process"):
        RunWriter.resume(link, CONFIG, HERE)
    writer.close(DONE)
    resumed = RunWriter.resume(link, CONFIG, HERE)
    resumed.append(checkpoints()[0])
    resumed.close(DONE)
    assert link.is_symlink()
    assert Run.open(path).n_checkpoints == 1


@pytest.mark.parametrize("name", ["missing/run.h5", "x" * 250 + ".h5", "."])
def test_that_a_run_that_cannot_be_made_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError) as caught:
        RunWriter.create(tmp_path / name, CONFIG, Origin(), HERE)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_that_a_folder_that_cannot_be_written_is_one_sentence() -> None:
    with pytest.raises(RunError, match="cannot be written in"):
        RunWriter.create("/proc/run.h5", CONFIG, Origin(), HERE)


def test_that_no_run_is_begun_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(RunError, match="free space"):
        RunWriter.create(tmp_path / "run.h5", CONFIG, Origin(), HERE)
    assert list(tmp_path.iterdir()) == []


def test_that_a_full_disk_stops_an_append_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter.create(tmp_path / "run.h5", CONFIG, Origin(), HERE)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
        with pytest.raises(NoSpace, match="is full"):
            writer.append(checkpoints()[0])
    writer.append(checkpoints()[0])
    writer.close(DONE)
    assert Run.open(tmp_path / "run.h5").n_checkpoints == 1


# -- a call fails ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failures", [1, 4])
def test_that_any_failing_call_loses_nothing(
    tmp_path: Path, no_probe: None, expected: dict[str, bytes], points: Points, failures: int
) -> None:
    """One call fails, or it and the three after it."""
    rows = checkpoints()
    chosen = points(calls_of(lambda: write(tmp_path / "counted.h5", rows)), 29 if failures == 1 else 67)
    paused = 0
    for n in chosen:
        path = tmp_path / f"{n}.h5"

        def fail(i: int, n: int = n) -> None:
            if n <= i < n + failures:
                number = (errno.ENOSPC, errno.EIO)[i % 2]
                raise OSError(number, os.strerror(number))

        with pytest.MonkeyPatch.context() as patch:
            Tampered(patch, before=fail)
            try:
                writer = RunWriter.create(path, CONFIG, Origin(), HERE)
            except RunError:
                assert not path.exists()
                writer = None
                for _ in range(failures):
                    try:
                        writer = writer or RunWriter.create(path, CONFIG, Origin(), HERE)
                    except RunError:
                        assert not path.exists()
                assert writer is not None
            for row in rows:
                paused += append_until_done(writer, row) > 0
            writer.close(DONE)
        run = Run.open(path)
        assert contents(run) == expected, n
        assert run.status().state == "finished" or failures > 1, n
        run.close()
        assert list(tmp_path.glob(f".{n}.h5.*")) == []
        path.unlink()
    assert paused > len(chosen) // 2


def test_that_a_commit_whose_last_sync_failed_is_neither_lost_nor_doubled(tmp_path: Path, no_probe: None) -> None:
    rows = checkpoints()
    path = tmp_path / "run.h5"
    writer = RunWriter.create(path, CONFIG, Origin(), HERE)
    writer.append(rows[0])
    calls = itertools.count()

    def fail(fd: int, fsync: Callable[[int], None] = os.fsync) -> None:
        if next(calls) == 1:  # the one after `committed` is raised
            raise OSError(errno.EIO, "input/output error")
        fsync(fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "fsync", fail)
        with pytest.raises(NoSpace):
            writer.append(rows[1])
        writer.close(Status("interrupted"))
    run = Run.open(path)
    assert run.checksum_errors() == []
    assert run.epochs.tolist() == [0, 500]


def test_that_a_write_error_is_survived_while_others_in_this_process_read(
    tmp_path: Path, no_probe: None, expected: dict[str, bytes]
) -> None:
    """HDF5 keeps a failed file open, and hands it out again, as long as anyone in the process has it open."""
    rows = checkpoints()
    path = tmp_path / "run.h5"
    writer = RunWriter.create(path, CONFIG, Origin(), HERE)
    writer.append(rows[0])
    reader = Run.open(path)
    _fail_once(writer, rows[1])
    writer.append(rows[1])
    assert reader.refresh() == 2  # it follows the file that took the place
    _fail_once(writer, rows[2])
    late = Run.open(path)  # opened while the writer had let go
    assert late.n_checkpoints == 2
    writer.append(rows[2])
    assert reader.refresh() == late.refresh() == 3
    writer.close(DONE)
    for run in (reader, late, writer.run, Run.open(path)):
        assert contents(run) == expected
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def _fail_once(writer: RunWriter, row: Checkpoint) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "fsync", fail)
        with pytest.raises(NoSpace, match="no space left"):
            writer.append(row)


def test_that_a_failed_resume_loses_nothing(tmp_path: Path, no_probe: None, points: Points) -> None:
    rows = checkpoints()
    path = tmp_path / "run.h5"
    write(path, rows[:2])
    before = path.read_bytes()

    def resume() -> None:
        RunWriter.resume(path, CONFIG, HERE).close(DONE)

    chosen = points(calls_of(resume), 41)
    path.write_bytes(before)
    for n in chosen:

        def fail(i: int, n: int = n) -> None:
            if i == n:
                raise OSError(errno.ENOSPC, "no space left on device")

        with pytest.MonkeyPatch.context() as patch:
            Tampered(patch, before=fail)
            with contextlib.suppress(RunError):
                resume()
        assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []
        run = Run.open(path)
        assert run.checksum_errors() == []
        assert run.n_checkpoints == 2
        run.close()


# -- the process is killed -------------------------------------------------------------------------------------


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


def killed_at(n: int, after: bool, work: Callable[[], None]) -> bool:
    def kill(i: int) -> None:
        if i == n:
            os.kill(os.getpid(), signal.SIGKILL)

    def tampered() -> None:
        with pytest.MonkeyPatch.context() as patch:
            Tampered(patch, **{"after" if after else "before": kill})
            work()

    return in_a_child(tampered) == signal.SIGKILL


def go_on_and_compare(path: Path, rows: list[Checkpoint], at_least: int, expected: dict[str, bytes]) -> int:
    """Verify what a killed writer left, resume, finish.  -> how many checkpoints were committed"""
    run = Run.open(path)
    n = run.n_checkpoints
    assert n >= at_least
    assert run.checksum_errors() == []
    for i in range(n):
        read = run.weights(i)
        assert all(np.array_equal(read[name], rows[i].weights[name]) for name in read)
    if n:
        last = run.weights(-1)
        assert all(np.array_equal(last[name], rows[n - 1].weights[name]) for name in last)
    run.close()
    writer = RunWriter.resume(path, CONFIG, HERE)
    for row in rows[n:]:
        writer.append(row)
    writer.close(DONE)
    assert contents(Run.open(path, probe=False)) == expected
    return n


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_that_a_writer_killed_at_any_call_loses_nothing(
    tmp_path: Path, no_probe: None, points: Points, after: bool
) -> None:
    rows = checkpoints()[:2]
    write(tmp_path / "expected.h5", rows)
    expected = contents(Run.open(tmp_path / "expected.h5"))
    committed = set()
    for n in points(calls_of(lambda: write(tmp_path / "counted.h5", rows)), 47):
        path = tmp_path / f"{n}.h5"
        commits = os.memfd_create("commits")  # what the child knows to be committed

        def work(path: Path = path, commits: int = commits) -> None:
            writer = RunWriter.create(path, CONFIG, Origin(), HERE)
            for row in rows:
                writer.append(row)
                os.write(commits, b"x")
            writer.close(DONE)

        assert killed_at(n, after, work)
        known = os.fstat(commits).st_size
        os.close(commits)
        if path.exists():
            committed.add(go_on_and_compare(path, rows, known, expected))
        else:
            assert known == 0
            write(path, rows)
        assert list(tmp_path.glob(f".{n}.h5.*")) == []
        path.unlink()
    assert committed == {0, 1, 2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_that_a_resume_killed_at_any_call_loses_nothing(
    tmp_path: Path, no_probe: None, points: Points, expected: dict[str, bytes]
) -> None:
    rows = checkpoints()
    path = tmp_path / "run.h5"
    n_two = len(calls_of(lambda: write(tmp_path / "two.h5", rows[:2])))
    assert killed_at(n_two + 40, False, lambda: write(path, rows))  # in the third commit
    left = path.read_bytes()

    def resume() -> None:
        path.write_bytes(left)
        writer = RunWriter.resume(path, CONFIG, HERE)
        writer.append(rows[2])
        writer.close(DONE)

    for n in points(calls_of(resume), 47):
        assert killed_at(n, bool(n % 2), resume)
        go_on_and_compare(path, rows, 2, expected)


def test_that_leftovers_of_a_dead_writer_are_no_obstacle(tmp_path: Path, expected: dict[str, bytes]) -> None:
    path = tmp_path / "run.h5"
    for end in ("lock", "ballast", "new"):
        (tmp_path / f".run.h5.{end}").write_bytes(b"left behind")
    write(path, checkpoints())
    assert contents(Run.open(path)) == expected
    assert [file.name for file in tmp_path.iterdir() if "run.h5" in file.name] == ["run.h5"]


# -- what lies past the committed rows ------------------------------------------------------------------------


def test_that_garbage_past_the_committed_rows_changes_nothing(
    tmp_path: Path, no_probe: None, expected: dict[str, bytes]
) -> None:
    rows = checkpoints()
    path = tmp_path / "run.h5"
    write(path, rows[:2])
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        ends = {"curves/train_loss": 500, "curves/test_epoch": 100, "curves/test_loss": 100}

        def scramble(name: str, data: object) -> None:
            if not isinstance(data, h5py.Dataset):
                return
            if name.startswith("optimizer/slot"):
                data[1] = 77  # the place of the next state
            elif data.maxshape[:1] == (None,):
                end = 1 if name.startswith("optimizer/kept") else ends.get(name, 2)
                data.resize(end + 7, axis=0)
                data[end:] = 77

        file.visititems(scramble)
    run = Run.open(path)
    assert run.checksum_errors() == []
    assert run.epochs.tolist() == [0, 500]
    assert all(np.array_equal(value, rows[1].weights[name]) for name, value in run.weights(-1).items())
    with pytest.raises(IndexError):
        run.weights(2)
    assert go_on_and_compare(path, rows, 2, expected) == 2


# -- a disk that is really full --------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (2**16, 512):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return filler


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "unchecked"])
def test_that_a_disk_that_is_really_full_loses_nothing(
    small_disk: Path, tmp_path: Path, no_probe: None, monkeypatch: pytest.MonkeyPatch, checked: bool
) -> None:
    """In a child: HDF5 may crash at the end of a process that met a full disk."""
    rows = checkpoints((0, 500, 1000, 1500, 2000, 2500, 3000))
    write(tmp_path / "expected.h5", rows)
    path = small_disk / "run.h5"
    if not checked:
        monkeypatch.setattr(RunWriter, "_refuse_a_full_disk", lambda self: None)

    def work() -> None:
        writer = RunWriter.create(path, CONFIG, Origin(), HERE)
        writer.append(rows[0])
        filler = fill(small_disk)
        refused = 0
        for row in rows[1:]:
            try:
                writer.append(row)
            except NoSpace:
                refused += 1
                with pytest.raises(NoSpace):
                    writer.append(row)
                assert writer.run.checksum_errors() == []
                filler.unlink()
                writer.append(row)
                filler = fill(small_disk)
        filler.unlink()
        assert refused > 1
        writer.close(DONE)

    assert in_a_child(work) == 0
    run = Run.open(path)
    assert run.status() == DONE
    assert contents(run) == contents(Run.open(tmp_path / "expected.h5"))
    run.close()


def test_that_a_run_closed_on_a_full_disk_says_how_it_ended(
    small_disk: Path, no_probe: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunWriter, "_refuse_a_full_disk", lambda self: None)
    path = small_disk / "run.h5"

    def work() -> None:
        writer = RunWriter.create(path, CONFIG, Origin(), HERE)
        first, *rest = checkpoints((0, 500, 1000, 1500, 2000, 2500, 3000))
        writer.append(first)
        fill(small_disk)
        with pytest.raises(NoSpace):
            append_all(writer, rest)
        writer.close(Status("interrupted", "stopped"))

    assert in_a_child(work) == 0
    run = Run.open(path)
    assert run.status() == Status("interrupted", "stopped")
    assert run.checksum_errors() == []
    assert json.loads(h5py.File(path, "r")["status"][()])["state"] == "interrupted"
    run.close()
