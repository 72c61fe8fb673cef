"""The dialogs that take figures, numbers and movies out of the window."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from app.export import Table
from app.export_dialog import Exporting, FigureDialog, MovieDialog, caption_of
from app.main_window import MainWindow
from app.views.base import View
from app.views.spectrum import SpectrumView
from engine.runfile import Run

Settle = Callable[[MainWindow], None]
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def shown(qtbot: QtBot, window: MainWindow, run: Run, settle: Settle) -> MainWindow:
    window.show_run(run, 40)
    qtbot.waitUntil(lambda: window.tracing.is_done, timeout=20_000)
    settle(window)
    return window


@pytest.fixture
def spectrum(shown: MainWindow) -> View:
    return next(view for view in shown.views if isinstance(view, SpectrumView))


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path | None], list[str]]:
    """Answers the next question for a file's name.  -> the names that were proposed"""
    proposed: list[str] = []

    def set_answer(path: Path | None) -> list[str]:
        def ask(_parent: object, _title: str, name: str, _filter: str) -> tuple[str, str]:
            proposed.append(name)
            return ("" if path is None else str(path)), ""

        monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
        return proposed

    return set_answer


def said(window: MainWindow) -> str:
    return window.findChild(type(window._status), "window.status").text()


def figure(shown: MainWindow, view: View | None) -> FigureDialog:
    exporting = Exporting(shown)
    exporting.figure(view)
    assert isinstance(exporting.dialog, FigureDialog)
    return exporting.dialog


def film(shown: MainWindow, view: View | None) -> MovieDialog:
    exporting = Exporting(shown)
    exporting.movie(view)
    assert isinstance(exporting.dialog, MovieDialog)
    return exporting.dialog


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_that_a_figure_is_written_as_chosen(
    ending: str, qtbot: QtBot, shown: MainWindow, spectrum: View, answer: Callable[..., list[str]], tmp_path: Path
) -> None:
    proposed = answer(tmp_path / "mine")
    dialog = figure(shown, spectrum)
    dialog.formats.button((".png", ".svg", ".pdf").index(ending)).click()
    dialog.beside.setChecked(True)
    qtbot.mouseClick(dialog.go, LEFT)
    epoch = shown.session.selection.epoch
    assert Path(proposed[0]).name == f"small-spectrum-{epoch}{ending}"
    assert (tmp_path / f"mine{ending}").stat().st_size > 1000
    assert (tmp_path / "mine.txt").read_text() == caption_of(shown, spectrum) + "\n"
    assert f"mine{ending}" in said(shown)
    assert not dialog.isVisible()


def test_that_the_size_told_is_the_size_written(
    qtbot: QtBot, shown: MainWindow, spectrum: View, answer: Callable[..., list[str]], tmp_path: Path
) -> None:
    answer(tmp_path / "x.png")
    dialog = figure(shown, spectrum)
    dialog.scale.setCurrentIndex(2)
    told = dialog.size_text.text()
    qtbot.mouseClick(dialog.go, LEFT)
    image = QImage(str(tmp_path / "x.png"))
    assert told.startswith(f"{image.width()} × {image.height()} pixels, ")
    assert f"{image.width() / image.dotsPerMeterX() * 1000:.0f} × " in told


def test_that_a_figure_that_cannot_be_written_is_told_in_the_dialog(
    qtbot: QtBot, shown: MainWindow, spectrum: View, answer: Callable[..., list[str]], tmp_path: Path
) -> None:
    answer(tmp_path / "no" / "x.png")
    dialog = figure(shown, spectrum)
    qtbot.mouseClick(dialog.go, LEFT)
    assert dialog.isVisible()
    assert dialog.wrong.isVisible()
    assert "choose another place" in dialog.wrong.text()
    dialog.reject()


def test_that_the_window_is_a_figure_too(
    qtbot: QtBot, shown: MainWindow, answer: Callable[..., list[str]], tmp_path: Path
) -> None:
    answer(tmp_path / "x.png")
    dialog = figure(shown, None)
    dialog.scale.setCurrentIndex(0)
    qtbot.mouseClick(dialog.go, LEFT)
    assert QImage(str(tmp_path / "x.png")).size() == shown.size()


def test_that_the_folder_is_remembered(
    qtbot: QtBot, shown: MainWindow, spectrum: View, answer: Callable[..., list[str]], tmp_path: Path
) -> None:
    proposed = answer(tmp_path / "x.png")
    for _ in range(2):
        qtbot.mouseClick(figure(shown, spectrum).go, LEFT)
    assert Path(proposed[1]).parent == tmp_path


