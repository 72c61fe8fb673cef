"""Run as a program: look a file through before anyone trusts it.  probe.py FILE

Exit 0: a run file or one of replayed checkpoints, of this format, every chunk inside the file. Exit 1: the last line
says what it is instead. Any other end is a crash inside HDF5. Imports nothing of ours: it must survive alone.
"""

import json
import os
import sys
from collections.abc import Callable

import h5py

FORMATS = {"grokscope run": 1, "grokscope dense": 1}  # name -> version


def problem(path: str) -> str | None:
    """What is wrong with the file, as the end of a sentence that begins with its name, or None."""
    try:
        with open(path, "rb") as plain:
            head = plain.read(8)
            size = os.fstat(plain.fileno()).st_size
    except OSError as error:
        return f"cannot be read: {error.strerror}."
    if size == 0:
        return "is empty; it is not a run file."
    if head != b"\x89HDF\r\n\x1a\n":
        return "is not a run file: it is not HDF5."
    try:
        file = _open(path)
    except (OSError, ValueError):
        return "cannot be opened; it is cut short or damaged."
    with file:
        known = FORMATS.get(str(file.attrs.get("format")))
        if known is None:
            return "is an HDF5 file but not a Grokscope run."
        version = int(file.attrs.get("format_version", 0))
        if version != known:
            return f"is format {version}; this program reads format {known}. Update Grokscope."
        return _walk(file, path)


def _open(path: str) -> h5py.File:
    """As `runfile.open_file`: in SWMR mode only if its writer is at work or was killed, for there HDF5 can hang."""
    why: Exception = OSError()
    for _ in range(2):
        try:
            with open(path, "rb") as plain:
                swmr = plain.read(12)[11] & 4
            return h5py.File(path, "r", swmr=True, libver=("v110", "v110")) if swmr else h5py.File(path, "r")
        except (OSError, ValueError) as error:
            why = error
    raise why


def _walk(file: h5py.File, path: str) -> str | None:
    """Chunks of committed rows must lie inside the file; what a killed writer left behind them does not count."""
    rows = _committed_rows(file)
    ends: dict[str, int] = {}

    def visit(name: str, item: object) -> None:
        if not isinstance(item, h5py.Dataset) or item.chunks is None:
            return
        first, last = rows(name)

        def check(chunk: h5py.h5d.StoreInfo) -> None:
            if first <= chunk.chunk_offset[0] < last:
                end = sys.maxsize if chunk.byte_offset is None else chunk.byte_offset + chunk.size
                ends[name] = max(end, ends.get(name, 0))

        item.id.chunk_iter(check)

    file.visititems(visit)
    size = os.stat(path).st_size  # only now: somebody may be writing it
    beyond = [name for name, end in ends.items() if end > size]
    return f"is damaged: {beyond[0]} points beyond the end of the file." if beyond else None


def _committed_rows(file: h5py.File) -> Callable[[str], tuple[int, int]]:
    """For the name of a dataset: which of its rows count, from the first to before the last."""
    if file.attrs["format"] == "grokscope dense":  # whole, or not there
        every = len(file["checkpoints/epoch"])
        return lambda name: (0, every)
    n = int(file["committed"][()])
    if not n:
        return lambda name: (0, 0)
    epoch, begin = int(file["checkpoints/epoch"][n - 1]), int(json.loads(file.attrs["origin"])["epoch"])
    every = int(json.loads(file.attrs["config"])["test_every"])
    kept = int(file["checkpoints/optimizer_kept"][:n].sum()) if "checkpoints/optimizer_kept" in file else 0

    def rows(name: str) -> tuple[int, int]:
        if name.startswith("optimizer/slot"):
            return n % 2, n % 2 + 1
        if name.startswith("optimizer/kept"):
            return 0, kept
        if name.startswith("curves/test"):
            return 0, -(-epoch // every) - -(-begin // every)
        return 0, epoch - begin if name.startswith("curves/") else n

    return rows


if __name__ == "__main__":
    try:
        said = problem(sys.argv[1])
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        said = f"is damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})."
    if said:
        print(said)
    sys.exit(1 if said else 0)
