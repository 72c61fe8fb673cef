"""The run on show and the reference: what differs in their settings, their course and their checkpoints."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from app.comparison import Comparison
from app.compute import Compute, Query
from app.export import Table
from app.numbers import epoch_text
from app.session import Selection, Session
from app.tracing import Tracing
from app.views.base import TracedView
from app.views.compare_plots import ComparePlots
from app.views.compare_table import CompareTable
from app.views.compare_words import HELP, rows
from app.views.controls import toggle
from engine.analysis.compare import Compared, Exact, Known, compare, exact_pair
from engine.analysis.embedding import MATRICES
from engine.runfile import Run

BOTH, NUMBERS, CURVES = "both", "numbers", "curves"
_ROOM = 560  # pixels of width that both need


class CompareView(TracedView):
    """A table of both runs, and their norms by rank."""

    name = "compare"
    title = "Compare"
    about = (
        "The run on show and a second one beside it: what is set differently, when each grokked, and what each is like "
        "at the checkpoints that stand beside each other."
    )
    help = HELP
    stands_beside = False

    def __init__(self, session: Session, compute: Compute) -> None:
        self._comparison = Comparison.of(session, compute)
        self._numbers: tuple[Query, tuple[Exact, Exact]] | None = None  # and what they answer
        self._heard = False  # whether the reference's traces tell when they grow
        super().__init__(session, compute)
        self._comparison.changed.connect(self.renew)

    def options(self) -> list[QWidget]:
        self._which = QComboBox()
        self._which.setObjectName("compare.which")
        self._which.setAccessibleName("Whose norms")
        self._which.setToolTip("The matrix whose frequencies are ranked")
        self._which.addItems(list(MATRICES))
        self._log = toggle("log", "compare.log", "Norms on a logarithmic axis")
        self._show_what = QComboBox()
        self._show_what.setObjectName("compare.show")
        self._show_what.setAccessibleName("Numbers, curves or both")
        self._show_what.setToolTip("Numbers alone where there is no room for both")
        self._show_what.addItems([BOTH, NUMBERS, CURVES])
        self._which.currentIndexChanged.connect(self.redraw)
        self._log.toggled.connect(self.redraw)
        self._show_what.currentIndexChanged.connect(lambda _: self._option_changed())
        return [self._which, self._log, self._show_what]

    def build(self) -> QWidget:
        content = QWidget()
        row = QHBoxLayout(content)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        self.table, self.plots = CompareTable(), ComparePlots()
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 6, 0)
        column.addWidget(self.table)
        column.addStretch(1)
        self._scroll = QScrollArea()
        self._scroll.setWidget(inner)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setMinimumWidth(CompareTable.WIDTH + 16)
        row.addWidget(self._scroll, 2)
        row.addWidget(self.plots, 3)
        self.plots.ranked.read = self._read_rank
        self.plots.difference.read = self._read_difference
        self.plots.difference.clicked = self._choose
        self.plots.distance.read = self._read_distance
        self.restyle()
        self._arrange()
        return content

    # -- asking --------------------------------------------------------------------------------------------

    def query(self, selection: Selection) -> Query | None:
        place = self._comparison.placed(selection)
        if place is None or selection.run is None or selection.reference is None:
            return None
        here = self._known(selection.run, selection.n_checkpoints, self.tracing)
        there = self._known(selection.reference, selection.n_reference, self._comparison.tracing)
        return Query(compare, (here, selection.step, there, place.step, selection.thresholds))

    def exact(self, selection: Selection) -> Query | None:
        place = self._comparison.placed(selection)
        if place is None or selection.reference is None:
            return None
        return Query(exact_pair, (selection.run, selection.step, selection.reference, place.step))

    def refresh(self, selection: Selection) -> None:
        if selection.reference is not None and self.on_show and not self._heard:
            self._heard = True
            self._comparison.tracing.grew.connect(self.renew)
        super().refresh(selection)

    def _known(self, run: Run, n: int, tracing: Tracing) -> Known:
        there = tracing.run is run and tracing.pinned is not None
        return (run, n, tracing.traces, tracing.pinned, tracing.revision) if there else (run, n, None, None, 0)

    def _why_empty(self, selection: Selection) -> str:
        if selection.run is not None and selection.n_checkpoints and selection.reference is None:
            return (
                "No second run yet.\nOpen one with Compare › Compare with a run … (Ctrl+Shift+O), "
                "or drop its file here with Ctrl held."
            )
        if selection.reference is not None and not selection.n_reference:
            return "Waiting for the first checkpoint of the reference …"
        return super()._why_empty(selection)

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, answer: Compared, selection: Selection) -> None:
        assert selection.run is not None
        assert selection.reference is not None
        self._tell(answer, selection)
        which, pair = self._which.currentText(), (selection.run.id, selection.reference.id)
        of = pair, which
        self.plots.ranked.show_norms(
            answer.here.ranked(which), answer.there.ranked(which), which, self._log.isChecked(), of
        )
        difference = answer.difference(which)
        _show(self.plots.difference.widget, difference is not None)
        if difference is not None:
            self.plots.difference.show_values(difference, selection.frequency, of)
        _show(self.plots.distance.widget, answer.distances is not None)
        if answer.distances is not None:
            self.plots.distance.show_distances(answer.distances)
        self.plots.say_why(answer.kinship.why_no_spectra or answer.kinship.why_no_distance)
        self.set_subtitle(f"{selection.reference.path.stem}: {self._comparison.said}")

    def write(self, numbers: tuple[Exact, Exact], selection: Selection) -> None:
        query = self.exact(selection)
        if query is not None:
            self._numbers = query, numbers
            if self.answer is not None:
                self._tell(self.answer, selection)

    def _tell(self, answer: Compared, selection: Selection) -> None:
        """The table; the numbers of the last checkpoint that was looked at are not those of this one."""
        assert selection.run is not None
        assert selection.reference is not None
        known = self._numbers
        numbers = known[1] if known is not None and known[0] == self.exact(selection) else None
        runs = selection.run, selection.reference
        ps = runs[0].config.p, runs[1].config.p
        names = runs[0].path.stem, runs[1].path.stem
        self.table.show_rows(names, rows(answer, self._comparison.moments(selection), numbers, ps))

    def restyle(self) -> None:
        self.plots.restyle()
        self.table.update()

    def _arrange(self) -> None:
        what = self._show_what.currentText()
        if what == BOTH and self.width() < _ROOM:
            what = NUMBERS
        _show(self._scroll, what != CURVES)
        _show(self.plots, what != NUMBERS)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._option_changed()

    def _option_changed(self) -> None:
        if self._content is not None:
            self._arrange()

    # -- pointer -------------------------------------------------------------------------------------------

    def _choose(self, k: int) -> None:
        self.session.select(frequency=None if k == self.session.selection.frequency else k)

    def _read_rank(self, rank: int | None) -> None:
        answer: Compared | None = self.answer
        if answer is None or rank is None:
            self.read_out("")
            return
        which = self._which.currentText()
        sides = (answer.here.ranked(which), answer.there.ranked(which))
        here, there = (f"{x[rank - 1]:.3g}" if rank <= len(x) else "none" for x in sides)
        self.read_out(f"rank {rank} in {which}: {here} here, {there} in the reference")

    def _read_difference(self, k: int | None) -> None:
        answer: Compared | None = self.answer
        if answer is None or k is None:
            self.read_out("")
            return
        which = self._which.currentText()
        here, there = answer.here.norms[which][k - 1], answer.there.norms[which][k - 1]
        self.read_out(f"k = {k} in {which}: {here:.3g} here, {there:.3g} there ({there - here:+.3g})".replace("-", "−"))

    def _read_distance(self, name: str | None) -> None:
        answer: Compared | None = self.answer
        there = answer is not None and answer.distances is not None and name is not None
        self.read_out(f"distance of {name}: {answer.distances[name]:.4f}" if there else "")  # type: ignore[index, union-attr]

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: Compared | None, selection: Selection) -> list[Table]:
        if answer is None:
            return []
        told = [row for row in self.table.rows if not row.is_head]
        names = {"here": [row.values[0] for row in told], "there": [row.values[1] for row in told]}
        made = [Table("numbers", {"what": [row.name for row in told], **names})]
        n = max(len(answer.here.norms["W_E"]), len(answer.there.norms["W_E"]))
        ranked: dict[str, Any] = {"rank": np.arange(1, n + 1)}
        for which in MATRICES:
            for where, side in (("here", answer.here), ("there", answer.there)):
                x = side.ranked(which)
                ranked[f"norm in {which}, {where}"] = np.pad(x, (0, n - len(x)), constant_values=np.nan)
        made.append(Table("ranked", ranked))
        found = {f"difference in {which}": answer.difference(which) for which in MATRICES}
        differences = {name: x for name, x in found.items() if x is not None}
        if differences:
            made.append(Table("difference", {"frequency k": np.arange(1, n + 1), **differences}))
        if answer.distances is not None:
            names = {"parameter": list(answer.distances)}
            made.append(Table("distance", {**names, "relative distance": list(answer.distances.values())}))
        return made

    def describe(self, answer: Compared | None, selection: Selection) -> str:
        if answer is None or selection.run is None or selection.reference is None:
            return self.about
        how = self._comparison.alignment(selection).value
        why = answer.kinship.why_no_spectra or answer.kinship.why_no_distance
        return (
            f"{selection.run.path.name} at epoch {epoch_text(answer.here.epoch)} (here) and "
            f"{selection.reference.path.name} at epoch {epoch_text(answer.there.epoch)} (there), aligned by {how}. "
            f"{self._comparison.said.capitalize()}. "
            f"Norms at each frequency of {self._which.currentText()} by rank. {why}"
        ).strip()


def _show(widget: QWidget, on: bool) -> None:
    if widget.isHidden() == on:
        widget.setVisible(on)
