"""Every touch of the disk when an HDF5 file is written, in small functions that tests can make fail.

Nothing here knows what is in a file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from engine.lock import Busy, WriterLock
from engine.runfile import Run, RunError

_LIBVER = ("v110", "v110")
_PAGE = 4096  # no piece of metadata lies on two pages of the disk cache: a kill cannot tear it


def write(data: h5py.Dataset, rows: Any, value: Any) -> None:
    """`data[rows] = value`; a single row without h5py's general indexing, which takes longer than writing it."""
    if not isinstance(rows, int):
        data[rows] = value
        return
    space = data.id.get_space()
    row_shape = space.shape[1:]
    space.select_hyperslab((rows, *(0 for _ in row_shape)), (1, *row_shape))
    row = np.ascontiguousarray(value).reshape(1, *row_shape)
    data.id.write(h5py.h5s.create_simple(row.shape), space, row)


def resize(data: h5py.Dataset, rows: int) -> None:
    data.id.set_extent((rows, *data.id.shape[1:]))


def flush(file: h5py.File) -> None:
    file.flush()


def fsync(fd: int) -> None:
    os.fsync(fd)


def replace(source: Path, target: Path) -> None:
    os.replace(source, target)


def open_for_writing(path: Path) -> h5py.File:
    """In SWMR mode from the first moment: a writer killed between plain opening and SWMR leaves a file nobody opens."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    flags = h5py.h5f.ACC_RDWR | h5py.h5f.ACC_SWMR_WRITE
    return h5py.File(h5py.h5f.open(os.fsencode(path), flags, fapl=access))


def grow(data: h5py.Dataset, row: int, value: NDArray[Any] | np.generic) -> None:
    if data.id.shape[0] != row + 1:
        resize(data, row + 1)
    write(data, row, value)


def extend(data: h5py.Dataset, first: int, values: NDArray[Any]) -> None:
    if data.id.shape[0] != first + len(values):
        resize(data, first + len(values))
    if len(values):
        write(data, slice(first, first + len(values)), values)


def datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(visit)
    return found


@contextlib.contextmanager
def writing(path: Path) -> Iterator[WriterLock]:
    """The lock, which stays with whoever made it in here; released where that failed. Raises `RunError` only."""
    try:
        if path.is_dir():
            raise RunError(f"{path} is a folder; give the name of a run file such as run.h5.")
        if not path.parent.is_dir():
            raise RunError(f"{path.parent} is not a folder; make it first.")
        lock = WriterLock(path)
    except Busy as error:
        raise RunError(str(error)) from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path.parent} cannot be written in ({reason(error)}); choose another folder.") from None
    try:
        with in_words(path):
            yield lock
    except BaseException:
        lock.release()
        raise


@contextlib.contextmanager
def in_words(path: Path) -> Iterator[None]:
    """HDF5's and the system's errors while writing a file as a `RunError`."""
    try:
        yield
    except RunError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        raise RunError(f"{path} cannot be written: {reason(error)}.") from None


@contextlib.contextmanager
def new_file(path: Path, old: Run | None = None) -> Iterator[h5py.File]:
    """A file to be filled that then takes the name `path`, all or nothing; `old` is closed before."""
    temporary = path.with_name(f".{path.name}.new")  # the lock is held: what bears this name is a dead writer's
    try:
        with h5py.File(temporary, "w", libver=_LIBVER, fs_strategy="page", fs_page_size=_PAGE) as file:
            yield file
            sync_file(file)
        if old is not None:
            old.close()
        replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path)


def sync_file(file: h5py.File) -> None:
    flush(file)
    fsync(file.id.get_vfd_handle())


def _sync_folder(path: Path) -> None:
    """Make the rename itself durable, where the system allows it."""
    with contextlib.suppress(OSError):
        fd = os.open(path.parent, os.O_RDONLY)
        try:
            fsync(fd)
        finally:
            os.close(fd)


def reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
