"""Names beside what they name."""

import itertools
import math

from app.views.names import NAME_HEIGHT, Box, place_name

AREA = (0.0, 20.0, 200.0, 200.0)
CENTRE = (100.0, 110.0)


def around(turns: int, radius: float) -> list[tuple[float, float]]:
    return [
        (CENTRE[0] + radius * math.cos(2 * math.pi * i / turns), CENTRE[1] + radius * math.sin(2 * math.pi * i / turns))
        for i in range(turns)
    ]


def test_that_a_name_with_room_stands_outside_the_circle() -> None:
    for at in around(12, 40):
        left, top, width = place_name(at, CENTRE, 18, 30, AREA, [])
        middle = left + width / 2, top + NAME_HEIGHT / 2
        assert math.dist(middle, CENTRE) > math.dist(at, CENTRE) + 10


def test_that_every_name_is_inside_its_panel() -> None:
    for at in around(24, 88):
        left, top, width = place_name(at, CENTRE, 18, 60, AREA, [])
        assert AREA[0] <= left <= AREA[2] - width
        assert AREA[1] <= top <= AREA[3] - NAME_HEIGHT


def test_that_names_of_the_same_place_do_not_cover_each_other() -> None:
    taken: list[Box] = []
    for _ in range(3):
        taken.append(place_name((150, 110), CENTRE, 18, 40, AREA, taken))
    for one, other in itertools.combinations(taken, 2):
        assert abs(one[1] - other[1]) >= NAME_HEIGHT or abs(one[0] - other[0]) >= 40
