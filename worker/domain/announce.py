"""From a payment to what others see of it: the view in replies and the body of every event."""

from datetime import datetime
from typing import Any

from contracts import events, views
from worker.domain.limits import MAX_ATTEMPTS
from worker.domain.parts import Dispute, Refund
from worker.domain.record import Announced, Attempt, Payment, Status, Trace

OF_STATUS: dict[Status, type[events.PaymentEvent]] = {
    Status.REQUIRES_ACTION: events.PaymentRequiresAction,
    Status.PROCESSING: events.PaymentProcessing,
    Status.REQUIRES_CAPTURE: events.PaymentAuthorized,
    Status.SUCCEEDED: events.PaymentSucceeded,
    Status.CANCELED: events.PaymentCanceled,
}
"""What entering a status announces. The others are entered by what announces itself: a create, or a declined attempt."""


def shown_status(payment: Payment) -> views.PaymentStatus:
    """The status as people read it: a succeeded payment shows what was given back."""
    if payment.status is Status.SUCCEEDED and payment.refunded:
        whole = payment.refunded >= payment.captured
        return views.PaymentStatus.REFUNDED if whole else views.PaymentStatus.PARTIALLY_REFUNDED
    return views.PaymentStatus(payment.status)


def view(payment: Payment) -> views.PaymentView:
    """Show a payment to whoever may see it."""
    return views.PaymentView(**_common(payment))


def attempt_view(attempt: Attempt, payment: Payment) -> views.Attempt:
    """Show a declined attempt; the customer can try again while the payment can still be paid."""
    payable = payment.status not in {Status.SUCCEEDED, Status.CANCELED, Status.FAILED}
    return views.Attempt(
        attempt_id=attempt.id,
        outcome=attempt.outcome,
        code=attempt.code,
        decline_code=attempt.decline_code,
        message=attempt.message,
        can_retry=payable and len(payment.attempts) < MAX_ATTEMPTS,
        payment_method_type=attempt.payment_method_type,
        at=attempt.at,
    )


def refund_view(refund: Refund) -> views.RefundView:
    """Show a refund; who asked for it, and the note, stay here."""
    return views.RefundView(
        refund_id=refund.id,
        amount=refund.amount,
        status=refund.status,
        stripe_refund_id=refund.stripe_id,
        reason=refund.reason,
        failure_reason=refund.failure,
        made_at_stripe=refund.made_at_stripe,
        at=refund.at,
    )


def dispute_view(dispute: Dispute) -> views.DisputeView:
    """Show a dispute."""
    return views.DisputeView(
        dispute_id=dispute.id,
        amount=dispute.amount,
        status=dispute.status,
        reason=dispute.reason,
        funds=dispute.funds,
        evidence_due_by=dispute.due_by,
        evidence_submitted=dispute.submitted,
        at=dispute.at,
    )


def announced(
    payment: Payment,
    kind: type[events.PaymentEvent],
    now: datetime,
    *,
    causation_id: str | None,
    trace: Trace,
    **more: Any,
) -> Announced:
    """Write down one fact: the payment as it is right after the change, and what changed."""
    sequence = payment.events[-1].sequence + 1 if payment.events else 1
    body = kind(**_common(payment), sequence=sequence, occurred_at=now, **more)
    return Announced(
        sequence=sequence,
        type=kind.TYPE,
        at=now,
        body=body.model_dump(mode="json", exclude_none=True),
        causation_id=causation_id,
        trace=trace,
    )


def _common(payment: Payment) -> dict[str, Any]:
    return {
        "payment_id": payment.id,
        "order_id": payment.order_id,
        "user_id": payment.user_id,
        "deployment": payment.deployment,
        "status": shown_status(payment),
        "amount": payment.amount,
        "currency": payment.currency,
        "capture_method": payment.capture_method,
        "captured": payment.captured,
        "refunded": payment.refunded,
        "disputed": payment.disputed,
        "reserved": payment.reserved,
        "refundable": payment.refundable,
        "capturable": payment.capturable,
        "capture_before": payment.capture_before if payment.status is Status.REQUIRES_CAPTURE else None,
        "payment_intent_id": payment.intent_id,
        "receipt_url": payment.receipt_url,
        "needs_review": payment.needs_review,
        "created_at": payment.created_at,
        "updated_at": payment.updated_at,
    }
