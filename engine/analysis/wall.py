"""All neurons at once: thumbnails of their activations over (a, b) in unwrapped axes.

Reordering both axes by a → k·a mod p turns a neuron of frequency k into one smooth bump whose place is its phase.
In natural order a small tile cannot show a high frequency: it would impersonate a low one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.neurons import THRESHOLD, NeuronFrequencies, neuron_frequencies
from engine.fourier import components, frequencies
from engine.replay import activations
from engine.runfile import Run
from engine.tasks import TASKS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Neurons shown under one header. frequency 0: those that belong to none (FVE below 0.85)."""

    frequency: int
    neurons: tuple[int, ...]


@dataclass(frozen=True)
class WallLayout:
    """Who stands where, and the colour limit, as of one checkpoint.

    groups : by frequency, ascending, sorted by phase within; the rest last
    frequency, fve : (n,) at that checkpoint      phase : (n,) radians, of cos(w_k(a ± b) − φ)
    limit : the activation painted with the last colour
    """

    epoch: int
    groups: tuple[Group, ...]
    frequency: NDArray[np.int64]
    fve: Floats
    phase: Floats
    limit: float

    @property
    def keys(self) -> tuple[int, ...]:
        """Key frequencies, ascending."""
        return tuple(group.frequency for group in self.groups if group.frequency)


@dataclass(frozen=True)
class NeuronWall:
    """layout : order and colours    tiles : (n, size, size) uint8, row a, column b, 255 is the limit
    frequency, fve : (n,) at the checkpoint shown
    """

    layout: WallLayout
    tiles: NDArray[np.uint8]
    frequency: NDArray[np.int64]
    fve: Floats


def neuron_wall(run: Run, step: int, layout_step: int, size: int, unwrapped: bool, layer: int = -1) -> NeuronWall:
    """Thumbnails at a checkpoint in the order, axes and colours of another (usually the last). Float32: for drawing.

    size : pixels of a tile's side
    """
    p = run.config.p
    layout = wall_layout(run, layout_step, layer)
    values = activations(run, step, exact=False).mlp_post[layer].reshape(p, p, -1)
    tiles = np.empty((values.shape[2], size, size), dtype=np.uint8)
    pool = area_pool(p, size)
    scale = 255.0 / layout.limit if layout.limit > 0 else 0.0
    for k in np.unique(layout.frequency):
        rows = np.flatnonzero(layout.frequency == k)
        order = unwrapping(p, int(k)) if unwrapped else np.arange(p)
        weights = np.zeros((size, p), dtype=np.float32)
        weights[:, order] = pool  # pixel rows average the residues in unwrapped order
        block = np.tensordot(weights, values[:, :, rows], axes=(1, 0))  # (size, b, n)
        block = np.tensordot(weights, block, axes=(1, 1))  # (size of b, size of a, n)
        tiles[rows] = np.clip(block.transpose(2, 1, 0) * scale, 0, 255)
    now = drawn_frequencies(run, step, layer)
    return NeuronWall(layout, tiles, now.frequency, now.fve)


@lru_cache(maxsize=64)
def drawn_frequencies(run: Run, step: int, layer: int) -> NeuronFrequencies:
    """Frequencies in float32, fast enough to follow a finger."""
    return neuron_frequencies(run, step, layer, exact=False)


def wall_layout(run: Run, step: int, layer: int = -1) -> WallLayout:
    """Groups, phases and colour limit at a checkpoint.

    From float64 activations; from float32 of a run that is being trained, for the next checkpoint replaces it soon.
    """
    return _layout(run, step, layer, not run.grows)


@lru_cache(maxsize=64)
def _layout(run: Run, step: int, layer: int, exact: bool) -> WallLayout:
    p = run.config.p
    values = activations(run, step, exact).mlp_post[layer]
    found = neuron_frequencies(run, step, layer) if exact else drawn_frequencies(run, step, layer)
    phase = sum_phases(values, found.frequency, p, difference=run.config.operation == "subtract")
    carries = found.fve >= THRESHOLD
    groups = [Group(k, _by(phase, np.flatnonzero(carries & (found.frequency == k)))) for k in found.key_frequencies()]
    rest = np.flatnonzero(~carries)
    if len(rest):
        groups.append(Group(0, _by(-found.fve, rest)))
    limit = float(np.quantile(values.max(axis=0), 0.95))
    return WallLayout(int(run.epochs[step]), tuple(groups), found.frequency, found.fve, phase, limit)


