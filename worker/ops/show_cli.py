"""`payments show`: payments as they are stored, without what has moved to the archive. Needs MONGO_URI."""

import argparse
import asyncio
import json
import sys
from typing import Any

from worker.adapters.documents import plain
from worker.adapters.readable import Unreadable, named
from worker.adapters.store import database_of, open_client
from worker.domain.record import Payment
from worker.ops import amounts, screen


def add_to(commands: Any) -> None:
    """Add `show` to the operator's commands (an argparse subparsers object)."""
    show: argparse.ArgumentParser = commands.add_parser(
        "show", help="print a payment, or all payments of an order, as JSON"
    )
    show.add_argument("id", help="a payment id (pay_…), a PaymentIntent id (pi_…) or an order id")
    show.add_argument("--locale", default="en", type=_locale, help="whose way to write amounts, such as de or fr_CA")


def run(uri: str, chosen: argparse.Namespace) -> int:
    """Print them; exit code 0 printed, 1 nothing is known or one cannot be read. Raises StoreUnavailable."""
    found = asyncio.run(_find(uri, chosen.id))
    if not found:
        sys.stderr.write(f"payments: nothing is known of {chosen.id!r}\n")
        return 1
    shown = screen.without_unreadable(screen.each(found, lambda payment: _texts(payment, chosen.locale)))
    for line, record in shown:
        sys.stderr.write(f"{line}\n")
        sys.stdout.write(f"{record}\n")
    return int(len(shown) < len(found))


def _texts(payment: Payment, locale: str) -> tuple[str, str]:
    record = {name: value for name, value in plain(payment).items() if name != "inputs"}  # `verify` reads them
    return told(payment, locale), json.dumps(record, indent=2, default=str)


def told(payment: Payment, locale: str) -> str:
    """One line for people, with the totals. On stderr, so that what is piped on stays JSON alone."""
    if not payment.currency:
        return f"{payment.id}: {payment.status}; order {payment.order_id} was canceled before its create came"

    def read(amount: int) -> str:
        return amounts.text(amount, payment.currency, locale)

    return (
        f"{payment.id}: {payment.status}; order {payment.order_id}, {read(payment.amount)}; captured "
        f"{read(payment.captured)}, refunded {read(payment.refunded)}, disputed {read(payment.disputed)}"
    )


def _locale(name: str) -> str:
    try:
        amounts.text(0, "eur", name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name


async def _find(uri: str, name: str) -> list[Payment | Unreadable]:
    client = open_client(uri)
    try:
        return await named(database_of(client, uri), name)
    finally:
        await client.close()
