"""A second run under the same slider: what follows, what is drawn of it, and what is never compared."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QToolButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app import comparison as comparing
from app.comparison import Comparison
from app.compute import Compute
from app.main_window import MainWindow
from app.session import Session
from app.tracing import Tracing
from app.twin import TwinSession
from app.views.base import View
from app.views.compare import CompareView
from app.views.legend import value_text
from app.views.loss import LossView
from engine.analysis.ablation import Ablation
from engine.analysis.alignment import Alignment, Moments, TimeMap
from engine.analysis.compare import component_norms, distances, exact
from engine.analysis.embedding import spectrum
from engine.runfile import Run

LEFT = Qt.MouseButton.LeftButton


@dataclass
class Pair:
    """A session with a reference, without a window."""

    session: Session
    compute: Compute
    comparison: Comparison
    frames: list[QWidget]

    @property
    def twin(self) -> TwinSession:
        return self.comparison.twin


@pytest.fixture
def fork(fork_path: Path) -> Run:
    return Run.open(fork_path, probe=False)


@pytest.fixture
def seven(seven_path: Path) -> Run:
    return Run.open(seven_path, probe=False)


@pytest.fixture
def paired(qtbot: QtBot) -> Iterator[Callable[[Run, Run], Pair]]:
    session, compute = Session(), Compute()
    comparison, frames = Comparison.of(session, compute), list[QWidget]()

    def pair(run: Run, reference: Run) -> Pair:
        session.show_run(run)
        session.compare(reference)
        return Pair(session, compute, comparison, frames)

    yield pair
    compute.close()
    Tracing.of(session, compute).close()
    comparison.close()
    for frame in frames:
        frame.close()
        frame.deleteLater()


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of eleven generalise at epoch 80, those of seven at 20."""

    def moments(run: Run, n: int, thresholds: object) -> Moments:
        return Moments(10, 80 if run.config.p == 11 else 20)

    monkeypatch.setattr(comparing, "moments", moments)


def shown(make: type[View], pair: Pair, qtbot: QtBot) -> View:
    """A view alone, under its header."""
    view, frame = make(pair.session, pair.compute), QWidget()
    column = QVBoxLayout(frame)
    column.addWidget(view.header)
    column.addWidget(view, 1)
    pair.frames.append(frame)
    frame.resize(900, 620)
    frame.show()
    qtbot.waitUntil(lambda: view.answer is not None and not view.waiting, timeout=20_000)
    return view


def click(window: QWidget, name: str) -> None:
    QTest.mouseClick(window.findChild(QToolButton, name), LEFT)


def view_of(window: MainWindow, name: str) -> View:
    return next(view for view in window.views if view.name == name)


# -- one slider --------------------------------------------------------------------------------------------


def test_that_a_second_run_stands_beside_the_first_and_follows_the_slider(
    window: MainWindow, run: Run, fork: Run, settle: Callable[[MainWindow], None], qtbot: QtBot
) -> None:
    window.use_layout("Compare")
    window.show_run(run, 140)
    window.compare_with(fork.path)
    qtbot.waitUntil(lambda: window.comparing.comparison.kinship is not None, timeout=20_000)
    assert window.comparing.strip.isVisible()
    first = view_of(window, "spectrum")
    QTest.mouseClick(first.header.beside, LEFT)
    (second,) = window.comparing.beside.views
    for epoch in (140, 200):
        window.session.scrub_to_epoch(epoch)
        settle(window)
        for view, of in ((first, run), (second, fork)):
            there = view.session.selection
            assert (there.run, there.epoch) == (of, epoch)
            assert np.array_equal(view.answer.norm, spectrum(of, there.step, there.layout_step, "W_E").norm)
    assert window.comparing.strip.mark.said == f"{fork.path.stem} 200"
    (which,) = (option for option in first.header.options if isinstance(option, QComboBox))
    which.setCurrentText("W_L")  # an option of one is an option of both
    settle(window)
    there = second.session.selection
    assert np.array_equal(second.answer.norm, spectrum(fork, there.step, there.layout_step, "W_L").norm)
    window.session.scrub_to_epoch(20)  # before the fork began
    settle(window)
    assert second.session.selection.epoch == 100
    assert "not begun" in window.comparing.strip.mark.said
    click(window, "reference.exchange")
    settle(window)
    assert (window.session.selection.run, window.session.selection.reference) == (fork, run)
    click(window, "reference.close")
    assert window.session.selection.reference is None
    for gone in (window.comparing.strip, second, first.header.beside):
        assert not gone.isVisible()


