"""What is done to a private broker, and undone again, whatever happens meanwhile."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from sandbox.stack.choose import PrivateBroker

MEMORY = "1GB"
"""What the private broker's configuration says (sandbox/stack/broker.py)."""

DISK = "50MB"
NOTHING = "1"
TOO_MUCH = "900000GB"
LIMIT = 1
"""Of a full queue: one more message is taken, and the next ones are refused."""

PLENTY = 100_000
ACK_TIMEOUT_MS = 5_000
LOOKS_EVERY_MS = 1_000
"""How often a channel looks for deliveries that are held for too long; the broker's own is a minute."""


@asynccontextmanager
async def memory_alarm(broker: PrivateBroker) -> AsyncIterator[None]:
    """The broker has no memory left: it blocks whoever publishes."""
    await broker.ctl("set_vm_memory_high_watermark", "absolute", NOTHING)
    try:
        yield
    finally:
        await broker.ctl("set_vm_memory_high_watermark", "absolute", MEMORY)


@asynccontextmanager
async def disk_alarm(broker: PrivateBroker) -> AsyncIterator[None]:
    """The broker's disk is nearly full: it blocks whoever publishes."""
    await broker.ctl("set_disk_free_limit", TOO_MUCH)
    try:
        yield
    finally:
        await broker.ctl("set_disk_free_limit", DISK)


@asynccontextmanager
async def full(broker: PrivateBroker, vhost_url: str, queue: str) -> AsyncIterator[None]:
    """The queue takes next to nothing. Its limit is raised before it is lifted: only a queue that is below a limit tells
    publishers that it takes messages again (rabbitmq-server issue 12206).
    """
    vhost, pattern = urlsplit(vhost_url).path.removeprefix("/"), "^" + queue.replace(".", r"\.") + "$"

    async def limit(length: int) -> None:
        policy = json.dumps({"max-length": length})
        await broker.ctl("set_policy", "-p", vhost, "--apply-to", "queues", queue, pattern, policy)

    await limit(LIMIT)
    try:
        yield
    finally:
        await limit(PLENTY)
        await broker.ctl("clear_policy", "-p", vhost, queue)


@asynccontextmanager
async def short_ack_timeout(broker: PrivateBroker) -> AsyncIterator[None]:
    """A delivery that is held for some seconds closes its channel. Holds for channels that are opened meanwhile."""
    await _set(broker, "consumer_timeout", str(ACK_TIMEOUT_MS))
    before = (await broker.ctl("eval", "application:get_env(rabbit, channel_tick_interval, 60000).")).strip()
    await _set(broker, "channel_tick_interval", str(LOOKS_EVERY_MS))
    try:
        yield
    finally:
        await _set(broker, "channel_tick_interval", before)
        await _set(broker, "consumer_timeout", "1800000")


async def _set(broker: PrivateBroker, name: str, value: str) -> None:
    await broker.ctl("eval", f"application:set_env(rabbit, {name}, {value}).")


async def connections_of(broker: PrivateBroker) -> set[str]:
    """The process of every connection on the broker: none of them is ever used again for another one."""
    return set((await broker.ctl("list_connections", "pid")).split())


async def close_connections(broker: PrivateBroker) -> int:
    """Close every connection of every vhost, as `rabbitmqctl close_all_connections` does; how many there were."""
    closing = 'rabbit_networking:close_connection(Connection, "a test")'
    closed = await broker.ctl("eval", f"length([{closing} || Connection <- rabbit_networking:connections()]).")
    return int(closed)
