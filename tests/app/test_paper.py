"""The paper's figures: their numbers are the engine's, their pages as wide as asked, their text is text."""

import argparse
import csv
import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QComboBox
from pytestqt.qtbot import QtBot

from app import paper, theme
from app.compute import Compute
from app.export import ExportError
from app.paper_training import phases_said
from app.session import Session
from app.views.paper import PaperView
from engine import recording
from engine.analysis.attention import attention_fourier, attention_pattern
from engine.analysis.embedding import spectrum
from engine.analysis.logits import logit_spectrum, loss_without_each
from engine.analysis.neuron import neuron_activation
from engine.analysis.neuron_logit import neuron_logit_map
from engine.analysis.neurons import THRESHOLD, neuron_frequencies
from engine.analysis.phases import Phases
from engine.config import Config, ConfigError
from engine.runfile import Run
from engine.traces import Traces, measure_all

TINY = Config(
    p=7, train_fraction=0.6, d_model=8, n_heads=2, d_mlp=12, lr=1e-2, weight_decay=1.0, epochs=30,
    checkpoint_every=10, dense_every=0, transition_every=0, test_every=10, device="cpu",
)  # fmt: skip
TASKS = ("add", "multiply", "x2xyy2")
KEYS = (1, 2)
NO_PLACE = "/nonexistent/folder/figure.pdf"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """A short run of a task."""
    folder, made = tmp_path_factory.mktemp("tiny"), {}

    def run(operation: str) -> Run:
        if operation not in made:
            path = folder / f"{operation}.h5"
            for _ in recording.start(replace(TINY, operation=operation), path).events():
                pass
            made[operation] = Run.open(path, probe=False)
        return made[operation]

    return run


@pytest.fixture
def traces(run: Run, tmp_path: Path) -> Iterator[Traces]:
    """The small run, measured."""
    made = Traces(run, tmp_path / "small.traces.h5")
    for _ in measure_all(made, KEYS):
        pass
    yield made
    made.close()


def figure_of(run: Run, name: str, **choices: Any) -> paper.PaperFigure:
    """At the last checkpoint, with keys chosen by hand."""
    n = run.n_checkpoints
    step = choices.pop("step", n - 1)
    return paper.paper_figure(run, step, n, name, keys=paper.pinned(run, n, KEYS, True), **choices)


def panels(figure: paper.PaperFigure) -> list[Axes]:
    """The panels as they are drawn, colour bars left out."""
    with paper.page(figure, 140, 8, vector=True) as made:
        FigureCanvasAgg(made).draw()
        return list(made.axes)


def said(figure: paper.PaperFigure) -> str:
    """Everything that stands on the page."""
    with paper.page(figure, 140, 8, vector=True) as made:
        return words(made)


def words(page: Figure) -> str:
    return " ".join(text.get_text() for text in page.findobj(Text) if isinstance(text, Text)).replace("\n", " ")


