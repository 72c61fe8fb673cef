"""Typed places: `9400`, `neuron 12`, `head 2`, `k 35`, `pair 3, 5`, `checkpoint 12`, as commands that go there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from app.commands import Command
from app.session import Session
from app.views.plots import epoch_text
from engine.runfile import Run
from engine.tasks import TASKS

_WORDS = {
    "epoch": "epoch", "e": "epoch", "neuron": "neuron", "n": "neuron", "frequency": "frequency",
    "freq": "frequency", "k": "frequency", "pair": "pair", "p": "pair", "checkpoint": "checkpoint", "c": "checkpoint",
    "head": "head", "h": "head",
}  # fmt: skip
_NUMBER = r"[-−]?\d+(?:\.\d+)?"
_PLACE = re.compile(rf"([a-z]*)[\s=:#]*({_NUMBER}(?:\s*(?:[\s,;+/]|of\s+layer)\s*{_NUMBER})*)?")
_THOUSANDS = re.compile(r"\d{1,3}(?:[\s,]\d{3})+")


def interpret_selection(session: Session, text: str) -> list[Command]:
    """What a text with numbers may mean: an epoch, a checkpoint, a neuron, a head, a frequency k or a pair.

    A bare number is an epoch first, two are a pair. What the run does not have is told, with what it has, in a
    command that cannot be run.
    """
    found = _PLACE.fullmatch(text.strip().lower())
    if found is None or not found[0]:
        return []
    word, rest = found[1], found[2] or ""
    if word and word not in _WORDS:
        return []
    run, n = session.selection.run, session.selection.n_checkpoints
    if run is None or not n:
        return [_refused("Open a run first: there is nothing to go to yet")] if rest else []
    numbers = [float(number.replace("−", "-")) for number in re.findall(_NUMBER, rest)]
    whole = _THOUSANDS.fullmatch(rest)
    one = [float(re.sub(r"\D", "", rest))] if whole else numbers
    if word:
        kind = _WORDS[word]
        return [_GO[kind](session, run, numbers if kind in ("pair", "neuron", "head") else one)]
    if len(numbers) == 1:
        others = [_GO[kind](session, run, numbers) for kind in ("frequency", "neuron", "checkpoint")]
        return [_epoch(session, run, numbers), *(command for command in others if command.enabled)]
    pair = [_pair(session, run, numbers)] if len(numbers) == 2 else []
    epoch = [_epoch(session, run, one)] if whole else []
    return sorted(pair + epoch, key=lambda command: not command.enabled)


def _refused(text: str) -> Command:
    return Command(text, lambda: None, enabled=False)


def _is_one_of(numbers: Sequence[float], first: int, last: int) -> bool:
    return len(numbers) == 1 and numbers[0].is_integer() and first <= numbers[0] <= last


def _epoch(session: Session, run: Run, numbers: Sequence[float]) -> Command:
    epochs = run.epochs[: session.selection.n_checkpoints]
    first, last = int(epochs[0]), int(epochs[-1])
    if len(numbers) != 1 or not first <= numbers[0] <= last:
        return _refused(f"Epoch: from {epoch_text(first)} to {epoch_text(last)}")
    nearest = int(epochs[abs(epochs - numbers[0]).argmin()])
    asked = "" if nearest == numbers[0] else f", the checkpoint nearest to {epoch_text(numbers[0])}"
    return Command(f"Go to epoch {epoch_text(nearest)}{asked}", lambda: session.scrub_to_epoch(nearest))


def _checkpoint(session: Session, run: Run, numbers: Sequence[float]) -> Command:
    """Counted from one, as beside the slider."""
    n = session.selection.n_checkpoints
    if not _is_one_of(numbers, 1, n):
        return _refused(f"Checkpoint: from 1 to {n}")
    step = int(numbers[0]) - 1
    return Command(f"Go to checkpoint {step + 1}, epoch {epoch_text(run.epochs[step])}", lambda: session.scrub(step))


def _neuron(session: Session, run: Run, numbers: Sequence[float]) -> Command:
    """Of the last layer, which is the one on the wall, unless another is named."""
    layers, size = run.config.n_layers, run.config.d_mlp
    layer = numbers[1] if len(numbers) == 2 and layers > 1 else float(layers - 1)
    given = numbers[:1] if layers > 1 else numbers
    if not (_is_one_of(given, 0, size - 1) and _is_one_of([layer], 0, layers - 1)):
        more = f", of layer 0 to {layers - 1}" if layers > 1 else ""
        return _refused(f"Neuron: from 0 to {size - 1}{more}")
    who = (int(layer), int(given[0]))
    named = f"Select neuron {who[1]}" + (f" of layer {who[0]}" if layers > 1 else "")
    return Command(named, lambda: session.select(neurons=(who,)))


def _head(session: Session, run: Run, numbers: Sequence[float]) -> Command:
    """Of the first layer, whose scores have frequencies, unless another is named."""
    layers, heads = run.config.n_layers, run.config.n_heads
    layer = numbers[1] if len(numbers) == 2 and layers > 1 else 0.0
    given = numbers[:1] if layers > 1 else numbers
    if not (_is_one_of(given, 0, heads - 1) and _is_one_of([layer], 0, layers - 1)):
        more = f", of layer 0 to {layers - 1}" if layers > 1 else ""
        return _refused(f"Head: from 0 to {heads - 1}{more}")
    who = (int(layer), int(given[0]))
    named = f"Select head {who[1]}" + (f" of layer {who[0]}" if layers > 1 else "")
    return Command(named, lambda: session.select(head=who))


def _frequency(session: Session, run: Run, numbers: Sequence[float]) -> Command:
    last = run.config.p // 2
    if not _is_one_of(numbers, 1, last):
        return _refused(f"Frequency k: from 1 to {last}")
    k = int(numbers[0])
    return Command(f"Select frequency k = {k}", lambda: session.select(frequency=k))


def _pair(session: Session, run: Run, numbers: Sequence[float]) -> Command:
    last, lowest = run.config.p - 1, int(TASKS[run.config.operation].nonzero_b)
    good = len(numbers) == 2 and _is_one_of(numbers[:1], 0, last) and _is_one_of(numbers[1:], lowest, last)
    if not good:
        ranges = f"a and b from 0 to {last}" if not lowest else f"a from 0 to {last}, b from 1 to {last}"
        return _refused(f"Pair a, b: {ranges}")
    a, b = int(numbers[0]), int(numbers[1])
    return Command(f"Select the pair a = {a}, b = {b}", lambda: session.select(pair=(a, b)))


_GO: dict[str, Callable[[Session, Run, Sequence[float]], Command]] = {
    "epoch": _epoch, "checkpoint": _checkpoint, "neuron": _neuron, "head": _head, "frequency": _frequency,
    "pair": _pair,
}  # fmt: skip
