"""Published keys: kept, refreshed, rotated, and never fetched as often as somebody might like."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from jwt import PyJWK
from jwt.exceptions import PyJWKClientConnectionError

from tests.unit.webhook_ingress.keyring import as_json, jwk, jwks
from webhook_ingress.keys import (
    COOLDOWN_S,
    FRESH_S,
    RETRY_S,
    STALE_S,
    KeyRing,
    KeysUnavailable,
    from_file,
    from_url,
)


class Publisher:
    """Somebody's keys, and how often they were read. An error in place of keys is raised."""

    def __init__(self, *kids: str) -> None:
        self.kids = kids
        self.error: Exception | None = None
        self.reads = 0
        self.now = 1000.0
        self.ring = KeyRing(self.read, clock=lambda: self.now)

    def read(self) -> list[PyJWK]:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return [PyJWK(jwk(kid)) for kid in self.kids]

    async def knows(self, kid: str | None) -> bool:
        return await self.ring.find(kid) is not None


async def test_keys_are_read_once() -> None:
    """However many ask at once and afterwards, the keys are read a single time."""
    publisher = Publisher("rsa")
    assert all(await asyncio.gather(*(publisher.knows("rsa") for _ in range(50))))
    assert await publisher.knows("rsa")
    assert publisher.reads == 1


async def test_a_rotated_key_is_found() -> None:
    """A key that is not known yet has the keys read again, and then it is."""
    publisher = Publisher("rsa")
    assert await publisher.knows("rsa")
    publisher.kids = ("rsa", "ec")
    publisher.now += COOLDOWN_S
    assert await publisher.knows("ec")
    assert publisher.reads == 2


async def test_invented_names_do_not_make_us_read() -> None:
    """Unknown keys have the keys read once per cooldown, not once per token."""
    publisher = Publisher("rsa")
    assert await publisher.knows("rsa")
    for _ in range(3):
        publisher.now += COOLDOWN_S
        assert not any([await publisher.knows(f"invented-{number}") for number in range(20)])
    assert publisher.reads == 4


async def test_keys_are_refreshed_beside_the_requests() -> None:
    """After a while the old keys still answer at once, and a withdrawn one is gone when the new ones are there."""
    publisher = Publisher("rsa", "ec")
    assert await publisher.knows("ec")
    publisher.kids = ("rsa",)
    publisher.now += FRESH_S + 1
    assert await publisher.knows("ec")
    assert publisher.ring._reading is not None
    await publisher.ring._reading
    assert not await publisher.knows("ec")
    assert publisher.reads == 2


async def test_old_keys_outlive_an_outage() -> None:
    """While those who publish them are away old keys are used, but not for ever."""
    publisher = Publisher("rsa")
    assert await publisher.knows("rsa")
    publisher.error = PyJWKClientConnectionError("away")
    publisher.now += STALE_S - 1
    assert await publisher.knows("rsa")
    publisher.now += 2
    with pytest.raises(KeysUnavailable):
        await publisher.knows("rsa")


@pytest.mark.parametrize("error", [PyJWKClientConnectionError("away"), OSError("away"), ValueError("no JSON")])
async def test_without_keys_nobody_can_be_known(error: Exception) -> None:
    """Until the keys could be read once that is said, and they are tried again soon, not at every request."""
    publisher = Publisher("rsa")
    publisher.error = error
    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            await publisher.knows("rsa")
    assert publisher.reads == 1
    publisher.error = None
    publisher.now += RETRY_S
    assert await publisher.knows("rsa")


async def test_a_cancelled_request_does_not_stop_the_reading() -> None:
    """One caller who leaves takes nobody's keys away."""
    publisher, release = Publisher("rsa"), threading.Event()
    read = publisher.read

    def slow() -> list[PyJWK]:
        release.wait(10)
        return read()

    ring = KeyRing(slow, clock=lambda: publisher.now)
    impatient, patient = asyncio.create_task(ring.find("rsa")), asyncio.create_task(ring.find("rsa"))
    await asyncio.sleep(0)
    impatient.cancel()
    release.set()
    assert await patient is not None


async def test_a_name_may_be_left_out_where_there_is_one_key() -> None:
    """A token without a `kid` is for the only key, and for none of several."""
    assert await Publisher("rsa").knows(None)
    assert not await Publisher("rsa", "ec").knows(None)


async def test_a_file_is_read_again(tmp_path: Path) -> None:
    """Keys in a file can be replaced while the process runs."""
    path = tmp_path / "jwks.json"
    path.write_text(as_json(jwks(jwk("rsa"))))
    now = 0.0
    ring = KeyRing(from_file(path), clock=lambda: now)
    assert await ring.find("rsa") is not None
    path.write_text(as_json(jwks(jwk("ec"))))
    now = COOLDOWN_S
    assert await ring.find("ec") is not None
    assert await ring.find("rsa") is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"keys": []}', '{"keys": [{"kty": "what"}]}', "{'keys'"])
async def test_a_file_without_keys_has_none(tmp_path: Path, content: str) -> None:
    """What is no JWKS, or an empty one, makes nobody known."""
    path = tmp_path / "jwks.json"
    path.write_text(content)
    with pytest.raises(KeysUnavailable):
        await KeyRing(from_file(path)).find("rsa")


@contextmanager
def serving(answer: Callable[[], tuple[int, bytes]]) -> Iterator[str]:
    """A server of one document; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/jwks"
        server.shutdown()
        thread.join()


async def test_keys_come_from_an_address() -> None:
    """A JWKS is fetched over HTTP, and an error page is no JWKS."""
    answers = [(500, b"<html>"), (200, b"<html>"), (200, json.dumps(jwks(jwk("rsa"))).encode())]
    now = 0.0
    with serving(lambda: answers.pop(0)) as url:
        ring = KeyRing(from_url(url), clock=lambda: now)
        for _ in range(2):
            with pytest.raises(KeysUnavailable):
                await ring.find("rsa")
            now += RETRY_S
        assert await ring.find("rsa") is not None
    assert answers == []
