"""Replayed checkpoints are the run's own, bit for bit, or they are not there."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from engine import recording, runwriter
from engine.config import Config, ConfigError, preset
from engine.densefile import dense_path
from engine.densify import Replayed, densify, plan, why_not
from engine.replay import activations
from engine.runfile import Run, RunError
from engine.training import Checkpoint

CONFIG = Config(
    p=7, d_model=8, n_heads=2, d_mlp=16, epochs=60, train_fraction=0.5, checkpoint_every=10, dense_every=0,
    dense_until=0, transition_every=0, test_every=5, device="cpu",
)  # fmt: skip
QUIET: Callable[[str], None] = lambda text: None  # noqa: E731
SCALARS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@pytest.fixture(autouse=True)
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runfile.probe_file", lambda path: None)


@pytest.fixture(autouse=True)
def kept_every_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runwriter, "KEEP_EVERY", 20)


def train(path: Path, config: Config = CONFIG) -> Run:
    for _ in recording.start(config, path).events():
        pass
    return Run.open(path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return train(tmp_path / "run.h5")


@pytest.fixture
def every_epoch(tmp_path: Path) -> Run:
    """The same run with a checkpoint at every epoch, and nothing else different."""
    return train(tmp_path / "every.h5", replace(CONFIG, checkpoint_every=1))


def made_dense(run: Run, start: int, stop: int, every: int) -> Run:
    events = list(densify(run, plan(run, start, stop, every), QUIET))
    assert events[-1] == Replayed(plan(run, start, stop, every).end, len(plan(run, start, stop, every).wanted))
    return Run.open(run.path)


def same_checkpoints(run: Run, truth: Run) -> None:
    """Every checkpoint of `run` is that of `truth`: weights, losses, accuracies, activations."""
    assert run.checksum_errors() == []
    for step, epoch in enumerate(run.epochs.tolist()):
        there = truth.step_at(epoch)
        found, stored = run.weights(step), truth.weights(there)
        assert all(np.array_equal(found[name], stored[name]) for name in stored), epoch
        for name in SCALARS:
            assert run.scalars(name)[step] == truth.scalars(name)[there], (epoch, name)
    middle = run.n_checkpoints // 2
    found = activations(run, middle).logits
    assert np.array_equal(found, activations(truth, truth.step_at(int(run.epochs[middle]))).logits)


# -- exactly ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "stop", "every", "new"),
    [
        (0, 60, 1, [e for e in range(61) if e % 10]), (30, 40, 2, [32, 34, 36, 38]), (33, 47, 7, [35, 42]),
        (51, 53, 1, [51, 52, 53]), (20, 60, 5, [25, 35, 45, 55]),
    ],
)  # fmt: skip
def test_that_a_dense_stretch_is_the_run_trained_with_more_checkpoints(
    run: Run, every_epoch: Run, start: int, stop: int, every: int, new: list[int]
) -> None:
    before = run.path.read_bytes()
    dense = made_dense(run, start, stop, every)
    assert dense.dense_epochs.tolist() == new
    assert dense.epochs.tolist() == sorted([*range(0, 61, 10), *new])
    same_checkpoints(dense, every_epoch)
    assert run.path.read_bytes() == before


def test_that_stretches_add_up_and_nothing_is_replayed_twice(run: Run, every_epoch: Run) -> None:
    made_dense(run, 40, 50, 2)
    made_dense(run, 10, 20, 5)  # earlier, and later in the file
    again = made_dense(Run.open(run.path), 40, 50, 1)
    assert plan(again, 40, 50, 1).wanted == ()
    assert list(densify(again, plan(again, 40, 50, 2), QUIET)) == []
    assert again.dense_epochs.tolist() == [15, *range(41, 50)]
    same_checkpoints(again, every_epoch)


def test_that_a_run_without_the_latest_replay_does_not_lose_it(run: Run) -> None:
    """Two programs have the run open; each adds a stretch that the other does not know."""
    other = Run.open(run.path)
    made_dense(run, 40, 50, 5)
    both = made_dense(other, 10, 20, 5)
    assert both.dense_epochs.tolist() == [15, 45]
    assert list(densify(other, plan(other, 40, 50, 5), QUIET))[-1] == Replayed(50, 0)  # it still does not know of 45
    once_more = Run.open(run.path)
    assert once_more.dense_epochs.tolist() == [15, 45]
    assert once_more.checksum_errors() == []


@pytest.mark.parametrize("fraction", [0.5, 1.0])
def test_that_a_dense_run_without_test_pairs_has_no_test_loss(tmp_path: Path, fraction: float) -> None:
    run = train(tmp_path / "run.h5", replace(CONFIG, train_fraction=fraction))
    dense = made_dense(run, 30, 40, 5)
    assert (dense.scalars("test_loss") is None) == (fraction == 1)
    assert np.isfinite(dense.scalars("train_loss")).all()


def test_that_the_curves_of_every_epoch_stay_as_they_were(run: Run) -> None:
    dense = made_dense(run, 0, 60, 3)
    assert np.array_equal(dense.train_curve(), run.train_curve())
    assert all(np.array_equal(a, b) for a, b in zip(dense.test_curve(), run.test_curve(), strict=True))


def test_that_a_resumed_run_is_replayed_as_each_stretch_was_trained(
    tmp_path: Path, every_epoch: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threads of each stretch are taken again, in one replay across both."""
    path = tmp_path / "resumed.h5"
    events = recording.start(CONFIG, path).events()
    for event in events:
        if isinstance(event, Checkpoint) and event.epoch == 30:
            events.close()
            break
    for _ in recording.resume(path, say=QUIET).events():
        pass
    run = Run.open(path)
    run.segments[0]["threads"], run.segments[1]["threads"] = 1, 2
    used: list[tuple[int, int]] = []
    from engine import repetition

    made = repetition.Trainer

    def noted(config: Config, start: repetition.Start, threads: int) -> object:
        used.append((start.epoch, threads))
        return made(config, start, threads)

    monkeypatch.setattr(repetition, "Trainer", noted)
    made_dense(run, 22, 40, 1)
    assert used == [(20, 1), (30, 2)]
    same_checkpoints(Run.open(path), every_epoch)


