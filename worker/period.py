"""Statistics of a period: reads its quarters of an hour and adds them up. What it costs grows with the period alone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from contracts.queries import GetPaymentStats, QueryRefusal, QueryRefusalCode, StatsView
from worker.series import Sums, starts, widened
from worker.stats import Tally

LONGEST = timedelta(days=400)
"""A year and some days, so that two can overlap; some 38,000 quarters."""

MOST_POINTS = 1_000
"""A day by quarters of an hour, a month by hours, a year by days; more would outgrow an answer."""

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
BREATH = 200
"""Quarters added up before others get their turn on the loop."""


class Quarters(Protocol):
    """Raises StoreUnavailable when the database does not answer."""

    async def mark(self) -> datetime | None:
        """Until when all changes are counted."""

    def period(
        self, since: datetime, until: datetime, currency: str | None
    ) -> AsyncIterator[tuple[datetime, list[tuple[str, Tally]]]]:
        """Each quarter of a period that has anything, in no order, and its tallies by currency."""


class Periods:
    """Answers `payment.get_stats`."""

    def __init__(self, quarters: Quarters) -> None:
        self._quarters = quarters

    async def stats(self, query: GetPaymentStats) -> StatsView | QueryRefusal:
        """The figures of a period by currency, or which rule the query breaks."""
        zone = _zone(query.timezone)
        if zone is None:
            return _invalid("is no time zone of the IANA database", "timezone")
        if not EARLIEST <= query.since < query.until <= LATEST:
            return _invalid("must lie after `since`, and both in the years from 2000 to 2199", "until")
        if query.until - query.since > LONGEST:
            return _invalid(f"must lie at most {LONGEST.days} days after `since`", "until")
        since, until = widened(query.since, query.until)
        steps = starts(since, until, zone, query.step) if query.step else []
        if len(steps) > MOST_POINTS:
            return TOO_MANY_POINTS
        sums = Sums(steps)
        as_of = await self._quarters.mark()  # before the quarters: what is told must not be newer than what is counted
        number = 0
        async for quarter, tallies in self._quarters.period(since, until, query.currency):
            sums.add(quarter, tallies)
            number += 1
            if number % BREATH == 0:
                await asyncio.sleep(0)
        if sums.points > MOST_POINTS:
            return TOO_MANY_POINTS
        return StatsView(since=since, until=until, timezone=query.timezone, as_of=as_of, currencies=sums.stats())


def _zone(name: str) -> ZoneInfo | None:
    """None for what the database lacks; it tells so in several ways, one of them for the name of a folder."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _invalid(rule: str, field: str) -> QueryRefusal:
    return QueryRefusal(code=QueryRefusalCode.INVALID, message=rule, field=f"data.{field}")


TOO_MANY_POINTS = _invalid(f"makes more than {MOST_POINTS} points: take a longer step, or name a currency", "step")
