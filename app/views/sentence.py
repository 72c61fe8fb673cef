"""Lines of text of a view: one that fits, and whose keys are on show."""

from __future__ import annotations

from app.numbers import epoch_text
from app.session import Selection
from app.tracing import Tracing
from app.views.still import QuietLabel
from engine.analysis.progress_curves import Pinned


class Sentence(QuietLabel):
    """A sentence, or its shorter form where there is no room."""

    def __init__(self) -> None:
        super().__init__()
        self._short = ""
        self.setProperty("role", "muted")
        self.setStyleSheet("font-size: 12px;")
        self.setMinimumWidth(40)

    def say(self, text: str, short: str) -> None:
        self._short = short
        self.setText(text)

    def fitting(self) -> str:
        fits = self.fontMetrics().horizontalAdvance(self.text()) <= self.width()
        return self.text() if fits else self._short


def keys_text(pinned: Pinned | None, keys: tuple[int, ...]) -> str:
    """Whose keys they are: "keys 14, 35 of epoch 40 000".  keys : those that are on show"""
    if pinned is None:
        return "looking for key frequencies …"
    if not keys:
        return "no key frequency yet"
    named = ", ".join(map(str, keys))
    if pinned.by_hand:
        return f"keys {named}, chosen by hand"
    return f"{'keys' if pinned.final else 'candidates'} {named} of epoch {epoch_text(pinned.epoch)}"


def not_measured(tracing: Tracing, selection: Selection) -> str:
    """Why there is no curve of a run that has checkpoints; empty where it has none."""
    if selection.run is None or not selection.n_checkpoints:
        return ""
    if tracing.trouble:
        return f"Nothing is measured: {tracing.trouble}"
    return "Measuring is paused." if tracing.paused else "Waiting for the first checkpoint to be measured …"
