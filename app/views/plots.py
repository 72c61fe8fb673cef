"""The pyqtgraph pieces that views share; no pyqtgraph item travels further than a view."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PySide6.QtGui import QColor, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from app import theme


def pen(colour: str | QColor, width: float = 1.0) -> QPen:
    made: QPen = pg.mkPen(colour, width=width)
    return made


def plot_widget(left: str = "", bottom: str = "") -> Any:
    """A quiet plot: no menu, no auto-range button, thin axes."""
    widget = pg.PlotWidget()
    plot = widget.getPlotItem()
    plot.hideButtons()
    plot.setMenuEnabled(False)
    plot.setLabel("left", left)
    plot.setLabel("bottom", bottom)
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
        axis.setStyle(tickLength=-4, tickTextOffset=4)
        axis.label.setDefaultTextColor(QColor(look.muted))


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


def epoch_text(epoch: float) -> str:
    """12 000 rather than 12000."""
    return f"{round(epoch):,}".replace(",", " ")
