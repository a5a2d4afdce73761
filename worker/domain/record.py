"""The payment as it is stored: one frozen record, changed only by making a new one (`dataclasses.replace`)."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from contracts.commands import CaptureMethod
from contracts.replies import RefusalCode, Verdict
from contracts.views import RefundStatus
from worker.domain import limits
from worker.domain.parts import HOLDS_MONEY, Concern, Dispute, Refund, Review


class Status(StrEnum):
    """Stored status. NEW is a payment that does not exist yet; the rest, but for CREATING and FAILED, are Stripe's."""

    NEW = "new"
    CREATING = "creating"
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    FAILED = "failed"


FINAL = frozenset({Status.SUCCEEDED, Status.CANCELED, Status.FAILED})
"""Nothing is waited for in these: Stripe never moves an intent out of the first two, and FAILED has no intent."""

UNPAID = frozenset({Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_CONFIRMATION, Status.REQUIRES_ACTION})
"""No money is held or on its way: may be given up as abandoned, and a customer can still pay."""


class Operation(StrEnum):
    """What a call asks of Stripe. Create and confirm are always two calls: a create alone moves no money."""

    CREATE = "create"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    CAPTURE = "capture"
    REFUND = "refund"
    EVIDENCE = "evidence"
    ACCEPT = "accept"


class CallState(StrEnum):
    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"


