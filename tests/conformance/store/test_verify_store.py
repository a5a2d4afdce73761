"""Payments as they are in the database, with what has moved to the archive, are what their steps make."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.asynchronous.database import AsyncDatabase

from tests.conformance.store.long_story import longest
from tests.unit.worker.making import ORDER, PAYMENT, story
from worker.adapters.store import MongoStore, open_client
from worker.adapters.verify_store import VerifyStore
from worker.domain.archive import surplus
from worker.domain.record import Payment, Status
from worker.ops.verify import Tally, every, one
from worker.verification import Result, Stored, verify


@pytest.fixture
async def database(mongo_uri: str, database_name: str) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    client = open_client(mongo_uri)
    await MongoStore(client[database_name]).prepare()
    yield client[database_name]
    await client.close()


def longest_sent() -> Payment:
    return replace(longest(), events=tuple(replace(event, sent=True) for event in longest().events))


async def test_what_is_archived_is_replayed_too(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Of a payment so long that most of it has moved to the archive every step is replayed, and it is equal."""
    store = MongoStore(database)
    payment = longest_sent()
    await store.commit(None, payment)
    moved = surplus(payment)
    assert moved is not None
    assert moved.inputs
    assert moved.calls
    assert await store.archive(payment, moved)
    left = await store.by_id(payment.id)
    assert left is not None
    assert len(left.inputs) < len(payment.inputs)
    (stored,) = await VerifyStore(database).of(PAYMENT)
    assert isinstance(stored, Stored)
    assert stored.payment.inputs == payment.inputs
    found = verify(stored)
    assert (found.result, found.differences, found.steps) == (Result.EQUAL, (), len(payment.inputs))


async def test_all_are_walked_and_counted(
    database: AsyncDatabase[dict[str, Any]], mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """Every payment is counted once, as equal, different or unverifiable, also one that cannot be read."""
    plain = mongo_client[database.name]["payments"]
    await MongoStore(database).commit(None, story(Status.SUCCEEDED).record)
    document = plain.find_one({"_id": PAYMENT})
    assert document is not None
    document.pop("stripe")
    for number in range(2, 45):
        plain.insert_one({**document, "_id": f"pay_other_{number}"})
    plain.update_one({"_id": "pay_other_2"}, {"$set": {"captured": 2.5}})
    plain.update_one({"_id": "pay_other_3"}, {"$unset": {"inputs": ""}})
    seen: list[tuple[int, int]] = []
    tally = await every(VerifyStore(database), lambda done, whole: seen.append((done, whole)))
    assert (tally.payments, tally.equal, tally.unverifiable.total()) == (44, 1, 1)
    assert tally.different == 42, "their ids are not what their order makes"
    fields = {found.payment_id: found.differences[0].field for found in tally.differing}
    assert fields["pay_other_2"] == "document"
    assert seen[-1] == (44, 44)
    names = (PAYMENT, "pi_1", ORDER, "pay_0_1")
    assert [await _payments(database, name) for name in names] == [1, 1, 44, 0]


async def _payments(database: AsyncDatabase[dict[str, Any]], name: str) -> int:
    tally: Tally = await one(VerifyStore(database), name)
    return tally.payments
