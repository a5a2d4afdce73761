"""Connections to the broker, and a publish that tells the truth about what happened.

docs/reliability.md, rules 1-7: one connection publishes and another consumes; confirms and mandatory routing always; a timeout;
one channel per destination class; a heartbeat that notices a frozen peer in 33 s.
"""

import asyncio
import random
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractExchange,
    AbstractQueue,
    AbstractRobustChannel,
    AbstractRobustConnection,
)
from aio_pika.exceptions import (
    AMQPError,
    ChannelClosed,
    ChannelNotFoundEntity,
    DeliveryError,
    PublishError,
)
from aiormq.exceptions import ChannelAccessRefused

from contracts import topology
from contracts.envelope import CONTENT_TYPE
from contracts.errors import NotDeclared, NotStored, OutcomeUnknown, Untrusted

HEARTBEAT_S = 10
CONNECT_TIMEOUT_S = 10
PUBLISH_TIMEOUT_S = 5.0
"""A confirm takes milliseconds; a broker that blocks us under an alarm answers when it is over, not in a few seconds."""

REPLIES = ""
"""The default exchange: a reply's address is its routing key."""

OWN_QUEUES = frozenset(queue.name for queue in topology.QUEUES)

REPLY_TIMEOUT_S = 1.0
"""Writing to the socket takes no time, unless an alarm blocks it; then a requester hears nothing and asks again."""

MAX_PUBLISH_BYTES = 8 * 1024 * 1024
"""Half of RabbitMQ 4's default limit of 16 MiB: above it the broker closes the channel under everybody's publishes."""

RECONNECT_BETWEEN_S = (1.0, 3.0)
"""Drawn once per connection, so that a hundred processes do not come back in the same instant."""

Headers = Mapping[str, Any]


class Stored(Enum):
    """What is known about a publish. UNROUTABLE is a kind of NO: the broker has no queue for it."""

    YES = "stored"
    NO = "not stored"
    UNROUTABLE = "unroutable"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Published:
    """The outcome of one publish and, unless it is stored, why."""

    stored: Stored
    reason: str = ""

    def require(self) -> None:
        """Raise NotStored or OutcomeUnknown unless the broker has confirmed."""
        if self.stored is Stored.UNKNOWN:
            raise OutcomeUnknown(self.reason)
        if self.stored is not Stored.YES:
            raise NotStored(self.reason)


async def connect(url: str, name: str, *, ssl_context: ssl.SSLContext | None = None) -> AbstractRobustConnection:
    """Open one connection that reopens itself. `name` is what the broker's management page shows.

    An amqps:// address is verified, host name included, against the authorities of the file that its option `cafile` names,
    else the system's; `ssl_context` takes the place of both. Raises Untrusted when the certificate does not hold.
    """
    try:
        return await aio_pika.connect_robust(
            url,
            heartbeat=HEARTBEAT_S,
            timeout=CONNECT_TIMEOUT_S,
            reconnect_interval=random.uniform(*RECONNECT_BETWEEN_S),  # noqa: S311 - spreads load, guards nothing
            client_properties={"connection_name": name},
            ssl_context=ssl_context,
        )
    except (AMQPError, OSError) as error:
        if (reason := _distrust(error)) is not None:
            raise Untrusted(f"the broker's certificate is not trusted: {reason}") from error
        raise


