"""How much of W_E lies at each frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from app import theme
from app.compute import Query
from app.session import Selection
from app.views.base import View, toggle
from app.views.plots import dress, on_leave, pen, plot_widget
from engine.analysis.embedding import EmbeddingSpectrum, embedding_spectrum
from engine.runfile import Run


class SpectrumView(View):
    """Norms of W_E's Fourier components; a click selects a frequency."""

    name = "spectrum"
    title = "Embedding spectrum"
    about = (
        "Norm over d_model of W_E's cosine and sine at each frequency k (paper, fig. 3). After grokking a few "
        "frequencies carry almost everything. Click a bar to select its frequency."
    )

    def options(self) -> list[QWidget]:
        self._split = toggle("cos | sin", "spectrum.split", "Show cosine and sine side by side", checked=True)
        self._split.toggled.connect(self.redraw)
        self._hold = toggle("hold axis", "spectrum.hold", "Keep the axis while scrubbing", checked=True)
        self._hold.toggled.connect(self.redraw)
        return [self._split, self._hold]

    def build(self) -> QWidget:
        self._plot = plot_widget("norm", "frequency k")
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.getPlotItem().getAxis("left").setWidth(44)
        self._cos = pg.BarGraphItem(x=[], height=[], width=0.4)
        self._sin = pg.BarGraphItem(x=[], height=[], width=0.4)
        self._mark = pg.LinearRegionItem(movable=False)
        self._mark.setZValue(-10)
        for item in (self._cos, self._sin, self._mark):
            self._plot.addItem(item)
        self._labels: list[Any] = []
        self._top: tuple[Run | None, float] = (None, 0.0)
        self._plot.scene().sigMouseClicked.connect(self._clicked)
        self._plot.scene().sigMouseMoved.connect(self._hovered)
        on_leave(self._plot, lambda: self.read_out(""))
        self.restyle()
        content: QWidget = self._plot
        return content

    def query(self, selection: Selection) -> Query:
        return Query(embedding_spectrum, (selection.run, selection.step, selection.n_checkpoints - 1))

    def draw(self, answer: EmbeddingSpectrum, selection: Selection) -> None:
        k = np.arange(1, len(answer.cos) + 1)
        split = self._split.isChecked()
        colours = [self._colour(int(f), answer, selection) for f in k]
        light = [_faded(colour) for colour in colours]
        if split:
            self._cos.setOpts(x=k - 0.2, height=answer.cos, width=0.4, brushes=colours, pens=[None] * len(k))
            self._sin.setOpts(x=k + 0.2, height=answer.sin, width=0.4, brushes=light, pens=[None] * len(k))
        else:
            self._cos.setOpts(x=k, height=answer.norm, width=0.8, brushes=colours, pens=[None] * len(k))
            self._sin.setOpts(x=[], height=[], brushes=[], pens=[])
        heights = np.maximum(answer.cos, answer.sin) if split else answer.norm
        self._fit(float(heights.max()) if len(heights) else 1.0, len(k), selection)
        self._name_strong(answer, heights, selection)
        chosen = selection.frequency
        self._mark.setVisible(chosen is not None)
        if chosen is not None:
            self._mark.setRegion((chosen - 0.5, chosen + 0.5))
        self.set_subtitle(_sentence(answer, chosen))

    def restyle(self) -> None:
        look = theme.current()
        dress(self._plot)
        wash = QColor(look.accent)
        wash.setAlpha(50)
        self._mark.setBrush(wash)
        for line in self._mark.lines:
            line.setPen(pen(look.accent))

    def _colour(self, k: int, answer: EmbeddingSpectrum, selection: Selection) -> QColor:
        if k == selection.frequency and k not in answer.keys:
            return QColor(theme.current().accent)
        return theme.frequency_colour(k, answer.keys)

    def _fit(self, highest: float, n: int, selection: Selection) -> None:
        """The axis grows when it must, and shrinks only if it is not held."""
        run, top = self._top
        held = top if self._hold.isChecked() and run is selection.run else 0.0
        self._top = (selection.run, max(held, highest))
        self._plot.setYRange(0, self._top[1] * 1.15 or 1, padding=0)
        self._plot.setXRange(0.2, n + 0.8, padding=0)

    def _name_strong(self, answer: EmbeddingSpectrum, heights: Any, selection: Selection) -> None:
        """Numbers over the key frequencies and the selected one."""
        named = sorted({*answer.keys, *([selection.frequency] if selection.frequency else [])})
        while len(self._labels) < len(named):
            self._labels.append(pg.TextItem(anchor=(0.5, 1)))
            self._plot.addItem(self._labels[-1], ignoreBounds=True)
        crowd = max(1.0, len(heights) / 28)
        for i, item in enumerate(self._labels):
            item.setVisible(i < len(named))
            if i >= len(named):
                continue
            k = named[i]
            before = i > 0 and k - named[i - 1] <= crowd
            after = i + 1 < len(named) and named[i + 1] - k <= crowd
            item.anchor = pg.Point(0.5 + 0.5 * after - 0.5 * before, 1)  # neighbours lean away from each other
            item.setText(str(k), color=self._colour(k, answer, selection))
            item.setPos(k, float(heights[k - 1]))

    def _clicked(self, event: Any) -> None:
        k = self._frequency_at(event.scenePos())
        if k is not None and event.button() == Qt.MouseButton.LeftButton:
            self.session.select(frequency=None if k == self.session.selection.frequency else k)

    def _hovered(self, at: Any) -> None:
        k = self._frequency_at(at)
        if k is None or self._shown is None:
            self.read_out("")
            return
        answer: EmbeddingSpectrum = self._shown[1]
        self.read_out(f"k = {k} · cos {answer.cos[k - 1]:.3g} · sin {answer.sin[k - 1]:.3g} (norm of W_E's component)")

    def _frequency_at(self, at: Any) -> int | None:
        box, run = self._plot.getViewBox(), self.session.selection.run
        if run is None or not box.sceneBoundingRect().contains(at):
            return None
        k = round(box.mapSceneToView(at).x())
        return k if 1 <= k <= run.config.p // 2 else None


def _faded(colour: QColor) -> QColor:
    faded = QColor(colour)
    faded.setAlphaF(0.55)
    return faded


def _sentence(answer: EmbeddingSpectrum, chosen: int | None) -> str:
    keys = "no key frequency yet" if not answer.keys else "key frequencies " + ", ".join(map(str, answer.keys))
    return keys + (f" · selected k = {chosen}" if chosen is not None else "")
