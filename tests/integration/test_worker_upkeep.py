"""The worker's upkeep of the topology, against a real broker."""

from collections.abc import AsyncIterator
from typing import Any, cast

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractRobustConnection
from aio_pika.exceptions import ChannelPreconditionFailed
from structlog.testing import capture_logs

from contracts import topology, transport
from worker.jobs.upkeep import Upkeep

TIER = topology.TIERS[0].queue


@pytest.fixture
async def connection(vhost_url: str) -> AsyncIterator[AbstractRobustConnection]:
    """A connection to a broker that has the topology."""
    opened = await transport.connect(vhost_url, "test upkeep")
    async with opened:
        await transport.declare(opened)
        yield opened


async def published(url: str, exchange: str, key: str) -> transport.Stored:
    async with transport.publisher(url, "test publisher") as publisher:
        return (await publisher.publish(exchange, key, b"{}", kind="test")).stored


async def operator(connection: AbstractRobustConnection) -> AbstractChannel:
    return await connection.channel()


async def test_what_is_deleted_is_declared_again(connection: AbstractRobustConnection, vhost_url: str) -> None:
    """A delay tier, a binding and an exchange that somebody deleted are there again, bound as before."""
    channel = await operator(connection)
    await channel.queue_delete(TIER)
    await channel.exchange_delete(topology.RETURN)
    await (await channel.get_queue(topology.STRIPE_QUEUE, ensure=False)).unbind(topology.STRIPE, "#")
    assert await published(vhost_url, topology.STRIPE, "x") is transport.Stored.UNROUTABLE
    await Upkeep(connection, passive=False)._declare()
    retry = topology.TIERS[0].key(topology.COMMANDS_QUEUE)
    for exchange, key in ((topology.STRIPE, "x"), (topology.RETRY, retry), (topology.RETURN, retry)):
        assert await published(vhost_url, exchange, key) is transport.Stored.YES


async def test_a_login_that_may_not_declare_names_what_is_missing(connection: AbstractRobustConnection) -> None:
    """It only looks, goes on, and says by name what is missing: once for each thing, and once that all is there again."""
    upkeep = Upkeep(connection, passive=True)
    with capture_logs() as lines:
        await upkeep._declare()
        assert (upkeep.whole, lines) == (True, [])
        await (await operator(connection)).queue_delete(TIER)
        for _ in range(3):
            await upkeep._declare()
            assert not upkeep.whole
        await (await operator(connection)).exchange_delete(topology.RETURN)
        for _ in range(2):
            await upkeep._declare()
            assert not upkeep.whole
        await transport.declare(connection)
        for _ in range(2):
            await upkeep._declare()
            assert upkeep.whole
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("error", "topology_missing"),
        ("error", "topology_missing"),
        ("info", "topology_whole"),
    ]
    assert f"no queue '{TIER}'" in lines[0]["reason"]
    assert f"no exchange '{topology.RETURN}'" in lines[1]["reason"]
    assert all("the broker's definitions must" in line["reason"] for line in lines[:2])


@pytest.mark.parametrize("passive", [False, True])
async def test_what_the_broker_refuses_is_said_once(
    connection: AbstractRobustConnection, vhost_url: str, *, passive: bool
) -> None:
    """A queue that somebody holds for himself can be neither declared nor looked at: a warning, which is not repeated."""
    upkeep = Upkeep(connection, passive=passive)
    await (await operator(connection)).queue_delete(TIER)
    other = await aio_pika.connect(vhost_url, timeout=10)
    async with other:
        await (await other.channel()).declare_queue(TIER, exclusive=True)
        with capture_logs() as lines:
            for _ in range(3):
                await upkeep._declare()
    assert [(line["log_level"], line["event"]) for line in lines] == [("warning", "declare_refused")]
    assert "RESOURCE_LOCKED" in lines[0]["reason"]
    assert TIER in lines[0]["reason"]


async def test_a_queue_with_other_arguments_is_an_error(connection: AbstractRobustConnection) -> None:
    """A queue that somebody replaced by another one is an error that names it and the argument."""
    channel = await operator(connection)
    await channel.queue_delete(TIER)
    await channel.declare_queue(TIER, durable=True, arguments={"x-queue-type": "quorum", "x-message-ttl": 1})
    with pytest.raises(ChannelPreconditionFailed, match=r"payments\.retry\.5s"):
        await Upkeep(connection, passive=False)._declare()


async def test_it_leaves_no_channel_open(connection: AbstractRobustConnection) -> None:
    """However often it declares, the connection has as many channels as before."""

    def channels() -> int:
        held = cast(Any, connection).transport.connection.channels
        return len([one for one in held.values() if one is not None])

    before = channels()
    for _ in range(3):
        await Upkeep(connection, passive=False)._declare()
    assert channels() == before


async def test_a_lost_connection_is_left_to_the_watchdog(connection: AbstractRobustConnection) -> None:
    """Without a connection nothing is declared and nothing is raised."""
    await connection.close()
    await Upkeep(connection, passive=False)._declare()
    assert connection.is_closed
