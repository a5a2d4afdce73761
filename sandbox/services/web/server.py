"""The shop on a port, inside the running event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

STARTED_POLL_S = 0.01
CLOSE_S = 2
"""A browser keeps its connection open for minutes: it must not delay the end."""


@asynccontextmanager
async def serve(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve until the block ends; gives the address. Port 0 takes a free one."""
    listening = socket.create_server((host, port))
    config = uvicorn.Config(
        app, lifespan="off", log_level="warning", access_log=False, timeout_graceful_shutdown=CLOSE_S, ws="none"
    )
    server = uvicorn.Server(config)
    # `serve` would take the process's signals for itself.
    task = asyncio.create_task(server._serve([listening]))  # noqa: SLF001
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the shop ended before it was ready")
            await asyncio.sleep(STARTED_POLL_S)
        yield f"http://{host}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listening.close()
