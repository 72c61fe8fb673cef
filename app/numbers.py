"""Numbers as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.analysis.pairs import Score


def epoch_text(epoch: float) -> str:
    """12 000 rather than 12000."""
    return f"{round(epoch):,}".replace(",", " ")


def number(value: float) -> str:
    """A few digits, a true minus."""
    if value == 0:
        return "0"
    text = f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
    return text.replace("-", "−")


def percent(score: Score | None) -> str:
    """An accuracy; never 0 or 100 unless it is."""
    if score is None or score.accuracy is None:
        return "—"
    share = 100 * score.accuracy
    if 0 < share < 0.01 or 99.99 < share < 100:
        return "< 0.01 %" if share < 50 else "> 99.99 %"
    return f"{share:.{0 if share in (0, 100) else 1 if 10 <= share <= 99.9 else 2}f} %"
