"""Necessity, sufficiency and random sets over training: each number against ablations one by one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import recording
from engine.analysis.ablation import (
    ATTENTION,
    BLOCK,
    CARRIERS,
    CLEAR,
    MLP,
    ONTO,
    SUM,
    WHOLE,
    Ablation,
    Frequencies,
    Units,
)
from engine.analysis.frequency_bars import class_losses
from engine.analysis.load_bearing import SetTraces, measure_piece, measure_set, set_curves, since
from engine.analysis.set_questions import DRAWS, SetQuestion, controls, only, question_of, random_sets
from engine.analysis.solutions import CLASSES, answer_map
from engine.analysis.waves import layer_waves
from engine.config import Config
from engine.runfile import Run
from engine.traces import Traces

KINDS = {
    "heads": Ablation(heads=Units(((0, 1),), mean=True)),
    "skips": Ablation(skips=Units(((0, MLP),))),
    "neurons": Ablation(neurons=Units(((0, 3), (0, 7), (0, 8)), mean=True)),
    "carriers": Ablation(neuron_frequencies=Frequencies((2, 4), what=CARRIERS)),
    "frequencies in neurons": Ablation(neuron_frequencies=Frequencies((2,), what=BLOCK)),
    "eight components": Ablation(logit_frequencies=Frequencies((2, 4), what=BLOCK)),
    "waves": Ablation(logit_frequencies=Frequencies((2, 4))),
    "two kinds": Ablation(heads=Units(((0, 0),)), logit_frequencies=Frequencies((1,))),
}


def small(operation: str = "add", p: int = 11, **more: Any) -> Config:
    return Config(operation=operation, p=p, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=24, **more)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = Config(
        p=11, train_fraction=0.6, d_model=16, n_heads=2, d_mlp=24, lr=1e-2, weight_decay=1.0, epochs=200,
        checkpoint_every=20, dense_every=0, transition_every=0, device="cpu",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("runs") / "small.h5"
    for _ in recording.start(config, path).events():
        pass
    return Run.open(path, probe=False)


def asked(config: Config, kind: str) -> SetQuestion:
    found = question_of(config, KINDS[kind])
    assert found is not None
    return found


def row_of(run: Run, step: int, question: SetQuestion) -> dict[str, Any]:
    pieces = [measure_piece(run, step, question, i) for i in range(question.pieces)]
    names = {name for piece in pieces for name in piece}
    return {
        name: np.concatenate([piece[name] for piece in pieces if name in piece])
        if "random" in name
        else pieces[0][name]
        for name in names
    }


# -- the question ----------------------------------------------------------------------------------------------


def test_that_a_question_is_about_the_sets_alone() -> None:
    config = small()
    everything = Ablation(
        0.5, 0.0, heads=Units(((0, 1),), keep=True, mean=True), polynomials=CLEAR, projection=ONTO,
        logit_frequencies=Frequencies((2,), keep=True, what=BLOCK),
    )  # fmt: skip
    found = question_of(config, everything)
    assert found is not None
    assert found.parts == Ablation(heads=Units(((0, 1),), mean=True), logit_frequencies=Frequencies((2,), what=BLOCK))
    assert only(found.parts).heads.keep
    assert only(found.parts).logit_frequencies.keep
    assert only(found.parts).neurons.is_whole
    assert question_of(config, Ablation(0.5, 0.0, polynomials=CLEAR)) is None
    assert question_of(small("x2xyy2"), KINDS["waves"]) is None
    assert found.name == SetQuestion(found.parts).name != replace(found, seed=1).name


def test_that_no_random_set_of_frequencies_holds_a_key_frequency() -> None:
    config, keys = Config(p=113), (14, 35, 41, 42, 52)
    for of, what in (((31,), SUM), ((14,), BLOCK), ((14, 35), SUM), (keys, SUM)):
        question = question_of(config, Ablation(logit_frequencies=Frequencies(of, what=what)), keys)
        assert question is not None
        drawn = [set(cut.logit_frequencies.of) for cut in controls(question, config)]
        assert len(drawn) == 20
        assert not set.union(*drawn) & {*keys, *of}
    heads = Ablation(heads=Units(((0, 1),)))
    assert question_of(config, heads, keys) == question_of(config, heads), "no frequencies, no keys"
    few = random_sets(range(6), (0,), 20, np.random.default_rng(0), apart=range(6))
    assert sorted(few) == [(1,), (2,), (3,), (4,), (5,)], "too few apart from the keys: from what is not in the set"


def test_that_random_sets_are_distinct_of_equal_size_and_not_of_the_set() -> None:
    rng = np.random.default_rng(3)
    found = random_sets(range(1, 57), (14, 35, 41, 42, 52), 20, rng)
    assert len(set(found)) == 20
    assert all(len(x) == 5 and not set(x) & {14, 35, 41, 42, 52} for x in found)
    assert all(list(x) == sorted(x) for x in found)
    assert random_sets(range(1, 57), (14,), 20, np.random.default_rng(1)) == random_sets(
        range(1, 57), (14,), 20, np.random.default_rng(1)
    )
    assert sorted(random_sets(range(4), (2,), 20, rng)) == [(0,), (1,), (3,)]
    assert set(random_sets(range(4), (0, 1, 2), 20, rng)) == {(0, 1, 3), (0, 2, 3), (1, 2, 3)}
    assert random_sets(range(4), (0, 1, 2, 3), 20, rng) == []
    large = random_sets(range(30), range(20), 20, rng)  # too few others: from everything
    assert len(set(large)) == 20
    assert all(len(x) == 20 and set(x) != set(range(20)) for x in large)


def test_that_random_carriers_are_as_many_neurons_as_carry_it(clock_run: Callable[..., Run]) -> None:
    run = clock_run("add", 11, {2: 3.0, 4: 2.0, 5: 1.0})  # eight neurons each
    question = question_of(run.config, Ablation(neuron_frequencies=Frequencies((2,), what=CARRIERS)))
    assert question is not None
    found = controls(question, run.config, layer_waves(run, 0))
    assert len(found) == DRAWS
    for cut in found:
        assert cut.neuron_frequencies.is_whole
        assert cut.neurons.mean
        assert len(cut.neurons.of) == 8
        assert min(i for _, i in cut.neurons.of) >= 8
    assert len({cut.neurons.of for cut in found}) == DRAWS
    two = replace(question, parts=replace(question.parts, neurons=Units(((0, 1), (0, 2)))))
    assert all(8 <= len(cut.neurons.of) <= 10 for cut in controls(two, run.config, layer_waves(run, 0)))


# -- a checkpoint ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("operation", "p"), [("add", 11), ("subtract", 8), ("multiply", 11)])
def test_that_a_row_is_what_each_ablation_says(
    random_run: Callable[..., Run], operation: str, p: int, kind: str
) -> None:
    run = random_run(small(operation, p))
    question = asked(run.config, kind)
    row = row_of(run, 0, question)
    spectral = question.parts.is_spectral
    sets = controls(question, run.config, layer_waves(run, 0))
    slow = {"whole": WHOLE, "without": question.parts, "only": only(question.parts)}
    for name, cut in slow.items():
        assert row[name] == pytest.approx(class_losses(run, 0, cut, spectral), rel=2e-4, nan_ok=True), name
    for name, flip in (("random_without", lambda cut: cut), ("random_only", only)):
        expected = [class_losses(run, 0, flip(cut), spectral) for cut in sets]
        assert row[name] == pytest.approx(np.array(expected).reshape(-1, 5), rel=2e-4, nan_ok=True), name
    exact = answer_map(run, 0, (), question.parts, exact=True).scores
    found = dict(zip(CLASSES, row["without"], strict=True))
    for name in ("train", "test", "every"):
        assert found[name] == pytest.approx(getattr(exact, name).loss, rel=2e-4)


@pytest.mark.parametrize("mean", [False, True])
def test_that_keeping_waves_alone_is_the_closed_form(random_run: Callable[..., Run], mean: bool) -> None:
    run = random_run(small())
    question = question_of(run.config, Ablation(logit_frequencies=Frequencies((2,), mean=mean)))
    assert question is not None
    assert question.is_closed
    row = measure_piece(run, 0, question, 0)
    cut = Ablation(logit_frequencies=Frequencies((2,), keep=True, mean=mean, what=SUM))
    assert row["only"] == pytest.approx(class_losses(run, 0, cut, True), rel=2e-4)


# -- over training ---------------------------------------------------------------------------------------------


def test_that_since_needs_five_checkpoints_in_a_row() -> None:
    epochs = np.arange(0, 120, 10)
    out = np.array([1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1], bool)
    assert since(epochs, out) == 50
    assert since(epochs, ~out) is None
    assert since(epochs[:4], np.ones(4, bool)) is None
    assert since(epochs[:5], np.ones(5, bool)) == 0
    assert since(epochs[:0], np.zeros(0, bool)) is None


@pytest.mark.parametrize("kind", ["waves", "neurons", "heads"])
def test_that_the_curves_say_when_the_set_leaves_the_band(trained: Run, tmp_path: Path, kind: str) -> None:
    traces = Traces(trained, tmp_path / "traces.h5")
    question = asked(trained.config, kind)
    left = list(measure_set(traces, question))
    n = trained.n_checkpoints
    assert left == list(range(n - 1, -1, -1))
    found = set_curves(trained, n, traces, question, "test", 0)
    assert (found.measured, found.of) == (n, n)
    assert np.array_equal(found.epochs, trained.epochs)
    assert found.n_random == {"waves": 3, "neurons": 20, "heads": 1}[kind]
    above: list[bool] = []
    twice: list[bool] = []
    for step in range(n):
        row = row_of(trained, step, question)
        assert found.without[step] == pytest.approx(row["without"][1], rel=1e-9)
        low, middle, high = np.percentile(row["random_without"][:, 1], [5, 50, 95])
        assert found.band_without[:, step] == pytest.approx([low, middle, high], rel=1e-9)
        above.append(row["without"][1] > high)
        twice.append(above[-1] and row["without"][1] >= 2 * row["whole"][1])
    slow = next((int(trained.epochs[i]) for i in range(n - 4) if all(above[i : i + 5])), None)
    assert found.load_bearing_since == slow
    slow = next((int(trained.epochs[i]) for i in range(n - 4) if all(twice[i : i + 5])), None)
    assert found.doubles_since == slow
    fewer = set_curves(trained, 3, traces, question, "test", 0)
    assert (fewer.measured, fewer.load_bearing_since) == (3, None)
    traces.close()


def test_that_work_can_stop_after_any_piece_and_goes_on_where_it_stopped(trained: Run, tmp_path: Path) -> None:
    question = asked(trained.config, "neurons")
    traces = Traces(trained, tmp_path / "traces.h5")
    work = SetTraces(traces, question)
    steps = work.missing(trained.n_checkpoints)
    assert steps[:2] == [0, trained.n_checkpoints - 1]  # the ends, then coarse to fine
    assert steps[2] == 8
    for _ in range(question.pieces - 1):
        assert not work.advance(steps[0])
    assert len(traces.kept_epochs(question.name)) == 0  # nothing false is kept
    assert work.advance(steps[0])
    assert work.missing(trained.n_checkpoints) == steps[1:]
    traces.flush()
    traces.close()
    again = Traces(trained, tmp_path / "traces.h5")
    assert SetTraces(again, question).missing(trained.n_checkpoints) == steps[1:]
    assert SetTraces(again, replace(question, seed=1)).missing(trained.n_checkpoints) == steps
    found = set_curves(trained, trained.n_checkpoints, again, question, "every", 0)
    assert found.epochs.tolist() == [int(trained.epochs[steps[0]])]
    nothing = set_curves(trained, trained.n_checkpoints, again, replace(question, seed=1), "every", 0)
    assert (nothing.measured, nothing.n_random, len(nothing.whole)) == (0, 0, 0)
    again.close()


def test_that_a_set_without_any_other_has_no_band(trained: Run, tmp_path: Path) -> None:
    traces = Traces(trained, tmp_path / "traces.h5")
    question = question_of(trained.config, Ablation(skips=Units(((0, ATTENTION), (0, MLP)))))
    assert question is not None
    work = SetTraces(traces, question)
    while not work.advance(0):
        pass
    found = set_curves(trained, trained.n_checkpoints, traces, question, "every", 0)
    assert found.n_random == 0
    assert np.isnan(found.band_without).all()
    assert found.load_bearing_since is None
    traces.close()
