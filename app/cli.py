"""What needs a window: opening it, and the verbs that draw."""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QApplication

    from app.main_window import MainWindow
    from engine.runfile import Run

_APT = {
    "libGL.so.1": "libgl1", "libEGL.so.1": "libegl1", "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0", "libdbus-1.so.3": "libdbus-1-3", "libfontconfig.so.1": "libfontconfig1",
}  # fmt: skip
_APT_WINDOW = {
    "libxcb-cursor.so.0": "libxcb-cursor0", "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1", "libxcb-shape.so.0": "libxcb-shape0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}  # fmt: skip


def window(arguments: list[str]) -> int:
    """Open the window, on a run file if one is given; without a display do the same job headless."""
    why = no_display()  # asked once: a display may reset itself when its last client leaves
    if not _libraries_are_there(offscreen=why is not None):
        return 1
    if why:
        print(f"grokscope: {why} Training the quick preset without a window instead.", file=sys.stderr)
        return _headless(arguments)
    return _show(arguments)


def no_display() -> str | None:
    """Why no window can be shown here, or None. Qt itself would abort the program."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM") not in (None, "", "xcb"):
        return None
    if _wayland_answers() and os.environ.get("QT_QPA_PLATFORM") != "xcb":
        return None
    os.environ.pop("WAYLAND_DISPLAY", None)  # or Qt would try it and abort
    display = os.environ.get("DISPLAY")
    if not display:
        return "There is no display (DISPLAY is not set)."
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return "libxcb is missing: sudo apt-get install libxcb1."
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    failed = 1
    for _ in range(3):
        connection = xcb.xcb_connect(display.encode(), None)
        failed = xcb.xcb_connection_has_error(connection)
        xcb.xcb_disconnect(connection)
        if not failed:
            break
    return f"The display {display} cannot be reached." if failed else None


def _wayland_answers() -> bool:
    name = os.environ.get("WAYLAND_DISPLAY")
    if not name:
        return False
    path = Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent")) / name  # an absolute name stays as it is
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _libraries_are_there(offscreen: bool) -> bool:
    """Find missing system libraries before Qt aborts, and name the one line to type."""
    if not sys.platform.startswith("linux"):
        return True
    headless = offscreen or os.environ.get("QT_QPA_PLATFORM") == "offscreen"
    missing = [package for library, package in _APT.items() if not _loads(library)]
    if not headless:
        missing += [package for library, package in _APT_WINDOW.items() if not _loads(library)]
    if missing:
        line = f"sudo apt-get install -y {' '.join(missing)}"
        print(f"grokscope: Qt needs system libraries that are missing here; type: {line}", file=sys.stderr)
    return not missing


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _application(theme_name: str | None = None) -> tuple[QApplication, QSettings]:
    """The application, dressed, and its settings."""
    gc.disable()  # what is imported stays; then the Collector's
    sys.setswitchinterval(0.001)  # a thread that computes lets the window go on five times as soon
    importlib.import_module("engine.kernels")  # before Qt: PySide6 reads the source of all that is imported after it
    from PySide6.QtCore import QSettings, qInstallMessageHandler
    from PySide6.QtGui import QGuiApplication
    from PySide6.QtWidgets import QApplication

    from app.qt_mirror import import_pyqtgraph

    import_pyqtgraph()
    from app import theme
    from app.garbage import Collector

    qInstallMessageHandler(_qt_says)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("Grokscope")
    app.setOrganizationName("Grokscope")
    QGuiApplication.setDesktopFileName("org.grokscope.Grokscope")
    settings = QSettings("Grokscope", "Grokscope")
    chosen = theme_name or str(settings.value("theme", "dark"))
    theme.apply(app, theme.THEMES.get(chosen, theme.DARK))
    app.setWindowIcon(theme.icon("microscope"))
    Collector(app)
    return app, settings


def _qt_says(_kind: object, _where: object, text: str) -> None:
    """Qt's own messages, but for what offscreen says of minimum sizes, pop-ups and raised windows."""
    if not text.startswith("This plugin does not support"):
        print(text, file=sys.stderr)


def _show(arguments: list[str]) -> int:
    _, settings = _application()
    from PySide6.QtCore import QTimer

    from app.main_window import MainWindow

    window = MainWindow(settings)
    sys.excepthook = _excepthook(window)
    beat = QTimer()  # Python sees a signal only when its own code runs
    beat.timeout.connect(lambda: None)
    beat.start(200)
    signal.signal(signal.SIGINT, lambda *_: window.quit_now())
    signal.signal(signal.SIGTERM, lambda *_: window.quit_now())
    if arguments:  # before the window is shown: the file is looked through meanwhile
        window.open(arguments[0])
    else:
        window.showing.open_demonstration()
    window.show()
    QTimer.singleShot(2500, window.hints.start)
    return until_closed(window)


def until_closed(window: MainWindow) -> int:
    """The event loop.  -> exit status"""
    from PySide6.QtWidgets import QApplication

    return QApplication.exec()


def _excepthook(window: MainWindow) -> Callable[..., None]:
    """We erred: write it down, say so once, keep running."""
    import traceback

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace)
        if not isinstance(error, KeyboardInterrupt):
            window.say(f"Something went wrong in Grokscope itself ({kind.__name__}: {error}).", error=True)

    return hook


