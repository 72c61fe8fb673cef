"""What is known of a run before and while it is measured: recorded, weighed, sketched; measured figures win."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.analysis.progress_curves import Pinned, pinned_keys, progress_curves, trace_phases
from engine.analysis.race import race
from engine.analysis.series import Series, joined, known_until, series
from engine.analysis.weights import weight_curves
from engine.runfile import Run
from engine.traces import Traces, measure_all
from tests.engine.learning import recorded

RECORDED = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return recorded(tmp_path_factory.mktemp("series") / "run.h5")


@pytest.fixture(scope="module")
def measured(run: Run) -> Iterator[Traces]:
    traces = Traces(run)
    list(measure_all(traces, (1, 2)))
    yield traces
    traces.close()


@pytest.fixture
def nothing(run: Run, tmp_path: Path) -> Iterator[Traces]:
    """Traces that hold nothing yet."""
    traces = Traces(run, tmp_path / "other.h5")
    yield traces
    traces.close()


def whole(run: Run, traces: Traces) -> Traces:
    traces.glance.weigh(run.n_checkpoints, seconds=1e9)
    return traces


def test_that_joining_takes_the_first_where_both_have_one() -> None:
    first = Series(np.array([0, 20]), np.array([1.0, 2.0]))
    second = Series(np.array([0, 10, 30]), np.array([7.0, 8.0, 9.0]))
    both = joined(first, second)
    assert both is not None
    assert both.epochs.tolist() == [0, 10, 20, 30]
    assert both.values.tolist() == [1, 8, 2, 9]
    assert joined(first, None) is joined(None, first) is first
    assert joined(None, None) is None
    assert np.array_equal(both.at(np.array([-5, 10, 15, 30, 40])), [np.nan, 8, np.nan, 9, np.nan], equal_nan=True)


def test_that_before_measuring_a_run_tells_what_training_recorded(run: Run, nothing: Traces) -> None:
    n = run.n_checkpoints
    for name in RECORDED:
        found = series(run, n, nothing, name)
        assert found is not None
        assert np.array_equal(found.epochs, run.epochs)
        assert np.array_equal(found.values, run.scalars(name))
    assert series(run, n, nothing, "excluded_all_train_loss") is None
    assert series(run, n, nothing, "margin") is None
    assert known_until(run, 7, nothing) == run.epochs[6]


def test_that_measured_figures_win_and_agree_with_the_recorded_ones(run: Run, nothing: Traces) -> None:
    n, done = run.n_checkpoints, (0, 17, run.n_checkpoints - 1)
    for step in done:
        nothing.add(step)
    for name in RECORDED:
        found, recorded_values, columns = series(run, n, nothing, name), run.scalars(name), nothing.column(name)
        assert found is not None
        assert recorded_values is not None
        assert columns is not None
        assert np.array_equal(found.values[list(done)], columns)
        rest = np.setdiff1d(np.arange(n), done)
        assert np.array_equal(found.values[rest], recorded_values[rest])
        assert not np.array_equal(found.values[list(done)], recorded_values[list(done)]) or "accuracy" in name
        assert np.allclose(columns, recorded_values[list(done)], rtol=1e-3, atol=1 / run.config.n_test)


def test_that_recorded_and_measured_accuracies_agree_on_the_whole_run(run: Run, measured: Traces) -> None:
    """One pair in all of them may fall on the other side of a tie."""
    for name, pairs in (("train", run.config.n_train), ("test", run.config.n_test)):
        recorded_values, columns = run.scalars(f"{name}_accuracy"), measured.column(f"{name}_accuracy")
        assert recorded_values is not None
        assert columns is not None
        assert np.abs(recorded_values - columns).max() <= 1.01 / pairs


def test_that_the_phases_before_measuring_are_those_after(run: Run, nothing: Traces, measured: Traces) -> None:
    n = run.n_checkpoints
    before, after = trace_phases(run, whole(run, nothing), n), trace_phases(run, measured, n)
    assert before is not None
    assert after is not None
    assert None not in (after.memorisation_end, after.circuit_end, after.cleanup_end, after.t_mem, after.t_gen)
    for name in ("circuit_end", "cleanup_end", "t_mem", "t_gen", "outcome"):
        assert getattr(before, name) == getattr(after, name), name
    assert (before.memorisation_end, before.excluded_until) == (None, -1)  # that takes a forward pass
    for step in range(n):
        nothing.glance.sketch(step)
    assert trace_phases(run, nothing, n) == after


def test_that_at_every_checkpoint_only_what_has_been_is_told(run: Run, nothing: Traces, measured: Traces) -> None:
    final = trace_phases(run, measured, run.n_checkpoints)
    whole(run, nothing)
    for n in range(20, run.n_checkpoints + 1):
        found = trace_phases(run, nothing, n)
        assert found is not None
        for name in ("circuit_end", "cleanup_end", "t_mem", "t_gen"):
            said = getattr(found, name)
            assert said is None or said == getattr(final, name)
            assert said is None or said <= run.epochs[n - 1]


def test_that_few_checkpoints_have_no_phases(run: Run, nothing: Traces) -> None:
    assert trace_phases(run, nothing, 19) is None


@pytest.mark.parametrize("which", ["W_E", "W_U", "W_L"])
def test_that_the_race_before_measuring_is_the_one_after(
    run: Run, nothing: Traces, measured: Traces, which: str
) -> None:
    n, pinned = run.n_checkpoints, Pinned((3, 5), 300, True)
    before = race(run, n, whole(run, nothing), pinned, 0, which)
    after = race(run, n, measured, pinned, 0, which)
    assert np.array_equal(before.epochs, after.epochs)
    assert np.array_equal(before.norm, after.norm)
    assert np.array_equal(before.rank, after.rank)
    assert (before.since, before.lead) == (after.since, after.lead)


def test_that_the_race_is_run_in_the_answer_itself_a_little_at_a_time(run: Run, nothing: Traces) -> None:
    n = run.n_checkpoints
    found = race(run, n, nothing, None, 0, "W_E")
    assert found.epochs[-1] == run.epochs[-1]  # the newest is always there
    while left := nothing.unweighed(n):
        found = race(run, n, nothing, None, 0, "W_E")
        assert nothing.unweighed(n) < left
    found = race(run, n, nothing, None, 0, "W_E")
    assert np.array_equal(found.epochs, run.epochs)


def test_that_weights_before_measuring_are_those_after(run: Run, nothing: Traces, measured: Traces) -> None:
    n = run.n_checkpoints
    before = weight_curves(run, n, whole(run, nothing), None, 0)
    after = weight_curves(run, n, measured, None, 0)
    assert np.array_equal(before.epochs, after.epochs)
    assert np.array_equal(before.total, after.total)
    for kind in ("squared", "gini", "ipr"):
        found, truth = getattr(before, kind), getattr(after, kind)
        assert found.keys() == truth.keys()
        assert all(np.array_equal(found[name], truth[name]) for name in truth)


def test_that_sketches_are_drawn_until_their_checkpoints_are_measured(
    run: Run, nothing: Traces, measured: Traces
) -> None:
    n, pinned, steps = run.n_checkpoints, pinned_keys(run, run.n_checkpoints), (0, 10, 20, 40)
    truth = progress_curves(run, measured, pinned, n)
    for step in steps:
        nothing.glance.sketch(step)
    found = progress_curves(run, nothing, pinned, n)
    for name in ("restricted", "excluded_all", "ratio"):
        curve, true = getattr(found, name), getattr(truth, name)
        assert curve.epochs.tolist() == run.epochs[list(steps)].tolist()
        assert np.allclose(curve.values, true.values[list(steps)], rtol=1e-3)
    assert found.accuracy["restricted"].values == pytest.approx(
        truth.accuracy["restricted"].values[list(steps)], abs=0.01
    )
    assert found.excluded is None  # of a set: not before it is measured
    for step in (10, 30):
        nothing.add(step)
    found = progress_curves(run, nothing, pinned, n)
    for name in ("restricted", "excluded_all"):
        curve, true = getattr(found, name), getattr(truth, name)
        assert curve.epochs.tolist() == run.epochs[[0, 10, 20, 30, 40]].tolist()
        assert np.array_equal(curve.values[[1, 3]], true.values[[10, 30]])  # measured
    assert found.last == run.epochs[-1]


def test_that_a_task_without_a_basis_has_all_phases_but_the_end_of_memorisation(tmp_path: Path) -> None:
    run = recorded(tmp_path / "none.h5", p=11, operation="x2xyy2")
    traces = Traces(run)
    found = trace_phases(run, traces, run.n_checkpoints)
    assert found is not None
    assert found.t_mem is not None
    assert found.memorisation_end is None
    list(measure_all(traces))
    assert trace_phases(run, traces, run.n_checkpoints) == found
    traces.close()
