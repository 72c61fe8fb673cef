"""What the view of answers says and writes: its help, sentences of the model and of one pair, the table for export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.ablation_words import ablation_texts
from app.export import Table
from app.numbers import epoch_text, percent
from app.session import Selection
from app.views.help import Help
from app.views.legend import value_text
from app.views.pair_classes import KINDS, LONG, NAMES, kinds, labels
from engine.analysis.progress_curves import Pinned
from engine.analysis.solutions import AnswerMap, ClassScores, Graduation, cycle_mask
from engine.config import Config
from engine.tasks import TASKS

RIGHT, CONFIDENCE, PROBABILITY, LOSS, MARGIN, GRADUATION = (
    "right or wrong", "confidence", "p(right answer)", "loss", "margin", "graduation",
)  # fmt: skip
TIPS = {
    RIGHT: "Whether the largest logit is that of the right answer",
    CONFIDENCE: "Softmax probability of the answer given, right or wrong",
    PROBABILITY: "Softmax probability of the right answer",
    LOSS: "−ln of the probability of the right answer, in nats; colours by its logarithm",
    MARGIN: "Right logit less the best wrong one: positive where the answer is right",
    GRADUATION: "The epoch from which on the pair stays right; over all of training, whatever checkpoint is on show",
}

HELP = Help(
    see=(
        "One cell for each pair of the task, a down, b across: whether it is answered rightly, with what "
        "confidence, probability, loss or margin, or from which epoch on it stays right (graduation). "
        "The legend counts training pairs, test pairs whose mirror (b, a) was trained, and the other test pairs; "
        "click an entry to hide its cells. Marks: a dot for a training pair, a stroke for a mirror-seen test pair."
    ),
    look_for=(
        "On the mainline at epoch 1400 every training pair is right and 7.4 % of the test pairs: 24.7 % of those "
        "whose mirror was trained, 0.03 % of the rest (chance is 0.9 %). So what looks like first generalisation "
        "is a memory that has learnt a + b = b + a. In the graduation map half of the mirror-seen pairs have come "
        "by epoch 7500, half of the others by 9600, and most of these within 600 epochs."
    ),
    wrong=(
        "After grokking, test pairs that stay wrong in stripes along a, b or a + b point to a residue or an answer "
        "that the circuit does not reach; scattered ones to a circuit that is not finished. Training pairs that "
        "are wrong late in a run mean an unstable optimiser (a slingshot)."
    ),
    formula=(
        "Over p logits: answer = argmax<sub>c</sub> L(a, b, c); p = softmax(L)<sub>right</sub>; loss = −ln p; "
        "margin = L<sub>right</sub> − max<sub>c wrong</sub> L<sub>c</sub>. Graduation: the first measured "
        "checkpoint's epoch from which on the pair is right at every later one. L are the logits of the model as "
        "it is ablated, in <i>Surgery</i> or by the faders of <i>Two solutions</i>. Colours of the loss run from "
        "10<sup>−8</sup> to 10<sup>2</sup> nats by its logarithm."
    ),
    paper="Beyond the paper, which shows the means only (fig. 2 and 7); mirror pairs are not split there.",
)


def sentence(
    answer: AnswerMap | Graduation, selection: Selection, pinned: Pinned | None, more: Sequence[str] = ()
) -> str:
    """Of what model the answers are.  more : what else there is to say"""
    if isinstance(answer, Graduation):
        return " · ".join([graduated(answer), *more])
    if answer.ablation.is_whole:
        why = "nothing of the ablation applies" if selection.ablation.is_cut else "no two solutions to turn down"
        asked = "" if selection.ablation.is_whole else f": {why}"
        return " · ".join([f"whole model{asked}", *more])
    assert selection.run is not None
    said = ablation_texts(answer.ablation, selection.run.config.n_layers)
    if not (answer.ablation.is_mixed or answer.ablation.projection):
        return " · ".join([*said, *more])
    kind = "keys" if pinned is None or pinned.final else "candidates"
    of = f"{kind} {' '.join(map(str, answer.keys))}"
    when = f" of epoch {epoch_text(pinned.epoch)}" if pinned is not None and not pinned.by_hand else " by hand"
    return " · ".join([*said, of + when, *more])


def pair_text(
    a: int, b: int, what: str, answer: AnswerMap | Graduation, exact: AnswerMap | None, config: Config
) -> str:
    """What is known of one pair.  exact : the answers in float64, once they are known"""
    kind, right = int(kinds(config)[a, b]), int(labels(config)[a, b])
    where = f"a = {a}, b = {b}"
    if kind < 0:
        return f"{where}: no such pair"
    name = LONG[KINDS[kind]]
    if isinstance(answer, Graduation):
        epoch = int(answer.epoch[a, b])
        since = f"right from epoch {epoch_text(epoch)} on" if epoch >= 0 else f"wrong at {epoch_text(answer.last)}"
        return f"{where} → {right} ({name}), {since}"
    given, is_right = int(answer.answer[a, b]), bool(answer.right[a, b])
    on = cycle_mask(config)
    untouched = answer.ablation.is_spectral and on is not None and not on[a, b]
    apart = ", off the cycle: not counted" if untouched else ""
    verdict = "right" if is_right else f"wrong, {right} is right"
    said = f"{where} → {given} ({verdict}, {name}{apart})"
    if exact is None:
        return f"{said}, p(right) = …"
    more = f", margin {exact.margin[a, b]:+.3g}".replace("-", "−") if what == MARGIN else ""
    if what == CONFIDENCE:
        more = f", confidence {exact.confidence[a, b]:.3g}"
    return f"{said}, p(right) = {exact.probability[a, b]:.3g}, loss {value_text(float(exact.loss[a, b]))} nats{more}"


def answers_table(answer: AnswerMap | Graduation, config: Config) -> Table:
    """A row for every pair of the task."""
    kind = kinds(config)
    a, b = np.nonzero(kind >= 0)
    columns: dict[str, Any] = {
        "a": a, "b": b, "right answer": labels(config)[a, b],
        "class": [LONG[KINDS[i]] for i in kind[a, b]],
    }  # fmt: skip
    if isinstance(answer, Graduation):
        return Table("graduation", columns | {"graduated at epoch (−1: not)": answer.epoch[a, b]})
    return Table(
        "answers",
        columns
        | {
            "answer": answer.answer[a, b],
            "right": answer.right[a, b].astype(int),
            "p(right answer)": answer.probability[a, b],
            "confidence": answer.confidence[a, b],
            "loss (nats)": answer.loss[a, b],
            "margin (logits)": answer.margin[a, b],
        },
    )


def described(
    answer: AnswerMap | Graduation, selection: Selection, what: str, axes: tuple[str, str], said: str,
    scores: ClassScores | None,
) -> str:  # fmt: skip
    """The caption.  axes : their names    said : of what model the answers are"""
    assert selection.run is not None
    config = selection.run.config
    task = TASKS[config.operation].symbol
    order = "" if axes[0] == "a" else f" Axes in the order of {axes[0]} and {axes[1]}."
    if isinstance(answer, Graduation):
        shown = f"Epoch from which on each pair stays right, {graduated(answer)}."
    else:
        shown = f"{what.capitalize()} of every pair at epoch {epoch_text(selection.epoch)}: {TIPS[what]}."
        shown += f" {said.capitalize()}."
    text = f"{shown} Task {task} mod {config.p}, a down, b across, over {config.p} logits.{order}"
    if scores is not None:
        parts = {NAMES[name]: getattr(scores, name) for name in KINDS}
        counts = [f"{name} {percent(x)} of {x.count}" for name, x in parts.items() if x is not None and x.count]
        text += f" Answered rightly: {', '.join(counts)} pairs."
    return text


def graduated(answer: Graduation) -> str:
    """Up to which epoch, by which checkpoints."""
    so_far = f"up to epoch {epoch_text(answer.last)}"
    if answer.measured < answer.of:
        return f"{so_far}, provisional: by {answer.measured} of {answer.of} checkpoints"
    return f"{so_far}, provisional: the run goes on" if answer.provisional else f"{so_far}, by all checkpoints"
