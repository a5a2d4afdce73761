"""`payments coverage`: walks Stripe's list of events and says where each of them is recorded. It changes nothing.

The list is that of the key's mode, live or test, and so is all that is told.

Needs STRIPE_SECRET_KEY and MONGO_URI, and DEPLOYMENT where the workers have it.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from worker.adapters.coverage_store import MongoCoverage
from worker.adapters.insistence import insist
from worker.adapters.stripe_events import EventList, PlaceGone
from worker.coverage import HORIZON, Coverage, Home, mode_of
from worker.jobs.coverage import Events, Homes, matched
from worker.ops import screen
from worker.ops.access import RATE, Access
from worker.ops.moments import NoMoment, moment

NAMES = {
    Home.PAYMENT: "in a payment's timeline",
    Home.CUSTOMER: "in a customer's timeline",
    Home.IGNORED: "recorded as ignored, with the reason",
    Home.BY_RULE: "nothing for us, by a rule",
}

Report = Callable[[datetime, int], None]
"""Is told the time of the oldest event so far, and how many were looked at."""


def add_to(commands: Any) -> None:
    """Add `coverage` to the operator's commands (an argparse subparsers object)."""
    coverage: argparse.ArgumentParser = commands.add_parser(
        "coverage",
        help="walk Stripe's list of events: accounted for, missing, oldest gap",
        description="Exit code 0: nothing older than an hour is missing. 1: something is, or there was no answer.",
    )
    coverage.add_argument(
        "--since", metavar="WHEN", help="a date, a time, or 36h or 7d ago; default all of Stripe's 30 days"
    )
    coverage.add_argument("--json", action="store_true", help="print one JSON object")
    coverage.add_argument("--rate", type=int, default=RATE, metavar="N", help=f"requests a second, default {RATE}")


def run(access: Access, chosen: argparse.Namespace) -> int:
    """Walk and tell; see `add_to` for the exit code. Raises StoreUnavailable, StripeUnavailable."""
    now = datetime.now(UTC)
    try:
        since = max(moment(chosen.since, now), now - HORIZON) if chosen.since else now - HORIZON
    except NoMoment as error:
        sys.stderr.write(f"payments: {error}\n")
        return 2
    found = asyncio.run(_walk(access, since, now, max(1, chosen.rate)))
    mode = mode_of(livemode=access.livemode)
    if chosen.json:
        sys.stdout.write(json.dumps(as_json(found, mode, since), indent=2) + "\n")
    else:
        show(found, mode, since, screen.console())
    return int(bool(found.late))


async def cover(store: Homes, events: Events, since: datetime, now: datetime, report: Report) -> Coverage:
    """Go through the list from now to `since`. Raises StoreUnavailable, StripeUnavailable."""
    found, after = Coverage(now), None
    while True:
        try:
            page = await insist(partial(events.page, since, after))
        except PlaceGone:  # the list ends here: it has forgotten the rest meanwhile
            return found
        found.count(page.events, await matched(store, page.events))
        if not page.more or not page.events:
            return found
        after = page.events[-1].id
        report(page.events[-1].created, found.listed)


async def _walk(access: Access, since: datetime, now: datetime, rate: int) -> Coverage:
    whole_s = (now - since).total_seconds()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    async with access.open(rate) as (database, client, line):
        events = EventList(client, line, deployment=access.deployment, livemode=access.livemode)
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("Stripe's events", total=whole_s)

            def report(oldest: datetime, looked_at: int) -> None:
                done_s = (now - oldest).total_seconds()
                progress.update(bar, completed=done_s, description=f"Stripe's events: {looked_at}")

            store = MongoCoverage(database, livemode=access.livemode)
            found = await cover(store, events, since, now, report)
            progress.update(bar, completed=whole_s, description=f"Stripe's events: {found.listed}")
    return found


def as_json(found: Coverage, mode: str, since: datetime) -> dict[str, Any]:
    """The same as the table, for programs."""
    oldest = found.oldest
    return {
        "mode": mode,
        "since": since.isoformat(timespec="seconds"),
        "listed": found.listed,
        "accounted": {str(home): found.accounted[home] for home in Home},
        "percent": found.percent,
        "missing": found.missing,
        "missing_for_an_hour": found.late,
        "oldest_gap": _row(oldest.id, oldest.type, oldest.created) if oldest else None,
        "gaps": [_row(event.id, event.type, event.created) for event in found.shown],
    }


def _row(event_id: str, kind: str, created: datetime) -> dict[str, str]:
    return {"id": event_id, "type": kind, "created": created.isoformat(timespec="seconds")}


def show(found: Coverage, mode: str, since: datetime, console: Console) -> None:
    """A table for people, and the newest of what is missing."""
    title = f"Stripe's {mode} events since {since:%Y-%m-%d %H:%M} UTC"
    table = screen.table(title, "", "events", whole=("events",))
    table.columns[-1].justify = "right"
    for home in Home:
        table.add_row(NAMES[home], str(found.accounted[home]))
    table.add_row(f"accounted for: {found.percent}", str(found.accounted.total()), style="bold")
    table.add_row("missing", str(found.missing), style="bold red" if found.missing else "bold")
    table.add_row("of these for more than an hour", str(found.late), style="red" if found.late else "")
    console.print(table)
    if found.oldest is not None:
        age = str(found.now - found.oldest.created).split(".", maxsplit=1)[0]
        console.print(f"oldest gap: {found.oldest.id} {found.oldest.type}, {age} old", soft_wrap=True)
        for event in found.shown:
            line = f"  missing: {event.created:%Y-%m-%d %H:%M:%S} {event.type} {event.id}"
            console.print(screen.shown(line), soft_wrap=True)
