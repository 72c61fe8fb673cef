"""A small run that memorises, generalises and cleans up within a second."""

from dataclasses import replace
from pathlib import Path

from engine.config import Config
from engine.recording import start
from engine.runfile import Run

LEARNING = Config(
    p=29, train_fraction=0.7, d_model=32, n_heads=2, d_mlp=64, lr=1e-2, weight_decay=1.5, warmup=10, epochs=300,
    checkpoint_every=5, dense_every=0, transition_every=0, test_every=10, device="cpu",
)  # fmt: skip


def recorded(path: Path, **changes: object) -> Run:
    """Trained for real, to its end."""
    for _ in start(replace(LEARNING, **changes), path).events():  # type: ignore[arg-type]
        pass
    return Run.open(path, probe=False)