def test_that_a_run_is_no_reference_to_itself(run: Run, fork: Run, paired: Callable[[Run, Run], Pair]) -> None:
    pair = paired(run, fork)
    pair.session.show_run(fork)
    assert (pair.session.selection.run, pair.session.selection.reference) == (fork, run)
    pair.session.compare(fork)
    assert pair.session.selection.reference is None


@pytest.mark.usefixtures("planted")
def test_that_epochs_are_aligned_at_t_gen_and_as_multiples_of_it(
    run: Run, seven: Run, paired: Callable[[Run, Run], Pair], qtbot: QtBot
) -> None:
    pair = paired(run, seven)
    session, twin = pair.session, pair.twin
    assert pair.comparison.why_not(Alignment.RELATIVE, session.selection) == "not known yet"
    qtbot.waitUntil(lambda: not pair.comparison.why_not(Alignment.RELATIVE, session.selection))
    for alignment, there, back in (
        (Alignment.EPOCH, 100, 20), (Alignment.FROM_GROKKING, 60, 80), (Alignment.RELATIVE, 30, 80),
    ):  # fmt: skip
        session.select(alignment=alignment)
        session.scrub_to_epoch(120)
        assert twin.selection.epoch == there
        twin.scrub_to_epoch(20)
        assert session.selection.epoch == back


