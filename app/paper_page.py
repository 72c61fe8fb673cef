"""A page of the paper's figures: its type, and the lines, maps and legends that several figures draw.

Pages are in the light theme; sizes are in points, and a panel that cannot be drawn says why.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app import theme
from app.numbers import epoch_text
from engine.analysis.curves import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOK = theme.LIGHT  # a page is white whatever the window wears
MM = 72 / 25.4  # points in a millimetre
_CELLS = 700  # at least, along a map that becomes pixels: more than there are pixels
FAMILY = ["STIXGeneral", "STIX Two Text", "Times New Roman", "Times"]  # the first one comes with matplotlib
ROW = 1.75  # height of a table's line, in sizes of the type


@dataclass(frozen=True)
class Sheet:
    """A page: width in points, size of the type in points, and whether it stays vectors."""

    figure: Figure
    width: float
    type: float
    vector: bool


def settings(type_pt: float) -> dict[str, Any]:
    """matplotlib's settings for a page: one size of type, thin axes, text that stays text."""
    return {
        "font.family": "serif", "font.serif": FAMILY, "mathtext.fontset": "stix", "font.size": type_pt,
        "axes.titlesize": type_pt, "axes.labelsize": type_pt, "xtick.labelsize": type_pt, "ytick.labelsize": type_pt,
        "legend.fontsize": type_pt, "axes.titlelocation": "left", "axes.titlepad": 0.6 * type_pt,
        "axes.labelpad": 0.3 * type_pt, "axes.linewidth": 0.6, "lines.linewidth": 1.0, "lines.solid_capstyle": "round",
        "xtick.major.size": 2.5, "ytick.major.size": 2.5, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
        "xtick.minor.size": 0, "ytick.minor.size": 0, "xtick.major.pad": 2.5, "ytick.major.pad": 2.5,
        "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "legend.handlelength": 1.3,
        "legend.columnspacing": 1.0, "legend.handletextpad": 0.5, "legend.borderaxespad": 0.2, "legend.borderpad": 0,
        "figure.facecolor": LOOK.panel, "savefig.facecolor": LOOK.panel, "axes.facecolor": LOOK.panel,
        "text.color": LOOK.text, "axes.edgecolor": LOOK.muted, "axes.labelcolor": LOOK.text, "xtick.color": LOOK.muted,
        "ytick.color": LOOK.muted, "xtick.labelcolor": LOOK.text, "ytick.labelcolor": LOOK.text,
        "text.hinting": "none", "svg.fonttype": "none", "svg.hashsalt": "grokscope",
        "pdf.fonttype": 42,
    }  # fmt: skip


def colour_of(k: int, keys: Sequence[int]) -> str:
    """The frequency's colour in the light theme."""
    return str(theme.frequency_colour(k, keys, LOOK).name())


def say(axes: Axes, sentence: str, sheet: Sheet, width: float) -> None:
    """A sentence in place of a panel of that width (points)."""
    axes.set_axis_off()
    lines = textwrap.wrap(sentence, max(16, int(width / (0.46 * sheet.type)) - 4))
    axes.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", color=LOOK.muted, transform=axes.transAxes)


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """The nearest places that keep a distance, in the same order."""
    groups: list[list[float]] = []  # each set side by side about the mean of what its members want
    for x in wanted:
        groups.append([x])
        while len(groups) > 1 and _left(groups[-1], gap) < _left(groups[-2], gap) + gap * len(groups[-2]):
            last = groups.pop()
            groups[-1] += last
    return [_left(group, gap) + gap * at for group in groups for at in range(len(group))]


