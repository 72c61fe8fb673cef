"""The phases of training by name, over their bands; what the rule says of the run."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPaintEvent
from PySide6.QtWidgets import QWidget

from app import theme
from app.numbers import epoch_text
from app.views.over_time import PHASES, Span, TimePlot
from app.views.still import on_panel, stand_on_panel
from engine.analysis.phases import HOLDS, Phases, Thresholds

SHORT = {"memorisation": "memor.", "circuit formation": "circuit", "cleanup": "clean."}
_LEFT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
_RIGHT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight


def rule(t: Thresholds, decays: bool = True) -> str:
    """The rule of the phases in words, with its numbers.  decays : the run has weight decay"""
    over = (
        f"ln Σw² falls by less than {t.settled:g} per unit of Σ lr·wd"
        if decays
        else f"the test loss is within {t.final_factor:g} times its last value (there is no weight decay)"
    )
    return (
        f"Memorisation ends where excluded loss (all frequencies, train) is lowest before t_gen, circuit formation "
        f"when test accuracy holds {t.circuit:.3g}, cleanup when, after t_gen, {over}. "
        f"t_mem: train accuracy holds {t.memorised:.3g}; t_gen: test accuracy holds {t.generalised:.3g}; "
        f"to hold is to be at or above for {HOLDS} checkpoints. Generalised at once: t_gen < 2 t_mem."
    )


def outcome(found: Phases | None) -> str:
    """What became of the run, with t_mem and t_gen where they are known."""
    if found is None:
        return ""
    times = [
        f"{name} {epoch_text(epoch)}" for name, epoch in (("t_mem", found.t_mem), ("t_gen", found.t_gen))
        if epoch is not None
    ]  # fmt: skip
    return " · ".join([found.outcome, *times])


def told(span: Span, rough: bool = False) -> str:
    """A phase and its epochs.  rough : its end is the nearest of some checkpoints"""
    if span.end <= span.begin:
        return f"{span.name}: over before the phase before it ended"
    until = "not over yet at" if span.open else "to about" if rough else "to"
    return f"{span.name}: from epoch {epoch_text(span.begin)} {until} {epoch_text(span.end)}"


def reserve(found: Phases | None) -> list[str]:
    """What is not known yet, and what the rest rests on."""
    if found is None:
        return []
    said = []
    if found.rough:
        said.append("the end of memorisation may move: not every checkpoint is measured yet")
    elif found.memorisation_end is None and found.t_mem is not None and found.excluded_until < float("inf"):
        since = f" after epoch {epoch_text(found.excluded_until)}" if found.excluded_until >= 0 else ""
        said.append(f"where memorisation ends is not known: excluded loss is not measured{since}")
    if found.going_on:
        said.append("the run goes on: accuracies are those of the training step (float32) until they are measured")
    return said


class PhaseStrip(QWidget):
    """Names on top of the bands of a plot, as much of them as fits; after the last band, what became of the run."""

    HEIGHT = 15

    def __init__(self, plot: TimePlot) -> None:
        super().__init__()
        self._plot = plot
        self._spans: Sequence[Span] = ()
        self._outcome, self._tells = "", True
        self._font = QFont(self.font())
        self._font.setPixelSize(11)
        self.setFixedHeight(self.HEIGHT)
        stand_on_panel(self)
        self.setAccessibleName("Phases of training")
        box = plot.widget.getViewBox()
        for changed in (box.sigXRangeChanged, box.sigResized):
            changed.connect(lambda *_: self.update())

    def show_phases(self, spans: Sequence[Span], found: Phases | None, rule_in_force: str) -> None:
        self._spans, self._outcome = spans, outcome(found)
        rough = found is not None and found.rough
        lines = [told(span, rough and span.name == PHASES[0]) for span in spans]
        lines += [self._outcome] * bool(self._outcome) + reserve(found)
        self.setToolTip(f"{'<br>'.join(map(escape, lines))}<p>{escape(rule_in_force)}</p>" if lines else "")
        self.setAccessibleDescription(". ".join(lines))
        self.update()

    def tell_outcome(self, tells: bool) -> None:
        """Whether to write what became of the run after the last band."""
        self._tells = tells
        self.update()

    def phase_at(self, epoch: float) -> str:
        """The name of the phase, or nothing after the last."""
        found = next((s for s in self._spans if s.begin <= epoch < s.end), None)
        if found is None and self._spans and self._spans[-1].open and epoch == self._spans[-1].end:
            found = self._spans[-1]
        return "" if found is None else found.name

    def painted(self) -> list[tuple[Span, str, QRectF]]:
        """Every band in view, its name, the short form or nothing, and where."""
        metrics = QFontMetrics(self._font)
        frame = self._frame()
        made = []
        for span in self._spans:
            left, right = max(self._x(span.begin), frame.left()), min(self._x(span.end), frame.right())
            texts = (span.name + (" …" if span.open else ""), SHORT[span.name], "")
            text = next(t for t in texts if not t or metrics.horizontalAdvance(t) + 8 <= right - left)
            if right > left:
                made.append((span, text, QRectF(left, 0, right - left, self.height())))
        return made

    def _frame(self) -> QRectF:
        """The plot's area in pixels of its widget, over which this one stands."""
        box = self._plot.widget.getViewBox()
        corner = self._plot.widget.mapFromScene(box.sceneBoundingRect().topLeft())
        return QRectF(QPointF(corner), box.sceneBoundingRect().size())

    def _x(self, epoch: float) -> float:
        at = self._plot.widget.getViewBox().mapViewToScene(QPointF(self._plot.place_of(epoch), 0))
        return float(self._plot.widget.mapFromScene(at).x())

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter = theme.current(), on_panel(self, event)
        painter.setFont(self._font)
        colours, end = dict(zip(PHASES, look.phases, strict=True)), 0.0
        for span, text, area in self.painted():
            painter.fillRect(area, QColor(colours[span.name]))
            painter.setPen(QColor(look.text))
            painter.drawText(area.adjusted(4, 0, 0, 0), _LEFT, text)
            end = area.right()
        room = QRectF(end + 8, 0, self._frame().right() - end - 8, self.height())
        if self._tells and end and painter.fontMetrics().horizontalAdvance(self._outcome) <= room.width():
            painter.setPen(QColor(look.muted))
            painter.drawText(room, _RIGHT, self._outcome)
