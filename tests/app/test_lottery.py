"""The lottery: strips, clouds and places equal the engine; clicks brush frequencies and neurons both ways."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import theme
from app.views.lottery import ALL, FREQUENCIES, LEADERS, PLACES, TICKETS, LotteryView
from app.views.lottery_words import leaders_words, rank_words, spread_words, worth_words
from app.views.ticket_plots import Cloud
from engine.analysis.lottery import SIZES, Tickets, Worth, places_of, tickets, worth
from engine.analysis.race import NEURONS, Race, edges, race
from engine.analysis.standings import WHERE, Lottery
from engine.runfile import Run
from tests.app.alone import alone, click, settle, trained

KEYS = (2, 4)


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[LotteryView]:
    with alone(LotteryView, qtbot, qapp) as made:
        made.resize(1000, 640)
        yield made


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trained until neurons carry frequencies."""
    path = tmp_path_factory.mktemp("lottery") / "carried.h5"
    return trained(
        path, p=13, train_fraction=0.9, epochs=1000, checkpoint_every=200, d_model=32, d_mlp=48, weight_decay=2.0
    )


def show(view: LotteryView, qtbot: QtBot, run: Run, keys: tuple[int, ...] | None = KEYS) -> Lottery:
    view.session.show_run(run)
    view.session.select(pinned_keys=keys)
    settle(view, qtbot)
    tracing = view.tracing
    qtbot.waitUntil(lambda: tracing._planned is not None and tracing._planned[3] == (NEURONS,))
    settle(view, qtbot)
    answer: Lottery = view.answer
    return answer


def press(cloud: Cloud, i: int) -> None:
    """A left click on a point, as a person makes it."""
    at = cloud.plot.mapFromScene(cloud.scene_place(i))
    QTest.mouseMove(cloud.plot.viewport(), at)
    QTest.mouseClick(cloud.plot.viewport(), Qt.MouseButton.LeftButton, pos=at)


@pytest.mark.parametrize("log", [False, True])
def test_that_every_column_of_a_strip_is_the_order_at_the_checkpoint_whose_stretch_it_lies_in(
    view: LotteryView, qtbot: QtBot, run: Run, log: bool
) -> None:
    answer = show(view, qtbot, run)
    view._log_x.setChecked(log)
    strip = view._strip
    for i, which in enumerate(WHERE):
        truth = race(run, run.n_checkpoints, view.tracing.traces, view.tracing.pinned, 0, which)
        assert np.array_equal(answer.races[which].norm, truth.norm)
        image = np.asarray(strip._images[i].image)
        left, right = strip.widget.getViewBox().viewRange()[0]
        middles = left + (np.arange(image.shape[1]) + 0.5) * (right - left) / image.shape[1]
        epochs = 10**middles if log else middles
        clear = np.abs(edges(truth.epochs)[1:-1, None] - epochs).min(axis=0) > 1e-6 * np.abs(epochs)
        nearest = np.array([int(np.abs(truth.epochs - e).argmin()) for e in epochs])
        order = np.argsort(-truth.norm, axis=1)[:, :2] + 1
        for place in range(2):
            wanted = strip._table[order[nearest, place]]
            assert np.array_equal(image[place][clear], wanted[clear])
    for k in KEYS:
        assert QColor(*strip._table[k].tolist()) == theme.frequency_colour(k, KEYS)
    assert len({tuple(c) for c in strip._table[1:].tolist()}) == 4  # the keys, and 1 and 5 are one grey, 3 another


def test_that_triangles_stand_at_the_first_lead_and_at_the_lasting_one(
    view: LotteryView, qtbot: QtBot, run: Run
) -> None:
    last = race(run, run.n_checkpoints, None, None, 0, "W_E")
    assert not len(last.epochs)
    answer = show(view, qtbot, run)
    final = answer.races["W_E"].rank[-1]
    winners = tuple(sorted(int(k) + 1 for k in final.argsort()[:2]))
    answer = show(view, qtbot, run, winners)
    x, y = view._strip._marks.getData()
    wanted = [
        (max(0.5, float(epoch)), view._strip.top_of(i) - 0.35)
        for i, r in enumerate(answer.races.values()) for epoch in (r.first_lead, r.lead) if epoch is not None
    ]  # fmt: skip
    assert answer.races["W_E"].lead is not None
    assert list(zip([view._strip.epoch_of(v) for v in x], y, strict=True)) == [pytest.approx(w) for w in wanted]


