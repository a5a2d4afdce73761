"""One simulated worker process: the production handler and jobs, on a store, a Stripe and a broker that fail."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.fake_stripe import FakeStripe
from tests.fakes import MemoryOutbox, MemoryStore
from tests.promises import assert_heeds_cancels
from tests.simulation.chance import APART, Chance, Clock, OwnClock, Trouble
from tests.simulation.hostile import HostileGateway, HostileOutbox, HostileStore
from tests.simulation.walks import Walks
from worker.domain.messages import Cancel
from worker.domain.policy import Policy
from worker.domain.record import Payment
from worker.handler import Handler
from worker.jobs.relay import Relay
from worker.jobs.sweeper import Sweeper


class FarCustomers:
    """See ports.Customers: the other aggregate, which is not always there yet."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    async def ensure(self, user_id: str, issued_at: datetime | None = None) -> str | None:
        del issued_at
        await self._chance.while_passes()
        return None if self._chance.happens(0.3, "customer not there yet") else f"cus_{user_id}"


class WatchedStore(MemoryStore):
    """Refuses, loudly, to open a payment that a cancel forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.cancels: list[Cancel] = []

    async def commit(self, before: Payment | None, after: Payment) -> Payment | None:
        if before is None and after.id not in self.payments:
            of_order = [payment for payment in self.payments.values() if payment.order_id == after.order_id]
            assert_heeds_cancels(after, of_order, [c for c in self.cancels if c.order_id == after.order_id])
        return await super().commit(before, after)


@dataclass(frozen=True)
class Surroundings:
    """What all workers of a run share; `clock` is the true time, and Stripe's."""

    chance: Chance
    clock: Clock
    store: MemoryStore
    stripe: FakeStripe
    outbox: MemoryOutbox
    walks: Walks
    policy: Policy


class Worker:
    """One process: what it does stops where it is when the process dies."""

    def __init__(self, around: Surroundings, name: str) -> None:
        chance = around.chance
        self.name = name
        self.clock = OwnClock(around.clock, 0)
        self._chance = chance
        if Trouble.CLOCKS in chance.troubles:
            self.set_clock()
        store = HostileStore(around.store, chance)
        gateway = HostileGateway(around.stripe, around.clock, chance)
        outbox = HostileOutbox(around.outbox, chance)
        self.handler = Handler(store, gateway, outbox, FarCustomers(chance), self.clock, policy=around.policy)
        jobs = [Relay(store, outbox, self.clock).run(), Sweeper(store, self.handler, self.clock).run()]
        if around.walks.on:
            jobs.append(around.walks.job(self.clock).run())
        self.deliveries: list[asyncio.Task[Any]] = []
        self._jobs = [asyncio.create_task(job) for job in jobs]

    def set_clock(self) -> None:
        """Its clock is off, or leaps: forward or back."""
        before, self.clock.off_s = self.clock.off_s, self._chance.wild.choice(APART)
        if before != self.clock.off_s and not self._chance.calm:
            self._chance.inject(Trouble.CLOCKS)
            self._chance.tell(f"  {self.name}'s clock goes from {before:+d} s to {self.clock.off_s:+d} s")

    def do(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.create_task(work)
        self.deliveries.append(task)
        task.add_done_callback(self.deliveries.remove)
        return task

    def cut(self) -> None:
        """The broker's connection drops: every delivery is canceled where it is, and the jobs go on."""
        for task in list(self.deliveries):
            self._chance.inject("delivery canceled")
            task.cancel()

    async def die(self) -> None:
        tasks = [*self._jobs, *self.deliveries]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
