"""The dialog that forks a run: from one of its checkpoints, with other settings, into a file of its own."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QButtonGroup, QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QRadioButton, QVBoxLayout

from app.compute import Answer, Query
from app.config_form import ConfigForm, duration, size
from app.form_dialog import FormDialog
from app.numbers import epoch_text
from app.theme import SPACE
from app.views.controls import label
from engine.config import Config, ConfigError, hint
from engine.densify import why_not
from engine.estimate import Estimate, estimate
from engine.lineage import changes
from engine.recording import forked, moves_nothing, replay_begin
from engine.runfile import Run

if TYPE_CHECKING:
    from app.main_window import MainWindow

_WIDTH = 600
_ASK_MS = 500  # of rest before the cost is measured
_LEFT = ("train_fraction", "data_seed", "lr", "weight_decay", "betas", "warmup")
_RIGHT = (
    "epochs", "checkpoint_every", "dense_every", "dense_until", "transition_every", "test_every", "device",
)  # fmt: skip
KEPT, FRESH = "kept", "fresh"
_KEPT_SAID = (
    "Go on with AdamW's averages and step count as they are. With unchanged settings the fork equals its parent bit "
    "for bit: a control."
)
_FRESH_SAID = (
    "Begin with empty averages and repeat the warm-up, {warmup} epochs from rate 0: without it a fresh AdamW kicks "
    "the weights (train loss 3e-7 to 1.2e-3 in 8 steps on the mainline)."
)


class ForkDialog(FormDialog):
    """What may be different in a fork, what its optimiser begins with, and what it will cost."""

    def __init__(self, window: MainWindow, run: Run, epoch: int) -> None:
        super().__init__(window, f"Fork {run.path.name} at epoch {epoch_text(epoch)}", "Fork and train")
        self.setMinimumWidth(_WIDTH)
        self.setObjectName("fork")
        self.run, self.epoch = run, epoch
        self._by_hand = False  # whether somebody chose the optimiser's state
        self._no_state = why_not(run)
        self._asked: Query | None = None
        self._ask = QTimer(self)
        self._ask.setSingleShot(True)
        self._ask.setInterval(_ASK_MS)
        self._ask.timeout.connect(self._ask_cost)
        window.compute.answered.connect(self._answered)
        self._lay_out()
        self.settings.edited.connect(self._tell)
        self.optimizer.buttonClicked.connect(self._choose)
        self.file.textChanged.connect(self._tell)
        self.go.clicked.connect(self.fork)
        self.settings.fill(run.config)
        self.settings.editors["weight_decay"].setFocus()

    # -- what it says --------------------------------------------------------------------------------------

    @property
    def mode(self) -> str:
        """`kept` or `fresh`."""
        return KEPT if self.optimizer.checkedId() == 0 else FRESH

    @property
    def overrides(self) -> dict[str, Any]:
        """The settings that are not the parent's."""
        config = self.settings.config
        if config is None:
            return {}
        before = asdict(self.run.config)
        return {name: value for name, value in asdict(config).items() if value != before[name]}

    def fork(self) -> None:
        """Begin to train it; what is wrong is said here."""
        path = Path(self.file.text()).expanduser()
        if path.exists():
            self.complain(f"{path} exists already; choose another name.")
        elif self._window.panel.fork(self.run, self.epoch, path, self.overrides, self.mode):
            self.accept()

    def _tell(self) -> None:
        """Everything that follows from the settings."""
        config = self._checked(self.settings.config)
        if config is not None and not self._by_hand:
            fresh = bool(self._no_state) or not moves_nothing(config, self.run.config)
            self.optimizer.button(int(fresh)).setChecked(True)
        for name, text in self.settings.labels.items():
            changed = name in self.overrides
            text.setProperty("role", "title" if changed else "muted")
            text.style().polish(text)
        wrong = next(iter(self.settings.wrong.values()), "") or self._window.branching.why_not_now()
        self.complain(wrong)
        self._summary.setText("" if config is None else self._summarised(config))
        advice = None if config is None else hint(config)
        self._advice.setText(advice or "")
        self._advice.setVisible(bool(advice))
        self._fresh_said.setText(_FRESH_SAID.format(warmup=(config or self.run.config).warmup))
        self.go.setEnabled(not wrong and bool(self.file.text().strip()))
        self._asked = None  # what is still on its way is of other settings
        self._cost.setText("")
        self._ask.start()
        self.fit()

    def _checked(self, config: Config | None) -> Config | None:
        """None, and marked, where it is no fork of this run."""
        try:
            return None if config is None else forked(self.run.config, self.epoch, self.overrides)
        except ConfigError as error:
            name, _, _ = str(error).partition(" ")
            self.settings.mark(name, str(error))
            return None

    def _summarised(self, config: Config) -> str:
        """What this fork is."""
        differs = changes(config, self.run.config)
        to_go = f"{epoch_text(config.epochs - self.epoch)} epochs from here"
        if not differs and self.mode == KEPT:
            said = "A control: nothing that moves the weights is changed, so it must equal its parent bit for bit."
        elif not differs:
            said = "Nothing is changed but the optimiser: what does the interruption alone do?"
        else:
            said = f"{', '.join(differs)[:1].upper()}{', '.join(differs)[1:]}, optimiser {self.mode}."
        return f"{said} {self._pairs(config)}{to_go}."

    def _pairs(self, config: Config) -> str:
        """Another fraction takes more or fewer pairs of the same shuffle."""
        old, new = self.run.config, config
        if new.n_train == old.n_train or new.data_seed != old.data_seed:
            return ""
        what = (
            f"the parent's and {epoch_text(new.n_train - old.n_train)} of its test pairs"
            if new.n_train > old.n_train
            else f"the first {epoch_text(new.n_train)} of the parent's {epoch_text(old.n_train)}"
        )
        return f"Training pairs: {what}, in the order of the same shuffle. "

    def _choose(self) -> None:
        self._by_hand = True
        self._tell()

    # -- what it costs -------------------------------------------------------------------------------------

    @property
    def _to_replay(self) -> int:
        """Epochs that are replayed before the fork begins."""
        begin = replay_begin(self.run, self.epoch) if self.mode == KEPT else self.epoch
        return 0 if begin is None else self.epoch - begin

    def _ask_cost(self) -> None:
        config = self.settings.config
        if config is None or not self.go.isEnabled():
            return
        self._asked = Query(estimate, (config, self.epoch, self._to_replay))
        self._cost.setText("measuring …")
        self._window.compute.ask((self, "cost"), self._asked)

    def _answered(self, query: Query, answer: Answer) -> None:
        if query != self._asked:
            return
        if answer.error is not None:
            self._cost.setText(str(answer.error))
            return
        cost: Estimate = answer.value
        replay = f", {epoch_text(self._to_replay)} of them replayed first to recover the state" * (self._to_replay > 0)
        self._cost.setText(f"about {duration(cost.seconds)} on this machine{replay}; {size(cost.bytes)} on disk")

    # -- parts ---------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.settings = ConfigForm("fork", (_LEFT, _RIGHT))
        self.column.addWidget(self.settings)
        self.column.addLayout(self._states())
        self._summary, self._advice, self._cost = label("", "value"), label("", "hint"), label("", "muted")
        self._cost.setMinimumHeight(self._cost.fontMetrics().height() + 2)  # it comes late: nothing moves for it
        for name, part in (("summary", self._summary), ("hint", self._advice), ("cost", self._cost)):
            part.setObjectName(f"fork.{name}")
            part.setWordWrap(True)
        self.wrong.setObjectName("fork.wrong")
        self.column.addLayout(self._file_row())
        for part in (self._summary, self._advice, self._cost, self.wrong):
            self.column.addWidget(part)
        self.column.addLayout(self.buttons)
        self.go.setObjectName("fork.go")

    def _states(self) -> QVBoxLayout:
        """The optimiser's state: kept or fresh, and what each means."""
        column = QVBoxLayout()
        column.setSpacing(4)
        column.addWidget(label("Optimiser state", "group"))
        self.optimizer = QButtonGroup(self)
        kept = label(self._no_state or _KEPT_SAID, "muted")
        self._fresh_said = label(_FRESH_SAID, "muted")
        for i, (name, said) in enumerate(((KEPT, kept), (FRESH, self._fresh_said))):
            button = QRadioButton(name)
            button.setObjectName(f"fork.{name}")
            button.setAccessibleName(f"Optimiser state {name}")
            button.setFixedWidth(72)
            said.setWordWrap(True)
            self.optimizer.addButton(button, i)
            row = QHBoxLayout()
            row.setSpacing(SPACE)
            row.addWidget(button)
            row.addWidget(said, 1)
            column.addLayout(row)
        self.optimizer.button(0).setEnabled(not self._no_state)
        self.optimizer.button(int(bool(self._no_state))).setChecked(True)
        return column

    def _file_row(self) -> QHBoxLayout:
        self.file = QLineEdit(str(suggested_file(self.run, self._window)))
        self.file.setObjectName("fork.file")
        self.file.setAccessibleName("File of the fork")
        self.file.setToolTip("Where the fork is written: a run file of its own, with its parent recorded")
        browse = QPushButton("Choose …")
        browse.setObjectName("fork.browse")
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        name = label("File", "muted")
        name.setMinimumWidth(72)
        row.addWidget(name)
        row.addWidget(self.file, 1)
        row.addWidget(browse)
        return row

    def _browse(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Run file of the fork", self.file.text(), "Run files (*.h5)")
        if name:
            self.file.setText(name if name.endswith(".h5") else name + ".h5")


def suggested_file(run: Run, window: MainWindow) -> Path:
    """A name that is free, beside the parent where that can be written, else where trainings go."""
    folder = run.path.parent
    if run.reduced_precision or not os.access(folder, os.W_OK):
        folder = window.panel.folder
    n = 1
    while (folder / f"{run.path.stem}-fork-{n}.h5").exists():
        n += 1
    return folder / f"{run.path.stem}-fork-{n}.h5"
