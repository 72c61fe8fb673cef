"""Circles of the embedding: polar factors, planted rings, the mainline's shares."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.analysis.characters import characters
from engine.analysis.circles import embedding_circles, planes, random_share, shares
from engine.analysis.progress_curves import Pinned
from engine.config import Config
from engine.fourier import components, fourier_basis, frequencies
from engine.runfile import Run

TINY = Config(p=11, train_fraction=0.5, d_model=12, n_heads=2, d_mlp=8)
DEMONSTRATION = Path(__file__).resolve().parents[3] / "resources" / "demonstration.h5"
KEYS = (14, 35, 41, 42, 52)


@pytest.fixture(scope="module")
def mainline() -> Iterator[Run]:
    run = Run.open(DEMONSTRATION, probe=False)
    yield run
    run.close()


@pytest.mark.parametrize("n", [11, 12])
def test_that_a_plane_is_the_orthonormal_pair_nearest_to_the_waves(n: int) -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(n, 7))
    found = planes(rows)
    assert found.shape == (n // 2, 7, 2)
    for k in frequencies(n):
        if 2 * k == n:
            continue
        waves, plane = rows.T @ fourier_basis(n)[components(n, k)].T, found[k - 1]
        assert np.allclose(plane.T @ plane, np.eye(2))
        best = np.linalg.norm(plane - waves)
        for size in (1e-3, 0.1, 1.0):
            for _ in range(20):
                other = np.linalg.qr(plane + size * draw.normal(size=plane.shape))[0]
                other *= np.sign(np.diagonal(plane.T @ other))
                assert np.linalg.norm(other - waves) >= best - 1e-12


def test_that_half_of_an_even_modulus_is_a_line(random_run: Callable[..., Run]) -> None:
    found = embedding_circles(random_run(replace(TINY, p=12)), 0, 0, 1, (1, 6))
    assert found.keys == (1, 6)
    assert np.all(found.points[5, :, 1] == 0)
    assert found.points[5, :, 0].std() > 0
    assert found.distinct(6) == 2
    assert found.distinct(4) == 3
    assert found.distinct(5) == 12
    assert 0 < found.share[5] <= 1


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply", "divide"])
def test_that_a_clock_has_clean_rings_at_its_frequencies(clock_run: Callable[..., Run], operation: str) -> None:
    run = clock_run(operation, 23, {3: 1.0, 7: 2.0})
    found = embedding_circles(run, 0, 0, 1, (3, 7))
    n = found.n
    assert n == (23 if operation in ("add", "subtract") else 22)
    for k in (3, 7):
        angle = 2 * np.pi * found.places(k) / n
        assert np.allclose(found.points[k - 1], np.stack([np.cos(angle), np.sin(angle)], axis=1))
        assert found.share[k - 1] == pytest.approx(1)
        assert found.ring[k - 1] == pytest.approx(1)
    if operation in ("add", "subtract"):
        assert found.zero is None
    else:
        assert found.zero is not None
        assert np.array_equal(found.zero, np.zeros((11, 2)))
        assert found.place_of(0) is None
    assert found.place_of(int(found.elements[5])) == 5


def test_that_a_share_is_that_of_the_fourier_transform() -> None:
    points = np.random.default_rng(1).normal(size=(5, 11, 2))
    found = shares(points)
    for k in frequencies(11):
        powers = (np.abs(np.fft.fft(points[k - 1], axis=0)) ** 2).sum(axis=1)
        assert found[k - 1] == pytest.approx((powers[k] + powers[11 - k]) / powers[1:].sum())
    assert np.array_equal(shares(np.zeros((5, 11, 2))), np.zeros(5))


def test_that_random_weights_look_like_half_a_circle_in_their_own_planes(random_run: Callable[..., Run]) -> None:
    config = Config(p=53, train_fraction=0.5, d_model=48, n_heads=2, d_mlp=8)
    found = embedding_circles(random_run(config), 0, 0, 1, (3,), None, True)
    assert found.random_share == random_share(characters(config), 48) == pytest.approx(48 / 98)
    assert found.share.mean() == pytest.approx(found.random_share, abs=0.03)


def test_that_the_planes_and_the_scale_are_those_of_one_checkpoint(mainline: Run) -> None:
    n, then = mainline.refresh(), 8
    rows = mainline.weight("W_E", n - 1)[:113].astype(np.float64)
    last = planes(rows)
    now = embedding_circles(mainline, then, n - 1, n, KEYS)
    w_e = mainline.weight("W_E", then)[:113].astype(np.float64)
    for k in (1, 35, 56):
        assert np.allclose(now.points[k - 1], w_e @ last[k - 1])
    end = embedding_circles(mainline, n - 1, n - 1, n, KEYS)
    assert now.scale == end.scale
    assert np.array_equal(now.ring, end.ring)
    assert now.plane_epoch == 40_000
    own = embedding_circles(mainline, then, n - 1, n, KEYS, None, True)
    assert np.allclose(own.points[34], w_e @ planes(w_e)[34])
    assert own.scale == end.scale


def test_that_the_mainline_gives_the_shares_it_is_known_for(mainline: Run) -> None:
    n = mainline.refresh()
    found = {}
    for epoch in (0, 1400, 5000, 10_000, 14_000):
        step = mainline.step_at(epoch)
        found[epoch] = embedding_circles(mainline, step, n - 1, n, KEYS).share[34]
    known = {0: 0.12, 1400: 0.26, 5000: 0.33, 10_000: 0.71, 14_000: 0.99}  # of another machine's rerun
    for epoch, share in known.items():
        assert found[epoch] == pytest.approx(share, abs=0.06)
    assert list(found.values()) == sorted(found.values())
    own = embedding_circles(mainline, 0, n - 1, n, KEYS, None, True).share[[k - 1 for k in KEYS]]
    assert np.all((own > 0.5) & (own < 0.65))


def test_that_a_known_set_is_taken_unless_one_is_chosen(random_run: Callable[..., Run]) -> None:
    run, known = random_run(TINY), Pinned((2, 5), 0, False)
    assert embedding_circles(run, 0, 0, 1, None, known).pinned is known
    assert embedding_circles(run, 0, 0, 1, (4, 3), known).pinned == Pinned((3, 4), 0, True, by_hand=True)


def test_that_frequencies_the_cycle_lacks_are_no_keys(random_run: Callable[..., Run]) -> None:
    found = embedding_circles(random_run(replace(TINY, operation="multiply", p=9)), 0, 0, 1, (1, 4))
    assert found.n == 6
    assert found.keys == (1,)


def test_that_a_task_without_a_basis_says_why(random_run: Callable[..., Run]) -> None:
    found = embedding_circles(random_run(replace(TINY, operation="x2xyy2")), 0, 0, 1, (2,))
    assert "no Fourier basis" in found.no_basis
    assert found.keys == ()
    assert found.points.size == 0


def test_that_weights_of_zero_give_numbers(held_run: Callable[..., Run], random_run: Callable[..., Run]) -> None:
    weights = {name: 0 * w for name, w in random_run(replace(TINY, p=12)).weights(0).items()}
    found = embedding_circles(held_run(replace(TINY, p=12), weights), 0, 0, 1, (2, 6))
    assert np.all(np.isfinite(found.points))
    assert np.array_equal(found.share, np.zeros(6))
    assert found.scale > 0
