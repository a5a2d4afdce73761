"""What other services ask of payments. Imperative, frozen, versioned; each may carry the moment it goes stale."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import AnyHttpUrl, ConfigDict, Field, StringConstraints, model_validator

from contracts.messages import CurrencyCode, Identifier, MetadataKey, MetadataValue, Moment, PaymentId, Request, UserId

MAX_METADATA_KEYS = 40
"""Stripe allows 50; ten are kept for our own (payment_id, order_id, deployment and what comes)."""

MAX_AMOUNT = 10**12
"""No currency that Stripe charges takes more than twelve digits; its exact limit per currency is checked by money.py."""

Amount = Annotated[int, Field(strict=True, gt=0, le=MAX_AMOUNT)]
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")]
"""Only the shape that no address lacks: whether it exists is for the mail to find out (RFC 5321: at most 254)."""

MethodId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_]+$")]
"""Stripe's id of a payment method."""

DisputeId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_]+$")]
Note = Annotated[str, StringConstraints(min_length=1, max_length=500)]
EvidenceText = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
MAX_EVIDENCE = 150_000
"""Stripe docs, "Update a dispute": all texts of the evidence together have at most 150,000 characters."""


class CaptureMethod(StrEnum):
    """When the money is taken: at once, or by a later capture of the authorization."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class CancelReason(StrEnum):
    """Stripe's `cancellation_reason` values that a caller may give."""

    DUPLICATE = "duplicate"
    FRAUDULENT = "fraudulent"
    REQUESTED_BY_CUSTOMER = "requested_by_customer"
    ABANDONED = "abandoned"


class FutureUsage(StrEnum):
    """Stripe's `setup_future_usage`: whether the customer will be there when the saved method is charged again."""

    ON_SESSION = "on_session"
    OFF_SESSION = "off_session"


class RefundReason(StrEnum):
    """Stripe's `reason` of a refund. `fraudulent` also puts card and e-mail on Stripe's block lists."""

    DUPLICATE = "duplicate"
    FRAUDULENT = "fraudulent"
    REQUESTED_BY_CUSTOMER = "requested_by_customer"


class Resolution(StrEnum):
    """What a person, or the order service, decides about a payment that waits for it."""

    KEEP = "keep"
    REFUND = "refund"


class CreatePayment(Request):
    """Open the order's payment. Repeating it, under any command id, answers with the live one when the terms agree.

    `amount` is in the currency's minor unit as Stripe counts it: 1999 is 19.99 EUR, 500 is 500 JPY. `use_customer` ties
    the payment to its user's Stripe customer, so that a saved payment method can pay it; `setup_future_usage`, which
    saves the method that pays, does so by itself. `receipt_email` goes to Stripe and is kept nowhere else.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"multicapture": {"const": False}}},
                {"properties": {"capture_method": {"const": "manual"}}, "required": ["capture_method"]},
            ]
        }
    )

    TYPE: ClassVar[str] = "payment.create"
    VERSION: ClassVar[int] = 1

    order_id: Identifier
    user_id: UserId
    amount: Amount
    currency: CurrencyCode
    capture_method: CaptureMethod = CaptureMethod.AUTOMATIC
    description: Annotated[str, StringConstraints(max_length=1000)] | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=MAX_METADATA_KEYS)] = Field(
        default_factory=dict,
    )
    multicapture: bool = False
    use_customer: bool = False
    setup_future_usage: FutureUsage | None = None
    receipt_email: Email | None = None
    expires_at: Moment | None = None

    @model_validator(mode="after")
    def _several_captures_are_manual(self) -> Self:
        if self.multicapture and self.capture_method is not CaptureMethod.MANUAL:
            raise ValueError("multicapture needs capture_method manual")
        return self


class ConfirmPayment(Request):
    """Charge a payment method that the customer chose, or, `off_session`, one that they saved.

    `return_url` is where a 3-D Secure or bank page sends them back to; Stripe refuses a server-side confirm under
    automatic payment methods without one. Off session there is nobody to send: where the bank asks for the customer the
    confirm is refused as `authentication_required`, and the payment waits for them.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["return_url"]},
                {"properties": {"off_session": {"const": True}}, "required": ["off_session"]},
            ]
        }
    )

    TYPE: ClassVar[str] = "payment.confirm"
    VERSION: ClassVar[int] = 1

    payment_id: PaymentId
    payment_method: MethodId
    return_url: AnyHttpUrl | None = None
    off_session: bool = False
    expires_at: Moment | None = None

    @model_validator(mode="after")
    def _somebody_to_send_back(self) -> Self:
        if not self.off_session and self.return_url is None:
            raise ValueError("give a return_url, or say off_session")
        return self


