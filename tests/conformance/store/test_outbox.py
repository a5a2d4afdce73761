"""The mark of one event says nothing about its neighbours."""

from dataclasses import replace
from datetime import timedelta

from tests.unit.worker.making import NOW, story
from worker.domain.record import Status
from worker.ports import Mark, Store


async def test_a_mark_hides_no_neighbour(store: Store) -> None:
    """A payment of which one event is not marked is still found by the relay, with that event."""
    record = story(Status.SUCCEEDED).record
    await store.commit(None, replace(record, version=0))
    first, *others = (event.sequence for event in record.events)
    await store.mark_sent([Mark(record.id, record.order_id, tuple(others))])
    found = await store.unsent(NOW + timedelta(days=1), 10)
    assert [[event.sequence for event in payment.events if not event.sent] for payment in found] == [[first]]
