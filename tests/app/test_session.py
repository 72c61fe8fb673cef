"""The selection: one value, one signal, clamped."""

from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.session import Selection, Session
from engine import recording
from engine.analysis.ablation import MLP, WHOLE, Ablation, Frequencies, Units
from engine.densify import densify, plan
from engine.runfile import Run


def test_that_writing_what_is_there_says_nothing(qtbot: QtBot, run: Run) -> None:
    session = Session()
    session.show_run(run)
    with qtbot.assertNotEmitted(session.changed):
        session.select(step=session.selection.step, run=run)


def test_that_a_selection_is_told_once_and_whole(qtbot: QtBot, run: Run) -> None:
    session = Session()
    session.show_run(run)
    told: list[Selection] = []
    session.changed.connect(told.append)
    session.select(step=3, frequency=2, neurons=((0, 1),))
    assert told == [session.selection]
    assert (told[0].step, told[0].frequency, told[0].neurons) == (3, 2, ((0, 1),))


def test_that_impossible_wishes_are_clamped(run: Run) -> None:
    session = Session()
    session.select(step=5, frequency=3)
    assert session.selection == Selection()
    session.show_run(run)
    session.select(step=10_000, frequency=99, neurons=((0, 0), (3, 0), (0, 99)))
    s = session.selection
    assert (s.step, s.frequency, s.neurons) == (run.n_checkpoints - 1, None, ((0, 0),))
    session.select(step=-5)
    assert session.selection.step == 0


def test_that_scrubbing_stops_following_and_growing_keeps_the_place(run: Run) -> None:
    session = Session()
    session.show_run(run)
    session.select(n_checkpoints=6, step=5, following=True)
    session.grow(run, 8)
    assert session.selection.step == 7
    session.scrub(2)
    assert not session.selection.following
    session.grow(run, 10)
    assert (session.selection.step, session.selection.n_checkpoints) == (2, 10)


def test_that_axes_and_colours_stay_while_a_finger_goes_through_a_growing_run(run: Run) -> None:
    clock = Clock()
    session = Session(clock)
    session.show_run(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "grows", True)
        session.select(n_checkpoints=4, step=3, following=True)
        session.grow(run, 5)
        assert session.selection.layout_step == 4
        session.scrub(2)
        session.grow(run, 6)
        session.scrub(1)
        assert session.selection.layout_step == 4
        clock.now += 5
        assert session.selection.layout_step == 4  # it waits for news
        session.grow(run, 8)
        assert (session.selection.step, session.selection.layout_step) == (1, 7)
        session.scrub(2)
        session.grow(run, 9)
        assert session.selection.layout_step == 7
        session.select(following=True)
        assert session.selection.layout_step == 8
        session.scrub(2)
        session.grow(run, 10)
    session.scrub(1)  # the training has ended
    assert session.selection.layout_step == 9


def test_that_a_run_can_be_shown_at_an_epoch(run: Run) -> None:
    session = Session()
    session.show_run(run, epoch=47)
    assert session.selection.epoch == 40
    assert replace(session.selection, layout_epoch=60).layout_step == run.step_at(60)
    assert session.selection.layout_step == run.n_checkpoints - 1


