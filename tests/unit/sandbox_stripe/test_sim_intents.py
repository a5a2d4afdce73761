"""The PaymentIntent state machine: its table, and the API in every status."""

import itertools
from typing import Any

import pytest

from sandbox.stripe.intents import CANCELABLE, CAPTURABLE, CONFIRMABLE, TRANSITIONS, UPDATABLE, Input, Status, step
from tests.unit.sandbox_stripe.intents import created, make
from tests.unit.sandbox_stripe.raw import Raw

ACTIONS = {
    "confirm": ("/confirm", "payment_method=pm_card_visa", CONFIRMABLE),
    "cancel": ("/cancel", "", CANCELABLE),
    "capture": ("/capture", "", CAPTURABLE),
    "update": ("", "amount=3000", UPDATABLE),
}
AFTER = {"confirm": "succeeded", "cancel": "canceled", "capture": "succeeded"}


def test_the_table_has_a_row_for_every_status() -> None:
    """No status is forgotten, and the two final ones lead nowhere."""
    assert set(TRANSITIONS) == set(Status)
    assert [status for status, row in TRANSITIONS.items() if not row] == [Status.SUCCEEDED, Status.CANCELED]


@pytest.mark.parametrize(("status", "happened"), list(itertools.product(Status, Input)))
def test_a_step_is_a_move_or_a_broken_invariant(status: Status, happened: Input) -> None:
    """Every input in every status is in the table, or it raises and moves nothing."""
    if happened in TRANSITIONS[status]:
        assert step(status, happened) == TRANSITIONS[status][happened]
    else:
        with pytest.raises(AssertionError, match=f"{happened} in {status}"):
            step(status, happened)


