"""The area a wall of tiles stands in: as large as fits, or zoomed and scrolled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QScrollArea

from app.views.tiles import SIZES, TileGroup, TileWall, height_of

FITTED, SCROLLED = 96, 18  # the largest tile that is taken by itself; the one where none fits
_CTRL = Qt.KeyboardModifier.ControlModifier


def fitting_size(counts: Sequence[int], room: QSize) -> int:
    """The largest tile with which groups of these sizes fit; where none does, one that can be seen."""
    return _fitting(tuple(counts), room.width(), room.height())


@lru_cache(maxsize=8)
def _fitting(counts: tuple[int, ...], width: int, height: int) -> int:
    sizes = (size for size in SIZES if size <= FITTED)
    return next((size for size in sizes if height_of(counts, width, size) <= height), SCROLLED)


class WallArea(QScrollArea):
    """A wall of tiles as large as fit, or zoomed, and then it scrolls."""

    zoom_changed = Signal()

    def __init__(self, wall: TileWall) -> None:
        super().__init__()
        self.wall = wall
        self._counts: tuple[int, ...] = ()
        self._told: tuple[tuple[TileGroup, ...], NDArray[np.uint8], tuple[int, ...], str] | None = None
        self._zoom: int | None = None  # a tile's size; None: what fits
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(wall)
        wall.zoomed.connect(self.zoom_by)
        wall.reached.connect(lambda place: self.ensureVisible(place.center().x(), place.center().y(), 60, 60))

    @property
    def size_of_tiles(self) -> int:
        return self._zoom or fitting_size(self._counts, self.contentsRect().size())

    @property
    def zoomed(self) -> bool:
        return self._zoom is not None

    def show_tiles(
        self,
        groups: Sequence[TileGroup],
        tiles: NDArray[np.uint8],
        selected: Sequence[int],
        limit: str,
        counts: Sequence[int],
    ) -> None:
        """As `TileWall.show_tiles`.  counts : the groups that are to fit, shown or not"""
        self._counts, self._told = tuple(counts), (tuple(groups), tiles, tuple(selected), limit)
        self._lay_out()

    def _lay_out(self) -> None:
        assert self._told is not None
        groups, tiles, selected, limit = self._told
        size, room = self.size_of_tiles, self.contentsRect().size()
        shown = [len(group.tiles) for group in groups]
        over = height_of(shown, room.width(), size) > room.height()
        policy = Qt.ScrollBarPolicy.ScrollBarAlwaysOn if over else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        if policy != self.verticalScrollBarPolicy():
            self.setVerticalScrollBarPolicy(policy)
        width = room.width() - (self.verticalScrollBar().sizeHint().width() if over else 0)
        self.wall.resize(width, max(room.height(), height_of(shown, width, size)))
        self.wall.show_tiles(groups, tiles, selected, limit, size)

    def zoom_by(self, steps: int, at: QPoint | None = None) -> None:
        """Larger, smaller, or as large as fits (0). at : of the wall, the place that keeps its tile in view"""
        fitting = fitting_size(self._counts, self.contentsRect().size())
        now = self._zoom or fitting
        larger = [size for size in SIZES if size > now]
        smaller = [size for size in SIZES if fitting < size < now]
        before = self._zoom
        if steps > 0 and larger:
            self._zoom = larger[-1]
        elif steps <= 0:
            self._zoom = smaller[0] if steps < 0 and smaller else None
        if self._zoom == before:
            return
        keep = None if at is None else self.wall.index_at(at)
        offset = 0 if at is None else at.y() - self.verticalScrollBar().value()
        self.zoom_changed.emit()
        if keep is not None and keep in self.wall.shown:
            self.verticalScrollBar().setValue(self.wall.place_of(keep).y() - offset)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & _CTRL:
            at = self.wall.mapFrom(self, event.position().toPoint())
            self.zoom_by(1 if event.angleDelta().y() > 0 else -1, at)
            event.accept()
        else:
            super().wheelEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """At once with the tiles there are; the host asks for sharp ones."""
        if self._told is not None:
            self._lay_out()
