"""The clock: hands, words and numbers against the engine, and a pair that can be chosen here."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import theme
from app.compute import Compute
from app.session import Session
from app.views.clock import ClockView
from app.views.clock_painting import Hit, Picture, regions
from app.views.clock_words import nearest_token, probability_text
from engine import recording
from engine.analysis.clock import Dial, clock, example_pair
from engine.runfile import Run
from tests.app.conftest import SMALL

Trained = Callable[..., Run]
Show = Callable[..., ClockView]
KEYS = (2, 4)


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[ClockView]:
    theme.apply(qapp, theme.DARK)
    session, compute = Session(), Compute()
    made = ClockView(session, compute)
    qtbot.addWidget(made)
    made.resize(760, 560)
    made.show()
    yield made
    compute.close()
    made.tracing.close()


@pytest.fixture
def show(view: ClockView, qtbot: QtBot) -> Show:
    """Look at a run with chosen keys until the exact numbers are there."""

    def look(run: Run, **fields: Any) -> ClockView:
        view.session.show_run(run)
        view.session.select(**({"pinned_keys": KEYS} | fields))
        settle(view, qtbot)
        return view

    return look


def settle(view: ClockView, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not view.waiting and view.answer is not None, timeout=20_000)
    qtbot.waitUntil(lambda: view._known(view.session.selection) is not None, timeout=20_000)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A short run of other settings, trained once."""
    made: dict[tuple[tuple[str, Any], ...], Path] = {}

    def train(**changes: Any) -> Run:
        key = tuple(sorted(changes.items()))
        if key not in made:
            made[key] = tmp_path_factory.mktemp("runs") / "run.h5"
            for _ in recording.start(replace(SMALL, epochs=20, dense_every=0, **changes), made[key]).events():
                pass
        return Run.open(made[key], probe=False)

    return train


def picture(view: ClockView) -> Picture:
    made = view._canvas._picture
    assert made is not None
    return made


def dial_of(view: ClockView) -> Dial:
    dial = picture(view).clock.dial
    assert dial is not None
    return dial


def caption(view: ClockView) -> str:
    return view._page.caption.text()


