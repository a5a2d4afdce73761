"""Stripe's objects as JSON → our frozen messages. Reads only the fields that decide; everything may be missing.

Source: Stripe API reference, objects PaymentIntent, Charge and Error, of the pinned version (gateway.API_VERSION).
"""

from collections.abc import Mapping
from typing import Any

from worker.domain.messages import Decline, Intent
from worker.domain.record import Status
from worker.ports import Owner

Json = Mapping[str, Any]

INTENT_STATUSES = {
    status.value: status
    for status in (
        Status.REQUIRES_PAYMENT_METHOD,
        Status.REQUIRES_CONFIRMATION,
        Status.REQUIRES_ACTION,
        Status.PROCESSING,
        Status.REQUIRES_CAPTURE,
        Status.SUCCEEDED,
        Status.CANCELED,
    )
}


class Unreadable(ValueError):
    """An object that is not what its type says; the text names the field."""


def intent_of(found: Json) -> Intent:
    """A PaymentIntent. Raises Unreadable."""
    try:
        status = INTENT_STATUSES[found["status"]]
        error = found.get("last_payment_error")
        action = found.get("next_action") or {}
        redirect = action.get("redirect_to_url") or {}
        return Intent(
            id=str(found["id"]),
            status=status,
            amount=int(found["amount"]),
            amount_received=int(found.get("amount_received") or 0),
            currency=str(found["currency"]),
            latest_charge_id=id_of(found.get("latest_charge")),
            decline=decline_of(error) if error else None,
            cancellation_reason=found.get("cancellation_reason"),
            action=action.get("type"),
            client_secret=found.get("client_secret"),
            redirect_url=redirect.get("url"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"payment intent: {type(error).__name__} {error}") from error


def decline_of(error: Json) -> Decline:
    """Why an attempt failed: an API error, or an intent's `last_payment_error`; both have this shape."""
    method = error.get("payment_method") or {}
    return Decline(
        code=error.get("code"),
        decline_code=error.get("decline_code"),
        message=error.get("message"),
        charge_id=id_of(error.get("charge")),
        payment_method_id=id_of(method),
        payment_method_type=method.get("type") if isinstance(method, Mapping) else None,
    )


def charge_decline_of(charge: Json) -> Decline:
    """Why a charge failed."""
    outcome = charge.get("outcome") or {}
    code = charge.get("failure_code")
    reason = outcome.get("reason")
    details = charge.get("payment_method_details") or {}
    return Decline(
        code=code,
        decline_code=reason if code == "card_declined" else None,
        message=charge.get("failure_message"),
        charge_id=str(charge["id"]),
        payment_method_id=id_of(charge.get("payment_method")),
        payment_method_type=details.get("type"),
    )


def owner_of(found: Json) -> Owner:
    """Whose object it is, by the metadata that our create put there."""
    metadata = found.get("metadata") or {}
    return Owner(
        payment_id=_text(metadata.get("payment_id")),
        order_id=_text(metadata.get("order_id")),
        deployment=_text(metadata.get("deployment")),
    )


def _text(value: Any) -> str | None:
    """Metadata is text; anything else would mean something to the database."""
    return value if isinstance(value, str) else None


def id_of(value: Any) -> str | None:
    """An id that may be expanded to its object."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return _text(value)
