"""The wall of neurons: groups and counts are the engine's; filter, search, selection, histogram, numbers in words."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.views.fve_histogram import BINS, binned
from app.views.neurons import NeuronsView
from engine.analysis.neurons import NeuronFrequencies, neuron_frequencies
from engine.analysis.wall import NeuronWall, neuron_wall, wall_layout
from engine.runfile import Run
from tests.app.alone import alone, settle, trained

LEFT = Qt.MouseButton.LeftButton
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
DEMONSTRATION = Path(__file__).resolve().parents[2] / "resources" / "demonstration.h5"


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[NeuronsView]:
    with alone(NeuronsView, qtbot, qapp) as made:
        yield made


@pytest.fixture(params=["small", "demonstration"])
def either(request: pytest.FixtureRequest) -> Run:
    """A small run, in which no frequency is clear yet, and the mainline, in which five are."""
    if request.param == "small":
        small: Run = request.getfixturevalue("run")
        return small
    return Run.open(DEMONSTRATION, probe=False)


def show(view: NeuronsView, qtbot: QtBot, run: Run, step: int | None = None) -> NeuronWall:
    if view.session.selection.run is not run:
        view.session.show_run(run)
    if step is not None:
        view.session.scrub(step)
    settle(view, qtbot)
    qtbot.waitUntil(lambda: not view._resized.isActive() and not view.waiting, timeout=20_000)
    answer: NeuronWall = view.answer
    return answer


def shown(view: NeuronsView) -> set[int]:
    return set(view._wall.shown)


def titles(view: NeuronsView) -> list[str]:
    return [group.title for group in view._wall._groups]


def choose(view: NeuronsView, qtbot: QtBot, kind: str) -> None:
    view._find.kinds.setCurrentIndex(view._find.kinds.findData(kind))
    settle(view, qtbot)


def truth(run: Run, step: int) -> NeuronFrequencies:
    return neuron_frequencies(run, step)


def test_that_groups_and_their_counts_are_the_engines(view: NeuronsView, qtbot: QtBot, either: Run) -> None:
    run = either
    last = run.n_checkpoints - 1
    show(view, qtbot, run)
    counts = truth(run, last).key_frequencies()
    rest = run.config.d_mlp - sum(counts.values())
    expected = [f"k = {k} · {n} neuron{'s' * (n != 1)}" for k, n in counts.items()]
    expected += [f"no clear frequency (FVE below 0.85) · {rest} neuron{'s' * (rest != 1)}"] if rest else []
    assert titles(view) == expected
    assert view._wall.shown == wall_layout(run, last).order
    assert "order and colours of epoch " in view._subtitle.text()
    if run.config.p == 113:
        assert list(counts) == [14, 35, 41, 42, 52]


@pytest.mark.parametrize("unwrapped", [True, False])
def test_that_the_tiles_are_the_engines_at_their_size(
    view: NeuronsView, qtbot: QtBot, run: Run, unwrapped: bool
) -> None:
    last = run.n_checkpoints - 1
    view._natural.setChecked(not unwrapped)
    for step in (0, last):
        show(view, qtbot, run, step)
        side = view._area.size_of_tiles
        assert np.array_equal(view._wall._tiles, neuron_wall(run, step, last, side, unwrapped).tiles)


def test_that_the_order_is_chosen(view: NeuronsView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run)
    for order, key in (("index", lambda n: n), ("fraction", lambda n: -answer.layout.fve[n])):
        view._order.setCurrentIndex(view._order.findData(order))
        for group, drawn in zip(answer.layout.groups, view._wall._groups, strict=True):
            assert list(drawn.tiles) == sorted(group.neurons, key=key)


# -- filtered and searched -------------------------------------------------------------------------------------


def test_that_each_kind_shows_its_neurons(view: NeuronsView, qtbot: QtBot, either: Run) -> None:
    run, step = either, 6 if either.config.p == 11 else either.n_checkpoints - 8
    answer = show(view, qtbot, run, step)
    found = truth(run, step)
    clear, dead = found.fve >= 0.85, found.frequency == 0
    expected = {"all": clear | ~clear, "clear": clear, "unclear": ~clear & ~dead, "dead": dead}
    for kind, mask in expected.items():
        choose(view, qtbot, kind)
        assert shown(view) == set(np.flatnonzero(mask).tolist()), kind
        said = f"{mask.sum()} of {len(mask)} shown" in view._subtitle.text()
        assert said == (mask.sum() < len(mask))
    choose(view, qtbot, "selected")
    assert shown(view) == set()
    for k in answer.layout.keys:
        view.session.select(frequency=k)
        show(view, qtbot, run)
        group = next(g for g in answer.layout.groups if g.frequency == k)
        assert shown(view) == set(group.neurons)


def test_that_committed_before_now_is_told_by_the_traces(view: NeuronsView, qtbot: QtBot) -> None:
    run = Run.open(DEMONSTRATION, probe=False)
    show(view, qtbot, run)
    choose(view, qtbot, "committed")
    traces = view.tracing.traces
    assert traces is not None
    epochs, clear = traces.epochs.tolist(), (traces.column("neuron_fve") >= 0.85).tolist()
    since: dict[int, int | None] = dict.fromkeys(range(512))
    for n in since:
        for epoch, row in zip(reversed(epochs), reversed(clear), strict=True):
            if not row[n]:
                break
            since[n] = epoch
    assert len({e for e in since.values() if e is not None}) > 10
    for step in (2, run.n_checkpoints - 8, run.n_checkpoints - 1):
        show(view, qtbot, run, step)
        epoch = int(run.epochs[step])
        assert shown(view) == {n for n, e in since.items() if e is not None and e <= epoch}


def test_that_a_search_filters_and_a_wrong_one_is_marked(view: NeuronsView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run)
    view._find.field.setText("3, 5-7")
    assert shown(view) == {3, 5, 6, 7}
    view._find.field.setText("3, 5-")
    assert shown(view) == {3, 5, 6, 7}  # what was understood last
    assert view._find.field.property("wrong")
    assert "not understood" in view._find.field.toolTip()
    k = answer.layout.keys[0] if answer.layout.keys else int(answer.layout.frequency[0])
    view._find.field.setText(f"k={k}")
    assert not view._find.field.property("wrong")
    assert shown(view) == set(np.flatnonzero(answer.layout.frequency == k).tolist())
    view._find.field.setText("900")
    assert shown(view) == set()
    view._find.field.clear()
    assert len(shown(view)) == run.config.d_mlp


def test_that_few_neurons_stand_larger_and_the_size_holds_while_scrubbing(
    view: NeuronsView, qtbot: QtBot, run: Run
) -> None:
    view.resize(760, 300)
    show(view, qtbot, run)
    whole = view._area.size_of_tiles
    view._find.field.setText("3, 4")
    assert view._area.size_of_tiles > whole
    view._find.field.setText("fve>0.3")
    sizes = set()
    for step in range(run.n_checkpoints):
        show(view, qtbot, run, step)
        sizes.add(view._area.size_of_tiles)
    assert sizes == {whole}


# -- selecting -------------------------------------------------------------------------------------------------


def test_that_a_click_selects_with_the_frequency_and_again_clears(view: NeuronsView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run)
    for index in (4, 9):
        QTest.mouseClick(view._wall, LEFT, Qt.KeyboardModifier.NoModifier, view._wall.place_of(index))
        assert view.session.selection.neurons == ((0, index),)
        assert view.session.selection.frequency == (int(answer.frequency[index]) or None)
    QTest.mouseClick(view._wall, LEFT, Qt.KeyboardModifier.NoModifier, view._wall.place_of(9))
    assert view.session.selection.neurons == ()
    assert view.session.selection.frequency is None


def test_that_several_are_selected_in_the_order_of_clicks(view: NeuronsView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    wall = view._wall
    QTest.mouseClick(wall, LEFT, Qt.KeyboardModifier.NoModifier, wall.place_of(6))
    QTest.mouseClick(wall, LEFT, CTRL, wall.place_of(2))
    assert view.session.selection.neurons == ((0, 6), (0, 2))
    assert wall._selected == (6, 2)
    assert "2 selected" in view._subtitle.text()
    order = wall.shown
    QTest.mouseClick(wall, LEFT, Qt.KeyboardModifier.NoModifier, wall.place_of(order[1]))
    QTest.mouseClick(wall, LEFT, SHIFT, wall.place_of(order[4]))
    assert view.session.selection.neurons == tuple((0, i) for i in order[1:5])


def test_that_a_header_selects_its_group_and_frequency(view: NeuronsView, qtbot: QtBot, either: Run) -> None:
    answer = show(view, qtbot, either)
    for place, group in enumerate(answer.layout.groups):
        QTest.mouseClick(view._wall, LEFT, Qt.KeyboardModifier.NoModifier, view._wall.header_of(place).center())
        assert view.session.selection.neurons == tuple((0, i) for i in group.neurons)
        assert view.session.selection.frequency == (group.frequency or None)
        assert view._wall._groups[place].lit == (group.frequency > 0)
        QTest.mouseClick(view._wall, LEFT, Qt.KeyboardModifier.NoModifier, view._wall.header_of(place).center())
        assert view.session.selection.neurons == ()


# -- numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [3, 12])
def test_that_the_number_under_the_pointer_is_exact(view: NeuronsView, qtbot: QtBot, run: Run, step: int) -> None:
    show(view, qtbot, run, step)
    qtbot.waitUntil(lambda: view._known(view.session.selection) is not None, timeout=20_000)
    exact, layout = truth(run, step), wall_layout(run, run.n_checkpoints - 1)
    for index in range(0, run.config.d_mlp, 5):
        QTest.mouseMove(view._wall, view._wall.place_of(index))
        view._hovered(index)
        k, fve, home = int(exact.frequency[index]), exact.fve[index], int(layout.frequency[index])
        said = f"k = {k} · {100 * fve:.1f} % of variance" if k else "dead: the same for every pair"
        later = f" · k = {home} at epoch 200" if home not in (0, k) else ""
        assert view.value == f"neuron {index} · {said}{later}"


def test_that_until_it_is_known_the_number_is_not_said(view: NeuronsView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run)
    view._numbers = None
    view._hovered(3)
    assert view.value == f"neuron 3 · k = {answer.frequency[3]} · … of variance"
    view._bin_hovered(19)
    assert view.value == "FVE 0.95 to 1.00 · … neurons"


def test_that_the_histogram_counts_every_neuron_in_its_bin(view: NeuronsView, qtbot: QtBot, run: Run) -> None:
    for step in (0, run.n_checkpoints - 1):
        show(view, qtbot, run, step)
        qtbot.waitUntil(lambda: view._known(view.session.selection) is not None, timeout=20_000)
        exact = truth(run, step)
        counts = view._histogram.counts
        assert counts.sum(axis=1).tolist() == np.histogram(exact.fve, BINS, (0, 1))[0].tolist()
        keys = wall_layout(run, run.n_checkpoints - 1).keys
        for i, k in enumerate(keys):
            assert counts[:, i].sum() == (exact.frequency == k).sum()


def test_that_the_threshold_lies_between_two_bins() -> None:
    counts = binned(np.array([0.85, np.nextafter(0.85, 0) - 1e-9, 1.0, 0.0]), np.array([3, 3, 4, 0]), (3,))
    assert counts[17].tolist() == [1, 0]
    assert counts[16].tolist() == [1, 0]
    assert counts[19].tolist() == [0, 1]
    assert counts[0].tolist() == [0, 1]


def test_that_a_click_on_a_bin_filters_and_again_shows_all(view: NeuronsView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run)
    i = int(answer.fve[4] * BINS)
    at = view._histogram.place_of(i).toPoint()
    qtbot.mouseClick(view._histogram, LEFT, pos=at)
    inside = (answer.fve >= i / BINS) & (answer.fve <= (i + 1) / BINS)
    assert shown(view) == set(np.flatnonzero(inside).tolist())
    assert 4 in shown(view)
    qtbot.mouseClick(view._histogram, LEFT, pos=at)
    assert len(shown(view)) == run.config.d_mlp


def test_that_its_tables_hold_every_neuron_and_bin(view: NeuronsView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run, 8)
    qtbot.waitUntil(lambda: view._known(view.session.selection) is not None, timeout=20_000)
    neurons, bins = view.tables(answer, view.session.selection)
    assert neurons.columns["FVE"] == pytest.approx(truth(run, 8).fve, abs=1e-12)
    assert sum(np.sum(v) for h, v in bins.columns.items() if h.startswith("neurons")) == run.config.d_mlp
    assert "FVE" in view.describe(answer, view.session.selection)


# -- other tasks, other rooms ----------------------------------------------------------------------------------


def test_that_products_are_grouped_by_characters(view: NeuronsView, qtbot: QtBot, tmp_path: Path) -> None:
    answer = show(view, qtbot, trained(tmp_path / "times.h5", operation="multiply"))
    assert "powers of 2" in view._subtitle.text()
    assert answer.tiles.shape[1] <= 10


def test_that_a_task_without_a_basis_has_one_group_and_says_why(
    view: NeuronsView, qtbot: QtBot, tmp_path: Path
) -> None:
    run = trained(tmp_path / "none.h5", operation="x2xyy2")
    show(view, qtbot, run)
    assert titles(view) == ["no Fourier basis for this task · 24 neurons"]
    assert "no group operation" in view._subtitle.text()
    choose(view, qtbot, "committed")
    assert "commitment" in view._subtitle.text()


def test_that_a_layer_is_chosen_where_there_are_several(view: NeuronsView, qtbot: QtBot, tmp_path: Path) -> None:
    run = trained(tmp_path / "deep.h5", n_layers=2)
    show(view, qtbot, run)
    assert view._find.layers.isVisible()
    QTest.mouseClick(view._wall, LEFT, Qt.KeyboardModifier.NoModifier, view._wall.place_of(2))
    assert view.session.selection.neurons == ((1, 2),)
    view._find.layers.setCurrentIndex(0)
    answer = show(view, qtbot, run)
    assert np.array_equal(answer.tiles, neuron_wall(run, 2, 2, answer.tiles.shape[1], True, 0).tiles)
    QTest.mouseClick(view._wall, LEFT, Qt.KeyboardModifier.NoModifier, view._wall.place_of(2))
    assert view.session.selection.neurons == ((0, 2),)


def test_that_natural_order_says_where_it_aliases(view: NeuronsView, qtbot: QtBot) -> None:
    run = Run.open(DEMONSTRATION, probe=False)
    view.session.show_run(run)
    qtbot.waitUntil(lambda: not view.waiting, timeout=60_000)
    assert not view._alias.isVisible()
    view._natural.setChecked(True)
    qtbot.waitUntil(lambda: not view.waiting and not view._resized.isActive(), timeout=60_000)
    side = view.answer.tiles.shape[1]
    assert view._alias.isVisible()
    assert f"no frequency above {side // 2}" in view._alias.text()
    view._find.field.setText("0-3")  # tiles as large as the map itself
    for _ in range(4):
        view._area.zoom_by(1)
    qtbot.waitUntil(lambda: not view.waiting and not view._resized.isActive(), timeout=60_000)
    assert view.answer.tiles.shape[1] == 113
    assert not view._alias.isVisible()


@pytest.mark.parametrize(("width", "height"), [(420, 320), (420, 420), (560, 460), (900, 600)])
def test_that_nothing_is_cut_in_any_room(view: NeuronsView, qtbot: QtBot, run: Run, width: int, height: int) -> None:
    show(view, qtbot, run)
    view.resize(width, height)
    show(view, qtbot, run)
    assert view._histogram.isVisible() == (width >= 520)
    for widget in (view._area, view._find, view._histogram):
        if widget.isVisible():
            inside = view.rect().contains(widget.mapTo(view, widget.rect().topLeft()))
            assert inside
            assert view.rect().contains(widget.mapTo(view, widget.rect().bottomRight()))
    wall = view._wall
    assert wall.width() <= view._area.viewport().width()
    assert all(wall.rect().contains(place) for place in wall._places.values())
