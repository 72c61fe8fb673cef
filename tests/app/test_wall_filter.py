"""Searching the wall: what is meant by a text, neuron by neuron."""

import numpy as np
import pytest

from app.views.wall_filter import KINDS, Search, WallFacts, search

FACTS = WallFacts(
    home=np.array([35, 14, 0, 35, 52, 14]),
    group=np.array([35, 0, 0, 35, 52, 14]),
    frequency=np.array([35, 14, 0, 3, 52, 14]),
    fve=np.array([0.9, 0.4, 0.0, 0.86, 0.5, 0.85]),
    committed=np.array([100, -1, -1, 300, -1, 200]),
    epoch=200,
)


def found(text: str) -> list[int]:
    return np.flatnonzero(search(text).matches(FACTS)).tolist()


@pytest.mark.parametrize(
    ("text", "neurons"),
    [
        ("", [0, 1, 2, 3, 4, 5]),
        ("  ,; ", [0, 1, 2, 3, 4, 5]),
        ("3", [3]),
        ("1, 4-5", [1, 4, 5]),
        ("5-4;0", [0, 4, 5]),
        ("0 – 1", [0, 1]),
        ("77", []),
        ("k=35", [0, 3]),
        ("k = 14", [1, 5]),
        ("K=14-35", [0, 1, 3, 5]),
        ("k!=35", [1, 2, 4, 5]),
        ("k>=35", [0, 3, 4]),
        ("k≥35", [0, 3, 4]),
        ("fve<0.5", [1, 2]),
        ("fve <= .5", [1, 2, 4]),
        ("fve<50%", [1, 2]),
        ("fve=0.85-0.9", [0, 3, 5]),
        ("fve = 85% - 90%", [0, 3, 5]),
        ("k=35 fve<0.9", [3]),
        ("k=35 and fve<0.9, 2", [2, 3]),
        ("dead", [2]),
        ("clear", [0, 3, 5]),
        ("unclear k=14", [1]),
        ("1 2", []),
    ],
)
def test_that_a_text_means_these_neurons(text: str, neurons: list[int]) -> None:
    assert found(text) == neurons


@pytest.mark.parametrize("text", ["foo", "k", "k=", "fve<", "k<3-5", "12a", "-3", "fve=x", "k=35 bar"])
def test_that_what_is_not_understood_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="“"):
        search(text)


@pytest.mark.parametrize(
    ("text", "neurons"), [("k=35 fve<0.9", [0, 3]), ("fve>0.5", [0, 1, 2, 3, 4, 5]), ("2, k=52 clear", [2, 4])]
)
def test_that_room_is_kept_for_all_that_may_match_at_another_checkpoint(text: str, neurons: list[int]) -> None:
    assert np.flatnonzero(search(text).matches(FACTS, lasting=True)).tolist() == neurons


@pytest.mark.parametrize(
    ("kind", "neurons"),
    [
        ("all", [0, 1, 2, 3, 4, 5]),
        ("clear", [0, 3, 5]),
        ("unclear", [1, 4]),
        ("dead", [2]),
        ("selected", [0, 3]),
        ("committed", [0, 5]),
    ],
)
def test_that_a_kind_means_these_neurons(kind: str, neurons: list[int]) -> None:
    assert kind in KINDS
    assert np.flatnonzero(FACTS.of_kind(kind, 35)).tolist() == neurons


def test_that_without_a_selected_frequency_none_is_of_it() -> None:
    assert not FACTS.of_kind("selected", None).any()
    assert Search().matches(FACTS).all()
