"""The race of the frequencies: how large each one is over training, and who leads from when on."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from app import theme
from app.compute import Query
from app.export import Table
from app.numbers import epoch_text, number
from app.session import Selection
from app.theme import SPACE
from app.views.base import TracedView
from app.views.controls import toggle
from app.views.help import Help
from app.views.maps import HOT
from app.views.over_time import DASHED, SOLID
from app.views.plots import pen, relabel
from app.views.sentence import Sentence, keys_text, not_measured
from app.views.tracks import EndNames, TrackPlot, as_steps, share_epochs
from engine.analysis.race import NEURONS, Race, edges, race

TIPS = {
    "W_E": "The embedding, over the residues' tokens",
    "W_U": "The unembedding, over the residues' logits",
    "W_L": "The neuron–logit map W_out W_U of the last layer, over the residues' logits",
    NEURONS: "The activations of the last layer's neurons over all pairs: the 8 components of k, all neurons together",
}
BOTH, HEAT, RANKS = "both", "heat map", "ranks"
_TICKS = (1, 2, 3, 5, 10, 20, 50, 100, 200)
_TICK_GAP = 13  # pixels
_FINER = 2  # columns of the picture to a pixel


class RaceView(TracedView):
    """Norm of every frequency over training as a heat map, and its rank as a bump chart."""

    name = "race"
    title = "Spectrum over time"
    about = (
        "Norm of every frequency of W_E, W_U, the neuron–logit map W_L or the neurons over training, and its rank. "
        "Click to select a frequency and go to that epoch."
    )
    help = Help(
        see="Above, colour is the norm of the cosine and sine of frequency k at each checkpoint, which fills the axis "
        "from midpoint to midpoint with its neighbours: nothing is interpolated. Below, the rank of every frequency "
        "by that norm, 1 the largest, on a logarithmic axis so that the leaders have room; key frequencies in their "
        "colours and named at the end, the others grey. A dot is where a key has come among the leaders for good, the "
        "dashed line where all of them have.",
        look_for="The winners emerge while the model still memorises. On the paper's mainline four of the five keys "
        "of W<sub>E</sub> lead for good within the first few hundred epochs, and at epoch 1 400 the five largest are "
        "the five keys or all but one of them, thousands of epochs before test loss falls; the fifth and its rival are "
        "a hair apart until cleanup. After grokking all but the keys fade (W<sub>E</sub> keeps a sixth, k = 31).",
        wrong="A race that is undecided late, or winners that change after cleanup: then there is no settled "
        "algorithm yet. Which frequencies win is arbitrary (it differs by seed): compare their number and margins, "
        "never the k. Ranks alone say nothing about margins; look at both.",
        formula="norm<sub>k</sub> = √(‖F<sub>cos k</sub> W‖² + ‖F<sub>sin k</sub> W‖²) over the residues, F the "
        "orthonormal Fourier basis (k = p/2 has a cosine only); rank<sub>k</sub> = 1 + number of frequencies with a "
        "larger norm. A key leads for good from the first checkpoint after which it is always among the |K| largest, "
        "K the key frequencies, to the last checkpoint measured.",
        paper="Norms as in fig. 3; the race over training is not in the paper, nor is the comparison of the initial "
        "norms with the final ones.",
    )

    def options(self) -> list[QWidget]:
        self._which = _choice("race.which", "Whose frequencies", TIPS)
        self._show_what = _choice(
            "race.show", "Heat map, ranks or both",
            {BOTH: "Heat map and ranks", HEAT: "The norms as colours", RANKS: "The ranks as lines"},
        )  # fmt: skip
        self._log_x = toggle(
            "log x", "race.log_x", "Epochs on a logarithmic axis (epoch 0 at the left edge): the race is early", True
        )
        self._which.currentIndexChanged.connect(lambda _: self.redraw())
        self._show_what.currentIndexChanged.connect(self._option_changed)
        self._log_x.toggled.connect(self._rescale)
        return [self._which, self._show_what, self._log_x]

    def build(self) -> QWidget:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._sentence = Sentence()
        self._sentence.setObjectName("race.sentence")
        self._scale = Scale()
        line = QHBoxLayout()
        line.setSpacing(SPACE)
        line.addWidget(self._sentence, 1)
        line.addWidget(self._scale)
        column.addLayout(line)
        self._heat, self._ranks = TrackPlot(self.session, "frequency k"), TrackPlot(self.session, "rank by norm")
        share_epochs(self._heat, self._ranks)
        self._ranks.widget.getViewBox().invertY(True)
        self._rows: dict[str, QWidget] = {}
        self._names: dict[str, EndNames] = {}
        for what, track in ((HEAT, self._heat), (RANKS, self._ranks)):
            self._names[what] = EndNames(track.widget)
            self._rows[what] = row = QWidget()
            across = QHBoxLayout(row)
            across.setContentsMargins(0, 0, 0, 0)
            across.setSpacing(0)
            across.addWidget(track.widget, 1)
            across.addWidget(self._names[what])
            column.addWidget(row, 10 if what == HEAT else 13)  # which has the axis of epochs besides
            track.set_scales(log_x=self._log_x.isChecked())
            track.clicked = partial(self._click, what)
            track.pointed = partial(self._point_at, what)
        self._names[HEAT].setAccessibleName("Key frequencies, at their places on the axis")
        self._names[RANKS].setAccessibleName("Key frequencies, by their last rank")
        self._build_heat()
        self._build_ranks()
        self._leads = [pg.InfiniteLine(angle=90, movable=False) for _ in range(2)]
        for line_item, track in zip(self._leads, (self._heat, self._ranks), strict=True):
            line_item.setVisible(False)
            track.widget.addItem(line_item, ignoreBounds=True)
        self._drawn: tuple[Any, ...] = ()
        self.restyle()
        self._arrange()
        return content

    def _build_heat(self) -> None:
        box = self._heat.widget.getViewBox()
        self._image = pg.ImageItem(autoDownsample=False)
        self._row = pg.LinearRegionItem(orientation="horizontal", movable=False)
        self._row.setZValue(10)
        self._row.setVisible(False)
        self._heat.widget.addItem(self._image, ignoreBounds=True)
        self._heat.widget.addItem(self._row, ignoreBounds=True)
        self._block = np.zeros((0, 0), np.uint8)
        self._edges = np.zeros(0)
        for changed in (box.sigXRangeChanged, box.sigResized):
            changed.connect(lambda *_: self._paint_heat())

    def _build_ranks(self) -> None:
        self._lines: list[Any] = []  # of the keys and the selected frequency
        self._ranks.add("others", self._faint, 1)
        self._dots = pg.ScatterPlotItem(size=8)
        self._dots.setCacheMode(self._dots.CacheMode.DeviceCoordinateCache)
        self._dots.setZValue(20)
        self._ranks.widget.addItem(self._dots, ignoreBounds=True)
        self._ranks.widget.getViewBox().sigResized.connect(lambda *_: self._tick_ranks())

    def query(self, selection: Selection) -> Query | None:
        query = self.traced(race, selection, self._which.currentText(), selection.thresholds)
        return None if query.args[2] is None else query

    def _why_empty(self, selection: Selection) -> str:
        return not_measured(self.tracing, selection) or super()._why_empty(selection)

    def draw(self, answer: Race, selection: Selection) -> None:
        if not len(answer.epochs):
            self.set_subtitle(answer.which)
            self._say(answer.no_basis or not_measured(self.tracing, selection))
            self._drawn = ()
            return
        state = (answer, selection.frequency, theme.current().name)
        if not self._drawn or self._drawn[0] is not answer or self._drawn[1:] != state[1:]:
            self._drawn = state
            self._draw_race(answer, selection)
        for track in (self._heat, self._ranks):
            track.show_epoch(selection.epoch)
        self._sentence.say(sentence(answer, selection.epoch), sentence(answer, selection.epoch, short=True))

    def refresh(self, selection: Selection) -> None:
        """As every view; the cursor moves even while curves are awaited."""
        if self.on_show and selection.run is not None and self._which.currentText() == NEURONS:
            self.tracing.want(NEURONS)
        super().refresh(selection)
        if self.waiting and self._shown is not None and selection.run is not None and selection.n_checkpoints:
            for track in (self._heat, self._ranks):
                track.show_epoch(selection.epoch)

    def restyle(self) -> None:
        look = theme.current()
        self._heat.restyle()
        self._ranks.restyle()
        bright = QColor(*(int(v) for v in theme.colour_table(HOT)[-1]))  # on the map, whatever the theme
        for line, colour in zip(self._leads, (bright, QColor(look.text)), strict=True):
            drawn = pen(colour, 1.2)
            drawn.setStyle(DASHED)
            line.setPen(drawn)
        self._row.setBrush(QColor(0, 0, 0, 0))
        self._dots.setPen(pen(look.panel, 1.5))
        self._scale.update()

    # -- drawing -------------------------------------------------------------------------------------------

    def _draw_race(self, answer: Race, selection: Selection) -> None:
        n = answer.norm.shape[1]
        ends = float(answer.epochs[0]), float(answer.epochs[-1])
        top = float(answer.norm.max(initial=0.0))
        self._block = np.clip(answer.norm.T * (255.0 / top if top > 0 else 0.0), 0, 255).astype(np.uint8)
        self._edges = edges(answer.epochs)
        self._heat.limit(ends, (0.5, n + 0.5))
        self._ranks.limit(ends, (-0.08, float(np.log10(max(n, 2))) + 0.04))
        self._tick_ranks()
        relabel(self._heat.widget, "left", "frequency k" if answer.generator is None else "character k")
        self._paint_heat()
        self._scale.show_range(top, f"norm in {answer.which}")
        self._draw_ranks(answer, selection)
        self._mark_chosen(answer, selection)
        self._name_ends(answer, selection)
        self._ranks.show_phases(answer.phases, ends[1])
        for line in self._leads:
            line.setVisible(answer.lead is not None)
            line.setValue(self._heat.place_of(answer.lead or 0))
        self.set_subtitle(about_keys(answer))
        self._sentence.setToolTip(about_lead(answer))

    def _paint_heat(self) -> None:
        """Every column of pixels shows the checkpoint whose stretch it lies in."""
        if not len(self._edges):
            return
        box = self._heat.widget.getViewBox()
        places = np.array([self._heat.place_of(edge) for edge in self._edges])
        low, high = box.viewRange()[0]
        low, high = max(low, places[0]), min(high, places[-1])
        if high <= low:
            self._image.clear()
            return
        wide = max(1, round(box.width() * self._heat.widget.devicePixelRatioF() * _FINER))
        middles = low + (np.arange(wide) + 0.5) * (high - low) / wide
        block = np.ascontiguousarray(self._block[:, np.searchsorted(places[1:-1], middles, side="right")])
        self._image.setImage(block, autoLevels=False, levels=(0, 255), lut=theme.colour_table(HOT))
        self._image.setRect(QRectF(low, 0.5, high - low, len(block)))

    def _draw_ranks(self, answer: Race, selection: Selection) -> None:
        n, chosen = answer.norm.shape[1], selection.frequency
        curves = [as_steps(self._edges, np.log10(answer.rank[:, k - 1])) for k in range(1, n + 1)]
        named = [k for k in dict.fromkeys((*leaders(answer), chosen)) if k is not None and k <= n]
        others = [curve for k, curve in enumerate(curves, 1) if k not in named]
        gap = np.array([np.nan])
        x, y = (np.concatenate([part for curve in others for part in (curve[i], gap)] or [gap]) for i in (0, 1))
        self._ranks.put("others", x, y)
        while len(self._lines) < len(named):
            self._lines.append(self._ranks.add(f"named {len(self._lines)}", lambda: theme.current().text))
        final = answer.pinned is None or answer.pinned.final
        for i, line in enumerate(self._lines):
            if i >= len(named):
                self._ranks.put(f"named {i}", None, None)
                continue
            k = named[i]
            drawn = pen(self._colour(k, answer, chosen), 3 if k == chosen else 2)
            drawn.setStyle(SOLID if final or k not in answer.keys else DASHED)
            line.setPen(drawn)
            line.setZValue(15 if k == chosen else 10)
            self._ranks.put(f"named {i}", *curves[k - 1])
        self._draw_dots(answer)

    def _tick_ranks(self) -> None:
        """As many ranks on the axis as there is room for, the first and the largest ones before the others."""
        box, n = self._ranks.widget.getViewBox(), self._block.shape[0]
        (low, high), tall = box.viewRange()[1], max(1.0, float(box.height()))
        chosen: list[int] = []
        for rank in sorted((r for r in _TICKS if r <= n), key=lambda r: (r not in (1, 5, 20), r)):
            if all(abs(np.log10(rank / other)) * tall / (high - low) >= _TICK_GAP for other in chosen):
                chosen.append(rank)
        ticks = [(float(np.log10(rank)), str(rank)) for rank in chosen]
        self._ranks.widget.getPlotItem().getAxis("left").setTicks([ticks])

    def _draw_dots(self, answer: Race) -> None:
        """Where each key has come among the leaders for good."""
        there = [(k, epoch) for k, epoch in zip(answer.keys, answer.since, strict=True) if epoch is not None]
        at = [int(np.searchsorted(answer.epochs, epoch)) for _, epoch in there]
        self._dots.setData(
            x=[self._ranks.place_of(epoch) for _, epoch in there],
            y=[float(np.log10(answer.rank[i, k - 1])) for i, (k, _) in zip(at, there, strict=True)],
            brush=[theme.frequency_colour(k, answer.keys) for k, _ in there],
        )

    def _mark_chosen(self, answer: Race, selection: Selection) -> None:
        """A frame around the row of the selected frequency."""
        k = selection.frequency
        there = k is not None and k <= answer.norm.shape[1]
        self._row.setVisible(there)
        if k is not None and there:
            self._row.setRegion((k - 0.5, k + 0.5))
            for line in self._row.lines:
                line.setPen(pen(theme.current().accent, 1.5))

    def _name_ends(self, answer: Race, selection: Selection) -> None:
        """The keys and the selected frequency, the largest first."""
        last = answer.rank[-1]
        named = [k for k in {*leaders(answer), selection.frequency or 0} if 1 <= k <= len(last)]
        named.sort(key=lambda k: (k != selection.frequency, int(last[k - 1])))
        of = [(k, str(k), self._colour(k, answer, selection.frequency)) for k in named]
        self._names[HEAT].show_names([(float(k), text, colour) for k, text, colour in of])
        self._names[RANKS].show_names([(float(np.log10(last[k - 1])), text, colour) for k, text, colour in of])

    def _colour(self, k: int, answer: Race, chosen: int | None) -> QColor:
        other = k == chosen and k not in answer.keys
        return QColor(theme.current().accent) if other else theme.frequency_colour(k, answer.keys)

    def _faint(self) -> QColor:
        colour = QColor(theme.current().other_frequency)
        colour.setAlpha(64)
        return colour

    def _arrange(self) -> None:
        """Heat map, ranks or both; the epochs are named under the lowest."""
        what = self._show_what.currentText()
        for kind, row in self._rows.items():
            row.setVisible(what in (BOTH, kind))
        self._scale.setVisible(what != RANKS)
        axis = self._heat.widget.getPlotItem().getAxis("bottom")
        axis.setStyle(showValues=what == HEAT)
        axis.showLabel(what == HEAT)

    def _option_changed(self) -> None:
        if self._content is not None:
            self._arrange()

    def _rescale(self) -> None:
        if self._content is None:
            return
        for track in (self._ranks, self._heat):
            track.set_scales(log_x=self._log_x.isChecked())
        self._drawn = ()
        self.redraw()

    # -- pointer -------------------------------------------------------------------------------------------

    def _frequency_at(self, what: str, epoch: float, y: float) -> int | None:
        """The row of the heat map, or the frequency of the nearest rank; the keys' lines are nearer than others."""
        answer: Race | None = self.answer
        if answer is None or not len(answer.epochs):
            return None
        n = answer.norm.shape[1]
        if what == HEAT:
            k = round(y)
            return k if 1 <= k <= n else None
        away = np.abs(np.log10(answer.rank[self._nearest(answer, epoch)]) - y)
        k = int(away.argmin()) + 1
        return k if away[k - 1] < 0.15 else None

    def _nearest(self, answer: Race, epoch: float) -> int:
        """The checkpoint in whose stretch an epoch lies."""
        return int(np.searchsorted(self._edges[1:-1], epoch, side="right"))

    def _click(self, what: str, epoch: float, y: float) -> None:
        """Select the frequency and go there, in one; where one is there already, take the frequency away."""
        now, k = self.session.selection, self._frequency_at(what, epoch, y)
        if now.run is None or not now.n_checkpoints:
            return
        step = int(np.abs(now.run.epochs[: now.n_checkpoints] - epoch).argmin())
        following = now.following and step >= now.n_checkpoints - 1
        if k is None:
            k = now.frequency
        elif k == now.frequency and step == now.step:
            k = None
        self.session.select(frequency=k, step=step, following=following)

    def _point_at(self, what: str, at: tuple[float, float] | None) -> None:
        answer: Race | None = self.answer
        k = None if at is None else self._frequency_at(what, *at)
        if at is None or k is None or answer is None:
            self.read_out("")
            return
        i = self._nearest(answer, at[0])
        rank = f"rank {answer.rank[i, k - 1]} of {answer.norm.shape[1]}"
        since = dict(zip(answer.keys, answer.since, strict=True)).get(k)
        led = f" · among the first {len(answer.keys)} from epoch {epoch_text(since)} on" if since is not None else ""
        where = f"epoch {epoch_text(answer.epochs[i])} · k = {k}"
        self.read_out(f"{where} · norm {answer.norm[i, k - 1]:.3g} in {answer.which} · {rank}{led}")

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: Race, selection: Selection) -> list[Table]:
        if answer.no_basis:
            return []
        numbers = range(1, answer.norm.shape[1] + 1)
        norm = {f"norm of k = {k} in {answer.which}": answer.norm[:, k - 1] for k in numbers}
        rank = {f"rank of k = {k}": answer.rank[:, k - 1] for k in numbers}
        return [
            Table("norm", {"epoch (steps)": answer.epochs, **norm}),
            Table("rank", {"epoch (steps)": answer.epochs, **rank}),
        ]

    def describe(self, answer: Race, selection: Selection) -> str:
        parts = (
            f"Norm of the Fourier components (cosine and sine together) of {answer.which} at every frequency over "
            "training, and rank by that norm, 1 the largest.",
            f"{TIPS[answer.which]}.",
            f"k counts along the powers of {answer.generator}." if answer.generator is not None else "",
            f"{about_keys(answer)}.",
            about_lead(answer).replace("\n", " "),
            "Every checkpoint fills the axis to half the way to its neighbours.",
        )
        return " ".join(part for part in parts if part)


