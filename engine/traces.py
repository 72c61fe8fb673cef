"""Measures of every checkpoint of a run, computed once and kept beside it in `NAME.traces.h5`.

The file is disposable: deleted, damaged or of another version it is made anew. What needs no key frequencies is kept
as it is; restricted losses of any set of frequencies follow from the table S of each checkpoint; excluded losses need
the logits and are kept for each set they were asked for; extras (`EXTRAS`) are measured only for who asks. A bundled
run carries its traces in its own file. What is known of checkpoints that are not measured yet is at hand in
`Traces.glance`.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from engine.analysis import algorithm, waves
from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.measures import (
    Measures,
    Restricted,
    Score,
    excluded,
    key_power,
    of_activations,
    restricted,
)
from engine.config import Config
from engine.glance import AT_ONCE, Glance, coarseness
from engine.lanes import analysis_cores
from engine.models.transformer import shapes
from engine.replay import Activations, Forward, activations
from engine.runfile import Arrays, Run

VERSION = 1
FORMAT = "grokscope-traces"
SCORES = ("train", "test", "every", "seen", "unseen", "excluded_all_train")
_SCALARS = (
    "margin", "commutativity", "gini_embedding", "gini_neuron_logit", "ipr_embedding", "ipr_neuron_logit", "power",
)  # fmt: skip
_FLUSH_EVERY = 16  # checkpoints
_TOGETHER = 64  # tables read at a time
Array = NDArray[Any]


def _algorithm_row(config: Config, kept: Callable[[], Activations], weights: Arrays, _of: str) -> dict[str, Array]:
    found = algorithm.of_activations(config, kept(), weights)
    names = ("symmetricity", "error", "published", "irrelevance", "circularity")
    return {name: _or_nan(getattr(found, name)) for name in names}


def _circle_row(config: Config, _kept: Callable[[], Activations], weights: Arrays, k: str) -> dict[str, Array]:
    """float32 passes: ten times below what a curve shows."""
    found = algorithm.circle(config, weights, int(k), exact=False)
    return {"clock": _or_nan(found.clock), "pizza": _or_nan(found.pizza)}


def _neurons_row(config: Config, kept: Callable[[], Activations], _weights: Arrays, _of: str) -> dict[str, Array]:
    return {"norm": waves.frequency_norms(kept().mlp_post[-1], characters(config))}


EXTRAS: dict[str, Callable[[Config, Callable[[], Activations], Arrays, str], dict[str, Array]]] = {
    "algorithm": _algorithm_row,  # clock or pizza
    "circle": _circle_row,  # the same of one frequency k: `circle/k`
    "neurons": _neurons_row,  # norms of the frequencies in the last layer's activations
}
"""What is measured on demand: the start of its name -> one checkpoint's row, given what follows a stroke.

What has a stroke in its name takes passes of its own: a job by itself for who must not be held up.
"""


def extras_of(config: Config, wanted: Collection[str], keys: Collection[int]) -> tuple[str, ...]:
    """The names of extras, one a frequency where it is of frequencies; none where the task has no basis."""
    try:
        n = characters(config).n
    except NoBasis:
        return ()
    found = [name for name in sorted(wanted) if name != "circle"]
    return (*found, *(f"circle/{k}" for k in sorted(keys) if "circle" in wanted and k <= n // 2))


def _or_nan(value: float | None) -> Array:
    return np.array(np.nan if value is None else value)


def set_name(keys: Collection[int]) -> str:
    """A set of frequencies as a name, `14,35,41`."""
    return ",".join(str(k) for k in sorted(keys))


def row_of(m: Measures) -> dict[str, Array]:
    """One checkpoint's measures as arrays; what is missing is NaN or left out."""
    row: dict[str, Array] = {}
    for name in SCORES:
        score: Score | None = getattr(m, name)
        if score is not None:
            row[f"{name}_loss"], row[f"{name}_accuracy"] = np.array(score.loss), np.array(score.accuracy)
    for name in (
        "commutativity", "gini_embedding", "gini_neuron_logit", "ipr_embedding", "ipr_neuron_logit", "power", "margin",
        "embedding_norms", "unembedding_norms", "neuron_logit_norms", "attention", "table",
    ):  # fmt: skip
        value = getattr(m, name)
        if value is not None:
            row[name] = np.asarray(value, np.float64)
    row["squared_weights"] = np.array(list(m.squared_weights.values()))
    row["right"] = np.packbits(m.right)
    if m.neurons is not None:
        row["neuron_frequency"], row["neuron_fve"] = m.neurons.frequency.astype(np.int32), m.neurons.fve
    return row


