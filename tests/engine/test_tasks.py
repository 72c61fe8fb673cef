"""Operations and the authors' split."""

import numpy as np
import pytest

from engine.config import is_prime
from engine.tasks import TASKS, UnknownTask, examples, split, task_named

GOLDEN = {  # seed: (first eight, last train, first test, last test, sum of a over train, of b)
    0: ([(18, 34), (10, 83), (55, 28), (25, 51), (63, 65), (14, 104), (27, 56), (35, 77)],
        (65, 24), (50, 67), (55, 96), 216_451, 213_970),
    1: ([(58, 58), (76, 57), (60, 23), (100, 89), (29, 27), (34, 30), (26, 15), (32, 92)],
        (25, 50), (89, 103), (19, 54), 213_315, 217_027),
    2: ([(5, 5), (76, 6), (99, 17), (79, 38), (47, 38), (20, 34), (45, 80), (96, 4)],
        (102, 89), (39, 69), (8, 22), 211_946, 211_932),
}  # fmt: skip


@pytest.mark.parametrize("seed", GOLDEN)
def test_that_the_split_is_the_authors_bit_for_bit(seed: int) -> None:
    first, last_train, first_test, last_test, sum_a, sum_b = GOLDEN[seed]
    train, test = examples("add", 113, 0.3, seed)
    assert [tuple(pair) for pair in train.pairs[:8]] == first
    assert tuple(train.pairs[-1]) == last_train
    assert tuple(test.pairs[0]) == first_test
    assert tuple(test.pairs[-1]) == last_test
    assert train.pairs.sum(axis=0).tolist() == [sum_a, sum_b]
    assert (len(train), len(test)) == (3830, 8939)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("p", [2, 3, 7, 12])
def test_that_labels_are_residues_and_pairs_are_complete(name: str, p: int) -> None:
    task = TASKS[name]
    if task.needs_prime and not is_prime(p):
        pytest.skip("division needs a prime")
    pairs, labels = task.inputs(p), task.labels(p, 0)
    assert len(pairs) == len(labels) == task.n_pairs(p)
    assert len({tuple(pair) for pair in pairs}) == task.n_pairs(p)
    assert ((labels >= 0) & (labels < p)).all()
    assert pairs.tolist() == sorted(pairs.tolist())


def test_that_each_operation_is_what_it_says() -> None:
    p = 11
    for a, b, answers in zip(*TASKS["add"].inputs(p).T, zip(*(TASKS[n].labels(p, 0) for n in (
        "add", "subtract", "multiply", "x2xyy2")), strict=True), strict=True):  # fmt: skip
        assert answers == ((a + b) % p, (a - b) % p, a * b % p, (a * a + a * b + b * b) % p)
    for (a, b), c in zip(TASKS["divide"].inputs(p), TASKS["divide"].labels(p, 0), strict=True):
        assert b > 0
        assert c * b % p == a


def test_that_the_random_table_is_fixed_by_its_seed_alone() -> None:
    table = TASKS["random"].labels
    assert np.array_equal(table(31, 4), table(31, 4))
    assert not np.array_equal(table(31, 4), table(31, 5))
    assert len(np.unique(table(31, 4))) > 20


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.999, 1.0])
def test_that_a_split_loses_and_repeats_nothing(fraction: float) -> None:
    rows = split(TASKS["add"], 13, fraction, 3)
    assert sorted([*rows.train, *rows.test]) == list(range(169))
    assert len(rows.train) == int(fraction * 169)


def test_that_formulas_name_operations() -> None:
    assert task_named("a+b") is TASKS["add"]
    assert task_named("a − b") is TASKS["subtract"]
    with pytest.raises(UnknownTask, match="must be one of"):
        task_named("a**b")
