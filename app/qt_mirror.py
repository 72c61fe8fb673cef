"""pyqtgraph, imported without a copy of all of Qt.

It keeps modules of its own with every name of QtCore, QtGui and QtWidgets, and PySide6 makes a class when its name is
looked up: a thousand of them, for the few dozen that are used, take longer than the rest of pyqtgraph. Here a name is
copied when it is first looked up.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets


class _Mirror(ModuleType):
    """Has what another module has."""

    def __init__(self, name: str, original: ModuleType) -> None:
        super().__init__(name)
        self._original = original

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._original, name)
        setattr(self, name, value)  # so it is looked up once
        return value


def import_pyqtgraph() -> None:
    """To be called before anybody else imports it; else nothing is won."""
    if "pyqtgraph" in sys.modules:
        return
    originals: tuple[Any, ...] = (QtCore, QtGui, QtWidgets)
    for original in originals:
        name = original.__name__.replace("PySide6", "pyqtgraph.Qt")
        sys.modules[name] = _Mirror(name, original)
        original.__dir__ = list  # what there is to be copied at once
    try:
        importlib.import_module("pyqtgraph")
    finally:
        for original in originals:
            del original.__dir__
