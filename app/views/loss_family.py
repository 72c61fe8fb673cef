"""The curves of related runs, as the loss view draws them: thin, from where they are other runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.family import Family, describe
from app.numbers import epoch_text
from engine.analysis.curves import Curve
from engine.lineage import Member, nearest, parting

MOST = 4  # relatives that are drawn: the nearest
ROLES = ("train", "test")


@dataclass(frozen=True)
class RelativeCurves:
    """name : of its file      said : what is different about it, and from which epoch it is drawn
    loss, accuracy : by role, over p logits, of its own checkpoints
    """

    name: str
    said: str
    loss: Mapping[str, Curve]
    accuracy: Mapping[str, Curve]

    def of(self, kind: str) -> Mapping[str, Curve]:
        return self.loss if kind == "loss" else self.accuracy


def relative_curves(family: Family, last: float, unit: float = 1.0) -> list[RelativeCurves]:
    """Of the nearest relatives of the run on show, as far as `last`; those without a point are left out.

    unit : what losses are divided by
    """
    shown, members = family.shown, family.members
    near = [i for i in nearest(members, shown, MOST + 1) if i != shown]
    found = [_curves(members, shown, i, last, unit) for i in near if shown is not None]
    return [relative for relative in found if relative.loss]


def _curves(members: tuple[Member, ...], shown: int, other: int, last: float, unit: float) -> RelativeCurves:
    member, begin = members[other], parting(members, shown, other)
    columns = member.header.columns
    epochs = columns["epoch"].astype(np.float64)
    there = (epochs >= begin) & (epochs <= last)

    def curves(kind: str) -> dict[str, Curve]:
        names = {role: f"{role}_{kind}" for role in ROLES if f"{role}_{kind}" in columns}
        per = unit if kind == "loss" else 1.0
        return {role: Curve(epochs[there], columns[name][there] / per) for role, name in names.items() if there.any()}

    above = None if member.parent is None else members[member.parent]
    ancestor = members[shown].header.first == begin and member.header.first < begin
    what = "the run that it was forked from" if ancestor and above is None else describe(member, above)
    said = f"{what}; drawn from epoch {epoch_text(begin)}, its checkpoints' own losses"
    return RelativeCurves(member.header.path.stem, said, curves("loss"), curves("accuracy"))
