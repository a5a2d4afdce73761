"""A service that knows only asyncapi.json, on a real broker."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from contracts import topology, transport
from contracts.commands import COMMANDS, PRIVILEGED_COMMANDS
from contracts.envelope import decode, unwrap
from contracts.events import EVENTS
from contracts.queries import QUERIES

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "contracts" / "schemas" / "asyncapi.json").read_text("utf-8")
)
PATIENCE_S = 20.0


async def declare_as_described(channel: AbstractChannel, description: dict[str, Any], name: str) -> None:
    described = description["bindings"]["amqp"]["queue"]
    queue = await channel.declare_queue(
        name,
        durable=described["durable"],
        exclusive=described["exclusive"],
        auto_delete=described["autoDelete"],
        arguments=description["x-arguments"],
    )
    for binding in description["x-bindings"]:
        await queue.bind(binding["exchange"], binding["routingKey"])


async def publish_as_described(channel: AbstractChannel, kind: str) -> list[dict[str, Any]]:
    """Publish each example of a message by what its channel and its properties say; return the payloads."""
    exchange = await channel.get_exchange(DOCUMENT["channels"][kind]["bindings"]["amqp"]["exchange"]["name"])
    examples = DOCUMENT["components"]["messages"][kind]["examples"]
    for example in examples:
        properties = example["headers"]
        message = aio_pika.Message(
            json.dumps(example["payload"]).encode(),
            content_type=properties["contentType"],
            type=properties["type"],
            message_id=properties["messageId"],
            correlation_id=properties.get("correlationId"),
            reply_to=properties.get("replyTo"),
            delivery_mode=properties["deliveryMode"],
        )
        await exchange.publish(message, DOCUMENT["channels"][kind]["address"], mandatory=True)
    return [example["payload"] for example in examples]


async def test_the_document_declares_what_payments_declares(vhost_url: str) -> None:
    """Queues and exchanges declared from the document are accepted beside payments' own declarations."""
    connection = await transport.connect(vhost_url, "test")
    async with connection:
        await transport.declare(connection)
        channel = await connection.channel()
        for kind in (*COMMANDS, *PRIVILEGED_COMMANDS, *QUERIES, *EVENTS):
            exchange = DOCUMENT["channels"][kind]["bindings"]["amqp"]["exchange"]
            await channel.declare_exchange(
                exchange["name"], exchange["type"], durable=exchange["durable"], auto_delete=exchange["autoDelete"]
            )
        for queue in topology.QUEUES:
            await declare_as_described(channel, DOCUMENT["channels"][f"queue.{queue.name}"], queue.name)
        await declare_as_described(channel, DOCUMENT["channels"]["subscriber"], "orders")
        await transport.declare(connection, (*topology.QUEUES, topology.subscription("orders", "payment.#")))
        assert not channel.is_closed


@pytest.mark.parametrize(
    ("queue", "kinds"),
    [
        (topology.COMMANDS_QUEUE, COMMANDS),
        (topology.PRIVILEGED_QUEUE, PRIVILEGED_COMMANDS),
        (topology.QUERIES_QUEUE, QUERIES),
    ],
    ids=["ordinary", "privileged", "queries"],
)
async def test_requests_sent_by_the_document_are_understood(vhost_url: str, queue: str, kinds: dict[str, Any]) -> None:
    """Commands and queries published by the document's channels, properties and examples reach their queue and are read."""
    connection = await transport.connect(vhost_url, "test")
    async with connection:
        await transport.declare(connection)
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        replies = await channel.declare_queue(
            DOCUMENT["channels"]["replies"]["bindings"]["amqp"]["queue"]["name"], passive=True
        )
        answered: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        await replies.consume(answered.put, no_ack=True)
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        await (await channel.get_queue(queue)).consume(arrived.put)
        for kind in kinds:
            for payload in await publish_as_described(channel, kind):
                got = await asyncio.wait_for(arrived.get(), PATIENCE_S)
                assert json.loads(got.body) == payload
                assert kind == unwrap(decode(got.body), kinds).TYPE
                said = aio_pika.Message(b"{}", correlation_id=got.correlation_id)
                await channel.default_exchange.publish(said, got.reply_to or "", mandatory=False)
                reply = await asyncio.wait_for(answered.get(), PATIENCE_S)
                assert reply.correlation_id == got.correlation_id
                await got.ack()


async def test_events_reach_a_queue_declared_by_the_document(vhost_url: str) -> None:
    """A queue declared and bound as the document says receives every event, and each is read."""
    connection = await transport.connect(vhost_url, "test")
    async with connection:
        await transport.declare(connection)
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await declare_as_described(channel, DOCUMENT["channels"]["subscriber"], "orders")
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        await (await channel.get_queue("orders")).consume(arrived.put)
        for kind in EVENTS:
            (payload,) = await publish_as_described(channel, kind)
            got = await asyncio.wait_for(arrived.get(), PATIENCE_S)
            await got.ack()
            assert json.loads(got.body) == payload
            assert kind == unwrap(decode(got.body), EVENTS).TYPE
