"""What the loop relies on: compare-and-swap, one payment per id and intent, an outbox that hides nothing."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from tests.fakes import MemoryStore
from tests.unit.worker.making import INTENT, NOW, ORDER, Story, create, seen, story
from worker.adapters.budget import Priority
from worker.adapters.store import MongoStore, open_client
from worker.domain.messages import Result
from worker.domain.record import CallState, Operation, Payment, Status, payment_id
from worker.ports import Due, Ignored, Mark, Refusal, Store

LATER = NOW + timedelta(days=1)
SUCCEEDED = story(Status.SUCCEEDED).record


def numbered(number: int, order: str = ORDER, intent: str | None = None) -> Payment:
    """An order's n-th payment, unpaid."""
    made = Story()
    made.tell(create(order_id=order))
    return replace(made.record, id=payment_id(order, number), intent_id=intent)


async def stored(store: Store, payment: Payment) -> Payment:
    """The payment as it is after an insert."""
    inserted = await store.commit(None, replace(payment, version=0))
    assert inserted is not None
    return inserted


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.NEW])
async def test_a_record_is_read_back_as_it_was_written(store: Store, status: Status) -> None:
    """Calls, attempts, timeline, events and every other field come back equal, in each status."""
    written = await stored(store, story(status).record)
    assert await store.by_id(written.id) == written


async def test_a_change_is_read_back_as_it_was_written(store: Store) -> None:
    """A record that went through several commits comes back equal after each."""
    made = Story()
    made.tell(create())
    before = await stored(store, made.record)
    for status in (Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_ACTION, Status.SUCCEEDED):
        made.payment = before
        if status is Status.REQUIRES_PAYMENT_METHOD:
            made.answer(Result.DONE, status)
        else:
            made.tell(seen(status, f"evt_{status}"))
        after = await store.commit(before, made.record)
        assert after is not None
        assert after.version == before.version + 1
        assert await store.by_id(after.id) == after
        before = after


async def test_an_unknown_id_finds_nothing(store: Store) -> None:
    """Looking for what is not there finds None, or an empty list."""
    assert await store.by_id("pay_0_1") is None
    assert await store.by_intent("pi_0") is None
    assert await store.by_order("order-0") == []


async def test_a_second_insert_of_an_id_loses(store: Store) -> None:
    """Two workers that race for an order's n-th payment make one."""
    first = await stored(store, numbered(1))
    assert await store.commit(None, replace(numbered(1), user_id="another")) is None
    assert await store.by_id(first.id) == first


async def test_a_commit_on_an_old_version_loses(store: Store) -> None:
    """A worker whose copy was overtaken changes nothing."""
    old = await stored(store, numbered(1))
    new = await store.commit(old, replace(old, captured=1))
    assert await store.commit(old, replace(old, captured=2)) is None
    assert await store.by_id(old.id) == new


async def test_of_many_commits_at_once_one_wins(store: Store) -> None:
    """Twenty writers on one version: one is told its new version, nineteen are told that they lost."""
    old = await stored(store, numbered(1))
    outcomes = await asyncio.gather(*(store.commit(old, replace(old, captured=amount)) for amount in range(1, 21)))
    (winner,) = [outcome for outcome in outcomes if outcome is not None]
    assert await store.by_id(old.id) == winner


async def test_an_intent_belongs_to_one_payment(store: Store) -> None:
    """A commit that would give two payments the same intent loses."""
    await stored(store, numbered(1, intent=INTENT))
    other = await stored(store, numbered(2))
    assert await store.commit(other, replace(other, intent_id=INTENT)) is None


async def test_a_payment_is_found_by_its_intent(store: Store) -> None:
    """Stripe's id leads to the payment."""
    written = await stored(store, numbered(1, intent=INTENT))
    assert await store.by_intent(INTENT) == written


async def test_an_orders_payments_come_oldest_first(store: Store) -> None:
    """All of an order's payments are found, by number and not by how the number is spelled, and nobody else's."""
    for number in (10, 2, 1):
        await stored(store, numbered(number))
    await stored(store, numbered(1, order="order-2"))
    assert [payment.number for payment in await store.by_order(ORDER)] == [1, 2, 10]


