"""The answer to a command: accepted, pending or refused. It goes to the requester alone."""

from enum import StrEnum
from typing import ClassVar

from contracts.messages import Announcement
from contracts.views import CustomerView, DisputeView, PaymentView, RefundView


class Verdict(StrEnum):
    """ACCEPTED: done. PENDING: stored, it will be done; the events tell. REFUSED: not done, by name, and never will be."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    REFUSED = "refused"


class RefusalCode(StrEnum):
    """Why a command is not carried out. Stable: callers may branch on these."""

    INVALID = "invalid"
    ID_REUSED = "id_reused"
    EXPIRED = "expired"
    UNKNOWN_PAYMENT = "unknown_payment"
    WRONG_STATE = "wrong_state"
    UNKNOWN_CURRENCY = "unknown_currency"
    AMOUNT_TOO_SMALL = "amount_too_small"
    AMOUNT_TOO_LARGE = "amount_too_large"
    AMOUNT_NOT_CHARGEABLE = "amount_not_chargeable"
    ORDER_HAS_PAYMENT = "order_has_payment"
    ORDER_CANCELED = "order_canceled"
    BEING_CANCELED = "being_canceled"
    TOO_MANY_PAYMENTS = "too_many_payments"
    PAYMENT_FAILED = "payment_failed"
    CARD_DECLINED = "card_declined"
    AUTHENTICATION_REQUIRED = "authentication_required"
    NOT_CAPTURABLE = "amount_exceeds_capturable"
    NOT_REFUNDABLE = "amount_exceeds_refundable"
    REFUND_ID_REUSED = "refund_id_reused"
    TOO_MANY_REFUNDS = "too_many_refunds"
    UNKNOWN_DISPUTE = "unknown_dispute"
    DISPUTE_CLOSED = "dispute_closed"
    NOTHING_TO_RESOLVE = "nothing_to_resolve"
    UNKNOWN_METHOD = "unknown_payment_method"
    TOO_MANY_COMMANDS = "too_many_commands"
    PROVIDER_REFUSED = "provider_refused"
    PROVIDER_ERROR = "provider_error"
    NEEDS_REVIEW = "needs_review"


class Refusal(Announcement):
    """`field` is the dotted path of the field at fault, when one is; `decline_code` is Stripe's, for a declined card."""

    code: RefusalCode
    message: str
    field: str | None = None
    decline_code: str | None = None


class NextAction(Announcement):
    """What the customer must do: Stripe's `next_action.type` and, for a redirect, where to send them."""

    type: str
    redirect_url: str | None = None


class Reply(Announcement):
    """The answer to one command, with the payment, refund, dispute or customer that it was about, as they are now.

    `client_secret` and `next_action` let the requester's customer pay, or save a method: never log them.
    """

    TYPE: ClassVar[str] = "payment.reply"
    VERSION: ClassVar[int] = 1

    command_id: str
    verdict: Verdict
    payment: PaymentView | None = None
    refund: RefundView | None = None
    dispute: DisputeView | None = None
    customer: CustomerView | None = None
    erased: int | None = None
    client_secret: str | None = None
    next_action: NextAction | None = None
    refusal: Refusal | None = None
