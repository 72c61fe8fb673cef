"""Bookmarks: places in a run, each an epoch, what was selected there and a note, kept beside the run.

The file is `NAME.bookmarks.json` next to `NAME.h5`, UTF-8, version 1:

    {"format": "grokscope bookmarks", "version": 1, "run_id": "…", "bookmarks": [
      {"epoch": 9400, "created": "2026-03-01T10:20:30+01:00", "note": "it begins here", "brushes": {
        "frequency": 35, "neurons": [[0, 12]], "head": [0, 2], "pair": [3, 5], "pinned_keys": null,
        "ablation": {"generalising": 1.0, "memorising": 1.0},
        "thresholds": {"memorised": 0.99, …}, "layout_epoch": null}}]}

`brushes` are those of `Selection` by their names; one that is absent is at its default, and a new one needs nothing
here. Where the run's folder cannot be written, and for the bundled demonstration, the file is
`bookmarks/RUN_ID.json` in the user's data folder; once there is one it is used ever after. A damaged file is moved
aside to `….damaged`, that of another run to `….other-run`; one by a newer program is left alone. Nothing is lost.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from PySide6.QtCore import QStandardPaths

from app.ablation_words import cut_texts, mix_text
from app.session import BRUSHES, Selection, Session
from app.theme import RESOURCES
from app.views.plots import epoch_text
from engine.analysis.ablation import WHOLE, Ablation
from engine.runfile import Run

FORMAT, VERSION = "grokscope bookmarks", 1
_OTHER = "belongs to another run"
_LARGEST = 8_000_000  # bytes of a file that is read


class BookmarkError(Exception):
    """Bookmarks cannot be read or kept; one sentence says why."""


class _Damaged(Exception):
    """The file is no file of bookmarks; it is moved aside."""


@dataclass(frozen=True)
class Bookmark:
    """brushes : values of `BRUSHES`, in that order
    created : ISO 8601 with the offset from UTC
    """

    epoch: int
    brushes: tuple[Any, ...]
    note: str = ""
    created: str = ""

    @classmethod
    def of(cls, selection: Selection, note: str = "") -> Bookmark:
        """What is on show now. Only where there is a checkpoint."""
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        return cls(selection.epoch, tuple(selection.brushes().values()), note, now)

    @property
    def selected(self) -> dict[str, Any]:
        """The brushes by their names."""
        return dict(zip(BRUSHES, self.brushes, strict=True))

    def is_at(self, selection: Selection) -> bool:
        """Whether this is what is on show."""
        if selection.run is None or not selection.n_checkpoints or selection.epoch != self.epoch:
            return False
        return tuple(selection.brushes().values()) == self.brushes


def apply(session: Session, bookmark: Bookmark) -> None:
    """Go to the nearest checkpoint and select what was selected, in one step that one undo takes back."""
    now = session.selection
    if now.run is None or not now.n_checkpoints:
        return
    step = int(abs(now.run.epochs[: now.n_checkpoints] - bookmark.epoch).argmin())
    following = now.following and step >= now.n_checkpoints - 1
    session.select(step=step, following=following, **bookmark.selected)


def chips(bookmark: Bookmark, n_layers: int) -> list[str]:
    """What is selected, in a few words each; empty: the epoch alone."""
    default, now = Selection().brushes(), bookmark.selected
    return [word for name in BRUSHES if now[name] != default[name] for word in _words(name, now[name], n_layers)]


def _words(name: str, value: Any, n_layers: int) -> list[str]:
    if name == "frequency":
        return [f"k = {value}"]
    if name == "neurons":
        named = [f"neuron {i}" + (f" of layer {layer}" if n_layers > 1 else "") for layer, i in value]
        return named if len(named) <= 3 else [f"{named[0]} and {len(named) - 1} more"]
    if name == "head":
        return [f"head {value[1]}" + (f" of layer {value[0]}" if n_layers > 1 else "")]
    if name == "pair":
        return [f"pair {value[0]}, {value[1]}"]
    if name == "pinned_keys":
        return [f"keys {', '.join(map(str, value))}"]
    if name == "ablation":
        return [*cut_texts(value, n_layers), *([mix_text(value, "g")] if value.is_mixed else [])]
    if name == "layout_epoch":
        return [f"layout of epoch {epoch_text(value)}"]
    return ["own thresholds" if name == "thresholds" else name.replace("_", " ")]


def markdown(run: Run, bookmarks: Sequence[Bookmark]) -> str:
    """The bookmarks as a list for notes, by epoch."""
    lines = [f"# Bookmarks of {_escaped(run.path.name)}", "", f"Run `{_plain(run.id)}`.", ""]
    for mark in bookmarks:
        selected = " · ".join(chips(mark, run.config.n_layers))
        note = f": {_note(mark.note)}" if mark.note.strip() else ""
        lines.append(f"- **Epoch {epoch_text(mark.epoch)}**" + (f" · {selected}" if selected else "") + note)
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return re.sub(r"[^\w.-]", "", text)


def _note(text: str) -> str:
    """The lines of a note under a point of a list, none of which begins anything of its own."""
    lines = [_escaped(" ".join(line.split())) for line in text.splitlines() if line.strip()]
    return "  \n  ".join(re.sub(r"^(\d*)([-+=~.)])", r"\1\\\2", line) for line in lines)


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", text)


class Bookmarks:
    """The bookmarks of one run, by epoch, on disk after every change.

    trouble : what was wrong with the file, in one sentence; empty: nothing
    Every change begins with reading the file again, so that two windows on one run do not undo each other.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.trouble = ""
        self._refusal = ""  # why the file must not be written
        self._all: tuple[Bookmark, ...] = ()
        self.path = _place(run)
        self._read_again()

    def __iter__(self) -> Iterator[Bookmark]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, i: int) -> Bookmark:
        return self._all[i]

    def epochs(self) -> list[int]:
        """Epochs that have a bookmark, ascending, each once."""
        return sorted({mark.epoch for mark in self._all})

    def add(self, bookmark: Bookmark) -> Bookmark:
        """Keep a bookmark; where the same place is kept already, that one stays.  -> the one that is kept

        Raises `BookmarkError`.
        """
        place = (bookmark.epoch, bookmark.brushes)
        self._read_again()
        for kept in self._all:
            if (kept.epoch, kept.brushes) == place:
                return kept
        self._write((*self._all, bookmark))
        return bookmark

    def remove(self, bookmark: Bookmark) -> Bookmark:
        """-> the bookmark that is gone.  Raises `BookmarkError`."""
        self._change(lambda marks: tuple(mark for mark in marks if mark != bookmark))
        return bookmark

    def annotate(self, bookmark: Bookmark, note: str) -> Bookmark:
        """Change the note.  -> the bookmark with it.  Raises `BookmarkError`."""
        new = replace(bookmark, note=note.encode(errors="replace").decode())
        if new != bookmark:
            self._change(lambda marks: (*(mark for mark in marks if mark != bookmark), new))
        return new

    def _change(self, change: Callable[[tuple[Bookmark, ...]], tuple[Bookmark, ...]]) -> None:
        self._read_again()
        self._write(change(self._all))

    def _read_again(self) -> None:
        """Take what the file holds now; where it holds nothing of use, keep what is known."""
        self.trouble = ""
        source = next((path for path in (self.path, _beside(self.run)) if path.exists()), None)
        if source is None:
            return
        try:
            self._all = _sorted(_read(source, self.run.id))
            self._refusal = ""
        except BookmarkError as error:
            self.trouble = self._refusal = str(error)
        except _Damaged as error:
            self.trouble = f"{source.name} {error}; {_move_aside(source, str(error))}."

    def _write(self, marks: tuple[Bookmark, ...]) -> None:
        """Beside the run, or else in the user's data folder."""
        if self._refusal:
            raise BookmarkError(self._refusal)
        why = ""
        for path in dict.fromkeys((self.path, _home(self.run))):
            try:
                _replace(path, _encoded(self.run.id, _sorted(marks)))
            except OSError as error:
                why = error.strerror or type(error).__name__
                continue
            self.path, self._all = path, _sorted(marks)
            return
        raise BookmarkError(
            f"The bookmarks cannot be kept: neither {self.path} nor the data folder takes them ({why})."
        )


