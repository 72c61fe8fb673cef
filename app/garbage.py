"""Python's cyclic garbage collector, kept to the thread of the window.

Left to itself it runs in whichever thread allocates, also in the analysis thread; a widget or timer that it frees
there belongs to another thread, and Qt warns or crashes. So it runs between events, here only.
"""

from __future__ import annotations

import gc
import time

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QGuiApplication

_PERIOD_MS = 200
_BUILT_MS = 3000  # after the start: the window is there
_THRESHOLDS = (2000, 10, 10)  # of new objects, of young collections, of middle collections
_LONG = 0.02  # seconds that a collection may take before what survives it is taken for permanent too


class Collector(QObject):
    """Collects by a timer from now on.

    What exists at first, and what does when the window has been built, is taken for permanent: to look through all of
    it takes a tenth of a second. What is old is looked through only while nobody drags.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        gc.disable()
        gc.freeze()  # with the little that imports leave behind: to look for it would take longer
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.collect)
        self._timer.start(_PERIOD_MS)
        QTimer.singleShot(_BUILT_MS, self, gc.freeze)

    def collect(self) -> None:
        """The oldest generation that is due. A library that was imported since is looked through once."""
        due = [i for i, (count, most) in enumerate(zip(gc.get_count(), _THRESHOLDS, strict=True)) if count > most]
        if not due:
            return
        if QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton:
            gc.collect(0)
            return
        begin = time.thread_time()
        gc.collect(due[-1])
        if due[-1] == len(_THRESHOLDS) - 1 and time.thread_time() - begin > _LONG:
            gc.freeze()
