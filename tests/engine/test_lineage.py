"""Forks find their parents, and families are drawn without crossings."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import lineage, recording
from engine.config import Config
from engine.lineage import Header, Headers, Member, changes, family, header_of, nearest, parting
from engine.runfile import Origin, Run
from engine.training import Checkpoint

CONFIG = Config(
    p=7, d_model=8, n_heads=2, d_mlp=16, epochs=30, train_fraction=0.5, checkpoint_every=5, dense_every=0,
    dense_until=0, transition_every=0, test_every=5, device="cpu",
)  # fmt: skip
QUIET: Callable[[str], None] = lambda text: None  # noqa: E731


@pytest.fixture
def parent(tmp_path: Path) -> Run:
    for _ in recording.start(CONFIG, tmp_path / "parent.h5").events():
        pass
    return Run.open(tmp_path / "parent.h5", probe=False)


def fork(parent: Run, path: Path, epoch: int, **changed: object) -> Run:
    for _ in recording.fork(parent, path, epoch, changed, say=QUIET).events():
        pass
    return Run.open(path, probe=False)


def test_that_a_header_says_what_the_run_says(parent: Run) -> None:
    (header,) = Headers().read([parent.path])
    assert header is not None
    assert (header.id, header.config, header.origin, header.state) == (parent.id, CONFIG, Origin(), "finished")
    assert header.columns["epoch"].tolist() == parent.epochs.tolist()
    for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
        assert np.array_equal(header.columns[name], parent.scalars(name))
    assert (header.first, header.last) == (0, 30)


def test_that_what_is_no_run_is_passed_over(parent: Run, tmp_path: Path) -> None:
    text, cut, folder = tmp_path / "text.h5", tmp_path / "cut.h5", tmp_path / "folder.h5"
    text.write_text("hello")
    cut.write_bytes(parent.path.read_bytes()[:4000])
    folder.mkdir()
    found = Headers().read([text, cut, parent.path, tmp_path / "missing.h5", folder])
    assert [header and header.id for header in found] == [None, None, parent.id, None, None]


def test_that_a_file_that_crashes_the_reader_is_passed_over(parent: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child ends without a line for the second file; the others are read by another child."""
    headers, asked, bad = Headers(), [], parent.path.with_name("bad.h5")
    lines = headers._lines

    def crashing(paths: list[Path]) -> list[str]:
        asked.append(list(paths))
        until = paths.index(bad) if bad in paths else len(paths)
        return lines(paths[:until]) if until else []

    monkeypatch.setattr(headers, "_lines", crashing)
    found = headers.read([parent.path, bad, parent.path])
    assert [header and header.id for header in found] == [parent.id, None, parent.id]
    assert asked == [[parent.path, bad, parent.path], [parent.path]]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe")
