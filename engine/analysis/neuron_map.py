"""What an ablation makes of the last layer's activations, as one linear map (`engine.analysis.ablation`, steps 3 to 6).

Every step before the projection acts on each neuron by itself, and all of them together are

    f → alpha · f + gamma · mean(f) + delta + Σ over lines and components of factors · (component of f on that line),

with lines and components as in `engine.analysis.lines`. The projection mixes neurons and leaves pairs alone, so it is
taken into what the neurons write.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.ablation import BLOCK, CARRIERS, CLEAR, NULL, Ablation, Frequencies
from engine.analysis.characters import Characters
from engine.analysis.lines import LINES, chosen_lines, once, rows_of, wave_tables
from engine.analysis.neurons import THRESHOLD
from engine.analysis.waves import LineSums, Waves
from engine.fourier import spectrum

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(eq=False)
class NeuronMap:
    """alpha, gamma, delta : (d,)    factors : (4, n, d), None while no component is told from others"""

    alpha: Floats
    gamma: Floats
    delta: Floats
    factors: Floats | None = None

    @classmethod
    def identity(cls, d: int) -> NeuronMap:
        return cls(np.ones(d), np.zeros(d), np.zeros(d))

    def copy(self) -> NeuronMap:
        return NeuronMap(
            self.alpha.copy(), self.gamma.copy(), self.delta.copy(),
            None if self.factors is None else self.factors.copy(),
        )  # fmt: skip

    @property
    def turns(self) -> bool:
        """Whether anything depends on sums over pairs."""
        return self.factors is not None or bool(self.gamma.any())

    def tables(self, sums: LineSums, into: Floats) -> Floats:
        """What depends on sums over pairs, written: four tables.  into : (d, m)   ->   (4, n, m)"""
        n = sums.sums.shape[1]
        found = np.zeros((LINES, n, into.shape[1])) if self.factors is None else wave_tables(sums, self.factors, into)
        found[0] += (self.gamma * sums.mean) @ into
        return found

    def fix(self, taken: Flags, values: Floats | float) -> None:
        """Some neurons stand at a constant."""
        self.alpha[taken] = self.gamma[taken] = 0
        self.delta[taken] = values[taken] if isinstance(values, np.ndarray) else values
        if self.factors is not None:
            self.factors[:, :, taken] = 0

    def _with_factors(self, n: int) -> Floats:
        if self.factors is None:
            self.factors = np.zeros((LINES, n, len(self.alpha)))
        return self.factors

    def drop(self, basis: Characters, of: tuple[int, ...], block: bool) -> None:
        """Take frequencies from all neurons."""
        factors, rows = self._with_factors(basis.n), rows_of(basis.n, of)
        for line in chosen_lines(basis, block):
            factors[line, rows] = -self.alpha
        once(factors, basis)

    def keep(self, basis: Characters, of: Flags, block: bool, constant: bool, neurons: Flags | None = None) -> None:
        """Keep only some frequencies.  of : (n, d), which components of which neuron    neurons : (d,), None: all"""
        factors = self._with_factors(basis.n)
        changed = np.ones(len(self.alpha), bool) if neurons is None else neurons
        kept = np.zeros_like(factors)
        for line in chosen_lines(basis, block):
            kept[line] = np.where(of, self.alpha + factors[line], 0)
        once(kept, basis)
        factors[:, :, changed] = kept[:, :, changed]
        self.gamma[changed] = (self.alpha + self.gamma)[changed] if constant else 0
        self.delta[changed] *= 1 if constant else 0
        self.alpha[changed] = 0


def carriers(of: tuple[int, ...], waves: Waves) -> Flags:
    """Neurons that carry one of the frequencies.  (d,)"""
    return np.asarray(np.isin(waves.frequency, of) & (waves.fve >= THRESHOLD) & (waves.frequency > 0))


def with_neurons(found: NeuronMap, cuts: Ablation, layer: int, mean: Floats | float) -> None:
    """Step 3.  mean : (d,) of the whole model, where it is needed"""
    taken = np.zeros(len(found.alpha), bool)
    taken[cuts.neurons.taken(layer, len(taken))] = True
    found.fix(taken, mean if cuts.neurons.mean else 0.0)


def with_waves(found: NeuronMap, cuts: Ablation, basis: Characters, waves: Waves | None, mean: Floats | float) -> None:
    """Steps 4 and 5.  waves : of the whole model, where they are needed"""
    if cuts.polynomials and waves is not None:
        chosen = (waves.fve >= THRESHOLD if cuts.polynomials == CLEAR else waves.fve > 0) & (waves.frequency > 0)
        own = (np.arange(basis.n)[:, None] + 1) // 2 == waves.frequency[None, :]  # (n, d), components of its frequency
        found.keep(basis, own, True, True, chosen)
    part: Frequencies = cuts.neuron_frequencies
    if part.is_whole:
        return
    if part.what == CARRIERS:
        assert waves is not None
        mine = carriers(part.of, waves)
        found.fix(mine != part.keep, mean if part.mean else 0.0)
    elif not part.keep:
        found.drop(basis, part.of, part.what == BLOCK)
    else:
        of = np.zeros((basis.n, len(found.alpha)), bool)
        of[rows_of(basis.n, part.of)] = True
        found.keep(basis, of, part.what == BLOCK, part.mean)


def written(w_out: Floats, w_u: Floats, basis: Characters, keys: tuple[int, ...], kind: str) -> Floats:
    """W_out behind the projection of step 6: (d, d_model) -> (d, d_model).  w_u : (d_model, p)   kind : ONTO, NULL"""
    span = directions(w_out @ w_u, basis, keys)
    onto = span.T @ (span @ w_out)
    return w_out - onto if kind == NULL else onto


def directions(w_l: Floats, basis: Characters, keys: tuple[int, ...]) -> Floats:
    """Orthonormal directions of neurons that span the keys' u_k and v_k.  w_l : (d, p)   ->   (at most 2|keys|, d)"""
    found = spectrum(np.ascontiguousarray(basis.outputs(w_l).T))[rows_of(basis.n, keys)]
    _, size, rows = np.linalg.svd(found, full_matrices=False)
    return np.asarray(rows[size > 1e-12 * max(size.max(initial=0.0), 1e-300)])
