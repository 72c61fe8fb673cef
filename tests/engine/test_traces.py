"""Traces: resumable, disposable, equal to measuring afresh; curves for any set of frequencies."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from engine import cli
from engine.analysis.algorithm import algorithm, circles
from engine.analysis.characters import characters
from engine.analysis.measures import measures
from engine.analysis.neurons import frequency_powers
from engine.analysis.summary import summary
from engine.bundle import write_bundle
from engine.config import Config
from engine.recording import start
from engine.replay import activations
from engine.runfile import Run
from engine.traces import EXTRAS, Traces, extras_of, measure_all

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


@pytest.mark.parametrize("harm", ["version", "run", "scrambled", "short", "row", "extra"])
def test_that_what_does_not_fit_is_made_anew(run: Run, harm: str) -> None:
    traces = filled(run)
    traces.add(0, (), ("algorithm",))
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
            elif harm == "extra":
                file["extra/algorithm/epoch"].resize(0, axis=0)
            else:
                file["rows/epoch"].resize(len(file["rows/epoch"]) - 1, axis=0)
    again = Traces(run)
    assert len(again.missing()) == run.n_checkpoints
    assert list(measure_all(again))[-1] == 0


def test_that_extras_are_measured_for_who_asks_and_kept(run: Run) -> None:
    names = extras_of(CONFIG, ("circle", "algorithm", "neurons"), (2, 5, 6))
    assert names == ("algorithm", "neurons", "circle/2", "circle/5")
    assert extras_of(Config(p=11, operation="x2xyy2"), EXTRAS, (2,)) == ()
    traces = filled(run)
    assert traces.missing((1, 5)) == []
    assert len(traces.missing((1, 5), names)) == run.n_checkpoints
    assert traces.extra("algorithm")[0].tolist() == []
    for step in (3, 0):
        traces.add(step, (1, 5), names)
    traces.close()
    again = Traces(run)
    assert sorted(again.missing((1, 5), names)) == [s for s in range(run.n_checkpoints) if s not in (0, 3)]
    assert set(again.missing((1, 5), ("circle/3",))) == set(range(run.n_checkpoints))
    epochs, found = again.extra("algorithm")
    assert epochs.tolist() == run.epochs[[0, 3]].tolist()
    for i, step in enumerate((0, 3)):
        truth = algorithm(run, step)
        for name, values in found.items():
            assert values[i] == pytest.approx(getattr(truth, name), rel=1e-12)
        of_5 = circles(run, step, (5,))[0]
        assert again.extra("circle/5")[1]["pizza"][i] == pytest.approx(of_5.pizza, abs=1e-5)
        energies = frequency_powers(activations(run, step).mlp_post[-1], characters(CONFIG).p)[0]
        assert again.extra("neurons")[1]["norm"][i] == pytest.approx(np.sqrt(energies.sum(axis=0)), rel=1e-9)


def test_that_a_bundled_runs_extras_live_in_memory_beside_its_shipped_traces(run: Run, tmp_path: Path) -> None:
    write_bundle(run, tmp_path / "small.h5", [0, 4, 10], filled(run))
    bundled = Run.open(tmp_path / "small.h5", probe=False)
    traces = Traces(bundled)
    assert traces.missing((1, 5)) == []
    assert traces.missing((1, 5), ("algorithm",)) == [0, 2, 1]
    for step in (0, 2):
        traces.add(step, (1, 5), ("algorithm",))
    assert traces.extra("algorithm")[0].tolist() == [0, 40]
    assert len(traces.epochs) == run.n_checkpoints  # the shipped ones, of all checkpoints
    assert not traces.kept


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
