"""The authors' model files: what is in them arrives, what is wrong with them is said, and nothing in them runs."""

import dataclasses
import json
import math
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from engine import cli, recording
from engine.config import Config, ConfigError, preset
from engine.imports import FORMATS, import_run, read_authors
from engine.models.transformer import forward, initial_weights
from engine.runfile import Run, RunError
from engine.tasks import examples

SMALL: dict[str, Any] = {"p": 7, "d_model": 8, "n_heads": 2, "d_head": 3, "d_mlp": 5}


def config(**changes: Any) -> Config:
    return preset("paper", **{**SMALL, **changes})


def theirs(c: Config) -> dict[str, Tensor]:
    """Weights of our initialisation as the authors' code would save them, biases drawn too."""
    w = initial_weights(c)
    draw = torch.Generator().manual_seed(c.model_seed)
    state = {"embed.W_E": w["W_E"].T.contiguous(), "pos_embed.W_pos": w["W_pos"], "unembed.W_U": w["W_U"]}
    for i in range(c.n_layers):
        attention, mlp = f"blocks.{i}.attn", f"blocks.{i}.mlp"
        for name in ("W_Q", "W_K", "W_V"):
            state[f"{attention}.{name}"] = torch.stack([head.T.contiguous() for head in w[name][i]])
        state[f"{attention}.W_O"] = torch.cat([head.T for head in w["W_O"][i]], dim=1)
        state[f"{attention}.mask"] = torch.ones(3, 3).tril()
        state[f"{mlp}.W_in"], state[f"{mlp}.W_out"] = w["W_in"][i].T.contiguous(), w["W_out"][i].T.contiguous()
        state[f"{mlp}.b_in"] = torch.randn(c.d_mlp, generator=draw)
        state[f"{mlp}.b_out"] = torch.randn(c.d_model, generator=draw)
    return state


def their_logits(state: Mapping[str, Tensor], a: int, b: int, p: int, layers: int) -> Tensor:
    """The authors' forward pass of one pair, written out in their orientation.  -> (p + 1,)"""
    x = state["embed.W_E"][:, [a, b, p]].T + state["pos_embed.W_pos"]  # (position, d_model)
    for i in range(layers):
        part = {key.removeprefix(f"blocks.{i}."): value for key, value in state.items()}
        heads = []
        for W_Q, W_K, W_V in zip(*(part[f"attn.{name}"] for name in ("W_Q", "W_K", "W_V")), strict=True):
            q, k, v = (torch.einsum("hd,nd->nh", W, x) for W in (W_Q, W_K, W_V))
            scores = (q @ k.T).tril() - 1e10 * (1 - part["attn.mask"])
            heads.append((scores / math.sqrt(len(W_Q))).softmax(-1) @ v)
        x = x + torch.cat(heads, dim=1) @ part["attn.W_O"].T
        x = x + torch.relu(x @ part["mlp.W_in"].T + part["mlp.b_in"]) @ part["mlp.W_out"].T + part["mlp.b_out"]
    return x[-1] @ state["unembed.W_U"]


def save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def bring(path: Path, out: Path, settings: Mapping[str, Any] | None = None, epoch: int | None = None) -> Run:
    return import_run(path, out, settings or {}, epoch, lambda _: None)


