"""The desk keeps each message once, counts its arrivals, and takes each step once, whoever else takes it at the same time."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient

from contracts import topology
from tests.conformance.store.test_indexes import Overheard, stages
from tests.unit.dead_letters.arrivals import NOW, arrived, command, event, full_of_secrets
from worker.adapters.coverage_store import MongoCoverage
from worker.adapters.dead_letters import SETTLED_KEPT, MongoDeadLetters
from worker.adapters.letters import letter_of
from worker.adapters.reviews import MongoReviews
from worker.adapters.store import open_client
from worker.coverage import Home, Traces
from worker.dead_letter import ERASED, ONLY_SENDER, DeadLetter, State, Wanted

LATER = NOW + timedelta(hours=1)
LETTER = letter_of(arrived(command(), headers={topology.HEADER_ATTEMPT: 5}), NOW)
BACK = replace(LETTER, delivery="delivery-2", arrived_at=LATER, attempt=6, reason="worse", fingerprint="worse")


async def found(desk: MongoDeadLetters, wanted: Wanted) -> list[DeadLetter]:
    return sorted([letter async for letter in desk.find(wanted)], key=lambda letter: letter.id)


@pytest.mark.parametrize("name", full_of_secrets())
async def test_what_is_kept_reads_back_as_it_was(desk: MongoDeadLetters, name: str) -> None:
    """A letter of every form and origin survives the way to the database and back."""
    for origin in (*topology.INBOUND_QUEUES, None):
        letter = letter_of(arrived(full_of_secrets()[name], origin), NOW)
        assert await desk.keep(letter)
        assert await desk.one(letter.id) == letter


async def test_a_redelivery_is_no_second_arrival(desk: MongoDeadLetters) -> None:
    """A delivery that comes again, also at the same time, is the one that is there already."""
    kept = await asyncio.gather(*(desk.keep(LETTER) for _ in range(5)))
    assert sorted(kept) == [False] * 4 + [True]
    assert await desk.one(LETTER.id) == LETTER


async def test_a_letter_that_comes_back_is_open_again_with_a_higher_count(desk: MongoDeadLetters) -> None:
    """A replayed message that fails anew is the same letter, opened again, with its new reason and attempts."""
    await desk.keep(LETTER)
    assert await desk.ask_replay(LETTER.id, "operator", NOW)
    (due,) = await desk.due(NOW, 10)
    assert await desk.replayed(due, NOW)
    assert await found(desk, Wanted()) == []
    assert sorted(await asyncio.gather(*(desk.keep(BACK) for _ in range(3)))) == [False, False, True]
    (back,) = await found(desk, Wanted())
    assert (back.state, back.arrivals, back.replays, back.attempt, back.reason) == (State.OPEN, 2, 1, 6, "worse")
    assert (back.arrived_at, back.fingerprint, back.settled_at) == (LATER, "worse", None)


async def test_a_replay_is_asked_for_once(desk: MongoDeadLetters) -> None:
    """Of several who ask for the same replay one is heard, and afterwards nobody is."""
    await desk.keep(LETTER)
    assert sorted(await asyncio.gather(*(desk.ask_replay(LETTER.id, "operator", NOW) for _ in range(5)))) == [
        *(False, False, False, False),
        True,
    ]
    (letter,) = await found(desk, Wanted())
    assert (letter.state, letter.replays, letter.asked_by) == (State.REPLAYING, 1, "operator")
    assert await desk.waiting() == {LETTER.id}
    assert await desk.replayed(letter, NOW)
    assert not await desk.ask_replay(LETTER.id, "operator", NOW)
    assert await desk.waiting() == set()
    (settled,) = await found(desk, Wanted(settled=True))
    assert (settled.state, settled.settled_at) == (State.REPLAYED, NOW)


async def test_one_worker_takes_a_replay(desk: MongoDeadLetters) -> None:
    """A replay is published by one worker; one that is not finished is taken again when its time is up."""
    await desk.keep(LETTER)
    await desk.ask_replay(LETTER.id, "operator", NOW)
    (letter,) = await desk.due(NOW, 10)
    taken = await asyncio.gather(*(desk.take(letter, NOW, LATER) for _ in range(5)))
    assert sum(taken) == 1
    assert await desk.due(NOW, 10) == []
    assert [due.id for due in await desk.due(LATER, 10)] == [LETTER.id]


async def test_a_mark_does_not_hide_what_came_back_before_it(desk: MongoDeadLetters) -> None:
    """A message that is back at the desk before its replay is marked as done stays open."""
    await desk.keep(LETTER)
    await desk.ask_replay(LETTER.id, "operator", NOW)
    (letter,) = await desk.due(NOW, 10)
    await desk.keep(BACK)
    assert not await desk.replayed(letter, LATER)
    await desk.ask_replay(LETTER.id, "operator", LATER)
    assert not await desk.replayed(letter, LATER), "asked for anew: this mark is of the first time"
    assert [one.state for one in await found(desk, Wanted())] == [State.REPLAYING]


async def test_what_cannot_be_replayed_is_not(desk: MongoDeadLetters) -> None:
    """A letter that says why it cannot be replayed, and one that turns out so, is open, and can be discarded."""
    await desk.keep(replace(LETTER, unreplayable=ONLY_SENDER))
    assert not await desk.ask_replay(LETTER.id, "operator", NOW)
    other = letter_of(arrived(event(), topology.STRIPE_QUEUE), NOW)
    await desk.keep(other)
    await desk.ask_replay(other.id, "operator", NOW)
    assert await desk.give_back(other, "gone")
    assert not await desk.ask_replay(other.id, "operator", NOW)
    assert [letter.unreplayable for letter in await found(desk, Wanted(kind=other.kind))] == ["gone"]
    assert await desk.discard(LETTER.id, "operator", "sent again by the shop", NOW)
    assert not await desk.discard(LETTER.id, "operator", "twice", NOW)
    (settled,) = await found(desk, Wanted(settled=True))
    assert (settled.state, settled.note, settled.asked_by) == (State.DISCARDED, "sent again by the shop", "operator")


async def test_a_discarded_event_is_accounted_for(
    desk: MongoDeadLetters, mongo_uri: str, mongo_client: Any, database_name: str
) -> None:
    """Whoever discards a Stripe event has the last word on it: the coverage walk finds that, whatever was on record before."""
    letter = letter_of(arrived(event(), topology.STRIPE_QUEUE), NOW)
    ignored = mongo_client[database_name]["stripe_events"]
    ignored.insert_one({"_id": letter.message_id, "type": letter.kind, "reason": "no such payment here", "at": NOW})
    await desk.keep(letter)
    await desk.keep(LETTER)
    assert await desk.discard(letter.id, "ops-ada", "a test", LATER)
    assert await desk.discard(LETTER.id, "ops-ada", "a command", LATER)
    assert not await desk.discard(letter.id, "ops-bob", "twice", LATER)
    (record,) = ignored.find()
    assert (record["_id"], record["reason"]) == (letter.message_id, "discarded by ops-ada: a test")
    assert record["intent_id"] in letter.about
    sought = {letter.message_id: Traces(payment_id="pay_1_1")}
    client = open_client(mongo_uri)
    coverage = MongoCoverage(client[database_name], livemode=False)
    assert await coverage.homes(sought) == {letter.message_id: Home.IGNORED}
    await client.close()


async def test_an_erased_user_is_in_no_letter(desk: MongoDeadLetters, mongo_client: Any, database_name: str) -> None:
    """An erasure takes the user and the body out of the user's letters, open or settled, and out of nobody else's."""
    theirs = letter_of(arrived(command(order_id="order-2", user_id="user-2")), NOW)
    settled = letter_of(arrived(command(order_id="order-3", user_id="user-1")), NOW)
    for letter in (LETTER, theirs, settled):
        await desk.keep(letter)
    await desk.discard(settled.id, "operator", "", NOW)
    await desk.erase("user-1")
    stored = {one["_id"]: one for one in mongo_client[database_name]["dead_letters"].find()}
    assert [name for name, one in stored.items() if "user-1" in repr(one)] == []
    assert await desk.one(theirs.id) == theirs
    assert not await desk.ask_replay(LETTER.id, "operator", NOW)
    (left,) = await found(desk, Wanted(about=("order-1",)))
    assert left.unreplayable == ERASED


async def test_letters_are_found_by_each_condition(desk: MongoDeadLetters) -> None:
    """By id, cause, kind, name and time of arrival; alone and together."""
    paid = letter_of(arrived(event(), topology.STRIPE_QUEUE), LATER)
    await desk.keep(LETTER)
    await desk.keep(paid)
    both = sorted([LETTER.id, paid.id])
    for wanted, names in (
        (Wanted(), both),
        (Wanted(ids=(paid.id, "dl_0")), [paid.id]),
        (Wanted(fingerprint=LETTER.fingerprint), [LETTER.id]),
        (Wanted(kind="payment.create"), [LETTER.id]),
        (Wanted(about=("order-1", "pay_9")), both),
        (Wanted(about=("pi_1",)), [paid.id]),
        (Wanted(since=LATER), [paid.id]),
        (Wanted(since=LATER, about=("order-1",), kind="payment.create"), []),
        (Wanted(settled=True), []),
    ):
        assert [letter.id for letter in await found(desk, wanted)] == names, wanted


async def test_every_look_up_uses_an_index(
    mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """Each find of the desk, and that of the payments that need review, is planned over an index."""
    overheard = Overheard()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_uri, tz_aware=True, event_listeners=[overheard])
    desk, reviews = MongoDeadLetters(client[database_name]), MongoReviews(client[database_name])
    for _ in range(2):
        await desk.prepare()
        await reviews.prepare()
    for wanted in (
        *(Wanted(), Wanted(settled=True), Wanted(ids=("dl_1", "dl_2")), Wanted(fingerprint="a", since=NOW)),
        *(Wanted(about=("pay_1", "pi_1"), kind="x"), Wanted(since=NOW)),
    ):
        await found(desk, wanted)
    await desk.one("dl_1")
    await desk.due(NOW, 10)
    await desk.waiting()
    assert [payment async for payment in reviews.waiting()] == []
    await client.close()
    assert len(overheard.finds) == 10
    for find in overheard.finds:
        plan = mongo_client[database_name].command("explain", find)["queryPlanner"]["winningPlan"]
        assert "COLLSCAN" not in stages(plan), find


async def test_only_what_is_settled_expires(desk: MongoDeadLetters, mongo_client: Any, database_name: str) -> None:
    """The index that lets documents expire is on a field that open letters do not have."""
    await desk.keep(LETTER)
    letters = mongo_client[database_name]["dead_letters"]
    expiring = {
        entry["key"][0][0]: entry["expireAfterSeconds"]
        for entry in letters.index_information().values()
        if "expireAfterSeconds" in entry
    }
    assert expiring == {"settled_at": SETTLED_KEPT.total_seconds()}
    assert "settled_at" not in letters.find_one()
    await desk.discard(LETTER.id, "operator", "", NOW)
    assert letters.find_one()["settled_at"] == NOW
