"""Refunds."""

from typing import Any

import pytest

from tests.unit.sandbox_stripe.intents import PLAIN, created, make
from tests.unit.sandbox_stripe.raw import Raw


async def paid(raw: Raw, card: str = "pm_card_visa") -> dict[str, Any]:
    return await created(raw, f"{PLAIN}&payment_method={card}&confirm=true")


async def refund(raw: Raw, intent: dict[str, Any], more: str = "") -> dict[str, Any]:
    answer = await raw.post("/v1/refunds", f"payment_intent={intent['id']}{more}")
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


async def test_a_full_refund_is_the_default(raw: Raw) -> None:
    """Without an amount all that is left goes back, and the charge is refunded."""
    intent = await paid(raw)
    await refund(raw, intent, "&amount=500")
    rest = await refund(raw, intent, "&reason=duplicate&metadata[r]=1")
    assert (rest["amount"], rest["status"], rest["reason"], rest["metadata"]) == (
        1500,
        "succeeded",
        "duplicate",
        {"r": "1"},
    )
    charge = (await raw.get(f"/v1/charges/{intent['latest_charge']}")).body
    assert (charge["amount_refunded"], charge["refunded"]) == (2000, True)
    events = [event["type"] for event in (await raw.get("/v1/events?limit=4")).body["data"]]
    assert events == ["charge.refunded", "refund.created"] * 2


async def test_more_than_is_left_is_refused(raw: Raw) -> None:
    """The message says how much was asked and how much is left."""
    intent = await paid(raw)
    await refund(raw, intent, "&amount=1500")
    answer = await raw.post("/v1/refunds", f"payment_intent={intent['id']}&amount=501")
    assert answer.status == 400
    assert answer.body["error"]["message"] == (
        "Refund amount ($5.01) is greater than unrefunded amount on charge ($5.00)"
    )


async def test_a_refunded_charge_is_refused(raw: Raw) -> None:
    """After a full refund the code is charge_already_refunded, by charge and by intent."""
    intent = await paid(raw)
    await refund(raw, intent)
    for form in (f"payment_intent={intent['id']}", f"charge={intent['latest_charge']}"):
        answer = await raw.post("/v1/refunds", form)
        assert (answer.status, answer.body["error"]["code"]) == (400, "charge_already_refunded")


@pytest.mark.parametrize("status", ["requires_payment_method", "requires_capture", "processing", "canceled"])
async def test_an_unpaid_intent_cannot_be_refunded(raw: Raw, status: str) -> None:
    """Without captured money there is nothing to refund."""
    intent = await make(raw, status)
    assert (await raw.post("/v1/refunds", f"payment_intent={intent['id']}")).status == 400


@pytest.mark.parametrize("form", ["", "payment_intent=pi_none", "charge=ch_none", "payment_intent=pi_1&charge=ch_1"])
async def test_a_refund_names_one_known_payment(raw: Raw, form: str) -> None:
    """No payment, an unknown one or two of them are a 400."""
    assert (await raw.post("/v1/refunds", form)).status == 400


async def test_a_refund_can_fail_after_it_had_succeeded(raw: Raw) -> None:
    """Card 5126: succeeded at first, failed later, and the charge is refundable again."""
    intent = await paid(raw, "pm_card_refundFail")
    made = await refund(raw, intent)
    assert made["status"] == "succeeded"
    await raw.control("clock", {"advance_s": 3601})
    failed = (await raw.get(f"/v1/refunds/{made['id']}")).body
    assert (failed["status"], failed["failure_reason"]) == ("failed", "expired_or_canceled_card")
    charge = (await raw.get(f"/v1/charges/{intent['latest_charge']}")).body
    assert (charge["amount_refunded"], charge["refunded"]) == (0, False)
    kinds = {event["type"] for event in (await raw.get("/v1/events?limit=100")).body["data"]}
    assert {"refund.updated", "refund.failed", "charge.refund.updated"} <= kinds


async def test_a_refund_can_be_pending_first(raw: Raw) -> None:
    """Card 7726: pending, then succeeded with refund.updated."""
    made = await refund(raw, await paid(raw, "pm_card_pendingRefund"))
    assert (made["status"], made["pending_reason"]) == ("pending", "processing")
    await raw.control("clock", {"advance_s": 3601})
    assert (await raw.get(f"/v1/refunds/{made['id']}")).body["status"] == "succeeded"
    (event, *_) = (await raw.get("/v1/events?type=refund.updated")).body["data"]
    assert event["data"]["previous_attributes"]["status"] == "pending"


async def test_refunds_take_new_metadata_and_are_listed(raw: Raw) -> None:
    """A refund is updated, found by its charge and its intent, and cannot be canceled."""
    intent = await paid(raw)
    made = await refund(raw, intent, "&amount=5")
    updated = (await raw.post(f"/v1/refunds/{made['id']}", "metadata[order_id]=6735")).body
    assert updated["metadata"] == {"order_id": "6735"}
    for query in (f"charge={intent['latest_charge']}", f"payment_intent={intent['id']}"):
        assert (await raw.get(f"/v1/refunds?{query}")).body["data"] == [updated]
    assert (await raw.post(f"/v1/refunds/{made['id']}/cancel")).status == 400
