"""From records to MongoDB documents and back. Absent is absent: a field that is None is not stored, so that sparse
indexes stay small and `$exists` means something.
"""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from bson.int64 import Int64

from contracts.commands import CaptureMethod
from contracts.events import Case, Remedy
from contracts.replies import RefusalCode, Verdict
from contracts.views import DisputeFunds, DisputeStatus, RefundStatus
from worker.domain.parts import Concern, Dispute, Refund, Review
from worker.domain.record import (
    Address,
    Announced,
    Attempt,
    Call,
    CallState,
    Entry,
    Input,
    Operation,
    Outcome,
    Payment,
    Refused,
    Status,
    Trace,
)

Document = dict[str, Any]


class Unsound(ValueError):
    """A document that is not as we write it: an amount that is no whole number. The text names the field, never the value."""


_AT_STRIPE = {"payment_intent_id": "intent_id", "latest_charge_id": "latest_charge_id", "customer_id": "customer_id"}
_GROWING = ("timeline", "events", "inputs")
_LISTS = ("attempts", "refunds", "disputes", "reviews", "concerns", "calls")
_AMOUNTS = ("amount", "captured", "refunded", "disputed", "heard_refunded")
_SCALARS = tuple(
    field.name for field in fields(Payment) if field.name not in {"id", *_AT_STRIPE.values(), *_GROWING, *_LISTS}
)
"""The draft of a create is one of them: one value, set or absent."""

_WRITTEN = frozenset({str, int, Int64, bool, datetime, type(None)})
"""What a payment is made of besides lists and sub-documents. MongoDB's doubles and decimals are not among it."""


def plain(value: Any) -> Any:
    """A record's value as MongoDB stores it; records become sub-documents without their empty fields."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        found = {name: getattr(value, name) for name in value.__dataclass_fields__}
        return {name: plain(item) for name, item in found.items() if item is not None and item not in ((), {}, "")}
    return value


def to_document(payment: Payment) -> Document:
    """The whole document, as inserted."""
    document = {name: plain(getattr(payment, name)) for name in _SCALARS if getattr(payment, name) is not None}
    document |= {name: plain(getattr(payment, name)) for name in (*_LISTS, *_GROWING)}
    document["_id"] = payment.id
    document["stripe"] = stripe_part(payment)
    if payment.check_at is not None:
        document["check_at"] = payment.check_at
    unsent = [event.at for event in payment.events if not event.sent]
    if unsent:
        document["unsent_at"] = min(unsent)
    return document


def stripe_part(payment: Payment) -> Document:
    part = {name: getattr(payment, ours) for name, ours in _AT_STRIPE.items()}
    return {name: value for name, value in part.items() if value is not None}


def changes(before: Payment, after: Payment) -> Document:
    """The update that turns one stored record into the next: changed fields set, lists appended to.

    Events are appended, not rewritten: marking them sent happens beside us without raising the version. An erasure does
    rewrite them; a mark that is lost to it sends an event again.
    """
    put: Document = {}
    drop: Document = {}
    for name in _SCALARS:
        value = getattr(after, name)
        if value != getattr(before, name):
            (drop if value is None else put)[name] = plain(value)
    if stripe_part(after) != stripe_part(before):
        put["stripe"] = stripe_part(after)
    for name in _LISTS:
        if getattr(after, name) != getattr(before, name):
            put[name] = plain(getattr(after, name))
    if after.check_at != before.check_at:
        (drop if after.check_at is None else put)["check_at"] = after.check_at
    put["version"] = before.version + 1
    update: Document = {"$set": put}
    if drop:
        update["$unset"] = dict.fromkeys(drop, "")
    push = {}
    for name in _GROWING:
        old, new = getattr(before, name), getattr(after, name)
        if new[: len(old)] != old:
            put[name] = plain(new)
        elif len(new) > len(old):
            push[name] = {"$each": plain(new[len(old) :])}
    if push:
        update["$push"] = push
    return _unsent(update, before, after)


def _unsent(update: Document, before: Payment, after: Payment) -> Document:
    """Say since when something waits to be sent: at the latest since the oldest event that is added."""
    if "events" in update.get("$push", {}):
        added = [event.at for event in after.events[len(before.events) :] if not event.sent]
        if added:
            update["$min"] = {"unsent_at": min(added)}
    elif "events" in update["$set"]:
        unsent = [event.at for event in after.events if not event.sent]
        if unsent:
            update["$set"]["unsent_at"] = min(unsent)
        else:
            update.setdefault("$unset", {})["unsent_at"] = ""
    return update


def from_document(document: Document) -> Payment:
    """Read a payment; times are milliseconds in MongoDB, so what was written a microsecond finer comes back rounded.

    Raises Unsound for what we never write, such as an amount that some script has stored as a double.
    """
    _refuse_foreign(document, "_id")
    stripe = document.get("stripe", {})
    known = {name: document[name] for name in _SCALARS if name in document}
    known |= {name: whole(document[name], name) for name in _AMOUNTS}
    return Payment(
        **{
            **known,
            "id": document["_id"],
            "status": Status(document["status"]),
            "capture_method": CaptureMethod(document["capture_method"]),
            "intent_id": stripe.get("payment_intent_id"),
            "latest_charge_id": stripe.get("latest_charge_id"),
            "customer_id": stripe.get("customer_id"),
            "draft": call_of(document["draft"]) if "draft" in document else None,
            "refunds": tuple(_refund(item) for item in document.get("refunds", ())),
            "disputes": tuple(_dispute(item) for item in document.get("disputes", ())),
            "reviews": tuple(Review(**item) for item in document.get("reviews", ())),
            "concerns": tuple(_concern(item) for item in document.get("concerns", ())),
            "attempts": tuple(Attempt(**item) for item in document.get("attempts", ())),
            "calls": tuple(call_of(item) for item in document.get("calls", ())),
            "timeline": tuple(entry_of(item) for item in document.get("timeline", ())),
            "events": tuple(event_of(item) for item in document.get("events", ())),
            "inputs": tuple(input_of(item) for item in document.get("inputs", ())),
        },
    )


def _refuse_foreign(value: Any, field: str) -> None:
    """Look through all of a document, the bodies of its events and the parameters of its calls included."""
    if isinstance(value, dict):
        for name, item in value.items():
            if type(item) not in _WRITTEN:
                _refuse_foreign(item, name)
    elif isinstance(value, list):
        for item in value:
            if type(item) not in _WRITTEN:
                _refuse_foreign(item, field)
    else:
        raise Unsound(f"{field} is stored as {type(value).__name__}")


def whole(value: Any, field: str) -> int:
    """An amount. MongoDB's own type for long integers becomes a plain one."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unsound(f"{field} is stored as {type(value).__name__}")
    return int(value)


