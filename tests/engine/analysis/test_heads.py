"""Heads as they are drawn: equal to the analyses they are made of, on every kind of model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.analysis.attention import attention_fourier, attention_pattern, attention_scores, value_shares
from engine.analysis.characters import NoBasis, characters
from engine.analysis.heads import TARGETS, correlations, head_frequencies, head_lives, head_picture
from engine.config import Config
from engine.models.transformer import initial_weights
from engine.runfile import Run
from tests.engine.analysis.conftest import HeldRun

RandomRun = Callable[..., Run]
KINDS: dict[str, dict[str, Any]] = {
    "add": {}, "even": {"p": 6}, "multiply": {"operation": "multiply"}, "no basis": {"operation": "x2xyy2"},
    "two layers": {"n_layers": 2}, "layer norm": {"layer_norm": True}, "one head": {"n_heads": 1},
}  # fmt: skip


def small(**changes: Any) -> Config:
    return Config(**{"p": 7, "train_fraction": 0.5, "d_model": 8, "n_heads": 2, "d_mlp": 6} | changes)


class Growing(HeldRun):
    """Several checkpoints, each of other random weights."""

    def __init__(self, config: Config, n: int) -> None:
        draw = np.random.default_rng(1)
        self._each = [
            {x: w.double().numpy() + draw.normal(size=w.shape) for x, w in initial_weights(config).items()}
            for _ in range(n)
        ]
        super().__init__(config, self._each[0])
        self._epochs = 10 * np.arange(n, dtype=np.int64)

    def weights(self, step: int) -> dict[str, NDArray[Any]]:
        return self._each[step]

    def weight(self, name: str, step: int) -> NDArray[Any]:
        return self._each[step][name]


@pytest.mark.parametrize("kind", KINDS)
def test_that_a_picture_is_its_analyses(kind: str, random_run: RandomRun) -> None:
    run = random_run(small(**KINDS[kind]))
    for layer in range(run.config.n_layers):
        found = head_picture(run, 0, 0, layer, scores=True, exact=True)
        truth, scores = attention_pattern(run, 0, layer), attention_scores(run, 0, layer)
        assert found.mean == pytest.approx(truth.mean)
        assert found.n_heads == run.config.n_heads
        for head in range(found.n_heads):
            for target in range(len(TARGETS)):
                assert found.pattern(head, target) == pytest.approx(truth.pattern[head, ..., target], abs=1e-12)
            assert found.score(head, 0)[2, 4] == pytest.approx(scores.to_a[head, 2])
            assert found.score(head, 1)[2, 4] == pytest.approx(scores.to_b[head, 4])
            assert found.score(head, 2)[2, 4] == pytest.approx(scores.to_equals[head])
        assert found.equals_limit == pytest.approx(truth.pattern[..., 2].max(), rel=1e-5)
        assert (found.no_basis != "") == (kind == "no basis") == (found.fit is None)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "no basis"])
def test_that_its_frequencies_are_those_of_the_scores(kind: str, random_run: RandomRun) -> None:
    run = random_run(small(**KINDS[kind]))
    found, truth = head_picture(run, 0, 0, 0), attention_fourier(run, 0)
    assert found.coefficient == pytest.approx(truth.coefficient)
    assert found.share == pytest.approx(truth.share)
    assert found.values == pytest.approx(value_shares(run, 0, characters(run.config)))
    assert found.frequency.tolist() == (truth.share.argmax(axis=1) + 1).tolist()
    assert found.settled.tolist() == found.frequency.tolist()
    assert found.fit is not None
    assert found.fit.explained == pytest.approx(truth.explained)
    assert found.coefficient_limit == pytest.approx(np.abs(truth.coefficient[:, 1:]).max())


@pytest.mark.parametrize("kind", ["add", "even", "multiply"])
def test_that_the_fits_are_waves_of_the_heads_frequency(kind: str, random_run: RandomRun) -> None:
    run = random_run(small(**KINDS[kind]))
    found, x, fit = head_picture(run, 0, 0, 0), characters(run.config), attention_fourier(run, 0)
    scores, away = attention_scores(run, 0).to_b, [t for t in range(run.config.p) if t not in x.elements]
    for head in range(2):
        to_a, to_b, to_equals = (found.fitted_pattern(head, target) for target in range(3))
        assert to_a is not None
        assert to_b is not None
        on = np.ix_(x.elements, x.elements)
        assert to_b[on] == pytest.approx(1 - to_a[on])
        assert to_equals is not None
        assert not to_equals[on].any()
        assert np.isnan(to_a[away]).all()
        pattern = attention_pattern(run, 0).pattern[head][on]
        left = sum(np.square(t[on] - pattern[..., i]).sum() for i, t in enumerate((to_a, to_b)))
        whole = sum(np.square(pattern[..., i] - pattern[..., i].mean()).sum() for i in range(2))
        assert 1 - left / whole == pytest.approx(fit.explained[head])
        wave = found.fitted_score(head, 1)
        assert wave is not None
        own = scores[head][x.elements]
        k = int(found.frequency[head])
        columns = [np.ones(x.n), *(f(2 * np.pi * k * np.arange(x.n) / x.n) for f in (np.cos, np.sin))]
        design = np.stack(columns[: 2 if 2 * k == x.n else 3], axis=1)
        assert wave[x.elements[3], x.elements] == pytest.approx(design @ np.linalg.lstsq(design, own, rcond=None)[0])


def test_that_a_later_layer_has_patterns_and_a_fit_but_no_coefficients(random_run: RandomRun) -> None:
    run = random_run(small(n_layers=2))
    found = head_picture(run, 0, 0, -1)
    assert (found.layer, found.scores, found.coefficient, found.share, found.values) == (1, None, None, None, None)
    assert found.fit is not None
    expected = np.where(found.fit.explained > 0, found.fit.frequency, 0)
    assert found.frequency.tolist() == expected.tolist()
    assert found.fitted_score(0, 0) is None
    assert found.pattern(1, 0) == pytest.approx(head_picture(run, 0, 0, 1, exact=True).pattern(1, 0), abs=1e-5)


def test_that_no_share_is_no_frequency() -> None:
    assert head_frequencies(np.array([[0.0, 0.0], [0.25, 0.75]]), None, 2).tolist() == [0, 2]
    assert head_frequencies(np.zeros((2, 0)), None, 2).tolist() == [0, 0]
    assert head_frequencies(None, None, 3).tolist() == [0, 0, 0]


def test_that_heads_which_share_out_the_attention_are_opposite() -> None:
    wave = np.random.default_rng(0).normal(size=(5, 5))
    found = correlations(np.stack([0.5 + wave, 0.5 - wave, np.full((5, 5), 0.3)]))
    assert found == pytest.approx(np.array([[1, -1, 0], [-1, 1, 0], [0, 0, 0]]))
    several = np.random.default_rng(1).random((3, 6, 6))
    assert correlations(several) == pytest.approx(np.corrcoef(several.reshape(3, -1)))


def test_that_order_and_limits_are_the_layouts_and_stand_still() -> None:
    run = Growing(small(), 30)
    last, first = head_picture(run, 29, 29, 0), head_picture(run, 0, 29, 0)
    assert first.settled.tolist() == last.settled.tolist() == last.frequency.tolist()
    for name in ("equals_limit", "score_limit", "coefficient_limit"):
        assert getattr(first, name) == getattr(last, name)
    looked_at = np.linspace(0, 29, 21).astype(int).tolist()
    highest = max(float(np.abs(attention_fourier(run, step).coefficient[:, 1:]).max()) for step in looked_at)
    assert first.coefficient_limit == pytest.approx(highest)
    assert first.equals_limit == pytest.approx(attention_pattern(run, 29).pattern[..., 2].max())


@pytest.mark.parametrize("kind", ["add", "even", "multiply", "layer norm"])
def test_that_a_life_is_every_checkpoint_by_itself(kind: str) -> None:
    run = Growing(small(**KINDS[kind]), 5)
    found = head_lives(run, 1, 4)
    assert found.epochs.tolist() == [10, 20, 30]
    for at, step in enumerate((1, 2, 3)):
        truth = attention_fourier(run, step)
        assert found.frequency[at].tolist() == (truth.share.argmax(axis=1) + 1).tolist()
        assert found.share[at] == pytest.approx(truth.share.max(axis=1))
        assert found.explained[at] == pytest.approx(truth.explained)


def test_that_a_life_needs_a_basis() -> None:
    with pytest.raises(NoBasis):
        head_lives(Growing(small(operation="random"), 2), 0, 2)


def test_that_the_authors_heads_have_the_published_frequencies(authors_run: Run) -> None:
    found = head_picture(authors_run, 0, 0, 0)
    assert found.frequency.tolist() == [23, 23, 6, 6]
    assert found.share is not None
    assert found.share.max(axis=1) == pytest.approx([0.9908, 0.9915, 0.9647, 0.9672], abs=5e-5)
