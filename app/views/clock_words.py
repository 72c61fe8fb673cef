"""What the clock says of a pair, in plain words and numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from app.views.circles import keys_text
from app.views.clock_painting import PENDING, Hit, percent, signed
from engine.analysis.clock import Clock, Dial

STAGES = ("Embed", "Rotate & add", "Read off", "Sum")
MOST = 12  # faces
_PART = 0.2  # of a pair's logits
_NEAR = 0.35  # of a hand's length: the model's points are at its tips


def operator_of(symbol: str) -> str:
    """ "+" of "a + b"."""
    return symbol.split()[1]


def strong(text: object) -> str:
    """In the weight that the typeface has."""
    return f"<span style='font-weight:600'>{str(text).replace('&', '&amp;')}</span>"


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def faces(answer: Clock, selected: int | None) -> tuple[int, ...]:
    """The frequencies that have a clock: the keys, of many those that speak loudest; and the selected one."""
    dial, keys = answer.dial, answer.keys
    if dial is None:
        return ()
    if len(keys) > MOST:
        loudest = sorted(keys, key=lambda k: -abs(float(dial.coefficient[k - 1])))[:MOST]
        keys = tuple(sorted(loudest))
    extra = selected is not None and selected not in keys and selected <= dial.n // 2
    return (*keys, selected) if extra and selected is not None else keys


def subtitle(answer: Clock, shown: tuple[int, ...]) -> str:
    """The set, and what of it is shown."""
    said = [keys_text(answer.pinned)]
    if answer.dial is not None and len(shown) < len(answer.keys):
        said.append(f"{len(shown)} of {len(answer.keys)} shown")
    return " · ".join(said)


def verdict(answer: Clock, known: Clock | None) -> tuple[str, ...]:
    """What the model makes of the pair, and what kind of pair it is; then the same in fewer and fewer words."""
    if answer.answer is None:
        return ("",)
    kind = "training pair" if answer.trained else "unseen pair"
    where = f"{kind}, an example: none is selected" if answer.example else kind
    sure = PENDING if known is None else probability_text(known.probability)
    right = answer.said == answer.answer
    says = f"{answer.said}: {'right' if right else 'wrong'}"
    probability = f"probability {sure}" if right else f"probability of {answer.answer} only {sure}"
    brief = f"{kind}, an example" if answer.example else kind
    return (
        f"the model says {says}, {probability} · {where}",
        f"the model says {says}, {probability} · {brief}",
        f"the model says {says} · {brief}",
        f"model: {says} · {kind}",
        f"model: {says}",
        f"says {says}",
    )


def probability_text(p: float) -> str:
    """Percent; near 0 and 1 what is left."""
    if p > 0.999:
        return f"1 − {_power(1 - p)}" if p < 1 else "1"
    return f"{100 * p:.1f} %" if p > 0.001 else _power(p)


def _power(value: float) -> str:
    """2·10⁻⁷"""
    if value <= 0:
        return "0"
    exponent = math.floor(math.log10(value * 1.05))
    raised = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value / 10**exponent:.0f}·10{raised}"


@dataclass(frozen=True)
class Words:
    """Rich text; `short` where there is little room."""

    text: str
    short: str = ""


def caption(answer: Clock, known: Clock | None, stage: int, symbol: str, selected: int | None) -> Words:
    """The algorithm in plain words, with this pair's numbers.  known : in float64, once it is there"""
    dial = answer.dial
    if dial is None:
        return Words("")
    if not answer.keys:
        short = "No key frequency yet: the model has no clocks."
        return Words(f"{short} The points are its logits for this pair.", short)
    k = selected if selected in answer.keys else answer.keys[0]
    assert k is not None
    exact = None if known is None else known.dial
    words = (_overview, _embed, _rotate, _read_off, _add_up)[stage](answer, dial, exact, k)
    if not stage:
        return words
    head = strong(f"{stage} {STAGES[stage - 1]}.")
    return Words(f"{head} {words.text}", f"{head} {words.short}")


def _overview(answer: Clock, dial: Dial, exact: Dial | None, k: int) -> Words:
    (a, b), m = answer.pair, len(answer.keys)
    clocks = "1 clock" if m == 1 else f"{m} clocks"
    adds = "add" if dial.sign > 0 else "are subtracted"
    alike = int(np.all([dial.cosines(key) > 1 - 1e-9 for key in answer.keys], axis=0).sum()) - 1
    only = f"only {strong(f'c = {answer.answer}')} makes every cosine 1"
    if alike:
        others = "one other does" if alike == 1 else f"{alike} others do"
        only = f"{strong(f'c = {answer.answer}')} makes every cosine 1, as {others}"
    does = "The model does not do it here"
    off = ": its rings are off the hands, its logits off the bars"
    if dial.explained > _PART:
        does, off = "The model does part of it", ": its rings and its logits are not yet where hands and bars are"
    if dial.explained > 0.5 and away(dial, answer.keys) < _NEAR:
        does, off = "The model does it", ": its rings sit at the tips of the hands, its logits on the bars"
    said = f"{a} and {b} become angles on {clocks}; the angles {adds}; and {only}, so there their sum peaks."
    return Words(f"{said} {does}{off}.", f"The angles {adds}; {only}. {does}.")


