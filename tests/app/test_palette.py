"""The palette: found by letters, run by keys and clicks, and places that exist or say what does."""

import itertools
import random
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QListView, QMainWindow
from pytestqt.qtbot import QtBot

from app import theme
from app.commands import Command, fuzzy, key_caps
from app.palette import CommandPalette, Row, interpret_selection, rows
from app.session import Session
from app.shortcuts import Gesture, ShortcutSheet
from engine.runfile import Run

LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key


def command(text: str, group: str = "", keys: str = "", enabled: bool = True) -> Command:
    return Command(text, lambda: None, keys, group, enabled)


MENU = [
    command("Open run …", "File", "Ctrl+O"), command("Open the demonstration", "File"),
    command("Previous run", "File", "Ctrl+P", enabled=False), command("Play or pause", "Playback", "Space"),
    command("Last checkpoint", "Playback", "End"), command("Loss & progress", "View"), command("Neurons", "View"),
    command("Neuron", "View"), command("Logits", "View"), command("One neuron", "Layout", "3"),
    command("Close all", "View"),
]  # fmt: skip


# -- matching --------------------------------------------------------------------------------------------------


def best(query: str) -> list[str]:
    return [row.command.text for row in rows(MENU, query, [], []) if row.command is not None]


def test_that_a_few_letters_find_the_command_meant_first() -> None:
    assert best("loss")[0] == "Loss & progress"
    assert best("lp")[0] == "Loss & progress"
    assert best("neur")[:3] == ["Neuron", "Neurons", "One neuron"]
    assert best("otd")[0] == "Open the demonstration"
    assert best("PLAY")[0] == "Play or pause"
    assert best("xyz") == []


def test_that_the_group_helps_to_find() -> None:
    assert best("layout neuron")[0] == "One neuron"
    assert best("view neuron")[:2] == ["Neuron", "Neurons"]
    assert set(best("playb")) == {"Play or pause", "Last checkpoint"}
    match = fuzzy("layout neuron", command("One neuron", "Layout"))
    assert match is not None
    assert match.group == frozenset(range(6))
    assert match.text == frozenset(range(4, 10))


def test_that_marked_letters_are_the_query_in_its_order() -> None:
    draw = random.Random(3)
    tried = 0
    for _ in range(400):
        text = "".join(draw.choice("abc -") for _ in range(draw.randint(1, 9)))
        query = "".join(draw.choice("abc") for _ in range(draw.randint(1, 4)))
        ways = [p for p in itertools.combinations(range(len(text)), len(query)) if "".join(text[i] for i in p) == query]
        match = fuzzy(query, command(text))
        assert (match is not None) == bool(ways), (query, text)
        if match is not None:
            tried += 1
            assert tuple(sorted(match.text)) in ways
    assert tried > 50


def test_that_the_best_way_of_all_is_marked() -> None:
    """Against trying every way."""

    def points(text: str, places: tuple[int, ...]) -> float:
        starts = {i for i, c in enumerate(text) if c.isalnum() and (i == 0 or not text[i - 1].isalnum())}
        total = 10.0 * len(starts & set(places)) - min(places[0], 6) / 2
        return total + sum(8 if b == a + 1 else -min(b - a, 6) for a, b in itertools.pairwise(places))

    draw = random.Random(5)
    for _ in range(300):
        text = "".join(draw.choice("ab ") for _ in range(draw.randint(2, 10)))
        query = "".join(draw.choice("ab") for _ in range(draw.randint(1, 4)))
        ways = [p for p in itertools.combinations(range(len(text)), len(query)) if "".join(text[i] for i in p) == query]
        match = fuzzy(query, command(text))
        if match is not None:
            assert points(text, tuple(sorted(match.text))) == max(points(text, way) for way in ways), (query, text)


def test_that_an_empty_line_lists_what_was_used_last_first() -> None:
    listed = rows(MENU, "  ", ["View/Neuron", "File/gone", "View/Logits"], [])
    texts = [row.caption if row.command is None else row.command.text for row in listed]
    assert texts[:5] == ["Used last", "Neuron", "Logits", "All commands", "Open run …"]
    assert len(texts) == len(MENU) + 2
    assert rows(MENU, "", [], []) == [Row(c) for c in MENU]


def test_that_keys_are_named_as_on_a_keyboard() -> None:
    assert key_caps("Ctrl+Shift+S") == ["Ctrl", "Shift", "S"]
    assert key_caps("Ctrl++") == ["Ctrl", "+"]
    assert key_caps("+") == ["+"]
    assert key_caps("⇧⌘S") == ["⇧", "⌘", "S"]
    assert key_caps("PgDown") == ["Page ↓"]
    assert key_caps("") == []


