"""All neurons as thumbnails: the wall."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect, QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app import theme
from app.compute import Query
from app.export import Table
from app.session import NeuronId, Selection
from app.theme import SPACE
from app.views.base import TracedView
from app.views.controls import label, toggle
from app.views.find_bar import FindBar, choice
from app.views.fve_histogram import BINS, FveHistogram, binned, edges
from app.views.help import Help
from app.views.plots import epoch_text
from app.views.tile_area import WallArea
from app.views.tiles import SIZES, TileGroup, TileWall
from app.views.wall_filter import WallFacts
from engine.analysis.neurons import THRESHOLD
from engine.analysis.wall import (
    ExactWaves,
    NeuronWall,
    WallLayout,
    exact_waves,
    neuron_wall,
    neuron_wall_and_lives,
)
from engine.runfile import Run

ORDERS = {
    "phase": "Within a group, by the phase of the neuron's wave",
    "index": "Within a group, by the neuron's number",
    "fraction": "Within a group, by the fraction of variance explained, the clearest first",
}
_HISTOGRAM_FROM = 500  # pixels of the content's width: narrower, the wall needs it all
_BAR_FROM = 240  # pixels of its height: lower, the wall needs it all


class NeuronsView(TracedView):
    """The wall of all neurons of a layer, and the histogram of FVE; a click selects one, several keys several."""

    name = "neurons"
    title = "Neurons"
    about = (
        "Every neuron's activation over all pairs (a down, b across). Unwrapped axes put a at k·a mod p, so that a "
        "neuron of frequency k is one smooth bump whose place is its phase. Click one."
    )
    help = Help(
        see="Every tile is one neuron's activation after the nonlinearity, for every pair: a down, b across, 0 at the "
        "top left. Tiles stand in groups by the neuron's best frequency <i>k</i> and, within a group, by phase. The "
        "axes are <i>unwrapped</i>: a stands at k·a mod p (k·log a for products). On the right, how many neurons one "
        "frequency explains how well (FVE).",
        look_for="Before grokking the tiles are noise and FVE is low. Then, group after group, they become smooth "
        "bumps that wander across the tile as the phase turns, and the histogram climbs over the dashed line at 0.85. "
        "On the paper's mainline 433 of 512 end above it: 44, 93, 145, 87 and 64 at k = 14, 35, 41, 42 and 52.",
        wrong="In <i>natural order</i> a tile of n pixels cannot show a frequency above n/2: it shows a lower one in "
        "its place. Groups, order and colours are those of one checkpoint (the last, unless you take the order from "
        "here); a neuron may have another frequency at the checkpoint on show: point at it.",
        formula="FVE<sub>k</sub> = share of the centred variance over all pairs in the eight functions cos and sin of "
        "w<sub>k</sub>a, of w<sub>k</sub>b, and their four products; the best k names the neuron. Below 0.85 it "
        "belongs to no frequency; with no variance it is dead.",
        paper="Section 4.3 and figure 5a (20 bins); thumbnails of single neurons: figure 4b",
    )

    # -- its parts -----------------------------------------------------------------------------------------

    def options(self) -> list[QWidget]:
        self._numbers: tuple[Query, ExactWaves] | None = None  # and what they answer
        self._grouped: tuple[WallLayout | None, tuple[Any, ...], list[TileGroup], list[int]] = (None, (), [], [])
        self._order = choice("neurons.order", "How neurons are sorted within their group")
        for order, tip in ORDERS.items():
            self._order.addItem(f"by {order}", order)
            self._order.setItemData(self._order.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self._natural = toggle(
            "natural order", "neurons.natural",
            "Residues in natural order: small tiles cannot show high frequencies then; they impersonate low ones",
        )  # fmt: skip
        self._hold = toggle(
            "order from here", "neurons.layout",
            "Fix order, axes and colours at the checkpoint on show instead of at the last one",
        )  # fmt: skip
        self._with_histogram = toggle(
            "FVE", "neurons.histogram", "Show the histogram of FVE beside the wall", checked=True
        )
        self._order.currentIndexChanged.connect(self.redraw)
        self._natural.toggled.connect(self.redraw)
        self._hold.toggled.connect(self._fix_layout)
        self._with_histogram.toggled.connect(self._make_room)
        return [self._order, self._natural, self._hold, self._with_histogram]

    def build(self) -> QWidget:
        self._wall = TileWall()
        self._wall.setObjectName("neurons.wall")
        self._wall.setAccessibleName("Wall of neurons")
        self._wall.setAccessibleDescription(
            "Arrow keys walk from neuron to neuron, with Shift they select several, Ctrl+A the group; + and − zoom"
        )
        self._area = WallArea(self._wall)
        self._histogram = FveHistogram()
        self._histogram.setObjectName("neurons.fve")
        self._alias = label("", "muted")
        self._alias.setObjectName("neurons.alias")
        self._alias.setVisible(False)
        self._side = SIZES[-1]
        self._searched_in: Run | None = None
        self._resized = QTimer(self)
        self._resized.setSingleShot(True)
        self._resized.timeout.connect(self.redraw)
        self._connect_wall()
        self._figure = QWidget()
        row = QHBoxLayout(self._figure)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE + 4)
        row.addWidget(self._area, 1)
        row.addWidget(self._histogram)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self._find = FindBar()
        self._find.changed.connect(self.redraw)
        self._find.misunderstood.connect(self.set_subtitle)
        self._find.zoomed.connect(self._area.zoom_by)
        column.addWidget(self._find)
        column.addWidget(self._alias)
        column.addWidget(self._figure, 1)
        return whole

    @property
    def content(self) -> QWidget:
        """The wall and the histogram, without the bar above."""
        self.ensure_built()
        return self._figure

    def pointed_at(self) -> QRect | None:
        """The first tile."""
        answer: NeuronWall | None = self.answer
        if answer is None:
            return None
        for group in answer.layout.groups:
            for neuron in self._sorted(group.neurons, answer.layout):
                with suppress(KeyError):  # a search leaves it out
                    side = self._area.size_of_tiles
                    tile = QRect(0, 0, side, side)
                    tile.moveCenter(self._wall.mapTo(self._figure, self._wall.place_of(neuron)))
                    return tile
        return None

    def _connect_wall(self) -> None:
        self._wall.clicked.connect(self._select)
        self._wall.chosen.connect(self._choose)
        self._wall.group_clicked.connect(self._choose_group)
        self._wall.hovered.connect(self._hovered)
        self._area.zoom_changed.connect(self.redraw)
        self._histogram.clicked.connect(self._filter_bin)
        self._histogram.hovered.connect(self._bin_hovered)

    # -- query and draw ------------------------------------------------------------------------------------

    def query(self, selection: Selection) -> Query:
        wall = (
            selection.run, selection.step, selection.layout_step, self._pixels(), not self._natural.isChecked(),
            self._layer(selection),
        )  # fmt: skip
        if self._find.kind != "committed":
            return Query(neuron_wall, wall)
        t = self.tracing
        known = (t.traces, t.revision) if t.run is selection.run else (None, 0)
        return Query(neuron_wall_and_lives, (*wall, selection.n_checkpoints, *known))

    def exact(self, selection: Selection) -> Query | None:
        """Of a run in training the next checkpoint replaces the numbers soon."""
        run = selection.run
        if run is None or (run.grows and selection.following):
            return None
        t = self.tracing
        traces = t.traces if t.run is run else None
        return Query(exact_waves, (run, selection.step, self._layer(selection), traces))

    def draw(self, answer: NeuronWall, selection: Selection) -> None:
        layout = answer.layout
        blocked = QSignalBlocker(self._hold)
        self._hold.setChecked(selection.layout_epoch is not None)
        blocked.unblock()
        if self._searched_in != selection.run:
            self._searched_in = selection.run
            self._find.forget()
        self._find.name_layers(1 if selection.run is None else selection.run.config.n_layers)
        wanted, lasting = self._wanted(answer, selection)
        groups, room = self._groups(layout, wanted, lasting, selection.frequency)
        chosen = [index for layer, index in selection.neurons if layer == self._layer(selection)]
        self._area.show_tiles(groups, answer.tiles, chosen, f"{layout.limit:.2g}", room)
        self._find.fit.setEnabled(self._area.zoomed)
        side = self._area.size_of_tiles
        if side != self._side:  # sharp tiles need their own size: ask again
            self._side = side
            self._resized.start(0)
        self._tell_aliasing(answer, selection)
        self._draw_histogram(answer, selection)
        self._tell(int(wanted.sum()), answer, selection)

    def _groups(
        self, layout: WallLayout, wanted: NDArray[np.bool_], lasting: NDArray[np.bool_], chosen: int | None
    ) -> tuple[list[TileGroup], list[int]]:
        """Who stands under which header, and for how many each keeps room; the same lists while nothing changes."""
        key = chosen, self._order.currentData(), theme.current().name, wanted.tobytes(), lasting.tobytes()
        if self._grouped[0] is layout and self._grouped[1] == key:
            return self._grouped[2:]
        groups, counts, among = [], [], wanted.tolist()
        for group in layout.groups:
            shown = [n for n in self._sorted(group.neurons, layout) if among[n]]
            counts.append(int(lasting[list(group.neurons)].sum()))
            lit = group.frequency > 0 and group.frequency == chosen
            title = _header(group.frequency, len(shown), len(group.neurons), layout)
            groups.append(TileGroup(title, self._colour(group.frequency, layout), tuple(shown), lit))
        several = [(g, n) for g, n in zip(groups, counts, strict=True) if n]
        room = [n for _, n in several] or [len(group.neurons) for group in layout.groups]
        self._grouped = layout, key, [g for g, _ in several], room
        return self._grouped[2:]

    def write(self, numbers: ExactWaves, selection: Selection) -> None:
        if self._exact is not None:
            self._numbers = self._exact, numbers
            if self._shown is not None:
                self._draw_histogram(self._shown[1], selection)

    def _wanted(self, answer: NeuronWall, selection: Selection) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which neurons are shown, and which may be while one scrubs: room is kept for those."""
        layout, kind = answer.layout, self._find.kind
        group = np.zeros(len(layout.fve), np.int64)
        for g in layout.groups:
            group[list(g.neurons)] = g.frequency
        facts = WallFacts(
            home=layout.frequency,
            group=group,
            frequency=answer.frequency,
            fve=answer.fve,
            committed=answer.committed,
            epoch=selection.epoch,
        )
        of_kind = facts.of_kind(kind, selection.frequency)
        lasting = self._find.search.matches(facts, lasting=True)
        return of_kind & self._find.search.matches(facts), lasting & of_kind if kind == "selected" else lasting

    def _draw_histogram(self, answer: NeuronWall, selection: Selection) -> None:
        if not self._histogram.isVisibleTo(self):
            return
        layout, exact = answer.layout, self._known(selection)
        frequency, fve = (answer.frequency, answer.fve) if exact is None else (exact.frequency, exact.fve)
        colours = [*(theme.frequency_colour(k, layout.keys) for k in layout.keys), _rest_colour()]
        self._histogram.show_counts(binned(fve, frequency, layout.keys), colours, self._chosen_bin())

    def _tell(self, shown: int, answer: NeuronWall, selection: Selection) -> None:
        layout, total = answer.layout, len(answer.fve)
        parts = [f"order and colours of epoch {epoch_text(layout.epoch)}"]
        if layout.no_basis:
            parts = [f"natural order: {layout.no_basis}"]
        elif layout.generator is not None:
            parts.append(f"k counts along the powers of {layout.generator}")
        if shown < total:
            parts.insert(0, f"{shown} of {total} shown")
        if self._find.kind == "committed" and answer.committed is None:
            parts.insert(0, "commitment is known once checkpoints are measured")
        elif self._find.kind == "selected" and selection.frequency is None:
            parts.insert(0, "no frequency is selected")
        if len(selection.neurons) > 1:
            parts.insert(0, f"{len(selection.neurons)} selected")
        self.set_subtitle(" · ".join(parts))

    def _tell_aliasing(self, answer: NeuronWall, selection: Selection) -> None:
        """What tiles in natural order cannot show."""
        assert selection.run is not None
        p, pixels = selection.run.config.p, answer.tiles.shape[1]
        natural = self._natural.isChecked() or bool(answer.layout.no_basis)
        aliases = natural and pixels < p and p // 2 > pixels // 2
        if aliases:
            self._alias.setText(
                f"⚠ Natural order aliases: {pixels} pixels for {p} residues show no frequency above {pixels // 2}; "
                "higher ones look like lower ones."
            )
        self._alias.setVisible(aliases)
        self._alias.setWordWrap(True)

    # -- what is shown -------------------------------------------------------------------------------------

    def _filter_bin(self, i: int) -> None:
        """A click on a bin searches it; on the same one again, nothing."""
        self._find.field.setText("" if i == self._chosen_bin() else _bin_text(i))

    def _chosen_bin(self) -> int | None:
        text = self._find.field.text()
        return next((i for i in range(BINS) if _bin_text(i) == text), None)

    def _sorted(self, neurons: tuple[int, ...], layout: WallLayout) -> tuple[int, ...]:
        order = self._order.currentData()
        if order == "index":
            return tuple(sorted(neurons))
        if order == "fraction":
            return tuple(sorted(neurons, key=lambda n: -layout.fve[n]))
        return neurons

    def _colour(self, k: int, layout: WallLayout) -> QColor:
        return theme.frequency_colour(k, layout.keys) if k else _rest_colour()

    def _layer(self, selection: Selection) -> int:
        """The last one, unless another is chosen."""
        return self._find.layer_of(1 if selection.run is None else selection.run.config.n_layers)

    def _pixels(self) -> int:
        return int(self._side * max(1.0, self.devicePixelRatioF()))

    # -- the room ------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._content is not None:
            self._make_room()
            self._resized.start(60)

    def _make_room(self, *_: object) -> None:
        if self._content is None:
            return
        wide = self.width() - 2 * SPACE >= _HISTOGRAM_FROM
        was = self._histogram.isVisibleTo(self)
        self._histogram.setVisible(wide and self._with_histogram.isChecked())
        self._find.setVisible(self.height() >= _BAR_FROM)
        if was != self._histogram.isVisibleTo(self):
            self._resized.start(0)

    def restyle(self) -> None:
        self._wall.restyle()
        self._histogram.update()

    # -- selecting -----------------------------------------------------------------------------------------

    def _fix_layout(self, here: bool) -> None:
        selection = self.session.selection
        if selection.run is not None and selection.n_checkpoints:
            self.session.select(layout_epoch=selection.epoch if here else None)

    def _select(self, index: int) -> None:
        """The neuron, and the frequency it has here: it lights up in the spectrum. Again: neither."""
        answer, now = self.answer, self.session.selection
        k = int(answer.frequency[index]) if answer is not None else 0
        if now.neurons == (self._id(index),):
            self.session.select(neurons=(), frequency=None if now.frequency == k else now.frequency)
        else:
            self.session.select(neurons=(self._id(index),), frequency=k or None)

    def _choose(self, indices: tuple[int, ...]) -> None:
        """Several; those of other layers are let go."""
        self.session.select(neurons=tuple(self._id(index) for index in indices))

    def _choose_group(self, place: int) -> None:
        """All of a group, and its frequency. Again: nothing."""
        group = self._wall._groups[place]
        neurons = tuple(self._id(index) for index in group.tiles)
        k = self._home_of(group.tiles)
        if neurons and set(neurons) == set(self.session.selection.neurons):
            self.session.select(neurons=(), frequency=None)
        elif neurons:
            self.session.select(neurons=neurons, frequency=k)

    def _home_of(self, tiles: tuple[int, ...]) -> int | None:
        groups = self.answer.layout.groups if self.answer is not None else ()
        return next((g.frequency or None for g in groups if tiles and tiles[0] in g.neurons), None)

    def _id(self, index: int) -> NeuronId:
        return self._layer(self.session.selection), index

    # -- values under the pointer --------------------------------------------------------------------------

    def _known(self, selection: Selection) -> ExactWaves | None:
        """The exact numbers of the checkpoint on show, if they are there."""
        query = self.exact(selection)
        return self._numbers[1] if self._numbers is not None and self._numbers[0] == query else None

    def _hovered(self, index: int | None) -> None:
        answer: NeuronWall | None = self.answer
        if index is None or answer is None:
            self.read_out("")
            return
        selection = self.session.selection
        exact = self._known(selection)
        if exact is None and self.exact(selection) is None:  # in training
            exact = ExactWaves(answer.frequency, answer.fve)
        if exact is None:
            self.read_out(f"neuron {index} · k = {int(answer.frequency[index])} · … of variance")
            return
        k, home = int(exact.frequency[index]), int(answer.layout.frequency[index])
        text = f"k = {k} · {100 * exact.fve[index]:.1f} % of variance" if k else "dead: the same for every pair"
        later = f" · k = {home} at epoch {epoch_text(answer.layout.epoch)}" if home not in (0, k) else ""
        plain = " (residues as they stand)" if answer.layout.no_basis and k else ""
        self.read_out(f"neuron {index} · {text}{plain}{later}")

    def _bin_hovered(self, i: int | None) -> None:
        answer: NeuronWall | None = self.answer
        if i is None or answer is None:
            self.read_out("")
            return
        low, high = edges(i)
        selection = self.session.selection
        exact = self._known(selection) or (
            ExactWaves(answer.frequency, answer.fve) if self.exact(selection) is None else None
        )
        if exact is None:
            self.read_out(f"FVE {low:.2f} to {high:.2f} · … neurons")
            return
        keys = answer.layout.keys
        row = binned(exact.fve, exact.frequency, keys)[i].tolist()
        parts = [f"{n} at k = {k}" for k, n in zip(keys, row, strict=False) if n]
        parts += [f"{row[-1]} at others"] if row[-1] and parts else []
        text = f"FVE {low:.2f} to {high:.2f} · {sum(row)} neuron{'s' * (sum(row) != 1)}"
        clear = int((exact.fve >= THRESHOLD).sum())
        self.read_out(f"{text}{': ' + ', '.join(parts) if parts else ''} · {clear} of {len(exact.fve)} at 0.85 or more")

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: NeuronWall, selection: Selection) -> list[Table]:
        exact = self._known(selection)
        frequency, fve = (answer.frequency, answer.fve) if exact is None else (exact.frequency, exact.fve)
        layout = answer.layout
        counts = binned(fve, frequency, layout.keys)
        columns: dict[str, Any] = {
            "neuron": np.arange(len(fve)),
            "best frequency k": frequency,
            "FVE": fve,
            f"k at epoch {layout.epoch}": layout.frequency,
            f"FVE at epoch {layout.epoch}": layout.fve,
            f"phase at epoch {layout.epoch} (radians)": layout.phase,
        }
        if answer.committed is not None:
            columns["committed (epoch, -1: not)"] = answer.committed
        bins: dict[str, Any] = {"FVE from": [edges(i)[0] for i in range(len(counts))]}
        bins |= {f"neurons at k = {k}": counts[:, i] for i, k in enumerate(layout.keys)}
        bins["neurons at other k"] = counts[:, -1]
        return [Table("neurons", columns), Table("FVE histogram", bins)]

    def describe(self, answer: NeuronWall, selection: Selection) -> str:
        layout = answer.layout
        axes = "natural order of a and b" if self._natural.isChecked() or layout.no_basis else "a at k·a mod p"
        if layout.generator is not None and not self._natural.isChecked():
            axes = f"units only, a at k·log a (powers of {layout.generator})"
        keys = ", ".join(str(k) for k in layout.keys) or "none yet"
        return (
            f"Activations of the MLP neurons over all pairs (a down, b across; {axes}), white to dark between 0 and "
            f"{layout.limit:.3g}. Groups by best frequency with FVE ≥ 0.85 at epoch {epoch_text(layout.epoch)} (key "
            f"frequencies {keys}), sorted within by phase. FVE is the share of a neuron's centred variance over all "
            "pairs in the eight linear and quadratic terms of its best frequency (sec. 4.3); histogram of 20 bins at "
            "the checkpoint shown."
        )


def _rest_colour() -> QColor:
    return QColor(theme.current().faint)


def _bin_text(i: int) -> str:
    low, high = edges(i)
    return f"fve={low:g}-{high:g}"


def _header(k: int, shown: int, n: int, layout: WallLayout) -> str:
    name = f"k = {k}" if k else "no clear frequency (FVE below 0.85)"
    if layout.no_basis:
        name = "no Fourier basis for this task"
    many = f"{n} neuron{'s' if n != 1 else ''}"
    return f"{name} · {many}" if shown == n else f"{name} · {shown} of {many}"
