"""`payments dead-letters`: what could not be applied, why, and what is done about it. Needs MONGO_URI alone.

`list` and `show` look, `replay --dry-run` rehearses, `replay` leaves letters to a worker, `discard` settles them. None of it
reads a queue. See docs/dead-letters.md.
"""

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any

from contracts.environment import Environment
from worker.adapters.documents import to_the_millisecond
from worker.adapters.store import database_of, open_client
from worker.errors import StoreUnavailable
from worker.ops import dead_letter_actions as actions
from worker.ops.dead_letter_actions import Action
from worker.ops.moments import NoMoment, moment
from worker.ops.rehearsal import Rehearsal
from worker.ops.replaying import RATE
from worker.settings import policy_of


def add_to(commands: Any) -> None:
    """Add `dead-letters` to the operator's commands (an argparse subparsers object)."""
    desk: argparse.ArgumentParser = commands.add_parser(
        "dead-letters", help="what could not be applied: list, show, replay, discard"
    )
    choices = desk.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = choices.add_parser("list", help="all that is open, grouped by cause")
    _narrowing(listing)
    listing.add_argument("--settled", action="store_true", help="what was replayed or discarded in the last 90 days")
    show = choices.add_parser("show", help="one letter, or those of a cause, with what is kept of them")
    show.add_argument("name", metavar="ID", help="a letter's id (dl_…) or a cause's fingerprint")
    replaying = choices.add_parser(
        "replay", help="apply them again; a message that is applied already is not applied twice"
    )
    _choosing(replaying)
    replaying.add_argument(
        "--dry-run", action="store_true", help="print the transition that each would make; change nothing"
    )
    replaying.add_argument("--rate", type=_rate, default=RATE, metavar="N", help=f"letters a second, default {RATE}")
    discard = choices.add_parser("discard", help="settle them: nothing will be applied")
    _choosing(discard)
    discard.add_argument("--why", required=True, metavar="TEXT", help="kept with each of them")
    for action in (replaying, discard):
        action.add_argument("--requested-by", metavar="WHO", help="who decides; kept with each of them")
    for action in (listing, show, replaying, discard):
        action.add_argument("--json", action="store_true", help="print JSON")


def _narrowing(action: argparse.ArgumentParser) -> None:
    action.add_argument("--fingerprint", metavar="CAUSE", help="of one cause")
    action.add_argument("--kind", metavar="TYPE", help="of one type, such as payment.create or charge.failed")
    action.add_argument("--payment", metavar="ID", help="about a payment, by its id, its PaymentIntent or its order")
    action.add_argument("--since", type=_moment, metavar="WHEN", help="arrived since a date, a time, or 36h or 7d ago")


def _choosing(action: argparse.ArgumentParser) -> None:
    action.add_argument("ids", nargs="*", metavar="ID", help="letters (dl_…)")
    _narrowing(action)
    action.add_argument("--all", action="store_true", help="all that are open; else name some, or a filter")


def run(uri: str, environment: Environment, chosen: argparse.Namespace) -> int:
    """Carry out one action: 0 done, 1 not found, not finished or no answer, 2 bad usage. Raises SettingError."""
    if chosen.action in {"replay", "discard"} and not _is_narrowed(chosen):
        sys.stderr.write("payments: name letters, a filter, or --all\n")
        return 2
    dry = getattr(chosen, "dry_run", False)
    if chosen.action in {"replay", "discard"} and not dry and not chosen.requested_by:
        sys.stderr.write("payments: say who decides: --requested-by\n")
        return 2
    act: Action
    match chosen.action:
        case "list":
            act = actions.listing
        case "show":
            act = actions.show
        case "discard":
            act = actions.discard
        case _ if dry:
            deployment = environment.text("DEPLOYMENT", "default")
            act = partial(actions.rehearse, partial(Rehearsal, deployment=deployment, policy=policy_of(environment)))
        case _:
            act = actions.replaying
    try:
        return asyncio.run(_on(uri, act, chosen))
    except StoreUnavailable as error:
        sys.stderr.write(f"payments: the database does not answer: {error}; a repeat does the rest\n")
    except KeyboardInterrupt:
        sys.stderr.write("payments: interrupted; what is asked for stays asked for, a repeat does the rest\n")
    return 1


def _is_narrowed(chosen: argparse.Namespace) -> bool:
    return bool(chosen.ids or chosen.fingerprint or chosen.kind or chosen.payment or chosen.since or chosen.all)


async def _on(uri: str, act: Action, chosen: argparse.Namespace) -> int:
    client = open_client(uri)
    try:
        return await act(database_of(client, uri), lambda: to_the_millisecond(datetime.now(UTC)), chosen)
    finally:
        await client.close()


def _moment(text: str) -> datetime:
    try:
        return moment(text, datetime.now(UTC))
    except NoMoment as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= 10_000:
        raise argparse.ArgumentTypeError("give more than 0 and at most 10000 a second")
    return rate