# -- places ----------------------------------------------------------------------------------------------------


@pytest.fixture
def session(run: Run) -> Session:
    made = Session()
    made.show_run(run)
    return made


def run_first(session: Session, text: str) -> None:
    first = interpret_selection(session, text)[0]
    assert first.enabled, first.text
    first.run()


@pytest.mark.parametrize("text", ["60", "epoch 60", "Epoch: 60", "e60", "epoch 61", "epoch=58"])
def test_that_an_epoch_goes_to_its_nearest_checkpoint(session: Session, run: Run, text: str) -> None:
    run_first(session, text)
    assert session.selection.epoch == 60


def test_that_an_epoch_between_checkpoints_says_where_it_leads(session: Session) -> None:
    texts = [c.text for c in interpret_selection(session, "epoch 61")]
    assert texts == ["Go to epoch 60, the checkpoint nearest to 61"]


@pytest.mark.parametrize("text", ["k 3", "k3", "K = 3", "frequency 3", "freq 3"])
def test_that_a_frequency_is_selected(session: Session, text: str) -> None:
    run_first(session, text)
    assert session.selection.frequency == 3


@pytest.mark.parametrize("text", ["neuron 12", "n 12", "neuron #12"])
def test_that_a_neuron_is_selected(session: Session, text: str) -> None:
    run_first(session, text)
    assert session.selection.neurons == ((0, 12),)


@pytest.mark.parametrize("text", ["head 1", "h 1", "Head 1"])
def test_that_a_head_is_selected(session: Session, text: str) -> None:
    run_first(session, text)
    assert session.selection.head == (0, 1)


@pytest.mark.parametrize("text", ["3 5", "3,5", "3, 5", "3 + 5", "pair 3,5", "pair 3 5", "p 3 5"])
def test_that_a_pair_is_selected(session: Session, text: str) -> None:
    run_first(session, text)
    assert session.selection.pair == (3, 5)


def test_that_a_checkpoint_is_counted_as_beside_the_slider(session: Session, run: Run) -> None:
    run_first(session, "checkpoint 12")
    assert session.selection.step == 11
    run_first(session, f"checkpoint {run.n_checkpoints}")
    assert session.selection.step == run.n_checkpoints - 1


def test_that_a_bare_number_offers_all_it_may_mean(session: Session) -> None:
    assert [c.text for c in interpret_selection(session, "5")] == [
        "Go to epoch 5", "Select frequency k = 5", "Select neuron 5", "Go to checkpoint 5, epoch 20",
    ]  # fmt: skip
    assert [c.text for c in interpret_selection(session, "23")][1:] == ["Select neuron 23"]


WRONG = {
    "epoch 201": "Epoch: from 0 to 200",
    "epoch -1": "Epoch: from 0 to 200",
    "9400": "Epoch: from 0 to 200",
    "epoch": "Epoch: from 0 to 200",
    "neuron 24": "Neuron: from 0 to 23",
    "neuron -1": "Neuron: from 0 to 23",
    "neuron 1.5": "Neuron: from 0 to 23",
    "neuron": "Neuron: from 0 to 23",
    "neuron 3 1": "Neuron: from 0 to 23",
    "head 2": "Head: from 0 to 1",
    "head": "Head: from 0 to 1",
    "head 1 0": "Head: from 0 to 1",
    "k 0": "Frequency k: from 1 to 5",
    "k 6": "Frequency k: from 1 to 5",
    "pair 3 11": "Pair a, b: a and b from 0 to 10",
    "3 11": "Pair a, b: a and b from 0 to 10",
    "pair 3": "Pair a, b: a and b from 0 to 10",
    "checkpoint 0": "Checkpoint: from 1 to 17",
    "checkpoint 18": "Checkpoint: from 1 to 17",
    "neuron " + "9" * 500: "Neuron: from 0 to 23",
}


@pytest.mark.parametrize("text", WRONG)
def test_that_a_wrong_value_tells_the_allowed_range_and_does_nothing(session: Session, text: str) -> None:
    before = session.selection
    found = interpret_selection(session, text)
    assert [(c.text, c.enabled) for c in found] == [(WRONG[text], False)]
    found[0].run()
    assert session.selection == before


@pytest.mark.parametrize("text", ["", " ", "loss", "neurons wall", "k x", "3 5 7", "neuron twelve", "(", "1e5x", "٣x"])
def test_that_what_is_no_place_is_left_to_the_commands(session: Session, text: str) -> None:
    assert interpret_selection(session, text) == []