def sum_phases(values: NDArray[np.floating], frequency: NDArray[np.int64], p: int, difference: bool = False) -> Floats:
    """φ = arg Σ N(a, b) e^(−i w (a + b)) of each neuron at its frequency (a − b for subtraction).

    values : (p², n)   ->   (n,) radians; NaN for a dead neuron
    """
    grid = values.reshape(p, p, -1)
    by_sum = np.zeros(grid.shape[1:])  # summed over the pairs with the same a ± b
    for a in range(p):
        by_sum += np.roll(grid[a, ::-1] if difference else grid[a], a + 1 if difference else a, axis=0)
    phases = np.full(values.shape[1], np.nan)
    for k in np.unique(frequency[frequency > 0]):
        rows = np.flatnonzero(frequency == k)
        wave = np.exp(-2j * np.pi * (k * np.arange(p) % p) / p)
        phases[rows] = np.angle(wave @ by_sum[:, rows])
    return phases


def wave_peak(phase: float, k: int, p: int) -> int | None:
    """The residue s nearest to the top of cos(w_k s + φ), or None where gcd(k, p) > 1 leaves several."""
    if math.gcd(k, p) > 1:
        return None
    return round(-phase / (2 * math.pi) * p) * pow(k, -1, p) % p


def unwrapping(p: int, k: int) -> NDArray[np.int64]:
    """Residues in the order of (k·a mod p, a); their natural order for k = 0.  (p,)"""
    a = np.arange(p)
    return np.lexsort((a, k * a % p))


@lru_cache(maxsize=32)
def area_pool(p: int, size: int) -> NDArray[np.float32]:
    """Each of `size` pixels as the average of the residues it covers, by area.  (size, p), rows sum to 1"""
    edges = np.linspace(0, p, size + 1)
    left, right = edges[:-1, None], edges[1:, None]
    cover = np.clip(np.minimum(right, np.arange(1, p + 1)) - np.maximum(left, np.arange(p)), 0, None)
    weights: NDArray[np.float32] = (cover / cover.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights


def _by(key: Floats, rows: NDArray[np.intp]) -> tuple[int, ...]:
    return tuple(int(n) for n in rows[np.argsort(key[rows], kind="stable")])


def by_frequencies(coefficients: Floats) -> Floats:
    """Cosines and sines of a frequency together, along both axes.  (p, p) -> (p // 2 + 1, p // 2 + 1)"""
    p = len(coefficients)
    edges = [0, *(components(p, k).start for k in frequencies(p))]
    squares = np.add.reduceat(np.add.reduceat(coefficients**2, edges, axis=0), edges, axis=1)
    norms: Floats = np.sqrt(squares)
    return norms


@dataclass(frozen=True)
class NeuronDetail:
    """One neuron at a checkpoint.

    activation : (p, p), row a, column b   limit : the largest activation at the checkpoint that fixes the colours
    frequency, fve : best frequency (0: dead), its share of the centred variance
    phase, peak : φ in radians, and the residue of a ± b nearest to the top of the wave; None where the operation is
        neither a sum nor a difference, the neuron is dead, or gcd(k, p) > 1 leaves no single residue (peak)
    by_frequency : (p // 2,) share of every frequency
    spectrum : (p // 2 + 1, p // 2 + 1) norm of the 2-D Fourier coefficients by frequency of a and of b, centred
    settled_frequency : the frequency at the checkpoint that fixes order and axes
    keys : the run's key frequencies there
    """

    activation: NDArray[np.floating]
    limit: float
    frequency: int
    fve: float
    phase: float | None
    peak: int | None
    by_frequency: Floats
    spectrum: Floats
    settled_frequency: int
    keys: tuple[int, ...]


def neuron_detail(run: Run, step: int, layout_step: int, layer: int, index: int) -> NeuronDetail:
    """Everything about one neuron, float64 (paper, fig. 4b and sec. 4.3)."""
    from engine.analysis.neurons import from_values
    from engine.fourier import spectrum_2d

    p = run.config.p
    values = activations(run, step).mlp_post[layer][:, index : index + 1].astype(np.float64)
    found = from_values(values, p)
    difference = run.config.operation == "subtract"
    layout = wall_layout(run, layout_step, layer)
    then = activations(run, layout_step).mlp_post[layer][:, index]
    spectrum = by_frequencies(spectrum_2d((values - values.mean()).reshape(p, p)))
    phase = float(sum_phases(values, found.frequency, p, difference)[0])
    known = TASKS[run.config.operation].basis in ("sum", "difference") and not math.isnan(phase)
    return NeuronDetail(
        activation=values.reshape(p, p),
        limit=float(then.max()) or 1.0,
        frequency=int(found.frequency[0]),
        fve=float(found.fve[0]),
        phase=phase if known else None,
        peak=wave_peak(phase, int(found.frequency[0]), p) if known else None,
        by_frequency=found.by_frequency[0],
        spectrum=spectrum,
        settled_frequency=int(layout.frequency[index]),
        keys=layout.keys,
    )
