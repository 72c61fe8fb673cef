"""The run file: what is in it, and how it is read. The format is told in docs/run-file.md."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from engine import densefile
from engine.adamw import MOMENTS
from engine.config import Config, ConfigError
from engine.densefile import Dense, dense_path
from engine.lock import is_being_written
from engine.models.transformer import shapes

FORMAT = "grokscope run"
FORMAT_VERSION = 1
Arrays = dict[str, NDArray[Any]]
SCALARS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")  # of a checkpoint, over p logits
_PROBE_SECONDS = 30
_LAST_READ = 64  # parameters: those of the last few checkpoints, which several analyses ask for


class RunError(RuntimeError):
    """A run file cannot be read or written; one sentence that says what to do."""


@dataclass(frozen=True)
class Origin:
    """Where a run begins.

    epoch : where its curves begin, and its first checkpoint (in an imported run that may be later);
        0 unless it is a fork, which keeps its parent's epoch numbers
    parent: the run id of the parent, or None
    warmup_from : the epoch from which the warm-up counts
    optimizer : `fresh` or `kept`, the optimiser's state at the beginning; `unknown` in an imported run
    """

    epoch: int = 0
    parent: str | None = None
    warmup_from: int = 0
    optimizer: str = "fresh"


@dataclass(frozen=True)
class Status:
    """finished, interrupted, failed or running; `message` is the last line of a failed run."""

    state: str
    message: str = ""


class Run:
    """A run file, read only, and the replayed checkpoints beside it, in one list by epoch.

    Equal and hashed by run id and the file of replayed checkpoints: the same step of equal runs is the same
    checkpoint. Only committed checkpoints are seen; `refresh` looks for new ones, which come after the others. Who
    wants replayed checkpoints that were made since opens the run again. Outlives the writer whose handle it may
    share. Thread-safe.

    dense_trouble : why a file of replayed checkpoints is there and not used; empty: it is used, or there is none
    """

    dense_trouble = ""
    _dense: Dense | None = None

    def __init__(self, path: Path, file: h5py.File | None = None, with_dense: bool = True) -> None:
        """Read through `file`, which belongs to somebody else; None: open it. Use `Run.open`. Raises `RunError`."""
        self.path = path
        self.lock = threading.RLock()  # held by the writer while it lets go of the handle that both use
        self._file: h5py.File | None = file
        self._own = file is None
        self._tables: dict[str, h5py.Dataset] = {}  # those of the handle that were read, open
        self.id = ""
        self._stored = np.zeros(0, dtype=np.int64)  # epochs of the file's own checkpoints
        self._dense_rows = np.zeros(0, dtype=np.int64)  # the replayed ones that are used
        self._rows = np.zeros(0, dtype=np.int64)  # of each step: a row of the file, or ~row of the replayed ones
        self._epochs = np.zeros(0, dtype=np.int64)
        self._last_read: OrderedDict[tuple[str, int], NDArray[np.float32]] = OrderedDict()
        try:
            if file is not None:
                self._read_header(file)
            self.refresh()
            if with_dense:
                self._find_dense()
        except BaseException:
            self.close()
            raise

    def _read_header(self, file: h5py.File) -> None:
        """What does not change while a file is open."""
        with self._reading("what it is"):
            if file.attrs.get("format") == densefile.FORMAT:
                raise RunError(f"{self.path} holds replayed checkpoints; open the run that it lies beside.")
            run_id = str(file.attrs["run_id"])
            if self.id not in ("", run_id):
                raise RunError(f"{self.path} is another run by now; open it again.")
            self.config = _stored_config(self.path, file)
            self.origin = Origin(**json.loads(str(file.attrs["origin"])))
            self.segments: list[dict[str, Any]] = json.loads(str(file.attrs["segments"]))
            check_structure(self.path, file, self.config, self.origin)
            self.reduced_precision = file["weights/W_E"].dtype == np.float16
            self.id = run_id

    @classmethod
    def open(cls, path: str | Path, probe: bool = True) -> Run:
        """Open a run file, also one that is being written or whose writer was killed.

        probe : read it through once in a child process first, because HDF5 can crash on a damaged file
        """
        path = Path(path)
        _refuse_what_is_no_file(path)
        trouble = ""
        if probe:
            probe_file(path)
            trouble = _probe_dense(dense_path(path))
        run = cls(path, with_dense=not trouble)
        run.dense_trouble = run.dense_trouble or trouble
        return run

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and (other.id, other.dense_id) == (self.id, self.dense_id)

    def __hash__(self) -> int:
        return hash(self.id)

    # -- what is there -------------------------------------------------------------------------------------

    def refresh(self) -> int:
        """Look for new checkpoints, also where a resumed run has taken the file's place.  -> how many now"""
        with self.lock, self._reading("its tables"):
            if self._own and self._is_replaced():
                self.close()
            file = self._h5
            n = self._committed()
            if self._follows():
                _refresh_all(file)  # after `committed`: all else is at least as new
            if n != len(self._stored):
                self._stored = file["checkpoints/epoch"][:n].astype(np.int64)
                self._merge()
            return self.n_checkpoints

    def _find_dense(self) -> None:
        """Take in the replayed checkpoints between the first and the last one: what comes later does not move them."""
        path = dense_path(self.path)
        if not path.exists():
            return
        with self.lock:
            try:
                self._dense = Dense(path, self.id, self.config)
            except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
                self.dense_trouble = f"{path} is not used: {_first_line(error)}."
                return
            epochs, ends = self._dense.epochs, self._stored[[0, -1]] if len(self._stored) else np.zeros(2, np.int64)
            between = (epochs > ends[0]) & (epochs < ends[1]) & ~np.isin(epochs, self._stored)
            self._dense_rows = np.flatnonzero(between)
            self._merge()

    def _merge(self) -> None:
        """The file's own checkpoints and the replayed ones, by epoch."""
        if self._dense is None:
            self._rows, self._epochs = np.arange(len(self._stored)), self._stored
            return
        epochs = np.concatenate([self._stored, self._dense.epochs[self._dense_rows]])
        order = np.argsort(epochs)
        self._rows = np.concatenate([np.arange(len(self._stored)), ~self._dense_rows])[order]
        self._epochs = epochs[order]  # last: who sees an epoch finds its row

    @property
    def n_checkpoints(self) -> int:
        return len(self._epochs)

    @property
    def epochs(self) -> NDArray[np.int64]:
        """Epoch of every checkpoint, ascending.  (n_checkpoints,)"""
        return self._epochs

    @property
    def n_committed(self) -> int:
        """Checkpoints of the run file itself, without replayed ones."""
        return len(self._stored)

    @property
    def dense_epochs(self) -> NDArray[np.int64]:
        """Epochs of the replayed checkpoints among them.  (n,)"""
        return self._epochs[self._rows[: len(self._epochs)] < 0] if self._dense is not None else self._epochs[:0]

    @property
    def dense_id(self) -> str:
        """Which replayed checkpoints there are: another id, others. Empty: none."""
        return "" if self._dense is None else self._dense.id

    def step_at(self, epoch: int) -> int:
        """Index of the checkpoint at exactly that epoch. Raises `RunError` naming its neighbours."""
        i = int(np.searchsorted(self._epochs, epoch))
        if i < len(self._epochs) and self._epochs[i] == epoch:
            return i
        near = ", ".join(str(e) for e in self._epochs[max(0, i - 1) : i + 1])
        raise RunError(f"{self.path} has no checkpoint at epoch {epoch}; the nearest: {near or 'none'}.")

    def status(self) -> Status:
        written = is_being_written(self.path)  # asked first: a run may end just now
        with self.lock, self._reading("its status"):
            if self._own and self._is_replaced():
                self.refresh()
            stored = Status(**json.loads(self._h5["status"][()].decode()))
        if stored.state == "running" and not written:
            return Status("interrupted", "the program ended without closing the file")
        return stored

    # -- arrays --------------------------------------------------------------------------------------------

    def weights(self, step: int) -> Arrays:
        """Every parameter at a checkpoint, float32.  name -> shaped as `shapes(config)`

        Raises `RunError` for a damaged checkpoint or weights that are not finite.
        """
        return {name: self.weight(name, step) for name in shapes(self.config)}

    def weight(self, name: str, step: int) -> NDArray[np.float32]:
        """One parameter at a checkpoint."""
        step = range(self.n_checkpoints)[step]  # the last one is the last committed one
        with self.lock:
            key = name, int(self._epochs[step])
            value = self._last_read.get(key)
            if value is None:
                value = self._row_of(f"weights/{name}", step).astype(np.float32, copy=False)
                if not np.isfinite(value).all():
                    raise RunError(f"{self.path}: {name} is not finite at epoch {key[1]}; the file is damaged.")
                self._last_read[key] = value
                if len(self._last_read) > _LAST_READ:
                    self._last_read.popitem(last=False)
            else:
                self._last_read.move_to_end(key)
            return value.copy()

    def scalars(self, name: str) -> NDArray[np.float64] | None:
        """`train_loss`, `train_accuracy`, `test_loss` or `test_accuracy` of every checkpoint, over p logits.

        None where there is no test set.  (n_checkpoints,)
        """
        name = f"checkpoints/{name}"
        with self.lock:
            stored = self._optional(name, len(self._stored))
            if stored is None or self._dense is None:
                return stored
            with self._reading_dense(name):
                replayed = self._dense.column(name)
            if replayed is None:
                raise RunError(f"{self._dense.path} has no {name}; delete it, it can be made again.")
            values, own = np.empty(len(self._rows)), self._rows >= 0
            values[own], values[~own] = stored[self._rows[own]], replayed[~self._rows[~own]]
            return values

    def train_curve(self) -> NDArray[np.float64] | None:
        """Training loss before every step, over p + 1 logits, or None.  entry i: epoch origin.epoch + i"""
        return self._optional("curves/train_loss", self._n_train_rows(len(self._stored)))

    def test_curve(self) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """(epochs, test losses over p + 1 logits), or None."""
        if not self.config.n_test:
            return None
        with self.lock:
            n = test_rows(self.config, self.origin, int(self._stored[-1])) if len(self._stored) else 0
            epochs, losses = self._optional("curves/test_epoch", n), self._optional("curves/test_loss", n)
        return None if epochs is None or losses is None else (epochs.astype(np.int64), losses)

    def optimizer(self) -> Arrays | None:
        """The optimiser's state at the last checkpoint, or None where the file has none.

        None too where the writer has gone on since `refresh`: its place may hold another state by now.
        Raises `RunError` for a damaged state.
        """
        with self.lock, self._reading("the optimiser's state"):
            n = len(self._stored)
            if "optimizer" not in self._h5 or not n:
                return None
            state, sound = self._optimizer_row("slot", n % 2)
            if self._committed() != n:
                return None
        if not sound:
            raise RunError(f"{self.path}: its last optimiser state does not match its checksum; it is damaged.")
        return state

    def kept_optimizers(self) -> list[int]:
        """Checkpoints whose full optimiser state is kept."""
        with self.lock, self._reading("the optimiser's states"):
            if "optimizer" not in self._h5:
                return []
            flags = self._h5["checkpoints/optimizer_kept"][: len(self._stored)]
            steps = np.flatnonzero(self._rows >= 0)
        return [int(i) for i in steps[np.flatnonzero(flags)]]

    def kept_optimizer(self, step: int) -> Arrays:
        """The state kept at that checkpoint. Raises `RunError` for a damaged one."""
        state, sound = self._optimizer_row("kept", self.kept_optimizers().index(step))
        if not sound:
            raise RunError(
                f"{self.path}: the optimiser state kept at epoch {self._epochs[step]} does not match its "
                "checksum; it is damaged."
            )
        return state

    def checksum_errors(self) -> list[str]:
        """What does not match its stored checksum, one sentence each; reads every committed byte."""
        wrong = []
        checks: list[tuple[Callable[[int], object], int]] = [
            *((self._match_checksum, row) for row in range(len(self._stored))),
            *((self._match_dense, int(row)) for row in self._dense_rows),
            *((self.kept_optimizer, step) for step in self.kept_optimizers()),
            (lambda _: self.optimizer(), -1),
        ]
        for check, step in checks:
            try:
                check(step)
            except RunError as error:
                wrong.append(str(error))
        return wrong

    def _match_checksum(self, row: int) -> None:
        with self.lock, self._reading(f"the checkpoint at epoch {self._stored[row]}"):
            found = self._checksum(row)
        if found != int(self._row("checkpoints/crc32", row)):
            raise RunError(f"{self.path}: the checkpoint at epoch {self._stored[row]} does not match its checksum.")

    def _match_dense(self, row: int) -> None:
        assert self._dense is not None
        epoch = self._dense.epochs[row]
        with self.lock, self._reading_dense(f"the checkpoint at epoch {epoch}"):
            found, stored = crc32(self._dense.rows(row).items()), int(self._dense.row("checkpoints/crc32", row))
        if found != stored:
            raise RunError(
                f"{self._dense.path}: the replayed checkpoint at epoch {epoch} does not match its checksum; "
                "delete the file, it can be made again."
            )

    def _checksum(self, row: int) -> int:
        """CRC-32 over everything a commit appended, recomputed from the file."""
        first, last = self._n_train_rows(row), self._n_train_rows(row + 1)
        rows: Arrays = {f"weights/{name}": self._row(f"weights/{name}", row) for name in shapes(self.config)}
        for name in ("epoch", "optimizer_kept", *SCALARS):
            if f"checkpoints/{name}" in self._h5:
                rows[f"checkpoints/{name}"] = np.asarray(self._row(f"checkpoints/{name}", row))
        if "curves/train_loss" in self._h5:
            rows["curves/train_loss"] = self._h5["curves/train_loss"][first:last]
        if "curves/test_loss" in self._h5:
            between = (int(self._stored[row - 1]) if row else self.origin.epoch, int(self._stored[row]))
            ends = [test_rows(self.config, self.origin, epoch) for epoch in between]
            for name in ("test_epoch", "test_loss"):
                rows[f"curves/{name}"] = self._h5[f"curves/{name}"][ends[0] : ends[1]]
        return crc32(rows.items())

    # -- the handle ----------------------------------------------------------------------------------------

    @property
    def _h5(self) -> h5py.File:
        if not self._file:
            self._file, self._own, self._tables = open_file(self.path), True, {}
            try:
                self._read_header(self._file)
            except BaseException:
                self.close()
                raise
        return self._file

    def _table(self, name: str) -> h5py.Dataset:
        """A dataset, kept open: to open one takes longer than to read a row of it.

        Not where another process writes: who refreshes a dataset may hold it only once.
        """
        file = self._h5
        table = self._tables.get(name)
        if table is None:
            table = file[name]
            if not self._follows():
                self._tables[name] = table
        return table

    def share(self, file: h5py.File | None) -> None:
        """Read through this handle from now on (the writer's); None: through a handle of its own."""
        with self.lock:
            self.close()
            self._file, self._own = file, file is None

    @property
    def grows(self) -> bool:
        """Whether this process is writing it: what is derived from its last checkpoint holds only for a moment."""
        return not self._own

    def close(self) -> None:
        """Let go of the file; the next read opens it again."""
        with self.lock:
            self._last_read.clear()
            self._tables.clear()
            if self._own and self._file:
                self._file.close()
            self._file = None
            if self._dense is not None:
                self._dense.close()

    def _follows(self) -> bool:
        """Whether the handle is one of its own on a file that somebody writes."""
        return self._own and bool(self._h5.swmr_mode) and self._h5.mode == "r"

    def _committed(self) -> int:
        committed = self._h5["committed"]
        if self._follows():
            committed.refresh()
        return int(committed[()])

    def _is_replaced(self) -> bool:
        """Whether the path leads to another file than the open one."""
        if not self._file:
            return False
        try:
            return not os.path.samestat(os.fstat(self._file.id.get_vfd_handle()), os.stat(self.path))
        except OSError:
            return False

    @contextlib.contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """HDF5's many ways to say that a file is damaged, as a `RunError`."""
        try:
            yield
        except RunError:
            raise
        except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
            raise RunError(f"{self.path} is damaged: cannot read {what}: {_first_line(error)}") from None

    def _row(self, name: str, row: int) -> Any:
        with self.lock, self._reading(f"{name}, row {row}"):
            return self._table(name)[row]

    @contextlib.contextmanager
    def _reading_dense(self, what: str) -> Iterator[None]:
        """The same of the replayed checkpoints, which can be made again."""
        assert self._dense is not None
        try:
            yield
        except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
            raise RunError(
                f"{self._dense.path}: cannot read {what}: {_first_line(error)}; delete the file, it can be made again."
            ) from None

    def _row_of(self, name: str, step: int) -> Any:
        """A checkpoint's row of a table, wherever it is."""
        row = int(self._rows[step])
        if row >= 0:
            return self._row(name, row)
        assert self._dense is not None
        with self.lock, self._reading_dense(f"{name} at epoch {self._epochs[step]}"):
            return self._dense.row(name, ~row)

    def _optional(self, name: str, n: int) -> NDArray[Any] | None:
        with self.lock, self._reading(name):
            return self._table(name)[:n] if name in self._h5 else None

    def _optimizer_row(self, where: str, row: int) -> tuple[Arrays, bool]:
        """A stored state and whether it matches its checksum."""
        state = {f"{m}/{name}": self._row(f"optimizer/{where}/{m}/{name}", row) for m in MOMENTS
                 for name in shapes(self.config)}  # fmt: skip
        state["step"] = np.asarray(self._row(f"optimizer/{where}/step", row))
        return state, crc32(state.items()) == int(self._row(f"optimizer/{where}_crc32", row))

    def _n_train_rows(self, n_stored: int) -> int:
        return int(self._stored[n_stored - 1]) - self.origin.epoch if n_stored else 0


