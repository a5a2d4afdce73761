"""An event counts as sent when the broker has confirmed it, and not before."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from contracts.transport import Published, Stored
from tests.fakes import MemoryStore
from tests.unit.worker.making import story
from worker.adapters import outbox as outbox_module
from worker.adapters.outbox import EventOutbox
from worker.domain.record import Status
from worker.errors import StoreUnavailable
from worker.ports import Mark


class Broker:
    """Answers every publish with one outcome, and counts them."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self.heard = 0

    async def publish(self, *_: Any, **__: Any) -> Published:
        self.heard += 1
        return Published(self.stored)


async def published(stored: Stored) -> tuple[list[bool], Broker]:
    """What the record says of its events after their publish had this outcome."""
    record = story(Status.SUCCEEDED).record
    store, broker = MemoryStore(), Broker(stored)
    store.payments[record.id] = record
    publisher: Any = broker
    outbox = EventOutbox(publisher, store)
    await outbox.publish(record, record.events)
    await outbox.flush()
    return [event.sent for event in store.payments[record.id].events], broker


@pytest.mark.parametrize("stored", [Stored.YES, Stored.UNROUTABLE])
async def test_what_is_confirmed_is_marked(stored: Stored) -> None:
    """Confirmed events are marked as sent, also those that no queue is bound for."""
    sent, broker = await published(stored)
    assert all(sent)
    assert broker.heard == len(sent) > 1


@pytest.mark.parametrize("stored", [Stored.NO, Stored.UNKNOWN])
async def test_what_is_not_confirmed_stays_in_the_outbox(stored: Stored) -> None:
    """Events that the broker has refused, or has not answered for, stay unsent, for the relay."""
    sent, broker = await published(stored)
    assert not any(sent)
    assert broker.heard == len(sent)


class BusyStore(MemoryStore):
    """Does not finish a batch of more than `at_once` marks, and writes down how long each batch was."""

    def __init__(self, at_once: int) -> None:
        super().__init__()
        self.at_once = at_once
        self.batches: list[int] = []

    def unmarked(self) -> list[str]:
        return [payment.id for payment in self.payments.values() if not all(event.sent for event in payment.events)]

    async def mark_sent(self, marks: Sequence[Mark]) -> None:
        self.batches.append(len(marks))
        if len(marks) > self.at_once:
            raise StoreUnavailable("timed out")
        await super().mark_sent(marks)


async def crowd(store: MemoryStore, count: int = 40) -> EventOutbox:
    """An outbox that has published the events of so many payments, and has marked none."""
    publisher: Any = Broker(Stored.YES)
    outbox = EventOutbox(publisher, store)
    record = story(Status.SUCCEEDED).record
    for number in range(count):
        payment = replace(record, id=f"pay_{number}_1")
        store.payments[payment.id] = payment
        await outbox.publish(payment, payment.events)
    return outbox


async def test_a_busy_database_is_given_less_at_once() -> None:
    """Marks that are not written in time are tried in smaller batches until they are, and none is forgotten."""
    store = BusyStore(at_once=8)
    outbox = await crowd(store)
    failed = 0
    while store.unmarked() and failed < 20:
        try:
            await outbox.flush()
        except StoreUnavailable:
            failed += 1
    assert not store.unmarked()
    assert 0 < failed < 20
    assert min(store.batches) <= 8


async def test_a_slow_batch_is_halved_and_a_fast_one_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many marks go out at once follows the time that the last ones took."""
    monkeypatch.setattr(outbox_module, "SLOW_S", -1.0)
    monkeypatch.setattr(outbox_module, "MAX_BATCH", 16)
    store = BusyStore(at_once=100)
    await (await crowd(store)).flush()
    assert store.batches == [16, 8, 4, 2, *[1] * 10]
    store.batches.clear()
    monkeypatch.setattr(outbox_module, "SLOW_S", 60.0)
    outbox = await crowd(store)
    outbox._batch = 2
    await outbox.flush()
    assert store.batches == [2, 4, 8, 16, 10]
