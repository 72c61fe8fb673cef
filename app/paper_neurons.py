"""The paper's figures 4 and 5 on a run: what is periodic, from attention to logits, and the neurons' frequencies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.export import Table, matrix_table
from app.numbers import epoch_text
from app.paper_data import Ask, Content, basis_of, component_names
from app.paper_page import LOOK, Drawing, Sheet, colour_bar, map_of, middles, name_keys, say
from engine.analysis.attention import attention_pattern
from engine.analysis.logits import logit_spectrum
from engine.analysis.measures import character_frequencies
from engine.analysis.neuron import neuron_activation
from engine.analysis.neuron_logit import neuron_logit_map
from engine.analysis.neurons import THRESHOLD, NeuronFrequencies
from engine.fourier import components
from engine.fourier import spectrum as fourier_coefficients
from engine.replay import hidden
from engine.runfile import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BINS = 20  # of the histogram of FVE (paper, fig. 5a)


# -- figure 4 --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Periodic:
    """attention : (p, p) of `head`, row a, column b     activation : (p, p) of `neuron` = (layer, index)
    logits : (n, n) norm of each 2-D Fourier component, or why there is none     frequency, fve : of the neuron; 0: none
    """

    attention: Floats
    head: int
    activation: Floats
    neuron: tuple[int, int]
    frequency: int
    fve: float
    logits: Floats | str
    keys: tuple[int, ...]


def periodic(ask: Ask) -> Content:
    """Figure 4: attention, an MLP neuron, and the logits in the 2-D Fourier basis."""
    run, step = ask.run, ask.step
    basis = basis_of(run)
    frequencies = None if isinstance(basis, str) else neurons_of(run, step)
    layer, index = ask.neuron or (run.config.n_layers - 1, int(_clearest(run, step, frequencies)))
    attention = attention_pattern(run, step).pattern[ask.head, :, :, 0]
    k, fve = 0, 0.0
    if frequencies is not None and layer == run.config.n_layers - 1:
        k, fve = int(frequencies.frequency[index]), float(frequencies.fve[index])
    found = Periodic(
        attention, ask.head, neuron_activation(run, step, layer, index), (layer, index), k, fve,
        basis if isinstance(basis, str) else logit_spectrum(run, step).norm, ask.keys,
    )  # fmt: skip
    of = f"best frequency {k}, FVE {fve:.3f}" if k else "no frequency of its own"
    chosen = "" if ask.neuron else ", the clearest one"
    last = f"layer {layer}, " if run.config.n_layers > 1 else ""
    caption = (
        f"(a) Attention of head {ask.head} from = to a, after the softmax, for every pair (a, b). "
        f"(b) Activation of MLP neuron {index}{chosen} ({last}{of}). "
    )
    if not isinstance(found.logits, str):
        caption += (
            "(c) Norm over the outputs of the logits' 2-D Fourier components: constant first, then cosine and sine of "
            "each frequency; the colours end at the largest but for the constant one."
        )
    tables = [
        matrix_table("attention", "a", "b", found.attention, "attention to a"),
        matrix_table("neuron", "a", "b", found.activation, "activation"),
    ]
    if not isinstance(found.logits, str):
        names = component_names(len(found.logits))
        tables.append(matrix_table("logits", "component of a", "component of b", found.logits, "norm", names, names))
    return Content(found, caption, tuple(tables))


@lru_cache(maxsize=8)
def neurons_of(run: Run, step: int) -> NeuronFrequencies:
    """Frequencies of the last layer's neurons in the task's basis, float64. Raises `NoBasis`."""
    return character_frequencies(run.config, hidden(run, step).mlp_post[-1])


def _clearest(run: Run, step: int, found: NeuronFrequencies | None) -> np.intp:
    """The neuron with the largest FVE; without a basis the one that varies most."""
    return hidden(run, step).mlp_post[-1].var(axis=0).argmax() if found is None else found.fve.argmax()


def draw_periodic(sheet: Sheet, x: Periodic, keys: Sequence[int]) -> None:
    """Attention, a neuron, the logits; three squares."""
    panels = sheet.figure.subplots(1, 3)
    side = _side(sheet.width, sheet.type)
    roomy = side > 8.5 * sheet.type
    of = f", $k={x.frequency}$" if x.frequency and roomy else ""
    for axes, values, title in (
        (panels[0], x.attention, f"(a) head {x.head}: attention to $a$" if roomy else f"(a) head {x.head}"),
        (panels[1], x.activation, f"(b) neuron {x.neuron[1]}{of}"),
    ):
        colour_bar(axes, map_of(axes, values, sheet), sheet)
        axes.set_title(title)
        axes.set(xlabel="$b$", ylabel="$a$")
        _few_ticks(axes)
    axes = panels[2]
    if isinstance(x.logits, str):
        say(axes, x.logits, sheet, side)
        axes.set_box_aspect(1)
        return
    varying = x.logits.ravel()[1:]  # the mean logits outshine everything early in training
    colour_bar(axes, map_of(axes, x.logits, sheet, limit=float(varying.max(initial=0.0))), sheet)
    axes.set_title("(c) logits, 2-D Fourier" if roomy else "(c) logits")
    axes.set(xlabel="component of $b$" if roomy else "$b$", ylabel="component of $a$" if roomy else "$a$")
    if x.keys:
        at = middles(x.keys, len(x.logits))
        axes.set(xticks=[], yticks=[])
        name_keys(axes, x.keys, at, sheet, side, "bottom")
        name_keys(axes, x.keys, at, sheet, side, "left")
        axes.xaxis.labelpad, axes.yaxis.labelpad = 1.9 * sheet.type, 2.0 * sheet.type
    else:
        _few_ticks(axes)


def _side(width: float, t: float) -> float:
    """Of the squares of figure 4, points: what labels and colour bars leave."""
    return max(20.0, (width / 3 - 6.2 * t) / 1.09)


def _few_ticks(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(3, integer=True, steps=[1, 2, 5, 10]))


# -- figure 5 --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Neurons:
    """fve : (d_mlp,)     edges, counts : of the histogram
    weights : (m, n) rows of W_L of the neurons of frequency k in the Fourier basis, or why there are none
    neurons : (m,) their indices, by the phase of what they write
    """

    fve: Floats
    edges: Floats
    counts: Ints
    k: int
    neurons: Ints
    weights: Floats | str
    keys: tuple[int, ...]


def neurons(ask: Ask) -> Content:
    """Figure 5: histogram of FVE, and what the neurons of one key frequency write."""
    basis = basis_of(ask.run)
    a = (
        f"(a) Neurons of the last layer by the share of their centred variance over all pairs that the eight "
        f"components of their best frequency explain (FVE), in {BINS} bins; dashed: {THRESHOLD}. "
    )
    if isinstance(basis, str):
        return Content(basis, "", ())
    all_neurons = neurons_of(ask.run, ask.step)
    counts, edges = np.histogram(all_neurons.fve, bins=BINS, range=(0.0, 1.0))
    k = ask.key or 0
    chosen = np.flatnonzero((all_neurons.frequency == k) & (all_neurons.fve >= THRESHOLD)) if k else np.zeros(0, int)
    weights: Floats | str
    if not k:
        weights, b = "No key frequency yet, so there are no neurons of one.", "(b) No key frequency yet."
    elif not len(chosen):
        weights = f"No neuron carries frequency {k} with FVE ≥ {THRESHOLD} at epoch {epoch_text(ask.epoch)}."
        b = f"(b) {weights}"
    else:
        along = fourier_coefficients(neuron_logit_map(ask.run, ask.step, ask.keys).W_L[:, chosen]).T  # (m, n)
        rows = components(basis.n, k)
        phase = np.arctan2(along[:, rows.stop - 1], along[:, rows.start])
        order = np.argsort(phase, kind="stable")
        chosen, weights = chosen[order], along[order]
        b = (
            f"(b) Weights in W_L, Fourier transformed along the outputs, of the {len(chosen)} neurons of frequency {k} "
            f"with FVE ≥ {THRESHOLD}, one a row, in the order of their phase."
        )
    found = Neurons(all_neurons.fve, edges, counts.astype(np.int64), k, chosen.astype(np.int64), weights, ask.keys)
    tables = [
        Table("fve", {"neuron": np.arange(len(found.fve)), "best frequency": all_neurons.frequency, "FVE": found.fve}),
        Table("histogram", {"FVE from": edges[:-1], "FVE to": edges[1:], "neurons": counts}),
    ]
    if not isinstance(weights, str):
        names = component_names(basis.n)
        tables.append(matrix_table(f"weights-{k}", "neuron", "component", weights, "weight", found.neurons, names))
    return Content(found, a + b, tuple(tables))


def draw_neurons(sheet: Sheet, x: Neurons | str, keys: Sequence[int]) -> None:
    """How many neurons one frequency explains, and where those of one frequency write."""
    if isinstance(x, str):
        say(sheet.figure.subplots(), x, sheet, sheet.width)
        return
    left, right = sheet.figure.subplots(1, 2, width_ratios=[1, 1.25])
    left.bar(x.edges[:-1], x.counts, np.diff(x.edges), align="edge", color=LOOK.accent, ec=LOOK.panel, lw=0.5)
    left.axvline(THRESHOLD, color=LOOK.text, lw=0.8, ls=(0, (3, 2)))
    left.set(xlim=(0, 1), xlabel="fraction of variance explained", ylabel="neurons")
    many = int((x.fve >= THRESHOLD).sum())
    left.set_title(f"(a) {many} of {len(x.fve)} neurons ≥ {THRESHOLD}" if sheet.width > 30 * sheet.type else "(a)")
    roomy = sheet.width > 30 * sheet.type
    title = f"(b) $W_L$ of the {len(x.neurons)} neurons of $k={x.k}$" if roomy else f"(b) $W_L$, $k={x.k}$"
    right.set_title(title if len(x.neurons) else "(b) neurons of one frequency" if roomy else "(b)")
    width = sheet.width * 0.5
    if isinstance(x.weights, str):
        say(right, x.weights, sheet, width)
        return
    colour_bar(right, map_of(right, x.weights, sheet, signed=True, square=False), sheet, "weight")
    right.set(yticks=[], xticks=[], ylabel="neuron", xlabel="Fourier component of the output")
    name_keys(right, x.keys, middles(x.keys, x.weights.shape[1]), sheet, width - 5 * sheet.type)
    right.xaxis.labelpad = 1.9 * sheet.type


CONTENTS: dict[str, tuple[str, Callable[[Ask], Content]]] = {
    "Figure 4": ("Periodic attention, neurons and logits", periodic),
    "Figure 5": ("Neurons and their frequencies", neurons),
}
DRAWINGS: dict[str, Drawing] = {
    "Figure 4": Drawing(draw_periodic, lambda w, t, _: _side(w, t) + 5.6 * t),
    "Figure 5": Drawing(draw_neurons, lambda w, t, _: 0.30 * w + 6 * t),
}
