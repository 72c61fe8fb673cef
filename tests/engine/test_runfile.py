"""Reading: what is true of a sound file, and one sentence for any other."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from engine import recording
from engine.config import Config
from engine.models.transformer import shapes
from engine.runfile import Run, RunError, Status
from engine.training import Checkpoint

CONFIG = Config(
    p=7, d_model=8, n_heads=2, d_mlp=16, epochs=20, train_fraction=0.5, checkpoint_every=5, dense_every=0,
    dense_until=0, transition_every=0, test_every=5, device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("run") / "run.h5"
    new = recording.start(CONFIG, path)
    assert sum(isinstance(event, Checkpoint) for event in new.events()) == 5
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, original: bytes) -> Path:
    """A finished run of five checkpoints."""
    path = tmp_path / "run.h5"
    path.write_bytes(original)
    return path


def test_that_a_run_tells_what_it_is(path: Path) -> None:
    run = Run.open(path)
    assert run.config == CONFIG
    assert run.status() == Status("finished")
    assert run.epochs.tolist() == [0, 5, 10, 15, 20]
    assert run.n_checkpoints == 5
    assert run.origin == recording.Origin()
    assert not run.reduced_precision
    assert {name: value.shape for name, value in run.weights(2).items()} == shapes(CONFIG)
    assert all(value.dtype == np.float32 for value in run.weights(2).values())
    assert len(run.train_curve()) == 20
    assert run.test_curve()[0].tolist() == [0, 5, 10, 15]


def test_that_a_run_is_equal_by_its_id(path: Path, tmp_path: Path, original: bytes) -> None:
    copy = tmp_path / "copy.h5"
    copy.write_bytes(original)
    recording.start(CONFIG, tmp_path / "other.h5").close(Status("interrupted"))
    one, two, other = (Run.open(file, probe=False) for file in (path, copy, tmp_path / "other.h5"))
    assert one == two
    assert hash(one) == hash(two)
    assert one != other
    assert one != one.id
    assert len({one, two, other}) == 2


def test_that_a_step_is_found_by_its_epoch_or_its_neighbours_are_named(path: Path) -> None:
    run = Run.open(path, probe=False)
    assert [run.step_at(e) for e in (0, 5, 20)] == [0, 1, 4]
    for epoch, near in ((-1, "0"), (7, "5, 10"), (21, "20")):
        with pytest.raises(RunError, match=f"the nearest: {near}\\."):
            run.step_at(epoch)


def test_that_steps_count_from_either_end_and_no_further(path: Path) -> None:
    run = Run.open(path, probe=False)
    last, also = run.weights(4), run.weights(-1)
    assert all(np.array_equal(last[name], also[name]) for name in last)
    for step in (5, -6):
        with pytest.raises(IndexError):
            run.weights(step)


def test_that_a_closed_run_opens_again_by_itself(path: Path) -> None:
    run = Run.open(path, probe=False)
    before = run.weights(3)
    run.close()
    run.close()
    assert all(np.array_equal(before[name], value) for name, value in run.weights(3).items())


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_that_no_file_stays_open(path: Path, tmp_path: Path) -> None:
    def n_open() -> int:
        return sum(str(tmp_path) in os.readlink(f"/proc/self/fd/{fd}") for fd in _fds())

    run = Run.open(path)
    assert n_open() == 1
    run.close()
    assert n_open() == 0
    recording.start(CONFIG, tmp_path / "new.h5").close(Status("interrupted"))
    assert n_open() == 0
    with h5py.File(path, "r+") as file:
        del file["weights/W_U"]
    with pytest.raises(RunError):
        Run.open(path)
    assert n_open() == 0
    with pytest.raises(RunError):
        recording.resume(path)
    assert n_open() == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new.h5", "run.h5"]


def _fds() -> list[str]:
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]


def test_that_a_run_of_another_id_in_its_place_is_not_taken_for_it(path: Path, tmp_path: Path) -> None:
    run = Run.open(path, probe=False)
    before = run.id
    recording.start(CONFIG, tmp_path / "other.h5").close(Status("interrupted"))
    os.replace(tmp_path / "other.h5", path)
    with pytest.raises(RunError, match="is another run by now"):
        run.refresh()
    assert run.id == before


def test_that_a_file_without_optimiser_and_curves_has_none(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["optimizer"], file["curves"], file["checkpoints/test_loss"]
    run = Run.open(path)
    assert run.optimizer() is None
    assert run.kept_optimizers() == []
    assert run.train_curve() is None
    assert run.test_curve() is None
    assert run.scalars("test_loss") is None


def test_that_half_precision_is_read_as_single(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        for name in shapes(CONFIG):
            values = file[f"weights/{name}"][:]
            del file[f"weights/{name}"]
            file[f"weights/{name}"] = values.astype(np.float16)
    run = Run.open(path)
    assert run.reduced_precision
    assert run.weight("W_E", 2).dtype == np.float32


def test_that_many_threads_read_while_one_writes(tmp_path: Path) -> None:
    new = recording.start(CONFIG, tmp_path / "run.h5")
    stop, errors, reads = threading.Event(), [], []
    events = new.events()
    next(events)

    def read() -> None:
        try:
            while not stop.is_set():
                n = new.run.refresh()
                assert [new.run.weights(i)["W_E"].shape for i in range(n)] == [(8, 8)] * n
                assert len(new.run.train_curve()) >= 5 * (n - 1)
                new.run.optimizer()
                new.run.status()
                reads.append(n)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in events:
        pass
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(reads) >= 3
    assert new.run.checksum_errors() == []


READER = """
import sys
from engine.runfile import Run
run = Run.open(sys.argv[1])
for line in sys.stdin:
    n, total = run.refresh(), run.weights(-1)["W_E"].sum().item()
    print(n, run.status().state, run.checksum_errors(), total.hex(), flush=True)
