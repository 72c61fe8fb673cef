"""Where a name stands beside what it names: outside a circle, inside its panel, on no other name."""

from __future__ import annotations

import math
from collections.abc import Sequence

NAME_HEIGHT = 16.0  # pixels
Spot = tuple[float, float]
Area = tuple[float, float, float, float]  # left, top, right, bottom
Box = tuple[float, float, float]  # left, top, width


def place_name(at: Spot, centre: Sequence[float], away: float, width: float, area: Area, taken: Sequence[Box]) -> Box:
    """Some pixels from `at` on the side away from `centre`; where there is no room, towards it; then up or down.

    taken : boxes of other names, not to be covered where that can be helped
    """
    box = _beside(at, (at[0] - centre[0], at[1] - centre[1]), away, width)
    if not _within(box, area):
        box = _beside(at, (centre[0] - at[0], centre[1] - at[1]), away, width)
    left = min(max(box[0], area[0]), area[2] - width)
    top = min(max(box[1], area[1]), area[3] - NAME_HEIGHT)
    tops = [top, *(t for other in taken for t in (other[1] + NAME_HEIGHT + 1, other[1] - NAME_HEIGHT - 1))]
    for moved in sorted(tops, key=lambda t: abs(t - top)):
        there = (left, moved, width)
        if _within(there, area) and not any(_covers(there, other) for other in taken):
            return there
    return left, top, width


def _beside(at: Spot, way: Spot, away: float, width: float) -> Box:
    length = math.hypot(*way) or 1.0
    x, y = way[0] / length, way[1] / length
    return at[0] + x * (away + width / 2) - width / 2, at[1] + y * away - NAME_HEIGHT / 2, width


def _within(box: Box, area: Area) -> bool:
    left, top, width = box
    return area[0] <= left and left + width <= area[2] and area[1] <= top and top + NAME_HEIGHT <= area[3]


def _covers(one: Box, other: Box) -> bool:
    across = one[0] < other[0] + other[2] and other[0] < one[0] + one[2]
    return across and abs(one[1] - other[1]) < NAME_HEIGHT
