"""All neurons at once: thumbnails of their activations over (a, b) in unwrapped axes.

Reordering both axes by a → k·a mod p turns a neuron of frequency k into one smooth bump whose place is its phase.
In natural order a small tile cannot show a high frequency: it would impersonate a low one. Where the task is a sum of
exponents (a·b, a/b), a stands at k·log a, and the residues without a logarithm are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import Characters
from engine.analysis.neurons import THRESHOLD
from engine.analysis.passes import in_rows, thumbnails
from engine.analysis.waves import Waves, basis_or_residues, layer_waves
from engine.fourier import components, frequencies
from engine.lanes import Lanes
from engine.replay import drawn, hidden
from engine.runfile import Run
from engine.tasks import TASKS
from engine.traces import Traces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_LANES: Lanes = Lanes(2)  # tiles and frequencies side by side


@dataclass(frozen=True)
class Group:
    """Neurons shown under one header. frequency 0: those that belong to none (FVE below 0.85)."""

    frequency: int
    neurons: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class WallLayout:
    """Who stands where, and the colour limit, as of one checkpoint.

    groups : by frequency, ascending, sorted by phase within; the rest last, the clearest first
    frequency, fve : (d,) at that checkpoint      phase : (d,) radians; the wave is cos(w(a ± b) + φ); NaN: dead
    limit : the activation painted with the last colour
    n : residues along an unwrapped axis      generator : of the units, which k depends on; None for sums
    no_basis : why the task has none: frequencies are then of the residues as they stand, and no group has one
    keys : key frequencies of the last layer, ascending
    """

    epoch: int
    groups: tuple[Group, ...]
    frequency: Ints
    fve: Floats
    phase: Floats
    limit: float
    n: int
    generator: int | None
    no_basis: str
    keys: tuple[int, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """All neurons as they stand on the wall."""
        return tuple(index for group in self.groups for index in group.neurons)


@dataclass(frozen=True, eq=False)
class NeuronWall:
    """layout : order and colours    tiles : (d, size, size) uint8, row a, column b, 255 is the limit
    frequency, fve : (d,) at the checkpoint shown, float32: for drawing
    committed : (d,) first measured epoch from which FVE stays ≥ 0.85, −1 where there is none; None: not asked
    """

    layout: WallLayout
    tiles: NDArray[np.uint8]
    frequency: Ints
    fve: Floats
    committed: Ints | None = None


def neuron_wall(run: Run, step: int, layout_step: int, size: int, unwrapped: bool, layer: int = -1) -> NeuronWall:
    """Thumbnails at a checkpoint in the order, axes and colours of another (usually the last). Float32: for drawing.

    size : pixels of a tile's side; never more than there are residues along it
    """
    layout = wall_layout(run, layout_step, layer)
    basis = basis_or_residues(run.config)[0]
    unwrapped = unwrapped and not layout.no_basis
    values = drawn(run, step).mlp_post[layer]
    size = min(size, basis.n if unwrapped else basis.p)
    tiles = np.empty((values.shape[1], size, size), dtype=np.uint8)
    starts, columns, places = _places(layout.frequency, basis, unwrapped)
    edges, pixels, weights = _pixels(basis.n if unwrapped else basis.p, size)
    scale = values.dtype.type(255.0 / layout.limit if layout.limit > 0 else 0.0)
    weights = weights.astype(values.dtype)

    def draw() -> None:
        thumbnails(*in_rows(values), basis.p, starts, columns, places, edges, pixels, weights, scale, tiles)

    def name() -> Waves:
        return layer_waves(run, step, layer, exact=False)

    _, now = _LANES.run([draw, name])
    assert now is not None
    return NeuronWall(layout, tiles, now.frequency, now.fve)


def neuron_wall_and_lives(
    run: Run, step: int, layout_step: int, size: int, unwrapped: bool, layer: int,
    n: int, traces: Traces | None, revision: int,
) -> NeuronWall:  # fmt: skip
    """The same, and since when each neuron is committed at the checkpoints measured so far, up to the n-th.

    revision : of the traces, which grow
    """
    wall = neuron_wall(run, step, layout_step, size, unwrapped, layer)
    lives = None if traces is None else committed_epochs(traces, int(run.epochs[n - 1]), revision)
    return replace(wall, committed=lives)


def _places(frequency: Ints, basis: Characters, unwrapped: bool) -> tuple[Ints, Ints, Ints]:
    """Neurons by their order of the residues: where groups start, who is in them, where residues stand there."""
    if not unwrapped:
        d = len(frequency)
        return np.array([0, d]), np.arange(d), np.arange(basis.p)[None]
    columns = np.argsort(frequency, kind="stable")
    found, starts = np.unique(frequency[columns], return_index=True)
    places = np.full((len(found), basis.p), -1)
    for row, k in zip(places, found.tolist(), strict=True):
        row[basis.elements[unwrapping(basis.n, k)]] = np.arange(basis.n)
    return np.append(starts, len(columns)), columns, places


@lru_cache(maxsize=32)
def _pixels(n: int, size: int) -> tuple[Ints, Ints, NDArray[np.float32]]:
    """`area_pool` by residue: where its pixels start, which they are, and with what weight it counts there."""
    pool = area_pool(n, size)
    residues, pixels = np.nonzero(pool.T)
    edges = np.searchsorted(residues, np.arange(n + 1))
    return edges, pixels, pool[pixels, residues]


@dataclass(frozen=True, eq=False)
class ExactWaves:
    """Best frequency and FVE of every neuron of a layer, float64, for printing; (d,) each."""

    frequency: Ints
    fve: Floats


def exact_waves(run: Run, step: int, layer: int, traces: Traces | None) -> ExactWaves:
    """From the traces where this checkpoint was measured with these weights; else computed."""
    measured = traces is not None and layer == run.config.n_layers - 1 and not run.reduced_precision
    if measured and not basis_or_residues(run.config)[1]:
        assert traces is not None
        at = np.flatnonzero(traces.epochs == int(run.epochs[step]))
        frequency, fve = traces.column("neuron_frequency"), traces.column("neuron_fve")
        if len(at) and frequency is not None and fve is not None and at[0] < min(len(frequency), len(fve)):
            return ExactWaves(frequency[at[0]].astype(np.int64), fve[at[0]])
    found = layer_waves(run, step, layer)
    return ExactWaves(found.frequency, found.fve)


@lru_cache(maxsize=4)
def committed_epochs(traces: Traces, last: int, revision: int) -> Ints | None:
    """The first measured epoch from which a neuron's FVE stays ≥ 0.85 up to epoch `last`, −1 where it does not.

    (d,), of the last layer; None where nothing is measured yet, or the task has no basis
    """
    epochs, fve = traces.epochs, traces.column("neuron_fve")
    if fve is None:
        return None
    m = min(len(epochs), len(fve))
    seen = epochs[:m] <= last
    epochs, clear = epochs[:m][seen], fve[:m][seen] >= THRESHOLD
    if not len(epochs):
        return None
    stays = np.logical_and.accumulate(clear[::-1], axis=0).sum(axis=0)  # how many of the last checkpoints
    return np.where(stays > 0, epochs[len(epochs) - np.maximum(stays, 1)], -1)


def wall_layout(run: Run, step: int, layer: int = -1) -> WallLayout:
    """Groups, phases and colour limit at a checkpoint.

    From float64 activations; from float32 of a run that is being trained, for the next checkpoint replaces it soon.
    """
    return _layout(run, step, range(run.config.n_layers)[layer], not run.grows)


@lru_cache(maxsize=64)
def _layout(run: Run, step: int, layer: int, exact: bool) -> WallLayout:
    basis, no_basis = basis_or_residues(run.config)
    found = layer_waves(run, step, layer, exact)
    carried = carriers(found) if not no_basis else {}
    groups = [Group(k, _by(found.phase, rows)) for k, rows in carried.items()]
    rest = np.setdiff1d(np.arange(len(found.fve)), np.concatenate([np.zeros(0, np.int64), *carried.values()]))
    if len(rest):
        groups.append(Group(0, tuple(rest.tolist()) if no_basis else _by(-found.fve, rest)))
    last = run.config.n_layers - 1
    keys = tuple(carried) if layer == last else _layout(run, step, last, exact).keys
    brightest = hidden(run, step, exact).mlp_post[layer].max(axis=0)
    return WallLayout(
        epoch=int(run.epochs[step]),
        groups=tuple(groups),
        frequency=found.frequency,
        fve=found.fve,
        phase=found.phase,
        limit=float(np.quantile(brightest, 0.95)) or float(brightest.max()),
        n=basis.n,
        generator=basis.generator,
        no_basis=no_basis,
        keys=keys,
    )


def clearest_neuron(run: Run, step: int) -> int | None:
    """The neuron of the last layer that one frequency explains best (paper, sec. 4.3); None: all are dead."""
    fve = wall_layout(run, step).fve
    return int(fve.argmax()) if len(fve) and fve.max() > 0 else None


def carriers(found: Waves) -> dict[int, Ints]:
    """Key frequencies, ascending, and the neurons that carry each: best frequency, FVE ≥ 0.85 (paper, sec. 4.3)."""
    clear = np.flatnonzero(found.fve >= THRESHOLD)
    return {int(k): clear[found.frequency[clear] == k] for k in np.unique(found.frequency[clear]) if k > 0}


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
    values = hidden(run, step).mlp_post[layer][:, index : index + 1].astype(np.float64)
    found = from_values(values, p)
    difference = run.config.operation == "subtract"
    layout = wall_layout(run, layout_step, layer)
    then = hidden(run, layout_step).mlp_post[layer][:, index]
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
