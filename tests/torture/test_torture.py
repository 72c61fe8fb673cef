"""Real trainings, killed at random moments, over and over. `make torture`; `-s` shows the figures."""

import json
import os
import random
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.models.transformer import shapes
from engine.runfile import Run, RunError

pytestmark = [pytest.mark.torture, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]

KILLS = int(os.environ.get("GROKSCOPE_KILLS", "200"))
ROOT = Path(__file__).resolve().parents[2]
SETTINGS = [
    "p=11", "d_model=16", "n_heads=2", "d_mlp=32", "train_fraction=0.5", "epochs=1200", "checkpoint_every=6",
    "dense_every=0", "transition_every=0", "test_every=2",
]  # fmt: skip

# Imports torch once, computes nothing, and forks a `python main.py …` for every line. Its own lines begin with #.
NURSERY = """
import json, os, sys
sys.path.insert(0, os.getcwd())
import main
import engine.cli, engine.recording
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            sys.argv = ["main.py", *json.loads(line)]
            status = main.main()
        finally:
            os._exit(status)
    os.write(1, b"#%d\\n" % pid)
    ended = os.waitpid(pid, 0)[1]
    os.write(1, b"#%d\\n" % (-os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else os.WEXITSTATUS(ended)))
"""


class Nursery:
    """Trainings as children of one process that has torch in memory already."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "TQDM_DISABLE": "1"},
            bufsize=0,
        )
        self._answers = selectors.DefaultSelector()
        self._answers.register(self._process.stdout, selectors.EVENT_READ)
        self.said: list[str] = []

    def start(self, *arguments: str) -> int:
        """-> its process id"""
        self.said = []
        self._process.stdin.write(json.dumps(arguments).encode() + b"\n")
        pid = self.wait("#", 60)
        assert pid is not None
        return int(pid[1:])

    def wait(self, begins: str, within: float) -> str | None:
        """The next line that begins so or tells the end, or None if none came in so many seconds."""
        until = time.monotonic() + within
        while self._answers.select(max(0.0, until - time.monotonic())):
            line = self._process.stdout.readline().decode()
            self.said.append(line)
            if line.startswith(("#", begins)):
                return line
        return None

    def close(self) -> None:
        self._answers.close()
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


def test_that_random_kills_lose_nothing(tmp_path: Path, nursery: Nursery) -> None:
    """Kill, verify, resume, kill …; every chain ends bit for bit as the run that nobody killed."""
    seed = int(os.environ.get("GROKSCOPE_SEED", "0")) or time.time_ns() % 2**32
    draw = random.Random(seed)
    whole = tmp_path / "whole.h5"
    nursery.start("train", "--out", str(whole), "--device", "cpu", "--set", *SETTINGS)
    assert nursery.wait("#", 120) == "#0\n", nursery.said
    expected = Run.open(whole)
    began = time.monotonic()
    kills = verified = chains = in_a_commit = 0
    while kills < KILLS:
        path = tmp_path / f"{chains}.h5"
        before = 0
        while True:
            new = not path.exists()
            arguments = ["--out", str(path), "--set", *SETTINGS] if new else ["--resume", str(path)]
            pid = nursery.start("train", "--device", "cpu", *arguments)
            in_training = draw.random() < 0.7  # else anywhere, also in the copying of a resume
            ended = nursery.wait("Training", 60) if in_training else None
            if ended is None or ended.startswith("Training"):
                ended = nursery.wait("#", draw.expovariate(1 / 0.3) if in_training else draw.uniform(0, 1.5))
            seen = 0
            if ended is None:
                seen = _n_checkpoints(path)
                os.kill(pid, signal.SIGKILL)
                ended = nursery.wait("#", 60)
            if ended == "#0\n":
                break
            assert ended == f"#{-signal.SIGKILL}\n", (nursery.said, seed)
            kills += 1
            if path.exists():
                run = Run.open(path, probe=kills % 10 == 0)
                assert run.n_checkpoints >= max(before, seen), seed
                verified += _same(run, expected)
                in_a_commit += _has_leftovers(run)
                before = run.n_checkpoints
                run.close()
                if before == expected.n_checkpoints:  # killed between its last commit and the word that it has finished
                    break
        run = Run.open(path)
        # a kill may also come after the word "finished"
        assert run.status().state in (("finished",) if ended == "#0\n" else ("finished", "interrupted"))
        assert _same(run, expected) == expected.n_checkpoints
        _same_ends(run, expected)
        run.close()
        path.unlink()
        chains += 1
    print(
        f"\n{kills} kills in {chains} chains, {in_a_commit} of them in the middle of a commit; "
        f"{verified} committed checkpoints verified, 0 lost; {time.monotonic() - began:.0f} s; seed {seed}"
    )
    assert in_a_commit > KILLS // 20  # they hit a process that was writing
    assert list(tmp_path.glob(".*.lock")) == []


def _n_checkpoints(path: Path) -> int:
    """As another process sees it while it is written; 0 in the moment of its making."""
    try:
        run = Run.open(path, probe=False)
    except RunError:
        assert not path.exists()
        return 0
    n = run.n_checkpoints
    run.close()
    return n


def _has_leftovers(run: Run) -> bool:
    """Whether rows past the committed ones were begun."""
    names = ("checkpoints/epoch", *(f"weights/{name}" for name in shapes(run.config)), "checkpoints/crc32")
    return any(len(run._h5[name]) > run.n_checkpoints for name in names)


def _same(run: Run, expected: Run) -> int:
    """Every committed checkpoint against the run that nobody killed.  -> how many there are"""
    n = run.n_checkpoints
    assert run.checksum_errors() == []
    assert np.array_equal(run.epochs, expected.epochs[:n])
    for name in shapes(run.config):
        assert np.array_equal(run._h5[f"weights/{name}"][:n], expected._h5[f"weights/{name}"][:n]), name
    for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
        assert np.array_equal(run.scalars(name), expected.scalars(name)[:n]), name
    curve = run.train_curve()
    assert np.array_equal(curve, expected.train_curve()[: len(curve)])
    epochs, losses = run.test_curve()
    assert np.array_equal(epochs, expected.test_curve()[0][: len(epochs)])
    assert np.array_equal(losses, expected.test_curve()[1][: len(epochs)])
    return n


def _same_ends(run: Run, expected: Run) -> None:
    assert run.kept_optimizers() == expected.kept_optimizers()
    pairs = [(run.optimizer(), expected.optimizer())]
    pairs += [(run.kept_optimizer(i), expected.kept_optimizer(i)) for i in run.kept_optimizers()]
    for one, other in pairs:
        assert all(np.array_equal(one[name], other[name]) for name in other)
