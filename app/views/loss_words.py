"""What the loss view says: the names of its curves with key set and split, the set itself, the published mainline."""

from __future__ import annotations

from dataclasses import dataclass

from app.numbers import epoch_text
from app.views.help import Help
from engine.analysis.progress_curves import Pinned, ProgressCurves
from engine.analysis.published import KEYS, Published
from engine.config import Config

LOSSES = ("train", "test", "restricted", "excluded", "excluded_all", "ratio", "seen", "unseen", "each")
ACCURACIES = ("train", "test", "restricted", "excluded", "excluded_all", "seen", "unseen")
OFF, BY_EPOCH, ALIGNED = "published: off", "published: by epoch", "published: aligned at t_gen"

HELP = Help(
    see="Mean cross-entropy (nats) on the training and the test pairs. Restricted loss keeps only the part of the "
    "logits that turns with the key frequencies; excluded loss removes it (thin: every frequency, as the published "
    "curve does). Below, the accuracies. The shaded phases go by a rule whose thresholds can be moved. The legend's "
    "numbers are those at the cursor; circles are the paper's own run. Thin dashed curves are related runs (“family”), "
    "each from the epoch where it is another run.",
    look_for="On the paper's mainline training loss falls at once and test loss rises to 25. From epoch 1 400 on "
    "excluded loss rises and restricted loss falls: the circuit forms, long before test loss shows it "
    "(t<sub>gen</sub> near 10 000). In cleanup test loss falls by seven orders of magnitude.",
    wrong="Excluded loss that never rises: nothing generalises. Restricted above test loss after grokking: the key set "
    "misses part of the circuit. Dashed curves are of candidates, which may change. Early test accuracy comes from "
    "pairs whose mirror (b, a) was trained: see “mirror pairs”.",
    formula="Restricted: of mean(L) + Σ<sub>k∈K</sub> P<sub>k</sub>L, all pairs; excluded: of "
    "L − Σ<sub>k∈K</sub> P<sub>k</sub>L, training pairs; P<sub>k</sub> projects on cos and sin of "
    "w<sub>k</sub>(a + b), w<sub>k</sub> = 2πk/p. All over p logits, “every epoch” over p + 1. While a run is trained, "
    "accuracies are the training step's own and the measures a sketch at some checkpoints (float32); float64 follows.",
    paper="Sec. 5.1 and 5.2, figs. 2, 7, 13 and 15; the circles are read off figs. 2, 7 and 13 (error below 2 %).",
)


@dataclass(frozen=True)
class CurveName:
    """short : in the legend, where the key set is said once    full : with key set and split    tip : what it is"""

    short: str
    full: str
    tip: str


def curve_names(config: Config, progress: ProgressCurves | None, frequency: int | None) -> dict[str, CurveName]:
    """The curves' names.  frequency : of the curve `each`"""
    pinned = progress.pinned if progress is not None else None
    keys, when = set_said(pinned), taken(pinned)
    counts = f"{epoch_text(config.n_train)} training pairs", f"{epoch_text(config.n_test)} test pairs"
    both = f"all {epoch_text(config.n_pairs)} pairs"
    why = f" No progress measures: {progress.no_basis}" if progress is not None and progress.no_basis else ""
    return {
        "train": CurveName("train", "train", f"Mean loss on the {counts[0]}.{why}"),
        "test": CurveName("test", "test", f"Mean loss on the {counts[1]}.{why}"),
        "restricted": CurveName(
            "restricted, all pairs", f"restricted, {keys}, all pairs",
            f"The logits keep only their part that turns with these frequencies, and the mean; {both}. Set {when}.",
        ),
        "excluded": CurveName(
            "excluded, train", f"excluded, {keys}, train",
            f"The logits without their part that turns with these frequencies; {counts[0]}. Set {when}.",
        ),
        "excluded_all": CurveName(
            "excl. all, train", "excluded, all frequencies, train",
            f"The logits without their part that turns with any frequency of the answer; {counts[0]}. "
            "This is the published curve; it needs no key frequencies.",
        ),
        "ratio": CurveName(
            "test / restricted", f"test / restricted ({keys}, all pairs)", "Test loss over restricted loss: no unit.",
        ),
        "seen": CurveName(
            "test, mirror trained", "test, pairs whose mirror (b, a) was trained",
            "Test pairs whose mirror (b, a) is among the training pairs: for them, b + a was memorised.",
        ),
        "unseen": CurveName(
            "test, mirror not trained", "test, pairs whose mirror (b, a) was not trained",
            "Test pairs whose mirror (b, a) is no training pair either: nothing memorised can help.",
        ),
        "each": CurveName(
            f"excl. k = {frequency}, train", f"excluded, k = {frequency} alone, train",
            f"The logits without the selected frequency alone; {counts[0]}.",
        ),
    }  # fmt: skip


