"""The paper's mainline beside a run: only where it may stand, moved only by what is known."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engine import recording
from engine.analysis.curves import Curve
from engine.analysis.phases import HOLDS, Thresholds
from engine.analysis.published import KEYS, differences, first_held, published, shifted
from engine.config import Config
from engine.runfile import Origin, Run

TINY = Config(d_model=8, n_heads=1, d_mlp=8, epochs=0, device="cpu")


def like(config: Config | None = None, origin: Origin | None = None) -> Run:
    """All that the comparison asks of a run."""
    return SimpleNamespace(config=config or Config(), origin=origin or Origin())  # type: ignore[return-value]


def test_that_the_points_are_those_that_were_read_off() -> None:
    found = published(like())
    assert found is not None
    for name, epoch, value in (
        ("train", 500, 9.63e-4), ("test", 9400, 4.0), ("restricted", 12_500, 1.30e-8), ("excluded_all", 10_000, 13.4),
    ):  # fmt: skip
        curve = found.loss[name]
        assert curve.values[curve.epochs == epoch] == value
    ratio = found.loss["ratio"]
    assert ratio.values[ratio.epochs == 5000] == pytest.approx(20.6 / 1.40)
    assert found.accuracy["test"].values[-1] == found.accuracy["restricted"].values[-1] == 1.0
    assert {len(curve.epochs) for curve in (*found.loss.values(), *found.accuracy.values())} == {25}
    assert KEYS == (14, 35, 41, 42, 52)


@pytest.mark.parametrize("changed", [{"p": 59}, {"operation": "subtract"}, {"operation": "multiply"}])
def test_that_it_stands_beside_runs_of_its_own_task_only(changed: dict[str, object]) -> None:
    assert published(like(replace(Config(), **changed))) is None


def test_that_t_gen_is_a_bracket_between_two_points() -> None:
    found = published(like())
    assert found is not None
    assert found.t_gen == (10_000, 10_500)
    assert found.shift(10_950) == (700.0, 250.0)
    assert found.shift(None) is None
    half = published(like(), Thresholds(generalised=0.5))
    assert half is not None
    assert half.t_gen == (9000, 9400)


def test_that_a_threshold_holds_when_five_points_in_a_row_reach_it() -> None:
    random = np.random.default_rng(0)
    met = set()
    for _ in range(200):
        values = random.random(12) < 0.7
        curve = Curve(10.0 * np.arange(12), values.astype(float))
        slow = [i for i in range(12 - HOLDS + 1) if all(values[i + j] for j in range(HOLDS))]
        wanted = (10 * max(slow[0] - 1, 0), 10 * slow[0]) if slow else None
        assert first_held(curve, 0.95) == wanted
        met.add(wanted is None)
    assert met == {True, False}


def test_that_a_run_is_a_rerun_only_with_the_same_settings_and_a_beginning_of_its_own(tmp_path: Path) -> None:
    assert differences(like()) == ()
    assert differences(like(Config(epochs=500, checkpoint_every=7, test_every=3, device="cpu"))) == ()
    assert differences(like(Config(weight_decay=0.3, model_seed=2))) == (
        "model seed 2 instead of 0", "weight decay 0.3 instead of 1",
    )  # fmt: skip
    assert differences(like(origin=Origin(epoch=5000, parent="other", optimizer="kept"))) == (
        "it goes on from another run",
    )
    assert differences(like(origin=Origin(optimizer="unknown"))) == ("its initial weights are not known",)
    path = tmp_path / "tiny.h5"
    for _ in recording.start(TINY, path).events():
        pass
    assert [words.split(" ")[:2] for words in differences(Run.open(path, probe=False))] == [
        ["d", "model"], ["n", "heads"], ["d", "head"], ["d", "mlp"],
    ]  # fmt: skip


def test_that_points_are_moved_and_none_lies_before_the_beginning_or_after_the_end() -> None:
    curve = Curve(np.array([0.0, 100, 200, 300]), np.array([4.0, 3, 2, 1]))
    there = shifted(curve, -150, 100)
    assert there.epochs.tolist() == [50]
    assert there.values.tolist() == [2]
    assert shifted(curve, 0, 300).epochs.tolist() == curve.epochs.tolist()
