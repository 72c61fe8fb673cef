"""Since when a set of parts carries the answer: necessity, sufficiency and random sets, over training.

At every checkpoint: the loss of the whole model, *without* the set, with *only* the set, and the same two of random
sets of the same size. What is random is drawn once, from what is not in the set (from everything where that is too
little), without repetition; all sets there are, where they are not more than asked for. A frequency's carriers are as
many neurons as carry it at that checkpoint, so their random neurons are taken from one random order of all neurons.

A set is *load-bearing* from the first checkpoint at which, and at the four after it, the loss without the set lies
above the 95th percentile of the losses without a random set; *sufficient* from the first at which, and at the four
after it, the loss with only the set lies below the 5th percentile of the losses with only a random one. Leaving the
band says that the set is not any set, not that much depends on it; so there is a third: *doubles the loss* from the
first checkpoint at which it is load-bearing and, at the four after it too, the loss without it is at least twice that
of the whole model.

Losses are float32 passes read in float64, good to four digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.ablation import WHOLE
from engine.analysis.characters import characters
from engine.analysis.frequency_bars import class_losses, losses_less, losses_of
from engine.analysis.logits import sum_table
from engine.analysis.measures import key_part
from engine.analysis.phases import Phases, Thresholds
from engine.analysis.progress_curves import trace_phases
from engine.analysis.set_questions import TOGETHER, SetQuestion, controls, only
from engine.analysis.solutions import CLASSES
from engine.analysis.waves import layer_waves
from engine.replay import activations, forget_checkpoint
from engine.runfile import Run
from engine.traces import Traces, coarse_to_fine

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HOLDS = 5  # checkpoints
LOW, HIGH = 5.0, 95.0  # percent
_OWN, _RANDOM = ("whole", "without", "only"), ("random_without", "random_only")


# -- at a checkpoint -------------------------------------------------------------------------------------------


def measure_piece(run: Run, step: int, question: SetQuestion, piece: int) -> dict[str, Floats]:
    """A part of a checkpoint's row. Piece 0: `whole`, `without`, `only`, (5,); the others: some random sets, (m, 5)."""
    parts, spectral = question.parts, question.parts.is_spectral
    if question.is_closed:
        return _closed(run, step, question)
    if piece == 0:
        cuts = {"whole": WHOLE, "without": parts, "only": only(parts)}
        return {name: class_losses(run, step, cut, spectral) for name, cut in cuts.items()}
    waves = layer_waves(run, step, -1, exact=False) if question.is_of_carriers else None
    sets = controls(question, run.config, waves)
    mine = sets[(piece - 1) * TOGETHER : piece * TOGETHER]
    return {
        "random_without": _stacked([class_losses(run, step, cut, spectral) for cut in mine]),
        "random_only": _stacked([class_losses(run, step, only(cut), spectral) for cut in mine]),
    }


def _stacked(rows: list[Floats]) -> Floats:
    return np.array(rows).reshape(-1, len(CLASSES))


def _closed(run: Run, step: int, question: SetQuestion) -> dict[str, Floats]:
    """All of a row at once: L − P_K L and P_K L + mean need one table of sums."""
    config, part = run.config, question.parts.logit_frequencies
    x = characters(config)
    grid = x.grid(activations(run, step, exact=False).logits).astype(np.float64)
    table = sum_table(grid, x.sums)
    sets = [part.of, *(c.logit_frequencies.of for c in controls(question, config))]
    parts = np.stack([key_part(table, of) for of in sets])
    without = losses_less(config, x, grid, np.concatenate([np.zeros_like(table)[None], parts]))
    kept = losses_of(config, x, parts + part.mean * table.mean(axis=0))
    own = {"whole": without[0], "without": without[1], "only": kept[0]}
    return own | {"random_without": without[2:], "random_only": kept[1:]}


# -- over training ---------------------------------------------------------------------------------------------