def test_that_thousands_may_be_written_as_they_are_read(session: Session, run: Run) -> None:
    session.select(n_checkpoints=run.n_checkpoints)
    for text in ("epoch 9 400", "epoch 9,400", "epoch 9\u202f400"):
        assert [c.text for c in interpret_selection(session, text)] == ["Epoch: from 0 to 200"]
    assert [c.text for c in interpret_selection(session, "3 105")] == [WRONG["3 11"], WRONG["epoch"]]


def test_that_a_layer_can_be_named_and_is_the_last_one_otherwise(session: Session, run: Run) -> None:
    run.config = replace(run.config, n_layers=2)
    run_first(session, "neuron 12")
    assert session.selection.neurons == ((1, 12),)
    run_first(session, "neuron 12 of layer 0")
    assert session.selection.neurons == ((0, 12),)
    assert interpret_selection(session, "neuron 12/2")[0].text == "Neuron: from 0 to 23, of layer 0 to 1"
    run_first(session, "head 1")  # the first layer is the one whose scores have frequencies
    assert session.selection.head == (0, 1)
    run_first(session, "head 1 of layer 1")
    assert session.selection.head == (1, 1)
    assert interpret_selection(session, "head 1/2")[0].text == "Head: from 0 to 1, of layer 0 to 1"


def test_that_division_has_no_pair_with_zero(session: Session, run: Run) -> None:
    run.config = replace(run.config, operation="divide")
    assert interpret_selection(session, "3 0")[0].text == "Pair a, b: a from 0 to 10, b from 1 to 10"
    assert interpret_selection(session, "0 3")[0].enabled


def test_that_without_a_run_a_place_says_so() -> None:
    empty = Session()
    found = interpret_selection(empty, "9400")
    assert [c.enabled for c in found] == [False]
    assert "Open a run first" in found[0].text
    assert interpret_selection(empty, "neuron") == []


# -- the widget ------------------------------------------------------------------------------------------------


