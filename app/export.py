"""What is on show, taken elsewhere: pictures, numbers, captions."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter, QRegion
from PySide6.QtWidgets import QWidget

from app import pages, svg, theme
from app.ablation_words import ablation_sentence
from engine.tasks import TASKS

if TYPE_CHECKING:
    from app.session import Selection

FORMATS = {".png": "PNG", ".svg": "SVG", ".pdf": "PDF"}
LARGEST = 16_384  # pixels along a side of a picture


class ExportError(Exception):
    """Something could not be written; the message says what to do."""


# -- numbers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length under their headers, units in the headers: "loss (nats)".

    name : what tells it from other tables of the same view, fit for a file's name: "accuracy"
    """

    name: str
    columns: Mapping[str, Sequence[Any] | NDArray[Any]]

    def __post_init__(self) -> None:
        lengths = {header: len(values) for header, values in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"The columns of table {self.name} differ in length: {lengths}.")


def matrix_table(
    name: str,
    row_name: str,
    column_name: str,
    values: NDArray[Any],
    value_name: str,
    rows: Sequence[Any] | NDArray[Any] | None = None,
    columns: Sequence[Any] | NDArray[Any] | None = None,
) -> Table:
    """A matrix in the long format: a line for each entry, row by row.

    values : (n, m)      rows : (n,), columns : (m,): what they stand for; left out: 0 … n−1 and 0 … m−1
    """
    n, m = values.shape
    row = np.arange(n) if rows is None else np.asarray(rows)
    column = np.arange(m) if columns is None else np.asarray(columns)
    return Table(name, {row_name: np.repeat(row, m), column_name: np.tile(column, n), value_name: values.ravel()})


def write_csv(path: str | Path, tables: Sequence[Table], caption: str) -> list[Path]:
    """Write tables as CSV with the caption above as comment lines.  -> the files

    One table goes to `path`, several to NAME-TABLE.csv beside each other. Numbers keep their full precision; an empty
    cell is a number that does not exist. Raises `ExportError`.
    """
    path = Path(path)
    if not tables:
        raise ExportError("There are no numbers on show to write.")
    made = [
        path if len(tables) == 1 else path.with_name(f"{path.stem}-{table.name.replace(' ', '-')}{path.suffix}")
        for table in tables
    ]
    for file, table in zip(made, tables, strict=True):
        write_whole(file, csv_text(table, caption).encode())
    return made


def csv_text(table: Table, caption: str) -> str:
    """One table as CSV; the caption's lines begin with "# "."""
    text = io.StringIO()
    text.writelines(f"# {line}\n" for line in caption.splitlines())
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(zip(*(_cells(column) for column in table.columns.values()), strict=True))
    return text.getvalue()


def _cells(column: Sequence[Any] | NDArray[Any]) -> list[Any]:
    """Python's own numbers, which the writer prints so that reading gives the same number again."""
    values = (
        column.tolist() if isinstance(column, np.ndarray) else [getattr(v, "tolist", lambda v=v: v)() for v in column]
    )
    return ["" if value is None or value != value else value for value in values]


# -- pictures ----------------------------------------------------------------------------------------------


def picture(widget: QWidget, scale: float | None = None) -> QImage:
    """The widget as it is on the screen, on the panel's colour.

    scale : pixels of the picture for a pixel of the layout; everything is drawn at that resolution, nothing is
        enlarged. None: as on this screen. Raises `ExportError` where the picture would be too large.
    """
    ratio = widget.devicePixelRatioF()
    wanted = ratio if scale is None else scale
    size = widget.size() * wanted
    if max(size.width(), size.height()) > LARGEST:
        raise ExportError(f"A picture of {size.width()} × {size.height()} pixels is too large; choose a smaller scale.")
    image = _as_on_screen(widget, ratio) if wanted == ratio else pages.raster(widget, _background(), wanted)
    image.setDevicePixelRatio(wanted)
    return image


