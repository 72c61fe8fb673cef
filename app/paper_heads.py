"""The paper's figure 8 and table 2 on a run: what the heads of the first layer look for, and their one frequency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.export import Table
from app.paper_data import Ask, Content, basis_of, component_names
from app.paper_page import LOOK, ROW, Drawing, Sheet, colour_of, say
from engine.analysis.attention import AttentionFourier, attention_fourier, attention_pattern

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
_COLUMNS = 2  # of panels


@dataclass(frozen=True, eq=False)
class Heads:
    """fourier : of the first layer's heads     mean : (n_heads, 3) attention to a, b, ="""

    fourier: AttentionFourier
    mean: Floats

    @property
    def frequency(self) -> list[int]:
        """Of the largest share of C_j; 0 where all are 0."""
        share = self.fourier.share
        return [int(of.argmax()) + 1 if of.max(initial=0) > 0 else 0 for of in share]

    @property
    def share(self) -> list[float]:
        return [float(of.max(initial=0)) for of in self.fourier.share]


def _heads(ask: Ask) -> Heads:
    return Heads(attention_fourier(ask.run, ask.step), attention_pattern(ask.run, ask.step).mean)


def _of_layer(ask: Ask) -> str:
    return " of the first layer" if ask.run.config.n_layers > 1 else ""


def head_scores(ask: Ask) -> Content:
    """Figure 8: C_j of every head in the Fourier basis."""
    basis = basis_of(ask.run)
    if isinstance(basis, str):
        return Content(basis, "", ())
    found = _heads(ask)
    caption = (
        f"What each head{_of_layer(ask)} looks for from =: C_j, the Fourier components along the residues of "
        "W_E W_K W_Qᵀ x, x what = starts from, not divided by √d_head; cosine dark, sine light, at each frequency k. "
        "The constant component is left out: the softmax hardly feels it. Named: the frequency with the largest share "
        "of the power."
    )
    each = {f"C_j of head {h}": of for h, of in enumerate(found.fourier.coefficient)}
    return Content(found, caption, (Table("scores", {"component": component_names(basis.n), **each}),))


def head_table(ask: Ask) -> Content:
    """Table 2: each head's frequency and how much of it that explains."""
    basis = basis_of(ask.run)
    if isinstance(basis, str):
        return Content(basis, "", ())
    found, heads = _heads(ask), range(len(_heads(ask).mean))
    fit = found.fourier
    a, b = ("a", "b") if basis.generator is None else ("log a", "log b")
    caption = (
        f"The heads{_of_layer(ask)}. k: the frequency with the largest share of C_j (figure 8), and that share, as the "
        "paper’s FVE. Pattern: share of the variance of the attention to a and to b over all pairs, each about its "
        f"mean, that 0.5 ± C (cos w({a} + θ) − cos w({b} + θ)) explains, at the best frequency for it; —: it is worse "
        "than the means. To =: mean attention of = to itself."
    )
    columns = {
        "head": np.array(heads), "k": np.array(found.frequency), "share of C_j": np.array(found.share),
        "k of the pattern": fit.frequency, "share of the pattern": fit.explained, "C": fit.amplitude,
        "phase w theta (degrees)": np.degrees(fit.phase),
        **{f"mean attention to {name}": found.mean[:, i] for i, name in enumerate(("a", "b", "="))},
    }  # fmt: skip
    return Content(found, caption, (Table("heads", columns),))


# -- drawing ---------------------------------------------------------------------------------------------------


