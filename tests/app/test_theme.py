"""Colours that keep their distance, also for eyes without one of the three kinds of cones."""

from itertools import combinations, pairwise, product

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

from app import theme
from app.theme import DARK, LIGHT, Theme

Array = NDArray[np.float64]
MAINLINE = (14, 35, 41, 42, 52)
CURVES = ("train", "test", "restricted", "excluded", "excluded_all", "ratio", "margin", "seen", "unseen")
THEMES = pytest.mark.parametrize("look", [DARK, LIGHT], ids=["dark", "light"])

# Machado, Oliveira and Fernandes 2009, severity 1: linear RGB as seen without one kind of cones
MACHADO = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "normal": np.eye(3).tolist(),
}
EYES = tuple(MACHADO)
# Ottosson 2020
LMS = np.array([[0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
LAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip


def linear(colour: str) -> Array:
    c = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.asarray(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4))


def seen(colour: str, eye: str = "normal") -> Array:
    """OKLab of a colour as an eye sees it."""
    return np.asarray(LAB @ np.cbrt(LMS @ np.clip(np.array(MACHADO[eye]) @ linear(colour), 0, 1)))


def apart(one: str, other: str, eye: str) -> float:
    return float(np.linalg.norm(seen(one, eye) - seen(other, eye)))


def contrast(one: str, other: str) -> float:
    """As in WCAG 2."""
    light, dark = sorted((float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def table_seen(table: NDArray[np.uint8]) -> Array:
    return np.array([seen("#{:02x}{:02x}{:02x}".format(*row)) for row in table])


def least(pairs: list[tuple[str, str]], eye: str) -> float:
    return min(apart(one, other, eye) for one, other in pairs)


def hue(colour: str) -> float:
    _, a, b = seen(colour)
    return float(np.degrees(np.arctan2(b, a)))


def between(one: float, other: float) -> float:
    return abs((one - other + 180) % 360 - 180)


def test_that_the_simulation_knows_what_red_green_blindness_confuses() -> None:
    red, green = "#c04000", "#6a7000"
    assert apart(red, green, "normal") > 2 * apart(red, green, "deuteranopia")
    assert apart("#808080", "#808080", "protanopia") == 0
    assert np.allclose(seen("#ffffff", "protanopia"), [1, 0, 0], atol=1e-3)
    assert contrast("#ffffff", "#000000") == pytest.approx(21)


# the least distance of two in a group: normal, without red or green, without blue cones
@THEMES
@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(
    ("group", "normal", "red_green", "blue"),
    [("frequencies", 0.129, 0.059, 0.072), ("first six", 0.143, 0.078, 0.072), ("mainline", 0.146, 0.084, 0.090),
     ("parameters", 0.150, 0.095, 0.075), ("curves", 0.117, 0.057, 0.066), ("answers", 0.16, 0.16, 0.16),
     ("phases", 0.024, 0.022, 0.022)],
)  # fmt: skip
def test_that_colours_of_a_kind_are_told_apart_by_every_eye(
    look: Theme, eye: str, group: str, normal: float, red_green: float, blue: float
) -> None:
    colours = {
        "frequencies": look.frequencies,
        "first six": look.frequencies[:6],
        "mainline": [theme.frequency_colour(k, MAINLINE, look).name() for k in MAINLINE],
        "parameters": look.parameters,
        "curves": [getattr(look, name) for name in CURVES],
        "answers": [look.answer_right, look.answer_wrong, look.answer_seen, look.panel],
        "phases": [*look.phases, look.panel],
    }[group]
    least_allowed = {"normal": normal, "tritanopia": blue}.get(eye, red_green)
    assert least(list(combinations(colours, 2)), eye) >= least_allowed


@THEMES
@pytest.mark.parametrize(
    ("eye", "allowed"), [("normal", 0.108), ("protanopia", 0.052), ("deuteranopia", 0.052), ("tritanopia", 0.047)]
)
def test_that_no_frequency_looks_like_a_curve_or_the_accent(look: Theme, eye: str, allowed: float) -> None:
    curves = [look.accent, *(getattr(look, name) for name in CURVES)]
    assert least(list(product(look.frequencies, curves)), eye) >= allowed


@THEMES
@pytest.mark.parametrize(
    ("eye", "allowed"), [("normal", 0.144), ("protanopia", 0.069), ("deuteranopia", 0.069), ("tritanopia", 0.079)]
)
def test_that_no_frequency_looks_like_the_losses_it_is_drawn_beside(look: Theme, eye: str, allowed: float) -> None:
    """Loss without one frequency, in its colour, stands among restricted loss and both excluded losses."""
    beside = [look.restricted, look.excluded, look.excluded_all]
    assert least(list(product(look.frequencies, beside)), eye) >= allowed


@THEMES
def test_that_the_hues_of_restricted_and_excluded_loss_are_kept_for_them(look: Theme) -> None:
    for colour in look.frequencies:
        assert between(hue(colour), hue(look.restricted)) >= 32
        assert min(between(hue(colour), hue(excluded)) for excluded in (look.excluded, look.excluded_all)) >= 24
    assert between(hue(look.excluded), hue(look.excluded_all)) < 25, "two of a kind"


@THEMES
@pytest.mark.parametrize("eye", EYES)
def test_that_a_key_frequency_stands_out_of_the_others(look: Theme, eye: str) -> None:
    allowed = {"normal": 0.18, "tritanopia": 0.085}.get(eye, 0.06)
    assert least([(colour, look.other_frequency) for colour in look.frequencies], eye) >= allowed


@THEMES
def test_that_lines_stand_out_and_names_can_be_read(look: Theme) -> None:
    for colour in look.frequencies:
        assert contrast(colour, look.panel) >= 4.5  # "k = 14" is written in it
    for colour in (*look.parameters, look.accent, look.other_frequency):
        assert contrast(colour, look.panel) >= 3
    for name, ground in product(CURVES, (look.panel, *look.phases)):
        assert contrast(getattr(look, name), ground) >= 3
    for ground in look.phases:
        assert contrast(look.muted, ground) >= 4.5  # the phase's name


@THEMES
def test_that_answers_differ_in_lightness_alone(look: Theme) -> None:
    panel, seen_, right, wrong = (
        seen(c)[0] for c in (look.panel, look.answer_seen, look.answer_right, look.answer_wrong)
    )
    assert abs(panel - wrong) > abs(panel - right) + 0.1 > abs(panel - seen_) + 0.2


@THEMES
def test_that_train_is_grey_and_test_takes_the_strongest_contrast(look: Theme) -> None:
    assert np.hypot(*seen(look.train)[1:]) < 0.03
    assert look.test == {"dark": "#ffffff", "light": "#000000"}[look.name]
    assert (look.generalising, look.memorising) == (look.restricted, look.excluded)


@THEMES
def test_that_neighbouring_frequencies_differ_in_hue(look: Theme) -> None:
    ring = [*look.frequencies, look.frequencies[0]]
    assert min(between(hue(one), hue(other)) for one, other in pairwise(ring)) > 45
    mainline = [theme.frequency_colour(k, MAINLINE, look).name() for k in MAINLINE]
    assert min(between(hue(one), hue(other)) for one, other in combinations(mainline, 2)) > 40
    of_41, of_42 = (theme.frequency_colour(k, MAINLINE, look).name() for k in (41, 42))
    assert between(hue(of_41), hue(of_42)) > 80
    assert apart(of_41, of_42, "normal") > 0.18


def test_that_a_frequency_has_the_same_hue_in_both_themes() -> None:
    for dark, light in zip(DARK.frequencies, LIGHT.frequencies, strict=True):
        assert between(hue(dark), hue(light)) < 40


def test_that_a_key_keeps_its_colour_when_others_come_and_go() -> None:
    alone = {k: theme.frequency_colour(k, [k], DARK) for k in range(1, 57)}
    for keys in ([14, 35], [14, 41, 52], MAINLINE, (*MAINLINE, 16, 21, 31)):
        for k in keys:
            assert theme.frequency_colour(k, keys, DARK) == alone[k]
    assert theme.frequency_colour(12, [3, 12], DARK) == theme.frequency_colour(12, [3, 11, 12], DARK)
    assert theme.frequency_colour(3, [3, 11], DARK) == alone[3]


def test_that_up_to_eight_keys_never_share_a_colour_and_no_other_frequency_has_one() -> None:
    for keys in ([3, 11, 19], [8, 16, 24, 32, 40, 48, 56, 1], list(range(20, 28))):
        assert len({theme.frequency_colour(k, keys, LIGHT).name() for k in keys}) == len(keys)
    assert theme.frequency_colour(5, [3, 11], LIGHT).name() == LIGHT.other_frequency
    assert theme.frequency_colour(5, range(1, 12), LIGHT).name() in LIGHT.frequencies


def test_that_a_colour_follows_the_current_theme_unless_one_is_named(qapp: QApplication) -> None:
    theme.apply(qapp, LIGHT)
    assert theme.frequency_colour(14, MAINLINE) == QColor(LIGHT.frequencies[6])
    assert np.array_equal(theme.diverging_table(), theme.diverging_table(LIGHT))
    theme.apply(qapp, DARK)
    assert theme.frequency_colour(14, MAINLINE) == QColor(DARK.frequencies[6])
    assert theme.frequency_colour(14, MAINLINE, LIGHT) == QColor(LIGHT.frequencies[6])
    assert np.array_equal(theme.diverging_table(), theme.diverging_table(DARK))
    assert np.array_equal(theme.wheel_table(), theme.wheel_table(DARK))
    assert not np.array_equal(theme.wheel_table(), theme.wheel_table(LIGHT))


@THEMES
def test_that_zero_is_the_panel_and_signs_mirror_each_other_in_equal_steps(look: Theme) -> None:
    table = theme.diverging_table(look)
    assert (table.shape, table.dtype) == ((256, 3), np.dtype(np.uint8))
    assert [QColor(*row).name() for row in table[[0, 127, 128, 255]].tolist()] == [
        look.negative, look.panel, look.panel, look.positive,
    ]  # fmt: skip
    lab = table_seen(table)
    assert np.abs(lab[:, 0] - lab[::-1, 0]).max() < 0.01  # the same lightness for -m and m
    for arm in (lab[127::-1], lab[128:]):
        away = np.linalg.norm(arm - arm[0], axis=1)
        assert away[-1] > 0.5
        assert np.abs(away / away[-1] - np.linspace(0, 1, 128)).max() < 0.01


@THEMES
@pytest.mark.parametrize("eye", EYES)
def test_that_every_eye_tells_the_signs_apart(look: Theme, eye: str) -> None:
    table = theme.diverging_table(look)
    for i, allowed in ((0, 0.17), (32, 0.12), (64, 0.08)):
        one, other = (QColor(*row).name() for row in table[[i, 255 - i]].tolist())
        assert apart(one, other, eye) > allowed


@THEMES
def test_that_the_wheel_turns_in_equal_steps_at_one_lightness(look: Theme) -> None:
    lab = table_seen(theme.wheel_table(look))
    assert lab.shape == (256, 3)
    assert np.ptp(lab[:, 0]) < 0.006
    assert np.ptp(np.hypot(lab[:, 1], lab[:, 2])) < 0.01  # nothing is cut off at the edge of what a screen can show
    eighths = np.linalg.norm(np.roll(lab, -32, axis=0) - lab, axis=1)
    assert eighths.max() / eighths.min() < 1.1
    turned = np.unwrap(np.arctan2(lab[:, 2], lab[:, 1]))
    assert turned[-1] - turned[0] == pytest.approx(2 * np.pi * 255 / 256, abs=0.03)
    rows = theme.wheel_table(look).tolist()
    for fraction, row in ((0.0, 0), (0.25, 64), (1.0, 0), (1.5, 128), (-0.25, 192)):
        assert theme.wheel(fraction, look) == QColor(*rows[row])


@THEMES
def test_that_the_wheel_is_visible_on_the_panel(look: Theme) -> None:
    assert min(contrast(QColor(*row).name(), look.panel) for row in theme.wheel_table(look).tolist()) >= 3
