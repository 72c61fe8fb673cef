"""The whole window without a mouse and for screen readers."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QTabWidget, QWidget
from pytestqt.qtbot import QtBot

from app import docks
from app.layouts import LAYOUTS, PANEL
from app.main_window import MainWindow
from app.views.base import View
from engine.analysis.embedding import spectrum
from engine.runfile import Run

Key = Qt.Key
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def shown(window: MainWindow, run: Run, settle: Callable[[MainWindow], None], qtbot: QtBot) -> MainWindow:
    window.show_run(run)
    window.session.select(neurons=((0, 3),), frequency=2, pair=(1, 2))
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    settle(window)
    return window


def focus() -> QWidget:
    found = QApplication.focusWidget()
    assert found is not None
    return found


def name_of(widget: QWidget) -> str:
    """What a screen reader says of it."""
    text = widget.text() if isinstance(widget, QAbstractButton | QLabel) else ""
    return (widget.accessibleName() or text).strip()


def view_of(window: MainWindow, name: str) -> View:
    return next(view for view in window.views if view.name == name)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_that_whatever_takes_the_keyboard_has_a_name(shown: MainWindow, layout: object, qtbot: QtBot) -> None:
    shown.use_layout(layout.name)  # type: ignore[attr-defined]
    looked_at = 0
    for dock in shown.docks.values() if layout is LAYOUTS[0] else [None]:
        if dock is not None:
            docks.bring(dock)
            qtbot.waitUntil(lambda dock=dock: docks.in_front(dock))
        qtbot.waitUntil(lambda: not shown.waiting, timeout=20_000)
        for widget in shown.findChildren(QWidget):
            takes = widget.focusPolicy() != Qt.FocusPolicy.NoFocus and widget.focusProxy() is None
            if takes and widget.isVisible():
                looked_at += 1
                assert name_of(widget), (type(widget), widget.objectName(), widget.parent())
    assert looked_at > 30


@pytest.mark.parametrize("layout", [layout.name for layout in LAYOUTS])
def test_that_tab_goes_through_the_docks_one_by_one_and_back_again(
    shown: MainWindow, qtbot: QtBot, layout: str
) -> None:
    shown.use_layout(layout)
    qtbot.waitUntil(lambda: not shown.waiting and focus() is shown.timeline.slider, timeout=20_000)
    seen = [focus()]
    for _ in range(300):
        qtbot.keyClick(focus(), Key.Key_Tab)
        if focus() is seen[0]:
            break
        assert focus() not in seen
        seen.append(focus())
    assert focus() is seen[0], "once around"
    order = [docks.holder(shown.docks.values(), widget) for widget in seen]
    passed = [dock for i, dock in enumerate(order) if dock is not None and dock is not order[i - 1]]
    assert passed == docks.in_order(shown.docks.values())
    for widget in reversed(seen):
        qtbot.keyClick(focus(), Key.Key_Backtab)
        assert focus() is widget


def test_that_bars_are_read_and_selected_by_keys(shown: MainWindow, qtbot: QtBot, run: Run) -> None:
    view, last = view_of(shown, "spectrum"), run.n_checkpoints - 1
    truth = spectrum(run, last, last, "W_E", run.n_checkpoints)
    docks.give_keyboard(shown.docks["spectrum"])
    step = shown.session.selection.step
    for key, k in [
        (Key.Key_Right, 1), (Key.Key_Right, 2), (Key.Key_End, 5), (Key.Key_Right, 5), (Key.Key_Left, 4),
        (Key.Key_Home, 1),
    ]:  # fmt: skip
        qtbot.keyClick(focus(), key)
        assert view.value == f"k = {k} · cos {truth.cos[k - 1]:.3g} · sin {truth.sin[k - 1]:.3g} (norm in W_E)"
        assert view.header.subtitle.text() == view.value
    qtbot.keyClick(focus(), Key.Key_Return)
    assert shown.session.selection.frequency == 1
    assert shown.session.selection.step == step, "the keys are the plot's while it has them"
    shown.timeline.slider.setFocus()
    assert view.header.subtitle.text() != view.value


def test_that_cells_of_a_map_are_read_and_selected_by_keys(
    shown: MainWindow, qtbot: QtBot, settle: Callable[[MainWindow], None]
) -> None:
    docks.bring(shown.docks["answers"])
    qtbot.waitUntil(lambda: docks.in_front(shown.docks["answers"]))
    settle(shown)
    docks.give_keyboard(shown.docks["answers"])
    view = view_of(shown, "answers")
    for key, modifier, at in [
        (Key.Key_Down, None, "a = 0, b = 0"), (Key.Key_Down, None, "a = 1, b = 0"),
        (Key.Key_Right, None, "a = 1, b = 1"), (Key.Key_Right, SHIFT, "a = 1, b = 10"),
        (Key.Key_Up, None, "a = 0, b = 10"), (Key.Key_Up, None, "a = 0, b = 10"),
        (Key.Key_Left, SHIFT, "a = 0, b = 0"), (Key.Key_Down, SHIFT, "a = 10, b = 0"),
    ]:  # fmt: skip
        qtbot.keyClick(focus(), key, modifier or Qt.KeyboardModifier.NoModifier)
        assert view.value.startswith(at), (view.value, at)
    qtbot.keyClick(focus(), Key.Key_Return)
    assert shown.session.selection.pair == (10, 0)


def test_that_arrow_keys_turn_the_pages_of_the_training_panel_and_nothing_else(shown: MainWindow, qtbot: QtBot) -> None:
    tabs = shown.panel.findChild(QTabWidget)
    assert tabs is not None
    assert shown.docks[PANEL].isVisible()
    step = shown.session.selection.step
    tabs.tabBar().setFocus()
    for key, page in ((Key.Key_Right, 1), (Key.Key_Left, 0)):
        qtbot.keyClick(focus(), key)
        assert tabs.currentIndex() == page
    assert shown.session.selection.step == step
