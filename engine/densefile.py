"""Replayed checkpoints in `NAME.dense.h5` beside their run: how they are read. Told in docs/run-file.md.

The file is disposable, and never changed once it is there: a densification puts a new one in its place, and whoever
has the old one open goes on reading it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.lock import real_path
from engine.models.transformer import shapes

FORMAT = "grokscope dense"
FORMAT_VERSION = 1


def dense_path(run: Path) -> Path:
    """Where the replayed checkpoints of a run file are."""
    run = real_path(run)
    return run.with_name(f"{run.stem}.dense.h5")


class Dense:
    """The replayed checkpoints of a run, read only. Rows stand in the order of their epochs.

    Raises `OSError`, `LookupError`, `ValueError` or `TypeError` where the file is damaged. Not thread-safe: `Run` is.

    id : of this very file      epochs : (n,), ascending
    """

    def __init__(self, path: Path, run_id: str, config: Config) -> None:
        self.path = path
        self._file: h5py.File | None = h5py.File(path, "r")
        try:
            self.id = str(self._file.attrs["id"])
            _check(self._file, path, run_id, config)
            epochs = self._file["checkpoints/epoch"][()].astype(np.int64)
            self._order = np.argsort(epochs, kind="stable")
            self.epochs: NDArray[np.int64] = epochs[self._order]
            if (np.diff(self.epochs) <= 0).any():
                raise ValueError("an epoch is there twice")
        except BaseException:
            self.close()
            raise

    def row(self, name: str, row: int) -> Any:
        """One checkpoint's row of a table, named as in the run file."""
        return self._h5[name][int(self._order[row])]

    def rows(self, row: int) -> dict[str, NDArray[Any]]:
        """Everything of a checkpoint but its checksum, by name."""
        return {name: np.asarray(self.row(name, row)) for name in self._tables() if name != "checkpoints/crc32"}

    def column(self, name: str) -> NDArray[Any] | None:
        """A table of all checkpoints, or None where there is none.  (n, …)"""
        if name not in self._h5:
            return None
        values: NDArray[Any] = self._h5[name][()][self._order]
        return values

    def close(self) -> None:
        """Let go of the file; the next read opens it again."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _tables(self) -> list[str]:
        return [f"{group}/{name}" for group in ("checkpoints", "weights") for name in self._h5[group]]

    @property
    def _h5(self) -> h5py.File:
        if self._file is None:
            self._file = h5py.File(self.path, "r")
            if str(self._file.attrs["id"]) != self.id:
                self.close()
                raise ValueError(f"{self.path} holds other checkpoints by now; open the run again")
        return self._file


def _check(file: h5py.File, path: Path, run_id: str, config: Config) -> None:
    """Whose it is, and shapes, types and lengths, before memory is taken."""
    if file.attrs["format"] != FORMAT or int(file.attrs["format_version"]) != FORMAT_VERSION:
        raise ValueError("it is of another format")
    if str(file.attrs["run_id"]) != run_id:
        raise ValueError("it belongs to another run")
    n, size = len(file["checkpoints/epoch"]), path.stat().st_size
    wanted = {f"weights/{name}": shape for name, shape in shapes(config).items()}
    wanted |= {f"checkpoints/{name}": () for name in file["checkpoints"]}
    for name, shape in wanted.items():
        data = file[name]
        if data.shape != (n, *shape) or data.dtype.kind not in "iuf":
            raise ValueError(f"{name} has shape {data.shape}, not {(n, *shape)}")
        if n * data.dtype.itemsize * int(np.prod(shape)) > size:
            raise ValueError(f"{name} is larger than the file")
