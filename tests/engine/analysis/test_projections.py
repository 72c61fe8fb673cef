"""Table 1: what the components of W_L read from the MLP, against least squares and the paper's own example."""

from collections.abc import Callable

import numpy as np
import pytest

from engine.analysis.characters import NoBasis, characters
from engine.analysis.neuron_logit import neuron_logit_map
from engine.analysis.projections import of_values, projections
from engine.config import Config
from engine.replay import activations
from engine.runfile import Run

RandomRun = Callable[..., Run]


@pytest.mark.parametrize(
    ("operation", "p"), [("add", 7), ("add", 6), ("subtract", 7), ("subtract", 6), ("multiply", 7), ("divide", 7)]
)
def test_that_the_coefficients_are_those_of_least_squares(operation: str, p: int, random_run: RandomRun) -> None:
    run = random_run(Config(operation=operation, p=p, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=10))
    x = characters(run.config)
    n, keys = x.n, sorted({1, 2, x.n // 2})
    found, u = projections(run, 0, keys), neuron_logit_map(run, 0, keys).direction
    i, j = np.divmod(np.arange(n * n), n)
    assert len(found.wave) == len(u)
    for m, (k, sine) in enumerate(zip(found.frequency.tolist(), found.sine.tolist(), strict=True)):
        values = activations(run, 0).mlp_post[-1][x.rows] @ u[m]
        w = 2 * np.pi * k / n
        ci, si, cj, sj = np.cos(w * i), np.sin(w * i), np.cos(w * j), np.sin(w * j)
        products = [si * cj, ci * sj] if sine else [ci * cj, si * sj]
        one = np.sin(w * (i + x.sign * j)) if sine else np.cos(w * (i + x.sign * j))
        if 2 * k == n:
            assert not sine
            products = products[:1]
        both = np.linalg.lstsq(np.stack([*products, np.ones(n * n)], axis=1), values, rcond=None)[0]
        single = np.linalg.lstsq(np.stack([one, np.ones(n * n)], axis=1), values, rcond=None)[0]
        assert found.first[m] == pytest.approx(both[0], abs=1e-10)
        assert found.second[m] == pytest.approx(both[1] if len(products) > 1 else 0.0, abs=1e-10)
        assert found.wave[m] == pytest.approx(single[0], abs=1e-10)
        left = values - one * single[0] - single[1]
        share = 1 - (left**2).sum() / ((values - values.mean()) ** 2).sum()
        assert found.explained[m] == pytest.approx(share, abs=1e-10)


@pytest.mark.parametrize("sign", [1, -1])
def test_that_a_planted_wave_is_read(sign: int) -> None:
    n, k = 11, 3
    i, j = np.indices((n, n))
    cosine = 2.5 + 4.0 * np.cos(2 * np.pi * k * (i + sign * j) / n)
    sine = -1.5 * np.sin(2 * np.pi * k * (i + sign * j) / n)
    values = np.stack([cosine, sine], axis=2)
    found = of_values(values, np.array([2 * k - 1, 2 * k]), np.ones(2), sign)
    assert found.frequency.tolist() == [k, k]
    assert found.sine.tolist() == [False, True]
    assert found.first == pytest.approx([4.0, -1.5])
    assert found.second == pytest.approx([-4.0 * sign, -1.5 * sign])
    assert found.wave == pytest.approx([4.0, -1.5])


def test_that_a_task_without_a_basis_says_so(random_run: RandomRun) -> None:
    run = random_run(Config(operation="x2xyy2", p=5, train_fraction=0.5, d_model=8, n_heads=2, d_mlp=10))
    with pytest.raises(NoBasis):
        projections(run, 0, (1,))
