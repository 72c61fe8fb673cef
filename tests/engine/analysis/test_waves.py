"""Frequencies and phases from sums over lines of pairs, against the 2-D transform and planted waves."""

import numpy as np
import pytest

from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.measures import character_frequencies
from engine.analysis.passes import in_rows
from engine.analysis.waves import basis_or_residues, waves
from engine.config import Config

TASKS = [
    (operation, p)
    for operation in ("add", "subtract", "multiply", "divide")
    for p in (2, 3, 5, 6, 9, 12, 13)
    if not (operation == "divide" and p in (6, 9, 12))
]


def config_of(operation: str, p: int) -> Config:
    return Config(p=p, operation=operation, train_fraction=1.0)


def some_values(p: int, seed: int = 0) -> np.ndarray:
    """Six functions of (a, b): noise on a constant, one dead, one constant, one faint."""
    values = np.random.default_rng(seed).normal(size=(p * p, 6)) + 3
    values[:, 2], values[:, 3] = 0, 1.7
    values[:, 4] = 100 + 1e-4 * values[:, 4]
    return values


@pytest.mark.parametrize(("operation", "p"), TASKS)
def test_that_line_sums_give_what_the_transform_gives(operation: str, p: int) -> None:
    config = config_of(operation, p)
    try:
        basis = characters(config)
    except NoBasis:
        return
    values = some_values(p)
    found, truth = waves(values, basis), character_frequencies(config, values)
    assert found.frequency.tolist() == truth.frequency.tolist()
    assert found.fve == pytest.approx(truth.fve, abs=1e-9)
    assert found.frequency[2:4].tolist() == [0, 0]


@pytest.mark.parametrize(("operation", "p"), [("add", 13), ("subtract", 13), ("multiply", 11), ("add", 12)])
def test_that_a_phase_is_the_argument_of_the_sum(operation: str, p: int) -> None:
    basis = characters(config_of(operation, p))
    values = some_values(p, 1)
    found = waves(values, basis)
    grid = basis.grid(values)
    for d in (0, 1, 5):
        k = int(found.frequency[d])
        total = (grid[:, :, d] * np.exp(-2j * np.pi * k * basis.sums / basis.n)).sum()
        assert np.exp(1j * found.phase[d]) == pytest.approx(total / abs(total), abs=1e-9)
    assert np.isnan(found.phase[2])


def test_that_a_planted_wave_is_found_in_float32_too() -> None:
    p, k, phi = 59, 17, 0.7
    a, b = np.divmod(np.arange(p * p), p)
    w = 2 * np.pi * k / p
    values = np.maximum(0, np.cos(w * a + phi) + np.cos(w * b + phi))[:, None] * np.array([[1.0, 2.5]])
    exact = waves(values, characters(config_of("add", p)))
    drawn = waves(values.astype(np.float32), characters(config_of("add", p)))
    assert exact.frequency.tolist() == drawn.frequency.tolist() == [k, k]
    assert drawn.fve == pytest.approx(exact.fve, abs=1e-5)
    assert exact.phase == pytest.approx([2 * phi, 2 * phi], abs=1e-4)  # a bend between residues moves it a little
    assert drawn.phase == pytest.approx(exact.phase, abs=1e-4)


def test_that_a_slice_of_columns_needs_no_copy() -> None:
    whole = np.random.default_rng(2).normal(size=(25, 9))
    part = whole[:, :6]
    line, stride = in_rows(part)
    assert stride == 9
    assert np.shares_memory(line, whole)
    assert np.array_equal([line[i * stride : i * stride + 6] for i in range(25)], part)
    basis = characters(config_of("add", 5))
    assert np.array_equal(waves(part, basis).fve, waves(part.copy(), basis).fve)
    transposed = np.ascontiguousarray(whole.T).T
    assert np.array_equal(waves(transposed, basis).fve, waves(whole, basis).fve)


def test_that_a_task_without_a_basis_keeps_the_residues_as_they_stand() -> None:
    basis, why = basis_or_residues(Config(p=5, operation="x2xyy2"))
    assert isinstance(basis, Characters)
    assert basis.elements.tolist() == [0, 1, 2, 3, 4]
    assert "no group operation" in why
    assert basis_or_residues(Config(p=5))[1] == ""
