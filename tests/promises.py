"""What the service promises of its payments, judged by Stripe's own ledger (docs/reliability.md, P1 to P5)."""

from collections.abc import Iterable, Sequence

from tests.fake_stripe import FakeStripe
from worker.domain.messages import Cancel
from worker.domain.record import FINAL, Payment, Status

HAPPENED = {
    "requires_action": Status.REQUIRES_ACTION,
    "processing": Status.PROCESSING,
    "authorized": Status.REQUIRES_CAPTURE,
    "succeeded": Status.SUCCEEDED,
    "canceled": Status.CANCELED,
    "failed": Status.REQUIRES_PAYMENT_METHOD,
}
"""Events, and the status that an intent comes into when they happen."""


def assert_money_moves_once(payments: Sequence[Payment], stripe: FakeStripe) -> None:
    """P1, for the payments of one order."""
    for payment in payments:
        assert stripe.taken(payment.id) <= payment.amount, "P1: more than asked for"
        assert stripe.good_charges(payment.id) <= 1, "P1: charged twice"
        assert len(stripe.of(payment.id)) <= 1, "P1: two intents"
        assert payment.captured <= payment.amount
    assert sum(stripe.taken(payment.id) > 0 for payment in payments) <= 1, "P1: an order paid twice"
    assert sum(payment.live for payment in payments) <= 1, "two live payments"


def agrees(payment: Payment, stripe: FakeStripe) -> bool:
    """P3: the record says what Stripe says, or that a person must look."""
    if payment.needs_review is not None:
        return True
    held = stripe.of(payment.id)
    if not held:
        return payment.status in {Status.FAILED, Status.CANCELED}
    return len(held) == 1 and (payment.status, payment.captured) == (held[0].status, held[0].received)


def assert_announced_has_happened(payment: Payment, stripe: FakeStripe) -> None:
    """No fact is announced more often than it happened at Stripe, and nothing waits for a person without a cause."""
    types = [event.type.removeprefix("payment.") for event in payment.events]
    failed = any(attempt.outcome == "failed" for attempt in payment.attempts)
    for kind, status in HAPPENED.items():
        ours = (kind == "failed" and failed) or (kind == "canceled" and not payment.calls)
        assert types.count(kind) <= stripe.times(payment.id, status) + ours, f"{kind} announced more often than it was"
    assert types.count("created") <= 1
    assert payment.needs_review in {None, "orphan_left", "late_money"}, payment.needs_review


def assert_heeds_cancels(opened: Payment, existing: Iterable[Payment], cancels: Iterable[Cancel]) -> None:
    """No payment opens for a create that was issued no later than a cancel of its order that is recorded."""
    if opened.status is not Status.CREATING:
        return
    payments = list(existing)
    heeded = [payment.canceled_as_of for payment in payments if payment.canceled_as_of]
    recorded = (command for command in cancels if any(payment.knows(command.message_id) for payment in payments))
    heeded += [command.issued_at for command in recorded]
    assert all(opened.issued_at > moment for moment in heeded), "a create that was canceled before"


def assert_settled(payment: Payment, stripe: FakeStripe) -> None:
    """P3 and P5, once everything has come to rest."""
    assert payment.head is None, "P5: an open call"
    assert payment.read_at is None, "P5: an owed read"
    assert payment.status in FINAL or payment.check_at is not None, "P5: nobody looks"
    assert agrees(payment, stripe), f"P3: {payment} against {stripe.of(payment.id)}"
