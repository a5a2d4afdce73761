"""An example of every message, built by the models themselves, so that it cannot be wrong."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from contracts.commands import CancelPayment
from contracts.envelope import Envelope, encode, wrap
from contracts.events import PaymentCanceled, PaymentLateMoney, PaymentNeedsReview
from contracts.generate.catalogue import Message, Sender
from contracts.replies import RefusalCode, Reply, Verdict
from contracts.views import PaymentStatus, PaymentView

COMMAND_ID = "cmd_1"
SECRET = {"client_secret": "pi_example_secret_for_the_requester_alone"}

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
LATER = datetime(2026, 1, 15, 9, 45, tzinfo=UTC)

VALUES: dict[str, Any] = {
    "payment_id": "pay_7k3m9q2x_1",
    "order_id": "order-1042",
    "user_id": "user-77",
    "deployment": "shop-eu",
    "status": PaymentStatus.REQUIRES_PAYMENT_METHOD,
    "amount": 1999,
    "currency": "eur",
    "capture_method": "automatic",
    "description": "Order 1042",
    "metadata": {"cart": "c-9"},
    "expires_at": LATER,
    "payment_method": "pm_card_visa",
    "return_url": "https://shop.example/orders/1042",
    "payment_intent_id": "pi_example",
    "created_at": NOW,
    "updated_at": NOW,
    "occurred_at": NOW,
    "sequence": 3,
    "action": "redirect_to_url",
    "attempt": {
        "attempt_id": "ch_example",
        "outcome": "declined",
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "message": "Your card has insufficient funds.",
        "can_retry": True,
        "payment_method_type": "card",
        "at": NOW,
    },
    "command_id": COMMAND_ID,
}
"""By field name. A field that is not named here is left to its default."""

STATUS = {
    "payment.created": PaymentStatus.REQUIRES_PAYMENT_METHOD,
    "payment.requires_action": PaymentStatus.REQUIRES_ACTION,
    "payment.processing": PaymentStatus.PROCESSING,
    "payment.authorized": PaymentStatus.REQUIRES_CAPTURE,
    "payment.succeeded": PaymentStatus.SUCCEEDED,
    "payment.canceled": PaymentStatus.CANCELED,
    "payment.late_money": PaymentStatus.CANCELED,
}


def build(model: type[BaseModel], **given: Any) -> BaseModel:
    """One example; ValidationError names a required field that VALUES does not have."""
    known = {name: VALUES[name] for name in model.model_fields if name in VALUES}
    return model.model_validate({**known, **given})


def bodies(message: Message) -> dict[str, BaseModel]:
    """Examples of one message by a short summary each."""
    model = message.model
    if model is CancelPayment:
        return {
            "by payment": build(model, order_id=None),
            "by order, also one whose create has not arrived yet": build(model, payment_id=None),
        }
    if model is Reply:
        return _replies()
    status = {"status": STATUS[message.kind]} if message.kind in STATUS else {}
    reasons: dict[type[BaseModel], str] = {
        PaymentCanceled: "requested_by_customer",
        PaymentLateMoney: "paid_after_cancel",
        PaymentNeedsReview: "unlisted_provider_error",
    }
    reason = {"reason": reasons[model]} if model in reasons else {}
    captured = {"captured": VALUES["amount"]} if message.kind == "payment.succeeded" else {}
    return {message.kind.removeprefix("payment."): build(model, **status, **reason, **captured)}


def envelopes(message: Message) -> dict[str, bytes]:
    """The same in their envelopes, as bytes on the wire."""
    return {summary: encode(_envelope(message, body)) for summary, body in bodies(message).items()}


def _envelope(message: Message, body: BaseModel) -> Envelope:
    payment_id = VALUES["payment_id"]
    if message.sender is Sender.CLIENTS:
        around: dict[str, Any] = {"message_id": COMMAND_ID, "source": "order-service"}
    else:
        around = {"source": "payments", "subject": payment_id, "causation_id": COMMAND_ID}
        reply = message.model is Reply
        around |= {"message_id": f"{COMMAND_ID}.reply"} if reply else {"message_id": f"{payment_id}.3", "sequence": 3}
    return wrap(body, kind=message.kind, version=message.version, time=NOW, correlation_id="checkout-5512", **around)


def _replies() -> dict[str, BaseModel]:
    payment = build(PaymentView)
    return {
        "accepted": build(Reply, verdict=Verdict.ACCEPTED, payment=payment, **SECRET),
        "pending": build(Reply, verdict=Verdict.PENDING, payment=build(PaymentView, status=PaymentStatus.CREATING)),
        "refused": build(
            Reply,
            verdict=Verdict.REFUSED,
            refusal={
                "code": RefusalCode.AMOUNT_TOO_SMALL,
                "message": "The smallest charge in EUR is 50 minor units (0.50 EUR).",
                "field": "data.amount",
            },
        ),
    }
