"""Losses, progress measures and accuracies over training, with a cursor that scrubs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRect, QRectF, QSignalBlocker, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QLayout, QLayoutItem, QVBoxLayout, QWidget

from app import theme
from app.compute import Query
from app.session import Selection
from app.tracing import Tracing
from app.views.base import View, label, toggle
from app.views.plots import dress, epoch_text, on_leave, pen, plot_widget
from engine.analysis.curves import Curve
from engine.analysis.phases import Phases
from engine.analysis.progress_curves import LossAndProgress, ProgressCurves, loss_and_progress
from engine.runfile import Run

_MEASURES = ("restricted", "excluded", "excluded_all", "ratio")
SMALL = "font-size: 12px;"  # the legend, so that it takes two lines in a narrow window
_PHASES = ("memorisation", "circuit formation", "cleanup")


class LossView(View):
    """How the losses, the progress measures and the accuracies went."""

    name = "loss"
    title = "Loss curves"
    about = "Mean cross-entropy (nats) and accuracy on the training and test pairs. Drag the cursor or click to scrub."

    def options(self) -> list[QWidget]:
        self._log_y = toggle("log y", "loss.log_y", "Loss on a logarithmic axis", checked=True)
        self._log_x = toggle("log x", "loss.log_x", "Epochs on a logarithmic axis (epoch 0 at the left edge)")
        self._ratio = toggle(
            "ratio", "loss.ratio", "Show test loss divided by restricted loss (all pairs), a number without unit"
        )
        self._every = toggle(
            "every epoch", "loss.every_epoch",
            "Show the training loss of every epoch, which is taken over p + 1 logits; "
            "otherwise the checkpoints' own, over p logits",
        )  # fmt: skip
        for button in (self._log_y, self._log_x, self._every):
            button.toggled.connect(self._rescale)
        self._ratio.toggled.connect(lambda: self.redraw())
        return [self._ratio, self._every, self._log_x, self._log_y]

    def build(self) -> QWidget:
        self._tracing = Tracing.of(self.session, self.compute)
        self._tracing.grew.connect(lambda: self.refresh(self.session.selection))
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        legend = _Flow()
        self._legend: dict[str, LegendEntry] = {}
        self._keys = label("", "muted")
        self._keys.setObjectName("loss.keys")
        self._keys.setStyleSheet(SMALL)
        self._keys.setFixedHeight(LegendEntry.HEIGHT)
        for name in ("train", "test", *_MEASURES):
            if name == "restricted":
                legend.addWidget(self._keys)
            self._legend[name] = entry = LegendEntry(name)
            entry.toggled.connect(lambda _checked=False: self.redraw())
            legend.addWidget(entry)
        column.addLayout(legend)
        column.addSpacing(4)
        self._loss = plot_widget("loss (nats)")
        self._accuracy = plot_widget("acc.", "epoch")
        self._accuracy.setXLink(self._loss)
        self._accuracy.setYRange(-0.05, 1.12, padding=0)
        self._accuracy.getPlotItem().getAxis("left").setTicks([[(0, "0"), (0.5, "0.5"), (1, "1")]])
        self._strip = PhaseStrip(self._loss)
        column.addWidget(self._strip)
        column.addWidget(self._loss, 3)
        column.addWidget(self._accuracy, 1)
        self._fitted: Run | None = None  # the run whose curves the axes were last fitted to
        self._drawn: tuple[Any, ...] = ()  # what the curves on show were drawn from
        self._cursors: list[Any] = []
        self._curves: dict[tuple[str, str], Any] = {}
        self._bands: dict[str, list[Any]] = {"loss": [], "accuracy": []}
        for widget, kind in ((self._loss, "loss"), (self._accuracy, "accuracy")):
            widget.getPlotItem().getAxis("left").setWidth(58)
            for _ in _PHASES:
                band = pg.LinearRegionItem(movable=False, pen=pen("#0000"))
                band.setZValue(-100)
                band.setVisible(False)
                widget.addItem(band, ignoreBounds=True)
                self._bands[kind].append(band)
            for name in (*(_MEASURES if kind == "loss" else ()), "train", "test"):
                curve = widget.plot()
                curve.curve.setCacheMode(curve.curve.CacheMode.DeviceCoordinateCache)
                self._curves[name, kind] = curve
            cursor = pg.InfiniteLine(angle=90, movable=True, hoverPen=pen("#fff", 2))
            cursor.sigDragged.connect(self._dragged)
            widget.addItem(cursor, ignoreBounds=True)
            self._cursors.append(cursor)
            widget.scene().sigMouseClicked.connect(lambda event, w=widget: self._clicked(event, w))
            widget.scene().sigMouseMoved.connect(lambda at, w=widget: self._hovered(at, w))
            on_leave(widget, lambda: self.read_out(""))
            widget.getViewBox().setMouseEnabled(x=True, y=False)
        self._loss.getPlotItem().getAxis("bottom").setStyle(showValues=False)
        self._loss.getPlotItem().getAxis("left").setLogMode(True)
        self._accuracy.setMinimumHeight(84)

        self.restyle()
        return content

    def query(self, selection: Selection) -> Query:
        t, n = self._tracing, selection.n_checkpoints
        known = (t.traces, t.pinned, t.revision) if t.run is selection.run and t.pinned is not None else (None, None, 0)
        return Query(loss_and_progress, (selection.run, n, *known))

    def refresh(self, selection: Selection) -> None:
        """As every view; the cursor moves even while curves are awaited."""
        super().refresh(selection)
        if self.waiting and self._shown is not None and selection.run is self._fitted and selection.run is not None:
            self._move_cursors(selection.epoch)

    def draw(self, answer: LossAndProgress, selection: Selection) -> None:
        if selection.run is not self._fitted:
            self._fitted = selection.run
            self._loss.getViewBox().enableAutoRange()
        shown = tuple(name for name, entry in self._legend.items() if entry.isChecked())
        buttons = tuple(b.isChecked() for b in (self._every, self._log_x, self._log_y, self._ratio))
        state = (answer, shown, buttons, theme.current().name)
        if not self._drawn or self._drawn[0] is not answer or self._drawn[1:] != state[1:]:
            self._drawn = state
            self._draw_curves(answer, selection, shown)
        self._write_legend(answer, selection.epoch)
        self._move_cursors(selection.epoch)

    def restyle(self) -> None:
        look = theme.current()
        for widget in (self._loss, self._accuracy):
            dress(widget)
        for (name, _kind), curve in self._curves.items():
            curve.setPen(self._pen(name, True))
        for cursor in self._cursors:
            cursor.setPen(pen(look.accent, 1.5))
            cursor.setHoverPen(pen(look.accent, 3))
        for bands in self._bands.values():
            for band, colour in zip(bands, look.phases, strict=True):
                band.setBrush(QColor(colour))
        self._strip.update()

    # -- drawing -------------------------------------------------------------------------------------------

    def _draw_curves(self, answer: LossAndProgress, selection: Selection, shown: tuple[str, ...]) -> None:
        all_logits, p = self._every.isChecked(), selection.run.config.p if selection.run else 0
        self.set_subtitle(
            f"train and test over {p + 1} logits, measures over {p}" if all_logits else f"mean over {p} logits"
        )
        log_y, progress = self._log_y.isChecked(), answer.progress
        final = progress is None or progress.pinned is None or progress.pinned.final
        for name in self._legend:
            curve = self._curve(answer, name)
            self._put(self._curves[name, "loss"], curve if name in shown else None, log_y)
            if (name, "accuracy") in self._curves:
                accuracy = getattr(answer.loss, f"{name}_accuracy")
                self._put(self._curves[name, "accuracy"], accuracy if name in shown else None, False)
            else:
                self._curves[name, "loss"].setPen(self._pen(name, final))
        self._name_entries(answer)
        self._draw_bands(progress)

    def _draw_bands(self, progress: ProgressCurves | None) -> None:
        found = spans(progress.phases, progress.last) if progress is not None and progress.phases is not None else []
        for bands in self._bands.values():
            for band, name in zip(bands, _PHASES, strict=True):
                span = next((span for span in found if span.name == name), None)
                band.setVisible(span is not None)
                if span is not None:
                    band.setRegion((self._place(span.begin), self._place(span.end)))
        self._strip.show_spans(found, self._place)

    def _name_entries(self, answer: LossAndProgress) -> None:
        """Texts, tips and looks of the legend."""
        progress = answer.progress
        pinned = progress.pinned if progress is not None else None
        keys = " ".join(str(k) for k in pinned.keys) if pinned is not None else ""
        has_basis = progress is not None and pinned is not None and not progress.no_basis
        when = f"epoch {epoch_text(pinned.epoch)}" if pinned is not None else ""
        kind = "key frequencies" if pinned is not None and pinned.final else "candidates"
        final = pinned is None or pinned.final
        self._keys.setVisible(has_basis)
        self._keys.setText(f"{'keys' if final else kind} {keys}" if keys else "no key frequency yet")
        self._keys.setToolTip(
            f"{kind.capitalize()} {keys}, taken at {when}. Restricted and excluded loss are of this set."
            if keys
            else f"No frequency stands out at {when}: restricted and excluded loss of a set cannot be named yet."
        )
        no_basis = f"\nNo basis, so no progress measures: {progress.no_basis}" if progress and progress.no_basis else ""
        for name, text, tip in (
            ("train", "train", f"Mean loss on the training pairs.{no_basis}"),
            ("test", "test", f"Mean loss on the test pairs.{no_basis}"),
            ("restricted", "restricted, all pairs",
             f"restricted, {keys}, all pairs (set of {when}): the logits keep only these frequencies and the mean."),
            ("excluded", "excluded, train",
             f"excluded, {keys}, train (set of {when}): the logits without these frequencies, on the training pairs."),
            ("excluded_all", "excl. all, train",
             "excluded, all frequencies, train: the logits without every frequency of the answer, on the "
             "training pairs. This is the published curve; it needs no key frequencies."),
            ("ratio", "test / restricted",
             f"Test loss divided by restricted loss ({keys}, all pairs): a number without unit."),
        ):  # fmt: skip
            entry = self._legend[name]
            there = name in ("train", "test") or (has_basis and self._curve(answer, name) is not None)
            entry.setVisible(there)
            entry.name_it(text, f"{tip}\nClick to hide or show.", self._pen(name, final))

    def _write_legend(self, answer: LossAndProgress, epoch: int) -> None:
        """The values at the cursor's epoch."""
        for name, entry in self._legend.items():
            curve = self._curve(answer, name)
            if curve is None:
                entry.say("no such pairs" if name in ("train", "test") else "")
                continue
            if name in _MEASURES:
                value = value_at(curve, epoch)
                entry.say("…" if value is None else f"{value:.3g}")
                continue
            text = f"{curve.values[_index(curve, epoch)]:.3g}"
            accuracy = getattr(answer.loss, f"{name}_accuracy")
            after = "" if accuracy is None else f" · {100 * accuracy.values[_index(accuracy, epoch)]:.1f} % right"
            entry.say(text, after)

    def _curve(self, answer: LossAndProgress, name: str) -> Curve | None:
        if name in ("train", "test"):
            found: Curve | None = getattr(answer.loss, f"{name}_loss{'_all' if self._every.isChecked() else ''}")
        elif answer.progress is None or (name == "ratio" and not self._ratio.isChecked()):
            found = None
        else:
            found = getattr(answer.progress, name)
        return found

    def _pen(self, name: str, final: bool) -> QPen:
        """Candidates are dashed; the curve without every frequency is thinner."""
        made = pen(getattr(theme.current(), name), 2 if name in ("train", "test", "restricted", "excluded") else 1.4)
        if name == "ratio":
            made.setStyle(Qt.PenStyle.DotLine)
        elif name in ("restricted", "excluded") and not final:
            made.setStyle(Qt.PenStyle.DashLine)
        return made

    def _move_cursors(self, epoch: int) -> None:
        for cursor in self._cursors:
            blocked = QSignalBlocker(cursor)
            cursor.setValue(self._place(epoch))
            blocked.unblock()

    def _put(self, item: Any, curve: Curve | None, log_y: bool) -> None:
        if curve is None:
            item.setData([], [])
            return
        x, y = curve.epochs, curve.values
        if self._log_x.isChecked():
            x, y = np.log10(np.maximum(x, 0.5)), y
        if log_y:
            y = np.log10(np.maximum(y, 1e-300))
        item.setData(x, y)

    def _place(self, epoch: float) -> float:
        return float(np.log10(max(epoch, 0.5))) if self._log_x.isChecked() else float(epoch)

    def _epoch(self, place: float) -> float:
        return 10**place if self._log_x.isChecked() else place

    def _rescale(self) -> None:
        for widget in (self._loss, self._accuracy):
            widget.getPlotItem().getAxis("bottom").setLogMode(self._log_x.isChecked())
        self._loss.getPlotItem().getAxis("left").setLogMode(self._log_y.isChecked())
        self.redraw()
        self._loss.getViewBox().enableAutoRange()

    # -- clicks --------------------------------------------------------------------------------------------

    def _dragged(self, cursor: Any) -> None:
        self._go(self._epoch(cursor.value()))

    def _clicked(self, event: Any, widget: Any) -> None:
        box = widget.getViewBox()
        if event.double():
            self._loss.getViewBox().enableAutoRange()
        elif event.button() == Qt.MouseButton.LeftButton and box.sceneBoundingRect().contains(event.scenePos()):
            self._go(self._epoch(box.mapSceneToView(event.scenePos()).x()))

    def _go(self, epoch: float) -> None:
        selection = self.session.selection
        if selection.run is not None and selection.n_checkpoints:
            epochs = selection.run.epochs[: selection.n_checkpoints]
            self.session.scrub(int(np.abs(epochs - epoch).argmin()))

    def _hovered(self, at: Any, widget: Any) -> None:
        box = widget.getViewBox()
        if self._shown is None or not box.sceneBoundingRect().contains(at):
            self.read_out("")
            return
        epoch = max(0.0, self._epoch(box.mapSceneToView(at).x()))
        answer: LossAndProgress = self._shown[1]
        said: list[str] = []
        there = epoch
        for name, entry in self._legend.items():
            of_accuracy = widget is self._accuracy
            if not entry.isChecked() or (of_accuracy and name in _MEASURES):
                continue
            curve = getattr(answer.loss, f"{name}_accuracy") if of_accuracy else self._curve(answer, name)
            if curve is None or not len(curve.epochs):
                continue
            nearest = int(np.abs(curve.epochs - epoch).argmin())
            if name in ("train", "test"):
                there = float(curve.epochs[nearest])
            elif curve.epochs[nearest] != there:
                continue  # not measured there yet
            value, what = curve.values[nearest], name.replace("_", " ")
            said.append(f"{what} {100 * value:.1f} %" if of_accuracy else f"{what} {value:.3g}")
        if said:
            phase = self._strip.phase_at(there)
            self.read_out(f"epoch {epoch_text(there)} · {f'{phase} · ' if phase else ''}" + ", ".join(said))


