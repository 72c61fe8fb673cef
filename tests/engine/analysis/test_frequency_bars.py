"""The loss without each frequency, beside the plain ablation of each."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.analysis.ablation import WHOLE, Ablation, Frequencies
from engine.analysis.frequency_bars import carriers_at_mean, class_losses, frequency_bars
from engine.analysis.logits import loss_without_each
from engine.analysis.solutions import CLASSES
from engine.config import Config
from engine.runfile import Run

KEYS = (1, 3)


def small(operation: str, p: int, **more: Any) -> Config:
    return Config(operation=operation, p=p, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=12, **more)


@pytest.mark.parametrize(("operation", "p"), [("add", 11), ("subtract", 8), ("multiply", 7), ("divide", 11)])
def test_that_every_bar_is_an_ablation(random_run: Callable[..., Run], operation: str, p: int) -> None:
    run = random_run(small(operation, p))
    found = frequency_bars(run, 0, KEYS, exact=True)

    def slow(cuts: Ablation) -> Any:
        return pytest.approx(class_losses(run, 0, cuts, True, exact=True), rel=1e-9, nan_ok=True)

    assert found.whole == slow(WHOLE)
    assert found.without_keys == slow(Ablation(logit_frequencies=Frequencies(KEYS)))
    assert found.only_keys == slow(Ablation(logit_frequencies=Frequencies(KEYS, keep=True)))
    for k, row in enumerate(found.loss, 1):
        assert row == slow(Ablation(logit_frequencies=Frequencies((k,))))
    drawn = frequency_bars(run, 0, KEYS)
    assert drawn.loss == pytest.approx(found.loss, rel=2e-4, nan_ok=True)
    plain = loss_without_each(run, 0, KEYS)
    for name, other in (("every", plain.all_pairs), ("train", plain.train), ("test", plain.test)):
        assert found.loss[:, CLASSES.index(name)] == pytest.approx(other, rel=1e-9)
    assert np.isnan(found.loss[:, CLASSES.index("seen")]).all() == (operation in ("subtract", "divide"))


def test_that_carriers_are_counted_and_can_be_taken(clock_run: Callable[..., Run]) -> None:
    run = clock_run("add", 11, {2: 3.0, 4: 2.0})
    found = frequency_bars(run, 0, (2, 4))
    assert found.carried == {2: 8, 4: 8}
    neurons = Ablation(neuron_frequencies=Frequencies((2,), what="carriers"))
    assert carriers_at_mean(run, 0, 2) == pytest.approx(class_losses(run, 0, neurons, True), nan_ok=True)
    assert carriers_at_mean(run, 0, 2)[0] > 1.5 * found.whole[0]
    assert carriers_at_mean(run, 0, 3) == pytest.approx(class_losses(run, 0, WHOLE, True), rel=1e-5, nan_ok=True)


def test_that_a_task_without_frequencies_says_so(random_run: Callable[..., Run]) -> None:
    found = frequency_bars(random_run(small("x2xyy2", 7)), 0, KEYS)
    assert "no group operation" in found.no_basis
    assert found.loss.shape == (0, 5)