def set_said(pinned: Pinned | None) -> str:
    """The frequencies that restricted and excluded loss are of: "keys 14 35 41 42 52"."""
    if pinned is None or not pinned.keys:
        return "no key frequency yet"
    return f"{'keys' if pinned.final else 'candidates'} {' '.join(map(str, pinned.keys))}"


def taken(pinned: Pinned | None) -> str:
    """Where the set comes from."""
    if pinned is None:
        return "not known yet"
    return "chosen by hand" if pinned.by_hand else f"taken at epoch {epoch_text(pinned.epoch)}"


def subtitle(config: Config, progress: ProgressCurves | None, every_epoch: bool) -> str:
    """Key set, the epoch it was taken at, and which logits.  every_epoch : train and test are of every epoch"""
    p = config.p
    logits = f"{p} logits" if not every_epoch else f"train and test over {p + 1} logits, measures over {p}"
    if progress is None or progress.pinned is None:
        return f"mean over {logits}"
    if progress.no_basis:
        return f"{logits} · no progress measures for this task"
    return f"{set_said(progress.pinned)} ({taken(progress.pinned).removeprefix('taken at ')}) · {logits}"


def set_sentence(progress: ProgressCurves | None) -> str:
    """The same as a sentence of a caption."""
    if progress is None or progress.pinned is None or progress.no_basis:
        return "" if progress is None else progress.no_basis
    pinned = progress.pinned
    if not pinned.keys:
        return f"No frequency stands out at epoch {epoch_text(pinned.epoch)}: there is no restricted loss yet."
    frequencies = ", ".join(map(str, pinned.keys))
    if pinned.by_hand:
        return f"Frequencies {frequencies}, chosen by hand."
    kind = "Key frequencies" if pinned.final else "Candidates (the run is not finished; dashed)"
    return f"{kind} {frequencies}, taken at epoch {epoch_text(pinned.epoch)}."


# -- the published mainline ------------------------------------------------------------------------------------


def moved(published: Published, how: str, t_gen: int | None) -> float:
    """Epochs by which the published points are shifted."""
    shift = published.shift(t_gen) if how == ALIGNED else None
    return 0.0 if shift is None else shift[0]


def published_note(published: Published, how: str, t_gen: int | None, pinned: Pinned | None) -> str:
    """What the dots are, where they stand, and how far this run is the same."""
    parts = ["Circles: published mainline, read off figures 2, 7 and 13", _place(published, how, t_gen)]
    return f"{''.join(parts)}. {kinship(published, pinned)}"


def _place(published: Published, how: str, t_gen: int | None) -> str:
    if how != ALIGNED:
        return ""
    shift = published.shift(t_gen)
    if published.t_gen is None:
        return ", not shifted: its test accuracy never comes to this threshold"
    between = f"(its own: {epoch_text(published.t_gen[0])}–{epoch_text(published.t_gen[1])})"
    if shift is None:
        return f", not shifted: this run has no t_gen {between}"
    by = f"{'+' if shift[0] >= 0 else '−'}{epoch_text(abs(shift[0]))} ± {epoch_text(shift[1])}"
    return f", shifted by {by} epochs so that t_gen agree {between}"


def kinship(published: Published, pinned: Pinned | None) -> str:
    """How far this run is the published one."""
    if published.differs:
        return f"This run differs: {'; '.join(published.differs)}."
    ours = "Our rerun: same initialisation and split"
    if pinned is None or pinned.by_hand:
        return f"{ours}."
    if not pinned.final or not pinned.keys:
        return f"{ours}; {set_said(pinned)}."
    if pinned.keys == KEYS:
        return f"{ours}, same five keys."
    return f"{ours}, but {set_said(pinned)} instead of {' '.join(map(str, KEYS))}."
