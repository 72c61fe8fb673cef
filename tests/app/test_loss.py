"""Losses and progress: every curve is the engine's, the phases follow the hand, the published run is told apart."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRectF, Qt
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app import theme
from app.compute import Compute
from app.numbers import epoch_text
from app.session import Session
from app.views.header import Header
from app.views.legend import VALUE_ROOM, value_text
from app.views.loss import LossView, share
from app.views.loss_words import ALIGNED, BY_EPOCH, OFF, kinship, published_note
from app.views.over_time import DASHED, SOLID, Span, spans
from app.views.phase_strip import rule, told
from engine import recording
from engine.analysis.curves import Curve
from engine.analysis.phases import Phases, Thresholds
from engine.analysis.progress_curves import Pinned, loss_and_progress, trace_phases
from engine.analysis.published import Published, published
from engine.config import Config
from engine.runfile import Run

LEFT = Qt.MouseButton.LeftButton
DEMONSTRATION = Path(__file__).resolve().parents[2] / "resources" / "demonstration.h5"
KEYS = (14, 35, 41, 42, 52)
Show = Callable[..., LossView]


@pytest.fixture(scope="module")
def small_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with enough checkpoints for phases."""
    path = tmp_path_factory.mktemp("runs") / "small.h5"
    config = Config(
        p=11, train_fraction=0.6, d_model=16, n_heads=2, d_mlp=24, lr=1e-2, weight_decay=1.0, epochs=200,
        checkpoint_every=20, dense_every=5, dense_until=100, transition_every=0, test_every=10, device="cpu",
    )  # fmt: skip
    for _ in recording.start(config, path).events():
        pass
    return path


@pytest.fixture
def demonstration() -> Run:
    return Run.open(DEMONSTRATION, probe=False)


@pytest.fixture
def small(small_path: Path) -> Run:
    return Run.open(small_path, probe=False)


def settled(view: LossView, qtbot: QtBot) -> None:
    t, compute = view.tracing, view.compute

    def is_still() -> bool:
        busy = t.left or t._tell.isActive() or view.waiting or compute.busy
        return t.run is view.session.selection.run and t.pinned is not None and not busy

    qtbot.waitUntil(is_still, timeout=30_000)


@pytest.fixture
def show(qtbot: QtBot, qapp: QApplication) -> Iterator[Show]:
    """The view on a run, alone in a window."""
    theme.apply(qapp, theme.DARK)
    session, compute = Session(), Compute()
    view = LossView(session, compute)
    window = QWidget()
    qtbot.addWidget(window)

    def shown(run: Run, size: tuple[int, int] = (600, 400)) -> LossView:
        column = window.layout() or QVBoxLayout(window)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(view.header)
        column.addWidget(view)
        window.resize(*size)
        with qtbot.waitExposed(window):
            window.show()
        session.show_run(run)
        settled(view, qtbot)
        return view

    yield shown
    compute.close()
    view.tracing.close()


def drawn(view: LossView, kind: str, name: str) -> Curve | None:
    return view._plots.drawn(kind).get(name)


def same(curve: Curve | None, truth: Curve | None) -> bool:
    if curve is None or truth is None:
        return curve is None and truth is None
    return np.array_equal(curve.epochs, truth.epochs) and np.array_equal(curve.values, truth.values)


def drag(qtbot: QtBot, widget: QWidget, by: int) -> None:
    """From the middle of a widget, some pixels down."""
    start = widget.rect().center()
    qtbot.mousePress(widget, LEFT, pos=start)
    qtbot.mouseMove(widget, start + QPoint(0, by))
    qtbot.mouseRelease(widget, LEFT, pos=start + QPoint(0, by))


# -- curves ----------------------------------------------------------------------------------------------------