def _index(curve: Curve, epoch: float) -> int:
    return min(int(np.searchsorted(curve.epochs, epoch)), len(curve.epochs) - 1)


def value_at(curve: Curve, epoch: float) -> float | None:
    """The value at exactly that epoch; None where it is not measured."""
    i = _index(curve, epoch)
    return float(curve.values[i]) if curve.epochs[i] == epoch else None


@dataclass(frozen=True)
class Span:
    """A phase from epoch to epoch.  open : it has not ended; `end` is the last epoch known"""

    name: str
    begin: float
    end: float
    open: bool


def spans(found: Phases, last: float) -> list[Span]:
    """The phases in their order, up to the last epoch that is measured; none has a part in the future."""
    made: list[Span] = []
    begin = 0.0
    for name, end in zip(_PHASES, (found.memorisation_end, found.circuit_end, found.cleanup_end), strict=True):
        until = last if end is None else min(float(end), last)
        if until > begin:
            made.append(Span(name, begin, until, end is None))
            begin = until
        if end is None:
            break
    return made


class PhaseStrip(QWidget):
    """The names of the phases on top of their bands."""

    HEIGHT = 17

    def __init__(self, plot: Any) -> None:
        super().__init__()
        self._plot = plot
        self._spans: list[Span] = []
        self._place: Callable[[float], float] = float
        self.setFixedHeight(self.HEIGHT)
        self.setObjectName("loss.phases")
        self.setAccessibleName("Phases of training")
        self.setVisible(False)
        plot.getViewBox().sigXRangeChanged.connect(lambda *_: self.update())
        plot.getViewBox().sigResized.connect(lambda *_: self.update())

    def show_spans(self, found: list[Span], place: Callable[[float], float]) -> None:
        self._spans, self._place = found, place
        self.setVisible(bool(found))
        lines = [
            f"{s.name}: epochs {epoch_text(s.begin)} to {epoch_text(s.end)}{', not over yet' if s.open else ''}"
            for s in found
        ]
        self.setToolTip("\n".join(lines))
        self.setAccessibleDescription(". ".join(lines))
        self.update()

    def phase_at(self, epoch: float) -> str:
        return next((s.name for s in self._spans if s.begin <= epoch <= s.end), "")

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter = theme.current(), QPainter(self)
        font = QFont(self.font())
        font.setPixelSize(11)
        painter.setFont(font)
        box = self._plot.getViewBox()
        frame = box.sceneBoundingRect()
        for span in self._spans:
            colour = look.phases[_PHASES.index(span.name)]
            ends = [
                self._plot.mapFromScene(box.mapViewToScene(QPointF(self._place(e), 0))).x()
                for e in (span.begin, span.end)
            ]
            left, right = max(ends[0], round(frame.left())), min(ends[1], round(frame.right()))
            if right <= left:
                continue
            area = QRectF(left, 0, right - left, self.height())
            painter.fillRect(area, QColor(colour))
            painter.setPen(QColor(look.muted))
            if QFontMetrics(font).horizontalAdvance(span.name) + 6 <= area.width():
                painter.drawText(area.adjusted(4, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, span.name)


class LegendEntry(QAbstractButton):
    """A line's sample, its name and its value; a click hides or shows the curve."""

    HEIGHT = 19
    _SAMPLE = 12

    def __init__(self, name: str) -> None:
        super().__init__()
        self._pen, self._value, self._after = QPen(), "", ""
        self.setStyleSheet(SMALL)
        self.setCheckable(True)
        self.setChecked(True)
        self.setObjectName(f"loss.legend.{name}")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def name_it(self, text: str, tip: str, line: QPen) -> None:
        self._pen = line
        if text != self.text():
            self.setText(text)
            self.setAccessibleName(text)
            self.updateGeometry()
        self.setToolTip(tip)
        self.update()

    def say(self, value: str, after: str = "") -> None:
        """value : in bold"""
        if (value, after) != (self._value, self._after):
            self._value, self._after = value, after
            self.setAccessibleDescription(f"{value}{after}")
            self.updateGeometry()
            self.update()

    def _bold(self) -> QFont:
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        return font

    def _parts(self) -> list[tuple[str, QFont]]:
        return [(f"{self.text()} ", self.font()), (self._value, self._bold()), (self._after, self.font())]

    def sizeHint(self) -> QSize:
        width = sum(QFontMetrics(font).horizontalAdvance(text) for text, font in self._parts())
        room = QFontMetrics(self._bold()).horizontalAdvance("8.8e-08")  # so that the rest stands still while scrubbing
        width += max(0, room - QFontMetrics(self._bold()).horizontalAdvance(self._value))
        return QSize(self._SAMPLE + 6 + width + 4, self.HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter = theme.current(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus():
            painter.setPen(QColor(look.accent))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        on, middle = self.isChecked(), self.height() / 2
        sample = QPen(self._pen)
        sample.setWidthF(2.5 if self._pen.widthF() >= 2 else 1.6)
        if not on:
            sample.setColor(QColor(look.faint))
        painter.setPen(sample)
        painter.drawLine(QPointF(1, middle), QPointF(self._SAMPLE - 1, middle))
        x = self._SAMPLE + 6
        for text, font in self._parts():
            painter.setFont(font)
            painter.setPen(QColor(look.faint if not on else look.text if text == self._value else look.muted))
            painter.drawText(QRect(x, 0, self.width(), self.height()), Qt.AlignmentFlag.AlignVCenter, text)
            x += QFontMetrics(font).horizontalAdvance(text)


class _Flow(QLayout):
    """Left to right, and on to the next line where there is no room."""

    GAP = 8

    def __init__(self) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._place(QRect(0, 0, width, 0), False)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._place(rect, True)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        shown = [item.sizeHint() for item in self._items if not item.isEmpty()]
        return QSize(max((s.width() for s in shown), default=0), max((s.height() for s in shown), default=0))

    def _place(self, rect: QRect, move: bool) -> int:
        """-> height"""
        x, y, line = rect.x(), rect.y(), 0
        for item in self._items:
            if item.isEmpty():
                continue
            size = item.sizeHint()
            if line and x + size.width() > rect.right() + 1:
                x, y, line = rect.x(), y + line, 0
            if move:
                item.setGeometry(QRect(x, y, size.width(), size.height()))
            x, line = x + size.width() + self.GAP, max(line, size.height())
        return y + line - rect.y()
