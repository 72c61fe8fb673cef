"""A view is three methods: build, query, draw. The base does the rest."""

from __future__ import annotations

from typing import Any, ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.compute import Answer, Compute, Query
from app.session import Selection, Session
from app.theme import SPACE


class View(QFrame):
    """One linked view in its frame.

    Subclasses give `build` (items, once), `query` (what must be known, hashable; None: nothing to show yet) and
    `draw` (set data on existing items; never selects). `options` makes the widgets of the option bar.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]  # one sentence under the pointer

    def __init__(self, session: Session, compute: Compute) -> None:
        super().__init__()
        self.session, self.compute = session, compute
        self._query: Query | None = None
        self._shown: tuple[Query, Any] | None = None
        self.failure: tuple[Query, str] | None = None  # the last question that could not be answered, and why
        self.setObjectName("panel")
        self._title = label(self.title, "title")
        self._title.setToolTip(self.about)
        self._subtitle = ElidedLabel("")
        self._subtitle.setProperty("role", "muted")
        self._subtitle.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._resting = ""  # the subtitle when nothing is under the pointer
        self._message = label("", "muted")
        self._message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._message.setWordWrap(True)
        self._lay_out()
        session.changed.connect(self.refresh)
        compute.answered.connect(self._receive)
        self.refresh(session.selection)

    def build(self) -> QWidget:
        """The content, with all its items."""
        raise NotImplementedError

    def query(self, selection: Selection) -> Query | None:
        """What must be known to draw this selection."""
        raise NotImplementedError

    def draw(self, answer: Any, selection: Selection) -> None:
        """Show the answer; cheap, and the same however often it is called."""
        raise NotImplementedError

    def options(self) -> list[QWidget]:
        """Widgets of the option bar, left to right."""
        return []

    def restyle(self) -> None:
        """Take the theme's colours again."""

    # -- what the base does --------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether the picture is not of the current query yet."""
        settled = {settled[0] for settled in (self._shown, self.failure) if settled is not None}
        return self._query is not None and self._query not in settled

    def refresh(self, selection: Selection) -> None:
        """Ask what this selection needs, or draw again if that is known."""
        query = self.query(selection) if selection.run is not None and selection.n_checkpoints else None
        if query is None:
            self._query = None
            self._say(self._why_empty(selection))
        elif self._shown is not None and self._shown[0] == query:
            self._query = query
            self._show(self._shown[1], selection)
        elif query != self._query:
            self._query = query  # before asking: a cached answer arrives inside the call
            self.compute.ask(self, query)

    def redraw(self) -> None:
        """Draw again after an option or the theme changed."""
        self._query = None if self._shown is None else self._query
        self.refresh(self.session.selection)

    def read_out(self, text: str) -> None:
        """The value under the pointer, in the place of the subtitle; empty: the subtitle again."""
        self._subtitle.setText(text or self._resting)

    def set_subtitle(self, text: str) -> None:
        self._resting = text
        self._subtitle.setText(text)
        self._subtitle.setToolTip(text)

    def _receive(self, query: Query, answer: Answer) -> None:
        if query != self._query:
            return  # no longer mine
        if answer.error is not None:
            self._shown, self.failure = None, (query, f"{type(answer.error).__name__}: {answer.error}")
            self._say(f"This view could not be computed.\n{self.failure[1]}")
            return
        self._shown, self.failure = (query, answer.value), None
        self._show(answer.value, self.session.selection)

    def _show(self, value: Any, selection: Selection) -> None:
        self._stack.setCurrentIndex(0)
        try:
            self.draw(value, selection)
        except Exception as error:  # the others live on
            self._say(f"This view could not be drawn.\n{type(error).__name__}: {error}")
            raise

    def _say(self, text: str) -> None:
        self._message.setText(text)
        self._stack.setCurrentIndex(1)

    def _why_empty(self, selection: Selection) -> str:
        if selection.run is None:
            return selection.trouble or "No run yet.\nStart one on the left, or drop a run file here."
        return "Waiting for the first checkpoint …" if not selection.n_checkpoints else "Nothing to show here."

    def _lay_out(self) -> None:
        header = QHBoxLayout()
        header.setSpacing(SPACE)
        header.addWidget(self._title)
        header.addWidget(self._subtitle, 1)
        body = QWidget()
        self._stack = QStackedLayout(body)
        self._stack.addWidget(self.build())
        self._stack.addWidget(self._message)
        for widget in self.options():
            header.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE + 4, SPACE, SPACE + 4, SPACE)
        column.setSpacing(SPACE)
        column.addLayout(header)
        column.addWidget(body, 1)
        body.setObjectName(f"view.{self.name}")
        body.setAccessibleName(self.title)
        body.setAccessibleDescription(self.about)


class ElidedLabel(QLabel):
    """A label that ends in … where there is no room, instead of being cut."""

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)


def label(text: str, role: str) -> QLabel:
    """A label in one of the style sheet's roles."""
    made = QLabel(text)
    made.setProperty("role", role)
    return made


def toggle(text: str, name: str, tip: str, checked: bool = False) -> QToolButton:
    """A small button of an option bar that stays pressed."""
    button = QToolButton()
    button.setText(text)
    button.setCheckable(True)
    button.setChecked(checked)
    button.setObjectName(name)
    button.setAccessibleName(tip)
    button.setToolTip(tip)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