def timeline(every: int = 10, n: int = 4) -> dict[str, Any]:
    """state_dicts at epochs 0, 10, 20, 30; 31 train losses and 16 test losses, every second epoch."""
    last = every * (n - 1)
    return {
        "state_dicts": [theirs(config(model_seed=i)) for i in range(n)],
        "epochs": [every * i for i in range(n)],
        "train_losses": [2.0 - 0.01 * i for i in range(last + 1)],
        "test_losses": [3.0 - 0.01 * i for i in range(last // 2 + 1)],
    }


# -- what is in them arrives -------------------------------------------------------------------------------


def test_that_the_authors_own_model_arrives_with_its_golden_losses(golden: Path, tmp_path: Path) -> None:
    said: list[str] = []
    source = golden / "low_precision_mod_addition.pth"
    run = import_run(source, tmp_path / "run.h5", {"data_seed": 1}, None, said.append)
    expected = json.loads((golden / "expected_low_precision.json").read_text())
    train, test = run.scalars("train_loss"), run.scalars("test_loss")
    assert train is not None
    assert test is not None
    assert train.tolist() == pytest.approx([expected["loss_train"]], rel=1e-12)
    assert test.tolist() == pytest.approx([expected["loss_test"]], rel=1e-12)
    assert run.config == preset("paper", data_seed=1, d_head=32, epochs=50_000)
    assert run.epochs.tolist() == [50_000]
    recorded = torch.load(source, weights_only=True, map_location="cpu")  # it was saved on a GPU
    curve, tests = run.train_curve(), run.test_curve()
    assert curve is not None
    assert tests is not None
    assert curve.tolist() == recorded["train_losses"]
    assert tests[0].tolist() == list(range(0, 50_000, 10))
    assert tests[1].tolist() == recorded["test_losses"]
    assert run.checksum_errors() == []
    assert any("lies within" in line for line in said)


def test_that_another_seed_is_recognised_as_not_the_models_own(golden: Path, tmp_path: Path) -> None:
    said: list[str] = []
    import_run(golden / "low_precision_mod_addition.pth", tmp_path / "run.h5", {}, None, said.append)
    assert any("lies outside" in line and "data_seed = 0" in line for line in said)


@pytest.mark.parametrize("layers", [1, 2])
def test_that_the_imported_model_computes_what_the_authors_code_computes(layers: int, tmp_path: Path) -> None:
    c = config(n_layers=layers)
    state = {name: value.double() for name, value in theirs(c).items()}
    found = read_authors(save(tmp_path / "m.pth", {"model": state}))
    weights = {name: torch.from_numpy(value).double() for name, value in found.weights[0].items()}
    pairs = torch.tensor([(a, b) for a in range(7) for b in range(7)])
    ours = forward(weights, pairs, c)
    authors = torch.stack([their_logits(state, a, b, 7, layers) for a, b in pairs.tolist()])
    assert torch.allclose(ours, authors, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_that_the_sizes_come_from_the_file_whatever_its_precision(dtype: torch.dtype, tmp_path: Path) -> None:
    state = {name: value.to(dtype) for name, value in theirs(config(n_layers=2)).items()}
    run = bring(save(tmp_path / "m.pth", {"model": state}), tmp_path / "run.h5", epoch=3)
    assert run.config == config(n_layers=2, epochs=3)
    assert np.array_equal(run.weight("W_E", 0), state["embed.W_E"].float().numpy().T)
    assert run.weight("W_O", 0).shape == (2, 2, 3, 8)


def test_that_all_checkpoints_arrive_with_their_stretch_of_the_curves(tmp_path: Path) -> None:
    content = timeline()
    said: list[str] = []
    settings = {"train_fraction": 0.5, "data_seed": 4}
    run = import_run(save(tmp_path / "m.pth", content), tmp_path / "run.h5", settings, None, said.append)
    assert run.epochs.tolist() == [0, 10, 20, 30]
    assert run.config == config(train_fraction=0.5, data_seed=4, epochs=30, test_every=2)
    for step, state in enumerate(content["state_dicts"]):
        assert np.array_equal(run.weight("W_U", step), state["unembed.W_U"].numpy())
    curve, tests = run.train_curve(), run.test_curve()
    assert curve is not None
    assert tests is not None
    assert curve.tolist() == content["train_losses"][:30]
    assert tests[0].tolist() == list(range(0, 30, 2))
    assert tests[1].tolist() == content["test_losses"][:15]
    assert run.checksum_errors() == []
    assert run.status().state == "finished"
    assert any("after the last checkpoint" in line for line in said)


def test_that_the_losses_of_a_checkpoint_are_those_of_its_weights(tmp_path: Path) -> None:
    run = bring(save(tmp_path / "m.pth", timeline()), tmp_path / "run.h5", {"operation": "subtract"})
    c = run.config
    for kind, pairs in zip(("train", "test"), examples(c.operation, c.p, c.train_fraction, c.data_seed), strict=True):
        losses, accuracies = run.scalars(f"{kind}_loss"), run.scalars(f"{kind}_accuracy")
        assert losses is not None
        assert accuracies is not None
        for step in range(run.n_checkpoints):
            w = {name: torch.from_numpy(value).double() for name, value in run.weights(step).items()}
            logits = forward(w, torch.from_numpy(pairs.pairs), c)[:, : c.p]
            labels = torch.from_numpy(pairs.labels)
            assert losses[step] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-12)
            assert accuracies[step] == pytest.approx(float((logits.argmax(-1) == labels).double().mean()))


def test_that_a_changed_byte_of_an_imported_curve_is_found(tmp_path: Path) -> None:
    content = {"model": theirs(config()), "train_losses": [1.0] * 20, "test_losses": [1.0] * 10}
    run = bring(save(tmp_path / "m.pth", content), tmp_path / "run.h5")
    run.close()
    for name in ("curves/train_loss", "curves/test_loss"):
        with h5py.File(tmp_path / "run.h5", "r+") as file:
            file[name][3] = 2.0
        assert Run.open(tmp_path / "run.h5").checksum_errors()
        with h5py.File(tmp_path / "run.h5", "r+") as file:
            file[name][3] = 1.0
        assert not Run.open(tmp_path / "run.h5").checksum_errors()


def test_that_a_modulus_that_is_not_prime_is_imported(tmp_path: Path) -> None:
    source = save(tmp_path / "m.pth", {"model": theirs(config(p=6)), "train_losses": [1.0, 1.0]})
    assert bring(source, tmp_path / "run.h5").config.p == 6
    with pytest.raises(ConfigError, match="prime"):
        bring(source, tmp_path / "other.h5", {"operation": "divide"})
    assert not (tmp_path / "other.h5").exists()


def test_that_losses_as_tensors_and_the_old_file_layout_are_read(tmp_path: Path) -> None:
    content = timeline()
    content["epochs"] = torch.tensor(content["epochs"])
    content["train_losses"] = [torch.tensor(x, dtype=torch.float64) for x in content["train_losses"]]
    content["test_losses"] = torch.tensor(content["test_losses"], dtype=torch.float64)
    torch.save(content, tmp_path / "m.pth", _use_new_zipfile_serialization=False)
    found, plain = read_authors(tmp_path / "m.pth"), timeline()
    assert found.epochs == (0, 10, 20, 30)
    assert found.train_losses is not None
    assert found.test_losses is not None
    assert found.train_losses.tolist() == plain["train_losses"]
    assert found.test_losses.tolist() == plain["test_losses"]


def test_that_the_run_file_says_where_it_comes_from(tmp_path: Path) -> None:
    run = bring(save(tmp_path / "theirs.pth", timeline()), tmp_path / "run.h5")
    assert run.segments[0]["imported_from"] == "theirs.pth"
    assert run.segments[0]["imported_format"] == FORMATS[0].name
    assert run.segments[0]["device"] == "imported"
    assert run.origin.optimizer == "unknown"


# -- recorded losses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said", "train", "test"),
    [
        ({"train_losses": [1.0] * 29}, "do not reach epoch 30", False, False),
        ({"train_losses": None}, "without train losses", False, False),
        ({"train_losses": None, "test_losses": None}, None, False, False),
        ({"test_losses": None}, None, True, False),
        ({"test_losses": [1.0] * 12}, "not evenly spaced", True, False),
        ({"train_losses": [1.0] * 30, "test_losses": [1.0] * 31}, "not evenly spaced", True, False),
        ({"test_losses": [1.0] * 15 + [math.nan]}, "not finite", True, False),
        ({"train_losses": [math.inf] * 31}, "not finite", False, False),
        ({"train_losses": [1.0] * 30, "test_losses": [1.0] * 10}, None, True, True),
    ],
)
def test_that_curves_that_do_not_fit_are_left_out_in_words(
    change: dict[str, Any], said: str | None, train: bool, test: bool, tmp_path: Path
) -> None:
    lines: list[str] = []
    source = save(tmp_path / "m.pth", {**timeline(), **change})
    run = import_run(source, tmp_path / "run.h5", {}, None, lines.append)
    left_out = [line for line in lines if line.startswith("Left out") and "after the last checkpoint" not in line]
    assert [said in line for line in left_out if said] == [True] * (said is not None)
    assert bool(left_out) == (said is not None)
    assert (run.train_curve() is not None) == train
    assert (run.test_curve() is not None) == test
    assert run.checksum_errors() == []


def test_that_a_run_that_is_trained_on_every_pair_has_no_test_curve(tmp_path: Path) -> None:
    run = bring(save(tmp_path / "m.pth", timeline()), tmp_path / "run.h5", {"train_fraction": 1.0})
    assert run.train_curve() is not None
    assert run.test_curve() is None
    assert run.scalars("test_loss") is None
    assert run.checksum_errors() == []


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(1.0, "within"), (1.49, "within"), (1 / 1.49, "within"), (1.51, "outside"), (0.66, "outside")],
)
def test_that_the_recomputed_loss_is_compared_with_the_last_twenty(factor: float, verdict: str, tmp_path: Path) -> None:
    c = config(data_seed=3)
    state = theirs(c)
    pairs = examples("add", 7, 0.3, 3)[0]
    weights = read_authors(save(tmp_path / "w.pth", {"model": state})).weights[0]
    w = {name: torch.from_numpy(value).double() for name, value in weights.items()}
    logits, labels = forward(w, torch.from_numpy(pairs.pairs), c), torch.from_numpy(pairs.labels)
    loss = float(torch.nn.functional.cross_entropy(logits, labels))  # over p + 1 logits
    said: list[str] = []
    source = save(tmp_path / "m.pth", {"model": state, "train_losses": [loss] * 5 + [loss * factor] * 20})
    import_run(source, tmp_path / "run.h5", {"data_seed": 3}, None, said.append)
    assert f"lies {verdict}" in said[-1]