def _distrust(error: BaseException) -> str | None:
    """What OpenSSL says about a certificate, if that is what an error comes from. Chains of errors may run in a circle."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        if isinstance(found, ssl.SSLCertVerificationError):
            return found.verify_message
        seen.append(found)
        found = found.__cause__ or found.__context__
    return None


async def declare(
    connection: AbstractRobustConnection,
    queues: tuple[topology.Queue, ...] = topology.QUEUES,
    *,
    passive: bool = False,
) -> bool:
    """Declare all exchanges and these queues with their bindings; harmless to repeat.

    False says that this login may not, and that everything is there already, from the broker's definitions: declare queues
    with `passive` then, and this, too, when it is repeated: it only looks then. Raises NotDeclared when something is not
    there, and aio_pika's ChannelPreconditionFailed, naming the queue and the argument, when one exists with other arguments,
    which only a login that may declare learns.
    """
    if not passive:
        try:
            await _declare(connection, queues, passive=False)
        except ChannelAccessRefused:
            passive = True
    if passive:
        try:
            await _declare(connection, queues, passive=True)
        except ChannelNotFoundEntity as error:
            raise NotDeclared(f"{error}; this login may not declare it, the broker's definitions must") from None
    return not passive


async def _declare(connection: AbstractRobustConnection, queues: tuple[topology.Queue, ...], *, passive: bool) -> None:
    """An exchange comes first, so that of a login that may not the broker refuses, and logs, one operation and no more."""
    channel = await connection.channel()
    try:
        for exchange in topology.EXCHANGES:
            await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True, passive=passive)
        for queue in queues:
            await declare_queue(channel, queue, passive=passive)
    finally:
        await channel.close()


async def declare_queue(channel: AbstractChannel, queue: topology.Queue, *, passive: bool = False) -> AbstractQueue:
    """Declare one queue and bind it; on a reconnect the channel declares and binds it again.

    `passive` only looks whether it is there, which every login may; AMQP then compares neither arguments nor bindings.
    """
    if passive:
        return await channel.declare_queue(queue.name, passive=True)
    declared = await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
    for exchange, pattern in queue.bindings:
        await declared.bind(exchange, pattern)
    return declared


def persistent(
    body: bytes,
    *,
    kind: str,
    content_type: str = CONTENT_TYPE,
    headers: Headers | None = None,
    correlation_id: str | None = None,
    reply_to: str | None = None,
    priority: int | None = None,
) -> aio_pika.Message:
    """Make a message that survives a restart of the broker, under a fresh id.

    Two publishes in flight under one message id would swap their confirms (docs/reliability.md, rule 4).
    """
    return aio_pika.Message(
        body,
        content_type=content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=uuid.uuid4().hex,
        type=kind,
        headers=dict(headers or {}),
        correlation_id=correlation_id,
        reply_to=reply_to,
        priority=priority,
    )


async def outcome(sending: Awaitable[object], destination: str, timeout_s: float) -> Published:
    """Await one mandatory publish and say what is known of it; only a cancellation of the caller is raised.

    `sending` ends with the broker's confirm; `destination` names it for people. (docs/reliability.md, rule 3.)
    """
    try:
        async with asyncio.timeout(timeout_s):
            await sending
    except PublishError:
        return Published(Stored.UNROUTABLE, f"no queue is bound for {destination}")
    except DeliveryError as error:
        return Published(Stored.NO, f"the broker refused it: {error}")
    except TimeoutError:
        return Published(Stored.UNKNOWN, "no confirm in time")
    except (AMQPError, ConnectionError, OSError, RuntimeError) as error:
        return Published(Stored.UNKNOWN, f"{type(error).__name__}: {error}")
    except asyncio.CancelledError:
        if cancelled_from_outside():
            raise
        return Published(Stored.UNKNOWN, "the connection closed under the publish")
    return Published(Stored.YES)


class Publisher:
    """One connection that only publishes, with a channel of its own per exchange.

    A missing exchange or an oversized message fails every publish in flight on its channel: hence the separate channels
    and the size check before sending. A reply can fail more than its channel: a broker that cannot make sense of a direct
    reply address ends the connection (541 on RabbitMQ 3.10), and a requester may write any. Who answers requesters brings a
    connection of its own for it, `replying`.
    """

    def __init__(
        self,
        connection: AbstractRobustConnection,
        *,
        timeout_s: float = PUBLISH_TIMEOUT_S,
        replying: AbstractRobustConnection | None = None,
    ) -> None:
        self._connection = connection
        self._replying = replying or connection
        self._timeout_s = timeout_s
        self._exchanges: dict[str, tuple[AbstractRobustChannel, AbstractExchange]] = {}
        self._opening = asyncio.Lock()

    @property
    def connected(self) -> bool:
        return _open(self._connection)

    @property
    def can_reply(self) -> bool:
        """Whether the connection of replies is there. It comes back by itself, and nothing that counts waits for it."""
        return _open(self._replying)

    async def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        kind: str,
        content_type: str = CONTENT_TYPE,
        headers: Headers | None = None,
        correlation_id: str | None = None,
        reply_to: str | None = None,
        priority: int | None = None,
        timeout_s: float | None = None,
    ) -> Published:
        """Publish persistently and await the confirm; never raises for what the broker or the network does.

        `timeout_s` seconds default to the publisher's own. A cancellation of the caller is passed on.
        """
        if len(body) > MAX_PUBLISH_BYTES:
            return Published(Stored.NO, f"body has {len(body)} bytes, at most {MAX_PUBLISH_BYTES} are published")
        message = persistent(
            body,
            kind=kind,
            content_type=content_type,
            headers=headers,
            correlation_id=correlation_id,
            reply_to=reply_to,
            priority=priority,
        )
        sending = self._send(exchange, routing_key, message)
        return await outcome(sending, f"{routing_key!r} on {exchange!r}", timeout_s or self._timeout_s)

    async def reply(self, reply_to: str, correlation_id: str | None, body: bytes, *, kind: str) -> None:
        """Answer a requester, best effort: not mandatory, because a direct reply address is never 'routable', and not
        confirmed, because nobody may wait for a requester that is gone.

        Nothing goes to a queue of ours: a worker may write to any, and its requester, who chose the address, may not.
        While the connection of replies opens itself again, they are dropped: no message is to wait for somebody's address.
        """
        if reply_to in OWN_QUEUES or not self.can_reply:
            return
        message = aio_pika.Message(
            body,
            content_type=CONTENT_TYPE,
            message_id=uuid.uuid4().hex,
            type=kind,
            correlation_id=correlation_id,
        )
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                channel, target = await self._exchange(REPLIES)
                await channel.ready()
                await target.publish(message, reply_to, mandatory=False)
        except (AMQPError, ConnectionError, OSError, RuntimeError, TimeoutError):
            return
        except asyncio.CancelledError:
            if cancelled_from_outside():
                raise

    async def probe(self, timeout_s: float) -> bool:
        """Tell whether the broker confirms on this connection within `timeout_s` seconds.

        A publish to an exchange that nothing is bound to comes back and is confirmed.
        """
        answer = await self.publish(topology.PROBE, "probe", b"{}", kind="probe", timeout_s=timeout_s)
        return answer.stored in {Stored.YES, Stored.UNROUTABLE}

    async def _send(self, exchange: str, routing_key: str, message: aio_pika.Message) -> None:
        channel, target = await self._exchange(exchange)
        await channel.ready()
        await target.publish(message, routing_key, mandatory=True)

    async def _exchange(self, name: str) -> tuple[AbstractRobustChannel, AbstractExchange]:
        """The channel for this exchange, which may be opening itself again: one that fails on the way stays closed for good.

        So nobody may publish on it before it is ready.
        """
        found = self._exchanges.get(name)
        if found is not None:
            return found
        async with self._opening:
            if name not in self._exchanges:
                confirms = name != REPLIES
                connection = self._connection if confirms else self._replying
                channel = await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
                target = channel.default_exchange if name == REPLIES else await channel.get_exchange(name, ensure=False)
                self._exchanges[name] = (channel, target)
            return self._exchanges[name]

    async def close(self) -> None:
        """Close the connection; what is unconfirmed stays unknown."""
        await self._connection.close()


@asynccontextmanager
async def publisher(url: str, name: str, *, timeout_s: float = PUBLISH_TIMEOUT_S) -> AsyncIterator[Publisher]:
    """Connect, publish, close."""
    connection = await connect(url, name)
    opened = Publisher(connection, timeout_s=timeout_s)
    try:
        yield opened
    finally:
        await opened.close()


def _open(connection: AbstractRobustConnection) -> bool:
    return connection.connected.is_set() and not connection.is_closed


def cancelled_from_outside() -> bool:
    """A dying channel cancels what waits on it; only a real cancel() of this task counts it in `cancelling()`."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


__all__ = [
    "ChannelClosed",
    "Published",
    "Publisher",
    "Stored",
    "cancelled_from_outside",
    "connect",
    "declare",
    "declare_queue",
    "outcome",
    "persistent",
    "publisher",
]
