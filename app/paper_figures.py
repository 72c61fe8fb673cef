"""The paper's figures as drawings: lines, bars and maps on a page of a given width, in one type, in the light theme.

Every function fills a page that `app.paper` made; sizes are in points, and a panel that cannot be drawn says why.
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
from app.paper_data import NO_TRACES, Algorithm, Learning, Neurons, Periodic, Progress, Spectra, Waves
from engine.analysis.curves import Curve
from engine.analysis.embedding import Spectrum
from engine.analysis.logits import LossWithoutEach
from engine.analysis.neurons import THRESHOLD

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOK = theme.LIGHT  # a page is white whatever the window wears
MM = 72 / 25.4  # points in a millimetre
_CELLS = 700  # at least, along a map that becomes pixels: more than there are pixels
FAMILY = ["STIXGeneral", "STIX Two Text", "Times New Roman", "Times"]  # the first one comes with matplotlib


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


# -- what several figures draw ---------------------------------------------------------------------------------


def colour_of(k: int, keys: Sequence[int]) -> str:
    """The frequency's colour in the light theme."""
    return str(theme.frequency_colour(k, keys, LOOK).name())


def say(axes: Axes, sentence: str, sheet: Sheet, width: float) -> None:
    """A sentence in place of a panel of that width (points)."""
    axes.set_axis_off()
    lines = textwrap.wrap(sentence, max(16, int(width / (0.46 * sheet.type)) - 4))
    axes.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", color=LOOK.muted, transform=axes.transAxes)


def _spread(wanted: Sequence[float], gap: float) -> list[float]:
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
    for k, place, x in zip(keys, at, _spread(at, gap), strict=True):
        shift, out = (x - place) / unit, 0.75 * sheet.type
        offset = {"bottom": (shift, -out), "top": (shift, out), "left": (-out, -shift if down else shift)}[side]
        axes.annotate(
            str(k), (0, place) if side == "left" else (place, 1 if side == "top" else 0), offset,
            xycoords=axes.get_yaxis_transform() if side == "left" else axes.get_xaxis_transform(),
            textcoords="offset points", color=colour_of(k, keys), annotation_clip=False,
            ha="right" if side == "left" else "center", va={"bottom": "top", "top": "bottom", "left": "center"}[side],
            arrowprops={"arrowstyle": "-", "color": colour_of(k, keys), "lw": 0.6, "shrinkA": 0.5, "shrinkB": 0},
        )  # fmt: skip


def _middles(keys: Sequence[int], n: int) -> list[float]:
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
    lines = _lines(labels, width, sheet.type)
    axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(0.0, 1.01), ncols=-(-len(labels) // lines))


def _lines(labels: Sequence[str], width: float, t: float) -> int:
    """How many a legend takes."""
    wide = [0.45 * len(text.replace("$", "").replace("_", "")) + 2.8 for text in labels]
    for lines in range(1, len(labels)):
        columns = [wide[i : i + lines] for i in range(0, len(wide), lines)]  # filled downwards
        if sum(max(column) for column in columns) * t <= width + t:
            return lines
    return max(1, len(labels))


def _half(width: float, t: float) -> float:
    """Of a panel where two stand side by side, points."""
    return width / 2 - 4.6 * t


def _ticks_of_log(axes: Axes) -> None:
    """Powers of ten; over a short range plain numbers between them too."""
    from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, LogLocator, NullLocator

    low, high = axes.get_ylim()
    short = high / low < 50
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if short else (1,), numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    plain = short and low > 1e-3
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}") if plain else LogFormatterMathtext(10))


# -- figure 1 --------------------------------------------------------------------------------------------------


