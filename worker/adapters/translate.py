"""From bytes on the broker to the messages that `decide` takes. Decides only what a message is, never what it does."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import from_json

from contracts import commands, envelope
from contracts.commands import OrdinaryCommand, PrivilegedCommand
from contracts.errors import InvalidMessage
from worker.adapters import customer_translate
from worker.adapters.documents import to_the_millisecond
from worker.adapters.gateway import API_VERSION
from worker.adapters.snapshots import (
    Json,
    charge_decline_of,
    charge_of,
    dispute_of,
    id_of,
    intent_of,
    named,
    owner_of,
    refund_of,
    text_of,
    whole,
)
from worker.domain.customers.messages import CustomerCommand
from worker.domain.messages import (
    Accept,
    Cancel,
    Capture,
    ChargeSeen,
    Command,
    Confirm,
    Create,
    DisputeSeen,
    Evidence,
    IntentChanged,
    IntentSeen,
    News,
    RefundSeen,
    RefundTotal,
    RefundWanted,
    Resolve,
    ReviewSeen,
    WarningSeen,
)
from worker.domain.record import Address, Trace
from worker.ports import Owner

LIFETIME = timedelta(hours=1)
"""How long a command stays wanted when it does not say: a queue that was down overnight must not charge in the morning."""

INTENT_EVENTS = "payment_intent."
REFUND_EVENTS = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"})
DISPUTE_EVENTS = "charge.dispute."
WARNING_EVENTS = "radar.early_fraud_warning."
REVIEW_EVENTS = frozenset({"review.opened", "review.closed"})
CHARGE_EVENTS = frozenset({"charge.succeeded", "charge.failed", "charge.captured", "charge.expired", "charge.pending"})
REFUND_TOTAL = "charge.refunded"


@dataclass(frozen=True, slots=True)
class EraseUser:
    """The command to forget a user: as many messages as the user has payments. `common` is what every command brings."""

    common: dict[str, Any]
    user_id: str
    requested_by: str


Read = Command | CustomerCommand | EraseUser


def command(raw: bytes, reply: Address | None, deployment: str, now: datetime, *, privileged: bool) -> Read:
    """Read a command; on its queue only its kind is known. Raises InvalidMessage naming the field and the rule."""
    wrapped = envelope.decode(raw)
    if privileged:
        wanted = envelope.unwrap(wrapped, commands.PRIVILEGED_COMMANDS)
        return _privileged(wanted, _common(wrapped, wanted.expires_at, reply, now))
    body = envelope.unwrap(wrapped, commands.COMMANDS)
    return _ordinary(body, _common(wrapped, body.expires_at, reply, now), deployment)


def _common(
    wrapped: envelope.Envelope, expires_at: datetime | None, reply: Address | None, now: datetime
) -> dict[str, Any]:
    """What every command brings, from its envelope."""
    if wrapped.time > now + timedelta(seconds=envelope.MAX_FUTURE_S):
        raise InvalidMessage(f"is more than {envelope.MAX_FUTURE_S} s ahead of our clock", "time", wrapped.id)
    return {
        "message_id": wrapped.id,
        "body_hash": _hash(wrapped),
        "issued_at": to_the_millisecond(wrapped.time),
        "expires_at": to_the_millisecond(expires_at or wrapped.time + LIFETIME),
        "reply": reply,
        "trace": Trace(correlation_id=wrapped.correlationid or wrapped.id, traceparent=wrapped.traceparent),
    }


def _ordinary(body: OrdinaryCommand, common: dict[str, Any], deployment: str) -> Read:
    match body:
        case commands.CreatePayment():
            return Create(
                **common,
                order_id=body.order_id,
                user_id=body.user_id,
                amount=body.amount,
                currency=body.currency,
                capture_method=body.capture_method,
                description=body.description,
                metadata=body.metadata,
                multicapture=body.multicapture,
                with_customer=body.use_customer or body.setup_future_usage is not None,
                setup_future_usage=body.setup_future_usage,
                receipt_email=body.receipt_email,
                deployment=deployment,
            )
        case commands.ConfirmPayment():
            return Confirm(
                **common,
                payment_id=body.payment_id,
                payment_method=body.payment_method,
                return_url=str(body.return_url) if body.return_url else None,
                off_session=body.off_session,
            )
        case commands.CancelPayment():
            return Cancel(
                **common,
                payment_id=body.payment_id,
                order_id=body.order_id,
                reason=body.reason,
                deployment=deployment,
            )
        case commands.SetUpPaymentMethod() | commands.SetDefaultMethod() | commands.DetachMethod():
            return customer_translate.command(body, common, deployment)


def _privileged(body: PrivilegedCommand, common: dict[str, Any]) -> Read:
    asked = common | {"requested_by": body.requested_by, "note": getattr(body, "note", None)}
    match body:
        case commands.CapturePayment():
            return Capture(**asked, payment_id=body.payment_id, amount=body.amount, final=body.final)
        case commands.RefundPayment():
            named = asked | {"payment_id": body.payment_id, "refund_id": body.refund_id}
            return RefundWanted(**named, amount=body.amount, reason=body.reason)
        case commands.SubmitEvidence():
            about = asked | {"payment_id": body.payment_id, "dispute_id": body.dispute_id}
            texts = {str(name): text for name, text in body.evidence.items()}
            return Evidence(**about, evidence=texts, submit=body.submit)
        case commands.AcceptDispute():
            return Accept(**asked, payment_id=body.payment_id, dispute_id=body.dispute_id)
        case commands.ResolvePayment():
            return Resolve(**asked, payment_id=body.payment_id, decision=body.decision)
        case commands.EraseUser():
            return EraseUser(asked, body.user_id, body.requested_by)


def _hash(wrapped: envelope.Envelope) -> str:
    """The terms of a command. A repeat may come with a later expiry, so that is no part of them."""
    terms = {name: value for name, value in wrapped.data.items() if name != "expires_at"}
    text = json.dumps([wrapped.type, terms], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """One webhook event: what it says, and whose object it is about. `news` is None when it is not for us, with why."""

    id: str
    type: str
    owner: Owner
    intent_id: str | None
    news: News | None
    ignored: str = ""


def stripe_event(raw: bytes, *, livemode: bool) -> StripeEvent:
    """Read a webhook event as Stripe signed it. Raises InvalidMessage when it is none."""
    if len(raw) > envelope.MAX_BODY_BYTES:
        raise InvalidMessage(f"body has {len(raw)} bytes, at most {envelope.MAX_BODY_BYTES} are read")
    try:
        found = from_json(raw, allow_inf_nan=False)  # refuses half surrogates, which no database keeps
        event_id, kind, about = named(found["id"]), named(found["type"]), found["data"]["object"]
        if not isinstance(about, Mapping):
            raise TypeError("data.object")  # noqa: TRY301 - one place turns every kind of nonsense into one error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidMessage(f"is no Stripe event: {type(error).__name__}") from None
    intent_id = id_of(about) if kind.startswith(INTENT_EVENTS) else id_of(about.get("payment_intent"))
    owner = owner_of(about) if isinstance(about.get("metadata"), Mapping) else Owner()

    def event(news: News | None, ignored: str = "") -> StripeEvent:
        return StripeEvent(event_id, kind, owner, intent_id, news, ignored)

    why = _not_for_us(found, kind, intent_id, livemode=livemode)
    if why or intent_id is None:
        return event(None, why)
    changed = IntentChanged(message_id=event_id, event_type=kind, intent_id=intent_id)
    if found.get("api_version") != API_VERSION:
        return event(changed)
    try:
        return event(_news(event_id, kind, intent_id, about))
    except (KeyError, TypeError, ValueError, AttributeError):
        return event(changed)


def _not_for_us(found: Json, kind: str, intent_id: str | None, *, livemode: bool) -> str:
    """Why an event is ignored whosever object it is about; empty when it is not."""
    if bool(found.get("livemode")) is not livemode:
        return "of the other mode: livemode differs from our key's"
    if found.get("account"):
        return "another account's: a connected account's event"
    if not (
        kind.startswith((INTENT_EVENTS, DISPUTE_EVENTS, WARNING_EVENTS))
        or kind in CHARGE_EVENTS | REFUND_EVENTS | REVIEW_EVENTS | {REFUND_TOTAL}
    ):
        return "no rule for this type"
    return "" if intent_id is not None else "about no payment intent"


def _news(event_id: str, kind: str, intent_id: str, about: Json) -> News:
    common: dict[str, Any] = {"message_id": event_id, "event_type": kind}
    if kind.startswith(INTENT_EVENTS):
        return IntentSeen(**common, intent=intent_of(about))
    common["intent_id"] = intent_id
    if kind in REFUND_EVENTS:
        return RefundSeen(**common, refund=refund_of(about))
    if kind.startswith(DISPUTE_EVENTS):
        return DisputeSeen(**common, dispute=dispute_of(about))
    if kind == REFUND_TOTAL:
        return RefundTotal(**common, amount_refunded=whole(about["amount_refunded"]))
    if kind.startswith(WARNING_EVENTS):
        return WarningSeen(**common, warning_id=named(about["id"]), fraud_type=text_of(about.get("fraud_type")))
    if kind in REVIEW_EVENTS:
        opened = kind == "review.opened"
        reason = about.get("reason") if opened else about.get("closed_reason")
        return ReviewSeen(**common, review_id=named(about["id"]), open=opened, reason=text_of(reason))
    failed = kind == "charge.failed"
    return ChargeSeen(
        **common,
        charge_id=named(about["id"]),
        decline=charge_decline_of(about) if failed else None,
        charge=None if failed else charge_of(about),
    )
