"""What has moved out of a long document: there first, removed then, and found again by whoever needs it."""

import asyncio
from dataclasses import replace

import pytest

from tests.conformance.store.long_story import longest
from tests.fakes import MemoryStore
from tests.unit.worker.making import NOW
from worker.adapters.store import MongoStore
from worker.domain.archive import KEPT, Surplus, surplus
from worker.domain.record import Announced, Call, Entry, Operation, Payment
from worker.ports import Mark, Store

FIRST = "refund-1".ljust(128, "x")
"""The oldest command that may leave: it has a call and an entry."""


@pytest.fixture
async def stored(store: Store) -> Payment:
    """The longest payment, all of its events sent."""
    payment = await store.commit(None, replace(longest(), version=0))
    assert payment is not None
    await store.mark_sent([Mark(payment.id, payment.order_id, tuple(event.sequence for event in payment.events))])
    return await loaded(store, payment)


async def loaded(store: Store, payment: Payment) -> Payment:
    found = await store.by_id(payment.id)
    assert found is not None
    return found


def excess(payment: Payment) -> Surplus:
    moved = surplus(payment)
    assert moved is not None
    return moved


async def test_what_is_too_much_moves(store: Store, stored: Payment) -> None:
    """The newest entries and events stay, the oldest go, and the record counts what has gone."""
    moved = excess(stored)
    assert await store.archive(stored, moved)
    left = await loaded(store, stored)
    assert (len(left.timeline), len(left.events)) == (KEPT, KEPT)
    assert left.timeline == stored.timeline[-KEPT:]
    assert left.events == stored.events[-KEPT:]
    assert (left.version, left.archived) == (stored.version + 1, moved.size)
    assert surplus(left) is None


async def test_what_later_decisions_look_back_at_stays(store: Store, stored: Payment) -> None:
    """The create, every open call, and all refunds and disputes are still in the record."""
    await store.archive(stored, excess(stored))
    left = await loaded(store, stored)
    assert left.calls[0].operation is Operation.CREATE
    assert [call for call in left.calls if call.open] == [call for call in stored.calls if call.open]
    assert (left.refunds, left.disputes, left.attempts) == (stored.refunds, stored.disputes, stored.attempts)


async def test_what_has_moved_is_recalled(store: Store, stored: Payment) -> None:
    """A late duplicate meets its call and its entry as if they had never left; of the call the parameters are gone."""
    await store.archive(stored, excess(stored))
    left = await loaded(store, stored)
    assert not left.knows(FIRST)
    known = await store.recall(left, FIRST)
    assert known.entry(FIRST) == stored.entry(FIRST)
    before, call = stored.call(FIRST), known.call(FIRST)
    assert before is not None
    assert call == replace(before, params={})


async def test_what_never_was_is_not_recalled(store: Store, stored: Payment) -> None:
    """Nothing is made up for a message that nobody has seen, nor taken from another payment."""
    await store.archive(stored, excess(stored))
    left = await loaded(store, stored)
    assert await store.recall(left, "nobody") == left
    other = replace(left, id="pay_0_2")
    assert await store.recall(other, FIRST) == other


async def test_a_recall_writes_nothing(store: Store, stored: Payment) -> None:
    """What a decision about a recalled record commits is its change: what was recalled stays in the archive."""
    await store.archive(stored, excess(stored))
    left = await loaded(store, stored)
    known = await store.recall(left, FIRST)
    entry = replace(known.timeline[-1], message_id="again")
    assert await store.commit(known, replace(known, timeline=(*known.timeline, entry))) is not None
    after = await loaded(store, stored)
    assert after == replace(left, version=left.version + 1, timeline=(*left.timeline, entry))


async def test_unsent_events_stay(store: Store) -> None:
    """An event that is not marked as sent is not moved, even if somebody wants it moved."""
    payment = await store.commit(None, replace(longest(), version=0))
    assert payment is not None
    moved = excess(payment)
    assert not moved.events
    assert await store.archive(payment, replace(moved, events=payment.events[:10]))
    assert (await loaded(store, payment)).events == payment.events
    assert await store.unsent(payment.updated_at, 10)


