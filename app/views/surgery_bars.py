"""Bars of the loss without each frequency (paper, fig. 6): from the whole model's loss up, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app import theme
from app.views.controls import label
from app.views.legend import SMALL, Flow, LegendEntry, value_text
from app.views.lifted import Bars
from app.views.over_time import DASHED, SOLID
from app.views.plots import Bands, dress, on_leave, pen, plot_widget
from app.views.tracks import spread
from engine.analysis.frequency_bars import FrequencyBars

LINES = {
    "whole": ("whole", "muted", SOLID, "The loss of the whole model, from which the bars begin"),
    "without": ("without keys", "excluded", DASHED, "The loss without all key frequencies: L − P_K L"),
    "only": ("only keys", "restricted", DASHED, "The loss of the key frequencies alone: P_K L + mean"),
}  # fmt: skip
LOWEST, HIGHEST = 1e-9, 1e3  # nats; beyond them nothing is drawn
_AXIS = (-8.5, 2.6)  # of the logarithm
_NAME = 19  # pixels of a number over a bar


class BarsPlot(QWidget):
    """One bar for each frequency, its own model's loss and that without and with only the keys as lines.

    clicked : with the frequency, and whether the control key is held      pointed : with the frequency or None
    """

    def __init__(self) -> None:
        super().__init__()
        self.clicked: Callable[[int, bool], None] = lambda _k, _c: None
        self.pointed: Callable[[int | None], None] = lambda _: None
        self._losses = np.zeros(0)
        self.legend: dict[str, LegendEntry] = {}
        row, flow = QWidget(), Flow()
        row.setLayout(flow)
        for name in LINES:
            self.legend[name] = entry = LegendEntry(f"surgery.bars.{name}")
            entry.toggled.connect(lambda _=False: self._show_lines())
            flow.addWidget(entry)
        self.pairs = label("", "muted")
        self.pairs.setObjectName("surgery.bars.pairs")
        self.pairs.setStyleSheet(SMALL)
        flow.addWidget(self.pairs)
        self.plot = plot_widget("loss without k", "frequency k")
        self.plot.setMouseEnabled(x=False, y=False)
        axis = self.plot.getPlotItem().getAxis("left")
        axis.setWidth(46)
        axis.setLogMode(True)
        self.plot.getPlotItem().getAxis("bottom").setStyle(showValues=False)  # there are no frequencies yet
        self._bars, self._wash = Bars(), Bands(self.plot.getViewBox())
        self._lines = {name: pg.InfiniteLine(angle=0) for name in LINES}
        self._levels: dict[str, float] = {}
        self._ticks = pg.ScatterPlotItem(size=7, symbol="x")
        for item in (self._wash, self._bars, *self._lines.values(), self._ticks):
            self.plot.addItem(item, ignoreBounds=True)
        self._names: list[Any] = []
        self._named: tuple[Any, ...] = ()
        self._limits: tuple[Any, ...] = ()
        self._ticked: list[int] = []
        self._painted: tuple[Any, list[QColor]] = (None, [])
        self.plot.scene().sigMouseClicked.connect(self._clicked)
        self.plot.scene().sigMouseMoved.connect(lambda at: self.pointed(self._frequency_at(at)))
        on_leave(self.plot, lambda: self.pointed(None))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(row)
        column.addWidget(self.plot, 1)
        self.plot.setMinimumSize(120, 80)
        self.restyle()

    def show_losses(
        self, losses: Any, whole: float, lines: tuple[float, float], keys: tuple[int, ...], chosen: int | None,
        ticked: tuple[int, ...],
    ) -> None:  # fmt: skip
        """losses : (n // 2,), NaN where it is not known    lines : without the keys, only the keys    ticked : out"""
        self._losses = np.asarray(losses, np.float64)
        n = len(self._losses)
        k, base = np.arange(1, n + 1), _place(whole)
        heights = np.array([base if x != x else _place(x) for x in self._losses.tolist()])
        self._bars.show_bars(k, heights, 0.8, self._colours(n, keys, chosen), base)
        if (n,) != self._limits:
            self._limits = (n,)
            self.plot.getPlotItem().getAxis("bottom").setStyle(showValues=True)
            self.plot.setXRange(0.2, n + 0.8, padding=0)
            self.plot.setYRange(*_AXIS, padding=0)
        self._levels = dict(zip(LINES, (whole, *lines), strict=True))
        self._show_lines()
        wash = QColor(theme.current().accent)
        wash.setAlpha(50)
        self._wash.show_stretches([] if chosen is None or chosen > n else [(chosen - 0.5, chosen + 0.5, wash)])
        there = [f for f in ticked if f <= n]
        if there != self._ticked:
            self._ticked = there
            self._ticks.setData(x=there, y=[_AXIS[0] + 0.35] * len(there))
        self._name_bars(heights, keys, chosen)

    def name_pairs(self, text: str) -> None:
        """Whose losses they are."""
        if self.pairs.text() != text:
            self.pairs.setText(text)

    def _show_lines(self) -> None:
        """The whole model's loss, that without and that with only the keys; in the legend too."""
        for name, value in self._levels.items():
            there = value == value
            self.legend[name].say(value_text(value) if there else "—")
            line = self._lines[name]
            line.setVisible(there and self.legend[name].isChecked())
            line.setValue(_place(value))

    def hasHeightForWidth(self) -> bool:
        """Else the plot's own idea of its height would be taken for the least it needs."""
        return False

    def _name_bars(self, heights: Any, keys: tuple[int, ...], chosen: int | None) -> None:
        """Numbers over the keys and the selected frequency, none on top of another."""
        n = len(heights)
        named = [k for k in sorted({*keys, *([] if chosen is None else [chosen])}) if k <= n]
        while len(self._names) < len(named):
            self._names.append(pg.TextItem(anchor=(0.5, 1)))
            self.plot.addItem(self._names[-1], ignoreBounds=True)
        wide = max(1.0, float(self.plot.getViewBox().width()))
        step = wide / (n + 0.6)
        places = 0.2 + spread([(k - 0.2) * step for k in named], _NAME, _NAME / 2, wide - _NAME / 2) / step
        written = (named, keys, chosen, theme.current().name)
        if written != self._named:
            self._named = written
            for i, item in enumerate(self._names):
                item.setVisible(i < len(named))
                if i < len(named):
                    item.setText(str(named[i]), color=self._colour(named[i], keys, chosen))
        for item, k, place in zip(self._names, named, places, strict=False):
            item.setPos(float(place), float(min(heights[k - 1], _AXIS[1] - 0.9)))

    def _colours(self, n: int, keys: tuple[int, ...], chosen: int | None) -> list[QColor]:
        """Of all bars; kept while nothing that decides them changes."""
        of = n, keys, chosen, theme.current().name
        if self._painted[0] != of:
            self._painted = of, [self._colour(k, keys, chosen) for k in range(1, n + 1)]
        return self._painted[1]

    def _colour(self, k: int, keys: tuple[int, ...], chosen: int | None) -> QColor:
        return QColor(theme.current().accent) if k == chosen and k not in keys else theme.frequency_colour(k, keys)

    def _frequency_at(self, at: Any) -> int | None:
        box = self.plot.getViewBox()
        if not box.sceneBoundingRect().contains(at):
            return None
        k = round(box.mapSceneToView(at).x())
        return k if 1 <= k <= len(self._losses) else None

    def _clicked(self, event: Any) -> None:
        k = self._frequency_at(event.scenePos())
        if k is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked(k, bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier))

    def restyle(self) -> None:
        look = theme.current()
        dress(self.plot)
        self._named = ()
        for name, (text, colour, style, tip) in LINES.items():
            drawn = pen(QColor(getattr(look, colour)), 1.4)
            drawn.setStyle(style)
            self._lines[name].setPen(drawn)
            self.legend[name].name_it(text, f"{tip}.\nClick to hide or show.", drawn)
        self._ticks.setPen(pen(look.accent, 2))


def _place(loss: float) -> float:
    """On the axis."""
    return float(np.log10(min(max(loss, LOWEST), HIGHEST))) if loss == loss else _AXIS[0]


def losses_at(bars: FrequencyBars, column: int) -> tuple[Any, float, tuple[float, float]]:
    """Of one class of pairs: each frequency's, the whole model's, and without and with only the keys."""
    found = bars.loss[:, column], float(bars.whole[column])
    return *found, (float(bars.without_keys[column]), float(bars.only_keys[column]))
