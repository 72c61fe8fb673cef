"""The dialog that asks for more checkpoints: which stretch, how close, and what it will cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from app.compute import Answer, Query
from app.config_form import duration, size
from app.form_dialog import FormDialog, choice, line, number_box
from app.numbers import epoch_text
from app.views.controls import label
from engine.config import ConfigError
from engine.densify import Plan, plan, why_not
from engine.estimate import estimate_replay
from engine.runfile import Run, RunError

if TYPE_CHECKING:
    from app.main_window import MainWindow

_ASK_MS = 500  # of rest before the time is measured
_AS_TYPED = "as typed"
_AROUND = "around the shown checkpoint"
_NEIGHBOURS = 2  # checkpoints on each side of the shown one
_NEW = 50  # new checkpoints, about, of the spacing that is suggested


class DensifyDialog(FormDialog):
    """A stretch of the run, and the epochs between its checkpoints to be."""

    def __init__(self, window: MainWindow, run: Run, epoch: int) -> None:
        super().__init__(window, f"Densify {run.path.name}", "Replay")
        self.setObjectName("densify")
        self.run, self.epoch = run, epoch
        self.plan: Plan | None = None
        self._asked: Query | None = None
        self._ask = QTimer(self)
        self._ask.setSingleShot(True)
        self._ask.setInterval(_ASK_MS)
        self._ask.timeout.connect(self._ask_cost)
        self._stretches = stretches(run, epoch, [(s.name, s.begin, s.end) for s in window.timeline.slider.phases])
        self._lay_out()
        window.compute.answered.connect(self._answered)
        self.stretch.currentIndexChanged.connect(self._take_stretch)
        for box in (self.first, self.last):
            box.valueChanged.connect(self._typed)
        self.every.valueChanged.connect(self._tell)
        self.go.clicked.connect(self.replay)
        self._take_stretch()

    def replay(self) -> None:
        """Begin; what is wrong is said here."""
        if self.plan is not None:
            self._window.densifying.start(self.run, self.plan)
            self.accept()

    # -- what it says --------------------------------------------------------------------------------------

    def _take_stretch(self) -> None:
        chosen = self._stretches.get(self.stretch.currentText())
        if chosen is not None:
            for box, epoch in ((self.first, chosen[0]), (self.last, chosen[1])):
                box.blockSignals(True)
                box.setValue(epoch)
                box.blockSignals(False)
            self.every.blockSignals(True)
            self.every.setValue(suggested_spacing(chosen[1] - chosen[0]))
            self.every.blockSignals(False)
        self._tell()

    def _typed(self) -> None:
        self.stretch.blockSignals(True)
        self.stretch.setCurrentText(_AS_TYPED)
        self.stretch.blockSignals(False)
        self._tell()

    def _tell(self) -> None:
        """Everything that follows from the stretch."""
        self.plan, wrong = None, self._window.branching.why_not_now()
        try:
            self.plan = plan(self.run, self.first.value(), self.last.value(), self.every.value())
        except (ConfigError, RunError) as error:
            wrong = wrong or str(error)
        self.complain(wrong)
        self._said.setText("" if self.plan is None else self._summarised(self.plan))
        self._asked = None  # what is still on its way is of another stretch
        self._cost.setText("")
        self.go.setEnabled(not wrong and self.plan is not None and bool(self.plan.wanted))
        if self.go.isEnabled():
            self._ask.start()
        self.fit()

    def _summarised(self, wanted: Plan) -> str:
        n = len(wanted.wanted)
        if not n:
            return "Every checkpoint of this stretch is there already."
        return (
            f"{epoch_text(n)} new checkpoint{'s' * (n > 1)}: trained again from epoch {epoch_text(wanted.begin)}, where"
            f" the optimiser's state was kept, to the stored checkpoint at {epoch_text(wanted.end)}, which must come"
            " out bit for bit."
        )

    def _ask_cost(self) -> None:
        if self.plan is None:
            return
        epochs, n = self.plan.end - self.plan.begin, len(self.plan.wanted)
        self._asked = Query(estimate_replay, (self.run.config, epochs, n))
        self._cost.setText("measuring …")
        self._window.compute.ask((self, "cost"), self._asked)

    def _answered(self, query: Query, answer: Answer) -> None:
        if query != self._asked or self.plan is None:
            return
        if answer.error is not None:
            self._cost.setText(str(answer.error))
        else:
            self._cost.setText(f"about {duration(answer.value)} on this machine, {size(self.plan.bytes)} on disk")

    # -- parts ---------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        first, last = (int(self.run.epochs[i]) for i in (0, -1))
        about = label(
            why_not(self.run)
            or "A stretch of the run is trained again, exactly, and more of its checkpoints are kept, beside the run.",
            "muted",
        )
        about.setWordWrap(True)
        about.setObjectName("densify.about")
        self.stretch = choice(
            "densify.stretch", "Which stretch of the run", {name: name for name in (*self._stretches, _AS_TYPED)}
        )
        self.first = number_box("densify.from", "First epoch", first, last, first)
        self.last = number_box("densify.to", "Last epoch", first, last, last)
        self.every = number_box("densify.every", "Epochs between checkpoints", 1, max(1, last - first), 1)
        self.row("Stretch", self.stretch)
        self.row("Epochs", line(self.first, label("to", "muted"), self.last))
        self.row("Every", line(self.every, label("epochs: at the multiples of it", "muted")))
        self._said, self._cost = label("", "value"), label("", "muted")
        self._cost.setMinimumHeight(self._cost.fontMetrics().height() + 2)  # it comes late: nothing moves for it
        self._said.setObjectName("densify.summary")
        self._cost.setObjectName("densify.cost")
        self.wrong.setObjectName("densify.wrong")
        self.go.setObjectName("densify.go")
        self.column.addWidget(about)
        self.column.addLayout(self.form)
        for part in (self._said, self._cost, self.wrong):
            part.setWordWrap(True)
            self.column.addWidget(part)
        self.column.addLayout(self.buttons)


def stretches(run: Run, epoch: int, phases: Sequence[tuple[str, float, float]]) -> dict[str, tuple[int, int]]:
    """What may be wanted, by name: first and last epoch, each that of a checkpoint.  phases : name, begin, end"""
    epochs = run.epochs.tolist()
    step = run.step_at(epoch)
    found = {_AROUND: (epochs[max(0, step - _NEIGHBOURS)], epochs[min(len(epochs) - 1, step + _NEIGHBOURS)])}
    for name, begin, end in phases:
        found[name] = epochs[_nearest(run, begin)], epochs[_nearest(run, end)]
    found["the whole run"] = epochs[0], epochs[-1]
    return {name: (first, last) for name, (first, last) in found.items() if first < last}


def _nearest(run: Run, epoch: float) -> int:
    return int(abs(run.epochs - epoch).argmin())


def suggested_spacing(epochs: int) -> int:
    """A round number of epochs that gives some fifty checkpoints."""
    rounds = (m * int(10**i) for i in range(9) for m in (1, 2, 5))
    return next(spacing for spacing in rounds if epochs <= _NEW * spacing)
