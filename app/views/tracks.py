"""Plots over epochs whose axes stay where they are, and the names of curves at their right end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from app.session import Session
from app.views.over_time import Span, TimePlot
from app.views.painting import font
from app.views.plots import pen
from app.views.still import on_panel, stand_on_panel

Floats = NDArray[np.float64]


class TrackPlot(TimePlot):
    """Curves over the epochs of a run between limits that are given; a zoom by hand stays until a double click.

    pointed : called with epoch and y under the pointer, or None
    """

    LEFT = 44

    def __init__(self, session: Session, left: str, bottom: str = "epoch") -> None:
        super().__init__(session, left, bottom)
        self.pointed: Callable[[tuple[float, float] | None], None] = lambda _: None
        self.hovered = lambda epoch: self.pointed(None) if epoch is None else None
        self._limits: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 1.0), (0.0, 1.0))
        self.widget.getPlotItem().getAxis("left").setWidth(self.LEFT)
        self.fit()

    def limit(self, epochs: tuple[float, float], y: tuple[float, float]) -> None:
        """First and last epoch, lowest and highest value."""
        if (epochs, y) != self._limits:
            whole = self.is_whole
            self._limits = epochs, y
            self.widget.getViewBox().setYRange(*y, padding=0)
            if whole:
                self.fit()

    @property
    def is_whole(self) -> bool:
        """Whether all epochs are in view: nobody zoomed."""
        low, high = self.widget.getViewBox().viewRange()[0]
        first, last = self._x_range()
        return bool(np.allclose((low, high), (first, last), rtol=1e-6, atol=1e-6 * (last - first)))

    def fit(self) -> None:
        box = self.widget.getViewBox()
        box.disableAutoRange()
        box.setXRange(*self._x_range(), padding=0)
        box.setYRange(*self._limits[1], padding=0)

    @property
    def phases(self) -> list[Span]:
        """The bands on show."""
        return self._spans

    def _x_range(self) -> tuple[float, float]:
        first, last = (self.place_of(epoch) for epoch in self._limits[0])
        return first, max(last, first + 1e-3)

    def _moved(self, at: Any) -> None:
        point = self._point(at)
        self.pointed(None if point is None else (self.epoch_of(point.x()), point.y()))


def share_epochs(first: TrackPlot, second: TrackPlot) -> None:
    """Zoom both together. (A link of pyqtgraph's would count pixels of the screen, also of a plot that is hidden.)"""
    for one, other in ((first, second), (second, first)):
        one.widget.getViewBox().sigXRangeChanged.connect(partial(_follow, other.widget.getViewBox()))


def _follow(box: Any, _changed: Any, span: tuple[float, float]) -> None:
    if tuple(box.viewRange()[0]) != tuple(span):
        box.setXRange(*span, padding=0)


class EndNames(QWidget):
    """Names at the right edge of a plot, level with what they name and never on top of each other."""

    WIDTH, GAP = 34, 14

    def __init__(self, plot: Any) -> None:
        super().__init__()
        self._plot = plot
        self._names: list[tuple[float, str, QColor]] = []
        self.setFixedWidth(self.WIDTH)
        stand_on_panel(self)
        box = plot.getViewBox()
        for changed in (box.sigYRangeChanged, box.sigResized):
            changed.connect(lambda *_: self.update())

    def show_names(self, names: Sequence[tuple[float, str, QColor]]) -> None:
        """names : (y in the plot's coordinates, text, colour), the most important first: those without room go"""
        self._names = list(names)
        self.setAccessibleDescription(", ".join(text for _, text, _ in names))
        self.update()

    @property
    def names(self) -> list[tuple[float, str]]:
        """y and text of all of them."""
        return [(y, text) for y, text, _ in self._names]

    def places(self) -> list[tuple[float, float, str, QColor]]:
        """What is painted: the pixel row of the thing, that of its name, the name, its colour; from the top."""
        box = self._plot.getViewBox()
        frame = box.sceneBoundingRect()
        top, bottom = (self._plot.mapFromScene(p).y() for p in (frame.topLeft(), frame.bottomLeft()))
        room = max(1, int((bottom - top) // self.GAP) + 1)
        there = [
            (float(self._plot.mapFromScene(box.mapViewToScene(QPointF(0, y))).y()), text, colour)
            for y, text, colour in self._names[:room]
        ]
        there = sorted((x for x in there if top - 1 <= x[0] <= bottom + 1), key=lambda x: x[0])
        at = spread([x[0] for x in there], self.GAP, top + 4, bottom - 4)
        return [(y, float(place), text, colour) for (y, text, colour), place in zip(there, at, strict=True)]

    def sizeHint(self) -> QSize:
        return QSize(self.WIDTH, 40)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = on_panel(self, event)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(12, bold=True))
        for y, place, text, colour in self.places():
            painter.setPen(pen(colour, 1))
            painter.drawPolyline([QPointF(0, y), QPointF(3, y), QPointF(9, place), QPointF(11, place)])
            area = QRectF(13, place - self.GAP / 2, self.WIDTH - 13, self.GAP)
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> Floats:
    """The places nearest to the wanted ones (least squares) that are `gap` apart and within the limits.

    wanted : (n,), ascending; limits too narrow for n are left at the upper end    ->   (n,), ascending
    """
    steps = gap * np.arange(len(wanted))
    blocks: list[list[float]] = []  # mean, size: neighbours that would overlap move as one
    for value in np.asarray(wanted, np.float64) - steps:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-1][0] < blocks[-2][0]:
            mean, size = blocks.pop()
            before = blocks[-1]
            before[0] = (before[0] * before[1] + mean * size) / (before[1] + size)
            before[1] += size
    moved = np.repeat([mean for mean, _ in blocks], [int(size) for _, size in blocks]) if blocks else np.zeros(0)
    room = high - (steps[-1] if len(steps) else 0.0)
    return np.asarray(np.clip(moved, low, max(low, room)) + steps)


def as_steps(edges: Floats, values: NDArray[Any]) -> tuple[Floats, Floats]:
    """A curve that holds each value over its own stretch.  edges : (m + 1,)   values : (m,)   ->   (2m,) x and y"""
    return np.repeat(edges, 2)[1:-1], np.repeat(np.asarray(values, np.float64), 2)