def draw_algorithm(sheet: Sheet, x: Algorithm | str, keys: Sequence[int]) -> None:
    """Two rotations, their composition, and the cosine that is read off."""
    page = sheet.figure.add_axes((0, 0, 1, 1))
    if isinstance(x, str):
        say(page, x, sheet, sheet.width)
        return
    width, height = sheet.figure.get_size_inches() * 72
    page.set_axis_off()
    page.set(xlim=(0, width), ylim=(0, height))
    t, colour = sheet.type, colour_of(x.k, x.keys) if keys else LOOK.accent
    a, b = (r"\log a", r"\log b") if x.log else ("a", "b")
    turn_a, turn_b = (2 * np.pi * (x.k * place % x.n) / x.n for place in (x.i, x.j))
    sign = "+" if x.sign > 0 else "-"
    top = height - 1.3 * t
    small, large = 0.074 * width, 0.105 * width
    columns = (0.115 * width, 0.44 * width, 0.66 * width)
    place = r"\log " if x.log else ""
    cosine = "$W_U$" if width < 30 * t else f"$W_U$:  $\\cos w({place}a{sign}{place}b-{place}c)$"
    heads = (("Embed", "$W_E$"), ("Compose", "attention, MLP"), ("Read off", cosine))
    for at, (word, by) in zip((columns[0], columns[1], (columns[2] + width + t) / 2), heads, strict=True):
        page.text(at, top, word, ha="center", va="bottom", weight="bold")
        page.text(at, top - 0.35 * t, by, ha="center", va="top", color=LOOK.muted)
    body = top - 2.2 * t  # below the heads
    lower = 2.0 * t  # where the circles' captions end
    rows = (body - small - 0.2 * t, lower + small)
    middle = (rows[0] + rows[1]) / 2
    for centre, (name, value, place, turn) in zip(rows, (("a", x.a, a, turn_a), ("b", x.b, b, turn_b)), strict=True):
        _circle(page, (columns[0], centre), small, x)
        _hand(page, (columns[0], centre), small, turn, colour)
        _arc(page, (columns[0], centre), 0.42 * small, 0.0, turn, f"$w{place}$", colour, t)
        said = f"${name} = {value}$"
        if width > (75 if x.log else 47) * t:
            said += f":  $\\cos w{place},\\ \\sin w{place}$"
        page.text(columns[0], centre - small - 0.4 * t, said, ha="center", va="top")
        begin = (columns[0] + small + 0.7 * t, centre)
        end = (columns[1] - large - 0.9 * t, middle + (0.35 if centre > middle else -0.35) * large)
        _arrow(page, begin, end)
    centre = (columns[1], middle + 0.6 * t)
    _circle(page, centre, large, x)
    _hand(page, centre, large, turn_a, LOOK.faint)
    both = turn_a + x.sign * turn_b
    _hand(page, centre, large, both, colour)
    _arc(page, centre, 0.30 * large, 0.0, turn_a, f"$w{a}$", LOOK.muted, t)
    _arc(page, centre, 0.55 * large, turn_a, both, f"${sign if x.sign < 0 else ''}w{b}$", colour, t)
    other = "-" if x.sign > 0 else "+"
    page.text(
        columns[1], centre[1] - large - 0.5 * t,
        f"$\\cos w({a}{sign}{b})=$\n$\\cos w{a}\\,\\cos w{b}{other}\\sin w{a}\\,\\sin w{b}$",
        ha="center", va="top", linespacing=1.25,
    )  # fmt: skip
    _arrow(page, (columns[1] + large + 0.9 * t, centre[1]), (columns[2] - 0.9 * t, centre[1]))
    _read_off(sheet, x, colour, (columns[2] + 1.4 * t, 3.3 * t, width - columns[2] - 2.2 * t, body - 4.2 * t))


def _circle(page: Axes, centre: tuple[float, float], radius: float, x: Algorithm) -> None:
    from matplotlib.patches import Circle

    page.add_patch(Circle(centre, radius, fill=False, lw=0.6, ec=LOOK.border))
    angles = 2 * np.pi * np.arange(x.n) / x.n
    page.plot(centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles), ".", ms=1.0, color=LOOK.faint)
    page.plot([centre[0], centre[0] + radius], [centre[1]] * 2, lw=0.5, color=LOOK.border)


def _hand(page: Axes, centre: tuple[float, float], radius: float, angle: float, colour: str) -> None:
    tip = centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)
    page.plot([centre[0], tip[0]], [centre[1], tip[1]], lw=1.2, color=colour)
    page.plot(*tip, "o", ms=3.2, color=colour)
    page.plot(*centre, "o", ms=1.6, color=colour)


