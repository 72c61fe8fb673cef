"""The figures of the paper by their names, on any run: composed as printed, for the screen and for a paper.

Figures 1 to 8 and Tables 1 and 2 of "Progress measures for grokking via mechanistic interpretability" (ICLR 2023).
`paper_figure` computes, `picture` paints for the screen, `export` writes PNG, SVG or PDF of an exact width, its type
in true points, the caption beside it as text and the numbers as CSV.
"""

from __future__ import annotations

import argparse
import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app import paper_algorithm, paper_frequencies, paper_heads, paper_neurons, paper_training, paper_waves
from app.export import ExportError, Table, write_csv, write_whole
from app.paper_data import Ask, keys_said, pinned, run_said
from app.paper_page import FAMILY, MM, Sheet, settings
from engine.analysis.phases import Thresholds
from engine.analysis.progress_curves import Pinned
from engine.runfile import Run
from engine.traces import Traces, measure_all

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KIND = {"Figure": 0, "Table": 1}
CONTENTS = dict(
    sorted(
        {
            **paper_algorithm.CONTENTS, **paper_training.CONTENTS, **paper_frequencies.CONTENTS,
            **paper_neurons.CONTENTS, **paper_heads.CONTENTS, **paper_waves.CONTENTS,
        }.items(),
        key=lambda item: (_KIND[item[0].split()[0]], item[0]),
    )
)  # fmt: skip
DRAWINGS = {
    **paper_algorithm.DRAWINGS, **paper_training.DRAWINGS, **paper_frequencies.DRAWINGS,
    **paper_neurons.DRAWINGS, **paper_heads.DRAWINGS, **paper_waves.DRAWINGS,
}  # fmt: skip
NAMES = tuple(CONTENTS)
_AS_LONG_AS_ITS_ROWS = ("Figure 8", "Table 1", "Table 2")  # what is drawn decides the height
WIDTHS, TYPES = (60.0, 400.0), (5.0, 14.0)  # millimetres, points
WIDTH_MM, TYPE_PT = 140.0, 8.0
FORMATS = (".pdf", ".svg", ".png")
DPI = 300
SOURCE = "Composed as {} of Nanda et al., Progress measures for grokking via mechanistic interpretability, ICLR 2023."
OVER_TRAINING = ("Figure 2", "Figure 7")
_drawing = threading.Lock()  # matplotlib's settings belong to the whole process


@dataclass(frozen=True, eq=False)
class PaperFigure:
    """One figure of the paper on a run.

    name : Figure 1 … Figure 8, Table 1, Table 2
    caption : what is plotted, definitions, keys and their epoch, split, run
    tables : every number drawn      data : what is drawn      keys : whose colours it wears
    """

    name: str
    title: str
    caption: str
    tables: tuple[Table, ...]
    data: Any
    keys: tuple[int, ...]


def paper_figure(
    run: Run,
    step: int,
    n: int,
    name: str,
    *,
    keys: Pinned | None = None,
    neuron: tuple[int, int] | None = None,
    head: int = 0,
    frequency: int | None = None,
    pair: tuple[int, int] | None = None,
    traces: Traces | None = None,
    revision: int = 0,
    thresholds: Thresholds | None = None,
) -> PaperFigure:
    """A figure at a checkpoint of a run of which n checkpoints count (paper, fig. 1 to 8, tables 1 and 2).

    keys : None: the run's own (science 2.13)     others : see `Ask`
    """
    known = keys or pinned(run, n, None, run.status().state == "finished")
    return _figure(
        name, Ask(run, step, n, known, traces, revision, thresholds, neuron, head, frequency, pair)
    )  # fmt: skip


@lru_cache(maxsize=16)
def _figure(name: str, ask: Ask) -> PaperFigure:
    title, content = CONTENTS[name]
    made = content(ask)
    keys = keys_said(ask) if made.of_keys else ""
    said = (f"{name}. {title}.", made.caption, keys, run_said(ask, made.of_step), SOURCE.format(name.lower()))
    caption = " ".join(part.strip() for part in said if part)
    return PaperFigure(name, title, caption, made.tables, made.data, ask.keys)