# -- every figure draws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", paper.NAMES)
@pytest.mark.parametrize("operation", TASKS)
def test_that_every_figure_draws_of_every_task_and_at_the_first_the_middle_and_the_last_checkpoint(
    operation: str, name: str, tiny: Callable[[str], Run]
) -> None:
    run = tiny(operation)
    n = run.n_checkpoints
    for step in (0, n // 2, n - 1) if operation == "add" else (n - 1,):
        for keys in (None, paper.pinned(run, n, KEYS, True)):
            figure = paper.paper_figure(run, step, n, name, keys=keys)
            with paper.page(figure, 120, 8, vector=False) as made:
                canvas = FigureCanvasAgg(made)
                canvas.draw()
                assert np.asarray(canvas.buffer_rgba()).std() > 1  # something stands on the page
                assert "NaN" not in words(made)
            assert figure.caption.startswith(f"{name}. ")


@pytest.mark.parametrize("name", ["Figure 1", "Figure 3", "Figure 5", "Figure 6", "Figure 8", "Table 1", "Table 2"])
def test_that_a_task_without_a_basis_gets_a_sentence_and_no_numbers(name: str, tiny: Callable[[str], Run]) -> None:
    figure = figure_of(tiny("x2xyy2"), name)
    assert "no Fourier basis" in said(figure)
    assert not figure.tables


@pytest.mark.parametrize("name", ["Figure 5", "Figure 7", "Table 1"])
def test_that_a_run_without_keys_says_that_there_are_none_yet(name: str, run: Run, traces: Traces) -> None:
    n = run.n_checkpoints
    none = replace(paper.pinned(run, n, KEYS, True), keys=(), by_hand=False)
    figure = paper.paper_figure(run, n - 1, n, name, keys=none, traces=traces)
    assert "No key frequency yet" in said(figure)
    assert "No key frequency yet" in figure.caption


def test_that_figure_seven_says_when_nothing_is_measured(run: Run) -> None:
    assert "not measured yet" in said(figure_of(run, "Figure 7"))


@pytest.mark.parametrize("name", paper.NAMES)
@pytest.mark.parametrize(("width", "size"), [(85, 7), (140, 8), (180, 10), (85, 10)])
def test_that_no_text_leaves_the_page(name: str, width: float, size: float, run: Run, traces: Traces) -> None:
    figure = figure_of(run, name, traces=traces)
    with paper.page(figure, width, size, vector=False) as made:
        made.set_dpi(72)
        FigureCanvasAgg(made).draw()
        right, top = made.get_size_inches() * 72
        ticks = {label for axes in made.findobj(Axes) for label in axes.get_xticklabels() + axes.get_yticklabels()}
        for text in made.findobj(Text):
            if isinstance(text, Text) and text not in ticks and text.get_visible() and text.get_text().strip():
                box = text.get_window_extent()
                assert box.x0 > -1, text.get_text()
                assert box.y0 > -1.5, text.get_text()
                assert box.x1 < right + 1, text.get_text()
                assert box.y1 < top + 1.5, text.get_text()


# -- the numbers drawn are the engine's ------------------------------------------------------------------------


def test_that_figure_one_peaks_at_the_answer_for_every_key(run: Run) -> None:
    x = figure_of(run, "Figure 1", pair=(3, 9)).data
    assert (x.a, x.b, x.answer) == (3, 9, 1)
    assert x.residues[x.mean.argmax()] == x.answer
    for c, value in zip(x.residues, x.wave, strict=True):
        assert value == pytest.approx(np.cos(2 * np.pi * x.k * (3 + 9 - c) / 11))


def test_that_figure_one_is_right_about_differences_and_products(tiny: Callable[[str], Run]) -> None:
    assert figure_of(tiny("subtract"), "Figure 1", pair=(2, 5)).data.answer == (2 - 5) % 7
    assert figure_of(tiny("multiply"), "Figure 1", pair=(3, 4)).data.answer == 3 * 4 % 7


def test_that_figure_two_draws_the_losses_of_the_file(run: Run) -> None:
    accuracy, loss = panels(figure_of(run, "Figure 2"))
    for axes, kind in ((accuracy, "accuracy"), (loss, "loss")):
        for line, split in zip(axes.get_lines(), ("train", "test"), strict=True):
            stored = run.scalars(f"{split}_{kind}")
            assert stored is not None
            assert np.array_equal(line.get_xdata(), run.epochs)
            assert np.array_equal(line.get_ydata(), stored)


def test_that_figure_three_draws_the_norms_of_both_matrices(run: Run) -> None:
    step = run.n_checkpoints - 1
    for axes, which in zip(panels(figure_of(run, "Figure 3")), ("W_E", "W_L"), strict=True):
        heights = [bar.get_height() for bar in axes.patches]  # type: ignore[attr-defined]
        true = spectrum(run, step, step, which)
        assert np.array_equal(heights, [*true.cos, *true.sin])


def test_that_figure_four_draws_attention_a_neuron_and_the_logits(run: Run) -> None:
    step = run.n_checkpoints - 1
    made = panels(figure_of(run, "Figure 4", neuron=(0, 5), head=1))
    maps = [np.asarray(axes.images[0].get_array()) for axes in made[:3]]
    assert np.array_equal(maps[0], attention_pattern(run, step).pattern[1, :, :, 0])
    assert np.array_equal(maps[1], neuron_activation(run, step, 0, 5))
    assert np.array_equal(maps[2], logit_spectrum(run, step).norm)


def test_that_figure_four_shows_the_clearest_neuron_unless_one_is_chosen(run: Run) -> None:
    found = neuron_frequencies(run, run.n_checkpoints - 1)
    assert figure_of(run, "Figure 4").data.neuron == (0, int(found.fve.argmax()))


def test_that_pixels_of_a_map_never_blend_distant_cells(run: Run) -> None:
    figure = figure_of(run, "Figure 4")
    with paper.page(figure, 140, 8, vector=False) as made:
        FigureCanvasAgg(made).draw()
        drawn = np.asarray(made.axes[0].images[0].get_array())
    cells = len(drawn) // 11
    assert np.array_equal(drawn[::cells, ::cells], figure.data.attention)
    assert np.array_equal(drawn[cells - 1 :: cells, cells - 1 :: cells], figure.data.attention)


def test_that_figure_five_counts_neurons_and_shows_what_those_of_a_key_write(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app import paper_neurons
    from app.paper_data import Ask

    monkeypatch.setattr(paper_neurons, "THRESHOLD", 0.2)  # so that the small run has neurons of a frequency
    step = run.n_checkpoints - 1
    found = neuron_frequencies(run, step)
    k = int(np.bincount(found.frequency[found.fve >= 0.2]).argmax())
    keys = replace(paper.pinned(run, run.n_checkpoints, (k,), True))
    made = paper_neurons.neurons(Ask(run, step, run.n_checkpoints, keys, frequency=k))
    x = made.data
    for low, high, count in zip(x.edges[:-1], x.edges[1:], x.counts, strict=True):
        last = high == x.edges[-1]
        assert count == sum(low <= fve < high or (last and fve == high) for fve in found.fve)
    carriers = {i for i in range(24) if found.frequency[i] == k and found.fve[i] >= 0.2}
    assert set(x.neurons.tolist()) == carriers
    w_l = neuron_logit_map(run, step, (k,)).W_L
    c = np.arange(11)
    for row, neuron in zip(x.weights, x.neurons, strict=True):
        for f in range(1, 6):
            cos, sin = (wave(2 * np.pi * f * c / 11) / np.sqrt(11 / 2) for wave in (np.cos, np.sin))
            assert row[2 * f - 1] == pytest.approx(cos @ w_l[:, neuron])
            assert row[2 * f] == pytest.approx(sin @ w_l[:, neuron])


def test_that_figure_five_says_where_no_neuron_is_clear_enough(run: Run) -> None:
    figure = figure_of(run, "Figure 5", step=0)
    assert neuron_frequencies(run, 0).fve.max() < THRESHOLD
    assert "No neuron carries frequency 1" in said(figure)


def test_that_figure_six_draws_the_loss_without_each_frequency(run: Run) -> None:
    (axes,) = panels(figure_of(run, "Figure 6"))
    true = loss_without_each(run, run.n_checkpoints - 1, KEYS)
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.get_lines() if line.get_marker() in "oD"]  # type: ignore[index, operator]
    assert [y for _, y in points] == [*true.all_pairs, true.only_keys.all_pairs]
    assert [x for x, _ in points[:-1]] == [1, 2, 3, 4, 5]


def test_that_figure_seven_draws_what_the_traces_hold(run: Run, traces: Traces) -> None:
    figure = figure_of(run, "Figure 7", traces=traces)
    excluded, restricted, gini, squares = panels(figure)

    def drawn(axes: Axes) -> dict[str, Any]:
        return {str(line.get_label()): np.asarray(line.get_ydata()) for line in axes.get_lines()}

    columns, without = traces.restricted(KEYS), traces.excluded(KEYS)
    assert columns is not None
    assert without is not None
    total = traces.column("squared_weights")
    assert total is not None
    assert np.array_equal(drawn(restricted)["restricted"], columns.loss["every"])
    assert np.array_equal(drawn(excluded)["excluded, keys"], without.loss["keys"])
    assert np.array_equal(drawn(excluded)["excluded, all $k$"], traces.column("excluded_all_train_loss"))
    assert np.array_equal(drawn(gini)["$W_E$"], traces.column("gini_embedding"))
    assert np.array_equal(drawn(gini)["$W_L$"], traces.column("gini_neuron_logit"))
    assert np.array_equal(squares.get_lines()[0].get_ydata(), total.sum(axis=1))


def test_that_the_ends_of_the_phases_are_lines_and_named_in_the_caption(run: Run, traces: Traces) -> None:
    figure = figure_of(run, "Figure 7", traces=traces)
    assert figure.data.phases is None  # too few checkpoints
    assert "Phases: not told yet." in figure.caption
    found = Phases(40, 120, None, 40, None)
    for axes in panels(replace(figure, data=replace(figure.data, phases=found))):
        upright = [float(line.get_xdata()[0]) for line in axes.get_lines() if len(set(line.get_xdata())) == 1]  # type: ignore[index, arg-type]
        assert upright == [40, 120]  # cleanup has not ended: no line in the future
    assert phases_said(found) == "Dashed: the ends of memorisation (40), circuit formation (120)."
    assert phases_said(Phases(None, 120, None, None, None)) == "No phase has ended yet."


def test_that_the_table_prints_the_shares_of_the_engine(run: Run) -> None:
    figure = figure_of(run, "Table 1")
    text = said(figure)
    true = neuron_logit_map(run, run.n_checkpoints - 1, KEYS).explained
    assert len(true) == 4
    for share in true:
        assert f"{100 * share:.1f} %" in text


def test_that_figure_eight_draws_what_every_head_looks_for(run: Run) -> None:
    true = attention_fourier(run, run.n_checkpoints - 1)
    for head, axes in enumerate(panels(figure_of(run, "Figure 8"))):
        heights = [bar.get_height() for bar in axes.patches]  # type: ignore[attr-defined]
        assert heights == pytest.approx([*true.coefficient[head, 1::2], *true.coefficient[head, 2::2]])
        k = int(true.share[head].argmax()) + 1
        assert axes.get_title(loc="left") == f"head {head}: $k={k}$, {100 * true.share[head].max():.1f} %"


def test_that_the_second_table_prints_the_heads_of_the_engine(run: Run) -> None:
    text, step = said(figure_of(run, "Table 2")), run.n_checkpoints - 1
    true, mean = attention_fourier(run, step), attention_pattern(run, step).mean
    for head in range(2):
        assert f"{100 * true.share[head].max():.2f} %" in text
        assert f"{100 * true.explained[head]:.1f} %" in text or true.explained[head] <= 0
        assert f"{100 * mean[head, 2]:.2f} %" in text


# -- pages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", paper.NAMES)
def test_that_a_page_is_exactly_as_wide_as_asked(name: str, run: Run, tmp_path: Path) -> None:
    figure, width = figure_of(run, name), 123.0
    for kind in paper.FORMATS:
        paper.export(figure, tmp_path / f"figure{kind}", width, 9, dpi=254)
    svg = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    points = re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)
    assert points is not None
    assert float(points[1]) * 25.4 / 72 == pytest.approx(width, abs=1e-4)
    box = re.search(rb"/MediaBox \[ ([\d. ]+) \]", (tmp_path / "figure.pdf").read_bytes())
    assert box is not None
    assert float(box[1].split()[2]) * 25.4 / 72 == pytest.approx(width, abs=1e-4)
    with Image.open(tmp_path / "figure.png") as png:
        assert png.width == 1230  # 254 dots an inch are ten a millimetre
        assert png.info["dpi"] == pytest.approx((254, 254), abs=0.1)


