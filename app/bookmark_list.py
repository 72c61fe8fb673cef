"""The list of bookmarks: its model, its keys and how a bookmark is painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QIcon,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
    QResizeEvent,
    QTextCursor,
)
from PySide6.QtWidgets import (
    QAbstractItemDelegate,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from app import theme
from app.bookmarks import Bookmark, chips
from app.note_editor import NoteEditor, shown_lines
from app.session import Selection
from app.views.plots import epoch_text

Index = QModelIndex | QPersistentModelIndex
_ICON, _CHIP, _LINE, _PAD, _SIDE = 16, 20, 24, 7, 12  # pixels
_NOTE_LINES = 3  # of a note that a card shows


class Marks(QAbstractListModel):
    """The bookmarks, by epoch; the bookmark itself under `UserRole`, its note to edit."""

    def __init__(self, parent: QObject, annotate: Callable[[Bookmark, str], None]) -> None:
        super().__init__(parent)
        self._annotate = annotate
        self.marks: list[Bookmark] = []
        self.here: list[bool] = []  # whether each is what is on show
        self.n_layers = 1

    def fill(self, marks: list[Bookmark], n_layers: int) -> None:
        self.beginResetModel()
        self.marks, self.n_layers, self.here = marks, n_layers, [False] * len(marks)
        self.endResetModel()

    def mark_here(self, selection: Selection) -> bool:
        """Note which bookmarks are what is on show.  -> whether that changed"""
        before, self.here = self.here, [mark.is_at(selection) for mark in self.marks]
        return before != self.here

    def rowCount(self, _parent: Index = QModelIndex()) -> int:  # noqa: B008
        return len(self.marks)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        mark = self.marks[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return mark
        if role == Qt.ItemDataRole.EditRole:
            return mark.note
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            parts = [f"Epoch {epoch_text(mark.epoch)}", *chips(mark, self.n_layers), mark.note]
            return ", ".join(part for part in parts if part)
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(part for part in (mark.note, _written(mark.created)) if part)
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        self._annotate(self.marks[index.row()], str(value))
        return True

    def flags(self, index: Index) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemIsEditable


def _written(created: str) -> str:
    try:
        return f"Kept on {datetime.fromisoformat(created):%Y-%m-%d, %H:%M}"
    except ValueError:
        return ""


class MarkList(QListView):
    """A list whose keys are its own while it has the keyboard."""

    wants = Signal(str)  # go, note or delete

    def __init__(self, model: QAbstractItemModel) -> None:
        super().__init__()
        self.setObjectName("bookmarks")
        self.setAccessibleName("Bookmarks")
        self.setAccessibleDescription("Enter goes there, F2 edits the note, Delete deletes")
        self.setModel(model)
        self.setMouseTracking(True)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)

    def event(self, event: QEvent) -> bool:
        keys = Qt.Key
        its_own = (keys.Key_Up, keys.Key_Down, keys.Key_Home, keys.Key_End, keys.Key_PageUp, keys.Key_PageDown,
                   keys.Key_Return, keys.Key_Enter, keys.Key_Delete, keys.Key_Backspace, keys.Key_F2)  # fmt: skip
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and event.key() in its_own:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        what = {
            Qt.Key.Key_Return: "go", Qt.Key.Key_Enter: "go", Qt.Key.Key_F2: "note",
            Qt.Key.Key_Delete: "delete", Qt.Key.Key_Backspace: "delete",
        }.get(Qt.Key(event.key()))  # fmt: skip
        if what is not None:
            self.wants.emit(what)
        else:
            super().keyPressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.indexAt(event.position().toPoint()).isValid():
            self.wants.emit("go")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.scheduleDelayedItemsLayout()  # heights depend on the width


@dataclass(frozen=True)
class _Layout:
    """Of a card, from its top left corner."""

    epoch: QRect
    chips: tuple[tuple[QRect, str], ...]
    note: QRect
    pencil: QRect
    bin: QRect
    height: int


class Card(QStyledItemDelegate):
    """One bookmark: the epoch, chips of what is selected, the note beneath."""

    wants = Signal(str)

    def __init__(self, view: QListView) -> None:
        super().__init__(view)
        self._view = view
        self._icons: dict[str, QIcon] = {}
        self._edited = QPersistentModelIndex()
        self._editor: NoteEditor | None = None
        self.closeEditor.connect(self._closed)

    def restyle(self) -> None:
        self._icons = {name: theme.icon(name, theme.current().muted) for name in ("pencil", "trash-2")}

    # -- where things stand ------------------------------------------------------------------------------------

    def layout(self, index: Index, width: int) -> _Layout:
        """Everything's place in a card of that width."""
        mark: Bookmark = index.data(Qt.ItemDataRole.UserRole)
        strong, small = _fonts(self._view.font())
        inner = max(40, width - 2 * _SIDE)
        right = _SIDE + inner
        bin_ = QRect(right - _ICON, _PAD + (_LINE - _ICON) // 2, _ICON, _ICON)
        pencil = bin_.translated(-_ICON - 8, 0)
        title = QFontMetrics(strong).horizontalAdvance(_title(mark)) + 2
        x, y = _SIDE + title + 8, _PAD
        placed: list[tuple[QRect, str]] = []
        metrics = QFontMetrics(small)
        model = self._view.model()
        for text in chips(mark, model.n_layers if isinstance(model, Marks) else 1):
            room = (pencil.left() - 6 if y == _PAD else right) - x
            wanted = metrics.horizontalAdvance(text) + 12
            if wanted > room and x > _SIDE:
                x, y = _SIDE, y + _LINE
                room = right - x
            placed.append((QRect(x, y + (_LINE - _CHIP) // 2, min(wanted, room), _CHIP), text))
            x += min(wanted, room) + 4
        y += _LINE
        note = QRect(_SIDE, y, inner, 0)
        if self._is_edited(index):
            note.setHeight(_LINE + 4 if self._editor is None else self._editor.wanted_height)
        elif mark.note:
            lines = len(shown_lines(mark.note, self._view.font(), inner, _NOTE_LINES))
            note.setHeight(lines * QFontMetrics(self._view.font()).lineSpacing() + 2)
        return _Layout(
            QRect(_SIDE, _PAD, title, _LINE), tuple(placed), note, pencil, bin_, y + note.height() + _PAD - 1
        )

    def sizeHint(self, _option: QStyleOptionViewItem, index: Index) -> QSize:
        width = self._view.viewport().width()
        return QSize(width, self.layout(index, width).height)

    # -- painting ----------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        rect, state = option.rect, option.state
        mark: Bookmark = index.data(Qt.ItemDataRole.UserRole)
        model, lay, look = self._view.model(), self.layout(index, rect.width()), theme.current()
        current = bool(state & QStyle.StateFlag.State_Selected)
        over = bool(state & QStyle.StateFlag.State_MouseOver)
        strong, small = _fonts(self._view.font())
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(rect.topLeft())
        self._paint_ground(painter, rect.size(), current, over)
        if isinstance(model, Marks) and model.here[index.row()]:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(look.accent))
            painter.drawRoundedRect(QRectF(4, _PAD + 3, 3, lay.height - 2 * _PAD - 5), 1.5, 1.5)
        painter.setFont(strong)
        painter.setPen(QColor(look.text))
        painter.drawText(lay.epoch, Qt.AlignmentFlag.AlignVCenter, _title(mark))
        painter.setFont(small)
        for place, text in lay.chips:
            _paint_chip(painter, place, text)
        if current or over:
            self._icons["pencil"].paint(painter, lay.pencil)
            self._icons["trash-2"].paint(painter, lay.bin)
        if mark.note and not self._is_edited(index):
            painter.setFont(self._view.font())
            painter.setPen(QColor(look.muted))
            lines = shown_lines(mark.note, self._view.font(), lay.note.width(), _NOTE_LINES)
            painter.drawText(lay.note, Qt.AlignmentFlag.AlignLeft, "\n".join(lines))
        painter.restore()

    def _paint_ground(self, painter: QPainter, size: QSize, current: bool, over: bool) -> None:
        look = theme.current()
        if not (current or over):
            return
        fill = QColor(look.accent if current and self._view.hasFocus() else look.faint)
        fill.setAlphaF(0.16 if current else 0.08)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawRoundedRect(QRectF(0, 0, size.width(), size.height()).adjusted(4, 1, -4, -1), 6, 6)

    # -- the note, and the two icons ---------------------------------------------------------------------------

    def createEditor(self, parent: QWidget, _option: QStyleOptionViewItem, index: Index) -> QWidget:
        self._edited = QPersistentModelIndex(index)
        self._editor = NoteEditor(parent)
        self._editor.grew.connect(self._grew)
        self._grew()
        return self._editor

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        super().setEditorData(editor, index)
        if isinstance(editor, NoteEditor):
            editor.moveCursor(QTextCursor.MoveOperation.End)

    def _grew(self) -> None:
        if self._edited.isValid():
            index = self._view.model().index(self._edited.row(), 0)
            self.sizeHintChanged.emit(index)
            self._view.scrollTo(index)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """In the editor Enter keeps the note; with Shift it begins a new line."""
        if not (isinstance(watched, NoteEditor) and isinstance(event, QKeyEvent)):
            return super().eventFilter(watched, event)
        if event.type() != QEvent.Type.KeyPress or event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            return super().eventFilter(watched, event)
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            watched.insertPlainText("\n")
        else:
            self.commitData.emit(watched)
            self.closeEditor.emit(watched, QAbstractItemDelegate.EndEditHint.NoHint)
        return True

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        note = self.layout(index, option.rect.width()).note
        editor.setGeometry(note.adjusted(-1, 0, 1, 0).translated(option.rect.topLeft()))

    def editorEvent(self, event: QEvent, model: QAbstractItemModel, option: QStyleOptionViewItem, index: Index) -> bool:
        """A click on the pencil, on the bin or, in the current card, on the note."""
        if not isinstance(event, QMouseEvent) or event.button() != Qt.MouseButton.LeftButton:
            return super().editorEvent(event, model, option, index)
        at = event.position().toPoint() - option.rect.topLeft()
        lay = self.layout(index, option.rect.width())
        what = next((w for w, place in (("note", lay.pencil), ("delete", lay.bin)) if _near(place).contains(at)), "")
        if not what:
            return super().editorEvent(event, model, option, index)
        if event.type() == QEvent.Type.MouseButtonRelease:
            self.wants.emit(what)
        return True

    def _is_edited(self, index: Index) -> bool:
        return self._edited.isValid() and self._edited.row() == index.row()

    def _closed(self, editor: QWidget, hint: QAbstractItemDelegate.EndEditHint) -> None:
        was, self._edited, self._editor = self._edited, QPersistentModelIndex(), None
        if was.isValid():
            self.sizeHintChanged.emit(self._view.model().index(was.row(), 0))


def _near(place: QRect) -> QRect:
    return place.adjusted(-4, -4, 4, 4)


def _title(mark: Bookmark) -> str:
    return epoch_text(mark.epoch)


def _fonts(font: QFont) -> tuple[QFont, QFont]:
    """Of the epoch, and of chips."""
    strong, small = QFont(font), QFont(font)
    strong.setWeight(QFont.Weight.DemiBold)
    small.setPixelSize(11)
    return strong, small


def _paint_chip(painter: QPainter, place: QRect, text: str) -> None:
    look = theme.current()
    painter.setPen(QPen(QColor(look.border), 1))
    painter.setBrush(QColor(look.raised))
    painter.drawRoundedRect(QRectF(place).adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
    painter.setPen(QColor(look.text))
    shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, place.width() - 10)
    painter.drawText(place, Qt.AlignmentFlag.AlignCenter, shown)
