"""The thresholds of the phases in hand: handles beside the accuracy plot, lines in it, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QGraphicsLineItem, QGridLayout, QLineEdit, QToolButton, QWidget

from app import theme
from app.numbers import epoch_text
from app.views.controls import label
from app.views.over_time import DASHED, TimePlot
from app.views.plots import pen
from app.views.tracks import spread
from engine.analysis.phases import Phases, Thresholds

WIDTH = 128
THE_RULE = Thresholds()
MEANINGS = {
    "memorised": "train accuracy that ends at t_mem",
    "generalised": "test accuracy of t_gen",
    "circuit": "test accuracy that ends circuit formation",
}
_LEAST, _MOST_SETTLED = 0.01, 10.0
_KEYS = {Qt.Key.Key_Up: 0.01, Qt.Key.Key_Down: -0.01, Qt.Key.Key_PageUp: 0.1, Qt.Key.Key_PageDown: -0.1}


class Handle(QWidget):
    """One threshold: drag it up or down, or use the arrow keys; a double click brings the rule back."""

    HEIGHT = 16
    moved = Signal(float)

    def __init__(self, name: str, per_pixel: Callable[[], float], parent: QWidget) -> None:
        """per_pixel : accuracy that a pixel stands for"""
        super().__init__(parent)
        self.name, self._per_pixel = name, per_pixel
        self.value = float(getattr(THE_RULE, name))
        self._grip: tuple[float, float] | None = None  # where the drag began, and the value there
        self.setObjectName(f"loss.threshold.{name}")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.SizeVerCursor)
        self.setAccessibleName(f"Threshold “{name}”: {MEANINGS[name]}")
        self.setToolTip(
            f"{name}: {MEANINGS[name]}. Drag, or use ↑ and ↓; double click: {getattr(THE_RULE, name):g} again."
        )

    def show_value(self, value: float) -> None:
        self.value = value
        self.setAccessibleDescription(f"{value:.2f}")
        self.update()

    def _go(self, value: float) -> None:
        value = round(min(max(value, _LEAST), 1.0), 2)
        if value != self.value:
            self.moved.emit(value)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._grip = event.globalPosition().y(), self.value

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._grip is not None:
            y, value = self._grip
            self._go(value - (event.globalPosition().y() - y) * self._per_pixel())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._grip = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._go(float(getattr(THE_RULE, self.name)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = _KEYS.get(Qt.Key(event.key()))
        if by is None:
            super().keyPressEvent(event)
        else:
            self._go(self.value + by)

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter = theme.current(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        changed = self.value != getattr(THE_RULE, self.name)
        painter.setPen(pen(look.accent if self.hasFocus() or changed else look.border, 1))
        painter.setBrush(QColor(look.raised))
        area = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -1.5)
        painter.drawRoundedRect(area, 4, 4)
        font = QFont(self.font())
        font.setPixelSize(11)
        painter.setFont(font)
        middle, inner = Qt.AlignmentFlag.AlignVCenter, area.adjusted(5, 0, -5, 0)
        painter.setPen(QColor(look.muted))
        painter.drawText(inner, middle | Qt.AlignmentFlag.AlignLeft, self.name)
        painter.setPen(QColor(look.text))
        painter.drawText(inner, middle | Qt.AlignmentFlag.AlignRight, f"{self.value:.2f}")


class ThresholdHandles(QWidget):
    """Handles right of the accuracy plot, level with their lines in it and never on top of each other.

    moved : name and new value    reset : everything back to the rule
    """

    moved = Signal(str, float)
    reset = Signal()
    _LEADER, _GAP, _BACK = 12, 17, 18

    def __init__(self, plot: TimePlot) -> None:
        super().__init__()
        self._plot = plot
        self.setFixedWidth(WIDTH)
        self.handles: dict[str, Handle] = {}
        self.lines: dict[str, pg.InfiniteLine] = {}
        self._shown: Thresholds | None = None
        self._ends: dict[str, QGraphicsLineItem] = {}
        for name in MEANINGS:
            self.handles[name] = handle = Handle(name, self._per_pixel, self)
            handle.moved.connect(lambda value, n=name: self.moved.emit(n, value))
            self.lines[name] = line = pg.InfiniteLine(angle=0, movable=True, bounds=(_LEAST, 1.0))
            line.setZValue(20)
            line.setVisible(False)
            line.sigDragged.connect(lambda line, n=name: self.moved.emit(n, round(float(line.value()), 2)))
            line.sigClicked.connect(lambda _, event, n=name: self._clicked(event, n))
            plot.widget.addItem(line, ignoreBounds=True)
            self._ends[name] = QGraphicsLineItem()  # from the line to the edge of the plot
            plot.widget.scene().addItem(self._ends[name])
        self.back = QToolButton(self)
        self.back.setObjectName("loss.threshold.reset")
        self.back.setText("reset")
        self.back.setStyleSheet("font-size: 11px; padding: 0 4px;")
        self.back.setAccessibleName("Thresholds back to the rule")
        self.back.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.back.clicked.connect(self.reset.emit)
        box = plot.widget.getViewBox()
        for changed in (box.sigYRangeChanged, box.sigResized):
            changed.connect(lambda *_: self._arrange())
        self.restyle()

    def show_values(self, thresholds: Thresholds) -> None:
        if thresholds == self._shown:
            return
        self._shown = thresholds
        for name, handle in self.handles.items():
            value = float(getattr(thresholds, name))
            handle.show_value(value)
            blocked = QSignalBlocker(self.lines[name])
            self.lines[name].setValue(value)
            blocked.unblock()
        self.back.setVisible(thresholds != THE_RULE)
        self._arrange()

    def set_shown(self, shown: bool) -> None:
        """Handles and lines together."""
        self.setVisible(shown)
        for line in (*self.lines.values(), *self._ends.values()):
            line.setVisible(shown)

    def restyle(self) -> None:
        look = theme.current()
        for name, line in self.lines.items():
            drawn = pen(look.train if name == "memorised" else look.test, 1)
            drawn.setStyle(DASHED)
            line.setPen(drawn)
            line.setHoverPen(pen(look.accent, 2))
            self._ends[name].setPen(pen(look.faint, 1))
        self.update()

    def _clicked(self, event: object, name: str) -> None:
        if getattr(event, "double", bool)():
            self.moved.emit(name, float(getattr(THE_RULE, name)))

    def _y(self, value: float) -> float:
        """Of an accuracy, in pixels of this widget, which is as high as the plot."""
        at = self._plot.widget.getViewBox().mapViewToScene(QPointF(0, value))
        return float(self._plot.widget.mapFromScene(at).y())

    def _per_pixel(self) -> float:
        return 1.0 / max(1.0, self._y(0.0) - self._y(1.0))

    def _arrange(self) -> None:
        names = sorted(self.handles, key=lambda name: -self.handles[name].value)
        wanted = [self._y(self.handles[name].value) for name in names]
        box = self._plot.widget.getViewBox()
        low, high = Handle.HEIGHT / 2, max(Handle.HEIGHT / 2, self.height() - Handle.HEIGHT / 2)
        for name, y in zip(names, spread(wanted, self._GAP, low, high), strict=True):
            top = round(float(y) - Handle.HEIGHT / 2)
            self.handles[name].setGeometry(self._LEADER, top, WIDTH - self._LEADER, Handle.HEIGHT)
            at = box.mapViewToScene(QPointF(0, self.handles[name].value)).y()
            self._ends[name].setLine(box.sceneBoundingRect().right(), at, self._plot.widget.width(), at)
        wide = self.back.sizeHint().width()
        self.back.setGeometry(WIDTH - wide, self.height() - self._BACK, wide, self._BACK)
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._arrange()

    def paintEvent(self, event: QPaintEvent) -> None:
        """From each line to its handle."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(pen(theme.current().faint, 1))
        for handle in self.handles.values():
            y, there = self._y(handle.value), handle.geometry().center().y()
            painter.drawPolyline([QPointF(0, y), QPointF(3, y), QPointF(9, there), QPointF(self._LEADER, there)])


