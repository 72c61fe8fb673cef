"""The parts of the neuron view, and where they stand in the room there is."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QWidget,
)

from app.views.biography import LifeStrip
from app.views.choices import Choices
from app.views.controls import label
from app.views.dial import Dial
from app.views.lifted import Bars, Trace
from app.views.maps import HOT, HeatMap
from app.views.neuron_facts import FACTS
from app.views.plots import dress, plot_widget, relabel
from app.views.still import QuietLabel

PANELS = {
    "variance": ("variance by k", "Share of its variance at every frequency"),
    "logits": ("logits", "What one unit of activation adds to each logit, by the direct path"),
    "phases": ("phases", "The phase it reads and the phase it writes, on a dial"),
    "spectrum": ("2-D", "Norm of its Fourier coefficients by frequency of a and of b"),
}
SIDE, WIDE_SIDE = 156, 184  # pixels, of the column of facts (of several layers): nothing moves while scrubbing
_HEAD, _CAPTION, _CHOICE, _GAP = 32, 17, 26, 6
_DIAL = 132  # pixels of height from which it stands under the facts
_LOWER_FROM = 270  # pixels of height between head and strip, from which panels stand below the maps
_BAR_FROM = 212  # of the maps' width, from which a colour bar stands beside them
_SQUARE = 120  # of height, from which a square panel joins another
_MAP = 186  # of a map's width, from which two stand side by side
_ROOM = {"variance": 210, "logits": 210, "phases": 150, "spectrum": 150}  # of width, at least


class Page(QWidget):
    """Everything the view shows, made once and placed by hand: the more room, the more is shown at once."""

    walked = Signal(int)  # −1, +1: to the neighbour on the wall
    arranged = Signal()  # what was hidden may be on show

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Neuron on show")
        self.setAccessibleDescription("Up and down walk from neuron to neuron along the wall")
        self.side_width = SIDE
        self._low, self._names = False, ("frequency k", "c")
        self._make_head()
        self._make_maps()
        self._make_panels()
        self._make_facts()
        self.choices = Choices(
            "neuron", PANELS, "variance", "Show the fitted degree-2 polynomial in place of the activation"
        )
        self.choices.changed.connect(self._rearrange)
        self.strip = LifeStrip()
        self.strip.setObjectName("neuron.life")
        for widget in (
            self.head, self.map_caption, self.fit_caption, self.map, self.fit_map, *self.panels.values(),
            *self.panel_captions.values(), self.facts, self.choices, self.strip,
        ):  # fmt: skip
            widget.setParent(self)

    def minimumSizeHint(self) -> QSize:
        return QSize(320, 250)

    # -- its parts -----------------------------------------------------------------------------------------

    def _make_head(self) -> None:
        self.before, self.after = QToolButton(), QToolButton()
        for button, text, name, tip, by in (
            (self.before, "‹", "neuron.before", "The neuron before it on the wall (↑)", -1),
            (self.after, "›", "neuron.after", "The neuron after it on the wall (↓)", 1),
        ):
            button.setText(text)
            button.setObjectName(name)
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.setFixedWidth(24)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, by=by: self.walked.emit(by))
        self.number = QSpinBox()
        self.number.setObjectName("neuron.number")
        self.number.setToolTip("Go to a neuron by its number")
        self.number.setAccessibleName("Neuron's number")
        self.number.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.number.setKeyboardTracking(False)
        self.number.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.number.setFixedWidth(56)
        self.headline = QuietLabel()
        self.headline.setProperty("role", "big")
        self.headline.setFixedWidth(76)
        self.sentence = QuietLabel()
        self.sentence.setProperty("role", "muted")
        self.sentence.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.head = QWidget()
        row = QHBoxLayout(self.head)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3)
        for widget in (self.before, self.number, self.after):
            row.addWidget(widget)
        row.addSpacing(9)
        row.addWidget(self.headline)
        row.addSpacing(7)
        row.addWidget(self.sentence, 1)

    def _make_maps(self) -> None:
        self.map, self.fit_map = HeatMap(unit="activation"), HeatMap(unit="activation")
        self.map.setAccessibleName("Activation over all pairs")
        self.fit_map.setAccessibleName("Its degree-2 polynomial over all pairs")
        self.map_caption, self.fit_caption = _caption("activation"), _caption("degree-2 fit")
        for shown in (self.map, self.fit_map):
            shown.setMinimumSize(0, 0)
            shown.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def _make_panels(self) -> None:
        self.shares = plot_widget("variance", "frequency k")
        self.bars = Bars()
        self.shares.lift(self.bars)
        self.shares.setYRange(0, 1.06, padding=0)
        self.written = plot_widget("logit", "c")
        self.curve = Trace()
        self.written.lift(self.curve)
        self.spectrum = HeatMap("k of a", "k of b", colours=HOT, bar=False)
        self.dial = Dial()
        for widget in (self.shares, self.written):
            widget.setMouseEnabled(x=False, y=False)
            widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            widget.getPlotItem().getAxis("left").setWidth(HeatMap.LEFT)
            widget.getPlotItem().getAxis("bottom").setHeight(HeatMap.BOTTOM)
        self.spectrum.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.spectrum.setMinimumSize(0, 0)
        self.panels: dict[str, Any] = {
            "variance": self.shares, "logits": self.written, "phases": self.dial, "spectrum": self.spectrum,
        }  # fmt: skip
        texts = ("variance by frequency", "writes to the logits", "phases", "2-D Fourier norms")
        self.panel_captions = {key: _caption(text) for key, text in zip(self.panels, texts, strict=True)}
        for key, (_, tip) in PANELS.items():
            if key != "phases":  # it tells its values
                self.panels[key].setAccessibleName(tip)

    def _make_facts(self) -> None:
        """Names and values."""
        self.facts = QWidget()
        rows = QGridLayout(self.facts)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setHorizontalSpacing(8)
        rows.setVerticalSpacing(1)
        rows.setColumnStretch(1, 1)
        self.values: dict[str, QLabel] = {}
        for row, (key, (name, tip)) in enumerate(FACTS.items()):
            shown, value = label(name, "muted"), QuietLabel()
            value.setObjectName(f"neuron.{key}")
            value.setAccessibleName(name)
            for part in (shown, value):
                part.setToolTip(tip)
                part.setStyleSheet("font-size: 12px;")
                part.setFixedHeight(17)
            rows.addWidget(shown, row, 0)
            rows.addWidget(value, row, 1)
            self.values[key] = value
        self._facts_height = 18 * len(FACTS) - 1

    # -- where they stand ----------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._rearrange()

    def _rearrange(self, *_: object) -> None:
        self.arrange()
        self.arranged.emit()

    def arrange(self) -> None:
        """Place everything; hide what has no room."""
        width, height = self.width(), self.height()
        strip = 122 if height >= 580 else 104 if height >= 440 else 44 if height >= 262 else 0
        left = width - self.side_width - _GAP
        two = left >= 2 * _MAP
        body = height - _HEAD - (strip + _GAP if strip else 0)
        spare = body - _CHOICE - self._ideal(left, two)
        if body < _LOWER_FROM and strip and spare >= 48:  # nothing stands between the map and the strip
            strip, body = strip + min(60, spare), body - min(60, spare)
        upper, lower = self._shared_out(body, left, two)
        dial_in_side = upper - self._facts_height >= _DIAL
        keys = self._fitting(width, lower - _CHOICE, dial_in_side) if lower else []
        in_lower = [key for key in PANELS if not (key == "phases" and dial_in_side)] if lower else []
        choose = len(keys) < len(in_lower)
        bar = _CHOICE if choose or not two else 0
        if not lower:
            upper -= bar
        self.head.setGeometry(0, 0, width, _HEAD - 4)
        self._place_maps(QRect(0, _HEAD, left, upper), two)
        self._place_facts(QRect(width - self.side_width, _HEAD, self.side_width, upper), dial_in_side)
        self.dial.setVisible(dial_in_side or "phases" in keys)
        self.choices.setVisible(bar > 0)
        self.choices.fit.setVisible(not two)
        for key, button in self.choices.panels.items():
            button.setVisible(choose and key in in_lower)
        y = _HEAD + upper
        self.choices.setGeometry(0, y, width, _CHOICE - 2)
        y += bar or _GAP
        self._place_panels(QRect(0, y, width, max(0, _HEAD + body - y)), keys)
        self.strip.setVisible(strip > 0)
        self.strip.setGeometry(0, height - strip, width, strip)

    def _shared_out(self, body: int, left: int, two: bool) -> tuple[int, int]:
        """Heights of the upper part, no more than its maps and facts need, and of the lower."""
        if body < _LOWER_FROM:
            return body, 0
        lower = min(240, max(128, round(0.4 * body)))
        upper = min(body - lower, self._ideal(left, two))
        return upper, body - upper

    def _ideal(self, left: int, two: bool) -> int:
        """The height that the maps can fill in their width, and the facts need."""
        bar = HeatMap.BAR if left >= _BAR_FROM else 8
        widest = (left - HeatMap.BAR + 8) // 2 - HeatMap.LEFT - 8 if two else left - HeatMap.LEFT - bar
        return max(self._facts_height, widest + HeatMap.BOTTOM + HeatMap.TOP + _CAPTION)

    def _place_facts(self, room: QRect, with_dial: bool) -> None:
        top = room.y() + max(0, min(_CAPTION, room.height() - self._facts_height))
        self.facts.setGeometry(room.x(), top, room.width(), self._facts_height)
        if with_dial:
            top += self._facts_height + 2
            height = min(room.bottom() - top, room.width() + 30)
            self.dial.setGeometry(room.x(), top, room.width(), height)

    def _fitting(self, width: int, height: int, dial_in_side: bool) -> list[str]:
        """The chosen panel, and the others as long as there is room; a square one only if it is not too small."""
        wanted = [key for key in PANELS if not (key == "phases" and dial_in_side)]
        chosen = next((key for key in wanted if self.choices.panels[key].isChecked()), wanted[0])
        keys = [chosen]
        for key in wanted:
            if key in ("phases", "spectrum") and height < _SQUARE:
                continue
            if key not in keys and sum(_ROOM[k] for k in keys) + _ROOM[key] + _GAP * len(keys) <= width:
                keys.append(key)
        return [key for key in wanted if key in keys]

    def _place_maps(self, room: QRect, two: bool) -> None:
        truth, fit = two or not self.choices.fit.isChecked(), two or self.choices.fit.isChecked()
        with_bar = room.width() >= _BAR_FROM
        self.map.show_bar(with_bar and not two)
        self.fit_map.show_bar(with_bar)
        widths = [room.width()] * 2
        if two:
            left = (room.width() - HeatMap.BAR + 8) // 2
            widths = [left, room.width() - left]
        x = room.x()
        for shown, caption, there, width in (
            (self.map, self.map_caption, truth, widths[0]),
            (self.fit_map, self.fit_caption, fit, widths[1]),
        ):
            shown.setVisible(there)
            caption.setVisible(there)
            if there:
                bar = 8 if (two and shown is self.map) or not with_bar else HeatMap.BAR
                height = room.height() - _CAPTION - HeatMap.BOTTOM - HeatMap.TOP
                side = max(0, min(width - HeatMap.LEFT - bar, height))
                data = x + (width - side - HeatMap.LEFT - bar) // 2 + HeatMap.LEFT
                caption.setGeometry(data, room.y(), max(0, x + width - data), _CAPTION)
                shown.setGeometry(x, room.y() + _CAPTION, width, max(0, room.height() - _CAPTION))
                x += width

    def _place_panels(self, room: QRect, keys: list[str]) -> None:
        for key, widget in self.panels.items():
            if key != "phases" or key in keys:
                widget.setVisible(key in keys)
            self.panel_captions[key].setVisible(key in keys and len(keys) > 1)
        low = room.height() - (_CAPTION if len(keys) > 1 else 0) < 110
        for plot in (self.shares, self.written):
            plot.getPlotItem().getAxis("bottom").setHeight(22 if low else HeatMap.BOTTOM)
        if low != self._low:
            self._low = low
            self.name_axes(*self._names)
        squares = [key for key in keys if key in ("phases", "spectrum") and len(keys) > 1]
        others = sum(_ROOM[key] + _GAP for key in keys if key not in squares)
        most = (room.width() - others) // max(1, len(squares)) - _GAP
        square = max(_ROOM["spectrum"], min(room.height() + 24, most))
        fixed = {key: square if key in squares else 0 for key in keys}
        flexible = [key for key in keys if not fixed[key]]
        spare = room.width() - sum(fixed.values()) - _GAP * (len(keys) - 1)
        x, top = room.x(), _CAPTION if len(keys) > 1 else 0
        for key in keys:
            width = fixed[key] or spare // max(1, len(flexible))
            self.panel_captions[key].setGeometry(x + HeatMap.LEFT, room.y(), max(0, width - HeatMap.LEFT), _CAPTION)
            self.panels[key].setGeometry(x, room.y() + top, width, max(0, room.height() - top))
            x += width + _GAP

    def name_map(self, limit: str, axes: str = "") -> None:
        """What is painted, up to which value where no bar tells it, and what is to be known of its axes."""
        barred = any(shown.bar.isVisibleTo(self) for shown in (self.map, self.fit_map))
        name = "activation" if barred else f"activation, 0 to {limit}"
        whole = f"{name} · {axes}" if axes else name
        fits = self.map_caption.fontMetrics().horizontalAdvance(whole) <= self.map_caption.width()
        self.map_caption.setText(whole if fits or not axes else axes)

    def name_axes(self, frequency: str, residue: str) -> None:
        """What the plots' bottom axes count; left out where they are low."""
        self._names = frequency, residue
        for plot, text in zip((self.shares, self.written), self._names, strict=True):
            relabel(plot, "bottom", "" if self._low else text)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and down walk along the wall."""
        by = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if by is None:
            super().keyPressEvent(event)
        else:
            self.walked.emit(by)

    def restyle(self) -> None:
        for widget in (self.shares, self.written):
            dress(widget)
        for shown in (self.map, self.fit_map, self.spectrum):
            shown.restyle()
        self.dial.update()
        self.strip.update()


def _caption(text: str) -> QLabel:
    made = QuietLabel(text)
    made.setProperty("role", "muted")
    made.setStyleSheet("font-size: 12px;")
    return made
