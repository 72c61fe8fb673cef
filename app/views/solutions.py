"""The two solutions of one model over training, and two faders that turn each of them up or down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractSlider,
    QBoxLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.ablation_words import cut_texts
from app.compute import Answer, Compute, Query
from app.export import Table
from app.session import Selection, Session
from app.theme import SPACE
from app.views.answers import LOSSES, STALE_MS, asked, has_basis, percent
from app.views.base import Help, TracedView, label, toggle
from app.views.legend import value_text
from app.views.maps import HOT
from app.views.over_time import DASHED, DOTTED, SOLID, TimePlot
from app.views.plots import epoch_text, pen
from engine.analysis.ablation import Ablation
from engine.analysis.curves import Curve
from engine.analysis.pairs import Score
from engine.analysis.solutions import (
    GRID,
    AnswerMap,
    ClassScores,
    TwoSolutions,
    answer_map,
    landscape_row,
    two_solutions,
)

TOP = 1.5  # of a fader
CORNERS = {
    "model": (Ablation(1, 1), "The model as it was trained"),
    "restricted": (Ablation(1, 0), "Only the mean and P_K L: what generalises, alone"),
    "excluded": (Ablation(0, 1), "Everything but P_K L: what is memorised, alone"),
}
SETS = {"train": "train", "test": "test", "every": "all"}
_TICKS = 100  # of a fader, to 1
_SNAP = 2  # ticks on either side of 1 that count as 1 under the pointer
_PATIENCE_MS = 60  # a drag waits for its own numbers, but no longer
_CALM_MS = 500  # of the selection, before the map of the test loss is begun
_SHORT, _NARROW, _ROOMY = 330, 560, 700  # pixels: height of both plots, width of the view
_CURVES = {
    "of_keys": ("P<sub>K</sub>L", "generalising", SOLID), "of_rest": ("rest", "memorising", SOLID),
    "restricted_test": ("restricted, test", "generalising", SOLID),
    "restricted_train": ("restricted, train", "generalising", DOTTED),
    "excluded_train": ("excluded, train", "memorising", SOLID),
}  # fmt: skip
_POWERS, _LOSSES = ("of_keys", "of_rest"), ("restricted_test", "restricted_train", "excluded_train")
_SAMPLES = {SOLID: "━", DASHED: "╍", DOTTED: "┅"}


class SolutionsView(TracedView):
    """Power and loss of P_K L and of the rest; the faders write `Selection.ablation`."""

    name = "solutions"
    title = "Two solutions"
    about = (
        "The circuit that generalises, P_K L, and the rest of the logits, which memorises: how strong each is over "
        "training, how well each does alone, and what the model answers when either is turned up or down."
    )
    help = Help(
        see=(
            "Above, over training: the power of P<sub>K</sub>L, the part of the logits that turns with the key "
            "frequencies of the answer, and of the rest; and the loss of each alone. Below, two faders mix them at the "
            "checkpoint on show: losses, accuracies, the answers and the logits follow. A double click on a fader "
            "brings back 1. The small map is the test loss over both factors; drag in it to move both faders."
        ),
        look_for=(
            "On the mainline the powers are 10 against 131 at epoch 5000, and 133 against 3 at 14 000: they cross at "
            "grokking. Turn m down to 0 at epoch 7000: the test loss falls from 17 to 0.5, and 90 % of the test pairs "
            "are right where the whole model gets 15 %, for the circuit is there long before it is heard. "
            "Turn g down to 0 at 14 000: the training accuracy falls to 1.4 %, for the memory is gone."
        ),
        wrong=(
            "Restricted loss above test loss after grokking: the key frequencies miss a part of the circuit. Excluded "
            "loss that stays low after grokking: the model still remembers its training pairs. While a run goes on K "
            "are candidates (dashed) and may change."
        ),
        formula=(
            "L = mean + P<sub>K</sub>L + rest, P<sub>K</sub> the projection on cos and sin of w<sub>k</sub>(a + b), "
            "k in K; mixed logits = mean + g·P<sub>K</sub>L + m·rest. (g, m) = (1, 0) has the restricted loss, (0, 1) "
            "the excluded loss of K. Power: mean square over pairs and outputs. Losses in nats over p logits. "
            "Pairs off the task's cycle (zeros of a·b and a/b) have no part in P<sub>K</sub> and are not counted."
        ),
        paper="Restricted and excluded loss: sec. 5.1 and fig. 7, there with all frequencies excluded.",
    )

    def __init__(self, session: Session, compute: Compute) -> None:
        self._drawn: TwoSolutions | None = None
        self._numbers: tuple[Query, AnswerMap] | None = None
        self._moved: Ablation | None = None  # by hand, not told yet
        self._landscape_of: tuple[Any, ...] = ()
        self._row: Query | None = None
        super().__init__(session, compute)
        self._patience = self._timer(self._tell_moved, _PATIENCE_MS)
        self._next = self._timer(self._tell_moved, 0)
        self._stale = self._timer(lambda: self._tell(self.session.selection, stale=True), STALE_MS)
        self._calm = self._timer(self._explore, _CALM_MS)
        self._explore_soon = self._timer(self._explore, 0)

    def options(self) -> list[QWidget]:
        self._log_x = toggle("log x", "solutions.log_x", "Epochs on a logarithmic axis (epoch 0 at the left edge)")
        self._log_power = toggle("log power", "solutions.log_power", "Power on a logarithmic axis")
        self._show_map = toggle(
            "map", "solutions.map", "Where there is room: the test loss over both factors, at the checkpoint on show",
            checked=True,
        )  # fmt: skip
        for button in (self._log_x, self._log_power):
            button.toggled.connect(self._rescale)
        self._show_map.toggled.connect(self._arrange)
        return [self._log_x, self._log_power, self._show_map]

    # -- items ---------------------------------------------------------------------------------------------

    def build(self) -> QWidget:
        self._power = TimePlot(self.session, "power")
        self._loss = TimePlot(self.session, "loss (nats)", log_y=True)
        self._loss.widget.setXLink(self._power.widget)
        self._curves = {name: self._plot_of(name).add(name, self._colour(name)) for name in _CURVES}
        self._legends = {plot: _legend() for plot in (self._power, self._loss)}
        for plot in (self._power, self._loss):
            plot.widget.getPlotItem().layout.setContentsMargins(0, 6, 18, 0)  # for halves of the last numbers
            plot.hovered = lambda epoch, p=plot: self._hovered(epoch, p)  # type: ignore[misc]
        self._mark = [pg.LinearRegionItem(movable=False) for _ in range(2)]
        for plot, mark in zip((self._power, self._loss), self._mark, strict=True):
            mark.setZValue(-50)
            mark.setVisible(False)
            plot.widget.addItem(mark, ignoreBounds=True)
        self._plots = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._plots.setContentsMargins(0, 0, 0, 0)
        self._plots.setSpacing(SPACE // 2)
        for plot, legend in self._legends.items():
            self._plots.addWidget(_Labelled(legend, plot.widget), 1)
        content = _Watched(self._arrange)
        content.setMinimumSize(446, 230)  # less than its parts want: they make room for each other
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addLayout(self._plots, 1)
        column.addWidget(self._make_desk())
        self.restyle()
        return content

    def _make_desk(self) -> QWidget:
        """Faders and corners on the left, the numbers, the map."""
        desk = QWidget()
        row = QHBoxLayout(desk)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * SPACE)
        row.addLayout(self._make_faders(), 1)
        row.addLayout(self._make_table())
        self._landscape = Landscape()
        self._landscape.picked.connect(lambda g, m: self._move(generalising=g, memorising=m))
        self._landscape.hovered.connect(self._hovered_map)
        row.addWidget(self._landscape)
        return desk

    def _make_faders(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(SPACE)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        self._faders: dict[str, Fader] = {}
        self._fields: dict[str, QLineEdit] = {}
        self._fader_names: dict[str, QLabel] = {}
        for i, (name, text) in enumerate((("generalising", "g · P<sub>K</sub>L"), ("memorising", "m · rest"))):
            shown = label(text, "")
            shown.setToolTip(f"Factor of what is {name}; double click on the fader: 1")
            fader, field = Fader(name), QLineEdit()
            field.setObjectName(f"solutions.{name}.field")
            field.setAccessibleName(f"Factor of what is {name}")
            field.setToolTip("Any number from 0 to 1.5; Enter applies it")
            field.setFixedWidth(60)
            field.setAlignment(Qt.AlignmentFlag.AlignRight)
            field.editingFinished.connect(lambda n=name: self._typed(n))
            fader.moved.connect(lambda value, n=name: self._move(**{n: value}))
            for column, widget in enumerate((shown, fader, field)):
                grid.addWidget(widget, i, column)
            self._faders[name], self._fields[name], self._fader_names[name] = fader, field, shown
        corners = QHBoxLayout()
        corners.setSpacing(SPACE // 2)
        self._corners: dict[str, QToolButton] = {}
        for name, (corner, tip) in CORNERS.items():
            button = toggle(name, f"solutions.{name}", f"{tip}: (g, m) = {_pair(corner)}")
            button.clicked.connect(lambda _=False, c=corner: self._choose(c))
            corners.addWidget(button)
            self._corners[name] = button
        corners.addStretch(1)
        grid.addLayout(corners, 2, 0, 1, 3)
        return grid

    def _make_table(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(SPACE)
        grid.setVerticalSpacing(2)
        self._cells: dict[tuple[str, str], QLabel] = {}
        self._heads: dict[str, QLabel] = {}
        for column, text in ((1, "loss (nats)"), (2, "right")):
            grid.addWidget(_right(label(text, "muted")), 0, column)
        for row, (name, text) in enumerate(SETS.items(), 1):
            self._heads[name] = label(text, "muted")
            grid.addWidget(self._heads[name], row, 0)
            for column, of in ((1, "loss"), (2, "right")):
                cell = _right(label("", ""))
                cell.setObjectName(f"solutions.{name}.{of}")
                cell.setAccessibleName(f"{of} of the mix, {text} pairs")
                cell.setFixedWidth(68)
                grid.addWidget(cell, row, column)
                self._cells[name, of] = cell
        grid.setRowStretch(4, 1)
        return grid

    def _plot_of(self, name: str) -> TimePlot:
        return self._power if name in _POWERS else self._loss

    def _colour(self, name: str) -> Callable[[], str]:
        return lambda: str(getattr(theme.current(), _CURVES[name][1]))

    # -- what is asked -------------------------------------------------------------------------------------

    def query(self, selection: Selection) -> Query:
        return self.traced(two_solutions, selection, selection.thresholds)

    def exact(self, selection: Selection) -> Query | None:
        pinned = self.tracing.pinned if self.tracing.run is selection.run else None
        if selection.run is None or pinned is None or not pinned.keys or not has_basis(selection.run.config):
            return None
        return Query(answer_map, (*asked(self.tracing, selection), True))

    @staticmethod
    def _is_whole(answer: TwoSolutions) -> bool:
        """Whether there are two solutions to speak of."""
        return not answer.no_basis and answer.pinned is not None and bool(answer.pinned.keys)

    def refresh(self, selection: Selection) -> None:
        """As every view; but where only a factor moved, its numbers are asked for at once."""
        super().refresh(selection)
        if not self.isVisible() or self._exact is None:
            return
        if self._has_moved(selection):
            self.compute.ask((self, "exact"), self._exact)

    def _has_moved(self, selection: Selection) -> bool:
        """Whether the numbers at hand are of this checkpoint, but of another mix."""
        now, last = self.exact(selection), None if self._numbers is None else self._numbers[0]
        return last is not None and now is not None and last != now and last.args[:2] == now.args[:2]

    def _keys(self) -> tuple[int, ...]:
        pinned = self._drawn.pinned if self._drawn is not None else None
        return () if pinned is None else pinned.keys

    def _receive(self, query: Query, answer: Answer) -> None:
        super()._receive(query, answer)
        if query == self._row and answer.error is None:
            self._landscape.put(int(query.args[3]), answer.value)  # type: ignore[call-overload]
            self._row = None
            self._explore_soon.start()
        if self._moved is not None:
            self._next.start()

    # -- faders --------------------------------------------------------------------------------------------

    def _move(self, **factors: float) -> None:
        """A fader moves by hand. What it changes is told no faster than the numbers follow."""
        now = self._moved or self.session.selection.ablation
        self._moved = _turned(now, factors)
        self._show_ablation(self._moved)
        if not self.compute.busy:
            self._tell_moved()
        elif not self._patience.isActive():
            self._patience.start()

    def _tell_moved(self) -> None:
        waits = self._patience.isActive() and self.compute.busy
        if self._moved is None or waits:
            return
        moved, self._moved = self._moved, None
        self._patience.stop()
        self.session.select(ablation=moved)

    def _choose(self, corner: Ablation) -> None:
        """The factors of a mix; what is taken away besides stays."""
        self._moved = None
        chosen = self.session.selection.ablation.with_factors_of(corner)
        self._show_ablation(chosen)
        self.session.select(ablation=chosen)

    def _typed(self, name: str) -> None:
        """A number by hand; what is none is put back."""
        try:
            value = float(self._fields[name].text().replace(",", ".").replace("−", "-"))
        except ValueError:
            value = float("nan")
        if not 0 <= value <= TOP:
            self._show_ablation(self.session.selection.ablation)
        elif value != getattr(self.session.selection.ablation, name):
            self._choose(_turned(self.session.selection.ablation, {name: value}))

    def _show_ablation(self, ablation: Ablation) -> None:
        """Faders, fields, corners and the point in the map."""
        for name, fader in self._faders.items():
            value = float(getattr(ablation, name))
            fader.show_value(value)
            if not self._fields[name].hasFocus() or not self._fields[name].isModified():
                self._fields[name].setText(_number(value))
        for name, (corner, _) in CORNERS.items():
            self._corners[name].setChecked(_factors(corner) == _factors(ablation))
        self._landscape.point_at(ablation)

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, answer: TwoSolutions, selection: Selection) -> None:
        if not self._is_whole(answer):
            self._say(self._why_not(answer))
            return
        if answer is not self._drawn:
            self._drawn = answer
            self._draw_curves(answer)
        for plot in self._legends:
            plot.show_epoch(selection.epoch)
        self._write_legends(answer, selection.epoch)
        if self._moved is None:
            self._show_ablation(selection.ablation)
        self._tell(selection)
        self._renew_map(selection)
        self.set_subtitle(" · ".join([*_cut_from(selection), self._sentence(answer)]))

    def _why_not(self, answer: TwoSolutions) -> str:
        if answer.no_basis:
            return f"{answer.no_basis}\nSo there is no circuit to tell from a memory."
        if answer.pinned is None:
            return self.tracing.trouble or "Opening the measured curves …"
        when = epoch_text(answer.pinned.epoch)
        return f"No key frequency yet at epoch {when}:\nthere is no generalising part to tell from the rest."

    def _draw_curves(self, answer: TwoSolutions) -> None:
        for name in _CURVES:
            curve: Curve | None = getattr(answer, name)
            self._plot_of(name).put(name, *((None, None) if curve is None else (curve.epochs, curve.values)))
        self._style_curves()
        for plot in self._legends:
            plot.show_phases(answer.phases, answer.last)
        self._place_mark()

    def _style_curves(self) -> None:
        """Of candidates all curves are dashed."""
        final = self._drawn is None or self._drawn.pinned is None or self._drawn.pinned.final
        for name, curve in self._curves.items():
            made = pen(self._colour(name)(), 2 if name != "restricted_train" else 1.4)
            made.setStyle(_CURVES[name][2] if final or _CURVES[name][2] != SOLID else DASHED)
            curve.setPen(made)

    def _place_mark(self) -> None:
        """Where the powers cross: from one checkpoint to the next."""
        crossing = None if self._drawn is None else self._drawn.crossing
        for plot, mark in zip(self._legends, self._mark, strict=True):
            mark.setVisible(crossing is not None)
            if crossing is not None:
                mark.setRegion(tuple(plot.place_of(epoch) for epoch in crossing))

    def _rescale(self) -> None:
        self._power.set_scales(log_x=self._log_x.isChecked(), log_y=self._log_power.isChecked())
        self._loss.set_scales(log_x=self._log_x.isChecked())
        self._place_mark()

    def _write_legends(self, answer: TwoSolutions, epoch: int) -> None:
        final = answer.pinned is None or answer.pinned.final
        for plot, names in ((self._power, _POWERS), (self._loss, _LOSSES)):
            parts = []
            for name in names:
                text, _, style = _CURVES[name]
                value = _value_at(getattr(answer, name), epoch)
                sample = _SAMPLES[style if final or style != SOLID else DASHED]
                said = "…" if value is None else value_text(value)
                if getattr(answer, name) is None:
                    said = "not measured" if final else "once the run is finished"
                line = f"<font color='{self._colour(name)()}'>{sample}</font>"
                bold = f"<b><font color='{theme.current().text}'>{said}</font></b>"
                parts.append("&nbsp;".join((line, text.replace(" ", "&nbsp;"), bold)))
            if plot is self._power and answer.crossing is not None:
                between = _between(answer.crossing).replace(" ", "&nbsp;")
                parts.append(f"<font color='{theme.current().muted}'>┆</font>&nbsp;cross&nbsp;between&nbsp;{between}")
            found = "&nbsp;&nbsp; ".join(parts)
            if self._legends[plot].text() != found:
                self._legends[plot].setText(found)

    def _sentence(self, answer: TwoSolutions) -> str:
        pinned = answer.pinned
        assert pinned is not None
        kind = "keys" if pinned.final else "candidates"
        when = "by hand" if pinned.by_hand else f"of epoch {epoch_text(pinned.epoch)}"
        parts = [f"{kind} {' '.join(map(str, pinned.keys))} {when}"]
        if answer.crossing is not None:
            parts.append(f"powers cross between {_between(answer.crossing)}")
        elif answer.of_keys is not None:
            parts.append("P_K L is ahead from the start" if answer.ahead else "powers have not crossed")
        if answer.measured < answer.of:
            parts.append(f"by {answer.measured} of {answer.of} checkpoints so far")
        return " · ".join(parts)

    def _scores(self, selection: Selection) -> ClassScores | None:
        """What is known of the mix on show, in float64."""
        answer, ablation = self._drawn, selection.ablation
        if self._numbers is not None and self._numbers[0] == self.exact(selection):
            return self._numbers[1].scores
        if answer is None or selection.run is None:
            return None
        held = (
            answer.model if ablation.is_whole else answer.restricted if ablation == CORNERS["restricted"][0] else None
        )
        return None if held is None else held.at(selection.epoch)

    def _tell(self, selection: Selection, stale: bool = False) -> None:
        """The numbers of the mix; while a factor moves those before stay until they are stale."""
        scores = self._scores(selection)
        if scores is None and not stale and self._has_moved(selection):
            if not self._stale.isActive():
                self._stale.start()
            return
        self._stale.stop()
        on_cycle = selection.ablation.is_spectral and _has_zero(selection)
        self._heads["every"].setText("units" if on_cycle else "all")
        self._heads["every"].setToolTip("Pairs off the task's cycle have no part in a mix" if on_cycle else "All pairs")
        for name in SETS:
            score: Score | None = None if scores is None else getattr(scores, name)
            loss, right = "…", "…"
            if scores is not None:
                loss = "—" if score is None or score.loss is None else value_text(score.loss)
                right = percent(score)
            for of, text in (("loss", loss), ("right", right)):
                cell = self._cells[name, of]
                if cell.text() != text:
                    cell.setText(text)
                    cell.setAccessibleDescription(text)

    def write(self, numbers: AnswerMap, selection: Selection) -> None:
        if self._exact is not None:
            self._numbers = (self._exact, numbers)
            self._tell(selection)

    def _hovered(self, epoch: float | None, plot: TimePlot) -> None:
        answer = self._drawn
        curve = None if answer is None else answer.of_keys
        if epoch is None or answer is None or curve is None:
            self.read_out("")
            return
        there = float(curve.epochs[int(np.abs(curve.epochs - epoch).argmin())])
        said = []
        for name in _POWERS if plot is self._power else _LOSSES:
            value = _value_at(getattr(answer, name), there)
            if value is not None:
                unit = "" if plot is self._power else " nats"
                said.append(f"{_CURVES[name][0].replace('<sub>K</sub>', '_K ')} {value_text(value)}{unit}")
        self.read_out(f"epoch {epoch_text(there)} · {', '.join(said)}")

    def _hovered_map(self, at: tuple[float, float, float] | None) -> None:
        if at is None:
            self.read_out("")
            return
        g, m, loss = at
        self.read_out(
            f"g = {_number(g)}, m = {_number(m)}: test loss " + ("…" if loss != loss else f"about {loss:.2g} nats")
        )

    # -- the map of the test loss --------------------------------------------------------------------------

    def _renew_map(self, selection: Selection) -> None:
        """Begin again for another checkpoint, once the selection rests."""
        of = (selection.run, selection.step, self._keys(), selection.ablation.cuts)
        if of != self._landscape_of:
            self._landscape_of, self._row = of, None
            self._landscape.clear()
        self._calm.start()

    def _explore(self) -> None:
        """Ask for the next row of the map, while nobody waits for anything."""
        selection = self.session.selection
        row = self._landscape.missing
        if row is None or self._row is not None or not self._landscape.isVisible() or self._moved is not None:
            return
        if not self._keys():
            return
        if self.compute.busy or self._calm.isActive():
            self._calm.start()
            return
        cuts = selection.ablation.cuts
        self._row = Query(landscape_row, (selection.run, selection.step, self._keys(), row, cuts))
        self.compute.ask((self, "landscape"), self._row, urgent=False)

    # -- places --------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        """Plots one above the other where there is room; short words where there is none."""
        content = self.content
        width, height = content.width(), content.height()
        beside = height < _SHORT + 90
        direction = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        if self._plots.direction() != direction:
            self._plots.setDirection(direction)
        upper = self._power.widget.getPlotItem()
        upper.getAxis("bottom").setStyle(showValues=beside)
        upper.showLabel("bottom", beside)
        for legend in self._legends.values():
            legend.setFixedHeight(18 if not beside or width >= 2 * 400 else 34 if width >= 2 * 280 else 50)
        for name, button in self._corners.items():
            corner = CORNERS[name][0]
            button.setText(f"{name} {_pair(corner)}" if width >= _NARROW else name)
        self._landscape.setVisible(self._show_map.isChecked() and width >= _ROOMY)
        if self._landscape.isVisible():
            self._calm.start()

    def restyle(self) -> None:
        look = theme.current()
        for plot in (self._power, self._loss):
            plot.restyle()
        self._style_curves()
        wash = QColor(look.text)
        wash.setAlpha(40)
        for mark in self._mark:
            mark.setBrush(wash)
            for line in mark.lines:
                drawn = pen(look.muted, 1)
                drawn.setStyle(DASHED)
                line.setPen(drawn)
        for fader in self._faders.values():
            fader.update()
        self._landscape.update()

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: TwoSolutions, selection: Selection) -> list[Table]:
        made = []
        if answer.of_keys is not None and answer.of_rest is not None:
            columns: dict[str, Any] = {
                "epoch": answer.of_keys.epochs.astype(int),
                "power of P_K L": answer.of_keys.values,
                "power of the rest": answer.of_rest.values,
            }
            for name in _LOSSES:
                curve: Curve | None = getattr(answer, name)
                if curve is not None:
                    known = dict(zip(curve.epochs.tolist(), curve.values.tolist(), strict=True))
                    column = [known.get(e, "") for e in answer.of_keys.epochs.tolist()]
                    columns[f"{_CURVES[name][0].replace(', ', ' ')} loss (nats)"] = column
            made.append(Table("over training", columns))
        scores = self._scores(selection)
        if scores is not None:
            found = {text: getattr(scores, name) for name, text in SETS.items() if getattr(scores, name) is not None}
            made.append(
                Table(
                    "mix",
                    {
                        "pairs": list(found),
                        "count": [x.count for x in found.values()],
                        "g": [selection.ablation.generalising] * len(found),
                        "m": [selection.ablation.memorising] * len(found),
                        "loss (nats)": [x.loss for x in found.values()],
                        "accuracy": [x.accuracy for x in found.values()],
                    },
                )
            )
        return made

    def describe(self, answer: TwoSolutions, selection: Selection) -> str:
        g, m = selection.ablation.generalising, selection.ablation.memorising
        text = (
            "Two solutions. Upper: mean square over pairs and outputs of P_K L, the projection of the logits on cosine "
            "and sine of w_k(a ± b) for k in K, and of the rest of the centred logits. Lower: loss of each alone, in "
            "nats: restricted (mean + P_K L; train and test pairs) and excluded (L − P_K L; train). "
            f"{self._sentence(answer)}."
        )
        scores = self._scores(selection)
        if selection.ablation.is_cut:
            text += f" What is taken away besides, not from the curves: {'; '.join(_cut_from(selection))}."
        if scores is not None and scores.test is not None and scores.test.loss is not None:
            text += (
                f" At epoch {epoch_text(selection.epoch)} with (g, m) = ({_number(g)}, {_number(m)}) the test loss is "
                f"{value_text(scores.test.loss)} and {percent(scores.test)} of the test pairs are right."
            )
        return text


def _value_at(curve: Curve | None, epoch: float) -> float | None:
    """The value at exactly that epoch; None where it is not measured."""
    if curve is None or not len(curve.epochs):
        return None
    i = min(int(np.searchsorted(curve.epochs, epoch)), len(curve.epochs) - 1)
    return float(curve.values[i]) if curve.epochs[i] == epoch else None


def _between(crossing: tuple[int, int]) -> str:
    return f"{epoch_text(crossing[0])} and {epoch_text(crossing[1])}"


def _has_zero(selection: Selection) -> bool:
    return selection.run is not None and selection.run.config.operation in ("multiply", "divide")


def _number(value: float) -> str:
    """Two digits, or as many as it takes."""
    short = f"{value:.2f}"
    return short if float(short) == value else f"{value:.6g}"


def _factors(ablation: Ablation) -> tuple[float, float]:
    return ablation.generalising, ablation.memorising


def _turned(ablation: Ablation, factors: dict[str, float]) -> Ablation:
    """The same with some factors changed."""
    g, m = _factors(ablation)
    return ablation.mixed(factors.get("generalising", g), factors.get("memorising", m))


def _cut_from(selection: Selection) -> list[str]:
    """What is taken away besides, in words."""
    return cut_texts(selection.ablation, 1 if selection.run is None else selection.run.config.n_layers)


def _pair(ablation: Ablation) -> str:
    return f"({ablation.generalising:g}, {ablation.memorising:g})"


def _legend() -> QLabel:
    made = label("", "muted")
    made.setTextFormat(Qt.TextFormat.RichText)
    made.setStyleSheet("font-size: 12px;")
    made.setWordWrap(True)
    made.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return made


def _right(made: QLabel) -> QLabel:
    made.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    made.setStyleSheet("font-size: 12px;")
    return made


class _Labelled(QWidget):
    """A plot under its legend."""

    def __init__(self, legend: QWidget, plot: QWidget) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(legend)
        column.addWidget(plot, 1)
        plot.setMinimumSize(120, 70)


class _Watched(QWidget):
    """Tells when its size changes."""

    def __init__(self, resized: Callable[[], None]) -> None:
        super().__init__()
        self._resized = resized

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._resized()


class Fader(QSlider):
    """A factor from 0 to 1.5 with a notch at 1; a double click brings it back there.

    moved : by hand only
    """

    moved = Signal(float)
    _MARGIN, _KNOB = 9, 7

    def __init__(self, name: str) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._name = name
        self.setRange(0, round(TOP * _TICKS))
        self.setSingleStep(1)
        self.setPageStep(10)
        self.setValue(_TICKS)
        self.setObjectName(f"solutions.{name}")
        self.setAccessibleName(f"Factor of what is {name}, in hundredths")
        self.setToolTip("Drag, or use the arrow keys; a double click brings back 1")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumWidth(90)
        self.actionTriggered.connect(self._acted)

    def sizeHint(self) -> QSize:
        return QSize(180, 26)

    def minimumSizeHint(self) -> QSize:
        return QSize(90, 26)

    def show_value(self, value: float) -> None:
        """Put it there without a word; not under a finger."""
        if not self.isSliderDown():
            blocked = QSignalBlocker(self)
            self.setValue(round(value * _TICKS))
            blocked.unblock()
            self.update()

    def place_of(self, ticks: float) -> float:
        """x of a value."""
        return self._MARGIN + (self.width() - 2 * self._MARGIN) * ticks / self.maximum()

    def _acted(self, action: int) -> None:
        if action != QAbstractSlider.SliderAction.SliderMove.value:
            self.moved.emit(self.sliderPosition() / _TICKS)

    def _go(self, x: float) -> None:
        ticks = round((x - self._MARGIN) / max(1, self.width() - 2 * self._MARGIN) * self.maximum())
        ticks = _TICKS if abs(ticks - _TICKS) <= _SNAP else max(0, min(ticks, self.maximum()))
        if ticks != self.value():
            self.setValue(ticks)
            self.moved.emit(ticks / _TICKS)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self._go(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            self._go(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.setSliderDown(False)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.setSliderDown(False)
        self.setValue(_TICKS)
        self.moved.emit(1.0)

    def event(self, event: QEvent) -> bool:
        """Its keys are its own while it has the focus, before the window's shortcuts."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in _KEYS:
            event.accept()
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter = theme.current(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, at, one = self.height() / 2, self.place_of(self.sliderPosition()), self.place_of(_TICKS)
        colour = QColor(getattr(look, self._name))
        painter.setPen(QPen(QColor(look.faint), 1))
        painter.drawLine(QPointF(one, middle - 8), QPointF(one, middle + 8))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(look.border))
        painter.drawRoundedRect(QRectF(self._MARGIN, middle - 2, self.width() - 2 * self._MARGIN, 4), 2, 2)
        painter.setBrush(colour)
        painter.drawRoundedRect(QRectF(self._MARGIN, middle - 2, at - self._MARGIN, 4), 2, 2)
        painter.setPen(QPen(QColor(look.accent if self.hasFocus() else look.panel), 2))
        painter.drawEllipse(QPointF(at, middle), self._KNOB, self._KNOB)


_KEYS = {
    Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End,
    Qt.Key.Key_PageUp, Qt.Key.Key_PageDown,
}  # fmt: skip


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
