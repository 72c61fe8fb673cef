"""First-run hints: one bubble at a time that points at what it speaks of, and goes away for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRect, QRectF, QSettings, QSize, Qt, QTimer, SignalInstance
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QColor,
    QKeyEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app import theme
from app.theme import SPACE
from app.views.controls import label

if TYPE_CHECKING:
    from app.main_window import MainWindow

_SEEN, _OFF = "hints/seen", "hints/off"
_LOOK_MS = 250  # between two looks at what changed
_PAUSE_MS = 1500  # between two hints
_WIDTH, _ARROW, _EDGE, _ROUND, _SHADOW = 288, 9, 8, 8, 6  # pixels


@dataclass(frozen=True)
class Hint:
    """name : under which it is remembered      text : a sentence or two
    anchor : the widget it points at; None, or a hidden one: not now
    part : the thing in it that is meant, in its coordinates; None: all of it
    done_when : the person has done the thing: a signal, or a question asked from time to time whose answer is True
        or is another than when the hint came up
    """

    name: str
    text: str
    anchor: Callable[[], QWidget | None]
    done_when: SignalInstance | Callable[[], Any]
    part: Callable[[], QRect | None] = lambda: None


class Hints(QObject):
    """Shows hints that were not seen yet, in their order. Nothing happens before `start`."""

    def __init__(
        self, window: QWidget, settings: QSettings, hints: Sequence[Hint] = (), pause_ms: int = _PAUSE_MS
    ) -> None:
        super().__init__(window)
        self._window, self._settings, self._hints = window, settings, tuple(hints)
        self.bubble = Bubble(window)
        self.bubble.got_it.clicked.connect(self._got_it)
        self.bubble.no_more.clicked.connect(self.stop_for_good)
        self.shown: Hint | None = None
        self._lost: Hint | None = None  # was shown until its anchor went
        self._asked: Any = None  # the answer when the hint came up
        self._connected = False
        self._watched: list[QObject] = []
        self._look_again = QTimer(self)
        self._look_again.setInterval(_LOOK_MS)
        self._look_again.timeout.connect(self._look)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(pause_ms)
        self._pause.timeout.connect(self._look)

    def start(self, again: bool = False) -> None:
        """Begin with the first that was not seen; again: with all of them."""
        if again:
            self._settings.remove(_SEEN)
            self._settings.remove(_OFF)
        if self._settings.value(_OFF, False, type=bool) or not self._left():
            return
        if not self._connected:
            self._connected = True
            for hint in self._hints:
                if isinstance(hint.done_when, SignalInstance):
                    hint.done_when.connect(lambda *_, hint=hint: self._done(hint))
        self._look_again.start()
        self._pause.start()

    def stop(self) -> None:
        """Hide; what was not seen comes again at the next start."""
        self._look_again.stop()
        self._pause.stop()
        self._hide()
        self._lost = None

    def stop_for_good(self) -> None:
        """No more hints, also not at the next start of the program."""
        self._settings.setValue(_OFF, True)
        self.stop()

    def seen(self) -> list[str]:
        """Names of the hints that were seen, or whose thing was done."""
        value: Any = self._settings.value(_SEEN, [])
        return [value] if isinstance(value, str) else [str(name) for name in (value or [])]

    # -- one after the other ---------------------------------------------------------------------------------

    def _left(self) -> list[Hint]:
        seen = self.seen()
        return [hint for hint in self._hints if hint.name not in seen]

    def _done(self, hint: Hint) -> None:
        """The person did it, or has read it: that hint is over."""
        if not self._look_again.isActive():
            return  # not started, or stopped
        seen = self.seen()
        if hint.name not in seen:
            self._settings.setValue(_SEEN, [*seen, hint.name])
        if self.shown is hint:
            self._hide()
            self._pause.start()
        if not self._left():
            self.stop()

    def _got_it(self) -> None:
        if self.shown is not None:
            self._done(self.shown)

    def _look(self) -> None:
        """Is it done? Is its place still there? Is it time for the next?"""
        if self.shown is not None:
            self._look_at(self.shown)
        elif QApplication.activeModalWidget() is None:
            left = self._left()
            waiting = [] if self._pause.isActive() else left
            for hint in (self._lost, *waiting):  # whose anchor is back comes before the next, and at once
                if hint in left and hint is not None and self._ask(hint) is not True and self._place(hint):
                    self._show(hint)
                    return

    def _look_at(self, shown: Hint) -> None:
        answer = self._ask(shown)
        if answer is True or answer != self._asked:
            self._done(shown)
        else:
            self._follow()

    def _ask(self, hint: Hint) -> Any:
        return None if isinstance(hint.done_when, SignalInstance) else hint.done_when()

    def _show(self, hint: Hint) -> None:
        self.shown, self._lost, self._asked = hint, None, self._ask(hint)
        self.bubble.show()
        self.bubble.raise_()
        said = QAccessibleAnnouncementEvent(self.bubble, f"Hint: {hint.text}")
        QAccessible.updateAccessibility(said)

    def _hide(self) -> None:
        self.shown = None
        self._watch([])
        had_keyboard = self.bubble.isAncestorOf(QApplication.focusWidget() or self._window)
        self.bubble.hide()
        if had_keyboard:
            self._window.setFocus()

    # -- its place -------------------------------------------------------------------------------------------

    def _place(self, hint: Hint) -> bool:
        """Put the bubble where it belongs.  -> whether there is such a place"""
        anchor = hint.anchor()
        if anchor is None or not anchor.isVisible() or anchor.window() is not self._window:
            return False
        rect = _visible_rect(anchor, self._window, hint.part())
        on_top = self._window.childAt(rect.center())
        if on_top is None or not (on_top is anchor or anchor.isAncestorOf(on_top)):
            return False  # something else lies over it
        size = self.bubble.told(hint.text, self._hints.index(hint) + 1, len(self._hints))
        place = placed(rect, size, self._window.rect(), self.bubble.place.side if self.shown is hint else BELOW)
        if place is None:
            return False
        self.bubble.put(place)
        self.bubble.raise_()  # bars of tabs that were made since lie above it
        self._watch([anchor, *_parents(anchor, self._window)])
        return True

    def _watch(self, widgets: list[QWidget]) -> None:
        """Hear of what moves the anchor, and of Escape, while a hint is shown."""
        if list(self._watched) != widgets:
            for old in self._watched:
                old.removeEventFilter(self)
            for widget in widgets:
                widget.installEventFilter(self)
            self._watched = list(widgets)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if self.shown is None:
            return False
        if event.type() in (QEvent.Type.Move, QEvent.Type.Resize, QEvent.Type.Hide):
            QTimer.singleShot(0, self._follow)  # after the layouts
        elif watched is self._window and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()  # before the window's own Escape
                return True
            if event.type() == QEvent.Type.KeyPress:
                self._got_it()
                return True
        return False

    def _follow(self) -> None:
        """Stay with the anchor; where it is gone, go until it is back, or until it is time for the next."""
        if self.shown is not None and not self._place(self.shown):
            lost = self.shown
            self._hide()
            self._lost = lost
            self._pause.start()


def _parents(widget: QWidget, window: QWidget) -> list[QWidget]:
    parent = widget.parentWidget()
    return [window] if parent is window or parent is None else [parent, *_parents(parent, window)]


def _visible_rect(widget: QWidget, window: QWidget, inner: QRect | None = None) -> QRect:
    """What its parents leave visible of a widget, or of a part of it, in the window's coordinates."""
    rect = widget.rect() if inner is None else inner.intersected(widget.rect())
    part: QWidget = widget
    while part is not window:
        parent = part.parentWidget()
        assert parent is not None
        rect = rect.translated(part.pos()).intersected(parent.rect())
        part = parent
    return rect


