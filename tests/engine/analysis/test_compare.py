"""What two runs share, and what may be compared of them."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import recording
from engine.analysis.compare import by_frequency, compare, component_norms, distances, exact, exact_pair, loss_unit
from engine.analysis.embedding import spectrum
from engine.analysis.kinship import Difference, kinship
from engine.analysis.measures import key_frequencies, measures
from engine.analysis.weight_measures import gini
from engine.config import Config
from engine.fourier import norm_by_component
from engine.runfile import Run

TINY = Config(
    p=7, train_fraction=0.6, d_model=8, n_heads=2, d_mlp=12, lr=1e-2, epochs=40, checkpoint_every=10, dense_every=0,
    transition_every=0, test_every=10, device="cpu",
)  # fmt: skip
Trained = Callable[..., Run]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("runs")

    def make(name: str, **changes: Any) -> Run:
        path = Path(folder) / f"{name}.h5"
        if not path.exists():
            for _ in recording.start(replace(TINY, **changes), path).events():
                pass
        return Run.open(path, probe=False)

    return make


@pytest.fixture(scope="module")
def fork(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("forks") / "fork.h5"
    for _ in recording.fork(trained("root"), path, 20, {"weight_decay": 0.0}).events():
        pass
    return Run.open(path, probe=False)


def known(run: Run) -> Any:
    return run, run.n_checkpoints, None, None, 0


# -- how they are related ----------------------------------------------------------------------------------


def test_that_a_fork_is_known_from_both_sides(trained: Trained, fork: Run) -> None:
    root = trained("root")
    found, back = kinship(root, fork), kinship(fork, root)
    assert (found.said, back.said) == ("a fork of it at epoch 20", "what it was forked from at epoch 20")
    for one in (found, back):
        assert (one.forked, one.same_start, one.parted) == (True, True, 20)
        assert (one.why_no_spectra, one.why_no_distance) == ("", "")
    assert found.differences == (Difference("weight decay", "1", "0"),)
    assert back.differences == (Difference("weight decay", "0", "1"),)


def test_that_two_forks_of_one_run_part_where_the_first_left(trained: Trained, fork: Run, tmp_path: Path) -> None:
    for _ in recording.fork(trained("root"), tmp_path / "other.h5", 30, {"lr": 1e-3}).events():
        pass
    found = kinship(fork, Run.open(tmp_path / "other.h5", probe=False))
    assert (found.forked, found.parted) == (True, 20)
    assert "they part at epoch 20" in found.said


def test_that_the_same_seeds_may_be_compared_frequency_by_frequency(trained: Trained) -> None:
    found = kinship(trained("root"), trained("slow", lr=1e-3))
    assert found.said == "the same initial weights, the same data"
    assert (found.forked, found.same_start, found.same_data, found.parted) == (False, True, True, None)
    assert (found.why_no_spectra, found.why_no_distance) == ("", "")


def test_that_seeds_are_named(trained: Trained) -> None:
    found = kinship(trained("root"), trained("seed", model_seed=1))
    assert found.said == "another model seed, the same data"
    assert "by rank" in found.why_no_spectra
    assert "arbitrary" in found.why_no_distance
    data = kinship(trained("root"), trained("data", data_seed=1))
    assert data.said == "the same initial weights, other data"
    assert "another data" in data.why_no_spectra
    assert not data.why_no_distance
    both = kinship(trained("root"), trained("both", model_seed=1, data_seed=1))
    assert both.said == "another model seed, other data"
    assert [d.name for d in both.differences] == ["data seed", "model seed"]


def test_that_another_p_is_another_task(trained: Trained) -> None:
    found = kinship(trained("root"), trained("eleven", p=11))
    assert (found.said, found.same_task) == ("another task", False)
    assert "different tasks" in found.why_no_spectra
    assert found.why_no_distance


def test_that_the_schedule_is_told_apart(trained: Trained) -> None:
    found = kinship(trained("root"), trained("longer", epochs=60))
    assert found.differences == ()
    assert found.of_schedule == (Difference("epochs", "40", "60"),)


def test_that_what_is_not_known_to_have_begun_alike_is_not_taken_for_it(trained: Trained, fork: Run) -> None:
    """A fork whose parent is elsewhere: its first weights may be anyone's."""
    stranger = trained("slow", lr=1e-3)
    found = kinship(stranger, fork)
    assert found.said == "not known to have begun alike, the same data"
    assert not found.same_start


