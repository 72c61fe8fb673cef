"""What if from here: forks and replays begun in the window, and the way between relatives, by real clicks."""

import gc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QMenu,
    QMessageBox,
    QPushButton,
    QRadioButton,
    QSpinBox,
    QToolButton,
)
from pytestqt.qtbot import QtBot

from app.branching import TRAINING
from app.densify_dialog import DensifyDialog, stretches, suggested_spacing
from app.densifying import BUSY
from app.family import Family
from app.family_lane import Lane
from app.family_tree import MOST
from app.fork_dialog import ForkDialog
from app.main_window import MainWindow
from app.session import Session
from app.views.legend import value_text
from app.views.loss import LossView
from engine import recording
from engine.runfile import Run

Settle = Callable[[MainWindow], None]
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that fails while a run is trained must not wait for an answer."""
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", classmethod(lambda *_: yes))


@pytest.fixture
def parent(run_path: Path, tmp_path: Path) -> Run:
    """A copy: it gets relatives, and more checkpoints."""
    (tmp_path / "runs").mkdir()
    copy = tmp_path / "runs" / "parent.h5"
    copy.write_bytes(run_path.read_bytes())
    with h5py.File(copy, "r+") as file:
        file.attrs["run_id"] = "parent"
    return Run.open(copy, probe=False)


@pytest.fixture
def shown(window: MainWindow, parent: Run, settle: Settle) -> MainWindow:
    window.show_run(parent, epoch=100)
    settle(window)
    return window


def fork_dialog(window: MainWindow) -> ForkDialog:
    window.branching.fork()
    assert isinstance(window.branching.dialog, ForkDialog)
    return window.branching.dialog


def densify_dialog(window: MainWindow) -> DensifyDialog:
    window.branching.densify()
    assert isinstance(window.branching.dialog, DensifyDialog)
    return window.branching.dialog


def fill(dialog: ForkDialog, **values: object) -> None:
    for name, value in values.items():
        editor = dialog.findChild(QLineEdit, f"fork.{name}")
        assert isinstance(editor, QLineEdit), name
        editor.setText(str(value))


def text(dialog: ForkDialog | DensifyDialog, name: str) -> str:
    found = dialog.findChild(QLabel, name)
    assert isinstance(found, QLabel)
    return found.text()


def click(qtbot: QtBot, dialog: ForkDialog | DensifyDialog, name: str) -> None:
    button = dialog.findChild(QPushButton, name)
    assert isinstance(button, QPushButton)
    assert button.isEnabled(), text(dialog, f"{dialog.objectName()}.wrong")
    qtbot.mouseClick(button, LEFT)


def trained(window: MainWindow, qtbot: QtBot) -> Run:
    """Wait for the end of the training.  -> the run on show"""
    qtbot.waitUntil(lambda: not window.panel.is_training, timeout=60_000)
    run = window.session.selection.run
    assert run is not None
    return run


def related(window: MainWindow, qtbot: QtBot, n: int) -> list[str]:
    """Wait until so many relatives are known.  -> their names"""
    qtbot.waitUntil(lambda: len(window.family.members) == n and not window.family.looking, timeout=30_000)
    return [member.header.path.stem for member in window.family.members]


def lane(window: MainWindow, name: str) -> Lane:
    return next(lane for lane in window.timeline.tree.lanes if lane.member.header.path.stem == name)


def fork(parent: Run, name: str, epoch: int, **changed: object) -> Run:
    path = parent.path.with_name(f"{name}.h5")
    for _ in recording.fork(parent, path, epoch, changed, say=lambda said: None).events():
        pass
    return Run.open(path, probe=False)


# -- fork ------------------------------------------------------------------------------------------------------


def test_that_a_fork_from_the_dialog_is_trained_and_its_parent_is_a_click_away(
    shown: MainWindow, qtbot: QtBot, parent: Run, settle: Settle
) -> None:
    shown.session.select(frequency=3, neurons=((0, 5),))
    assert not shown.timeline.tree.isVisible()
    dialog = fork_dialog(shown)
    fill(dialog, weight_decay=0, train_fraction=0.7)
    assert "Weight decay 1 → 0" not in text(dialog, "fork.summary")  # the first of two changes is named first
    assert "weight decay 1 → 0, optimiser fresh" in text(dialog, "fork.summary")
    with qtbot.waitSignal(shown.panel.started, timeout=30_000):
        click(qtbot, dialog, "fork.go")
    run = trained(shown, qtbot)
    assert run.id != parent.id
    assert (run.origin.parent, run.origin.epoch, run.origin.optimizer) == (parent.id, 100, "fresh")
    assert (run.config.weight_decay, run.config.train_fraction) == (0.0, 0.7)
    assert run.path == parent.path.with_name("parent-fork-1.h5")
    assert shown.session.selection.epoch == 200  # the window followed it
    assert (shown.session.selection.frequency, shown.session.selection.neurons) == (3, ((0, 5),))
    assert related(shown, qtbot, 2) == ["parent", "parent-fork-1"]
    assert shown.timeline.tree.isVisible()
    assert [lane.shown for lane in shown.timeline.tree.lanes] == [False, True]
    shown.session.scrub_to_epoch(140)
    qtbot.mouseClick(lane(shown, "parent"), LEFT)
    qtbot.waitUntil(lambda: shown.session.selection.run == parent, timeout=30_000)
    assert shown.session.selection.epoch == 140
    assert (shown.session.selection.frequency, shown.session.selection.neurons) == (3, ((0, 5),))
    assert [lane.shown for lane in shown.timeline.tree.lanes] == [True, False]
    settle(shown)
    shown.session.scrub_to_epoch(20)  # before the fork begins
    qtbot.mouseClick(lane(shown, "parent-fork-1"), LEFT)
    assert shown.session.selection.run == run  # it was open: no waiting
    assert shown.session.selection.epoch == 100
    settle(shown)


@pytest.mark.parametrize("epoch", [100, 200 - 20])
def test_that_a_fork_with_nothing_changed_is_said_to_be_a_control_and_is_one(
    shown: MainWindow, qtbot: QtBot, parent: Run, epoch: int
) -> None:
    shown.session.scrub_to_epoch(epoch)
    dialog = fork_dialog(shown)
    assert dialog.mode == "kept"
    assert "bit for bit" in text(dialog, "fork.summary")
    click(qtbot, dialog, "fork.go")
    run = trained(shown, qtbot)
    assert run.origin.optimizer == "kept"
    for step, at in enumerate(run.epochs.tolist()):
        there = parent.weights(parent.step_at(at))
        assert all(np.array_equal(value, there[name]) for name, value in run.weights(step).items())
    curve = parent.train_curve()
    assert curve is not None
    assert np.array_equal(run.train_curve(), curve[epoch:])


def test_that_the_optimisers_state_follows_the_settings_until_it_is_chosen(shown: MainWindow, qtbot: QtBot) -> None:
    dialog = fork_dialog(shown)
    kept, fresh = (dialog.findChild(QRadioButton, f"fork.{name}") for name in ("kept", "fresh"))
    assert isinstance(kept, QRadioButton)
    assert isinstance(fresh, QRadioButton)
    fill(dialog, lr=0.02)
    assert dialog.mode == "fresh"
    fill(dialog, lr=0.01)
    assert dialog.mode == "kept"
    fill(dialog, checkpoint_every=7)  # moves no weights
    assert dialog.mode == "kept"
    fresh.click()
    assert "interruption alone" in text(dialog, "fork.summary")
    fill(dialog, lr=0.02)
    kept.click()
    assert dialog.mode == "kept"
    fill(dialog, warmup=3)
    assert dialog.mode == "kept"
    assert dialog.overrides == {"lr": 0.02, "warmup": 3, "checkpoint_every": 7}
    dialog.reject()


@pytest.mark.parametrize(
    ("fraction", "said"), [(0.7, "the parent's and 12 of its test pairs"), (0.5, "the first 60 of the parent's 72")]
)
def test_that_another_fraction_says_which_pairs(shown: MainWindow, fraction: float, said: str) -> None:
    from engine.tasks import TASKS, split

    dialog = fork_dialog(shown)
    fill(dialog, train_fraction=fraction)
    assert said in text(dialog, "fork.summary")
    before, after = (set(split(TASKS["add"], 11, f, 0).train.tolist()) for f in (0.6, fraction))
    assert after > before if fraction > 0.6 else after < before
    dialog.reject()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("weight_decay", -1, "at least 0"), ("epochs", 100, "must be above 100"), ("lr", "much", "must be a number")],
)
def test_that_a_wrong_setting_is_marked_and_cannot_be_forked(
    shown: MainWindow, name: str, value: object, said: str
) -> None:
    dialog = fork_dialog(shown)
    fill(dialog, **{name: value})
    assert said in text(dialog, "fork.wrong")
    assert dialog.settings.editors[name].property("wrong")
    assert not dialog.go.isEnabled()
    fill(dialog, **{name: {"weight_decay": 0.5, "epochs": 300, "lr": 0.1}[name]})
    assert dialog.go.isEnabled()
    assert not dialog.settings.editors[name].property("wrong")
    dialog.reject()


def test_that_a_file_that_is_there_is_not_taken(shown: MainWindow, qtbot: QtBot, parent: Run) -> None:
    dialog = fork_dialog(shown)
    dialog.file.setText(str(parent.path))
    click(qtbot, dialog, "fork.go")
    assert "exists already" in text(dialog, "fork.wrong")
    assert not shown.panel.is_training
    dialog.reject()


def test_that_the_cost_of_a_fork_counts_what_is_replayed(shown: MainWindow, qtbot: QtBot) -> None:
    dialog = fork_dialog(shown)
    qtbot.waitUntil(lambda: "on disk" in text(dialog, "fork.cost"), timeout=30_000)
    assert "100 of them replayed first" in text(dialog, "fork.cost")
    fill(dialog, weight_decay=0)
    qtbot.waitUntil(lambda: "on disk" in text(dialog, "fork.cost"), timeout=30_000)
    assert "replayed" not in text(dialog, "fork.cost")
    dialog.reject()


def test_that_a_fork_can_be_stopped_while_its_state_is_replayed(
    shown: MainWindow, qtbot: QtBot, parent: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.recording.YIELD_SECONDS", 0)
    dialog = fork_dialog(shown)
    shown.panel.thread_in_training = None
    click(qtbot, dialog, "fork.go")
    shown.panel.pause_or_resume()
    shown.panel.stop()
    qtbot.waitUntil(lambda: not shown.panel.is_training, timeout=30_000)
    assert "stopped" in shown.panel._state.text()
    assert shown.session.selection.run == parent or shown.session.selection.run is not None
    assert not parent.path.with_name(".parent-fork-1.h5.lock").exists()


@pytest.fixture
def bare(parent: Run) -> Run:
    """As an imported or a bundled run."""
    path = parent.path.with_name("imported.h5")
    path.write_bytes(parent.path.read_bytes())
    with h5py.File(path, "r+") as file:
        del file["optimizer"]
        file.attrs["run_id"] = "imported"
    return Run.open(path, probe=False)


def test_that_a_run_without_optimiser_states_offers_what_is_possible(
    window: MainWindow, qtbot: QtBot, bare: Run
) -> None:
    window.show_run(bare, epoch=100)
    dialog = fork_dialog(window)
    kept = dialog.findChild(QRadioButton, "fork.kept")
    assert isinstance(kept, QRadioButton)
    assert not kept.isEnabled()
    assert dialog.mode == "fresh"
    assert any("no optimiser state" in found.text() for found in dialog.findChildren(QLabel))
    fill(dialog, epochs=120)
    click(qtbot, dialog, "fork.go")
    run = trained(window, qtbot)
    assert (run.origin.parent, run.origin.optimizer) == ("imported", "fresh")
    window.show_run(bare, epoch=100)
    again = densify_dialog(window)
    assert "no optimiser state" in text(again, "densify.wrong")
    assert not again.go.isEnabled()
    again.reject()


def test_that_the_bundled_run_can_be_forked_fresh_only(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.opened, timeout=30_000):
        window.showing.open_demonstration()
    dialog = fork_dialog(window)
    assert dialog.mode == "fresh"
    assert any(found.text().startswith("A bundled run holds") for found in dialog.findChildren(QLabel))
    assert dialog.file.text().startswith(str(window.panel.folder))  # never among the program's own files
    dialog.reject()


# -- one at a time ---------------------------------------------------------------------------------------------


def test_that_nothing_is_forked_or_replayed_while_a_run_is_trained(shown: MainWindow, qtbot: QtBot) -> None:
    dialog = fork_dialog(shown)
    fill(dialog, epochs=1_000_000)
    with qtbot.waitSignal(shown.panel.started, timeout=30_000):
        click(qtbot, dialog, "fork.go")
    qtbot.waitUntil(lambda: shown.session.selection.n_checkpoints > 1, timeout=30_000)
    for again in (fork_dialog(shown), densify_dialog(shown)):
        assert text(again, f"{again.objectName()}.wrong") == TRAINING
        assert not again.go.isEnabled()
        again.reject()
    shown.panel.stop()
    qtbot.waitUntil(lambda: not shown.panel.is_training, timeout=30_000)


def test_that_a_relative_in_training_is_followed_again_when_one_comes_back(
    shown: MainWindow, qtbot: QtBot, parent: Run
) -> None:
    """It is read through its writer's handle, never opened a second time."""
    dialog = fork_dialog(shown)
    fill(dialog, epochs=1_000_000)
    with qtbot.waitSignal(shown.panel.started, timeout=30_000):
        click(qtbot, dialog, "fork.go")
    related(shown, qtbot, 2)
    qtbot.mouseClick(lane(shown, "parent"), LEFT)
    assert shown.session.selection.run == parent
    qtbot.mouseClick(lane(shown, "parent-fork-1"), LEFT)
    thread = shown.panel.thread_in_training
    assert thread is not None
    assert shown.session.selection.run is thread.run_in_training
    n = shown.session.selection.n_checkpoints
    qtbot.waitUntil(lambda: shown.session.selection.n_checkpoints > n, timeout=30_000)
    shown.panel.stop()
    qtbot.waitUntil(lambda: not shown.panel.is_training, timeout=30_000)


