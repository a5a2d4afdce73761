"""Statistics as arithmetic: what one payment adds to which quarters of an hour, and how quarters add up.

A payment counts in the quarter in which it was opened (as it stands now) and in those in which its money moved. When
money moved is read off the announced events: each carries the totals right after it, so what moved is the difference
to the event before. A quarter's tally is always counted anew from its payments and then set, never added to, so that no
crash or repeat can count anything twice (jobs/rollups.py).
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.views import PaymentStatus
from worker.domain.announce import shown_status
from worker.domain.record import Attempt, Payment
from worker.durations import class_of

QUARTER = timedelta(minutes=15)
"""Every time zone in use today is a multiple of it away from UTC, so its days and hours are whole quarters."""

SUCCEEDED_EVENT = "payment.succeeded"
MAX_REASON = 64


@dataclass(frozen=True, slots=True)
class Move:
    """Money that moved at one moment, in minor units; negative when it came back."""

    at: datetime
    captured: int
    refunded: int
    disputed: int


@dataclass
class Tally:
    """What one currency came to in a quarter of an hour, or in any number of them. See contracts.queries.Figures."""

    asked: int = 0
    captured: int = 0
    captures: int = 0
    refunded: int = 0
    refunds: int = 0
    disputed: int = 0
    disputes: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    declines: Counter[str] = field(default_factory=Counter)
    durations: Counter[int] = field(default_factory=Counter)

    def opened(self, payment: Payment) -> None:
        """Count a payment that was opened here, as it stands now."""
        self.asked += payment.amount
        self.statuses[shown_status(payment).value] += 1
        self.declines.update(decline_reason(attempt) for attempt in payment.attempts)
        succeeded_at = next((event.at for event in payment.events if event.type == SUCCEEDED_EVENT), None)
        if succeeded_at is not None:
            self.durations[class_of(succeeded_at - payment.created_at)] += 1

    def moved(self, move: Move) -> None:
        """Count money that moved here."""
        self.captured += move.captured
        self.captures += move.captured > 0
        self.refunded += move.refunded
        self.refunds += move.refunded > 0
        self.disputed += move.disputed
        self.disputes += move.disputed > 0

    def add(self, other: "Tally") -> None:
        """Take another tally of the same currency in."""
        self.asked += other.asked
        self.captured += other.captured
        self.captures += other.captures
        self.refunded += other.refunded
        self.refunds += other.refunds
        self.disputed += other.disputed
        self.disputes += other.disputes
        self.statuses.update(other.statuses)
        self.declines.update(other.declines)
        self.durations.update(other.durations)

    @property
    def created(self) -> int:
        return self.statuses.total()

    @property
    def refunded_payments(self) -> int:
        return self.statuses[PaymentStatus.PARTIALLY_REFUNDED] + self.statuses[PaymentStatus.REFUNDED]

    @property
    def succeeded(self) -> int:
        return self.statuses[PaymentStatus.SUCCEEDED] + self.refunded_payments

    @property
    def ended(self) -> int:
        return self.succeeded + self.statuses[PaymentStatus.CANCELED] + self.statuses[PaymentStatus.FAILED]


def quarter_of(moment: datetime) -> datetime:
    """The start of the quarter of an hour that a moment lies in. `moment` is in UTC."""
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


def moves(payment: Payment) -> list[Move]:
    """When this payment's money moved, by its announced events; those that moved none are left out."""
    found = []
    before = (0, 0, 0)
    for event in sorted(payment.events, key=lambda event: event.sequence):
        after = (event.body["captured"], event.body["refunded"], event.body["disputed"])
        if after != before:
            captured, refunded, disputed = (new - old for new, old in zip(after, before, strict=True))
            found.append(Move(event.at, captured, refunded, disputed))
        before = after
    return found


def quarters(payment: Payment) -> set[datetime]:
    """Every quarter of an hour that a payment counts in."""
    return {quarter_of(payment.created_at), *(quarter_of(move.at) for move in moves(payment))}


def count(found: dict[str, Tally], payment: Payment, quarter: datetime) -> None:
    """Count in a payment, under its currency, for what it adds to this quarter of an hour; nothing if it touches it not."""
    if quarter_of(payment.created_at) == quarter:
        found.setdefault(payment.currency, Tally()).opened(payment)
    for move in moves(payment):
        if quarter_of(move.at) == quarter:
            found.setdefault(payment.currency, Tally()).moved(move)


def decline_reason(attempt: Attempt) -> str:
    """The bank's reason where it gave one, else Stripe's error code. Fit to be a key."""
    return (attempt.decline_code or attempt.code or attempt.outcome)[:MAX_REASON]
