"""What is ablated, in words: in the order of composition, as short as they can be understood."""

from __future__ import annotations

from collections.abc import Sequence

from engine.analysis.ablation import ATTENTION, BLOCK, CARRIERS, CLEAR, ONTO, SUM, Ablation, Frequencies, Units

_FEW = 5  # are named one by one


def mix_text(ablation: Ablation, digits: str = ".2f") -> str:
    """The two solutions' factors."""
    return f"g = {ablation.generalising:{digits}}, m = {ablation.memorising:{digits}}"


def cut_texts(ablation: Ablation, n_layers: int = 1) -> list[str]:
    """What is taken away before the two solutions, a few words each.  n_layers : of the model"""
    found = [
        _units(ablation.heads, "head", n_layers),
        _units(ablation.neurons, "neuron", n_layers),
        *_skips(ablation.skips, n_layers),
        _polynomials(ablation.polynomials),
        _at_neurons(ablation.neuron_frequencies),
        _projection(ablation.projection),
        _at_logits(ablation.logit_frequencies),
    ]
    return [text for text in found if text]


def ablation_texts(ablation: Ablation, n_layers: int = 1) -> list[str]:
    """All of it; empty: the whole model."""
    return [*cut_texts(ablation, n_layers), *([mix_text(ablation)] if ablation.is_mixed else [])]


def ablation_text(ablation: Ablation, n_layers: int = 1, room: int = 1000) -> str:
    """All of it in one line; where it takes more than `room` characters, how many things it is."""
    found = ablation_texts(ablation, n_layers)
    text = " · ".join(found)
    if len(text) <= room or len(found) < 2:
        return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"
    mixed = f" · {found[-1]}" if ablation.is_mixed else ""
    return f"{len(found) - bool(mixed)} cut{'s' * (len(found) - bool(mixed) > 1)}{mixed}"


def ablation_sentence(ablation: Ablation, n_layers: int = 1) -> str:
    """For a caption; empty: the whole model."""
    cuts = cut_texts(ablation, n_layers)
    said = [f"Ablated: {'; '.join(cuts)}."] if cuts else []
    if ablation.is_mixed:
        said.append(f"Generalising part × {ablation.generalising:g}, memorising part × {ablation.memorising:g}.")
    return " ".join(said)


def numbers(of: Sequence[int]) -> str:
    """1, 2, 3, 7 as "1–3 7"."""
    runs: list[list[int]] = []
    for i in of:
        if runs and runs[-1][-1] == i - 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    return " ".join(str(r[0]) if len(r) == 1 else f"{r[0]}{'–' if len(r) > 2 else ' '}{r[-1]}" for r in runs)


def named(of: Sequence[tuple[int, int]], n_layers: int) -> str:
    """Indices; with their layer where there are several."""
    if n_layers == 1:
        return numbers([i for _, i in of])
    layers = sorted({layer for layer, _ in of})
    return ", ".join(f"layer {layer}: {numbers([i for la, i in of if la == layer])}" for layer in layers)


def _units(part: Units, noun: str, n_layers: int) -> str:
    if part.is_whole:
        return ""
    many = len(part.of) > _FEW
    plural = "s" * (len(part.of) > 1)
    which = f"{len(part.of)} {noun}s" if many else f"{noun}{plural} {named(part.of, n_layers)}"
    to = "mean" if part.mean else "0"
    return f"only {which} (others at {to})" if part.keep else f"{which} at {to}"


def _skips(part: Units, n_layers: int) -> list[str]:
    said = []
    for layer in range(n_layers):
        for around in part.taken(layer, 2):
            where = "attention" if around == ATTENTION else "the MLP"
            deep = f" of layer {layer}" if n_layers > 1 else ""
            said.append(f"skip around {where}{deep} at {'its mean' if part.mean else '0'}")
    return said


def _polynomials(kind: str) -> str:
    return {"": "", CLEAR: "neurons with FVE ≥ 0.85 by their polynomials"}.get(kind, "all neurons by their polynomials")


def _at_neurons(part: Frequencies) -> str:
    if part.is_whole:
        return ""
    k = f"k = {numbers(part.of)}"
    if part.what == CARRIERS:
        to = "mean" if part.mean else "0"
        return f"only neurons of {k} (others at {to})" if part.keep else f"neurons of {k} at {to}"
    return f"{_kept(part)} in neurons" if part.keep else f"{k} out of neurons ({_what(part)})"


def _at_logits(part: Frequencies) -> str:
    if part.is_whole:
        return ""
    k = f"k = {numbers(part.of)}"
    return f"{_kept(part)} in logits" if part.keep else f"{k} out of logits" + _unless_sum(part)


def _kept(part: Frequencies) -> str:
    constant = " and the constant" if part.mean else ""
    return f"only k = {numbers(part.of)}{constant}{_unless_sum(part)}"


def _unless_sum(part: Frequencies) -> str:
    return "" if part.what == SUM else f" ({_what(part)})"


def _what(part: Frequencies) -> str:
    return "all 8 components" if part.what == BLOCK else "waves of the answer"


def _projection(kind: str) -> str:
    if not kind:
        return ""
    return "neurons on the keys' directions of W_L" if kind == ONTO else "neurons off the keys' directions of W_L"
