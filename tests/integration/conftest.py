"""What the integration tests share with those of the whole service."""

from tests.e2e.conftest import service

__all__ = ["service"]
