"""How much of W_E lies at each frequency (paper, fig. 3 top)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.neurons import neuron_frequencies
from engine.fourier import components, frequencies, norm_by_component
from engine.runfile import Run

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EmbeddingSpectrum:
    """cos, sin : (p // 2,) norm over d_model of W_E's component, entry k-1 is frequency k; sin is 0 at k = p / 2
    keys : the run's key frequencies at its last checkpoint, ascending; empty while there are none
    """

    cos: Floats
    sin: Floats
    keys: tuple[int, ...]

    @property
    def norm(self) -> Floats:
        """Cosine and sine together.  (p // 2,)"""
        return np.hypot(self.cos, self.sin)


def embedding_spectrum(run: Run, step: int, key_step: int) -> EmbeddingSpectrum:
    """Norms of W_E's Fourier components over the residues' tokens, float64; keys as of `key_step`."""
    p = run.config.p
    norms = norm_by_component(run.weight("W_E", step)[:p].astype(np.float64))
    pairs = [norms[components(p, k)] for k in frequencies(p)]
    return EmbeddingSpectrum(
        cos=np.array([pair[0] for pair in pairs]),
        sin=np.array([pair[1] if len(pair) > 1 else 0.0 for pair in pairs]),
        keys=key_frequencies(run, key_step),
    )


@lru_cache(maxsize=512)
def key_frequencies(run: Run, step: int) -> tuple[int, ...]:
    """Frequencies that at least one neuron of the last layer carries with FVE ≥ 0.85, ascending (paper, sec. 4.3)."""
    return tuple(neuron_frequencies(run, step).key_frequencies())