# -- densify ---------------------------------------------------------------------------------------------------


def set_stretch(dialog: DensifyDialog, **values: int) -> None:
    for name, value in values.items():
        box = dialog.findChild(QSpinBox, f"densify.{name}")
        assert isinstance(box, QSpinBox)
        box.setValue(value)


def test_that_a_dense_stretch_is_on_the_slider_and_nothing_else_moves(
    shown: MainWindow, qtbot: QtBot, parent: Run, settle: Settle
) -> None:
    shown.session.select(frequency=3, pair=(2, 4))
    before, history = parent.epochs.tolist(), shown.session.can_undo
    dialog = densify_dialog(shown)
    assert "new checkpoint" in text(dialog, "densify.summary")
    set_stretch(dialog, **{"from": 60, "to": 140, "every": 4})
    assert "16 new checkpoints: trained again from epoch 0" in text(dialog, "densify.summary")
    qtbot.waitUntil(lambda: "on disk" in text(dialog, "densify.cost"), timeout=30_000)
    with qtbot.waitSignal(shown.densifying.denser, timeout=60_000):
        click(qtbot, dialog, "densify.go")
    s = shown.session.selection
    assert s.run is not None
    assert s.run.id == parent.id
    assert s.n_checkpoints == len(before) + 16
    assert (s.epoch, s.frequency, s.pair) == (100, 3, (2, 4))
    assert shown.session.can_undo == history
    assert shown.timeline.slider.maximum() == s.n_checkpoints - 1
    assert shown.timeline.slider._told(s.step) == "epoch 100"
    settle(shown)
    assert "bit for bit" in shown._status.text()
    assert all(not view.waiting for view in shown.views if view.on_show)
    qtbot.keyClick(shown.timeline.slider, Qt.Key.Key_Right)
    assert shown.session.selection.epoch == 104
    qtbot.waitUntil(lambda: shown.tracing.traces is not None and not shown.tracing.left, timeout=60_000)
    assert set(s.run.epochs.tolist()) <= set(shown.tracing.traces.epochs.tolist())
    assert parent.epochs.tolist() == before  # who still holds the old run sees what it saw


