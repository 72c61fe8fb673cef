"""Two solutions in one model, each by a factor: P_K L, which generalises, and the rest, which is memory (science 2.13).

On the pairs of the task's cycle (`engine.analysis.characters`) the logits over p outputs are

    L = mean + P_K L + rest,

the mean over those pairs, the keys' part, which depends on the answer s = i ± j alone, and what is left; the three are
orthogonal. Mixed logits are mean + g · P_K L + m · rest: (g, m) = (1, 1) is the model, (1, 0) has the restricted loss
and (0, 1) the excluded loss of the keys (paper, sec. 5.1). Pairs off the cycle (a zero in a · b, a / b) have no part in
P_K: their logits stay the model's own, and scores of a mix leave them out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.analysis.ablation import Ablation
from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.curves import Curve
from engine.analysis.measures import key_part, pair_sets, sum_table
from engine.analysis.pairs import PairAnswers, PairMasks, Score, graduation, pair_masks, score
from engine.analysis.phases import Phases, Thresholds
from engine.analysis.progress_curves import Pinned, trace_phases
from engine.config import Config
from engine.replay import activations
from engine.runfile import Run
from engine.traces import Columns, Traces

Floats = NDArray[np.float64]
Values = NDArray[np.floating]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Blocks = Iterator[tuple[Any, Values]]
GRID = tuple(i / 8 for i in range(13))  # of either factor, 0 … 1.5, in the map of the test loss
CLASSES = ("train", "test", "seen", "unseen", "every")
_ROWS = 512


# -- mixing ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Pieces:
    """The logits of a checkpoint in their parts. Read-only.

    whole : (p², p), L of all pairs     cycle : (n, n, p), those of the cycle, row i, column j
    part : (n, p), P_K L as a function of s     mean : (p,) over the cycle's pairs
    """

    basis: Characters
    whole: Values
    cycle: Values
    part: Values
    mean: Values


@lru_cache(maxsize=4)
def pieces(run: Run, step: int, keys: tuple[int, ...], exact: bool = True) -> Pieces:
    """The parts of the logits.  exact : float64, else float32. Raises `NoBasis`."""
    return pieces_of(activations(run, step, exact).logits, characters(run.config), keys)


def pieces_of(logits: Values, basis: Characters, keys: tuple[int, ...]) -> Pieces:
    """The same for given logits.  logits : (p², p)"""
    n = basis.n
    table = sum_table(logits, basis)  # type: ignore[arg-type]
    cycle = logits.reshape(n, n, -1) if basis.generator is None else basis.grid(logits)
    part, mean = key_part(table, keys).astype(logits.dtype), table.mean(axis=0).astype(logits.dtype)
    return Pieces(basis, logits, cycle, part, mean)


def mixed(x: Pieces, ablation: Ablation) -> Values:
    """mean + g · P_K L + m · rest in a new array; off the cycle the model's own logits.  -> (p², p)"""
    found = np.empty_like(x.whole)
    for rows, block in _mixed_blocks(x, ablation):
        found[rows] = block
    return found


def _mixed_blocks(x: Pieces, ablation: Ablation) -> Blocks:
    """The same in parts that stay in cache."""
    g, m = ablation.generalising, ablation.memorising
    n, scratch = x.basis.n, np.empty_like(x.cycle[0])
    table = ((1 - m) * x.mean + (g - m) * x.part).astype(x.whole.dtype)  # what is added to m · L, by s
    turned = np.concatenate([table, table])
    for i in range(n):
        np.multiply(x.cycle[i], x.whole.dtype.type(m), out=scratch)
        scratch += turned[i : i + n] if x.basis.sign > 0 else turned[i + 1 : i + n + 1][::-1]
        yield (slice(i * n, (i + 1) * n) if x.basis.generator is None else x.basis.rows[i * n : (i + 1) * n]), scratch
    if x.basis.generator is not None:
        off = np.setdiff1d(np.arange(len(x.whole)), x.basis.rows)
        yield off, x.whole[off]


