"""Ticks write the ablation and nothing else does; numbers, bars and curves are the engine's."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app import theme
from app.compute import Compute
from app.numbers import percent
from app.session import Session
from app.views.legend import value_text
from app.views.surgery import ALL, BARS, DESK, LOGITS, NEURONS, TIME, SurgeryView
from app.views.surgery_rows import ROWS, mode_of, with_mode
from app.views.surgery_scores import PAIRS
from engine.analysis.ablation import (
    ATTENTION,
    BLOCK,
    CARRIERS,
    CLEAR,
    MLP,
    ONTO,
    SUM,
    WHOLE,
    Ablation,
    Frequencies,
    Units,
)
from engine.analysis.frequency_bars import carriers_at_mean, frequency_bars
from engine.analysis.load_bearing import set_curves
from engine.analysis.published_ablations import published_ablations
from engine.analysis.set_questions import question_of
from engine.analysis.solutions import CLASSES, answer_map
from engine.runfile import Run

LEFT = Qt.MouseButton.LeftButton
KEYS = (2, 4)
Show = Callable[..., SurgeryView]


@pytest.fixture
def show(qtbot: QtBot, qapp: QApplication) -> Iterator[Show]:
    made: list[tuple[QWidget, SurgeryView, Compute]] = []

    def make(run: Run, width: int = 900, height: int = 900) -> SurgeryView:
        theme.apply(qapp, theme.DARK)
        session, compute = Session(), Compute()
        view, frame = SurgeryView(session, compute), QWidget()
        column = QVBoxLayout(frame)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(view.header)
        column.addWidget(view, 1)
        made.append((frame, view, compute))
        frame.resize(width, height)
        frame.show()
        session.show_run(run)
        session.select(pinned_keys=KEYS)
        qtbot.waitUntil(lambda: settled(view), timeout=30_000)
        return view

    yield make
    for frame, view, compute in made:
        compute.close()
        view.tracing.close()
        frame.close()
        frame.deleteLater()
    qapp.processEvents()


def settled(view: SurgeryView) -> bool:
    tracing = view.tracing
    known = tracing.pinned is not None and tracing.pinned.keys == KEYS and tracing.is_done
    quiet = not (view.waiting or view.compute.busy or view._rest.isActive() or view._soon.isActive())
    return known and quiet and not tracing._tell.isActive() and view._carrier_query is None


def settle(view: SurgeryView, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: settled(view), timeout=30_000)


def chip(view: SurgeryView, part: str, key: Any) -> QWidget:
    chips = view._desk.rows[part].chips
    assert chips is not None
    return chips.chip(key)


def said(view: SurgeryView) -> dict[tuple[str, str], str]:
    """The table: loss and accuracy of each class of pairs."""
    found = {}
    for name in PAIRS:
        for of in ("loss", "right", "whole_loss", "whole_right"):
            label = view.findChild(QLabel, f"surgery.{name}.{of}")
            assert label is not None
            found[name, of] = label.text()
    return found


def expected(run: Run, step: int, ablation: Ablation) -> dict[tuple[str, str], str]:
    found = {}
    for prefix, used in (("", ablation), ("whole_", WHOLE)):
        scores = answer_map(run, step, KEYS, used, exact=True).scores
        for name in PAIRS:
            score = getattr(scores, name)
            found[name, f"{prefix}loss"] = value_text(score.loss)
            found[name, f"{prefix}right"] = percent(score)
    return found


# -- ticks -----------------------------------------------------------------------------------------------------


def test_that_every_chip_ticks_its_part_and_undo_takes_each_tick_back(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    session = view.session
    session.select(neurons=((0, 3), (0, 7)), frequency=5)
    settle(view, qtbot)
    clicks: list[tuple[str, Any, Callable[[Ablation], Any], Any]] = [
        ("heads", (0, 1), lambda a: a.heads, Units(((0, 1),))),
        ("skips", (0, MLP), lambda a: a.skips, Units(((0, MLP),))),
        ("neurons", "selected", lambda a: a.neurons, Units(((0, 3), (0, 7)))),
        ("neuron_frequencies", 2, lambda a: a.neuron_frequencies, Frequencies((2,), what=CARRIERS)),
        ("logit_frequencies", 4, lambda a: a.logit_frequencies, Frequencies((4,))),
        ("logit_frequencies", 5, lambda a: a.logit_frequencies, Frequencies((4, 5))),
    ]
    states = [session.selection.ablation]
    for part, key, read, value in clicks:
        qtbot.mouseClick(chip(view, part, key), LEFT)
        assert read(session.selection.ablation) == value
        states.append(session.selection.ablation)
    settle(view, qtbot)
    assert said(view) == expected(run, session.selection.step, states[-1])
    for state in reversed(states[:-1]):
        session.undo()
        assert session.selection.ablation == state
    assert session.selection.ablation.is_whole
    for state in states[1:]:
        session.redo()
        assert session.selection.ablation == state
    qtbot.mouseClick(chip(view, "heads", (0, 1)), LEFT)
    assert session.selection.ablation.heads.is_whole


def test_that_every_way_of_every_row_can_be_chosen_and_is_shown(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    for spec in ROWS:
        combo = view._desk.rows[spec.part].mode
        for place, mode in enumerate(spec.modes):
            combo.setCurrentIndex(place)
            combo.activated.emit(place)
            part = getattr(view.session.selection.ablation, spec.part)
            values = dict(mode.fields)
            assert (
                part == values["value"] if "value" in values else all(getattr(part, n) == v for n, v in values.items())
            )
            assert mode_of(spec, view.session.selection.ablation) == place
            assert combo.currentIndex() == place
    settle(view, qtbot)
    assert with_mode(ROWS[3], WHOLE, 1) == Ablation(polynomials=CLEAR)


def test_that_numbers_can_be_typed(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    field = view._desk.rows["neurons"].field
    assert field is not None
    field.setFocus()
    qtbot.keyClicks(field, "3 17-19")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert view.session.selection.ablation.neurons == Units(((0, 3), (0, 17), (0, 18), (0, 19)))
    field = view._desk.rows["logit_frequencies"].field
    assert field is not None
    field.setFocus()
    qtbot.keyClicks(field, "1, 3")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert view.session.selection.ablation.logit_frequencies == Frequencies((1, 3))
    settle(view, qtbot)
    assert view._desk.rows["logit_frequencies"].chips.ticked == [1, 3]  # type: ignore[union-attr]
    assert field.text() == "1 3"


def test_that_whole_brings_everything_back_and_the_papers_ablations_are_one_click(
    show: Show, qtbot: QtBot, run: Run
) -> None:
    view = show(run)
    view._fill_menu()
    actions = view._menu_of_paper.actions()
    rows = published_ablations(run.config, KEYS)
    assert [action.text().split("   ")[0] for action in actions] == [row.name for row in rows]
    for action, row in zip(actions, rows, strict=True):
        action.trigger()
        assert view.session.selection.ablation == row.ablation
    qtbot.mouseClick(view._whole, LEFT)
    assert view.session.selection.ablation == WHOLE
    settle(view, qtbot)
    assert not view._whole.isEnabled()


# -- numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ablation",
    [
        WHOLE,
        Ablation(heads=Units(((0, 0),), mean=True), skips=Units(((0, ATTENTION),))),
        Ablation(polynomials=CLEAR, projection=ONTO),
        Ablation(0.5, 1.0, neuron_frequencies=Frequencies((2,), what=BLOCK), logit_frequencies=Frequencies((4,))),
    ],
)
def test_that_the_table_is_what_is_left_and_the_whole_model_at_any_checkpoint(
    show: Show, qtbot: QtBot, run: Run, ablation: Ablation
) -> None:
    view = show(run)
    view.session.select(ablation=ablation)
    for step in (0, 7, run.n_checkpoints - 1):
        view.session.scrub(step)
        settle(view, qtbot)
        assert said(view) == expected(run, step, ablation)
    assert ("≈" in view._sentence.text()) is False


def test_that_numbers_of_a_picture_are_marked_until_they_are_exact(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    view.session.select(ablation=Ablation(heads=Units(((0, 0),))))
    settle(view, qtbot)
    view._numbers = None  # as before the exact numbers are here
    view._tell(view.session.selection)
    drawn = answer_map(run, view.session.selection.step, KEYS, view.session.selection.ablation).scores.test
    assert drawn is not None
    assert drawn.loss is not None
    assert said(view)["test", "loss"] == f"≈ {value_text(drawn.loss)}"
    view.redraw()
    settle(view, qtbot)
    assert said(view) == expected(run, view.session.selection.step, view.session.selection.ablation)


def test_that_what_is_left_out_of_a_set_is_told(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    assert view._sentence.text() == "The whole model: tick what to take away"
    view.session.select(ablation=Ablation(heads=Units(((0, 1),)), logit_frequencies=Frequencies((2,))))
    settle(view, qtbot)
    assert view._sentence.text() == "head 1 at 0 · k = 2 out of logits"
    text = view.describe(view.answer, view.session.selection)
    assert "Ablated: head 1 at 0; k = 2 out of logits." in text
    assert "keys 2, 4" in text
    tables = {table.name: table for table in view.tables(view.answer, view.session.selection)}
    scores = answer_map(run, view.session.selection.step, KEYS, view.session.selection.ablation, exact=True).scores
    assert scores.test is not None
    row = list(tables["losses"].columns["pairs"]).index("test")
    assert tables["losses"].columns["loss (nats)"][row] == scores.test.loss


# -- bars ------------------------------------------------------------------------------------------------------


def test_that_bars_are_losses_without_each_frequency_and_clicks_select_or_tick(
    show: Show, qtbot: QtBot, run: Run
) -> None:
    view = show(run)
    step = run.n_checkpoints - 1
    truth = frequency_bars(run, step, KEYS, exact=True)
    for name in ("train", "test", "every"):
        view._pairs.setCurrentText(PAIRS[name])
        settle(view, qtbot)
        column = CLASSES.index(name)
        assert view._plot._losses == pytest.approx(truth.loss[:, column], rel=1e-9)
        heights = np.log10(np.clip(truth.loss[:, column], 1e-9, 1e3))
        assert view._plot._bars.height == pytest.approx(heights, rel=1e-9)
        lines = {"whole": truth.whole, "without": truth.without_keys, "only": truth.only_keys}
        for line, losses in lines.items():
            assert view._plot.legend[line].said == value_text(float(losses[column]))
            assert view._plot._lines[line].value() == pytest.approx(np.log10(losses[column]), rel=1e-9)
        assert view._plot.pairs.text() == f"{PAIRS[name]} pairs"
    plot = view._plot.plot
    at = plot.mapFromScene(plot.getViewBox().mapViewToScene(QPointF(4, 0)))
    qtbot.mouseMove(plot.viewport(), at)
    qtbot.mouseClick(plot.viewport(), LEFT, pos=at)
    assert view.session.selection.frequency == 4
    assert view.session.selection.ablation.is_whole
    qtbot.wait(10)  # two clicks at one place within the system's interval would be a double click
    view._plot.clicked(4, True)
    assert view.session.selection.ablation == Ablation(logit_frequencies=Frequencies((4,)))
    view._bar_pointed(4)
    assert "without k = 4: loss" in view.value


def test_that_bars_at_neurons_are_those_of_the_carriers(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    step = run.n_checkpoints - 1
    view._level.setCurrentText(NEURONS)
    carried = frequency_bars(run, step, KEYS).carried
    qtbot.waitUntil(lambda: set(view._carriers) == set(carried), timeout=20_000)
    column = CLASSES.index("every")
    for k in range(1, 6):
        value = view._plot._losses[k - 1]
        if k in carried:
            assert value == pytest.approx(carriers_at_mean(run, step, k)[column])
        else:
            assert np.isnan(value)
    view._level.setCurrentText(LOGITS)
    assert np.isfinite(view._plot._losses).all()


# -- over training ---------------------------------------------------------------------------------------------


def test_that_a_set_is_measured_on_demand_can_be_stopped_and_goes_on(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    button = view._time.button
    assert not button.isEnabled()
    assert "Tick a set" in view._time.sentence.text()
    view.session.select(ablation=Ablation(neurons=Units(((0, 3), (0, 5)))))
    settle(view, qtbot)
    assert (button.text(), button.isEnabled()) == ("Measure over training", True)
    qtbot.mouseClick(button, LEFT)
    qtbot.waitUntil(lambda: view._sets.left > 0, timeout=20_000)
    qtbot.waitUntil(lambda: view._curves is not None and view._curves.measured >= 1, timeout=30_000)
    assert button.text() == "Stop"
    qtbot.mouseClick(button, LEFT)
    assert not view._sets.running
    qtbot.waitUntil(lambda: not view.compute.busy)
    measured = view._curves.measured if view._curves is not None else 0
    assert 0 < measured < run.n_checkpoints
    assert button.text() == "Go on measuring"
    qtbot.mouseClick(button, LEFT)
    qtbot.waitUntil(lambda: not view._sets.running, timeout=60_000)
    qtbot.waitUntil(lambda: view._curves is not None and view._curves.measured == run.n_checkpoints, timeout=20_000)
    assert (button.text(), button.isEnabled()) == ("Measured", False)
    question, traces = view._question, view.tracing.traces
    assert question is not None
    assert traces is not None
    truth = set_curves(run, run.n_checkpoints, traces, question, "every", 0)
    drawn = view._time.track.curves
    assert np.array_equal(drawn["without"][1], truth.without)
    assert np.array_equal(drawn["random_only"][1], truth.band_only[1])
    since = truth.load_bearing_since
    assert ("never leaves" in view._time.sentence.text()) == (since is None)
    view._pairs.setCurrentText("train")
    qtbot.waitUntil(lambda: np.array_equal(
        view._time.track.curves["without"][1], set_curves(run, run.n_checkpoints, traces, question, "train", 0).without
    ))  # fmt: skip
    tables = {table.name: table for table in view.tables(view.answer, view.session.selection)}
    assert len(tables["over training"].columns["epoch (steps)"]) == run.n_checkpoints
    view.session.select(ablation=WHOLE)
    settle(view, qtbot)
    assert view._time.track.curves == {}


def test_that_another_run_ends_the_measuring_and_another_set_keeps_what_is_done(
    show: Show, qtbot: QtBot, run: Run, run_path: Any
) -> None:
    view = show(run)
    first = Ablation(heads=Units(((0, 0),)))
    view.session.select(ablation=first)
    settle(view, qtbot)
    view._measure()
    qtbot.waitUntil(lambda: view._curves is not None and view._curves.measured >= 2, timeout=30_000)
    view.session.select(ablation=Ablation(heads=Units(((0, 1),))))
    view._measure()
    assert view._sets.question == question_of(run.config, Ablation(heads=Units(((0, 1),))))
    view.session.select(ablation=first)
    qtbot.waitUntil(lambda: view._curves is not None and view._curves.measured >= 2, timeout=20_000)
    other = Run.open(run_path, probe=False)
    view.session.show_run(other)
    assert not view._sets.running
    assert view._sets.trouble == ""
    view._sets.stop()


def test_that_nobody_waits_for_a_set(show: Show, qtbot: QtBot, run: Run) -> None:
    """Measuring asks for one piece at a time, and only when nothing else is asked."""
    view = show(run)
    view.session.select(ablation=Ablation(neurons=Units(((0, 3),))))
    settle(view, qtbot)
    view._measure()
    qtbot.waitUntil(lambda: view._sets._asked is not None, timeout=20_000)
    view.session.scrub(3)
    qtbot.waitUntil(lambda: not view.waiting, timeout=20_000)
    assert view._sets.running
    assert view.answer is not None
    view._sets.stop()


# -- places ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(420, 320), (560, 460), (900, 900), (1400, 700)])
def test_that_it_fits_small_and_large(show: Show, qtbot: QtBot, run: Run, size: tuple[int, int]) -> None:
    view = show(run, *size)
    for what in (ALL, DESK, BARS, TIME):
        view._show_what.setCurrentText(what)
        settle(view, qtbot)
        assert view._upper.isVisible() == (what in (ALL, DESK))
        assert view._plot.isVisible() == (what == BARS or (what == ALL and size[1] > 500))
        content = view.content
        for part in (view._upper, view._plot, view._time):
            if part.isVisible():
                assert content.rect().contains(part.geometry()), (what, part)
    assert view._desk.width() >= 200
    for row in view._desk.rows.values():
        assert row.mode.geometry().right() <= view._desk.widget().width()


def test_that_rows_of_frequencies_are_off_for_a_task_without_any(
    show: Show, qtbot: QtBot, tmp_path: Any, qapp: QApplication
) -> None:
    from engine import recording
    from engine.config import Config

    config = Config(
        p=7, operation="x2xyy2", d_model=8, n_heads=2, d_mlp=12, epochs=20, checkpoint_every=10, dense_every=0,
        transition_every=0, device="cpu",
    )  # fmt: skip
    for _ in recording.start(config, tmp_path / "run.h5").events():
        pass
    theme.apply(qapp, theme.LIGHT)
    session, compute = Session(), Compute()
    view = SurgeryView(session, compute)
    qtbot.addWidget(view)
    view.resize(700, 700)
    view.show()
    session.show_run(Run.open(tmp_path / "run.h5", probe=False))
    session.select(ablation=Ablation(heads=Units(((0, 0),)), logit_frequencies=Frequencies((2,), what=SUM)))
    qtbot.waitUntil(lambda: not view.waiting and not compute.busy, timeout=20_000)
    assert not view._desk.rows["logit_frequencies"].mode.isEnabled()
    assert view._desk.rows["heads"].mode.isEnabled()
    assert view._sentence.text() == "head 0 at 0"
    compute.close()
    view.tracing.close()
