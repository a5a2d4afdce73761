"""Captures: whole, partial, several of one authorization, and what happens when its time is over."""

from typing import Any

import pytest

from tests.unit.sandbox_stripe.intents import PLAIN, created, make
from tests.unit.sandbox_stripe.raw import Answer, Raw

HELD = f"{PLAIN}&payment_method=pm_card_visa&confirm=true&capture_method=manual"
SEVERAL = f"{HELD}&payment_method_options[card][request_multicapture]=if_available"
WEEK_S = 7 * 24 * 3600


async def capture(raw: Raw, intent: dict[str, Any], form: str = "") -> Answer:
    return await raw.post(f"/v1/payment_intents/{intent['id']}/capture", form)


async def charge_of(raw: Raw, intent: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = (await raw.get(f"/v1/charges/{intent['latest_charge']}")).body
    return body


async def newest(raw: Raw, count: int) -> list[str]:
    return [event["type"] for event in (await raw.get(f"/v1/events?limit={count}")).body["data"]]


async def test_a_capture_is_two_events(raw: Raw) -> None:
    """charge.captured tells what it was before, and payment_intent.succeeded follows."""
    intent = await make(raw, "requires_capture")
    assert (await charge_of(raw, intent))["balance_transaction"] is None
    await capture(raw, intent)
    assert await newest(raw, 3) == [
        "payment_intent.succeeded",
        "charge.captured",
        "payment_intent.amount_capturable_updated",
    ]
    (event,) = (await raw.get("/v1/events?type=charge.captured")).body["data"]
    assert event["data"]["previous_attributes"] == {
        "amount_captured": 0,
        "captured": False,
        "balance_transaction": None,
    }


async def test_only_the_captured_money_reaches_the_balance(raw: Raw) -> None:
    """A partial capture has one balance transaction, over what was captured."""
    intent = await make(raw, "requires_capture")
    done = (await capture(raw, intent, "amount_to_capture=1500&expand[]=latest_charge.balance_transaction")).body
    transaction = done["latest_charge"]["balance_transaction"]
    assert (transaction["amount"], transaction["source"]) == (1500, intent["latest_charge"])
    assert len((await raw.get("/v1/balance_transactions")).body["data"]) == 1


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ("amount_to_capture=2001", "amount_too_large", None),
        ("amount_to_capture=0", "parameter_invalid_integer", "amount"),
        ("amount_to_capture=-1", None, "amount_to_capture"),
        ("amount_to_capture=700&final_capture=false", "payment_intent_invalid_parameter", "final_capture"),
    ],
)
async def test_what_cannot_be_captured(raw: Raw, form: str, code: str | None, param: str | None) -> None:
    """Too much, nothing, less than nothing, and a part where only one capture is possible are 400s that show the intent."""
    intent = await make(raw, "requires_capture")
    answer = await capture(raw, intent, form)
    error = answer.body["error"]
    assert (answer.status, error.get("code"), error.get("param")) == (400, code, param)
    assert error["payment_intent"] == intent


async def test_a_second_capture_finds_nothing_left(raw: Raw) -> None:
    """After the capture the rest has been released, and the refusal says so."""
    intent = await make(raw, "requires_capture")
    await capture(raw, intent, "amount_to_capture=1500")
    error = (await capture(raw, intent, "amount_to_capture=500")).body["error"]
    assert error["code"] == "payment_intent_unexpected_state"
    assert "remainder of the authorized amount has been released" in error["message"]


async def test_a_capture_is_repeated_under_its_key(raw: Raw) -> None:
    """The same key replays the capture's answer and captures nothing again."""
    intent = await created(raw, SEVERAL)
    path = f"/v1/payment_intents/{intent['id']}/capture"
    form = "amount_to_capture=700&final_capture=false"
    first = await raw.post(path, form, key="k")
    again = await raw.post(path, form, key="k")
    assert again.body == first.body
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await charge_of(raw, intent))["amount_captured"] == 700


async def test_the_charge_says_until_when_and_how_often(raw: Raw) -> None:
    """capture_before is seven days ahead, and multicapture available only where it was asked for and the card has it."""
    plain, several = await make(raw, "requires_capture"), await created(raw, SEVERAL)
    card = (await charge_of(raw, plain))["payment_method_details"]["card"]
    now = (await raw.control("clock", method="GET"))["now"]
    assert card["capture_before"] - now in range(WEEK_S - 5, WEEK_S + 1)
    assert card["multicapture"] == {"status": "unavailable"}
    assert (await charge_of(raw, several))["payment_method_details"]["card"]["multicapture"] == {"status": "available"}
    featureless = await created(raw, SEVERAL.replace("pm_card_visa", "pm_card_credit_disableEnterpriseCardFeatures"))
    card = (await charge_of(raw, featureless))["payment_method_details"]["card"]
    assert card["multicapture"] == {"status": "unavailable"}
    await raw.control("account", {"multicapture": False})
    other = await created(raw, SEVERAL)
    assert (await charge_of(raw, other))["payment_method_details"]["card"]["multicapture"] == {"status": "unavailable"}


