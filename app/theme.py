"""The only module that knows a colour, a font or an icon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache, lru_cache
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
_DRESSED = "grokscope theme"  # property of the application: the theme it wears


@dataclass(frozen=True)
class Theme:
    """One look. Frequencies have colours of their own, apart from the curves' and the accent.

    Reds are of excluded loss, lime of restricted loss: no frequency comes near their hues.
    Frequency colours read as text on the panel (contrast 4.5), curves as lines on panel and phases (3). Nearest pair,
    in OKLab, as everybody | with a red-green deficiency | a blue-yellow one (Machado 2009, severity 1):
    frequencies .129 | .059 | .072, frequency to restricted or excluded loss .144 | .069 | .079,
    to any other curve or the accent .108 | .052 | .047, curves .117 | .057 | .066.
    """

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
    excluded_all: str  # drawn thinner
    ratio: str  # drawn dotted
    margin: str
    seen: str  # test pairs whose mirror was trained
    unseen: str
    answer_right: str  # as areas: wrong is farthest from the panel, seen nearest
    answer_wrong: str
    answer_seen: str
    phases: tuple[str, str, str]  # behind a plot: memorisation, circuit formation, cleanup
    frequencies: tuple[str, ...]  # by k modulo their number: neighbours differ in hue
    other_frequency: str
    parameters: tuple[str, ...]  # W_E W_pos, W_K W_Q W_V W_O, W_in W_out, W_U
    negative: str  # the ends of signed values; zero is the panel
    positive: str
    wheel_lightness: float  # OKLCh
    wheel_chroma: float

    @property
    def generalising(self) -> str:
        """P_K L: its loss is the restricted loss."""
        return self.restricted

    @property
    def memorising(self) -> str:
        """The rest of the logits: its loss is the excluded loss."""
        return self.excluded


DARK = Theme(
    name="dark", window="#111318", panel="#1a1d23", raised="#252932", border="#2c313a", text="#e8eaee",
    muted="#a0a7b4", faint="#626a78", accent="#7aa7ff", on_accent="#0b1020", error="#ff8a80",
    train="#9aa3b2", test="#ffffff",
    restricted="#baff28", excluded="#f0736c", excluded_all="#b85456", ratio="#53888f",
    margin="#bf59c1", seen="#c8cdcc", unseen="#f1e285",
    answer_right="#1a89c5", answer_wrong="#fcaa38", answer_seen="#444d84",
    phases=("#24262b", "#1b2740", "#31291d"),
    frequencies=("#b28900", "#fe0094", "#78f1ff", "#856dfe", "#ebb500", "#ff6ff7", "#06d994", "#dfb1fa"),
    other_frequency="#6b7382",
    parameters=("#ffcb03", "#aea662", "#8051da", "#3c96ff", "#97d6ff", "#e18fc1", "#afffb8", "#0a8e73", "#e1450d"),
    negative="#5ebbf8", positive="#eb9d5a", wheel_lightness=0.74, wheel_chroma=0.124,
)  # fmt: skip
LIGHT = Theme(
    name="light", window="#eef0f4", panel="#ffffff", raised="#f3f5f8", border="#d9dde4", text="#14171c",
    muted="#59616e", faint="#9aa1ad", accent="#2563eb", on_accent="#ffffff", error="#c62828",
    train="#78808e", test="#000000",
    restricted="#499900", excluded="#be005a", excluded_all="#e04d76", ratio="#a76ec3",
    margin="#302747", seen="#020c26", unseen="#650e11",
    answer_right="#248fcc", answer_wrong="#973100", answer_seen="#a6c7f1",
    phases=("#f0f1f4", "#e2ecfd", "#fdf0dc"),
    frequencies=("#5b3d03", "#740269", "#0e6da6", "#4f00b6", "#9a5c12", "#7f517a", "#00604b", "#744cc9"),
    other_frequency="#8e95a2",
    parameters=("#d07801", "#592f00", "#2204bd", "#5050ed", "#0294e5", "#7c017f", "#659176", "#026859", "#c52007"),
    negative="#105890", positive="#844002", wheel_lightness=0.62, wheel_chroma=0.104,
)  # fmt: skip
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}

_current = DARK


def current() -> Theme:
    return _current


def apply(app: QApplication, theme: Theme) -> None:
    """Dress the application; views restyle themselves when the window tells them."""
    global _current
    _current = theme
    pg.setConfigOptions(background=theme.panel, foreground=theme.muted, antialias=True, imageAxisOrder="row-major")
    if app.property(_DRESSED) == theme.name:  # dressing every widget again takes long
        return
    app.setProperty(_DRESSED, theme.name)
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


def frequency_colour(k: int, keys: Sequence[int], look: Theme | None = None) -> QColor:
    """The colour of a frequency: its own if it is a key frequency, the same everywhere."""
    look = look or current()
    return QColor(_frequency_colour(k, tuple(keys), look.frequencies, look.other_frequency))


@lru_cache(maxsize=8192)
def _frequency_colour(k: int, keys: tuple[int, ...], colours: tuple[str, ...], other: str) -> QColor:
    place = _colour_places(tuple(sorted(set(keys))), len(colours)).get(k)
    return QColor(other if place is None else colours[place])


@cache
def _colour_places(keys: tuple[int, ...], n: int) -> dict[int, int]:
    """Each key's own place, k modulo n; who finds it taken by a smaller key gets the next that nobody else owns.

    So a key moves only when one with the same remainder comes or goes, or when a displaced one has no other place.
    """
    places: dict[int, int] = {}
    for k in keys:
        if k % n not in places.values():
            places[k] = k % n
    for k in keys:
        if k not in places:
            free = [i % n for i in range(k, k + n) if i % n not in places.values()]
            places[k] = free[0] if free else k % n
    return places


@cache
def colour_table(name: str = "viridis") -> NDArray[np.uint8]:
    """A perceptually uniform map for values that begin at zero.  (256, 3)"""
    table: NDArray[np.uint8] = pg.colormap.get(name).getLookupTable(nPts=256, alpha=False)
    return table


def diverging_table(look: Theme | None = None) -> NDArray[np.uint8]:
    """Blue, the panel at zero, orange: for signed values from -m to m.  (256, 3), zero at rows 127 and 128"""
    return _diverging(look or current())


def wheel_table(look: Theme | None = None) -> NDArray[np.uint8]:
    """Hues of one lightness and chroma in equal steps, for residues; the last row leads back to the first.  (256, 3)"""
    return _wheel(look or current())


def wheel(fraction: float, look: Theme | None = None) -> QColor:
    """The colour of a fraction of the full turn, k·a mod p over p."""
    return QColor(*wheel_table(look)[round(fraction * 256) % 256].tolist())


@cache
def _diverging(look: Theme) -> NDArray[np.uint8]:
    negative, zero, positive = (_oklab(c) for c in (look.negative, look.panel, look.positive))
    away = np.linspace(0, 1, 128)[:, None]
    arms = [zero + away * (end - zero) for end in (negative, positive)]  # straight in OKLab: equal steps
    return _srgb(np.concatenate([arms[0][::-1], arms[1]]))


@cache
def _wheel(look: Theme) -> NDArray[np.uint8]:
    turn = 2 * np.pi * np.arange(256) / 256
    a, b = look.wheel_chroma * np.cos(turn), look.wheel_chroma * np.sin(turn)
    return _srgb(np.stack([np.full(256, look.wheel_lightness), a, b], axis=1))


def _oklab(colour: str) -> NDArray[np.float64]:
    """Lightness, green-red, blue-yellow.  (3,)  Ottosson 2020"""
    painted = QColor(colour)
    c = np.array([painted.redF(), painted.greenF(), painted.blueF()])
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    lab: NDArray[np.float64] = _LMS_TO_LAB @ np.cbrt(_RGB_TO_LMS @ linear)
    return lab


def _srgb(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(n, 3) OKLab to 8 bits"""
    linear = np.clip((lab @ _LAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T, 0, 1)
    c = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    table: NDArray[np.uint8] = np.rint(255 * c).astype(np.uint8)
    return table


_RGB_TO_LMS = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929],
     [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_LMS_TO_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468],
     [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip
_LAB_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573],
     [1, -0.1055613458, -0.0638541728],
     [1, -0.0894841775, -1.2914855480]]
)  # fmt: skip
_LMS_TO_RGB = np.array(
    [[4.0767416621, -3.3077115913, 0.2309699292],
     [-1.2684380046, 2.6097574011, -0.3413193965],
     [-0.0041960863, -0.7034186147, 1.7076147010]]
)  # fmt: skip


def icon(name: str, colour: str | None = None) -> QIcon:
    """A stroke icon in the theme's text colour."""
    return _icon(name, colour or current().text, current().faint)


@cache
def _icon(name: str, colour: str, disabled: str) -> QIcon:
    svg = (RESOURCES / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    result = QIcon()
    for mode, paint in ((QIcon.Mode.Normal, colour), (QIcon.Mode.Disabled, disabled)):
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
