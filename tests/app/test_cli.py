"""The verbs that draw, and what is said before Qt could abort."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def grokscope(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    return subprocess.run(
        [sys.executable, "main.py", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=120,
        env=plain | environment,
    )  # fmt: skip


def size_of(png: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    return int(width), int(height)


def test_that_a_screenshot_has_its_size_and_says_nothing(run_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "picture.png"
    done = grokscope("screenshot", run_path, "--out", out, "--size", "1280x800", "--epoch", "47", "--theme", "light",
                     "--neuron", "3")  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert size_of(out) == (1280, 800)


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["missing.h5", "--out", "x.png"], 1, "does not exist"),
        (["RUN", "--out", "no/x.png"], 1, "folder"),
        (["RUN", "--out", "x.png", "--size", "big"], 2, "--size"),
        (["RUN", "--out", "x.png", "--neuron", "24"], 2, "--neuron"),
        (["RUN", "--out", "x.png", "--epoch", "-1"], 2, "--epoch"),
        (["RUN"], 2, "--out"),
    ],
)
def test_that_wrong_wishes_get_one_line(arguments: list[str], status: int, word: str, run_path: Path) -> None:
    done = grokscope("screenshot", *(run_path if a == "RUN" else a for a in arguments))
    assert done.returncode == status
    assert word in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_that_a_screenshot_of_a_damaged_checkpoint_fails_in_words(run_path: Path, tmp_path: Path) -> None:
    import h5py

    copy = tmp_path / "damaged.h5"
    copy.write_bytes(run_path.read_bytes())
    with h5py.File(copy, "r+") as file:
        file["weights/W_E"][3] = np.nan
    done = grokscope("screenshot", copy, "--epoch", "15", "--out", tmp_path / "x.png")
    assert done.returncode == 1
    assert "not finite" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are an affair of Linux")
@pytest.mark.parametrize("environment", [{}, {"DISPLAY": ":87", "WAYLAND_DISPLAY": "nope"}])
def test_that_without_a_display_the_same_job_is_done_headless(
    environment: dict[str, str], run_path: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run.h5"
    run.write_bytes(run_path.read_bytes())
    done = grokscope(run, **environment)
    assert done.returncode == 0, done.stderr
    assert "display" in done.stderr
    assert str(run.with_suffix(".png")) in done.stdout
    assert size_of(run.with_suffix(".png")) == (1600, 1000)
