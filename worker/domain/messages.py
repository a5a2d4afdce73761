"""The inputs of `decide`: commands, Stripe's news, Stripe's answers, and the clock. All frozen, all free of secrets.

The exception is what an intent brings for its requester's reply alone (facts.py).
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from contracts.commands import CancelReason, CaptureMethod, RefundReason, Resolution
from worker.domain.facts import Charge, Decline, DisputeFact, Intent, Ledger, RefundFact, StripeProblem
from worker.domain.record import Address, Trace


class Kind(StrEnum):
    """A column of the transition table."""

    CREATE = "create"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    CAPTURE = "capture"
    REFUND = "refund"
    EVIDENCE = "evidence"
    ACCEPT = "accept"
    RESOLVE = "resolve"
    ERASE = "erase"
    ANSWER = "answer"
    CUSTOMER = "customer"
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
    REFUND_SEEN = "refund.seen"
    REFUND_TOTAL = "refund.total"
    DISPUTE_SEEN = "dispute.seen"
    FRAUD_WARNING = "fraud.warning"
    REVIEW_OPENED = "review.opened"
    REVIEW_CLOSED = "review.closed"


class Result(StrEnum):
    """The closed set of what a request to Stripe can come to (docs/reliability.md, rule 18).

    HELD_BACK: nothing of it has left the worker, for want of a place in the budget or because Stripe is away.
    """

    DONE = "done"
    DECLINED = "declined"
    REFUSED = "refused"
    CONFLICT = "conflict"
    UNLISTED = "unlisted"
    KEY_MISUSED = "key_misused"
    NOT_EXECUTED = "not_executed"
    HELD_BACK = "held_back"
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
    multicapture: bool = False
    with_customer: bool = False
    setup_future_usage: str | None = None
    receipt_email: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm(CommandMessage):
    payment_id: str
    payment_method: str
    return_url: str | None = None
    off_session: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(CommandMessage):
    payment_id: str | None = None
    order_id: str | None = None
    deployment: str
    reason: CancelReason = CancelReason.REQUESTED_BY_CUSTOMER


@dataclass(frozen=True, slots=True, kw_only=True)
class Privileged(CommandMessage):
    """A command that moves money or gives it up; who asked and why is kept."""

    payment_id: str
    requested_by: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture(Privileged):
    amount: int | None = None
    final: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundWanted(Privileged):
    refund_id: str
    amount: int | None = None
    reason: RefundReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Privileged):
    dispute_id: str
    evidence: dict[str, str] = field(repr=False)
    submit: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept(Privileged):
    dispute_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve(Privileged):
    decision: Resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase(Privileged):
    """Forget who paid: one for each payment of the user."""


Command = Create | Confirm | Cancel | Capture | RefundWanted | Evidence | Accept | Resolve | Erase


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsMessage:
    """What all of Stripe's news brings."""

    message_id: str
    event_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentSeen(NewsMessage):
    """News of an intent. `version` is set for a read: the document's version that was loaded before it.

    A read of an intent that has received money brings its `ledger`, too.
    """

    intent: Intent
    version: int | None = None
    ledger: Ledger | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentChanged(NewsMessage):
    """Something happened to an intent, in words we do not trust (another API version): read it."""

    intent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeSeen(NewsMessage):
    """News of a charge; a failed one carries its decline, a good one what it says beside."""

    intent_id: str
    charge_id: str
    decline: Decline | None = None
    charge: Charge | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSeen(NewsMessage):
    intent_id: str
    refund: RefundFact


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundTotal(NewsMessage):
    """`charge.refunded` tells how much of a charge is refunded, and not by which refunds."""

    intent_id: str
    amount_refunded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSeen(NewsMessage):
    intent_id: str
    dispute: DisputeFact


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningSeen(NewsMessage):
    """An early fraud warning: the card network expects a dispute."""

    intent_id: str
    warning_id: str
    fraud_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSeen(NewsMessage):
    """Radar's review; `reason` is why it was opened, or how it was closed."""

    intent_id: str
    review_id: str
    open: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerMessage:
    """The answer to a call, or to the search for a lost create. `version` as committed right before the send.

    `chained` counts the calls that this delivery has already sent after its own. `replayed`: Stripe repeated what it had
    answered to the key before, which may be long ago. `sent_at` says which send was held back.
    """

    call_id: str
    result: Result
    version: int
    problem: StripeProblem | None = None
    request_id: str | None = None
    chained: int = 0
    replayed: bool = False
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(AnswerMessage):
    """What Stripe tells of a payment's call."""

    intent: Intent | None = None
    refund: RefundFact | None = None
    dispute: DisputeFact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFailed:
    """A read that Stripe did not answer (`lost` false), or answered with 'no such intent' (`lost` true)."""

    reason: str
    lost: bool = False


