"""Bookmarks: nothing that a person kept is lost, whatever happens to the file or the folder."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction, QFontMetrics, QKeySequence
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QLineEdit, QMainWindow, QMenu, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app import bookmarks as places
from app import theme
from app.bookmark_list import Card, MarkList
from app.bookmarks import Bookmark, BookmarkError, Bookmarks, chips
from app.bookmarks_panel import BookmarksPanel
from app.note_editor import MOST_LINES, NoteEditor, shown_lines
from app.session import BRUSHES, Selection, Session
from engine.analysis.ablation import BLOCK, CLEAR, MLP, ONTO, Ablation, Frequencies, Units
from engine.analysis.phases import Thresholds
from engine.runfile import Run

BRUSHED = {
    "frequency": 3, "neurons": ((0, 5), (0, 7)), "head": (0, 1), "pair": (2, 9), "pinned_keys": (1, 4),
    "ablation": Ablation(0.5, 0.0), "thresholds": Thresholds(circuit=0.6), "layout_epoch": 60,
}  # fmt: skip


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, which does not exist yet."""
    monkeypatch.setattr(places, "data_folder", lambda: tmp_path / "data" / "bookmarks")
    return tmp_path / "data" / "bookmarks"


@pytest.fixture
def own(run_path: Path, tmp_path: Path) -> Iterator[Run]:
    """A run alone in its folder."""
    folder = tmp_path / "own"
    folder.mkdir()
    run = Run.open(shutil.copy(run_path, folder / "mine.h5"), probe=False)
    yield run
    run.close()


@pytest.fixture
def session(own: Run) -> Session:
    made = Session()
    made.show_run(own)
    return made


@pytest.fixture
def mark(session: Session) -> Bookmark:
    session.select(step=4, **BRUSHED)
    return Bookmark.of(session.selection, "φ begins to turn\nhere")


def file_of(run: Run) -> Path:
    return run.path.parent / "mine.bookmarks.json"


def test_that_every_brush_survives_the_file(own: Run, mark: Bookmark) -> None:
    assert set(BRUSHED) == set(BRUSHES), "a new brush: bookmark it here"
    Bookmarks(own).add(mark)
    assert list(Bookmarks(own)) == [mark]
    assert sorted(own.path.parent.iterdir()) == [file_of(own), own.path], "no drafts are left"


def test_that_the_file_is_what_its_description_says(own: Run, mark: Bookmark) -> None:
    Bookmarks(own).add(mark)
    whole = json.loads(file_of(own).read_text(encoding="utf-8"))
    assert {name: whole[name] for name in ("format", "version", "run_id")} == {
        "format": "grokscope bookmarks", "version": 1, "run_id": own.id,
    }  # fmt: skip
    entry = whole["bookmarks"][0]
    assert (entry["epoch"], entry["note"]) == (mark.epoch, "φ begins to turn\nhere")
    assert entry["brushes"]["neurons"] == [[0, 5], [0, 7]]
    assert entry["brushes"]["head"] == [0, 1]
    assert entry["brushes"]["ablation"] == {"generalising": 0.5, "memorising": 0.0}
    assert set(entry["brushes"]) == set(BRUSHES)


def test_that_everything_taken_away_survives_the_file_and_older_ones_can_be_read(own: Run, mark: Bookmark) -> None:
    cut = Ablation(
        0.5, 1.0, heads=Units(((0, 1),), mean=True), skips=Units(((0, MLP),)), neurons=Units(((0, 3),), keep=True),
        polynomials=CLEAR, neuron_frequencies=Frequencies((2, 4), what=BLOCK), projection=ONTO,
        logit_frequencies=Frequencies((1,), keep=True, mean=False),
    )  # fmt: skip
    brushes = {**BRUSHED, "ablation": cut}
    made = replace(mark, brushes=tuple(brushes[name] for name in BRUSHES))
    Bookmarks(own).add(made)
    assert list(Bookmarks(own)) == [made]

    assert "head 1 at mean" in chips(made, 1)
    whole = json.loads(file_of(own).read_text(encoding="utf-8"))
    whole["bookmarks"][0]["brushes"]["ablation"] = {"generalising": 0.25, "memorising": 1.0}  # before there was more
    file_of(own).write_text(json.dumps(whole), encoding="utf-8")
    assert Bookmarks(own)[0].selected["ablation"] == Ablation(0.25, 1.0)
    whole["bookmarks"][0]["brushes"]["ablation"] = {"polynomials": "some"}
    file_of(own).write_text(json.dumps(whole), encoding="utf-8")
    assert Bookmarks(own).trouble.startswith("mine.bookmarks.json is damaged")


