"""The e-mails that a shop sends its customers about a payment."""

from dataclasses import dataclass, field

from babel.dates import format_datetime

from contracts.events import (
    Event,
    PaymentCanceled,
    PaymentFailed,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSucceeded,
)
from contracts.replies import RefusalCode
from sandbox.services import amounts


@dataclass(frozen=True)
class Email:
    """`to` is personal: it goes to the mail server, and into no log. `reader` says who reads it."""

    to: str = field(repr=False)
    subject: str
    body: str = field(repr=False)
    reader: str = "the customer"


def render(event: Event, to: str, shop_url: str) -> Email | None:
    """The e-mail that an event calls for, or None."""
    match event:
        case PaymentSucceeded():
            subject, lines = _paid(event)
        case PaymentFailed():
            subject, lines = _declined(event, shop_url)
        case PaymentCanceled():
            subject, lines = _canceled(event)
        case PaymentRefunded():
            subject, lines = _refunded(event)
        case PaymentRefundFailed():
            subject, lines = _refund_failed(event)
        case _:
            return None
    return Email(to, subject, "\n\n".join(["Hello,", *lines, "Your sample shop"]) + "\n")


def _paid(event: PaymentSucceeded) -> tuple[str, list[str]]:
    paid = amounts.text(event.captured, event.currency)
    when = format_datetime(event.occurred_at, "d MMMM y, HH:mm 'UTC'", locale="en")
    return f"We have received {paid}", [
        f"thank you for your order {event.order_id}. We received {paid} on {when}.",
        f"Reference: {event.payment_id}",
    ]


def _declined(event: PaymentFailed, shop_url: str) -> tuple[str, list[str]]:
    reason = event.attempt.message or "The payment was not accepted."
    lines = [
        f"your payment of {amounts.text(event.amount, event.currency)} for order {event.order_id} was not accepted:",
        f"    {reason}",
    ]
    again = f"{shop_url}/orders/{event.order_id}/pay"
    absent = RefusalCode.AUTHENTICATION_REQUIRED in {event.attempt.code, event.attempt.decline_code}
    if event.attempt.can_retry and absent:
        lines.append(f"Your bank would like to ask you first. Please pay here, where it can: {again}")
    elif event.attempt.can_retry:
        lines.append(f"No money was taken. You can try again, also with another card: {again}")
    else:
        lines.append("No money was taken. Please order again if you still want it.")
    return f"Your payment for order {event.order_id} was not accepted", lines


def _canceled(event: PaymentCanceled) -> tuple[str, list[str]]:
    # A cancel that came before its create left a payment without terms: there is no amount to speak of.
    amount = f" of {amounts.text(event.amount, event.currency)}" if event.currency else ""
    return f"Your order {event.order_id} is canceled", [
        f"the payment{amount} for your order {event.order_id} is canceled. No money was taken.",
    ]


def _refunded(event: PaymentRefunded) -> tuple[str, list[str]]:
    back = amounts.text(event.refund.amount, event.currency)
    return f"{back} is on its way back to you", [
        f"we have refunded {back} of your order {event.order_id}. Banks take five to ten days to show it.",
        f"Reference: {event.refund.refund_id}",
    ]


def _refund_failed(event: PaymentRefundFailed) -> tuple[str, list[str]]:
    back = amounts.text(event.refund.amount, event.currency)
    return f"Your refund of {back} did not arrive", [
        f"your bank has returned the refund of {back} for your order {event.order_id}, which we had told you about.",
        "We will find another way and write to you.",
    ]
