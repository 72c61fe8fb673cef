"""One writer per run, and asking who it is disturbs nobody."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.lock import Busy, WriterLock, is_being_written, lock_path

HOLDER = """
import sys
from pathlib import Path
from engine.lock import WriterLock
lock = WriterLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of run.h5."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run.h5")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_that_a_second_writer_is_refused_in_the_same_process(tmp_path: Path) -> None:
    run = tmp_path / "run.h5"
    with WriterLock(run):
        with pytest.raises(Busy, match="stop that training first"):
            WriterLock(run)
        assert is_being_written(run)
    assert not is_being_written(run)
    WriterLock(run).release()


def test_that_a_second_writer_is_refused_in_another_process(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    run = tmp_path / "run.h5"
    assert is_being_written(run)
    with pytest.raises(Busy):
        WriterLock(run)
    holder.kill()
    holder.wait()
    assert lock_path(run).exists()
    assert not is_being_written(run)
    with WriterLock(run) as lock:
        assert lock.held


def test_that_a_lock_is_gone_when_it_is_released(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path / "run.h5")
    lock.release()
    lock.release()
    assert not lock.held
    assert list(tmp_path.iterdir()) == []


def test_that_refused_and_released_locks_leave_no_open_files(tmp_path: Path) -> None:
    run = tmp_path / "run.h5"
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else pytest.skip("needs /proc")
    with WriterLock(run):
        for _ in range(20):
            with pytest.raises(Busy):
                WriterLock(run)
            assert is_being_written(run)
    for _ in range(20):
        WriterLock(run).release()
        assert not is_being_written(run)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_that_asking_makes_nothing_and_removes_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run.h5"
    assert not is_being_written(run)
    assert list(tmp_path.iterdir()) == []
    lock_path(run).touch()
    assert not is_being_written(run)
    assert lock_path(run).exists()


def test_that_asking_never_refuses_a_writer(tmp_path: Path) -> None:
    """Whoever asks holds a shared lock for a moment; a writer that meets it tries again."""
    fcntl = pytest.importorskip("fcntl")
    run = tmp_path / "run.h5"
    asker = os.open(lock_path(run), os.O_RDWR | os.O_CREAT)
    fcntl.flock(asker, fcntl.LOCK_SH)
    tries = 0

    def flock(fd: int, how: int, real=fcntl.flock) -> None:
        nonlocal tries
        tries += 1
        if tries == 3:  # it has been refused and has seen that nobody writes
            os.close(asker)
        real(fd, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", flock)
        lock = WriterLock(run)
    assert lock.held
    assert tries == 3
    lock.release()


def test_that_a_lock_removed_while_it_was_opened_is_taken_anew(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    run = tmp_path / "run.h5"
    removed = []

    def flock(fd: int, how: int, real=fcntl.flock) -> None:
        if not removed:
            removed.append(lock_path(run).unlink())
        real(fd, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", flock)
        lock = WriterLock(run)
    assert lock_path(run).exists()
    with pytest.raises(Busy):
        WriterLock(run)
    lock.release()


def test_that_a_file_system_without_locks_is_not_called_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def flock(fd: int, how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="No locks available"):
        WriterLock(tmp_path / "run.h5")


def test_that_a_link_has_the_lock_of_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link.h5").symlink_to("run.h5")
    with WriterLock(tmp_path / "run.h5"):
        assert is_being_written(tmp_path / "link.h5")


def test_that_a_folder_without_write_access_has_no_writer() -> None:
    assert not is_being_written(Path("/proc/run.h5"))
    with pytest.raises(OSError, match="proc"):
        WriterLock(Path("/proc/run.h5"))