def test_that_a_click_in_a_strip_selects_its_frequency_and_goes_there(
    view: LotteryView, qtbot: QtBot, run: Run
) -> None:
    answer = show(view, qtbot, run)
    view._log_x.setChecked(False)
    at = answer.races["W_U"].epochs.tolist().index(80)
    second = int(answer.races["W_U"].leaders(2)[1, at])
    click(view._strip.widget, 81, view._strip.top_of(1) + 1.5)
    qtbot.waitUntil(lambda: view.session.selection.frequency == second)
    assert view.session.selection.epoch == 80
    view._point_at_strip((81.0, view._strip.top_of(1) + 1.5))
    norm = answer.races["W_U"].norm[at, second - 1]
    assert view.value == f"epoch 80 · W_U · place 2: k = {second} · norm {norm:.3g}"
    assert view._strip.at(81.0, view._strip.top_of(1) - 0.5) is None


@pytest.mark.parametrize("which", SIZES)
def test_that_the_frequencies_stand_where_start_and_end_put_them(
    view: LotteryView, qtbot: QtBot, run: Run, which: str
) -> None:
    show(view, qtbot, run)
    view._size.setCurrentText(which)
    truth = tickets(run, 0, run.n_checkpoints - 1)
    cloud = view._frequencies
    start, end = (truth.sizes[which][i][view._order - 1] for i in (0, 1))
    assert np.allclose(cloud.across, start, rtol=1e-12)
    assert np.allclose(cloud.up, end, rtol=1e-12)
    names = {item.toPlainText(): item.pos() for item in cloud._names if item.isVisible()}
    assert set(names) == {"2", "4"}
    for k in KEYS:
        i = view._order.tolist().index(k)
        assert (names[str(k)].x(), names[str(k)].y()) == (cloud.across[i], cloud.up[i])
        assert cloud.dots.colours[i] == theme.frequency_colour(k, KEYS)
    assert view._frequencies.words.text() == rank_words(which, truth, KEYS)[0]


