"""A storm over the roll-ups: payments change, clocks differ, several workers count at once, and any write may crash."""

import asyncio
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from tests.unit.queries.making import CURRENCIES, MINUTE, NOW, go_on, paid
from worker.domain.record import Payment
from worker.jobs.rollups import Rollups, StatsStore

SKEW = 10 * MINUTE
"""How far two clocks may be apart (docs/reliability.md, fault 32)."""


class Crash(Exception):
    """The worker dies here."""


class Payments(Protocol):
    """Where a test keeps payments."""

    async def put(self, payment: Payment) -> None: ...


class Storm:
    """Rounds of changes and of roll-ups, all drawn from one seed."""

    def __init__(self, seed: int, payments: Payments, store: StatsStore) -> None:
        self.chance = Random(seed)
        self.now = NOW
        self.payments: dict[str, Payment] = {}
        self.crashing = self.freezing = True
        self._keeps, self._store = payments, store
        self._frozen, self._thaw = 0, asyncio.Event()
        self._busy: dict[Rollups, asyncio.Task[None]] = {}
        self._workers = [Rollups(store, self.clock) for _ in range(3)]

    def clock(self) -> datetime:
        """Some worker's clock."""
        return self.now + self.chance.randint(-5, 5) * MINUTE

    async def strike(self) -> None:
        """Called around every read and write of a roll-up: it dies here, or is frozen until some later round."""
        drawn = self.chance.random() if self.crashing else 1
        if drawn < 0.02:
            raise Crash
        if drawn < 0.04 and self.freezing:
            self._frozen += 1
            await self._thaw.wait()
            self._frozen -= 1
        await asyncio.sleep(0)

    async def change(self) -> None:
        """One payment is opened or goes on, by the clock of some worker."""
        at = self.now - timedelta(milliseconds=self.chance.randrange(SKEW // timedelta(milliseconds=1)))
        if self.payments and self.chance.random() < 0.7:
            payment = self.chance.choice(list(self.payments.values()))
            payment = go_on(payment, at, self.chance)
        else:
            number = len(self.payments)
            payment = paid(f"o-{number}", at, currency=self.chance.choice(CURRENCIES), amount=100 + number)
        self.payments[payment.id] = payment
        await self._keeps.put(payment)

    async def round(self) -> None:
        """Some time passes, some payments change, and meanwhile workers catch up, die of it, or stand still for a while."""
        self.now += self.chance.choice((1, 7, 16, 45, 200)) * MINUTE
        for _ in range(self.chance.randint(0, 3)):
            await self.change()
        idle = [worker for worker in self._workers if worker not in self._busy]
        for worker in self.chance.sample(idle, self.chance.randint(0, len(idle))):
            self._busy[worker] = asyncio.create_task(self._catch_up(worker))
        for _ in range(self.chance.randint(0, 3)):
            await self._some_turns()
            await self.change()
        while len(self._busy) > self._frozen:  # noqa: ASYNC110 - they take turns, and none of them tells that it stands still
            await asyncio.sleep(0)
        if self.chance.random() < 0.5:
            self._thaw.set()
            self._thaw = asyncio.Event()

    async def calm(self) -> None:
        """After the storm one worker that knows nothing catches up."""
        self.crashing = False
        self._thaw.set()
        await asyncio.gather(*self._busy.values())
        self.now += timedelta(hours=2)
        await Rollups(self._store, lambda: self.now).catch_up()

    async def _some_turns(self) -> None:
        for _ in range(self.chance.randint(0, 60)):
            await asyncio.sleep(0)

    async def _catch_up(self, worker: Rollups) -> None:
        try:
            await worker.catch_up()
        except Crash:
            self._workers[self._workers.index(worker)] = Rollups(self._store, self.clock)
        del self._busy[worker]
