"""The race of the frequencies: what is painted, named and said equals the engine; a click does two things at once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app import theme
from app.views.maps import HOT
from app.views.race import BOTH, HEAT, RANKS, RaceView, ordinal, sentence
from app.views.tracks import as_steps, spread
from engine.analysis.embedding import MATRICES
from engine.analysis.progress_curves import Pinned
from engine.analysis.race import NEURONS, Race, edges, race, ranks, since_when
from engine.runfile import Run
from tests.app.alone import alone, click, settle, trained

KEYS = (2, 4)
DEMONSTRATION = Path(__file__).resolve().parents[2] / "resources" / "demonstration.h5"


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[RaceView]:
    with alone(RaceView, qtbot, qapp) as made:
        yield made


def show(view: RaceView, qtbot: QtBot, run: Run, keys: tuple[int, ...] | None = KEYS) -> Race:
    view.session.show_run(run)
    view.session.select(pinned_keys=keys)
    settle(view, qtbot)
    answer: Race = view.answer
    return answer


def truth(view: RaceView, run: Run, which: str = "W_E") -> Race:
    return race(run, run.n_checkpoints, view.tracing.traces, view.tracing.pinned, 0, which)


def planted(epochs: list[int], norm: list[list[float]], keys: tuple[int, ...], final: bool = True) -> Race:
    e, values = np.array(epochs), np.array(norm)
    rank = ranks(values)
    pinned = Pinned(keys, epochs[-1], final)
    return Race("W_E", e, values, rank, pinned, keys, since_when(e, rank, keys), None, None, "")


@pytest.mark.parametrize("which", MATRICES)
def test_that_every_column_of_the_map_is_the_checkpoint_whose_stretch_it_lies_in(
    view: RaceView, qtbot: QtBot, run: Run, which: str
) -> None:
    show(view, qtbot, run)
    view._which.setCurrentText(which)
    settle(view, qtbot)
    found = truth(view, run, which)
    for log in (False, True):
        view._log_x.setChecked(log)
        image = np.asarray(view._image.image)
        left, right = view._heat.widget.getViewBox().viewRange()[0]
        assert (left, right) == pytest.approx(tuple(view._heat.place_of(e) for e in (0, 200)))
        middles = left + (np.arange(image.shape[1]) + 0.5) * (right - left) / image.shape[1]
        epochs = 10**middles if log else middles
        nearest = np.array([int(np.abs(found.epochs - e).argmin()) for e in epochs])
        scaled = np.clip(found.norm.T * 255 / found.norm.max(), 0, 255).astype(np.uint8)
        away = np.abs(edges(found.epochs)[1:-1, None] - epochs).min(axis=0)
        clear = away > 1e-6 * np.abs(epochs)  # not on an edge
        assert clear.sum() > 0.9 * len(clear)
        assert np.array_equal(image[:, clear], scaled[:, nearest[clear]])
        assert view._image.boundingRect().height() == 5
        assert np.array_equal(view._image.lut, theme.colour_table(HOT))


def test_that_the_neurons_race_is_measured_for_who_asks(view: RaceView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    assert view.tracing._wanted == ()
    view._which.setCurrentText(NEURONS)
    qtbot.waitUntil(lambda: view.tracing._planned is not None and view.tracing._planned[3] == (NEURONS,))
    settle(view, qtbot)
    found = truth(view, run, NEURONS)
    assert found.epochs.tolist() == run.epochs.tolist()
    scaled = np.clip(found.norm.T * 255 / found.norm.max(), 0, 255).astype(np.uint8)
    assert np.array_equal(view._block, scaled)
    assert view._subtitle.text().startswith("neurons · keys 2, 4")


def test_that_the_map_shows_what_is_in_view_and_nothing_beyond_the_data(view: RaceView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    view._log_x.setChecked(False)
    view._heat.widget.getViewBox().setXRange(-100, 40, padding=0)
    rect = view._image.mapRectToView(view._image.boundingRect())
    assert (rect.left(), rect.right()) == pytest.approx((0, 40))


def test_that_ranks_are_drawn_as_steps_with_the_keys_apart(view: RaceView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    found, drawn = truth(view, run), view._ranks.curves
    for i, k in enumerate(KEYS):
        x, y = as_steps(edges(found.epochs), np.log10(found.rank[:, k - 1]))
        assert np.array_equal(drawn[f"named {i}"][0], x)
        assert np.array_equal(drawn[f"named {i}"][1], y)
        assert view._lines[i].opts["pen"].color() == theme.frequency_colour(k, KEYS)
    rest = [np.append(as_steps(edges(found.epochs), np.log10(found.rank[:, k - 1]))[1], np.nan) for k in (1, 3, 5)]
    assert np.array_equal(drawn["others"][1], np.concatenate(rest), equal_nan=True)


def test_that_names_never_stand_on_each_other(view: RaceView, qtbot: QtBot) -> None:
    show(view, qtbot, Run.open(DEMONSTRATION, probe=False), keys=None)
    for size in ((900, 600), (420, 320)):
        view.resize(*size)
        for what in (HEAT, RANKS):
            places = view._names[what].places()
            assert sorted(text for _, _, text, _ in places) == ["14", "35", "41", "42", "52"]
            rows = [place for _, place, _, _ in places]
            assert min(np.diff(rows)) >= view._names[what].GAP - 1e-9
            assert 0 <= rows[0] <= rows[-1] <= view._names[what].height()
    by_frequency = [text for _, _, text, _ in view._names[HEAT].places()]
    assert by_frequency == ["52", "42", "41", "35", "14"]


def test_that_the_sentence_tells_the_mainlines_race(view: RaceView, qtbot: QtBot) -> None:
    run = Run.open(DEMONSTRATION, probe=False)
    found = show(view, qtbot, run, keys=None)
    view.session.scrub(run.step_at(1400))
    assert "4 of 5 keys among the 5 largest, 35 is 6th" in view._sentence.text()
    assert view._sentence.text().endswith(f"for good from {found.lead:,}".replace(",", " "))
    assert [line.isVisible() for line in view._leads] == [True, True]
    assert view._heat.epoch_of(view._leads[0].value()) == pytest.approx(found.lead)
    view.session.scrub(run.step_at(40_000))
    assert "5 of 5 keys" in view._sentence.text()


def test_that_the_sentence_says_what_the_race_is() -> None:
    norm = [[5.0, 1, 4, 2], [1, 5, 4, 2], [1, 3, 4, 2]]
    decided = planted([0, 10, 20], norm, (2, 3))
    assert sentence(decided, 0).startswith("Epoch 0: 1 of 2 keys among the 2 largest, 2 is 4th")
    assert sentence(decided, 10).endswith("for good from 10")
    assert "candidates" in sentence(planted([0, 10, 20], norm, (2, 3), final=False), 10)
    assert sentence(planted([0, 10, 20], norm, (1, 2)), 20).endswith("not all at the end")
    assert sentence(planted([0, 10, 20], norm, ()), 20) == "Epoch 20: the largest are 3, 2, 4, 1"
    assert sentence(decided, 15) == "Epoch 15 is not measured yet"
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 21, 112)] == [
        "1st",
        "2nd",
        "3rd",
        "4th",
        "11th",
        "12th",
        "21st",
        "112th",
    ]


def test_that_a_dot_marks_where_each_key_comes_to_lead(view: RaceView, qtbot: QtBot, run: Run) -> None:
    last = ranks(truth_norm(view, qtbot, run))[-1]
    winners = tuple(sorted(int(k) + 1 for k in last.argsort()[:2]))
    view.session.select(pinned_keys=winners)
    settle(view, qtbot)
    found = truth(view, run)
    x, y = view._dots.getData()
    assert [view._ranks.epoch_of(v) for v in x] == pytest.approx([max(e, 0.5) for e in found.since if e is not None])
    for value, epoch, k in zip(y, found.since, winners, strict=True):
        assert value == pytest.approx(np.log10(found.rank[found.epochs.tolist().index(epoch), k - 1]))


def truth_norm(view: RaceView, qtbot: QtBot, run: Run) -> np.ndarray:
    return show(view, qtbot, run).norm


def test_that_a_click_selects_the_row_and_goes_to_the_epoch_at_once(view: RaceView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    view._log_x.setChecked(False)
    told: list[object] = []
    view.session.changed.connect(told.append)
    click(view._heat.widget, 81, 3)
    qtbot.waitUntil(lambda: view.session.selection.frequency == 3)
    assert view.session.selection.epoch == 80
    assert len(told) == 1
    assert view._row.isVisible()
    assert view._row.getRegion() == (2.5, 3.5)
    view._click(HEAT, 120, 3)  # elsewhere in the row: there, and still selected
    assert (view.session.selection.frequency, view.session.selection.epoch) == (3, 120)
    view._click(HEAT, 120, 3)  # the same again: away with it
    assert (view.session.selection.frequency, view.session.selection.epoch) == (None, 120)
    assert not view._row.isVisible()


def test_that_a_click_on_a_rank_selects_who_has_it(view: RaceView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    view._log_x.setChecked(False)
    found = truth(view, run)
    at = found.epochs.tolist().index(100)
    third = int(np.flatnonzero(found.rank[at] == 3)[0]) + 1
    view._click(RANKS, 101, float(np.log10(3)))
    assert view.session.selection.frequency == third
    assert view.session.selection.epoch == 100
    names = {text: y for y, text in view._names[RANKS].names}
    assert names[str(third)] == pytest.approx(np.log10(found.rank[-1, third - 1]))


def test_that_the_value_under_the_pointer_is_the_engines(view: RaceView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    found = truth(view, run)
    view._point_at(HEAT, (100.0, 4.2))
    at = found.epochs.tolist().index(100)
    assert view.value.startswith(
        f"epoch 100 · k = 4 · norm {found.norm[at, 3]:.3g} in W_E · rank {found.rank[at, 3]} of 5"
    )
    view._point_at(HEAT, None)
    assert view._subtitle.text() == "W_E · keys 2, 4, chosen by hand"


def test_that_scrubbing_moves_the_cursor_and_nothing_else(view: RaceView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    image, axes = view._image.image, view._ranks.widget.getViewBox().viewRange()
    for step in (0, 3, run.n_checkpoints - 1):
        view.session.scrub(step)
        epoch = max(0.5, float(run.epochs[step]))
        assert view._heat.epoch_of(view._heat.cursor.value()) == pytest.approx(epoch)
        assert view._ranks.epoch_of(view._ranks.cursor.value()) == pytest.approx(epoch)
    assert view._image.image is image
    assert view._ranks.widget.getViewBox().viewRange() == axes


def test_that_either_plot_can_stand_alone(view: RaceView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    for what, seen in ((HEAT, (True, False)), (RANKS, (False, True)), (BOTH, (True, True))):
        view._show_what.setCurrentText(what)
        assert (view._heat.widget.isVisible(), view._ranks.widget.isVisible()) == seen
        assert view._scale.isVisible() == (what != RANKS)
        view.resize(420 if view.width() > 420 else 800, 500)
        for track in (view._heat, view._ranks):
            ends = [track.epoch_of(place) for place in track.widget.getViewBox().viewRange()[0]]
            assert ends == pytest.approx([0.5, 200])  # of a plot that was hidden, too


def test_that_both_plots_are_zoomed_together(view: RaceView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    for one, other in ((view._heat, view._ranks), (view._ranks, view._heat)):
        span = (1.0, 1.5) if one is view._heat else (0.5, 2.0)
        one.widget.getViewBox().setXRange(*span, padding=0)
        assert tuple(other.widget.getViewBox().viewRange()[0]) == pytest.approx(span)
        one.fit()


def test_that_a_change_of_theme_reaches_every_line(view: RaceView, qtbot: QtBot, qapp: QApplication, run: Run) -> None:
    show(view, qtbot, run)
    theme.apply(qapp, theme.LIGHT)
    view.change_theme()
    assert view._lines[0].opts["pen"].color() == theme.frequency_colour(KEYS[0], KEYS)
    assert view._leads[1].pen.color() == QColor(theme.LIGHT.text)


def test_that_a_task_without_a_basis_says_so(view: RaceView, qtbot: QtBot, tmp_path: Path) -> None:
    run = trained(tmp_path / "none.h5", operation="x2xyy2")
    view.session.show_run(run)
    settle(view, qtbot)
    assert "no group operation" in view._message.text()
    assert view._stack.currentIndex() == 1
    assert view.tables(view.answer, view.session.selection) == []


def test_that_a_race_that_nobody_has_measured_yet_says_so(view: RaceView, run: Run) -> None:
    view.tracing.paused = True
    view.session.show_run(run)
    assert view.answer is None
    assert view._message.text() == "Measuring is paused."
    view.tracing.paused = False
    view.tracing.trouble = "no room."
    view.refresh(view.session.selection)
    assert view._message.text() == "Nothing is measured: no room."


def test_that_an_unfinished_runs_candidates_are_dashed(view: RaceView) -> None:
    view.session.select()
    content: QWidget = view.content
    assert content is not None
    norm = [[5.0, 1, 4, 2], [1, 5, 4, 2], [1, 3, 4, 2]]
    view._draw_race(planted([0, 10, 20], norm, (2, 3), final=False), view.session.selection)
    assert [line.opts["pen"].style().name for line in view._lines] == ["DashLine"] * 2
    view._draw_race(planted([0, 10, 20], norm, (2, 3)), view.session.selection)
    assert [line.opts["pen"].style().name for line in view._lines] == ["SolidLine"] * 2


def test_that_without_keys_the_largest_are_named_in_no_colour_of_a_key(view: RaceView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    view.tracing.pinned = Pinned((), 200, True)
    view._which.setCurrentText("W_U")  # another question
    qtbot.waitUntil(lambda: not view.waiting and view.answer.which == "W_U")
    found = view.answer
    assert view._subtitle.text() == "W_U · no key frequency yet"
    assert [text for _, text in view._names[RANKS].names] == [str(int(k) + 1) for k in found.rank[-1].argsort()]
    assert {line.opts["pen"].color().name() for line in view._lines} == {theme.current().other_frequency}
    assert not any(line.isVisible() for line in view._leads)


def test_that_tables_hold_every_norm_and_rank(view: RaceView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run)
    norm, rank = view.tables(answer, view.session.selection)
    assert np.array_equal(norm.columns["norm of k = 3 in W_E"], answer.norm[:, 2])
    assert np.array_equal(rank.columns["rank of k = 3"], answer.rank[:, 2])
    said = view.describe(answer, view.session.selection)
    assert "keys 2, 4, chosen by hand" in said
    assert "Among the 2 largest norms for good" in said


@pytest.mark.parametrize(
    ("wanted", "low", "high"),
    [([10.0, 11, 50], 0, 100), ([1.0, 2, 3], 0, 100), ([98.0, 99, 99.5], 0, 100), ([50.0], 0, 100), ([], 0, 100)],
)
def test_that_spread_places_are_apart_within_and_nearest(wanted: list[float], low: float, high: float) -> None:
    at = spread(wanted, 10, low, high)
    assert len(at) == len(wanted)
    if len(at):
        assert at.min() >= low
        assert at.max() <= high
        assert (np.diff(at) >= 10 - 1e-9).all()
        rng = np.random.default_rng(0)
        cost = np.square(at - wanted).sum()
        for _ in range(200):  # no other admissible places are nearer
            other = np.sort(at + rng.normal(size=len(at)))
            if other.min() >= low and other.max() <= high and (np.diff(other) >= 10).all():
                assert np.square(other - wanted).sum() >= cost - 1e-9
    far = spread([20.0, 60.0], 10, 0, 100)
    assert far.tolist() == [20, 60]
