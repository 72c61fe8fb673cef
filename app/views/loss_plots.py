"""Losses above, accuracies below, over the same epochs; the published points among them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import QGraphicsSimpleTextItem

from app import theme
from app.session import Session
from app.views.loss_family import MOST, ROLES, RelativeCurves
from app.views.loss_words import ACCURACIES, LOSSES
from app.views.over_time import DASHED, DOTTED, SOLID, Span
from app.views.plots import pen, relabel
from app.views.tracks import TrackPlot
from engine.analysis.curves import Curve
from engine.analysis.phases import Phases

KINDS = ("loss", "accuracy")
NAMES = {"loss": LOSSES, "accuracy": ACCURACIES}
PUBLISHED = {"loss": ("train", "test", "restricted", "excluded_all", "ratio"), "accuracy": ("test", "restricted")}
OF_KEYS = ("restricted", "excluded", "each")
REFERENCE = ("train", "test", "restricted", "excluded", "excluded_all")  # what is drawn of a second run
_LINES = {
    "excluded_all": (1.4, SOLID), "ratio": (1.4, DOTTED), "seen": (1.6, DASHED),
    "unseen": (1.6, Qt.PenStyle.DashDotLine),
}  # fmt: skip
_RELATIVES = (DOTTED, Qt.PenStyle.DashDotLine, Qt.PenStyle.DashDotDotLine, DASHED)  # thin; by their places
_ACCURACIES = (-0.05, 1.08)
_LEAST = {"loss": 44, "accuracy": 84}  # pixels: a plot's name and its ticks need that much
_ROOMY, _TALL = 270, 96  # pixels: of both plots, for an axis name of its own; of losses, for the name with its unit
_DECADE = 22  # pixels: between two powers of ten that are named
_EDGE = 6  # pixels: half the height of such a name
_LEFT = 48  # pixels: of the axes on the left
_AIR = 0.004  # of the epochs: right of the last
_CORNER_HEIGHT = 23  # pixels: of an axis whose name stands in the corner
_NAME_HEIGHT = 20  # pixels: what the name of the epochs takes more than that
_HALF = 22  # pixels: of the last number on the axis
_CLOSE = 0.012  # of the width: how near the pointer must come to a published point
Curves = Mapping[str, Curve]


@dataclass(frozen=True)
class Under:
    """A point near the pointer.  published, reference : of the paper's or of the second run, at `epoch` of this plot"""

    name: str
    epoch: float
    value: float
    published: bool = False
    reference: bool = False


