"""Forgetting a user: nothing of them is left in the record or in the archive, and nothing that is unsent is hidden by it."""

import asyncio
from dataclasses import replace

import pytest

from tests.conformance.store.long_story import LONGEST_NOTE, longest
from tests.fakes import MemoryStore
from tests.unit.worker.making import NOW, ORDER, USER, committed, erase, story
from worker.adapters.store import MongoStore
from worker.domain.archive import surplus
from worker.domain.commands import ERASED
from worker.domain.payment import decide
from worker.domain.record import Payment, Status, payment_id
from worker.ports import Mark, Store

ROUNDS = 20


async def stored(store: Store, payment: Payment) -> Payment:
    found = await store.commit(None, replace(payment, version=0))
    assert found is not None
    return found


async def loaded(store: Store, payment: Payment) -> Payment:
    found = await store.by_id(payment.id)
    assert found is not None
    return found


def erased(payment: Payment) -> Payment:
    """The record after the erasure, as the state machine makes it."""
    after = committed(payment, decide(payment, erase(), payment.updated_at))
    assert after is not None
    return after


def marks(payment: Payment, *sequences: int) -> list[Mark]:
    """Marks of these events, or of all."""
    all_of_them = tuple(event.sequence for event in payment.events)
    return [Mark(payment.id, payment.order_id, sequences or all_of_them)]


async def test_a_users_payments_are_found_until_they_are_erased(store: Store) -> None:
    """The payments of a user, as many as are asked for, and nobody else's; an erased one is not found again."""
    for number in (1, 2, 3):
        made = replace(story(Status.SUCCEEDED).record, id=payment_id(ORDER, number), intent_id=f"pi_{number}")
        await stored(store, made if number < 3 else replace(made, user_id="user-2"))
    assert sorted(await store.of_user(USER, 10)) == [payment_id(ORDER, 1), payment_id(ORDER, 2)]
    assert len(await store.of_user(USER, 1)) == 1
    first = await store.by_id(payment_id(ORDER, 1))
    assert first is not None
    await store.commit(first, erased(first))
    assert await store.of_user(USER, 10) == [payment_id(ORDER, 2)]


async def test_an_erased_record_is_read_back(store: Store) -> None:
    """User, events and notes are rewritten in one step, and everything else is as it was."""
    before = await stored(store, story(Status.SUCCEEDED).record)
    after = await store.commit(before, erased(before))
    assert after is not None
    assert await loaded(store, before) == after
    assert {event.body["user_id"] for event in after.events} == {ERASED}


async def test_events_that_were_sent_stay_sent(store: Store) -> None:
    """An erasure of a payment whose events are all sent leaves only its own announcement to send."""
    before = await stored(store, story(Status.SUCCEEDED).record)
    await store.mark_sent(marks(before))
    before = await loaded(store, before)
    after = await store.commit(before, erased(before))
    assert after is not None
    (waiting,) = await store.unsent(after.events[-1].at.replace(year=2030), 10)
    assert [event.sequence for event in waiting.events if not event.sent] == [after.events[-1].sequence]
    assert await store.unsent(after.events[-1].at, 10) == []


async def test_marks_that_an_erasure_did_not_see_are_made_again(store: Store) -> None:
    """Marks that came after the record was loaded are lost: the events are sent once more, and none is hidden."""
    before = await stored(store, story(Status.SUCCEEDED).record)
    await store.mark_sent(marks(before))
    after = await store.commit(before, erased(before))
    assert after is not None
    oldest = after.events[0].at
    (waiting,) = await store.unsent(oldest.replace(year=2030), 10)
    assert [event.sent for event in waiting.events] == [False] * len(after.events)
    assert await store.unsent(oldest, 10) == []
    await store.mark_sent(marks(after))
    assert await store.unsent(oldest.replace(year=2030), 10) == []


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_marks_and_an_erasure_at_once(store: Store, number: int) -> None:
    """Whichever is first, a payment waits in the outbox exactly as long as one of its events is unsent."""
    before = await stored(store, story(Status.SUCCEEDED).record)
    first, *others = [event.sequence for event in before.events]
    at_once = [store.commit(before, erased(before)), store.mark_sent(marks(before, *others))]
    committed_one = (await asyncio.gather(*at_once[:: 1 if number % 2 else -1]))[0 if number % 2 else 1]
    assert committed_one is not None
    found = await loaded(store, before)
    unsent = [event for event in found.events if not event.sent]
    assert first in [event.sequence for event in unsent]
    oldest = min(event.at for event in unsent)
    assert await store.unsent(oldest, 10) == []
    assert [one.id for one in await store.unsent(oldest.replace(year=2030), 10)] == [found.id]
    await store.mark_sent(marks(found))
    assert await store.unsent(oldest.replace(year=2030), 10) == []


async def archived_and_erased(store: Store) -> Payment:
    """A long payment that was cut, and then erased with what had left it."""
    before = await stored(store, replace(longest(), user_id=USER))
    await store.mark_sent(marks(before))
    before = await loaded(store, before)
    moved = surplus(before)
    assert moved is not None
    assert await store.archive(before, moved)
    left = await loaded(store, before)
    after = await store.commit(left, erased(left))
    assert after is not None
    await store.erase_archive(after.id, ERASED)
    return after


async def test_nothing_of_the_user_is_left_in_the_archive(store: Store) -> None:
    """After an erasure neither the user nor what somebody noted about them is in what has left the record."""
    after = await archived_and_erased(store)
    text = await everything(store, "archive")
    assert f"'{USER}'" not in text
    assert ERASED in text
    assert LONGEST_NOTE not in text
    assert await store.of_user(USER, 10) == []
    assert (await loaded(store, after)).user_id == ERASED


async def test_an_erasure_can_be_repeated(store: Store) -> None:
    """Erasing what is archived again, or of a payment that has nothing there, changes nothing."""
    after = await archived_and_erased(store)
    text = await everything(store, "archive")
    await store.erase_archive(after.id, ERASED)
    await store.erase_archive("pay_0_9", ERASED)
    assert await everything(store, "archive") == text


async def test_an_overtaken_move_does_not_bring_the_user_back(store: Store) -> None:
    """A worker that was moving parts while the user was erased leaves no trace of them once the next move is done."""
    before = await stored(store, longest())
    await store.mark_sent(marks(before))
    before = await loaded(store, before)
    moved = surplus(before)
    assert moved is not None
    after = await store.commit(before, erased(before))
    assert after is not None
    await store.erase_archive(after.id, ERASED)
    assert not await store.archive(before, moved)
    next_move = surplus(after)
    assert next_move is not None
    assert await store.archive(after, next_move)
    assert not await store.archive(before, moved)
    assert f"'{USER}'" not in await everything(store, "archive")


async def everything(store: Store, name: str) -> str:
    """All that a store keeps under a name, as text."""
    if isinstance(store, MemoryStore):
        return repr(sorted(store.archived.items(), key=lambda item: item[0]))
    assert isinstance(store, MongoStore)
    return repr(sorted([document async for document in store._database[name].find()], key=lambda one: one["_id"]))


async def test_a_moment_before_nothing_is_unsent(store: Store) -> None:
    """The oldest unsent event decides: before its time the relay finds nothing."""
    made = await stored(store, story(Status.SUCCEEDED).record)
    assert await store.unsent(NOW, 10) == []
    assert await store.unsent(made.events[0].at, 10) == []
