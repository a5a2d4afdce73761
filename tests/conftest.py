"""Marks by folder, and the fixtures that every test may ask for. Nothing starts until a test asks."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a slow machine is no failure
settings.load_profile("untimed")

pytest_plugins = ["tests.stack_fixtures"]

HERE = Path(__file__).parent
FOLDERS = ("unit", "stateful", "simulation", "conformance", "integration", "e2e", "tidy")


def pytest_configure(config: pytest.Config) -> None:
    for folder in FOLDERS:
        config.addinivalue_line("markers", f"{folder}: everything in tests/{folder}; set by the folder, never by hand")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
        if folder in FOLDERS:
            item.add_marker(folder)