class LossPlots:
    """Both plots, with every curve under its name; their axes stand still while scrubbing."""

    def __init__(self, session: Session) -> None:
        self.frequency_colour = QColor()  # of the curve `each`
        self._unit = "(nats)"  # of losses
        self.loss, self.accuracy = TrackPlot(session, "loss (nats)", ""), TrackPlot(session, "accuracy")
        self.plots = dict(zip(KINDS, (self.loss, self.accuracy), strict=True))
        self.accuracy.widget.setXLink(self.loss.widget)
        self.accuracy.widget.getPlotItem().getAxis("left").setTicks([[(0, "0"), (0.5, "0.5"), (1, "1")]])
        self.loss.widget.getPlotItem().getAxis("bottom").setStyle(showValues=False)
        for kind, plot in self.plots.items():
            plot.widget.getPlotItem().layout.setContentsMargins(0, 0, _HALF, 0)
            plot.widget.getPlotItem().getAxis("bottom").setStyle(hideOverlappingLabels=_HALF)
            plot.widget.getPlotItem().getAxis("left").setWidth(_LEFT)
            plot.widget.setMinimumHeight(_LEAST[kind])
            plot.widget.setAccessibleName("Losses over training" if kind == "loss" else "Accuracies over training")
            for name in NAMES[kind]:
                plot.add(name, self._colour(name), *_LINES.get(name, (2, SOLID)))
            for name in PUBLISHED[kind]:
                plot.add_dots(f"published {name}", self._colour(name))
            for place, style in zip(range(MOST), _RELATIVES, strict=True):
                for role in ROLES:
                    plot.add(f"relative {place} {role}", self._colour(role), 1.2, style)
        axis = self.accuracy.widget.getPlotItem().getAxis("bottom")
        self._corner = QGraphicsSimpleTextItem("epoch", axis)  # the axis' name where there is little room
        self._corner.setPos(3 - _LEFT, 6)
        self._corner.setFont(_small())
        self._roomy = True
        self._corner.setVisible(False)
        self.accuracy.widget.setMinimumHeight(_LEAST["accuracy"] + _NAME_HEIGHT)
        box = self.loss.widget.getViewBox()
        box.sigYRangeChanged.connect(lambda *_: self._mark_decades())
        box.sigResized.connect(lambda *_: self._fit_names())
        self.loss.set_scales(log_y=True)
        self.restyle()

    def _colour(self, name: str) -> Callable[[], QColor]:
        """Asked again when the theme changes."""
        return lambda: self.frequency_colour if name == "each" else QColor(getattr(theme.current(), name))

    def restyle(self) -> None:
        for plot in self.plots.values():
            plot.restyle()
        self._corner.setBrush(QColor(theme.current().muted))

    # -- what is drawn -------------------------------------------------------------------------------------

    def show(self, kind: str, curves: Curves, points: Curves) -> None:
        """curves, points : this run's and the published ones, by their names; what is not there is not drawn"""
        plot = self.plots[kind]
        wanted = {name: curves.get(name) for name in NAMES[kind]}
        wanted |= {f"published {name}": points.get(name) for name in PUBLISHED[kind]}
        there = plot.curves
        for name, curve in wanted.items():
            if not _same(curve, there.get(name)):
                plot.put(name, *((None, None) if curve is None else (curve.epochs, curve.values)))

    def show_relatives(self, kind: str, relatives: Sequence[RelativeCurves | None], roles: Collection[str]) -> None:
        """Related runs by their places, None where one is hidden.  roles : which of `ROLES` are on show"""
        plot, there = self.plots[kind], self.plots[kind].curves
        for place in range(MOST):
            relative = relatives[place] if place < len(relatives) else None
            for role in ROLES:
                curve = None if relative is None or role not in roles else relative.of(kind).get(role)
                name = f"relative {place} {role}"
                if not _same(curve, there.get(name)):
                    plot.put(name, *((None, None) if curve is None else (curve.epochs, curve.values)))

    def show_reference(self, kind: str, curves: Curves) -> None:
        """curves : of the second run, on this axis, by their names; their items are made when they are first wanted"""
        plot = self.plots[kind]
        for name in REFERENCE:
            full, curve = f"reference {name}", curves.get(name)
            if not plot.has(full):
                if curve is None:
                    continue
                plot.add(full, self._colour(name), 1, DASHED).setZValue(-1)
            if not _same(curve, plot.curves.get(full)):
                plot.put(full, *((None, None) if curve is None else (curve.epochs, curve.values)))

    def reference_pen(self, name: str) -> Any:
        """How a curve of the second run is drawn."""
        made = pen(self._colour(name)(), 1)
        made.setStyle(DASHED)
        return made

    def measure_in(self, unit: str) -> None:
        """The unit of losses, as it follows their name."""
        if unit != self._unit:
            self._unit = unit
            self._fit_names()

    def drawn(self, kind: str, published: bool = False, reference: bool = False) -> dict[str, Curve]:
        """What a plot shows, by name."""
        kept = self.plots[kind].curves
        names = PUBLISHED[kind] if published else REFERENCE if reference else NAMES[kind]
        start = "published " if published else "reference " if reference else ""
        return {name: Curve(*kept[f"{start}{name}"]) for name in names if f"{start}{name}" in kept}

    def dash(self, dashed: bool) -> None:
        """Whether the curves that depend on key frequencies are of candidates."""
        for kind, plot in self.plots.items():
            for name in OF_KEYS:
                if name in NAMES[kind]:
                    plot.set_style(name, DASHED if dashed else SOLID)
        self.loss.redress("each")

    def show_phases(self, found: Phases | None, last: float) -> list[Span]:
        self.accuracy.show_phases(found, last)
        return self.loss.show_phases(found, last)

    def show_epoch(self, epoch: float) -> None:
        for plot in self.plots.values():
            plot.show_epoch(epoch)

    # -- axes ----------------------------------------------------------------------------------------------

    def set_scales(self, log_x: bool, log_y: bool) -> None:
        self.loss.set_scales(log_x, log_y)
        self.accuracy.set_scales(log_x)
        self._mark_decades()

    def _fit_names(self) -> None:
        """The names of the axes, as much of them as there is room for."""
        short = "loss" if self._unit.startswith("(") else f"loss {self._unit}"
        relabel(self.loss.widget, "left", f"loss {self._unit}" if self.loss.widget.height() >= _TALL else short)
        roomy = sum(plot.widget.height() for plot in self.plots.values()) >= _ROOMY
        if roomy != self._roomy:
            self._roomy = roomy
            axis = self.accuracy.widget.getPlotItem().getAxis("bottom")
            axis.showLabel(roomy)
            axis.setHeight(None if roomy else _CORNER_HEIGHT)
            self.accuracy.widget.setMinimumHeight(_LEAST["accuracy"] + (_NAME_HEIGHT if roomy else 0))
            self._corner.setVisible(not roomy)
        self._mark_decades()

    def _mark_decades(self) -> None:
        """Powers of ten on the axis of losses, no more than there is room for."""
        axis, box = self.loss.widget.getPlotItem().getAxis("left"), self.loss.widget.getViewBox()
        low, high = box.viewRange()[1]
        if not self.loss.log_y or high <= low:
            axis.setTicks(None)
            return
        step = next(n for n in (1, 2, 3, 4, 5, 10, 20, 50, 1000) if n * box.height() >= _DECADE * (high - low))
        edge = _EDGE * (high - low) / max(box.height(), 1)
        whole = range(math.ceil(low + edge), math.floor(high - edge) + 1)
        decades = [float(n) for n in whole if n % step == 0]
        axis.setTicks([list(zip(decades, axis.logTickStrings(decades, 1, step), strict=True))])

    def limit(self, last: float, again: bool) -> None:
        """Axes that hold everything drawn, and at least until `last`.  again : forget a zoom made by hand"""
        ends = [epochs[[0, -1]] for plot in self.plots.values() for epochs, _ in plot.curves.values() if len(epochs)]
        whole = np.concatenate(ends) if ends else np.zeros(1)
        first, end = float(whole.min()), max(float(whole.max()), last)
        epochs = first, end + _AIR * (end - first)
        if again:
            for plot in self.plots.values():
                plot.fit()
        self.loss.limit(epochs, self._loss_range())
        self.accuracy.limit(epochs, _ACCURACIES)

    def _loss_range(self) -> tuple[float, float]:
        values = [y[np.isfinite(y) & (y > 0)] for _, y in self.loss.curves.values()]
        every = np.concatenate(values) if values else np.zeros(0)
        low, high = (float(every.min()), float(every.max())) if len(every) else (0.1, 10.0)
        if not self.loss.log_y:
            return -0.03 * high, 1.04 * high
        low, high = float(np.log10(low)), float(np.log10(high))
        room = 0.05 * max(high - low, 0.2)
        return low - room, high + room

    # -- under the pointer ---------------------------------------------------------------------------------

    def under(self, kind: str, epoch: float, y: float) -> list[Under]:
        """Every curve at the checkpoint nearest to the pointer, and published points beneath it, the nearest first."""
        curves = self.drawn(kind)
        found: list[Under] = []
        if curves:
            epochs = (float(c.epochs[nearest(c, epoch)[0]]) for c in curves.values())
            there = min(epochs, key=lambda e: abs(e - epoch))
            for name, curve in curves.items():
                i, exact = nearest(curve, there)
                found += [Under(name, there, float(curve.values[i]))] * exact
        plot = self.plots[kind]
        low, high = plot.widget.getViewBox().viewRange()[0]
        for published in (True, False):
            for name, points in self.drawn(kind, published, not published).items():
                if len(points.epochs):
                    i = nearest(points, epoch)[0]
                    at = float(points.epochs[i]), float(points.values[i])
                    if abs(plot.place_of(at[0]) - plot.place_of(epoch)) < _CLOSE * (high - low):
                        found.append(Under(name, *at, published, not published))
        return sorted(found, key=lambda point: self._away(plot, point.value, y))

    def _away(self, plot: TrackPlot, value: float, y: float) -> float:
        """How far a value is from y of the plot."""
        if not plot.log_y:
            return abs(value - y)
        return abs(float(np.log10(value)) - y) if value > 0 else float("inf")


def nearest(curve: Curve, epoch: float) -> tuple[int, bool]:
    """Index of the point nearest to an epoch, and whether it is of exactly that epoch."""
    i = min(int(curve.epochs.searchsorted(epoch)), len(curve.epochs) - 1)
    if i and epoch - curve.epochs[i - 1] < curve.epochs[i] - epoch:
        i -= 1
    return i, bool(curve.epochs[i] == epoch)


def _same(curve: Curve | None, drawn: tuple[NDArray[Any], NDArray[Any]] | None) -> bool:
    if curve is None or drawn is None:
        return curve is None and drawn is None
    return np.array_equal(curve.epochs, drawn[0]) and np.array_equal(curve.values, drawn[1])


def _small() -> QFont:
    font = QFont(theme.FONT)
    font.setPixelSize(11)
    return font
