"""What the view of the two solutions says and writes: its help, corners and curves, sentences, tables for export."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.ablation_words import cut_texts
from app.export import Table
from app.numbers import epoch_text, percent
from app.session import Selection
from app.views.help import Help
from app.views.legend import value_text
from app.views.over_time import DOTTED, SOLID
from engine.analysis.ablation import Ablation
from engine.analysis.curves import Curve
from engine.analysis.solutions import ClassScores, TwoSolutions

CORNERS = {
    "model": (Ablation(1, 1), "The model as it was trained"),
    "restricted": (Ablation(1, 0), "Only the mean and P_K L: what generalises, alone"),
    "excluded": (Ablation(0, 1), "Everything but P_K L: what is memorised, alone"),
}
SETS = {"train": "train", "test": "test", "every": "all"}
CURVES = {
    "of_keys": ("P<sub>K</sub>L", "generalising", SOLID), "of_rest": ("rest", "memorising", SOLID),
    "restricted_test": ("restricted, test", "generalising", SOLID),
    "restricted_train": ("restricted, train", "generalising", DOTTED),
    "excluded_train": ("excluded, train", "memorising", SOLID),
}  # fmt: skip
"""Of every curve its name, its colour in the theme, its style."""

POWERS, LOSSES = ("of_keys", "of_rest"), ("restricted_test", "restricted_train", "excluded_train")

HELP = Help(
    see=(
        "Above, over training: the power of P<sub>K</sub>L, the part of the logits that turns with the key "
        "frequencies of the answer, and of the rest; and the loss of each alone. Below, two faders mix them at the "
        "checkpoint on show: losses, accuracies, the answers and the logits follow. A double click on a fader "
        "brings back 1. The small map is the test loss over both factors; drag in it to move both faders."
    ),
    look_for=(
        "On the mainline the powers are 10 against 131 at epoch 5000, and 133 against 3 at 14 000: they cross at "
        "grokking. Turn m down to 0 at epoch 7000: the test loss falls from 17 to 0.5, and 90 % of the test pairs "
        "are right where the whole model gets 15 %, for the circuit is there long before it is heard. "
        "Turn g down to 0 at 14 000: the training accuracy falls to 1.4 %, for the memory is gone."
    ),
    wrong=(
        "Restricted loss above test loss after grokking: the key frequencies miss a part of the circuit. Excluded "
        "loss that stays low after grokking: the model still remembers its training pairs. While a run goes on K "
        "are candidates (dashed) and may change."
    ),
    formula=(
        "L = mean + P<sub>K</sub>L + rest, P<sub>K</sub> the projection on cos and sin of w<sub>k</sub>(a + b), "
        "k in K; mixed logits = mean + g·P<sub>K</sub>L + m·rest. (g, m) = (1, 0) has the restricted loss, (0, 1) "
        "the excluded loss of K. Power: mean square over pairs and outputs. Losses in nats over p logits. "
        "Pairs off the task's cycle (zeros of a·b and a/b) have no part in P<sub>K</sub> and are not counted."
    ),
    paper="Restricted and excluded loss: sec. 5.1 and fig. 7, there with all frequencies excluded.",
)


def sentence(answer: TwoSolutions) -> str:
    """Keys, where the powers cross, how many checkpoints are measured."""
    pinned = answer.pinned
    assert pinned is not None
    kind = "keys" if pinned.final else "candidates"
    when = "by hand" if pinned.by_hand else f"of epoch {epoch_text(pinned.epoch)}"
    parts = [f"{kind} {' '.join(map(str, pinned.keys))} {when}"]
    if answer.crossing is not None:
        parts.append(f"powers cross between {between(answer.crossing)}")
    elif answer.of_keys is not None:
        parts.append("P_K L is ahead from the start" if answer.ahead else "powers have not crossed")
    if answer.measured < answer.of:
        parts.append(f"by {answer.measured} of {answer.of} checkpoints so far")
    return " · ".join(parts)


def curves_table(answer: TwoSolutions) -> Table | None:
    """Powers and losses over training, once they are known."""
    if answer.of_keys is None or answer.of_rest is None:
        return None
    columns: dict[str, Any] = {
        "epoch": answer.of_keys.epochs.astype(int),
        "power of P_K L": answer.of_keys.values,
        "power of the rest": answer.of_rest.values,
    }
    for name in LOSSES:
        curve: Curve | None = getattr(answer, name)
        if curve is not None:
            known = dict(zip(curve.epochs.tolist(), curve.values.tolist(), strict=True))
            column = [known.get(e, "") for e in answer.of_keys.epochs.tolist()]
            columns[f"{CURVES[name][0].replace(', ', ' ')} loss (nats)"] = column
    return Table("over training", columns)


def mix_table(scores: ClassScores, ablation: Ablation) -> Table:
    """Losses and accuracies of the mix on show, by class of pairs."""
    found = {text: getattr(scores, name) for name, text in SETS.items() if getattr(scores, name) is not None}
    return Table(
        "mix",
        {
            "pairs": list(found),
            "count": [x.count for x in found.values()],
            "g": [ablation.generalising] * len(found),
            "m": [ablation.memorising] * len(found),
            "loss (nats)": [x.loss for x in found.values()],
            "accuracy": [x.accuracy for x in found.values()],
        },
    )


def described(answer: TwoSolutions, selection: Selection, scores: ClassScores | None) -> str:
    """The caption."""
    g, m = selection.ablation.generalising, selection.ablation.memorising
    text = (
        "Two solutions. Upper: mean square over pairs and outputs of P_K L, the projection of the logits on cosine "
        "and sine of w_k(a ± b) for k in K, and of the rest of the centred logits. Lower: loss of each alone, in "
        "nats: restricted (mean + P_K L; train and test pairs) and excluded (L − P_K L; train). "
        f"{sentence(answer)}."
    )
    if selection.ablation.is_cut:
        text += f" What is taken away besides, not from the curves: {'; '.join(cut_from(selection))}."
    if scores is not None and scores.test is not None and scores.test.loss is not None:
        text += (
            f" At epoch {epoch_text(selection.epoch)} with (g, m) = ({number(g)}, {number(m)}) the test loss is "
            f"{value_text(scores.test.loss)} and {percent(scores.test)} of the test pairs are right."
        )
    return text


def value_at(curve: Curve | None, epoch: float) -> float | None:
    """The value at exactly that epoch; None where it is not measured."""
    if curve is None or not len(curve.epochs):
        return None
    i = min(int(np.searchsorted(curve.epochs, epoch)), len(curve.epochs) - 1)
    return float(curve.values[i]) if curve.epochs[i] == epoch else None


def between(crossing: tuple[int, int]) -> str:
    """Two epochs."""
    return f"{epoch_text(crossing[0])} and {epoch_text(crossing[1])}"


def number(value: float) -> str:
    """Two digits, or as many as it takes."""
    short = f"{value:.2f}"
    return short if float(short) == value else f"{value:.6g}"


def cut_from(selection: Selection) -> list[str]:
    """What is taken away besides, in words."""
    return cut_texts(selection.ablation, 1 if selection.run is None else selection.run.config.n_layers)


def factors_of(ablation: Ablation) -> tuple[float, float]:
    """g and m."""
    return ablation.generalising, ablation.memorising
