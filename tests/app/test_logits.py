"""The logits' spectrum and cosines: pictures, printed numbers and clicks equal the engine."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import theme
from app.views.legend import value_text
from app.views.logits import ALL, COSINES, SPECTRUM, LogitsView
from app.views.logits_words import component_name
from engine.analysis.ablation import Ablation
from engine.analysis.logit_picture import logit_numbers, logit_picture
from engine.analysis.logits import cosine_fit, logit_spectrum
from engine.analysis.progress_curves import Pinned
from engine.runfile import Run
from tests.app.alone import alone, click, pixel, settle, trained

KEYS = (2, 4)


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[LogitsView]:
    with alone(LogitsView, qtbot, qapp) as made:
        yield made


def show(view: LogitsView, qtbot: QtBot, run: Run, keys: tuple[int, ...] | None = KEYS) -> None:
    view.session.show_run(run)
    view.session.select(pinned_keys=keys)
    settle(view, qtbot)
    qtbot.waitUntil(lambda: view._curves is not None and not view.compute.busy)


def painted(view: LogitsView) -> np.ndarray:
    return np.asarray(view._map.image.image)


def test_that_the_map_is_the_engines_in_the_colours_of_the_layouts_checkpoint(
    view: LogitsView, qtbot: QtBot, run: Run
) -> None:
    show(view, qtbot, run)
    last = run.n_checkpoints - 1
    for step in (0, 5, last):
        view.session.scrub(step)
        settle(view, qtbot)
        truth = logit_picture(run, step, last)
        for components, values, top in (
            (False, truth.by_frequency, truth.top_by_frequency), (True, truth.norm, truth.top),
        ):  # fmt: skip
            view._components.setChecked(components)
            for log in (False, True):
                view._log.setChecked(log)
                scaled = 1 + np.log10(np.maximum(values, 1e-30) / top) / 4 if log else values / top
                expected = np.clip(255 * scaled, 0, 255)
                assert np.abs(painted(view) - expected).max() <= 1.001
                assert view._map.bar._range == ((-4, 0) if log else (0, top))


def test_that_bars_and_curves_are_the_coefficients_of_the_cosines(view: LogitsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    view.session.scrub(6)
    settle(view, qtbot)
    fit = cosine_fit(run, 6, KEYS)
    assert view._bars.bars.height == pytest.approx(fit.coefficient, abs=1e-4)
    for i, k in enumerate(KEYS):
        x, y = view._time.curves[f"named {i}"]
        assert np.array_equal(x, run.epochs)
        assert y[6] == pytest.approx(fit.coefficient[k - 1], abs=1e-12)
        assert view._lines[i].opts["pen"].color() == theme.frequency_colour(k, KEYS)
    assert np.isnan(view._time.curves["others"][1]).sum() == 3
    assert view._time.cursor.value() == run.epochs[6]


def test_that_printed_numbers_are_exact_and_wait_their_turn(view: LogitsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    fit, numbers = cosine_fit(run, 3, KEYS), logit_numbers(run, 3, KEYS)
    view.session.scrub(3)
    qtbot.waitUntil(lambda: not view.waiting)
    if view._numbers is None:
        assert "…" in view._sentence.text()
    qtbot.waitUntil(lambda: view._numbers is not None)
    said = view._sentence.text()
    assert numbers.loss is not None
    assert f"{100 * fit.explained_by_keys:.2f} % of the variance" in said
    assert f"alone {value_text(fit.loss)}, of all the logits {value_text(numbers.loss)}" in said
    spectrum = logit_spectrum(run, 3)
    view._map_hovered((2, 4))
    assert view.value == f"a: k = 2 · b: k = 4 · norm {spectrum.by_frequency[2, 4]:.5g} over the outputs"
    view._components.setChecked(True)
    settle(view, qtbot)
    view._map_hovered((0, 4))
    assert view.value == f"a: const · b: sin 2 · norm {spectrum.norm[0, 4]:.5g} over the outputs"
    view._bars._hovered(
        view._bars.widget.getViewBox().mapViewToScene(view._bars.widget.getViewBox().viewRect().center())
    )
    k = round(view._bars.widget.getViewBox().viewRect().center().x())
    assert f"k = {k} · α {fit.coefficient[k - 1]:.4g}".replace("-", "−") in view.value


def test_that_clicks_select_the_frequency_and_a_second_one_clears_it(view: LogitsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    click(view._map.plot, 3, 3)
    qtbot.waitUntil(lambda: view.session.selection.frequency == 3)
    assert view._map.marked == (3, 3)
    assert view._bars.wash.k == 3
    assert np.array_equal(view._time.curves["named 2"][1], view._curves.coefficient[:, 2])  # type: ignore[union-attr]
    click(view._bars.widget, 3, 0)
    qtbot.waitUntil(lambda: view.session.selection.frequency is None)
    click(view._bars.widget, 5, 0)
    qtbot.waitUntil(lambda: view.session.selection.frequency == 5)
    view._map_clicked(1, 5)  # off the diagonal: nothing
    assert view.session.selection.frequency == 5
    diagonal = np.diag(view.answer.by_frequency)
    view._map_clicked(2, 3)  # beside it: the larger of the two
    assert view.session.selection.frequency == (2 if diagonal[2] > diagonal[3] else 3)
    view._components.setChecked(True)
    settle(view, qtbot)
    view._map_clicked(7, 8)  # cos 4, sin 4
    assert view.session.selection.frequency == 4
    assert view._map.marked == (7, 7)


def test_that_a_click_over_time_takes_a_curve_or_goes_to_the_epoch(view: LogitsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    assert view._curves is not None
    at = run.epochs.tolist().index(160)
    k = int(view._curves.coefficient[at].argmax()) + 1
    top = float(view._curves.coefficient[at, k - 1])
    view._time_clicked(160, top)
    assert view.session.selection.frequency == k
    assert view.session.selection.step == run.n_checkpoints - 1
    high = view._time.widget.getViewBox().viewRange()[1][1]
    view._time_clicked(61, high)
    assert view.session.selection.epoch == 60
    view._time_pointed((160.0, top))
    assert view.value == f"epoch 160 · k = {k} · α {top:.4g}"


def test_that_the_faders_move_map_bars_and_numbers_and_not_the_past(view: LogitsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    curve, limits = view._time.curves["named 0"][1], view._map.bar._range
    view.session.select(ablation=Ablation(0.5, 0.0))
    settle(view, qtbot)
    last = run.n_checkpoints - 1
    truth = logit_picture(run, last, last, KEYS, Ablation(0.5, 0.0))
    assert np.array_equal(view._bars.bars.height, truth.coefficient)
    assert view._bars.bars.height[0] == pytest.approx(0, abs=1e-5)  # 1 is no key
    assert view._map.bar._range == limits
    assert np.array_equal(view._time.curves["named 0"][1], curve)
    assert view._subtitle.text() == "ablated: g = 0.50, m = 0.00 · keys 2, 4, chosen by hand"
    numbers = logit_numbers(run, last, KEYS, Ablation(0.5, 0.0))
    assert numbers.fit is not None
    assert f"{100 * numbers.fit.explained_by_keys:.2f} %" in view._sentence.text()
    assert "Ablated" in view.describe(view.answer, view.session.selection)


def test_that_no_axis_moves_while_scrubbing(view: LogitsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    boxes = [view._bars.widget.getViewBox(), view._time.widget.getViewBox(), view._map.plot.getViewBox()]
    ranges = [box.viewRange() for box in boxes]
    for step in range(run.n_checkpoints):
        view.session.scrub(step)
        settle(view, qtbot)
        assert [box.viewRange() for box in boxes] == ranges


def test_that_names_over_neighbouring_bars_stand_apart(view: LogitsView, qtbot: QtBot) -> None:
    run = Run.open(Path(__file__).resolve().parents[2] / "resources" / "demonstration.h5", probe=False)
    for size in ((900, 600), (420, 320)):
        view.resize(*size)
        show(view, qtbot, run, keys=None)
        at = [pixel(view._bars.widget, name.x, 0).x() for name in view._bars.names.names]
        assert len(at) == 5
        assert min(np.diff(at)) >= 18
        assert max(at) <= view._bars.widget.width() - 8


def test_that_the_parts_can_stand_alone_and_the_curves_wait_for_room(view: LogitsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)

    def seen() -> tuple[bool, bool, bool]:
        return view._map.isVisible(), view._bars.widget.isVisible(), view._time.widget.isVisible()

    assert seen() == (True, True, True)
    for what, expected in ((SPECTRUM, (True, False, False)), (COSINES, (False, True, True)), (ALL, (True, True, True))):
        view._show_what.setCurrentText(what)
        assert seen() == expected
    view.resize(420, 290)
    assert seen() == (True, True, False)


def test_that_a_task_without_a_basis_says_so(view: LogitsView, qtbot: QtBot, tmp_path: Path) -> None:
    view.session.show_run(trained(tmp_path / "none.h5", operation="x2xyy2"))
    settle(view, qtbot)
    assert "no group operation" in view._message.text()
    assert view._stack.currentIndex() == 1
    assert view.tables(view.answer, view.session.selection) == []


def test_that_products_are_told_in_logarithms(view: LogitsView, qtbot: QtBot, tmp_path: Path) -> None:
    show(view, qtbot, trained(tmp_path / "times.h5", operation="multiply"), keys=(1, 5))
    assert view._map.plot.getPlotItem().getAxis("left").labelText == "frequency of log a"
    assert len(view._bars.bars.height) == 5
    assert painted(view).shape == (6, 6)
    assert "generator 2" in view.describe(view.answer, view.session.selection)


def test_that_without_keys_nothing_is_claimed(view: LogitsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    view.tracing.pinned = Pinned((), 200, True)
    view.refresh(view.session.selection)
    assert view._subtitle.text() == "no key frequency yet"
    assert view._sentence.text() == ""
    assert {colour.name() for colour in view._bars.bars.colours} == {theme.current().other_frequency}
    assert not view._bars.names.names


def test_that_tables_hold_the_exact_numbers(view: LogitsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    fit, spectrum = cosine_fit(run, run.n_checkpoints - 1, KEYS), logit_spectrum(run, run.n_checkpoints - 1)
    cosines, matrix, time = view.tables(view.answer, view.session.selection)
    assert np.array_equal(cosines.columns["alpha"], fit.coefficient)
    assert np.array_equal(cosines.columns["share of the variance"], fit.explained)
    assert matrix.columns["norm"] == pytest.approx(spectrum.norm.ravel())
    assert matrix.columns["component of a"][-1] == "sin 5"
    assert time.columns["alpha of k = 3"][-1] == pytest.approx(fit.coefficient[2])
    assert [component_name(i) for i in range(4)] == ["const", "cos 1", "sin 1", "cos 2"]