class Scale(QWidget):
    """The colours of the heat map, lying, with the values of their ends."""

    BAR = 44

    def __init__(self) -> None:
        super().__init__()
        self._top, self._unit = 0.0, ""
        self.setAccessibleName("Colour scale")
        self.setFixedHeight(19)

    def show_range(self, top: float, unit: str) -> None:
        if (top, unit) != (self._top, self._unit):
            self._top, self._unit = top, unit
            self.setAccessibleDescription(f"{unit} from 0 to {number(top)}")
            self.setToolTip(f"Colours: {unit}, from 0 to {number(top)}, the largest of all checkpoints")
            self.updateGeometry()
            self.update()

    def _font(self) -> QFont:
        font = QFont(self.font())
        font.setPixelSize(11)
        return font

    def sizeHint(self) -> QSize:
        return QSize(13 + self.BAR + 26, 19)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, look = QPainter(self), theme.current()
        painter.setFont(self._font())
        painter.setPen(QColor(look.muted))
        painter.drawText(0, 0, 9, self.height(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, "0")
        block = np.full((256, 4), 255, np.uint8)
        block[:, :3] = theme.colour_table(HOT)[:, :3]
        area = QRectF(13, self.height() / 2 - 4, self.BAR, 8)
        painter.drawImage(area, QImage(block.data, 256, 1, 1024, QImage.Format.Format_RGBX8888))
        painter.drawText(
            17 + self.BAR, 0, 40, self.height(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft,
            number(self._top),
        )  # fmt: skip


def _choice(name: str, what: str, tips: dict[str, str]) -> QComboBox:
    """A box with a tip for every entry."""
    box = QComboBox()
    box.setObjectName(name)
    box.setAccessibleName(what)
    box.setToolTip("\n".join(f"{text}: {tip}" for text, tip in tips.items()))
    for text, tip in tips.items():
        box.addItem(text)
        box.setItemData(box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
    return box


def leaders(answer: Race) -> tuple[int, ...]:
    """Who is named: the keys, or while there are none the five that are the largest at the end."""
    return answer.keys or tuple(int(k) + 1 for k in answer.rank[-1].argsort()[:5])


def about_keys(answer: Race) -> str:
    """The matrix, and whose keys they are."""
    return f"{answer.which} · {keys_text(answer.pinned, answer.keys)}"


def about_lead(answer: Race) -> str:
    """From when on each key is among the leaders for good, a line each."""
    size = len(answer.keys)
    if not size or not len(answer.epochs):
        return ""
    last = epoch_text(answer.epochs[-1])
    lines = [
        f"k = {k} from epoch {epoch_text(epoch)}" if epoch is not None else f"k = {k} is not at epoch {last}"
        for k, epoch in zip(answer.keys, answer.since, strict=True)
    ]
    return f"Among the {size} largest norms for good (up to epoch {last}):\n" + ",\n".join(lines) + "."


def sentence(answer: Race, epoch: int, short: bool = False) -> str:
    """How the race stands at an epoch, and from when on it is decided.  short : where there is little room"""
    i = int(np.searchsorted(answer.epochs, epoch))
    known = i < len(answer.epochs) and answer.epochs[i] == epoch
    when, size = f"Epoch {epoch_text(epoch)}", len(answer.keys)
    if not known:
        return f"{when} is not measured yet"
    if not size:
        return f"{when}: the largest are " + ", ".join(str(int(k) + 1) for k in answer.rank[i].argsort()[:5])
    what = "key" if answer.pinned is not None and answer.pinned.final else "candidate"
    rank = {k: int(answer.rank[i, k - 1]) for k in answer.keys}
    behind = sorted((k for k in answer.keys if rank[k] > size), key=lambda k: rank[k])
    named = "".join(f", {k} is {ordinal(rank[k])}" for k in behind) if len(behind) <= 2 else ""
    if short:
        lead = f"all from {epoch_text(answer.lead)}" if answer.lead is not None else "not all at the end"
        return f"{when}: {size - len(behind)} of {size} lead{named} · {lead}"
    lead = f"all of them for good from {epoch_text(answer.lead)}" if answer.lead is not None else "not all at the end"
    return f"{when}: {size - len(behind)} of {size} {what}s among the {size} largest{named} · {lead}"


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    return f"{n}{'th' if n % 100 in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"
