"""Above the slider while there is a reference: its name and epoch, what differs, and how the two are aligned."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QSizePolicy, QToolButton

from app import theme
from app.comparison import Comparison
from app.run_mark import RunMark, moment_text
from app.session import Selection
from app.theme import SPACE
from app.views.controls import ElidedLabel, label
from app.views.still import tip
from engine.analysis.alignment import Alignment, Moments

TEXTS = {
    Alignment.EPOCH: ("by epoch", "The same epoch of both"),
    Alignment.FROM_GROKKING: ("at t_gen", "Epochs since t_gen, where test accuracy holds its threshold: t − t_gen"),
    Alignment.RELATIVE: ("by t / t_gen", "The epoch as a multiple of t_gen, for runs that grok at different speeds"),
}


class ReferenceStrip(QFrame):
    """Hidden while there is no reference."""

    exchanged = Signal()
    compared = Signal()  # the view that compares is wanted
    besides = Signal()  # all views are wanted beside the reference's
    closed = Signal()

    def __init__(self, comparison: Comparison) -> None:
        super().__init__()
        self._comparison, self._session = comparison, comparison.session
        self.setObjectName("whole")
        self.setAccessibleName("The reference")
        self._icons: dict[QToolButton, str] = {}
        self.mark = RunMark()
        self._said = ElidedLabel("")
        self._said.setProperty("role", "muted")
        self._said.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._alignment = QComboBox()
        self._alignment.setObjectName("reference.alignment")
        self._alignment.setAccessibleName("How the two runs are aligned")
        for alignment, (text, about) in TEXTS.items():
            self._alignment.addItem(text, alignment)
            self._alignment.setItemData(self._alignment.count() - 1, about, Qt.ItemDataRole.ToolTipRole)
        self._alignment.activated.connect(lambda i: self._session.select(alignment=self._alignment.itemData(i)))
        self._lay_out()
        self.setVisible(False)
        comparison.changed.connect(self._refresh)
        self._session.changed.connect(self._follow)

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE, 2, SPACE, 2)
        row.setSpacing(4)
        for part in (label("beside", "muted"), self.mark):
            row.addWidget(part)
        row.addSpacing(SPACE)
        row.addWidget(self._said, 1)
        row.addWidget(label("aligned", "muted"))
        row.addWidget(self._alignment)
        for icon, name, about, news in (
            ("columns-2", "beside", "All views beside the reference's, or none (Ctrl+Shift+B)", self.besides),
            ("arrow-left-right", "exchange", "Exchange the two runs (Ctrl+Shift+X)", self.exchanged),
            ("x", "close", "Close the reference", self.closed),
        ):
            row.addWidget(self._button(icon, name, about, news.emit))
        compare = self._button("", "compare", "What differs, and by how much", self.compared.emit)
        compare.setText("Compare")
        row.insertWidget(row.indexOf(self._alignment) + 1, compare)

    def _button(self, icon: str, name: str, about: str, action: Callable[[], None]) -> QToolButton:
        button = QToolButton()
        button.setObjectName(f"reference.{name}")
        button.setIconSize(QSize(16, 16))
        button.setToolTip(about)
        button.setAccessibleName(about)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda _checked=False: action())
        if icon:
            self._icons[button] = icon
            button.setIcon(theme.icon(icon))
        return button

    def restyle(self) -> None:
        for button, icon in self._icons.items():
            button.setIcon(theme.icon(icon))

    def _refresh(self) -> None:
        """Another reference, or none; or what the alignment needs is known."""
        selection = self._session.selection
        there = self._comparison.kinship is not None and selection.reference is not None
        self.setVisible(there)
        if there and selection.reference is not None:
            self.mark.show_run(selection.reference.path.stem, self._comparison.said)
            self._follow(selection)

    def _follow(self, selection: Selection) -> None:
        if selection.reference is None or self._comparison.kinship is None:
            return
        self.mark.show_place(self._comparison.placed(selection))
        blocked = QSignalBlocker(self._alignment)
        self._alignment.setCurrentIndex(list(TEXTS).index(selection.alignment))
        blocked.unblock()
        self._offer(selection)

    def _offer(self, selection: Selection) -> None:
        """What is not possible is grey and says why."""
        model = self._alignment.model()
        assert isinstance(model, QStandardItemModel)
        for i, (alignment, (_, about)) in enumerate(TEXTS.items()):
            why = self._comparison.why_not(alignment, selection)
            text = f"{about}.\nNot possible: {why}." if why else f"{about}."
            item = model.item(i)
            if item.isEnabled() == bool(why) or item.toolTip() != text:
                item.setEnabled(not why)
                item.setToolTip(text)
        why = self._comparison.why_not(selection.alignment, selection)
        said = f"by epoch: {why} · {self._comparison.said}" if why else self._comparison.said
        if said != self._said.text():
            self._said.setText(said)
            tip(self._said, said)
        mine, theirs = self._comparison.moments(selection)
        tip(self._alignment, f"How the two runs are aligned. t_gen: {_t_gen(mine)} here, {_t_gen(theirs)} there")


def _t_gen(found: Moments | None) -> str:
    return "not known yet" if found is None else moment_text(found, found.t_gen, "none")
