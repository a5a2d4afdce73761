"""Every test of this folder runs on each store: what holds for the real one must hold for the fake."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes import MemoryStore
from worker.adapters.store import MongoStore, open_client
from worker.ports import Store


@pytest.fixture(params=["memory", "mongodb"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store; the real one over the wire, with its indexes."""
    if request.param == "memory":
        yield MemoryStore()
        return
    client = open_client(request.getfixturevalue("mongo_uri"))
    real = MongoStore(client[request.getfixturevalue("database_name")])
    await real.prepare()
    yield real
    await client.close()
