"""A form made from fields of `Config`: an editor each, marked where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QFormLayout, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from app.theme import SPACE
from app.views.controls import label
from engine.config import Config, ConfigError, parse_setting, preset

_SYMBOLS = {"add": "a + b", "subtract": "a − b", "multiply": "a · b", "divide": "a / b", "x2xyy2": "a² + ab + b²"}
_DEVICES = {"cpu": "CPU", "cuda": "CUDA"}  # until it is known what there is


class ConfigForm(QWidget):
    """Editors for some fields under the names of their groups; all other fields are those of `base`.

    config : what the form says; None: something is wrong      wrong : why, by the field's name
    """

    edited = Signal()

    def __init__(self, prefix: str, columns: Sequence[Sequence[str]]) -> None:
        """prefix : of the editors' object names      columns : names of fields, side by side"""
        super().__init__()
        self._prefix = prefix
        self.base = preset("paper")
        self.config: Config | None = None
        self.wrong: dict[str, str] = {}
        self.editors: dict[str, QWidget] = {}
        self.labels: dict[str, QLabel] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3 * SPACE)
        for names in columns:
            row.addLayout(self._column(names), 1)

    def fill(self, config: Config) -> None:
        """Say what a configuration says."""
        self.base = config
        for name, editor in self.editors.items():
            editor.blockSignals(True)
            value = getattr(config, name)
            if isinstance(editor, QComboBox):
                editor.setCurrentIndex(editor.findData(value))
            elif isinstance(editor, QCheckBox):
                editor.setChecked(value)
            elif isinstance(editor, QLineEdit):
                editor.setText(value_text(value))
            editor.blockSignals(False)
        self._read()

    def mark(self, name: str, why: str) -> None:
        """Something is wrong with a field that `Config` cannot know."""
        self.wrong[name], self.config = why, None
        self._show_wrong()

    def name_devices(self, names: Mapping[str, str]) -> None:
        """What each choice of a device means here."""
        device = self.editors.get("device")
        if isinstance(device, QComboBox):
            for i in range(device.count()):
                device.setItemText(i, names.get(device.itemData(i), device.itemText(i)))

    def _read(self) -> None:
        """Read the form; mark what is wrong where it stands."""
        values: dict[str, Any] = {}
        self.wrong, self.config = {}, None
        for name, editor in self.editors.items():
            try:
                values[name] = self._value(name, editor)
            except ConfigError as error:
                self.wrong[name] = str(error)
        tried, found = asdict(self.base) | values, None
        while found is None:  # each round finds one more field that is wrong
            try:
                found = Config(**tried)
            except ConfigError as error:
                name = str(error).split(" ")[0].rstrip(":")
                self.wrong.setdefault(name, str(error))
                if tried.pop(name, None) is None:
                    break
        if not self.wrong:
            self.config = found
        self._show_wrong()
        self.edited.emit()

    def _show_wrong(self) -> None:
        for name, editor in self.editors.items():
            if bool(editor.property("wrong")) != (name in self.wrong):
                editor.setProperty("wrong", name in self.wrong)
                editor.style().unpolish(editor)
                editor.style().polish(editor)
            editor.setToolTip(self.wrong.get(name, field_help(name)))

    def _value(self, name: str, editor: QWidget) -> Any:
        if isinstance(editor, QComboBox):
            return editor.currentData()
        if isinstance(editor, QCheckBox):
            return editor.isChecked()
        assert isinstance(editor, QLineEdit)
        return parse_setting(name, editor.text())

    # -- parts ---------------------------------------------------------------------------------------------

    def _column(self, names: Sequence[str]) -> QVBoxLayout:
        rows = QVBoxLayout()
        rows.setSpacing(SPACE)
        groups: dict[str, QFormLayout] = {}
        for f in (f for f in fields(Config) if f.name in names):
            group = f.metadata["group"]
            if group not in groups:
                rows.addWidget(label(group.capitalize(), "group"))
                groups[group] = QFormLayout()
                groups[group].setHorizontalSpacing(SPACE)
                groups[group].setVerticalSpacing(4)
                groups[group].setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
                rows.addLayout(groups[group])
            editor = self._editor(f.name, f.metadata["choices"], f.default)
            name = label(f.name.replace("_", " "), "muted")
            name.setToolTip(f.metadata["help"])
            name.setBuddy(editor)
            name.setMinimumWidth(100)
            groups[group].addRow(name, editor)
            self.editors[f.name], self.labels[f.name] = editor, name
        rows.addStretch(1)
        return rows

    def _editor(self, name: str, choices: tuple[str, ...], default: Any) -> QWidget:
        editor: QWidget
        if choices:
            editor = QComboBox()
            names = _DEVICES if name == "device" else _SYMBOLS
            for choice in choices:
                editor.addItem(names.get(choice, choice), choice)
            editor.currentIndexChanged.connect(self._read)
        elif isinstance(default, bool):
            editor = QCheckBox()
            editor.toggled.connect(self._read)
        else:
            editor = QLineEdit()
            editor.setPlaceholderText("d_model / n_heads" if name == "d_head" else "")
            editor.textChanged.connect(self._read)
        editor.setMinimumWidth(96)
        editor.setObjectName(f"{self._prefix}.{name}")
        editor.setAccessibleName(name.replace("_", " "))
        editor.setAccessibleDescription(field_help(name))
        editor.setToolTip(field_help(name))
        return editor


def field_help(name: str) -> str:
    """The sentence that explains a field of `Config`."""
    return str(next(f.metadata["help"] for f in fields(Config) if f.name == name))


def value_text(value: Any) -> str:
    """A setting as it is typed."""
    if isinstance(value, tuple):
        return ", ".join(value_text(v) for v in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(n: int) -> str:
    """A number of bytes as people say it."""
    return f"{n / 1e6:.0f} MB" if n < 1e9 else f"{n / 1e9:.1f} GB"
