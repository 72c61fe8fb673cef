"""Before checkpoints are measured: what the weights and a float32 pass tell of them equals what is measured."""

from pathlib import Path

import numpy as np
import pytest

from engine import glance
from engine.analysis.characters import NoBasis, characters
from engine.analysis.measures import candidates, cosine_coefficients, key_power, measures, restricted
from engine.fourier import norm_by_component
from engine.glance import WEIGHED, Glance, coarseness
from engine.replay import forget
from engine.runfile import Run, RunError
from engine.traces import Traces
from tests.engine.learning import recorded

SHAPES = [{}, {"operation": "multiply"}, {"n_layers": 2, "layer_norm": True}, {"operation": "x2xyy2"}]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return recorded(tmp_path_factory.mktemp("glance") / "run.h5")


@pytest.mark.parametrize("changes", SHAPES)
def test_that_weighed_checkpoints_equal_measured_ones(tmp_path: Path, changes: dict[str, object]) -> None:
    run = recorded(tmp_path / "run.h5", p=11, epochs=10, **changes)
    seen, traces = Glance(run), Traces(run)
    assert seen.weigh(run.n_checkpoints, seconds=1e9) == 0
    for step in range(run.n_checkpoints):
        traces.add(step)
    named = [name for name in WEIGHED if traces.column(name) is not None]
    assert len(named) == (1 if changes.get("operation") == "x2xyy2" else 8)
    for name in named:
        epochs, values = seen.column(name, run.n_checkpoints) or (None, None)
        assert np.array_equal(epochs, run.epochs)
        assert np.array_equal(values, traces.column(name)), name
    traces.close()


def test_that_norms_are_those_of_the_slow_way(run: Run) -> None:
    seen, p = Glance(run), run.config.p
    seen.weigh(1, seconds=1e9)
    w = {name: x.astype(np.float64) for name, x in run.weights(0).items()}
    slow = {
        "embedding_norms": w["W_E"][:p],
        "unembedding_norms": w["W_U"].T[:p],
        "neuron_logit_norms": (w["W_out"][-1] @ w["W_U"][:, :p]).T,
    }
    for name, matrix in slow.items():
        column = seen.column(name, 1)
        assert column is not None
        assert np.allclose(column[1][0], norm_by_component(matrix), rtol=1e-12)


def test_that_weighing_stops_when_the_time_is_over_and_covers_the_run_evenly(run: Run) -> None:
    seen, n = Glance(run), 9
    order: list[int] = []
    for left in range(n - 1, -1, -1):
        assert seen.weigh(n, seconds=0.0) == left == seen.unweighed(n)
        epochs = (seen.column("squared_weights", n) or ([],))[0]
        order += [step for step in range(n) if run.epochs[step] in epochs and step not in order]
    assert order == [8, 0, 4, 2, 6, 1, 3, 5, 7]  # the newest, then coarse to fine
    assert order[1:] == sorted(range(8), key=coarseness)
    assert seen.weigh(n, seconds=0.0) == 0


def test_that_what_is_measured_is_not_weighed(run: Run) -> None:
    seen = Glance(run)
    assert seen.weigh(4, known=run.epochs[:3].tolist(), seconds=1e9) == 0
    column = seen.column("squared_weights", 4)
    assert column is not None
    assert column[0].tolist() == [run.epochs[3]]


def test_that_only_the_first_n_checkpoints_are_told(run: Run) -> None:
    seen = Glance(run)
    seen.weigh(6, seconds=1e9)
    for name in ("squared_weights", "test_accuracy"):
        column = seen.column(name, 4)
        assert column is not None
        assert column[0].tolist() == run.epochs[:4].tolist()
    assert seen.column("margin", 6) is None
    assert seen.column("excluded_all_train_loss", 6) is None


def test_that_a_damaged_checkpoint_is_left_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def weights(self: Run, step: int, whole: object = Run.weights) -> object:
        if step == 2:
            raise RunError("damaged.")
        return whole(self, step)  # type: ignore[operator]

    monkeypatch.setattr(Run, "weights", weights)
    seen = Glance(run)
    assert seen.weigh(5, seconds=1e9) == 0
    column = seen.column("squared_weights", 5)
    assert column is not None
    assert column[0].tolist() == run.epochs[[0, 1, 3, 4]].tolist()


@pytest.mark.parametrize("changes", [{}, {"operation": "subtract"}, {"operation": "multiply"}, {"n_layers": 2}])
def test_that_a_sketch_is_the_measure_in_float32(tmp_path: Path, changes: dict[str, object]) -> None:
    run = recorded(tmp_path / "run.h5", epochs=60, **changes)
    seen, basis = Glance(run), characters(run.config)
    for step in (0, 6, run.n_checkpoints - 1):
        found, exact = seen.sketch(step), measures(run, step)
        assert exact.excluded_all_train is not None
        assert exact.table is not None
        assert exact.table_test is not None
        assert found.excluded_all.loss == pytest.approx(exact.excluded_all_train.loss, rel=1e-4)
        assert found.excluded_all.accuracy == pytest.approx(exact.excluded_all_train.accuracy, abs=1 / 200)
        assert np.allclose(found.table, exact.table, atol=1e-4 * np.abs(exact.table).max())
        assert found.candidates == candidates(exact.table_test, basis)
        assert np.allclose(found.alpha, cosine_coefficients(exact.table, basis), atol=1e-4)
        score, power = seen.restricted((2, 3))[int(run.epochs[step])]
        true = restricted(run.config, exact.table, (2, 3))
        assert score.every.loss == pytest.approx(true.every.loss, rel=1e-4)
        assert power == pytest.approx(key_power(exact.table, (2, 3)), rel=1e-3)
    assert len(seen.coefficients()) == 3
    assert seen.restricted(()) == {}


def test_that_a_task_without_a_basis_is_not_sketched(tmp_path: Path) -> None:
    run = recorded(tmp_path / "run.h5", epochs=5, operation="x2xyy2")
    with pytest.raises(NoBasis):
        Glance(run).sketch(0)


def test_that_sketches_are_bounded_and_keep_to_the_whole_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glance, "SKETCH_BYTES", 8 * 29 * 29 * 4)
    seen = Glance(run)
    for step in range(30):
        seen.sketch(step)
        seen.restricted((1, 2))
        held = seen.column("excluded_all_train_loss", run.n_checkpoints)
        assert held is not None
        assert len(held[0]) <= 8
        assert held[0][-1] == run.epochs[step]  # the newest is there
        assert sorted(seen.restricted((1, 2))) == held[0].tolist()
    assert held is not None
    assert held[0][0] < run.epochs[10]
    forget(run)


def test_that_the_sets_of_restricted_scores_are_bounded(run: Run) -> None:
    seen = Glance(run)
    seen.sketch(3)
    for k in range(1, 14):
        assert list(seen.restricted((k,))) == [run.epochs[3]]
    assert len(seen._restricted) == glance._SETS
