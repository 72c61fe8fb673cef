"""A run is followed while it is trained: phases, t_gen and the race are there before anything is measured."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app import training_panel
from app.main_window import MainWindow
from app.views.loss import LossView
from app.views.over_time import PHASES, Span, spans
from app.views.phase_strip import reserve, told
from app.views.race import RaceView
from app.views.weights import WeightsView
from engine import recording
from engine.analysis.phases import HOLDS, Phases
from engine.analysis.progress_curves import trace_phases
from engine.analysis.race import race
from engine.fourier import norm_by_frequency
from engine.runfile import Run
from engine.traces import Traces
from tests.engine.learning import LEARNING, recorded

ENDLESS = replace(LEARNING, epochs=1_000_000)


def view(window: MainWindow, kind: type) -> LossView | RaceView | WeightsView:
    return next(v for v in window.views if isinstance(v, kind))


@contextmanager
def training(window: MainWindow, path: Path) -> Iterator[MainWindow]:
    """The window while a run that never ends is trained in it, and no checkpoint is sketched.

    Stopped within the test: a window that is closed before asks whether it may.
    """
    window.tracing.sketches = False
    window.panel.train(lambda *_: recording.start(ENDLESS, path), ENDLESS, 0)
    try:
        yield window
    finally:
        window.panel.stop_and_wait()


@pytest.fixture(autouse=True)
def news_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is while it tests."""
    monkeypatch.setattr(training_panel, "_GROWTH_SHARE", 1.0)


def by_hand(run: Run, n: int, name: str, threshold: float) -> int | None:
    """The first of five checkpoints in a row whose recorded accuracy reaches a threshold."""
    values = run.scalars(name)
    assert values is not None
    reached = (values[:n] >= threshold).tolist()
    return next((int(run.epochs[i]) for i in range(n - HOLDS + 1) if all(reached[i : i + HOLDS])), None)


def until(window: MainWindow, qtbot: QtBot, known: Callable[[Phases], bool]) -> LossView:
    """Wait for phases of the run in training, on show."""
    loss = view(window, LossView)
    assert isinstance(loss, LossView)

    def there() -> bool:
        answer = loss.answer
        found = None if answer is None or answer.progress is None else answer.progress.phases
        return found is not None and known(found) and not loss.waiting

    qtbot.waitUntil(there, timeout=60_000)
    return loss


