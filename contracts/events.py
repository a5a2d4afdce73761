"""What payments announces. Past tense, frozen, versioned; delivered at least once and in any order.

Dedupe by the envelope's id (`{payment_id}.{sequence}`). Never let an older sequence overwrite a newer state, and never
skip an event because a higher sequence was seen: each carries a fact of its own.
"""

from enum import StrEnum
from typing import ClassVar, get_args

from contracts.commands import Resolution
from contracts.messages import Moment
from contracts.views import Attempt, DisputeView, PaymentView, RefundView


class PaymentEvent(PaymentView):
    """The common part: the payment as it was right after the change, all totals, and the change's place in its story."""

    TYPE: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1

    sequence: int
    occurred_at: Moment


class PaymentCreated(PaymentEvent):
    """Stripe holds an intent for it; the customer can pay."""

    TYPE: ClassVar[str] = "payment.created"


class PaymentRequiresAction(PaymentEvent):
    """The customer must do something first (3-D Secure). `action` is Stripe's `next_action.type`."""

    TYPE: ClassVar[str] = "payment.requires_action"

    action: str | None = None


class PaymentProcessing(PaymentEvent):
    """The bank has it; for some methods that takes days."""

    TYPE: ClassVar[str] = "payment.processing"


class PaymentAuthorized(PaymentEvent):
    """The money is held and waits for a capture (only with `capture_method: manual`)."""

    TYPE: ClassVar[str] = "payment.authorized"


class PaymentSucceeded(PaymentEvent):
    """The money is captured, in full or as asked. Compare `amount` and `currency` with your order before you ship."""

    TYPE: ClassVar[str] = "payment.succeeded"


class PaymentFailed(PaymentEvent):
    """An attempt was declined. The payment itself lives on while `attempt.can_retry`; `status` says whether it does."""

    TYPE: ClassVar[str] = "payment.failed"

    attempt: Attempt


class PaymentCanceled(PaymentEvent):
    """It ends without money. `reason` is the caller's, or `abandoned`, `too_many_attempts`, `orphan` when it was ours."""

    TYPE: ClassVar[str] = "payment.canceled"

    reason: str


class PaymentAuthorizationExpiring(PaymentEvent):
    """The money that is held is released at `capture_before`, unless it is captured first."""

    TYPE: ClassVar[str] = "payment.authorization_expiring"


class PaymentCaptured(PaymentEvent):
    """One of several captures took money; more is held. The last one says `payment.succeeded`."""

    TYPE: ClassVar[str] = "payment.captured"


class PaymentReceipt(PaymentEvent):
    """Stripe's receipt of the charge can be shown to the customer: `receipt_url`."""

    TYPE: ClassVar[str] = "payment.receipt"


class PaymentRefundRequested(PaymentEvent):
    """A refund is reserved and on its way to Stripe."""

    TYPE: ClassVar[str] = "payment.refund_requested"

    refund: RefundView


class PaymentRefundUpdated(PaymentEvent):
    """A refund is under way at Stripe: `pending`, or `requires_action` of the customer."""

    TYPE: ClassVar[str] = "payment.refund_updated"

    refund: RefundView


class PaymentRefunded(PaymentEvent):
    """One refund succeeded. `status` tells whether the payment is given back in part or whole."""

    TYPE: ClassVar[str] = "payment.refunded"

    refund: RefundView


class PaymentRefundFailed(PaymentEvent):
    """One refund failed, was canceled or refused, perhaps after it had succeeded: the money is still, or again, here."""

    TYPE: ClassVar[str] = "payment.refund_failed"

    refund: RefundView


class PaymentDisputeOpened(PaymentEvent):
    """The cardholder disputes the charge, or asks (`warning_*`). Answer before `dispute.evidence_due_by`."""

    TYPE: ClassVar[str] = "payment.dispute_opened"

    dispute: DisputeView


class PaymentDisputeUpdated(PaymentEvent):
    """The dispute moved: another status, or money withdrawn or reinstated."""

    TYPE: ClassVar[str] = "payment.dispute_updated"

    dispute: DisputeView


