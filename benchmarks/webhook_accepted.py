"""Webhook accepted: from the request to the 200 after the broker's confirm."""

import hashlib
import hmac
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika

from benchmarks.load import send
from benchmarks.measure import Measure, Row, Sample, cpu_s
from contracts import topology, transport
from sandbox.stack import choose
from sandbox.stack.processes import Child, plain_environment

SECRET = "whsec_benchmark"
OURS = (sys.executable, "-m", "webhook_ingress")
FLOOR = (sys.executable, str(Path(__file__).parent / "floor" / "webhook_accepted.py"), topology.STRIPE)

EVENT_BYTES = 3000
"""Stripe's payment_intent.succeeded with one charge is about as long."""


def requests(count: int) -> list[bytes]:
    """Whole HTTP requests, signed now, each for an event of its own."""
    made = []
    timestamp = str(int(time.time())).encode()
    for number in range(count):
        event = {"id": f"evt_{number}", "object": "event", "type": "payment_intent.succeeded", "data": {"object": {}}}
        body = json.dumps({**event, "padding": "x" * (EVENT_BYTES - len(json.dumps(event)))}).encode()
        signature = hmac.new(SECRET.encode(), timestamp + b"." + body, hashlib.sha256).hexdigest().encode()
        head = (
            b"POST /api/payments/webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\nStripe-Signature: t=%b,v1=%b\r\n\r\n" % (len(body), timestamp, signature)
        )
        made.append(head + body)
    return made


@asynccontextmanager
async def both_sides(directory: Path) -> AsyncIterator[tuple[Measure, Measure]]:
    """A broker with our topology, the ingress and its floor, each in a process of its own."""
    _, broker = choose.private_broker(directory / "rabbitmq", print)
    ours = _child("ours", OURS, directory, broker.url)
    floor = _child("floor", FLOOR, directory, broker.url)
    try:
        await broker.start()
        async with await transport.connect(broker.url, "benchmark") as connection:
            await transport.declare(connection)
            queue = await (await connection.channel()).get_queue(topology.STRIPE_QUEUE)
            yield await _side(ours, queue), await _side(floor, queue)
    finally:
        ours.kill()
        floor.kill()
        await broker.discard()


async def _side(child: Child, queue: aio_pika.abc.AbstractQueue) -> Measure:
    child.start()
    port = int((await child.line(r'"port": ?(\d+)')).group(1))

    async def measure(count: int) -> Sample:
        sent = requests(count)
        cpu_before_s = cpu_s(child.pid)
        answered, seconds = await send(port, sent)
        sample = Sample(answered, seconds, cpu_s(child.pid) - cpu_before_s)
        purged = await queue.purge()
        assert answered == count == purged.message_count, "every 200 is a message in the queue, and nothing else is"
        return sample

    return measure


def _child(name: str, command: Sequence[str], directory: Path, url: str) -> Child:
    environment = plain_environment(
        directory, RABBITMQ_URL=url, STRIPE_WEBHOOK_SECRET=SECRET, ROUTES="webhook", HOST="127.0.0.1", PORT="0"
    )
    return Child(name, list(command), log=directory / f"{name}.log", env=environment)


ROW = Row(
    name="webhook-accepted",
    what="a webhook of 3 kB verified, stored with a confirm and answered 200",
    messages=5000,
    open=both_sides,
)
