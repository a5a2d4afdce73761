"""A user's Stripe customer as it is stored: one frozen record per user, changed only by making a new one."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from contracts.replies import Verdict
from worker.domain.record import Outcome, Refused, StripeCall

TOMBSTONE = "erased"
"""Stands for the id of a user who was erased; nobody's customer is ever made for it."""


class CustomerStatus(StrEnum):
    """NEW has no record yet. ABSENT: Stripe holds none (refused, or deleted there); it is made anew when it is needed."""

    NEW = "new"
    CREATING = "creating"
    ACTIVE = "active"
    ABSENT = "absent"
    ERASING = "erasing"
    ERASED = "erased"


class CustomerOperation(StrEnum):
    """What a call asks of Stripe. The first and the last are our own; the others carry out a command."""

    CREATE = "create"
    SET_UP = "set_up"
    SET_DEFAULT = "set_default"
    DETACH = "detach"
    DELETE = "delete"


ON_A_METHOD = frozenset({CustomerOperation.SET_DEFAULT, CustomerOperation.DETACH})
"""These are sent only for a payment method that is the user's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerCall(StripeCall):
    """A call of a customer. `target` is the Stripe customer that it addresses, stored before the first send.

    `checked`: the user's methods were read after it was queued. `doubt` is what it is refused with, unless a read shows that
    it took effect all the same.
    """

    operation: CustomerOperation
    target: str | None = None
    checked: bool = False
    doubt: Refused | None = None

    @property
    def method(self) -> str:
        """The payment method that it is about."""
        found = self.params["payment_method"]
        assert isinstance(found, str)
        return found


@dataclass(frozen=True, slots=True)
class SavedMethod:
    """A payment method as a customer recognises it; no part of it can charge anybody."""

    id: str
    type: str
    brand: str | None = None
    last4: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None
    default: bool = False


@dataclass(frozen=True, slots=True)
class CustomerEntry:
    """One handled message: the timeline is both the story and the inbox. `made` is the SetupIntent that a call made."""

    at: datetime
    message_id: str
    kind: str
    outcome: Outcome
    from_status: CustomerStatus
    to_status: CustomerStatus
    why: str
    body_hash: str = ""
    message: dict[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None
    refused: Refused | None = None
    made: str | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """One document. `calls` holds the open ones only: a closed one is its timeline entry.

    `creates` and `deletes` count our own calls, so that each has a key of its own. `strays` are customers at Stripe
    that bear this user's mark and are not `stripe_id`; they are deleted when the user is erased. `read_at` is set while a
    read is owed, and says when it is done; `reads` counts those that failed in a row. A command issued no later than
    `erased_at` is refused.
    """

    id: str
    user_id: str
    deployment: str
    status: CustomerStatus
    created_at: datetime
    updated_at: datetime
    version: int = 0
    stripe_id: str | None = None
    creates: int = 0
    deletes: int = 0
    read_at: datetime | None = None
    reads: int = 0
    erased_at: datetime | None = None
    strays: tuple[str, ...] = ()
    methods: tuple[SavedMethod, ...] = ()
    calls: tuple[CustomerCall, ...] = ()
    timeline: tuple[CustomerEntry, ...] = ()

    @property
    def head(self) -> CustomerCall | None:
        """The one call that may be in flight."""
        return self.calls[0] if self.calls else None

    @property
    def check_at(self) -> datetime | None:
        """When the sweeper must look again, or None when nothing is open."""
        head = self.head
        waits = (
            *(head.waits if head else ()),
            self.read_at,
        )
        return min((moment for moment in waits if moment is not None), default=None)

    def call(self, call_id: str) -> CustomerCall | None:
        return next((call for call in self.calls if call.id == call_id), None)

    def entry(self, message_id: str) -> CustomerEntry | None:
        return next((entry for entry in reversed(self.timeline) if entry.message_id == message_id), None)

    def erased_since(self, moment: datetime | None) -> bool:
        """Whether the user was erased after this was asked for."""
        return self.erased_at is not None and moment is not None and moment <= self.erased_at

    def has(self, method_id: str) -> bool:
        """Whether a payment method is known to be the user's."""
        return any(method.id == method_id for method in self.methods)


def customer_id(deployment: str, user_id: str) -> str:
    """Derive the id of a user's record: two that begin at once meet in a duplicate key, not in two customers."""
    named = f"{deployment}\0{user_id}"
    return f"usr_{hashlib.sha256(named.encode()).hexdigest()[:24]}"
