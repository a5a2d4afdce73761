"""uvicorn with limits on what a sender may hold, and a stop in the order that docs/reliability.md, rule 16 gives."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from structlog.typing import FilteringBoundLogger
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_CONNECTIONS = 1024
"""Beyond it a request is answered 503 unread. Four times the webhooks in flight: probes get through a full house."""

REQUEST_TIMEOUT_S = 6.0
"""From the first byte (or from the connection) to the last of the body. With the 2.5 s of a confirm it fits the grace."""

KEEP_ALIVE_S = 75
"""Longer than a load balancer's usual 60 s: it must be the one that closes, or it sends into a closing connection."""

MAX_HEAD_BYTES = 64 * 1024
"""httptools has no limit of its own on a request line with its headers."""

GRACE_S = 10
"""How long running requests may take to finish after SIGTERM."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection that takes too long to send a request, or whose headers never end.

    One timer per connection runs on from request to request and looks at the deadline when it fires: setting and
    cancelling a timer costs more than everything else here.
    """

    _deadline_s: float | None = None
    _timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(transport)
        self._expect_a_request()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        began_in_head = self._in_head
        super().data_received(data)
        if began_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.abort()

    def on_message_begin(self) -> None:
        self._expect_a_request()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._deadline_s = None
        super().on_message_complete()

    def _expect_a_request(self) -> None:
        self._deadline_s = self.loop.time() + REQUEST_TIMEOUT_S
        if self._timer is None:
            self._timer = self.loop.call_later(REQUEST_TIMEOUT_S, self._look_at_the_deadline)

    def _look_at_the_deadline(self) -> None:
        self._timer = None
        if self._deadline_s is None:
            return
        left_s = self._deadline_s - self.loop.time()
        if left_s <= 0:
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(left_s, self._look_at_the_deadline)


class Server(uvicorn.Server):
    """Serves until the first SIGTERM or SIGINT, then drains; the second ends the process at once.

    A drain lasts long enough for an answer that may take `answer_s` seconds.
    """

    def __init__(self, app: ASGIApp, log: FilteringBoundLogger, *, answer_s: int = 0) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=max(GRACE_S, answer_s + 1),
            )
        )
        self._log = log

    def stop(self) -> None:
        """Begin to drain."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or []:
            host, port = listening.getsockname()[:2]
            self._log.info("listening", host=host, port=port)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Replace uvicorn's handling, which would raise the signal again after a clean stop."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self.should_exit:
            self._log.warning("stopped_at_once", signal=number.name)
            os._exit(128 + number)
        self._log.info("draining", signal=number.name)
        self.stop()


def bind(host: str, port: int) -> socket.socket:
    """Take the port before anything else starts, or raise OSError."""
    options: dict[str, Any] = {"family": socket.AF_INET6} if ":" in host else {}
    return socket.create_server((host, port), backlog=MAX_CONNECTIONS, **options)
