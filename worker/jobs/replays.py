"""Replays: what an operator asked for, published by a worker, which alone may write to the queues and read at Stripe.

The message keeps its logical id, so it is recorded, repeated or refused as every duplicate is. It keeps its count of attempts,
raised by one: what had failed in every delay tier is tried once and is back at the desk. A crash between publish and mark
publishes it again, and that is a duplicate, too.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from contracts import topology
from contracts.envelope import CONTENT_TYPE
from contracts.transport import Published, Publisher, Stored
from worker.adapters.dead_letters import MongoDeadLetters
from worker.dead_letter import NO_LONGER_LISTED, DeadLetter, Form
from worker.errors import StoreUnavailable, StripeUnavailable

EVERY_S = 0.5
AT_ONCE = 20
"""Letters published, and events read at Stripe, at the same time. How many there are in a second is the operator's to say."""

AGAIN_AFTER = timedelta(minutes=1)
"""When a replay that was begun and not finished is begun again; longer than reading an event and publishing it may take."""

EXCHANGES = {
    topology.COMMANDS_QUEUE: topology.COMMANDS,
    topology.PRIVILEGED_QUEUE: topology.PRIVILEGED,
    topology.STRIPE_QUEUE: topology.STRIPE,
}

KEY = re.compile(r"[\w.]{1,60}")
"""A kind that fits a routing key, which AMQP limits to 255 bytes. Nobody routes by it."""

log = structlog.get_logger()


class EventSource(Protocol):
    """Where a Stripe event can be read again. Raises StripeUnavailable when there is no answer."""

    async def one(self, event_id: str) -> bytes | None:
        """The event's JSON; None when Stripe lists it no longer, after 30 days."""


class Replays:
    """Publishes what is asked for. Several workers may: each letter is taken by one of them."""

    def __init__(
        self,
        desk: MongoDeadLetters,
        events: EventSource,
        publisher: Publisher,
        clock: Callable[[], datetime],
    ) -> None:
        self._desk = desk
        self._events = events
        self._publisher = publisher
        self._clock = clock

    async def run(self) -> None:
        """Look for what is due, for ever."""
        while True:
            try:
                more = await self.sweep()
            except StoreUnavailable:
                more = False
                log.warning("replays_wait", reason="database away")
            if not more:
                await asyncio.sleep(EVERY_S)

    async def sweep(self) -> bool:
        """Publish what is due, AT_ONCE at most; tell whether there was anything."""
        now = self._clock()
        due = await self._desk.due(now, AT_ONCE)
        await asyncio.gather(*(self._try(letter, now) for letter in due))
        return bool(due)

    async def _try(self, letter: DeadLetter, now: datetime) -> None:
        try:
            await self._replay(letter, now)
        except StoreUnavailable:
            log.warning("replay_waits", letter=letter.id, reason="database away")
        except StripeUnavailable as error:
            log.warning("replay_waits", letter=letter.id, reason=f"Stripe: {error}")
        except Exception:
            log.exception("replay_crashed", letter=letter.id)

    async def _replay(self, letter: DeadLetter, now: datetime) -> None:
        if not await self._desk.take(letter, now, now + AGAIN_AFTER):
            return
        body = letter.body.encode() if letter.form is Form.COMMAND else await self._events.one(letter.message_id)
        if body is None:
            await self._desk.give_back(letter, NO_LONGER_LISTED)
            log.warning("replay_refused", letter=letter.id, reason=NO_LONGER_LISTED)
            return
        published = await self._publish(letter, body)
        if published.stored is not Stored.YES:
            log.warning("replay_waits", letter=letter.id, reason=published.reason)
            return
        settled = await self._desk.replayed(letter, self._clock())
        log.info("replayed", letter=letter.id, kind=letter.kind, attempt=letter.attempt + 1, came_back=not settled)

    async def _publish(self, letter: DeadLetter, body: bytes) -> Published:
        headers: dict[str, Any] = {topology.HEADER_ATTEMPT: letter.attempt + 1}
        if letter.first_failed_at is not None:
            headers[topology.HEADER_FIRST_FAILED_AT] = letter.first_failed_at.isoformat(timespec="seconds")
        if letter.form is Form.EVENT:
            headers[topology.HEADER_STRIPE_EVENT_ID] = letter.message_id
        kind = letter.kind if KEY.fullmatch(letter.kind) else "replay"
        return await self._publisher.publish(
            EXCHANGES[letter.origin],
            kind,
            body,
            kind=kind,
            content_type=CONTENT_TYPE if letter.form is Form.COMMAND else "application/json",
            headers=headers,
        )
