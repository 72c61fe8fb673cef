"""What the lottery says in words: who leads, and what the start told, chance beside every number."""

from __future__ import annotations

import numpy as np

from app.numbers import epoch_text
from engine.analysis.lottery import Tickets, Worth, rank_of
from engine.analysis.race import Race


def leaders_words(races: dict[str, Race], epoch: int, short: bool = False) -> str:
    """Who leads at an epoch, and from when on the keys lead for good."""
    said, decided = [], []
    for which, race in races.items():
        i = int(np.searchsorted(race.epochs, epoch))
        if i < len(race.epochs) and race.epochs[i] == epoch:
            said.append(f"{which} {int(race.rank[i].argmin()) + 1}")
        if race.keys and len(race.epochs):
            decided.append(f"{which} {epoch_text(race.lead)}" if race.lead is not None else f"{which} –")
    when = f"Epoch {epoch_text(epoch)}"
    lead = f"{when}: first are " + ", ".join(said) if said else f"{when} is not measured yet"
    if short or not decided:
        return lead
    return f"{lead} · the keys lead for good from " + ", ".join(decided)


def rank_words(which: str, numbers: Tickets, keys: tuple[int, ...]) -> tuple[str, str]:
    """How the sizes at the start agree with those at the end; and in short."""
    start, end = numbers.sizes[which]
    keys = tuple(k for k in keys if k <= len(start))
    found = rank_of(start, end, keys)
    rho = "" if found.spearman is None else f"ρ {found.spearman:.2f} (chance ± {found.chance:.2f})".replace("-", "−")
    if found.key_mean is None:
        return (f"{which}: {rho}" if rho else which,) * 2
    place = f"keys at place {found.key_mean:.1f} of {len(start)}"
    chance = f"{found.key_chance:.1f} ± {found.key_spread:.1f}"
    return f"{which}: {place} on average (chance {chance}) · {rho}", f"{place} (chance {chance})"


def worth_words(found: Worth | None) -> tuple[str, str]:
    """What a score tells of the neurons' frequencies; and in short."""
    if found is None:
        return ("No neuron carries a frequency yet",) * 2
    tenth, even, shuffled = (f"{100 * x:.1f}" for x in (found.first_tenth, found.even, found.shuffled))
    first = f"{tenth} % in the first tenth (even {even}, shuffled {shuffled})"
    keys = f"{100 * found.among_keys:.1f} % had the best of the keys (shuffled {100 * found.shuffled_keys:.1f})"
    return f"{first} · {keys}", first


def spread_words(numbers: Tickets) -> tuple[str, str]:
    """How many neurons hold tickets; and in short."""
    count, without = len(numbers.carriers), numbers.ticketless
    if not count:
        return ("No neuron carries a frequency yet",) * 2
    also = f", {without} more read nothing then" if without else ""
    return f"{count} neurons; chance would spread them evenly{also}", f"{count} neurons{also}"
