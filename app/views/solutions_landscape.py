"""The small map of the test loss over both factors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from app import theme
from app.views.answer_colours import LOSSES
from app.views.maps import HOT
from app.views.solutions_fader import TOP
from engine.analysis.ablation import Ablation
from engine.analysis.solutions import GRID


class Landscape(QWidget):
    """The test loss over g (to the right) and m (upwards), with the point that is on show; a drag moves it.

    picked : g, m      hovered : (g, m, loss in nats, NaN where it is not known yet) or None
    """

    picked = Signal(float, float)
    hovered = Signal(object)
    _EDGE = 14  # for the names of the axes

    def __init__(self) -> None:
        super().__init__()
        self._losses: NDArray[np.float64] = np.full((len(GRID), len(GRID)), np.nan)
        self._known: set[int] = set()
        self._at = Ablation()
        self.setFixedSize(7 * len(GRID) + self._EDGE, 7 * len(GRID) + self._EDGE)
        self.setMouseTracking(True)
        self.setObjectName("solutions.landscape")
        self.setAccessibleName("Test loss over both factors")
        self.setToolTip(
            "Test loss over g (to the right) and m (upwards), 0 to 1.5, from 10⁻⁸ (dark) to 100 nats (bright); "
            "drag to move both faders"
        )

    def clear(self) -> None:
        self._known.clear()
        self._losses[:] = np.nan
        self.update()

    def put(self, row: int, losses: NDArray[np.float64]) -> None:
        """losses : (13,), at m = GRID[row]"""
        self._losses[row] = losses
        self._known.add(row)
        self.update()

    @property
    def missing(self) -> int | None:
        """The next row to compute: coarse to fine."""
        order = (8, 0, 12, 4, 2, 6, 10, 1, 3, 5, 7, 9, 11)
        return next((row for row in order if row not in self._known), None)

    @property
    def losses(self) -> NDArray[np.float64]:
        """(13, 13), row: m, column: g; NaN where it is not known."""
        return self._losses

    def point_at(self, ablation: Ablation) -> None:
        if ablation != self._at:
            self._at = ablation
            self.update()

    def _area(self) -> QRectF:
        side = self.width() - self._EDGE
        return QRectF(self._EDGE, 0, side, side)

    def _factors(self, at: QPointF) -> tuple[float, float]:
        """g and m at a place, in hundredths."""
        area, n = self._area(), len(GRID)
        places = (at.x() - area.left()) / area.width(), 1 - (at.y() - area.top()) / area.height()
        g, m = (round(max(0.0, min(1.0, (x * n - 0.5) / (n - 1))) * TOP, 2) for x in places)
        return (1.0 if abs(g - 1) <= 0.03 else g), (1.0 if abs(m - 1) <= 0.03 else m)

    def place_of(self, ablation: Ablation) -> QPointF:
        """Where a mix stands: a grid's value is in the middle of its cell."""
        area, n = self._area(), len(GRID)
        x, y = ((v / TOP * (n - 1) + 0.5) / n for v in (ablation.generalising, ablation.memorising))
        return QPointF(area.left() + area.width() * x, area.bottom() - area.height() * y)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.picked.emit(*self._factors(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        g, m = self._factors(event.position())
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.picked.emit(g, m)
        column, row = (round(x / TOP * (len(GRID) - 1)) for x in (g, m))
        self.hovered.emit((GRID[column], GRID[row], float(self._losses[row, column])))

    def leaveEvent(self, event: QEvent) -> None:
        self.hovered.emit(None)

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter, area = theme.current(), QPainter(self), self._area()
        low, high = np.log10(LOSSES)
        with np.errstate(invalid="ignore"):
            places = (np.log10(np.maximum(self._losses[::-1], LOSSES[0])) - low) / (high - low) * 255
        known = np.isfinite(places)
        block = np.zeros((len(GRID), len(GRID), 4), np.uint8)
        block[..., :3] = theme.colour_table(HOT)[np.clip(np.where(known, places, 0), 0, 255).astype(int)]
        raised = QColor(look.raised)
        block[~known, :3] = raised.red(), raised.green(), raised.blue()
        n = len(GRID)
        painter.drawImage(area, QImage(block.data, n, n, 4 * n, QImage.Format.Format_RGBX8888))
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(QColor(look.muted))
        painter.drawText(
            QRectF(area.left(), area.bottom(), area.width(), self._EDGE), Qt.AlignmentFlag.AlignCenter, "g"
        )
        painter.drawText(QRectF(0, 0, self._EDGE - 2, area.height()), Qt.AlignmentFlag.AlignCenter, "m")
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        at = self.place_of(self._at)
        for colour, width in ((look.window, 4.0), (look.text, 2.0)):
            painter.setPen(QPen(QColor(colour), width))
            painter.drawEllipse(at, 4, 4)
