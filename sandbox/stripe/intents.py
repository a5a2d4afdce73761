"""The PaymentIntent state machine, as data. Everything that decides a PaymentIntent's status is in this file.

Source: "How PaymentIntents work" (lifecycle) and the error messages of the API. Rows are statuses, columns are what can happen:

    attach      a payment method is set                     detach      it is taken off again, or the attempt failed
    challenge   the customer must act (3-D Secure)          decline     the attempt was refused
    authorize   approved, capture_method=manual             pay         approved and captured
    submit      a debit is on its way to the bank           settle      the bank paid it
    verify      authenticated, confirmation_method=manual
    cancel      by the API                                  expire      by Stripe, after the authorization ran out
    capture     the authorized money is taken, finally      capture_part   a part of it (multicapture)
    release     what was left of several captures ran out   withdraw       canceled before the bank had the debit

An input that is not in a status's row is refused (`payment_intent_unexpected_state`) and changes nothing.
"""

from enum import StrEnum
from typing import Any

from sandbox.stripe.errors import Json, StripeError, state_error
from sandbox.stripe.world import World


class Status(StrEnum):
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


class Input(StrEnum):
    ATTACH = "attach"
    DETACH = "detach"
    CHALLENGE = "challenge"
    DECLINE = "decline"
    AUTHORIZE = "authorize"
    PAY = "pay"
    SUBMIT = "submit"
    SETTLE = "settle"
    VERIFY = "verify"
    CAPTURE = "capture"
    CAPTURE_PART = "capture_part"
    RELEASE = "release"
    WITHDRAW = "withdraw"
    CANCEL = "cancel"
    EXPIRE = "expire"


_S, _I = Status, Input

# What a confirmation may lead to, from every status that can be confirmed.
_ATTEMPT = {
    _I.CHALLENGE: _S.REQUIRES_ACTION,
    _I.DECLINE: _S.REQUIRES_PAYMENT_METHOD,
    _I.AUTHORIZE: _S.REQUIRES_CAPTURE,
    _I.PAY: _S.SUCCEEDED,
    _I.SUBMIT: _S.PROCESSING,
}
_OPEN = {
    **_ATTEMPT,
    _I.ATTACH: _S.REQUIRES_CONFIRMATION,
    _I.DETACH: _S.REQUIRES_PAYMENT_METHOD,
    _I.CANCEL: _S.CANCELED,
}

TRANSITIONS: dict[Status, dict[Input, Status]] = {
    _S.REQUIRES_PAYMENT_METHOD: _OPEN,
    _S.REQUIRES_CONFIRMATION: _OPEN,
    _S.REQUIRES_ACTION: {**_OPEN, _I.VERIFY: _S.REQUIRES_CONFIRMATION},
    _S.PROCESSING: {
        _I.SETTLE: _S.SUCCEEDED,
        _I.DECLINE: _S.REQUIRES_PAYMENT_METHOD,
        _I.WITHDRAW: _S.CANCELED,
    },
    _S.REQUIRES_CAPTURE: {
        _I.CAPTURE_PART: _S.REQUIRES_CAPTURE,
        _I.CAPTURE: _S.SUCCEEDED,
        _I.RELEASE: _S.SUCCEEDED,
        _I.CANCEL: _S.CANCELED,
        _I.EXPIRE: _S.CANCELED,
    },
    _S.SUCCEEDED: {},
    _S.CANCELED: {},
}

CONFIRMABLE = frozenset(status for status, row in TRANSITIONS.items() if _I.PAY in row)
CANCELABLE = tuple(status for status, row in TRANSITIONS.items() if _I.CANCEL in row)
CAPTURABLE = tuple(status for status, row in TRANSITIONS.items() if _I.CAPTURE in row)
# Only description, metadata and the like may change elsewhere.
UPDATABLE = tuple(status for status, row in TRANSITIONS.items() if _I.ATTACH in row)


def step(status: str, happened: Input) -> Status:
    """The next status. The caller has refused what the table refuses, so a gap here is our bug."""
    following = TRANSITIONS[Status(status)].get(happened)
    assert following is not None, f"{happened} in {status}"
    return following


def move(world: World, intent: Json, happened: Input, **changes: Any) -> Json:
    """The stored intent after that, with what else changed."""
    return world.payment_intents.change(intent, status=str(step(intent["status"], happened)), **changes)


def refuse_confirm(intent: Json) -> StripeError | None:
    """Stripe's refusal of a confirmation in this status, if it refuses."""
    status = intent["status"]
    if status in CONFIRMABLE:
        return None
    if status == Status.SUCCEEDED:
        message = (
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed."
        )
    else:
        message = (
            f"You cannot confirm this PaymentIntent because it has a status of {status}. Only a PaymentIntent with one of "
            "the following statuses may be confirmed: requires_confirmation, requires_action."
        )
    return state_error(message, intent)


def refuse_cancel(intent: Json) -> StripeError | None:
    status = intent["status"]
    if status in CANCELABLE:
        return None
    return state_error(
        f"You cannot cancel this PaymentIntent because it has a status of {status}. Only a PaymentIntent with one of the "
        "following statuses may be canceled: requires_payment_method, requires_capture, requires_reauthorization, "
        "requires_confirmation, requires_action, expired, processing.",
        intent,
    )


def refuse_capture(intent: Json) -> StripeError | None:
    status = intent["status"]
    if status in CAPTURABLE:
        return None
    if status == Status.SUCCEEDED and intent["capture_method"] == "manual":
        return state_error(
            "The remaining amount on this PaymentIntent could not be captured because the remainder of the authorized amount "
            "has been released.",
            intent,
        )
    return state_error(
        f"This PaymentIntent could not be captured because it has a status of {status}. Only a PaymentIntent with one of "
        f"the following statuses may be captured: {', '.join(CAPTURABLE)}.",
        intent,
    )


def refuse_update(intent: Json, field: str) -> StripeError | None:
    status = intent["status"]
    if status in UPDATABLE:
        return None
    return state_error(
        f"This PaymentIntent's {field} could not be updated because it has a status of {status}. You may only update the "
        f"{field} of a PaymentIntent with one of the following statuses: {', '.join(UPDATABLE)}.",
        intent,
        param=field,
    )
