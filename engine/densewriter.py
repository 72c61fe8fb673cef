"""Replayed checkpoints on their way into `NAME.dense.h5`: all that were proven at once, or nothing."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from pathlib import Path

import h5py
import numpy as np

from engine import disk
from engine.densefile import FORMAT, FORMAT_VERSION, Dense, dense_path
from engine.models.transformer import shapes
from engine.runfile import SCALARS, Run, RunError, crc32, open_file
from engine.runwriter import SPARE_BYTES, checkpoint_rows
from engine.training import Checkpoint

_COPIED_BYTES = 2**24  # at a time


class _Nothing(Exception):
    """There is nothing new: the old file stays."""


class DenseWriter:
    """Gathers checkpoints in a new file, which takes the dense file's name in `close`, with those that were there.

    What was appended after the last `prove` is dropped. Nothing is seen of any of it before; killed, it leaves a
    hidden file that the next one overwrites. Raises `RunError`: another process writes it, or the disk refuses.

    epochs : of the checkpoints that were there      n_kept : how many new ones are proven
    """

    def __init__(self, run: Run, n_new: int) -> None:
        """n_new : how many will come, for which there must be space"""
        self._path = dense_path(run.path)
        self._failed = False
        with disk.writing(self._path) as self._lock, contextlib.ExitStack() as stack:
            old = _old(self._path, run)
            _need_space(self._path, run, n_new)
            file = stack.enter_context(disk.new_file(self._path))
            self._data = _skeleton(file, run)
            self.epochs = set() if old is None else set(old.epochs.tolist())
            if old is not None:
                with contextlib.closing(old):
                    _copy(old, self._data)
            self._stack = stack.pop_all()
        self._n = self._proven = self._before = len(self.epochs)

    def append(self, checkpoint: Checkpoint) -> None:
        """One more that still has to be proven."""
        rows = {name: value for name, value in checkpoint_rows(checkpoint, kept=False).items() if name in self._data}
        rows["checkpoints/crc32"] = np.asarray(crc32(rows.items()), np.uint32)
        assert len(rows) == len(self._data)  # or a table would fall behind
        self._failed = True  # until all of it is written: a handle that failed is never written on again
        with disk.in_words(self._path):
            for name, value in rows.items():
                disk.grow(self._data[name], self._n, value)
        self._n += 1
        self._failed = False

    def prove(self) -> None:
        """A stored checkpoint was met as it is stored: everything before it is the run's."""
        self._proven = self._n

    @property
    def n_kept(self) -> int:
        return self._proven - self._before

    def close(self) -> None:
        """Put the proven ones in place, if there are any."""
        try:
            with contextlib.suppress(_Nothing), disk.in_words(self._path), self._stack:
                if self._failed or not self.n_kept:
                    raise _Nothing
                for data in self._data.values():
                    disk.resize(data, self._proven)
        finally:
            self._data = {}
            self._lock.release()


def row_bytes(run: Run) -> int:
    """What a checkpoint takes in the file."""
    return 4 * sum(int(np.prod(shape)) for shape in shapes(run.config).values()) + 256


def _need_space(path: Path, run: Run, n_new: int) -> None:
    old = path.stat().st_size if path.exists() else 0
    need = old + n_new * row_bytes(run) + SPARE_BYTES
    if shutil.disk_usage(path.parent).free < need:
        raise RunError(f"{path} needs {need / 2**20:.0f} MiB of free space, which its disk does not have.")


def _old(path: Path, run: Run) -> Dense | None:
    """What is in the place already; what is damaged or another run's is as nothing."""
    if not path.exists():
        return None
    taken = False
    with contextlib.suppress(RunError, OSError), open_file(path) as file:
        taken = file.attrs.get("format") != FORMAT
    if taken:
        raise RunError(f"{path} is a file of another kind; rename it: replayed checkpoints go by that name.")
    with contextlib.suppress(OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError):
        return None if run.dense_trouble else Dense(path, run.id, run.config)
    return None


def _skeleton(file: h5py.File, run: Run) -> dict[str, h5py.Dataset]:
    """Attributes and empty tables."""
    attributes = {"format": FORMAT, "format_version": FORMAT_VERSION, "id": str(uuid.uuid4()), "run_id": run.id}
    for key, value in attributes.items():
        file.attrs[key] = value

    def column(name: str, dtype: str, shape: tuple[int, ...] = (), chunk: int = 512) -> None:
        file.create_dataset(
            name, (0, *shape), dtype=dtype, maxshape=(None, *shape), chunks=(chunk, *shape), fletcher32=bool(shape)
        )

    for name, shape in shapes(run.config).items():
        column(f"weights/{name}", "f4", shape, chunk=1)
    column("checkpoints/epoch", "i8")
    column("checkpoints/crc32", "u4")
    for name in SCALARS if run.config.n_test else SCALARS[:2]:
        column(f"checkpoints/{name}", "f8")
    return disk.datasets(file)


def _copy(old: Dense, data: dict[str, h5py.Dataset]) -> None:
    """Every checkpoint that was there."""
    n = len(old.epochs)
    for name, target in data.items():
        disk.resize(target, n)
        together = max(1, _COPIED_BYTES // max(1, target.dtype.itemsize * int(np.prod(target.shape[1:]))))
        for first in range(0, n, together):
            rows = [old.row(name, row) for row in range(first, min(first + together, n))]
            disk.write(target, slice(first, first + len(rows)), np.stack(rows))
