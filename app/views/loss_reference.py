"""The reference's losses among those of the run on show: thin and dashed, on its axis of epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

from PySide6.QtCore import QObject, QRectF, Signal
from PySide6.QtGui import QColor, QPaintEvent
from PySide6.QtWidgets import QWidget

from app import theme
from app.comparison import Comparison
from app.compute import Answer, Compute, Query
from app.run_mark import RunMark
from app.session import Selection, Session
from app.views.legend import VALUE_ROOM, LegendEntry, share, value_text
from app.views.loss_plots import KINDS, REFERENCE, LossPlots, nearest
from app.views.over_time import PHASES, Span, TimePlot, spans
from app.views.phase_strip import PhaseStrip, told
from app.views.still import on_panel, tip
from engine.analysis.alignment import Place
from engine.analysis.compare import loss_unit
from engine.analysis.curves import Curve
from engine.analysis.progress_curves import LossAndProgress, loss_and_progress

Pairs = dict[str, tuple[Curve | None, Curve | None]]  # loss and accuracy, by the legend's names
_WITH_SHARE = ("train", "test")  # whose accuracy stands beside the loss
CurvesOf = Callable[[LossAndProgress, str], tuple[Curve | None, Curve | None]]


class ReferenceLosses(QObject):
    """Asks for the reference's curves, and draws them in the plots of the run on show.

    curves : at its own epochs, as the view's options want them; losses divided by `unit`
    """

    changed = Signal()  # there are others to draw

    def __init__(self, session: Session, compute: Compute, plots: LossPlots, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._compute, self._plots = session, compute, plots
        self.comparison = Comparison.of(session, compute)
        self.curves: Pairs = {}
        self.mark = RunMark()
        self.strip = ReferencePhases(plots.loss)
        self.legend = {name: LegendEntry(f"loss.legend.reference.{name}") for name in REFERENCE}
        for part in (self.mark, self.strip, *self.legend.values()):
            part.setVisible(False)
        self._query: Query | None = None
        self._answer: LossAndProgress | None = None
        self._heard = False
        compute.answered.connect(self._answered)
        self.comparison.changed.connect(self.changed)

    @property
    def answer(self) -> LossAndProgress | None:
        """What is known of it; None without a reference."""
        return self._answer if self.comparison.kinship is not None else None

    @property
    def widgets(self) -> list[QWidget]:
        """Of the legend, left to right."""
        return [self.mark, *self.legend.values()]

    @property
    def units(self) -> tuple[float, float]:
        """What losses of this run and of the reference are divided by, to be compared."""
        now = self._session.selection
        if now.run is None or now.reference is None or self.answer is None:
            return 1.0, 1.0
        p, p_there = now.run.config.p, now.reference.config.p
        return loss_unit(p, p_there), loss_unit(p_there, p)

    def ask(self, selection: Selection) -> None:
        """What must be known of it, where there is one."""
        if selection.reference is None:
            self._query = self._answer = None
            return
        tracing = self.comparison.tracing
        if not self._heard:
            self._heard = True
            tracing.grew.connect(lambda: self.ask(self._session.selection))
        of = selection.reference
        known = (None, None, 0)
        if tracing.run is of and tracing.pinned is not None:
            known = (tracing.traces, tracing.pinned, tracing.revision)  # type: ignore[assignment]
        query = Query(loss_and_progress, (of, selection.n_reference, *known, selection.thresholds))
        if query != self._query:
            if self._query is not None and self._query.args[0] is not of:
                self._answer = None
            self._query = query  # before asking: a cached answer arrives inside the call
            self._compute.ask(self, query, last=True)

    def _answered(self, query: Query, answer: Answer) -> None:
        if query == self._query and answer.value is not self._answer:
            self._answer = answer.value
            self.changed.emit()

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, curves_of: CurvesOf, wanted: Mapping[str, bool], shown: bool, last: float) -> None:
        """Every curve whose own name is on in the legend.

        curves_of : loss and accuracy by a name    wanted : whether accuracies of a measure are drawn, by its name
        last : the epoch of the run on show beyond which nothing is drawn
        """
        selection, answer = self._session.selection, self.answer if shown else None
        there = answer is not None and selection.reference is not None
        unit = self.units[1]
        self.curves = {}
        if answer is not None:
            pairs = {name: curves_of(answer, name) for name in REFERENCE}
            self.curves = {name: (divided(loss, unit), right) for name, (loss, right) in pairs.items()}
        for kind in KINDS:
            drawn = {
                name: curve
                for name, pair in self.curves.items()
                if (curve := pair[KINDS.index(kind)]) is not None
                and self.legend[name].isChecked()
                and (kind == "loss" or wanted.get(name, True))
            }
            self._plots.show_reference(kind, {name: self._moved(x, last) for name, x in drawn.items()})
        for name, entry in self.legend.items():
            entry.setVisible(name in self.curves and self.curves[name][0] is not None)
        for part in (self.mark, self.strip):
            part.setVisible(there)
        if answer is not None and selection.reference is not None:
            self.mark.show_run(selection.reference.path.stem, self.comparison.said)
            self._draw_phases(answer, selection, last)

    def _moved(self, curve: Curve, last: float) -> Curve:
        """On the axis of the run on show."""
        found = self.comparison.time_map(self._session.selection)
        if found is None:
            return Curve(curve.epochs[:0], curve.values[:0])
        epochs = found.back(curve.epochs)
        seen = (epochs >= 0) & (epochs <= last)
        return Curve(epochs[seen], curve.values[seen])

    def _draw_phases(self, answer: LossAndProgress, selection: Selection, last: float) -> None:
        found, progress = self.comparison.time_map(selection), answer.progress
        if found is None or progress is None or progress.phases is None:
            self.strip.show_spans([], [], "")
            return
        own = spans(progress.phases, progress.last)
        mapped = [Span(s.name, max(0.0, found.back(s.begin)), min(last, found.back(s.end)), s.open) for s in own]
        name = selection.reference.path.stem if selection.reference is not None else ""
        self.strip.show_spans(own, mapped, name)

    def own(self, kind: str) -> dict[str, Curve]:
        """What is known of it at its own epochs, by name and run, for export."""
        of = self._session.selection.reference
        found = {name: pair[KINDS.index(kind)] for name, pair in self.curves.items()} if of is not None else {}
        return {f"{of.path.stem}: {name}": x for name, x in found.items() if x is not None and of is not None}

    def describe(self) -> str:
        """A caption's sentence."""
        selection = self._session.selection
        if not self.curves or selection.reference is None:
            return ""
        how = self.comparison.alignment(selection).value
        return f"Dashed: {selection.reference.path.name} ({self.comparison.said}), aligned by {how}."

    def name_entries(self, names: Mapping[str, str]) -> None:
        """names : of the curves, in the legend"""
        of = self._session.selection.reference
        for name, entry in self.legend.items():
            about = f"<b>{escape(names[name])}</b> of {escape(of.path.stem if of else '')}, dashed."
            entry.reserve(VALUE_ROOM, share(1.0) * (name in _WITH_SHARE))
            entry.name_it(names[name], f"{about}<br>Click to hide or show.", self._plots.reference_pen(name))

    def write_values(self, selection: Selection) -> None:
        """At the checkpoint that stands beside the one on show."""
        if not self.curves:
            return
        place = self.comparison.placed(selection)
        self.mark.show_place(place)
        for name, entry in self.legend.items():
            loss, right = self.curves.get(name, (None, None))
            entry.say(*_values(loss, right if name in _WITH_SHARE else None, place))


