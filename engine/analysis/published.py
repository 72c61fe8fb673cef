"""The paper's published mainline, as far as it can be read off its figures, beside a run (figures 2, 7 and 13)."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np

from engine.analysis.curves import Curve
from engine.analysis.phases import HOLDS, Thresholds
from engine.config import Config
from engine.runfile import Origin, Run

KEYS = (14, 35, 41, 42, 52)  # the published key frequencies (paper, sec. 4.1)
_FILE = Path(__file__).resolve().parents[2] / "resources" / "published_mainline.csv"
_LOSSES = {
    "train": "train_loss",
    "test": "test_loss",
    "restricted": "restricted_all",
    "excluded_all": "excluded_all_train",
}
_ACCURACIES = {"test": "test_accuracy", "restricted": "restricted_accuracy"}


@dataclass(frozen=True)
class Published:
    """The published mainline at the epochs that were read off (reading error below 2 %), and how a run differs.

    loss : train, test, restricted (all pairs), excluded_all (train) in nats over p logits; ratio, test / restricted
    accuracy : test, restricted (all pairs)
    t_gen : the neighbouring epochs between which its test accuracy came to the threshold for good; None: it never did
    differs : what sets the run apart from it, in words; nothing: same initialisation, split and settings
    """

    loss: dict[str, Curve]
    accuracy: dict[str, Curve]
    t_gen: tuple[int, int] | None
    differs: tuple[str, ...]

    def shift(self, t_gen: int | None) -> tuple[float, float] | None:
        """Epochs by which its points must move so that both t_gen agree, and the uncertainty of that; None without."""
        if t_gen is None or self.t_gen is None:
            return None
        before, after = self.t_gen
        return t_gen - (before + after) / 2, (after - before) / 2


def published(run: Run, thresholds: Thresholds | None = None) -> Published | None:
    """The published mainline for a run of the same task (a + b modulo 113); None for any other."""
    if not is_of_the_task(run.config):
        return None
    loss, accuracy = _curves()
    t_gen = first_held(accuracy["test"], (thresholds or Thresholds()).generalised)
    return Published(loss, accuracy, t_gen, differences(run))


def is_of_the_task(config: Config) -> bool:
    return (config.operation, config.p) == ("add", 113)


def differences(run: Run) -> tuple[str, ...]:
    """What sets a run apart from the published one, in words. Defaults of `Config` are its settings."""
    c, paper = run.config, Config()
    words = [
        f"{f.name.replace('_', ' ')} {_text(getattr(c, f.name))} instead of {_text(getattr(paper, f.name))}"
        for f in fields(Config)
        if f.metadata["group"] != "schedule" and getattr(c, f.name) != getattr(paper, f.name)
    ]
    if run.origin.parent is not None or run.origin.epoch:
        words.append("it goes on from another run")
    elif run.origin != Origin():
        words.append("its initial weights are not known")
    return tuple(words)


def first_held(accuracy: Curve, threshold: float) -> tuple[int, int] | None:
    """The first of `HOLDS` points in a row that reach a threshold, and the one before it; None without."""
    reached = accuracy.values >= threshold
    for i in range(len(reached) - HOLDS + 1):
        if reached[i : i + HOLDS].all():
            return int(accuracy.epochs[max(i - 1, 0)]), int(accuracy.epochs[i])
    return None


def shifted(curve: Curve, by: float, last: float) -> Curve:
    """The points moved by some epochs, those that come to lie from epoch 0 to `last`."""
    epochs = curve.epochs + by
    there = (epochs >= 0) & (epochs <= last)
    return Curve(epochs[there], curve.values[there])


@cache
def _curves() -> tuple[dict[str, Curve], dict[str, Curve]]:
    """Losses and accuracies by their names."""
    lines = [line for line in _FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    names, *rows = csv.reader(lines)
    columns = dict(zip(names, np.array(rows, np.float64).T, strict=True))
    epochs = columns["epoch"]
    loss = {name: Curve(epochs, columns[column]) for name, column in _LOSSES.items()}
    loss["ratio"] = Curve(epochs, columns["test_loss"] / columns["restricted_all"])
    return loss, {name: Curve(epochs, columns[column]) for name, column in _ACCURACIES.items()}


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
