"""How large the weights are over training, and how unevenly the frequencies share the embedding and the read-out."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget

from app import theme
from app.compute import Query
from app.export import Table
from app.numbers import epoch_text
from app.session import Selection
from app.views.base import TracedView
from app.views.controls import label, toggle
from app.views.help import Help
from app.views.legend import Flow, LegendEntry
from app.views.over_time import DASHED, DOTTED, SOLID
from app.views.plots import pen
from app.views.sentence import not_measured
from app.views.tracks import TrackPlot, share_epochs
from engine.analysis.weights import BIASES, NORMS, WeightCurves, weight_curves

TOTAL = "total"
BOTH, SQUARES, GINI = "both", "sum of squares", "Gini"
_ROOM = 380  # pixels of height that both plots need
_COLOURED = ("W_E", "W_pos", "W_K", "W_Q", "W_V", "W_O", "W_in", "W_out", "W_U")  # as the theme's parameter colours
_SQUARES = (TOTAL, "W_E", "W_pos", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U", NORMS, BIASES)
_OVER_ANOTHER = ("W_K", "W_O", "W_out", BIASES)  # dashed: their partner's curve lies beneath
_TIPS = {
    TOTAL: "Σw² over all parameters", "W_E": "Embedding", "W_pos": "Positional embedding",
    "W_Q": "Queries", "W_K": "Keys", "W_V": "Values", "W_O": "Output of the heads", "W_in": "Into the neurons",
    "W_out": "Out of the neurons", "W_U": "Unembedding", NORMS: "Scales and biases of the layer norms together",
    BIASES: "b_in and b_out together",
}  # fmt: skip
_SHARES = {
    "Gini W_E": "Gini coefficient of the norms of the Fourier components of the embedding: 0 all alike, towards 1 one",
    "Gini W_L": "Gini coefficient of those of the neuron–logit map W_out W_U of the last layer",
    "IPR W_E": "Inverse participation ratio of the frequencies of the embedding: 1 over how many share the power",
    "IPR W_L": "Inverse participation ratio of the frequencies of the neuron–logit map W_out W_U of the last layer",
}


class WeightsView(TracedView):
    """Sum of squares of every parameter, and Gini coefficients, over training."""

    name = "weights"
    title = "Weights"
    about = (
        "Sum of squared weights of each parameter and of all, and how unevenly the Fourier components share W_E and "
        "W_L (Gini coefficient, inverse participation ratio), over training. Drag the cursor or click to scrub."
    )
    help = Help(
        see="Above, Σw² of every parameter and of all together, at the checkpoints. Below, the Gini coefficient of the "
        "norms of the Fourier components of W<sub>E</sub> and of the neuron–logit map W<sub>L</sub>, and on demand "
        "their inverse participation ratio. Values in the legend are at the cursor; the bands are the phases.",
        look_for="Memorising costs weight: on the mainline Σw² doubles, from 1783 to about 3600, then weight decay "
        "wins; it falls fastest in cleanup (1685 at epoch 11 000, 1009 at 14 000) and settles near 956. Partners keep "
        "step, W<sub>V</sub> with W<sub>O</sub> and W<sub>in</sub> with W<sub>out</sub>: decay evens out what is "
        "multiplied. The Gini coefficients stay low until the circuit forms and rise sharply in cleanup.",
        wrong="A total that never falls: no weight decay, or no cleanup. Gini coefficients that stay low after "
        "grokking: another algorithm, or a model with dropout. A jump in every curve at once is a slingshot.",
        formula="Σw² over all entries of a parameter, all layers together. Gini of the n norms x sorted ascending: "
        "G = 2 Σ i·x<sub>i</sub> / (n Σ x) − (n + 1)/n (Hurley &amp; Rickard 2009), with the constant component. "
        "IPR = Σ q<sub>k</sub>², q<sub>k</sub> the share of frequency k in the power of all but the constant: 1/5 for "
        "five equal frequencies.",
        paper="Sec. 5.1 and fig. 7, bottom: Gini coefficients and total sum of squared weights. The paper does not say "
        "whether its Gini is over components or frequencies; here components. IPR: He et al. 2026.",
    )

    def options(self) -> list[QWidget]:
        self._show_what = QComboBox()
        self._show_what.setObjectName("weights.show")
        self._show_what.setAccessibleName("Sums of squares, Gini coefficients or both")
        self._show_what.setToolTip("Which of the two plots; the sums of squares alone where there is no room for both")
        self._show_what.addItems([BOTH, SQUARES, GINI])
        self._show_what.currentIndexChanged.connect(self._option_changed)
        self._log_x = toggle("log x", "weights.log_x", "Epochs on a logarithmic axis (epoch 0 at the left edge)")
        self._log_y = toggle("log y", "weights.log_y", "Sums of squares on a logarithmic axis", checked=True)
        for button in (self._log_x, self._log_y):
            button.toggled.connect(self._rescale)
        return [self._show_what, self._log_x, self._log_y]

    def build(self) -> QWidget:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._squares, self._shares = TrackPlot(self.session, "Σw²"), TrackPlot(self.session, "Gini, IPR")
        self._shares.widget.getPlotItem().getAxis("left").setTicks([[(0, "0"), (0.5, "0.5"), (1, "1")]])
        self._squares.set_scales(log_x=self._log_x.isChecked(), log_y=self._log_y.isChecked())
        self._shares.set_scales(log_x=self._log_x.isChecked())
        share_epochs(self._squares, self._shares)
        self._legend: dict[str, LegendEntry] = {}
        self._parts: dict[str, list[QWidget]] = {}
        for what, track, tips, size in ((SQUARES, self._squares, _TIPS, 3), (GINI, self._shares, _SHARES, 2)):
            names = _SQUARES if what == SQUARES else tuple(tips)
            legend = QWidget()
            flow = Flow()
            legend.setLayout(flow)
            for name in names:
                line = track.add(name, partial(_colour, name), 2.5 if name == TOTAL else 1.6, _style(name))
                line.setZValue(5 if name in _OVER_ANOTHER else 0)
                self._legend[name] = entry = LegendEntry(f"weights.legend.{name}", room="0.0000")
                entry.setChecked(not name.startswith("IPR"))
                entry.toggled.connect(lambda _checked=False: self.redraw())
                flow.addWidget(entry)
            column.addWidget(legend)
            column.addWidget(track.widget, size)
            self._parts[what] = [legend, track.widget]
            track.pointed = partial(self._point_at, what)
        self._without = label("", "muted")
        self._without.setObjectName("weights.no_basis")
        self._without.setWordWrap(True)
        self._without.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(self._without)
        self._drawn: tuple[Any, ...] = ()
        self.restyle()
        self._arrange()
        return content

    def query(self, selection: Selection) -> Query | None:
        query = self.traced(weight_curves, selection, selection.thresholds)
        return None if query.args[2] is None else query

    def _why_empty(self, selection: Selection) -> str:
        return not_measured(self.tracing, selection) or super()._why_empty(selection)

    def draw(self, answer: WeightCurves, selection: Selection) -> None:
        if not len(answer.epochs):
            self.set_subtitle("")
            self._say(not_measured(self.tracing, selection))
            self._drawn = ()
            return
        shown = tuple(name for name, entry in self._legend.items() if entry.isChecked())
        state = (answer, shown, theme.current().name)
        if not self._drawn or self._drawn[0] is not answer or self._drawn[1:] != state[1:]:
            self._drawn = state
            self._draw_curves(answer, shown)
        for track in (self._squares, self._shares):
            track.show_epoch(selection.epoch)
        self._write_legend(answer, selection.epoch)

    def refresh(self, selection: Selection) -> None:
        """As every view; the cursor moves even while curves are awaited."""
        super().refresh(selection)
        if self.waiting and self._shown is not None and selection.run is not None and selection.n_checkpoints:
            for track in (self._squares, self._shares):
                track.show_epoch(selection.epoch)

    def restyle(self) -> None:
        self._squares.restyle()
        self._shares.restyle()

    # -- drawing -------------------------------------------------------------------------------------------

    def _draw_curves(self, answer: WeightCurves, shown: tuple[str, ...]) -> None:
        found = curves(answer)
        ends = float(answer.epochs[0]), float(answer.epochs[-1])
        for name, entry in self._legend.items():
            track = self._squares if name in _SQUARES else self._shares
            values = found.get(name)
            entry.setVisible(values is not None)
            track.put(name, answer.epochs if name in shown else None, values if name in shown else None)
            drawn = pen(_colour(name), 2.5 if name == TOTAL else 1.6)
            drawn.setStyle(_style(name))
            tip = _TIPS.get(name) or _SHARES[name]
            entry.name_it(name, f"{tip}.\nClick to hide or show.", drawn)
        visible = [found[name] for name in _SQUARES if name in shown and name in found]
        self._squares.limit(ends, span_of(visible, self._log_y.isChecked()))
        self._shares.limit(ends, (-0.02, 1.06))
        for track in (self._squares, self._shares):
            track.show_phases(answer.phases, ends[1])
        self._without.setText(f"Neither Gini nor IPR: {answer.no_basis}" if answer.no_basis else "")
        self.set_subtitle("sum of squares" if answer.no_basis else "sum of squares · Gini over the Fourier components")
        self._arrange()

    def _write_legend(self, answer: WeightCurves, epoch: int) -> None:
        """The values at the cursor's epoch, where it is measured."""
        i = int(np.searchsorted(answer.epochs, epoch))
        known = i < len(answer.epochs) and answer.epochs[i] == epoch
        for name, values in curves(answer).items():
            self._legend[name].say(value_text(float(values[i])) if known else "…")

    def _arrange(self) -> None:
        """One plot or both; the epochs are named under the lowest."""
        what = self._show_what.currentText()
        if what == BOTH and self.height() < _ROOM:
            what = SQUARES
        has_shares = not self._without.text()
        visible = {SQUARES: what != GINI or not has_shares, GINI: what != SQUARES and has_shares}
        for kind, parts in self._parts.items():
            for part in parts:
                part.setVisible(visible[kind])
        self._without.setVisible(what != SQUARES and not has_shares)
        axis = self._squares.widget.getPlotItem().getAxis("bottom")
        axis.setStyle(showValues=not visible[GINI])
        axis.showLabel(not visible[GINI])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._option_changed()

    def _option_changed(self) -> None:
        if self._content is not None:
            self._arrange()

    def _rescale(self) -> None:
        if self._content is None:
            return
        self._shares.set_scales(log_x=self._log_x.isChecked())
        self._squares.set_scales(log_x=self._log_x.isChecked(), log_y=self._log_y.isChecked())
        self._drawn = ()
        self.redraw()

    # -- pointer -------------------------------------------------------------------------------------------

    def _point_at(self, what: str, at: tuple[float, float] | None) -> None:
        """The curve nearest to the pointer, at the nearest checkpoint."""
        answer: WeightCurves | None = self.answer
        if at is None or answer is None or not len(answer.epochs):
            self.read_out("")
            return
        track = self._squares if what == SQUARES else self._shares
        i = int(np.abs(answer.epochs - at[0]).argmin())
        there = {name: float(values[i]) for name, (_, values) in track.curves.items()}
        if track.log_y:
            away = {name: abs(np.log10(value) - at[1]) for name, value in there.items() if value > 0}
        else:
            away = {name: abs(value - at[1]) for name, value in there.items()}
        if not away:
            self.read_out("")
            return
        nearest = min(away, key=lambda name: away[name])
        value = f"Σw² of {nearest} {there[nearest]:.5g}" if what == SQUARES else f"{nearest} {there[nearest]:.4f}"
        share = f" ({100 * there[nearest] / answer.total[i]:.1f} % of all)" if nearest in answer.squared else ""
        phase = next((s.name for s in track.phases if s.begin <= answer.epochs[i] <= s.end), "")
        self.read_out(f"epoch {epoch_text(answer.epochs[i])}{f' · {phase}' if phase else ''} · {value}{share}")

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: WeightCurves, selection: Selection) -> list[Table]:
        found = curves(answer)
        squares = {f"sum of squares of {name}": values for name, values in found.items() if name in _SQUARES}
        shares = {name: values for name, values in found.items() if name not in _SQUARES}
        epochs: dict[str, NDArray[Any]] = {"epoch (steps)": answer.epochs}
        return [Table("squares", epochs | squares), *([Table("gini", epochs | shares)] if shares else [])]

    def describe(self, answer: WeightCurves, selection: Selection) -> str:
        return "Sum of squared weights of each parameter, over all layers, and of all together, over training. " + (
            f"There is neither Gini nor IPR: {answer.no_basis}"
            if answer.no_basis
            else "Gini coefficient of the norms of the Fourier components (the constant included) of W_E and of the "
            "neuron–logit map W_L of the last layer, and inverse participation ratio of their frequencies."
        )


