"""WebP and GIF from frames that come one at a time."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from app import pages
from app.export import ExportError

FORMATS = {".webp": "WebP", ".gif": "GIF"}
_WEBP_SIDE = 16_383  # the format's limit
_UNCHANGED = 255  # the place in a GIF's palette that leaves a pixel as it was
_EXACT = 32  # the commonest colours of a GIF, kept as they are


class Frames(Protocol):
    """n : how many; `frame` is asked for each once, in order; `written` is told of what is done after that"""

    n: int

    def frame(self, i: int) -> Image.Image:
        """The i-th frame, RGB, all of one size."""

    def written(self, i: int) -> None:
        """The i-th frame has found its place in the file."""


def encode(frames: Frames, path: Path, ending: str, fps: float, caption: str) -> None:
    """Write an endless movie: .webp without any loss, .gif with 255 colours for the whole. Raises `ExportError`."""
    if ending == ".webp":
        _webp(frames, path, fps, caption)
    else:
        _gif(frames, path, fps, caption)


# -- WebP --------------------------------------------------------------------------------------------------


class _Film(Image.Image):
    """Frames that are taken when the encoder comes to them, so that one at a time is in memory."""

    def __init__(self, frames: Frames) -> None:
        super().__init__()
        first = frames.frame(0)
        self.im, self._mode, self._size = first.im, first.mode, first.size
        self.n_frames = frames.n
        self._frames, self._at = frames, 0

    def seek(self, frame: int) -> None:
        if frame > self._at:  # the encoder goes back at the end, when all is done
            self._at = frame
            self.paste(self._frames.frame(frame))

    def tell(self) -> int:
        return self._at


def _webp(frames: Frames, path: Path, fps: float, caption: str) -> None:
    film = _Film(frames)
    if max(film.size) > _WEBP_SIDE:
        raise ExportError(f"A WebP movie has at most {_WEBP_SIDE} pixels along a side; choose a smaller scale.")
    film.save(
        path, "WEBP", save_all=True, duration=_durations(frames.n, fps, 1), loop=0, lossless=True, quality=30, method=2,
        xmp=pages.xmp(caption.split(". ")[0], caption).encode(),
    )  # fmt: skip


def _durations(n: int, fps: float, grain: int) -> list[int]:
    """Milliseconds of every frame in multiples of `grain`, so that the whole keeps its length."""
    ends = [grain * round(1000 * i / fps / grain) for i in range(n + 1)]
    return [max(grain, end - begin) for begin, end in pairwise(ends)]


# -- GIF ---------------------------------------------------------------------------------------------------


def _gif(frames: Frames, path: Path, fps: float, caption: str) -> None:
    """All frames are taken first, and kept compressed in a file, so that one palette can serve them all."""
    counts = np.zeros(1 << 24, np.uint32)  # pixels of every colour
    with TemporaryFile() as kept:
        lengths: list[int] = []
        size = (0, 0)
        for i in range(frames.n):
            frame = frames.frame(i)
            size = frame.size
            found, times = np.unique(_packed(frame), return_counts=True)
            counts[found] += times.astype(np.uint32)
            lengths.append(kept.write(zlib.compress(frame.tobytes(), 1)))
        kept.seek(0)
        palette, places = _palette(counts)
        taken = (Image.frombytes("RGB", size, zlib.decompress(kept.read(length))) for length in lengths)
        with path.open("wb") as file:
            _begin_gif(file, size, palette, caption)
            before: NDArray[np.uint8] | None = None
            for i, (frame, duration) in enumerate(zip(taken, _durations(frames.n, fps, 10), strict=True)):
                indices = places[_packed(frame)]
                _add_to_gif(file, before, indices, palette, duration)
                before = indices
                frames.written(i)
            file.write(b";")


def _packed(frame: Image.Image) -> NDArray[np.uint32]:
    """Every pixel's colour as one number.  (height, width)"""
    rgb = np.asarray(frame, np.uint32)
    return np.asarray(rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2])


def _palette(counts: NDArray[np.uint32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The colours of a movie and, for every colour that occurs, the place of the nearest of them.

    counts : (2²⁴,)  ->  (255, 3), (2²⁴,)
    """
    colours = np.flatnonzero(counts)
    rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
    if len(colours) <= _UNCHANGED:
        chosen = rgb
    else:
        weight = np.ceil(np.sqrt(counts[colours] / counts.max()) * 200).astype(int)  # rare colours count as well
        sample = np.repeat(rgb, weight, axis=0).astype(np.uint8)[None]
        commonest = np.argsort(counts[colours])[-_EXACT:]
        found = Image.fromarray(sample).quantize(_UNCHANGED - _EXACT, Image.Quantize.MEDIANCUT, kmeans=2).getpalette()
        chosen = np.concatenate([rgb[commonest], np.array(found).reshape(-1, 3)])[:_UNCHANGED]
    palette = np.zeros((_UNCHANGED, 3), np.uint8)
    palette[: len(chosen)] = chosen
    places = np.zeros(len(counts), np.uint8)
    for begin in range(0, len(colours), 4096):
        away = rgb[begin : begin + 4096, None, :] - chosen[None, :, :]
        places[colours[begin : begin + 4096]] = (away**2).sum(2).argmin(1)
    return palette, places


def _begin_gif(file: IO[bytes], size: tuple[int, int], palette: NDArray[np.uint8], caption: str) -> None:
    """Size, the one colour table of all frames, "again and again", and the caption as a comment."""
    file.write(b"GIF89a" + struct.pack("<HHBBB", *size, 0b11110111, 0, 0) + palette.tobytes() + b"\0\0\0")
    file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")
    comment = caption.encode()
    blocks = [comment[i : i + 255] for i in range(0, len(comment), 255)]
    if blocks:
        file.write(b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0")


def _add_to_gif(
    file: IO[bytes],
    before: NDArray[np.uint8] | None,
    frame: NDArray[np.uint8],
    palette: NDArray[np.uint8],
    duration: int,
) -> None:
    """A frame: what is different from the one before.  before, frame : (height, width), places in the palette"""
    left, top, part = _difference(before, frame)
    image = Image.fromarray(part)
    image.putpalette(palette.tobytes())
    options: dict[str, Any] = {"duration": duration, "disposal": 1, "transparency": _UNCHANGED}
    file.writelines(GifImagePlugin.getdata(image, (left, top), **options))


def _difference(before: NDArray[np.uint8] | None, frame: NDArray[np.uint8]) -> tuple[int, int, NDArray[np.uint8]]:
    """The smallest part that holds all changes, and where it lies: left, top, (height, width)."""
    if before is None:
        return 0, 0, frame
    changed = before != frame
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    if not len(rows):
        return 0, 0, np.full((1, 1), _UNCHANGED, np.uint8)
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return int(columns[0]), int(rows[0]), np.where(changed[box], frame[box], np.uint8(_UNCHANGED))
