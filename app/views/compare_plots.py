"""Norms of two runs by rank; and where they are related, the difference by frequency and the distance of weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app import theme
from app.views.controls import label
from app.views.lifted import Bars, ChosenColumn
from app.views.over_time import DASHED
from app.views.plots import dress, on_leave, pen, plot_widget, relabel, set_range

Floats = NDArray[np.float64]
_FLOOR = 1e-3  # of the largest norm: the lower end of a logarithmic axis
_NAMED = 34  # pixels of a bar that has its name under it, whatever it is


class RankedPlot:
    """Both runs' norms from the largest to the smallest."""

    def __init__(self) -> None:
        self.widget = plot_widget("norm", "rank of the frequency")
        self.widget.setAccessibleName("Norms of the frequencies by rank, this run's as a line, the reference's dashed")
        self.widget.setMouseEnabled(x=False, y=False)
        self.widget.getPlotItem().getAxis("left").setWidth(44)
        self.widget.setMinimumHeight(92)
        self._here = self.widget.plot(symbol="o", symbolSize=5)
        self._there = self.widget.plot(symbol="o", symbolSize=5)
        self.read: Callable[[int | None], None] = lambda _: None  # the rank under the pointer, from 1
        self.widget.scene().sigMouseMoved.connect(self._moved)
        on_leave(self.widget, lambda: self.read(None))
        self._log, self._n = False, 0
        self._top: tuple[Any, float] = (None, 0.0)

    def show_norms(self, here: Floats, there: Floats, which: str, log: bool, of: Any) -> None:
        """here, there : ranked      of : what the axis is kept for, while it only grows"""
        if log != self._log:
            self._log = log
            self.widget.getPlotItem().getAxis("left").setLogMode(log)
        relabel(self.widget, "left", f"norm in {which}")
        self._n = max(len(here), len(there))
        highest = float(max(here.max(initial=0), there.max(initial=0))) or 1.0
        self._top = of, max(highest, self._top[1] if self._top[0] == of else 0.0)
        top = self._top[1]
        for curve, values in ((self._here, here), (self._there, there)):
            y = np.log10(np.maximum(values, top * _FLOOR)) if log else values
            curve.setData(np.arange(1, len(values) + 1), y)
        ends = (np.log10(top * _FLOOR), np.log10(top) + 0.15) if log else (0.0, top * 1.08)
        set_range(self.widget, (0.2, self._n + 0.8), (float(ends[0]), float(ends[1])))

    @property
    def shown(self) -> tuple[Floats, Floats]:
        """What is drawn, as it stands on the axis."""
        return self._here.getData()[1], self._there.getData()[1]

    def restyle(self) -> None:
        look = theme.current()
        dress(self.widget)
        self._here.setPen(pen(look.accent, 2))
        self._here.setSymbolBrush(QColor(look.accent))
        self._here.setSymbolPen(None)
        dashed = pen(look.text, 1.3)
        dashed.setStyle(DASHED)
        self._there.setPen(dashed)
        self._there.setSymbolBrush(QColor(look.panel))
        self._there.setSymbolPen(pen(look.text, 1.2))

    def _moved(self, at: QPointF) -> None:
        place = _place(self.widget, at)
        self.read(None if place is None or not 1 <= round(place) <= self._n else round(place))


