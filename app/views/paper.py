"""The paper's figures by their names, on the run on show: the page as it will be printed, and its caption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QElapsedTimer, QSignalBlocker, QSize, QStandardPaths, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.compute import Answer, Compute, Query
from app.export import ExportError, Table
from app.numbers import epoch_text
from app.paper import (
    CONTENTS,
    DPI,
    NAMES,
    OVER_TRAINING,
    TYPE_PT,
    TYPES,
    WIDTH_MM,
    WIDTHS,
    PaperPage,
    expected_ratio,
    export,
    export_data,
    paper_page,
    picture,
)
from app.session import Selection, Session
from app.theme import SPACE
from app.views.base import View
from app.views.controls import ElidedLabel, label
from app.views.help import Help
from engine.runfile import Run

_GRAIN = 16  # pixels: the page's width is a multiple, so that a window that is dragged larger asks seldom
_WIDEST = 1120  # pixels of the layout
_PATIENCE_MS = 4000  # between two pages of a run that is being trained or measured


def _head_of(selection: Selection) -> int:
    """Of the first layer: the selected one, else the first."""
    return selection.head[1] if selection.head is not None and selection.head[0] == 0 else 0


def paper_wanted(run: Run, name: str) -> str:
    """The figure that is asked for; the page itself comes when the selection rests."""
    return name


class PaperView(View):
    """A figure of the paper, recomputed and composed as printed. Always in the light theme: paper is white."""

    name = "paper"
    title = "Paper"
    about = (
        "Figures 1 to 8 and Tables 1 and 2 of the paper by their names, recomputed on this run and composed as "
        "printed. Export them at the width and type size of your page."
    )
    help = Help(
        see="A page at the chosen width, with type of the chosen size, as it will be printed. Figures 1, 3 to 6, 8 and "
        "the tables are of the checkpoint on show, Figures 2 and 7 of all training. Figure 1 is drawn from the "
        "definition of the algorithm; everything else is recomputed from the run's weights. The caption beneath states "
        "the definitions, the key frequencies and the epoch they were taken at, the split and the run.",
        look_for="On the paper's mainline: five key frequencies tower in Figure 3, W<sub>E</sub> having a sixth that "
        "later parts do not use; twenty bright components, five 2 × 2 blocks, in Figure 4c; most neurons above an FVE "
        "of 0.85 in Figure 5a; in Figure 6 only the keys hurt when taken away, and the keys alone do better than the "
        "whole; in Figure 7 excluded loss rises and restricted loss falls long before test loss does. Select a head "
        "for Figure 4a, a neuron for 4b, a key frequency for 5b, a pair for 1.",
        wrong="A figure quoted without its caption: the numbers depend on the keys, and these on the epoch they were "
        "taken at. Early checkpoints have neurons of no frequency; then the panel says so. Figure 2 is one run, not "
        "the paper's five seeds.",
        formula="L<sub>restricted</sub> = Σ<sub>k ∈ keys</sub> P<sub>k</sub>L + mean L, "
        "L<sub>excluded</sub> = L − Σ<sub>k</sub> P<sub>k</sub>L, P<sub>k</sub> the projection on cos and sin of "
        "w<sub>k</sub>(a + b), w<sub>k</sub> = 2πk/p; W<sub>L</sub> = W<sub>out</sub>W<sub>U</sub>.",
        paper="Figures 1 to 8, Tables 1 and 2; sections 4.1 to 5.2 and appendix C.1.",
    )

    def __init__(self, session: Session, compute: Compute) -> None:
        self._page: tuple[Query, PaperPage] | None = None
        self._wanted_page: Query | None = None
        self._since = QElapsedTimer()  # the last page that was asked for
        self._revision = 0
        super().__init__(session, compute)
        self.tracing.grew.connect(self._grew)
        compute.answered.connect(self._failed)

    def options(self) -> list[QWidget]:
        self._head = QComboBox()
        self._head.setObjectName("paper.head")
        self._head.setAccessibleName("Attention head of figure 4")
        self._head.setToolTip("The attention head of figure 4a")
        self._head.currentIndexChanged.connect(lambda head: self.session.select(head=(0, head)))
        self._head.setVisible(False)
        self._width = _number("paper.width", "Width of the page in millimetres", WIDTHS, WIDTH_MM, " mm")
        self._type = _number("paper.type", "Size of the type in points", TYPES, TYPE_PT, " pt")
        for box in (self._width, self._type):
            box.valueChanged.connect(self.redraw)
        return [self._head, self._width, self._type]

    def build(self) -> QWidget:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(SPACE)
        self._which = QComboBox()
        self._which.setObjectName("paper.figure")
        self._which.setAccessibleName("Figure of the paper")
        self._which.setToolTip("Which figure of the paper")
        for name, (title, _) in CONTENTS.items():
            self._which.addItem(f"{name} · {title}", name)
        self._which.setCurrentIndex(NAMES.index("Figure 3"))
        self._which.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._which.currentIndexChanged.connect(self._chosen)
        column.addWidget(self._which)
        column.addWidget(self._make_desk(), 1)
        column.addLayout(self._make_buttons())
        return content

    def _make_desk(self) -> QWidget:
        """The page and its caption, which scroll together."""
        self._sheet = Sheet()
        self._caption = label("", "muted")
        self._caption.setObjectName("paper.caption")
        self._caption.setAccessibleName("Caption")
        self._caption.setWordWrap(True)
        self._caption.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._caption.setAlignment(Qt.AlignmentFlag.AlignTop)
        desk = QWidget()
        column = QVBoxLayout(desk)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addWidget(self._sheet, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self._caption)
        column.addStretch(1)
        self._scroll = _Desk()
        self._scroll.setWidget(desk)
        self._scroll.resized.connect(self._fit)
        return self._scroll

    def _make_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        self._said = ElidedLabel("")
        self._said.setProperty("role", "muted")
        self._said.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row.addWidget(self._said, 1)
        self._buttons = {}
        for name, text, tip, action in (
            ("copy", "Copy image", f"Copy the page as a picture of {DPI} dots an inch", self.copy_image),
            ("data", "Data (CSV) …", "Write the numbers of this figure as CSV", self.export_data),
            ("export", "Export …", "Write PDF, SVG or PNG of exactly this width, with caption and numbers beside it",
             self.export_figure),
        ):  # fmt: skip
            button = QPushButton(text)
            button.setObjectName(f"paper.{name}")
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.clicked.connect(action)
            row.addWidget(button)
            self._buttons[name] = button
        return row

    # -- what is asked and shown ---------------------------------------------------------------------------

    def query(self, selection: Selection) -> Query:
        return Query(paper_wanted, (selection.run, self.figure_name))

    def exact(self, selection: Selection) -> Query | None:
        run = selection.run
        if run is None or not selection.n_checkpoints:
            return None
        wanted = self._question(run, selection)
        held = self._wanted_page
        if held is not None and self._may_wait(held, wanted, selection):
            return held
        if wanted != held:
            self._wanted_page = wanted
            self._since.start()
        return wanted

    def _question(self, run: Run, selection: Selection) -> Query:
        """Only what the figure depends on: the rest of the selection may change and the page stays."""
        name, n = self.figure_name, selection.n_checkpoints
        over_training = name in OVER_TRAINING
        pixels = round(self._page_width() * self.devicePixelRatioF())
        return Query(
            paper_page,
            (
                run,
                n - 1 if over_training else selection.step,
                n,
                name,
                selection.pinned_keys,
                next(iter(selection.neurons), None) if name == "Figure 4" else None,
                _head_of(selection) if name == "Figure 4" else 0,
                selection.frequency if name in ("Figure 1", "Figure 5") else None,
                selection.pair if name == "Figure 1" else None,
                self.tracing.traces if over_training and self.tracing.run is run else None,
                self._revision if over_training else 0,
                selection.thresholds if name == "Figure 7" else None,
                float(self._width.value()),
                float(self._type.value()),
                pixels,
            ),
        )

    def _may_wait(self, held: Query, wanted: Query, selection: Selection) -> bool:
        """Whether a run that only grows can keep the page on show a little longer."""
        run = selection.run
        if run is None or not run.grows or not self._since.isValid() or self._since.hasExpired(_PATIENCE_MS):
            return False
        same = (*held.args[:1], *held.args[3:]) == (*wanted.args[:1], *wanted.args[3:])
        return same and (selection.following or held.args[1] == wanted.args[1])

    @property
    def waiting(self) -> bool:
        """Whether the page is not of the current question yet."""
        page = self._page[0] if self._page is not None else None
        failed = self.failure[0] if self.failure is not None else None
        return super().waiting or (self._exact is not None and self._exact not in (page, failed))

    def draw(self, answer: str, selection: Selection) -> None:
        run = selection.run
        if run is None:
            return
        heads = run.config.n_heads
        blocked = QSignalBlocker(self._head)
        if self._head.count() != heads:
            self._head.clear()
            self._head.addItems([f"head {h}" for h in range(heads)])
        self._head.setCurrentIndex(_head_of(selection))
        blocked.unblock()
        self._head.setVisible(answer == "Figure 4" and heads > 1)
        wanted = self.exact(selection)
        stale = self._page is None or self._page[0] != wanted
        if stale:
            self._late.start()
        self._sheet.set_stale(stale)

    def write(self, numbers: PaperPage, selection: Selection) -> None:
        query = self.exact(selection)
        if query is None:
            return
        if self._page is None or self._page[1] is not numbers:
            self._sheet.show_page(numbers.picture, self._page_width())
            self._caption.setText(numbers.figure.caption)
            self._sheet.setAccessibleDescription(numbers.figure.caption)
            self._said.setText("")
        self._page = (query, numbers)
        self.failure = None
        self._sheet.set_stale(False)
        self.header.mark_late(False)
        keys = ", ".join(str(k) for k in numbers.figure.keys)
        when = "all training" if numbers.figure.name in OVER_TRAINING else f"epoch {epoch_text(selection.epoch)}"
        self.set_subtitle(f"{when} · keys {keys}" if keys else f"{when} · no key frequency")

    def _failed(self, query: Query, answer: Answer) -> None:
        if answer.error is not None and query == self._exact:
            self._page, self.failure = None, (query, f"{type(answer.error).__name__}: {answer.error}")
            self._say(f"This figure could not be drawn.\n{self.failure[1]}")

    def _grew(self) -> None:
        """The traces have more: not every time a new page."""
        done = not self.tracing.left
        if done or not self._since.isValid() or self._since.hasExpired(_PATIENCE_MS):
            self._revision = self.tracing.revision
            if self.on_show and self.figure_name in OVER_TRAINING:
                self.refresh(self.session.selection)

    def tables(self, answer: Any, selection: Selection) -> list[Table]:
        return [] if self._page is None else list(self._page[1].figure.tables)

    def describe(self, answer: Any, selection: Selection) -> str:
        return self.about if self._page is None else self._page[1].figure.caption

    # -- the page ------------------------------------------------------------------------------------------

    @property
    def figure_name(self) -> str:
        return str(self._which.currentData())

    def choose(self, name: str) -> None:
        """Show Figure 1 … Figure 8, Table 1 or Table 2."""
        self._which.setCurrentIndex(NAMES.index(name))

    @property
    def page(self) -> PaperPage | None:
        """The page on show."""
        return None if self._page is None else self._page[1]

    def _chosen(self) -> None:
        self._scroll.verticalScrollBar().setValue(0)
        self.redraw()

    def _page_width(self) -> int:
        """Of the page on the screen, pixels of the layout."""
        desk = self._scroll.viewport().size()
        width = min(_WIDEST, desk.width() - 2 * Sheet.EDGE)
        ratio = expected_ratio(self.figure_name, self._width.value(), self._type.value())
        if ratio is not None:  # the whole of it if it stays legible
            width = min(width, max(int(0.7 * width), int((desk.height() - 2 * Sheet.EDGE) / ratio)))
        return max(10, width // _GRAIN) * _GRAIN

    def _fit(self) -> None:
        if self._page is not None:
            self._sheet.show_page(self._page[1].picture, self._page_width())
        if self.isVisible():
            self.refresh(self.session.selection)

    # -- taking it elsewhere -------------------------------------------------------------------------------

    def answers_for(self, what: str) -> bool:
        """The page itself, not a picture of the view."""
        own = {"copy": self.copy_image, "export": self.export_figure, "data": self.export_data}
        if what in own:
            own[what]()
        return what in own

    def copy_image(self) -> None:
        """The page into the clipboard, as large as it is printed."""
        if self._page is None:
            return
        width = float(self._width.value())
        pixels = picture(self._page[1].figure, width, float(self._type.value()), round(width / 25.4 * DPI))
        image = _image(pixels).copy()
        image.setDotsPerMeterX(round(DPI / 0.0254))
        image.setDotsPerMeterY(round(DPI / 0.0254))
        QGuiApplication.clipboard().setImage(image)
        self._said.setText(f"copied, {image.width()} × {image.height()} pixels")

    def export_figure(self) -> None:
        """Ask for a name, and write."""
        kinds = "PDF (*.pdf);;SVG (*.svg);;PNG (*.png)"
        path, kind = QFileDialog.getSaveFileName(self, "Export figure", str(self._proposal(".pdf")), kinds)
        if path:
            file = Path(path)
            known = file.suffix.lower() in (".pdf", ".svg", ".png")
            self.export_to(file if known else Path(f"{path}.{kind[:3].lower() or 'pdf'}"))

    def export_to(self, path: Path) -> None:
        """The figure on show with its caption and numbers."""
        if self._page is not None:
            self._report(
                lambda figure: export(figure, path, float(self._width.value()), float(self._type.value())), path
            )

    def export_data(self) -> None:
        """Ask for a name, and write the numbers."""
        path, _ = QFileDialog.getSaveFileName(self, "Export data", str(self._proposal(".csv")), "CSV (*.csv)")
        if path:
            self.export_data_to(Path(path))

    def export_data_to(self, path: Path) -> None:
        """The numbers of the figure on show."""
        if self._page is not None:
            self._report(lambda figure: export_data(figure, path), path)

    def _report(self, write: Any, path: Path) -> None:
        assert self._page is not None
        try:
            files = write(self._page[1].figure)
        except ExportError as error:
            self._said.setText(str(error))
            self._said.setToolTip(str(error))
            return
        self._folder = path.parent
        others = f" and {len(files) - 1} beside it" if len(files) > 1 else ""
        self._said.setText(f"wrote {files[0].name}{others}" if files else "there are no numbers to write")
        self._said.setToolTip("\n".join(str(file) for file in files))

    _folder: Path | None = None

    def _proposal(self, suffix: str) -> Path:
        folder = self._folder or Path(
            QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation) or "."
        )
        run, name = self.session.selection.run, self.figure_name.lower().replace(" ", "-")
        stem = f"{run.path.stem}-" if run is not None else ""
        epoch = "" if self.figure_name in OVER_TRAINING or run is None else f"-epoch-{self.session.selection.epoch}"
        return folder / f"{stem}{name}{epoch}{suffix}"


class Sheet(QWidget):
    """A page, white, with a thin edge."""

    EDGE = 1

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("paper.sheet")
        self.setAccessibleName("The page")
        self._image = QImage()
        self._pixels: NDArray[np.uint8] | None = None  # what the image reads
        self._stale = False
        self._size = QSize(0, 0)

    def show_page(self, pixels: NDArray[np.uint8], width: int) -> None:
        """pixels : (height, width, 4), red, green, blue, alpha     width : on the screen"""
        if pixels is not self._pixels:
            self._pixels, self._image = pixels, _image(pixels)
        height, across = pixels.shape[:2]
        size = QSize(width + 2 * self.EDGE, round(width * height / across) + 2 * self.EDGE)
        if size != self._size:
            self._size = size
            self.setFixedSize(size)
        self.update()

    def set_stale(self, stale: bool) -> None:
        """Paler while the next page is on its way."""
        if stale != self._stale:
            self._stale = stale
            self.update()

    def sizeHint(self) -> QSize:
        return self._size

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._image.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        paper, inside = QColor(theme.LIGHT.panel), self.rect().adjusted(*(s * self.EDGE for s in (1, 1, -1, -1)))
        painter.fillRect(inside, paper)
        painter.setOpacity(0.45 if self._stale else 1.0)
        painter.drawImage(inside, self._image)
        painter.setOpacity(1.0)
        painter.setPen(QColor(theme.current().border))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))


class _Desk(QScrollArea):
    """Scrolls downwards only, and says when its size has changed."""

    resized = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)  # the page would change its width
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setAccessibleName("Page and its caption")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()


def _number(name: str, tip: str, limits: tuple[float, float], value: float, unit: str) -> QSpinBox:
    box = QSpinBox()
    box.setObjectName(name)
    box.setAccessibleName(tip)
    box.setToolTip(tip)
    box.setRange(round(limits[0]), round(limits[1]))
    box.setValue(round(value))
    box.setSuffix(unit)
    box.setKeyboardTracking(False)
    box.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
    return box


def _image(pixels: NDArray[np.uint8]) -> QImage:
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
