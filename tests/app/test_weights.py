"""Weights over training: curves, values at the cursor and toggles equal the engine."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.views.weights import BOTH, GINI, SQUARES, TOTAL, WeightsView, curves, span_of, value_text
from engine.analysis.weights import BIASES, NORMS, WeightCurves, weight_curves
from engine.runfile import Run
from tests.app.alone import alone, click, settle, trained


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[WeightsView]:
    with alone(WeightsView, qtbot, qapp) as made:
        yield made


def show(view: WeightsView, qtbot: QtBot, run: Run) -> WeightCurves:
    view.session.show_run(run)
    settle(view, qtbot)
    return weight_curves(run, run.n_checkpoints, view.tracing.traces, view.tracing.pinned, 0)


def test_that_every_curve_is_the_engines(view: WeightsView, qtbot: QtBot, run: Run) -> None:
    truth = show(view, qtbot, run)
    drawn = view._squares.curves | view._shares.curves
    assert set(drawn) == {TOTAL, *truth.squared, "Gini W_E", "Gini W_L"}
    for name, values in curves(truth).items():
        if name in drawn:
            assert np.array_equal(drawn[name][0], run.epochs)
            assert np.array_equal(drawn[name][1], values)
    assert not view._legend[NORMS].isVisible()


def test_that_the_legend_says_the_values_at_the_cursor(view: WeightsView, qtbot: QtBot, run: Run) -> None:
    truth = show(view, qtbot, run)
    for step in (0, 5, run.n_checkpoints - 1):
        view.session.scrub(step)
        assert view._legend[TOTAL].said == value_text(truth.total[step])
        assert view._legend["W_in"].said == value_text(truth.squared["W_in"][step])
        assert view._legend["IPR W_L"].said == value_text(truth.ipr["W_L"][step])
        for track in (view._squares, view._shares):
            assert track.cursor.value() == run.epochs[step]


def test_that_an_entry_hides_its_curve_and_the_axis_follows(view: WeightsView, qtbot: QtBot, run: Run) -> None:
    truth = show(view, qtbot, run)
    view._legend[TOTAL].click()
    assert TOTAL not in view._squares.curves
    shown = [values for name, values in curves(truth).items() if name in view._squares.curves]
    assert tuple(view._squares.widget.getViewBox().viewRange()[1]) == pytest.approx(span_of(shown, log=True))
    view._legend["IPR W_E"].click()
    assert np.array_equal(view._shares.curves["IPR W_E"][1], truth.ipr["W_E"])


def test_that_no_axis_moves_while_scrubbing(view: WeightsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    ranges = [track.widget.getViewBox().viewRange() for track in (view._squares, view._shares)]
    for step in range(run.n_checkpoints):
        view.session.scrub(step)
        assert [track.widget.getViewBox().viewRange() for track in (view._squares, view._shares)] == ranges


def test_that_scales_change_the_place_and_not_the_data(view: WeightsView, qtbot: QtBot, run: Run) -> None:
    truth = show(view, qtbot, run)
    view.session.scrub(4)
    view._log_y.setChecked(False)
    view._log_x.setChecked(True)
    drawn = view._squares._curves[TOTAL].getData()
    assert drawn[1].tolist() == truth.total.tolist()
    assert drawn[0] == pytest.approx(np.log10(np.maximum(run.epochs, 0.5)))
    assert view._squares.widget.getViewBox().viewRange()[1][0] == 0
    assert view._squares.cursor.value() == pytest.approx(np.log10(run.epochs[4]))


def test_that_a_click_goes_to_the_nearest_checkpoint(view: WeightsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    click(view._squares.widget, 99, 1.5)
    qtbot.waitUntil(lambda: view.session.selection.epoch == 100)
    click(view._shares.widget, 42, 0.8)
    qtbot.waitUntil(lambda: view.session.selection.epoch == 40)


def test_that_the_nearest_curve_is_read_out(view: WeightsView, qtbot: QtBot, run: Run) -> None:
    truth = show(view, qtbot, run)
    at = run.epochs.tolist().index(100)
    view._point_at(SQUARES, (100.0, float(np.log10(truth.squared["W_pos"][at]))))
    assert f"Σw² of W_pos {truth.squared['W_pos'][at]:.5g}" in view.value
    assert f"({100 * truth.squared['W_pos'][at] / truth.total[at]:.1f} % of all)" in view.value
    view._point_at(GINI, (100.0, float(truth.gini["W_L"][at])))
    assert view.value.endswith(f"Gini W_L {truth.gini['W_L'][at]:.4f}")
    view._point_at(GINI, None)
    assert view._subtitle.text() == view._resting


def test_that_one_plot_stands_where_there_is_no_room_for_both(view: WeightsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)

    def seen() -> tuple[bool, bool]:
        return view._squares.widget.isVisible(), view._shares.widget.isVisible()

    for what, expected in ((GINI, (False, True)), (SQUARES, (True, False)), (BOTH, (True, True))):
        view._show_what.setCurrentText(what)
        assert seen() == expected
    view.resize(420, 290)
    assert seen() == (True, False)
    view._show_what.setCurrentText(GINI)
    assert seen() == (False, True)


def test_that_without_a_basis_the_sums_stay_and_the_rest_is_explained(
    view: WeightsView, qtbot: QtBot, tmp_path: Path
) -> None:
    truth = show(view, qtbot, trained(tmp_path / "none.h5", operation="x2xyy2"))
    assert np.array_equal(view._squares.curves[TOTAL][1], truth.total)
    assert not view._shares.widget.isVisible()
    assert view._without.isVisible()
    assert "no group operation" in view._without.text()
    assert not view._legend["Gini W_E"].isVisible()


def test_that_layer_norms_have_a_curve_where_there_are_any(view: WeightsView, qtbot: QtBot, tmp_path: Path) -> None:
    truth = show(view, qtbot, trained(tmp_path / "norms.h5", layer_norm=True))
    assert view._legend[NORMS].isVisible()
    assert np.array_equal(view._squares.curves[NORMS][1], truth.squared[NORMS])


def test_that_tables_hold_every_curve(view: WeightsView, qtbot: QtBot, run: Run) -> None:
    truth = show(view, qtbot, run)
    squares, gini = view.tables(view.answer, view.session.selection)
    assert np.array_equal(squares.columns[f"sum of squares of {BIASES}"], truth.squared[BIASES])
    assert np.array_equal(gini.columns["IPR W_E"], truth.ipr["W_E"])
    assert "Gini coefficient" in view.describe(view.answer, view.session.selection)


def test_that_values_are_short_and_axes_span_what_is_shown() -> None:
    assert [value_text(v) for v in (1783.4, 164.53, 0.1791, 0.04514, 3.2e-5, 0)] == [
        "1783", "164.5", "0.179", "0.0451", "3e-5", "0",
    ]  # fmt: skip
    low, high = span_of([np.array([1.0, 100]), np.array([0, 10.0])], log=True)
    assert low < 0 < 2 < high
    assert span_of([np.array([1.0, 100])], log=False)[0] == 0
    assert span_of([], log=True)[0] < span_of([], log=True)[1]
