"""Gradients of every path against float64 autograd through the general model; evaluation by hand."""

import pytest
import torch

from engine.config import Config, preset
from engine.fast_step import FastStep, product
from engine.models.transformer import initial_weights
from engine.step import Batch, GeneralStep, Parameters, choose_step, cross_entropy, evaluate
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


def gradients(c: Config, path: str, dtype: torch.dtype) -> tuple[float, dict[str, torch.Tensor]]:
    data, parameters = batch(c), Parameters(c, noisy_weights(c), CPU, dtype)
    if path == "structured":
        fast = FastStep(c, parameters.weights, parameters.gradients, data.pairs, data.labels)
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
        found.append(evaluate(make(parameters), data, c.p))
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].loss == pytest.approx(found[1].loss, rel=1e-12)
    assert found[0].accuracy == found[1].accuracy


def test_that_evaluation_counts_logits_as_it_says() -> None:
    c = ODD[0]
    data, parameters = batch(c), Parameters(c, noisy_weights(c), CPU, torch.float64)
    step = GeneralStep(c, parameters, data)
    logits = step.logits(data.pairs)
    found = evaluate(step, data, c.p)
    assert found is not None
    assert found.loss_all_logits == pytest.approx(float(cross_entropy(logits, data.labels)), rel=1e-12)
    assert found.loss == pytest.approx(float(cross_entropy(logits[:, : c.p], data.labels)), rel=1e-12)
    assert found.loss < found.loss_all_logits
    assert found.accuracy == pytest.approx(float((logits[:, : c.p].argmax(1) == data.labels).double().mean()))


def test_that_an_empty_set_has_no_loss() -> None:
    c = Config(p=5, train_fraction=1, d_model=4, n_heads=1, d_mlp=4)
    test = Batch(examples(c.operation, c.p, c.train_fraction, c.data_seed)[1], CPU)
    step = GeneralStep(c, Parameters(c, initial_weights(c), CPU, torch.float32), batch(c))
    assert evaluate(step, test, c.p) is None


@pytest.mark.parametrize("relu", [False, True])
def test_that_the_product_keeps_float32(relu: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    x, w = torch.randn(300, 113, generator=draw), torch.randn(77, 113, generator=draw)
    bias = torch.randn(77, generator=draw)
    exact = x.double() @ w.double().T + bias
    exact = exact.relu() if relu else exact
    assert (product(x, w, bias, relu=relu) - exact).norm() < 1e-6 * exact.norm()
    plus = torch.randn(300, 77, generator=draw)
    assert (product(x, w, plus=plus) - (x.double() @ w.double().T + plus)).norm() < 1e-6 * exact.norm()