def _arc(
    page: Axes, centre: tuple[float, float], radius: float, begin: float, end: float, text: str, colour: str, t: float
) -> None:
    angles = np.linspace(begin, end, 60)
    page.plot(centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles), lw=0.8, color=colour)
    across, up = np.cos((begin + end) / 2), np.sin((begin + end) / 2)
    out = radius + 0.25 * t
    page.text(
        centre[0] + out * across, centre[1] + out * up, text, color=colour,
        ha="center" if abs(across) < 0.4 else "left" if across > 0 else "right",
        va="center" if abs(up) < 0.4 else "bottom" if up > 0 else "top",
    )  # fmt: skip


def _arrow(page: Axes, begin: tuple[float, float], end: tuple[float, float]) -> None:
    from matplotlib.patches import FancyArrowPatch

    page.add_patch(
        FancyArrowPatch(begin, end, arrowstyle="-|>", mutation_scale=6, lw=0.8, color=LOOK.muted, shrinkA=0, shrinkB=0)
    )


def _read_off(sheet: Sheet, x: Algorithm, colour: str, box: tuple[float, float, float, float]) -> None:
    """cos w(a + b − c) at every output c.  box : left, bottom, width, height in points"""
    width, height = sheet.figure.get_size_inches() * 72
    axes = sheet.figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
    axes.plot(x.residues, x.wave, "o", ms=1.7 if x.n > 60 else 3.0, mew=0, color=colour)
    if len(x.keys) > 1:
        axes.vlines(x.residues, 0, x.mean, lw=0.7, color=LOOK.text)
    axes.plot([x.answer], [1.0], "o", ms=4.5, mfc="none", mec=LOOK.text, mew=0.8)
    near_right = x.answer > 0.7 * x.residues[-1]
    axes.annotate(
        f"$c = {x.answer}$", (x.answer, 1.0), (-5 if near_right else 5, 2), textcoords="offset points",
        ha="right" if near_right else "left", va="bottom",
    )  # fmt: skip
    axes.set(xlim=(x.residues[0] - 1, x.residues[-1] + 1), ylim=(-1.12, 1.12), yticks=[-1, 0, 1], xlabel="output $c$")


# -- figure 2 --------------------------------------------------------------------------------------------------


def draw_learning(sheet: Sheet, x: Learning, keys: Sequence[int]) -> None:
    """Accuracy left, loss right."""
    panels = sheet.figure.subplots(1, 2)
    for axes, what, train, test in (
        (panels[0], "accuracy", x.train_accuracy, x.test_accuracy),
        (panels[1], "loss (nats)", x.train_loss, x.test_loss),
    ):
        there = [curve(axes, train, "train", LOOK.train), curve(axes, test, "test", LOOK.test)]
        if not any(there):
            say(axes, f"The run file holds no {what.split()[0]}.", sheet, sheet.width / 2)
            continue
        if what == "accuracy":
            axes.set(ylim=(-0.02, 1.04))
        else:
            axes.set_yscale("log")
            _ticks_of_log(axes)
        axes.set_ylabel(what)
        width = _half(sheet.width, sheet.type)
        epochs_axis(axes, max(c.epochs[-1] for c in (train, test) if c is not None), sheet, width)
        key_above(axes, sheet, width)


# -- figure 3 --------------------------------------------------------------------------------------------------


def draw_spectra(sheet: Sheet, x: Spectra | str, keys: Sequence[int]) -> None:
    """W_E on top of W_L."""
    if isinstance(x, str):
        say(sheet.figure.subplots(), x, sheet, sheet.width)
        return
    panels = sheet.figure.subplots(2, 1, sharex=True)
    for axes, found in zip(panels, (x.embedding, x.neuron_logit), strict=True):
        _bars(sheet, axes, found, x.keys)
        axes.set_ylabel(f"norm in ${found.which}$")
    panels[1].set_xlabel("frequency $k$")


