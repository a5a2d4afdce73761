"""`/health`: the process lives. `/ready`: its consumers are registered, it can publish, and the database answers.

`/metrics` is for Prometheus (metrics.py).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from worker.ops.metrics import CONTENT_TYPE

CACHED_S = 1.0
"""Probes come from several sides; the parts are asked at most once a second."""

Probe = Callable[[], Awaitable[dict[str, bool]]]
Details = Callable[[], dict[str, str]]
Page = Callable[[], bytes]


def no_details() -> dict[str, str]:
    return {}


def no_metrics() -> bytes:
    return b""


def health_app(probe: Probe, details: Details = no_details, page: Page = no_metrics) -> Starlette:
    """The three routes. `probe` names each part and whether it is well, `details` what is told beside and is no part.

    `page` is the text of `/metrics`.
    """
    started = monotonic()
    seen: tuple[float, dict[str, bool]] = (-CACHED_S, {})
    lock = asyncio.Lock()

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "uptime_s": round(monotonic() - started)})

    async def ready(_: Request) -> Response:
        nonlocal seen
        async with lock:
            if monotonic() - seen[0] >= CACHED_S:
                seen = (monotonic(), await probe())
        parts = seen[1]
        well = all(parts.values())
        told = {"status": "ready" if well else "not ready", **parts, **details()}
        return JSONResponse(told, status_code=200 if well else 503)

    async def metrics(_: Request) -> Response:
        return Response(page(), media_type=CONTENT_TYPE)

    return Starlette(routes=[Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)])


class QuietServer(uvicorn.Server):
    """A server inside a program that handles signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the program."""
        yield


def listen(port: int) -> socket.socket:
    """Take the port now, so that a taken one stops the start; 0 takes a free one."""
    listening = socket.socket(socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("0.0.0.0", port))  # noqa: S104 - probed from outside the container
    return listening


def server(app: Starlette) -> QuietServer:
    return QuietServer(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
