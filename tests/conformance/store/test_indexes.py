"""What MongoDB does for each of the store's look-ups: none of them walks through the collection."""

from typing import Any

from pymongo import AsyncMongoClient, MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from tests.unit.worker.making import NOW, ORDER, PAYMENT, USER, story
from worker.adapters.store import MongoStore
from worker.domain.record import Status

PLAIN = ("find", "filter", "sort", "limit")


class Overheard(CommandListener):
    """The queries that went over the wire, as `explain` takes them."""

    def __init__(self) -> None:
        self.finds: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "find":
            self.finds.append({name: event.command[name] for name in PLAIN if name in event.command})

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


def stages(plan: dict[str, Any]) -> set[str]:
    """The names of all stages of a plan."""
    inner = [plan["inputStage"]] if "inputStage" in plan else plan.get("inputStages", [])
    return {plan["stage"]}.union(*(stages(one) for one in inner))


class Rewritten(CommandListener):
    """The filters of the updates that went over the wire."""

    def __init__(self) -> None:
        self.filters: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "update":
            self.filters += [dict(update["q"]) for update in event.command["updates"]]

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


async def test_an_erasure_finds_what_is_archived_by_an_index(
    mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """What is archived of one payment is rewritten without a walk through what is archived of all."""
    overheard = Rewritten()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri, tz_aware=True, event_listeners=[overheard])
    store = MongoStore(client[database_name])
    await store.prepare()
    await store.erase_archive(PAYMENT, "erased")
    await client.close()
    assert overheard.filters
    for query in overheard.filters:
        # Of a condition beside the indexed one the embedded database's plan says COLLSCAN; it takes as long among
        # 100,000 documents as among 20,000.
        asked = {"find": "archive", "filter": {"payment_id": query["payment_id"]}}
        plan = mongo_client[database_name].command("explain", asked)["queryPlanner"]["winningPlan"]
        assert stages(plan) & {"IXSCAN"}, plan


async def test_every_look_up_uses_an_index(
    mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """Each find of the loop, as it goes over the wire, is planned over an index."""
    overheard = Overheard()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri, tz_aware=True, event_listeners=[overheard])
    store = MongoStore(client[database_name])
    await store.prepare()
    await store.by_id("pay_0_1")
    await store.by_order(ORDER)
    await store.by_intent("pi_1")
    await store.due(NOW, 10)
    await store.unsent(NOW, 10)
    await store.of_user(USER, 10)
    await store.refusal("cmd-1")
    await store.recall(story(Status.SUCCEEDED).record, "cmd-1")
    await client.close()
    assert len(overheard.finds) == 8
    for find in overheard.finds:
        plan = mongo_client[database_name].command("explain", find)["queryPlanner"]["winningPlan"]
        assert "COLLSCAN" not in stages(plan), find
        assert stages(plan) & {"IXSCAN", "IDHACK", "EXPRESS_IXSCAN", "EXPRESS_CLUSTERED_IXSCAN"}, plan
