"""What payments announces. Past tense, frozen, versioned; delivered at least once and in any order.

Dedupe by the envelope's id (`{payment_id}.{sequence}`). Never let an older sequence overwrite a newer state, and never
skip an event because a higher sequence was seen: each carries a fact of its own.
"""

from typing import ClassVar

from contracts.messages import Moment
from contracts.views import Attempt, PaymentView


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


class PaymentLateMoney(PaymentEvent):
    """Money arrived that nobody waits for: paid after a cancel, or paid twice for one order. Someone must decide."""

    TYPE: ClassVar[str] = "payment.late_money"

    reason: str


class PaymentNeedsReview(PaymentEvent):
    """Something happened that no rule covers; `reason` names it. The payment is frozen for automatic money moves."""

    TYPE: ClassVar[str] = "payment.needs_review"

    reason: str


Event = (
    PaymentCreated
    | PaymentRequiresAction
    | PaymentProcessing
    | PaymentAuthorized
    | PaymentSucceeded
    | PaymentFailed
    | PaymentCanceled
    | PaymentLateMoney
    | PaymentNeedsReview
)
EVENTS: dict[str, type[Event]] = {
    kind.TYPE: kind
    for kind in (
        PaymentCreated,
        PaymentRequiresAction,
        PaymentProcessing,
        PaymentAuthorized,
        PaymentSucceeded,
        PaymentFailed,
        PaymentCanceled,
        PaymentLateMoney,
        PaymentNeedsReview,
    )
}
