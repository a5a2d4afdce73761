"""Long random stories through a store: after every commit what is read back is what was written."""

import random
from dataclasses import replace
from datetime import datetime, timedelta

import bson
import pytest
from bson.codec_options import CodecOptions

from tests.unit.worker.making import Story, create
from tests.unit.worker.representatives import messages
from worker.adapters.documents import from_document, to_document
from worker.domain.record import Payment
from worker.ports import Mark, Store

STEPS = 30
FAR = timedelta(days=3650)


def story(seed: int) -> list[Payment]:
    """A record after each of many messages that were drawn from a seed."""
    chance = random.Random(seed)
    made = Story()
    made.tell(create(description="Two tickets", metadata={"a.b": "$set", "c": ""}))
    records = [made.record]
    for _ in range(STEPS):
        _, message = chance.choice(list(messages(made.payment)))
        if made.tell(message, chance.choice([timedelta(seconds=1), timedelta(minutes=3), timedelta(hours=21)])).write:
            records.append(made.record)
    return records


@pytest.mark.parametrize("seed", range(12))
async def test_every_commit_is_read_back(store: Store, seed: int) -> None:
    """A record that is changed by whatever comes is the same in the store, with its due time and its unsent events."""
    records = story(seed)
    stored = await store.commit(None, records[0])
    assert stored == records[0]
    chance = random.Random(seed)
    for record in records[1:]:
        assert stored is not None
        stored = await store.commit(stored, record)
        assert stored == record
        found = await store.by_id(record.id)
        assert found is not None
        assert unmarked(found) == record
        await is_found(store, found)
        if chance.random() < 0.3 and found.events:
            sequences = tuple(event.sequence for event in chance.sample(found.events, 1))
            await store.mark_sent([Mark(found.id, found.order_id, sequences)])


def unmarked(payment: Payment) -> Payment:
    """Marks are the outbox's, not the record's: a commit neither knows nor changes them."""
    return replace(payment, events=tuple(replace(event, sent=False) for event in payment.events))


async def is_found(store: Store, payment: Payment) -> None:
    """The sweeper finds it when it is due and not before, the relay while something is unsent."""
    moment = payment.check_at
    if moment is None:
        assert await store.due(far(payment), 10) == []
    else:
        assert [due.id for due in await store.due(moment, 10)] == [payment.id]
        assert await store.due(moment - timedelta(milliseconds=1), 10) == []
    waiting = any(not event.sent for event in payment.events)
    assert [found.id for found in await store.unsent(far(payment), 10)] == [payment.id] * waiting
    if payment.intent_id:
        assert await store.by_intent(payment.intent_id) == payment


def far(payment: Payment) -> datetime:
    return payment.updated_at + FAR


@pytest.mark.parametrize("seed", range(100))
def test_a_document_is_its_record(seed: int) -> None:
    """Every record survives the way through BSON and back, and no field without a value is in its document."""
    options: CodecOptions[dict[str, object]] = CodecOptions(tz_aware=True)
    for record in story(seed):
        document = to_document(record)
        assert from_document(bson.decode(bson.encode(document), codec_options=options)) == record
        assert None not in document.values()
