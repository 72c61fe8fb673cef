"""One writer per run file: an operating-system lock on a hidden sidecar, released by the kernel."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import TracebackType
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


class Busy(RuntimeError):
    """Another process is writing this run."""


def real_path(run: Path) -> Path:
    """Where a link leads, so that a run has one lock whatever it is called; other paths as they are."""
    return Path(os.path.realpath(run)) if run.is_symlink() else run


def lock_path(run: Path) -> Path:
    run = real_path(run)
    return run.with_name(f".{run.name}.lock")


class WriterLock:
    """Held from construction to `release`. Raises `Busy` if someone else holds it, `OSError` for a bad folder."""

    def __init__(self, run: Path) -> None:
        self._path = lock_path(run)
        while True:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if _locked(self._fd):
                    if self._is_still_there():
                        return  # else the last holder removed it between our open and our lock
                elif not _locked(self._fd, shared=True):
                    raise Busy(f"{run} is being written by another process; stop that training first.")
            except BaseException:
                self.release(remove=False)
                raise
            os.close(self._fd)  # try again: nobody writes, somebody just asked

    @property
    def held(self) -> bool:
        return self._fd >= 0

    def _is_still_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self._path))
        except FileNotFoundError:
            return False

    def release(self, remove: bool = True) -> None:
        """Never raises; a sidecar that cannot be removed is no obstacle to the next writer."""
        if self._fd >= 0:
            try:
                if remove and fcntl is not None:
                    self._path.unlink(missing_ok=True)
            except OSError:
                pass
            finally:
                os.close(self._fd)
                self._fd = -1

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_being_written(run: Path) -> bool:
    """Whether a living process holds the run's lock. Asks with a shared lock and touches nothing."""
    try:
        fd = os.open(lock_path(run), os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _locked(fd, shared=True)
    except OSError:  # a file system without locks: nobody can be writing here
        return False
    finally:
        os.close(fd)


def _locked(fd: int, shared: bool = False) -> bool:
    """Whether the lock could be taken. Raises `OSError` where there are no locks."""
    try:
        if fcntl is not None:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        else:
            import msvcrt

            windows: Any = msvcrt
            windows.locking(fd, windows.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True