def save_picture(widget: QWidget, path: str | Path, scale: float = 1.0, caption: str = "") -> None:
    """Write the widget as PNG, SVG or PDF, by the ending of the name. Raises `ExportError`.

    scale : of a PNG, see `picture`. SVG and PDF have lines, text as text, and the widget's size (96 pixels an inch).
    caption : goes into the file's own description
    """
    path = Path(path)
    title = caption.split(". ")[0] if caption else path.stem
    kind = path.suffix.lower()
    if kind == ".png":
        write_whole(path, _png(picture(widget, scale), title, caption))
    elif kind == ".svg":
        write_whole(path, svg.svg(widget, _background(), title, caption))
    elif kind == ".pdf":
        write_whole(path, pages.pdf(widget, _background(), title, caption))
    else:
        raise ExportError(f"{path.name}: a picture's name ends in {', '.join(FORMATS)}.")


def copy_picture(widget: QWidget, scale: float | None = None) -> None:
    """Put the widget's picture into the clipboard."""
    QGuiApplication.clipboard().setImage(picture(widget, scale))


def copy_text(text: str) -> None:
    """Put text into the clipboard."""
    QGuiApplication.clipboard().setText(text)


def _background() -> QColor:
    return QColor(theme.current().panel)


def _as_on_screen(widget: QWidget, ratio: float) -> QImage:
    """Painted at its place in the window, since halves of pixels are rounded by where they are."""
    corner = widget.mapTo(widget.window(), QPoint(0, 0))
    corner = QPoint(max(0, corner.x()), max(0, corner.y()))
    room = widget.size() + QSize(corner.x(), corner.y())
    image = QImage(room * ratio, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    flags = QWidget.RenderFlag.DrawChildren
    if widget.isWindow():
        flags |= QWidget.RenderFlag.DrawWindowBackground
    painter = QPainter(image)
    try:
        painter.fillRect(QRect(corner, widget.size()), _background())
        QWidget.render(widget, painter, corner, QRegion(), flags)  # a plot's own `render` is another function
    finally:
        painter.end()
    return image.copy(QRect(corner * ratio, widget.size() * ratio))


def _png(image: QImage, title: str, caption: str) -> bytes:
    dots = round(96 * image.devicePixelRatio() / 0.0254)
    image.setDotsPerMeterX(dots)  # as large on paper as on the screen, whatever its resolution
    image.setDotsPerMeterY(dots)
    for key, value in (("Title", title), ("Description", caption), ("Software", "Grokscope")):
        image.setText(key, value)
    return svg.png(image)


# -- captions ----------------------------------------------------------------------------------------------


def caption(title: str, described: str, selection: Selection, when: str = "") -> str:
    """What a figure says of itself: the view, what is plotted, and of which run and checkpoint.

    described : the view's own sentences: definitions, key frequencies and the epoch they were taken at, splits
    when : instead of the sentence about the epoch on show
    """
    parts = [f"{title.rstrip('.')}.", described.strip()]
    run = selection.run
    if run is not None and selection.n_checkpoints:
        config = run.config
        parts += [
            f"Run {run.path.name} ({run.id}): {TASKS[config.operation].symbol} modulo {config.p}, "
            f"{100 * config.train_fraction:g} % of the pairs trained on, "
            f"data seed {config.data_seed}, model seed {config.model_seed}.",
            when or f"Epoch {selection.epoch} (checkpoint {selection.step + 1} of {selection.n_checkpoints}).",
        ]
        if run.reduced_precision:
            parts.append("The run's weights are rounded to float16.")
    if selection.pinned_keys:
        parts.append(f"Key frequencies chosen by hand: {', '.join(map(str, selection.pinned_keys))}.")
    parts.append(ablation_sentence(selection.ablation, 1 if run is None else run.config.n_layers))
    return " ".join(part for part in parts if part)


# -- files -------------------------------------------------------------------------------------------------


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, which takes its place at the end. Raises `ExportError`."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        raise ExportError(f"{path} could not be written ({error.strerror or error}); choose another place.") from error
    finally:
        with suppress(OSError):
            part.unlink()


def write_whole(path: Path, data: bytes) -> None:
    """The file as a whole or not at all. Raises `ExportError`."""
    with replacing(path) as part, part.open("wb") as file:
        file.write(data)
