"""A run that was opened shows a neuron by itself, which nobody notices but who looks for one."""

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.compute import Compute, Query
from app.main_window import MainWindow
from app.session import Session
from app.telling import Telling
from engine.analysis.wall import clearest_neuron, wall_layout
from engine.runfile import Run


@pytest.fixture
def clearest(run: Run) -> int:
    fve = wall_layout(run, run.n_checkpoints - 1).fve
    return max(range(len(fve)), key=lambda i: float(fve[i]))


def opened(window: MainWindow, qtbot: QtBot, path: Path) -> None:
    with qtbot.waitSignal(window.opened, timeout=20_000):
        window.open(path)


def test_that_a_run_opened_by_hand_shows_its_clearest_neuron(
    window: MainWindow, qtbot: QtBot, run_path: Path, clearest: int
) -> None:
    opened(window, qtbot, run_path)
    qtbot.waitUntil(lambda: window.session.selection.neurons == ((0, clearest),), timeout=20_000)
    view = next(view for view in window.views if view.name == "neuron")
    qtbot.waitUntil(lambda: view.has_picture and not view.waiting, timeout=20_000)
    assert view.header.title.text() == f"Neuron {clearest}"
    assert not window.session.can_undo
    window.session.scrub(0)
    window.session.undo()
    assert window.session.selection.neurons == ((0, clearest),)


def test_that_what_a_person_chose_or_let_go_stays(qtbot: QtBot, run: Run, clearest: int) -> None:
    for chosen in (((0, 7),), ()):
        session, compute = Session(), Compute()
        telling = Telling(session, compute)
        session.show_run(run)
        telling.look_for(run)
        session.select(neurons=((0, 7),))
        session.select(neurons=chosen)
        qtbot.waitUntil(lambda compute=compute: compute.idle)
        assert session.selection.neurons == chosen
        compute.close()


def test_that_an_answer_for_another_run_is_dropped(qtbot: QtBot, run: Run, run_path: Path, tmp_path: Path) -> None:
    session, compute = Session(), Compute()
    telling = Telling(session, compute)
    session.show_run(run)
    telling.look_for(run)
    other = Run.open(run_path, probe=False)
    other.id = "other"
    session.show_run(other)
    qtbot.waitUntil(lambda: compute.idle)
    assert session.selection.neurons == ()
    other.close()
    compute.close()


def test_that_it_is_asked_of_the_analysis_thread_after_what_views_wait_for(run: Run) -> None:
    session, compute = Session(), Compute()
    telling = Telling(session, compute)
    asked: list[tuple[Query, bool]] = []
    compute.ask = lambda _, query, urgent=True: asked.append((query, urgent))  # type: ignore[method-assign]
    telling.look_for(run)
    assert not asked, "that run is not on show"
    session.show_run(run)
    telling.look_for(run)
    assert asked == [(Query(clearest_neuron, (run, run.n_checkpoints - 1)), False)]
    session.select(neurons=((0, 1),))
    telling.look_for(run)
    assert len(asked) == 1
    compute.close()


def test_that_the_way_back_to_the_previous_run_finds_a_neuron_too(
    window: MainWindow, qtbot: QtBot, run: Run, run_path: Path, clearest: int
) -> None:
    other = Run.open(run_path, probe=False)
    other.id = "other"
    window.show_run(run)
    window.show_run(other)
    window.showing.show_previous()
    qtbot.waitUntil(lambda: window.session.selection.neurons == ((0, clearest),), timeout=20_000)
    assert window.session.selection.run is run
    other.close()
