"""A set of parts of the model as a question over training, and the random sets that it is compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from engine.analysis.ablation import CARRIERS, SUM, WHOLE, Ablation, Frequencies, Units
from engine.analysis.characters import NoBasis, characters
from engine.analysis.neuron_map import carriers
from engine.analysis.solutions import applied
from engine.analysis.waves import Waves
from engine.config import Config

SETS = ("heads", "skips", "neurons", "neuron_frequencies", "logit_frequencies")
DRAWS = 20  # random sets
TOGETHER = 2  # random sets in one piece of work: nobody waits long for the next
Members = tuple[Any, ...]


@dataclass(frozen=True)
class SetQuestion:
    """A set of parts of the model.

    parts : the sets of an `Ablation` and how they are taken away; nothing else of it, and `keep` is False
    draws, seed : of the random sets
    keys : frequencies that no random set of frequencies holds: one that carries the answer is no control
    """

    parts: Ablation
    draws: int = DRAWS
    seed: int = 0
    keys: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The same for the same question, fit for a file."""
        return hashlib.sha1(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def is_closed(self) -> bool:
        """Whether it is about the waves of the answer in the logits alone, for which all random sets come at once."""
        part = self.parts.logit_frequencies
        return part.what == SUM and not self.parts.is_cut_inside

    @property
    def pieces(self) -> int:
        """How many pieces a checkpoint's work is cut into."""
        return 1 if self.is_closed else 1 + -(-self.draws // TOGETHER)

    @property
    def is_of_carriers(self) -> bool:
        """Whether its neurons are those that carry frequencies."""
        part = self.parts.neuron_frequencies
        return not part.is_whole and part.what == CARRIERS


def question_of(config: Config, ablation: Ablation, keys: tuple[int, ...] = ()) -> SetQuestion | None:
    """The sets of an ablation, of which none is empty; None where it has none that the task knows.

    keys : the run's key frequencies
    """
    effective = applied(config, (), ablation)
    sets = {name: replace(getattr(effective, name), keep=False) for name in SETS if not _part(effective, name).is_whole}
    of_frequencies = any(name.endswith("frequencies") for name in sets)
    return SetQuestion(replace(WHOLE, **sets), keys=keys if of_frequencies else ()) if sets else None


def _part(ablation: Ablation, name: str) -> Units | Frequencies:
    found: Units | Frequencies = getattr(ablation, name)
    return found


def only(ablation: Ablation) -> Ablation:
    """Everything but the sets is taken away."""
    flipped: dict[str, Any] = {
        name: replace(_part(ablation, name), keep=True) for name in SETS if not _part(ablation, name).is_whole
    }
    return replace(ablation, **flipped)


# -- random sets -----------------------------------------------------------------------------------------------


def random_sets(
    everything: Sequence[Any], mine: Sequence[Any], draws: int, rng: np.random.Generator, apart: Collection[Any] = ()
) -> list[Members]:
    """Distinct random sets of the size of `mine`, from what is neither in it nor `apart`, where that is enough.

    Else from what is not in it, else from everything. All of them where there are not more than `draws`; none where
    `mine` is everything.
    """
    others = [x for x in everything if x not in set(mine)]
    pools = ([x for x in others if x not in apart], others, list(everything))
    pool = next((pool for pool in pools if len(pool) >= len(mine)), list(everything))
    size = len(mine)
    if comb(len(pool), size) <= draws + 1:
        return [found for found in combinations(pool, size) if set(found) != set(mine)][:draws]
    found: dict[Members, None] = {}
    while len(found) < draws:
        chosen = tuple(pool[i] for i in np.sort(rng.choice(len(pool), size, replace=False)))
        if set(chosen) != set(mine):
            found[chosen] = None
    return list(found)


def controls(question: SetQuestion, config: Config, waves: Waves | None = None) -> list[Ablation]:
    """The question's parts with random sets in the place of its own.  waves : where it is about carriers"""
    layers, n = config.n_layers, characters(config).n if _has_basis(config) else 1
    everything: dict[str, list[Any]] = {
        "heads": [(la, h) for la in range(layers) for h in range(config.n_heads)],
        "skips": [(la, around) for la in range(layers) for around in range(2)],
        "neurons": [(la, i) for la in range(layers) for i in range(config.d_mlp)],
        "neuron_frequencies": list(range(1, n // 2 + 1)),
        "logit_frequencies": list(range(1, n // 2 + 1)),
    }
    drawn: dict[str, list[Any]] = {}
    for i, name in enumerate(SETS):
        part, rng = _part(question.parts, name), np.random.default_rng([question.seed, i])
        if part.is_whole:
            continue
        if isinstance(part, Frequencies) and part.what == CARRIERS:
            assert waves is not None
            drawn["carriers"] = _random_neurons(part, waves, question.draws, rng)
        else:
            apart = question.keys if isinstance(part, Frequencies) else ()
            sets = random_sets(everything[name], part.of, question.draws, rng, apart)
            drawn[name] = [_with(part, of) for of in sets]
    if not drawn or not all(drawn.values()):
        return []
    count = max(len(sets) for sets in drawn.values())
    return [_together(question.parts, {name: sets[i % len(sets)] for name, sets in drawn.items()}, config)
            for i in range(count)]  # fmt: skip


def _with(part: Units | Frequencies, of: Members) -> Units | Frequencies:
    if isinstance(part, Units):
        return replace(part, of=of)
    return replace(part, of=of)


def _has_basis(config: Config) -> bool:
    try:
        characters(config)
    except NoBasis:
        return False
    return True


def _random_neurons(part: Frequencies, waves: Waves, draws: int, rng: np.random.Generator) -> list[Units]:
    """As many neurons of the last layer as carry the frequencies, none that does where there are enough others."""
    mine = carriers(part.of, waves)
    size, found = int(mine.sum()), []
    for _ in range(draws):
        order = rng.permutation(len(mine))
        others = order[~mine[order]]
        chosen = (others if len(others) >= size else order)[:size]
        found.append(Units(tuple((-1, int(i)) for i in chosen), mean=part.mean))
    return found


def _together(parts: Ablation, sets: dict[str, Any], config: Config) -> Ablation:
    """Random sets put into the question; random neurons in the place of carriers stand beside those of `neurons`."""
    random = sets.pop("carriers", None)
    made = replace(parts, **sets)
    if random is None:
        return made
    last = config.n_layers - 1
    neurons = replace(random, of=(*made.neurons.of, *((last, i) for _, i in random.of)))
    return replace(made, neuron_frequencies=WHOLE.neuron_frequencies, neurons=neurons)
