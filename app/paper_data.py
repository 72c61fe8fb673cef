"""What the paper's figures are made of, recomputed on a run: numbers, captions and tables; nothing is drawn here.

Figures and sections are those of "Progress measures for grokking via mechanistic interpretability" (ICLR 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.export import Table, matrix_table
from app.numbers import epoch_text
from engine.analysis.attention import attention_pattern
from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.curves import Curve
from engine.analysis.embedding import Spectrum, spectrum
from engine.analysis.logits import logit_spectrum, loss_without_each
from engine.analysis.measures import character_frequencies
from engine.analysis.neuron import neuron_activation
from engine.analysis.neuron_logit import neuron_logit_map
from engine.analysis.neurons import THRESHOLD, NeuronFrequencies
from engine.analysis.phases import Phases, Thresholds
from engine.analysis.progress_curves import Pinned, loss_and_progress, pinned_keys
from engine.analysis.projections import Projections, projections
from engine.fourier import components
from engine.fourier import spectrum as fourier_coefficients
from engine.replay import activations
from engine.runfile import Run
from engine.tasks import TASKS
from engine.traces import Traces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BINS = 20  # of the histogram of FVE (paper, fig. 5a)
NO_TRACES = "The checkpoints are not measured yet."


@dataclass(frozen=True)
class Ask:
    """What a figure is of.

    step : the checkpoint     n : checkpoints that count     pinned : key frequencies, and the epoch they are taken at
    traces, revision : measures over training; None: not known yet    thresholds : of the phases
    neuron : (layer, index); None: the clearest one of the last layer     head : of the first layer
    frequency : whose neurons (fig. 5b) or rotation (fig. 1); None, or not among the keys: the first key
    pair : (a, b) of fig. 1; None: one that shows well
    """

    run: Run
    step: int
    n: int
    pinned: Pinned
    traces: Traces | None = None
    revision: int = 0
    thresholds: Thresholds | None = None
    neuron: tuple[int, int] | None = None
    head: int = 0
    frequency: int | None = None
    pair: tuple[int, int] | None = None

    @property
    def keys(self) -> tuple[int, ...]:
        return self.pinned.keys

    @property
    def key(self) -> int | None:
        """The frequency that a figure of one frequency is of."""
        return self.frequency if self.frequency in self.keys else next(iter(self.keys), None)

    @property
    def epoch(self) -> int:
        return int(self.run.epochs[self.step])


@dataclass(frozen=True, eq=False)
class Content:
    """data : what the panels draw     caption : its sentences, without definitions of keys and run
    tables : the numbers     of_step : whether it is of one checkpoint, not of all training
    of_keys : whether key frequencies have a part in it
    """

    data: Any
    caption: str
    tables: tuple[Table, ...]
    of_step: bool = True
    of_keys: bool = True


@lru_cache(maxsize=8)
def pinned(run: Run, n: int, chosen: tuple[int, ...] | None, finished: bool) -> Pinned:
    """`pinned_keys`, remembered.  finished : the run's state, on which they depend"""
    return pinned_keys(run, n, chosen)


def basis_of(run: Run) -> Characters | str:
    """The order of residues that fits the task, or why there is none."""
    try:
        return characters(run.config)
    except NoBasis as error:
        return str(error)


# -- words -----------------------------------------------------------------------------------------------------


def listed(keys: Sequence[int]) -> str:
    return ", ".join(str(k) for k in keys)


def keys_said(ask: Ask) -> str:
    """Which frequencies, why, and the epoch they were taken at (science 2.13)."""
    p, basis = ask.pinned, basis_of(ask.run)
    if isinstance(basis, str):
        return f"{basis} So there are no key frequencies."
    at = f"at epoch {epoch_text(p.epoch)}"
    if p.by_hand:
        said = f"Key frequencies {listed(p.keys)}: chosen by hand."
    elif not p.keys:
        rule = f"no neuron reaches FVE {THRESHOLD}" if p.final else "no coefficient over the test pairs stands out"
        said = f"No key frequency yet: {rule} {at}."
    elif p.final:
        said = f"Key frequencies {listed(p.keys)}: each is carried by at least one neuron with FVE ≥ {THRESHOLD} {at}."
    else:
        said = (
            f"The run is not finished: {listed(p.keys)} are candidates, whose coefficient of cos w_k({_read_off(ask)}) "
            f"over the test pairs is at least a tenth of the largest {at}."
        )
    if basis.generator is not None:
        said += f" Frequencies count along the powers of {basis.generator}; pairs with a zero are left out."
    return said


