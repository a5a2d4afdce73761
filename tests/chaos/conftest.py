"""What the fault rows ask for."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.stack.choose import PrivateBroker
from tests.e2e.conftest import service
from tests.e2e.support.service import Service

__all__ = ["service"]


@pytest.fixture
async def fragile(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str, mongo_uri: str, database_name: str
) -> AsyncIterator[Service]:
    """The same as `service`, on a broker that the test may break."""
    assert private_broker.alive
    async with Service(tmp_path, private_vhost_url, mongo_uri, database_name) as started:
        yield started
