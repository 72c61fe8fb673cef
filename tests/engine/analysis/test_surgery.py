"""Every ablation against the plain version with every step written out, and that one against models cut by hand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.analysis import surgery, surgery_general
from engine.analysis.ablation import (
    ATTENTION,
    BLOCK,
    CARRIERS,
    CLEAR,
    EVERY,
    MLP,
    NULL,
    ONTO,
    SUM,
    WHOLE,
    Ablation,
    Frequencies,
    Units,
)
from engine.analysis.characters import NoBasis, characters
from engine.analysis.measures import pair_sets, restricted, sum_table
from engine.analysis.neuron_logit import neuron_logit_map
from engine.analysis.neuron_map import directions
from engine.analysis.published_ablations import measured_ablations, published_ablations
from engine.analysis.solutions import ablated_logits, answer_map, cycle_mask
from engine.analysis.surgery import cut_logits
from engine.analysis.waves import layer_waves
from engine.config import Config
from engine.fourier import fourier_basis
from engine.models.transformer import forward
from engine.replay import activations
from engine.runfile import Run

Floats = NDArray[np.float64]
RandomRun = Callable[..., Run]
TASKS = [
    ("add", 7), ("add", 8), ("subtract", 7), ("subtract", 6), ("multiply", 7), ("divide", 7), ("multiply", 9),
]  # fmt: skip
SHAPES: dict[str, dict[str, Any]] = {
    "one layer": {}, "two layers": {"n_layers": 2}, "layer norm": {"layer_norm": True, "activation": "gelu"},
}  # fmt: skip
LAYERS = [("one layer", 0), ("two layers", 0), ("two layers", 1), ("layer norm", 0)]
KEYS = (1, 3)


def small(operation: str = "add", p: int = 7, **more: Any) -> Config:
    return Config(operation=operation, p=p, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=12, **more)


def at_neurons(*of: int, keep: bool = False, mean: bool = True, what: str = SUM) -> Ablation:
    return Ablation(neuron_frequencies=Frequencies(of, keep, mean, what))


def at_logits(*of: int, keep: bool = False, mean: bool = True, what: str = SUM) -> Ablation:
    return Ablation(logit_frequencies=Frequencies(of, keep, mean, what))


FEW = Units(((0, 2), (0, 5), (0, 11)))
INSIDE = {
    "a head": Ablation(heads=Units(((0, 1),))),
    "a head, mean": Ablation(heads=Units(((0, 1),), mean=True)),
    "only a head": Ablation(heads=Units(((0, 0),), keep=True)),
    "only a head, mean": Ablation(heads=Units(((0, 0),), keep=True, mean=True)),
    "no skip around attention": Ablation(skips=Units(((0, ATTENTION),))),
    "its mean": Ablation(skips=Units(((0, ATTENTION),), mean=True)),
    "no skip around the MLP": Ablation(skips=Units(((0, MLP),))),
    "its mean, MLP": Ablation(skips=Units(((0, MLP),), mean=True)),
    "no skip": Ablation(skips=Units(((0, ATTENTION), (0, MLP)), mean=True)),
    "neurons": Ablation(neurons=FEW),
    "neurons, mean": Ablation(neurons=replace(FEW, mean=True)),
    "only neurons": Ablation(neurons=replace(FEW, keep=True)),
    "only neurons, mean": Ablation(neurons=replace(FEW, keep=True, mean=True)),
    "clear polynomials": Ablation(polynomials=CLEAR),
    "polynomials": Ablation(polynomials=EVERY),
    **{f"{'only ' * keep}{what}{', mean' * mean}": at_neurons(1, 3, keep=keep, mean=mean, what=what)
       for what in (SUM, BLOCK, CARRIERS) for keep in (False, True) for mean in (False, True)},
    "on W_L": Ablation(projection=ONTO),
    "beside W_L": Ablation(projection=NULL),
    "all at once": Ablation(
        heads=Units(((0, 1),), mean=True), skips=Units(((0, ATTENTION), (0, MLP)), mean=True),
        neurons=replace(FEW, mean=True), polynomials=EVERY, neuron_frequencies=Frequencies((1,), what=BLOCK),
        projection=ONTO,
    ),
    "all at once, other ways": Ablation(
        heads=Units(((0, 1),)), skips=Units(((0, ATTENTION),)), neurons=replace(FEW, keep=True), polynomials=CLEAR,
        neuron_frequencies=Frequencies((1, 2), keep=True, mean=False), projection=NULL,
    ),
    "polynomials, then waves": Ablation(polynomials=EVERY, neuron_frequencies=Frequencies((1, 2), keep=True)),
    "neurons, then waves": Ablation(neurons=replace(FEW, mean=True), neuron_frequencies=Frequencies((2,), keep=True)),
}  # fmt: skip


def the_long_way(run: Run, cuts: Ablation, keys: tuple[int, ...] = KEYS) -> NDArray[np.floating]:
    waves, basis = layer_waves(run, 0), characters(run.config)
    return surgery_general.logits(run.config, run.weights(0), cuts, keys, basis, waves, True)


# -- the short way is the long way -----------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", INSIDE.values(), ids=INSIDE)
@pytest.mark.parametrize(("operation", "p"), TASKS)
def test_that_the_short_way_is_the_plain_version(random_run: RandomRun, operation: str, p: int, cuts: Ablation) -> None:
    run = random_run(small(operation, p))
    apart = np.abs(cut_logits(run, 0, KEYS, cuts, exact=True) - the_long_way(run, cuts)).max()
    assert apart < 1e-11
    drawn = cut_logits(run, 0, KEYS, cuts)
    assert drawn.dtype == np.float32
    assert drawn == pytest.approx(the_long_way(run, cuts), abs=5e-4)


@pytest.mark.parametrize("kind", ["two layers", "layer norm"])
def test_that_other_models_go_the_long_way(random_run: RandomRun, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = random_run(small(**SHAPES[kind]))
    for cuts in INSIDE.values():
        assert np.array_equal(cut_logits(run, 0, KEYS, cuts, exact=True), the_long_way(run, cuts))
    monkeypatch.setattr(surgery_general, "logits", None)
    one = random_run(small())
    assert cut_logits(one, 0, KEYS, INSIDE["all at once"], exact=True).shape == (49, 7)


@pytest.mark.parametrize("kind", SHAPES)
def test_that_with_nothing_taken_away_the_plain_version_is_the_model(random_run: RandomRun, kind: str) -> None:
    run = random_run(small(**SHAPES[kind]))
    w = {name: torch.from_numpy(x) for name, x in run.weights(0).items()}
    pairs = torch.cartesian_prod(torch.arange(7), torch.arange(7))
    assert the_long_way(run, WHOLE) == pytest.approx(forward(w, pairs, run.config)[:, :7].numpy(), abs=1e-11)
    assert cut_logits(run, 0, KEYS, WHOLE, exact=True) is activations(run, 0).logits


# -- models cut by hand ----------------------------------------------------------------------------------------


def logits_of(run: Run, held: Callable[..., Run], **changed: Floats) -> Floats:
    """The logits of a model with other weights."""
    return activations(held(run.config, run.weights(0) | changed), 0).logits


@pytest.mark.parametrize(("kind", "layer"), LAYERS)
def test_that_a_head_at_0_is_a_head_without_output_weights(
    random_run: RandomRun, held_run: Callable[..., Run], kind: str, layer: int
) -> None:
    run = random_run(small(**SHAPES[kind]))
    w_o = run.weights(0)["W_O"].copy()
    w_o[layer, 1] = 0
    found = cut_logits(run, 0, KEYS, Ablation(heads=Units(((layer, 1),))), exact=True)
    assert found == pytest.approx(logits_of(run, held_run, W_O=w_o), abs=1e-11)


@pytest.mark.parametrize(("kind", "layer"), LAYERS)
def test_that_neurons_at_0_are_neurons_without_output_weights_and_only_some_are_the_others_taken(
    random_run: RandomRun, held_run: Callable[..., Run], kind: str, layer: int
) -> None:
    run = random_run(small(**SHAPES[kind]))
    some = [2, 5, 11]
    w_out = run.weights(0)["W_out"].copy()
    w_out[layer, some] = 0
    taken = Units(tuple((layer, i) for i in some))
    found = cut_logits(run, 0, KEYS, Ablation(neurons=taken), exact=True)
    assert found == pytest.approx(logits_of(run, held_run, W_out=w_out), abs=1e-11)
    every = {(la, i) for la in range(run.config.n_layers) for i in range(12)}
    others = Units(tuple(every - set(taken.of)), keep=True)
    assert cut_logits(run, 0, KEYS, Ablation(neurons=others), exact=True) == pytest.approx(found, abs=1e-11)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("operation", ["add", "divide"])
def test_that_a_mean_is_over_the_pairs_of_the_task(
    random_run: RandomRun, held_run: Callable[..., Run], kind: str, operation: str
) -> None:
    run = random_run(small(operation, **SHAPES[kind]))
    last = run.config.n_layers - 1
    mean = activations(run, 0).mlp_post[-1][pair_sets(run.config).exist].mean(axis=0)
    w = {name: x.copy() for name, x in run.weights(0).items()}
    w["b_out"][last] += mean[[3, 4]] @ w["W_out"][last, [3, 4]]
    w["W_out"][last, [3, 4]] = 0
    found = cut_logits(run, 0, KEYS, Ablation(neurons=Units(((last, 3), (last, 4)), mean=True)), exact=True)
    assert found == pytest.approx(logits_of(run, held_run, W_out=w["W_out"], b_out=w["b_out"]), abs=1e-11)


def test_that_all_heads_at_their_mean_leave_the_same_logits_for_every_pair(random_run: RandomRun) -> None:
    run = random_run(small())
    found = cut_logits(run, 0, KEYS, Ablation(heads=Units(((0, 0), (0, 1)), mean=True)), exact=True)
    assert np.ptp(found, axis=0).max() < 1e-11
    one = cut_logits(run, 0, KEYS, Ablation(heads=Units(((0, 0),), mean=True)), exact=True)
    assert np.ptp(one, axis=0).max() > 0.1


def test_that_the_skips_are_what_goes_around(random_run: RandomRun) -> None:
    run = random_run(small())
    w = run.weights(0)
    whole = activations(run, 0)
    from_neurons = (whole.mlp_post[0] @ w["W_out"][0] + w["b_out"][0]) @ w["W_U"][:, :7]
    beside = whole.logits - from_neurons
    for mean in (False, True):
        found = cut_logits(run, 0, KEYS, Ablation(skips=Units(((0, MLP),), mean=mean)), exact=True)
        assert found == pytest.approx(from_neurons + mean * beside.mean(axis=0), abs=1e-11)
    start = Ablation(skips=Units(((0, ATTENTION),), mean=True))
    assert cut_logits(run, 0, KEYS, start, exact=True) == pytest.approx(whole.logits, abs=1e-11)  # it never varies
    apart = cut_logits(run, 0, KEYS, Ablation(skips=Units(((0, ATTENTION),))), exact=True) - whole.logits
    assert np.abs(apart).max() > 0.1


# -- frequencies -----------------------------------------------------------------------------------------------


def waves_of(n: int, k: int, of: NDArray[Any]) -> list[Floats]:
    """Cosine and sine of w_k x; one of them alone where k = n / 2."""
    angle = 2 * np.pi * k * of / n
    return [np.cos(angle)] if 2 * k == n else [np.cos(angle), np.sin(angle)]


def fitted(values: Floats, waves: list[Floats]) -> Floats:
    """Least squares.  values : (m, d)"""
    x = np.stack(waves, axis=1)
    return np.asarray(x @ np.linalg.lstsq(x, values, rcond=None)[0])


def eight(n: int, of: tuple[int, ...]) -> list[Floats]:
    """Waves of i, of j, and their products."""
    i, j = np.divmod(np.arange(n * n), n)
    made = []
    for k in of:
        first, second = waves_of(n, k, i), waves_of(n, k, j)
        made += [*first, *second, *(x * y for x in first for y in second)]
    return made


@pytest.mark.parametrize(("operation", "p"), TASKS)
def test_that_frequencies_at_the_logits_are_fits_of_waves(random_run: RandomRun, operation: str, p: int) -> None:
    run = random_run(small(operation, p))
    x = characters(run.config)
    whole = activations(run, 0).logits
    own = whole[x.rows]
    part = {SUM: [w for k in KEYS for w in waves_of(x.n, k, x.sums.reshape(-1))], BLOCK: eight(x.n, KEYS)}
    off = np.setdiff1d(np.arange(p * p), x.rows)
    for what, waves in part.items():
        slow = fitted(own - own.mean(axis=0), waves)
        for keep, mean, expected in (
            (False, True, own - slow), (False, False, own - slow),
            (True, True, slow + own.mean(axis=0)), (True, False, slow),
        ):  # fmt: skip
            found = cut_logits(run, 0, (), at_logits(*KEYS, keep=keep, mean=mean, what=what), exact=True)
            assert found[x.rows] == pytest.approx(expected, abs=1e-11), (what, keep, mean)
            assert np.array_equal(found[off], whole[off])


@pytest.mark.parametrize(("operation", "p"), TASKS)
def test_that_polynomials_are_fits_of_degree_two_in_the_neurons_own_waves(
    random_run: RandomRun, operation: str, p: int
) -> None:
    run = random_run(small(operation, p))
    x, w, waves = characters(run.config), run.weights(0), layer_waves(run, 0)
    post = activations(run, 0).mlp_post[0]
    made = post.copy()
    for neuron, k in enumerate(waves.frequency.tolist()):
        if k:
            made[x.rows, neuron] = fitted(post[x.rows, neuron : neuron + 1], [np.ones(x.n**2), *eight(x.n, (k,))])[:, 0]
    found = cut_logits(run, 0, (), Ablation(polynomials=EVERY), exact=True)
    expected = activations(run, 0).logits + (made - post) @ w["W_out"][0] @ w["W_U"][:, :p]
    assert found == pytest.approx(expected, abs=1e-11)
    clear = waves.fve >= 0.85
    made[:, ~clear] = post[:, ~clear]
    expected = activations(run, 0).logits + (made - post) @ w["W_out"][0] @ w["W_U"][:, :p]
    assert cut_logits(run, 0, (), Ablation(polynomials=CLEAR), exact=True) == pytest.approx(expected, abs=1e-11)


def test_that_carriers_are_the_neurons_of_a_frequency(clock_run: Callable[..., Run]) -> None:
    run = clock_run("add", 11, {2: 3.0, 4: 2.0})  # neurons 0 … 7 carry 2, 8 … 15 carry 4
    first = tuple((0, i) for i in range(8))
    for keep, mean in ((False, True), (False, False), (True, True), (True, False)):
        found = cut_logits(run, 0, (), at_neurons(2, keep=keep, mean=mean, what=CARRIERS), exact=True)
        by_hand = Ablation(neurons=Units(first, keep=keep, mean=mean))
        assert found == pytest.approx(cut_logits(run, 0, (), by_hand, exact=True), abs=1e-12)
    nobody = cut_logits(run, 0, (), at_neurons(3, what=CARRIERS), exact=True)
    assert nobody == pytest.approx(activations(run, 0).logits, abs=1e-12)


def test_that_a_projection_leaves_what_W_L_reads_at_the_keys_and_its_null_space_nothing_of_it(
    random_run: RandomRun,
) -> None:
    run = random_run(small(p=11))
    read = neuron_logit_map(run, 0, KEYS).direction
    w = run.weights(0)
    span = directions(w["W_out"][0] @ w["W_U"][:, :11], characters(run.config), KEYS)
    assert span @ span.T == pytest.approx(np.eye(4), abs=1e-12)
    assert read @ span.T @ span == pytest.approx(read, abs=1e-11)
    basis = fourier_basis(11)[[1, 2, 5, 6]]  # of the outputs

    def at_keys(ablation: Ablation) -> Floats:
        skip = Ablation(skips=Units(((0, MLP),)))
        cuts = replace(ablation, skips=skip.skips)
        constant = w["b_out"][0] @ w["W_U"][:, :11]
        return np.asarray((cut_logits(run, 0, KEYS, cuts, exact=True) - constant) @ basis.T)

    assert at_keys(Ablation(projection=ONTO)) == pytest.approx(at_keys(WHOLE), abs=1e-11)
    assert np.abs(at_keys(Ablation(projection=NULL))).max() < 1e-11
    assert np.abs(at_keys(WHOLE)).max() > 0.1


# -- the order -------------------------------------------------------------------------------------------------


def test_that_the_two_solutions_come_last(random_run: RandomRun) -> None:
    run = random_run(small(p=11))
    both = ablated_logits(run, 0, (2, 3), replace(at_logits(2), generalising=1.0, memorising=0.0), exact=True)
    assert both == pytest.approx(ablated_logits(run, 0, (3,), Ablation(1, 0), exact=True), abs=1e-11)
    left = cut_logits(run, 0, (), at_neurons(1, what=BLOCK), exact=True)
    mix = ablated_logits(run, 0, (2,), replace(at_neurons(1, what=BLOCK), memorising=0.25), exact=True)
    x = characters(run.config)
    part = fitted(left - left.mean(axis=0), waves_of(11, 2, x.sums.reshape(-1)))
    assert mix == pytest.approx(left.mean(axis=0) + part + 0.25 * (left - left.mean(axis=0) - part), abs=1e-11)


def test_that_only_the_keys_at_the_logits_is_restricted_and_without_them_is_excluded(random_run: RandomRun) -> None:
    run = random_run(small(p=11))
    table = sum_table(activations(run, 0).logits, characters(run.config))
    only = answer_map(run, 0, (), at_logits(2, 4, keep=True), exact=True).scores
    kept = restricted(run.config, table, (2, 4))
    for name in ("every", "train", "test"):
        found, expected = getattr(only, name), getattr(kept, name)
        assert (found.loss, found.accuracy) == (pytest.approx(expected.loss, rel=1e-12), expected.accuracy)
    without = ablated_logits(run, 0, (), at_logits(2, 4), exact=True)
    assert without == pytest.approx(ablated_logits(run, 0, (2, 4), Ablation(0, 1), exact=True), abs=1e-11)


def test_that_each_step_acts_on_what_arrives(random_run: RandomRun) -> None:
    """A neuron without its polynomial's frequency is its constant; a frequency dropped twice is dropped once."""
    run = random_run(small(p=11))
    waves = layer_waves(run, 0)
    every = tuple(np.unique(waves.frequency).tolist())
    nothing = Ablation(polynomials=EVERY, neuron_frequencies=Frequencies(every, what=BLOCK))
    constant = Ablation(neurons=Units(tuple((0, i) for i in range(12)), mean=True))
    found, expected = (cut_logits(run, 0, (), cuts, exact=True) for cuts in (nothing, constant))
    alive = waves.frequency > 0
    assert alive.any()
    assert found == pytest.approx(expected, abs=1e-11)
    once = cut_logits(run, 0, (), at_logits(2), exact=True)
    no_neuron = replace(at_logits(2), neurons=Units(FEW.of))
    apart = cut_logits(run, 0, (), no_neuron, exact=True) - cut_logits(run, 0, (), Ablation(neurons=FEW), exact=True)
    assert np.abs(apart).max() > 1e-3
    assert np.abs(once - activations(run, 0).logits).max() > 1e-3


