"""Deliveries: in, and out by exactly one of five ways. All acks and nacks of the worker are in this file.

    DONE        applied, refused or stale: ack
    LATER       could not be applied (database away, a crash): to a delay tier with our headers, confirmed, then ack
    DEAD        no message of ours, or the last tier is behind it: to the dead letters with a reason, confirmed, then ack
    QUARANTINE  came back three times without ever being settled: alone from now on, for it may kill its worker
    RETURN      not begun (we are stopping, the database is away), or nowhere to be moved to: nack, requeue

docs/reliability.md, rules 8-15. A cancelled handler is the same case as a crash, so CancelledError passes through.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from time import perf_counter
from typing import Any

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue, AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import AMQPError

from contracts import topology
from contracts.errors import InvalidMessage
from contracts.transport import MAX_PUBLISH_BYTES, Publisher, Stored, declare_queue
from worker.customers import CustomerReport
from worker.ending import end
from worker.errors import StoreUnavailable, StripeUnavailable
from worker.handler import Report
from worker.pace import Pace

HANDLER_DEADLINE_S = 300
"""Far below the broker's ack timeout of 30 min, far above the slowest honest delivery (eleven calls to Stripe)."""

SUSPICIOUS_DELIVERIES = 3
ERROR_TEXT_MAX = 300
CANCEL_S = 2.0
"""A cancel waits for the broker's word, and for a connection if there is none: for ever, when the broker is down."""

NO_ROOM = (Stored.NO, Stored.UNROUTABLE)
"""A delay tier that is full, or gone, while the next longer one may take it."""

UNSETTLED_PAUSE_S = 1.0
"""When no delay tier can be reached: a breath before the delivery goes back, or it would spin."""

Apply = Callable[[AbstractIncomingMessage], Awaitable[Report | CustomerReport]]
log = structlog.get_logger()


async def is_registered(channel: AbstractRobustChannel | None, tag: str | None) -> bool:
    """Whether the broker knows the consumer `tag` on this channel right now."""
    if tag is None or channel is None:
        return False
    try:
        async with asyncio.timeout(1):
            underlay = await channel.get_underlay_channel()
    except (AMQPError, ConnectionError, RuntimeError, TimeoutError):
        return False
    return not underlay.is_closed and tag in getattr(underlay, "consumers", {})


class Way(StrEnum):
    DONE = "done"
    LATER = "later"
    DEAD = "dead"
    QUARANTINE = "quarantine"
    RETURN = "return"


