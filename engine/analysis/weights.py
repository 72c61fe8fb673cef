"""How large the weights are over training, and how unevenly the frequencies share them (paper, sec. 5.1, fig. 7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import NoBasis, characters
from engine.analysis.phases import Phases, Thresholds
from engine.analysis.progress_curves import Pinned, trace_phases
from engine.analysis.series import series
from engine.models.transformer import shapes
from engine.runfile import Run
from engine.traces import Traces

Floats = NDArray[np.float64]
BIASES, NORMS = "biases", "layer norms"


@dataclass(frozen=True, eq=False)
class WeightCurves:
    """Over the epochs looked at so far, float64: no forward pass is needed.

    epochs : (m,), ascending
    squared : Σw² of each parameter by its name, over all layers; the biases b_in and b_out together as `BIASES`, those
        of layer norms, with their scales, as `NORMS`.  (m,) each
    total : (m,), over all parameters
    gini : W_E and W_L -> (m,), Gini coefficient of the norms of the n Fourier components, 0 all alike, towards 1 one
    ipr : W_E and W_L -> (m,), inverse participation ratio Σ q², q the share of each frequency in the power
    phases : None until enough is known        no_basis : why there is neither gini nor ipr, or ""
    """

    epochs: NDArray[np.int64]
    squared: dict[str, Floats]
    total: Floats
    gini: dict[str, Floats]
    ipr: dict[str, Floats]
    phases: Phases | None
    no_basis: str


def weight_curves(
    run: Run,
    n: int,
    traces: Traces | None,
    pinned: Pinned | None,
    revision: int,
    thresholds: Thresholds | None = None,
) -> WeightCurves:
    """The weights up to the n-th checkpoint.  revision : of the traces, which grow"""
    no_basis = ""
    try:
        characters(run.config)
    except NoBasis as error:
        no_basis = str(error)
    held = None if traces is None else series(run, n, traces, "squared_weights")
    if traces is None or held is None:
        nothing = np.zeros(0)
        return WeightCurves(np.zeros(0, np.int64), {}, nothing, {}, {}, None, no_basis)
    epochs, values = held.epochs, held.values.astype(np.float64)

    def of_both(measure: str) -> dict[str, Floats]:
        columns = {"W_E": f"{measure}_embedding", "W_L": f"{measure}_neuron_logit"}
        found = {name: series(run, n, traces, column) for name, column in columns.items()}
        return {name: x.at(epochs) for name, x in found.items() if x is not None and not no_basis}

    return WeightCurves(
        epochs=epochs,
        squared=by_name(tuple(shapes(run.config)), values),
        total=values.sum(axis=1),
        gini=of_both("gini"),
        ipr=of_both("ipr"),
        phases=trace_phases(run, traces, n, thresholds),
        no_basis=no_basis,
    )


def by_name(names: tuple[str, ...], values: Floats) -> dict[str, Floats]:
    """Σw² by parameter, biases and layer norms gathered at the end.  values : (m, len(names))"""
    found: dict[str, Floats] = {}
    for i, name in enumerate(names):
        kind = BIASES if name in ("b_in", "b_out") else NORMS if name.startswith("ln") else name
        found[kind] = found.get(kind, 0.0) + values[:, i]
    return {name: found[name] for name in sorted(found, key=lambda name: (name == NORMS) + 2 * (name == BIASES))}
