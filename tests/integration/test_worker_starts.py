"""How a worker starts when its broker is there and yet not right: lost while it declares, or with another topology."""

from pathlib import Path

import aio_pika
import pytest

from contracts import topology
from tests.chaos.tcp_proxy import Fault, Kind, TcpProxy, Way
from tests.chaos.wires import port_of, through
from tests.e2e.support.service import named
from tests.e2e.support.worker import WorkerProcess

NO_STRIPE = "http://127.0.0.1:1"
HANDSHAKE = 700
"""About so many bytes a client sends until it is connected."""

NOTICED_S = 20.0


@pytest.mark.parametrize("after", [30, 300, 900])
async def test_a_connection_that_is_lost_while_it_declares(
    tmp_path: Path, vhost_url: str, mongo_uri: str, database_name: str, after: int
) -> None:
    """A worker whose connection breaks off among its declarations waits, declares again, and is ready."""
    async with TcpProxy(port_of(vhost_url)) as proxy:
        proxy.inject(Fault(Kind.CUT, Way.TO_SERVER, after=HANDSHAKE + after))
        url = through(vhost_url, proxy.port)
        worker = WorkerProcess(tmp_path, url, named(mongo_uri, database_name), NO_STRIPE)
        try:
            await worker.listen()
            await proxy.bitten()
            await worker.logged("waiting", NOTICED_S, what="topology")
            proxy.heal()
            await worker.until_ready(200)
            assert proxy.struck[Kind.CUT] > 0
        finally:
            worker.child.kill()


async def test_another_topology_ends_it(tmp_path: Path, vhost_url: str, mongo_uri: str, database_name: str) -> None:
    """Fault row 19: a queue that exists with another argument ends the worker at once with code 1 and both names."""
    async with await aio_pika.connect(vhost_url) as connection:
        channel = await connection.channel()
        ours = topology.QUEUES[0]
        await channel.declare_queue(ours.name, durable=True, arguments=ours.arguments | {"x-delivery-limit": 7})
    worker = WorkerProcess(tmp_path, vhost_url, named(mongo_uri, database_name), NO_STRIPE)
    try:
        await worker.listen()
        assert await worker.child.ended(within_s=NOTICED_S) == 1
        (line,) = worker.lines("giving_up")
        assert "x-delivery-limit" in line["reason"]
        assert topology.COMMANDS_QUEUE in line["reason"]
        assert worker.lines("waiting") == []
        assert "Traceback" not in worker.child.text()
    finally:
        worker.child.kill()
