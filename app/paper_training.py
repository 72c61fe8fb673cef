"""The paper's figures 2 and 7 on a run: learning curves and progress measures over training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.export import Table
from app.numbers import epoch_text
from app.paper_data import Ask, Content, basis_of, listed
from app.paper_page import LOOK, Drawing, Sheet, curve, epochs_axis, half, key_above, legend_lines, say, ticks_of_log
from engine.analysis.curves import Curve
from engine.analysis.phases import Phases
from engine.analysis.progress_curves import loss_and_progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
NO_TRACES = "The checkpoints are not measured yet."
EXCLUDED = ("train", "test", "excluded, all $k$", "excluded, keys")


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
    for header, found in curves.items():
        if found is None:
            continue
        for epochs, columns in groups:
            if np.array_equal(epochs, found.epochs):
                columns[header] = found.values
                break
        else:
            groups.append((found.epochs, {header: found.values}))
    return tuple(
        Table(name if not at else f"{name}-{at + 1}", {"epoch": epochs.astype(np.int64), **columns})
        for at, (epochs, columns) in enumerate(groups)
    )


def draw_learning(sheet: Sheet, x: Learning, keys: Sequence[int]) -> None:
    """Accuracy left, loss right."""
    panels = sheet.figure.subplots(1, 2)
    for axes, what, train, test in (
        (panels[0], "accuracy", x.train_accuracy, x.test_accuracy),
        (panels[1], "loss (nats)", x.train_loss, x.test_loss),
    ):
        there = [curve(axes, train, "train", LOOK.train), curve(axes, test, "test", LOOK.test)]
        if not any(there):
            say(axes, f"The run file holds no {what.split()[0]}.", sheet, sheet.width / 2)
            continue
        if what == "accuracy":
            axes.set(ylim=(-0.02, 1.04))
        else:
            axes.set_yscale("log")
            ticks_of_log(axes)
        axes.set_ylabel(what)
        width = half(sheet.width, sheet.type)
        epochs_axis(axes, max(c.epochs[-1] for c in (train, test) if c is not None), sheet, width)
        key_above(axes, sheet, width)


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


def draw_progress(sheet: Sheet, x: Progress, keys: Sequence[int]) -> None:
    """Excluded loss, restricted loss, Gini, Σw², with the ends of the phases."""
    panels = sheet.figure.subplots(2, 2)
    style = "-" if x.final else (0, (3, 1.5))
    width = half(sheet.width, sheet.type)
    weights = "sum of squared weights" if 0.2 * sheet.width > 9 * sheet.type else r"$\sum w^2$"
    none = x.no_basis or (NO_TRACES if x.squared_weights is None else "No key frequency yet.")
    parts: list[tuple[Axes, str, list[tuple[Curve | None, str, str, dict[str, Any]]], str]] = [
        (panels[0, 0], "loss (nats)", [
            (x.excluded_all, EXCLUDED[2], LOOK.excluded_all, {}),
            (x.excluded, EXCLUDED[3], LOOK.excluded, {"lw": 0.7, "ls": style}),
        ], x.no_basis or NO_TRACES),
        (panels[0, 1], "loss (nats)", [(x.restricted, "restricted", LOOK.restricted, {"ls": style})], none),
        (panels[1, 0], "Gini coefficient", [
            (x.gini_embedding, "$W_E$", LOOK.accent, {}),
            (x.gini_neuron_logit, "$W_L$", LOOK.ratio, {"ls": (0, (4, 1.5))}),
        ], x.no_basis or NO_TRACES),
        (panels[1, 1], weights, [(x.squared_weights, "", LOOK.text, {})], NO_TRACES),
    ]  # fmt: skip
    ends = [] if x.phases is None else [x.phases.memorisation_end, x.phases.circuit_end, x.phases.cleanup_end]
    for axes, what, curves, why in parts:
        axes.set_ylabel(what)
        if not any(c is not None for c, *_ in curves):
            say(axes, why, sheet, sheet.width / 2)
            continue
        if what.startswith("loss"):
            axes.set_yscale("log")
            curve(axes, x.train_loss, "train", LOOK.train)
            curve(axes, x.test_loss, "test", LOOK.test)
        for found, label, colour, look in curves:
            curve(axes, found, label, colour, **look)
        for end in ends:
            if end is None:
                break
            axes.axvline(end, color=LOOK.muted, lw=0.6, ls=(0, (3, 2)), zorder=0)
        epochs_axis(axes, max(c.epochs[-1] for c, *_ in curves if c is not None), sheet, width)
        if curves[0][1]:
            key_above(axes, sheet, width)
        if what.startswith("loss"):
            ticks_of_log(axes)
        else:
            axes.set_ylim(0, 1 if what.startswith("Gini") else None)


def _progress_height(width: float, t: float, _: Any) -> float:
    return 0.44 * width + (10 + 1.3 * legend_lines(EXCLUDED, half(width, t), t)) * t


CONTENTS: dict[str, tuple[str, Callable[[Ask], Content]]] = {
    "Figure 2": ("Learning curves", learning),
    "Figure 7": ("Progress measures", progress),
}
DRAWINGS: dict[str, Drawing] = {
    "Figure 2": Drawing(draw_learning, lambda w, t, _: 0.27 * w + 6 * t),
    "Figure 7": Drawing(draw_progress, _progress_height),
}
