"""One neuron in depth: what it computes, what it writes, and its life (paper, sec. 4.3; science 2.5, 2.13).

A one-layer model without layer norm is read from the neuron's own weight column: only `=` is read, its query is the
same for every pair, so scores and values are tables with one row a token. Other models go through the forward pass.
All angles are in degrees. n is the length of the task's cycle (`Characters`): p, or the number of units modulo p.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.neurons import THRESHOLD, from_values
from engine.analysis.wall import wave_peak
from engine.fourier import components, fourier_basis, frequencies, product
from engine.later import torch
from engine.replay import hidden
from engine.runfile import Run

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DIRECT_ONLY = "direct path only: later layers read this neuron too, so its vote is not known from its own weights"
RESCALED = "the final layer norm rescales every pair by itself: votes do not add up to a coefficient of the logits"
_SPREAD = 600.0  # exp(−600) is still a normal float64


# -- its activation ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Sources:
    """What `=` reads in a one-layer model; row t of 2p + 1: a at position 0, b at position 1, `=`.

    tokens : (2p + 1, d_model)     attention : (2p + 1, n_heads), exp(score − largest of its head)
    """

    tokens: Floats
    attention: Floats
    w_v: NDArray[np.float32]  # (n_heads, d_model, d_head)
    w_o: NDArray[np.float32]  # (n_heads, d_head, d_model)
    w_in: NDArray[np.float32]  # (d_model, d_mlp)
    b_in: NDArray[np.float32]  # (d_mlp,)


def _sources(run: Run, step: int) -> _Sources | None:
    """None where the model has more layers or a layer norm, or scores lie too far apart for tables."""
    c = run.config
    if c.n_layers > 1 or c.layer_norm:
        return None
    w_e, w_pos, w_q, w_k, w_v, w_o, w_in, b_in = (
        run.weight(name, step) for name in ("W_E", "W_pos", "W_Q", "W_K", "W_V", "W_O", "W_in", "b_in")
    )
    w_e, w_pos = w_e.astype(np.float64), w_pos.astype(np.float64)
    tokens = np.concatenate([w_e[: c.p] + w_pos[0], w_e[: c.p] + w_pos[1], w_e[c.p :] + w_pos[2]])
    query = tokens[-1] @ w_q[0].astype(np.float64)  # (n_heads, d_head)
    toward = np.matmul(w_k[0].astype(np.float64), query[:, :, None])[:, :, 0]  # (n_heads, d_model)
    scores = tokens @ toward.T / math.sqrt(c.head_size)
    scores -= scores.max(axis=0)
    if scores.min() < -_SPREAD:
        return None
    return _Sources(tokens, np.exp(scores), w_v[0], w_o[0], w_in[0], b_in[0])


_recent_sources = lru_cache(maxsize=8)(_sources)


def _from_column(sources: _Sources, index: int, p: int, activation: str) -> Floats:
    """f(Σ_h Σ_t attention_h(t) · content_h(t) + constant) from the neuron's own column.  -> (p, p)"""
    column = sources.w_in[:, index].astype(np.float64)
    read = sources.w_o.astype(np.float64) @ column  # (n_heads, d_head)
    direction = np.matmul(sources.w_v.astype(np.float64), read[:, :, None])[:, :, 0]  # (n_heads, d_model)
    weight = sources.attention
    weighted = weight * (sources.tokens @ direction.T)  # (2p + 1, n_heads)
    pre = np.full((p, p), sources.tokens[-1] @ column + float(sources.b_in[index]))
    for h in range(weight.shape[1]):
        top = weighted[:p, h, None] + (weighted[p:-1, h] + weighted[-1, h])
        top /= weight[:p, h, None] + (weight[p:-1, h] + weight[-1, h])
        pre += top
    if activation == "relu":
        np.maximum(pre, 0, out=pre)
        return pre
    found: Floats = torch.nn.functional.gelu(torch.from_numpy(pre)).numpy()
    return found


