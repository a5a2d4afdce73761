"""A service that listens to every event, as any other service would."""

import json
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from contracts import topology, transport
from contracts.envelope import Envelope, decode

QUEUE = topology.subscription("test-listener", "payment.#")
PREFETCH = 200


class Listener:
    """Declares the topology, listens, and keeps every body that came, by the event's id."""

    def __init__(self, rabbitmq_url: str) -> None:
        self._url = rabbitmq_url
        self._closing = AsyncExitStack()
        self._queue: AbstractQueue | None = None
        self.bodies: dict[str, list[bytes]] = {}

    async def __aenter__(self) -> Self:
        connection = await transport.connect(self._url, "test listener")
        self._closing.push_async_callback(connection.close)
        await transport.declare(connection)
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=PREFETCH)
        self._queue = await transport.declare_queue(channel, QUEUE)
        await self._queue.consume(self._on_event)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    async def bind(self) -> None:
        """Hear again what is told from now on."""
        assert self._queue is not None
        for exchange, pattern in QUEUE.bindings:
            await self._queue.bind(exchange, pattern)

    async def unbind(self) -> None:
        """Hear nothing any more."""
        assert self._queue is not None
        for exchange, pattern in QUEUE.bindings:
            await self._queue.unbind(exchange, pattern)

    def events(self, payment_id: str) -> list[Envelope]:
        """What was heard of a payment, each event once, in its own order."""
        found = [decode(bodies[0]) for event_id, bodies in self.bodies.items() if event_id.startswith(f"{payment_id}.")]
        return sorted(found, key=lambda event: event.sequence or "")

    def types(self, payment_id: str) -> list[str]:
        return [event.type.removeprefix("payment.") for event in self.events(payment_id)]

    def repeated(self) -> list[str]:
        """The ids of the events that came more than once."""
        return [event_id for event_id, bodies in self.bodies.items() if len(bodies) > 1]

    def contradictions(self) -> list[str]:
        """The ids of the events that did not always come with the same body."""
        return [event_id for event_id, bodies in self.bodies.items() if len(set(map(_canonical, bodies))) > 1]

    async def _on_event(self, message: AbstractIncomingMessage) -> None:
        self.bodies.setdefault(decode(message.body).id, []).append(message.body)
        await message.ack()


def _canonical(body: bytes) -> str:
    parsed: Any = json.loads(body)
    return json.dumps(parsed, sort_keys=True)