def draw_scores(sheet: Sheet, x: Heads | str, keys: Sequence[int]) -> None:
    """A panel a head, all on one scale."""
    if isinstance(x, str):
        say(sheet.figure.subplots(), x, sheet, sheet.width)
        return
    n_heads = len(x.mean)
    columns = min(_COLUMNS, n_heads)
    rows = -(-n_heads // columns)
    panels = np.atleast_1d(sheet.figure.subplots(rows, columns, sharex=True, sharey=True)).reshape(-1)
    top = float(np.abs(x.fourier.coefficient[:, 1:]).max(initial=0)) or 1.0
    for head, axes in enumerate(panels.tolist()):
        if head >= n_heads:
            axes.set_axis_off()
            continue
        _panel(axes, x, head, keys)
        axes.set_ylim(-1.12 * top, 1.12 * top)
        if head % columns == 0:
            axes.set_ylabel("$C_j$")
        if head >= n_heads - columns:
            axes.set_xlabel("frequency $k$")
            axes.tick_params(labelbottom=True)


def _panel(axes: Axes, x: Heads, head: int, keys: Sequence[int]) -> None:
    of = x.fourier.coefficient[head]
    cosine, sine = of[1::2], np.zeros(len(of) // 2)
    sine[: len(of[2::2])] = of[2::2]  # k = n / 2 has none
    k = np.arange(1, len(cosine) + 1)
    colours = [colour_of(int(f), keys) for f in k]
    axes.axhline(0, color=LOOK.border, lw=0.6)
    axes.bar(k - 0.2, cosine, 0.4, color=colours, lw=0)
    axes.bar(k + 0.2, sine, 0.4, color=colours, alpha=0.5, lw=0)
    axes.set_xlim(0.2, max(len(k), 1) + 0.8)
    best = x.frequency[head]
    name = f"head {head}: $k={best}$, {100 * x.share[head]:.1f} %" if best else f"head {head}"
    axes.set_title(name, color=colour_of(best, keys) if best in keys else LOOK.text)


def draw_table(sheet: Sheet, x: Heads | str, keys: Sequence[int]) -> None:
    """Rows between rules, as tables are set."""
    page = sheet.figure.add_axes((0, 0, 1, 1))
    page.set_axis_off()
    if isinstance(x, str):
        say(page, x, sheet, sheet.width)
        return
    width, height = sheet.figure.get_size_inches() * 72
    page.set(xlim=(0, width), ylim=(height, 0))
    t, fit = sheet.type, x.fourier
    at = np.array([0.12, 0.25, 0.45, 0.66, 0.81, 0.985]) * width
    y = 1.6 * t
    for right, text in zip(at, ("head", "$k$", "FVE, $C_j$", "pattern", "$C$", "to ="), strict=True):
        page.text(right, y, text, ha="right", va="center")
    page.plot([0, width], [0.5, 0.5], lw=1.0, color=LOOK.text)
    page.plot([0, width], [y + 1.1 * t] * 2, lw=0.6, color=LOOK.text)
    y += 0.35 * t
    for head, (k, share) in enumerate(zip(x.frequency, x.share, strict=True)):
        y += ROW * t
        good = fit.explained[head] > 0
        texts = (
            str(head), str(k) if k else "—", f"{100 * share:.2f} %" if k else "—",
            f"{100 * fit.explained[head]:.1f} %" if good else "—", f"{fit.amplitude[head]:.3f}" if good else "—",
            f"{100 * x.mean[head, 2]:.2f} %",
        )  # fmt: skip
        for column, (right, text) in enumerate(zip(at, texts, strict=True)):
            colour = colour_of(k, keys) if column == 1 and k in keys else LOOK.text
            page.text(right, y, text, ha="right", va="center", color=colour)
    page.plot([0, width], [height - 0.5] * 2, lw=1.0, color=LOOK.text)


def _table_height(width: float, t: float, x: Any) -> float:
    return 6 * t if isinstance(x, str) else (1.6 + 0.35 + ROW * len(x.mean) + 1.2) * t


def _scores_height(width: float, t: float, x: Any) -> float:
    return 6 * t if isinstance(x, str) else -(-len(x.mean) // _COLUMNS) * (0.15 * width + 2.6 * t) + 3.5 * t


CONTENTS: dict[str, tuple[str, Callable[[Ask], Content]]] = {
    "Figure 8": ("What the heads look for", head_scores),
    "Table 2": ("Heads and their frequencies", head_table),
}
DRAWINGS: dict[str, Drawing] = {
    "Figure 8": Drawing(draw_scores, _scores_height),
    "Table 2": Drawing(draw_table, _table_height, free=True),
}
