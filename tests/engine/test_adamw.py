"""The optimiser's step against PyTorch's class, and what it does not import."""

import subprocess
import sys

import torch

from engine.adamw import MOMENTS, AdamW
from engine.config import Config

CONFIG = Config(lr=3e-3, weight_decay=0.7, betas=(0.8, 0.95))
IMPORTED = """
import sys
from dataclasses import replace
from engine.config import Config
from engine.training import train
for event in train(replace(Config(), p=7, d_model=8, n_heads=2, d_mlp=16, n_layers=int(sys.argv[1]), epochs=3)):
    pass
print(event.epoch, "torch" in sys.modules, "torch._dynamo" in sys.modules)
"""


def test_that_a_step_is_the_fused_step_of_pytorchs_class_bit_for_bit() -> None:
    flat, gradient = torch.randn(1003), torch.zeros(1003)
    truth = flat.clone()
    truth.grad = gradient
    usual = torch.optim.AdamW([truth], betas=CONFIG.betas, eps=1e-8, weight_decay=CONFIG.weight_decay, fused=True)
    ours = AdamW(flat, gradient, CONFIG)
    assert ours.rate == CONFIG.lr
    for i in range(12):
        gradient.normal_()
        ours.rate = usual.param_groups[0]["lr"] = CONFIG.lr * min(i / 5, 1)
        usual.step()
        ours.step()
    assert torch.equal(flat, truth)
    for name in ("step", *MOMENTS):
        assert torch.equal(ours.state[name], usual.state[truth][name]), name


def test_that_training_imports_pytorch_without_its_compiler() -> None:
    for n_layers in (1, 2):  # without and with autograd
        command = [sys.executable, "-c", IMPORTED, str(n_layers)]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        assert found.stdout.split() == ["3", "True", "False"]
