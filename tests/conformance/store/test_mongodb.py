"""What only the real store can do: its indexes, and how it says that the database is away."""

from typing import Any

import pytest
from pymongo import MongoClient

from tests.unit.worker.making import NOW, Story, create
from worker.adapters.store import MongoStore, open_client
from worker.errors import StoreUnavailable


async def test_the_indexes_are_there(
    mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """Every look-up of the loop has an index, sparse where most payments lack the field; creating them again is harmless."""
    client = open_client(mongo_uri)
    store = MongoStore(client[database_name])
    await store.prepare()
    await store.prepare()
    await client.close()
    found = mongo_client[database_name]["payments"].index_information()
    fields = {entry["key"][0][0]: entry for entry in found.values()}
    always_there = {"_id", "order_id", "user_id"}
    assert fields.keys() == always_there | {"stripe.payment_intent_id", "check_at", "unsent_at"}
    assert {name for name, entry in fields.items() if entry.get("sparse")} == fields.keys() - always_there
    assert fields["stripe.payment_intent_id"]["unique"]
    archive = mongo_client[database_name]["archive"].index_information().values()
    assert {entry["key"][0][0] for entry in archive} == {"_id", "payment_id"}


async def test_absent_is_absent(mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]) -> None:
    """A field without a value is not stored, so that a sparse index leaves the document out."""
    client = open_client(mongo_uri)
    made = Story()
    made.tell(create())
    await MongoStore(client[database_name]).commit(None, made.record)
    await client.close()
    (document,) = mongo_client[database_name]["payments"].find()
    assert "needs_review" not in document
    assert "payment_intent_id" not in document["stripe"]
    assert "unsent_at" not in document


async def test_a_database_that_is_away_is_said_to_be() -> None:
    """Where nothing answers, reading and writing raise StoreUnavailable, and the probes say no."""
    client = open_client("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100&timeoutMS=200")
    store = MongoStore(client["payments"])
    made = Story()
    made.tell(create())
    with pytest.raises(StoreUnavailable):
        await store.by_id("pay_0_1")
    with pytest.raises(StoreUnavailable):
        await store.commit(None, made.record)
    with pytest.raises(StoreUnavailable):
        await store.due(NOW, 1)
    assert not await store.ping()
    assert not await store.writable()
    await client.close()


async def test_a_database_that_answers_is_writable(mongo_uri: str, database_name: str) -> None:
    """The probes of a healthy database say yes, the second time, too."""
    client = open_client(mongo_uri)
    store = MongoStore(client[database_name])
    assert await store.ping()
    assert await store.writable()
    assert await store.writable()
    await client.close()
