"""Periods in time zones: where the steps of a series begin, and tallies put together into what is shown."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from contracts.queries import CurrencyStats, Figures, Point, SeriesStep
from worker.durations import durations
from worker.stats import QUARTER, Tally, quarter_of

RATE_DIGITS = 4


def widened(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """The period in whole quarters of an hour; both ends in UTC."""
    end = quarter_of(until)
    return quarter_of(since), end if end == until else end + QUARTER


def starts(since: datetime, until: datetime, zone: ZoneInfo, step: SeriesStep) -> list[datetime]:
    """Where each step of a period begins, in UTC. The first and the last may be cut off by the period.

    A step begins at the first quarter of an hour that belongs to it. So the day that clocks go back has 25 hours, and a
    day whose midnight is skipped begins after it. Where clocks go back over a midnight, the later day goes on.
    """
    found: list[datetime] = []
    label: tuple[int, ...] = ()
    for moment in _each_quarter(since, until):
        if (new := _label(moment.astimezone(zone), moment, step)) > label:
            found.append(moment)
            label = new
    return found


def _each_quarter(since: datetime, until: datetime) -> Iterator[datetime]:
    while since < until:
        yield since
        since += QUARTER


def _label(local: datetime, moment: datetime, step: SeriesStep) -> tuple[int, ...]:
    """What all quarters of a step have in common, growing with time."""
    match step:
        case SeriesStep.QUARTER_HOUR:
            return (int(moment.timestamp()),)
        case SeriesStep.HOUR:
            return (local.toordinal(), local.hour, local.fold)
        case SeriesStep.DAY:
            return (local.toordinal(),)
        case SeriesStep.WEEK:
            return local.isocalendar()[:2]
        case SeriesStep.MONTH:
            return (local.year, local.month)


class Sums:
    """Adds quarters up, by currency: the whole period, and each step of its series."""

    def __init__(self, steps: list[datetime]) -> None:
        self._steps = steps
        self._totals: dict[str, Tally] = {}
        self._series: dict[str, dict[int, Tally]] = {}

    @property
    def points(self) -> int:
        """How many points all series have together."""
        return len(self._steps) * len(self._totals)

    def add(self, quarter: datetime, tallies: Iterable[tuple[str, Tally]]) -> None:
        """Take a quarter of an hour in. It must lie in the period."""
        for currency, one in tallies:
            self._totals.setdefault(currency, Tally()).add(one)
            if self._steps:
                place = bisect_right(self._steps, quarter) - 1
                self._series.setdefault(currency, {}).setdefault(place, Tally()).add(one)

    def stats(self) -> tuple[CurrencyStats, ...]:
        """All currencies, by name."""
        return tuple(
            CurrencyStats(currency=currency, total=_figures(total), series=tuple(self._points(currency)))
            for currency, total in sorted(self._totals.items())
        )

    def _points(self, currency: str) -> Iterator[Point]:
        tallies = self._series.get(currency, {})
        for place, start in enumerate(self._steps):
            one = tallies.get(place, Tally())
            yield Point(
                start=start,
                created=one.created,
                succeeded=one.succeeded,
                ended=one.ended,
                declined=one.declines.total(),
                captured=one.captured,
                refunded=one.refunded,
                disputed=one.disputed,
            )


def _figures(total: Tally) -> Figures:
    return Figures(
        created=total.created,
        asked=total.asked,
        statuses=dict(sorted(total.statuses.items())),
        succeeded=total.succeeded,
        ended=total.ended,
        success_rate=_rate(total.succeeded, total.ended),
        refund_rate=_rate(total.refunded_payments, total.succeeded),
        declines=dict(total.declines.most_common()),
        time_to_success=durations(total.durations),
        captured=total.captured,
        captures=total.captures,
        refunded=total.refunded,
        refunds=total.refunds,
        disputed=total.disputed,
        disputes=total.disputes,
    )


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, RATE_DIGITS) if whole else None