class SignedBars:
    """Bars above and below zero, one a frequency; a click says which."""

    def __init__(self) -> None:
        self.widget = plot_widget("difference", "frequency k")
        self.widget.setAccessibleName("Difference of the norms at each frequency")
        self.widget.setMouseEnabled(x=False, y=False)
        self.widget.getPlotItem().getAxis("left").setWidth(44)
        self.widget.setMinimumHeight(78)
        self.bars = Bars()
        self._mark = ChosenColumn()
        for item in (self._mark, self.bars):
            self.widget.lift(item)
        self.read: Callable[[int | None], None] = lambda _: None
        self.clicked: Callable[[int], None] = lambda _: None
        self.widget.scene().sigMouseMoved.connect(lambda at: self.read(self._frequency(at)))
        self.widget.scene().sigMouseClicked.connect(self._click)
        on_leave(self.widget, lambda: self.read(None))
        self._values: Floats = np.zeros(0)
        self._top: tuple[Any, float] = (None, 0.0)

    def show_values(self, values: Floats, chosen: int | None, of: Any) -> None:
        """values : (n,), entry k-1 is frequency k    chosen : the selected frequency"""
        self._values, look = values, theme.current()
        colours = [QColor(look.positive if x >= 0 else look.negative) for x in values]
        self.bars.show_bars(np.arange(1, len(values) + 1), values, 0.8, colours)
        highest = float(np.abs(values).max(initial=0.0))
        self._top = of, max(highest, self._top[1] if self._top[0] == of else 0.0)
        top = 1.1 * self._top[1] or 1.0
        set_range(self.widget, (0.2, len(values) + 0.8), (-top, top))
        self._mark.show_column(chosen if chosen is not None and chosen <= len(values) else None)

    def restyle(self) -> None:
        dress(self.widget)

    def _frequency(self, at: QPointF) -> int | None:
        place = _place(self.widget, at)
        return None if place is None or not 1 <= round(place) <= len(self._values) else round(place)

    def _click(self, event: Any) -> None:
        k = self._frequency(event.scenePos())
        if k is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked(k)


class DistanceBars:
    """How far apart each parameter is, from 0 to the √2 of unrelated ones."""

    TOP = 1.5

    def __init__(self) -> None:
        self.widget = plot_widget("distance", "")
        self.widget.setAccessibleName("Distance of the weights, parameter by parameter")
        self.widget.setMouseEnabled(x=False, y=False)
        self.widget.getPlotItem().getAxis("left").setWidth(44)
        self.widget.getPlotItem().getAxis("left").setTicks([[(0, "0"), (1, "1"), (np.sqrt(2), "√2")]])
        self.widget.setMinimumHeight(70)
        self.bars = Bars()
        self.widget.addItem(self.bars)
        self.read: Callable[[str | None], None] = lambda _: None
        self.widget.scene().sigMouseMoved.connect(self._moved)
        on_leave(self.widget, lambda: self.read(None))
        self._names: list[str] = []
        self.widget.getViewBox().sigResized.connect(lambda *_: self._name())

    def _name(self) -> None:
        """Under the bars, as far as there is room: the names of biases are the longest."""
        roomy = self.widget.getViewBox().width() >= _NAMED * len(self._names)
        names = [(i, name.replace("W_", "").replace("ln_final", "lnf")) for i, name in enumerate(self._names)
                 if roomy or name.startswith("W_")]  # fmt: skip
        self.widget.getPlotItem().getAxis("bottom").setTicks([names])

    def show_distances(self, found: Mapping[str, float]) -> None:
        if list(found) != self._names:
            self._names = list(found)
            self._name()
        look = theme.current()
        self.bars.show_bars(np.arange(len(found)), list(found.values()), 0.7, [QColor(look.muted)] * len(found))
        set_range(self.widget, (-0.6, len(found) - 0.4), (0.0, self.TOP))

    def restyle(self) -> None:
        dress(self.widget)

    def _moved(self, at: QPointF) -> None:
        place = _place(self.widget, at)
        there = place is not None and 0 <= round(place) < len(self._names)
        self.read(self._names[round(place)] if there and place is not None else None)


class ComparePlots(QWidget):
    """The plots above each other, and a sentence where one of them would mean nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.ranked, self.difference, self.distance = RankedPlot(), SignedBars(), DistanceBars()
        self.why = label("", "muted")
        self.why.setObjectName("compare.why")
        self.why.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.ranked.widget, 3)
        column.addWidget(self.difference.widget, 2)
        column.addWidget(self.why)
        column.addWidget(self.distance.widget, 2)

    def say_why(self, text: str) -> None:
        if text != self.why.text():
            self.why.setText(text)
        if self.why.isHidden() == bool(text):
            self.why.setVisible(bool(text))

    def restyle(self) -> None:
        for plot in (self.ranked, self.difference, self.distance):
            plot.restyle()


def _place(widget: Any, at: QPointF) -> float | None:
    """x of a point of the scene, or None outside."""
    box = widget.getViewBox()
    return float(box.mapSceneToView(at).x()) if box.sceneBoundingRect().contains(at) else None
