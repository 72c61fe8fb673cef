"""What can be taken away, as rows of data: their names, the ways to take it away, and what a click makes of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app import theme
from app.ablation_words import named
from app.views.chips import ChipItem
from engine.analysis.ablation import (
    ATTENTION,
    BLOCK,
    CARRIERS,
    CLEAR,
    EVERY,
    MLP,
    NULL,
    ONTO,
    SUM,
    Ablation,
    Frequencies,
    Units,
)
from engine.config import Config

_CHIPS = 14  # of frequencies at most; the field has them all


@dataclass(frozen=True)
class Mode:
    """text : in the list of ways    tip : what it does    fields : of the part, by their names"""

    text: str
    tip: str
    fields: tuple[tuple[str, Any], ...]


def _mode(text: str, tip: str, **fields: Any) -> Mode:
    return Mode(text, tip, tuple(fields.items()))


_MEAN = "their mean over the task's pairs in the whole model at the checkpoint on show"
_UNITS = (
    _mode("at 0", "What is ticked is 0", keep=False, mean=False),
    _mode("at mean", f"What is ticked stands at {_MEAN}", keep=False, mean=True),
    _mode("only, rest at 0", "All others are 0", keep=True, mean=False),
    _mode("only, rest at mean", f"All others stand at {_MEAN}", keep=True, mean=True),
)
_WAVES = (
    _mode("out: waves of a ± b", "Without cosine and sine of w_k(a ± b), P_k", what=SUM, keep=False, mean=True),
    _mode("only: waves of a ± b", "Only these waves, and the constant", what=SUM, keep=True, mean=True),
    _mode("only, no constant", "Only these waves; the constant is 0", what=SUM, keep=True, mean=False),
    _mode("out: 8 components", "Without cosines and sines of a, of b, and their products", what=BLOCK,
          keep=False, mean=True),
    _mode("only: 8 components", "Only these components, and the constant", what=BLOCK, keep=True, mean=True),
    _mode("only 8, no constant", "Only these components; the constant is 0", what=BLOCK, keep=True, mean=False),
)  # fmt: skip
_CARRIERS = (
    _mode("neurons at mean", f"Neurons that carry a ticked k (FVE ≥ 0.85) stand at {_MEAN}", what=CARRIERS,
          keep=False, mean=True),
    _mode("neurons at 0", "Neurons that carry a ticked k (FVE ≥ 0.85) are 0", what=CARRIERS, keep=False,
          mean=False),
    _mode("only, rest at mean", f"All other neurons stand at {_MEAN}", what=CARRIERS, keep=True, mean=True),
    _mode("only, rest at 0", "All other neurons are 0", what=CARRIERS, keep=True, mean=False),
)  # fmt: skip


@dataclass(frozen=True)
class RowSpec:
    """A row of the desk.

    part : field of `Ablation`    title, tip : what it is    modes : ways to take away; a part that is no set has them
        by its values     has_field : whether numbers can be typed
    """

    part: str
    title: str
    tip: str
    modes: tuple[Mode, ...]
    chips: bool = True
    has_field: bool = False


ROWS = (
    RowSpec("heads", "Heads", "Outputs of attention heads, before they are added to the residual stream", _UNITS),
    RowSpec("skips", "Skips", "The residual stream that goes around attention or around the MLP", _UNITS[:2]),
    RowSpec("neurons", "Neurons", "Activations after ReLU, of all neurons or of the last layer's by number", _UNITS,
            has_field=True),
    RowSpec("polynomials", "Neurons' shape", "Each neuron by its polynomial of degree 2: the constant and the eight "
            "components of its own frequency", (
                _mode("as they are", "The activations", value=""),
                _mode("polynomials ≥ 0.85", "Where the neuron's frequency explains 85 %", value=CLEAR),
                _mode("polynomials, all", "Every neuron that has a frequency", value=EVERY),
            ), chips=False),
    RowSpec("neuron_frequencies", "k in neurons", "Frequencies in the last layer's activations", _CARRIERS + _WAVES,
            has_field=True),
    RowSpec("projection", "Neurons on W_L", "Activations projected on the directions u_k, v_k of the neuron–logit "
            "map at the key frequencies", (
                _mode("as they are", "The activations", value=""),
                _mode("on key directions", "Only what W_L reads at the keys", value=ONTO),
                _mode("on their null space", "Only what it does not", value=NULL),
            ), chips=False),
    RowSpec("logit_frequencies", "k in logits", "Frequencies in the logits of all pairs", _WAVES, has_field=True),
)  # fmt: skip


def mode_of(spec: RowSpec, ablation: Ablation) -> int:
    """Place of the way that is in effect."""
    part = getattr(ablation, spec.part)
    for i, mode in enumerate(spec.modes):
        values = dict(mode.fields)
        if (part == values["value"]) if "value" in values else all(getattr(part, n) == v for n, v in values.items()):
            return i
    if isinstance(part, Frequencies):  # without `keep` the constant of waves is of no matter
        return mode_of(spec, _with(spec, ablation, replace(part, mean=True)))
    return 0


def with_mode(spec: RowSpec, ablation: Ablation, place: int) -> Ablation:
    """Another way."""
    values = dict(spec.modes[place].fields)
    if "value" in values:
        return _with(spec, ablation, values["value"])
    return _with(spec, ablation, replace(getattr(ablation, spec.part), **values))


def _with(spec: RowSpec, ablation: Ablation, value: Any) -> Ablation:
    fields: dict[str, Any] = {spec.part: value}
    return replace(ablation, **fields)


def is_active(spec: RowSpec, ablation: Ablation) -> bool:
    """Whether something is taken away by this row."""
    part = getattr(ablation, spec.part)
    return bool(part) if isinstance(part, str) else not part.is_whole


def chips_of(
    spec: RowSpec, ablation: Ablation, config: Config, keys: Sequence[int], frequency: int | None,
    neurons: Sequence[tuple[int, int]],
) -> tuple[list[ChipItem], Callable[[Hashable], bool]]:  # fmt: skip
    """A row's chips, and which are ticked.  keys, frequency, neurons : key frequencies and what is selected"""
    part = getattr(ablation, spec.part)
    if isinstance(part, Frequencies):
        return _frequencies(spec, part, config, keys, frequency), lambda key: key in part.of
    assert isinstance(part, Units)
    if spec.part == "neurons":
        there = bool(neurons) and set(neurons) <= set(part.of)
        who = named(tuple(neurons), config.n_layers) if neurons else "none"
        item = ChipItem("selected", f"selected · {len(neurons)}", f"The selected neurons: {who}")
        return [item], lambda _: there
    return _units(spec, config), lambda key: key in part.of


