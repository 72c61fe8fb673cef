"""The phase rule on planted traces: every phase found, and open ones left open."""

from dataclasses import replace

import numpy as np

from engine.analysis.phases import Phases, Thresholds, phases

EPOCHS = np.arange(0, 30_001, 100)


def planted(until: int = 30_000, grokked: bool = True, decay: float = 1e-3) -> Phases:
    """A run that memorises by 500, turns at 1400, is half right at 9400 and 95 % right at 10 300, and settles."""
    e = EPOCHS[until >= EPOCHS].astype(float)
    test = np.where(e < 9400, 0.07, np.where(e < 10_300, 0.6, 1.0)) if grokked else np.full(e.shape, 0.07)
    excluded = 0.3 + np.abs(e - 1400) / 1000
    squared = np.where(e < 14_000, np.exp(8 - e * 1e-4), np.exp(6.6 - (e - 14_000) * 1e-6))
    return phases(EPOCHS[until >= EPOCHS], (e >= 500).astype(float), test, excluded, squared, decay, np.exp(-e / 1000))


def test_that_a_planted_run_has_its_phases() -> None:
    found = planted()
    assert found == Phases(1400, 9400, found.cleanup_end, 500, 10_300)
    assert found.cleanup_end is not None
    assert 13_000 <= found.cleanup_end <= 14_000
    assert found.outcome == "grokked"


def test_that_a_phase_that_has_not_ended_stays_open() -> None:
    assert planted(until=1500).memorisation_end is None
    assert planted(until=9000) == Phases(1400, None, None, 500, None)
    assert planted(until=10_000).circuit_end == 9400
    assert planted(until=12_000).cleanup_end is None
    assert planted(until=300).t_mem is None


def test_that_a_run_that_never_groks_is_said_to() -> None:
    found = planted(grokked=False)
    assert (found.t_gen, found.circuit_end, found.cleanup_end) == (None, None, None)
    assert found.outcome == "not grokked"


def test_that_generalising_at_once_is_not_grokking() -> None:
    assert replace(planted(), t_mem=6000).outcome == "generalised at once"


def test_that_without_weight_decay_the_test_loss_ends_the_cleanup() -> None:
    found = planted(decay=0.0)
    assert found.cleanup_end == 29_000  # exp(-e / 1000) is within a factor of 3 of its value at 30 000


def test_that_thresholds_move_the_phases() -> None:
    e = EPOCHS.astype(float)
    rising = np.clip(e / 30_000, 0, 1)
    arguments = (EPOCHS, (e >= 500).astype(float), rising, np.abs(e - 1400), np.exp(-e * 1e-5), 1e-3, np.exp(-e))
    assert phases(*arguments).circuit_end == 15_000
    assert phases(*arguments, Thresholds(circuit=0.25)).circuit_end == 7500
