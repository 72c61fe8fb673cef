"""Movies of a view or of the window: each frame one checkpoint, as it is on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from PySide6.QtCore import QCoreApplication, QEventLoop, QRect, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QFont, QImage, QPainter

from app import theme
from app.compute import Query
from app.export import ExportError, picture, replacing
from app.movie_file import FORMATS, encode
from app.session import Selection
from app.theme import SPACE
from app.views.base import View
from app.views.plots import epoch_text

if TYPE_CHECKING:
    from app.main_window import MainWindow

_STRIP = 34  # height of the line with title and epoch
_FRAME = QSize(2 * SPACE, _STRIP + SPACE)  # what a title adds to a view
_LOOK_MS = 4  # between two looks whether everything is painted
_TRIES = 5  # pictures of a checkpoint until two are the same
_CALM = 2  # looks in a row

Progress = Callable[[int, int], object]


def record(
    shown: MainWindow | View,
    steps: Sequence[int],
    path: str | Path,
    fps: float = 10.0,
    scale: float | None = None,
    caption: str = "",
    titled: bool = False,
    progress: Progress | None = None,
) -> bool:
    """Write a movie of a view's content or of the whole window over checkpoints, as lossless WebP or as GIF.

    Each frame is the picture of one checkpoint with all its numbers, pixel for pixel; nothing lies between two. A GIF
    has one palette of 255 colours for all its frames. The epoch on show is restored.

    steps : indices of checkpoints, in their order      scale : see `export.picture`; None: as on this screen
    titled : put a line with title and epoch above a view
    progress : called with (work done, work in all); False ends it and nothing is written
    -> whether the movie is complete. Raises `ExportError`.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ExportError(f"{path.name}: a movie's name ends in {' or '.join(FORMATS)}.")
    if not steps:
        raise ExportError("There are no checkpoints in that range.")
    camera = _Camera(shown, steps, scale, titled)
    camera.progress, camera.rounds = progress, 2 if path.suffix.lower() == ".gif" else 1
    try:
        with camera.rolling(), replacing(path) as part:
            encode(camera, part, path.suffix.lower(), fps, caption)
    except _Cancelled:
        return False
    return True


def steps_between(selection: Selection, first: float | None, last: float | None, every: int = 1) -> list[int]:
    """Indices of the checkpoints from epoch `first` to epoch `last`, every so manieth, the last one always."""
    if selection.run is None or not selection.n_checkpoints:
        return []
    epochs = selection.run.epochs[: selection.n_checkpoints]
    begin = 0 if first is None else int(epochs.searchsorted(first))
    end = len(epochs) if last is None else int(epochs.searchsorted(last, side="right"))
    chosen = list(range(begin, end, max(1, every)))
    if chosen and chosen[-1] != end - 1:
        chosen.append(end - 1)
    return chosen


def when(selection: Selection, steps: Sequence[int], fps: float) -> str:
    """A caption's sentence about the time that a movie shows."""
    assert selection.run is not None
    first, last = (int(selection.run.epochs[step]) for step in (steps[0], steps[-1]))
    return f"Epochs {first} to {last}: {len(steps)} checkpoints, {fps:g} a second, nothing between them."


def frame_size(shown: MainWindow | View, scale: float, titled: bool) -> QSize:
    """Pixels of a frame that `record` would make."""
    if isinstance(shown, View):
        return (shown.content.size() + (_FRAME if titled else QSize(0, 0))) * scale
    return shown.size() * scale


class _Cancelled(Exception):
    """Nobody wants the movie any more."""


# -- the camera --------------------------------------------------------------------------------------------


