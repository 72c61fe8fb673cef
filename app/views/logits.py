"""What the logits are made of: their 2-D spectrum and their cosines, at this checkpoint and over training."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QComboBox, QVBoxLayout, QWidget

from app import theme
from app.ablation_words import ablation_texts
from app.compute import Answer, Query
from app.export import Table
from app.numbers import epoch_text
from app.session import Selection
from app.theme import SPACE
from app.views.base import TracedView
from app.views.controls import toggle
from app.views.legend import value_text
from app.views.logits_bars import CosineBars, colour_of
from app.views.logits_words import HELP, component_name, described, logits_tables
from app.views.maps import SEQUENTIAL, HeatMap
from app.views.over_time import DASHED, SOLID
from app.views.plots import pen
from app.views.sentence import Sentence, keys_text
from app.views.tracks import TrackPlot
from engine.analysis.logit_picture import (
    CosineCurves,
    LogitNumbers,
    LogitPicture,
    cosine_curves,
    logit_numbers,
    logit_picture,
)
from engine.analysis.progress_curves import Pinned
from engine.analysis.solutions import applied

ALL, SPECTRUM, COSINES = "all", "2-D spectrum", "cosines"
_DECADES = 4  # of the logarithmic colours
_NEAR = 6  # pixels from a curve that count as on it
_TICK = 24  # pixels between two numbers along the map
_UNLIMITED = (1 << 24) - 1  # a widget's own largest side
_SMALL = 390  # pixels of height below which the curves have no room beside the rest
_CLEAR = 0.05  # of the axis: a curve below is not meant by a click


class LogitsView(TracedView):
    """2-D Fourier norms of the logits, and α_k of cos w_k(a + b − c) as bars and over training."""

    name = "logits"
    title = "Logits"
    about = (
        "Norms of the logits in the 2-D Fourier basis at this checkpoint, and the coefficients of cos w_k(a + b − c) "
        "in them, now and over training. Click a bar, a curve or a cell of the diagonal to select its frequency."
    )
    help = HELP

    def options(self) -> list[QWidget]:
        self._show_what = QComboBox()
        self._show_what.setObjectName("logits.show")
        self._show_what.setAccessibleName("Spectrum, cosines or all")
        self._show_what.setToolTip("Which plots are on show")
        self._show_what.addItems([ALL, SPECTRUM, COSINES])
        self._show_what.currentIndexChanged.connect(self._option_changed)
        self._components = toggle(
            "components",
            "logits.components",
            "Every cosine and sine by itself; otherwise those of a frequency together",
        )
        self._log = toggle("log colours", "logits.log", f"Colours by the logarithm of the norm, {_DECADES} decades")
        self._log_x = toggle("log x", "logits.log_x", "Epochs on a logarithmic axis (epoch 0 at the left edge)")
        for button in (self._components, self._log):
            button.toggled.connect(self._redraw_all)
        self._log_x.toggled.connect(self._rescale)
        return [self._show_what, self._components, self._log, self._log_x]

    def build(self) -> QWidget:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self._sentence = Sentence()
        self._sentence.setObjectName("logits.sentence")
        column.addWidget(self._sentence)
        self._split = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._split.setSpacing(SPACE)
        self._map = HeatMap("frequency of a", "frequency of b", SEQUENTIAL, "norm")
        self._map.setAccessibleName("Norms of the logits in the 2-D Fourier basis")
        self._map.pointer.said = lambda: self.value
        self._map.hovered.connect(self._map_hovered)
        self._map.clicked.connect(self._map_clicked)
        self._map.plot.getViewBox().sigResized.connect(lambda *_: self._tick_map())
        self._split.addWidget(self._map, 1)
        self._cosines = QWidget()
        right = QVBoxLayout(self._cosines)
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(2)
        self._bars = CosineBars(lambda: self.value)
        self._bars.clicked = self._select
        self._bars.pointed = self._bar_pointed
        self._bars.resized = self._room_changed
        self._time = TrackPlot(self.session, "α over training")
        self._time.set_scales(log_x=self._log_x.isChecked())
        self._time.add("others", self._faint, 1)
        self._time.clicked = self._time_clicked
        self._time.pointed = self._time_pointed
        self._lines: list[Any] = []  # of the keys and the selected frequency
        right.addWidget(self._bars.widget, 1)
        right.addWidget(self._time.widget, 1)
        self._split.addWidget(self._cosines, 1)
        column.addLayout(self._split, 1)
        self._drawn: tuple[Any, ...] = ()
        self._plotted: tuple[Any, ...] = ()
        self._ticked: tuple[Any, ...] = ()
        self._numbers: LogitNumbers | None = None
        self._curves: CosineCurves | None = None
        self._curves_query: Query | None = None
        self._span: tuple[Any, float, float] = (None, 0.0, 0.0)  # run, lowest and highest α seen
        self.compute.answered.connect(self._receive_curves)
        self.restyle()
        self._arrange()
        return content

    # -- what is asked -------------------------------------------------------------------------------------

    @property
    def _pinned(self) -> Pinned | None:
        return self.tracing.pinned if self.tracing.run is self.session.selection.run else None

    def _ablated(self, selection: Selection) -> tuple[Any, ...]:
        """Keys and ablation, where there is one; what is whole depends on no keys."""
        if selection.ablation.is_whole or self._pinned is None:
            return ()
        return self._pinned.keys, selection.ablation

    def query(self, selection: Selection) -> Query:
        args = (selection.run, selection.step, selection.layout_step, *self._ablated(selection))
        return Query(logit_picture, args)

    def exact(self, selection: Selection) -> Query | None:
        if self._pinned is None:
            return None
        return Query(logit_numbers, (selection.run, selection.step, self._pinned.keys, *self._ablated(selection)[1:]))

    def refresh(self, selection: Selection) -> None:
        """As every view; the curves over training are asked for themselves, so that no picture waits for them."""
        super().refresh(selection)
        if not self.on_show or selection.run is None or not selection.n_checkpoints:
            return
        self._time.show_epoch(selection.epoch)
        query = self.traced(cosine_curves, selection, selection.thresholds)
        if query.args[2] is not None and query != self._curves_query:
            self._curves_query = query
            self.compute.ask((self, "curves"), query, urgent=False)

    def _receive_curves(self, query: Query, answer: Answer) -> None:
        if query == self._curves_query and answer.error is None:
            self._curves = answer.value
            self._plotted = ()
            if self.answer is not None and not self.answer.no_basis:
                self._draw_cosines(self.answer, self.session.selection)

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, answer: LogitPicture, selection: Selection) -> None:
        if answer.no_basis:
            self.set_subtitle("")
            self._say(answer.no_basis)
            return
        if not self._drawn or self._drawn[0] is not answer:
            self._numbers = None
        state = (answer, theme.current().name)
        if not self._drawn or self._drawn[0] is not answer or self._drawn[1:] != state[1:]:
            self._drawn = state
            self._draw_map(answer)
        self._mark(answer, selection)
        self._draw_cosines(answer, selection)
        self._tell(selection)

    def write(self, numbers: LogitNumbers, selection: Selection) -> None:
        self._numbers = numbers
        self._tell(selection)

    def _draw_map(self, answer: LogitPicture) -> None:
        by_component = self._components.isChecked()
        values, top = (answer.norm, answer.top) if by_component else (answer.by_frequency, answer.top_by_frequency)
        if self._log.isChecked():
            self._map.show_values(np.log10(np.maximum(values, 1e-30 * top) / top), -_DECADES, 0.0)
        else:
            self._map.show_values(values, 0.0, top)
        self._map.bar.set_unit(f"log₁₀ (norm / {top:.4g})" if self._log.isChecked() else "norm")
        what = "component" if by_component else "frequency"
        first, second = ("a", "b") if answer.generator is None else ("log a", "log b")
        self._map.name_axes(f"{what} of {first}", f"{what} of {second}")
        self._tick_map()

    def _tick_map(self) -> None:
        """Frequencies along the map, as many as there is room for."""
        answer: LogitPicture | None = self.answer
        if answer is None or answer.no_basis:
            return
        n, twice = len(answer.by_frequency) - 1, self._components.isChecked()
        wide = self._map.plot.getViewBox().width() / max(1, n)
        step = next((step for step in (1, 2, 5, 10, 20, 50) if step * wide >= _TICK), 100)
        if (n, twice, step) != self._ticked:  # each time is a new painting of the axes
            self._ticked = n, twice, step
            ticks = [(2 * k - 0.5 if twice and k else k, str(k)) for k in range(0, n + 1, step)]
            for side in ("left", "bottom"):
                self._map.plot.getPlotItem().getAxis(side).setTicks([ticks])

    def _draw_cosines(self, answer: LogitPicture, selection: Selection) -> None:
        keys, chosen = self._keys(answer), self._chosen(answer, selection)
        alpha = np.asarray(answer.coefficient, np.float64)
        self._limit(answer, selection)
        self._bars.show_alpha(alpha, keys, chosen)
        state = (self._curves, keys, chosen, theme.current().name)
        if self._curves is not None and state != self._plotted:
            self._plotted = state
            self._draw_curves(self._curves, keys, chosen)
        self._time.show_epoch(selection.epoch)

    def _draw_curves(self, found: CosineCurves, keys: tuple[int, ...], chosen: int | None) -> None:
        n = found.coefficient.shape[1]
        named = [k for k in (*keys, *([chosen] if chosen not in keys else [])) if k is not None and k <= n]
        others, gap = [k for k in range(1, n + 1) if k not in named], np.array([np.nan])
        x = np.concatenate([part for _ in others for part in (found.epochs, gap)] or [gap])
        y = np.concatenate([part for k in others for part in (found.coefficient[:, k - 1], gap)] or [gap])
        self._time.put("others", x, y)
        while len(self._lines) < len(named):
            line = self._time.add(f"named {len(self._lines)}", lambda: theme.current().text)
            self._lines.append(line)
        final = found.pinned is None or found.pinned.final
        for i, line in enumerate(self._lines):
            if i >= len(named):
                self._time.put(f"named {i}", None, None)
                continue
            k = named[i]
            drawn = pen(colour_of(k, keys, chosen), 3 if k == chosen else 2)
            drawn.setStyle(SOLID if final or k not in keys else DASHED)
            line.setPen(drawn)
            line.setZValue(15 if k == chosen else 10)
            self._time.put(f"named {i}", found.epochs, found.coefficient[:, k - 1])
        self._time.show_phases(found.phases, float(found.epochs[-1]) if len(found.epochs) else 0.0)

    def _room_changed(self) -> None:
        """The names over the bars need their room in pixels."""
        answer: LogitPicture | None = self.answer
        if answer is not None and not answer.no_basis:
            self._draw_cosines(answer, self.session.selection)

    def _limit(self, answer: LogitPicture, selection: Selection) -> None:
        """The axis of α, the same for bars and curves: of the whole run, and what an ablation needs beyond that."""
        run, low, high = self._span
        if run is not selection.run:
            low = high = 0.0
        for values in (answer.coefficient, None if self._curves is None else self._curves.coefficient):
            if values is not None and values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
        self._span = selection.run, low, high
        whole = max(high - low, 1e-9)
        self._bars.limit(len(answer.coefficient), low, high)
        epochs = np.zeros(0) if self._curves is None else self._curves.epochs
        if len(epochs):
            self._time.limit((float(epochs[0]), float(epochs[-1])), (low - 0.06 * whole, high + 0.06 * whole))

    def _mark(self, answer: LogitPicture, selection: Selection) -> None:
        """A cross at the selected frequency's place on the diagonal."""
        k = self._chosen(answer, selection)
        place = None if k is None else 2 * k - 1 if self._components.isChecked() else k
        self._map.mark(None if place is None else (place, place))

    def _tell(self, selection: Selection) -> None:
        pinned, fit = self._pinned, None if self._numbers is None else self._numbers.fit
        text = keys_text(pinned, self._keys(self.answer))
        said = self._ablation_said(selection)
        if said:
            text = f"ablated: {' · '.join(said)} · {text}"
        self.set_subtitle(text)
        if pinned is None or not pinned.keys:
            self._sentence.say("", "")
            return
        whose = "keys' cosines" if pinned.final else "candidates' cosines"
        share, alone, whole = "…", "…", "…"
        if fit is not None and self._numbers is not None and self._numbers.loss is not None:
            share, alone = f"{100 * fit.explained_by_keys:.2f} %", value_text(fit.loss)
            whole = value_text(self._numbers.loss)
        self._sentence.say(
            f"The {whose} explain {share} of the variance · loss of them alone {alone}, of all the logits {whole} "
            "(all pairs)",
            f"The {whose}: {share} of the variance · loss {alone}",
        )

    def _ablation_said(self, selection: Selection) -> list[str]:
        """What is in effect, in words; empty: the whole model is on show."""
        if selection.run is None or not self._ablated(selection):
            return []
        config, keys = selection.run.config, self._pinned.keys if self._pinned is not None else ()
        return ablation_texts(applied(config, keys, selection.ablation), config.n_layers)

    def _keys(self, answer: LogitPicture | None) -> tuple[int, ...]:
        """The keys that are frequencies of the task's cycle."""
        n = 0 if answer is None else len(answer.coefficient)
        return () if self._pinned is None else tuple(k for k in self._pinned.keys if k <= n)

    def _chosen(self, answer: LogitPicture, selection: Selection) -> int | None:
        k = selection.frequency
        return k if k is not None and k <= len(answer.coefficient) else None

    def _faint(self) -> QColor:
        colour = QColor(theme.current().other_frequency)
        colour.setAlpha(120)
        return colour

    def restyle(self) -> None:
        self._map.restyle()
        self._time.restyle()
        self._bars.restyle()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._option_changed()

    def _option_changed(self) -> None:
        if self._content is not None:
            self._arrange()

    def _arrange(self) -> None:
        """What is chosen; side by side where the view is broad, the map as large as half of it allows."""
        what, wide, high = self._show_what.currentText(), self.width(), self.height()
        broad = wide > 1.1 * high
        self._map.setVisible(what != COSINES)
        self._cosines.setVisible(what != SPECTRUM)
        self._time.widget.setVisible(what == COSINES or high >= (_SMALL if broad else 2 * _SMALL))
        self._split.setDirection(QBoxLayout.Direction.LeftToRight if broad else QBoxLayout.Direction.TopToBottom)
        beside = HeatMap.LEFT + HeatMap.BAR - HeatMap.BOTTOM - HeatMap.TOP
        most = min(round(0.56 * wide), high - 2 * self._sentence.sizeHint().height() + beside)
        self._map.setMaximumWidth(most if broad and what == ALL else _UNLIMITED)
        self._split.setStretch(0, 3 if broad else 1)
        self._split.setStretch(1, 2 if broad else 1)

    def _redraw_all(self) -> None:
        self._drawn = ()
        self.redraw()

    def _rescale(self) -> None:
        if self._content is None:
            return
        self._time.set_scales(log_x=self._log_x.isChecked())

    # -- pointer -------------------------------------------------------------------------------------------

    def _select(self, k: int) -> None:
        self.session.select(frequency=None if k == self.session.selection.frequency else k)

    def _map_clicked(self, row: int, column: int) -> None:
        """A cell on the diagonal, or one beside it: the larger of its neighbours there."""
        answer: LogitPicture | None = self.answer
        if answer is None:
            return
        if self._components.isChecked():
            row, column = (row + 1) // 2, (column + 1) // 2
        near = [k for k in {row, column} if 1 <= k <= len(answer.coefficient)]
        if near and abs(row - column) <= 1:
            self._select(max(near, key=lambda k: float(answer.by_frequency[k, k])))

    def _map_hovered(self, cell: tuple[int, int] | None) -> None:
        if cell is None or self.answer is None:
            self.read_out("")
            return
        by_component = self._components.isChecked()
        names = [component_name(i) if by_component else f"k = {i}" for i in cell]
        spectrum = None if self._numbers is None else self._numbers.spectrum
        value = "…"
        if spectrum is not None:
            value = f"{(spectrum.norm if by_component else spectrum.by_frequency)[cell]:.5g}"
        first, second = ("a", "b") if self.answer.generator is None else ("log a", "log b")
        self.read_out(f"{first}: {names[0]} · {second}: {names[1]} · norm {value} over the outputs")

    def _bar_pointed(self, k: int | None) -> None:
        if k is None:
            self.read_out("")
            return
        fit = None if self._numbers is None else self._numbers.fit
        alpha, share = (
            ("…", "…") if fit is None else (f"{fit.coefficient[k - 1]:.4g}", f"{100 * fit.explained[k - 1]:.3g}")
        )
        self.read_out(f"k = {k} · α {alpha} · {share} % of the variance of the logits".replace("-", "−"))

    def _curve_at(self, epoch: float, y: float) -> tuple[int, int] | None:
        """Place of the nearest checkpoint, and the frequency whose curve is nearest there, if one is."""
        found = self._curves
        if found is None or not found.coefficient.size:
            return None
        i = int(np.abs(found.epochs - epoch).argmin())
        away = np.abs(found.coefficient[i] - y)
        k = int(away.argmin()) + 1
        box = self._time.widget.getViewBox()
        return (i, k) if away[k - 1] <= _NEAR * box.viewPixelSize()[1] else None

    def _time_clicked(self, epoch: float, y: float) -> None:
        """A curve that stands out is selected; anywhere else goes to the epoch."""
        at = self._curve_at(epoch, y)
        if at is not None and self._curves is not None:
            alpha = abs(float(self._curves.coefficient[at[0], at[1] - 1]))
            if alpha > _CLEAR * self._span[2]:
                self._select(at[1])
                return
        self.session.scrub_to_epoch(epoch)

    def _time_pointed(self, at: tuple[float, float] | None) -> None:
        found, place = self._curves, None if at is None else self._curve_at(*at)
        if found is None or at is None or not len(found.epochs):
            self.read_out("")
            return
        i = int(np.abs(found.epochs - at[0]).argmin())
        where = f"epoch {epoch_text(found.epochs[i])}"
        if place is not None:
            where += f" · k = {place[1]} · α {found.coefficient[i, place[1] - 1]:.4g}".replace("-", "−")
        self.read_out(where)

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: LogitPicture, selection: Selection) -> list[Table]:
        if answer.no_basis:
            return []
        return logits_tables(answer, self._numbers, self._curves)

    def describe(self, answer: LogitPicture, selection: Selection) -> str:
        if answer.no_basis:
            return answer.no_basis
        keys = keys_text(self._pinned, self._keys(answer))
        sentence = "" if self._numbers is None else self._sentence.text()
        return described(answer, selection.epoch, self._ablation_said(selection), keys, sentence)
