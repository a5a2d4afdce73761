"""The sweeper: looks at every payment whose `check_at` has come. The one mechanism for 'later' (ARCHITECTURE)."""

import asyncio

import structlog

from worker.errors import StoreUnavailable, WorkerError
from worker.handler import Clock, Handler
from worker.ports import Store

EVERY_S = 0.5
BATCH = 50
AT_ONCE = 10
"""Payments looked at at once; each may wait for Stripe."""

TICK_DEADLINE_S = 120

log = structlog.get_logger()


class Sweeper:
    """Ticks what is due. Several may run at once: a tick records its send before it begins, so one of them wins."""

    def __init__(self, store: Store, handler: Handler, clock: Clock) -> None:
        self._store = store
        self._handler = handler
        self._clock = clock

    async def run(self) -> None:
        """Sweep for ever; at once again while a full batch was due."""
        while True:
            try:
                swept = await self.sweep()
            except StoreUnavailable:
                log.warning("sweeper_waits", reason="database away")
                swept = 0
            if swept < BATCH:
                await asyncio.sleep(EVERY_S)

    async def sweep(self) -> int:
        """Look at one batch of due payments; tell how many there were."""
        due = await self._store.due(self._clock(), BATCH)
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for payment_id in due:
                tasks.create_task(self._tick(payment_id, slots))
        return len(due)

    async def _tick(self, payment_id: str, slots: asyncio.Semaphore) -> None:
        async with slots:
            try:
                async with asyncio.timeout(TICK_DEADLINE_S):
                    report = await self._handler.tick(payment_id)
            except (WorkerError, TimeoutError) as error:
                log.warning("tick_failed", payment_id=payment_id, error=type(error).__name__)
                return
            except Exception:
                log.exception("tick_crashed", payment_id=payment_id)
                return
        log.info(
            "tick",
            payment_id=payment_id,
            why=report.why,
            to_status=report.to_status,
            calls=report.calls,
            events=report.events,
        )
