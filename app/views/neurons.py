"""All neurons as thumbnails: the wall."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSignalBlocker, QTimer
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QComboBox, QWidget

from app import theme
from app.compute import Query
from app.session import Selection
from app.views.base import View, toggle
from app.views.plots import epoch_text
from app.views.tiles import SIZES, TileGroup, TileWall
from engine.analysis.wall import NeuronWall, neuron_wall

ORDERS = {
    "phase": "Within a group, by the phase of the neuron's wave",
    "index": "Within a group, by the neuron's number",
    "fraction": "Within a group, by the fraction of variance explained, the clearest first",
}


class NeuronsView(View):
    """The wall of all neurons of the last layer; a click selects one."""

    name = "neurons"
    title = "Neurons"
    about = (
        "Every neuron's activation over all pairs (a down, b across). Unwrapped axes put a at k·a mod p, so that a "
        "neuron of frequency k is one smooth bump whose place is its phase. Click one."
    )

    def options(self) -> list[QWidget]:
        self._order = QComboBox()
        self._order.setObjectName("neurons.order")
        self._order.setAccessibleName("Order of the neurons")
        for order, tip in ORDERS.items():
            self._order.addItem(f"by {order}", order)
            self._order.setItemData(self._order.count() - 1, tip, 3)
        self._order.setToolTip("How neurons are sorted within their group")
        self._order.currentIndexChanged.connect(self.redraw)
        self._natural = toggle(
            "natural order", "neurons.natural",
            "Residues in natural order: small tiles cannot show high frequencies then; they impersonate low ones",
        )  # fmt: skip
        self._natural.toggled.connect(self.redraw)
        self._hold = toggle(
            "order from here", "neurons.layout",
            "Fix order, axes and colours at the checkpoint on show instead of at the last one",
        )  # fmt: skip
        self._hold.toggled.connect(self._fix_layout)
        return [self._order, self._natural, self._hold]

    def build(self) -> QWidget:
        self._wall = TileWall()
        self._wall.setObjectName("neurons.wall")
        self._wall.setAccessibleName("Wall of neurons")
        self._wall.setAccessibleDescription("Arrow keys walk from neuron to neuron")
        self._wall.clicked.connect(self._select)
        self._wall.hovered.connect(self._hovered)
        self._side = SIZES[-1]
        self._resized = QTimer(self)
        self._resized.setSingleShot(True)
        self._resized.timeout.connect(self.redraw)
        return self._wall

    def query(self, selection: Selection) -> Query:
        return Query(
            neuron_wall,
            (selection.run, selection.step, selection.layout_step, self._pixels(), not self._natural.isChecked()),
        )

    def draw(self, answer: NeuronWall, selection: Selection) -> None:
        layout = answer.layout
        blocked = QSignalBlocker(self._hold)
        self._hold.setChecked(selection.layout_epoch is not None)
        blocked.unblock()
        counts = [len(group.neurons) for group in layout.groups]
        side = self._wall.tile_size(counts)
        if side != self._side:  # sharp tiles need their own size: ask again
            self._side = side
            self._resized.start(0)
        groups = []
        for group in layout.groups:
            k, n = group.frequency, len(group.neurons)
            shown = "no clear frequency (below 85 %)" if not k else f"k = {k}"
            colour = theme.frequency_colour(k, layout.keys) if k else QColor(theme.current().faint)
            lit = k > 0 and k == selection.frequency
            groups.append(
                TileGroup(
                    f"{shown} · {n} neuron{'s' if n != 1 else ''}", colour, self._sorted(group.neurons, layout), lit
                )
            )
        chosen = [index for layer, index in selection.neurons if layer == self._layer()]
        self._wall.show_tiles(groups, answer.tiles, chosen, f"{layout.limit:.2g}")
        natural = " · natural order aliases" if self._natural.isChecked() else ""
        self.set_subtitle(f"order of epoch {epoch_text(layout.epoch)}{natural}")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._resized.start(60)

    def _pixels(self) -> int:
        return int(self._side * max(1.0, self.devicePixelRatioF()))

    def _sorted(self, neurons: tuple[int, ...], layout: Any) -> tuple[int, ...]:
        order = self._order.currentData()
        if order == "index":
            return tuple(sorted(neurons))
        if order == "fraction":
            return tuple(sorted(neurons, key=lambda n: -layout.fve[n]))
        return neurons

    def _layer(self) -> int:
        run = self.session.selection.run
        return run.config.n_layers - 1 if run is not None else 0

    def _fix_layout(self, here: bool) -> None:
        selection = self.session.selection
        if selection.run is not None and selection.n_checkpoints:
            self.session.select(layout_epoch=selection.epoch if here else None)

    def _select(self, index: int) -> None:
        """The neuron, and the frequency it has here: it lights up in the spectrum."""
        k = int(self._shown[1].frequency[index]) if self._shown is not None else 0
        self.session.select(neurons=((self._layer(), index),), frequency=k or None)

    def _hovered(self, index: int | None) -> None:
        if index is None or self._shown is None:
            self.read_out("")
            return
        answer: NeuronWall = self._shown[1]
        k, fve = int(answer.frequency[index]), float(answer.fve[index])
        self.read_out(f"neuron {index} · " + (f"k = {k}, {100 * fve:.1f} % of variance" if k else "dead"))
