"""The relay's sweep: events whose publish failed, or whose worker died before it could, are sent from here."""

import asyncio
from datetime import timedelta

import structlog

from worker.errors import StoreUnavailable
from worker.ports import Clock, Outbox, Store

EVERY_S = 2.0
OLDER_THAN = timedelta(seconds=10)
"""Younger ones are being published right now by whoever committed them, or wait to be marked."""

BATCH = 100

log = structlog.get_logger()


class Relay:
    """Sends what is unsent. Several may run at once: an event then goes out more than once, under the same id."""

    def __init__(self, store: Store, outbox: Outbox, clock: Clock) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.sweep(OLDER_THAN)
            except StoreUnavailable:
                log.warning("relay_waits", reason="database away")

    async def sweep(self, older_than: timedelta) -> int:
        """Publish one batch of unsent events older than this; tell how many went out."""
        found = await self._store.unsent(self._clock() - older_than, BATCH)
        sent = 0
        for payment in found:
            try:
                sent += await self._outbox.publish(payment, [event for event in payment.events if not event.sent])
            except Exception:
                log.exception(
                    "relay_crashed", payment_id=payment.id
                )  # one that cannot be told must not silence the others
        if sent:
            log.info("relayed", payments=len(found), events=sent)
        return sent
