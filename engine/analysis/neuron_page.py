"""What is shown of one neuron: a checkpoint ready to draw, and parts of its life (paper, fig. 4b and sec. 4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.neuron import (
    NeuronBiography,
    NeuronReport,
    NeuronWave,
    life_of,
    logits_written,
    neuron_biography,
    neuron_report,
    neuron_wave,
    uncached_activation,
)
from engine.analysis.wall import area_pool, by_frequencies, unwrapping, wall_layout
from engine.analysis.waves import basis_or_residues
from engine.fourier import spectrum_2d
from engine.runfile import Run
from engine.traces import Traces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_SAMPLES = 9  # checkpoints that an axis over the whole run is taken from


@dataclass(frozen=True, eq=False)
class NeuronPicture:
    """One neuron at a checkpoint, float64. Limits are of the checkpoint that fixes order and colours, or of the run.

    wave : in the task's basis; where it has none, of the residues as they stand
    elements : (n,) residues in the order of the cycle
    spectrum : (n // 2 + 1, n // 2 + 1) norm of the 2-D Fourier coefficients by frequency of a and of b, centred
    limit, spectrum_limit : largest activation and largest norm
    writes_limit : largest logit written, over the run at some checkpoints
    settled_frequency, keys : its frequency and the key frequencies where order and colours are fixed
    before, after : its neighbours on the wall; itself at an end
    """

    report: NeuronReport
    wave: NeuronWave
    elements: Ints
    spectrum: Floats
    limit: float
    spectrum_limit: float
    writes_limit: float
    settled_frequency: int
    keys: tuple[int, ...]
    before: int
    after: int


def neuron_picture(run: Run, step: int, layout_step: int, layer: int, index: int) -> NeuronPicture:
    """What the pane shows of a neuron at a checkpoint."""
    basis, no_basis = basis_or_residues(run.config)
    report, then = neuron_report(run, step, layer, index), _reference(run, layout_step, layer, index)
    layout = wall_layout(run, layout_step, layer)
    order = layout.order
    place = order.index(index)
    return NeuronPicture(
        report=report,
        wave=report.wave or neuron_wave(basis, report.activation, None),
        elements=basis.elements,
        spectrum=_spectrum(basis.grid(report.activation.reshape(-1))),
        limit=float(then.activation.max()) or 1.0,
        spectrum_limit=_largest_norm(run, layout_step, layer, index),
        writes_limit=_loudest(run, layout_step, layer, index),
        settled_frequency=0 if no_basis else int(layout.frequency[index]),
        keys=layout.keys,
        before=order[max(place - 1, 0)],
        after=order[min(place + 1, len(order) - 1)],
    )


@lru_cache(maxsize=32)
def _reference(run: Run, layout_step: int, layer: int, index: int) -> NeuronReport:
    return neuron_report(run, layout_step, layer, index)


@lru_cache(maxsize=32)
def _largest_norm(run: Run, layout_step: int, layer: int, index: int) -> float:
    activation = _reference(run, layout_step, layer, index).activation
    return float(_spectrum(basis_or_residues(run.config)[0].grid(activation.reshape(-1))).max()) or 1.0


def _spectrum(grid: Floats) -> Floats:
    return by_frequencies(spectrum_2d(grid - grid.mean()))


@lru_cache(maxsize=256)
def _loudest(run: Run, layout_step: int, layer: int, index: int) -> float:
    """Largest |W_L[c, n]| at some checkpoints up to one; of a run in training, there alone."""
    steps = {layout_step} if run.grows else set(np.linspace(0, layout_step, _SAMPLES).astype(int).tolist())
    return max(float(np.abs(logits_written(run, step, layer, index)).max()) for step in sorted(steps))


# -- its life, in parts that never hold up a finger -------------------------------------------------------------


def neuron_life(run: Run, layer: int, index: int, start: int, stop: int) -> NeuronBiography:
    """Some checkpoints of a neuron's biography. Raises `NoBasis`."""
    return neuron_biography(run, layer, index, range(start, stop))


def traced_life(run: Run, traces: Traces, n: int, layer: int, index: int) -> NeuronBiography | None:
    """What the traces hold of it up to the n-th checkpoint, without phases; None where they hold nothing.

    Of a bundled run also at checkpoints whose weights were not shipped.
    """
    if layer != run.config.n_layers - 1:
        return None
    epochs, frequency, fve = traces.epochs, traces.column("neuron_frequency"), traces.column("neuron_fve")
    if frequency is None or fve is None:
        return None
    m = min(len(epochs), len(frequency), len(fve))
    seen = np.flatnonzero(epochs[:m] <= int(run.epochs[n - 1]))
    if not len(seen):
        return None
    none = np.full(len(seen), np.nan)
    return life_of(epochs[seen], frequency[seen, index].astype(np.int64), fve[seen, index], none)


def neuron_thumbnails(
    run: Run, layer: int, index: int, steps: tuple[int, ...], layout_step: int, size: int
) -> NDArray[np.uint8]:
    """Its map at some checkpoints in the axes and colours of another.  -> (m, size, size), row a, column b"""
    basis, no_basis = basis_or_residues(run.config)
    layout = wall_layout(run, layout_step, layer)
    order = basis.elements[unwrapping(basis.n, 0 if no_basis else int(layout.frequency[index]))]
    limit = float(_reference(run, layout_step, layer, index).activation.max())
    pool = area_pool(basis.n, min(size, basis.n))
    found = np.empty((len(steps), len(pool), len(pool)), np.uint8)
    for into, step in zip(found, steps, strict=True):
        values = uncached_activation(run, step, layer, index)[np.ix_(order, order)].astype(np.float32)
        into[:] = np.clip(pool @ values @ pool.T * (255 / limit if limit > 0 else 0), 0, 255)
    return found
