"""A model grown together from two checkpoints: some parameters of X, the rest of Y.

Which parameter carries the solution? Put one of a trained checkpoint into an untrained one and see whether it brings
the answers along (enough), or one of an untrained into a trained one and see whether it takes them away (needed).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.analysis.pairs import pair_masks
from engine.analysis.solutions import ClassScores, class_scores, read, whole_blocks
from engine.config import Config
from engine.models.transformer import shapes
from engine.replay import activations, of_weights
from engine.runfile import Run

MEMORISED = 0.99  # train accuracy
NORMS = "layer norms"
_GROUPS = {
    "embedding": ("W_E", "W_pos"),
    "attention": ("W_Q", "W_K", "W_V", "W_O"),
    "MLP": ("W_in", "b_in", "W_out", "b_out"),
    "unembedding": ("W_U",),
}


def groups(config: Config) -> dict[str, tuple[str, ...]]:
    """The parts of a model and their parameters, in the order in which it computes; layer norms last."""
    norms = tuple(name for name in shapes(config) if name.startswith("ln"))
    return _GROUPS | ({NORMS: norms} if norms else {})


@dataclass(frozen=True, eq=False)
class Graft:
    """What a grafted model answers.

    x, y : epochs     names : parameters that are X's, in the model's order
    right : (p, p) whether each pair is answered rightly, row a, column b     loss : (p, p) nats; NaN where no pair
    scores : of every class of pairs
    """

    x: int
    y: int
    names: tuple[str, ...]
    right: NDArray[np.bool_]
    loss: NDArray[np.float32]
    scores: ClassScores


def grafted(run: Run, step_x: int, step_y: int, names: Collection[str], exact: bool = False) -> Graft:
    """The checkpoint `step_y` with some parameters of `step_x`.

    exact : float64, for printed numbers; else float32, for drawing. Raises `ValueError` for an unknown name.
    """
    known = tuple(shapes(run.config))
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"{unknown[0]}: must be one of {', '.join(known)}.")
    taken = tuple(name for name in known if name in names)
    if not taken or taken == known:
        logits = activations(run, step_x if taken else step_y, exact).logits
    else:
        weights = {name: run.weight(name, step_x if name in taken else step_y) for name in known}
        logits = of_weights(run.config, weights, exact).logits
    found = read(whole_blocks(logits), pair_masks(run.config))
    x, y = int(run.epochs[step_x]), int(run.epochs[step_y])
    return Graft(x, y, taken, found.right, found.loss.astype(np.float32), class_scores(found))


@dataclass(frozen=True, eq=False)
class Grafting:
    """A graft beside the two models it comes from."""

    graft: Graft
    x: ClassScores
    y: ClassScores


def grafting(
    run: Run, step_x: int | None, step_y: int, names: Collection[str], n: int = 0, exact: bool = False
) -> Grafting:
    """The same, with the scores of X and of Y as they are.

    step_x : None for `memorised` of the first n checkpoints
    """
    x = memorised(run, n) if step_x is None else step_x
    return Grafting(grafted(run, x, step_y, names, exact), _own(run, x, exact), _own(run, step_y, exact))


@lru_cache(maxsize=64)
def _own(run: Run, step: int, exact: bool) -> ClassScores:
    return grafted(run, step, step, (), exact).scores


def memorised(run: Run, n: int) -> int:
    """The first of n checkpoints that knows its training pairs; 0 where none does, or it was not recorded."""
    accuracy = run.scalars("train_accuracy")
    there = np.zeros(0, bool) if accuracy is None else accuracy[:n] >= MEMORISED
    return int(there.argmax()) if there.any() else 0
