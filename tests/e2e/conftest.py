"""What the tests of the whole service ask for."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.support.service import Service


@pytest.fixture
async def service(tmp_path: Path, vhost_url: str, mongo_uri: str, database_name: str) -> AsyncIterator[Service]:
    """Simulator, ingress, a listener and a client, with queues and documents of their own; no worker yet."""
    async with Service(tmp_path, vhost_url, mongo_uri, database_name) as started:
        yield started
