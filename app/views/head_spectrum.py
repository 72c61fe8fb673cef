"""A head by frequency: what it looks for (C_j, paper fig. 8), what it writes, or what its pattern is fitted by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor

from app import theme
from app.views.attention_words import percent
from app.views.lifted import Bars, ChosenColumn
from app.views.maps import HeatMap
from app.views.painting import paler
from app.views.plots import dress, on_leave, pen, plot_widget, relabel, set_range
from engine.analysis.heads import HeadPicture

SCORES, WRITES, FITS = "scores", "values", "fits"
TIPS = {
    SCORES: "Cⱼ: what the head looks for, cosine and sine of each frequency (first layer)",
    WRITES: "W_E W_V W_O: what it writes, share of each frequency (first layer)",
    FITS: "Share of the pattern’s variance that the best cosine of each frequency explains",
}
CAPTIONS = {
    SCORES: "looks for: Cⱼ, cosine and sine",
    WRITES: "writes: share of W_E W_V W_O",
    FITS: "pattern: explained by the cosine of k",
}
_OF = {WRITES: "of what it writes", FITS: "of the pattern’s variance"}


def choice(x: HeadPicture, what: str) -> str:
    """What can be shown of it: of a later layer the fits only."""
    return FITS if x.coefficient is None else what


def heights(x: HeadPicture, head: int, what: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """By frequency; of cosine and sine where they are two."""
    if x.fit is None or x.basis is None:
        return np.zeros(0), None
    if what == SCORES and x.coefficient is not None:
        of = x.coefficient[head]
        cosine, sine = of[1::2], np.zeros(x.basis.n // 2)
        sine[: len(of[2::2])] = of[2::2]  # k = n / 2 has none
        return cosine, sine
    if what == WRITES and x.values is not None:
        return x.values[head], None
    return np.maximum(x.fit.by_frequency[head], 0), None


class HeadSpectrum(QObject):
    """Bars in `widget`; says which frequency is clicked, and in words what is under the pointer."""

    clicked = Signal(int)
    hovered = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.widget = plot_widget("", "frequency k")
        self.widget.setMouseEnabled(x=False, y=False)
        axis = self.widget.getPlotItem().getAxis("left")
        axis.setWidth(HeatMap.LEFT)
        self.cosines, self.sines = Bars(), Bars()
        self._zero = pg.InfiniteLine(0, angle=0)
        self.wash = ChosenColumn()
        self.widget.addItem(self._zero, ignoreBounds=True)
        for item in (self.wash, self.cosines, self.sines):
            self.widget.lift(item)
        self._shown: tuple[HeadPicture, int, str] | None = None
        self._name, self._low = "frequency k", False
        self._full: list[QColor] = []
        self._light: list[QColor] = []
        self._held = (0.0, 0.0)  # limit of the run, end of the axis
        self._range: tuple[float, float, int] = (0.0, 0.0, 0)
        self.widget.scene().sigMouseClicked.connect(self._pressed)
        self.widget.scene().sigMouseMoved.connect(lambda at: self.hovered.emit(self._text(self._frequency_at(at))))
        on_leave(self.widget, lambda: self.hovered.emit(""))

    def show_head(self, x: HeadPicture, head: int, what: str, colours: list[QColor], hold: bool) -> None:
        """what : as `choice` allows    colours : of the frequencies    hold : the axis of the whole run"""
        what = choice(x, what)
        self._shown = x, head, what
        cosine, sine = heights(x, head, what)
        k = np.arange(1, len(cosine) + 1)
        if sine is None:
            self.cosines.show_bars(k, cosine, 0.8, colours)
            self.sines.show_bars([], [], 0.8, ())
        else:
            self.cosines.show_bars(k - 0.2, cosine, 0.4, colours)
            if colours is not self._full:
                self._full, self._light = colours, [paler(colour) for colour in colours]
            self.sines.show_bars(k + 0.2, sine, 0.4, self._light)
        top = 1.0
        if sine is not None:
            own = max(float(np.abs(part).max(initial=0)) for part in (cosine, sine)) or 1.0
            top = self._held_top(x.coefficient_limit, own) if hold else own
        span = (0.0 if sine is None else -1.06 * top, 1.06 * top, max(len(k), 1))
        self._range = span
        set_range(self.widget, (0.2, span[2] + 0.8), span[:2])
        relabel(self.widget, "left", "share" if sine is None else "Cⱼ")
        generator = None if x.basis is None else x.basis.generator
        self._name = "frequency k" if generator is None else f"character k, generator {generator}"
        self._name_bottom()

    def _held_top(self, limit: float, own: float) -> float:
        """The limit of the run; what is beyond it moves the axis once, and for good."""
        before = self._held[1] if self._held[0] == limit else 0.0
        self._held = limit, max(limit, before, own)
        return self._held[1]

    def mark(self, k: int | None) -> None:
        """The selected frequency."""
        self.wash.show_column(k if k is not None and 1 <= k <= self._range[2] else None)

    def set_low(self, low: bool) -> None:
        """Whether there is no room for the name of the bottom axis."""
        self.widget.getPlotItem().getAxis("bottom").setHeight(22 if low else HeatMap.BOTTOM)
        self._low = low
        self._name_bottom()

    def _name_bottom(self) -> None:
        relabel(self.widget, "bottom", "" if self._low else self._name)

    def restyle(self) -> None:
        look = theme.current()
        dress(self.widget)
        self._zero.setPen(pen(look.border))

    # -- pointer -------------------------------------------------------------------------------------------

    def _frequency_at(self, at: Any) -> int | None:
        box = self.widget.getViewBox()
        if self._shown is None or not box.sceneBoundingRect().contains(at):
            return None
        k, n = round(box.mapSceneToView(at).x()), len(heights(*self._shown)[0])
        return k if 1 <= k <= n else None

    def _pressed(self, event: Any) -> None:
        k = self._frequency_at(event.scenePos())
        if k is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(k)

    def _text(self, k: int | None) -> str:
        if k is None or self._shown is None:
            return ""
        x, head, what = self._shown
        cosine, sine = heights(x, head, what)
        if sine is None or x.share is None:
            return f"k = {k} · {percent(float(cosine[k - 1]), 2)} {_OF[what]}"
        share = percent(float(x.share[head, k - 1]), 2)
        return f"k = {k} · cos {cosine[k - 1]:.4g} · sin {sine[k - 1]:.4g} · {share} of Cⱼ".replace("-", "−")
