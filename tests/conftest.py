"""Fixtures and options shared by all tests."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as main.py does, before torch

from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--torture", action="store_true", help="also run the long tests that kill, fill and damage")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "torture: long; only with --torture")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--torture"):
        return
    for item in items:
        if "torture" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="long: run it with `make torture`"))


@pytest.fixture
def golden() -> Path:
    """Folder of the golden data, which is not part of the project."""
    folder = Path(os.environ.get("GROKSCOPE_GOLDEN", GOLDEN))
    if not folder.is_dir():
        pytest.skip("the golden data is absent; point GROKSCOPE_GOLDEN at its folder to run this test")
    return folder