def whole_blocks(logits: Values) -> Blocks:
    """Copies of the rows in parts that stay in cache."""
    scratch = np.empty((min(_ROWS, len(logits)), logits.shape[1]), logits.dtype)
    for start in range(0, len(logits), _ROWS):
        own = logits[start : start + _ROWS]
        np.copyto(scratch[: len(own)], own)
        yield slice(start, start + len(own)), scratch[: len(own)]


def applied(config: Config, keys: tuple[int, ...], ablation: Ablation) -> Ablation:
    """The ablation, or none of it where there are no two solutions: no key frequency, no basis."""
    try:
        characters(config)
    except NoBasis:
        return Ablation()
    return ablation if keys else Ablation()


def ablated_logits(
    run: Run, step: int, keys: tuple[int, ...], ablation: Ablation, exact: bool = False
) -> NDArray[np.floating]:
    """The logits of a checkpoint with both solutions turned up or down. Read-only; the last few are kept.

    exact : float64, for printed numbers; else float32     ->  (p², p), lexicographic pairs

    Off the task's cycle they are the model's own. Where there is no basis or no key they are, too (`applied`).
    """
    used = applied(run.config, keys, ablation)
    return activations(run, step, exact).logits if used.is_whole else _ablated(run, step, keys, used, exact)


@lru_cache(maxsize=4)
def _ablated(run: Run, step: int, keys: tuple[int, ...], ablation: Ablation, exact: bool) -> NDArray[np.floating]:
    found = mixed(pieces(run, step, keys, exact), ablation)
    found.flags.writeable = False
    return found


@lru_cache(maxsize=16)
def cycle_mask(config: Config) -> Flags | None:
    """The pairs on the task's cycle; None where that is all of them, or there is none.  (p, p)"""
    try:
        basis = characters(config)
    except NoBasis:
        return None
    if basis.generator is None:
        return None
    found = np.zeros(config.p**2, dtype=bool)
    found[basis.rows] = True
    found.flags.writeable = False
    return found.reshape(config.p, config.p)


# -- answers at a checkpoint -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClassScores:
    """Scores on the training pairs, the test pairs, those whose mirror was or was not trained, and all pairs.

    None where the task has no such class, or it was not measured.
    """

    train: Score | None
    test: Score | None
    seen: Score | None
    unseen: Score | None
    every: Score | None


@dataclass(frozen=True, eq=False)
class AnswerMap:
    """What a model with its solutions turned up or down answers to every pair; (p, p), row a, column b.

    ablation, keys : in effect (`applied`)
    answer : residue with the largest logit, −1 where the task has no such pair     right : it is the correct one
    probability : of the correct answer     confidence : softmax probability of the given answer
    loss : −ln of `probability`, nats     margin : correct logit − best wrong one
    scores : of every class, off the cycle left out where something is ablated; None in float32
    margin_limit : the largest |margin| at the checkpoint that fixes limits; 0 where it was not asked for
    """

    ablation: Ablation
    keys: tuple[int, ...]
    answer: NDArray[np.int16]
    right: Flags
    confidence: Values
    loss: Values
    margin: Values
    scores: ClassScores | None
    margin_limit: float

    @property
    def probability(self) -> Values:
        return np.exp(-self.loss)


def answer_map(
    run: Run, step: int, keys: tuple[int, ...], ablation: Ablation, exact: bool = False, layout_step: int | None = None
) -> AnswerMap:
    """Every pair's answer at a checkpoint.  exact : float64, with scores; layout_step : for the limit of margins"""
    used = applied(run.config, keys, ablation)
    whole = used.is_whole
    found = read(
        whole_blocks(activations(run, step, exact).logits)
        if whole
        else _mixed_blocks(pieces(run, step, keys, exact), used),
        pair_masks(run.config),
    )
    dtype = np.float64 if exact else np.float32
    return AnswerMap(
        ablation=used,
        keys=() if whole else keys,
        answer=found.answer.astype(np.int16),
        right=found.right,
        confidence=found.confidence.astype(dtype),
        loss=found.loss.astype(dtype),
        margin=found.margin.astype(dtype),
        scores=class_scores(found, None if whole else cycle_mask(run.config)) if exact else None,
        margin_limit=0.0 if layout_step is None else margin_limit(run, layout_step),
    )


