"""Losses and accuracies over training, with a cursor that scrubs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app import theme
from app.compute import Query
from app.session import Selection
from app.views.base import View, label, toggle
from app.views.plots import dress, epoch_text, on_leave, pen, plot_widget
from engine.analysis.curves import Curve, LossCurves, loss_curves
from engine.runfile import Run


class LossView(View):
    """How the losses and accuracies went."""

    name = "loss"
    title = "Loss curves"
    about = "Mean cross-entropy (nats) and accuracy on the training and test pairs. Drag the cursor or click to scrub."

    def options(self) -> list[QWidget]:
        self._log_y = toggle("log y", "loss.log_y", "Loss on a logarithmic axis", checked=True)
        self._log_x = toggle("log x", "loss.log_x", "Epochs on a logarithmic axis (epoch 0 at the left edge)")
        self._every = toggle(
            "every epoch", "loss.every_epoch",
            "Show the training loss of every epoch, which is taken over p + 1 logits; "
            "otherwise the checkpoints' own, over p logits",
        )  # fmt: skip
        for button in (self._log_y, self._log_x, self._every):
            button.toggled.connect(self._rescale)
        return [self._every, self._log_x, self._log_y]

    def build(self) -> QWidget:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self._legend: dict[str, QLabel] = {name: label("", "muted") for name in ("train", "test")}
        legend = QHBoxLayout()
        legend.setSpacing(16)
        for item in self._legend.values():
            legend.addWidget(item)
        legend.addStretch(1)
        column.addLayout(legend)
        self._loss = plot_widget("loss (nats)")
        self._accuracy = plot_widget("accuracy", "epoch")
        self._accuracy.setXLink(self._loss)
        self._accuracy.setYRange(-0.05, 1.12, padding=0)
        self._accuracy.getPlotItem().getAxis("left").setTicks([[(0, "0"), (0.5, "0.5"), (1, "1")]])
        column.addWidget(self._loss, 3)
        column.addWidget(self._accuracy, 1)
        self._fitted: Run | None = None  # the run whose curves the axes were last fitted to
        self._curves, self._cursors = {}, []
        for widget, kind in ((self._loss, "loss"), (self._accuracy, "accuracy")):
            widget.getPlotItem().getAxis("left").setWidth(58)
            for name in ("train", "test"):
                curve = widget.plot()
                curve.curve.setCacheMode(curve.curve.CacheMode.DeviceCoordinateCache)
                self._curves[name, kind] = curve
            cursor = pg.InfiniteLine(angle=90, movable=True, hoverPen=pen("#fff", 2))
            cursor.sigDragged.connect(self._dragged)
            widget.addItem(cursor, ignoreBounds=True)
            self._cursors.append(cursor)
            widget.scene().sigMouseClicked.connect(lambda event, w=widget: self._clicked(event, w))
            widget.scene().sigMouseMoved.connect(lambda at, w=widget: self._hovered(at, w))
            on_leave(widget, lambda: self.read_out(""))
            widget.getViewBox().setMouseEnabled(x=True, y=False)
        self._loss.getPlotItem().getAxis("bottom").setStyle(showValues=False)
        self._loss.getPlotItem().getAxis("left").setLogMode(True)
        self._accuracy.setMinimumHeight(104)
        self.restyle()
        return content

    def query(self, selection: Selection) -> Query:
        return Query(loss_curves, (selection.run, selection.n_checkpoints))

    def draw(self, answer: LossCurves, selection: Selection) -> None:
        look, epoch = theme.current(), selection.epoch
        if selection.run is not self._fitted:
            self._fitted = selection.run
            self._loss.getViewBox().enableAutoRange()
        all_logits = self._every.isChecked()
        p = selection.run.config.p if selection.run else 0
        self.set_subtitle(f"mean over {p + 1 if all_logits else p} logits")
        for name, colour in (("train", look.train), ("test", look.test)):
            shown = getattr(answer, f"{name}_loss_all" if all_logits else f"{name}_loss")
            accuracy = getattr(answer, f"{name}_accuracy")
            self._put(self._curves[name, "loss"], shown, self._log_y.isChecked())
            self._put(self._curves[name, "accuracy"], accuracy, False)
            self._legend[name].setText(self._entry(name, colour, shown, accuracy, epoch))
        for cursor in self._cursors:
            blocked = QSignalBlocker(cursor)
            cursor.setValue(self._place(epoch))
            blocked.unblock()

    def restyle(self) -> None:
        look = theme.current()
        for widget in (self._loss, self._accuracy):
            dress(widget)
        for (name, _kind), curve in self._curves.items():
            colour = look.train if name == "train" else look.test
            curve.setPen(pen(colour, 2))
        for cursor in self._cursors:
            cursor.setPen(pen(look.accent, 1.5))
            cursor.setHoverPen(pen(look.accent, 3))

    # -- drawing -------------------------------------------------------------------------------------------

    def _put(self, item: Any, curve: Curve | None, log_y: bool) -> None:
        if curve is None:
            item.setData([], [])
            return
        x, y = curve.epochs, curve.values
        if self._log_x.isChecked():
            x, y = np.log10(np.maximum(x, 0.5)), y
        if log_y:
            y = np.log10(np.maximum(y, 1e-300))
        item.setData(x, y)

    def _entry(self, name: str, colour: str, loss: Curve | None, accuracy: Curve | None, epoch: int) -> str:
        if loss is None:
            return f'<span style="color:{colour}">●</span> {name}: no such pairs'
        at = min(int(np.searchsorted(loss.epochs, epoch)), len(loss.epochs) - 1)
        text = f'<span style="color:{colour}">●</span> {name} <b>{loss.values[at]:.3g}</b>'
        if accuracy is not None:
            at = min(int(np.searchsorted(accuracy.epochs, epoch)), len(accuracy.epochs) - 1)
            text += f" · {100 * accuracy.values[at]:.1f} % right"
        return text

    def _place(self, epoch: float) -> float:
        return float(np.log10(max(epoch, 0.5))) if self._log_x.isChecked() else float(epoch)

    def _epoch(self, place: float) -> float:
        return 10**place if self._log_x.isChecked() else place

    def _rescale(self) -> None:
        for widget in (self._loss, self._accuracy):
            widget.getPlotItem().getAxis("bottom").setLogMode(self._log_x.isChecked())
        self._loss.getPlotItem().getAxis("left").setLogMode(self._log_y.isChecked())
        self.redraw()
        self._loss.getViewBox().enableAutoRange()

    # -- clicks --------------------------------------------------------------------------------------------

    def _dragged(self, cursor: Any) -> None:
        self._go(self._epoch(cursor.value()))

    def _clicked(self, event: Any, widget: Any) -> None:
        box = widget.getViewBox()
        if event.double():
            self._loss.getViewBox().enableAutoRange()
        elif event.button() == Qt.MouseButton.LeftButton and box.sceneBoundingRect().contains(event.scenePos()):
            self._go(self._epoch(box.mapSceneToView(event.scenePos()).x()))

    def _go(self, epoch: float) -> None:
        selection = self.session.selection
        if selection.run is not None and selection.n_checkpoints:
            epochs = selection.run.epochs[: selection.n_checkpoints]
            self.session.scrub(int(np.abs(epochs - epoch).argmin()))

    def _hovered(self, at: Any, widget: Any) -> None:
        box = widget.getViewBox()
        if self._shown is None or not box.sceneBoundingRect().contains(at):
            self.read_out("")
            return
        epoch = max(0.0, self._epoch(box.mapSceneToView(at).x()))
        answer: LossCurves = self._shown[1]
        said = []
        for name in ("train", "test"):
            if widget is self._loss:
                curve = getattr(answer, f"{name}_loss_all" if self._every.isChecked() else f"{name}_loss")
            else:
                curve = getattr(answer, f"{name}_accuracy")
            if curve is not None and len(curve.epochs):
                nearest = int(np.abs(curve.epochs - epoch).argmin())
                value = curve.values[nearest]
                said.append(f"{name} {value:.3g} nats" if widget is self._loss else f"{name} {100 * value:.1f} %")
                epoch_there = curve.epochs[nearest]
        if said:
            self.read_out(f"epoch {epoch_text(epoch_there)} · " + ", ".join(said))
