"""Run as a program: say of many files whether they are runs, and which.  headers.py FILE …

A first line when it is ready, then one of JSON for each, in their order: `null` for what is no run of this format. A
crash inside HDF5 ends it after the last line that it could write. Imports nothing of ours: it must survive alone.
"""

import json
import sys
from typing import Any

import h5py

FORMAT, FORMAT_VERSION = "grokscope run", 1
COLUMNS = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")


def header(path: str) -> dict[str, Any] | None:
    """What a run file says of itself, and the losses of its committed checkpoints; None where it is no run."""
    with open(path, "rb") as plain:
        head = plain.read(12)
    if head[:8] != b"\x89HDF\r\n\x1a\n":
        return None
    being_written = bool(head[11] & 4)
    kind = {"swmr": True, "libver": ("v110", "v110")} if being_written else {}
    with h5py.File(path, "r", **kind) as file:
        if (file.attrs.get("format"), file.attrs.get("format_version")) != (FORMAT, FORMAT_VERSION):
            return None
        n, columns = int(file["committed"][()]), file["checkpoints"]
        return {
            "run_id": str(file.attrs["run_id"]),
            "config": json.loads(file.attrs["config"]),
            "origin": json.loads(file.attrs["origin"]),
            "status": json.loads(file["status"][()])["state"],
            "columns": {name: columns[name][:n].tolist() for name in COLUMNS if name in columns},
        }


def main(paths: list[str]) -> None:
    print("ready", flush=True)
    for path in paths:
        try:
            found = header(path)
        except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError):
            found = None
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
