"""How much of each cosine is in the logits: a bar for every frequency."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from app import theme
from app.views.lifted import BarName, BarNames, Bars, ChosenColumn
from app.views.plots import dress, on_leave, pen, plot_widget
from app.views.pointer import KeyPointer
from app.views.tracks import TrackPlot, spread

_BESIDE = 19  # pixels of width that a name over a bar takes
_NAME = 20  # pixels of height that a name takes


def colour_of(k: int, keys: tuple[int, ...], chosen: int | None) -> QColor:
    """Of a frequency's bar and curve.  chosen : the selected one"""
    return QColor(theme.current().accent) if k == chosen and k not in keys else theme.frequency_colour(k, keys)


class CosineBars:
    """α_k at one checkpoint, with numbers over the keys and the selected frequency.

    clicked : a frequency    pointed : a frequency, or None    resized : its room in pixels is another
    """

    def __init__(self, said: Callable[[], str]) -> None:
        """said : the value under the pointer"""
        self.clicked: Callable[[int], None] = lambda _: None
        self.pointed: Callable[[int | None], None] = lambda _: None
        self.resized: Callable[[], None] = lambda: None
        self.widget = plot_widget("α now", "frequency k")
        self.widget.setMouseEnabled(x=False, y=False)
        axis = self.widget.getPlotItem().getAxis("left")
        axis.setWidth(TrackPlot.LEFT)
        self.bars = Bars()
        self.wash = ChosenColumn()
        self._zero = pg.InfiniteLine(0, angle=0)
        self.widget.addItem(self._zero, ignoreBounds=True)
        self.names = BarNames()
        for item in (self.wash, self.bars, self.names):
            self.widget.lift(item)
        self._n = 0
        self._coloured: tuple[Any, list[QColor]] = (None, [])
        self._limits: tuple[Any, ...] = ()  # of the axes
        self.widget.scene().sigMouseClicked.connect(self._clicked)
        self.widget.scene().sigMouseMoved.connect(self._hovered)
        self.widget.getViewBox().sigResized.connect(lambda *_: self.resized())
        on_leave(self.widget, lambda: self.pointed(None))
        self.widget.setAccessibleName("Coefficients of the cosines: a bar for every frequency")
        KeyPointer(self.widget, said)

    def show_alpha(self, alpha: NDArray[np.float64], keys: tuple[int, ...], chosen: int | None) -> None:
        """alpha : (n,), entry k-1 is frequency k    chosen : the selected frequency"""
        self._n = len(alpha)
        k = np.arange(1, len(alpha) + 1)
        key = len(alpha), keys, chosen, theme.current().name
        if key != self._coloured[0]:
            self._coloured = key, [colour_of(int(f), keys, chosen) for f in k]
        self.bars.show_bars(k, alpha, 0.8, self._coloured[1])
        self._name_bars(alpha, keys, chosen)
        self.wash.show_column(chosen)

    def limit(self, n: int, low: float, high: float) -> None:
        """The axes: of n frequencies, and of α with room for the names."""
        whole = max(high - low, 1e-9)
        above = max(0.06, _NAME / max(1.0, self.widget.getViewBox().height() - _NAME))  # for the names over the bars
        limits = n, low - 0.06 * whole, high + above * whole
        if limits != self._limits:
            self._limits = limits
            self.widget.setXRange(0.2, limits[0] + 0.8, padding=0)
            self.widget.setYRange(*limits[1:], padding=0)

    def _name_bars(self, alpha: NDArray[np.float64], keys: tuple[int, ...], chosen: int | None) -> None:
        """Numbers over the keys and the selected frequency, none on top of another."""
        named = sorted({*keys, *([] if chosen is None else [chosen])})
        wide = max(1.0, self.widget.getViewBox().width())
        step = wide / (len(alpha) + 0.6)  # pixels from one bar to the next
        places = 0.2 + spread([(k - 0.2) * step for k in named], _BESIDE, _BESIDE / 2, wide - _BESIDE / 2) / step
        self.names.show_names([
            BarName(float(place), max(0.0, float(alpha[k - 1])), str(k), colour_of(k, keys, chosen))
            for k, place in zip(named, places, strict=False)
        ])  # fmt: skip

    def restyle(self) -> None:
        look = theme.current()
        dress(self.widget)
        self._zero.setPen(pen(look.border))

    def _frequency(self, at: Any) -> int | None:
        box = self.widget.getViewBox()
        if not self._n or not box.sceneBoundingRect().contains(at):
            return None
        k = round(box.mapSceneToView(at).x())
        return k if 1 <= k <= self._n else None

    def _clicked(self, event: Any) -> None:
        k = self._frequency(event.scenePos())
        if k is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked(k)

    def _hovered(self, at: Any) -> None:
        self.pointed(self._frequency(at))
