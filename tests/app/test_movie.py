"""Movies: every frame is the screen at its checkpoint, and nothing else."""

import argparse
import gc
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import movie_verb, theme
from app.compute import Compute, Query
from app.export import ExportError, picture
from app.main_window import MainWindow
from app.movie import frame_size, record, steps_between, when
from app.movie_file import encode
from app.session import Selection, Session
from app.theme import SPACE
from app.views.base import View
from app.views.loss import LossView
from app.views.spectrum import SpectrumView
from engine.config import ConfigError
from engine.runfile import Run, RunError

Settle = Callable[[MainWindow], None]
ROOT = Path(__file__).resolve().parents[2]


def pixels(image: QImage) -> NDArray[np.uint8]:
    """(height, width, 3)"""
    plain = image.convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(plain.constBits(), np.uint8).reshape(plain.height(), plain.bytesPerLine() // 4, 4)
    return rows[:, : plain.width(), 2::-1].copy()


def frames(path: Path) -> list[NDArray[np.uint8]]:
    """Every frame, decoded.  (height, width, 3) each"""
    with Image.open(path) as film:
        made = []
        for i in range(getattr(film, "n_frames", 1)):
            film.seek(i)
            made.append(np.asarray(film.convert("RGB")))
        return made


@pytest.fixture
def spectrum(qtbot: QtBot, qapp: QApplication, run: Run) -> Iterator[View]:
    """One view alone that has settled: everything is measured, and its axis has seen every checkpoint."""
    theme.apply(qapp, theme.DARK)
    session, compute = Session(), Compute()
    view = SpectrumView(session, compute)
    qtbot.addWidget(view)
    view.resize(420, 320)
    with qtbot.waitExposed(view):
        view.show()
    session.show_run(run, 40)
    tracing = view.tracing
    qtbot.waitUntil(lambda: tracing.is_done and not view.waiting, timeout=20_000)
    screens(qtbot, view, list(range(run.n_checkpoints)))
    session.show_run(run, 40)
    yield view
    view.close()
    compute.close()
    tracing.close()


@pytest.fixture
def shown(qtbot: QtBot, window: MainWindow, run: Run, settle: Settle) -> MainWindow:
    """The window, with everything measured."""
    window.show_run(run, 40)
    window.session.select(neurons=((0, 3),))
    qtbot.waitUntil(lambda: window.tracing.is_done and not window.panel.estimating, timeout=20_000)
    settle(window)
    loss = next(view for view in window.views if view.name == "loss")
    assert isinstance(loss, LossView)
    assert loss.answer.progress.excluded_all is not None
    assert len(loss.answer.progress.excluded_all.epochs) == run.n_checkpoints
    return window


def screens(qtbot: QtBot, shown: MainWindow | View, steps: list[int]) -> list[NDArray[np.uint8]]:
    """What the screen shows at these checkpoints when one waits there, as a person does."""
    views = [shown] if isinstance(shown, View) else [view for view in shown.views if view.on_show]
    before = QImage()

    def rests() -> bool:
        nonlocal before
        numbers = [view.exact(shown.session.selection) for view in views]
        known = all(query is None or shown.compute.knows(query) for query in numbers)
        last, before = before, picture(shown.content if isinstance(shown, View) else shown)
        return known and not shown.waiting and not shown.compute.busy and before == last

    made = []
    for step in steps:
        shown.session.select(step=step, following=False)
        before = QImage()
        qtbot.waitUntil(rests, timeout=20_000)
        made.append(pixels(before))
    return made


# -- every frame is the screen -----------------------------------------------------------------------------


def test_that_each_frame_of_a_view_is_the_screen_at_its_checkpoint(
    qtbot: QtBot, spectrum: View, tmp_path: Path
) -> None:
    steps = [0, 3, 4, 9]
    assert record(spectrum, steps, tmp_path / "x.webp")
    found, wanted = frames(tmp_path / "x.webp"), screens(qtbot, spectrum, steps)
    assert len(found) == len(wanted)
    for i, (frame, screen) in enumerate(zip(found, wanted, strict=True)):
        np.testing.assert_array_equal(frame, screen, err_msg=f"frame {i}")
    assert not np.array_equal(found[0], found[3])


def test_that_each_frame_of_the_window_is_the_screen_at_its_checkpoint(
    qtbot: QtBot, shown: MainWindow, tmp_path: Path
) -> None:
    steps = [1, 8]
    assert record(shown, steps, tmp_path / "x.webp")
    for frame, screen in zip(frames(tmp_path / "x.webp"), screens(qtbot, shown, steps), strict=True):
        np.testing.assert_array_equal(frame, screen)


def test_that_a_gif_is_near_the_screen(qtbot: QtBot, spectrum: View, tmp_path: Path) -> None:
    steps = [0, 3, 4, 9]
    assert record(spectrum, steps, tmp_path / "x.gif")
    found, wanted = frames(tmp_path / "x.gif"), screens(qtbot, spectrum, steps)
    for frame, screen in zip(found, wanted, strict=True):
        away = np.abs(frame.astype(int) - screen)
        assert away.mean() < 1
        background = (screen == screen[0, 0]).all(2)
        assert not away[background].any()  # the commonest colours are exact, so nothing flickers


def test_that_a_title_stands_above_the_screen_and_leaves_it_alone(qtbot: QtBot, spectrum: View, tmp_path: Path) -> None:
    assert record(spectrum, [2, 7], tmp_path / "x.webp", titled=True)
    (first, second), (screen, _) = frames(tmp_path / "x.webp"), screens(qtbot, spectrum, [2, 7])
    size = frame_size(spectrum, 1, True)
    assert first.shape == (size.height(), size.width(), 3)
    top = first.shape[0] - screen.shape[0] - SPACE
    np.testing.assert_array_equal(first[top:-SPACE, SPACE:-SPACE], screen)
    assert not np.array_equal(first[:top, -120:], second[:top, -120:])  # the epoch
    np.testing.assert_array_equal(first[:top, :-120], second[:top, :-120])


def test_that_a_movie_can_be_larger_than_the_screen(spectrum: View, tmp_path: Path) -> None:
    assert record(spectrum, [0], tmp_path / "x.webp", scale=2)
    (frame,) = frames(tmp_path / "x.webp")
    np.testing.assert_array_equal(frame.shape[:2], (2 * spectrum.content.height(), 2 * spectrum.content.width()))


def test_that_numbers_that_come_late_are_in_the_frame(
    spectrum: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(SpectrumView, "exact", lambda self, s: Query(_slow_epoch, (s.run, s.step)))
    monkeypatch.setattr(SpectrumView, "write", lambda self, numbers, s: asked.append(numbers))
    done: list[list[int]] = []
    assert record(spectrum, [2, 5], tmp_path / "x.webp", progress=lambda i, n: done.append(list(asked)))
    epochs = spectrum.session.selection.run.epochs
    assert int(epochs[2]) in done[1]
    assert int(epochs[5]) in done[2]


def _slow_epoch(run: Run, step: int) -> int:
    return int(run.epochs[step])


# -- manners -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".webp", ".gif"])
def test_that_a_cancelled_movie_leaves_nothing_behind(spectrum: View, ending: str, tmp_path: Path) -> None:
    before = spectrum.session.selection
    assert not record(spectrum, [0, 1, 2, 3], tmp_path / f"x{ending}", progress=lambda done, _: done < 2)
    assert not list(tmp_path.iterdir())
    assert spectrum.session.selection == before


@pytest.mark.parametrize("following", [True, False])
def test_that_the_epoch_on_show_is_restored(following: bool, spectrum: View, tmp_path: Path) -> None:
    last = spectrum.session.selection.n_checkpoints - 1
    spectrum.session.select(step=last, following=following)
    before = spectrum.session.selection
    assert record(spectrum, [0, 1], tmp_path / "x.webp")
    assert spectrum.session.selection == before


@pytest.mark.parametrize(("ending", "rounds"), [(".webp", 1), (".gif", 2)])
def test_that_progress_is_told_to_the_end(ending: str, rounds: int, spectrum: View, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    assert record(spectrum, [0, 1, 2], tmp_path / f"x{ending}", progress=lambda *done: told.append(done))
    assert told == [(i, 3 * rounds) for i in range(3 * rounds + 1)]


def test_that_what_is_not_on_show_cannot_be_filmed(spectrum: View, tmp_path: Path) -> None:
    spectrum.hide()
    with pytest.raises(ExportError, match="no longer on show"):
        record(spectrum, [0], tmp_path / "x.webp")
    assert not list(tmp_path.iterdir())


def test_that_a_run_that_changes_ends_the_movie(spectrum: View, tmp_path: Path) -> None:
    def leave(done: int, _: int) -> None:
        if done == 1:
            spectrum.session.select(run=None)

    with pytest.raises(ExportError, match="not written"):
        record(spectrum, [0, 1, 2], tmp_path / "x.webp", progress=leave)
    assert not list(tmp_path.iterdir())


def test_that_a_window_that_changes_its_size_ends_the_movie(spectrum: View, tmp_path: Path) -> None:
    def pull(done: int, _: int) -> None:
        if done == 1:
            spectrum.resize(500, 400)

    with pytest.raises(ExportError, match="size has changed"):
        record(spectrum, [0, 1, 2], tmp_path / "x.webp", progress=pull)


def test_that_wrong_wishes_are_told(spectrum: View, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"\.webp or \.gif"):
        record(spectrum, [0], tmp_path / "x.mp4")
    with pytest.raises(ExportError, match="no checkpoints"):
        record(spectrum, [], tmp_path / "x.gif")
    with pytest.raises(ExportError, match="could not be written"):
        record(spectrum, [0], tmp_path / "no" / "x.gif")


def test_that_a_range_has_both_its_ends(run: Run) -> None:
    selection = Selection(run=run, n_checkpoints=run.n_checkpoints)
    epochs = run.epochs.tolist()
    assert steps_between(selection, None, None) == list(range(len(epochs)))
    assert [epochs[s] for s in steps_between(selection, 20, 40)] == [e for e in epochs if 20 <= e <= 40]
    assert steps_between(selection, None, None, 4)[-1] == len(epochs) - 1
    assert steps_between(selection, None, None, 4)[:3] == [0, 4, 8]
    assert steps_between(selection, 41, 42) == []
    assert steps_between(Selection(), None, None) == []
    assert "Epochs 0 to 200: 2 checkpoints, 5 a second" in when(selection, [0, len(epochs) - 1], 5)


# -- the files ---------------------------------------------------------------------------------------------


class Stills:
    """Frames from arrays; counts how many are alive at once."""

    def __init__(self, arrays: list[NDArray[np.uint8]]) -> None:
        self.n, self._arrays = len(arrays), arrays
        self.asked: list[int] = []
        self.most_alive = 0
        self._alive: list[weakref.ref[Image.Image]] = []

    def frame(self, i: int) -> Image.Image:
        self.asked.append(i)
        made = Image.fromarray(self._arrays[i])
        self._alive.append(weakref.ref(made))
        gc.collect()
        self.most_alive = max(self.most_alive, sum(ref() is not None for ref in self._alive))
        return made

    def written(self, i: int) -> None:
        pass


def noise(n: int, colours: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(1)
    table = rng.integers(0, 256, (colours, 3), np.uint8)
    return [table[rng.integers(0, colours, (20, 30))] for _ in range(n)]


@pytest.mark.parametrize("ending", [".webp", ".gif"])
def test_that_few_colours_come_back_exactly_and_in_order(ending: str, tmp_path: Path) -> None:
    arrays = noise(5, 255)
    encode(Stills(arrays), tmp_path / "x", ending, 10, "Caption ψ.")
    found = frames(tmp_path / "x")
    assert len(found) == 5
    for frame, array in zip(found, arrays, strict=True):
        np.testing.assert_array_equal(frame, array)


@pytest.mark.parametrize("ending", [".webp", ".gif"])
def test_that_frames_are_taken_one_at_a_time(ending: str, tmp_path: Path) -> None:
    stills = Stills(noise(12, 40))
    encode(stills, tmp_path / "x", ending, 10, "")
    assert stills.asked == list(range(12))
    assert stills.most_alive <= 2


def test_that_a_gif_has_one_palette_for_all_frames(tmp_path: Path) -> None:
    encode(Stills(noise(4, 2000)), tmp_path / "x.gif", ".gif", 10, "")
    with Image.open(tmp_path / "x.gif") as film:
        palettes = set()
        for i in range(4):
            film.seek(i)
            assert not film.tile or film.tile[0][0] == "gif"
            palettes.add(bytes(film.global_palette.palette))  # type: ignore[attr-defined]
        assert len(palettes) == 1
    assert len(np.unique(np.concatenate([f.reshape(-1, 3) for f in frames(tmp_path / "x.gif")]), axis=0)) <= 255


@pytest.mark.parametrize(("ending", "fps", "milliseconds"), [(".webp", 30, 200), (".gif", 30, 200), (".gif", 8, 750)])
def test_that_the_speed_is_kept(ending: str, fps: float, milliseconds: int, tmp_path: Path) -> None:
    encode(Stills(noise(6, 20)), tmp_path / "x", ending, fps, "")
    with Image.open(tmp_path / "x") as film:
        total = 0
        for i in range(6):
            film.seek(i)
            film.load()
            total += film.info["duration"]
        assert film.info["loop"] == 0
    assert total == pytest.approx(milliseconds, abs=5)


@pytest.mark.parametrize("ending", [".webp", ".gif"])
def test_that_a_checkpoint_that_looks_like_the_one_before_takes_its_time(ending: str, tmp_path: Path) -> None:
    (one, other) = noise(2, 20)
    encode(Stills([one, one, one, other]), tmp_path / "x", ending, 10, "")
    with Image.open(tmp_path / "x") as film:
        times: list[tuple[float, bool]] = []
        for i in range(film.n_frames):  # type: ignore[attr-defined]
            film.seek(i)
            film.load()
            times.append((film.info["duration"], np.array_equal(np.asarray(film.convert("RGB")), one)))
    assert sum(duration for duration, is_one in times if is_one) == 300
    assert sum(duration for duration, is_one in times if not is_one) == 100


def test_that_captions_travel_in_the_files(tmp_path: Path) -> None:
    text = "Spectrum. Of W_E & ψ. " + "Long. " * 60
    for ending in (".webp", ".gif"):
        encode(Stills(noise(2, 20)), tmp_path / f"x{ending}", ending, 10, text)
    with Image.open(tmp_path / "x.gif") as film:
        assert film.info["comment"].decode() == text
    with Image.open(tmp_path / "x.webp") as film:
        assert "Of W_E &amp; ψ." in film.info["xmp"].decode()


# -- the command line --------------------------------------------------------------------------------------


def test_that_the_verb_films_a_view_without_a_display(run_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.gif"
    done = subprocess.run(
        [sys.executable, "main.py", "movie", run_path, "--out", out, "--view", "spectrum", "--from", "20",
         "--to", "100",
         "--every", "2", "--size", "400x300", "--theme", "light"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = frames(out)
    epochs = Run.open(run_path, probe=False).epochs
    inside = [e for e in epochs if 20 <= e <= 100]
    assert len(found) == len({*inside[::2], inside[-1]})
    assert found[0].shape[1] == 400 + 2 * SPACE
    assert (found[0][0, 0] == 255).all()


@pytest.mark.parametrize(
    ("arguments", "error", "word"),
    [
        (["--out", "x.mp4"], ConfigError, r"\.webp or \.gif"),
        (["--out", "x.gif", "--fps", "0"], ConfigError, "--fps 0"),
        (["--out", "x.gif", "--every", "-1"], ConfigError, "--every -1"),
        (["--out", "x.gif", "--view", "spectre"], ConfigError, "--view spectre"),
        (["--out", "x.gif", "--layout", "none"], ConfigError, "--layout none"),
        (["--out", "x.gif", "--neuron", "24"], ConfigError, "--neuron 24"),
        (["--out", "x.gif", "--pair", "3"], ConfigError, "--pair 3"),
        (["--out", "x.gif", "--size", "big"], ConfigError, "--size big"),
        (["--out", "x.gif", "--from", "41", "--to", "42"], RunError, "no checkpoint in that range"),
        (["--out", "no/x.gif"], RunError, "folder that exists"),
    ],
)
def test_that_wrong_wishes_of_the_verb_are_refused(
    arguments: list[str], error: type[Exception], word: str, run_path: Path
) -> None:
    verb = argparse.ArgumentParser()
    movie_verb.add_arguments(verb)
    with pytest.raises(error, match=word):
        movie_verb.run(verb.parse_args([str(run_path), *arguments]))
