"""What somebody deletes on the broker under a running worker is declared again, or is said, where this login may not declare.

A consumer brings its own queue back by itself. Nobody else would notice a missing delay tier, binding or exchange.

What is missing ends nobody: one delay tier is needed by what fails, and a start refuses without it, so that a worker that ends
would take every payment with it. Whether a worker that cannot consume goes on is the watchdog's to judge.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import AMQPError, ChannelClosed, ChannelPreconditionFailed

from contracts import transport
from contracts.errors import NotDeclared

EVERY_S = 15.0
"""With the time that it takes to declare, everything is back within the 35 s that are promised after a broker's return."""

DECLARE_S = 10.0

NO_LONGER = "this login may no longer declare: what is deleted is looked for, and said"

log = structlog.get_logger()


class Upkeep:
    """Declares the topology on a connection that an alarm does not block; with `passive` it only looks.

    `whole` is false while something is missing that this login may not declare: a part of `/ready`.
    """

    def __init__(self, connection: AbstractRobustConnection, *, passive: bool) -> None:
        self._connection = connection
        self._passive = passive
        self._said = ""
        self.whole = True

    async def run(self) -> None:
        """Declare for ever. Raises ChannelPreconditionFailed: no waiting mends a queue that was replaced by another one."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self._declare()

    async def _declare(self) -> None:
        try:
            async with asyncio.timeout(DECLARE_S):
                declared = await transport.declare(self._connection, passive=self._passive)
        except NotDeclared as error:
            self.whole = False
            self._say(log.error, "topology_missing", str(error))
        except ChannelPreconditionFailed:
            raise
        except ChannelClosed as error:
            self._say(log.warning, "declare_refused", str(error))
        except (AMQPError, OSError, RuntimeError, TimeoutError) as error:
            log.info("declare_failed", reason=type(error).__name__)  # the watchdog judges a broker that is away
        except asyncio.CancelledError:
            if transport.cancelled_from_outside():
                raise
            log.info("declare_failed", reason="the connection closed")
        else:
            self._found_whole(may_declare=declared or self._passive)

    def _found_whole(self, *, may_declare: bool) -> None:
        self.whole = True
        if not may_declare:
            self._say(log.warning, "declare_refused", NO_LONGER)
        elif self._said:
            self._said = ""
            log.info("topology_whole")

    def _say(self, level: Callable[..., Any], event: str, reason: str) -> None:
        """Once per change: it is looked every 15 s."""
        if reason != self._said:
            self._said = reason
            level(event, reason=reason)