def _bars(sheet: Sheet, axes: Axes, x: Spectrum, keys: Sequence[int]) -> None:
    from matplotlib.patches import Patch

    k = np.arange(1, len(x.cos) + 1)
    colours = [colour_of(int(f), keys) for f in k]
    axes.bar(k - 0.2, x.cos, 0.4, color=colours, lw=0)
    axes.bar(k + 0.2, x.sin, 0.4, color=colours, alpha=0.5, lw=0)
    highest = float(max(x.cos.max(initial=0.0), x.sin.max(initial=0.0))) or 1.0
    axes.set(xlim=(0.2, len(k) + 0.8), ylim=(0, 1.16 * highest))
    unit = (len(k) + 0.6) / (sheet.width - 5 * sheet.type)
    at = _spread([float(key) for key in keys], (0.5 * len(str(max(keys, default=1))) + 0.25) * sheet.type * unit)
    for key, place in zip(keys, at, strict=True):
        axes.text(
            place, float(max(x.cos[key - 1], x.sin[key - 1])) + 0.02 * highest, str(key), ha="center", va="bottom",
            color=colour_of(key, keys),
        )  # fmt: skip
    if x.which == "W_E":
        samples = [Patch(color=LOOK.other_frequency), Patch(color=LOOK.other_frequency, alpha=0.5)]
        axes.legend(
            samples, ["cos", "sin"], loc="lower left", bbox_to_anchor=(0.0, 1.01), ncols=2, handlelength=0.8,
            handleheight=0.8,
        )  # fmt: skip


# -- figure 4 --------------------------------------------------------------------------------------------------


def draw_periodic(sheet: Sheet, x: Periodic, keys: Sequence[int]) -> None:
    """Attention, a neuron, the logits; three squares."""
    panels = sheet.figure.subplots(1, 3)
    side = _side(sheet.width, sheet.type)
    roomy = side > 8.5 * sheet.type
    of = f", $k={x.frequency}$" if x.frequency and roomy else ""
    for axes, values, title in (
        (panels[0], x.attention, f"(a) head {x.head}: attention to $a$" if roomy else f"(a) head {x.head}"),
        (panels[1], x.activation, f"(b) neuron {x.neuron[1]}{of}"),
    ):
        colour_bar(axes, map_of(axes, values, sheet), sheet)
        axes.set_title(title)
        axes.set(xlabel="$b$", ylabel="$a$")
        _few_ticks(axes)
    axes = panels[2]
    if isinstance(x.logits, str):
        say(axes, x.logits, sheet, side)
        axes.set_box_aspect(1)
        return
    varying = x.logits.ravel()[1:]  # the mean logits outshine everything early in training
    colour_bar(axes, map_of(axes, x.logits, sheet, limit=float(varying.max(initial=0.0))), sheet)
    axes.set_title("(c) logits, 2-D Fourier" if roomy else "(c) logits")
    axes.set(xlabel="component of $b$" if roomy else "$b$", ylabel="component of $a$" if roomy else "$a$")
    if x.keys:
        at = _middles(x.keys, len(x.logits))
        axes.set(xticks=[], yticks=[])
        name_keys(axes, x.keys, at, sheet, side, "bottom")
        name_keys(axes, x.keys, at, sheet, side, "left")
        axes.xaxis.labelpad, axes.yaxis.labelpad = 1.9 * sheet.type, 2.0 * sheet.type
    else:
        _few_ticks(axes)


def _side(width: float, t: float) -> float:
    """Of the squares of figure 4, points: what labels and colour bars leave."""
    return max(20.0, (width / 3 - 6.2 * t) / 1.09)


def _few_ticks(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(3, integer=True, steps=[1, 2, 5, 10]))


# -- figure 5 --------------------------------------------------------------------------------------------------


