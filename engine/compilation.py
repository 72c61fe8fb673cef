"""Compile everything that is compiled, before a person waits for it; kept on disk, this takes seconds only once."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from engine import recording
from engine.analysis.logit_picture import spectrum_norms
from engine.analysis.wall import neuron_wall
from engine.config import Config
from engine.replay import activations, drawn, forget
from engine.runfile import Run
from engine.traces import Traces

_SMALL = Config(p=5, train_fraction=0.6, d_model=8, n_heads=2, d_mlp=16, epochs=2, checkpoint_every=1, device="cpu")


def compile_kernels() -> None:
    """What training, the traces and the views call, in both precisions, by doing all of it on a small run."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "small.h5"
        for _ in recording.start(_SMALL, path).events():
            pass
        run = Run.open(path, probe=False)
        for unwrapped in (False, True):
            neuron_wall(run, 0, 1, 3, unwrapped)
        drawn(run, 1)
        for exact in (False, True):
            spectrum_norms(activations(run, 0, exact).logits.reshape(_SMALL.p, _SMALL.p, -1))
        traces = Traces(run)
        traces.add(0)
        traces.close()
        forget(run)
        run.close()
