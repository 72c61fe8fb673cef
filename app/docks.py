"""The docks: what they can be asked for, by mouse, keys and palette. It never asks what is in one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabBar, QWidget

from app.commands import Command
from app.views.header import Header

_GROUP = "View"
_UNLIMITED = (1 << 24) - 1  # pixels: Qt's QWIDGETSIZE_MAX
_BY_KEY = Qt.FocusReason.TabFocusReason


def make_dock(window: QMainWindow, title: str, name: str, widget: QWidget, header: Header) -> QDockWidget:
    """A dock under its title bar, by which it is dragged; not placed yet.  title : also of its tab"""
    dock = QDockWidget(title.replace("&", "&&"), window)
    dock.setObjectName(f"dock.{name}")
    dock.setWidget(widget)
    dock.setTitleBarWidget(header)
    return dock


def title_of(dock: QDockWidget) -> str:
    return dock.windowTitle().replace("&&", "&")


def in_front(dock: QDockWidget) -> bool:
    """Whether it can be seen: not closed, and not behind another tab."""
    return dock.isVisible() and not dock.visibleRegion().isEmpty()


def bring(dock: QDockWidget) -> None:
    """Show it, in front of its tabs."""
    dock.show()
    dock.raise_()


def do(dock: QDockWidget, what: str) -> None:
    """What the menu of a title bar asks for: float (or dock again) or close."""
    if what == "close":
        dock.close()
        return
    dock.setFloating(not dock.isFloating())
    bring(dock)  # where it comes back it may be behind a tab


def keep_narrow(window: QMainWindow, dock: QDockWidget, docks: Iterable[QDockWidget], most: int) -> None:
    """A dock that stands alone at its side gets no wider than it needs; among others it takes their width."""
    side = window.dockWidgetArea(dock)
    beside = [one for one in docks if one is not dock and not one.isHidden() and not one.isFloating()]
    alone = not dock.isFloating() and all(window.dockWidgetArea(one) != side for one in beside)
    limit = most if alone else _UNLIMITED
    if dock.widget().maximumWidth() != limit:
        dock.widget().setMaximumWidth(limit)


# -- by keys -------------------------------------------------------------------------------------------------


def in_order(docks: Iterable[QDockWidget]) -> list[QDockWidget]:
    """Those that can be seen: by columns from the left, from top to bottom; floating ones last."""

    def place(dock: QDockWidget) -> tuple[bool, int, int]:
        corner = dock.mapToGlobal(QPoint(0, 0))
        return dock.isFloating(), corner.x(), corner.y()

    return sorted(filter(in_front, docks), key=place)


def holder(docks: Iterable[QDockWidget], widget: QWidget | None) -> QDockWidget | None:
    """The dock that a widget is in."""
    return next((dock for dock in docks if widget is not None and dock.isAncestorOf(widget)), None)


def give_keyboard(dock: QDockWidget) -> None:
    """To the first thing in it that takes keys, or else to its title bar."""
    dock.activateWindow()
    parts = [part for part in (dock.widget(), dock.titleBarWidget()) if part is not None]
    for part in parts:
        for child in _tab_chain(part):
            child.setFocus(_BY_KEY)
            return


def _tab_chain(part: QWidget) -> list[QWidget]:
    """What Tab reaches in a part of the window, in that order."""
    return tab_stops([part])


def tab_stops(parts: Sequence[QWidget]) -> list[QWidget]:
    """What Tab reaches in parts of the window, one part after the other, whenever they were made."""
    found: dict[int, list[QWidget]] = {i: [] for i in range(len(parts))}
    child: QWidget | None = parts[0] if parts else None
    while child is not None:
        if takes_tab(child):
            i = next((i for i, part in enumerate(parts) if part is child or part.isAncestorOf(child)), None)
            if i is not None:
                found[i].append(child)
        child = child.nextInFocusChain()
        if child is parts[0]:
            break
    return [stop for stops in found.values() for stop in stops]


def takes_tab(widget: QWidget) -> bool:
    """Whether the keyboard may go there; what only passes it on is no place of its own."""
    by_tab = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    return bool(by_tab) and widget.isVisible() and widget.isEnabled() and widget.focusProxy() is None


def go_on(docks: Iterable[QDockWidget], last: QWidget, focus: QWidget | None, by: int) -> None:
    """The keyboard to the next dock, or the one before; after them comes `last`, if it takes keys now."""
    order = in_order(docks)
    here = holder(order, focus)
    place = (len(order) if here is None else order.index(here)) + by
    if not last.isEnabled() and place % (len(order) + 1) == len(order):
        place += by
    place %= len(order) + 1
    if place < len(order):
        give_keyboard(order[place])
    elif last.isEnabled():
        last.activateWindow()
        last.setFocus(_BY_KEY)


def change_tab(window: QMainWindow, docks: Iterable[QDockWidget], focus: QWidget | None, by: int) -> None:
    """The next tab, or the one before, of the dock that has the keyboard, or else of the first that has tabs."""
    front = in_order(docks)
    here = holder(front, focus)
    for dock in front if here is None else [here]:
        tabs = _tabs(window, dock)
        if len(tabs) > 1:
            there = tabs[(tabs.index(dock) + by) % len(tabs)]
            there.raise_()
            give_keyboard(there)
            return


def _tabs(window: QMainWindow, dock: QDockWidget) -> list[QDockWidget]:
    """The docks behind each other where this one is, in the order of their tabs."""
    together = {title_of(one): one for one in (dock, *window.tabifiedDockWidgets(dock)) if not one.isHidden()}
    for bar in reversed(_bars(window)):  # the newest, where Qt has left old ones
        texts = [bar.tabText(i).replace("&&", "&") for i in range(bar.count())]
        if len(texts) == len(together) and set(texts) == set(together):
            return [together[text] for text in texts]
    return list(together.values())


def tab_bars(window: QMainWindow) -> list[QTabBar]:
    """The bars of docks behind each other that are on screen."""
    return [bar for bar in _bars(window) if not bar.isHidden()]


def _bars(window: QMainWindow) -> list[QTabBar]:
    return window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly)


def name_tab_bar(bar: QTabBar) -> None:
    """A bar that Qt made for docks behind each other: screen readers name it; keys change the tab from inside."""
    bar.setAccessibleName("Views behind each other")
    bar.setFocusPolicy(Qt.FocusPolicy.NoFocus)


# -- by the palette ------------------------------------------------------------------------------------------


def commands(docks: Iterable[QDockWidget]) -> list[Command]:
    """What every dock can be asked for."""
    return [command for dock in docks for command in _commands(dock)]


def _commands(dock: QDockWidget) -> Sequence[Command]:
    title, open_, front = title_of(dock), not dock.isHidden(), in_front(dock)
    header = dock.titleBarWidget()
    keys = dock.toggleViewAction().shortcut().toString()  # shows and closes it

    def explain() -> None:
        bring(dock)
        if isinstance(header, Header):
            header.show_help()

    def show() -> None:
        bring(dock)
        give_keyboard(dock)

    float_ = "Dock" if dock.isFloating() else "Float"
    return (
        Command(f"Show {title}", show, "" if open_ else keys, _GROUP, not front),
        Command(f"Close {title}", dock.close, keys if open_ else "", _GROUP, open_, bool(keys and open_)),
        Command(f"{float_} {title}", lambda: do(dock, "float"), "", _GROUP, open_, everyday=False),
        Command(f"What is this? {title}", explain, "", _GROUP, everyday=False),
    )


# -- newer than what is remembered ---------------------------------------------------------------------------


def put_away(window: QMainWindow, dock: QDockWidget, places: Iterable[QDockWidget]) -> None:
    """Close a dock that has no place yet; it comes up behind a tab of the first of these that is open."""
    there = next((place for place in places if not place.isHidden() and not place.isFloating()), None)
    if there is not None:
        window.tabifyDockWidget(there, dock)
    dock.hide()
