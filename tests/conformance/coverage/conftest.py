"""Every test of this folder that asks for `stock` runs in memory and on MongoDB: what holds for the real one must hold for
the fake.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from tests.fake_coverage import MemoryCoverage
from tests.fake_customers import MemoryCustomerStore
from tests.fakes import MemoryStore
from worker.adapters.coverage_store import MongoCoverage
from worker.adapters.customer_store import MongoCustomerStore
from worker.adapters.store import MongoStore, open_client


@dataclass
class Stock:
    """One database, by its sides. `coverage` is that of test mode, `live` of the other."""

    payments: MemoryStore | MongoStore
    customers: MemoryCustomerStore | MongoCustomerStore
    coverage: MemoryCoverage | MongoCoverage
    live: MemoryCoverage | MongoCoverage


async def prepared(database: AsyncDatabase[dict[str, Any]]) -> Stock:
    """The real one, with its indexes."""
    payments, customers = MongoStore(database), MongoCustomerStore(database)
    coverage, live = MongoCoverage(database, livemode=False), MongoCoverage(database, livemode=True)
    for part in (payments, customers, coverage, live):
        await part.prepare()
    return Stock(payments, customers, coverage, live)


@pytest.fixture(params=["memory", "mongodb"])
async def stock(request: pytest.FixtureRequest) -> AsyncIterator[Stock]:
    """An empty one; the real one over the wire, with its indexes."""
    if request.param == "memory":
        payments, customers = MemoryStore(), MemoryCustomerStore()
        yield Stock(payments, customers, MemoryCoverage(payments, customers), MemoryCoverage(payments, customers))
        return
    client = open_client(request.getfixturevalue("mongo_uri"))
    real = await prepared(client[request.getfixturevalue("database_name")])
    yield real
    await client.close()