# -- drawing ---------------------------------------------------------------------------------------------------


@contextmanager
def page(figure: PaperFigure, width_mm: float, type_pt: float, vector: bool) -> Iterator[Figure]:
    """The figure laid out on a page of that width, while matplotlib's settings are its own."""
    import matplotlib
    from matplotlib.figure import Figure

    drawing, width = DRAWINGS[figure.name], width_mm * MM
    own: Any = settings(type_pt)
    with _drawing, matplotlib.rc_context(own):
        height = 8 * type_pt if isinstance(figure.data, str) else drawing.height(width, type_pt, figure.data)
        made = Figure((width / 72, height / 72), layout=None if drawing.free else "constrained")
        layout: Any = made.get_layout_engine()
        if layout is not None:
            layout.set(w_pad=0.25 * type_pt / 72, h_pad=0.25 * type_pt / 72, wspace=0.04, hspace=0.04)
        drawing.draw(Sheet(made, width, type_pt, vector), figure.data, figure.keys)
        yield made


def expected_ratio(name: str, width_mm: float, type_pt: float) -> float | None:
    """Height over width of a figure's page; None where it depends on what is drawn."""
    width = width_mm * MM
    return None if name in _AS_LONG_AS_ITS_ROWS else DRAWINGS[name].height(width, type_pt, None) / width


def picture(figure: PaperFigure, width_mm: float, type_pt: float, pixels: int) -> NDArray[np.uint8]:
    """The page as red, green, blue, alpha.  -> (height, pixels, 4)"""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with page(figure, width_mm, type_pt, vector=False) as made:
        made.set_dpi((pixels + 1e-3) / made.get_figwidth())
        canvas: Any = FigureCanvasAgg(made)
        canvas.draw()
        return np.array(canvas.buffer_rgba())


@dataclass(frozen=True, eq=False)
class PaperPage:
    """What the screen shows.  picture : (height, width, 4) uint8, red, green, blue, alpha"""

    figure: PaperFigure
    picture: NDArray[np.uint8]


def paper_page(
    run: Run, step: int, n: int, name: str, chosen: tuple[int, ...] | None, neuron: tuple[int, int] | None, head: int,
    frequency: int | None, pair: tuple[int, int] | None, traces: Traces | None, revision: int,
    thresholds: Thresholds | None, width_mm: float, type_pt: float, pixels: int,
) -> PaperPage:  # fmt: skip
    """A figure and its picture, `pixels` wide.  chosen : keys by hand; None: the run's own"""
    keys = pinned(run, n, chosen, run.status().state == "finished")
    figure = paper_figure(
        run, step, n, name, keys=keys, neuron=neuron, head=head, frequency=frequency, pair=pair, traces=traces,
        revision=revision, thresholds=thresholds,
    )  # fmt: skip
    return PaperPage(figure, picture(figure, width_mm, type_pt, pixels))


# -- files -----------------------------------------------------------------------------------------------------


def export(figure: PaperFigure, path: Path, width_mm: float, type_pt: float, dpi: float = DPI) -> list[Path]:
    """Write the figure; its caption and numbers beside it.  -> the files written

    path : ends in .pdf, .svg or .png; vectors keep their text     dpi : of a PNG. Raises `ExportError`.
    """
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise ExportError(f"{path.name}: a figure's name must end in {', '.join(FORMATS)}.")
    data = io.BytesIO()
    with page(figure, width_mm, type_pt, vector=kind != ".png") as made:
        dots = dpi if kind == ".png" else 72.0
        made.set_dpi(dots)
        made.savefig(data, format=kind[1:], dpi=dots, metadata=_metadata(figure, kind))
    whole = data.getvalue()
    write_whole(path, in_reading_order(whole.decode()).encode() if kind == ".svg" else whole)
    caption = path.with_name(f"{path.stem}-caption.txt")
    write_whole(caption, f"{figure.caption}\n".encode())
    return [path, caption, *export_data(figure, path.with_suffix(".csv"))]


