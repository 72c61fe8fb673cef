"""The window driven as a person drives it: real clicks, drags, keys and a real training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QSettings, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QLineEdit, QMessageBox, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.timeline import CheckpointSlider
from app.views.loss import LossView
from app.views.neuron import NeuronView
from app.views.spectrum import SpectrumView
from app.views.tiles import TileWall
from engine.analysis.embedding import embedding_spectrum
from engine.analysis.wall import neuron_detail
from engine.runfile import Run

Settle = Callable[[MainWindow], None]
LEFT = Qt.MouseButton.LeftButton


def child(window: MainWindow, kind: type, name: str) -> QWidget:
    found = window.findChild(kind, name)
    assert found is not None, name
    return found


def view(window: MainWindow, kind: type) -> QWidget:
    return next(v for v in window.views if isinstance(v, kind))


@pytest.fixture
def shown(window: MainWindow, run: Run, settle: Settle) -> MainWindow:
    window.show_run(run)
    settle(window)
    return window


NAMES = [
    "training.start", "training.pause", "training.stop", "training.preset", "training.file", "timeline.slider",
    "timeline.play", "timeline.first", "timeline.last", "timeline.back", "timeline.forward", "timeline.loop",
    "timeline.follow", "timeline.scale", "timeline.speed", "view.loss", "view.spectrum", "view.neurons",
    "view.neuron", "neurons.wall",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_that_every_control_has_its_name_for_tests_and_screen_readers(window: MainWindow, name: str) -> None:
    assert child(window, QWidget, name).accessibleName()


def test_that_empty_views_say_what_to_do(window: MainWindow) -> None:
    seen = [drawn for drawn in window.views if drawn.on_show]
    assert len(seen) == 6
    for drawn in seen:
        assert drawn._stack.currentIndex() == 1
        assert "Start one" in drawn._message.text()


def test_that_dragging_the_slider_reaches_every_checkpoint(shown: MainWindow, qtbot: QtBot, run: Run) -> None:
    slider = child(shown, CheckpointSlider, "timeline.slider")
    assert isinstance(slider, CheckpointSlider)
    scale = child(shown, QComboBox, "timeline.scale")
    assert isinstance(scale, QComboBox)
    y = 15
    for i in range(scale.count()):
        scale.setCurrentIndex(i)
        seen = []
        qtbot.mousePress(slider, LEFT, pos=QPoint(round(slider.place_of(run.n_checkpoints - 1)), y))
        for step in reversed(range(run.n_checkpoints)):
            qtbot.mouseMove(slider, QPoint(round(slider.place_of(step)), y))
            seen.append(shown.session.selection.step)
        qtbot.mouseRelease(slider, LEFT, pos=QPoint(round(slider.place_of(0)), y))
        assert seen == list(reversed(range(run.n_checkpoints))), scale.currentText()
    assert not shown.session.selection.following


def test_that_keys_move_through_the_run(shown: MainWindow, qtbot: QtBot, run: Run) -> None:
    slider, n = child(shown, CheckpointSlider, "timeline.slider"), run.n_checkpoints
    shown.activateWindow()
    slider.setFocus()
    for key, step in [
        (Qt.Key.Key_Home, 0), (Qt.Key.Key_Right, 1), (Qt.Key.Key_Right, 2), (Qt.Key.Key_Left, 1),
        (Qt.Key.Key_End, n - 1), (Qt.Key.Key_PageUp, n - 2), (Qt.Key.Key_PageDown, n - 1),
    ]:  # fmt: skip
        qtbot.keyClick(slider, key)
        assert shown.session.selection.step == step, key


def test_that_play_shows_checkpoints_and_ends_at_the_last(shown: MainWindow, qtbot: QtBot, run: Run) -> None:
    speed = child(shown, QComboBox, "timeline.speed")
    assert isinstance(speed, QComboBox)
    speed.setCurrentIndex(speed.count() - 1)
    play = child(shown, QToolButton, "timeline.play")
    qtbot.mouseClick(play, LEFT)
    assert shown.timeline.playing
    assert shown.session.selection.step == 0
    qtbot.waitUntil(lambda: not shown.timeline.playing, timeout=20_000)
    assert shown.session.selection.step == run.n_checkpoints - 1
    shown.timeline._loop.setChecked(True)
    qtbot.mouseClick(play, LEFT)
    qtbot.waitUntil(lambda: shown.timeline.playing and shown.session.selection.step > 1, timeout=20_000)
    qtbot.mouseClick(play, LEFT)
    assert not shown.timeline.playing


def test_that_a_click_on_the_wall_shows_the_neuron_and_lights_its_frequency(
    shown: MainWindow, qtbot: QtBot, settle: Settle, run: Run
) -> None:
    wall = child(shown, TileWall, "neurons.wall")
    assert isinstance(wall, TileWall)
    n = run.n_checkpoints - 1
    for index in (0, 5, 17):
        qtbot.mouseClick(wall, LEFT, pos=wall.place_of(index))
        settle(shown)
        truth = neuron_detail(run, n, n, 0, index)
        assert shown.session.selection.neurons == ((0, index),)
        assert shown.session.selection.frequency == (truth.frequency or None)
        detail = view(shown, NeuronView)
        assert isinstance(detail, NeuronView)
        assert detail._title.text() == f"Neuron {index}"
        assert detail._headline.text() == (f"k = {truth.frequency}" if truth.frequency else "dead")
        spectrum = view(shown, SpectrumView)
        assert isinstance(spectrum, SpectrumView)
        assert spectrum._mark.isVisible() == bool(truth.frequency)


def test_that_a_click_on_a_bar_selects_its_frequency(shown: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    spectrum = view(shown, SpectrumView)
    assert isinstance(spectrum, SpectrumView)
    plot = spectrum._plot
    for k in (1, 4):
        at = plot.mapFromScene(plot.getViewBox().mapViewToScene(pg_point(k, 0.01)))
        qtbot.mouseMove(plot.viewport(), at)
        qtbot.mouseClick(plot.viewport(), LEFT, pos=at)
        assert shown.session.selection.frequency == k
    assert spectrum._mark.k == 4


def pg_point(x: float, y: float) -> QPointF:
    return QPointF(x, y)


def test_that_the_spectrum_draws_what_the_engine_says(shown: MainWindow, settle: Settle, run: Run) -> None:
    shown.session.scrub(4)
    settle(shown)
    spectrum = view(shown, SpectrumView)
    assert isinstance(spectrum, SpectrumView)
    truth = embedding_spectrum(run, 4, run.n_checkpoints - 1)
    assert np.array_equal(spectrum._cos.height, truth.cos)
    assert np.array_equal(spectrum._sin.height, truth.sin)


def test_that_a_click_on_the_curve_goes_there(shown: MainWindow, qtbot: QtBot, run: Run) -> None:
    loss = view(shown, LossView)
    assert isinstance(loss, LossView)
    plot = loss._plots.loss.widget
    box = plot.getViewBox()
    middle = box.viewRange()[1][0] / 2 + box.viewRange()[1][1] / 2
    at = plot.mapFromScene(box.mapViewToScene(pg_point(61, middle)))
    qtbot.mouseMove(plot.viewport(), at)
    qtbot.mouseClick(plot.viewport(), LEFT, pos=at)
    assert shown.session.selection.epoch == 60
    assert [plot.cursor.value() for plot in loss._plots.plots.values()] == [60, 60]


def test_that_dragging_the_cursor_scrubs(shown: MainWindow, qtbot: QtBot) -> None:
    loss = view(shown, LossView)
    assert isinstance(loss, LossView)
    cursor = loss._plots.loss.cursor
    cursor.setValue(99)
    cursor.sigDragged.emit(cursor)
    assert shown.session.selection.epoch == 100
    assert cursor.value() == 100


def test_that_log_axes_keep_the_cursor_at_its_epoch(shown: MainWindow, settle: Settle) -> None:
    loss = view(shown, LossView)
    assert isinstance(loss, LossView)
    shown.session.scrub(0)
    loss._log_x.click()
    assert loss._plots.loss.cursor.value() == pytest.approx(np.log10(0.5))
    shown.session.scrub(3)
    assert loss._plots.loss.cursor.value() == pytest.approx(np.log10(shown.session.selection.epoch))
    loss._every.click()
    settle(shown)
    assert "12 logits" in loss._subtitle.text()


def fill(window: MainWindow, **values: object) -> None:
    for name, value in values.items():
        editor = child(window, QLineEdit, f"training.{name}")
        assert isinstance(editor, QLineEdit)
        editor.setText(str(value))


SMALL = {"p": 13, "d_model": 16, "n_heads": 2, "d_head": "", "d_mlp": 16, "checkpoint_every": 50, "dense_every": 0}


def test_that_a_training_starts_pauses_goes_on_and_stops_from_the_panel(
    window: MainWindow, qtbot: QtBot, settle: Settle
) -> None:
    fill(window, **SMALL, epochs=1_000_000)
    start, pause, stop = (child(window, QPushButton, f"training.{n}") for n in ("start", "pause", "stop"))
    assert isinstance(pause, QPushButton)
    assert not pause.isEnabled()
    with qtbot.waitSignal(window.panel.started, timeout=20_000):
        qtbot.mouseClick(start, LEFT)
    assert not start.isEnabled()
    qtbot.waitUntil(lambda: window.session.selection.n_checkpoints > 3, timeout=30_000)
    run = window.session.selection.run
    assert run is not None
    assert window.session.selection.step == window.session.selection.n_checkpoints - 1
    assert window.session.selection.following
    qtbot.mouseClick(pause, LEFT)
    assert pause.text() == "Resume"
    thread = window.panel.thread_in_training
    assert thread is not None
    qtbot.mouseClick(pause, LEFT)
    n = window.session.selection.n_checkpoints
    window.session.scrub(1)
    qtbot.waitUntil(lambda: window.session.selection.n_checkpoints > n + 2, timeout=30_000)
    assert window.session.selection.step == 1
    qtbot.mouseClick(stop, LEFT)
    qtbot.waitUntil(lambda: not window.panel.is_training, timeout=30_000)
    assert run.status().state == "interrupted"
    assert run.checksum_errors() == []
    assert start.isEnabled()
    settle(window)


def test_that_a_finished_training_is_on_show_and_the_previous_run_one_click_away(
    shown: MainWindow, qtbot: QtBot, run: Run, settle: Settle
) -> None:
    fill(shown, **SMALL, epochs=200)
    shown.panel.start()
    qtbot.waitUntil(lambda: not shown.panel.is_training, timeout=30_000)
    assert shown.session.selection.run != run
    assert shown.session.selection.epoch == 200
    now = shown.session.selection.run
    assert now is not None
    accuracies = now.scalars("test_accuracy")
    assert accuracies is not None
    numbers = child(shown, QLabel, "training.numbers")
    assert isinstance(numbers, QLabel)
    assert f"{100 * accuracies[-1]:.1f} % right" in numbers.text()  # the last checkpoint's, however fast it came
    shown.showing.show_previous()
    assert shown.session.selection.run == run
    settle(shown)


def test_that_the_late_end_of_a_stopped_training_does_not_touch_the_next(window: MainWindow, qtbot: QtBot) -> None:
    fill(window, **SMALL, epochs=1_000_000)
    with qtbot.waitSignal(window.panel.started, timeout=20_000):
        window.panel.start()
    window.panel.stop_and_wait()  # its `ended` is still on its way
    fill(window, epochs=300)
    window.panel.start()
    assert window.panel.is_training
    qtbot.waitUntil(lambda: not window.panel.is_training, timeout=30_000)
    run = window.session.selection.run
    assert run is not None
    assert run.status().state == "finished"


@pytest.mark.parametrize(
    ("name", "text"), [("p", "1"), ("p", "many"), ("train_fraction", "0"), ("train_fraction", "1.5"), ("betas", "0.9")]
)
def test_that_a_wrong_value_is_marked_where_it_is_typed(window: MainWindow, name: str, text: str) -> None:
    fill(window, **{name: text})
    editor, start = child(window, QLineEdit, f"training.{name}"), child(window, QPushButton, "training.start")
    said = child(window, QLabel, "training.wrong")
    assert isinstance(said, QLabel)
    assert editor.property("wrong")
    assert name in said.text()
    assert not start.isEnabled()
    window.panel.use_preset("quick")
    assert not editor.property("wrong")
    assert start.isEnabled()


def test_that_settings_known_not_to_grok_are_hinted(window: MainWindow) -> None:
    fill(window, weight_decay=0)
    said = child(window, QLabel, "training.hint")
    assert isinstance(said, QLabel)
    assert "weight decay" in said.text()


def test_that_the_cost_is_measured_before_the_start(window: MainWindow, qtbot: QtBot) -> None:
    cost = child(window, QLabel, "training.cost")
    assert isinstance(cost, QLabel)
    qtbot.waitUntil(lambda: "on disk" in cost.text(), timeout=30_000)


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "cut"])
def test_that_a_wrong_file_is_a_sentence_and_the_open_run_lives_on(
    shown: MainWindow, qtbot: QtBot, run: Run, run_path: Path, tmp_path: Path, kind: str
) -> None:
    wrong = tmp_path / "wrong.h5"
    if kind == "folder":
        wrong.mkdir()
    elif kind == "text":
        wrong.write_text("hello")
    elif kind == "cut":
        wrong.write_bytes(run_path.read_bytes()[:3000])
    with qtbot.waitSignal(shown.opened, timeout=20_000):
        shown.open(wrong)
    assert str(wrong) in shown._status.text()
    assert shown.session.selection.run == run
    assert view(shown, LossView)._stack.currentIndex() == 0


def test_that_a_file_can_be_dropped_on_the_window(
    window: MainWindow, qtbot: QtBot, run_path: Path, settle: Settle
) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(run_path))])
    action, buttons = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    event = QDropEvent(QPointF(5, 5), action, data, buttons, Qt.KeyboardModifier.NoModifier)
    with qtbot.waitSignal(window.opened, timeout=20_000):
        window.dropEvent(event)
    settle(window)
    assert window.session.selection.run is not None
    assert window.recent()[0] == str(run_path)


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_that_closing_while_training_asks(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    fill(window, **SMALL, epochs=1_000_000)
    with qtbot.waitSignal(window.panel.started, timeout=20_000):
        window.panel.start()
    run = window.session.selection.run
    assert run is not None
    button = getattr(QMessageBox.StandardButton, answer)
    monkeypatch.setattr(QMessageBox, "question", classmethod(lambda *_: button))
    window.close()
    assert window.isVisible() == (answer == "No")
    if answer == "Yes":
        assert run.status().state == "interrupted"
    else:
        assert window.panel.is_training


def test_that_the_layout_is_remembered(
    qtbot: QtBot, window: MainWindow, settings: QSettings, qapp: QApplication
) -> None:
    window.docks["training"].setVisible(False)
    window.close()
    again = MainWindow(settings)
    qtbot.addWidget(again)
    with qtbot.waitExposed(again):
        again.show()
    assert not again.docks["training"].isVisible()
    assert again.docks["loss"].isVisible()
    again.close()


def damaged_copy(run_path: Path, tmp_path: Path) -> Path:
    """A copy whose fourth checkpoint has weights that are not finite."""
    import h5py

    copy = tmp_path / "damaged.h5"
    copy.write_bytes(run_path.read_bytes())
    with h5py.File(copy, "r+") as file:
        file["weights/W_E"][3] = np.nan
        file.attrs["run_id"] = "damaged"
    return copy


def test_that_a_checkpoint_that_cannot_be_computed_is_said_and_play_goes_on(
    window: MainWindow, qtbot: QtBot, settle: Settle, run_path: Path, tmp_path: Path
) -> None:
    window.show_run(Run.open(damaged_copy(run_path, tmp_path), probe=False))
    window.session.scrub(3)
    settle(window)
    spectrum = view(window, SpectrumView)
    assert isinstance(spectrum, SpectrumView)
    assert spectrum._stack.currentIndex() == 1
    assert "not finite" in spectrum._message.text()
    assert view(window, LossView)._stack.currentIndex() == 0
    window.session.scrub(0)
    window.timeline._speed.setCurrentIndex(window.timeline._speed.count() - 1)
    window.timeline.play(True)
    qtbot.waitUntil(lambda: not window.timeline.playing, timeout=20_000)
    assert spectrum._stack.currentIndex() == 0


def test_that_a_new_run_fits_the_axes_again(
    shown: MainWindow, qtbot: QtBot, settle: Settle, run_path: Path, tmp_path: Path
) -> None:
    loss = view(shown, LossView)
    assert isinstance(loss, LossView)
    box = loss._plots.loss.widget.getViewBox()
    box.setXRange(5000, 6000)
    shown.show_run(Run.open(damaged_copy(run_path, tmp_path), probe=False))
    settle(shown)
    qtbot.waitUntil(lambda: box.viewRange()[0][0] <= 0)
    assert 200 <= box.viewRange()[0][1] < 1000


def test_that_arrow_keys_walk_the_wall_when_it_has_the_keyboard(
    shown: MainWindow, qtbot: QtBot, settle: Settle
) -> None:
    wall = child(shown, TileWall, "neurons.wall")
    assert isinstance(wall, TileWall)
    first = wall._groups[0].tiles
    shown.activateWindow()
    wall.setFocus()
    step = shown.session.selection.step
    qtbot.mouseClick(wall, LEFT, pos=wall.place_of(first[0]))
    settle(shown)
    if len(first) > 1:
        qtbot.keyClick(wall, Qt.Key.Key_Right)
        assert shown.session.selection.neurons == ((0, first[1]),)
    assert shown.session.selection.step == step


def test_that_space_presses_the_button_that_has_the_keyboard(shown: MainWindow, qtbot: QtBot) -> None:
    loss = view(shown, LossView)
    assert isinstance(loss, LossView)
    shown.activateWindow()
    entry = loss._legend["train"]
    entry.setFocus()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is entry)
    qtbot.keyClick(entry, Qt.Key.Key_Space)
    assert not entry.isChecked()
    assert not shown.timeline.playing
    shown.timeline.slider.setFocus()
    qtbot.keyClick(shown.timeline.slider, Qt.Key.Key_Space)
    assert shown.timeline.playing


def test_that_the_order_taken_here_is_let_go_with_the_run(
    shown: MainWindow, settle: Settle, run_path: Path, tmp_path: Path
) -> None:
    hold = child(shown, QToolButton, "neurons.layout")
    assert isinstance(hold, QToolButton)
    shown.session.scrub(2)
    settle(shown)
    hold.click()
    settle(shown)
    assert shown.session.selection.layout_step == 2
    shown.show_run(Run.open(damaged_copy(run_path, tmp_path), probe=False))
    settle(shown)
    assert not hold.isChecked()


def test_that_a_typed_file_name_is_kept(window: MainWindow, tmp_path: Path) -> None:
    file = child(window, QLineEdit, "training.file")
    assert isinstance(file, QLineEdit)
    window.panel.use_preset("paper")
    assert Path(file.text()).name == "paper-1.h5"
    file.setText(str(tmp_path / "mine.h5"))
    window.panel.use_preset("quick")
    assert file.text() == str(tmp_path / "mine.h5")


def test_that_every_wrong_value_is_marked(window: MainWindow) -> None:
    fill(window, p=1, lr=-1, warmup="x")
    marked = [n for n in ("p", "lr", "warmup", "epochs") if child(window, QLineEdit, f"training.{n}").property("wrong")]
    assert marked == ["p", "lr", "warmup"]


def test_that_a_wrong_file_with_no_run_on_show_is_said_in_the_views(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    with qtbot.waitSignal(window.opened, timeout=20_000):
        window.open(tmp_path / "missing.h5")
    assert "missing.h5" in view(window, LossView)._message.text()
