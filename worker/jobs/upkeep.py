"""What somebody deletes on the broker under a running worker is declared again, or ends the worker by name.

A consumer brings its own queue back by itself. Nobody else would notice a missing delay tier, binding or exchange.
"""

import asyncio

import structlog
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import AMQPError, ChannelPreconditionFailed

from contracts import transport

EVERY_S = 15.0
"""With the time that it takes to declare, everything is back within the 35 s that are promised after a broker's return."""

DECLARE_S = 10.0

log = structlog.get_logger()


class Upkeep:
    """Declares the topology on a connection that an alarm does not block; with `passive` it only looks."""

    def __init__(self, connection: AbstractRobustConnection, *, passive: bool) -> None:
        self._connection = connection
        self._passive = passive

    async def run(self) -> None:
        """Declare for ever. Raises NotDeclared or ChannelPreconditionFailed, which no waiting mends."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self._declare()

    async def _declare(self) -> None:
        try:
            async with asyncio.timeout(DECLARE_S):
                await transport.declare(self._connection, passive=self._passive)
        except ChannelPreconditionFailed:
            raise
        except (AMQPError, OSError, RuntimeError, TimeoutError) as error:
            log.info("declare_failed", reason=type(error).__name__)  # the watchdog judges a broker that is away
        except asyncio.CancelledError:
            if transport.cancelled_from_outside():
                raise
            log.info("declare_failed", reason="the connection closed")
