"""A view is three methods: build, query, draw. The base does the rest."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtCore import QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QContextMenuEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QMenu, QStackedLayout, QVBoxLayout, QWidget

from app.commands import Command
from app.compute import Answer, Compute, Query
from app.session import BRUSHES, Selection, Session
from app.theme import SPACE
from app.tracing import Tracing
from app.views.controls import label
from app.views.header import Header
from app.views.help import Help, help_text
from app.views.still import tip

if TYPE_CHECKING:
    from app.export import Table

_LATE_MS = 150  # a view that waits longer for its answer is marked
_REST_MS = 120  # of the selection, before exact numbers are asked for
_CLAIM = QSize(460, 260)  # pixels that a view may ask for at least
_REMEMBERED = 64  # questions whose late answers may still be painted
TAKE_OUT = (
    ("Copy image", "copy"), ("Export figure …", "export"), ("Export data (CSV) …", "data"), ("Movie …", "movie"),
)  # fmt: skip
"""What can be taken out of a view with a picture: texts of its menu, and what is asked for."""


class View(QFrame):
    """One linked view: `header` (the title bar of its dock) and the content beneath.

    Subclasses give `build` (items, once), `query` (what must be known, hashable; None: nothing to show yet) and
    `draw` (set data on existing items; never selects). `options` makes the widgets of the option bar, before `build`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]  # one sentence under the pointer
    help: ClassVar[Help]
    stands_beside: ClassVar[bool] = True  # whether a second one, of the reference, may stand beside it

    wanted = Signal(object, str)  # the view, and what it was asked for: copy, export, data, movie, beside, float, close

    def __init__(self, session: Session, compute: Compute) -> None:
        super().__init__()
        self.session, self.compute = session, compute
        self.tracing = Tracing.of(session, compute)
        self._query: Query | None = None
        self._exact: Query | None = None
        self._shown: tuple[Query, Any] | None = None
        self._asked: dict[Query, tuple[int, Selection]] = {}
        self._serial = self._painted = 0
        self._in_front = True
        self._content: QWidget | None = None
        self.failure: tuple[Query, str] | None = None  # the last question that could not be answered, and why
        self.value = ""  # what was last read under the pointer
        self.setObjectName("panel")
        self._message = label("", "muted")
        self._message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._message.setWordWrap(True)
        self.header = Header(self.title, self.about, self.options(), self._menu)
        self.header.wanted.connect(lambda what: self.wanted.emit(self, what))
        self.destroyed.connect(self.header.deleteLater)  # where no dock has it
        self.header.beside.clicked.connect(lambda: self.wanted.emit(self, "beside"))
        self._title, self._subtitle = self.header.title, self.header.subtitle
        self._resting = ""  # the subtitle when nothing is under the pointer
        self._late = self._timer(lambda: self.header.mark_late(self.waiting), _LATE_MS)
        self._rest = self._timer(self._ask_exact, _REST_MS)
        self._lay_out()
        session.changed.connect(self.refresh)
        compute.answered.connect(self._receive)
        self.refresh(session.selection)

    def minimumSizeHint(self) -> QSize:
        """Never so much that it pushes others out of the window: a view lays itself out by the room it has."""
        return super().minimumSizeHint().boundedTo(_CLAIM)

    def build(self) -> QWidget:
        """The content, with all its items."""
        raise NotImplementedError

    def query(self, selection: Selection) -> Query | None:
        """What must be known to draw this selection. Asked for checkpoints ahead too: depends on nothing else."""
        raise NotImplementedError

    def draw(self, answer: Any, selection: Selection) -> None:
        """Show the answer; cheap, and the same however often it is called."""
        raise NotImplementedError

    def exact(self, selection: Selection) -> Query | None:
        """What the printed numbers need beyond the picture; asked when the selection rests."""
        return None

    def write(self, numbers: Any, selection: Selection) -> None:
        """Print the exact numbers."""

    def options(self) -> list[QWidget]:
        """Widgets of the option bar, left to right."""
        return []

    def tables(self, answer: Any, selection: Selection) -> list[Table]:
        """What is on show as columns of numbers, units in their names."""
        return []

    def describe(self, answer: Any, selection: Selection) -> str:
        """A caption's sentences: what is plotted, definitions, keys and the epoch they were taken at, splits."""
        return self.about

    def answers_for(self, what: str) -> bool:
        """Do what its menu asks (copy, export, data) in its own way.  -> whether it did"""
        return False

    def actions_of_its_own(self) -> list[QAction]:
        """More entries of its menu."""
        return []

    def pointed_at(self) -> QRect | None:
        """What a hint about it points at, in the content's coordinates; None: all of it."""
        return None

    def commands(self) -> list[Command]:
        """What can be taken out of it, for the palette."""
        there, made = self.on_show and self.has_picture, []
        for text, what in TAKE_OUT:
            more = " …" if text.endswith("…") else ""
            said = f"{text.removesuffix(more)}: {self.title}{more}"
            made.append(Command(said, partial(self.wanted.emit, self, what), "", "View", there, everyday=False))
        own = self.actions_of_its_own() if there else []
        return made + [Command(a.text(), a.trigger, a.shortcut().toString(), "View", a.isEnabled()) for a in own]

    def restyle(self) -> None:
        """Take the theme's colours again."""

    # -- what the base does --------------------------------------------------------------------------------

    @property
    def content(self) -> QWidget:
        """What is exported."""
        return self.ensure_built()

    def ensure_built(self) -> QWidget:
        """The content, built when it is first needed: views that nobody looks at cost nothing."""
        if self._content is None:
            made = self.build()
            self._stack.insertWidget(0, made)
            self._stack.removeWidget(self._nothing)
            self._nothing.deleteLater()
            self._content = made
        return self._content

    @property
    def has_picture(self) -> bool:
        """Whether there is something to take out."""
        return self._content is not None and self._stack.currentIndex() == 0

    @property
    def on_show(self) -> bool:
        """Whether it can be seen: not closed, and not behind another tab."""
        return self._in_front and self.isVisible()

    def come_to_front(self, in_front: bool) -> None:
        """Whether its dock is in front of its tabs."""
        self._in_front = in_front
        if in_front:
            self.refresh(self.session.selection)

    def change_theme(self) -> None:
        """Everything in the theme's colours."""
        self.header.restyle()
        self.header.set_help(help_text(self.title, self.help) if hasattr(self, "help") else self.about)
        if self._content is not None:
            self.restyle()
            self.redraw()

    @property
    def answer(self) -> Any:
        """What is on show now, or None."""
        return None if self._shown is None else self._shown[1]

    @property
    def waiting(self) -> bool:
        """Whether the picture is not of the current query yet."""
        settled = {settled[0] for settled in (self._shown, self.failure) if settled is not None}
        return self._query is not None and self._query not in settled

    def refresh(self, selection: Selection) -> None:
        """Ask what this selection needs, or draw again if that is known. Nothing while hidden."""
        if not self.on_show:
            return
        self.ensure_built()
        query = self.query(selection) if selection.run is not None and selection.n_checkpoints else None
        if query is None:
            self._query = None
            self._say(self._why_empty(selection))
        elif self._shown is not None and self._shown[0] == query:
            self._note(query, selection)
            self._painted = self._serial  # nothing that was asked before may be painted over it
            self._show(self._shown[1], selection)
        elif query != self._query:
            self._note(query, selection)
            self._ask(query)
        self._want_exact(selection)

    def renew(self) -> None:
        """Ask again: something else than the selection has changed."""
        self.refresh(self.session.selection)

    def _ask(self, query: Query) -> None:
        """Draw what is known already; nobody else need hear of it, as dozens would with every move of a finger."""
        known = self.compute.recall(self, query)
        if known is not None:
            self._receive(query, known)
            return
        if self._shown is None and self.failure is None:
            self._message.setText("…")
        if not self._late.isActive():
            self._late.start()
        self.compute.ask(self, query, last=self.session.is_beside)

    def _note(self, query: Query, selection: Selection) -> None:
        """From now on the view is to show this."""
        self._query = query
        self._serial += 1
        self._asked[query] = (self._serial, selection)
        if len(self._asked) > _REMEMBERED:
            del self._asked[next(iter(self._asked))]

    def redraw(self) -> None:
        """Draw again after an option or the theme changed."""
        self._query = None if self._shown is None else self._query
        self.refresh(self.session.selection)

    def read_out(self, text: str) -> None:
        """The value under the pointer, in the place of the subtitle; empty: the subtitle again."""
        self.value = text or self.value
        self._subtitle.setText(text or self._resting)

    def set_subtitle(self, text: str) -> None:
        if text != self._resting:
            self._resting = text
            self._subtitle.setText(text)
            tip(self._subtitle, text)

    def _receive(self, query: Query, answer: Answer) -> None:
        if query == self._exact and answer.error is None:
            self._write(answer.value)
        if query != self._query:
            self._paint_late(query, answer)
            return
        if answer.error is not None:
            self._shown, self.failure = None, (query, f"{type(answer.error).__name__}: {answer.error}")
            self._say(f"This view could not be computed.\n{self.failure[1]}")
            return
        self._shown, self.failure = (query, answer.value), None
        self._painted = self._serial
        self._show(answer.value, self.session.selection)

    def _paint_late(self, query: Query, answer: Answer) -> None:
        """While a finger moves: an answer that is no longer wanted, but newer than what is painted."""
        serial, asked = self._asked.get(query, (0, None))
        now = self.session.selection
        if asked is None or serial <= self._painted or answer.error is not None or asked.run is not now.run:
            return
        if self._query is None or not self.on_show:
            return
        self._shown, self._painted = (query, answer.value), serial
        brushes = {name: value for name, value in now.brushes().items() if name in BRUSHES}
        for there in (replace(asked, **brushes), asked):
            if self.query(there) == query:  # else it belongs to other options
                self._show(answer.value, there)
                self.header.mark_late(self.waiting)
                return

    def _show(self, value: Any, selection: Selection) -> None:
        self._stack.setCurrentIndex(0)
        try:
            self.draw(value, selection)
        except Exception as error:  # the others live on
            self._say(f"This view could not be drawn.\n{type(error).__name__}: {error}")
            raise
        if not self.waiting:
            self.header.mark_late(False)

    def _want_exact(self, selection: Selection) -> None:
        there = self._query is not None
        self._exact = self.exact(selection) if there else None
        if self._exact is None:
            self._rest.stop()
            return
        known = self.compute.recall((self, "exact"), self._exact, urgent=False)
        if known is None:
            self._rest.start()
            return
        self._rest.stop()
        if known.error is None:
            self._write(known.value)
        self._ask_more()

    def _ask_exact(self) -> None:
        if self._exact is not None:
            self.compute.ask((self, "exact"), self._exact, urgent=False)
            self._ask_more()

    def _ask_more(self) -> None:
        """The selection rests, or its exact numbers are known: what else the view would like to know."""

    def _write(self, numbers: Any) -> None:
        if self._stack.currentIndex() == 0:
            self.write(numbers, self.session.selection)

    def _say(self, text: str) -> None:
        self._message.setText(text)
        self._stack.setCurrentIndex(1)
        self.header.mark_late(False)

    def _why_empty(self, selection: Selection) -> str:
        if selection.run is None:
            return selection.trouble or "No run yet.\nStart one on the left, or drop a run file here."
        return "Waiting for the first checkpoint …" if not selection.n_checkpoints else "Nothing to show here."

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.ensure_built()  # what a view does with its size needs its items
        super().resizeEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh(self.session.selection)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self._menu().popup(event.globalPos())

    def _menu(self) -> QMenu:
        """What can be done with this view."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        value = self.value
        copy = menu.addAction(
            f"Copy value: {value}" if value else "Copy value", lambda: self.wanted.emit(self, "value")
        )
        copy.setEnabled(bool(value))
        for text, what in TAKE_OUT:
            menu.addAction(text, lambda what=what: self.wanted.emit(self, what)).setEnabled(self.has_picture)
        more = self.actions_of_its_own()
        if more:
            menu.addSeparator()
            menu.addActions(more)
        if not self.header.beside.isHidden():
            beside = menu.addAction("Beside the reference", lambda: self.wanted.emit(self, "beside"))
            beside.setCheckable(True)
            beside.setChecked(self.header.beside.isChecked())
        self.header.add_to(menu)
        return menu

    def _timer(self, action: Any, ms: int) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(ms)
        timer.timeout.connect(action)
        return timer

    def _lay_out(self) -> None:
        body = QWidget()
        self._stack: QStackedLayout = QStackedLayout(body)
        self._nothing = QWidget()  # in place of the content
        self._stack.addWidget(self._nothing)
        self._stack.addWidget(self._message)
        self._stack.setCurrentIndex(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE + 4, 0, SPACE + 4, SPACE)
        column.setSpacing(0)
        column.addWidget(body, 1)
        body.setObjectName(f"view.{self.name}")
        body.setAccessibleName(self.title)
        body.setAccessibleDescription(self.about)
        self.header.set_help(help_text(self.title, self.help) if hasattr(self, "help") else self.about)


class TracedView(View):
    """A view over all of training: asks the traces, and again when they grow.

    `analysis(run, n, traces, pinned, revision, *more)`; traces and pinned are None until they are known. While a run is
    trained, traces are empty: what is known without measuring is at hand in `Traces.glance`.
    """

    draws_sketches: ClassVar[bool] = False  # whether it asks again for each sketch, too

    def __init__(self, session: Session, compute: Compute) -> None:
        super().__init__(session, compute)
        self.tracing.grew.connect(self.renew)
        if self.draws_sketches:
            self.tracing.sketched.connect(self.renew)

    def traced(self, analysis: Any, selection: Selection, *more: Any) -> Query:
        """The query of an analysis of the traces."""
        t = self.tracing
        known = (t.traces, t.pinned, t.revision) if t.run is selection.run else (None, None, 0)
        return Query(analysis, (selection.run, selection.n_checkpoints, *known, *more))