"""


def test_that_another_process_sees_every_commit(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    new = recording.start(CONFIG, path)
    events = (event for event in new.events() if isinstance(event, Checkpoint))
    next(events)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", READER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None

        def told() -> list[str]:
            print("?", file=reader.stdin, flush=True)
            return reader.stdout.readline().split()

        for n, event in enumerate(events, 2):
            assert told() == [str(n), "running", "[]", event.weights["W_E"].sum().item().hex()]
        assert told()[:3] == ["5", "finished", "[]"]
        reader.stdin.close()
        assert reader.wait() == 0


# -- damage ---------------------------------------------------------------------------------------------------


def flip(path: Path, name: str, row: int, byte: int = 9) -> None:
    with h5py.File(path, "r") as file:
        offset = file[name].id.get_chunk_info(row).byte_offset
    data = bytearray(path.read_bytes())
    data[offset + byte] ^= 0x40
    path.write_bytes(data)


@pytest.mark.parametrize(
    "name",
    [
        "weights/W_E", "weights/b_out", "optimizer/kept/exp_avg/W_in", "optimizer/slot/exp_avg_sq/W_U",
        "checkpoints/train_loss", "curves/train_loss", "curves/test_loss",
    ],
)  # fmt: skip
def test_that_a_flipped_bit_in_a_committed_chunk_is_found(path: Path, name: str) -> None:
    flip(path, name, 1 if "slot" in name else 0)
    run = Run.open(path)
    assert len(run.checksum_errors()) == 1
    if name.startswith("weights"):
        with pytest.raises(RunError, match="cannot read"):
            run.weights(0)
        assert len(run.weights(1)) == len(shapes(CONFIG))
    if "slot" in name:
        with pytest.raises(RunError, match="damaged"):
            run.optimizer()
        with pytest.raises(RunError, match="damaged"):
            recording.resume(path, epochs=30)


@pytest.mark.parametrize(("name", "row"), [("checkpoints/crc32", 0), ("optimizer/slot_crc32", 1)])
def test_that_a_flipped_bit_in_a_checksum_is_found(path: Path, name: str, row: int) -> None:
    flip(path, name, row, byte=1)
    assert len(Run.open(path).checksum_errors()) == 1


def test_that_a_flipped_bit_in_the_epochs_is_refused(path: Path) -> None:
    flip(path, "checkpoints/epoch", 0, byte=14)
    with pytest.raises(RunError, match=r"is larger than the file|do not ascend") as caught:
        Run.open(path)
    assert "\n" not in str(caught.value)


def test_that_weights_that_are_not_finite_are_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["weights/W_E"][1, 0, 0] = np.nan
    run = Run.open(path)
    with pytest.raises(RunError, match="not finite at epoch 5"):
        run.weights(1)
    assert len(run.checksum_errors()) == 1


def test_that_a_file_cut_at_any_length_is_one_sentence(path: Path, original: bytes) -> None:
    n = len(original)
    for length in sorted({1, 7, 8, 9, 11, 12, 47, 48, 49, 100, 511, 2048, n // 3, n // 2, n - 5000, n - 100, n - 1}):
        path.write_bytes(original[:length])
        with pytest.raises(RunError) as caught:
            Run.open(path)
        assert "\n" not in str(caught.value)


def test_that_a_file_with_any_bytes_overwritten_is_read_rightly_or_refused(
    path: Path, original: bytes, request: pytest.FixtureRequest
) -> None:
    """In a child: HDF5 may crash, but only the probe, which is a process of its own."""
    draw = np.random.default_rng(0)
    files = []
    for i in range(300 if request.config.getoption("--torture") else 12):
        data = bytearray(original)
        begin = int(draw.integers(8, len(data) - 64))
        data[begin : begin + 64] = draw.bytes(64)
        files.append(path.with_name(f"{i}.h5"))
        files[-1].write_bytes(data)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", DAMAGED, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == len(files)


DAMAGED = """
import json, sys
from engine.runfile import Run, RunError
said = []
for path in sys.argv[1:]:
    try:
        run = Run.open(path)
        run.status()
        said.append(run.checksum_errors())
    except RunError as error:
        assert "\\n" not in str(error)
        said.append(str(error))