def run_said(ask: Ask, of_step: bool) -> str:
    """The run, its split and the checkpoint."""
    c = ask.run.config
    first, last = int(ask.run.epochs[0]), int(ask.run.epochs[ask.n - 1])
    when = f"epoch {epoch_text(ask.epoch)}" if of_step else f"epochs {epoch_text(first)} to {epoch_text(last)}"
    rounded = ", weights kept in float16" if ask.run.reduced_precision else ""
    return (
        f"Run “{ask.run.path.stem}”: {TASKS[c.operation].symbol} modulo {c.p}, trained on {epoch_text(c.n_train)} of "
        f"{epoch_text(c.n_pairs)} pairs, tested on the other {epoch_text(c.n_test)} (data seed {c.data_seed}, model "
        f"seed {c.model_seed}); {when}{rounded}."
    )


def _sum(ask: Ask) -> str:
    """a + b as the cosines have it."""
    kind = TASKS[ask.run.config.operation].basis
    a, b = ("log a", "log b") if kind in ("product", "quotient") else ("a", "b")
    return f"{a} {'−' if kind in ('difference', 'quotient') else '+'} {b}"


def _read_off(ask: Ask) -> str:
    """a + b − c as the cosines have it."""
    kind = TASKS[ask.run.config.operation].basis
    return f"{_sum(ask)} − {'log c' if kind in ('product', 'quotient') else 'c'}"


def component_names(n: int) -> list[str]:
    """const, cos 1, sin 1, …  -> n names"""
    return ["const", *(f"{'cos' if row % 2 else 'sin'} {(row + 1) // 2}" for row in range(1, n))]


# -- figure 1 --------------------------------------------------------------------------------------------------


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
        f"attention and MLP compose them; the unembedding reads off cos w({_read_off(ask)}), largest at the answer "
        f"c = {answer}. Right: coloured, this cosine at every c{several}."
    )
    table = Table("cosines", {"c": found.residues, f"cos of k = {k}": found.wave, "mean over keys": found.mean})
    return Content(found, caption, (table,))


def _good_pair(n: int, k: int, sign: int) -> tuple[int, int]:
    """Two places whose angles are near 65° and 40° (130° and 40° for a difference)."""
    turns = k * np.arange(n) % n / n
    i, j = (int(np.abs(turns - share).argmin()) for share in ((0.18, 0.11) if sign > 0 else (0.36, 0.11)))
    return i, j


# -- figure 2 --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Learning:
    """Curves at the checkpoints; None where the file has none."""

    train_accuracy: Curve | None
    test_accuracy: Curve | None
    train_loss: Curve | None
    test_loss: Curve | None


def learning(ask: Ask) -> Content:
    """Figure 2: accuracy and loss of this run alone."""
    found = _losses(ask)
    p = ask.run.config.p
    caption = (
        "Accuracy (left) and loss (right) on the training and the test pairs. This run alone; the paper draws five "
        f"seeds. Loss: mean cross-entropy over the {p} residues' logits, in nats, at the checkpoints."
    )
    curves = {"train accuracy": found.train_accuracy, "test accuracy": found.test_accuracy,
              "train loss (nats)": found.train_loss, "test loss (nats)": found.test_loss}  # fmt: skip
    return Content(found, caption, curve_tables(curves), of_step=False, of_keys=False)


def _losses(ask: Ask) -> Learning:
    """As the file has them, else as they were measured."""
    loss = loss_and_progress(ask.run, ask.n, ask.traces, ask.pinned, ask.revision).loss
    names = ("train_accuracy", "test_accuracy", "train_loss", "test_loss")
    return Learning(*(getattr(loss, name) or trace_curve(ask, name) for name in names))


def trace_curve(ask: Ask, name: str) -> Curve | None:
    """A measure over training up to the last checkpoint that counts; None where there is nothing."""
    values = None if ask.traces is None else ask.traces.column(name)
    if values is None or ask.traces is None:
        return None
    values = values.sum(axis=1) if values.ndim > 1 else values
    epochs = ask.traces.epochs
    there = (epochs <= ask.run.epochs[ask.n - 1]) & np.isfinite(values)
    return Curve(epochs[there].astype(np.float64), values[there].astype(np.float64)) if there.any() else None


def curve_tables(curves: Mapping[str, Curve | None], name: str = "curves") -> tuple[Table, ...]:
    """Curves over the same epochs side by side in one table."""
    groups: list[tuple[Floats, dict[str, Floats]]] = []
    for header, curve in curves.items():
        if curve is None:
            continue
        for epochs, columns in groups:
            if np.array_equal(epochs, curve.epochs):
                columns[header] = curve.values
                break
        else:
            groups.append((curve.epochs, {header: curve.values}))
    return tuple(
        Table(name if not at else f"{name}-{at + 1}", {"epoch": epochs.astype(np.int64), **columns})
        for at, (epochs, columns) in enumerate(groups)
    )


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
    return character_frequencies(run.config, activations(run, step).mlp_post[-1])


def _clearest(run: Run, step: int, found: NeuronFrequencies | None) -> np.intp:
    """The neuron with the largest FVE; without a basis the one that varies most."""
    return activations(run, step).mlp_post[-1].var(axis=0).argmax() if found is None else found.fve.argmax()


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


# -- figure 6 --------------------------------------------------------------------------------------------------


