"""The simulator on a port, inside the running event loop: what tests and the demo start."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn

from sandbox.stripe.app import Simulator

BACKLOG = 2048
KEEP_ALIVE_S = 75  # a short one would close connections under the clients' hands, a fault that nobody asked for
SHUTDOWN_S = 2  # open keep-alive connections of a client must not delay the end


@dataclass(frozen=True, slots=True)
class Running:
    """A simulator that listens. `address` is what a Stripe client takes as its API base."""

    address: str
    simulator: Simulator


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 finds a free one."""
    return socket.create_server((host, port), backlog=BACKLOG)


def configure(simulator: Simulator) -> uvicorn.Config:
    return uvicorn.Config(
        simulator,
        log_level="warning",
        access_log=False,
        lifespan="on",
        http="httptools",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


@asynccontextmanager
async def serve(simulator: Simulator, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Running]:
    """Serve until the block ends; ready when it begins. The process's signals stay the host program's."""
    config = configure(simulator)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with listen(host, port) as sock:
        await server.startup(sockets=[sock])
        try:
            yield Running(f"http://{host}:{sock.getsockname()[1]}", simulator)
        finally:
            await server.shutdown(sockets=[sock])
