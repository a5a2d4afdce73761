"""Answers on the wire, also broken ones. Resets and truncation need the connection, which uvicorn's `send` belongs to."""

import os
import socket
import struct
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

TRANSPORT = "sandbox.transport"
# SO_LINGER on, zero seconds: closing sends a reset instead of an orderly end.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Headers = list[tuple[bytes, bytes]]


def remember_transport(scope: Scope, send: Send) -> None:
    """Keep the connection in the scope, before Starlette wraps `send`."""
    scope[TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)


@dataclass(frozen=True, slots=True)
class Wire:
    """One request's connection."""

    scope: Scope
    receive: Receive
    send: Send

    async def body(self, limit: int) -> bytes | None:
        """The request's body, or None if it exceeds the limit."""
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                return b""
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= limit:
                chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks) if size <= limit else None

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        await self._start(status, headers, body)
        await self.send({"type": "http.response.body", "body": body})

    async def reset(self) -> None:
        """Cut the connection with a TCP reset, without a byte of an answer."""
        transport = self._transport()
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        transport.abort()
        await self._gone()

    async def truncate(self, status: int, headers: Headers, body: bytes) -> None:
        """Announce the whole body, send half of it and close."""
        transport = self._transport()
        await self._start(status, headers, body)
        await self.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        transport.close()
        await self._gone()

    async def _start(self, status: int, headers: Headers, body: bytes) -> None:
        length = (b"content-length", str(len(body)).encode())
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, length]})

    def _transport(self) -> Any:
        """Asyncio's transport or uvloop's, which share no class."""
        transport = self.scope.get(TRANSPORT)
        if transport is None:
            raise RuntimeError("this fault cuts a TCP connection: run the simulator under uvicorn")
        return transport

    async def _gone(self) -> None:
        """Wait until the server has noticed, or it would complain of a missing answer."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