def draw_neurons(sheet: Sheet, x: Neurons | str, keys: Sequence[int]) -> None:
    """How many neurons one frequency explains, and where those of one frequency write."""
    if isinstance(x, str):
        say(sheet.figure.subplots(), x, sheet, sheet.width)
        return
    left, right = sheet.figure.subplots(1, 2, width_ratios=[1, 1.25])
    left.bar(x.edges[:-1], x.counts, np.diff(x.edges), align="edge", color=LOOK.accent, ec=LOOK.panel, lw=0.5)
    left.axvline(THRESHOLD, color=LOOK.text, lw=0.8, ls=(0, (3, 2)))
    left.set(xlim=(0, 1), xlabel="fraction of variance explained", ylabel="neurons")
    many = int((x.fve >= THRESHOLD).sum())
    left.set_title(f"(a) {many} of {len(x.fve)} neurons ≥ {THRESHOLD}" if sheet.width > 30 * sheet.type else "(a)")
    roomy = sheet.width > 30 * sheet.type
    title = f"(b) $W_L$ of the {len(x.neurons)} neurons of $k={x.k}$" if roomy else f"(b) $W_L$, $k={x.k}$"
    right.set_title(title if len(x.neurons) else "(b) neurons of one frequency" if roomy else "(b)")
    width = sheet.width * 0.5
    if isinstance(x.weights, str):
        say(right, x.weights, sheet, width)
        return
    colour_bar(right, map_of(right, x.weights, sheet, signed=True, square=False), sheet, "weight")
    right.set(yticks=[], xticks=[], ylabel="neuron", xlabel="Fourier component of the output")
    name_keys(right, x.keys, _middles(x.keys, x.weights.shape[1]), sheet, width - 5 * sheet.type)
    right.xaxis.labelpad = 1.9 * sheet.type


# -- figure 6 --------------------------------------------------------------------------------------------------


def draw_without_each(sheet: Sheet, x: LossWithoutEach | str, keys: Sequence[int]) -> None:
    """A stem a frequency, from the loss of the model as it is."""
    if isinstance(x, str):
        say(sheet.figure.subplots(), x, sheet, sheet.width)
        return
    n = len(x.all_pairs)
    axes = sheet.figure.subplots()
    axes.set_yscale("log")
    k = np.arange(1, n + 1)
    whole = x.full.all_pairs
    axes.axhline(whole, color=LOOK.text, lw=0.8)
    for f, loss in zip(k.tolist(), x.all_pairs.tolist(), strict=True):
        is_key = f in keys
        colour = colour_of(f, keys)
        axes.plot([f, f], [whole, loss], lw=1.6 if is_key else 1.0, color=colour, solid_capstyle="butt")
        axes.plot([f], [loss], "o", ms=3.4 if is_key else 2.2, mew=0, color=colour)
    low, high = (f([*x.all_pairs.tolist(), whole]) for f in (min, max))
    end = 1.055 * n + 1
    if keys:
        only = x.only_keys.all_pairs
        low, high = min(low, only), max(high, only)
        axes.plot([end, end], [whole, only], lw=1.6, color=LOOK.restricted, solid_capstyle="butt")
        axes.plot([end], [only], "D", ms=3.4, mew=0, color=LOOK.restricted)
        apart = abs(np.log(only / whole)) > 0.12 * np.log(max(high / low, 1.5))
        axes.annotate(
            f"only the keys: {_power(only)}", (end, only), (-4, 0 if apart else -3), textcoords="offset points",
            ha="right", va="center" if apart else "top", color=LOOK.restricted,
        )  # fmt: skip
    span = max(high / low, 1.5)
    axes.set(ylim=(low / span**0.12, high * span**0.16), xlim=(0.2, end + 0.02 * n + 0.3))
    ticks = range(10, n + 1, 10) if n >= 10 else k.tolist()
    axes.set(xlabel="frequency $k$ taken away", ylabel="loss (nats)", xticks=ticks)
    _ticks_of_log(axes)
    axes.annotate(
        f"unablated: {_power(whole)}", (0.6, whole), (0, -2.5), textcoords="offset points", ha="left", va="top",
    )  # fmt: skip
    unit = (n + 0.6) / (sheet.width - 6 * sheet.type)
    gap = (0.5 * len(str(max(keys, default=1))) + 0.25) * sheet.type * unit
    for key, place in zip(keys, _spread([float(key) for key in keys], gap), strict=True):
        up = x.all_pairs[key - 1] >= whole
        axes.annotate(
            str(key), (place, float(x.all_pairs[key - 1])), (0, 2.5 if up else -2.5), textcoords="offset points",
            ha="center", va="bottom" if up else "top", color=colour_of(key, keys),
        )  # fmt: skip


