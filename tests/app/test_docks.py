"""Docks by mouse, keys and palette, whatever is in them."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication, QDockWidget, QLabel, QMenu, QRubberBand, QTabBar, QWidget
from pytestqt.qtbot import QtBot

from app import docks
from app.commands import Command
from app.layouts import LAYOUTS, PANEL, PANEL_WIDEST, Part, Tabs, arrange, keep, take_up
from app.main_window import MainWindow
from app.palette import rows
from app.views.base import TAKE_OUT
from app.views.header import Header
from engine.runfile import Run

LEFT = Qt.MouseButton.LeftButton


def header(dock: QDockWidget) -> Header:
    found = dock.titleBarWidget()
    assert isinstance(found, Header)
    return found


def command(window: MainWindow, text: str) -> Command:
    return next(command for command in window.commands() if command.text == text)


def drag(qtbot: QtBot, bar: Header, target: QWidget) -> None:
    """With the left button, by the title, into the middle of another dock, which moves as this one leaves."""
    start, moves = QPoint(40, bar.height() // 2), iter(range(1, 100_000))
    qtbot.mousePress(bar, LEFT, pos=start)

    def offered() -> bool:
        """One move further; whether the place is marked as one to drop it."""
        i = next(moves)
        there = bar.mapFromGlobal(target.mapToGlobal(target.rect().center()))
        qtbot.mouseMove(bar, start + (there - start) * min(1.0, i / 10) + QPoint(i % 2, 0))
        bands = [band for band in target.window().findChildren(QRubberBand) if band.isVisible()]
        return i > 10 and any(band.geometry() == target.geometry() for band in bands)

    try:
        qtbot.waitUntil(offered, timeout=20_000)
    finally:  # or Qt would go on with the drag when the window is gone
        qtbot.mouseRelease(bar, LEFT, pos=bar.mapFromGlobal(target.mapToGlobal(target.rect().center())))


@pytest.fixture
def active(window: MainWindow, run: Run, qtbot: QtBot) -> MainWindow:
    """The window on a run, with the keyboard."""
    window.show_run(run)
    window.activateWindow()
    qtbot.waitUntil(lambda: window.isActiveWindow() and QApplication.focusWidget() is window.timeline.slider)
    return window


def focus(window: MainWindow) -> QWidget:
    found = QApplication.focusWidget()
    assert found is not None
    return found


# -- by mouse ------------------------------------------------------------------------------------------------


def test_that_every_dock_has_a_title_bar_with_help_and_a_menu(window: MainWindow) -> None:
    for dock in window.docks.values():
        bar = header(dock)
        assert bar.title.text()
        assert len(bar._help) > 100, bar.title.text()
        menu = bar._menu()
        assert isinstance(menu, QMenu)
        assert {"What is this?", "Float or dock", "Close"} <= {action.text() for action in menu.actions()}


@pytest.mark.parametrize("name", ["loss", PANEL, "bookmarks"])
def test_that_the_menu_floats_docks_and_closes(window: MainWindow, name: str) -> None:
    dock = window.docks[name]
    docks.bring(dock)
    actions = {action.text(): action for action in header(dock)._menu().actions()}
    actions["Float or dock"].trigger()
    assert dock.isFloating()
    actions["Float or dock"].trigger()
    assert not dock.isFloating()
    actions["Close"].trigger()
    assert dock.isHidden()


@pytest.mark.parametrize("name", ["race", PANEL])
def test_that_a_drag_of_the_title_puts_one_dock_onto_another(window: MainWindow, qtbot: QtBot, name: str) -> None:
    target = window.docks["loss"]
    window.setAnimated(False)
    drag(qtbot, header(window.docks[name]), target)
    qtbot.waitUntil(lambda: window.docks[name] in window.tabifiedDockWidgets(target))
    qtbot.waitUntil(lambda: docks.in_front(window.docks[name]) and not docks.in_front(target))


def test_that_a_dock_that_comes_back_is_in_front_of_its_tabs(window: MainWindow, qtbot: QtBot) -> None:
    window.tabifyDockWidget(window.docks["loss"], window.docks["race"])
    dock = window.docks["race"]
    for _ in range(2):
        qtbot.mouseDClick(header(dock), LEFT, pos=QPoint(40, 15))
        qtbot.waitUntil(dock.isFloating)
        window.docks["loss"].raise_()
        qtbot.mouseDClick(header(dock), LEFT, pos=QPoint(40, 15))
        qtbot.waitUntil(lambda: not dock.isFloating() and docks.in_front(dock))


def test_that_the_training_panel_stays_narrow_alone_and_narrows_nothing_else(window: MainWindow, qtbot: QtBot) -> None:
    panel, loss = window.docks[PANEL], window.docks["loss"]
    for width in (1400, 1900):
        window.resize(width, 900)
        qtbot.waitUntil(lambda: 268 <= panel.width() <= PANEL_WIDEST)
    window.tabifyDockWidget(loss, panel)

    def widened() -> bool:
        window.resizeDocks([panel], [700], Qt.Orientation.Horizontal)
        return panel.width() > 600

    qtbot.waitUntil(widened)
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, panel)
    window.resize(1890, 900)
    qtbot.waitUntil(lambda: panel.width() <= PANEL_WIDEST)


# -- layouts -------------------------------------------------------------------------------------------------


def test_that_a_layout_comes_back_with_its_tabs_its_front_and_what_floats(window: MainWindow, qtbot: QtBot) -> None:
    window.tabifyDockWidget(window.docks["loss"], window.docks["race"])
    window.docks["loss"].raise_()
    window.docks["circles"].setFloating(True)
    qtbot.waitUntil(lambda: docks.in_front(window.docks["loss"]) and not docks.in_front(window.docks["race"]))
    window.use_layout("Paper")
    assert window.docks["circles"].isHidden()
    window.use_layout("Watch training")
    qtbot.waitUntil(lambda: docks.in_front(window.docks["loss"]) and not docks.in_front(window.docks["race"]))
    assert window.docks["race"] in window.tabifiedDockWidgets(window.docks["loss"])
    assert window.docks["circles"].isFloating()
    assert window.docks["circles"].isVisible()
    window.reset_layout()
    assert not window.docks["circles"].isFloating()
    assert window.docks["race"] not in window.tabifiedDockWidgets(window.docks["loss"])


def test_that_a_dock_newer_than_what_is_remembered_is_closed_and_comes_up_among_the_others(
    window: MainWindow, settings: QSettings, qtbot: QtBot
) -> None:
    layout = LAYOUTS[0]
    older = {name: dock for name, dock in window.docks.items() if name != "circles"}
    window.removeDockWidget(window.docks["circles"])
    arrange(window, older, layout)
    older["race"].close()
    keep(window, older, settings, layout.name)
    assert take_up(window, window.docks, settings, layout.name)
    assert window.docks["circles"].isHidden()
    assert window.docks["race"].isHidden()
    docks.bring(window.docks["circles"])
    assert not window.docks["circles"].isFloating()
    assert window.docks["neuron"] in window.tabifiedDockWidgets(window.docks["circles"])


def test_that_bars_of_tabs_have_a_name_and_leave_the_keyboard_where_it_is(window: MainWindow, qtbot: QtBot) -> None:
    window.use_layout("Reverse-engineer")

    def bars() -> list[QTabBar]:
        return [bar for bar in window.findChildren(QTabBar) if bar.parent() is window and bar.isVisible()]

    qtbot.waitUntil(lambda: len(bars()) == 3)
    for bar in bars():
        assert bar.accessibleName()
        assert bar.focusPolicy() == Qt.FocusPolicy.NoFocus


# -- by keys -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [layout.name for layout in LAYOUTS])
def test_that_f6_goes_through_every_dock_that_is_seen_and_back(active: MainWindow, qtbot: QtBot, layout: str) -> None:
    window = active
    window.use_layout(layout)
    qtbot.waitUntil(lambda: focus(window) is window.timeline.slider)
    order = docks.in_order(window.docks.values())
    assert len(order) >= 2
    passed = []
    for _ in order:
        qtbot.keyClick(focus(window), Qt.Key.Key_F6)
        passed.append(docks.holder(window.docks.values(), focus(window)))
    assert passed == order
    assert [dock for dock in window.docks.values() if header(dock)._active] == [order[-1]]
    qtbot.keyClick(focus(window), Qt.Key.Key_F6)
    assert focus(window) is window.timeline.slider
    assert not any(header(dock)._active for dock in window.docks.values())
    back = []
    for _ in order:
        qtbot.keyClick(focus(window), Qt.Key.Key_F6, Qt.KeyboardModifier.ShiftModifier)
        back.append(docks.holder(window.docks.values(), focus(window)))
    assert back == order[::-1]


def test_that_f6_works_before_there_is_a_run(window: MainWindow, qtbot: QtBot) -> None:
    order = docks.in_order(window.docks.values())
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    docks.give_keyboard(order[-1])
    qtbot.keyClick(focus(window), Qt.Key.Key_F6)
    assert docks.holder(order, focus(window)) is order[0]
    qtbot.keyClick(focus(window), Qt.Key.Key_F6, Qt.KeyboardModifier.ShiftModifier)
    assert docks.holder(order, focus(window)) is order[-1]


def tabs_with(part: Part, name: str) -> tuple[str, ...]:
    """The docks behind each other where one is, as the layout has them."""
    if isinstance(part, Tabs):
        return part.names if name in part.names else ()
    return () if isinstance(part, str) else next((t for inner in part.parts if (t := tabs_with(inner, name))), ())


def test_that_keys_bring_every_tab_to_the_front(active: MainWindow, qtbot: QtBot) -> None:
    window, layout = active, LAYOUTS[1]
    window.use_layout(layout.name)
    names = tabs_with(layout.views, "logits")
    assert len(names) > 2
    docks.give_keyboard(window.docks[names[0]])
    seen = []
    for _ in names:
        qtbot.keyClick(focus(window), Qt.Key.Key_PageDown, Qt.KeyboardModifier.ControlModifier)
        here = docks.holder(window.docks.values(), focus(window))
        assert here is not None
        qtbot.waitUntil(lambda here=here: docks.in_front(here))
        seen.append(here.objectName())
    assert seen == [f"dock.{name}" for name in (*names[1:], names[0])]
    qtbot.keyClick(focus(window), Qt.Key.Key_PageUp, Qt.KeyboardModifier.ControlModifier)
    assert docks.holder(window.docks.values(), focus(window)) is window.docks[names[-1]]


def test_that_the_line_over_the_active_dock_is_painted_and_goes(active: MainWindow, qtbot: QtBot) -> None:
    window = active
    bar = header(window.docks["loss"])
    before = bar.grab().toImage()
    docks.give_keyboard(window.docks["loss"])
    qtbot.waitUntil(lambda: bar.grab().toImage() != before)
    window.timeline.slider.setFocus()
    qtbot.waitUntil(lambda: bar.grab().toImage() == before)


def test_that_the_palette_takes_the_keyboard_from_what_floats_and_gives_it_back(
    active: MainWindow, qtbot: QtBot
) -> None:
    floating = active.docks["circles"]
    floating.setFloating(True)
    docks.give_keyboard(floating)
    qtbot.waitUntil(lambda: floating.isAncestorOf(focus(active)))
    before = focus(active)
    active.open_palette()
    qtbot.waitUntil(lambda: active.palette_window.isAncestorOf(focus(active)) and active.isActiveWindow())
    qtbot.keyClick(focus(active), Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: focus(active) is before)


# -- by the palette ------------------------------------------------------------------------------------------


def test_that_the_palette_can_show_close_float_and_explain_every_dock(window: MainWindow, qtbot: QtBot) -> None:
    for dock in window.docks.values():
        title = docks.title_of(dock)
        command(window, f"Show {title}").run()
        qtbot.waitUntil(lambda dock=dock: docks.in_front(dock))
        assert not command(window, f"Show {title}").enabled
        command(window, f"Float {title}").run()
        assert dock.isFloating()
        command(window, f"Dock {title}").run()
        qtbot.waitUntil(lambda dock=dock: not dock.isFloating() and docks.in_front(dock))
        command(window, f"Close {title}").run()
        assert dock.isHidden()
        assert not command(window, f"Close {title}").enabled
        assert not command(window, f"Float {title}").enabled
        command(window, f"What is this? {title}").run()
        popup = QApplication.activePopupWidget()
        assert popup is not None
        text = popup.findChild(QLabel)
        assert text is not None
        assert text.text() == header(dock)._help
        popup.close()
        dock.close()


def test_that_the_palette_takes_out_what_the_views_menus_do(
    window: MainWindow, run: Run, settle: Callable[[MainWindow], None]
) -> None:
    wanted: list[tuple[str, str]] = []
    for view in window.views:
        view.wanted.disconnect()
        view.wanted.connect(lambda view, what: wanted.append((view.name, what)))
    assert not any(command.enabled for view in window.views for command in view.commands()), "no run yet"
    window.show_run(run)
    settle(window)
    for view in window.views:
        offered = view.commands()
        assert len(offered) >= len(TAKE_OUT)
        assert all(view.title in made.text for made in offered[: len(TAKE_OUT)])
        assert offered[0].enabled == (view.on_show and view.has_picture), view.name
    command(window, "Export figure: Embedding spectrum …").run()
    command(window, "Copy image: Loss & progress").run()
    command(window, "Movie: Embedding spectrum …").run()
    assert wanted == [("spectrum", "export"), ("loss", "copy"), ("spectrum", "movie")]


def test_that_the_palette_lists_the_rarer_commands_only_by_their_letters(window: MainWindow) -> None:
    commands = window.commands()
    first = [row.command.text for row in rows(commands, "", [], []) if row.command is not None]
    assert "Show Loss & progress" in first
    assert not any(text.startswith(("Float", "What is", "Export figure:")) for text in first)
    found = [row.command.text for row in rows(commands, "export spectrum", [], []) if row.command is not None]
    assert found[0].startswith("Export")
    assert "Embedding spectrum" in found[0]
    assert len({command.name for command in commands}) == len(commands), "each is remembered under its own name"


def test_that_the_keys_of_a_dock_stand_beside_what_they_do_now(window: MainWindow) -> None:
    keys = QKeySequence("Ctrl+B").toString()
    assert command(window, "Show Bookmarks").keys == keys
    docks.bring(window.docks["bookmarks"])
    assert command(window, "Close Bookmarks").keys == keys
    assert command(window, "Show Bookmarks").keys == ""