@pytest.mark.parametrize(("operation", "p"), [("multiply", 7), ("divide", 7), ("multiply", 9)])
def test_that_frequencies_of_units_leave_the_other_pairs_alone(random_run: RandomRun, operation: str, p: int) -> None:
    run = random_run(small(operation, p))
    off = ~cycle_mask(run.config).reshape(-1)  # type: ignore[union-attr]
    whole = activations(run, 0).logits
    for cuts in (Ablation(polynomials=EVERY), at_neurons(1, what=BLOCK), at_logits(1, keep=True)):
        found = cut_logits(run, 0, (), cuts, exact=True)
        assert found[off] == pytest.approx(whole[off], abs=1e-12)
        assert np.abs(found[~off] - whole[~off]).max() > 1e-3
        assert answer_map(run, 0, (), cuts, True).scores.every.count == (~off).sum()  # type: ignore[union-attr]
    heads = Ablation(heads=Units(((0, 0),)))
    every = answer_map(run, 0, (), heads, True).scores.every
    assert every is not None
    assert every.count == len(pair_sets(run.config).exist)


def test_that_frequencies_of_a_task_without_any_are_refused_or_left_out(random_run: RandomRun) -> None:
    run = random_run(small("x2xyy2"))
    with pytest.raises(NoBasis):
        cut_logits(run, 0, (), at_logits(1))
    assert np.array_equal(ablated_logits(run, 0, (), at_logits(1), True), activations(run, 0).logits)
    cuts = Ablation(heads=Units(((0, 0),)))
    found = ablated_logits(run, 0, (), replace(cuts, polynomials=EVERY), exact=True)
    assert np.array_equal(found, cut_logits(run, 0, (), cuts, exact=True))


