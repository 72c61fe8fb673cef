"""What the window can do, as values, and how a few letters find it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Command:
    """Something the window can do.

    keys : its shortcut as Qt writes it      group : the menu it stands in
    everyday : listed before anything is typed; the others are found by their letters
    """

    text: str
    run: Callable[[], object]
    keys: str = ""
    group: str = ""
    enabled: bool = True
    everyday: bool = True

    @property
    def name(self) -> str:
        """What is remembered of a command between two starts."""
        return f"{self.group}/{self.text}"


_ARROWS = {"Left": "←", "Right": "→", "Up": "↑", "Down": "↓", "PgUp": "Page ↑", "PgDown": "Page ↓", "Return": "Enter"}


def key_caps(keys: str) -> list[str]:
    """The keys of a shortcut as they are printed on a keyboard: `Ctrl+Shift+S` -> Ctrl, Shift, S."""
    symbols = re.match("[⌘⇧⌥⌃]*", keys)
    first = symbols[0] if symbols else ""
    parts = [*first, *re.split(r"\+(?=.)", keys[len(first) :])]
    return [_ARROWS.get(part.strip(), part.strip()) for part in parts if part.strip()]


# -- matching -------------------------------------------------------------------------------------------------------

Marks = frozenset[int]  # places of matched letters in a text
_START, _FOLLOWS, _GAP, _LONGEST_GAP = 10, 8, 1, 6


@dataclass(frozen=True)
class Match:
    """score : the larger, the better; text, group : the letters that matched"""

    score: float
    text: Marks
    group: Marks


NO_MATCH = Match(0.0, frozenset(), frozenset())


def fuzzy(query: str, command: Command) -> Match | None:
    """How a query fits a command: each of its words must be found, in order of letters, in the text or the group.

    Letters at the start of a word and letters that follow each other count more; skipped letters count against.
    """
    score, marks = 0.0, {command.text: set[int](), command.group: set[int]()}
    for word in query.lower().split():
        found = max(
            ((fit, text) for text in (command.text, command.group) if (fit := _fit(word, text)) is not None),
            key=lambda pair: (pair[0][0], pair[1] is command.text),
            default=None,
        )
        if found is None:
            return None
        (points, places), text = found
        score += points - (2 if text is not command.text else 0)
        marks[text] |= places
    return Match(score - len(command.text) / 50, frozenset(marks[command.text]), frozenset(marks[command.group]))


def _fit(word: str, text: str) -> tuple[float, Marks] | None:
    """The best way to find the letters of a word in a text, in their order.  -> (points, places) or None"""
    lower = text.lower()
    if not _is_subsequence(word, lower):
        return None
    starts = _word_starts(text)
    ways: dict[int, tuple[float, tuple[int, ...]]] = {}  # place of the last letter -> the best way there
    for n, letter in enumerate(word):
        further: dict[int, tuple[float, tuple[int, ...]]] = {}
        for place, other in enumerate(lower):
            if other != letter:
                continue
            own = _START if place in starts else 0
            if n == 0:
                further[place] = (own - min(place, _LONGEST_GAP) * _GAP / 2, (place,))
                continue
            before = [
                (points + (_FOLLOWS if last + 1 == place else -min(place - last, _LONGEST_GAP) * _GAP), places)
                for last, (points, places) in ways.items()
                if last < place
            ]
            if before:
                points, places = max(before)
                further[place] = (points + own, (*places, place))
        ways = further
    points, places = max(ways.values())
    return points, frozenset(places)


def _is_subsequence(word: str, text: str) -> bool:
    letters = iter(text)
    return all(letter in letters for letter in word)


@cache
def _word_starts(text: str) -> Marks:
    return frozenset(i for i, c in enumerate(text) if c.isalnum() and (i == 0 or not text[i - 1].isalnum()))