def test_that_a_click_on_a_point_selects_its_frequency_and_rings_it(view: LotteryView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    i = view._order.tolist().index(4)
    press(view._frequencies, i)
    qtbot.waitUntil(lambda: view.session.selection.frequency == 4)
    assert view._frequencies.rings.getData()[0].tolist() == [view._frequencies.across[i]]
    view._hover_frequency(i)
    assert view.value.startswith("k = 4 · W_E ")
    press(view._frequencies, i)
    qtbot.waitUntil(lambda: view.session.selection.frequency is None)
    assert not len(view._frequencies.rings.getData()[0])


def test_that_neurons_stand_where_their_tickets_put_them_and_are_selected_by_a_click(
    view: LotteryView, qtbot: QtBot, carried: Run
) -> None:
    show(view, qtbot, carried)
    truth = tickets(carried, 0, carried.n_checkpoints - 1)
    own = truth.frequency[truth.carriers]
    assert len(own) >= 3  # else there is nothing to look at
    place = places_of(truth.magnitude[truth.carriers])[np.arange(len(own)), own - 1]
    apart = np.degrees(np.abs(truth.misalignment[truth.carriers, own - 1]))
    assert np.allclose(view._neurons.across, (6 - place + 0.5) / 6)
    assert np.allclose(view._neurons.up, apart, rtol=1e-9)
    i = max(range(len(own)), key=lambda n: np.hypot(view._neurons.across - view._neurons.across[n], 0.01).min())
    press(view._neurons, i)
    qtbot.waitUntil(lambda: bool(view.session.selection.neurons))
    n = view.session.selection.neurons[0][1]
    assert n in truth.carriers
    at = int(np.flatnonzero(truth.carriers == n)[0])
    assert view._neurons.rings.getData()[1].tolist() == [view._neurons.up[at]]
    view._hover_neuron(at)
    assert view.value.startswith(f"neuron {n} · k = {own[at]} (FVE {truth.fve[n]:.2f}) · place {place[at]} of 6 by |N̂|")
    view._click_neuron(at)
    assert view.session.selection.neurons == ()


@pytest.mark.parametrize("score", ["magnitude", "alignment", "ticket", "vote"])
def test_that_the_places_are_counted_and_the_verdict_is_the_engines(
    view: LotteryView, qtbot: QtBot, carried: Run, score: str
) -> None:
    show(view, qtbot, carried)
    view._score.setCurrentText(score)
    settle(view, qtbot)
    truth = tickets(carried, 0, carried.n_checkpoints - 1)
    verdict = worth(truth, score)
    assert verdict is not None
    assert view._places.counts.tolist() == np.bincount(verdict.place, minlength=7)[1:].tolist()
    assert view._places.even.value() == pytest.approx(len(verdict.place) / 6)
    assert view._places.words.text() == worth_words(verdict)[0]
    k = int(truth.frequency[truth.carriers[0]])
    view.session.select(frequency=k)
    own = truth.frequency[truth.carriers]
    assert view._places.some.height.tolist() == np.bincount(verdict.place[own == k], minlength=7)[1:].tolist()
    view._hover_place(1)
    assert view.value.startswith(f"place 1 by {score} · {view._places.counts[0]} neurons")


def test_that_the_checkpoint_on_show_can_take_the_place_of_the_start(
    view: LotteryView, qtbot: QtBot, carried: Run
) -> None:
    show(view, qtbot, carried)
    before = view._frequencies.across.copy()
    view.session.scrub(2)
    settle(view, qtbot)
    assert np.array_equal(view._frequencies.across, before)
    qtbot.mouseClick(view._on_show, Qt.MouseButton.LeftButton)
    for step in (2, carried.n_checkpoints - 1):
        view.session.scrub(step)
        settle(view, qtbot)
        truth = tickets(carried, step, carried.n_checkpoints - 1)
        assert view.answer.tickets.first == int(carried.epochs[step])
        assert view._places.words.text() == worth_words(worth(truth, "ticket"))[0]
        assert np.allclose(view._frequencies.across, truth.sizes["W_E"][0][view._order - 1], rtol=1e-5)
    assert view._places.counts[0] == len(truth.carriers)  # at the end every neuron holds its own ticket


def test_that_scrubbing_moves_the_cursor_and_draws_nothing_again(
    view: LotteryView, qtbot: QtBot, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(view, qtbot, run)
    calls: list[object] = []
    for name in ("_draw_leaders", "_draw_frequencies", "_draw_neurons"):
        monkeypatch.setattr(view, name, lambda *a: calls.append(a))
    view.session.scrub(3)
    settle(view, qtbot)
    assert not calls
    assert view._strip.epoch_of(view._strip.cursor.value()) == pytest.approx(run.epochs[3])
    assert view._sentence.text().startswith(f"Epoch {run.epochs[3]}: first are W_E ")


@pytest.mark.parametrize(
    ("size", "seen"), [((1000, 640), "LFTP"), ((640, 460), "LFP"), ((420, 420), "LF"), ((420, 280), "L")]
)
def test_that_what_there_is_no_room_for_goes(
    view: LotteryView, qtbot: QtBot, run: Run, size: tuple[int, int], seen: str
) -> None:
    show(view, qtbot, run)
    view.resize(*size)
    parts = {"L": view._strip.widget, "F": view._frequencies, "T": view._neurons, "P": view._places}
    assert "".join(name for name, part in parts.items() if part.isVisible()) == seen
    for what, there in ((LEADERS, "L"), (FREQUENCIES, "F"), (TICKETS, "T"), (PLACES, "P"), (ALL, seen)):
        view._show_what.setCurrentText(what)
        assert "".join(name for name, part in parts.items() if part.isVisible()) == there


def test_that_names_hide_neither_each_other_nor_named_points(view: LotteryView, qtbot: QtBot) -> None:
    assert view.content is not None
    cloud = view._frequencies
    cloud.resize(300, 220)
    x, y = np.array([0.0, 0.5, 0.52, 0.54, 1]), np.array([0.0, 0.5, 0.5, 0.53, 1])
    cloud.show_points(x, y, [QColor("red")] * 5, [8.0] * 5)
    cloud.plot.setRange(xRange=(-0.1, 1.1), yRange=(-0.1, 1.1), padding=0)
    cloud.name({i: (str(i), QColor("red")) for i in range(1, 5)})
    wide, tall = cloud.plot.getViewBox().viewPixelSize()
    middles = []
    for item in (n for n in cloud._names if n.isVisible()):
        size, anchor = item.boundingRect().size(), item.anchor
        middles.append(
            QPointF(
                item.pos().x() / wide + (0.5 - anchor[0]) * size.width(),
                -item.pos().y() / tall + (0.5 - anchor[1]) * size.height(),
            )
        )
    apart = [abs(a.x() - b.x()) + abs(a.y() - b.y()) for i, a in enumerate(middles) for b in middles[:i]]
    assert min(apart) > 8


def test_that_a_task_without_a_basis_says_so(view: LotteryView, qtbot: QtBot, tmp_path: Path) -> None:
    show(view, qtbot, trained(tmp_path / "none.h5", operation="x2xyy2"), keys=None)
    assert "No frequencies to draw" in view._message.text()
    assert "no group operation" in view._message.text()
    assert view.tables(view.answer, view.session.selection) == []


def test_that_tables_hold_sizes_tickets_and_leaders(view: LotteryView, qtbot: QtBot, carried: Run) -> None:
    answer = show(view, qtbot, carried)
    sizes, held, *leaders = view.tables(answer, view.session.selection)
    assert np.array_equal(sizes.columns["votes at the end"], answer.tickets.sizes["votes"][1])
    assert np.array_equal(held.columns["neuron"], answer.tickets.carriers)
    verdict = worth(answer.tickets, "vote")
    assert verdict is not None
    assert np.array_equal(held.columns["place by vote"], verdict.place)
    assert [table.name for table in leaders] == [f"leaders {which}" for which in WHERE]
    said = view.describe(answer, view.session.selection)
    assert "keys 2, 4, chosen by hand" in said
    assert "in the first tenth" in said


def test_that_words_tell_chance_beside_every_number() -> None:
    found = Worth(np.array([1, 2]), 56, 0.1275, 6 / 56, 0.114, 0.196, 0.187)
    assert worth_words(found) == (
        "12.8 % in the first tenth (even 10.7, shuffled 11.4) · 19.6 % had the best of the keys (shuffled 18.7)",
        "12.8 % in the first tenth (even 10.7, shuffled 11.4)",
    )
    assert worth_words(None)[0] == "No neuron carries a frequency yet"
    sizes = {"W_E": np.array([[3.0, 2, 1, 5], [1.0, 0, 9, 2]])}
    none = np.zeros((0, 4))
    drawn = Tickets(0, 9, sizes, none, none, none, np.zeros(0, np.int64), np.zeros(0))
    long, short = rank_words("W_E", drawn, (1, 4))
    assert long == "W_E: keys at place 1.5 of 4 on average (chance 2.5 ± 0.6) · ρ −0.20 (chance ± 1.13)"
    assert short == "keys at place 1.5 of 4 (chance 2.5 ± 0.6)"
    assert rank_words("W_E", drawn, ())[0] == "W_E: ρ −0.20 (chance ± 1.13)"
    assert spread_words(drawn)[0] == "No neuron carries a frequency yet"


def test_that_the_sentence_names_the_leader_everywhere_and_the_lasting_lead() -> None:
    epochs, norm = np.array([0, 10]), np.array([[5.0, 1, 4], [1, 5, 4]])
    rank = np.array([[1, 3, 2], [3, 1, 2]], np.int16)

    def of(since: tuple[int | None, ...]) -> Race:
        return Race("W_E", epochs, norm, rank, None, (2, 3), since, None, None, "")

    races = {"W_E": of((10, 10)), "neurons": of((None, 10))}
    assert leaders_words(races, 10) == (
        "Epoch 10: first are W_E 2, neurons 2 · the keys lead for good from W_E 10, neurons –"
    )
    assert leaders_words(races, 0, short=True) == "Epoch 0: first are W_E 1, neurons 1"
    assert leaders_words(races, 5, short=True) == "Epoch 5 is not measured yet"


def test_that_a_change_of_theme_reaches_strips_and_points(
    view: LotteryView, qtbot: QtBot, qapp: QApplication, run: Run
) -> None:
    show(view, qtbot, run)
    theme.apply(qapp, theme.LIGHT)
    view.change_theme()
    assert QColor(*view._strip._table[2].tolist()) == theme.frequency_colour(2, KEYS, theme.LIGHT)
    i = view._order.tolist().index(2)
    assert view._frequencies.dots.colours[i] == theme.frequency_colour(2, KEYS, theme.LIGHT)
