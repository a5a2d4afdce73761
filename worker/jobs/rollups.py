"""The roll-up: keeps the quarters of an hour that statistics are read from (worker/stats.py) up to date.

A payment that changed is found by its `updated_at`; every quarter that it counts in is counted anew from all payments
of that quarter, and set by compare-and-swap on the version that was read before them. So a crash between any two writes,
a repeat, or another worker at the same time can neither lose a change nor count one twice: what was not finished is found
again, and an older count never overwrites a newer one.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from worker.domain.record import Payment
from worker.errors import StepsExhausted, StoreUnavailable
from worker.ports import Clock
from worker.stats import Tally, count, quarters

EVERY = timedelta(seconds=10)
"""How old statistics are at most, while one worker lives."""

OVERLAP = timedelta(minutes=15)
"""How far behind the newest change one may still turn up: clocks up to ten minutes apart (docs/reliability.md, row 32), and a
commit that took as long as a handler may."""

WINDOW = timedelta(hours=1)
"""How much is caught up at a time after a pause; progress is stored in between."""

BATCH = 200
TRIES = 50
"""Counts of one quarter that another writer may spoil before something is wrong."""

MOST_SEEN = 200_000
BREATH = 100
"""Payments counted before others get their turn on the loop."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Change:
    """One payment that changed, and how often it has by now."""

    payment_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Marked:
    """A payment, and the quarters that its document says it counts in."""

    payment: Payment
    quarters: frozenset[datetime]


class StatsStore(Protocol):
    """Raises StoreUnavailable when the database does not answer. Payments come without what no statistic needs."""

    async def take_turn(self, owner: str, now: datetime, every: timedelta) -> bool:
        """Whether it is this worker's turn now. Saves double work among workers; nothing relies on it."""

    async def mark(self) -> datetime | None:
        """Until when all changes are counted; None before the first time."""

    async def advance(self, mark: datetime) -> None:
        """Note that all changes until this moment are counted. It never goes back."""

    async def first_change(self) -> datetime | None:
        """The oldest `updated_at` of all payments."""

    async def changed(self, since: datetime, until: datetime | None) -> list[Change]:
        """Payments whose `updated_at` lies in the window; without an end also those of clocks that are ahead."""

    async def load(self, ids: Sequence[str]) -> list[Marked]: ...

    async def mark_quarters(self, marks: Iterable[Marked]) -> None:
        """Let each payment be found by these quarters, beside those that it was found by before."""

    async def version(self, quarter: datetime) -> int | None:
        """How often a quarter was set; None when never."""

    def of_quarter(self, quarter: datetime) -> AsyncIterator[Payment]:
        """All payments that are found by a quarter."""

    async def put(self, quarter: datetime, version: int | None, tallies: dict[str, Tally]) -> bool:
        """Set a quarter if it still has this version; tell whether it had."""


class Rollups:
    """Catches up with what changed, again and again. Several may run at once."""

    def __init__(self, store: StatsStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._owner = uuid.uuid4().hex
        self._seen: dict[str, int] = {}

    async def run(self) -> None:
        """Catch up for ever."""
        while True:
            try:
                if await self._store.take_turn(self._owner, self._clock(), EVERY):
                    await self.catch_up()
            except StoreUnavailable:
                log.warning("rollups_wait", reason="database away")
            except Exception:
                log.exception("rollups_crashed")  # statistics must never end a worker
            await asyncio.sleep(EVERY.total_seconds())

    async def catch_up(self) -> int:
        """Count all that changed since the last time; tell how many quarters were counted."""
        now, counted = self._clock(), 0
        mark = await self._store.mark() or await self._store.first_change() or now
        since = min(mark, now) - OVERLAP
        while True:
            until = since + WINDOW
            last = until >= now
            counted += await self._window(since, None if last else until)
            await self._store.advance(min(until, now))
            if last:
                break
            since = until
        if counted:
            log.info("rolled_up", quarters=counted)
        return counted

    async def _window(self, since: datetime, until: datetime | None) -> int:
        changes = await self._store.changed(since, until)
        fresh = [change for change in changes if self._seen.get(change.payment_id) != change.version]
        touched: set[datetime] = set()
        for start in range(0, len(fresh), BATCH):
            touched |= await mark(self._store, [change.payment_id for change in fresh[start : start + BATCH]])
        for quarter in sorted(touched):
            await recount(self._store, quarter)
        kept = {} if until or len(changes) > MOST_SEEN else {change.payment_id: change.version for change in changes}
        self._seen = kept
        return len(touched)


async def mark(store: StatsStore, ids: Sequence[str]) -> set[datetime]:
    """Let payments be found by every quarter that they count in; tell all of these."""
    found = await store.load(ids)
    new = [Marked(one.payment, frozenset(quarters(one.payment)) - one.quarters) for one in found]
    await store.mark_quarters(one for one in new if one.quarters)
    return {quarter for one in (*found, *new) for quarter in one.quarters}


async def recount(store: StatsStore, quarter: datetime) -> None:
    """Count one quarter of an hour from its payments, and set it. Raises StepsExhausted when it is never left alone."""
    for _ in range(TRIES):
        version = await store.version(quarter)
        tallies: dict[str, Tally] = {}
        number = 0
        async for payment in store.of_quarter(quarter):
            count(tallies, payment, quarter)
            number += 1
            if number % BREATH == 0:
                await asyncio.sleep(0)
        if await store.put(quarter, version, tallies):
            return
    raise StepsExhausted(f"the quarter {quarter.isoformat()} changed {TRIES} times while it was counted")
