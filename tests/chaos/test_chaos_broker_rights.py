"""Fault row 18 under a login that may not declare: a worker says what is gone, and goes on until somebody brings it."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import aio_pika
import pytest

from contracts import topology, transport
from sandbox.stack.choose import PrivateBroker
from tests.chaos.wires import needs_time
from tests.e2e.support.service import Service
from tests.e2e.support.until import until
from tests.guarded import as_login

NOTICED_S = 60.0
"""The worker looks every 15 s; the rest is for a busy machine."""

WITHIN_S = 90.0
TIER, LONGER = topology.TIERS[:2]


@pytest.fixture
async def looking(fragile: Service, private_broker: PrivateBroker) -> str:
    """The address of a login that may read and write all, and declare nothing."""
    password = secrets.token_hex(16)
    vhost = fragile.rabbitmq_url.rpartition("/")[2]
    await private_broker.ctl("add_user", f"looking-{vhost}", password)
    await private_broker.ctl("set_permissions", "-p", vhost, f"looking-{vhost}", "^$", ".*", ".*")
    return as_login(fragile.rabbitmq_url, f"looking-{vhost}", password)


async def delete(service: Service, queue: str) -> None:
    async with await aio_pika.connect(service.rabbitmq_url, timeout=10) as connection:
        await (await connection.channel()).queue_delete(queue)


async def bring(service: Service) -> None:
    """Declare all anew, as the broker's definitions do when somebody imports them."""
    async with await transport.connect(service.rabbitmq_url, "test definitions") as connection:
        await transport.declare(connection)


async def parts(address: str) -> dict[str, Any]:
    """What `/ready` tells of a worker that is not."""

    def ask() -> dict[str, Any]:
        try:
            urlopen(address, timeout=10).close()
        except HTTPError as refused:
            with refused:
                told: dict[str, Any] = json.loads(refused.read())
                return told
        raise AssertionError("it is ready")

    return await asyncio.to_thread(ask)


@needs_time
async def test_row_18_a_delay_tier_is_gone_for_long(tmp_path: Path, fragile: Service, looking: str) -> None:
    """Payments go on, what should wait there waits in the next tier, and the worker is ready again when somebody brings it."""
    armed = tmp_path / "armed"
    armed.touch()
    hooks = ("--crash-at", "load", "--order", "order-bad", "--armed-by", str(armed))
    worker = await fragile.worker(*hooks, RABBITMQ_URL=looking)
    await fragile.paid("order-before")
    await delete(fragile, TIER.queue)
    await worker.logged("topology_missing", NOTICED_S, level="error")
    told = await parts(f"{worker.url}/ready")
    assert [name for name, well in told.items() if well is False] == ["topology"]
    await fragile.paid("order-meanwhile")
    asking = asyncio.gather(fragile.create("order-bad", reply_s=1), return_exceptions=True)
    await worker.logged("delivery", WITHIN_S, way="later", tier=LONGER.name)
    armed.unlink()
    await asking

    async def made() -> bool:
        return fragile.database["payments"].count_documents({"order_id": "order-bad"}) == 1

    await until(made, WITHIN_S, "what waited in the longer tier is not carried out")
    (missing,) = worker.lines("topology_missing")  # of two looks or more: the tier is longer than both
    assert TIER.queue in missing["reason"]
    await bring(fragile)
    await worker.until_ready(200, NOTICED_S)
    assert len(worker.lines("topology_whole")) == 1
    await fragile.paid("order-bad")
    await fragile.assert_promises(WITHIN_S)
    assert worker.child.alive


@needs_time
async def test_row_18_a_start_without_a_delay_tier_is_refused(fragile: Service, looking: str) -> None:
    """A worker that is started while something is missing ends with code 1 and names it."""
    await delete(fragile, TIER.queue)
    worker = fragile.make_worker(RABBITMQ_URL=looking)
    worker.child.start()
    assert await worker.child.ended(NOTICED_S) == 1
    (given_up,) = worker.lines("giving_up")
    assert TIER.queue in given_up["reason"]


@needs_time
@pytest.mark.parametrize("queue", [topology.COMMANDS_QUEUE, topology.STRIPE_QUEUE])
async def test_row_18_a_queue_that_is_consumed_is_gone(fragile: Service, looking: str, queue: str) -> None:
    """The worker is not ready while it is away, and consumes it again, without a new start, when somebody has brought it."""
    worker = await fragile.worker(RABBITMQ_URL=looking, COVERAGE_EVERY_S="3600")
    await fragile.paid("order-before")
    await delete(fragile, queue)
    await worker.logged("topology_missing", NOTICED_S, level="error")
    told = await parts(f"{worker.url}/ready")
    assert [name for name, well in told.items() if well is False] == ["consuming", "topology"]
    await bring(fragile)
    await worker.until_ready(200, NOTICED_S)
    await fragile.paid("order-after")
    await fragile.assert_promises(WITHIN_S)
    assert worker.child.alive
