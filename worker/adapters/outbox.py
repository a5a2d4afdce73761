"""Tells the world: events to the exchange, replies to requesters, and the mark that an event is sent."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence
from itertools import islice

import structlog

from contracts import topology
from contracts.envelope import Envelope, encode, schema_uri, sequence_text, wrap
from contracts.replies import Reply
from contracts.transport import Publisher, Stored
from worker.adapters.documents import to_the_millisecond
from worker.domain.record import Address, Announced, Payment
from worker.errors import StoreUnavailable
from worker.ports import Mark, Store

SOURCE = "payments"
FLUSH_S = 0.2
"""How long marks gather before they are written together. The event is out already; only the note that it is waits."""

MAX_BATCH = 200
SLOW_S = 1.0
"""A batch that takes longer is halved the next time: one that outlasts the database's own timeout marks nothing as marked,
the relays send its events again, and that work makes the database slower still."""

MAX_WAITING = 20_000
"""Payments with marks kept while the database is away. Beyond it marks are dropped, and the relay sends those events again."""

log = structlog.get_logger()


class EventOutbox:
    """See ports.Outbox. `run` writes the marks beside it, `flush` at once. `published` counts events by what became of them."""

    def __init__(self, publisher: Publisher, store: Store) -> None:
        self._publisher = publisher
        self._store = store
        self._confirmed: dict[tuple[str, str], set[int]] = {}  # by payment and order id: sequences not yet marked
        self._wake = asyncio.Event()
        self._batch = MAX_BATCH
        self.published: Counter[Stored] = Counter()

    async def publish(self, payment: Payment, events: Sequence[Announced]) -> int:
        key = (payment.id, payment.order_id)
        fresh = [event for event in events if event.sequence not in self._confirmed.get(key, ())]
        outcomes = await asyncio.gather(*(self._publish(payment, event) for event in fresh))
        sent = {event.sequence for event, stored in zip(fresh, outcomes, strict=True) if stored}
        if sent and len(self._confirmed) < MAX_WAITING:
            self._confirmed.setdefault(key, set()).update(sent)
            self._wake.set()
        return len(sent)

    async def reply(self, address: Address, reply: Reply) -> None:
        body = wrap(
            reply,
            kind=Reply.TYPE,
            version=Reply.VERSION,
            message_id=f"reply-{uuid.uuid4().hex}",
            source=SOURCE,
            subject=reply.payment.payment_id if reply.payment else None,
            causation_id=reply.command_id,
        )
        await self._publisher.reply(address.reply_to, address.correlation_id, encode(body), kind=Reply.TYPE)

    async def run(self) -> None:
        """Write marks in batches, for ever."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except StoreUnavailable as error:
                log.warning("marks_wait", payments=len(self._confirmed), reason=str(error))
                await asyncio.sleep(1)

    async def flush(self) -> None:
        """Write all marks now. Raises StoreUnavailable and keeps what is not written."""
        while self._confirmed:
            batch = [
                Mark(payment_id, order_id, tuple(sequences))
                for (payment_id, order_id), sequences in islice(self._confirmed.items(), self._batch)
            ]
            await self._mark(batch)
            for mark in batch:
                left = self._confirmed[mark.payment_id, mark.order_id] - set(mark.sequences)
                if left:
                    self._confirmed[mark.payment_id, mark.order_id] = left
                else:
                    del self._confirmed[mark.payment_id, mark.order_id]
        self._wake.clear()

    async def _mark(self, batch: Sequence[Mark]) -> None:
        """Write these marks, and learn how many the database takes at once. Raises StoreUnavailable."""
        loop, slow = asyncio.get_running_loop(), True
        began = loop.time()
        try:
            await self._store.mark_sent(batch)
            slow = loop.time() - began > SLOW_S
        finally:
            self._batch = max(1, self._batch // 2) if slow else min(MAX_BATCH, self._batch * 2)

    async def _publish(self, payment: Payment, event: Announced) -> bool:
        published = await self._publisher.publish(
            topology.EVENTS,
            event.type,
            encode(event_envelope(payment.id, event)),
            kind=event.type,
            correlation_id=event.trace.correlation_id,
        )
        self.published[published.stored] += 1
        if published.stored is Stored.UNROUTABLE:
            log.info("event_unroutable", payment_id=payment.id, sequence=event.sequence, kind=event.type)
            return True
        if published.stored is not Stored.YES:
            log.warning("event_not_sent", payment_id=payment.id, sequence=event.sequence, reason=published.reason)
        return published.stored is Stored.YES


def event_envelope(payment_id: str, event: Announced) -> Envelope:
    """The envelope of one fact; its id is fixed, so that every repeat can be recognised."""
    return Envelope(
        id=f"{payment_id}.{event.sequence}",
        source=SOURCE,
        type=event.type,
        subject=payment_id,
        time=to_the_millisecond(event.at),
        dataschema=schema_uri(event.type, 1),
        sequence=sequence_text(event.sequence),
        correlationid=event.trace.correlation_id,
        causationid=event.causation_id,
        traceparent=event.trace.traceparent,
        data=event.body,
    )
