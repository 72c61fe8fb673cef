"""Settings are checked where they enter, in words."""

import math
from dataclasses import FrozenInstanceError, fields

import pytest

from engine.config import PRESETS, Config, ConfigError, hint, is_prime, parse_setting, preset


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("p", 1), ("p", 2.5), ("p", True), ("p", "113"), ("train_fraction", 0), ("train_fraction", 1.5),
        ("train_fraction", math.nan), ("data_seed", -1), ("model_seed", -1), ("d_model", 0), ("n_heads", 0),
        ("d_head", 0), ("d_mlp", 0), ("n_layers", 0), ("activation", "tanh"), ("layer_norm", 1), ("lr", 0),
        ("lr", math.inf), ("weight_decay", -0.1), ("betas", (0.9, 1.0)), ("betas", 0.9), ("warmup", -1),
        ("epochs", -1), ("checkpoint_every", 0), ("dense_every", -1), ("dense_until", -1), ("transition_every", -1),
        ("test_every", 0), ("device", "tpu"), ("operation", "power"),
    ],
)  # fmt: skip
def test_that_a_wrong_value_is_refused_with_the_field_and_the_value(name: str, value: object) -> None:
    with pytest.raises(ConfigError) as error:
        Config(**{name: value})
    said = str(error.value)
    assert name in said
    assert "\n" not in said
    assert "must be" in said or "allowed" in said


def test_that_every_field_has_a_group_and_one_sentence() -> None:
    for f in fields(Config):
        assert f.metadata["group"] in {"task", "model", "optimiser", "schedule"}
        assert f.metadata["help"].endswith(".")


def test_that_width_not_divisible_by_heads_needs_d_head() -> None:
    with pytest.raises(ConfigError, match="d_head"):
        Config(d_model=130, n_heads=4)
    assert Config(d_model=130, n_heads=4, d_head=8).head_size == 8


def test_that_d_head_follows_a_changed_width() -> None:
    assert preset("paper", d_model=64).head_size == 16


def test_that_a_fraction_without_a_training_pair_is_refused() -> None:
    with pytest.raises(ConfigError, match="no training pair"):
        Config(p=3, train_fraction=0.1)
    assert Config(p=3, train_fraction=0.12).n_train == 1


def test_that_division_needs_a_prime() -> None:
    with pytest.raises(ConfigError, match="prime"):
        Config(operation="divide", p=12)
    assert Config(operation="divide", p=5).n_pairs == 20


def test_that_a_config_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Config().p = 5  # type: ignore[misc]


@pytest.mark.parametrize("name", PRESETS)
def test_that_presets_survive_their_file_form(name: str) -> None:
    assert Config.from_json(preset(name).to_json()) == preset(name)


def test_that_a_file_with_fewer_fields_takes_the_defaults() -> None:
    assert Config.from_json('{"p": 7}') == Config(p=7)


def test_that_a_file_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigError, match="dropout"):
        Config.from_json('{"dropout": 0.1}')


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("p", "97", 97), ("epochs", "40_000", 40_000), ("lr", "3e-3", 3e-3), ("betas", "0.9,0.95", (0.9, 0.95)),
        ("layer_norm", "true", True), ("d_head", "", None), ("d_head", "8", 8), ("operation", "a-b", "a-b"),
    ],
)  # fmt: skip
def test_that_text_becomes_the_fields_type(name: str, text: str, value: object) -> None:
    assert parse_setting(name, text) == value
    Config(**{name: parse_setting(name, text)})


@pytest.mark.parametrize(
    ("name", "text"), [("p", "many"), ("p", ""), ("lr", "fast"), ("betas", "0.9"), ("layer_norm", "2"), ("q", "1")]
)
def test_that_text_of_another_type_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Config(**{name: parse_setting(name, text)})


def test_that_the_paper_preset_is_the_papers_mainline() -> None:
    c = preset("paper")
    assert (c.p, c.train_fraction, c.d_model, c.n_heads, c.head_size, c.d_mlp) == (113, 0.3, 128, 4, 32, 512)
    assert (c.lr, c.weight_decay, c.betas, c.warmup, c.epochs) == (1e-3, 1.0, (0.9, 0.98), 10, 40_000)
    assert (c.data_seed, c.model_seed, c.n_train, c.n_test, c.d_vocab) == (0, 0, 3830, 8939, 114)
    assert (c.checkpoint_every, c.dense_every, c.dense_until, c.transition_every) == (100, 10, 1000, 20)


def test_that_settings_known_not_to_grok_are_allowed_with_a_hint() -> None:
    assert "53" in (hint(Config(p=53)) or "")
    assert hint(Config(p=53, weight_decay=5)) is None
    assert "random" in (hint(Config(operation="random")) or "")
    assert hint(Config(weight_decay=0)) is not None
    assert hint(Config()) is None
    assert hint(preset("quick")) is None


def test_that_primes_are_known() -> None:
    assert [n for n in range(30) if is_prime(n)] == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
