"""The actions of `payments dead-letters`, each on the database, by the clock, as chosen; each returns its exit code."""

import argparse
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime

from pymongo.asynchronous.database import AsyncDatabase

from worker.adapters.dead_letters import MongoDeadLetters
from worker.adapters.documents import Document
from worker.adapters.readable import names_of
from worker.adapters.reviews import MongoReviews
from worker.dead_letter import Cause, DeadLetter, Wanted, add, ranked
from worker.ops import screen
from worker.ops.rehearsal import NOT_REPLAYED, Rehearsal, Rehearsed
from worker.ops.replaying import replay
from worker.ports import Clock

SHOWN = 5
"""Payments named in a cell; all of them, up to dead_letter.NAMED, are in the JSON."""

Action = Callable[[AsyncDatabase[Document], Clock, argparse.Namespace], Awaitable[int]]


async def listing(database: AsyncDatabase[Document], clock: Clock, chosen: argparse.Namespace) -> int:
    """Print all that fits, grouped by cause, the most frequent first, with the payments that each concerns."""
    del clock
    found: dict[str, Cause] = {}
    wanted = await _wanted(database, chosen)
    async for letter in MongoDeadLetters(database).find(wanted):
        add(found, letter)
    told = [(cause, await _payments(database, cause)) for cause in ranked(found)]
    reviews = await MongoReviews(database).names()
    if chosen.json:
        causes = [asdict(cause) | {"payments": payments} for cause, payments in told]
        _print_json({"causes": causes, "needs_review": reviews})
        return 0
    count = sum(cause.count for cause, _ in told)
    made = screen.table(
        f"{count} {'settled' if wanted.settled else 'open'} dead letters, {len(told)} causes",
        *("cause", "letters", "kind", "from", "why", "tried", "first", "last", "payments", "replayable"),
    )
    for cause, payments in told:
        named = [*payments[:SHOWN], *([f"and {len(payments) - SHOWN} more"] if len(payments) > SHOWN else [])]
        numbers = f"{cause.replayable}" + (f", {cause.replaying} asked for" if cause.replaying else "")
        cells = (cause.fingerprint, cause.count, cause.kind, cause.origin, cause.reason, cause.attempts)
        screen.row(made, (*cells, cause.first_at, cause.last_at, "\n".join(named), numbers))
    console = screen.console()
    console.print(made)
    if reviews:
        console.print(f"{len(reviews)} payments need review: payments needs-review")
    return 0


async def _payments(database: AsyncDatabase[Document], cause: Cause) -> list[str]:
    """The payments that a cause concerns; where there is none yet, the name that is known."""
    found: dict[str, None] = {}
    for names in cause.about:
        known = [name for name in names if name.startswith("pay_")]
        for name in () if known else names:
            known += [payment_id for payment_id, *_ in await names_of(database, name)]
        found |= dict.fromkeys(known or names[:1])
    return list(found)


async def _wanted(database: AsyncDatabase[Document], chosen: argparse.Namespace) -> Wanted:
    about: tuple[str, ...] = ()
    if chosen.payment:
        known = [name for names in await names_of(database, chosen.payment) for name in names]
        about = tuple(dict.fromkeys((chosen.payment, *known)))
    return Wanted(
        ids=tuple(getattr(chosen, "ids", ())),
        fingerprint=chosen.fingerprint,
        kind=chosen.kind,
        about=about,
        since=chosen.since,
        settled=getattr(chosen, "settled", False),
    )


async def show(database: AsyncDatabase[Document], clock: Clock, chosen: argparse.Namespace) -> int:
    """Print one letter, or all open ones of a cause, with what is kept of them."""
    del clock
    desk = MongoDeadLetters(database)
    one = await desk.one(chosen.name)
    letters = [one] if one else [letter async for letter in desk.find(Wanted(fingerprint=chosen.name))]
    if not letters:
        sys.stderr.write(f"payments: no letter and no open cause is called {chosen.name!r}\n")
        return 1
    if chosen.json:
        _print_json([asdict(letter) for letter in letters])
        return 0
    console = screen.console()
    for letter in letters:
        made = screen.table(letter.id, "", "")
        told = {name: value for name, value in asdict(letter).items() if value not in (None, "", ()) and name != "id"}
        for name, value in told.items():
            screen.row(made, (name.replace("_", " "), _pretty(letter) if name == "body" else value))
        console.print(made)
    return 0


