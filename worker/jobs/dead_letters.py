"""Dead letters: from their queue to the desk. They are kept there first and acknowledged then, so none is ever in neither.

Nothing here is ever retried by way of the delay tiers, and nothing goes to quarantine: a letter has been through both. With the
database away consumption pauses with that of all other queues (outage.py), and letters wait where they are.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from aio_pika.abc import AbstractIncomingMessage

from contracts import topology
from contracts.transport import Publisher
from worker.adapters.consumer import HANDLER_DEADLINE_S, UNSETTLED_PAUSE_S, Consumer, Way
from worker.adapters.dead_letters import MongoDeadLetters
from worker.adapters.letters import letter_of
from worker.domain.record import Outcome
from worker.errors import StoreUnavailable
from worker.handler import Report
from worker.pace import Pace

PREFETCH = 20
CRASHED_PAUSE_S = 60.0
"""A letter that we cannot keep is a bug of ours. It goes back to its queue so seldom that the broker's count of its deliveries,
which ends at DELIVERY_LIMIT, lasts for two months."""

log = structlog.get_logger()


class Drain(Consumer):
    """Consumes `payments.dead-letters`. Any number of workers may: a letter is named after its message."""

    def __init__(
        self,
        desk: MongoDeadLetters,
        publisher: Publisher,
        clock: Callable[[], datetime],
        *,
        pace: Pace,
        on_outage: Callable[[], None],
        crashed_pause_s: float = CRASHED_PAUSE_S,
    ) -> None:
        queue = next(queue for queue in topology.QUEUES if queue.name == topology.DEAD_LETTERS_QUEUE)
        super().__init__(queue, self._keep, publisher, prefetch=PREFETCH, pace=pace, on_outage=on_outage)
        self._desk = desk
        self._clock = clock
        self._crashed_pause_s = crashed_pause_s

    async def _keep(self, message: AbstractIncomingMessage) -> Report:
        letter = letter_of(message, self._clock())
        new = await self._desk.keep(letter)
        why = f"{'kept' if new else 'known'} as {letter.id}, cause {letter.fingerprint}"
        return Report(outcome=Outcome.APPLIED if new else Outcome.STALE, why=why)

    async def _way(self, message: AbstractIncomingMessage, story: dict[str, Any]) -> Way:
        if self._tag is None:
            return await self._return(message)
        try:
            async with asyncio.timeout(HANDLER_DEADLINE_S):
                report = await self._apply(message)
        except (StoreUnavailable, TimeoutError) as error:
            self._on_outage()
            story["error"] = type(error).__name__
            await asyncio.sleep(UNSETTLED_PAUSE_S)
            return await self._return(message)
        except Exception:
            log.exception("dead_letter_not_kept")
            await asyncio.sleep(self._crashed_pause_s)
            return await self._return(message)
        story |= {"outcome": str(report.outcome), "why": report.why}
        self._pace.more()
        await self._ack(message)
        return Way.DONE
