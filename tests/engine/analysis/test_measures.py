"""Measures of a checkpoint: identities, slow obvious versions, planted logits, and the authors' numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.analysis.characters import NoBasis, characters, smallest_generator
from engine.analysis.measures import (
    candidates,
    commutativity,
    cosine_coefficients,
    excluded,
    key_frequencies,
    key_part,
    key_power,
    measures,
    pair_sets,
    per_pair,
    restricted,
    sum_table,
)
from engine.analysis.progress import cross_entropy, sum_part
from engine.analysis.weight_measures import gini
from engine.config import Config
from engine.fourier import frequencies
from engine.recording import start
from engine.runfile import Run
from engine.tasks import TASKS, Examples, examples
from tests.engine.learning import recorded

TASKS_AND_P = [
    ("add", 7),
    ("add", 8),
    ("subtract", 7),
    ("subtract", 6),
    ("multiply", 7),
    ("divide", 7),
    ("multiply", 9),
]


def config(operation: str, p: int) -> Config:
    return Config(operation=operation, p=p, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=12)


def some_logits(p: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(p * p, p)) * 3


@pytest.mark.parametrize(("operation", "p"), TASKS_AND_P)
def test_that_the_answer_is_a_sum_in_the_tasks_own_order(operation: str, p: int) -> None:
    basis, task = characters(config(operation, p)), TASKS[operation]
    answers = np.full(p * p, -1)
    pairs = task.inputs(p)
    answers[pairs[:, 0] * p + pairs[:, 1]] = task.labels(p, 0)
    assert (basis.grid(answers) == basis.elements[basis.sums]).all()
    assert sorted(basis.elements) == sorted(set(basis.elements))


def test_that_tasks_without_a_group_have_no_basis() -> None:
    for operation, p in (("x2xyy2", 7), ("random", 7), ("multiply", 8), ("multiply", 15)):
        with pytest.raises(NoBasis):
            characters(config(operation, p))
    assert smallest_generator(7) == 3
    assert smallest_generator(8) is None


@pytest.mark.parametrize(("operation", "p"), TASKS_AND_P)
def test_that_the_sum_table_is_the_mean_over_pairs_with_that_answer(operation: str, p: int) -> None:
    basis, logits = characters(config(operation, p)), some_logits(p)
    table, sums = sum_table(logits, basis), basis.sums.reshape(-1)
    for s in range(basis.n):
        assert table[s] == pytest.approx(logits[basis.rows[sums == s]].mean(axis=0), abs=1e-13)


@pytest.mark.parametrize(("operation", "p"), [t for t in TASKS_AND_P if t[0] in ("add", "subtract")])
@pytest.mark.parametrize("which", ["first", "last", "all"])
def test_that_restricted_and_excluded_follow_from_the_table(operation: str, p: int, which: str) -> None:
    c, logits = config(operation, p), some_logits(p)
    keys = {"first": [1], "last": [p // 2], "all": list(frequencies(p))}[which]
    sign = -1 if operation == "subtract" else 1
    part = sum_part(logits, p, keys, sign)
    train, test = examples(operation, p, c.train_fraction, c.data_seed)
    both = Examples(np.concatenate([train.pairs, test.pairs]), np.concatenate([train.labels, test.labels]))
    table = sum_table(logits, characters(c))
    found = restricted(c, table, keys)
    for score, chosen in ((found.every, both), (found.train, train), (found.test, test)):
        assert score is not None
        assert score.loss == pytest.approx(cross_entropy(part + logits.mean(axis=0), chosen, p), rel=1e-13)
    without = excluded(c, logits, table, keys)
    assert without.keys.loss == pytest.approx(cross_entropy(logits - part, train, p), rel=1e-13)
    for k in keys:
        one = logits - sum_part(logits, p, [k], sign)
        assert without.each[k].loss == pytest.approx(cross_entropy(one, train, p), rel=1e-13)
    assert key_power(table, keys) == pytest.approx(np.square(part).mean(), rel=1e-12)
    place = characters(c).sums.reshape(-1)
    assert key_part(table, keys)[place] == pytest.approx(part, abs=1e-12)


@pytest.mark.parametrize("n", [3, 6, 7, 12])
@pytest.mark.parametrize("operation", ["add", "subtract"])
def test_that_planted_cosines_are_found(n: int, operation: str) -> None:
    basis = characters(config(operation, n))
    s = basis.sums.reshape(-1)
    for k in (1, n // 2):
        logits = 2.5 * np.cos(2 * np.pi * k * (s[:, None] - np.arange(n)) / n) + 7
        table = sum_table(logits, basis)
        alpha = cosine_coefficients(table, basis)
        expected = np.zeros(n // 2)
        expected[k - 1] = 2.5
        assert alpha == pytest.approx(expected, abs=1e-12)
        assert candidates(table, basis) == (k,)
        whole = np.square(logits - logits.mean(axis=0)).mean()
        assert key_power(table, [k]) == pytest.approx(whole, rel=1e-12)


def test_that_a_planted_clock_modulo_units_is_found() -> None:
    c = config("multiply", 11)
    basis = characters(c)
    logits = np.zeros((121, 11))
    place = basis.sums.reshape(-1)
    logits[np.ix_(basis.rows, basis.elements)] = np.cos(2 * np.pi * 3 * (place[:, None] - np.arange(10)) / 10)
    table = sum_table(logits, basis)
    assert candidates(table, basis) == (3,)
    answers = pair_sets(c).labels[basis.rows]
    assert (basis.elements[logits[basis.rows][:, basis.elements].argmax(axis=1)] == answers).all()


def test_that_each_pair_is_scored_as_the_slow_way() -> None:
    logits, labels = some_logits(5), np.arange(25) % 5
    labels[3] = -1
    loss, right, margin = per_pair(logits, labels)
    for i in range(25):
        if labels[i] < 0:
            assert np.isnan(loss[i])
            assert not right[i]
            continue
        row = logits[i]
        assert loss[i] == pytest.approx(np.log(np.exp(row).sum()) - row[labels[i]], rel=1e-13)
        assert right[i] == (row.argmax() == labels[i])
        assert margin[i] == pytest.approx(row[labels[i]] - np.delete(row, labels[i]).max(), abs=1e-13)


def test_that_margins_of_certain_answers_do_not_vanish_in_the_exponential() -> None:
    logits = np.array([[0.0, 900.0, 100.0]])
    assert per_pair(logits, np.array([1]))[2] == pytest.approx([800.0])


def test_that_gini_is_between_equal_and_single() -> None:
    assert gini(np.ones(10)) == pytest.approx(0, abs=1e-15)
    assert gini(np.eye(10)[3]) == pytest.approx(0.9)
    assert gini(np.zeros(4)) == 0
    x = np.random.default_rng(0).random(50)
    slow = np.abs(x[:, None] - x).sum() / (2 * 50 * x.sum())
    assert gini(x) == pytest.approx(slow, rel=1e-12)


def test_that_commutativity_is_the_antisymmetric_share() -> None:
    logits = some_logits(6)
    grid = logits.reshape(6, 6, 6)
    slow = np.linalg.norm(grid - grid.transpose(1, 0, 2)) / np.linalg.norm(logits - logits.mean(axis=0))
    assert commutativity(logits, 6) == pytest.approx(slow, rel=1e-12)
    assert commutativity(np.repeat(logits[:1], 36, axis=0), 6) == 0


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide", "x2xyy2", "random"])
@pytest.mark.parametrize("layers", [1, 2])
def test_that_every_task_has_its_measures(operation: str, layers: int, tmp_path: Path) -> None:
    c = Config(operation=operation, p=7, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=12, epochs=3, n_layers=layers)
    for _ in start(c, tmp_path / "run.h5").events():
        pass
    run = Run.open(tmp_path / "run.h5")
    found = measures(run, -1)
    trained, tested = run.scalars("train_loss"), run.scalars("test_loss")
    assert trained is not None
    assert tested is not None
    assert found.train.loss == pytest.approx(trained[-1], rel=1e-5)
    assert found.test is not None
    assert found.test.loss == pytest.approx(tested[-1], rel=1e-5)
    assert (found.table is None) == (operation in ("x2xyy2", "random"))
    assert (found.commutativity is None) == (operation in ("subtract", "divide", "random"))
    if found.seen is not None and found.unseen is not None:
        sets = pair_sets(c)
        assert sets.seen is not None
        share = len(sets.seen) / len(sets.test)
        assert share * found.seen.loss + (1 - share) * found.unseen.loss == pytest.approx(found.test.loss)
    assert sum(found.squared_weights.values()) == pytest.approx(
        sum(float((w.astype(float) ** 2).sum()) for w in run.weights(-1).values())
    )


def test_that_the_authors_model_has_the_published_numbers(golden: Path, tmp_path: Path) -> None:
    from engine.analysis.summary import summary
    from engine.imports import import_run

    expected = json.loads((golden / "expected_low_precision.json").read_text())
    model = golden / "low_precision_mod_addition.pth"
    run = import_run(model, tmp_path / "theirs.h5", {"data_seed": 1}, None, lambda _: None)
    found = summary(run, run.n_checkpoints - 1)
    for name in expected.keys() - {"what", "definitions"}:
        if name.endswith("_norm_top"):
            assert list(found[name]) == list(expected[name])
        theirs, ours = (json.loads(json.dumps(x[name])) for x in (expected, found))
        assert flat(ours) == pytest.approx(flat(theirs), rel=1e-6), name


def flat(value: object) -> list[float]:
    """All numbers of nested lists and dicts, keys sorted as numbers."""
    if isinstance(value, dict):
        return [x for key in sorted(value, key=int) for x in (float(key), *flat(value[key]))]
    if isinstance(value, list):
        return [x for part in value for x in flat(part)]
    assert isinstance(value, int | float)
    return [float(value)]


@pytest.mark.parametrize("operation", ["add", "multiply", "x2xyy2"])
def test_that_key_frequencies_of_a_run_in_training_are_the_exact_ones(
    tmp_path: Path, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded(tmp_path / "run.h5", operation=operation, epochs=200)
    exact = [key_frequencies(run, step) for step in range(0, run.n_checkpoints, 8)]
    assert any(exact) == (operation != "x2xyy2")
    monkeypatch.setattr(Run, "grows", True)
    assert [key_frequencies(run, step) for step in range(0, run.n_checkpoints, 8)] == exact
