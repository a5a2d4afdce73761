"""How the ingress ends: asked, asked twice, and killed between the confirm and the answer."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from sandbox.stack.choose import PrivateBroker
from sandbox.stack.ports import free_port
from tests.e2e.entry import WITH_HOOKS
from tests.ingress_process import IngressProcess, running, stored_ids
from tests.ingress_requests import event_body, signature_header
from webhook_ingress.server import GRACE_S, REQUEST_TIMEOUT_S
from webhook_ingress.webhook import CONFIRMED


async def test_sigterm_under_load_loses_nothing(tmp_path: Path, vhost_url: str) -> None:
    """Whatever was answered 200 before, during and after SIGTERM is in the queue, and the exit code is 0."""
    async with running(ingress := IngressProcess(tmp_path, vhost_url)) as sender:
        await sender.until_ready(200, 20)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for name in range(32):
                group.create_task(sender.keep_posting(f"{name}", stop))
            while len(sender.acknowledged) < 500:
                await sender.post(f"evt_x_{len(sender.acknowledged)}")
            ingress.child.send(signal.SIGTERM)
            assert await ingress.child.ended(within_s=GRACE_S + 5) == 0
            stop.set()
    assert ingress.lines("draining")
    assert ingress.lines("stopped")
    assert set(sender.acknowledged) <= set(await stored_ids(vhost_url))


async def test_sigterm_lets_a_request_finish(tmp_path: Path, vhost_url: str) -> None:
    """A webhook of which half had arrived is stored and answered 200 before the process ends."""
    async with running(ingress := IngressProcess(tmp_path, vhost_url)) as sender:
        await sender.until_ready(200, 20)
        body = event_body("evt_half")
        reader, writer = await half_a_request(ingress, body)
        ingress.child.send(signal.SIGTERM)
        await ingress.logged("draining", 5)
        writer.write(body[10:])
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        assert await ingress.child.ended(within_s=GRACE_S) == 0
    assert await stored_ids(vhost_url) == ["evt_half"]


async def test_a_second_sigterm_ends_at_once(tmp_path: Path, vhost_url: str) -> None:
    """The first waits for a request that does not end; the second does not."""
    async with running(ingress := IngressProcess(tmp_path, vhost_url)) as sender:
        await sender.until_ready(200, 20)
        _, writer = await half_a_request(ingress, event_body())
        ingress.child.send(signal.SIGTERM)
        await ingress.logged("draining", 5)
        ingress.child.send(signal.SIGTERM)
        assert await ingress.child.ended(within_s=REQUEST_TIMEOUT_S / 2) == 128 + signal.SIGTERM
        writer.close()


async def test_sigterm_without_a_broker(tmp_path: Path) -> None:
    """A process that still looks for its broker ends with code 0."""
    ingress = IngressProcess(tmp_path, f"amqp://guest:guest@127.0.0.1:{free_port()}/")
    async with running(ingress):
        await ingress.logged("broker_away", 20)
        ingress.child.send(signal.SIGTERM)
        assert await ingress.child.ended(within_s=GRACE_S) == 0


@pytest.mark.parametrize("fault", ["freeze", "kill"])
async def test_sigterm_while_the_broker_is_down(
    tmp_path: Path, private_broker: PrivateBroker, private_vhost_url: str, fault: str
) -> None:
    """A process whose broker is frozen or dead ends with code 0 within the grace time."""
    async with running(ingress := IngressProcess(tmp_path, private_vhost_url)) as sender:
        await sender.until_ready(200, 20)
        await private_broker.settle()
        private_broker.freeze() if fault == "freeze" else private_broker.kill()
        assert await sender.post() == 503
        ingress.child.send(signal.SIGTERM)
        assert await ingress.child.ended(within_s=GRACE_S) == 0


async def test_killed_between_the_confirm_and_the_answer(tmp_path: Path, vhost_url: str) -> None:
    """The sender hears nothing, the event is stored once; sent again after a restart it is stored a second time."""
    deadly = IngressProcess(tmp_path / "deadly", vhost_url, program=(*WITH_HOOKS, "--kill-at", CONFIRMED))
    async with running(deadly) as sender:
        await sender.until_ready(200, 20)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await sender.post("evt_twice")
        assert await deadly.child.ended(within_s=5) == -signal.SIGKILL
    assert await stored_ids(vhost_url) == ["evt_twice"]
    async with running(IngressProcess(tmp_path / "next", vhost_url)) as sender:
        await sender.until_ready(200, 20)
        assert await sender.post("evt_twice") == 200
    assert Counter(await stored_ids(vhost_url)) == {"evt_twice": 1}


async def half_a_request(ingress: IngressProcess, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which the headers and the first ten bytes of a webhook were sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
    head = f"Host: x\r\nContent-Length: {len(body)}\r\nStripe-Signature: {signature_header(body)}\r\n\r\n"
    writer.write(b"POST /api/payments/webhook HTTP/1.1\r\n" + head.encode() + body[:10])
    await writer.drain()
    return reader, writer
