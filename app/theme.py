"""The only module that knows a colour, a font or an icon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

RESOURCES = Path(__file__).resolve().parents[1] / "resources"
SPACE = 8  # the one spacing unit, in pixels
FONT = "Inter"


@dataclass(frozen=True)
class Theme:
    """One look. Frequencies have colours of their own, apart from the curves' and the accent."""

    name: str
    window: str
    panel: str
    raised: str
    border: str
    text: str
    muted: str
    faint: str
    accent: str
    on_accent: str
    error: str
    train: str
    test: str
    restricted: str
    excluded: str
    excluded_all: str
    ratio: str
    phases: tuple[str, str, str]  # behind a plot: memorisation, circuit formation, cleanup
    frequencies: tuple[str, ...]
    other_frequency: str


DARK = Theme(
    name="dark", window="#111318", panel="#1a1d23", raised="#252932", border="#2c313a", text="#e8eaee",
    muted="#a0a7b4", faint="#626a78", accent="#7aa7ff", on_accent="#0b1020", error="#ff8a80",
    train="#9aa3b2", test="#ffffff",
    restricted="#5fd38a", excluded="#ff7d97", excluded_all="#c2566f", ratio="#8fb4d9",
    phases=("#23272f", "#1f2940", "#1c302b"),
    frequencies=("#f5a04c", "#3fc1a0", "#e576ab", "#dccb4a", "#b08ef0", "#6ed0ea", "#f2745c", "#a3cf5b"),
    other_frequency="#6b7382",
)  # fmt: skip
LIGHT = Theme(
    name="light", window="#eef0f4", panel="#ffffff", raised="#f3f5f8", border="#d9dde4", text="#14171c",
    muted="#59616e", faint="#9aa1ad", accent="#2563eb", on_accent="#ffffff", error="#c62828",
    train="#78808e", test="#000000",
    restricted="#0b8043", excluded="#c2185b", excluded_all="#df6a97", ratio="#3d6f9e",
    phases=("#f0f1f4", "#e5edfc", "#e3f4ea"),
    frequencies=("#c96a00", "#008a68", "#b3326f", "#8f7a00", "#7045c4", "#0b83a8", "#c4402a", "#5c8a12"),
    other_frequency="#a3aab6",
)  # fmt: skip
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}

_current = DARK


def current() -> Theme:
    return _current


def apply(app: QApplication, theme: Theme) -> None:
    """Dress the application; views restyle themselves when the window tells them."""
    global _current
    _current = theme
    _load_fonts()
    font = QFont(FONT)
    font.setPixelSize(13)
    app.setFont(font)
    app.setStyle("Fusion")
    app.setPalette(_palette(theme))
    sheet = (RESOURCES / "style.qss").read_text(encoding="utf-8")
    colours = {f.name: str(getattr(theme, f.name)) for f in fields(theme)}
    colours["chevron"] = _painted_file("chevron-down", theme.muted)
    app.setStyleSheet(Template(sheet).substitute(colours))
    pg.setConfigOptions(background=theme.panel, foreground=theme.muted, antialias=True, imageAxisOrder="row-major")


def frequency_colour(k: int, keys: Sequence[int]) -> QColor:
    """The colour of a frequency: its own if it is a key frequency, the same everywhere."""
    theme = current()
    place = _colour_places(tuple(sorted(keys)), len(theme.frequencies)).get(k)
    return QColor(theme.other_frequency if place is None else theme.frequencies[place])


@cache
def _colour_places(keys: tuple[int, ...], n: int) -> dict[int, int]:
    """Each key's own colour, by its number, so that it keeps it when others join; the next free one if taken."""
    places: dict[int, int] = {}
    for k in keys:
        free = [i % n for i in range(k, k + n) if i % n not in places.values()]
        places[k] = free[0] if free else k % n
    return places


@cache
def colour_table(name: str = "viridis") -> NDArray[np.uint8]:
    """A perceptually uniform map for values that begin at zero.  (256, 3)"""
    table: NDArray[np.uint8] = pg.colormap.get(name).getLookupTable(nPts=256, alpha=False)
    return table


def colour_map(name: str = "viridis") -> pg.ColorMap:
    return pg.colormap.get(name)


def icon(name: str, colour: str | None = None) -> QIcon:
    """A stroke icon in the theme's text colour."""
    svg = (RESOURCES / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    result = QIcon()
    theme = current()
    for mode, paint in ((QIcon.Mode.Normal, colour or theme.text), (QIcon.Mode.Disabled, theme.faint)):
        renderer = QSvgRenderer(QByteArray(svg.replace("currentColor", paint).encode()))
        for side in (16, 20, 32, 40, 64):
            pixmap = QPixmap(QSize(side, side))
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            renderer.render(painter, QRectF(0, 0, side, side))
            painter.end()
            result.addPixmap(pixmap, mode)
    return result


@cache
def _painted_file(name: str, colour: str) -> str:
    """An icon in one colour as a file, because style sheets take nothing else; gone when the program ends."""
    svg = (RESOURCES / "icons" / f"{name}.svg").read_text(encoding="utf-8").replace("currentColor", colour)
    file = Path(_painted_folder().name) / f"{name}-{colour.lstrip('#')}.svg"
    file.write_text(svg, encoding="utf-8")
    return file.as_posix()


@cache
def _painted_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="grokscope-")


@cache
def _load_fonts() -> None:
    for file in sorted((RESOURCES / "fonts").glob("*.otf")):
        QFontDatabase.addApplicationFont(str(file))


def _palette(theme: Theme) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    for which, colour in {
        role.Window: theme.window, role.Base: theme.raised, role.AlternateBase: theme.panel,
        role.Button: theme.raised, role.WindowText: theme.text, role.Text: theme.text,
        role.ButtonText: theme.text, role.ToolTipBase: theme.raised, role.ToolTipText: theme.text,
        role.Highlight: theme.accent, role.HighlightedText: theme.on_accent, role.PlaceholderText: theme.faint,
    }.items():  # fmt: skip
        palette.setColor(which, QColor(colour))
    for which in (role.Text, role.WindowText, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(theme.faint))
    return palette