@dataclass(frozen=True)
class Columns:
    """Restricted or excluded scores over training.

    epochs : (n,)   loss, accuracy : name -> (n,); names `every`, `train`, `test`, `power`, `keys`, or a frequency
    """

    keys: tuple[int, ...]
    epochs: NDArray[np.int64]
    loss: dict[str, NDArray[np.float64]]
    accuracy: dict[str, NDArray[np.float64]]


class Traces:
    """The measures of a run's checkpoints. One writer; any thread may read."""

    def __init__(self, run: Run, path: Path | None = None) -> None:
        """path : of the traces; None: beside the run. Where it cannot be written, they live in memory only."""
        self.run, self._lock, self.glance = run, threading.RLock(), Glance(run)
        self.path = path or run.path.with_name(f"{run.path.stem}.traces.h5")
        self._derived_rows: dict[str, dict[int, tuple[Restricted, float]]] = {}
        self._alphas: dict[int, NDArray[np.float64]] = {}  # α_k by epoch
        self._shipped = _shipped(run)
        self._file, self.kept = self._open()
        self._unflushed = 0

    def _open(self) -> tuple[h5py.File, bool]:
        if self._shipped is not None:
            return _fresh(None, self.run.id), False
        try:
            if self.path.exists():
                file = h5py.File(self.path, "r+")
                if (file.attrs.get("format"), file.attrs.get("version"), file.attrs.get("run_id")) == (
                    FORMAT, VERSION, self.run.id,
                ) and _whole(file):  # fmt: skip
                    return file, True
                file.close()
        except BlockingIOError:  # another process fills it
            return _fresh(None, self.run.id), False
        except (OSError, KeyError, RuntimeError):
            pass  # damaged: made anew
        try:
            self.path.unlink(missing_ok=True)
            return _fresh(self.path, self.run.id), True
        except OSError:
            return _fresh(None, self.run.id), False

    @cached_property
    def _forward(self) -> Forward | None:
        """The pass over all pairs, made when the first checkpoint is measured; None where the model has none."""
        try:
            return Forward(self.run.config, True, analysis_cores())
        except LookupError:
            return None

    def close(self) -> None:
        with self._lock:
            self._file.close()

    # -- what is there ------------------------------------------------------------------------------------------

    @property
    def epochs(self) -> NDArray[np.int64]:
        """Epochs of the checkpoints measured so far, ascending.  (n,)"""
        if self._shipped is not None:
            found: NDArray[np.int64] = self._shipped["epoch"]
            return found
        with self._lock:
            return np.sort(self._stored_epochs("rows"))

    def _stored_epochs(self, group: str) -> NDArray[np.int64]:
        held = self._file.get(f"{group}/epoch")
        return np.zeros(0, np.int64) if held is None else np.asarray(held[()], np.int64)

    def names(self) -> list[str]:
        """The columns there are."""
        if self._shipped is not None:
            return [name for name in self._shipped if "/" not in name and not name.endswith("epoch")]
        with self._lock:
            return [name for name in self._file.get("rows", ()) if name != "epoch"]

    def column(self, name: str, packed: bool = False) -> Array | None:
        """A measure at each of `epochs`, or None where this task has none.  (n, …)

        Of a bundled run, S (`table`) exists only where weights do: None. packed : leave `right` as bits in bytes
        """
        if self._shipped is not None:
            values = None if name == "table" else self._shipped.get(name)
        else:
            with self._lock:
                held = self._file.get(f"rows/{name}")
                order = np.argsort(self._stored_epochs("rows"), kind="stable")
                values = None if held is None else held[()][order]
        if values is None or name != "right" or packed:
            return values
        return np.unpackbits(values, axis=1)[:, : self.run.config.p**2].astype(bool)

    def extra(self, name: str) -> tuple[NDArray[np.int64], dict[str, Array]]:
        """Epochs at which an extra is measured, ascending, and its columns.  (m,), (m, …) each"""
        return self._ascending(f"extra/{name}")

    def _ascending(self, group: str) -> tuple[NDArray[np.int64], dict[str, Array]]:
        """Epochs of a table's rows, ascending, and its columns in that order."""
        with self._lock:
            epochs = self._stored_epochs(group)
            order = np.argsort(epochs, kind="stable")
            held = self._file.get(group, {})
            return epochs[order], {name: held[name][()][order] for name in held if name != "epoch"}

    def _tables(self) -> tuple[NDArray[np.int64], Any]:
        """Epochs and S of each, in any order; of none where the task has no basis."""
        if self._shipped is not None:
            held, epochs = self._shipped.get("table"), self._shipped.get("table_epoch")
        else:
            held, epochs = self._file.get("rows/table"), self._stored_epochs("rows")
        return (np.zeros(0, np.int64), ()) if held is None or epochs is None else (epochs, held)

    def missing(self, keys: Collection[int] | None = None, extras: Collection[str] = ()) -> list[int]:
        """Steps not measured yet, coarse to fine; with `keys`, those without this set's excluded loss too.

        extras : names of `extras_of`, those without them too
        """
        groups = [f"extra/{name}" for name in extras]
        if self._shipped is None:
            groups += ["rows", *([f"excluded/{set_name(keys)}"] if keys else [])]
        if not groups:
            return []
        with self._lock:
            done = set.intersection(*(set(self._stored_epochs(group).tolist()) for group in groups))
        wanted = [step for step, epoch in enumerate(self.run.epochs.tolist()) if epoch not in done]
        return coarse_to_fine(wanted)

    @property
    def provisional(self) -> bool:
        """Whether the run goes on: its last key frequencies are not its final ones."""
        return self.run.status().state == "running"

    # -- computing ----------------------------------------------------------------------------------------------

    def weigh(self, n: int, seconds: float = AT_ONCE) -> int:
        """`Glance.weigh` of what is not measured among the first n checkpoints.  -> how many are left"""
        return self.glance.weigh(n, self.epochs.tolist(), seconds)

    def unweighed(self, n: int) -> int:
        """How many of the first n checkpoints are neither measured nor weighed."""
        return self.glance.unweighed(n, self.epochs.tolist())

    def add(self, step: int, keys: Collection[int] = (), extras: Collection[str] = ()) -> None:
        """Measure a checkpoint, and the excluded loss of a set of frequencies and the extras there."""
        epoch, config = int(self.run.epochs[step]), self.run.config
        weights = self.run.weights(step)
        made: list[Activations] = []

        def kept() -> Activations:
            if not made:
                structured = self._forward
                made.append(structured(weights) if structured is not None else activations(self.run, step))
            return made[0]

        for name in extras:
            if epoch not in self._known(f"extra/{name}"):
                kind, _, of = name.partition("/")
                self._append(f"extra/{name}", epoch, EXTRAS[kind](config, kept, weights, of))
        if self._shipped is not None:
            return
        if epoch not in self._known("rows"):
            self._append("rows", epoch, row_of(of_activations(config, kept(), weights)))
        if keys and epoch not in self._known(f"excluded/{set_name(keys)}"):
            with self._lock:
                place = int(np.flatnonzero(self._stored_epochs("rows") == epoch)[0])
                table = self._file["rows/table"][place]
            scores = excluded(config, np.asarray(kept().logits, np.float64), table, keys)
            row = {"keys_loss": np.array(scores.keys.loss), "keys_accuracy": np.array(scores.keys.accuracy)}
            for k, score in scores.each.items():
                row |= {f"{k}_loss": np.array(score.loss), f"{k}_accuracy": np.array(score.accuracy)}
            self._append(f"excluded/{set_name(keys)}", epoch, row)

    def _known(self, group: str) -> set[int]:
        with self._lock:
            return set(self._stored_epochs(group).tolist())

    def _append(self, group: str, epoch: int, row: dict[str, Array]) -> None:
        with self._lock:
            n = len(self._stored_epochs(group))
            for name, value in (row | {"epoch": np.array(epoch)}).items():
                full = f"{group}/{name}"
                if full not in self._file:
                    self._file.create_dataset(
                        full, (0, *value.shape), value.dtype, maxshape=(None, *value.shape),
                        chunks=(1 if value.size > 1024 else 256, *value.shape),
                    )  # fmt: skip
                data = self._file[full]
                data.resize(n + 1, axis=0)
                data[n] = value
            self._unflushed += 1
            if self._unflushed >= _FLUSH_EVERY:
                self.flush()

    def flush(self) -> None:
        with self._lock:
            self._file.flush()
            self._unflushed = 0

    # -- what else is kept by checkpoint ------------------------------------------------------------------------

    def keep(self, name: str, epoch: int, row: dict[str, Array]) -> None:
        """Add a checkpoint's row to a table of that name. Of a bundled run it is kept in memory only."""
        self._append(f"more/{name}", epoch, row)

    def kept_epochs(self, name: str) -> NDArray[np.int64]:
        """Epochs of the rows of a table, ascending."""
        with self._lock:
            return np.sort(self._stored_epochs(f"more/{name}"))

    def kept_columns(self, name: str) -> dict[str, Array]:
        """The columns of a table at `kept_epochs`; empty where there is none."""
        return self._ascending(f"more/{name}")[1]

    # -- what follows for a set of frequencies ---------------------------------------------------------------------

    def restricted(self, keys: Collection[int], sketched: bool = False) -> Columns | None:
        """Restricted scores (all, train, test pairs), and the power of P_K L, over training; None without basis.

        sketched : from float32 where a checkpoint is not measured but sketched
        """
        name = set_name(keys)
        shipped = None if self._shipped is None else self._shipped_columns("restricted", keys)
        if shipped is not None:
            return shipped
        with self._lock:
            (epochs, tables), known = self._tables(), self._derived_rows.setdefault(name, {})
            for i, epoch in enumerate(epochs.tolist() if keys else ()):
                if epoch not in known:
                    table = np.asarray(tables[i], np.float64)
                    r = restricted(self.run.config, table, keys)
                    known[epoch] = r, key_power(table, keys)
            known = (self.glance.restricted(keys) if sketched else {}) | known
        if not known:
            return None
        order = sorted(known)
        loss = {"power": np.array([known[e][1] for e in order])}
        accuracy = {}
        for what in ("every", "train", "test"):
            scores: list[Score | None] = [getattr(known[e][0], what) for e in order]
            loss[what] = np.array([np.nan if s is None else s.loss for s in scores])
            accuracy[what] = np.array([np.nan if s is None else s.accuracy for s in scores])
        return Columns(tuple(sorted(keys)), np.array(order, np.int64), loss, accuracy)

    def excluded(self, keys: Collection[int]) -> Columns | None:
        """Excluded scores (training pairs) of a set and of each of its frequencies, where they were computed."""
        if self._shipped is not None:
            return self._shipped_columns("excluded", keys)
        with self._lock:
            group = self._file.get(f"excluded/{set_name(keys)}") if keys else None
            if group is None:
                return None
            epochs = self._stored_epochs(f"excluded/{set_name(keys)}")
            order = np.argsort(epochs)
            values = {name: data[()][order] for name, data in group.items()}
        return _columns(keys, epochs[order], values)

    def _shipped_columns(self, kind: str, keys: Collection[int]) -> Columns | None:
        assert self._shipped is not None
        start = f"{kind}/{set_name(keys)}/"
        values = {name.removeprefix(start): x for name, x in self._shipped.items() if name.startswith(start)}
        return _columns(keys, self._shipped["epoch"], values) if values else None

    def coefficients(self, sketched: bool = False) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """Epochs and α_k of cos w_k(a ± b − c) over all pairs.  (n,), (n, n_frequencies); None without basis

        sketched : as in `restricted`
        """
        try:
            basis = characters(self.run.config)
        except NoBasis:
            return None
        if self._shipped is not None:
            held = self._shipped.get("coefficients")
            return None if held is None else (self.epochs, held)
        with self._lock:
            epochs, tables = self._tables()
            for start in range(len(self._alphas), len(epochs), _TOGETHER):  # rows are only ever added
                rows = slice(start, start + _TOGETHER)
                found = _cosines_of(np.asarray(tables[rows], np.float64), basis)
                self._alphas |= zip(epochs[rows].tolist(), found, strict=True)
            known = (self.glance.coefficients() if sketched else {}) | self._alphas
        order = sorted(known)
        return (np.array(order, np.int64), np.array([known[epoch] for epoch in order])) if order else None

    def curves(self, keys: Collection[int]) -> dict[str, Any]:
        """Everything over training as plain lists, by the names of docs/analyses.md."""
        found: dict[str, Any] = {"epochs": self.epochs.tolist(), "keys_used": sorted(keys)}
        for name in (*(f"{s}_{what}" for s in SCORES for what in ("loss", "accuracy")), *_SCALARS):
            values = self.column(name)
            if values is not None:
                found[name] = values.tolist()
        for kind, columns in (("restricted", self.restricted(keys)), ("excluded", self.excluded(keys))):
            if columns is not None:
                found |= {f"{kind}_{name}_loss": x.tolist() for name, x in columns.loss.items() if name != "power"}
                found |= {f"{kind}_{name}_accuracy": x.tolist() for name, x in columns.accuracy.items()}
                if "power" in columns.loss:
                    found["power_of_keys"] = columns.loss["power"].tolist()
        squared = self.column("squared_weights")
        if squared is not None:
            found["sum_of_squared_weights"] = squared.sum(axis=1).tolist()
            found["squared_weights"] = dict(zip(shapes(self.run.config), squared.T.tolist(), strict=True))
        return found