def test_that_the_last_ones_are_kept_and_cannot_be_written_to(random_run: RandomRun) -> None:
    run = random_run(small())
    found = cut_logits(run, 0, (), at_logits(1))
    assert cut_logits(run, 0, KEYS, at_logits(1)) is found  # keys are of no matter to it
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1
    assert surgery._cut.cache_info().maxsize == 4


# -- the paper's -----------------------------------------------------------------------------------------------


def test_that_every_ablation_of_the_paper_is_measured(random_run: RandomRun) -> None:
    run = random_run(small(p=11))
    found = measured_ablations(run, 0, (2, 4))
    assert [row.name for row, _ in found] == [row.name for row in published_ablations(run.config, (2, 4))]
    assert len({loss for _, loss in found}) > len(found) // 2
    for row, loss in found:
        scores = answer_map(run, 0, (2, 4), row.ablation, exact=True).scores
        assert scores.every is not None
        assert loss == scores.every.loss
    assert {row.name for row in published_ablations(run.config, ())} < {row.name for row, _ in found}


def test_that_the_authors_model_has_its_restricted_loss(authors_run: Run) -> None:
    keys = (6, 23, 39)
    found = {row.name: loss for row, loss in measured_ablations(authors_run, 0, keys)}
    assert found["the whole model"] == pytest.approx(2.888053e-03, rel=1e-6)
    assert found["logits: only the keys' waves of a + b"] == pytest.approx(0.211194896113243, rel=1e-12)
    drawn = answer_map(authors_run, 0, keys, at_logits(*keys, keep=True)).scores.every
    assert drawn is not None
    assert drawn.loss == pytest.approx(0.211194896113243, rel=1e-4)
