"""What `payments coverage` counts and tells."""

import io
import json
from collections.abc import Mapping
from datetime import timedelta

import pytest
from rich.console import Console

from tests.fake_coverage import MemoryEvents
from tests.unit.worker.making import NOW, SECOND
from worker.adapters import insistence
from worker.coverage import LATE_AFTER, Coverage, Home, Listed, Traces
from worker.errors import StripeUnavailable
from worker.ops.cli import main
from worker.ops.coverage_cli import as_json, cover, show
from worker.ops.moments import moment


def event(name: str, ago: timedelta = LATE_AFTER) -> Listed:
    return Listed(name, "charge.failed", NOW - ago)


class Recorded:
    """Knows some events."""

    def __init__(self, *names: str) -> None:
        self._names = names

    async def homes(self, sought: Mapping[str, Traces]) -> dict[str, Home]:
        return {name: Home.PAYMENT for name in sought if name in self._names}


async def test_it_closes_at_a_hundred_percent() -> None:
    """When every event is recorded or nothing for us, all is accounted for and nothing is missing."""
    events = MemoryEvents()
    events.events = [event("evt_1"), Listed("evt_2", "payout.paid", NOW, Traces(by_rule="no rule")), event("evt_3")]
    reported: list[int] = []
    found = await cover(
        Recorded("evt_1", "evt_3"), events, NOW - timedelta(days=1), NOW, lambda _, n: reported.append(n)
    )
    assert (found.percent, found.missing, found.late, found.oldest) == ("100 %", 0, 0, None)
    assert found.accounted == {Home.PAYMENT: 2, Home.BY_RULE: 1}


async def test_the_oldest_gap_is_told() -> None:
    """Of what is missing on all pages the oldest is named, and only what is an hour old counts as late."""
    events = MemoryEvents(size=2)
    events.events = [
        event("evt_4", SECOND),
        event("evt_3", 2 * LATE_AFTER),
        event("evt_2"),
        event("evt_1", 5 * LATE_AFTER),
    ]
    found = await cover(Recorded("evt_2"), events, NOW - timedelta(days=1), NOW, lambda *_: None)
    assert (found.missing, found.late) == (3, 2)
    assert found.oldest is not None
    assert found.oldest.id == "evt_1"
    assert found.percent == "25.00 %"


