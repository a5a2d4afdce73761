"""The e-mails that a shop sends about a payment."""

from dataclasses import dataclass

from babel.dates import format_datetime

from contracts.events import Event, PaymentCanceled, PaymentFailed, PaymentSucceeded
from sandbox.services import amounts


@dataclass(frozen=True)
class Email:
    to: str
    subject: str
    body: str


def render(event: Event, to: str, shop_url: str) -> Email | None:
    """The e-mail that an event calls for, or None."""
    match event:
        case PaymentSucceeded():
            subject, lines = _paid(event)
        case PaymentFailed():
            subject, lines = _declined(event, shop_url)
        case PaymentCanceled():
            subject, lines = _canceled(event)
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
    if event.attempt.can_retry:
        lines.append(
            f"No money was taken. You can try again, also with another card: {shop_url}/orders/{event.order_id}/pay"
        )
    else:
        lines.append("No money was taken. Please order again if you still want it.")
    return f"Your payment for order {event.order_id} was not accepted", lines


def _canceled(event: PaymentCanceled) -> tuple[str, list[str]]:
    # A cancel that came before its create left a payment without terms: there is no amount to speak of.
    amount = f" of {amounts.text(event.amount, event.currency)}" if event.currency else ""
    return f"Your order {event.order_id} is canceled", [
        f"the payment{amount} for your order {event.order_id} is canceled. No money was taken.",
    ]
