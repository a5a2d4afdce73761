"""Steps of a series in time zones."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.queries import SeriesStep
from worker.series import Sums, starts, widened
from worker.stats import QUARTER, Tally

HOUR = timedelta(hours=1)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def lengths(found: list[datetime], until: datetime) -> list[timedelta]:
    return [after - before for before, after in pairwise([*found, until])]


def local(zone: str, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[arg-type,misc]


def test_the_day_that_clocks_go_forward_has_23_hours() -> None:
    """In Berlin the days around 29 March 2026 have 24, 23 and 24 hours."""
    since, until = local("Europe/Berlin", 2026, 3, 28), local("Europe/Berlin", 2026, 3, 31)
    found = starts(since, until, ZoneInfo("Europe/Berlin"), SeriesStep.DAY)
    assert lengths(found, until) == [24 * HOUR, 23 * HOUR, 24 * HOUR]


def test_the_day_that_clocks_go_back_has_25_hours() -> None:
    """In New York 1 November 2026 has 25 hours, and by hours it has 25 steps."""
    since, until = local("America/New_York", 2026, 11, 1), local("America/New_York", 2026, 11, 2)
    zone = ZoneInfo("America/New_York")
    assert lengths(starts(since, until, zone, SeriesStep.DAY), until) == [25 * HOUR]
    assert lengths(starts(since, until, zone, SeriesStep.HOUR), until) == [HOUR] * 25


def test_a_day_in_kathmandu_begins_at_a_quarter_past() -> None:
    """Nepal is 5 h 45 min ahead of UTC: its days begin at 18:15 UTC, its hours at a quarter past."""
    zone = ZoneInfo("Asia/Kathmandu")
    assert starts(utc(2026, 3, 1), utc(2026, 3, 3), zone, SeriesStep.DAY) == [
        utc(2026, 3, 1),
        utc(2026, 3, 1, 18, 15),
        utc(2026, 3, 2, 18, 15),
    ]
    assert starts(utc(2026, 3, 1), utc(2026, 3, 1, 2), zone, SeriesStep.HOUR) == [
        utc(2026, 3, 1),
        utc(2026, 3, 1, 0, 15),
        utc(2026, 3, 1, 1, 15),
    ]


def test_clocks_that_change_by_half_an_hour() -> None:
    """On Lord Howe the day that clocks go back by 30 minutes has 24 and a half hours."""
    since, until = local("Australia/Lord_Howe", 2026, 4, 5), local("Australia/Lord_Howe", 2026, 4, 6)
    zone = ZoneInfo("Australia/Lord_Howe")
    assert lengths(starts(since, until, zone, SeriesStep.DAY), until) == [24 * HOUR + 2 * QUARTER]


def test_a_day_whose_midnight_is_skipped_begins_after_it() -> None:
    """In Beirut clocks go forward at midnight: 29 March 2026 begins at 01:00 and has 23 hours."""
    since, until = local("Asia/Beirut", 2026, 3, 28), local("Asia/Beirut", 2026, 3, 30)
    found = starts(since, until, ZoneInfo("Asia/Beirut"), SeriesStep.DAY)
    assert lengths(found, until) == [24 * HOUR, 23 * HOUR]


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    """Between the cut-off ends, weeks begin on local Mondays and months on local firsts, over the year's end, too."""
    zone = ZoneInfo("Asia/Tokyo")
    weeks = starts(utc(2025, 12, 20), utc(2026, 1, 20), zone, SeriesStep.WEEK)
    assert [one.astimezone(zone).strftime("%a %H:%M") for one in weeks[1:]] == ["Mon 00:00"] * 5
    months = starts(utc(2025, 11, 10), utc(2026, 2, 10), zone, SeriesStep.MONTH)
    assert [one.astimezone(zone).strftime("%d %H:%M") for one in months[1:]] == ["01 00:00"] * 3


ZONES = (
    "UTC",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Apia",
    "Asia/Beirut",
)


@given(
    st.sampled_from(ZONES),
    st.sampled_from(list(SeriesStep)),
    st.integers(0, 20 * 365 * 96),
    st.integers(1, 96 * 9),
)
def test_steps_cut_a_period_without_gaps(name: str, step: SeriesStep, first: int, length: int) -> None:
    """The first step begins with the period, each later one at a later quarter of an hour within it."""
    since = utc(2007, 1, 1) + first * QUARTER
    until = since + length * QUARTER
    found = starts(since, until, ZoneInfo(name), step)
    assert found[0] == since
    assert found == sorted(set(found))
    assert all((one - utc(2007, 1, 1)) % QUARTER == timedelta() and one < until for one in found)


@pytest.mark.parametrize(
    ("since", "until", "wide"),
    [
        (utc(2026, 1, 1), utc(2026, 1, 2), (utc(2026, 1, 1), utc(2026, 1, 2))),
        (utc(2026, 1, 1, 0, 7), utc(2026, 1, 1, 0, 16), (utc(2026, 1, 1), utc(2026, 1, 1, 0, 30))),
    ],
)
def test_a_period_is_widened_to_whole_quarters(
    since: datetime, until: datetime, wide: tuple[datetime, datetime]
) -> None:
    """A period that begins or ends inside a quarter of an hour takes it in whole; a whole one stays."""
    assert widened(since, until) == wide


def test_each_quarter_is_in_one_step_and_in_the_total() -> None:
    """The steps' sums make the total, and a currency's steps without anything are there."""
    steps = [utc(2026, 1, 1), utc(2026, 1, 1, 1), utc(2026, 1, 1, 2)]
    sums = Sums(steps)
    for minutes in (0, 45, 60, 105):
        sums.add(utc(2026, 1, 1) + timedelta(minutes=minutes), [("eur", Tally(captured=minutes + 1))])
    (stats,) = sums.stats()
    assert stats.total.captured == 214
    assert [(point.start, point.captured) for point in stats.series] == list(zip(steps, (47, 167, 0), strict=True))
