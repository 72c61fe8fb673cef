"""The collector of garbage belongs to the window's thread, and waits for a finger."""

import gc
import weakref
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import garbage
from app.garbage import Collector


@pytest.fixture
def collector(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setattr(garbage, "_BUILT_MS", 0)
    enabled, thresholds = gc.isenabled(), gc.get_threshold()
    made = Collector()
    yield made
    made.deleteLater()
    gc.set_threshold(*thresholds)
    if enabled:
        gc.enable()


class Ring:
    """Garbage that only a collector frees."""

    def __init__(self) -> None:
        self.itself = self


def old_ring() -> "weakref.ref[Ring]":
    ring = Ring()
    gc.collect(0)
    gc.collect(1)  # it is old now
    return weakref.ref(ring)


def all_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "_THRESHOLDS", (-1, -1, -1))


def test_that_python_does_not_collect_by_itself(collector: Collector) -> None:
    assert not gc.isenabled()


def test_that_old_garbage_is_collected_when_it_is_due(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    all_due(monkeypatch)
    ring = old_ring()
    collector.collect()
    assert ring() is None


def test_that_old_garbage_waits_while_a_button_is_pressed(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_due(monkeypatch)
    ring = old_ring()
    monkeypatch.setattr(QGuiApplication, "mouseButtons", lambda: Qt.MouseButton.LeftButton)
    collector.collect()
    assert ring() is not None
    monkeypatch.setattr(QGuiApplication, "mouseButtons", lambda: Qt.MouseButton.NoButton)
    collector.collect()
    assert ring() is None


def test_that_what_the_window_is_made_of_is_looked_through_no_more(collector: Collector, qtbot: QtBot) -> None:
    again = Collector(collector)  # the events of the first have been processed by now
    part = QObject(again)
    assert any(known is part for known in gc.get_objects())
    qtbot.waitUntil(lambda: not any(known is part for known in gc.get_objects()))


@pytest.mark.parametrize(("longest", "frozen"), [(-1.0, True), (60.0, False)])
def test_that_what_took_long_to_look_through_is_looked_through_no_more(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, longest: float, frozen: bool
) -> None:
    all_due(monkeypatch)
    monkeypatch.setattr(garbage, "_LONG", longest)
    kept = [[i] for i in range(1000)]
    before = gc.get_freeze_count()
    collector.collect()
    assert (gc.get_freeze_count() >= before + len(kept)) == frozen
