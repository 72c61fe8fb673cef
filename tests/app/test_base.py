"""What every view inherits: it never goes back, says when it is late, and asks nothing while nobody sees it."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.compute import Answer, Compute, Query
from app.session import Selection, Session
from app.views.base import View
from app.views.controls import toggle
from app.views.help import Help
from engine.runfile import Run

GATES: dict[int, threading.Event] = {}


def slow_square(step: int) -> int:
    if step in GATES:
        GATES[step].wait(20)
    return step * step


class Squares(View):
    """Shows the square of the step."""

    name = "squares"
    title = "Squares"
    about = "The step times itself."
    help = Help("A number.", "It grows.", "It shrinks.", "s²", "nowhere")

    def options(self) -> list[QWidget]:
        return [toggle("a long option", f"squares.{i}", f"Option {i}") for i in range(4)]

    def build(self) -> QWidget:
        self.painted: list[int] = []
        self._label = QLabel("")
        return self._label

    def query(self, selection: Selection) -> Query:
        return Query(slow_square, (selection.step,))

    def draw(self, answer: int, selection: Selection) -> None:
        assert answer == selection.step**2
        self.painted.append(selection.step)
        self._label.setText(str(answer))

    def exact(self, selection: Selection) -> Query:
        return Query(np.sqrt, (float(selection.step),))

    def write(self, numbers: float, selection: Selection) -> None:
        self.exact_number = numbers


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication, run: Run) -> Iterator[Squares]:
    GATES.clear()
    session, compute = Session(), Compute()
    made = Squares(session, compute)
    qtbot.addWidget(made.header)
    qtbot.addWidget(made)
    made.show()
    session.show_run(run)
    qtbot.waitUntil(lambda: not made.waiting)
    yield made
    for gate in GATES.values():
        gate.set()
    compute.close()


def test_that_a_late_answer_is_painted_only_if_newer_than_what_is_shown(view: Squares, qtbot: QtBot) -> None:
    for step in (2, 3, 4):
        GATES[step] = threading.Event()
    view.painted.clear()
    view.session.scrub(2)
    qtbot.waitUntil(lambda: not view.compute._wanted)
    view.session.scrub(3)
    view.session.scrub(4)
    GATES[2].set()  # no longer wanted, but newer than what is painted
    qtbot.waitUntil(lambda: view.painted == [2])
    assert view.waiting
    GATES[4].set()
    qtbot.waitUntil(lambda: not view.waiting)
    assert view.painted == [2, 4]
    view._receive(Query(slow_square, (2,)), Answer(4))  # older than what is painted
    assert view.painted == [2, 4]


def test_that_an_answer_asked_on_the_way_is_not_painted_over_where_one_came_back_to(
    view: Squares, qtbot: QtBot
) -> None:
    view.session.scrub(5)
    qtbot.waitUntil(lambda: not view.waiting)
    GATES[1] = threading.Event()
    view.session.scrub(1)
    qtbot.waitUntil(lambda: not view.compute._wanted)
    view.session.scrub(5)  # it is still on show
    with qtbot.waitSignal(view.compute.answered, check_params_cb=lambda q, _: q == Query(slow_square, (1,))):
        GATES[1].set()
    assert view._label.text() == "25"
    assert not view.waiting


def test_that_a_late_view_is_marked(view: Squares, qtbot: QtBot) -> None:
    view.header.show()
    GATES[1] = threading.Event()
    view.session.scrub(1)
    qtbot.waitUntil(view.header.late.isVisible)
    GATES[1].set()
    qtbot.waitUntil(lambda: not view.header.late.isVisible())
    assert not view.waiting


def test_that_a_hidden_view_asks_nothing_until_it_is_seen(view: Squares, qtbot: QtBot) -> None:
    view.hide()
    qtbot.waitUntil(lambda: not view.compute.busy)
    view.session.scrub(3)
    assert not view.compute.busy
    view.show()
    qtbot.waitUntil(lambda: not view.waiting)
    assert view.painted[-1] == 3


def test_that_exact_numbers_follow_when_the_selection_rests(view: Squares, qtbot: QtBot) -> None:
    view.session.scrub(4)
    qtbot.waitUntil(lambda: getattr(view, "exact_number", None) == 2.0)


def test_that_options_hide_behind_a_button_where_there_is_no_room(view: Squares, qtbot: QtBot) -> None:
    header = view.header
    header.resize(900, header.HEIGHT)
    header.show()
    option = header._options[0]
    assert option.isVisible()
    header.resize(300, header.HEIGHT)
    qtbot.waitUntil(header._more.isVisible)
    assert not option.isVisible()
    qtbot.mouseClick(header._more, Qt.MouseButton.LeftButton)
    assert option.isVisible()
    header._popup.hide()
    header.resize(900, header.HEIGHT)
    qtbot.waitUntil(lambda: not header._more.isVisible())
    assert option.isVisible()


def test_that_help_says_all_five_things(view: Squares) -> None:
    for text in ("A number.", "It grows.", "It shrinks.", "s²", "nowhere"):
        assert text in view.header._help


def test_that_the_value_under_the_pointer_can_be_copied(view: Squares) -> None:
    view.read_out("k = 3")
    view.read_out("")
    menu = view._menu()
    assert menu.actions()[0].text() == "Copy value: k = 3"
    said = []
    view.wanted.connect(lambda _, what: said.append(what))
    for action in menu.actions():
        if not action.isSeparator() and action.text() != "What is this?":
            action.trigger()
    assert said == ["value", "copy", "export", "data", "movie", "float", "close"]
    menu.popup(QPoint(0, 0))
    menu.close()
