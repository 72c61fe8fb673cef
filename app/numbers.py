"""Numbers as people read them."""

from __future__ import annotations


def epoch_text(epoch: float) -> str:
    """12 000 rather than 12000."""
    return f"{round(epoch):,}".replace(",", " ")


def number(value: float) -> str:
    """A few digits, a true minus."""
    if value == 0:
        return "0"
    text = f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
    return text.replace("-", "−")
