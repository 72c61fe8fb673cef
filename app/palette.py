"""The command palette: every command of the window by a few of its letters, and places by their numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSettings,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QColor,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.commands import NO_MATCH, Command, Marks, Match, fuzzy, key_caps
from app.places import interpret_selection
from app.theme import SPACE
from app.views.controls import label

__all__ = ["Command", "CommandPalette", "interpret_selection"]

Index = QModelIndex | QPersistentModelIndex
_WIDTH, _ROW, _CAPTION, _MOST_ROWS = 600, 32, 24, 11  # pixels, and rows seen at once
_REMEMBERED = 5  # commands used last
_RECENT = "palette/recent"


# -- the list --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A line of the list: a command with its matched letters, or, without one, a caption."""

    command: Command | None
    match: Match = NO_MATCH
    caption: str = ""


def rows(commands: Sequence[Command], text: str, recent: Sequence[str], interpreted: Sequence[Command]) -> list[Row]:
    """What the palette lists for a text.

    recent : names of the commands used last, the last one first
    """
    if not text.strip():
        by_name = {command.name: command for command in commands}
        used = [by_name[name] for name in recent if name in by_name]
        everyday = [command for command in commands if command.everyday]
        if not used:
            return [*map(Row, everyday)]
        rest = [command for command in everyday if command not in used]
        return [
            Row(None, caption="Used last"), *map(Row, used),
            Row(None, caption="All commands"), *map(Row, rest),
        ]  # fmt: skip
    found = [(match, command) for command in commands if (match := fuzzy(text, command)) is not None]
    found.sort(key=lambda pair: (-pair[0].score - (1 if pair[1].name in recent else 0), not pair[1].enabled))
    return [*map(Row, interpreted), *(Row(command, match) for match, command in found)]


