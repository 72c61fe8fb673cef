"""One writer per run file: an operating-system lock on a hidden sidecar, released by the kernel."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Busy(RuntimeError):
    """Another process is writing this run."""


def lock_path(run: Path) -> Path:
    return run.with_name(f".{run.name}.lock")


class WriterLock:
    """Held from construction to `release`. Raises `Busy` if someone else holds it, `OSError` for a bad folder."""

    def __init__(self, run: Path) -> None:
        self._path = lock_path(run)
        while True:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(self._fd)
            except OSError:
                os.close(self._fd)
                raise Busy(f"{run} is being written by another process; stop that training first.") from None
            if self._is_still_there():
                return
            os.close(self._fd)  # the last holder removed it between our open and our lock

    def _is_still_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self._path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        if self._fd >= 0:
            if fcntl is not None:
                self._path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_being_written(run: Path) -> bool:
    """Whether a living process holds the run's lock."""
    if not lock_path(run).exists():
        return False
    try:
        WriterLock(run).release()
    except Busy:
        return True
    except OSError:  # a read-only folder: nobody can be writing here
        return False
    return False


def _lock(fd: int) -> None:
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        windows: Any = msvcrt
        windows.locking(fd, windows.LK_NBLCK, 1)
