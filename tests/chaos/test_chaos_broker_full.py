"""Fault row 20: a queue has no room."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from contracts import topology, transport
from contracts.commands import CreatePayment
from contracts.envelope import encode, wrap
from contracts.errors import NoReply, NotStored
from sandbox.stack.choose import PrivateBroker
from tests.chaos.wires import needs_time
from tests.e2e.support.breaking import LIMIT, full
from tests.e2e.support.service import Service
from tests.e2e.support.until import until

ORDERS = 6
TIER = topology.TIERS[0]
REFILLED_EVERY_S = 0.5
MOVED_S = 30.0
WITHIN_S = 90.0


async def refused(service: Service, order: str) -> bool:
    """Whether its create is not stored; else nobody answers it."""
    try:
        await service.create(order, reply_s=0.1)
    except (NoReply, NotStored) as error:
        return isinstance(error, NotStored)
    raise AssertionError("nobody consumes, and there was a reply")


async def statuses(service: Service) -> set[int]:
    """What the ingress has answered to the deliveries so far."""
    rows = (await service.stripe._sim("GET", "deliveries?limit=10000"))["deliveries"]
    return {row["status"] for row in rows if row["status"] is not None}


@needs_time
async def test_row_20_the_inbound_queues_are_full(fragile: Service, private_broker: PrivateBroker) -> None:
    """A client hears that its command is not stored and Stripe a 503; with room again both are carried out."""
    before = await fragile.worker(COVERAGE_EVERY_S="3600")
    secrets = await asyncio.gather(*(fragile.created(f"order-{number}") for number in range(ORDERS)))
    await fragile.quiesce()
    await before.child.stop()

    async def stripe_refused() -> bool:
        return await statuses(fragile) == {200, 503}

    async with (
        full(private_broker, fragile.rabbitmq_url, topology.COMMANDS_QUEUE),
        full(private_broker, fragile.rabbitmq_url, topology.STRIPE_QUEUE),
    ):
        answers = [await refused(fragile, f"later-{number}") for number in range(ORDERS)]
        assert {await fragile.stripe.pay(secret) for secret in secrets} == {"succeeded"}
        await until(stripe_refused, WITHIN_S, "no webhook was refused")
        waiting = await fragile.queues()
        assert waiting[topology.COMMANDS_QUEUE] == answers.count(False) < ORDERS
        assert waiting[topology.STRIPE_QUEUE] < 2 * ORDERS
    await fragile.worker(COVERAGE_EVERY_S="3600")
    await asyncio.gather(*(fragile.created(f"later-{number}", within_s=WITHIN_S) for number in range(ORDERS)))
    books = await fragile.assert_promises(WITHIN_S)
    assert len(books.payments) == 2 * ORDERS
    assert sum(payment["status"] == "succeeded" for payment in books.payments) == ORDERS


@contextlib.asynccontextmanager
async def kept_full(service: Service) -> AsyncIterator[None]:
    """Something is always in the delay tier: what is there leaves it after its delay."""
    body = CreatePayment(order_id="order-0", user_id="user-1", amount=1999, currency="eur")
    filler = encode(wrap(body, kind=body.TYPE, version=1, message_id="create-order-0", source="tests"))

    async def fill() -> None:
        while True:
            await publisher.publish(topology.RETRY, TIER.key(topology.COMMANDS_QUEUE), filler, kind=body.TYPE)
            await asyncio.sleep(REFILLED_EVERY_S)

    async with transport.publisher(service.rabbitmq_url, "test filler") as publisher:
        filling = asyncio.create_task(fill())
        try:
            await until(lambda: overfull(service), WITHIN_S, "the tier has room")
            yield
        finally:
            filling.cancel()
            await asyncio.wait({filling})


async def overfull(service: Service) -> bool:
    return (await service.queues())[TIER.queue] > LIMIT


@needs_time
async def test_row_20_a_delay_tier_is_full(tmp_path: Path, fragile: Service, private_broker: PrivateBroker) -> None:
    """What a worker cannot move there it moves to the next longer one, and carries out in the end."""
    armed = tmp_path / "armed"
    armed.touch()
    worker = await fragile.worker("--crash-at", "load", "--order", "order-1", "--armed-by", str(armed))

    async with full(private_broker, fragile.rabbitmq_url, TIER.queue), kept_full(fragile):
        asking = asyncio.gather(fragile.create("order-1"), return_exceptions=True)
        await worker.logged("delivery", MOVED_S, way="later", tier=topology.TIERS[1].name)
    armed.unlink()
    await asking
    later = [line for line in worker.lines("delivery") if line["way"] == "later"]
    assert all("refused" in line["unmoved"] for line in later)
    await fragile.created("order-1", within_s=WITHIN_S)
    books = await fragile.assert_promises(WITHIN_S)
    assert len(books.payments) == 2
    assert worker.child.alive
