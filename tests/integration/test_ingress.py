"""The ingress as a process, over a broker that works."""

import asyncio
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import DeliveryMode

from contracts import topology
from tests.ingress_process import IngressProcess, Sender, running, take_all
from tests.ingress_requests import event_body, signature_header
from webhook_ingress.body import MAX_BODY_BYTES
from webhook_ingress.server import MAX_HEAD_BYTES, REQUEST_TIMEOUT_S

CLOSED_WITHIN_S = REQUEST_TIMEOUT_S + 4


async def ready(sender: Sender) -> Sender:
    await sender.until_ready(200, 20)
    return sender


async def test_a_webhook_is_in_the_queue_as_it_was_signed(tmp_path: Path, vhost_url: str) -> None:
    """The queue holds the very bytes, persistent, with the event's id and type in the properties."""
    body = event_body("evt_here", "charge.refunded")
    async with running(IngressProcess(tmp_path, vhost_url)) as sender:
        assert await (await ready(sender)).post("evt_here", body) == 200
    (message,) = await take_all(vhost_url)
    assert message.body == body
    assert message.routing_key == message.type == "charge.refunded"
    assert message.content_type == "application/json"
    assert message.delivery_mode == DeliveryMode.PERSISTENT
    assert message.headers[topology.HEADER_STRIPE_EVENT_ID] == "evt_here"
    assert str(message.headers[topology.HEADER_RECEIVED_AT]).endswith("+00:00")
    assert str(message.headers["traceparent"]).startswith("00-")


async def test_an_unknown_event_type_is_stored(tmp_path: Path, vhost_url: str) -> None:
    """What nobody has heard of is answered 200 and left to the worker."""
    async with running(IngressProcess(tmp_path, vhost_url)) as sender:
        assert await (await ready(sender)).post(body=event_body("evt_1", "moon.landed")) == 200
    (message,) = await take_all(vhost_url)
    assert message.routing_key == "moon.landed"


async def test_bad_input_is_refused_over_the_wire(tmp_path: Path, vhost_url: str) -> None:
    """A signed text that is no event is a 400, a body of 5 MB a 413 that reaches its sender, and nothing is stored."""
    async with running(IngressProcess(tmp_path, vhost_url)) as sender:
        await ready(sender)
        assert await sender.post(body=b"not json") == 400
        assert await sender.post(body=b"[]") == 400
        assert await sender.post(body=event_body(size=MAX_BODY_BYTES + 1)) == 413
        assert await sender.post(body=event_body(size=5_000_000)) == 413
        assert await sender.post(body=event_body(size=MAX_BODY_BYTES)) == 200
    assert len(await take_all(vhost_url)) == 1