def curves(answer: WeightCurves) -> dict[str, NDArray[np.float64]]:
    """Every curve by its name in the legend."""
    found = {TOTAL: answer.total, **answer.squared}
    for measure, values in (("Gini", answer.gini), ("IPR", answer.ipr)):
        found |= {f"{measure} {which}": x for which, x in values.items()}
    return found


def span_of(values: list[NDArray[np.float64]], log: bool) -> tuple[float, float]:
    """The axis that shows all of it, with a little room; logarithms where the axis is logarithmic."""
    every = np.concatenate(values) if values else np.zeros(0)
    if log:
        every = np.log10(every[every > 0])
        low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
        low = max(low, high - 6)
    else:
        low, high = 0.0, float(every.max(initial=0.0)) or 1.0
    room = 0.04 * max(high - low, 1e-6)
    return low - (room if log else 0.0), high + room


def value_text(value: float) -> str:
    """As many digits as there is room for: 1783, 164.5, 0.179, 3e-5."""
    if value >= 1 or value == 0:
        return f"{value:.4g}"
    return f"{value:.3g}" if value >= 1e-2 else f"{value:.0e}".replace("e-0", "e-")


def _colour(name: str) -> QColor:
    look = theme.current()
    if name in _COLOURED:
        return QColor(look.parameters[_COLOURED.index(name)])
    if name.endswith("W_E"):
        return QColor(look.parameters[_COLOURED.index("W_E")])
    if name.endswith("W_L"):
        return QColor(look.parameters[_COLOURED.index("W_U")])
    return QColor(look.text if name == TOTAL else look.muted)


def _style(name: str) -> Qt.PenStyle:
    if name.startswith("IPR") or name == NORMS:
        return DOTTED
    return DASHED if name in _OVER_ANOTHER else SOLID
