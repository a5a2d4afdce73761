"""`payments proof`: what payments say of their money, held against Stripe's balance, to the cent. It changes nothing.

Needs STRIPE_SECRET_KEY and MONGO_URI, and DEPLOYMENT where the workers have it.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from worker.adapters.balance import Balance
from worker.adapters.proof_store import ProofStore
from worker.adapters.spill import Spill
from worker.ops import amounts, screen
from worker.ops.access import RATE, Access
from worker.ops.moments import NoMoment, moment
from worker.ops.prove import OtherDeployment, Phase, Proof, prove

AMOUNTS = ("here", "at Stripe", "difference")
BESIDE_AMOUNTS = 24
"""Columns for the borders of the drifts, and for a name that is still worth reading. With less, amounts fold, too."""


def add_to(commands: Any) -> None:
    """Add `proof` to the operator's commands (an argparse subparsers object)."""
    proof: argparse.ArgumentParser = commands.add_parser(
        "proof",
        help="hold captured, refunded and disputed money against Stripe's balance, to the cent",
        description="Exit code 0: not a cent of drift, or no payment to judge while no money moved at Stripe either. 1: some "
        "drift, or money moved and no payment was there to judge, or there was no answer. 2: bad usage, or the payments are "
        "another DEPLOYMENT's.",
    )
    proof.add_argument(
        "--since", required=True, metavar="WHEN", help="payments created since: a date, a time, or 36h or 30d ago"
    )
    proof.add_argument("--until", metavar="WHEN", help="and before; default now")
    proof.add_argument("--json", action="store_true", help="print one JSON object, amounts in minor units")
    proof.add_argument("--rate", type=int, default=RATE, metavar="N", help=f"requests a second, default {RATE}")


def run(access: Access, chosen: argparse.Namespace) -> int:
    """Prove and tell; see `add_to` for the exit code. Raises StoreUnavailable, StripeUnavailable."""
    now = datetime.now(UTC)
    try:
        since = moment(chosen.since, now)
        until = moment(chosen.until, now) if chosen.until else now
    except NoMoment as error:
        sys.stderr.write(f"payments: {error}\n")
        return 2
    if until <= since:
        sys.stderr.write(
            f"payments: --until {until:%Y-%m-%dT%H:%MZ} does not lie after --since {since:%Y-%m-%dT%H:%MZ}\n"
        )
        return 2
    try:
        found = asyncio.run(_prove(access, since, until, max(1, chosen.rate)))
    except OtherDeployment as error:
        sys.stderr.write(f"payments: DEPLOYMENT is {access.deployment!r}, but there are payments of {error}\n")
        return 2
    if chosen.json:
        sys.stdout.write(json.dumps(as_json(found), indent=2) + "\n")
    else:
        show(found, screen.console())
    return int(not found.sound)


async def _prove(access: Access, since: datetime, until: datetime, rate: int) -> Proof:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    async with access.open(rate) as (database, client, line):
        with Spill() as spill, Progress(*columns, console=Console(stderr=True)) as progress:
            bars: dict[Phase, TaskID] = {}

            def report(phase: Phase, done: int, whole: int) -> None:
                if phase not in bars:
                    bars[phase] = progress.add_task(str(phase))
                progress.update(bars[phase], completed=done, total=whole)

            account, books = Balance(client, line), ProofStore(database)
            span = {"since": since, "until": until}
            return await prove(account, books, spill, report, deployment=access.deployment, **span)


def as_json(found: Proof) -> dict[str, Any]:
    """The same as the tables, for programs."""
    return {
        "since": found.since.isoformat(timespec="seconds"),
        "until": found.until.isoformat(timespec="seconds"),
        "deployment": found.deployment,
        "payments": found.payments,
        "totals": {currency: asdict(sums) | {"here": sums.here} for currency, sums in sorted(found.sums.items())},
        "settled": {currency: asdict(one) | {"net": one.net} for currency, one in sorted(found.settled.items())},
        "older": found.older,
        "sound": found.sound,
        "looked_at_again": found.looked_at_again,
        "moved_transactions": found.moved,
        "other_transactions": found.others,
        "drift_count": found.drift_count,
        "drift": dict(sorted(found.drift_by_currency.items())),
        "drifts": [asdict(drift) | {"difference": drift.difference} for drift in found.drifts],
    }


def show(found: Proof, console: Console) -> None:
    """Tables for people: totals by currency, what settled, and each drift. Ids fold where it is narrow, amounts stay whole."""
    totals = {}
    for currency, sums in sorted(found.sums.items()):
        totals[currency] = {"payments": str(sums.payments)} | {
            name: _read(amount, currency)
            for name, amount in (
                ("captured", sums.captured),
                ("refunded", sums.refunded + sums.under_way),
                ("disputed", sums.disputed),
                ("left here", sums.here),
                ("left at Stripe", sums.stripe),
                ("drift", found.drift_by_currency.get(currency, 0)),
            )
        }
    title = f"Payments created {found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC"
    console.print(_by_currency(title, totals))
    settled = {
        currency: {
            name: _read(amount, currency)
            for name, amount in (("amount", one.amount), ("fees", one.fee), ("net", one.net))
        }
        for currency, one in sorted(found.settled.items())
    }
    console.print(_by_currency("What settled for them, at Stripe's rates", settled))
    _drifts(found, console)


def _by_currency(title: str, read: Mapping[str, Mapping[str, str]]) -> Table:
    """One amount a line: however large they are, they have room."""
    table = screen.table(title, "currency", "", "amount", whole=("amount",))
    table.columns[-1].justify = "right"
    for currency, lines in read.items():
        for name, text in lines.items():
            screen.row(table, (currency.upper() if name == next(iter(lines)) else "", name, text))
        table.add_section()
    return table


def _drifts(found: Proof, console: Console) -> None:
    if not found.drift_count and not found.judged:
        told = f"{found.moved} movements of money" if found.moved else "no money moved"
        hint = ": is this the right database, and the right DEPLOYMENT?" if found.moved else ""
        console.print(f"0 payments judged: none was created here in this time. At Stripe: {told}{hint}")
        return
    if not found.drift_count:
        older = f", and in {found.older} older ones for which money moved" if found.older else ""
        console.print(f"not a cent of drift in {found.payments} payments{older}", style="green")
        return
    rows = [
        (
            "\n".join(filter(None, (drift.payment_id, f"{drift.part} {drift.about}", drift.why))),
            *(_read(amount, drift.currency) for amount in (drift.here, drift.stripe, drift.difference)),
        )
        for drift in found.drifts
    ]
    widest = sum(max(len(row[column]) for row in rows) for column in (1, 2, 3))
    whole = AMOUNTS if widest + BESIDE_AMOUNTS <= console.width else ()
    table = screen.table(f"{found.drift_count} drifts", "payment", *AMOUNTS, whole=whole)
    table.show_lines = True
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        screen.row(table, row)
    console.print(table, style="red")
    if found.drift_count > len(found.drifts):
        console.print(f"and {found.drift_count - len(found.drifts)} more")


def _read(amount: int, currency: str) -> str:
    """As `screen` shows it: there a space that does not break is none that can be shown."""
    return amounts.text(amount, currency).replace("\N{NO-BREAK SPACE}", " ")
