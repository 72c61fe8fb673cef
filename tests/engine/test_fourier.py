"""The transforms are checked by identities and by planted functions."""

import numpy as np
import pytest

from engine.fourier import (
    components,
    fourier_basis,
    frequencies,
    norm_by_component,
    norm_by_frequency,
    product,
    spectrum,
    spectrum_2d,
    sum_directions,
)

SIZES = [2, 3, 4, 7, 12, 59, 113]


@pytest.mark.parametrize("p", SIZES)
def test_that_the_basis_is_orthonormal(p: int) -> None:
    basis = fourier_basis(p)
    assert basis.shape == (p, p)
    assert np.abs(basis @ basis.T - np.eye(p)).max() < 1e-13


@pytest.mark.parametrize("p", SIZES)
def test_that_frequencies_cover_every_component_once(p: int) -> None:
    rows = [row for k in frequencies(p) for row in range(p)[components(p, k)]]
    assert rows == list(range(1, p))


@pytest.mark.parametrize("p", SIZES)
def test_that_power_is_kept(p: int) -> None:
    f = np.random.default_rng(p).normal(size=(p, 5))
    g = np.random.default_rng(p).normal(size=(p, p, 3))
    assert (spectrum(f) ** 2).sum() == pytest.approx((f**2).sum(), rel=1e-13)
    assert (spectrum_2d(g) ** 2).sum() == pytest.approx((g**2).sum(), rel=1e-13)
    assert (norm_by_frequency(f) ** 2).sum() == pytest.approx((norm_by_component(f)[1:] ** 2).sum(), rel=1e-13)


@pytest.mark.parametrize("p", [5, 8, 113])
def test_that_the_two_dimensional_transform_is_the_slow_one(p: int) -> None:
    g = np.random.default_rng(0).normal(size=(p, p, 2))
    basis = fourier_basis(p)
    slow = np.einsum("xyz,fx,gy->fgz", g, basis, basis, optimize=True)
    assert np.abs(spectrum_2d(g) - slow).max() < 1e-12


@pytest.mark.parametrize("p", [7, 12])
@pytest.mark.parametrize("sign", [1, -1])
def test_that_planted_waves_are_found_where_they_were_put(p: int, sign: int) -> None:
    a, b = np.divmod(np.arange(p * p), p)
    for k in frequencies(p):
        wave = np.cos(2 * np.pi * k * (a + sign * b) / p + (0 if 2 * k == p else 0.7))
        directions = sum_directions(p, k, sign)
        assert np.abs(directions @ directions.T - np.eye(len(directions))).max() < 1e-13
        assert np.abs(directions.T @ (directions @ wave) - wave).max() < 1e-12
        for other in set(frequencies(p)) - {k}:
            assert np.abs(sum_directions(p, other, sign) @ wave).max() < 1e-12


@pytest.mark.parametrize("sizes", [(113, 113, 128), (113, 128, 512), (64, 500, 7), (65, 3, 1), (1, 1, 1), (0, 4, 3)])
def test_that_a_product_in_blocks_is_the_product(sizes: tuple[int, int, int]) -> None:
    m, k, n = sizes
    random = np.random.default_rng(m)
    a, b = random.normal(size=(m, k)), random.normal(size=(n, k)).T
    assert np.allclose(product(a, b), a @ b, rtol=1e-12, atol=1e-12)
