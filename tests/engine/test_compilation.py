"""What is compiled when the program is set up is all that is ever called."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys
from pathlib import Path

from engine import kernels
from engine.analysis import passes
from engine.compilation import compile_kernels


def known():
    functions = [*vars(kernels).items(), *vars(passes).items()]
    return {name: [str(s) for s in f.signatures] for name, f in functions if hasattr(f, "signatures")}


compile_kernels()
before = known()
assert before["work"] and before["thumbnails"] and before["line_sums"]

from engine import recording
from engine.analysis.clock import clock
from engine.analysis.embedding import spectrum
from engine.analysis.logit_picture import logit_numbers, logit_picture
from engine.analysis.neuron_page import neuron_picture
from engine.analysis.solutions import answer_map
from engine.analysis.wall import neuron_wall
from engine.config import Config
from engine.replay import activations, drawn
from engine.runfile import Run
from engine.traces import Traces

path = Path(sys.argv[1])
config = Config(p=13, train_fraction=0.5, d_model=24, n_heads=3, d_mlp=40, epochs=20, dense_every=5, device="cpu")
for _ in recording.start(config, path).events():
    pass
run = Run.open(path, probe=False)
for size in (5, 64):
    neuron_wall(run, 1, run.n_checkpoints - 1, size, True)
    neuron_wall(run, 1, run.n_checkpoints - 1, size, False)
spectrum(run, 1, 2, "W_L", 3)
drawn(run, 2)
for exact in (True, False):
    activations(run, 2, exact)
logit_picture(run, 1, 2)
logit_numbers(run, 1, (1, 2))
traces = Traces(run)
traces.add(1, (1, 2))
traces.close()
after = known()
assert after == before, {name: after[name] for name in after if after[name] != before[name]}
"""


def test_that_nothing_is_left_to_compile_when_the_window_opens(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "run.h5")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
