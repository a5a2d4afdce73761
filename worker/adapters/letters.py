"""From a delivery of the queue `payments.dead-letters` to what the desk keeps of it. Total: whatever arrives becomes a letter.

What is kept of a Stripe event is in its own shape and with the fields that translate.py reads, so that a rehearsal can
translate it as the worker would. Source: Stripe API reference, objects Event, PaymentIntent, Charge, Refund, Dispute.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from pydantic_core import from_json

from contracts import envelope, topology
from contracts.errors import InvalidMessage
from worker.adapters.documents import to_the_millisecond
from worker.dead_letter import NOBODYS, ONLY_SENDER, UNREADABLE, DeadLetter, Form, fingerprint, letter_id
from worker.redaction import REDACTED, redacted, scrubbed, sketch

TEXT_MAX = 200
ITEMS_MAX = 20
DEPTH_MAX = 8
"""What is kept of an event is bounded: its texts in characters, its lists in items, its objects in levels."""

WORD = re.compile(rf"[\w.:/+=-]{{0,{TEXT_MAX}}}")
"""What Stripe's ids and codes are made of. A text with blanks was written by somebody, about somebody."""

UNKNOWN = "unknown"

STRIPE_ID = re.compile(r"evt_[A-Za-z0-9_]{1,200}")

_FIELDS = frozenset(
    {
        *("id", "object", "type", "created", "api_version", "livemode", "account", "data", "status", "metadata"),
        *(
            "amount",
            "amount_received",
            "amount_capturable",
            "amount_refunded",
            "amount_captured",
            "captured",
            "currency",
        ),
        *("latest_charge", "charge", "payment_intent", "customer", "payment_method", "payment_method_details"),
        *(
            "last_payment_error",
            "code",
            "decline_code",
            "failure_code",
            "failure_reason",
            "failure_balance_transaction",
        ),
        *("reason", "closed_reason", "cancellation_reason", "outcome", "next_action", "fraud_type", "capture_before"),
        *("evidence_details", "due_by", "submission_count", "balance_transactions", "previous_attributes"),
    },
)
_OWNERS = ("payment_id", "order_id", "refund_id", "deployment", "customer_id")
"""Our own metadata; everybody else's may hold anything."""

_NAMES = ("payment_id", "order_id")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+=|-]{0,127}")
"""What `contracts.messages.UserId` takes, and with it every other id: a user must be found again at an erasure."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What the bytes say, redacted; `name` is what makes the message the same one when it comes again."""

    form: Form
    name: tuple[str, ...]
    kind: str
    message_id: str
    body: str
    about: tuple[str, ...] = ()
    user_id: str | None = None
    unreplayable: str = ""


def letter_of(message: AbstractIncomingMessage, now: datetime) -> DeadLetter:
    """What is kept of one dead letter that arrived `now`."""
    origin = _origin(message)
    read = _event(message.body) if origin == topology.STRIPE_QUEUE else _command(message.body)
    read = read or _bytes(message)
    reason, error_type = _cause(message)
    digest = hashlib.sha256(message.body).hexdigest()
    attempt = message.headers.get(topology.HEADER_ATTEMPT)
    return DeadLetter(
        id=letter_id(read.form, origin, *read.name),
        delivery=message.message_id or _nameless(message, digest),
        form=read.form,
        origin=origin,
        kind=read.kind,
        message_id=read.message_id,
        reason=reason,
        error_type=error_type,
        fingerprint=fingerprint(origin, read.kind, error_type, reason),
        attempt=attempt if isinstance(attempt, int) and 0 < attempt < 2**31 else 0,
        arrived_at=now,
        first_failed_at=_moment(message.headers.get(topology.HEADER_FIRST_FAILED_AT)),
        about=read.about,
        user_id=read.user_id,
        body=read.body,
        size=len(message.body),
        body_hash=digest,
        unreplayable=read.unreplayable or (NOBODYS if origin == UNKNOWN else ""),
    )


def _event(raw: bytes) -> _Read | None:
    """A Stripe event; None when it has no id by which Stripe could be asked for it."""
    try:
        found = from_json(raw, allow_inf_nan=False)
    except ValueError:
        return None
    if not isinstance(found, dict) or not STRIPE_ID.fullmatch(_text(found.get("id"))) or not _text(found.get("type")):
        return None
    kept = _kept(found, DEPTH_MAX)
    wrapped = kept.get("data")
    about = wrapped.get("object") if isinstance(wrapped, dict) else None
    known = about if isinstance(about, dict) else {}
    metadata = known.get("metadata")
    owners = metadata if isinstance(metadata, dict) else {}
    intent = known.get("id") if known.get("object") == "payment_intent" else known.get("payment_intent")
    names = (*(owners.get(name) for name in _NAMES), intent.get("id") if isinstance(intent, dict) else intent)
    return _Read(
        Form.EVENT,
        (found["id"],),
        kind=scrubbed(found["type"][:TEXT_MAX]),
        message_id=found["id"],
        body=json.dumps(kept),
        about=tuple(name for name in names if isinstance(name, str) and name),
    )


