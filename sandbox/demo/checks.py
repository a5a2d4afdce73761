"""What must hold when everything has settled. Each check looks at the evidence alone and names what is wrong."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sandbox.demo.evidence import SHOWN_AS, Evidence, Totals
from sandbox.services.notifications import TYPES as NOTIFIED

SHOWN = 5
"""So many wrongs are told of; the rest is a number."""


@dataclass(frozen=True)
class Result:
    """`detail` says what was compared, or what is wrong."""

    name: str
    ok: bool
    detail: str


Wrongs = Iterable[str]


def stories(found: Evidence) -> Wrongs:
    """Every answer along the way was the one that the story tells of."""
    yield from (f"{order_id}: {trouble}" for order_id, trouble in found.troubles.items())


def statuses(found: Evidence) -> Wrongs:
    """Every order ended as it should, by the order service's books and by the database."""
    for order_id, expected in found.expected.items():
        known = found.orders[order_id].status
        stored = [payment["status"] for payment in found.payments_of(order_id)]
        if known != expected.status or SHOWN_AS.get(expected.status, expected.status) not in stored:
            yield f"{order_id}: the order service has {known}, the database {stored}, expected {expected.status}"


def ledger_agrees(found: Evidence) -> Wrongs:
    """What Stripe took, gave back and lost to disputes is what the database and the order service say, and what is due."""
    for order_id, expected in found.expected.items():
        books = {
            "Stripe": found.charged(order_id),
            "database": found.stored(order_id),
            "order service": found.known(order_id),
            "due": expected.totals,
        }
        if len(set(books.values())) > 1:
            yield f"{order_id}: " + ", ".join(f"{name} {_totals(totals)}" for name, totals in books.items())


def charged_once(found: Evidence) -> Wrongs:
    """No intent was charged twice, no order keeps the money of two, and one that is canceled keeps none."""
    for order_id, expected in found.expected.items():
        entries = found.ledger_of(order_id)
        charges = max((entry["succeeded_charges"] for entry in entries), default=0)
        holding = sum(entry["captured"] > entry["refunded"] for entry in entries)
        if charges > 1 or holding > expected.holding:
            yield f"{order_id}: {charges} charges of an intent, {holding} intents with money; the order {expected.status}"


def one_payment_per_order(found: Evidence) -> Wrongs:
    """An order has one payment, besides those that never came to be, unless its story is about more; so has Stripe."""
    for order_id, expected in found.expected.items():
        stored = [payment["_id"] for payment in found.payments_of(order_id) if payment["status"] != "failed"]
        intents = [entry["payment_intent"] for entry in found.ledger_of(order_id) if entry["status"] != "canceled"]
        if len(stored) != expected.payments or len(intents) > expected.payments:
            yield f"{order_id}: payments {stored}, intents {intents}"


def expected_events(found: Evidence) -> Wrongs:
    """Each service heard the kinds of events that the story calls for."""
    for order_id, expected in found.expected.items():
        if expected.at_orders is not None and found.heard(order_id) != expected.at_orders:
            yield f"{order_id}: the order service heard {_listed(found.heard(order_id))}"
        if expected.at_notifications is not None and found.mailed(order_id) != expected.at_notifications:
            yield f"{order_id}: the notification service heard {_listed(found.mailed(order_id))}"


def every_event_once(found: Evidence) -> Wrongs:
    """Each service has every event that was announced to it, once by id, and none that was not."""
    announced = found.announced
    times = Counter(event_id for order in found.orders.values() for event_id, _ in order.events)
    owed = {event_id for event_id, kind in announced.items() if kind in NOTIFIED}
    yield from (f"{event_id}: handled {count} times" for event_id, count in times.items() if count != 1)
    yield from (f"{event_id}: not heard by the order service" for event_id in announced.keys() - times.keys())
    yield from (f"{event_id}: heard and not in the database" for event_id in times.keys() - announced.keys())
    yield from (f"{event_id}: not heard by the notification service" for event_id in owed - found.notified)


