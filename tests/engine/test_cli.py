"""The command line as its users meet it: real processes, one-line errors, exit statuses."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine import cli

ROOT = Path(__file__).resolve().parents[2]
TINY = [
    "p=7",
    "d_model=8",
    "n_heads=2",
    "d_mlp=16",
    "train_fraction=0.5",
    "checkpoint_every=10",
    "dense_every=0",
    "transition_every=0",
]


def run(*arguments: str | Path) -> int:
    return cli.main([str(a) for a in arguments])


def train(path: Path, *more: str) -> None:
    assert run("train", "--out", path, "--epochs", "30", "--device", "cpu", "--set", *TINY, *more) == cli.DONE


def test_that_a_run_is_trained_told_and_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.h5"
    train(path)
    capsys.readouterr()
    assert run("info", path, "--json") == cli.DONE
    facts = json.loads(capsys.readouterr().out)
    assert facts["status"] == "finished"
    assert facts["epochs"] == [0, 10, 20, 30]
    assert facts["n_checkpoints"] == 4
    assert facts["config"]["p"] == 7
    assert facts["step_path"] == "structured"
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        assert isinstance(facts[name], float)
    assert run("info", path) == cli.DONE
    assert "finished" in capsys.readouterr().out
    assert run("verify", path) == cli.DONE
    assert "sound" in capsys.readouterr().out


def test_that_an_empty_test_set_is_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path / "run.h5", "train_fraction=1")
    capsys.readouterr()
    run("info", tmp_path / "run.h5", "--json")
    said = capsys.readouterr().out
    assert json.loads(said)["test_loss"] is None
    assert "NaN" not in said


def test_that_resume_goes_on_and_a_finished_run_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.h5"
    train(path)
    assert run("train", "--resume", path) == cli.FAILED
    assert "--epochs" in capsys.readouterr().err
    assert run("train", "--resume", path, "--epochs", "50") == cli.DONE
    capsys.readouterr()
    run("info", path, "--json")
    assert json.loads(capsys.readouterr().out)["epochs"][-1] == 50


def test_that_a_fork_names_its_parent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parent, child = tmp_path / "run.h5", tmp_path / "fork.h5"
    train(parent)
    status = run("train", "--init", f"{parent}@20", "--out", child, "--set", "weight_decay=0", "--epochs", "40")
    assert status == cli.DONE
    capsys.readouterr()
    run("info", parent, "--json")
    run("info", child, "--json")
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert second["origin"] == {"epoch": 20, "parent": first["run_id"], "warmup_from": 20, "optimizer": "fresh"}
    assert second["epochs"] == [20, 30, 40]


BAD = {
    "p = 1": (["train", "--out", "x.h5", "--set", "p=1"], cli.USAGE, "p = 1"),
    "fraction 0": (["train", "--out", "x.h5", "--set", "train_fraction=0"], cli.USAGE, "train_fraction"),
    "fraction 1.5": (["train", "--out", "x.h5", "--set", "train_fraction=1.5"], cli.USAGE, "train_fraction"),
    "heads": (["train", "--out", "x.h5", "--set", "d_model=10", "n_heads=4"], cli.USAGE, "d_head"),
    "no such setting": (["train", "--out", "x.h5", "--set", "dropout=1"], cli.USAGE, "dropout"),
    "no equals": (["train", "--out", "x.h5", "--set", "p"], cli.USAGE, "KEY=VALUE"),
    "no preset": (["train", "--out", "x.h5", "--preset", "big"], cli.USAGE, "big"),
    "no verb": (["dance"], cli.USAGE, "dance"),
    "nothing to write": (["train"], cli.USAGE, "--out"),
    "missing": (["info", "missing.h5"], cli.FAILED, "does not exist"),
    "folder": (["info", "."], cli.FAILED, "folder"),
    "text": (["info", "text.h5"], cli.FAILED, "not HDF5"),
    "empty": (["verify", "empty.h5"], cli.FAILED, "empty"),
    "out in no folder": (["train", "--out", "no/x.h5", "--epochs", "1"], cli.FAILED, "not a folder"),
    "out is a folder": (["train", "--out", ".", "--epochs", "1"], cli.FAILED, "folder"),
    "out exists": (["train", "--out", "text.h5", "--epochs", "1"], cli.FAILED, "exists"),
    "resume missing": (["train", "--resume", "missing.h5"], cli.FAILED, "does not exist"),
    "resume with settings": (["train", "--resume", "x.h5", "--set", "p=5"], cli.USAGE, "fork"),
    "init at no epoch": (["train", "--init", "x.h5@ten", "--out", "y.h5"], cli.USAGE, "whole number"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_that_bad_input_gets_one_line(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, status, word = BAD[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.h5").write_text("not a run\n")
    (tmp_path / "empty.h5").touch()
    before = sorted(tmp_path.iterdir())
    try:
        got = cli.main(arguments)
    except SystemExit as end:
        got = int(end.code or 0)
    said = capsys.readouterr().err.strip()
    assert got == status
    assert word in said
    assert len(said.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for children")
def test_that_ctrl_c_stops_cleanly_and_says_how_to_resume(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    child = subprocess.Popen(
        [sys.executable, "main.py", "train", "--out", path, "--set", *TINY, "epochs=100000000"],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert child.stderr is not None
    first = child.stderr.readline()
    assert "Training add mod 7" in first
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == cli.INTERRUPTED
    assert f"--resume {path}" in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob(".*"))


def test_that_no_verb_of_the_engine_imports_qt(tmp_path: Path) -> None:
    code = "import sys; from engine import cli; cli.parser().format_help(); assert 'PySide6' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_that_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["train", "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    for name in ("train_fraction", "transition_every", "betas", "--resume", "--init"):
        assert name in said
