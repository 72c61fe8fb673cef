"""The one-way street, kept by a test of imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
H5PY_ROOMS = {
    "engine/runfile.py", "engine/runwriter.py", "engine/disk.py", "engine/densefile.py", "engine/probe.py",
    "engine/densewriter.py", "engine/headers.py", "engine/bundle.py", "engine/traces.py",
}  # fmt: skip
TORCH_ROOMS = {"engine/bench.py", "engine/imports.py"}  # which a window does not open; the others take `engine.later`


def imports(file: Path) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module}
    return found


def imports_at_once(file: Path) -> set[str]:
    """Every module that is imported when a file is."""
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module}
    return found


def modules(package: str) -> list[str]:
    return sorted(str(file.relative_to(ROOT)) for file in (ROOT / package).rglob("*.py"))


def uses(file: str, *packages: str) -> set[str]:
    return {name for name in imports(ROOT / file) if name.split(".")[0] in packages}


@pytest.mark.parametrize("file", modules("engine"))
def test_that_the_engine_has_no_qt_and_does_not_know_the_app(file: str) -> None:
    assert not uses(file, "PySide6", "pyqtgraph", "app", "main")


@pytest.mark.parametrize("file", modules("app"))
def test_that_the_app_has_no_torch_and_no_files_of_its_own(file: str) -> None:
    assert not uses(file, "torch", "h5py", "scipy")


@pytest.mark.parametrize("file", modules("engine"))
def test_that_torch_comes_when_it_is_used(file: str) -> None:
    at_once = {name.split(".")[0] for name in imports_at_once(ROOT / file)}
    assert "torch" not in at_once or file in TORCH_ROOMS
    assert not {"matplotlib", "sympy", "PIL"} & at_once


@pytest.mark.parametrize("file", modules("engine"))
def test_that_only_the_file_rooms_open_hdf5(file: str) -> None:
    assert not uses(file, "h5py") or file in H5PY_ROOMS


@pytest.mark.parametrize("file", [f for f in modules("engine") if f.startswith("engine/analysis/")])
def test_that_analyses_do_not_train_or_write(file: str) -> None:
    assert not uses(file, "h5py")
    assert not {"engine.training", "engine.runwriter"} & imports(ROOT / file)


def test_that_no_room_is_called_a_heap() -> None:
    heaps = {"utils", "helpers", "common", "core", "managers", "misc"}
    assert not heaps & {Path(file).stem for package in ("app", "engine") for file in modules(package)}