def without_each(ask: Ask) -> Content:
    """Figure 6: the loss without each frequency, and with the key frequencies only."""
    basis = basis_of(ask.run)
    what = (
        f"Mean cross-entropy (nats) over all pairs of the logits L − P_k L, P_k the projection on cos and sin of "
        f"w_k({_sum(ask)}). Line: the unablated loss, from which the stems start. "
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


# -- figure 7 --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Progress:
    """Curves over training; None where there is nothing. missing : why there is no restricted loss

    excluded_all : without every frequency, training pairs     restricted : of the keys, all pairs
    """

    train_loss: Curve | None
    test_loss: Curve | None
    excluded_all: Curve | None
    excluded: Curve | None
    restricted: Curve | None
    gini_embedding: Curve | None
    gini_neuron_logit: Curve | None
    squared_weights: Curve | None
    phases: Phases | None
    no_basis: str
    final: bool


def progress(ask: Ask) -> Content:
    """Figure 7: the progress measures with the ends of the phases."""
    both = loss_and_progress(ask.run, ask.n, ask.traces, ask.pinned, ask.revision, ask.thresholds)
    losses, curves = _losses(ask), both.progress
    basis = basis_of(ask.run)
    found = Progress(
        train_loss=losses.train_loss,
        test_loss=losses.test_loss,
        excluded_all=None if curves is None else curves.excluded_all,
        excluded=None if curves is None else curves.excluded,
        restricted=None if curves is None or not ask.keys else curves.restricted,
        gini_embedding=trace_curve(ask, "gini_embedding"),
        gini_neuron_logit=trace_curve(ask, "gini_neuron_logit"),
        squared_weights=trace_curve(ask, "squared_weights"),
        phases=None if curves is None else curves.phases,
        no_basis=basis if isinstance(basis, str) else "",
        final=ask.pinned.final,
    )
    caption = f"{_panels_said(found)} {phases_said(found.phases)}"
    if not found.no_basis:
        caption = f"Losses over the {ask.run.config.p} residues' logits, in nats. {caption}"
    table = curve_tables(
        {
            "train loss (nats)": found.train_loss, "test loss (nats)": found.test_loss,
            "excluded loss, all frequencies, train (nats)": found.excluded_all,
            f"excluded loss, {listed(ask.keys)}, train (nats)": found.excluded,
            f"restricted loss, {listed(ask.keys)}, all pairs (nats)": found.restricted,
            "Gini of W_E": found.gini_embedding, "Gini of W_L": found.gini_neuron_logit,
            "sum of squared weights": found.squared_weights,
        }
    )  # fmt: skip
    return Content(found, caption, table, of_step=False)


def _panels_said(x: Progress) -> str:
    """What each panel draws."""
    if x.squared_weights is None:
        return NO_TRACES
    squares = "Bottom right: sum of the squares of all weights."
    if x.no_basis:
        return squares
    keys = ", and of the key frequencies only (thin)" if x.excluded is not None else ""
    restricted = (
        "restricted loss, on all pairs, of the logits that keep only the key frequencies and the mean"
        if x.restricted is not None
        else "no restricted loss yet"
    )
    return (
        "Top left: excluded loss, on the training pairs, of the logits without the cosines and sines of every "
        f"frequency (the published curve; needs no keys){keys}. Top right: {restricted}. Bottom left: Gini coefficient "
        f"of the norms of the Fourier components of W_E and W_L. {squares}"
    )


def phases_said(found: Phases | None) -> str:
    if found is None:
        return "Phases: not told yet."
    ends = (("memorisation", found.memorisation_end), ("circuit formation", found.circuit_end),
            ("cleanup", found.cleanup_end))  # fmt: skip
    ended: list[str] = []
    for name, end in ends:
        if end is None:
            break
        ended.append(f"{name} ({epoch_text(end)})")
    if found.memorisation_end is None and found.t_mem is not None and found.excluded_until < float("inf"):
        return "The end of memorisation is not measured yet."
    several = "s" if len(ended) > 1 else ""
    return f"Dashed: the end{several} of {', '.join(ended)}." if ended else "No phase has ended yet."


# -- table 1 ---------------------------------------------------------------------------------------------------


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
        f"the one wave of w_k({_sum(ask)}) explains. u_k and v_k in the orthonormal basis."
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


CONTENTS: dict[str, tuple[str, Callable[[Ask], Content]]] = {
    "Figure 1": ("The algorithm", algorithm),
    "Figure 2": ("Learning curves", learning),
    "Figure 3": ("Fourier components of W_E and W_L", spectra),
    "Figure 4": ("Periodic attention, neurons and logits", periodic),
    "Figure 5": ("Neurons and their frequencies", neurons),
    "Figure 6": ("Loss when frequencies are taken away", without_each),
    "Figure 7": ("Progress measures", progress),
    "Table 1": ("What the components of W_L read from the MLP", waves),
}