class ReferencePhases(PhaseStrip):
    """The phases of the reference, thin and without names, under those of the run on show."""

    HEIGHT = 6

    def __init__(self, plot: TimePlot) -> None:
        super().__init__(plot)
        self.setObjectName("loss.reference.phases")
        self.setAccessibleName("Phases of the reference")

    def show_spans(self, own: list[Span], mapped: list[Span], name: str) -> None:
        """own : in its epochs, to be told    mapped : in those of the run on show, to be painted"""
        self._spans = [span for span in mapped if span.end > span.begin]
        lines = [f"{name}: {told(span)}" for span in own]
        tip(self, "\n".join(lines))
        self.setAccessibleDescription(". ".join(lines))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, colours = on_panel(self, event), dict(zip(PHASES, theme.current().phases, strict=True))
        for span, _, area in self.painted():
            painter.fillRect(QRectF(area.left(), 1, area.width(), area.height() - 1), QColor(colours[span.name]))


def divided(curve: Curve | None, unit: float) -> Curve | None:
    """A loss in another unit."""
    return curve if curve is None or unit == 1 else Curve(curve.epochs, curve.values / unit)


def _values(loss: Curve | None, right: Curve | None, place: Place | None) -> tuple[str, str]:
    """A loss at a place and the accuracy after it; nothing where the run has nothing there."""
    if loss is None or place is None or place.is_beyond:
        return "", ""
    i, exact = nearest(loss, place.epoch)
    text = value_text(float(loss.values[i])) if exact else "…"
    if right is None:
        return text, ""
    i, exact = nearest(right, place.epoch)
    return text, share(float(right.values[i])) if exact else ""
