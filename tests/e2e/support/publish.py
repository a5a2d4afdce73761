"""Messages that no client of ours would send, and what became of them."""

from collections.abc import Mapping
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from contracts import topology

RECEIVED_S = 10


async def publish(
    rabbitmq_url: str, exchange: str, *bodies: bytes, kind: str = "test", headers: Mapping[str, Any] | None = None
) -> None:
    """Publish these bodies in this order, confirmed."""
    async with await aio_pika.connect(rabbitmq_url, timeout=RECEIVED_S) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        target = await channel.get_exchange(exchange, ensure=False)
        for body in bodies:
            message = aio_pika.Message(body, type=kind, headers=dict(headers or {}), delivery_mode=2)
            await target.publish(message, kind, mandatory=True)


async def take_dead(rabbitmq_url: str) -> list[AbstractIncomingMessage]:
    """Empty the queue of dead letters."""
    async with await aio_pika.connect(rabbitmq_url, timeout=RECEIVED_S) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(topology.DEAD_LETTERS_QUEUE, ensure=False)
        taken = []
        while (message := await queue.get(fail=False, no_ack=True)) is not None:
            taken.append(message)
        return taken


async def ask(rabbitmq_url: str, exchange: str, body: bytes, *, kind: str = "test") -> bytes:
    """Publish one body with a reply address; the reply."""
    async with await aio_pika.connect(rabbitmq_url, timeout=RECEIVED_S) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        replies = await channel.declare_queue(exclusive=True)
        message = aio_pika.Message(body, type=kind, reply_to=replies.name, correlation_id="asked", delivery_mode=2)
        target = await channel.get_exchange(exchange, ensure=False)
        await target.publish(message, kind, mandatory=True)
        async with replies.iterator(no_ack=True, timeout=RECEIVED_S) as answers:
            async for answer in answers:
                assert answer.correlation_id == "asked"
                return answer.body
    raise AssertionError("no reply")
