"""The one writer of a run file: append, flush, sync, and only then commit.

Every touch of the disk goes through `engine/disk.py`, so that tests can make each of them fail.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from engine import disk
from engine.adamw import MOMENTS
from engine.config import Config
from engine.lock import WriterLock, real_path
from engine.models.transformer import shapes
from engine.runfile import (
    FORMAT,
    FORMAT_VERSION,
    SCALARS,
    Arrays,
    Origin,
    Run,
    RunError,
    Status,
    consistency_flags,
    crc32,
    test_rows,
)
from engine.training import Checkpoint

KEEP_EVERY = 1000  # epochs between kept optimiser states
BALLAST_COMMITS = 2
SPARE_BYTES = 8 * 2**20  # beyond the next commits, what must be free before one is begun
CURVES = ("train_loss", "test_epoch", "test_loss")
_CURVE_CHUNK = 4096
_STATUS_BYTES = 1024


class NoSpace(RuntimeError):
    """The last checkpoint could not be written; everything before it is safe. Call `append` again later."""


class RunWriter:
    """Writes one run. Made by `create` or `resume`; `run` reads what it has committed, while it writes."""

    def __init__(self, path: Path, lock: WriterLock, config: Config, origin: Origin) -> None:
        self.path, self.config, self.origin = path, config, origin
        self._lock = lock
        self._commit_bytes = _commit_bytes(config)
        self._ballast = path.with_name(f".{path.name}.ballast")
        self._file: h5py.File | None = None  # as after a write error
        try:
            self._load_ballast()
            self._file = disk.open_for_writing(path)
            self._data = disk.datasets(self._file)
            self._committed = int(self._data["committed"][()])
            self.run = Run(path, self._file)
        except BaseException:
            self._ballast.unlink(missing_ok=True)
            if self._file is not None:
                self._file.close()
            raise

    @classmethod
    def create(cls, path: str | Path, config: Config, origin: Origin, environment: Mapping[str, Any]) -> RunWriter:
        """A new, empty run. Raises `RunError` if the file is there, or cannot be."""
        path = real_path(Path(path))
        with disk.writing(path) as lock:
            if path.exists():
                raise RunError(f"{path} exists already; choose another name, or go on with: train --resume {path}.")
            _need_space(path, config)
            with disk.new_file(path) as file:
                _skeleton(file, config, origin, str(uuid.uuid4()), [_segment(origin.epoch, environment)])
            try:
                return cls(path, lock, config, origin)
            except BaseException:
                path.unlink(missing_ok=True)  # nothing is in it yet
                raise

    @classmethod
    def resume(cls, path: str | Path, config: Config, environment: Mapping[str, Any]) -> RunWriter:
        """Go on in place: the committed part is copied into a new file that then takes the old one's name.

        Raises `RunError`.
        """
        path = real_path(Path(path))
        with disk.writing(path) as lock:
            with contextlib.closing(Run.open(path)) as old:
                origin = old.origin
                last = int(old.epochs[-1]) if old.n_checkpoints else origin.epoch
                _need_space(path, config, path.stat().st_size)
                with disk.new_file(path, old) as new:
                    _skeleton(new, config, origin, old.id, [*old.segments, _segment(last, environment)])
                    _copy_committed(old, new)
            return cls(path, lock, config, origin)

    def append(self, checkpoint: Checkpoint) -> None:
        """Write and commit one checkpoint.

        Raises `NoSpace` when the disk refused it: nothing false is committed, and it can be called again
        with the same checkpoint once there is space.
        """
        self._refuse_a_full_disk()
        try:
            if self._file is None:
                self._reopen()
            self._load_ballast()
            self._append(checkpoint)
        except (OSError, RuntimeError) as error:
            self._abandon()
            raise NoSpace(f"{self.path} could not be written ({disk.reason(error)})") from None
        self.run.refresh()

    def _refuse_a_full_disk(self) -> None:
        need = self._commit_bytes + SPARE_BYTES
        try:
            if not self._ballast.exists():
                need += BALLAST_COMMITS * self._commit_bytes
            if shutil.disk_usage(self.path.parent).free >= need:
                return
        except OSError as error:
            raise NoSpace(f"{self.path} could not be written ({disk.reason(error)})") from None
        raise NoSpace(f"the disk of {self.path} is full")

    def _append(self, c: Checkpoint) -> None:
        n, data = self._committed, self._data
        first, test_first = self._curve_ends()
        if n and c.epoch == int(data["checkpoints/epoch"][n - 1]):  # its commit was written but not synced
            disk.write(data["committed"], (), n)
            self._sync()
            return
        if first + len(c.train_losses) != c.epoch - self.origin.epoch:
            raise ValueError(f"a checkpoint at epoch {c.epoch} does not follow the {n} that {self.path} holds.")
        kept = n == 0 or c.epoch // KEEP_EVERY > int(data["checkpoints/epoch"][n - 1]) // KEEP_EVERY
        _write_rows(data, n, first, test_first, c, kept)
        self._write_optimizer("slot", (n + 1) % 2, c.optimizer)
        if kept:
            row = int(data["checkpoints/optimizer_kept"][:n].sum())
            for name in (*c.optimizer, "crc32"):
                full = "optimizer/kept_crc32" if name == "crc32" else f"optimizer/kept/{name}"
                disk.resize(data[full], row + 1)
            self._write_optimizer("kept", row, c.optimizer)
        self._sync()
        disk.write(data["committed"], (), n + 1)
        self._sync()
        self._committed = n + 1

    def _write_optimizer(self, where: str, row: int, state: Arrays) -> None:
        for name, value in state.items():
            disk.write(self._data[f"optimizer/{where}/{name}"], row, value)
        disk.write(self._data[f"optimizer/{where}_crc32"], row, np.uint32(crc32(state.items())))

    def _curve_ends(self) -> tuple[int, int]:
        """Committed rows of the training curve and of the test curve."""
        if not self._committed:
            return 0, 0
        epoch = int(self._data["checkpoints/epoch"][self._committed - 1])
        return epoch - self.origin.epoch, test_rows(self.config, self.origin, epoch)

    def _set_status(self, status: Status) -> None:
        message = status.message[:300]
        while len(text := json.dumps(asdict(replace(status, message=message))).encode()) > _STATUS_BYTES:
            message = message[: len(message) // 2]
        disk.write(self._data["status"], (), text)

    def close(self, status: Status) -> None:
        """Say how it ended and let go. Never raises: what is committed is safe whatever happens here."""
        if not self._lock.held:
            return
        try:
            for _ in range(2):  # the second time through a new handle
                try:
                    if self._file is None:
                        self._reopen()
                    self._set_status(status)
                    self._sync()
                    break
                except (OSError, RuntimeError):
                    self._abandon()
        finally:
            self._abandon()
            self._lock.release()

    # -- after a write error -------------------------------------------------------------------------------

    def _abandon(self) -> None:
        """Never write on this handle again: free the ballast, drop the datasets, close. Reading goes on elsewhere."""
        with contextlib.suppress(OSError):
            self._ballast.unlink(missing_ok=True)
        self._data = {}
        with self.run.lock:
            self.run.share(None)
            file, self._file = self._file, None
            with contextlib.suppress(OSError, RuntimeError):
                if file is not None:
                    file.close()

    def _reopen(self) -> None:
        """A new handle. What lies past the committed rows is overwritten by the next commit."""
        with self.run.lock:
            self.run.close()  # HDF5 opens nothing for writing that the same process reads
            if consistency_flags(self.path):
                self._salvage()
            try:
                self._file = disk.open_for_writing(self.path)
            except OSError:  # somebody else in this process reads it
                self._salvage()
                self._file = disk.open_for_writing(self.path)
            self._data = disk.datasets(self._file)
            self._committed = int(self._data["committed"][()])  # one more if only its last sync failed
            self.run.share(self._file)

    def _salvage(self) -> None:
        """HDF5 still holds the failed file: copy the committed part into a new one, as a resume does."""
        _need_space(self.path, self.config, self.path.stat().st_size)
        with contextlib.closing(Run(self.path)) as old, disk.new_file(self.path, old) as new:
            _skeleton(new, self.config, self.origin, old.id, old.segments)
            _copy_committed(old, new)

    def _load_ballast(self) -> None:
        """Space set aside, freed when the disk is full so that the file can be closed in order."""
        size = BALLAST_COMMITS * self._commit_bytes if hasattr(os, "posix_fallocate") else 0
        if self._ballast.exists() and self._ballast.stat().st_size == size:
            return
        with open(self._ballast, "wb") as file:
            try:
                if size:
                    os.posix_fallocate(file.fileno(), 0, size)
            except OSError:
                self._ballast.unlink(missing_ok=True)
                raise

    def _sync(self) -> None:
        disk.sync_file(self._file)


def write_whole(
    path: str | Path,
    config: Config,
    origin: Origin,
    environment: Mapping[str, Any],
    checkpoints: Iterable[Checkpoint],
    curves: Collection[str],
) -> None:
    """A finished run in one go, all or nothing, without an optimiser's state; for runs that were trained elsewhere.

    curves : which of `train_loss`, `test_epoch`, `test_loss` the file has
    Raises `RunError` if the file is there, or cannot be.
    """
    path = real_path(Path(path))
    with disk.writing(path) as lock, lock:
        if path.exists():
            raise RunError(f"{path} exists already; choose another name.")
        _need_space(path, config)
        with disk.new_file(path) as file:
            segments = [_segment(origin.epoch, environment)]
            _skeleton(file, config, origin, str(uuid.uuid4()), segments, trainable=False, curves=curves)
            data, n, last = disk.datasets(file), 0, origin.epoch
            for n, c in enumerate(checkpoints, 1):
                first, test_first = last - origin.epoch, test_rows(config, origin, last)
                _write_rows(data, n - 1, first, test_first, c, kept=False)
                last = c.epoch
            disk.write(data["committed"], (), n)
            disk.write(data["status"], (), json.dumps(asdict(Status("finished"))).encode())


def _write_rows(
    data: Mapping[str, h5py.Dataset], n: int, first: int, test_first: int, c: Checkpoint, kept: bool
) -> None:
    """Row `n` of every table that the file has, the curves from their rows `first` and `test_first`, the checksum."""
    rows = {name: value for name, value in checkpoint_rows(c, kept).items() if name in data}
    for name, value in rows.items():
        disk.grow(data[name], n, value)
    curves: dict[str, tuple[int, NDArray[Any]]] = {
        "curves/train_loss": (first, c.train_losses),
        "curves/test_epoch": (test_first, c.test_epochs),
        "curves/test_loss": (test_first, c.test_losses),
    }
    curves = {name: value for name, value in curves.items() if name in data}
    for name, (begin, values) in curves.items():
        disk.extend(data[name], begin, values)
    crc = crc32([*rows.items(), *((name, values) for name, (_, values) in curves.items())])
    disk.grow(data["checkpoints/crc32"], n, np.uint32(crc))


def checkpoint_rows(c: Checkpoint, kept: bool) -> Arrays:
    """One row for every per-checkpoint dataset, in the file's types."""
    rows: Arrays = {f"weights/{name}": value for name, value in c.weights.items()}
    rows["checkpoints/epoch"] = np.asarray(c.epoch, dtype=np.int64)
    rows["checkpoints/optimizer_kept"] = np.asarray(kept, dtype=np.uint8)
    values = {"train_loss": c.train.loss, "train_accuracy": c.train.accuracy}
    if c.test is not None:
        values |= {"test_loss": c.test.loss, "test_accuracy": c.test.accuracy}
    return rows | {f"checkpoints/{name}": np.asarray(value, dtype=np.float64) for name, value in values.items()}