def _refund(item: Document) -> Refund:
    made = {"amount": whole(item["amount"], "refunds.amount"), "status": RefundStatus(item["status"])}
    return Refund(**{**item, **made})


def _dispute(item: Document) -> Dispute:
    made = {"status": DisputeStatus(item["status"]), "funds": DisputeFunds(item["funds"])}
    amount = whole(item["amount"], "disputes.amount")
    return Dispute(**{**item, **made, "amount": amount, "told": tuple(item.get("told", ()))})


def _concern(item: Document) -> Concern:
    made = {"case": Case(item["case"]), "remedy": Remedy(item["remedy"]), "about": item.get("about", "")}
    return Concern(**{**item, **made})


def call_of(item: Document) -> Call:
    """A call as it is stored."""
    return Call(
        **{
            **item,
            "operation": Operation(item["operation"]),
            "state": CallState(item["state"]),
            "sends": tuple(item.get("sends", ())),
            "reply": Address(**item["reply"]) if "reply" in item else None,
            "trace": Trace(**item.get("trace", {})),
            "refused": _refused(item.get("refused")),
            "params": item.get("params", {}),
        },
    )


def entry_of(item: Document) -> Entry:
    """A timeline entry as it is stored."""
    return Entry(
        **{
            **item,
            "outcome": Outcome(item["outcome"]),
            "from_status": Status(item["from_status"]),
            "to_status": Status(item["to_status"]),
            "verdict": Verdict(item["verdict"]) if "verdict" in item else None,
            "refused": _refused(item.get("refused")),
            "why": item.get("why", ""),
        },
    )


def event_of(item: Document) -> Announced:
    """An announced fact as it is stored."""
    return Announced(**{**item, "trace": Trace(**item.get("trace", {}))})


def input_of(item: Document) -> Input:
    """What a decision was made from, as it is stored."""
    return Input(**{**item, "around": tuple(item.get("around", ()))})


def _refused(item: Document | None) -> Refused | None:
    return Refused(**{**item, "code": RefusalCode(item["code"])}) if item else None


def to_the_millisecond(moment: datetime) -> datetime:
    """What MongoDB keeps of a moment. The clock hands out such moments, so that a record read back equals the written."""
    return moment.astimezone(UTC) - timedelta(microseconds=moment.microsecond % 1000)
