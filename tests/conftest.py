"""Marks by folder, how a run is shared, and the fixtures that every test may ask for. Nothing starts until a test asks."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests import sharing

settings.register_profile("untimed", deadline=None)  # a slow machine is no failure
settings.load_profile("untimed")

pytest_plugins = ["tests.stack_fixtures"]

HERE = Path(__file__).parent
FOLDERS = ("unit", "stateful", "simulation", "conformance", "integration", "e2e", "tidy")


def pytest_configure(config: pytest.Config) -> None:
    for folder in FOLDERS:
        config.addinivalue_line("markers", f"{folder}: everything in tests/{folder}; set by the folder, never by hand")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` means here."""
    return sharing.processes(config.args, cores=os.cpu_count() or 1, captured=config.getoption("capture") != "no")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if folder_of(item) in FOLDERS:
            item.add_marker(folder_of(item))
    if hasattr(config, "workerinput"):  # one of several processes
        items.sort(key=lambda item: sharing.turn(folder_of(item)))


def folder_of(item: pytest.Item) -> str:
    return item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