async def test_a_lost_page_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some lost answers do not end a walk over many pages; a Stripe that stays away does."""
    monkeypatch.setattr(insistence, "BETWEEN_TRIES_S", 0)
    events = MemoryEvents(size=1)
    events.events = [event("evt_2"), event("evt_1")]
    events.away = insistence.MOST_TRIES - 1
    found = await cover(Recorded("evt_1", "evt_2"), events, NOW - timedelta(days=1), NOW, lambda *_: None)
    assert (found.listed, len(events.asked)) == (2, insistence.MOST_TRIES + 1)
    events.away = insistence.MOST_TRIES
    with pytest.raises(StripeUnavailable):
        await cover(Recorded(), events, NOW - timedelta(days=1), NOW, lambda *_: None)
    assert events.away == 0


def test_nearly_all_is_not_all() -> None:
    """One missing event of a hundred thousand is never rounded to a hundred percent."""
    found = Coverage(NOW)
    found.accounted[Home.PAYMENT] = 99_999
    found.count([event("evt_1")], {})
    assert found.percent == "99.99 %"


def test_what_is_shown_is_bounded() -> None:
    """However much is missing, a hundred are shown and the rest is counted."""
    found = Coverage(NOW)
    found.count([event(f"evt_{number}") for number in range(1000)], {})
    assert (found.missing, len(found.shown)) == (1000, Coverage.SHOWN)


def test_the_table_and_the_json_say_the_same() -> None:
    """For people and for programs: of which mode, accounted for, missing, the oldest gap with its age."""
    found = Coverage(NOW)
    found.accounted[Home.IGNORED] = 3
    found.count([event("evt_gap", 2 * LATE_AFTER)], {})
    out = io.StringIO()
    show(found, "test", NOW - timedelta(days=30), Console(file=out, width=100))
    printed = out.getvalue()
    assert "Stripe's test events since" in printed
    assert "evt_gap" in printed
    assert "75.00 %" in printed
    assert "2:00:00 old" in printed
    told = json.loads(json.dumps(as_json(found, "test", NOW)))
    assert told["mode"] == "test"
    assert (told["listed"], told["missing"], told["missing_for_an_hour"], told["percent"]) == (4, 1, 1, "75.00 %")
    assert told["oldest_gap"]["id"] == "evt_gap"
    assert told["accounted"] == {"payment": 0, "customer": 0, "ignored": 3, "by_rule": 0}


@pytest.mark.parametrize("width", [40, 80])
def test_an_event_stays_on_its_line(width: int) -> None:
    """However narrow it is, an event's time, type and id are one line that can be searched for and copied."""
    found = Coverage(NOW)
    gap = Listed("evt_1QkW3Z2eZvKYlo2C0ABCDEFG", "payment_intent.amount_capturable_updated", NOW - LATE_AFTER)
    found.count([gap], {})
    out = io.StringIO()
    show(found, "live", NOW - timedelta(days=30), Console(file=out, width=width))
    assert sum(f"{gap.type} {gap.id}" in line for line in out.getvalue().splitlines()) == 1
    assert f"oldest gap: {gap.id} {gap.type}, 1:00:00 old" in out.getvalue().splitlines()
    assert "…" not in out.getvalue()


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("36h", timedelta(hours=36)),
        ("7d", timedelta(days=7)),
        ("90m", timedelta(minutes=90)),
        ("2026-03-01", timedelta(hours=36)),
        ("2026-03-02T10:00", timedelta(hours=2)),
        ("2026-03-02T10:00+01:00", timedelta(hours=3)),
    ],
)
def test_a_moment_is_read(text: str, ago: timedelta) -> None:
    """A date, a time with or without a zone, and how long ago."""
    assert moment(text, NOW) == NOW - ago


@pytest.mark.parametrize("text", ["", "soon", "-3d", "2026-13-01", "2027-01-01"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """Nonsense, and what lies ahead, is a ValueError."""
    with pytest.raises(ValueError, match=r".*"):
        moment(text, NOW)


@pytest.mark.parametrize(
    ("variables", "options", "told"),
    [
        ({}, (), "MONGO_URI"),
        ({"MONGO_URI": "mongodb://127.0.0.1:9/"}, (), "STRIPE_SECRET_KEY"),
        ({"MONGO_URI": "mongodb://127.0.0.1:9/", "STRIPE_SECRET_KEY": "hush"}, (), "STRIPE_SECRET_KEY"),
        ({"MONGO_URI": "mongodb://127.0.0.1:9/", "STRIPE_SECRET_KEY": "sk_test_1"}, ("--since", "never"), "never"),
    ],
)
def test_bad_usage_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], variables: dict[str, str], options: tuple[str, ...], told: str
) -> None:
    """A missing or malformed setting and a moment that is none end the command with code 2 and a line that names it."""
    assert main(["coverage", *options], variables) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert told in printed.err
    assert printed.err.count("\n") == 1
    assert "hush" not in printed.err


def test_no_stripe_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing answers for Stripe the command ends with code 1 and says so."""
    monkeypatch.setattr(insistence, "BETWEEN_TRIES_S", 0)
    variables = {
        "MONGO_URI": "mongodb://127.0.0.1:9/",
        "STRIPE_SECRET_KEY": "sk_test_1",
        "STRIPE_API_BASE": "http://127.0.0.1:9",
    }
    assert main(["coverage"], variables) == 1
    assert "Stripe does not answer" in capsys.readouterr().err
