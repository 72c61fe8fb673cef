"""How much of the embedding, the unembedding and the neuron–logit map lies at each frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QComboBox, QWidget

from app import theme
from app.compute import Query
from app.export import Table
from app.session import Selection
from app.views.base import View
from app.views.controls import toggle
from app.views.help import Help
from app.views.lifted import BarName, BarNames, Bars, ChosenColumn
from app.views.painting import paler
from app.views.plots import dress, on_leave, plot_widget, relabel, set_range
from app.views.pointer import KeyPointer
from app.views.still import tip
from engine.analysis.embedding import MATRICES, Spectrum, spectrum
from engine.runfile import Run

_ONE_OF_TWO = 0.8  # a cosine or sine alone is about 1/√2 of both together
TITLES = {"W_E": "Embedding spectrum", "W_U": "Unembedding spectrum", "W_L": "Neuron–logit spectrum"}
TIPS = {
    "W_E": "The embedding, over the residues' tokens (paper, fig. 3 top)",
    "W_U": "The unembedding, over the residues' logits",
    "W_L": "The neuron–logit map W_out W_U of the last layer, over the residues' logits (paper, fig. 3 bottom)",
}


class SpectrumView(View):
    """Norms of the Fourier components of W_E, W_U or W_L; a click selects a frequency."""

    name = "spectrum"
    title = "Embedding spectrum"
    about = (
        "Norm of the cosine and sine at each frequency k of W_E, W_U or the neuron–logit map W_L (paper, fig. 3). "
        "After grokking a few frequencies carry almost everything. Click a bar to select its frequency."
    )

    help = Help(
        see="For every frequency k, the norm over the residues of the cosine (solid) and the sine (lighter) of "
        "w<sub>k</sub> = 2πk/p in W_E, in W_U, or in the neuron–logit map W_L = W_out W_U of the last layer.",
        look_for="At initialisation all bars are alike. While the circuit forms a few grow; after cleanup almost "
        "everything else is gone. The coloured bars are the key frequencies: carried by at least one neuron whose FVE "
        "is 0.85 or more at the run's last checkpoint (candidates while it is trained).",
        wrong="A bar that is tall in W_E but not in W_L is read by no clear neuron: on the paper's mainline k = 31 is "
        "such a one. Cosine and sine of one k that differ much: the residues do not lie on a circle.",
        formula="‖Σ<sub>a</sub> f<sub>k</sub>(a) W[a, :]‖, f<sub>k</sub> the unit cosine or sine over the residues. "
        "For a·b and a/b the residues stand in the order of their discrete logarithm.",
        paper="Figure 3, section 4.1",
    )

    def options(self) -> list[QWidget]:
        self._which = QComboBox()
        self._which.setObjectName("spectrum.which")
        self._which.setAccessibleName("Whose spectrum")
        self._which.setToolTip("\n".join(f"{name}: {tip}" for name, tip in TIPS.items()))
        for name in MATRICES:
            self._which.addItem(name)
            self._which.setItemData(self._which.count() - 1, TIPS[name], Qt.ItemDataRole.ToolTipRole)
        self._which.currentIndexChanged.connect(self.redraw)
        self._split = toggle("cos | sin", "spectrum.split", "Show cosine and sine side by side", checked=True)
        self._split.toggled.connect(self.redraw)
        self._hold = toggle("hold axis", "spectrum.hold", "Keep the axis while scrubbing", checked=True)
        self._hold.toggled.connect(self.redraw)
        return [self._which, self._split, self._hold]

    def build(self) -> QWidget:
        self._plot = plot_widget("norm", "frequency k")
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.getPlotItem().getAxis("left").setWidth(44)
        self._cos, self._sin = Bars(), Bars()
        self._mark = ChosenColumn()
        self._names = BarNames()
        for item in (self._mark, self._cos, self._sin, self._names):
            self._plot.lift(item)
        self._painted_for: tuple[Any, list[QColor], list[QColor]] = (None, [], [])
        self._top: tuple[Run | None, str, float] = (None, "", 0.0)
        self._plot.scene().sigMouseClicked.connect(self._clicked)
        self._plot.scene().sigMouseMoved.connect(self._hovered)
        on_leave(self._plot, lambda: self.read_out(""))
        self._plot.setAccessibleName("Spectrum: a bar for every frequency")
        KeyPointer(self._plot, lambda: self.value)
        self.restyle()
        content: QWidget = self._plot
        return content

    def pointed_at(self) -> QRect | None:
        """The tallest bar."""
        answer: Spectrum | None = self.answer
        if answer is None or not len(answer.norm):
            return None
        k, box = int(answer.norm.argmax()) + 1, self._plot.getViewBox()
        corners = (QPointF(k - 0.5, float(self._cos.height[k - 1])), QPointF(k + 0.5, 0.0))
        return QRect(*(self._plot.mapFromScene(box.mapViewToScene(corner)) for corner in corners))

    def query(self, selection: Selection) -> Query:
        which = self._which.currentText()
        n, run = selection.n_checkpoints, selection.run
        last, among = (n - 1, n) if run is not None and not run.grows else (selection.layout_step, 0)
        return Query(spectrum, (run, selection.step, last, which, among))

    def draw(self, answer: Spectrum, selection: Selection) -> None:
        k = np.arange(1, len(answer.cos) + 1)
        split = self._split.isChecked()
        colours, light = self._colours(answer, selection)
        if split:
            self._cos.show_bars(k - 0.2, answer.cos, 0.4, colours)
            self._sin.show_bars(k + 0.2, answer.sin, 0.4, light)
        else:
            self._cos.show_bars(k, answer.norm, 0.8, colours)
            self._sin.show_bars([], [], 0.8, ())
        heights = np.maximum(answer.cos, answer.sin) if split else answer.norm
        self._name(answer)
        self._fit(float(heights.max()) if len(heights) else 1.0, answer, selection)
        self._name_strong(answer, heights, selection)
        chosen = selection.frequency if selection.frequency in range(1, len(k) + 1) else None
        self._mark.show_column(chosen)
        self.set_subtitle(_sentence(answer, chosen))

    def tables(self, answer: Spectrum, selection: Selection) -> list[Table]:
        k = np.arange(1, len(answer.cos) + 1)
        w = answer.which
        columns = {"frequency k": k, f"norm of cos in {w}": answer.cos, f"norm of sin in {w}": answer.sin}
        return [Table("spectrum", columns | {f"norm in {w}": answer.norm})]

    def describe(self, answer: Spectrum, selection: Selection) -> str:
        basis = "" if answer.generator is None else f" Characters of the units, generator {answer.generator}."
        return (
            f"Norms of the Fourier components of {answer.which} along the residues, cosine and sine of each frequency. "
            f"{_sentence(answer, None).capitalize()} (neurons with FVE ≥ 0.85 at the last checkpoint).{basis}"
        )

    def restyle(self) -> None:
        dress(self._plot)

    def _colours(self, answer: Spectrum, selection: Selection) -> tuple[list[QColor], list[QColor]]:
        """Of cosine and sine; kept while nothing that decides them changes."""
        key = (len(answer.cos), answer.keys, selection.frequency, theme.current().name)
        if self._painted_for[0] != key:
            full = [self._colour(k, answer, selection) for k in range(1, len(answer.cos) + 1)]
            self._painted_for = (key, full, [paler(colour) for colour in full])
        return self._painted_for[1], self._painted_for[2]

    def _colour(self, k: int, answer: Spectrum, selection: Selection) -> QColor:
        if k == selection.frequency and k not in answer.keys:
            return QColor(theme.current().accent)
        return theme.frequency_colour(k, answer.keys)

    def _name(self, answer: Spectrum) -> None:
        """Title, axes and tooltip for what is on show."""
        self._title.setText(TITLES[answer.which])
        about = f"{answer.which}: {TIPS[answer.which]}.\n{self.about}"
        if answer.no_basis:
            about += f"\n{answer.no_basis} These are frequencies of the residues in their usual order."
        elif answer.generator is not None:
            about += f"\nk counts along the powers of {answer.generator}; another generator would permute the k."
        tip(self._title, about)
        units = f"character k of the units, generator {answer.generator}"
        relabel(self._plot, "left", f"norm in {answer.which}")
        relabel(self._plot, "bottom", "frequency k" if answer.generator is None else units)

    def _fit(self, highest: float, answer: Spectrum, selection: Selection) -> None:
        """The axis grows when it must, and shrinks only if it is not held."""
        run, which, top = self._top
        held = top if self._hold.isChecked() and run is selection.run and which == answer.which else 0.0
        if self._hold.isChecked():
            held = max(held, answer.limit * (1.0 if not self._split.isChecked() else _ONE_OF_TWO))
        self._top = (selection.run, answer.which, max(held, highest))
        set_range(self._plot, (0.2, len(answer.cos) + 0.8), (0.0, self._top[2] * 1.15 or 1.0))

    def _name_strong(self, answer: Spectrum, heights: Any, selection: Selection) -> None:
        """Numbers over the key frequencies and the selected one."""
        named = sorted(k for k in {*answer.keys, selection.frequency or 0} if 1 <= k <= len(heights))
        crowd = 22 * (len(heights) + 0.6) / max(1.0, self._plot.getViewBox().width())  # a number takes 22 pixels
        names = []
        for i, k in enumerate(named):
            before = i > 0 and k - named[i - 1] <= crowd
            after = i + 1 < len(named) and named[i + 1] - k <= crowd
            lean = 0.5 * after - 0.5 * before  # neighbours lean away from each other
            names.append(BarName(k, float(heights[k - 1]), str(k), self._colour(k, answer, selection), lean))
        self._names.show_names(names)

    def _clicked(self, event: Any) -> None:
        k = self._frequency_at(event.scenePos())
        if k is not None and event.button() == Qt.MouseButton.LeftButton:
            self.session.select(frequency=None if k == self.session.selection.frequency else k)

    def _hovered(self, at: Any) -> None:
        k = self._frequency_at(at)
        if k is None or self._shown is None:
            self.read_out("")
            return
        answer: Spectrum = self._shown[1]
        self.read_out(f"k = {k} · cos {answer.cos[k - 1]:.3g} · sin {answer.sin[k - 1]:.3g} (norm in {answer.which})")

    def _frequency_at(self, at: Any) -> int | None:
        box = self._plot.getViewBox()
        if self._shown is None or not box.sceneBoundingRect().contains(at):
            return None
        k = round(box.mapSceneToView(at).x())
        return k if 1 <= k <= len(self._shown[1].cos) else None


def _sentence(answer: Spectrum, chosen: int | None) -> str:
    keys = "no key frequency yet" if not answer.keys else "key frequencies " + ", ".join(map(str, answer.keys))
    return keys + (f" · selected k = {chosen}" if chosen is not None else "")
