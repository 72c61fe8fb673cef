"""Memory that nobody holds is used again, and none that somebody holds."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from engine import recycled
from engine.recycled import Recycler

SHAPE = (600, 1024)  # of float32: 2.4 MB


def address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


def test_that_memory_comes_back_with_the_last_view_of_it() -> None:
    pool = Recycler()
    array = pool.empty(SHAPE, np.float32)
    where = address(array)
    array[:] = 7
    view = array[10:20, ::2].T
    del array
    gc.collect()
    assert pool.free_bytes == 0
    other = pool.empty(SHAPE, np.float32)
    assert address(other) != where
    other[:] = 1
    assert (view == 7).all()
    del view
    assert pool.free_bytes > 0
    assert address(pool.empty((1024, 600), np.float32)) == where  # as many bytes, another shape


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_that_arrays_are_as_numpys(dtype: type) -> None:
    array = Recycler().empty((3, 700_001), dtype)
    assert (array.shape, array.dtype, array.flags.c_contiguous, array.flags.writeable) == (
        (3, 700_001), np.dtype(dtype), True, True,
    )  # fmt: skip
    assert address(array) % 64 == 0
    array[:] = 3
    array.flags.writeable = False
    assert array.sum() == 3 * array.size


def test_that_small_arrays_are_numpys_own() -> None:
    pool = Recycler()
    del_me = pool.empty((4, 4), np.float32)
    assert del_me.shape == (4, 4)
    del del_me
    assert pool.free_bytes == 0


def test_that_no_more_is_kept_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recycled, "_KEPT", 5 * 2**20)
    pool = Recycler()
    held = [pool.empty(SHAPE, np.float32) for _ in range(5)]
    held.clear()
    gc.collect()
    assert 2**21 < pool.free_bytes <= 5 * 2**20
    large = pool.empty((3000, 1024), np.float32)  # alone above the limit: still kept
    del large
    gc.collect()
    assert pool.free_bytes >= 12_000_000


def test_that_threads_never_share_an_array() -> None:
    pool, wrong = Recycler(), []

    def work(number: int) -> None:
        for _ in range(60):
            mine = pool.empty(SHAPE, np.float32)
            mine[:] = number
            other = pool.empty(SHAPE, np.float32)
            other[:] = -1
            if not (mine == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
