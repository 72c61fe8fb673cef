"""Checkpoints are measured while nobody waits, and the loss view shows what is known."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.tracing import close_traces
from app.views.loss import LossView
from app.views.over_time import Span, spans
from engine import recording
from engine.analysis.phases import Phases
from engine.analysis.progress_curves import pinned_keys, progress_curves
from engine.config import Config
from engine.runfile import Run
from engine.traces import Traces

Settle = Callable[[MainWindow], None]
SMALL = Config(
    p=11, train_fraction=0.6, d_model=16, n_heads=2, d_mlp=24, lr=1e-2, weight_decay=1.0, epochs=200,
    checkpoint_every=20, dense_every=5, dense_until=100, transition_every=0, test_every=10, device="cpu",
)  # fmt: skip


def recorded(path: Path, operation: str = "add") -> Run:
    for _ in recording.start(replace(SMALL, operation=operation), path).events():
        pass
    return Run.open(path, probe=False)


@pytest.fixture
def own_run(tmp_path: Path) -> Run:
    """A finished run that nothing has measured yet."""
    return recorded(tmp_path / "own.h5")


def loss_of(window: MainWindow) -> LossView:
    return next(v for v in window.views if isinstance(v, LossView))


def measured(window: MainWindow, qtbot: QtBot) -> LossView:
    tracing, loss = window.tracing, loss_of(window)
    qtbot.waitUntil(lambda: tracing.is_done, timeout=30_000)
    qtbot.waitUntil(lambda: not tracing._tell.isActive() and not loss.waiting, timeout=10_000)
    return loss


def test_that_every_checkpoint_is_measured_and_kept(
    window: MainWindow, qtbot: QtBot, settle: Settle, own_run: Run
) -> None:
    window.show_run(own_run)
    measured(window, qtbot)
    assert not window.tracing.failed
    assert not window.tracing.trouble
    begin = time.perf_counter()
    window.close()
    assert time.perf_counter() - begin < 2
    traces = Traces(own_run)
    assert traces.epochs.tolist() == own_run.epochs.tolist()
    traces.close()


def test_that_the_curves_are_those_of_the_engine(
    window: MainWindow, qtbot: QtBot, settle: Settle, own_run: Run
) -> None:
    window.show_run(own_run)
    loss = measured(window, qtbot)
    assert window.tracing.traces is not None
    n = own_run.n_checkpoints
    truth = progress_curves(own_run, window.tracing.traces, pinned_keys(own_run, n), n)
    for name in ("restricted", "excluded", "excluded_all"):
        curve = getattr(truth, name)
        shown = loss._plots.loss.curves.get(name)
        assert (shown is None) == (curve is None)
        if shown is not None:
            assert np.array_equal(shown[1], curve.values)
        assert loss._legend[name].isVisible() == (curve is not None)
    assert truth.phases is not None
    assert loss._strip.painted()
    keys = truth.pinned.keys if truth.pinned else ()
    expected = "keys " + " ".join(map(str, keys)) if keys else "no key frequency yet"
    assert loss._subtitle.text().startswith(expected)


def test_that_a_click_in_the_legend_hides_a_curve(window: MainWindow, qtbot: QtBot, own_run: Run) -> None:
    window.show_run(own_run)
    loss = measured(window, qtbot)
    for hidden in (True, False):
        qtbot.mouseClick(loss._legend["excluded_all"], Qt.MouseButton.LeftButton)
        assert ("excluded_all" not in loss._plots.loss.curves) == hidden


def test_that_scrubbing_moves_the_cursor_and_leaves_the_curves(
    window: MainWindow, qtbot: QtBot, settle: Settle, own_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.show_run(own_run)
    loss = measured(window, qtbot)
    settle(window)
    calls: list[object] = []
    monkeypatch.setattr(loss, "_draw_curves", lambda *a: calls.append(a))
    window.session.scrub(3)
    assert not calls
    assert loss._plots.loss.cursor.value() == own_run.epochs[3]


def test_that_measuring_can_be_paused(window: MainWindow, qtbot: QtBot, own_run: Run) -> None:
    window.tracing.pause(True)
    window.show_run(own_run)
    qtbot.waitUntil(lambda: window.tracing.left > 0, timeout=20_000)
    n = window.tracing.left
    qtbot.wait(600)
    assert window.tracing.left == n
    button = window.findChild(QToolButton, "tracing.pause")
    assert isinstance(button, QToolButton)
    assert button.text() == "Go on"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    measured(window, qtbot)
    assert not button.isVisible()


def test_that_a_training_goes_first(window: MainWindow, qtbot: QtBot, own_run: Run) -> None:
    held = [True]
    window.tracing.held = lambda: held[0]
    window.show_run(own_run)
    qtbot.waitUntil(lambda: window.tracing.left > 0, timeout=20_000)
    n = window.tracing.left
    qtbot.wait(700)
    assert window.tracing.left == n
    held[0] = False
    measured(window, qtbot)


def test_that_switching_closes_the_old_traces(window: MainWindow, qtbot: QtBot, own_run: Run, run: Run) -> None:
    window.show_run(own_run)
    qtbot.waitUntil(lambda: window.tracing.traces is not None, timeout=20_000)
    window.show_run(run)
    measured(window, qtbot)
    assert [t.run for t in window.tracing._open] == [run]


def test_that_traces_are_closed_again_where_nobody_heard_of_it(own_run: Run) -> None:
    """The window closes just after another run was shown: the analysis thread has closed them already."""
    traces = Traces(own_run)
    close_traces(traces, 0)
    close_traces(traces, 1)
    assert not traces._file


def test_that_a_task_without_a_basis_shows_only_its_losses(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    window.show_run(recorded(tmp_path / "own.h5", "x2xyy2"))
    loss = measured(window, qtbot)
    assert "No progress measures" in loss._legend["train"].toolTip()
    assert "no progress measures" in loss._subtitle.text()
    assert not loss._legend["excluded_all"].isVisible()
    assert loss._stack.currentIndex() == 0


def test_that_an_open_phase_ends_at_the_last_epoch_and_none_follows() -> None:
    assert spans(Phases(100, None, None, 90, None), 500.0) == [
        Span("memorisation", 0.0, 100.0, False), Span("circuit formation", 100.0, 500.0, True),
    ]  # fmt: skip
    assert [s.end for s in spans(Phases(100, 300, 400, 90, 350), 500.0)] == [100, 300, 400]
