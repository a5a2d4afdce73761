"""Counts all statistics anew from all payments: after a repair by hand, or a clock that was far ahead.

Workers may go on meanwhile, for each quarter is set by compare-and-swap. One that was interrupted goes on where it was;
what changed in between is the roll-ups' to count.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from worker.jobs.rollups import BATCH, WINDOW, StatsStore, mark, recount

NOTED_EVERY = 50
"""Quarters counted before it is noted how far it came: what an interruption does twice."""


class Phase(StrEnum):
    """First every quarter that anything counts in is found, then each is counted."""

    LOOKING = "looking at payments"
    COUNTING = "counting quarters of an hour"


Report = Callable[[Phase, int, int], None]
"""Is told how far a phase is: done, of how many."""


class RebuildStore(StatsStore, Protocol):
    """What a rebuild needs besides."""

    async def add_quarters(self, quarters: set[datetime]) -> None:
        """Let these quarters exist, so that `all_quarters` names them."""

    async def all_quarters(self, after: datetime | None) -> list[datetime]:
        """Every quarter that exists and lies after this one, the oldest first."""

    async def rebuilt(self) -> tuple[datetime | None, datetime | None]:
        """How far a rebuild that was interrupted had come: changes looked at until, quarters counted through."""

    async def note_rebuild(self, *, marked: datetime | None = None, counted: datetime | None = None) -> None:
        """Note how far it has come."""

    async def end_rebuild(self) -> None:
        """Forget how far it had come: it is done."""


async def rebuild(store: RebuildStore, now: datetime, report: Report) -> int:
    """Count every quarter; tell how many. Raises StoreUnavailable, and a repeat goes on."""
    marked, counted = await store.rebuilt()
    if counted is None:
        marked = await _look(store, marked, now, report)
    left = await store.all_quarters(counted)
    for number, quarter in enumerate(left, 1):
        await recount(store, quarter)
        if number % NOTED_EVERY == 0 or number == len(left):
            await store.note_rebuild(counted=quarter)
        report(Phase.COUNTING, number, len(left))
    await store.advance(marked or now)
    await store.end_rebuild()
    return len(left)


async def _look(store: RebuildStore, since: datetime | None, now: datetime, report: Report) -> datetime:
    """Find all quarters by all changes from `since` on; return until when all are looked at."""
    first = since or await store.first_change() or now
    since, whole = first, max(now - first, timedelta(seconds=1))
    while True:
        until = since + WINDOW
        last = until >= now
        changes = await store.changed(since, None if last else until)
        for start in range(0, len(changes), BATCH):
            touched = await mark(store, [change.payment_id for change in changes[start : start + BATCH]])
            await store.add_quarters(touched)
        since = min(until, now)
        await store.note_rebuild(marked=since)
        report(Phase.LOOKING, (since - first) // timedelta(seconds=1), whole // timedelta(seconds=1))
        if last:
            return since