class Clock:
    """Time that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_that_undo_goes_back_gesture_by_gesture_and_redo_forward(run: Run) -> None:
    clock = Clock()
    session = Session(clock)
    session.show_run(run)
    last = session.selection.step
    assert not session.can_undo
    for step in (5, 4, 3):  # one drag
        session.scrub(step)
    clock.now += 5
    session.select(frequency=2)
    clock.now += 5
    session.select(pair=(3, 4), neurons=((0, 1),))
    session.undo()
    assert (session.selection.pair, session.selection.neurons, session.selection.frequency) == (None, (), 2)
    session.undo()
    assert (session.selection.frequency, session.selection.step) == (None, 3)
    session.undo()
    assert session.selection.step == last
    assert not session.can_undo
    session.redo()
    session.redo()
    session.redo()
    assert (session.selection.step, session.selection.pair, session.selection.frequency) == (3, (3, 4), 2)
    assert not session.can_redo


def test_that_every_tick_is_undone_by_itself_and_a_drag_of_a_fader_as_a_whole(run: Run) -> None:
    session = Session(clock=lambda: 0.0)  # all within one moment
    session.show_run(run)
    ticks = [Ablation(heads=Units(((0, 0),))), Ablation(heads=Units(((0, 0), (0, 1))))]
    for ablation in ticks:
        session.select(ablation=ablation)
    for factor in (0.9, 0.6, 0.2):  # one drag, over what is ticked
        session.select(ablation=ticks[-1].mixed(factor, 1.0))
    last = replace(ticks[-1].mixed(0.2, 1.0), logit_frequencies=Frequencies((2,)))
    session.select(ablation=last)
    found = []
    while session.can_undo:
        session.undo()
        found.append(session.selection.ablation)
    assert found == [ticks[-1].mixed(0.2, 1.0), ticks[-1], ticks[0], WHOLE]
    for _ in range(4):
        session.redo()
    assert session.selection.ablation == last


def test_that_what_a_model_does_not_have_cannot_be_taken_away(run: Run) -> None:
    session = Session()
    session.show_run(run)
    session.select(
        ablation=Ablation(heads=Units(((0, 1), (0, 9), (2, 0))), skips=Units(((5, MLP),)),
                          logit_frequencies=Frequencies((3, 99)))
    )  # fmt: skip
    found = session.selection.ablation
    assert (found.heads.of, found.skips.of, found.logit_frequencies.of) == (((0, 1),), (), (3,))


def test_that_a_new_gesture_ends_redoing_and_another_run_ends_undoing(run: Run) -> None:
    clock = Clock()
    session = Session(clock)
    session.show_run(run)
    session.select(frequency=2)
    session.undo()
    assert session.can_redo
    clock.now += 5
    session.select(frequency=3)
    assert not session.can_redo
    session.select(run=None)
    assert not session.can_undo


def test_that_undo_brings_back_no_facts_that_grow(run: Run) -> None:
    session = Session(Clock())
    session.show_run(run)
    session.select(n_checkpoints=4, step=1)
    session.select(frequency=2)
    session.grow(run, 6)
    session.undo()
    assert (session.selection.n_checkpoints, session.selection.frequency) == (6, None)


def test_that_impossible_brushes_are_dropped(run: Run) -> None:
    session = Session()
    session.show_run(run)
    session.select(pair=(3, 11), pinned_keys=(9, 2, 2, 0))
    assert session.selection.pair is None
    assert session.selection.pinned_keys == (2,)
    session.select(pinned_keys=(77,))
    assert session.selection.pinned_keys is None
    session.select(head=(0, 1))
    assert session.selection.head == (0, 1)
    for nowhere in ((0, 2), (1, 0), (0, -1), (-1, 0)):
        session.select(head=nowhere)
        assert session.selection.head is None


def test_that_an_epoch_leads_to_the_nearest_checkpoint(run: Run) -> None:
    session = Session()
    session.show_run(run)
    session.scrub_to_epoch(91)
    assert session.selection.epoch == 100
    session.scrub_to_epoch(-5)
    assert session.selection.epoch == 0


def test_that_a_suggestion_is_as_if_it_had_always_been_there(run: Run) -> None:
    clock = Clock()
    session = Session(clock)
    session.show_run(run)
    session.scrub(3)
    clock.now += 5
    session.select(frequency=2)
    told: list[Selection] = []
    session.changed.connect(told.append)
    session.suggest(neurons=((0, 4),), frequency=1)  # the frequency is chosen already
    assert (session.selection.neurons, session.selection.frequency) == (((0, 4),), 2)
    assert told == [session.selection]
    session.undo()
    assert (session.selection.neurons, session.selection.frequency, session.selection.step) == (((0, 4),), None, 3)
    session.undo()
    assert (session.selection.neurons, session.selection.step) == (((0, 4),), run.n_checkpoints - 1)
    assert not session.can_undo
    session.redo()
    session.redo()
    assert (session.selection.neurons, session.selection.frequency) == (((0, 4),), 2)
    session.suggest(neurons=((0, 5),))
    assert session.selection.neurons == ((0, 4),), "what is chosen stays"


def test_that_one_stays_where_one_is_when_checkpoints_come_in_between(run: Run, tmp_path: Path) -> None:
    """A densified run is another list of the same run: epoch, brushes and what can be undone are kept."""
    copy = tmp_path / "copy.h5"
    copy.write_bytes(run.path.read_bytes())
    thin = Run.open(copy, probe=False)
    for _ in densify(thin, plan(thin, 0, 60, 1), print):
        pass
    dense = Run.open(copy, probe=False)
    session = Session(Clock())
    session.show_run(thin)
    session.select(frequency=2, neurons=((0, 3),))
    session.scrub_to_epoch(40)
    session.stay(dense)
    s = session.selection
    assert s.run is dense
    assert (s.epoch, s.n_checkpoints, s.following) == (40, dense.n_checkpoints, False)
    assert (s.step, s.frequency, s.neurons) == (40, 2, ((0, 3),))
    session.undo()
    session.undo()
    assert (session.selection.run, session.selection.frequency) == (dense, None)


def test_that_a_relative_is_shown_at_the_nearest_epoch_with_the_brushes(run: Run, tmp_path: Path) -> None:
    for _ in recording.fork(run, tmp_path / "fork.h5", 100, {"weight_decay": 0.0}, say=print).events():
        pass
    fork = Run.open(tmp_path / "fork.h5", probe=False)
    session = Session(Clock())
    session.show_run(run, epoch=120)
    session.select(pair=(3, 4))
    session.stay(fork)
    assert (session.selection.epoch, session.selection.pair, session.selection.run) == (120, (3, 4), fork)
    assert not session.can_undo
    session.stay(run)
    session.scrub_to_epoch(20)
    session.stay(fork)
    assert session.selection.epoch == 100
