"""Stripe's error codes: which are answers, which are conflicts, and that each of them is Stripe's."""

import typing

import pytest
import stripe

from tests.unit.worker.making import Story, capture, refund, story
from worker.adapters.gateway import CONFLICTS, REFUSALS, _result, classify
from worker.domain.messages import Result
from worker.domain.record import Call, Status


def stripes_codes() -> set[str]:
    """Every error code that the SDK knows, from the type of an intent's last error."""
    kind = stripe.PaymentIntent.LastPaymentError.__annotations__["code"]
    return {code for part in typing.get_args(kind) for code in typing.get_args(part)}


def refused(code: str | None, field: str | None = None) -> stripe.StripeError:
    """What the SDK raises for a 400 with this code."""
    return stripe.InvalidRequestError("No.", field, code, http_status=400)  # type: ignore[no-untyped-call] # the SDK's


def test_every_listed_code_is_stripes() -> None:
    """No code is misspelt or of our own making."""
    known = stripes_codes()
    assert "charge_already_refunded" in known
    assert (REFUSALS | CONFLICTS) - {None} <= known
    assert REFUSALS.isdisjoint(CONFLICTS)


CAUSED: dict[str | None, Result] = {
    # Stripe docs, "Error codes", and what each operation of ours can meet
    "charge_already_refunded": Result.CONFLICT,
    "charge_disputed": Result.CONFLICT,
    "refund_disputed_payment": Result.CONFLICT,
    "charge_already_captured": Result.CONFLICT,
    "charge_expired_for_capture": Result.CONFLICT,
    "capture_charge_authorization_expired": Result.CONFLICT,
    "payment_intent_unexpected_state": Result.CONFLICT,
    "intent_invalid_state": Result.CONFLICT,
    "charge_not_refundable": Result.REFUSED,
    "amount_too_large": Result.REFUSED,
    "amount_too_small": Result.REFUSED,
    "invalid_charge_amount": Result.REFUSED,
    "dispute_evidence_page_limit_exceeded": Result.REFUSED,
    "customer_max_payment_methods": Result.REFUSED,
    "expired_payment_method": Result.REFUSED,
    "india_recurring_payment_mandate_canceled": Result.REFUSED,
    "livemode_mismatch": Result.REFUSED,
    "payment_intent_incompatible_payment_method": Result.REFUSED,
    "payment_intent_invalid_parameter": Result.REFUSED,
    "payment_intent_mandate_invalid": Result.REFUSED,
    "payment_method_provider_decline": Result.REFUSED,
    "bank_account_restricted": Result.REFUSED,
    "resource_missing": Result.REFUSED,
    None: Result.REFUSED,  # a closed dispute, a charge that was not captured, a missing return URL
    # nobody who calls can cause these
    "account_invalid": Result.UNLISTED,
    "platform_account_required": Result.UNLISTED,
    "capability_not_active": Result.UNLISTED,
    "request_blocked": Result.UNLISTED,
}


@pytest.mark.parametrize(("code", "result"), CAUSED.items())
def test_a_code_has_its_result(code: str | None, result: Result) -> None:
    """A state that does not fit is read, what a caller can cause is refused by name, anything else waits for a person."""
    assert classify(refused(code)) is result


def calls() -> tuple[Call, Call]:
    """A refund and a capture that are being sent."""
    giving, taking = story(Status.SUCCEEDED), Story().reach(Status.REQUIRES_CAPTURE)
    giving.tell(refund(amount=500))
    taking.tell(capture(amount=500))
    return giving.head, taking.head


@pytest.mark.parametrize("code", [None, "amount_too_large"])
def test_less_is_left_than_we_know(code: str | None) -> None:
    """A refund of more than is left is a conflict, with and without a code; other refusals of it are none."""
    refunding, capturing = calls()
    assert _result(refunding, refused(code, "amount")) is Result.CONFLICT
    assert _result(refunding, refused(code, "charge")) is Result.REFUSED
    assert _result(refunding, refused("amount_too_small", "amount")) is Result.REFUSED
    assert _result(capturing, refused(code, "amount")) is Result.REFUSED
