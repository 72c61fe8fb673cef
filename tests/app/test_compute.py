"""Questions are answered once, late ones are dropped, errors reach their asker."""

import threading
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app import compute
from app.compute import Answer, Compute, Query, memory_of

CALLS: list[int] = []
GATE = threading.Event()


def square(x: int) -> int:
    CALLS.append(x)
    return x * x


def wait_for_gate(x: int) -> int:
    GATE.wait(10)
    return x


def fail(x: int) -> int:
    raise ValueError(f"no {x}")


def big(x: int) -> np.ndarray[Any, Any]:
    return np.zeros(x, np.uint8)


@pytest.fixture
def thinker(qtbot: QtBot) -> Any:
    CALLS.clear()
    GATE.clear()
    made = Compute()
    yield made
    GATE.set()
    made.close()


def ask(qtbot: QtBot, thinker: Compute, query: Query) -> Answer:
    with qtbot.waitSignal(thinker.answered, check_params_cb=lambda q, _: q == query) as got:
        thinker.ask("me", query)
    return got.args[1]


def test_that_a_question_is_computed_once(qtbot: QtBot, thinker: Compute) -> None:
    assert ask(qtbot, thinker, Query(square, (7,))).value == 49
    assert ask(qtbot, thinker, Query(square, (7,))).value == 49
    assert CALLS == [7]
    assert not thinker.busy


def test_that_a_new_question_replaces_the_askers_old_one(qtbot: QtBot, thinker: Compute) -> None:
    thinker.ask("other", Query(wait_for_gate, (0,)))
    for x in range(1, 30):
        thinker.ask("me", Query(square, (x,)))
    with qtbot.waitSignal(thinker.answered, check_params_cb=lambda q, _: q == Query(square, (29,))):
        GATE.set()
    assert CALLS in ([29], [1, 29])


def test_that_an_error_is_an_answer_and_is_not_kept(qtbot: QtBot, thinker: Compute) -> None:
    answer = ask(qtbot, thinker, Query(fail, (3,)))
    assert isinstance(answer.error, ValueError)
    assert not thinker.knows(Query(fail, (3,)))
    assert ask(qtbot, thinker, Query(square, (2,))).value == 4


def test_that_looking_ahead_makes_the_answer_known(qtbot: QtBot, thinker: Compute) -> None:
    with qtbot.waitSignal(thinker.answered):
        thinker.look_ahead([Query(square, (5,))])
    assert thinker.knows(Query(square, (5,)))


def test_that_the_cache_is_bounded_in_bytes(qtbot: QtBot, thinker: Compute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "CACHE_BYTES", 2500)
    for x in (1000, 1001, 1002):
        ask(qtbot, thinker, Query(big, (x,)))
    assert [thinker.knows(Query(big, (x,))) for x in (1000, 1001, 1002)] == [False, True, True]


def test_that_memory_counts_arrays_inside_answers() -> None:
    assert memory_of(Answer(np.zeros(100))) >= 800


def test_that_what_is_asked_together_is_answered_before_anything_newer(qtbot: QtBot, thinker: Compute) -> None:
    thinker.ask("gate", Query(wait_for_gate, (1,)))
    qtbot.waitUntil(lambda: not thinker._wanted)
    for asker, x in (("a", 1), ("b", 2), ("c", 3)):
        thinker.ask(asker, Query(square, (x,)))
    thinker.ask("patient", Query(square, (9,)), urgent=False)
    answered: list[int] = []

    def later(query: Query, _: Answer) -> None:
        answered.append(query.args[0])
        if query == Query(square, (1,)):
            thinker.ask("a", Query(square, (10,)))

    thinker.answered.connect(later)
    with qtbot.waitSignal(thinker.answered, check_params_cb=lambda q, _: q == Query(square, (9,))):
        GATE.set()
    assert [x for x in answered if x in (2, 3)] == [2, 3]
    assert CALLS.index(3) < CALLS.index(9)
    assert CALLS[:3] == [1, 2, 3]
    assert 10 not in CALLS[:3]