@pytest.mark.parametrize("name", paper.NAMES)
def test_that_all_type_has_the_size_asked_for(name: str, run: Run, traces: Traces) -> None:
    with paper.page(figure_of(run, name, traces=traces), 140, 9.5, vector=True) as made:
        assert {text.get_fontsize() for text in made.findobj(Text) if isinstance(text, Text)} == {9.5}


@pytest.mark.parametrize("name", paper.NAMES)
def test_that_text_stays_text(name: str, run: Run, traces: Traces, tmp_path: Path) -> None:
    figure = figure_of(run, name, traces=traces)
    for kind in (".svg", ".pdf"):
        paper.export(figure, tmp_path / f"figure{kind}", 140, 8)
    svg = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    words = {
        "Figure 1": "cos w(a+b)=", "Figure 2": "accuracy", "Figure 3": "frequency k", "Figure 4": "attention to a",
        "Figure 5": "neurons", "Figure 6": "frequency k taken away", "Figure 7": "Gini", "Table 1": "cos(w1c)",
        "Figure 8": "head 0:", "Table 2": "FVE, Cj",
    }  # fmt: skip
    text = re.sub(r"<[^>]+>", "", "".join(re.findall(r"<text.*?</text>", svg, flags=re.DOTALL)))
    assert words[name].replace(" ", "") in re.sub(r"\s", "", text)  # formulas too, in reading order
    assert "font-size: 8px" in svg  # a pixel of these files is a point
    assert "STIX" not in "".join(re.findall(r'<use [^>]*href="#([^"]*)"', svg))  # no letters drawn as shapes
    pdf = (tmp_path / "figure.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    streams = [_inflated(part) for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, flags=re.DOTALL)]
    assert any(b" Tf" in stream and (b" Tj" in stream or b" TJ" in stream) for stream in streams)


def test_that_the_letters_of_a_formula_are_put_in_order_and_joined_to_words() -> None:
    style = "font-size: 8px; font-family: 'STIXGeneral'"
    spans = [
        (0, 0, "a"),
        (30, 0, "b"),
        (4, 0, "c"),
        (8, 0, "o"),
        (12, 0, "s"),
        (16, 0, "\xa0"),
        (20, 2, "1"),
        (24, 2, "2"),
    ]
    text = "\n".join(f'<tspan x="{x}" y="{y}" style="{style}">{letter}</tspan>' for x, y, letter in spans)
    made = paper.in_reading_order(f"<g><text>\n{text}\n</text></g>")
    found = re.findall(r'<tspan x="([^"]*)" y="([^"]*)"[^>]*>([^<]*)<', made)
    assert found == [("0", "0", "acos "), ("20", "2", "12"), ("30", "0", "b")]
    assert "'Times New Roman'" in made


def _inflated(part: bytes) -> bytes:
    try:
        return zlib.decompress(part)
    except zlib.error:
        return part


@pytest.mark.parametrize("name", ["Figure 3", "Figure 4", "Figure 7"])
def test_that_paper_is_white_whatever_the_window_wears(name: str, run: Run, traces: Traces, qapp: QApplication) -> None:
    pictures = []
    for look in (theme.DARK, theme.LIGHT):
        theme.apply(qapp, look)
        pictures.append(paper.picture(figure_of(run, name, traces=traces), 140, 8, 400))
    assert np.array_equal(*pictures)
    assert pictures[0][0, 0].tolist() == [255, 255, 255, 255]


def test_that_the_same_figure_twice_is_the_same_file(run: Run, tmp_path: Path) -> None:
    figure = figure_of(run, "Figure 4")
    for kind in paper.FORMATS:
        for name in ("first", "second"):
            paper.export(figure, tmp_path / f"{name}{kind}", 100, 8)
        assert (tmp_path / f"first{kind}").read_bytes() == (tmp_path / f"second{kind}").read_bytes()


# -- captions and numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", paper.NAMES)
def test_that_a_caption_states_run_split_epoch_and_keys(name: str, run: Run, traces: Traces) -> None:
    caption = figure_of(run, name, traces=traces).caption
    c = run.config
    assert f"Run “small”: a + b modulo 11, trained on {c.n_train} of 121 pairs" in caption
    assert f"tested on the other {c.n_test}" in caption
    if name in paper.OVER_TRAINING:
        assert "epochs 0 to 200" in caption
    else:
        assert "epoch 200" in caption
    if name != "Figure 2":
        assert "Key frequencies 1, 2: chosen by hand." in caption
    assert "Nanda et al." in caption


def test_that_a_caption_tells_the_epoch_of_the_keys_and_the_rule(run: Run) -> None:
    n = run.n_checkpoints
    known = replace(paper.pinned(run, n, KEYS, True), by_hand=False)
    final = paper.paper_figure(run, 2, n, "Figure 3", keys=known).caption
    assert "Key frequencies 1, 2: each is carried by at least one neuron with FVE ≥ 0.85 at epoch 200." in final
    open_end = paper.paper_figure(run, 2, n, "Figure 3", keys=replace(known, final=False)).caption
    assert "1, 2 are candidates" in open_end


def test_that_the_files_beside_a_figure_hold_its_caption_and_its_numbers(run: Run, tmp_path: Path) -> None:
    figure = figure_of(run, "Figure 3")
    files = paper.export(figure, tmp_path / "three.pdf", 140, 8)
    assert [file.name for file in files] == ["three.pdf", "three-caption.txt", "three-W_E.csv", "three-W_L.csv"]
    assert (tmp_path / "three-caption.txt").read_text(encoding="utf-8").strip() == figure.caption
    lines = (tmp_path / "three-W_E.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert [float(row["cos (norm)"]) for row in rows] == figure.data.embedding.cos.tolist()


def test_that_a_wrong_name_or_folder_is_said_in_words(run: Run, tmp_path: Path) -> None:
    figure = figure_of(run, "Figure 3")
    with pytest.raises(ExportError, match="must end in"):
        paper.export(figure, tmp_path / "figure.gif", 140, 8)
    with pytest.raises(ExportError, match="could not be written"):
        paper.export(figure, Path(NO_PLACE), 140, 8)


# -- the command line ------------------------------------------------------------------------------------------


def _options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    paper.add_arguments(parser)
    return parser.parse_args(arguments)


def test_that_the_command_line_writes_a_figure(
    run_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "five.svg"
    options = _options(str(run_path), "--figure", "5", "--epoch", "100", "--width-mm", "90", "--out", str(out))
    assert options.run(options) == 0
    assert 'width="255.11811pt"' in out.read_text(encoding="utf-8")
    assert "epoch 100" in (tmp_path / "five-caption.txt").read_text(encoding="utf-8")
    assert str(out) in capsys.readouterr().out


def test_that_the_command_line_measures_what_figure_seven_needs(run_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "seven.png"
    options = _options(str(run_path), "--figure", "7", "--keys", "1,2", "--out", str(out))
    assert options.run(options) == 0
    assert "Excluded" not in (caption := (tmp_path / "seven-caption.txt").read_text(encoding="utf-8"))
    assert "and of the key frequencies only" in caption


@pytest.mark.parametrize(
    "wrong",
    [("--width-mm", "5"), ("--type-pt", "90"), ("--neuron", "24"), ("--head", "2"), ("--keys", "1,x"),
     ("--pair", "3"), ("--epoch", "-1"), ("--out", "figure.gif")],
)  # fmt: skip
def test_that_the_command_line_names_what_is_wrong(run_path: Path, tmp_path: Path, wrong: tuple[str, str]) -> None:
    out = ("--out", str(tmp_path / "figure.pdf"))
    options = _options(str(run_path), "--figure", "4", *out, f"{wrong[0]}={wrong[1]}")
    with pytest.raises(ConfigError, match=wrong[0]):
        options.run(options)


def test_that_the_window_starts_without_the_plotting_library() -> None:
    code = "import sys, app.views.paper; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


# -- the view --------------------------------------------------------------------------------------------------


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication, run: Run) -> Iterator[PaperView]:
    theme.apply(qapp, theme.DARK)
    session, compute = Session(), Compute()
    made = PaperView(session, compute)
    qtbot.addWidget(made)
    qtbot.addWidget(made.header)
    made.resize(900, 600)
    with qtbot.waitExposed(made):
        made.show()
    session.show_run(run)
    qtbot.waitUntil(lambda: shown(made) is not None, timeout=20_000)
    yield made
    made.hide()
    compute.close()
    made.tracing.close()


def shown(view: PaperView) -> str | None:
    """The name of the figure on show, once it is what is wanted."""
    return None if view.waiting or view.page is None else view.page.figure.name


def show(view: PaperView, qtbot: QtBot, name: str) -> paper.PaperFigure:
    view.choose(name)
    qtbot.waitUntil(lambda: shown(view) == name, timeout=20_000)
    assert view.page is not None
    return view.page.figure


def test_that_every_figure_is_shown_with_its_caption(view: PaperView, qtbot: QtBot) -> None:
    for name in paper.NAMES:
        figure = show(view, qtbot, name)
        assert figure.caption.startswith(name)
        assert view._caption.text() == figure.caption
        assert view._caption.textInteractionFlags() & Qt.TextInteractionFlag.TextSelectableByMouse
        assert view.failure is None


def test_that_the_page_fits_into_the_view(view: PaperView, qtbot: QtBot) -> None:
    for size in ((900, 600), (420, 320)):
        view.resize(*size)
        show(view, qtbot, "Figure 3")
        qtbot.waitUntil(lambda: shown(view) is not None and _page_is_crisp(view), timeout=20_000)
        assert view._sheet.width() <= view._scroll.viewport().width()


def _page_is_crisp(view: PaperView) -> bool:
    """Whether each pixel of the picture is one of the screen."""
    page = view.page
    return page is not None and page.picture.shape[1] == (view._sheet.width() - 2) * view.devicePixelRatioF()


def test_that_the_page_follows_the_checkpoint(view: PaperView, qtbot: QtBot) -> None:
    show(view, qtbot, "Figure 3")
    view.session.scrub(3)
    assert view.waiting  # the page of another checkpoint is never taken for this one's
    qtbot.waitUntil(lambda: shown(view) is not None, timeout=20_000)
    assert view.page is not None
    true = spectrum(view.session.selection.run, 3, 3, "W_E")  # type: ignore[arg-type]
    assert np.array_equal(view.page.figure.data.embedding.cos, true.cos)


def test_that_a_figure_over_training_stays_while_scrubbing(view: PaperView, qtbot: QtBot) -> None:
    show(view, qtbot, "Figure 2")
    before = view.page
    view.session.scrub(3)
    assert not view.waiting
    assert view.page is before


def test_that_figure_four_is_of_the_selected_neuron_and_head(view: PaperView, qtbot: QtBot) -> None:
    show(view, qtbot, "Figure 4")
    view.session.select(neurons=((0, 7),))
    qtbot.waitUntil(lambda: shown(view) is not None and view.page.figure.data.neuron == (0, 7), timeout=20_000)  # type: ignore[union-attr]
    head = view.header.findChild(QComboBox, "paper.head") or view._head
    assert not head.isHidden()
    head.setCurrentIndex(1)
    assert view.session.selection.head == (0, 1)
    qtbot.waitUntil(lambda: shown(view) is not None and view.page.figure.data.head == 1, timeout=20_000)  # type: ignore[union-attr]
    view.session.select(head=(0, 0))
    assert head.currentIndex() == 0
    qtbot.waitUntil(lambda: shown(view) is not None and view.page.figure.data.head == 0, timeout=20_000)  # type: ignore[union-attr]


def test_that_keys_chosen_by_hand_reach_the_page(view: PaperView, qtbot: QtBot) -> None:
    show(view, qtbot, "Table 1")
    view.session.select(pinned_keys=(2, 4), frequency=4)
    qtbot.waitUntil(lambda: shown(view) is not None and view.page.figure.keys == (2, 4), timeout=20_000)  # type: ignore[union-attr]
    assert "2, 4: chosen by hand" in view._caption.text()
    assert show(view, qtbot, "Figure 5").data.k == 4


def test_that_figure_seven_is_drawn_when_the_run_is_measured(view: PaperView, qtbot: QtBot) -> None:
    view.choose("Figure 7")
    qtbot.waitUntil(
        lambda: shown(view) == "Figure 7" and view.page.figure.data.squared_weights is not None,  # type: ignore[union-attr]
        timeout=30_000,
    )


def test_that_the_view_exports_the_page_as_it_is_set(view: PaperView, qtbot: QtBot, tmp_path: Path) -> None:
    show(view, qtbot, "Figure 6")
    view._width.setValue(100)
    qtbot.waitUntil(lambda: shown(view) is not None, timeout=20_000)
    view.export_to(tmp_path / "six.svg")
    assert 'width="283.464567pt"' in (tmp_path / "six.svg").read_text(encoding="utf-8")
    view.export_data_to(tmp_path / "numbers.csv")
    assert (tmp_path / "numbers-without-each.csv").exists()
    view.export_to(Path(NO_PLACE))
    assert "could not be written" in view._said.text()


def test_that_the_page_is_copied_as_large_as_it_is_printed(view: PaperView, qtbot: QtBot) -> None:
    show(view, qtbot, "Figure 3")
    view._width.setValue(127)
    qtbot.waitUntil(lambda: shown(view) is not None, timeout=20_000)
    view.copy_image()
    assert QGuiApplication.clipboard().image().width() == 1500  # five inches


def test_that_a_figure_that_cannot_be_drawn_says_why(
    view: PaperView, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(ask: Any) -> Any:
        raise ValueError("no such numbers")

    monkeypatch.setitem(paper.CONTENTS, "Figure 5", ("Neurons", fail))
    view.session.select(pinned_keys=(5,))  # what no other test has asked: answers are remembered
    view.choose("Figure 5")
    qtbot.waitUntil(lambda: view.failure is not None, timeout=20_000)
    assert "no such numbers" in view._message.text()
    assert not view.waiting
