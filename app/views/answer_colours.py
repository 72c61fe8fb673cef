"""Colours of answers: right ones by class of pair, wrong ones, values on a scale, and what is none of these."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from app import theme
from app.views.maps import table_of

LOSSES = (1e-8, 1e2)  # nats, ends of the colours
TOP = 249  # colour table's last place of a value; above it stand
HIDDEN, OFF, NEVER, NONE = 252, 253, 254, 255


def scaled(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values as places 0 … `TOP` of the colour table."""
    with np.errstate(invalid="ignore"):
        places = (np.asarray(values, np.float64) - low) * (TOP / max(high - low, 1e-300))
        return np.asarray(np.nan_to_num(np.clip(places, 0, TOP)).astype(np.uint8))


def _mixed(one: str, other: str) -> str:
    """Half way between two colours."""
    first, second = QColor(one), QColor(other)
    return QColor(
        (first.red() + second.red()) // 2, (first.green() + second.green()) // 2, (first.blue() + second.blue()) // 2
    ).name()


def rgba(colour: str, alpha: int) -> tuple[int, int, int, int]:
    made = QColor(colour)
    return made.red(), made.green(), made.blue(), alpha


def lightness(colour: str) -> float:
    return float(QColor(colour).lightnessF())


def inks() -> tuple[str, str]:
    """What can be seen on light and on dark."""
    look = theme.current()
    first, second = sorted((look.window, look.text), key=lightness)
    return first, second


def right_colours() -> tuple[str, ...]:
    """Of a right answer, by `KINDS`: the less of it was trained, the stronger."""
    look = theme.current()
    return look.answer_seen, _mixed(look.answer_seen, look.answer_right), look.answer_right, look.answer_right


def class_colours() -> list[str]:
    """Right answers by class, then wrong ones, then what is no answer."""
    look = theme.current()
    return [*right_colours(), look.answer_wrong, *[look.panel] * 247, *_neutral()]


@lru_cache(maxsize=8)
def _table_names(name: str, look: str) -> list[str]:
    table = table_of(name)
    return [QColor(*(int(v) for v in table[round(i * 255 / TOP)])).name() for i in range(TOP + 1)]


def value_colours(name: str) -> list[str]:
    """A colour table's entries up to `TOP`, then what is no value."""
    look = theme.current()
    return [*_table_names(name, look.name), *[look.panel] * 2, *_neutral()]


def _neutral() -> list[str]:
    look = theme.current()
    return [look.panel, look.border, look.other_frequency, look.panel]