@pytest.mark.parametrize(("status", "action"), list(itertools.product(Status, ACTIONS)))
async def test_every_action_in_every_status(raw: Raw, status: str, action: str) -> None:
    """An action is done where the table allows it; elsewhere it is a 400 with the unchanged intent embedded."""
    intent = await make(raw, status)
    path, form, allowed = ACTIONS[action]
    answer = await raw.post(f"/v1/payment_intents/{intent['id']}{path}", form)
    now = (await raw.get(f"/v1/payment_intents/{intent['id']}")).body
    if status in allowed:
        assert answer.status == 200
        assert answer.body == now
        assert now["status"] == AFTER.get(action, status)
    else:
        assert answer.status == 400
        error = answer.body["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "payment_intent_unexpected_state")
        assert error["payment_intent"] == intent == now


async def test_cancel_of_a_succeeded_intent_says_what_stripe_says(raw: Raw) -> None:
    """The refusal lists the statuses that may be canceled."""
    intent = await make(raw, "succeeded")
    error = (await raw.post(f"/v1/payment_intents/{intent['id']}/cancel")).body["error"]
    assert error["message"].startswith("You cannot cancel this PaymentIntent because it has a status of succeeded.")


async def test_a_create_without_a_payment_method_waits_for_one(raw: Raw) -> None:
    """A bare create has automatic payment methods and asks for a payment method."""
    intent = await created(raw, "amount=1099&currency=eur")
    assert intent["automatic_payment_methods"] == {"allow_redirects": "always", "enabled": True}
    assert intent["capture_method"] == "automatic_async"
    assert (intent["status"], intent["livemode"]) == ("requires_payment_method", False)
    assert intent["client_secret"].startswith(f"{intent['id']}_secret_")


async def test_confirming_automatic_payment_methods_needs_a_return_url(raw: Raw) -> None:
    """Without return_url a server-side confirmation is a 400 that moves nothing; with one, or without redirects, it pays."""
    intent = await created(raw, "amount=1099&currency=usd")
    path = f"/v1/payment_intents/{intent['id']}/confirm"
    refused = await raw.post(path, "payment_method=pm_card_visa")
    assert refused.status == 400
    assert "you must provide a `return_url`" in refused.body["error"]["message"]
    assert (await raw.get(f"/v1/payment_intents/{intent['id']}")).body == intent
    paid = await raw.post(path, "payment_method=pm_card_visa&return_url=https://shop.example/")
    assert paid.body["status"] == "succeeded"
    never = "automatic_payment_methods[enabled]=true&automatic_payment_methods[allow_redirects]=never"
    other = await created(raw, f"amount=1099&currency=usd&payment_method=pm_card_visa&confirm=true&{never}")
    assert other["status"] == "succeeded"


async def test_confirm_without_a_payment_method_is_refused(raw: Raw) -> None:
    """There is nothing to charge: 400, payment_intent_unexpected_state."""
    intent = await make(raw, "requires_payment_method")
    error = (await raw.post(f"/v1/payment_intents/{intent['id']}/confirm")).body["error"]
    assert error["code"] == "payment_intent_unexpected_state"
    assert "missing a payment method" in error["message"]


async def test_a_declined_intent_can_be_confirmed_again(raw: Raw) -> None:
    """After a decline another card pays; both charges are on record, one of them failed."""
    intent = await make(raw, "requires_payment_method")
    path = f"/v1/payment_intents/{intent['id']}"
    declined = await raw.post(f"{path}/confirm", "payment_method=pm_card_chargeDeclined")
    assert declined.status == 402
    open_again = (await raw.get(path)).body
    assert open_again["status"] == "requires_payment_method"
    assert open_again["last_payment_error"]["decline_code"] == "generic_decline"
    paid = await raw.post(f"{path}/confirm", "payment_method=pm_card_visa")
    assert (paid.body["status"], paid.body["last_payment_error"]) == ("succeeded", None)
    charges = (await raw.get(f"/v1/charges?payment_intent={intent['id']}")).body["data"]
    assert [charge["status"] for charge in charges] == ["succeeded", "failed"]


async def test_a_partial_capture_releases_the_rest(raw: Raw) -> None:
    """Capturing 1500 of 2000 receives 1500; since basil the rest shows in no refund."""
    intent = await make(raw, "requires_capture")
    assert intent["amount_capturable"] == 2000
    done = (await raw.post(f"/v1/payment_intents/{intent['id']}/capture", "amount_to_capture=1500")).body
    assert (done["status"], done["amount_received"], done["amount_capturable"]) == ("succeeded", 1500, 0)
    charge = (await raw.get(f"/v1/charges/{done['latest_charge']}")).body
    assert (charge["amount_captured"], charge["amount_refunded"], charge["refunded"]) == (1500, 0, False)
    assert (await raw.get("/v1/refunds")).body["data"] == []


async def test_capturing_more_than_authorized_is_refused(raw: Raw) -> None:
    """amount_to_capture above amount_capturable is amount_too_large."""
    intent = await make(raw, "requires_capture")
    answer = await raw.post(f"/v1/payment_intents/{intent['id']}/capture", "amount_to_capture=2001")
    assert (answer.status, answer.body["error"]["code"]) == (400, "amount_too_large")


async def test_canceling_an_authorization_releases_it(raw: Raw) -> None:
    """The charge stays uncaptured, and since basil there is neither a refund nor charge.refunded."""
    intent = await make(raw, "requires_capture")
    gone = (await raw.post(f"/v1/payment_intents/{intent['id']}/cancel", "cancellation_reason=duplicate")).body
    assert (gone["status"], gone["cancellation_reason"], gone["amount_capturable"]) == ("canceled", "duplicate", 0)
    charge = (await raw.get(f"/v1/charges/{gone['latest_charge']}")).body
    assert (charge["captured"], charge["amount_captured"], charge["refunded"]) == (False, 0, False)
    kinds = [event["type"] for event in (await raw.get("/v1/events?limit=1")).body["data"]]
    assert kinds == ["payment_intent.canceled"]


async def test_an_authorization_expires_after_seven_days(raw: Raw) -> None:
    """Uncaptured for seven days, the intent is canceled by Stripe with the reason expired."""
    intent = await make(raw, "requires_capture")
    await raw.control("clock", {"advance_s": 7 * 24 * 3600 + 1})
    gone = (await raw.get(f"/v1/payment_intents/{intent['id']}")).body
    assert (gone["status"], gone["cancellation_reason"]) == ("canceled", "expired")
    kinds = [event["type"] for event in (await raw.get("/v1/events?limit=2")).body["data"]]
    assert kinds == ["payment_intent.canceled", "charge.expired"]


@pytest.mark.parametrize(("outcome", "status"), [("succeed", "succeeded"), ("fail", "requires_payment_method")])
async def test_a_debit_settles_when_asked(raw: Raw, outcome: str, status: str) -> None:
    """A processing intent ends by the bank's answer."""
    intent = await make(raw, "processing")
    settled = await raw.control(f"payment_intents/{intent['id']}/settle", {"outcome": outcome})
    assert settled["status"] == status


async def test_a_debit_settles_by_the_clock_as_its_account_is_published(raw: Raw) -> None:
    """The test account for insufficient funds fails after the processing delay."""
    form = "amount=2000&currency=usd&payment_method_types[]=us_bank_account&confirm=true"
    intent = await created(raw, f"{form}&payment_method=pm_usBankAccount_insufficientFunds")
    assert intent["status"] == "processing"
    await raw.control("clock", {"advance_s": 3601})
    failed: dict[str, Any] = (await raw.get(f"/v1/payment_intents/{intent['id']}")).body
    assert failed["status"] == "requires_payment_method"
    assert failed["last_payment_error"]["code"] == "insufficient_funds"


async def test_under_automatic_async_the_balance_transaction_comes_later(raw: Raw) -> None:
    """The charge has none at first; charge.updated brings it."""
    intent = await make(raw, "succeeded")
    path = f"/v1/charges/{intent['latest_charge']}"
    assert (await raw.get(path)).body["balance_transaction"] is None
    await raw.control("clock", {"advance_s": 3601})
    assert (await raw.get(path)).body["balance_transaction"].startswith("txn_")
    (event,) = (await raw.get("/v1/events?type=charge.updated")).body["data"]
    assert event["data"]["previous_attributes"] == {"balance_transaction": None}
    assert event["request"] == {"id": None, "idempotency_key": None}


async def test_payment_method_types_are_read_only_since_endive(raw: Raw) -> None:
    """A request of that version is refused by code; an older one, or one without a version, is served."""
    form = "amount=2000&currency=usd&payment_method_types[]=card"
    refused = await raw.post("/v1/payment_intents", form, Stripe_Version="2026-10-28.endive")
    assert (refused.status, refused.body["error"]["code"]) == (400, "payment_method_types_no_longer_supported")
    assert (await raw.post("/v1/payment_intents", form, Stripe_Version="2026-08-26.dahlia")).status == 200
    assert (await raw.post("/v1/payment_intents", form)).body["payment_method_types"] == ["card"]


@pytest.mark.parametrize(
    ("choice", "types"),
    [
        ("", ["card", "us_bank_account"]),
        ("allowed_payment_method_types[]=card&allowed_payment_method_types[]=ideal", ["card"]),
        ("excluded_payment_method_types[]=us_bank_account", ["card"]),
        ("automatic_payment_methods[enabled]=false", ["card"]),
    ],
)
async def test_the_accepted_types_follow_the_choice(raw: Raw, choice: str, types: list[str]) -> None:
    """Allowed types are filtered to what the account has, excluded ones are left out."""
    intent = await created(raw, f"amount=2000&currency=usd&{choice}")
    assert intent["payment_method_types"] == types


async def test_only_one_choice_of_types_is_taken(raw: Raw) -> None:
    """Two ways of choosing the types in one request exclude each other."""
    form = "amount=2000&currency=usd&allowed_payment_method_types[]=card&automatic_payment_methods[enabled]=true"
    assert (await raw.post("/v1/payment_intents", form)).status == 400


async def test_off_session_needs_no_return_url_under_automatic_payment_methods(raw: Raw) -> None:
    """Nobody is there to be redirected; and error_on_requires_action is refused there."""
    form = "amount=2000&currency=usd&payment_method=pm_card_visa&confirm=true"
    assert (await created(raw, f"{form}&off_session=true"))["status"] == "succeeded"
    refused = await raw.post(
        "/v1/payment_intents", f"{form}&error_on_requires_action=true&return_url=https://a.example/"
    )
    assert (refused.status, refused.body["error"]["param"]) == (400, "error_on_requires_action")