def export_data(figure: PaperFigure, path: Path) -> list[Path]:
    """Write the numbers drawn, one CSV a table.  -> the files; none where nothing is drawn. Raises `ExportError`."""
    return write_csv(path, figure.tables, figure.caption) if figure.tables else []


def in_reading_order(svg: str) -> str:
    """The same with the letters of each formula from left to right, joined to words: text one can read and edit.

    matplotlib writes a formula letter by letter, sorted by fonts, in the one font that it used.
    """
    return re.sub(r"<text>\s*((?:<tspan [^>]*>[^<]*</tspan>\s*)+)</text>", _joined, svg)


def _joined(found: re.Match[str]) -> str:
    letters: list[tuple[float, str, str, str]] = []  # x, y, style, letter
    for x, y, style, text in re.findall(r'<tspan x="([^"]*)" y="([^"]*)" style="([^"]*)">([^<]*)<', found[1]):
        xs, ys, text = x.split(), y.split(), unescape(text)
        if len(xs) != len(text):
            return found[0]
        letters += [(float(at), ys[min(i, len(ys) - 1)], style, text[i]) for i, at in enumerate(xs)]
    runs: list[list[tuple[float, str, str, str]]] = []
    for letter in sorted(letters, key=lambda item: item[0]):
        last = runs[-1][-1] if runs else None
        if last is not None and last[1:3] == letter[1:3] and _kind(letter[3]) in (_kind(last[3]), "space"):
            runs[-1].append(letter)
        else:
            runs.append([letter])
    spans = "".join(
        f'<tspan x="{run[0][0]:g}" y="{run[0][1]}" style="{_with_fallbacks(run[0][2])}">'
        f"{escape(''.join(letter[3] for letter in run), quote=False).replace(chr(0xA0), ' ')}</tspan>"
        for run in runs
    )
    return f'<text xml:space="preserve">{spans}</text>'


def _kind(letter: str) -> str:
    """What stands together without a gap of its own."""
    if letter in (" ", "\xa0"):
        return "space"
    return "letter" if letter.isalpha() else "digit" if letter.isdigit() or letter == "." else letter


def _with_fallbacks(style: str) -> str:
    names = ", ".join(f"'{name}'" for name in FAMILY)
    return re.sub(r"font-family: '?STIXGeneral'?", f"font-family: {names}, serif", style)


def _metadata(figure: PaperFigure, kind: str) -> dict[str, Any]:
    """No date: the same figure twice is the same file."""
    if kind == ".png":
        return {"Title": figure.name, "Description": figure.caption, "Software": "Grokscope"}
    if kind == ".svg":
        return {"Title": figure.name, "Description": figure.caption, "Creator": "Grokscope", "Date": None}
    return {"Title": figure.name, "Subject": figure.caption, "Creator": "Grokscope", "CreationDate": None}


# -- the command line ------------------------------------------------------------------------------------------