class Consumer:
    """Consumes one queue. `apply` does the work, at the `pace` of all consumers; `on_outage` is told that the database is away.

    `settled` counts deliveries by what became of them, `busy_s` the seconds that they took together.
    """

    def __init__(
        self,
        queue: topology.Queue,
        apply: Apply,
        publisher: Publisher,
        *,
        prefetch: int,
        pace: Pace,
        on_outage: Callable[[], None],
    ) -> None:
        self._declared = queue
        self._apply = apply
        self._publisher = publisher
        self._prefetch = prefetch
        self._pace = pace
        self._on_outage = on_outage
        self._running: set[asyncio.Task[Any]] = set()
        self.settled: Counter[Way] = Counter()
        self.busy_s = 0.0
        self._channel: AbstractRobustChannel | None = None
        self._queue: AbstractQueue | None = None
        self._tag: str | None = None

    @property
    def name(self) -> str:
        return self._declared.name

    async def start(self, connection: AbstractRobustConnection, *, passive: bool = False) -> None:
        """Declare the queue, or with `passive` look for it, and consume it; after a reconnect the channel does both again."""
        self._channel = await connection.channel(publisher_confirms=False)
        await self._channel.set_qos(prefetch_count=self._prefetch)
        self._queue = await declare_queue(self._channel, self._declared, passive=passive)
        await self.resume()

    async def resume(self) -> None:
        """Consume again after a pause."""
        if self._tag is None and self._queue is not None:
            self._tag = await self._queue.consume(self._on_message)

    async def pause(self) -> None:
        """Take no new deliveries; what has not begun goes back."""
        tag, self._tag = self._tag, None
        if tag is not None and self._queue is not None:
            try:
                async with asyncio.timeout(CANCEL_S):
                    await self._queue.cancel(tag)
            except (AMQPError, ConnectionError, OSError, RuntimeError, TimeoutError):
                log.info("consumer_cancel_failed", queue=self.name)

    async def registered(self) -> bool:
        """Whether the broker knows us as a consumer right now; a paused consumer is not expected to be one."""
        return await is_registered(self._channel, self._tag)

    async def drain(self, grace_s: float) -> None:
        """Let what runs finish within `grace_s` seconds, then cancel it: its delivery comes back, to somebody."""
        running = [task for task in self._running if task is not asyncio.current_task()]
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=grace_s)
        await end(late)

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            async with self._pace.place():
                await self._settle(message)
        finally:
            self._running.discard(task)

    async def _settle(self, message: AbstractIncomingMessage) -> None:
        began = perf_counter()
        story: dict[str, Any] = {
            "queue": self.name,
            "kind": message.type or "?",
            "redelivered": bool(message.redelivered),
        }
        way = await self._way(message, story)
        took_s = perf_counter() - began
        self.settled[way] += 1
        self.busy_s += took_s
        story |= {"way": str(way), "ms": round(took_s * 1000, 1)}
        (log.info if way is Way.DONE else log.warning)("delivery", **story)

    async def _way(self, message: AbstractIncomingMessage, story: dict[str, Any]) -> Way:
        if self._tag is None:
            return await self._return(message)
        deliveries = _number(message, "x-delivery-count")
        if deliveries >= SUSPICIOUS_DELIVERIES and self.name != topology.QUARANTINE_QUEUE:
            return await self._move(
                message, Way.QUARANTINE, topology.quarantine_key(self.name), _headers(message, self.name), story
            )
        try:
            async with asyncio.timeout(HANDLER_DEADLINE_S):
                report = await self._apply(message)
        except InvalidMessage as error:
            return await self._dead(message, f"invalid: {error}", story)
        except StoreUnavailable as error:
            self._on_outage()
            return await self._later(message, error, story)
        except (StripeUnavailable, TimeoutError) as error:  # Stripe is slow or away: no fault of the message
            return await self._later(message, error, story, counted=False)
        except Exception as error:
            log.exception("handler_crashed", queue=self.name)
            return await self._later(message, error, story)
        story |= _told(report)
        self._pace.more()
        await self._ack(message)
        return Way.DONE

    async def _later(
        self,
        message: AbstractIncomingMessage,
        error: Exception,
        story: dict[str, Any],
        *,
        counted: bool = True,
    ) -> Way:
        origin = self._origin(message)
        tried = _number(message, topology.HEADER_ATTEMPT)
        text = f"{type(error).__name__}: {error}"[:ERROR_TEXT_MAX]
        if counted and tried >= len(topology.TIERS):
            return await self._dead(message, f"given up after {tried} tries: {text}", story)
        first = tried if counted else min(1, len(topology.TIERS) - 1)
        headers = _headers(message, origin) | {
            topology.HEADER_ATTEMPT: tried + 1 if counted else tried,
            topology.HEADER_ERROR_TYPE: type(error).__name__,
            topology.HEADER_ERROR_TEXT: text,
        }
        story["error"] = text
        for tier in topology.TIERS[first:]:
            story["tier"] = tier.name
            stored = await self._publish(message, Way.LATER, tier.key(origin), headers, story)
            if stored not in NO_ROOM:
                break
        return await self._after(message, Way.LATER, stored)

    def _origin(self, message: AbstractIncomingMessage) -> str:
        """Where it belongs. Only what is in quarantine got its header from us; a sender's would lead it elsewhere."""
        if self.name != topology.QUARANTINE_QUEUE:
            return self.name
        told = str(message.headers.get(topology.HEADER_ORIGIN))
        return told if told in topology.INBOUND_QUEUES else topology.COMMANDS_QUEUE

    async def _dead(self, message: AbstractIncomingMessage, reason: str, story: dict[str, Any]) -> Way:
        origin = self._origin(message)
        headers = _headers(message, origin) | {topology.HEADER_REASON: reason[:ERROR_TEXT_MAX]}
        story["reason"] = reason[:ERROR_TEXT_MAX]
        return await self._move(message, Way.DEAD, origin, headers, story)

    async def _move(
        self,
        message: AbstractIncomingMessage,
        way: Way,
        key: str,
        headers: Mapping[str, Any],
        story: dict[str, Any],
    ) -> Way:
        return await self._after(message, way, await self._publish(message, way, key, headers, story))

    async def _publish(
        self,
        message: AbstractIncomingMessage,
        way: Way,
        key: str,
        headers: Mapping[str, Any],
        story: dict[str, Any],
    ) -> Stored | None:
        """Publish it where it goes; None for what is too large ever to be published by us."""
        if len(message.body) > MAX_PUBLISH_BYTES:
            story["unmoved"] = "too large to publish"
            return None
        published = await self._publisher.publish(
            topology.DEAD if way is Way.DEAD else topology.RETRY,
            key,
            message.body,
            kind=message.type or "unknown",
            content_type=message.content_type or "application/octet-stream",
            headers=headers,
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
        )
        if published.stored is not Stored.YES:
            story["unmoved"] = published.reason
        return published.stored

    async def _after(self, message: AbstractIncomingMessage, way: Way, stored: Stored | None) -> Way:
        """Only what is stored elsewhere is ours to ack."""
        if stored is None:
            return await self._reject(message)
        if stored is not Stored.YES:
            await asyncio.sleep(UNSETTLED_PAUSE_S)
            return await self._return(message)
        await self._ack(message)
        return way

    async def _ack(self, message: AbstractIncomingMessage) -> None:
        try:
            await message.ack()
        except (AMQPError, ConnectionError, RuntimeError):
            log.info("ack_lost", queue=self.name)

    async def _reject(self, message: AbstractIncomingMessage) -> Way:
        """Let the broker dead-letter it: what we cannot publish cannot be moved by us, and must not come back for ever."""
        try:
            await message.reject(requeue=False)
        except (AMQPError, ConnectionError, RuntimeError):
            log.info("reject_lost", queue=self.name)
        return Way.DEAD

    async def _return(self, message: AbstractIncomingMessage) -> Way:
        try:
            await message.nack(requeue=True)
        except (AMQPError, ConnectionError, RuntimeError):
            log.info("return_lost", queue=self.name)
        return Way.RETURN


