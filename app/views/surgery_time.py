"""A set of parts over training: the loss without it and with it alone, between the bands of random sets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app import theme
from app.ablation_words import cut_texts
from app.numbers import epoch_text
from app.session import Session
from app.theme import SPACE
from app.views.controls import label
from app.views.legend import SMALL, Flow, LegendEntry, value_text
from app.views.over_time import DASHED, DOTTED, SOLID
from app.views.plots import pen
from app.views.sentence import Sentence
from app.views.surgery_bars import HIGHEST, LOWEST
from app.views.tracks import TrackPlot
from engine.analysis.load_bearing import HOLDS, SetCurves
from engine.analysis.set_questions import SetQuestion

CURVES = {
    "whole": ("whole model", "muted", SOLID, 1.4), "without": ("without it", "excluded", SOLID, 2.2),
    "random_without": ("without a random one", "excluded", DASHED, 1.2),
    "only": ("only it", "restricted", SOLID, 2.2),
    "random_only": ("only a random one", "restricted", DASHED, 1.2),
}  # fmt: skip
_UNLIMITED, _EMPTY = (1 << 24) - 1, 96  # pixels of height: a widget's own largest; with nothing to draw
_MARKS = {"load_bearing_since": "excluded", "doubles_since": "text"}


class SetPlot(QWidget):
    """The curves, what they say, and a button that measures.

    wanted : called when the button is pressed
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.wanted: Callable[[], None] = lambda: None
        self.track = TrackPlot(session, "loss (nats)")
        self.track.set_scales(log_y=True)
        self._bands: dict[str, Any] = {}
        for name, (_, colour, style, width) in CURVES.items():
            self.track.add(name, partial(_themed, colour), width, style)
        for name in ("without", "only"):
            edges = [self.track.add(f"{name} {which}", _nothing, 1) for which in ("low", "high")]
            self._bands[name] = pg.FillBetweenItem(*edges)
            self._bands[name].setZValue(-20)
            self.track.widget.addItem(self._bands[name], ignoreBounds=True)
        self._marks = {name: pg.InfiniteLine(angle=90, movable=False) for name in _MARKS}
        for mark in self._marks.values():
            mark.setVisible(False)
            self.track.widget.addItem(mark, ignoreBounds=True)
        self._drawn: tuple[Any, ...] = ()
        self.sentence = Sentence()
        self.sentence.setObjectName("surgery.since")
        self.button = QPushButton("Measure over training")
        self.button.setObjectName("surgery.measure")
        self.button.setStyleSheet("padding: 2px 10px;")
        self.button.clicked.connect(lambda: self.wanted())
        self.progress = label("", "muted")
        self.progress.setObjectName("surgery.progress")
        self.progress.setStyleSheet(SMALL)
        self.legend: dict[str, LegendEntry] = {}
        self._lay_out()
        self.track.widget.setMinimumSize(120, 80)
        self.restyle()

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.setSpacing(SPACE)
        line.addWidget(self.sentence, 1)
        line.addWidget(self.progress)
        line.addWidget(self.button)
        legend, flow = QWidget(), Flow()
        legend.setLayout(flow)
        for name in CURVES:
            self.legend[name] = entry = LegendEntry(f"surgery.legend.{name}")
            entry.toggled.connect(lambda _=False: self.again())
            flow.addWidget(entry)
        self._nothing = label(
            "The loss without what is ticked and with it alone, at every checkpoint, between those of random sets of "
            "the same size: measured when you ask for it.", "muted",
        )  # fmt: skip
        self._nothing.setWordWrap(True)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._nothing.setStyleSheet(SMALL)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(line)
        column.addWidget(legend)
        column.addWidget(self.track.widget, 1)
        column.addWidget(self._nothing, 1)
        self._legend_row = legend

    def hasHeightForWidth(self) -> bool:
        """Else the plot's own idea of its height would be taken for the least it needs."""
        return False

    def show_curves(self, found: SetCurves | None, epoch: int) -> None:
        """None: there is nothing to draw."""
        shown = tuple(name for name, entry in self.legend.items() if entry.isChecked())
        state = (found, shown, theme.current().name)
        if not self._drawn or self._drawn[0] is not found or self._drawn[1:] != state[1:]:
            self._drawn = state
            self._draw(found, shown)
        self.track.show_epoch(epoch)
        for name, entry in self.legend.items():
            value = None if found is None or not found.measured else self.value_at(found, name, epoch)
            entry.say("…" if value is None else value_text(value))

    def again(self) -> None:
        """The same with other curves hidden."""
        if self._drawn:
            found, epoch = self._drawn[0], self.track._epoch
            self.show_curves(found, int(epoch))

    @staticmethod
    def value_at(found: SetCurves, name: str, epoch: int) -> float | None:
        """A curve's value at exactly that epoch; None where it is not measured."""
        i = int(np.searchsorted(found.epochs, epoch))
        if i >= len(found.epochs) or found.epochs[i] != epoch:
            return None
        value = float(values_of(found)[name][i])
        return value if value == value else None

    def _draw(self, found: SetCurves | None, shown: tuple[str, ...]) -> None:
        there = found is not None and found.measured > 0
        self.setMaximumHeight(_UNLIMITED if there else _EMPTY)
        appears = there and self.track.widget.isHidden()
        for widget, visible in ((self._nothing, not there), (self._legend_row, there), (self.track.widget, there)):
            if widget.isHidden() == visible:
                widget.setVisible(visible)
        values = values_of(found) if found is not None else {}
        for name, (text, colour, style, width) in CURVES.items():
            visible = there and name in shown and bool(np.isfinite(values[name]).any())
            self._put(name, found, values.get(name) if visible else None)
            drawn = pen(_themed(colour), width)
            drawn.setStyle(style)
            self.legend[name].name_it(text, f"{_TIPS[name]}.\nClick to hide or show.", drawn)
        for name, band in (("without", "band_without"), ("only", "band_only")):
            visible = there and f"random_{name}" in shown and found is not None and found.n_random > 1
            for which, row in (("low", 0), ("high", 2)):
                self._put(f"{name} {which}", found, getattr(found, band)[row] if visible else None)
            self._bands[name].setVisible(visible)
        if found is not None and there:
            ends = float(found.epochs[0]), float(max(found.last, 1))
            self.track.limit(ends, _span(values))
            self.track.show_phases(found.phases, float(found.epochs[-1]))
            if appears:
                self.track.fit()
        for name, mark in self._marks.items():
            epoch = None if found is None else getattr(found, name)
            mark.setVisible(epoch is not None)
            mark.setValue(self.track.place_of(epoch or 0))

    def _put(self, name: str, found: SetCurves | None, values: Any) -> None:
        if values is None or found is None:
            self.track.put(name, None, None)
        else:
            self.track.put(name, found.epochs, np.clip(values, LOWEST, HIGHEST))

    def restyle(self) -> None:
        look = theme.current()
        self.track.restyle()
        for name, colour in (("without", look.excluded), ("only", look.restricted)):
            wash = QColor(colour)
            wash.setAlpha(46)
            self._bands[name].setBrush(wash)
        for name, mark in self._marks.items():
            drawn = pen(QColor(getattr(look, _MARKS[name])), 1.2)
            drawn.setStyle(DOTTED)
            mark.setPen(drawn)
        self._drawn = ()


