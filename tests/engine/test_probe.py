"""The look into a file that nobody trusts yet: right about sound files, in words about all others."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from engine import probe, recording
from engine.config import Config
from engine.runfile import Run, RunError

CONFIG = Config(
    p=7, d_model=8, n_heads=2, d_mlp=16, epochs=20, train_fraction=0.5, checkpoint_every=5, dense_every=0,
    dense_until=0, transition_every=0, test_every=5, device="cpu",
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    new = recording.start(CONFIG, tmp_path / "run.h5")
    assert sum(1 for _ in new.events()) > 4
    return tmp_path / "run.h5"


def test_that_a_run_is_sound(path: Path) -> None:
    assert probe.problem(str(path)) is None


def test_that_a_run_is_sound_at_every_checkpoint_of_its_training(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    for _ in recording.start(CONFIG, path).events():
        assert probe.problem(str(path)) is None


def test_that_the_size_is_taken_after_the_walk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that grows while it is looked through is not damaged."""
    whole = path.stat().st_size
    stat, asked = os.stat, []

    def grown(name: str) -> object:
        asked.append(name)
        return stat(name)

    monkeypatch.setattr(os, "stat", grown)
    monkeypatch.setattr(os, "fstat", lambda fd: os.stat_result((0o100644, 1, 1, 1, 0, 0, whole // 2, 0, 0, 0)))
    assert probe.problem(str(path)) is None
    assert asked == [str(path)]


def spoil_text(path: Path) -> None:
    path.write_text("Dear diary,")


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)


def attribute(name: str, value: object) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            file.attrs[name] = value

    return spoil


def without(name: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            if name in file:
                del file[name]
            else:
                del file.attrs[name]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_text, "is not a run file: it is not HDF5."),
        (spoil_empty, "is empty; it is not a run file."),
        (spoil_other_hdf5, "is an HDF5 file but not a Grokscope run."),
        (attribute("format_version", 3), "is format 3; this program reads format 1. Update Grokscope."),
        (attribute("format", "another"), "is an HDF5 file but not a Grokscope run."),
    ],
)
def test_that_what_is_no_run_is_named(path: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(path)
    assert probe.problem(str(path)) == message
    with pytest.raises(RunError) as caught:
        Run.open(path)
    assert str(caught.value) == f"{path} {message}"


@pytest.mark.parametrize(
    "spoil",
    [
        attribute("format_version", "new"),
        attribute("config", "{"),
        attribute("config", json.dumps({"unheard_of": 1})),
        attribute("config", json.dumps({"p": "seven"})),
        attribute("config", "[]"),
        attribute("config", json.dumps({**json.loads(CONFIG.to_json()), "d_model": 16, "d_head": 8})),
        attribute("config", json.dumps({**json.loads(CONFIG.to_json()), "n_layers": 2})),
        attribute("origin", "null"),
        attribute("origin", json.dumps({"epoch": 50})),
        attribute("origin", json.dumps({"era": 5})),
        attribute("segments", "}"),
        *(
            without(name)
            for name in (
                "run_id", "config", "origin", "segments", "committed", "status", "checkpoints", "checkpoints/epoch",
                "weights", "weights/W_E", "optimizer/slot", "optimizer/kept/exp_avg/W_E", "optimizer/slot_crc32",
            )
        ),
    ],
)  # fmt: skip
def test_that_a_file_with_wrong_contents_is_one_sentence(path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(path)
    with pytest.raises(RunError) as caught:
        Run.open(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_that_a_crash_of_the_probe_is_one_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashed(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], -11, "", "")

    monkeypatch.setattr(subprocess, "run", crashed)
    with pytest.raises(RunError, match="is damaged"):
        Run.open(path)


def test_that_the_probe_survives_alone(path: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-I", probe.__file__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_that_only_committed_rows_are_looked_at(path: Path) -> None:
    """What a killed writer was about to write may point anywhere."""
    with h5py.File(path, "r") as file:
        for name, rows in (
            ("weights/W_E", (0, 5)),
            ("optimizer/kept/exp_avg/W_E", (0, 1)),
            ("optimizer/slot/step", (1, 2)),
            ("curves/train_loss", (0, 20)),
            ("curves/test_loss", (0, 4)),
        ):
            assert probe._committed_rows(file)(name) == rows
