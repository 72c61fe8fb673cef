"""The paper's table 1 on a run: what the components of W_L read from the MLP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.export import Table
from app.paper_data import Ask, Content, basis_of, sum_said
from app.paper_page import LOOK, ROW, Drawing, Sheet, colour_of, say
from engine.analysis.projections import Projections, projections


@dataclass(frozen=True, eq=False)
class Waves:
    """rows : of the table     log : whether i and j are logarithms"""

    rows: Projections
    log: bool


def waves(ask: Ask) -> Content:
    """Table 1: what each component of W_L reads from the MLP."""
    basis = basis_of(ask.run)
    what = (
        "For each component of the neuron–logit map W_L at the key frequencies: its dot product with the "
        f"activations, as products of the waves of a and b, and the fraction of its variance (FVE) over all pairs that "
        f"the one wave of w_k({sum_said(ask)}) explains. u_k and v_k in the orthonormal basis."
    )
    if isinstance(basis, str):
        return Content(basis, "", ())
    if not ask.keys:
        return Content("No key frequency yet, so there is nothing to project on.", what, ())
    rows = projections(ask.run, ask.step, ask.keys)
    part = ["sin" if sine else "cos" for sine in rows.sine]
    table = Table(
        "projections",
        {"k": rows.frequency, "component": part, "first coefficient": rows.first, "second coefficient": rows.second,
         "coefficient of the one wave": rows.wave, "FVE": rows.explained},
    )  # fmt: skip
    return Content(Waves(rows, basis.generator is not None), what, (table,))


def draw_waves(sheet: Sheet, x: Waves | str, keys: Sequence[int]) -> None:
    """Rows between rules, as tables are set."""
    page = sheet.figure.add_axes((0, 0, 1, 1))
    page.set_axis_off()
    if isinstance(x, str):
        say(page, x, sheet, sheet.width)
        return
    width, height = sheet.figure.get_size_inches() * 72
    page.set(xlim=(0, width), ylim=(height, 0))
    r, t = x.rows, sheet.type
    columns = (0.5 * t, 8.4 * t, width - 0.5 * t)
    y = 1.6 * t
    for at, text, side in (
        (columns[0], "$W_L$ component", "left"), (columns[1], r"$u_k^{\top}\,$MLP or $v_k^{\top}\,$MLP", "left"),
        (columns[2], "FVE", "right"),
    ):  # fmt: skip
        page.text(at, y, text, ha=side, va="center")
    page.plot([0, width], [0.5, 0.5], lw=1.0, color=LOOK.text)
    page.plot([0, width], [y + 1.1 * t] * 2, lw=0.6, color=LOOK.text)
    y += 0.35 * t
    for at in range(len(r.frequency)):
        k = int(r.frequency[at])
        if at and k != r.frequency[at - 1]:
            page.plot([0, width], [y + 0.875 * t] * 2, lw=0.4, color=LOOK.border)
        lines = _polynomial(x, at, _room(width, t))
        page.text(
            columns[0], y + ROW * t, _component(k, bool(r.sine[at]), x.log), va="center", color=colour_of(k, keys)
        )
        page.text(columns[2], y + ROW * t, f"{100 * r.explained[at]:.1f} %", ha="right", va="center")
        for line in lines:
            y += ROW * t
            page.text(columns[1], y, line, va="center")
    page.plot([0, width], [height - 0.5] * 2, lw=1.0, color=LOOK.text)


def _room(width: float, t: float) -> float:
    """Of the middle column, in sizes of the type."""
    return width / t - 8.4 - 4.2


def _component(k: int, sine: bool, log: bool) -> str:
    c = r"\log c" if log else "c"
    return f"$\\{'sin' if sine else 'cos'}(w_{{{k}}}{c})$"


def _polynomial(x: Waves, at: int, room: float) -> list[str]:
    """44.6 cos(w a) cos(w b) − 43.6 sin(w a) sin(w b) ≈ 44.1 cos(w(a + b)), in as many lines as it takes."""
    r, k = x.rows, int(x.rows.frequency[at])
    a, b = (r"\log a", r"\log b") if x.log else ("a", "b")
    first, second = (("sin", "cos"), ("cos", "sin")) if r.sine[at] else (("cos", "cos"), ("sin", "sin"))

    def term(waves: tuple[str, str]) -> str:
        return f"\\{waves[0]}(w_{{{k}}}{a})\\,\\{waves[1]}(w_{{{k}}}{b})"

    sign = "-" if r.second[at] < 0 else "+"
    whole = f"\\{'sin' if r.sine[at] else 'cos'}(w_{{{k}}}({a}{'+' if r.sign > 0 else '-'}{b}))"
    pieces = [f"{r.first[at]:.1f}\\,{term(first)}", f"{sign}{abs(r.second[at]):.1f}\\,{term(second)}",
              f"\\approx{r.wave[at]:.1f}\\,{whole}"]  # fmt: skip
    if 2 * k == r.n:
        del pieces[1]  # no sine
    fit = max(1, int(room / (13.2 if x.log else 10.6)))  # pieces a line
    return [f"${{}}{''.join(pieces[i : i + fit])}$" for i in range(0, len(pieces), fit)]


def _rows(width: float, t: float, x: Any) -> float:
    if isinstance(x, str):
        return 6 * t
    lines = sum(len(_polynomial(x, at, _room(width, t))) for at in range(len(x.rows.frequency)))
    return (1.6 + 0.35 + ROW * lines + 1.2) * t


CONTENTS: dict[str, tuple[str, Callable[[Ask], Content]]] = {
    "Table 1": ("What the components of W_L read from the MLP", waves),
}
DRAWINGS: dict[str, Drawing] = {
    "Table 1": Drawing(draw_waves, _rows, free=True),
}
