"""A view by itself on a run, settled: for the tests of single views over training."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import theme
from app.compute import Compute
from app.session import Session
from app.views.base import TracedView
from engine import recording
from engine.runfile import Run
from tests.app.conftest import SMALL

V = TypeVar("V", bound=TracedView)


@contextmanager
def alone(make: type[V], qtbot: QtBot, app: QApplication) -> Iterator[V]:
    theme.apply(app, theme.DARK)
    session, compute = Session(), Compute()
    view = make(session, compute)
    qtbot.addWidget(view)
    qtbot.addWidget(view.header)
    view.resize(760, 600)
    with qtbot.waitExposed(view):
        view.show()
    yield view
    compute.close()
    view.tracing.close()


def settle(view: TracedView, qtbot: QtBot) -> None:
    """Wait until everything is measured, drawn and written."""
    tracing = view.tracing

    def settled() -> bool:
        known = tracing.traces is not None and tracing.pinned is not None
        chosen = view.session.selection.pinned_keys
        same = known and tracing.pinned is not None and (not chosen or tracing.pinned.keys == chosen)
        resting = view._rest.isActive() or tracing._tell.isActive()
        return bool(same) and not (view.waiting or view.compute.busy or not tracing.is_done or resting)

    qtbot.waitUntil(settled, timeout=20_000)


def trained(path: Path, **changes: object) -> Run:
    quick = {"epochs": 20, "checkpoint_every": 10, "dense_every": 0}
    for _ in recording.start(replace(SMALL, **(quick | changes)), path).events():
        pass
    return Run.open(path, probe=False)


def click(plot: object, x: float, y: float) -> None:
    """A left click at a place of a plot's data, as a person makes it."""
    at = pixel(plot, x, y)
    QTest.mouseMove(plot.viewport(), at)  # type: ignore[attr-defined]
    QTest.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=at)  # type: ignore[attr-defined]


def pixel(plot: object, x: float, y: float) -> QPoint:
    box = plot.getViewBox()  # type: ignore[attr-defined]
    return plot.mapFromScene(box.mapViewToScene(QPointF(x, y)))  # type: ignore[attr-defined,no-any-return]
