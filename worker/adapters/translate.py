"""From bytes on the broker to the messages that `decide` takes. Decides only what a message is, never what it does."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import from_json

from contracts import commands, envelope
from contracts.errors import InvalidMessage
from worker.adapters.documents import to_the_millisecond
from worker.adapters.gateway import API_VERSION
from worker.adapters.snapshots import Unreadable, charge_decline_of, id_of, intent_of, owner_of
from worker.domain.messages import Cancel, ChargeSeen, Command, Confirm, Create, IntentChanged, IntentSeen, News
from worker.domain.record import Address, Trace
from worker.ports import Owner

LIFETIME = timedelta(hours=1)
"""How long a command stays wanted when it does not say: a queue that was down overnight must not charge in the morning."""

INTENT_EVENTS = "payment_intent."
CHARGE_EVENTS = frozenset({"charge.succeeded", "charge.failed", "charge.captured", "charge.expired", "charge.pending"})


def command(raw: bytes, reply: Address | None, deployment: str, now: datetime) -> Command:
    """Read a command. Raises InvalidMessage naming the field and the rule."""
    wrapped = envelope.decode(raw)
    body = envelope.unwrap(wrapped, commands.COMMANDS)
    if wrapped.time > now + timedelta(seconds=envelope.MAX_FUTURE_S):
        raise InvalidMessage(f"is more than {envelope.MAX_FUTURE_S} s ahead of our clock", "time", wrapped.id)
    common: dict[str, Any] = {
        "message_id": wrapped.id,
        "body_hash": _hash(wrapped),
        "issued_at": to_the_millisecond(wrapped.time),
        "expires_at": to_the_millisecond(body.expires_at or wrapped.time + LIFETIME),
        "reply": reply,
        "trace": Trace(correlation_id=wrapped.correlationid or wrapped.id, traceparent=wrapped.traceparent),
    }
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
                deployment=deployment,
            )
        case commands.ConfirmPayment():
            return Confirm(
                **common,
                payment_id=body.payment_id,
                payment_method=body.payment_method,
                return_url=str(body.return_url),
            )
        case commands.CancelPayment():
            return Cancel(
                **common,
                payment_id=body.payment_id,
                order_id=body.order_id,
                reason=body.reason,
                deployment=deployment,
            )


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
        event_id, kind, about = str(found["id"]), str(found["type"]), found["data"]["object"]
        if not isinstance(about, Mapping):
            raise TypeError("data.object")  # noqa: TRY301 - one place turns every kind of nonsense into one error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidMessage(f"is no Stripe event: {type(error).__name__}") from None
    intent_id = id_of(about) if kind.startswith(INTENT_EVENTS) else id_of(about.get("payment_intent"))
    owner = owner_of(about) if isinstance(about.get("metadata"), Mapping) else Owner()

    def event(news: News | None, ignored: str = "") -> StripeEvent:
        return StripeEvent(event_id, kind, owner, intent_id, news, ignored)

    if bool(found.get("livemode")) is not livemode:
        return event(None, "of the other mode: livemode differs from our key's")
    if not kind.startswith(INTENT_EVENTS) and kind not in CHARGE_EVENTS:
        return event(None, "no rule for this type")
    if intent_id is None:
        return event(None, "a charge without a payment intent")
    if found.get("api_version") != API_VERSION:
        return event(IntentChanged(message_id=event_id, event_type=kind, intent_id=intent_id))
    try:
        return event(_news(event_id, kind, intent_id, about))
    except (Unreadable, KeyError, TypeError, AttributeError):
        return event(IntentChanged(message_id=event_id, event_type=kind, intent_id=intent_id))


def _news(event_id: str, kind: str, intent_id: str, about: Mapping[str, Any]) -> News:
    if kind.startswith(INTENT_EVENTS):
        return IntentSeen(message_id=event_id, event_type=kind, intent=intent_of(about))
    return ChargeSeen(
        message_id=event_id,
        event_type=kind,
        intent_id=intent_id,
        charge_id=str(about["id"]),
        decline=charge_decline_of(about) if kind == "charge.failed" else None,
    )
