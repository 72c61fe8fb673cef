"""The two solutions: curves and numbers equal the engine, faders write the ablation and nothing else does."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app import theme
from app.compute import Compute
from app.numbers import percent
from app.session import Session
from app.views.legend import value_text
from app.views.over_time import DASHED, SOLID
from app.views.solutions import SolutionsView
from app.views.solutions_fader import Fader
from app.views.solutions_landscape import Landscape
from app.views.solutions_words import CORNERS, SETS
from engine import recording
from engine.analysis.ablation import Ablation
from engine.analysis.logits import power_split
from engine.analysis.measures import excluded, measures, restricted
from engine.analysis.solutions import GRID, answer_map, landscape_row
from engine.replay import activations
from engine.runfile import Run
from tests.app.conftest import SMALL

KEYS = (2, 4)
Show = Callable[..., SolutionsView]


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[SolutionsView]:
    theme.apply(qapp, theme.DARK)
    session, compute = Session(), Compute()
    made = SolutionsView(session, compute)
    qtbot.addWidget(made)
    made.resize(900, 600)
    with qtbot.waitExposed(made):
        made.show()
    yield made
    compute.close()
    made.tracing.close()


@pytest.fixture
def show(view: SolutionsView, qtbot: QtBot) -> Show:
    """Look at a run with chosen keys until everything is measured and drawn."""

    def look(run: Run, keys: tuple[int, ...] | None = KEYS) -> SolutionsView:
        view.session.show_run(run)
        view.session.select(pinned_keys=keys)
        settle(view, qtbot)
        return view

    return look


def settle(view: SolutionsView, qtbot: QtBot) -> None:
    tracing, chosen = view.tracing, view.session.selection.pinned_keys

    def settled() -> bool:
        known = tracing.traces is not None and tracing.pinned is not None
        same = known and tracing.pinned is not None and (not chosen or tracing.pinned.keys == chosen)
        timers = (view._rest, view._stale, view._patience, view._next, tracing._tell)
        rest = any(timer.isActive() for timer in timers) or view._moved is not None
        return same and not (view.waiting or view.compute.busy or not tracing.is_done or rest)

    qtbot.waitUntil(settled, timeout=20_000)


def said(view: SolutionsView) -> dict[str, tuple[str, str]]:
    return {name: (view._desk.cells[name, "loss"].text(), view._desk.cells[name, "right"].text()) for name in SETS}


def expected(run: Run, step: int, ablation: Ablation) -> dict[str, tuple[str, str]]:
    scores = answer_map(run, step, KEYS, ablation, exact=True).scores
    assert scores is not None
    return {name: (value_text(getattr(scores, name).loss), percent(getattr(scores, name))) for name in SETS}


def trained(path: Path, **changes: object) -> Run:
    quick = {"epochs": 20, "checkpoint_every": 10, "dense_every": 0}
    for _ in recording.start(replace(SMALL, **(quick | changes)), path).events():
        pass
    return Run.open(path, probe=False)


def test_that_the_curves_are_the_engines(show: Show, run: Run) -> None:
    view = show(run)
    powers, losses = view._plots.power.curves, view._plots.loss.curves
    for step in (0, 6, run.n_checkpoints - 1):
        split, found = power_split(run, step, KEYS), measures(run, step)
        assert found.table is not None
        kept = restricted(run.config, found.table, KEYS)
        without = excluded(run.config, np.asarray(activations(run, step).logits), found.table, KEYS)
        assert kept.test is not None
        for curves, name, value in (
            (powers, "of_keys", split.of_keys), (powers, "of_rest", split.of_rest),
            (losses, "restricted_test", kept.test.loss), (losses, "restricted_train", kept.train.loss),
            (losses, "excluded_train", without.keys.loss),
        ):  # fmt: skip
            epochs, values = curves[name]
            assert np.array_equal(epochs, run.epochs)
            assert values[step] == pytest.approx(value, rel=1e-9)
    view.session.scrub(6)
    for name, (_, values) in (powers | losses).items():
        legend = view._plots.legends[view._plots.plot_of(name)].text()
        assert f">{value_text(float(values[6]))}</font></b>" in legend
    assert view._plots.power.cursor.value() == view._plots.loss.cursor.value() == run.epochs[6]


def test_that_the_corners_have_the_engines_losses(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    for step in (0, run.n_checkpoints - 1):
        found = measures(run, step)
        assert found.table is not None
        kept = restricted(run.config, found.table, KEYS)
        without = excluded(run.config, np.asarray(activations(run, step).logits), found.table, KEYS)
        assert kept.test is not None
        assert found.test is not None
        view.session.scrub(step)
        for name, (train, test) in {
            "model": (found.train, found.test), "restricted": (kept.train, kept.test), "excluded": (without.keys, None),
        }.items():  # fmt: skip
            view._desk.corners[name].click()
            settle(view, qtbot)
            assert view.session.selection.ablation == CORNERS[name][0]
            assert [n for n, button in view._desk.corners.items() if button.isChecked()] == [name]
            assert said(view)["train"] == (value_text(train.loss), f"{percent_of(train.accuracy)}")
            if test is not None:
                assert said(view)["test"] == (value_text(test.loss), f"{percent_of(test.accuracy)}")


def percent_of(accuracy: float) -> str:
    from engine.analysis.pairs import Score

    return percent(Score(1, 0.0, accuracy))


def test_that_a_fader_is_a_factor_by_every_hand(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    fader, field = view._desk.faders["generalising"], view._desk.fields["generalising"]
    last = run.n_checkpoints - 1

    def at(g: float, m: float = 1.0) -> None:
        settle(view, qtbot)
        assert view.session.selection.ablation == Ablation(g, m)
        assert said(view) == expected(run, last, Ablation(g, m))
        assert fader.value() == round(100 * g)

    QTest.keyClick(fader, Qt.Key.Key_Left)
    at(0.99)
    QTest.keyClick(fader, Qt.Key.Key_PageDown)
    at(0.89)
    QTest.keyClick(fader, Qt.Key.Key_Home)
    at(0.0)
    QTest.keyClick(fader, Qt.Key.Key_End)
    at(1.5)
    QTest.mouseClick(fader, Qt.MouseButton.LeftButton, pos=QPoint(round(fader.place_of(50)), 13))
    at(fader.value() / 100)
    assert 45 <= fader.value() <= 55
    QTest.mouseDClick(fader, Qt.MouseButton.LeftButton, pos=QPoint(round(fader.place_of(50)), 13))
    at(1.0)
    QTest.mouseClick(fader, Qt.MouseButton.LeftButton, pos=QPoint(round(fader.place_of(101)), 13))
    at(1.0)  # as good as 1
    field.setText("0,3337")
    QTest.keyClick(field, Qt.Key.Key_Return)
    settle(view, qtbot)
    assert view.session.selection.ablation == Ablation(0.3337, 1.0)
    assert said(view) == expected(run, last, Ablation(0.3337, 1.0))
    assert field.text() == "0.3337"
    for wrong in ("", "much", "-1", "1.51", "nan", "inf"):
        field.setText(wrong)
        QTest.keyClick(field, Qt.Key.Key_Return)
        assert field.text() == "0.3337"
        assert view.session.selection.ablation == Ablation(0.3337, 1.0)
    view._desk.faders["memorising"].moved.emit(0.5)
    settle(view, qtbot)
    assert said(view) == expected(run, last, Ablation(0.3337, 0.5))


def test_that_faders_show_what_others_selected(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    view.session.select(ablation=Ablation(0.2, 1.4))
    assert [fader.value() for fader in view._desk.faders.values()] == [20, 140]
    assert [field.text() for field in view._desk.fields.values()] == ["0.20", "1.40"]
    assert not any(button.isChecked() for button in view._desk.corners.values())
    settle(view, qtbot)
    assert said(view) == expected(run, run.n_checkpoints - 1, Ablation(0.2, 1.4))
    view.session.undo()
    assert [fader.value() for fader in view._desk.faders.values()] == [100, 100]


def test_that_a_drag_goes_at_the_pace_of_its_numbers(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    told: list[Ablation] = []
    view.session.changed.connect(lambda s: told.append(s.ablation))
    for g in range(90, 40, -1):
        view._desk.faders["generalising"].moved.emit(g / 100)
    assert len(told) == 1  # the first goes out at once, the others while it is awaited
    assert view._desk.fields["generalising"].text() == "0.41"  # but the hand sees where it is
    settle(view, qtbot)
    assert told[-1] == Ablation(0.41, 1.0)
    assert len(told) < 6
    assert said(view) == expected(run, run.n_checkpoints - 1, Ablation(0.41, 1.0))


def test_that_scrubbing_reads_the_traces_where_they_know(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    for ablation, known in ((Ablation(), True), (Ablation(1, 0), True), (Ablation(0.5, 0.5), False)):
        view.session.select(ablation=ablation)
        settle(view, qtbot)
        view.session.scrub(5)
        assert view._rest.isActive() or view.compute.knows(view._exact)
        fresh = dict.fromkeys(SETS, ("…", "…"))
        assert said(view) == (expected(run, 5, ablation) if known else fresh)
        settle(view, qtbot)
        assert said(view) == expected(run, 5, ablation)
        view.session.scrub(run.n_checkpoints - 1)
        settle(view, qtbot)


def test_that_the_crossing_is_marked_between_its_checkpoints(show: Show, run: Run) -> None:
    view = show(run)
    answer = replace(view.answer, crossing=(40, 60), ahead=True)
    view.draw(answer, view.session.selection)
    for mark in view._plots.marks:
        assert mark.isVisible()
        assert mark.getRegion() == (40, 60)
    assert "cross between 40 and 60" in view.header.subtitle.text()
    view._log_x.setChecked(True)
    view.draw(answer, view.session.selection)
    view._plots.place_mark()
    assert view._plots.marks[0].getRegion() == pytest.approx((np.log10(40), np.log10(60)))
    view.draw(replace(answer, crossing=None, ahead=False), view.session.selection)
    assert not any(mark.isVisible() for mark in view._plots.marks)
    assert "have not crossed" in view.header.subtitle.text()


def test_that_candidates_are_dashed_and_named(show: Show, run: Run) -> None:
    view = show(run)
    assert view._plots.curves["of_keys"].opts["pen"].style() == SOLID
    assert "keys 2 4 by hand" in view.header.subtitle.text()
    pinned = replace(view.answer.pinned, final=False, by_hand=False)
    view.draw(replace(view.answer, pinned=pinned, excluded_train=None, measured=3, of=9), view.session.selection)
    assert view._plots.curves["of_keys"].opts["pen"].style() == DASHED
    assert "candidates 2 4 of epoch 200" in view.header.subtitle.text()
    assert "3 of 9 checkpoints so far" in view.header.subtitle.text()
    assert "once the run is finished" in view._plots.legends[view._plots.loss].text()


def test_that_without_two_solutions_there_is_a_sentence(show: Show, qtbot: QtBot, run: Run, tmp_path: Path) -> None:
    view = show(run, None)  # no neuron of it is of one frequency
    assert view._stack.currentIndex() == 1
    assert "No key frequency yet" in view._message.text()
    assert "200" in view._message.text()
    view.session.select(pinned_keys=KEYS)
    settle(view, qtbot)
    assert view._stack.currentIndex() == 0
    none = trained(tmp_path / "none.h5", operation="x2xyy2")
    view.session.show_run(none)
    settle(view, qtbot)
    assert view._stack.currentIndex() == 1
    assert "no group operation" in view._message.text()


@pytest.mark.parametrize(
    "changes",
    [{"operation": "multiply"}, {"operation": "divide"}, {"operation": "subtract"}, {"p": 8}, {"n_layers": 2}],
)
def test_that_every_task_with_a_basis_has_two_solutions(
    show: Show, qtbot: QtBot, tmp_path: Path, changes: dict[str, object]
) -> None:
    run = trained(tmp_path / "run.h5", **changes)
    view = show(run)
    for ablation in (Ablation(), Ablation(1, 0), Ablation(0.7, 0.2)):
        view.session.select(ablation=ablation)
        for step in (0, run.n_checkpoints - 1):
            view.session.scrub(step)
            settle(view, qtbot)
            assert said(view) == expected(run, step, ablation)
            units = str(changes.get("operation")) in ("multiply", "divide") and not ablation.is_whole
            assert view._desk.heads["every"].text() == ("units" if units else "all")
    assert set(view._plots.power.curves) == {"of_keys", "of_rest"}
    assert view.describe(view.answer, view.session.selection)


def test_that_without_test_pairs_their_numbers_are_none(show: Show, qtbot: QtBot, tmp_path: Path) -> None:
    view = show(trained(tmp_path / "all.h5", train_fraction=1.0))
    view.session.select(ablation=Ablation(0.5, 1))
    settle(view, qtbot)
    assert said(view)["test"] == ("—", "—")
    assert said(view)["train"] == said(view)["every"]
    assert "restricted_test" not in view._plots.loss.curves


def test_that_the_map_is_the_test_loss_and_a_drag_in_it_moves_both_faders(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    chart = view._desk.landscape
    assert chart.isVisible()
    qtbot.waitUntil(lambda: chart.missing is None, timeout=20_000)
    for row in (0, 8, 12):
        assert np.array_equal(chart.losses[row], landscape_row(run, run.n_checkpoints - 1, KEYS, row))
    scores = answer_map(run, run.n_checkpoints - 1, KEYS, Ablation(0.5, 1.5), exact=True).scores
    assert scores is not None
    assert scores.test is not None
    assert chart.losses[12, GRID.index(0.5)] == pytest.approx(scores.test.loss, rel=1e-4)
    for ablation in (Ablation(1, 0), Ablation(0.25, 1.5)):
        at = chart.place_of(ablation)
        QTest.mouseClick(chart, Qt.MouseButton.LeftButton, pos=QPoint(int(at.x()), int(at.y())))
        settle(view, qtbot)
        got = view.session.selection.ablation
        assert got.generalising == pytest.approx(ablation.generalising, abs=0.03)
        assert got.memorising == pytest.approx(ablation.memorising, abs=0.03)
    view.session.scrub(3)
    assert chart.missing is not None  # of another checkpoint: begun again
    view._show_map.setChecked(False)
    assert not chart.isVisible()


def test_that_tables_hold_curves_and_the_mix(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    view.session.select(ablation=Ablation(0.5, 0.5))
    settle(view, qtbot)
    over, mix = view.tables(view.answer, view.session.selection)
    assert np.array_equal(over.columns["epoch"], run.epochs)
    assert over.columns["power of P_K L"][-1] == pytest.approx(power_split(run, run.n_checkpoints - 1, KEYS).of_keys)
    assert len(over.columns) == 6
    scores = answer_map(run, run.n_checkpoints - 1, KEYS, Ablation(0.5, 0.5), exact=True).scores
    assert scores is not None
    assert scores.test is not None
    assert list(mix.columns["pairs"]) == ["train", "test", "all"]
    assert mix.columns["loss (nats)"][1] == pytest.approx(scores.test.loss, rel=1e-12)


def test_that_nothing_is_clipped_or_covered(show: Show, qapp: QApplication, run: Run) -> None:
    view = show(run)
    for look in (theme.LIGHT, theme.DARK):
        theme.apply(qapp, look)
        view.restyle()
        for size in ((420, 286), (640, 420), (900, 566), (330, 640)):
            view.resize(*size)
            QApplication.processEvents()
            check_places(view)
            left = [
                widget.mapTo(view.content, QPoint(0, 0)).x()
                for widget in (view._plots.power.widget, view._plots.loss.widget)
            ]
            assert (left[0] == left[1]) == (size[1] > 500)


def check_places(view: SolutionsView) -> None:
    content, desk = view.content, view._desk
    shown: list[QWidget] = [
        *desk.faders.values(), *desk.fields.values(), *desk.corners.values(), *desk.cells.values(),
        view._plots.power.widget, view._plots.loss.widget,
    ]  # fmt: skip
    if view._desk.landscape.isVisible():
        shown.append(view._desk.landscape)
    places = []
    for widget in shown:
        place = widget.rect().translated(widget.mapTo(content, QPoint(0, 0)))
        assert content.rect().contains(place), widget.objectName()
        assert widget.width() >= widget.minimumSizeHint().width()
        places.append(place)
    assert not any(places[i].intersects(places[j]) for i in range(len(places)) for j in range(i))


def test_that_the_parts_have_names_and_are_reached_by_keys(show: Show, run: Run) -> None:
    view = show(run)
    reachable = [*view._desk.faders.values(), *view._desk.fields.values(), *view._desk.corners.values()]
    for widget in reachable:
        assert widget.accessibleName()
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert isinstance(view._desk.faders["memorising"], Fader)
    assert isinstance(view._desk.landscape, Landscape)
    assert view._desk.landscape.accessibleName()
