"""`payments timeline`: every message, request to Stripe, transition and event of a payment, and why. Needs MONGO_URI."""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from typing import Any

from rich.table import Table

from worker.adapters.readable import Unreadable, readable
from worker.adapters.store import database_of, open_client
from worker.adapters.stories import Stories, Story
from worker.ops import amounts, screen
from worker.ops.timeline import Row, rows

WHOLE = ("at (UTC)", "what", "name")

BESIDE = {"sent_at", "issued_at"}
"""Details that only the JSON has."""


def add_to(commands: Any) -> None:
    """Add `timeline` to the operator's commands (an argparse subparsers object)."""
    timeline: argparse.ArgumentParser = commands.add_parser(
        "timeline", help="why a payment is as it is: every message, request, transition and event"
    )
    timeline.add_argument("id", help="a payment id (pay_…), a PaymentIntent id (pi_…) or an order id")
    timeline.add_argument("--json", action="store_true", help="print JSON")


def run(uri: str, chosen: argparse.Namespace) -> int:
    """Print the stories; exit code 0 printed, 1 nothing is known or one cannot be read. Raises StoreUnavailable."""
    stories = asyncio.run(_of(uri, chosen.id))
    if not stories:
        sys.stderr.write(f"payments: nothing is known of {chosen.id!r}\n")
        return 1
    shown = screen.without_unreadable(map(_read, stories))
    if chosen.json:
        sys.stdout.write(json.dumps([told for told, _ in shown], indent=2, default=str) + "\n")
    else:
        console = screen.console()
        for _, table in shown:
            console.print(table)
    return int(len(shown) < len(stories))


def _read(story: Story) -> tuple[dict[str, Any], Table] | Unreadable:
    """A story for programs and for people."""
    if story.payment is None:
        return story.unreadable or (_told(story), _table(story))
    return readable(story.payment.id, lambda: (_told(story), _table(story)))


def _table(story: Story) -> Table:
    made = screen.table(_title(story), *WHOLE, "outcome", "status", "why", "details", whole=WHOLE)
    for row in rows(story):
        way = f"{row.from_status} → {row.to_status}" if row.from_status else row.to_status
        at = f"{row.at:%Y-%m-%d %H:%M:%S}.{row.at.microsecond // 1000:03}"
        screen.row(made, (at, row.what, row.name, row.outcome, way, row.why, _details(row)))
    return made


async def _of(uri: str, name: str) -> list[Story]:
    client = open_client(uri)
    try:
        return await Stories(database_of(client, uri)).of(name)
    finally:
        await client.close()


def _title(story: Story) -> str:
    payment = story.payment
    if payment is None:
        return "no payment, only dead letters"
    waits = f", needs review: {payment.needs_review}" if payment.needs_review else ""
    money = f", {amounts.text(payment.amount, payment.currency)}" if payment.currency else ""
    return screen.shown(f"{payment.id}: {payment.status}; order {payment.order_id}{money}{waits}")


def _details(row: Row) -> str:
    told = {"id": row.id} | row.details
    return "\n".join(f"{name} {value}" for name, value in told.items() if name not in BESIDE)


def _told(story: Story) -> dict[str, Any]:
    payment = story.payment
    known: dict[str, Any] = {}
    if payment is not None:
        known = {
            "payment_id": payment.id,
            "order_id": payment.order_id,
            "payment_intent_id": payment.intent_id,
            "status": payment.status,
            "needs_review": payment.needs_review,
        }
    return known | {"rows": [asdict(row) | {"at": row.at.isoformat()} for row in rows(story)]}