class Host(QMainWindow):
    """A window with shortcuts that must not fire while the palette has the keyboard."""

    def __init__(self) -> None:
        super().__init__()
        self.fired: list[str] = []
        self.line = QLineEdit("before")
        self.setCentralWidget(self.line)
        for keys in ("Home", "End", "PgUp", "PgDown", "Up", "Down", "Space", "F", "1", "Esc", "Return"):
            action = QAction(keys, self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(lambda _=False, k=keys: self.fired.append(k))
            self.addAction(action)


@pytest.fixture
def host(qtbot: QtBot, qapp: QApplication) -> Host:
    theme.apply(qapp, theme.DARK)
    made = Host()
    qtbot.addWidget(made)
    made.resize(900, 600)
    with qtbot.waitExposed(made):
        made.show()
    made.activateWindow()
    made.line.setFocus()
    return made


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def menu(done: list[str]) -> list[Command]:
    def make(text: str, group: str, enabled: bool = True) -> Command:
        return Command(text, lambda: done.append(text), "", group, enabled)

    return [make("Alpha", "A"), make("Beta", "A", enabled=False), *(make(f"Gamma {i}", "B") for i in range(30))]


@pytest.fixture
def palette(host: Host, settings: QSettings) -> CommandPalette:
    return CommandPalette(host, settings)


def edit(palette: CommandPalette) -> QLineEdit:
    found = palette.findChild(QLineEdit, "palette.text")
    assert found is not None
    return found


def listed(palette: CommandPalette) -> QListView:
    found = palette.findChild(QListView, "palette.list")
    assert found is not None
    return found


def current(palette: CommandPalette) -> str:
    return str(listed(palette).currentIndex().data()).split(",")[0]


def test_that_it_opens_at_the_top_in_the_middle_with_the_keyboard(
    palette: CommandPalette, host: Host, menu: list[Command], qtbot: QtBot
) -> None:
    palette.open(menu)
    assert palette.isVisible()
    assert edit(palette).hasFocus()
    frame = edit(palette).parentWidget()
    assert frame is not None
    left, right = frame.x(), host.width() - frame.geometry().right() - 1
    assert abs(left - right) <= 1
    assert 0 < frame.y() < host.height() / 5
    host.resize(420, 320)
    qtbot.waitUntil(lambda: palette.size() == host.size())
    assert host.rect().contains(frame.geometry())


def test_that_every_key_moves_as_it_should(
    palette: CommandPalette, host: Host, menu: list[Command], qtbot: QtBot
) -> None:
    palette.open(menu)
    seen = [current(palette)]
    for key in (Key.Key_Down, Key.Key_Down, Key.Key_Up, Key.Key_End, Key.Key_Down, Key.Key_Up, Key.Key_Home,
                Key.Key_Tab, Key.Key_Backtab):  # fmt: skip
        qtbot.keyClick(edit(palette), key)
        seen.append(current(palette))
    assert seen == [
        "Alpha", "Gamma 0", "Gamma 1", "Gamma 0", "Gamma 29", "Alpha", "Gamma 29", "Alpha", "Gamma 0", "Alpha",
    ]  # fmt: skip
    qtbot.keyClick(edit(palette), Key.Key_PageDown)
    page = current(palette)
    assert page.startswith("Gamma ")
    assert page not in ("Gamma 0", "Gamma 29")
    qtbot.keyClick(edit(palette), Key.Key_PageUp)
    assert current(palette) == "Alpha"
    assert host.fired == []


def test_that_typing_space_and_digits_stays_in_the_line(
    palette: CommandPalette, host: Host, menu: list[Command], qtbot: QtBot
) -> None:
    palette.open(menu)
    qtbot.keyClicks(edit(palette), "gamma 1f")
    assert edit(palette).text() == "gamma 1f"
    assert host.fired == []


def test_that_enter_closes_gives_the_keyboard_back_and_runs(
    palette: CommandPalette, host: Host, menu: list[Command], qtbot: QtBot, done: list[str]
) -> None:
    open_then: list[bool] = []
    watching = [*menu, Command("Look", lambda: open_then.append(palette.isVisible()))]
    palette.open(watching)
    qtbot.keyClicks(edit(palette), "gamma 7")
    qtbot.keyClick(edit(palette), Key.Key_Return)
    assert done == ["Gamma 7"]
    assert not palette.isVisible()
    assert host.line.hasFocus()
    palette.open(watching)
    qtbot.keyClicks(edit(palette), "look")
    qtbot.keyClick(edit(palette), Key.Key_Enter)
    assert open_then == [False]
    assert host.fired == []


def test_that_escape_and_a_click_beside_it_close_it_and_run_nothing(
    palette: CommandPalette, host: Host, menu: list[Command], qtbot: QtBot, done: list[str]
) -> None:
    palette.open(menu)
    qtbot.keyClick(edit(palette), Key.Key_Escape)
    assert not palette.isVisible()
    assert host.line.hasFocus()
    palette.open(menu)
    qtbot.mouseClick(palette, LEFT, pos=QPoint(5, host.height() - 5))
    assert not palette.isVisible()
    assert (done, host.fired) == ([], [])


def test_that_a_click_runs_and_a_greyed_line_does_not(
    palette: CommandPalette, menu: list[Command], qtbot: QtBot, done: list[str]
) -> None:
    palette.open(menu)
    view = listed(palette)
    for i in (1, 3):
        qtbot.mouseClick(view.viewport(), LEFT, pos=view.visualRect(view.model().index(i, 0)).center())
        assert palette.isVisible() == (i == 1)
    assert done == ["Gamma 1"]
    palette.open(menu)
    qtbot.keyClicks(edit(palette), "beta")
    assert view.model().rowCount() == 1
    qtbot.keyClick(edit(palette), Key.Key_Return)
    assert palette.isVisible()
    assert done == ["Gamma 1"]


def test_that_the_line_under_the_pointer_is_the_chosen_one(
    palette: CommandPalette, menu: list[Command], qtbot: QtBot
) -> None:
    palette.open(menu)
    view = listed(palette)
    for i, text in ((3, "Gamma 1"), (1, "Gamma 1"), (4, "Gamma 2")):
        qtbot.mouseMove(view.viewport(), view.visualRect(view.model().index(i, 0)).center())
        qtbot.waitUntil(lambda text=text: current(palette) == text)


def test_that_what_was_used_last_comes_first_next_time(
    palette: CommandPalette, host: Host, menu: list[Command], qtbot: QtBot, settings: QSettings
) -> None:
    for text in ("gamma 3", "gamma 4", "gamma 3"):
        palette.open(menu)
        qtbot.keyClicks(edit(palette), text)
        qtbot.keyClick(edit(palette), Key.Key_Return)
    settings.sync()
    again = CommandPalette(host, QSettings(settings.fileName(), QSettings.Format.IniFormat))
    again.open(menu)
    assert again.recent() == ["B/Gamma 3", "B/Gamma 4"]
    assert current(again) == "Gamma 3"
    qtbot.keyClick(edit(again), Key.Key_Down)
    assert current(again) == "Gamma 4"


def test_that_one_remembered_command_is_read_back(palette: CommandPalette, settings: QSettings) -> None:
    settings.setValue("palette/recent", "B/Gamma 3")
    assert palette.recent() == ["B/Gamma 3"]


def test_that_places_go_through_the_session(
    palette: CommandPalette, host: Host, menu: list[Command], qtbot: QtBot, session: Session
) -> None:
    palette.open(menu, lambda text: interpret_selection(session, text))
    qtbot.keyClicks(edit(palette), "neuron 12")
    qtbot.keyClick(edit(palette), Key.Key_Return)
    assert session.selection.neurons == ((0, 12),)
    assert palette.recent() == []
    palette.open(menu, lambda text: interpret_selection(session, text))
    qtbot.keyClicks(edit(palette), "neuron 99")
    assert listed(palette).model().index(0, 0).data() == "Neuron: from 0 to 23, not available now"
    qtbot.keyClick(edit(palette), Key.Key_Return)
    assert palette.isVisible()
    assert session.selection.neurons == ((0, 12),)


def test_that_nothing_found_is_said(palette: CommandPalette, menu: list[Command], qtbot: QtBot) -> None:
    palette.open(menu)
    qtbot.keyClicks(edit(palette), "xyz")
    assert any(text.isVisible() and "xyz" in text.text() for text in palette.findChildren(QLabel))
    assert not listed(palette).isVisible()
    qtbot.keyClick(edit(palette), Key.Key_Return)
    qtbot.keyClick(edit(palette), Key.Key_Down)
    assert palette.isVisible()


def test_that_screen_readers_find_names(palette: CommandPalette, menu: list[Command]) -> None:
    palette.open([command("Open", "File", "Ctrl+O"), command("Undo", "Edit", enabled=False)])
    assert edit(palette).accessibleName()
    assert listed(palette).accessibleName()
    model = listed(palette).model()
    role = Qt.ItemDataRole.AccessibleTextRole
    assert [model.index(i, 0).data(role) for i in range(2)] == ["Open, File, Ctrl+O", "Undo, Edit, not available now"]


# -- the sheet -------------------------------------------------------------------------------------------------


def words(sheet: ShortcutSheet) -> list[str]:
    return [made.text() for made in sheet.findChildren(QLabel) if made.text()]


def test_that_the_sheet_shows_every_command_with_keys_and_every_gesture(qtbot: QtBot, host: Host) -> None:
    sheet = ShortcutSheet(MENU, host, [Gesture("Add to the selection", "Ctrl + click", "Mouse")])
    qtbot.addWidget(sheet)
    sheet.open()
    shown = words(sheet)
    for each in MENU:
        assert (each.text.rstrip(" …") in shown) == bool(each.keys), each.text
    assert {"File", "Playback", "Mouse", "Add to the selection", "click", "Space", "Ctrl"} <= set(shown)
    assert "View" not in shown, "a group without keys"


@pytest.mark.parametrize("key", [Key.Key_Escape, Key.Key_F1])
def test_that_keys_close_the_sheet_and_nothing_is_left_of_it(qtbot: QtBot, host: Host, key: Qt.Key) -> None:
    sheet = ShortcutSheet(MENU, host)
    sheet.open()
    with qtbot.waitSignal(sheet.finished):
        qtbot.keyClick(sheet, key)
    qtbot.waitUntil(lambda: not host.findChildren(ShortcutSheet))


def test_that_the_sheet_has_two_columns_where_there_is_room_and_one_where_not(qtbot: QtBot, host: Host) -> None:
    sheet = ShortcutSheet([command(f"Do {g} {i}", f"Group {g}", f"F{i + 1}") for g in "abcd" for i in range(4)], host)
    qtbot.addWidget(sheet)
    sheet.open()

    def places() -> list[tuple[int, int, str]]:
        groups = [made for made in sheet.findChildren(QLabel) if made.text().startswith("Group") and made.isVisible()]
        spots = [(made.mapTo(sheet, QPoint(0, 0)), made.text()) for made in groups]
        return sorted((spot.x(), spot.y(), text) for spot, text in spots)

    for width, n in ((680, 2), (400, 1), (680, 2), (400, 1)):
        sheet.resize(width, 700)
        qtbot.waitUntil(lambda n=n: len({x for x, _, _ in places()}) == n)
        assert [text for _, _, text in places()] == ["Group a", "Group b", "Group c", "Group d"]