async def test_what_is_unsent_is_found_until_it_is_marked(store: Store) -> None:
    """A payment waits in the outbox until the last of its events is marked."""
    written = await stored(store, SUCCEEDED)
    sequences = [event.sequence for event in written.events]
    assert len(sequences) > 1
    await store.mark_sent([Mark(written.id, written.order_id, tuple(sequences[1:]))])
    (waiting,) = await store.unsent(LATER, 10)
    assert [event.sequence for event in waiting.events if not event.sent] == sequences[:1]
    await store.mark_sent([Mark(written.id, written.order_id, tuple(sequences[:1]))])
    assert await store.unsent(LATER, 10) == []


async def test_young_events_are_not_yet_unsent(store: Store) -> None:
    """An event younger than asked for is being sent by whoever committed it."""
    await stored(store, SUCCEEDED)
    assert await store.unsent(NOW, 10) == []


async def test_unsent_payments_come_in_batches(store: Store) -> None:
    """No more payments are handed out than were asked for."""
    for number in range(1, 5):
        await stored(store, replace(SUCCEEDED, id=payment_id(ORDER, number), intent_id=f"pi_{number}"))
    assert len(await store.unsent(LATER, 3)) == 3


async def test_a_mark_survives_a_commit_that_did_not_see_it(store: Store) -> None:
    """A commit on a copy that was loaded before the mark adds its events and unmarks nothing."""
    loaded = await stored(store, SUCCEEDED)
    await store.mark_sent([Mark(loaded.id, loaded.order_id, tuple(event.sequence for event in loaded.events))])
    more = replace(loaded.events[-1], sequence=loaded.events[-1].sequence + 1)
    assert await store.commit(loaded, replace(loaded, events=(*loaded.events, more))) is not None
    (waiting,) = await store.unsent(LATER, 10)
    assert [event.sequence for event in waiting.events if not event.sent] == [more.sequence]


async def test_marks_and_commits_at_once_lose_nothing(store: Store) -> None:
    """Marking takes no version: a commit beside it wins, and both are there afterwards."""
    loaded = await stored(store, SUCCEEDED)
    mark = Mark(loaded.id, loaded.order_id, tuple(event.sequence for event in loaded.events))
    committed, _ = await asyncio.gather(store.commit(loaded, replace(loaded, refunded=1)), store.mark_sent([mark]))
    assert committed is not None
    found = await store.by_id(loaded.id)
    assert found is not None
    assert found.refunded == 1
    assert all(event.sent for event in found.events)
    assert await store.unsent(LATER, 10) == []


async def test_what_is_due_comes_longest_overdue_first(store: Store) -> None:
    """Payments are handed to the sweeper by their time, as many as asked for; final ones never."""
    for number, minutes in ((1, 3), (2, 1), (3, 2), (4, 60)):
        due = replace(
            story(Status.REQUIRES_PAYMENT_METHOD).record,
            id=payment_id(ORDER, number),
            intent_id=f"pi_{number}",
            poll_at=NOW + timedelta(minutes=minutes),
        )
        await stored(store, due)
    await stored(store, replace(SUCCEEDED, id=payment_id(ORDER, 5), intent_id="pi_5"))
    ids = [payment_id(ORDER, number) for number in (2, 3, 1)]
    reads = [Due(name, Priority.READ) for name in ids]
    assert await store.due(NOW + timedelta(minutes=5), 10) == reads
    assert await store.due(NOW + timedelta(minutes=5), 2) == reads[:2]


@pytest.mark.parametrize(
    ("closed", "rank"), [(0, Priority.CREATE), (1, Priority.MONEY), (2, Priority.REFUND), (3, Priority.READ)]
)
async def test_what_is_due_says_what_its_head_asks_for(store: Store, closed: int, rank: Priority) -> None:
    """The first open call tells how urgent a payment is, whatever was asked before and waits behind it; else it is a read."""
    (call,) = [call for call in SUCCEEDED.calls if call.operation is Operation.CREATE]
    asked = (Operation.CREATE, Operation.CAPTURE, Operation.REFUND)
    states = [CallState.DONE] * closed + [CallState.OPEN] * (len(asked) - closed)
    calls = tuple(
        replace(call, id=f"c-{what}", key=f"k-{what}", operation=what, state=state, due_at=NOW)
        for what, state in zip(asked, states, strict=True)
    )
    await stored(store, replace(SUCCEEDED, calls=calls, read_at=NOW))
    assert await store.due(NOW, 10) == [Due(SUCCEEDED.id, rank)]