@dataclass(frozen=True, slots=True)
class CustomerSeen:
    """The user's customer at Stripe; None when it is not there yet."""

    customer_id: str | None


@dataclass(frozen=True, slots=True)
class Tick:
    """The clock: `check_at` has come."""


News = IntentSeen | IntentChanged | ChargeSeen | RefundSeen | RefundTotal | DisputeSeen | WarningSeen | ReviewSeen
Message = Command | News | Answer | ReadFailed | CustomerSeen | Tick

_KINDS: dict[type[Message], Kind] = {
    Create: Kind.CREATE,
    Confirm: Kind.CONFIRM,
    Cancel: Kind.CANCEL,
    Capture: Kind.CAPTURE,
    RefundWanted: Kind.REFUND,
    Evidence: Kind.EVIDENCE,
    Accept: Kind.ACCEPT,
    Resolve: Kind.RESOLVE,
    Erase: Kind.ERASE,
    Answer: Kind.ANSWER,
    ReadFailed: Kind.ANSWER,
    CustomerSeen: Kind.CUSTOMER,
    Tick: Kind.TICK,
    IntentChanged: Kind.INTENT_CHANGED,
    RefundSeen: Kind.REFUND_SEEN,
    RefundTotal: Kind.REFUND_TOTAL,
    DisputeSeen: Kind.DISPUTE_SEEN,
    WarningSeen: Kind.FRAUD_WARNING,
}


def kind_of(message: Message) -> Kind:
    """Name the column of the table that a message belongs to."""
    match message:
        case IntentSeen():
            return Kind(f"intent.{message.intent.status}")
        case ChargeSeen():
            return Kind.CHARGE_FAILED if message.decline else Kind.CHARGE_SUCCEEDED
        case ReviewSeen():
            return Kind.REVIEW_OPENED if message.open else Kind.REVIEW_CLOSED
    return _KINDS[type(message)]


def redacted(message: Command | News) -> dict[str, Any]:
    """What the timeline keeps: enough to decide again, no secret, no address."""
    if isinstance(message, CommandMessage):
        return {"issued_at": message.issued_at} | _of_command(message)
    return _of_news(message)


def _of_command(message: CommandMessage) -> dict[str, Any]:
    asked = {"requested_by": message.requested_by, "note": message.note} if isinstance(message, Privileged) else {}
    match message:
        case Create():
            return {"amount": message.amount, "currency": message.currency}
        case Confirm():
            return {"payment_method": message.payment_method}
        case Cancel():
            return {"reason": str(message.reason), "by_order": message.order_id is not None}
        case Capture():
            return asked | {"amount": message.amount, "final": message.final}
        case RefundWanted():
            return asked | {"refund_id": message.refund_id, "amount": message.amount}
        case Evidence():
            return asked | {"dispute_id": message.dispute_id, "evidence": sorted(message.evidence)}
        case Accept():
            return asked | {"dispute_id": message.dispute_id}
        case Resolve():
            return asked | {"decision": str(message.decision)}
    return asked


def _of_news(message: News) -> dict[str, Any]:
    match message:
        case IntentSeen(intent=intent):
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
        case RefundSeen(refund=refund):
            return {"refund": refund.id, "status": str(refund.status), "amount": refund.amount}
        case RefundTotal():
            return {"amount_refunded": message.amount_refunded}
        case DisputeSeen(dispute=dispute):
            return {"dispute": dispute.id, "status": str(dispute.status), "amount": dispute.amount}
        case WarningSeen():
            return {"warning_id": message.warning_id}
        case ReviewSeen():
            return {"review_id": message.review_id, "open": message.open, "reason": message.reason}
