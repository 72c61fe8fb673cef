"""The two solutions of one model over training, and two faders that turn each of them up or down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.compute import Answer, Compute, Query
from app.export import Table
from app.numbers import epoch_text
from app.session import Selection, Session
from app.theme import SPACE
from app.views.ablated import STALE_MS, asked
from app.views.base import TracedView
from app.views.controls import toggle
from app.views.pair_classes import has_basis
from app.views.solutions_desk import SolutionsDesk
from app.views.solutions_fader import TOP
from app.views.solutions_plots import SolutionsPlots
from app.views.solutions_words import (
    CORNERS,
    HELP,
    curves_table,
    cut_from,
    described,
    factors_of,
    mix_table,
    number,
    sentence,
)
from engine.analysis.ablation import Ablation
from engine.analysis.solutions import AnswerMap, ClassScores, TwoSolutions, answer_map, landscape_row, two_solutions

_PATIENCE_MS = 60  # a drag waits for its own numbers, but no longer
_CALM_MS = 500  # of the selection, before the map of the test loss is begun
_ROOMY = 700  # pixels: width of the view with the map


class SolutionsView(TracedView):
    """Power and loss of P_K L and of the rest; the faders write `Selection.ablation`."""

    name = "solutions"
    title = "Two solutions"
    about = (
        "The circuit that generalises, P_K L, and the rest of the logits, which memorises: how strong each is over "
        "training, how well each does alone, and what the model answers when either is turned up or down."
    )
    help = HELP

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
        self._plots = SolutionsPlots(self.session)
        self._plots.read = self.read_out
        self._desk = SolutionsDesk()
        self._desk.moved.connect(self._move)
        self._desk.typed.connect(self._typed)
        self._desk.chosen.connect(self._choose)
        self._desk.landscape.hovered.connect(self._hovered_map)
        content = _Watched(self._arrange)
        content.setMinimumSize(446, 230)  # less than its parts want: they make room for each other
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addLayout(self._plots.layout, 1)
        column.addWidget(self._desk)
        self.restyle()
        return content

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
            self._desk.landscape.put(int(query.args[3]), answer.value)  # type: ignore[call-overload]
            self._row = None
            self._explore_soon.start()
        if self._moved is not None:
            self._next.start()

    # -- faders --------------------------------------------------------------------------------------------

    def _move(self, factors: dict[str, float]) -> None:
        """A fader moves by hand. What it changes is told no faster than the numbers follow."""
        now = self._moved or self.session.selection.ablation
        self._moved = _turned(now, factors)
        self._desk.show_ablation(self._moved)
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
        self._desk.show_ablation(chosen)
        self.session.select(ablation=chosen)

    def _typed(self, name: str, value: float) -> None:
        """A number by hand; what is none is put back."""
        now = self.session.selection.ablation
        if not 0 <= value <= TOP:
            self._desk.show_ablation(now)
        elif value != getattr(now, name):
            self._choose(_turned(now, {name: value}))

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, answer: TwoSolutions, selection: Selection) -> None:
        if not self._is_whole(answer):
            self._say(self._why_not(answer))
            return
        self._drawn = answer
        self._plots.show_answer(answer, selection.epoch)
        if self._moved is None:
            self._desk.show_ablation(selection.ablation)
        self._tell(selection)
        self._renew_map(selection)
        self.set_subtitle(" · ".join([*cut_from(selection), sentence(answer)]))

    def _why_not(self, answer: TwoSolutions) -> str:
        if answer.no_basis:
            return f"{answer.no_basis}\nSo there is no circuit to tell from a memory."
        if answer.pinned is None:
            return self.tracing.trouble or "Opening the measured curves …"
        when = epoch_text(answer.pinned.epoch)
        return f"No key frequency yet at epoch {when}:\nthere is no generalising part to tell from the rest."

    def _rescale(self) -> None:
        self._plots.rescale(self._log_x.isChecked(), self._log_power.isChecked())

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
        self._desk.show_scores(scores, selection.ablation.is_spectral and _has_zero(selection))

    def write(self, numbers: AnswerMap, selection: Selection) -> None:
        if self._exact is not None:
            self._numbers = (self._exact, numbers)
            self._tell(selection)

    def _hovered_map(self, at: tuple[float, float, float] | None) -> None:
        if at is None:
            self.read_out("")
            return
        g, m, loss = at
        self.read_out(
            f"g = {number(g)}, m = {number(m)}: test loss " + ("…" if loss != loss else f"about {loss:.2g} nats")
        )

    # -- the map of the test loss --------------------------------------------------------------------------

    def _renew_map(self, selection: Selection) -> None:
        """Begin again for another checkpoint, once the selection rests."""
        of = (selection.run, selection.step, self._keys(), selection.ablation.cuts)
        if of != self._landscape_of:
            self._landscape_of, self._row = of, None
            self._desk.landscape.clear()
        self._calm.start()

    def _explore(self) -> None:
        """Ask for the next row of the map, while nobody waits for anything."""
        selection = self.session.selection
        row = self._desk.landscape.missing
        if row is None or self._row is not None or not self._desk.landscape.isVisible() or self._moved is not None:
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
        self._plots.arrange(content.width(), content.height())
        self._desk.arrange(content.width())
        self._desk.landscape.setVisible(self._show_map.isChecked() and content.width() >= _ROOMY)
        if self._desk.landscape.isVisible():
            self._calm.start()

    def restyle(self) -> None:
        self._plots.restyle()
        self._desk.restyle()

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: TwoSolutions, selection: Selection) -> list[Table]:
        curves, scores = curves_table(answer), self._scores(selection)
        made = [] if curves is None else [curves]
        return made if scores is None else [*made, mix_table(scores, selection.ablation)]

    def describe(self, answer: TwoSolutions, selection: Selection) -> str:
        return described(answer, selection, self._scores(selection))


def _has_zero(selection: Selection) -> bool:
    return selection.run is not None and selection.run.config.operation in ("multiply", "divide")


def _turned(ablation: Ablation, factors: dict[str, float]) -> Ablation:
    """The same with some factors changed."""
    g, m = factors_of(ablation)
    return ablation.mixed(factors.get("generalising", g), factors.get("memorising", m))


class _Watched(QWidget):
    """Tells when its size changes."""

    def __init__(self, resized: Callable[[], None]) -> None:
        super().__init__()
        self._resized = resized

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._resized()
