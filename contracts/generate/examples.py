"""An example of every message, built by the models themselves, so that it cannot be wrong."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from contracts.commands import CancelPayment
from contracts.envelope import Envelope, encode, wrap
from contracts.events import PaymentCanceled, PaymentLateMoney, PaymentNeedsReview
from contracts.generate.catalogue import Message, Sender
from contracts.queries import ANSWERS, GetPayment, PaymentDetails
from contracts.replies import RefusalCode, Reply, Verdict
from contracts.views import PaymentStatus, PaymentView

COMMAND_ID = "cmd_1"
SECRET = {"client_secret": "pi_example_secret_for_the_requester_alone"}

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
LATER = datetime(2026, 1, 15, 9, 45, tzinfo=UTC)
DUE = datetime(2026, 1, 24, 23, 59, 59, tzinfo=UTC)

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
    "requested_by": "support-12",
    "note": "Arrived broken",
    "refund_id": "refund-1042-1",
    "dispute_id": "dp_example",
    "evidence": {"shipping_tracking_number": "1Z999", "product_description": "A pair of shoes"},
    "decision": "refund",
    "refund": {
        "refund_id": "refund-1042-1",
        "amount": 500,
        "status": "succeeded",
        "stripe_refund_id": "re_example",
        "reason": "requested_by_customer",
        "at": NOW,
    },
    "dispute": {
        "dispute_id": "dp_example",
        "amount": 1999,
        "status": "needs_response",
        "reason": "product_not_received",
        "funds": "withdrawn",
        "evidence_due_by": DUE,
        "at": NOW,
    },
    "days_left": 3,
    "warning_id": "issfr_example",
    "fraud_type": "made_with_stolen_card",
    "review_id": "prv_example",
    "remedy": "hold",
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
    "payment.authorization_expiring": PaymentStatus.REQUIRES_CAPTURE,
    "payment.captured": PaymentStatus.REQUIRES_CAPTURE,
    "payment.refunded": PaymentStatus.PARTIALLY_REFUNDED,
    **dict.fromkeys(
        (
            "payment.receipt",
            "payment.refund_requested",
            "payment.refund_updated",
            "payment.refund_failed",
            "payment.dispute_opened",
            "payment.dispute_updated",
            "payment.dispute_deadline",
            "payment.dispute_closed",
            "payment.fraud_warning",
            "payment.review_opened",
            "payment.review_closed",
            "payment.resolved",
            "payment.erased",
        ),
        PaymentStatus.SUCCEEDED,
    ),
}

REFUND: dict[str, dict[str, Any]] = {
    "payment.refund_requested": {"status": "requested", "stripe_refund_id": None},
    "payment.refund_updated": {"status": "pending"},
    "payment.refund_failed": {"status": "failed", "failure_reason": "lost_or_stolen_card"},
}
"""What a refund is like in each event that is about one; elsewhere it has succeeded."""

MONEY: dict[str, dict[str, Any]] = {
    "payment.succeeded": {"captured": 1999, "refundable": 1999},
    "payment.authorized": {"capturable": 1999, "capture_before": DUE},
    "payment.authorization_expiring": {"capturable": 1999, "capture_before": DUE},
    "payment.captured": {"captured": 999, "capturable": 1000, "refundable": 999, "capture_before": DUE},
    "payment.receipt": {"captured": 1999, "refundable": 1999, "receipt_url": "https://pay.stripe.example/receipts/1"},
    "payment.refund_requested": {"captured": 1999, "reserved": 500, "refundable": 1499},
    "payment.refund_updated": {"captured": 1999, "reserved": 500, "refundable": 1499},
    "payment.refunded": {"captured": 1999, "refunded": 500, "refundable": 1499},
    "payment.refund_failed": {"captured": 1999, "refundable": 1999},
    "payment.dispute_opened": {"captured": 1999, "disputed": 1999},
    "payment.dispute_closed": {"captured": 1999, "disputed": 1999, "dispute": VALUES["dispute"] | {"status": "lost"}},
    "payment.erased": {"user_id": "erased"},
}
"""The totals, where an example without them would not be true."""


COMMAND = {"command_id": COMMAND_ID, "kind": "refund", "verdict": "accepted", "at": NOW}

ASKED: dict[str, dict[str, Any]] = {
    "payment.list": {"viewer": "user-77", "statuses": ["succeeded", "partially_refunded"], "limit": 20},
    "payment.get_stats": {"since": NOW, "until": DUE, "timezone": "Europe/Berlin", "step": "day"},
    "order.payments": {"payments": [VALUES], "command": COMMAND},
    "payment.page": {"items": [VALUES], "next_cursor": "eyJwIjoxfQ"},
    "payment.timeline": {
        "entries": [
            {
                "at": NOW,
                "message_id": COMMAND_ID,
                "kind": "confirm",
                "outcome": "applied",
                "from_status": "requires_payment_method",
                "to_status": "succeeded",
                "why": "confirm done",
                "verdict": "accepted",
            }
        ],
        "pending": [{"command_id": "cmd_2", "operation": "refund", "issued_at": NOW, "sends": 1}],
    },
    "payment.stats": {
        "since": NOW,
        "until": LATER,
        "timezone": "Europe/Berlin",
        "as_of": LATER,
        "currencies": [
            {
                "currency": "eur",
                "total": {
                    "created": 10,
                    "asked": 19990,
                    "statuses": {"succeeded": 7, "partially_refunded": 1, "canceled": 2},
                    "succeeded": 8,
                    "ended": 10,
                    "success_rate": 0.8,
                    "refund_rate": 0.125,
                    "declines": {"insufficient_funds": 2},
                    "time_to_success": {"count": 8, "median_ms": 41472, "p95_ms": 120832},
                    "captured": 15992,
                    "captures": 8,
                    "refunded": 500,
                    "refunds": 1,
                },
                "series": [
                    {"start": NOW, "created": 10, "succeeded": 8, "ended": 10, "captured": 15992, "refunded": 500}
                ],
            }
        ],
    },
    "payment.event_page": {
        "events": [
            {
                "id": "pay_7k3m9q2x_1.3",
                "source": "payments",
                "type": "payment.needs_review",
                "subject": "pay_7k3m9q2x_1",
                "time": NOW,
                "dataschema": "urn:payments:payment.needs_review:v1",
                "sequence": "0000000003",
                "data": {"payment_id": "pay_7k3m9q2x_1", "reason": "unlisted_provider_error"},
            }
        ],
        "next_sequence": 4,
    },
    "customer.methods": {
        "methods": [
            {
                "payment_method": "pm_1",
                "type": "card",
                "brand": "visa",
                "last4": "4242",
                "expires": "04/2031",
                "default": True,
            }
        ]
    },
    "query.refused": {"code": "not_found", "message": "There is no such payment."},
}
"""What queries and their answers say where the values by name do not say it."""


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
    if model is GetPayment:
        return {
            "by our id": build(model, payment_intent_id=None),
            "by Stripe's id, of one's own alone": build(model, payment_id=None, command_id=None, viewer="user-77"),
        }
    if model is PaymentDetails:
        return _details()
    status = {"status": STATUS[message.kind]} if message.kind in STATUS else {}
    reasons: dict[type[BaseModel], str] = {
        PaymentCanceled: "requested_by_customer",
        PaymentLateMoney: "paid_after_cancel",
        PaymentNeedsReview: "unlisted_provider_error",
    }
    reason = {"reason": reasons[model]} if model in reasons else {}
    money = MONEY.get(message.kind, {})
    refund = {"refund": VALUES["refund"] | REFUND[message.kind]} if message.kind in REFUND else {}
    asked = ASKED.get(message.kind, {})
    return {message.kind.removeprefix("payment."): build(model, **{**asked, **status, **reason, **money, **refund})}


def envelopes(message: Message) -> dict[str, bytes]:
    """The same in their envelopes, as bytes on the wire."""
    return {summary: encode(_envelope(message, body)) for summary, body in bodies(message).items()}


def _envelope(message: Message, body: BaseModel) -> Envelope:
    payment_id = VALUES["payment_id"]
    if message.sender is Sender.CLIENTS:
        around: dict[str, Any] = {"message_id": COMMAND_ID, "source": "order-service"}
    else:
        around = {"source": "payments", "subject": payment_id, "causation_id": COMMAND_ID}
        reply = message.model in {Reply, *ANSWERS.values()}
        around |= {"message_id": f"{COMMAND_ID}.reply"} if reply else {"message_id": f"{payment_id}.3", "sequence": 3}
    return wrap(body, kind=message.kind, version=message.version, time=NOW, correlation_id="checkout-5512", **around)


def _details() -> dict[str, BaseModel]:
    refused = {"code": RefusalCode.UNKNOWN_PAYMENT, "message": "There is no payment of this id."}
    paid = build(PaymentView, status=PaymentStatus.PARTIALLY_REFUNDED, captured=1999, refunded=500, refundable=1499)
    return {
        "a payment": PaymentDetails.model_validate(
            {"payment": paid, "refunds": [VALUES["refund"]], "command": COMMAND}
        ),
        "only a refused command": PaymentDetails.model_validate(
            {"command": COMMAND | {"verdict": Verdict.REFUSED, "refusal": refused}}
        ),
    }


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
