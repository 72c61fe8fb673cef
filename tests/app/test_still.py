"""What is kept as pixels, and labels that move nothing."""

from pathlib import Path

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QWidget
from pytestqt.qtbot import QtBot

from app import theme
from app.views.still import QuietLabel, Still, tip


def painted(still: Still, key: object, draw: object, scale: float = 1.0) -> QImage:
    image = QImage(round(40 * scale), round(30 * scale), QImage.Format.Format_ARGB32)
    image.setDevicePixelRatio(scale)
    image.fill(QColor("#102030"))
    painter = QPainter(image)
    still.paint(painter, QSize(40, 30), key, draw)  # type: ignore[arg-type]
    painter.end()
    return image


class Drawing:
    """A diagonal, and how often it was drawn."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, painter: QPainter) -> None:
        self.times += 1
        painter.setPen(QColor("#ffcc00"))
        painter.drawLine(0, 0, 39, 29)


def test_that_what_is_the_same_is_drawn_once(qapp: QApplication) -> None:
    still, draw = Still(), Drawing()
    first, again = painted(still, "a", draw), painted(still, "a", draw)
    assert draw.times == 1
    assert first == again
    painted(still, "b", draw)
    assert draw.times == 2


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_that_pixels_are_those_of_drawing_directly(qapp: QApplication, scale: float) -> None:
    image = QImage(round(40 * scale), round(30 * scale), QImage.Format.Format_ARGB32)
    image.setDevicePixelRatio(scale)
    image.fill(QColor("#102030"))
    painter = QPainter(image)
    Drawing()(painter)
    painter.end()
    assert painted(Still(), 0, Drawing(), scale) == image


def test_that_another_screen_is_drawn_for_anew(qapp: QApplication) -> None:
    still, draw = Still(), Drawing()
    painted(still, "a", draw)
    painted(still, "a", draw, 2.0)
    assert draw.times == 2


def test_that_a_page_gets_shapes_and_no_pixels(qapp: QApplication, tmp_path: Path) -> None:
    page = QSvgGenerator()
    page.setFileName(str(tmp_path / "page.svg"))
    still, draw = Still(), Drawing()
    for _ in range(2):
        painter = QPainter(page)
        still.paint(painter, QSize(40, 30), "a", draw)
        painter.end()
    assert draw.times == 2
    text = (tmp_path / "page.svg").read_text()
    assert "<polyline" in text or "<path" in text
    assert "<image" not in text


def test_that_a_quiet_label_moves_nothing_and_ends_in_dots(qtbot: QtBot) -> None:
    row, label, other = QWidget(), QuietLabel("short"), QLabel("beside")
    layout = QHBoxLayout(row)
    layout.addWidget(label)
    layout.addWidget(other)
    row.resize(160, 40)
    qtbot.addWidget(row)
    row.show()
    qtbot.waitExposed(row)
    before = label.geometry(), other.geometry(), label.sizeHint()
    label.setText("a text that is much longer than there is room for beside the other one")
    QApplication.processEvents()
    assert (label.geometry(), other.geometry(), label.sizeHint()) == before
    assert label.text().endswith("beside the other one")
    assert label.accessibleDescription() == label.text()


def test_that_ink_is_the_text_s_own_colour(qtbot: QtBot) -> None:
    label = QuietLabel("█████")
    qtbot.addWidget(label)
    label.resize(80, 24)
    label.set_ink(QColor("#ff0000"))
    image = label.grab().toImage()
    colours = {image.pixelColor(x, 12).name() for x in range(image.width())}
    assert {"#ff0000", theme.current().panel} <= colours


def test_that_a_tip_is_told_only_where_it_changes(qtbot: QtBot) -> None:
    class Counting(QWidget):
        times = 0

        def event(self, event: object) -> bool:
            Counting.times += event.type().name == "ToolTipChange"  # type: ignore[attr-defined]
            return super().event(event)  # type: ignore[arg-type]

    widget = Counting()
    qtbot.addWidget(widget)
    tip(widget, "once")
    tip(widget, "once")
    assert (widget.toolTip(), Counting.times) == ("once", 1)
