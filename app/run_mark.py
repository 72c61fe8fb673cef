"""The mark of the reference: its name in a dashed frame, its epoch, and where that is not quite the one wanted."""

from __future__ import annotations

import math

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app import theme
from app.numbers import epoch_text
from app.views.painting import font
from app.views.still import on_panel, stand_on_panel, tip
from engine.analysis.alignment import Moments, Place

_PIXELS, _HEIGHT, _PAD, _GAP = 12, 20, 6, 6
_WIDEST, _NARROWEST = 150, 44  # pixels of the name
_EPOCH = "00 000"  # room for it


def place_words(there: Place | None) -> str:
    """What is to be said of a checkpoint that is not where it should be; empty: nothing."""
    if there is None or there.where in ("at", "near"):
        return ""
    if there.is_beyond:
        return "not begun" if there.where == "before" else "past its end"
    return f"{'+' if there.epoch > there.wanted else '−'}{epoch_text(round(abs(there.epoch - there.wanted)))}"


def place_told(there: Place | None) -> str:
    """The same in a sentence."""
    if there is None:
        return "No checkpoint of it stands beside the one on show."
    beside = f"Epoch {epoch_text(there.epoch)} stands beside the one on show"
    if there.where == "at":
        return f"{beside}."
    wanted = epoch_text(round(there.wanted))
    if there.is_beyond:
        end = "first" if there.where == "before" else "last"
        return f"Epoch {wanted} would belong here, but the run has nothing there: this is its {end} checkpoint."
    return f"{beside}: the checkpoint nearest to epoch {wanted}."


def moment_text(found: Moments, epoch: int | None, none: str) -> str:
    """A moment of a run; of a fork that begins later it is not known when that was."""
    if epoch is None:
        return none
    return f"{'≤ ' if found.is_before(epoch) else ''}{epoch_text(epoch)}"


class RunMark(QWidget):
    """Dashed like the reference's curves. Only its words change from frame to frame; nothing moves around it."""

    def __init__(self) -> None:
        super().__init__()
        self._name, self._epoch, self._words, self._about = "", "", "", ""
        self.setObjectName("reference.mark")
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        stand_on_panel(self)

    def show_run(self, name: str, about: str) -> None:
        """name : of the file    about : how it is related, and what differs"""
        if (name, about) != (self._name, self._about):
            self._name, self._about = name, about
            self.setAccessibleName(f"Reference: {name}")
            self.updateGeometry()
            self.update()

    def show_place(self, there: Place | None) -> None:
        """The checkpoint on show."""
        epoch, words = "" if there is None else epoch_text(there.epoch), place_words(there)
        if (epoch, words) != (self._epoch, self._words):
            wider = words != self._words
            self._epoch, self._words = epoch, words
            self.setAccessibleDescription(f"epoch {epoch} {words}".strip())
            if wider:
                self.updateGeometry()
            self.update()
        tip(self, f"{self._name}: {self._about}\n{place_told(there)}")

    @property
    def said(self) -> str:
        """Name, epoch and what is not quite right."""
        return " ".join(part for part in (self._name, self._epoch, self._words) if part)

    def sizeHint(self) -> QSize:
        plain = QFontMetrics(font(_PIXELS, True))
        name = min(_WIDEST, plain.horizontalAdvance(self._name) + 1)  # an advance is rounded
        return QSize(name + self._rest(), _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(_NARROWEST + self._rest(), _HEIGHT)

    def _rest(self) -> int:
        """Pixels of all but the name."""
        plain = QFontMetrics(font(_PIXELS))
        words = plain.horizontalAdvance(self._words) + 2 * _PAD + _GAP if self._words else 0
        epoch = max(plain.horizontalAdvance(text) for text in (_EPOCH, self._epoch))
        return math.ceil(2 * _PAD + _GAP + epoch + words)

    def paintEvent(self, event: QPaintEvent) -> None:
        look, painter = theme.current(), on_panel(self, event)
        painter.setRenderHint(painter.RenderHint.Antialiasing)
        middle = Qt.AlignmentFlag.AlignVCenter
        name_font = font(_PIXELS, True)
        room = self.width() - self._rest()
        name = QFontMetrics(name_font).elidedText(self._name, Qt.TextElideMode.ElideMiddle, room)
        frame = QRectF(0.5, 1.5, min(room, QFontMetrics(name_font).horizontalAdvance(name)) + 2 * _PAD, _HEIGHT - 3)
        painter.setPen(QPen(QColor(look.muted), 1, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(frame, 5, 5)
        painter.setPen(QColor(look.text))
        painter.setFont(name_font)
        painter.drawText(frame.adjusted(_PAD, 0, 0, 0), middle, name)
        plain = font(_PIXELS)
        painter.setFont(plain)
        x = frame.right() + _GAP
        painter.drawText(QRectF(x, 0, self.width() - x, _HEIGHT), middle, self._epoch)
        if self._words:
            x += QFontMetrics(plain).horizontalAdvance(self._epoch) + _GAP
            box = QRectF(x, 2, QFontMetrics(plain).horizontalAdvance(self._words) + 2 * _PAD, _HEIGHT - 4)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(look.accent))
            painter.drawRoundedRect(box, 4, 4)
            painter.setPen(QColor(look.on_accent))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self._words)
