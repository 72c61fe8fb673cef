"""The bookmarks of the run on show: a list to go to, with notes."""

from __future__ import annotations

import re
from collections.abc import Callable

from PySide6.QtCore import QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.bookmark_list import Card, MarkList, Marks
from app.bookmarks import Bookmark, BookmarkError, Bookmarks, apply, markdown
from app.session import Selection, Session
from app.theme import SPACE
from app.views.controls import label
from app.views.header import Header
from app.views.plots import epoch_text

_SIDE = 12  # pixels
_ABOUT = "Places worth coming back to: an epoch, what was selected there, and a note"
_HELP = (
    "<b>Bookmarks</b><br>A bookmark keeps the epoch and what is selected: frequency, neurons, pair, pinned keys, "
    "faders and thresholds. Enter or a double click goes back there; F2 writes the note, in as many lines as it needs "
    "(Shift+Enter begins one); Del deletes. They are kept in a file beside the run."
)


class BookmarksPanel(QFrame):
    """`header` is the title bar of its dock. `add` keeps what is on show; `epochs` are marks for a timeline."""

    changed = Signal()  # the bookmarks are others, or another run's
    said = Signal(str)  # for the status bar

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.bookmarks: Bookmarks | None = None
        self._deleted: list[Bookmark] = []  # the last one at the end
        self._back: QWidget | None = None  # had the keyboard before a note was asked for
        self.setObjectName("panel")
        self.header = Header("Bookmarks", _ABOUT, [], self._menu)
        self.header.set_help(_HELP)
        self._lay_out()
        self.restyle()
        session.changed.connect(self._selected)
        self._selected(session.selection)

    def sizeHint(self) -> QSize:
        return QSize(264, 420)

    def epochs(self) -> list[int]:
        """Epochs that have a bookmark, ascending."""
        return [] if self.bookmarks is None else self.bookmarks.epochs()

    # -- what can be done --------------------------------------------------------------------------------------

    def add(self) -> None:
        """Keep what is on show, and ask for a note where the list is to be seen."""
        selection = self.session.selection
        if self.bookmarks is None or not selection.n_checkpoints:
            self.said.emit("There is nothing to bookmark yet: open a run first.")
            return
        n = len(self.bookmarks)
        kept = self._try(lambda marks: marks.add(Bookmark.of(selection)))
        if kept is None:
            return
        self._show_deleted([])
        what = "Bookmarked" if len(self.bookmarks) > n else "Bookmarked already:"
        self.said.emit(f"{what} epoch {epoch_text(kept.epoch)}.")
        self._fill(kept)
        if self.isVisible():
            focus = QApplication.focusWidget()
            self._back = None if focus is None or self.isAncestorOf(focus) else focus
            QTimer.singleShot(0, self.edit_note)  # after the layouts

    def go(self) -> None:
        """Go to the current bookmark."""
        mark = self.current
        if mark is not None:
            apply(self.session, mark)

    def edit_note(self) -> None:
        index = self._list.currentIndex()
        if index.isValid() and self._list.isVisible():
            self._list.setFocus()
            self._list.edit(index)

    def delete(self) -> None:
        """Delete the current bookmark; it can be taken back."""
        mark, row = self.current, self._list.currentIndex().row()
        if mark is None or self._try(lambda marks: marks.remove(mark)) is None:
            return
        self._show_deleted([*self._deleted, mark])
        self._fill()
        self._list.setCurrentIndex(self._model.index(min(row, self._model.rowCount() - 1), 0))

    def undo_delete(self) -> None:
        """Take the last deletion back."""
        mark = self._deleted[-1] if self._deleted else None
        if mark is None or self._try(lambda marks: marks.add(mark)) is None:
            return
        self._show_deleted(self._deleted[:-1])
        self._fill(mark)
        self._list.setFocus()

    def copy_markdown(self) -> None:
        """All bookmarks of the run, for notes."""
        QApplication.clipboard().setText(self._markdown())
        self.said.emit(f"{_counted(len(self.bookmarks or []))} copied as Markdown.")

    def save_markdown(self) -> None:
        run = self.session.selection.run
        if run is None:
            return
        suggested = str(run.path.with_suffix(".bookmarks.md"))
        name, _ = QFileDialog.getSaveFileName(self, "Save the bookmarks", suggested, "Markdown (*.md)")
        if not name:
            return
        try:
            with open(name, "w", encoding="utf-8") as file:
                file.write(self._markdown())
        except OSError as error:
            self._tell(f"{name} could not be written ({error.strerror}); choose another folder.")
        else:
            self.said.emit(f"{_counted(len(self.bookmarks or []))} saved in {name}.")

    @property
    def current(self) -> Bookmark | None:
        """The bookmark under the list's cursor."""
        mark: Bookmark | None = self._list.currentIndex().data(Qt.ItemDataRole.UserRole)
        return mark

    def restyle(self) -> None:
        self.header.restyle()
        self._card.restyle()
        self._add.setIcon(theme.icon("bookmark-plus"))
        self._list.viewport().update()

    # -- what follows ------------------------------------------------------------------------------------------

    def _selected(self, selection: Selection) -> None:
        run = selection.run
        if run is not (None if self.bookmarks is None else self.bookmarks.run):
            self.bookmarks = None if run is None else Bookmarks(run)
            self._show_deleted([])
            self._tell("" if self.bookmarks is None else self.bookmarks.trouble)
            self._fill()
        self._add.setEnabled(selection.n_checkpoints > 0)
        if self._model.mark_here(selection):
            self._list.viewport().update()
        self._say_why_empty(selection)

    def _annotated(self, mark: Bookmark, note: str) -> None:
        new = self._try(lambda marks: marks.annotate(mark, note.strip()))
        if new is not None and new != mark:
            self._fill(new)

    def _try(self, change: Callable[[Bookmarks], Bookmark]) -> Bookmark | None:
        """Change the bookmarks.  -> what the change gives; None where it failed, and why is shown"""
        if self.bookmarks is None:
            return None
        try:
            result = change(self.bookmarks)
        except BookmarkError as error:
            self._tell(str(error))
            return None
        self._tell(self.bookmarks.trouble)
        return result

    def _fill(self, current: Bookmark | None = None) -> None:
        """List what there is now, with this one under the cursor."""
        marks = list(self.bookmarks or [])
        self._model.fill(marks, 1 if self.bookmarks is None else self.bookmarks.run.config.n_layers)
        self._model.mark_here(self.session.selection)
        self.header.subtitle.setText(str(len(marks)) if marks else "")
        self._stack.setCurrentIndex(0 if marks else 1)
        if current in marks:
            index = self._model.index(marks.index(current), 0)
            self._list.setCurrentIndex(index)
            self._list.scrollTo(index)
        self._say_why_empty(self.session.selection)
        self.changed.emit()

    def _say_why_empty(self, selection: Selection) -> None:
        if selection.run is None:
            text = "Open a run, or start one, to keep places in it."
        elif not selection.n_checkpoints:
            text = "Waiting for the first checkpoint …"
        else:
            text = "No bookmarks yet.\n\nCtrl+D keeps this epoch, with what is selected and a note."
        self._empty.setText(text)

    def _tell(self, trouble: str) -> None:
        self._trouble.setText(re.sub(r"([._/])", "\\1\u200b", trouble))  # long names break too
        self._trouble.setToolTip(trouble)
        self._trouble.setVisible(bool(trouble))

    def _show_deleted(self, deleted: list[Bookmark]) -> None:
        self._deleted = deleted
        self._undo_row.setVisible(bool(deleted))
        if deleted:
            self._undo_text.setText(f"Deleted epoch {epoch_text(deleted[-1].epoch)}")

    def _note_done(self) -> None:
        """Give the keyboard back to whoever had it before a bookmark was added."""
        if self._back is not None and self._back.isVisible():
            self._back.setFocus()
        self._back = None

    def _markdown(self) -> str:
        return "" if self.bookmarks is None else markdown(self.bookmarks.run, list(self.bookmarks))

    def _menu(self) -> QMenu:
        """Of the header, and of a right click in the list."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        mark, some = self.current, bool(self.bookmarks)
        for text, action, there in (
            ("Go there\tEnter", self.go, mark is not None),
            ("Edit the note\tF2", self.edit_note, mark is not None),
            ("Delete\tDel", self.delete, mark is not None),
            ("", None, True),
            ("Copy all as Markdown", self.copy_markdown, some),
            ("Save all as Markdown …", self.save_markdown, some),
        ):
            if action is None:
                menu.addSeparator()
            else:
                menu.addAction(text, action).setEnabled(there)
        self.header.add_to(menu)
        return menu

    def _open_menu(self, at: QPoint) -> None:
        index = self._list.indexAt(at)
        if index.isValid():
            self._list.setCurrentIndex(index)
        self._menu().popup(self._list.viewport().mapToGlobal(at))

    def _lay_out(self) -> None:
        self._trouble = label("", "error")
        self._trouble.setObjectName("bookmarks.trouble")
        self._trouble.setWordWrap(True)
        self._trouble.setContentsMargins(_SIDE, 0, _SIDE, 4)
        self._empty = label("", "muted")
        self._empty.setObjectName("bookmarks.empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setContentsMargins(_SIDE, 0, _SIDE, 0)
        self._model = Marks(self, self._annotated)
        self._list = MarkList(self._model)
        self._card = Card(self._list)
        self._list.setItemDelegate(self._card)
        self._list.wants.connect(lambda what: {"go": self.go, "note": self.edit_note, "delete": self.delete}[what]())
        self._list.customContextMenuRequested.connect(self._open_menu)
        self._card.wants.connect(self._list.wants)
        self._card.closeEditor.connect(self._note_done)
        body = QWidget()
        self._stack = QStackedLayout(body)
        self._stack.addWidget(self._list)
        self._stack.addWidget(self._empty)
        self._stack.setCurrentIndex(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, SPACE)
        column.setSpacing(4)
        column.addWidget(self._trouble)
        column.addWidget(body, 1)
        column.addWidget(self._make_undo_row())
        column.addLayout(self._make_footer())
        self._tell("")
        self._show_deleted([])

    def _make_undo_row(self) -> QWidget:
        self._undo_row = QWidget()
        self._undo_text = label("", "muted")
        undo = QPushButton("Undo")
        undo.setObjectName("bookmarks.undo")
        undo.setAccessibleName("Take the deletion back")
        undo.setProperty("role", "quiet")
        undo.clicked.connect(self.undo_delete)
        row = QHBoxLayout(self._undo_row)
        row.setContentsMargins(_SIDE, 0, _SIDE, 0)
        row.addWidget(self._undo_text)
        row.addStretch(1)
        row.addWidget(undo)
        return self._undo_row

    def _make_footer(self) -> QHBoxLayout:
        self._add = QPushButton("Bookmark this")
        self._add.setObjectName("bookmarks.add")
        self._add.setToolTip("Keep this epoch, with what is selected and a note (Ctrl+D)")
        self._add.setAccessibleName("Bookmark what is on show (Ctrl+D)")
        self._add.setMaximumWidth(320)
        self._add.clicked.connect(self.add)
        footer = QHBoxLayout()
        footer.setContentsMargins(_SIDE, 0, _SIDE, 0)
        footer.addWidget(self._add, 1)
        return footer


def _counted(n: int) -> str:
    return f"{n} bookmark" + ("" if n == 1 else "s")
