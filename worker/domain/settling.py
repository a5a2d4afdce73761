"""What became of a call that is never sent again: by what was read, and by what Stripe had answered to its key.

Stripe keeps the first answer to a key, so a state conflict says that nothing was done under it: what is there, somebody
else has done. Without an answer that is ours which is as it was asked for. Source: Stripe docs, "Idempotent requests".
"""

from contracts.replies import RefusalCode
from worker.domain import calls, watch
from worker.domain.parts import GIVEN_UP
from worker.domain.record import FINAL, Call, Operation, Payment, Refused, Status
from worker.domain.step import Step

UNCLEAR = "capture_unclear"
"""Several captures were made while the answer to ours was lost, and no sum says whether ours is among them."""

_UNPAID = frozenset({Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_CONFIRMATION, Status.CANCELED})


def outcome(step: Step, head: Call) -> Refused | None:
    """How a call ends that waited for a read; None if it was carried out."""
    if _took_effect(step.known, head):
        return None
    if head.operation is Operation.CAPTURE and head.settle != calls.CONFLICT and _may_be_among_others(step.known, head):
        watch.review(
            step, UNCLEAR, f"{step.known.captured - head.base} captured, and {_asked(step.known, head)} by us or not"
        )
        return Refused(
            RefusalCode.NEEDS_REVIEW, "somebody captured at Stripe, too: a person must see whether this is in it"
        )
    return _not_done(step, head)


def _took_effect(payment: Payment, head: Call) -> bool:
    """Whether what was read says that a call took effect."""
    dispute, conflict = payment.dispute(head.about), head.settle == calls.CONFLICT
    match head.operation:
        case Operation.CONFIRM:
            return not conflict and payment.status not in _UNPAID
        case Operation.CAPTURE:
            return not conflict and _captured_as_asked(payment, head)
        case Operation.REFUND:
            refund = payment.refund(head.about)
            return refund is not None and refund.stripe_id is not None
        case Operation.ACCEPT:
            return not conflict and dispute is not None and dispute.status in GIVEN_UP
        case Operation.EVIDENCE:
            submitted = dispute is not None and dispute.submitted and bool(head.params.get("submit"))
            return submitted and not conflict
    released = payment.status is Status.SUCCEEDED and payment.captured == head.base  # of a part was captured before
    return payment.status is Status.CANCELED or (released and not conflict)


def _asked(payment: Payment, head: Call) -> int:
    """How much a capture asks for; without an amount, all that was held when it was first sent."""
    return int(head.params.get("amount_to_capture", payment.amount - head.base))


def _ended_as_asked(payment: Payment, head: Call) -> bool:
    """After a final capture nothing is held any more."""
    return payment.status is not Status.REQUIRES_CAPTURE or not head.params.get("final_capture", True)


def _captured_as_asked(payment: Payment, head: Call) -> bool:
    return payment.captured - head.base == _asked(payment, head) and _ended_as_asked(payment, head)


def _may_be_among_others(payment: Payment, head: Call) -> bool:
    return payment.captured - head.base > _asked(payment, head) and _ended_as_asked(payment, head)


def _not_done(step: Step, head: Call) -> Refused:
    """How a call is refused that did not take effect at Stripe."""
    payment, conflict = step.known, head.settle == calls.CONFLICT
    own = payment.refund(head.about) if head.operation is Operation.REFUND else None
    if own is not None and conflict:
        return calls.too_much(payment, own)
    dispute = payment.dispute(head.about)
    if dispute is not None and not dispute.open:
        return Refused(RefusalCode.DISPUTE_CLOSED, f"the dispute is {dispute.status}")
    of_intent = head.operation in {Operation.CONFIRM, Operation.CAPTURE, Operation.CANCEL}
    if conflict or (of_intent and payment.status in FINAL):
        return Refused(RefusalCode.WRONG_STATE, f"the payment is {payment.status}")
    return Refused(RefusalCode.PROVIDER_ERROR, "Stripe did not carry it out: try again")
