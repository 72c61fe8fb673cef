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


# -- what is not known yet ---------------------------------------------------------------------------------------


def sketched(every: int, until: int = 30_000, going_on: bool = False) -> Phases:
    """The planted run with excluded loss at every so manyeth checkpoint; 0: at none."""
    e = EPOCHS[until >= EPOCHS].astype(float)
    test = np.where(e < 9400, 0.07, np.where(e < 10_300, 0.6, 1.0))
    loss = 0.3 + np.abs(e - 1400) / 1000
    loss[[i for i in range(len(e)) if not every or i % every]] = np.nan
    squared = np.where(e < 14_000, np.exp(8 - e * 1e-4), np.exp(6.6 - (e - 14_000) * 1e-6))
    train = (e >= 500).astype(float)
    return phases(e.astype(np.int64), train, test, loss, squared, 1e-3, np.exp(-e / 1000), going_on=going_on)


def test_that_without_excluded_loss_the_end_of_memorisation_is_not_known_and_all_else_is() -> None:
    found, whole = sketched(0), planted()
    assert (found.memorisation_end, found.excluded_until) == (None, -1)
    assert replace(found, memorisation_end=1400, excluded_until=float("inf")) == whole


def test_that_some_checkpoints_tell_roughly_where_memorisation_ends() -> None:
    assert (sketched(2).memorisation_end, sketched(2).rough) == (1400, True)
    found = sketched(5)  # 1000, 1500, 2000: 1400 lies between the neighbours of 1500
    assert (found.memorisation_end, found.rough, found.excluded_until) == (1500, True, float("inf"))
    assert not planted().rough
    assert sketched(5, until=29_900).excluded_until == 29_500


def test_that_checkpoints_far_apart_do_not_tell_where_memorisation_ends() -> None:
    assert sketched(10).memorisation_end is None  # 0, 1000, 2000
    assert sketched(10).excluded_until == -1
    assert sketched(4, until=3000).memorisation_end is None  # eight of them are too few
    assert sketched(4, until=3600).memorisation_end == 1200  # as near to 1400 as 1600


def test_that_what_is_said_of_a_run_that_goes_on_is_never_taken_back() -> None:
    whole = planted()
    for until in range(0, 30_001, 100):
        now = sketched(0, until, going_on=True)
        for name in ("circuit_end", "cleanup_end", "t_mem", "t_gen"):
            said = getattr(now, name)
            assert said is None or said == getattr(whole, name)
            assert said is None or said <= until
    assert now == replace(whole, memorisation_end=None, excluded_until=-1, going_on=True)


def test_that_a_run_that_goes_on_has_not_grokked_yet() -> None:
    assert sketched(0, until=5000, going_on=True).outcome == "not grokked yet"
    assert sketched(0, until=5000).outcome == "not grokked"
    assert sketched(0, until=11_000, going_on=True).outcome == "grokked"


def test_that_generalising_before_memorising_is_generalising_at_once() -> None:
    assert replace(planted(), t_mem=None).outcome == "generalised at once"


def test_that_without_weight_decay_cleanup_is_open_while_the_last_test_loss_is_to_come() -> None:
    e = EPOCHS.astype(float)
    memorised, generalised, unknown = (e >= 500).astype(float), (e >= 9400).astype(float), np.full(e.shape, np.nan)
    arguments = (EPOCHS, memorised, generalised, np.abs(e - 1400), unknown)
    assert phases(*arguments, 0.0, np.exp(-e / 1000)).cleanup_end == 29_000
    assert phases(*arguments, 0.0, np.exp(-e / 1000), going_on=True).cleanup_end is None


def test_that_nothing_is_said_of_no_checkpoints() -> None:
    none = np.zeros(0)
    assert phases(none.astype(np.int64), none, none, none, none, 1e-3, none) == Phases(None, None, None, None, None)