def test_that_a_loss_that_nothing_was_recorded_to_compare_with_is_called_unproven(tmp_path: Path) -> None:
    said: list[str] = []
    import_run(save(tmp_path / "m.pth", {"model": theirs(config())}), tmp_path / "run.h5", {}, 0, said.append)
    assert "cannot be compared" in said[-1]


# -- epochs and settings -----------------------------------------------------------------------------------


def test_that_the_epoch_of_a_lone_model_is_the_number_of_its_losses_or_is_given(tmp_path: Path) -> None:
    with_losses = save(tmp_path / "a.pth", {"model": theirs(config()), "train_losses": [1.0] * 12})
    without = save(tmp_path / "b.pth", {"model": theirs(config())})
    assert bring(with_losses, tmp_path / "1.h5").epochs.tolist() == [12]
    assert bring(with_losses, tmp_path / "2.h5", epoch=12).epochs.tolist() == [12]
    assert bring(without, tmp_path / "3.h5", epoch=500).epochs.tolist() == [500]
    with pytest.raises(ConfigError, match="--epoch N"):
        bring(without, tmp_path / "4.h5")
    with pytest.raises(ConfigError, match=r"epoch = 13: .* epoch 12"):
        bring(with_losses, tmp_path / "4.h5", epoch=13)
    with pytest.raises(ConfigError, match="at least 0"):
        bring(without, tmp_path / "4.h5", epoch=-1)
    with pytest.raises(ConfigError, match="epochs of its own"):
        bring(save(tmp_path / "c.pth", timeline()), tmp_path / "4.h5", epoch=30)
    assert not (tmp_path / "4.h5").exists()