def _power(value: float) -> str:
    """2.2 × 10⁻⁷, or a plain number near 1"""
    if 0.01 <= value < 1000:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"${mantissa}\\times10^{{{int(exponent)}}}$"


# -- figure 7 --------------------------------------------------------------------------------------------------


EXCLUDED = ("train", "test", "excluded, all $k$", "excluded, keys")


def draw_progress(sheet: Sheet, x: Progress, keys: Sequence[int]) -> None:
    """Excluded loss, restricted loss, Gini, Σw², with the ends of the phases."""
    panels = sheet.figure.subplots(2, 2)
    style = "-" if x.final else (0, (3, 1.5))
    width = _half(sheet.width, sheet.type)
    weights = "sum of squared weights" if 0.2 * sheet.width > 9 * sheet.type else r"$\sum w^2$"
    none = x.no_basis or (NO_TRACES if x.squared_weights is None else "No key frequency yet.")
    parts: list[tuple[Axes, str, list[tuple[Curve | None, str, str, dict[str, Any]]], str]] = [
        (panels[0, 0], "loss (nats)", [
            (x.excluded_all, EXCLUDED[2], LOOK.excluded_all, {}),
            (x.excluded, EXCLUDED[3], LOOK.excluded, {"lw": 0.7, "ls": style}),
        ], x.no_basis or NO_TRACES),
        (panels[0, 1], "loss (nats)", [(x.restricted, "restricted", LOOK.restricted, {"ls": style})], none),
        (panels[1, 0], "Gini coefficient", [
            (x.gini_embedding, "$W_E$", LOOK.accent, {}),
            (x.gini_neuron_logit, "$W_L$", LOOK.ratio, {"ls": (0, (4, 1.5))}),
        ], x.no_basis or NO_TRACES),
        (panels[1, 1], weights, [(x.squared_weights, "", LOOK.text, {})], NO_TRACES),
    ]  # fmt: skip
    ends = [] if x.phases is None else [x.phases.memorisation_end, x.phases.circuit_end, x.phases.cleanup_end]
    for axes, what, curves, why in parts:
        axes.set_ylabel(what)
        if not any(c is not None for c, *_ in curves):
            say(axes, why, sheet, sheet.width / 2)
            continue
        if what.startswith("loss"):
            axes.set_yscale("log")
            curve(axes, x.train_loss, "train", LOOK.train)
            curve(axes, x.test_loss, "test", LOOK.test)
        for found, label, colour, look in curves:
            curve(axes, found, label, colour, **look)
        for end in ends:
            if end is None:
                break
            axes.axvline(end, color=LOOK.muted, lw=0.6, ls=(0, (3, 2)), zorder=0)
        epochs_axis(axes, max(c.epochs[-1] for c, *_ in curves if c is not None), sheet, width)
        if curves[0][1]:
            key_above(axes, sheet, width)
        if what.startswith("loss"):
            _ticks_of_log(axes)
        else:
            axes.set_ylim(0, 1 if what.startswith("Gini") else None)


# -- table 1 ---------------------------------------------------------------------------------------------------


def draw_waves(sheet: Sheet, x: Waves | str, keys: Sequence[int]) -> None:
    """Rows between rules, as tables are set."""
    page = sheet.figure.add_axes((0, 0, 1, 1))
    page.set_axis_off()
    if isinstance(x, str):
        say(page, x, sheet, sheet.width)
        return
    width, height = sheet.figure.get_size_inches() * 72
    page.set(xlim=(0, width), ylim=(height, 0))
    r, t = x.rows, sheet.type
    columns = (0.5 * t, 8.4 * t, width - 0.5 * t)
    y = 1.6 * t
    for at, text, side in (
        (columns[0], "$W_L$ component", "left"), (columns[1], r"$u_k^{\top}\,$MLP or $v_k^{\top}\,$MLP", "left"),
        (columns[2], "FVE", "right"),
    ):  # fmt: skip
        page.text(at, y, text, ha=side, va="center")
    page.plot([0, width], [0.5, 0.5], lw=1.0, color=LOOK.text)
    page.plot([0, width], [y + 1.1 * t] * 2, lw=0.6, color=LOOK.text)
    y += 0.35 * t
    for at in range(len(r.frequency)):
        k = int(r.frequency[at])
        if at and k != r.frequency[at - 1]:
            page.plot([0, width], [y + 0.875 * t] * 2, lw=0.4, color=LOOK.border)
        lines = _polynomial(x, at, _room(width, t))
        page.text(
            columns[0], y + ROW * t, _component(k, bool(r.sine[at]), x.log), va="center", color=colour_of(k, keys)
        )
        page.text(columns[2], y + ROW * t, f"{100 * r.explained[at]:.1f} %", ha="right", va="center")
        for line in lines:
            y += ROW * t
            page.text(columns[1], y, line, va="center")
    page.plot([0, width], [height - 0.5] * 2, lw=1.0, color=LOOK.text)


