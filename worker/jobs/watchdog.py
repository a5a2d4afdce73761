"""A worker that has had no broker for two minutes ends, so that whoever runs it starts another (docs/reliability.md, rule 16).

Well means that the consumers are registered, not that a socket is open, and that there is a connection to publish on. The
connection of replies is told of in `/ready` and ends nobody: whoever may write a command can have it closed by a bad address.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

import structlog

from contracts.transport import Publisher
from worker.adapters.consumer import Consumer
from worker.adapters.query_consumer import QueryConsumer
from worker.jobs.outage import Outage

EVERY_S = 1.0
LIMIT_S = 120.0
PUBLISH_PROBE_S = 2.0

log = structlog.get_logger()


class BrokerGone(Exception):
    """The broker, or a queue that we consume, has been away for longer than the limit."""


class Watchdog:
    """Watches the consumers, the one of queries too, and the publishing connection."""

    def __init__(
        self, consumers: Sequence[Consumer], queries: QueryConsumer, publisher: Publisher, outage: Outage
    ) -> None:
        self._consumers = consumers
        self._queries = queries
        self._publisher = publisher
        self._outage = outage

    async def run(self) -> None:
        """Watch for ever; raise BrokerGone after LIMIT_S without consumers."""
        well_at, told = monotonic(), False
        while True:
            await asyncio.sleep(EVERY_S)
            if await self._well():
                if told:
                    log.info("broker_back", after_s=round(monotonic() - well_at, 1))
                well_at, told = monotonic(), False
                continue
            if not told:
                log.warning("broker_away")
                told = True
            if monotonic() - well_at > LIMIT_S:
                raise BrokerGone(f"no broker, or nothing to consume, for {LIMIT_S:g} s")

    async def _well(self) -> bool:
        """A database outage pauses the consumers of messages, never that of queries. An alarm blocks publishing and ends
        by itself: it is no reason to die, so the connection is looked at and no confirm awaited.
        """
        if not self._publisher.connected or not await self._queries.registered():
            return False
        return self._outage.on or await self.consuming()

    async def consuming(self) -> bool:
        """Whether every consumer is registered at the broker."""
        registered = await asyncio.gather(*(consumer.registered() for consumer in self._consumers))
        return bool(registered) and all(registered)

    async def probe(self, ping: Callable[[], Awaitable[bool]]) -> dict[str, bool]:
        """Each part by name, for `/ready`."""
        consuming, answering, publishing, database = await asyncio.gather(
            self.consuming(),
            self._queries.registered(),
            self._publisher.probe(PUBLISH_PROBE_S),
            ping(),
        )
        return {
            "consuming": consuming,
            "answering": answering,
            "publishing": publishing,
            "replying": self._publisher.can_reply,
            "database": database,
        }