class PaymentDisputeDeadline(PaymentEvent):
    """No evidence is submitted yet, and the deadline is `days_left` days away or less (7, 3, 1)."""

    TYPE: ClassVar[str] = "payment.dispute_deadline"

    dispute: DisputeView
    days_left: int


class PaymentDisputeClosed(PaymentEvent):
    """The dispute is over: won, lost, or a closed inquiry."""

    TYPE: ClassVar[str] = "payment.dispute_closed"

    dispute: DisputeView


class Case(StrEnum):
    """Money that comes late or strange, and signs that it may not stay."""

    PAID_AFTER_CANCEL = "paid_after_cancel"
    PAID_TWICE = "paid_twice"
    TERMS_DIFFER = "terms_differ"
    REFUND_FAILED = "refund_failed"
    FRAUD_WARNING = "fraud_warning"
    REVIEW_OPENED = "review_opened"


class Remedy(StrEnum):
    """What the policy says to a case: tell only, refund, hold for a person, or ask the order service."""

    TELL = "tell"
    REFUND = "refund"
    HOLD = "hold"
    ASK = "ask"


class PaymentFraudWarning(PaymentEvent):
    """The card network reports the charge as fraud before any dispute (Radar, early fraud warning)."""

    TYPE: ClassVar[str] = "payment.fraud_warning"

    warning_id: str
    fraud_type: str | None = None
    remedy: Remedy
    answer_by: Moment | None = None


class PaymentReviewOpened(PaymentEvent):
    """Radar holds the payment up for a person to look at in Stripe's dashboard. `reason` is Stripe's."""

    TYPE: ClassVar[str] = "payment.review_opened"

    review_id: str
    reason: str | None = None
    remedy: Remedy
    answer_by: Moment | None = None


class PaymentReviewClosed(PaymentEvent):
    """The review at Stripe is over. `reason` is Stripe's `closed_reason`: approved, refunded, refunded_as_fraud, disputed."""

    TYPE: ClassVar[str] = "payment.review_closed"

    review_id: str
    reason: str | None = None


class PaymentLateMoney(PaymentEvent):
    """Money that nobody waits for, or not as asked. `remedy` is what the policy does about it.

    With `ask` the order service answers by `payment.resolve` until `answer_by`; without an answer a person must look.
    """

    TYPE: ClassVar[str] = "payment.late_money"

    reason: str
    case: Case = Case.PAID_AFTER_CANCEL
    remedy: Remedy = Remedy.HOLD
    answer_by: Moment | None = None


class PaymentNeedsReview(PaymentEvent):
    """Something happened that no rule covers; `reason` names it. The payment is frozen for automatic money moves."""

    TYPE: ClassVar[str] = "payment.needs_review"

    reason: str


class PaymentResolved(PaymentEvent):
    """Somebody decided: the money is kept, or goes back. The payment waits for nobody any more."""

    TYPE: ClassVar[str] = "payment.resolved"

    decision: Resolution


class PaymentErased(PaymentEvent):
    """Who paid is forgotten: `user_id` is a tombstone from here on. Forget it, too."""

    TYPE: ClassVar[str] = "payment.erased"


Event = (
    PaymentCreated
    | PaymentRequiresAction
    | PaymentProcessing
    | PaymentAuthorized
    | PaymentAuthorizationExpiring
    | PaymentCaptured
    | PaymentSucceeded
    | PaymentReceipt
    | PaymentFailed
    | PaymentCanceled
    | PaymentRefundRequested
    | PaymentRefundUpdated
    | PaymentRefunded
    | PaymentRefundFailed
    | PaymentDisputeOpened
    | PaymentDisputeUpdated
    | PaymentDisputeDeadline
    | PaymentDisputeClosed
    | PaymentFraudWarning
    | PaymentReviewOpened
    | PaymentReviewClosed
    | PaymentLateMoney
    | PaymentNeedsReview
    | PaymentResolved
    | PaymentErased
)
EVENTS: dict[str, type[Event]] = {kind.TYPE: kind for kind in get_args(Event)}
