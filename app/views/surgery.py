"""Taking parts of the model away: what is ticked, what the model is like without it, and since when it matters."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.ablation_words import ablation_sentence, ablation_text, ablation_texts
from app.compute import Answer, Compute, Query
from app.export import Table
from app.numbers import epoch_text, percent
from app.session import Selection, Session
from app.set_tracing import SetTracing
from app.theme import SPACE
from app.views.ablated import STALE_MS, asked
from app.views.base import TracedView
from app.views.controls import toggle
from app.views.legend import value_text
from app.views.pair_classes import has_basis
from app.views.sentence import Sentence, keys_text
from app.views.surgery_bars import BarsPlot, losses_at
from app.views.surgery_desk import Desk
from app.views.surgery_scores import PAIRS, ScoreTable
from app.views.surgery_time import CURVES, SetPlot, since_text, values_of
from app.views.surgery_words import HELP, bars_table, carriers_text, curves_table, losses_table, without_text
from engine.analysis.ablation import WHOLE, Ablation
from engine.analysis.frequency_bars import FrequencyBars, carriers_at_mean, frequency_bars
from engine.analysis.load_bearing import SetCurves, set_curves
from engine.analysis.progress_curves import Pinned
from engine.analysis.published_ablations import published_ablations
from engine.analysis.set_questions import SetQuestion, question_of
from engine.analysis.solutions import CLASSES, AnswerMap, ClassScores, History, answer_history, answer_map, applied

ALL, DESK, BARS, TIME = "all", "desk", "bars", "over training"
LOGITS, NEURONS = "at logits", "at neurons"
_BARS_FIT, _TIME_FITS = 430, 640  # pixels of height from which there is room for them, too
_UNLIMITED = (1 << 24) - 1  # a widget's own largest side
_BESIDE, _COLUMNS = 860, 360  # pixels of width: the numbers beside the desk; whole model's numbers, too


class SurgeryView(TracedView):
    """Ticks that write `Selection.ablation`, the losses that follow, and the same set over training."""

    name = "surgery"
    title = "Surgery"
    about = (
        "Take parts of the model away: heads, skips, neurons, frequencies. Losses, accuracies, Answers and Logits "
        "follow at whatever checkpoint is on show; over training you see since when a set carries the answer."
    )
    help = HELP

    def __init__(self, session: Session, compute: Compute) -> None:
        self._numbers: tuple[Query, AnswerMap] | None = None
        self._history: History | None = None
        self._history_query: Query | None = None
        self._bars: FrequencyBars | None = None
        self._bars_of: tuple[Any, ...] = ()  # run, step, keys that are on show
        self._bars_query: Query | None = None
        self._bars_exact: Query | None = None
        self._carriers: dict[int, Any] = {}  # losses where a frequency's neurons stand at their mean
        self._carrier_query: Query | None = None
        self._question: SetQuestion | None = None
        self._curves: SetCurves | None = None
        self._curves_query: Query | None = None
        super().__init__(session, compute)
        self._sets = SetTracing(session, compute, self.tracing)
        self._sets.grew.connect(self.renew)
        self._sets.progressed.connect(self._tell_progress)
        self._stale = self._timer(lambda: self._tell(self.session.selection, stale=True), STALE_MS)
        self._soon = self._timer(self._ask_carriers, 0)

    def options(self) -> list[QWidget]:
        self._show_what = _choice(
            "surgery.show", "Which parts of the view are on show", (ALL, DESK, BARS, TIME), self._arrange
        )
        self._pairs = _choice(
            "surgery.pairs", "Pairs whose loss the bars and the curves show", tuple(PAIRS.values()), self._pairs_changed
        )
        self._pairs.setCurrentIndex(list(PAIRS).index("every"))
        self._level = _choice(
            "surgery.level", "Bars: k out of the logits, or the neurons that carry k at their mean", (LOGITS, NEURONS),
            self._level_changed,
        )  # fmt: skip
        self._log_x = toggle("log x", "surgery.log_x", "Epochs on a logarithmic axis (epoch 0 at the left edge)")
        self._log_x.toggled.connect(self._rescale)
        return [self._show_what, self._pairs, self._level, self._log_x]

    # -- items ---------------------------------------------------------------------------------------------

    def build(self) -> QWidget:
        self._fitted: tuple[int, ...] = ()  # the desk's shape that there is room for
        self._barred: tuple[Any, ...] = ()  # what the bars show
        content = QWidget()
        content.setMinimumSize(280, 150)  # less than its parts want: they go when there is no room
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addLayout(self._make_line())
        self._desk, self._table = Desk(self.session), ScoreTable()
        self._desk.changed.connect(self._choose)
        self._upper = QWidget()
        self._beside = QBoxLayout(QBoxLayout.Direction.LeftToRight, self._upper)
        self._beside.setContentsMargins(0, 0, 0, 0)
        self._beside.setSpacing(2 * SPACE)
        self._beside.addWidget(self._desk, 1)
        self._beside.addWidget(self._table, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._plot, self._time = BarsPlot(), SetPlot(self.session)
        self._plot.clicked = self._bar_clicked
        self._plot.pointed = self._bar_pointed
        self._plot.plot.getViewBox().sigResized.connect(lambda *_: self._draw_bars(self.session.selection))
        self._time.wanted = self._measure
        self._time.track.pointed = self._time_pointed
        self._time.track.set_scales(log_x=self._log_x.isChecked())
        for widget, share in ((self._upper, 0), (self._plot, 3), (self._time, 4)):
            column.addWidget(widget, share)
        self._column = column
        self.restyle()
        self._arrange()
        return content

    def _make_line(self) -> QHBoxLayout:
        """What is ablated, the paper's ablations, back to the whole model."""
        line = QHBoxLayout()
        line.setSpacing(SPACE)
        self._sentence = Sentence()
        self._sentence.setObjectName("surgery.sentence")
        self._paper, self._whole = QPushButton("paper"), QPushButton("whole model")
        for button, name, tip in (
            (self._paper, "paper", "The paper's ablations, with its losses over all pairs"),
            (self._whole, "whole", "Back to the whole model: nothing is taken away"),
        ):
            button.setObjectName(f"surgery.{name}")
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.setStyleSheet("padding: 2px 8px;")
        self._menu_of_paper = QMenu(self._paper)
        self._menu_of_paper.aboutToShow.connect(self._fill_menu)
        self._paper.setMenu(self._menu_of_paper)
        self._whole.clicked.connect(lambda: self._choose(WHOLE))
        line.addWidget(self._sentence, 1)
        line.addWidget(self._paper)
        line.addWidget(self._whole)
        return line

    def _fill_menu(self) -> None:
        selection, menu = self.session.selection, self._menu_of_paper
        menu.clear()
        if selection.run is None:
            return
        for row in published_ablations(selection.run.config, self._keys()):
            said = "" if row.loss is None else f"   (paper: {value_text(row.loss)})"
            menu.addAction(f"{row.name}{said}", partial(self._choose, row.ablation))

    def restyle(self) -> None:
        self._barred = ()
        self._plot.restyle()
        self._time.restyle()

    # -- what is asked -------------------------------------------------------------------------------------

    @property
    def pairs(self) -> str:
        """The class of pairs whose loss the bars and curves show, one of `CLASSES`."""
        return list(PAIRS)[max(0, self._pairs.currentIndex())]

    @property
    def _pinned(self) -> Pinned | None:
        return self.tracing.pinned if self.tracing.run is self.session.selection.run else None

    def _keys(self) -> tuple[int, ...]:
        return () if self._pinned is None else self._pinned.keys

    def query(self, selection: Selection) -> Query:
        return Query(answer_map, (*asked(self.tracing, selection), False))

    def exact(self, selection: Selection) -> Query | None:
        return Query(answer_map, (*asked(self.tracing, selection), True))

    def refresh(self, selection: Selection) -> None:
        """As every view; a tick shows at once, and its exact numbers do not wait until the selection rests."""
        self._show_ticks(selection)
        super().refresh(selection)
        if not self.on_show or selection.run is None or not selection.n_checkpoints:
            return
        if self._exact is not None and self._has_moved(selection):
            self.compute.ask((self, "exact"), self._exact, urgent=False)
        history = self.traced(answer_history, selection)
        if history != self._history_query:
            self._history_query = history
            self.compute.ask((self, "history"), history, urgent=False)
        self._ask_bars(selection)
        self._ask_curves(selection)

    def _show_ticks(self, selection: Selection) -> None:
        """What is ticked, before anything is known of it."""
        if not self.on_show or selection.run is None or self._content is None:
            return
        self._desk.show_state(selection, self._keys(), has_basis(selection.run.config))
        if self._desk.shape != self._fitted:
            self._fit_desk()
        self._whole.setEnabled(not selection.ablation.is_whole)

    def _has_moved(self, selection: Selection) -> bool:
        """Whether the numbers at hand are of this checkpoint, but of another ablation."""
        now, last = self.exact(selection), None if self._numbers is None else self._numbers[0]
        return now is not None and last is not None and now != last and now.args[:2] == last.args[:2]

    def _ask_bars(self, selection: Selection) -> None:
        assert selection.run is not None
        if self._plot.isHidden() or self._pinned is None or not has_basis(selection.run.config):
            return
        args = selection.run, selection.step, self._keys()
        query = Query(frequency_bars, (*args, False))
        if query != self._bars_query:
            self._bars_query, self._bars_exact = query, Query(frequency_bars, (*args, True))
            self.compute.ask((self, "bars"), query, urgent=False)  # no picture of another view waits for them

    def _ask_more(self) -> None:
        """The exact numbers of the bars too, and what takes longer."""
        if self._bars_exact is not None and not self._plot.isHidden():
            self.compute.ask((self, "exact bars"), self._bars_exact, urgent=False)
        self._soon.start()

    def _ask_carriers(self) -> None:
        """The next frequency's neurons, while nobody waits for anything."""
        if self._bars is None or self._plot.isHidden() or self._level.currentText() != NEURONS:
            return
        left = [k for k in self._bars.carried if k not in self._carriers]
        if not left or self._carrier_query is not None:
            return
        if self.compute.busy:
            self._soon.start(20)
            return
        self._carrier_query = Query(carriers_at_mean, (*self._bars_of[:2], left[0]))
        self.compute.ask((self, "carriers"), self._carrier_query, urgent=False)

    def _ask_curves(self, selection: Selection) -> None:
        assert selection.run is not None
        self._question = question_of(selection.run.config, selection.ablation, self._keys())
        self._tell_progress()
        traces = self.tracing.traces
        if self._question is None or traces is None or self.tracing.run is not selection.run:
            self._curves, self._curves_query = None, None
            self._draw_curves(selection)
            return
        args = selection.run, selection.n_checkpoints, traces, self._question, self.pairs, self._sets.revision
        query = Query(set_curves, (*args, selection.thresholds))
        if query != self._curves_query:
            before, self._curves_query = self._curves_query, query
            if before is None or (before.args[0], before.args[3]) != (query.args[0], query.args[3]):
                self._curves = None  # of another set; of other pairs they stay until the new ones are here
            self.compute.ask((self, "curves"), query, urgent=False)
        self._draw_curves(selection)

    def _receive(self, query: Query, answer: Answer) -> None:
        selection = self.session.selection
        if query == self._history_query and answer.error is None:
            self._history = answer.value
            self._tell(selection)
        elif query in (self._bars_query, self._bars_exact) and answer.error is None:
            self._take_bars(query, answer.value, selection)
        elif query == self._carrier_query:
            self._carrier_query = None
            if answer.error is None and query.args[:2] == self._bars_of[:2]:
                self._carriers[int(query.args[2])] = answer.value  # type: ignore[call-overload]
                self._draw_bars(selection)
            self._soon.start()
        elif query == self._curves_query and answer.error is None:
            self._curves = answer.value
            self._draw_curves(selection)
            self._tell_progress()
        super()._receive(query, answer)

    def _take_bars(self, query: Query, bars: FrequencyBars, selection: Selection) -> None:
        if query.args[:2] != self._bars_of[:2]:
            self._carriers = {}
        self._bars, self._bars_of = bars, query.args[:3]
        self._draw_bars(selection)
        self._soon.start()

    # -- by hand -------------------------------------------------------------------------------------------

    def _choose(self, ablation: Ablation) -> None:
        self.session.select(ablation=ablation)

    def _bar_clicked(self, k: int, tick: bool) -> None:
        if not tick:
            self.session.select(frequency=None if k == self.session.selection.frequency else k)
            return
        self._desk.tick("logit_frequencies", k)

    def _measure(self) -> None:
        if self._sets.running and self._sets.question == self._question:
            self._sets.stop()
        elif self._question is not None:
            self._sets.start(self._question)
        self._tell_progress()

    def _level_changed(self) -> None:
        self._draw_bars(self.session.selection)
        self._soon.start()

    def _pairs_changed(self) -> None:
        if self._content is not None:
            self.redraw()
            self._draw_bars(self.session.selection)

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, answer: AnswerMap, selection: Selection) -> None:
        assert selection.run is not None
        config = selection.run.config
        said = ablation_texts(answer.ablation, config.n_layers)
        whole = "The whole model: tick what to take away"
        if not said and not selection.ablation.is_whole:
            whole = "The whole model: nothing of this applies here"
        room = max(12, (self.width() - 230) // 7)  # characters
        self._sentence.say(" · ".join(said) or whole, ablation_text(answer.ablation, config.n_layers, room) or whole)
        self._sentence.setToolTip("\n".join(said))
        self.set_subtitle(keys_text(self._pinned, self._keys()))
        self._tell(selection)
        self._draw_bars(selection)

    def write(self, numbers: AnswerMap, selection: Selection) -> None:
        if self._exact is not None:
            self._numbers = (self._exact, numbers)
            self._tell(selection)

    def _scores(self, selection: Selection) -> tuple[ClassScores | None, bool]:
        """What is known of the ablated model, and whether it is float64."""
        if self._numbers is not None and self._numbers[0] == self.exact(selection):
            return self._numbers[1].scores, True
        if self._shown is not None and self._shown[0] == self.query(selection):
            return self._shown[1].scores, False
        return None, False

    def _whole_scores(self, selection: Selection) -> ClassScores | None:
        if self._history is None or self._history_query is None or self._history_query.args[0] is not selection.run:
            return None
        return self._history.at(selection.epoch)

    def _tell(self, selection: Selection, stale: bool = False) -> None:
        """The table's numbers; those before stay for a moment."""
        if self._content is None or selection.run is None or not selection.n_checkpoints:
            return
        scores, exact = self._scores(selection)
        if scores is None and not stale:
            if not self._stale.isActive():
                self._stale.start()
            return
        self._stale.stop()
        used = applied(selection.run.config, self._keys(), selection.ablation)
        self._table.show_scores(scores, exact, self._whole_scores(selection), used.is_spectral, selection.run.config)

    def _draw_bars(self, selection: Selection) -> None:
        bars = self._bars
        if self._content is None or self._plot.isHidden() or selection.run is None:
            return
        if bars is None or self._bars_of[0] is not selection.run or bars.no_basis:
            self._plot.name_pairs("" if has_basis(selection.run.config) else "This task has no frequencies.")
            return
        column, part = CLASSES.index(self.pairs), selection.ablation.logit_frequencies
        asked = self.pairs, self._level.currentText(), selection.frequency, part.of, self._plot.width()
        state = (bars, len(self._carriers), theme.current().name, *asked)
        if self._barred and self._barred[0] is bars and self._barred[1:] == state[1:]:
            return
        self._barred = state
        losses, whole, lines = losses_at(bars, column)
        if self._level.currentText() == NEURONS:
            losses = self._carrier_losses(bars, column)
        self._plot.show_losses(losses, whole, lines, bars.keys, selection.frequency, part.of)
        self._plot.name_pairs(f"{PAIRS[self.pairs]} pairs")

    def _carrier_losses(self, bars: FrequencyBars, column: int) -> Any:
        """At neurons: NaN where it is not known, or where no neuron carries the frequency."""
        losses = np.full(len(bars.loss), np.nan)
        for k, found in self._carriers.items():
            losses[k - 1] = found[column]
        return losses

    def _draw_curves(self, selection: Selection) -> None:
        if self._content is None or self._time.isHidden() or selection.run is None or not selection.n_checkpoints:
            return
        self._time.show_curves(self._curves, selection.epoch)
        self._time.sentence.say(*since_text(self._question, self._curves, selection.run.config.n_layers))
        self._time.sentence.setToolTip(self._time.sentence.text())

    def _tell_progress(self) -> None:
        """The button and what it says."""
        if self._content is None:
            return
        sets, question = self._sets, self._question
        mine = sets.running and sets.question == question
        complete = self._curves is not None and self._curves.measured >= self._curves.of
        text = "Stop" if mine else "Measured" if complete else "Measure over training"
        if self._curves is not None and self._curves.measured and not (mine or complete):
            text = "Go on measuring"
        button = self._time.button
        if button.text() != text:
            button.setText(text)
        button.setEnabled(question is not None and self.tracing.traces is not None and not (complete and not mine))
        said = f"{epoch_text(sets.total - sets.left)} of {epoch_text(sets.total)}" if mine and sets.left else ""
        if sets.trouble and not sets.running and sets.question == question:
            said = f"stopped: {sets.trouble}"
        if self._time.progress.text() != said:
            self._time.progress.setText(said)

    # -- places --------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        """What there is room for; the numbers beside the desk or above it."""
        if self._content is None and not hasattr(self, "_column"):
            return
        what, wide, high = self._show_what.currentText(), self.width(), self.height()
        upper, all_of_it = what in (ALL, DESK), what == ALL
        bars = what == BARS or (all_of_it and high >= _BARS_FIT)
        over = what == TIME or (all_of_it and high >= _TIME_FITS)
        beside = wide >= _BESIDE
        way = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.BottomToTop
        if self._beside.direction() != way:
            self._beside.setDirection(way)
        self._table.show_whole(wide >= _COLUMNS)
        for widget, shown in ((self._upper, upper), (self._plot, bars), (self._time, over)):
            widget.setVisible(shown)
        self._column.setStretch(1, 0 if bars or over else 1)
        self._fit_desk()
        if self._content is not None:
            self.refresh(self.session.selection)

    def _fit_desk(self) -> None:
        """As much height as its rows take, where plots stand below it."""
        alone = self._plot.isHidden() and self._time.isHidden()
        wanted = self._wanted_height(self._beside.direction() == QBoxLayout.Direction.LeftToRight, self.height())
        self._upper.setMinimumHeight(0 if alone else wanted)
        self._upper.setMaximumHeight(_UNLIMITED if alone else wanted)
        self._fitted = self._desk.shape

    def _wanted_height(self, beside: bool, high: int) -> int:
        """Of desk and table beside the plots."""
        table = self._table.sizeHint()
        own = self.width() - 2 * (SPACE + 4) - 12 - (table.width() + 2 * SPACE if beside else 0)
        desk = self._desk.wanted_height(own)
        return min(max(desk, table.height()) if beside else desk + table.height() + 2 * SPACE, round(0.46 * high))

    def _rescale(self) -> None:
        if self._content is not None:
            self._time.track.set_scales(log_x=self._log_x.isChecked())

    # -- pointer -------------------------------------------------------------------------------------------

    def _bar_pointed(self, k: int | None) -> None:
        bars = self._bars
        if k is None or bars is None or k > len(bars.loss):
            self.read_out("")
            return
        column, pairs = CLASSES.index(self.pairs), PAIRS[self.pairs]
        if self._level.currentText() == LOGITS:
            self.read_out(without_text(bars, k, column, pairs))
        else:
            found = self._carriers.get(k)
            self.read_out(
                carriers_text(bars.carried.get(k, 0), k, None if found is None else float(found[column]), pairs)
            )

    def _time_pointed(self, at: tuple[float, float] | None) -> None:
        found = self._curves
        if at is None or found is None or not found.measured:
            self.read_out("")
            return
        epoch = int(found.epochs[int(np.abs(found.epochs - at[0]).argmin())])
        said = {CURVES[name][0]: SetPlot.value_at(found, name, epoch) for name in values_of(found)}
        parts = [f"{name} {value_text(value)}" for name, value in said.items() if value is not None]
        self.read_out(f"epoch {epoch_text(epoch)} · {' · '.join(parts)} nats")

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: AnswerMap, selection: Selection) -> list[Table]:
        scores = self._scores(selection)[0] or answer.scores
        made = [losses_table(scores, self._whole_scores(selection))]
        if self._bars is not None and len(self._bars.loss):
            made.append(bars_table(self._bars))
        if self._curves is not None and self._curves.measured:
            made.append(curves_table(self._curves))
        return made

    def describe(self, answer: AnswerMap, selection: Selection) -> str:
        assert selection.run is not None
        n_layers = selection.run.config.n_layers
        scores = self._scores(selection)[0] or answer.scores
        test = scores.test or scores.every
        parts = [
            ablation_sentence(answer.ablation, n_layers) or "The whole model.",
            f"Test loss {value_text(test.loss)}, {percent(test)} right." if test is not None and test.loss else "",
            f"Bars: loss of the whole model without each frequency, {self._level.currentText()}, {PAIRS[self.pairs]} "
            f"pairs; {keys_text(self._pinned, self._keys())}." if self._bars is not None else "",
            f"Over training, {PAIRS[self.pairs]} pairs: {since_text(self._question, self._curves, n_layers)[0]}; band "
            f"of {self._curves.n_random} random sets of the same size, 5 to 95 %." if self._curves is not None else "",
        ]  # fmt: skip
        return " ".join(part for part in parts if part)


def _choice(name: str, tip: str, items: tuple[str, ...], action: Any) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    box.setAccessibleName(tip)
    box.setToolTip(tip)
    box.addItems(list(items))
    box.currentIndexChanged.connect(lambda _: action())
    return box
