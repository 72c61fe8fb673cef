"""The timeline: every checkpoint on one slider, and playing through them as they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPoint, QPointF, QRect, QRectF, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QSlider, QToolButton, QVBoxLayout

from app import theme
from app.ablation_words import ablation_text
from app.compute import Answer, Compute, Query
from app.family import Family
from app.family_tree import FamilyTree
from app.session import Selection, Session
from app.theme import SPACE
from app.tracing import Tracing
from app.views.over_time import PHASES, Span, spans
from app.views.plots import epoch_text
from app.views.still import QuietLabel, Still, on_panel, stand_on_panel
from engine.analysis.ablation import WHOLE, Ablation
from engine.analysis.phases import Thresholds
from engine.analysis.progress_curves import trace_phases
from engine.analysis.series import known_until
from engine.runfile import Run
from engine.traces import Traces

SCALES = {
    "epoch": "Checkpoints stand at their epochs",
    "log epoch": "Checkpoints stand at the logarithm of their epochs",
    "checkpoint": "Checkpoints stand at equal distances",
}
SPEEDS = (2, 5, 10, 20, 40, 80)
_MARGIN = 10
_ROOM = 44  # characters that the ablation may take
_STRIP, _GROOVE, _HEIGHT = 13, 24.0, 50  # pixels: the phases on top, the middle of the groove, all of it
FAR = 0.02  # of the run: neighbouring checkpoints that are further apart than this are marked


class CheckpointSlider(QSlider):
    """A slider whose value is the checkpoint's index and whose scale is the epoch."""

    scrubbed = Signal(int)  # by hand only

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._epochs: NDArray[np.int64] = np.zeros(0, np.int64)
        self._scale = "epoch"
        self._places: NDArray[np.float64] = np.zeros(0)
        self._spans: tuple[Span, ...] = ()
        self._marks: tuple[int, ...] = ()
        self._under, self._done, self._over, self._edition = Still(), Still(), Still(), 0  # what the handle moves over
        self.setObjectName("timeline.slider")
        self.setAccessibleName("Checkpoint")
        self.setMouseTracking(True)
        stand_on_panel(self)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.actionTriggered.connect(lambda _: self.scrubbed.emit(self.sliderPosition()))

    def sizeHint(self) -> QSize:
        return QSize(400, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, _HEIGHT)

    def set_checkpoints(self, epochs: NDArray[np.int64], scale: str) -> None:
        if scale != self._scale or not np.array_equal(epochs, self._epochs):
            self._epochs, self._scale = epochs, scale
            self._places = _places(epochs, scale)
            self._changed()

    def show_phases(self, spans: Sequence[Span]) -> None:
        """The phases over the groove; nothing is painted into the future."""
        if tuple(spans) != self._spans:
            self._spans = tuple(spans)
            self._changed()

    def show_marks(self, epochs: Sequence[int]) -> None:
        """Bookmarks, by their epochs."""
        if tuple(epochs) != self._marks:
            self._marks = tuple(epochs)
            self._changed()

    @property
    def phases(self) -> tuple[Span, ...]:
        """The phases over the groove."""
        return self._spans

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Neighbouring checkpoints, as epochs, that are far apart."""
        if len(self._epochs) < 2:
            return []
        apart = np.diff(self._epochs) > FAR * (self._epochs[-1] - self._epochs[0])
        return [(int(self._epochs[i]), int(self._epochs[i + 1])) for i in np.flatnonzero(apart)]

    def _x(self, epoch: float) -> float:
        """x of an epoch."""
        width = self.width() - 2 * _MARGIN
        return float(_MARGIN + width * np.interp(epoch, self._epochs, self._places))

    def x_of(self, epoch: float) -> float:
        """x of any epoch; outside the run, of its nearer end."""
        return self._x(epoch) if len(self._epochs) else float(_MARGIN)

    def place_of(self, step: int) -> float:
        """x of a checkpoint in the widget's coordinates."""
        width = self.width() - 2 * _MARGIN
        return float(_MARGIN + width * (self._places[step] if step < len(self._places) else 0))

    def handle(self) -> QRect:
        """What is dragged."""
        middle = QPoint(round(self.place_of(self.value())), round(_GROOVE))
        return QRect(middle - QPoint(8, 8), middle + QPoint(8, 8))

    def step_at(self, x: float) -> int:
        """The checkpoint nearest to x."""
        if not len(self._places):
            return 0
        width = max(1, self.width() - 2 * _MARGIN)
        return int(np.abs(self._places - (x - _MARGIN) / width).argmin())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self._go(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            self._go(event.position().x())
        elif len(self._epochs):
            self.setToolTip(self._told(self.step_at(event.position().x())))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.setSliderDown(False)

    def _told(self, step: int) -> str:
        epoch = int(self._epochs[step])
        after = next((end for begin, end in self.gaps if begin == epoch), None)
        far = "" if after is None else f"\nthe next checkpoint is {epoch_text(after - epoch)} epochs on"
        return f"epoch {epoch_text(epoch)}{far}"

    def _go(self, x: float) -> None:
        step = self.step_at(x)
        if step != self.value():
            self.setValue(step)
            self.scrubbed.emit(step)

    def paintEvent(self, event: QPaintEvent) -> None:
        look = theme.current()
        painter = on_panel(self, event)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        empty = QColor(look.raised if look.name == "dark" else look.border)
        if not len(self._epochs):
            self._paint_groove(empty, painter)
            return
        here = self.place_of(self.value())
        edition = self._edition, look.name
        self._under.paint(painter, self.size(), edition, partial(self._paint_under, empty))
        painter.setClipRect(QRectF(0, 0, here, self.height()))
        self._done.paint(painter, self.size(), edition, partial(self._paint_groove, QColor(look.accent)))
        painter.setClipping(False)
        self._over.paint(painter, self.size(), edition, self._paint_over)
        painter.setBrush(QColor(look.text))
        painter.setPen(QPen(QColor(look.accent), 2 if self.hasFocus() else 0.01))
        painter.drawEllipse(QPointF(here, _GROOVE), 7, 7)

    def _changed(self) -> None:
        """What does not move with the handle is another."""
        self._edition += 1
        self.update()

    def _paint_groove(self, colour: QColor, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawRoundedRect(QRectF(_MARGIN, _GROOVE - 2, self.width() - 2 * _MARGIN, 4), 2, 2)

    def _paint_under(self, empty: QColor, painter: QPainter) -> None:
        self._paint_groove(empty, painter)
        self._paint_phases(painter)

    def _paint_over(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_gaps(painter)
        self._paint_ticks(painter, _GROOVE)
        self._paint_marks(painter)

    def _paint_phases(self, painter: QPainter) -> None:
        look = theme.current()
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        colours = dict(zip(PHASES, look.phases, strict=True))
        for span in self._spans:
            left, right = self._x(span.begin), self._x(span.end)
            painter.fillRect(QRectF(left, 0, max(1.0, right - left - 1), _STRIP), QColor(colours[span.name]))
            name = span.name + (" …" if span.open else "")
            if painter.fontMetrics().horizontalAdvance(name) + 10 < right - left:
                painter.setPen(QColor(look.text))
                painter.drawText(QRectF(left + 5, 0, right - left, _STRIP), Qt.AlignmentFlag.AlignVCenter, name)

    def _paint_gaps(self, painter: QPainter) -> None:
        """Where the next checkpoint is far: the groove is broken, for nothing is known in between."""
        for begin, end in self.gaps:
            left, right = self._x(begin) + 9, self._x(end) - 9
            painter.setPen(QPen(QColor(theme.current().panel), 4, Qt.PenStyle.DotLine, Qt.PenCapStyle.FlatCap))
            if right > left:
                painter.drawLine(QPointF(left, _GROOVE), QPointF(right, _GROOVE))

    def _paint_marks(self, painter: QPainter) -> None:
        """Bookmarks: small flags that stand on the groove."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.current().accent))
        for epoch in self._marks:
            x = self._x(epoch)
            painter.drawPolygon([QPointF(x - 4, _STRIP + 1), QPointF(x + 4, _STRIP + 1), QPointF(x, _STRIP + 7)])

    def _paint_ticks(self, painter: QPainter, middle: float) -> None:
        """A tick for each checkpoint (one a pixel at most) and a few epochs below."""
        look = theme.current()
        painter.setPen(QPen(QColor(look.faint), 1))
        xs = np.unique(np.round(_MARGIN + (self.width() - 2 * _MARGIN) * self._places))
        painter.drawLines([QLineF(x + 0.5, middle + 9, x + 0.5, middle + 12) for x in xs])
        painter.setPen(QColor(look.muted))
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        end = -1e9
        for epoch in self._labelled():
            text = epoch_text(epoch)
            width = painter.fontMetrics().horizontalAdvance(text)
            place = _MARGIN + (self.width() - 2 * _MARGIN) * float(np.interp(epoch, self._epochs, self._places))
            x = min(max(place - width / 2, 0), self.width() - width)
            if x > end + 14:
                painter.drawText(QPointF(x, middle + 24), text)
                end = x + width

    def _labelled(self) -> list[int]:
        """Round epochs to name below the slider; with equal distances, the checkpoints' own."""
        first, last = int(self._epochs[0]), int(self._epochs[-1])
        n = max(2, self.width() // 100)
        if self._scale == "checkpoint":
            return [int(self._epochs[i]) for i in np.unique(np.linspace(0, len(self._epochs) - 1, n).astype(int))]
        if self._scale == "log epoch":
            powers = [first + 10**i * m for i in range(9) for m in (1, 3)]
            return [first, *(e for e in powers if e < last)]
        step = next(m * 10**i for i in range(12) for m in (1, 2, 5) if (last - first) / (m * 10**i) <= n)
        return list(range(-(-first // step) * step, last + 1, step))


def _places(epochs: NDArray[np.int64], scale: str) -> NDArray[np.float64]:
    """Where checkpoints stand, 0 to 1."""
    if len(epochs) < 2:
        return np.zeros(len(epochs))
    x = epochs.astype(np.float64) - epochs[0]
    if scale == "checkpoint":
        x = np.arange(len(epochs), dtype=np.float64)
    elif scale == "log epoch":
        first = x[1]
        x = np.log1p(x / first)
    return np.asarray(x / x[-1])


class Timeline(QFrame):
    """Slider, buttons, scale, speed; knows nothing of views but whether one is waiting."""

    def __init__(self, session: Session, compute: Compute, is_waiting: Callable[[], bool]) -> None:
        super().__init__()
        self.session, self._is_waiting = session, is_waiting
        self._compute, self._tracing = compute, Tracing.of(session, compute)
        self._phases: Query | None = None
        self._told: Ablation = WHOLE  # what the button says
        self.setObjectName("whole")
        self._began = (0.0, 0)  # when play began, and at which step
        self._timer = QTimer(self)
        self._timer.setInterval(8)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._advance)
        self._lay_out()
        session.changed.connect(self._refresh)
        compute.answered.connect(self._answered)
        self._tracing.grew.connect(lambda: self._ask_phases(session.selection))
        self._refresh(session.selection)

    # -- playing -------------------------------------------------------------------------------------------

    @property
    def playing(self) -> bool:
        return self._timer.isActive()

    def play(self, on: bool) -> None:
        s = self.session.selection
        if on and s.n_checkpoints > 1:
            begin = 0 if s.step >= s.n_checkpoints - 1 else s.step
            self.session.scrub(begin)
            self.session.select(following=False)
            self._began = (time.perf_counter(), begin)
            self._timer.start()
        else:
            self._timer.stop()
        self._play.setChecked(self.playing)
        self._play.setIcon(theme.icon("pause" if self.playing else "play"))

    def _advance(self) -> None:
        """The target comes from the clock; while a view is waiting nothing moves, so slow frames are skipped."""
        s = self.session.selection
        if self._is_waiting():
            return
        began, first = self._began
        target = first + int((time.perf_counter() - began) * self._speed.currentData())
        if target >= s.n_checkpoints:
            if not self._loop.isChecked():
                self.session.scrub(s.n_checkpoints - 1)
                self.play(False)
                return
            self._began, target = (time.perf_counter(), 0), 0
        if target != s.step:
            self.session.scrub(target)

    def step_by(self, by: int) -> None:
        """Go some checkpoints forward or back by hand."""
        self.play(False)
        self.session.scrub(self.session.selection.step + by)

    def go_first(self) -> None:
        self.play(False)
        self.session.scrub(0)

    def go_last(self) -> None:
        self.play(False)
        self.session.select(step=self.session.selection.n_checkpoints - 1, following=self._follow.isEnabled())

    # -- parts ---------------------------------------------------------------------------------------------

    def restyle(self) -> None:
        for button, name in self._icons.items():
            button.setIcon(theme.icon(name))
        self._play.setIcon(theme.icon("pause" if self.playing else "play"))

    def _lay_out(self) -> None:
        self._icons: dict[QToolButton, str] = {}
        first = self._button("skip-back", "timeline.first", "First checkpoint (Home)", self.go_first)
        back = self._button("step-back", "timeline.back", "One checkpoint back (←)", lambda: self.step_by(-1))
        self._play = self._button("play", "timeline.play", "Play or pause (Space)", None)
        self._play.setCheckable(True)
        self._play.clicked.connect(self.play)
        forward = self._button(
            "step-forward", "timeline.forward", "One checkpoint forward (→)", lambda: self.step_by(1)
        )
        last = self._button("skip-forward", "timeline.last", "Last checkpoint (End)", self.go_last)
        self._loop = self._button("repeat", "timeline.loop", "Play again and again", None)
        self._loop.setCheckable(True)
        self._follow = self._button("radio", "timeline.follow", "Follow the newest checkpoint (F)", None)
        self._follow.setCheckable(True)
        self._follow.setText("Follow")
        self._follow.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._follow.clicked.connect(self._set_follow)
        self._scale = self._choice("timeline.scale", "Scale of the slider", {s: s for s in SCALES})
        for i, tip in enumerate(SCALES.values()):
            self._scale.setItemData(i, tip, Qt.ItemDataRole.ToolTipRole)
        self._scale.currentIndexChanged.connect(lambda _: self._refresh(self.session.selection))
        self._speed = self._choice("timeline.speed", "Checkpoints a second", {f"{s} / s": s for s in SPEEDS})
        self._speed.setCurrentIndex(SPEEDS.index(20))
        self._speed.currentIndexChanged.connect(lambda _: self.play(self.playing))
        self._epoch = QuietLabel("—", prompt=True)
        self._epoch.setObjectName("timeline.epoch")
        self._epoch.setProperty("role", "big")
        self._epoch.setFixedWidth(84)
        self._epoch.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._count = QuietLabel()
        self._count.setProperty("role", "muted")
        self._count.setFixedWidth(84)
        self.slider = CheckpointSlider()
        self.slider.scrubbed.connect(self._scrubbed)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE, SPACE // 2, SPACE + 4, SPACE // 2)
        row.setSpacing(2)
        self.branch = self._button("git-branch", "timeline.branch", "Fork or densify here", None)
        for button in (first, back, self._play, forward, last, self._loop, self.branch):
            row.addWidget(button)
        where = QVBoxLayout()
        where.setSpacing(0)
        where.addWidget(self._epoch)
        where.addWidget(self._count)
        self._count.setAlignment(Qt.AlignmentFlag.AlignRight)
        row.addSpacing(SPACE)
        row.addLayout(where)
        row.addSpacing(SPACE)
        self.tree = FamilyTree(Family.of(self.session), self.slider.x_of)
        scale = QVBoxLayout()
        scale.setSpacing(0)
        scale.addWidget(self.slider)
        scale.addWidget(self.tree)
        row.addLayout(scale, 1)
        row.addSpacing(SPACE)
        self._ablated = QToolButton()
        self._ablated.setObjectName("timeline.ablated")
        self._ablated.setAccessibleName("Ablated model on show; press for the whole model")
        self._ablated.setToolTip(
            "What is taken away or turned down in the model of Answers, Logits, Two solutions and Surgery.\n"
            "All other views show the whole model. Click for the whole model everywhere."
        )
        self._ablated.setProperty("role", "alert")
        self._ablated.clicked.connect(lambda: self.session.select(ablation=WHOLE))
        self._ablated.setVisible(False)
        row.addWidget(self._ablated)
        for widget in (self._scale, self._speed, self._follow):
            row.addWidget(widget)
            row.addSpacing(4)

    def _button(self, icon: str, name: str, tip: str, action: Callable[[], None] | None) -> QToolButton:
        button = QToolButton()
        button.setIconSize(QSize(18, 18))
        button.setIcon(theme.icon(icon))
        button.setObjectName(name)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        self._icons[button] = icon
        if action is not None:
            button.clicked.connect(action)
        return button

    def _choice(self, name: str, tip: str, items: dict[str, object]) -> QComboBox:
        box = QComboBox()
        box.setObjectName(name)
        box.setToolTip(tip)
        box.setAccessibleName(tip)
        for text, value in items.items():
            box.addItem(text, value)
        return box

    def _set_follow(self, on: bool) -> None:
        self.play(False)
        n = self.session.selection.n_checkpoints
        self.session.select(following=on, **({"step": n - 1} if on else {}))

    def _scrubbed(self, step: int) -> None:
        self.play(False)
        self.session.scrub(step)

    def _refresh(self, s: Selection) -> None:
        enabled = s.n_checkpoints > 0
        if enabled != self.slider.isEnabled():
            for widget in [self.slider, *self.findChildren(QToolButton)]:
                widget.setEnabled(enabled)
        self._follow.setChecked(s.following and enabled)
        self._ablated.setVisible(not s.ablation.is_whole)
        if s.ablation != self._told:
            self._told = s.ablation
            said = ablation_text(s.ablation, 1 if s.run is None else s.run.config.n_layers, _ROOM)
            self._ablated.setText(f"ablated: {said.replace(' = ', ' ')}  ×")
        blocked = QSignalBlocker(self.slider)
        self.slider.setRange(0, max(0, s.n_checkpoints - 1))
        self.slider.setPageStep(max(1, s.n_checkpoints // 20))
        if s.run is not None and enabled:
            self.slider.set_checkpoints(s.run.epochs[: s.n_checkpoints], str(self._scale.currentData()))
            self.slider.setValue(s.step)
            self._epoch.setText(epoch_text(s.epoch))
            self._count.setText(f"{s.step + 1} of {s.n_checkpoints}")
            self._ask_phases(s)
        else:
            self.slider.show_phases(())
            self.slider.set_checkpoints(np.zeros(0, np.int64), "epoch")
            self._epoch.setText("—")
            self._count.setText("")
        blocked.unblock()
        self.slider.update()
        self.tree.show_selection(s, str(self._scale.currentData()))

    def _ask_phases(self, s: Selection) -> None:
        t = self._tracing
        known = t.traces is not None and t.run is s.run
        query = Query(run_spans, (s.run, t.traces, s.n_checkpoints, s.thresholds, t.revision)) if known else None
        if query is None:
            self.slider.show_phases(())
        if query is not None and query != self._phases:
            self._phases = query  # before asking: a cached answer arrives inside the call
            self._compute.ask(self, query)
        self._phases = query

    def _answered(self, query: Query, answer: Answer) -> None:
        if query == self._phases and answer.error is None:
            self.slider.show_phases(answer.value)


def run_spans(run: Run, traces: Traces, n: int, thresholds: Thresholds, revision: int) -> tuple[Span, ...]:
    """The phases as stretches of epochs.  revision : of the traces, which grow"""
    found = trace_phases(run, traces, n, thresholds)
    return tuple(spans(found, known_until(run, n, traces))) if found is not None else ()
