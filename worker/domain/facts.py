"""What Stripe says of its objects: values that news and answers bring (messages.py), as they were at one moment.

`client_secret` and `redirect_url` of an intent pass through to the requester's reply and are neither compared, printed nor
stored.
"""

from dataclasses import dataclass, field
from datetime import datetime

from contracts.views import DisputeFunds, DisputeStatus, RefundStatus
from worker.domain.record import Status


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
class Charge:
    """What a charge says beside its outcome; `capture_before` of a held one."""

    id: str
    receipt_url: str | None = None
    capture_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefundFact:
    """A refund at Stripe at one moment. `refund_id` and `payment_id` are our names in its metadata, if we made it."""

    id: str
    amount: int
    status: RefundStatus
    refund_id: str | None = None
    payment_id: str | None = None
    reason: str | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class DisputeFact:
    """A dispute at Stripe at one moment. `partly`: it was won, and less has come back than had been taken."""

    id: str
    amount: int
    status: DisputeStatus
    reason: str | None = None
    funds: DisputeFunds = DisputeFunds.UNTOUCHED
    due_by: datetime | None = None
    submitted: bool = False
    charge_id: str | None = None
    partly: bool = False


@dataclass(frozen=True, slots=True)
class Ledger:
    """All refunds and disputes of an intent, as a read finds them."""

    refunds: tuple[RefundFact, ...] = ()
    disputes: tuple[DisputeFact, ...] = ()


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent at one moment: from a webhook, a read or an answer. `charge` where Stripe was asked to expand it."""

    id: str
    status: Status
    amount: int
    amount_received: int
    currency: str
    latest_charge_id: str | None = None
    decline: Decline | None = None
    cancellation_reason: str | None = None
    action: str | None = None
    charge: Charge | None = None
    client_secret: str | None = field(default=None, repr=False, compare=False)
    redirect_url: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class StripeProblem:
    """What Stripe said when it did not do it. `message` is Stripe's; it names parameters, never secrets."""

    code: str
    message: str
    field: str | None = None
    decline: Decline | None = None
