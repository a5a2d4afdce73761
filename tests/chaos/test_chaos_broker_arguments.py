"""Fault row 19: the broker holds a queue or an exchange that was declared otherwise."""

import dataclasses
from pathlib import Path

import aio_pika
import pytest

from contracts import topology, transport
from tests.chaos.wires import needs_time
from tests.e2e.support.service import named
from tests.e2e.support.worker import WorkerProcess
from tests.ingress_process import IngressProcess

ENDED_S = 40.0
NOWHERE = "http://127.0.0.1:1"
ARGUMENTS = {
    topology.COMMANDS_QUEUE: {"x-delivery-limit": 7},
    topology.STRIPE_QUEUE: {"x-delivery-limit": 7},
    topology.QUERIES_QUEUE: {"x-message-ttl": 7_000},
    topology.TIERS[0].queue: {"x-message-ttl": 7_000},
}
NAMES = [
    topology.COMMANDS_QUEUE,
    *(pytest.param(name, marks=needs_time) for name in ARGUMENTS if name != topology.COMMANDS_QUEUE),
]


async def declare_otherwise(rabbitmq_url: str, name: str) -> None:
    """Declare one of our queues with another argument in place of ours, as somebody did before us."""
    (ours,) = (queue for queue in topology.QUEUES if queue.name == name)
    async with await aio_pika.connect(rabbitmq_url, timeout=10) as connection:
        channel = await connection.channel()
        theirs = dataclasses.replace(ours, arguments=ours.arguments | ARGUMENTS[name], bindings=())
        await transport.declare_queue(channel, theirs)


async def declare_fanout(rabbitmq_url: str, name: str) -> None:
    async with await aio_pika.connect(rabbitmq_url, timeout=10) as connection:
        channel = await connection.channel()
        await channel.declare_exchange(name, aio_pika.ExchangeType.FANOUT, durable=True)


def assert_told_once(process: WorkerProcess | IngressProcess, *names: str) -> None:
    """One line says why it gives up, by name, and there is no traceback and no second try."""
    (given_up,) = process.lines("giving_up")
    assert all(name in given_up["reason"] for name in names), given_up
    assert "Traceback" not in process.child.text()
    assert "exception was never retrieved" not in process.child.text()
    assert not [*process.lines("waiting"), *process.lines("broker_away"), *process.lines("ready")]


@pytest.mark.parametrize("name", NAMES)
async def test_row_19_a_worker_meets_a_queue_with_other_arguments(
    tmp_path: Path, vhost_url: str, mongo_uri: str, database_name: str, name: str
) -> None:
    """A worker that is started against it ends with code 1, and one line names the queue and the argument."""
    await declare_otherwise(vhost_url, name)
    worker = WorkerProcess(tmp_path, vhost_url, named(mongo_uri, database_name), NOWHERE)
    worker.child.start()
    try:
        assert await worker.child.ended(ENDED_S) == 1
        assert_told_once(worker, name, *ARGUMENTS[name])
    finally:
        worker.child.kill()


@pytest.mark.parametrize("name", NAMES)
async def test_row_19_an_ingress_meets_a_queue_with_other_arguments(tmp_path: Path, vhost_url: str, name: str) -> None:
    """An ingress that is started against it ends with code 1, and one line names the queue and the argument."""
    await declare_otherwise(vhost_url, name)
    ingress = IngressProcess(tmp_path, vhost_url)
    ingress.child.start()
    try:
        assert await ingress.child.ended(ENDED_S) == 1
        assert_told_once(ingress, name, *ARGUMENTS[name])
    finally:
        ingress.child.kill()


@needs_time
async def test_row_19_a_queue_is_replaced_under_a_worker(
    tmp_path: Path, vhost_url: str, mongo_uri: str, database_name: str
) -> None:
    """A worker whose delay tier somebody has replaced by another one ends with code 1, and one line names it."""
    name = topology.TIERS[0].queue
    worker = WorkerProcess(tmp_path, vhost_url, named(mongo_uri, database_name), NOWHERE)
    try:
        await worker.start()
        async with await aio_pika.connect(vhost_url, timeout=10) as connection:
            await (await connection.channel()).queue_delete(name)
        await declare_otherwise(vhost_url, name)
        assert await worker.child.ended(ENDED_S) == 1
        (given_up,) = worker.lines("giving_up")
        assert name in given_up["reason"]
        assert "Traceback" not in worker.child.text()
    finally:
        worker.child.kill()


@needs_time
async def test_row_19_a_worker_and_an_ingress_meet_another_exchange(
    tmp_path: Path, vhost_url: str, mongo_uri: str, database_name: str
) -> None:
    """An exchange of another type ends both with code 1, and one line of each names the exchange and the type."""
    await declare_fanout(vhost_url, topology.EVENTS)
    worker = WorkerProcess(tmp_path / "worker", vhost_url, named(mongo_uri, database_name), NOWHERE)
    ingress = IngressProcess(tmp_path / "ingress", vhost_url)
    for process in (worker, ingress):
        process.child.start()
    try:
        for process in (worker, ingress):
            assert await process.child.ended(ENDED_S) == 1
            assert_told_once(process, topology.EVENTS, "'type'")
    finally:
        worker.child.kill()
        ingress.child.kill()