def test_that_a_file_that_keeps_the_reader_waiting_is_passed_over(parent: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody ever writes into the pipe that it opens."""
    monkeypatch.setattr(lineage, "_SECONDS", 1)
    pipe = parent.path.with_name("pipe.h5")
    os.mkfifo(pipe)
    assert [header and header.id for header in Headers().read([pipe, parent.path])] == [None, parent.id]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe")
def test_that_reading_is_cancelled_from_another_thread(parent: Run) -> None:
    pipe, headers = parent.path.with_name("pipe.h5"), Headers()
    os.mkfifo(pipe)
    found: list[Header | None] = []
    reading = threading.Thread(target=lambda: found.extend(headers.read([pipe, parent.path])))
    reading.start()
    headers.cancel()
    reading.join(timeout=8)
    assert not reading.is_alive()
    assert found == [None, None]


def test_that_a_run_in_training_is_read_too(tmp_path: Path) -> None:
    events = recording.start(CONFIG, tmp_path / "run.h5").events()
    for event in events:
        if isinstance(event, Checkpoint) and event.epoch == 5:
            break
    (header,) = Headers().read([tmp_path / "run.h5"])
    assert header is not None
    assert header.state == "running"
    assert header.last == 5
    events.close()
    assert Headers().read([tmp_path / "run.h5"])[0].state == "interrupted"


def test_that_an_open_run_has_the_header_of_its_file(parent: Run) -> None:
    (read,), held = Headers().read([parent.path]), header_of(parent)
    assert read == held
    assert all(np.array_equal(held.columns[name], values) for name, values in read.columns.items())


def test_that_only_what_has_changed_is_read_again(parent: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, headers, asked = fork(parent, tmp_path / "first.h5", 10), Headers(), []
    read = headers.read
    monkeypatch.setattr(headers, "read", lambda paths: asked.append(list(paths)) or read(paths))
    assert [h.id for h in headers.look_around([parent])] == [parent.id, first.id]
    second = fork(parent, tmp_path / "second.h5", 20)
    found = headers.look_around([parent])
    assert found[0].id == parent.id
    assert {h.id for h in found} == {parent.id, first.id, second.id}
    assert asked == [[first.path], [second.path]]  # the run itself is open


def test_that_runs_elsewhere_are_found_by_their_names(parent: Run, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    child = fork(parent, tmp_path / "elsewhere" / "child.h5", 10)
    headers = Headers()
    assert [h.id for h in headers.look_around([child])] == [child.id]
    found = headers.look_around([child], [parent.path, tmp_path / "gone.h5"])
    assert [h.id for h in found] == [child.id, parent.id]


def test_that_a_run_that_grows_here_is_taken_as_it_is(parent: Run, tmp_path: Path) -> None:
    new = recording.fork(parent, tmp_path / "fork.h5", 10, say=QUIET)
    events = new.events()
    for event in events:
        if isinstance(event, Checkpoint) and event.epoch == 15:
            break
    found = Headers().look_around([parent, new.run])
    assert [(h.id, h.last, h.state) for h in found] == [(parent.id, 30, "finished"), (new.run.id, 15, "running")]
    events.close()


# -- the tree ------------------------------------------------------------------------------------------------------


def header(name: str, parent: str | None = None, first: int = 0, last: int = 100, **settings: object) -> Header:
    return Header(
        Path(f"{name}.h5"), name, replace(CONFIG, **settings), Origin(first, parent), "finished",
        {"epoch": np.array([first, last])},
    )  # fmt: skip


TREE = [
    header("early", "root", 10), header("stranger"), header("late", "root", 50), header("root"),
    header("of early", "early", 30), header("orphan", "lost", 5), header("root"),
]  # fmt: skip


@pytest.mark.parametrize("of", ["root", "early", "of early", "late"])
def test_that_a_family_is_the_same_tree_whoever_is_asked(of: str) -> None:
    found = family(TREE, of)
    assert [m.header.id for m in found] == ["root", "late", "early", "of early"]
    assert [m.parent for m in found] == [None, 0, 0, 2]


def test_that_no_line_to_a_fork_crosses_a_run() -> None:
    """From the parent's row down to the fork's at the epoch where it begins."""
    draw = np.random.default_rng(0)
    for _ in range(50):
        headers = [header("0")]
        for i in range(1, 9):
            above = headers[draw.integers(len(headers))]
            headers.append(header(str(i), above.id, int(draw.integers(above.first, above.last + 1))))
        found = family(headers, "0")
        assert len(found) == 9
        for row, member in enumerate(found):
            between = found[(member.parent or 0) + 1 : row] if member.parent is not None else ()
            assert all(other.header.first >= member.header.first for other in between)


def test_that_strangers_and_orphans_have_small_families() -> None:
    assert [m.header.id for m in family(TREE, "stranger")] == ["stranger"]
    assert [(m.header.id, m.parent, m.changes) for m in family(TREE, "orphan")] == [("orphan", None, ())]
    assert family(TREE, "unknown") == ()


def test_that_files_that_claim_to_be_each_others_parent_do_no_harm() -> None:
    found = family([header("a", "b", 5), header("b", "a", 5)], "a")
    assert {m.header.id for m in found} == {"a", "b"}


def test_that_changes_are_told_and_the_schedule_is_not_one() -> None:
    other = replace(CONFIG, weight_decay=0.0, betas=(0.9, 0.99), epochs=90, checkpoint_every=1)
    assert changes(other, CONFIG) == ("weight decay 1 → 0", "betas 0.9, 0.98 → 0.9, 0.99")
    assert changes(replace(CONFIG, epochs=90), CONFIG) == ()


@pytest.mark.parametrize(
    ("shown", "other", "epoch"),
    [
        ("root", "early", 10), ("root", "of early", 30), ("early", "root", 10), ("of early", "root", 10),
        ("of early", "early", 30), ("late", "early", 10), ("early", "late", 50),
    ],
)  # fmt: skip
def test_that_a_relatives_curve_begins_where_it_is_another_run(shown: str, other: str, epoch: int) -> None:
    members = family(TREE, "root")
    place = {m.header.id: i for i, m in enumerate(members)}
    assert parting(members, place[shown], place[other]) == epoch


def test_that_the_nearest_relatives_have_the_lanes() -> None:
    parents = [None, 0, 0, 2, 3, 4, 4, 0]
    members = [Member(None, parent, ()) for parent in parents]  # type: ignore[arg-type]
    assert nearest(members, 4, 6) == [0, 2, 3, 4, 5, 6]
    assert nearest(members, 1, 3) == [0, 1, 2]
    assert nearest(members, 0, 99) == list(range(8))
    assert nearest(members, None, 3) == []
