"""Fault rows 22 and 23: the database dies under load, loses its answers, or is so slow that no connection is free."""

import asyncio
from pathlib import Path

import pytest

from contracts.environment import with_option
from sandbox.stack.choose import PrivateDatabase
from tests.chaos.tcp_proxy import Fault, Kind, TcpProxy
from tests.chaos.wires import Wire, needs_time, port_of, through
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.e2e.support.worker import WorkerProcess

ORDERS = 12
AWAY_S = 3.0
NOTICED_S = 30.0
WITHIN_S = 120.0
CROWD, POOL = 50, 3
SLOW_S = 2.0
"""Added to every answer; a delivery waits for a connection for five seconds."""

WATCHING = 4
"""Connections beside the pool, over which the driver watches the server."""


async def bought(service: Service, order: str) -> None:
    """Create, patiently, and pay."""
    assert await service.stripe.pay(await service.created(order, within_s=WITHIN_S)) == "succeeded"


async def assert_all_paid(service: Service, count: int) -> None:
    books = await service.assert_promises(WITHIN_S)
    assert books.ledger["succeeded_charges"] == count
    assert {payment["status"] for payment in books.payments} == {"succeeded"}
    assert all(worker.child.alive for worker in service.workers)


@needs_time
async def test_row_22_the_database_is_killed_under_load(
    tmp_path: Path, vhost_url: str, private_database: PrivateDatabase, database_name: str
) -> None:
    """Kill -9 in the middle of creates, and a restart on the same data: all are paid once, and the workers live."""
    async with Service(tmp_path, vhost_url, private_database.uri, database_name) as service:
        workers = [await service.worker(), await service.worker()]
        await bought(service, "order-0")
        async with asyncio.TaskGroup() as group:
            for number in range(1, ORDERS):
                group.create_task(bought(service, f"order-{number}"))
            private_database.kill()
            assert not private_database.alive
            async with asyncio.timeout(NOTICED_S):
                noticed = {asyncio.create_task(worker.logged("database_away", NOTICED_S)) for worker in workers}
                await asyncio.wait(noticed, return_when=asyncio.FIRST_COMPLETED)
            await private_database.restart()
            await asyncio.gather(*noticed, return_exceptions=True)
        await assert_all_paid(service, ORDERS)


@needs_time
@pytest.mark.parametrize("after", [0, 30])
async def test_row_23_answers_to_writes_are_lost(service: Service, after: int) -> None:
    """Writes that were made and whose answers break off are neither made twice nor taken for failed."""
    async with TcpProxy(port_of(service.mongo_uri)) as proxy:
        await service.worker(**{Wire.DATABASE: through(service.mongo_uri, proxy.port)})
        await bought(service, "order-0")
        async with asyncio.TaskGroup() as group:
            for number in range(1, ORDERS):
                group.create_task(bought(service, f"order-{number}"))
            for times in (1, 3, 5):
                proxy.inject(Fault(Kind.CUT, after=after))
                await proxy.bitten(times)
                proxy.heal()
                await asyncio.sleep(AWAY_S)
        assert proxy.struck[Kind.CUT] > 1
        await assert_all_paid(service, ORDERS)
        service.workers[0].child.kill()


def pool_exhausted(worker: WorkerProcess) -> int:
    """Deliveries that waited for a connection to the database in vain."""
    return sum("WaitQueueTimeoutError" in line.get("error", "") for line in worker.lines("delivery"))


@needs_time
@pytest.mark.timeout(400)
async def test_row_23_the_pool_is_exhausted(service: Service) -> None:
    """A crowd that finds every connection to a slow database taken loses nothing, opens no more of them, and is paid once."""
    async with TcpProxy(port_of(service.mongo_uri)) as proxy:
        narrow = with_option(through(service.mongo_uri, proxy.port), "maxPoolSize", str(POOL))
        worker = await service.worker(PREFETCH=str(CROWD), **{Wire.DATABASE: narrow})
        await bought(service, "order-0")
        proxy.inject(Fault(Kind.LATENCY, delay_s=SLOW_S))

        async def exhausted() -> bool:
            return pool_exhausted(worker) > 0

        async with asyncio.TaskGroup() as group:
            for number in range(1, CROWD):
                group.create_task(bought(service, f"order-{number}"))
            await until(exhausted, WITHIN_S, "no delivery waited for a connection in vain")
            proxy.heal()
        assert proxy.struck[Kind.LATENCY] > 0
        assert proxy.most_open <= POOL + WATCHING
        await assert_all_paid(service, CROWD)
        worker.child.kill()