@lru_cache(maxsize=16)
def margin_limit(run: Run, step: int) -> float:
    """The largest |margin| of any pair at a checkpoint."""
    found = read(whole_blocks(activations(run, step, exact=False).logits), pair_masks(run.config))
    return float(np.nanmax(np.abs(found.margin)))


def read(blocks: Blocks, masks: PairMasks) -> PairAnswers:
    """As `engine.analysis.pairs.answers`, in the precision of the logits and one part of them after the other.

    blocks : rows of the p² pairs and their logits, which are overwritten
    """
    shape, labels = masks.label.shape, masks.label.reshape(-1)
    answer, (chosen, wrong, rest) = np.zeros(labels.shape, np.int64), np.zeros((3, len(labels)))
    for rows, own in blocks:
        line, known = np.arange(len(own)), np.maximum(labels[rows], 0)
        answer[rows] = own.argmax(axis=1)
        chosen[rows] = own[line, known]
        own[line, known] = -np.inf
        wrong[rows] = highest = own.max(axis=1)
        own -= highest[:, None]
        rest[rows] = np.exp(own, out=own).sum(axis=1)
    loss = np.logaddexp(0, wrong - chosen + np.log(rest))  # keeps the digits of a small one
    confidence = np.exp(np.maximum(chosen, wrong) - chosen - loss)

    def where(values: Floats) -> Floats:
        return np.where(masks.exists, values.reshape(shape), np.nan)

    return PairAnswers(
        masks=masks,
        answer=np.where(masks.exists, answer.reshape(shape), -1),
        right=(answer == labels).reshape(shape),
        probability=where(np.exp(-loss)),
        confidence=where(confidence),
        loss=where(loss),
        margin=where(chosen - wrong),
    )


def class_scores(found: PairAnswers, counted: Flags | None = None) -> ClassScores:
    """Scores of every class of pairs.  counted : (p, p), pairs that count; None: all"""
    masks = found.masks
    kept = masks.exists if counted is None else masks.exists & counted
    seen = masks.mirror_seen
    unseen = None if seen is None else masks.test & ~seen
    chosen = (masks.train, masks.test, seen, unseen, masks.exists)
    return ClassScores(*(None if flags is None else score(found, flags & kept) for flags in chosen))


# -- over training ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class History:
    """Scores of the classes at every checkpoint measured.  epochs : (n,)   loss, accuracy : class -> (n,)"""

    epochs: Ints
    counts: dict[str, int]
    loss: dict[str, Floats]
    accuracy: dict[str, Floats]

    def at(self, epoch: int) -> ClassScores | None:
        """The scores at exactly that epoch; None where it is not measured."""
        i = int(np.searchsorted(self.epochs, epoch))
        if i >= len(self.epochs) or self.epochs[i] != epoch:
            return None
        found = dict.fromkeys(CLASSES)
        return ClassScores(**found | {name: self._score(name, i) for name in self.loss})

    def _score(self, name: str, i: int) -> Score | None:
        loss = float(self.loss[name][i])
        return Score(self.counts[name], loss, float(self.accuracy[name][i])) if np.isfinite(loss) else None


def answer_history(run: Run, n: int, traces: Traces | None, pinned: Pinned | None, revision: int) -> History | None:
    """Losses and accuracies of the classes over training, of the whole model.  revision : of the traces, which grow"""
    if traces is None:
        return None
    columns = {name: (traces.column(f"{name}_loss"), traces.column(f"{name}_accuracy")) for name in CLASSES}
    there = {name: pair for name, pair in columns.items() if pair[0] is not None and pair[1] is not None}
    return History(
        traces.epochs,
        class_counts(run.config),
        {name: pair[0] for name, pair in there.items() if pair[0] is not None},
        {name: pair[1] for name, pair in there.items() if pair[1] is not None},
    )


