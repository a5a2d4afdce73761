"""Payments for the tests of queries and statistics: made by hand, since statistics must hold for whatever is stored."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from contracts.commands import CaptureMethod
from contracts.views import PaymentStatus
from worker.domain.record import Announced, Attempt, Payment, Status, payment_id

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MS = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)
CURRENCIES = ("eur", "jpy")
REASONS = ("insufficient_funds", "generic_decline", "a.b$c")


def paid(order_id: str = "o-1", at: datetime = NOW, **changes: Any) -> Payment:
    """A payment that nobody has paid yet."""
    made = Payment(
        id=payment_id(order_id, 1),
        order_id=order_id,
        user_id="u-1",
        deployment="test",
        amount=2000,
        currency="eur",
        capture_method=CaptureMethod.AUTOMATIC,
        status=Status.REQUIRES_PAYMENT_METHOD,
        created_at=at,
        updated_at=at,
        issued_at=at,
    )
    return replace(announced(made, "payment.created", at), **changes)


def announced(payment: Payment, kind: str, at: datetime, **totals: Any) -> Payment:
    """The payment with these totals, and the event that says so."""
    after = replace(payment, **totals, updated_at=at, version=payment.version + 1)
    body = {"captured": after.captured, "refunded": after.refunded, "disputed": after.disputed}
    event = Announced(sequence=len(payment.events) + 1, type=kind, at=at, body=body)
    return replace(after, events=(*payment.events, event))


def declined(payment: Payment, reason: str, at: datetime) -> Payment:
    attempt = Attempt(id=f"ch_{len(payment.attempts)}", outcome="declined", at=at, code="x", decline_code=reason)
    return announced(replace(payment, attempts=(*payment.attempts, attempt)), "payment.failed", at)


def go_on(payment: Payment, at: datetime, chance: Random) -> Payment:
    """Whatever may happen next to a payment, by chance."""
    if payment.status is Status.REQUIRES_PAYMENT_METHOD:
        what = chance.choice(("decline", "succeed", "succeed", "cancel"))
        if what == "decline":
            return declined(payment, chance.choice(REASONS), at)
        if what == "cancel":
            return announced(payment, "payment.canceled", at, status=Status.CANCELED)
        return announced(payment, "payment.succeeded", at, status=Status.SUCCEEDED, captured=payment.amount)
    if payment.status is Status.SUCCEEDED:
        what = chance.choice(("refund", "fail", "dispute", "win"))
        if what == "refund" and payment.refunded < payment.captured:
            more = chance.randint(1, payment.captured - payment.refunded)
            return announced(payment, "payment.refunded", at, refunded=payment.refunded + more)
        if what == "fail" and payment.refunded:
            return announced(payment, "payment.refund_failed", at, refunded=chance.randrange(payment.refunded))
        if what == "dispute":
            return announced(payment, "payment.dispute_opened", at, disputed=payment.captured)
        return announced(payment, "payment.dispute_closed", at, disputed=0)
    return payment


def counted(payments: list[Payment]) -> dict[tuple[datetime, str], dict[str, Any]]:
    """A plain recount of everything, by quarter and currency: other code than the roll-up's, to hold it against."""
    found: dict[tuple[datetime, str], dict[str, Any]] = {}

    def place(at: datetime, payment: Payment) -> dict[str, Any]:
        minutes = int(at.timestamp()) // 900 * 900
        return found.setdefault((datetime.fromtimestamp(minutes, UTC), payment.currency), {})

    def add(into: dict[str, Any], name: str, number: int) -> None:
        if number:
            into[name] = into.get(name, 0) + number

    for payment in payments:
        opened = place(payment.created_at, payment)
        add(opened, "asked", payment.amount)
        add(opened, f"status {status_of(payment)}", 1)
        for attempt in payment.attempts:
            add(opened, f"decline {attempt.decline_code}", 1)
        before = {"captured": 0, "refunded": 0, "disputed": 0}
        for event in payment.events:
            for name, was in before.items():
                if event.body[name] != was:
                    moved = place(event.at, payment)
                    add(moved, name, event.body[name] - was)
                    add(moved, f"times {name}", int(event.body[name] > was))
            before = event.body
            if event.type == "payment.succeeded":
                add(opened, "timed", 1)
    return {key: {name: number for name, number in one.items() if number} for key, one in found.items()}


def status_of(payment: Payment) -> str:
    if payment.status is Status.SUCCEEDED and payment.refunded:
        return PaymentStatus.REFUNDED if payment.refunded == payment.captured else PaymentStatus.PARTIALLY_REFUNDED
    return str(payment.status)
