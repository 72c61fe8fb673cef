"""What the logits view says and writes: its help, the caption, tables for export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.export import Table, matrix_table
from app.numbers import epoch_text
from app.views.help import Help
from engine.analysis.logit_picture import CosineCurves, LogitNumbers, LogitPicture

HELP = Help(
    see="The map: the logits of all pairs as functions of (a, b), taken apart into products of waves of a and of "
    "b; colour is the norm over the outputs c, by frequency or (option) by single cosine and sine. Bars: α<sub>k"
    "</sub>, how much of cos w<sub>k</sub>(a + b − c) is in the logits of this checkpoint; the curves are the same "
    "over training. When the model is ablated, in <i>Surgery</i> or by a fader of <i>Two solutions</i>, map and "
    "bars follow, the curves do not.",
    look_for="After grokking a few bright cells on the diagonal, one for each key frequency: each wave of a meets "
    "the same wave of b, as a rotation by a + b must. On the mainline the five keys' cosines explain 96 % of "
    "the variance, and alone they do better than the model (4.1e-8 against 2.2e-7 over all pairs). Their α "
    "rise one after another: 14 first, 35 last.",
    wrong="Bright rows or columns at frequency 0: the logits depend on a or b alone. Bright cells off the "
    "diagonal: memory, or another algorithm. Negative α: the cosine is peaked at the wrong answer. Colours and "
    "axes are those of the layout's checkpoint and of the whole run: they stay while you scrub, and what is "
    "larger is painted with the last colour; the constant at (0, 0) does not count.",
    formula="map: ‖(F L<sub>c</sub> F<sup>T</sup>)<sub>ij</sub>‖ over c, F the orthonormal Fourier basis, cosines "
    "and sines of a frequency as the root of the sum of squares. α<sub>k</sub> = 2/p³ Σ L[a, b, c] "
    "cos w<sub>k</sub>(a + b − c) (1/p³ for k = p/2; a − b for subtraction), over all pairs: the least-squares "
    "coefficient. Explained: share of the variance of all p³ logits about their common mean.",
    paper="Fig. 4c (map), sec. 4.2 (95 % of the variance; loss 2.4e-7 becomes 4.7e-8), fig. 14 (α over training).",
)


def logits_tables(answer: LogitPicture, numbers: LogitNumbers | None, curves: CosineCurves | None) -> list[Table]:
    """Cosines, the spectrum, cosines over training.  numbers : in float64, once they are known"""
    k = np.arange(1, len(answer.coefficient) + 1)
    fit = None if numbers is None else numbers.fit
    found: dict[str, Any] = {"k": k, "alpha": answer.coefficient if fit is None else fit.coefficient}
    if fit is not None:
        found["share of the variance"] = fit.explained
    spectrum = answer if numbers is None or numbers.spectrum is None else numbers.spectrum
    names = [component_name(i) for i in range(len(answer.norm))]
    tables = [
        Table("cosines", found),
        matrix_table("spectrum", "component of a", "component of b", spectrum.norm, "norm", names, names),
    ]
    if curves is not None and len(curves.epochs):
        columns = {f"alpha of k = {i + 1}": x for i, x in enumerate(curves.coefficient.T)}
        tables.append(Table("cosines over training", {"epoch (steps)": curves.epochs, **columns}))
    return tables


def described(answer: LogitPicture, epoch: int, ablated: Sequence[str], keys: str, sentence: str) -> str:
    """The caption.  ablated : what is, in words    keys, sentence : as the view says them"""
    sign = "+" if answer.sign > 0 else "−"
    pair = f"a {sign} b − c" if answer.generator is None else f"log a {sign} log b − log c"
    parts = (
        f"Logits at epoch {epoch_text(epoch)}: norms over the outputs of their 2-D Fourier coefficients, "
        f"and coefficients α of cos w_k({pair}), over all pairs, at this checkpoint and over training.",
        f"Logarithms to the generator {answer.generator} of the units." if answer.generator is not None else "",
        f"Ablated, but for the curves over training: {'; '.join(ablated)}." if ablated else "",
        f"{keys.capitalize()}.",
        f"{sentence.capitalize()}." if sentence else "",
    )  # fmt: skip
    return " ".join(part for part in parts if part)


def component_name(i: int) -> str:
    """Of the i-th row of the Fourier basis: const, cos 1, sin 1, …"""
    return "const" if i == 0 else f"{'sin' if i % 2 == 0 else 'cos'} {(i + 1) // 2}"
