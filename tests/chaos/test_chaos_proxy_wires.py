"""Fault row 15: what networks do to a worker's three wires, under load."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.tcp_proxy import Fault, Kind, TcpProxy, Way
from tests.chaos.wires import Wire, needs_time, port_of, through
from tests.e2e.support.service import Service
from tests.ingress_process import IngressProcess, running, stored_ids

ORDERS = 8
LASTS_S = 4.0
"""So long the fault stays: some new connections meet it, too."""

WITHIN_S = 150.0
"""A silent connection is given up after 33 s by the heartbeat, and a request to Stripe after 75 s; then it is backoff."""

ANSWERED_S = 3.0
BACK_S = 50.0

FAULTS = {
    "reset": Fault(Kind.RESET),
    "half_close": Fault(Kind.HALF_CLOSE),
    "blackhole": Fault(Kind.BLACKHOLE),
    "latency": Fault(Kind.LATENCY, delay_s=0.3),
    "cut_answer": Fault(Kind.CUT, Way.TO_CLIENT, after=100),
    "cut_question": Fault(Kind.CUT, Way.TO_SERVER, after=100),
}


async def bought(service: Service, order: str) -> None:
    """Create, patiently, and pay."""
    assert await service.stripe.pay(await service.created(order, within_s=WITHIN_S)) == "succeeded"


async def struck(proxy: TcpProxy, fault: Fault) -> None:
    """Let the fault strike for a while, and heal it."""
    proxy.inject(fault)
    await proxy.bitten()
    await asyncio.sleep(LASTS_S)
    proxy.heal()


@needs_time
@pytest.mark.timeout(400)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("wire", Wire)
async def test_row_15_a_wire_of_a_worker_fails_under_load(service: Service, wire: Wire, fault: str) -> None:
    """Whatever happens to one wire while orders come in, all are paid once, the worker lives, and all drains."""
    address = wire.address(service)
    async with TcpProxy(port_of(address)) as proxy:
        worker = await service.worker(**{wire: through(address, proxy.port)})
        await bought(service, "order-0")
        async with asyncio.TaskGroup() as group:
            group.create_task(struck(proxy, FAULTS[fault]))
            for number in range(1, ORDERS):
                group.create_task(bought(service, f"order-{number}"))
        books = await service.assert_promises(WITHIN_S)
        assert proxy.struck[FAULTS[fault].kind] > 0
        assert books.ledger["succeeded_charges"] == ORDERS
        assert {payment["status"] for payment in books.payments} == {"succeeded"}
        assert worker.child.alive
        await worker.until_ready(200)
        worker.child.kill()


@needs_time
@pytest.mark.parametrize("fault", FAULTS)
async def test_row_15_the_ingress_loses_its_broker_on_the_wire(tmp_path: Path, vhost_url: str, fault: str) -> None:
    """Whatever happens to the wire, what is answered 200 is in the queue, all else is 503 within 3 s, and it comes back."""
    async with TcpProxy(port_of(vhost_url)) as proxy:
        ingress = IngressProcess(tmp_path, through(vhost_url, proxy.port))
        async with running(ingress) as sender:
            await sender.until_ready(200, 20)
            proxy.inject(FAULTS[fault])
            async with asyncio.timeout(2 * ANSWERED_S):
                answers = await asyncio.gather(*(sender.post(f"evt_{number}") for number in range(20)))
            assert set(answers) <= {200, 503}
            await proxy.bitten()
            proxy.heal()
            await sender.until_stored(BACK_S)
            await sender.until_ready(200, BACK_S)
            assert ingress.child.alive
    assert set(sender.acknowledged) <= set(await stored_ids(vhost_url))
