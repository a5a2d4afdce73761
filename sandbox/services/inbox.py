"""A service's own queue of payment events, each handed over exactly once.

Payments delivers at least once and in any order. Here a repeat is recognised by the envelope's id; what to do about the
order is the handler's business, because each event carries a fact of its own.
"""

import asyncio
from collections.abc import Callable

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from contracts import topology, transport
from contracts.envelope import Envelope, decode, unwrap
from contracts.errors import InvalidMessage
from contracts.events import EVENTS, Event

PREFETCH = 50
"""Handling is a few microseconds here; enough that the broker never waits for us, little to lose when we end."""

Handle = Callable[[Envelope, Event], None]


class Inbox:
    """Consumes one durable queue on a connection of its own.

    A message is acked after it was handled, so a crash in between brings it again. What the ids are kept in must live as
    long as what the handler changes: here both are in memory; with a database, insert the id in the handler's transaction.
    """

    def __init__(self, url: str, queue: topology.Queue, handle: Handle, *, name: str) -> None:
        self.queue = queue
        self.ready = asyncio.Event()
        self.seen: set[str] = set()
        self.duplicates = 0
        self.unreadable: list[str] = []
        self._url = url
        self._handle = handle
        self._name = name

    async def run(self) -> None:
        """Consume until cancelled; the connection reopens itself.

        Raises what the handler raises: its message goes back to the queue, and nothing is skipped.
        """
        connection = await transport.connect(self._url, self._name)
        async with connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=PREFETCH)
            may_declare = await transport.declare(connection, (self.queue,))
            queue = await transport.declare_queue(channel, self.queue, passive=not may_declare)
            broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            async def on_message(message: AbstractIncomingMessage) -> None:
                try:
                    self.take(message.body)
                except Exception as error:  # noqa: BLE001 - whatever it is, it ends `run` and goes to our caller
                    if not broken.done():
                        broken.set_exception(error)
                    return
                await _ack(message)

            await queue.consume(on_message)
            self.ready.set()
            await broken

    def take(self, raw: bytes) -> None:
        """Handle one message's body unless it was handled before."""
        try:
            envelope = decode(raw)
            if envelope.id in self.seen:
                self.duplicates += 1
                return
            event = unwrap(envelope, EVENTS)
        except InvalidMessage as error:
            # A kind or a version that is newer than this service: it cannot matter to what we know how to do.
            self.unreadable.append(str(error))
            return
        self._handle(envelope, event)
        self.seen.add(envelope.id)

    async def remove(self) -> None:
        """Delete the queue. For good: a queue that nobody reads fills the broker."""
        connection = await transport.connect(self._url, self._name)
        async with connection:
            channel = await connection.channel()
            await channel.queue_delete(self.queue.name)


async def _ack(message: AbstractIncomingMessage) -> None:
    try:
        await message.ack()
    except (AMQPError, ChannelInvalidStateError, ConnectionError, RuntimeError):
        return  # the connection went away meanwhile: the message comes again and is recognised
