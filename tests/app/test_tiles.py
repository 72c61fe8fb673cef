"""The wall of tiles: who stands where, what is painted, how many are chosen, how it zooms."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import theme
from app.views.tile_area import FITTED, SCROLLED, WallArea, fitting_size
from app.views.tiles import GAP, SIZES, TileGroup, TileWall, height_of

LEFT = Qt.MouseButton.LeftButton
SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
GROUPS = (
    TileGroup("first", QColor("#f00"), (4, 1, 7, 3, 0, 9)),
    TileGroup("second", QColor("#0f0"), (2, 8, 5)),
    TileGroup("third", QColor("#00f"), (6,)),
)
ORDER = (4, 1, 7, 3, 0, 9, 2, 8, 5, 6)


class Host:
    """Selects what the wall says, as its view does."""

    def __init__(self, area: WallArea, groups: tuple[TileGroup, ...] = GROUPS, side: int = 20) -> None:
        self.area, self.wall, self.groups = area, area.wall, groups
        n = sum(len(group.tiles) for group in groups)
        self.tiles = np.random.default_rng(0).integers(0, 255, (n, side, side)).astype(np.uint8)
        self.selected: tuple[int, ...] = ()
        self.hovered: list[object] = []
        self.wall.clicked.connect(lambda index: self.show((index,)))
        self.wall.chosen.connect(self.show)
        self.wall.hovered.connect(self.hovered.append)
        area.zoom_changed.connect(lambda: self.show(self.selected))
        self.show(())

    def show(self, selected: tuple[int, ...]) -> None:
        self.selected = tuple(selected)
        counts = [len(group.tiles) for group in self.groups]
        self.area.show_tiles(self.groups, self.tiles, self.selected, "1", counts)


@pytest.fixture
def host(qtbot: QtBot, qapp: QApplication) -> Host:
    theme.apply(qapp, theme.DARK)
    area = WallArea(TileWall())
    qtbot.addWidget(area)
    area.resize(150, 190)  # five tiles a row
    area.show()
    return Host(area)


def press(host: Host, index: int, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.mouseClick(host.wall, LEFT, keys, host.wall.place_of(index))


def test_that_every_tile_stands_once_in_its_order(host: Host) -> None:
    assert host.wall.shown == ORDER
    for index in ORDER:
        assert host.wall.index_at(host.wall.place_of(index)) == index
    tops = [host.wall.header_of(g).top() for g in range(3)]
    assert tops == sorted(tops)
    assert host.wall.place_of(9).y() < tops[1] < host.wall.place_of(2).y()


@pytest.mark.parametrize("width", [90, 200, 640])
def test_that_the_largest_tile_that_fits_is_taken(width: int) -> None:
    counts = [60, 30, 7]
    for height in range(120, 900, 37):
        size = fitting_size(counts, QSize(width, height))
        if height_of(counts, width, size) > height:
            assert size == SCROLLED
            assert height_of(counts, width, SIZES[-1]) > height
        else:
            larger = [s for s in SIZES if size < s <= FITTED]
            assert all(height_of(counts, width, s) > height for s in larger)


@pytest.mark.parametrize("zoom", [0, 2])
def test_that_what_is_painted_are_the_tiles(host: Host, zoom: int) -> None:
    """Sharp at their own size, and scaled where the bytes are of another."""
    side = host.area.size_of_tiles
    host.tiles = np.repeat(np.arange(10, dtype=np.uint8)[:, None, None] * 25, side, axis=1).repeat(side, axis=2)
    host.show(())
    assert all(sheet.sharp for sheet in host.wall._sheets)
    host.area.zoom_by(1) if zoom else None
    assert all(sheet.sharp for sheet in host.wall._sheets) == (zoom == 0)
    picture = host.wall.grab().toImage()
    table = theme.colour_table()
    for index in range(10):
        at = host.wall.place_of(index)
        assert picture.pixelColor(at).getRgb()[:3] == tuple(table[25 * index]), index
    between = picture.pixelColor(host.wall.place_of(4) + QPoint(host.area.size_of_tiles // 2 + GAP - 1, 0))
    assert between == QColor(theme.current().panel) or between.alpha() == 0


def test_that_the_brightest_value_is_not_the_background(host: Host) -> None:
    side = host.area.size_of_tiles
    host.tiles = np.full((10, side, side), 255, np.uint8)
    host.show(())
    colour = host.wall.grab().toImage().pixelColor(host.wall.place_of(4))
    assert colour.getRgb()[:3] == tuple(theme.colour_table()[254])


def test_that_a_theme_switch_recolours_what_lies_between(host: Host, qapp: QApplication) -> None:
    host.tiles = np.zeros((10, host.area.size_of_tiles, host.area.size_of_tiles), np.uint8)
    host.show(())
    theme.apply(qapp, theme.LIGHT)
    host.wall.restyle()
    between = host.wall.place_of(4) + QPoint(host.area.size_of_tiles // 2 + GAP - 1, 0)
    assert host.wall.grab().toImage().pixelColor(between) == QColor(theme.LIGHT.panel)


# -- choosing --------------------------------------------------------------------------------------------------


def test_that_clicks_choose_in_their_order(host: Host) -> None:
    press(host, 7)
    assert host.selected == (7,)
    press(host, 2, CTRL)
    press(host, 1, CTRL)
    assert host.selected == (7, 2, 1)
    press(host, 2, CTRL)
    assert host.selected == (7, 1)
    press(host, 5)
    assert host.selected == (5,)


def test_that_shift_takes_everything_between(host: Host) -> None:
    press(host, 1)
    press(host, 0, SHIFT)
    assert host.selected == (1, 7, 3, 0)
    press(host, 4, SHIFT)
    assert host.selected == (1, 7, 3, 0, 4)
    press(host, 8)
    press(host, 9, SHIFT)
    assert host.selected == (8, 2, 9)


def test_that_a_rubber_band_takes_what_it_touches(host: Host) -> None:
    wall = host.wall
    begin, end = wall.place_of(4) - QPoint(6, 6), wall.place_of(7)
    QTest.mousePress(wall, LEFT, Qt.KeyboardModifier.NoModifier, begin)
    QTest.mouseMove(wall, (begin + end) / 2)
    QTest.mouseMove(wall, end)
    assert wall._band is not None
    QTest.mouseRelease(wall, LEFT, Qt.KeyboardModifier.NoModifier, end)
    assert host.selected == (4, 1, 7)
    assert wall._band is None
    begin = wall.place_of(6) - QPoint(4, 4)
    QTest.mousePress(wall, LEFT, CTRL, begin)
    QTest.mouseMove(wall, begin + QPoint(10, 10))
    QTest.mouseRelease(wall, LEFT, CTRL, begin + QPoint(10, 10))
    assert host.selected == (4, 1, 7, 6)


def test_that_a_double_click_is_one_click(host: Host) -> None:
    heard: list[int] = []
    host.wall.clicked.connect(heard.append)
    at = QPointF(host.wall.place_of(3))
    for kind in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease, QEvent.Type.MouseButtonDblClick):
        there = host.wall.mapToGlobal(at)
        event = QMouseEvent(kind, at, there, LEFT, LEFT, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(host.wall, event)
    assert heard == [3]


def test_that_a_header_is_clicked(host: Host, qtbot: QtBot) -> None:
    with qtbot.waitSignal(host.wall.group_clicked) as heard:
        QTest.mouseClick(host.wall, LEFT, Qt.KeyboardModifier.NoModifier, host.wall.header_of(1).center())
    assert heard.args == [1]


def test_that_keys_walk_extend_and_take_the_group(host: Host, qtbot: QtBot) -> None:
    press(host, 1)
    for key, index in ((Qt.Key.Key_Right, 7), (Qt.Key.Key_Left, 1), (Qt.Key.Key_Left, 4), (Qt.Key.Key_Left, 4)):
        qtbot.keyClick(host.wall, key)
        assert host.selected == (index,)
    columns = sum(host.wall.place_of(i).y() == host.wall.place_of(4).y() for i in ORDER)
    qtbot.keyClick(host.wall, Qt.Key.Key_Down)
    assert host.selected == (ORDER[columns],)
    press(host, 9)
    qtbot.keyClick(host.wall, Qt.Key.Key_Right)  # into the next group
    assert host.selected == (2,)
    qtbot.keyClick(host.wall, Qt.Key.Key_Right, SHIFT)
    qtbot.keyClick(host.wall, Qt.Key.Key_Right, SHIFT)
    assert host.selected == (2, 8, 5)
    press(host, 7)
    qtbot.keyClick(host.wall, Qt.Key.Key_A, CTRL)
    assert host.selected == (7, 4, 1, 3, 0, 9)


def test_that_keys_over_a_header_keep_the_column(host: Host, qtbot: QtBot) -> None:
    press(host, 2)
    qtbot.keyClick(host.wall, Qt.Key.Key_Down)
    assert host.selected == (6,)
    qtbot.keyClick(host.wall, Qt.Key.Key_Up)
    assert host.selected == (2,)


def test_that_the_pointer_is_told(host: Host) -> None:
    QTest.mouseMove(host.wall, host.wall.place_of(6))  # wherever the pointer was before
    QTest.mouseMove(host.wall, host.wall.place_of(8))
    assert host.hovered[-1] == 8
    host.wall.leaveEvent(None)
    assert host.hovered[-1] is None


# -- zooming ---------------------------------------------------------------------------------------------------


def test_that_zooming_goes_larger_then_scrolls_and_back_to_what_fits(host: Host, qtbot: QtBot) -> None:
    fitting = host.area.size_of_tiles
    assert not host.area.zoomed
    sizes = []
    for _ in range(3):
        qtbot.keyClick(host.wall, Qt.Key.Key_Plus)
        sizes.append(host.area.size_of_tiles)
    assert fitting < sizes[0] < sizes[1] < sizes[2]
    assert host.wall.height() > host.area.height()
    assert host.area.verticalScrollBar().maximum() > 0
    qtbot.keyClick(host.wall, Qt.Key.Key_Minus)
    assert host.area.size_of_tiles == sizes[1]
    qtbot.keyClick(host.wall, Qt.Key.Key_0)
    assert host.area.size_of_tiles == fitting
    assert not host.area.zoomed
    qtbot.keyClick(host.wall, Qt.Key.Key_Minus)
    assert host.area.size_of_tiles == fitting
    assert host.wall.height() == host.area.height()


def test_that_the_wheel_zooms_with_ctrl_only(host: Host) -> None:
    fitting = host.area.size_of_tiles
    for keys, larger in ((Qt.KeyboardModifier.NoModifier, False), (CTRL, True)):
        event = QWheelEvent(
            QPointF(20, 40), host.area.mapToGlobal(QPointF(20, 40)), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
            keys, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(host.area.viewport(), event)
        assert (host.area.size_of_tiles > fitting) == larger


def test_that_a_tile_come_to_by_key_is_scrolled_to(host: Host, qtbot: QtBot) -> None:
    for _ in range(6):
        host.area.zoom_by(1)
    press(host, 4)
    for _ in range(9):
        qtbot.keyClick(host.wall, Qt.Key.Key_Right)
    assert host.selected == (6,)
    top = host.area.verticalScrollBar().value()
    assert top <= host.wall.place_of(6).y() <= top + host.area.viewport().height()


def test_that_many_tiles_that_do_not_fit_scroll_and_none_is_cut(qtbot: QtBot, qapp: QApplication) -> None:
    theme.apply(qapp, theme.DARK)
    area = WallArea(TileWall())
    qtbot.addWidget(area)
    area.resize(200, 150)
    area.show()
    Host(area, (TileGroup("all", QColor("#fff"), tuple(range(600))),))
    assert area.size_of_tiles == SCROLLED
    assert area.wall.height() > area.height()
    assert area.wall.width() <= area.viewport().width()
    assert area.wall.place_of(599).y() < area.wall.height()


def test_that_another_width_is_painted_like_a_wall_made_for_it(host: Host, qtbot: QtBot) -> None:
    def picture() -> QImage:
        QApplication.processEvents()
        return host.wall.grab().toImage()

    narrow = picture()
    host.wall.resize(host.wall.width() + 90, host.wall.height())  # the tiles there are, elsewhere
    wide, fresh = picture(), TileWall()
    qtbot.addWidget(fresh)
    fresh.resize(host.wall.size())
    fresh.show_tiles(GROUPS, host.tiles, (), "1", host.area.size_of_tiles)
    assert wide == fresh.grab().toImage()
    assert wide.size() != narrow.size()
