"""PyTorch's fused AdamW of one flat tensor (Loshchilov & Hutter 2019), by its functional form.

`torch.optim.AdamW` takes the same step, bit for bit, but imports TorchDynamo first, which nothing here uses: 70 MB, and
as long again as PyTorch itself.
"""

from __future__ import annotations

from engine.config import Config
from engine.later import torch

MOMENTS = ("exp_avg", "exp_avg_sq")


class AdamW:
    """The optimiser of a run and its state, on the device of the weights.

    rate : learning rate of the next step
    state : `step`, a float32 scalar, the number of steps taken; and both moments, float tensors like `flat`
    """

    def __init__(self, flat: torch.Tensor, gradient: torch.Tensor, config: Config) -> None:
        """flat, gradient : float tensors of one shape; the first is changed in place by each step"""
        from torch.optim.adamw import adamw  # only here: PyTorch is imported when it is first used

        self._step = adamw
        self.rate = config.lr
        self.state = {"step": torch.zeros((), dtype=torch.float32, device=flat.device)}
        self.state |= {moment: torch.zeros_like(flat) for moment in MOMENTS}
        self._flat, self._gradient = flat, gradient
        self._betas, self._weight_decay = config.betas, config.weight_decay

    def step(self) -> None:
        state, (beta1, beta2) = self.state, self._betas
        with torch.no_grad():
            self._step(
                [self._flat], [self._gradient], [state["exp_avg"]], [state["exp_avg_sq"]], [], [state["step"]],
                fused=True, amsgrad=False, beta1=beta1, beta2=beta2, lr=self.rate, weight_decay=self._weight_decay,
                eps=1e-8, maximize=False,
            )  # fmt: skip