class CancelPayment(Request):
    """Give up a payment, by its id or by its order's (then also a create that has not arrived yet)."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["payment_id"]}, {"required": ["order_id"]}]})

    TYPE: ClassVar[str] = "payment.cancel"
    VERSION: ClassVar[int] = 1

    payment_id: PaymentId | None = None
    order_id: Identifier | None = None
    reason: CancelReason = CancelReason.REQUESTED_BY_CUSTOMER
    expires_at: Moment | None = None

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.payment_id is None) == (self.order_id is None):
            raise ValueError("give exactly one of payment_id and order_id")
        return self


class CapturePayment(Request):
    """Take money that is held. Without `amount` all that is left; what a final capture leaves is released.

    `final: false` keeps the rest held for further captures; Stripe allows that where the payment was opened with
    `multicapture` and the card takes part (Stripe docs, "Capture multiple times").
    """

    TYPE: ClassVar[str] = "payment.capture"
    VERSION: ClassVar[int] = 1

    payment_id: PaymentId
    requested_by: UserId
    amount: Amount | None = None
    final: bool = True
    note: Note | None = None
    expires_at: Moment | None = None


class RefundPayment(Request):
    """Give money back. Without `amount` all that can be refunded.

    `refund_id` is the caller's name for this refund, and one refund is made for it, under whatever command ids it is
    asked: a repeat answers with what became of it, another amount under the same name is refused.
    """

    TYPE: ClassVar[str] = "payment.refund"
    VERSION: ClassVar[int] = 1

    payment_id: PaymentId
    refund_id: Identifier
    requested_by: UserId
    amount: Amount | None = None
    reason: RefundReason | None = None
    note: Note | None = None
    expires_at: Moment | None = None


class EvidenceField(StrEnum):
    """The texts that Stripe takes as evidence (API reference, "Update a dispute"); files are uploaded at Stripe."""

    ACCESS_ACTIVITY_LOG = "access_activity_log"
    BILLING_ADDRESS = "billing_address"
    CANCELLATION_POLICY_DISCLOSURE = "cancellation_policy_disclosure"
    CANCELLATION_REBUTTAL = "cancellation_rebuttal"
    CUSTOMER_EMAIL_ADDRESS = "customer_email_address"
    CUSTOMER_NAME = "customer_name"
    CUSTOMER_PURCHASE_IP = "customer_purchase_ip"
    DUPLICATE_CHARGE_EXPLANATION = "duplicate_charge_explanation"
    DUPLICATE_CHARGE_ID = "duplicate_charge_id"
    PRODUCT_DESCRIPTION = "product_description"
    REFUND_POLICY_DISCLOSURE = "refund_policy_disclosure"
    REFUND_REFUSAL_EXPLANATION = "refund_refusal_explanation"
    SERVICE_DATE = "service_date"
    SHIPPING_ADDRESS = "shipping_address"
    SHIPPING_CARRIER = "shipping_carrier"
    SHIPPING_DATE = "shipping_date"
    SHIPPING_TRACKING_NUMBER = "shipping_tracking_number"
    UNCATEGORIZED_TEXT = "uncategorized_text"


class SubmitEvidence(Request):
    """Answer a dispute. With `submit: false` the texts are only saved at Stripe; what is submitted cannot be changed."""

    TYPE: ClassVar[str] = "payment.submit_evidence"
    VERSION: ClassVar[int] = 1

    payment_id: PaymentId
    dispute_id: DisputeId
    requested_by: UserId
    evidence: Annotated[dict[EvidenceField, EvidenceText], Field(min_length=1)]
    submit: bool = True
    expires_at: Moment | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if sum(len(text) for text in self.evidence.values()) > MAX_EVIDENCE:
            raise ValueError(f"all texts together have at most {MAX_EVIDENCE} characters")
        return self


class AcceptDispute(Request):
    """Give a dispute up: it is lost at once, and for good."""

    TYPE: ClassVar[str] = "payment.accept_dispute"
    VERSION: ClassVar[int] = 1

    payment_id: PaymentId
    dispute_id: DisputeId
    requested_by: UserId
    note: Note | None = None
    expires_at: Moment | None = None


class ResolvePayment(Request):
    """Decide about a payment that waits for somebody: the answer to `payment.late_money`, and the end of a review.

    `keep` leaves the money where it is; `refund` gives back all that can be refunded. Either ends `needs_review`.
    """

    TYPE: ClassVar[str] = "payment.resolve"
    VERSION: ClassVar[int] = 1

    payment_id: PaymentId
    decision: Resolution
    requested_by: UserId
    note: Note | None = None
    expires_at: Moment | None = None


class EraseUser(Request):
    """Forget who a user was: user ids become a tombstone, amounts stay, each payment says `payment.erased`."""

    TYPE: ClassVar[str] = "user.erase"
    VERSION: ClassVar[int] = 1

    user_id: UserId
    requested_by: UserId
    note: Note | None = None
    expires_at: Moment | None = None


class SetUpPaymentMethod(Request):
    """Let a user save a payment method without paying: the reply carries a SetupIntent's client secret."""

    TYPE: ClassVar[str] = "customer.set_up_method"
    VERSION: ClassVar[int] = 1

    user_id: UserId
    usage: FutureUsage = FutureUsage.OFF_SESSION
    expires_at: Moment | None = None


class SetDefaultMethod(Request):
    """Choose which saved payment method a user's next charge takes."""

    TYPE: ClassVar[str] = "customer.set_default_method"
    VERSION: ClassVar[int] = 1

    user_id: UserId
    payment_method: MethodId
    expires_at: Moment | None = None


class DetachMethod(Request):
    """Forget a saved payment method; Stripe never attaches it again."""

    TYPE: ClassVar[str] = "customer.detach_method"
    VERSION: ClassVar[int] = 1

    user_id: UserId
    payment_method: MethodId
    expires_at: Moment | None = None


OrdinaryCommand = CreatePayment | ConfirmPayment | CancelPayment | SetUpPaymentMethod | SetDefaultMethod | DetachMethod
PrivilegedCommand = CapturePayment | RefundPayment | SubmitEvidence | AcceptDispute | ResolvePayment | EraseUser
Command = OrdinaryCommand | PrivilegedCommand

COMMANDS: dict[str, type[OrdinaryCommand]] = {
    kind.TYPE: kind
    for kind in (CreatePayment, ConfirmPayment, CancelPayment, SetUpPaymentMethod, SetDefaultMethod, DetachMethod)
}
PRIVILEGED_COMMANDS: dict[str, type[PrivilegedCommand]] = {
    kind.TYPE: kind
    for kind in (CapturePayment, RefundPayment, SubmitEvidence, AcceptDispute, ResolvePayment, EraseUser)
}
"""Carried by an exchange of their own, so that the broker's permissions say who may move money: on the exchange of the
ordinary commands they are refused."""