def test_that_a_brush_the_file_does_not_name_is_at_its_default(own: Run, mark: Bookmark) -> None:
    Bookmarks(own).add(mark)
    whole = json.loads(file_of(own).read_text(encoding="utf-8"))
    for name in ("pair", "head"):  # `head` came later than the first files
        del whole["bookmarks"][0]["brushes"][name]
    file_of(own).write_text(json.dumps(whole), encoding="utf-8")
    assert Bookmarks(own)[0].selected == BRUSHED | {"pair": None, "head": None}


def test_that_bookmarks_stand_by_epoch_and_the_same_place_is_kept_once(own: Run, session: Session) -> None:
    marks = Bookmarks(own)
    for step in (7, 2, 5):
        session.select(step=step)
        marks.add(Bookmark.of(session.selection))
    first = marks[0]
    session.select(step=2)
    assert marks.add(Bookmark.of(session.selection, "again")) == first
    session.select(step=2, frequency=4)
    marks.add(Bookmark.of(session.selection))
    assert [mark.epoch for mark in marks] == [int(own.epochs[i]) for i in (2, 2, 5, 7)]
    assert marks.epochs() == [int(own.epochs[i]) for i in (2, 5, 7)]


def test_that_applying_goes_to_the_nearest_checkpoint_in_one_step_that_undo_takes_back(
    own: Run, session: Session, mark: Bookmark
) -> None:
    session.show_run(own)
    told: list[Selection] = []
    before = session.selection
    session.changed.connect(told.append)
    between = replace(mark, epoch=int(own.epochs[-2]) + 1)
    places.apply(session, between)
    assert len(told) == 1
    assert told[0].step == own.n_checkpoints - 2
    assert told[0].brushes() == BRUSHED
    assert not told[0].following
    session.undo()
    assert (session.selection.step, session.selection.brushes()) == (before.step, before.brushes())


def test_that_applying_clears_what_was_not_selected(session: Session, mark: Bookmark) -> None:
    plain = Bookmark.of(replace(session.selection, **Selection().brushes()))
    places.apply(session, plain)
    assert session.selection.brushes() == Selection().brushes()
    assert plain.is_at(session.selection)
    assert not mark.is_at(session.selection)


def test_that_nothing_happens_without_a_run(mark: Bookmark) -> None:
    empty = Session()
    places.apply(empty, mark)
    assert empty.selection == Selection()
    assert not mark.is_at(empty.selection)


def test_that_two_windows_do_not_undo_each_other(own: Run, session: Session, mark: Bookmark) -> None:
    here, there = Bookmarks(own), Bookmarks(own)
    here.add(mark)
    other = Bookmark.of(replace(session.selection, step=6))
    there.add(other)
    here.annotate(mark, "kept")
    assert [m.note for m in Bookmarks(own)] == ["kept", ""]
    there.remove(other)
    here.remove(replace(mark, note="kept"))
    assert len(Bookmarks(own)) == 0


