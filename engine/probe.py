"""Run as a program: look a file through before anyone trusts it.  probe.py FILE

Exit 0: a run file of this format, every chunk inside the file. Exit 1: the last line says what it is instead.
Any other end is a crash inside HDF5. Imports nothing of ours: it must survive alone.
"""

import sys

import h5py

FORMAT = "grokscope run"
FORMAT_VERSION = 1


def problem(path: str) -> str | None:
    """What is wrong with the file, as the end of a sentence that begins with its name, or None."""
    try:
        with open(path, "rb") as plain:
            head = plain.read(8)
            size = plain.seek(0, 2)
    except OSError as error:
        return f"cannot be read: {error.strerror}."
    if size == 0:
        return "is empty; it is not a run file."
    if head != b"\x89HDF\r\n\x1a\n":
        return "is not a run file: it is not HDF5."
    try:
        file = _open(path)
    except (OSError, ValueError) as error:
        return f"cannot be opened; it is cut short or damaged ({str(error).splitlines()[0]})."
    with file:
        if file.attrs.get("format") != FORMAT:
            return "is an HDF5 file but not a Grokscope run."
        version = int(file.attrs.get("format_version", 0))
        if version != FORMAT_VERSION:
            return f"is format {version}; this program reads format {FORMAT_VERSION}. Update Grokscope."
        return _walk(file, size)


def _open(path: str) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError:
        return h5py.File(path, "r", swmr=True, libver=("v110", "v110"))


def _walk(file: h5py.File, size: int) -> str | None:
    """Chunks of committed rows must lie inside the file; what a killed writer left behind them does not count."""
    n = int(file["committed"][()])
    epochs = file["checkpoints/epoch"][:n]
    curve_rows = int(epochs[-1] - epochs[0]) if n else 0
    found: list[str] = []

    def visit(name: str, item: object) -> None:
        if not isinstance(item, h5py.Dataset) or item.chunks is None:
            return
        rows = curve_rows if name.startswith("curves/") else n

        def check(chunk: h5py.h5d.StoreInfo) -> None:
            beyond = chunk.byte_offset is None or chunk.byte_offset + chunk.size > size
            if beyond and chunk.chunk_offset[0] < rows:
                found.append(f"is damaged: {name} points beyond the end of the file.")

        item.id.chunk_iter(check)

    file.visititems(visit)
    return found[0] if found else None


if __name__ == "__main__":
    try:
        said = problem(sys.argv[1])
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        said = f"is damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})."
    if said:
        print(said)
    sys.exit(1 if said else 0)