# -- what is compared --------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["W_E", "W_U", "W_L"])
def test_that_norms_are_those_of_the_spectrum(trained: Trained, which: str) -> None:
    run = trained("root")
    found = compare(known(run), 2, known(trained("slow", lr=1e-3)), 3)
    truth = spectrum(run, 2, 2, which).norm
    assert np.allclose(found.here.norms[which], truth, rtol=1e-13)
    assert found.here.gini[which] == pytest.approx(gini(component_norms(run, 2, which)))
    ranked = found.here.ranked(which)
    assert np.all(np.diff(ranked) <= 0)
    assert sorted(ranked) == pytest.approx(sorted(truth))


def test_that_cosine_and_sine_are_taken_together() -> None:
    assert by_frequency(np.array([9.0, 3.0, 4.0, 5.0, 12.0])) == pytest.approx([5, 13])
    assert by_frequency(np.array([9.0, 3.0, 4.0, 2.0])) == pytest.approx([5, 2])  # even: the last has no sine


def test_that_a_permutation_of_the_residues_changes_nothing_by_rank(trained: Trained) -> None:
    """a → u·a renames k: the ranked norms are the same, those by frequency are not (science 2.13)."""
    run = trained("root")
    w = run.weight("W_E", 4)[:7].astype(float)
    renamed = w[[3 * a % 7 for a in range(7)]]
    one, other = by_frequency(norm_by_component(w)), by_frequency(norm_by_component(renamed))
    assert np.allclose(np.sort(one), np.sort(other))
    assert not np.allclose(one, other)


def test_that_a_difference_of_spectra_is_given_to_relatives_alone(trained: Trained, fork: Run) -> None:
    root = trained("root")
    found = compare(known(root), 4, known(fork), 2)
    assert np.allclose(found.difference("W_E"), found.there.norms["W_E"] - found.here.norms["W_E"])  # type: ignore[arg-type]
    stranger = compare(known(root), 4, known(trained("seed", model_seed=1)), 4)
    assert stranger.difference("W_E") is None
    assert stranger.distances is None


def test_that_a_fork_begins_at_no_distance_and_goes_away(trained: Trained, fork: Run) -> None:
    root = trained("root")
    at = [distances(root, root.step_at(epoch), fork, fork.step_at(epoch)) for epoch in (20, 30, 40)]
    assert set(at[0].values()) == {0.0}
    assert 0 < at[1]["W_E"] < at[2]["W_E"]


def test_that_distances_have_their_fixed_points(random_run: Callable[..., Run], held_run: Any) -> None:
    run = random_run(TINY)
    weights = run.weights(0)
    assert set(distances(run, 0, run, 0).values()) == {0.0}
    turned = held_run(TINY, {name: -w for name, w in weights.items()})
    assert distances(run, 0, turned, 0)["W_E"] == pytest.approx(2.0)
    nothing = held_run(TINY, {name: np.zeros_like(w) for name, w in weights.items()})
    assert distances(run, 0, nothing, 0)["W_E"] == pytest.approx(math.sqrt(2))
    assert set(distances(nothing, 0, nothing, 0).values()) == {0.0}


def test_that_recorded_and_exact_numbers_are_those_of_the_measures(trained: Trained) -> None:
    run, other = trained("root"), trained("eleven", p=11)
    found = compare(known(run), 3, known(other), 2)
    truth = measures(run, 3)
    assert truth.test is not None
    for name, value in (("train_loss", truth.train.loss), ("test_accuracy", truth.test.accuracy)):
        assert found.here.recorded[name] == pytest.approx(value, rel=1e-5)
    assert found.here.squared == pytest.approx(sum(truth.squared_weights.values()))
    numbers, there = exact_pair(run, 3, other, 2)
    assert (numbers, there) == (exact(run, 3), exact(other, 2))
    assert numbers.train_loss == truth.train.loss
    assert numbers.margin == (truth.margin[0], truth.margin[1])
    assert numbers.n_keys == len(key_frequencies(run, 3))


def test_that_a_task_without_basis_has_no_count_of_keys(trained: Trained) -> None:
    assert exact(trained("table", operation="random"), 1).n_keys is None


def test_that_losses_across_p_are_in_units_of_chance() -> None:
    assert loss_unit(113, 113) == 1
    assert math.log(59) / loss_unit(59, 113) == pytest.approx(1)  # guessing is 1 whatever p