def _pretty(letter: DeadLetter) -> str:
    try:
        return json.dumps(json.loads(letter.body), indent=2, ensure_ascii=False)
    except ValueError:
        return letter.body


async def rehearse(
    make: Callable[[AsyncDatabase[Document], Clock], Rehearsal],
    database: AsyncDatabase[Document],
    clock: Clock,
    chosen: argparse.Namespace,
) -> int:
    """Print the transition that each replay would make; change nothing."""
    rehearsal = make(database, clock)
    wanted = await _wanted(database, chosen)
    told: list[Rehearsed] = [await rehearsal.of(letter) async for letter in MongoDeadLetters(database).find(wanted)]
    code = int(_missed(chosen, {one.letter_id for one in told}))
    if chosen.json:
        _print_json([asdict(one) for one in told])
        return code
    count = sum(one.outcome != NOT_REPLAYED for one in told)
    made = screen.table(
        f"{count} of {len(told)} letters would be replayed; nothing is changed",
        *("letter", "kind", "payment", "outcome", "from", "to", "asks Stripe", "why"),
    )
    for one in told:
        way = (one.outcome, one.from_status, one.to_status, one.asks, one.why)
        screen.row(made, (one.letter_id, one.kind, one.about, *way))
    screen.console().print(made)
    return code


async def replaying(database: AsyncDatabase[Document], clock: Clock, chosen: argparse.Namespace) -> int:
    """Leave all that fits to a worker, and say what became of it."""
    desk, names = MongoDeadLetters(database), []
    others: dict[str, str] = {}
    async for letter in desk.find(await _wanted(database, chosen)):
        if letter.unreplayable:
            others[letter.id] = letter.unreplayable
        else:
            names.append(letter.id)
    with screen.bar() as progress:
        asking = progress.add_task("asked for", total=len(names))
        publishing = progress.add_task("published", total=len(names))

        def report(asked: int, published: int) -> None:
            progress.update(asking, completed=asked)
            progress.update(publishing, completed=published)

        done = await replay(desk, names, chosen.requested_by, clock, report, rate=chosen.rate)
    if chosen.json:
        _print_json(asdict(done) | {"unreplayable": others})
    else:
        sys.stdout.write(f"{done.published} of {done.asked} letters are published\n")
        for count, what in (
            (done.back, "are back already: the cause is still there"),
            (done.refused, "are too old for Stripe's list of events, and stay"),
            (done.waiting, "wait for a worker, or for Stripe; they stay asked for"),
            (len(others), "cannot be replayed: payments dead-letters show"),
        ):
            if count:
                sys.stdout.write(f"{count} {what}\n")
    return 1 if done.waiting or done.refused or _missed(chosen, {*names, *others}) else 0


def _missed(chosen: argparse.Namespace, found: set[str]) -> bool:
    """Say which of the named letters are not open."""
    missed = [name for name in chosen.ids if name not in found]
    for name in missed:
        sys.stderr.write(f"payments: {name} is no open letter\n")
    return bool(missed)


async def discard(database: AsyncDatabase[Document], clock: Clock, chosen: argparse.Namespace) -> int:
    """Settle all that fits."""
    desk = MongoDeadLetters(database)
    names = [letter.id async for letter in desk.find(await _wanted(database, chosen))]
    done = [name for name in names if await desk.discard(name, chosen.requested_by, chosen.why, clock())]
    if chosen.json:
        _print_json({"discarded": done})
    else:
        sys.stdout.write(f"{len(done)} of {len(names)} letters are discarded\n")
    return 1 if len(done) < len(names) or _missed(chosen, set(names)) else 0


def _print_json(found: object) -> None:
    sys.stdout.write(json.dumps(found, indent=2, default=_plain) + "\n")


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
