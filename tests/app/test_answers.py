"""The map of answers: what is painted and said equals the engine, for every kind of task."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import theme
from app.compute import Compute
from app.numbers import percent
from app.session import Session
from app.views.answer_colours import class_colours
from app.views.answers import AnswersView
from app.views.answers_words import CONFIDENCE, GRADUATION, LOSS, MARGIN, PROBABILITY, RIGHT, TIPS, graduated
from app.views.legend import value_text
from app.views.pair_classes import KINDS, LONG, kinds
from engine import recording
from engine.analysis.ablation import Ablation
from engine.analysis.pairs import Score, pair_answers, pair_masks
from engine.analysis.solutions import Graduation, ablated_logits, answer_map, class_scores, cycle_mask
from engine.analysis.wall import unwrapping
from engine.runfile import Run
from tests.app.conftest import SMALL

Show = Callable[[Run], AnswersView]
KEYS = (2, 4)


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[AnswersView]:
    theme.apply(qapp, theme.DARK)
    session, compute = Session(), Compute()
    made = AnswersView(session, compute)
    qtbot.addWidget(made)
    made.resize(760, 600)
    made.show()
    yield made
    compute.close()
    made.tracing.close()


@pytest.fixture
def show(view: AnswersView, qtbot: QtBot) -> Show:
    """Look at a run with chosen keys until everything is measured and drawn."""

    def look(run: Run) -> AnswersView:
        view.session.show_run(run)
        view.session.select(pinned_keys=KEYS)
        settle(view, qtbot)
        return view

    return look


def settle(view: AnswersView, qtbot: QtBot) -> None:
    tracing, chosen = view.tracing, view.session.selection.pinned_keys

    def settled() -> bool:
        known = tracing.traces is not None and tracing.pinned is not None
        same = known and tracing.pinned is not None and (not chosen or tracing.pinned.keys == chosen)
        rest = view._rest.isActive() or view._stale.isActive() or tracing._tell.isActive()
        return same and not (view.waiting or view.compute.busy or not tracing.is_done or rest)

    qtbot.waitUntil(settled, timeout=20_000)


def trained(path: Path, **changes: object) -> Run:
    quick = {"epochs": 20, "checkpoint_every": 10, "dense_every": 0}
    for _ in recording.start(replace(SMALL, **(quick | changes)), path).events():
        pass
    return Run.open(path, probe=False)


def painted(view: AnswersView) -> np.ndarray:
    """Indices into the colours, as they stand on the map."""
    return np.asarray(view._map.image.image)


def said(view: AnswersView) -> dict[str, tuple[str, str]]:
    return {name: entry.said for name, entry in view._legend.items() if entry.there}


def test_that_every_pair_is_painted_as_it_is_answered(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    masks = pair_masks(run.config)
    assert masks.mirror_seen is not None
    for step in (0, 5, run.n_checkpoints - 1):
        view.session.scrub(step)
        settle(view, qtbot)
        right = pair_answers(run, step).right
        block = painted(view)
        assert (block[~right] == 4).all()
        assert (block[right & masks.train] == 0).all()
        assert (block[right & masks.mirror_seen] == 1).all()
        assert (block[right & masks.test & ~masks.mirror_seen] == 2).all()
    colours = class_colours()
    assert len({*colours[:3], colours[4]}) == 4
    assert not view._map.bar.isVisible()


def test_that_the_legend_counts_what_the_engine_counts(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    for step in (0, 4, 9):
        view._rest.setInterval(60_000)
        view.session.scrub(step)
        qtbot.waitUntil(lambda: not view.waiting)
        before = said(view)  # from the traces, before anything rests
        assert view._rest.isActive()
        view._rest.start(0)
        settle(view, qtbot)
        scores = class_scores(pair_answers(run, step))
        assert said(view) == before
        for name, (first, second) in before.items():
            score = getattr(scores, name)
            assert first == f"{percent(score)} of {score.count}"
            assert second == f"loss {value_text(score.loss)} nats"
    assert list(said(view)) == list(KINDS)


@pytest.mark.parametrize("what", [CONFIDENCE, PROBABILITY, LOSS, MARGIN])
def test_that_colours_follow_the_values_between_fixed_limits(show: Show, qtbot: QtBot, run: Run, what: str) -> None:
    view = show(run)
    view._what.setCurrentText(what)
    ranges = set()
    for step in (2, run.n_checkpoints - 1):
        view.session.scrub(step)
        settle(view, qtbot)
        truth = pair_answers(run, step)
        ranges.add(view._map.bar._range)
        low, high = view._map.bar._range
        if what == LOSS:
            values, low, high = np.log10(truth.loss), np.log10(low), np.log10(high)
        else:
            values = {CONFIDENCE: truth.confidence, PROBABILITY: truth.probability, MARGIN: truth.margin}[what]
        expected = np.clip((values - low) / (high - low), 0, 1) * 249
        assert painted(view).astype(float) == pytest.approx(expected, abs=1.01)
    assert np.ptp(painted(view)) > 20
    assert len(ranges) == 1
    if what == MARGIN:
        largest = np.abs(pair_answers(run, run.n_checkpoints - 1).margin).max()
        assert view._map.bar._range == pytest.approx((-largest, largest), rel=1e-5)
    assert view._map.bar.isVisible()


def test_that_a_click_selects_the_pair_and_a_second_one_lets_go(show: Show, run: Run) -> None:
    view = show(run)
    view._map.clicked.emit(3, 8)
    assert view.session.selection.pair == (3, 8)
    assert view._map.marked == (3, 8)
    view._map.clicked.emit(3, 8)
    assert view.session.selection.pair is None
    assert view._map.marked is None


def test_that_unwrapped_axes_show_and_select_the_same_pairs(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    natural = painted(view).copy()
    view._unwrap.setChecked(True)
    assert "select a frequency" in view.header.subtitle.text()
    assert np.array_equal(painted(view), natural)
    view.session.select(frequency=3)
    order = unwrapping(11, 3)
    assert np.array_equal(painted(view), natural[np.ix_(order, order)])
    assert view._map.plot.getPlotItem().getAxis("left").labelText == "3·a mod 11"
    view._map.clicked.emit(2, 7)
    assert view.session.selection.pair == (order[2], order[7])
    assert view._map.marked == (2, 7)
    view._unwrap.setChecked(False)
    assert view._map.marked == (order[2], order[7])


def test_that_the_pointer_reads_the_engines_numbers(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    view.session.scrub(3)
    settle(view, qtbot)
    truth = pair_answers(run, 3)
    for a, b in ((0, 0), (3, 5), (10, 1)):
        view._map.hovered.emit((a, b))
        text = view.header.subtitle.text()
        answer, label = truth.answer[a, b], (a + b) % 11
        verdict = "right" if truth.right[a, b] else f"wrong, {label} is right"
        kind = LONG[KINDS[kinds(run.config)[a, b]]]
        assert text.startswith(f"a = {a}, b = {b} → {answer} ({verdict}, {kind})")
        assert f"p(right) = {truth.probability[a, b]:.3g}" in text
        assert f"loss {value_text(float(truth.loss[a, b]))} nats" in text
    view._map.hovered.emit(None)
    assert view.header.subtitle.text() == "whole model"


def test_that_numbers_are_awaited_and_not_guessed(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    view.session.scrub(1)
    qtbot.waitUntil(lambda: not view.waiting)
    view._numbers = None
    view._map.hovered.emit((1, 1))
    assert view.header.subtitle.text().endswith("p(right) = …")
    settle(view, qtbot)
    assert "loss" in view.header.subtitle.text()


def test_that_graduation_belongs_to_the_run_and_not_to_the_step(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    view._what.setCurrentText(GRADUATION)
    settle(view, qtbot)
    n = run.n_checkpoints
    right = np.array([pair_answers(run, step).right for step in range(n)])
    stays = np.logical_and.accumulate(right[::-1], axis=0).sum(axis=0)
    epoch = np.append(run.epochs, -1)[n - stays]
    block = painted(view).copy()
    assert (block[epoch < 0] == 254).all()
    expected = epoch / epoch.max() * 249
    assert block[epoch >= 0].astype(float) == pytest.approx(expected[epoch >= 0], abs=1.01)
    assert "by all checkpoints" in view.header.subtitle.text()
    train = pair_masks(run.config).train & (epoch >= 0)
    assert said(view)["train"][1] == f"median epoch {round(float(np.median(epoch[train])))}"
    view.session.scrub(0)
    settle(view, qtbot)
    assert np.array_equal(painted(view), block)
    view._map.hovered.emit((2, 3))
    assert ("from epoch" in view.header.subtitle.text()) == (epoch[2, 3] >= 0)


def test_that_an_ablated_model_is_shown_and_named(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    whole = painted(view).copy()
    view.session.select(ablation=Ablation(0.4, 0.1))
    settle(view, qtbot)
    step = run.n_checkpoints - 1
    logits = ablated_logits(run, step, KEYS, Ablation(0.4, 0.1), exact=True)
    right = logits.argmax(axis=1).reshape(11, 11) == pair_masks(run.config).label
    assert np.array_equal(painted(view) != 4, right)
    assert not np.array_equal(painted(view), whole)
    assert "g = 0.40, m = 0.10" in view.header.subtitle.text()
    assert "2 4" in view.header.subtitle.text()
    scores = answer_map(run, step, KEYS, Ablation(0.4, 0.1), exact=True).scores
    assert scores is not None
    assert said(view)["test"][0] == f"{percent(scores.test)} of {pair_masks(run.config).test.sum()}"
    view.session.select(ablation=Ablation())
    settle(view, qtbot)
    assert view.header.subtitle.text() == "whole model"
    assert np.array_equal(painted(view), whole)


def test_that_the_last_numbers_stay_only_while_the_mix_moves(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    before = said(view)
    asked = view.compute.ask
    view.compute.ask = lambda *_, **__: None  # type: ignore[method-assign]  # nothing is answered any more
    view.session.select(ablation=Ablation(0.3, 1))
    assert view._query is not None
    view._shown = view._query, answer_map(run, run.n_checkpoints - 1, KEYS, Ablation(0.3, 1))
    view.draw(view.answer, view.session.selection)
    assert said(view) == before
    qtbot.waitUntil(lambda: said(view)["train"][0].startswith("…"))
    view.compute.ask = asked  # type: ignore[method-assign]


def test_that_hidden_classes_are_gone_and_marks_tell_the_others_apart(show: Show, qtbot: QtBot, run: Run) -> None:
    view = show(run)
    masks = pair_masks(run.config)
    view._legend["train"].click()
    assert (painted(view)[masks.train] == 252).all()
    assert not (painted(view)[masks.test] == 252).any()
    view._legend["train"].click()
    assert not (painted(view) == 252).any()
    view._legend["test"].click()  # a sum of others: nothing to hide
    assert not (painted(view) == 252).any()
    assert not view._overlay.isVisible()
    view._marks.setChecked(True)
    assert view._overlay.isVisible()
    marks = np.asarray(view._overlay.image).reshape(11, 3, 11, 3).transpose(0, 2, 1, 3)
    assert ((marks > 0).sum(axis=(2, 3))[masks.train] == 1).all()
    assert masks.mirror_seen is not None
    assert ((marks > 0).sum(axis=(2, 3))[masks.mirror_seen] == 3).all()
    assert not marks[masks.test & ~masks.mirror_seen].any()
    view.resize(220, 120)
    view._map.plot.getViewBox().resize(20, 20)
    view._resized()
    assert not view._overlay.isVisible()
    assert "larger map" in view.header.subtitle.text()


def test_that_a_quotient_has_no_zero_divisor_and_zeros_are_not_ablated(
    show: Show, qtbot: QtBot, tmp_path: Path
) -> None:
    run = trained(tmp_path / "over.h5", operation="divide")
    view = show(run)
    assert (painted(view)[:, 0] == 255).all()
    assert not (painted(view)[:, 1:] == 255).any()
    assert list(said(view)) == ["train", "test"]  # (b, a) is another question
    view._map.hovered.emit((4, 0))
    assert view.header.subtitle.text() == "a = 4, b = 0: no such pair"
    view._map.hovered.emit(None)
    view.session.select(ablation=Ablation(1, 0))
    settle(view, qtbot)
    assert (painted(view)[0, 1:] == 253).all()
    mask = cycle_mask(run.config)
    assert mask is not None
    assert said(view)["train"][0].endswith(f"of {(mask & pair_masks(run.config).train).sum()}")
    view._map.hovered.emit((0, 3))
    assert "off the cycle" in view.header.subtitle.text()
    view._unwrap.setChecked(True)
    view.session.select(frequency=2)
    assert view._order[0] == 0
    assert sorted(view._order) == list(range(11))


@pytest.mark.parametrize(
    "changes",
    [{"operation": "x2xyy2"}, {"operation": "subtract"}, {"p": 8}, {"n_layers": 2}, {"train_fraction": 1.0}],
)
def test_that_every_task_has_its_answers(show: Show, qtbot: QtBot, tmp_path: Path, changes: dict[str, object]) -> None:
    run = trained(tmp_path / "run.h5", **changes)
    view = show(run)
    view._unwrap.setChecked(True)
    view.session.select(frequency=2)
    for what in TIPS:
        view._what.setCurrentText(what)
        for ablation in (Ablation(), Ablation(0.5, 0.5)):
            view.session.select(ablation=ablation)
            for step in (0, run.n_checkpoints - 1):
                view.session.scrub(step)
                qtbot.waitUntil(lambda: not view.waiting, timeout=20_000)
                assert view._stack.currentIndex() == 0
                table = view.tables(view.answer, view.session.selection)[0]
                assert len(table.columns["a"]) == pair_masks(run.config).exists.sum()
                assert view.describe(view.answer, view.session.selection)
    view._what.setCurrentText(RIGHT)
    settle(view, qtbot)
    has_two = changes.get("operation") != "x2xyy2"
    assert ("g = 0.50" in view.header.subtitle.text()) == has_two
    assert ("no two solutions" in view.header.subtitle.text()) != has_two
    if changes.get("train_fraction"):
        assert said(view)["test"][0] == "none"


def test_that_tables_hold_the_numbers_in_double_precision(show: Show, run: Run) -> None:
    view = show(run)
    truth, columns = (
        pair_answers(run, run.n_checkpoints - 1),
        view.tables(view.answer, view.session.selection)[0].columns,
    )
    a, b = np.asarray(columns["a"]), np.asarray(columns["b"])
    assert columns["loss (nats)"] == pytest.approx(truth.loss[a, b], rel=1e-12)
    assert columns["margin (logits)"] == pytest.approx(truth.margin[a, b], rel=1e-12)
    assert (np.asarray(columns["right answer"]) == (a + b) % 11).all()


def test_that_nothing_is_clipped_in_either_theme_and_size(
    show: Show, qtbot: QtBot, qapp: QApplication, run: Run
) -> None:
    view = show(run)
    for look in (theme.LIGHT, theme.DARK):
        theme.apply(qapp, look)
        view.restyle()
        view.redraw()
        for width, height in ((420, 286), (900, 566), (300, 600)):
            view.resize(width, height)
            settle(view, qtbot)
            inside = view.content.rect()
            for widget in (view._map, *view._legend.values()):
                assert inside.contains(widget.geometry()), (width, height, widget.objectName())
            tops = [entry.geometry() for entry in view._legend.values()]
            assert not any(one.intersects(other) for one in tops for other in tops if one is not other)
            assert not any(view._map.geometry().intersects(entry) for entry in tops)


def test_that_graduation_says_when_it_is_provisional() -> None:
    epoch = np.array([[0, -1], [30, 20]])
    assert graduated(Graduation(epoch, 30, 4, 4, False)) == "up to epoch 30, by all checkpoints"
    assert "provisional: the run goes on" in graduated(Graduation(epoch, 30, 4, 4, True))
    assert "provisional: by 3 of 4 checkpoints" in graduated(Graduation(epoch, 30, 3, 4, True))


@pytest.mark.parametrize(
    ("right", "count", "text"),
    [
        (0, 5, "0 %"),
        (5, 5, "100 %"),
        (1, 6280, "0.02 %"),
        (1, 99999, "< 0.01 %"),
        (99998, 99999, "> 99.99 %"),
        (1, 4, "25.0 %"),
    ],
)
def test_that_a_share_is_never_rounded_to_all_or_nothing(right: int, count: int, text: str) -> None:
    assert percent(Score(count, 1.0, right / count)) == text