def test_that_every_curve_is_the_engines(show: Show, demonstration: Run, qtbot: QtBot) -> None:
    view = show(demonstration)
    for button in (view._ratio, view._mirrors, view._accuracies):
        button.click()
    view.session.select(frequency=42)
    settled(view, qtbot)
    traces, n = view.tracing.traces, demonstration.n_checkpoints
    assert traces is not None
    assert view.tracing.pinned is not None
    truth = loss_and_progress(demonstration, n, traces, view.tracing.pinned, 0)
    progress = truth.progress
    assert progress is not None
    assert same(drawn(view, "loss", "train"), truth.loss.train_loss)
    assert same(drawn(view, "loss", "test"), truth.loss.test_loss)
    for name in ("restricted", "excluded", "excluded_all", "ratio", "seen", "unseen"):
        assert same(drawn(view, "loss", name), getattr(progress, name)), name
        assert drawn(view, "loss", name) is not None, name
    without = traces.excluded(KEYS)
    assert without is not None
    each = drawn(view, "loss", "each")
    assert each is not None
    assert np.array_equal(each.values, without.loss["42"])
    assert same(drawn(view, "accuracy", "test"), truth.loss.test_accuracy)
    columns = traces.restricted(KEYS)
    assert columns is not None
    restricted = drawn(view, "accuracy", "restricted")
    assert restricted is not None
    assert np.array_equal(restricted.values, columns.accuracy["every"])
    unseen, column = drawn(view, "accuracy", "unseen"), traces.column("unseen_accuracy")
    assert unseen is not None
    assert column is not None
    assert np.array_equal(unseen.values, column)


def test_that_names_state_key_set_and_split(show: Show, demonstration: Run, qtbot: QtBot) -> None:
    view = show(demonstration)
    assert view._subtitle.text() == "keys 14 35 41 42 52 (epoch 40 000) · 113 logits"
    assert view._legend["restricted"].text() == "restricted, all pairs"
    assert "restricted, keys 14 35 41 42 52, all pairs" in view._legend["restricted"].toolTip()
    assert "taken at epoch 40 000" in view._legend["excluded"].toolTip()
    headers = list(view.tables(view.answer, view.session.selection)[0].columns)
    assert headers == [
        "epoch", "train (nats)", "test (nats)", "restricted, keys 14 35 41 42 52, all pairs (nats)",
        "excluded, keys 14 35 41 42 52, train (nats)", "excluded, all frequencies, train (nats)",
    ]  # fmt: skip
    view.session.select(pinned_keys=(14, 35))
    qtbot.waitUntil(lambda: view.tracing.pinned is not None and view.tracing.pinned.by_hand, timeout=10_000)
    settled(view, qtbot)
    assert view._subtitle.text().startswith("keys 14 35 (chosen by hand)")
    assert "chosen by hand" in view._legend["restricted"].toolTip()


def test_that_candidates_are_dashed_and_called_so(show: Show, small: Run) -> None:
    view = show(small)
    answer = view.answer
    for final, style, word in ((False, DASHED, "candidates 2 3 (epoch 200)"), (True, SOLID, "keys 2 3 (epoch 200)")):
        progress = replace(answer.progress, pinned=Pinned((2, 3), 200, final), excluded=answer.progress.excluded_all)
        view.draw(replace(answer, progress=progress), view.session.selection)
        assert view._plots.loss.pen_of("excluded").style() == style
        assert view._plots.loss._curves["excluded"].opts["pen"].style() == style
        assert view._subtitle.text().startswith(word)


def test_that_what_the_legend_hides_stays_hidden_in_the_next_run(
    show: Show, small: Run, demonstration: Run, qtbot: QtBot
) -> None:
    view = show(demonstration)
    qtbot.mouseClick(view._legend["restricted"], LEFT)
    assert drawn(view, "loss", "restricted") is None
    view.session.show_run(small)
    settled(view, qtbot)
    view.session.show_run(demonstration)
    settled(view, qtbot)
    assert drawn(view, "loss", "restricted") is None
    assert drawn(view, "loss", "excluded") is not None
    qtbot.mouseClick(view._legend["restricted"], LEFT)
    assert drawn(view, "loss", "restricted") is not None