class Outcome(StrEnum):
    """What became of one message."""

    APPLIED = "applied"
    STALE = "stale"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the requester of a command waits for its reply."""

    reply_to: str
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What ties a message to its cause: carried from the envelope into the events."""

    correlation_id: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A business refusal: a value, not an exception."""

    code: RefusalCode
    message: str
    field: str | None = None
    decline_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeCall:
    """One request that must reach Stripe, committed before its first send and repeated under the same key.

    `sends` says when each send began, oldest first, without those that were held back and only counted (`held_back`);
    `due_at` when the sweeper looks at it. `settle` means: never send again, find out by reading, because of this.
    """

    id: str
    operation: StrEnum
    key: str
    params: dict[str, Any]
    issued_at: datetime
    body_hash: str = ""
    expires_at: datetime | None = None
    reply: Address | None = None
    sends: tuple[datetime, ...] = ()
    held_back: int = 0
    due_at: datetime | None = None
    settle: str | None = None
    errors: int = 0

    @property
    def waits(self) -> tuple[datetime | None, ...]:
        """When something is to be done about it: it is due, or it expires, held back and never sent."""
        return self.due_at, self.expires_at if self.held_back and not self.sends else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(StripeCall):
    """A call of a payment. `intent_id` is whom it addresses, stored before the first send.

    `about` is the refund or dispute that it is for; `base` what had been captured when it was first sent. `params`
    are exact until the call is closed; then what is personal in them is forgotten.
    """

    operation: Operation
    intent_id: str | None = None
    trace: Trace = field(default_factory=Trace)
    own_reason: str | None = None
    about: str | None = None
    base: int = 0
    asked_by: str | None = None
    note: str | None = None
    state: CallState = CallState.OPEN
    refused: Refused | None = None
    request_id: str | None = None
    closed_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.state is CallState.OPEN


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to charge that was declined; `id` is Stripe's charge id, or ours when Stripe made no charge."""

    id: str
    outcome: str
    at: datetime
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None
    payment_method_type: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One handled message: the timeline is both the story and the inbox. `message` is redacted."""

    at: datetime
    message_id: str
    kind: str
    outcome: Outcome
    from_status: Status
    to_status: Status
    why: str
    body_hash: str = ""
    message: dict[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """What one committed decision was made from, so that it can be made again (inputs.py).

    `version` is the record's before it, OPENING when there was none; `around` names what the decision was told beside.
    `rules` says which rules decided.
    """

    at: datetime
    version: int
    kind: str
    message: dict[str, Any] = field(default_factory=dict)
    around: tuple[str, ...] = ()
    policy: dict[str, Any] = field(default_factory=dict)
    rules: int = 0


OPENING = -1
"""The version before the first step."""


@dataclass(frozen=True, slots=True)
class Announced:
    """One fact to tell the world. Its id is `{payment_id}.{sequence}`; `sent` false is the outbox."""

    sequence: int
    type: str
    at: datetime
    body: dict[str, Any]
    causation_id: str | None = None
    trace: Trace = field(default_factory=Trace)
    sent: bool = False


@dataclass(frozen=True, slots=True)
class Payment:
    """One document. Amounts in minor units; `issued_at` is when the newest create that it answers was issued.

    `canceled_as_of` is the newest cancel by order id: a create issued no later is refused. `draft` is a create that waits
    for its user's customer at Stripe, `customer_at` when to ask for that again. `read_at` is set while a read is owed, and
    says when the sweeper does it; `poll_at` while something is waited for. `refunded` and `disputed` are counted from the
    lists. `heard_refunded` is the highest total that Stripe has told of beside its parts. `archived` counts the timeline
    entries, calls, events and inputs that have moved to the archive. `inputs` say how it came to be and decide nothing:
    two records that differ in them alone are equal, and print the same.
    """

    id: str
    order_id: str
    user_id: str
    deployment: str
    amount: int
    currency: str
    capture_method: CaptureMethod
    status: Status
    created_at: datetime
    updated_at: datetime
    issued_at: datetime
    version: int = 0
    captured: int = 0
    refunded: int = 0
    disputed: int = 0
    heard_refunded: int = 0
    intent_id: str | None = None
    customer_id: str | None = None
    latest_charge_id: str | None = None
    receipt_url: str | None = None
    capture_before: datetime | None = None
    expiry_told: bool = False
    canceled_as_of: datetime | None = None
    needs_review: str | None = None
    erased_at: datetime | None = None
    read_at: datetime | None = None
    poll_at: datetime | None = None
    customer_at: datetime | None = None
    polls: int = 0
    archived: int = 0
    draft: Call | None = None
    attempts: tuple[Attempt, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    reviews: tuple[Review, ...] = ()
    concerns: tuple[Concern, ...] = ()
    calls: tuple[Call, ...] = ()
    timeline: tuple[Entry, ...] = ()
    events: tuple[Announced, ...] = ()
    inputs: tuple[Input, ...] = field(default=(), repr=False, compare=False)

    @property
    def check_at(self) -> datetime | None:
        """When the sweeper must look again: the earliest of what is waited for, or None when nothing is open."""
        head = self.head
        waits = (
            *(head.waits if head else ()),
            self.read_at,
            self.customer_at,
            self.poll_at if self.waiting else None,
            self.next_deadline,
        )
        return min((moment for moment in waits if moment is not None), default=None)

    @property
    def next_deadline(self) -> datetime | None:
        """The next moment at which the clock itself has something to say: an expiry, a dispute's deadline, an answer due."""
        moments = [concern.answer_by for concern in self.concerns if concern.open and concern.answer_by]
        moments += [moment for dispute in self.disputes for _, moment in limits.deadlines(dispute)]
        if self.status is Status.REQUIRES_CAPTURE and self.capture_before:
            expiring = self.capture_before - limits.EXPIRY_WARNING
            moments.append(self.capture_before + limits.EXPIRY_GRACE if self.expiry_told else expiring)
        return min(moments, default=None)

    @property
    def waiting(self) -> bool:
        """Whether Stripe has something still to tell: of the status, a refund, a dispute, or a refund we only heard of."""
        return (
            self.status not in FINAL
            or any(refund.under_way and refund.stripe_id for refund in self.refunds)
            or any(dispute.open for dispute in self.disputes)
            or self.heard_refunded > self.given_back
        )

    @property
    def head(self) -> Call | None:
        """The one call that may be in flight."""
        return next((call for call in self.calls if call.open), None)

    @property
    def creation(self) -> Call | None:
        """The call that creates it at Stripe, also while that waits for a customer."""
        return self.draft or next((call for call in self.calls if call.operation is Operation.CREATE), None)

    @property
    def live(self) -> bool:
        """Whether it is the order's payment: not canceled, not failed for good, not fully given back."""
        return self.status not in {Status.CANCELED, Status.FAILED} and not (
            self.captured and self.refunded >= self.captured
        )

    @property
    def came_back(self) -> bool:
        """Whether money that had been given back is here again."""
        return any(refund.status in {RefundStatus.FAILED, RefundStatus.CANCELED} for refund in self.refunds)

    @property
    def reserved(self) -> int:
        """Refunds that are neither done nor undone."""
        return sum(refund.amount for refund in self.refunds if refund.under_way)

    @property
    def given_back(self) -> int:
        """What Stripe counts as refunded: all but what failed."""
        return self.refunded + self.reserved

    @property
    def refundable(self) -> int:
        """What can still be given back."""
        return max(0, self.captured - self.given_back - self.disputed)

    @property
    def capturable(self) -> int:
        """What is held and not taken yet."""
        return max(0, self.amount - self.captured) if self.status is Status.REQUIRES_CAPTURE else 0

    @property
    def number(self) -> int:
        return int(self.id.rpartition("_")[2])

    def refund(self, refund_id: str | None) -> Refund | None:
        return next((refund for refund in self.refunds if refund.id == refund_id), None)

    def dispute(self, dispute_id: str | None) -> Dispute | None:
        return next((dispute for dispute in self.disputes if dispute.id == dispute_id), None)

    def call(self, call_id: str) -> Call | None:
        found = (self.draft, *self.calls) if self.draft else self.calls
        return next((call for call in found if call.id == call_id), None)

    def entry(self, message_id: str) -> Entry | None:
        return next((entry for entry in reversed(self.timeline) if entry.message_id == message_id), None)

    def knows(self, message_id: str) -> bool:
        """Whether this message was handled, or is being handled by an open call."""
        return self.call(message_id) is not None or self.entry(message_id) is not None


def counted(payment: Payment) -> dict[str, int]:
    """The totals, from the lists."""
    return {
        "refunded": sum(refund.amount for refund in payment.refunds if refund.status is RefundStatus.SUCCEEDED),
        "disputed": sum(dispute.amount for dispute in payment.disputes if dispute.status in HOLDS_MONEY),
    }


def payment_id(order_id: str, number: int) -> str:
    """Derive the id of the order's n-th payment: a race for n ends in a duplicate key, not in two payments."""
    return f"pay_{hashlib.sha256(order_id.encode()).hexdigest()[:24]}_{number}"
