"""Fault rows 16 and 17: the broker runs out of memory or of disk, and takes nothing from anybody who publishes."""

import asyncio
import time
from urllib.parse import urlsplit

import aiohttp
import pytest

from contracts import topology
from sandbox.stack.choose import PrivateBroker
from tests.chaos.wires import needs_time
from tests.e2e.support.breaking import disk_alarm, memory_alarm
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.e2e.support.worker import WorkerProcess
from tests.ingress_process import REQUEST_S, Sender

ORDERS = 12
AT_ONCE = 2
SLOW_MS = 4_000
"""Together: the alarm is raised long before the worker is through."""

BLOCKED_S = 20.0
ANSWERED_WITHIN_S = 3.0
DRAINED_S = 120.0
BACK_WITHIN_S = 35.0
ALARMS = {"memory": memory_alarm, "disk": disk_alarm}


async def backlog(broker: PrivateBroker, service: Service, queue: str) -> int:
    """What is in a queue, taken or not: what is taken and not acknowledged is in it still."""
    vhost = urlsplit(service.rabbitmq_url).path.removeprefix("/")
    rows = (await broker.ctl("list_queues", "-p", vhost, "name", "messages")).splitlines()
    return next(int(row.split()[1]) for row in rows if row.split()[0] == queue)


def created(worker: WorkerProcess) -> int:
    """How many commands it has settled."""
    return len([line for line in worker.lines("delivery") if line["queue"] == topology.COMMANDS_QUEUE])


async def unsent(service: Service) -> int:
    return sum("unsent_at" in payment for payment in service.payments_stored())


async def assert_refuses(service: Service) -> None:
    """The ingress is alive and not ready, and a webhook is answered 503 within 3 s."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_S)) as session:
        sender = Sender(service.ingress, session)
        await sender.until_ready(503, BLOCKED_S)
        began = time.monotonic()
        assert await sender.post("evt_refused") == 503
        assert time.monotonic() - began < ANSWERED_WITHIN_S
        assert await sender.get("/health") == 200


@needs_time
@pytest.mark.parametrize("alarm", ALARMS)
async def test_row_16_17_an_alarm_under_load(fragile: Service, private_broker: PrivateBroker, alarm: str) -> None:
    """The ingress answers 503, the worker works its queue off and keeps its events, and afterwards all is told."""
    await fragile.stripe.fault("latency_after", path="/v1/payment_intents", times=ORDERS, ms=SLOW_MS)
    worker = await fragile.worker(PREFETCH=str(AT_ONCE))
    asking = asyncio.gather(*(fragile.create(f"order-{number}") for number in range(ORDERS)), return_exceptions=True)

    async def queued() -> bool:
        return (await fragile.queues())[topology.COMMANDS_QUEUE] == ORDERS - AT_ONCE

    async def worked_off() -> bool:
        return await backlog(private_broker, fragile, topology.COMMANDS_QUEUE) == 0

    await until(queued, BLOCKED_S, "the commands are not in the queue")
    async with ALARMS[alarm](private_broker):
        settled = created(worker)
        await assert_refuses(fragile)
        await worker.until_ready(503, BLOCKED_S)
        assert settled < ORDERS
        await until(worked_off, DRAINED_S, "the worker does not acknowledge")
        assert len(fragile.payments_stored()) == ORDERS
        assert await unsent(fragile) >= ORDERS - settled
        assert (await fragile.stripe.ledger())["count"] == ORDERS
        assert worker.lines("event_not_sent")
    await worker.until_ready(200, BACK_WITHIN_S)
    await asking
    books = await fragile.assert_promises(DRAINED_S)
    assert len(books.payments) == ORDERS
    assert await unsent(fragile) == 0
    assert fragile.ingress.child.alive
