"""Grafts against weights put together by hand, and the two models they come from at their ends."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.analysis.graft import NORMS, grafted, grafting, groups, memorised
from engine.analysis.pairs import pair_answers, pair_masks
from engine.config import Config
from engine.models.transformer import forward, shapes
from engine.recording import start
from engine.replay import activations, of_weights
from engine.runfile import Run

KINDS = {
    "one layer": {}, "two layers": {"n_layers": 2}, "layer norm": {"layer_norm": True, "activation": "gelu"},
    "a / b": {"operation": "divide"}, "no test pairs": {"train_fraction": 1.0},
}  # fmt: skip


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    folder, made = tmp_path_factory.mktemp("graft"), dict[str, Run]()

    def make(kind: str) -> Run:
        if kind not in made:
            settings = {"p": 7, "train_fraction": 0.6, "d_model": 8, "n_heads": 2, "d_mlp": 12, "lr": 1e-2}
            config = Config(
                epochs=150, checkpoint_every=50, dense_every=0, transition_every=0, **(settings | KINDS[kind])
            )  # type: ignore[arg-type]
            path = Path(folder) / f"{kind.replace(' / ', '')}.h5"
            for _ in start(config, path).events():
                pass
            made[kind] = Run.open(path, probe=False)
        return made[kind]

    return make


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("exact", [False, True])
def test_that_a_graft_is_the_model_of_the_weights_put_together(
    kind: str, exact: bool, run_of: Callable[[str], Run]
) -> None:
    run = run_of(kind)
    config, p = run.config, run.config.p
    masks = pair_masks(config)
    for names in (("W_E",), ("W_in", "b_in"), groups(config)["attention"]):
        w = {
            name: torch.from_numpy(run.weight(name, 1 if name in names else 3)).double() for name in shapes(config)
        }  # fmt: skip
        logits = forward(w, torch.cartesian_prod(torch.arange(p), torch.arange(p)), config)[:, :p].numpy()
        loss = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(p * p), np.maximum(masks.label.reshape(-1), 0)]
        right = (logits.argmax(axis=1) == masks.label.reshape(-1)).reshape(p, p)
        found = grafted(run, 1, 3, names, exact)
        assert (found.x, found.y, found.names) == (50, 150, tuple(n for n in shapes(config) if n in names))
        there = masks.exists
        assert np.allclose(found.loss[there], loss.reshape(p, p)[there], rtol=1e-5, atol=1e-5)
        assert np.isnan(found.loss[~there]).all()
        assert np.array_equal(found.right, right & there)
        for split in ("train", "test"):
            mask, score = getattr(masks, split), getattr(found.scores, split)
            if not mask.any():
                assert score.loss is None
                continue
            assert score.loss == pytest.approx(loss.reshape(p, p)[mask].mean(), rel=1e-9 if exact else 1e-4)
            assert score.accuracy == pytest.approx(right[mask].mean())


def test_that_a_graft_of_nothing_is_y_and_of_everything_x(run_of: Callable[[str], Run]) -> None:
    run = run_of("one layer")
    every = tuple(shapes(run.config))
    for names, step in (((), 3), (every, 0)):
        found, truth = grafted(run, 0, 3, names, exact=True), pair_answers(run, step)
        assert np.array_equal(found.right, truth.right)
        assert np.allclose(found.loss, truth.loss, rtol=1e-6)
    assert grafted(run, 0, 3, every[:4]).names == every[:4]
    assert grafted(run, 0, 3, set(every[:4])).names == every[:4]


def test_that_swapping_the_sides_takes_the_other_parameters(run_of: Callable[[str], Run]) -> None:
    run = run_of("one layer")
    rest = tuple(name for name in shapes(run.config) if name not in ("W_E", "W_U"))
    one, other = grafted(run, 1, 3, ("W_E", "W_U"), exact=True), grafted(run, 3, 1, rest, exact=True)
    assert np.array_equal(one.loss, other.loss)


def test_that_a_graft_stands_beside_the_models_it_comes_from(run_of: Callable[[str], Run]) -> None:
    run = run_of("one layer")
    found = grafting(run, 1, 3, ("W_E",), exact=True)
    for scores, step in ((found.x, 1), (found.y, 3)):
        truth, masks = pair_answers(run, step), pair_masks(run.config)
        assert scores.test is not None
        assert scores.test.loss == pytest.approx(truth.loss[masks.test].mean())
        assert scores.test.accuracy == pytest.approx(truth.right[masks.test].mean())
    assert np.array_equal(found.graft.loss, grafted(run, 1, 3, ("W_E",), exact=True).loss)


def test_that_groups_hold_every_parameter_once(run_of: Callable[[str], Run]) -> None:
    for kind in KINDS:
        config = run_of(kind).config
        found = groups(config)
        assert sorted(name for names in found.values() for name in names) == sorted(shapes(config))
        assert (NORMS in found) == config.layer_norm


def test_that_an_unknown_parameter_is_named(run_of: Callable[[str], Run]) -> None:
    with pytest.raises(ValueError, match="W_X: must be one of W_E, W_pos"):
        grafted(run_of("one layer"), 0, 1, ("W_E", "W_X"))


def test_that_the_memorised_checkpoint_is_the_first_that_knows_its_training_pairs(
    run_of: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of("one layer")
    for accuracy, n, expected in (
        ([0.1, 0.99, 0.5, 1.0], 4, 1), ([0.1, 0.2, 0.5, 1.0], 4, 3), ([0.1, 0.2, 0.5, 1.0], 3, 0), (None, 4, 0),
    ):  # fmt: skip
        held = None if accuracy is None else np.array(accuracy)
        monkeypatch.setattr(run, "scalars", lambda name, held=held: held)
        assert memorised(run, n) == expected


def test_that_weights_of_a_checkpoint_give_its_activations(run_of: Callable[[str], Run]) -> None:
    for kind in ("one layer", "two layers"):
        run = run_of(kind)
        for exact in (True, False):
            found, truth = of_weights(run.config, run.weights(2), exact), activations(run, 2, exact)
            for name in ("logits", "mlp_post", "pattern"):
                assert np.array_equal(getattr(found, name), getattr(truth, name))
                assert getattr(found, name).dtype == (np.float64 if exact else np.float32)