def _skeleton(
    file: h5py.File,
    config: Config,
    origin: Origin,
    run_id: str,
    segments: list[dict[str, Any]],
    trainable: bool = True,
    curves: Collection[str] = CURVES,
) -> None:
    """Every attribute and dataset, empty: nothing is created later, as SWMR demands.

    trainable : with places for the optimiser's state
    """
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["run_id"] = run_id
    file.attrs["config"] = config.to_json()
    file.attrs["origin"] = json.dumps(asdict(origin))
    file.attrs["segments"] = json.dumps(segments)
    file.create_dataset("committed", data=np.int64(0))
    running = json.dumps(asdict(Status("running"))).encode()
    file.create_dataset("status", data=np.array(running, dtype=f"S{_STATUS_BYTES}"))

    def column(name: str, dtype: Any, shape: tuple[int, ...] = (), chunk: int = 1, checked: bool = False) -> None:
        file.create_dataset(
            name,
            (0, *shape),
            dtype=dtype,
            maxshape=(None, *shape),
            chunks=(chunk, *shape),
            fletcher32=checked,
        )

    for name, shape in shapes(config).items():
        column(f"weights/{name}", "f4", shape, checked=True)
        for moment in MOMENTS if trainable else ():
            column(f"optimizer/kept/{moment}/{name}", "f4", shape, checked=True)
            file.create_dataset(f"optimizer/slot/{moment}/{name}", (2, *shape), "f4", chunks=(1, *shape))
    if trainable:
        column("optimizer/kept/step", "f8", chunk=64)
        column("optimizer/kept_crc32", "u4", chunk=64)
        file.create_dataset("optimizer/slot/step", (2,), "f8", chunks=(1,))
        file.create_dataset("optimizer/slot_crc32", (2,), "u4", chunks=(1,))
        column("checkpoints/optimizer_kept", "u1", chunk=512)
    column("checkpoints/epoch", "i8", chunk=512)
    column("checkpoints/crc32", "u4", chunk=512)
    for name in SCALARS if config.n_test else SCALARS[:2]:
        column(f"checkpoints/{name}", "f8", chunk=512)
    for name in curves:
        column(f"curves/{name}", "i8" if name == "test_epoch" else "f8", chunk=_CURVE_CHUNK)