@pytest.mark.parametrize(
    ("name", "asked", "stored"),
    [("p", 11, 7), ("d_head", 4, 3), ("d_mlp", 512, 5), ("n_layers", 2, 1), ("epochs", 99, 30), ("test_every", 5, 2),
     ("layer_norm", True, False)],
)  # fmt: skip
def test_that_a_setting_that_contradicts_the_file_is_refused_with_both_values(
    name: str, asked: int, stored: int, tmp_path: Path
) -> None:
    source = save(tmp_path / "m.pth", timeline())
    with pytest.raises(ConfigError) as error:
        bring(source, tmp_path / "run.h5", {name: asked})
    assert f"{name} = {asked}" in str(error.value)
    assert f"{name} = {stored}" in str(error.value)
    assert not (tmp_path / "run.h5").exists()
    bring(source, tmp_path / "run.h5", {name: stored})


# -- what is wrong with them is said -----------------------------------------------------------------------


def missing(state: dict[str, Tensor]) -> None:
    del state["blocks.0.mlp.b_in"]


def unknown(state: dict[str, Tensor]) -> None:
    state["blocks.0.ln1.w\nln"] = torch.ones(8)


def not_square(state: dict[str, Tensor]) -> None:
    state["blocks.0.attn.W_O"] = torch.zeros(8, 7)


