"""The dialogs that take figures and movies out of the window, and what a view's menu asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QWidget,
)

from app import export, movie
from app.export import ExportError
from app.form_dialog import ROW, WIDTH, FormDialog, choice, line, number_box, segments
from app.movie_file import FORMATS as MOVIES
from app.numbers import epoch_text
from app.theme import SPACE
from app.views.base import View
from app.views.controls import label

if TYPE_CHECKING:
    from app.main_window import MainWindow

SCALES = (1, 2, 3, 4, 6)
RATES = (2, 5, 10, 15, 20, 30)
_PREVIEW = QSize(WIDTH - 4 * SPACE, 220)
_PIXELS_A_MM = 96 / 25.4


class Exporting:
    """What can be taken out of a window: figures, numbers, movies, and what goes into the clipboard."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self.dialog: QDialog | None = None  # the last one that was opened

    def do(self, view: View, what: str) -> None:
        """What a view's menu asks for: value, copy, export, data or movie."""
        {"value": self.copy_value, "copy": self.copy, "export": self.figure, "data": self.data, "movie": self.movie}[
            what
        ](view)

    def copy_value(self, view: View) -> None:
        export.copy_text(view.value)
        self._window.say(f"Copied: {view.value}")

    def copy(self, view: View) -> None:
        export.copy_picture(view.content)
        self._window.say(f"Copied: a picture of {view.header.title.text()}")

    def figure(self, view: View | None) -> None:
        """A picture of a view, or of the window."""
        self._open(FigureDialog(self._window, view))

    def movie(self, view: View | None) -> None:
        """A movie of a view, or of the window."""
        self._window.timeline.play(False)
        self._open(MovieDialog(self._window, view))

    def data(self, view: View) -> None:
        """The numbers on show, as CSV."""
        tables = view.tables(view.answer, view.session.selection)
        if not tables:
            self._window.say(f"{view.header.title.text()} has no numbers on show.", error=True)
            return
        path = ask_for_path(self._window, "Export data", view, "CSV", ".csv")
        if path is None:
            return
        try:
            files = export.write_csv(path, tables, caption_of(self._window, view))
        except ExportError as error:
            self._window.say(str(error), error=True)
        else:
            self._window.say(f"Written: {', '.join(str(file) for file in files)}")

    def _open(self, dialog: QDialog) -> None:
        self.dialog = dialog
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()


def caption_of(window: MainWindow, view: View | None, when: str = "") -> str:
    """What the figure of a view, or of the window, says of itself.  when : instead of the epoch"""
    if view is not None:
        selection = view.session.selection
        return export.caption(view.header.title.text(), view.describe(view.answer, selection), selection, when)
    selection = window.session.selection
    shown = [v for v in window.shown_views if v.answer is not None]
    described = " ".join(f"{_named(v)}: {v.describe(v.answer, v.session.selection)}" for v in shown)
    return export.caption("Grokscope", described, selection, when)


def _named(view: View) -> str:
    """A view's title, and of which run it is where that is not the one on show."""
    title, selection = view.header.title.text(), view.session.selection
    if not view.session.is_beside or selection.run is None or not selection.n_checkpoints:
        return title
    return f"{title} of {selection.run.path.name} at epoch {epoch_text(selection.epoch)}"


def ask_for_path(window: MainWindow, title: str, view: View | None, kind: str, ending: str) -> Path | None:
    """A name to write to, with the right ending; the folder is remembered."""
    selection = (window if view is None else view).session.selection
    stem = "grokscope" if selection.run is None else selection.run.path.stem
    if view is not None:
        stem += f"-{view.name}"
    if selection.run is not None and selection.n_checkpoints:
        stem += f"-{selection.epoch}"
    folder = Path(str(window.settings.value("export/folder", "")))
    name, _ = QFileDialog.getSaveFileName(window, title, str(folder / f"{stem}{ending}"), f"{kind} (*{ending})")
    if not name:
        return None
    path = Path(name)
    window.settings.setValue("export/folder", str(path.parent))
    return path if path.suffix.lower() == ending else path.with_name(path.name + ending)


