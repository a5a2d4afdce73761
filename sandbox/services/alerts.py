"""The e-mails that a shop sends its own people: where money waits for somebody, and until when."""

from datetime import datetime

from babel.dates import format_datetime

from contracts.events import (
    Event,
    PaymentAuthorizationExpiring,
    PaymentDisputeClosed,
    PaymentDisputeDeadline,
    PaymentDisputeOpened,
    PaymentFraudWarning,
    PaymentLateMoney,
    PaymentNeedsReview,
    PaymentRefundFailed,
    Remedy,
)
from sandbox.services import amounts
from sandbox.services.emails import Email

DESK = "payments-desk@shop.example"
READER = "the payments desk"

WHAT_NOW = {
    Remedy.TELL: "Nothing is to be done.",
    Remedy.REFUND: "It is being refunded.",
    Remedy.HOLD: "It waits for you: keep it or refund it.",
    Remedy.ASK: "The order service is asked whether to keep it.",
}


def render(event: Event) -> Email | None:
    """The e-mail that an event calls for, or None. It names the payment, and no customer."""
    found = _about(event)
    if found is None:
        return None
    subject, line = found
    body = f"{line}\n\nPayment {event.payment_id} of order {event.order_id}, {amounts.text(event.amount, event.currency)}.\n"
    return Email(DESK, subject, body, READER)


def _about(event: Event) -> tuple[str, str] | None:
    match event:
        case PaymentAuthorizationExpiring():
            return f"Capture order {event.order_id} soon", f"What is held is released at {_when(event.capture_before)}."
        case PaymentRefundFailed():
            back = amounts.text(event.refund.amount, event.currency)
            return f"A refund of {back} failed", f"Stripe says: {event.refund.failure_reason or event.refund.status}."
        case PaymentDisputeOpened():
            claim = amounts.text(event.dispute.amount, event.currency)
            until = _when(event.dispute.evidence_due_by)
            return (
                f"{claim} of order {event.order_id} is disputed",
                f"Reason: {event.dispute.reason}. Answer by {until}.",
            )
        case PaymentDisputeDeadline():
            until = _when(event.dispute.evidence_due_by)
            return f"{event.days_left} days left to answer a dispute", f"Evidence is taken until {until}."
        case PaymentDisputeClosed():
            return f"The dispute of order {event.order_id} is {event.dispute.status}", "It is over."
        case PaymentFraudWarning():
            return f"Order {event.order_id} is reported as fraud", WHAT_NOW[event.remedy]
        case PaymentLateMoney():
            return f"Money came for order {event.order_id}: {event.case}", WHAT_NOW[event.remedy]
        case PaymentNeedsReview():
            return f"Look at order {event.order_id}", f"No rule covers it: {event.reason}."
    return None


def _when(moment: datetime | None) -> str:
    return format_datetime(moment, "d MMMM y, HH:mm 'UTC'", locale="en") if moment else "an unknown time"
