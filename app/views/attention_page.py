"""The parts of the attention view, and where they stand in the room there is."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from app.views.choices import Choices
from app.views.head_spectrum import HeadSpectrum
from app.views.head_strip import HeadStrip
from app.views.head_table import HeadTable
from app.views.head_tiles import HeadTiles
from app.views.maps import HeatMap
from app.views.sentence import Sentence
from app.views.still import QuietLabel

PANELS = {
    "map": ("map", "The head on show, for every pair"),
    "spectrum": ("spectrum", "What it looks for, or writes, by frequency"),
    "table": ("table", "All heads of the layer in numbers"),
}
_LINE, _CAPTION, _CHOICE, _GAP = 18, 17, 26, 8
_MAP = 186  # of a map's width, from which two stand side by side
_BAR_FROM = 212  # of the maps' width, from which a colour bar stands beside them
_LOWER_FROM, _LOWER_WIDE = 350, 500  # of the body, from which spectrum and table stand below the maps
_ALL_FROM = 380  # of height, from which the strip is of all heads
_TILES = 0.3  # of the width, at least
_LOWER = 180  # of height, from which the strip takes more
_TABLE, _SPECTRUM = 452, 220  # of width: all columns, and the least of the spectrum


class AttentionPage(QWidget):
    """Everything the view shows, made once and placed by hand: the more room, the more is shown at once."""

    arranged = Signal()  # what was hidden may be on show

    def __init__(self) -> None:
        super().__init__()
        self.n_heads, self.has_fit, self.has_waves, self.has_lives = 1, True, True, True
        self.sentence, self.losses = Sentence(), Sentence()
        self.sentence.setObjectName("attention.sentence")
        self.losses.setObjectName("attention.losses")
        self.tiles, self.table, self.strip = HeadTiles(), HeadTable(), HeadStrip()
        self.tiles.setObjectName("attention.tiles")
        self.table.setObjectName("attention.table")
        self.strip.setObjectName("attention.strip")
        self.map, self.fit_map = HeatMap(), HeatMap()
        self.map.setAccessibleName("The head on show, over all pairs")
        self.fit_map.setAccessibleName("Its fit, over all pairs")
        self.map_caption, self.fit_caption, self.bars_caption = (_caption() for _ in range(3))
        for shown in (self.map, self.fit_map):
            shown.setMinimumSize(0, 0)
        self.spectrum = HeadSpectrum()
        self.choices = Choices("attention", PANELS, "map", "Show the fit in place of the head’s own")
        self.choices.changed.connect(self._rearrange)
        for widget in (
            self.sentence, self.losses, self.tiles, self.map, self.fit_map, self.map_caption, self.fit_caption,
            self.spectrum.widget, self.bars_caption, self.table, self.choices, self.strip,
        ):  # fmt: skip
            widget.setParent(self)

    def minimumSizeHint(self) -> QSize:
        return QSize(320, 230)

    # -- where they stand ----------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._rearrange()

    def _rearrange(self, *_: object) -> None:
        self.arrange()
        self.arranged.emit()

    def show_heads(self, n: int, has_fit: bool, has_waves: bool, has_lives: bool) -> None:
        """How many there are; whether what is on show is fitted, and they have a spectrum and lives."""
        told = n, has_fit, has_waves, has_lives
        if told != (self.n_heads, self.has_fit, self.has_waves, self.has_lives):
            self.n_heads, self.has_fit, self.has_waves, self.has_lives = told
            self.choices.panels["spectrum"].setVisible(has_waves)
            self.arrange()

    def arrange(self) -> None:
        """Place everything; hide what has no room."""
        width, height = self.width(), self.height()
        lines = 2 if height >= 300 else 1
        self.sentence.setGeometry(0, 0, width, _LINE)
        self.losses.setVisible(lines == 2)
        self.losses.setGeometry(0, _LINE, width, _LINE)
        top = lines * _LINE + 4
        strip = self._strip_height(height)
        body = height - top - (strip + _GAP if strip else 0)
        lower = self._lower_height(body, width)
        upper = min(body - lower - _GAP, self._ideal(width)) if lower else body - _CHOICE
        lower = body - upper - _GAP if lower else 0
        if self.has_lives and self.n_heads > 1 and strip > HeadStrip.ALONE:  # what nothing else needs
            spare = min(max(0, lower - _LOWER), self.n_heads * (HeadStrip.TALL - HeadStrip.LOW))
            strip, lower = strip + spare, lower - spare
        self.choices.setVisible(not lower)
        self.choices.setGeometry(0, top + upper + 2, width, _CHOICE - 2)
        panel = "map" if lower else next(key for key in PANELS if self.choices.panels[key].isChecked())
        panel = "map" if panel == "spectrum" and not self.has_waves else panel
        used = self._place_tiles(QRect(0, top, width, upper))
        right = QRect(used, top, width - used, upper)
        self._place_maps(right, panel == "map")
        if lower:
            table = max(min(_TABLE, width - _SPECTRUM - _GAP), 200) if self.has_waves else width
            y = top + upper + _GAP
            self._place_table(QRect(0, y, table, lower), True)
            self._place_spectrum(QRect(table + _GAP, y, width - table - _GAP, lower), self.has_waves)
        else:
            self._place_table(right, panel == "table")
            self._place_spectrum(right, panel == "spectrum")
        self.strip.setVisible(strip > 0)
        self.strip.setGeometry(0, height - strip, width, strip)

    def _strip_height(self, height: int) -> int:
        """All heads' bands where there is room, else that of the one on show."""
        every = HeadStrip.needed(self.n_heads)
        if self.has_lives and self.n_heads > 1 and height >= _ALL_FROM and every <= 0.25 * height:
            return every
        return HeadStrip.ALONE if height >= 250 else 0

    def _lower_height(self, body: int, width: int) -> int:
        if body < _LOWER_FROM or width < _LOWER_WIDE:
            return 0
        return min(max(HeadTable.needed(self.n_heads) + 8, 150, round(0.26 * body)), round(0.42 * body), 240)

    def _ideal(self, width: int) -> int:
        """The height that tiles and maps can fill in their width."""
        right = round((1 - _TILES) * width) - _GAP - HeatMap.BAR
        maps = 2 if self.has_fit and right >= 2 * _MAP else 1
        return right // maps - HeatMap.LEFT - 8 + _CAPTION + HeatMap.BOTTOM + HeatMap.TOP

    def _place_tiles(self, room: QRect) -> int:
        """-> where the rest begins; a head alone needs no tile"""
        there = self.n_heads > 1
        self.tiles.setVisible(there)
        if not there:
            return room.x()
        most = self._left_of_maps(room, 2) if self.has_fit else 0
        if room.width() - most < 2 * _MAP or not most:
            most = self._left_of_maps(room, 1)
        columns, side = HeadTiles.grid(QSize(most, room.height()), self.n_heads)
        size = HeadTiles.needed(self.n_heads, columns, side)
        self.tiles.setGeometry(room.x(), room.y(), size.width() + 4, min(size.height(), room.height()))
        return room.x() + size.width() + _GAP + 4

    @staticmethod
    def _left_of_maps(room: QRect, maps: int) -> int:
        """The width that so many maps, as high as the room, leave."""
        data = room.height() - _CAPTION - HeatMap.BOTTOM - HeatMap.TOP
        wanted = maps * (data + HeatMap.LEFT + 8) + HeatMap.BAR
        return max(round(_TILES * room.width()), room.width() - wanted - _GAP)

    def _place_maps(self, room: QRect, there: bool) -> None:
        two = self.has_fit and room.width() >= 2 * _MAP
        self.choices.fit.setVisible(there and self.has_fit and not two)
        fit_only = self.has_fit and not two and self.choices.fit.isChecked()
        shown = {"truth": there and not fit_only, "fit": there and (two or fit_only)}
        with_bar = room.width() >= _BAR_FROM
        self.map.show_bar(with_bar and not two)
        self.fit_map.show_bar(with_bar)
        left = (room.width() - HeatMap.BAR + 8) // 2 if two else room.width()
        widths = {"truth": left, "fit": room.width() - left if two else room.width()}
        x = room.x()
        for key, drawn, caption in (("truth", self.map, self.map_caption), ("fit", self.fit_map, self.fit_caption)):
            drawn.setVisible(shown[key])
            caption.setVisible(shown[key])
            if not shown[key]:
                continue
            width = widths[key]
            bar = 8 if (two and drawn is self.map) or not with_bar else HeatMap.BAR
            side = max(0, min(width - HeatMap.LEFT - bar, room.height() - _CAPTION - HeatMap.BOTTOM - HeatMap.TOP))
            data = x + (width - side - HeatMap.LEFT - bar) // 2 + HeatMap.LEFT
            caption.setGeometry(data, room.y(), max(0, x + width - data), _CAPTION)
            drawn.setGeometry(x, room.y() + _CAPTION, width, max(0, room.height() - _CAPTION))
            x += width

    def _place_table(self, room: QRect, there: bool) -> None:
        self.table.setVisible(there)
        self.table.setGeometry(room.adjusted(0, 2, 0, 0))

    def _place_spectrum(self, room: QRect, there: bool) -> None:
        widget = self.spectrum.widget
        widget.setVisible(there)
        self.bars_caption.setVisible(there)
        self.bars_caption.setGeometry(room.x() + HeatMap.LEFT, room.y(), max(0, room.width() - HeatMap.LEFT), _CAPTION)
        widget.setGeometry(room.x(), room.y() + _CAPTION, room.width(), max(0, room.height() - _CAPTION))
        self.spectrum.set_low(room.height() < 140)

    def restyle(self) -> None:
        for shown in (self.map, self.fit_map, self.spectrum):
            shown.restyle()
        for widget in (self.tiles, self.table, self.strip):
            widget.update()


def _caption() -> QuietLabel:
    made = QuietLabel()
    made.setProperty("role", "muted")
    made.setStyleSheet("font-size: 12px;")
    return made
