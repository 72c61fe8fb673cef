"""Which neurons of the wall are shown: by kind, and by a search such as "12", "k=35", "fve<0.5", "12, 40-60"."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.neurons import THRESHOLD

Mask = NDArray[np.bool_]
KINDS = {
    "all": ("all neurons", "Every neuron of the layer"),
    "clear": ("clear", "FVE ≥ 0.85 at the checkpoint on show: one frequency explains it"),
    "unclear": ("unclear", "Alive, but FVE below 0.85 at the checkpoint on show"),
    "dead": ("dead", "The same for every pair at the checkpoint on show"),
    "selected": ("selected k", "Only the group of the selected frequency"),
    "committed": ("committed", "FVE has stayed ≥ 0.85 from an epoch at or before the one on show to the last one"),
}
HINT = "Neurons by number or property: 12 · 40-60 · k=35 · fve<0.5 — a comma adds, a space narrows: k=35 fve<0.9"


@dataclass(frozen=True, eq=False)
class WallFacts:
    """What is asked of every neuron; (d,) each.

    home : frequency at the checkpoint that orders the wall, 0 for a dead neuron
    group : the frequency it is grouped under there, 0 where it is unclear
    frequency, fve : at the checkpoint on show      committed : epoch, −1 for never; None: not known
    """

    home: NDArray[np.int64]
    group: NDArray[np.int64]
    frequency: NDArray[np.int64]
    fve: NDArray[np.float64]
    committed: NDArray[np.int64] | None
    epoch: int

    def of_kind(self, kind: str, selected: int | None) -> Mask:
        """Neurons of one of `KINDS`.  selected : the selected frequency"""
        clear, alive = self.fve >= THRESHOLD, self.frequency > 0
        if kind == "selected":
            return self.group == selected if selected is not None else np.zeros(len(clear), bool)
        if kind == "committed":
            since = self.committed
            return np.zeros(len(clear), bool) if since is None else (since >= 0) & (since <= self.epoch)
        found: dict[str, Mask] = {"clear": clear, "unclear": alive & ~clear, "dead": ~alive}
        return found.get(kind, np.ones(len(clear), bool))


@dataclass(frozen=True)
class Term:
    """matches : which neurons have a property      steady : whether the same ones at every checkpoint"""

    matches: Callable[[WallFacts], Mask]
    steady: bool = True


@dataclass(frozen=True)
class Search:
    """either : of these one must hold, and of it every term; empty: every neuron"""

    either: tuple[tuple[Term, ...], ...] = ()

    def matches(self, facts: WallFacts, lasting: bool = False) -> Mask:
        """The neurons wanted.  lasting : at some checkpoint, as far as that is known from this one"""
        every: Mask = np.ones(len(facts.fve), bool)
        found = [[t.matches(facts) for t in terms if t.steady or not lasting] for terms in self.either]
        parts = [np.logical_and.reduce([every, *masks]) for masks in found]
        wanted: Mask = np.logical_or.reduce(parts) if parts else every
        return wanted


_OPERATORS: dict[str, Callable[[NDArray[np.float64], float], Mask]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "=": np.isclose,
    "!=": lambda x, y: ~np.isclose(x, y),
}  # fmt: skip
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)%?"
_PROPERTY = re.compile(rf"(k|fve)(<=|>=|!=|<|>|=)({_NUMBER})(?:-({_NUMBER}))?")
_INDEX = re.compile(r"(\d+)(?:-(\d+))?")


def search(text: str) -> Search:
    """Raises `ValueError` with a sentence where the text is not understood."""
    tidy = text.strip().lower().replace("≤", "<=").replace("≥", ">=").replace("≠", "!=").replace("==", "=")
    tidy = re.sub(r"\s*(<=|>=|!=|<|>|=)\s*", r"\1", tidy)
    tidy = re.sub(r"(?<=[\d%])\s*(?:-|–|\.\.)\s*(?=[\d.])", "-", tidy)
    parts = (part.split() for part in re.split(r"[,;]", tidy))
    either = (tuple(_term(word) for word in words if word != "and") for words in parts)
    return Search(tuple(terms for terms in either if terms))


def _term(word: str) -> Term:
    if found := _INDEX.fullmatch(word):
        low, high = int(found[1]), int(found[2] or found[1])
        return Term(lambda facts: _between(np.arange(len(facts.fve)), low, high))
    if found := _PROPERTY.fullmatch(word):
        return _property(found[1], found[2], found[3], found[4])
    if word in ("clear", "unclear", "dead"):
        return Term(lambda facts: facts.of_kind(word, None), steady=False)
    raise ValueError(f"“{word}” is not understood. Try 12, 40-60, k=35, fve<0.5 or dead.")


def _property(name: str, operator: str, first: str, last: str | None) -> Term:
    low = _value(first)
    if last is not None and operator != "=":
        raise ValueError(f"“{name}{operator}{first}-{last}”: a range goes with =.")
    high = None if last is None else _value(last)

    def matches(facts: WallFacts) -> Mask:
        values = facts.home.astype(np.float64) if name == "k" else facts.fve
        return _OPERATORS[operator](values, low) if high is None else _between(values, low, high)

    return Term(matches, steady=name == "k")


def _value(text: str) -> float:
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def _between(values: NDArray[np.integer] | NDArray[np.float64], low: float, high: float) -> Mask:
    found: Mask = (values >= min(low, high)) & (values <= max(low, high))
    return found
