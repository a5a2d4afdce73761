"""The operator's commands, and which of them was typed."""

import argparse
import sys
from collections.abc import Mapping, Sequence

from contracts.environment import Environment, SettingError
from worker.errors import StoreUnavailable, StripeUnavailable
from worker.ops import (
    access,
    coverage_cli,
    dead_letters_cli,
    erase_cli,
    logs,
    machine,
    proof_cli,
    reviews_cli,
    show_cli,
    stats_cli,
    timeline_cli,
    verify_cli,
)
from worker.settings import mongo_uri


def run(arguments: Sequence[str] | None, variables: Mapping[str, str]) -> int:
    """Run one command, with its log on stderr; see `cli.main` for the exit code."""
    with logs.on_stderr():
        try:
            return _run(arguments, variables)
        except StoreUnavailable as error:
            sys.stderr.write(f"payments: the database does not answer: {error}\n")
        except StripeUnavailable as error:
            sys.stderr.write(f"payments: Stripe does not answer: {error}\n")
    return 1


def _run(arguments: Sequence[str] | None, variables: Mapping[str, str]) -> int:
    parser = argparse.ArgumentParser(
        prog="payments",
        description="Look into the payment service. `erase` needs RABBITMQ_URL, all others MONGO_URI, "
        "`coverage` and `proof` MONGO_URI and STRIPE_SECRET_KEY.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    show_cli.add_to(commands)
    commands.add_parser("machine", help="print the state machine's table as Markdown")
    stats_cli.add_to(commands)
    erase_cli.add_to(commands)
    for more in (timeline_cli, verify_cli, dead_letters_cli, reviews_cli):
        more.add_to(commands)
    coverage_cli.add_to(commands)
    proof_cli.add_to(commands)
    chosen = parser.parse_args(arguments)
    if chosen.command == "machine":
        sys.stdout.write(machine.rendered())
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
        sys.stderr.write(f"payments: {error}\n")
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
    return show_cli.run(uri, chosen)
