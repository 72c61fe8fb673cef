"""The verb `movie`: a view or the whole window over the checkpoints of a run, without a display."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from app.main_window import MainWindow
    from app.tracing import Tracing
    from app.views.base import View
    from engine.runfile import Run

ABOUT = "Write a movie of a view or the whole window over the checkpoints of a run; needs no display."
_WINDOW, _VIEW = "1600x1000", "900x600"


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """What the verb understands."""
    verb.add_argument("file", type=Path, metavar="RUN.h5")
    verb.add_argument("--out", type=Path, required=True, metavar="MOVIE", help=".webp (every pixel exact) or .gif")
    verb.add_argument("--view", metavar="NAME", help="this view alone, such as loss or neurons (default: the window)")
    verb.add_argument("--layout", default="Watch training", metavar="NAME", help="of the window: its name or number")
    verb.add_argument("--from", dest="first", type=int, metavar="E", help="the first epoch (default: the run's)")
    verb.add_argument("--to", dest="last", type=int, metavar="E", help="the last epoch (default: the run's)")
    verb.add_argument("--every", type=int, default=1, metavar="N", help="take every Nth checkpoint (default: 1)")
    verb.add_argument("--fps", type=float, default=10, metavar="F", help="frames a second (default: 10)")
    verb.add_argument("--size", metavar="WxH", help=f"in pixels (default: {_WINDOW}, with --view {_VIEW})")
    verb.add_argument("--scale", type=float, default=1.0, metavar="S", help="pixels of a frame for each of these")
    verb.add_argument("--neuron", type=int, metavar="K", help="the neuron on show (of the last layer)")
    verb.add_argument("--pair", metavar="A,B", help="the selected pair")
    verb.add_argument("--frequency", type=int, metavar="K", help="the selected frequency")
    verb.add_argument("--theme", choices=("dark", "light"), default="dark")


def run(options: argparse.Namespace) -> int:
    """Record the movie.  -> exit status. Raises `ConfigError` and `RunError`."""
    from app import cli

    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    if not cli._libraries_are_there(offscreen=True):
        return 1
    from app.export import ExportError
    from app.movie import steps_between
    from app.movie_file import FORMATS
    from app.session import Selection
    from app.views import VIEWS
    from engine.config import ConfigError
    from engine.runfile import Run, RunError

    width, height = _size(options.size or (_VIEW if options.view else _WINDOW))
    for name, value, most in (("every", options.every, 1e9), ("fps", options.fps, 100), ("scale", options.scale, 8)):
        if not 0 < value <= most:
            raise ConfigError(f"--{name} {value:g}: must be above 0 and at most {most:g}.")
    if options.out.suffix.lower() not in FORMATS:
        raise ConfigError(f"--out {options.out}: the name must end in {' or '.join(FORMATS)}.")
    if options.out.is_dir() or not options.out.resolve().parent.is_dir():
        raise RunError(f"{options.out} cannot be written; give the name of a movie in a folder that exists.")
    if options.view not in (None, *(view.name for view in VIEWS)):
        raise ConfigError(f"--view {options.view}: must be one of {', '.join(view.name for view in VIEWS)}.")
    layout = cli._layout(options.layout)
    found = Run.open(options.file)
    steps = steps_between(
        Selection(run=found, n_checkpoints=found.n_checkpoints), options.first, options.last, options.every
    )
    if not steps:
        raise RunError(f"{options.file} has no checkpoint in that range.")
    brushes: dict[str, Any] = {"frequency": options.frequency, "neurons": _neurons(options.neuron, found)}
    brushes["pair"] = None if options.pair is None else cli._pair(options.pair, found)
    cli._application(options.theme)
    try:
        with _on_show(options.view, layout, found, width, height) as (shown, tracing):
            shown.session.select(**brushes)
            _film(options, steps, shown, tracing)
    except ExportError as error:
        raise RunError(str(error)) from error
    return 0


def _film(options: argparse.Namespace, steps: list[int], shown: MainWindow | View, tracing: Tracing) -> None:
    from app import movie
    from app.export import ExportError, caption
    from app.views.base import View

    _wait(lambda: not shown.waiting and tracing.is_done)
    selection = shown.session.selection
    failed = [view for view in ([shown] if isinstance(shown, View) else shown.views) if view.failure is not None]
    if failed:
        raise ExportError(f"{failed[0].title}: {failed[0].failure}")
    said = shown.describe(shown.answer, selection) if isinstance(shown, View) else ""
    title = shown.header.title.text() if isinstance(shown, View) else "Grokscope"
    text = caption(title, said, selection, movie.when(selection, steps, options.fps))
    with tqdm(total=len(steps), unit="frame", disable=not sys.stderr.isatty()) as bar:
        movie.record(
            shown, steps, options.out, options.fps, options.scale, text, isinstance(shown, View),
            lambda done, total: bar.update(done * len(steps) // total - bar.n),
        )  # fmt: skip


@contextmanager
def _on_show(
    view: str | None, layout: str, run: Run, width: int, height: int
) -> Iterator[tuple[MainWindow | View, Tracing]]:
    """The window, or one view alone, on the run; its checkpoints are still to be measured."""
    from PySide6.QtCore import QSettings

    from app.main_window import MainWindow

    if view is not None:
        with _one_view(view, run, width, height) as found:
            yield found
        return
    settings = QSettings("", QSettings.Format.IniFormat)
    settings.setValue("layout/name", layout)
    window = MainWindow(settings)
    window.resize(width, height)
    window.show()
    window.reset_layout()  # with the window's own size
    window.show_run(run)
    try:
        yield window, window.tracing
    finally:
        window.close()


@contextmanager
def _one_view(name: str, run: Run, width: int, height: int) -> Iterator[tuple[View, Tracing]]:
    """A view whose content has that size."""
    from app.compute import Compute
    from app.session import Session
    from app.tracing import Tracing
    from app.views import VIEWS

    session, compute = Session(), Compute()
    view = next(make for make in VIEWS if make.name == name)(session, compute)
    view.resize(width, height)
    view.show()
    session.show_run(run)
    _wait(lambda: not view.waiting)
    if view.content.isVisible():  # else what went wrong is on show
        view.resize(view.size() * 2 - view.content.size())
    tracing = Tracing.of(session, compute)
    try:
        yield view, tracing
    finally:
        view.close()
        compute.close()
        tracing.close()


def _neurons(index: int | None, run: Run) -> tuple[tuple[int, int], ...]:
    """The neuron on show: the one asked for, else the clearest of the last checkpoint."""
    from engine.analysis.wall import clearest_neuron
    from engine.config import ConfigError

    if index is not None and not 0 <= index < run.config.d_mlp:
        raise ConfigError(f"--neuron {index}: must be from 0 to {run.config.d_mlp - 1}.")
    found = clearest_neuron(run, run.n_checkpoints - 1) if index is None else index
    return () if found is None else ((run.config.n_layers - 1, found),)


def _wait(until: Callable[[], bool]) -> None:
    from PySide6.QtCore import QEventLoop, QTimer

    loop, timer = QEventLoop(), QTimer()
    timer.timeout.connect(lambda: loop.quit() if until() else None)
    timer.start(25)
    loop.exec()


def _size(text: str) -> tuple[int, int]:
    from engine.config import ConfigError

    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.isdigit() and 200 <= int(part) <= 8000 for part in parts):
        return int(parts[0]), int(parts[1])
    raise ConfigError(f"--size {text}: must be WIDTHxHEIGHT, from 200x200 to 8000x8000.")
