"""What must hold of every record that is committed, asserted after every decision and listed in docs/state-machine.md.

A broken one stops the delivery before anything is written or sent: wrong money is worse than late money.
"""

from collections.abc import Callable
from dataclasses import dataclass

from contracts.events import Case
from contracts.views import RefundStatus
from worker.domain.parts import REFUND_RANK
from worker.domain.record import Call, Operation, Payment, counted


class BrokenInvariant(AssertionError):
    """A decision that must never be; the text names the rule and the payment."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """A sentence and its check: `before` is None for a new payment."""

    text: str
    holds: Callable[[Payment | None, Payment], bool]


def _captured_within(_: Payment | None, after: Payment) -> bool:
    strange = any(
        concern.case in {Case.TERMS_DIFFER, Case.PAID_AFTER_CANCEL, Case.PAID_TWICE} for concern in after.concerns
    )
    return after.captured >= 0 and (after.captured <= after.amount or strange)


def _captured_stays(before: Payment | None, after: Payment) -> bool:
    return before is None or after.captured >= before.captured


def _totals(_: Payment | None, after: Payment) -> bool:
    return counted(after) == {"refunded": after.refunded, "disputed": after.disputed}


def _reserved_within(before: Payment | None, after: Payment) -> bool:
    known = {refund.id for refund in before.refunds} if before else set()
    fresh = sum(r.amount for r in after.refunds if r.id not in known and r.status is RefundStatus.REQUESTED)
    return not fresh or after.refunded + after.reserved + after.disputed <= after.captured


def _reserved_has_a_call(_: Payment | None, after: Payment) -> bool:
    asked = {call.about for call in after.calls if call.open and call.operation is Operation.REFUND}
    return all(refund.id in asked for refund in after.refunds if refund.status is RefundStatus.REQUESTED)


def _refunds_go_up(before: Payment | None, after: Payment) -> bool:
    for old in before.refunds if before else ():
        new = after.refund(old.id)
        if new is None or (old.stripe_id and REFUND_RANK[new.status] < REFUND_RANK[old.status]):
            return False
    return True


def _nothing_vanishes(before: Payment | None, after: Payment) -> bool:
    if before is None:
        return True
    disputes = {dispute.id for dispute in after.disputes}
    calls = {call.id for call in _with_draft(after)}
    return (
        all(dispute.id in disputes for dispute in before.disputes)
        and all(call.id in calls for call in _with_draft(before))
        and len(after.attempts) >= len(before.attempts)
        and len(after.events) >= len(before.events)
        and len(after.timeline) >= len(before.timeline)
    )


def _with_draft(payment: Payment) -> tuple[Call, ...]:
    return (payment.draft, *payment.calls) if payment.draft else payment.calls


def _one_in_flight(_: Payment | None, after: Payment) -> bool:
    head = after.head
    keys = {call.key for call in after.calls}
    return len(keys) == len(after.calls) and all(call is head for call in after.calls if call.open and call.sends)


def _gap_free(_: Payment | None, after: Payment) -> bool:
    numbers = [event.sequence for event in after.events]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True


def _somebody_looks(_: Payment | None, after: Payment) -> bool:
    open_ended = after.waiting or after.head is not None or after.read_at is not None or after.draft is not None
    return not open_ended or after.check_at is not None


INVARIANTS = (
    Invariant(
        "No more is captured than was asked for, unless a concern says that Stripe's terms differ.", _captured_within
    ),
    Invariant(
        "What is captured stays captured: it goes back by refunds and disputes, which are counted.", _captured_stays
    ),
    Invariant("`refunded` and `disputed` are the sums of their lists.", _totals),
    Invariant(
        "A refund is reserved only within what is captured, not refunded, not reserved and not disputed.",
        _reserved_within,
    ),
    Invariant("Every reserved refund that Stripe has not answered has an open call.", _reserved_has_a_call),
    Invariant("A refund that Stripe has confirmed never goes back in its way, and none vanishes.", _refunds_go_up),
    Invariant("No dispute, call, attempt, event or timeline entry vanishes in a decision.", _nothing_vanishes),
    Invariant("At most one call is in flight, and no two calls share a key.", _one_in_flight),
    Invariant("Events are numbered without gaps.", _gap_free),
    Invariant("Whatever is open has a moment at which somebody looks at it.", _somebody_looks),
)


def hold(before: Payment | None, after: Payment | None) -> None:
    """Assert all of them. Raises BrokenInvariant."""
    if after is None or after is before:
        return
    for invariant in INVARIANTS:
        if not invariant.holds(before, after):
            raise BrokenInvariant(f"{after.id}: {invariant.text}")