def test_that_no_name_writes_nothing(
    qtbot: QtBot, shown: MainWindow, spectrum: View, answer: Callable[..., list[str]], tmp_path: Path
) -> None:
    answer(None)
    for dialog in (figure(shown, spectrum), film(shown, spectrum)):
        qtbot.mouseClick(dialog.go, LEFT)
        assert dialog.isVisible()
        dialog.reject()


def test_that_a_views_menu_copies_value_and_picture(shown: MainWindow, spectrum: View) -> None:
    exporting = Exporting(shown)
    spectrum.value = "k = 3 · norm 0.25"
    exporting.do(spectrum, "value")
    assert QGuiApplication.clipboard().text() == spectrum.value
    exporting.do(spectrum, "copy")
    assert QGuiApplication.clipboard().image().size() == spectrum.content.size()


def test_that_the_numbers_on_show_are_written(
    shown: MainWindow, spectrum: View, answer: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(tmp_path / "x")
    monkeypatch.setattr(SpectrumView, "tables", lambda *_: [Table("norms", {"k": [1, 2], "norm": [0.5, 0.25]})])
    Exporting(shown).do(spectrum, "data")
    lines = (tmp_path / "x.csv").read_text(encoding="utf-8").splitlines()
    assert lines[-3:] == ["k,norm", "1,0.5", "2,0.25"]
    assert lines[0] == f"# {caption_of(shown, spectrum)}"
    monkeypatch.setattr(SpectrumView, "tables", lambda *_: [])
    Exporting(shown).do(spectrum, "data")
    assert "no numbers" in said(shown)


def test_that_a_movie_is_recorded_over_the_range(
    qtbot: QtBot, shown: MainWindow, spectrum: View, answer: Callable[..., list[str]], tmp_path: Path
) -> None:
    proposed = answer(tmp_path / "x.webp")
    dialog, before = film(shown, spectrum), shown.session.selection
    dialog.first.setValue(20)
    dialog.last.setValue(60)
    dialog.rate.setCurrentIndex(1)
    epochs = [int(e) for e in before.run.epochs if 20 <= e <= 60]
    told = dialog._state.text()
    qtbot.mouseClick(dialog.go, LEFT)
    assert proposed[0].endswith(".webp")
    with Image.open(tmp_path / "x.webp") as movie:
        assert movie.n_frames == len(epochs)  # type: ignore[attr-defined]
        assert told == f"{len(epochs)} frames · {len(epochs) / 5:.1f} s · {movie.width} × {movie.height} pixels"
    assert shown.session.selection == before
    assert f"({len(epochs)} frames)" in said(shown)


def test_that_a_recording_can_be_cancelled_and_begun_again(
    qtbot: QtBot, shown: MainWindow, spectrum: View, answer: Callable[..., list[str]], tmp_path: Path
) -> None:
    answer(tmp_path / "x.gif")
    dialog = film(shown, spectrum)
    dialog.formats.button(1).click()
    shown.session.changed.connect(
        lambda _: dialog.cancel.click() if dialog.go.text() and not dialog.go.isEnabled() else None
    )
    qtbot.mouseClick(dialog.go, LEFT)
    assert dialog.isVisible()
    assert [file.name for file in tmp_path.iterdir()] == ["settings.ini"]
    assert dialog.go.isEnabled()
    dialog.reject()
    assert not dialog.isVisible()


def test_that_an_empty_range_cannot_be_recorded(shown: MainWindow, spectrum: View) -> None:
    dialog = film(shown, spectrum)
    dialog.first.setValue(41)
    dialog.last.setValue(42)
    assert not dialog.go.isEnabled()
    assert dialog._state.text() == "No checkpoint lies in that range."
    dialog.reject()


def test_that_the_window_has_no_title_of_its_own_in_a_movie(shown: MainWindow, spectrum: View) -> None:
    dialog = film(shown, spectrum)
    assert dialog.titled.isEnabled()
    dialog.shown.button(1).click()
    assert dialog.film is shown
    assert not dialog.titled.isEnabled()
    dialog.reject()


@pytest.mark.parametrize("kind", [figure, film])
def test_that_every_control_has_a_name_for_screen_readers(
    kind: Callable[..., object], shown: MainWindow, spectrum: View
) -> None:
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QSpinBox

    dialog = kind(shown, spectrum)
    for control in (QAbstractButton, QComboBox, QSpinBox):
        for widget in dialog.findChildren(control):
            assert widget.accessibleName() or widget.text(), widget.objectName()
    dialog.reject()