def neuron_activation(run: Run, step: int, layer: int, index: int) -> Floats:
    """Activation of one neuron at `=` for all p² pairs: `hidden(run, step).mlp_post[layer][:, index]`.

    -> (p, p), row a, column b
    """
    layer, index = range(run.config.n_layers)[layer], range(run.config.d_mlp)[index]
    return _activation(run, step, layer, index, _recent_sources(run, step))


def uncached_activation(run: Run, step: int, layer: int, index: int) -> Floats:
    """The same, of a checkpoint that is visited once."""
    return _activation(run, step, layer, index, _sources(run, step))


def _activation(run: Run, step: int, layer: int, index: int, sources: _Sources | None) -> Floats:
    p = run.config.p
    if sources is not None:
        return _from_column(sources, index, p, run.config.activation)
    found: Floats = hidden(run, step).mlp_post[layer][:, index].astype(np.float64).reshape(p, p)
    return found


# -- its frequency ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Transform:
    """2-D Fourier transform of one function on the cycle.

    full : (n, n) coefficients in the orthonormal basis, of the centred function     mean : its mean
    by_frequency : (n // 2,) share of the centred variance in each frequency's 8 components
    frequency, fve : the best one; 0 and 0 for a dead neuron
    """

    full: Floats
    mean: float
    by_frequency: Floats
    frequency: int
    fve: float


