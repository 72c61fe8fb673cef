"""What is ablated is said in the order in which it is, as short as it can be understood."""

import pytest

from app.ablation_words import ablation_sentence, ablation_text, ablation_texts, cut_texts, numbers
from engine.analysis.ablation import (
    ATTENTION,
    BLOCK,
    CARRIERS,
    CLEAR,
    EVERY,
    MLP,
    NULL,
    ONTO,
    SUM,
    WHOLE,
    Ablation,
    Frequencies,
    Units,
)


@pytest.mark.parametrize(
    ("ablation", "said"),
    [
        (Ablation(heads=Units(((0, 2),))), "head 2 at 0"),
        (Ablation(heads=Units(((0, 0), (0, 2)), mean=True)), "heads 0 2 at mean"),
        (Ablation(heads=Units(((0, 1),), keep=True)), "only head 1 (others at 0)"),
        (Ablation(skips=Units(((0, MLP),))), "skip around the MLP at 0"),
        (Ablation(skips=Units(((0, ATTENTION),), mean=True)), "skip around attention at its mean"),
        (Ablation(neurons=Units(tuple((0, i) for i in range(9)))), "9 neurons at 0"),
        (Ablation(neurons=Units(((0, 3), (0, 4), (0, 5)), keep=True, mean=True)),
         "only neurons 3–5 (others at mean)"),
        (Ablation(polynomials=CLEAR), "neurons with FVE ≥ 0.85 by their polynomials"),
        (Ablation(polynomials=EVERY), "all neurons by their polynomials"),
        (Ablation(neuron_frequencies=Frequencies((14,), what=CARRIERS)), "neurons of k = 14 at mean"),
        (Ablation(neuron_frequencies=Frequencies((14,), True, False, CARRIERS)),
         "only neurons of k = 14 (others at 0)"),
        (Ablation(neuron_frequencies=Frequencies((14, 35), what=BLOCK)),
         "k = 14 35 out of neurons (all 8 components)"),
        (Ablation(neuron_frequencies=Frequencies((14,), keep=True, what=SUM)),
         "only k = 14 and the constant in neurons"),
        (Ablation(projection=ONTO), "neurons on the keys' directions of W_L"),
        (Ablation(projection=NULL), "neurons off the keys' directions of W_L"),
        (Ablation(logit_frequencies=Frequencies((14,))), "k = 14 out of logits"),
        (Ablation(logit_frequencies=Frequencies((14,), True, False, BLOCK)),
         "only k = 14 (all 8 components) in logits"),
        (Ablation(0.5, 0), "g = 0.50, m = 0.00"),
    ],
)  # fmt: skip
def test_that_each_thing_has_its_words(ablation: Ablation, said: str) -> None:
    assert ablation_texts(ablation) == [said]


def test_that_everything_is_said_in_the_order_of_composition() -> None:
    ablation = Ablation(
        0.5, 1.0, heads=Units(((0, 1),)), neurons=Units(((0, 3),)), logit_frequencies=Frequencies((14,))
    )
    assert ablation_text(ablation) == "head 1 at 0 · neuron 3 at 0 · k = 14 out of logits · g = 0.50, m = 1.00"
    assert ablation_text(ablation, room=30) == "3 cuts · g = 0.50, m = 1.00"
    assert ablation_sentence(ablation).startswith("Ablated: head 1 at 0; neuron 3 at 0; k = 14 out of logits. ")
    assert "memorising part × 1." in ablation_sentence(ablation)
    assert ablation_texts(WHOLE) == []
    assert (ablation_text(WHOLE), ablation_sentence(WHOLE)) == ("", "")


def test_that_layers_are_named_where_there_are_several() -> None:
    ablation = Ablation(heads=Units(((0, 1), (1, 0))), skips=Units(((1, MLP),)))
    assert cut_texts(ablation, 2) == ["heads layer 0: 1, layer 1: 0 at 0", "skip around the MLP of layer 1 at 0"]


def test_that_numbers_are_told_as_ranges() -> None:
    assert numbers([1, 2, 3, 7]) == "1–3 7"
    assert numbers([1, 2, 7, 8, 9]) == "1 2 7–9"
    assert numbers([]) == ""