class _Camera:
    """Goes from checkpoint to checkpoint and takes a picture when everything is painted."""

    def __init__(
        self,
        shown: MainWindow | View,
        steps: Sequence[int],
        scale: float | None,
        titled: bool,
    ) -> None:
        self.n = len(steps)
        self._shown, self._steps, self._scale = shown, steps, scale
        self._titled = titled
        self.progress: Progress | None = None
        self.rounds = 1  # how often a file goes through the frames
        self._session, self._compute = shown.session, shown.compute
        self._run = shown.session.selection.run
        self._answered: set[Query] = set()
        self._size: tuple[int, int] | None = None

    @contextmanager
    def rolling(self) -> Iterator[None]:
        """Listen to answers, and leave everything as it was."""
        before = self._session.selection
        self._compute.answered.connect(self._hear)
        try:
            yield
        finally:
            self._compute.answered.disconnect(self._hear)
            if self._session.selection.run is before.run:
                self._session.select(step=before.step, following=before.following)

    def frame(self, i: int) -> Image.Image:
        """The i-th checkpoint's picture. Raises `_Cancelled`, and `ExportError` where it cannot be taken."""
        self._tell(i)
        self._session.select(step=self._steps[i], following=False)
        image = self._picture()
        if self._titled and isinstance(self._shown, View):
            image = _with_title(image, self._shown.header.title.text(), self._session.selection)
        size = image.width(), image.height()
        if self._size not in (None, size):
            raise ExportError("The window's size has changed; the movie was not written.")
        self._size = size
        if i == self.n - 1:
            self._tell(self.n)
        return _pillow(image)

    def written(self, i: int) -> None:
        """Told by files that go through the frames twice."""
        self._tell(self.n + i + 1)
        QCoreApplication.processEvents()

    def _tell(self, done: int) -> None:
        if self.progress is not None and self.progress(done, self.rounds * self.n) is False:
            raise _Cancelled

    def _picture(self) -> QImage:
        """What is on show when it rests: painting itself may still move an axis for the next time."""
        widget = self._shown.content if isinstance(self._shown, View) else self._shown
        before = None
        for _ in range(_TRIES):
            self._wait()
            image = picture(widget, self._scale)
            if image == before:
                break
            before = image
        return image

    def _wait(self) -> None:
        """Let events happen until the picture and its printed numbers are those of the selection."""
        loop, timer = QEventLoop(), QTimer()
        calm = 0

        def look() -> None:
            nonlocal calm
            if not self._is_there() or self._session.selection.run is not self._run:
                loop.exit(1)
            calm = calm + 1 if self._is_settled() else 0
            if calm >= _CALM:
                loop.exit(0)

        timer.timeout.connect(look)
        timer.start(_LOOK_MS)
        if loop.exec():
            raise ExportError("What was to be filmed is no longer on show; the movie was not written.")

    def _is_there(self) -> bool:
        return self._shown.on_show if isinstance(self._shown, View) else self._shown.isVisible()

    def _is_settled(self) -> bool:
        views = [self._shown] if isinstance(self._shown, View) else self._shown.shown_views
        without = [view for view in views if not self._has_numbers(view)]
        return not self._shown.waiting and not without

    def _has_numbers(self, view: View) -> bool:
        """Whether a view's exact numbers are there; if not, they are asked for at once."""
        wanted = view.exact(view.session.selection) if view.answer is not None else None
        if wanted is None or wanted in self._answered or self._compute.knows(wanted):
            return True
        self._compute.ask((view, "exact"), wanted)
        return False

    def _hear(self, query: Query, answer: object) -> None:
        self._answered.add(query)


def _with_title(image: QImage, title: str, selection: Selection) -> QImage:
    """The image in a frame of the panel's colour, beneath the view's name and the epoch."""
    look, ratio = theme.current(), image.devicePixelRatio()
    whole = QImage(image.size() + _FRAME * ratio, QImage.Format.Format_RGB32)
    whole.fill(QColor(look.panel))
    whole.setDevicePixelRatio(ratio)
    painter = QPainter(whole)
    line = QRect(SPACE, 0, round(image.width() / ratio), _STRIP)
    font = QFont(theme.FONT)
    font.setPixelSize(13)
    font.setWeight(QFont.Weight.DemiBold)
    painter.setFont(font)
    painter.setPen(QColor(look.text))
    painter.drawText(line, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), title)
    right = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight)
    painter.drawText(line, right, f"epoch {epoch_text(selection.epoch)}")
    painter.drawImage(SPACE, _STRIP, image)
    painter.end()
    return whole


def _pillow(image: QImage) -> Image.Image:
    size = image.width(), image.height()
    return Image.frombytes("RGB", size, bytes(image.constBits()), "raw", "BGRX", image.bytesPerLine(), 1)
