"""Fault row 11: a worker is stopped for longer than its connections last, and wakes up with work that others have done."""

import asyncio
import signal

import pytest

from sandbox.stack.choose import PrivateBroker
from tests.chaos.wires import needs_time
from tests.e2e.support.breaking import connections_of
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.e2e.support.worker import WorkerProcess

ORDERS = 12
HELD = 4
"""Deliveries that the zombie has in hand; the rest of the commands wait behind them."""

CONNECTIONS = 3
"""Of each worker: one consumes, one publishes, one replies."""

ASLEEP_S = 60.0
ANSWER_MS = 8_000
TAKEN_OVER_S = 60.0
BACK_WITHIN_S = 35.0
WITHIN_S = 120.0
CONFIRM = "/v1/payment_intents/*/confirm"


async def in_flight(service: Service, kind: str) -> bool:
    return (await service.stripe.fired()).get(kind, 0) >= HELD


async def all_paid(service: Service) -> bool:
    return {payment["status"] for payment in service.payments_stored()} == {"succeeded"}


async def taken_over(other: WorkerProcess) -> bool:
    return len([line for line in other.lines("delivery") if line["redelivered"]]) >= HELD


async def ready_or_ended(worker: WorkerProcess) -> None:
    """The promise P7: it consumes again, or it has said so by its exit code."""
    if worker.child.alive:
        await worker.until_ready(200, BACK_WITHIN_S)
    else:
        assert worker.child.returncode not in {0, None}


@needs_time
@pytest.mark.parametrize("kind", ["latency", "latency_after"])
async def test_row_11_a_worker_is_stopped_for_a_minute(
    fragile: Service, private_broker: PrivateBroker, kind: str
) -> None:
    """Its deliveries go to the second worker, which pays under the same keys; the zombie changes nothing and is back."""
    zombie = await fragile.worker(PREFETCH=str(HELD), COVERAGE_EVERY_S="3600")
    await asyncio.gather(*(fragile.created(f"order-{number}") for number in range(ORDERS)))
    payments = [str(fragile.payment(f"order-{number}")["_id"]) for number in range(ORDERS)]
    before = await connections_of(private_broker)
    await fragile.stripe.webhooks(hold=True)
    await fragile.stripe.fault(kind, path=CONFIRM, times=HELD, ms=ANSWER_MS)
    asking = asyncio.gather(*map(fragile.confirm, payments), return_exceptions=True)
    await until(lambda: in_flight(fragile, kind), WITHIN_S, "no confirm is under way")
    zombie.child.send(signal.SIGSTOP)
    asleep = asyncio.create_task(asyncio.sleep(ASLEEP_S))
    try:
        settled = len(zombie.lines("delivery"))
        other = await fragile.worker()
        await until(
            lambda: taken_over(other), TAKEN_OVER_S, "the zombie's deliveries did not come to the second worker"
        )
        await until(lambda: all_paid(fragile), TAKEN_OVER_S, "the second worker did not pay")
        assert len(zombie.lines("delivery")) == settled
        await asleep
        assert len(before - await connections_of(private_broker)) == CONNECTIONS
    finally:
        zombie.child.send(signal.SIGCONT)
    await ready_or_ended(zombie)
    await fragile.stripe.release()
    await asking
    books = await fragile.assert_promises(WITHIN_S)
    assert books.ledger["succeeded_charges"] == ORDERS
    keys = [row["idempotency_key"] for row in books.posts if row["path"].endswith("confirm")]
    assert len(set(keys)) == ORDERS
    assert len(keys) >= ORDERS + HELD
    assert other.child.alive