def _transform(grid: Floats) -> _Transform:
    """Best frequency and its share of the centred variance (science 2.5).  grid : (n, n)"""
    n = len(grid)
    basis = fourier_basis(n)
    mean = float(grid.mean())
    full = product(product(basis, grid - mean), basis.T)
    full[0, 0] = 0.0
    squares = full * full
    total = float(squares.sum())
    if n < 2 or total <= 1e-12 * max(float(np.abs(grid).max()) ** 2 * n * n, 1e-300):
        return _Transform(full, mean, np.zeros(n // 2), 0, 0.0)
    each = squares[0, 1:] + squares[1:, 0] + squares.diagonal()[1:]  # per component
    energy: Floats = np.add.reduceat(each, np.arange(0, n - 1, 2))
    both = (n - 1) // 2  # frequencies that have a sine
    energy[:both] += squares.diagonal(1)[1 : 2 * both : 2] + squares.diagonal(-1)[1 : 2 * both : 2]
    energy /= total
    best = int((energy >= (1 - 1e-9) * energy.max()).argmax())  # of equals the lowest
    return _Transform(full, mean, energy, best + 1, float(energy[best]))


def _sum_coefficient(full: Floats, k: int, sign: int) -> complex:
    """Σ N(i, j) e^(−i w (i ± j)) from the 2-D transform; w = 2πk / n."""
    n = len(full)
    c = components(n, k)
    block = full[c, c]
    if len(block) == 1:
        return complex(n * block[0, 0])
    real = block[0, 0] - sign * block[1, 1]
    imaginary = block[1, 0] + sign * block[0, 1]
    return complex(real, -imaginary) * n / 2


def _wrapped(degrees: Floats) -> Floats:
    """Into (−180°, 180°]."""
    inside: Floats = 180.0 - (180.0 - degrees) % 360.0
    return inside


def _scale(n: int, k: int | Ints) -> Floats:
    """2 / n³, and 1 / n³ for k = n / 2: from un-normalised sums to the coefficient of cos w(i ± j − c)."""
    return np.where(2 * np.asarray(k) == n, 1.0, 2.0) / float(n) ** 3


# -- what it writes ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _unembedding(run: Run, step: int) -> Floats:
    """Residual stream to the residues' logits; a final layer norm's centring and scale folded in.  (d_model, p)"""
    w_u = run.weight("W_U", step)[:, : run.config.p].astype(np.float64)
    if run.config.layer_norm:
        w_u *= run.weight("ln_final_w", step).astype(np.float64)[:, None]
        w_u -= w_u.mean(axis=0)
    return w_u


@lru_cache(maxsize=16)
def _outputs(run: Run, step: int) -> NDArray[np.float32]:
    """W_out of all layers.  (n_layers, d_mlp, d_model)"""
    return run.weight("W_out", step)


def logits_written(run: Run, step: int, layer: int, index: int) -> Floats:
    """W_L[:, n]: what one unit of activation adds to each residue's logit by the direct path.  (p,)"""
    found: Floats = _outputs(run, step)[layer, index].astype(np.float64) @ _unembedding(run, step)
    return found


def neuron_logit_map(run: Run, step: int) -> Floats:
    """W_L = W_U[:, :p]ᵀ W_outᵀ of the last layer (paper, sec. 4.2).  (p, d_mlp)"""
    found: Floats = _unembedding(run, step).T @ _outputs(run, step)[-1].T.astype(np.float64)
    return found


# -- the report -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class NeuronWave:
    """One neuron in its task's Fourier basis. Angles in degrees, in (−180, 180].

    n : length of the cycle     generator : of the units, which frequencies depend on; None for sums and differences
    frequency, fve : best frequency k (0: dead) and its share of the centred variance (science 2.5)
    by_frequency : (n // 2,) share of every frequency, entry k-1 is frequency k
    coefficients : (3, 3) of the degree-2 polynomial; rows 1, cos w·i, sin w·i, columns the same of j; in units of the
        activation; zeros for sines at k = n / 2 and, but for the constant, for a dead neuron
    fitted : (p, p) that polynomial, row a, column b; NaN for pairs outside the cycle
    r_squared, max_residual : of the fit, over the cycle's pairs (r_squared equals fve up to rounding; 0 for dead)
    phase : φ = arg Σ N e^(−i w (i ± j)); the wave is cos(w(i ± j) + φ)       None: dead
    output_phase : ψ = arg Σ_c W_L[c] e^(−i w c), c in the cycle's order       None: dead, or not the last layer
    misalignment : D = ψ − φ                                                    None: as ψ
    vote : (2 / n³)|N̂||Ŵ| cos D (1 / n³ for k = n / 2), its part of the logits' coefficient of cos w(i ± j − c)
        None: not the last layer, or a final layer norm; 0 for a dead neuron
    peak, output_peak : the residue of the answer nearest to the top of the wave it reads, and of the wave it writes;
        None where gcd(k, n) > 1 leaves several, or without the phase
    """

    n: int
    generator: int | None
    frequency: int
    fve: float
    by_frequency: Floats
    coefficients: Floats
    fitted: Floats
    r_squared: float
    max_residual: float
    phase: float | None
    output_phase: float | None
    misalignment: float | None
    vote: float | None
    peak: int | None
    output_peak: int | None


@dataclass(frozen=True, eq=False)
class NeuronReport:
    """One neuron at a checkpoint.

    activation : (p, p), row a, column b, also of pairs that the task does not have (b = 0 of a / b)
    writes : (p,) W_L[:, n], what one unit of activation adds to each residue's logit by the direct path (before the
        division by a final layer norm)
    wave : in the Fourier basis; None where the task has none, and `no_basis` says why
    no_vote : why there is no vote, or None
    """

    activation: Floats
    writes: Floats
    wave: NeuronWave | None
    no_basis: str | None
    no_vote: str | None


def neuron_report(run: Run, step: int, layer: int, index: int) -> NeuronReport:
    """Everything about one neuron at a checkpoint, float64 (science 2.5, 2.13)."""
    c = run.config
    layer, index = range(c.n_layers)[layer], range(c.d_mlp)[index]
    values = neuron_activation(run, step, layer, index)
    writes = logits_written(run, step, layer, index)
    last = layer == c.n_layers - 1
    no_vote = None if last and not c.layer_norm else RESCALED if last else DIRECT_ONLY
    try:
        basis = characters(c)
    except NoBasis as error:
        return NeuronReport(values, writes, None, str(error), no_vote)
    wave = neuron_wave(basis, values, writes if last else None)
    if c.layer_norm:
        wave = replace(wave, vote=None)
    return NeuronReport(values, writes, wave, None, no_vote)


def neuron_wave(basis: Characters, values: Floats, writes: Floats | None) -> NeuronWave:
    """A function of (a, b) in the task's basis.  values : (p, p)   writes : (p,); None: not the last layer"""
    n, p = basis.n, basis.p
    grid = basis.grid(values.reshape(-1))
    t = _transform(grid)
    k = t.frequency
    rows = [0, *range(*components(n, k).indices(n))] if k else [0]
    block = t.full[np.ix_(rows, rows)]
    block[0, 0] = t.mean * n
    waves = fourier_basis(n)[rows]
    fit = waves.T @ block @ waves
    height = np.where((np.array(rows) == 0) | (2 * k == n), 1.0, math.sqrt(2)) / math.sqrt(n)
    coefficients = np.zeros((3, 3))
    coefficients[: len(rows), : len(rows)] = block * np.outer(height, height)
    fitted = np.full((p, p), np.nan)
    fitted.reshape(-1)[basis.rows] = fit.reshape(-1)
    residual = grid - fit
    variance = float(np.square(grid - t.mean).sum())
    phase = output = misaligned = None
    vote = None if writes is None else 0.0
    if k:
        read = _sum_coefficient(t.full, k, basis.sign)
        phase = _degrees(read)
        if writes is not None:
            written = complex(_waves(n, k) @ basis.outputs(writes))
            output = _degrees(written)
            misaligned = float(_wrapped(np.asarray(output - phase)))
            vote = float(_scale(n, k)) * (read.conjugate() * written).real
    return NeuronWave(
        n=n,
        generator=basis.generator,
        frequency=k,
        fve=t.fve,
        by_frequency=t.by_frequency,
        coefficients=coefficients,
        fitted=fitted,
        r_squared=1 - float(np.square(residual).sum()) / variance if k else 0.0,
        max_residual=float(np.abs(residual).max()),
        phase=phase,
        output_phase=output,
        misalignment=misaligned,
        vote=vote,
        peak=_peak(basis, phase, k),
        output_peak=_peak(basis, output, k),
    )


def _waves(n: int, k: int) -> NDArray[np.complex128]:
    """e^(−i w s).  (n,)"""
    waves: NDArray[np.complex128] = np.exp(-2j * np.pi * (k * np.arange(n) % n) / n)
    return waves


def _degrees(z: complex) -> float:
    return float(_wrapped(np.asarray(math.degrees(math.atan2(z.imag, z.real)))))


def _peak(basis: Characters, phase: float | None, k: int) -> int | None:
    place = None if phase is None else wave_peak(math.radians(phase), k, basis.n)
    return None if place is None else int(basis.elements[place])


# -- all neurons ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Votes:
    """All neurons of the last layer, each at one frequency; (d_mlp,) each, angles in degrees, in (−180, 180].

    frequency : where it was asked; 0 for a dead neuron
    phase, output_phase, misalignment : φ, ψ, D = ψ − φ; NaN for a neuron that has nothing at the frequency
    vote : as in `NeuronWave`; 0 for a dead neuron; NaN for all where the model has a final layer norm
    """

    frequency: Ints
    phase: Floats
    output_phase: Floats
    misalignment: Floats
    vote: Floats


def neuron_votes(run: Run, step: int) -> Votes:
    """Every neuron of the last layer at its own best frequency. Raises `NoBasis`."""
    basis = characters(run.config)
    values = _on_cycle(run, step, basis)
    return _votes(run, step, basis, values, from_values(values, basis.n).frequency)


def votes_at(run: Run, step: int, k: int) -> Votes:
    """Every neuron of the last layer at frequency k. Raises `NoBasis`.

    Σ vote is the MLP's part of α_k over all pairs of the cycle: the least-squares coefficient of cos w_k(i ± j − c).
    """
    basis = characters(run.config)
    if k not in frequencies(basis.n):
        raise ValueError(f"frequency {k}: must be one of 1 to {basis.n // 2}.")
    return _votes(run, step, basis, _on_cycle(run, step, basis), np.full(run.config.d_mlp, k))


def _on_cycle(run: Run, step: int, basis: Characters) -> Floats:
    """(n², d_mlp), the last layer's activations on the cycle's pairs"""
    values: Floats = hidden(run, step).mlp_post[-1].astype(np.float64, copy=False)
    return values if basis.generator is None else values[basis.rows]


def _votes(run: Run, step: int, basis: Characters, values: Floats, frequency: Ints) -> Votes:
    n = basis.n
    by_sum = _summed(values.reshape(n, n, -1), basis.sign)
    written_by = neuron_logit_map(run, step)[basis.elements]
    read, written = (np.zeros(len(frequency), dtype=np.complex128) for _ in range(2))
    for k in np.unique(frequency[frequency > 0]):
        at = np.flatnonzero(frequency == k)
        waves = _waves(n, int(k))
        read[at], written[at] = waves @ by_sum[:, at], waves @ written_by[:, at]
    some = np.abs(read) > 1e-12 * np.abs(values).sum(axis=0)
    phase = np.where(some, _wrapped(np.degrees(np.angle(read))), np.nan)
    output = np.where(some, _wrapped(np.degrees(np.angle(written))), np.nan)
    vote = _scale(n, frequency) * (read.conj() * written).real
    if run.config.layer_norm:
        vote = np.full_like(vote, np.nan)
    return Votes(frequency.astype(np.int64), phase, output, _wrapped(output - phase), vote)


def _summed(values: Floats, sign: int) -> Floats:
    """Summed over the pairs whose i ± j is s.  (n, n, d) -> (n, d)"""
    s = np.arange(len(values))
    total = np.zeros(values.shape[1:])
    for i in range(len(values)):
        total += values[i][sign * (s - i) % len(values)]
    return total


# -- its life ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class NeuronBiography:
    """One neuron over the checkpoints; (n,) each.

    epochs     frequency : best one, 0 while dead     fve : 0 while dead
    phase : φ at that frequency, degrees in (−180, 180]; NaN while dead
    settled : first epoch from which the best frequency never changes; None if it ends dead
    committed : first epoch from which FVE stays ≥ 0.85; None if it ends below
    """

    epochs: Ints
    frequency: Ints
    fve: Floats
    phase: Floats
    settled: int | None
    committed: int | None


def neuron_biography(run: Run, layer: int, index: int, steps: Iterable[int] | None = None) -> NeuronBiography:
    """The life of one neuron over the given checkpoints, ascending (all of them by default). Raises `NoBasis`.

    One-layer models without layer norm: a few milliseconds a checkpoint. Others: one forward pass a checkpoint.
    """
    basis = characters(run.config)
    layer, index = range(run.config.n_layers)[layer], range(run.config.d_mlp)[index]
    chosen = np.array(range(run.n_checkpoints) if steps is None else list(steps), dtype=np.int64)
    frequency, fve, phase = np.zeros(len(chosen), dtype=np.int64), np.zeros(len(chosen)), np.full(len(chosen), np.nan)
    for at, step in enumerate(chosen.tolist()):
        values = _activation(run, step, layer, index, _sources(run, step))
        t = _transform(basis.grid(values.reshape(-1)))
        frequency[at], fve[at] = t.frequency, t.fve
        if t.frequency:
            phase[at] = _degrees(_sum_coefficient(t.full, t.frequency, basis.sign))
    return life_of(run.epochs[chosen], frequency, fve, phase)


def life_of(epochs: Ints, frequency: Ints, fve: Floats, phase: Floats) -> NeuronBiography:
    """The biography of what was found at some epochs, ascending; (n,) each."""
    last = frequency[-1] if len(epochs) else 0
    return NeuronBiography(
        epochs=epochs,
        frequency=frequency,
        fve=fve,
        phase=phase,
        settled=_holds_from(epochs, frequency == last) if last else None,
        committed=_holds_from(epochs, fve >= THRESHOLD),
    )


def _holds_from(epochs: Ints, holds: NDArray[np.bool_]) -> int | None:
    """The first epoch from which it holds to the end; None if it does not hold at the end."""
    fails = np.flatnonzero(~holds)
    first = int(fails[-1]) + 1 if len(fails) else 0
    return int(epochs[first]) if first < len(epochs) else None
