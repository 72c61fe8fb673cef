"""The selection: one value, one signal, clamped."""

from dataclasses import replace

from pytestqt.qtbot import QtBot

from app.session import Selection, Session
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


def test_that_a_run_can_be_shown_at_an_epoch(run: Run) -> None:
    session = Session()
    session.show_run(run, epoch=47)
    assert session.selection.epoch == 40
    assert replace(session.selection, layout_epoch=60).layout_step == run.step_at(60)
    assert session.selection.layout_step == run.n_checkpoints - 1
