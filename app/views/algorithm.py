"""Clock or pizza: which of two algorithms the model computes, over training, as a whole and on each circle."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QComboBox, QLabel, QVBoxLayout, QWidget

from app import theme
from app.compute import Query
from app.export import Table, matrix_table
from app.numbers import epoch_text
from app.session import Selection
from app.theme import SPACE
from app.views.base import TracedView
from app.views.controls import label, toggle
from app.views.help import Help
from app.views.legend import LegendEntry
from app.views.maps import HeatMap
from app.views.measure_tracks import BETWEEN, CircleTrack, MeasureTrack, ReferenceTrack, circle_words, span_of
from app.views.over_time import DOTTED, SOLID
from app.views.sentence import Sentence, keys_text
from app.views.tracks import share_epochs
from engine.analysis.algorithm_curves import (
    CLOCK,
    IRRELEVANCE,
    PIZZA,
    SOURCE,
    SYMMETRICITY,
    AlgorithmCurves,
    AlgorithmPicture,
    algorithm_picture,
)
from engine.tasks import TASKS

ALL, MEASURES, CIRCLES, MAP = "all", "measures", "circles", "map"
_WHAT = {
    ALL: "As much as there is room for",
    MEASURES: "Gradient symmetricity and distance irrelevance over training",
    CIRCLES: "Pizza less clock on the circle of each key frequency, over training",
    MAP: "The logit of the right answer by sum and difference, at the checkpoint on show",
}
_CURVES = {
    "symmetricity": ("s_g", "symmetricity", "Gradient symmetricity: mean cosine over 1000 random (a, b, c)"),
    "published": (
        "100 triples",
        "symmetricity",
        "Gradient symmetricity over the first 100 of them, as many as the authors take",
    ),
    "circularity": (
        "circularity",
        "symmetricity",
        "How purely the embedding's first four principal components are single waves",
    ),
    "irrelevance": ("q", "irrelevance", "Distance irrelevance: how little the right logit depends on a − b"),
}
_READING = "Upright stripes: the distance a − b counts, as in a pizza. None: every pair is as clear, as in a clock."
_WIDE, _THREE, _TALL, _BELOW = 640, 430, 560, 640  # pixels


class AlgorithmView(TracedView):
    """Two published measures and their references, the balance on each circle, and the map they are taken from."""

    name = "algorithm"
    title = "Clock or pizza"
    about = (
        "Which algorithm the model computes: one that multiplies rotations (clock) or one that averages embeddings "
        "(pizza); two published measures over training beside their values for models that are one or the other, and "
        "both formulas on the circle of each key frequency. Click a cell of the map to select a pair."
    )
    help = Help(
        see="Over training: gradient symmetricity s<sub>g</sub>, distance irrelevance q, and for the circle of every "
        "key frequency how much better the pizza's formula explains its logits than the clock's (above zero a pizza; "
        "the dotted lines are where a pure one of each would be; less than half of that is called between). Bands and "
        "dotted lines are published values, their source under the pointer; rate is the attention rate of those "
        "models: 0 is uniform attention, 1 a transformer's own. The map is the logit of the right answer at the "
        "checkpoint on show, a + b down and a − b across, in its own range.",
        look_for="A pizza's right logit depends on the distance alone, so its map has upright stripes and q is low; a "
        "clock is equally sure of all pairs, its map is flat but for small ripples, and q is near 1. On the paper's "
        "mainline both measures pass through both: s<sub>g</sub> is 1 at the start, .17 while it memorises, .80 at "
        "epoch 11 000 and .33 at the end, q falls from .99 to .66 and rises above .72. The circles say why: all five "
        "begin on the side of the pizza, and in cleanup 42, 52 and 35, the ones that a head attends by, turn into "
        "clocks; 14 and 41 stay pizzas.",
        wrong="Values far outside all bands after grokking: another algorithm, or several at once; look at the "
        "circles. Before there is an algorithm neither measure means anything: untrained weights are perfectly "
        "symmetric, and q is near 1 for noise. The references are of other models (p = 59, read at b, no “=”).",
        formula="s<sub>g</sub> = mean over (a, b, c) of cos(∂Q<sub>abc</sub>/∂E<sub>a</sub>, "
        "∂Q<sub>abc</sub>/∂E<sub>b</sub>), Q the logit, the two embeddings as separate inputs, 1000 random triples "
        "(seed 42). q = mean<sub>d</sub> std<sub>s</sub> L[s, d] / std L, L[a + b, a − b] the right logit; it needs an "
        "odd cycle. On a circle W<sub>E</sub> keeps its mean and frequency k alone: 2ρ − 1, ρ the correlation of the "
        "centred logits with cos w(a + b − c), the clock, or with "
        "2|cos w(a − b)/2| (|cos w(a + b − c)/2| − |sin w(a + b − c)/2|), the pizza.",
        paper="Not in it. Zhong, Liu, Tegmark and Andreas 2023, “The clock and the pizza” (arXiv 2306.17844), there of "
        "finished models only; their q is by the notebook's definition, not the training script's.",
    )

    def options(self) -> list[QWidget]:
        self._show_what = QComboBox()
        self._show_what.setObjectName("algorithm.show")
        self._show_what.setAccessibleName("Measures, circles, map or all of it")
        self._show_what.setToolTip("\n".join(f"{name}: {tip}" for name, tip in _WHAT.items()))
        self._show_what.addItems(list(_WHAT))
        self._references = toggle("references", "algorithm.references", f"Published values: {SOURCE}", True)
        self._log_x = toggle("log x", "algorithm.log_x", "Epochs on a logarithmic axis (epoch 0 at the left edge)")
        self._show_what.currentIndexChanged.connect(self._option_changed)
        self._references.toggled.connect(self._option_changed)
        self._log_x.toggled.connect(self._rescale)
        return [self._show_what, self._references, self._log_x]

    # -- items ---------------------------------------------------------------------------------------------

    def build(self) -> QWidget:
        self._drawn: tuple[Any, ...] = ()
        self._sentence = Sentence()
        self._sentence.setObjectName("algorithm.sentence")
        self._symmetricity = ReferenceTrack(self.session, "algorithm.symmetricity", "symmetricity", SYMMETRICITY)
        self._irrelevance = ReferenceTrack(self.session, "algorithm.irrelevance", "irrelevance", IRRELEVANCE)
        self._circles = CircleTrack(self.session, "algorithm.circles")
        self._circles.chosen.connect(self._choose)
        self._parts: dict[str, MeasureTrack] = {
            "symmetricity": self._symmetricity, "irrelevance": self._irrelevance, CIRCLES: self._circles,
        }  # fmt: skip
        self._legend: dict[str, LegendEntry] = {}
        for name, (_, of, _) in _CURVES.items():
            self._add_curve(name, self._parts[of])
        self._columns = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._columns.setContentsMargins(0, 0, 0, 0)
        self._columns.setSpacing(SPACE)
        tracks = QVBoxLayout()
        tracks.setSpacing(0)
        for part in self._parts.values():
            tracks.addWidget(part, 1)
        self._columns.addLayout(tracks, 3)
        self._columns.addWidget(self._build_map(), 2)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self._sentence)
        column.addLayout(self._columns, 1)
        for one, other in itertools.pairwise(self._parts.values()):
            share_epochs(one.track, other.track)
        for name, part in self._parts.items():
            part.track.set_scales(log_x=self._log_x.isChecked())
            part.track.pointed = partial(self._point_at, name)
        self.restyle()
        return content

    def _add_curve(self, name: str, part: MeasureTrack) -> None:
        main = name in self._parts
        part.track.add(name, lambda: theme.current().text, 2 if main else 1.6, SOLID if main else DOTTED)
        self._legend[name] = entry = LegendEntry(f"algorithm.legend.{name}", "0.888", " ± 0.008" if main else "")
        entry.setChecked(main)
        entry.toggled.connect(lambda _checked=False: self.redraw())
        part.flow.addWidget(entry)

    def _build_map(self) -> QWidget:
        self._map = HeatMap("a + b", "a − b", unit="logit of the right answer")
        self._map.setAccessibleName("Logit of the right answer by sum and difference")
        self._map.hovered.connect(self._hovered)
        self._map.clicked.connect(self._clicked)
        self._reading = label("", "muted")
        self._reading.setWordWrap(True)
        self._reading.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._map_part = MapPart(self._map, self._reading)
        return self._map_part

    # -- what is asked -------------------------------------------------------------------------------------

    def query(self, selection: Selection) -> Query | None:
        return self.traced(algorithm_picture, selection, selection.step, selection.thresholds)

    def refresh(self, selection: Selection) -> None:
        """As every view; asks for what only it shows, and moves the cursor even while the map is awaited."""
        if self.on_show and selection.run is not None:
            self.tracing.want("algorithm", "circle")
        super().refresh(selection)
        if self.waiting and self._shown is not None and selection.run is not None and selection.n_checkpoints:
            for part in self._parts.values():
                part.track.show_epoch(selection.epoch)

    # -- drawing -------------------------------------------------------------------------------------------

    def draw(self, answer: AlgorithmPicture, selection: Selection) -> None:
        curves = answer.curves
        if answer.cycle is None:
            self.set_subtitle("")
            self._say("Neither clock nor pizza" + (f": {curves.undefined.circularity}" if curves else "."))
            self._drawn = ()
            return
        shown = tuple(name for name, entry in self._legend.items() if entry.isChecked())
        state = (curves, shown, selection.frequency)
        if not self._drawn or self._drawn[0] is not curves or self._drawn[1:] != state[1:]:
            self._drawn = state
            self._draw_curves(curves, shown, selection)
        for part in self._parts.values():
            part.track.show_epoch(selection.epoch)
        self._draw_map(answer, selection)
        self._tell(curves, selection.epoch)

    def _draw_curves(self, curves: AlgorithmCurves | None, shown: tuple[str, ...], selection: Selection) -> None:
        for name, (text, of, tip) in _CURVES.items():
            track, values = self._parts[of].track, None if curves is None else getattr(curves, name)
            there = curves is not None and name in shown and values is not None and bool(np.isfinite(values).any())
            track.put(name, *((curves.epochs, values) if curves is not None and there else (None, None)))
            self._legend[name].name_it(text, f"{tip}.\nClick to hide or show.", track.pen_of(name))
        found = {} if curves is None else curves.circles
        final = curves is None or curves.pinned is None or curves.pinned.final
        self._circles.show_curves(found, 1.0 if curves is None else curves.pure, final, selection.frequency)
        for name, reason in reasons(curves).items():
            self._parts[name].explain(reason)
        first = 0.0 if selection.run is None else float(selection.run.origin.epoch)
        last = first + 1 if curves is None else curves.last
        low = 0.0 if curves is None else float(np.nanmin(curves.symmetricity, initial=0.0))
        self._symmetricity.track.limit((first, last), (low - 0.03, 1.05))
        self._irrelevance.track.limit((first, last), (-0.03, 1.05))
        self._circles.track.limit((first, last), span_of(found.values()))
        for part in self._parts.values():
            part.track.show_phases(None if curves is None else curves.phases, last)
        self.set_subtitle("" if curves is None else keys_text(curves.pinned, curves.keys))
        self._arrange()

    def _draw_map(self, answer: AlgorithmPicture, selection: Selection) -> None:
        assert selection.run is not None
        there = answer.table is not None
        self._map.setVisible(there)
        self._reading.setText(
            _READING if there else "" if answer.curves is None else answer.curves.undefined.irrelevance
        )
        if answer.table is None:
            return
        symbol = TASKS[selection.run.config.operation].symbol
        self._map.name_axes(symbol, "a − b" if symbol == "a + b" else "a + b")
        self._map.show_values(answer.table, float(answer.table.min()), float(answer.table.max()))
        self._map.mark(None if selection.pair is None else answer.entry_of(selection.pair))

    def _tell(self, curves: AlgorithmCurves | None, epoch: int) -> None:
        """The values at the cursor, where they are measured."""
        if curves is None:
            self._sentence.say("Nothing is measured yet …", "…")
            return
        i = curves.at(epoch)
        for name, entry in self._legend.items():
            value = None if i is None else float(getattr(curves, name)[i])
            there = value is not None and np.isfinite(value)
            error = f" ± {curves.error[i]:.3f}" if i is not None and there and name == "symmetricity" else ""
            entry.say(f"{value:.3f}" if there else "…" if i is None else "–", error)
        self._circles.say(curves, epoch)
        self._sentence.say(sentence(curves, epoch), sentence(curves, epoch, short=True))

    def restyle(self) -> None:
        for part in self._parts.values():
            part.restyle()
        self._map.restyle()
        self._drawn = ()  # lines of frequencies take their colours when they are drawn

    # -- room ----------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        """Curves beside the map, or above it; what there is no room for goes."""
        what, width, height = self._show_what.currentText(), self.width(), self.height()
        wide = width >= _WIDE
        direction = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        if self._columns.direction() != direction:
            self._columns.setDirection(direction)
        seen = {
            "symmetricity": what in (ALL, MEASURES), "irrelevance": what in (ALL, MEASURES),
            CIRCLES: what == CIRCLES or (what == ALL and height >= (_THREE if wide else _TALL)),
        }  # fmt: skip
        self._map_part.setVisible(what == MAP or (what == ALL and (wide or height >= _BELOW)))
        lowest = next((name for name in (CIRCLES, "irrelevance") if seen[name] and not self._parts[name].reason), "")
        for name, part in self._parts.items():
            part.setVisible(seen[name])
            part.name_epochs(name == (lowest or "symmetricity"))
        published = self._references.isChecked()
        for track in (self._symmetricity, self._irrelevance):
            track.show_references(published)
        self._circles.show_pure(published)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._option_changed()

    def _option_changed(self) -> None:
        if self._content is not None:
            self._arrange()

    def _rescale(self) -> None:
        if self._content is not None:
            for part in self._parts.values():
                part.track.set_scales(log_x=self._log_x.isChecked())
            self._drawn = ()
            self.redraw()

    # -- pointer -------------------------------------------------------------------------------------------

    def _choose(self, k: int) -> None:
        self.session.select(frequency=None if k == self.session.selection.frequency else k)

    def _point_at(self, name: str, at: tuple[float, float] | None) -> None:
        """A reference where the pointer is on one; else the measure at the nearest checkpoint."""
        curves = None if self.answer is None else self.answer.curves
        if at is None or curves is None:
            self.read_out("")
        elif name == CIRCLES:
            self.read_out(self._circle_at(curves, *at))
        else:
            track = self._symmetricity if name == "symmetricity" else self._irrelevance
            reference = track.at(at[1]) if self._references.isChecked() else None
            what = _CURVES[name][0]
            if reference is not None:
                of = f" of a {reference.of}" if reference.of in (PIZZA, CLOCK) else ""
                self.read_out(f"{what}{of}: {reference.source} (Zhong et al. 2023)")
            elif len(curves.epochs):
                i = int(np.abs(curves.epochs - at[0]).argmin())
                error = f" ± {curves.error[i]:.3f}" if name == "symmetricity" else ""
                self.read_out(f"epoch {epoch_text(curves.epochs[i])} · {what} {getattr(curves, name)[i]:.4f}{error}")

    def _circle_at(self, curves: AlgorithmCurves, epoch: float, y: float) -> str:
        """The circle whose line is nearest."""
        nearest: tuple[float, str] = (np.inf, "")
        for k, curve in curves.circles.items():
            if len(curve.epochs):
                i = int(np.abs(curve.epochs - epoch).argmin())
                away = abs(float(curve.balance[i]) - y)
                said = f"epoch {epoch_text(curve.epochs[i])} · k = {k} · clock {100 * curve.clock[i]:.1f} %"
                nearest = min(nearest, (away, f"{said}, pizza {100 * curve.pizza[i]:.1f} % of its logits"))
        return nearest[1]

    def _hovered(self, cell: tuple[int, int] | None) -> None:
        answer: AlgorithmPicture | None = self.answer
        if cell is None or answer is None or answer.table is None:
            self.read_out("")
            return
        a, b = answer.pair_at(*cell)
        self.read_out(f"a = {a}, b = {b} · sum {cell[0]}, difference {cell[1]} · right logit {answer.table[cell]:.4g}")

    def _clicked(self, row: int, column: int) -> None:
        answer: AlgorithmPicture | None = self.answer
        if answer is not None and answer.table is not None:
            pair = answer.pair_at(row, column)
            self.session.select(pair=None if pair == self.session.selection.pair else pair)

    # -- taken elsewhere -----------------------------------------------------------------------------------

    def tables(self, answer: AlgorithmPicture, selection: Selection) -> list[Table]:
        made = []
        if answer.curves is not None:
            columns: dict[str, NDArray[Any]] = {"epoch (steps)": answer.curves.epochs}
            names = {
                "symmetricity": "gradient symmetricity", "error": "its standard error",
                "published": "gradient symmetricity, 100 triples", "irrelevance": "distance irrelevance q",
                "circularity": "circularity",
            }  # fmt: skip
            made.append(Table("measures", columns | {text: getattr(answer.curves, n) for n, text in names.items()}))
            for k, curve in answer.curves.circles.items():
                explained = {"clock (share of variance)": curve.clock, "pizza (share of variance)": curve.pizza}
                made.append(Table(f"circle {k}", {"epoch (steps)": curve.epochs, **explained}))
        if answer.table is not None:
            made.append(matrix_table("map", "sum", "difference", answer.table, "logit of the right answer"))
        return made

    def describe(self, answer: AlgorithmPicture, selection: Selection) -> str:
        curves = answer.curves
        reasons = "" if curves is None else " ".join({curves.undefined.symmetricity, curves.undefined.irrelevance})
        return (
            "Gradient symmetricity (mean cosine of a logit's gradients by the two embeddings over 1000 random triples, "
            "seed 42), distance irrelevance q of the right logits, and, on the circle of each key frequency alone, the "
            "share of the centred logits that the pizza's formula explains less that of the clock's, over training. "
            f"Circles: {keys_text(curves.pinned, tuple(curves.circles)) if curves else 'not measured yet'}. "
            f"References: {SOURCE}. {reasons}".strip()
        )


class MapPart(QWidget):
    """A map as tall as it is wide, and words beneath it."""

    def __init__(self, heat_map: HeatMap, words: QLabel) -> None:
        super().__init__()
        self._map = heat_map
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(heat_map, 1)
        column.addWidget(words)
        column.addStretch(0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        square = self.width() - HeatMap.LEFT - HeatMap.BAR
        self._map.setMaximumHeight(max(self._map.minimumHeight(), square + HeatMap.BOTTOM + HeatMap.TOP))


def reasons(curves: AlgorithmCurves | None) -> dict[str, str]:
    """Why a part shows nothing, or empty."""
    if curves is None:
        return {"symmetricity": "", "irrelevance": "", CIRCLES: ""}
    none = curves.pinned is not None and not curves.pinned.keys
    return {
        "symmetricity": curves.undefined.symmetricity,
        "irrelevance": curves.undefined.irrelevance,
        CIRCLES: "No key frequency yet, so no circle to look at." if none else "",
    }


def sentence(curves: AlgorithmCurves, epoch: int, short: bool = False) -> str:
    """What the measures say of a checkpoint."""
    i, when = curves.at(epoch), f"Epoch {epoch_text(epoch)}"
    if i is None:
        return f"{when} is not measured yet"
    said = [
        f"{name} {getattr(curves, of)[i]:.2f}"
        for name, of in (("s_g", "symmetricity"), ("q", "irrelevance")) if np.isfinite(getattr(curves, of)[i])
    ]  # fmt: skip
    named = {k: circle_words(curves.circle_at(k, epoch), curves.pure)[0] for k in curves.circles}
    for name in (CLOCK, PIZZA, BETWEEN):
        of = [str(k) for k, found in named.items() if found == name]
        if of:
            several = "s" * (len(of) > 1 and name != BETWEEN)
            said.append(f"{len(of) if short else ', '.join(of)} {name}{several}")
    if named and not {CLOCK, PIZZA, BETWEEN} & set(named.values()) and "…" not in named.values():
        said.append("no circle is either yet")
    return f"{when}: {' · '.join(said)}" if said else f"{when}: neither measure is defined"
