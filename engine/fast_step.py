"""The structured pass as a step of training: tensors in and out, in the same memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import kernels
from engine.config import Config
from engine.later import torch
from engine.models.transformer import Weights
from engine.structured import Arrays, Structured
from engine.structured import fits as fits

if TYPE_CHECKING:
    from torch import Tensor


class FastStep(Structured):
    """Loss and gradient of the training examples; the same as autograd through `forward` but for rounding."""

    path = "structured"
    kernels = kernels.COMPILER

    def __init__(
        self, config: Config, weights: Weights, gradients: Weights, pairs: Tensor, labels: Tensor, threads: int = 1
    ) -> None:
        """As `Structured`, of tensors on the CPU."""
        super().__init__(config, _arrays(weights), _arrays(gradients), pairs.numpy(), labels.numpy(), threads)

    def __call__(self) -> Tensor:
        return torch.tensor(self.loss(), dtype=torch.float64)

    def sums(self, pairs: Tensor, labels: Tensor) -> Tensor:
        """As in `Step`."""
        return torch.from_numpy(self.scores(pairs.numpy(), labels.numpy())).sum(0)


def _arrays(weights: Weights) -> Arrays:
    return {name: w.detach().numpy() for name, w in weights.items()}