BELOW, ABOVE, RIGHT, LEFT = SIDES = range(4)


@dataclass(frozen=True)
class Place:
    """Of a bubble: its box, the tip of its arrow, which touches the anchor, and the side of the anchor it is at."""

    box: QRect
    tip: QPoint
    side: int = BELOW


def placed(anchor: QRect, size: QSize, window: QRect, first: int = BELOW) -> Place | None:
    """Where a bubble stands: inside the window, beside the anchor, never on it; None where there is no room.

    first : the side to be preferred, or else below, then above, at the right, at the left
    """
    if anchor.isEmpty():
        return None
    inside = window.adjusted(_EDGE, _EDGE, -_EDGE, -_EDGE)
    w, h, centre = size.width(), size.height(), anchor.center()
    x = max(inside.left(), min(centre.x() - w // 2, inside.right() - w + 1))
    y = max(inside.top(), min(centre.y() - h // 2, inside.bottom() - h + 1))
    boxes = {
        BELOW: QRect(x, anchor.bottom() + 1 + _ARROW, w, h), ABOVE: QRect(x, anchor.top() - _ARROW - h, w, h),
        RIGHT: QRect(anchor.right() + 1 + _ARROW, y, w, h), LEFT: QRect(anchor.left() - _ARROW - w, y, w, h),
    }  # fmt: skip
    for side in (first, *SIDES):
        box = boxes[side]
        if inside.contains(box) and not box.intersects(anchor):
            return Place(box, _tip(anchor, box), side)
    return None


def _tip(anchor: QRect, box: QRect) -> QPoint:
    """The point of the anchor's edge that the arrow touches: its middle, as far as the box reaches."""
    along = _ROUND + _ARROW + 2
    x = max(box.left() + along, min(anchor.center().x(), box.right() - along))
    y = max(box.top() + along, min(anchor.center().y(), box.bottom() - along))
    if box.top() > anchor.bottom():
        return QPoint(x, anchor.bottom() + 1)
    if box.bottom() < anchor.top():
        return QPoint(x, anchor.top() - 1)
    return QPoint(anchor.right() + 1 if box.left() > anchor.right() else anchor.left() - 1, y)


class Bubble(QWidget):
    """A callout with an arrow: a text and two buttons. Takes no keyboard by itself."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName("hint")
        self.setAccessibleName("Hint")
        self._place = Place(QRect(), QPoint())
        self._window = window
        self._text = QLabel()
        self._text.setObjectName("hint.text")
        self._text.setWordWrap(True)
        self._count = label("", "muted")
        self.got_it = _button("Got it", "hint.got", "primary")
        self.no_more = _button("No more hints", "hint.off", "quiet")
        self._box = QWidget(self)
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACE)
        buttons.addWidget(self._count)
        buttons.addStretch(1)
        buttons.addWidget(self.no_more)
        buttons.addWidget(self.got_it)
        column = QVBoxLayout(self._box)
        column.setContentsMargins(2 * SPACE, SPACE + 4, SPACE + 4, SPACE + 4)
        column.setSpacing(SPACE + 2)
        column.addWidget(self._text)
        column.addLayout(buttons)
        QWidget.setTabOrder(self.got_it, self.no_more)
        self.hide()

    def told(self, text: str, number: int, n: int) -> QSize:
        """Say a text.  -> the size of the box that it needs"""
        self._text.setText(text)
        self._count.setText(f"{number} of {n}" if n > 1 else "")
        self.setAccessibleDescription(text)
        layout = self._box.layout()
        assert layout is not None
        for part in (self._text, self._count, self.got_it, self.no_more):
            part.ensurePolished()
        width = min(_WIDTH, self._window.width() - 2 * _EDGE)
        return QSize(width, layout.totalHeightForWidth(width))

    def put(self, place: Place) -> None:
        """Stand there; the widget spans the box, its arrow and its shadow."""
        if place == self._place:
            return
        self._place = place
        shadow = place.box.adjusted(-_SHADOW, -_SHADOW, _SHADOW, _SHADOW)
        whole = shadow.united(QRect(place.tip, QSize(1, 1)))  # the shadow is shorter than the arrow
        self.setGeometry(whole)
        self._box.setGeometry(place.box.translated(-whole.topLeft()))
        self.update()

    @property
    def place(self) -> Place:
        return self._place

    def paintEvent(self, event: QPaintEvent) -> None:
        look, corner = theme.current(), self.geometry().topLeft()
        box, tip = self._place.box.translated(-corner), QPointF(self._place.tip - corner)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        shade = QColor(Qt.GlobalColor.black)
        shade.setAlphaF(0.05)
        painter.setBrush(shade)
        for spread in range(1, _SHADOW):
            painter.drawRoundedRect(QRectF(box).adjusted(-spread, 1 - spread, spread, spread), _ROUND, _ROUND)
        painter.setPen(QPen(QColor(look.accent), 1.5))
        painter.setBrush(QColor(look.raised if look.name == "dark" else look.panel))
        painter.drawPath(_outline(QRectF(box).adjusted(0.75, 0.75, -0.75, -0.75), tip))


def _outline(box: QRectF, tip: QPointF) -> QPainterPath:
    path, arrow = QPainterPath(), QPainterPath()
    path.addRoundedRect(box, _ROUND, _ROUND)
    foot = QPointF(max(box.left(), min(tip.x(), box.right())), max(box.top(), min(tip.y(), box.bottom())))
    upright = foot.x() == tip.x()
    side = QPointF(_ARROW, 0) if upright else QPointF(0, _ARROW)
    inward = (box.center() - foot) * 0.02
    arrow.addPolygon(QPolygonF([tip, foot + side + inward, foot - side + inward, tip]))
    return path.united(arrow)


def _button(text: str, name: str, role: str) -> QPushButton:
    made = QPushButton(text)
    made.setObjectName(name)
    made.setAccessibleName(text)
    made.setProperty("role", role)
    made.setCursor(Qt.CursorShape.PointingHandCursor)
    made.setAutoDefault(False)
    return made


def first_hints(window: MainWindow) -> list[Hint]:
    """What a newcomer is told, in this order."""
    session, line = window.session, window.timeline
    views = {view.name: view for view in window.views}

    def content(name: str) -> Callable[[], QWidget | None]:
        return lambda: views[name].content if name in views and views[name].on_show else None

    def part(name: str) -> Callable[[], QRect | None]:
        return lambda: views[name].pointed_at() if name in views else None

    return [
        Hint(
            "scrub",
            "Drag the slider, or press ← and →: every view shows that checkpoint of the training.",
            lambda: line.slider,
            line.slider.scrubbed,
            line.slider.handle,
        ),
        Hint(
            "neuron",
            "Click a neuron. Every view that can follow shows it.",
            content("neurons"),
            lambda: session.selection.neurons,
            part("neurons"),
        ),
        Hint(
            "frequency",
            "Click a bar: that frequency is marked wherever it appears. Esc clears what is selected.",
            content("spectrum"),
            lambda: session.selection.frequency,
            part("spectrum"),
        ),
        Hint(
            "palette",
            "Ctrl+K finds every command and goes places: type 9400, k 35, neuron 12 or pair\u00a03,\u00a05.",
            lambda: window.findChild(QWidget, "window.search") or window.menuBar(),
            window.palette_window.opened,
        ),
        Hint(
            "bookmark",
            "Ctrl+D keeps this place, with what is selected and a note, beside the run.",
            lambda: window.findChild(QWidget, "timeline.epoch"),
            window.bookmarks.changed,
        ),
    ]
