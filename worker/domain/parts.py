"""What hangs on a payment beside its attempts and calls: refunds, disputes, signs of fraud, and money that is strange.

Each list is the truth, and the payment's totals are counted from it, never added up from what changed.
"""

from dataclasses import dataclass
from datetime import datetime

from contracts.events import Case, Remedy
from contracts.views import DisputeFunds, DisputeStatus, RefundStatus

REFUND_RANK = {
    RefundStatus.REQUESTED: 0,
    RefundStatus.PENDING: 1,
    RefundStatus.REQUIRES_ACTION: 1,
    RefundStatus.SUCCEEDED: 2,
    RefundStatus.FAILED: 3,
    RefundStatus.CANCELED: 3,
}
"""A refund's way goes up only. One that succeeded can fail later (Stripe docs, "Refunds: failed refunds")."""

UNDER_WAY = frozenset({RefundStatus.REQUESTED, RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION})

DISPUTE_RANK = {
    DisputeStatus.WARNING_NEEDS_RESPONSE: 0,
    DisputeStatus.WARNING_UNDER_REVIEW: 1,
    DisputeStatus.WARNING_CLOSED: 2,
    DisputeStatus.NEEDS_RESPONSE: 3,
    DisputeStatus.UNDER_REVIEW: 4,
    DisputeStatus.PREVENTED: 5,
    DisputeStatus.WON: 5,
    DisputeStatus.LOST: 5,
}
"""The usual way of a dispute (Stripe docs, "How disputes work"). An inquiry can become a dispute under the same id."""

CLOSED = frozenset(
    {DisputeStatus.WARNING_CLOSED, DisputeStatus.PREVENTED, DisputeStatus.WON, DisputeStatus.LOST},
)
GIVEN_UP = frozenset({DisputeStatus.WARNING_CLOSED, DisputeStatus.LOST})
"""What accepting a dispute makes of it."""
ANSWERABLE = frozenset({DisputeStatus.WARNING_NEEDS_RESPONSE, DisputeStatus.NEEDS_RESPONSE})
HOLDS_MONEY = frozenset({DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW, DisputeStatus.LOST})
"""An inquiry takes no money yet; a dispute takes it at once, and only a won one gives it back."""

FUNDS_RANK = {DisputeFunds.UNTOUCHED: 0, DisputeFunds.WITHDRAWN: 1, DisputeFunds.REINSTATED: 2}


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund. `id` is the caller's name for it, or Stripe's id when it was made at Stripe.

    `stripe_id` None: Stripe has not said yet that there is one. `asked_by` and `note` are for people, and never announced.
    """

    id: str
    amount: int
    status: RefundStatus
    at: datetime
    stripe_id: str | None = None
    reason: str | None = None
    failure: str | None = None
    made_at_stripe: bool = False
    asked_by: str | None = None
    note: str | None = None

    @property
    def under_way(self) -> bool:
        return self.status in UNDER_WAY


@dataclass(frozen=True, slots=True)
class Dispute:
    """One dispute or inquiry; `told` are the distances to its deadline, in days, that are announced or were past."""

    id: str
    amount: int
    status: DisputeStatus
    at: datetime
    reason: str | None = None
    funds: DisputeFunds = DisputeFunds.UNTOUCHED
    due_by: datetime | None = None
    submitted: bool = False
    charge_id: str | None = None
    told: tuple[int, ...] = ()

    @property
    def open(self) -> bool:
        return self.status not in CLOSED


@dataclass(frozen=True, slots=True)
class Review:
    """Radar's review at Stripe, by its id."""

    id: str
    at: datetime
    open: bool = True


@dataclass(frozen=True, slots=True)
class Concern:
    """Money that is late or strange, or may not stay, and what the policy said about it. `about` tells two of a kind apart."""

    case: Case
    about: str
    at: datetime
    remedy: Remedy
    answer_by: datetime | None = None
    open: bool = True
