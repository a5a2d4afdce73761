"""The inputs of `decide`: commands, Stripe's news, Stripe's answers, and the clock. All frozen, all free of secrets.

`client_secret` and `redirect_url` of an intent are the exception: they pass through to the requester's reply and are
neither compared, printed nor stored.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from contracts.commands import CancelReason, CaptureMethod
from worker.domain.record import Address, Status, Trace


class Kind(StrEnum):
    """A column of the transition table."""

    CREATE = "create"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    ANSWER = "answer"
    TICK = "tick"
    INTENT_REQUIRES_PAYMENT_METHOD = "intent.requires_payment_method"
    INTENT_REQUIRES_CONFIRMATION = "intent.requires_confirmation"
    INTENT_REQUIRES_ACTION = "intent.requires_action"
    INTENT_PROCESSING = "intent.processing"
    INTENT_REQUIRES_CAPTURE = "intent.requires_capture"
    INTENT_SUCCEEDED = "intent.succeeded"
    INTENT_CANCELED = "intent.canceled"
    INTENT_CHANGED = "intent.changed"
    CHARGE_FAILED = "charge.failed"
    CHARGE_SUCCEEDED = "charge.succeeded"


class Result(StrEnum):
    """The closed set of what a request to Stripe can come to (docs/reliability.md, rule 18)."""

    DONE = "done"
    DECLINED = "declined"
    REFUSED = "refused"
    CONFLICT = "conflict"
    UNLISTED = "unlisted"
    KEY_MISUSED = "key_misused"
    NOT_EXECUTED = "not_executed"
    UNKNOWN = "unknown"
    STORED_ERROR = "stored_error"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandMessage:
    """What every command brings. `issued_at` and `expires_at` are its sender's word."""

    message_id: str
    body_hash: str
    issued_at: datetime
    expires_at: datetime | None = None
    reply: Address | None = None
    trace: Trace = field(default_factory=Trace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(CommandMessage):
    order_id: str
    user_id: str
    amount: int
    currency: str
    deployment: str
    capture_method: CaptureMethod = CaptureMethod.AUTOMATIC
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm(CommandMessage):
    payment_id: str
    payment_method: str
    return_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(CommandMessage):
    payment_id: str | None = None
    order_id: str | None = None
    deployment: str
    reason: CancelReason = CancelReason.REQUESTED_BY_CUSTOMER


Command = Create | Confirm | Cancel


@dataclass(frozen=True, slots=True)
class Decline:
    """Why an attempt failed, as Stripe says it. `charge_id` is None when no charge was made (3-D Secure failed)."""

    code: str | None
    decline_code: str | None
    message: str | None
    charge_id: str | None = None
    payment_method_id: str | None = None
    payment_method_type: str | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent at one moment: from a webhook, a read or an answer."""

    id: str
    status: Status
    amount: int
    amount_received: int
    currency: str
    latest_charge_id: str | None = None
    decline: Decline | None = None
    cancellation_reason: str | None = None
    action: str | None = None
    client_secret: str | None = field(default=None, repr=False, compare=False)
    redirect_url: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentSeen:
    """News of an intent. `version` is set for a read: the document's version that was loaded before it."""

    message_id: str
    event_type: str
    intent: Intent
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentChanged:
    """Something happened to an intent, in words we do not trust (another API version): read it."""

    message_id: str
    event_type: str
    intent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeSeen:
    """News of a charge; a failed one carries its decline."""

    message_id: str
    event_type: str
    intent_id: str
    charge_id: str
    decline: Decline | None = None


@dataclass(frozen=True, slots=True)
class StripeProblem:
    """What Stripe said when it did not do it. `message` is Stripe's; it names parameters, never secrets."""

    code: str
    message: str
    field: str | None = None
    decline: Decline | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to a call, or to the search for a lost create. `version` as committed right before the send.

    `chained` counts the calls that this delivery has already sent after its own. `replayed`: Stripe repeated what it had
    answered to the key before, which may be long ago.
    """

    call_id: str
    result: Result
    version: int
    intent: Intent | None = None
    problem: StripeProblem | None = None
    request_id: str | None = None
    chained: int = 0
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFailed:
    """A read that Stripe did not answer (`lost` false), or answered with 'no such intent' (`lost` true)."""

    reason: str
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """The clock: `check_at` has come."""


News = IntentSeen | IntentChanged | ChargeSeen
Message = Command | News | Answer | ReadFailed | Tick


def kind_of(message: Message) -> Kind:
    """Name the column of the table that a message belongs to."""
    match message:
        case Create():
            return Kind.CREATE
        case Confirm():
            return Kind.CONFIRM
        case Cancel():
            return Kind.CANCEL
        case IntentSeen():
            return Kind(f"intent.{message.intent.status}")
        case IntentChanged():
            return Kind.INTENT_CHANGED
        case ChargeSeen():
            return Kind.CHARGE_FAILED if message.decline else Kind.CHARGE_SUCCEEDED
        case Answer() | ReadFailed():
            return Kind.ANSWER
        case Tick():
            return Kind.TICK


def redacted(message: Command | News) -> dict[str, Any]:
    """What the timeline keeps: enough to decide again, no secret, no address."""
    match message:
        case Create():
            return {"amount": message.amount, "currency": message.currency, "issued_at": message.issued_at}
        case Confirm():
            return {"payment_method": message.payment_method, "issued_at": message.issued_at}
        case Cancel():
            return {
                "reason": str(message.reason),
                "by_order": message.order_id is not None,
                "issued_at": message.issued_at,
            }
        case IntentSeen():
            intent = message.intent
            return {
                "intent_id": intent.id,
                "status": str(intent.status),
                "amount_received": intent.amount_received,
                "charge_id": intent.latest_charge_id,
                "code": intent.decline.code if intent.decline else None,
            }
        case IntentChanged():
            return {"intent_id": message.intent_id}
        case ChargeSeen():
            return {
                "intent_id": message.intent_id,
                "charge_id": message.charge_id,
                "code": message.decline.code if message.decline else None,
            }
