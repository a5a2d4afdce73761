"""The programs of docs/messages.md against a real broker."""

import asyncio
import re
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from contracts import topology, transport
from contracts.envelope import decode, encode, wrap
from contracts.events import PaymentSucceeded
from contracts.generate.catalogue import messages
from contracts.generate.examples import envelopes
from contracts.replies import Reply, Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "messages.md").read_text("utf-8")
SEND, CONSUME, *_ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PATIENCE_S = 20.0


def defined(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(program, "docs/messages.md", "exec"), names)
    return names


async def test_the_sender_on_the_page_gets_its_reply(vhost_url: str) -> None:
    """The page's sender publishes a command that is understood and returns the reply to it."""
    connection = await transport.connect(vhost_url, "test responder")
    async with connection:
        await transport.declare(connection)
        channel = await connection.channel()

        async def answer(message: AbstractIncomingMessage) -> None:
            reply = Reply(command_id=decode(message.body).id, verdict=Verdict.PENDING)
            body = encode(wrap(reply, kind=Reply.TYPE, version=1, message_id="r-1", source="test"))
            said = aio_pika.Message(body, correlation_id=message.correlation_id)
            await channel.default_exchange.publish(said, message.reply_to or "", mandatory=False)
            await message.ack()

        await (await channel.get_queue(topology.COMMANDS_QUEUE)).consume(answer)
        reply = await defined(SEND)["open_payment"](vhost_url, "o-1", "u-1")
    assert (reply.command_id, reply.verdict) == ("create-o-1", Verdict.PENDING)


async def test_the_consumer_on_the_page_applies_and_acknowledges(vhost_url: str) -> None:
    """The page's consumer applies an event of ours, passes over one it does not know, and acknowledges both."""
    applied: asyncio.Queue[tuple[str, PaymentSucceeded]] = asyncio.Queue()
    names = defined(CONSUME)

    async def apply_once(event_id: str, event: PaymentSucceeded) -> None:
        await applied.put((event_id, event))

    names["apply_once"] = apply_once
    (message,) = (message for message in messages() if message.model is PaymentSucceeded)
    (known,) = envelopes(message).values()
    unknown = known.replace(b"payment.succeeded", b"payment.invented")
    async with transport.publisher(vhost_url, "test") as publisher:
        await transport.declare(publisher._connection, (names["QUEUE"],))
        for kind, body in (("payment.invented", unknown), ("payment.succeeded", known)):
            (await publisher.publish(topology.EVENTS, kind, body, kind=kind)).require()
        consuming = asyncio.create_task(names["consume"](vhost_url))
        event_id, event = await asyncio.wait_for(applied.get(), PATIENCE_S)
        (await publisher.publish(topology.EVENTS, "payment.succeeded", known, kind="payment.succeeded")).require()
        await asyncio.wait_for(applied.get(), PATIENCE_S)
        consuming.cancel()
        await asyncio.wait({consuming})
    assert event_id == decode(known).id
    assert isinstance(event, PaymentSucceeded)
