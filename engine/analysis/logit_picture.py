"""The logits at one checkpoint as they are drawn and as they are printed, and their cosines over training.

2-D spectrum and coefficients of cos w_k(a ± b − c) (paper, sec. 4.1, 4.2, fig. 4c and 14). The picture is float32 and
follows a finger; the numbers are float64 and may follow later.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import recycled
from engine.analysis.ablation import Ablation
from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.logits import CosineFit, LogitSpectrum, cosines_of, split_masks
from engine.analysis.measures import cosine_coefficients, per_pair, sum_table
from engine.analysis.phases import Phases, Thresholds
from engine.analysis.progress_curves import Pinned, trace_phases
from engine.analysis.solutions import ablated_logits
from engine.analysis.wall import by_frequencies
from engine.fourier import fourier_basis
from engine.kernels import PAD, spectrum_squares
from engine.lanes import Lanes
from engine.runfile import Run
from engine.traces import Traces

Floats = NDArray[np.float64]
Keys = tuple[int, ...]
WHOLE = Ablation()
_LANES = Lanes(2)  # of the outputs


@dataclass(frozen=True, eq=False)
class LogitPicture:
    """What is drawn of a checkpoint's logits; arrays float32 or near it.

    norm : (n, n), over the p outputs, of each 2-D Fourier coefficient; row: component of i, column: of j
    by_frequency : (n // 2 + 1, n // 2 + 1), cosines and sines together; entry 0 is the constant
    coefficient : (n // 2,), α_k of the un-normalised cos w_k(i ± j − c), over all pairs of the task's cycle
    top, top_by_frequency : the largest of either in the whole model at the layout's checkpoint, but for the constant
    sign : of j in i ± j     generator : of the units, whose powers are counted; None: residues as they stand
    no_basis : why there is none of all this, or ""
    """

    norm: NDArray[np.floating]
    by_frequency: NDArray[np.floating]
    coefficient: NDArray[np.floating]
    top: float
    top_by_frequency: float
    sign: int
    generator: int | None
    no_basis: str


@dataclass(frozen=True, eq=False)
class LogitNumbers:
    """The same in float64, and what the keys' cosines explain; None without a basis.

    loss : cross-entropy of the logits over the cycle's n outputs and all its pairs, beside which `fit.loss` stands
    """

    spectrum: LogitSpectrum | None
    fit: CosineFit | None
    loss: float | None


@dataclass(frozen=True, eq=False)
class CosineCurves:
    """α_k over the epochs measured so far, of the whole model, over all pairs (paper, fig. 14).

    epochs : (m,), ascending    coefficient : (m, n // 2), entry k-1 is frequency k
    pinned : whose keys; None until they are known       phases : None until enough is measured
    """

    epochs: NDArray[np.int64]
    coefficient: Floats
    pinned: Pinned | None
    phases: Phases | None


def logit_picture(run: Run, step: int, layout_step: int, keys: Keys = (), ablation: Ablation = WHOLE) -> LogitPicture:
    """The picture of a checkpoint's logits, float32.

    layout_step : the checkpoint whose largest norms are the limits of the colours
    keys : the generalising solution of the ablation; of no matter while the model is whole
    """
    try:
        basis = characters(run.config)
    except NoBasis as error:
        nothing = np.zeros((1, 1), np.float32)
        return LogitPicture(nothing, nothing, np.zeros(0, np.float32), 0.0, 0.0, 1, None, str(error))
    norm, coefficient = _drawn(run, step, keys, ablation)
    limits = norm if (step, ablation) == (layout_step, WHOLE) else _drawn(run, layout_step, (), WHOLE)[0]
    return LogitPicture(
        norm=norm,
        by_frequency=by_frequencies(norm),
        coefficient=coefficient,
        top=largest(limits),
        top_by_frequency=largest(by_frequencies(limits)),
        sign=basis.sign,
        generator=basis.generator,
        no_basis="",
    )


def logit_numbers(run: Run, step: int, keys: Keys, ablation: Ablation = WHOLE) -> LogitNumbers:
    """Norms, cosines, what those of the keys explain and the loss of them alone, float64."""
    try:
        basis = characters(run.config)
    except NoBasis:
        return LogitNumbers(None, None, None)
    grid = basis.grid(ablated_logits(run, step, keys, ablation, exact=True))
    norm = spectrum_norms(grid).astype(np.float64, copy=False)
    there = [k for k in keys if k <= basis.n // 2]
    outputs = basis.outputs(grid)
    fit = cosines_of(outputs, basis.sums, there, split_masks(run.config)[1])
    loss = per_pair(outputs.reshape(basis.n**2, -1), basis.sums.reshape(-1))[0]
    return LogitNumbers(LogitSpectrum(norm, by_frequencies(norm)), fit, float(loss.mean()))


def cosine_curves(
    run: Run,
    n: int,
    traces: Traces | None,
    pinned: Pinned | None,
    revision: int,
    thresholds: Thresholds | None = None,
) -> CosineCurves:
    """α_k up to the n-th checkpoint, as far as known.  revision : of the traces, which grow"""
    found = None if traces is None else traces.coefficients(sketched=True)
    if traces is None or found is None:
        return CosineCurves(np.zeros(0, np.int64), np.zeros((0, 0)), pinned, None)
    epochs, alpha = found
    seen = epochs <= int(run.epochs[n - 1])
    phases = trace_phases(run, traces, n, thresholds)
    return CosineCurves(epochs[seen], np.asarray(alpha[seen], np.float64), pinned, phases)


@lru_cache(maxsize=8)
def _drawn(run: Run, step: int, keys: Keys, ablation: Ablation) -> tuple[NDArray[Any], NDArray[Any]]:
    """Norms of the 2-D coefficients, and α_k, float32."""
    basis, logits = characters(run.config), ablated_logits(run, step, keys, ablation)
    alpha = cosine_coefficients(sum_table(logits, basis), basis)  # type: ignore[arg-type]
    return spectrum_norms(_grid(logits, basis)), alpha.astype(np.float32)


def _grid(logits: NDArray[Any], basis: Characters) -> NDArray[Any]:
    """The logits on the task's cycle, not copied where that is the residues as they stand.  (n, n, p)"""
    return logits.reshape(basis.n, basis.n, -1) if basis.generator is None else basis.grid(logits)


def largest(norms: NDArray[np.floating]) -> float:
    """The largest entry but for the constant's at (0, 0); 1 where all are 0."""
    rest = norms.copy()
    rest[0, 0] = 0
    return float(rest.max()) or 1.0


def spectrum_norms(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Norms over the outputs of the 2-D Fourier coefficients: ‖F L Fᵀ‖, in the values' own precision (paper, fig. 4c).

    x and n − x are added for the cosines and subtracted for the sines, along both axes, which halves the products.
    values : (n, n, outputs)   ->   (n, n), rows and columns const, cos 1, sin 1, …
    """
    n, outputs, dtype = len(values), values.shape[2], values.dtype
    cosines, sines, order = _halves(n, dtype)
    flat = np.ascontiguousarray(values).reshape(-1)

    def squares(lane: int) -> Floats:
        found, once = np.zeros((n, n)), recycled.empty((n * n * PAD,), dtype)
        spectrum_squares(flat, n, outputs, lane, _LANES.count, cosines, sines, once, found.reshape(-1))
        return found

    found = np.sum(_LANES.run([partial(squares, lane) for lane in range(_LANES.count)]), axis=0)
    norms: NDArray[np.floating] = np.sqrt(found[np.ix_(order, order)]).astype(dtype, copy=False)
    return norms


@lru_cache(maxsize=8)
def _halves(n: int, dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.intp]]:
    """Cosines on 0 … n // 2, sines on 1 … ⌈n / 2⌉ − 1, both flat; each component's place among cosines, then sines."""
    basis, pairs = fourier_basis(n), (n - 1) // 2
    cosines = [0, *range(1, 2 * pairs, 2), *([n - 1] if n % 2 == 0 and n > 0 else [])]
    sines = list(range(2, 2 * pairs + 1, 2))
    return (
        basis[cosines][:, : n // 2 + 1].astype(dtype).reshape(-1),
        basis[sines][:, 1 : pairs + 1].astype(dtype).reshape(-1),
        np.argsort([*cosines, *sines]),
    )