def class_counts(config: Config, on_cycle: bool = False) -> dict[str, int]:
    """How many pairs a class has.  on_cycle : only those on the task's cycle"""
    sets = pair_sets(config)
    mask = cycle_mask(config) if on_cycle else None
    rows = {"train": sets.train, "test": sets.test, "seen": sets.seen, "unseen": sets.unseen, "every": sets.exist}
    counts = {name: x for name, x in rows.items() if x is not None}
    return {name: len(x) if mask is None else int(mask.reshape(-1)[x].sum()) for name, x in counts.items()}


@dataclass(frozen=True, eq=False)
class Graduation:
    """From which epoch on each pair stays right.

    epoch : (p, p), −1 where it is not right at the last checkpoint measured     last : epoch of that one
    measured, of : checkpoints looked at, and how many the run has     provisional : the run goes on
    """

    epoch: Ints
    last: int
    measured: int
    of: int
    provisional: bool

    @property
    def latest(self) -> int:
        """The epoch at which the last of those that have graduated did."""
        return max(int(self.epoch.max()), 0)


def graduation_map(run: Run, n: int, traces: Traces | None, pinned: Pinned | None, revision: int) -> Graduation | None:
    """Graduation by the checkpoints measured so far; None until one is.  n : checkpoints there are"""
    right = None if traces is None else traces.column("right")
    if traces is None or right is None:
        return None
    seen = traces.epochs <= int(run.epochs[n - 1])
    if not seen.any():
        return None
    epochs = traces.epochs[seen]
    found = graduation(right[seen], epochs).reshape(run.config.p, run.config.p)
    return Graduation(found, int(epochs[-1]), len(epochs), max(n, len(epochs)), traces.provisional)


@dataclass(frozen=True, eq=False)
class TwoSolutions:
    """Both solutions over training. Curves are None where there is nothing to draw.

    no_basis : why the task has none, or ""     pinned : the keys K; None until known
    of_keys, of_rest : mean square, over the task's pairs and p outputs, of P_K L (0 off the cycle) and of what neither
        that nor the mean is; together they are the power of the centred logits
    crossing : the last two neighbouring checkpoints between which P_K L overtook the rest for good; None: it did not
    ahead : P_K L is the larger one at the last checkpoint
    restricted_train, restricted_test : loss of mean + P_K L, nats     excluded_train : of mean + rest
    model, restricted : scores of the whole model and of the restricted one, where measured
    measured, of : checkpoints in the curves, and how many the run has     last : epoch of the last one
    """

    no_basis: str
    pinned: Pinned | None
    of_keys: Curve | None = None
    of_rest: Curve | None = None
    crossing: tuple[int, int] | None = None
    ahead: bool = False
    restricted_train: Curve | None = None
    restricted_test: Curve | None = None
    excluded_train: Curve | None = None
    model: History | None = None
    restricted: History | None = None
    phases: Phases | None = None
    measured: int = 0
    of: int = 0
    last: float = 0.0


def two_solutions(
    run: Run, n: int, traces: Traces | None, pinned: Pinned | None, revision: int, thresholds: Thresholds | None = None
) -> TwoSolutions:
    """Power and loss of each solution up to the n-th checkpoint.  revision : of the traces   thresholds : of phases"""
    try:
        basis = characters(run.config)
    except NoBasis as error:
        return TwoSolutions(str(error), pinned)
    if traces is None or pinned is None:
        return TwoSolutions("", pinned)
    last = int(run.epochs[n - 1])
    epochs, power = traces.epochs, traces.column("power")
    columns, without = traces.restricted(pinned.keys), traces.excluded(pinned.keys)
    seen = epochs <= last
    found: dict[str, Any] = {}
    if columns is not None and power is not None and np.array_equal(columns.epochs, epochs) and seen.any():
        share = basis.n**2 / len(pair_sets(run.config).exist)  # P_K L is nothing off the cycle
        of_keys = share * columns.loss["power"][seen]
        of_rest = np.maximum(power[seen] - of_keys, 0.0)
        found = {
            "of_keys": _curve(epochs, columns.loss["power"] * share, last),
            "of_rest": Curve(epochs[seen].astype(np.float64), of_rest),
            "crossing": crossing(epochs[seen], of_keys, of_rest),
            "ahead": bool(of_keys[-1] > of_rest[-1]),
            "restricted_train": _curve(epochs, columns.loss["train"], last),
            "restricted_test": _curve(epochs, columns.loss["test"], last),
            "restricted": _restricted_history(run.config, columns),
        }
    return TwoSolutions(
        no_basis="",
        pinned=pinned,
        excluded_train=None if without is None else _curve(without.epochs, without.loss["keys"], last),
        model=answer_history(run, n, traces, pinned, revision),
        phases=trace_phases(run, traces, n, thresholds),
        measured=int(seen.sum()),
        of=max(n, int(seen.sum())),
        last=float(epochs[seen][-1]) if seen.any() else 0.0,
        **found,
    )


