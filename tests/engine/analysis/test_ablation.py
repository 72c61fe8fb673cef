"""The description of what is taken away: a value like any other, whose default is the whole model."""

from dataclasses import asdict

import pytest

from engine.analysis.ablation import (
    ATTENTION,
    BLOCK,
    CARRIERS,
    CLEAR,
    MLP,
    NULL,
    ONTO,
    WHOLE,
    Ablation,
    Frequencies,
    Units,
)
from engine.analysis.solutions import applied
from engine.config import Config

PARTS = {
    "heads": Units(((0, 1),)), "skips": Units(((0, MLP),)), "neurons": Units(((0, 3), (0, 5)), keep=True),
    "polynomials": CLEAR, "neuron_frequencies": Frequencies((2,), what=BLOCK), "projection": ONTO,
    "logit_frequencies": Frequencies((1, 3)), "generalising": 0.5, "memorising": 0.0,
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_that_every_part_alone_makes_the_model_less_than_whole(part: str) -> None:
    ablation = Ablation(**{part: PARTS[part]})  # type: ignore[arg-type]
    assert not ablation.is_whole
    assert ablation != WHOLE
    assert hash(ablation) == hash(Ablation(**{part: PARTS[part]}))  # type: ignore[arg-type]
    assert ablation.cuts.is_cut == ablation.is_cut == (part not in ("generalising", "memorising"))
    assert ablation.is_mixed == (not ablation.is_cut)
    assert ablation.is_cut_inside == (ablation.is_cut and part != "logit_frequencies")


def test_that_the_default_is_the_whole_model_and_an_empty_set_takes_nothing_away() -> None:
    assert Ablation().is_whole
    assert Ablation() == Ablation(1, 1) == WHOLE
    assert Ablation(heads=Units(keep=True, mean=True), logit_frequencies=Frequencies(keep=True)).is_whole
    assert Units(keep=True).taken(0, 4) == []


def test_that_what_is_taken_is_the_set_or_all_others() -> None:
    some = Units(((1, 3), (0, 2), (0, 2), (0, 0)))
    assert some.of == ((0, 0), (0, 2), (1, 3))
    assert some.taken(0, 4) == [0, 2]
    assert some.taken(1, 4) == [3]
    kept = Units(some.of, keep=True)
    assert kept.taken(0, 4) == [1, 3]
    assert kept.taken(2, 2) == [0, 1]
    assert Frequencies((5, 2, 5)).of == (2, 5)


def test_that_it_can_be_written_as_numbers_and_words() -> None:
    ablation = Ablation(**PARTS)  # type: ignore[arg-type]
    held = asdict(ablation)
    made = Ablation(
        **held
        | {name: Units(**held[name]) for name in ("heads", "skips", "neurons")}
        | {name: Frequencies(**held[name]) for name in ("neuron_frequencies", "logit_frequencies")}
    )
    assert made == ablation


def test_that_only_frequencies_leave_pairs_off_the_cycle_alone() -> None:
    for part, value in PARTS.items():
        spectral = part not in ("heads", "skips", "neurons", "projection")
        assert Ablation(**{part: value}).is_spectral == spectral, part  # type: ignore[arg-type]
    assert not Ablation(neuron_frequencies=Frequencies((2,), what=CARRIERS)).is_spectral


def test_that_a_model_keeps_of_it_what_it_has() -> None:
    config = Config(p=7, d_model=8, n_heads=2, d_mlp=4)
    wide = Ablation(
        heads=Units(((0, 1), (0, 2), (1, 0))), neurons=Units(((0, 3), (0, 4), (0, -1))), polynomials=CLEAR,
        skips=Units(((0, ATTENTION), (1, MLP))), logit_frequencies=Frequencies((0, 3, 4)),
        neuron_frequencies=Frequencies((9,)),
    )  # fmt: skip
    fits = wide.within(config)
    assert (fits.heads.of, fits.neurons.of, fits.skips.of) == (((0, 1),), ((0, 3),), ((0, ATTENTION),))
    assert (fits.logit_frequencies.of, fits.neuron_frequencies.of) == ((3,), ())
    assert fits.polynomials == CLEAR
    assert fits.within(config) == fits


def test_that_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="no such replacement"):
        Ablation(polynomials="some")
    with pytest.raises(ValueError, match="no such replacement"):
        Ablation(projection="half")
    with pytest.raises(ValueError, match="not something"):
        Frequencies((1,), what="all")
    with pytest.raises(ValueError, match="no carriers"):
        Ablation(logit_frequencies=Frequencies((1,), what=CARRIERS))


def test_that_what_has_no_meaning_for_a_task_or_without_keys_is_left_out() -> None:
    everything = Ablation(**PARTS)  # type: ignore[arg-type]
    no_basis = applied(Config(p=7, operation="x2xyy2", d_model=8, n_heads=2), (2,), everything)
    assert no_basis == Ablation(heads=everything.heads, skips=everything.skips, neurons=everything.neurons)
    no_keys = applied(Config(p=7, d_model=8, n_heads=2), (), everything)
    assert (no_keys.is_mixed, no_keys.projection) == (False, "")
    assert no_keys.logit_frequencies == everything.logit_frequencies
    assert applied(Config(p=7, d_model=8, n_heads=2), (), Ablation(projection=NULL)) is WHOLE
    assert applied(Config(p=7, d_model=8, n_heads=2), (2,), everything) == everything
