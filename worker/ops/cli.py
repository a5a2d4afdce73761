"""`payments`: the operator's command line."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence

from contracts.environment import Environment, SettingError
from worker.adapters.documents import plain
from worker.adapters.readable import Unreadable, named
from worker.adapters.store import database_of, open_client
from worker.domain.record import Payment
from worker.errors import StoreUnavailable, StripeUnavailable
from worker.ops import (
    access,
    amounts,
    coverage_cli,
    dead_letters_cli,
    erase_cli,
    machine,
    proof_cli,
    reviews_cli,
    screen,
    stats_cli,
    timeline_cli,
    verify_cli,
)
from worker.settings import mongo_uri

INTERRUPTED = 130
"""As a shell tells a program that SIGINT has ended: 128 and the signal's number."""


def main(arguments: Sequence[str] | None = None, variables: Mapping[str, str] = os.environ) -> int:
    """Run one command; exit code 0 done, 1 not found or no answer, 2 bad usage or setting, 130 interrupted by Ctrl-C.

    A command of which a repeat goes on where it was says so and ends with 1.
    """
    try:
        return _run(arguments, variables)
    except StoreUnavailable as error:
        print(f"payments: the database does not answer: {error}", file=sys.stderr)
        return 1
    except StripeUnavailable as error:
        print(f"payments: Stripe does not answer: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("payments: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(arguments: Sequence[str] | None, variables: Mapping[str, str]) -> int:
    parser = argparse.ArgumentParser(
        prog="payments",
        description="Look into the payment service. `erase` needs RABBITMQ_URL, all others MONGO_URI, "
        "`coverage` and `proof` MONGO_URI and STRIPE_SECRET_KEY.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="print a payment, or all payments of an order, as JSON")
    show.add_argument("id", help="a payment id (pay_…), a PaymentIntent id (pi_…) or an order id")
    show.add_argument("--locale", default="en", type=_locale, help="whose way to write amounts, such as de or fr_CA")
    commands.add_parser("machine", help="print the state machine's table as Markdown")
    stats_cli.add_to(commands)
    erase_cli.add_to(commands)
    for more in (timeline_cli, verify_cli, dead_letters_cli, reviews_cli):
        more.add_to(commands)
    coverage_cli.add_to(commands)
    proof_cli.add_to(commands)
    chosen = parser.parse_args(arguments)
    if chosen.command == "machine":
        print(machine.rendered(), end="")
        return 0
    environment = Environment(variables)
    try:
        if chosen.command == "erase":
            return erase_cli.run(environment.broker(), chosen)
        uri = mongo_uri(environment)
        if chosen.command == "dead-letters":
            return dead_letters_cli.run(uri, environment, chosen)
        if chosen.command == "coverage":
            return coverage_cli.run(access.read(uri, environment), chosen)
        if chosen.command == "proof":
            return proof_cli.run(access.read(uri, environment), chosen)
    except SettingError as error:
        print(f"payments: {error}", file=sys.stderr)
        return 2
    match chosen.command:
        case "stats":
            return stats_cli.run(uri)
        case "timeline":
            return timeline_cli.run(uri, chosen)
        case "verify":
            return verify_cli.run(uri, chosen)
        case "needs-review":
            return reviews_cli.run(uri, chosen)
    return _show(uri, chosen)


def _show(uri: str, chosen: argparse.Namespace) -> int:
    found = asyncio.run(_find(uri, chosen.id))
    if not found:
        print(f"payments: nothing is known of {chosen.id!r}", file=sys.stderr)
        return 1
    shown = screen.without_unreadable(found)
    for payment in shown:
        print(told(payment, chosen.locale), file=sys.stderr)
        record = {name: value for name, value in plain(payment).items() if name != "inputs"}  # `verify` reads them
        print(json.dumps(record, indent=2, default=str))
    return int(len(shown) < len(found))


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
