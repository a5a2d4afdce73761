"""Fault row 21: the broker takes a delivery back from a worker that has held it for too long."""

import asyncio

import pytest

from contracts import topology
from sandbox.stack.choose import PrivateBroker
from tests.chaos.wires import needs_time
from tests.e2e.support.breaking import short_ack_timeout
from tests.e2e.support.service import Service
from tests.e2e.support.until import until

SLOW_MS = 15_000
"""Longer than the broker waits for an ack, shorter than the worker waits for Stripe."""

TAKEN_BACK = "waiting for delivery acknowledgement"
NOTICED_S = 40.0
BACK_WITHIN_S = 35.0
WITHIN_S = 120.0
LOOPS = 12
"""Deliveries of one command: two or three are needed, and a loop would make hundreds."""


@needs_time
@pytest.mark.parametrize("kind", ["latency", "latency_after"])
async def test_row_21_a_call_outlasts_the_ack_timeout(
    fragile: Service, private_broker: PrivateBroker, kind: str
) -> None:
    """The channel is closed under the handler, the command comes back without a loop, and is carried out once."""
    async with short_ack_timeout(private_broker):
        worker = await fragile.worker()
        await fragile.created("order-1", within_s=WITHIN_S)
        payment = str(fragile.payment("order-1")["_id"])
        await fragile.stripe.fault(kind, path="/v1/payment_intents/*/confirm", times=2, ms=SLOW_MS)
        asking = asyncio.gather(fragile.confirm(payment), return_exceptions=True)

        async def taken_back() -> bool:
            return TAKEN_BACK in await private_broker.diagnose()

        await until(taken_back, NOTICED_S, "the broker did not take the delivery back")
        await asking

        async def paid() -> bool:
            return bool(fragile.payment("order-1")["status"] == "succeeded")

        await until(paid, WITHIN_S, "the payment was not made")
        await worker.until_ready(200, BACK_WITHIN_S)
        books = await fragile.assert_promises(WITHIN_S)
    assert (await fragile.stripe.fired())[kind] > 0
    assert books.ledger["succeeded_charges"] == 1
    assert len({row["idempotency_key"] for row in books.posts if row["path"].endswith("confirm")}) == 1
    deliveries = [line for line in worker.lines("delivery") if line["queue"] != topology.STRIPE_QUEUE]
    assert any(line["redelivered"] for line in deliveries)
    assert len(deliveries) < LOOPS
    assert worker.child.alive