def test_that_what_came_before_a_fork_is_not_taken_for_its_t_gen(
    run: Run, fork: Run, paired: Callable[[Run, Run], Pair], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    monkeypatch.setattr(comparing, "moments", moments_from_the_start)
    pair = paired(run, fork)
    pair.session.select(alignment=Alignment.FROM_GROKKING)
    qtbot.waitUntil(lambda: "begins after" in pair.comparison.why_not(Alignment.RELATIVE, pair.session.selection))
    assert pair.comparison.alignment(pair.session.selection) is Alignment.EPOCH
    pair.session.scrub_to_epoch(140)
    assert pair.twin.selection.epoch == 140


def moments_from_the_start(run: Run, n: int, thresholds: object) -> Moments:
    first = int(run.epochs[0])
    return Moments(first or 40, first or 80, first)


def test_that_only_what_means_the_same_is_selected_in_both(
    run: Run, fork: Run, seven: Run, paired: Callable[[Run, Run], Pair]
) -> None:
    kin = paired(run, fork)
    kin.twin.select(frequency=2, neurons=((0, 5),), pair=(3, 4))
    now = kin.session.selection
    assert (now.frequency, now.neurons, now.pair) == (2, ((0, 5),), (3, 4))
    assert kin.twin.selection.brushes() == now.brushes()
    strangers = paired(run, seven)
    strangers.twin.select(frequency=3, neurons=((0, 7),), pair=(1, 6))
    now, there = strangers.session.selection, strangers.twin.selection
    assert (there.frequency, there.neurons, there.pair) == (3, ((0, 7),), (1, 6))
    assert (now.frequency, now.neurons, now.pair) == (None, (), (1, 6))
    strangers.session.select(pair=(9, 10), ablation=Ablation(generalising=0.5))  # (9, 10) does not exist there
    assert strangers.twin.selection.pair is None
    assert strangers.twin.selection.ablation == Ablation(generalising=0.5)


# -- what is drawn -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("planted")
def test_that_losses_lie_over_each_other_and_are_divided_by_ln_p_across_p(
    run: Run, seven: Run, paired: Callable[[Run, Run], Pair], qtbot: QtBot
) -> None:
    pair = paired(run, seven)
    view = shown(LossView, pair, qtbot)
    assert isinstance(view, LossView)
    pair.session.select(alignment=Alignment.RELATIVE)
    qtbot.waitUntil(lambda: pair.comparison.time_map(pair.session.selection) == TimeMap(scale=0.25))
    qtbot.waitUntil(lambda: not view.waiting and not pair.compute.busy, timeout=20_000)
    drawn = view._plots.drawn("loss", reference=True)["test"]
    losses = seven.scalars("test_loss")
    assert losses is not None
    seen = seven.epochs * 4 <= run.config.epochs
    assert np.allclose(drawn.epochs, seven.epochs[seen] * 4)
    assert np.allclose(drawn.values, losses[seen] / math.log(7))
    mine = run.scalars("test_loss")
    assert mine is not None
    assert np.allclose(view._plots.drawn("loss")["test"].values, mine / math.log(11))
    QTest.mouseClick(next(option for option in view.header.options if option.objectName() == "loss.reference"), LEFT)
    assert not view._plots.drawn("loss", reference=True)
    assert np.allclose(view._plots.drawn("loss")["test"].values, mine)


# -- what differs ------------------------------------------------------------------------------------------


def test_that_a_fork_is_compared_frequency_by_frequency(
    run: Run, fork: Run, paired: Callable[[Run, Run], Pair], qtbot: QtBot
) -> None:
    pair = paired(run, fork)
    view = shown(CompareView, pair, qtbot)
    assert isinstance(view, CompareView)
    pair.session.scrub_to_epoch(160)
    qtbot.waitUntil(lambda: view._numbers is not None and not view.waiting and not pair.compute.busy, timeout=20_000)
    steps = run.step_at(160), fork.step_at(160)
    told = {row.name: row.values for row in view.table.rows}
    assert told["weight decay"] == ("1", "0")
    truth = [exact(of, step) for of, step in zip((run, fork), steps, strict=True)]
    assert told["test accuracy"] == tuple(f"{100 * (x.test_accuracy or 0):.2f} %" for x in truth)
    assert view.answer.distances == distances(run, steps[0], fork, steps[1])
    norms = [
        np.linalg.norm(component_norms(of, step, "W_E")[1:].reshape(-1, 2), axis=1)
        for of, step in zip((run, fork), steps, strict=True)
    ]
    bars = view.plots.difference
    assert np.allclose(bars._values, norms[1] - norms[0])
    at = bars.widget.getViewBox().mapViewToScene(QPointF(4, 0))
    QTest.mouseClick(bars.widget.viewport(), LEFT, pos=bars.widget.mapFromScene(at))
    assert pair.session.selection.frequency == 4


def test_that_strangers_are_compared_by_rank_alone(
    run: Run, seven: Run, paired: Callable[[Run, Run], Pair], qtbot: QtBot
) -> None:
    pair = paired(run, seven)
    view = shown(CompareView, pair, qtbot)
    assert isinstance(view, CompareView)
    qtbot.waitUntil(lambda: view._numbers is not None and not view.waiting and not pair.compute.busy, timeout=20_000)
    assert view.plots.ranked.widget.isVisible()
    assert not view.plots.difference.widget.isVisible()
    assert not view.plots.distance.widget.isVisible()
    assert "different tasks" in view.plots.why.text()
    told = {row.name: row.values for row in view.table.rows}
    last = [exact(of, of.n_checkpoints - 1) for of in (run, seven)]
    scaled = [x.train_loss / math.log(of.config.p) for x, of in zip(last, (run, seven), strict=True)]
    assert told["train loss / ln p"] == tuple(map(value_text, scaled))
    here, there = view.plots.ranked.shown
    assert [len(here), len(there)] == [5, 3]
    assert {table.name for table in view.tables(view.answer, pair.session.selection)} == {"numbers", "ranked"}
