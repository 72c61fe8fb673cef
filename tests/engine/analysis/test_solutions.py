"""The two solutions: mixes against slow versions and the engine's own losses, planted clocks and memories."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import recording
from engine.analysis.ablation import Ablation
from engine.analysis.characters import characters
from engine.analysis.logits import power_split
from engine.analysis.measures import excluded, measures, pair_sets, restricted
from engine.analysis.pairs import Score, pair_answers
from engine.analysis.progress import cross_entropy, sum_part
from engine.analysis.progress_curves import Pinned, pinned_keys
from engine.analysis.solutions import (
    GRID,
    ablated_logits,
    answer_history,
    answer_map,
    applied,
    class_counts,
    class_scores,
    crossing,
    cycle_mask,
    graduation_map,
    landscape_row,
    margin_limit,
    mixed,
    pieces,
    pieces_of,
    two_solutions,
)
from engine.config import Config
from engine.replay import activations
from engine.runfile import Run
from engine.tasks import examples
from engine.traces import Traces, measure_all

SUMS = [("add", 7), ("add", 8), ("subtract", 7), ("subtract", 6)]
UNITS = [("multiply", 7), ("divide", 7), ("multiply", 9)]
KEYS = (2, 4)
CORNERS = {"model": Ablation(), "restricted": Ablation(1, 0), "excluded": Ablation(0, 1)}
MIXES = [*CORNERS.values(), Ablation(0.4, 1.3), Ablation(0, 0), Ablation(1.5, 0.25)]


def small(operation: str = "add", p: int = 7, **more: Any) -> Config:
    return Config(operation=operation, p=p, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=12, **more)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Traces]]:
    """Eleven residues, trained until they are understood, and every checkpoint measured."""
    config = Config(
        p=11, train_fraction=0.6, d_model=16, n_heads=2, d_mlp=24, lr=1e-2, weight_decay=1.0, epochs=200,
        checkpoint_every=20, dense_every=0, transition_every=0, device="cpu",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("runs") / "small.h5"
    for _ in recording.start(config, path).events():
        pass
    run = Run.open(path, probe=False)
    traces = Traces(run)
    for _ in measure_all(traces, KEYS):
        pass
    yield run, traces
    traces.close()


@pytest.mark.parametrize(("operation", "p"), SUMS)
@pytest.mark.parametrize("ablation", MIXES)
def test_that_a_mix_is_the_slow_obvious_one(
    random_run: Callable[..., Run], operation: str, p: int, ablation: Ablation
) -> None:
    run, keys = random_run(small(operation, p)), (1, p // 2)
    logits = activations(run, 0).logits
    part = sum_part(logits, p, keys, -1 if operation == "subtract" else 1)
    mean = logits.mean(axis=0)
    slow = mean + ablation.generalising * part + ablation.memorising * (logits - mean - part)
    assert ablated_logits(run, 0, keys, ablation, exact=True) == pytest.approx(slow, abs=1e-11)
    assert mixed(pieces(run, 0, keys), ablation) == pytest.approx(slow, abs=1e-11)
    assert ablated_logits(run, 0, keys, ablation) == pytest.approx(slow, abs=2e-4)


@pytest.mark.parametrize(("operation", "p"), SUMS + UNITS)
def test_that_the_corners_are_the_engines_losses(random_run: Callable[..., Run], operation: str, p: int) -> None:
    run = random_run(small(operation, p))
    keys, found = (1, 3), measures(run, 0)
    assert found.table is not None
    kept = restricted(run.config, found.table, keys)
    without = excluded(run.config, np.asarray(activations(run, 0).logits), found.table, keys).keys
    scores = {
        name: answer_map(run, 0, keys, ablation, exact=True).scores for name, ablation in CORNERS.items()
    }  # fmt: skip
    for name, expected in (
        ("restricted", {"train": kept.train, "test": kept.test, "every": kept.every}),
        ("excluded", {"train": without}),
        ("model", {"train": found.train, "test": found.test, "every": found.every, "seen": found.seen}),
    ):
        for of, score in expected.items():
            got = getattr(scores[name], of)
            assert (got is None) == (score is None)
            if score is not None:
                assert got.loss == pytest.approx(score.loss, rel=1e-9, abs=1e-9), (name, of)
                assert got.accuracy == pytest.approx(score.accuracy), (name, of)


def test_that_the_corners_are_the_cross_entropies_of_projected_logits(random_run: Callable[..., Run]) -> None:
    run, p = random_run(small("add", 8)), 8
    logits = activations(run, 0).logits
    train, test = examples("add", p, 0.5, 0)
    part = sum_part(logits, p, (2, 4), 1)
    for ablation, slow in ((Ablation(1, 0), part + logits.mean(axis=0)), (Ablation(0, 1), logits - part)):
        scores = answer_map(run, 0, (2, 4), ablation, exact=True).scores
        assert scores is not None
        for score, chosen in ((scores.train, train), (scores.test, test)):
            assert score is not None
            assert score.loss == pytest.approx(cross_entropy(slow, chosen, p), rel=1e-9)


@pytest.mark.parametrize(("operation", "p"), [("add", 29), ("add", 30), ("multiply", 31)])
def test_that_a_planted_clock_is_all_generalising(clock_run: Callable[..., Run], operation: str, p: int) -> None:
    keys = (4, 5, 11)
    run = clock_run(operation, p, dict.fromkeys(keys, 6.0))

    def score(of: tuple[int, ...], ablation: Ablation) -> Score:
        scores = answer_map(run, 0, of, ablation, exact=True).scores
        assert scores is not None
        assert scores.every is not None
        return scores.every

    chance = 1 / p
    assert score(keys, Ablation(1, 0)).accuracy == 1
    assert score(keys, Ablation(0, 1)).accuracy < 0.3
    assert score((1, 2), Ablation(1, 0)).accuracy < 4 * chance  # what turns with other frequencies knows nothing
    losses = [score(keys, Ablation(g, 0)).loss for g in (1.5, 1, 0.5)]
    assert losses == sorted(losses)
    assert losses[-1] is not None
    assert losses[-1] < np.log(p) / 2
    assert score(keys, Ablation(0, 0)).loss == pytest.approx(np.log(p), abs=0.1)  # the mean is all but even


def test_that_planted_memory_is_all_memorising() -> None:
    """A table of the training pairs whose mean over every a + b is nothing: P_K L knows no pair of it."""
    config = small("add", 11)
    basis, sets = characters(config), pair_sets(config)
    sums, logits = basis.sums.reshape(-1), np.zeros((121, 11))
    trained = np.bincount(sums[sets.train], minlength=11)
    logits[sets.train, sets.labels[sets.train]] = 20.0
    logits[sets.test, sets.labels[sets.test]] = -20.0 * (trained / (11 - trained))[sums[sets.test]]
    x = pieces_of(logits, basis, (3,))
    assert x.part == pytest.approx(np.zeros((11, 11)), abs=1e-12)
    assert mixed(x, Ablation(1, 0)) == pytest.approx(np.broadcast_to(logits.mean(axis=0), (121, 11)), abs=1e-12)
    assert mixed(x, Ablation(0, 1)) == pytest.approx(logits, abs=1e-12)
    half = mixed(x, Ablation(0.7, 0.5))
    assert (half[sets.train].argmax(axis=1) == sets.labels[sets.train]).all()
    assert not (half[sets.test].argmax(axis=1) == sets.labels[sets.test]).any()


@pytest.mark.parametrize(("operation", "p"), UNITS)
def test_that_pairs_off_the_cycle_stay_the_models_own(random_run: Callable[..., Run], operation: str, p: int) -> None:
    run = random_run(small(operation, p))
    mask = cycle_mask(run.config)
    assert mask is not None
    flat = mask.reshape(-1)
    whole = activations(run, 0).logits
    found = ablated_logits(run, 0, (1, 2), Ablation(0.3, 0.6), exact=True)
    assert np.array_equal(found[~flat], whole[~flat])
    assert not np.isclose(found[flat], whole[flat]).all(axis=1).any()
    scores = answer_map(run, 0, (1, 2), Ablation(0.3, 0.6), exact=True).scores
    assert scores is not None
    assert scores.every is not None
    assert scores.every.count == flat.sum() == class_counts(run.config, on_cycle=True)["every"]
    assert class_counts(run.config)["every"] > flat.sum()


def test_that_where_there_are_no_two_solutions_nothing_is_taken_away(random_run: Callable[..., Run]) -> None:
    for operation, keys in (("x2xyy2", (1, 2)), ("random", (1,)), ("add", ())):
        run = random_run(small(operation))
        assert applied(run.config, keys, Ablation(0, 1)).is_whole
        assert np.array_equal(ablated_logits(run, 0, keys, Ablation(0, 1), True), activations(run, 0).logits)
        found = answer_map(run, 0, keys, Ablation(0, 1), exact=True)
        assert found.ablation.is_whole
        assert found.keys == ()
    assert not applied(small(), (2,), Ablation(0, 1)).is_whole


def test_that_the_last_mixes_are_kept_and_cannot_be_written_to(random_run: Callable[..., Run]) -> None:
    run = random_run(small())
    found = ablated_logits(run, 0, (1,), Ablation(0.5, 0.5))
    assert ablated_logits(run, 0, (1,), Ablation(0.5, 0.5)) is found
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1
    assert ablated_logits(run, 0, (2,), Ablation(0.5, 0.5)) is not found


@pytest.mark.parametrize("operation", ["add", "divide", "x2xyy2"])
def test_that_the_map_of_the_whole_model_is_every_pairs_answer(random_run: Callable[..., Run], operation: str) -> None:
    run = random_run(small(operation))
    truth, found = pair_answers(run, 0), answer_map(run, 0, (), Ablation(), exact=True)
    for name in ("answer", "right"):
        assert np.array_equal(getattr(found, name), getattr(truth, name)), name
    for name in ("confidence", "loss", "margin", "probability"):
        assert getattr(found, name) == pytest.approx(getattr(truth, name), rel=1e-12, nan_ok=True), name
    scores, expected = found.scores, class_scores(truth)
    assert scores is not None
    for name in ("train", "test", "seen", "unseen", "every"):
        one, other = getattr(scores, name), getattr(expected, name)
        assert (one is None) == (other is None) == (name in ("seen", "unseen") and operation == "divide")
        if one is not None:
            assert (one.count, one.accuracy) == (other.count, other.accuracy)
            assert one.loss == pytest.approx(other.loss, rel=1e-12)
    drawn = answer_map(run, 0, (), Ablation(), layout_step=0)
    assert drawn.loss.dtype == np.float32
    assert drawn.scores.every is not None
    assert expected.every is not None
    assert drawn.scores.every.loss == pytest.approx(expected.every.loss, rel=1e-4)
    assert drawn.loss == pytest.approx(truth.loss, rel=1e-4, nan_ok=True)
    assert drawn.margin_limit == pytest.approx(np.nanmax(np.abs(truth.margin)), rel=1e-5)
    assert margin_limit(run, 0) == drawn.margin_limit


def test_that_the_solutions_overtake_where_they_do_for_good() -> None:
    epochs = np.array([0, 10, 30, 70])

    def found(*keys: float) -> tuple[int, int] | None:
        return crossing(epochs, np.array(keys), np.full(4, 5.0))

    assert found(1, 2, 6, 7) == (10, 30)
    assert found(1, 6, 2, 7) == (30, 70)
    assert found(6, 6, 6, 7) is None  # ahead from the start: nothing was overtaken
    assert found(6, 7, 8, 2) is None
    assert found(1, 5, 5, 5.1) == (30, 70)
    assert crossing(epochs[:0], np.zeros(0), np.zeros(0)) is None


def test_that_curves_are_what_the_checkpoints_say(trained: tuple[Run, Traces]) -> None:
    run, traces = trained
    n = run.n_checkpoints
    pinned = pinned_keys(run, n, KEYS)
    found = two_solutions(run, n, traces, pinned, 1)
    assert found.no_basis == ""
    assert (found.measured, found.of, found.last) == (n, n, run.epochs[-1])
    for curve in (found.of_keys, found.of_rest, found.restricted_train, found.restricted_test, found.excluded_train):
        assert curve is not None
        assert np.array_equal(curve.epochs, run.epochs)
    for step in (0, n // 2, n - 1):
        powers = power_split(run, step, pinned.keys)
        assert found.of_keys is not None
        assert found.of_rest is not None
        assert found.of_keys.values[step] == pytest.approx(powers.of_keys, rel=1e-9)
        assert found.of_rest.values[step] == pytest.approx(powers.of_rest, rel=1e-9)
        for ablation, history in ((Ablation(), found.model), (Ablation(1, 0), found.restricted)):
            assert history is not None
            kept, slow = history.at(int(run.epochs[step])), answer_map(run, step, pinned.keys, ablation, True).scores
            assert kept is not None
            assert slow is not None
            for name in ("train", "test", "every"):
                one, other = getattr(kept, name), getattr(slow, name)
                assert one.count == other.count
                assert one.loss == pytest.approx(other.loss, rel=1e-9)
                assert one.accuracy == pytest.approx(other.accuracy)
        slow = answer_map(run, step, pinned.keys, Ablation(0, 1), True).scores
        assert slow is not None
        assert slow.train is not None
        assert found.excluded_train is not None
        assert found.excluded_train.values[step] == pytest.approx(slow.train.loss, rel=1e-9)
    assert found.model is not None
    assert found.model.at(7) is None
    assert found.model.at(10**9) is None
    fewer = two_solutions(run, 3, traces, pinned, 1)
    assert fewer.of_keys is not None
    assert fewer.of_keys.epochs.tolist() == run.epochs[:3].tolist()


def test_that_powers_of_units_count_all_pairs_of_the_task(tmp_path: Path) -> None:
    config = small("multiply", 7, epochs=4, checkpoint_every=4, dense_every=0, transition_every=0, device="cpu")
    for _ in recording.start(config, tmp_path / "run.h5").events():
        pass
    run = Run.open(tmp_path / "run.h5", probe=False)
    traces = Traces(run)
    for _ in measure_all(traces):
        pass
    found = two_solutions(run, 2, traces, Pinned((1, 2), 4, True), 1)
    logits = activations(run, 1).logits
    part = np.zeros((49, 7))
    x = pieces(run, 1, (1, 2))
    part[x.basis.rows] = x.part[x.basis.sums.reshape(-1)]
    centred = logits - logits.mean(axis=0)
    assert found.of_keys is not None
    assert found.of_rest is not None
    assert found.of_keys.values[-1] == pytest.approx(np.square(part).mean())
    assert found.of_rest.values[-1] == pytest.approx(np.square(centred - part).mean())
    traces.close()


def test_that_without_a_basis_or_traces_it_says_so(trained: tuple[Run, Traces]) -> None:
    run, traces = trained
    nothing = two_solutions(run, 2, None, None, 0)
    assert (nothing.no_basis, nothing.of_keys, nothing.pinned) == ("", None, None)
    assert answer_history(run, 2, None, None, 0) is None
    assert graduation_map(run, 2, None, None, 0) is None
    no_keys = two_solutions(run, run.n_checkpoints, traces, Pinned((), 0, False), 1)
    assert no_keys.of_keys is None
    assert no_keys.model is not None
    other = Run.open(run.path, probe=False)
    other.config = replace(run.config, operation="x2xyy2")
    assert "no group operation" in two_solutions(other, 2, traces, Pinned((), 0, False), 1).no_basis


def test_that_pairs_graduate_by_what_was_measured(trained: tuple[Run, Traces]) -> None:
    run, traces = trained
    n = run.n_checkpoints
    found = graduation_map(run, n, traces, None, 1)
    assert found is not None
    assert (found.last, found.measured, found.of, found.provisional) == (run.epochs[-1], n, n, False)
    right = np.array([pair_answers(run, step).right for step in range(n)])
    for a, b in ((0, 0), (3, 7), (10, 2)):
        held = [int(run.epochs[s]) for s in range(n) if right[s:, a, b].all()]
        assert found.epoch[a, b] == (min(held) if held else -1)
    assert found.latest == found.epoch.max()
    early = graduation_map(run, 1, traces, None, 1)
    assert early is not None
    assert set(np.unique(early.epoch)) <= {-1, 0}  # nothing of the future
    assert (early.last, early.measured) == (0, 1)


@pytest.mark.parametrize(("operation", "p"), [("add", 7), ("subtract", 8), ("divide", 7)])
def test_that_the_landscape_is_the_test_loss_of_every_mix(
    random_run: Callable[..., Run], operation: str, p: int
) -> None:
    run = random_run(small(operation, p))
    for row in (0, 8, 12):
        found = landscape_row(run, 0, (1, 2), row)
        assert found.shape == (13,)
        for i in (0, 5, 8, 12):
            scores = answer_map(run, 0, (1, 2), Ablation(GRID[i], GRID[row]), exact=True).scores
            assert scores is not None
            assert scores.test is not None
            if GRID[i] == GRID[row] == 1 and operation == "divide":  # the whole model counts all pairs
                continue
            assert found[i] == pytest.approx(scores.test.loss, rel=1e-4)
    assert GRID[0] == 0
    assert 1.0 in GRID
    assert GRID[-1] == 1.5
    assert np.isnan(landscape_row(random_run(replace(small(), train_fraction=1.0)), 0, (1,), 3)).all()
