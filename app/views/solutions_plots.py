"""Power and loss of each of the two solutions over training, under legends that tell them at the cursor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app import theme
from app.numbers import epoch_text
from app.session import Session
from app.theme import SPACE
from app.views.controls import label
from app.views.legend import value_text
from app.views.over_time import DASHED, DOTTED, SOLID, TimePlot
from app.views.plots import pen
from app.views.solutions_words import CURVES, LOSSES, POWERS, between, value_at
from engine.analysis.curves import Curve
from engine.analysis.solutions import TwoSolutions

_SHORT = 330  # pixels: height of both plots
_SAMPLES = {SOLID: "━", DASHED: "╍", DOTTED: "┅"}


class SolutionsPlots:
    """Both plots, one above the other or side by side, in `layout`.

    read : called with what is under the pointer, "" where there is nothing
    """

    def __init__(self, session: Session) -> None:
        self._answer: TwoSolutions | None = None
        self.read: Callable[[str], None] = lambda _: None
        self.power = TimePlot(session, "power")
        self.loss = TimePlot(session, "loss (nats)", log_y=True)
        self.loss.widget.setXLink(self.power.widget)
        self.curves = {name: self.plot_of(name).add(name, self._colour(name)) for name in CURVES}
        self.legends = {plot: _legend() for plot in (self.power, self.loss)}
        for plot in (self.power, self.loss):
            plot.widget.getPlotItem().layout.setContentsMargins(0, 6, 18, 0)  # for halves of the last numbers
            plot.hovered = lambda epoch, p=plot: self._hovered(epoch, p)  # type: ignore[misc]
        self.marks = [pg.LinearRegionItem(movable=False) for _ in range(2)]
        for plot, mark in zip((self.power, self.loss), self.marks, strict=True):
            mark.setZValue(-50)
            mark.setVisible(False)
            plot.widget.addItem(mark, ignoreBounds=True)
        self.layout = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self.layout.setContentsMargins(0, 0, 0, 0)
        self.layout.setSpacing(SPACE // 2)
        for plot, legend in self.legends.items():
            self.layout.addWidget(_Labelled(legend, plot.widget), 1)

    def plot_of(self, name: str) -> TimePlot:
        return self.power if name in POWERS else self.loss

    def _colour(self, name: str) -> Callable[[], str]:
        return lambda: str(getattr(theme.current(), CURVES[name][1]))

    def show_answer(self, answer: TwoSolutions, epoch: int) -> None:
        """Curves where they are new, the cursor, the legends' numbers."""
        if answer is not self._answer:
            self._answer = answer
            self._draw_curves(answer)
        for plot in self.legends:
            plot.show_epoch(epoch)
        self._write_legends(answer, epoch)

    def _draw_curves(self, answer: TwoSolutions) -> None:
        for name in CURVES:
            curve: Curve | None = getattr(answer, name)
            self.plot_of(name).put(name, *((None, None) if curve is None else (curve.epochs, curve.values)))
        self._style_curves()
        for plot in self.legends:
            plot.show_phases(answer.phases, answer.last)
        self.place_mark()

    def _style_curves(self) -> None:
        """Of candidates all curves are dashed."""
        final = self._answer is None or self._answer.pinned is None or self._answer.pinned.final
        for name, curve in self.curves.items():
            made = pen(self._colour(name)(), 2 if name != "restricted_train" else 1.4)
            made.setStyle(CURVES[name][2] if final or CURVES[name][2] != SOLID else DASHED)
            curve.setPen(made)

    def place_mark(self) -> None:
        """Where the powers cross: from one checkpoint to the next."""
        crossing = None if self._answer is None else self._answer.crossing
        for plot, mark in zip(self.legends, self.marks, strict=True):
            mark.setVisible(crossing is not None)
            if crossing is not None:
                mark.setRegion(tuple(plot.place_of(epoch) for epoch in crossing))

    def rescale(self, log_x: bool, log_power: bool) -> None:
        """Logarithmic axes or linear ones."""
        self.power.set_scales(log_x=log_x, log_y=log_power)
        self.loss.set_scales(log_x=log_x)
        self.place_mark()

    def _write_legends(self, answer: TwoSolutions, epoch: int) -> None:
        final = answer.pinned is None or answer.pinned.final
        for plot, names in ((self.power, POWERS), (self.loss, LOSSES)):
            parts = []
            for name in names:
                text, _, style = CURVES[name]
                value = value_at(getattr(answer, name), epoch)
                sample = _SAMPLES[style if final or style != SOLID else DASHED]
                said = "…" if value is None else value_text(value)
                if getattr(answer, name) is None:
                    said = "not measured" if final else "once the run is finished"
                line = f"<font color='{self._colour(name)()}'>{sample}</font>"
                bold = f"<b><font color='{theme.current().text}'>{said}</font></b>"
                parts.append("&nbsp;".join((line, text.replace(" ", "&nbsp;"), bold)))
            if plot is self.power and answer.crossing is not None:
                epochs = between(answer.crossing).replace(" ", "&nbsp;")
                parts.append(f"<font color='{theme.current().muted}'>┆</font>&nbsp;cross&nbsp;between&nbsp;{epochs}")
            found = "&nbsp;&nbsp; ".join(parts)
            if self.legends[plot].text() != found:
                self.legends[plot].setText(found)

    def _hovered(self, epoch: float | None, plot: TimePlot) -> None:
        answer = self._answer
        curve = None if answer is None else answer.of_keys
        if epoch is None or answer is None or curve is None:
            self.read("")
            return
        there = float(curve.epochs[int(np.abs(curve.epochs - epoch).argmin())])
        said = []
        for name in POWERS if plot is self.power else LOSSES:
            value = value_at(getattr(answer, name), there)
            if value is not None:
                unit = "" if plot is self.power else " nats"
                said.append(f"{CURVES[name][0].replace('<sub>K</sub>', '_K ')} {value_text(value)}{unit}")
        self.read(f"epoch {epoch_text(there)} · {', '.join(said)}")

    def arrange(self, width: int, height: int) -> None:
        """One above the other where there is room.  width, height : pixels, of the view's content"""
        beside = height < _SHORT + 90
        direction = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        if self.layout.direction() != direction:
            self.layout.setDirection(direction)
        upper = self.power.widget.getPlotItem()
        upper.getAxis("bottom").setStyle(showValues=beside)
        upper.showLabel("bottom", beside)
        for legend in self.legends.values():
            legend.setFixedHeight(18 if not beside or width >= 2 * 400 else 34 if width >= 2 * 280 else 50)

    def restyle(self) -> None:
        look = theme.current()
        for plot in (self.power, self.loss):
            plot.restyle()
        self._style_curves()
        wash = QColor(look.text)
        wash.setAlpha(40)
        for mark in self.marks:
            mark.setBrush(wash)
            for line in mark.lines:
                drawn = pen(look.muted, 1)
                drawn.setStyle(DASHED)
                line.setPen(drawn)


def _legend() -> QLabel:
    made = label("", "muted")
    made.setTextFormat(Qt.TextFormat.RichText)
    made.setStyleSheet("font-size: 12px;")
    made.setWordWrap(True)
    made.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return made


class _Labelled(QWidget):
    """A plot under its legend."""

    def __init__(self, legend: QWidget, plot: QWidget) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(legend)
        column.addWidget(plot, 1)
        plot.setMinimumSize(120, 70)
