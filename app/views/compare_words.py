"""What the comparison of two runs says: the rows of its table, its help, its sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.numbers import epoch_text
from app.run_mark import moment_text
from app.views.help import Help
from app.views.legend import value_text
from engine.analysis.alignment import Moments
from engine.analysis.compare import Compared, Exact, Side, loss_unit
from engine.analysis.kinship import Kinship
from engine.analysis.progress_curves import Pinned

UNKNOWN, NONE = "…", "—"
GINI = "Of the norms of its Fourier components: 0 all alike, towards 1 one"
HELP = Help(
    see="What is set differently in the two runs, when each memorised and generalised and how its phases ended, and "
    "what each is like at the checkpoints that stand beside each other. On the right the norms of all frequencies from "
    "the largest to the smallest, this run's as a line, the reference's dashed; below, where the runs are related, "
    "the difference at each frequency and how far the weights are apart.",
    look_for="How many frequencies stand out, and by how much, is alike from seed to seed; which ones is not. A fork "
    "begins at no distance from its parent, and the difference grows from there.",
    wrong="Comparing frequency k of two seeds: renaming every residue a to u·a turns k into u·k and changes nothing "
    "else. Losses of different p in nats: guessing costs ln p, so across p they are divided by it.",
    formula="Norm at k: of the cosine and the sine of w<sub>k</sub> in W over the residues, together. Distance of a "
    "parameter: ‖A − B‖ / √((‖A‖² + ‖B‖²) / 2): 0 the same, √2 unrelated ones of one size. Margin: the right logit "
    "less the best wrong one, over all pairs.",
    paper="App. C.2 compares other seeds and settings by the number of their key frequencies.",
)


@dataclass(frozen=True)
class Row:
    """A name, and what stands under each run; a row without values is the head of those that follow.

    rough : not exact yet
    """

    name: str
    values: tuple[str, str] = ("", "")
    tip: str = ""
    rough: bool = False

    @property
    def is_head(self) -> bool:
        return not any(self.values)


def rows(
    found: Compared,
    times: tuple[Moments | None, Moments | None],
    numbers: tuple[Exact, Exact] | None,
    ps: tuple[int, int],
) -> list[Row]:
    """The table.  times : of this run and of the reference    numbers : None: not yet    ps : the moduli"""
    return [*_settings(found.kinship), *_over_training(found, times), *_now(found, numbers, ps)]


def _settings(kin: Kinship) -> list[Row]:
    told = [Row(d.name, (d.here, d.there)) for d in kin.differences]
    told += [Row(d.name, (d.here, d.there), "When to look, when to stop: moves no weight") for d in kin.of_schedule]
    return [Row("settings that differ"), *(told or [Row("none", (NONE, NONE))])]


def _over_training(found: Compared, times: tuple[Moments | None, Moments | None]) -> list[Row]:
    made = [Row("over training")]
    for name, whose in (("t_mem", "train"), ("t_gen", "test")):
        one, other = (UNKNOWN if m is None else moment_text(m, getattr(m, name), NONE) for m in times)
        tip = f"First epoch from which {whose} accuracy holds its threshold; ≤ : already where the run begins"
        made.append(Row(name, (one, other), tip))
    for name, field in (
        ("memorised until", "memorisation_end"), ("circuit formed", "circuit_end"), ("cleaned up", "cleanup_end"),
    ):  # fmt: skip
        ends = _ends(found, times, field)
        made.append(Row(name, ends, "End of the phase; — : it has not ended"))
    named = "\n".join(_both(found, lambda s: _keys(s.keys)))
    made.append(Row("key frequencies", _both(found, lambda s: _count(s.keys)), named))
    return made


def _ends(found: Compared, times: tuple[Moments | None, Moments | None], field: str) -> tuple[str, str]:
    """Where a phase ended, of both."""
    told = []
    for side, m in zip((found.here, found.there), times, strict=True):
        end = None if side.phases is None else getattr(side.phases, field)
        known = side.phases is not None and m is not None
        told.append(moment_text(m, end, NONE) if known and m is not None else UNKNOWN)
    return told[0], told[1]


def _now(found: Compared, numbers: tuple[Exact, Exact] | None, ps: tuple[int, int]) -> list[Row]:
    per = " / ln p" if ps[0] != ps[1] else ""
    units = loss_unit(*ps), loss_unit(ps[1], ps[0])
    loss = f"Mean cross-entropy over p logits, {'divided by ln p: guessing costs 1' if per else 'nats'}"
    margin = "The right logit less the best wrong one, over all pairs"
    clear = "Frequencies that some neuron carries with FVE ≥ 0.85 at this very checkpoint"
    return [
        Row("at these checkpoints"),
        Row("epoch", _both(found, lambda s: epoch_text(s.epoch))),
        _measured(f"train loss{per}", "train_loss", found, numbers, units, loss),
        _measured(f"test loss{per}", "test_loss", found, numbers, units, loss),
        _measured("train accuracy", "train_accuracy", found, numbers, None, "Share of the training pairs"),
        _measured("test accuracy", "test_accuracy", found, numbers, None, "Share of the test pairs"),
        Row("smallest margin", _exactly(numbers, lambda x: _signed(x.margin[0])), margin),
        Row("mean margin", _exactly(numbers, lambda x: _signed(x.margin[1])), margin),
        Row("clear frequencies", _exactly(numbers, lambda x: NONE if x.n_keys is None else str(x.n_keys)), clear),
        Row("Σw²", _both(found, lambda s: f"{s.squared:.4g}"), "Over all parameters"),
        *(
            Row(f"Gini {w}", _both(found, lambda s, w=w: f"{s.gini[w]:.3f}"), GINI)  # type: ignore[misc]
            for w in ("W_E", "W_L")
        ),
    ]


def _both(found: Compared, say: Callable[[Side], str]) -> tuple[str, str]:
    return say(found.here), say(found.there)


def _exactly(numbers: tuple[Exact, Exact] | None, say: Callable[[Exact], str]) -> tuple[str, str]:
    return (UNKNOWN, UNKNOWN) if numbers is None else (say(numbers[0]), say(numbers[1]))


def _measured(
    name: str,
    field: str,
    found: Compared,
    numbers: tuple[Exact, Exact] | None,
    units: tuple[float, float] | None,
    tip: str,
) -> Row:
    """A loss or an accuracy: exact, or as training recorded it.  units : of losses; None: a share"""

    def say(value: float | None, unit: float) -> str:
        if value is None:
            return NONE
        return f"{100 * value:.2f} %" if units is None else value_text(value / unit)

    recorded = found.here.recorded.get(field), found.there.recorded.get(field)
    here, there = recorded if numbers is None else (getattr(numbers[0], field), getattr(numbers[1], field))
    one, other = units or (1.0, 1.0)
    rough = " (as training recorded it, float32)" if numbers is None else ""
    return Row(name, (say(here, one), say(there, other)), f"{tip}{rough}", bool(rough))


def _count(keys: Pinned | None) -> str:
    return UNKNOWN if keys is None else f"{len(keys.keys)}{'' if keys.final else ' candidates'}"


def _keys(keys: Pinned | None) -> str:
    if keys is None:
        return "Not known yet"
    named = " ".join(map(str, keys.keys)) or "none"
    return f"{named}, {'chosen by hand' if keys.by_hand else f'at epoch {epoch_text(keys.epoch)}'}"


def _signed(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