def _kept(value: Any, levels: int) -> Any:
    """The fields that are known to hold nothing secret or personal."""
    if levels == 0:
        return None
    if isinstance(value, dict):
        return {name: _part(name, item, levels) for name, item in value.items() if name in _FIELDS | {"object", "card"}}
    if isinstance(value, list):
        return [_kept(item, levels - 1) if isinstance(item, dict) else None for item in value[:ITEMS_MAX]]
    if isinstance(value, str):
        return scrubbed(value) if WORD.fullmatch(value) else REDACTED
    return value


def _part(name: str, value: Any, levels: int) -> Any:
    if isinstance(value, dict):
        if name == "metadata":
            return {owner: _kept(value[owner], 1) for owner in _OWNERS if owner in value}
        if name in {"card", "previous_attributes"}:
            return {part: _kept(value[part], 1) for part in ("capture_before", "customer") if part in value}
    elif name == "card":
        return None
    return _kept(value, levels - 1)


def _command(raw: bytes) -> _Read | None:
    """A command in its envelope, whatever its type; None when it is none."""
    try:
        wrapped = envelope.decode(raw)
        found: dict[str, Any] = json.loads(raw.decode())
        kept = redacted(found)
        body, whole = json.dumps(kept, allow_nan=False), kept == found
        terms = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
    except (InvalidMessage, ValueError, RecursionError, OverflowError):
        return None
    about = (wrapped.data.get(name) for name in _NAMES)
    user_id = _named(wrapped.data.get("user_id"))
    return _Read(
        Form.COMMAND,
        (wrapped.id, terms),
        kind=scrubbed(wrapped.type),
        message_id=wrapped.id,
        body=body,
        about=tuple(name for name in map(_named, about) if name),
        user_id=user_id,
        unreplayable="" if whole else ONLY_SENDER,
    )


def _named(value: Any) -> str | None:
    """An id that may be kept: of the shape that ours have, and not of one that is secret or personal."""
    return value if isinstance(value, str) and _ID.fullmatch(value) and scrubbed(value) == value else None


def _bytes(message: AbstractIncomingMessage) -> _Read:
    digest = hashlib.sha256(message.body).hexdigest()
    return _Read(
        Form.BYTES, (digest,), kind="unreadable", message_id="", body=sketch(message.body), unreplayable=UNREADABLE
    )


def _origin(message: AbstractIncomingMessage) -> str:
    """The queue that it was for. What the broker itself gave up names it in the key that led to quarantine."""
    names = (
        message.headers.get(topology.HEADER_ORIGIN),
        (message.routing_key or "").removeprefix(topology.quarantine_key("")),
        message.headers.get("x-first-death-queue"),
    )
    return next((name for name in names if isinstance(name, str) and name in topology.INBOUND_QUEUES), UNKNOWN)


def _cause(message: AbstractIncomingMessage) -> tuple[str, str]:
    """Why it is here, for people, and in one word."""
    reason = _text(message.headers.get(topology.HEADER_REASON))
    error_type = _text(message.headers.get(topology.HEADER_ERROR_TYPE))
    if not reason:
        death = _text(message.headers.get("x-first-death-reason")) or "unknown"
        queue = _text(message.headers.get("x-first-death-queue")) or "a queue"
        return scrubbed(f"the broker gave it up: {death} in {queue}")[:TEXT_MAX], scrubbed(death)
    invalid = reason.startswith("invalid: ")
    return scrubbed(reason)[: 2 * TEXT_MAX], "InvalidMessage" if invalid else scrubbed(error_type) or "unknown"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _nameless(message: AbstractIncomingMessage, digest: str) -> str:
    """A name for the arrival of a message that its sender gave none: redelivered, it is the same."""
    told = repr(
        sorted((str(name), repr(value)) for name, value in message.headers.items() if name != "x-delivery-count")
    )
    return hashlib.sha256(f"{digest}{told}".encode(errors="replace")).hexdigest()


def _moment(value: Any) -> datetime | None:
    """A time in the header that our consumers write."""
    try:
        return to_the_millisecond(datetime.fromisoformat(_text(value)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def livemode(letter: DeadLetter) -> bool:
    """Of which mode a Stripe event is."""
    found: Any = json.loads(letter.body) if letter.form is Form.EVENT else {}
    return isinstance(found, Mapping) and bool(found.get("livemode"))
