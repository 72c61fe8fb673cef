"""Which runs are related: a fork records its parent's run id, and so runs make trees."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config import Config, ConfigError
from engine.lock import is_being_written
from engine.recording import SCHEDULE
from engine.runfile import SCALARS, Origin, Run

MOST = 200  # files of a folder that are looked at: the newest
_START_SECONDS, _SECONDS = 30, 5  # for the child to begin; for one file
Stamp = tuple[int, int]  # when a file was changed (ns), and its size


@dataclass(frozen=True)
class Header:
    """A run file by what it says of itself, without opening it as a run.

    columns : `epoch`, and `train_loss`, `train_accuracy`, `test_loss`, `test_accuracy` where there are such; (n,)
        each, of the file's own checkpoints, over p logits
    """

    path: Path
    id: str
    config: Config
    origin: Origin
    state: str
    columns: Mapping[str, NDArray[Any]] = field(compare=False)

    @property
    def first(self) -> int:
        """The epoch where it begins."""
        return self.origin.epoch

    @property
    def last(self) -> int:
        """The last epoch that is kept."""
        return int(self.columns["epoch"][-1]) if len(self.columns["epoch"]) else self.first


@dataclass(frozen=True)
class Member:
    """A run in a family.

    parent : place of its parent in the family, or None: a root, or its parent was not found
    changes : what differs from its parent, in words: `weight decay 1 → 0`; empty without one
    """

    header: Header
    parent: int | None
    changes: tuple[str, ...]


# -- reading -----------------------------------------------------------------------------------------------------


class Headers:
    """The headers of files, read by a child process and remembered until a file changes.

    A damaged HDF5 file can crash the program that reads it, and one that is being written can make it wait for ever.
    One thread looks; any may `cancel`.
    """

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Stamp, Header | None]] = {}
        self._child: subprocess.Popen[str] | None = None
        self._cancelled = False
        self._lock = threading.Lock()  # of the two

    def look_around(self, runs: Sequence[Run], also: Iterable[Path] = ()) -> list[Header]:
        """Runs that are open, others by their names, and the runs in the folder of the first, in this order."""
        folder = runs[0].path.parent
        beside = [(stamp, file) for file in folder.glob("*.h5") if (stamp := _stamp(file)) and _may_be_run(file)]
        newest = [file for _, file in sorted(beside, reverse=True)[:MOST]]
        opened = {run.path for run in runs}
        paths = [path for path in dict.fromkeys([*also, *newest]) if path not in opened]
        stamps = {file: stamp for file in paths if (stamp := _stamp(file))}
        changed = [file for file, stamp in stamps.items() if file not in self._known or self._known[file][0] != stamp]
        for file, header in zip(changed, self.read(changed), strict=True):
            self._known[file] = stamps[file], header
        return [*map(header_of, runs), *(header for file in stamps if (header := self._known[file][1]) is not None)]

    def read(self, paths: Sequence[Path]) -> list[Header | None]:
        """None for what is no run, and for what cannot be read."""
        found: list[Header | None] = []
        while len(found) < len(paths):
            left = paths[len(found) :]
            lines = self._lines(left)
            found += [_header(path, line) for path, line in zip(left, lines, strict=False)]
            if len(found) < len(paths):
                found.append(None)  # the one at which it ended
        return found

    def cancel(self) -> None:
        """Read nothing any more, and let whoever looks return at once."""
        with self._lock:
            self._cancelled = True
            if self._child is not None:
                self._child.kill()

    def _lines(self, paths: Sequence[Path]) -> list[str]:
        """What the child says of one file after the other; fewer where it crashed, or waited too long."""
        program = Path(__file__).with_name("headers.py")
        command = [sys.executable, "-I", str(program), *map(str, paths)]
        lines: list[str] = []
        with self._lock:
            if self._cancelled:
                return lines
            self._child = child = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        with child:
            assert child.stdout is not None
            for seconds in (_START_SECONDS, *(_SECONDS for _ in paths)):
                patience = threading.Timer(seconds, child.kill)
                patience.start()
                line = child.stdout.readline()
                patience.cancel()
                if not line.endswith("\n"):
                    break
                lines.append(line)
            child.kill()
        return lines[1:]


def header_of(run: Run) -> Header:
    """Of a run that is open."""
    columns: dict[str, NDArray[Any]] = {name: x for name in SCALARS if (x := run.scalars(name)) is not None}
    n = min(len(x) for x in columns.values())  # it may be growing
    columns = {name: x[:n] for name, x in columns.items()} | {"epoch": run.epochs[:n]}
    return Header(run.path, run.id, run.config, run.origin, run.status().state, columns)


def _header(path: Path, line: str) -> Header | None:
    with contextlib.suppress(ConfigError, LookupError, ValueError, TypeError, AttributeError):
        said = json.loads(line)
        if said is not None:
            columns = {name: np.array(values) for name, values in said["columns"].items()}
            config, origin = Config.from_json(json.dumps(said["config"])), Origin(**said["origin"])
            if len({len(values) for values in columns.values()}) == 1 and "epoch" in columns:
                left_behind = said["status"] == "running" and not is_being_written(path)
                state = "interrupted" if left_behind else str(said["status"])
                return Header(path, str(said["run_id"]), config, origin, state, columns)
    return None


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _may_be_run(path: Path) -> bool:
    return not path.name.startswith(".") and not path.stem.endswith((".traces", ".dense"))


# -- the tree ----------------------------------------------------------------------------------------------------


def family(headers: Sequence[Header], run_id: str) -> tuple[Member, ...]:
    """The relatives of a run, itself among them: every parent before its forks, those that begin late first.

    So drawn one below the other, no line from a parent to a fork crosses another run. Empty where the run is not among
    the headers; a copy of a run that was met already does not count.
    """
    by_id: dict[str, Header] = {}
    for header in headers:
        by_id.setdefault(header.id, header)
    if run_id not in by_id:
        return ()
    root, seen = by_id[run_id], {run_id}
    while (above := by_id.get(root.origin.parent or "")) is not None and above.id not in seen:
        root = above
        seen.add(root.id)
    members: list[Member] = []
    _descend(root, None, by_id, members)
    return tuple(members)


def _descend(header: Header, parent: int | None, by_id: Mapping[str, Header], members: list[Member]) -> None:
    above = None if parent is None else members[parent].header
    members.append(Member(header, parent, () if above is None else changes(header.config, above.config)))
    place = len(members) - 1
    known = {member.header.id for member in members}
    forks = [h for h in by_id.values() if h.origin.parent == header.id and h.id not in known]
    for fork in sorted(forks, key=lambda h: (-h.first, h.path.name)):
        _descend(fork, place, by_id, members)


def changes(config: Config, parent: Config) -> tuple[str, ...]:
    """What moves the weights and is not as in the parent: `weight decay 1 → 0`."""
    names = [f.name for f in fields(Config) if f.name not in SCHEDULE]
    both = [(name, getattr(parent, name), getattr(config, name)) for name in names]
    return tuple(f"{name.replace('_', ' ')} {_text(old)} → {_text(new)}" for name, old, new in both if old != new)


def nearest(members: Sequence[Member], shown: int | None, most: int) -> list[int]:
    """Places of the members closest to the one on show, itself among them, in the family's order."""
    if shown is None:
        return []
    met = [shown]
    for place in met:  # it grows: first the near ones, then theirs
        above = members[place].parent
        near = [i for i, member in enumerate(members) if i == above or member.parent == place]
        met += [i for i in near if i not in met]
    return sorted(met[:most])


def parting(members: Sequence[Member], shown: int, other: int) -> int:
    """The epoch from which a relative is another run than the one on show, or its own file begins, if that is later."""
    path = [shown]
    while (above := members[path[-1]].parent) is not None:
        if above == other:  # an ancestor: it is left where the fork begins that leads to the run on show
            return members[path[-1]].header.first
        path.append(above)
    return members[other].header.first


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
