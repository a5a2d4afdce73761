"""What other services ask of payments. Imperative, frozen, versioned; each may carry the moment it goes stale."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import AnyHttpUrl, ConfigDict, Field, StringConstraints, model_validator

from contracts.messages import CurrencyCode, Identifier, MetadataKey, MetadataValue, Moment, PaymentId, Request

MAX_METADATA_KEYS = 40
"""Stripe allows 50; ten are kept for our own (payment_id, order_id, deployment and what comes)."""

MAX_AMOUNT = 10**12
"""No currency that Stripe charges takes more than twelve digits; its exact limit per currency is checked by money.py."""


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


class CreatePayment(Request):
    """Open the order's payment. Repeating it, under any command id, answers with the live one when the terms agree.

    `amount` is in the currency's minor unit as Stripe counts it: 1999 is 19.99 EUR, 500 is 500 JPY.
    """

    TYPE: ClassVar[str] = "payment.create"
    VERSION: ClassVar[int] = 1

    order_id: Identifier
    user_id: Identifier
    amount: Annotated[int, Field(strict=True, gt=0, le=MAX_AMOUNT)]
    currency: CurrencyCode
    capture_method: CaptureMethod = CaptureMethod.AUTOMATIC
    description: Annotated[str, StringConstraints(max_length=1000)] | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=MAX_METADATA_KEYS)] = Field(
        default_factory=dict,
    )
    expires_at: Moment | None = None


class ConfirmPayment(Request):
    """Charge a payment method that the customer chose.

    `return_url` is where a 3-D Secure or bank page sends them back to; Stripe refuses a server-side confirm under
    automatic payment methods without one.
    """

    TYPE: ClassVar[str] = "payment.confirm"
    VERSION: ClassVar[int] = 1

    payment_id: PaymentId
    payment_method: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_]+$")]
    return_url: AnyHttpUrl
    expires_at: Moment | None = None


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


Command = CreatePayment | ConfirmPayment | CancelPayment
COMMANDS: dict[str, type[Command]] = {kind.TYPE: kind for kind in (CreatePayment, ConfirmPayment, CancelPayment)}
