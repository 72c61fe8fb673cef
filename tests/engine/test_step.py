"""Gradients of every path against float64 autograd through the general model; evaluation by hand."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from engine import kernels, structured
from engine.bench import gradient_errors
from engine.config import Config, preset
from engine.fast_step import FastStep
from engine.models.transformer import forward, initial_weights
from engine.step import Batch, GeneralStep, Parameters, choose_step, cross_entropy, evaluate
from engine.structured import product_is_exact
from engine.tasks import examples

CPU = torch.device("cpu")

ODD = [
    Config(p=7, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=16),
    Config(p=12, train_fraction=0.03, d_model=9, n_heads=1, d_mlp=7),
    Config(p=13, train_fraction=0.99, d_model=17, n_heads=3, d_head=5, d_mlp=31, operation="subtract"),
    Config(p=2, train_fraction=1.0, d_model=5, n_heads=5, d_mlp=1, operation="multiply"),
    Config(p=31, train_fraction=0.4, d_model=24, n_heads=4, d_head=3, d_mlp=50, operation="divide"),
    Config(p=15, train_fraction=0.6, d_model=16, n_heads=4, d_mlp=33, operation="x2xyy2", model_seed=3),
]


def batch(c: Config) -> Batch:
    return Batch(examples(c.operation, c.p, c.train_fraction, c.data_seed)[0], CPU)


def noisy_weights(c: Config) -> dict[str, torch.Tensor]:
    """Initial weights with biases that matter."""
    draw = torch.Generator().manual_seed(1)
    return {n: w + 0.1 * torch.randn(w.shape, generator=draw) for n, w in initial_weights(c).items()}


def gradients(c: Config, path: str, dtype: torch.dtype, threads: int = 1) -> tuple[float, dict[str, torch.Tensor]]:
    data, parameters = batch(c), Parameters(c, noisy_weights(c), CPU, dtype)
    if path == "structured":
        fast = FastStep(c, parameters.weights, parameters.gradients, data.pairs, data.labels, threads)
        fast()  # twice: nothing of the first may linger
        return float(fast()), parameters.gradients
    general = GeneralStep(c, parameters, data)
    general()
    return float(general()), parameters.gradients


@pytest.mark.parametrize("c", ODD, ids=lambda c: f"p{c.p}-{c.operation}")
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_that_the_structured_gradient_is_the_models(c: Config, dtype: torch.dtype, limit: float) -> None:
    loss, exact = gradients(c, "general", torch.float64)
    fast_loss, fast = gradients(c, "structured", dtype)
    assert fast_loss == pytest.approx(loss, rel=limit)
    for name, g in exact.items():
        assert (fast[name] - g).norm() <= limit * g.norm() + 1e-12, name


def test_that_the_structured_gradient_holds_at_the_papers_size() -> None:
    c = preset("paper")
    _, exact = gradients(c, "general", torch.float64)
    _, fast = gradients(c, "structured", torch.float32)
    for name, g in exact.items():
        assert (fast[name] - g).norm() <= 1e-5 * g.norm(), name


@pytest.mark.parametrize(
    ("changes", "path"),
    [({}, "structured"), ({"n_layers": 2}, "general"), ({"layer_norm": True}, "general"),
     ({"activation": "gelu"}, "general"), ({"operation": "random"}, "structured")],
)  # fmt: skip
def test_that_the_path_is_chosen_by_the_model(changes: dict[str, object], path: str) -> None:
    c = Config(**{"p": 7, "d_model": 8, "n_heads": 2, "d_mlp": 8, **changes})
    parameters = Parameters(c, initial_weights(c), CPU, torch.float32)
    assert choose_step(c, parameters, batch(c)).path == path


@pytest.mark.parametrize("c", ODD, ids=lambda c: f"p{c.p}-{c.operation}")
def test_that_both_paths_evaluate_alike(c: Config) -> None:
    data = batch(c)
    found = []
    for make in (
        lambda q: FastStep(c, q.weights, q.gradients, data.pairs, data.labels),
        lambda q: GeneralStep(c, q, data),
    ):
        parameters = Parameters(c, noisy_weights(c), CPU, torch.float64)
        found.append(evaluate(make(parameters), data))
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].loss == pytest.approx(found[1].loss, rel=1e-12)
    assert found[0].accuracy == found[1].accuracy


def test_that_evaluation_counts_logits_as_it_says() -> None:
    c = ODD[0]
    data, parameters = batch(c), Parameters(c, noisy_weights(c), CPU, torch.float64)
    step = GeneralStep(c, parameters, data)
    logits = forward(parameters.weights, data.pairs, c).detach()
    found = evaluate(step, data)
    assert found is not None
    assert found.loss_all_logits == pytest.approx(float(cross_entropy(logits, data.labels)), rel=1e-12)
    assert found.loss == pytest.approx(float(cross_entropy(logits[:, : c.p], data.labels)), rel=1e-12)
    assert found.loss < found.loss_all_logits
    assert found.accuracy == pytest.approx(float((logits[:, : c.p].argmax(1) == data.labels).double().mean()))


def test_that_an_empty_set_has_no_loss() -> None:
    c = Config(p=5, train_fraction=1, d_model=4, n_heads=1, d_mlp=4)
    test = Batch(examples(c.operation, c.p, c.train_fraction, c.data_seed)[1], CPU)
    step = GeneralStep(c, Parameters(c, initial_weights(c), CPU, torch.float32), batch(c))
    assert evaluate(step, test) is None


def random_config(seed: int) -> Config:
    """Sizes that are a multiple of nothing, fractions near both ends."""
    draw = random.Random(seed)
    return Config(
        p=draw.choice([2, 3, 5, 8, 16, 23, 32, 47, 60]),
        train_fraction=draw.choice([0.26, 0.3, 0.5, 0.97, 1.0]),
        operation=draw.choice(["add", "subtract", "multiply", "x2xyy2", "random"]),
        n_heads=draw.choice([1, 2, 3, 7]),
        d_head=draw.choice([1, 3, 8, 33]),
        d_model=draw.choice([1, 6, 31, 32, 65]),
        d_mlp=draw.choice([1, 5, 32, 70, 129]),
        data_seed=seed,
        model_seed=seed,
    )


@pytest.mark.parametrize("seed", range(24))
def test_that_any_size_has_the_models_gradient(seed: int) -> None:
    c = random_config(seed)
    loss, exact = gradients(c, "general", torch.float64)
    for dtype, limit in ((torch.float64, 1e-10), (torch.float32, 2e-5)):
        fast_loss, fast = gradients(c, "structured", dtype, threads=1 + seed % 3)
        assert fast_loss == pytest.approx(loss, rel=limit)
        for name, g in exact.items():
            assert (fast[name] - g).norm() <= limit * g.norm() + 1e-9, (name, c)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_that_any_number_of_lanes_has_the_models_gradient(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structured, "WORTH", 1)
    monkeypatch.setattr(structured, "BLOCK", 50)
    c = Config(p=23, train_fraction=0.7, d_model=24, n_heads=3, d_head=7, d_mlp=70)
    _, exact = gradients(c, "general", torch.float64)
    _, fast = gradients(c, "structured", torch.float64, threads)
    for name, g in exact.items():
        assert (fast[name] - g).norm() <= 1e-10 * g.norm(), name


def test_that_a_step_repeats_itself_bit_for_bit() -> None:
    c = preset("quick")
    first, second = (gradients(c, "structured", torch.float32, 2)[1] for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_that_attention_far_below_the_largest_score_is_attention_still() -> None:
    c = ODD[0]
    data, found = batch(c), []
    for make in (FastStep, None):
        parameters = Parameters(c, noisy_weights(c), CPU, torch.float64)
        parameters.weights["W_Q"].mul_(2e3)  # scores spread over hundreds: their exponentials underflow
        parameters.weights["W_K"].mul_(2e3)
        w, g = parameters.weights, parameters.gradients
        step = FastStep(c, w, g, data.pairs, data.labels) if make else GeneralStep(c, parameters, data)
        found.append((float(step()), parameters.gradients))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-9)
    for name, g in found[1][1].items():
        assert (found[0][1][name] - g).norm() <= 1e-8 * g.norm() + 1e-12, name


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_that_a_weight_that_is_no_number_reaches_the_loss(value: float) -> None:
    c, parameter = ODD[0], "W_in"
    data, parameters = batch(c), Parameters(c, noisy_weights(c), CPU, torch.float32)
    parameters.weights[parameter].view(-1)[0] = value
    step = FastStep(c, parameters.weights, parameters.gradients, data.pairs, data.labels)
    assert not torch.isfinite(step())


def test_that_of_equal_answers_the_first_counts() -> None:
    c = ODD[0]
    data, parameters = batch(c), Parameters(c, noisy_weights(c), CPU, torch.float32)
    for weight in parameters.weights.values():
        weight.zero_()
    found = evaluate(FastStep(c, parameters.weights, parameters.gradients, data.pairs, data.labels), data)
    assert found is not None
    assert found.accuracy == pytest.approx(float((data.labels == 0).double().mean()))


def test_that_an_imprecise_product_takes_the_plain_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert product_is_exact(np.dtype(np.float32))
    assert product_is_exact(np.dtype(np.float64))
    monkeypatch.setattr(structured, "product_is_exact", lambda dtype: False)
    c = ODD[0]
    assert choose_step(c, Parameters(c, initial_weights(c), CPU, torch.float32), batch(c)).path == "general"


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("rows", "columns", "depth"), [(1, 1, 1), (8, 32, 256), (13, 70, 300), (7, 33, 513)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_that_multiply_multiplies(rows: int, columns: int, depth: int, transposed: bool, dtype: type) -> None:
    draw = np.random.default_rng(0)
    a, b = draw.standard_normal((rows, depth)).astype(dtype), draw.standard_normal((depth, columns)).astype(dtype)
    width = columns + -columns % kernels.PAD
    out = np.ones((rows, width), dtype)
    x, y = (np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)) if transposed else (a, b)
    x_strides, y_strides = ((1, rows), (1, depth)) if transposed else ((depth, 1), (columns, 1))
    kernels.multiply(
        rows, columns, depth, x.reshape(-1), 0, *x_strides, y.reshape(-1), 0, *y_strides,
        out.reshape(-1), 0, width, True, np.zeros(kernels.PACK, dtype),
    )  # fmt: skip
    exact = 1 + a.astype(float) @ b.astype(float)
    assert np.linalg.norm(out[:, :columns] - exact) <= 10 * np.finfo(dtype).eps * np.linalg.norm(exact) * depth**0.5


def theirs(state: Mapping[str, Any], prefix: str = "") -> dict[str, torch.Tensor]:
    """The authors' weights in our orientation."""
    found = {name: torch.as_tensor(state[prefix + name]).float().cpu() for name in (
        "embed.W_E", "pos_embed.W_pos", "unembed.W_U", *(f"blocks.0.attn.W_{x}" for x in "QKVO"),
        "blocks.0.mlp.W_in", "blocks.0.mlp.b_in", "blocks.0.mlp.W_out", "blocks.0.mlp.b_out",
    )}  # fmt: skip
    block = {name.rpartition(".")[2]: w for name, w in found.items()}
    return {
        "W_E": block["W_E"].T.contiguous(), "W_pos": block["W_pos"], "W_U": block["W_U"],
        **{name: block[name].transpose(1, 2)[None].contiguous() for name in ("W_Q", "W_K", "W_V")},
        "W_O": block["W_O"].T.reshape(1, 4, 32, 128).contiguous(),
        "W_in": block["W_in"].T[None].contiguous(), "W_out": block["W_out"].T[None].contiguous(),
        "b_in": block["b_in"][None], "b_out": block["b_out"][None],
    }  # fmt: skip


GRADIENT_LIMIT = 2.0  # times plain float32's own error


@pytest.mark.parametrize("weights", ["initial", "epoch 300", "grokked"])
def test_that_float32_errs_no_more_than_plain_float32(weights: str, request: pytest.FixtureRequest) -> None:
    c = preset("paper")
    w = initial_weights(c)
    if weights == "epoch 300":
        golden = request.getfixturevalue("golden")
        w = theirs(np.load(golden / "golden_mainline_300.npz"), "final.")
    if weights == "grokked":
        golden = request.getfixturevalue("golden")
        c = preset("paper", data_seed=1)
        w = theirs(
            torch.load(golden / "low_precision_mod_addition.pth", weights_only=True, map_location="cpu")["model"]
        )
    ours, plain = (gradient_errors(c, w, path) for path in ("structured", "general"))
    for name, error in ours.items():
        assert error <= max(1e-5 if weights == "initial" else 0.0, GRADIENT_LIMIT * plain[name]), (name, error, plain)
