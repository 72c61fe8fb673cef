"""The heads: pictures, numbers and clicks equal the engine, on every kind of model."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import theme
from app.views.attention import PATTERN, SCORE, AttentionView
from app.views.attention_words import percent
from app.views.head_spectrum import FITS, SCORES, WRITES
from app.views.head_strip import HeadStrip
from app.views.head_tiles import CAPTION, GAP, HeadTiles
from app.views.legend import value_text
from app.views.maps import HeatMap
from engine.analysis.attention import attention_fourier, attention_pattern, attention_scores, value_shares
from engine.analysis.attention_replaced import COSINE, LINE, OWN, replaced
from engine.analysis.characters import characters
from engine.analysis.heads import LATER_LAYER, head_lives, head_picture
from engine.analysis.wall import unwrapping
from engine.runfile import Run
from tests.app.alone import alone, click, settle, trained

KEYS = (2, 4)
LEFT = Qt.MouseButton.LeftButton
DEMONSTRATION = Path(__file__).resolve().parents[2] / "resources" / "demonstration.h5"


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[AttentionView]:
    with alone(AttentionView, qtbot, qapp) as made:
        yield made


def show(view: AttentionView, qtbot: QtBot, run: Run, keys: tuple[int, ...] | None = KEYS) -> None:
    view.session.show_run(run)
    view.session.select(pinned_keys=keys)
    calm(view, qtbot)


def calm(view: AttentionView, qtbot: QtBot) -> None:
    """Everything is drawn and written, the lives too."""
    settle(view, qtbot)
    wanted = view._page.strip.isVisible() and not view.answer.layer

    def there() -> bool:
        resting = view._lives_timer.isActive() or view._rest.isActive()
        return (view._lives.complete or not wanted) and not (resting or view.compute.busy)

    qtbot.waitUntil(there, timeout=20_000)


def order_of(run: Run, head: int) -> np.ndarray:
    """As the axes of a head are unwrapped: by its frequency at the last checkpoint."""
    x = characters(run.config)
    last = run.n_checkpoints - 1
    k = int(attention_fourier(run, last).share[head].argmax()) + 1
    return x.elements[unwrapping(x.n, k)]


def painted(shown: HeatMap) -> np.ndarray:
    return np.asarray(shown.image.image)


def press(widget: object, at: QPoint) -> None:
    QTest.mouseMove(widget, at)  # type: ignore[arg-type]
    QTest.mouseClick(widget, LEFT, pos=at)  # type: ignore[arg-type]


# -- pictures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [0, 1])
def test_that_maps_and_tiles_are_the_engines_in_unwrapped_axes(
    view: AttentionView, qtbot: QtBot, run: Run, head: int
) -> None:
    show(view, qtbot, run)
    view.session.select(head=(0, head))
    order, last = order_of(run, head), run.n_checkpoints - 1
    top = attention_pattern(run, last).pattern[..., 2].max()
    for step in (0, 6, last):
        view.session.scrub(step)
        settle(view, qtbot)
        truth = attention_pattern(run, step).pattern[head]
        for target, limit in ((0, 1.0), (1, 1.0), (2, top)):
            view._target.setCurrentIndex(target)
            expected = np.clip(255 * truth[np.ix_(order, order)][..., target] / limit, 0, 255)
            assert np.abs(painted(view._page.map) - expected).max() <= 1.001
            assert np.abs(view._page.tiles._tiles[head].values - expected).max() <= 1.001
            assert view._page.fit_map.isVisible() == (target < 2)


def test_that_scores_are_signed_and_held_for_the_whole_run(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    view._what.setCurrentText(SCORE)
    order, last = order_of(run, 0), run.n_checkpoints - 1
    top = head_picture(run, last, last, 0).score_limit
    scores = [attention_scores(run, step) for step in range(run.n_checkpoints)]
    assert top == pytest.approx(max(max(np.abs(s.to_a).max(), np.abs(s.to_b).max()) for s in scores))
    for step in (0, last):
        view.session.scrub(step)
        settle(view, qtbot)
        truth = attention_scores(run, step).to_b[0][order]
        view._target.setCurrentText("to b")
        expected = np.broadcast_to(np.clip(255 * (truth + top) / (2 * top), 0, 255), (11, 11))
        assert np.abs(painted(view._page.map) - expected).max() <= 1.001
        assert view._page.map.plot.getPlotItem().getAxis("left").labelText.endswith("·a mod 11")
    view._hold.setChecked(False)
    settle(view, qtbot)
    found = attention_scores(run, last)
    assert view._page.fit_map.bar._range[1] == pytest.approx(float(np.abs(found.to_b).max()))


def test_that_the_fit_stands_beside_the_truth(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    view.session.select(head=(0, 1))
    settle(view, qtbot)
    order, fit = order_of(run, 1), attention_fourier(run, run.n_checkpoints - 1)
    angle = 2 * np.pi * fit.frequency[1] * np.arange(11) / 11 + fit.phase[1]
    wave = fit.amplitude[1] * np.cos(angle)
    expected = np.clip(255 * (0.5 + wave[:, None] - wave[None, :])[np.ix_(order, order)], 0, 255)
    assert np.abs(painted(view._page.fit_map) - expected).max() <= 1.001
    assert view._page.fit_caption.text() == f"one cosine, {percent(float(fit.explained[1]))}"
    amplitude = f"{fit.amplitude[1]:.3f}"
    assert f"0.5 ± {amplitude} (cos w(a + θ) − cos w(b + θ)) explains" in view._page.sentence.text()


def test_that_bars_are_what_is_chosen(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    last, page = run.n_checkpoints - 1, view._page
    truth = attention_fourier(run, last)
    assert page.spectrum.cosines.height == pytest.approx(truth.coefficient[0, 1::2])
    assert page.spectrum.sines.height == pytest.approx(truth.coefficient[0, 2::2])
    assert page.spectrum.cosines._coloured[1] == theme.frequency_colour(2, KEYS)
    view._spectrum.setCurrentText(WRITES)
    settle(view, qtbot)
    assert page.spectrum.cosines.height == pytest.approx(value_shares(run, last, characters(run.config))[0])
    assert not len(page.spectrum.sines.height)
    view._spectrum.setCurrentText(FITS)
    settle(view, qtbot)
    assert page.spectrum.cosines.height == pytest.approx(np.maximum(truth.by_frequency[0], 0))


def test_that_neither_axis_nor_colour_moves_while_scrubbing(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    page = view._page
    boxes = [page.map.plot.getViewBox(), page.fit_map.plot.getViewBox(), page.spectrum.widget.getViewBox()]

    def still() -> list[object]:
        return [[box.viewRange() for box in boxes], page.fit_map.bar._range, page.map.plot.size(), page.tiles.side]

    for what in (PATTERN, SCORE):
        view._what.setCurrentText(what)
        settle(view, qtbot)
        before = still()
        for step in range(run.n_checkpoints):
            view.session.scrub(step)
            settle(view, qtbot)
            assert still() == before


# -- clicks ------------------------------------------------------------------------------------------------------


def test_that_a_head_clicked_anywhere_is_the_head_on_show(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    page, session = view._page, view.session
    view.resize(900, 760)
    calm(view, qtbot)
    assert session.selection.head is None
    assert page.sentence.text().startswith("Head 0:")  # without a choice the first
    press(page.tiles, page.tiles.place_of(1).center())
    settle(view, qtbot)
    assert session.selection.head == (0, 1)
    assert page.sentence.text().startswith("Head 1:")
    assert page.table._shown == page.tiles._shown == page.strip._shown == 1
    press(page.table, page.table.cell_place(0, "fit").center())
    assert session.selection.head == (0, 0)
    assert page.strip.heads == (0, 1)
    press(page.strip, QPoint(3, round(page.strip.band_of(1).center().y())))
    assert session.selection.head == (0, 1)
    page.tiles.setFocus()
    qtbot.keyClick(page.tiles, Qt.Key.Key_Left)
    assert session.selection.head == (0, 0)
    qtbot.keyClick(page.tiles, Qt.Key.Key_Left)  # there is none further left
    assert session.selection.head == (0, 0)


def test_that_a_frequency_clicked_lights_up_and_a_second_click_clears_it(
    view: AttentionView, qtbot: QtBot, run: Run
) -> None:
    show(view, qtbot, run)
    page, session = view._page, view.session
    k = int(attention_fourier(run, run.n_checkpoints - 1).share[1].argmax()) + 1
    press(page.tiles, page.tiles.frequency_place(1).center())
    settle(view, qtbot)
    assert (session.selection.frequency, session.selection.head) == (k, None)
    assert page.spectrum.wash.k == k
    press(page.table, page.table.cell_place(1, "k").center())
    assert session.selection.frequency is None
    click(page.spectrum.widget, 3, 0)
    qtbot.waitUntil(lambda: session.selection.frequency == 3)
    assert page.spectrum.cosines._coloured[2].name() == theme.current().accent  # selected, and no key
    click(page.spectrum.widget, 3, 0)
    qtbot.waitUntil(lambda: session.selection.frequency is None)
    assert not page.spectrum.wash.isVisible()


def test_that_a_cell_clicked_is_the_pair_and_marked_in_every_map(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    page, session = view._page, view.session
    order, other = order_of(run, 0).tolist(), order_of(run, 1).tolist()
    for shown in (page.map, page.fit_map):
        click(shown.plot, 7, 2)
        qtbot.waitUntil(lambda: session.selection.pair == (order[2], order[7]))
        assert page.map.marked == page.fit_map.marked == page.tiles._tiles[0].cell == (2, 7)
        assert page.tiles._tiles[1].cell == (other.index(order[2]), other.index(order[7]))
        click(shown.plot, 7, 2)
        qtbot.waitUntil(lambda: session.selection.pair is None)


def test_that_values_under_the_pointer_are_the_engines(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    view.session.scrub(5)
    calm(view, qtbot)
    page, pattern = view._page, attention_pattern(run, 5).pattern
    order = order_of(run, 1).tolist()
    place = page.tiles.place_of(1)
    at = place.topLeft() + QPoint(round(3.5 / 11 * place.width()), round(8.5 / 11 * place.height()))
    QTest.mouseMove(page.tiles, at)
    qtbot.waitUntil(lambda: view.value.startswith("head 1"))
    a, b = order[8], order[3]
    assert view.value.startswith(f"head 1 · a = {a}, b = {b} · to a {pattern[1, a, b, 0]:.4g} · fit ")
    order = order_of(run, 0).tolist()
    view._map_hovered((4, 9))
    assert view.value.startswith(f"a = {order[4]}, b = {order[9]} · to a {pattern[0, order[4], order[9], 0]:.4g} · fit")
    page.spectrum.hovered.emit(page.spectrum._text(2))
    truth = attention_fourier(run, 5)
    cosine, sine = truth.coefficient[0, 3], truth.coefficient[0, 4]
    expected = f"k = 2 · cos {cosine:.4g} · sin {sine:.4g} · {percent(truth.share[0, 1], 2)} of Cⱼ"
    assert view.value == expected.replace("-", "−")


# -- numbers -----------------------------------------------------------------------------------------------------


def test_that_the_table_is_the_engines(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    for step in (0, 7, run.n_checkpoints - 1):
        view.session.scrub(step)
        calm(view, qtbot)
        truth, mean = attention_fourier(run, step), attention_pattern(run, step).mean
        shares = value_shares(run, step, characters(run.config))
        for head, row in enumerate(view._page.table._rows):
            k = int(truth.share[head].argmax()) + 1
            good = truth.explained[head] > 0
            assert row.texts["k"] == str(k)
            assert row.texts["share"] == f"{100 * truth.share[head].max():.2f} %"
            assert row.texts["writes"] == f"{100 * shares[head, k - 1]:.0f} %"
            assert row.texts["fit"] == (f"{100 * truth.explained[head]:.1f} %" if good else "—")
            assert row.texts["amplitude"] == (f"{truth.amplitude[head]:.3f}" if good else "—")
            degrees = f"{np.degrees(truth.phase[head]):.0f}°".replace("-", "−").replace("−0°", "0°")
            assert row.texts["phase"] == (degrees if good else "—")
            assert row.texts["a"] == f"{mean[head, 0]:.3f}"
            assert row.texts["="] == f"{100 * mean[head, 2]:.2f} %"


def test_that_losses_of_simpler_patterns_wait_their_turn_and_are_exact(
    view: AttentionView, qtbot: QtBot, run: Run
) -> None:
    show(view, qtbot, run)
    view.session.scrub(4)
    qtbot.waitUntil(lambda: not view.waiting)
    if not view.losses:
        assert "…" in view._page.losses.text()
    qtbot.waitUntil(lambda: set(view.losses) == {OWN, LINE, COSINE})
    own, line, cosine = (value_text(replaced(run, 4, how).loss) for how in (OWN, LINE, COSINE))
    assert view._page.losses.text() == (
        f"Loss over all pairs {own} · with a line for the sigmoid of every head {line}, with one cosine each {cosine}"
    )


def test_that_lives_are_every_checkpoint_and_a_click_goes_there(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    strip, truth = view._page.strip, head_lives(run, 0, run.n_checkpoints)
    known = view._lives.known
    assert known.epochs.tolist() == run.epochs.tolist()
    assert np.array_equal(known.frequency, truth.frequency)
    assert np.array_equal(known.share, truth.share)
    assert np.array_equal(known.explained, truth.explained)
    press(strip, QPoint(round(strip.place_of(3)), 8))
    assert view.session.selection.step == 3
    QTest.mouseMove(strip, QPoint(round(strip.place_of(5)), 8))
    qtbot.waitUntil(lambda: view.value.startswith("epoch"))
    share = percent(float(truth.share[5, 0]))
    assert view.value.startswith(f"epoch {run.epochs[5]} · head 0 · k = {truth.frequency[5, 0]}, {share} of Cⱼ")


def test_that_lives_go_on_with_a_run_that_grows(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    view.session.show_run(run)
    view.session.select(pinned_keys=KEYS, n_checkpoints=5, step=4)
    qtbot.waitUntil(lambda: view.answer is not None and len(view._lives.known.epochs) == 5)
    view.session.grow(run, run.n_checkpoints)
    qtbot.waitUntil(lambda: view._lives.complete and len(view._lives.known.epochs) == run.n_checkpoints)
    assert np.array_equal(view._lives.known.share, head_lives(run, 0, run.n_checkpoints).share)


def test_that_a_bar_of_the_strip_is_as_high_as_its_share(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    strip, known = view._page.strip, view._lives.known
    image = strip.grab().toImage()
    for step in (2, 9, run.n_checkpoints - 2):
        band, k = strip.band_of(1), int(known.frequency[step, 1])
        x, wide = round(strip.place_of(step)), theme.frequency_colour(k, KEYS).name()
        column = [image.pixelColor(x, y).name() for y in range(int(band.top()), int(band.bottom()))]
        high = known.share[step, 1] * band.height()
        assert column.count(wide) == pytest.approx(high, abs=3)  # the line of the fit crosses it


def test_that_tables_hold_the_numbers(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    view.session.select(head=(0, 1))
    calm(view, qtbot)
    last = run.n_checkpoints - 1
    truth, pattern = attention_fourier(run, last), attention_pattern(run, last).pattern
    found = {table.name: table.columns for table in view.tables(view.answer, view.session.selection)}
    assert list(found) == ["heads", "pattern-of-head-1", "coefficients", "lives", "losses"]
    assert found["heads"]["share of C_j at k"] == pytest.approx(truth.share.max(axis=1))
    assert found["heads"]["phase w theta (degrees)"] == pytest.approx(np.degrees(truth.phase))
    assert found["pattern-of-head-1"]["attention to b"] == pytest.approx(pattern[1, ..., 1].ravel())
    assert found["coefficients"]["C_j of head 0"] == pytest.approx(truth.coefficient[0])
    assert found["losses"]["loss, all pairs (nats)"][1] == replaced(run, last, LINE).loss
    assert "Head 1" in view.describe(view.answer, view.session.selection)


# -- kinds of models ---------------------------------------------------------------------------------------------


def test_that_a_head_is_of_a_layer_and_later_layers_claim_no_coefficients(
    view: AttentionView, qtbot: QtBot, tmp_path: Path
) -> None:
    run = trained(tmp_path / "two.h5", n_layers=2)
    show(view, qtbot, run)
    page = view._page
    assert view._layer.count() == 2
    assert "first layer" not in page.losses.text()
    view._layer.setCurrentIndex(1)
    view._layer.activated.emit(1)
    calm(view, qtbot)
    assert view.session.selection.head == (1, 0)
    last = run.n_checkpoints - 1
    truth = attention_pattern(run, last, 1)
    assert painted(page.map).shape == (11, 11)
    assert [row.texts["a"] for row in page.table._rows] == [f"{mean:.3f}" for mean in truth.mean[:, 0]]
    assert all("share" not in row.texts for row in page.table._rows)
    assert page.strip._trouble == LATER_LAYER
    assert view._subtitle.text().startswith("layer 1, read at = ·")
    fit = head_picture(run, last, last, 1, exact=True).fit
    assert fit is not None
    assert page.spectrum.cosines.height == pytest.approx(np.maximum(fit.by_frequency[0], 0), abs=1e-4)
    view._what.setCurrentText(SCORE)
    calm(view, qtbot)
    assert "scores are means" in view._subtitle.text()
    assert not page.fit_map.isVisible()
    scores = attention_scores(run, last, 1).to_a[0]
    top = view.answer.score_limit
    natural = view._order(view.answer, 0)
    assert painted(page.map)[:, 0] == pytest.approx(255 * (scores[natural] + top) / (2 * top), abs=1.1)
    view._tile_hovered((1, 0, 0))
    assert view.value.startswith("head 1 · ")


def test_that_a_task_without_a_basis_still_shows_where_heads_look(
    view: AttentionView, qtbot: QtBot, tmp_path: Path
) -> None:
    run = trained(tmp_path / "none.h5", operation="x2xyy2")
    show(view, qtbot, run, keys=None)
    page = view._page
    truth = attention_pattern(run, run.n_checkpoints - 1)
    assert np.abs(painted(page.map) - 255 * truth.pattern[0, ..., 0]).max() <= 1.001
    assert "no group operation" in page.strip._trouble
    assert not page.fit_map.isVisible()
    assert not page.spectrum.widget.isVisible()
    assert page.sentence.text() == "Head 0, on average " + " · ".join(
        f"to {name} {percent(float(truth.mean[0, i]))}" for i, name in enumerate(("a", "b", "="))
    )
    assert all("k" not in row.texts for row in page.table._rows)
    assert set(view.losses) == {OWN, LINE}
    assert "with one cosine" not in page.losses.text()
    press(page.tiles, page.tiles.place_of(1).center())
    assert view.session.selection.head == (0, 1)


def test_that_products_are_told_in_logarithms(view: AttentionView, qtbot: QtBot, tmp_path: Path) -> None:
    run = trained(tmp_path / "times.h5", operation="multiply")
    show(view, qtbot, run, keys=(1, 5))
    page = view._page
    assert page.map.plot.getPlotItem().getAxis("left").labelText.endswith("·log a mod 10")
    assert painted(page.map).shape == (10, 10)
    assert "cos w(log a + θ)" in page.sentence.text() or "no cosine" in page.sentence.text()
    assert len(page.spectrum.cosines.height) == 5
    assert page.spectrum.sines.height[-1] == 0  # k = n / 2
    view.session.select(pair=(0, 3))
    settle(view, qtbot)
    assert page.map.marked is None  # zero has no logarithm
    view._natural.setChecked(True)
    settle(view, qtbot)
    assert (painted(page.map).shape, page.map.marked) == ((11, 11), (0, 3))
    assert np.array_equal(painted(page.fit_map)[0], np.zeros(11))


def test_that_natural_order_says_what_its_tiles_cannot_show(view: AttentionView, qtbot: QtBot) -> None:
    run = Run.open(DEMONSTRATION, probe=False)
    view.tracing.paused = True
    view.session.show_run(run)
    qtbot.waitUntil(lambda: view.answer is not None)
    assert "natural" not in view._subtitle.text()
    view._natural.setChecked(True)
    side = view._page.tiles.side
    assert side < 113
    assert view._subtitle.text().startswith(f"⚠ natural order: {side} pixels show no k above {side // 2}")


def test_that_only_keys_are_coloured(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    ks = [tile.k for tile in view._page.tiles._tiles]
    view.session.select(pinned_keys=tuple(sorted(set(range(1, 6)) - set(ks)))[:1])
    calm(view, qtbot)
    other = theme.current().other_frequency
    assert {tile.colour.name() for tile in view._page.tiles._tiles} == {other}
    assert {row.colour.name() for row in view._page.table._rows} == {other}


# -- room --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 8, 12, 16])
@pytest.mark.parametrize("room", [QSize(380, 200), QSize(160, 420), QSize(300, 300), QSize(700, 90)])
def test_that_tiles_fit_their_room(n: int, room: QSize) -> None:
    columns, side = HeadTiles.grid(room, n)
    needed = HeadTiles.needed(n, columns, side)
    assert columns <= n
    if side > 36:
        assert needed.width() <= room.width()
        assert needed.height() <= room.height()
    assert needed.height() == -(-n // columns) * (side + GAP + CAPTION) - GAP + 4


@pytest.mark.parametrize("size", [(340, 260), (420, 320), (520, 430), (760, 600), (1100, 860), (1400, 500)])
def test_that_what_is_on_show_is_inside_and_apart(
    view: AttentionView, qtbot: QtBot, run: Run, size: tuple[int, int]
) -> None:
    view.resize(*size)
    show(view, qtbot, run)
    page = view._page
    parts = [page.sentence, page.losses, page.tiles, page.map, page.fit_map, page.spectrum.widget, page.table,
             page.choices, page.strip]  # fmt: skip
    for what in ("map", "spectrum", "table"):
        if page.choices.isVisible():
            page.choices.panels[what].click()
        there = [part.geometry() for part in parts if part.isVisible()]
        assert sum(part.isVisible() for part in (page.map, page.spectrum.widget, page.table)) >= 1
        for i, one in enumerate(there):
            assert page.rect().contains(one), (what, parts[i])
            assert not any(one.intersects(other) for other in there[:i])


def test_that_in_a_small_view_the_panels_take_turns(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    view.resize(420, 320)
    show(view, qtbot, run)
    page = view._page

    def seen() -> tuple[bool, bool, bool]:
        return page.map.isVisible(), page.spectrum.widget.isVisible(), page.table.isVisible()

    assert seen() == (True, False, False)
    qtbot.mouseClick(page.choices.panels["spectrum"], LEFT)
    assert seen() == (False, True, False)
    assert page.spectrum.cosines.height == pytest.approx(
        attention_fourier(run, run.n_checkpoints - 1).coefficient[0, 1::2]
    )
    qtbot.mouseClick(page.choices.panels["table"], LEFT)
    assert seen() == (False, False, True)
    assert len(page.table._rows) == 2
    qtbot.mouseClick(page.choices.panels["map"], LEFT)
    qtbot.mouseClick(page.choices.fit, LEFT)
    assert (page.map.isVisible(), page.fit_map.isVisible()) == (False, True)
    assert painted(page.fit_map).shape == (11, 11)
    assert page.strip.heads == (0,)
    assert page.strip.height() == HeadStrip.ALONE


def test_that_everything_has_a_name_for_those_who_do_not_see_it(view: AttentionView, qtbot: QtBot, run: Run) -> None:
    show(view, qtbot, run)
    page = view._page
    for box in (view._what, view._target, view._spectrum, view._layer, view._natural, view._hold):
        assert box.accessibleName()
    for part in (page.tiles, page.table, page.strip, page.map, page.fit_map):
        assert part.accessibleName()
    ks = [tile.k for tile in page.tiles._tiles]
    assert all(f"head {i}, k {k}" in page.tiles.accessibleDescription() for i, k in enumerate(ks))
    assert "head 1, k" in page.table.accessibleDescription()
    at = page.table.cell_place(0, "writes").center()
    assert "W_E W_V W_O" in page.table.tip_at(at.toPointF())
    assert "Correlation of its attention to a" in page.table.tip_at(at.toPointF())
    assert SCORES in view._spectrum.toolTip()