class SetTraces:
    """Measures a question's checkpoints in pieces and keeps them with the traces: work can stop after any piece."""

    def __init__(self, traces: Traces, question: SetQuestion) -> None:
        self.traces, self.question = traces, question
        self._begun: dict[int, list[dict[str, Floats]]] = {}

    def missing(self, n: int) -> list[int]:
        """Steps below n that are not measured: the first, the last, then coarse to fine."""
        done = set(self.traces.kept_epochs(self.question.name).tolist())
        epochs = self.traces.run.epochs[:n].tolist()
        steps = coarse_to_fine(step for step, epoch in enumerate(epochs) if epoch not in done)
        return sorted(steps, key=lambda step: step not in (0, n - 1))

    def advance(self, step: int) -> bool:
        """Measure the next piece of a checkpoint.  -> whether it is complete"""
        run, question = self.traces.run, self.question
        pieces = self._begun.setdefault(step, [])
        pieces.append(measure_piece(run, step, question, len(pieces)))
        if len(pieces) < question.pieces:
            return False
        row = {name: values for name, values in pieces[0].items() if name in _OWN}
        for name in _RANDOM:
            sets = np.concatenate([piece[name] for piece in pieces if name in piece])
            row |= {name: sets} if len(sets) else {}
        epoch = int(run.epochs[step])
        if epoch not in self.traces.kept_epochs(question.name):
            self.traces.keep(question.name, epoch, row)
        del self._begun[step]
        return True

    def drop(self, step: int) -> None:
        """Forget the activations of a checkpoint that is done."""
        forget_checkpoint(self.traces.run, step)


def measure_set(traces: Traces, question: SetQuestion, n: int | None = None) -> Iterator[int]:
    """Measure all checkpoints, for a notebook.  -> the number still missing, after each"""
    found = SetTraces(traces, question)
    steps = found.missing(len(traces.run.epochs) if n is None else n)
    for done, step in enumerate(steps, 1):
        while not found.advance(step):
            pass
        found.drop(step)
        yield len(steps) - done
    traces.flush()


@dataclass(frozen=True, eq=False)
class SetCurves:
    """Losses of one class of pairs over the checkpoints measured so far, nats.

    epochs : (m,), ascending     whole, without, only : (m,)
    band_without, band_only : (3, m), 5th percentile, median, 95th of the random sets; NaN where there are none
    n_random : how many random sets there are
    load_bearing_since, sufficient_since, doubles_since : epochs; None: not so far
    measured, of : checkpoints, and how many the run has     last : its last epoch
    phases : None until enough is measured
    """

    epochs: Ints
    whole: Floats
    without: Floats
    only: Floats
    band_without: Floats
    band_only: Floats
    n_random: int
    load_bearing_since: int | None
    sufficient_since: int | None
    doubles_since: int | None
    measured: int
    of: int
    last: int
    phases: Phases | None


def set_curves(
    run: Run, n: int, traces: Traces, question: SetQuestion, split: str, revision: int,
    thresholds: Thresholds | None = None,
) -> SetCurves:  # fmt: skip
    """The curves of one of `CLASSES` up to the n-th checkpoint.  revision : of what is measured, which grows"""
    epochs, columns = traces.kept_epochs(question.name), traces.kept_columns(question.name)
    seen, i = epochs <= int(run.epochs[n - 1]), CLASSES.index(split)
    m = int(seen.sum())
    whole, without, kept = (columns[name][seen, i] if columns else np.zeros(0) for name in _OWN)
    random = [columns[name][seen, :, i] if name in columns else np.zeros((m, 0)) for name in _RANDOM]
    bands = [_band(values) for values in random]
    return SetCurves(
        epochs=epochs[seen],
        whole=whole,
        without=without,
        only=kept,
        band_without=bands[0],
        band_only=bands[1],
        n_random=random[0].shape[1],
        load_bearing_since=since(epochs[seen], without > bands[0][2]),
        sufficient_since=since(epochs[seen], kept < bands[1][0]),
        doubles_since=since(epochs[seen], (without > bands[0][2]) & (without >= 2 * whole)),
        measured=m,
        of=max(n, m),
        last=int(run.epochs[n - 1]),
        phases=trace_phases(run, traces, n, thresholds),
    )


def _band(values: Floats) -> Floats:
    """(m, draws) -> (3, m)"""
    if not values.shape[1]:
        return np.full((3, len(values)), np.nan)
    return np.asarray(np.percentile(values, [LOW, 50.0, HIGH], axis=1))


def since(epochs: Ints, out: NDArray[np.bool_]) -> int | None:
    """The first epoch at which, and at the four measured after it, something is so."""
    runs = np.convolve(out.astype(int), np.ones(HOLDS, int), mode="valid") if len(out) >= HOLDS else np.zeros(0)
    first = np.flatnonzero(runs == HOLDS)
    return int(epochs[first[0]]) if len(first) else None