async def test_a_chunked_body_is_counted(tmp_path: Path, vhost_url: str) -> None:
    """A body without a declared length is cut off at the limit."""
    async with running(ingress := IngressProcess(tmp_path, vhost_url)):
        reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
        writer.write(b"POST /api/payments/webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        writer.close()


async def test_a_slow_sender_is_cut_off(tmp_path: Path, vhost_url: str) -> None:
    """A connection without a request, with half its headers or with half its body does not stay."""
    line = b"POST /api/payments/webhook HTTP/1.1\r\nHost: x\r\n"
    async with running(ingress := IngressProcess(tmp_path, vhost_url)) as sender:
        async with asyncio.TaskGroup() as group:
            for sent in (b"", line, line + b"Content-Length: 100\r\n\r\n{"):
                group.create_task(is_cut_off(ingress, sent))
        assert await sender.get("/health") == 200


async def is_cut_off(ingress: IngressProcess, sent: bytes) -> None:
    """Send this much and wait for the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
    writer.write(sent)
    async with asyncio.timeout(CLOSED_WITHIN_S):
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
    writer.close()


async def test_headers_have_an_end(tmp_path: Path, vhost_url: str) -> None:
    """Headers beyond their limit close the connection long before the time is up."""
    async with running(ingress := IngressProcess(tmp_path, vhost_url)) as sender:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingress.port)
        async with asyncio.timeout(REQUEST_TIMEOUT_S / 2):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await send_endless_headers(reader, writer)
        writer.close()
        assert await sender.get("/health") == 200


async def send_endless_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Twice as many as are read, and then wait for an answer."""
    writer.write(b"GET /health HTTP/1.1\r\n")
    for _ in range(2 * MAX_HEAD_BYTES // 1024):
        writer.write(b"X-More: " + b"x" * 1014 + b"\r\n")
        await writer.drain()
    await reader.readexactly(1)


async def test_a_missing_queue_is_a_503_until_it_is_there(tmp_path: Path, vhost_url: str) -> None:
    """What the broker cannot route is not acknowledged; once a queue is bound it is."""
    async with running(ingress := IngressProcess(tmp_path, vhost_url)) as sender:
        assert await (await ready(sender)).post() == 200
        connection = await aio_pika.connect(vhost_url, timeout=10)
        async with connection:
            channel = await connection.channel()
            await channel.queue_delete(topology.STRIPE_QUEUE)
            assert await sender.post() == 503
            await ingress.logged("request", 5, status=503, outcome="unroutable")
            (stripe,) = (queue for queue in topology.QUEUES if queue.name == topology.STRIPE_QUEUE)
            queue = await channel.declare_queue(stripe.name, durable=True, arguments=stripe.arguments)
            await queue.bind(topology.STRIPE, "#")
            assert await sender.post("evt_2") == 200


async def test_a_topology_that_contradicts_ours_ends_the_process(tmp_path: Path, vhost_url: str) -> None:
    """A queue with other arguments is named in the last line, and the exit code is 1."""
    connection = await aio_pika.connect(vhost_url, timeout=10)
    async with connection:
        channel = await connection.channel()
        await channel.declare_queue(topology.STRIPE_QUEUE, durable=True)
    async with running(ingress := IngressProcess(tmp_path, vhost_url)):
        assert await ingress.child.ended(within_s=20) == 1
    (line,) = ingress.lines("giving_up")
    assert topology.STRIPE_QUEUE in line["reason"]


async def test_a_taken_port_ends_the_process(tmp_path: Path, vhost_url: str) -> None:
    """The exit code is 1 and the line names the port."""
    async with running(first := IngressProcess(tmp_path / "first", vhost_url)):
        second = IngressProcess(tmp_path / "second", vhost_url, PORT=str(first.port))
        second.child.start()
        try:
            assert await second.child.ended(within_s=20) == 1
        finally:
            second.child.kill()
        (line,) = second.lines("cannot_listen")
        assert line["port"] == first.port


async def test_the_log_keeps_the_secrets(tmp_path: Path, vhost_url: str) -> None:
    """Neither the broker's password nor a signature is in the log of a whole life."""
    url = vhost_url.replace("guest:guest@", "guest:wrong-hush@")
    ingress = IngressProcess(tmp_path, url, LOG_LEVEL="DEBUG", STRIPE_WEBHOOK_SECRET="whsec_hush")
    async with running(ingress) as sender:
        await ingress.logged("broker_away", 20)
        assert await sender.post() == 400
        assert await ingress.child.stop() == 0
    assert "hush" not in ingress.child.text()
    assert signature_header(event_body()).partition("v1=")[2] not in ingress.child.text()


NO_TOKENS = {"JWT_SECRET": "", "JWT_ISSUER": "", "JWT_AUDIENCE": ""}


async def test_webhooks_alone_know_of_no_tokens(tmp_path: Path, vhost_url: str) -> None:
    """With ROUTES=webhook the process starts without a setting of tokens, stores webhooks, and has nothing else to offer."""
    async with running(IngressProcess(tmp_path, vhost_url, ROUTES="webhook", **NO_TOKENS)) as sender:
        assert await (await ready(sender)).post() == 200
        assert await sender.get("/metrics") == 200
        for path in ("/api/payments/user", "/openapi.json", "/docs"):
            assert await sender.get(path) == 404


@pytest.mark.parametrize("routes", ["", "public", "webhook,admin"])
async def test_the_api_does_not_start_without_tokens(tmp_path: Path, vhost_url: str, routes: str) -> None:
    """With public or admin routes and nothing to verify tokens by, the process ends with 2 and names what is missing."""
    ingress = IngressProcess(tmp_path, vhost_url, ROUTES=routes, **NO_TOKENS)
    ingress.child.start()
    try:
        assert await ingress.child.ended(within_s=20) == 2
    finally:
        ingress.child.kill()
    assert "need JWT_SECRET, JWKS_URL or JWKS_FILE" in ingress.child.text()