def test_rows(config: Config, origin: Origin, epoch: int) -> int:
    """How many test epochs lie in [origin.epoch, epoch): absolute multiples of `test_every`."""
    if not config.n_test:
        return 0
    every = config.test_every
    return -(-epoch // every) - -(-origin.epoch // every)


def crc32(rows: Iterable[tuple[str, NDArray[Any]]]) -> int:
    """Checksum of named arrays, in the order of their names."""
    value = 0
    for name, array in sorted(rows, key=lambda item: item[0]):
        value = zlib.crc32(array.tobytes(), zlib.crc32(name.encode(), value))
    return value


def open_file(path: Path) -> h5py.File:
    """The file for reading: plainly if it was closed, in SWMR mode if it is being written or was left behind.

    Never in SWMR mode without need: there HDF5 waits for ever for damaged metadata to become sound.
    """
    why = ""
    for _ in range(2):  # its writer may come or go between the look and the opening
        try:
            if consistency_flags(path) & 4:
                return h5py.File(path, "r", swmr=True, libver=("v110", "v110"))
            return h5py.File(path, "r")
        except (OSError, ValueError) as error:
            why = _first_line(error)
    raise RunError(f"{path} cannot be opened as a run file: {why}")


def consistency_flags(path: Path) -> int:
    """Of the superblock (HDF5 format, II.A): 0 closed in order, 1 open for writing, 4 in SWMR mode."""
    with open(path, "rb") as file:
        return int.from_bytes(file.read(12)[11:], "little")


def check_structure(path: Path, file: h5py.File, config: Config, origin: Origin) -> None:
    """Shapes, types and lengths against the configuration, before memory is taken. Raises `RunError`."""

    def need(condition: bool, what: str) -> None:
        if not condition:
            raise RunError(f"{path} is damaged: {what}.")

    def table(name: str, rows: int, shape: tuple[int, ...] = (), kinds: str = "iuf") -> None:
        data = file.get(name)
        if not isinstance(data, h5py.Dataset):
            raise RunError(f"{path} is damaged: {name} is missing.")
        need(data.shape[1:] == shape and data.ndim > 0, f"{name} has shape {data.shape[1:]}, not {shape}")
        need(data.dtype.kind in kinds, f"{name} is {data.dtype}")
        need(len(data) >= rows, f"{name} has {len(data)} rows, not {rows}")
        need(rows <= 2 or rows * data.dtype.itemsize * int(np.prod(shape)) <= size, f"{name} is larger than the file")

    size = path.stat().st_size
    need("committed" in file and "checkpoints/epoch" in file and "status" in file, "its tables are missing")
    n = int(file["committed"][()])
    need(0 <= n <= size // 4, f"{n} checkpoints are more than its size allows")
    table("checkpoints/epoch", n, kinds="iu")
    epochs = file["checkpoints/epoch"][:n]
    need(bool((np.diff(epochs) > 0).all()), "the epochs of its checkpoints do not ascend")
    need(not n or epochs[0] >= origin.epoch >= 0, "its first checkpoint is before its beginning")
    for name, shape in shapes(config).items():
        table(f"weights/{name}", n, shape, "f")
    for name in (*SCALARS, "crc32", "optimizer_kept"):
        if f"checkpoints/{name}" in file:
            table(f"checkpoints/{name}", n)
    epoch = int(epochs[-1]) if n else origin.epoch
    for name, rows in (
        ("train_loss", epoch - origin.epoch),
        ("test_epoch", test_rows(config, origin, epoch)),
        ("test_loss", test_rows(config, origin, epoch)),
    ):
        if f"curves/{name}" in file:
            table(f"curves/{name}", rows)
    if "optimizer" in file:
        table("checkpoints/optimizer_kept", n)
        for where, rows in (("slot", 2), ("kept", int(file["checkpoints/optimizer_kept"][:n].astype(bool).sum()))):
            for name, shape in shapes(config).items():
                for moment in MOMENTS:
                    table(f"optimizer/{where}/{moment}/{name}", rows, shape, "f")
            table(f"optimizer/{where}/step", rows)
            table(f"optimizer/{where}_crc32", rows)


def _probe_dense(path: Path) -> str:
    """Why a file of replayed checkpoints cannot be trusted, or nothing."""
    if not path.is_file():
        return ""
    try:
        probe_file(path)
    except RunError as error:
        return str(error)
    return ""


def probe_file(path: Path) -> None:
    """Walk every chunk in a child process: a damaged HDF5 file can crash the program that reads it."""
    probe = Path(__file__).with_name("probe.py")
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(probe), str(path)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"{path} cannot be read: it took over {_PROBE_SECONDS} s to look through.") from None
    if done.returncode == 0:
        return
    said = done.stdout.strip().splitlines()
    what = said[-1] if done.returncode == 1 and said else "the file is damaged (reading it crashed)"
    raise RunError(f"{path} {what}")


def _refuse_what_is_no_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path} does not exist; check the name, or train one with: train --out {path}.") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}.") from None
    if stat.S_ISDIR(mode):
        raise RunError(f"{path} is a folder; give a run file such as run.h5.")
    if not stat.S_ISREG(mode):
        raise RunError(f"{path} is not a file; give a run file such as run.h5.")


def _stored_config(path: Path, file: h5py.File) -> Config:
    try:
        return Config.from_json(str(file.attrs["config"]))
    except (ConfigError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path}: its configuration is not readable: {_first_line(error)}") from None


def _refresh_all(file: h5py.File) -> None:
    def refresh(_name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            item.refresh()

    file.visititems(refresh)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
