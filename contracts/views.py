"""How a payment looks to others: in replies, in answers to queries, and as the common part of every event."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from contracts.commands import CaptureMethod
from contracts.messages import Announcement, Moment

Amount = Annotated[int, Field(ge=0)]
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
    payment_intent_id: str | None = None
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