def flat(state: dict[str, Tensor]) -> None:
    state["embed.W_E"] = torch.zeros(64)


def nothing(state: dict[str, Tensor]) -> None:
    state["blocks.0.mlp.W_in"] = torch.zeros(0, 8)


def another_context(state: dict[str, Tensor]) -> None:
    state["pos_embed.W_pos"] = torch.zeros(2, 8)


def not_finite(state: dict[str, Tensor]) -> None:
    state["blocks.0.mlp.W_in"][2, 3] = math.nan


def too_large(state: dict[str, Tensor]) -> None:
    state["unembed.W_U"] = state["unembed.W_U"].double() * 1e200


def whole_numbers(state: dict[str, Tensor]) -> None:
    state["pos_embed.W_pos"] = torch.zeros(3, 8, dtype=torch.int64)


def sparse(state: dict[str, Tensor]) -> None:
    state["pos_embed.W_pos"] = state["pos_embed.W_pos"].to_sparse()


def stretched(state: dict[str, Tensor]) -> None:
    state["blocks.0.mlp.b_in"] = torch.zeros(1).expand(5)


def a_layer_left_out(state: dict[str, Tensor]) -> None:
    for key in [key for key in state if key.startswith("blocks.0.")]:
        state[key.replace("blocks.0.", "blocks.2.")] = state[key]


def no_tensor(state: dict[str, Any]) -> None:
    state["unembed.W_U"] = [[1.0]]


def one_token(state: dict[str, Tensor]) -> None:
    state["embed.W_E"], state["unembed.W_U"] = torch.zeros(8, 1), torch.zeros(8, 1)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (missing, "has no blocks.0.mlp.b_in"),
        (unknown, "a parameter that this program's model does not have"),
        (not_square, r"W_O has shape \(8, 7\), not \(8, 6\)"),
        (flat, r"embed.W_E has shape \(64,\)"),
        (nothing, r"W_in has shape \(0, 8\)"),
        (another_context, r"W_pos has shape \(2, 8\), not \(3, 8\)"),
        (not_finite, "W_in is not finite"),
        (too_large, "W_U is not finite"),
        (whole_numbers, "not a tensor of floating-point numbers"),
        (sparse, "not a tensor of floating-point numbers"),
        (stretched, "not a tensor of floating-point numbers"),
        (a_layer_left_out, "has no blocks.1."),
        (no_tensor, "not a tensor of floating-point numbers"),
        (one_token, "1 tokens"),
    ],
)
def test_that_a_spoilt_model_is_refused_in_one_line(
    spoil: Callable[[dict[str, Any]], None], said: str, tmp_path: Path
) -> None:
    content = timeline()
    spoil(content["state_dicts"][2])
    refused(save(tmp_path / "m.pth", content), tmp_path, said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "holds a list"),
        ({"weights": 1, "config": 2}, "holds a dict with weights, config"),
        ({}, "holds a dict with nothing in it"),
        ({"model": [1.0]}, "model is a list"),
        ({"state_dicts": [], "epochs": []}, "not a list of models"),
        ({"state_dicts": {"a": 1}, "epochs": []}, "not a list of models"),
        ({"state_dicts": [{}]}, "no `epochs`"),
        ({"state_dicts": [{}], "epochs": [1, 2]}, "1 `state_dicts` but 2 `epochs`"),
        ({"state_dicts": [{}, {}], "epochs": [2, 2]}, "do not ascend"),
        ({"state_dicts": [{}], "epochs": [-1]}, "whole numbers"),
        ({"state_dicts": [{}], "epochs": [True]}, "whole numbers"),
        ({"state_dicts": [{}], "epochs": "1"}, "whole numbers"),
        ({"state_dicts": [{}], "epochs": [10**400]}, "whole numbers"),
        ({"model": {}, "train_losses": ["low"]}, "`train_losses` is not a list of numbers"),
        ({"model": {}, "train_losses": {"a": 1}}, "`train_losses` is not a list of numbers"),
        ({"model": {}, "test_losses": [10**400]}, "`test_losses` is not a list of numbers"),
        ({"model": {}, "train_losses": [1.0]}, "has no embed.W_E"),
    ],
)
def test_that_a_file_of_another_content_is_refused_in_one_line(content: object, said: str, tmp_path: Path) -> None:
    refused(save(tmp_path / "m.pth", content), tmp_path, said)


