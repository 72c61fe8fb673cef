"""The lottery of the frequencies: does the start decide the outcome? (He et al. 2026, arXiv 2602.16849)

In a small network that learns modular addition, each neuron takes the frequency that begins with the largest
magnitude and the smallest misalignment of the phases it reads and writes. Here the same is asked of a transformer:
of every frequency (its norm at the start against the one at the end), and of every neuron (where its final frequency
stood among all of them at the start). Whatever the draw, something wins; so chance is told with every number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.characters import NoBasis, characters
from engine.analysis.embedding import MATRICES, by_residue
from engine.analysis.neuron import neuron_logit_map
from engine.analysis.neurons import THRESHOLD
from engine.analysis.waves import Waves, coefficients, spectra
from engine.fourier import norm_by_frequency
from engine.replay import hidden
from engine.runfile import Run

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SIZES = ("W_E", "W_U", "W_L", "neurons", "votes")
"""Of a frequency: norms in three matrices and in the activations, and the neurons' part of the logits' coefficient."""
SCORES = ("magnitude", "alignment", "ticket", "vote")
"""What may decide: |N̂|, cos D, |N̂| cos D, and |N̂||Ŵ| cos D, the neuron's part of the logits' coefficient."""


@dataclass(frozen=True, eq=False)
class Tickets:
    """What every neuron of the last layer holds at the start, and what became of it.

    first, last : epochs
    sizes : `SIZES` -> (2, f), of every frequency at the start and at the end
    magnitude, output : (d, f), |N̂| and |Ŵ|: of the wave a neuron reads, cos(w(i ± j) + φ), and of the one it writes
    misalignment : (d, f), D = ψ − φ in (−π, π]
    frequency, fve : (d,) at the end; 0 for a dead neuron
    no_basis : why there is none of it, or empty
    """

    first: int
    last: int
    sizes: dict[str, Floats]
    magnitude: Floats
    output: Floats
    misalignment: Floats
    frequency: Ints
    fve: Floats
    no_basis: str = ""

    @property
    def carriers(self) -> Ints:
        """Neurons that carry a frequency at the end and are not silent at the start: those that hold tickets."""
        return np.flatnonzero(self._carry & ~self._silent)

    @property
    def ticketless(self) -> int:
        """How many carry a frequency at the end, but read no wave at the start: off, or on, for every pair alike."""
        return int((self._carry & self._silent).sum())

    @property
    def _carry(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (self.fve >= THRESHOLD) & (self.frequency > 0)
        return found

    @property
    def _silent(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self.magnitude.max(axis=1, initial=0.0) <= 1e-9 * self.magnitude.max(initial=0.0)
        return found

    @property
    def keys(self) -> tuple[int, ...]:
        """Frequencies carried at the end, by at least one neuron with FVE ≥ 0.85."""
        return tuple(int(k) for k in np.unique(self.frequency[self._carry]))

    def score(self, name: str) -> Floats:
        """One of `SCORES` of every neuron and frequency.  (d, f)"""
        aligned = np.cos(self.misalignment)
        return {
            "magnitude": self.magnitude,
            "alignment": aligned,
            "ticket": self.magnitude * aligned,
            "vote": self.magnitude * self.output * aligned,
        }[name]


def tickets(run: Run, first: int, last: int) -> Tickets:
    """What the neurons hold at step `first`, and the frequencies they have at step `last`.

    From float64 activations: of a neuron that is always on, the wave of a + b is a small rest of what it reads.
    """
    epochs = int(run.epochs[first]), int(run.epochs[last])
    try:
        characters(run.config)
    except NoBasis as error:
        d, none = run.config.d_mlp, np.zeros((run.config.d_mlp, 0))
        sizes = {which: np.zeros((2, 0)) for which in SIZES}
        return Tickets(*epochs, sizes, none, none, none, np.zeros(d, np.int64), np.zeros(d), str(error))
    (read, written, start, _), (*_, end, outcome) = _held(run, first), _held(run, last)
    return Tickets(
        first=epochs[0],
        last=epochs[1],
        sizes={which: np.array([start[which], end[which]]) for which in SIZES},
        magnitude=np.abs(read).T,
        output=np.abs(written).T,
        misalignment=np.angle(written * read.conj()).T,
        frequency=outcome.frequency,
        fve=outcome.fve,
    )


@lru_cache(maxsize=8)
def _held(run: Run, step: int) -> tuple[NDArray[np.complex128], NDArray[np.complex128], dict[str, Floats], Waves]:
    """N̂ and Ŵ (f, d), sizes (f,) each, and the neurons' best waves at a checkpoint."""
    x = characters(run.config)
    found = spectra(hidden(run, step).mlp_post[-1], x)
    written = coefficients(neuron_logit_map(run, step)[x.elements])
    scale = np.where(2 * np.arange(1, x.n // 2 + 1) == x.n, 1.0, 2.0) / float(x.n) ** 3
    sizes = {which: norm_by_frequency(by_residue(run, step, which)[x.elements]) for which in MATRICES}
    votes = scale * (found.along.conj() * written).real.sum(axis=1)
    return found.along, written, sizes | {"neurons": found.norms, "votes": votes}, found.waves


# -- what the tickets were worth ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Worth:
    """How well a score at the start tells each carrier's frequency at the end.

    place : (c,) of each carrier's frequency among all f by the score, 1 the highest      f : how many there are
    first_tenth : share of carriers whose frequency stands among the highest ⌈f / 10⌉
    even : what a draw among all frequencies would give      shuffled : what the scores of another carrier give, on
        average: more than `even` where some frequencies are high in every neuron
    among_keys : share of carriers whose frequency is the highest of the keys      shuffled_keys : with another's scores
    """

    place: Ints
    f: int
    first_tenth: float
    even: float
    shuffled: float
    among_keys: float
    shuffled_keys: float


def worth(drawn: Tickets, score: str) -> Worth | None:
    """What a score tells; None where no neuron carries a frequency."""
    carriers, keys = drawn.carriers, np.array(drawn.keys)
    if not len(carriers):
        return None
    values, own = drawn.score(score)[carriers], drawn.frequency[carriers] - 1
    places = places_of(values)  # (c, f)
    f = values.shape[1]
    top = -(-f // 10)
    won = np.bincount(own, minlength=f) / len(own)  # share of the carriers that have each frequency
    best = keys[values[:, keys - 1].argmax(axis=1)] - 1  # of the keys alone
    return Worth(
        place=places[np.arange(len(own)), own],
        f=f,
        first_tenth=float((places[np.arange(len(own)), own] <= top).mean()),
        even=top / f,
        shuffled=float((places <= top).mean(axis=0) @ won),
        among_keys=float((best == own).mean()),
        shuffled_keys=float((np.bincount(best, minlength=f) / len(own)) @ won),
    )


def places_of(values: Floats) -> Ints:
    """The place of every entry of a row, 1 the highest; of equals the first comes first.  (c, f) -> (c, f)"""
    order = np.argsort(-values, axis=1, kind="stable")
    found = np.empty(values.shape, np.int64)
    np.put_along_axis(found, order, np.arange(1, values.shape[1] + 1)[None, :], axis=1)
    return found


@dataclass(frozen=True)
class Rank:
    """How the order at the start agrees with the order at the end.

    spearman : rank correlation over all n frequencies; None where there are fewer than three, or nothing varies
    chance : what it stays within in 95 of 100 draws, about 1.96 / √(n − 1)
    key_mean : mean place of the keys at the start, 1 the largest; None without keys
    key_chance, key_spread : mean and standard deviation of that for keys drawn among all n
    """

    spearman: float | None
    chance: float
    key_mean: float | None
    key_chance: float
    key_spread: float


def rank_of(first: Floats, last: Floats, keys: tuple[int, ...]) -> Rank:
    """Of the frequencies' sizes at the start and at the end.  (f,) each"""
    n, m = len(first), len(keys)
    places = places_of(first[None, :])[0]
    return Rank(
        spearman=spearman(first, last),
        chance=1.96 / np.sqrt(n - 1) if n > 1 else 1.0,
        key_mean=float(places[np.array(keys) - 1].mean()) if m else None,
        key_chance=(n + 1) / 2,
        key_spread=float(np.sqrt((n + 1) * (n - m) / (12 * m))) if m else 0.0,
    )


def spearman(x: Floats, y: Floats) -> float | None:
    """Rank correlation, equals sharing their mean rank."""
    if len(x) < 3:
        return None
    a, b = (_mean_ranks(v) for v in (x, y))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else None


def _mean_ranks(x: Floats) -> Floats:
    _, group, counts = np.unique(x, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    found: Floats = (ends - (counts - 1) / 2)[group]
    return found
