"""Click here, and there it shows: what moves together, checked against the engine, in the real window."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.views.base import View
from app.views.legend import value_text
from app.views.maps import HeatMap
from app.views.tiles import TileWall
from engine.analysis.ablation import Ablation, Frequencies, Units
from engine.analysis.attention import attention_fourier
from engine.analysis.embedding import spectrum
from engine.analysis.logit_picture import logit_picture
from engine.analysis.neuron import neuron_report
from engine.analysis.solutions import answer_map
from engine.runfile import Run

LEFT = Qt.MouseButton.LeftButton
Settle = Callable[[MainWindow], None]
KEYS = (2, 4)


@pytest.fixture
def shown(window: MainWindow, run: Run, settle: Settle, qtbot: QtBot) -> MainWindow:
    """All views side by side, on a set of frequencies chosen by hand."""
    window.resize(1800, 1400)
    for view in window.views:
        if view.name == "paper":  # its page is drawn anew whenever the selection rests
            continue
        dock = window.docks[view.name]
        dock.setFloating(True)
        dock.resize(560, 480)
        dock.show()
    window.show_run(run)
    window.session.select(pinned_keys=KEYS)
    tracing = window.tracing
    qtbot.waitUntil(
        lambda: tracing.pinned is not None and tracing.pinned.keys == KEYS and tracing.is_done, timeout=30_000
    )
    settle(window)
    return window


def the(window: MainWindow, name: str) -> View:
    return next(view for view in window.views if view.name == name)


def click_cell(qtbot: QtBot, drawn: HeatMap, row: int, column: int) -> None:
    plot = drawn.plot
    at = plot.mapFromScene(plot.getViewBox().mapViewToScene(QPointF(column, row)))
    qtbot.mouseMove(plot.viewport(), at)
    qtbot.mouseClick(plot.viewport(), LEFT, pos=at)


def test_that_every_view_is_seen_and_draws(shown: MainWindow) -> None:
    for view in (view for view in shown.views if view.name != "paper"):
        assert view.on_show, view.name
        assert (view._stack.currentIndex() == 0) == (view.name not in ("neuron", "compare")), view.name
    assert "Click a neuron" in the(shown, "neuron")._message.text()


def test_that_a_pair_clicked_in_answers_is_the_pair_everywhere(
    shown: MainWindow, qtbot: QtBot, settle: Settle, run: Run
) -> None:
    shown.session.select(neurons=((0, 3),))
    settle(shown)
    answers = the(shown, "answers").content.findChild(HeatMap)
    assert answers is not None
    click_cell(qtbot, answers, 3, 9)
    settle(shown)
    assert shown.session.selection.pair == (3, 9)
    fields = {name: shown.findChild(QSpinBox, f"clock.{name}") for name in ("a", "b")}
    assert {name: field.value() for name, field in fields.items() if field is not None} == {"a": 3, "b": 9}
    clock = the(shown, "clock").answer
    assert (clock.pair, clock.answer) == ((3, 9), 1)
    assert clock.said == answer_map_of(run, shown, Ablation()).answer[3, 9]
    assert answers.marked == (3, 9)
    truth = neuron_report(run, run.n_checkpoints - 1, 0, 3).activation
    activation = the(shown, "neuron").content.findChildren(HeatMap)[0]
    row, column = activation.marked or (-1, -1)
    activation_there = the(shown, "neuron").answer.report.activation[3, 9]
    assert activation_there == pytest.approx(truth[3, 9])
    assert 0 <= row < 11
    assert 0 <= column < 11


def answer_map_of(run: Run, window: MainWindow, ablation: Ablation) -> object:
    return answer_map(run, window.session.selection.step, KEYS, ablation, exact=True)


def test_that_a_neuron_clicked_on_the_wall_lights_its_frequency_everywhere(
    shown: MainWindow, qtbot: QtBot, settle: Settle, run: Run
) -> None:
    wall = shown.findChild(TileWall, "neurons.wall")
    assert wall is not None
    index = next(i for i in range(24) if i in wall._places)
    qtbot.mouseClick(wall, LEFT, pos=wall.place_of(index))
    settle(shown)
    k = neuron_report(run, run.n_checkpoints - 1, 0, index).wave.frequency
    selection = shown.session.selection
    assert (selection.neurons, selection.frequency) == (((0, index),), k or None)
    assert the(shown, "neuron")._title.text() == f"Neuron {index}"
    assert the(shown, "spectrum")._mark.k == k
    last = run.n_checkpoints - 1
    assert np.array_equal(the(shown, "spectrum").answer.cos, spectrum(run, last, last, "W_E").cos)


def test_that_a_head_its_frequency_and_its_cells_are_linked(
    shown: MainWindow, qtbot: QtBot, settle: Settle, run: Run
) -> None:
    page = the(shown, "attention")._page
    truth = attention_fourier(run, run.n_checkpoints - 1)
    k = int(truth.share[1].argmax()) + 1
    qtbot.mouseClick(page.tiles, LEFT, pos=page.tiles.place_of(1).center())
    settle(shown)
    assert shown.session.selection.head == (0, 1)
    assert f"0.5 ± {truth.amplitude[1]:.3f}" in page.sentence.text() or truth.explained[1] <= 0
    qtbot.mouseClick(page.tiles, LEFT, pos=page.tiles.frequency_place(1).center())
    settle(shown)
    assert shown.session.selection.frequency == k
    assert the(shown, "spectrum")._mark.k == k
    assert the(shown, "logits")._bars.wash.k == k
    click_cell(qtbot, page.map, 4, 6)
    settle(shown)
    order = [x * pow(k, -1, 11) % 11 for x in range(11)]  # the axes are k·a mod 11
    pair = (order[4], order[6])
    assert shown.session.selection.pair == pair
    answers = the(shown, "answers").content.findChild(HeatMap)
    assert answers is not None
    assert answers.marked == pair
    assert the(shown, "clock").answer.pair == pair
    shown.activateWindow()
    qtbot.keyClick(shown, Qt.Key.Key_Escape)
    settle(shown)
    assert shown.session.selection.head is None
    assert page.sentence.text().startswith("Head 0:")


def test_that_a_fader_moves_answers_losses_and_logits(
    shown: MainWindow, qtbot: QtBot, settle: Settle, run: Run
) -> None:
    fader = next(w for w in shown.findChildren(QWidget) if w.objectName() == "solutions.memorising")
    before = the(shown, "answers").answer.answer.copy()
    QTest.keyClick(fader, Qt.Key.Key_Home)
    qtbot.waitUntil(lambda: shown.session.selection.ablation == Ablation(1.0, 0.0))
    settle(shown)
    truth = answer_map_of(run, shown, Ablation(1.0, 0.0))
    assert np.array_equal(the(shown, "answers").answer.answer, truth.answer)
    assert the(shown, "answers").answer.ablation == Ablation(1.0, 0.0)
    assert "m = 0" in the(shown, "answers")._resting
    assert "m = 0" in the(shown, "logits")._resting
    shown.session.undo()
    settle(shown)
    assert np.array_equal(the(shown, "answers").answer.answer, before)


def test_that_a_tick_in_surgery_reaches_every_view_that_shows_logits(
    shown: MainWindow, qtbot: QtBot, settle: Settle, run: Run
) -> None:
    surgery = the(shown, "surgery")
    before = the(shown, "answers").answer.answer.copy()
    chips = surgery._desk.rows["heads"].chips
    qtbot.mouseClick(chips.chip((0, 1)), LEFT)
    qtbot.mouseClick(surgery._desk.rows["logit_frequencies"].chips.chip(2), LEFT)
    cut = Ablation(heads=Units(((0, 1),)), logit_frequencies=Frequencies((2,)))
    assert shown.session.selection.ablation == cut
    settle(shown)
    truth = answer_map_of(run, shown, cut)
    assert np.array_equal(the(shown, "answers").answer.answer, truth.answer)
    said = "head 1 at 0 · k = 2 out of logits"
    assert the(shown, "answers")._resting == said
    assert the(shown, "logits")._resting.startswith(f"ablated: {said}")
    assert the(shown, "solutions")._resting.startswith(said)
    assert shown.timeline._ablated.text() == "ablated: head 1 at 0 · k 2 out of logits  ×"
    step = shown.session.selection.step
    picture = logit_picture(run, step, run.n_checkpoints - 1, KEYS, cut)
    assert np.array_equal(the(shown, "logits").answer.norm, picture.norm)
    fader = next(w for w in shown.findChildren(QWidget) if w.objectName() == "solutions.memorising")
    QTest.keyClick(fader, Qt.Key.Key_Home)
    qtbot.waitUntil(lambda: shown.session.selection.ablation == cut.mixed(1.0, 0.0))
    settle(shown)
    truth = answer_map_of(run, shown, cut.mixed(1.0, 0.0))
    assert np.array_equal(the(shown, "answers").answer.answer, truth.answer)
    label = shown.findChild(QLabel, "solutions.test.loss")
    assert label is not None
    assert truth.scores.test is not None
    assert label.text() == value_text(truth.scores.test.loss)
    for expected in (cut, Ablation(heads=Units(((0, 1),))), Ablation()):
        shown.session.undo()
        assert shown.session.selection.ablation == expected
    settle(shown)
    assert np.array_equal(the(shown, "answers").answer.answer, before)


def test_that_time_clicked_in_any_curve_is_the_epoch_of_all(shown: MainWindow, settle: Settle, run: Run) -> None:
    plots = {
        "loss": [the(shown, "loss")._plots.loss, the(shown, "loss")._plots.accuracy],
        "weights": [the(shown, "weights")._squares, the(shown, "weights")._shares],
        "solutions": [the(shown, "solutions")._plots.power, the(shown, "solutions")._plots.loss],
    }
    for mine in plots.values():
        shown.session.scrub(0)
        mine[0].cursor.setValue(mine[0].place_of(100))
        mine[0].cursor.sigDragged.emit(mine[0].cursor)
        settle(shown)
        assert shown.session.selection.epoch == 100
        assert shown.timeline.slider.value() == run.step_at(100)
        for plot in itertools.chain(*plots.values()):
            assert plot.cursor.value() == pytest.approx(plot.place_of(100))


def test_that_keys_chosen_by_hand_reach_every_measure(shown: MainWindow, settle: Settle) -> None:
    shown.session.select(pinned_keys=(1, 3, 5))
    settle(shown)
    assert shown.tracing.pinned is not None
    assert shown.tracing.pinned.keys == (1, 3, 5)
    for name in ("loss", "solutions", "circles", "clock", "logits"):
        view = the(shown, name)
        said = f"{view._resting} {view.describe(view.answer, shown.session.selection)}"
        assert all(str(k) in said for k in (1, 3, 5)), name


def test_that_escape_clears_brushes_and_undo_brings_them_back(shown: MainWindow, qtbot: QtBot) -> None:
    shown.session.select(frequency=2, neurons=((0, 3),), pair=(1, 2), ablation=Ablation(0.5, 1.0))
    shown.activateWindow()
    qtbot.keyClick(shown, Qt.Key.Key_Escape)
    cleared = shown.session.selection
    assert (cleared.frequency, cleared.neurons, cleared.pair, cleared.ablation) == (None, (), None, Ablation())
    assert cleared.pinned_keys == KEYS
    qtbot.keyClick(shown, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert (shown.session.selection.frequency, shown.session.selection.pair) == (2, (1, 2))


def test_that_a_bookmark_brings_everything_back(shown: MainWindow, qtbot: QtBot, settle: Settle) -> None:
    shown.session.scrub(4)
    shown.session.select(frequency=3, pair=(5, 6))
    shown.bookmark()
    qtbot.waitUntil(lambda: len(shown.bookmarks.epochs()) == 1)
    shown.session.scrub(0)
    shown.clear_brushes()
    shown.bookmarks.go()
    s = shown.session.selection
    assert (s.step, s.frequency, s.pair) == (4, 3, (5, 6))
    assert shown.timeline.slider._marks == (s.epoch,)


def test_that_right_click_offers_the_value_under_the_pointer(shown: MainWindow, qtbot: QtBot) -> None:
    view = the(shown, "answers")
    drawn = view.content.findChild(HeatMap)
    assert drawn is not None
    drawn.hovered.emit((3, 5))
    assert view._menu().actions()[0].text().startswith("Copy value: ")


def test_that_an_ablated_model_is_named_beside_the_slider_until_it_is_whole_again(
    shown: MainWindow, qtbot: QtBot
) -> None:
    button = shown.timeline._ablated
    assert not button.isVisible()
    shown.session.select(ablation=Ablation(1.0, 0.08))
    assert button.isVisible()
    assert button.text().startswith("ablated: g 1.00, m 0.08")
    qtbot.mouseClick(button, LEFT)
    assert shown.session.selection.ablation.is_whole
    assert not button.isVisible()