print(json.dumps(said))
"""


def test_that_a_file_that_claims_more_than_it_holds_takes_no_memory(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        for data in (*file["checkpoints"].values(), *file["weights"].values()):
            data.resize(10**12, axis=0)
        file["committed"][()] = 10**12
    with pytest.raises(RunError, match="damaged"):
        Run.open(path)


@pytest.mark.parametrize("committed", [-1, 6, 10**9])
def test_that_a_wrong_count_of_checkpoints_is_refused(path: Path, committed: int) -> None:
    with h5py.File(path, "r+") as file:
        file["committed"][()] = committed
    with pytest.raises(RunError, match="damaged"):
        Run.open(path)


def test_that_what_is_no_file_is_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    for name, message in (
        ("missing.h5", "does not exist"), (".", "is a folder"), ("pipe.h5", "is not a file"),
        ("x" * 300, "cannot be opened"), ("pipe.h5/run.h5", "does not exist"), ("nul\0.h5", "cannot be opened"),
    ):  # fmt: skip
        with pytest.raises(RunError, match=message) as caught:
            Run.open(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_that_a_file_without_read_access_is_one_sentence(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path.chmod(0)
    with pytest.raises(RunError, match="cannot be read"):
        Run.open(path)


def test_that_a_run_in_a_folder_without_write_access_is_read(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    path.parent.chmod(0o500)
    try:
        assert Run.open(path).status().state == "finished"
        with pytest.raises(RunError, match="cannot be written in"):
            recording.resume(path, epochs=30)
    finally:
        path.parent.chmod(0o700)
