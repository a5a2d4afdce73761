"""Fault row 35: a backlog that nobody has worked off, and three workers that die holding their prefetch.

`BACKLOG=100000 make chaos ARGS="-k row_35"` publishes so many.
"""

import asyncio
import os
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts import topology
from contracts.commands import CreatePayment
from contracts.envelope import encode, wrap
from tests.chaos.wires import needs_time
from tests.e2e.support.publish import publish
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.e2e.support.worker import WorkerProcess
from tests.soak.memory import Meter

BACKLOG = int(os.environ.get("BACKLOG", "1500"))
"""Messages; a third are webhooks of payments that were paid while no worker ran, three of each payment."""

PAID = BACKLOG // 9
NEW = BACKLOG - 3 * PAID
TWICE = 5
"""Every fifth command is published twice, as its sender does who has heard nothing."""

WORKERS = 3
PREFETCH = 5
RATE = 25
SLACK = 10
"""A request is recorded when it is answered: some of a second's are the next one's."""

DIES_AFTER = 25
"""Deliveries that a worker has worked off before it is killed; the next one dies after so many more."""

SLOWEST_PER_S = 4
WITHIN_S = 120 + BACKLOG / SLOWEST_PER_S
LEAST_SAMPLES = 5
GROWS_AT_MOST = 2.0
"""Times the memory when it was ready: buffers and caches fill, and nothing grows with the backlog."""

LOOK_EVERY_S = 1.0
QUIET_LOOKS = 3
NEVER = datetime.max.replace(tzinfo=UTC)


def command_id(order: str) -> str:
    return f"create-{order}"


async def paid_and_unheard(service: Service) -> None:
    """Create payments, stop the worker, and pay them all: their webhooks wait."""
    worker = await service.worker()
    room = asyncio.Semaphore(PREFETCH)

    async def created(number: int) -> str:
        async with room:
            return await service.created(f"paid-{number}", within_s=WITHIN_S)

    secrets = await asyncio.gather(*(created(number) for number in range(PAID)))
    await service.quiesce(WITHIN_S)
    await worker.child.stop()
    for secret in secrets:
        assert await service.stripe.pay(secret) == "succeeded"

    async def delivered() -> bool:
        return await service.stripe.pending() == 0

    await until(delivered, WITHIN_S, "the ingress did not take the webhooks")


async def commanded(service: Service) -> None:
    """Publish the commands, without waiting for a reply, and every fifth of them twice."""
    bodies = []
    for number in range(NEW):
        order = f"new-{number}"
        command = CreatePayment(order_id=order, user_id="user-1", amount=1999, currency="eur")
        body = encode(
            wrap(command, kind=command.TYPE, version=command.VERSION, message_id=command_id(order), source="tests")
        )
        bodies += [body] * (2 if number % TWICE == 0 else 1)
        service.commands.add(command_id(order))
    await publish(service.rabbitmq_url, topology.COMMANDS, *bodies, kind=CreatePayment.TYPE)


def handled(worker: WorkerProcess) -> int:
    return len(worker.lines("delivery"))


async def dies_and_is_replaced(worker: WorkerProcess, after: int) -> None:
    """Start it, kill it with its hands full, and start it again."""

    async def busy() -> bool:
        return handled(worker) >= after

    await worker.start()
    await until(busy, WITHIN_S, f"{worker.child.name} had too little to do")
    worker.child.kill()
    await worker.start()


async def drained(service: Service) -> None:
    """Wait until several looks find no message waiting. The books, which read every document, would be in the way before."""
    payments = service.database["payments"]

    async def quiet() -> bool:
        for _ in range(QUIET_LOOKS):
            if any((await service.queues()).values()) or payments.find_one({"unsent_at": {"$lt": NEVER}}, {"_id": 1}):
                return False
            await asyncio.sleep(LOOK_EVERY_S)
        return True

    await until(quiet, WITHIN_S, "messages are still waiting")


def of_backlog(post: dict[str, Any]) -> bool:
    """Whether a request to Stripe creates what a waiting command wanted."""
    return post["path"] == "/v1/payment_intents" and str(post["params"]["metadata"]["order_id"]).startswith("new-")


def redelivered(service: Service) -> Counter[str]:
    """Deliveries that another worker had held before, by queue."""
    return Counter(
        line["queue"] for worker in service.workers for line in worker.lines("delivery") if line["redelivered"]
    )


def interruptions(service: Service) -> int:
    """How often a worker gave back what it held: when it was killed, and on a busy machine without the broker or database."""
    away = sum(len(worker.lines(event)) for worker in service.workers for event in ("broker_away", "database_away"))
    return WORKERS + away


@needs_time
@pytest.mark.timeout(300 + 4 * WITHIN_S)
async def test_row_35_a_backlog_and_workers_that_die_holding_their_prefetch(service: Service) -> None:
    """All is worked off and settled once, at no more than the workers' shares, in memory that the backlog does not fill."""
    await paid_and_unheard(service)
    await commanded(service)
    waiting = await service.queues()
    assert waiting[topology.COMMANDS_QUEUE] >= NEW
    assert waiting[topology.STRIPE_QUEUE] >= PAID

    workers = [service.make_worker(PREFETCH=str(PREFETCH), STRIPE_RATE=str(RATE)) for _ in range(WORKERS)]
    async with asyncio.TaskGroup() as dying:
        for number, worker in enumerate(workers, 1):
            dying.create_task(dies_and_is_replaced(worker, DIES_AFTER * number))
    meters = [Meter(worker.child.name, worker.child.pid) for worker in workers]
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as beside:
        for meter in meters:
            beside.create_task(meter.run(ended.is_set))
        await drained(service)
        ended.set()

    books = await service.assert_promises(WITHIN_S)
    held = redelivered(service)
    assert held[topology.COMMANDS_QUEUE] >= PREFETCH
    assert all(count <= interruptions(service) * PREFETCH for count in held.values())
    assert books.ledger["count"] == PAID + NEW
    assert Counter(payment["status"] for payment in books.payments)["succeeded"] == PAID
    entries = Counter(entry["message_id"] for payment in books.payments for entry in payment["timeline"])
    assert all(entries[command_id(f"new-{number}")] == 1 for number in range(NEW))
    seconds = Counter(post["created"] for post in books.posts if of_backlog(post))
    assert max(seconds.values()) <= WORKERS * RATE + SLACK
    for meter in meters:
        sizes = [mib for _, mib in meter.samples]
        assert len(sizes) >= LEAST_SAMPLES
        assert max(sizes) <= GROWS_AT_MOST * sizes[0]
