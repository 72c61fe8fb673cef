"""What views of the ablated model ask with, and how long their numbers may stay while it changes."""

from __future__ import annotations

from typing import Any

from app.session import Selection
from app.tracing import Tracing
from engine.analysis.ablation import WHOLE

STALE_MS = 150  # so long may numbers stay while the mix of the two solutions moves


def asked(tracing: Tracing, selection: Selection) -> tuple[Any, ...]:
    """Run, step, keys and ablation that `answer_map` is asked with; what is whole does not depend on keys."""
    pinned = tracing.pinned if tracing.run is selection.run else None
    if selection.ablation.is_whole:
        return selection.run, selection.step, (), WHOLE
    return selection.run, selection.step, () if pinned is None else pinned.keys, selection.ablation
