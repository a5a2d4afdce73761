"""A story is whole wherever its parts are."""

from dataclasses import replace
from typing import Any

from pymongo import AsyncMongoClient, MongoClient

from tests.conformance.store.long_story import longest
from tests.conformance.store.test_indexes import Overheard, stages
from tests.unit.worker.making import INTENT, NOW, ORDER, PAYMENT, story
from worker.adapters.dead_letters import MongoDeadLetters
from worker.adapters.store import MongoStore, open_client
from worker.adapters.stories import Stories, Story
from worker.domain.archive import surplus
from worker.domain.record import Status
from worker.ops.timeline import COMMAND, IGNORED, rows
from worker.ports import Ignored, Refusal


async def test_what_is_archived_is_told_in_its_place(mongo_uri: str, database_name: str) -> None:
    """A payment so long that much of it has moved to the archive has the same rows as before it moved."""
    sent = tuple(replace(event, sent=True) for event in longest().events)
    payment = replace(longest(), events=sent)
    client = open_client(mongo_uri)
    store = MongoStore(client[database_name])
    await store.prepare()
    stored = await store.commit(None, payment)
    assert stored is not None
    moved = surplus(stored)
    assert moved is not None
    assert moved.calls
    assert moved.timeline
    assert moved.events
    assert await store.archive(stored, moved)
    (told,) = await Stories(client[database_name]).of(payment.id)
    assert rows(told) == rows(Story(payment, payment.calls))
    assert [story.payment and story.payment.id for story in await Stories(client[database_name]).of(ORDER)] == [
        payment.id
    ]
    assert await Stories(client[database_name]).of("pi_unknown") == []
    await client.close()


async def test_what_was_left_alone_or_refused_beside_it_is_told(mongo_uri: str, database_name: str) -> None:
    """Events about its intent that no rule is for, and commands that named it before it was there, have rows with a reason."""
    client = open_client(mongo_uri)
    store = MongoStore(client[database_name])
    await store.commit(None, story(Status.SUCCEEDED).record)
    await store.record_ignored(Ignored("evt_1", "charge.updated", "no rule for this type", NOW, INTENT))
    await store.record_ignored(Ignored("evt_2", "charge.updated", "no rule for this type", NOW, "pi_other"))
    refusal = Refusal("early-1", "confirm", "unknown_payment", "there is no such payment", NOW, payment_id=PAYMENT)
    await store.record_refusal(refusal)
    (told,) = await Stories(client[database_name]).of(PAYMENT)
    await client.close()
    assert (len(told.ignored), told.refusals) == (1, (refusal,))
    found = {row.id: (row.what, row.why) for row in rows(told)}
    assert found["evt_1"] == (IGNORED, "no rule for this type")
    assert found["early-1"] == (COMMAND, "unknown_payment: there is no such payment")


async def test_every_look_up_of_a_story_uses_an_index(
    mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """Each find that a story takes, as it goes over the wire, is planned over an index."""
    overheard = Overheard()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri, tz_aware=True, event_listeners=[overheard])
    database = client[database_name]
    for part in (MongoStore(database), MongoDeadLetters(database), Stories(database)):
        await part.prepare()
    await MongoStore(database).commit(None, replace(longest(), archived=1))
    for name in (PAYMENT, ORDER, "pi_1"):
        assert await Stories(database).of(name)
    await client.close()
    assert {find["find"] for find in overheard.finds} == {
        "payments",
        "archive",
        "stripe_events",
        "refusals",
        "dead_letters",
    }
    for find in overheard.finds:
        plan = mongo_client[database_name].command("explain", find)["queryPlanner"]["winningPlan"]
        assert "COLLSCAN" not in stages(plan), find
