"""How many cores an analysis uses."""

import pytest

from engine import lanes


@pytest.mark.parametrize(("said", "cores"), [("1", 1), ("3", 3), ("", None), ("0", None), ("4,2", 4), ("many", None)])
def test_that_the_cores_are_those_named(said: str, cores: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_chosen", None)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert lanes.analysis_cores() == (cores or lanes.physical_cores())


def test_that_a_choice_goes_before_what_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_chosen", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    lanes.choose_analysis_cores(5)
    assert lanes.analysis_cores() == 5


def test_that_tasks_run_side_by_side_keep_their_order_and_their_errors() -> None:
    assert lanes.Lanes(3).run([lambda i=i: i * i for i in range(7)]) == [i * i for i in range(7)]  # type: ignore[misc]

    def fail() -> int:
        raise ValueError("in its lane")

    with pytest.raises(ValueError, match="in its lane"):
        lanes.Lanes(2).run([lambda: 1, fail])