def _copy_committed(old: Run, new: h5py.File) -> None:
    """Copy what is committed, row by row for the big tables; the valid optimiser slot only."""
    n = old.n_committed
    data = disk.datasets(new)
    ends = _row_counts(old, data)
    with old.lock:
        source = old._h5
        missing = [name for name in data if name not in source]
        if missing:
            raise RunError(f"{old.path} holds no {missing[0]}; start a new run from its weights with --init.")
        for name, target in data.items():
            if name in ends:
                disk.resize(target, ends[name])
                step = max(1, 2**24 // max(1, target.dtype.itemsize * int(np.prod(target.shape[1:]))))
                for row in range(0, ends[name], step):
                    disk.write(target, slice(row, row + step), source[name][row : min(row + step, ends[name])])
        slot = n % 2
        for name in (k for k in data if k.startswith("optimizer/slot") and n):
            disk.write(data[name], slot, source[name][slot])
    disk.write(data["committed"], (), n)


def _row_counts(old: Run, data: Mapping[str, h5py.Dataset]) -> dict[str, int]:
    """Committed rows of every growing dataset."""
    n = old.n_committed
    epoch = int(old.epochs[-1]) if n else old.origin.epoch
    train, test = (
        epoch - old.origin.epoch,
        test_rows(old.config, old.origin, epoch) if old.config.n_test else 0,
    )
    return _committed_rows(data, n, len(old.kept_optimizers()), train, test)


def _committed_rows(data: Mapping[str, h5py.Dataset], n: int, kept: int, train: int, test: int) -> dict[str, int]:
    """Rows that count, for every dataset that grows."""
    counts = {}
    for name, item in data.items():
        if item.maxshape[:1] != (None,):
            continue
        if name.startswith("optimizer/kept"):
            counts[name] = kept
        elif name.startswith("curves/"):
            counts[name] = train if name == "curves/train_loss" else test
        else:
            counts[name] = n
    return counts


def _segment(epoch: int, environment: Mapping[str, Any]) -> dict[str, Any]:
    return {"from_epoch": epoch, "began": datetime.now(UTC).isoformat(timespec="seconds"), **environment}


def _commit_bytes(config: Config) -> int:
    """Weights, one slot and one kept state; and the small tables."""
    return 4 * 5 * sum(int(np.prod(s)) for s in shapes(config).values()) + 2**18


def _need_space(path: Path, config: Config, more: int = 0) -> None:
    """Raises `RunError` rather than begin a file that cannot be finished."""
    need = (BALLAST_COMMITS + 1) * _commit_bytes(config) + SPARE_BYTES + more
    if shutil.disk_usage(path.parent).free < need:
        raise RunError(f"{path} needs {need / 2**20:.0f} MiB of free space, which its disk does not have.")
