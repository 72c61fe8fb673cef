"""Views of the reference beside those of the run on show, each pair in one dock."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QComboBox, QDockWidget, QSpinBox, QSplitter, QWidget

from app.comparison import Comparison
from app.run_mark import RunMark
from app.session import Selection
from app.views.base import View
from app.views.legend import LegendEntry

if TYPE_CHECKING:
    from app.main_window import MainWindow


class Pair(QSplitter):
    """A view and, right of it, a second one of its kind on the reference; both bars share the title of the dock."""

    def __init__(self, first: View, second: View) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.first, self.second = first, second
        self.mark = RunMark()
        self.setObjectName("beside")
        self.setChildrenCollapsible(False)
        self.setHandleWidth(1)
        for one, other in zip(first.header.options, second.header.options, strict=True):
            tie(one, other)
        second.header.become_second(self.mark)
        for bar, half in ((first, "first"), (second, "second")):
            bar.setProperty("half", half)
        second.setObjectName("panel")
        second.setAccessibleName(f"{second.title} of the reference")
        self.splitterMoved.connect(lambda *_: self._fit_bars())

    def open(self) -> None:
        """Show both, each with half of the room."""
        self.addWidget(self.first)
        self.addWidget(self.second)
        self.first.show()
        self.second.show()
        self.setSizes([10_000, 10_000])
        self.first.header.share_with(self.second.header)
        self._tie_contents()
        self._set_open(True)

    def shut(self) -> None:
        """The first alone."""
        self.second.hide()
        self.first.header.share_with(None)
        self._set_open(False)

    @property
    def is_open(self) -> bool:
        return not self.second.isHidden()

    def minimumSizeHint(self) -> QSize:
        """Of one alone: two must not make the window wider than it is."""
        both = [bar.minimumSizeHint() for bar in (self.first, self.second)]
        return QSize(max(size.width() for size in both), max(size.height() for size in both))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_bars()

    def _set_open(self, on: bool) -> None:
        self.first.header.beside.setChecked(on)
        for bar in (self.first, self.second):
            bar.setProperty("paired", on)
            bar.style().unpolish(bar)
            bar.style().polish(bar)
        self._fit_bars()

    def _fit_bars(self) -> None:
        if self.is_open:
            self.second.header.setFixedWidth(max(1, self.sizes()[1]))
            self.first.header.fit()

    def _tie_contents(self) -> None:
        """Legends and choices inside the views, by their names; once."""
        if self.property("tied"):
            return
        self.setProperty("tied", True)
        for kind in (LegendEntry, QComboBox):
            there = {one.objectName(): one for one in self.second.ensure_built().findChildren(kind)}
            for one in self.first.ensure_built().findChildren(kind):
                if one.objectName() in there:
                    tie(one, there[one.objectName()])
                    tie(there[one.objectName()], one)


def tie(one: QWidget, other: QWidget) -> None:
    """From now on the other is set as the one is."""
    pairs = [(one, other), *zip(one.findChildren(QWidget), other.findChildren(QWidget), strict=False)]
    for a, b in pairs:
        if isinstance(a, QComboBox) and isinstance(b, QComboBox):
            a.currentIndexChanged.connect(partial(_choose, b))
            _choose(b, a.currentIndex())
        elif isinstance(a, QAbstractButton) and isinstance(b, QAbstractButton) and a.isCheckable():
            a.toggled.connect(b.setChecked)
            b.setChecked(a.isChecked())
        elif isinstance(a, QSpinBox) and isinstance(b, QSpinBox):
            a.valueChanged.connect(b.setValue)
            b.setValue(a.value())


def _choose(box: QComboBox, place: int) -> None:
    if 0 <= place < box.count():
        box.setCurrentIndex(place)


class Beside(QObject):
    """Which views stand beside the reference's. A second view is made when it is first wanted, and kept."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._comparison = Comparison.of(window.session, window.compute)
        self._pairs: dict[str, Pair] = {}
        self._all = False  # whatever comes to the front is put beside, too
        self._comparison.changed.connect(self._refresh)
        window.session.changed.connect(self._follow)
        for view in window.views:
            window.docks[view.name].visibilityChanged.connect(partial(self._come_to_front, view))

    @property
    def views(self) -> list[View]:
        """The second views that there are."""
        return [pair.second for pair in self._pairs.values()]

    def is_open(self, view: View) -> bool:
        return view.name in self._pairs and self._pairs[view.name].is_open

    def toggle(self, view: View) -> None:
        """Put the reference's view beside this one, or take it away."""
        if self.is_open(view):
            self._all = False
            self._pairs[view.name].shut()
        else:
            self.open(view)

    def open(self, view: View) -> None:
        """Put the reference's view beside this one."""
        if self._comparison.kinship is None or not view.stands_beside or self.is_open(view):
            view.header.beside.setChecked(self.is_open(view))
            return
        if view.name not in self._pairs:
            self._pairs[view.name] = self._make(view)
        self._pairs[view.name].open()
        self._mark(self._pairs[view.name])

    def toggle_all(self) -> None:
        """All views that can be seen, and what comes to the front later; or none."""
        shown = [view for view in self._window.views if view.on_show and view.stands_beside]
        if shown and all(self.is_open(view) for view in shown):
            self.shut_all()
            return
        self._all = True
        for view in shown:
            self.open(view)

    def shut_all(self) -> None:
        self._all = False
        for pair in self._pairs.values():
            if pair.is_open:
                pair.shut()

    def restyle(self) -> None:
        for view in self.views:
            view.change_theme()

    # -- what happens --------------------------------------------------------------------------------------

    def _make(self, view: View) -> Pair:
        dock = self._window.docks[view.name]
        second = type(view)(self._comparison.twin, self._window.compute)
        pair = Pair(view, second)
        dock.setWidget(pair)
        dock.visibilityChanged.connect(second.come_to_front)
        second.wanted.connect(partial(self._wanted, dock, view))
        return pair

    def _wanted(self, dock: QDockWidget, view: View, second: View, what: str) -> None:
        """What the menu of a second view was asked for."""
        if what in ("close", "beside"):
            self.toggle(view)
        elif what == "float":
            view.wanted.emit(view, what)
        elif what == "movie":
            self._window.movie(None)  # both runs move together
        elif not second.answers_for(what):
            self._window.exporting.do(second, what)

    def _come_to_front(self, view: View, in_front: bool) -> None:
        if in_front and self._all:
            self.open(view)

    def _refresh(self) -> None:
        """Another reference, or none."""
        there = self._comparison.kinship is not None
        for view in self._window.views:
            button = view.header.beside
            if button.isHidden() == (there and view.stands_beside):
                button.setVisible(there and view.stands_beside)
                view.header.fit()
        if not there:
            self.shut_all()
        for pair in self._pairs.values():
            self._mark(pair)

    def _follow(self, selection: Selection) -> None:
        if selection.reference is not None:
            for pair in self._pairs.values():
                if pair.is_open:
                    pair.mark.show_place(self._comparison.placed(selection))

    def _mark(self, pair: Pair) -> None:
        selection = self._window.session.selection
        if selection.reference is not None:
            pair.mark.show_run(selection.reference.path.stem, self._comparison.said)
            pair.mark.show_place(self._comparison.placed(selection))
