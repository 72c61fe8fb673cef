"""Figures and numbers that leave the window: what is in the files is what was on the screen."""

import csv
import re
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyqtgraph as pg
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QByteArray, QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QImage, QPainter, QPaintEvent
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QGraphicsView, QLabel, QScrollArea, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app import theme
from app.export import (
    ExportError,
    Table,
    caption,
    copy_picture,
    copy_text,
    matrix_table,
    picture,
    save_picture,
    write_csv,
)
from app.main_window import MainWindow
from app.session import Selection
from app.svg import FALLBACK_FONTS
from engine.analysis.ablation import Ablation, Units
from engine.runfile import Run

Settle = Callable[[MainWindow], None]
SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"


def pixels(image: QImage) -> NDArray[np.uint8]:
    """(height, width, 3)"""
    plain = image.convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(plain.constBits(), np.uint8).reshape(plain.height(), plain.bytesPerLine() // 4, 4)
    return rows[:, : plain.width(), 2::-1].copy()


def shown(qtbot: QtBot, widget: QWidget, width: int = 320, height: int = 240) -> QWidget:
    qtbot.addWidget(widget)
    widget.resize(width, height)
    with qtbot.waitExposed(widget):
        widget.show()
    return widget


@pytest.fixture
def plot(qtbot: QtBot, qapp: QApplication) -> QWidget:
    """A page with a plot of a cached curve, symbols, and a label."""
    theme.apply(qapp, theme.LIGHT)
    page = QWidget()
    column = QVBoxLayout(page)
    column.addWidget(QLabel("k = 41, ψ < φ"))
    chart = pg.PlotWidget()
    chart.setLabel("bottom", "epoch")
    x = np.linspace(0, 10, 60)
    curve = chart.plot(x, np.sin(x), pen=pg.mkPen("#c2185b", width=3))
    curve.curve.setCacheMode(curve.curve.CacheMode.DeviceCoordinateCache)
    chart.plot(x[::6], np.cos(x[::6]), pen=None, symbol="o", symbolBrush="#0b8043", symbolPen=None)
    chart.setXRange(2, 6, padding=0)
    column.addWidget(chart)
    return shown(qtbot, page)


# -- numbers -----------------------------------------------------------------------------------------------


def read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Comment lines without their mark, and the rows."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line[2:] for line in lines if line.startswith("# ")]
    return comments, list(csv.reader(line for line in lines if not line.startswith("# ")))


def test_that_numbers_come_back_exactly_as_they_were(tmp_path: Path) -> None:
    losses = np.random.default_rng(0).normal(size=50) * 10.0 ** np.arange(-25, 25)
    table = Table("losses", {"epoch": np.arange(50), "loss (nats)": losses, "what": ["a, b"] * 50})
    assert write_csv(tmp_path / "x.csv", [table], "One.\nTwo.") == [tmp_path / "x.csv"]
    comments, rows = read(tmp_path / "x.csv")
    assert comments == ["One.", "Two."]
    assert rows[0] == ["epoch", "loss (nats)", "what"]
    assert [int(row[0]) for row in rows[1:]] == list(range(50))
    assert [float(row[1]) for row in rows[1:]] == losses.tolist()
    assert rows[1][2] == "a, b"


def test_that_a_number_that_does_not_exist_is_an_empty_cell(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", [Table("t", {"a": np.array([1.5, np.nan]), "b": [None, np.float64(0.1)]})], "")
    assert read(tmp_path / "x.csv") == ([], [["a", "b"], ["1.5", ""], ["", "0.1"]])


def test_that_several_tables_become_several_files(tmp_path: Path) -> None:
    tables = [Table(name, {"x": [i]}) for i, name in enumerate(("loss", "accuracy"))]
    made = write_csv(tmp_path / "run.csv", tables, "Both.")
    assert made == [tmp_path / "run-loss.csv", tmp_path / "run-accuracy.csv"]
    assert [read(file)[1][1] for file in made] == [["0"], ["1"]]
    assert read(made[1])[0] == ["Both."]


def test_that_a_matrix_is_told_entry_by_entry() -> None:
    values = np.arange(6.0).reshape(2, 3)
    table = matrix_table("m", "a", "b", values, "logit", rows=[5, 7])
    entries = list(zip(*(column.tolist() for column in table.columns.values()), strict=True))
    assert entries == [(5 + 2 * i, j, values[i, j]) for i in range(2) for j in range(3)]


def test_that_columns_of_different_lengths_are_no_table() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Table("t", {"a": [1], "b": [1, 2]})


def test_that_no_tables_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no numbers"):
        write_csv(tmp_path / "x.csv", [], "")


# -- pixels ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["dark", "light"])
def dressed(request: pytest.FixtureRequest, qtbot: QtBot, window: MainWindow, run: Run, settle: Settle) -> MainWindow:
    """The window at rest: everything is measured, and painting moves no axis any more."""
    window.use_theme(request.param)
    window.show_run(run)
    window.session.select(neurons=((0, 3),), frequency=2, pair=(1, 4))
    qtbot.waitUntil(lambda: window.tracing.is_done, timeout=20_000)
    settle(window)
    before: list[QImage] = []

    def rests() -> bool:
        before[:] = [*before[-1:], window.grab().toImage()]
        return len(before) == 2 and before[0] == before[1]

    qtbot.waitUntil(rests)
    return window


def test_that_a_picture_is_what_the_screen_shows(dressed: MainWindow) -> None:
    screen = pixels(dressed.grab().toImage())
    checked = 0
    for view in dressed.views:
        if view.on_show:
            corner = view.content.mapTo(dressed, QPoint(0, 0))
            there = screen[corner.y() :, corner.x() :][: view.content.height(), : view.content.width()]
            np.testing.assert_array_equal(pixels(picture(view.content)), there, err_msg=view.name)
            checked += 1
    assert checked
    np.testing.assert_array_equal(pixels(picture(dressed)), screen)


def test_that_every_view_can_be_written_in_every_format(dressed: MainWindow, tmp_path: Path) -> None:
    for view in dressed.views:
        if not view.on_show:
            continue
        for ending in ("png", "svg", "pdf"):
            save_picture(view.content, tmp_path / f"{view.name}.{ending}", 2, "Caption.")
        page = ET.parse(tmp_path / f"{view.name}.svg").getroot()
        assert page.get("viewBox") == f"0 0 {view.content.width()} {view.content.height()}"
        background = page.find(f"{SVG}g/{SVG}path")
        assert background is not None
        assert background.get("fill") == theme.current().panel
        assert page.findall(f".//{SVG}text"), view.name
        assert QImage(str(tmp_path / f"{view.name}.png")).size() == view.content.size() * 2
        assert (tmp_path / f"{view.name}.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("scale", [1, 3])
def test_that_lines_grow_with_the_picture(scale: int, qtbot: QtBot, qapp: QApplication) -> None:
    theme.apply(qapp, theme.LIGHT)
    chart = pg.PlotWidget(background="w")
    chart.plot([0, 1], [0.5, 0.5], pen=pg.mkPen("#ff0000", width=4))
    image = pixels(picture(shown(qtbot, chart), scale))
    middle = image[:, image.shape[1] // 2].astype(int)
    redness = ((255 - middle[:, 1]) * (middle[:, 0] > 200)).sum() / 255
    assert redness == pytest.approx(4 * scale, abs=0.3)


def test_that_a_larger_picture_is_drawn_anew_and_not_enlarged(plot: QWidget) -> None:
    small, large = (pixels(picture(plot, scale)).astype(float) for scale in (1, 4))
    height, width, _ = small.shape
    assert large.shape == (4 * height, 4 * width, 3)
    blocks = large.reshape(height, 4, width, 4, 3)
    assert np.abs(blocks.mean((1, 3)) - small).mean() < 4  # the same picture …
    assert blocks.std((1, 3)).max() > 60  # … with detail within what was one pixel


def test_that_a_picture_carries_its_caption_and_its_size_on_paper(plot: QWidget, tmp_path: Path) -> None:
    save_picture(plot, tmp_path / "x.png", 3, "Spectrum. Of W_E, ψ.")
    image = QImage(str(tmp_path / "x.png"))
    assert image.text("Description") == "Spectrum. Of W_E, ψ."
    assert image.text("Title") == "Spectrum"
    assert image.width() / image.dotsPerMeterX() == pytest.approx(plot.width() * 0.0254 / 96, rel=1e-3)


def test_that_the_clipboard_has_the_picture(plot: QWidget) -> None:
    copy_picture(plot)
    np.testing.assert_array_equal(pixels(QGuiApplication.clipboard().image()), pixels(picture(plot)))
    copy_text("0.25 nats")
    assert QGuiApplication.clipboard().text() == "0.25 nats"


# -- lines and text ----------------------------------------------------------------------------------------


def svg_of(widget: QWidget, tmp_path: Path) -> ET.Element:
    save_picture(widget, tmp_path / "figure.svg", caption="Title. A < B.")
    return ET.parse(tmp_path / "figure.svg").getroot()


def texts(page: ET.Element) -> list[str]:
    return [element.text or "" for element in page.iter(f"{SVG}text")]


def test_that_text_stays_text_and_curves_stay_lines(plot: QWidget, tmp_path: Path) -> None:
    page = svg_of(plot, tmp_path)
    said = [text.strip() for text in texts(page)]
    assert {"epoch", "3", "4", "5"} <= set(said)
    assert "".join(said).startswith("k = 41,ψ < φ")
    assert not page.findall(f".//{SVG}image")  # the cached curve is no bitmap
    assert "#c2185b" in {path.get("stroke") for path in page.iter(f"{SVG}path")}
    assert len([path for path in page.iter(f"{SVG}path") if path.get("fill") == "#0b8043"]) >= 4  # symbols
    assert (page.findtext(f"{SVG}title"), page.findtext(f"{SVG}desc")) == ("Title", "Title. A < B.")


def test_that_a_drawing_read_back_looks_like_the_screen(plot: QWidget, tmp_path: Path) -> None:
    save_picture(plot, tmp_path / "x.svg")
    back = QImage(plot.size(), QImage.Format.Format_RGB32)
    back.fill(QColor("#ff00ff"))
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    plain = text.replace(f", {FALLBACK_FONTS}", "")  # nor does it know lists of fonts
    renderer = QSvgRenderer(QByteArray(plain.encode()))
    painter = QPainter(back)
    renderer.render(painter, QRectF(back.rect()))
    painter.end()
    screen = pixels(picture(plot)).astype(int)
    away, ink = np.abs(pixels(back) - screen), np.abs(screen - screen[0, 0])
    inside = plot.findChild(pg.PlotWidget).geometry()  # this reader does not know clips: look inside of the axes
    box = inside.adjusted(60, 10, -10, -50)
    assert away[box.top() : box.bottom(), box.left() : box.right()].mean() < 3
    words = np.s_[: inside.top()]
    assert away[words].mean() < 0.5 * ink[words].mean()


def test_that_exporting_leaves_the_plot_as_it_was(plot: QWidget, tmp_path: Path) -> None:
    chart = plot.findChild(QGraphicsView)
    before = pixels(picture(plot)), chart.cacheMode(), [item.cacheMode() for item in chart.scene().items()]
    for ending in ("svg", "pdf", "png"):
        save_picture(plot, tmp_path / f"x.{ending}", 2)
    after = pixels(picture(plot)), chart.cacheMode(), [item.cacheMode() for item in chart.scene().items()]
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert chart.scene().items()[0].CacheMode.DeviceCoordinateCache in after[2]


@pytest.mark.parametrize("sheet", ["", "font-size: 11px;", "font-size: 20px; font-weight: 700;"])
def test_that_words_stand_where_they_stood_at_any_scale(sheet: str, qtbot: QtBot, qapp: QApplication) -> None:
    theme.apply(qapp, theme.LIGHT)
    label = QLabel("restricted, <b>0.00407</b> all pairs")
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setStyleSheet(sheet)
    shown(qtbot, label, 400, 40)
    ends = []
    for scale in (1, 4):
        ink = np.flatnonzero((pixels(picture(label, scale)) < 150).any((0, 2)))
        ends.append(ink[[0, -1]] / scale)
    assert ends[0] == pytest.approx(ends[1], abs=1.5)


def test_that_spaces_of_every_width_stay(qtbot: QtBot, tmp_path: Path) -> None:
    page = svg_of(shown(qtbot, QLabel("8\u00a0780\u2009and\u202f8\u00ad800")), tmp_path)
    assert "".join(texts(page)) == "8\u00a0780\u2009and\u202f8800"


class Atlas(QWidget):
    """Draws the right half of an image: red on the left, blue on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.image = QImage(4, 2, QImage.Format.Format_RGB32)
        self.image.fill(QColor("red"))
        for x, y in ((2, 0), (3, 0), (2, 1), (3, 1)):
            self.image.setPixelColor(x, y, QColor("blue"))

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).drawImage(QRect(10, 10, 40, 40), self.image, QRect(2, 0, 2, 2))


def test_that_only_the_part_of_an_image_that_is_drawn_is_written(qtbot: QtBot, tmp_path: Path) -> None:
    page = svg_of(shown(qtbot, Atlas()), tmp_path)
    (element,) = page.iter(f"{SVG}image")
    assert [element.get(name) for name in ("x", "y", "width", "height")] == ["10", "10", "40", "40"]
    found = QImage.fromData(QByteArray.fromBase64(element.attrib[LINK].split(",")[1].encode()))
    assert {found.pixelColor(x, y).name() for x in range(found.width()) for y in range(found.height())} == {"#0000ff"}
    assert found.width() >= 100  # cells are enlarged, so that no viewer blurs them
    assert "pixelated" in element.get("style", "")


class Strange(QWidget):
    """Dashes, a hatching, turned and transparent things."""

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(0, 0, 50, 50, Qt.BrushStyle.BDiagPattern)
        painter.setPen(pg.mkPen("#ff0000", width=2, style=Qt.PenStyle.DashLine))
        painter.drawLines([QPoint(0, 60), QPoint(50, 60), QPoint(50, 60), QPoint(90, 80)])
        painter.setOpacity(0.5)
        painter.drawEllipse(100, 10, 30, 30)
        painter.setOpacity(1)
        painter.translate(200, 100)
        painter.rotate(-90)
        painter.drawText(0, 0, "turned")
        painter.scale(2, 1)
        painter.setPen(QColor("#00ff00"))
        painter.drawPoints([QPoint(0, 5), QPoint(5, 5)])
        painter.drawPolyline([QPoint(0, 0), QPoint(1, 1), QPoint(2, 0)])


def test_that_dashes_patterns_and_turned_things_are_written(qtbot: QtBot, tmp_path: Path) -> None:
    page = svg_of(shown(qtbot, Strange()), tmp_path)
    assert len(list(page.iter(f"{SVG}image"))) == 1  # the hatching
    dashed = next(path for path in page.iter(f"{SVG}path") if path.get("stroke-dasharray"))
    assert dashed.get("d") == "M0,60 L50,60 L90,80"  # one line, so that its dashes go on
    assert "0.5" in {path.get("opacity") for path in page.iter(f"{SVG}path")}
    (turned,) = page.iter(f"{SVG}text")
    assert turned.get("transform") == "matrix(0,-1,1,0,200,100)"
    save_picture(page_widget := shown(qtbot, Strange()), tmp_path / "x.pdf")
    assert page_widget.isVisible()


def test_that_what_is_scrolled_away_is_not_drawn(qtbot: QtBot, tmp_path: Path) -> None:
    area = QScrollArea()
    area.setWidget(QLabel("\n".join(f"line {i}" for i in range(100))))
    page = svg_of(shown(qtbot, area, 200, 100), tmp_path)
    clips = {clip.get("id"): clip[0].get("d") for clip in page.iter(f"{SVG}clipPath")}
    groups = [group for group in page.iter(f"{SVG}g") if group.find(f"{SVG}text") is not None]
    assert groups
    for group in groups:
        name = group.get("clip-path", "")[5:-1]
        depths = [float(y) for y in re.findall(r",([-\d.]+)", clips[name] or "")]
        assert max(depths) <= 100


class Broken(QWidget):
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(QFont("Inter"))
        painter.drawText(5, 20, "fine")


def test_that_a_failure_while_drawing_is_told(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app import svg

    def fail(*_: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(svg._SvgEngine, "put_text", fail)
    with pytest.raises(RuntimeError, match="no ink"):
        save_picture(shown(qtbot, Broken()), tmp_path / "x.svg")
    assert not list(tmp_path.iterdir())


# -- PDF ---------------------------------------------------------------------------------------------------


def letters_of(pdf: bytes) -> str:
    """The letters of a page of one font, in the order in which they are drawn."""
    streams = []
    for found in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            streams.append(zlib.decompress(found[1]))
        except zlib.error:
            streams.append(found[1])
    maps = [s for s in streams if b"beginbfrange" in s]
    assert len(maps) == 1, "one font"
    letters: dict[int, str] = {}
    for first, codes in re.findall(rb"<(\w{4})> <\w{4}> \[([^]]*)\]", maps[0]):
        for i, code in enumerate(re.findall(rb"<(\w{4})>", codes)):
            letters[int(first, 16) + i] = chr(int(code, 16))
    drawn = b" ".join(s for s in streams if b"Tj" in s)
    return "".join(letters.get(int(code, 16), "?") for code in re.findall(rb"<(\w{4})> Tj", drawn))


def test_that_letters_of_a_pdf_can_be_found(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> None:
    theme.apply(qapp, theme.LIGHT)
    save_picture(shown(qtbot, QLabel("k = 41 → (a+b) mod 113")), tmp_path / "x.pdf")
    assert letters_of((tmp_path / "x.pdf").read_bytes()) == "k = 41 → (a+b) mod 113"


def test_that_a_pdf_has_the_widgets_size_its_fonts_and_its_title(plot: QWidget, tmp_path: Path) -> None:
    save_picture(plot, tmp_path / "x.pdf", caption="Spectrum. Of W_E & more.")
    data = (tmp_path / "x.pdf").read_bytes()
    box = re.search(rb"/MediaBox \[([^]]*)\]", data)
    assert box is not None
    assert [float(side) for side in box[1].split()] == [0, 0, plot.width() * 0.75, plot.height() * 0.75]
    assert b"/FontFile" in data
    assert "Spectrum".encode("utf-16-be") in data
    assert b"Spectrum. Of W_E &amp; more." in data


def test_that_a_heat_map_in_a_pdf_loses_nothing(qtbot: QtBot, tmp_path: Path) -> None:
    save_picture(shown(qtbot, Atlas()), tmp_path / "x.pdf")
    data = (tmp_path / "x.pdf").read_bytes()
    assert data.count(b"/Subtype /Image") == 1
    assert b"DCTDecode" not in data  # JPEG


# -- captions ----------------------------------------------------------------------------------------------


def test_that_a_caption_says_of_which_run_epoch_and_keys(run: Run) -> None:
    selection = Selection(run=run, n_checkpoints=run.n_checkpoints, step=3, pinned_keys=(2, 5))
    text = caption("Spectrum", "Norms of W_E.", selection)
    assert text.startswith("Spectrum. Norms of W_E. Run small.h5")
    for part in (
        run.id,
        f"Epoch {run.epochs[3]} ",
        f"checkpoint 4 of {run.n_checkpoints}",
        "modulo 11",
        "60 %",
        "2, 5",
    ):
        assert part in text
    assert "×" not in text
    assert "memorising part × 0." in caption("S", "", Selection(run=run, n_checkpoints=3, ablation=Ablation(1, 0)))
    cut = Ablation(heads=Units(((0, 1),)))
    assert "Ablated: head 1 at 0." in caption("S", "", Selection(run=run, n_checkpoints=3, ablation=cut))


def test_that_a_caption_without_a_run_is_the_views_own() -> None:
    assert caption("Spectrum", "Norms.", Selection()) == "Spectrum. Norms."


# -- files -------------------------------------------------------------------------------------------------


def test_that_a_place_that_cannot_be_written_is_told_in_one_sentence(plot: QWidget, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "no" / "x.png", tmp_path / "folder.png", tmp_path / "file" / "x.svg"):
        with pytest.raises(ExportError, match=r"could not be written \([^)]*\); choose another place\.$"):
            save_picture(plot, path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]


def test_that_an_unknown_ending_is_refused(plot: QWidget, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"\.png, \.svg, \.pdf"):
        save_picture(plot, tmp_path / "x.bmp")


def test_that_a_picture_larger_than_any_screen_is_refused(plot: QWidget) -> None:
    with pytest.raises(ExportError, match="smaller scale"):
        picture(plot, 100)


def test_that_a_file_is_whole_or_as_it_was(plot: QWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.svg"
    path.write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(ExportError, match="No space left"):
        save_picture(plot, path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
