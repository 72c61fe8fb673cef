"""Clock or pizza: curves, values and the map equal the engine; published values are drawn and named; clicks select."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from app import theme
from app.views.algorithm import ALL, CIRCLES, MAP, MEASURES, AlgorithmView, sentence
from app.views.measure_tracks import balance, circle_words, colour_of
from engine.analysis.algorithm import algorithm, circles
from engine.analysis.algorithm_curves import (
    IRRELEVANCE,
    SYMMETRICITY,
    AlgorithmCurves,
    AlgorithmPicture,
    algorithm_curves,
)
from engine.runfile import Run
from tests.app.alone import alone, click, pixel, settle, trained

KEYS = (2, 4)
DEMONSTRATION = Path(__file__).resolve().parents[2] / "resources" / "demonstration.h5"


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[AlgorithmView]:
    with alone(AlgorithmView, qtbot, qapp) as made:
        made.resize(900, 640)
        yield made


def show(view: AlgorithmView, qtbot: QtBot, run: Run, keys: tuple[int, ...] | None = KEYS) -> AlgorithmPicture:
    view.session.show_run(run)
    view.session.select(pinned_keys=keys)
    settle(view, qtbot)
    tracing = view.tracing
    qtbot.waitUntil(lambda: tracing._planned is not None and tracing._planned[3] == ("algorithm", "circle"))
    settle(view, qtbot)
    answer: AlgorithmPicture = view.answer
    return answer


def curves_of(view: AlgorithmView) -> AlgorithmCurves:
    curves: AlgorithmCurves | None = view.answer.curves
    assert curves is not None
    return curves


def test_that_curves_are_the_measures_of_every_checkpoint(view: AlgorithmView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    drawn = {name: values for part in view._parts.values() for name, values in part.track.curves.items()}
    for step in (0, 5, run.n_checkpoints - 1):
        truth = algorithm(run, step)
        for name in ("symmetricity", "irrelevance"):
            epochs, values = drawn[name]
            assert epochs.tolist() == run.epochs.tolist()
            assert values[step] == pytest.approx(getattr(truth, name), rel=1e-9)
    assert "circularity" not in drawn
    for i, k in enumerate(KEYS):
        truth_k = circles(run, 5, (k,))[0]
        assert truth_k.clock is not None
        assert truth_k.pizza is not None
        shown = drawn[f"circle {i}"][1][5]
        if max(truth_k.clock, truth_k.pizza) < 0:
            assert np.isnan(shown)
        else:
            assert shown == pytest.approx(truth_k.pizza - truth_k.clock, abs=1e-4)
        assert view._circles.lines[i].opts["pen"].color() == theme.frequency_colour(k, KEYS)


def test_that_values_at_the_cursor_are_the_engines_and_follow_it(view: AlgorithmView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    for step in (3, run.n_checkpoints - 1):
        view.session.scrub(step)
        settle(view, qtbot)
        truth = algorithm(run, step)
        assert truth.symmetricity is not None
        assert view._legend["symmetricity"].said == f"{truth.symmetricity:.3f} ± {truth.error:.3f}"
        assert view._legend["irrelevance"].said == f"{truth.irrelevance:.3f}"
        assert view._legend["circularity"].said == f"{truth.circularity:.3f}"
        assert view._symmetricity.track.cursor.value() == run.epochs[step]
        assert f"s_g {truth.symmetricity:.2f} · q {truth.irrelevance:.2f}" in view._sentence.text()


def test_that_a_click_in_the_legend_shows_a_curve(view: AlgorithmView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    qtbot.mouseClick(view._legend["circularity"], Qt.MouseButton.LeftButton)
    assert "circularity" in view._symmetricity.track.curves
    qtbot.mouseClick(view._legend["symmetricity"], Qt.MouseButton.LeftButton)
    assert set(view._symmetricity.track.curves) == {"circularity"}


def test_that_the_map_is_the_right_logit_by_sum_and_difference(view: AlgorithmView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run)
    assert answer.table is not None
    image = np.asarray(view._map.image.image)
    low, high = answer.table.min(), answer.table.max()
    assert np.array_equal(image, np.clip((answer.table - low) * (255 / (high - low)), 0, 255).astype(np.uint8))
    click(view._map.plot, 3, 8)  # column d = 3, row s = 8: a = (8 + 3) / 2, b = (8 − 3) / 2 modulo 11
    qtbot.waitUntil(lambda: view.session.selection.pair == (0, 8))
    assert ((0 + 8) % 11, (0 - 8) % 11) == (8, 3)
    assert view._map.marked == (8, 3)
    click(view._map.plot, 3, 8)
    qtbot.waitUntil(lambda: view.session.selection.pair is None)
    view._hovered((8, 3))
    assert view.value == f"a = 0, b = 8 · sum 8, difference 3 · right logit {answer.table[8, 3]:.4g}"


def test_that_published_values_are_drawn_named_and_told(view: AlgorithmView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    for track, references in ((view._symmetricity, SYMMETRICITY), (view._irrelevance, IRRELEVANCE)):
        assert [text for _, text in track.names.names] == [r.of for r in references]
        for item, reference in zip(track._items, references, strict=True):
            place = item.getRegion() if reference.low < reference.high else (item.value(),) * 2
            assert place == (reference.low, reference.high)
    view._point_at("irrelevance", (100.0, 0.25))
    assert "q of a pizza: Model A" in view.value
    assert ".172" in view.value
    view._point_at("symmetricity", (100.0, 0.631))
    assert "attention rate .7 to .9: .63" in view.value
    qtbot.mouseClick(view._references, Qt.MouseButton.LeftButton)
    assert not any(item.isVisible() for item in view._symmetricity._items)
    assert view._symmetricity.names.names == []
    curves = curves_of(view)
    at = curves.epochs.tolist().index(100)
    view._point_at("irrelevance", (101.0, 0.25))
    assert view.value == f"epoch 100 · q {curves.irrelevance[at]:.4f}"


def test_that_a_key_in_the_legend_selects_its_frequency(view: AlgorithmView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    qtbot.mouseClick(view._circles.entries[1], Qt.MouseButton.LeftButton)
    assert view.session.selection.frequency == KEYS[1]
    assert view._circles.lines[1].opts["pen"].widthF() == 3
    qtbot.mouseClick(view._circles.entries[1], Qt.MouseButton.LeftButton)
    assert view.session.selection.frequency is None
    assert view._circles.entries[1].isChecked()


def test_that_a_click_on_a_curve_goes_to_the_epoch(view: AlgorithmView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    click(view._circles.track.widget, 101, 0)
    qtbot.waitUntil(lambda: view.session.selection.epoch == 100)
    assert pixel(view._symmetricity.track.widget, 100, 0).x() == pixel(view._circles.track.widget, 100, 0).x()


def test_that_scrubbing_draws_no_curve_again(
    view: AlgorithmView, qtbot: QtBot, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(view, qtbot, run)
    calls: list[object] = []
    monkeypatch.setattr(view, "_draw_curves", lambda *a: calls.append(a))
    view.session.scrub(2)
    settle(view, qtbot)
    assert not calls


@pytest.mark.parametrize(
    ("size", "seen"),
    [((900, 640), "siCM"), ((900, 380), "siM"), ((420, 320), "si"), ((420, 600), "siC"), ((420, 760), "siCM")],
)
def test_that_what_there_is_no_room_for_goes(
    view: AlgorithmView, qtbot: QtBot, run: Run, size: tuple[int, int], seen: str
) -> None:
    show(view, qtbot, run)
    view.resize(*size)
    parts = {"s": view._symmetricity, "i": view._irrelevance, "C": view._circles, "M": view._map_part}
    assert "".join(name for name, part in parts.items() if part.isVisible()) == seen
    for what, alone_there in ((MEASURES, "si"), (CIRCLES, "C"), (MAP, "M"), (ALL, seen)):
        view._show_what.setCurrentText(what)
        assert "".join(name for name, part in parts.items() if part.isVisible()) == alone_there


@pytest.mark.parametrize(
    ("changes", "shown", "said"),
    [
        ({"p": 12}, "s", "even"),
        ({"operation": "subtract"}, "i", "do not enter alike"),
        ({"operation": "multiply"}, "s", "The number of units, 10, is even"),
    ],
)
def test_that_what_is_undefined_is_said_in_its_place(
    view: AlgorithmView, qtbot: QtBot, tmp_path: Path, changes: dict[str, object], shown: str, said: str
) -> None:
    show(view, qtbot, trained(tmp_path / "own.h5", **changes), keys=(2,))
    for name, part in (("s", view._symmetricity), ("i", view._irrelevance)):
        assert part.track.widget.isVisible() == (name == shown)
        reason = part.findChild(QLabel, f"algorithm.{'symmetricity' if name == 's' else 'irrelevance'}.undefined")
        assert isinstance(reason, QLabel)
        assert (said in reason.text()) == (name != shown)
    assert view._map.isVisible() == (shown == "i")
    assert "nan" not in view._sentence.text().lower()
    assert view._circles.track.widget.isVisible()


def test_that_a_task_without_a_basis_says_so(view: AlgorithmView, qtbot: QtBot, tmp_path: Path) -> None:
    show(view, qtbot, trained(tmp_path / "none.h5", operation="x2xyy2"), keys=None)
    assert "Neither clock nor pizza: " in view._message.text()
    assert "no group operation" in view._message.text()
    assert view._stack.currentIndex() == 1


def test_that_nothing_is_measured_for_who_does_not_look(view: AlgorithmView, qtbot: QtBot, run: Run) -> None:
    view.come_to_front(False)
    view.session.show_run(run)
    view.session.select(pinned_keys=KEYS)
    qtbot.waitUntil(lambda: view.tracing._planned is not None and not view.tracing.left, timeout=20_000)
    assert view.tracing._wanted == ()
    view.come_to_front(True)
    qtbot.waitUntil(lambda: view.answer is not None and view.answer.curves is not None, timeout=20_000)
    qtbot.waitUntil(lambda: len(curves_of(view).circles) == 2 and not view.tracing.left, timeout=20_000)


def test_that_tables_hold_the_curves_and_the_map(view: AlgorithmView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run)
    assert answer.table is not None
    measures, of_2, of_4, table = view.tables(answer, view.session.selection)
    curves = curves_of(view)
    assert np.array_equal(measures.columns["distance irrelevance q"], curves.irrelevance)
    assert np.array_equal(of_4.columns["pizza (share of variance)"], curves.circles[4].pizza)
    assert of_2.name == "circle 2"
    assert np.array_equal(table.columns["logit of the right answer"], answer.table.ravel())
    assert "keys 2, 4, chosen by hand" in view.describe(answer, view.session.selection)


def test_that_a_change_of_theme_reaches_every_line(
    view: AlgorithmView, qtbot: QtBot, qapp: QApplication, run: Run
) -> None:
    show(view, qtbot, run)
    theme.apply(qapp, theme.LIGHT)
    view.change_theme()
    assert view._circles.lines[0].opts["pen"].color() == theme.frequency_colour(KEYS[0], KEYS)
    assert colour_of("pizza").name() == theme.LIGHT.positive
    brush = view._irrelevance._items[0].brush.color()
    assert brush.name() == theme.LIGHT.positive


def test_that_the_mainlines_circles_begin_as_pizzas_and_three_become_clocks(view: AlgorithmView, qtbot: QtBot) -> None:
    run = Run.open(DEMONSTRATION, probe=False)
    view.session.show_run(run)
    view.tracing.pause(True)
    qtbot.waitUntil(lambda: view.tracing.traces is not None and view.tracing.pinned is not None, timeout=20_000)
    traces = view.tracing.traces
    assert traces is not None
    names = ("algorithm", *(f"circle/{k}" for k in (14, 35, 41, 42, 52)))
    steps = [run.step_at(epoch) for epoch in (11_000, 40_000)]
    for step in steps:
        traces.add(step, (), names)
    curves = algorithm_curves(run, run.n_checkpoints, traces, view.tracing.pinned, -1)
    assert sentence(curves, 11_000) == "Epoch 11 000: s_g 0.80 · q 0.66 · 35, 41, 52 pizzas · 14, 42 between"
    assert sentence(curves, 40_000) == "Epoch 40 000: s_g 0.33 · q 0.77 · 35, 42, 52 clocks · 14, 41 pizzas"
    assert sentence(curves, 40_000, short=True) == "Epoch 40 000: s_g 0.33 · q 0.77 · 3 clocks · 2 pizzas"
    assert sentence(curves, 0) == "Epoch 0 is not measured yet"


def test_that_a_circle_is_named_only_where_a_formula_explains_it() -> None:
    assert circle_words((0.96, 0.75), 0.79) == ("clock", " 96 : 75")
    assert circle_words((0.78, 0.97), 0.79) == ("pizza", " 78 : 97")
    assert circle_words((0.3, -0.21), 0.79) == ("–", " 30 : −21")
    assert circle_words((0.95, 0.9), 0.79) == ("between", " 95 : 90")
    assert circle_words(None, 0.79) == ("…", "")


def test_that_a_balance_is_drawn_only_where_there_is_something_to_balance(
    view: AlgorithmView, qtbot: QtBot, run: Run
) -> None:
    show(view, qtbot, run)
    curve = curves_of(view).circles[2]
    found = balance(curve)
    there = np.maximum(curve.clock, curve.pizza) >= 0
    assert np.array_equal(np.isfinite(found), there)
    assert np.array_equal(found[there], curve.pizza[there] - curve.clock[there])
