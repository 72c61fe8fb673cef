"""Marks painted in one go are those painted one by one, and stay shapes on a page."""

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.strokes import Engine, paint
from app.views.painting import draw_boxes, draw_discs, draw_lines

MARKS = np.array([[10.0, 12.0, 30.5, 44.25], [60.0, 20.0, 12.0, 9.5], [5.5, 70.0, 80.0, 11.0]])
COLOURS = tuple(QColor(name).rgba() for name in ("#ff0000", "#00c000", "#4060ff"))
SPOTS = np.array([[20.0, 20.0], [50.4, 33.7], [70.25, 80.5], [52.0, 35.0]])
WHICH = np.array([0, 1, 2, 2])


def picture(draw: Callable[[QPainter], None], fine: float = 1.0) -> QImage:
    image = QImage(round(100 * fine), round(100 * fine), QImage.Format.Format_ARGB32)
    image.setDevicePixelRatio(fine)
    image.fill(Qt.GlobalColor.white)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor("#123456"), 1.5))
    painter.setBrush(QColor("#fedcba"))
    draw(painter)
    painter.end()
    return image


def pixels(image: QImage) -> np.ndarray:  # type: ignore[type-arg]
    return np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4).astype(int)


def discs(painter: QPainter) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    for (x, y), which in zip(SPOTS.tolist(), WHICH.tolist(), strict=True):
        painter.setBrush(QColor.fromRgba(COLOURS[which]))
        painter.drawEllipse(QPointF(x, y), 4.5, 4.5)


def test_that_lines_and_boxes_are_those_of_a_list(qapp: QApplication) -> None:
    assert picture(lambda p: draw_lines(p, MARKS)) == picture(lambda p: p.drawLines([QLineF(*m) for m in MARKS]))
    assert picture(lambda p: draw_boxes(p, MARKS)) == picture(lambda p: p.drawRects([QRectF(*m) for m in MARKS]))
    sliced = np.asfortranarray(MARKS)[::2]
    assert picture(lambda p: draw_boxes(p, sliced)) == picture(lambda p: p.drawRects([QRectF(*m) for m in MARKS[::2]]))


def test_that_no_marks_paint_nothing(qapp: QApplication) -> None:
    none = np.zeros((0, 4))
    empty = picture(lambda p: None)
    assert picture(lambda p: draw_lines(p, none)) == empty
    assert picture(lambda p: draw_boxes(p, none)) == empty
    assert picture(lambda p: draw_discs(p, none[:, :2], 3, COLOURS, WHICH[:0])) == empty


@pytest.mark.parametrize("fine", [1.0, 1.5, 2.0])
def test_that_discs_look_like_discs_the_last_on_top(qapp: QApplication, fine: float) -> None:
    found = pixels(picture(lambda p: draw_discs(p, SPOTS, 4.5, COLOURS, WHICH), fine))
    truth = pixels(picture(discs, fine))
    assert np.abs(found - truth).mean() < 1.0
    for (x, y), which in zip(SPOTS[[0, 2, 3]], WHICH[[0, 2, 3]], strict=True):
        blue, green, red, _ = found[int(y * fine), int(x * fine)]
        assert (red, green, blue) == QColor.fromRgba(COLOURS[which]).getRgb()[:3]


class Recorder(Engine):
    """Counts what reaches a page."""

    def __init__(self) -> None:
        super().__init__()
        self.colours: list[int] = []
        self.images = 0

    def put_path(self, path: QPainterPath, pen: QPen, brush: QBrush) -> None:
        self.colours.append(brush.color().rgba())

    def put_text(self, at: QPointF, text: str, font: QFont, width: float) -> None: ...

    def put_image(self, place: QRectF, image: QImage) -> None:
        self.images += 1


class Dots(QWidget):
    def paintEvent(self, event: QPaintEvent) -> None:
        draw_discs(QPainter(self), SPOTS, 4.5, COLOURS, WHICH)


def test_that_a_page_gets_shapes_and_no_images(qtbot: QtBot) -> None:
    dots, recorder = Dots(), Recorder()
    qtbot.addWidget(dots)
    dots.resize(100, 100)
    paint(dots, recorder, QColor("#ffffff"))
    assert recorder.images == 0
    assert [colour for colour in recorder.colours if colour in COLOURS] == [COLOURS[which] for which in WHICH]
