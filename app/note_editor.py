"""Notes of several lines: where they are written, and how much of them a card shows."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QFontMetrics, QTextLayout, QTextOption
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QWidget

MOST_LINES = 8  # the editor grows to that, and scrolls beyond
_AROUND = 10  # pixels: what the editor needs above and below its text


class NoteEditor(QPlainTextEdit):
    """As high as its text. Shift+Enter begins a new line; Enter and Escape are its delegate's."""

    grew = Signal()  # it wants another height

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("bookmarks.note")
        self.setAccessibleName("Note")
        self.setAccessibleDescription("Enter keeps it, Shift+Enter begins a new line, Escape leaves it as it was")
        self.setPlaceholderText("Note (Shift+Enter: a new line)")
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.document().setDocumentMargin(2)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._lines = 1
        self.document().documentLayout().documentSizeChanged.connect(self._measure)

    @property
    def wanted_height(self) -> int:
        """Pixels, for its lines of now."""
        return self.fontMetrics().lineSpacing() * self._lines + _AROUND

    def _measure(self) -> None:
        lines = max(1, min(MOST_LINES, round(self.document().size().height())))  # a plain text counts lines
        if lines != self._lines:
            self._lines = lines
            self.grew.emit()


def shown_lines(note: str, font: QFont, width: int, most: int) -> list[str]:
    """The first lines of a note, broken at words; where it goes on, the last of them ends in ….

    width : pixels of a line      most : lines at most
    """
    paragraphs = note.rstrip().splitlines()
    lines = [(i, *line) for i, text in enumerate(paragraphs) for line in _broken(text, font, width)]
    shown = [paragraphs[i][start : start + length].rstrip() for i, start, length in lines[:most]]
    if len(lines) > most:
        i, start, _ = lines[most - 1]
        rest = " ".join([paragraphs[i][start:], *paragraphs[i + 1 :]])
        elided = QFontMetrics(font).elidedText(rest, Qt.TextElideMode.ElideRight, width)
        shown[-1] = elided if elided.endswith("…") else f"{shown[-1]} …"
    return shown


def _broken(paragraph: str, font: QFont, width: int) -> list[tuple[int, int]]:
    """Where the lines of a paragraph begin, and how long they are."""
    layout = QTextLayout(paragraph, font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    layout.setTextOption(option)
    lines = []
    layout.beginLayout()
    while (line := layout.createLine()).isValid():
        line.setLineWidth(width)
        lines.append((line.textStart(), line.textLength()))
    layout.endLayout()
    return lines
