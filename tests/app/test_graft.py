"""Grafts: the table, the map and the chart equal the engine; ticks, slider, rows and cells are used as by hand."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QSlider
from pytestqt.qtbot import QtBot

from app import theme
from app.views.answer_colours import class_colours
from app.views.graft import ALL, MAP, PARTS, TABLE, GraftView, cell_text, chart_rows, sentence
from app.views.pair_classes import kinds
from app.views.swap_chart import INTO_X, INTO_Y, Ends, SwapChart, colour_of
from engine.analysis.graft import NORMS, Grafting, grafted, grafting, groups, memorised
from engine.models.transformer import shapes
from engine.runfile import Run
from tests.app.alone import alone, click, trained


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[GraftView]:
    with alone(GraftView, qtbot, qapp) as made:  # type: ignore[type-var]
        made.resize(1000, 640)
        yield made


def settle(view: GraftView, qtbot: QtBot) -> None:
    """The picture, the exact numbers and every single part."""

    def there() -> bool:
        quiet = not (view.waiting or view.compute.busy or view._rest.isActive() or view._asked_part)
        alike = view.answer is not None and view.answer.graft.x == view.answer.graft.y
        rows = 0 if alike or not view._parts.isVisible() or view._run is None else len(chart_rows(view._run.config))
        return quiet and len(view._tried) >= 2 * rows

    qtbot.waitUntil(there, timeout=20_000)


def show(view: GraftView, qtbot: QtBot, run: Run, x: int = 2) -> Grafting:
    view.session.show_run(run)
    qtbot.waitUntil(lambda: view.answer is not None and not view.waiting, timeout=20_000)
    view._choose_x(x)
    settle(view, qtbot)
    answer: Grafting = view.answer
    return answer


def test_that_the_table_is_the_engines_float64(view: GraftView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    last = run.n_checkpoints - 1
    truth = grafting(run, 2, last, ("W_E",), exact=True)
    for row, scores in (("x", truth.x), ("y", truth.y), ("graft", truth.graft.scores)):
        for name in ("train", "test", "every"):
            assert view._cells[row, name].text() == cell_text(scores, name)
    assert truth.graft.scores.test is not None
    assert view._sentence.text() == sentence(truth)
    assert sentence(truth).startswith(f"W_E of {run.epochs[2]} in {run.epochs[last]}: test ")


def test_that_a_first_look_takes_x_where_the_training_pairs_are_known(
    view: GraftView, qtbot: QtBot, run: Run, tmp_path: Path
) -> None:
    view.session.show_run(run)
    qtbot.waitUntil(lambda: view.answer is not None, timeout=20_000)
    x = memorised(run, run.n_checkpoints)
    assert x > 0
    assert view.answer.graft.x == run.epochs[x]
    assert view._slider.value() == x
    view._choose_x(1)
    other = trained(tmp_path / "other.h5")
    view.session.show_run(other)
    settle(view, qtbot)
    assert view.answer.graft.x == other.epochs[memorised(other, other.n_checkpoints)]


def test_that_ticks_and_groups_choose_the_parameters(view: GraftView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    qtbot.mouseClick(view._ticks["W_U"], Qt.MouseButton.LeftButton)
    assert view.names == ("W_E", "W_U")
    for expected in ({"W_E", "W_U", *groups(run.config)["attention"]}, {"W_E", "W_U"}):
        qtbot.mouseClick(view._group_buttons["attention"], Qt.MouseButton.LeftButton)
        assert set(view.names) == expected
        settle(view, qtbot)
        assert set(view.answer.graft.names) == expected
    qtbot.mouseClick(view._ticks["W_E"], Qt.MouseButton.LeftButton)
    qtbot.mouseClick(view._ticks["W_U"], Qt.MouseButton.LeftButton)
    settle(view, qtbot)
    assert view.names == ()
    assert view._cells["graft", "test"].text() == view._cells["y", "test"].text()
    assert view._sentence.text().startswith("Nothing of ")
    for group in groups(run.config):
        qtbot.mouseClick(view._group_buttons[group], Qt.MouseButton.LeftButton)
    settle(view, qtbot)
    assert set(view.answer.graft.names) == set(shapes(run.config))
    assert view._cells["graft", "every"].text() == view._cells["x", "every"].text()


def test_that_the_slider_and_the_button_choose_x(view: GraftView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    slider = view.findChild(QSlider, "graft.x")
    assert isinstance(slider, QSlider)
    assert slider.maximum() == run.n_checkpoints - 1
    slider.setFocus()
    qtbot.keyClick(slider, Qt.Key.Key_Right)
    settle(view, qtbot)
    assert view.answer.graft.x == run.epochs[3]
    assert view._x_words.text() == f"X: epoch {run.epochs[3]}"
    view.session.scrub(5)
    settle(view, qtbot)
    assert (view.answer.graft.x, view.answer.graft.y) == (run.epochs[3], run.epochs[5])
    take = view.findChild(QPushButton, "graft.take")
    assert isinstance(take, QPushButton)
    qtbot.mouseClick(take, Qt.MouseButton.LeftButton)
    settle(view, qtbot)
    assert view.answer.graft.x == view.answer.graft.y == run.epochs[5]
    assert view._slider.value() == 5


def test_that_the_map_shows_right_and_wrong_and_selects_pairs(view: GraftView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run)
    kind = kinds(run.config)
    wanted = np.where(answer.graft.right, np.maximum(kind, 0), 4)
    assert np.array_equal(np.asarray(view._map.image.image), wanted)
    assert view._map.image.table[4].tolist() == [int(class_colours()[4][i : i + 2], 16) for i in (1, 3, 5)]
    click(view._map.plot, 7, 3)
    qtbot.waitUntil(lambda: view.session.selection.pair == (3, 7))
    assert view._map.marked == (3, 7)
    view._hovered((3, 7))
    right = "right" if answer.graft.right[3, 7] else "wrong"
    assert view.value.startswith(f"a = 3, b = 7 · {right} · loss ")
    click(view._map.plot, 7, 3)
    qtbot.waitUntil(lambda: view.session.selection.pair is None)


def test_that_the_chart_tries_every_part_both_ways(view: GraftView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run)
    last, rows, chart = run.n_checkpoints - 1, chart_rows(run.config), view._chart
    assert chart.parts == tuple(rows)
    assert set(rows) == {*groups(run.config), *shapes(run.config)} - {"W_U"}
    for part, names in rows.items():
        for way, (giver, taker) in ((INTO_Y, (2, last)), (INTO_X, (last, 2))):
            truth = grafted(run, giver, taker, names).scores.test
            assert truth is not None
            assert chart._values[part, way] == truth.loss
    assert answer.x.test is not None
    assert answer.y.test is not None
    assert (chart._ends.x, chart._ends.y) == (
        pytest.approx(answer.x.test.loss, rel=1e-4), pytest.approx(answer.y.test.loss, rel=1e-4),
    )  # fmt: skip
    assert chart._chosen == "W_E"


def test_that_a_click_on_a_row_takes_that_part(view: GraftView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    chart = view._chart
    for part in ("W_in", "attention", "unembedding"):
        at = QPoint(20, round(chart.y_of(part)))
        QTest.mouseMove(chart, at)
        QTest.mouseClick(chart, Qt.MouseButton.LeftButton, pos=at)
        assert set(view.names) == set(chart_rows(run.config)[part])
        settle(view, qtbot)
        assert chart._chosen == part
    view._hovered_part("W_K")
    one, other = (cell_text(view._tried["W_K", way], "test") for way in (INTO_Y, INTO_X))
    assert view.value == f"X’s W_K in Y: {one} · Y’s W_K in X: {other}"


def test_that_another_checkpoint_forgets_what_was_tried(view: GraftView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    before = dict(view._chart._values)
    view.session.scrub(6)
    qtbot.waitUntil(lambda: not view.waiting, timeout=20_000)
    assert len(view._tried) < len(before)
    settle(view, qtbot)
    truth = grafted(run, 2, 6, ("W_O",)).scores.test
    assert truth is not None
    assert view._chart._values["W_O", INTO_Y] == truth.loss != before["W_O", INTO_Y]


def test_that_layer_norms_are_a_part_where_there_are_any(
    view: GraftView, qtbot: QtBot, run: Run, tmp_path: Path
) -> None:
    show(view, qtbot, run)
    assert not view._ticks[NORMS].isVisible()
    normed = trained(tmp_path / "ln.h5", layer_norm=True)
    show(view, qtbot, normed, x=0)
    assert view._ticks[NORMS].isVisible()
    qtbot.mouseClick(view._group_buttons[NORMS], Qt.MouseButton.LeftButton)
    settle(view, qtbot)
    assert set(view.answer.graft.names) == {"W_E", *groups(normed.config)[NORMS]}
    assert NORMS in view._chart.parts


def test_that_without_test_pairs_all_pairs_judge(view: GraftView, qtbot: QtBot, tmp_path: Path) -> None:
    run = trained(tmp_path / "whole.h5", train_fraction=1.0)
    answer = show(view, qtbot, run, x=0)
    assert view._cells["graft", "test"].text() == "–"
    assert ": all " in view._sentence.text()
    truth = grafted(run, 0, run.n_checkpoints - 1, ("W_V",)).scores.every
    assert truth is not None
    assert view._chart._values["W_V", INTO_Y] == truth.loss
    assert view._chart._unit == "loss, all pairs (nats)"
    assert "all" in sentence(answer, short=True)


@pytest.mark.parametrize(
    ("size", "seen"),
    [((1000, 640), "DMP"), ((800, 400), "DP"), ((640, 560), "DMP"), ((500, 500), "DP"), ((420, 286), "D")],
)
def test_that_what_there_is_no_room_for_goes(
    view: GraftView, qtbot: QtBot, run: Run, size: tuple[int, int], seen: str
) -> None:
    show(view, qtbot, run)
    view.resize(*size)
    assert (view.width(), view.height()) == size
    parts = {"D": view._desk, "M": view._map, "P": view._parts}
    assert "".join(name for name, part in parts.items() if part.isVisible()) == seen
    for what, there in ((TABLE, "D"), (MAP, "M"), (PARTS, "P"), (ALL, seen)):
        view._show_what.setCurrentText(what)
        assert "".join(name for name, part in parts.items() if part.isVisible()) == there


def test_that_tables_hold_scores_answers_and_parts(view: GraftView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run)
    scores, answers, parts = view.tables(answer, view.session.selection)
    assert answer.graft.scores.test is not None
    assert scores.columns["loss, test pairs (nats)"][2] == answer.graft.scores.test.loss
    assert np.array_equal(answers.columns["right"], answer.graft.right.ravel().astype(int))
    i = list(zip(parts.columns["part"], parts.columns["direction"], strict=True)).index(("W_E", INTO_X))
    truth = grafted(run, run.n_checkpoints - 1, 2, ("W_E",)).scores.test
    assert truth is not None
    assert parts.columns["loss (nats)"][i] == truth.loss
    assert "with W_E of epoch" in view.describe(answer, view.session.selection)


def test_that_dots_stand_on_a_logarithmic_axis_in_the_colours_of_their_direction(qtbot: QtBot) -> None:
    chart = SwapChart()
    qtbot.addWidget(chart)
    chart.resize(500, 300)
    chart.show_parts(("MLP", "W_in"), {"MLP"}, "W_in", "test loss (nats)")
    chart.show_values({("W_in", INTO_Y): 1e-3, ("W_in", INTO_X): 1e1}, Ends(10.0, 1e-5))
    places = [chart.x_of(loss) for loss in (1e-5, 1e-3, 1e-1, 1e1)]
    assert np.allclose(np.diff(places), np.diff(places)[0])
    assert chart.part_at(QPoint(5, round(chart.y_of("MLP")))) == "MLP"  # type: ignore[arg-type]
    image = chart.grab().toImage()
    for way, loss in ((INTO_Y, 1e-3), (INTO_X, 1e1)):
        painted = image.pixelColor(round(chart.x_of(loss)), round(chart.y_of("W_in")))
        assert painted.name() == colour_of(way).name()
    assert "W_in into Y 0.001" in chart.accessibleDescription()


def test_that_a_change_of_theme_reaches_the_legend(view: GraftView, qtbot: QtBot, qapp: QApplication, run: Run) -> None:
    show(view, qtbot, run)
    theme.apply(qapp, theme.LIGHT)
    view.change_theme()
    assert theme.LIGHT.negative in view._legend.text()