def _headless(arguments: list[str]) -> int:
    """Train the quick preset (or take the given run) and write a picture of the window."""
    from engine import cli

    if arguments:
        run = Path(arguments[0])
    else:
        run = Path("grokscope-quick.h5")
        n = 2
        while run.exists():
            run, n = Path(f"grokscope-quick-{n}.h5"), n + 1
        status = cli.main(["train", "--preset", "quick", "--out", str(run)])
        if status != cli.DONE:
            return status
    picture = run.with_suffix(".png")
    status = main(["screenshot", str(run), "--out", str(picture)])
    if status == cli.DONE:
        print(f"Run file: {run.resolve()}\nPicture of the window: {picture.resolve()}")
        print(f"With a display, open the run with: make run ARGS={run}")
    return status


# -- the verbs that draw -----------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    """Run one verb that draws.  -> exit status"""
    from app.export import ExportError
    from engine.config import ConfigError
    from engine.runfile import RunError

    options = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except ConfigError as error:
        print(f"grokscope: {error}", file=sys.stderr)
        return 2
    except (RunError, ExportError) as error:
        print(f"grokscope: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    from engine.cli import Parser

    top = Parser(prog="grokscope")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    picture = verbs.add_parser("screenshot", help=VERBS["screenshot"], description=VERBS["screenshot"])
    picture.add_argument("file", type=Path, metavar="RUN.h5")
    picture.add_argument("--out", type=Path, required=True, metavar="PNG")
    picture.add_argument(
        "--epoch", type=int, metavar="N", help="the checkpoint at or before this epoch (default: last)"
    )
    picture.add_argument("--size", default="1600x1000", metavar="WxH", help="in pixels (default: 1600x1000)")
    picture.add_argument("--neuron", type=int, metavar="K", help="the neuron on show (of the last layer)")
    picture.add_argument("--theme", choices=("dark", "light"), default="dark")
    picture.add_argument("--layout", default="Watch training", metavar="NAME", help="the layout's name or number")
    picture.add_argument("--pair", metavar="A,B", help="the selected pair")
    picture.add_argument("--frequency", type=int, metavar="K", help="the selected frequency")
    picture.add_argument("--reference", type=Path, metavar="OTHER.h5", help="a run beside it, under the same slider")
    picture.add_argument(
        "--alignment", choices=tuple(ALIGNMENTS), default="epoch", help="of the reference (default: epoch)"
    )
    picture.add_argument("--beside", default="", metavar="VIEW,…", help="views to show of the reference too, or all")
    picture.set_defaults(run=_screenshot)
    from app import movie_verb, paper

    figure = verbs.add_parser("figure", help=VERBS["figure"], description=VERBS["figure"])
    paper.add_arguments(figure)
    figure.set_defaults(run=paper.write)
    movie = verbs.add_parser("movie", help=VERBS["movie"], description=VERBS["movie"])
    movie_verb.add_arguments(movie)
    movie.set_defaults(run=movie_verb.run)
    bench = verbs.add_parser("bench", help=VERBS["bench"], description=VERBS["bench"])
    bench.add_argument("what", choices=("lateness", "following", "scrub"))
    bench.add_argument("runs", nargs="*", type=Path, metavar="RUN.h5", help="with scrub: more runs to scrub")
    bench.add_argument("--json", action="store_true", help="print one JSON object")
    bench.set_defaults(run=_bench)
    return top


ALIGNMENTS = {"epoch": "EPOCH", "t_gen": "FROM_GROKKING", "t/t_gen": "RELATIVE"}
VERBS = {
    "screenshot": "Write a picture of the whole window on a run; needs no display.",
    "figure": "Write a figure or a table of the paper, computed on a run; needs no display.",
    "movie": "Write a movie of the window or a view over a run's checkpoints; needs no display.",
    "bench": "Measure the window on this machine.",
}


def _bench(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    headless = no_display() is not None
    if headless:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    if not _libraries_are_there(headless):
        return 1
    _application("dark")
    from app import bench
    from engine.cli import print_bench

    if options.what == "scrub":
        from app import bench_scrub

        print_bench(asdict(bench_scrub.scrub(options.runs)), options.json)
    elif options.what == "lateness":
        print_bench({name: asdict(value) for name, value in bench.lateness().items()}, options.json)
    else:
        print_bench(asdict(bench.following()), options.json)
    return 0


def _screenshot(options: argparse.Namespace) -> int:
    from engine.analysis.wall import clearest_neuron
    from engine.config import ConfigError
    from engine.runfile import Run, RunError

    width, height = _size(options.size)
    if options.out.is_dir() or not options.out.resolve().parent.is_dir():
        raise RunError(f"{options.out} cannot be written; give the name of a picture in a folder that exists.")
    run = Run.open(options.file)
    if not run.n_checkpoints:
        raise RunError(f"{options.file} has no checkpoint yet.")
    if options.neuron is not None and not 0 <= options.neuron < run.config.d_mlp:
        raise ConfigError(f"--neuron {options.neuron}: must be from 0 to {run.config.d_mlp - 1}.")
    if options.epoch is not None and options.epoch < run.epochs[0]:
        raise ConfigError(f"--epoch {options.epoch}: the first checkpoint is at epoch {run.epochs[0]}.")
    reference = None if options.reference is None else Run.open(options.reference)
    layout, pair = _layout(options.layout), None if options.pair is None else _pair(options.pair, run)
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    if not _libraries_are_there(offscreen=True):
        return 1
    app, _ = _application(options.theme)
    from PySide6.QtCore import QSettings

    from app.main_window import MainWindow

    settings = QSettings("", QSettings.Format.IniFormat)
    settings.setValue("layout/name", layout)
    window = MainWindow(settings)
    window.resize(width, height)
    window.show()
    window.reset_layout()  # with the window's own size
    window.show_run(run, options.epoch)
    window.session.select(frequency=options.frequency, pair=pair)
    neuron = options.neuron if options.neuron is not None else clearest_neuron(run, run.n_checkpoints - 1)
    if neuron is not None:
        window.session.select(neurons=((run.config.n_layers - 1, neuron),))
    if reference is not None:
        _put_beside(app, window, reference, options)
    _settle(app, window)
    failed = [f"{view.title}: {view.failure[1]}" for view in window.shown_views if view.failure is not None]
    if failed:
        window.close()
        raise RunError(failed[0])
    saved = window.grab().save(str(options.out), "PNG")
    window.close()
    if not saved:
        raise RunError(f"{options.out} could not be written; choose another folder.")
    return 0


def _put_beside(app: QApplication, window: MainWindow, reference: Run, options: argparse.Namespace) -> None:
    """A second run, as it was asked for. Raises `ConfigError` where it cannot be aligned so."""
    from engine.analysis.alignment import Alignment
    from engine.config import ConfigError

    window.compare_with(reference)
    _settle(app, window)
    alignment, comparison = Alignment[ALIGNMENTS[options.alignment]], window.comparing.comparison
    why = comparison.why_not(alignment, window.session.selection)
    if why:
        raise ConfigError(f"--alignment {options.alignment}: {why}.")
    window.session.select(alignment=alignment)
    names = [name.strip() for name in options.beside.split(",") if name.strip()]
    known = [view.name for view in window.views if view.stands_beside]
    for name in known if names == ["all"] else names:
        if name not in known:
            raise ConfigError(f"--beside {name}: must be of {', '.join(known)}, or all.")
        view = next(view for view in window.views if view.name == name)
        if names != ["all"] or view.on_show:
            window.comparing.beside.open(view)


def _layout(text: str) -> str:
    from app.layouts import LAYOUTS
    from engine.config import ConfigError

    for i, layout in enumerate(LAYOUTS, 1):
        if text.lower() in (layout.name.lower(), str(i)):
            return layout.name
    raise ConfigError(f"--layout {text}: must be one of {', '.join(layout.name for layout in LAYOUTS)}.")


def _pair(text: str, run: Run) -> tuple[int, int]:
    from engine.config import ConfigError

    words = text.split(",")
    if len(words) == 2 and all(word.strip().isdigit() and int(word) < run.config.p for word in words):
        return int(words[0]), int(words[1])
    raise ConfigError(f"--pair {text}: must be two residues below {run.config.p}, as in 3,5.")


def _settle(app: QApplication, window: MainWindow) -> None:
    """Process events until everything visible shows the selection, and a little longer for layouts."""
    from PySide6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    calm = 0

    def look() -> None:
        nonlocal calm
        waiting = window.waiting or window.compute.busy or window.panel.estimating or window.family.looking
        calm = 0 if waiting else calm + 1
        if calm > 8:
            loop.quit()

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(25)
    loop.exec()


def _size(text: str) -> tuple[int, int]:
    from engine.config import ConfigError

    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.isdigit() for part in parts):
        width, height = int(parts[0]), int(parts[1])
        if 640 <= width <= 8000 and 480 <= height <= 8000:
            return width, height
    raise ConfigError(f"--size {text}: must be WIDTHxHEIGHT, from 640x480 to 8000x8000.")
