"""The paper's figure 1: the algorithm in one example, two rotations, their composition and the read-off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.export import Table
from app.paper_data import Ask, Content, basis_of, listed, read_off_said
from app.paper_page import LOOK, Drawing, Sheet, colour_of, say
from engine.tasks import TASKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Algorithm:
    """The algorithm in one example: drawn from the definition, not measured.

    k : the frequency turned by     keys : those of the mean; (1,) where the run has none
    a, b, answer : residues     i, j, s : their places on the cycle of n     sign : of j
    log : whether places are logarithms     places : (n,) of the output c     residues : (n,) c at those places
    wave : (n,) cos w_k(s − place)     mean : (n,) the same averaged over the keys
    """

    k: int
    keys: tuple[int, ...]
    n: int
    sign: int
    log: bool
    a: int
    b: int
    answer: int
    i: int
    j: int
    s: int
    residues: Ints
    wave: Floats
    mean: Floats


def algorithm(ask: Ask) -> Content:
    """Figure 1: rotations by a and b, their composition, and the read-off cos w(a + b − c)."""
    basis = basis_of(ask.run)
    if isinstance(basis, str):
        return Content(basis, "", ())
    n, keys = basis.n, ask.keys or (1,)
    k = ask.key or 1
    place = {int(c): at for at, c in enumerate(basis.elements)}
    by_hand = ask.pair is not None and all(x in place for x in ask.pair)
    i, j = (place[x] for x in ask.pair or ()) if by_hand else _good_pair(n, k, basis.sign)
    s = (i + basis.sign * j) % n
    turned = (s - np.arange(n)) % n
    waves = np.array([np.cos(2 * np.pi * (f * turned % n) / n) for f in keys])
    wave = np.cos(2 * np.pi * (k * turned % n) / n)
    a, b, answer = (int(basis.elements[x]) for x in (i, j, s))
    order = np.argsort(basis.elements)
    found = Algorithm(
        k, keys, n, basis.sign, basis.generator is not None, a, b, answer, i, j, s, basis.elements[order], wave[order],
        waves.mean(axis=0)[order],
    )  # fmt: skip
    several = f"; black: the mean of the same over {listed(keys)}, which has one peak" if len(keys) > 1 else ""
    whose = f"k = {k}" if ask.keys else "k = 1, for there is no key frequency yet"
    caption = (
        f"For {TASKS[ask.run.config.operation].symbol} mod {ask.run.config.p}, drawn from its definition for a = {a}, "
        f"b = {b} and {whose}; nothing here is measured. The embedding turns a and b into rotations by w = 2πk/{n}; "
        f"attention and MLP compose them; the unembedding reads off cos w({read_off_said(ask)}), largest at the answer "
        f"c = {answer}. Right: coloured, this cosine at every c{several}."
    )
    table = Table("cosines", {"c": found.residues, f"cos of k = {k}": found.wave, "mean over keys": found.mean})
    return Content(found, caption, (table,))


def _good_pair(n: int, k: int, sign: int) -> tuple[int, int]:
    """Two places whose angles are near 65° and 40° (130° and 40° for a difference)."""
    turns = k * np.arange(n) % n / n
    i, j = (int(np.abs(turns - share).argmin()) for share in ((0.18, 0.11) if sign > 0 else (0.36, 0.11)))
    return i, j


def draw_algorithm(sheet: Sheet, x: Algorithm | str, keys: Sequence[int]) -> None:
    """Two rotations, their composition, and the cosine that is read off."""
    page = sheet.figure.add_axes((0, 0, 1, 1))
    if isinstance(x, str):
        say(page, x, sheet, sheet.width)
        return
    width, height = sheet.figure.get_size_inches() * 72
    page.set_axis_off()
    page.set(xlim=(0, width), ylim=(0, height))
    t, colour = sheet.type, colour_of(x.k, x.keys) if keys else LOOK.accent
    a, b = (r"\log a", r"\log b") if x.log else ("a", "b")
    turn_a, turn_b = (2 * np.pi * (x.k * place % x.n) / x.n for place in (x.i, x.j))
    sign = "+" if x.sign > 0 else "-"
    top = height - 1.3 * t
    small, large = 0.074 * width, 0.105 * width
    columns = (0.115 * width, 0.44 * width, 0.66 * width)
    place = r"\log " if x.log else ""
    cosine = "$W_U$" if width < 30 * t else f"$W_U$:  $\\cos w({place}a{sign}{place}b-{place}c)$"
    heads = (("Embed", "$W_E$"), ("Compose", "attention, MLP"), ("Read off", cosine))
    for at, (word, by) in zip((columns[0], columns[1], (columns[2] + width + t) / 2), heads, strict=True):
        page.text(at, top, word, ha="center", va="bottom", weight="bold")
        page.text(at, top - 0.35 * t, by, ha="center", va="top", color=LOOK.muted)
    body = top - 2.2 * t  # below the heads
    lower = 2.0 * t  # where the circles' captions end
    rows = (body - small - 0.2 * t, lower + small)
    middle = (rows[0] + rows[1]) / 2
    for centre, (name, value, place, turn) in zip(rows, (("a", x.a, a, turn_a), ("b", x.b, b, turn_b)), strict=True):
        _circle(page, (columns[0], centre), small, x)
        _hand(page, (columns[0], centre), small, turn, colour)
        _arc(page, (columns[0], centre), 0.42 * small, 0.0, turn, f"$w{place}$", colour, t)
        said = f"${name} = {value}$"
        if width > (75 if x.log else 47) * t:
            said += f":  $\\cos w{place},\\ \\sin w{place}$"
        page.text(columns[0], centre - small - 0.4 * t, said, ha="center", va="top")
        begin = (columns[0] + small + 0.7 * t, centre)
        end = (columns[1] - large - 0.9 * t, middle + (0.35 if centre > middle else -0.35) * large)
        _arrow(page, begin, end)
    centre = (columns[1], middle + 0.6 * t)
    _circle(page, centre, large, x)
    _hand(page, centre, large, turn_a, LOOK.faint)
    both = turn_a + x.sign * turn_b
    _hand(page, centre, large, both, colour)
    _arc(page, centre, 0.30 * large, 0.0, turn_a, f"$w{a}$", LOOK.muted, t)
    _arc(page, centre, 0.55 * large, turn_a, both, f"${sign if x.sign < 0 else ''}w{b}$", colour, t)
    other = "-" if x.sign > 0 else "+"
    page.text(
        columns[1], centre[1] - large - 0.5 * t,
        f"$\\cos w({a}{sign}{b})=$\n$\\cos w{a}\\,\\cos w{b}{other}\\sin w{a}\\,\\sin w{b}$",
        ha="center", va="top", linespacing=1.25,
    )  # fmt: skip
    _arrow(page, (columns[1] + large + 0.9 * t, centre[1]), (columns[2] - 0.9 * t, centre[1]))
    _read_off(sheet, x, colour, (columns[2] + 1.4 * t, 3.3 * t, width - columns[2] - 2.2 * t, body - 4.2 * t))


def _circle(page: Axes, centre: tuple[float, float], radius: float, x: Algorithm) -> None:
    from matplotlib.patches import Circle

    page.add_patch(Circle(centre, radius, fill=False, lw=0.6, ec=LOOK.border))
    angles = 2 * np.pi * np.arange(x.n) / x.n
    page.plot(centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles), ".", ms=1.0, color=LOOK.faint)
    page.plot([centre[0], centre[0] + radius], [centre[1]] * 2, lw=0.5, color=LOOK.border)


def _hand(page: Axes, centre: tuple[float, float], radius: float, angle: float, colour: str) -> None:
    tip = centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)
    page.plot([centre[0], tip[0]], [centre[1], tip[1]], lw=1.2, color=colour)
    page.plot(*tip, "o", ms=3.2, color=colour)
    page.plot(*centre, "o", ms=1.6, color=colour)


def _arc(
    page: Axes, centre: tuple[float, float], radius: float, begin: float, end: float, text: str, colour: str, t: float
) -> None:
    angles = np.linspace(begin, end, 60)
    page.plot(centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles), lw=0.8, color=colour)
    across, up = np.cos((begin + end) / 2), np.sin((begin + end) / 2)
    out = radius + 0.25 * t
    page.text(
        centre[0] + out * across, centre[1] + out * up, text, color=colour,
        ha="center" if abs(across) < 0.4 else "left" if across > 0 else "right",
        va="center" if abs(up) < 0.4 else "bottom" if up > 0 else "top",
    )  # fmt: skip


def _arrow(page: Axes, begin: tuple[float, float], end: tuple[float, float]) -> None:
    from matplotlib.patches import FancyArrowPatch

    page.add_patch(
        FancyArrowPatch(begin, end, arrowstyle="-|>", mutation_scale=6, lw=0.8, color=LOOK.muted, shrinkA=0, shrinkB=0)
    )


def _read_off(sheet: Sheet, x: Algorithm, colour: str, box: tuple[float, float, float, float]) -> None:
    """cos w(a + b − c) at every output c.  box : left, bottom, width, height in points"""
    width, height = sheet.figure.get_size_inches() * 72
    axes = sheet.figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
    axes.plot(x.residues, x.wave, "o", ms=1.7 if x.n > 60 else 3.0, mew=0, color=colour)
    if len(x.keys) > 1:
        axes.vlines(x.residues, 0, x.mean, lw=0.7, color=LOOK.text)
    axes.plot([x.answer], [1.0], "o", ms=4.5, mfc="none", mec=LOOK.text, mew=0.8)
    near_right = x.answer > 0.7 * x.residues[-1]
    axes.annotate(
        f"$c = {x.answer}$", (x.answer, 1.0), (-5 if near_right else 5, 2), textcoords="offset points",
        ha="right" if near_right else "left", va="bottom",
    )  # fmt: skip
    axes.set(xlim=(x.residues[0] - 1, x.residues[-1] + 1), ylim=(-1.12, 1.12), yticks=[-1, 0, 1], xlabel="output $c$")


CONTENTS: dict[str, tuple[str, Callable[[Ask], Content]]] = {
    "Figure 1": ("The algorithm", algorithm),
}
DRAWINGS: dict[str, Drawing] = {
    "Figure 1": Drawing(draw_algorithm, lambda w, t, _: 0.29 * w + 10.5 * t, free=True),
}
