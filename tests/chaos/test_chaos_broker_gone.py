"""Fault row 18: somebody deletes a queue, a binding or an exchange under a worker that runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelNotFoundEntity

from contracts import topology
from tests.chaos.wires import needs_time
from tests.e2e.support.books import wrongs
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.e2e.support.worker import WorkerProcess

BACK_WITHIN_S = 60.0
"""The worker looks every 15 s; the rest is for a busy machine."""

WITHIN_S = 90.0
TIER = topology.TIERS[0]
INBOUND = (topology.COMMANDS_QUEUE, topology.PRIVILEGED_QUEUE, topology.STRIPE_QUEUE, topology.QUARANTINE_QUEUE)


@asynccontextmanager
async def operator(service: Service) -> AsyncIterator[AbstractChannel]:
    """A channel of somebody who may do anything."""
    async with await aio_pika.connect(service.rabbitmq_url, timeout=10) as connection:
        yield await connection.channel()


async def bought(service: Service, order: str) -> None:
    """Create, patiently, pay, and see that the payment learns of it."""
    assert await service.stripe.pay(await service.created(order, within_s=WITHIN_S)) == "succeeded"

    async def known() -> bool:
        return bool(service.payment(order)["status"] == "succeeded")

    await until(known, WITHIN_S, f"{order} never learnt that it is paid")


async def noticed(worker: WorkerProcess) -> bool:
    return any("cancelled by the broker" in line["text"] for line in worker.lines("library"))


async def queue_is_there(service: Service, name: str) -> bool:
    return name in await service.queues()


async def exchange_is_there(service: Service, name: str) -> bool:
    async with operator(service) as channel:
        try:
            await channel.declare_exchange(name, passive=True)
        except ChannelNotFoundEntity:
            return False
        return True


@needs_time
@pytest.mark.parametrize("name", INBOUND)
async def test_row_18_a_queue_of_messages_is_deleted(service: Service, name: str) -> None:
    """Its consumer declares it anew with its bindings, and what comes afterwards is applied."""
    worker = await service.worker()
    await bought(service, "order-before")
    await service.quiesce(WITHIN_S)
    async with operator(service) as channel:
        await channel.queue_delete(name)
    await until(lambda: noticed(worker), BACK_WITHIN_S, "the worker was not told that its queue is gone")
    await until(lambda: queue_is_there(service, name), BACK_WITHIN_S, f"{name} did not come back")
    await worker.until_ready(200, BACK_WITHIN_S)
    await bought(service, "order-after")
    await service.refund(str(service.payment("order-after")["_id"]), "r-1", 500)
    books = await service.assert_promises(WITHIN_S)
    assert books.ledger["succeeded_charges"] == 2
    assert worker.child.alive


@needs_time
@pytest.mark.parametrize("queue", [topology.COMMANDS_QUEUE, topology.STRIPE_QUEUE])
async def test_row_18_a_binding_is_gone(service: Service, queue: str) -> None:
    """What is published meanwhile is not confirmed; the worker binds the queue again, and it is applied."""
    worker = await service.worker(COVERAGE_EVERY_S="3600")
    await bought(service, "order-before")
    async with operator(service) as channel:
        await (await channel.get_queue(queue)).unbind(queue, "#")
    await bought(service, "order-after")
    await service.assert_promises(WITHIN_S)
    assert worker.child.alive


@needs_time
async def test_row_18_a_delay_tier_is_deleted(tmp_path: Path, service: Service) -> None:
    """What cannot wait there is given back, and waits there when the worker has declared the tier anew."""
    armed = tmp_path / "armed"
    armed.touch()
    worker = await service.worker("--crash-at", "load", "--order", "order-1", "--armed-by", str(armed))
    async with operator(service) as channel:
        await channel.queue_delete(TIER.queue)
    await until(lambda: queue_is_there(service, TIER.queue), BACK_WITHIN_S, "the tier did not come back")
    asking = asyncio.gather(service.create("order-1"), return_exceptions=True)
    await worker.logged("delivery", WITHIN_S, way="later", tier=TIER.name)
    armed.unlink()
    await asking
    await bought(service, "order-1")
    books = await service.assert_promises(WITHIN_S)
    assert books.ledger["succeeded_charges"] == 1


@needs_time
@pytest.mark.parametrize("name", [topology.COMMANDS, topology.STRIPE])
async def test_row_18_an_exchange_for_messages_is_deleted(service: Service, name: str) -> None:
    """Whoever publishes to it hears no confirm, until the worker has declared it anew with what is bound to it."""
    worker = await service.worker(COVERAGE_EVERY_S="3600")
    await bought(service, "order-before")
    async with operator(service) as channel:
        await channel.exchange_delete(name)
    await bought(service, "order-after")
    await service.assert_promises(WITHIN_S)
    assert await exchange_is_there(service, name)
    assert worker.child.alive


@needs_time
async def test_row_18_the_exchange_of_events_is_deleted(service: Service) -> None:
    """Events stay in the outbox until the worker has declared it anew, and go out then, to whoever is bound again."""
    worker = await service.worker()
    await bought(service, "order-before")
    await service.quiesce(WITHIN_S)
    async with operator(service) as channel:
        await channel.exchange_delete(topology.EVENTS)
    await bought(service, "order-meanwhile")
    await worker.logged("event_not_sent", WITHIN_S)

    async def sent() -> bool:
        return not any("unsent_at" in payment for payment in service.payments_stored())

    await until(sent, WITHIN_S, "events are still in the outbox")
    assert await exchange_is_there(service, topology.EVENTS)
    await service.listener.bind()
    await bought(service, "order-after")
    payment = str(service.payment("order-after")["_id"])

    async def heard() -> bool:
        return "succeeded" in service.listener.types(payment)

    await until(heard, WITHIN_S, "nothing is heard of the last payment")
    await until(sent, WITHIN_S, "events are still in the outbox")
    assert wrongs(await service.books()) == []
