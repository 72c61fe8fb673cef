"""A plot over epochs: curves, phase bands, and a cursor that scrubs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from app import theme
from app.session import Session
from app.views.live_plot import EpochLine
from app.views.plots import Bands, dress, on_leave, pen, plot_widget
from engine.analysis.phases import Phases

PHASES = ("memorisation", "circuit formation", "cleanup")
SOLID, DASHED, DOTTED = Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine


@dataclass(frozen=True)
class Span:
    """A phase on the axis; `open` where it has not ended."""

    name: str
    begin: float
    end: float
    open: bool


def spans(found: Phases, last: float) -> list[Span]:
    """The phases that have begun, up to the last epoch known; one that ends before it begins is of no length.

    Where excluded loss is not known so far, memorisation goes as far as it is, and circuit formation is left out.
    """
    made: list[Span] = []
    begin = 0.0
    ends = dict(zip(PHASES, (found.memorisation_end, found.circuit_end, found.cleanup_end), strict=True))
    judged = last if found.t_mem is None else min(last, found.excluded_until)
    if found.memorisation_end is None and found.circuit_end is not None and judged < min(found.circuit_end, last):
        made = [Span(PHASES[0], 0.0, judged, True)] if judged > 0 else []
        begin, ends = float(found.circuit_end), {PHASES[2]: found.cleanup_end}
    for name, end in ends.items():
        known = judged if name == PHASES[0] else last
        if end is None:
            return [*made, Span(name, begin, known, True)] if known > begin else made
        until = max(begin, min(float(end), last))
        made.append(Span(name, begin, until, False))
        begin = until
    return made


class TimePlot:
    """Curves over epochs in `widget`; a click or a drag of the cursor goes to a checkpoint.

    hovered : called with the epoch under the pointer, or None
    """

    def __init__(self, session: Session, left: str, bottom: str = "epoch", log_y: bool = False) -> None:
        self._session = session
        self.hovered: Callable[[float | None], None] = lambda _: None
        self.clicked: Callable[[float, float], None] | None = None  # epoch, y; in place of scrubbing
        self.log_x, self.log_y = False, log_y
        self.widget = plot_widget(left, bottom)
        item = self.widget.getPlotItem()
        item.getAxis("left").setWidth(58)
        item.getAxis("left").setLogMode(log_y)
        self._curves: dict[str, Any] = {}
        self._data: dict[str, tuple[NDArray[Any], NDArray[Any]] | None] = {}
        self._pens: dict[str, Callable[[], Any]] = {}
        self._styles: dict[str, Qt.PenStyle] = {}
        self._dots: dict[str, Callable[[], Any]] = {}  # colours of what is drawn as points
        self._bands = Bands(self.widget.getViewBox())
        self.widget.addItem(self._bands, ignoreBounds=True)
        self._spans: list[Span] = []
        self._epoch = 0.0
        self.cursor = EpochLine()
        self.cursor.setZValue(50)  # for the pointer
        self.cursor.sigDragged.connect(lambda line: session.scrub_to_epoch(self.epoch_of(line.value())))
        self.widget.lift(self.cursor)
        self.widget.scene().sigMouseClicked.connect(self._clicked)
        self.widget.scene().sigMouseMoved.connect(self._moved)
        on_leave(self.widget, lambda: self.hovered(None))
        self.widget.getViewBox().setMouseEnabled(x=True, y=False)
        self.restyle()

    def add(self, name: str, colour: Callable[[], Any], width: float = 2, style: Qt.PenStyle = SOLID) -> Any:
        """A curve. colour : read again when the theme changes"""

        def made() -> Any:
            drawn = pen(colour(), width)
            drawn.setStyle(self._styles[name])
            return drawn

        self._styles[name] = style
        curve = self.widget.plot(pen=made())
        curve.curve.setCacheMode(curve.curve.CacheMode.DeviceCoordinateCache)
        self._curves[name], self._pens[name], self._data[name] = curve, made, None
        return curve

    def add_dots(self, name: str, colour: Callable[[], Any], size: float = 6) -> Any:
        """Open circles with nothing between them. colour : read again when the theme changes"""
        dots = self.widget.plot(pen=None, symbol="o", symbolSize=size)
        dots.setZValue(10)
        dots.scatter.setCacheMode(dots.scatter.CacheMode.DeviceCoordinateCache)
        self._curves[name], self._dots[name], self._data[name] = dots, colour, None
        self._colour_dots(name)
        return dots

    def has(self, name: str) -> bool:
        """Whether there is an item of that name, drawn or not."""
        return name in self._curves

    def pen_of(self, name: str) -> Any:
        """How a curve is drawn."""
        return self._pens[name]()

    def set_style(self, name: str, style: Qt.PenStyle) -> None:
        """Draw a curve solid, dashed or dotted."""
        if style != self._styles[name]:
            self._styles[name] = style
            self.redress(name)

    def redress(self, name: str) -> None:
        """Ask for a curve's colour again."""
        self._curves[name].setPen(self._pens[name]())

    def _colour_dots(self, name: str) -> None:
        self._curves[name].setSymbolBrush(QColor(theme.current().panel))
        self._curves[name].setSymbolPen(pen(self._dots[name](), 1.5))

    def put(self, name: str, epochs: NDArray[Any] | None, values: NDArray[Any] | None) -> None:
        """A curve's points; None: none. Values that are not finite, or not positive on a log axis, leave a gap."""
        if epochs is None or values is None:
            self._data[name] = None
            self._curves[name].setData([], [])
            return
        self._data[name] = np.asarray(epochs, np.float64), np.asarray(values, np.float64)
        x, y = self._data[name]  # type: ignore[misc]
        if self.log_x:
            x = np.log10(np.maximum(x, 0.5))
        if self.log_y:
            y = np.where(y > 0, np.log10(np.maximum(y, 1e-300)), np.nan)
        self._curves[name].setData(x, y, connect="finite")

    def value_at(self, name: str, epoch: float) -> float | None:
        """A curve's value at the checkpoint nearest to an epoch; None where there is none."""
        data = self._data[name]
        if data is None or not len(data[0]):
            return None
        value = float(data[1][int(np.abs(data[0] - epoch).argmin())])
        return value if np.isfinite(value) else None

    @property
    def curves(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """What is drawn: name -> (epochs, values)."""
        return {name: data for name, data in self._data.items() if data is not None}

    def show_epoch(self, epoch: float) -> None:
        """Move the cursor."""
        self._epoch = epoch
        self.cursor.setValue(self.place_of(epoch))

    def show_phases(self, found: Phases | None, last: float) -> list[Span]:
        """Bands behind the curves; nothing is painted into the future."""
        self._spans = [] if found is None else spans(found, last)
        self._place_bands()
        return self._spans

    def _place_bands(self) -> None:
        colours = dict(zip(PHASES, theme.current().phases, strict=True))
        self._bands.show_stretches([
            (self.place_of(span.begin), self.place_of(span.end), QColor(colours[span.name])) for span in self._spans
        ])  # fmt: skip

    def set_scales(self, log_x: bool | None = None, log_y: bool | None = None) -> None:
        """Change the axes; everything keeps its epoch."""
        self.log_x = self.log_x if log_x is None else log_x
        self.log_y = self.log_y if log_y is None else log_y
        item = self.widget.getPlotItem()
        item.getAxis("bottom").setLogMode(self.log_x)
        item.getAxis("left").setLogMode(self.log_y)
        for name, data in self._data.items():
            self.put(name, *(data or (None, None)))
        self._place_bands()
        self.show_epoch(self._epoch)
        self.fit()

    def fit(self) -> None:
        """All of every curve."""
        self.widget.getViewBox().enableAutoRange()

    def place_of(self, epoch: float) -> float:
        return float(np.log10(max(epoch, 0.5))) if self.log_x else float(epoch)

    def epoch_of(self, place: float) -> float:
        return float(10**place) if self.log_x else float(place)

    def restyle(self) -> None:
        look = theme.current()
        dress(self.widget)
        for name, made in self._pens.items():
            self._curves[name].setPen(made())
        for name in self._dots:
            self._colour_dots(name)
        self.cursor.set_pens(pen(look.accent, 1.5), pen(look.accent, 3))
        self._place_bands()

    def _point(self, at: Any) -> Any:
        box = self.widget.getViewBox()
        return box.mapSceneToView(at) if box.sceneBoundingRect().contains(at) else None

    def _clicked(self, event: Any) -> None:
        point = self._point(event.scenePos())
        if event.double():
            self.fit()
        elif point is not None and event.button() == Qt.MouseButton.LeftButton:
            if self.clicked is not None:
                self.clicked(self.epoch_of(point.x()), point.y())
            else:
                self._session.scrub_to_epoch(self.epoch_of(point.x()))

    def _moved(self, at: Any) -> None:
        point = self._point(at)
        self.hovered(None if point is None else self.epoch_of(point.x()))
