"""Every pair by itself against slow versions, mirrors by hand, and graduation on planted histories."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import recording
from engine.analysis.measures import SYMMETRIC, commutativity
from engine.analysis.pairs import (
    answers,
    by_mirror,
    graduation,
    mirror_scores,
    pair_answers,
    pair_masks,
    score,
)
from engine.config import Config
from engine.replay import activations
from engine.runfile import Run
from engine.tasks import TASKS, examples


def small(**settings: Any) -> Config:
    given: dict[str, Any] = {
        "p": 5, "train_fraction": 0.5, "d_model": 8, "n_heads": 2, "d_mlp": 6, "lr": 1e-2, "epochs": 20,
        "checkpoint_every": 10, "dense_every": 0, "transition_every": 0, "device": "cpu",
    }  # fmt: skip
    return Config(**{**given, **settings})


def train(path: Path, **settings: Any) -> Run:
    for _ in recording.start(small(**settings), path).events():
        pass
    return Run.open(path, probe=False)


@pytest.mark.parametrize(
    ("operation", "p"),
    [("add", 5), ("add", 6), ("subtract", 6), ("multiply", 7), ("divide", 7), ("x2xyy2", 5), ("random", 6)],
)
def test_that_every_pair_equals_the_slow_obvious_version(tmp_path: Path, operation: str, p: int) -> None:
    run = train(tmp_path / "run.h5", operation=operation, p=p)
    found = pair_answers(run, 1)
    logits = activations(run, 1).logits
    train_set, test_set = examples(operation, p, 0.5, 0)
    trained = {(int(a), int(b)): int(y) for (a, b), y in zip(train_set.pairs, train_set.labels, strict=True)}
    tested = {(int(a), int(b)): int(y) for (a, b), y in zip(test_set.pairs, test_set.labels, strict=True)}
    for a in range(p):
        for b in range(p):
            assert found.masks.train[a, b] == ((a, b) in trained)
            assert found.masks.test[a, b] == ((a, b) in tested)
            label = trained.get((a, b), tested.get((a, b)))
            assert found.masks.exists[a, b] == (label is not None)
            if label is None:
                assert (operation, b) == ("divide", 0)
                assert (found.answer[a, b], found.masks.label[a, b], found.right[a, b]) == (-1, -1, False)
                for values in (found.probability, found.confidence, found.loss, found.margin):
                    assert math.isnan(values[a, b])
                continue
            row = logits[a * p + b]
            softmax = np.exp(row) / np.exp(row).sum()
            assert found.masks.label[a, b] == label
            assert found.answer[a, b] == row.argmax()
            assert found.right[a, b] == (row.argmax() == label)
            assert found.probability[a, b] == pytest.approx(softmax[label])
            assert found.confidence[a, b] == pytest.approx(softmax.max())
            assert found.loss[a, b] == pytest.approx(-math.log(softmax[label]))
            assert found.margin[a, b] == pytest.approx(row[label] - max(np.delete(row, label)))
    mean = score(found, found.masks.train)
    losses, accuracies = run.scalars("train_loss"), run.scalars("train_accuracy")
    assert losses is not None
    assert accuracies is not None
    assert mean.loss == pytest.approx(losses[1], rel=1e-5)
    assert mean.accuracy == pytest.approx(accuracies[1])


def test_that_very_sure_answers_keep_their_digits() -> None:
    masks = pair_masks(small(p=3))
    logits = np.zeros((9, 3))
    rows = np.arange(9)
    label = masks.label.reshape(-1)
    height = np.array([60.0, 900, -900, -60, 5, 0, 30, 1e4, -1e4])
    logits[rows, label] = height
    found = answers(logits + 1e3, masks)
    expected = [math.log1p(2 * math.exp(-h)) if h >= 0 else -h + math.log(2 + math.exp(h)) for h in height]
    assert found.loss.reshape(-1) == pytest.approx(expected, rel=1e-12)
    assert found.loss[0, 0] == pytest.approx(2 * math.exp(-60), rel=1e-12)
    assert found.margin.reshape(-1) == pytest.approx(height)
    assert found.probability.reshape(-1) == pytest.approx(np.exp(-np.array(expected)), rel=1e-9, abs=1e-300)
    wrong = found.answer.reshape(-1) != label
    assert found.confidence.reshape(-1)[wrong] == pytest.approx(1 / (2 + np.exp(height[wrong])))
    assert found.confidence.reshape(-1)[~wrong] == pytest.approx(found.probability.reshape(-1)[~wrong])


@pytest.mark.parametrize("operation", TASKS)
def test_that_symmetric_operations_are_exactly_those_named(operation: str) -> None:
    masks = pair_masks(small(operation=operation, p=7))
    assert (masks.label == masks.label.T).all() == (operation in SYMMETRIC)
    assert (masks.mirror_seen is not None) == (operation in SYMMETRIC)


def test_that_the_mainlines_mirrors_are_counted() -> None:
    seen = pair_masks(Config()).mirror_seen
    assert seen is not None
    assert seen.sum() == 2659


@pytest.mark.parametrize("operation", ["add", "multiply", "x2xyy2"])
def test_that_mirror_scores_split_the_test_pairs(tmp_path: Path, operation: str) -> None:
    run = train(tmp_path / "run.h5", operation=operation, p=6)
    found = mirror_scores(run, 2)
    assert found is not None
    each = pair_answers(run, 2)
    trained = {tuple(pair) for pair in examples(operation, 6, 0.5, 0)[0].pairs.tolist()}
    seen, unseen = [], []
    for a, b in examples(operation, 6, 0.5, 0)[1].pairs.tolist():
        (seen if (b, a) in trained else unseen).append((a, b))
    assert all((a, a) in unseen or (a, a) in trained for a in range(6))
    for got, expected in ((found.seen, seen), (found.unseen, unseen)):
        assert got.count == len(expected) > 0
        assert got.loss == pytest.approx(np.mean([each.loss[pair] for pair in expected]))
        assert got.accuracy == pytest.approx(np.mean([each.right[pair] for pair in expected]))


def test_that_without_mirrors_or_test_pairs_there_is_no_score(tmp_path: Path) -> None:
    assert mirror_scores(train(tmp_path / "difference.h5", operation="subtract", epochs=0), 0) is None
    run = train(tmp_path / "all.h5", train_fraction=1.0, epochs=0)
    found = by_mirror(pair_answers(run, 0))
    assert found is not None
    assert (found.seen.count, found.seen.loss, found.unseen.accuracy) == (0, None, None)


def test_that_commutativity_measures_what_the_order_changes() -> None:
    p = 5
    random = np.random.default_rng(0).normal(size=(p, p, p))
    symmetric = random + random.transpose(1, 0, 2)
    antisymmetric = random - random.transpose(1, 0, 2)
    assert commutativity(symmetric.reshape(p * p, p), p) == 0
    assert commutativity(antisymmetric.reshape(p * p, p), p) == pytest.approx(2)
    assert commutativity(np.ones((p * p, p)), p) == 0
    above = below = 0.0
    for a in range(p):
        for b in range(p):
            for c in range(p):
                above += (random[a, b, c] - random[b, a, c]) ** 2
                below += (random[a, b, c] - random[:, :, c].mean()) ** 2
    flat = random.reshape(p * p, p)
    assert commutativity(flat, p) == pytest.approx(math.sqrt(above / below))
    assert commutativity(flat + np.arange(p) * 100, p) == pytest.approx(math.sqrt(above / below))


def test_that_pairs_graduate_when_they_stay_right() -> None:
    epochs = np.array([0, 10, 30, 70])
    history = {
        (1, 1, 1, 1): 0, (0, 1, 1, 1): 10, (1, 0, 1, 1): 30, (1, 1, 0, 1): 70, (0, 0, 0, 0): -1, (1, 1, 1, 0): -1,
    }  # fmt: skip
    right = np.array(list(history), dtype=bool).T
    assert graduation(right, epochs).tolist() == list(history.values())
    assert graduation(right[:0], epochs[:0]).tolist() == [-1] * len(history)
    assert graduation(right[:1], epochs[:1]).tolist() == [0, -1, 0, 0, -1, 0]
    assert graduation(np.zeros((4, 0), dtype=bool), epochs).tolist() == []


def test_that_pairs_that_do_not_exist_never_graduate(tmp_path: Path) -> None:
    run = train(tmp_path / "run.h5", operation="divide", p=5, epochs=20)
    right = np.stack([pair_answers(run, step).right.reshape(-1) for step in range(run.n_checkpoints)])
    assert (graduation(right, run.epochs).reshape(5, 5)[:, 0] == -1).all()