def test_that_phases_race_and_weights_are_shown_while_the_run_is_trained(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    with training(window, tmp_path / "live.h5"):
        window.docks["weights"].show()
        window.docks["weights"].raise_()
        loss = until(window, qtbot, lambda x: x.t_gen is not None and x.cleanup_end is not None)
        weights = view(window, WeightsView)
        qtbot.waitUntil(lambda: weights.answer is not None, timeout=20_000)
        shown = view(window, RaceView)
        qtbot.waitUntil(lambda: shown.answer is not None and len(shown.answer.epochs) >= 30, timeout=20_000)
        qtbot.waitUntil(lambda: bool(window.timeline.slider._spans), timeout=20_000)
        run, traces = window.session.selection.run, window.tracing.traces
        assert run is not None
        assert run.grows
        assert traces is not None
        assert not len(traces.epochs)  # nothing is measured
        assert not traces.glance.coefficients()  # nor sketched
        check_loss(loss, run)
        check_slider(window)
        check_race(shown, run)
        check_weights(weights, run)


def check_loss(loss: LossView, run: Run) -> None:
    """Phases by the recorded accuracies; where memorisation ends is said not to be known."""
    n = int(np.searchsorted(run.epochs, loss.answer.progress.last)) + 1  # of the answer
    found = loss.answer.progress.phases
    assert found.t_mem == by_hand(run, n, "train_accuracy", 0.99)
    assert found.t_gen == by_hand(run, n, "test_accuracy", 0.95)
    assert found.circuit_end == by_hand(run, n, "test_accuracy", 0.5)
    assert f"{found.outcome} · t_mem {found.t_mem} · t_gen {found.t_gen}" in loss._strip.accessibleDescription()
    assert "where memorisation ends is not known" in loss._strip.toolTip()
    assert [span.name for span in loss._strip._spans] == ["cleanup"]
    assert (loss._strip._spans[0].begin, loss._strip._spans[0].end) == (found.circuit_end, found.cleanup_end)
    assert [band[:2] for band in loss._plots.loss._bands.stretches] == [(found.circuit_end, found.cleanup_end)]


def check_slider(window: MainWindow) -> None:
    """Nothing is painted into the future."""
    slider = window.timeline.slider
    assert [span.name for span in slider._spans] == ["cleanup"]
    assert slider._spans[0].end <= slider._epochs[-1] < ENDLESS.epochs


def check_race(shown: RaceView, run: Run) -> None:
    """Norms as the slow way has them, and painted."""
    answer = shown.answer
    for i in (0, len(answer.epochs) // 2, len(answer.epochs) - 1):
        step = run.step_at(int(answer.epochs[i]))
        norms = norm_by_frequency(run.weight("W_E", step)[: run.config.p].astype(np.float64))
        assert np.allclose(answer.norm[i], norms, rtol=1e-10)
    assert shown._stack.currentIndex() == 0
    assert shown._image.image.shape[0] == run.config.p // 2
    assert "not measured" not in shown._sentence.text()


def check_weights(weights: WeightsView, run: Run) -> None:
    answer = weights.answer
    for i in (0, len(answer.epochs) // 2, len(answer.epochs) - 1):
        there = run.weights(run.step_at(int(answer.epochs[i])))
        total = sum(float(np.square(w.astype(np.float64)).sum()) for w in there.values())
        assert answer.total[i] == pytest.approx(total, rel=1e-12)
    assert set(answer.gini) == {"W_E", "W_L"}


def test_that_sketches_draw_restricted_and_excluded_loss_and_name_candidates(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    with training(window, tmp_path / "live.h5"):
        loss = until(window, qtbot, lambda x: x.t_gen is not None)
        assert loss.answer.progress.restricted is None
        assert window.tracing.pinned is None
        window.tracing.sketches = True
        qtbot.waitUntil(lambda: loss.answer.progress.restricted is not None and not loss.waiting, timeout=60_000)
        traces, pinned = window.tracing.traces, loss.answer.progress.pinned
        assert traces is not None
        assert not len(traces.epochs)
        assert pinned is not None
        assert pinned.keys
        assert not pinned.final
        for name in ("restricted", "excluded_all"):
            drawn = loss._plots.loss.curves[name]
            assert np.array_equal(drawn[1], getattr(loss.answer.progress, name).values)
        assert loss._subtitle.text().startswith("candidates " + " ".join(map(str, pinned.keys)))
        exact = Traces(traces.run, traces.path.with_name("apart.h5"))
        epoch = int(loss.answer.progress.restricted.epochs[-1])
        exact.add(traces.run.step_at(epoch))
        truth = exact.restricted(pinned.keys)
        exact.close()
        assert truth is not None
        assert loss.answer.progress.restricted.values[-1] == pytest.approx(truth.loss["every"][0], rel=1e-3)


def test_that_a_chosen_set_is_taken_at_once_and_a_pause_pauses_sketches(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    with training(window, tmp_path / "live.h5"):
        until(window, qtbot, lambda x: x.t_mem is not None)
        window.session.select(pinned_keys=(2, 7))
        qtbot.waitUntil(lambda: window.tracing.pinned is not None, timeout=10_000)
        assert window.tracing.pinned is not None
        assert (window.tracing.pinned.keys, window.tracing.pinned.by_hand) == ((2, 7), True)
        window.session.select(pinned_keys=None)
        qtbot.waitUntil(lambda: window.tracing.pinned is None, timeout=10_000)
        window.tracing.pause(True)
        window.tracing.sketches = True
        n = window.session.selection.n_checkpoints
        qtbot.waitUntil(lambda: window.session.selection.n_checkpoints > n + 5, timeout=60_000)
        assert window.tracing.traces is not None
        assert window.tracing.traces.glance.coefficients() == {}


def test_that_the_measured_phases_win_in_the_end_and_agree(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    held = [True]
    window.tracing.held = lambda: held[0]
    window.panel.train(lambda *_: recording.start(LEARNING, tmp_path / "live.h5"), LEARNING, 0)
    loss, tracing = view(window, LossView), window.tracing
    qtbot.waitUntil(lambda: not window.panel.is_training, timeout=120_000)
    run = window.session.selection.run
    assert run is not None
    n, traces = run.n_checkpoints, tracing.traces
    assert traces is not None
    qtbot.waitUntil(lambda: not (run.grows or traces.unweighed(n)), timeout=60_000)
    until(window, qtbot, lambda x: x == trace_phases(run, traces, n))
    before = loss.answer.progress.phases
    assert loss.answer.progress.last == run.epochs[-1]
    assert not before.going_on
    assert not len(traces.epochs)
    assert before.t_gen is not None
    held[0] = False
    qtbot.waitUntil(lambda: tracing.pinned is not None and tracing.pinned.final and not tracing.left, timeout=120_000)
    qtbot.waitUntil(lambda: not (tracing._tell.isActive() or loss.waiting), timeout=20_000)
    after = loss.answer.progress.phases
    assert after == trace_phases(run, traces, n)
    assert after.excluded_until == float("inf")
    assert not after.rough
    for name in ("t_mem", "t_gen", "circuit_end", "cleanup_end", "outcome"):
        assert getattr(before, name) == getattr(after, name), name
    names = [span.name for span in loss._strip._spans]
    assert names == list(PHASES)


def test_that_the_race_of_a_finished_run_does_not_wait_for_its_measures(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    run = recorded(tmp_path / "run.h5", epochs=100)
    window.tracing.held = lambda: True  # another run is trained
    window.show_run(run)
    found = view(window, RaceView)
    qtbot.waitUntil(lambda: found.answer is not None and len(found.answer.epochs) == run.n_checkpoints, timeout=60_000)
    assert window.tracing.left == run.n_checkpoints
    assert window.tracing.traces is not None
    truth = race(run, run.n_checkpoints, window.tracing.traces, window.tracing.pinned, 0, "W_E")
    assert np.array_equal(found.answer.norm, truth.norm)


# -- words and bands ---------------------------------------------------------------------------------------------


def test_that_bands_are_left_out_where_excluded_loss_is_not_known() -> None:
    unknown = Phases(None, 300, None, 90, 350, excluded_until=-1)
    assert spans(unknown, 500.0) == [Span("cleanup", 300.0, 500.0, True)]
    assert spans(replace(unknown, cleanup_end=400), 500.0) == [Span("cleanup", 300.0, 400.0, False)]
    assert spans(replace(unknown, circuit_end=None, t_gen=None), 500.0) == []
    so_far = replace(unknown, excluded_until=200.0)
    assert spans(so_far, 500.0) == [Span("memorisation", 0.0, 200.0, True), Span("cleanup", 300.0, 500.0, True)]
    assert spans(replace(so_far, circuit_end=None), 500.0) == [Span("memorisation", 0.0, 200.0, True)]
    not_memorised = replace(unknown, t_mem=None, circuit_end=None, t_gen=None)
    assert spans(not_memorised, 500.0) == [Span("memorisation", 0.0, 500.0, True)]


def test_that_what_is_not_known_is_said() -> None:
    found = Phases(None, 300, None, 90, 350, excluded_until=-1, going_on=True)
    not_yet, rests_on = reserve(found)
    assert not_yet == "where memorisation ends is not known: excluded loss is not measured"
    assert "float32" in rests_on
    assert reserve(replace(found, excluded_until=200.0))[0].endswith("is not measured after epoch 200")
    rough = Phases(120, 300, None, 90, 350, rough=True)
    assert reserve(rough) == ["the end of memorisation may move: not every checkpoint is measured yet"]
    assert told(Span("memorisation", 0, 120, False), rough=True) == "memorisation: from epoch 0 to about 120"
    assert reserve(Phases(120, 300, None, 90, 350)) == reserve(None) == []
