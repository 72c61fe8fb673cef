"""Above the wall: which neurons are shown, of which layer, and how large."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QToolButton, QWidget

from app.views.wall_filter import HINT, KINDS, Search, search

_ZOOMS = (
    ("−", "neurons.smaller", "Smaller tiles (Ctrl + wheel, or the − key)", -1),
    ("+", "neurons.larger", "Larger tiles, then the wall scrolls (Ctrl + wheel, or the + key)", 1),
    ("fit", "neurons.fit", "Tiles as large as fit (the 0 key)", 0),
)


class FindBar(QWidget):
    """kind : one of `KINDS`      search : what was understood last      field : where it is typed"""

    changed = Signal()
    misunderstood = Signal(str)  # why
    zoomed = Signal(int)  # +1, −1, 0: as large as fits

    def __init__(self) -> None:
        super().__init__()
        self.search = Search()
        self.kinds = choice("neurons.filter", "Which neurons are shown")
        for kind, (text, tip) in KINDS.items():
            self.kinds.addItem(text, kind)
            self.kinds.setItemData(self.kinds.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.field = QLineEdit()
        self.field.setObjectName("neurons.search")
        self.field.setPlaceholderText("12, 40-60, k=35, fve<0.5")
        self.field.setToolTip(HINT)
        self.field.setAccessibleName("Search neurons by number, frequency or FVE")
        self.field.setClearButtonEnabled(True)
        self.layers = choice("neurons.layer", "Layer")
        self.layers.setVisible(False)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.kinds)
        row.addWidget(self.field, 1)
        row.addWidget(self.layers)
        for text, name, tip, steps in _ZOOMS:
            self.fit = self._button(text, name, tip, steps)
            row.addWidget(self.fit)
        self.kinds.currentIndexChanged.connect(self.changed)
        self.layers.currentIndexChanged.connect(self.changed)
        self.field.textChanged.connect(self._searched)

    @property
    def kind(self) -> str:
        return str(self.kinds.currentData())

    def layer_of(self, n_layers: int) -> int:
        """The chosen layer of a model with so many: the last one, unless another is chosen."""
        chosen = self.layers.currentData()
        return chosen if isinstance(chosen, int) and self.layers.count() == n_layers else n_layers - 1

    def forget(self) -> None:
        """No search: what was looked for belongs to another run."""
        if self.field.text():
            self.field.clear()

    def name_layers(self, n_layers: int) -> None:
        """Layers to choose from; none where there is one."""
        if self.layers.count() != n_layers:
            blocked = QSignalBlocker(self.layers)
            self.layers.clear()
            for layer in range(n_layers):
                self.layers.addItem(f"layer {layer}", layer)
            self.layers.setCurrentIndex(n_layers - 1)
            self.layers.setVisible(n_layers > 1)
            blocked.unblock()

    def _searched(self, text: str) -> None:
        """Understand the search; keep the last one while it is not understood."""
        wrong = ""
        try:
            self.search = search(text)
        except ValueError as error:
            wrong = str(error)
        if self.field.property("wrong") != bool(wrong):
            self.field.setProperty("wrong", bool(wrong))
            self.field.style().unpolish(self.field)
            self.field.style().polish(self.field)
        self.field.setToolTip(wrong or HINT)
        if wrong:
            self.misunderstood.emit(wrong)
        else:
            self.changed.emit()

    def _button(self, text: str, name: str, tip: str, steps: int) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setObjectName(name)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda _=False: self.zoomed.emit(steps))
        return button


def choice(name: str, tip: str) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    box.setToolTip(tip)
    box.setAccessibleName(tip)
    return box
