"""`payments needs-review`: every payment that waits for a person, and why. Needs MONGO_URI."""

import argparse
import asyncio
import json
import sys
from operator import itemgetter
from typing import Any

from worker.adapters.readable import Unreadable
from worker.adapters.reviews import MongoReviews
from worker.adapters.store import database_of, open_client
from worker.domain.record import Payment
from worker.ops import amounts, screen


def add_to(commands: Any) -> None:
    """Add `needs-review` to the operator's commands (an argparse subparsers object)."""
    reviews: argparse.ArgumentParser = commands.add_parser(
        "needs-review",
        help="every payment that waits for a person, and why",
        description="`payments timeline` tells how it came to it; the command payment.resolve ends it.",
    )
    reviews.add_argument("--json", action="store_true", help="print JSON")


def run(uri: str, chosen: argparse.Namespace) -> int:
    """List them, the longest untouched first; exit code 0, or 1 if one cannot be read. Raises StoreUnavailable."""
    told = screen.each(
        asyncio.run(_found(uri)), lambda payment: (payment.updated_at.isoformat(), _told(payment), _cells(payment))
    )
    found = sorted(screen.without_unreadable(told), key=itemgetter(0))
    code = int(len(found) < len(told))
    if chosen.json:
        sys.stdout.write(json.dumps([one for _, one, _ in found], indent=2, default=str) + "\n")
        return code
    made = screen.table(
        f"{len(found)} payments need review",
        "payment",
        "order",
        "status",
        "amount",
        "captured",
        "why",
        "untouched since",
    )
    for *_, cells in found:
        screen.row(made, cells)
    screen.console().print(made)
    return code


async def _found(uri: str) -> list[Payment | Unreadable]:
    client = open_client(uri)
    try:
        return [payment async for payment in MongoReviews(database_of(client, uri)).waiting()]
    finally:
        await client.close()


def _cells(payment: Payment) -> tuple[object, ...]:
    money = (amounts.text(amount, payment.currency) for amount in (payment.amount, payment.captured))
    return (payment.id, payment.order_id, payment.status, *money, payment.needs_review, payment.updated_at)


def _told(payment: Payment) -> dict[str, Any]:
    """Amounts in minor units."""
    return {
        "payment_id": payment.id,
        "order_id": payment.order_id,
        "payment_intent_id": payment.intent_id,
        "status": payment.status,
        "amount": payment.amount,
        "currency": payment.currency,
        "captured": payment.captured,
        "refunded": payment.refunded,
        "disputed": payment.disputed,
        "needs_review": payment.needs_review,
        "updated_at": payment.updated_at.isoformat(),
    }