HELP = "Write a figure of the paper, recomputed on a run: PDF, SVG or PNG, with caption and numbers."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the verb `figure`."""
    parser.add_argument("file", type=Path, metavar="RUN.h5")
    parser.add_argument(
        "--figure",
        required=True,
        choices=tuple(name.replace("Figure ", "").replace("Table ", "table") for name in NAMES),
        help="which one of the paper's",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="ends in .pdf, .svg or .png")
    parser.add_argument("--epoch", type=int, metavar="N", help="the checkpoint at or before this epoch (default: last)")
    parser.add_argument("--width-mm", type=float, default=WIDTH_MM, metavar="MM", help=f"(default: {WIDTH_MM:g})")
    parser.add_argument("--type-pt", type=float, default=TYPE_PT, metavar="PT", help=f"(default: {TYPE_PT:g})")
    parser.add_argument("--dpi", type=float, default=DPI, help=f"of a PNG (default: {DPI})")
    parser.add_argument("--neuron", type=int, metavar="K", help="of the last layer, figure 4 (default: the clearest)")
    parser.add_argument("--head", type=int, default=0, metavar="H", help="of the first layer, figure 4 (default: 0)")
    parser.add_argument("--frequency", type=int, metavar="K", help="a key frequency, figures 1 and 5 (default: first)")
    parser.add_argument("--keys", metavar="K,K,…", help="key frequencies chosen by hand (default: the run's own)")
    parser.add_argument("--pair", metavar="A,B", help="the example of figure 1")
    parser.set_defaults(run=write)


def write(options: argparse.Namespace) -> int:
    """The verb `figure`.  -> 0. Raises `ConfigError`, `RunError`, `ExportError`."""
    from engine.config import ConfigError
    from engine.runfile import RunError

    for name, value, (low, high) in (
        ("--width-mm", options.width_mm, WIDTHS),
        ("--type-pt", options.type_pt, TYPES),
        ("--dpi", options.dpi, (30, 2400)),
    ):
        if not low <= value <= high:
            raise ConfigError(f"{name} {value:g}: must be from {low:g} to {high:g}.")
    if options.out.suffix.lower() not in FORMATS:
        raise ConfigError(f"--out {options.out}: must end in {', '.join(FORMATS)}.")
    run = Run.open(options.file)
    n, c = run.n_checkpoints, run.config
    if not n:
        raise RunError(f"{options.file} has no checkpoint yet.")
    if options.epoch is not None and options.epoch < run.epochs[0]:
        raise ConfigError(f"--epoch {options.epoch}: the first checkpoint is at epoch {run.epochs[0]}.")
    for flag, number, size in (("--neuron", options.neuron, c.d_mlp), ("--head", options.head, c.n_heads)):
        if number is not None and not 0 <= number < size:
            raise ConfigError(f"{flag} {number}: must be from 0 to {size - 1}.")
    step = n - 1 if options.epoch is None else int(run.epochs.searchsorted(options.epoch, side="right")) - 1
    chosen = _numbers("--keys", options.keys, 1, c.p // 2)
    pair = _numbers("--pair", options.pair, 0, c.p - 1)
    if pair is not None and len(pair) != 2:
        raise ConfigError(f"--pair {options.pair}: must be two residues such as 3,5.")
    known = pinned(run, n, None if chosen is None else tuple(sorted(set(chosen))), run.status().state == "finished")
    table = options.figure.removeprefix("table")
    name = f"Table {table}" if table != options.figure else f"Figure {options.figure}"
    traces = _measured(run, known) if name in OVER_TRAINING else None
    try:
        made = paper_figure(
            run, step, n, name, keys=known, head=options.head, frequency=options.frequency, traces=traces,
            neuron=None if options.neuron is None else (c.n_layers - 1, options.neuron),
            pair=None if pair is None else (pair[0], pair[1]),
        )  # fmt: skip
    finally:
        if traces is not None:
            traces.close()
    for file in export(made, options.out, options.width_mm, options.type_pt, options.dpi):
        print(file)
    return 0


def _numbers(flag: str, text: str | None, low: int, high: int) -> tuple[int, ...] | None:
    from engine.config import ConfigError

    if text is None:
        return None
    parts = text.replace(" ", "").split(",")
    if not all(part.isdigit() and low <= int(part) <= high for part in parts):
        raise ConfigError(f"{flag} {text}: must be numbers from {low} to {high} with commas between them.")
    return tuple(int(part) for part in parts)


def _measured(run: Run, keys: Pinned) -> Traces:
    """Measures of all checkpoints, computed where they are missing."""
    import sys

    from tqdm import tqdm

    traces = Traces(run)
    wanted = keys.keys if keys.final else ()
    missing = len(traces.missing(wanted))
    with tqdm(total=missing, unit=" checkpoints", file=sys.stderr, disable=not missing, mininterval=1) as bar:
        for _ in measure_all(traces, wanted):
            bar.update()
    return traces