async def test_several_captures_leave_the_intent_capturable(raw: Raw) -> None:
    """Each part is received and settled, the rest stays authorized, and only the final one is charge.captured."""
    intent = await created(raw, SEVERAL)
    part = (await capture(raw, intent, "amount_to_capture=700&final_capture=false")).body
    assert (part["status"], part["amount_capturable"], part["amount_received"]) == ("requires_capture", 1300, 700)
    charge = await charge_of(raw, intent)
    assert (charge["captured"], charge["amount_captured"]) == (False, 700)
    assert await newest(raw, 2) == ["payment_intent.amount_capturable_updated", "charge.updated"]
    done = (await capture(raw, intent, "amount_to_capture=200")).body
    assert (done["status"], done["amount_capturable"], done["amount_received"]) == ("succeeded", 0, 900)
    charge = await charge_of(raw, intent)
    assert (charge["captured"], charge["amount_captured"], charge["amount_refunded"]) == (True, 900, 0)
    assert await newest(raw, 4) == [
        "payment_intent.succeeded",
        "charge.captured",
        "payment_intent.amount_capturable_updated",
        "charge.updated",
    ]
    rows = (await raw.get(f"/v1/balance_transactions?source={intent['latest_charge']}")).body["data"]
    assert [row["amount"] for row in rows] == [200, 700]


async def test_nothing_more_ends_several_captures(raw: Raw) -> None:
    """A final capture of zero releases the rest, once something was captured."""
    intent = await created(raw, SEVERAL)
    assert (await capture(raw, intent, "amount_to_capture=0")).status == 400
    await capture(raw, intent, "amount_to_capture=700&final_capture=false")
    done = (await capture(raw, intent, "amount_to_capture=0")).body
    assert (done["status"], done["amount_received"]) == ("succeeded", 700)


async def test_a_partly_captured_intent_is_not_canceled(raw: Raw) -> None:
    """A cancellation releases the rest, and the intent has succeeded with what was captured."""
    intent = await created(raw, SEVERAL)
    await capture(raw, intent, "amount_to_capture=700&final_capture=false")
    done = (await raw.post(f"/v1/payment_intents/{intent['id']}/cancel")).body
    assert (done["status"], done["amount_received"], done["canceled_at"]) == ("succeeded", 700, None)


async def test_a_part_is_refundable_while_more_is_capturable(raw: Raw) -> None:
    """Up to what was captured; `refunded` waits for the final capture."""
    intent = await created(raw, SEVERAL)
    await capture(raw, intent, "amount_to_capture=700&final_capture=false")
    charge = intent["latest_charge"]
    assert (await raw.post("/v1/refunds", f"charge={charge}&amount=701")).status == 400
    assert (await raw.post("/v1/refunds", f"charge={charge}&amount=700")).status == 200
    assert (await charge_of(raw, intent))["refunded"] is False
    await capture(raw, intent, "amount_to_capture=0")
    assert (await charge_of(raw, intent))["refunded"] is True


async def test_an_expired_authorization_keeps_what_was_captured(raw: Raw) -> None:
    """Partially captured intents succeed when their time is over, and uncaptured ones are canceled."""
    partly, untouched = await created(raw, SEVERAL), await created(raw, SEVERAL)
    await capture(raw, partly, "amount_to_capture=700&final_capture=false")
    await raw.control("clock", {"advance_s": WEEK_S + 1})
    kept = (await raw.get(f"/v1/payment_intents/{partly['id']}")).body
    assert (kept["status"], kept["amount_received"], kept["amount_capturable"]) == ("succeeded", 700, 0)
    gone = (await raw.get(f"/v1/payment_intents/{untouched['id']}")).body
    assert (gone["status"], gone["cancellation_reason"]) == ("canceled", "expired")
    assert (await capture(raw, untouched)).body["error"]["code"] == "payment_intent_unexpected_state"


async def test_the_dashboard_captures_cancels_and_expires(raw: Raw) -> None:
    """Each moves the intent as the API would, and its events name no request."""
    taken, canceled, expired = [await make(raw, "requires_capture") for _ in range(3)]
    taken = await raw.control(f"payment_intents/{taken['id']}/capture", {"amount": 1200})
    assert (taken["status"], taken["amount_received"]) == ("succeeded", 1200)
    canceled = await raw.control(f"payment_intents/{canceled['id']}/cancel", {"reason": "fraudulent"})
    assert (canceled["status"], canceled["cancellation_reason"]) == ("canceled", "fraudulent")
    expired = await raw.control(f"payment_intents/{expired['id']}/expire")
    assert (expired["status"], expired["cancellation_reason"]) == ("canceled", "expired")
    (event, *_) = (await raw.get("/v1/events")).body["data"]
    assert event["request"] == {"id": None, "idempotency_key": None}


async def test_a_card_can_be_captured_by_hand_alone(raw: Raw) -> None:
    """payment_method_options[card][capture_method]=manual goes before the intent's own capture method."""
    intent = await created(
        raw, f"{PLAIN}&payment_method=pm_card_visa&confirm=true&payment_method_options[card][capture_method]=manual"
    )
    assert (intent["status"], intent["capture_method"]) == ("requires_capture", "automatic_async")


async def test_a_debit_on_its_way_can_be_canceled_where_the_account_may(raw: Raw) -> None:
    """Refused by default; allowed by the account's terms, it ends the intent and its charge."""
    intent = await make(raw, "processing")
    path = f"/v1/payment_intents/{intent['id']}"
    assert (await raw.post(f"{path}/cancel")).body["error"]["code"] == "payment_intent_unexpected_state"
    await raw.control("account", {"cancel_processing": True})
    gone = (await raw.post(f"{path}/cancel")).body
    assert (gone["status"], gone["canceled_at"] is None) == ("canceled", False)
    assert (await charge_of(raw, intent))["status"] == "failed"
    await raw.control("clock", {"advance_s": 3601})
    assert (await raw.get(path)).body == gone
