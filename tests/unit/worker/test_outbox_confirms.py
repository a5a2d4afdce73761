"""An event counts as sent when the broker has confirmed it, and not before."""

from typing import Any

import pytest

from contracts.transport import Published, Stored
from tests.fakes import MemoryStore
from tests.unit.worker.making import story
from worker.adapters.outbox import EventOutbox
from worker.domain.record import Status


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