def _left(group: list[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def name_keys(
    axes: Axes, keys: Sequence[int], at: Sequence[float], sheet: Sheet, length: float, side: str = "bottom"
) -> None:
    """The keys' numbers outside an axis, each joined to its place.

    at : places in data units      length : of the axis, points      side : bottom, left or top
    """
    low, high = sorted(axes.get_ylim() if side == "left" else axes.get_xlim())
    unit = (high - low) / length  # data units in a point
    gap = (0.95 if side == "left" else 0.5 * len(str(max(keys, default=1))) + 0.35) * sheet.type * unit
    down = axes.yaxis_inverted() if side == "left" else False
    for k, place, x in zip(keys, at, spread(at, gap), strict=True):
        shift, out = (x - place) / unit, 0.75 * sheet.type
        offset = {"bottom": (shift, -out), "top": (shift, out), "left": (-out, -shift if down else shift)}[side]
        axes.annotate(
            str(k), (0, place) if side == "left" else (place, 1 if side == "top" else 0), offset,
            xycoords=axes.get_yaxis_transform() if side == "left" else axes.get_xaxis_transform(),
            textcoords="offset points", color=colour_of(k, keys), annotation_clip=False,
            ha="right" if side == "left" else "center", va={"bottom": "top", "top": "bottom", "left": "center"}[side],
            arrowprops={"arrowstyle": "-", "color": colour_of(k, keys), "lw": 0.6, "shrinkA": 0.5, "shrinkB": 0},
        )  # fmt: skip


def middles(keys: Sequence[int], n: int) -> list[float]:
    """Between cosine and sine of each frequency, among n components; k = n / 2 has a cosine only."""
    return [2 * k - (1 if 2 * k == n else 0.5) for k in keys]


def map_of(
    axes: Axes, values: NDArray[Any], sheet: Sheet, signed: bool = False, square: bool = True, limit: float = 0.0
) -> Any:
    """A matrix, row 0 on top; signed: zero in the middle of the colours; limit: where they end, 0 for the largest.

    Vectors carry the cells as they are. Pixels are means over the area they cover, never blends of distant cells.
    """
    from matplotlib.colors import ListedColormap

    table = theme.diverging_table(LOOK) if signed else theme.colour_table()
    limit = limit or float(np.abs(values).max()) or 1.0
    rows, columns = values.shape
    if not sheet.vector:
        values = np.repeat(np.repeat(values, -(-_CELLS // rows), axis=0), -(-_CELLS // columns), axis=1)
    image = axes.imshow(
        values, cmap=ListedColormap(table / 255.0), interpolation="none" if sheet.vector else "antialiased",
        aspect="equal" if square else "auto", extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
        vmin=-limit if signed else 0.0, vmax=limit,
    )  # fmt: skip
    for spine in axes.spines.values():
        spine.set_visible(True)
    return image


def colour_bar(axes: Axes, image: Any, sheet: Sheet, label: str = "") -> None:
    """Beside its map, as tall; the colours themselves, so that vectors carry them exactly."""
    from matplotlib.ticker import MaxNLocator

    low, high = image.get_clim()
    beside = axes.inset_axes((1.04, 0.0, 0.05, 1.0))
    beside.imshow(
        np.linspace(low, high, 256)[:, None], cmap=image.get_cmap(), aspect="auto", origin="lower", vmin=low, vmax=high,
        extent=(0.0, 1.0, low, high), interpolation="none" if sheet.vector else "antialiased",
    )  # fmt: skip
    beside.yaxis.tick_right()
    beside.yaxis.set_label_position("right")
    beside.yaxis.set_major_locator(MaxNLocator(4))
    beside.set(xticks=[], ylabel=label)
    for spine in beside.spines.values():
        spine.set_visible(True)


def epochs_axis(axes: Axes, last: float, sheet: Sheet, width: float) -> None:
    """Epochs from 0 to the last one, as people write them, as many as fit in that width (points)."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(0, last or 1)
    one = (0.5 * len(epoch_text(last)) + 0.9) * sheet.type
    axes.xaxis.set_major_locator(MaxNLocator(max(1, min(4, int(width / one) - 1)), steps=[1, 2, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: epoch_text(x)))
    axes.set_xlabel("epoch")


def curve(axes: Axes, found: Curve | None, label: str, colour: str, **look: Any) -> bool:
    """-> whether there is anything"""
    if found is None or not len(found.epochs):
        return False
    dot: dict[str, Any] = {"marker": "o", "markersize": 2.5} if len(found.epochs) == 1 else {}
    axes.plot(found.epochs, found.values, color=colour, label=label, **dot, **look)
    return True


def key_above(axes: Axes, sheet: Sheet, width: float) -> None:
    """The legend over a panel of that width (points), in as few lines as fit."""
    handles, labels = axes.get_legend_handles_labels()
    lines = legend_lines(labels, width, sheet.type)
    axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(0.0, 1.01), ncols=-(-len(labels) // lines))


def legend_lines(labels: Sequence[str], width: float, t: float) -> int:
    """How many a legend takes."""
    wide = [0.45 * len(text.replace("$", "").replace("_", "")) + 2.8 for text in labels]
    for lines in range(1, len(labels)):
        columns = [wide[i : i + lines] for i in range(0, len(wide), lines)]  # filled downwards
        if sum(max(column) for column in columns) * t <= width + t:
            return lines
    return max(1, len(labels))


def half(width: float, t: float) -> float:
    """Of a panel where two stand side by side, points."""
    return width / 2 - 4.6 * t


def ticks_of_log(axes: Axes) -> None:
    """Powers of ten; over a short range plain numbers between them too."""
    from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, LogLocator, NullLocator

    low, high = axes.get_ylim()
    short = high / low < 50
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if short else (1,), numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    plain = short and low > 1e-3
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}") if plain else LogFormatterMathtext(10))


@dataclass(frozen=True)
class Drawing:
    """draw : fills a sheet with the data of a figure    height : points, of width and type (points) and the data
    free : whether it places everything itself
    """

    draw: Callable[[Sheet, Any, Sequence[int]], None]
    height: Callable[[float, float, Any], float]
    free: bool = False