# -- one list --------------------------------------------------------------------------------------------------


def test_that_a_run_that_is_open_keeps_its_list_and_the_new_one_is_another(run: Run) -> None:
    """A step of a run is one checkpoint for ever: answers may be kept by it."""
    third, before = run.weights(3)["W_E"], run.epochs.tolist()
    dense = made_dense(run, 0, 60, 5)
    assert run.refresh() == len(before)
    assert run.epochs.tolist() == before
    assert np.array_equal(run.weights(3)["W_E"], third)
    assert dense != run
    assert dense == Run.open(run.path)
    assert hash(dense) == hash(Run.open(run.path))
    assert dense.n_committed == run.n_checkpoints


def test_that_new_checkpoints_of_a_growing_run_come_after_the_replayed_ones(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    events = recording.start(CONFIG, path).events()
    for event in events:
        if isinstance(event, Checkpoint) and event.epoch == 30:
            break
    follower = Run.open(path)
    dense = made_dense(follower, 0, 30, 5)
    assert dense.epochs.tolist() == [0, 5, 10, 15, 20, 25, 30]
    for event in events:
        if isinstance(event, Checkpoint) and event.epoch == 40:
            break
    assert dense.refresh() == 8
    assert dense.epochs.tolist() == [0, 5, 10, 15, 20, 25, 30, 40]
    assert dense.kept_optimizers() == [0, 4, 7]
    events.close()


def test_that_a_dense_run_is_resumed_and_keeps_its_replayed_checkpoints(tmp_path: Path, every_epoch: Run) -> None:
    path = tmp_path / "run.h5"
    made_dense(train(path, replace(CONFIG, epochs=30)), 0, 30, 5)
    resumed = recording.resume(path, epochs=60, say=QUIET)
    for _ in resumed.events():
        pass
    for run in (resumed.run, Run.open(path)):
        assert run.epochs.tolist() == [0, 5, 10, 15, 20, 25, 30, 40, 50, 60]
        same_checkpoints(run, every_epoch)
        assert run.optimizer() is not None


@pytest.mark.parametrize("epoch", [27, 43])
def test_that_a_fork_from_a_replayed_checkpoint_is_its_parent(run: Run, tmp_path: Path, epoch: int) -> None:
    dense = made_dense(run, epoch - 1, epoch + 1, 1)
    fork = recording.fork(dense, tmp_path / "fork.h5", epoch, say=QUIET)
    for _ in fork.events():
        pass
    found = Run.open(tmp_path / "fork.h5")
    assert found.origin.epoch == epoch
    assert found.epochs.tolist() == [epoch, *(e for e in run.epochs.tolist() if e > epoch)]
    for e in found.epochs.tolist():
        a, b = found.weights(found.step_at(e)), dense.weights(dense.step_at(e))
        assert all(np.array_equal(a[name], b[name]) for name in b)
    assert np.array_equal(found.train_curve(), run.train_curve()[epoch:])
    last = found.optimizer()
    assert all(np.array_equal(last[name], value) for name, value in run.optimizer().items())


# -- what is not the run's is not there ------------------------------------------------------------------------


def spoil(run: Run, epoch: int, name: str = "weights/W_E") -> Run:
    """As if the run had been trained by another machine: its stored checkpoint is a little different."""
    run.close()
    with h5py.File(run.path, "r+") as file:
        row = file["checkpoints/epoch"][()].tolist().index(epoch)
        row = row if name.startswith("weights") else int(file["checkpoints/optimizer_kept"][:row].sum())
        value = file[name][row]
        value.flat[0] = np.nextafter(value.flat[0], np.float32(9))
        file[name][row] = value
    return Run.open(run.path)


@pytest.mark.parametrize("name", ["weights/W_E", "optimizer/kept/exp_avg/W_in"])
def test_that_a_replay_that_differs_is_said_and_adds_only_what_was_proven(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(Run, "kept_optimizer", _unchecked)
    spoiled = spoil(run, 40, name)
    with pytest.raises(RunError, match=r"not reproduce the .* stored at epoch 40 .* 4 new checkpoints before it"):
        list(densify(spoiled, plan(spoiled, 20, 60, 2), QUIET))
    assert Run.open(run.path).dense_epochs.tolist() == [22, 24, 26, 28]


def _unchecked(run: Run, step: int) -> dict[str, np.ndarray]:
    return run._optimizer_row("kept", run.kept_optimizers().index(step))[0]


def test_that_cancelling_keeps_what_is_proven(run: Run, every_epoch: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.densify.YIELD_SECONDS", 0)
    events = densify(run, plan(run, 20, 60, 2), QUIET)
    for event in events:
        if event.epoch == 45:
            events.close()
            break
    found = Run.open(run.path)
    assert found.dense_epochs.tolist() == [22, 24, 26, 28, 32, 34, 36, 38]
    same_checkpoints(found, every_epoch)
    made_dense(found, 20, 60, 2)
    same_checkpoints(Run.open(run.path), every_epoch)


def test_that_cancelling_before_anything_is_proven_leaves_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.densify.YIELD_SECONDS", 0)
    events = densify(run, plan(run, 20, 60, 2), QUIET)
    next(events)
    events.close()
    assert [file.name for file in run.path.parent.iterdir()] == ["run.h5"]


def test_that_another_environment_is_said_and_its_replay_must_still_be_proven(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.training.torch.__version__", "9.9")
    said: list[str] = []
    list(densify(run, plan(run, 30, 40, 5), said.append))
    assert len(said) == 1
    assert "Not bit-exact" in said[0]
    assert Run.open(run.path).dense_epochs.tolist() == [35]


@pytest.mark.parametrize(
    ("stretch", "error", "message"),
    [
        ((0, 60, 0), ConfigError, "at least 1"), ((0, 70, 1), ConfigError, "between epochs 0 and 60"),
        ((40, 40, 1), ConfigError, "between epochs"), ((-5, 40, 1), ConfigError, "between epochs"),
        ((41, 49, 50), ConfigError, "no multiple of it lies between 41 and 49"),
    ],
)  # fmt: skip
def test_that_an_impossible_stretch_is_one_sentence(
    run: Run, stretch: tuple[int, int, int], error: type[Exception], message: str
) -> None:
    assert why_not(run) == ""
    with pytest.raises(error, match=message):
        plan(run, *stretch)


def test_that_a_run_without_optimiser_states_says_that_it_cannot(run: Run) -> None:
    run.close()
    with h5py.File(run.path, "r+") as file:
        del file["optimizer"]
    bare = Run.open(run.path)
    assert "no optimiser state" in why_not(bare)
    with pytest.raises(RunError, match="no optimiser state"):
        plan(bare, 0, 60, 1)


# -- a file that is disposable ---------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def to_text(path: Path) -> None:
    path.write_text("hello")


def of_another_run(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["run_id"] = "another"


def of_another_shape(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["weights/W_E"].resize(3, axis=0)


def twice(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["checkpoints/epoch"][0] = file["checkpoints/epoch"][1]


@pytest.mark.parametrize("damage", [cut, to_text, of_another_run, of_another_shape, twice], ids=lambda f: f.__name__)
def test_that_a_damaged_dense_file_is_not_used_and_made_anew(
    run: Run, every_epoch: Run, damage: Callable[[Path], None]
) -> None:
    made_dense(run, 0, 60, 5).close()
    damage(dense_path(run.path))
    found = Run.open(run.path)
    assert found.epochs.tolist() == run.epochs.tolist()
    assert "is not used" in found.dense_trouble
    assert found.checksum_errors() == []
    again = made_dense(found, 20, 40, 5)
    assert again.dense_trouble == ""
    assert again.dense_epochs.tolist() == [25, 35]
    same_checkpoints(again, every_epoch)


def test_that_a_changed_number_in_a_dense_file_is_found(run: Run) -> None:
    dense = made_dense(run, 0, 60, 5)
    dense.close()
    with h5py.File(dense_path(run.path), "r+") as file:
        file["checkpoints/train_loss"][1] += 1
    wrong = Run.open(run.path).checksum_errors()
    assert len(wrong) == 1
    assert "replayed checkpoint at epoch 15" in wrong[0]


def test_that_a_dense_file_that_is_deleted_takes_nothing_with_it(run: Run) -> None:
    made_dense(run, 0, 60, 5).close()
    dense_path(run.path).unlink()
    assert Run.open(run.path).epochs.tolist() == run.epochs.tolist()


def test_that_an_open_run_whose_dense_file_was_replaced_never_shows_another_checkpoint(run: Run) -> None:
    dense = made_dense(run, 40, 50, 5)
    step = dense.step_at(45)
    before = dense.weights(step)["W_E"]
    made_dense(dense, 10, 20, 5)
    assert np.array_equal(dense.weights(step)["W_E"], before)  # it reads on in the old file
    dense.close()
    with pytest.raises(RunError, match="open the run again"):
        dense.weights(step)


def test_that_a_run_by_the_name_of_a_dense_file_is_not_replaced(run: Run) -> None:
    there = train(dense_path(run.path))
    with pytest.raises(RunError, match="is a file of another kind"):
        list(densify(run, plan(run, 0, 60, 5), QUIET))
    assert there.checksum_errors() == []
    assert Run.open(run.path).epochs.tolist() == run.epochs.tolist()


def test_that_a_dense_file_opened_as_a_run_says_what_it_is(run: Run) -> None:
    made_dense(run, 0, 60, 5)
    with pytest.raises(RunError, match="holds replayed checkpoints"):
        Run.open(dense_path(run.path))


def test_that_two_do_not_densify_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.densify.YIELD_SECONDS", 0)
    first = densify(run, plan(run, 0, 60, 5), QUIET)
    next(first)
    with pytest.raises(RunError, match="being written"):
        list(densify(run, plan(run, 0, 60, 5), QUIET))
    assert list(first)[-1] == Replayed(60, 6)


# -- in another process, at a real size ------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[2]


def command_line(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "main.py", *arguments], capture_output=True, text=True, cwd=ROOT)


def test_that_the_quick_preset_is_densified_and_forked_exactly_by_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained here; replayed from epoch 0 and forked, from a checkpoint without a kept state, elsewhere."""
    monkeypatch.setattr(runwriter, "KEEP_EVERY", 1000)
    config = preset("quick", epochs=120, device="cpu")
    run, truth = train(tmp_path / "run.h5", config), train(tmp_path / "truth.h5", replace(config, dense_every=1))
    assert run.kept_optimizers() == [0]
    path, fork = str(run.path), str(tmp_path / "fork.h5")
    done = command_line("densify", path, "--from", "80", "--to", "100", "--every", "2")
    assert done.returncode == 0, done.stderr
    dense = Run.open(run.path)
    assert dense.dense_epochs.tolist() == [e for e in range(80, 101, 2) if e % 5]
    same_checkpoints(dense, truth)
    done = command_line("train", "--init", f"{path}@82", "--out", fork, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "Not bit-exact" not in done.stderr
    child = Run.open(fork)
    same_checkpoints(child, truth)
    assert np.array_equal(child.train_curve(), truth.train_curve()[82:])
    assert all(np.array_equal(value, truth.optimizer()[name]) for name, value in child.optimizer().items())
    done = command_line("verify", path)
    assert f"({len(dense.dense_epochs)} of them replayed), all checksums match" in done.stdout
    assert done.returncode == 0