def test_that_the_legend_says_the_values_at_the_cursor_and_stands_still(show: Show, small: Run, qtbot: QtBot) -> None:
    view = show(small)
    losses, accuracies = small.scalars("test_loss"), small.scalars("test_accuracy")
    assert losses is not None
    assert accuracies is not None
    entry, layouts = view._legend["test"], []

    class Watch(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            layouts.extend([event.type()] * (event.type() == QEvent.Type.LayoutRequest))
            return False

    watch = Watch()
    view.content.installEventFilter(watch)
    places = set()
    for step in range(small.n_checkpoints):
        view.session.scrub(step)
        QApplication.processEvents()
        assert entry.said == value_text(float(losses[step])) + share(float(accuracies[step]))
        places.add(tuple(e.geometry().getRect() for e in view._legend.values()))
    assert len(places) == 1
    assert not layouts


@pytest.mark.parametrize("value", [4.76, 0.00163, 9.9951e-4, 2.18e-7, 135.0, 1.6e4, 0.0])
def test_that_values_are_short_and_read_back(value: float) -> None:
    text = value_text(value)
    assert float(text) == pytest.approx(value, rel=5e-3)
    assert len(text) <= len(VALUE_ROOM)


def test_that_the_curve_under_the_pointer_is_read_out_first(show: Show, demonstration: Run) -> None:
    view = show(demonstration)
    test = drawn(view, "loss", "test")
    assert test is not None
    i = int(np.flatnonzero(test.epochs == 5000)[0])
    for kind, y, word in (
        ("loss", float(np.log10(test.values[i])), f"epoch 5 000: test {value_text(test.values[i])} nats · "),
        ("loss", -7.0, "epoch 5 000: train 3"), ("accuracy", 1.0, "epoch 5 000: train 100.0 % · test 1"),
    ):  # fmt: skip
        view._plots.plots[kind].pointed((5003.0, y))
        assert view._subtitle.text().startswith(word)
        assert view._subtitle.text().endswith("circuit formation")
    view._plots.loss.pointed(None)
    assert view._subtitle.text().startswith("keys")


def test_that_a_file_without_every_epoch_does_not_offer_it(show: Show, demonstration: Run, small: Run) -> None:
    view = show(demonstration)
    view._every.setChecked(True)
    assert not view._every.isEnabled()
    assert same(drawn(view, "loss", "train"), view.answer.loss.train_loss)
    assert "114" not in view._subtitle.text()


def test_that_every_epoch_is_over_one_logit_more_and_values_in_between_are_about(show: Show, small: Run) -> None:
    view = show(small)
    view._every.click()
    assert view._subtitle.text().endswith("train and test over 12 logits, measures over 11")
    curve = small.train_curve()
    shown = drawn(view, "loss", "train")
    assert curve is not None
    assert shown is not None
    assert np.array_equal(shown.values, curve[:200])
    assert view._legend["train"].said.startswith(f"≈{value_text(float(curve[199]))}")  # epoch 200 is before no step
    view.session.scrub(3)
    assert view._legend["train"].said.startswith(value_text(float(curve[15])))


def test_that_a_run_without_test_pairs_says_so(show: Show, tmp_path: Path) -> None:
    config = Config(
        p=5, train_fraction=1.0, d_model=8, n_heads=1, d_mlp=8, epochs=20, checkpoint_every=10, device="cpu"
    )
    for _ in recording.start(config, tmp_path / "all.h5").events():
        pass
    view = show(Run.open(tmp_path / "all.h5", probe=False))
    assert view._stack.currentIndex() == 0
    assert view._legend["test"].text() == "no test pairs"
    assert drawn(view, "loss", "train") is not None


def test_that_axes_stand_still_while_scrubbing_and_hold_everything(show: Show, demonstration: Run) -> None:
    view = show(demonstration)
    before = [plot.widget.getViewBox().viewRange() for plot in view._plots.plots.values()]
    for step in (0, 20, 44):
        view.session.scrub(step)
    assert before == [plot.widget.getViewBox().viewRange() for plot in view._plots.plots.values()]
    (left, right), (low, high) = before[0]
    for epochs, values in view._plots.loss.curves.values():
        assert left <= epochs[0] <= epochs[-1] <= right
        assert low < np.log10(values).min() <= np.log10(values).max() < high
    view._log_y.click()
    low, high = view._plots.loss.widget.getViewBox().viewRange()[1]
    assert low < 0 < 25 < high < 40


# -- phases and their thresholds -------------------------------------------------------------------------------


@pytest.fixture
def ruled(show: Show, demonstration: Run) -> LossView:
    view = show(demonstration, (640, 420))
    view._thresholds.click()
    QApplication.processEvents()
    return view


def phases_now(view: LossView) -> Phases:
    run, traces = view.session.selection.run, view.tracing.traces
    assert run is not None
    assert traces is not None
    found = trace_phases(run, traces, run.n_checkpoints, view.session.selection.thresholds)
    assert found is not None
    return found


def test_that_a_handle_moves_its_threshold_and_the_phases_follow(ruled: LossView, qtbot: QtBot) -> None:
    handle = ruled._handles.handles["circuit"]
    before = phases_now(ruled)
    drag(qtbot, handle, 14)
    settled(ruled, qtbot)
    moved = ruled.session.selection.thresholds
    assert moved.circuit == pytest.approx(0.5 - 14 * ruled._handles._per_pixel(), abs=0.0051)
    assert (moved.memorised, moved.generalised, moved.settled) == (0.99, 0.95, 0.03)
    after = phases_now(ruled)
    assert after.circuit_end is not None
    assert before.circuit_end is not None
    assert after.circuit_end < before.circuit_end
    circuit = next(span for span, _, _ in ruled._strip.painted() if span.name == "circuit formation")
    assert circuit.end == after.circuit_end
    assert [plot._bands.stretches[1][1] for plot in ruled._plots.plots.values()] == [circuit.end] * 2
    assert ruled._handles.lines["circuit"].value() == moved.circuit
    for said in (ruled._strip.toolTip(), ruled._panel.toolTip(), ruled.header._help):
        assert f"test accuracy holds {moved.circuit:g}" in said
    qtbot.mouseDClick(handle, LEFT)
    assert ruled.session.selection.thresholds == Thresholds()


def test_that_t_gen_and_the_outcome_follow(ruled: LossView, qtbot: QtBot) -> None:
    panel = ruled._panel
    assert panel.outcome.text() == "grokked"
    assert panel._times["t_gen"].text() == "10 100"
    line = ruled._handles.lines["generalised"]
    line.setValue(0.05)
    line.sigDragged.emit(line)
    settled(ruled, qtbot)
    found = phases_now(ruled)
    assert found.t_gen is not None
    assert panel._times["t_gen"].text() == epoch_text(found.t_gen)
    assert panel.outcome.text() == found.outcome != ""
    ruled.session.select(thresholds=replace(Thresholds(), memorised=0.2, generalised=0.01))
    settled(ruled, qtbot)
    assert panel.outcome.text() == phases_now(ruled).outcome == "generalised at once"
    qtbot.mouseClick(ruled._handles.back, LEFT)
    settled(ruled, qtbot)
    assert ruled.session.selection.thresholds == Thresholds()
    assert panel.outcome.text() == "grokked"
    assert not ruled._handles.back.isVisible()


def test_that_handles_obey_the_keyboard_and_keep_to_their_range(ruled: LossView, qtbot: QtBot) -> None:
    handle = ruled._handles.handles["memorised"]
    qtbot.keyClick(handle, Qt.Key.Key_Up)
    qtbot.keyClick(handle, Qt.Key.Key_Up)
    assert ruled.session.selection.thresholds.memorised == 1.0
    for _ in range(12):
        qtbot.keyClick(handle, Qt.Key.Key_PageDown)
    assert ruled.session.selection.thresholds.memorised == 0.01
    assert handle.accessibleName()
    assert handle.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_that_settled_is_typed_and_nonsense_is_not_taken(ruled: LossView, qtbot: QtBot) -> None:
    field, before = ruled._panel.field, phases_now(ruled).cleanup_end
    for text, value in (("0.5", 0.5), ("much", 0.5), ("-1", 0.5), ("0,25", 0.25)):
        field.setText(text)
        field.setModified(True)
        field.editingFinished.emit()
        assert ruled.session.selection.thresholds.settled == value
        assert field.text() == f"{value:g}"
    settled(ruled, qtbot)
    after = phases_now(ruled).cleanup_end
    assert after is not None
    assert before is not None
    assert after < before


@pytest.mark.parametrize("size", [(420, 320), (900, 600)])
def test_that_handles_never_overlap(show: Show, demonstration: Run, size: tuple[int, int]) -> None:
    view = show(demonstration, size)
    view._thresholds.click()
    for values in ((0.99, 0.5, 0.95), (0.01, 0.01, 0.02), (1.0, 1.0, 1.0)):
        names = ("memorised", "circuit", "generalised")
        view.session.select(thresholds=replace(Thresholds(), **dict(zip(names, values, strict=True))))
        QApplication.processEvents()
        areas = [view._handles.handles[name].geometry() for name in names]
        assert all(view._handles.rect().contains(area) for area in areas)
        assert not any(a.intersects(b) for a, b in itertools.combinations(areas, 2))


def test_that_thresholds_are_out_of_the_way_unless_asked_for(show: Show, small: Run) -> None:
    view = show(small)
    assert not view._handles.isVisible()
    assert not view._panel.isVisible()
    assert not any(line.isVisible() for line in view._handles.lines.values())


def test_that_no_phase_ends_before_it_begins_and_none_is_in_the_future() -> None:
    found = spans(Phases(1200, 500, 3000, 140, 2000), 2500.0)
    assert [(s.begin, s.end) for s in found] == [(0, 1200), (1200, 1200), (1200, 2500)]
    assert told(found[1]) == "circuit formation: over before the phase before it ended"
    assert told(Span("cleanup", 10, 400, True)) == "cleanup: from epoch 10 not over yet at 400"


def test_that_the_rule_is_said_with_its_numbers() -> None:
    said = rule(Thresholds(0.9, 0.4, 0.8, 0.07, 5))
    for part in (
        "train accuracy holds 0.9",
        "test accuracy holds 0.4",
        "test accuracy holds 0.8",
        "less than 0.07 per",
    ):
        assert part in said
    assert "5 times its last value" in rule(Thresholds(final_factor=5), decays=False)


def test_that_names_of_phases_are_cut_to_what_fits(show: Show, demonstration: Run) -> None:
    view = show(demonstration, (900, 500))
    assert [text for _, text, _ in view._strip.painted()] == ["", "circuit formation", "cleanup"]
    view.window().resize(420, 320)
    QApplication.processEvents()
    texts = [text for _, text, _ in view._strip.painted()]
    assert texts[1] == "circuit"
    metrics = view._strip.fontMetrics()
    for _, text, area in view._strip.painted():
        assert metrics.horizontalAdvance(text) * 11 / 13 <= area.width()


# -- the published mainline ------------------------------------------------------------------------------------


def test_that_the_published_mainline_is_offered_for_its_task_only(
    show: Show, small: Run, demonstration: Run, qtbot: QtBot
) -> None:
    view = show(small)
    assert view._published.isHidden()
    view.session.show_run(demonstration)
    settled(view, qtbot)
    assert not view._published.isHidden()
    assert view._published.currentText() == OFF
    assert not view._plots.drawn("loss", published=True)
    view._published.setCurrentText(BY_EPOCH)
    view.session.show_run(small)
    settled(view, qtbot)
    assert view._published.isHidden()
    assert not view._plots.drawn("loss", published=True)
    assert not view._about_published.isVisible()


def test_that_published_points_stand_by_epoch_or_where_t_gen_agree(
    show: Show, demonstration: Run, qtbot: QtBot
) -> None:
    view = show(demonstration)
    truth = published(demonstration)
    assert truth is not None
    view._published.setCurrentText(BY_EPOCH)
    for kind, names in (("loss", {"train", "test", "restricted", "excluded_all"}), ("accuracy", {"test"})):
        points = view._plots.drawn(kind, published=True)
        assert set(points) == names
        assert all(same(points[name], getattr(truth, kind)[name]) for name in names)
    assert view._about_published.text() == (
        "Circles: published mainline, read off figures 2, 7 and 13. "
        "Our rerun: same initialisation and split, same five keys."
    )
    item = view._plots.loss._curves["published test"]
    assert item.opts["pen"] is None or item.opts["pen"].style() == Qt.PenStyle.NoPen  # nothing between the points
    view._published.setCurrentText(ALIGNED)
    points = view._plots.drawn("loss", published=True)
    by = 10_100 - 10_250
    assert points["test"].epochs.tolist() == [e + by for e in truth.loss["test"].epochs if e + by >= 0]
    assert "shifted by −150 ± 250 epochs so that t_gen agree (its own: 10 000–10 500)" in view._about_published.text()
    qtbot.mouseClick(view._legend["test"], LEFT)
    assert "test" not in view._plots.drawn("loss", published=True)
    assert "read off figures 2, 7 and 13, shifted" in view.describe(view.answer, view.session.selection)
    tables = {table.name: table for table in view.tables(view.answer, view.session.selection)}
    assert "published train (nats)" in tables["published-loss"].columns


def test_that_the_published_point_under_the_pointer_says_its_own_epoch(show: Show, demonstration: Run) -> None:
    view = show(demonstration)
    view._published.setCurrentText(ALIGNED)
    view._plots.loss.pointed((9850.0, float(np.log10(0.55))))
    assert "published test 0.55 nats (its epoch 10 000)" in view._subtitle.text()
    view._plots.loss.pointed((7350.0, float(np.log10(0.55))))
    assert "published" not in view._subtitle.text()


def planted(differs: tuple[str, ...] = ()) -> Published:
    return Published({}, {}, (10_000, 10_500), differs)


def test_that_kinship_is_claimed_only_where_it_was_computed() -> None:
    ours = "Our rerun: same initialisation and split"
    assert kinship(planted(), Pinned(KEYS, 40_000, True)) == f"{ours}, same five keys."
    assert kinship(planted(), Pinned((1, 2), 40_000, True)) == f"{ours}, but keys 1 2 instead of 14 35 41 42 52."
    assert kinship(planted(), Pinned(KEYS, 40_000, True, by_hand=True)) == f"{ours}."
    assert kinship(planted(), Pinned(KEYS, 400, False)) == f"{ours}; candidates 14 35 41 42 52."
    assert kinship(planted(), Pinned((), 400, False)) == f"{ours}; no key frequency yet."
    assert kinship(planted(), None) == f"{ours}."
    assert (
        kinship(planted(("lr 1 instead of 2",)), Pinned(KEYS, 40_000, True)) == "This run differs: lr 1 instead of 2."
    )


def test_that_a_run_that_has_not_generalised_is_not_aligned() -> None:
    assert "not shifted: this run has no t_gen (its own: 10 000–10 500)" in published_note(
        planted(), ALIGNED, None, None
    )
    never = replace(planted(), t_gen=None)
    assert "not shifted: its test accuracy never comes" in published_note(never, ALIGNED, 500, None)
    assert "shifted by +700 ± 250 epochs" in published_note(planted(), ALIGNED, 10_950, None)


# -- room ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(334, 346), (420, 320), (428, 313), (900, 600)])
@pytest.mark.parametrize("everything", [False, True])
def test_that_nothing_is_clipped(show: Show, demonstration: Run, size: tuple[int, int], everything: bool) -> None:
    view = show(demonstration, size)
    if everything:
        view._published.setCurrentText(BY_EPOCH)
        view._thresholds.click()
    QApplication.processEvents()
    inside = view.content.rect()
    for entry in view._legend.values():
        if entry.isVisible():
            assert inside.contains(entry.geometry()), entry.text()
            assert entry.width() >= entry.sizeHint().width()
    if everything:
        note = view._about_published
        assert note.heightForWidth(note.width()) <= note.height()
        for part in (view._panel, view._handles):
            assert inside.contains(part.geometry())
        assert view._panel.layout().minimumSize().height() <= view._panel.height()
    for plot in view._plots.plots.values():
        axis = plot.widget.getPlotItem().getAxis("left")
        scene = QRectF(plot.widget.mapToScene(QPoint(0, 0)), plot.widget.mapToScene(plot.widget.rect().bottomRight()))
        assert axis.labelText
        assert scene.contains(axis.label.mapRectToScene(axis.label.boundingRect()).adjusted(5, 5, -5, -5))
    corner, bottom = view._plots._corner, view._plots.accuracy.widget.getPlotItem().getAxis("bottom")
    assert corner.isVisible() != bottom.label.isVisible()


def test_that_a_narrow_header_keeps_its_options_behind_a_button(show: Show, small: Run) -> None:
    view = show(small, (420, 320))
    assert isinstance(view.header, Header)
    assert view.header._more.isVisible()
    assert all(widget.accessibleName() for widget in view.header._options)
    assert view._plots.loss.widget.mapToScene(QPoint(0, 0)) == QPointF(0, 0)


def test_that_the_key_set_is_in_the_legend_where_the_header_has_no_room(show: Show, demonstration: Run) -> None:
    view = show(demonstration, (340, 346))
    entry = view._legend["restricted"]
    assert entry.text() == "restricted, keys 14 35 41 42 52, all pairs"
    assert view.content.rect().contains(entry.geometry())
    view.window().resize(700, 400)
    QApplication.processEvents()
    assert entry.text() == "restricted, all pairs"
