"""One neuron, large."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from app import theme
from app.compute import Query
from app.session import NeuronId, Selection
from app.views.base import View, label, toggle
from app.views.plots import SquarePlot, dress, on_leave, pen, plot_widget
from engine.analysis.wall import NeuronDetail, neuron_detail, unwrapping


class NeuronView(View):
    """Heat map over (a, b), variance by frequency and 2-D Fourier spectrum of the selected neuron."""

    name = "neuron"
    title = "Neuron"
    about = (
        "Activation of one neuron for every pair, its frequency and the fraction of variance explained (FVE) by that "
        "frequency's linear and quadratic terms (paper, sec. 4.3). The lower right map shows its 2-D Fourier spectrum."
    )

    def options(self) -> list[QWidget]:
        self._natural = toggle("natural order", "neuron.natural", "Axes a and b in natural order instead of k·a mod p")
        self._hold = toggle(
            "hold colours", "neuron.hold",
            "Hold the colour limits of the checkpoint that orders the wall; otherwise each checkpoint has its own",
            checked=True,
        )  # fmt: skip
        for button in (self._natural, self._hold):
            button.toggled.connect(self.redraw)
        return [self._natural, self._hold]

    def build(self) -> QWidget:
        content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        self._headline = label("", "big")
        self._facts = label("", "muted")
        self._facts.setWordWrap(True)
        self._map = plot_widget("a", "b")
        self._image = pg.ImageItem(autoDownsample=False)
        self._map.addItem(self._image)
        self._bar = pg.ColorBarItem(values=(0, 1), width=12, interactive=False, colorMap=theme.colour_map())
        self._bar.setImageItem(self._image, insert_in=self._map.getPlotItem())
        self._shares = plot_widget("variance", "frequency k")
        self._bars = pg.BarGraphItem(x=[], height=[], width=0.8)
        self._shares.addItem(self._bars)
        self._shares.setYRange(0, 1.06, padding=0)
        self._fourier = plot_widget("frequency of a", "of b")
        self._coefficients = pg.ImageItem()
        self._coefficients.setLookupTable(theme.colour_table("magma"))
        self._fourier.addItem(self._coefficients)
        for widget in (self._map, self._shares, self._fourier):
            widget.setMouseEnabled(x=False, y=False)
            widget.scene().sigMouseMoved.connect(lambda at, w=widget: self._hovered(at, w))
            on_leave(widget, lambda: self.read_out(""))
        self._shares.scene().sigMouseClicked.connect(self._clicked)
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(self._headline)
        head.addWidget(self._facts, 1)
        grid.addLayout(head, 0, 0, 1, 2)
        grid.addWidget(SquarePlot(self._map, beside=64), 1, 0, 1, 2)
        grid.addWidget(self._shares, 2, 0)
        grid.addWidget(SquarePlot(self._fourier), 2, 1)
        grid.setRowStretch(1, 7)
        grid.setRowStretch(2, 4)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        self.restyle()
        return content

    def query(self, selection: Selection) -> Query | None:
        if not selection.neurons:
            return None
        layer, index = selection.neurons[0]
        return Query(neuron_detail, (selection.run, selection.step, selection.layout_step, layer, index))

    def draw(self, answer: NeuronDetail, selection: Selection) -> None:
        p, neuron = len(answer.activation), selection.neurons[0]
        self._title.setText(_name(neuron, selection))
        k = answer.frequency
        self._headline.setText(f"k = {k}" if k else "dead")
        self._headline.setStyleSheet(f"color: {self._colour(k, answer).name()}")
        brightest = float(answer.activation.max())
        limit = answer.limit if self._hold.isChecked() else brightest or 1.0
        over = f" · brightest {brightest:.2g}, above the colours" if brightest > 1.5 * limit else ""
        self._facts.setText(_facts(answer, selection) + over)
        order = np.arange(p) if self._natural.isChecked() else unwrapping(p, answer.settled_frequency)
        self._image.setImage(answer.activation[np.ix_(order, order)].astype(np.float32), autoLevels=False)
        self._image.setRect(QRectF(-0.5, -0.5, p, p))
        self._bar.setLevels((0, limit))
        self._map.setRange(QRectF(-0.5, -0.5, p, p), padding=0)
        axis = "{}" if self._natural.isChecked() else f"{answer.settled_frequency}·{{}} mod {p}"
        self._map.getPlotItem().setLabel("left", axis.format("a"))
        self._map.getPlotItem().setLabel("bottom", axis.format("b"))
        ks = np.arange(1, len(answer.by_frequency) + 1)
        brushes = [self._colour(int(f), answer, selection.frequency) for f in ks]
        self._bars.setOpts(x=ks, height=answer.by_frequency, width=0.8, brushes=brushes, pens=[None] * len(ks))
        self._shares.setXRange(0.2, len(ks) + 0.8, padding=0)
        self._coefficients.setImage(answer.spectrum.astype(np.float32), levels=(0, float(answer.spectrum.max()) or 1))
        n = len(answer.spectrum)
        self._coefficients.setRect(QRectF(-0.5, -0.5, n, n))
        self._fourier.setRange(QRectF(-0.5, -0.5, n, n), padding=0)

    def restyle(self) -> None:
        for widget in (self._map, self._shares, self._fourier):
            dress(widget)
        look = theme.current()
        self._bar.axis.setPen(pen(look.border))
        self._bar.axis.setTextPen(pen(look.muted))

    def _why_empty(self, selection: Selection) -> str:
        if selection.run is not None and selection.n_checkpoints and not selection.neurons:
            self._title.setText(self.title)
            return "Click a neuron on the wall."
        return super()._why_empty(selection)

    def _colour(self, k: int, answer: NeuronDetail, selected: int | None = None) -> QColor:
        if k == selected and k not in answer.keys:
            return QColor(theme.current().accent)
        return theme.frequency_colour(k, answer.keys)

    def _hovered(self, at: Any, widget: Any) -> None:
        box = widget.getViewBox()
        if self._shown is None or not box.sceneBoundingRect().contains(at):
            self.read_out("")
            return
        answer: NeuronDetail = self._shown[1]
        point, p = box.mapSceneToView(at), len(answer.activation)
        x, y = round(point.x()), round(point.y())
        if widget is self._shares:
            inside = 1 <= x <= len(answer.by_frequency)
            self.read_out(f"k = {x} · {100 * answer.by_frequency[x - 1]:.2f} % of variance" if inside else "")
        elif widget is self._fourier:
            inside = 0 <= x < len(answer.spectrum) and 0 <= y < len(answer.spectrum)
            self.read_out(f"{y} of a, {x} of b · {answer.spectrum[y, x]:.3g}" if inside else "")
        elif 0 <= x < p and 0 <= y < p:
            order = np.arange(p) if self._natural.isChecked() else unwrapping(p, answer.settled_frequency)
            a, b = int(order[y]), int(order[x])
            self.read_out(f"a = {a}, b = {b} · {answer.activation[a, b]:.4g}")
        else:
            self.read_out("")

    def _clicked(self, event: Any) -> None:
        box = self._shares.getViewBox()
        if event.button() == Qt.MouseButton.LeftButton and box.sceneBoundingRect().contains(event.scenePos()):
            k = round(box.mapSceneToView(event.scenePos()).x())
            self.session.select(frequency=None if k == self.session.selection.frequency else k)


def _name(neuron: NeuronId, selection: Selection) -> str:
    layers = selection.run.config.n_layers if selection.run else 1
    return f"Neuron {neuron[1]}" if layers == 1 else f"Neuron {neuron[1]} of layer {neuron[0]}"


def _facts(answer: NeuronDetail, selection: Selection) -> str:
    if not answer.frequency:
        return "It does not respond to its input here."
    text = f"explains {100 * answer.fve:.1f} % of its variance"
    if answer.phase is not None and answer.fve >= 0.5:
        sum_or_difference = "a − b" if selection.run and selection.run.config.operation == "subtract" else "a + b"
        peak = f" (peak at {sum_or_difference} = {answer.peak})" if answer.peak is not None else ""
        text += f" · phase φ = {math.degrees(answer.phase):.0f}°{peak}"
    if answer.settled_frequency and answer.settled_frequency != answer.frequency:
        text += f" · axes unwrapped for k = {answer.settled_frequency}, its frequency at the reference checkpoint"
    return text
