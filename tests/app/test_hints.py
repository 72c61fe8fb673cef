"""Hints: they point, they never cover what they point at, and they go away for good."""

import random
from collections.abc import Callable

import pytest
from PySide6.QtCore import QObject, QPoint, QRect, QSettings, QSize, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QMainWindow, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app import docks, theme
from app.hints import ABOVE, BELOW, Bubble, Hint, Hints, placed
from app.layouts import LAYOUTS
from app.main_window import MainWindow
from engine.runfile import Run

LEFT = Qt.MouseButton.LeftButton


class Doing(QObject):
    done = Signal(int)


class Host(QMainWindow):
    """Two things to point at, and an Escape of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.escapes = 0
        middle = QWidget()
        self.setCentralWidget(middle)
        self.first, self.second = QPushButton("first", middle), QLineEdit("second", middle)
        self.first.setGeometry(20, 20, 100, 30)
        self.second.setGeometry(400, 500, 120, 30)
        action = QAction(self)
        action.setShortcut(QKeySequence("Esc"))
        action.triggered.connect(self._escape)
        self.addAction(action)

    def _escape(self) -> None:
        self.escapes += 1


@pytest.fixture
def host(qtbot: QtBot, qapp: QApplication) -> Host:
    theme.apply(qapp, theme.DARK)
    made = Host()
    qtbot.addWidget(made)
    made.resize(800, 600)
    with qtbot.waitExposed(made):
        made.show()
    made.activateWindow()
    made.second.setFocus()
    return made


@pytest.fixture
def doing() -> Doing:
    return Doing()


@pytest.fixture
def hints(host: Host, settings: QSettings, doing: Doing) -> Hints:
    return make(host, settings, doing)


def make(host: Host, settings: QSettings, doing: Doing) -> Hints:
    return Hints(
        host,
        settings,
        [
            Hint("one", "Press the first thing.", lambda: host.first, doing.done),
            Hint("two", "Write in the second thing.", lambda: host.second, host.second.text),
        ],
        pause_ms=0,
    )


def bubble(host: Host) -> Bubble:
    found = host.findChild(Bubble)
    assert found is not None
    return found


def wait_for(qtbot: QtBot, hints: Hints, name: str | None) -> None:
    qtbot.waitUntil(lambda: (hints.shown.name if hints.shown else None) == name)


def press(qtbot: QtBot, host: Host, name: str) -> None:
    button = host.findChild(QPushButton, name)
    assert button is not None
    qtbot.mouseClick(button, LEFT)


# -- where it stands -------------------------------------------------------------------------------------------


def test_that_a_bubble_stands_inside_the_window_beside_its_anchor() -> None:
    draw = random.Random(1)
    found = 0
    for _ in range(3000):
        window = QRect(0, 0, draw.randint(200, 1600), draw.randint(150, 1000))
        anchor = QRect(
            draw.randint(0, window.width() - 1), draw.randint(0, window.height() - 1),
            draw.randint(1, window.width()), draw.randint(1, window.height()),
        ).intersected(window)  # fmt: skip
        size = QSize(draw.randint(120, 288), draw.randint(60, 140))
        place = placed(anchor, size, window)
        if place is None:
            sides = (
                anchor.top() - window.top(), window.bottom() - anchor.bottom(),
                anchor.left() - window.left(), window.right() - anchor.right(),
            )  # fmt: skip
            assert max(sides[:2]) < size.height() + 18 or window.width() < size.width() + 16
            assert max(sides[2:]) < size.width() + 18 or window.height() < size.height() + 16
            continue
        found += 1
        assert window.contains(place.box)
        assert place.box.size() == size
        assert not place.box.intersects(anchor)
        assert anchor.adjusted(-1, -1, 1, 1).contains(place.tip) or not anchor.contains(place.box.center())
        assert not anchor.contains(place.tip)
        assert not place.box.contains(place.tip)
    assert found > 1000


def test_that_the_arrow_touches_the_anchor_where_it_reaches() -> None:
    window, size = QRect(0, 0, 1000, 800), QSize(200, 100)
    for anchor in (QRect(400, 20, 50, 50), QRect(400, 700, 50, 50), QRect(0, 10, 60, 780), QRect(900, 10, 90, 780)):
        place = placed(anchor, size, window)
        assert place is not None
        assert anchor.adjusted(-1, -1, 1, 1).contains(place.tip)


def test_that_there_is_no_bubble_without_room_or_anchor() -> None:
    assert placed(QRect(0, 0, 500, 400), QSize(200, 100), QRect(0, 0, 500, 400)) is None
    assert placed(QRect(), QSize(200, 100), QRect(0, 0, 500, 400)) is None


def test_that_the_bubble_covers_no_pixel_of_its_anchor(host: Host, hints: Hints, qtbot: QtBot) -> None:
    hints.start()
    wait_for(qtbot, hints, "one")
    for x, y in ((20, 20), (350, 20), (20, 300), (690, 560)):
        host.first.move(x, y)
        qtbot.waitUntil(lambda: (bubble(host).place.tip - host.first.geometry().center()).manhattanLength() < 120)
        anchor = QRect(host.first.mapTo(host, QPoint(0, 0)), host.first.size())
        assert not bubble(host).geometry().intersects(anchor)
        assert host.rect().contains(bubble(host).geometry())


def test_that_it_follows_a_resize_and_waits_where_there_is_no_room(host: Host, hints: Hints, qtbot: QtBot) -> None:
    hints.start()
    wait_for(qtbot, hints, "one")
    host.resize(300, 300)
    qtbot.waitUntil(lambda: host.rect().contains(bubble(host).geometry()))
    assert bubble(host).isVisible()
    host.first.setGeometry(0, 0, 300, 300)
    wait_for(qtbot, hints, None)
    assert not bubble(host).isVisible()
    assert hints.seen() == []
    host.first.setGeometry(20, 20, 100, 30)
    wait_for(qtbot, hints, "one")
    host.resize(800, 600)


# -- coming and going ------------------------------------------------------------------------------------------


def test_that_nothing_is_shown_before_the_start(host: Host, hints: Hints, doing: Doing) -> None:
    doing.done.emit(1)
    assert hints.shown is None
    assert not bubble(host).isVisible()
    assert hints.seen() == []


def test_that_hints_come_one_after_the_other_and_never_again(
    host: Host, hints: Hints, settings: QSettings, doing: Doing, qtbot: QtBot
) -> None:
    hints.start()
    wait_for(qtbot, hints, "one")
    assert sum(each.isVisible() for each in host.findChildren(Bubble)) == 1
    press(qtbot, host, "hint.got")
    wait_for(qtbot, hints, "two")
    texts = [text.text() for text in bubble(host).findChildren(QLabel)]
    assert "Write in the second thing." in texts
    assert "2 of 2" in texts
    press(qtbot, host, "hint.got")
    assert hints.shown is None
    assert hints.seen() == ["one", "two"]
    again = make(host, settings, doing)
    again.start()
    assert not again._look_again.isActive()


def test_that_doing_the_thing_ends_the_hint(host: Host, hints: Hints, doing: Doing, qtbot: QtBot) -> None:
    hints.start()
    wait_for(qtbot, hints, "one")
    doing.done.emit(1)
    wait_for(qtbot, hints, "two")
    qtbot.keyClicks(host.second, "x")
    wait_for(qtbot, hints, None)
    assert hints.seen() == ["one", "two"]


def test_that_what_was_done_before_its_turn_is_not_shown(host: Host, hints: Hints, doing: Doing, qtbot: QtBot) -> None:
    hints.start()
    doing.done.emit(1)
    wait_for(qtbot, hints, "two")


def test_that_a_question_already_answered_is_passed_over(host: Host, settings: QSettings, qtbot: QtBot) -> None:
    hints = Hints(
        host,
        settings,
        [
            Hint("known", "You know this.", lambda: host.first, lambda: True),
            Hint("new", "This not.", lambda: host.first, lambda: False),
        ],
        pause_ms=0,
    )
    hints.start()
    wait_for(qtbot, hints, "new")


@pytest.mark.parametrize("gone", ["hidden", "none", "covered"])
def test_that_a_hint_without_its_anchor_waits_for_it(host: Host, hints: Hints, qtbot: QtBot, gone: str) -> None:
    if gone == "none":
        hints._hints = (Hint("one", "…", lambda: None, lambda: False), *hints._hints[1:])
    if gone == "hidden":
        host.first.hide()
    cover = QWidget(host)
    cover.setGeometry(0, 0, 200, 200)
    cover.setVisible(gone == "covered")
    hints.start()
    wait_for(qtbot, hints, "two")
    host.second.hide()
    wait_for(qtbot, hints, None)
    assert hints.seen() == []
    if gone != "none":
        host.first.show()
        cover.hide()
        wait_for(qtbot, hints, "one")


def test_that_no_more_hints_means_it(host: Host, hints: Hints, settings: QSettings, doing: Doing, qtbot: QtBot) -> None:
    hints.start()
    wait_for(qtbot, hints, "one")
    press(qtbot, host, "hint.off")
    assert hints.shown is None
    settings.sync()
    stored = QSettings(settings.fileName(), QSettings.Format.IniFormat)
    later = make(host, stored, doing)
    later.start()
    assert not later._look_again.isActive()
    later.start(again=True)
    wait_for(qtbot, later, "one")


def test_that_showing_them_again_begins_at_the_first(host: Host, hints: Hints, qtbot: QtBot) -> None:
    hints.start()
    for name in ("one", "two"):
        wait_for(qtbot, hints, name)
        press(qtbot, host, "hint.got")
    hints.start(again=True)
    wait_for(qtbot, hints, "one")
    press(qtbot, host, "hint.got")
    wait_for(qtbot, hints, "two")


# -- keyboard --------------------------------------------------------------------------------------------------


def test_that_a_hint_does_not_take_the_keyboard_and_escape_ends_it_first(
    host: Host, hints: Hints, qtbot: QtBot
) -> None:
    hints.start()
    wait_for(qtbot, hints, "one")
    assert host.second.hasFocus()
    qtbot.keyClick(host.second, Qt.Key.Key_Escape)
    assert hints.seen() == ["one"]
    assert host.escapes == 0
    hints.stop()
    qtbot.keyClick(host.second, Qt.Key.Key_Escape)
    assert host.escapes == 1


def test_that_its_buttons_are_reached_by_tab_and_named(host: Host, hints: Hints, qtbot: QtBot) -> None:
    hints.start()
    wait_for(qtbot, hints, "one")
    assert bubble(host).accessibleName()
    assert bubble(host).accessibleDescription() == "Press the first thing."
    reached = []
    for _ in range(6):
        qtbot.keyClick(QApplication.focusWidget() or host, Qt.Key.Key_Tab)
        focus = QApplication.focusWidget()
        reached.append(focus.objectName() if focus is not None else "")
        if reached[-1] == "hint.got":
            break
    assert reached[-1] == "hint.got"
    focus = QApplication.focusWidget()
    assert focus is not None
    assert focus.accessibleName() == "Got it"
    qtbot.keyClick(focus, Qt.Key.Key_Space)
    assert hints.seen() == ["one"]


# -- with its anchor -------------------------------------------------------------------------------------------


def test_that_the_arrow_touches_the_part_that_is_meant(host: Host, settings: QSettings, qtbot: QtBot) -> None:
    part = [QRect(40, 5, 8, 8)]
    hints = Hints(
        host,
        settings,
        [Hint("one", "This.", lambda: host.centralWidget(), lambda: False, lambda: part[0])],
        pause_ms=0,
    )
    hints.start()
    wait_for(qtbot, hints, "one")
    for there in (QRect(40, 5, 8, 8), QRect(300, 200, 20, 10), QRect(700, 560, 30, 30)):
        part[0] = there
        qtbot.waitUntil(lambda there=there: there.adjusted(-2, -2, 2, 2).contains(bubble(host).place.tip))
        assert not bubble(host).place.box.intersects(there)
    part[0] = QRect(2000, 10, 5, 5)  # scrolled away
    wait_for(qtbot, hints, None)


def test_that_it_stays_at_its_side_while_there_is_room(host: Host, hints: Hints, qtbot: QtBot) -> None:
    host.first.move(20, 500)
    hints.start()
    wait_for(qtbot, hints, "one")
    assert bubble(host).place.side == ABOVE
    host.first.move(20, 300)
    qtbot.waitUntil(lambda: abs(bubble(host).place.tip.y() - 300) < 3)
    assert bubble(host).place.side == ABOVE
    host.first.move(20, 20)
    qtbot.waitUntil(lambda: bubble(host).place.side == BELOW)


def test_that_it_comes_back_with_its_anchor_before_another_is_shown(
    host: Host, settings: QSettings, doing: Doing, qtbot: QtBot
) -> None:
    hints = make(host, settings, doing)
    hints._pause.setInterval(60_000)
    hints.start()
    hints._pause.stop()
    wait_for(qtbot, hints, "one")
    for _ in range(3):
        host.first.hide()
        wait_for(qtbot, hints, None)
        assert not bubble(host).isVisible()
        host.first.show()
        wait_for(qtbot, hints, "one")
        assert bubble(host).isVisible()
    assert hints.seen() == []


def test_that_nothing_made_later_lies_over_it(host: Host, hints: Hints, qtbot: QtBot) -> None:
    hints.start()
    wait_for(qtbot, hints, "one")
    later = QWidget(host)
    later.setGeometry(bubble(host).place.box)
    later.show()
    got_it = bubble(host).got_it
    qtbot.waitUntil(lambda: host.childAt(got_it.mapTo(host, got_it.rect().center())) is got_it)


@pytest.mark.parametrize("layout", [layout.name for layout in LAYOUTS])
def test_that_the_first_hints_touch_what_they_speak_of_in_every_layout(
    window: MainWindow, run: Run, settle: Callable[[MainWindow], None], qtbot: QtBot, layout: str
) -> None:
    window.use_layout(layout)
    window.show_run(run)
    settle(window)
    hints, found = window.hints, []
    hints._pause.setInterval(0)
    hints.start()
    for hint in hints._hints:
        hints._settings.setValue("hints/seen", [other.name for other in hints._hints if other is not hint])
        anchor = hint.anchor()
        if anchor is None or not anchor.isVisible():
            continue
        qtbot.waitUntil(lambda hint=hint: hints.shown is hint)
        part = hint.part() or anchor.rect()
        target = QRect(anchor.mapTo(window, part.topLeft()), part.size())
        box = window.findChild(Bubble)
        assert box is not None
        assert target.adjusted(-2, -2, 2, 2).contains(box.place.tip), hint.name
        assert not box.place.box.intersects(target), hint.name
        found.append(hint.name)
        hints._hide()
    assert {"scrub", "palette", "bookmark"} <= set(found)
    assert ("neuron" in found) == docks.in_front(window.docks["neurons"])
    assert ("frequency" in found) == docks.in_front(window.docks["spectrum"])


def test_that_a_hint_goes_and_comes_with_its_view_as_layouts_change(
    window: MainWindow, run: Run, settle: Callable[[MainWindow], None], qtbot: QtBot
) -> None:
    window.show_run(run)
    settle(window)
    hints = window.hints
    hints._settings.setValue("hints/seen", [hint.name for hint in hints._hints if hint.name != "neuron"])
    hints._pause.setInterval(0)
    hints.start()
    qtbot.waitUntil(lambda: hints.shown is not None)
    assert hints.shown is not None
    assert hints.shown.name == "neuron"
    window.use_layout("Paper")
    qtbot.waitUntil(lambda: hints.shown is None)
    window.use_layout("One neuron")
    qtbot.waitUntil(lambda: hints.shown is not None)
    window.docks["neurons"].close()
    qtbot.waitUntil(lambda: hints.shown is None)
    window.docks["neurons"].show()
    qtbot.waitUntil(lambda: hints.shown is not None)
