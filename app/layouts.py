"""Named arrangements of the docks, as data, and how they are put in place."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import QByteArray, QSettings, Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow

from app.docks import put_away

PANEL = "training"
VERSION = 3  # of what is remembered of a window
PANEL_WIDEST = 340  # pixels
_PANEL_WIDTH = 264


@dataclass(frozen=True)
class Row:
    """Parts from left to right; shares of the width."""

    parts: tuple[Part, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Column:
    """Parts from top to bottom; shares of the height."""

    parts: tuple[Part, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Tabs:
    """Docks behind each other, the first in front."""

    names: tuple[str, ...]


Part = Row | Column | Tabs | str


@dataclass(frozen=True)
class Layout:
    """panel : whether the training panel stands on the left"""

    name: str
    about: str
    views: Part
    panel: bool = False


LAYOUTS = (
    Layout(
        "Watch training", "Train, and see the losses, the race of the frequencies and the neurons move",
        Column((
            Row(("loss", "spectrum", "race"), (42, 28, 30)),
            Row(("neurons", "neuron", "circles"), (38, 36, 26)),
        ), (44, 56)),
        panel=True,
    ),
    Layout(
        "Reverse-engineer", "From the embedding to the logits: spectra, neurons, circles, what the logits are made of",
        Row((
            Column(("loss", Tabs(("spectrum", "race", "lottery", "weights"))), (52, 48)),
            Column(("neurons", Tabs(("circles", "clock", "algorithm"))), (60, 40)),
            Column(("neuron", Tabs(("logits", "attention", "answers", "solutions", "surgery"))), (56, 44)),
        ), (34, 34, 32)),
    ),
    Layout(
        "One neuron", "A neuron in depth, beside all the others",
        Row((Column(("neurons", "loss"), (60, 40)), "neuron"), (42, 58)),
    ),
    Layout(
        "Teach", "The algorithm itself: what the model learns, and when",
        Row((
            Column(("loss", Tabs(("answers", "solutions", "neurons"))), (46, 54)),
            "clock",
            Column(("circles", "spectrum"), (60, 40)),
        ), (32, 40, 28)),
    ),
    Layout(
        "Paper", "The paper's figures on this run",
        Row((Column(("loss", "spectrum"), (55, 45)), "paper"), (34, 66)),
    ),
    Layout(
        "What if", "Take parts of the model away, and see what is left and since when it matters",
        Row((
            Tabs(("surgery", "graft")),
            Column(("loss", Tabs(("answers", "solutions"))), (44, 56)),
            Column(("logits", "neurons"), (56, 44)),
        ), (42, 30, 28)),
    ),
    Layout(
        "Compare", "Two runs under one slider: what differs, and any view of both side by side",
        Row((
            Column(("loss", "compare"), (48, 52)),
            Column((Tabs(("spectrum", "race", "weights")), Tabs(("neurons", "answers", "circles"))), (42, 58)),
        ), (46, 54)),
    ),
)  # fmt: skip


def named(name: str) -> Layout | None:
    return next((layout for layout in LAYOUTS if layout.name == name), None)


def arrange(window: QMainWindow, docks: Mapping[str, QDockWidget], layout: Layout) -> None:
    """Put the docks of a layout in place and close the others."""
    left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
    layout = replace(layout, views=_known(layout.views, docks))
    shown = set(_leaves(layout.views)) | ({PANEL} if layout.panel else set())
    for name, dock in docks.items():
        dock.setFloating(False)
        window.removeDockWidget(dock)
        if name not in shown:
            dock.hide()
    window.addDockWidget(left, docks[PANEL])
    docks[PANEL].setVisible(layout.panel)
    first = docks[next(_leaves(layout.views))]
    window.addDockWidget(right, first)
    first.show()
    _place(window, docks, layout.views)
    last = list(_leaves(layout.views))[-1]
    for name, dock in docks.items():
        if name not in shown and name != PANEL:  # where it comes up when it is asked for
            window.tabifyDockWidget(docks[last], dock)
            dock.hide()
    if layout.panel:
        window.resizeDocks([docks[PANEL]], [_PANEL_WIDTH], Qt.Orientation.Horizontal)
    _share_out(window, docks, layout.views, max(window.width() - _PANEL_WIDTH * layout.panel, 1), window.height())


def _known(part: Part, docks: Mapping[str, QDockWidget]) -> Part:
    """The part without docks that do not exist."""
    if isinstance(part, str):
        return part
    if isinstance(part, Tabs):
        return Tabs(tuple(name for name in part.names if name in docks))
    kept = [
        (inner, share)
        for inner, share in zip((_known(inner, docks) for inner in part.parts), part.shares, strict=True)
        if any(name in docks for name in _leaves(inner))
    ]
    return type(part)(tuple(inner for inner, _ in kept), tuple(share for _, share in kept))


def _leaves(part: Part) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, Tabs):
        yield from part.names
    else:
        for inner in part.parts:
            yield from _leaves(inner)


def _place(window: QMainWindow, docks: Mapping[str, QDockWidget], part: Part) -> None:
    """Split the dock that stands for a part until all its docks are there."""
    if isinstance(part, str):
        return
    if isinstance(part, Tabs):
        for before, name in itertools.pairwise(part.names):
            window.tabifyDockWidget(docks[before], docks[name])
            docks[name].show()
        docks[part.names[0]].raise_()
        return
    way = Qt.Orientation.Horizontal if isinstance(part, Row) else Qt.Orientation.Vertical
    heads = [docks[next(_leaves(inner))] for inner in part.parts]
    for above, dock in itertools.pairwise(heads):
        window.splitDockWidget(above, dock, way)
        dock.show()
    for inner in part.parts:
        _place(window, docks, inner)


def _share_out(window: QMainWindow, docks: Mapping[str, QDockWidget], part: Part, width: int, height: int) -> None:
    if isinstance(part, str | Tabs):
        return
    row = isinstance(part, Row)
    whole, total = (width if row else height), sum(part.shares)
    sizes = [max(1, round(whole * share / total)) for share in part.shares]
    heads = [docks[next(_leaves(inner))] for inner in part.parts]
    window.resizeDocks(heads, sizes, Qt.Orientation.Horizontal if row else Qt.Orientation.Vertical)
    for inner, size in zip(part.parts, sizes, strict=True):
        _share_out(window, docks, inner, size if row else width, height if row else size)


# -- as they were left ---------------------------------------------------------------------------------------


def keep(window: QMainWindow, docks: Mapping[str, QDockWidget], settings: QSettings, name: str) -> None:
    """Remember where everything is in a layout, and which docks there are."""
    settings.setValue(_state_key(name), window.saveState(VERSION))
    settings.setValue(_known_key(name), list(docks))


def forget(settings: QSettings, name: str) -> None:
    settings.remove(_state_key(name))
    settings.remove(_known_key(name))


def take_up(window: QMainWindow, docks: Mapping[str, QDockWidget], settings: QSettings, name: str) -> bool:
    """Everything as it was left; docks that are newer than that are closed.  -> whether there was anything"""
    state, known = settings.value(_state_key(name)), _known_docks(settings, name)
    if not (isinstance(state, QByteArray) and window.restoreState(state, VERSION)):
        return False
    newer = [new for new in docks if known is not None and new not in known]
    layout = named(name) or LAYOUTS[0]
    places = [docks[leaf] for leaf in _leaves(layout.views) if leaf in docks and leaf not in newer][::-1]
    for new in newer:
        put_away(window, docks[new], places)
    return True


def _state_key(name: str) -> str:
    return f"layouts/{VERSION}/{name}"


def _known_key(name: str) -> str:
    return f"docks/{VERSION}/{name}"


def _known_docks(settings: QSettings, name: str) -> list[str] | None:
    """The docks there were then; None: before this was written down."""
    value: Any = settings.value(_known_key(name))
    return value if isinstance(value, list) else None