def _name_of(dial: Dial, residue: int, place: int) -> str:
    """12, or 12 = 3^8."""
    return str(residue) if dial.generator is None else f"{residue} = {dial.generator}<sup>{place}</sup>"


def _ticks(dial: Dial, k: int) -> tuple[int, int, int]:
    """Where a, b and the answer stand on clock k."""
    return k * dial.i % dial.n, k * dial.j % dial.n, k * dial.s % dial.n


def _embed(answer: Clock, dial: Dial, exact: Dial | None, k: int) -> Words:
    (a, b), n, (tick_a, tick_b, _) = answer.pair, dial.n, _ticks(dial, k)
    where = "at the tips of the hands" if away(dial, (k,)) < _NEAR else "off the hands"
    text = (
        f"Each token is stored as an angle. On clock {k}, a = {_name_of(dial, a, dial.i)} stands at "
        f"{k} · {dial.i} ≡ {strong(tick_a)} of {n} ticks, {tick_a / n:.2f} of a turn; b = {_name_of(dial, b, dial.j)} "
        f"at {strong(tick_b)}. The rings, where W<sub>E</sub> really puts them, are {where}."
    )
    return Words(text, f"On clock {k}, a stands at tick {tick_a} of {n}, b at {tick_b}; the model’s rings are {where}.")


def _rotate(answer: Clock, dial: Dial, exact: Dial | None, k: int) -> Words:
    tick_a, tick_b, tick = _ticks(dial, k)
    step, plus = ("on", "+") if dial.sign > 0 else ("back", "−")
    added = f"{tick_a} {plus} {tick_b} ≡ {strong(tick)} of {dial.n} ticks"
    text = (
        f"Turn to a, then {step} by b: on clock {k}, {added}. Whole turns drop out, which is what “modulo” means: the "
        f"thick hand points at the answer, {answer.answer}."
    )
    return Words(text, f"On clock {k}, {added}: the hand points at {answer.answer}.")


def _read_off(answer: Clock, dial: Dial, exact: Dial | None, k: int) -> Words:
    close = int((dial.cosines(k) > 0.9).sum())
    text = (
        "Each output c has its place on the rim, and scores the cosine of its angle to the thick hand: 1 for "
        f"c = {answer.answer}. But on clock {k} alone {close} outputs score above 0.9: one clock cannot tell them "
        "apart."
    )
    return Words(text, f"c = {answer.answer} scores 1, but on clock {k} alone {close} outputs score above 0.9.")


def _add_up(answer: Clock, dial: Dial, exact: Dial | None, k: int) -> Words:
    lead = share = PENDING
    if exact is not None:
        total = np.sort(exact.total(answer.keys))
        lead = signed(total[-1] - total[-2], 1) if len(total) > 1 else "0"
        share = percent(exact.explained)
    explains = f"explain {strong(share)} of the model’s logits for this pair; it says {answer.said}."
    text = (
        f"Weighted by the model’s α and added up, the cosines agree at c = {answer.answer} only, {lead} logits above "
        f"the next. The bars {explains}"
    )
    return Words(text, f"The bars {explains}")


def away(dial: Dial, keys: tuple[int, ...]) -> float:
    """How far the model's tokens are from the tips of their hands, root mean square in lengths of a hand."""
    k = np.array(keys)[:, None]
    angle = 2 * np.pi * (k * np.array([dial.i, dial.j]) % dial.n) / dial.n
    ideal = np.stack([np.cos(angle), np.sin(angle)], axis=2)
    ideal[2 * k[:, 0] == dial.n, :, 1] = 0
    return float(np.sqrt(np.square(dial.tokens[k[:, 0] - 1] - ideal).sum(axis=2).mean()))


def nearest_token(dial: Dial, k: int, turn: float, place: int) -> int:
    """The residue whose tick on clock k is nearest to a fraction of a turn; of equals the nearest to `place`."""
    n = dial.n
    places = np.arange(n)
    off = np.abs((k * places % n / n - turn + 0.5) % 1 - 0.5)
    round_trip = np.abs((places - place + n // 2) % n - n // 2)
    return int(dial.elements[np.lexsort((round_trip, np.round(off, 9)))[0]])


def read(answer: Clock, dial: Dial, hit: Hit) -> str:
    """What the pointer reads."""
    if hit.k is None:
        if hit.c is None:
            return ""
        total = float(dial.total(answer.keys)[hit.c])
        return f"c = {dial.elements[hit.c]} · sum {signed(total)} · model {signed(dial.logits[hit.c])} logits"
    if hit.c is not None:
        alpha, cosine = float(dial.coefficient[hit.k - 1]), float(dial.cosines(hit.k)[hit.c])
        product = f"cos {signed(cosine, 3)} × α {signed(alpha)} = {signed(alpha * cosine)} logits"
        return f"k = {hit.k}, c = {dial.elements[hit.c]} · {product}"
    parts = []
    for name, place, (up, right) in zip("ab", (dial.i, dial.j), dial.tokens[hit.k - 1].tolist(), strict=True):
        tick = hit.k * place % dial.n
        off = (math.degrees(math.atan2(right, up)) - 360 * tick / dial.n + 180) % 360 - 180
        parts.append(f"{name} at tick {tick}, the model {abs(off):.0f}° off at radius {math.hypot(up, right):.2f}")
    return f"k = {hit.k} · {' · '.join(parts)}"
