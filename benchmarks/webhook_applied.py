"""Webhook applied: from Stripe's event in the queue to the payment's new state in the database and its event announced."""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractQueue
from pymongo import AsyncMongoClient

from benchmarks.measure import Measure, Row, Sample, cpu_s
from contracts import topology, transport
from contracts.commands import CaptureMethod
from sandbox.stack import choose
from sandbox.stack.processes import Child, plain_environment
from worker.adapters.documents import Document, to_document
from worker.adapters.gateway import API_VERSION
from worker.domain.record import Payment, Status, payment_id

OURS = (sys.executable, "-m", "worker")
FLOOR = (sys.executable, str(Path(__file__).parent / "floor" / "webhook_applied.py"))

DEADLINE_S = 120.0
LOOK_EVERY_S = 0.02
EVENTS = topology.subscription("benchmark.payment-events", "payment.#")


@asynccontextmanager
async def both_sides(directory: Path) -> AsyncIterator[tuple[Measure, Measure]]:
    """One broker with a virtual host per side, one database server with a database per side, and the two processes."""
    _, broker = choose.private_broker(directory / "rabbitmq", print)
    _, database = choose.private_database(directory / "mongodb")
    children: list[Child] = []
    try:
        await broker.start()
        uri = await database.start()
        measures = []
        for name, command in (("ours", OURS), ("floor", FLOOR)):
            await broker.ctl("add_vhost", name)
            await broker.ctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
            side = await _open(name, command, directory, broker.url.rstrip("/") + f"/{name}", uri)
            children.append(side.child)
            measures.append(side.measure)
        yield measures[0], measures[1]
    finally:
        for child in children:
            child.kill()
        await broker.discard()
        await database.discard()


class Side:
    """One process under test with its own queues and its own collection."""

    def __init__(self, child: Child, channel: AbstractChannel, announced: AbstractQueue, uri: str, name: str) -> None:
        self.child = child
        self._channel = channel
        self._announced = announced
        self._uri = uri
        self._name = name

    async def measure(self, count: int) -> Sample:
        """Store `count` payments that wait for their money, publish their events, wait until all are announced."""
        orders = [uuid.uuid4().hex for _ in range(count)]
        async with AsyncMongoClient[Document](self._uri) as client:
            await client[self._name]["payments"].insert_many([to_document(_waiting(order)) for order in orders])
        exchange = await self._channel.get_exchange(topology.STRIPE, ensure=False)
        messages = [
            aio_pika.Message(_event(order), type="payment_intent.succeeded", delivery_mode=2) for order in orders
        ]
        cpu_before_s, began = cpu_s(self.child.pid), time.perf_counter()
        await asyncio.gather(*(exchange.publish(message, "payment_intent.succeeded") for message in messages))
        async with asyncio.timeout(DEADLINE_S):
            while await self._waiting_events() < count:  # noqa: ASYNC110 - the broker tells nobody how long a queue is
                await asyncio.sleep(LOOK_EVERY_S)
        sample = Sample(count, time.perf_counter() - began, cpu_s(self.child.pid) - cpu_before_s)
        purged = await self._announced.purge()
        assert purged.message_count == count, "every payment is announced, once"
        return sample

    async def _waiting_events(self) -> int:
        found = await self._channel.declare_queue(EVENTS.name, passive=True, durable=True)
        return found.declaration_result.message_count or 0


async def _open(name: str, command: Sequence[str], directory: Path, url: str, uri: str) -> Side:
    connection = await transport.connect(url, "benchmark")
    await transport.declare(connection)
    await connection.close()
    channel = await (await aio_pika.connect(url)).channel()  # a robust one answers how long a queue is from memory
    announced = await transport.declare_queue(channel, EVENTS)
    base, _, options = uri.partition("?")
    address = f"{base.rstrip('/')}/{name}?{options}"
    environment = plain_environment(
        directory,
        RABBITMQ_URL=url,
        MONGO_URI=address,
        STRIPE_SECRET_KEY="sk_test_benchmark",
        STRIPE_API_BASE="http://127.0.0.1:9",
        WORKER_PORT="0",
    )
    child = Child(name, list(command), log=directory / f"{name}.log", env=environment)
    child.start()
    await child.line(r'"event": ?"ready"')
    return Side(child, channel, announced, uri, name)


def _waiting(order: str) -> Payment:
    now = datetime.now(UTC)
    return Payment(
        id=payment_id(order, 1),
        order_id=order,
        user_id="user",
        deployment="default",
        amount=1999,
        currency="eur",
        capture_method=CaptureMethod.AUTOMATIC,
        status=Status.REQUIRES_PAYMENT_METHOD,
        created_at=now,
        updated_at=now,
        issued_at=now,
        intent_id=f"pi_{order}",
    )


def _event(order: str) -> bytes:
    intent = {
        "id": f"pi_{order}",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 1999,
        "amount_received": 1999,
        "currency": "eur",
        "latest_charge": f"ch_{order}",
        "metadata": {"payment_id": payment_id(order, 1), "order_id": order, "deployment": "default"},
        "description": "x" * 1500,
    }
    event = {
        "id": f"evt_{order}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "api_version": API_VERSION,
        "livemode": False,
        "data": {"object": intent},
    }
    return json.dumps(event).encode()


ROW = Row(
    name="webhook-applied",
    what="a webhook of 2 kB read from the queue, applied to its payment's document, announced with a confirm and acked",
    messages=1000,
    open=both_sides,
)
