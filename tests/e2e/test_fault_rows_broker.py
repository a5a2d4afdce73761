"""Fault row 12: the broker is killed and started again while payments flow."""

import asyncio
import time
from pathlib import Path

from sandbox.stack.choose import PrivateBroker
from tests.e2e.support.service import Service
from tests.e2e.support.until import until

PAYMENTS = 200
CUSTOMERS = 20
AWAY_S = 5.0
BACK_WITHIN_S = 35.0
DRAINED_S = 90.0


async def test_fault_row_12_broker_killed_and_restarted(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str, mongo_uri: str, database_name: str
) -> None:
    """With 200 payments under way the broker dies for 5 s: all succeed, nobody is charged twice, no process ends."""
    async with Service(tmp_path, private_vhost_url, mongo_uri, database_name) as service:
        workers = [service.make_worker() for _ in range(2)]
        await asyncio.gather(*(worker.start() for worker in workers))
        orders = asyncio.Queue[str]()
        for number in range(PAYMENTS):
            orders.put_nowait(f"order-{number}")
        async with asyncio.TaskGroup() as customers:
            for _ in range(CUSTOMERS):
                customers.create_task(shop(service, orders))
            await until(lambda: begun(orders), DRAINED_S, "the customers did not begin")
            await private_broker.settle()
            private_broker.kill()
            await asyncio.sleep(AWAY_S)
            await private_broker.restart()
            began = time.monotonic()
            await asyncio.gather(*(worker.until_ready(200, BACK_WITHIN_S) for worker in workers))
            assert time.monotonic() - began < BACK_WITHIN_S
        books = await service.assert_promises(DRAINED_S)
        assert len(books.payments) == books.ledger["succeeded_charges"] == PAYMENTS
        assert {payment["status"] for payment in books.payments} == {"succeeded"}
        assert all(worker.child.alive for worker in workers)
        assert service.ingress.child.alive


async def begun(orders: "asyncio.Queue[str]") -> bool:
    return orders.qsize() < PAYMENTS * 3 // 4


async def shop(service: Service, orders: "asyncio.Queue[str]") -> None:
    """One customer after the other: creates, patiently, and pays."""
    while not orders.empty():
        secret = await service.created(orders.get_nowait(), within_s=DRAINED_S)
        assert await service.stripe.pay(secret) == "succeeded"