def test_that_the_hands_and_sums_are_the_engines(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run, pair=(3, 9))
    n = run.n_checkpoints
    for step in (0, n // 2, n - 1):
        view.session.scrub(step)
        settle(view, qtbot)
        drawn = picture(view)
        for found, exact in ((drawn.clock, False), (drawn.exact, True)):
            truth = clock(run, step, n - 1, n, (3, 9), KEYS, None, exact)
            assert found is not None
            assert found.dial is not None
            assert truth.dial is not None
            assert np.array_equal(found.dial.tokens, truth.dial.tokens)
            assert np.array_equal(found.dial.logits, truth.dial.logits)
            assert np.array_equal(found.dial.total(KEYS), truth.dial.total(KEYS))
            assert found.dial.explained == truth.dial.explained
        assert (found.answer, found.said) == (1, truth.said)


def test_that_numbers_are_awaited_and_then_exact(view: ClockView, qtbot: QtBot, run: Run) -> None:
    view.session.show_run(run)
    view.session.select(pinned_keys=KEYS, pair=(3, 9))
    qtbot.waitUntil(lambda: not view.waiting and view.answer is not None, timeout=20_000)
    if picture(view).exact is None:
        assert "…" in view._says.toolTip()
    settle(view, qtbot)
    n = run.n_checkpoints
    exact = clock(run, n - 1, n - 1, n, (3, 9), KEYS, None, True)
    assert probability_text(exact.probability) in view._says.toolTip()
    view.session.scrub(0)
    assert view._known(view.session.selection) is None


def test_that_without_a_pair_an_example_is_shown_and_said(show: Show, run: Run) -> None:
    view = show(run)
    assert (view._a.value(), view._b.value()) == example_pair(run.config)
    assert "an example" in view._says.toolTip()
    assert view.session.selection.pair is None


def test_that_the_verdict_fits_and_is_whole_under_the_pointer(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run, pair=(3, 9))
    said = []
    for width in (900, 560, 400):
        view.resize(width, 560)
        qtbot.waitUntil(lambda width=width: view.width() == width)
        assert view._says.fontMetrics().horizontalAdvance(view._says.text()) <= view._says.width()
        said.append(view._says.text())
    assert len(said[0]) > len(said[1]) > len(said[2]) > 0
    assert "probability" in view._says.toolTip()


def test_that_the_fields_choose_the_pair_and_follow_it(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    a, b = example_pair(run.config)
    view._a.setValue((a + 1) % 11)
    assert view.session.selection.pair == ((a + 1) % 11, b)
    view.session.select(pair=(4, 9))
    settle(view, qtbot)
    assert (view._a.value(), view._b.value()) == (4, 9)
    assert view._a.maximum() == 10
    assert view._answer.text() == "= 2  (mod 11)"
    assert "example" not in view._says.toolTip()


def test_that_a_hand_can_be_dragged(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run, pair=(3, 9))
    canvas, left = view._canvas, Qt.MouseButton.LeftButton
    at = canvas.tip(4, 1)
    assert canvas.hit(at) == Hit(4, hand=1)
    centre = canvas.places().faces[1].center()
    qtbot.mousePress(canvas, left, pos=at.toPoint())
    up = QPoint(round(centre.x()), round(centre.y()) - 40)  # tick 0 belongs to residue 0
    qtbot.mouseMove(canvas, up)
    assert view.session.selection.pair == (3, 0)
    settle(view, qtbot)
    qtbot.mouseRelease(canvas, left, pos=up)
    qtbot.mouseMove(canvas, up + QPoint(0, 80))
    assert view.session.selection.pair == (3, 0)


def test_that_a_dragged_hand_stops_at_the_nearest_tick(show: Show, run: Run) -> None:
    dial = dial_of(show(run, pair=(3, 9)))
    for k in (1, 2, 5):
        for token in range(11):
            turn = k * token % 11 / 11
            for off in (-0.04, 0, 0.04):
                assert nearest_token(dial, k, (turn + off) % 1, 5) == token


def test_that_of_equal_ticks_the_nearest_residue_is_taken(show: Show, trained: Trained) -> None:
    dial = dial_of(show(trained(p=12), pair=(3, 9), pinned_keys=(4,)))
    assert nearest_token(dial, 4, 1 / 3, 8) == 7  # 1, 4, 7 and 10 stand there
    assert nearest_token(dial, 4, 1 / 3, 0) == 1


def test_that_a_clock_or_a_row_selects_its_frequency(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run, pair=(3, 9))
    there = view._canvas.places()
    name = (there.faces[1].topLeft() + QPointF(3, -6)).toPoint()
    row = (there.rows[0].topLeft() + QPointF(40, 4)).toPoint()
    for at, expected in ((name, 4), (name, None), (row, 2), (row, None)):
        qtbot.mouseClick(view._canvas, Qt.MouseButton.LeftButton, pos=at)
        assert view.session.selection.frequency == expected
        assert picture(view).selected == expected
    view.session.select(frequency=5)
    assert picture(view).shown == (2, 4, 5)
    assert picture(view).clock.keys == KEYS


def test_that_the_pointer_reads_values(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run, pair=(3, 9))
    there, dial = view._canvas.places(), picture(view).exact
    assert dial is not None
    assert dial.dial is not None
    step = there.total.width() / 11
    c = 6
    x = there.total.left() + (c + 0.5) * step
    qtbot.mouseMove(view._canvas, QPointF(x, there.total.center().y()).toPoint())
    total, own = dial.dial.total(KEYS)[c], dial.dial.logits[c]
    assert view._subtitle.text() == f"c = 6 · sum {total:.2f} · model {own:.2f} logits".replace("-", "−")
    qtbot.mouseMove(view._canvas, QPointF(x, there.rows[1].center().y()).toPoint())
    assert view._subtitle.text().startswith(
        f"k = 4, c = 6 · cos {np.cos(2 * np.pi * 4 * 6 / 11):.3f}".replace("-", "−")
    )
    qtbot.mouseMove(view._canvas, there.faces[0].center().toPoint())
    assert view._subtitle.text().startswith("k = 2 · a at tick 6, the model ")
    view._canvas.hovered.emit(None)
    assert view._subtitle.text() == view._resting


def test_that_stages_tell_the_algorithm_step_by_step(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run, pair=(3, 9), frequency=4)
    assert "only" in caption(view)
    view._stages[0].click()
    assert picture(view).stage == 1
    assert "4 · 3 ≡" in caption(view)
    assert ">1</span> of 11 ticks, 0.09 of a turn" in caption(view)
    view._stages[1].click()
    assert [button.isChecked() for button in view._stages] == [False, True, False, False]
    assert "1 + 3 ≡" in caption(view)
    for key, stage in ((Qt.Key.Key_Right, 3), (Qt.Key.Key_Right, 4), (Qt.Key.Key_Right, 0), (Qt.Key.Key_Left, 4)):
        qtbot.keyClick(view._canvas, key)
        assert picture(view).stage == stage
    exact = picture(view).exact
    assert exact is not None
    assert exact.dial is not None
    explained = exact.dial.explained
    assert (f"{100 * explained:.1f} %" if explained > 0 else "nothing") in caption(view)
    view._stages[3].click()
    assert picture(view).stage == 0


def test_that_subtraction_turns_back(show: Show, trained: Trained) -> None:
    view = show(trained(operation="subtract"), pair=(3, 9), frequency=4)
    assert view._operator.text() == "−"
    assert view._answer.text() == "= 5  (mod 11)"
    view._stages[1].click()
    assert "then back by b" in caption(view)
    assert "1 − 3 ≡" in caption(view)
    assert (dial_of(view).s, dial_of(view).sign) == (5, -1)


def test_that_products_turn_by_logarithms_and_zero_has_none(show: Show, qtbot: QtBot, trained: Trained) -> None:
    view = show(trained(operation="multiply"), pair=(3, 9))
    dial = dial_of(view)
    assert pow(2, dial.i, 11) == 3
    assert dial.elements[dial.s] == 27 % 11
    view._stages[0].click()
    assert f"3 = 2<sup>{dial.i}</sup>" in caption(view)
    view.session.select(pair=(0, 9))
    settle(view, qtbot)
    assert picture(view).clock.no_clock == "No clock: zero has no logarithm."
    assert not view.grab().isNull()
    view._a.setValue(5)
    settle(view, qtbot)
    assert picture(view).clock.dial is not None


def test_that_a_quotient_by_zero_has_no_answer(show: Show, trained: Trained) -> None:
    view = show(trained(operation="divide"), pair=(3, 0))
    assert view._answer.text() == "has no answer"
    assert view._says.toolTip() == ""
    assert view.describe(view.answer, view.session.selection) == "3 / 0 has no answer."
    assert view.tables(view.answer, view.session.selection) == []


def test_that_no_key_frequency_is_said_beside_the_logits(show: Show, run: Run) -> None:
    view = show(run, pinned_keys=None)
    assert "No key frequency yet" in caption(view)
    assert picture(view).shown == ()
    assert "no key frequency yet" in view._subtitle.text()
    assert not view.grab().isNull()


def test_that_a_task_without_a_basis_says_why(view: ClockView, qtbot: QtBot, trained: Trained) -> None:
    view.session.show_run(trained(operation="x2xyy2"))
    qtbot.waitUntil(lambda: not view.waiting and view.answer is not None, timeout=20_000)
    assert "no Fourier basis" in view._message.text()


def test_that_clocks_which_cannot_tell_answers_apart_say_so(show: Show, trained: Trained) -> None:
    view = show(trained(p=12), pair=(3, 9), pinned_keys=(4, 6))
    assert "as 1 others do" not in caption(view)
    assert "as one other does" in caption(view)  # 4 and 6 agree at every sixth output


@pytest.mark.parametrize("m", [0, 1, 2, 5, 6, 9, 12])
def test_that_everything_has_its_place(m: int) -> None:
    for width, height in ((200, 120), (394, 190), (560, 400), (880, 500), (1400, 300), (400, 900)):
        there = regions(width, height, m)
        everything = [*there.faces, *there.rows, there.total]
        page = QRectF(-0.5, -0.5, width + 1, height + 1)
        if height >= 190 and m <= 6:
            assert all(page.contains(box) for box in everything)
        for i, box in enumerate(everything):
            assert not any(box.adjusted(0.5, 0.5, -0.5, -0.5).intersects(other) for other in everything[:i])
        assert len(there.faces) == len(there.rows) == m
        assert all((row.left(), row.width()) == (there.total.left(), there.total.width()) for row in there.rows)


def test_that_probabilities_near_their_ends_keep_their_digits() -> None:
    assert probability_text(0.372) == "37.2 %"
    assert probability_text(1 - 2e-7) == "1 − 2·10⁻⁷"
    assert probability_text(9.6e-8) == "1·10⁻⁷"
    assert probability_text(3e-12) == "3·10⁻¹²"
    assert probability_text(0.0) == "0"
    assert probability_text(1.0) == "1"


@pytest.mark.parametrize(
    "changes",
    [{}, {"p": 12}, {"operation": "divide"}, {"operation": "multiply", "p": 9}, {"n_layers": 2, "layer_norm": True}],
)
def test_that_every_model_is_drawn(
    show: Show,
    qtbot: QtBot,
    qapp: QApplication,
    trained: Trained,
    changes: dict[str, Any],
) -> None:
    view = show(trained(**changes), pinned_keys=(1, 3), frequency=2, pair=(1, 2))
    for look, size in ((theme.DARK, (420, 320)), (theme.LIGHT, (900, 600)), (theme.DARK, (420, 700))):
        theme.apply(qapp, look)
        view.resize(*size)
        view.session.scrub(0 if look is theme.LIGHT else view.session.selection.n_checkpoints - 1)
        settle(view, qtbot)
        for stage in range(5):
            view._set_stage(view._stages[stage - 1] if stage else None)
            image = view.grab().toImage()
            assert len({image.pixel(x, y) for x in range(0, size[0], 3) for y in range(0, size[1], 3)}) > 10
            assert "nan" not in f"{caption(view)} {view._says.toolTip()}".lower()


def test_that_what_is_on_show_can_be_taken_away(show: Show, run: Run) -> None:
    view = show(run, pair=(3, 9))
    exact = picture(view).exact
    assert exact is not None
    assert exact.dial is not None
    outputs, hands = view.tables(view.answer, view.session.selection)
    assert np.array_equal(outputs.columns["sum of alpha_k cos (logits)"], exact.dial.total(KEYS))
    assert np.array_equal(outputs.columns["cos w_4(s − c)"], exact.dial.cosines(4))
    assert list(hands.columns["frequency k"]) == [2, 4]
    assert hands.columns["hand of a (turns)"] == pytest.approx([6 / 11, 1 / 11])
    assert hands.columns["hand of answer (turns)"] == pytest.approx([2 / 11, 4 / 11])
    text = view.describe(view.answer, view.session.selection)
    assert "a = 3, b = 9" in text
    assert "epoch 200" in text
    assert "Frequencies 2, 4, chosen by hand" in text
