"""A database outage pauses consumption: otherwise every message would walk through the delay tiers while it lasts.

After it consumption begins with little (pace.py): a database that answers one probe may yet fail under all at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

import structlog
from aio_pika.exceptions import AMQPError

from worker.adapters.consumer import Consumer
from worker.pace import Pace

PROBE_EVERY_S = 1.0
MORE_EVERY_S = 1.0
"""One more delivery at a time, though none of those in work ends: they may wait for Stripe."""

RESUME_S = 10.0

log = structlog.get_logger()


class Outage:
    """Pauses all consumers when one finds the database away, probes with a ping, and resumes them, slowly."""

    def __init__(self, consumers: Sequence[Consumer], pace: Pace, ping: Callable[[], Awaitable[bool]]) -> None:
        self._consumers = consumers
        self._pace = pace
        self._ping = ping
        self._begun = asyncio.Event()

    @property
    def on(self) -> bool:
        return self._begun.is_set()

    def begin(self) -> None:
        """Told by a consumer whose delivery met no database."""
        self._begun.set()

    def over(self) -> None:
        """We are stopping: what waits for its place goes back."""
        self._pace.free()

    async def run(self) -> None:
        """Wait for outages and sit them out, for ever."""
        while True:
            await self._begun.wait()
            since = monotonic()
            log.error("database_away", consumers="paused")
            self._pace.hold()
            await asyncio.gather(*(consumer.pause() for consumer in self._consumers))
            while not await self._ping():  # noqa: ASYNC110 - the database tells nobody that it is back
                await asyncio.sleep(PROBE_EVERY_S)
            self._pace.start()
            self._begun.clear()  # before they consume: one of them may find it away again
            while not await self._resumed():  # noqa: ASYNC110 - nor does the broker
                await asyncio.sleep(PROBE_EVERY_S)
            log.info("database_back", after_s=round(monotonic() - since, 1))
            await self._quicken()

    async def _quicken(self) -> None:
        """Until all is as before, or the next outage."""
        while self._pace.slow and not self.on:
            await asyncio.sleep(MORE_EVERY_S)
            self._pace.more()

    async def _resumed(self) -> bool:
        """Whether all consume again; meanwhile the broker may be away, too, and that is the watchdog's to judge."""
        try:
            async with asyncio.timeout(RESUME_S):
                for consumer in self._consumers:
                    await consumer.resume()
        except (AMQPError, ConnectionError, OSError, RuntimeError, TimeoutError):
            return False
        return True
