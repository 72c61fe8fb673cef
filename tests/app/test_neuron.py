"""The neuron view: what it draws and says is the engine's, for every kind of task and in every room; its life."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.compute import Compute
from app.views.life import Life, thumbnail_steps
from app.views.maps import HeatMap
from app.views.neuron import NeuronView
from app.views.neuron_facts import FACTS
from engine import recording
from engine.analysis.measures import pair_sets
from engine.analysis.neuron import neuron_biography, neuron_report
from engine.analysis.neuron_page import NeuronPicture, neuron_picture, neuron_thumbnails
from engine.analysis.wall import wall_layout
from engine.runfile import Run
from tests.app.alone import alone, click, pixel
from tests.app.conftest import SMALL

CHARACTERS = {"operation": "multiply", "epochs": 20, "checkpoint_every": 10, "dense_every": 0}
LEFT = Qt.MouseButton.LeftButton


def trained(path: Path, **changes: object) -> Run:
    for _ in recording.start(replace(SMALL, **changes), path).events():
        pass
    return Run.open(path, probe=False)


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[NeuronView]:
    with alone(NeuronView, qtbot, qapp) as made:
        yield made


def settle(view: NeuronView, qtbot: QtBot) -> None:
    """Wait until the picture and the whole life are known."""

    def settled() -> bool:
        wanted = view._life._wanted
        looked = all(step in view._life.thumbnails for step in wanted)
        return not view.waiting and not view.compute.busy and view._life.complete and looked

    qtbot.waitUntil(settled, timeout=20_000)


def show(view: NeuronView, qtbot: QtBot, run: Run, neuron: tuple[int, int], step: int | None = None) -> NeuronPicture:
    if view.session.selection.run is not run:
        view.session.show_run(run)
    view.session.select(neurons=(neuron,))
    if step is not None:
        view.session.scrub(step)
    settle(view, qtbot)
    answer: NeuronPicture = view.answer
    return answer


def said(view: NeuronView) -> dict[str, str]:
    return {key: value.text() for key, value in view._page.values.items()}


def clear_neuron(run: Run) -> int:
    last = run.n_checkpoints - 1
    return max(range(run.config.d_mlp), key=lambda i: neuron_picture(run, last, last, 0, i).wave.fve)


def painted(shown: HeatMap) -> np.ndarray:
    return shown._values


# -- what it says ----------------------------------------------------------------------------------------------


def test_that_the_pane_says_what_the_engine_says(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    last = run.n_checkpoints - 1
    for index in range(6):
        show(view, qtbot, run, (0, index))
        wave, life, text = neuron_report(run, last, 0, index).wave, neuron_biography(run, 0, index), said(view)
        assert wave is not None
        clear = wave.fve >= 0.5
        assert view._page.headline.text() == (f"k = {wave.frequency}" if wave.frequency else "dead")
        assert text["peak"] == (f"a + b = {wave.peak}" if clear else "—")
        assert text["output_peak"] == (f"c = {wave.output_peak}" if clear else "—")
        assert text["phase"].endswith("°") == text["misalignment"].endswith("°") == clear
        assert text["fit"] == (f"{wave.r_squared:.3f}" if wave.frequency else "—")
        assert text["settled"] == ("—" if life.settled is None else str(life.settled))
        assert text["committed"] == ("—" if life.committed is None else str(life.committed))
        dial = view._page.dial
        told = (wave.phase, wave.output_phase, wave.misalignment) if clear else (None, None, None)
        assert (dial.reads, dial.writes, dial.misalignment) == told


def test_that_maps_bars_and_curve_are_the_engines(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    view.resize(900, 700)
    index, step = clear_neuron(run), run.n_checkpoints - 2
    answer = show(view, qtbot, run, (0, index), step)
    page, order = view._page, view._order(answer)
    assert sorted(order) == list(range(11))
    assert page.map.isVisible()
    assert page.fit_map.isVisible()
    square, top = np.ix_(order, order), answer.limit
    for shown, values in ((page.map, answer.report.activation), (page.fit_map, answer.wave.fitted)):
        expected = np.clip(values[square] * 255 / top, 0, 255)
        assert np.abs(painted(shown).astype(float) - expected).max() <= 1.0
    assert page.map.bar.isVisible() != page.fit_map.bar.isVisible()  # one bar for both
    assert page.bars.height == pytest.approx(answer.wave.by_frequency)
    assert np.array_equal(page.curve.points[:, 1], answer.report.writes[order])
    view._hold.setChecked(False)
    own = answer.report.activation.max()
    expected = np.clip(answer.report.activation[square] * 255 / own, 0, 255)
    assert np.abs(painted(page.map).astype(float) - expected).max() <= 1.0
    view._natural.setChecked(True)
    assert view._order(answer).tolist() == list(range(11))


@pytest.mark.parametrize("size", [(900, 700), (420, 320)])
def test_that_the_map_says_where_its_axes_are_for_another_frequency_than_it_has(
    view: NeuronView, qtbot: QtBot, run: Run, size: tuple[int, int]
) -> None:
    view.resize(*size)
    last = run.n_checkpoints - 1
    answers = {(i, s): neuron_picture(run, s, last, 0, i) for i in range(6) for s in (0, 3, last)}
    foreign = [at for at, a in answers.items() if a.settled_frequency not in (0, a.wave.frequency)]
    assert foreign
    assert len(foreign) < len(answers)
    for (index, step), answer in answers.items():
        show(view, qtbot, run, (0, index), step)
        said_of_axes = f"axes for k = {answer.settled_frequency}"
        assert view._page.map_caption.text().endswith(said_of_axes) == ((index, step) in foreign)
    show(view, qtbot, run, (0, foreign[0][0]), foreign[0][1])
    metrics = view._page.map_caption.fontMetrics()
    assert metrics.horizontalAdvance(view._page.map_caption.text()) <= view._page.map_caption.width()
    view._natural.setChecked(True)
    assert "axes for" not in view._page.map_caption.text()


def test_that_no_axis_moves_while_scrubbing(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    ranges = set()
    for step in range(run.n_checkpoints):
        show(view, qtbot, run, (0, 3), step)
        ranges.add(str([p.getViewBox().viewRange() for p in (view._page.shares, view._page.map.plot)]))
        assert view._page.map.bar._range[1] == view.answer.limit
    assert len(ranges) == 1


def test_that_differences_peak_at_a_difference(view: NeuronView, qtbot: QtBot, tmp_path: Path) -> None:
    run = trained(tmp_path / "minus.h5", operation="subtract")
    answer = show(view, qtbot, run, (0, clear_neuron(run)))
    assert said(view)["peak"] == f"a − b = {answer.wave.peak}"


def test_that_products_are_shown_in_characters_of_the_units(view: NeuronView, qtbot: QtBot, tmp_path: Path) -> None:
    run = trained(tmp_path / "times.h5", **CHARACTERS)
    last = run.n_checkpoints - 1
    alive = max(range(run.config.d_mlp), key=lambda i: neuron_picture(run, last, last, 0, i).limit)
    show(view, qtbot, run, (0, alive))
    assert "generator 2" in view._page.sentence.text()
    for natural, side in ((False, 10), (True, 11)):
        view._natural.setChecked(natural)
        view.session.select(pair=(0, 3))
        assert painted(view._page.map).shape == (side, side)
        assert (view._page.map.marked is not None) == natural  # 0 is no unit
    wave = neuron_report(run, last, 0, alive).wave
    assert wave is not None
    assert said(view)["peak"] in (f"a · b = {wave.peak}", "several", "—")


def test_that_a_task_without_a_basis_says_so(view: NeuronView, qtbot: QtBot, tmp_path: Path) -> None:
    run = trained(tmp_path / "none.h5", **(CHARACTERS | {"operation": "x2xyy2"}))
    answer = show(view, qtbot, run, (0, 3))
    assert "no Fourier basis" in view._page.sentence.text()
    text = said(view)
    assert text["fit"] != "—"
    assert {text[key] for key in FACTS if key != "fit"} == {"—"}
    assert "no group operation" in view._page.values["settled"].toolTip()
    assert view._order(answer).tolist() == list(range(11))


def test_that_an_earlier_layer_has_its_direct_path_only(view: NeuronView, qtbot: QtBot, tmp_path: Path) -> None:
    run = trained(tmp_path / "deep.h5", **(CHARACTERS | {"operation": "add", "n_layers": 2}))
    show(view, qtbot, run, (0, 3))
    assert {said(view)[key] for key in ("output_phase", "misalignment", "vote")} == {"direct path only"}
    assert "later layers" in view._page.values["vote"].toolTip()
    assert view._title.text() == "Neuron 3 of layer 0"
    show(view, qtbot, run, (1, 3))
    assert said(view)["vote"] != "direct path only"


def test_that_a_dead_neuron_is_dead(view: NeuronView, qtbot: QtBot, run_path: Path, tmp_path: Path) -> None:
    import h5py

    copy = tmp_path / "dead.h5"
    copy.write_bytes(run_path.read_bytes())
    with h5py.File(copy, "r+") as file:
        file["weights/W_in"][:, 0, :, 3] = 0
        file["weights/b_in"][:, 0, 3] = 0
        file.attrs["run_id"] = "dead"
    show(view, qtbot, Run.open(copy, probe=False), (0, 3))
    assert view._page.headline.text() == "dead"
    assert set(said(view).values()) == {"—"}
    assert view._page.dial.reads is None


def test_that_without_a_neuron_it_says_what_to_do(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    view.session.show_run(run)
    assert "Click a neuron" in view._message.text()
    show(view, qtbot, run, (0, 3))
    view.session.select(neurons=())
    assert view._title.text() == "Neuron"
    assert view._stack.currentIndex() == 1


# -- linked ----------------------------------------------------------------------------------------------------


def test_that_a_click_on_the_map_selects_the_pair_and_again_lets_it_go(
    view: NeuronView, qtbot: QtBot, run: Run
) -> None:
    answer = show(view, qtbot, run, (0, clear_neuron(run)))
    order = view._order(answer)
    click(view._page.map.plot, 4, 7)  # column, row
    assert view.session.selection.pair == (order[7], order[4])
    assert view._page.map.marked == (7, 4)
    label = int(pair_sets(run.config).labels[order[7] * 11 + order[4]])
    assert view._answer_line.isVisible()
    assert order[int(view._answer_line.value())] == label
    click(view._page.map.plot, 4, 7)
    assert view.session.selection.pair is None
    assert not view._answer_line.isVisible()


def test_that_the_map_says_the_value_under_the_pointer(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run, (0, clear_neuron(run)))
    order, plot = view._order(answer), view._page.map.plot
    QTest.mouseMove(plot.viewport(), pixel(plot, 2, 5))
    a, b = int(order[5]), int(order[2])
    assert view.value.startswith(f"a = {a}, b = {b} · {answer.report.activation[a, b]:.4g} · fit ")


def test_that_a_click_on_a_bar_selects_its_frequency(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run, (0, 3))
    click(view._page.shares, 4, 0.5)
    assert view.session.selection.frequency == 4
    click(view._page.shares, 4, 0.5)
    assert view.session.selection.frequency is None


def test_that_keys_walk_along_the_wall_and_through_several(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    order = wall_layout(run, run.n_checkpoints - 1).order
    show(view, qtbot, run, (0, order[3]))
    for key, place in ((Qt.Key.Key_Down, 4), (Qt.Key.Key_Down, 5), (Qt.Key.Key_Up, 4)):
        qtbot.keyClick(view._page, key)
        settle(view, qtbot)
        assert view.session.selection.neurons == ((0, order[place]),)
        assert view._page.number.value() == order[place]
    show(view, qtbot, run, (0, order[0]))
    qtbot.keyClick(view._page, Qt.Key.Key_Up)
    assert view.session.selection.neurons == ((0, order[0]),)
    view.session.select(neurons=((0, 1), (0, 2), (0, 5)))
    settle(view, qtbot)
    assert "first of 3 selected" in view._page.sentence.text()
    qtbot.mouseClick(view._page.after, LEFT)
    assert view.session.selection.neurons == ((0, 2), (0, 5), (0, 1))
    qtbot.mouseClick(view._page.before, LEFT)
    assert view.session.selection.neurons == ((0, 1), (0, 2), (0, 5))


def test_that_a_number_goes_there(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run, (0, 3))
    view._page.number.setFocus()
    view._page.number.selectAll()
    qtbot.keyClicks(view._page.number, "17")
    qtbot.keyClick(view._page.number, Qt.Key.Key_Return)
    settle(view, qtbot)
    assert view.session.selection.neurons == ((0, 17),)
    assert view._title.text() == "Neuron 17"
    assert view._page.number.maximum() == run.config.d_mlp - 1


# -- its life --------------------------------------------------------------------------------------------------


def test_that_a_life_is_put_together_from_parts_for_every_neuron(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    for index in range(run.config.d_mlp):
        show(view, qtbot, run, (0, index))
        life, truth = view._life, neuron_biography(run, 0, index)
        assert life.known
        assert (life.settled, life.committed) == (truth.settled, truth.committed), index
        assert life.epochs.tolist() == truth.epochs.tolist()
        assert life.frequency.tolist() == truth.frequency.tolist()
        assert life.fve == pytest.approx(truth.fve, abs=1e-9)


def test_that_what_is_missing_is_not_told(qtbot: QtBot, run: Run, qapp: QApplication) -> None:
    """Facts of a life are … until no missing checkpoint could change them."""
    compute, parent = Compute(), QWidget()
    qtbot.addWidget(parent)
    life, told = Life(compute, parent), []
    truth = neuron_biography(run, 0, clear_neuron(run))

    def tell() -> None:
        if life.settled_known:
            told.append(life.settled)
        if life.committed_known:
            assert life.committed == truth.committed

    life.changed.connect(tell)
    assert not life.known
    life.look_at(run, run.n_checkpoints, (0, clear_neuron(run)), None)
    assert not life.known
    qtbot.waitUntil(lambda: life.complete, timeout=20_000)
    assert set(told) == {truth.settled}
    compute.close()


def test_that_a_growing_life_keeps_what_it_knows(qtbot: QtBot, run: Run) -> None:
    compute, parent = Compute(), QWidget()
    qtbot.addWidget(parent)
    life, truth = Life(compute, parent), neuron_biography(run, 0, 3)
    for n in range(4, run.n_checkpoints + 1):
        life.look_at(run, n, (0, 3), None)
        qtbot.waitUntil(lambda: life.complete, timeout=20_000)
        part = neuron_biography(run, 0, 3, range(n))
        assert life.epochs.tolist() == truth.epochs[:n].tolist()
        assert (life.settled, life.committed) == (part.settled, part.committed)
    compute.close()


def test_that_the_pane_does_not_wait_for_the_life(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run, (0, 3))
    view._life._who = None
    view._life._begin()
    view._tell_life()
    assert said(view)["settled"] == said(view)["committed"] == "…"
    assert not view.waiting


@pytest.mark.parametrize(("n", "room", "growing"), [(1, 12, False), (9, 12, False), (45, 12, False), (727, 7, False)])
def test_that_thumbnails_stand_evenly_from_first_to_last(n: int, room: int, growing: bool) -> None:
    steps = thumbnail_steps(n, room, growing)
    assert steps[0] == 0
    assert steps[-1] == n - 1
    assert len(steps) == min(n, room)
    gaps = np.diff(steps)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


def test_that_few_thumbnails_change_while_a_run_grows() -> None:
    seen = [set(thumbnail_steps(n, 12, True)) for n in range(20, 200)]
    assert all(len(steps) <= 12 for steps in seen)
    changed = sum(len(after - before) for before, after in itertools.pairwise(seen))
    assert changed < 60


def test_that_the_strip_shows_the_maps_and_a_click_goes_there(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    view.resize(760, 640)
    show(view, qtbot, run, (0, clear_neuron(run)))
    strip, life, last = view._page.strip, view._life, run.n_checkpoints - 1
    steps = life._wanted
    assert strip.isVisible()
    assert steps == thumbnail_steps(run.n_checkpoints, strip.room, False)
    index, side = clear_neuron(run), life.thumbnails[0].shape[0]
    expected = neuron_thumbnails(run, 0, index, steps, last, side)
    assert np.array_equal([life.thumbnails[step] for step in steps], expected)
    third = strip._thumbnail(steps[2]).center()
    qtbot.mouseClick(strip, LEFT, pos=third)
    assert view.session.selection.step == steps[2]
    band = QPoint(round(strip.place_of(4)), round(strip._band().center().y()))
    qtbot.mouseClick(strip, LEFT, pos=band)
    assert view.session.selection.step == 4
    qtbot.mouseMove(strip, band)
    settle(view, qtbot)
    truth = neuron_biography(run, 0, index)
    view._life_hovered(last)
    assert view.value == f"epoch 200 · k = {truth.frequency[-1]}, {100 * truth.fve[-1]:.1f} % of variance"


def test_that_the_band_ends_where_the_run_ends(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run, (0, clear_neuron(run)))
    strip = view._page.strip
    left, right = strip._ends()
    edges = strip._edges(view._life.epochs)
    assert edges[0][0] == pytest.approx(left)
    assert edges[-1][1] == pytest.approx(right)
    assert all(a[1] == pytest.approx(b[0]) for a, b in itertools.pairwise(edges))
    assert strip.place_of(run.n_checkpoints - 1) == pytest.approx(right)


# -- taken elsewhere -------------------------------------------------------------------------------------------


def test_that_the_card_holds_the_facts(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    index = clear_neuron(run)
    answer = show(view, qtbot, run, (0, index))
    QGuiApplication.clipboard().clear()
    assert view.actions_of_its_own()[0].isEnabled()
    view.activateWindow()
    view._page.setFocus()
    qtbot.waitUntil(view._page.hasFocus)
    qtbot.keyClick(view._page, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    text, shown = QGuiApplication.clipboard().text(), said(view)
    rows = dict(line[2:-2].split(" | ") for line in text.splitlines() if line.count(" | ") == 1 and len(line) > 8)
    assert text.startswith(f"**Neuron {index}**")
    assert rows["run"] == f"`{run.path.name}`"
    assert rows["epoch"] == "200"
    assert rows["neuron"] == str(index)
    assert rows["frequency k"] == str(answer.wave.frequency)
    assert rows["FVE"].startswith(f"{100 * answer.wave.fve:.2f} %")
    assert rows["reads φ"] == f"{shown['phase']} (peak at {shown['peak']})"
    assert rows["writes ψ"] == f"{shown['output_phase']} (peak at {shown['output_peak']})"
    assert rows["misalignment D = ψ − φ"] == shown["misalignment"]
    assert (rows["vote"], rows["settled (epoch)"]) == (shown["vote"], shown["settled"])
    assert rows["committed (epoch)"] == shown["committed"]


def test_that_its_tables_are_what_it_shows(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run, (0, 5), 4)
    tables = {table.name: table.columns for table in view.tables(answer, view.session.selection)}
    activation = tables["activation"]
    row = 11 * 3 + 7
    assert (activation["a"][row], activation["b"][row]) == (3, 7)
    assert activation["activation"][row] == answer.report.activation[3, 7]
    assert tables["variance"]["share of the centred variance"] is answer.wave.by_frequency
    assert len(tables["life"]["epoch"]) == run.n_checkpoints


# -- the room --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height"), [(420, 300), (420, 386), (500, 520), (640, 480), (790, 830), (760, 600), (900, 700)]
)
@pytest.mark.parametrize("panel", ["variance", "logits", "phases", "spectrum"])
def test_that_nothing_overlaps_or_is_cut_in_any_room(
    view: NeuronView, qtbot: QtBot, run: Run, width: int, height: int, panel: str
) -> None:
    show(view, qtbot, run, (0, clear_neuron(run)))
    view.resize(width, height)
    page = view._page
    page.choices.panels[panel].setChecked(True)
    qtbot.waitUntil(lambda: page.width() > width - 60)
    parts = [
        page.head, page.map, page.fit_map, page.facts, page.choices, page.strip, page.dial, page.shares, page.written,
        page.spectrum,
    ]  # fmt: skip
    there = [part for part in parts if part.isVisible()]
    for part in there:
        assert page.rect().contains(part.geometry()), part
        assert part.width() > 40
        assert part.height() > 20
    for one, other in itertools.combinations(there, 2):
        assert not one.geometry().intersects(other.geometry()), (one, other)
    assert all(plot.width() >= 200 for plot in (page.shares, page.written) if plot.isVisible())
    assert page.map.isVisible()
    assert page.facts.height() >= page._facts_height
    square = any(part.isVisible() for part in (page.shares, page.written, page.spectrum, page.dial))
    assert square == (height > 340)
    if square:
        chosen = {"variance": page.shares, "logits": page.written, "phases": page.dial, "spectrum": page.spectrum}
        assert chosen[panel].isVisible()


def test_that_the_fit_takes_the_maps_place_where_only_one_fits(view: NeuronView, qtbot: QtBot, run: Run) -> None:
    answer = show(view, qtbot, run, (0, clear_neuron(run)))
    view.resize(430, 460)
    page = view._page
    qtbot.waitUntil(lambda: not page.fit_map.isVisible())
    qtbot.mouseClick(page.choices.fit, LEFT)
    assert page.fit_map.isVisible()
    assert not page.map.isVisible()
    order = view._order(answer)
    expected = np.clip(answer.wave.fitted[np.ix_(order, order)] * 255 / answer.limit, 0, 255)
    assert np.abs(painted(page.fit_map).astype(float) - expected).max() <= 1.0
