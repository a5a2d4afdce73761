"""How a payment looks to others: in replies, in answers to queries, and as the common part of every event."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from contracts.commands import CaptureMethod
from contracts.messages import Announcement, Moment

Amount = Annotated[int, Field(strict=True, ge=0)]
"""Minor units of the payment's currency, as Stripe counts them (see money.py)."""


class PaymentStatus(StrEnum):
    """A payment's status as people read it; the last two are `succeeded` told apart by the totals."""

    CREATING = "creating"
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"
    FAILED = "failed"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


class PaymentView(Announcement):
    """One payment. Every amount is in minor units."""

    payment_id: str
    order_id: str
    user_id: str
    deployment: str
    status: PaymentStatus
    amount: Amount
    currency: str
    capture_method: CaptureMethod
    captured: Amount = 0
    refunded: Amount = 0
    disputed: Amount = 0
    reserved: Amount = 0
    refundable: Amount = 0
    capturable: Amount = 0
    capture_before: Moment | None = None
    payment_intent_id: str | None = None
    receipt_url: str | None = None
    needs_review: str | None = None
    created_at: Moment
    updated_at: Moment


class Attempt(Announcement):
    """One try to charge. `attempt_id` is Stripe's charge id, or ours when Stripe made no charge (a failed 3-D Secure)."""

    attempt_id: str
    outcome: str
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None
    can_retry: bool = True
    payment_method_type: str | None = None
    at: Moment


class RefundStatus(StrEnum):
    """A refund's way. `requested` is ours: Stripe has not answered yet. One that succeeded can still fail later."""

    REQUESTED = "requested"
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class RefundView(Announcement):
    """One refund. `refund_id` is the caller's name for it, or Stripe's id for one that was made at Stripe."""

    refund_id: str
    amount: Amount
    status: RefundStatus
    stripe_refund_id: str | None = None
    reason: str | None = None
    failure_reason: str | None = None
    made_at_stripe: bool = False
    at: Moment


class DisputeStatus(StrEnum):
    """Stripe's status of a dispute; `warning_*` are inquiries, which take no money yet."""

    WARNING_NEEDS_RESPONSE = "warning_needs_response"
    WARNING_UNDER_REVIEW = "warning_under_review"
    WARNING_CLOSED = "warning_closed"
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"
    PREVENTED = "prevented"


class DisputeFunds(StrEnum):
    """Whether the disputed money has left the balance, and come back."""

    UNTOUCHED = "untouched"
    WITHDRAWN = "withdrawn"
    REINSTATED = "reinstated"


class DisputeView(Announcement):
    """One dispute. `evidence_due_by` is the last moment at which Stripe takes evidence."""

    dispute_id: str
    amount: Amount
    status: DisputeStatus
    reason: str | None = None
    funds: DisputeFunds = DisputeFunds.UNTOUCHED
    evidence_due_by: Moment | None = None
    evidence_submitted: bool = False
    at: Moment


class MethodView(Announcement):
    """A saved payment method, as a customer recognises it."""

    payment_method: str
    type: str
    brand: str | None = None
    last4: str | None = None
    expires: str | None = None
    default: bool = False


class CustomerView(Announcement):
    """A user's saved payment methods."""

    user_id: str
    methods: tuple[MethodView, ...] = ()
