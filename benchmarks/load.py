"""A sender of HTTP requests that costs as little as it can, so that it is not what is measured."""

import asyncio
import time
from collections.abc import Iterable, Iterator

CONNECTIONS = 32
"""Enough to keep a process busy while confirms are on their way, few enough that none waits long."""

DEADLINE_S = 60.0
"""A sample that takes longer is a hang."""

CONTENT_LENGTH = b"content-length: "


class Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is complete; every answer must be a 200 or a 201."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received = b""
        self.answered = 0

    async def run(self, port: int) -> None:
        """Connect and send until there is no request left."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        await self._done

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvloop's has no such base
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(CONTENT_LENGTH)[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        if not head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 201 ")):
            self._fail(RuntimeError(self._received.decode()))
            return
        self._received = b""
        self.answered += 1
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionError("the connection was closed before its answer"))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self._transport.write(request)
            return
        if not self._done.done():
            self._done.set_result(None)
        self._transport.close()

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)


async def send(port: int, requests: Iterable[bytes]) -> tuple[int, float]:
    """Send them all over CONNECTIONS connections; return how many were answered, and in how many seconds."""
    waiting = iter(requests)
    connections = [Connection(waiting) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*(connection.run(port) for connection in connections))
    return sum(connection.answered for connection in connections), time.perf_counter() - began
