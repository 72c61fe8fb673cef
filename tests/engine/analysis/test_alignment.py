"""Two runs under one slider: moments from planted accuracies, maps between epochs, places of checkpoints."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.analysis.alignment import Alignment, Moments, Place, TimeMap, moments, place, time_map, why_not, why_not_of
from engine.analysis.phases import Thresholds
from engine.runfile import Run

EPOCHS = np.arange(0, 2001, 50)


class Recorded(Run):
    """A run of planted accuracies, without a file: memorised at `mem`, generalised at `gen`."""

    reduced_precision = False

    def __init__(self, mem: int, gen: int, dips: tuple[int, ...] = ()) -> None:
        self.id = f"{mem} {gen} {dips}"
        self._epochs, self._own = EPOCHS, True
        test = (gen <= EPOCHS) & ~np.isin(EPOCHS, dips)
        self._planted = {"train_accuracy": (mem <= EPOCHS).astype(float), "test_accuracy": np.where(test, 0.97, 0.1)}

    def scalars(self, name: str) -> NDArray[Any] | None:
        return self._planted.get(name)


def test_that_moments_are_those_that_were_planted() -> None:
    assert moments(Recorded(300, 1200), len(EPOCHS)) == Moments(300, 1200)


def test_that_a_threshold_must_hold_for_five_checkpoints() -> None:
    assert moments(Recorded(300, 1000, dips=(1100,)), len(EPOCHS)).t_gen == 1150
    short = int(np.searchsorted(EPOCHS, 1200)) + 4  # four checkpoints from t_gen on
    assert moments(Recorded(300, 1200), short) == Moments(300, None)
    assert moments(Recorded(300, 1200), short + 1) == Moments(300, 1200)


def test_that_moments_go_by_the_thresholds_in_force() -> None:
    assert moments(Recorded(300, 1200), len(EPOCHS), Thresholds(generalised=0.98)).t_gen is None
    assert moments(Recorded(300, 1200), len(EPOCHS), Thresholds(generalised=0.05)).t_gen == 0


@pytest.mark.parametrize("alignment", Alignment)
def test_that_the_way_back_is_the_inverse(alignment: Alignment) -> None:
    found = time_map(alignment, 1200, 450)
    assert found is not None
    epochs = np.linspace(0, 2000, 17)
    assert np.allclose(found.back(found.there(epochs)), epochs)


def test_that_t_gen_falls_on_t_gen() -> None:
    for alignment in (Alignment.FROM_GROKKING, Alignment.RELATIVE):
        found = time_map(alignment, 1200, 450)
        assert found is not None
        assert found.there(1200) == pytest.approx(450)
    since = time_map(Alignment.FROM_GROKKING, 1200, 450)
    assert since is not None
    assert (since.there(1300), since.there(0)) == (550, -750)
    relative = time_map(Alignment.RELATIVE, 1200, 450)
    assert relative is not None
    assert (relative.there(2400), relative.there(0)) == (pytest.approx(900), 0)


def test_that_the_same_epoch_needs_no_grokking() -> None:
    assert time_map(Alignment.EPOCH, None, None) == TimeMap()
    assert why_not(Alignment.EPOCH, None, None) == ""


@pytest.mark.parametrize(
    ("mine", "theirs", "said"),
    [
        (None, 450, "this run has not reached t_gen"),
        (1200, None, "the reference has not reached t_gen"),
        (None, None, "neither run has reached t_gen"),
    ],
)
def test_that_a_run_that_has_not_grokked_is_never_guessed_at(mine: int | None, theirs: int | None, said: str) -> None:
    for alignment in (Alignment.FROM_GROKKING, Alignment.RELATIVE):
        assert why_not(alignment, mine, theirs) == said
        assert time_map(alignment, mine, theirs) is None


def test_that_a_fork_from_after_grokking_has_no_t_gen_of_its_own() -> None:
    parent, early, late = Moments(85, 205), Moments(100, 260, since=100), Moments(400, 400, since=400)
    assert (parent.anchor, early.anchor, late.anchor) == (205, 260, None)
    assert why_not_of(Alignment.FROM_GROKKING, parent, early) == ""
    assert why_not_of(Alignment.FROM_GROKKING, parent, late) == "the reference begins after t_gen"
    assert why_not_of(Alignment.RELATIVE, late, parent) == "this run begins after t_gen"
    assert why_not_of(Alignment.EPOCH, late, late) == ""


def test_that_nothing_is_divided_by_an_epoch_of_zero() -> None:
    assert time_map(Alignment.RELATIVE, 0, 450) is None
    assert "epoch 0" in why_not(Alignment.RELATIVE, 450, 0)
    assert time_map(Alignment.FROM_GROKKING, 0, 450) == TimeMap(shift=450)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (100.0, Place(1, 100, 100.0, "at")),
        (100.3, Place(1, 100, 100.3, "at")),
        (115.0, Place(1, 100, 115.0, "near")),
        (600.0, Place(3, 500, 600.0, "far")),
        (0.0, Place(0, 0, 0.0, "at")),
        (-3.0, Place(0, 0, -3.0, "before")),
        (1000.2, Place(4, 1000, 1000.2, "at")),
        (1001.0, Place(4, 1000, 1001.0, "after")),
    ],
)
def test_that_a_place_says_how_near_it_is(wanted: float, found: Place) -> None:
    assert place(np.array([0, 100, 200, 500, 1000]), wanted) == found
    assert found.is_beyond == (found.where in ("before", "after"))


def test_that_a_run_without_checkpoints_has_no_place() -> None:
    assert place(np.zeros(0, np.int64), 5.0) is None
