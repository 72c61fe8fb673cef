"""One neuron, large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app import theme
from app.compute import Answer, Compute, Query
from app.session import NeuronId, Selection
from app.views.base import ElidedLabel, View, label, toggle
from app.views.plots import SquarePlot, dress, epoch_text, on_leave, pen, plot_widget
from app.views.spectrum import relabel
from engine.analysis.characters import Characters, NoBasis, characters
from engine.analysis.embedding import key_frequencies
from engine.analysis.neuron import (
    DIRECT_ONLY,
    NeuronBiography,
    NeuronReport,
    NeuronWave,
    neuron_biography,
    neuron_report,
    neuron_wave,
)
from engine.analysis.wall import by_frequencies, unwrapping, wall_layout
from engine.fourier import spectrum_2d
from engine.runfile import Run
from engine.tasks import TASKS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CLEAR = 0.5  # FVE below which a phase says nothing (science 2.13)
NOT_KNOWN = "—"
FACTS = {
    "phase": ("reads φ", "Phase of the wave it reads: cos(w(a ± b) + φ). — where k explains less than half of it"),
    "peak": ("peak at", "The answer nearest to the top of the wave it reads"),
    "output_phase": ("writes ψ", "Phase of the wave it writes into the logits: cos(wc + ψ)"),
    "output_peak": ("peak at", "The logit nearest to the top of the wave it writes"),
    "misalignment": ("D = ψ − φ", "Misalignment: 0° where it writes what it reads"),
    "vote": ("vote", "Its part of the logits' coefficient of cos w(a ± b − c), by the direct path"),
    "fit": ("fit R²", "Of its degree-2 polynomial in cos and sin of wa and wb (paper, sec. 4.4); “fit” shows it"),
    "settled": ("settled", "First checkpoint's epoch from which its best frequency never changes"),
    "committed": ("committed", "First checkpoint's epoch from which its frequency explains 85 % or more of it"),
}
_SIDE, _WIDE = 152, 176  # pixels, of the column of facts (of several layers): nothing moves while scrubbing


@dataclass(frozen=True, eq=False)
class NeuronPicture:
    """One neuron at a checkpoint, ready to draw.

    wave : in the task's basis; where it has none, of the residues as they stand
    elements : (n,) residues in the order of the cycle
    spectrum : (n // 2 + 1, n // 2 + 1) norm of the 2-D Fourier coefficients by frequency of a and of b, centred
    limit, writes_limit : largest activation and largest logit written, at the checkpoint that fixes order and colours
    settled_frequency, keys : its frequency and the run's key frequencies there
    """

    report: NeuronReport
    wave: NeuronWave
    elements: Ints
    spectrum: Floats
    limit: float
    writes_limit: float
    settled_frequency: int
    keys: tuple[int, ...]


def neuron_picture(run: Run, step: int, layout_step: int, layer: int, index: int) -> NeuronPicture:
    """What the pane shows, float64 (paper, fig. 4b and sec. 4.3)."""
    try:
        basis = characters(run.config)
    except NoBasis:
        basis = _as_they_stand(run.config.p)
    report, then = neuron_report(run, step, layer, index), neuron_report(run, layout_step, layer, index)
    waves = [r.wave or neuron_wave(basis, r.activation, None) for r in (report, then)]
    settled, keys = waves[1].frequency, key_frequencies(run, layout_step) if basis.generator else ()
    if basis.generator is None:
        layout = wall_layout(run, layout_step, layer)  # the axes and colours of the wall
        settled, keys = int(layout.frequency[index]), layout.keys
    grid = basis.grid(report.activation.reshape(-1))
    return NeuronPicture(
        report=report,
        wave=waves[0],
        elements=basis.elements,
        spectrum=by_frequencies(spectrum_2d(grid - grid.mean())),
        limit=float(then.activation.max()) or 1.0,
        writes_limit=float(np.abs(then.writes).max()),
        settled_frequency=settled,
        keys=keys,
    )


def _as_they_stand(p: int) -> Characters:
    return Characters(p, p, 1, np.arange(p), None, np.arange(p * p))


def neuron_life(run: Run, layer: int, index: int, start: int, stop: int) -> NeuronBiography:
    """Some checkpoints of a neuron's biography."""
    return neuron_biography(run, layer, index, range(start, stop))


class Life(QObject):
    """Since when a neuron has its frequency: looked up from the last checkpoint back, while nobody waits for anything.

    settled, committed : as in `NeuronBiography`, once `known`     trouble : why it cannot be known
    """

    changed = Signal()

    def __init__(self, compute: Compute, parent: QObject) -> None:
        super().__init__(parent)
        self.compute = compute
        self._who: tuple[Run, int, int, int] | None = None
        self._query: Query | None = None
        self._running = False
        self._begin(0)
        compute.answered.connect(self._receive)

    @property
    def known(self) -> bool:
        return bool(self.trouble) or not self._left or not (self._settling or self._committing)

    def look_at(self, run: Run, n_checkpoints: int, neuron: NeuronId) -> None:
        """Begin with another neuron; go on if it is the same."""
        who = (run, n_checkpoints, *neuron)
        if who == self._who and who[0] is run:
            return
        self._who = who
        self._begin(n_checkpoints)
        try:
            characters(run.config)
        except NoBasis as error:
            self.trouble = str(error)
        self._go_on()

    def _begin(self, left: int) -> None:
        self._query, self._left = None, left  # checkpoints still to look at
        self._settling = self._committing = True  # whether it held at all checkpoints looked at
        self._frequency: int | None = None  # at the last one
        self.settled: int | None = None
        self.committed: int | None = None
        self.trouble = ""

    def _go_on(self) -> None:
        """Ask for the next part, unless someone else is waiting: then after their answer."""
        if self._running or self._who is None:
            return  # inside an answer from the cache
        self._running = True
        while self._query is None and not self.known:
            run, _, layer, index = self._who
            quick = run.config.n_layers == 1 and not run.config.layer_norm
            query = Query(neuron_life, (run, layer, index, max(0, self._left - (4 if quick else 1)), self._left))
            if self.compute.busy and not self.compute.knows(query):
                break
            self._query = query
            self.compute.ask(self, query)
        self._running = False

    def _receive(self, query: Query, answer: Answer) -> None:
        if query == self._query:
            self._query = None
            if answer.error is not None:
                self.trouble = str(answer.error)
            else:
                self._put_before(answer.value)
                self._left = query.args[3]  # type: ignore[assignment]
            if self.known:
                self.changed.emit()
        self._go_on()

    def _put_before(self, part: NeuronBiography) -> None:
        """Join the checkpoints just before those looked at."""
        if self._frequency is None:
            self._frequency = int(part.frequency[-1])
        if self._settling and part.frequency[-1] == self._frequency and part.settled is not None:
            self.settled = part.settled
        if self._committing and part.committed is not None:
            self.committed = part.committed
        self._settling = self.settled == part.epochs[0]
        self._committing = self.committed == part.epochs[0]


class NeuronView(View):
    """Heat map over (a, b), facts, variance by frequency and 2-D Fourier spectrum of the selected neuron."""

    name = "neuron"
    title = "Neuron"
    about = (
        "Activation of one neuron for every pair, its frequency and the fraction of variance explained (FVE) by that "
        "frequency's linear and quadratic terms (paper, sec. 4.3). The lower right map shows its 2-D Fourier spectrum."
    )

    def options(self) -> list[QWidget]:
        return [self._natural, self._hold]

    def build(self) -> QWidget:
        self._make_buttons()
        self._make_plots()
        self._life = Life(self.compute, self)
        self._life.changed.connect(self._tell_life)
        content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        self._headline = label("", "big")
        self._sentence = ElidedLabel("")
        self._sentence.setProperty("role", "muted")
        self._sentence.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(self._headline)
        head.addWidget(self._sentence, 1)
        upper = QHBoxLayout()
        upper.addWidget(SquarePlot(self._map, beside=64), 1)
        upper.addWidget(self._fact_column())
        grid.addLayout(head, 0, 0, 1, 2)
        grid.addLayout(upper, 1, 0, 1, 2)
        grid.addWidget(self._shares, 2, 0)
        grid.addWidget(self._written, 2, 0)
        grid.addWidget(SquarePlot(self._fourier), 2, 1)
        grid.setRowStretch(1, 7)
        grid.setRowStretch(2, 4)
        grid.setColumnStretch(0, 3)
        grid.setColumnStretch(1, 2)
        self._choose_lower()
        self.restyle()
        return content

    def _make_buttons(self) -> None:
        self._natural = toggle("natural order", "neuron.natural", "Axes in natural order instead of k·a mod p")
        self._hold = toggle(
            "hold colours", "neuron.hold",
            "Hold the colour limits of the checkpoint that orders the wall; otherwise each checkpoint has its own",
            checked=True,
        )  # fmt: skip
        self._fit = toggle("fit", "neuron.fit", "Show the fitted degree-2 polynomial in place of the activation")
        self._logits = toggle(
            "logits", "neuron.logits",
            "Show what one unit of activation adds to each logit, by the direct path, in place of the variances",
        )  # fmt: skip
        for button in (self._natural, self._hold, self._fit):
            button.toggled.connect(self.redraw)
        self._logits.toggled.connect(self._choose_lower)

    def _make_plots(self) -> None:
        self._map = plot_widget("a", "b")
        self._image = pg.ImageItem(autoDownsample=False)
        self._map.addItem(self._image)
        self._bar = pg.ColorBarItem(values=(0, 1), width=12, interactive=False, colorMap=theme.colour_map())
        self._bar.setImageItem(self._image, insert_in=self._map.getPlotItem())
        self._shares = plot_widget("variance", "frequency k")
        self._bars = pg.BarGraphItem(x=[], height=[], width=0.8)
        self._shares.addItem(self._bars)
        self._shares.setYRange(0, 1.06, padding=0)
        self._written = plot_widget("logit", "c")
        self._curve = self._written.plot([], [])
        self._written.setAccessibleName("What it writes to the logits")
        self._fourier = plot_widget("k of a", "k of b")
        self._coefficients = pg.ImageItem()
        self._coefficients.setLookupTable(theme.colour_table("magma"))
        self._fourier.addItem(self._coefficients)
        self._written.getPlotItem().getAxis("left").enableAutoSIPrefix(False)
        for widget in (self._shares, self._written):
            widget.getPlotItem().getAxis("left").setWidth(SquarePlot.LEFT)
            widget.getPlotItem().getAxis("bottom").setHeight(SquarePlot.BOTTOM)
        for widget in (self._map, self._shares, self._written, self._fourier):
            widget.setMouseEnabled(x=False, y=False)
            widget.scene().sigMouseMoved.connect(lambda at, w=widget: self._hovered(at, w))
            on_leave(widget, lambda: self.read_out(""))
        self._shares.scene().sigMouseClicked.connect(self._clicked)

    def _fact_column(self) -> QWidget:
        """Names and values; below them what can be shown instead."""
        self._column = column = QWidget()
        rows = QGridLayout()
        rows.setHorizontalSpacing(8)
        rows.setVerticalSpacing(1)
        rows.setColumnStretch(1, 1)
        self._values: dict[str, QLabel] = {}
        for row, (key, (name, tip)) in enumerate(FACTS.items()):
            shown, value = label(name, "muted"), label("", "")
            value.setObjectName(f"neuron.{key}")
            value.setAccessibleName(name)
            for part in (shown, value):
                part.setToolTip(tip)
            rows.addWidget(shown, row, 0)
            rows.addWidget(value, row, 1)
            self._values[key] = value
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        buttons.addWidget(self._fit)
        buttons.addWidget(self._logits)
        buttons.addStretch(1)
        whole = QVBoxLayout(column)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(4)
        whole.addLayout(rows)
        whole.addLayout(buttons)
        whole.addStretch(1)
        return column

    def query(self, selection: Selection) -> Query | None:
        if not selection.neurons:
            return None
        layer, index = selection.neurons[0]
        return Query(neuron_picture, (selection.run, selection.step, selection.layout_step, layer, index))

    def draw(self, answer: NeuronPicture, selection: Selection) -> None:
        neuron, wave = selection.neurons[0], answer.wave
        self._title.setText(_name(neuron, selection))
        self._headline.setText(f"k = {wave.frequency}" if wave.frequency else "dead")
        self._headline.setStyleSheet(f"color: {self._colour(wave.frequency, answer).name()}")
        brightest = float(answer.report.activation.max())
        limit = answer.limit if self._hold.isChecked() else brightest or 1.0
        over = f" · brightest {brightest:.2g}, clipped" if brightest > 1.5 * limit else ""
        self._sentence.setText(_sentence(answer) + over)
        self._sentence.setToolTip(answer.report.no_basis or self._sentence.text())
        for key, text in facts(answer, selection).items():
            self._values[key].setText(text)
        self._values["vote"].setToolTip(answer.report.no_vote or FACTS["vote"][1])
        assert selection.run is not None
        self._column.setFixedWidth(_SIDE if selection.run.config.n_layers == 1 else _WIDE)
        self._draw_map(answer, limit)
        self._draw_lower(answer, selection)
        if not selection.run.grows:
            self._life.look_at(selection.run, selection.n_checkpoints, neuron)
        self._tell_life()

    def _draw_map(self, answer: NeuronPicture, limit: float) -> None:
        shown = answer.wave.fitted if self._fit.isChecked() else answer.report.activation
        order = self._order(answer)
        n = len(order)
        self._image.setImage(shown[np.ix_(order, order)].astype(np.float32), autoLevels=False)
        self._image.setRect(QRectF(-0.5, -0.5, n, n))
        self._bar.setLevels((0, limit))
        self._map.setRange(QRectF(-0.5, -0.5, n, n), padding=0)
        axis = self._axis(answer)
        relabel(self._map, "left", axis.format("a"))
        relabel(self._map, "bottom", axis.format("b"))

    def _draw_lower(self, answer: NeuronPicture, selection: Selection) -> None:
        wave, order = answer.wave, self._order(answer)
        ks = np.arange(1, len(wave.by_frequency) + 1)
        brushes = [self._colour(int(f), answer, selection.frequency) for f in ks]
        self._bars.setOpts(x=ks, height=wave.by_frequency, width=0.8, brushes=brushes, pens=[None] * len(ks))
        self._shares.setXRange(0.2, len(ks) + 0.8, padding=0)
        relabel(self._shares, "bottom", "frequency k" if wave.generator is None else "character k")
        writes = answer.report.writes[order]
        self._curve.setData(np.arange(len(order)), writes)
        self._curve.setPen(pen(self._colour(wave.frequency, answer), 1.5))
        top = max(answer.writes_limit, float(np.abs(writes).max()), 1e-9) * 1.08
        self._written.setRange(QRectF(-0.5, -top, len(order), 2 * top), padding=0)
        relabel(self._written, "bottom", self._axis(answer).format("c"))
        self._coefficients.setImage(answer.spectrum.astype(np.float32), levels=(0, float(answer.spectrum.max()) or 1))
        n = len(answer.spectrum)
        self._coefficients.setRect(QRectF(-0.5, -0.5, n, n))
        self._fourier.setRange(QRectF(-0.5, -0.5, n, n), padding=0)

    def _order(self, answer: NeuronPicture) -> Ints:
        """Residues from left to right: all of them in natural order, those of the cycle unwrapped."""
        if self._natural.isChecked():
            return np.arange(len(answer.report.activation))
        ordered: Ints = answer.elements[unwrapping(answer.wave.n, answer.settled_frequency)]
        return ordered

    def _axis(self, answer: NeuronPicture) -> str:
        if self._natural.isChecked() or not answer.settled_frequency:
            return "{}" if self._natural.isChecked() or answer.wave.generator is None else "log {}"
        log = "" if answer.wave.generator is None else "log "
        return f"{answer.settled_frequency}·{log}{{}} mod {answer.wave.n}"

    def _choose_lower(self) -> None:
        self._shares.setVisible(not self._logits.isChecked())
        self._written.setVisible(self._logits.isChecked())

    def _tell_life(self) -> None:
        run = self.session.selection.run
        for key, epoch in (("settled", self._life.settled), ("committed", self._life.committed)):
            value, tip = self._values[key], FACTS[key][1]
            if run is not None and run.grows:
                value.setText("…")
                value.setToolTip(f"{tip}. Looked up when the training has ended.")
                continue
            trouble = self._life.trouble
            known = NOT_KNOWN if epoch is None or trouble else epoch_text(epoch)
            value.setText(known if self._life.known else "…")
            value.setToolTip(f"{tip}. {trouble}" if trouble else tip)

    def restyle(self) -> None:
        for widget in (self._map, self._shares, self._written, self._fourier):
            dress(widget)
        look = theme.current()
        self._bar.axis.setPen(pen(look.border))
        self._bar.axis.setTextPen(pen(look.muted))

    def _why_empty(self, selection: Selection) -> str:
        if selection.run is not None and selection.n_checkpoints and not selection.neurons:
            self._title.setText(self.title)
            return "Click a neuron on the wall."
        return super()._why_empty(selection)

    def _colour(self, k: int, answer: NeuronPicture, selected: int | None = None) -> QColor:
        if k == selected and k not in answer.keys:
            return QColor(theme.current().accent)
        return theme.frequency_colour(k, answer.keys)

    def _hovered(self, at: Any, widget: Any) -> None:
        box = widget.getViewBox()
        if self._shown is None or not box.sceneBoundingRect().contains(at):
            self.read_out("")
            return
        answer: NeuronPicture = self._shown[1]
        point, order = box.mapSceneToView(at), self._order(answer)
        x, y = round(point.x()), round(point.y())
        n = len(order)
        if widget is self._shares:
            shares = answer.wave.by_frequency
            self.read_out(f"k = {x} · {100 * shares[x - 1]:.2f} % of variance" if 1 <= x <= len(shares) else "")
        elif widget is self._fourier:
            inside = 0 <= x < len(answer.spectrum) and 0 <= y < len(answer.spectrum)
            self.read_out(f"{y} of a, {x} of b · {answer.spectrum[y, x]:.3g}" if inside else "")
        elif widget is self._written:
            self.read_out(f"c = {order[x]} · {answer.report.writes[order[x]]:.3g} a unit" if 0 <= x < n else "")
        elif 0 <= x < n and 0 <= y < n:
            a, b = int(order[y]), int(order[x])
            active, fitted = answer.report.activation[a, b], answer.wave.fitted[a, b]
            self.read_out(f"a = {a}, b = {b} · {active:.4g}" + (f" · fit {fitted:.4g}" if fitted == fitted else ""))
        else:
            self.read_out("")

    def _clicked(self, event: Any) -> None:
        box = self._shares.getViewBox()
        if event.button() == Qt.MouseButton.LeftButton and box.sceneBoundingRect().contains(event.scenePos()):
            k = round(box.mapSceneToView(event.scenePos()).x())
            self.session.select(frequency=None if k == self.session.selection.frequency else k)


def facts(answer: NeuronPicture, selection: Selection) -> dict[str, str]:
    """What the column says, by the keys of `FACTS`, but for its life."""
    said = dict.fromkeys(("phase", "peak", "output_phase", "output_peak", "misalignment", "vote", "fit"), NOT_KNOWN)
    wave, report = answer.wave, answer.report
    if not wave.frequency or selection.run is None:
        return said
    said["fit"] = f"{wave.r_squared:.3f}"
    if report.wave is None:
        return said
    if wave.fve >= CLEAR:
        answered = TASKS[selection.run.config.operation].symbol
        said["phase"], said["peak"] = _degrees(wave.phase), _peak(answered, wave.peak)
        if wave.output_phase is not None:
            said["output_phase"], said["output_peak"] = _degrees(wave.output_phase), _peak("c", wave.output_peak)
            said["misalignment"] = _degrees(wave.misalignment, 1)
    if report.no_vote == DIRECT_ONLY:
        said |= dict.fromkeys(("output_phase", "misalignment", "vote"), "direct path only")
    elif wave.vote is not None:
        said["vote"] = f"{wave.vote:+.2g}".replace("-", "−")
    return said


def _degrees(angle: float | None, digits: int = 0) -> str:
    if angle is None:
        return NOT_KNOWN
    return f"{round(angle, digits) + 0.0:.{digits}f}°".replace("-", "−")  # + 0.0: no −0


def _peak(what: str, peak: int | None) -> str:
    return "several" if peak is None else f"{what} = {peak}"


def _name(neuron: NeuronId, selection: Selection) -> str:
    layers = selection.run.config.n_layers if selection.run else 1
    return f"Neuron {neuron[1]}" if layers == 1 else f"Neuron {neuron[1]} of layer {neuron[0]}"


def _sentence(answer: NeuronPicture) -> str:
    wave = answer.wave
    if not wave.frequency:
        return "It does not respond to its input here."
    text = f"explains {100 * wave.fve:.1f} % of its variance"
    if answer.report.no_basis:
        text += " · no Fourier basis for this task"
    if wave.generator is not None:
        text += f" · character of the units, generator {wave.generator}"
    if answer.settled_frequency and answer.settled_frequency != wave.frequency:
        text += f" · axes unwrapped for k = {answer.settled_frequency}, its frequency at the reference checkpoint"
    return text
