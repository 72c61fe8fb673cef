"""Named arrangements of the docks."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app import docks
from app.layouts import LAYOUTS, PANEL, Part, Tabs, _known, _leaves
from app.main_window import MainWindow
from engine.runfile import Run

Settle = Callable[[MainWindow], None]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_that_a_layout_shows_its_docks_and_no_others(window: MainWindow, layout: object, qtbot: QtBot) -> None:
    assert any(layout is known for known in LAYOUTS)
    window.use_layout(layout.name)  # type: ignore[attr-defined]
    wanted = set(_leaves(_known(layout.views, window.docks)))  # type: ignore[attr-defined]
    shown = {name for name, dock in window.docks.items() if not dock.isHidden()}
    assert shown - {PANEL} == wanted
    assert (PANEL in shown) == layout.panel  # type: ignore[attr-defined]


def test_that_keys_change_the_layout_and_it_is_kept_as_it_was_left(window: MainWindow, qtbot: QtBot) -> None:
    window.activateWindow()
    qtbot.keyClick(window, Qt.Key.Key_2)
    assert window.arrangement.layout_name == "Reverse-engineer"
    window.docks["loss"].close()
    qtbot.keyClick(window, Qt.Key.Key_1)
    assert not window.docks["loss"].isHidden()
    qtbot.keyClick(window, Qt.Key.Key_2)
    assert window.docks["loss"].isHidden()
    qtbot.keyClick(window, Qt.Key.Key_0)
    assert not window.docks["loss"].isHidden()


def tabs_of(part: Part) -> list[tuple[str, ...]]:
    if isinstance(part, Tabs):
        return [part.names]
    return [] if isinstance(part, str) else [tabs for inner in part.parts for tabs in tabs_of(inner)]


def test_that_the_tabs_of_one_layout_are_gone_in_the_next(window: MainWindow, qtbot: QtBot) -> None:
    names = {docks.title_of(dock): name for name, dock in window.docks.items()}
    for layout in (*LAYOUTS, *LAYOUTS):
        window.use_layout(layout.name)
        qtbot.wait(1)
        bars = [tuple(names[bar.tabText(i)] for i in range(bar.count())) for bar in docks.tab_bars(window)]
        assert sorted(bar for bar in bars if len(bar) > 1) == sorted(tabs_of(layout.views))


def test_that_no_view_pushes_the_others_out_of_a_small_window(window: MainWindow, run: Run, settle: Settle) -> None:
    window.show_run(run)
    window.resize(1280, 800)
    for layout in LAYOUTS:
        window.use_layout(layout.name)
        for name, dock in window.docks.items():
            if not dock.isHidden():
                dock.raise_()
                settle(window)
                assert (window.width(), window.height()) == (1280, 800), (layout.name, name)


def test_that_a_dock_floats_and_comes_back(window: MainWindow, qtbot: QtBot) -> None:
    view = next(view for view in window.views if view.name == "loss")
    view.wanted.emit(view, "float")
    assert window.docks["loss"].isFloating()
    view.wanted.emit(view, "float")
    assert not window.docks["loss"].isFloating()
    view.wanted.emit(view, "close")
    assert window.docks["loss"].isHidden()