def gap_free(found: Evidence) -> Wrongs:
    """The sequences of each payment's events are 1, 2, 3, … at the order service."""
    sequences: dict[str, list[int]] = {}
    for order in found.orders.values():
        for _, event in order.events:
            sequences.setdefault(event.payment_id, []).append(event.sequence)
    for payment_id, numbers in sequences.items():
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            yield f"{payment_id}: {sorted(numbers)}"


def foreign_ignored(found: Evidence) -> Wrongs:
    """Each event that is not ours is on record with the reason for which it was left alone."""
    for order_id, expected in found.expected.items():
        for event_id, why in expected.foreign.items():
            if why not in found.ignored.get(event_id, ""):
                yield f"{order_id}: {event_id} is {why}, on record is {found.ignored.get(event_id, 'nothing')!r}"


def forgotten(found: Evidence) -> Wrongs:
    """A user who was erased is named in no document and no book."""
    yield from (f"{user}: {', '.join(places)}" for user, places in found.named.items() if places)


def nothing_unsent(found: Evidence) -> Wrongs:
    """The outbox is empty, nothing is open, and no payment waits for a person."""
    for payment in found.payments:
        named = [name for name in ("unsent_at", "check_at", "needs_review") if name in payment]
        if named:
            yield f"{payment['_id']}: {', '.join(named)}"


def replayed(found: Evidence) -> Wrongs:
    """Deciding every recorded step of each payment again gives what is stored."""
    yield from (f"{payment_id}: {why}" for payment_id, why in found.differing.items())


def queues_empty(found: Evidence) -> Wrongs:
    """Nothing waits at Stripe, in the inbound queues, the retry tiers, the quarantine or the dead letters."""
    yield from (f"{name}: {count} messages" for name, count in found.queues.items() if count)
    if found.pending_webhooks:
        yield f"{found.pending_webhooks} webhooks have not been taken"
    if found.dead_letters:
        yield f"the collection of dead letters has {found.dead_letters} new ones"


def ended_cleanly(found: Evidence) -> Wrongs:
    """Worker and ingress exit with 0 on SIGTERM."""
    yield from (f"{name}: exit code {code}" for name, code in found.exits.items() if code != 0)


CHECKS: tuple[tuple[str, Callable[[Evidence], Wrongs]], ...] = (
    ("every story went as told", stories),
    ("every payment ended as expected", statuses),
    ("Stripe's ledger, the database and the order service agree", ledger_agrees),
    ("nobody was charged twice, canceled orders not at all", charged_once),
    ("one payment per order", one_payment_per_order),
    ("both services heard what the story calls for", expected_events),
    ("each event was handled exactly once by id at each service", every_event_once),
    ("sequences have no gaps", gap_free),
    ("what is not ours is ignored, with the reason on record", foreign_ignored),
    ("an erased user is named nowhere", forgotten),
    ("outbox empty, nothing open, nothing for review", nothing_unsent),
    ("every payment is what its recorded steps make", replayed),
    ("queues, retry tiers, quarantine and dead letters empty", queues_empty),
    ("worker and ingress exit with 0 on SIGTERM", ended_cleanly),
)


def run(found: Evidence) -> list[Result]:
    return [_result(name, list(check(found))) for name, check in CHECKS]


def _result(name: str, wrongs: list[str]) -> Result:
    more = [f"… and {len(wrongs) - SHOWN} more"] if len(wrongs) > SHOWN else []
    return Result(name, not wrongs, "\n".join([*wrongs[:SHOWN], *more]))


def _totals(found: Totals) -> str:
    more = [
        f"{name} {amount}" for name, amount in (("refunded", found.refunded), ("disputed", found.disputed)) if amount
    ]
    return " ".join([str(found.captured), *more])


def _listed(kinds: Counter[str]) -> str:
    return ", ".join(sorted(kinds.elements())) or "nothing"
