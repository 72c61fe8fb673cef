"""How fine the screen is."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication


def pixel_ratio() -> float:
    """Pixels of the screen for a pixel of the layout: cosmetic pens, as plots have them, count those."""
    screen = QGuiApplication.primaryScreen()
    return 1.0 if screen is None else float(screen.devicePixelRatio())
