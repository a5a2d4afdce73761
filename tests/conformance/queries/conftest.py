"""Every test of this folder runs in memory and on MongoDB: what holds for the real one must hold for the fake."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import pytest

from tests.unit.queries.memory_reading import MemoryReading
from tests.unit.queries.memory_stats import MemoryStats
from worker.adapters.documents import to_document
from worker.adapters.read_store import ReadStore
from worker.adapters.stats_store import MongoStats
from worker.adapters.store import MongoStore, open_client
from worker.domain.record import Payment
from worker.ports import Refusal


class Stocked(Protocol):
    """Where a test puts what is then read."""

    async def put(self, payment: Payment) -> None: ...
    async def refuse(self, refusal: Refusal) -> None: ...


class InMemory:
    def __init__(self, payments: dict[str, Payment], reading: MemoryReading) -> None:
        self._payments, self._reading = payments, reading

    async def put(self, payment: Payment) -> None:
        self._payments[payment.id] = payment

    async def refuse(self, refusal: Refusal) -> None:
        self._reading.refusals[refusal.message_id] = refusal


class InMongo:
    """Sets every field but the roll-ups' own, as the loop's commits do."""

    def __init__(self, store: MongoStore) -> None:
        self._store = store

    async def put(self, payment: Payment) -> None:
        document = to_document(payment)
        key = {"_id": document.pop("_id")}
        await self._store._payments.update_one(key, {"$set": document}, upsert=True)

    async def refuse(self, refusal: Refusal) -> None:
        await self._store.record_refusal(refusal)


@dataclass
class Stock:
    """One database, by its three sides."""

    into: Stocked
    reading: MemoryReading | ReadStore
    stats: MemoryStats | MongoStats


@pytest.fixture(params=["memory", "mongodb"])
async def stock(request: pytest.FixtureRequest) -> AsyncIterator[Stock]:
    """An empty one; the real one over the wire, with its indexes."""
    if request.param == "memory":
        payments: dict[str, Payment] = {}
        reading = MemoryReading(payments)
        yield Stock(InMemory(payments, reading), reading, MemoryStats(payments))
        return
    client = open_client(request.getfixturevalue("mongo_uri"))
    database = client[request.getfixturevalue("database_name")]
    store, read, stats = MongoStore(database), ReadStore(database), MongoStats(database)
    await store.prepare()
    await read.prepare()
    await stats.prepare()
    yield Stock(InMongo(store), read, stats)
    await client.close()
