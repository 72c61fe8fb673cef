"""Which runs are related: a fork records its parent's run id, and so runs make trees."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config import Config, ConfigError
from engine.lock import is_being_written
from engine.recording import SCHEDULE
from engine.runfile import Origin

MOST = 200  # files of a folder that are looked at: the newest
_SECONDS = 30
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


Known = dict[Path, tuple[Stamp, Header | None]]


def look_around(path: Path, also: Iterable[Path], known: Known) -> list[Header]:
    """The runs in the folder of a run, and others by their names; the run itself is the first.

    known : what was read before, and now; only what has changed since is read again
    """
    beside = [(stamp, file) for file in path.parent.glob("*.h5") if (stamp := _stamp(file)) and _may_be_run(file)]
    newest = [file for _, file in sorted(beside, reverse=True)[:MOST]]
    paths = list(dict.fromkeys([path, *also, *newest]))
    stamps = {file: stamp for file in paths if (stamp := _stamp(file))}
    changed = [file for file, stamp in stamps.items() if file not in known or known[file][0] != stamp]
    for file, header in zip(changed, read_headers(changed), strict=True):
        known[file] = stamps[file], header
    return [header for file in stamps if (header := known[file][1]) is not None]


def read_headers(paths: Sequence[Path]) -> list[Header | None]:
    """The headers of files, read by a child process: a damaged HDF5 file can crash the program that reads it."""
    found: list[Header | None] = []
    while len(found) < len(paths):
        lines = _lines(paths[len(found) :])
        found += [_header(path, line) for path, line in zip(paths[len(found) :], lines, strict=False)]
        if len(found) < len(paths):
            found.append(None)  # the one it crashed on
    return found


def _lines(paths: Sequence[Path]) -> list[str]:
    program = Path(__file__).with_name("headers.py")
    command = [sys.executable, "-I", str(program), *map(str, paths)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_SECONDS)
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
        return (said if isinstance(said, str) else said.decode(errors="replace")).split("\n")[:-1]
    return done.stdout.split("\n")[:-1]


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
