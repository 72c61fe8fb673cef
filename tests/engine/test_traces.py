"""Traces: resumable, disposable, equal to measuring afresh; curves for any set of frequencies."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from engine import cli
from engine.analysis.measures import measures
from engine.analysis.summary import summary
from engine.config import Config
from engine.recording import start
from engine.runfile import Run
from engine.traces import Traces, measure_all

CONFIG = Config(p=11, train_fraction=0.5, d_model=16, n_heads=2, d_mlp=24, epochs=40, checkpoint_every=4, dense_every=0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    for _ in start(CONFIG, tmp_path / "run.h5").events():
        pass
    return Run.open(tmp_path / "run.h5")


def filled(run: Run, keys: tuple[int, ...] = (1, 5)) -> Traces:
    traces = Traces(run)
    assert list(measure_all(traces, keys))[-1] == 0
    return traces


def test_that_traces_are_the_measures_of_each_checkpoint(run: Run) -> None:
    traces = filled(run)
    assert traces.epochs.tolist() == run.epochs.tolist()
    losses, tables, right = (traces.column(name) for name in ("test_loss", "table", "right"))
    assert losses is not None
    assert tables is not None
    assert right is not None
    for step in range(run.n_checkpoints):
        m = measures(run, step)
        assert m.test is not None
        assert losses[step] == m.test.loss
        assert (tables[step] == m.table).all()
        assert (right[step] == m.right).all()


def test_that_curves_of_a_set_equal_its_numbers_at_each_checkpoint(run: Run) -> None:
    traces = filled(run, (2, 3))
    restricted, excluded = traces.restricted((2, 3)), traces.excluded((2, 3))
    assert restricted is not None
    assert excluded is not None
    for step in range(run.n_checkpoints):
        numbers = summary(run, step, (2, 3))
        assert restricted.loss["every"][step] == pytest.approx(numbers["restricted_loss_all"], rel=1e-14)
        assert restricted.loss["test"][step] == pytest.approx(numbers["restricted_loss_test"], rel=1e-14)
        assert restricted.loss["power"][step] == pytest.approx(numbers["power_of_keys"], rel=1e-14)
        assert excluded.loss["keys"][step] == pytest.approx(numbers["excluded_loss_key_train"], rel=1e-14)
        assert excluded.loss["3"][step] == pytest.approx(numbers["excluded_per_frequency_train"]["3"], rel=1e-14)
    other = traces.restricted((4,))
    assert other is not None
    assert len(other.epochs) == run.n_checkpoints
    assert traces.excluded((4,)) is None


def test_that_a_stopped_pass_goes_on_where_it_was(run: Run) -> None:
    traces = Traces(run)
    steps = traces.missing((1,))
    assert steps[:2] == [0, 8]
    for step in steps[:4]:
        traces.add(step, (1,))
    traces.close()
    again = Traces(run)
    assert sorted(again.missing((1,))) == sorted(steps[4:])
    assert sorted(again.missing((1, 2))) == list(range(run.n_checkpoints))
    assert sorted(again.missing()) == sorted(steps[4:])
    list(measure_all(again, (1,)))
    assert (np.diff(again.epochs) > 0).all()


@pytest.mark.parametrize("harm", ["version", "run", "scrambled", "short", "row"])
def test_that_what_does_not_fit_is_made_anew(run: Run, harm: str) -> None:
    traces = filled(run)
    traces.close()
    if harm in ("scrambled", "short"):
        whole = traces.path.read_bytes()
        traces.path.write_bytes(b"x" * 3000 if harm == "scrambled" else whole[: len(whole) // 2])
    else:
        with h5py.File(traces.path, "r+") as file:
            if harm == "version":
                file.attrs["version"] = 0
            elif harm == "run":
                file.attrs["run_id"] = "another"
            else:
                file["rows/epoch"].resize(len(file["rows/epoch"]) - 1, axis=0)
    again = Traces(run)
    assert len(again.missing()) == run.n_checkpoints
    assert list(measure_all(again))[-1] == 0


def test_that_traces_live_in_memory_where_they_cannot_be_kept(run: Run, tmp_path: Path) -> None:
    traces = Traces(run, tmp_path / "no such folder" / "t.h5")
    assert not traces.kept
    list(measure_all(traces))
    assert len(traces.epochs) == run.n_checkpoints


def test_that_analyse_prints_a_checkpoint_and_curves(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["analyse", str(run.path), "--epoch", "8", "--keys", "1,2", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert one["epoch"] == 8
    assert one["keys_used"] == [1, 2]
    assert cli.main(["analyse", str(run.path), "--all", "--keys", "1,2", "--json"]) == 0
    every = json.loads(capsys.readouterr().out)
    assert every["epochs"] == run.epochs.tolist()
    i = every["epochs"].index(8)
    assert every["restricted_every_loss"][i] == one["restricted_loss_all"]
    assert every["excluded_keys_loss"][i] == one["excluded_loss_key_train"]
    assert cli.main(["analyse", str(run.path)]) == 0
    assert "restricted_loss_all" in capsys.readouterr().out
    assert cli.main(["analyse", str(run.path), "--keys", "1,6"]) == 2
    assert "from 1 to 5" in capsys.readouterr().err
    assert cli.main(["analyse", str(run.path), "--epoch", "9"]) == 1
    assert "8" in capsys.readouterr().err


def test_that_another_process_at_work_is_left_alone(run: Run) -> None:
    first = filled(run)
    first.flush()
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})\n"
        "from engine.runfile import Run; from engine.traces import Traces\n"
        f"t = Traces(Run.open({str(run.path)!r})); print(t.kept, len(t.missing()))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told == ["False", str(run.n_checkpoints)]
    assert first.path.exists()
    first.close()
    assert Traces(run).missing() == []
