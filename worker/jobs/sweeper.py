"""The sweeper: looks at every payment whose `check_at` has come. The one mechanism for 'later' (docs/architecture.md).

After an outage thousands may be due at once, and money goes first (docs/reliability.md, rule 20): the call budget sees to it
among those that are being looked at, and the sweeper chooses those.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from worker.ending import end
from worker.errors import StoreUnavailable, WorkerError
from worker.ports import Clock, Due

EVERY_S = 0.5
AT_ONCE = 20
"""Payments looked at at the same time; each may wait for Stripe."""

LOOK_AHEAD = 2000
"""Ids read at a time, with their ranks. Measured on the embedded database, a look takes as long for 500 of 6000 as for 5000."""

LOOK_AGAIN_S = 2.0
"""What has become due since is seen so soon, though a backlog is not worked off."""

LOOK_SHARE = 10
"""A look that takes long is done again after so many times as long: at most a tenth of the time goes into looking."""

IN_TURN = 4
"""Of so many places one goes to the longest overdue, whatever it is: a stream of captures must not keep reads for ever."""

COOL_OFF = timedelta(minutes=1)
"""For a payment whose tick failed: it is still due, and would come first again and again."""

TICK_DEADLINE_S = 300
"""The longest honest tick searches Stripe's lists for a lost create."""

log = structlog.get_logger()


class Waiting(Protocol):
    """Where the aggregates are that wait for a moment: payments, or customers."""

    async def due(self, now: datetime, limit: int) -> list[Due]: ...


class Ticked(Protocol):
    """What a tick tells of itself, for the log."""

    why: str
    to_status: Any
    calls: list[str]
    events: list[str]


class Ticking(Protocol):
    """Who does what is due."""

    async def tick(self, name: str, /) -> Ticked: ...


class Sweeper:
    """Ticks what is due. Several may run at once: a tick records its send before it begins, so one of them wins."""

    def __init__(self, store: Waiting, handler: Ticking, clock: Clock) -> None:
        self._store = store
        self._handler = handler
        self._clock = clock
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._cooling: dict[str, datetime] = {}
        self._waiting: list[Due] = []
        self._look_at = 0.0
        self._places = 0

    async def run(self) -> None:
        """Sweep for ever. A slow payment holds up one of the places, never the others."""
        try:
            while True:
                if len(self._looking) == AT_ONCE:
                    await asyncio.wait(self._looking.values(), return_when=asyncio.FIRST_COMPLETED)
                elif not await self._fill():
                    await asyncio.sleep(EVERY_S)
        finally:
            await end(self._looking.values())

    async def _fill(self) -> bool:
        """Give the free places to what is due; tell whether they are all taken now."""
        if not self._waiting or asyncio.get_running_loop().time() >= self._look_at:
            try:
                self._waiting = await self._due()
            except StoreUnavailable:
                log.warning("sweeper_waits", reason="database away")
                return False
        while self._waiting and len(self._looking) < AT_ONCE:
            payment_id = self._next()
            self._looking[payment_id] = asyncio.create_task(self._look(payment_id))
        return len(self._looking) == AT_ONCE

    async def _due(self) -> list[Due]:
        """What is due and has no place yet, the longest overdue first."""
        loop, now = asyncio.get_running_loop(), self._clock()
        self._cooling = {name: until for name, until in self._cooling.items() if until > now}
        began = loop.time()
        due = await self._store.due(now, LOOK_AHEAD)
        self._look_at = loop.time() + max(LOOK_AGAIN_S, LOOK_SHARE * (loop.time() - began))
        return [one for one in due if one.id not in self._looking and one.id not in self._cooling]

    def _next(self) -> str:
        """Whose place it is: the lowest rank's, of equal ones the longest overdue's; and now and then the longest overdue's."""
        self._places += 1
        oldest = self._waiting[0]
        chosen = oldest if self._places % IN_TURN == 0 else min(self._waiting, key=lambda one: one.rank)
        self._waiting.remove(chosen)
        return chosen.id

    async def _look(self, payment_id: str) -> None:
        try:
            await self._tick(payment_id)
        finally:
            del self._looking[payment_id]

    async def _tick(self, payment_id: str) -> None:
        try:
            async with asyncio.timeout(TICK_DEADLINE_S):
                report = await self._handler.tick(payment_id)
            told = {"why": report.why, "to_status": report.to_status, "calls": report.calls, "events": report.events}
            log.info("tick", payment_id=payment_id, **told)
        except Exception as error:
            self._cooling[payment_id] = self._clock() + COOL_OFF
            if isinstance(error, WorkerError | TimeoutError):
                log.warning("tick_failed", payment_id=payment_id, error=type(error).__name__)
            else:
                log.exception("tick_crashed", payment_id=payment_id)
