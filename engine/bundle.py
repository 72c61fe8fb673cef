"""A small copy of a run for shipping: chosen checkpoints, weights in float16, nothing to train on with."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from engine.analysis.measures import key_frequencies
from engine.models.transformer import shapes
from engine.runfile import FORMAT, FORMAT_VERSION, SCALARS, Arrays, Run, RunError, Status, crc32
from engine.traces import Traces, set_name


def write_bundle(run: Run, path: Path, steps: Sequence[int], traces: Traces | None = None) -> None:
    """Write the checkpoints `steps` of a run to a new file, without curves of every epoch and optimiser state.

    The losses and accuracies stay those of the full-precision weights.
    traces : measures of all checkpoints of the run, shipped too, restricted and excluded losses for the key
        frequencies of its last one. Raises `RunError` if `path` exists.
    """
    if path.exists():
        raise RunError(f"{path} exists already; choose another name.")
    names = [name for name in SCALARS if run.scalars(name) is not None]
    rows: dict[str, list[NDArray[Any]]] = {}
    checksums = []
    for step in steps:
        row: Arrays = {f"weights/{name}": run.weight(name, step).astype(np.float16) for name in shapes(run.config)}
        row["checkpoints/epoch"] = np.asarray(run.epochs[step], dtype=np.int64)
        for name in names:
            scalars = run.scalars(name)
            assert scalars is not None
            row[f"checkpoints/{name}"] = np.asarray(scalars[step])
        checksums.append(crc32(row.items()))
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        attributes = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "run_id": str(uuid.uuid4()),  # its own: rounded weights are not the run's
            "bundled_from": run.id,
            "config": run.config.to_json(),
            "origin": json.dumps(asdict(run.origin)),
            "segments": json.dumps(run.segments),
        }
        for key, text in attributes.items():
            file.attrs[key] = text
        for name, values in rows.items():
            data: NDArray[Any] = np.array(values)
            chunk = (1, *data.shape[1:]) if data.ndim > 1 else None
            file.create_dataset(
                name, data=data, chunks=chunk, compression="gzip" if chunk else None, shuffle=bool(chunk)
            )
        file["checkpoints/crc32"] = np.array(checksums, dtype=np.uint32)
        file["committed"] = np.int64(len(steps))
        status = json.dumps(asdict(Status(run.status().state))).encode()
        file["status"] = np.array(status, dtype="S1024")
        if traces is not None:
            for name, column in _shipped_traces(run, traces, steps).items():
                chunk = (min(64, len(column)), *column.shape[1:])
                file.create_dataset(f"traces/{name}", data=column, chunks=chunk, compression="gzip", shuffle=True)


def _shipped_traces(run: Run, traces: Traces, steps: Sequence[int]) -> Arrays:
    """Columns by name: scalars float64, arrays float32, S only where weights are shipped."""
    found: Arrays = {"epoch": traces.epochs}
    for name in traces.names():
        values = traces.column(name, packed=True)
        assert values is not None
        if name == "table":
            rows = np.searchsorted(traces.epochs, run.epochs[list(steps)])
            found["table"], found["table_epoch"] = values[rows].astype(np.float32), traces.epochs[rows]
        elif name == "neuron_frequency":
            found[name] = values.astype(np.int16)
        else:
            found[name] = values.astype(np.float32) if values.ndim > 1 and values.dtype == np.float64 else values
    coefficients = traces.coefficients()
    if coefficients is not None:
        found["coefficients"] = coefficients[1].astype(np.float32)
    keys = key_frequencies(run, run.n_checkpoints - 1)
    for kind, columns in (("restricted", traces.restricted(keys)), ("excluded", traces.excluded(keys))):
        if columns is not None and columns.epochs.tolist() == traces.epochs.tolist():
            start = f"{kind}/{set_name(keys)}"
            found |= {f"{start}/{name}_loss": values for name, values in columns.loss.items()}
            found |= {f"{start}/{name}_accuracy": values for name, values in columns.accuracy.items()}
    return found
