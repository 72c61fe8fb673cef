"""The race of frequencies: norms and ranks by hand, planted races, the order on the mainline."""

from pathlib import Path

import numpy as np
import pytest

from engine.analysis.embedding import MATRICES, spectrum
from engine.analysis.progress_curves import Pinned, pinned_keys
from engine.analysis.race import Race, edges, norms_of, race, ranks, since_when
from engine.config import Config
from engine.recording import start
from engine.runfile import Run
from engine.traces import Traces, measure_all

CONFIG = Config(p=11, train_fraction=0.5, d_model=16, n_heads=2, d_mlp=24, epochs=40, checkpoint_every=4, dense_every=0)
DEMONSTRATION = Path(__file__).resolve().parents[3] / "resources" / "demonstration.h5"


def recorded(path: Path, **changes: object) -> Run:
    from dataclasses import replace

    for _ in start(replace(CONFIG, **changes), path).events():
        pass
    return Run.open(path, probe=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return recorded(tmp_path_factory.mktemp("race") / "run.h5")


@pytest.fixture(scope="module")
def traces(run: Run) -> Traces:
    found = Traces(run)
    list(measure_all(found))
    return found


def test_that_norms_join_cosine_and_sine_and_a_half_frequency_has_a_cosine_only() -> None:
    odd = norms_of(np.array([[9.0, 3, 4, 5, 12]]))  # const, cos 1, sin 1, cos 2, sin 2
    assert odd.tolist() == [[5, 13]]
    even = norms_of(np.array([[9.0, 3, 4, 7]]))  # const, cos 1, sin 1, cos 2
    assert even.tolist() == [[5, 7]]


def test_that_ranks_count_the_larger_ones_and_equals_keep_their_order() -> None:
    norm = np.array([[1.0, 3, 2, 3], [4, 3, 2, 1]])
    slow = [
        [1 + sum(other > x for other in row) + row[:i].count(x) for i, x in enumerate(row)] for row in norm.tolist()
    ]
    assert ranks(norm).tolist() == slow == [[4, 1, 3, 2], [1, 2, 3, 4]]


def test_that_a_planted_race_is_decided_where_it_was_planted() -> None:
    epochs = np.array([0, 10, 20, 30, 40])
    norm = np.array([[5.0, 1, 4], [1, 5, 4], [5, 3, 4], [1, 3, 4], [1, 4, 3]])  # frequency 1 leads last at 20
    assert since_when(epochs, ranks(norm), (2, 3)) == (30, 0)
    assert since_when(epochs, ranks(norm), (1, 2)) == (None, 30)
    assert since_when(epochs, ranks(norm), ()) == ()


def test_that_every_checkpoint_has_the_axis_to_half_the_way_to_its_neighbours() -> None:
    assert edges(np.array([0, 10, 100, 120])).tolist() == [0, 5, 55, 110, 120]
    assert edges(np.array([7])).tolist() == [6.5, 7.5]
    assert edges(np.zeros(0, np.int64)).tolist() == []


@pytest.mark.parametrize("which", MATRICES)
def test_that_the_race_is_the_spectrum_of_each_checkpoint(run: Run, traces: Traces, which: str) -> None:
    last = run.n_checkpoints
    found = race(run, last, traces, pinned_keys(run, last), 0, which)
    assert found.epochs.tolist() == run.epochs.tolist()
    for step in range(last):
        norm = spectrum(run, step, last - 1, which).norm
        assert np.allclose(found.norm[step], norm, rtol=1e-12)
        assert found.rank[step].argsort().tolist() == (-norm).argsort(kind="stable").tolist()


def test_that_only_what_has_been_is_raced(run: Run, traces: Traces) -> None:
    found = race(run, 4, traces, None, 0, "W_E")
    assert found.epochs.tolist() == run.epochs[:4].tolist()
    assert found.keys == found.since == ()
    assert found.lead is None


def test_that_lead_is_when_the_last_key_has_come(run: Run, traces: Traces) -> None:
    final = race(run, run.n_checkpoints, traces, None, 0, "W_U").rank[-1]
    winners = tuple(sorted(int(k) + 1 for k in final.argsort()[:2]))
    found = race(run, run.n_checkpoints, traces, Pinned(winners, 40, True), 0, "W_U")
    assert found.lead == max(epoch for epoch in found.since if epoch is not None)
    ahead = np.array([{int(k) + 1 for k in row.argsort()[:2]} == set(winners) for row in found.rank])
    assert ahead[found.epochs >= found.lead].all()
    assert not ahead[found.epochs < found.lead][-1:].any()
    loser = int(final.argmax()) + 1
    assert race(run, run.n_checkpoints, traces, Pinned((loser,), 40, True), 0, "W_U").lead is None


def test_that_before_anything_is_measured_there_is_an_empty_race(run: Run) -> None:
    found = race(run, 1, None, None, 0, "W_E")
    assert found.norm.shape == found.rank.shape == (0, 5)
    assert found.no_basis == ""


def test_that_a_task_without_a_basis_says_so(tmp_path: Path) -> None:
    run = recorded(tmp_path / "none.h5", operation="x2xyy2", epochs=4)
    traces = Traces(run)
    list(measure_all(traces))
    found = race(run, run.n_checkpoints, traces, None, 0, "W_E")
    assert "no group operation" in found.no_basis
    assert not len(found.epochs)


def test_that_units_are_counted_along_their_generator(tmp_path: Path) -> None:
    run = recorded(tmp_path / "times.h5", operation="multiply", epochs=4)
    traces = Traces(run)
    list(measure_all(traces))
    found = race(run, run.n_checkpoints, traces, Pinned((1, 6), 4, True), 0, "W_L")
    assert found.generator == 2
    assert found.norm.shape == (run.n_checkpoints, 5)  # ten units
    assert found.keys == (1,)  # 6 is no frequency of ten


def test_that_on_the_mainline_four_keys_lead_early_and_the_fifth_is_sixth_at_1400() -> None:
    run = Run.open(DEMONSTRATION, probe=False)
    traces = Traces(run)
    try:
        found = race(run, run.n_checkpoints, traces, pinned_keys(run, run.n_checkpoints), 0, "W_E")
    finally:
        traces.close()
    assert found.keys == (14, 35, 41, 42, 52)

    def first(epoch: int, n: int) -> list[int]:
        return [int(k) + 1 for k in found.rank[np.searchsorted(found.epochs, epoch)].argsort()[:n]]

    assert first(0, 5) == [8, 52, 1, 6, 55]
    assert first(1400, 6) == [14, 42, 52, 41, 55, 35]
    assert sorted(first(14_000, 5)) == sorted(first(40_000, 5)) == [14, 35, 41, 42, 52]
    at = np.searchsorted(found.epochs, 1400)
    assert found.norm[at, 55 - 1] == pytest.approx(found.norm[at, 35 - 1], rel=0.01)  # a hair apart
    since = dict(zip(found.keys, found.since, strict=True))
    assert max(since[k] or 0 for k in (14, 41, 42, 52)) <= 500
    assert found.lead == since[35]
    assert found.lead is not None
    assert 5000 < found.lead < 10_000


def test_that_keys_lead_first_where_they_hold_the_first_places_together() -> None:
    norm = np.array([[5.0, 1, 4, 2], [1, 5, 4, 2], [5, 3, 4, 2], [1, 3, 4, 2]])
    epochs, rank = np.array([0, 10, 20, 30]), ranks(norm)

    def of(keys: tuple[int, ...]) -> Race:
        return Race("W_E", epochs, norm, rank, None, keys, since_when(epochs, rank, keys), None, None, "")

    assert (of((2, 3)).first_lead, of((2, 3)).lead) == (10, 30)
    assert (of((1, 4)).first_lead, of((1, 4)).lead) == (None, None)
    assert of(()).first_lead is None
    assert of((2, 3)).leaders(2).tolist() == [[1, 2, 1, 3], [3, 3, 3, 2]]
