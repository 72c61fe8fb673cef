"""The paper's figures 3 and 6 on a run: the frequencies of the weights, and the loss without each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.export import Table
from app.paper_data import Ask, Content, basis_of, sum_said
from app.paper_page import LOOK, Drawing, Sheet, colour_of, say, spread, ticks_of_log
from engine.analysis.embedding import Spectrum, spectrum
from engine.analysis.logits import LossWithoutEach, loss_without_each

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# -- figure 3 --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Spectra:
    """keys : those of the figure"""

    embedding: Spectrum
    neuron_logit: Spectrum
    keys: tuple[int, ...]


def spectra(ask: Ask) -> Content:
    """Figure 3: norms of the Fourier components of W_E and of W_L."""
    basis = basis_of(ask.run)
    what = (
        "Norms of the Fourier components along the residues of the embedding W_E (top) and, along the outputs, of the "
        "neuron–logit map W_L = W_out W_U of the last layer (bottom): cosine dark, sine light, at each frequency k. "
        "The constant component is left out."
    )
    if isinstance(basis, str):
        return Content(basis, "", ())
    embedding, neuron_logit = (spectrum(ask.run, ask.step, ask.step, which) for which in ("W_E", "W_L"))
    found = Spectra(embedding, neuron_logit, ask.keys)
    tables = tuple(
        Table(s.which, {"k": np.arange(1, len(s.cos) + 1), "cos (norm)": s.cos, "sin (norm)": s.sin})
        for s in (found.embedding, found.neuron_logit)
    )
    return Content(found, what, tables)


def draw_spectra(sheet: Sheet, x: Spectra | str, keys: Sequence[int]) -> None:
    """W_E on top of W_L."""
    if isinstance(x, str):
        say(sheet.figure.subplots(), x, sheet, sheet.width)
        return
    panels = sheet.figure.subplots(2, 1, sharex=True)
    for axes, found in zip(panels, (x.embedding, x.neuron_logit), strict=True):
        _bars(sheet, axes, found, x.keys)
        axes.set_ylabel(f"norm in ${found.which}$")
    panels[1].set_xlabel("frequency $k$")


def _bars(sheet: Sheet, axes: Axes, x: Spectrum, keys: Sequence[int]) -> None:
    from matplotlib.patches import Patch

    k = np.arange(1, len(x.cos) + 1)
    colours = [colour_of(int(f), keys) for f in k]
    axes.bar(k - 0.2, x.cos, 0.4, color=colours, lw=0)
    axes.bar(k + 0.2, x.sin, 0.4, color=colours, alpha=0.5, lw=0)
    highest = float(max(x.cos.max(initial=0.0), x.sin.max(initial=0.0))) or 1.0
    axes.set(xlim=(0.2, len(k) + 0.8), ylim=(0, 1.16 * highest))
    unit = (len(k) + 0.6) / (sheet.width - 5 * sheet.type)
    at = spread([float(key) for key in keys], (0.5 * len(str(max(keys, default=1))) + 0.25) * sheet.type * unit)
    for key, place in zip(keys, at, strict=True):
        axes.text(
            place, float(max(x.cos[key - 1], x.sin[key - 1])) + 0.02 * highest, str(key), ha="center", va="bottom",
            color=colour_of(key, keys),
        )  # fmt: skip
    if x.which == "W_E":
        samples = [Patch(color=LOOK.other_frequency), Patch(color=LOOK.other_frequency, alpha=0.5)]
        axes.legend(
            samples, ["cos", "sin"], loc="lower left", bbox_to_anchor=(0.0, 1.01), ncols=2, handlelength=0.8,
            handleheight=0.8,
        )  # fmt: skip


# -- figure 6 --------------------------------------------------------------------------------------------------


def without_each(ask: Ask) -> Content:
    """Figure 6: the loss without each frequency, and with the key frequencies only."""
    basis = basis_of(ask.run)
    what = (
        f"Mean cross-entropy (nats) over all pairs of the logits L − P_k L, P_k the projection on cos and sin of "
        f"w_k({sum_said(ask)}). Line: the unablated loss, from which the stems start. "
    )
    if isinstance(basis, str):
        return Content(basis, "", ())
    found = loss_without_each(ask.run, ask.step, ask.keys)
    what += "Diamond: everything but the key frequencies and the mean taken away (restricted loss)." if ask.keys else ""
    splits = {"all pairs": found.all_pairs, "train": found.train, "test": found.test}
    k = np.arange(1, len(found.all_pairs) + 1)
    each = {f"loss without k, {name} (nats)": x for name, x in splits.items() if x is not None}
    marks: dict[str, Any] = {"model": [found.full]}
    if ask.keys:
        marks |= {"only the keys": [found.only_keys], "without the keys": [found.without_keys]}
    rows = [x[0] for x in marks.values()]
    whole = {f"loss, {name} (nats)": [getattr(r, field) for r in rows] for name, field in
             (("all pairs", "all_pairs"), ("train", "train"), ("test", "test"))
             if all(getattr(r, field) is not None for r in rows)}  # fmt: skip
    return Content(
        found, what, (Table("without-each", {"k": k, **each}), Table("whole", {"logits": list(marks), **whole}))
    )


def draw_without_each(sheet: Sheet, x: LossWithoutEach | str, keys: Sequence[int]) -> None:
    """A stem a frequency, from the loss of the model as it is."""
    if isinstance(x, str):
        say(sheet.figure.subplots(), x, sheet, sheet.width)
        return
    n = len(x.all_pairs)
    axes = sheet.figure.subplots()
    axes.set_yscale("log")
    k = np.arange(1, n + 1)
    whole = x.full.all_pairs
    axes.axhline(whole, color=LOOK.text, lw=0.8)
    for f, loss in zip(k.tolist(), x.all_pairs.tolist(), strict=True):
        is_key = f in keys
        colour = colour_of(f, keys)
        axes.plot([f, f], [whole, loss], lw=1.6 if is_key else 1.0, color=colour, solid_capstyle="butt")
        axes.plot([f], [loss], "o", ms=3.4 if is_key else 2.2, mew=0, color=colour)
    low, high = (f([*x.all_pairs.tolist(), whole]) for f in (min, max))
    end = 1.055 * n + 1
    if keys:
        only = x.only_keys.all_pairs
        low, high = min(low, only), max(high, only)
        axes.plot([end, end], [whole, only], lw=1.6, color=LOOK.restricted, solid_capstyle="butt")
        axes.plot([end], [only], "D", ms=3.4, mew=0, color=LOOK.restricted)
        apart = abs(np.log(only / whole)) > 0.12 * np.log(max(high / low, 1.5))
        axes.annotate(
            f"only the keys: {_power(only)}", (end, only), (-4, 0 if apart else -3), textcoords="offset points",
            ha="right", va="center" if apart else "top", color=LOOK.restricted,
        )  # fmt: skip
    span = max(high / low, 1.5)
    axes.set(ylim=(low / span**0.12, high * span**0.16), xlim=(0.2, end + 0.02 * n + 0.3))
    ticks = range(10, n + 1, 10) if n >= 10 else k.tolist()
    axes.set(xlabel="frequency $k$ taken away", ylabel="loss (nats)", xticks=ticks)
    ticks_of_log(axes)
    axes.annotate(
        f"unablated: {_power(whole)}", (0.6, whole), (0, -2.5), textcoords="offset points", ha="left", va="top",
    )  # fmt: skip
    unit = (n + 0.6) / (sheet.width - 6 * sheet.type)
    gap = (0.5 * len(str(max(keys, default=1))) + 0.25) * sheet.type * unit
    for key, place in zip(keys, spread([float(key) for key in keys], gap), strict=True):
        up = x.all_pairs[key - 1] >= whole
        axes.annotate(
            str(key), (place, float(x.all_pairs[key - 1])), (0, 2.5 if up else -2.5), textcoords="offset points",
            ha="center", va="bottom" if up else "top", color=colour_of(key, keys),
        )  # fmt: skip


def _power(value: float) -> str:
    """2.2 × 10⁻⁷, or a plain number near 1"""
    if 0.01 <= value < 1000:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"${mantissa}\\times10^{{{int(exponent)}}}$"


CONTENTS: dict[str, tuple[str, Callable[[Ask], Content]]] = {
    "Figure 3": ("Fourier components of W_E and W_L", spectra),
    "Figure 6": ("Loss when frequencies are taken away", without_each),
}
DRAWINGS: dict[str, Drawing] = {
    "Figure 3": Drawing(draw_spectra, lambda w, t, _: 0.40 * w + 4 * t),
    "Figure 6": Drawing(draw_without_each, lambda w, t, _: 0.30 * w + 4 * t),
}
