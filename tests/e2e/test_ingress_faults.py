"""The ingress while its broker dies, freezes, blocks, forgets or refuses."""

import asyncio
import time
from pathlib import Path

from contracts import topology
from sandbox.stack.choose import PrivateBroker
from sandbox.stack.ports import free_port
from tests.e2e.entry import WITH_HOOKS
from tests.e2e.support.breaking import close_connections
from tests.ingress_process import IngressProcess, Sender, running, stored_ids

ANSWERED_WITHIN_S = 3.0
BACK_WITHIN_S = 35.0
NOTICED_WITHIN_S = 45.0  # 3 x (heartbeat + 1) s, and something for a busy machine


async def refused_in_time(sender: Sender) -> None:
    """A webhook is answered 503, and within 3 s."""
    began = time.monotonic()
    assert await sender.post("evt_refused") == 503
    assert time.monotonic() - began < ANSWERED_WITHIN_S


async def test_a_killed_broker_is_a_503_and_then_a_200(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """Kill -9 of the broker: 503 at once, alive and not ready, and 200 again within 35 s of its return, nothing lost."""
    async with running(IngressProcess(tmp_path, private_vhost_url)) as sender:
        await sender.until_ready(200, 20)
        assert await sender.post("evt_before") == 200
        await private_broker.settle()
        private_broker.kill()
        await refused_in_time(sender)
        assert await sender.get("/health") == 200
        assert await sender.get("/ready") == 503
        await private_broker.restart()
        await sender.until_stored(BACK_WITHIN_S)
        await sender.until_ready(200, BACK_WITHIN_S)
    assert set(sender.acknowledged) <= set(await stored_ids(private_vhost_url))


async def test_connections_that_are_closed_lose_nothing(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """Under load, with every connection closed again and again, whatever was answered 200 is in the queue."""
    async with running(IngressProcess(tmp_path, private_vhost_url)) as sender:
        await sender.until_ready(200, 20)
        stop, lost = asyncio.Event(), list[int]()
        async with asyncio.TaskGroup() as group:
            for name in "abcdefgh":
                group.create_task(sender.keep_posting(name, stop))
            for _ in range(3):
                await sender.until_stored(BACK_WITHIN_S)
                lost.append(await close_connections(private_broker))
            await sender.until_stored(BACK_WITHIN_S)
            stop.set()
    assert all(lost)
    assert len(sender.acknowledged) > 4
    assert set(sender.acknowledged) <= set(await stored_ids(private_vhost_url))


async def test_a_broker_frozen_for_a_moment(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """A frozen broker is a 503 within 3 s, also for many at once, and the thawed one confirms again."""
    async with running(IngressProcess(tmp_path, private_vhost_url)) as sender:
        await sender.until_ready(200, 20)
        private_broker.freeze()
        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(refused_in_time(sender))
        assert await sender.get("/ready") == 503
        private_broker.thaw()
        await sender.until_stored(BACK_WITHIN_S)
        await sender.until_ready(200, BACK_WITHIN_S)
    assert set(sender.acknowledged) <= set(await stored_ids(private_vhost_url))


async def test_a_broker_frozen_beyond_the_heartbeat(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """A peer that is silent for three heartbeats is given up, and found again within 35 s of its thaw."""
    async with running(ingress := IngressProcess(tmp_path, private_vhost_url)) as sender:
        await sender.until_ready(200, 20)
        private_broker.freeze()
        await ingress.logged("broker_lost", NOTICED_WITHIN_S)
        await refused_in_time(sender)
        private_broker.thaw()
        await sender.until_stored(BACK_WITHIN_S)
    assert set(sender.acknowledged) <= set(await stored_ids(private_vhost_url))


async def test_a_memory_alarm_is_a_503_and_then_a_200(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """A blocked publisher answers 503 within 3 s and is not ready; when the alarm is over it stores again."""
    async with running(IngressProcess(tmp_path, private_vhost_url)) as sender:
        await sender.until_ready(200, 20)
        await private_broker.ctl("set_vm_memory_high_watermark", "absolute", "1")
        try:
            await sender.until_ready(503, 20)
            await refused_in_time(sender)
            assert await sender.get("/health") == 200
        finally:
            await private_broker.ctl("set_vm_memory_high_watermark", "absolute", "1GB")
        await sender.until_stored(BACK_WITHIN_S)
        await sender.until_ready(200, BACK_WITHIN_S)
    assert set(sender.acknowledged) <= set(await stored_ids(private_vhost_url))


async def test_a_broker_that_comes_back_empty(tmp_path: Path, private_broker: PrivateBroker) -> None:
    """A broker replaced by an empty one gets its topology from us, and stores."""
    async with running(IngressProcess(tmp_path, private_broker.url)) as sender:
        await sender.until_ready(200, 20)
        await private_broker.ctl("stop_app")
        await private_broker.ctl("reset")
        await private_broker.ctl("start_app")
        await sender.until_stored(BACK_WITHIN_S)
    assert len(await stored_ids(private_broker.url)) == 1


async def test_a_broker_that_forbids_declaring(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """With the topology given by others, a login that may only write stores webhooks."""
    async with running(IngressProcess(tmp_path / "declares", private_vhost_url)) as sender:
        await sender.until_ready(200, 20)
    vhost = private_vhost_url.rpartition("/")[2]
    writable = f"^({topology.STRIPE}|{topology.PROBE})$".replace(".", r"\.")
    await private_broker.ctl("add_user", "ingress", "ingress")
    await private_broker.ctl("set_permissions", "-p", vhost, "ingress", "^$", writable, "^$")
    url = private_vhost_url.replace("guest:guest@", "ingress:ingress@")
    async with running(ingress := IngressProcess(tmp_path / "writes", url)) as sender:
        await sender.until_ready(200, 20)
        assert await sender.post("evt_written") == 200
        assert ingress.lines("declare_not_permitted")
    assert "evt_written" in await stored_ids(private_vhost_url)


async def test_it_starts_before_its_broker(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """Without a broker it listens, lives and refuses at once; when one is there it stores."""
    await private_broker.settle()
    private_broker.kill()
    async with running(ingress := IngressProcess(tmp_path, private_vhost_url)) as sender:
        assert await sender.get("/health") == 200
        assert await sender.get("/ready") == 503
        await refused_in_time(sender)
        await ingress.logged("broker_away", 20)
        await private_broker.restart()
        await sender.until_stored(BACK_WITHIN_S)


async def test_without_a_broker_it_gives_up(tmp_path: Path) -> None:
    """A process that finds no broker within its limit ends with code 1 and says why."""
    program = (*WITH_HOOKS, "--no-broker-limit-s", "1")
    ingress = IngressProcess(tmp_path, f"amqp://guest:guest@127.0.0.1:{free_port()}/", program=program)
    async with running(ingress):
        assert await ingress.child.ended(within_s=20) == 1
    assert ingress.lines("giving_up")[0]["reason"] == "no broker for 1 s"


async def test_a_broker_that_stays_away_ends_it(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str
) -> None:
    """A process whose broker left for longer than the limit ends with code 1."""
    ingress = IngressProcess(tmp_path, private_vhost_url, program=(*WITH_HOOKS, "--no-broker-limit-s", "3"))
    async with running(ingress) as sender:
        await sender.until_ready(200, 20)
        await private_broker.settle()
        private_broker.kill()
        assert await ingress.child.ended(within_s=20) == 1
    assert ingress.lines("giving_up")[0]["reason"] == "no broker for 3 s"
