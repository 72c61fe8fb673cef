"""The desk of the Surgery view: a row for everything that can be taken away, in the order in which it is."""

from __future__ import annotations

from functools import partial
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QFrame, QGridLayout, QHBoxLayout, QScrollArea, QWidget

from app import theme
from app.session import Selection, Session
from app.theme import SPACE
from app.views.chips import ChipRow, NumberField
from app.views.controls import label
from app.views.legend import SMALL
from app.views.surgery_rows import (
    ROWS,
    RowSpec,
    chips_of,
    is_active,
    mode_of,
    numbers_of,
    toggled,
    with_mode,
    with_numbers,
)

_TITLE, _COMBO, _FIELD = 110, 152, 88  # pixels
_ROOMY = 440  # pixels of width in which a row is one line


class DeskRow:
    """The widgets of one row; they stand in the desk's grid."""

    def __init__(self, spec: RowSpec) -> None:
        self.spec = spec
        self.title = label(spec.title, "muted")
        self.title.setToolTip(spec.tip)
        self.title.setFixedWidth(_TITLE)
        self.mode = QComboBox()
        self.mode.setObjectName(f"surgery.{spec.part}.mode")
        self.mode.setAccessibleName(f"{spec.title}: how they are taken away")
        self.mode.setStyleSheet(SMALL)
        self.mode.setFixedWidth(_COMBO)
        for i, mode in enumerate(spec.modes):
            self.mode.addItem(mode.text)
            self.mode.setItemData(i, mode.tip, Qt.ItemDataRole.ToolTipRole)
        self.chips = ChipRow(f"surgery.{spec.part}") if spec.chips else None
        self.field: NumberField | None = None
        if spec.has_field:
            whose = "Neurons of the last layer" if spec.part == "neurons" else "Frequencies"
            self.field = NumberField(
                f"surgery.{spec.part}.field", f"{whose} as a list: 3 17 40–52. Enter applies it", "3 17 40–52"
            )
            self.field.setStyleSheet(SMALL)
            self.field.setFixedWidth(_FIELD)
        self._active = False

    def show_active(self, active: bool) -> None:
        if active != self._active:
            self._active = active
            self.title.setProperty("role", "title" if active else "muted")
            self.title.style().unpolish(self.title)
            self.title.style().polish(self.title)


class Desk(QScrollArea):
    """All rows.

    changed : the new ablation, by hand
    """

    changed = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session  # read only: a click is about what is selected now
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("What is taken away")
        self._sheet = QWidget()
        self._grid = QGridLayout(self._sheet)
        self._grid.setContentsMargins(0, 0, SPACE, 0)
        self._grid.setHorizontalSpacing(SPACE)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self.rows = {spec.part: DeskRow(spec) for spec in ROWS}
        self._middles: dict[str, QWidget] = {}
        for row in self.rows.values():
            self._middles[row.spec.part] = self._middle(row)
            row.mode.activated.connect(partial(self._mode_chosen, row.spec))
            if row.chips is not None:
                row.chips.clicked.connect(partial(self._ticked, row.spec))
            if row.field is not None:
                row.field.entered.connect(partial(self._entered, row.spec))
        self._wide: bool | None = None
        self._shown: tuple[Any, ...] = ()
        self.setWidget(self._sheet)
        self._arrange(True)

    def _middle(self, row: DeskRow) -> QWidget:
        """Chips and field."""
        made = QWidget()
        across = QHBoxLayout(made)
        across.setContentsMargins(0, 0, 0, 0)
        across.setSpacing(SPACE)
        if row.chips is not None:
            across.addWidget(row.chips, 1)
        else:
            across.addStretch(1)
        if row.field is not None:
            across.addWidget(row.field, 0, Qt.AlignmentFlag.AlignTop)
        return made

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange(self.width() >= _ROOMY)

    def _arrange(self, wide: bool) -> None:
        """A row in one line, or in two where there is no room."""
        if wide == self._wide:
            return
        self._wide = wide
        top, right = Qt.AlignmentFlag.AlignTop, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight
        for i, row in enumerate(self.rows.values()):
            middle, has_middle = self._middles[row.spec.part], row.chips is not None
            for widget in (row.title, middle, row.mode):
                self._grid.removeWidget(widget)
            self._grid.addWidget(row.title, 2 * i, 0, top)
            if wide or not has_middle:
                self._grid.addWidget(middle, 2 * i, 1)
                self._grid.addWidget(row.mode, 2 * i, 2, right)
            else:
                self._grid.addWidget(row.mode, 2 * i, 1, 1, 2, right)
                self._grid.addWidget(middle, 2 * i + 1, 0, 1, 3)
            row.title.setFixedHeight(26)
        self._grid.setRowStretch(2 * len(self.rows), 1)

    def show_state(self, selection: Selection, keys: tuple[int, ...], basis: bool) -> None:
        """What is ticked.  keys : key frequencies    basis : whether the task has frequencies"""
        run = selection.run
        state = (run, selection.ablation, keys, selection.frequency, selection.neurons, theme.current().name)
        if run is None or state == self._shown:
            return
        self._shown = state
        config, ablation = run.config, selection.ablation
        for part, row in self.rows.items():
            spectral = part in ("polynomials", "neuron_frequencies", "logit_frequencies", "projection")
            self._enable(row, basis if spectral else True)
            if row.chips is not None:
                items, ticked = chips_of(row.spec, ablation, config, keys, selection.frequency, selection.neurons)
                row.chips.show_items(items, ticked)
            if row.field is not None:
                row.field.show_numbers(*numbers_of(row.spec, ablation, config))
            place = mode_of(row.spec, ablation)
            if row.mode.currentIndex() != place:
                blocked = QSignalBlocker(row.mode)
                row.mode.setCurrentIndex(place)
                row.mode.setToolTip(row.spec.modes[place].tip)
                blocked.unblock()
            row.show_active(is_active(row.spec, ablation))

    def _enable(self, row: DeskRow, there: bool) -> None:
        for widget in (self._middles[row.spec.part], row.mode, row.title):
            if widget.isEnabled() != there:
                widget.setEnabled(there)
                row.title.setToolTip(row.spec.tip if there else f"{row.spec.tip}. This task has no frequencies")

    # -- by hand -------------------------------------------------------------------------------------------

    def _mode_chosen(self, spec: RowSpec, place: int) -> None:
        self.changed.emit(with_mode(spec, self._session.selection.ablation, place))

    def _ticked(self, spec: RowSpec, key: Any) -> None:
        now = self._session.selection
        if key != "selected" or now.neurons:
            self.changed.emit(toggled(spec, now.ablation, key, now.neurons))

    def _entered(self, spec: RowSpec, of: tuple[int, ...]) -> None:
        now = self._session.selection
        if now.run is not None:
            self.changed.emit(with_numbers(spec, now.ablation, of, now.run.config))

    def tick(self, part: str, key: Any) -> None:
        """As if its chip were clicked."""
        self._ticked(self.rows[part].spec, key)

    @property
    def shape(self) -> tuple[int, ...]:
        """Characters on the chips of each row, which decide how many lines it takes."""
        return tuple(0 if row.chips is None else row.chips.length for row in self.rows.values())

    def wanted_height(self, width: int) -> int:
        """Of all rows, in so many pixels of width."""
        self._arrange(width >= _ROOMY)
        return self._grid.totalHeightForWidth(width) if self._grid.hasHeightForWidth() else self._sheet.height()
