"""One full-batch gradient: the general path, the choice between paths, and the evaluation of examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.config import Config
from engine.later import torch
from engine.models.transformer import Weights, forward, shapes
from engine.tasks import Examples

if TYPE_CHECKING:
    from torch import Tensor

    from engine.fast_step import FastStep

EVALUATION_ROWS = 16_384  # pairs in one forward pass when nothing has to be differentiated


class Batch:
    """Examples as tensors on the training device.  pairs : (n, 2)   labels : (n,)"""

    def __init__(self, examples: Examples, device: torch.device) -> None:
        self.pairs = torch.from_numpy(examples.pairs).to(device)
        self.labels = torch.from_numpy(examples.labels).to(device)


class Step(Protocol):
    """A way to compute the training loss and its gradient."""

    path: str
    kernels: str  # what compiled them, for which processor: another one rounds differently

    def __call__(self) -> Tensor:
        """Mean cross-entropy over p + 1 logits (float64 scalar); fills `parameters.gradient`."""
        ...

    def sums(self, pairs: Tensor, labels: Tensor) -> Tensor:
        """Sums over examples: cross-entropy over p logits, right answers, cross-entropy over p + 1.

        pairs (n, 2), labels (n,) -> (3,) float64
        """
        ...


class Parameters:
    """All weights in one flat buffer, and their gradients in another.

    weights, gradients : views by parameter name, shaped as `shapes(config)`
    flat, gradient     : (n_parameters,)
    """

    def __init__(self, config: Config, values: Weights, device: torch.device, dtype: torch.dtype) -> None:
        sizes = shapes(config)
        self.flat = torch.cat([values[name].reshape(-1).to(device, dtype) for name in sizes])
        self.gradient = torch.zeros_like(self.flat)
        self.weights = self.named(self.flat, sizes)
        self.gradients = self.named(self.gradient, sizes)

    @staticmethod
    def named(flat: Tensor, sizes: dict[str, tuple[int, ...]]) -> Weights:
        """Views of a flat buffer by parameter name."""
        lengths = [torch.Size(shape).numel() for shape in sizes.values()]
        parts: Sequence[Tensor] = torch.split(flat, lengths)
        return {name: part.view(sizes[name]) for name, part in zip(sizes, parts, strict=True)}


class GeneralStep:
    """Any model, any device: autograd through `forward`."""

    path = "general"
    kernels = "PyTorch"

    def __init__(self, config: Config, parameters: Parameters, train: Batch) -> None:
        self._config, self._train, self._parameters = config, train, parameters
        for name, weight in parameters.weights.items():
            weight.requires_grad_(True)
            weight.grad = parameters.gradients[name]

    def __call__(self) -> Tensor:
        self._parameters.gradient.zero_()
        logits = forward(self._parameters.weights, self._train.pairs, self._config)
        loss = cross_entropy(logits, self._train.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def sums(self, pairs: Tensor, labels: Tensor) -> Tensor:
        """As in `Step`."""
        sums = torch.zeros(3, dtype=torch.float64, device=labels.device)
        with torch.no_grad():
            for start in range(0, len(labels), EVALUATION_ROWS):
                rows = slice(start, start + EVALUATION_ROWS)
                logits = forward(self._parameters.weights, pairs[rows], self._config)
                sums += _sums(logits, labels[rows], self._config.p)
        return sums


def _sums(logits: Tensor, right: Tensor, p: int) -> Tensor:
    """As in `Step`.  logits (n, p + 1), right (n,) -> (3,) float64"""
    top = logits.amax(-1, keepdim=True)
    exps = (logits - top).double().exp_()
    residues = exps[:, :p].sum(-1)
    correct = (logits.gather(-1, right[:, None]) - top).double()[:, 0]
    answered = logits[:, :p].argmax(-1) == right
    return torch.stack([
        (residues.log() - correct).sum(), answered.double().sum(),
        ((residues + exps[:, p]).log() - correct).sum(),
    ])  # fmt: skip


def choose_step(config: Config, parameters: Parameters, train: Batch, threads: int = 1) -> Step:
    """The fastest exact path for this model on this device. The only place where it is chosen."""
    return structured_step(config, parameters, train, threads) or GeneralStep(config, parameters, train)


def structured_step(config: Config, parameters: Parameters, train: Batch, threads: int = 1) -> FastStep | None:
    """The structured step where it fits the model and is exact on this machine."""
    if parameters.flat.device.type != "cpu":
        return None
    from engine.fast_step import FastStep, fits

    if not fits(config, parameters.flat[:0].numpy().dtype):
        return None
    return FastStep(config, parameters.weights, parameters.gradients, train.pairs, train.labels, threads)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy with the log-softmax in float64: in float32 it moves in steps of 1.2e-7 (paper, sec. 3)."""
    chosen = logits.double().log_softmax(-1).gather(-1, labels[:, None])
    return -chosen.mean()


@dataclass(frozen=True)
class Evaluation:
    """How the model does on some examples.

    loss, accuracy : over the p residues' logits, as every analysis
    loss_all_logits : over p + 1 logits, as the training loss
    """

    loss: float
    accuracy: float
    loss_all_logits: float


def evaluate(step: Step, batch: Batch) -> Evaluation | None:
    """Loss and accuracy; None where there are no examples."""
    if len(batch.labels) == 0:
        return None
    loss, accuracy, loss_all_logits = (step.sums(batch.pairs, batch.labels) / len(batch.labels)).tolist()
    return Evaluation(loss, accuracy, loss_all_logits)
