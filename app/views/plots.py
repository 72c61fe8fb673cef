"""The pyqtgraph pieces that views share; no pyqtgraph item travels further than a view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QResizeEvent
from PySide6.QtWidgets import QGraphicsScene, QWidget

from app import theme
from app.numbers import epoch_text as epoch_text
from app.views.live_plot import LivePlot
from app.views.painting import pen as pen

_AROUND = 4  # pixels: of a name that are empty on each side
_TICKS = 10  # pixels: what numbers leave of an axis' height at least, or its name would stand on them


class _Axis(pg.AxisItem):  # type: ignore[misc]
    """Numbers as people write them: 12 000, and powers of ten as 10⁻⁶. Its name only where all of it has room."""

    _SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

    def resizeEvent(self, event: Any = None) -> None:
        super().resizeEvent(event)
        if self.label is None or self.scene() is None:
            return
        upright, size, name = self.orientation == "left", self.size(), self.label.boundingRect()
        fits = not upright or name.width() <= size.height() + 2
        view = self.getViewWidget()
        if not upright and view is not None:
            bottom = self.mapToScene(0.0, size.height()).y()
            middle, half = self.mapToScene(size.width() / 2, 0.0).x(), name.width() / 2 - _AROUND
            fits &= half <= middle <= view.width() - half
            fits &= bottom <= view.height() + 2 and size.height() >= name.height() + _TICKS
        self.label.setOpacity(1.0 if fits else 0.0)

    def logTickStrings(self, values: Any, scale: float, spacing: float) -> list[str]:
        if self.orientation == "bottom":
            return [epoch_text(10**v) if abs(v - round(v)) < 1e-9 else "" for v in values]
        return ["10" + str(round(v)).translate(self._SUPERSCRIPT) if abs(v - round(v)) < 1e-9 else "" for v in values]

    def tickStrings(self, values: Any, scale: float, spacing: float) -> list[str]:
        if self.logMode or not len(values) or max(abs(v) for v in values) < 1000:
            made: list[str] = super().tickStrings(values, scale, spacing)
            return made
        return [epoch_text(v) for v in values]


def plot_widget(left: str = "", bottom: str = "") -> Any:
    """A quiet plot: no menu, no auto-range button, thin axes."""
    widget = LivePlot(axisItems={side: _Axis(side) for side in ("left", "bottom")}, enableMenu=False)
    widget.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)  # its background covers everything
    plot = widget.getPlotItem()
    plot.hideButtons()
    widget.scene().setItemIndexMethod(QGraphicsScene.ItemIndexMethod.NoIndex)  # a few items that often move
    plot.setLabel("left", left)
    plot.setLabel("bottom", bottom)
    for side in ("left", "bottom"):  # they seldom change: kept as pixels, not drawn anew with every frame
        plot.getAxis(side).enableAutoSIPrefix(False)  # no "(x1e+03)" in a name
        for part in (plot.getAxis(side), plot.getAxis(side).label):
            part.setCacheMode(part.CacheMode.DeviceCoordinateCache)
    widget.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # those that take keys have a `KeyPointer`
    widget.setAccessibleName(f"Plot of {left or 'curves'} by {bottom or 'epoch'}")
    dress(widget)
    return widget


def dress(widget: Any) -> None:
    """Give a plot the theme's colours."""
    look = theme.current()
    widget.setBackground(look.panel)
    for side in ("left", "bottom"):
        axis = widget.getPlotItem().getAxis(side)
        axis.setPen(pen(look.border))
        axis.setTextPen(pen(look.muted))
        axis.setStyle(tickLength=-4, tickTextOffset=4, maxTickLevel=0)
        axis.label.setDefaultTextColor(QColor(look.muted))


def set_range(plot: Any, x: tuple[float, float], y: tuple[float, float]) -> None:
    """Exactly these ends; nothing where they are those already."""
    box = plot.getViewBox()
    if [list(x), list(y)] != box.state["targetRange"]:
        box.setRange(xRange=x, yRange=y, padding=0)


def relabel(plot: Any, side: str, text: str) -> None:
    """Name an axis again, and put the name back in its middle."""
    axis = plot.getPlotItem().getAxis(side)
    if axis.labelText != text:
        axis.setLabel(text)
        axis.resizeEvent()


class Bands(pg.GraphicsObject):  # type: ignore[misc]
    """Stretches of the x axis, filled over the whole height of the plot; behind everything else."""

    def __init__(self, box: Any) -> None:
        super().__init__()
        self._box = box
        self.stretches: tuple[tuple[float, float, QColor], ...] = ()  # from, to, colour
        self.setZValue(-100)

    def show_stretches(self, stretches: Sequence[tuple[float, float, QColor]]) -> None:
        """stretches : from, to, colour"""
        if tuple(stretches) != self.stretches:
            self.stretches = tuple(stretches)
            self.update()

    def viewRangeChanged(self) -> None:
        self.prepareGeometryChange()

    def boundingRect(self) -> QRectF:
        return self._box.viewRect()  # type: ignore[no-any-return]

    def paint(self, painter: QPainter, *_: Any) -> None:
        view = self._box.viewRect()
        for begin, end, colour in self.stretches:
            left, right = max(begin, view.left()), min(end, view.right())
            if right > left:
                painter.fillRect(QRectF(left, view.top(), right - left, view.height()), colour)


class SquarePlot(QWidget):
    """Keeps a plot's data area square, as large as fits; `beside` is what stands right of it."""

    LEFT, BOTTOM = 46, 38

    def __init__(self, plot: Any, beside: int = 8) -> None:
        super().__init__()
        self._plot, self._beside = plot, beside
        plot.setParent(self)
        plot.getPlotItem().getAxis("left").setWidth(self.LEFT)
        plot.getPlotItem().getAxis("bottom").setHeight(self.BOTTOM)
        self.setMinimumSize(110, 110)

    def resizeEvent(self, event: QResizeEvent) -> None:
        side = min(self.width() - self.LEFT - self._beside, self.height() - self.BOTTOM - 10)
        width, height = side + self.LEFT + self._beside, side + self.BOTTOM + 10
        self._plot.setGeometry(max(0, (self.width() - width) // 2), 0, width, height)


class _Leave(QObject):
    def __init__(self, widget: QWidget, action: Callable[[], None]) -> None:
        super().__init__(widget)
        self._action = action
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self._action()
        return False


def on_leave(widget: Any, action: Callable[[], None]) -> None:
    """Call `action` whenever the pointer leaves the widget."""
    _Leave(widget, action)