def test_that_answers_of_the_thin_list_are_not_taken_for_the_dense_one(
    shown: MainWindow, qtbot: QtBot, settle: Settle, parent: Run
) -> None:
    """Step 20 is another checkpoint afterwards; a cached answer of step 20 must not be shown for it."""
    from app.views.spectrum import SpectrumView
    from engine.analysis.embedding import embedding_spectrum

    spectrum = next(view for view in shown.views if isinstance(view, SpectrumView))
    for step in range(parent.n_checkpoints):
        shown.session.scrub(step)
        settle(shown)
    dialog = densify_dialog(shown)
    set_stretch(dialog, **{"from": 0, "to": 200, "every": 10})
    with qtbot.waitSignal(shown.densifying.denser, timeout=60_000):
        click(qtbot, dialog, "densify.go")
    run, n = shown.session.selection.run, shown.session.selection.n_checkpoints
    assert run is not None
    for step in range(0, n, 3):
        shown.session.scrub(step)
        settle(shown)
        assert np.array_equal(spectrum._cos.height, embedding_spectrum(run, step, n - 1).cos), step


def test_that_a_replay_is_cancelled_from_the_status_bar_and_keeps_what_is_proven(
    shown: MainWindow, qtbot: QtBot, parent: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.densify.YIELD_SECONDS", 0)
    cancel = shown.findChild(QToolButton, "densifying.cancel")
    start = shown.findChild(QPushButton, "training.start")
    assert isinstance(cancel, QToolButton)
    assert isinstance(start, QPushButton)
    assert not cancel.isVisible()
    dialog = densify_dialog(shown)
    set_stretch(dialog, **{"from": 0, "to": 200, "every": 1})
    reached: list[int] = []
    shown.densifying.progressed.connect(lambda event: reached.append(event.epoch))
    click(qtbot, dialog, "densify.go")
    assert cancel.isVisible()
    assert not start.isEnabled()
    assert start.toolTip() == BUSY
    for again in (fork_dialog(shown), densify_dialog(shown)):
        assert text(again, f"{again.objectName()}.wrong") == BUSY
        again.reject()
    qtbot.waitUntil(lambda: bool(reached), timeout=30_000)
    qtbot.mouseClick(cancel, LEFT)
    qtbot.waitUntil(lambda: not shown.densifying.active, timeout=30_000)
    assert not cancel.isVisible()
    assert start.isEnabled()
    found = Run.open(parent.path, probe=False)
    assert found.checksum_errors() == []
    assert [file.name for file in parent.path.parent.iterdir() if ".dense.h5." in file.name] == []


def test_that_closing_the_window_while_it_replays_leaves_the_run_sound(
    shown: MainWindow, qtbot: QtBot, parent: Run
) -> None:
    dialog = densify_dialog(shown)
    set_stretch(dialog, **{"from": 0, "to": 200, "every": 1})
    click(qtbot, dialog, "densify.go")
    shown.close()
    assert not shown.densifying.active
    assert Run.open(parent.path, probe=False).checksum_errors() == []
    assert [file.name for file in parent.path.parent.iterdir() if file.name.startswith(".")] == []


def test_that_the_run_before_is_the_dense_one_when_one_comes_back(
    shown: MainWindow, qtbot: QtBot, run: Run, parent: Run
) -> None:
    dialog = densify_dialog(shown)
    set_stretch(dialog, **{"from": 60, "to": 140, "every": 5})
    click(qtbot, dialog, "densify.go")
    shown.show_run(run)
    qtbot.waitUntil(lambda: not shown.densifying.active, timeout=30_000)
    assert shown.session.selection.run is run
    shown.showing.show_previous()
    assert shown.session.selection.n_checkpoints > parent.n_checkpoints


def test_that_stretches_are_those_of_checkpoints(parent: Run) -> None:
    phases = [("memorisation", 0.0, 33.0), ("circuit formation", 33.0, 94.0), ("cleanup", 94.0, 94.0)]
    found = stretches(parent, 100, phases)
    assert found == {
        "around the shown checkpoint": (60, 140), "memorisation": (0, 35), "circuit formation": (35, 100),
        "the whole run": (0, 200),
    }  # fmt: skip
    assert stretches(parent, 200, [])["around the shown checkpoint"] == (160, 200)
    assert [suggested_spacing(n) for n in (1, 40, 80, 300, 2000, 40_000)] == [1, 1, 2, 10, 50, 1000]


def test_that_a_stretch_is_taken_by_name_and_typing_says_so(shown: MainWindow) -> None:
    dialog = densify_dialog(shown)
    box = dialog.findChild(QComboBox, "densify.stretch")
    assert isinstance(box, QComboBox)
    box.setCurrentText("the whole run")
    assert (dialog.first.value(), dialog.last.value(), dialog.every.value()) == (0, 200, 5)
    dialog.last.setValue(180)
    assert box.currentText() == "as typed"
    assert dialog.first.value() == 0
    dialog.reject()


# -- ways in ---------------------------------------------------------------------------------------------------


def test_that_the_sliders_menu_is_of_the_checkpoint_under_the_pointer(shown: MainWindow) -> None:
    menu = shown.branching.menu(140)
    named = {action.text(): action for action in menu.actions()}
    assert list(named) == ["Go to epoch 140", "Fork at epoch 140 …", "Densify around epoch 140 …"]
    named["Fork at epoch 140 …"].trigger()
    assert isinstance(shown.branching.dialog, ForkDialog)
    assert shown.branching.dialog.epoch == 140
    shown.branching.dialog.reject()
    named["Densify around epoch 140 …"].trigger()
    assert isinstance(shown.branching.dialog, DensifyDialog)
    assert (shown.branching.dialog.first.value(), shown.branching.dialog.last.value()) == (100, 180)
    shown.branching.dialog.reject()
    named["Go to epoch 140"].trigger()
    assert shown.session.selection.epoch == 140


def test_that_a_right_click_opens_the_menu_there(shown: MainWindow, qtbot: QtBot, parent: Run) -> None:
    slider = shown.timeline.slider
    x = round(slider.place_of(parent.step_at(160)))
    slider.customContextMenuRequested.emit(QPoint(x, 20))
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert menu.actions()[0].text() == "Go to epoch 160"
    menu.close()
    qtbot.mouseClick(shown.timeline.branch, LEFT)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert menu.actions()[1].text() == "Fork at epoch 100 …"
    menu.close()


def test_that_keys_open_the_dialogs(shown: MainWindow, qtbot: QtBot) -> None:
    shown.activateWindow()
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(shown, Qt.Key.Key_F, both)
    assert isinstance(shown.branching.dialog, ForkDialog)
    shown.branching.dialog.reject()
    qtbot.keyClick(shown, Qt.Key.Key_D, both)
    assert isinstance(shown.branching.dialog, DensifyDialog)
    shown.branching.dialog.reject()


def test_that_without_a_run_there_is_nothing_to_fork(window: MainWindow) -> None:
    window.branching.fork()
    assert window.branching.dialog is None
    assert "Open a run first" in window._status.text()


# -- the tree ---------------------------------------------------------------------------------------------------


@pytest.fixture
def grown(shown: MainWindow, qtbot: QtBot, parent: Run, settle: Settle) -> MainWindow:
    """With a fork and its fork."""
    first = fork(parent, "no decay", 100, weight_decay=0.0)
    fork(first, "again", 140, weight_decay=2.0, epochs=260)
    shown.family.refresh()
    related(shown, qtbot, 3)
    settle(shown)
    return shown


def test_that_lanes_stand_on_the_sliders_scale(grown: MainWindow) -> None:
    slider, scale = grown.timeline.slider, grown.findChild(QComboBox, "timeline.scale")
    assert isinstance(scale, QComboBox)
    for i in range(scale.count()):
        scale.setCurrentIndex(i)
        assert lane(grown, "no decay").begin == slider.x_of(100)
        assert lane(grown, "again").begin == slider.x_of(140)
        assert lane(grown, "again").end == slider.x_of(200)  # it goes on outside the slider
    assert lane(grown, "again").last == 260
    assert [lane.y() for lane in grown.timeline.tree.lanes] == sorted(lane.y() for lane in grown.timeline.tree.lanes)
    assert (
        lane(grown, "parent").mapTo(grown.timeline, QPoint(0, 0)).x() == slider.mapTo(grown.timeline, QPoint(0, 0)).x()
    )


def test_that_lanes_say_what_is_different(grown: MainWindow) -> None:
    assert lane(grown, "no decay").accessibleName() == ("no decay: weight decay 1 → 0, from epoch 100, optimiser fresh")
    assert lane(grown, "parent").accessibleDescription() == "on show"
    assert lane(grown, "again").accessibleDescription() == ""
    told = lane(grown, "again")._told()
    assert "weight decay 0 → 2, from epoch 140, optimiser fresh" in told
    assert "epochs 140 to 260, finished" in told
    assert "click: near epoch 140" in told


def test_that_the_tree_is_walked_with_keys(grown: MainWindow, qtbot: QtBot) -> None:
    grown.activateWindow()
    qtbot.keyClick(grown, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: grown.session.selection.run.path.stem == "no decay", timeout=30_000)
    assert "weight decay 1 → 0" in grown._status.text()
    there = lane(grown, "again")
    there.setFocus()
    qtbot.waitUntil(there.hasFocus)
    qtbot.keyClick(there, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: grown.session.selection.run.path.stem == "again", timeout=30_000)
    assert grown.session.selection.epoch == 140
    qtbot.keyClick(grown, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)  # there is none below
    assert grown.session.selection.run.path.stem == "again"


def test_that_every_relative_is_in_the_menu(grown: MainWindow, qtbot: QtBot) -> None:
    menu = grown.timeline.tree.menu(grown)
    texts = [action.text() for action in menu.actions()]
    assert texts[0] == "parent: the beginning of this family"
    assert texts[1].startswith("no decay: weight decay 1 → 0")
    assert [action.isChecked() for action in menu.actions()] == [True, False, False]
    menu.actions()[1].trigger()
    qtbot.waitUntil(lambda: grown.session.selection.run.path.stem == "no decay", timeout=30_000)


def test_that_a_stranger_has_no_tree(grown: MainWindow, qtbot: QtBot, run: Run, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "alone.h5").write_bytes(run.path.read_bytes())
    with h5py.File(alone / "alone.h5", "r+") as file:
        file.attrs["run_id"] = "alone"
    grown.show_run(Run.open(alone / "alone.h5", probe=False))
    assert not grown.timeline.tree.isVisible()
    qtbot.waitUntil(lambda: not grown.family.looking, timeout=30_000)
    assert grown.family.members == ()


def test_that_more_relatives_than_lanes_are_counted(grown: MainWindow, qtbot: QtBot, parent: Run) -> None:
    for i in range(5):
        fork(parent, f"late {i}", 180, epochs=190)
    grown.family.refresh()
    related(grown, qtbot, 8)
    assert len(grown.timeline.tree.lanes) == MOST
    more = grown.findChild(QAbstractButton, "family.more")
    assert isinstance(more, QAbstractButton)
    assert more.text() == "and 2 more …"
    qtbot.mouseClick(more, LEFT)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert len(menu.actions()) == 8
    menu.close()
    names = [lane.member.header.path.stem for lane in grown.timeline.tree.lanes]
    assert names[0] == "parent"
    assert "again" not in names  # a fork's fork is further away than five forks


# -- curves -----------------------------------------------------------------------------------------------------


def test_that_relatives_are_drawn_from_where_they_part(grown: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    loss = next(view for view in grown.views if isinstance(view, LossView))
    forked = Run.open(grown.family.members[1].header.path, probe=False)
    drawn = loss._plots.loss.curves
    epochs, values = drawn["relative 0 test"]
    assert epochs.tolist() == forked.epochs.tolist()
    assert np.array_equal(values, forked.scalars("test_loss"))
    assert np.array_equal(loss._plots.accuracy.curves["relative 0 train"][1], forked.scalars("train_accuracy"))
    assert drawn["relative 1 test"][0].max() == 200  # as far as this run is to go
    assert [entry.text() for entry in loss._kin_legend if not entry.isHidden()] == ["no decay", "again"]
    grown.session.scrub_to_epoch(140)
    value = forked.scalars("test_loss")[forked.step_at(140)]
    assert loss._kin_legend[0].said == value_text(float(value))
    grown.session.scrub_to_epoch(20)
    assert loss._kin_legend[0].said == ""
    qtbot.mouseClick(loss._kin_legend[0], LEFT)
    assert "relative 0 test" not in loss._plots.loss.curves
    assert "relative 1 test" in loss._plots.loss.curves
    loss._relatives.click()
    assert not any(name.startswith("relative") for name in loss._plots.loss.curves)
    assert all(entry.isHidden() for entry in loss._kin_legend)


def test_that_the_parent_is_drawn_behind_its_fork_from_the_branching_point(
    grown: MainWindow, qtbot: QtBot, parent: Run, settle: Settle
) -> None:
    qtbot.mouseClick(lane(grown, "no decay"), LEFT)
    qtbot.waitUntil(lambda: grown.session.selection.run.path.stem == "no decay", timeout=30_000)
    settle(grown)
    loss = next(view for view in grown.views if isinstance(view, LossView))
    epochs, values = loss._plots.loss.curves["relative 0 test"]
    there = parent.epochs >= 100
    assert epochs.tolist() == parent.epochs[there].tolist()
    assert np.array_equal(values, parent.scalars("test_loss")[there])
    tables = {table.name for table in loss.tables(loss.answer, grown.session.selection)}
    assert {"family-loss", "family-accuracy"} <= tables
    assert "Thin, over 11 logits: parent (the run that it was forked from" in loss.describe(
        loss.answer, grown.session.selection
    )


def test_that_a_search_for_relatives_may_outlive_its_window(qtbot: QtBot, run: Run) -> None:
    session = Session()
    family = Family.of(session)
    session.show_run(run)
    look = family._look
    assert look is not None
    session.deleteLater()
    del session, family
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert look.wait(20_000)