class _Rows(QAbstractListModel):
    """The lines; the row itself under `UserRole`."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.rows: list[Row] = []

    def fill(self, lines: list[Row]) -> None:
        self.beginResetModel()
        self.rows = lines
        self.endResetModel()

    def rowCount(self, _parent: Index = QModelIndex()) -> int:  # noqa: B008
        return len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return row
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return spoken(row)
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable if self.runs(index.row()) else Qt.ItemFlag(0)

    def runs(self, i: int) -> bool:
        """Whether line i is a command that can be run."""
        command = self.rows[i].command if 0 <= i < len(self.rows) else None
        return command is not None and command.enabled


def spoken(row: Row) -> str:
    """A line as a screen reader says it."""
    if row.command is None:
        return row.caption
    c = row.command
    return ", ".join(part for part in (c.text, c.group, c.keys, "" if c.enabled else "not available now") if part)


class _Painter(QStyledItemDelegate):
    """Text with its matched letters, the group after it, the shortcut at the right."""

    def sizeHint(self, _option: QStyleOptionViewItem, index: Index) -> QSize:
        row: Row = index.data(Qt.ItemDataRole.UserRole)
        return QSize(100, _ROW if row.command is not None else _CAPTION)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row: Row = index.data(Qt.ItemDataRole.UserRole)
        look = theme.current()
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        font: QFont = option.font
        inner = rect.adjusted(12, 0, -12, 0)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if row.command is None:
            painter.setFont(_sized(font, 11))
            painter.setPen(QColor(look.muted))
            painter.drawText(inner.adjusted(0, 2, 0, 0), Qt.AlignmentFlag.AlignVCenter, row.caption)
            painter.restore()
            return
        if state & QStyle.StateFlag.State_Selected:
            fill = QColor(look.accent)
            fill.setAlphaF(0.18)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill)
            painter.drawRoundedRect(QRectF(rect).adjusted(4, 1, -4, -1), 6, 6)
        self._paint_command(painter, inner, row, font)
        painter.restore()

    def _paint_command(self, painter: QPainter, inner: QRect, row: Row, font: QFont) -> None:
        look, command = theme.current(), row.command
        assert command is not None
        dim = look.faint if command.group else look.muted  # a sentence about what was typed is to be read
        colour = QColor(look.text if command.enabled else dim)
        small = QColor(look.muted if command.enabled else look.faint)
        keys = " + ".join(key_caps(command.keys))
        painter.setFont(_sized(font, 12))
        painter.setPen(small)
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, keys)
        room = inner.adjusted(0, 0, -(painter.fontMetrics().horizontalAdvance(keys) + 16) if keys else 0, 0)
        end = _draw_marked(painter, room, command.text, row.match.text, font, colour)
        rest = room.adjusted(end - room.left() + 10, 0, 0, 0)
        if rest.width() > 24:
            _draw_marked(painter, rest, command.group, row.match.group, _sized(font, 12), small)


def _sized(font: QFont, pixels: int) -> QFont:
    made = QFont(font)
    made.setPixelSize(pixels)
    return made


def _draw_marked(painter: QPainter, room: QRect, text: str, marks: Marks, font: QFont, colour: QColor) -> int:
    """Draw a text with some letters in the accent, elided where there is no room.  -> where it ends"""
    strong = QFont(font)
    strong.setWeight(QFont.Weight.DemiBold)
    accent = QColor(theme.current().accent)
    shown = QFontMetrics(strong if marks else font).elidedText(text, Qt.TextElideMode.ElideRight, room.width())
    x = room.left()
    for marked, piece in _pieces(shown, marks):
        painter.setFont(strong if marked else font)
        painter.setPen(accent if marked else colour)
        painter.drawText(
            QRect(x, room.top(), room.right() - x + 1, room.height()), Qt.AlignmentFlag.AlignVCenter, piece
        )
        x += painter.fontMetrics().horizontalAdvance(piece)
    return x


def _pieces(text: str, marks: Marks) -> list[tuple[bool, str]]:
    """The text cut where marked letters begin and end."""
    pieces: list[tuple[bool, str]] = []
    for i, letter in enumerate(text):
        marked = i in marks
        if pieces and pieces[-1][0] == marked:
            pieces[-1] = (marked, pieces[-1][1] + letter)
        else:
            pieces.append((marked, letter))
    return pieces


# -- the palette -----------------------------------------------------------------------------------------------


class CommandPalette(QWidget):
    """A line and a list above the window. `open` shows it; it goes away by itself."""

    opened = Signal()

    def __init__(self, window: QWidget, settings: QSettings) -> None:
        super().__init__(window)
        self._window, self._settings = window, settings
        self._commands: list[Command] = []
        self._interpret: Callable[[str], list[Command]] = lambda _: []
        self._back: QWidget | None = None  # had the keyboard before
        self.setObjectName("palette")
        self.hide()
        self._lay_out()
        window.installEventFilter(self)
        self._edit.installEventFilter(self)
        self._edit.textChanged.connect(self._fill)
        self._list.clicked.connect(lambda index: self._run(index.row()))
        self._list.entered.connect(self._hover)

    def open(self, commands: Sequence[Command], interpret: Callable[[str], list[Command]] = lambda _: []) -> None:
        """Show these commands; `interpret` gives more for what was typed."""
        self._commands, self._interpret = list(commands), interpret
        if not self.isVisible():
            self._back = QApplication.focusWidget()
        self._search.setPixmap(theme.icon("search", theme.current().muted).pixmap(QSize(18, 18)))
        self._edit.clear()
        self._fill("")
        self.setGeometry(self._window.rect())
        self._place()
        self.show()
        self.raise_()
        self.activateWindow()  # what floats beside the window may have been active
        self._edit.setFocus(Qt.FocusReason.PopupFocusReason)
        self.opened.emit()

    def dismiss(self) -> None:
        """Go away, and give the keyboard back to whoever had it."""
        if self.isVisible():
            self.hide()
            if self._back is not None and self._back.isVisible():
                self._back.activateWindow()
                self._back.setFocus(Qt.FocusReason.PopupFocusReason)
            self._back = None

    def recent(self) -> list[str]:
        """Names of the commands used last, the last one first."""
        value: Any = self._settings.value(_RECENT, [])
        return [value] if isinstance(value, str) else [str(name) for name in (value or [])]

    # -- choosing ----------------------------------------------------------------------------------------------

    def _fill(self, text: str) -> None:
        interpreted = self._interpret(text) if text.strip() else []
        lines = rows(self._commands, text, self.recent(), interpreted)
        self._model.fill(lines)
        first = next((i for i in range(len(lines)) if self._model.runs(i)), -1)
        self._list.scrollToTop()
        self._choose(first, scroll=False)
        self._list.setVisible(bool(lines))
        self._nothing.setVisible(not lines)
        self._nothing.setText(f"No command has these letters: {text.strip()}")
        self._place()

    def _choose(self, i: int, scroll: bool = True) -> None:
        index = self._model.index(i, 0) if i >= 0 else QModelIndex()
        self._list.setCurrentIndex(index)
        if not index.isValid():
            return
        if scroll:
            first = next(n for n in range(len(self._model.rows)) if self._model.runs(n))
            self._list.scrollTo(self._model.index(0, 0) if i == first else index)
        if self.isVisible():  # the keyboard stays in the line, so the choice must be said
            said = QAccessibleAnnouncementEvent(self._list, spoken(self._model.rows[i]))
            QAccessible.updateAccessibility(said)

    def _move(self, by: int) -> None:
        """To the next line that can be run; from end to end only for single steps."""
        there = [i for i in range(len(self._model.rows)) if self._model.runs(i)]
        if not there:
            return
        here = self._list.currentIndex().row()
        place = there.index(here) if here in there else 0
        new = (place + by) % len(there) if abs(by) == 1 else max(0, min(place + by, len(there) - 1))
        self._choose(there[new])

    def _hover(self, index: QModelIndex) -> None:
        if self._model.runs(index.row()):
            self._list.setCurrentIndex(index)

    def _run(self, i: int) -> None:
        if not self._model.runs(i):
            return
        command = self._model.rows[i].command
        assert command is not None
        if any(command is known for known in self._commands):
            names = [command.name, *(name for name in self.recent() if name != command.name)]
            self._settings.setValue(_RECENT, names[:_REMEMBERED])
        self.dismiss()
        command.run()

    # -- keys and mouse ----------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._window:
            if event.type() == QEvent.Type.Resize and self.isVisible():
                self.setGeometry(self._window.rect())
                self._place()
            return False
        if isinstance(event, QKeyEvent) and event.type() in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress):
            action = self._action_of(event)
            if action is not None:
                event.accept()  # or the window's own shortcuts would have it
                if event.type() == QEvent.Type.KeyPress:
                    action()
                return True
        return False

    def _action_of(self, event: QKeyEvent) -> Callable[[], object] | None:
        """What a key does here; None: the line's own business."""
        key, modifiers = Qt.Key(event.key()), event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        page, most = max(2, self._list.height() // _ROW - 1), max(2, len(self._model.rows))
        actions: dict[Qt.Key, Callable[[], object]] = {
            Qt.Key.Key_Escape: self.dismiss,
            Qt.Key.Key_Return: lambda: self._run(self._list.currentIndex().row()),
            Qt.Key.Key_Enter: lambda: self._run(self._list.currentIndex().row()),
            Qt.Key.Key_Up: lambda: self._move(-1), Qt.Key.Key_Down: lambda: self._move(1),
            Qt.Key.Key_Backtab: lambda: self._move(-1), Qt.Key.Key_Tab: lambda: self._move(1),
            Qt.Key.Key_PageUp: lambda: self._move(-page), Qt.Key.Key_PageDown: lambda: self._move(page),
            Qt.Key.Key_Home: lambda: self._move(-most), Qt.Key.Key_End: lambda: self._move(most),
        }  # fmt: skip
        if modifiers and key != Qt.Key.Key_Backtab:
            return None
        return actions.get(key)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Beside the palette: away with it."""
        self.dismiss()

    # -- look --------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """The window steps back, and the palette casts a shadow."""
        painter = QPainter(self)
        veil = QColor(theme.current().window)
        veil.setAlphaF(0.45)
        painter.fillRect(self.rect(), veil)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        shade = QColor(Qt.GlobalColor.black)
        shade.setAlphaF(0.025)
        painter.setBrush(shade)
        for spread in range(1, 15, 2):
            rect = QRectF(self._frame.geometry()).adjusted(-spread, 4 - spread, spread, 4 + spread)
            painter.drawRoundedRect(rect, 10 + spread, 10 + spread)

    def _place(self) -> None:
        """At the top, in the middle, as high as its list."""
        width = min(_WIDTH, self._window.width() - 4 * SPACE)
        top = max(2 * SPACE, min(88, self._window.height() // 9))
        heights = [_ROW if row.command is not None else _CAPTION for row in self._model.rows[:_MOST_ROWS]]
        rest = self._frame.sizeHint().height() - self._list.height()
        self._list.setFixedHeight(max(_ROW, min(sum(heights), self._window.height() - top - rest - SPACE)))
        column = self._frame.layout()
        assert column is not None
        column.activate()
        size = QSize(width, self._frame.sizeHint().height())
        self._frame.setGeometry(QRect(QPoint((self._window.width() - width) // 2, top), size))
        self.update()

    def _lay_out(self) -> None:
        self._frame = QFrame(self)
        self._frame.setObjectName("paletteFrame")
        self._search = QLabel()
        self._edit = QLineEdit()
        self._edit.setObjectName("palette.text")
        self._edit.setAccessibleName("Find a command")
        self._edit.setPlaceholderText("Find a command, or go to:  9400   k 35   neuron 12   head 2   pair 3, 5")
        self._model = _Rows(self)
        self._list = QListView()
        self._list.setObjectName("palette.list")
        self._list.setAccessibleName("Commands")
        self._list.setModel(self._model)
        self._list.setItemDelegate(_Painter(self._list))
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list.setMouseTracking(True)
        self._list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._nothing = label("", "muted")
        self._nothing.setContentsMargins(12, 4, 12, 8)
        self._nothing.setWordWrap(True)
        line = QHBoxLayout()
        line.setContentsMargins(12, 6, 10, 6)
        line.setSpacing(SPACE)
        line.addWidget(self._search)
        line.addWidget(self._edit, 1)
        column = QVBoxLayout(self._frame)
        column.setContentsMargins(1, 1, 1, 6)
        column.setSpacing(0)
        column.addLayout(line)
        rule = QFrame()
        rule.setObjectName("paletteRule")
        rule.setFixedHeight(1)
        column.addWidget(rule)
        column.addSpacing(4)
        column.addWidget(self._list)
        column.addWidget(self._nothing)
