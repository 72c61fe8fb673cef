"""Bars of the loss without each frequency (paper, fig. 6): from the whole model's loss up, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from app import theme
from app.views.base import label
from app.views.legend import SMALL, value_text
from app.views.over_time import DASHED, SOLID
from app.views.plots import Bars, dress, on_leave, pen, plot_widget
from app.views.tracks import spread
from engine.analysis.frequency_bars import FrequencyBars

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
        self.legend = label("", "muted")
        self.legend.setObjectName("surgery.bars.legend")
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setStyleSheet(SMALL)
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.legend.setMinimumHeight(18)
        self.plot = plot_widget("loss without k", "frequency k")
        self.plot.setMouseEnabled(x=False, y=False)
        axis = self.plot.getPlotItem().getAxis("left")
        axis.setWidth(46)
        axis.enableAutoSIPrefix(False)
        axis.setLogMode(True)
        self._bars, self._wash = Bars(), pg.LinearRegionItem(movable=False)
        self._wash.setZValue(-10)
        self._wash.setVisible(False)
        self._lines = {name: pg.InfiniteLine(angle=0) for name in ("whole", "without", "only")}
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
        column.addWidget(self.legend)
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
            self.plot.setXRange(0.2, n + 0.8, padding=0)
            self.plot.setYRange(*_AXIS, padding=0)
        for name, value in zip(self._lines, (whole, *lines), strict=True):
            self._lines[name].setVisible(value == value)
            self._lines[name].setValue(_place(value))
        self._wash.setVisible(chosen is not None and chosen <= n)
        if chosen is not None:
            self._wash.setRegion((chosen - 0.5, chosen + 0.5))
        there = [f for f in ticked if f <= n]
        if there != self._ticked:
            self._ticked = there
            self._ticks.setData(x=there, y=[_AXIS[0] + 0.35] * len(there))
        self._name_bars(heights, keys, chosen)

    def say(self, text: str) -> None:
        if self.legend.text() != text:
            self.legend.setText(text)

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
        wash = QColor(look.accent)
        wash.setAlpha(50)
        self._wash.setBrush(wash)
        for line in self._wash.lines:
            line.setPen(pen(look.accent))
        for name, colour, style in (
            ("whole", look.muted, SOLID), ("without", look.excluded, DASHED), ("only", look.restricted, DASHED),
        ):  # fmt: skip
            drawn = pen(colour, 1.4)
            drawn.setStyle(style)
            self._lines[name].setPen(drawn)
        self._ticks.setPen(pen(look.accent, 2))


def _place(loss: float) -> float:
    """On the axis."""
    return float(np.log10(min(max(loss, LOWEST), HIGHEST))) if loss == loss else _AXIS[0]


def bars_legend(whole: float, without: float, only: float, pairs: str, room: int) -> str:
    """What the lines are, in their colours.  room : pixels"""
    look = theme.current()
    parts = [
        _sample(look.muted, "━", "whole model", whole),
        _sample(look.excluded, "╍", "without the keys" if room >= 460 else "− keys", without),
        _sample(look.restricted, "╍", "only the keys" if room >= 460 else "only keys", only),
    ]
    return "&nbsp;&nbsp; ".join([*parts, f"<font color='{look.muted}'>{pairs}</font>"])


def _sample(colour: str, line: str, name: str, value: float) -> str:
    said = value_text(value) if value == value else "—"
    bold = f"<b><font color='{theme.current().text}'>{said}</font></b>"
    return f"<font color='{colour}'>{line}</font>&nbsp;{name.replace(' ', '&nbsp;')}&nbsp;{bold}"


def losses_at(bars: FrequencyBars, column: int) -> tuple[Any, float, tuple[float, float]]:
    """Of one class of pairs: each frequency's, the whole model's, and without and with only the keys."""
    found = bars.loss[:, column], float(bars.whole[column])
    return *found, (float(bars.without_keys[column]), float(bars.only_keys[column]))
