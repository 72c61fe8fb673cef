"""Which frequencies hold the first places over training: a strip of colours for each matrix, the largest on top."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor

from app import theme
from app.session import Session
from app.views.plots import pen
from app.views.tracks import TrackPlot
from engine.analysis.race import Race, edges

_MOST = 8  # places on show
_FINER = 2  # columns of the picture to a pixel
_GREYS = 4  # of those that are no keys, so that a change among them is seen


class LeadersStrip(TrackPlot):
    """One strip a race. Every column of pixels shows the checkpoint whose stretch it lies in.

    A triangle points at the epoch at which the keys hold the first places for the first time (open), and at the one
    from which on they keep them (filled).
    """

    LEFT = 58

    def __init__(self, session: Session) -> None:
        super().__init__(session, "")
        self.widget.getViewBox().invertY(True)
        self._races: dict[str, Race] = {}
        self._images: list[pg.ImageItem] = []
        self._orders: list[NDArray[np.int64]] = []
        self._edges: list[NDArray[np.float64]] = []
        self._count = 0
        self._marks = pg.ScatterPlotItem(symbol="t", size=9)
        self._marks.setZValue(20)
        self.widget.addItem(self._marks, ignoreBounds=True)
        box = self.widget.getViewBox()
        for changed in (box.sigXRangeChanged, box.sigResized):
            changed.connect(lambda *_: self.paint())

    def show_races(self, races: dict[str, Race], keys: tuple[int, ...], last: float) -> None:
        """keys : that have colours of their own      last : epoch at which the axis ends"""
        self._races, self._count = races, min(len(keys) or 5, _MOST)
        while len(self._images) < len(races):
            self._images.append(pg.ImageItem(autoDownsample=False))
            self.widget.addItem(self._images[-1], ignoreBounds=True)
        self._orders = [race.leaders(self._count) for race in races.values()]
        self._edges = [edges(race.epochs) for race in races.values()]
        self._table = _colours(max((r.norm.shape[1] for r in races.values()), default=0), keys)
        first = min((float(r.epochs[0]) for r in races.values() if len(r.epochs)), default=0.0)
        self.limit((first, max(last, first + 1)), (-0.9, len(races) * (self._count + 1) - 0.4))
        middles = [(self.top_of(i) + self._count / 2, which) for i, which in enumerate(races)]
        self.widget.getPlotItem().getAxis("left").setTicks([middles])
        self._mark()
        self.paint()

    def top_of(self, i: int) -> float:
        """Where the strip of the i-th race begins."""
        return float(i * (self._count + 1))

    def at(self, epoch: float, y: float) -> tuple[str, int, int, int] | None:
        """Matrix, checkpoint measured, place (1 the largest) and frequency at a place of the plot."""
        i = int(y // (self._count + 1))
        place = int(y - self.top_of(i)) if 0 <= i < len(self._orders) else -1
        if not 0 <= place < self._count or not len(self._edges[i]) or place >= len(self._orders[i]):
            return None
        column = int(np.searchsorted(self._edges[i][1:-1], epoch, side="right"))
        return list(self._races)[i], column, place + 1, int(self._orders[i][place, column])

    def paint(self) -> None:
        """The part of training that is in view."""
        box = self.widget.getViewBox()
        low, high = box.viewRange()[0]
        wide = max(1, round(box.width() * self.widget.devicePixelRatioF() * _FINER))
        for i, image in enumerate(self._images):
            shown = i < len(self._edges) and len(self._edges[i])
            places = np.array([self.place_of(e) for e in self._edges[i]]) if shown else np.zeros(2)
            left, right = max(low, places[0]), min(high, places[-1])
            image.setVisible(bool(shown and right > left))
            if not shown or right <= left:
                continue
            middles = left + (np.arange(wide) + 0.5) * (right - left) / wide
            columns = np.searchsorted(places[1:-1], middles, side="right")
            image.setImage(self._table[self._orders[i][:, columns]], autoLevels=False, levels=(0, 255))
            image.setRect(QRectF(left, self.top_of(i), right - left, len(self._orders[i])))

    def _mark(self) -> None:
        look, spots = theme.current(), []
        for i, race in enumerate(self._races.values()):
            for epoch, filled in ((race.first_lead, False), (race.lead, True)):
                if epoch is not None:
                    brush = QColor(look.text if filled else look.panel)
                    at = (self.place_of(epoch), self.top_of(i) - 0.35)
                    spots.append({"pos": at, "brush": brush, "pen": pen(look.text, 1.2)})
        self._marks.setData(spots)

    def set_scales(self, log_x: bool | None = None, log_y: bool | None = None) -> None:
        super().set_scales(log_x, log_y)
        self._mark()
        self.paint()


def _colours(f: int, keys: Sequence[int]) -> NDArray[np.uint8]:
    """(f + 1, 3), row k the colour of frequency k."""
    look, found = theme.current(), np.zeros((f + 1, 3), np.uint8)
    grey, panel = QColor(look.other_frequency), QColor(look.panel)
    for k in range(1, f + 1):
        colour = theme.frequency_colour(k, keys) if k in keys else _mixed(grey, panel, 0.25 + 0.15 * (k % _GREYS))
        found[k] = colour.red(), colour.green(), colour.blue()
    return found


def _mixed(one: QColor, other: QColor, share: float) -> QColor:
    """share : of the other"""
    parts = zip(one.getRgb()[:3], other.getRgb()[:3], strict=True)  # type: ignore[index]
    return QColor(*(round(a + share * (b - a)) for a, b in parts))