DAMAGE = {
    "empty": b"",
    "no text": b"\xff\xfe\x00\x80",
    "cut": b'{"format": "grokscope bookmarks", "version": 1, "run_id": "',
    "another kind": b'{"format": "recipes", "version": 1, "bookmarks": []}',
    "a list": b"[1, 2]",
    "deep": b"[" * 200_000,
    "no table": b'{"format": "grokscope bookmarks", "version": 1, "run_id": "ID", "bookmarks": [7]}',
    "no epoch": b'{"format": "grokscope bookmarks", "version": 1, "run_id": "ID", "bookmarks": [{"brushes": {}}]}',
    "huge epoch": b'{"format": "grokscope bookmarks", "version": 1, "run_id": "ID", "bookmarks": '
    b'[{"epoch": 99999999999999999999, "brushes": {}}]}',
    "true epoch": b'{"format": "grokscope bookmarks", "version": 1, "run_id": "ID", "bookmarks": '
    b'[{"epoch": true, "brushes": {}}]}',
    "wrong pair": b'{"format": "grokscope bookmarks", "version": 1, "run_id": "ID", "bookmarks": '
    b'[{"epoch": 5, "brushes": {"pair": [1, 2, 3]}}]}',
    "not a number": b'{"format": "grokscope bookmarks", "version": 1, "run_id": "ID", "bookmarks": '
    b'[{"epoch": 5, "brushes": {"ablation": {"memorising": NaN}}}]}',
    "half a character": b'{"format": "grokscope bookmarks", "version": 1, "run_id": "ID", "bookmarks": '
    b'[{"epoch": 5, "brushes": {}, "note": "\\ud800"}]}',
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_that_a_damaged_file_is_told_and_kept_aside(own: Run, mark: Bookmark, damage: bytes) -> None:
    content = damage.replace(b'"ID"', json.dumps(own.id).encode())
    aside = file_of(own).with_name("mine.bookmarks.json.damaged")
    for kept in (aside, aside.with_name(aside.name + "-2")):
        file_of(own).write_bytes(content)
        marks = Bookmarks(own)
        assert len(marks) == 0
        assert marks.trouble == f"mine.bookmarks.json is damaged; it is kept as {kept.name}."
        assert kept.read_bytes() == content
        assert marks.add(mark) == mark
        assert not marks.trouble
        assert list(Bookmarks(own)) == [mark]


def test_that_damage_while_one_works_loses_nothing(own: Run, session: Session, mark: Bookmark) -> None:
    marks = Bookmarks(own)
    marks.add(mark)
    file_of(own).write_bytes(b"{")
    marks.add(Bookmark.of(replace(session.selection, step=6)))
    assert "damaged" in marks.trouble
    assert len(Bookmarks(own)) == 2


def test_that_bookmarks_of_another_run_are_not_shown_and_not_lost(own: Run, mark: Bookmark) -> None:
    Bookmarks(own).add(mark)
    content = file_of(own).read_text(encoding="utf-8").replace(own.id, "somebody-else")
    file_of(own).write_text(content, encoding="utf-8")
    marks = Bookmarks(own)
    assert len(marks) == 0
    assert "another run" in marks.trouble
    assert file_of(own).with_name("mine.bookmarks.json.other-run").read_text(encoding="utf-8") == content


@pytest.mark.parametrize("change", [{"version": 2}, {"brush": "heads"}], ids=["version", "brush"])
def test_that_the_file_of_a_newer_program_is_never_touched(own: Run, mark: Bookmark, change: dict[str, object]) -> None:
    Bookmarks(own).add(mark)
    whole = json.loads(file_of(own).read_text(encoding="utf-8"))
    if "version" in change:
        whole |= change
    else:
        whole["bookmarks"][0]["brushes"]["heads"] = [1]
    content = json.dumps(whole)
    file_of(own).write_text(content, encoding="utf-8")
    marks = Bookmarks(own)
    assert marks.trouble.endswith("Update Grokscope.")
    with pytest.raises(BookmarkError, match="Update Grokscope"):
        marks.add(mark)
    assert file_of(own).read_text(encoding="utf-8") == content


def test_that_a_write_that_fails_leaves_the_old_file(
    own: Run, mark: Bookmark, monkeypatch: pytest.MonkeyPatch, data_folder: Path
) -> None:
    marks = Bookmarks(own)
    marks.add(mark)
    before = file_of(own).read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(BookmarkError, match="No space left"):
        marks.annotate(mark, "new")
    assert list(marks) == [mark]
    assert file_of(own).read_bytes() == before
    assert sorted(path.name for path in own.path.parent.iterdir()) == ["mine.bookmarks.json", "mine.h5"]


def test_that_a_folder_that_cannot_be_written_sends_bookmarks_home(
    own: Run, session: Session, mark: Bookmark, monkeypatch: pytest.MonkeyPatch, data_folder: Path
) -> None:
    Bookmarks(own).add(mark)
    published = file_of(own).read_bytes()
    monkeypatch.setattr(os, "access", lambda *_: False)
    marks = Bookmarks(own)
    assert list(marks) == [mark]
    marks.remove(mark)
    other = Bookmark.of(replace(session.selection, step=6))
    marks.add(other)
    assert marks.path == data_folder / f"{own.id}.json"
    assert file_of(own).read_bytes() == published
    monkeypatch.undo()
    monkeypatch.setattr(places, "data_folder", lambda: data_folder)
    assert list(Bookmarks(own)) == [other], "what is kept at home stays in use"


def test_that_a_folder_that_fails_at_the_moment_of_writing_sends_bookmarks_home(
    own: Run, mark: Bookmark, monkeypatch: pytest.MonkeyPatch, data_folder: Path
) -> None:
    replace_file = os.replace

    def fail_beside(source: Path, target: Path) -> None:
        if target.parent == own.path.parent:
            raise PermissionError(13, "Permission denied")
        replace_file(source, target)

    marks = Bookmarks(own)
    monkeypatch.setattr(os, "replace", fail_beside)
    marks.add(mark)
    assert marks.path.parent == data_folder
    assert list(Bookmarks(own)) == [mark]


def test_that_bookmarks_of_the_bundled_run_live_in_the_users_data_folder(data_folder: Path) -> None:
    run = Run.open(places.RESOURCES / "demonstration.h5", probe=False)
    session = Session()
    session.show_run(run, epoch=9000)
    marks = Bookmarks(run)
    marks.add(Bookmark.of(session.selection))
    assert marks.path == data_folder / f"{run.id}.json"
    assert not list(places.RESOURCES.glob("*.bookmarks.json"))
    run.close()


def test_that_an_id_that_is_a_path_stays_in_the_folder(own: Run, data_folder: Path) -> None:
    own.id = "../../escape"
    assert places._home(own).parent == data_folder
    assert len(places._home(own).stem) == 64


def test_that_chips_say_what_is_selected(mark: Bookmark, session: Session) -> None:
    assert places.chips(mark, 1) == [
        "k = 3", "neuron 5", "neuron 7", "head 1", "pair 2, 9", "keys 1, 4", "g = 0.5, m = 0", "own thresholds",
        "layout of epoch 60",
    ]  # fmt: skip
    many = replace(session.selection, **Selection().brushes() | {"neurons": tuple((1, i) for i in range(9))})
    assert places.chips(Bookmark.of(many), 2) == ["neuron 0 of layer 1 and 8 more"]
    deep = replace(session.selection, **Selection().brushes() | {"head": (1, 2)})
    assert places.chips(Bookmark.of(deep), 2) == ["head 2 of layer 1"]
    assert places.chips(Bookmark.of(replace(session.selection, **Selection().brushes())), 1) == []


def test_that_markdown_holds_every_bookmark_and_no_accident(own: Run, mark: Bookmark) -> None:
    text = places.markdown(own, [replace(mark, note="a *star*\n\n# no title\n- no point\n12. no number\n--\nend\n")])
    assert text.splitlines() == [
        "# Bookmarks of mine.h5", "", f"Run `{own.id}`.", "",
        f"- **Epoch {mark.epoch}** · k = 3 · neuron 5 · neuron 7 · head 1 · pair 2, 9 · keys 1, 4 · g = 0.5"
        r", m = 0 · own thresholds · layout of epoch 60: a \*star\*  ",
        r"  \# no title  ", r"  \- no point  ", r"  12\. no number  ", r"  \--  ", "  end",
    ]  # fmt: skip


# -- the panel -------------------------------------------------------------------------------------------------

LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key


class Host(QMainWindow):
    """A window with a panel, something else that takes the keyboard, and shortcuts of its own."""

    def __init__(self, panel: BookmarksPanel) -> None:
        super().__init__()
        self.fired: list[str] = []
        self.slider = QLineEdit()
        self.setCentralWidget(panel)
        self.setMenuWidget(self.slider)
        for keys in ("Home", "End", "PgUp", "PgDown", "Space", "Esc", "Return", "Del", "1"):
            action = QAction(keys, self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(lambda _=False, k=keys: self.fired.append(k))
            self.addAction(action)


@pytest.fixture
def panel(qtbot: QtBot, qapp: QApplication, session: Session) -> BookmarksPanel:
    theme.apply(qapp, theme.DARK)
    return BookmarksPanel(session)


@pytest.fixture
def host(qtbot: QtBot, panel: BookmarksPanel) -> Host:
    made = Host(panel)
    qtbot.addWidget(made)
    qtbot.addWidget(panel.header)
    made.resize(300, 500)
    with qtbot.waitExposed(made):
        made.show()
    made.activateWindow()
    made.slider.setFocus()
    return made


def child(panel: QWidget, kind: type, name: str = "") -> QWidget:
    found = panel.findChild(kind, name) if name else panel.findChild(kind)
    assert found is not None, name
    return found


def listed(panel: BookmarksPanel) -> MarkList:
    found = child(panel, MarkList)
    assert isinstance(found, MarkList)
    return found


def note(panel: BookmarksPanel) -> NoteEditor:
    return next(each for each in panel.findChildren(NoteEditor, "bookmarks.note") if each.isVisible())


def is_editing(panel: BookmarksPanel) -> bool:
    return any(each.isVisible() for each in panel.findChildren(NoteEditor, "bookmarks.note"))


def keep(panel: BookmarksPanel, *steps: int) -> None:
    assert panel.bookmarks is not None
    for step in steps:
        panel.bookmarks.add(Bookmark.of(replace(panel.session.selection, step=step)))
    panel._fill()


def choose(panel: BookmarksPanel, row: int) -> QPoint:
    """Click a card.  -> its top left corner"""
    view = listed(panel)
    index = view.model().index(row, 0)
    view.setCurrentIndex(index)
    view.setFocus()
    return view.visualRect(index).topLeft()


def test_that_adding_keeps_what_is_on_show_and_asks_for_a_note(
    panel: BookmarksPanel, host: Host, qtbot: QtBot, session: Session, own: Run
) -> None:
    session.select(step=4, frequency=2)
    with qtbot.waitSignal(panel.changed):
        panel.add()
    qtbot.waitUntil(lambda: is_editing(panel))
    qtbot.keyClicks(note(panel), "here 1 it is")
    qtbot.keyClick(note(panel), Key.Key_Return)
    qtbot.waitUntil(lambda: host.slider.hasFocus())
    kept = list(Bookmarks(own))
    assert [(mark.epoch, mark.selected["frequency"], mark.note) for mark in kept] == [(20, 2, "here 1 it is")]
    assert panel.epochs() == [20]
    assert host.fired == []


def test_that_escape_leaves_the_note_as_it_was(panel: BookmarksPanel, host: Host, qtbot: QtBot, own: Run) -> None:
    panel.add()
    qtbot.waitUntil(lambda: is_editing(panel))
    qtbot.keyClicks(note(panel), "no")
    qtbot.keyClick(note(panel), Key.Key_Escape)
    qtbot.waitUntil(lambda: not is_editing(panel))
    assert Bookmarks(own)[0].note == ""
    assert host.fired == []


def test_that_a_note_takes_several_lines_and_the_editor_grows_with_them(
    panel: BookmarksPanel, host: Host, qtbot: QtBot, own: Run
) -> None:
    panel.add()
    qtbot.waitUntil(lambda: is_editing(panel))
    heights = [note(panel).height()]
    for i in range(MOST_LINES + 3):
        qtbot.keyClicks(note(panel), f"line {i} 1")
        qtbot.keyClick(note(panel), Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
        if i < MOST_LINES - 1:
            qtbot.waitUntil(lambda: note(panel).height() > heights[-1])
        heights.append(note(panel).height())
    assert heights[-1] == heights[-3], "beyond that it scrolls"
    card = listed(panel).visualRect(listed(panel).model().index(0, 0))
    assert card.contains(note(panel).geometry())
    qtbot.keyClick(note(panel), Key.Key_Return)
    qtbot.waitUntil(lambda: not is_editing(panel))
    wanted = "\n".join(f"line {i} 1" for i in range(MOST_LINES + 3))
    assert [mark.note for mark in Bookmarks(own)] == [wanted]
    assert json.loads(file_of(own).read_text(encoding="utf-8"))["bookmarks"][0]["note"] == wanted
    assert host.fired == []
    index = listed(panel).model().index(0, 0)
    assert index.data(Qt.ItemDataRole.ToolTipRole).startswith(wanted)
    assert listed(panel).visualRect(index).height() < 110, "three lines of it at most"
    qtbot.keyClick(listed(panel), Key.Key_F2)
    qtbot.waitUntil(lambda: is_editing(panel))
    assert note(panel).toPlainText() == wanted


def test_that_a_card_shows_the_first_lines_of_a_note_and_says_that_it_goes_on(qapp: QApplication) -> None:
    font, draw = qapp.font(), random.Random(2)
    assert shown_lines("one\n\ntwo", font, 200, 3) == ["one", "", "two"]
    assert shown_lines("one\ntwo\n\n", font, 200, 2) == ["one", "two"]
    assert shown_lines("", font, 200, 3) == []
    for _ in range(200):
        text = "".join(draw.choice("abc de\n") for _ in range(draw.randint(0, 120)))
        width, most = draw.randint(40, 300), draw.randint(1, 4)
        whole, part = shown_lines(text, font, width, 1000), shown_lines(text, font, width, most)
        assert "".join(whole).replace(" ", "") == text.replace("\n", "").replace(" ", "")
        assert all(QFontMetrics(font).horizontalAdvance(line) <= width + 1 for line in whole)
        assert part[: most - 1] == whole[: most - 1]
        assert len(part) == min(most, len(whole))
        assert (len(whole) > most) == (bool(part) and part[-1].endswith("…"))


def test_that_adding_behind_a_closed_panel_takes_no_keyboard(
    panel: BookmarksPanel, host: Host, qtbot: QtBot, own: Run
) -> None:
    panel.hide()
    with qtbot.waitSignal(panel.said) as said:
        panel.add()
    assert said.args == [f"Bookmarked epoch {own.epochs[-1]}."]
    assert host.slider.hasFocus()
    assert len(Bookmarks(own)) == 1
    with qtbot.waitSignal(panel.said) as said:
        panel.add()
    assert said.args == [f"Bookmarked already: epoch {own.epochs[-1]}."]
    assert len(Bookmarks(own)) == 1


@pytest.mark.parametrize("how", ["enter", "double click"])
def test_that_a_bookmark_takes_one_there(
    panel: BookmarksPanel, host: Host, qtbot: QtBot, session: Session, mark: Bookmark, how: str
) -> None:
    assert panel.bookmarks is not None
    panel.bookmarks.add(mark)
    keep(panel, 9)
    session.select(step=12, **Selection().brushes())
    place = choose(panel, 0)
    if how == "enter":
        qtbot.keyClick(listed(panel), Key.Key_Return)
    else:
        qtbot.mouseDClick(listed(panel).viewport(), LEFT, pos=place + QPoint(30, 15))
    assert session.selection.epoch == mark.epoch
    assert session.selection.brushes() == BRUSHED
    assert host.fired == []


def test_that_the_keys_of_the_list_are_its_own(panel: BookmarksPanel, host: Host, qtbot: QtBot) -> None:
    keep(panel, 1, 3, 5)
    choose(panel, 0)
    seen = []
    for key in (Key.Key_Down, Key.Key_End, Key.Key_Home, Key.Key_PageDown, Key.Key_Up):
        qtbot.keyClick(listed(panel), key)
        seen.append(listed(panel).currentIndex().row())
    assert seen == [1, 2, 0, 2, 1]
    assert host.fired == []
    qtbot.keyClick(listed(panel), Key.Key_Space)
    assert host.fired == ["Space"], "others stay the window's"


def test_that_a_deletion_can_be_taken_back(panel: BookmarksPanel, host: Host, qtbot: QtBot, own: Run) -> None:
    keep(panel, 1, 3, 5)
    before = list(Bookmarks(own))
    undo = child(panel, QPushButton, "bookmarks.undo")
    assert not undo.isVisible()
    choose(panel, 1)
    qtbot.keyClick(listed(panel), Key.Key_Delete)
    qtbot.keyClick(listed(panel), Key.Key_Delete)
    assert panel.epochs() == [before[0].epoch]
    assert listed(panel).currentIndex().row() == 0
    for _ in range(2):
        qtbot.mouseClick(undo, LEFT)
    assert list(Bookmarks(own)) == before
    assert not undo.isVisible()


def test_that_pencil_and_bin_do_what_they_show(panel: BookmarksPanel, host: Host, qtbot: QtBot, own: Run) -> None:
    keep(panel, 1, 3)
    place = choose(panel, 0)
    view = listed(panel)
    card = view.itemDelegate()
    assert isinstance(card, Card)
    lay = card.layout(view.model().index(0, 0), view.viewport().width())
    qtbot.mouseClick(view.viewport(), LEFT, pos=place + lay.pencil.center())
    qtbot.waitUntil(lambda: is_editing(panel))
    qtbot.keyClicks(note(panel), "drawn")
    qtbot.keyClick(note(panel), Key.Key_Return)
    qtbot.waitUntil(lambda: not is_editing(panel))
    assert Bookmarks(own)[0].note == "drawn"
    qtbot.mouseClick(view.viewport(), LEFT, pos=view.visualRect(view.model().index(0, 0)).topLeft() + lay.bin.center())
    assert [mark.note for mark in Bookmarks(own)] == [""]


@pytest.mark.parametrize("width", [160, 264, 420, 900])
def test_that_everything_on_a_card_has_its_place(
    panel: BookmarksPanel, host: Host, qtbot: QtBot, mark: Bookmark, width: int
) -> None:
    assert panel.bookmarks is not None
    panel.bookmarks.add(replace(mark, note="a long note that needs more than one line to be read " * 3))
    panel._fill()
    view = listed(panel)
    card = view.itemDelegate()
    assert isinstance(card, Card)
    lay = card.layout(view.model().index(0, 0), width)
    boxes = [lay.epoch, *(place for place, _ in lay.chips), lay.note, lay.pencil, lay.bin]
    assert len(lay.chips) == 9
    for i, box in enumerate(boxes):
        assert box.left() >= 0
        assert box.right() < width
        assert box.bottom() < lay.height
        assert not any(box.intersects(other) for other in boxes[:i])


def test_that_the_bookmark_on_show_is_marked(panel: BookmarksPanel, host: Host, session: Session) -> None:
    keep(panel, 1, 3)
    model = listed(panel).model()
    session.select(step=3)
    assert model.here == [False, True]
    session.select(frequency=1)
    assert model.here == [False, False]


def test_that_the_panel_follows_the_run_and_says_what_to_do(
    qtbot: QtBot, qapp: QApplication, own: Run, run: Run, mark: Bookmark, tmp_path: Path
) -> None:
    theme.apply(qapp, theme.DARK)
    session = Session()
    panel = BookmarksPanel(session)
    for widget in (panel, panel.header):
        qtbot.addWidget(widget)
    panel.show()
    empty = child(panel, QLabel, "bookmarks.empty")
    assert isinstance(empty, QLabel)
    add = child(panel, QPushButton, "bookmarks.add")
    assert empty.isVisible()
    assert "Open a run" in empty.text()
    assert not add.isEnabled()
    panel.add()
    Bookmarks(own).add(mark)
    with qtbot.waitSignal(panel.changed):
        session.show_run(own)
    assert add.isEnabled()
    assert panel.epochs() == [mark.epoch]
    assert not empty.isVisible()
    assert panel.bookmarks is not None
    other = Run.open(shutil.copy(own.path, tmp_path / "other.h5"), probe=False)
    other.id = "other"
    session.show_run(other)
    assert panel.epochs() == []
    assert "Ctrl+D" in empty.text()
    other.close()


def test_that_trouble_is_shown_where_the_bookmarks_would_be(
    panel: BookmarksPanel, host: Host, session: Session, own: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = child(panel, QLabel, "bookmarks.trouble")
    assert isinstance(trouble, QLabel)
    assert not trouble.isVisible()
    file_of(own).write_text("{", encoding="utf-8")
    session.select(run=None)
    session.show_run(own)
    assert trouble.isVisible()
    assert trouble.toolTip() == "mine.bookmarks.json is damaged; it is kept as mine.bookmarks.json.damaged."
    panel.add()
    assert not trouble.isVisible()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    session.select(step=1)
    panel.add()
    assert "No space left" in trouble.toolTip()
    assert panel.epochs() == [int(own.epochs[-1])]


def test_that_markdown_goes_to_the_clipboard_and_to_a_file(
    panel: BookmarksPanel, host: Host, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(panel, 1, 3)
    with qtbot.waitSignal(panel.said) as said:
        panel.copy_markdown()
    assert said.args == ["2 bookmarks copied as Markdown."]
    text = QApplication.clipboard().text()
    assert text.startswith("# Bookmarks of mine.h5")
    assert text.count("- **Epoch") == 2
    target = tmp_path / "notes.md"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    panel.save_markdown()
    assert target.read_text(encoding="utf-8") == text
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "no" / "where.md"), ""))
    panel.save_markdown()
    trouble = child(panel, QLabel, "bookmarks.trouble")
    assert "could not be written" in trouble.toolTip()


def test_that_the_menu_offers_only_what_can_be_done(panel: BookmarksPanel, host: Host, qtbot: QtBot) -> None:
    def enabled() -> dict[str, bool]:
        menu = panel._menu()
        assert isinstance(menu, QMenu)
        return {action.text().split("\t")[0]: action.isEnabled() for action in menu.actions() if action.text()}

    always = ["What is this?", "Float or dock", "Close"]
    assert [text for text, on in enabled().items() if on] == always
    keep(panel, 1)
    assert [text for text, on in enabled().items() if on] == ["Copy all as Markdown", "Save all as Markdown …", *always]
    choose(panel, 0)
    assert all(enabled().values())


def test_that_screen_readers_hear_what_a_bookmark_is(panel: BookmarksPanel, host: Host, mark: Bookmark) -> None:
    assert panel.bookmarks is not None
    panel.bookmarks.add(mark)
    panel._fill()
    assert listed(panel).accessibleName()
    spoken = listed(panel).model().index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken.startswith("Epoch 20, k = 3, neuron 5, neuron 7, head 1, pair 2, 9")
    assert "φ begins" in spoken
    for name in ("bookmarks.add", "bookmarks.undo"):
        assert child(panel, QPushButton, name).accessibleName()


@pytest.mark.parametrize("look", ["dark", "light"])
def test_that_it_is_painted_in_both_themes(
    panel: BookmarksPanel, host: Host, qapp: QApplication, mark: Bookmark, look: str
) -> None:
    assert panel.bookmarks is not None
    panel.bookmarks.add(mark)
    panel._fill()
    choose(panel, 0)
    theme.apply(qapp, theme.THEMES[look])
    panel.restyle()
    picture = panel.grab().toImage()
    colours = {picture.pixelColor(x, y).name() for x in range(picture.width()) for y in range(80)}
    assert theme.current().raised in colours, "chips"
    assert theme.current().text in colours
