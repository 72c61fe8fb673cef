"""What is said of a layer's heads in words and numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from PySide6.QtGui import QColor

from app.views.head_table import HeadRow
from app.views.legend import value_text
from app.views.neuron_facts import NOT_KNOWN, degrees
from engine.analysis.attention_replaced import COSINE, LINE, OWN, Replaced
from engine.analysis.heads import HeadPicture

_OPPOSITE = -0.5  # correlation of the attention to a from which two heads are said to share it out
SEEN = ("a", "b", "=")


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def explained(x: HeadPicture, head: int) -> str:
    """By its fit; — where that is worse than the mean, or there is none."""
    if x.fit is None or x.fit.explained[head] <= 0:
        return NOT_KNOWN
    return percent(float(x.fit.explained[head]))


def of_the_fit(x: HeadPicture, head: int) -> tuple[str, str]:
    """C and wθ."""
    if x.fit is None or x.fit.explained[head] <= 0:
        return NOT_KNOWN, NOT_KNOWN
    return f"{x.fit.amplitude[head]:.3f}", degrees(math.degrees(float(x.fit.phase[head])))


def rows(x: HeadPicture, colour: Callable[[int], QColor]) -> list[HeadRow]:
    """A line a head."""
    found = []
    for head, k in enumerate(x.frequency.tolist()):
        amplitude, phase = of_the_fit(x, head)
        share = x.share is not None and k > 0
        texts = {"head": str(head), "a": f"{x.mean[head, 0]:.3f}", "b": f"{x.mean[head, 1]:.3f}"}
        texts["="] = percent(float(x.mean[head, 2]), 2)
        if x.basis is not None:
            texts |= {"k": str(k) if k else NOT_KNOWN, "fit": explained(x, head)}
            texts |= {"amplitude": amplitude, "phase": phase}
        if x.share is not None:
            texts["share"] = percent(float(x.share[head, k - 1]), 2) if share else NOT_KNOWN
        if x.values is not None:
            texts["writes"] = percent(float(x.values[head, k - 1]), 0) if k else NOT_KNOWN
        found.append(HeadRow(texts, k, colour(k), _more(x, head)))
    return found


def _more(x: HeadPicture, head: int) -> str:
    """Beyond the table: the fit's own frequency where it is another, and whom it shares the attention out with."""
    said = []
    if x.fit is not None and x.fit.explained[head] > 0 and x.fit.frequency[head] != x.frequency[head]:
        said.append(f"Its pattern is fitted best by k = {x.fit.frequency[head]}.")
    if x.n_heads > 1:
        others = ", ".join(f"head {i}: {_signed(x.apart[head, i])}" for i in range(x.n_heads) if i != head)
        said.append(f"Correlation of its attention to a with that of {others} (−1: together they see both alike).")
    return "\n".join(said)


def _signed(r: float) -> str:
    return f"{r:+.2f}".replace("-", "−")


def sentence(x: HeadPicture, head: int) -> tuple[str, str]:
    """Of the head on show, long and short."""
    k = int(x.frequency[head])
    if x.basis is None:
        to = " · ".join(f"to {name} {percent(float(x.mean[head, i]))}" for i, name in enumerate(SEEN))
        return f"Head {head}, on average {to}", f"Head {head}: {to}"
    if not k:
        why = "prefers no frequency" if x.share is not None else "no cosine explains its pattern"
        return f"Head {head}: {why}", f"Head {head}: {why}"
    waves = "cos w({} + θ) − cos w({} + θ)".format(*operands(x))
    first, short = "", f"Head {head}: k = {k}"
    if x.share is not None:
        first = f"{percent(float(x.share[head, k - 1]))} of its scores at k = {k} · "
        short += f", {percent(float(x.share[head, k - 1]))} of Cⱼ"
    fit = "no cosine explains its pattern"
    if explained(x, head) != NOT_KNOWN:
        fit = f"0.5 ± {of_the_fit(x, head)[0]} ({waves}) explains {explained(x, head)} of its pattern"
        short += f", fit {explained(x, head)}"
    return f"Head {head}: {first}{fit}{_partner(x, head)}", short


def _partner(x: HeadPicture, head: int) -> str:
    """The head that looks at b where this one looks at a, if there is one."""
    if x.n_heads < 2:
        return ""
    other = int(np.argmin(x.apart[head]))
    r = float(x.apart[head, other])
    return f" · shares the attention out with head {other} (r = {_signed(r)})" if r <= _OPPOSITE else ""


def operands(x: HeadPicture) -> tuple[str, str]:
    """What the cosines are of."""
    return ("a", "b") if x.basis is None or x.basis.generator is None else ("log a", "log b")


def losses(known: Mapping[str, Replaced], x: HeadPicture) -> tuple[str, str]:
    """Of the model with its patterns made simpler, long and short; … while they are computed."""
    if x.config.n_layers > 1:
        said = "Patterns are made simpler, and their loss told, in models of one layer only."
        return said, said

    def loss(how: str) -> str:
        return value_text(known[how].loss) if how in known else "…"

    cosine, brief = "", ""
    if x.basis is not None:
        cosine, brief = f", with one cosine each {loss(COSINE)}", f" · cosines {loss(COSINE)}"
    return (
        f"Loss over all pairs {loss(OWN)} · with a line for the sigmoid of every head {loss(LINE)}{cosine}",
        f"Loss {loss(OWN)} · line {loss(LINE)}{brief}",
    )
