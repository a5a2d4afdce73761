"""What roll-ups read and write, in memory: passes the same suite as the real thing (tests/conformance/queries)."""

from collections.abc import AsyncIterator, Iterable, Sequence
from copy import deepcopy
from datetime import datetime, timedelta

from worker.domain.record import Payment
from worker.jobs.rollups import Change, Marked
from worker.stats import Tally


class MemoryStats:
    """Statistics over payments by id. `pause` is awaited before and after each write and read, and may crash there."""

    def __init__(self, payments: dict[str, Payment]) -> None:
        self.payments = payments
        self.found_by: dict[str, set[datetime]] = {}
        self.quarters: dict[datetime, tuple[int, dict[str, Tally]]] = {}
        self.until: datetime | None = None
        self.turn: tuple[str, datetime] | None = None
        self.progress: dict[str, datetime] = {}

    async def pause(self) -> None:
        """A test may take its turn here, or stop the world."""

    async def take_turn(self, owner: str, now: datetime, every: timedelta) -> bool:
        if self.turn is not None:
            holder, at = self.turn
            mine = holder == owner and at <= now
            if not (mine or at <= now - 2 * every or at > now + timedelta(hours=1)):
                return False
        self.turn = (owner, now + every)
        return True

    async def mark(self) -> datetime | None:
        await self.pause()
        return self.until

    async def advance(self, mark: datetime) -> None:
        await self.pause()
        self.until = max(mark, self.until) if self.until else mark
        await self.pause()

    async def first_change(self) -> datetime | None:
        return min((payment.updated_at for payment in self.payments.values()), default=None)

    async def changed(self, since: datetime, until: datetime | None) -> list[Change]:
        await self.pause()
        return [
            Change(payment.id, payment.version)
            for payment in self.payments.values()
            if since <= payment.updated_at and (until is None or payment.updated_at < until)
        ]

    async def load(self, ids: Sequence[str]) -> list[Marked]:
        await self.pause()
        return [
            Marked(self.payments[name], frozenset(self.found_by.get(name, ()))) for name in ids if name in self.payments
        ]

    async def mark_quarters(self, marks: Iterable[Marked]) -> None:
        for one in marks:
            await self.pause()
            self.found_by.setdefault(one.payment.id, set()).update(one.quarters)
        await self.pause()

    async def version(self, quarter: datetime) -> int | None:
        await self.pause()
        return self.quarters[quarter][0] if quarter in self.quarters else None

    async def of_quarter(self, quarter: datetime) -> AsyncIterator[Payment]:
        await self.pause()
        for name, found in list(self.found_by.items()):
            if quarter in found:
                yield self.payments[name]
                await self.pause()

    async def put(self, quarter: datetime, version: int | None, tallies: dict[str, Tally]) -> bool:
        await self.pause()
        stored = self.quarters.get(quarter)
        if (stored[0] if stored else None) != version:
            return False
        self.quarters[quarter] = ((version or 0) + 1, deepcopy(tallies))
        await self.pause()
        return True

    async def period(
        self, since: datetime, until: datetime, currency: str | None
    ) -> AsyncIterator[tuple[datetime, list[tuple[str, Tally]]]]:
        for quarter, (_, tallies) in self.quarters.items():
            if since <= quarter < until:
                yield quarter, [(name, one) for name, one in tallies.items() if currency in {None, name}]

    async def add_quarters(self, quarters: set[datetime]) -> None:
        for quarter in quarters:
            await self.pause()
            self.quarters.setdefault(quarter, (0, {}))

    async def all_quarters(self, after: datetime | None) -> list[datetime]:
        return sorted(quarter for quarter in self.quarters if after is None or quarter > after)

    async def rebuilt(self) -> tuple[datetime | None, datetime | None]:
        return self.progress.get("marked"), self.progress.get("counted")

    async def note_rebuild(self, *, marked: datetime | None = None, counted: datetime | None = None) -> None:
        await self.pause()
        done = {"marked": marked, "counted": counted}
        self.progress |= {name: value for name, value in done.items() if value}

    async def end_rebuild(self) -> None:
        await self.pause()
        self.progress.clear()
