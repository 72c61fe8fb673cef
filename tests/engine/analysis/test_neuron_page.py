"""What the neuron view is given: a checkpoint ready to draw, and parts of a life."""

from pathlib import Path

import numpy as np
import pytest

from engine import recording
from engine.analysis.characters import NoBasis, characters
from engine.analysis.neuron import neuron_biography, neuron_report
from engine.analysis.neuron_page import neuron_life, neuron_picture, neuron_thumbnails, traced_life
from engine.analysis.neurons import neuron_frequencies
from engine.analysis.wall import area_pool, by_frequencies, unwrapping, wall_layout
from engine.config import Config
from engine.fourier import spectrum_2d
from engine.replay import activations
from engine.runfile import Run
from engine.traces import Traces


@pytest.fixture(scope="module", params=["add", "multiply", "x2xyy2"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("page") / "run.h5"
    config = Config(
        operation=request.param, p=11, train_fraction=0.6, d_model=16, n_heads=2, d_mlp=12, lr=1e-2, epochs=120,
        checkpoint_every=30, dense_every=0, transition_every=0, device="cpu",
    )  # fmt: skip
    for _ in recording.start(config, path).events():
        pass
    return Run.open(path, probe=False)


def test_that_a_picture_is_the_report_in_the_walls_order(run: Run) -> None:
    last = run.n_checkpoints - 1
    layout = wall_layout(run, last)
    order = layout.order
    for index in range(12):
        found, report = neuron_picture(run, 1, last, 0, index), neuron_report(run, 1, 0, index)
        assert np.array_equal(found.report.activation, report.activation)
        assert found.limit == pytest.approx(activations(run, last).mlp_post[0][:, index].max() or 1.0)
        place = order.index(index)
        assert found.before == order[max(place - 1, 0)]
        assert found.after == order[min(place + 1, 11)]
        assert found.keys == layout.keys
        written = [np.abs(neuron_report(run, s, 0, index).writes).max() for s in range(run.n_checkpoints)]
        assert found.writes_limit == pytest.approx(max(written))
        if run.config.operation == "add":
            frequencies = neuron_frequencies(run, 1)
            assert found.wave.frequency == frequencies.frequency[index]
            assert found.wave.fve == pytest.approx(frequencies.fve[index], rel=1e-9)
            assert found.settled_frequency == layout.frequency[index]
            grid = report.activation - report.activation.mean()
            assert found.spectrum == pytest.approx(by_frequencies(spectrum_2d(grid)))
        elif run.config.operation == "x2xyy2":
            assert found.settled_frequency == 0
            assert found.report.no_basis


def test_that_thumbnails_are_the_maps_in_the_axes_of_the_wall(run: Run) -> None:
    last = run.n_checkpoints - 1
    layout = wall_layout(run, last)
    for index in (0, 5):
        tiles = neuron_thumbnails(run, 0, index, (0, 2, last), last, 4)
        assert tiles.shape == (3, 4, 4)
        elements = np.arange(11) if layout.no_basis else characters(run.config).elements
        n = len(elements)
        order = elements[unwrapping(n, 0 if layout.no_basis else int(layout.frequency[index]))]
        pool, limit = area_pool(n, 4).astype(float), neuron_report(run, last, 0, index).activation.max()
        for tile, step in zip(tiles, (0, 2, last), strict=True):
            values = neuron_report(run, step, 0, index).activation[np.ix_(order, order)]
            expected = np.clip(pool @ values @ pool.T * 255 / limit, 0, 255) if limit > 0 else np.zeros((4, 4))
            assert np.abs(tile - expected).max() <= 1.01
    assert neuron_thumbnails(run, 0, 0, (0,), last, 40).shape[1] <= 11


def test_that_parts_and_traces_tell_the_same_life(run: Run, tmp_path: Path) -> None:
    n = run.n_checkpoints
    traces = Traces(run, tmp_path / "traces.h5")
    assert traced_life(run, traces, n, 0, 3) is None
    for step in range(n):
        traces.add(step)
    if run.config.operation == "x2xyy2":
        assert traced_life(run, traces, n, 0, 3) is None
        with pytest.raises(NoBasis):
            neuron_life(run, 0, 3, 0, 2)
    else:
        for index in range(12):
            whole, traced = neuron_biography(run, 0, index), traced_life(run, traces, n, 0, index)
            assert traced is not None
            parts = [neuron_life(run, 0, index, s, s + 1) for s in range(n)]
            assert traced.epochs.tolist() == whole.epochs.tolist() == [int(x.epochs[0]) for x in parts]
            assert traced.frequency.tolist() == whole.frequency.tolist() == [int(x.frequency[0]) for x in parts]
            assert traced.fve == pytest.approx(whole.fve, abs=1e-9)
            assert (traced.settled, traced.committed) == (whole.settled, whole.committed)
        early = traced_life(run, traces, 2, 0, 3)
        assert early is not None
        assert early.epochs.tolist() == run.epochs[:2].tolist()
    traces.close()
