"""What the loop relies on of a store of customers."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from tests.unit.customers.customer_making import CUS, CUSTOMER, NOW, CustomerStory, ensure, set_up, story
from tests.unit.customers.customer_representatives import records
from worker.adapters.budget import Priority
from worker.adapters.customer_store import MongoCustomerStore
from worker.adapters.store import open_client
from worker.domain.customers.record import Customer, CustomerStatus
from worker.errors import StoreUnavailable
from worker.ports import CustomerStore, Due

STORED = [status for status in CustomerStatus if status is not CustomerStatus.NEW]


async def kept(store: CustomerStore, customer: Customer) -> Customer:
    stored = await store.commit(None, replace(customer, version=0))
    assert stored is not None
    return stored


async def test_nothing_is_found_in_an_empty_store(store: CustomerStore) -> None:
    """Look-ups of what is not there find nothing."""
    assert await store.by_id(CUSTOMER) is None
    assert await store.by_stripe_id(CUS) is None
    assert await store.due(NOW, 10) == []


@pytest.mark.parametrize("status", STORED)
async def test_every_record_comes_back_as_it_was_written(store: CustomerStore, status: CustomerStatus) -> None:
    """Whatever a record holds, reading it gives the same record, by either of its names."""
    for number, (what, made) in enumerate(records(status)):
        stripe_id = made.record.stripe_id and f"cus_{number}"
        stored = await kept(store, replace(made.record, id=f"usr_{number}", stripe_id=stripe_id))
        assert await store.by_id(stored.id) == stored, what
        if stripe_id:
            assert await store.by_stripe_id(stripe_id) == stored


async def test_a_step_is_written_once(store: CustomerStore) -> None:
    """Of two writers that began with the same record one wins, and the record has the next version."""
    first = await kept(store, story(CustomerStatus.CREATING).record)
    made = CustomerStory(first.updated_at)
    made.customer = first
    made.answer(made=CUS)
    after = replace(made.record, version=first.version)
    won = await asyncio.gather(*(store.commit(first, after) for _ in range(5)))
    assert [one.version for one in won if one] == [1]
    assert await store.by_id(first.id) == next(one for one in won if one)


async def test_a_user_has_one_record(store: CustomerStore) -> None:
    """Of two that begin a user's record at once one wins."""
    record = story(CustomerStatus.CREATING).record
    won = await asyncio.gather(*(store.commit(None, replace(record, version=0)) for _ in range(5)))
    assert sum(one is not None for one in won) == 1


async def test_a_stripe_customer_has_one_record(store: CustomerStore) -> None:
    """A second record of the same Stripe customer is refused as a lost race, inserted or updated."""
    record = await kept(store, story(CustomerStatus.ACTIVE).record)
    assert await store.commit(None, replace(record, id="usr_other", version=0)) is None
    other = await kept(store, replace(record, id="usr_third", stripe_id=None))
    assert await store.commit(other, replace(other, stripe_id=CUS)) is None


async def test_what_is_gone_is_not_found(store: CustomerStore) -> None:
    """A customer that was erased is no longer found by Stripe's id, nor due."""
    record = await kept(store, story(CustomerStatus.ACTIVE).record)
    erased = replace(story(CustomerStatus.ERASED).record, id=record.id)
    assert await store.commit(record, erased) is not None
    assert await store.by_stripe_id(CUS) is None
    assert await store.due(NOW + timedelta(days=9), 10) == []


async def test_the_longest_overdue_comes_first(store: CustomerStore) -> None:
    """What is due is listed by its time, up to the limit; what is not due yet is not."""
    for number in (3, 1, 2):
        made = CustomerStory(NOW + timedelta(minutes=number))
        made.tell(ensure())
        await kept(store, replace(made.record, id=f"usr_{number}"))
    await kept(store, replace(story(CustomerStatus.ACTIVE).record, id="usr_rest"))
    late = NOW + timedelta(hours=1)
    assert await store.due(late, 10) == [Due(name, Priority.CREATE) for name in ("usr_1", "usr_2", "usr_3")]
    assert await store.due(late, 2) == [Due(name, Priority.CREATE) for name in ("usr_1", "usr_2")]
    assert await store.due(NOW + timedelta(minutes=3), 10) == [Due("usr_1", Priority.CREATE)]


async def test_absent_is_absent(mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]) -> None:
    """A field without a value is not stored, and no secret ever is."""
    client = open_client(mongo_uri)
    made = story(CustomerStatus.ACTIVE)
    made.tell(set_up())
    made.answer(made="seti_1")
    at_rest = story(CustomerStatus.ERASED).record
    store = MongoCustomerStore(client[database_name])
    await store.commit(None, made.record)
    await store.commit(None, replace(at_rest, id="usr_erased"))
    await client.close()
    documents = {found["_id"]: found for found in mongo_client[database_name]["customers"].find()}
    assert documents["usr_erased"].keys() & {"check_at", "read_at", "stripe_id"} == set()
    assert "secret" not in str(documents)


class Overheard(CommandListener):
    """The queries that went over the wire, as `explain` takes them."""

    def __init__(self) -> None:
        self.finds: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "find":
            plain = ("find", "filter", "sort", "limit")
            self.finds.append({name: event.command[name] for name in plain if name in event.command})

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


async def test_every_look_up_uses_an_index(
    mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """Each find of the loop is planned over an index, sparse where most customers lack the field."""
    overheard = Overheard()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri, tz_aware=True, event_listeners=[overheard])
    store = MongoCustomerStore(client[database_name])
    await store.prepare()
    await store.prepare()
    await store.by_id(CUSTOMER)
    await store.by_stripe_id(CUS)
    await store.due(NOW, 10)
    await client.close()
    assert len(overheard.finds) == 3
    for find in overheard.finds:
        plan = mongo_client[database_name].command("explain", find)["queryPlanner"]["winningPlan"]
        assert "COLLSCAN" not in str(plan), find
    found = mongo_client[database_name]["customers"].index_information()
    fields = {entry["key"][0][0]: entry for entry in found.values()}
    assert {name for name, entry in fields.items() if entry.get("sparse")} == {"stripe_id", "check_at"}
    assert fields["stripe_id"]["unique"]


async def test_a_database_that_is_away_is_said_to_be() -> None:
    """Where nothing answers, reading and writing raise StoreUnavailable."""
    client = open_client("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100&timeoutMS=200")
    store = MongoCustomerStore(client["payments"])
    with pytest.raises(StoreUnavailable):
        await store.by_id(CUSTOMER)
    with pytest.raises(StoreUnavailable):
        await store.commit(None, story(CustomerStatus.CREATING).record)
    with pytest.raises(StoreUnavailable):
        await store.due(NOW, 1)
    await client.close()
