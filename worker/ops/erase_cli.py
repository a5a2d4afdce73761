"""`payments erase`: forget who a user was, by the command that any privileged service may send. Needs RABBITMQ_URL."""

import argparse
import asyncio
import sys
from typing import Any

from contracts.client import PaymentsClient
from contracts.commands import EraseUser
from contracts.errors import PaymentsError
from contracts.replies import Reply, Verdict

PATIENCE_S = 280.0
"""A user of very many payments takes a while; a repeat goes on where this ended."""


def add_to(commands: Any) -> None:
    """Add `erase` to the operator's commands (an argparse subparsers object)."""
    erase: argparse.ArgumentParser = commands.add_parser(
        "erase", help="forget who a user was: in payments, the archive, events, and the customer at Stripe"
    )
    erase.add_argument("--user", required=True, metavar="ID", help="the user id, as it came in the creates")
    erase.add_argument("--requested-by", required=True, metavar="WHO", help="who asks for it; kept in the timelines")
    erase.add_argument("--note", help="why, for people; kept in the timelines")


def run(rabbitmq_url: str, chosen: argparse.Namespace) -> int:
    """Send the command and wait; exit code 0 erased, 1 refused or no answer: then a repeat does the rest."""
    command = EraseUser(user_id=chosen.user, requested_by=chosen.requested_by, note=chosen.note)
    try:
        reply = asyncio.run(_ask(rabbitmq_url, command))
    except (PaymentsError, OSError, TimeoutError) as error:
        sys.stderr.write(f"payments: not known to be done, repeat it: {error}\n")
        return 1
    if reply.verdict is not Verdict.ACCEPTED:
        sys.stderr.write(f"payments: refused: {reply.refusal.message if reply.refusal else reply.verdict}\n")
        return 1
    sys.stdout.write(f"{reply.erased} payments erased\n")
    return 0


async def _ask(url: str, command: EraseUser) -> Reply:
    async with PaymentsClient(url, source="operator", reply_timeout_s=PATIENCE_S) as payments:
        return await payments.send(command)
