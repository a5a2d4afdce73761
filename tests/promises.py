"""What the service promises of its payments, judged by Stripe's own ledger (docs/reliability.md, P1 to P5)."""

from collections.abc import Iterable, Sequence

from contracts.events import Case
from contracts.views import RefundStatus
from tests.fake_stripe import FakeStripe
from worker.domain.calls import CONFLICT
from worker.domain.messages import Cancel
from worker.domain.record import FINAL, CallState, Operation, Payment, Status

HAPPENED = {
    "requires_action": Status.REQUIRES_ACTION,
    "processing": Status.PROCESSING,
    "authorized": Status.REQUIRES_CAPTURE,
    "succeeded": Status.SUCCEEDED,
    "canceled": Status.CANCELED,
    "failed": Status.REQUIRES_PAYMENT_METHOD,
}
"""Events, and the status that an intent comes into when they happen."""


EXPECTED_REVIEWS = {None, "orphan_left", "refund_refused", "capture_unclear", *Case}
"""Reasons for a person to look that a world without our own bugs can have."""


ANSWERED = {Operation.CONFIRM, Operation.CAPTURE, Operation.EVIDENCE, Operation.ACCEPT}
"""What Stripe's answer alone settles. A cancel is done whoever did it; a create and a refund bear our name."""


def assert_money_moves_once(payments: Sequence[Payment], stripe: FakeStripe) -> None:
    """P1, for the payments of one order."""
    for payment in payments:
        assert stripe.taken(payment.id) <= payment.amount, "P1: more than asked for"
        assert stripe.good_charges(payment.id) <= 1, "P1: charged twice"
        assert len(stripe.of(payment.id)) <= 1, "P1: two intents"
        assert payment.captured <= payment.amount
        for intent in stripe.of(payment.id):
            assert intent.given_back <= intent.received, "P1: more given back than taken"
            names = [refund.metadata["refund_id"] for refund in intent.refunds if refund.metadata]
            assert len(set(names)) == len(names), "P1: a refund made twice"
    watched = [payment for payment in payments if payment.needs_review is None]
    assert sum(stripe.kept(payment.id) > 0 for payment in watched) <= 1, "P1: an order paid twice"
    assert sum(payment.live for payment in watched) <= 1, "two live payments"


def agrees(payment: Payment, stripe: FakeStripe) -> bool:
    """P3: the record says what Stripe says, or that a person must look."""
    if payment.needs_review is not None:
        return True
    held = stripe.of(payment.id)
    if not held:
        return payment.status in {Status.FAILED, Status.CANCELED}
    if payment.status in {Status.FAILED, Status.CANCELED} and payment.concerns:
        return len(held) == 1 and _totals(payment) == (held[0].received, held[0].refunded, held[0].disputed)
    ours = (payment.status, *_totals(payment))
    theirs = [(intent.status, intent.received, intent.refunded, intent.disputed) for intent in held]
    return [ours] == theirs


def _totals(payment: Payment) -> tuple[int, int, int]:
    return payment.captured, payment.refunded, payment.disputed


def assert_money_told(payment: Payment, stripe: FakeStripe) -> None:
    """P4, for refunds and disputes: each is announced once as done, and everything that is there is announced."""
    if payment.needs_review == "second_intent":
        return
    refunded = [event.body["refund"]["refund_id"] for event in payment.events if event.type == "payment.refunded"]
    failed = [event.body["refund"]["refund_id"] for event in payment.events if event.type == "payment.refund_failed"]
    opened = [event.body["dispute"]["dispute_id"] for event in payment.events if event.type == "payment.dispute_opened"]
    assert len(set(refunded)) == len(refunded), "a refund announced twice"
    assert len(set(failed)) == len(failed), "a failure announced twice"
    assert len(set(opened)) == len(opened), "a dispute announced twice"
    for held in stripe.of(payment.id):
        known = {refund.stripe_id: refund for refund in payment.refunds}
        for refund in held.refunds:
            assert known[refund.id].status is refund.status, "P3: a refund"
            done = refund.status is RefundStatus.SUCCEEDED
            assert known[refund.id].id in (refunded if done else failed if not refund.counts else known[refund.id].id)
        assert {dispute.id for dispute in held.disputes} == set(opened), "P4: a dispute that nobody saw"
        assert all(refund.stripe_id or not refund.under_way for refund in payment.refunds), "P5: a reservation left"


def assert_told_what_was_done(payment: Payment, stripe: FakeStripe) -> None:
    """What only Stripe's answer settles is told as Stripe did it under its key, unless there was no answer for good."""
    for call in payment.calls:
        if call.operation in ANSWERED and call.settle in {None, CONFLICT}:
            told = call.state is CallState.DONE
            assert told == (call.key in stripe.done), f"{call.key} told as {call.state}"


def assert_announced_has_happened(payment: Payment, stripe: FakeStripe) -> None:
    """No fact is announced more often than it happened at Stripe, and nothing waits for a person without a cause."""
    types = [event.type.removeprefix("payment.") for event in payment.events]
    failed = any(attempt.outcome == "failed" for attempt in payment.attempts)
    for kind, status in HAPPENED.items():
        ours = (kind == "failed" and failed) or (kind == "canceled" and not stripe.of(payment.id))
        assert types.count(kind) <= stripe.times(payment.id, status) + ours, f"{kind} announced more often than it was"
    assert types.count("created") <= 1
    assert payment.needs_review in EXPECTED_REVIEWS, payment.needs_review


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
    assert_told_what_was_done(payment, stripe)
    assert_money_told(payment, stripe)
    assert agrees(payment, stripe), f"P3: {payment} against {stripe.of(payment.id)}"
