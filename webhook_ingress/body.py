"""Reading a request's body up to a limit, and the answer to a body beyond it."""

import asyncio
from enum import Enum

from starlette.types import Message, Receive, Scope, Send

from webhook_ingress.problems import Problem

MAX_BODY_BYTES = 256 * 1024
"""Stripe's largest events are near 200 KiB (docs/reliability.md, rule 23)."""

LINGER_S = 2.0
LINGER_BYTES = 8 * 1024 * 1024
"""How long, and for how much, we read on and forget after a 413: a socket closed with unread bytes in it is reset, and
the sender would see the reset instead of the answer."""


class BadBody(Enum):
    """Why there is no body."""

    TOO_LARGE = "body_too_large"
    SENDER_GONE = "sender_gone"


async def read(receive: Receive, declared_bytes: int | None, *, limit_bytes: int = MAX_BODY_BYTES) -> bytes | BadBody:
    """Read the whole body, or stop at the limit: by its declared length before the first byte, else by counting."""
    if declared_bytes is not None and declared_bytes > limit_bytes:
        return BadBody.TOO_LARGE
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return BadBody.SENDER_GONE
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit_bytes:
            return BadBody.TOO_LARGE
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class LingeringProblem(Problem):
    """Answers at once, then lets the sender finish for a moment before the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        headers = [*self.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        try:
            async with asyncio.timeout(LINGER_S):
                await _discard(receive)
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _discard(receive: Receive) -> None:
    size = 0
    message: Message = {"type": "http.request", "more_body": True}
    while message.get("more_body", False) and size <= LINGER_BYTES:
        message = await receive()
        size += len(message.get("body", b""))