def _themed(colour: str) -> QColor:
    return QColor(getattr(theme.current(), colour))


def _nothing() -> QColor:
    """Of the edges of a band."""
    return QColor(0, 0, 0, 0)


_TIPS = {
    "whole": "The loss of the whole model",
    "without": "Necessity: the loss without what is ticked",
    "random_without": "Median of the losses without a random set of the same size; the band is 5 to 95 %",
    "only": "Sufficiency: the loss with only what is ticked, of the kinds in which something is",
    "random_only": "Median of the losses with only a random set of the same size; the band is 5 to 95 %",
}


def values_of(found: SetCurves) -> dict[str, Any]:
    """The curves by their names."""
    return {
        "whole": found.whole, "without": found.without, "random_without": found.band_without[1],
        "only": found.only, "random_only": found.band_only[1],
    }  # fmt: skip


def _span(values: dict[str, Any]) -> tuple[float, float]:
    """Of the logarithms, with a little room."""
    every = np.concatenate([np.asarray(x) for x in values.values()])
    every = every[np.isfinite(every)]
    if not len(every):
        return -8.0, 2.0
    low, high = (float(np.log10(np.clip(x, LOWEST, HIGHEST))) for x in (every.min(), every.max()))
    return low - 0.2, high + 0.2


def since_text(question: SetQuestion | None, found: SetCurves | None, n_layers: int) -> tuple[str, str]:
    """What the curves say of the set, and the same in fewer words."""
    if question is None:
        return ("Tick a set above to ask since when it carries the answer.", "Tick a set above.")
    what = "; ".join(cut_texts(question.parts, n_layers))
    if found is None or found.measured < HOLDS:
        return f"Since when does it carry the answer? ({what})", what
    if not found.n_random:
        return f"There is no other set of this size to compare with ({what})", "no other set of this size"
    bearing = _since("load-bearing since", found.load_bearing_since, "never leaves the band for five checkpoints")
    doubling = _since("doubles the loss since", found.doubles_since, "does not double the loss")
    so_far = "" if found.measured >= found.of else f", by {found.measured} of {found.of} checkpoints"
    return f"{bearing} · {doubling}{so_far} ({what})", f"{bearing}{so_far}"


def _since(text: str, epoch: int | None, never: str) -> str:
    return never if epoch is None else f"{text} epoch {epoch_text(epoch)}"
