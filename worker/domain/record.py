"""The payment as it is stored: one frozen record, changed only by making a new one (`dataclasses.replace`)."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from contracts.commands import CaptureMethod
from contracts.replies import RefusalCode, Verdict


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


@dataclass(frozen=True, slots=True)
class Call:
    """One request that must reach Stripe, committed before its first send and repeated under the same key.

    `sends` says when each send began, oldest first; `due_at` when the sweeper looks at it. `settle` means: never send
    again, find out by reading, because of this. `intent_id` is whom it addresses, stored before the first send.
    """

    id: str
    operation: Operation
    key: str
    params: dict[str, Any]
    issued_at: datetime
    body_hash: str = ""
    intent_id: str | None = None
    expires_at: datetime | None = None
    reply: Address | None = None
    trace: Trace = field(default_factory=Trace)
    sends: tuple[datetime, ...] = ()
    due_at: datetime | None = None
    settle: str | None = None
    own_reason: str | None = None
    errors: int = 0
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

    `canceled_as_of` is the newest cancel by order id: a create issued no later is refused. `read_at` is set while a read
    is owed, and says when the sweeper does it; `poll_at` while the status is not final.
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
    intent_id: str | None = None
    latest_charge_id: str | None = None
    canceled_as_of: datetime | None = None
    needs_review: str | None = None
    read_at: datetime | None = None
    poll_at: datetime | None = None
    polls: int = 0
    attempts: tuple[Attempt, ...] = ()
    calls: tuple[Call, ...] = ()
    timeline: tuple[Entry, ...] = ()
    events: tuple[Announced, ...] = ()

    @property
    def check_at(self) -> datetime | None:
        """When the sweeper must look again: the earliest of what is waited for, or None when nothing is open."""
        head = self.head
        waits = (head.due_at if head else None, self.read_at, None if self.status in FINAL else self.poll_at)
        return min((moment for moment in waits if moment is not None), default=None)

    @property
    def head(self) -> Call | None:
        """The one call that may be in flight."""
        return next((call for call in self.calls if call.open), None)

    @property
    def live(self) -> bool:
        """Whether it is the order's payment: not canceled, not failed for good, not fully given back."""
        return self.status not in {Status.CANCELED, Status.FAILED} and not (
            self.captured and self.refunded >= self.captured
        )

    @property
    def number(self) -> int:
        return int(self.id.rpartition("_")[2])

    def call(self, call_id: str) -> Call | None:
        return next((call for call in self.calls if call.id == call_id), None)

    def entry(self, message_id: str) -> Entry | None:
        return next((entry for entry in reversed(self.timeline) if entry.message_id == message_id), None)

    def knows(self, message_id: str) -> bool:
        """Whether this message was handled, or is being handled by an open call."""
        return self.call(message_id) is not None or self.entry(message_id) is not None


def payment_id(order_id: str, number: int) -> str:
    """Derive the id of the order's n-th payment: a race for n ends in a duplicate key, not in two payments."""
    return f"pay_{hashlib.sha256(order_id.encode()).hexdigest()[:24]}_{number}"