def _headers(message: AbstractIncomingMessage, origin: str) -> dict[str, Any]:
    """Ours and the sender's plain ones, without the broker's own, which would travel on and mislead (rule 12).

    AMQP knows values that can be received and not be sent again: a number beyond a double, text that is none.
    """
    kept: dict[str, Any] = {
        name: value
        for name, value in message.headers.items()
        if isinstance(value, str | bool | int)
        and name not in {"x-death", "x-delivery-count", "x-acquired-count"}
        and not name.startswith(("x-first-death-", "x-last-death-"))
    }
    kept[topology.HEADER_ORIGIN] = origin
    kept.setdefault(topology.HEADER_FIRST_FAILED_AT, datetime.now(UTC).isoformat(timespec="seconds"))
    return kept


def _number(message: AbstractIncomingMessage, header: str) -> int:
    """A counting header; whatever else somebody put there counts as none."""
    value = message.headers.get(header)
    return value if isinstance(value, int) and value > 0 else 0


def _told(report: Report | CustomerReport) -> dict[str, Any]:
    """One delivery's story in one line ."""
    story: dict[str, Any] = {
        "payment_id": report.payment_id,
        "outcome": str(report.outcome),
        "why": report.why,
        "from": str(report.from_status),
        "to": str(report.to_status),
    }
    more = {"calls": report.calls, "events": report.events, "told": report.told, "lost_races": report.lost_races}
    return story | {name: value for name, value in more.items() if value}
