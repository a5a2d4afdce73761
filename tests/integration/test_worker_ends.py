"""How a worker answers probes, and how it ends: asked, asked twice, without a broker, out of grace."""

import asyncio
import signal
from pathlib import Path

import pytest

from contracts.replies import Verdict
from sandbox.stack.choose import PrivateBroker
from sandbox.stack.ports import free_port
from tests.e2e.support.service import Service, named
from tests.e2e.support.until import until
from tests.e2e.support.worker import WorkerProcess, status_of

COMMANDS = 100
GRACE_S = 25
AT_ONCE_S = 3.0
NOTICED_S = 45.0


async def asked_stripe(service: Service, count: int = 1) -> bool:
    return sum((await service.stripe.fired()).values()) >= count


async def test_sigterm_under_load_loses_nothing(service: Service) -> None:
    """A worker that is stopped among a hundred commands ends with code 0, and every command is carried out once."""
    stopped, other = service.make_worker(), service.make_worker()
    await asyncio.gather(stopped.start(), other.start())
    await service.stripe.fault("latency_after", path="/v1/payment_intents", times=COMMANDS, ms=300)
    asking = [asyncio.create_task(service.create(f"order-{number}")) for number in range(COMMANDS)]
    await until(lambda: asked_stripe(service, 20), 20, "no command reached Stripe")
    stopped.child.send(signal.SIGTERM)
    assert await stopped.child.ended(within_s=GRACE_S) == 0
    replies = await asyncio.gather(*asking)
    assert {reply.verdict for reply in replies} == {Verdict.ACCEPTED}
    books = await service.assert_promises()
    assert books.ledger["count"] == COMMANDS
    assert len(books.posts) == COMMANDS
    assert stopped.lines("delivery")
    assert stopped.lines("stopped")


async def test_sigterm_sends_what_is_unsent(service: Service) -> None:
    """A worker that is stopped right after its work leaves no event unsent and none unmarked."""
    worker = await service.worker()
    await asyncio.gather(*(service.create(f"order-{number}") for number in range(20)))
    worker.child.send(signal.SIGTERM)
    assert await worker.child.ended(within_s=GRACE_S) == 0
    assert not [payment["_id"] for payment in service.payments_stored() if "unsent_at" in payment]
    assert service.listener.repeated() == []


async def test_what_does_not_finish_within_the_grace_time_comes_back(service: Service) -> None:
    """A command that outlasts the grace time is given up by its worker, and the next one settles it under the same key."""
    await service.stripe.fault("latency", path="/v1/payment_intents", ms=8000)
    slow = await service.worker(GRACE_S="1")
    asking = asyncio.create_task(service.create("order-1"))
    await until(lambda: asked_stripe(service), 20, "the command did not reach Stripe")
    slow.child.send(signal.SIGTERM)
    assert await slow.child.ended(within_s=GRACE_S) == 0
    await service.worker()
    assert (await asking).verdict is not Verdict.REFUSED
    await service.created("order-1")
    assert (await service.assert_promises()).ledger["count"] == 1


async def test_a_draining_worker_is_alive_and_not_ready(service: Service) -> None:
    """From the moment that a stop is asked for, `/ready` is 503 and `/health` 200, until the work is done."""
    await service.stripe.fault("latency", path="/v1/payment_intents", ms=3000)
    worker = await service.worker()
    asking = asyncio.create_task(service.create("order-1"))
    await until(lambda: asked_stripe(service), 20, "the command did not reach Stripe")
    worker.child.send(signal.SIGTERM)
    await worker.until_ready(503, AT_ONCE_S)
    assert await status_of(f"{worker.url}/health") == 200
    assert (await asking).verdict is Verdict.ACCEPTED
    assert await worker.child.ended(within_s=GRACE_S) == 0


async def test_a_second_sigterm_ends_at_once(service: Service) -> None:
    """The first waits for a command that takes long, the second does not; the command is carried out all the same."""
    await service.stripe.fault("latency", path="/v1/payment_intents", ms=4000)
    worker = await service.worker()
    asking = asyncio.create_task(service.create("order-1"))
    await until(lambda: asked_stripe(service), 20, "the command did not reach Stripe")
    worker.child.send(signal.SIGTERM)
    await worker.logged("draining", AT_ONCE_S)
    worker.child.send(signal.SIGTERM)
    assert await worker.child.ended(within_s=AT_ONCE_S) == 1
    await service.worker()
    assert (await asking).verdict is not Verdict.REFUSED
    await service.created("order-1")
    assert (await service.assert_promises()).ledger["count"] == 1


@pytest.mark.parametrize("fault", ["freeze", "kill"])
async def test_sigterm_while_the_broker_is_down(
    tmp_path: Path,
    private_broker: PrivateBroker,
    private_vhost_url: str,
    mongo_uri: str,
    database_name: str,
    *,
    fault: str,
) -> None:
    """A worker whose broker is frozen or dead is not ready, lives, and ends with code 0 within the grace time."""
    worker = WorkerProcess(tmp_path, private_vhost_url, named(mongo_uri, database_name), "http://127.0.0.1:1")
    try:
        await worker.start()
        await private_broker.settle()
        private_broker.freeze() if fault == "freeze" else private_broker.kill()
        await worker.until_ready(503, 10)
        assert await status_of(f"{worker.url}/health") == 200
        worker.child.send(signal.SIGTERM)
        assert await worker.child.ended(within_s=GRACE_S) == 0
    finally:
        worker.child.kill()


async def test_it_starts_before_its_broker(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str, mongo_uri: str, database_name: str
) -> None:
    """Without a broker it is alive and not ready; when one is there it is ready."""
    await private_broker.settle()
    private_broker.kill()
    worker = WorkerProcess(tmp_path, private_vhost_url, named(mongo_uri, database_name), "http://127.0.0.1:1")
    try:
        await worker.listen()
        await worker.logged("waiting", 20, what="broker")
        assert await status_of(f"{worker.url}/health") == 200
        assert await status_of(f"{worker.url}/ready") == 503
        await private_broker.restart()
        await worker.until_ready(200)
    finally:
        worker.child.kill()


@pytest.mark.parametrize("missing", ["broker", "database"])
async def test_sigterm_while_it_starts(tmp_path: Path, vhost_url: str, mongo_uri: str, missing: str) -> None:
    """A worker that still looks for its broker or its database ends with code 0."""
    nowhere = free_port()
    broker = f"amqp://guest:guest@127.0.0.1:{nowhere}/" if missing == "broker" else vhost_url
    database = f"mongodb://127.0.0.1:{nowhere}/?directConnection=true" if missing == "database" else mongo_uri
    worker = WorkerProcess(tmp_path, broker, database, "http://127.0.0.1:1")
    try:
        await worker.listen()
        await worker.logged("waiting", 20, what=missing)
        worker.child.send(signal.SIGTERM)
        assert await worker.child.ended(within_s=15) == 0
    finally:
        worker.child.kill()


async def test_a_taken_port_ends_it(tmp_path: Path, vhost_url: str, mongo_uri: str, database_name: str) -> None:
    """A worker whose port is taken says so and ends with code 1."""
    first = WorkerProcess(tmp_path / "a", vhost_url, named(mongo_uri, database_name), "http://127.0.0.1:1")
    try:
        await first.listen()
        port = first.url.rpartition(":")[2]
        second = WorkerProcess(tmp_path / "b", vhost_url, mongo_uri, "http://127.0.0.1:1", WORKER_PORT=port)
        second.child.start()
        assert await second.child.ended(within_s=20) == 1
        assert second.lines("cannot_listen")
        second.child.kill()
    finally:
        first.child.kill()