def crossing(epochs: Ints, of_keys: Floats, of_rest: Floats) -> tuple[int, int] | None:
    """The neighbours between which the first overtook the second and stayed ahead; None where it never did."""
    behind = np.flatnonzero(of_keys <= of_rest)
    if not len(behind) or behind[-1] == len(epochs) - 1:
        return None
    return int(epochs[behind[-1]]), int(epochs[behind[-1] + 1])


def _restricted_history(config: Config, columns: Columns) -> History:
    names = ("train", "test", "every")
    counts = class_counts(config, on_cycle=True)
    loss, accuracy = ({name: x[name] for name in names} for x in (columns.loss, columns.accuracy))
    return History(columns.epochs, counts, loss, accuracy)


def _curve(epochs: Ints, values: Floats, last: int) -> Curve | None:
    there = (epochs <= last) & np.isfinite(values)
    return Curve(epochs[there].astype(np.float64), values[there]) if there.any() else None


# -- the test loss over both factors ---------------------------------------------------------------------------


def landscape_row(run: Run, step: int, keys: tuple[int, ...], row: int) -> Floats:
    """Test loss (nats, float32) at m = GRID[row] and every g of `GRID`, on the cycle's test pairs.  -> (13,)

    NaN where the run has no test pairs. One row at a time, so that nobody waits for it. Raises `NoBasis`.
    """
    x, own, s, labels = _tested(run, step, keys)
    if not len(s):
        return np.full(len(GRID), np.nan)
    m = GRID[row]
    scaled = own * own.dtype.type(m)
    tables = [((1 - m) * x.mean + (g - m) * x.part).astype(own.dtype) for g in GRID]
    return np.array([_mean_loss(scaled, table, s, labels) for table in tables])


@lru_cache(maxsize=2)
def _tested(run: Run, step: int, keys: tuple[int, ...]) -> tuple[Pieces, Values, Ints, Ints]:
    """The parts, and of the cycle's test pairs: logits, place of the answer, answer."""
    x, sets = pieces(run, step, keys, exact=False), pair_sets(run.config)
    place = np.full(run.config.p**2, -1)
    place[x.basis.rows] = x.basis.sums.reshape(-1)
    rows = sets.test[place[sets.test] >= 0]
    return x, x.whole[rows], place[rows], sets.labels[rows]


def _mean_loss(scaled: Values, table: Values, s: Ints, labels: Ints) -> float:
    """Mean cross-entropy of scaled + table[s]; keeps the digits of a small one."""
    total = 0.0
    for start in range(0, len(s), _ROWS):  # blocks that stay in cache
        part = slice(start, start + _ROWS)
        block = scaled[part] + table[s[part]]
        rows = np.arange(len(block))
        block -= block[rows, labels[part]][:, None]
        block[rows, labels[part]] = -np.inf
        highest = np.maximum(block.max(axis=1), 0)
        block -= highest[:, None]
        wrong = np.exp(block, out=block).sum(axis=1, dtype=np.float64)
        total += float((highest + np.log(np.exp(-highest.astype(np.float64)) + wrong))[highest > 0].sum())
        total += float(np.log1p(wrong[highest <= 0]).sum())
    return total / len(s)