def _frequencies(
    spec: RowSpec, part: Frequencies, config: Config, keys: Sequence[int], frequency: int | None
) -> list[ChipItem]:
    where = "logits" if spec.part == "logit_frequencies" else "neurons"
    more = [k for k in dict.fromkeys((*([] if frequency is None else [frequency]), *part.of)) if k not in keys]
    shown = sorted((*keys, *more[: max(0, _CHIPS - len(keys))]))
    colours = {k: theme.frequency_colour(k, keys).name() for k in keys}
    return [ChipItem(k, str(k), f"Frequency {k} in the {where}", colours.get(k)) for k in shown]


def _units(spec: RowSpec, config: Config) -> list[ChipItem]:
    found = []
    for layer in range(config.n_layers):
        deep = f" of layer {layer}" if config.n_layers > 1 else ""
        short = f"{layer}·" if config.n_layers > 1 else ""
        if spec.part == "heads":
            found += [ChipItem((layer, h), f"{short}{h}", f"Head {h}{deep}") for h in range(config.n_heads)]
        else:
            around = ((ATTENTION, "attention"), (MLP, "MLP"))
            found += [ChipItem((layer, i), f"{short}{name}", f"The skip around {name}{deep}") for i, name in around]
    return found


def toggled(spec: RowSpec, ablation: Ablation, key: Hashable, neurons: Sequence[tuple[int, int]]) -> Ablation:
    """A chip is clicked: ticked, or not any more."""
    part = getattr(ablation, spec.part)
    if key == "selected":
        there = set(neurons) <= set(part.of)
        of = set(part.of) - set(neurons) if there else set(part.of) | set(neurons)
    else:
        of = set(part.of) ^ {key}
    return _with(spec, ablation, replace(part, of=tuple(of)))


def numbers_of(spec: RowSpec, ablation: Ablation, config: Config) -> tuple[tuple[int, ...], int, int]:
    """What the field shows, and the least and the largest number it takes; of neurons those of the last layer."""
    part = getattr(ablation, spec.part)
    if isinstance(part, Frequencies):
        return part.of, 1, config.p // 2
    last = config.n_layers - 1
    return tuple(i for layer, i in part.of if layer == last), 0, config.d_mlp - 1


def with_numbers(spec: RowSpec, ablation: Ablation, of: Sequence[int], config: Config) -> Ablation:
    """The field is filled in; neurons of earlier layers stay."""
    part = getattr(ablation, spec.part)
    if isinstance(part, Frequencies):
        return _with(spec, ablation, replace(part, of=tuple(of)))
    last = config.n_layers - 1
    others = tuple(unit for unit in part.of if unit[0] != last)
    return _with(spec, ablation, replace(part, of=(*others, *((last, i) for i in of))))
