"""Large arrays whose memory is used again.

Memory fresh from the system is cleared page by page as it is first touched, which for the activations of all pairs
(33 MB on the paper's mainline) takes as long as computing them, or five times as long where the system first looks for
large pages. What nobody holds any more is kept for the next array of its size.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict, deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST = 2**20  # bytes: smaller ones are not worth it
_KEPT = 160 * 2**20  # bytes of free memory that are kept, the newest; one block at least
_LINE = 64  # bytes of a cache line, where arrays begin


class _Lent:
    """Holds a block of memory while an array on it, or a view of that, is alive."""

    def __init__(self, address: int, size: int) -> None:
        self.__array_interface__ = {"data": (address, False), "shape": (size,), "typestr": "|u1", "version": 3}


class Recycler:
    """Gives out arrays; takes their memory back when the last view of it is gone. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._returned: deque[NDArray[np.uint8]] = deque()  # at any moment, also while the lock is held
        self._free: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()  # by address, the oldest first

    def empty(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """As `np.empty`, on a cache line."""
        dtype = np.dtype(dtype)
        size = int(np.prod(shape)) * dtype.itemsize
        if size < _LEAST:
            return np.empty(shape, dtype)
        memory = self._take(size)
        start = -memory.ctypes.data % _LINE
        lent = _Lent(memory.ctypes.data + start, size)
        weakref.finalize(lent, self._give_back, memory).atexit = False
        made: NDArray[Any] = np.asarray(lent).view(dtype).reshape(shape)
        return made

    @property
    def free_bytes(self) -> int:
        """Kept for arrays to come."""
        with self._lock:
            self._sort_in()
            return sum(memory.nbytes for memory in self._free.values())

    def _take(self, size: int) -> NDArray[np.uint8]:
        with self._lock:
            self._sort_in()
            for address in reversed(self._free):
                if self._free[address].nbytes == size + _LINE:
                    return self._free.pop(address)
        return np.empty(size + _LINE, np.uint8)

    def _give_back(self, memory: NDArray[np.uint8]) -> None:
        """Called at any moment, also in the midst of the others, by this thread or another."""
        self._returned.append(memory)
        if self._lock.acquire(blocking=False):
            try:
                self._sort_in()
            finally:
                self._lock.release()

    def _sort_in(self) -> None:
        """What came back, and no more of it than is to be kept."""
        while self._returned:
            memory = self._returned.popleft()
            self._free[memory.ctypes.data] = memory
        while len(self._free) > 1 and sum(kept.nbytes for kept in self._free.values()) > _KEPT:
            self._free.popitem(last=False)


_recycler = Recycler()
empty = _recycler.empty