def _sorted(marks: Sequence[Bookmark]) -> tuple[Bookmark, ...]:
    return tuple(sorted(marks, key=lambda mark: (mark.epoch, mark.created)))


# -- where ---------------------------------------------------------------------------------------------------


def data_folder() -> Path:
    """Where the user's own bookmarks of runs that lie in read-only places are kept."""
    return Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation)) / "bookmarks"


def _beside(run: Run) -> Path:
    return run.path.with_suffix(".bookmarks.json")


def _home(run: Run) -> Path:
    safe = re.fullmatch(r"[\w-]{1,64}", run.id, re.ASCII)  # the id comes from a file that may be anybody's
    return data_folder() / f"{run.id if safe else hashlib.sha256(run.id.encode()).hexdigest()}.json"


def _place(run: Run) -> Path:
    home, beside = _home(run), _beside(run)
    bundled = run.reduced_precision and RESOURCES in run.path.resolve().parents
    writable = os.access(beside.parent, os.W_OK) and (not beside.exists() or os.access(beside, os.W_OK))
    return home if bundled or not writable or home.exists() else beside


def _replace(path: Path, text: str) -> None:
    """Write all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _move_aside(path: Path, why: str) -> str:
    """Keep a file that is of no use under another name.  -> what became of it, in words"""
    suffix = ".other-run" if why == _OTHER else ".damaged"
    names = (path.with_name(path.name + suffix + n) for n in ("", *(f"-{i}" for i in range(2, 1000))))
    target = next((name for name in names if not name.exists()), None)
    try:
        if target is not None:
            path.rename(target)
            return f"it is kept as {target.name}"
    except OSError:
        pass
    return "it is left as it is"


# -- what is in the file -------------------------------------------------------------------------------------


def _encoded(run_id: str, marks: Sequence[Bookmark]) -> str:
    entries = [
        {
            "epoch": mark.epoch, "created": mark.created, "note": mark.note,
            "brushes": {name: _plain_value(v) for name, v in mark.selected.items()},
        }
        for mark in marks
    ]  # fmt: skip
    whole = {"format": FORMAT, "version": VERSION, "run_id": run_id, "bookmarks": entries}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain_value(value: Any) -> Any:
    """A brush for JSON; of an ablation the factors and what is taken away, so that older programs read most."""
    if isinstance(value, Ablation):
        whole = asdict(WHOLE)
        return {k: v for k, v in asdict(value).items() if isinstance(v, float | int) or v != whole[k]}
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _read(path: Path, run_id: str) -> list[Bookmark]:
    """Raises `_Damaged` for what is no file of this run's bookmarks, `BookmarkError` for what must be left alone."""
    try:
        if path.stat().st_size > _LARGEST:
            raise _Damaged("is too large for a file of bookmarks")
        whole = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BookmarkError(f"{path.name} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError):
        raise _Damaged("is damaged") from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT or not isinstance(whole.get("bookmarks"), list):
        raise _Damaged("is damaged")
    if whole.get("version") != VERSION:
        raise BookmarkError(
            f"{path.name} is version {whole.get('version')}; this program reads {VERSION}. Update Grokscope."
        )
    if whole.get("run_id") != run_id:
        raise _Damaged(_OTHER)
    try:
        return [_bookmark(entry) for entry in whole["bookmarks"]]
    except _Unknown as error:
        raise BookmarkError(f"{path.name} holds {error}, unknown to this program. Update Grokscope.") from None
    except (ValueError, TypeError, KeyError, OverflowError):
        raise _Damaged("is damaged") from None


class _Unknown(Exception):
    """A newer program wrote something more."""


def _bookmark(entry: Any) -> Bookmark:
    entry, kinds = _table(entry), _kinds(Selection)
    brushes = Selection().brushes()
    for name, value in _table(entry["brushes"]).items():
        if name not in brushes:
            raise _Unknown(f"“{name}”")
        brushes[name] = _decoded(value, kinds[name])
    epoch = _decoded(entry["epoch"], int)
    if epoch < 0:
        raise ValueError(epoch)
    note, created = (_decoded(entry.get(name, ""), str) for name in ("note", "created"))
    return Bookmark(epoch, tuple(brushes.values()), note, created)


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(value)
    return value


@cache
def _kinds(of: Any) -> dict[str, Any]:
    return get_type_hints(of)


def _decoded(value: Any, kind: Any) -> Any:
    """A value from JSON as what its type says. Raises `ValueError` where it is not that."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        rest = [k for k in inner if k is not NoneType]
        return None if value is None and NoneType in inner else _decoded(value, rest[0])
    if origin is tuple and isinstance(value, list):
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_decoded(v, k) for v, k in zip(value, kinds, strict=True))
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, dict):
        names = {f.name for f in fields(kind)}
        for name in value.keys() - names:
            raise _Unknown(f"“{name}”")
        return kind(**{name: _decoded(v, _kinds(kind)[name]) for name, v in value.items()})
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise ValueError(value)
    if kind is int and abs(value) > 2**53:
        raise ValueError(value)
    if kind is str:
        value.encode()  # half a character could never be written again
    return value
