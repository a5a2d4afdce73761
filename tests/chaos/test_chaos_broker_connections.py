"""Fault rows 13 and 14: the broker closes every connection again and again, or stands still, while payments flow."""

import asyncio
import time

import pytest

from sandbox.stack.choose import PrivateBroker
from tests.chaos.wires import needs_time
from tests.e2e.support.breaking import close_connections
from tests.e2e.support.service import Service
from tests.e2e.support.until import until

CLOSINGS = 12
BETWEEN_S = 5.0
CUSTOMERS = 4
THINKS_S = 1.0
"""What a customer waits before the next purchase: the load should last, not grow."""

BACK_WITHIN_S = 35.0
NOTICED_S = 45.0
BRIEFLY_S = 5.0
LONG_S = 36.0
"""Longer than three heartbeats, after which a silent peer is given up (33 s)."""

WITHIN_S = 150.0


class Shop:
    """Customers who buy one thing after the other until it closes; `sold` counts what they have paid."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._closed = asyncio.Event()
        self.sold = 0

    def close(self) -> None:
        self._closed.set()

    async def serve(self, name: str) -> None:
        number = 0
        while not self._closed.is_set():
            number += 1
            secret = await self._service.created(f"order-{name}-{number}", within_s=WITHIN_S)
            assert await self._service.stripe.pay(secret) == "succeeded"
            self.sold += 1
            await asyncio.sleep(THINKS_S)

    async def sells(self, more: int) -> None:
        """Wait until so many more are sold than now."""
        wanted = self.sold + more

        async def reached() -> bool:
            return self.sold >= wanted

        await until(reached, WITHIN_S, "nothing is sold any more")


async def assert_sold(service: Service, shop: Shop) -> None:
    """Each sale was charged once and is known, and every process lives."""
    books = await service.assert_promises(WITHIN_S)
    assert books.ledger["succeeded_charges"] == shop.sold
    assert {payment["status"] for payment in books.payments} == {"succeeded"}
    assert all(worker.child.alive for worker in service.workers)
    assert service.ingress.child.alive


@needs_time
@pytest.mark.timeout(600)
async def test_row_13_every_connection_is_closed_again_and_again(
    fragile: Service, private_broker: PrivateBroker
) -> None:
    """Worker, ingress, client and listener lose their connections every few seconds: all is sold once, and told."""
    worker, shop = await fragile.worker(), Shop(fragile)
    lost = 0
    async with asyncio.TaskGroup() as group:
        for name in range(CUSTOMERS):
            group.create_task(shop.serve(str(name)))
        await shop.sells(CUSTOMERS)
        for _ in range(CLOSINGS):
            lost += await close_connections(private_broker)
            await asyncio.sleep(BETWEEN_S)
        began = time.monotonic()
        await worker.until_ready(200, BACK_WITHIN_S)
        assert time.monotonic() - began < BACK_WITHIN_S
        await shop.sells(CUSTOMERS)
        shop.close()
    assert lost >= CLOSINGS * 2
    assert any(line["redelivered"] for line in worker.lines("delivery")) or worker.lines("ack_lost")
    await assert_sold(fragile, shop)


@needs_time
@pytest.mark.parametrize("frozen_s", [BRIEFLY_S, LONG_S])
async def test_row_14_the_broker_stands_still(fragile: Service, private_broker: PrivateBroker, frozen_s: float) -> None:
    """Frozen for a moment or beyond three heartbeats, it finds its worker ready within 35 s of the thaw, and all is sold."""
    worker, shop = await fragile.worker(), Shop(fragile)
    async with asyncio.TaskGroup() as group:
        for name in range(CUSTOMERS):
            group.create_task(shop.serve(str(name)))
        await shop.sells(CUSTOMERS)
        private_broker.freeze()
        try:
            await worker.until_ready(503, NOTICED_S)
            await asyncio.sleep(frozen_s)
            if frozen_s > BRIEFLY_S:
                await worker.logged("broker_away", NOTICED_S)
                await fragile.ingress.logged("broker_lost", NOTICED_S)
        finally:
            private_broker.thaw()
        began = time.monotonic()
        await worker.until_ready(200, BACK_WITHIN_S)
        assert time.monotonic() - began < BACK_WITHIN_S
        await shop.sells(CUSTOMERS)
        shop.close()
    await assert_sold(fragile, shop)