def _cosines_of(tables: NDArray[np.float64], basis: Characters) -> NDArray[np.float64]:
    """`cosine_coefficients` of many tables at once.  (m, n, p) -> (m, n // 2)"""
    n, s = basis.n, np.arange(basis.n)
    kernel = basis.outputs(tables)[:, s, (s - s[:, None]) % n].mean(axis=2)  # (m, t), of the output s − t
    k = np.arange(1, n // 2 + 1)[:, None]
    waves = np.cos(2 * np.pi * (k * s % n) / n) * np.where(2 * k == n, 1, 2) / n
    found: NDArray[np.float64] = kernel @ waves.T
    return found


def _columns(keys: Collection[int], epochs: NDArray[np.int64], values: dict[str, Array]) -> Columns:
    def named(end: str) -> dict[str, Array]:
        return {name.removesuffix(end): x for name, x in values.items() if name.endswith(end)}

    return Columns(tuple(sorted(keys)), epochs, named("_loss"), named("_accuracy"))


def coarse_to_fine(steps: Iterable[int]) -> list[int]:
    """In an order of which every beginning covers the whole run evenly."""
    return sorted(steps, key=coarseness)


def _fresh(path: Path | None, run_id: str) -> h5py.File:
    if path is None:  # a name of its own: HDF5 takes equal names for one file
        name = f"traces in memory {uuid.uuid4()}"
        file = h5py.File(name, "w", driver="core", backing_store=False)
    else:
        file = h5py.File(path, "w")
    file.attrs["format"], file.attrs["version"], file.attrs["run_id"] = FORMAT, VERSION, run_id
    return file


def _whole(file: h5py.File) -> bool:
    """Whether every column has as many rows as there are epochs: a writer killed between them leaves one short."""
    lengths: dict[str, set[int]] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            lengths.setdefault(name.rpartition("/")[0], set()).add(len(item))

    file.visititems(visit)
    return all(len(found) == 1 for found in lengths.values())


def _shipped(run: Run) -> dict[str, Array] | None:
    """The traces in a bundled run's own file."""
    if run.grows:  # being written by a training: it ships nothing
        return None
    try:
        with run.lock, h5py.File(run.path, "r") as file:
            if "traces" not in file:
                return None
            found: dict[str, Array] = {}

            def visit(name: str, item: object) -> None:
                if isinstance(item, h5py.Dataset):
                    found[name] = item[()]

            file["traces"].visititems(visit)
            return found
    except OSError:  # by another process
        return None


def measure_all(traces: Traces, keys: Collection[int] = ()) -> Iterator[int]:
    """Measure what is missing, one checkpoint at a time. -> the number still missing, after each"""
    steps = traces.missing(keys)
    for done, step in enumerate(steps, 1):
        traces.add(step, keys)
        yield len(steps) - done
    traces.flush()
