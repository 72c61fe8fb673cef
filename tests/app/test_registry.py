"""Every view × every task × first, middle and last checkpoint × both themes."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app import theme
from app.comparison import Comparison
from app.compute import Compute
from app.export import Table, csv_text, picture
from app.session import Session
from app.tracing import Tracing
from app.views import VIEWS
from app.views.base import View
from app.views.compare import CompareView
from app.views.help import Help
from engine import recording
from engine.config import Config
from engine.runfile import Run
from engine.tasks import TASKS

KINDS = {
    **{name: {"operation": name} for name in TASKS},
    "even p": {"p": 8, "operation": "add"},
    "two layers": {"n_layers": 2},
    "layer norm": {"layer_norm": True, "activation": "gelu"},
    "no test pairs": {"train_fraction": 1.0},
}


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    folder = tmp_path_factory.mktemp("kinds")

    @cache
    def make(kind: str) -> Run:
        settings = {"p": 7, "train_fraction": 0.6, "d_model": 8, "n_heads": 2, "d_mlp": 12, "epochs": 60} | KINDS[kind]
        config = Config(checkpoint_every=10, dense_every=0, transition_every=0, device="cpu", **settings)  # type: ignore[arg-type]
        path = Path(folder) / f"{kind}.h5"
        for _ in recording.start(config, path).events():
            pass
        return Run.open(path, probe=False)

    return make


@pytest.fixture
def shown(
    qtbot: QtBot, qapp: QApplication, run_of: Callable[[str], Run]
) -> Iterator[Callable[[type[View], Run], View]]:
    """A view alone, under its header, on a run with every brush set; what compares has another beside it."""
    made: list[tuple[QWidget, View, Compute]] = []

    def show(make: type[View], run: Run) -> View:
        theme.apply(qapp, theme.DARK)
        session, compute = Session(), Compute()
        view, frame = make(session, compute), QWidget()
        column = QVBoxLayout(frame)
        column.addWidget(view.header)
        column.addWidget(view, 1)
        made.append((frame, view, compute))
        frame.resize(560, 460)
        frame.show()
        session.show_run(run)
        if make is CompareView:
            session.compare(next(other for kind in ("add", "subtract") if (other := run_of(kind)) is not run))
        session.select(frequency=2, neurons=((run.config.n_layers - 1, 3), (0, 1)), pair=(2, 3))
        return view

    yield show
    for frame, view, compute in made:
        compute.close()
        Comparison.of(view.session, compute).close()
        view.tracing.close()
        frame.close()
        frame.deleteLater()
    qapp.processEvents()


def wait_for_everything(view: View, qtbot: QtBot) -> None:
    """The picture, the traces, and what follows from them."""

    def there() -> bool:
        at_work = view.waiting or view.compute.busy or view._rest.isActive()
        return not at_work and all(map(is_measured, view.session.findChildren(Tracing)))

    def is_measured(tracing: Tracing) -> bool:
        return tracing.traces is not None and tracing.is_done and not tracing._tell.isActive()

    qtbot.waitUntil(there, timeout=60_000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", VIEWS, ids=lambda make: make.name)
def test_that_every_view_draws_every_kind_of_run(
    make: type[View],
    kind: str,
    run_of: Callable[[str], Run],
    shown: Callable[[type[View], Run], View],
    qtbot: QtBot,
    qapp: QApplication,
) -> None:
    run = run_of(kind)
    view = shown(make, run)
    last = run.n_checkpoints - 1
    for look in (theme.DARK, theme.LIGHT):
        theme.apply(qapp, look)
        view.change_theme()
        for step in (0, last // 2, last):
            view.session.select(step=step, following=False)
            qtbot.waitUntil(lambda: not view.waiting, timeout=20_000)
            assert view.failure is None
            assert view._stack.currentIndex() == 0 or len(view._message.text()) > 20
            assert "could not be" not in view._message.text()
            assert not picture(view.content).isNull()


@pytest.mark.parametrize("make", VIEWS, ids=lambda make: make.name)
def test_that_every_view_says_what_it_shows_and_gives_its_numbers(
    make: type[View], run_of: Callable[[str], Run], shown: Callable[[type[View], Run], View], qtbot: QtBot
) -> None:
    assert isinstance(make.help, Help)
    for text in (make.help.see, make.help.look_for, make.help.wrong, make.help.formula, make.help.paper, make.about):
        assert len(text) > 5
    view = shown(make, run_of("add"))
    wait_for_everything(view, qtbot)
    selection = view.session.selection
    tables = view.tables(view.answer, selection)
    assert tables
    assert all(isinstance(table, Table) and csv_text(table, "") for table in tables)
    assert len(view.describe(view.answer, selection)) > 40


@pytest.mark.parametrize("make", VIEWS, ids=lambda make: make.name)
def test_that_drawing_the_same_again_changes_nothing(
    make: type[View], run_of: Callable[[str], Run], shown: Callable[[type[View], Run], View], qtbot: QtBot
) -> None:
    view = shown(make, run_of("add"))
    wait_for_everything(view, qtbot)
    told: list[object] = []
    view.session.changed.connect(told.append)
    before = picture(view.content)
    view.draw(view.answer, view.session.selection)
    view._want_exact(view.session.selection)
    qtbot.waitUntil(lambda: not view.compute.busy)
    assert picture(view.content) == before
    assert not told
