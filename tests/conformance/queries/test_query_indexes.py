"""What MongoDB does for each look-up of queries and roll-ups: none of them walks through the payments."""

from datetime import timedelta
from typing import Any

from pymongo import AsyncMongoClient, MongoClient

from tests.conformance.store.test_indexes import Overheard, stages
from tests.unit.queries.making import NOW
from worker.adapters.read_store import ReadStore
from worker.adapters.stats_store import MongoStats
from worker.adapters.store import MongoStore
from worker.queries import Place

BY_KEY = {"IXSCAN", "IDHACK", "EXPRESS_IXSCAN", "EXPRESS_CLUSTERED_IXSCAN"}


async def test_every_look_up_uses_an_index(
    mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """Each find of a query, a roll-up and a rebuild, as it goes over the wire, is planned over an index."""
    overheard = Overheard()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri, tz_aware=True, event_listeners=[overheard])
    database = client[database_name]
    store, reading, stats = MongoStore(database), ReadStore(database), MongoStats(database)
    await store.prepare()
    await reading.prepare()
    await stats.prepare()
    await reading.by_id("pay_0_1")
    await reading.by_intent("pi_1")
    await reading.by_order("o-1")
    await reading.refusal("c-1")
    for window in ((None, None, None), (NOW, None, None), (NOW, NOW, Place(NOW, "pay_0_1"))):
        assert [one async for one in reading.history("u-1", *window)] == []
    await stats.changed(NOW, NOW + timedelta(hours=1))
    await stats.changed(NOW, None)
    await stats.load(["pay_0_1", "pay_0_2"])
    await stats.version(NOW)
    await stats.all_quarters(NOW)
    assert [one async for one in stats.of_quarter(NOW)] == []
    assert [one async for one in stats.period(NOW, NOW + timedelta(days=1), "eur")] == []
    await client.close()
    assert len(overheard.finds) == 14
    for find in overheard.finds:
        plan = mongo_client[database_name].command("explain", find)["queryPlanner"]["winningPlan"]
        assert "COLLSCAN" not in stages(plan), find
        assert stages(plan) & BY_KEY, plan


async def test_the_indexes_are_there(
    mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """Queries need one index on payments, roll-ups two, sparse where a payment may lack the field; repeating is harmless."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri)
    for _ in range(2):
        await ReadStore(client[database_name]).prepare()
        await MongoStats(client[database_name]).prepare()
    await client.close()
    found = mongo_client[database_name]["payments"].index_information()
    keys = {tuple(name for name, _ in entry["key"]): bool(entry.get("sparse")) for entry in found.values()}
    assert keys == {
        ("_id",): False,
        ("user_id", "created_at", "_id"): False,
        ("updated_at",): False,
        ("quarters",): True,
    }