def test_that_models_of_two_sizes_are_refused(tmp_path: Path) -> None:
    content = timeline()
    content["state_dicts"][3] = theirs(config(d_mlp=6))
    refused(save(tmp_path / "m.pth", content), tmp_path, "another size")


@pytest.mark.parametrize("zipped", [True, False])
def test_that_a_file_cut_anywhere_is_refused_and_leaves_nothing(zipped: bool, tmp_path: Path) -> None:
    cut = tmp_path / "m.pth"
    torch.save(timeline(), cut, _use_new_zipfile_serialization=zipped)
    whole = cut.read_bytes()
    for length in (1, 3, 4, 100, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:length])
        refused(cut, tmp_path, "cut short|not a PyTorch file")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello, this is no pickle", "not a PyTorch file"),
        (b"\x80\x02}q\x00.", "holds a dict with nothing in it|not a PyTorch file"),
        (bytes(range(256)) * 8, "not a PyTorch file"),
        (b"PK\x03\x04" + bytes(500), "cut short or damaged"),
    ],
)
def test_that_a_file_that_is_no_model_is_refused_in_one_line(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "m.pth").write_bytes(content)
    refused(tmp_path / "m.pth", tmp_path, said)


class Code:
    """Pickled, it is a command that makes a file when it is loaded."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.victim}",)


@pytest.mark.parametrize("layout", ["zip", "old", "pickle 2", "pickle 4"])
def test_that_code_in_a_file_is_not_executed(layout: str, tmp_path: Path) -> None:
    victim, source = tmp_path / "executed", tmp_path / "m.pth"
    content = {"model": {**theirs(config()), "blocks.0.attn.mask": Code(victim)}, "train_losses": [1.0]}
    if layout.startswith("pickle"):
        source.write_bytes(pickle.dumps(content, protocol=int(layout[-1])))
    else:
        torch.save(content, source, _use_new_zipfile_serialization=layout == "zip")
    refused(source, tmp_path, "Python code|not a PyTorch file")
    assert not victim.exists()
    if layout == "zip":
        torch.load(source, weights_only=False)  # the trap works: whoever trusts the file falls into it
        assert victim.exists()


def refused(source: Path, folder: Path, said: str) -> None:
    """Refused with one line by `import_run` and by the verb, and no file is left that was not there."""
    before = sorted(folder.iterdir())
    with pytest.raises(RunError, match=said) as error:
        bring(source, folder / "run.h5")
    assert len(str(error.value).splitlines()) == 1
    assert str(source) in str(error.value)
    assert sorted(folder.iterdir()) == before


def test_that_a_path_without_a_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.pth", tmp_path, "does not exist")
    refused(tmp_path, tmp_path, "is not a file")
    os.mkfifo(tmp_path / "pipe.pth")
    refused(tmp_path / "pipe.pth", tmp_path, "is not a file")


# -- the run file ------------------------------------------------------------------------------------------


def test_that_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    source = save(tmp_path / "m.pth", timeline())
    (tmp_path / "run.h5").write_text("mine")
    with pytest.raises(RunError, match="exists already"):
        bring(source, tmp_path / "run.h5")
    with pytest.raises(RunError, match="exists already"):
        bring(source, source)
    assert (tmp_path / "run.h5").read_text() == "mine"
    with pytest.raises(RunError, match="is not a folder"):
        bring(source, tmp_path / "nowhere" / "run.h5")


def test_that_an_import_that_fails_midway_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = save(tmp_path / "m.pth", timeline())
    before = sorted(tmp_path.iterdir())
    left = [1, 1]

    def fail(*arguments: Any, **more: Any) -> None:
        if not left:
            raise OSError(28, "No space left on device")
        left.pop()
        original(*arguments, **more)

    from engine import runwriter

    original = runwriter._write_rows
    monkeypatch.setattr(runwriter, "_write_rows", fail)
    with pytest.raises(RunError, match="no space left"):
        bring(source, tmp_path / "run.h5")
    assert not left
    assert sorted(tmp_path.iterdir()) == before


def test_that_an_imported_run_is_forked_with_a_fresh_optimiser_only(tmp_path: Path) -> None:
    source = save(tmp_path / "m.pth", timeline())
    path = tmp_path / "run.h5"
    bring(source, path)
    with pytest.raises(RunError, match="optimiser state"):
        recording.resume(path, epochs=60)
    with pytest.raises(RunError, match="--optimizer fresh"):
        recording.fork(Run.open(path), tmp_path / "fork.h5", None, {"epochs": 60})
    fork = recording.fork(Run.open(path), tmp_path / "fork.h5", 20, {"epochs": 40}, "fresh")
    for _ in fork.events():
        pass
    forked = Run.open(tmp_path / "fork.h5")
    assert forked.epochs.tolist()[0] == 20
    assert forked.epochs.tolist()[-1] == 40
    assert np.array_equal(forked.weight("W_E", 0), Run.open(path).weight("W_E", 2))


# -- the command -------------------------------------------------------------------------------------------


def test_that_the_command_imports_and_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = save(tmp_path / "m.pth", {"model": theirs(config())}), tmp_path / "run.h5"
    assert cli.main(["import", str(source), "--out", str(out), "--epoch", "7", "--set", "data_seed=5", "p=7"]) == 0
    assert "data_seed 5" in capsys.readouterr().err
    assert cli.main(["verify", str(out)]) == 0
    assert cli.main(["info", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["status"] == "finished"
    assert facts["epochs"] == [7]
    assert facts["config"] == json.loads(json.dumps(dataclasses.asdict(config(data_seed=5, epochs=7))))
    assert cli.main(["info", str(out)]) == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--set", "p=11", "--epoch", "1"], 2), (["--set", "epoch=four"], 2), ([], 2), (["--epoch", "-3"], 2)],
)
def test_that_a_wrong_setting_is_wrong_usage(
    arguments: list[str], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = save(tmp_path / "m.pth", {"model": theirs(config())}), tmp_path / "run.h5"
    assert cli.main(["import", str(source), "--out", str(out), *arguments]) == status
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not out.exists()


def test_that_a_bad_file_is_one_line_and_status_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.pth").write_bytes(b"nothing good")
    assert cli.main(["import", str(tmp_path / "m.pth"), "--out", str(tmp_path / "run.h5")]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert said.startswith("grokscope: ")
    assert not (tmp_path / "run.h5").exists()


def test_that_the_epoch_of_a_lone_model_can_be_set(tmp_path: Path) -> None:
    source, out = save(tmp_path / "m.pth", {"model": theirs(config())}), tmp_path / "run.h5"
    assert cli.main(["import", str(source), "--out", str(out), "--set", "epoch=4", "data_seed=2"]) == 0
    run = Run.open(out)
    assert run.epochs.tolist() == [4]
    assert run.config.data_seed == 2