ROW = 1.75  # height of a table's line, in sizes of the type


def _room(width: float, t: float) -> float:
    """Of the middle column, in sizes of the type."""
    return width / t - 8.4 - 4.2


def _component(k: int, sine: bool, log: bool) -> str:
    c = r"\log c" if log else "c"
    return f"$\\{'sin' if sine else 'cos'}(w_{{{k}}}{c})$"


def _polynomial(x: Waves, at: int, room: float) -> list[str]:
    """44.6 cos(w a) cos(w b) − 43.6 sin(w a) sin(w b) ≈ 44.1 cos(w(a + b)), in as many lines as it takes."""
    r, k = x.rows, int(x.rows.frequency[at])
    a, b = (r"\log a", r"\log b") if x.log else ("a", "b")
    first, second = (("sin", "cos"), ("cos", "sin")) if r.sine[at] else (("cos", "cos"), ("sin", "sin"))

    def term(waves: tuple[str, str]) -> str:
        return f"\\{waves[0]}(w_{{{k}}}{a})\\,\\{waves[1]}(w_{{{k}}}{b})"

    sign = "-" if r.second[at] < 0 else "+"
    whole = f"\\{'sin' if r.sine[at] else 'cos'}(w_{{{k}}}({a}{'+' if r.sign > 0 else '-'}{b}))"
    pieces = [f"{r.first[at]:.1f}\\,{term(first)}", f"{sign}{abs(r.second[at]):.1f}\\,{term(second)}",
              f"\\approx{r.wave[at]:.1f}\\,{whole}"]  # fmt: skip
    if 2 * k == r.n:
        del pieces[1]  # no sine
    fit = max(1, int(room / (13.2 if x.log else 10.6)))  # pieces a line
    return [f"${{}}{''.join(pieces[i : i + fit])}$" for i in range(0, len(pieces), fit)]


# -- the registry ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawing:
    """draw : fills a sheet with the data of a figure    height : points, of width and type (points) and the data
    free : whether it places everything itself
    """

    draw: Callable[[Sheet, Any, Sequence[int]], None]
    height: Callable[[float, float, Any], float]
    free: bool = False


def _rows(width: float, t: float, x: Any) -> float:
    if isinstance(x, str):
        return 6 * t
    lines = sum(len(_polynomial(x, at, _room(width, t))) for at in range(len(x.rows.frequency)))
    return (1.6 + 0.35 + ROW * lines + 1.2) * t


DRAWINGS: dict[str, Drawing] = {
    "Figure 1": Drawing(draw_algorithm, lambda w, t, _: 0.29 * w + 10.5 * t, free=True),
    "Figure 2": Drawing(draw_learning, lambda w, t, _: 0.27 * w + 6 * t),
    "Figure 3": Drawing(draw_spectra, lambda w, t, _: 0.40 * w + 4 * t),
    "Figure 4": Drawing(draw_periodic, lambda w, t, _: _side(w, t) + 5.6 * t),
    "Figure 5": Drawing(draw_neurons, lambda w, t, _: 0.30 * w + 6 * t),
    "Figure 6": Drawing(draw_without_each, lambda w, t, _: 0.30 * w + 4 * t),
    "Figure 7": Drawing(draw_progress, lambda w, t, _: 0.44 * w + (10 + 1.3 * _lines(EXCLUDED, _half(w, t), t)) * t),
    "Table 1": Drawing(draw_waves, _rows, free=True),
}