class RulePanel(QWidget):
    """What the thresholds make of the run, and the threshold that no plot has.

    moved : name and new value
    """

    moved = Signal(str, float)

    def __init__(self) -> None:
        super().__init__()
        self.setFixedWidth(WIDTH)
        self.outcome = label("", "")
        self.outcome.setObjectName("loss.outcome")
        self.outcome.setStyleSheet("font-size: 12px; font-weight: 600;")
        self._times = {"t_mem": label("", ""), "t_gen": label("", "")}
        self._settled = THE_RULE.settled
        self.field = QLineEdit()
        self.field.setObjectName("loss.threshold.settled")
        self.field.setAccessibleName(
            "Threshold “settled”: fall of ln Σw² per unit of Σ lr·wd below which cleanup is over"
        )
        self.field.setStyleSheet("font-size: 12px; min-height: 14px; padding: 1px 4px;")
        self.field.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.field.editingFinished.connect(self._typed)
        self._lay_out()

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(12, 0, 0, 0)
        grid.setVerticalSpacing(1)
        grid.setHorizontalSpacing(6)
        grid.addWidget(self.outcome, 0, 0, 1, 2)
        settled = label("settled", "muted")
        settled.setBuddy(self.field)
        rows = [("t<sub>mem</sub>", self._times["t_mem"]), ("t<sub>gen</sub>", self._times["t_gen"])]
        for row, (name, shown) in enumerate(rows, 1):
            left = label(name, "muted")
            left.setStyleSheet("font-size: 12px;")
            shown.setStyleSheet("font-size: 12px;")
            grid.addWidget(left, row, 0)
            grid.addWidget(shown, row, 1, Qt.AlignmentFlag.AlignRight)
        settled.setStyleSheet("font-size: 12px;")
        grid.addWidget(settled, 3, 0)
        grid.addWidget(self.field, 3, 1)
        grid.setRowStretch(4, 1)

    def sizeHint(self) -> QSize:
        return QSize(WIDTH, 40)

    def minimumSizeHint(self) -> QSize:
        return QSize(WIDTH, 40)

    def show_rule(self, thresholds: Thresholds, found: Phases | None, rule_in_force: str, decays: bool) -> None:
        self.outcome.setText("not measured yet" if found is None else found.outcome)
        for name, shown in self._times.items():
            epoch = None if found is None else getattr(found, name)
            shown.setText("—" if epoch is None else epoch_text(epoch))
        self._settled = thresholds.settled
        if not self.field.isModified():
            self.field.setText(f"{thresholds.settled:g}")
        self.field.setEnabled(decays)
        self.setToolTip(f"<p>{escape(rule_in_force)}</p>")

    def _typed(self) -> None:
        text = self.field.text().replace(",", ".").replace("−", "-")
        self.field.setModified(False)
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if 0 < value <= _MOST_SETTLED:
            self._settled = value
            self.moved.emit("settled", value)
        self.field.setText(f"{self._settled:g}")