class FigureDialog(FormDialog):
    """Format, resolution and caption of a figure."""

    def __init__(self, window: MainWindow, view: View | None) -> None:
        super().__init__(
            window, "Export figure" if view is None else f"Export figure · {view.header.title.text()}", "Export …"
        )
        self._view = view
        self._widget: QWidget = window if view is None else view.content
        self.caption = caption_of(window, view)
        self.column.addWidget(self._preview())
        formats, self.formats = segments(
            {"PNG": "Pixels", "SVG": "Lines and text, for a drawing program", "PDF": "Lines and text, for a paper"},
            "figure",
        )
        self.row("Format", formats)
        self.scale = choice(
            "figure.scale", "Pixels of the picture for one of the screen's",
            {f"{n}×   {96 * n} dots an inch": n for n in SCALES},
        )  # fmt: skip
        self.scale.setCurrentIndex(1)
        self.row("Resolution", self.scale)
        self.size_text = label("", "value")
        self.size_text.setObjectName("figure.size")
        self.row("Size", self.size_text)
        self.beside = QCheckBox("Write the caption beside it, as .txt")
        self.beside.setObjectName("figure.caption")
        self.beside.setToolTip(self.caption)
        self.beside.setMinimumHeight(ROW)
        self.row("Caption", self.beside)
        self.column.addLayout(self.form)
        self.column.addWidget(self.wrong)
        self.column.addLayout(self.buttons)
        self.formats.idToggled.connect(lambda *_: self._tell_size())
        self.scale.currentIndexChanged.connect(self._tell_size)
        self.go.clicked.connect(self.export)
        self.go.setFocus()
        self._tell_size()

    @property
    def ending(self) -> str:
        return list(export.FORMATS)[self.formats.checkedId()]

    def export(self) -> None:
        """Ask where to, write, and close; what is wrong is said here."""
        path = ask_for_path(self._window, "Export figure", self._view, export.FORMATS[self.ending], self.ending)
        if path is None:
            return
        try:
            export.save_picture(self._widget, path, float(self.scale.currentData()), self.caption)
            if self.beside.isChecked():
                export.write_whole(path.with_suffix(".txt"), f"{self.caption}\n".encode())
        except ExportError as error:
            self.complain(str(error))
            return
        self._window.say(f"Written: {path}")
        self.accept()

    def _preview(self) -> QFrame:
        frame = QFrame()
        frame.setObjectName("whole")
        inside = QHBoxLayout(frame)
        inside.setContentsMargins(SPACE, SPACE, SPACE, SPACE)
        shown, ratio = QLabel(), self.devicePixelRatioF()
        shown.setAlignment(Qt.AlignmentFlag.AlignCenter)
        shown.setAccessibleName("What is exported")
        image = export.picture(self._widget)
        room = (_PREVIEW * ratio).boundedTo(image.size())
        small = QPixmap.fromImage(
            image.scaled(room, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
        )
        small.setDevicePixelRatio(ratio)
        shown.setPixmap(small)
        inside.addWidget(shown)
        return frame

    def _tell_size(self) -> None:
        width, height = self._widget.width(), self._widget.height()
        mm = f"{width / _PIXELS_A_MM:.0f} × {height / _PIXELS_A_MM:.0f} mm"
        png = self.ending == ".png"
        self.scale.setEnabled(png)
        n = int(self.scale.currentData())
        self.size_text.setText(f"{width * n} × {height * n} pixels, {mm}" if png else f"{mm}, sharp at any size")


class MovieDialog(FormDialog):
    """Range, speed and format of a movie; it is recorded while this is open."""

    def __init__(self, window: MainWindow, view: View | None) -> None:
        super().__init__(window, "Movie", "Record …")
        self._view, self._recording, self._stop = view, False, False
        selection = window.session.selection
        assert selection.run is not None
        epochs = selection.run.epochs[: selection.n_checkpoints]
        names = {view.header.title.text(): "This view alone"} if view is not None else {}
        shown, self.shown = segments({**names, "Window": "The whole window"}, "movie.of")
        self.row("Film", shown)
        formats, self.formats = segments(
            {"WebP": "Every pixel as on the screen; for web pages and slides", "GIF": "255 colours; opens everywhere"},
            "movie",
        )
        self.row("Format", formats)
        self.first = number_box("movie.from", "First epoch", int(epochs[0]), int(epochs[-1]), int(epochs[0]))
        self.last = number_box("movie.to", "Last epoch", int(epochs[0]), int(epochs[-1]), int(epochs[-1]))
        self.row("Epochs", line(self.first, label("to", "muted"), self.last))
        self.every = number_box("movie.every", "Take every so manieth checkpoint", 1, max(1, len(epochs)), 1)
        self._unit = label("", "muted")
        self.row("Every", line(self.every, self._unit))
        self.rate = choice("movie.fps", "Frames a second", {f"{n} frames a second": n for n in RATES})
        self.rate.setCurrentIndex(RATES.index(10))
        self.row("Speed", self.rate)
        ratio = window.devicePixelRatioF()
        scales = sorted({ratio, 1.0, 2.0})
        self.scale = choice(
            "movie.scale", "Pixels of a frame for one of the layout's",
            {f"{s:g}×{'   as on this screen' if s == ratio else ''}": s for s in scales},
        )  # fmt: skip
        self.scale.setCurrentIndex(scales.index(ratio))
        self.row("Resolution", self.scale)
        self.titled = QCheckBox("With the view's name and the epoch above")
        self.titled.setObjectName("movie.titled")
        self.titled.setChecked(True)
        self.titled.setMinimumHeight(ROW)
        if view is not None:
            self.row("Title", self.titled)
        self._finish_layout(window)
        for signal in (self.first.valueChanged, self.last.valueChanged, self.every.valueChanged,
                       self.rate.currentIndexChanged, self.scale.currentIndexChanged, self.shown.idToggled,
                       self.titled.toggled):  # fmt: skip
            signal.connect(lambda *_: self._tell())
        self.go.clicked.connect(self.record)
        self.go.setFocus()
        self._tell()

    @property
    def ending(self) -> str:
        return list(MOVIES)[self.formats.checkedId()]

    @property
    def steps(self) -> list[int]:
        """The checkpoints of the movie."""
        selection = self._window.session.selection
        return movie.steps_between(selection, self.first.value(), self.last.value(), self.every.value())

    @property
    def film(self) -> MainWindow | View:
        """What is filmed."""
        return self._window if self._view is None or self.shown.checkedId() == 1 else self._view

    def record(self) -> None:
        """Ask where to, and film; what is wrong is said here."""
        film, steps = self.film, self.steps
        view = film if isinstance(film, View) else None
        path = ask_for_path(self._window, "Record a movie", view, MOVIES[self.ending], self.ending)
        if path is None:
            return
        fps = float(self.rate.currentData())
        caption = caption_of(self._window, view, movie.when(self._window.session.selection, steps, fps))
        self._set_recording(True)
        try:
            done = movie.record(
                film, steps, path, fps, float(self.scale.currentData()),
                caption, self.titled.isChecked(), self._progress,
            )  # fmt: skip
        except ExportError as error:
            self.complain(str(error))
            self._set_recording(False)
            return
        self._set_recording(False)
        if done:
            self._window.say(f"Written: {path} ({len(steps)} frames)")
            self.accept()

    def reject(self) -> None:
        """Cancel the recording; without one, close."""
        if self._recording:
            self._stop = True
        else:
            super().reject()

    def _progress(self, done: int, total: int) -> bool:
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        n = len(self.steps)
        self._state.setText(f"Frame {min(done + 1, n)} of {n}" if done < n else "Writing …")
        return not self._stop

    def _set_recording(self, on: bool) -> None:
        self._recording, self._stop = on, False
        self.complain("")
        for widget in (self.first, self.last, self.every, self.rate, self.scale, self.titled, self.go,
                       *self.shown.buttons(), *self.formats.buttons()):  # fmt: skip
            widget.setEnabled(not on)
        self._bar.setVisible(on)
        self._tell()

    def _tell(self) -> None:
        """How much it will be."""
        n = len(self.steps)
        self._unit.setText("checkpoint" if self.every.value() == 1 else "checkpoints")
        size = movie.frame_size(self.film, float(self.scale.currentData()), self.titled.isChecked())
        seconds = n / float(self.rate.currentData())
        self.titled.setEnabled(isinstance(self.film, View) and not self._recording)
        self.go.setEnabled(n > 0 and not self._recording)
        length = f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
        self._state.setText(
            f"{epoch_text(n)} frame{'s' * (n != 1)} · {length} · {size.width()} × {size.height()} pixels"
            if n
            else "No checkpoint lies in that range."
        )

    def _finish_layout(self, window: MainWindow) -> None:
        self._state = label("", "muted")
        self._state.setObjectName("movie.state")
        self._state.setWordWrap(True)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setObjectName("movie.progress")
        self._bar.setAccessibleName("Progress of the movie")
        self._bar.setVisible(False)
        left = window.tracing.left
        unfinished = label(
            f"{epoch_text(left)} checkpoints are still to be measured: curves over training grow during the movie.",
            "hint",
        )
        unfinished.setWordWrap(True)
        unfinished.setVisible(left > 0)
        self.column.addLayout(self.form)
        for widget in (self._state, unfinished, self._bar, self.wrong):
            self.column.addWidget(widget)
        self.column.addLayout(self.buttons)
