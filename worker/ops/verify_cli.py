"""`payments verify`: whether payments are what the state machine makes of their recorded steps. Needs MONGO_URI."""

import argparse
import asyncio
import json
import sys
from typing import Any

from rich.console import Console

from worker.adapters.store import database_of, open_client
from worker.adapters.verify_store import VerifyStore
from worker.ops import screen
from worker.ops.verify import Tally, every, one

VALUE_CHARACTERS = 200
"""So much of a value is shown in a table; the JSON has all of it."""


def add_to(commands: Any) -> None:
    """Add `verify` to the operator's commands (an argparse subparsers object)."""
    made: argparse.ArgumentParser = commands.add_parser(
        "verify",
        help="replay the recorded steps of payments through the state machine, and compare",
        description="Exit code 0: what was verified is equal. 1: something differs, nothing could be verified, there is "
        "no payment, or there was no answer. It changes nothing.",
    )
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="a payment id (pay_…), a PaymentIntent id (pi_…) or an order id")
    which.add_argument("--all", action="store_true", help="all payments")
    made.add_argument("--json", action="store_true", help="print one JSON object")


def run(uri: str, chosen: argparse.Namespace) -> int:
    """Verify and tell; see `add_to` for the exit code. Raises StoreUnavailable."""
    found = asyncio.run(_verified(uri, None if chosen.all else chosen.id))
    if not found.payments:
        what = f"nothing is known of {chosen.id!r}" if chosen.id else "the database that MONGO_URI names has no payment"
        sys.stderr.write(f"payments: {what}\n")
        return 1
    if chosen.json:
        sys.stdout.write(json.dumps(as_json(found), indent=2, default=str) + "\n")
    else:
        show(found, screen.console())
    return int(bool(found.different) or not found.equal)


async def _verified(uri: str, name: str | None) -> Tally:
    client = open_client(uri)
    try:
        store = VerifyStore(database_of(client, uri))
        if name is not None:
            return await one(store, name)
        with screen.bar() as progress:
            task = progress.add_task("payments", total=None)
            return await every(store, lambda done, whole: progress.update(task, completed=done, total=whole))
    finally:
        await client.close()


def as_json(found: Tally) -> dict[str, Any]:
    """The same as the tables, for programs."""
    return {
        "payments": found.payments,
        "equal": found.equal,
        "different": found.different,
        "unverifiable": dict(found.unverifiable),
        "steps": found.steps,
        "differences": [
            {"payment_id": payment.payment_id, "field": one.field, "stored": one.stored, "replayed": one.replayed}
            for payment in found.differing
            for one in payment.differences
        ],
    }


def show(found: Tally, console: Console) -> None:
    """Tables for people: each field that differs, and what could not be verified."""
    if found.different:
        table = screen.table(f"{found.different} differ", "payment", "field", "stored", "replayed")
        for payment in found.differing:
            for each in payment.differences:
                screen.row(table, (payment.payment_id, each.field, _short(each.stored), _short(each.replayed)))
        console.print(table)
        if found.different > len(found.differing):
            console.print(f"and {found.different - len(found.differing)} more payments")
    if found.unverifiable:
        table = screen.table(f"{found.unverifiable.total()} unverifiable", "payments", "because")
        for why, count in found.unverifiable.most_common():
            screen.row(table, (count, why))
        console.print(table)
    verdict = f"{found.equal} of {found.payments} payments are what their {found.steps} steps make of them"
    console.print(verdict, style="green" if found.equal == found.payments else "")


def _short(value: object) -> object:
    text = screen.shown(value)
    return text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}…"
