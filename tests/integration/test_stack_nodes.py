"""The local stack against the real programs: what the rest of the tests stand on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pytest
from aio_pika.exceptions import AMQPError
from pymongo import AsyncMongoClient

from sandbox.stack import CommandFailed
from sandbox.stack.choose import Broker, PrivateBroker, PrivateDatabase, installed_server
from sandbox.stack.containers import docker_answers
from sandbox.stack.ports import is_free
from tests import stack_fixtures


async def publish(url: str, queue: str, body: bytes) -> None:
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue, timeout=10)


async def take(url: str, queue: str) -> bytes:
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        channel = await connection.channel()
        declared = await channel.get_queue(queue)
        message = await declared.get(timeout=10, fail=True)
        assert message is not None
        await message.ack()
        return message.body


async def test_a_test_gets_an_empty_vhost_of_its_own(vhost_url: str, rabbitmq_url: str) -> None:
    """What is published in a test's vhost can be taken there, and the vhost is not the shared one."""
    await publish(vhost_url, "q", b"here")
    assert await take(vhost_url, "q") == b"here"
    assert vhost_url != rabbitmq_url


async def test_a_vhost_outlives_its_test_by_a_while(shared_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retired vhost still serves what was under way in it, and goes with a later one, or when all are cleared."""
    vhosts = stack_fixtures.Vhosts(shared_broker)
    early, late = vhosts.create(), vhosts.create()
    monkeypatch.setattr(stack_fixtures, "SETTLED_S", 3.0)
    vhosts.retire(early)
    for url in (early, late):
        await publish(url, "q", b"under way")

    vhosts.clear()
    monkeypatch.setattr(stack_fixtures, "SETTLED_S", 0.0)
    vhosts.retire(late)
    for url in (early, late):
        with pytest.raises(AMQPError):
            await publish(url, "q", b"too late")


async def test_a_test_gets_an_empty_database_of_its_own(mongo_uri: str, database_name: str) -> None:
    """A test's database starts empty and holds what the test writes."""
    async with AsyncMongoClient[dict[str, object]](mongo_uri) as client:
        database = client[database_name]
        assert await database.list_collection_names() == []
        await database["c"].insert_one({"_id": 1})
        assert await database["c"].find_one({}) == {"_id": 1}


async def test_a_killed_broker_keeps_what_it_confirmed(private_broker: PrivateBroker, private_vhost_url: str) -> None:
    """A message that was confirmed before kill -9 is there after the restart, at the same address."""
    await publish(private_vhost_url, "kept", b"confirmed")
    await private_broker.settle()
    private_broker.kill()
    assert not private_broker.alive
    await private_broker.restart()
    assert await take(private_vhost_url, "kept") == b"confirmed"


async def test_a_frozen_broker_answers_nothing_until_thawed(
    private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """A frozen broker accepts no login, and goes on when it is thawed."""
    private_broker.freeze()
    with pytest.raises((TimeoutError, OSError)):
        await aio_pika.connect(private_vhost_url, timeout=1)
    private_broker.thaw()
    await publish(private_vhost_url, "q", b"thawed")
    assert await take(private_vhost_url, "q") == b"thawed"


async def test_ctl_asks_the_private_node(private_broker: PrivateBroker) -> None:
    """The node's rabbitmqctl reaches the private node, and its refusals arrive with their text."""
    assert "payments@localhost" in await private_broker.ctl("eval", "node().")
    with pytest.raises(CommandFailed, match=r"exit code"):
        await private_broker.ctl("delete_vhost", "nowhere")


async def test_a_killed_database_keeps_what_it_acknowledged(private_database: PrivateDatabase) -> None:
    """A document that was acknowledged before kill -9 is there after the restart, at the same address."""
    async with AsyncMongoClient[dict[str, object]](private_database.uri) as client:
        await client["kept"]["c"].insert_one({"_id": 1})
    private_database.kill()
    assert not private_database.alive
    await private_database.restart()
    async with AsyncMongoClient[dict[str, object]](private_database.uri) as client:
        assert await client["kept"]["c"].find_one({}) == {"_id": 1}


# A program that has a stack, says where, and stays: what `payments-sandbox run` is at heart.
STAY = """
import asyncio, json, signal
from sandbox.stack import Stack

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may run the tests with SIGINT ignored

async def main():
    async with Stack(report=lambda _: None) as stack:
        broker = stack.broker
        ports = [broker.port, broker.management_port, broker._epmd_port, stack.database.port]
        print(json.dumps({"directory": str(stack.directory), "ports": ports}), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def staying(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    if docker_answers() or installed_server() is None:
        pytest.skip("about servers that are processes; containers are ended by testcontainers' reaper")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    program = subprocess.Popen([sys.executable, "-c", STAY], stdout=subprocess.PIPE, text=True, env=environment)
    with program:
        yield program
        program.kill()


def wait_until_free(ports: list[int], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while not all(is_free(port) for port in ports):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_a_stack_ends(staying: subprocess.Popen[str], number: signal.Signals) -> None:
    """After Ctrl-C no server of the stack listens and its directory is gone; after kill -9 no server listens."""
    assert staying.stdout is not None
    said = json.loads(staying.stdout.readline())
    assert not any(is_free(port) for port in said["ports"])
    staying.send_signal(number)
    staying.wait(timeout=30)
    assert wait_until_free(said["ports"])
    assert not (number is signal.SIGINT and Path(said["directory"]).exists())
