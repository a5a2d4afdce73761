"""Books as the demo finds them: sound ones, for tests to spoil."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from contracts.commands import CaptureMethod, Resolution
from contracts.events import EVENTS, Event, Remedy
from contracts.views import Attempt, DisputeView, PaymentStatus, RefundView
from sandbox.demo.evidence import Evidence, Expected, Totals
from sandbox.services.order import Order

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ORDER = "o-1"
PAYMENT = "pay_1_1"
STATUS = {"payment.succeeded": "succeeded", "payment.canceled": "canceled"}


def refund(**changes: Any) -> RefundView:
    return RefundView(**{"refund_id": "return-1", "amount": 700, "status": "succeeded", "at": AT, **changes})


def dispute(**changes: Any) -> DisputeView:
    terms = {"dispute_id": "du_1", "amount": 1999, "status": "needs_response", "reason": "fraudulent", "at": AT}
    return DisputeView(**{**terms, **changes})


def event(kind: str, sequence: int, *, order_id: str = ORDER, payment_id: str = PAYMENT, **more: Any) -> Event:
    """An event of 19.99 EUR."""
    extra: dict[str, Any] = {}
    if kind == "payment.failed":
        extra["attempt"] = Attempt(attempt_id="ch_1", outcome="declined", message="Your card was declined.", at=AT)
    if kind in {"payment.canceled", "payment.late_money", "payment.needs_review"}:
        extra["reason"] = "requested_by_customer"
    if "refund" in kind:
        extra["refund"] = refund()
    if "dispute" in kind:
        extra["dispute"] = dispute()
    if kind == "payment.dispute_deadline":
        extra["days_left"] = 3
    if kind in {"payment.fraud_warning", "payment.review_opened"}:
        extra |= {"warning_id": "issfr_1", "review_id": "prv_1", "remedy": Remedy.ASK}
    if kind == "payment.resolved":
        extra["decision"] = Resolution.KEEP
    common = {
        "payment_id": payment_id,
        "order_id": order_id,
        "user_id": "u-1",
        "deployment": "demo",
        "status": PaymentStatus(STATUS.get(kind, "requires_payment_method")),
        "amount": 1999,
        "currency": "eur",
        "capture_method": CaptureMethod.AUTOMATIC,
        "captured": 1999 if kind == "payment.succeeded" else 0,
        "created_at": AT,
        "updated_at": AT,
        "sequence": sequence,
        "occurred_at": AT,
    }
    return EVENTS[kind](**{**common, **extra, **more})


def order() -> Order:
    """A paid order as the order service has it."""
    made = Order(ORDER, "u-1", "a book", 1999, "eur", create_id="create-1")
    for sequence, kind in enumerate(("payment.created", "payment.succeeded"), start=1):
        made.apply(f"{PAYMENT}.{sequence}", event(kind, sequence))
    return made


def document(**changes: Any) -> dict[str, Any]:
    kinds = ("payment.created", "payment.succeeded")
    events = [{"sequence": number, "type": kind} for number, kind in enumerate(kinds, start=1)]
    return {"_id": PAYMENT, "order_id": ORDER, "status": "succeeded", "captured": 1999, "events": events} | changes


def entry(**changes: Any) -> dict[str, Any]:
    metadata = {"order_id": ORDER}
    sums = {"captured": 1999, "refunded": 0, "succeeded_charges": 1}
    return {"payment_intent": "pi_1", "status": "succeeded", "metadata": metadata, "disputes": []} | sums | changes


def sound(**changes: Any) -> Evidence:
    """One paid order; every check holds unless a change breaks one."""
    heard = Counter(("payment.created", "payment.succeeded"))
    found = Evidence(
        expected={ORDER: Expected("succeeded", Totals(1999), heard)},
        orders={ORDER: order()},
        notified=frozenset({f"{PAYMENT}.2"}),
        ledger=[entry()],
        payments=[document()],
        queues={"payments.dead-letters": 0},
        exits={"worker": 0, "ingress": 0},
    )
    return replace(found, **changes)
