"""The embedding circles: what is painted and said equals the engine, and clicks reach everybody."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import theme
from app.compute import Compute
from app.session import Session
from app.views.circles import CirclesView, keys_text, marked, panels, token_text
from app.views.circles_canvas import Hit, Picture
from engine import recording
from engine.analysis.circles import embedding_circles
from engine.analysis.progress_curves import Pinned
from engine.runfile import Run
from tests.app.conftest import SMALL

Trained = Callable[..., Run]
Show = Callable[..., CirclesView]
KEYS = (2, 4)


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[CirclesView]:
    theme.apply(qapp, theme.DARK)
    session, compute = Session(), Compute()
    made = CirclesView(session, compute)
    qtbot.addWidget(made)
    made.resize(620, 420)
    made.show()
    yield made
    compute.close()
    made.tracing.close()


@pytest.fixture
def show(view: CirclesView, qtbot: QtBot) -> Show:
    """Look at a run with chosen keys."""

    def look(run: Run, **fields: Any) -> CirclesView:
        view.session.show_run(run)
        view.session.select(**({"pinned_keys": KEYS} | fields))
        settle(view, qtbot)
        return view

    return look


def settle(view: CirclesView, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not view.waiting and view.answer is not None, timeout=20_000)


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


def picture(view: CirclesView) -> Picture:
    made = view._canvas._picture
    assert made is not None
    return made


def spot(view: CirclesView, k: int, token: int) -> QPoint:
    """Where a token is painted on the circle of k."""
    cell = dict(view._canvas.cells())[k]
    x, y = view._canvas.spots(k, cell)[picture(view).circles.place_of(token)]
    return QPointF(x, y).toPoint()


def title(view: CirclesView, k: int) -> QPoint:
    cell = dict(view._canvas.cells())[k]
    return (cell.topLeft() + QPointF(14, 10)).toPoint()


def click(qtbot: QtBot, view: CirclesView, at: QPoint, shift: bool = False) -> None:
    held = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    qtbot.mouseClick(view._canvas, Qt.MouseButton.LeftButton, held, at)


def test_that_the_points_are_the_engines_and_nothing_rescales(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    n = run.n_checkpoints
    cells, units = [], set()
    for step in (0, n // 2, n - 1):
        view.session.scrub(step)
        settle(view, qtbot)
        truth = embedding_circles(run, step, n - 1, n, KEYS)
        drawn = picture(view)
        assert drawn.shown == KEYS
        assert np.array_equal(drawn.circles.points, truth.points)
        assert np.array_equal(drawn.circles.share, truth.share)
        for k, cell in view._canvas.cells():
            centre, unit = view._canvas.place(cell)
            units.add((k, unit))
            at, (up, right) = view._canvas.spots(k, cell)[3], truth.points[k - 1, 3]
            inside = abs(unit * right) < cell.width() / 2 - 6 and abs(unit * up) < cell.height() / 2 - 30
            if inside:
                assert at == pytest.approx([centre.x() + unit * right, centre.y() - unit * up])
        cells.append(view._canvas.cells())
    assert cells[0] == cells[1] == cells[2]
    assert len(units) == len(KEYS)


def test_that_its_own_plane_is_an_option_that_says_what_noise_gives(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    view.session.scrub(0)
    settle(view, qtbot)
    assert "planes of epoch 200" in view._subtitle.text()
    view._own.click()
    settle(view, qtbot)
    truth = embedding_circles(run, 0, run.n_checkpoints - 1, run.n_checkpoints, KEYS, None, True)
    assert np.array_equal(picture(view).circles.points, truth.points)
    assert f"random ≈ {truth.random_share:.2f}" in view._subtitle.text()


def test_that_colours_go_by_place_or_by_value(show: Show, run: Run) -> None:
    view = show(run)
    assert view._canvas._hues().tolist() == [[k * a % 11 * 256 // 11 for a in range(11)] for k in picture(view).shown]
    at = spot(view, 4, 7)
    by_place = view._canvas.grab().toImage().pixelColor(at).getRgb()[:3]
    assert by_place == tuple(theme.wheel_table()[4 * 7 % 11 * 256 // 11])
    view._by_value.click()
    assert view._canvas._hues().tolist() == [[a * 256 // 11 for a in range(11)]] * len(picture(view).shown)


def test_that_a_title_selects_its_frequency_and_clears_it(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    for expected in (4, None):
        click(qtbot, view, title(view, 4))
        assert view.session.selection.frequency == expected
        assert picture(view).selected == expected


def test_that_points_give_a_pair(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    click(qtbot, view, spot(view, 2, 3))
    assert view.session.selection.pair is None
    assert [(mark.token, mark.name) for mark in picture(view).marks] == [(3, "a")]
    click(qtbot, view, spot(view, 4, 8))
    assert view.session.selection.pair == (3, 8)
    assert [mark.text for mark in picture(view).marks] == ["a = 3", "b = 8", "a + b = 0"]
    click(qtbot, view, spot(view, 2, 5))
    assert view.session.selection.pair == (5, 8)
    click(qtbot, view, spot(view, 2, 9), shift=True)
    assert view.session.selection.pair == (5, 9)
    click(qtbot, view, spot(view, 2, 5))
    assert view.session.selection.pair is None


def test_that_the_pointer_reads_a_token(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    truth = embedding_circles(run, run.n_checkpoints - 1, run.n_checkpoints - 1, run.n_checkpoints, KEYS)
    qtbot.mouseMove(view._canvas, spot(view, 4, 7))
    radius = np.hypot(*truth.points[3, 7])
    assert view._subtitle.text().startswith(f"token a = 7 · 4·a mod 11 = 6 · radius {radius:.3f} · ")
    qtbot.mouseMove(view._canvas, title(view, 4))
    assert view._subtitle.text() == f"k = 4 · share of 4 in its plane {truth.share[3]:.3f}"
    view._canvas.hovered.emit(None)
    assert view._subtitle.text() == view._resting


def test_that_a_selected_frequency_gets_a_circle_of_its_own(show: Show, run: Run) -> None:
    view = show(run, frequency=5)
    assert picture(view).shown == (2, 4, 5)
    view.session.select(frequency=2)
    assert picture(view).shown == (2, 4)


def test_that_a_brush_costs_no_computation(show: Show, run: Run) -> None:
    view = show(run)
    before = view.query(view.session.selection)
    view.session.select(frequency=5, pair=(1, 2))
    assert view.query(view.session.selection) == before
    assert not view.waiting


def test_that_keys_walk_through_the_frequencies(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    for key, expected in (
        (Qt.Key.Key_Right, 2), (Qt.Key.Key_Right, 4), (Qt.Key.Key_Right, 2), (Qt.Key.Key_Left, 4),
        (Qt.Key.Key_Escape, None),
    ):  # fmt: skip
        qtbot.keyClick(view._canvas, key)
        assert view.session.selection.frequency == expected


def test_that_no_key_frequency_is_said(show: Show, run: Run) -> None:
    view = show(run, pinned_keys=None)
    assert view.answer.keys == ()
    assert view._message.text().startswith("No key frequency yet.")
    view.session.select(frequency=3)
    assert view._stack.currentIndex() == 0
    assert picture(view).shown == (3,)


def test_that_a_set_is_named_by_what_it_is() -> None:
    assert keys_text(Pinned((2, 5), 1400, False)) == "candidates 2, 5 of epoch 1 400"
    assert keys_text(Pinned((2, 5), 1400, True)) == "key frequencies 2, 5 of epoch 1 400"
    assert keys_text(Pinned((2, 5), 1400, True, by_hand=True)) == "frequencies 2, 5, chosen by hand"
    assert keys_text(Pinned((), 1400, True)) == "no key frequency yet"


def test_that_candidates_of_an_unfinished_run_are_drawn(show: Show, qtbot: QtBot, tmp_path: Path) -> None:
    events = recording.start(replace(SMALL, epochs=400), tmp_path / "half.h5").events()
    for _ in range(12):
        next(events)
    events.close()
    run = Run.open(tmp_path / "half.h5", probe=False)
    assert run.status().state != "finished"
    view = show(run, pinned_keys=None)
    assert not view.answer.pinned.final
    assert keys_text(view.answer.pinned) in view._subtitle.text()
    assert not view.grab().isNull()


@pytest.mark.parametrize("operation", ["subtract", "multiply", "divide"])
def test_that_pairs_are_named_by_their_answer(show: Show, trained: Trained, operation: str) -> None:
    view = show(trained(operation=operation), pair=(7, 3))
    answer = {"subtract": 4, "multiply": 10, "divide": 6}[operation]
    names = [mark.text for mark in picture(view).marks]
    assert names[:2] == ["a = 7", "b = 3"]
    assert names[2].endswith(f"= {answer}")
    if operation != "subtract":
        assert "log a" in token_text(view.answer, 2, 7)
        assert "no logarithm" in token_text(view.answer, 2, 0)
        assert [mark.name for mark in marked(view.answer, (0, 3), None, "a · b")] == ["a", "b"]
        zero = view._canvas._on_screen(view.answer.zero[1][None], dict(view._canvas.cells())[2])[0]
        assert view._canvas.hit(QPointF(*zero)) == Hit(2, 0)


@pytest.mark.parametrize(
    "changes",
    [{}, {"p": 12}, {"operation": "multiply"}, {"operation": "multiply", "p": 9}, {"n_layers": 2, "layer_norm": True}],
)
def test_that_every_model_is_drawn_inside_its_panels(
    show: Show,
    qtbot: QtBot,
    qapp: QApplication,
    trained: Trained,
    changes: dict[str, Any],
) -> None:
    view = show(trained(**changes), pinned_keys=(1, 3), frequency=2, pair=(1, 2))
    view._lines.setChecked(True)
    for look, size in ((theme.DARK, (420, 320)), (theme.LIGHT, (900, 600)), (theme.DARK, (200, 700))):
        theme.apply(qapp, look)
        view.resize(*size)
        for step in (0, view.session.selection.n_checkpoints - 1):
            view.session.scrub(step)
            settle(view, qtbot)
            image = view.grab().toImage()
            assert len({image.pixel(x, y) for x in range(0, size[0], 3) for y in range(0, size[1], 3)}) > 10
            for k, cell in view._canvas.cells():
                spots = view._canvas.spots(k, cell)
                assert np.all(np.isfinite(spots))
                assert np.all((spots[:, 0] >= cell.left()) & (spots[:, 0] <= cell.right()))
                assert np.all((spots[:, 1] >= cell.top()) & (spots[:, 1] <= cell.bottom()))
                assert view._canvas.rect().contains(cell.toAlignedRect())


def test_that_a_task_without_a_basis_says_why(show: Show, trained: Trained) -> None:
    view = show(trained(operation="x2xyy2"))
    assert "no Fourier basis" in view._message.text()
    assert view._stack.currentIndex() == 1


def test_that_what_is_on_show_can_be_taken_away(show: Show, run: Run) -> None:
    view = show(run, frequency=5)
    answer, selection = view.answer, view.session.selection
    points, listed = view.tables(answer, selection)
    assert panels(answer, 5) == (2, 4, 5)
    rows = slice(11, 22)
    assert list(points.columns["token"][rows]) == list(range(11))
    assert np.array_equal(points.columns["k·a mod 11"][rows], 4 * np.arange(11) % 11)
    assert np.array_equal(points.columns["along the cosine (W_E)"][rows], answer.points[3, :, 0])
    assert listed.columns["share of k in its plane"] == [answer.share[k - 1] for k in (2, 4, 5)]
    text = view.describe(answer, selection)
    assert "frequencies 2, 4, chosen by hand" in text.lower()
    assert "epoch 200" in text
