"""The title bar of a dock: its option bar, help and menu."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app import theme
from app.theme import SPACE
from app.views.controls import ElidedLabel, label
from app.views.still import QuietLabel

_CORNER = 8  # pixels, of a title bar


class Header(QFrame):
    """The title bar: title, what is under the pointer, options, help and menu. A dock is dragged by it."""

    HEIGHT = 34
    wanted = Signal(str)  # of its dock: float, close

    def __init__(self, title: str, about: str, options: Sequence[QWidget], menu: Any) -> None:
        super().__init__()
        self.setObjectName("panelHeader")
        self.setFixedHeight(self.HEIGHT)
        self._menu = menu
        self._help = ""
        self._icons: dict[QToolButton, str] = {}
        self.title = ElidedLabel(title)
        self.title.setProperty("role", "title")
        self.title.setToolTip(about)
        self.subtitle = QuietLabel()
        self.subtitle.setProperty("role", "muted")
        self.subtitle.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.late = label("late", "late")
        self.late.setToolTip("The picture is of a checkpoint before the one on show: the answer is on its way")
        self.late.setVisible(False)
        self._options = list(options)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(SPACE + 4, 2, SPACE - 2, 0)
        self._row.setSpacing(4)
        self._row.addWidget(self.title)
        self._row.addSpacing(4)
        self._row.addWidget(self.subtitle, 1)
        self._row.addWidget(self.late, 0, Qt.AlignmentFlag.AlignVCenter)
        self._place = self._row.count()
        for widget in self._options:
            self._row.addWidget(widget)
        self._popup = Popup(self)
        self._more = self._button("sliders-horizontal", "Options", self._open_options)
        self._more.setVisible(False)
        self.beside = self._button("columns-2", f"{title} of the reference beside it", lambda: None)
        self.beside.setCheckable(True)
        self.beside.setVisible(False)  # until there is a reference
        self.help_button = self._button("circle-help", f"What {title} shows", self.show_help)
        self.menu_button = self._button("ellipsis", f"Menu of {title}", self._open_menu)
        self._narrow = self._active = False
        self._other: QWidget | None = None
        self._fit = QTimer(self)
        self._fit.setSingleShot(True)
        self._fit.timeout.connect(self.fit)

    def mark_late(self, late: bool) -> None:
        if self.late.isVisible() != late:
            self.late.setVisible(late)

    def mark_active(self, active: bool) -> None:
        """Whether what is beneath it has the keyboard: a line says so."""
        if active != self._active:
            self._active = active
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._active:
            QPainter(self).fillRect(_CORNER, 0, self.width() - 2 * _CORNER, 2, QColor(theme.current().accent))

    def add_to(self, menu: QMenu) -> None:
        """The end of its menu: help, and what its dock can do."""
        menu.addSeparator()
        menu.addAction("What is this?", self.show_help)
        for text, what in (("Float or dock", "float"), ("Close", "close")):
            menu.addAction(text, lambda what=what: self.wanted.emit(what))

    def set_help(self, text: str) -> None:
        self._help = text

    def show_help(self) -> None:
        """The view's help beneath its button."""
        popup = Popup(self)
        popup.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        text = QLabel(self._help)
        text.setTextFormat(Qt.TextFormat.RichText)
        text.setWordWrap(True)
        text.setFixedWidth(440)
        text.setFixedHeight(text.heightForWidth(440))
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        popup.column.addWidget(text)
        popup.open_beneath(self.help_button)

    def share_with(self, other: QWidget | None) -> None:
        """Leave the right end of the bar to the bar of what stands there; None: take all of it again."""
        if self._other is not None:
            self._row.removeWidget(self._other)
            self._other.hide()
        self._other = other
        margins = self._row.contentsMargins()
        self._row.setContentsMargins(margins.left(), margins.top(), SPACE - 2 if other is None else 0, margins.bottom())
        if other is not None:
            self._row.addWidget(other)
            other.show()
        self._fit.start(0)

    def become_second(self, mark: QWidget) -> None:
        """The bar of what stands right of another: `mark` says what it is of, options are those of the other."""
        self.setObjectName("secondHeader")
        self.setFixedHeight(self.HEIGHT - self._row.contentsMargins().top())
        self._row.setContentsMargins(SPACE + 4, 0, 0, 0)
        self._row.insertWidget(0, mark)
        self._unseen = QWidget(self)
        column = QVBoxLayout(self._unseen)
        for widget in self._options:
            column.addWidget(widget)
        self._unseen.setVisible(False)
        self._options = []
        self.help_button.setVisible(False)

    @property
    def options(self) -> list[QWidget]:
        """The widgets of the option bar, left to right."""
        return list(self._options)

    def restyle(self) -> None:
        for button, name in self._icons.items():
            button.setIcon(theme.icon(name, theme.current().muted))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.HEIGHT)

    def sizeHint(self) -> QSize:
        return QSize(240, self.HEIGHT)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit.start(0)  # not now: moving the options resizes again

    def fit(self) -> None:
        """Options stand in the bar where there is room, else behind a button."""
        wanted = sum(widget.sizeHint().width() + 4 for widget in self._options if not widget.isHidden() or self._narrow)
        taken = sum(30 for button in (self.beside, self.help_button, self.menu_button) if not button.isHidden())
        taken += 0 if self._other is None else self._other.width()
        room = self.width() - self.title.sizeHint().width() - taken - 3 * SPACE - 70
        narrow = bool(self._options) and wanted > room
        if narrow == self._narrow:
            return
        self._narrow = narrow
        for i, widget in enumerate(self._options):
            hidden = widget.isHidden()
            if narrow:
                self._popup.column.addWidget(widget)
            else:
                self._row.insertWidget(self._place + i, widget)
            widget.setVisible(not hidden)
        self._more.setVisible(narrow)

    def _open_options(self) -> None:
        self._popup.open_beneath(self._more)

    def _open_menu(self) -> None:
        self._menu().popup(self.menu_button.mapToGlobal(QPoint(0, self.menu_button.height())))

    def _button(self, icon: str, tip: str, action: Any) -> QToolButton:
        button = QToolButton()
        button.setIconSize(QSize(16, 16))
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(action)
        self._icons[button] = icon
        button.setIcon(theme.icon(icon, theme.current().muted))
        self._row.addWidget(button)
        return button


class Popup(QFrame):
    """A small window beneath a button that a click elsewhere closes."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("popup")
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(SPACE + 4, SPACE, SPACE + 4, SPACE)
        self.column.setSpacing(4)

    def open_beneath(self, button: QWidget) -> None:
        """Right edges together, on the screen."""
        wanted = self.column.totalSizeHint()
        self.resize(wanted.boundedTo(button.screen().availableSize()))
        corner = button.mapToGlobal(QPoint(button.width(), button.height() + 2))
        screen = button.screen().availableGeometry()
        x = max(screen.left(), min(corner.x() - self.width(), screen.right() - self.width()))
        y = max(screen.top(), min(corner.y(), screen.bottom() - self.height()))
        self.move(x, y)
        self.show()
