"""Measures over training, each beneath its legend: beside published values of it, or one line a key frequency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app import theme
from app.session import Session
from app.views.controls import label
from app.views.legend import Flow, LegendEntry
from app.views.over_time import DASHED, DOTTED, SOLID
from app.views.plots import pen
from app.views.tracks import EndNames, TrackPlot
from engine.analysis.algorithm_curves import CLOCK, PIZZA, AlgorithmCurves, CircleCurve, Reference

_NEAR = 5  # pixels from a line that count as on it
_LOW = 110  # pixels of a plot below which its axis has three numbers only


class _Names(EndNames):
    WIDTH = 60


class MeasureTrack(QWidget):
    """A `TrackPlot` beneath a legend, with names at its right end; or, in its place, why there is none."""

    def __init__(self, session: Session, name: str, left: str) -> None:
        super().__init__()
        self.track = TrackPlot(session, left)
        self.names = _Names(self.track.widget)
        self._legend, self.flow = QWidget(), Flow()
        self._legend.setLayout(self.flow)
        self._reason = label("", "muted")
        self._reason.setObjectName(f"{name}.undefined")
        self._reason.setWordWrap(True)
        self._reason.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._reason.hide()
        self._plot = QWidget()
        row = QHBoxLayout(self._plot)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.track.widget, 1)
        row.addWidget(self.names)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for inner, stretch in ((self._legend, 0), (self._plot, 1), (self._reason, 1)):
            column.addWidget(inner, stretch)

    def explain(self, reason: str) -> None:
        """Why nothing can be shown; empty: the plot."""
        self._reason.setText(reason)
        self._reason.setVisible(bool(reason))
        for inner in (self._legend, self._plot):
            inner.setVisible(not reason)

    @property
    def reason(self) -> str:
        return self._reason.text()

    def name_epochs(self, named: bool) -> None:
        """Whether the axis of epochs has numbers and a name."""
        axis = self.track.widget.getPlotItem().getAxis("bottom")
        axis.setStyle(showValues=named)
        axis.showLabel(named)

    def restyle(self) -> None:
        self.track.restyle()


class ReferenceTrack(MeasureTrack):
    """A measure from 0 to 1 with published values behind its curves."""

    def __init__(self, session: Session, name: str, left: str, references: Sequence[Reference]) -> None:
        super().__init__(session, name, left)
        self.references = tuple(references)
        self._items = [self._item(reference) for reference in self.references]
        for item in self._items:
            item.setZValue(-50)
            self.track.widget.addItem(item, ignoreBounds=True)
        self.names.setAccessibleName(f"Published values of {left}")
        self.track.widget.getViewBox().sigResized.connect(lambda *_: self._tick())
        self.restyle()

    @staticmethod
    def _item(reference: Reference) -> pg.GraphicsObject:
        if reference.low < reference.high:
            return pg.LinearRegionItem((reference.low, reference.high), orientation="horizontal", movable=False)
        return pg.InfiniteLine(reference.low, angle=0, movable=False)

    def show_references(self, shown: bool) -> None:
        """Whether they are drawn; their names keep their room."""
        for item in self._items:
            item.setVisible(shown)
        self.names.show_names(self._named() if shown else [])

    def at(self, y: float) -> Reference | None:
        """The reference at a height of the plot."""
        box = self.track.widget.getViewBox()
        low, high = box.viewRange()[1]
        near = _NEAR * (high - low) / max(1.0, float(box.height()))
        there = [r for r in self.references if r.low - near <= y <= r.high + near]
        return min(there, key=lambda r: abs(y - (r.low + r.high) / 2)) if there else None

    def restyle(self) -> None:
        super().restyle()
        for reference, item in zip(self.references, self._items, strict=True):
            colour = colour_of(reference.of)
            if isinstance(item, pg.InfiniteLine):
                item.setPen(_dotted(colour))
                continue
            colour.setAlpha(46)
            item.setBrush(colour)
            for line in item.lines:
                line.setPen(pen(colour, 1))

    def _tick(self) -> None:
        low = self.track.widget.getViewBox().height() < _LOW
        ticks = [(0.0, "0"), (0.5, "0.5"), (1.0, "1")] if low else [(i / 5, f"{i / 5:.1f}") for i in range(6)]
        self.track.widget.getPlotItem().getAxis("left").setTicks([ticks])

    def _named(self) -> list[tuple[float, str, QColor]]:
        return [((r.low + r.high) / 2, r.of, colour_of(r.of)) for r in self.references]


class CircleTrack(MeasureTrack):
    """Pizza less clock on the circle of each key frequency.

    chosen : a frequency that was clicked in the legend
    """

    chosen = Signal(int)

    def __init__(self, session: Session, name: str) -> None:
        super().__init__(session, name, "pizza − clock")
        self._name = name
        self.names.setAccessibleName("Key frequencies, by their last balance")
        self.lines: list[Any] = []
        self.entries: list[LegendEntry] = []
        self._keys: tuple[int, ...] = ()
        self._pure = [pg.InfiniteLine(angle=0, movable=False) for _ in range(3)]
        for line in self._pure:
            line.setZValue(-50)
            self.track.widget.addItem(line, ignoreBounds=True)
        self.restyle()

    def show_curves(self, circles: dict[int, CircleCurve], pure: float, final: bool, chosen: int | None) -> None:
        """final : else candidates, dashed     chosen : the selected frequency"""
        self._keys = tuple(circles)
        self._make_room(len(circles))
        named = []
        for i, (line, entry) in enumerate(zip(self.lines, self.entries, strict=True)):
            entry.setVisible(i < len(circles))
            if i >= len(circles):
                self.track.put(f"circle {i}", None, None)
                continue
            k, values = self._keys[i], balance(circles[self._keys[i]])
            drawn = pen(theme.frequency_colour(k, self._keys), 3 if k == chosen else 2)
            drawn.setStyle(SOLID if final else DASHED)
            line.setPen(drawn)
            self.track.put(f"circle {i}", circles[k].epochs, values)
            entry.name_it(str(k), f"k = {k}: explained by the clock : by the pizza, in %.\nClick to select it.", drawn)
            if len(values) and np.isfinite(values[-1]):
                named.append((float(values[-1]), str(k), drawn.color()))
        self.names.show_names(named)
        for line, place in zip(self._pure, (0.0, 1 - pure, pure - 1), strict=True):
            line.setValue(place if circles else 0.0)

    def _make_room(self, count: int) -> None:
        while len(self.lines) < count:
            i = len(self.lines)
            self.lines.append(self.track.add(f"circle {i}", lambda: theme.current().text))
            entry = LegendEntry(f"{self._name}.{i}", "pizza", " 88 : 88")
            entry.clicked.connect(partial(self._choose, i))
            self.flow.addWidget(entry)
            self.entries.append(entry)

    def _choose(self, i: int) -> None:
        self.entries[i].setChecked(True)  # it hides nothing
        self.chosen.emit(self._keys[i])

    def say(self, curves: AlgorithmCurves, epoch: int) -> None:
        """The values at an epoch."""
        for k, entry in zip(curves.circles, self.entries, strict=False):
            entry.say(*circle_words(curves.circle_at(k, epoch), curves.pure))

    def show_pure(self, shown: bool) -> None:
        """Whether the lines of pure algorithms are drawn."""
        for line in self._pure[1:]:
            line.setVisible(shown)

    def restyle(self) -> None:
        super().restyle()
        colours = (pen(theme.current().faint, 1), _dotted(colour_of(PIZZA)), _dotted(colour_of(CLOCK)))
        for line, drawn in zip(self._pure, colours, strict=True):
            line.setPen(drawn)


def balance(curve: CircleCurve) -> NDArray[np.float64]:
    """Pizza less clock where either explains anything, else NaN."""
    return np.where(np.maximum(curve.clock, curve.pizza) >= 0, curve.balance, np.nan)


def span_of(circles: Iterable[CircleCurve]) -> tuple[float, float]:
    """An axis about zero that shows all of it."""
    every = [np.abs(balance(curve)) for curve in circles]
    most = max([0.3, *(float(np.nanmax(x, initial=0.0)) for x in every)])
    return -1.1 * most, 1.1 * most


def colour_of(name: str) -> QColor:
    """Pizza, clock, and whatever lies between."""
    look = theme.current()
    return QColor({PIZZA: look.positive, CLOCK: look.negative}.get(name, look.muted))


BETWEEN = "between"


def circle_words(found: tuple[float, float] | None, pure: float, told: float = 0.5) -> tuple[str, str]:
    """Which formula a circle's logits follow, and what clock and pizza explain, in %.

    None where neither explains enough; between, where they differ by less than half of what a pure one would.
    pure : what a pure one leaves to the other formula
    """
    if found is None:
        return "…", ""
    clock, pizza = found
    if max(found) < told:
        name = "–"
    elif abs(clock - pizza) < (1 - pure) / 2:
        name = BETWEEN
    else:
        name = CLOCK if clock > pizza else PIZZA
    return name, f" {100 * clock:.0f} : {100 * pizza:.0f}".replace("-", "−")


def _dotted(colour: QColor) -> Any:
    drawn = pen(colour, 1)
    drawn.setStyle(DOTTED)
    return drawn
