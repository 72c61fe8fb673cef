"""PyTorch, imported when it is first used.

Importing it takes longer than everything else that comes before the window's first picture, and pictures of the
usual model are drawn without it. `from engine.later import torch` stands in place of `import torch`; a decorator, a
default value or a constant of a module would use it at once, and so undo it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

_LIBRARIES = ("libtorch_cpu.so", "libtorch_cuda.so", "libtorch.so")  # in this order: a later one needs the earlier
_AS_NEEDED = 1  # RTLD_LAZY

if TYPE_CHECKING:
    import torch as torch
else:

    class _Later(ModuleType):
        _module: ModuleType | None = None

        def __getattr__(self, name: str) -> Any:
            if self._module is None:
                self._module = importlib.import_module(self.__name__)
            return getattr(self._module, name)

    torch = _Later("torch")


def import_beside() -> None:
    """Import it in a thread while others work: the system loads its libraries without the interpreter being held."""
    if "torch" not in sys.modules and sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # then the import does it
            _load_libraries()
    importlib.import_module("torch")


def _load_libraries() -> None:
    found = importlib.util.find_spec("torch")
    load = ctypes.CDLL(None).dlopen  # a call of C lets go of the interpreter; `ctypes.CDLL` itself does not
    load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        for library in (Path(folder) / "lib" / name for name in _LIBRARIES):
            if library.exists():
                load(str(library).encode(), _AS_NEEDED)
