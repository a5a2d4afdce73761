"""What the fault rows ask for."""

from tests.e2e.conftest import service

__all__ = ["service"]
