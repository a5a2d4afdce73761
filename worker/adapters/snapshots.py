"""Stripe's objects as JSON → our frozen messages. Reads only the fields that decide; everything may be missing.

Source: Stripe API reference, objects PaymentIntent, Charge, Refund, Dispute and Error, of the pinned version
(gateway.API_VERSION). An amount that is no whole number is unreadable: nothing is ever rounded. Where an object holds no
text although it should, there is none: what is not text would mean something else to the database and to our readers.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from numbers import Real
from typing import Any

from contracts.views import DisputeFunds, DisputeStatus, RefundStatus
from worker.domain.facts import Charge, Decline, DisputeFact, Intent, RefundFact
from worker.domain.record import Status
from worker.movements import Movement, presented
from worker.ports import Owner

Json = Mapping[str, Any]

MOST = 10**15
"""More than Stripe takes in any currency, and far less than MongoDB's eight bytes hold."""

LAST_MOMENT = 32_503_680_000
"""The year 3000: no deadline is later, and days can still be added."""

REFUND_STATUSES = {status.value: status for status in RefundStatus if status is not RefundStatus.REQUESTED}
"""A refund that is only requested is ours; Stripe knows no such word."""

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
            id=named(found["id"]),
            status=status,
            amount=whole(found["amount"]),
            amount_received=whole(found.get("amount_received", 0)),
            currency=named(found["currency"]),
            latest_charge_id=id_of(found.get("latest_charge")),
            decline=decline_of(error) if error else None,
            cancellation_reason=text_of(found.get("cancellation_reason")),
            action=text_of(action.get("type")),
            charge=_expanded(found.get("latest_charge")),
            client_secret=text_of(found.get("client_secret")),
            redirect_url=text_of(redirect.get("url")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"payment intent: {type(error).__name__} {error}") from error


def _expanded(latest: Any) -> Charge | None:
    """The latest charge, where Stripe was asked to expand it, and if it was not declined."""
    return charge_of(latest) if isinstance(latest, Mapping) and latest.get("status") != "failed" else None


def charge_of(charge: Json) -> Charge:
    """What a good charge says beside its outcome."""
    card = (charge.get("payment_method_details") or {}).get("card") or {}
    return Charge(
        id=named(charge["id"]),
        receipt_url=text_of(charge.get("receipt_url")),
        capture_before=None if charge.get("captured") else _moment(card.get("capture_before")),
    )


def refund_of(found: Json) -> RefundFact:
    """A Refund. Raises Unreadable."""
    try:
        metadata = found.get("metadata") or {}
        return RefundFact(
            id=named(found["id"]),
            amount=whole(found["amount"]),
            status=REFUND_STATUSES[found["status"]],
            refund_id=text_of(metadata.get("refund_id")),
            payment_id=text_of(metadata.get("payment_id")),
            reason=text_of(found.get("reason")),
            failure=text_of(found.get("failure_reason")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"refund: {type(error).__name__} {error}") from error


def dispute_of(found: Json) -> DisputeFact:
    """A Dispute. Its balance transactions say whether the money has left, and come back. Raises Unreadable."""
    try:
        details = found.get("evidence_details") or {}
        moves = found.get("balance_transactions") or ()
        amount, status = whole(found["amount"]), DisputeStatus(found["status"])
        return DisputeFact(
            id=named(found["id"]),
            amount=amount,
            status=status,
            reason=text_of(found.get("reason")),
            funds=(DisputeFunds.UNTOUCHED, DisputeFunds.WITHDRAWN, DisputeFunds.REINSTATED)[min(len(moves), 2)],
            due_by=_moment(details.get("due_by")),
            submitted=bool(details.get("submission_count")),
            charge_id=id_of(found.get("charge")),
            partly=status is DisputeStatus.WON and _less_is_back(amount, moves),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"dispute: {type(error).__name__} {error}") from error


def _less_is_back(amount: int, moves: Sequence[Json]) -> bool:
    """Whether what a dispute took has come back, and less of it."""
    return len(moves) > 1 and presented(_movement(amount, move) for move in moves) < 0


def _movement(amount: int, move: Json) -> Movement:
    """A balance transaction of a dispute; it has a rate when it was converted (API reference, `exchange_rate`)."""
    settled, rate = _signed(move["amount"]), _rate(move.get("exchange_rate"))
    category = "dispute" if settled < 0 else "dispute_reversal"
    return Movement(category=category, whole=amount, settled=settled, converted=bool(rate), rate=rate)


def _rate(value: Any) -> str:
    """A rate of exchange in Stripe's words; empty where there is none. Raises ValueError."""
    if value is None:
        return ""
    if not isinstance(value, Real) or not 0 < Fraction(str(value)) < MOST:
        raise ValueError("a rate that nobody has")
    return str(value)


def whole(value: Any) -> int:
    """An amount: a whole number of minor units, and nothing that merely looks like one. Raises TypeError, ValueError."""
    if type(value) is not int:
        raise TypeError(f"an amount that is {type(value).__name__}")
    if not 0 <= value <= MOST:
        raise ValueError("an amount that nobody has")
    return value


def _signed(value: Any) -> int:
    """An amount that may be below zero. Raises TypeError, ValueError."""
    return whole(value) if not isinstance(value, int) or value >= 0 else -whole(-value)


def named(value: Any) -> str:
    """What identifies an object, or says what its amount means. Raises TypeError where there is none."""
    if not isinstance(value, str) or not value:
        raise TypeError("an object without its name")
    return value


def _moment(value: Any) -> datetime | None:
    """A time in seconds. Zero is how Stripe says that there is none (API reference, `evidence_details.due_by`)."""
    return datetime.fromtimestamp(value, UTC) if type(value) is int and 0 < value < LAST_MOMENT else None


def decline_of(error: Json) -> Decline:
    """Why an attempt failed: an API error, or an intent's `last_payment_error`; both have this shape."""
    method = error.get("payment_method") or {}
    return Decline(
        code=text_of(error.get("code")),
        decline_code=text_of(error.get("decline_code")),
        message=text_of(error.get("message")),
        charge_id=id_of(error.get("charge")),
        payment_method_id=id_of(method),
        payment_method_type=text_of(method.get("type")) if isinstance(method, Mapping) else None,
    )


def charge_decline_of(charge: Json) -> Decline:
    """Why a charge failed."""
    outcome = charge.get("outcome") or {}
    code = text_of(charge.get("failure_code"))
    reason = text_of(outcome.get("reason"))
    details = charge.get("payment_method_details") or {}
    return Decline(
        code=code,
        decline_code=reason if code == "card_declined" else None,
        message=text_of(charge.get("failure_message")),
        charge_id=named(charge["id"]),
        payment_method_id=id_of(charge.get("payment_method")),
        payment_method_type=text_of(details.get("type")),
    )


def owner_of(found: Json) -> Owner:
    """Whose object it is, by the metadata that our create put there."""
    metadata = found.get("metadata") or {}
    return Owner(
        payment_id=text_of(metadata.get("payment_id")),
        order_id=text_of(metadata.get("order_id")),
        deployment=text_of(metadata.get("deployment")),
    )


def text_of(value: Any) -> str | None:
    """Text, if it is any."""
    return value if isinstance(value, str) else None


def id_of(value: Any) -> str | None:
    """An id that may be expanded to its object."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return text_of(value) or None