async def test_a_create_that_waits_for_its_customer_ranks_as_one(store: Store) -> None:
    """Somebody is at the checkout: what is due then is no read, though no call is open yet."""
    (call,) = [call for call in SUCCEEDED.calls if call.operation is Operation.CREATE]
    waiting = replace(SUCCEEDED, status=Status.CREATING, intent_id=None, calls=(), draft=call, customer_at=NOW)
    await stored(store, waiting)
    assert await store.due(NOW, 10) == [Due(SUCCEEDED.id, Priority.CREATE)]


async def test_a_refusal_is_kept_once(store: Store) -> None:
    """A refusal that has no payment may be recorded again without harm, also by many at once."""
    refusal = Refusal("cmd-1", "create", "expired", "too late", NOW)
    await asyncio.gather(*(store.record_refusal(refusal) for _ in range(5)))
    await store.record_refusal(replace(refusal, code="invalid"))
    assert await kept(store, "refusals") == [("cmd-1", "expired")]


async def test_a_refusal_is_read_back(store: Store) -> None:
    """What a command was told before its payment existed is found by its id, with every field; of another there is none."""
    full = Refusal("cmd-1", "refund", "unknown_payment", "no such payment", NOW, "order-1", "pay_0_1", "hash")
    bare = Refusal("cmd-2", "command", "invalid", "is no object", NOW)
    await store.record_refusal(full)
    await store.record_refusal(bare)
    assert await store.refusal("cmd-1") == full
    assert await store.refusal("cmd-2") == bare
    assert await store.refusal("cmd-3") is None


async def test_a_refusals_first_word_stays(store: Store) -> None:
    """A refusal is final: recording another under the same command id changes nothing that is read."""
    first = Refusal("cmd-1", "refund", "expired", "too late", NOW)
    await store.record_refusal(first)
    await store.record_refusal(replace(first, code="invalid", at=LATER))
    assert await store.refusal("cmd-1") == first


async def test_an_ignored_event_is_kept_once(store: Store) -> None:
    """An event that belongs to nobody may be recorded again without harm, also by many at once."""
    ignored = Ignored("evt_1", "charge.updated", "no rule for this type", NOW)
    await asyncio.gather(*(store.record_ignored(ignored) for _ in range(5)))
    assert await kept(store, "stripe_events") == [("evt_1", "no rule for this type")]


async def test_only_what_an_ignored_event_has_is_stored(
    mongo_uri: str, database_name: str, mongo_client: MongoClient[dict[str, Any]]
) -> None:
    """The intent of an ignored event is a field of its own where there is one, and absent where there is none."""
    client = open_client(mongo_uri)
    real = MongoStore(client[database_name])
    await real.record_ignored(Ignored("evt_1", "charge.updated", "no rule for this type", NOW, "pi_1"))
    await real.record_ignored(Ignored("evt_2", "payout.paid", "no rule for this type", NOW))
    found = {one["_id"]: one.get("intent_id", "absent") for one in mongo_client[database_name]["stripe_events"].find()}
    assert found == {"evt_1": "pi_1", "evt_2": "absent"}
    await client.close()


async def kept(store: Store, name: str) -> list[tuple[str, str]]:
    """What a store keeps beside the payments, as (id, reason)."""
    if isinstance(store, MemoryStore):
        if name == "refusals":
            return [(key, refusal.code) for key, refusal in store.refusals.items()]
        return [(key, ignored.reason) for key, ignored in store.ignored.items()]
    assert isinstance(store, MongoStore)
    documents = store._database[name].find()  # what has no reader in the loop is looked at directly
    return [(found["_id"], found.get("code") or found["reason"]) async for found in documents]
