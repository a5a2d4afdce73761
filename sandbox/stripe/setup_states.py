"""The SetupIntent state machine, as data. Everything that decides a SetupIntent's status is in this file.

Source: "How SetupIntents work" and the error messages of the API. Rows are statuses, columns are what can happen:

    attach      a payment method is set                     fail       the attempt was refused, or the method taken off
    challenge   the customer must act (3-D Secure)          succeed    the method may be used again
    cancel      by the API

Cards are never `processing`; the row is there because Stripe has the status.
"""

from enum import StrEnum
from typing import Any

from sandbox.stripe.errors import Json, StripeError, invalid_request
from sandbox.stripe.world import World


class Status(StrEnum):
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


class Input(StrEnum):
    ATTACH = "attach"
    CHALLENGE = "challenge"
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"


_S, _I = Status, Input

_OPEN = {
    _I.ATTACH: _S.REQUIRES_CONFIRMATION,
    _I.CHALLENGE: _S.REQUIRES_ACTION,
    _I.SUCCEED: _S.SUCCEEDED,
    _I.FAIL: _S.REQUIRES_PAYMENT_METHOD,
    _I.CANCEL: _S.CANCELED,
}

TRANSITIONS: dict[Status, dict[Input, Status]] = {
    _S.REQUIRES_PAYMENT_METHOD: _OPEN,
    _S.REQUIRES_CONFIRMATION: _OPEN,
    _S.REQUIRES_ACTION: _OPEN,
    _S.PROCESSING: {_I.SUCCEED: _S.SUCCEEDED, _I.FAIL: _S.REQUIRES_PAYMENT_METHOD},
    _S.SUCCEEDED: {},
    _S.CANCELED: {},
}

NO_METHOD = (
    "You cannot confirm this SetupIntent because it's missing a payment method. You can either update the SetupIntent with a "
    "payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken."
)
_ENDED = {Status.SUCCEEDED: "it has already succeeded", Status.CANCELED: "it has been canceled"}


def move(world: World, intent: Json, happened: Input, **changes: Any) -> Json:
    """The stored intent after that. The caller has refused what the table refuses."""
    status = TRANSITIONS[Status(intent["status"])].get(happened)
    assert status is not None, f"{happened} in {intent['status']}"
    return world.setup_intents.change(intent, status=str(status), **changes)


def refuse_confirm(intent: Json, method: str | None) -> StripeError | None:
    """A missing payment method is refused first, whatever the status."""
    if method is None:
        return state_error(NO_METHOD, intent)
    return _refuse_ended(intent, "confirm", Input.SUCCEED)


def refuse_update(intent: Json) -> StripeError | None:
    """The payment method of an ended intent stays; description, metadata and customer may change in any status."""
    return _refuse_ended(intent, "update", Input.ATTACH)


def refuse_cancel(intent: Json) -> StripeError | None:
    if Input.CANCEL in TRANSITIONS[Status(intent["status"])]:
        return None
    if intent["status"] == Status.CANCELED:
        return state_error("You cannot cancel this SetupIntent because it is already canceled.", intent)
    return state_error(
        f"You cannot cancel this SetupIntent because it has a status of {intent['status']}. Only a SetupIntent with one of the "
        "following statuses may be canceled: `requires_payment_method`, `requires_confirmation`, or `requires_action`.",
        intent,
    )


def state_error(message: str, intent: Json) -> StripeError:
    """400 with the intent as it is."""
    return invalid_request(message, code="setup_intent_unexpected_state", stored=True, setup_intent=intent)


def _refuse_ended(intent: Json, action: str, needs: Input) -> StripeError | None:
    status = Status(intent["status"])
    if needs in TRANSITIONS[status]:
        return None
    why = _ENDED.get(status, f"it has a status of {status}")
    return state_error(f"You cannot {action} this SetupIntent because {why}.", intent)