async def test_an_overtaken_move_loses_nothing(store: Store, stored: Payment) -> None:
    """Whoever is overtaken between the two writes has copied and removed nothing; the next one does all of it."""
    changed = await store.commit(stored, replace(stored, captured=stored.captured + 1))
    assert changed is not None
    assert not await store.archive(stored, excess(stored))
    still = await loaded(store, stored)
    assert (still.timeline, still.calls, still.events) == (stored.timeline, stored.calls, stored.events)
    assert still.archived == 0
    assert await store.archive(still, excess(still))
    await all_is_there(store, stored)


async def test_a_move_that_was_done_is_not_done_again(store: Store, stored: Payment) -> None:
    """Twenty workers that move the same parts at once: one does it, the others lose, and everything is there once."""
    moved = excess(stored)
    done = await asyncio.gather(*(store.archive(stored, moved) for _ in range(20)))
    assert done.count(True) == 1
    left = await loaded(store, stored)
    assert (left.version, left.archived) == (stored.version + 1, moved.size)
    kept = {event.sequence for event in left.events}
    assert kept.isdisjoint(await archived_events(store, stored))
    await all_is_there(store, stored)


async def test_a_commit_on_the_copy_before_the_move_loses(store: Store, stored: Payment) -> None:
    """A worker that loaded the record before the move cannot write the old lists back."""
    await store.archive(stored, excess(stored))
    assert await store.commit(stored, replace(stored, captured=stored.captured + 1)) is None


async def test_marks_beside_a_move_are_kept(store: Store) -> None:
    """Marks of events race with the move of what is sent already: no event is lost, no mark is lost."""
    payment = await store.commit(None, replace(longest(), version=0))
    assert payment is not None
    half = len(payment.events) // 2
    await store.mark_sent([mark(payment, payment.events[:half])])
    payment = await loaded(store, payment)
    await asyncio.gather(
        store.archive(payment, excess(payment)), store.mark_sent([mark(payment, payment.events[half:])])
    )
    left = await loaded(store, payment)
    assert all(event.sent for event in left.events)
    assert await store.unsent(payment.updated_at, 10) == []
    assert left.events == tuple(replace(event, sent=True) for event in payment.events[-len(left.events) :])


def mark(payment: Payment, events: tuple[Announced, ...]) -> Mark:
    return Mark(payment.id, payment.order_id, tuple(event.sequence for event in events))


async def all_is_there(store: Store, before: Payment) -> None:
    """Every entry, every call and every event is in the record or in the archive; an overtaken move leaves some in both."""
    left = await loaded(store, before)
    for entry in before.timeline:
        known = left if left.entry(entry.message_id) else await store.recall(left, entry.message_id)
        assert known.entry(entry.message_id) == entry
    for call in before.calls:
        assert left.call(call.id) or (await store.recall(left, call.id)).call(call.id)
    found = {*await archived_events(store, before), *(event.sequence for event in left.events)}
    assert found == {event.sequence for event in before.events}


async def archived_events(store: Store, payment: Payment) -> set[int]:
    """The numbers of the events that have moved: no part of the loop reads them, so they are looked at directly."""
    if isinstance(store, MemoryStore):
        parts = [part for (owner, _), part in store.archived.items() if owner == payment.id]
        return {part.sequence for part in parts if isinstance(part, Announced)}
    assert isinstance(store, MongoStore)
    found = store._archive.find({"payment_id": payment.id, "kind": "event"})
    return {document["value"]["sequence"] async for document in found}


@pytest.mark.parametrize("empty", ["timeline", "calls", "events"])
async def test_a_move_may_lack_a_kind(store: Store, stored: Payment, empty: str) -> None:
    """Where only some of the lists are too long, only those are cut."""
    kinds: dict[str, tuple[Entry, ...] | tuple[Call, ...] | tuple[Announced, ...]] = {empty: ()}
    assert await store.archive(stored, replace(excess(stored), **kinds))  # type: ignore[arg-type] # one of its fields
    left = await loaded(store, stored)
    assert getattr(left, empty) == getattr(stored, empty)


async def test_a_move_beside_a_commit(store: Store, stored: Payment) -> None:
    """Of a move and a commit on the same version one wins, and the record is whole either way."""
    more = replace(stored.timeline[-1], message_id="beside", at=NOW)
    moved, committed = await asyncio.gather(
        store.archive(stored, excess(stored)),
        store.commit(stored, replace(stored, timeline=(*stored.timeline, more))),
    )
    assert moved is (committed is None)
    await all_is_there(store, replace(stored, timeline=(*stored.timeline, more)) if committed else stored)
