"""The desk on a real database. It is only ever read and written by MongoDB's own operators, so there is no stand-in for it."""

from collections.abc import AsyncIterator

import pytest

from worker.adapters.dead_letters import MongoDeadLetters
from worker.adapters.store import open_client


@pytest.fixture
async def desk(mongo_uri: str, database_name: str) -> AsyncIterator[MongoDeadLetters]:
    """An empty desk, with its indexes."""
    client = open_client(mongo_uri)
    empty = MongoDeadLetters(client[database_name])
    await empty.prepare()
    yield empty
    await client.close()
