"""Looking a run file through and opening it, away from the window."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QThread

from engine.runfile import Run, RunError


class Opening(QThread):
    """run_found : None where it could not be opened; then `why` says why, in a sentence"""

    def __init__(self, path: Path, parent: QObject) -> None:
        super().__init__(parent)
        self.path = path
        self.run_found: Run | None = None
        self.why = ""

    def run(self) -> None:
        try:
            self.run_found = Run.open(self.path)
        except RunError as error:
            self.why = str(error)
        except Exception as error:  # a file we did not foresee must not take the window down
            self.why = f"{self.path} cannot be opened ({type(error).__name__}: {error})."
